/* verification.c: same or different? From the cosines of labelled pairs to accuracy, ROC and the figures read
 * off it.
 *
 *   cosine (n), same (n), fold (n)  ->  sort by cosine, once  ->  everything else is a walk down the sorted
 * pairs
 *
 * Last step of `likeness eval --pairs` and of validation in training. Accuracy follows LFW (Huang et al.
 * 2007): the threshold used on a fold comes from the other folds alone. Where the usual scripts try a grid of
 * 400 thresholds, all cuts between neighbouring scores are tried here: exact, and O(n log n) for any scale of
 * scores. docs/metrics.md has the formulas. */
#include "base/base.h"
#include "likeness/eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The walk is done once for each fold, so their number must stay small beside the pairs'; ten is usual. */
enum { FOLDS_MOST = 1000, NO_FOLD = -1 };

/* FAR levels are kept as 1 / FAR, in which comparing two counts is exact. */
static const uint64_t FAR_INVERSE[LK_FAR_COUNT] = {10, 100, 1000, 10000};

typedef struct scored {
    float cosine;
    int fold; /* 0 .. fold_count - 1 */
    int same;
} scored;

typedef struct cut {
    double threshold;
    size_t correct;
} cut;

static int by_cosine_falling(const void *a, const void *b) {
    float x = ((const scored *)a)->cosine, y = ((const scored *)b)->cosine;
    return (x < y) - (x > y);
}

static int by_int(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

double lk_far_level(int i) {
    return i >= 0 && i < LK_FAR_COUNT ? 1.0 / (double)FAR_INVERSE[i] : NAN;
}

/* ---- input -------------------------------------------------------------------------------------- */

/* The distinct fold numbers, rising, into `folds` (FOLDS_MOST). */
static lk_status collect_folds(const int *fold, size_t n, int *folds, int *fold_count, lk_error *err) {
    int count = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && fold[i] == fold[i - 1]) continue; /* files usually go fold by fold */
        if (count > 0 && bsearch(&fold[i], folds, (size_t)count, sizeof *folds, by_int)) continue;
        if (count == FOLDS_MOST)
            return lk__fail(err, LK_INVALID, "more than %d different folds; 10 are usual", FOLDS_MOST);
        folds[count++] = fold[i];
        qsort(folds, (size_t)count, sizeof *folds, by_int);
    }
    *fold_count = count;
    return LK_OK;
}

/* Check everything and make the sorted pairs, to be freed. */
static lk_status sort_pairs(const float *cosine, const int *same, const int *fold, size_t n, scored **out,
                            int *fold_count, size_t *same_count, lk_error *err) {
    int folds[FOLDS_MOST];
    lk_status status = collect_folds(fold, n, folds, fold_count, err);
    if (status != LK_OK) return status;
    size_t positives = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(cosine[i]))
            return lk__fail(err, LK_INVALID, "the score of pair %zu is not a finite number", i);
        if (same[i] != 0 && same[i] != 1)
            return lk__fail(err, LK_INVALID, "the label of pair %zu is %d, but must be 0 or 1", i, same[i]);
        positives += (size_t)same[i];
    }
    if (positives == 0 || positives == n)
        return lk__fail(err, LK_EMPTY,
                        "%zu pairs of the same person and %zu of different people: one of each is the least",
                        positives, n - positives);
    scored *pairs = malloc(n * sizeof *pairs);
    if (!pairs) return lk__fail_memory(err, n * sizeof *pairs, "scored pairs");
    for (size_t i = 0; i < n; i++) {
        const int *found = bsearch(&fold[i], folds, (size_t)*fold_count, sizeof *folds, by_int);
        pairs[i] = (scored){cosine[i], (int)(found - folds), same[i]};
    }
    qsort(pairs, n, sizeof *pairs, by_cosine_falling);
    *out = pairs;
    *same_count = positives;
    return LK_OK;
}

/* ---- accuracy ----------------------------------------------------------------------------------- */

/* A threshold above every pair, still finite so that it can be written down. */
static double above(float highest) {
    return nextafter((double)highest, INFINITY);
}

/* The cut with the most correct pairs among those not in fold `left_out`, which has no say even in where
 * between two scores the threshold lies. Equally good cuts: the widest gap, in which a new pair is least
 * likely to fall on the wrong side; then the higher. Calling all different, or all the same, has no gap and
 * wins only when it is better. */
static cut best_cut(const scored *pairs, size_t n, int left_out) {
    size_t different = 0, first = 0;
    while (pairs[first].fold == left_out) first++; /* ends: with several folds, one is not left out */
    for (size_t i = first; i < n; i++) different += pairs[i].fold != left_out && !pairs[i].same;

    cut best = {above(pairs[first].cosine), different};
    double widest = 0;
    size_t correct = different; /* with the pairs seen so far called the same, and the rest different */
    float last = pairs[first].cosine;
    for (size_t i = first; i < n; i++) {
        if (pairs[i].fold == left_out) continue;
        double gap = (double)last - (double)pairs[i].cosine;
        if (gap > 0 && (correct > best.correct || (correct == best.correct && gap > widest))) {
            best = (cut){((double)last + (double)pairs[i].cosine) / 2, correct};
            widest = gap;
        }
        last = pairs[i].cosine;
        if (pairs[i].same)
            correct++;
        else
            correct--;
    }
    if (correct > best.correct) best = (cut){(double)last, correct};
    return best;
}

