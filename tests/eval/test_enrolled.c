/* test_enrolled.c: rank-1 by the number of photos enrolled: by hand, and against its definition. */
#include "eval/people.h"
#include "made_up.h"

static void measure(const lk_trial *trial, size_t most, uint64_t seed, double *rank1, size_t *people,
                    size_t *probes) {
    lk_error err = {0};
    if (lk_enrolled_measure(trial, most, seed, rank1, people, probes, &err) != LK_OK)
        fail_msg("%s", err.message);
}

/* Two photos from the front and one from the side, which the model takes for different things: it knows only
 * what it has seen. A third of the probes are from the side, and never found. Of those from the front, half
 * have the front enrolled first, and the others have it with the second photo: 1/3, then 2/3. */
static void a_second_view_helps(void **state) {
    (void)state;
    enum { PEOPLE = 600, DIM = 2 * PEOPLE, PHOTOS = 3 * PEOPLE };
    float *vectors = calloc((size_t)PHOTOS * DIM, sizeof *vectors);
    uint32_t *person = malloc(PHOTOS * sizeof *person);
    assert_true(vectors && person);
    for (size_t i = 0; i < PHOTOS; i++) {
        person[i] = (uint32_t)(i / 3);
        vectors[i * DIM + i / 3 * 2 + (i % 3 == 2)] = 1;
    }
    double rank1[2];
    size_t people, probes;
    lk_trial trial = {.vectors = vectors, .photos = PHOTOS, .dim = DIM, .person = person};
    measure(&trial, 2, 4, rank1, &people, &probes);
    assert_int_equal(people, PEOPLE);
    assert_int_equal(probes, PEOPLE);
    assert_true(fabs(rank1[0] - 1.0 / 3) < 0.08 && fabs(rank1[1] - 2.0 / 3) < 0.08); /* four deviations */
    free(vectors);
    free(person);
}

static void perfect_and_worthless_models(void **state) {
    (void)state;
    enum { PEOPLE = 9, DIM = 5, PHOTOS = 4 * PEOPLE + 3, MOST = 3 };
    float vectors[PHOTOS * DIM];
    uint32_t person[PHOTOS];
    for (size_t i = 0; i < PHOTOS; i++)
        person[i] = (uint32_t)(i < 4 * PEOPLE ? i / 4 : 100); /* 100: 3 photos */
    make_faces(person, PHOTOS, DIM, 0, vectors);
    lk_trial trial = {.vectors = vectors, .photos = PHOTOS, .dim = DIM, .person = person};
    double rank1[MOST];
    size_t people, probes;
    measure(&trial, MOST, 1, rank1, &people, &probes);
    assert_int_equal(people, PEOPLE);
    assert_int_equal(probes, PEOPLE);
    for (size_t k = 0; k < MOST; k++) assert_near(rank1[k], 1);
    for (size_t i = 1; i < PHOTOS; i++) memcpy(vectors + i * DIM, vectors, DIM * sizeof *vectors);
    measure(&trial, MOST, 1, rank1, &people, &probes);
    for (size_t k = 0; k < MOST; k++) assert_near(rank1[k], 0); /* ties count against the probe */
}

/* Whichever of the first person's photos is the probe, both people are at an obtuse angle, theirs the lesser.
 */
static void cosines_below_zero(void **state) {
    (void)state;
    const float vectors[] = {1, 0, -0.1f, 0.99f, -0.5f, -0.87f, -0.5f, -0.87f};
    const uint32_t person[] = {1, 1, 2, 2};
    lk_trial trial = {.vectors = vectors, .photos = 4, .dim = 2, .person = person};
    for (uint64_t seed = 0; seed < 10; seed++) {
        double rank1;
        size_t people, probes;
        measure(&trial, 1, seed, &rank1, &people, &probes);
        assert_int_equal(probes, 2);
        assert_near(rank1, 1);
    }
}

static double cosine_of(const lk_trial *t, size_t a, size_t b) {
    return lk_cosine(t->vectors + a * (size_t)t->dim, t->vectors + b * (size_t)t->dim, t->dim);
}

