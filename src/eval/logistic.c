/* logistic.c: the sigmoid that turns cosines into probabilities best.
 *
 *   same, different (scores)  ->  slope, intercept: p = 1 / (1 + exp(-(slope cosine + intercept)))
 *
 * Least mean log loss, where same and different weigh one half each, by Newton's method with halved steps
 * (Lin, Lin & Weng 2007). As Platt (1999) does, the targets are not 1 and 0 but (n + 1) / (n + 2) and
 * 1 / (n + 2): without that the slope of scores that a threshold separates would be infinite. At thousands of
 * pairs nothing else notices. */
#include "eval/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SLICE = 1 << 14, ITERATIONS = 100, HALVINGS = 30, LOG_AFTER = 512, START_MOST = 10 };

/* Scores of one label in all arrays that are fitted, cut into slices: sums are made slice by slice and then
 * in order, so that no digit depends on the number of threads. */
typedef struct slice {
    const float *scores;
    size_t count;
    int same;
} slice;

/* Sums over pairs, each weighing 1 / (2 n) of its label. */
typedef struct sums {
    double loss, slope, intercept;              /* and gradient */
    double slope2, slope_intercept, intercept2; /* second derivatives */
} sums;

typedef struct fitting {
    slice *slices;
    size_t slice_count, pairs;
    double weight[2], target[2]; /* of different, same */
    double mean, deviation;      /* scores are fitted as (score - mean) / deviation */
    double slope, intercept;
    sums *part; /* (slice_count) */
} fitting;

static void sum_slice(const fitting *f, const slice *s, sums *out) {
    double weight = f->weight[s->same], target = f->target[s->same];
    sums sum = {0};
    double scale = 1 / f->deviation;
    double product = 1; /* of up to LOG_AFTER factors of at most 2: one logarithm for all */
    for (size_t i = 0; i < s->count; i++) {
        double z = ((double)s->scores[i] - f->mean) * scale, x = f->slope * z + f->intercept;
        double small = exp(-fabs(x)), p = (x >= 0 ? 1 : small) / (1 + small);
        double error = p - target, curvature = p * (1 - p);
        product *= 1 + small;
        if (i % LOG_AFTER == LOG_AFTER - 1) {
            sum.loss += log(product);
            product = 1;
        }
        sum.loss += (x > 0 ? x : 0) - target * x;
        sum.slope += error * z;
        sum.intercept += error;
        sum.slope2 += curvature * z * z;
        sum.slope_intercept += curvature * z;
        sum.intercept2 += curvature;
    }
    sum.loss += log(product);
    *out = (sums){weight * sum.loss,   weight * sum.slope,           weight * sum.intercept,
                  weight * sum.slope2, weight * sum.slope_intercept, weight * sum.intercept2};
}

static void sum_part(void *context, int i, int n) {
    fitting *f = context;
    size_t first, last;
    lk__part(f->slice_count, i, n, &first, &last);
    for (; first < last; first++) sum_slice(f, &f->slices[first], &f->part[first]);
}

static sums sum_at(fitting *f, double slope, double intercept) {
    f->slope = slope;
    f->intercept = intercept;
    lk__parallel_over(f->pairs, sum_part, f);
    sums all = {0};
    for (size_t i = 0; i < f->slice_count; i++) {
        all.loss += f->part[i].loss;
        all.slope += f->part[i].slope;
        all.intercept += f->part[i].intercept;
        all.slope2 += f->part[i].slope2;
        all.slope_intercept += f->part[i].slope_intercept;
        all.intercept2 += f->part[i].intercept2;
    }
    return all;
}

/* From f->slope and f->intercept down to the least loss, which is convex. */
static void descend(fitting *f) {
    /* Of a step's length squared. What is then left to go is about its square, below what doubles resolve. */
    static const double LAST = 1e-14;
    double slope = f->slope, intercept = f->intercept;
    sums here = sum_at(f, slope, intercept);
    for (int i = 0; i < ITERATIONS; i++) {
        /* A little on the diagonal: where all probabilities are near 0 or 1 no curvature is left. */
        double a = here.slope2 + 1e-14, b = here.slope_intercept, c = here.intercept2 + 1e-14;
        double determinant = a * c - b * b, step = 1;
        double down_slope = (c * here.slope - b * here.intercept) / determinant;
        double down_intercept = (a * here.intercept - b * here.slope) / determinant;
        if (down_slope * down_slope + down_intercept * down_intercept < LAST) {
            slope -= down_slope;
            intercept -= down_intercept;
            break;
        }
        sums next = sum_at(f, slope - down_slope, intercept - down_intercept);
        for (int k = 0; k < HALVINGS && !(next.loss <= here.loss); k++) {
            step /= 2;
            next = sum_at(f, slope - step * down_slope, intercept - step * down_intercept);
        }
        if (!(next.loss <= here.loss)) break; /* as low as rounding lets it go */
        slope -= step * down_slope;
        intercept -= step * down_intercept;
        here = next;
    }
    f->slope = slope;
    f->intercept = intercept;
}

