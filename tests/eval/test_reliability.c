/* test_reliability.c: the fit where it can be solved by hand, and by its gradient; bits and bins by their
 * definitions, fold by fold; the best monotone map by pooling adjacent violators one by one. */
#include "eval/simulated.h"

enum { MOST = 400 };

typedef struct set {
    size_t n;
    int folds;
    lk_pair pairs[MOST];
    float cosine[MOST];
} set;

static lk_trial trial_of_set(const set *s) {
    return (lk_trial){.photos = 2, .pairs = s->pairs, .cosine = s->cosine, .count = s->n};
}

static lk_reliability calibrate(const set *s) {
    lk_trial given = trial_of_set(s);
    lk_reliability c;
    ASSERT_OK(lk_reliability_measure(&given, NULL, &c, &failure));
    return c;
}

static void add(set *s, int fold, int same, double cosine) {
    assert_in_range(s->n, 0, MOST - 1);
    s->pairs[s->n] = (lk_pair){fold, same, 0, 1};
    s->cosine[s->n++] = (float)cosine;
}

/* ---- by hand ------------------------------------------------------------------------------------ */

/* Two scores: the sigmoid goes through both shares exactly. 3 of 4 same at 1, 1 of 4 different. */
static void two_scores_are_met_exactly(void **state) {
    (void)state;
    set s = {0};
    for (int i = 0; i < 4; i++) add(&s, 0, 1, i < 3 ? 1 : 0), add(&s, 0, 0, i < 1 ? 1 : 0);
    lk_reliability c = calibrate(&s);
    /* Platt's targets: 5/6 and 1/6. At 1: (3 * 5/6 + 1 * 1/6) / 4 = 2/3; at 0: 1/3. */
    assert_close(c.slope, 2 * log(2), 1e-9);
    assert_close(c.intercept, -log(2), 1e-9);
    double cllr = (0.75 * log2(1 + 0.5) + 0.25 * log2(1 + 2)); /* the same for both labels */
    assert_close(c.cllr, cllr, 1e-9);
    /* The best map tells 3/4 and 1/4: odds of 3. */
    assert_close(c.cllr_min, 0.75 * log2(1 + 1.0 / 3) + 0.25 * log2(1 + 3), 1e-12);
    assert_int_equal(c.bin[6].pairs, 4);
    assert_close(c.bin[6].predicted, 2.0 / 3, 1e-9);
    assert_close(c.bin[6].observed, 0.75, 1e-12);
    assert_int_equal(c.bin[3].pairs, 4);
    assert_int_equal(c.bin[0].pairs, 0);
    assert_true(isnan(c.bin[0].predicted) && isnan(c.bin[0].observed) && isnan(c.bin[6].interval.low));
}

static void separated_scores_give_a_finite_slope(void **state) {
    (void)state;
    set s = {0};
    for (int i = 0; i < 98; i++) add(&s, 0, 1, 0.75), add(&s, 0, 0, 0.25);
    lk_reliability c = calibrate(&s);
    /* 99/100 and 1/100, at 0.75 and 0.25. */
    assert_close(c.slope, 4 * log(99), 1e-6);
    assert_close(c.intercept, -2 * log(99), 1e-6);
    assert_close(c.cllr_min, 0, 0);
    assert_close(c.cllr, log2(1 + 1.0 / 99), 1e-9);
}

static void equal_scores_tell_nothing(void **state) {
    (void)state;
    set s = {0};
    for (int i = 0; i < 9; i++) add(&s, 0, i % 3 == 0, 0.3);
    lk_reliability c = calibrate(&s);
    assert_close(c.slope, 0, 0);
    assert_close(c.cllr_min, 1, 1e-12); /* one bit: as much as there is to know */
    assert_true(c.cllr >= 1 && c.cllr < 1.01);
}

/* ---- against the definitions --------------------------------------------------------------------- */

static set draw_set(uint64_t round) {
    lk__random r = lk__random_stream(21, round, 0, 0);
    set s = {.folds = 1 + (int)(round % 4)};
    size_t n = 30 + lk__random_below(&r, MOST - 30), levels = 2 + lk__random_below(&r, 40);
    double skill = lk__random_range(&r, -0.3, 1.5), scale = round % 5 == 0 ? 1000 : 1;
    for (size_t i = 0; i < n; i++) {
        int same = i < 8 ? (int)(i / 4) : lk__random_below(&r, 4) == 0; /* each fold has both */
        double score = lk__random_unit(&r) + same * skill * lk__random_unit(&r);
        if (round % 2) score = floor(score * (double)levels) / (double)levels;
        add(&s, (int)(i % (size_t)s.folds), same, scale * score);
    }
    return s;
}

