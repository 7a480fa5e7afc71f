/* supcon.c: all positives of an anchor at once, each picked out among everyone else.
 *
 *   l_a = mean over positives p of  -ln( e^(c_p/t) / sum over all x but a of e^(c_x/t) )
 *
 * c: cosine to the anchor, t: temperature. Khosla et al., "Supervised Contrastive Learning", 2020, equation 2
 * (the mean outside the logarithm, which the paper finds better), temperature 0.1. The paper's
 * projection head, thrown away after training, is not here: what is trained is what is used. Its gradient
 * weighs the positives too: those that are near already are pulled less.
 *
 * e^((c - 1) / t) is used in place of e^(c / t): the fraction is the same, and nothing overflows. */
#include "contrast/contrast.h"

#include <math.h>

double lk__supcon(const lk__batch *b, size_t a, const lk__loss_options *o, float *row) {
    double t = o->temperature, all = 0, positives = 0, sum = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (i == a) continue;
        double x = ((double)row[i] - 1) / t;
        all += exp(x);
        if (b->label[i] != b->label[a]) continue;
        sum += x;
        positives++;
    }
    for (size_t i = 0; i < b->n; i++) {
        double share = exp(((double)row[i] - 1) / t) / all;
        row[i] = (float)((share - (b->label[i] == b->label[a] ? 1 / positives : 0)) / t);
    }
    row[a] = 0;
    return log(all) - sum / positives;
}
