/* reliability.c: can a cosine be read as a probability that two photos show one person?
 *
 *   sorted scores  ->  a sigmoid for each fold, from the other folds  ->  probability told of each pair
 *                  ->  bits a pair (Cllr), and what was observed where so much was told
 *
 * Same and different weigh one half each, whatever their numbers: what is asked is how much a score says, not
 * how many strangers the list holds. Cllr_min, that of the best monotone map from score to probability, comes
 * from the convex hull of the ROC, which is what pooling adjacent violators finds (Fawcett &
 * Niculescu-Mizil 2007): the ratio of the slopes is the likelihood ratio. */
#include "eval/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SLICE = 1 << 14 };
static const double LOG2_E = 1.4426950408889634;

static double log_odds(const lk__sigmoid *s, float score) {
    return s->slope * (double)score + s->intercept;
}

static int bin_of(double probability) {
    int bin = (int)(LK_RELIABILITY_BINS * probability);
    return bin < LK_RELIABILITY_BINS ? bin : LK_RELIABILITY_BINS - 1;
}

/* ---- what was told, what was observed ------------------------------------------------------------ */

/* Of one label: bits in all, and in each bin the pairs and the sum of probabilities. */
typedef struct tally {
    double cost, told[LK_RELIABILITY_BINS];
    size_t pairs[LK_RELIABILITY_BINS];
} tally;

typedef struct telling {
    const float *scores;
    size_t n;
    lk__sigmoid sigmoid;
    int same;
    size_t slices;
    tally *part; /* (slices), added in order: no digit depends on the number of threads */
} telling;

static void tell_part(void *context, int i, int n) {
    const telling *job = context;
    size_t first, last;
    lk__part(job->slices, i, n, &first, &last);
    for (; first < last; first++) {
        tally t = {0};
        size_t from = first * SLICE, to = job->n - from < SLICE ? job->n : from + SLICE;
        for (; from < to; from++) {
            double odds = log_odds(&job->sigmoid, job->scores[from]), told = 1 / (1 + exp(-odds));
            double against = job->same ? -odds : odds; /* cost: log2(1 + exp(against)), which may be large */
            int bin = bin_of(told);
            t.cost += (fmax(against, 0) + log1p(exp(-fabs(against)))) * LOG2_E;
            t.told[bin] += told;
            t.pairs[bin]++;
        }
        job->part[first] = t;
    }
}

static lk_status tell(const float *scores, size_t n, const lk__sigmoid *sigmoid, int same, tally *sum,
                      lk_error *err) {
    telling job = {scores, n, *sigmoid, same, (n + SLICE - 1) / SLICE, NULL};
    if (n == 0) return LK_OK;
    job.part = malloc(job.slices * sizeof *job.part);
    if (!job.part) return lk__fail_memory(err, job.slices * sizeof *job.part, "calibration");
    lk__parallel_over(n, tell_part, &job);
    for (size_t i = 0; i < job.slices; i++) {
        sum->cost += job.part[i].cost;
        for (int b = 0; b < LK_RELIABILITY_BINS; b++) {
            sum->told[b] += job.part[i].told[b];
            sum->pairs[b] += job.part[i].pairs[b];
        }
    }
    free(job.part);
    return LK_OK;
}

static lk_status tell_all(const lk__sorted *sorted, const lk__sigmoid *sigmoid, lk_reliability *c,
                          lk_error *err) {
    tally label[2] = {0};
    lk_status status = LK_OK;
    for (int f = 0; f < sorted->fold_count && status == LK_OK; f++) {
        const lk__scores *fold = &sorted->fold[f];
        status = tell(fold->different, fold->different_count, &sigmoid[f], 0, &label[0], err);
        if (status == LK_OK) status = tell(fold->same, fold->same_count, &sigmoid[f], 1, &label[1], err);
    }
    if (status != LK_OK) return status;
    double weight[2] = {0.5 / (double)sorted->all.different_count, 0.5 / (double)sorted->all.same_count};
    c->cllr = weight[0] * label[0].cost + weight[1] * label[1].cost;
    for (int b = 0; b < LK_RELIABILITY_BINS; b++) {
        double different = weight[0] * (double)label[0].pairs[b],
               same = weight[1] * (double)label[1].pairs[b];
        c->bin[b].pairs = label[0].pairs[b] + label[1].pairs[b];
        c->bin[b].predicted =
            (weight[0] * label[0].told[b] + weight[1] * label[1].told[b]) / (different + same);
        c->bin[b].observed = same / (different + same); /* NaN where there is no pair */
        c->bin[b].interval = lk__no_interval();
    }
    return LK_OK;
}

/* ---- the best monotone map ------------------------------------------------------------------------ */

/* Does b lie on or under the straight way from a to c? */
static bool under(const lk__walk *a, const lk__walk *b, const lk__walk *c) {
    return (uint64_t)(b->same - a->same) * (c->different - a->different) <=
           (uint64_t)(c->same - a->same) * (b->different - a->different);
}

