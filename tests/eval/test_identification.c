/* test_identification.c: ranks by hand, and against sorting all people for each probe. */
#include "base/base.h"
#include "likeness/eval.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_near(double got, double want) {
    if (!(fabs(got - want) <= 1e-12)) fail_msg("got %.15g, want %.15g", got, want);
}

static lk_identification measure(const float *gallery, const size_t *gallery_person, size_t gallery_count,
                                 const float *probes, const size_t *probe_person, size_t probe_count,
                                 int dim) {
    lk_identification id;
    lk_error err = {0};
    if (lk_identification_measure(gallery, gallery_person, gallery_count, probes, probe_person, probe_count,
                                  dim, &id, &err) != LK_OK)
        fail_msg("%s", err.message);
    assert_int_equal(id.gallery_photos, gallery_count);
    assert_int_equal(id.probes, probe_count);
    assert_int_equal(id.cmc_count, id.people);
    assert_near(id.cmc[id.cmc_count - 1], 1);
    assert_near(id.rank1, id.cmc[0]);
    assert_near(id.rank5, id.cmc[id.people < 5 ? id.people - 1 : 4]);
    return id;
}

/* Three people on a circle. Two photos of person 10 lie on both sides of the probes: the closest speaks for
 * them. */
static void best_photo_speaks_for_a_person(void **state) {
    (void)state;
    const float gallery[] = {1, 0, 0, 1, 0.6f, 0.8f, -1, 0};
    const size_t people[] = {10, 10, 20, 30};
    const float probes[] = {0.96f, 0.28f, 0.8f, 0.6f, 0, -1};
    const size_t wanted[] = {10, 10, 30};
    lk_identification id = measure(gallery, people, 4, probes, wanted, 3, 2);
    assert_int_equal(id.people, 3);
    /* First: 0.96 of 10 against 0.8 of 20. Second: 0.8 against 0.96. Third: 0 of 30, 0 of 10 too (a tie),
     * -0.8 of 20. */
    assert_near(id.cmc[0], 1.0 / 3);
    assert_near(id.cmc[1], 1);
    assert_near(id.rank5, 1);
    lk_identification_free(&id);
    assert_null(id.cmc);
    lk_identification_free(NULL);
}

static void ties_count_against_the_probe(void **state) {
    (void)state;
    enum { PEOPLE = 6, DIM = 3 };
    float same[PEOPLE * DIM] = {0};
    size_t person[PEOPLE];
    for (size_t i = 0; i < PEOPLE; i++) {
        same[i * DIM] = 1;
        person[i] = i * i;
    }
    lk_identification id = measure(same, person, PEOPLE, same, person, PEOPLE, DIM);
    for (size_t r = 0; r + 1 < PEOPLE; r++) assert_near(id.cmc[r], 0);
    assert_near(id.rank5, 0);
    lk_identification_free(&id);
}

static void one_person_is_always_found(void **state) {
    (void)state;
    const float gallery[] = {-1}, probe[] = {1};
    const size_t person[] = {SIZE_MAX};
    lk_identification id = measure(gallery, person, 1, probe, person, 1, 1);
    assert_near(id.rank1, 1);
    assert_int_equal(id.people, 1);
    lk_identification_free(&id);
}

static float brute_score(const float *gallery, const size_t *person, size_t count, size_t who,
                         const float *probe, int dim) {
    float best = -INFINITY;
    for (size_t g = 0; g < count; g++) {
        float sum = 0;
        for (int d = 0; d < dim; d++) sum += gallery[g * (size_t)dim + (size_t)d] * probe[d];
        if (person[g] == who && sum > best) best = sum;
    }
    return best;
}