static double fold_accuracy(const scored *pairs, size_t n, int fold, double threshold) {
    size_t total = 0, correct = 0;
    for (size_t i = 0; i < n; i++) {
        if (pairs[i].fold != fold) continue;
        total++;
        correct += ((double)pairs[i].cosine >= threshold) == (pairs[i].same == 1);
    }
    return (double)correct / (double)total;
}

static void measure_accuracy(const scored *pairs, size_t n, int fold_count, lk_verification *v) {
    cut overall = best_cut(pairs, n, NO_FOLD);
    v->threshold = overall.threshold;
    if (fold_count == 1) {
        v->accuracy = (double)overall.correct / (double)n;
        v->accuracy_se = NAN;
        return;
    }
    double accuracy[FOLDS_MOST], sum = 0, squares = 0;
    for (int f = 0; f < fold_count; f++) {
        accuracy[f] = fold_accuracy(pairs, n, f, best_cut(pairs, n, f).threshold);
        sum += accuracy[f];
    }
    v->accuracy = sum / fold_count;
    for (int f = 0; f < fold_count; f++) squares += (accuracy[f] - v->accuracy) * (accuracy[f] - v->accuracy);
    v->accuracy_se = sqrt(squares / (fold_count - 1)) / sqrt(fold_count);
}

/* ---- ROC and what is read off it ---------------------------------------------------------------- */

/* Counts while walking down the distinct scores. */
typedef struct walk {
    size_t at;              /* pairs passed */
    size_t same, different; /* of these */
} walk;

/* Pass all pairs of the next distinct score: tied pairs are told apart by no threshold. */
static bool pass_score(const scored *pairs, size_t n, walk *w) {
    if (w->at == n) return false;
    float score = pairs[w->at].cosine;
    for (; w->at < n && pairs[w->at].cosine == score; w->at++) {
        w->same += (size_t)pairs[w->at].same;
        w->different += (size_t)!pairs[w->at].same;
    }
    return true;
}

/* Share of (same, different) couples in which the same pair scores higher, a tie counting half:
 * Mann-Whitney's U. Counted in halves of whole numbers, exact up to four billion pairs. */
static double measure_auc(const scored *pairs, size_t n, size_t same, size_t different) {
    uint64_t halves = 0;
    walk before = {0}, w = {0};
    for (; pass_score(pairs, n, &w); before = w)
        halves +=
            (uint64_t)(w.same - before.same) * ((different - before.different) + (different - w.different));
    return (double)halves / 2 / ((double)same * (double)different);
}

static void measure_tar(const scored *pairs, size_t n, size_t same, size_t different, lk_verification *v) {
    for (int level = 0; level < LK_FAR_COUNT; level++)
        v->tar_at_far[level] = different < FAR_INVERSE[level] ? NAN : 0;
    walk w = {0};
    while (pass_score(pairs, n, &w))
        for (int level = 0; level < LK_FAR_COUNT; level++)
            if (different >= FAR_INVERSE[level] && w.different * FAR_INVERSE[level] <= different)
                v->tar_at_far[level] = (double)w.same / (double)same;
}

static lk_status make_roc(const scored *pairs, size_t n, size_t same, size_t different, lk_verification *v,
                          lk_error *err) {
    size_t count = 1;
    for (walk w = {0}; pass_score(pairs, n, &w);) count++;
    lk_roc_point *roc = malloc(count * sizeof *roc);
    if (!roc) return lk__fail_memory(err, count * sizeof *roc, "the ROC");
    roc[0] = (lk_roc_point){above(pairs[0].cosine), 0, 0};
    walk w = {0};
    for (size_t i = 1; pass_score(pairs, n, &w); i++)
        roc[i] = (lk_roc_point){(double)pairs[w.at - 1].cosine, (double)w.different / (double)different,
                                (double)w.same / (double)same};
    v->roc = roc;
    v->roc_count = count;
    return LK_OK;
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

/* ---- public ------------------------------------------------------------------------------------- */

lk_status lk_verification_measure(const float *cosine, const int *same, const int *fold, size_t n,
                                  lk_verification *out, lk_error *err) {
    scored *pairs = NULL;
    int fold_count = 0;
    size_t positives = 0;
    lk_status status = sort_pairs(cosine, same, fold, n, &pairs, &fold_count, &positives, err);
    if (status != LK_OK) return status;
    size_t negatives = n - positives;
    lk_verification v = {.pairs = n, .same = positives};
    status = make_roc(pairs, n, positives, negatives, &v, err);
    if (status == LK_OK) {
        measure_accuracy(pairs, n, fold_count, &v);
        v.auc = measure_auc(pairs, n, positives, negatives);
        v.eer = measure_eer(v.roc, v.roc_count);
        measure_tar(pairs, n, positives, negatives, &v);
        *out = v;
    }
    free(pairs);
    return status;
}

void lk_verification_free(lk_verification *verification) {
    if (!verification) return;
    free(verification->roc);
    *verification = (lk_verification){0};
}
