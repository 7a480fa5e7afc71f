/* people_pca.c: the linear algebra of fitting synthetic people: PCA of many long rows, and what of the scores
 * belongs to a person and what to a photo.
 *
 * PCA is randomised subspace iteration (Halko, Martinsson & Tropp, "Finding structure with randomness",
 * 2011): a few passes of large matrix products, which oneDNN does near the peak of the machine, and only
 * small problems for LAPACK.
 *
 * The split is the method of moments of the two-covariance model (Brummer & de Villiers 2010; PLDA after
 * Prince & Elder 2007 with full rank): score = person + photo, W = pooled covariance around each person's
 * mean, T = covariance of all, B = T - W. No EM: with thousands of people the moments are as good, and the
 * same data give the same answer. */
#include "face/people.h"

#include <lapacke.h>
#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>
#include <string.h>

enum { PASSES = 4, OVERSAMPLE = 24 };

static lk_status multiply(char a_flip, char b_flip, size_t m, size_t n, size_t k, const float *a, size_t lda,
                          const float *b, size_t ldb, float *c, size_t ldc, lk_error *err) {
    dnnl_status_t status = dnnl_sgemm(a_flip, b_flip, (dnnl_dim_t)m, (dnnl_dim_t)n, (dnnl_dim_t)k, 1, a,
                                      (dnnl_dim_t)lda, b, (dnnl_dim_t)ldb, 0, c, (dnnl_dim_t)ldc);
    return status == dnnl_success
               ? LK_OK
               : lk__fail(err, LK_INTERNAL, "matrix product failed (oneDNN status %d)", status);
}

static lk_status lapack(int info, const char *what, lk_error *err) {
    return info == 0
               ? LK_OK
               : lk__fail(err, LK_INTERNAL, "%s failed (LAPACK %d): are the photos all alike?", what, info);
}

static lk_status centre_rows(float *x, size_t n, size_t d, float *mean, lk_error *err) {
    double *sum = calloc(d, sizeof *sum);
    if (!sum) return lk__fail_memory(err, d * sizeof *sum, "the PCA");
    for (size_t i = 0; i < n; i++)
        for (size_t p = 0; p < d; p++) sum[p] += (double)x[i * d + p];
    for (size_t p = 0; p < d; p++) mean[p] = (float)(sum[p] / (double)n);
    for (size_t i = 0; i < n; i++)
        for (size_t p = 0; p < d; p++) x[i * d + p] -= mean[p];
    free(sum);
    return LK_OK;
}

/* Orthonormal columns in place of z (d, l). */
static lk_status orthonormalise(float *z, size_t d, size_t l, float *tau, lk_error *err) {
    lk_status status = lapack(LAPACKE_sgeqrf(LAPACK_ROW_MAJOR, (int)d, (int)l, z, (int)l, tau), "QR", err);
    if (status == LK_OK)
        status = lapack(LAPACKE_sorgqr(LAPACK_ROW_MAJOR, (int)d, (int)l, (int)l, z, (int)l, tau), "QR", err);
    return status;
}

/* y (n, l) = x z; then the eigenvectors of y'y, largest last, in `small` (l, l), their values in `value`. */
static lk_status small_problem(const float *x, size_t n, size_t d, size_t l, const float *z, float *y,
                               float *small, float *value, lk_error *err) {
    lk_status status = multiply('N', 'N', n, l, d, x, d, z, l, y, l, err);
    if (status == LK_OK) status = multiply('T', 'N', l, l, n, y, l, y, l, small, l, err);
    if (status == LK_OK)
        status = lapack(LAPACKE_ssyevd(LAPACK_ROW_MAJOR, 'V', 'U', (int)l, small, (int)l, value),
                        "eigenvectors", err);
    return status;
}

lk_status lk__pca(float *x, int rows, int columns, int most, bool centre, uint64_t seed, float *mean,
                  float *basis, float *scores, int *found, lk_error *err) {
    size_t n = (size_t)rows, d = (size_t)columns, limit = n < d ? n : d, k = (size_t)most;
    if (k > limit - 1) k = limit - 1;
    size_t l = k + OVERSAMPLE < limit ? k + OVERSAMPLE : limit;
    lk_status status = centre ? centre_rows(x, n, d, mean, err) : LK_OK;
    if (status != LK_OK) return status;
    float *z = malloc(d * l * sizeof *z), *y = malloc(n * l * sizeof *y),
          *small = malloc(l * l * sizeof *small);
    float *value = malloc(2 * l * sizeof *value);
    if (!z || !y || !small || !value)
        status = lk__fail_memory(err, (d + n + l) * l * sizeof(float), "the PCA");
    lk__random random = lk__random_stream(seed, 0x706361, d, l);
    for (size_t i = 0; status == LK_OK && i < d * l; i++) z[i] = (float)lk__random_normal(&random);
    for (int pass = 0; pass < PASSES && status == LK_OK; pass++) {
        status = multiply('N', 'N', n, l, d, x, d, z, l, y, l, err);
        if (status == LK_OK) status = multiply('T', 'N', d, l, n, x, d, y, l, z, l, err);
        if (status == LK_OK) status = orthonormalise(z, d, l, value, err);
    }
    if (status == LK_OK) status = small_problem(x, n, d, l, z, y, small, value, err);
    if (status == LK_OK) { /* the k largest, largest first: columns l - 1, l - 2, ... */
        for (size_t i = 0; i < l; i++)
            for (size_t j = 0; j < l / 2; j++) {
                float t = small[i * l + j];
                small[i * l + j] = small[i * l + l - 1 - j];
                small[i * l + l - 1 - j] = t;
            }
        status = multiply('N', 'N', n, k, l, y, l, small, l, scores, k, err);
        if (status == LK_OK) status = multiply('T', 'T', k, d, l, small, l, z, l, basis, d, err);
        if (status == LK_OK) *found = (int)k;
    }
    free(z);
    free(y);
    free(small);
    free(value);
    return status;
}

