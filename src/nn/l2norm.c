/* l2norm.c: y = x / |x|_2, the last step of every embedding.
 *
 *   dx = (dy - y (y . dy)) / |x|: what is left of dy on the sphere's tangent */
#include "nn/op.h"

#include <math.h>
#include <stdlib.h>

typedef struct l2norm {
    lk__op op;
    size_t dim;
} l2norm;

static const double SMALLEST = 1e-12; /* a zero vector stays zero instead of becoming NaN */

static double inverse_length(const float *x, size_t dim) {
    double s = 0;
    for (size_t j = 0; j < dim; j++) s += (double)x[j] * (double)x[j];
    return 1 / fmax(sqrt(s), SMALLEST);
}

static void l2norm_forward(lk__op *op, const lk__job *job) {
    size_t dim = ((l2norm *)op)->dim;
    const float *x = job->in[0];
    float *y = job->out;
    double r = inverse_length(x, dim);
    for (size_t j = 0; j < dim; j++) y[j] = (float)((double)x[j] * r);
}

static void l2norm_backward(lk__op *op, const lk__job *job) {
    size_t dim = ((l2norm *)op)->dim;
    const float *x = job->in[0], *dy = job->dout;
    float *dx = job->din[0];
    if (!dx) return;
    double r = inverse_length(x, dim), dot = 0;
    for (size_t j = 0; j < dim; j++) dot += (double)x[j] * r * (double)dy[j];
    for (size_t j = 0; j < dim; j++) dx[j] = (float)(((double)dy[j] - (double)x[j] * r * dot) * r);
}

static void l2norm_free(lk__op *op) {
    free(op);
}

lk_status lk__l2norm_new(const lk__context *k, const lk__act *x, const lk__act *y, lk__op **out,
                         lk_error *err) {
    (void)k;
    (void)y;
    l2norm *o = calloc(1, sizeof *o);
    if (!o) return lk__fail_memory(err, sizeof *o, "l2norm");
    o->op = (lk__op){.images = 1,
                     .needs_x = true,
                     .forward = l2norm_forward,
                     .backward = l2norm_backward,
                     .free = l2norm_free};
    o->dim = (size_t)x->c;
    snprintf(o->op.what, sizeof o->op.what, "l2norm %d", x->c);
    *out = &o->op;
    return LK_OK;
}
