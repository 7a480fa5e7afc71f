/* The sampler: what a batch holds, how often each person comes, and what it says when it cannot work. */
#include "contrast/contrast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PEOPLE = 12, P = 5, K = 4 };
static const size_t COUNTS[PEOPLE] = {0, 1, 2, 3, 4, 5, 6, 9, 12, 40, 1, 100};

static void firsts(const size_t *counts, size_t people, size_t *first) {
    size_t at = 1000; /* not 0: an index that is used as is shows */
    for (size_t i = 0; i < people; at += counts[i++]) first[i] = at;
}

static lk__sampler *sampler_new(const size_t *counts, size_t people, int p, int k, uint64_t seed) {
    size_t first[64];
    lk_error err;
    lk__sampler *s = NULL;
    assert_true(people <= 64);
    firsts(counts, people, first);
    assert_int_equal(lk__sampler_new(first, counts, people, p, k, seed, &s, &err), LK_OK);
    return s;
}

static void a_batch_is_p_people_of_k_photos(void **state) {
    (void)state;
    size_t first[PEOPLE], photo[16 * 16];
    uint32_t label[16 * 16];
    firsts(COUNTS, PEOPLE, first);
    for (size_t k = 2; k <= 13; k++) {
        lk__sampler *s = sampler_new(COUNTS, PEOPLE, P, (int)k, 3);
        for (uint64_t step = 0; step < 300; step++) {
            lk__sampler_batch(s, step, photo, label);
            bool used[PEOPLE] = {false};
            for (size_t i = 0; i < P; i++) {
                uint32_t person = label[i * k];
                assert_true(person < PEOPLE && COUNTS[person] >= 2);
                assert_false(used[person]);
                used[person] = true;
                size_t times[100] = {0};
                for (size_t c = i * k; c < (i + 1) * k; c++) {
                    assert_int_equal(label[c], person);
                    assert_in_range(photo[c], first[person], first[person] + COUNTS[person] - 1);
                    times[photo[c] - first[person]]++;
                }
                size_t least = k / COUNTS[person], most = least + (k % COUNTS[person] != 0);
                for (size_t c = 0; c < COUNTS[person]; c++) assert_in_range(times[c], least, most);
            }
        }
        lk__sampler_free(s);
    }
}

/* The first person of a batch is drawn with chance weight / sum. 8 degrees of freedom: over 35 has a chance
 * of 3e-5; the plain number of photos or no weight at all give thousands. */
static void people_come_by_their_weight(void **state) {
    (void)state;
    enum { STEPS = 40000 };
    lk__sampler *s = sampler_new(COUNTS, PEOPLE, 2, 2, 11);
    double seen[PEOPLE] = {0}, weight[PEOPLE] = {0}, sum = 0, chi = 0;
    for (uint64_t step = 0; step < STEPS; step++) {
        size_t photo[4];
        uint32_t label[4];
        lk__sampler_batch(s, step, photo, label);
        seen[label[0]]++;
    }
    for (size_t i = 0; i < PEOPLE; i++)
        if (COUNTS[i] >= 2) sum += weight[i] = pow(fmin((double)COUNTS[i], 12), 0.7);
    for (size_t i = 0; i < PEOPLE; i++) {
        double want = STEPS * weight[i] / sum;
        if (want > 0)
            chi += (seen[i] - want) * (seen[i] - want) / want;
        else
            assert_true(seen[i] == 0);
    }
    assert_true(chi > 0.5 && chi < 35);
    lk__sampler_free(s);
}

/* Photos of one person are drawn evenly, those past full rounds too. 6 degrees of freedom, as above. */
static void photos_come_evenly(void **state) {
    (void)state;
    const size_t counts[] = {7, 7};
    const size_t ks[] = {3, 10};
    for (int which = 0; which < 2; which++) {
        size_t k = ks[which], photo[20];
        uint32_t label[20];
        double seen[7] = {0}, chi = 0, want = 20000 * (double)k / 7;
        lk__sampler *s = sampler_new(counts, 2, 2, (int)k, 12);
        for (uint64_t step = 0; step < 20000; step++) {
            lk__sampler_batch(s, step, photo, label);
            for (size_t i = 0; i < 2 * k; i++)
                if (label[i] == 1) seen[photo[i] - 1007]++;
        }
        for (int i = 0; i < 7; i++) chi += (seen[i] - want) * (seen[i] - want) / want;
        assert_true(chi > 0.01 && chi < 30);
        lk__sampler_free(s);
    }
}

