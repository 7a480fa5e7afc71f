/* Distance-weighted mining: negatives come as often as the paper's density says. */
#include "contrast/contrast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

enum { MOST = 32, DRAWS = 99999 };

/* Wu et al. 2017, equations 3 and 4: min(lambda, 1 / q(d)), as written; 0 beyond 1.4. */
static double chance(double d, int dim) {
    if (d > 1.4) return 0;
    d = fmax(d, 0.5);
    return 1 / (pow(d, dim - 2) * pow(1 - d * d / 4, (dim - 3) / 2.0));
}

/* What a chi-square of so many degrees of freedom passes once in a thousand times (Wilson & Hilferty 1931).
 */
static double chi_square_most(double freedom) {
    double v = 2 / (9 * freedom);
    return freedom * pow(1 - v + 3.09 * sqrt(v), 3);
}

/* Draws of anchor `a` against `want` (n), of any sum; three at a time, as for three positives. */
static void check_draws(const float *distance, const uint32_t *label, size_t n, uint32_t a, int dim,
                        const double *want) {
    double seen[MOST] = {0}, total = 0, chi = 0, kinds = 0;
    lk__random r = lk__random_stream(17, (uint64_t)dim, n, 0);
    lk__batch b = {.label = label, .n = n, .dim = dim, .rows = n};
    for (int k = 0; k < DRAWS; k += 3) {
        lk__triplet t[3] = {{.a = a, .n = MOST}, {.a = a, .n = MOST}, {.a = a, .n = MOST}};
        lk__draw_by_distance(&b, distance, &r, t, 3);
        for (int i = 0; i < 3; i++) {
            assert_true(t[i].n < n && label[t[i].n] != label[a] && t[i].negative == distance[t[i].n]);
            seen[t[i].n]++;
        }
    }
    for (size_t i = 0; i < n; i++) total += want[i];
    for (size_t i = 0; i < n; i++) {
        double expected = want[i] / total * DRAWS;
        if (want[i] == 0) assert_true(seen[i] == 0);
        if (expected < 5) continue; /* too rare for a chi-square */
        chi += (seen[i] - expected) * (seen[i] - expected) / expected;
        kinds++;
    }
    assert_true(kinds >= 2);
    if (!(chi < chi_square_most(kinds - 1)))
        fail_msg("dim %d: chi-square %.1f of %.0f kinds", dim, chi, kinds);
}

static void draws_follow_the_density(void **state) {
    (void)state;
    const int dims[] = {2, 3, 8, 32, 128};
    for (size_t k = 0; k < sizeof dims / sizeof *dims; k++) {
        float distance[MOST];
        uint32_t label[MOST];
        double want[MOST];
        for (size_t i = 0; i < MOST; i++) {
            label[i] = i % 5 == 2 ? 9 : (uint32_t)(10 + i);            /* of photo 2 */
            distance[i] = 0.2f + 0.05f * (float)i;                     /* 0.2 .. 1.75 */
            if (dims[k] >= 32) distance[i] = 1.25f + 0.01f * (float)i; /* else the nearest is all there is */
            want[i] = label[i] == 9 ? 0 : chance((double)distance[i], dims[k]);
        }
        check_draws(distance, label, MOST, 2, dims[k], want);
    }
}

/* All as likely: when none is within 1.4, and within 0.5, where all count as 0.5. */
static void draws_are_even_at_the_ends(void **state) {
    (void)state;
    for (int near = 0; near < 2; near++) {
        float distance[12];
        uint32_t label[12];
        double want[12];
        for (size_t i = 0; i < 12; i++) {
            label[i] = (uint32_t)(i % 4);
            distance[i] = near ? 0.04f * (float)i : 1.45f + 0.04f * (float)i;
            want[i] = label[i] != 3;
        }
        check_draws(distance, label, 12, 3, 64, want);
    }
}

/* The chance of 0.5 in 2048 dimensions is 10^600 that of 1.4; and NaN is not drawn while there are numbers.
 */
static void extremes(void **state) {
    (void)state;
    const float distance[] = {0, 1.39f, 0.7f, NAN, 1.2f}, all_nan[] = {0, NAN, NAN, NAN, NAN};
    const uint32_t label[] = {1, 2, 2, 2, 2};
    lk__random r = lk__random_stream(1, 0, 0, 0);
    lk__batch b = {.label = label, .n = 5, .dim = 2048, .rows = 1};
    for (int k = 0; k < 1000; k++) {
        lk__triplet t = {.n = 0};
        lk__draw_by_distance(&b, distance, &r, &t, 1);
        assert_int_equal(t.n, 2);
        t.n = 0;
        lk__draw_by_distance(&b, all_nan, &r, &t, 1);
        assert_int_not_equal(t.n, 0);
    }
}

/* As a miner: each pair (a, p) once, whoever mines it, another seed other negatives. */
static void mined(void **state) {
    (void)state;
    enum { N = 12 };
    float distance[N * N];
    uint32_t label[N];
    lk__triplet whole[N * N], part[N * N], other[N * N];
    lk__random r = lk__random_stream(2, 0, 0, 0);
    for (size_t i = 0; i < N; i++) {
        label[i] = (uint32_t)(i / 3);
        for (size_t j = 0; j <= i; j++)
            distance[i * N + j] = distance[j * N + i] = i == j ? 0 : (float)lk__random_range(&r, 1.2, 1.4);
    }
    lk__batch b = {.label = label, .n = N, .dim = 16, .rows = N};
    size_t count = lk__mine(LK_MINING_DISTANCE_WEIGHTED, &b, distance, 5, whole);
    assert_int_equal(count, N * 2);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(whole[i].a, i / 2);
        assert_true(whole[i].p != whole[i].a && label[whole[i].p] == label[whole[i].a]);
        assert_true(label[whole[i].n] != label[whole[i].a]);
        assert_true(whole[i].negative == distance[whole[i].a * N + whole[i].n]);
    }
    b.first = 6;
    b.rows = 3;
    assert_int_equal(lk__mine(LK_MINING_DISTANCE_WEIGHTED, &b, distance + 6 * N, 5, part), 6);
    assert_memory_equal(part, whole + 12, 6 * sizeof *part);
    b.first = 0;
    b.rows = N;
    lk__mine(LK_MINING_DISTANCE_WEIGHTED, &b, distance, 6, other);
    assert_true(memcmp(other, whole, count * sizeof *whole) != 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_follow_the_density),
        cmocka_unit_test(draws_are_even_at_the_ends),
        cmocka_unit_test(extremes),
        cmocka_unit_test(mined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
