/* compare.c: is one model better than another on the same pairs, or was it luck?
 *
 *   pairs, seen by a and by b  ->  the same people drawn for both  ->  differences of figures, replicate by
 *                                                                      replicate
 *
 * Two intervals that overlap do not answer that: pairs hard for one model are mostly hard for the other, and
 * what both have in common falls out of the difference. */
#include "eval/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct side {
    lk__trial trial;
    lk__sorted sorted;
    lk_verification figures;
    lk__replicates replicates;
    double *threshold;
} side;

static lk_status open_side(const lk_trial *given, side *s, lk_error *err) {
    lk_status status = lk__trial_open(given, &s->trial, err);
    if (status == LK_OK) status = lk__scores_sort(&s->trial, &s->sorted, err);
    if (status == LK_OK)
        status = lk__verification_figures(&s->trial, &s->sorted, &s->figures, &s->threshold, err);
    return status;
}

static void close_side(side *s) {
    lk__replicates_free(&s->replicates);
    lk_verification_free(&s->figures);
    free(s->threshold);
    lk__scores_free(&s->sorted);
    lk__trial_close(&s->trial);
}

static lk_status check_same_pairs(const lk_trial *a, const lk_trial *b, lk_error *err) {
    if (!a->pairs != !b->pairs || a->photos != b->photos || (a->pairs && a->count != b->count))
        return lk__fail(err, LK_MISMATCH,
                        "the models saw different pairs: %zu of %zu photos, and %zu of %zu photos", a->count,
                        a->photos, b->count, b->photos);
    for (size_t i = 0; a->pairs && i < a->count; i++) {
        const lk_pair *x = &a->pairs[i], *y = &b->pairs[i];
        if (x->a != y->a || x->b != y->b || x->same != y->same || x->fold != y->fold)
            return lk__fail(err, LK_MISMATCH, "the models saw different pairs: the first is pair %zu", i);
    }
    if (!a->person != !b->person ||
        (a->person && memcmp(a->person, b->person, a->photos * sizeof *a->person) != 0))
        return lk__fail(err, LK_MISMATCH, "the models saw the same pairs, but of different people");
    return LK_OK;
}

/* b - a, into b. */
static lk_interval difference(const double *a, double *b, size_t n) {
    for (size_t i = 0; i < n; i++) b[i] -= a[i];
    return lk__percentiles(b, n);
}

/* Two-sided: twice the share of replicates on the rarer side of no difference, where one that shows none is
 * on both. The set itself counts as one more, so that p is never 0. */
static double p_value(const double *difference, size_t n) {
    size_t low = 1, high = 1, known = 1;
    for (size_t i = 0; i < n; i++) {
        if (isnan(difference[i])) continue;
        known++;
        low += difference[i] <= 0;
        high += difference[i] >= 0;
    }
    if (known == 1) return NAN;
    return fmin(1, 2 * (double)(low < high ? low : high) / (double)known);
}

static lk_status compare_replicates(side *a, side *b, const lk_bootstrap *bootstrap, lk_comparison *c,
                                    lk_error *err) {
    lk__draws draws;
    lk_status status = lk__draws_make(&a->trial, bootstrap, &draws, err);
    if (status != LK_OK) return status;
    if (draws.replicates > 0) {
        status = lk__replicates_measure(&a->trial, &a->sorted, a->threshold, &draws, &a->replicates, err);
        if (status == LK_OK)
            status = lk__replicates_measure(&b->trial, &b->sorted, b->threshold, &draws, &b->replicates, err);
        const lk__replicates *x = &a->replicates;
        lk__replicates *y = &b->replicates;
        if (status == LK_OK) {
            c->accuracy_interval = difference(x->accuracy, y->accuracy, x->count);
            c->p = p_value(y->accuracy, x->count);
            c->eer_interval = difference(x->eer, y->eer, x->count);
            for (int i = 0; i < LK_FAR_COUNT; i++)
                if (isfinite(c->tar_at_far[i]))
                    c->tar_interval[i] = difference(x->tar[i], y->tar[i], x->count);
        }
    }
    lk__draws_free(&draws);
    return status;
}

lk_status lk_verification_compare(const lk_trial *a, const lk_trial *b, const lk_bootstrap *bootstrap,
                                  lk_comparison *out, lk_error *err) {
    lk_status status = check_same_pairs(a, b, err);
    if (status != LK_OK) return status;
    side x = {0}, y = {0};
    lk_comparison c = {.accuracy_interval = lk__no_interval(), .eer_interval = lk__no_interval(), .p = NAN};
    status = open_side(a, &x, err);
    if (status == LK_OK) status = open_side(b, &y, err);
    if (status == LK_OK) {
        c.accuracy = y.figures.accuracy - x.figures.accuracy;
        c.eer = y.figures.eer - x.figures.eer;
        for (int i = 0; i < LK_FAR_COUNT; i++) {
            c.tar_at_far[i] = y.figures.tar_at_far[i] - x.figures.tar_at_far[i];
            c.tar_interval[i] = lk__no_interval();
        }
        status = compare_replicates(&x, &y, bootstrap, &c, err);
    }
    if (status == LK_OK) *out = c;
    close_side(&x);
    close_side(&y);
    return status;
}