/* ---- what is fitted ------------------------------------------------------------------------------ */

static size_t add_slices(slice *slices, size_t at, const float *scores, size_t n, int same) {
    for (size_t i = 0; i < n; i += SLICE)
        slices[at++] = (slice){scores + i, n - i < SLICE ? n - i : SLICE, same};
    return at;
}

/* All folds but left_out. */
static lk_status cut_slices(const lk__sorted *sorted, int left_out, fitting *f, lk_error *err) {
    size_t room = 0;
    for (int i = 0; i < sorted->fold_count; i++)
        room += sorted->fold[i].same_count / SLICE + sorted->fold[i].different_count / SLICE + 2;
    f->slices = malloc(room * sizeof *f->slices);
    f->part = malloc(room * sizeof *f->part);
    if (!f->slices || !f->part) return lk__fail_memory(err, room * sizeof *f->part, "the logistic fit");
    size_t count[2] = {0};
    for (int i = 0; i < sorted->fold_count; i++) {
        const lk__scores *fold = &sorted->fold[i];
        if (i == left_out) continue;
        f->slice_count = add_slices(f->slices, f->slice_count, fold->same, fold->same_count, 1);
        f->slice_count = add_slices(f->slices, f->slice_count, fold->different, fold->different_count, 0);
        count[0] += fold->different_count;
        count[1] += fold->same_count;
    }
    if (count[0] == 0 || count[1] == 0)
        return lk__fail(err, LK_EMPTY, "without one of the folds there is no %s pair left to calibrate on",
                        count[0] ? "same" : "different");
    f->pairs = count[0] + count[1];
    for (int label = 0; label < 2; label++) f->weight[label] = 0.5 / (double)count[label];
    f->target[0] = 1 / ((double)count[0] + 2);
    f->target[1] = ((double)count[1] + 1) / ((double)count[1] + 2);
    return LK_OK;
}

/* Mean 0 and deviation 1 make Newton's steps well-behaved whatever the scale of scores. The start is what
 * would be right if scores of both labels were normal with one deviation. */
static void measure_scale(fitting *f) {
    double mean[2] = {0}, squares[2] = {0};
    for (size_t i = 0; i < f->slice_count; i++) {
        const slice *s = &f->slices[i];
        double sum = 0;
        for (size_t k = 0; k < s->count; k++) sum += (double)s->scores[k];
        mean[s->same] += 2 * f->weight[s->same] * sum;
    }
    for (size_t i = 0; i < f->slice_count; i++) {
        const slice *s = &f->slices[i];
        double sum = 0;
        for (size_t k = 0; k < s->count; k++) {
            double apart = (double)s->scores[k] - mean[s->same];
            sum += apart * apart;
        }
        squares[s->same] += 2 * f->weight[s->same] * sum;
    }
    double within = (squares[0] + squares[1]) / 2, between = (mean[1] - mean[0]) / 2;
    f->mean = (mean[0] + mean[1]) / 2;
    f->deviation = sqrt(within + between * between);
    f->slope = fmin(2 * between * f->deviation / within, START_MOST);
    f->slope = within > 0 ? fmax(f->slope, -START_MOST) : 0;
    f->intercept = 0;
}

lk_status lk__logistic_fit(const lk__sorted *sorted, int left_out, const lk__sigmoid *near, lk__sigmoid *out,
                           lk_error *err) {
    fitting f = {0};
    lk_status status = cut_slices(sorted, left_out, &f, err);
    if (status == LK_OK) {
        measure_scale(&f);
        if (f.deviation > 1e-9 * fabs(f.mean)) {
            if (near) {
                f.slope = near->slope * f.deviation;
                f.intercept = near->intercept + near->slope * f.mean;
            }
            descend(&f);
            out->slope = f.slope / f.deviation;
            out->intercept = f.intercept - out->slope * f.mean;
        } else { /* all scores are one and tell nothing */
            double told = (f.target[0] + f.target[1]) / 2;
            *out = (lk__sigmoid){0, log(told / (1 - told))};
        }
    }
    free(f.slices);
    free(f.part);
    return status;
}
