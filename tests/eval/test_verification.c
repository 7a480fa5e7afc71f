/* test_verification.c: each figure by hand on small sets, and against its definition, told in O(n^2), on
 * random sets full of ties. */
#include "base/base.h"
#include "likeness/eval.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double TINY = 1e-12;

static void assert_near(double got, double want) {
    if (!(fabs(got - want) <= TINY)) fail_msg("got %.15g, want %.15g", got, want);
}

/* Pairs of which only the score is known: all of the same two photos. */
static lk_status measure_scores(const float *cosine, const int *same, const int *fold, size_t n,
                                lk_verification *out, lk_error *err) {
    lk_pair *pairs = calloc(n + 1, sizeof *pairs);
    assert_non_null(pairs);
    for (size_t i = 0; i < n; i++) pairs[i] = (lk_pair){fold[i], same[i], 0, 1};
    const lk_trial trial = {.photos = 2, .pairs = pairs, .cosine = cosine, .count = n};
    lk_status status = lk_verification_measure(&trial, NULL, out, err);
    free(pairs);
    return status;
}

static lk_verification measure(const float *cosine, const int *same, const int *fold, size_t n) {
    lk_verification v;
    lk_error err = {0};
    if (measure_scores(cosine, same, fold, n, &v, &err) != LK_OK) fail_msg("%s", err.message);
    assert_int_equal(v.pairs, n);
    assert_int_equal(v.band_count, 0); /* without a bootstrap nothing has an interval */
    assert_true(isnan(v.accuracy_interval.low) && isnan(v.auc_interval.high) && isnan(v.eer_interval.low));
    return v;
}

/* ---- by hand ------------------------------------------------------------------------------------ */

static void perfect_separation(void **state) {
    (void)state;
    const float cosine[] = {0.9f, 0.1f, 0.8f, 0.3f};
    const int same[] = {1, 0, 1, 0}, fold[] = {0, 0, 1, 1};
    lk_verification v = measure(cosine, same, fold, 4);
    assert_int_equal(v.same, 2);
    assert_near(v.auc, 1);
    assert_near(v.eer, 0);
    assert_near(v.threshold, ((double)0.8f + (double)0.3f) / 2);
    assert_near(v.accuracy, 1);
    assert_near(v.accuracy_se, 0);
    assert_int_equal(v.roc_count, 3); /* (0, 0), up to (0, 1), right to (1, 1) */
    assert_true(v.roc[0].threshold > (double)0.9f && isfinite(v.roc[0].threshold));
    assert_near(v.roc[0].far, 0);
    assert_near(v.roc[0].tar, 0);
    assert_near(v.roc[1].threshold, (double)0.8f);
    assert_near(v.roc[1].far, 0);
    assert_near(v.roc[1].tar, 1);
    assert_near(v.roc[2].threshold, (double)0.1f);
    assert_near(v.roc[2].far, 1);
    assert_near(v.roc[2].tar, 1);
    for (int i = 0; i < LK_FAR_COUNT; i++) {
        assert_true(isnan(v.tar_at_far[i])); /* two different pairs say nothing */
        assert_true(isnan(v.threshold_at_far[i]) && isnan(v.tar_interval[i].low));
        assert_true(v.few_at_far[i]);
    }
    lk_verification_free(&v);
    assert_null(v.roc);
    lk_verification_free(NULL);
}

static void inverted_separation(void **state) {
    (void)state;
    const float cosine[] = {0.1f, 0.2f, 0.8f, 0.9f, 0.95f};
    const int same[] = {1, 1, 0, 0, 0}, fold[] = {0, 0, 0, 0, 0};
    lk_verification v = measure(cosine, same, fold, 5);
    assert_near(v.auc, 0);
    assert_near(v.eer, 1);
    assert_near(v.accuracy, 0.6); /* all different is the best that can be said */
    assert_true(v.threshold > (double)0.95f && isfinite(v.threshold));
    assert_true(isnan(v.accuracy_se));
    lk_verification_free(&v);
}

