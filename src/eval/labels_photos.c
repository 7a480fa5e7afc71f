/* labels_photos.c: each photo against the mean of its person's other photos, and against everybody else's.
 *
 *   D = (highest cosine with another person's mean) - (cosine with the mean of one's own other photos)
 *
 * is negative when the label is right and some 0.7 when not. What D is of wrong labels is not guessed: each
 * photo is put to a stranger once, its true person being there or not, and D is taken. labels_doubt.c does
 * the rest. Neither part of D alone does as well (average precision on 200 people, 3 of 100 labels wrong: own
 * 0.80, D 0.95), for a poor photo is far from everybody. Means of one or two photos are noisier than those of
 * twenty, so people are judged with those who have as many photos as they. */
#include "eval/labels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* By how many other photos of the person there are; groups with few photos join the next. */
enum { GROUPS = 4, GROUP_LEAST = 100, OTHER_LEAST = 2 };

static int group_of(size_t others) {
    return others >= 9 ? 3 : others >= 4 ? 2 : others >= 2 ? 1 : 0;
}

typedef struct judge {
    const lk__labels_job *job;
    lk_photo_label *of; /* (count), in the order of the job */
    size_t judged;      /* photos, the first so many */
    size_t from, to;    /* of this round */
} judge;

static size_t size_of(const lk__labels_job *job, size_t person) {
    return job->first[person + 1] - job->first[person];
}

static size_t person_of(const lk__labels_job *job, size_t i) {
    return job->in->person[job->photo[i]];
}

/* ---- own and other ------------------------------------------------------------------------------------- */

static double cosine_with_rest(const lk__labels_job *job, size_t i, size_t person) {
    size_t dim = (size_t)job->in->dim;
    const float *x = job->vectors + i * dim;
    const double *sum = job->sums + person * dim;
    double dot = 0, square = 0;
    for (size_t d = 0; d < dim; d++) {
        double rest = sum[d] - (double)x[d];
        dot += rest * (double)x[d];
        square += rest * rest;
    }
    return square > 1e-12 ? dot / sqrt(square) : 0;
}

static void look(const judge *j, size_t i) {
    const lk__labels_job *job = j->job;
    size_t person = person_of(job, i), dim = (size_t)job->in->dim;
    lk_photo_label *label = &j->of[i];
    if (size_of(job, person) > 1) label->own = cosine_with_rest(job, i, person);
    for (size_t p = 0; p < job->in->judged_people; p++) {
        if (job->same[p] == job->same[person] || size_of(job, p) < OTHER_LEAST) continue;
        double cosine = (double)lk__labels_dot(job->vectors + i * dim, job->means + p * dim, job->in->dim);
        if (cosine <= label->other) continue; /* no if it is NaN */
        label->other = cosine;
        label->nearest = p;
    }
}

static void look_part(void *context, int i, int n) {
    const judge *j = context;
    size_t first, last;
    lk__part(j->to - j->from, i, n, &first, &last);
    for (size_t k = j->from + first; k < j->from + last; k++) look(j, k);
}

static lk_status look_at_all(judge *j, lk_error *err) {
    enum { ROUND = 512 };
    for (size_t i = 0; i < j->job->in->count; i++)
        j->of[i] = (lk_photo_label){NAN, -INFINITY, SIZE_MAX, NAN, false};
    lk_status status = LK_OK;
    for (j->from = 0; j->from < j->judged && status == LK_OK; j->from = j->to) {
        j->to = j->judged - j->from < ROUND ? j->judged : j->from + ROUND;
        lk__parallel(look_part, j);
        status = lk__labels_progress(j->job, 0.5, 1, (double)j->to / (double)j->judged, err);
    }
    for (size_t i = 0; i < j->judged; i++)
        if (!isfinite(j->of[i].other)) j->of[i].other = NAN;
    return status;
}

/* ---- how likely it is wrong ---------------------------------------------------------------------------- */

typedef struct group {
    size_t count;
    size_t *at;                  /* (count) photos, in the order of the job */
    double *seen, *made, *doubt; /* (count), (2 count), (count) */
} group;

/* In a folder of two people half the photos are unlike the rest, rightly or not. */
static bool can_judge(const judge *j, size_t i) {
    return isfinite(j->of[i].own) && isfinite(j->of[i].other) && !j->job->split[person_of(j->job, i)];
}

/* Groups with few photos join the next; the last takes what is left. */
static void number_groups(const judge *j, int *becomes) {
    size_t count[GROUPS] = {0}, sum = 0, left = 0;
    for (size_t i = 0; i < j->judged; i++) {
        if (!can_judge(j, i)) continue;
        count[group_of(size_of(j->job, person_of(j->job, i)) - 1)]++;
        left++;
    }
    for (int g = 0, to = 0; g < GROUPS; g++) {
        becomes[g] = to;
        sum += count[g];
        left -= count[g];
        if (sum >= GROUP_LEAST && left >= GROUP_LEAST) {
            to++;
            sum = 0;
        }
    }
}

