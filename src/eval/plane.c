/* plane.c: principal components analysis down to a plane: the two directions in which vectors spread most.
 *
 *   X (n, dim) - mean;  A (axes, dim): random, orthonormal;  again and again:
 *     S = X A'  (n, axes),  B = S' X  (axes, dim)
 *     turn A and B so that B A' is diagonal;  done if B's rows are multiples of A's;  A = orth(B)
 *
 * Subspace iteration with a Rayleigh-Ritz step (Halko, Martinsson & Tropp 2011): six axes more than are asked
 * for, so that it converges as fast as the ninth component is smaller than the second. It reads the data and
 * never makes the (dim, dim) covariance. No LAPACK: the only dense problem is 8 x 8, and a library's threads
 * would have a say in the last bits. A sum is one thread's, in order: the same bits on any number of threads.
 */
#include "eval/map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { AXES = 8, ROUNDS = 300, SWEEPS = 30, SERIAL = 1 << 16 }; /* floats that are not worth waking threads */
static const double ENOUGH = 1e-6; /* of the largest variance: far below what can be seen on a map */

typedef struct pca {
    size_t n, dim, axes;
    float *x;                    /* (n, dim), centred */
    double *axis, *next, *score; /* (axes, dim), (axes, dim), (n, axes) */
} pca;

/* score = x axis', a thread's own rows. */
static void project(void *context, int part, int parts) {
    const pca *c = context;
    size_t first, last;
    lk__part(c->n, part, parts, &first, &last);
    for (size_t i = first; i < last; i++)
        for (size_t k = 0; k < c->axes; k++) {
            const float *row = c->x + i * c->dim;
            const double *axis = c->axis + k * c->dim;
            double lane[8] = {0}, sum = 0;
            size_t d = 0;
            for (; d + 8 <= c->dim; d += 8)
                for (size_t l = 0; l < 8; l++) lane[l] += (double)row[d + l] * axis[d + l];
            for (; d < c->dim; d++) sum += (double)row[d] * axis[d];
            for (size_t l = 0; l < 8; l++) sum += lane[l];
            c->score[i * c->axes + k] = sum;
        }
}

/* next = score' x, a thread's own columns. */
static void gather(void *context, int part, int parts) {
    const pca *c = context;
    size_t first, last;
    lk__part(c->dim, part, parts, &first, &last);
    for (size_t k = 0; k < c->axes; k++)
        for (size_t d = first; d < last; d++) c->next[k * c->dim + d] = 0;
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < c->axes; k++) {
            double s = c->score[i * c->axes + k], *next = c->next + k * c->dim;
            for (size_t d = first; d < last; d++) next[d] += s * (double)c->x[i * c->dim + d];
        }
}

static void in_parts(void (*part)(void *, int, int), pca *c) {
    if (c->n * c->dim < SERIAL)
        part(c, 0, 1);
    else
        lk__parallel(part, c);
}

static double dot(const double *a, const double *b, size_t dim) {
    double sum = 0;
    for (size_t d = 0; d < dim; d++) sum += a[d] * b[d];
    return sum;
}

/* Modified Gram-Schmidt, twice ("twice is enough", Parlett 1980). What is left of an axis that the others
 * make up is rounding, and becomes 0. */
static void orthonormalise(double *axis, size_t axes, size_t dim) {
    for (size_t k = 0; k < axes; k++) {
        double *a = axis + k * dim, before = sqrt(dot(a, a, dim));
        for (int pass = 0; pass < 2; pass++)
            for (size_t j = 0; j < k; j++) {
                double along = dot(a, axis + j * dim, dim);
                for (size_t d = 0; d < dim; d++) a[d] -= along * axis[j * dim + d];
            }
        double norm = sqrt(dot(a, a, dim));
        double scale = norm > 1e-12 * before ? 1 / norm : 0;
        for (size_t d = 0; d < dim; d++) a[d] *= scale;
    }
}

/* Rows j and k of a (rows of `width`): turned by the angle with cosine c and sine s. */
static void turn(double *a, size_t j, size_t k, size_t width, double c, double s) {
    for (size_t d = 0; d < width; d++) {
        double x = a[j * width + d], y = a[k * width + d];
        a[j * width + d] = c * x - s * y;
        a[k * width + d] = s * x + c * y;
    }
}