static void all_scores_the_same(void **state) {
    (void)state;
    const float cosine[] = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f};
    const int same[] = {1, 0, 1, 0, 1, 1}, fold[] = {0, 0, 1, 1, 2, 2};
    lk_verification v = measure(cosine, same, fold, 6);
    assert_near(v.auc, 0.5);
    assert_near(v.eer, 0.5);
    assert_true(v.threshold == 0.5); /* all the same, for more are */
    assert_int_equal(v.roc_count, 2);
    /* Folds 0 and 1 are judged by "all the same" (3 of 4 elsewhere): half right. Fold 2 sees a draw elsewhere
     * and is judged by "all different": none right. */
    assert_near(v.accuracy, 1.0 / 3);
    assert_near(v.accuracy_se, sqrt((2.0 / 36 + 1.0 / 9) / 2) / sqrt(3));
    lk_verification_free(&v);
}

/* ROC (0,0) (0,1/2) (1/2,1/2) (1/2,1) (1,1): it meets the diagonal FAR = 1 - TAR at (1/2, 1/2). */
static void one_mistake(void **state) {
    (void)state;
    const float cosine[] = {4, 3, 2, 1};
    const int same[] = {1, 0, 1, 0}, fold[] = {3, 3, 3, 3};
    lk_verification v = measure(cosine, same, fold, 4);
    assert_near(v.auc, 0.75);
    assert_near(v.eer, 0.5);
    assert_near(v.accuracy, 0.75);
    assert_near(v.threshold, 3.5); /* as good as 1.5, and as wide a gap: the higher */
    lk_verification_free(&v);
}

/* A tie of one same and one different pair: the ROC runs from (0, 1/2) to (1/3, 1), the EER lies between. */
static void eer_between_points(void **state) {
    (void)state;
    const float cosine[] = {3, 2, 2, 1, 0};
    const int same[] = {1, 1, 0, 0, 0}, fold[] = {0, 0, 0, 0, 0};
    lk_verification v = measure(cosine, same, fold, 5);
    assert_near(v.eer, 0.2); /* (t / 3) = 1 - (1/2 + t/2)  ->  t = 3/5 */
    assert_near(v.auc, (3 + 2.5) / 6);
    lk_verification_free(&v);
}

static void equally_good_cuts_take_the_widest_gap(void **state) {
    (void)state;
    const float cosine[] = {0.9f, 0.85f, 0.8f, 0.2f, 0.1f};
    const int same[] = {1, 0, 1, 0, 0}, fold[] = {0, 0, 0, 0, 0}; /* one mistake at 0.875 and at 0.5 */
    lk_verification v = measure(cosine, same, fold, 5);
    assert_near(v.threshold, ((double)0.8f + (double)0.2f) / 2);
    lk_verification_free(&v);
}

/* The threshold of a fold must not see it: fold 1 lies elsewhere and is judged by fold 0's threshold, and
 * back. */
static void threshold_comes_from_the_other_folds(void **state) {
    (void)state;
    const float cosine[] = {0.9f, 0.8f, 0.2f, 0.1f, 0.39f, 0.38f, -0.5f, -0.6f};
    const int same[] = {1, 1, 0, 0, 1, 1, 0, 0}, fold[] = {5, 5, 5, 5, 9, 9, 9, 9};
    lk_verification v = measure(cosine, same, fold, 8);
    /* fold 5 judged at (0.38 - 0.5) / 2 = -0.06: its two different pairs wrong; fold 9 at 0.5: its two same
     * pairs. */
    assert_near(v.accuracy, 0.5);
    assert_near(v.accuracy_se, 0);
    assert_near(v.threshold, ((double)0.38f + (double)0.2f) / 2);
    lk_verification_free(&v);
}

