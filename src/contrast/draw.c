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
 * negative, which is the greatest. */
#include "contrast/contrast.h"

#include <math.h>

static const double NEAR = 0.5, FAR = 1.4;

static double log_weight(double d, int dim) {
    double clipped = fmax(d, NEAR);
    return (2 - dim) * log(clipped) + 0.5 * (3 - dim) * log(1 - clipped * clipped / 4);
}

static double weight_of(float distance, double nearest, int dim) {
    double d = (double)distance;
    if (!(nearest <= FAR)) return 1;
    return d <= FAR ? exp(log_weight(d, dim) - log_weight(nearest, dim)) : 0;
}

size_t lk__draw_by_distance(const float *distance, const uint32_t *label, size_t n, uint32_t own, int dim,
                            lk__random *random) {
    double nearest = INFINITY, total = 0, so_far = 0;
    size_t last = n;
    for (size_t i = 0; i < n; i++)
        if (label[i] != own) nearest = fmin(nearest, (double)distance[i]); /* NaN is never nearer */
    for (size_t i = 0; i < n; i++)
        if (label[i] != own) total += weight_of(distance[i], nearest, dim);
    double drawn = lk__random_range(random, 0, total);
    for (size_t i = 0; i < n; i++) {
        if (label[i] == own) continue;
        so_far += weight_of(distance[i], nearest, dim);
        last = i;
        if (so_far > drawn) break;
    }
    return last;
}