/* Whole numbers, so that sums are exact in any order and ties are many. */
static void agrees_with_brute_force_on_ties(void **state) {
    (void)state;
    enum { PEOPLE = 23, GALLERY = 90, PROBES = 61, MOST_DIM = 37 };
    float gallery[GALLERY * MOST_DIM], probes[PROBES * MOST_DIM];
    size_t gallery_person[GALLERY], probe_person[PROBES];
    for (int dim = 1; dim <= MOST_DIM; dim += 3) {
        lk__random r = lk__random_stream(21, (uint64_t)dim, 0, 0);
        for (size_t i = 0; i < GALLERY * (size_t)dim; i++) gallery[i] = (float)lk__random_below(&r, 3) - 1;
        for (size_t i = 0; i < PROBES * (size_t)dim; i++) probes[i] = (float)lk__random_below(&r, 3) - 1;
        for (size_t i = 0; i < GALLERY; i++)
            gallery_person[i] = 1000 - 3 * (i < PEOPLE ? i : lk__random_below(&r, PEOPLE));
        for (size_t i = 0; i < PROBES; i++) probe_person[i] = 1000 - 3 * lk__random_below(&r, PEOPLE);

        double cmc[PEOPLE] = {0};
        for (size_t p = 0; p < PROBES; p++) {
            const float *probe = probes + p * (size_t)dim;
            float right = brute_score(gallery, gallery_person, GALLERY, probe_person[p], probe, dim);
            size_t rank = 0;
            for (size_t i = 0; i < PEOPLE; i++)
                rank += 1000 - 3 * i != probe_person[p] &&
                        brute_score(gallery, gallery_person, GALLERY, 1000 - 3 * i, probe, dim) >= right;
            for (size_t i = rank; i < PEOPLE; i++) cmc[i] += 1.0 / PROBES;
        }
        for (int threads = 1; threads <= 3; threads++) { /* the same for any number of threads */
            lk__threads_set(threads);
            lk_identification id =
                measure(gallery, gallery_person, GALLERY, probes, probe_person, PROBES, dim);
            assert_int_equal(id.people, PEOPLE);
            for (size_t i = 0; i < PEOPLE; i++) assert_near(id.cmc[i], cmc[i]);
            lk_identification_free(&id);
        }
        lk__threads_set(0);
    }
}

static void assert_refused(const float *gallery, size_t gallery_count, const float *probes,
                           const size_t *probe_person, size_t probe_count, int dim, lk_status status,
                           const char *word) {
    const size_t gallery_person[] = {1, 2};
    lk_identification untouched = {.people = 77};
    lk_error err = {0};
    assert_int_equal(lk_identification_measure(gallery, gallery_person, gallery_count, probes, probe_person,
                                               probe_count, dim, &untouched, &err),
                     status);
    assert_int_equal(err.status, status);
    if (!strstr(err.message, word)) fail_msg("'%s' not in: %s", word, err.message);
    assert_int_equal(untouched.people, 77);
    assert_null(untouched.cmc);
}

static void refuses_what_cannot_be_measured(void **state) {
    (void)state;
    const float good[] = {1, 0, 0, 1}, nan[] = {1, 0, 0, NAN}, infinite[] = {INFINITY, 0, 0, 1};
    const size_t known[] = {2, 1}, stranger[] = {1, 3};
    assert_refused(good, 0, good, known, 2, 2, LK_EMPTY, "gallery");
    assert_refused(good, 2, good, known, 0, 2, LK_EMPTY, "no probe");
    assert_refused(good, 2, good, stranger, 2, 2, LK_EMPTY, "probe 1 shows person 3");
    assert_refused(nan, 2, good, known, 2, 2, LK_INVALID, "gallery vector 1");
    assert_refused(good, 2, infinite, known, 2, 2, LK_INVALID, "probe vector 0");
    assert_refused(good, 2, good, known, 2, 0, LK_INVALID, "dim");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(best_photo_speaks_for_a_person),  cmocka_unit_test(ties_count_against_the_probe),
        cmocka_unit_test(one_person_is_always_found),      cmocka_unit_test(agrees_with_brute_force_on_ties),
        cmocka_unit_test(refuses_what_cannot_be_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