static void standard_error_is_that_of_the_mean(void **state) {
    (void)state;
    /* Any two folds give 0.5 as threshold; accuracies 1, 1, 0.5: mean 5/6, deviation sqrt(1/12), over
     * sqrt(3). */
    const float cosine[] = {0.9f, 0.1f, 0.9f, 0.1f, 0.1f, 0.1f};
    const int same[] = {1, 0, 1, 0, 1, 0}, fold[] = {0, 0, 1, 1, 2, 2};
    lk_verification v = measure(cosine, same, fold, 6);
    assert_near(v.accuracy, 5.0 / 6);
    assert_near(v.accuracy_se, sqrt(1.0 / 12) / sqrt(3));
    lk_verification_free(&v);
}

static void tar_at_far_needs_enough_pairs(void **state) {
    (void)state;
    enum { DIFFERENT = 1000, SAME = 4, N = DIFFERENT + SAME };
    float cosine[N];
    int same[N], fold[N] = {0};
    for (int i = 0; i < DIFFERENT; i++) cosine[i] = (float)i, same[i] = 0; /* 999 is the closest */
    const float scores[SAME] = {2000, 999, 950.5f, 10};
    for (int i = 0; i < SAME; i++) cosine[DIFFERENT + i] = scores[i], same[DIFFERENT + i] = 1;
    lk_verification v = measure(cosine, same, fold, N);
    assert_near(v.tar_at_far[0], 0.75); /* 100 different pairs allowed: down to 900 */
    assert_near(v.tar_at_far[1], 0.5);  /* 10: down to 990, so 950.5 is out */
    assert_near(v.tar_at_far[2], 0.5);  /* one allowed, and the tie at 999 is exactly one */
    assert_true(isnan(v.tar_at_far[3]));
    assert_true(v.threshold_at_far[0] == 900 && v.threshold_at_far[1] == 990 && v.threshold_at_far[2] == 999);
    assert_true(isnan(v.threshold_at_far[3]));
    assert_true(!v.few_at_far[0] && v.few_at_far[1] && v.few_at_far[3]); /* 30 and 3000 would be enough */
    lk_verification_free(&v);

    same[0] = 1; /* 999 different pairs: too few to say anything at 1e-3 */
    v = measure(cosine, same, fold, N);
    assert_true(isnan(v.tar_at_far[2]));
    assert_near(v.tar_at_far[1], 0.4); /* two of five */
    lk_verification_free(&v);
    assert_near(lk_far_level(0), 0.1);
    assert_near(lk_far_level(3), 1e-4);
    assert_true(isnan(lk_far_level(4)) && isnan(lk_far_level(-1)));
}

/* A tie at the top of more different pairs than allowed: nothing can be accepted. */
static void tar_is_zero_when_the_top_is_tied(void **state) {
    (void)state;
    enum { N = 20 }; /* ten different pairs, just enough for 1e-1 */
    float cosine[N] = {0};
    int same[N], fold[N] = {0};
    for (int i = 0; i < N; i++) same[i] = i % 2;
    lk_verification v = measure(cosine, same, fold, N);
    assert_near(v.tar_at_far[0], 0);
    assert_true(v.threshold_at_far[0] > 0 && isfinite(v.threshold_at_far[0]));
    assert_true(isnan(v.tar_at_far[1]));
    lk_verification_free(&v);
}

/* 100 bins from -1 to 1: an edge belongs to the bin above it, and what lies outside to the last. */
static void histograms_of_both_labels(void **state) {
    (void)state;
    const float cosine[] = {-1.0000001f, -1, -0.985f, 0, 0.01f, 0.5f, 0.999f, 1.0000001f};
    const int same[] = {0, 0, 0, 0, 0, 1, 1, 1}, fold[8] = {0};
    lk_verification v = measure(cosine, same, fold, 8);
    assert_int_equal(v.different_bin[0], 3);
    assert_int_equal(v.different_bin[50], 2);
    assert_int_equal(v.same_bin[75], 1);
    assert_int_equal(v.same_bin[99], 2);
    size_t total = 0;
    for (int i = 0; i < LK_BINS; i++) total += v.same_bin[i] + v.different_bin[i];
    assert_int_equal(total, 8);
    lk_verification_free(&v);
}

