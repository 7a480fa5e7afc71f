/* reference.h: what every layer means, in double, over plain (n, c, h, w) arrays, as simply as it can be
 * written. The tests hold the fast kernels against it; somebody who wants to know what a layer does reads
 * reference.c. */
#ifndef LK_TEST_REFERENCE_H
#define LK_TEST_REFERENCE_H

#include "nn/net.h"

typedef struct reference {
    const lk__spec *spec;
    const lk__weights *shapes; /* which param lies where; its values are not looked at */
    double *values;            /* (shapes->total), laid out as lk__weights.values */
    double kink; /* after a forward: how near a rectifier's input came to 0, or two rivals in a max pool to
                    each other */
} reference;

/* input (batch, c, h, w) to output (batch, dim). training: batch norm takes the statistics of this batch and
 * moves the running ones in `values`. */
void reference_forward(reference *r, const double *input, int batch, bool training, double *output);

#endif
