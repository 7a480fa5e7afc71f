/* triplet_squared.c: the triplet loss as FaceNet has it.
 *
 *   l(a, p, n) = max(|a - p|_2^2 - |a - n|_2^2 + margin, 0)
 *
 * Schroff, Kalenichenko & Philbin, "FaceNet", 2015, equation 3, margin 0.2 (section 5); before it Weinberger
 * & Saul, "Distance metric learning for large margin nearest neighbor classification", 2009. Squared, the
 * pull grows with the distance and a negative that is very near is hardly pushed at all: the slopes are 2 |a
 * - p| and -2 |a - n|. Unit vectors are at most 4 apart so. */
#include "contrast/contrast.h"

lk__slopes lk__triplet_squared(double positive, double negative, const lk__loss_options *o) {
    double over = positive * positive - negative * negative + o->margin;
    if (over <= 0) return (lk__slopes){0}; /* so put, NaN goes on */
    return (lk__slopes){.loss = over, .positive = 2 * positive, .negative = -2 * negative};
}
