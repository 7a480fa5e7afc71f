/* test_calibration.c: a model's calibration on scores whose distribution is known: ratios, thresholds and the
 * tail are those of the distribution, and hold on fresh draws. */
#include "eval/simulated.h"

/* Scores of one label normal about a mean: the log-likelihood ratio of two such labels is straight. */
typedef struct scores {
    size_t n;
    lk_pair *pairs;
    float *cosine;
} scores;

static const double MEAN_SAME = 0.5, MEAN_DIFFERENT = 0.05, DEVIATION = 0.12;

static scores draw(uint64_t seed, size_t same, size_t different, double doubt) {
    lk__random r = lk__random_stream(seed, 31, 0, 0);
    scores s = {.n = same + different};
    s.pairs = get(s.n, sizeof *s.pairs);
    s.cosine = get(s.n, sizeof *s.cosine);
    for (size_t i = 0; i < s.n; i++) {
        bool label = i < same, one = label && lk__random_unit(&r) >= doubt;
        s.pairs[i] = (lk_pair){0, label, 0, 1};
        s.cosine[i] = (float)((one ? MEAN_SAME : MEAN_DIFFERENT) + DEVIATION * lk__random_normal(&r));
    }
    return s;
}

static lk_calibration fit(const scores *s) {
    lk_trial trial = {.photos = 2, .pairs = s->pairs, .cosine = s->cosine, .count = s->n};
    lk_calibration c;
    ASSERT_OK(lk_calibration_fit(&trial, NULL, &c, &failure));
    return c;
}

static void drop(scores *s) {
    free(s->pairs);
    free(s->cosine);
}

/* Of normal scores, slope (m1 - m0) / s^2 and a ratio of 1 midway. */
static const double SLOPE = 0.45 / (0.12 * 0.12), MIDWAY = 0.275;

static void the_ratio_is_that_of_the_distributions(void **state) {
    (void)state;
    scores s = draw(1, 20000, 200000, 0);
    lk_calibration c = fit(&s);
    assert_close(c.doubt, 0, 0.002);
    assert_close(c.slope, SLOPE, 0.03 * SLOPE);
    assert_close(-c.intercept / c.slope, MIDWAY, 0.005);
    assert_int_equal(c.pairs_same, 20000);
    assert_int_equal(c.pairs_different, 200000);
    drop(&s);
}

static void wrong_labels_are_told_from_the_rest(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        double doubt = (double[]){0.02, 0.1, 0.3}[i];
        scores s = draw(2 + (uint64_t)i, 30000, 300000, doubt);
        lk_calibration c = fit(&s);
        assert_close(c.doubt, doubt, 0.01);
        assert_close(c.slope, SLOPE, 0.05 * SLOPE);
        assert_close(-c.intercept / c.slope, MIDWAY, 0.01);
        drop(&s);
    }
}

/* Phi^-1 of 1 - FAR. */
static void thresholds_are_quantiles_and_the_tail_goes_on(void **state) {
    (void)state;
    static const double far[] = {1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4},
                        deviations[] = {1.28155, 1.88079, 2.32635, 2.74778, 3.09023, 3.43161, 3.71902};
    scores s = draw(9, 1000, 2000000, 0);
    lk_calibration c = fit(&s);
    assert_int_equal(c.levels, 7);
    for (size_t i = 0; i < c.levels; i++) {
        assert_close(c.level[i].far, far[i], 0);
        assert_close(c.level[i].cosine, MEAN_DIFFERENT + DEVIATION * deviations[i], 0.006);
        size_t reached = 0;
        for (size_t k = 1000; k < s.n; k++) reached += (double)s.cosine[k] >= c.level[i].cosine;
        assert_true((double)reached <= far[i] * 2e6 && (double)reached > far[i] * 2e6 - 2);
    }
    /* Ten times and a hundred times beyond what 30 errors show. The tail of 2,000 exceedances is not known
     * better: at 1e-6 a third of a deviation is a factor of 4 in FAR. */
    for (int i = 0; i < 2; i++) {
        double share = i ? 1e-2 : 1e-1, shape = c.tail_shape;
        double told = c.level[6].cosine + c.tail_scale / shape * (pow(share, -shape) - 1);
        assert_close((told - MEAN_DIFFERENT) / DEVIATION, i ? 4.7534 : 4.2649, i ? 0.4 : 0.2);
    }
    drop(&s);
}

/* The tail is generalised Pareto itself: its shape and scale come back, from any level on. */
static void a_pareto_tail_is_recovered(void **state) {
    (void)state;
    enum { N = 1000000 };
    const double shape = -0.2, scale = 0.08;
    lk__random r = lk__random_stream(5, 32, 0, 0);
    scores s = {.n = N + 100};
    s.pairs = get(s.n, sizeof *s.pairs);
    s.cosine = get(s.n, sizeof *s.cosine);
    for (size_t i = 0; i < s.n; i++) {
        s.pairs[i] = (lk_pair){0, i >= N, 0, 1};
        s.cosine[i] = (float)(i >= N ? 0.5 : scale / shape * (pow(1 - lk__random_unit(&r), -shape) - 1));
    }
    lk_calibration c = fit(&s);
    assert_close(c.tail_shape, shape, 0.12); /* 1,000 exceedances */
    double at = c.level[c.levels - 1].cosine;
    assert_close(c.tail_scale, scale + shape * at, 0.2 * (scale + shape * at));
    drop(&s);
}

static void little_gives_little(void **state) {
    (void)state;
    scores s = draw(3, 50, 400, 0);
    lk_calibration c = fit(&s);
    assert_int_equal(c.levels, 1);
    assert_close(c.tail_scale, 0, 0);
    drop(&s);
    s = draw(3, 50, 299, 0);
    lk_trial trial = {.photos = 2, .pairs = s.pairs, .cosine = s.cosine, .count = s.n};
    lk_error err;
    assert_int_equal(lk_calibration_fit(&trial, NULL, &c, &err), LK_EMPTY);
    assert_non_null(strstr(err.message, "299 pairs of two people"));
    drop(&s);
}

/* Fresh people: the share of strangers past a threshold is what was asked for. */
static void thresholds_hold_for_other_people(void **state) {
    (void)state;
    simulated s = simulate(4, 300, 4, true, 32, 0.6), t = simulate(5, 300, 4, true, 32, 0.6);
    lk_trial known = trial_of(&s), fresh = trial_of(&t);
    lk_calibration c;
    lk_verification v;
    ASSERT_OK(lk_calibration_fit(&known, NULL, &c, &failure));
    assert_int_equal(c.people, 300);
    assert_int_equal(c.photos, 1200);
    ASSERT_OK(lk_verification_measure(&fresh, NULL, &v, &failure));
    for (int i = 0; i < 3; i++) { /* 1e-1, 1e-2, 1e-3: levels 0, 2, 4 */
        double far = NAN;
        for (size_t k = 0; k < v.roc_count; k++)
            if (v.roc[k].threshold >= c.level[2 * i].cosine) far = v.roc[k].far;
        assert_true(far > 0.6 * lk_far_level(i) && far < 1.6 * lk_far_level(i));
    }
    lk_verification_free(&v);
    forget(&s);
    forget(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ratio_is_that_of_the_distributions),
        cmocka_unit_test(wrong_labels_are_told_from_the_rest),
        cmocka_unit_test(thresholds_are_quantiles_and_the_tail_goes_on),
        cmocka_unit_test(a_pareto_tail_is_recovered),
        cmocka_unit_test(little_gives_little),
        cmocka_unit_test(thresholds_hold_for_other_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
