/* calibration.c: what a model is given so that it can say what a cosine means.
 *
 *   sorted scores  ->  likelihood ratios (doubt.c)            how probable is it that it is one person?
 *                  ->  the threshold at each FAR              seen: 30 / FAR different pairs or more
 *                  ->  a generalised Pareto tail              beyond what was seen
 *
 * A gallery of 10,000 photos at FPIR 1e-2 asks for a FAR of 1e-6, which no set of validation people shows:
 * the highest cosines hang on the few people of it who look alike. What exceeds a high threshold follows a
 * generalised Pareto distribution whatever the scores are (Balkema & de Haan 1974, Pickands 1975); it is
 * fitted by probability-weighted moments (Hosking & Wallis 1987), which no start or step can lead astray and
 * one odd score moves little, unlike the likelihood's maximum at few exceedances. */
#include "eval/trial.h"

#include <math.h>

/* Two a decade, from the first to the last that thresholds are asked for at. */
static const double LEVELS[] = {1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4};
enum { LEVEL_COUNT = sizeof LEVELS / sizeof *LEVELS };

/* The tail is fitted on this share of the different pairs, the highest: on validation people the prediction
 * from 1e-3 met what was seen at 1e-5 within 0.003, that from 1e-2 was 0.05 too high. Fewer exceedances than
 * TAIL_LEAST say nothing of a shape, and more than TAIL_MOST of all pairs are no tail. */
static const double TAIL_SHARE = 1e-3, TAIL_MOST = 0.05;
enum { TAIL_LEAST = 200, RULE = 30 };

/* Rule of 30 (Doddington et al. 2000): so many errors are behind each threshold. */
static void measure_levels(const lk__scores *s, lk_calibration *c) {
    for (int i = 0; i < LEVEL_COUNT; i++) {
        double allowed = LEVELS[i] * (double)s->different_count;
        if (allowed < RULE) break;
        c->level[c->levels].far = LEVELS[i];
        c->level[c->levels].cosine = lk__threshold_allowing(s, (size_t)allowed);
        c->levels++;
    }
}

/* Of the exceedances over falling[n] of the n scores before it: scale and shape (above 0 a heavy tail). */
static void fit_tail(const float *falling, size_t n, double *scale, double *shape) {
    double first = 0, weighted = 0;
    for (size_t i = 0; i < n; i++) {
        double exceeds = (double)falling[i] - (double)falling[n];
        first += exceeds;
        weighted +=
            exceeds * ((double)i + 0.35) / (double)n; /* E[x (1 - F(x))] by Hosking's plotting positions */
    }
    first /= (double)n;
    weighted /= (double)n;
    *shape = 2 - first / (first - 2 * weighted);
    *scale = 2 * first * weighted / (first - 2 * weighted);
}

/* A tail that is generalised Pareto beyond one threshold is so beyond a higher one, with the same shape and a
 * scale that is linear in it: so the tail can begin at the last level, and go on where that ends. */
static void measure_tail(const lk__scores *s, lk_calibration *c) {
    double all = (double)s->different_count, exceed = fmax(TAIL_SHARE * all, TAIL_LEAST), scale, shape;
    if (c->levels == 0 || exceed > TAIL_MOST * all) return;
    size_t n = (size_t)exceed;
    fit_tail(s->different, n, &scale, &shape);
    scale += shape * (c->level[c->levels - 1].cosine - (double)s->different[n]);
    if (!isfinite(scale) || !isfinite(shape) || scale <= 0 || fabs(shape) > 1) return;
    c->tail_scale = scale;
    c->tail_shape = shape;
}

static size_t photos_in_pairs(const lk__trial *trial) {
    return trial->person ? trial->photos : 0; /* of scores without photos nothing is known */
}

lk_status lk_calibration_fit(const lk_trial *given, const float *lengths, lk_calibration *out,
                             lk_error *err) {
    lk__trial trial;
    lk_status status = lk__trial_open(given, &trial, err);
    if (status != LK_OK) return status;
    lk__sorted sorted = {0};
    lk__doubtful ratio;
    status = lk__scores_sort(&trial, &sorted, err);
    if (status == LK_OK && LEVELS[0] * (double)sorted.all.different_count < RULE)
        status = lk__fail(err, LK_EMPTY, "%zu pairs of two people: at least %.0f are needed to calibrate on",
                          sorted.all.different_count, RULE / LEVELS[0]);
    if (status == LK_OK) status = lk__doubt_fit(&sorted, &ratio, err);
    if (status == LK_OK) {
        lk_calibration c = {.slope = ratio.slope,
                            .intercept = ratio.intercept,
                            .doubt = ratio.doubt,
                            .people = trial.person ? trial.people : 0,
                            .photos = photos_in_pairs(&trial),
                            .pairs_same = sorted.all.same_count,
                            .pairs_different = sorted.all.different_count};
        measure_levels(&sorted.all, &c);
        measure_tail(&sorted.all, &c);
        if (lengths) status = lk__trust_fit(given, lengths, &c, err);
        if (status == LK_OK) *out = c;
    }
    lk__scores_free(&sorted);
    lk__trial_close(&trial);
    return status;
}
