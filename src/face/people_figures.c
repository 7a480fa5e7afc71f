/* people_figures.c: are the drawn people nobody? A drawn photo should be no nearer to its nearest training
 * photo than a real photo is to the nearest photo of somebody else. */
#include "face/people.h"

#include <math.h>
#include <stdlib.h>

enum { DIM = 100, DRAWN = 1000 };

/* points (n, dim) of scores (n, z). */
static void project(const float *scores, size_t n, size_t z, const float *projection, size_t dim,
                    float *points) {
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < dim; k++) {
            float sum = 0;
            for (size_t a = 0; a < z; a++) sum += scores[i * z + a] * projection[k * z + a];
            points[i * dim + k] = sum;
        }
}

/* Points become unit vectors around the mean of the first n: only the direction in which someone differs from
 * the average counts. Drawn photos vary less than real ones, and a plain distance would call that
 * resemblance. */
static void to_directions(float *points, size_t n, size_t extra, size_t dim) {
    for (size_t k = 0; k < dim; k++) {
        double mean = 0;
        for (size_t i = 0; i < n; i++) mean += (double)points[i * dim + k] / (double)n;
        for (size_t i = 0; i < n + extra; i++) points[i * dim + k] -= (float)mean;
    }
    for (size_t i = 0; i < n + extra; i++) {
        float *p = points + i * dim;
        double sum = 0;
        for (size_t k = 0; k < dim; k++) sum += (double)p[k] * (double)p[k];
        for (size_t k = 0; k < dim && sum > 0; k++) p[k] /= (float)sqrt(sum);
    }
}

/* Degrees between two directions. */
static double angle(const float *a, const float *b, size_t dim) {
    float sum = 0;
    for (size_t k = 0; k < dim; k++) sum += a[k] * b[k];
    return acos(fmin(fmax((double)sum, -1), 1)) * 57.29577951308232;
}

/* To the nearest of n points whose person is not `self`. */
static double nearest(const float *point, const float *points, const int *person, size_t n, size_t dim,
                      int self) {
    double best = INFINITY;
    for (size_t i = 0; i < n; i++)
        if (person[i] != self) best = fmin(best, angle(point, points + i * dim, dim));
    return best;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the values. */
static double median(double *values, size_t n) {
    qsort(values, n, sizeof *values, compare);
    return n ? values[n / 2] : NAN;
}

static void measure_real(const float *points, const int *person, size_t n, size_t dim, double *values,
                         lk__figures *out) {
    size_t same = 0, some = n < DRAWN ? n : DRAWN;
    for (size_t i = 0; i + 1 < n && same < n; i++)
        if (person[i] == person[i + 1]) values[same++] = angle(points + i * dim, points + (i + 1) * dim, dim);
    out->same = median(values, same);
    size_t different = 0;
    for (size_t i = 0; i < n; i++) {
        size_t j = (i + n / 2) % n;
        if (person[i] != person[j]) values[different++] = angle(points + i * dim, points + j * dim, dim);
    }
    out->different = median(values, different);
    for (size_t k = 0; k < some; k++) {
        size_t i = k * n / some;
        values[k] = nearest(points + i * dim, points, person, n, dim, person[i]);
    }
    out->nearest_real = median(values, some);
    out->closest_real = values[0];
}

lk_status lk__people_measure(const lk_people *people, const float *scores, const int *person, int count,
                             uint64_t seed, lk__figures *out, lk_error *err) {
    size_t n = (size_t)count, z = (size_t)people->parity[0].z, dim = z < DIM ? z : DIM,
           most = n > DRAWN ? n : DRAWN;
    float *projection = malloc(dim * z * sizeof *projection),
          *points = malloc((n + DRAWN) * dim * sizeof *points);
    double *values = malloc(most * sizeof *values);
    lk_status status = LK_OK;
    if (!projection || !points || !values)
        status = lk__fail_memory(err, n * dim * sizeof *points, "the figures");
    if (status == LK_OK) status = lk__fisher(scores, person, count, (int)z, (int)dim, projection, err);
    if (status == LK_OK) {
        lk__figures g = {.dim = (int)dim, .drawn = DRAWN};
        float *drawn = points + n * dim, c[LK__COEFFICIENTS_MAX];
        project(scores, n, z, projection, dim, points);
        for (size_t i = 0; i < DRAWN; i++) {
            lk__people_coefficients(people, 0, seed, i, 0, c);
            project(c, 1, z, projection, dim, drawn + i * dim);
        }
        to_directions(points, n, DRAWN, dim);
        measure_real(points, person, n, dim, values, &g);
        for (size_t i = 0; i < DRAWN; i++) values[i] = nearest(drawn + i * dim, points, person, n, dim, -1);
        g.nearest_drawn = median(values, DRAWN);
        g.closest_drawn = values[0];
        *out = g;
    }
    free(projection);
    free(points);
    free(values);
    return status;
}
