/* test_compare.c: one model against itself, against a worse one, and against one that is as good, often. */
#include "eval/simulated.h"

/* The same photos seen by two models: what makes a photo hard for both (shared), and for one (own). */
typedef struct two_models {
    simulated a;
    float *b;
} two_models;

static two_models simulate_two(uint64_t seed, size_t people, double shared, double own_a, double own_b) {
    two_models m = {.a = simulate(seed, people, 4, true, 12, shared)};
    lk__random r = lk__random_stream(seed, 88, 0, 0);
    size_t dim = (size_t)m.a.dim;
    m.b = get(m.a.photos * dim, sizeof *m.b);
    for (size_t i = 0; i < m.a.photos; i++) {
        double norm[2] = {0}, at[2][12];
        for (size_t d = 0; d < dim; d++) {
            double seen = (double)m.a.vectors[i * dim + d] * 4;
            at[0][d] = seen + own_a * lk__random_normal(&r);
            at[1][d] = seen + own_b * lk__random_normal(&r);
            for (int k = 0; k < 2; k++) norm[k] += at[k][d] * at[k][d];
        }
        for (size_t d = 0; d < dim; d++) {
            m.a.vectors[i * dim + d] = (float)(at[0][d] / sqrt(norm[0]));
            m.b[i * dim + d] = (float)(at[1][d] / sqrt(norm[1]));
        }
    }
    list_all_pairs(&m.a, 5);
    return m;
}

static void forget_two(two_models *m) {
    forget(&m->a);
    free(m->b);
}

static lk_comparison compare(const two_models *m, const lk_bootstrap *bootstrap) {
    lk_trial a = trial_of(&m->a), b = a;
    lk_comparison c;
    b.vectors = m->b;
    ASSERT_OK(lk_verification_compare(&a, &b, bootstrap, &c, &failure));
    return c;
}

static void differences_are_b_less_a(void **state) {
    (void)state;
    two_models m = simulate_two(1, 60, 0.6, 0.3, 1.6);
    const lk_bootstrap bootstrap = {200, 4};
    lk_trial a = trial_of(&m.a), b = a;
    b.vectors = m.b;
    lk_verification va, vb;
    ASSERT_OK(lk_verification_measure(&a, &bootstrap, &va, &failure));
    ASSERT_OK(lk_verification_measure(&b, &bootstrap, &vb, &failure));
    lk_comparison c = compare(&m, &bootstrap);
    assert_close(c.accuracy, vb.accuracy - va.accuracy, 1e-15);
    assert_close(c.eer, vb.eer - va.eer, 1e-15);
    for (int i = 0; i < 2; i++) assert_close(c.tar_at_far[i], vb.tar_at_far[i] - va.tar_at_far[i], 1e-15);
    assert_true(isnan(c.tar_at_far[3]) && isnan(c.tar_interval[3].low)); /* too few pairs */
    /* b is worse, and that is beyond doubt. */
    assert_true(c.accuracy < -0.02 && c.eer > 0.02);
    assert_true(c.accuracy_interval.high < 0 && c.accuracy_interval.low < c.accuracy);
    assert_true(c.eer_interval.low > 0 && c.tar_interval[1].high < 0);
    assert_close(c.p, 2.0 / 201, 1e-12); /* no replicate says otherwise */
    /* What both have in common falls out: less than two independent intervals would be. */
    double apart =
        hypot(va.eer_interval.high - va.eer_interval.low, vb.eer_interval.high - vb.eer_interval.low);
    assert_true(c.eer_interval.high - c.eer_interval.low < 0.9 * apart);
    lk_verification_free(&va);
    lk_verification_free(&vb);
    forget_two(&m);
}

static void a_model_does_not_differ_from_itself(void **state) {
    (void)state;
    two_models m = simulate_two(2, 30, 0.8, 0, 0);
    lk_comparison c = compare(&m, &(lk_bootstrap){100, 4});
    assert_true(c.accuracy == 0 && c.eer == 0 && c.tar_at_far[0] == 0 && c.p == 1);
    assert_true(c.accuracy_interval.low == 0 && c.accuracy_interval.high == 0);
    c = compare(&m, NULL);
    assert_true(c.accuracy == 0 && isnan(c.p) && isnan(c.eer_interval.low) && isnan(c.tar_interval[0].high));
    forget_two(&m);
}

