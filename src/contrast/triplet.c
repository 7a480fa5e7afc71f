/* triplet.c: the loss the whole project turns on, and its gradient.
 *
 *   hinge(a, p, n) = max(|a - p|_2 - |a - n|_2 + margin, 0)
 *   loss           = sum of hinge / mined triplets                       what is reported
 *   gradient of      sum of hinge / max(active triplets, 1)              what is learned; active: hinge > 0
 *
 * With u = (a - p) / |a - p| and v = (a - n) / |a - n|, each active triplet adds, divided by their number,
 *
 *   d/da = u - v        d/dp = -u        d/dn = v
 *
 * and an inactive one adds exactly 0 (at the kink, hinge = 0, too). |x| has no derivative at x = 0, only the
 * unit ball of subgradients; 0 is taken, the shortest: two equal vectors are neither pulled nor pushed, and
 * nothing divides by 0.
 *
 * Weinberger & Saul, "Distance metric learning for large margin nearest neighbor classification", 2009, and
 * Schroff et al., "FaceNet", 2015, equation 3, square the distances. Squared, the pull grows with the
 * distance and near-equal negatives are hardly pushed at all; not squared (Hermans, Beyer & Leibe, "In
 * Defense of the Triplet Loss", 2017, section 3.2), every active triplet pulls and pushes with force 1, and
 * the margin is a plain distance. Margins do not carry over from one to the other. The gradient is that with
 * respect to the vectors as given: if they are made unit length, that is the network's last layer and its
 * backward's part.
 *
 * A NaN in the vectors counts as active and shows in loss and gradient, so that the trainer sees it diverged.
 */
#include "contrast/contrast.h"

#include <string.h>

typedef struct job {
    const lk__batch *batch;
    const lk__triplet *triplets;
    float *gradient; /* (rows, dim) */
    size_t dim, count, active;
    double margin;
} job;

/* Before the max with 0. */
static double violation(const job *j, const lk__triplet *t) {
    return (double)t->positive - (double)t->negative + j->margin;
}

/* 1 / (active * distance): what makes a difference of two vectors the share of the gradient it adds. */
static float force(const job *j, float distance) {
    return distance > 0 ? (float)(1 / ((double)j->active * (double)distance)) : 0;
}

/* NULL for a row that is not this rank's. */
static float *gradient_of(const job *j, uint32_t row) {
    size_t at = row - j->batch->first; /* below first it wraps round, far beyond rows */
    return at < j->batch->rows ? j->gradient + at * j->dim : NULL;
}

/* to += force * (x - y), columns [first, last) */
static void add(float *restrict to, float scale, const float *x, const float *y, size_t first, size_t last) {
    if (!to) return;
    for (size_t c = first; c < last; c++) to[c] += scale * (x[c] - y[c]);
}

/* Columns [first, last) of the gradient. Split by column, each number is summed by one thread in the order of
 * the triplets, so the result has the same bits for any number of threads, and of ranks. */
static void accumulate(void *context, int part, int parts) {
    const job *j = context;
    size_t first, last;
    lk__part(j->dim, part, parts, &first, &last);
    for (size_t i = 0; i < j->batch->rows; i++)
        memset(j->gradient + i * j->dim + first, 0, (last - first) * sizeof(float));
    for (size_t i = 0; i < j->count; i++) {
        const lk__triplet *t = &j->triplets[i];
        float *da = gradient_of(j, t->a), *dp = gradient_of(j, t->p), *dn = gradient_of(j, t->n);
        if ((!da && !dp && !dn) || violation(j, t) <= 0) continue;
        float pull = force(j, t->positive), push = force(j, t->negative);
        const float *a = j->batch->vectors + t->a * j->dim, *p = j->batch->vectors + t->p * j->dim,
                    *n = j->batch->vectors + t->n * j->dim;
        add(da, pull, a, p, first, last);
        add(da, -push, a, n, first, last);
        add(dp, -pull, a, p, first, last);
        add(dn, push, a, n, first, last);
    }
}

void lk__triplet_loss(const lk__batch *batch, const lk__triplet *triplets, size_t count, double margin,
                      float *gradient, lk__triplet_stats *stats) {
    job j = {batch, triplets, gradient, (size_t)batch->dim, count, 0, margin};
    lk__triplet_stats s = {.triplets = count};
    for (size_t i = 0; i < count; i++) {
        s.distance_positive += (double)triplets[i].positive;
        s.distance_negative += (double)triplets[i].negative;
        double over = violation(&j, &triplets[i]);
        if (over <= 0) continue; /* so put, NaN goes on and is seen */
        s.loss += over;
        s.active++;
    }
    if (count) {
        s.loss /= (double)count;
        s.distance_positive /= (double)count;
        s.distance_negative /= (double)count;
    }
    j.active = s.active;
    lk__parallel(accumulate, &j);
    *stats = s;
}
