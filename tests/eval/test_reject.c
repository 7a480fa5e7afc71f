/* test_reject.c: error versus reject by hand, and against weighing pair by pair, with quality in few values.
 */
#include "eval/simulated.h"

/* Photos 0 .. 7 make four same pairs of quality 1, 2, 3, 4, of which the worst and the third are missed. */
static void by_hand(void **state) {
    (void)state;
    const lk_pair pairs[] = {{0, 1, 0, 1}, {0, 1, 2, 3}, {0, 1, 4, 5}, {0, 1, 6, 7},
                             {0, 0, 0, 2}, {0, 0, 0, 4}, {0, 0, 1, 6}, {0, 0, 1, 7}};
    const float cosine[] = {0.1f, 0.8f, 0.3f, 0.9f, 0.5f, 0.2f, 0, -0.5f};
    float quality[] = {1, 9, 9, 2, 3, 3, 4, 5};
    const lk_trial given = {.photos = 8, .pairs = pairs, .cosine = cosine, .count = 8};
    lk_reject_point p[5];
    size_t count = 0;
    ASSERT_OK(
        lk_reject_measure(&given, quality, 0.25, 4, p, &count, &failure)); /* one of four: down to 0.3 */
    assert_int_equal(count, 5);
    const double missed[] = {1.0 / 4, 0, 0, 0, 0};
    for (size_t i = 0; i < 5; i++) {
        assert_close(p[i].rejected, (double)i / 4, 1e-15);
        assert_close(p[i].missed, missed[i], 1e-15);
    }
    ASSERT_OK(lk_reject_measure(&given, quality, 0.3, 2, p, &count, &failure)); /* 0.3 allows one too */
    assert_int_equal(count, 3);
    assert_close(p[0].missed, 1.0 / 4, 1e-15);

    for (int i = 0; i < 8; i++) quality[i] = 5; /* quality says nothing: turning away at random */
    ASSERT_OK(lk_reject_measure(&given, quality, 0.25, 4, p, &count, &failure));
    for (size_t i = 0; i < 5; i++) assert_close(p[i].missed, 1.0 / 4, 1e-15);
}

/* Missed of the best `left` pairs, where pairs of one quality count by the share of them that is left. */
static double brute(const double *quality, const bool *missed, size_t n, double left) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double better = 0, equal = 0;
        for (size_t j = 0; j < n; j++) {
            better += quality[j] > quality[i];
            equal += quality[j] == quality[i];
        }
        sum += missed[i] * fmin(1, fmax(0, (left - better) / equal));
    }
    return sum / left;
}

static void agrees_with_weighing_each_pair(void **state) {
    (void)state;
    for (uint64_t round = 0; round < 60; round++) {
        simulated s = simulate(round, 12, 4, true, 4, 0.8);
        lk__random r = lk__random_stream(9, round, 0, 0);
        float quality[48];
        size_t levels = 1 + lk__random_below(&r, 20), steps = 1 + lk__random_below(&r, 30), count = 0;
        for (size_t i = 0; i < 48; i++) quality[i] = (float)lk__random_below(&r, levels) - 3;
        if (round % 2) list_all_pairs(&s, 1);
        lk_trial given = trial_of(&s);
        lk_verification v;
        ASSERT_OK(lk_verification_measure(&given, NULL, &v, &failure));
        lk_reject_point points[31];
        lk__threads_set(1 + (int)(round % 3));
        ASSERT_OK(lk_reject_measure(&given, quality, 0.01, steps, points, &count, &failure));
        lk__threads_set(0);
        assert_int_equal(count, steps + 1);

        double lower[72];
        bool missed[72];
        size_t n = 0;
        list_all_pairs(&s, 1);
        for (size_t i = 0; i < s.count; i++) {
            const lk_pair *p = &s.pairs[i];
            double cosine = lk_cosine(s.vectors + p->a * 4, s.vectors + p->b * 4, 4);
            if (!p->same) continue;
            lower[n] = fmin((double)quality[p->a], (double)quality[p->b]);
            missed[n++] = cosine < v.threshold_at_far[1] - 1e-6;
        }
        for (size_t i = 0; i < steps; i++) {
            assert_close(points[i].rejected, (double)i / (double)steps, 1e-15);
            assert_close(points[i].missed, brute(lower, missed, n, (double)(n * (steps - i)) / (double)steps),
                         1e-12);
        }
        assert_close(points[0].missed, 1 - v.tar_at_far[1], 1e-12);
        assert_close(points[steps].rejected, 1, 0);
        assert_close(points[steps].missed, points[steps - 1].missed, 0);
        lk_verification_free(&v);
        forget(&s);
    }
}

static void refuses_what_says_nothing(void **state) {
    (void)state;
    simulated s = simulate(1, 3, 2, true, 4, 1); /* 12 different pairs */
    float quality[6] = {0};
    lk_trial given = trial_of(&s);
    lk_reject_point points[3] = {{77, 77}};
    size_t count = 77;
    lk_error err = {LK_OK, ""};
    assert_int_equal(lk_reject_measure(&given, quality, 0.01, 2, points, &count, &err), LK_EMPTY);
    assert_non_null(strstr(err.message, "12 pairs"));
    assert_int_equal(lk_reject_measure(&given, quality, 0, 2, points, &count, NULL), LK_INVALID);
    assert_int_equal(lk_reject_measure(&given, quality, 1, 2, points, &count, NULL), LK_INVALID);
    assert_int_equal(lk_reject_measure(&given, quality, 0.5, 0, points, &count, NULL), LK_INVALID);
    quality[4] = NAN;
    assert_int_equal(lk_reject_measure(&given, quality, 0.5, 2, points, &count, &err), LK_INVALID);
    assert_non_null(strstr(err.message, "photo 4"));
    assert_true(count == 77 && points[0].missed == 77);
    list_all_pairs(&s, 1);
    size_t kept = 0;
    for (size_t i = 0; i < s.count; i++)
        if (s.pairs[i].a != 4 && s.pairs[i].b != 4) s.pairs[kept++] = s.pairs[i];
    s.count = kept; /* photo 4 is in no pair: its quality does not matter */
    given = trial_of(&s);
    ASSERT_OK(lk_reject_measure(&given, quality, 0.5, 2, points, &count, &failure));
    assert_int_equal(count, 3);
    forget(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(agrees_with_weighing_each_pair),
        cmocka_unit_test(refuses_what_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
