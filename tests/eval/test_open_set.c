/* test_open_set.c: FPIR and FNIR by hand, and against their definition, told slowly, on sets full of ties. */
#include "eval/people.h"
#include "made_up.h"

static lk_open_set measure(const lk_trial *trial, size_t people, size_t enrolled, int repeats,
                           uint64_t seed) {
    lk_open_set o;
    lk_error err = {0};
    if (lk_open_set_measure(trial, people, enrolled, repeats, seed, &o, &err) != LK_OK)
        fail_msg("%s", err.message);
    assert_int_equal(o.people, people);
    for (size_t i = 1; i < o.count; i++) {
        assert_true(o.points[i].threshold < o.points[i - 1].threshold);
        assert_true(o.points[i].fpir >= o.points[i - 1].fpir);
        assert_true(o.points[i].fnir <= o.points[i - 1].fnir);
    }
    assert_near(o.points[0].fpir, 0);
    assert_near(o.points[0].fnir, 1);
    assert_near(o.points[o.count - 1].fpir, 1);
    return o;
}

static void at_angle(float *vector, double degrees) {
    vector[0] = (float)cos(degrees * 3.14159265358979 / 180);
    vector[1] = (float)sin(degrees * 3.14159265358979 / 180);
}

static void assert_point(lk_open_point p, double threshold, double fpir, double fnir) {
    if (!(fabs(p.threshold - threshold) < 1e-6))
        fail_msg("threshold %.9g, want %.9g", p.threshold, threshold);
    assert_near(p.fpir, fpir);
    assert_near(p.fnir, fnir);
}

/* On a circle; so placed that it does not matter which of a person's two photos is enrolled. Persons 0 and 1
 * find themselves at cosine 1; 2 are nearer to others than to themselves (-0.5); 3 find themselves at cos 40.
 * The strangers reach cos 30, with person 1, and cos 60. */
static void a_curve_by_hand(void **state) {
    (void)state;
    const double angle[] = {0, 0, 90, 90, 30, 150, 200, 240, 60, 300};
    const uint32_t person[] = {5, 5, 1, 1, 9, 9, 4, 4, 77, 78};
    float vectors[20];
    for (size_t i = 0; i < 10; i++) at_angle(vectors + 2 * i, angle[i]);
    lk_trial trial = {.vectors = vectors, .photos = 10, .dim = 2, .person = person};
    for (uint64_t seed = 0; seed < 20; seed++) {
        lk_open_set o = measure(&trial, 4, 1, 1, seed);
        assert_int_equal(o.mated, 4);
        assert_int_equal(o.strangers, 2);
        assert_int_equal(o.count, 5);
        assert_point(o.points[0], 1, 0, 1);
        assert_point(o.points[1], 1, 0, 0.5);
        assert_point(o.points[2], sqrt(0.75), 0.5, 0.5);
        assert_point(o.points[3], cos(40 * 3.14159265358979 / 180), 0.5, 0.25);
        assert_point(o.points[4], 0.5, 1, 0.25);
        for (int level = 0; level < LK_FPIR_COUNT; level++) { /* 2 strangers cannot say */
            assert_true(isnan(o.fnir_at_fpir[level]) && isnan(o.threshold_at_fpir[level]));
            assert_true(isnan(o.fnir_interval[level].low) && isnan(o.fnir_interval[level].high));
        }
        lk_open_set_free(&o);
        assert_null(o.points);
    }
    lk_open_set_free(NULL);
}

/* Whichever photos are enrolled: the first person's other one is at -0.1 to theirs and further from the
 * second's, the stranger at -0.178 or -0.2. */
static void cosines_below_zero(void **state) {
    (void)state;
    const float vectors[] = {1,     0,     0,     -0.1f, 0.99f, 0,     -0.3f, -0.5f,
                             0.81f, -0.3f, -0.5f, 0.81f, -0.2f, -0.2f, -0.96f};
    const uint32_t person[] = {1, 1, 2, 2, 3};
    lk_trial trial = {.vectors = vectors, .photos = 5, .dim = 3, .person = person};
    for (uint64_t seed = 0; seed < 10; seed++) {
        lk_open_set o = measure(&trial, 2, 1, 1, seed);
        assert_int_equal(o.count, 3);
        assert_point(o.points[1], -0.1, 0, 0);
        assert_near(o.points[2].fnir, 0);
        assert_true(o.points[2].threshold < -0.17 && o.points[2].threshold > -0.21);
        lk_open_set_free(&o);
    }
}

