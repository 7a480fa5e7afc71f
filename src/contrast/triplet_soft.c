/* triplet_soft.c: the triplet loss with a soft margin.
 *
 *   l(a, p, n) = ln(1 + e^x),   x = |a - p|_2 - |a - n|_2
 *
 * Hermans, Beyer & Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017:
 * there is no margin to choose, and a triplet that is good enough goes on being pulled apart, ever more
 * weakly. So all triplets are active. The slopes are 1 / (1 + e^-x) and its negative. */
#include "contrast/contrast.h"

#include <math.h>

lk__slopes lk__triplet_soft(double positive, double negative, const lk__loss_options *o) {
    (void)o;
    double x = positive - negative, slope = 1 / (1 + exp(-x)); /* distances of unit vectors: |x| <= 2 */
    return (lk__slopes){.loss = log1p(exp(x)), .positive = slope, .negative = -slope};
}
