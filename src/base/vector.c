/* vector.c: how alike two unit vectors are. Summed in double, so that a vector has cosine 1 and distance 0
 * with itself to the last digits of a float; fast enough for pairs, while src/gallery/dot.c scans many. */
#include "likeness/likeness.h"

#include <math.h>

double lk_cosine(const float *a, const float *b, int dim) {
    double sum = 0;
    for (int i = 0; i < dim; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

double lk_l2(const float *a, const float *b, int dim) {
    double sum = 0; /* from the differences: 2 - 2 cosine would lose what tells close vectors apart */
    for (int i = 0; i < dim; i++) {
        double d = (double)a[i] - (double)b[i];
        sum += d * d;
    }
    return sqrt(sum);
}