/* Ten people, each on two axes of their own, whose two photos have the given cosine; twenty strangers at the
 * given cosine to the first person, who is the same on both photos. */
static lk_open_set by_cosines(const double *own, const double *strangers) {
    enum { PEOPLE = 10, STRANGERS = 20, DIM = 2 * PEOPLE + STRANGERS, PHOTOS = 2 * PEOPLE + STRANGERS };
    static float vectors[PHOTOS * DIM];
    uint32_t person[PHOTOS];
    memset(vectors, 0, sizeof vectors);
    for (size_t i = 0; i < PEOPLE; i++) {
        float *a = vectors + 2 * i * DIM, *b = a + DIM;
        person[2 * i] = person[2 * i + 1] = (uint32_t)i;
        a[2 * i] = 1;
        b[2 * i] = (float)own[i];
        b[2 * i + 1] = (float)sqrt(1 - own[i] * own[i]);
    }
    for (size_t i = 0; i < STRANGERS; i++) {
        float *a = vectors + (2 * PEOPLE + i) * DIM;
        person[2 * PEOPLE + i] = (uint32_t)(100 + i);
        a[0] = (float)strangers[i];
        a[2 * PEOPLE + i] = (float)sqrt(1 - strangers[i] * strangers[i]);
    }
    lk_trial trial = {.vectors = vectors, .photos = PHOTOS, .dim = DIM, .person = person};
    return measure(&trial, PEOPLE, 1, 3, 1);
}

static void figures_at_a_level_by_hand(void **state) {
    (void)state;
    const double own[] = {1, 0.97, 0.93, 0.88, 0.87, 0.84, 0.83, 0.5, 0.4, 0.3};
    double strangers[20] = {0.95, 0.90, 0.85};
    for (size_t i = 3; i < 20; i++) strangers[i] = 0.8 - 0.01 * (double)i;
    lk_open_set o = by_cosines(own, strangers); /* FPIR 1e-1: two of twenty, so above 0.85 */
    assert_int_equal(o.mated, 30);
    assert_int_equal(o.strangers, 60);
    assert_near(o.fnir_at_fpir[0], 0.5);
    assert_near(o.threshold_at_fpir[0], (double)0.87f);
    assert_near(o.fnir_interval[0].low, 0.5);
    assert_near(o.fnir_interval[0].high, 0.5);
    assert_true(isnan(o.fnir_at_fpir[1]) && isnan(o.fnir_at_fpir[2])); /* sixty, but of twenty people */
    lk_open_set_free(&o);

    strangers[2] = 0.90; /* two at once: neither may pass */
    o = by_cosines(own, strangers);
    assert_near(o.fnir_at_fpir[0], 0.7);
    assert_near(o.threshold_at_fpir[0], (double)0.93f);
    lk_open_set_free(&o);

    for (size_t i = 0; i < 3; i++) strangers[i] = 1; /* as near as can be: nobody may pass */
    o = by_cosines(own, strangers);
    assert_near(o.fnir_at_fpir[0], 1);
    assert_true(o.threshold_at_fpir[0] > 1 && o.threshold_at_fpir[0] < 1 + 1e-12);
    lk_open_set_free(&o);
}

/* 60 people of 2 to 5 photos and 1200 of one. */
enum { MANY = 60, SINGLE = 1200, CROWD = 60 * 14 / 4 + SINGLE, CROWD_DIM = 24 };

static lk_trial crowd(float *vectors, uint32_t *person, double noise) {
    size_t n = 0;
    for (uint32_t i = 0; i < MANY; i++)
        for (uint32_t k = 0; k < 2 + i % 4; k++) person[n++] = i;
    for (uint32_t i = 0; i < SINGLE; i++) person[n++] = MANY + i;
    assert_int_equal(n, CROWD);
    make_faces(person, CROWD, CROWD_DIM, noise, vectors);
    return (lk_trial){.vectors = vectors, .photos = CROWD, .dim = CROWD_DIM, .person = person};
}

