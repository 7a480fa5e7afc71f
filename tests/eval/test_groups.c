/* test_groups.c: groups by hand, and against counting pair by pair in each drawn set. */
#include "eval/simulated.h"

/* Two groups of two people, two photos each; the last photo is of no group. */
static const uint32_t person[] = {1, 1, 2, 2, 3, 3, 4, 4, 5};
static const int group[] = {0, 0, 0, 0, 1, 1, 1, 1, LK_NO_GROUP};

static void by_hand(void **state) {
    (void)state;
    const lk_pair pairs[] = {{0, 1, 0, 1}, {0, 1, 2, 3}, {0, 0, 0, 2}, {0, 0, 1, 3}, {0, 0, 1, 2},
                             {0, 1, 4, 5}, {0, 0, 4, 6}, {0, 0, 0, 4}, {0, 0, 8, 0}};
    const float cosine[] = {0.9f, 0.4f, 0.5f, 0.1f, 0, 0.6f, 0.2f, 0.9f, 0.9f};
    const lk_trial given = {.photos = 9, .person = person, .pairs = pairs, .cosine = cosine, .count = 9};
    lk_group g[3];
    ASSERT_OK(lk_groups_measure(&given, group, 3, 0.5, NULL, g, &failure));
    assert_true(g[0].people == 2 && g[0].same == 2 && g[0].different == 3);
    assert_close(g[0].tar, 0.5, 1e-15);
    assert_close(g[0].far, 1.0 / 3, 1e-15); /* 0.5 is at the threshold: accepted */
    assert_close(g[0].accuracy, 3.0 / 5, 1e-15);
    lk_interval wilson = lk__wilson(1, 3);
    assert_true(g[0].far_interval.low == wilson.low && g[0].far_interval.high == wilson.high);
    wilson = lk__wilson(3, 5);
    assert_close(g[0].accuracy_interval.low, wilson.low, 1e-15);
    assert_true(g[1].people == 2 && g[1].same == 1 && g[1].different == 1);
    assert_close(g[1].tar, 1, 0);
    assert_close(g[1].far, 0, 0);
    assert_close(g[1].tar_interval.high, 1, 1e-15);
    assert_true(g[1].tar_interval.low > 0.2 && g[1].tar_interval.low < 0.21); /* 1 of 1: 1 / (1 + z^2) */
    assert_true(g[2].people == 0 && g[2].same == 0 && g[2].different == 0);   /* nobody */
    assert_true(isnan(g[2].tar) && isnan(g[2].far) && isnan(g[2].accuracy) && isnan(g[2].tar_interval.low));
}

static double share(double part, double whole) {
    return whole > 0 ? part / whole : NAN;
}

typedef struct counted {
    double pairs[2], accepted[2];
} counted;

static counted count(const simulated *s, const lk__trial *t, const lk__draws *d, const int *groups,
                     int wanted, double threshold, size_t replicate) {
    counted c = {{0}, {0}};
    for (size_t i = 0; i < s->count; i++) {
        const lk_pair *pair = &s->pairs[i];
        if (groups[pair->a] != wanted || groups[pair->b] != wanted) continue;
        size_t chunk = replicate / LK__DRAW_LANES, lane = replicate % LK__DRAW_LANES;
        const uint8_t *counts = d->count + chunk * d->people * LK__DRAW_LANES + lane;
        uint32_t p = t->person[pair->a], q = t->person[pair->b];
        double weight = counts[p * LK__DRAW_LANES];
        if (p != q) weight *= counts[q * LK__DRAW_LANES];
        c.pairs[pair->same] += weight;
        if ((double)t->cosine[i] >= threshold) c.accepted[pair->same] += weight;
    }
    return c;
}

static void check_interval(lk_interval got, double *drawn, size_t n, double value, double pairs) {
    lk_interval want = lk__percentiles(drawn, n);
    if (!(value > 0 && value < 1) || isnan(want.low)) want = lk__wilson(value * pairs, pairs);
    if (isnan(value)) want = lk__no_interval();
    assert_close(got.low, want.low, 1e-12);
    assert_close(got.high, want.high, 1e-12);
}