/* ---- refusals ----------------------------------------------------------------------------------- */

static void assert_refused(const float *cosine, const int *same, const int *fold, size_t n, lk_status status,
                           const char *word) {
    lk_verification untouched = {.pairs = 77};
    lk_error err = {0};
    assert_int_equal(measure_scores(cosine, same, fold, n, &untouched, &err), status);
    assert_int_equal(err.status, status);
    if (!strstr(err.message, word)) fail_msg("'%s' not in: %s", word, err.message);
    assert_int_equal(untouched.pairs, 77);
    assert_null(untouched.roc);
    assert_int_equal(measure_scores(cosine, same, fold, n, &untouched, NULL), status);
}

static void refuses_what_cannot_be_measured(void **state) {
    (void)state;
    const float cosine[] = {0.5f, 0.25f, 0.125f}, nan[] = {0.5f, 0.25f, NAN},
                infinite[] = {0.5f, -INFINITY, 0};
    const int ones[] = {1, 1, 1}, zeros[] = {0, 0, 0}, mixed[] = {1, 0, 1}, strange[] = {1, 0, 2};
    assert_refused(cosine, ones, zeros, 3, LK_EMPTY, "3 pairs of the same person and 0");
    assert_refused(cosine, zeros, zeros, 3, LK_EMPTY, "0 pairs of the same person and 3");
    assert_refused(cosine, mixed, zeros, 0, LK_EMPTY, "0 pairs");
    assert_refused(nan, mixed, zeros, 3, LK_INVALID, "pair 2");
    assert_refused(infinite, mixed, zeros, 3, LK_INVALID, "pair 1");
    assert_refused(cosine, strange, zeros, 3, LK_INVALID, "label of pair 2");
    enum { N = 1001 };
    float many[N] = {0};
    int same[N] = {1}, fold[N];
    for (int i = 0; i < N; i++) fold[i] = i;
    assert_refused(many, same, fold, N, LK_INVALID, "folds");
}

/* ---- against the definitions ---------------------------------------------------------------------- */

static double accuracy_at(const float *c, const int *same, const int *fold, size_t n, double t, int in,
                          int out) {
    size_t total = 0, correct = 0;
    for (size_t i = 0; i < n; i++) {
        if ((in >= 0 && fold[i] != in) || fold[i] == out) continue;
        total++;
        correct += ((double)c[i] >= t) == same[i];
    }
    return (double)correct / (double)total;
}

/* The threshold of best_cut, by trying each pair of scores as the two neighbours of a cut. */
static double brute_threshold(const float *c, const int *same, const int *fold, size_t n, int out) {
    double highest = -INFINITY, lowest = INFINITY, gap = 0;
    for (size_t i = 0; i < n; i++) {
        if (fold[i] == out) continue;
        highest = fmax(highest, (double)c[i]);
        lowest = fmin(lowest, (double)c[i]);
    }
    double best = nextafter(highest, INFINITY), accuracy = accuracy_at(c, same, fold, n, best, -1, out);
    for (size_t i = 0; i < n; i++) {
        if (fold[i] == out) continue;
        double below = -INFINITY;
        for (size_t j = 0; j < n; j++)
            if (fold[j] != out && c[j] < c[i]) below = fmax(below, (double)c[j]);
        if (below == -INFINITY) continue;
        double t = ((double)c[i] + below) / 2, here = accuracy_at(c, same, fold, n, t, -1, out);
        double width = (double)c[i] - below;
        bool better = here > accuracy || (here == accuracy && (width > gap || (width == gap && t > best)));
        if (better) best = t, accuracy = here, gap = width;
    }
    if (accuracy_at(c, same, fold, n, lowest, -1, out) > accuracy) best = lowest;
    return best;
}

