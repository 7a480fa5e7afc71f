/* detect_validate.c: a detector against labels: every face it is at all sure of is a hit, a false one, or
 * neither; sorted by confidence they tell how many are found at how many false ones. */
#include "face/detect_validate.h"
#include "face/detect.h"

#include <math.h>
#include <stdlib.h>

enum { FACES_MAX = 256 };
static const double HIT = 0.4;

typedef struct answer {
    double confidence;
    bool hit;
} answer;

typedef struct tally {
    answer *answers;
    size_t count, room, faces, measured;
    double points;
} tally;

static int by_confidence(const void *a, const void *b) {
    const answer *p = a, *q = b;
    return p->confidence != q->confidence ? (p->confidence < q->confidence ? 1 : -1)
                                          : (int)q->hit - (int)p->hit;
}

static int surest_first(const void *a, const void *b) {
    const lk_face *f = a, *g = b;
    return (f->confidence < g->confidence) - (f->confidence > g->confidence);
}

static double points_apart(const lk_face *found, const lk_face *truth) {
    double sum = 0;
    for (int i = 0; i < LK_FACE_POINTS; i++)
        sum += hypot((double)(found->point[i].x - truth->point[i].x),
                     (double)(found->point[i].y - truth->point[i].y));
    double eyes = hypot((double)(truth->point[1].x - truth->point[0].x),
                        (double)(truth->point[1].y - truth->point[0].y));
    return sum / LK_FACE_POINTS / fmax(eyes, 1e-6);
}

/* The label that f hits: the one it overlaps most, of those not taken. */
static const lk__label *hit_by(const lk_face *f, const lk__labelled *photo, bool *taken) {
    const lk__label *best = NULL;
    double most = HIT;
    for (size_t i = 0; i < photo->count; i++) {
        const lk__label *l = &photo->label[i];
        double overlap = lk__overlap(f, &l->face);
        if (overlap < most || (taken[i] && !l->ignored)) continue;
        most = overlap;
        best = l;
    }
    if (best) taken[best - photo->label] = true;
    return best;
}

static lk_status count_photo(const lk__labelled *photo, lk_face *found, size_t count, tally *t,
                             lk_error *err) {
    bool *taken = calloc(photo->count + 1, sizeof *taken);
    if (t->room < t->count + count) {
        t->room = 2 * (t->count + count);
        answer *grown = realloc(t->answers, t->room * sizeof *grown);
        if (grown) t->answers = grown;
        if (!grown || !taken) {
            free(taken);
            return lk__fail_memory(err, t->room * sizeof *grown, "what a detector found");
        }
    }
    for (size_t i = 0; taken && i < photo->count; i++) t->faces += !photo->label[i].ignored;
    if (count > 1) qsort(found, count, sizeof *found, surest_first); /* the surer one has the label */
    for (size_t i = 0; taken && i < count; i++) {
        const lk__label *l = hit_by(&found[i], photo, taken);
        if (l && l->ignored) continue;
        t->answers[t->count++] = (answer){(double)found[i].confidence, l != NULL};
        if (!l) continue;
        t->points += points_apart(&found[i], &l->face);
        t->measured++;
    }
    free(taken);
    return LK_OK;
}

lk_status lk__detect_measure(lk_detector *detector, const lk__labels *labels, const size_t *which,
                             size_t count, double photos_a_false, lk__detect_figures *out, lk_error *err) {
    tally t = {0};
    lk_face found[FACES_MAX];
    lk_status status = LK_OK;
    for (size_t i = 0; status == LK_OK && i < count; i++) {
        const lk__labelled *photo = &labels->photo[which[i]];
        size_t n = 0;
        status = lk_detector_find(detector, photo->image, found, FACES_MAX, &n, err);
        if (status == LK_OK) status = count_photo(photo, found, n, &t, err);
    }
    if (status == LK_OK) {
        size_t hits = 0, wrong = 0, allowed = (size_t)((double)count / photos_a_false), most = 0;
        double confidence = 0.99;
        if (t.count > 1) qsort(t.answers, t.count, sizeof *t.answers, by_confidence);
        for (size_t i = 0; i < t.count; i++) {
            if (t.answers[i].hit)
                hits++;
            else if (++wrong > allowed)
                break;
            most = hits;
            confidence = t.answers[i].confidence;
        }
        *out = (lk__detect_figures){.recall = t.faces ? (double)most / (double)t.faces : NAN,
                                    .confidence = confidence,
                                    .points = t.measured ? t.points / (double)t.measured : NAN};
    }
    free(t.answers);
    return status;
}
