/* verification.c: same or different? From the sorted cosines of labelled pairs to accuracy, ROC and the
 * figures read off it, each exact.
 *
 *   same (falling), different (falling)  ->  everything is a walk down both
 *
 * Last step of `likeness eval`. Accuracy follows LFW (Huang et al. 2007): the threshold used on a fold comes
 * from the other folds alone. Where the usual scripts try a grid of 400 thresholds, all cuts between
 * neighbouring scores are tried here: exact, for any scale of scores. Intervals are replicates.c's.
 * docs/metrics.md has the formulas. */
#include "eval/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const uint64_t lk__far_inverse[LK_FAR_COUNT] = {10, 100, 1000, 10000};
enum { STEADY = 30 }; /* different pairs called the same, for a steady FAR: Doddington et al. 2000 */

double lk_far_level(int i) {
    return i >= 0 && i < LK_FAR_COUNT ? 1.0 / (double)lk__far_inverse[i] : NAN;
}

/* ---- accuracy ------------------------------------------------------------------------------------ */

typedef struct cut {
    double threshold;
    size_t correct;
} cut;

/* Walk down the distinct scores of all folds but `out` (NULL: of all): those of `all` less those of `out`. */
typedef struct others {
    const lk__scores *all, *out;
    lk__walk in_all, in_out;
    size_t same, different; /* passed */
    float score;
} others;

static bool others_next(others *o) {
    size_t same = o->same, different = o->different;
    do {
        if (!lk__walk_next(o->all, &o->in_all)) return false;
        o->score = o->in_all.score;
        while (o->out && o->in_out.same < o->out->same_count && o->out->same[o->in_out.same] == o->score)
            o->in_out.same++;
        while (o->out && o->in_out.different < o->out->different_count &&
               o->out->different[o->in_out.different] == o->score)
            o->in_out.different++;
        o->same = o->in_all.same - o->in_out.same;
        o->different = o->in_all.different - o->in_out.different;
    } while (o->same == same && o->different == different); /* a score of the left-out fold alone */
    return true;
}

/* The cut with the most correct pairs among those not in the fold left out, which has no say even in where
 * between two scores the threshold lies. Equally good cuts: the widest gap, in which a new pair is least
 * likely to fall on the wrong side; then the higher. Calling all different, or all the same, has no gap and
 * wins only when it is better. */
static cut best_cut(const lk__scores *all, const lk__scores *out) {
    size_t same_total = all->same_count - (out ? out->same_count : 0);
    size_t different_total = all->different_count - (out ? out->different_count : 0);
    others o = {.all = all, .out = out};
    bool more = others_next(&o);
    cut best = {nextafter((double)o.score, INFINITY), different_total};
    double widest = 0, last = (double)o.score;
    while (more) {
        size_t correct = o.same + (different_total - o.different); /* with the pairs so far called the same */
        last = (double)o.score;
        more = others_next(&o);
        if (!more) break;
        double gap = last - (double)o.score;
        if (correct > best.correct || (correct == best.correct && gap > widest)) {
            best = (cut){(last + (double)o.score) / 2, correct};
            widest = gap;
        }
    }
    if (same_total > best.correct) best = (cut){last, same_total};
    return best;
}

static size_t correct_at(const lk__scores *s, double threshold) {
    return lk__count_from(s->same, s->same_count, threshold) +
           (s->different_count - lk__count_from(s->different, s->different_count, threshold));
}

typedef struct folding {
    const lk__sorted *sorted;
    double *threshold; /* (fold_count) */
} folding;

static void fold_part(void *context, int i, int n) {
    folding *job = context;
    for (int f = i; f < job->sorted->fold_count; f += n)
        job->threshold[f] = best_cut(&job->sorted->all, &job->sorted->fold[f]).threshold;
}

