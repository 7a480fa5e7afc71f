/* draw.c: distance-weighted mining: negatives drawn so that every distance comes as often as any other.
 *
 * Wu, Manmatha, Smola & Kraehenbuehl, "Sampling Matters in Deep Embedding Learning", 2017, section 4.1: on
 * the unit sphere in n dimensions, distances d of points drawn evenly have the density (equation 3)
 *
 *   q(d) ~ d^(n-2) (1 - d^2/4)^((n-3)/2)
 *
 * which for large n is a peak at sqrt(2). Negatives drawn evenly are nearly all there and teach nothing; the
 * hardest alone are mostly noise. So (equation 4) a negative is drawn with
 *
 *   chance ~ min(lambda, 1 / q(d))
 *
 * As in the paper's code, lambda = 1 / q(0.5), that is, distances below 0.5 count as 0.5; and negatives
 * further than 1.4, which have no loss, are left out, unless there are no others: then all are as likely.
 *
 * The chances span hundreds of powers of ten, so they are computed as logarithms beside that of the nearest
 * negative, which is the greatest. They are costly, so each is computed once for all draws of an anchor: a
 * draw goes over to the i-th negative with chance w_i / (w_1 + .. + w_i), which leaves it with each as it
 * should be (Chao, "A general purpose unequal probability sampling plan", 1982). */
#include "contrast/contrast.h"

#include <math.h>

static const double NEAR = 0.5, FAR = 1.4;

/* ln(1 / q(d)), below NEAR that of NEAR. */
static double log_weight(double d, int dim) {
    double clipped = fmax(d, NEAR);
    return (2 - dim) * log(clipped) + 0.5 * (3 - dim) * log(1 - clipped * clipped / 4);
}

void lk__draw_by_distance(const lk__batch *b, const float *distance, lk__random *random, lk__triplet *out,
                          size_t count) {
    uint32_t own = b->label[out->a];
    double nearest = INFINITY, total = 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->label[i] != own) nearest = fmin(nearest, (double)distance[i]); /* NaN is never nearer */
    bool even = !(nearest <= FAR);
    double greatest = even ? 0 : log_weight(nearest, b->dim);
    for (size_t i = 0; i < b->n; i++) {
        double d = (double)distance[i];
        if (b->label[i] == own || !(even || d <= FAR)) continue;
        double weight = even ? 1 : exp(log_weight(d, b->dim) - greatest);
        total += weight;
        for (size_t k = 0; k < count; k++) {
            if (lk__random_unit(random) * total >= weight) continue; /* never of the first */
            out[k].n = (uint32_t)i;
            out[k].negative = distance[i];
        }
    }
}
