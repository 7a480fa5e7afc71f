/* made_up.h: what tests of identification share: made-up people on the unit sphere. */
#ifndef LK_EVAL_MADE_UP_H
#define LK_EVAL_MADE_UP_H

#include "base/base.h"
#include "likeness/eval.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline void assert_near(double got, double want) {
    if (!(fabs(got - want) <= 1e-12)) fail_msg("got %.15g, want %.15g", got, want);
}

static inline void to_norm_1(float *vector, int dim) {
    double square = 0;
    for (int d = 0; d < dim; d++) square += (double)vector[d] * (double)vector[d];
    for (int d = 0; d < dim; d++) vector[d] = (float)((double)vector[d] / sqrt(square));
}

/* vectors (photos, dim): each around its person's own direction; `noise` 0: all photos of a person are one.
 */
static inline void make_faces(const uint32_t *person, size_t photos, int dim, double noise, float *vectors) {
    for (size_t i = 0; i < photos; i++) {
        lk__random who = lk__random_stream(7, person[i], 0, 0), photo = lk__random_stream(7, person[i], 1, i);
        for (int d = 0; d < dim; d++)
            vectors[i * (size_t)dim + (size_t)d] =
                (float)(lk__random_normal(&who) + noise * lk__random_normal(&photo));
        to_norm_1(vectors + i * (size_t)dim, dim);
    }
}

/* Vectors in whole numbers of at most `grain` 64ths: sums are exact in any order, and with few grains ties
 * are many. */
static inline void round_to(float grain, size_t photos, int dim, float *vectors) {
    for (size_t i = 0; i < photos * (size_t)dim; i++) vectors[i] = roundf(vectors[i] * grain) / 64;
}

#endif
