/* objective.c: from the vectors of a batch to loss and gradient.
 *
 *   vectors of all ranks ─ behind them past vectors, or centres of classes
 *     ├ losses over triplets: distances, mine, gather the triplets of all, loss
 *     └ losses over pairs: cosines, loss, add up the gradients of all
 *
 * A rank gathers the vectors of all and has the anchors of its own slice, so that no rank's work grows with
 * the square of the batch. Of triplets it gathers those of all, too, and has from them the gradient of its
 * own vectors to the bit as one rank alone would; a table of pairs is too large for that, so each rank makes
 * its anchors' share in everybody's gradient, and the shares are added up.
 *
 * Past vectors are looked at from `memory_start` on, and are put away from the first step. Their labels, like
 * all that is drawn, follow from the number of the step: a checkpoint holds the vectors alone. */
#include "face/objective.h"
#include "face/ranks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- setting up ---------------------------------------------------------------------------------- */

/* One param of `rows` rows; for the optimizer, which knows nothing else. */
static lk_status make_own(lk__objective *j, size_t rows, size_t columns, bool decay, lk_error *err) {
    const lk_train_options *o = j->options;
    size_t total = rows * columns;
    j->own = (lk__weights){.items = calloc(1, sizeof(lk__param)),
                           .values = calloc(total, sizeof(float)),
                           .grads = calloc(total, sizeof(float))};
    if (!j->own.items || !j->own.values || !j->own.grads)
        return lk__fail_memory(err, 2 * total * sizeof(float), "the parameters of the loss");
    j->own.count = 1;
    j->own.total = total;
    *j->own.items = (lk__param){.name = "loss.weight",
                                .dims = 2,
                                .shape = {(int64_t)rows, (int64_t)columns},
                                .count = total,
                                .value = j->own.values,
                                .grad = j->own.grads,
                                .trained = true,
                                .decay = decay};
    return lk__optimizer_new(o->optimizer, &j->own, o->weight_decay, o->momentum, &j->moments, err);
}

static lk_status make_beta(lk__objective *j, lk_error *err) {
    lk_status status = make_own(j, 1, 1, false, err);
    if (status == LK_OK) *j->own.values = (float)j->loss->beta;
    return status;
}

/* A class for each person who can be drawn, in order; of length about 1. */
static lk_status make_classes(lk__objective *j, const lk__train_data *people, lk_error *err) {
    lk_status status = make_own(j, j->room, j->dim, true, err);
    if (status != LK_OK) return status;
    lk__random random = lk__random_stream(j->options->seed, 'c', 0, 0);
    double deviation = 1 / sqrt((double)j->dim);
    for (size_t i = 0; i < j->own.total; i++)
        j->own.values[i] = (float)(deviation * lk__random_normal(&random));
    for (size_t i = 0, c = 0; i < people->people; i++)
        if (people->counts[i] >= 2) j->label[j->whole + c++] = (uint32_t)i;
    return LK_OK;
}

static bool make_triplets(lk__objective *j) {
    size_t most = j->batch * (size_t)(j->options->photos - 1); /* an anchor with each of its positives */
    j->gradient = malloc(j->batch * j->dim * sizeof *j->gradient);
    j->triplets = malloc(most * sizeof *j->triplets);
    if (j->options->ranks) j->all_triplets = malloc(j->whole / j->batch * most * sizeof *j->triplets);
    return j->gradient && j->triplets && (j->all_triplets || !j->options->ranks);
}

static bool make_pairs(lk__objective *j) {
    size_t learned = j->whole + (j->loss->learns == LK__LEARNS_CLASSES ? j->room : 0);
    j->gradient = malloc(learned * j->dim * sizeof *j->gradient);
    j->of_row = malloc(j->batch * sizeof *j->of_row);
    return j->gradient && j->of_row;
}