static void measure_accuracy(const lk__sorted *s, double *threshold, lk_verification *v) {
    cut overall = best_cut(&s->all, NULL);
    v->threshold = overall.threshold;
    if (s->fold_count == 1) {
        threshold[0] = overall.threshold;
        v->accuracy = (double)overall.correct / (double)v->pairs;
        v->accuracy_se = NAN;
        return;
    }
    folding job = {s, threshold};
    lk__parallel_over(v->pairs, fold_part, &job);
    double accuracy[LK__FOLDS_MOST], sum = 0, squares = 0;
    for (int f = 0; f < s->fold_count; f++) {
        const lk__scores *fold = &s->fold[f];
        accuracy[f] =
            (double)correct_at(fold, threshold[f]) / (double)(fold->same_count + fold->different_count);
        sum += accuracy[f];
    }
    v->accuracy = sum / s->fold_count;
    for (int f = 0; f < s->fold_count; f++)
        squares += (accuracy[f] - v->accuracy) * (accuracy[f] - v->accuracy);
    v->accuracy_se = sqrt(squares / (s->fold_count - 1)) / sqrt(s->fold_count);
}

/* ---- ROC and what is read off it ----------------------------------------------------------------- */

/* Share of (same, different) couples in which the same pair scores higher, a tie counting half:
 * Mann-Whitney's U, which is the area under the ROC. Counted in halves of whole numbers, exact up to four
 * billion pairs. */
static double measure_auc(const lk__scores *s, const lk__roc *roc) {
    uint64_t halves = 0;
    for (size_t i = 1; i < roc->count; i++) {
        const lk__walk *a = &roc->points[i - 1], *b = &roc->points[i];
        halves += (uint64_t)(b->different - a->different) * (a->same + b->same);
    }
    return (double)halves / 2 / ((double)s->same_count * (double)s->different_count);
}

static void measure_tar(const lk__scores *s, lk_verification *v) {
    for (int level = 0; level < LK_FAR_COUNT; level++) {
        uint64_t inverse = lk__far_inverse[level];
        v->few_at_far[level] = s->different_count < STEADY * inverse;
        v->tar_at_far[level] = v->threshold_at_far[level] = NAN;
        if (s->different_count < inverse) continue;
        double threshold = lk__threshold_allowing(s, s->different_count / inverse);
        v->threshold_at_far[level] = threshold;
        v->tar_at_far[level] =
            (double)lk__count_from(s->same, s->same_count, threshold) / (double)s->same_count;
    }
}

/* Where FAR equals FRR = 1 - TAR, on the straight line between the two ROC points around it. */
static double measure_eer(const lk_roc_point *roc, size_t count) {
    double before = -1; /* FAR - FRR at the first point, (0, 0) */
    for (size_t i = 1; i < count; i++) {
        double here = roc[i].far + roc[i].tar - 1;
        if (here >= 0) return roc[i - 1].far + (roc[i].far - roc[i - 1].far) * before / (before - here);
        before = here;
    }
    return 1; /* not reached: the last point is (1, 1) */
}

static void count_bins(const float *falling, size_t n, size_t bin[LK_BINS]) {
    size_t above = 0;
    for (int i = LK_BINS - 1; i >= 0; i--) {
        /* Cosines a hair outside [-1, 1] belong to the last bins. */
        double edge = -1 + 2.0 * i / LK_BINS;
        size_t from = i > 0 ? lk__count_from(falling, n, edge) : n;
        bin[i] = from - above;
        above = from;
    }
}

static lk_status measure_curve(const lk__scores *s, lk_verification *v, lk_error *err) {
    lk__roc roc;
    lk_status status = lk__roc_make(s, &roc, err);
    if (status != LK_OK) return status;
    v->roc = malloc(roc.count * sizeof *v->roc);
    v->roc_count = roc.count;
    for (size_t i = 0; v->roc && i < roc.count; i++)
        v->roc[i] = (lk_roc_point){(double)roc.points[i].score,
                                   (double)roc.points[i].different / (double)s->different_count,
                                   (double)roc.points[i].same / (double)s->same_count};
    if (v->roc) {
        v->roc[0].threshold = lk__above(s);
        v->auc = measure_auc(s, &roc);
        v->eer = measure_eer(v->roc, v->roc_count);
    } else {
        status = lk__fail_memory(err, roc.count * sizeof *v->roc, "the ROC");
    }
    free(roc.points);
    return status;
}