static size_t count_same(const set *s, int same) {
    size_t count = 0;
    for (size_t i = 0; i < s->n; i++) count += s->pairs[i].same == same;
    return count;
}

/* Of the mean log loss with Platt's targets; zero at its least. */
static void check_gradient(const set *s, const lk_reliability *c) {
    double n1 = (double)count_same(s, 1), n0 = (double)count_same(s, 0), slope = 0, intercept = 0, most = 1;
    for (size_t i = 0; i < s->n; i++) {
        int same = s->pairs[i].same;
        double x = (double)s->cosine[i], p = 1 / (1 + exp(-(c->slope * x + c->intercept)));
        double error = (p - (same ? (n1 + 1) / (n1 + 2) : 1 / (n0 + 2))) / (same ? 2 * n1 : 2 * n0);
        slope += error * x;
        intercept += error;
        most = fmax(most, fabs(x));
    }
    assert_close(intercept, 0, 1e-10);
    assert_close(slope / most, 0, 1e-10);
}

/* Without one fold, as a set of one fold. */
static set without(const set *s, int fold) {
    set rest = {0};
    for (size_t i = 0; i < s->n; i++)
        if (s->folds == 1 || s->pairs[i].fold != fold) add(&rest, 0, s->pairs[i].same, (double)s->cosine[i]);
    return rest;
}

static void check_bits_and_bins(const set *s, const lk_reliability *c) {
    double cllr = 0, told[LK_RELIABILITY_BINS] = {0}, weight[LK_RELIABILITY_BINS][2] = {{0}};
    size_t pairs[LK_RELIABILITY_BINS] = {0};
    for (int f = 0; f < s->folds; f++) {
        set rest = without(s, f);
        lk_reliability fit = calibrate(&rest);
        for (size_t i = 0; i < s->n; i++) {
            if (s->pairs[i].fold != f) continue;
            int same = s->pairs[i].same;
            double odds = fit.slope * (double)s->cosine[i] + fit.intercept, p = 1 / (1 + exp(-odds));
            double w = 0.5 / (double)count_same(s, same);
            size_t bin = (size_t)fmin(9, floor(p * 10));
            cllr += w * log2(1 + exp(same ? -odds : odds));
            told[bin] += w * p;
            weight[bin][same] += w;
            pairs[bin]++;
        }
    }
    assert_close(c->cllr, cllr, 1e-9);
    for (int b = 0; b < LK_RELIABILITY_BINS; b++) {
        assert_int_equal(c->bin[b].pairs, pairs[b]);
        assert_close(c->bin[b].predicted, told[b] / (weight[b][0] + weight[b][1]), 1e-9);
        assert_close(c->bin[b].observed, weight[b][1] / (weight[b][0] + weight[b][1]), 1e-12);
    }
}

