/* scores.c: the cosines of all pairs, sorted, the same and the different ones apart.
 *
 *   lk__trial  ->  same (falling), different (falling)  ->  every figure is a walk down both
 *
 * Kept apart, a pair costs four bytes and its label none, so that all pairs of 13,000 photos are 338 MB (and
 * as much again while sorting). With several folds there is a second copy, fold by fold: "all folds but one"
 * is then the whole less that fold, and needs no copy of its own. */
#include "eval/trial.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- gathering ----------------------------------------------------------------------------------- */

typedef struct gathering {
    float *label[2]; /* different, same */
    atomic_size_t used[2];
} gathering;

/* Blocks come in any order: sorting forgets it. */
static void gather_block(void *context, int thread, const lk__block *block) {
    gathering *g = context;
    (void)thread;
    size_t count[2] = {0}, at[2];
    for (size_t i = 0; i < block->count; i++) count[block->same[i]]++;
    for (int label = 0; label < 2; label++)
        at[label] = atomic_fetch_add_explicit(&g->used[label], count[label], memory_order_relaxed);
    for (size_t i = 0; i < block->count; i++) {
        int label = block->same[i];
        g->label[label][at[label]++] = block->cosine[i] + 0.0f; /* -0 equals 0, and is to sort as 0 */
    }
}

static size_t count_same(const lk__trial *t, lk_error *err, lk_status *status) {
    size_t same = 0;
    *status = LK_OK;
    if (t->listed) {
        for (size_t i = 0; i < t->pairs; i++) same += (size_t)t->listed[i].same;
        return same;
    }
    size_t *photos = calloc(t->people, sizeof *photos);
    if (!photos) {
        *status = lk__fail_memory(err, t->people * sizeof *photos, "people");
        return 0;
    }
    for (size_t i = 0; i < t->photos; i++) same += photos[t->person[i]]++;
    free(photos);
    return same;
}

/* The same arrays, each cut into the parts of the folds. */
static lk_status gather_folds(const lk__trial *t, lk__sorted *s, lk_error *err) {
    size_t(*count)[2] = calloc((size_t)t->fold_count, sizeof *count);
    s->memory[1] = malloc(t->pairs * sizeof(float));
    if (!count || !s->memory[1]) {
        free(count);
        return lk__fail_memory(err, t->pairs * sizeof(float), "scores of folds");
    }
    for (size_t i = 0; i < t->pairs; i++) count[t->fold[i]][t->listed[i].same]++;
    float *same = s->memory[1], *different = same + s->all.same_count;
    for (int f = 0; f < t->fold_count; f++) {
        s->fold[f] = (lk__scores){same, different, 0, 0};
        same += count[f][1];
        different += count[f][0];
    }
    for (size_t i = 0; i < t->pairs; i++) {
        lk__scores *fold = &s->fold[t->fold[i]];
        float score = t->cosine[i] + 0.0f;
        if (t->listed[i].same)
            fold->same[fold->same_count++] = score;
        else
            fold->different[fold->different_count++] = score;
    }
    free(count);
    return LK_OK;
}

/* ---- sorting ------------------------------------------------------------------------------------- */

static lk_status sort_both(lk__scores *s, float *scratch, lk_error *err) {
    lk_status status = lk__sort_falling(s->same, scratch, s->same_count, err);
    return status == LK_OK ? lk__sort_falling(s->different, scratch, s->different_count, err) : status;
}

static lk_status sort_all(lk__sorted *s, lk_error *err) {
    size_t most = s->all.same_count > s->all.different_count ? s->all.same_count : s->all.different_count;
    float *scratch = malloc(most * sizeof *scratch);
    if (!scratch) return lk__fail_memory(err, most * sizeof *scratch, "sorting scores");
    lk_status status = sort_both(&s->all, scratch, err);
    for (int f = 0; s->fold_count > 1 && f < s->fold_count && status == LK_OK; f++)
        status = sort_both(&s->fold[f], scratch, err);
    free(scratch);
    return status;
}

lk_status lk__scores_sort(const lk__trial *t, lk__sorted *out, lk_error *err) {
    lk_status status;
    size_t same = count_same(t, err, &status), different = t->pairs - same;
    if (status != LK_OK) return status;
    if (same == 0 || different == 0)
        return lk__fail(err, LK_EMPTY,
                        "%zu pairs of the same person and %zu of different people: one of each is the least",
                        same, different);
    lk__sorted s = {.fold_count = t->fold_count,
                    .fold = calloc((size_t)t->fold_count, sizeof *s.fold),
                    .memory = {malloc(t->pairs * sizeof(float))}};
    if (!s.fold || !s.memory[0]) {
        lk__scores_free(&s);
        return lk__fail_memory(err, t->pairs * sizeof(float), "scores");
    }
    s.all = (lk__scores){s.memory[0], s.memory[0] + same, same, different};
    gathering g = {.label = {s.all.different, s.all.same}};
    lk__trial_each(t, gather_block, &g);
    s.fold[0] = s.all;
    if (t->fold_count > 1) status = gather_folds(t, &s, err);
    if (status == LK_OK) status = sort_all(&s, err);
    if (status != LK_OK) {
        lk__scores_free(&s);
        return status;
    }
    *out = s;
    return LK_OK;
}

void lk__scores_free(lk__sorted *sorted) {
    for (int i = 0; i < 2; i++) free(sorted->memory[i]);
    free(sorted->fold);
    *sorted = (lk__sorted){0};
}

/* ---- thresholds ---------------------------------------------------------------------------------- */

/* How many of falling scores lie before the first that is not above (or not at) t. */
static size_t search(const float *falling, size_t n, double t, bool or_at) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        double score = (double)falling[middle];
        if (score > t || (or_at && score == t))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t lk__count_above(const float *falling, size_t n, double t) {
    return search(falling, n, t, false);
}

size_t lk__count_from(const float *falling, size_t n, double t) {
    return search(falling, n, t, true);
}

double lk__above(const lk__scores *s) {
    return nextafter(fmax((double)s->same[0], (double)s->different[0]), INFINITY);
}

double lk__lowest_above(const lk__scores *s, double t) {
    size_t same = lk__count_above(s->same, s->same_count, t);
    size_t different = lk__count_above(s->different, s->different_count, t);
    double lowest = INFINITY;
    if (same > 0) lowest = fmin(lowest, (double)s->same[same - 1]);
    if (different > 0) lowest = fmin(lowest, (double)s->different[different - 1]);
    return lowest;
}

double lk__threshold_allowing(const lk__scores *s, size_t allowed) {
    double barred = allowed < s->different_count ? (double)s->different[allowed] : -INFINITY;
    double threshold = lk__lowest_above(s, barred);
    return isfinite(threshold) ? threshold : lk__above(s);
}