lk_status lk__objective_new(const lk_train_options *o, const lk__sampler *sampler,
                            const lk__train_data *people, size_t batch, size_t dim, lk__objective *out,
                            lk_error *err) {
    lk__objective j = {
        .options = o, .loss = lk__loss_of(o->loss), .sampler = sampler, .batch = batch, .dim = dim};
    j.whole = batch * (size_t)lk__rank_count(o->ranks);
    j.room = j.loss->learns == LK__LEARNS_CLASSES ? people->able : (size_t)o->memory;
    size_t columns = j.whole + j.room;
    bool copied = o->ranks || j.room;
    j.photo = calloc(j.whole, sizeof *j.photo);
    j.label = calloc(columns, sizeof *j.label);
    j.table = malloc(batch * columns * sizeof *j.table);
    if (copied) j.vectors = calloc(columns * dim, sizeof *j.vectors);
    bool enough = j.photo && j.label && j.table && (j.vectors || !copied) &&
                  (j.loss->triplet ? make_triplets(&j) : make_pairs(&j));
    lk_status status = LK_OK;
    if (!enough) status = lk__fail_memory(err, columns * (batch + dim) * sizeof(float), "a batch");
    if (status == LK_OK && j.loss->learns == LK__LEARNS_BETA) status = make_beta(&j, err);
    if (status == LK_OK && j.loss->learns == LK__LEARNS_CLASSES) status = make_classes(&j, people, err);
    if (status != LK_OK) {
        lk__objective_free(&j);
        return status;
    }
    for (size_t i = 0; i < j.whole; i++) j.label[i] = (uint32_t)(i / (size_t)o->photos);
    *out = j;
    return LK_OK;
}

void lk__objective_free(lk__objective *j) {
    free(j->photo);
    free(j->label);
    free(j->vectors);
    free(j->table);
    free(j->gradient);
    free(j->triplets);
    free(j->all_triplets);
    free(j->of_row);
    lk__optimizer_free(&j->moments);
    lk__weights_free(&j->own);
    *j = (lk__objective){0};
}

/* ---- from step to step --------------------------------------------------------------------------- */

static lk__memory memory_of(const lk__objective *j) {
    return (lk__memory){j->vectors, j->label, j->whole, j->room, j->dim};
}

size_t lk__objective_arrays(const lk__objective *j, lk__run_array *out) {
    size_t n = 0;
    if (j->own.total) {
        out[n++] = (lk__run_array){"loss.weight", j->own.values, j->own.total};
        out[n++] = (lk__run_array){"loss.m", j->moments.m, j->own.total};
        if (j->moments.v) out[n++] = (lk__run_array){"loss.v", j->moments.v, j->own.total};
    }
    if (j->options->memory)
        out[n++] = (lk__run_array){"memory", j->vectors + j->whole * j->dim, j->room * j->dim};
    return n;
}

/* The labels of the past are drawn again. */
void lk__objective_resume(lk__objective *j, uint64_t step) {
    j->moments.step = step;
    if (!j->options->memory) return;
    lk__memory labels = memory_of(j);
    labels.vectors = NULL;
    uint64_t back = j->room / j->whole + 1;
    for (uint64_t s = step > back ? step - back : 0; s < step; s++) {
        lk__sampler_batch(j->sampler, s, j->photo, j->label);
        lk__memory_put(&labels, s);
    }
}

void lk__objective_step(lk__objective *j, double learning_rate) {
    if (j->own.total) lk__optimizer_step(&j->moments, &j->own, learning_rate);
}

/* ---- one step ------------------------------------------------------------------------------------ */

