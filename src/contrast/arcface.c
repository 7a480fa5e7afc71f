/* arcface.c: a classifier of the people trained on, to compare with: no pairs of photos, but each photo with
 * a centre for each person, learned along and thrown away after training.
 *
 *   l_a = -ln( e^(s f(c_y)) / (e^(s f(c_y)) + sum over the other classes j of e^(s c_j)) )
 *   f(cos x) = cos(x + margin)
 *
 * c: cosine to a centre, y: the photo's own class, s = 1 / temperature. Deng, Guo, Xue & Zafeiriou, "ArcFace:
 * Additive Angular Margin Loss for Deep Face Recognition", 2019, equation 3, s = 64, margin 0.5 (radians).
 * Past x = pi - margin, where cos(x + margin) would rise again, f goes on as c - margin sin(margin), as the
 * authors' code does. Batches are P people x K photos as for all losses, where the paper draws photos evenly;
 * the centres of people who are not in the batch are pushed all the same.
 *
 * The centres are the `others` of the batch, labelled with their people, and made of weights of any length
 * (the paper's W): centre = w / |w|, so  d/dw = (g - (g . centre) centre) / |w|. */
#include "contrast/contrast.h"

#include <math.h>
#include <string.h>

/* f and its slope. Near x = 0 and pi the slope of cos(x + m) by cos x has no bound; sin x is kept off 0. */
static double with_margin(double c, double m, double *slope) {
    const double SINE_LEAST = 1e-3;
    if (c <= -cos(m)) { /* = cos(pi - m); so put, NaN goes on */
        *slope = 1;
        return c - m * sin(m);
    }
    double sine = fmax(sqrt(fmax(1 - c * c, 0)), SINE_LEAST);
    *slope = cos(m) + sin(m) * c / sine;
    return c * cos(m) - sine * sin(m);
}

double lk__arcface(const lk__batch *b, size_t a, const lk__loss_options *o, float *row) {
    double s = 1 / o->temperature, all = 0, own = NAN, slope = NAN;
    size_t first = b->n - b->others;
    memset(row, 0, first * sizeof *row); /* the batch itself is not looked at */
    for (size_t i = first; i < b->n; i++) {
        double c = (double)row[i];
        if (b->label[i] == b->label[a]) own = c = with_margin(c, o->margin, &slope);
        all += exp(s * (c - 1)); /* - 1: nothing overflows, the fractions are the same */
    }
    for (size_t i = first; i < b->n; i++) {
        bool same = b->label[i] == b->label[a];
        double share = exp(s * ((same ? own : (double)row[i]) - 1)) / all;
        row[i] = (float)(s * (same ? (share - 1) * slope : share));
    }
    return log(all) - s * (own - 1);
}

static double norm_of(const float *x, size_t dim) {
    double sum = 0;
    for (size_t d = 0; d < dim; d++) sum += (double)x[d] * (double)x[d];
    return fmax(sqrt(sum), 1e-12);
}

void lk__arcface_centres(const float *weight, size_t classes, size_t dim, float *centre) {
    for (size_t i = 0; i < classes; i++) {
        const float *w = weight + i * dim;
        double norm = norm_of(w, dim);
        for (size_t d = 0; d < dim; d++) centre[i * dim + d] = (float)((double)w[d] / norm);
    }
}

void lk__arcface_backward(const float *weight, const float *centre, size_t classes, size_t dim,
                          const float *by_centre, float *by_weight) {
    for (size_t i = 0; i < classes; i++) {
        const float *c = centre + i * dim, *g = by_centre + i * dim;
        double norm = norm_of(weight + i * dim, dim), along = 0;
        for (size_t d = 0; d < dim; d++) along += (double)g[d] * (double)c[d];
        for (size_t d = 0; d < dim; d++)
            by_weight[i * dim + d] = (float)(((double)g[d] - along * (double)c[d]) / norm);
    }
}