lk_status lk__verification_figures(const lk__trial *trial, const lk__sorted *sorted, lk_verification *out,
                                   double **threshold, lk_error *err) {
    const lk__scores *all = &sorted->all;
    lk_verification v = {.pairs = trial->pairs, .same = all->same_count};
    double *thresholds = malloc((size_t)sorted->fold_count * sizeof *thresholds);
    if (!thresholds) return lk__fail_memory(err, (size_t)sorted->fold_count * sizeof *thresholds, "folds");
    lk_status status = measure_curve(all, &v, err);
    if (status != LK_OK) {
        free(thresholds);
        return status;
    }
    measure_accuracy(sorted, thresholds, &v);
    measure_tar(all, &v);
    count_bins(all->same, all->same_count, v.same_bin);
    count_bins(all->different, all->different_count, v.different_bin);
    v.accuracy_interval = v.auc_interval = v.eer_interval = lk__no_interval();
    for (int i = 0; i < LK_FAR_COUNT; i++) v.tar_interval[i] = lk__no_interval();
    *out = v;
    *threshold = thresholds;
    return LK_OK;
}

/* ---- public -------------------------------------------------------------------------------------- */

static lk_status fill_intervals(lk__replicates *r, lk_verification *v, lk_error *err) {
    v->accuracy_interval = lk__percentiles(r->accuracy, r->count);
    v->auc_interval = lk__percentiles(r->auc, r->count);
    v->eer_interval = lk__percentiles(r->eer, r->count);
    for (int i = 0; i < LK_FAR_COUNT; i++)
        if (isfinite(v->tar_at_far[i])) v->tar_interval[i] = lk__percentiles(r->tar[i], r->count);
    if (r->band_count == 0) return LK_OK;
    v->band = malloc(r->band_count * sizeof *v->band);
    if (!v->band) return lk__fail_memory(err, r->band_count * sizeof *v->band, "the band");
    v->band_count = r->band_count;
    for (size_t i = 0; i < r->band_count; i++)
        v->band[i] = (lk_band){r->band_far[i], lk__percentiles(r->band + i * r->count, r->count)};
    return LK_OK;
}

static lk_status measure_intervals(const lk__trial *trial, const lk__sorted *sorted,
                                   const lk_bootstrap *bootstrap, const double *threshold, lk_verification *v,
                                   lk_error *err) {
    lk__draws draws;
    lk_status status = lk__draws_make(trial, bootstrap, &draws, err);
    if (status != LK_OK) return status;
    if (draws.replicates > 0) {
        lk__replicates replicates = {0};
        status = lk__replicates_measure(trial, sorted, threshold, &draws, &replicates, err);
        if (status == LK_OK) status = fill_intervals(&replicates, v, err);
        lk__replicates_free(&replicates);
    }
    lk__draws_free(&draws);
    return status;
}

lk_status lk_verification_measure(const lk_trial *given, const lk_bootstrap *bootstrap, lk_verification *out,
                                  lk_error *err) {
    lk__trial trial;
    lk_status status = lk__trial_open(given, &trial, err);
    if (status != LK_OK) return status;
    lk__sorted sorted = {0};
    lk_verification v = {0};
    double *threshold = NULL;
    status = lk__scores_sort(&trial, &sorted, err);
    if (status == LK_OK) status = lk__verification_figures(&trial, &sorted, &v, &threshold, err);
    if (status == LK_OK) status = measure_intervals(&trial, &sorted, bootstrap, threshold, &v, err);
    if (status == LK_OK)
        *out = v;
    else
        lk_verification_free(&v);
    free(threshold);
    lk__scores_free(&sorted);
    lk__trial_close(&trial);
    return status;
}

void lk_verification_free(lk_verification *verification) {
    if (!verification) return;
    free(verification->roc);
    free(verification->band);
    *verification = (lk_verification){0};
}
