/* reject.c: does a measure of quality know which photos a model will fail on? The worst pairs are turned away
 * step by step, and what the model misses of the rest is counted (Grother & Tabassi 2007).
 *
 *   threshold at a FAR  ->  quality of each same pair, missed or not, sorted  ->  a point for each step
 *
 * Quality often has few values: of pairs equally good some are turned away and some not, in no order. They
 * count by their share, which is the mean over all orders, and the curve depends on no order. */
#include "eval/trial.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

typedef struct qualities {
    const float *quality; /* (photos) */
    double threshold;
    float *all, *missed; /* of same pairs: of each, of those missed */
    size_t all_count, missed_count;
    pthread_mutex_t lock;
} qualities;

/* Blocks come in any order: sorting forgets it. */
static void quality_block(void *context, int thread, const lk__block *block) {
    qualities *q = context;
    (void)thread;
    pthread_mutex_lock(&q->lock);
    for (size_t i = 0; i < block->count; i++) {
        if (!block->same[i]) continue;
        float a = q->quality[block->a[i]], b = q->quality[block->b[i]], lower = (a < b ? a : b) + 0.0f;
        q->all[q->all_count++] = lower;
        if ((double)block->cosine[i] < q->threshold) q->missed[q->missed_count++] = lower;
    }
    pthread_mutex_unlock(&q->lock);
}

/* Missed of the best `left` same pairs, where pairs of the quality at the limit count by their share. */
static double missed_share(const qualities *q, double left) {
    double limit = (double)q->all[(size_t)ceil(left) - 1];
    double above = (double)lk__count_above(q->all, q->all_count, limit);
    double at = (double)lk__count_from(q->all, q->all_count, limit) - above;
    double missed = (double)lk__count_above(q->missed, q->missed_count, limit);
    double missed_at = (double)lk__count_from(q->missed, q->missed_count, limit) - missed;
    return (missed + missed_at * (left - above) / at) / left;
}

static lk_status gather(const lk__trial *trial, size_t same, qualities *q, lk_error *err) {
    float *scratch = malloc(same * sizeof *scratch);
    q->all = malloc(same * sizeof *q->all);
    q->missed = malloc(same * sizeof *q->missed);
    lk_status status = LK_OK;
    if (!scratch || !q->all || !q->missed) {
        status = lk__fail_memory(err, 3 * same * sizeof *scratch, "qualities");
    } else {
        pthread_mutex_init(&q->lock, NULL);
        lk__trial_each(trial, quality_block, q);
        pthread_mutex_destroy(&q->lock);
        status = lk__sort_falling(q->all, scratch, q->all_count, err);
        if (status == LK_OK) status = lk__sort_falling(q->missed, scratch, q->missed_count, err);
    }
    free(scratch);
    return status;
}

/* At most `far` of the different pairs: compared as the quotient that a user would compute. */
static size_t allowed_pairs(size_t different, double far) {
    size_t allowed = (size_t)((double)different * far) + 1;
    while (allowed > 0 && (double)allowed / (double)different > far) allowed--;
    return allowed;
}

static lk_status measure(const lk__trial *trial, const float *quality, double far, size_t steps,
                         lk_reject_point *points, lk_error *err) {
    lk__sorted sorted;
    lk_status status = lk__scores_sort(trial, &sorted, err);
    if (status != LK_OK) return status;
    size_t same = sorted.all.same_count, different = sorted.all.different_count;
    size_t allowed = allowed_pairs(different, far);
    double threshold = lk__threshold_allowing(&sorted.all, allowed);
    lk__scores_free(&sorted);
    if (allowed == 0)
        return lk__fail(err, LK_EMPTY, "%zu pairs of different people are too few for a FAR of %g", different,
                        far);
    qualities q = {.quality = quality, .threshold = threshold};
    status = gather(trial, same, &q, err);
    for (size_t i = 0; i < steps && status == LK_OK; i++)
        points[i] = (lk_reject_point){(double)i / (double)steps,
                                      missed_share(&q, (double)same * (double)(steps - i) / (double)steps)};
    if (status == LK_OK) points[steps] = (lk_reject_point){1, points[steps - 1].missed};
    free(q.all);
    free(q.missed);
    return status;
}

/* Photos in no pair may have any quality: there may be no face in them. */
static lk_status check_quality(const lk__trial *t, const float *quality, lk_error *err) {
    for (size_t i = 0; i < (t->listed ? 2 * t->pairs : t->photos); i++) {
        size_t photo = !t->listed ? i : i % 2 ? t->listed[i / 2].b : t->listed[i / 2].a;
        if (!isfinite(quality[photo]))
            return lk__fail(err, LK_INVALID, "the quality of photo %zu is not a finite number", photo);
    }
    return LK_OK;
}

lk_status lk_reject_measure(const lk_trial *given, const float *quality, double far, size_t steps,
                            lk_reject_point *points, size_t *count, lk_error *err) {
    if (!(far > 0 && far < 1)) return lk__fail(err, LK_INVALID, "a FAR of %g; between 0 and 1 can be", far);
    if (steps < 1) return lk__fail(err, LK_INVALID, "no steps; one is the least");
    lk__trial trial;
    lk_status status = lk__trial_open(given, &trial, err);
    if (status != LK_OK) return status;
    status = check_quality(&trial, quality, err);
    if (status == LK_OK) status = measure(&trial, quality, far, steps, points, err);
    if (status == LK_OK) *count = steps + 1;
    lk__trial_close(&trial);
    return status;
}
