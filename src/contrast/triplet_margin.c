/* triplet_margin.c: the margin loss, a boundary between same and different that is learned.
 *
 *   l(a, p, n) = max(|a - p|_2 - beta + margin, 0) + max(beta - |a - n|_2 + margin, 0)
 *
 * Wu, Manmatha, Smola & Kraehenbuehl, "Sampling Matters in Deep Embedding Learning", 2017, equation 5: pairs
 * are judged by themselves, against a distance beta (1.2 at first) instead of against another pair, margin
 * 0.2, and negatives are drawn by distance (draw.c). beta moves to where as many positives are too far as
 * negatives too near.
 *
 * Different here: one beta for all, where the paper's section 4.2 can add one for each class, which people
 * who are seen a few times cannot fill; no regulariser of beta (the paper's nu; its released code has 0 too);
 * beta learns by the network's optimizer at its rate; and the sum is divided by the triplets with a loss,
 * where the paper's code counts pairs. */
#include "contrast/contrast.h"

lk__slopes lk__triplet_margin(double positive, double negative, const lk__loss_options *o) {
    double far = positive - o->beta + o->margin, near = o->beta - negative + o->margin;
    lk__slopes s = {0};
    if (!(far <= 0)) { /* so put, NaN goes on */
        s.loss += far;
        s.positive = 1;
        s.beta -= 1;
    }
    if (!(near <= 0)) {
        s.loss += near;
        s.negative = -1;
        s.beta += 1;
    }
    return s;
}
