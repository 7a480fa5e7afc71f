/* look.c: histograms of the distances in a batch, and the triplets with the highest loss: what tells whether
 * a net learns, and which photos keep it from learning. Gathered only when somebody looks, and read only:
 * nothing here changes the run.
 *
 * A look shows two windows, the one that ends with it and the one before, so that the last look of a run,
 * which may come a second after the one before, still shows many batches.
 *
 * Triplets are mined batch-hard here whatever the run learns from: a photo in the wrong person's folder is
 * far from those it is filed with and close to whom it shows, and semi-hard mining passes over just that.
 * Such a photo would fill the list alone, as anchor, positive and negative; so nobody is in two triplets of
 * it. */
#include "face/look.h"

#include <stdlib.h>
#include <string.h>

typedef struct window {
    uint64_t first_step;
    size_t positive[LK_LOOK_BINS], negative[LK_LOOK_BINS];
} window;

struct lk__look {
    const lk_dataset *set;
    const lk__sampler *sampler;
    lk__loader *loader;
    double margin;
    window now, before;
    lk_look_triplet hardest[LK_LOOK_TRIPLETS]; /* loss falling */
    size_t count;
    lk__triplet *mined; /* (whole) */
    float *distance;    /* (rows, whole) */
    size_t *photo;      /* (whole): of batch `drawn` */
    uint32_t *label;
    uint64_t drawn, last_step; /* 0: none yet */
};

lk_status lk__look_new(const lk_dataset *set, const lk__sampler *sampler, lk__loader *loader, size_t whole,
                       size_t rows, double margin, uint64_t first_step, lk__look **out, lk_error *err) {
    lk__look *l = calloc(1, sizeof *l);
    if (!l) return lk__fail_memory(err, sizeof *l, "a look at the run");
    l->set = set;
    l->sampler = sampler;
    l->loader = loader;
    l->margin = margin;
    l->now.first_step = l->before.first_step = first_step;
    l->mined = calloc(whole, sizeof *l->mined);
    l->distance = malloc(rows * whole * sizeof *l->distance);
    l->photo = calloc(whole, sizeof *l->photo);
    l->label = calloc(whole, sizeof *l->label);
    if (!l->mined || !l->distance || !l->photo || !l->label) {
        lk__look_free(l);
        return lk__fail_memory(err, rows * whole * sizeof *l->distance, "a look at the run");
    }
    *out = l;
    return LK_OK;
}

void lk__look_free(lk__look *l) {
    if (!l) return;
    free(l->mined);
    free(l->distance);
    free(l->photo);
    free(l->label);
    free(l);
}

/* ---- distances ---------------------------------------------------------------------------------- */

static void count_pairs(window *w, const lk__batch *b, const float *distance) {
    const float scale = LK_LOOK_BINS / 2.0f;
    for (size_t row = 0; row < b->rows; row++) {
        size_t i = b->first + row;
        for (size_t j = i + 1; j < b->n; j++) { /* each pair once */
            float d = distance[row * b->n + j];
            size_t bin = d < 2 ? (size_t)(d * scale) : LK_LOOK_BINS - 1; /* so put, NaN is the last */
            (b->label[i] == b->label[j] ? w->positive : w->negative)[bin]++;
        }
    }
}

/* ---- triplets ----------------------------------------------------------------------------------- */

static bool share_a_person(const lk__look *l, const lk_look_triplet *a, const lk_look_triplet *b) {
    size_t x = lk_dataset_photo_person(l->set, a->anchor), y = lk_dataset_photo_person(l->set, a->negative);
    size_t u = lk_dataset_photo_person(l->set, b->anchor), v = lk_dataset_photo_person(l->set, b->negative);
    return x == u || x == v || y == u || y == v;
}

static void keep(lk__look *l, const lk_look_triplet *t) {
    for (size_t i = 0; i < l->count; i++)
        if (l->hardest[i].loss >= t->loss && share_a_person(l, &l->hardest[i], t)) return;
    size_t n = 0, at;
    for (size_t i = 0; i < l->count; i++)
        if (!share_a_person(l, &l->hardest[i], t)) l->hardest[n++] = l->hardest[i];
    for (at = n; at > 0 && l->hardest[at - 1].loss < t->loss; at--) {
    }
    if (n == LK_LOOK_TRIPLETS) n--;
    memmove(l->hardest + at + 1, l->hardest + at, (n - at) * sizeof *l->hardest);
    l->hardest[at] = *t;
    l->count = n + 1;
}

/* The batch is drawn anew, and only when one of its triplets may be among the hardest: the loader is ahead
 * and has forgotten it. */
static void consider(lk__look *l, uint64_t step, const lk__triplet *t) {
    double loss = (double)t->positive - (double)t->negative + l->margin;
    bool full = l->count == LK_LOOK_TRIPLETS;
    if (!(loss > (full ? l->hardest[l->count - 1].loss : 0))) return;
    if (l->drawn != step) lk__sampler_batch(l->sampler, step - 1, l->photo, l->label);
    l->drawn = step;
    lk_look_triplet seen = {.anchor = l->photo[t->a],
                            .positive = l->photo[t->p],
                            .negative = l->photo[t->n],
                            .distance_positive = (double)t->positive,
                            .distance_negative = (double)t->negative,
                            .loss = loss,
                            .step = step};
    /* What stood in for a photo that cannot be read is not known here. */
    if (lk__loader_is_bad(l->loader, seen.anchor) || lk__loader_is_bad(l->loader, seen.positive) ||
        lk__loader_is_bad(l->loader, seen.negative))
        return;
    keep(l, &seen);
}

void lk__look_batch(lk__look *l, uint64_t step, const lk__batch *batch) {
    l->last_step = step;
    lk__distances(batch, l->distance); /* again, where the loss needs them: not every loss does */
    count_pairs(&l->now, batch, l->distance);
    size_t count = lk__mine(LK_MINING_BATCH_HARD, batch, l->distance, 0, l->mined);
    for (size_t i = 0; i < count; i++) consider(l, step, &l->mined[i]);
}

/* ---- looking ------------------------------------------------------------------------------------ */

void lk__look_fill(const lk__look *l, lk_train_look *out) {
    out->first_step = l->before.first_step;
    out->last_step = l->last_step;
    for (size_t i = 0; i < LK_LOOK_BINS; i++) {
        out->positive_bin[i] = l->before.positive[i] + l->now.positive[i];
        out->negative_bin[i] = l->before.negative[i] + l->now.negative[i];
    }
    out->triplet_count = l->count;
    out->triplets = l->hardest;
}

void lk__look_turn(lk__look *l) {
    l->before = l->now;
    l->now = (window){.first_step = l->last_step + 1};
    size_t n = 0;
    for (size_t i = 0; i < l->count; i++)
        if (l->hardest[i].step >= l->before.first_step) l->hardest[n++] = l->hardest[i];
    l->count = n;
}