static lk_status measure_cllr_min(const lk__scores *s, double *cllr_min, lk_error *err) {
    lk__roc roc;
    lk_status status = lk__roc_make(s, &roc, err);
    if (status != LK_OK) return status;
    lk__walk *hull = roc.points; /* in place */
    size_t n = 0;
    for (size_t i = 0; i < roc.count; i++) {
        while (n >= 2 && under(&hull[n - 2], &hull[n - 1], &roc.points[i])) n--;
        hull[n++] = roc.points[i];
    }
    double sum = 0;
    for (size_t i = 1; i < n; i++) {
        double same = (double)(hull[i].same - hull[i - 1].same) / (double)s->same_count;
        double different = (double)(hull[i].different - hull[i - 1].different) / (double)s->different_count;
        if (same > 0 && different > 0) /* else the map is sure, and right */
            sum += same * log2(1 + different / same) + different * log2(1 + same / different);
    }
    *cllr_min = sum / 2;
    free(roc.points);
    return LK_OK;
}

/* ---- intervals ----------------------------------------------------------------------------------- */

static void told_cells(const void *context, const lk__block *block, uint32_t *cell) {
    const lk__sigmoid *sigmoid = context;
    for (size_t i = 0; i < block->count; i++) {
        const lk__sigmoid *s = &sigmoid[block->fold ? block->fold[i] : 0];
        cell[i] = (uint32_t)bin_of(1 / (1 + exp(-log_odds(s, block->cosine[i] + 0.0f)))) * 2 + block->same[i];
    }
}

/* Share of same in a bin of a replicate, where both labels weigh one half of the replicate. */
static double observed(const uint64_t *weight, size_t stride, int bin, size_t replicate) {
    double total[2] = {0};
    for (size_t cell = 0; cell < 2 * LK_RELIABILITY_BINS; cell++)
        total[cell % 2] += (double)weight[cell * stride + replicate];
    double different = (double)weight[(size_t)bin * 2 * stride + replicate] / total[0];
    double same = (double)weight[((size_t)bin * 2 + 1) * stride + replicate] / total[1];
    return same / (different + same);
}

/* The sigmoids stay: it is asked how well known the observed share is. */
static lk_status measure_intervals(const lk__trial *trial, const lk__sigmoid *sigmoid,
                                   const lk_bootstrap *bootstrap, lk_reliability *c, lk_error *err) {
    lk__draws draws;
    lk_status status = lk__draws_make(trial, bootstrap, &draws, err);
    if (status != LK_OK) return status;
    uint64_t *weight = NULL;
    size_t n = (size_t)draws.replicates;
    double *drawn = malloc((n + 1) * sizeof *drawn);
    if (!drawn) status = lk__fail_memory(err, n * sizeof *drawn, "replicates");
    if (status == LK_OK && n > 0)
        status = lk__draws_count(trial, &draws, 2 * LK_RELIABILITY_BINS, told_cells, sigmoid, &weight, err);
    for (int b = 0; b < LK_RELIABILITY_BINS && n > 0 && status == LK_OK; b++) {
        for (size_t i = 0; i < n; i++) drawn[i] = observed(weight, lk__draws_stride(&draws), b, i + 1);
        c->bin[b].interval = lk__percentiles(drawn, n);
    }
    free(weight);
    free(drawn);
    lk__draws_free(&draws);
    return status;
}

/* ---- public -------------------------------------------------------------------------------------- */

static lk_status fit_folds(const lk__sorted *sorted, lk__sigmoid *sigmoid, lk_reliability *c, lk_error *err) {
    lk__sigmoid all = {0, 0};
    lk_status status = lk__logistic_fit(sorted, LK__NO_FOLD, NULL, &all, err);
    for (int f = 0; f < sorted->fold_count && status == LK_OK; f++) {
        sigmoid[f] = all;
        if (sorted->fold_count > 1) status = lk__logistic_fit(sorted, f, &all, &sigmoid[f], err);
    }
    c->slope = all.slope;
    c->intercept = all.intercept;
    return status;
}

static lk_status measure(const lk__trial *trial, const lk__sorted *sorted, const lk_bootstrap *bootstrap,
                         lk_reliability *c, lk_error *err) {
    lk__sigmoid *sigmoid = malloc((size_t)sorted->fold_count * sizeof *sigmoid);
    if (!sigmoid) return lk__fail_memory(err, (size_t)sorted->fold_count * sizeof *sigmoid, "folds");
    lk_status status = fit_folds(sorted, sigmoid, c, err);
    if (status == LK_OK) status = tell_all(sorted, sigmoid, c, err);
    if (status == LK_OK) status = measure_cllr_min(&sorted->all, &c->cllr_min, err);
    if (status == LK_OK) status = measure_intervals(trial, sigmoid, bootstrap, c, err);
    free(sigmoid);
    return status;
}

lk_status lk_reliability_measure(const lk_trial *given, const lk_bootstrap *bootstrap, lk_reliability *out,
                                 lk_error *err) {
    lk__trial trial;
    lk_status status = lk__trial_open(given, &trial, err);
    if (status != LK_OK) return status;
    lk__sorted sorted = {0};
    lk_reliability c = {0};
    status = lk__scores_sort(&trial, &sorted, err);
    if (status == LK_OK) status = measure(&trial, &sorted, bootstrap, &c, err);
    if (status == LK_OK) *out = c;
    lk__scores_free(&sorted);
    lk__trial_close(&trial);
    return status;
}