/* The batch of all ranks and what lies behind it, seen by this rank. */
static lk__batch batch_of(lk__objective *j, uint64_t step, double part, const float *vectors) {
    const lk_train_options *o = j->options;
    size_t bytes = j->batch * j->dim * sizeof *vectors;
    lk__batch b = {.vectors = j->vectors ? j->vectors : vectors,
                   .label = j->label,
                   .n = j->whole,
                   .dim = (int)j->dim,
                   .first = j->batch * (size_t)lk__rank(o->ranks),
                   .rows = j->batch};
    if (o->ranks)
        o->ranks->gather(o->ranks->context, vectors, bytes, j->vectors);
    else if (j->vectors)
        memcpy(j->vectors, vectors, bytes);
    j->all = b.vectors;
    if (!j->room) return b;
    lk__sampler_batch(j->sampler, step, j->photo, j->label);
    if (j->loss->learns == LK__LEARNS_CLASSES) {
        lk__arcface_centres(j->own.values, j->room, j->dim, j->vectors + j->whole * j->dim);
        b.others = j->room;
    } else if (part >= o->memory_start) {
        lk__memory memory = memory_of(j);
        b.others = lk__memory_filled(&memory, step);
    }
    b.n += b.others;
    return b;
}

static const float *over_triplets(lk__objective *j, const lk__batch *b, const lk__loss_options *options,
                                  uint64_t step, double part, lk__triplet_stats *stats) {
    const lk_train_options *o = j->options;
    const lk_ranks *ranks = o->ranks;
    lk__distances(b, j->table);
    lk__random random = lk__random_stream(o->seed, 'm', step, 0);
    lk_mining mining =
        o->mining == LK_MINING_BATCH_HARD && part < o->semi_hard_share ? LK_MINING_SEMI_HARD : o->mining;
    size_t count = lk__mine(mining, b, j->table, lk__random_u64(&random), j->triplets);
    const lk__triplet *triplets = j->triplets;
    if (ranks) { /* every slice is of as many people with as many photos: as many triplets */
        ranks->gather(ranks->context, j->triplets, count * sizeof *j->triplets, j->all_triplets);
        triplets = j->all_triplets;
        count *= (size_t)ranks->count;
    }
    lk__triplets_loss(j->loss->triplet, options, b, triplets, count, j->gradient, j->own.grads, stats);
    return j->gradient;
}

static const float *over_pairs(lk__objective *j, const lk__batch *b, const lk__loss_options *options,
                               lk__triplet_stats *stats) {
    const lk_ranks *ranks = j->options->ranks;
    bool classes = j->loss->learns == LK__LEARNS_CLASSES;
    size_t learned = classes ? b->n : j->whole;
    lk__cosines(b, j->table);
    lk__pairs_loss(j->loss->pair, options, b, j->table, j->of_row, learned, j->gradient, stats);
    if (ranks) {
        ranks->sum_start(ranks->context, j->gradient, learned * j->dim);
        double sums[] = {(double)stats->triplets, (double)stats->active, stats->loss,
                         stats->distance_positive, stats->distance_negative};
        ranks->sum(ranks->context, sums, sizeof sums / sizeof *sums);
        *stats = (lk__triplet_stats){(size_t)sums[0], (size_t)sums[1], sums[2], sums[3], sums[4]};
        ranks->sum_finish(ranks->context);
    }
    size_t at = j->whole * j->dim;
    if (classes)
        lk__arcface_backward(j->own.values, b->vectors + at, j->room, j->dim, j->gradient + at, j->own.grads);
    return j->gradient + b->first * j->dim;
}

const float *lk__objective_loss(lk__objective *j, uint64_t step, double part, const float *vectors,
                                lk__triplet_stats *stats) {
    const lk_train_options *o = j->options;
    lk__loss_options options = {o->margin, o->temperature,
                                j->loss->learns == LK__LEARNS_BETA ? (double)*j->own.values : NAN};
    lk__batch b = batch_of(j, step, part, vectors);
    const float *gradient = j->loss->triplet ? over_triplets(j, &b, &options, step, part, stats)
                                             : over_pairs(j, &b, &options, stats);
    lk__memory memory = memory_of(j);
    if (o->memory) lk__memory_put(&memory, step);
    return gradient;
}
