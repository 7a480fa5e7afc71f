/* look.c: histograms of the distances in a batch, and the triplets with the highest loss: what tells whether
 * a net learns, and which photos keep it from learning. Gathered only when somebody looks, and read only:
 * nothing here changes the run, and nothing depends on how it learns.
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

/* Anchors of a batch that are looked at: time and memory grow with their number times the batch's. Of larger
 * batches each step looks at others, for those drawn first are more often people of many photos. */
enum { ANCHORS_MOST = 256 };

typedef struct window {
    uint64_t first_step;
    size_t positive[LK_LOOK_BINS], negative[LK_LOOK_BINS];
} window;

struct lk__look {
    lk__look_options options;
    size_t anchors; /* a step */
    window now, before;
    lk_look_triplet hardest[LK_LOOK_TRIPLETS]; /* loss falling */
    size_t count;
    uint32_t *label;    /* (whole): place in the batch / photos, which tells its people apart */
    float *distance;    /* (anchors, whole) */
    lk__triplet *mined; /* (anchors) */
    size_t *photo;      /* (whole): of batch `drawn` */
    uint32_t *person;
    uint64_t drawn, last_step; /* 0: none yet */
};

lk_status lk__look_new(const lk__look_options *options, lk__look **out, lk_error *err) {
    size_t whole = options->whole, photos = (size_t)options->photos;
    size_t rows = options->rows < ANCHORS_MOST ? options->rows : ANCHORS_MOST / photos * photos;
    lk__look *l = calloc(1, sizeof *l);
    if (!l) return lk__fail_memory(err, sizeof *l, "a look at the run");
    l->options = *options;
    l->anchors = rows;
    l->now.first_step = l->before.first_step = options->first_step;
    l->label = calloc(whole, sizeof *l->label);
    l->distance = malloc(rows * whole * sizeof *l->distance);
    l->mined = calloc(rows, sizeof *l->mined);
    l->photo = calloc(whole, sizeof *l->photo);
    l->person = calloc(whole, sizeof *l->person);
    if (!l->label || !l->distance || !l->mined || !l->photo || !l->person) {
        lk__look_free(l);
        return lk__fail_memory(err, rows * whole * sizeof *l->distance, "a look at the run");
    }
    for (size_t i = 0; i < whole; i++) l->label[i] = (uint32_t)(i / photos);
    *out = l;
    return LK_OK;
}

void lk__look_free(lk__look *l) {
    if (!l) return;
    free(l->label);
    free(l->distance);
    free(l->mined);
    free(l->photo);
    free(l->person);
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
    size_t x = lk_dataset_photo_person(l->options.set, a->anchor),
           y = lk_dataset_photo_person(l->options.set, a->negative);
    size_t u = lk_dataset_photo_person(l->options.set, b->anchor),
           v = lk_dataset_photo_person(l->options.set, b->negative);
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
    double loss = (double)t->positive - (double)t->negative + l->options.margin;
    bool full = l->count == LK_LOOK_TRIPLETS;
    if (!(loss > (full ? l->hardest[l->count - 1].loss : 0))) return;
    if (l->drawn != step) lk__sampler_batch(l->options.sampler, step - 1, l->photo, l->person);
    l->drawn = step;
    lk_look_triplet seen = {.anchor = l->photo[t->a],
                            .positive = l->photo[t->p],
                            .negative = l->photo[t->n],
                            .distance_positive = (double)t->positive,
                            .distance_negative = (double)t->negative,
                            .loss = loss,
                            .step = step};
    /* What stood in for a photo that cannot be read is not known here. */
    if (lk__loader_is_bad(l->options.loader, seen.anchor) ||
        lk__loader_is_bad(l->options.loader, seen.positive) ||
        lk__loader_is_bad(l->options.loader, seen.negative))
        return;
    keep(l, &seen);
}

void lk__look_batch(lk__look *l, uint64_t step, const float *vectors) {
    const lk__look_options *o = &l->options;
    size_t first = o->first + step % (o->rows / l->anchors) * l->anchors;
    lk__batch batch = {vectors, l->label, o->whole, o->dim, first, l->anchors};
    l->last_step = step;
    lk__distances(&batch, l->distance);
    count_pairs(&l->now, &batch, l->distance);
    size_t count = lk__mine(LK_MINING_BATCH_HARD, &batch, l->distance, 0, l->mined);
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
