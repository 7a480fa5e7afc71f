/* multi_similarity.c: positives and negatives weighed by how they stand to one another.
 *
 *   l_a = 1/alpha ln(1 + sum over positives p that are kept of e^(-alpha (c_p - lambda)))
 *       + 1/beta  ln(1 + sum over negatives n that are kept of e^(beta (c_n - lambda)))
 *
 *   kept: c_n > (least c_p) - margin,   c_p < (greatest c_n) + margin
 *
 * c: cosine to the anchor. Wang et al., "Multi-Similarity Loss with General Pair Weighting for Deep Metric
 * Learning", 2019: the loss, and what is kept (the paper's epsilon, 0.1, is the margin here); alpha = 2, beta
 * = 1 / temperature = 50. lambda is 1 in the paper and 0.5 in its released code, which is taken: with 1 the
 * negatives of unit vectors have nearly no weight left. What is kept is held constant in the gradient. */
#include "contrast/contrast.h"

#include <math.h>

static const double ALPHA = 2, LAMBDA = 0.5;

/* e^..., or 0 of a pair that is not kept. So put, NaN is kept and seen. */
static double weight(bool same, double c, double beta, double far, double near, double margin) {
    if (same) return c >= near + margin ? 0 : exp(-ALPHA * (c - LAMBDA));
    return c <= far - margin ? 0 : exp(beta * (c - LAMBDA));
}

double lk__multi_similarity(const lk__batch *b, size_t a, const lk__loss_options *o, float *row) {
    double beta = 1 / o->temperature, far = INFINITY, near = -INFINITY, pull = 0, push = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (i == a) continue;
        if (b->label[i] == b->label[a])
            far = fmin(far, (double)row[i]);
        else
            near = fmax(near, (double)row[i]);
    }
    for (size_t i = 0; i < b->n; i++) {
        bool same = b->label[i] == b->label[a];
        if (i != a) *(same ? &pull : &push) += weight(same, (double)row[i], beta, far, near, o->margin);
    }
    for (size_t i = 0; i < b->n; i++) {
        bool same = b->label[i] == b->label[a];
        double w = weight(same, (double)row[i], beta, far, near, o->margin);
        row[i] = (float)(same ? -w / (1 + pull) : w / (1 + push));
    }
    row[a] = 0;
    return log1p(pull) / ALPHA + log1p(push) / beta;
}
