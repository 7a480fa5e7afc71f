/* n_pair.c: one positive picked out among all negatives, as a classification.
 *
 *   l_a = mean over positives p of  -ln( e^(c_p/t) / (e^(c_p/t) + sum over negatives n of e^(c_n/t)) )
 *
 * c: cosine to the anchor, t: temperature. Sohn, "Improved Deep Metric Learning with Multi-class N-pair Loss
 * Objective", 2016, is this with t = 1 and vectors of any length, held back by a penalty; van den
 * Oord, Li & Vinyals, "Representation Learning with Contrastive Predictive Coding", 2018, equation 4, derive
 * it as a bound on mutual information and name it InfoNCE; unit vectors and a temperature are from Chen et
 * al., "A Simple Framework for Contrastive Learning" (SimCLR), 2020, equation 1, where 0.1 was the best of
 * table 5. Unlike in supcon.c, an anchor's other positives are not in the sum.
 *
 * e^((c - 1) / t) is used in place of e^(c / t): the fraction is the same, and nothing overflows. */
#include "contrast/contrast.h"

#include <math.h>

double lk__n_pair(const lk__batch *b, size_t a, const lk__loss_options *o, float *row) {
    double t = o->temperature, negatives = 0, positives = 0, loss = 0, shares = 0;
    for (size_t i = 0; i < b->n; i++) {
        bool same = b->label[i] == b->label[a];
        if (!same) negatives += exp(((double)row[i] - 1) / t);
        positives += same && i != a;
    }
    double weight = 1 / (positives * t);
    for (size_t i = 0; i < b->n; i++) {
        if (i == a || b->label[i] != b->label[a]) continue;
        double x = ((double)row[i] - 1) / t, all = exp(x) + negatives;
        loss += (log(all) - x) / positives;
        shares += 1 / all;
        row[i] = (float)(-weight * negatives / all);
    }
    for (size_t i = 0; i < b->n; i++)
        if (b->label[i] != b->label[a]) row[i] = (float)(weight * shares * exp(((double)row[i] - 1) / t));
    row[a] = 0;
    return loss;
}