static lk_status group_open(const judge *j, const int *becomes, int number, group *g, lk_error *err) {
    *g = (group){0};
    g->at = malloc((j->judged + 1) * sizeof *g->at);
    g->seen = malloc((j->judged + 1) * sizeof *g->seen);
    g->made = malloc((j->judged + 1) * 2 * sizeof *g->made);
    g->doubt = malloc((j->judged + 1) * sizeof *g->doubt);
    if (!g->at || !g->seen || !g->made || !g->doubt)
        return lk__fail_memory(err, j->judged * 5 * sizeof(double), "judging labels");
    for (size_t i = 0; i < j->judged; i++) {
        const lk_photo_label *l = &j->of[i];
        if (!can_judge(j, i) || becomes[group_of(size_of(j->job, person_of(j->job, i)) - 1)] != number)
            continue;
        g->at[g->count] = i;
        g->seen[g->count++] = l->other - l->own;
    }
    return LK_OK;
}

static void group_close(group *g) {
    free(g->at);
    free(g->seen);
    free(g->made);
    free(g->doubt);
}

/* Each photo in the folder of somebody else of the group: its true person is then another one, or not there.
 */
static size_t put_to_strangers(const judge *j, const group *g, uint64_t number) {
    const lk__labels_job *job = j->job;
    lk__random random = lk__random_stream(job->in->seed, 'l', number, 0);
    size_t dim = (size_t)job->in->dim, made = 0;
    for (size_t k = 0; k < g->count; k++) {
        size_t i = g->at[k], stranger = person_of(job, g->at[lk__random_below(&random, g->count)]);
        const lk_photo_label *l = &j->of[i];
        if (stranger == person_of(job, i)) continue;
        double own =
            (double)lk__labels_dot(job->vectors + i * dim, job->means + stranger * dim, job->in->dim);
        g->made[made++] = fmax(l->own, l->other) - own;
        g->made[made++] = l->other - own;
    }
    return made;
}

/* Was the true person among the others, or is the nearest a stranger? Cosines of right labels and of the
 * nearest stranger, compared at the photo's own. */
static void tell_whether_somebody(const judge *j, const group *g) {
    static const double width = 0.05;
    for (size_t k = 0; k < g->count; k++) {
        if (g->doubt[k] < 0.1) continue;
        lk_photo_label *l = &j->of[g->at[k]];
        double right = 0, stranger = 0;
        for (size_t m = 0; m < g->count; m++) {
            const lk_photo_label *o = &j->of[g->at[m]];
            double a = (o->own - l->other) / width, b = (o->other - l->other) / width;
            right += exp(-a * a / 2);
            stranger += exp(-b * b / 2);
        }
        l->somebody = right >= stranger;
    }
}

/* Of two photos of a person that are unlike, one is wrong at most as far as one can tell: the one that is
 * more like somebody else. */
static void spare_one_of_two(const judge *j) {
    const lk__labels_job *job = j->job;
    for (size_t p = 0; p < job->in->judged_people; p++) {
        if (size_of(job, p) != 2) continue;
        lk_photo_label *a = &j->of[job->first[p]], *b = a + 1;
        if (a->doubt > 0 && b->doubt > 0) (a->doubt >= b->doubt ? b : a)->doubt = 0;
    }
}

static const double scale_least = 0.08; /* of D; 0.11 to 0.13 where it was measured */

static lk_status doubt_all(judge *j, double *wrong_share, lk_error *err) {
    int becomes[GROUPS];
    double wrong = 0, total = 0;
    lk_status status = LK_OK;
    number_groups(j, becomes);
    for (int number = 0; number < GROUPS && status == LK_OK; number++) {
        group g;
        double share = 0;
        status = group_open(j, becomes, number, &g, err);
        if (status == LK_OK && g.count) {
            size_t made = put_to_strangers(j, &g, (uint64_t)number);
            status =
                lk__labels_doubt(g.seen, g.count, g.count, g.made, made, scale_least, g.doubt, &share, err);
        }
        if (status == LK_OK && g.count) {
            tell_whether_somebody(j, &g);
            for (size_t k = 0; k < g.count; k++) j->of[g.at[k]].doubt = g.doubt[k];
            wrong += share * (double)g.count;
            total += (double)g.count;
        }
        group_close(&g);
    }
    if (status == LK_OK) spare_one_of_two(j);
    *wrong_share = total > 0 ? wrong / total : 0;
    return status;
}

lk_status lk__labels_photos(const lk__labels_job *job, lk_labels *out, lk_error *err) {
    judge j = {.job = job, .judged = job->first[job->in->judged_people]};
    j.of = malloc((job->in->count + 1) * sizeof *j.of);
    lk_photo_label *photos = malloc((job->in->count + 1) * sizeof *photos);
    lk_status status =
        j.of && photos ? LK_OK : lk__fail_memory(err, job->in->count * sizeof *photos, "judging labels");
    if (status == LK_OK) status = look_at_all(&j, err);
    if (status == LK_OK) status = doubt_all(&j, &out->wrong_share, err);
    if (status == LK_OK) {
        for (size_t i = 0; i < job->in->count; i++) photos[job->photo[i]] = j.of[i];
        out->photos = photos;
    } else {
        free(photos);
    }
    free(j.of);
    return status;
}