static void a_perfect_model_misses_nobody(void **state) {
    (void)state;
    static float vectors[CROWD * CROWD_DIM];
    static uint32_t person[CROWD];
    lk_trial trial = crowd(vectors, person, 0);
    lk_open_set o = measure(&trial, 40, 0, 5, 3);
    for (int level = 0; level < LK_FPIR_COUNT; level++) {
        assert_near(o.fnir_at_fpir[level], 0);
        assert_near(o.fnir_interval[level].high, 0);
    }
    bool nobody = false;
    for (size_t i = 0; i < o.count; i++) nobody = nobody || (o.points[i].fpir == 0 && o.points[i].fnir == 0);
    assert_true(nobody);
    lk_open_set_free(&o);
}

static void one_vector_for_all_finds_nobody(void **state) {
    (void)state;
    static float vectors[CROWD * CROWD_DIM];
    static uint32_t person[CROWD];
    lk_trial trial = crowd(vectors, person, 0);
    for (size_t i = 1; i < CROWD; i++) memcpy(vectors + i * CROWD_DIM, vectors, CROWD_DIM * sizeof *vectors);
    lk_open_set o = measure(&trial, 40, 0, 5, 3);
    assert_int_equal(o.count, 2);
    assert_near(o.points[1].fnir, 1);
    for (int level = 0; level < LK_FPIR_COUNT; level++) {
        assert_near(o.fnir_at_fpir[level], 1);
        assert_near(o.fnir_interval[level].low, 1);
    }
    lk_open_set_free(&o);
}

/* ---- draws ------------------------------------------------------------------------------------------ */

static void draws_are_fair_and_leave_a_probe(void **state) {
    (void)state;
    enum { PEOPLE = 8, DRAWS = 4000, DRAWN = 3 };
    const size_t photos[PEOPLE] = {2, 1, 5, 2, 3, 1, 4, 2};
    uint32_t person[20];
    float vectors[20];
    size_t n = 0, drawn[PEOPLE] = {0}, enrolled[20] = {0};
    for (size_t i = 0; i < PEOPLE; i++)
        for (size_t k = 0; k < photos[i]; k++) {
            vectors[n] = 1;
            person[n++] = (uint32_t)i;
        }
    lk_trial trial = {.vectors = vectors, .photos = n, .dim = 1, .person = person};
    lk__people all;
    assert_int_equal(lk__people_group(&trial, &all, NULL), LK_OK);
    assert_int_equal(all.count, PEOPLE);
    size_t eligible[] = {0, 2, 3, 4, 6, 7};
    for (uint64_t r = 0; r < DRAWS; r++) {
        lk__role role[20];
        size_t gallery[DRAWN] = {0}, probes[DRAWN] = {0}, of[DRAWN] = {0};
        lk__roles_draw(&all, eligible, 6, DRAWN, r % 2 ? 0 : 3, 1, r, role);
        for (size_t i = 0; i < n; i++) {
            if (role[i].person == LK__STRANGER) {
                assert_false(role[i].enrolled);
                continue;
            }
            assert_in_range(role[i].person, 0, DRAWN - 1);
            of[role[i].person] = person[i];
            gallery[role[i].person] += role[i].enrolled;
            probes[role[i].person] += !role[i].enrolled;
            if (r % 2) enrolled[i] += role[i].enrolled;
        }
        for (size_t k = 0; k < DRAWN; k++) {
            size_t all_of = photos[of[k]];
            assert_int_equal(gallery[k], r % 2 ? all_of / 2 : all_of > 3 ? 3 : all_of - 1);
            assert_int_equal(gallery[k] + probes[k], all_of);
            drawn[of[k]]++;
        }
    }
    lk__people_free(&all);
    for (size_t i = 0; i < PEOPLE; i++) /* 3 of 6, each: 2000 of 4000, deviation 32 */
        if (photos[i] >= 2) assert_in_range(drawn[i], 1850, 2150);
    for (size_t i = 0; i < n; i++) { /* half of half the draws: of 1000, deviation at most 16 */
        size_t of = photos[person[i]];
        if (of >= 2) assert_in_range(enrolled[i], 1000 * (of / 2) / of - 90, 1000 * (of / 2) / of + 90);
    }
}

/* ---- by definition ----------------------------------------------------------------------------------- */

typedef struct naive {
    double found[6000], strangers[6000]; /* scores; NAN: never found */
    size_t mated, stranger_count;
} naive;

static double cosine_of(const lk_trial *t, size_t a, size_t b) {
    return lk_cosine(t->vectors + a * (size_t)t->dim, t->vectors + b * (size_t)t->dim, t->dim);
}

