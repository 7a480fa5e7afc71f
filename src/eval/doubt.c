/* doubt.c: from cosine to likelihood ratio, where some pairs of one person are not what their label says.
 *
 *   same, different (scores)  ->  slope, intercept, doubt
 *                                 LR = doubt + (1 - doubt) exp(slope cosine + intercept)
 *
 * Folders of people hold photos of others, and photos on which nobody could be known. Such pairs score as
 * strangers' do, whatever the model. A plain sigmoid (logistic.c) bends to them and is then far too humble
 * where it matters: at cosines that one stranger in 10,000 reaches it says 64 to 1 where 1,000 to 1 was
 * observed. So a share of the pairs of one person, the doubt, is taken to score as strangers. It is what the
 * ratio cannot fall below: that two photos are not alike says less where one in ten pairs of one person is
 * not.
 *
 * The same loss and Platt's targets as in logistic.c, over scores counted in bins: Fisher scoring for slope
 * and intercept, golden sections for the doubt. */
#include "eval/trial.h"

#include <math.h>
#include <stdlib.h>

enum { BINS = 4000, STEPS = 100, HALVINGS = 30, SECTIONS = 40, SAME_LEAST = 1000 };
static const double DOUBT_MOST = 0.5, STEEPEST = 40; /* of exp: what is likelier is certain */

typedef struct counts {
    double same[BINS], different[BINS]; /* what is to be told at each score: both sum to 1/2 */
} counts;

static double score_of(int bin) {
    return ((double)bin + 0.5) * 2 / BINS - 1;
}

static void count(const float *scores, size_t n, double same, double different, counts *c) {
    for (size_t i = 0; i < n; i++) {
        double at = fmin(fmax(((double)scores[i] + 1) / 2 * BINS, 0), BINS - 1);
        c->same[(int)at] += same;
        c->different[(int)at] += different;
    }
}

/* Half of all weight is each label's; Platt's targets leave a little of it to the other. */
static void count_all(const lk__scores *s, counts *c) {
    double n = (double)s->same_count, m = (double)s->different_count;
    count(s->same, s->same_count, 0.5 / n * (n + 1) / (n + 2), 0.5 / n / (n + 2), c);
    count(s->different, s->different_count, 0.5 / m / (m + 2), 0.5 / m * (m + 1) / (m + 2), c);
}

static double told(const lk__doubtful *d, double score) { /* exp of it */
    return exp(fmin(fmax(d->slope * score + d->intercept, -STEEPEST), STEEPEST));
}

static double loss_of(const counts *c, const lk__doubtful *d) {
    double loss = 0;
    for (int i = 0; i < BINS; i++) {
        if (c->same[i] == 0 && c->different[i] == 0) continue;
        double ratio = d->doubt + (1 - d->doubt) * told(d, score_of(i));
        loss += c->same[i] * log1p(1 / ratio) + c->different[i] * log1p(ratio);
    }
    return loss;
}

/* The step of Fisher scoring: gradient over information. */
static void step_of(const counts *c, const lk__doubtful *d, double *slope, double *intercept) {
    double g1 = 0, g0 = 0, f2 = 1e-14, f1 = 0, f0 = 1e-14;
    for (int i = 0; i < BINS; i++) {
        if (c->same[i] == 0 && c->different[i] == 0) continue;
        double x = score_of(i), moved = (1 - d->doubt) * told(d, x), ratio = d->doubt + moved;
        double gradient = (c->different[i] - c->same[i] / ratio) * moved / (1 + ratio);
        double part = moved / (1 + ratio), information = (c->same[i] + c->different[i]) * part * part / ratio;
        g1 += gradient * x;
        g0 += gradient;
        f2 += information * x * x;
        f1 += information * x;
        f0 += information;
    }
    double determinant = f2 * f0 - f1 * f1;
    *slope = (f0 * g1 - f1 * g0) / determinant;
    *intercept = (f2 * g0 - f1 * g1) / determinant;
}

/* Slope and intercept from where they are, the doubt given; the loss. */
static double descend(const counts *c, lk__doubtful *d) {
    double loss = loss_of(c, d);
    for (int i = 0; i < STEPS; i++) {
        double slope, intercept, share = 1, next = INFINITY;
        lk__doubtful tried = *d;
        step_of(c, d, &slope, &intercept);
        if (!isfinite(slope) || !isfinite(intercept)) break;
        for (int k = 0; k < HALVINGS && !(next <= loss); k++, share /= 2) {
            tried.slope = d->slope - share * slope;
            tried.intercept = d->intercept - share * intercept;
            next = loss_of(c, &tried);
        }
        if (!(next <= loss)) break;
        bool there = loss - next < 1e-12;
        *d = tried;
        loss = next;
        if (there) break;
    }
    return loss;
}

lk_status lk__doubt_fit(const lk__sorted *sorted, lk__doubtful *out, lk_error *err) {
    lk__sigmoid start;
    lk_status status = lk__logistic_fit(sorted, LK__NO_FOLD, NULL, &start, err);
    if (status != LK_OK) return status;
    lk__doubtful best = {start.slope, start.intercept, 0};
    /* Of few pairs it cannot be told which are the odd ones. */
    if (start.slope <= 0 || sorted->all.same_count < SAME_LEAST) {
        *out = best;
        return LK_OK;
    }
    counts *c = calloc(1, sizeof *c);
    if (!c) return lk__fail_memory(err, sizeof *c, "the fit of a calibration");
    count_all(&sorted->all, c);
    const double golden = 0.6180339887498949;
    double low = 0, high = DOUBT_MOST, best_loss = descend(c, &best);
    for (int i = 0; i < SECTIONS; i++) {
        lk__doubtful a = best, b = best;
        a.doubt = high - golden * (high - low);
        b.doubt = low + golden * (high - low);
        double loss_a = descend(c, &a), loss_b = descend(c, &b);
        if (loss_a < loss_b)
            high = b.doubt;
        else
            low = a.doubt;
        lk__doubtful better = loss_a < loss_b ? a : b;
        if (fmin(loss_a, loss_b) < best_loss) best = better, best_loss = fmin(loss_a, loss_b);
    }
    free(c);
    *out = best;
    return LK_OK;
}
