/* test_mistakes.c: the worst pairs against sorting all of them, with ties, on any number of threads. */
#include "eval/simulated.h"

static int strangers_worst_first(const void *a, const void *b) {
    const lk_mistake *x = a, *y = b;
    if (x->cosine != y->cosine) return x->cosine > y->cosine ? -1 : 1;
    if (x->a != y->a) return x->a < y->a ? -1 : 1;
    return (x->b > y->b) - (x->b < y->b);
}

static int same_worst_first(const void *a, const void *b) {
    lk_mistake x = *(const lk_mistake *)a, y = *(const lk_mistake *)b;
    x.cosine = -x.cosine;
    y.cosine = -y.cosine;
    return strangers_worst_first(&x, &y);
}

static void assert_mistakes(const lk_mistake *got, size_t count, const lk_mistake *want, size_t want_count) {
    assert_int_equal(count, want_count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(got[i].a, want[i].a);
        assert_int_equal(got[i].b, want[i].b);
        assert_true(got[i].cosine == want[i].cosine);
    }
}

static void agrees_with_sorting_all(void **state) {
    (void)state;
    for (uint64_t round = 0; round < 60; round++) {
        /* Some large enough for several threads. */
        simulated s = simulate(round, round % 10 == 9 ? 60 : 1 + round % 12, 4, false, 4, 1);
        list_all_pairs(&s, 1);
        lk_mistake *want[2] = {get(s.count, sizeof **want), get(s.count, sizeof **want)};
        lk_mistake *got[2] = {get(s.count, sizeof **got), get(s.count, sizeof **got)};
        float *cosine = get(s.count, sizeof *cosine);
        size_t count[2] = {0}, got_count[2] = {0};
        for (size_t i = 0; i < s.count; i++) {
            const lk_pair *p = &s.pairs[i];
            double exact = lk_cosine(s.vectors + p->a * 4, s.vectors + p->b * 4, 4);
            cosine[i] = (float)(floor(exact * 3) / 3); /* many ties */
            want[p->same][count[p->same]++] = (lk_mistake){p->a, p->b, (double)cosine[i]};
        }
        qsort(want[0], count[0], sizeof **want, strangers_worst_first);
        qsort(want[1], count[1], sizeof **want, same_worst_first);
        lk_trial given = trial_of(&s);
        given.cosine = cosine;
        size_t m = round % 3 == 0 ? s.count : round % 7; /* all, or none, or a few */
        lk__threads_set(1 + (int)(round % 4));
        ASSERT_OK(lk_mistakes_find(&given, m, got[0], &got_count[0], got[1], &got_count[1], &failure));
        lk__threads_set(0);
        for (int same = 0; same < 2; same++) {
            assert_mistakes(got[same], got_count[same], want[same], m < count[same] ? m : count[same]);
            free(want[same]);
            free(got[same]);
        }
        free(cosine);
        forget(&s);
    }
}

/* Every pair of photos, by hand: 0 and 2 are strangers and alike, 0 and 1 one person and not. */
static void finds_the_wrong_labels(void **state) {
    (void)state;
    const float vectors[] = {1, 0, 0, 1, 0.96f, 0.28f, 0.28f, -0.96f};
    const uint32_t person[] = {3, 3, 5, 6};
    const lk_trial given = {.vectors = vectors, .photos = 4, .dim = 2, .person = person};
    lk_mistake different[2], same[2];
    size_t different_count, same_count;
    ASSERT_OK(lk_mistakes_find(&given, 2, different, &different_count, same, &same_count, &failure));
    assert_int_equal(different_count, 2);
    assert_int_equal(same_count, 1);
    assert_true(different[0].a == 0 && different[0].b == 2);
    assert_close(different[0].cosine, 0.96, 1e-7);
    assert_close(different[1].cosine, 0.28, 1e-7);
    assert_true(same[0].a == 0 && same[0].b == 1);
    assert_close(same[0].cosine, 0, 1e-7);
    different_count = 77;
    const lk_trial one = {.vectors = vectors, .photos = 1, .dim = 2, .person = person};
    assert_int_equal(lk_mistakes_find(&one, 2, different, &different_count, same, &same_count, NULL),
                     LK_EMPTY);
    assert_int_equal(different_count, 77);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_sorting_all),
        cmocka_unit_test(finds_the_wrong_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