/* Each model is judged at thresholds of its own. */
static void the_scale_of_scores_does_not_matter(void **state) {
    (void)state;
    two_models m = simulate_two(5, 30, 0.8, 0, 0);
    lk_trial a = trial_of(&m.a), b = a;
    float *whole = get(m.a.count, sizeof *whole), *half = get(m.a.count, sizeof *half);
    for (size_t i = 0; i < m.a.count; i++) {
        whole[i] = (float)lk_cosine(m.a.vectors + m.a.pairs[i].a * 12, m.a.vectors + m.a.pairs[i].b * 12, 12);
        half[i] = whole[i] / 2;
    }
    a.cosine = whole;
    b.cosine = half;
    lk_comparison c;
    ASSERT_OK(lk_verification_compare(&a, &b, &(lk_bootstrap){100, 4}, &c, &failure));
    assert_true(c.accuracy == 0 && c.accuracy_interval.low == 0 && c.accuracy_interval.high == 0 && c.p == 1);
    free(whole);
    free(half);
    forget_two(&m);
}

/* Equally good models: p below 0.05 is an error, made in about 5 % of sets; and p is spread over all values.
 */
static void luck_is_called_a_difference_as_often_as_said(void **state) {
    (void)state;
    enum { SETS = 200 };
    int wrong = 0, low = 0;
    lk__threads_set(1); /* many small sets: waiting for each other would cost more than it saves */
    for (uint64_t set = 0; set < SETS; set++) {
        two_models m = simulate_two(100 + set, 60, 0.6, 0.7, 0.7);
        lk_comparison c = compare(&m, &(lk_bootstrap){200, set});
        wrong += c.p < 0.05;
        low += c.p < 0.5;
        forget_two(&m);
    }
    lk__threads_set(0);
    print_message("p < 0.05 in %d, p < 0.5 in %d of %d sets\n", wrong, low, SETS);
    assert_in_range(wrong, 2, 20);
    assert_in_range(low, 70, 130);
}

static void assert_mismatch(const lk_trial *a, const lk_trial *b, const char *word) {
    lk_comparison untouched = {.p = 77};
    lk_error err = {LK_OK, ""};
    assert_int_equal(lk_verification_compare(a, b, NULL, &untouched, &err), LK_MISMATCH);
    if (!strstr(err.message, word)) fail_msg("'%s' not in: %s", word, err.message);
    assert_true(untouched.p == 77);
}

static void refuses_other_pairs(void **state) {
    (void)state;
    two_models m = simulate_two(3, 10, 0.8, 0, 0), other = simulate_two(3, 10, 0.8, 0, 0);
    lk_trial a = trial_of(&m.a), b = trial_of(&other.a);
    b.count--;
    assert_mismatch(&a, &b, "different pairs");
    b = trial_of(&other.a);
    b.pairs = NULL;
    assert_mismatch(&a, &b, "different pairs");
    b = trial_of(&other.a);
    other.a.pairs[7].fold++;
    assert_mismatch(&a, &b, "the first is pair 7");
    other.a.pairs[7].fold--;
    other.a.pairs[6].b--;
    assert_mismatch(&a, &b, "the first is pair 6");
    other.a.pairs[6].b++;
    other.a.person[2] = 12345;
    assert_mismatch(&a, &b, "different people");
    b.person = NULL;
    assert_mismatch(&a, &b, "different people");
    lk_comparison c;
    a.count = b.count = 0; /* the same, but nothing */
    a.person = NULL;
    assert_int_equal(lk_verification_compare(&a, &b, NULL, &c, NULL), LK_EMPTY);
    forget_two(&m);
    forget_two(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_are_b_less_a),
        cmocka_unit_test(a_model_does_not_differ_from_itself),
        cmocka_unit_test(the_scale_of_scores_does_not_matter),
        cmocka_unit_test(luck_is_called_a_difference_as_often_as_said),
        cmocka_unit_test(refuses_other_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