/* ---- factors ------------------------------------------------------------------------------------- */

/* total and within (z, z), both (co)variances; scores need not be centred. */
static lk_status covariances(const float *scores, const int *person, size_t n, size_t z, double *total,
                             double *within, lk_error *err) {
    double *mean = calloc(2 * z, sizeof *mean), *own = mean ? mean + z : NULL;
    if (!mean) return lk__fail_memory(err, 2 * z * sizeof *mean, "the factors");
    float *centred = malloc(n * z * sizeof *centred), *product = malloc(z * z * sizeof *product);
    lk_status status = LK_OK;
    if (!centred || !product) status = lk__fail_memory(err, (n + z) * z * sizeof(float), "the factors");
    for (size_t i = 0; i < n; i++)
        for (size_t a = 0; a < z; a++) mean[a] += (double)scores[i * z + a] / (double)n;
    for (int pass = 0; pass < 2 && status == LK_OK; pass++) {
        size_t degrees = 0;
        for (size_t first = 0, last; first < n; first = last) {
            for (last = first; last < n && person[last] == person[first]; last++) {
            }
            for (size_t a = 0; a < z; a++) own[a] = pass ? 0 : mean[a];
            for (size_t i = first; pass && i < last; i++)
                for (size_t a = 0; a < z; a++) own[a] += (double)scores[i * z + a] / (double)(last - first);
            degrees += last - first - (size_t)pass;
            for (size_t i = first; i < last; i++)
                for (size_t a = 0; a < z; a++)
                    centred[i * z + a] = (float)((double)scores[i * z + a] - own[a]);
        }
        status = multiply('T', 'N', z, z, n, centred, z, centred, z, product, z, err);
        double *to = pass ? within : total;
        for (size_t a = 0; a < z * z; a++) to[a] = (double)product[a] / (double)(degrees ? degrees : 1);
    }
    free(mean);
    free(centred);
    free(product);
    return status;
}

/* factors (k, z) = sqrt(eigenvalue) * eigenvector of the k largest positive; rest = what their sum leaves of
 * the diagonal. The matrix is used up. */
static lk_status take_factors(double *matrix, size_t z, float *factors, int *k, float *rest, double *value,
                              lk_error *err) {
    for (size_t a = 0; a < z; a++) rest[a] = (float)matrix[a * z + a];
    lk_status status = lapack(LAPACKE_dsyevd(LAPACK_ROW_MAJOR, 'V', 'U', (int)z, matrix, (int)z, value),
                              "eigenvectors", err);
    if (status != LK_OK) return status;
    int taken = 0;
    for (; taken < *k && taken < (int)z && value[z - 1 - (size_t)taken] > 0; taken++) {
        size_t column = z - 1 - (size_t)taken;
        for (size_t a = 0; a < z; a++) {
            double f = sqrt(value[column]) * matrix[a * z + column];
            factors[(size_t)taken * z + a] = (float)f;
            rest[a] -= (float)(f * f);
        }
    }
    for (size_t a = 0; a < z; a++) rest[a] = rest[a] > 0 ? sqrtf(rest[a]) : 0;
    *k = taken;
    return LK_OK;
}

lk_status lk__split_factors(const float *scores, const int *person, int n, int z, float *between, int *b,
                            float *between_rest, float *within, int *w, float *within_rest, lk_error *err) {
    size_t zz = (size_t)z * (size_t)z;
    double *total = malloc((2 * zz + (size_t)z) * sizeof *total);
    if (!total) return lk__fail_memory(err, 2 * zz * sizeof *total, "the factors");
    double *inner = total + zz, *value = inner + zz;
    lk_status status = covariances(scores, person, (size_t)n, (size_t)z, total, inner, err);
    if (status == LK_OK) {
        for (size_t a = 0; a < zz; a++) total[a] -= inner[a];
        status = take_factors(total, (size_t)z, between, b, between_rest, value, err);
    }
    if (status == LK_OK) status = take_factors(inner, (size_t)z, within, w, within_rest, value, err);
    free(total);
    return status;
}

lk_status lk__fisher(const float *scores, const int *person, int n, int z, int dim, float *projection,
                     lk_error *err) {
    size_t zz = (size_t)z * (size_t)z;
    double *total = malloc((2 * zz + (size_t)z) * sizeof *total);
    if (!total) return lk__fail_memory(err, 2 * zz * sizeof *total, "Fisher's directions");
    double *within = total + zz, *value = within + zz, trace = 0;
    lk_status status = covariances(scores, person, (size_t)n, (size_t)z, total, within, err);
    if (status == LK_OK) {
        /* B v = lambda W v; a little of the mean variance keeps W positive definite where photos are few. */
        for (int a = 0; a < z; a++) trace += within[(size_t)a * (size_t)z + (size_t)a];
        for (size_t a = 0; a < zz; a++) total[a] -= within[a];
        for (int a = 0; a < z; a++) within[(size_t)a * (size_t)z + (size_t)a] += 1e-3 * trace / z;
        status = lapack(LAPACKE_dsygvd(LAPACK_ROW_MAJOR, 1, 'V', 'U', z, total, z, within, z, value),
                        "Fisher's directions", err);
    }
    for (int k = 0; k < dim && status == LK_OK; k++)
        for (int a = 0; a < z; a++)
            projection[(size_t)k * (size_t)z + (size_t)a] =
                (float)total[(size_t)a * (size_t)z + (size_t)(z - 1 - k)];
    free(total);
    return status;
}