static void search_slowly(const lk_trial *t, const lk__role *role, naive *s) {
    for (size_t i = 0; i < t->photos; i++) {
        if (role[i].enrolled) continue;
        double own = -INFINITY, other = -INFINITY;
        for (size_t g = 0; g < t->photos; g++)
            if (role[g].enrolled) {
                double *best = role[g].person == role[i].person ? &own : &other;
                *best = fmax(*best, cosine_of(t, i, g));
            }
        if (role[i].person == LK__STRANGER)
            s->strangers[s->stranger_count++] = other;
        else
            s->found[s->mated++] = own > other ? own : NAN;
    }
}

static double naive_fpir(const naive *s, size_t first, double threshold) {
    size_t wrong = 0;
    for (size_t i = first; i < s->stranger_count; i++) wrong += s->strangers[i] >= threshold;
    return (double)wrong / (double)(s->stranger_count - first);
}

static double naive_fnir(const naive *s, size_t first, double threshold) {
    size_t missed = 0;
    for (size_t i = first; i < s->mated; i++) missed += !(s->found[i] >= threshold);
    return (double)missed / (double)(s->mated - first);
}

/* Over every score as a threshold, of the probes from the given ones on. */
static double naive_at(const naive *s, size_t first_mated, size_t first_stranger, double level) {
    double lowest = 1;
    for (size_t i = first_mated; i < s->mated; i++)
        if (naive_fpir(s, first_stranger, s->found[i]) <= level + 1e-12 && !isnan(s->found[i]))
            lowest = fmin(lowest, naive_fnir(s, first_mated, s->found[i]));
    return lowest;
}

