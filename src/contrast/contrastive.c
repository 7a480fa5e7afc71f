/* contrastive.c: pairs pulled to distance 0, or pushed to a distance.
 *
 *   l_a = mean over positives p of         1/2 |a - p|_2^2
 *       + mean over active negatives n of  1/2 (margin - |a - n|_2)^2        active: |a - n| < margin
 *
 * Hadsell, Chopra & LeCun, "Dimensionality Reduction by Learning an Invariant
 * Mapping", 2006, equation 4. The paper adds all pairs up; in a batch of P people x K photos there are (P-1)
 * K / (K-1) times as many negatives as positives, so each kind is averaged by itself, and of the negatives
 * those that have a loss, as the triplet loss does. Margin 1: two unrelated unit vectors are 1.41 apart.
 *
 * With |a - x| = sqrt(2 - 2c), the slope by a positive's cosine is -1, by an active negative's (margin - d) /
 * d; by that of a negative which equals the anchor 0, as in triplets.c. */
#include "contrast/contrast.h"

#include <math.h>

static double distance_of(float cosine) {
    return sqrt(fmax(2 - 2 * (double)cosine, 0));
}

double lk__contrastive(const lk__batch *b, size_t a, const lk__loss_options *o, float *row) {
    double pull = 0, push = 0, positives = 0, active = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (i == a) continue;
        if (b->label[i] == b->label[a]) {
            pull += 1 - (double)row[i];
            positives++;
        } else {
            double within = o->margin - distance_of(row[i]);
            if (within <= 0) continue; /* so put, NaN goes on and is seen */
            push += within * within / 2;
            active++;
        }
    }
    for (size_t i = 0; i < b->n; i++) {
        double d = distance_of(row[i]), within = o->margin - d;
        if (i == a)
            row[i] = 0;
        else if (b->label[i] == b->label[a])
            row[i] = (float)(-1 / positives);
        else
            row[i] = within <= 0 || d == 0 ? 0 : (float)(within / (d * active));
    }
    return pull / positives + (active > 0 ? push / active : 0);
}
