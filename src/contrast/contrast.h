/* contrast.h: the centre of the house: pull what is alike together, push what is not apart. Knows vectors and
 * labels only.
 *
 *   loss = mean over mined triplets (a, p, n) of max(|E(a)-E(p)|_2 - |E(a)-E(n)|_2 + margin, 0)
 *
 * The distance is NOT squared (unlike FaceNet's eq. 3), so margins from papers that square it do not carry
 * over.
 *
 * Its kin, one file each, are of two kinds. Losses over triplets see the two distances of a mined triplet
 * (triplets.c makes the gradient of their slopes); losses over pairs see the cosines of an anchor to everyone
 * else (pairs.c). loss.c lists them all. */
#ifndef LK_CONTRAST_H
#define LK_CONTRAST_H

#include "base/base.h"
#include "likeness/train.h"

/* A batch, and the rows of it whose anchors are looked at: all (0 and n), or the slice of one rank of several
 * that share a batch. What the ranks find, side by side, is what one finds alone.
 * Behind the batch may lie others that anchors are compared with: past vectors (memory.c), centres of classes
 * (arcface.c). They are never anchors. */
typedef struct lk__batch {
    const float *vectors;  /* (n, dim) */
    const uint32_t *label; /* (n); not for distances and losses over triplets */
    size_t n;
    int dim;
    size_t first, rows;
    size_t others; /* the last so many of n are not of the batch */
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
/* cosine (rows, n): e_i . e_j, which is the cosine of vectors of length 1 */
void lk__cosines(const lk__batch *batch, float *cosine);

/* ---- triplets ------------------------------------------------------------------------------------ */

/* Mine triplets from distance (rows, n). Every anchor that has a positive and a negative; its positive must
 * be of the batch. `out` has room for lk__triplets_max; returns how many were mined. `seed` is for random and
 * distance-weighted mining only. */
size_t lk__triplets_max(const lk__batch *batch);
size_t lk__mine(lk_mining mining, const lk__batch *batch, const float *distance, uint64_t seed,
                lk__triplet *out);
/* Distance-weighted mining: draws the negatives of these triplets of one anchor by their distance (n) from
 * it; there is at least one. */
void lk__draw_by_distance(const lk__batch *batch, const float *distance, lk__random *random,
                          lk__triplet *triplets, size_t count);

/* What a loss is given beside the batch. */
typedef struct lk__loss_options {
    double margin, temperature;
    double beta; /* margin loss: the boundary it learns */
} lk__loss_options;

/* A loss of one triplet, and its slopes by |a-p|, |a-n| and beta. */
typedef struct lk__slopes {
    double loss, positive, negative, beta;
} lk__slopes;
typedef lk__slopes lk__triplet_form(double positive, double negative, const lk__loss_options *options);
lk__triplet_form lk__triplet_hinge, lk__triplet_soft, lk__triplet_squared, lk__triplet_margin;

/* Loss of the triplets, which are those of the whole batch, and its gradient (rows, dim) by the vectors of
 * the rows, overwritten. The gradient is of sum(loss) / max(active, 1): dividing by the active triplets keeps
 * the step size as more and more triplets are good enough. beta (1): the gradient by beta, may be NULL. */
void lk__triplets_loss(lk__triplet_form *form, const lk__loss_options *options, const lk__batch *batch,
                       const lk__triplet *triplets, size_t count, float *gradient, float *beta,
                       lk__triplet_stats *stats);
/* The loss this project is about: that of lk__triplet_hinge. */
void lk__triplet_loss(const lk__batch *batch, const lk__triplet *triplets, size_t count, double margin,
                      float *gradient, lk__triplet_stats *stats);

/* ---- pairs --------------------------------------------------------------------------------------- */

/* A loss of anchor a of the batch, from its row (n) of cosines, which gives way to the slopes by them: 0 for
 * a itself. There is at least one positive and one negative among the others. */
typedef double lk__pair_form(const lk__batch *batch, size_t a, const lk__loss_options *options, float *row);
lk__pair_form lk__contrastive, lk__n_pair, lk__supcon, lk__multi_similarity, lk__arcface;

/* Mean loss over the anchors of the batch, and its gradient (learned, dim) by the first `learned` of n
 * vectors: those of the batch, or all. What the rows have a share in is the shares of the rows: ranks add up
 * gradient and stats. `cosine` (rows, n) becomes the slopes; `of_row` (rows) is scratch. Counted as triplets
 * are the anchors; distances are the means over all pairs of the batch. */
void lk__pairs_loss(lk__pair_form *form, const lk__loss_options *options, const lk__batch *batch,
                    float *cosine, lk__triplet_stats *of_row, size_t learned, float *gradient,
                    lk__triplet_stats *stats);

/* ArcFace's classes: weight (classes, dim) to centres of length 1, and back: from the gradient by the centres
 * to that by the weights. */
void lk__arcface_centres(const float *weight, size_t classes, size_t dim, float *centre);
void lk__arcface_backward(const float *weight, const float *centre, size_t classes, size_t dim,
                          const float *by_centre, float *by_weight);

/* ---- all of them --------------------------------------------------------------------------------- */

typedef enum lk__learns { LK__LEARNS_NOTHING, LK__LEARNS_BETA, LK__LEARNS_CLASSES } lk__learns;
typedef struct lk__loss {
    lk_loss_info info;
    lk__triplet_form *triplet; /* one of these two */
    lk__pair_form *pair;
    lk__learns learns; /* parameters of its own */
    double beta;       /* where beta begins */
} lk__loss;
const lk__loss *lk__loss_of(lk_loss loss);

/* ---- memory: past vectors (memory.c) --------------------------------------------------------------- */

/* Vectors and labels of a batch (batch), and behind it those of the past (room), the oldest overwritten. */
typedef struct lk__memory {
    float *vectors;  /* (batch + room, dim) */
    uint32_t *label; /* (batch + room) */
    size_t batch, room, dim;
} lk__memory;
/* How many past vectors there are after `puts` batches. */
size_t lk__memory_filled(const lk__memory *memory, uint64_t puts);
/* The batch becomes the newest part of the past; `puts` came before it. Without vectors: its labels only. */
void lk__memory_put(lk__memory *memory, uint64_t puts);

/* ---- sampler ------------------------------------------------------------------------------------- */

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
