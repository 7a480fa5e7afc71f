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

/* Values in bins from the median of the good ones on, below which all is well. */
typedef struct axis {
    double low, step;
} axis;

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double centre_of(const axis *x, int bin) {
    return x->low + (bin + 0.5) * x->step;
}

static int bin_of(const axis *x, double value) {
    double at = (value - x->low) / x->step;
    return at < 0 ? 0 : at >= BINS ? BINS - 1 : (int)at;
}

/* What was made, smoothed by a normal kernel of that width. */
static void density_of_bad(const axis *x, double width, const double *bad, size_t m, double *density) {
    double count[BINS] = {0};
    for (size_t i = 0; i < m; i++)
        if (bad[i] >= x->low) count[bin_of(x, bad[i])]++;
    memset(density, 0, BINS * sizeof *density);
    int reach = (int)ceil(4 * width / x->step);
    for (int b = 0; b < BINS; b++) {
        if (!(count[b] > 0)) continue;
        for (int k = b - reach; k <= b + reach; k++) {
            double z = (k - b) * x->step / width;
            if (k >= 0 && k < BINS) density[k] += count[b] * exp(-z * z / 2);
        }
    }
    for (int b = 0; b < BINS; b++) density[b] /= (double)m * width * sqrt(2 * M_PI);
}

static double density_of_good(double value, double median, double scale) {
    double t = (value - median) / scale;
    return 0.38670 / scale * pow(1 + t * t / 8, -4.5); /* Gamma(4.5) / (sqrt(8 pi) Gamma(4)) */
}

/* What is known before anything is seen: one in a hundred, as if 30 values had said so. */
static const double prior = 0.01, prior_weight = 30, share_most = 0.5;

/* posterior (BINS) from the two densities and the values that were learnt from. */
static void share_out(const axis *x, const double *of_good, const double *of_bad, const double *observed,
                      size_t n, double *posterior) {
    double guess = prior;
    for (int round = 0; round < ROUNDS; round++) {
        double most = 0, sum = 0;
        for (int b = 0; b < BINS; b++) {
            double p = guess * of_bad[b], q = (1 - guess) * of_good[b];
            if (p + q > 0 && p / (p + q) > most)
                most = p / (p + q); /* a larger value is never the better one */
            posterior[b] = most;
        }
        for (size_t i = 0; i < n; i++) sum += observed[i] > x->low ? posterior[bin_of(x, observed[i])] : 0;
        guess = fmin((sum + prior * prior_weight) / ((double)n + prior_weight), share_most);
    }
}

/* The value below which the given share of the weight lies; sorted (n) rises, weight (n) is theirs. */
static double quantile(const double *sorted, const double *weight, size_t n, double share) {
    double total = 0, sum = 0;
    for (size_t i = 0; i < n; i++) total += weight[i];
    for (size_t i = 0; i < n; i++) {
        sum += weight[i];
        if (sum >= share * total) return sorted[i];
    }
    return sorted[n - 1];
}

typedef struct law {
    axis x;
    double posterior[BINS];
} law;

static double law_at(const law *l, double value) {
    return value > l->x.low ? l->posterior[bin_of(&l->x, value)] : 0;
}

/* Values that turn out to be bad ones say nothing of the good ones: those are looked at again, each counting
 * as much as it is likely to be good. */
static void learn_law(const double *sorted, double *weight, size_t n, const double *bad, size_t m,
                      double scale_least, law *l) {
    enum { PASSES = 5 };
    static const double quartile = 0.7064, kernel = 0.3; /* of Student's t; of the scale */
    /* Where a fifth are bad, the upper quartile is theirs; the lower one is still that of the good. Good
     * values had an upper quartile 0.5 to 1.25 times as far from the median as the lower one. */
    static const double skew_most = 1.25;
    double of_good[BINS], of_bad[BINS], high = sorted[n - 1];
    for (size_t i = 0; i < m; i++) high = fmax(high, bad[i]);
    for (size_t i = 0; i < n; i++) weight[i] = 1;
    for (int pass = 0; pass < PASSES; pass++) {
        double median = quantile(sorted, weight, n, 0.5);
        double above = quantile(sorted, weight, n, 0.75) - median;
        double below = median - quantile(sorted, weight, n, 0.25);
        double scale = fmax(fmin(above, skew_most * below) / quartile, scale_least);
        l->x = (axis){median, (high + scale - median) / BINS};
        density_of_bad(&l->x, kernel * scale, bad, m, of_bad);
        for (int b = 0; b < BINS; b++) of_good[b] = density_of_good(centre_of(&l->x, b), median, scale);
        share_out(&l->x, of_good, of_bad, sorted, n, l->posterior);
        for (size_t i = 0; i < n; i++) weight[i] = 1 - law_at(l, sorted[i]);
    }
}

lk_status lk__labels_doubt(const double *observed, size_t learn, size_t n, const double *bad, size_t m,
                           double scale_least, double *doubt, double *share, lk_error *err) {
    if (share) *share = 0;
    memset(doubt, 0, n * sizeof *doubt);
    if (learn == 0 || m == 0) return LK_OK;
    double *sorted = malloc(2 * learn * sizeof *sorted);
    if (!sorted) return lk__fail_memory(err, 2 * learn * sizeof *sorted, "judging labels");
    memcpy(sorted, observed, learn * sizeof *sorted);
    qsort(sorted, learn, sizeof *sorted, by_value);
    law l;
    learn_law(sorted, sorted + learn, learn, bad, m, scale_least, &l);
    free(sorted);
    for (size_t i = 0; i < n; i++) doubt[i] = law_at(&l, observed[i]);
    for (size_t i = 0; share && i < learn; i++) *share += doubt[i] / (double)learn;
    return LK_OK;
}
