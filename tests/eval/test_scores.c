/* test_scores.c: the sorting against qsort, over sizes and kinds of scores; thresholds by trying each. */
#include "eval/simulated.h"

static int falling(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

static float draw(lk__random *r, int kind) {
    switch (kind) {
    case 0: return (float)lk__random_range(r, -1, 1);
    case 1: return (float)((double)lk__random_below(r, 7) / 3 - 1); /* ties, and zero */
    case 2: return 0.25f;
    case 3:
        return (float)ldexp(lk__random_range(r, -1, 1), (int)lk__random_below(r, 250) - 140); /* all sizes */
    default: return (float)(1 + lk__random_unit(r) * 1e-6); /* neighbours in the last bits */
    }
}

static void sorts_as_qsort(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 511, 512, 513, 514, 2047, 10000, 100003};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int kind = 0; kind < 5; kind++)
            for (int threads = 1; threads <= 3; threads++) {
                size_t n = sizes[s];
                float *got = malloc((n + 1) * sizeof *got), *scratch = malloc((n + 1) * sizeof *scratch);
                float *want = malloc((n + 1) * sizeof *want);
                assert_true(got && scratch && want);
                lk__random r = lk__random_stream(4, n, (uint64_t)kind, 0);
                for (size_t i = 0; i < n; i++) want[i] = got[i] = draw(&r, kind) + 0.0f;
                qsort(want, n, sizeof *want, falling);
                lk__threads_set(threads);
                ASSERT_OK(lk__sort_falling(got, scratch, n, &failure));
                lk__threads_set(0);
                for (size_t i = 0; i < n; i++) assert_true(got[i] == want[i]);
                free(got);
                free(scratch);
                free(want);
            }
}

static void counts_above_and_from(void **state) {
    (void)state;
    const float scores[] = {3, 2, 2, 2, -1};
    assert_int_equal(lk__count_above(scores, 5, 4), 0);
    assert_int_equal(lk__count_from(scores, 5, 3), 1);
    assert_int_equal(lk__count_above(scores, 5, 3), 0);
    assert_int_equal(lk__count_above(scores, 5, 2), 1);
    assert_int_equal(lk__count_from(scores, 5, 2), 4);
    assert_int_equal(lk__count_from(scores, 5, (double)INFINITY), 0);
    assert_int_equal(lk__count_above(scores, 5, -(double)INFINITY), 5);
    assert_int_equal(lk__count_above(scores, 0, 0), 0);
}

/* The lowest score with at most so many different pairs at or above it. */
static void threshold_allows_no_more(void **state) {
    (void)state;
    for (int round = 0; round < 500; round++) {
        lk__random r = lk__random_stream(6, (uint64_t)round, 0, 0);
        float same[40], different[40];
        lk__scores s = {same, different, 1 + lk__random_below(&r, 40), 1 + lk__random_below(&r, 40)};
        size_t levels = 1 + lk__random_below(&r, 50);
        for (size_t i = 0; i < s.same_count; i++) same[i] = (float)lk__random_below(&r, levels);
        for (size_t i = 0; i < s.different_count; i++) different[i] = (float)lk__random_below(&r, levels);
        qsort(same, s.same_count, sizeof *same, falling);
        qsort(different, s.different_count, sizeof *different, falling);
        for (size_t allowed = 0; allowed <= s.different_count + 1; allowed++) {
            double want = lk__above(&s);
            assert_true(want > (double)same[0] && want > (double)different[0] && isfinite(want));
            for (size_t i = 0; i < s.same_count + s.different_count; i++) {
                double t = (double)(i < s.same_count ? same[i] : different[i - s.same_count]);
                if (lk__count_from(different, s.different_count, t) <= allowed) want = fmin(want, t);
            }
            assert_true(lk__threshold_allowing(&s, allowed) == want);
        }
    }
}

/* Sorted by label, and by fold and label; and -0 is 0. */
static void trial_becomes_sorted_scores(void **state) {
    (void)state;
    const float cosine[] = {0.25f, -0.0f, 0.5f, 0, -1, 0.25f, 0.75f};
    const lk_pair pairs[] = {{8, 1, 0, 1}, {8, 0, 0, 1}, {2, 1, 0, 1}, {2, 0, 0, 1},
                             {2, 0, 0, 1}, {8, 0, 0, 1}, {8, 1, 0, 1}};
    const lk_trial given = {.photos = 2, .pairs = pairs, .cosine = cosine, .count = 7};
    lk__trial trial;
    lk__sorted s;
    ASSERT_OK(lk__trial_open(&given, &trial, &failure));
    ASSERT_OK(lk__scores_sort(&trial, &s, &failure));
    const float same[] = {0.75f, 0.5f, 0.25f}, different[] = {0.25f, 0, 0, -1};
    assert_int_equal(s.all.same_count, 3);
    assert_int_equal(s.all.different_count, 4);
    assert_memory_equal(s.all.same, same, sizeof same);
    assert_memory_equal(s.all.different, different, sizeof different);
    const float same8[] = {0.75f, 0.25f}, different2[] = {0, -1};
    assert_int_equal(s.fold_count, 2);
    assert_int_equal(s.fold[0].same_count, 1); /* fold 2 */
    assert_int_equal(s.fold[1].same_count, 2);
    assert_memory_equal(s.fold[1].same, same8, sizeof same8);
    assert_int_equal(s.fold[0].different_count, 2);
    assert_memory_equal(s.fold[0].different, different2, sizeof different2);
    lk__scores_free(&s);
    lk__trial_close(&trial);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_as_qsort),
        cmocka_unit_test(counts_above_and_from),
        cmocka_unit_test(threshold_allows_no_more),
        cmocka_unit_test(trial_becomes_sorted_scores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
