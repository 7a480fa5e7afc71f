/* labels.c: lk_labels_judge: checks, then one step after another (labels.h). Knows vectors and labels only:
 * what a person or a photo is, the caller knows. */
#include "eval/labels.h"

#include <math.h>
#include <stdlib.h>

lk_status lk__labels_progress(const lk__labels_job *job, double from, double to, double share,
                              lk_error *err) {
    const lk_label_input *in = job->in;
    if (!in->progress || !in->progress(in->context, from + (to - from) * share)) return LK_OK;
    return lk__fail(err, LK_STOPPED, "stopped on request while judging labels");
}

static lk_status check(const lk_label_input *in, lk_error *err) {
    if (in->dim < 1) return lk__fail(err, LK_INVALID, "vectors of dim %d; the least is 1", in->dim);
    if (in->judged_people > in->people)
        return lk__fail(err, LK_INVALID, "%zu of %zu people to judge", in->judged_people, in->people);
    for (size_t i = 0; i < in->count; i++)
        if (in->person[i] >= in->people)
            return lk__fail(err, LK_INVALID, "vector %zu is of person %zu; there are %zu", i, in->person[i],
                            in->people);
    for (size_t i = 0; i < in->count * (size_t)in->dim; i++)
        if (!isfinite(in->vectors[i]))
            return lk__fail(err, LK_INVALID, "vector %zu holds a value that is not a finite number",
                            i / (size_t)in->dim);
    return LK_OK;
}

static size_t people_with_two(const lk__labels_job *job) {
    size_t count = 0;
    for (size_t p = 0; p < job->in->judged_people; p++) count += job->first[p + 1] - job->first[p] >= 2;
    return count;
}

lk_status lk_labels_judge(const lk_label_input *in, lk_labels *out, lk_error *err) {
    lk_status status = check(in, err);
    if (status != LK_OK) return status;
    lk__labels_job job;
    lk_labels labels = {0};
    int before = lk__threads();
    lk__threads_set(in->threads);
    status = lk__labels_open(in, &job, err);
    if (status == LK_OK) {
        size_t people = people_with_two(&job);
        if (people < LK_LABEL_PEOPLE_LEAST)
            status = lk__fail(err, LK_EMPTY,
                              "%zu people with 2 photos: labels can be judged from %d such people on", people,
                              LK_LABEL_PEOPLE_LEAST);
        if (status == LK_OK) status = lk__labels_pairs(&job, &labels, err);
        if (status == LK_OK) status = lk__labels_splits(&job, &labels, err);
        if (status == LK_OK) status = lk__labels_progress(&job, 0.4, 0.5, 1, err);
        if (status == LK_OK) status = lk__labels_photos(&job, &labels, err);
        lk__labels_close(&job);
    }
    lk__threads_set(before);
    if (status == LK_OK)
        *out = labels;
    else
        lk_labels_free(&labels);
    return status;
}

void lk_labels_free(lk_labels *labels) {
    if (!labels) return;
    free(labels->photos);
    free(labels->splits);
    free(labels->pairs);
    free(labels->leaks);
    *labels = (lk_labels){0};
}