static int rising(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void check_curve(const lk_open_set *o, const naive *s) {
    for (size_t i = 0; i < o->count; i++) {
        assert_near(o->points[i].fpir, naive_fpir(s, 0, o->points[i].threshold));
        assert_near(o->points[i].fnir, naive_fnir(s, 0, o->points[i].threshold));
    }
    for (size_t k = 0; k < s->mated + s->stranger_count; k++) { /* what was left out lies on a straight run */
        double t = k < s->mated ? s->found[k] : s->strangers[k - s->mated];
        if (isnan(t)) continue;
        double fpir = naive_fpir(s, 0, t), fnir = naive_fnir(s, 0, t);
        size_t i = 0;
        while (o->points[i].threshold > t) i++;
        if (o->points[i].threshold == t) continue;
        assert_true((o->points[i - 1].fpir == fpir && o->points[i].fpir == fpir) ||
                    (o->points[i - 1].fnir == fnir && o->points[i].fnir == fnir));
    }
}

static void agrees_with_the_definition(void **state) {
    (void)state;
    enum { PHOTOS = 400, MOST_DIM = 19, REPEATS = 4 };
    static float vectors[PHOTOS * MOST_DIM];
    static naive s;
    uint32_t person[PHOTOS];
    int told = 0;
    for (int dim = 3; dim <= MOST_DIM; dim += 4) {
        lk__random random = lk__random_stream(11, (uint64_t)dim, 0, 0);
        for (size_t i = 0; i < PHOTOS; i++) /* a few photos of 30, one of each of the others */
            person[i] = i < 120 ? 1000 - (uint32_t)lk__random_below(&random, 30) : (uint32_t)i;
        make_faces(person, PHOTOS, dim, 0.05 * dim, vectors);
        round_to(dim < 10 ? 3 : 8, PHOTOS, dim, vectors);
        lk_trial trial = {.vectors = vectors, .photos = PHOTOS, .dim = dim, .person = person};
        lk__people all;
        assert_int_equal(lk__people_group(&trial, &all, NULL), LK_OK);
        size_t eligible[PHOTOS], eligible_count = 0, enrolled = (size_t)(dim / 4) % 3;
        for (size_t i = 0; i < all.count; i++)
            if (lk__people_photos(&all, i) >= 2) eligible[eligible_count++] = i;
        double fnir[REPEATS];
        s.mated = s.stranger_count = 0;
        for (uint64_t r = 0; r < REPEATS; r++) {
            lk__role role[PHOTOS];
            size_t mated = s.mated, strangers = s.stranger_count;
            lk__roles_draw(&all, eligible, eligible_count, 20, enrolled, 5, r, role);
            search_slowly(&trial, role, &s);
            fnir[r] = naive_at(&s, mated, strangers, 0.1);
        }
        lk__people_free(&all);
        qsort(fnir, REPEATS, sizeof *fnir, rising);
        told += fnir[0] < fnir[1] && fnir[2] < fnir[3] && fnir[3] < 1;
        for (int threads = 1; threads <= 3; threads++) {
            lk__threads_set(threads);
            lk_open_set o = measure(&trial, 20, enrolled, REPEATS, 5);
            assert_int_equal(o.mated, s.mated);
            assert_int_equal(o.strangers, s.stranger_count);
            check_curve(&o, &s);
            assert_near(o.fnir_at_fpir[0], naive_at(&s, 0, 0, 0.1));
            assert_near(naive_fnir(&s, 0, o.threshold_at_fpir[0]), o.fnir_at_fpir[0]);
            assert_true(naive_fpir(&s, 0, o.threshold_at_fpir[0]) <= 0.1);
            assert_near(o.fnir_interval[0].low, fnir[0] + 0.075 * (fnir[1] - fnir[0]));
            assert_near(o.fnir_interval[0].high, fnir[3] - 0.075 * (fnir[3] - fnir[2]));
            lk_open_set_free(&o);
        }
        lk__threads_set(0);
    }
    assert_true(told >= 3); /* sets that can tell */
}

/* Galleries of several blocks of rows, last blocks of odd sizes, people across the edge of two. */
static void agrees_on_a_gallery_of_many_blocks(void **state) {
    (void)state;
    enum { PHOTOS = 1500, DIM = 8 };
    static float vectors[PHOTOS * DIM];
    static naive s;
    static lk__role role[PHOTOS];
    static uint32_t person[PHOTOS];
    static size_t eligible[PHOTOS];
    for (size_t i = 0; i < PHOTOS; i++) person[i] = (uint32_t)(i < 1200 ? i / 7 : i);
    make_faces(person, PHOTOS, DIM, 0.3, vectors);
    round_to(64, PHOTOS, DIM, vectors);
    lk_trial trial = {.vectors = vectors, .photos = PHOTOS, .dim = DIM, .person = person};
    lk__people all;
    assert_int_equal(lk__people_group(&trial, &all, NULL), LK_OK);
    size_t eligible_count = 0;
    for (size_t i = 0; i < all.count; i++)
        if (lk__people_photos(&all, i) >= 2) eligible[eligible_count++] = i;
    s.mated = s.stranger_count = 0;
    lk__roles_draw(&all, eligible, eligible_count, 150, 5, 2, 0, role);
    search_slowly(&trial, role, &s);
    lk__people_free(&all);
    lk_open_set o = measure(&trial, 150, 5, 1, 2);
    check_curve(&o, &s);
    assert_near(o.fnir_at_fpir[1], naive_at(&s, 0, 0, 0.01));
    assert_true(o.fnir_at_fpir[1] > 0.02 && o.fnir_at_fpir[1] < 0.98); /* a set that could tell */
    assert_true(isnan(o.fnir_interval[1].low));                        /* one draw has no spread */
    lk_open_set_free(&o);
}

static void same_seed_same_curve(void **state) {
    (void)state;
    static float vectors[CROWD * CROWD_DIM];
    static uint32_t person[CROWD];
    lk_trial trial = crowd(vectors, person, 0.7);
    lk_open_set a = measure(&trial, 30, 1, 3, 8), b = measure(&trial, 30, 1, 3, 8),
                c = measure(&trial, 30, 1, 3, 9);
    assert_int_equal(a.count, b.count);
    assert_memory_equal(a.points, b.points, a.count * sizeof *a.points);
    assert_true(a.count != c.count || memcmp(a.points, c.points, a.count * sizeof *a.points) != 0);
    assert_true(a.fnir_interval[0].low < a.fnir_interval[0].high);
    lk_open_set_free(&a);
    lk_open_set_free(&b);
    lk_open_set_free(&c);
}

static void assert_refused(const lk_trial *trial, size_t people, int repeats, lk_status status,
                           const char *word) {
    lk_open_set untouched = {.people = 77};
    lk_error err = {0};
    assert_int_equal(lk_open_set_measure(trial, people, 1, repeats, 0, &untouched, &err), status);
    assert_int_equal(err.status, status);
    if (!strstr(err.message, word)) fail_msg("'%s' not in: %s", word, err.message);
    assert_int_equal(untouched.people, 77);
    assert_int_equal(lk_open_set_measure(trial, people, 1, repeats, 0, &untouched, NULL), status);
}

/* On a circle: one person of two photos, at 0; people of one photo at 40 and 90, of whom one or both fill the
 * gallery up; the stranger at 100 is 10 from one and 60 from the other. */
static void people_of_one_photo_fill_up(void **state) {
    (void)state;
    const double angle[] = {0, 5, 40, 90, 100};
    const uint32_t person[] = {1, 1, 2, 3, 4};
    float vectors[10];
    for (size_t i = 0; i < 5; i++) at_angle(vectors + 2 * i, angle[i]);
    lk_trial trial = {.vectors = vectors, .photos = 5, .dim = 2, .person = person};
    bool seen[3] = {false, false, false};
    for (uint64_t seed = 0; seed < 20; seed++) {
        lk_open_set o = measure(&trial, 3, 1, 1, seed);
        double fpir, fnir;
        assert_int_equal(o.photos, 3);
        assert_int_equal(o.mated, 1);
        assert_int_equal(o.strangers, 1);
        lk_open_set_at(&o, 0.99, &fpir, &fnir);
        assert_near(fnir, 0); /* cos 5 is 0.996 */
        assert_near(fpir, 0);
        lk_open_set_at(&o, 0.98, &fpir, &fnir);
        double best = acos((double)o.stranger_score[0]) * 180 / 3.14159265358979;
        seen[0] |= fabs(best - 10) < 1e-3;                           /* 100 to 90, or 90 to 100 */
        seen[1] |= fabs(best - 50) < 1e-3;                           /* 90 to 40 */
        seen[2] |= fabs(best - 35) < 1e-3 || fabs(best - 40) < 1e-3; /* 40 to 5 or 0 */
        assert_near(fpir, best < 11);
        lk_open_set_free(&o);
    }
    for (int i = 0; i < 3; i++) assert_true(seen[i] || i == 1); /* 90 is always next to 100 or enrolled */
}

static void refuses_what_cannot_be_measured(void **state) {
    (void)state;
    const float vectors[] = {1, 1, 1, 1, 1}, nan[] = {1, 1, 1, NAN, 1};
    const uint32_t person[] = {1, 1, 2, 2, 3}, nobody_else[] = {1, 1, 2, 2, 2}, all_apart[] = {1, 2, 3, 4, 5};
    lk_trial trial = {.vectors = vectors, .photos = 5, .dim = 1, .person = person}, other = trial;
    assert_refused(&trial, 4, 1, LK_EMPTY, "3 people; 4");
    other.person = all_apart;
    assert_refused(&other, 2, 1, LK_EMPTY, "nobody has 2 photos");
    other = trial;
    assert_refused(&trial, 0, 1, LK_INVALID, "0 people");
    assert_refused(&trial, 2, 0, LK_INVALID, "0 draws");
    other.person = nobody_else;
    assert_refused(&other, 2, 1, LK_EMPTY, "stranger");
    other.person = NULL;
    assert_refused(&other, 2, 1, LK_INVALID, "people");
    other = trial;
    other.vectors = NULL;
    assert_refused(&other, 2, 1, LK_INVALID, "vectors");
    other.vectors = nan;
    assert_refused(&other, 2, 1, LK_INVALID, "vector 3");
    other = trial;
    other.dim = 0;
    assert_refused(&other, 2, 1, LK_INVALID, "dim");
    other = trial;
    other.photos = 0;
    assert_refused(&other, 2, 1, LK_EMPTY, "no photo");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_curve_by_hand),
        cmocka_unit_test(cosines_below_zero),
        cmocka_unit_test(figures_at_a_level_by_hand),
        cmocka_unit_test(a_perfect_model_misses_nobody),
        cmocka_unit_test(one_vector_for_all_finds_nobody),
        cmocka_unit_test(draws_are_fair_and_leave_a_probe),
        cmocka_unit_test(agrees_with_the_definition),
        cmocka_unit_test(agrees_on_a_gallery_of_many_blocks),
        cmocka_unit_test(same_seed_same_curve),
        cmocka_unit_test(people_of_one_photo_fill_up),
        cmocka_unit_test(refuses_what_cannot_be_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