static void agrees_with_counting_each_drawn_set(void **state) {
    (void)state;
    enum { REPLICATES = 60, GROUPS = 3 };
    for (uint64_t round = 0; round < 20; round++) {
        simulated s = simulate(round, 12, 4, false, 6, 1);
        int groups[48];
        for (size_t i = 0; i < s.photos; i++) groups[i] = (int)(s.person[i] / 3 % (GROUPS + 1)) - 1;
        lk_trial given = trial_of(&s);
        lk_group g[GROUPS];
        const lk_bootstrap bootstrap = {REPLICATES, round};
        if (round % 2 == 0)
            ASSERT_OK(lk_groups_measure(&given, groups, GROUPS, 0.5, &bootstrap, g, &failure));
        list_all_pairs(&s, 1);
        given = trial_of(&s);
        if (round % 2 == 1)
            ASSERT_OK(lk_groups_measure(&given, groups, GROUPS, 0.5, &bootstrap, g, &failure));
        lk__trial t;
        lk__draws d;
        ASSERT_OK(lk__trial_open(&given, &t, &failure));
        ASSERT_OK(lk__draws_make(&t, &bootstrap, &d, &failure));
        for (int k = 0; k < GROUPS; k++) {
            double tar[REPLICATES], far[REPLICATES], accuracy[REPLICATES];
            counted c = count(&s, &t, &d, groups, k, 0.5, 0);
            double same = c.pairs[1], different = c.pairs[0];
            for (size_t r = 0; r < REPLICATES; r++) {
                counted drawn = count(&s, &t, &d, groups, k, 0.5, r + 1);
                tar[r] = share(drawn.accepted[1], drawn.pairs[1]);
                far[r] = share(drawn.accepted[0], drawn.pairs[0]);
                accuracy[r] =
                    ((same > 0 ? same * tar[r] : 0) + (different > 0 ? different * (1 - far[r]) : 0)) /
                    (same + different);
            }
            assert_int_equal(g[k].same, same);
            assert_int_equal(g[k].different, different);
            assert_close(g[k].tar, share(c.accepted[1], same), 1e-15);
            assert_close(g[k].far, share(c.accepted[0], different), 1e-15);
            double right = c.accepted[1] + different - c.accepted[0];
            assert_close(g[k].accuracy, share(right, same + different), 1e-15);
            check_interval(g[k].tar_interval, tar, REPLICATES, g[k].tar, same);
            check_interval(g[k].far_interval, far, REPLICATES, g[k].far, different);
            check_interval(g[k].accuracy_interval, accuracy, REPLICATES, g[k].accuracy, same + different);
        }
        lk__draws_free(&d);
        lk__trial_close(&t);
        forget(&s);
    }
}

static void refuses_groups_that_are_not(void **state) {
    (void)state;
    float cosine[1] = {0};
    const lk_pair pair = {0, 1, 0, 1};
    lk_trial given = {.photos = 9, .person = person, .pairs = &pair, .cosine = cosine, .count = 1};
    lk_group g[2] = {{.people = 77}};
    lk_error err = {LK_OK, ""};
    assert_int_equal(lk_groups_measure(&given, group, 1, 0.5, NULL, g, &err), LK_INVALID);
    assert_non_null(strstr(err.message, "photo 4 is of group 1"));
    const int odd[9] = {0, -2};
    assert_int_equal(lk_groups_measure(&given, odd, 2, 0.5, NULL, g, &err), LK_INVALID);
    assert_int_equal(lk_groups_measure(&given, group, 0, 0.5, NULL, g, &err), LK_INVALID);
    assert_int_equal(lk_groups_measure(&given, group, 2, (double)NAN, NULL, g, &err), LK_INVALID);
    cosine[0] = NAN;
    assert_int_equal(lk_groups_measure(&given, group, 2, 0.5, NULL, g, &err), LK_INVALID);
    assert_int_equal(g[0].people, 77);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(agrees_with_counting_each_drawn_set),
        cmocka_unit_test(refuses_groups_that_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
