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
    const float *vectors;  /* (n, dim) */
    const float *distance; /* (n, n) */
    const lk__triplet *triplets;
    float *gradient; /* (n, dim) */
    size_t n, dim, count, active;
    double margin;
} job;

/* Before the max with 0. */
static double violation(const job *j, lk__triplet t) {
    return (double)j->distance[t.a * j->n + t.p] - (double)j->distance[t.a * j->n + t.n] + j->margin;
}

/* 1 / (active * distance): what makes a difference of two vectors the share of the gradient it adds. */
static float force(const job *j, uint32_t from, uint32_t to) {
    double distance = j->distance[from * j->n + to];
    return distance > 0 ? (float)(1 / ((double)j->active * distance)) : 0;
}

/* Columns [first, last) of the gradient. Split by column, each number is summed by one thread in the order of
 * the triplets, so the result has the same bits for any number of threads. */
static void accumulate(void *context, int part, int parts) {
    const job *j = context;
    size_t first, last;
    lk__part(j->dim, part, parts, &first, &last);
    for (size_t i = 0; i < j->n; i++)
        memset(j->gradient + i * j->dim + first, 0, (last - first) * sizeof(float));
    for (size_t i = 0; i < j->count; i++) {
        lk__triplet t = j->triplets[i];
        if (violation(j, t) <= 0) continue;
        float pull = force(j, t.a, t.p), push = force(j, t.a, t.n);
        const float *a = j->vectors + t.a * j->dim, *p = j->vectors + t.p * j->dim,
                    *n = j->vectors + t.n * j->dim;
        /* a, p and n are three different rows. */
        float *restrict da = j->gradient + t.a * j->dim, *restrict dp = j->gradient + t.p * j->dim,
                        *restrict dn = j->gradient + t.n * j->dim;
        for (size_t c = first; c < last; c++) {
            float u = pull * (a[c] - p[c]), v = push * (a[c] - n[c]);
            da[c] += u - v;
            dp[c] -= u;
            dn[c] += v;
        }
    }
}

void lk__triplet_loss(const float *vectors, size_t n, int dim, const float *distance,
                      const lk__triplet *triplets, size_t count, double margin, float *gradient,
                      lk__triplet_stats *stats) {
    job j = {vectors, distance, triplets, gradient, n, (size_t)dim, count, 0, margin};
    lk__triplet_stats s = {.triplets = count};
    for (size_t i = 0; i < count; i++) {
        lk__triplet t = triplets[i];
        s.distance_positive += (double)distance[t.a * n + t.p];
        s.distance_negative += (double)distance[t.a * n + t.n];
        double over = violation(&j, t);
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
