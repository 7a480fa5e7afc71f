/* triplet.c: the loss the whole project turns on.
 *
 *   l(a, p, n) = max(|a - p|_2 - |a - n|_2 + margin, 0)
 *
 * Its slopes are 1 and -1: an active triplet pulls its positive and pushes its negative with force 1, however
 * far they are.
 *
 * Weinberger & Saul, "Distance metric learning for large margin nearest neighbor classification", 2009, and
 * Schroff et al., "FaceNet", 2015, equation 3, square the distances (triplet_squared.c). Not squared
 * (Hermans, Beyer & Leibe, "In Defense of the Triplet Loss", 2017, section 3.2), the margin is a plain
 * distance. Margins do not carry over from one to the other. */
#include "contrast/contrast.h"

lk__slopes lk__triplet_hinge(double positive, double negative, const lk__loss_options *o) {
    double over = positive - negative + o->margin;
    if (over <= 0) return (lk__slopes){0}; /* so put, NaN goes on */
    return (lk__slopes){.loss = over, .positive = 1, .negative = -1};
}

void lk__triplet_loss(const lk__batch *batch, const lk__triplet *triplets, size_t count, double margin,
                      float *gradient, lk__triplet_stats *stats) {
    lk__loss_options options = {.margin = margin};
    lk__triplets_loss(lk__triplet_hinge, &options, batch, triplets, count, gradient, NULL, stats);
}
