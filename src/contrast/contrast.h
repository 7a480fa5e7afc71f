/* contrast.h: the centre of the house: pull what is alike together, push what is not apart. Knows vectors and
 * labels only.
 *
 *   loss = mean over mined triplets (a, p, n) of max(|E(a)-E(p)|_2 - |E(a)-E(n)|_2 + margin, 0)
 *
 * The distance is NOT squared (unlike FaceNet's eq. 3), so margins from papers that square it do not carry
 * over. */
#ifndef LK_CONTRAST_H
#define LK_CONTRAST_H

#include "base/base.h"
#include "likeness/train.h"

/* A batch, and the rows of it whose anchors are looked at: all (0 and n), or the slice of one rank of several
 * that share a batch. What the ranks find, side by side, is what one finds alone. */
typedef struct lk__batch {
    const float *vectors;  /* (n, dim) */
    const uint32_t *label; /* (n); not for distances and loss */
    size_t n;
    int dim;
    size_t first, rows;
} lk__batch;

typedef struct lk__triplet {
    uint32_t a, p, n;         /* rows of the batch */
    float positive, negative; /* |a-p|, |a-n| */
} lk__triplet;

typedef struct lk__triplet_stats {
    size_t triplets, active;
    double loss;                                 /* mean over all mined triplets */
    double distance_positive, distance_negative; /* mean |a-p|, |a-n| of the mined */
} lk__triplet_stats;

/* distance (rows, n): |e_i - e_j|_2 */
void lk__distances(const lk__batch *batch, float *distance);
/* Mine triplets from distance (rows, n). Every anchor that has a positive and a negative in the batch. `out`
 * has room for lk__triplets_max; returns how many were mined. `seed` is for random mining only. */
size_t lk__triplets_max(const lk__batch *batch);
size_t lk__mine(lk_mining mining, const lk__batch *batch, const float *distance, uint64_t seed,
                lk__triplet *out);
/* Loss of the triplets, which are those of the whole batch, and its gradient (rows, dim) by the vectors of
 * the rows, overwritten. The gradient is of sum(loss) / max(active, 1): dividing by the active triplets keeps
 * the step size as more and more triplets are good enough. */
void lk__triplet_loss(const lk__batch *batch, const lk__triplet *triplets, size_t count, double margin,
                      float *gradient, lk__triplet_stats *stats);

/* Sampler: which P people and K photos make batch number `step`; a pure function of (seed, step), so training
 * resumes anywhere. People with at least 2 photos, drawn without repeats with weight min(photos, 12)^0.7
 * (more photos, more often, but a person of 100 does not drown one of 2); photos without repeats as far as
 * they go. */
typedef struct lk__sampler lk__sampler;
/* counts (people): photos of each; first (people): index of each one's first photo. INVALID: p or k below 2,
 * or p above the number of people with 2 photos (lower it first: fewer or repeated people would change the
 * batch silently). EMPTY: fewer than 2 such people. */
lk_status lk__sampler_new(const size_t *first, const size_t *counts, size_t people, int p, int k,
                          uint64_t seed, lk__sampler **out, lk_error *err);
void lk__sampler_free(lk__sampler *sampler);
/* photo (P*K) indices and label (P*K: index of the person) of batch `step`; a person's photos are adjacent.
 * Thread-safe. */
void lk__sampler_batch(const lk__sampler *sampler, uint64_t step, size_t *photo, uint32_t *label);

#endif