static void check_accuracy(const lk_verification *v, const float *c, const int *same, const int *fold,
                           size_t n, int folds) {
    double accuracy[16], mean = 0, squares = 0;
    for (int f = 0; f < folds; f++) {
        accuracy[f] = accuracy_at(c, same, fold, n, brute_threshold(c, same, fold, n, f), f, -1);
        mean += accuracy[f] / folds;
    }
    for (int f = 0; f < folds; f++) squares += pow(accuracy[f] - mean, 2);
    assert_near(v->accuracy, mean);
    assert_near(v->accuracy_se, sqrt(squares / (folds - 1) / folds));
    assert_true(v->threshold == brute_threshold(c, same, fold, n, -1));
}

static int falling(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* Each threshold by counting all pairs: (1 +) distinct scores. */
static size_t brute_roc(const float *c, const int *same, size_t n, lk_roc_point *roc) {
    float sorted[512];
    size_t count = 1, total[2] = {0};
    memcpy(sorted, c, n * sizeof *c);
    qsort(sorted, n, sizeof *sorted, falling);
    for (size_t i = 0; i < n; i++) total[same[i]]++;
    roc[0] = (lk_roc_point){nextafter((double)sorted[0], INFINITY), 0, 0};
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && sorted[i] == sorted[i - 1]) continue;
        size_t accepted[2] = {0};
        for (size_t j = 0; j < n; j++) accepted[same[j]] += c[j] >= sorted[i];
        roc[count++] = (lk_roc_point){(double)sorted[i], (double)accepted[0] / (double)total[0],
                                      (double)accepted[1] / (double)total[1]};
    }
    return count;
}

static bool turns(const lk_roc_point *a, const lk_roc_point *b, const lk_roc_point *c) {
    return fabs((b->far - a->far) * (c->tar - b->tar) - (c->far - b->far) * (b->tar - a->tar)) > TINY;
}

static void check_curve(const lk_verification *v, const float *c, const int *same, size_t n) {
    double wins = 0, different = (double)(n - v->same);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            if (same[i] && !same[j]) wins += c[i] > c[j] ? 1 : c[i] == c[j] ? 0.5 : 0;
    assert_near(v->auc, wins / (different * (double)v->same));

    lk_roc_point roc[513];
    size_t count = brute_roc(c, same, n, roc), kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && i + 1 < count && !turns(&roc[i - 1], &roc[i], &roc[i + 1])) continue;
        assert_true(kept < v->roc_count);
        assert_true(v->roc[kept].threshold == roc[i].threshold);
        assert_near(v->roc[kept].far, roc[i].far);
        assert_near(v->roc[kept].tar, roc[i].tar);
        kept++;
    }
    assert_int_equal(v->roc_count, kept);

    for (int l = 0; l < LK_FAR_COUNT; l++) {
        size_t best = 0;
        for (size_t i = 0; i < count; i++)
            if (roc[i].far <= lk_far_level(l)) best = i;
        assert_true(v->few_at_far[l] == (different < 30 * round(1 / lk_far_level(l))));
        if (different < round(1 / lk_far_level(l))) {
            assert_true(isnan(v->tar_at_far[l]) && isnan(v->threshold_at_far[l]));
        } else {
            assert_near(v->tar_at_far[l], roc[best].tar);
            assert_true(v->threshold_at_far[l] == roc[best].threshold);
        }
    }
}