static int rising(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Pool adjacent violators (Ayer et al. 1955): blocks of rising score, whose shares of same must rise. */
static double brute_cllr_min(const set *s) {
    float sorted[MOST];
    double same[MOST] = {0}, different[MOST] = {0};
    size_t blocks = 0;
    memcpy(sorted, s->cosine, s->n * sizeof *sorted);
    qsort(sorted, s->n, sizeof *sorted, rising);
    for (size_t i = 0; i < s->n; i++) {
        if (i > 0 && sorted[i] == sorted[i - 1]) continue;
        for (size_t j = 0; j < s->n; j++)
            if (s->cosine[j] == sorted[i])
                *(s->pairs[j].same ? &same[blocks] : &different[blocks]) +=
                    1 / (double)count_same(s, s->pairs[j].same);
        blocks++;
    }
    for (size_t i = 1; i < blocks;) {
        double left = same[i - 1] / (same[i - 1] + different[i - 1]),
               right = same[i] / (same[i] + different[i]);
        if (left < right) {
            i++;
            continue;
        }
        same[i - 1] += same[i];
        different[i - 1] += different[i];
        blocks--;
        for (size_t j = i; j < blocks; j++) same[j] = same[j + 1], different[j] = different[j + 1];
        if (i > 1) i--;
    }
    double sum = 0;
    for (size_t i = 0; i < blocks; i++) {
        if (same[i] > 0) sum += same[i] * log2(1 + different[i] / same[i]);
        if (different[i] > 0) sum += different[i] * log2(1 + same[i] / different[i]);
    }
    return sum / 2;
}

static void agrees_with_the_definitions(void **state) {
    (void)state;
    for (uint64_t round = 0; round < 200; round++) {
        set s = draw_set(round);
        lk__threads_set(1 + (int)(round % 3));
        lk_reliability c = calibrate(&s);
        lk__threads_set(0);
        check_gradient(&s, &c);
        check_bits_and_bins(&s, &c);
        assert_close(c.cllr_min, brute_cllr_min(&s), 1e-9);
        if (s.folds == 1 && c.slope >= 0) assert_true(c.cllr_min <= c.cllr + 1e-9);
    }
}

/* Sums over many slices, in one order. */
static void threads_do_not_change_a_bit(void **state) {
    (void)state;
    simulated s = simulate(4, 100, 4, true, 12, 0.9); /* 79,800 pairs */
    lk_trial given = trial_of(&s);
    lk_reliability c[3];
    for (int i = 0; i < 3; i++) {
        lk__threads_set(i + 1);
        ASSERT_OK(lk_reliability_measure(&given, NULL, &c[i], &failure));
        assert_true(c[i].slope == c[0].slope && c[i].intercept == c[0].intercept);
        assert_true(c[i].cllr == c[0].cllr && c[i].cllr_min == c[0].cllr_min);
        for (int b = 0; b < LK_RELIABILITY_BINS; b++)
            assert_true(c[i].bin[b].pairs == 0 || c[i].bin[b].predicted == c[0].bin[b].predicted);
    }
    lk__threads_set(0);
    forget(&s);
}

/* ---- intervals ---------------------------------------------------------------------------------- */

static void intervals_are_of_the_drawn_sets(void **state) {
    (void)state;
    enum { REPLICATES = 50 };
    simulated s = simulate(3, 25, 4, true, 6, 1);
    list_all_pairs(&s, 1);
    lk_trial given = trial_of(&s);
    const lk_bootstrap bootstrap = {REPLICATES, 8};
    lk_reliability c;
    lk__trial t;
    lk__draws d;
    ASSERT_OK(lk_reliability_measure(&given, &bootstrap, &c, &failure));
    ASSERT_OK(lk__trial_open(&given, &t, &failure));
    ASSERT_OK(lk__draws_make(&t, &bootstrap, &d, &failure));
    double drawn[LK_RELIABILITY_BINS][REPLICATES];
    for (size_t r = 1; r <= REPLICATES; r++) {
        double weight[LK_RELIABILITY_BINS][2] = {{0}}, total[2] = {0};
        for (size_t i = 0; i < s.count; i++) {
            double p = 1 / (1 + exp(-(c.slope * (double)t.cosine[i] + c.intercept))), w;
            const uint8_t *counts =
                d.count + r / LK__DRAW_LANES * d.people * LK__DRAW_LANES + r % LK__DRAW_LANES;
            uint32_t x = t.person[s.pairs[i].a], y = t.person[s.pairs[i].b];
            w = counts[x * LK__DRAW_LANES] * (x == y ? 1.0 : counts[y * LK__DRAW_LANES]);
            weight[(size_t)(p * 10)][s.pairs[i].same] += w;
            total[s.pairs[i].same] += w;
        }
        for (int b = 0; b < LK_RELIABILITY_BINS; b++) {
            double same = weight[b][1] / total[1], different = weight[b][0] / total[0];
            drawn[b][r - 1] = same / (same + different);
        }
    }
    int known = 0;
    for (int b = 0; b < LK_RELIABILITY_BINS; b++) {
        lk_interval want = lk__percentiles(drawn[b], REPLICATES);
        assert_close(c.bin[b].interval.low, want.low, 1e-9);
        assert_close(c.bin[b].interval.high, want.high, 1e-9);
        known += want.low < c.bin[b].observed && c.bin[b].observed < want.high;
    }
    assert_true(known >= 7);
    lk__draws_free(&d);
    lk__trial_close(&t);
    forget(&s);
}

static void refuses_what_cannot_be_fitted(void **state) {
    (void)state;
    set s = {0};
    add(&s, 0, 1, 0.5), add(&s, 0, 0, 0.25), add(&s, 1, 0, 0.5);
    lk_trial given = trial_of_set(&s);
    lk_reliability c = {.slope = 77};
    lk_error err = {LK_OK, ""};
    assert_int_equal(lk_reliability_measure(&given, NULL, &c, &err), LK_EMPTY);
    assert_non_null(strstr(err.message, "no same pair left"));
    given.count = 1;
    assert_int_equal(lk_reliability_measure(&given, NULL, &c, &err), LK_EMPTY);
    s.cosine[0] = NAN;
    given.count = 3;
    assert_int_equal(lk_reliability_measure(&given, NULL, &c, &err), LK_INVALID);
    assert_true(c.slope == 77);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_scores_are_met_exactly),
        cmocka_unit_test(separated_scores_give_a_finite_slope),
        cmocka_unit_test(equal_scores_tell_nothing),
        cmocka_unit_test(agrees_with_the_definitions),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(intervals_are_of_the_drawn_sets),
        cmocka_unit_test(refuses_what_cannot_be_fitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
