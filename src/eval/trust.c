/* trust.c: how far can a photo's vector be trusted?
 *
 *   length of a vector before it is scaled to 1, photo by photo  ->  cosine to expect with the person's
 * others
 *
 * A net that has learned to be near 1 for what it knows adds up little where it recognises little: the length
 * falls with blur, darkness, turned heads and hidden faces alike, without having been trained to (MagFace,
 * Meng et al. 2021, trains for it). Of what costs no further pass it told best, by error versus reject, which
 * vectors fail (docs/metrics.md); here it only gets a scale on which models can be compared: the median
 * cosine that photos of such a length have with the mean of their person's other photos. The median, because
 * folders hold photos of others too. */
#include "eval/people.h"
#include "eval/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PHOTOS_LEAST = 200, WINDOW_LEAST = 15 };
/* Quantiles of the lengths at which the cosine is told; straight between them. */
static const double KNOTS[] = {0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99};
enum { KNOT_COUNT = sizeof KNOTS / sizeof *KNOTS };
static const double WINDOW = 0.03; /* share of the photos on either side that a knot's median is of */

typedef struct rated {
    double length, cosine;
} rated;

static int by_length(const void *a, const void *b) {
    double x = ((const rated *)a)->length, y = ((const rated *)b)->length;
    return (x > y) - (x < y);
}

static int rising(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Each photo against the sum of the others of its person; the value is how many have such. */
static size_t rate(const lk_trial *trial, const lk__people *people, const float *length, double *sum,
                   rated *out) {
    size_t dim = (size_t)trial->dim, n = 0;
    for (size_t i = 0; i < people->count; i++) {
        const size_t *photo = people->photo + people->first[i];
        size_t photos = lk__people_photos(people, i);
        if (photos < 2) continue;
        memset(sum, 0, dim * sizeof *sum);
        for (size_t k = 0; k < photos; k++)
            for (size_t d = 0; d < dim; d++) sum[d] += (double)trial->vectors[photo[k] * dim + d];
        for (size_t k = 0; k < photos; k++) {
            double dot = 0, norm = 0;
            for (size_t d = 0; d < dim; d++) {
                double own = (double)trial->vectors[photo[k] * dim + d], rest = sum[d] - own;
                dot += own * rest;
                norm += rest * rest;
            }
            out[n++] = (rated){(double)length[photo[k]], norm > 0 ? dot / sqrt(norm) : 0};
        }
    }
    return n;
}

static double median_about(const rated *items, size_t n, size_t at, double *scratch) {
    size_t half = (size_t)(WINDOW * (double)n), count = 0;
    if (half < WINDOW_LEAST) half = WINDOW_LEAST;
    size_t first = at > half ? at - half : 0, last = at + half < n ? at + half : n - 1;
    for (size_t i = first; i <= last; i++) scratch[count++] = items[i].cosine;
    qsort(scratch, count, sizeof *scratch, rising);
    return count % 2 ? scratch[count / 2] : (scratch[count / 2 - 1] + scratch[count / 2]) / 2;
}

/* Longer is never worse: what falls is chance. */
static void tell_knots(rated *items, size_t n, double *scratch, lk_calibration *c) {
    qsort(items, n, sizeof *items, by_length);
    double so_far = 0;
    for (int i = 0; i < KNOT_COUNT; i++) {
        size_t at = (size_t)(KNOTS[i] * (double)(n - 1));
        double length = items[at].length;
        if (!(length > 0) || (c->knots && !(length > c->knot[c->knots - 1].length))) continue;
        so_far = fmin(fmax(so_far, median_about(items, n, at, scratch)), 1);
        c->knot[c->knots].length = length;
        c->knot[c->knots++].quality = so_far;
    }
}

lk_status lk__trust_fit(const lk_trial *trial, const float *length, lk_calibration *c, lk_error *err) {
    lk__people people = {0};
    lk_status status = lk__people_group(trial, &people, err);
    if (status != LK_OK) return status;
    rated *items = malloc((trial->photos + 1) * sizeof *items);
    double *scratch = malloc((trial->photos + (size_t)trial->dim + 1) * sizeof *scratch);
    if (!items || !scratch) {
        status = lk__fail_memory(err, trial->photos * sizeof *items, "quality");
    } else {
        size_t n = rate(trial, &people, length, scratch, items);
        if (n >= PHOTOS_LEAST) tell_knots(items, n, scratch, c);
    }
    free(items);
    free(scratch);
    lk__people_free(&people);
    return status;
}