static void check_roc_shape_and_eer(const lk_verification *v) {
    double area = 0, eer = NAN;
    for (size_t p = 1; p < v->roc_count; p++) {
        const lk_roc_point *a = &v->roc[p - 1], *b = &v->roc[p];
        assert_true(b->threshold < a->threshold && b->far >= a->far && b->tar >= a->tar);
        area += (b->far - a->far) * (a->tar + b->tar) / 2;
        double low = 0, high = 1; /* bisection for FAR + TAR = 1 along this piece */
        if (a->far + a->tar < 1 && b->far + b->tar >= 1) {
            for (int i = 0; i < 100; i++) {
                double t = (low + high) / 2;
                double sum = a->far + t * (b->far - a->far) + a->tar + t * (b->tar - a->tar);
                *(sum < 1 ? &low : &high) = t;
            }
            eer = a->far + high * (b->far - a->far);
        }
    }
    assert_near(v->auc, area); /* the trapezoids under the ROC are Mann-Whitney's U */
    assert_near(v->eer, eer);
}

static void agrees_with_brute_force_on_ties(void **state) {
    (void)state;
    enum { MOST = 150, ROUNDS = 300 };
    float cosine[MOST];
    int same[MOST], fold[MOST];
    for (int round = 0; round < ROUNDS; round++) {
        lk__random r = lk__random_stream(11, (uint64_t)round, 0, 0);
        size_t n = 20 + lk__random_below(&r, MOST - 20 + 1), levels = 1 + lk__random_below(&r, 60);
        int folds = 2 + (int)lk__random_below(&r, 9);
        for (size_t i = 0; i < n; i++) {
            same[i] = lk__random_below(&r, 3) == 0;
            fold[i] = (int)(i % (size_t)folds);
            double skill = same[i] ? lk__random_unit(&r) : 0;
            cosine[i] = (float)(floor((lk__random_unit(&r) + skill) * (double)levels) / 64 - 0.5);
        }
        same[0] = 1, same[1] = 0;
        lk_verification v = measure(cosine, same, fold, n);
        check_accuracy(&v, cosine, same, fold, n, folds);
        check_curve(&v, cosine, same, n);
        check_roc_shape_and_eer(&v);
        lk_verification_free(&v);
    }
}

/* The figures are of a set: neither the order of pairs nor the names of folds matter. */
static void order_does_not_matter(void **state) {
    (void)state;
    enum { N = 500 };
    float cosine[N], cosine2[N];
    int same[N], fold[N], same2[N], fold2[N];
    lk__random r = lk__random_stream(12, 0, 0, 0);
    for (int i = 0; i < N; i++) {
        same[i] = i % 2;
        fold[i] = i % 10;
        cosine[i] = (float)(floor(lk__random_normal(&r) * 20 + same[i] * 15) / 64);
        cosine2[N - 1 - i] = cosine[i];
        same2[N - 1 - i] = same[i];
        fold2[N - 1 - i] = 1000 - 7 * fold[i];
    }
    lk_verification a = measure(cosine, same, fold, N), b = measure(cosine2, same2, fold2, N);
    assert_near(a.accuracy, b.accuracy);
    assert_near(a.accuracy_se, b.accuracy_se);
    assert_near(a.threshold, b.threshold);
    assert_near(a.auc, b.auc);
    assert_near(a.eer, b.eer);
    assert_int_equal(a.roc_count, b.roc_count);
    assert_memory_equal(a.roc, b.roc, a.roc_count * sizeof *a.roc);
    lk_verification_free(&a);
    lk_verification_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(perfect_separation),
        cmocka_unit_test(inverted_separation),
        cmocka_unit_test(all_scores_the_same),
        cmocka_unit_test(one_mistake),
        cmocka_unit_test(eer_between_points),
        cmocka_unit_test(equally_good_cuts_take_the_widest_gap),
        cmocka_unit_test(threshold_comes_from_the_other_folds),
        cmocka_unit_test(standard_error_is_that_of_the_mean),
        cmocka_unit_test(tar_at_far_needs_enough_pairs),
        cmocka_unit_test(tar_is_zero_when_the_top_is_tied),
        cmocka_unit_test(histograms_of_both_labels),
        cmocka_unit_test(refuses_what_cannot_be_measured),
        cmocka_unit_test(agrees_with_brute_force_on_ties),
        cmocka_unit_test(order_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