/* Is the probe's person, i, first with k photos of everybody? */
static bool first_of_all(const lk_trial *t, const lk__people *all, size_t most, size_t k, size_t i,
                         size_t probe) {
    double own = -INFINITY, other = -INFINITY;
    for (size_t j = 0; j < all->count; j++)
        for (size_t p = 0; p < k && lk__people_photos(all, j) > most; p++) {
            double *best = j == i ? &own : &other;
            *best = fmax(*best, cosine_of(t, probe, all->photo[all->first[j] + p]));
        }
    return own > other;
}

static void agrees_with_the_definition(void **state) {
    (void)state;
    enum { PHOTOS = 1600, MOST_DIM = 9, MOST = 4 };
    static float vectors[PHOTOS * MOST_DIM];
    static uint32_t person[PHOTOS];
    for (int dim = 5; dim <= MOST_DIM; dim += 2) {
        lk__random random = lk__random_stream(12, (uint64_t)dim, 0, 0);
        size_t crowd = dim == MOST_DIM ? 330 : 40,
               photos = dim == MOST_DIM ? PHOTOS : 200; /* one block, and more */
        for (size_t i = 0; i < photos; i++) person[i] = 3 * (uint32_t)lk__random_below(&random, crowd);
        make_faces(person, photos, dim, 0.4, vectors);
        round_to(dim == MOST_DIM ? 64 : 3, photos, dim, vectors);
        lk_trial trial = {.vectors = vectors, .photos = photos, .dim = dim, .person = person};
        lk__people all;
        assert_int_equal(lk__people_group(&trial, &all, NULL), LK_OK);
        size_t hits[MOST] = {0}, want_people = 0, want_probes = 0;
        for (size_t i = 0; i < all.count; i++)
            if (lk__people_photos(&all, i) > MOST) lk__order_draw(&all, i, MOST, 6);
        for (size_t i = 0; i < all.count; i++) {
            if (lk__people_photos(&all, i) <= MOST) continue;
            want_people++;
            for (size_t p = all.first[i] + MOST; p < all.first[i + 1]; p++, want_probes++)
                for (size_t k = 1; k <= MOST; k++)
                    hits[k - 1] += first_of_all(&trial, &all, MOST, k, i, all.photo[p]);
        }
        lk__people_free(&all);
        assert_true(hits[0] > 0 && hits[MOST - 1] < want_probes);
        for (int threads = 1; threads <= 3; threads++) {
            double rank1[MOST];
            size_t people, probes;
            lk__threads_set(threads);
            measure(&trial, MOST, 6, rank1, &people, &probes);
            assert_int_equal(people, want_people);
            assert_int_equal(probes, want_probes);
            for (size_t k = 0; k < MOST; k++) assert_near(rank1[k], (double)hits[k] / (double)want_probes);
        }
        lk__threads_set(0);
    }
}

static void assert_refused(const lk_trial *trial, size_t most, lk_status status, const char *word) {
    double rank1[] = {7, 7, 7};
    size_t people = 77, probes = 88;
    lk_error err = {0};
    assert_int_equal(lk_enrolled_measure(trial, most, 0, rank1, &people, &probes, &err), status);
    assert_int_equal(err.status, status);
    if (!strstr(err.message, word)) fail_msg("'%s' not in: %s", word, err.message);
    assert_true(rank1[0] == 7 && people == 77 && probes == 88);
}

static void refuses_what_cannot_be_measured(void **state) {
    (void)state;
    const float vectors[] = {1, 1, 1, 1, 1}, infinite[] = {1, INFINITY, 1, 1, 1};
    const uint32_t person[] = {1, 1, 1, 2, 2};
    lk_trial trial = {.vectors = vectors, .photos = 5, .dim = 1, .person = person};
    assert_refused(&trial, 2, LK_EMPTY, "1 people have more than 2 photos");
    assert_refused(&trial, SIZE_MAX, LK_EMPTY, "0 people");
    assert_refused(&trial, 0, LK_INVALID, "0 photos");
    trial.vectors = infinite;
    assert_refused(&trial, 1, LK_INVALID, "vector 1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_view_helps),
        cmocka_unit_test(perfect_and_worthless_models),
        cmocka_unit_test(cosines_below_zero),
        cmocka_unit_test(agrees_with_the_definition),
        cmocka_unit_test(refuses_what_cannot_be_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
