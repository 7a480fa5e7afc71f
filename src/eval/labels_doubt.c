/* labels_doubt.c: how likely is a value a bad one? What bad values look like is known, for bad labels can be
 * made from good ones (a photo put to a stranger, two folders thrown together). What good ones look like is
 * read from the values themselves, of which nearly all are good: Student's t with the median and the upper
 * quartile of theirs. How many are bad is then the one thing left, and expectation-maximisation finds it.
 * This is the local false discovery rate with an empirical null (Efron 2004), told the other way round.
 *
 * 8 degrees of freedom: on 200 people the 95th and 99th percentile of good values lie 2.8 and 4.2 times as
 * far from the median as the 75th; the normal distribution has 2.4 and 3.4, this one 2.6 and 4.1. */
#include "eval/labels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 600, ROUNDS = 50 };
static const double low = -3, high = 3, width = 0.04; /* of the kernel that smooths what is simulated */

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double centre_of(int bin) {
    return low + (bin + 0.5) * (high - low) / BINS;
}

static int bin_of(double value) {
    double at = (value - low) / (high - low) * BINS;
    return at < 0 ? 0 : at >= BINS ? BINS - 1 : (int)at;
}

static void density_of_bad(const double *bad, size_t m, double *density) {
    double count[BINS] = {0};
    for (size_t i = 0; i < m; i++) count[bin_of(bad[i])]++;
    memset(density, 0, BINS * sizeof *density);
    int reach = (int)ceil(4 * width / (high - low) * BINS);
    for (int b = 0; b < BINS; b++) {
        if (!(count[b] > 0)) continue;
        for (int k = b - reach; k <= b + reach; k++) {
            double z = (centre_of(k) - centre_of(b)) / width;
            if (k >= 0 && k < BINS) density[k] += count[b] * exp(-z * z / 2);
        }
    }
    for (int b = 0; b < BINS; b++) density[b] /= (double)m * width * sqrt(2 * M_PI);
}

static double density_of_good(double value, double median, double scale) {
    double t = (value - median) / scale;
    return 0.38670 / scale * pow(1 + t * t / 8, -4.5); /* Gamma(4.5) / (sqrt(8 pi) Gamma(4)) */
}

/* What is known before anything is seen: one in a hundred, as if 50 values had said so. */
static const double prior = 0.01, prior_weight = 50, share_most = 0.5;

lk_status lk__labels_doubt(const double *observed, size_t n, const double *bad, size_t m, double *doubt,
                           double *share, lk_error *err) {
    *share = 0;
    memset(doubt, 0, n * sizeof *doubt);
    if (n == 0 || m == 0) return LK_OK;
    double *sorted = malloc(n * sizeof *sorted), of_bad[BINS], of_good[BINS], posterior[BINS];
    if (!sorted) return lk__fail_memory(err, n * sizeof *sorted, "judging labels");
    memcpy(sorted, observed, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_value);
    double median = sorted[n / 2], scale = fmax((sorted[3 * n / 4] - median) / 0.7064, 0.02);
    free(sorted);
    density_of_bad(bad, m, of_bad);
    for (int b = 0; b < BINS; b++) of_good[b] = density_of_good(centre_of(b), median, scale);
    double guess = prior;
    for (int round = 0; round < ROUNDS; round++) {
        double most = 0, sum = 0;
        for (int b = 0; b < BINS; b++) {
            double p = guess * of_bad[b], q = (1 - guess) * of_good[b];
            /* Below the median all is well; beyond it a larger value is never the better one. */
            if (centre_of(b) > median && p + q > 0 && p / (p + q) > most) most = p / (p + q);
            posterior[b] = most;
        }
        for (size_t i = 0; i < n; i++) sum += posterior[bin_of(observed[i])];
        guess = fmin((sum + prior * prior_weight) / ((double)n + prior_weight), share_most);
    }
    for (size_t i = 0; i < n; i++) {
        doubt[i] = posterior[bin_of(observed[i])];
        *share += doubt[i] / (double)n;
    }
    return LK_OK;
}
