/* l2norm.c: y = x / |x|_2, the last step of every embedding.
 *
 *   dx = (dy - y (y . dy)) / |x|: what is left of dy on the sphere's tangent */
#include "nn/op.h"

#include <math.h>
#include <stdlib.h>

typedef struct l2norm {
    lk__op op;
    float *inverse; /* (n): 1 / |x| */
} l2norm;

static const double SMALLEST = 1e-12; /* a zero vector stays zero instead of becoming NaN */

static void l2norm_forward(lk__op *op) {
    l2norm *o = (l2norm *)op;
    size_t n = (size_t)op->x->n, dim = (size_t)op->x->c;
    for (size_t i = 0; i < n; i++) {
        const float *x = op->x->value + i * dim;
        double s = 0;
        for (size_t j = 0; j < dim; j++) s += (double)x[j] * (double)x[j];
        o->inverse[i] = (float)(1 / fmax(sqrt(s), SMALLEST));
        for (size_t j = 0; j < dim; j++) op->y->value[i * dim + j] = x[j] * o->inverse[i];
    }
}

static void l2norm_backward(lk__op *op) {
    l2norm *o = (l2norm *)op;
    size_t n = (size_t)op->x->n, dim = (size_t)op->x->c;
    for (size_t i = 0; i < n; i++) {
        const float *y = op->y->value + i * dim, *dy = op->y->grad + i * dim;
        float *dx = op->x->grad + i * dim;
        double dot = 0;
        for (size_t j = 0; j < dim; j++) dot += (double)y[j] * (double)dy[j];
        for (size_t j = 0; j < dim; j++) {
            float d = (float)((double)dy[j] - (double)y[j] * dot) * o->inverse[i];
            dx[j] = op->x_accumulate ? dx[j] + d : d;
        }
    }
}

static void nothing(lk__op *op) {
    (void)op;
}

static void l2norm_free(lk__op *op) {
    free(((l2norm *)op)->inverse);
    free(op);
}

lk_status lk__l2norm_new(const lk__context *k, lk__act *x, lk__act *y, lk__op **out, lk_error *err) {
    (void)k;
    (void)y;
    l2norm *o = calloc(1, sizeof *o);
    if (o) o->inverse = calloc((size_t)x->n, sizeof(float));
    if (!o || !o->inverse) {
        free(o);
        return lk__fail_memory(err, (size_t)x->n * sizeof(float), "l2norm");
    }
    o->op = (lk__op){.bind = nothing,
                     .load = nothing,
                     .forward = l2norm_forward,
                     .backward = l2norm_backward,
                     .free = l2norm_free,
                     .needs_y = true};
    *out = &o->op;
    return LK_OK;
}