static void a_batch_depends_on_seed_and_step_alone(void **state) {
    (void)state;
    lk__sampler *s = sampler_new(COUNTS, PEOPLE, P, K, 5), *t = sampler_new(COUNTS, PEOPLE, P, K, 5),
                *u = sampler_new(COUNTS, PEOPLE, P, K, 6);
    size_t a[P * K], b[P * K], c[P * K], same_step = 0, same_seed = 0;
    uint32_t la[P * K], lb[P * K], lc[P * K];
    for (uint64_t step = 50; step-- > 0;) { /* backwards, with other batches in between */
        lk__sampler_batch(s, step, a, la);
        lk__sampler_batch(t, 49 - step, b, lb);
        lk__sampler_batch(t, step, b, lb);
        assert_memory_equal(a, b, sizeof a);
        assert_memory_equal(la, lb, sizeof la);
        lk__sampler_batch(u, step, c, lc);
        same_seed += !memcmp(a, c, sizeof a);
        lk__sampler_batch(s, step + 1000, c, lc);
        same_step += !memcmp(a, c, sizeof a);
    }
    assert_int_equal(same_seed + same_step, 0);
    lk__sampler_free(s);
    lk__sampler_free(t);
    lk__sampler_free(u);
}

static void everyone_in_one_batch(void **state) {
    (void)state;
    size_t counts[64], photo[128];
    uint32_t label[128];
    for (size_t i = 0; i < 64; i++) counts[i] = i % 2 ? 2 : 50;
    lk__sampler *s = sampler_new(counts, 64, 64, 2, 1);
    for (uint64_t step = 0; step < 20; step++) {
        bool used[64] = {false};
        lk__sampler_batch(s, step, photo, label);
        for (size_t i = 0; i < 64; i++) used[label[2 * i]] = true;
        for (size_t i = 0; i < 64; i++) assert_true(used[i]);
    }
    lk__sampler_free(s);
}

static void check_refused(const size_t *counts, size_t people, int p, int k, lk_status want,
                          const char *const *words) {
    size_t first[64] = {0};
    int marker;
    lk__sampler *s = (lk__sampler *)&marker;
    lk_error err = {LK_OK, ""};
    firsts(counts, people, first);
    assert_int_equal(lk__sampler_new(first, counts, people, p, k, 1, &s, &err), want);
    assert_int_equal(err.status, want);
    assert_ptr_equal(s, &marker); /* untouched */
    for (; *words; words++)
        if (!strstr(err.message, *words)) fail_msg("\"%s\" does not say \"%s\"", err.message, *words);
    assert_int_equal(lk__sampler_new(first, counts, people, p, k, 1, &s, NULL), want);
}

static void refusals_name_the_numbers(void **state) {
    (void)state;
    const size_t none[] = {1, 1, 1}, one[] = {1, 30, 1, 0}, three[] = {2, 2, 2, 1};
    check_refused(none, 0, 2, 2, LK_EMPTY, (const char *const[]){"0 of 0 people", "at least 2", NULL});
    check_refused(none, 3, 2, 2, LK_EMPTY, (const char *const[]){"0 of 3 people", "2 photos", NULL});
    check_refused(one, 4, 8, 4, LK_EMPTY, (const char *const[]){"1 of 4 people", "2 photos", NULL});
    check_refused(three, 4, 4, 2, LK_INVALID,
                  (const char *const[]){"4 different people", "from 3 people", NULL});
    check_refused(three, 4, 1, 2, LK_INVALID,
                  (const char *const[]){"1 people x 2 photos", "at least 2", NULL});
    check_refused(three, 4, 2, 1, LK_INVALID, (const char *const[]){"2 people x 1 photos", NULL});
    check_refused(three, 4, -3, 2, LK_INVALID, (const char *const[]){"-3 people", NULL});
    lk__sampler_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_p_people_of_k_photos),
        cmocka_unit_test(people_come_by_their_weight),
        cmocka_unit_test(photos_come_evenly),
        cmocka_unit_test(a_batch_depends_on_seed_and_step_alone),
        cmocka_unit_test(everyone_in_one_batch),
        cmocka_unit_test(refusals_name_the_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