/* Jacobi's method: turn axis and next so that next axis' is diagonal, the largest first. */
static void ritz(pca *c) {
    size_t n = c->axes;
    double m[AXES][AXES];
    for (size_t j = 0; j < n; j++)
        for (size_t k = 0; k < n; k++) m[j][k] = dot(c->next + j * c->dim, c->axis + k * c->dim, c->dim);
    for (int sweep = 0; sweep < SWEEPS; sweep++)
        for (size_t j = 0; j < n; j++)
            for (size_t k = j + 1; k < n; k++) {
                double off = (m[j][k] + m[k][j]) / 2;
                bool falls = m[j][j] >= m[k][k];
                if (fabs(off) <= 1e-15 * (fabs(m[j][j]) + fabs(m[k][k])) && falls) continue;
                double angle = 0.5 * atan2(-2 * off, m[j][j] - m[k][k]); /* the larger comes to j */
                double cosine = cos(angle), sine = sin(angle);
                turn(&m[0][0], j, k, AXES, cosine, sine);
                for (size_t i = 0; i < n; i++) {
                    double x = m[i][j], y = m[i][k];
                    m[i][j] = cosine * x - sine * y;
                    m[i][k] = sine * x + cosine * y;
                }
                turn(c->axis, j, k, c->dim, cosine, sine);
                turn(c->next, j, k, c->dim, cosine, sine);
            }
}

/* Are the first two axes eigenvectors? |next - value axis| beside the largest value. */
static bool converged(const pca *c) {
    double largest = fabs(dot(c->next, c->axis, c->dim)), worst = 0;
    for (size_t k = 0; k < 2 && k < c->axes; k++) {
        const double *axis = c->axis + k * c->dim, *next = c->next + k * c->dim;
        double value = dot(next, axis, c->dim), square = 0;
        for (size_t d = 0; d < c->dim; d++) square += pow(next[d] - value * axis[d], 2);
        worst = fmax(worst, sqrt(square));
    }
    return worst <= ENOUGH * largest;
}

static void centre(pca *c, const float *vectors) {
    for (size_t d = 0; d < c->dim; d++) {
        double sum = 0;
        for (size_t i = 0; i < c->n; i++) sum += (double)vectors[i * c->dim + d];
        for (size_t i = 0; i < c->n; i++)
            c->x[i * c->dim + d] = (float)((double)vectors[i * c->dim + d] - sum / (double)c->n);
    }
}

/* An axis and its opposite are the same to the eye but not to a test: the largest component is positive. */
static double sign_of(const double *axis, size_t dim) {
    size_t largest = 0;
    for (size_t d = 1; d < dim; d++)
        if (fabs(axis[d]) > fabs(axis[largest])) largest = d;
    return axis[largest] < 0 ? -1 : 1;
}

lk_status lk__plane(const float *vectors, size_t n, int dim, uint64_t seed, float *xy, lk_error *err) {
    pca c = {.n = n, .dim = (size_t)dim};
    c.axes = c.dim < AXES ? c.dim : AXES;
    c.x = malloc(n * c.dim * sizeof *c.x);
    c.axis = malloc(c.axes * c.dim * sizeof *c.axis);
    c.next = malloc(c.axes * c.dim * sizeof *c.next);
    c.score = malloc(n * c.axes * sizeof *c.score);
    lk_status status = LK_OK;
    if (!c.x || !c.axis || !c.next || !c.score)
        status = lk__fail_memory(err, n * (c.dim * sizeof *c.x + c.axes * sizeof *c.score), "the plane");
    if (status == LK_OK) {
        lk__random random = lk__random_stream(seed, 0x706c616e, n, c.dim);
        for (size_t i = 0; i < c.axes * c.dim; i++) c.axis[i] = lk__random_normal(&random);
        centre(&c, vectors);
        for (int round = 0; round < ROUNDS; round++) {
            orthonormalise(c.axis, c.axes, c.dim);
            in_parts(project, &c);
            in_parts(gather, &c);
            ritz(&c);
            if (converged(&c)) break;
            memcpy(c.axis, c.next, c.axes * c.dim * sizeof *c.axis);
        }
        in_parts(project, &c); /* along the axes as turned last */
        for (size_t k = 0; k < 2; k++) {
            double sign = k < c.axes ? sign_of(c.axis + k * c.dim, c.dim) : 0;
            for (size_t i = 0; i < n; i++)
                xy[2 * i + k] = k < c.axes ? (float)(sign * c.score[i * c.axes + k]) : 0;
        }
    }
    free(c.x);
    free(c.axis);
    free(c.next);
    free(c.score);
    return status;
}
