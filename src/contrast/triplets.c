/* triplets.c: what all losses over triplets share: from the slopes of each triplet to the gradient.
 *
 *   loss          = sum of l(|a - p|, |a - n|) / mined triplets             what is reported
 *   gradient of     sum of l / max(active triplets, 1)                      what is learned; active: l > 0
 *
 * With u = (a - p) / |a - p| and v = (a - n) / |a - n|, and the slopes l+ by |a - p| and l- by |a - n|, each
 * active triplet adds, divided by their number,
 *
 *   d/da = l+ u + l- v        d/dp = -l+ u        d/dn = -l- v
 *
 * and an inactive one adds exactly 0 (at a kink, l = 0, too). |x| has no derivative at x = 0, only the unit
 * ball of subgradients; 0 is taken, the shortest: two equal vectors are neither pulled nor pushed, and
 * nothing divides by 0. The gradient is that with respect to the vectors as given: if they are made unit
 * length, that is the network's last layer and its backward's part.
 *
 * A NaN in the vectors counts as active and shows in loss and gradient, so that the trainer sees it diverged.
 */
#include "contrast/contrast.h"

#include <string.h>

typedef struct job {
    lk__triplet_form *form;
    const lk__loss_options *options;
    const lk__batch *batch;
    const lk__triplet *triplets;
    float *gradient; /* (rows, dim) */
    size_t dim, count, active;
} job;

static lk__slopes slopes_of(const job *j, const lk__triplet *t) {
    return j->form((double)t->positive, (double)t->negative, j->options);
}

/* slope / (active * distance): what makes a difference of two vectors the share of the gradient it adds. */
static float force(const job *j, double slope, float distance) {
    return distance > 0 ? (float)(slope / ((double)j->active * (double)distance)) : 0;
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
        if (!da && !dp && !dn) continue;
        lk__slopes s = slopes_of(j, t);
        if (s.loss <= 0) continue;
        float pull = force(j, s.positive, t->positive), push = force(j, s.negative, t->negative);
        const float *a = j->batch->vectors + t->a * j->dim, *p = j->batch->vectors + t->p * j->dim,
                    *n = j->batch->vectors + t->n * j->dim;
        add(da, pull, a, p, first, last);
        add(da, push, a, n, first, last);
        add(dp, -pull, a, p, first, last);
        add(dn, -push, a, n, first, last);
    }
}

void lk__triplets_loss(lk__triplet_form *form, const lk__loss_options *options, const lk__batch *batch,
                       const lk__triplet *triplets, size_t count, float *gradient, float *beta,
                       lk__triplet_stats *stats) {
    job j = {form, options, batch, triplets, gradient, (size_t)batch->dim, count, 0};
    lk__triplet_stats s = {.triplets = count};
    double by_beta = 0;
    for (size_t i = 0; i < count; i++) {
        s.distance_positive += (double)triplets[i].positive;
        s.distance_negative += (double)triplets[i].negative;
        lk__slopes of = slopes_of(&j, &triplets[i]);
        if (of.loss <= 0) continue; /* so put, NaN goes on and is seen */
        s.loss += of.loss;
        s.active++;
        by_beta += of.beta;
    }
    if (beta) *beta = (float)(by_beta / (double)(s.active ? s.active : 1));
    if (count) {
        s.loss /= (double)count;
        s.distance_positive /= (double)count;
        s.distance_negative /= (double)count;
    }
    j.active = s.active;
    lk__parallel(accumulate, &j);
    *stats = s;
}
