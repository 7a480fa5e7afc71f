/* batches.h: for the tests of losses: batches of unit vectors, in float for the loss and in double for the
 * formula it is compared with. */
#ifndef LK_TEST_BATCHES_H
#define LK_TEST_BATCHES_H

#include "contrast/contrast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static inline void *must_alloc(size_t count, size_t size) {
    void *p = calloc(count ? count : 1, size);
    assert_non_null(p);
    return p;
}

static const double STEP = 1e-5; /* of the finite differences */

/* How far the nearest bend of the loss is (a hinge, or what a loss keeps): no finite difference goes across.
 */
static double bend;

static inline double hinge(double x) {
    bend = fmin(bend, fabs(x));
    return fmax(x, 0);
}

typedef struct batch {
    size_t n, others;
    int dim;
    float *vectors, *table, *gradient;
    double *exact; /* the same vectors */
    uint32_t *label;
    lk__triplet_stats *of_row;
} batch;

enum kind { SPREAD, TIES };

/* n vectors of length 1 of `people` people, in turn; `others` more behind. TIES: of axes, so that most
 * cosines are 1, 0 or -1 and many pairs of one person are equal; no two people share an axis and a direction.
 */
static inline batch batch_new(size_t n, size_t others, size_t people, int dim, enum kind kind,
                              uint64_t seed) {
    batch b = {.n = n + others, .others = others, .dim = dim};
    size_t size = b.n * (size_t)dim;
    b.vectors = must_alloc(size, sizeof(float));
    b.gradient = must_alloc(size, sizeof(float));
    b.exact = must_alloc(size, sizeof(double));
    b.table = must_alloc(b.n * b.n, sizeof(float));
    b.label = must_alloc(b.n, sizeof(uint32_t));
    b.of_row = must_alloc(b.n, sizeof(lk__triplet_stats));
    lk__random r = lk__random_stream(seed, b.n, (uint64_t)dim, 0);
    for (size_t i = 0; i < b.n; i++) {
        double norm = 0, *x = b.exact + i * (size_t)dim;
        b.label[i] = (uint32_t)(7 + 3 * ((i < n ? i : i - n) % people));
        for (int d = 0; d < dim; d++) {
            x[d] = lk__random_normal(&r);
            norm += x[d] * x[d];
        }
        if (kind == TIES) {
            size_t axis = 2 * (b.label[i] / 3) + lk__random_below(&r, 2);
            for (int d = 0; d < dim; d++)
                x[d] = axis / 2 % (size_t)dim == (size_t)d ? (axis % 2 ? 1 : -1) : 0;
            norm = 1;
        }
        for (int d = 0; d < dim; d++) {
            b.vectors[i * (size_t)dim + (size_t)d] = (float)(x[d] / sqrt(norm));
            x[d] = (double)b.vectors[i * (size_t)dim + (size_t)d];
        }
    }
    return b;
}

static inline void batch_free(batch *b) {
    free(b->vectors);
    free(b->table);
    free(b->gradient);
    free(b->exact);
    free(b->label);
    free(b->of_row);
}

static inline lk__batch slice_of(const batch *b, size_t first, size_t rows) {
    return (lk__batch){b->vectors, b->label, b->n, b->dim, first, rows, b->others};
}

static inline lk__batch whole_of(const batch *b) {
    return slice_of(b, 0, b->n - b->others);
}

static inline const double *exact_of(const batch *b, size_t i) {
    return b->exact + i * (size_t)b->dim;
}

static inline double dot(const batch *b, size_t i, size_t j) {
    double sum = 0;
    for (int d = 0; d < b->dim; d++) sum += exact_of(b, i)[d] * exact_of(b, j)[d];
    return sum;
}

static inline double l2(const batch *b, size_t i, size_t j) {
    double sum = 0;
    for (int d = 0; d < b->dim; d++)
        sum += (exact_of(b, i)[d] - exact_of(b, j)[d]) * (exact_of(b, i)[d] - exact_of(b, j)[d]);
    return sqrt(sum);
}

static inline lk__loss_options options_of(lk_loss loss) {
    const lk_loss_info *info = lk_loss_about(loss);
    return (lk__loss_options){info->margin, info->temperature, 1.2};
}

#endif
