/* lk_labels_judge on people who are points: a person is a direction, a photo that direction with noise, and
 * what all photos of a camera share is on top. Faults are made on purpose, so that it is known what should be
 * found. */
#include "eval/labels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { DIM = 32, MOST = 6000, PEOPLE_MOST = 400 };

/* A set of photos, and of each whose it really is. */
typedef struct world {
    float vectors[MOST * DIM];
    size_t person[MOST], truth[MOST];
    uint32_t set[MOST];
    size_t count, people;
    double direction[PEOPLE_MOST][DIM];
    lk__random random;
} world;

static world *new_world(size_t people, uint64_t seed) {
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->people = people;
    w->random = lk__random_stream(seed, 'w', 0, 0);
    for (size_t p = 0; p < PEOPLE_MOST; p++)
        for (int d = 0; d < DIM; d++) w->direction[p][d] = lk__random_normal(&w->random) / sqrt(DIM);
    return w;
}

/* A photo of `truth` in the folder of `person`, by a camera. */
static void add_photo(world *w, size_t truth, size_t person, uint32_t camera, double noise) {
    double x[DIM], square = 0;
    for (int d = 0; d < DIM; d++) {
        double shared = d % 5 == (int)camera ? 0.25 : 0; /* of norm 0.6 or so */
        /* Noise is larger in some directions than in others, as pose and light are. */
        double spread = noise * (d % 4 == 0 ? 2 : 0.6) / sqrt(DIM);
        x[d] = w->direction[truth][d] + shared + spread * lk__random_normal(&w->random);
        square += x[d] * x[d];
    }
    assert_true(w->count < MOST);
    for (int d = 0; d < DIM; d++) w->vectors[w->count * DIM + (size_t)d] = (float)(x[d] / sqrt(square));
    w->person[w->count] = person;
    w->truth[w->count] = truth;
    w->set[w->count++] = camera;
}

static void add_people(world *w, size_t first, size_t last, size_t photos, double noise) {
    for (size_t p = first; p < last; p++)
        for (size_t k = 0; k < photos + p % 3; k++) add_photo(w, p, p, 0, noise);
}

static lk_label_input input(const world *w) {
    return (lk_label_input){.vectors = w->vectors,
                            .person = w->person,
                            .count = w->count,
                            .people = w->people,
                            .judged_people = w->people,
                            .dim = DIM,
                            .seed = 1,
                            .threads = 2};
}

static lk_labels judge(const lk_label_input *in) {
    lk_labels labels = {0};
    lk_error err = {LK_OK, ""};
    if (lk_labels_judge(in, &labels, &err) != LK_OK) fail_msg("%s", err.message);
    return labels;
}

static void at_least(const char *what, size_t found, size_t of, double share) {
    if (of == 0 || (double)found < share * (double)of)
        fail_msg("%s: %zu of %zu, expected %.2f at least", what, found, of, share);
}

/* ---- photos -------------------------------------------------------------------------------------------- */

static void test_wrong_labels(void **state) {
    (void)state;
    world *w = new_world(160, 1);
    add_people(w, 0, 150, 7, 1);
    size_t right = w->count;
    for (size_t k = 0; k < 40; k++) add_photo(w, k, 149 - k, 0, 1);      /* people who have a folder */
    for (size_t k = 0; k < 20; k++) add_photo(w, 200 + k, 50 + k, 0, 1); /* who have none */
    lk_label_input in = input(w);
    lk_labels labels = judge(&in);
    size_t told = 0, hit = 0, moved = 0, absent = 0, named = 0;
    for (size_t i = 0; i < w->count; i++) {
        const lk_photo_label *l = &labels.photos[i];
        assert_true(l->doubt >= 0 && l->doubt <= 1);
        assert_true(l->nearest != w->person[i]);
        if (l->doubt < 0.5) continue;
        told++;
        hit += i >= right;
        moved += i >= right && i < right + 40;
        absent += i >= right + 40;
        if (i >= right && i < right + 40) named += l->somebody && l->nearest == w->truth[i];
    }
    at_least("told that are wrong", hit, told, 0.9);
    at_least("found, with a folder", moved, 40, 0.9);
    at_least("found, without one", absent, 20, 0.7);
    at_least("whose photo it is, too", named, 40, 0.8);
    assert_true(fabs(labels.wrong_share - 60.0 / (double)w->count) < 0.02);
    lk_labels_free(&labels);
    free(w);
}

/* Where all is well nothing is told. */
static void test_nothing(void **state) {
    (void)state;
    for (uint64_t seed = 10; seed < 15; seed++) {
        world *w = new_world(80, seed);
        add_people(w, 0, 80, 4, 1);
        lk_label_input in = input(w);
        lk_labels labels = judge(&in);
        size_t told = 0;
        for (size_t i = 0; i < w->count; i++) told += labels.photos[i].doubt >= 0.5;
        for (size_t i = 0; i < labels.split_count; i++) told += labels.splits[i].doubt >= 0.5;
        for (size_t i = 0; i < labels.pair_count; i++) told += labels.pairs[i].doubt >= 0.5;
        if (told > 1) fail_msg("seed %d: %zu told", (int)seed, told);
        lk_labels_free(&labels);
        free(w);
    }
}

/* What all photos of a camera share is no likeness: with two cameras, a photo is judged as with one. */
static void test_cameras(void **state) {
    (void)state;
    size_t hit[2] = {0};
    world *w = new_world(120, 3);
    for (size_t p = 0; p < 120; p++)
        for (size_t k = 0; k < 8; k++) add_photo(w, p, p, (uint32_t)(p % 10 == 0 ? k % 2 : p % 2), 1);
    size_t right = w->count;
    for (size_t k = 0; k < 30; k++) add_photo(w, 2 * k, 2 * k + 1, 1, 1);
    for (int given = 0; given < 2; given++) {
        lk_label_input in = input(w);
        in.set = given ? w->set : NULL;
        lk_labels labels = judge(&in);
        for (size_t i = right; i < w->count; i++) hit[given] += labels.photos[i].doubt >= 0.5;
        lk_labels_free(&labels);
    }
    at_least("found, cameras known", hit[1], 30, 0.8);
    assert_true(hit[1] > hit[0]);
    free(w);
}

/* Of a person with two photos at most one is told. */
static void test_two_photos(void **state) {
    (void)state;
    world *w = new_world(150, 4);
    for (size_t p = 0; p < 150; p++)
        for (size_t k = 0; k < 2; k++) add_photo(w, k == 1 && p < 15 ? 149 - p : p, p, 0, 0.4);
    lk_label_input in = input(w);
    lk_labels labels = judge(&in);
    size_t told = 0;
    for (size_t p = 0; p < 150; p++) {
        assert_true(!(labels.photos[2 * p].doubt >= 0.5 && labels.photos[2 * p + 1].doubt >= 0.5));
        if (p < 15) told += labels.photos[2 * p + 1].doubt >= 0.5;
    }
    at_least("found among pairs", told, 15, 0.6);
    lk_labels_free(&labels);
    free(w);
}

/* ---- people -------------------------------------------------------------------------------------------- */

static void test_people(void **state) {
    (void)state;
    world *w = new_world(220, 5);
    add_people(w, 0, 180, 9, 1);
    for (size_t k = 0; k < 8; k++) /* 180.. are 20 + k again */
        for (size_t i = 0; i < 9; i++) add_photo(w, 20 + k, 180 + k, 0, 1);
    for (size_t k = 0; k < 8; k++) /* 200.. hold two people who have no other folder */
        for (size_t i = 0; i < 12; i++) add_photo(w, (i < 7 ? 300 : 320) + k, 200 + k, 0, 1);
    lk_label_input in = input(w);
    lk_labels labels = judge(&in);
    size_t told = 0, hit = 0;
    for (size_t i = 0; i < labels.pair_count; i++) {
        const lk_people_pair *p = &labels.pairs[i];
        assert_true(p->a < p->b && p->doubt >= 0.01);
        if (i > 0) assert_true(p[-1].doubt >= p->doubt);
        told += p->doubt >= 0.5;
        hit += p->doubt >= 0.5 && p->b == p->a + 160;
    }
    at_least("pairs told that are one person", hit, told, 0.8);
    at_least("people with two folders", hit, 8, 0.75);
    told = hit = 0;
    for (size_t i = 0; i < labels.split_count; i++) {
        const lk_person_split *s = &labels.splits[i];
        assert_true(s->first >= s->second && s->second >= 2);
        assert_int_equal(w->person[s->first_photo], s->person);
        assert_int_equal(w->person[s->second_photo], s->person);
        if (s->doubt < 0.5) continue;
        told++;
        if (s->person < 200) continue;
        hit++;
        assert_int_equal(s->first, 7);
        assert_int_equal(s->second, 5);
        assert_true(w->truth[s->first_photo] < 320 && w->truth[s->second_photo] >= 320);
    }
    at_least("splits told that are two people", hit, told, 0.8);
    at_least("folders of two people", hit, 8, 0.75);
    for (size_t i = 0; i < labels.pair_count && labels.pairs[i].doubt >= 0.5; i++) /* they are no strangers */
        for (size_t k = 0; k < w->count; k++) {
            if (w->person[k] == labels.pairs[i].a) assert_true(labels.photos[k].nearest != labels.pairs[i].b);
            if (w->person[k] == labels.pairs[i].b) assert_true(labels.photos[k].nearest != labels.pairs[i].a);
        }
    for (size_t i = 0; i < w->count; i++) /* said of the folder, and not again of its photos */
        if (w->person[i] >= 200 && w->person[i] < 208)
            assert_true(isnan(labels.photos[i].doubt) || labels.photos[i].doubt < 0.5);
    lk_labels_free(&labels);
    free(w);
}

/* People of the second folder are compared with the judged ones, and are not judged. */
static void test_second_folder(void **state) {
    (void)state;
    world *w = new_world(200, 6);
    add_people(w, 0, 120, 6, 1);
    size_t own = w->count;
    for (size_t p = 120; p < 200; p++) /* by another camera; 120 + k is 10 k for k < 6 */
        for (size_t k = 0; k < 4; k++) add_photo(w, p < 126 ? 10 * (p - 120) : p, p, 2, 1);
    lk_label_input in = input(w);
    in.judged_people = 120;
    in.set = w->set;
    lk_labels labels = judge(&in);
    size_t told = 0, hit = 0;
    for (size_t i = 0; i < labels.leak_count; i++) {
        const lk_people_pair *p = &labels.leaks[i];
        assert_true(p->a < 120 && p->b >= 120);
        told += p->doubt >= 0.5;
        hit += p->doubt >= 0.5 && p->b < 126 && p->a == 10 * (p->b - 120);
    }
    at_least("leaks told that are", hit, told, 0.8);
    at_least("leaks", hit, 6, 0.8);
    for (size_t i = 0; i < labels.pair_count; i++) assert_true(labels.pairs[i].b < 120);
    for (size_t i = own; i < w->count; i++) assert_true(isnan(labels.photos[i].doubt));
    for (size_t i = 0; i < own; i++) assert_true(labels.photos[i].nearest < 120);
    lk_labels_free(&labels);
    free(w);
}

/* ---- the same in another order, on other threads; errors ----------------------------------------------- */

static void test_order_and_threads(void **state) {
    (void)state;
    world *w = new_world(60, 7), *v = new_world(60, 7);
    add_people(w, 0, 60, 5, 1);
    add_photo(w, 3, 40, 0, 1);
    v->count = w->count;
    for (size_t i = 0; i < w->count;
         i++) { /* persons in the other order, photos of a person in the same one */
        size_t j = w->count - 1 - i;
        v->person[j] = w->person[i];
        memcpy(v->vectors + j * DIM, w->vectors + i * DIM, DIM * sizeof(float));
    }
    lk_label_input in = input(w), other = input(v);
    in.threads = 1;
    other.threads = 3;
    lk_labels a = judge(&in), b = judge(&other);
    for (size_t i = 0; i < w->count; i++) {
        const lk_photo_label *x = &a.photos[i], *y = &b.photos[w->count - 1 - i];
        assert_true(fabs(x->own - y->own) < 1e-4);
        assert_true(fabs(x->other - y->other) < 1e-4);
        assert_int_equal(x->nearest, y->nearest);
    }
    assert_true(a.photos[w->count - 1].doubt > 0.5);
    lk_labels c = judge(&in);
    for (size_t i = 0; i < w->count; i++) assert_true(a.photos[i].doubt == c.photos[i].doubt);
    lk_labels_free(&a);
    lk_labels_free(&b);
    lk_labels_free(&c);
    free(w);
    free(v);
}

static int stop(void *context, double share) {
    (void)context;
    return share > 0.3;
}

static void test_errors(void **state) {
    (void)state;
    world *w = new_world(30, 8);
    add_people(w, 0, 30, 3, 1);
    lk_label_input in = input(w);
    lk_labels labels = {.split_count = 77};
    lk_error err;
    in.progress = stop;
    assert_int_equal(lk_labels_judge(&in, &labels, &err), LK_STOPPED);
    in = input(w);
    in.people = in.judged_people = 29;
    assert_int_equal(lk_labels_judge(&in, &labels, &err), LK_INVALID);
    in = input(w);
    in.dim = 0;
    assert_int_equal(lk_labels_judge(&in, &labels, &err), LK_INVALID);
    in = input(w);
    in.judged_people = 11;
    assert_int_equal(lk_labels_judge(&in, &labels, &err), LK_EMPTY);
    in.count = 0;
    assert_int_equal(lk_labels_judge(&in, &labels, &err), LK_EMPTY);
    w->vectors[5 * DIM + 1] = NAN;
    in = input(w);
    assert_int_equal(lk_labels_judge(&in, &labels, &err), LK_INVALID);
    assert_int_equal(labels.split_count, 77);
    lk_labels_free(NULL);
    free(w);
}

/* Vectors that are all the same: nothing to say, and no crash. */
static void test_degenerate(void **state) {
    (void)state;
    world *w = new_world(14, 9);
    for (size_t p = 0; p < 14; p++)
        for (size_t k = 0; k < 4; k++) add_photo(w, 0, p, 0, 0);
    lk_label_input in = input(w);
    lk_labels labels = judge(&in);
    assert_int_equal(labels.pair_count, 0);
    for (size_t i = 0; i < w->count; i++) assert_false(labels.photos[i].doubt >= 0.5);
    lk_labels_free(&labels);
    free(w);
}

/* ---- lk__labels_doubt: the middle step, on its own ----------------------------------------------------- */

static void test_doubt(void **state) {
    (void)state;
    enum { GOOD = 900, BAD = 100, MADE = 1000 };
    static double seen[GOOD + BAD], made[MADE], doubt[GOOD + BAD];
    lk__random random = lk__random_stream(2, 'd', 0, 0);
    for (int i = 0; i < GOOD; i++) seen[i] = lk__random_normal(&random);
    for (int i = 0; i < BAD; i++) seen[GOOD + i] = 5 + lk__random_normal(&random);
    for (int i = 0; i < MADE; i++) made[i] = 5 + lk__random_normal(&random);
    double share = 0;
    assert_int_equal(lk__labels_doubt(seen, GOOD + BAD, GOOD + BAD, made, MADE, 0.1, doubt, &share, NULL),
                     LK_OK);
    assert_true(fabs(share - 0.1) < 0.02);
    double sum = 0, of = 0, bad = 0; /* of those told with p, a share of p is bad, or more */
    for (int i = 0; i < GOOD + BAD; i++) {
        for (int k = 0; k < GOOD + BAD; k++)
            if (seen[k] > seen[i]) assert_true(doubt[k] >= doubt[i]);
        if (doubt[i] < 0.2) continue;
        sum += doubt[i];
        of++;
        bad += i >= GOOD;
    }
    assert_true(bad / of > sum / of - 0.03);
    assert_true(of > 90 && sum / of > 0.8);
    assert_int_equal(lk__labels_doubt(seen, 0, 3, made, MADE, 0.1, doubt, NULL, NULL), LK_OK);
    assert_true(doubt[0] == 0 && doubt[2] == 0);
}

/* Where as many as a third are bad, they must not pass for good ones that vary. */
static void test_doubt_many(void **state) {
    (void)state;
    enum { GOOD = 400, BAD = 180, MADE = 1000 };
    static double seen[GOOD + BAD], made[MADE], doubt[GOOD + BAD];
    lk__random random = lk__random_stream(3, 'd', 0, 0);
    for (int i = 0; i < GOOD; i++) seen[i] = lk__random_normal(&random);
    for (int i = 0; i < BAD; i++) seen[GOOD + i] = 4 + 1.2 * lk__random_normal(&random);
    for (int i = 0; i < MADE; i++) made[i] = 4 + 1.2 * lk__random_normal(&random);
    double share = 0, told = 0;
    assert_int_equal(lk__labels_doubt(seen, GOOD + BAD, GOOD + BAD, made, MADE, 0.1, doubt, &share, NULL),
                     LK_OK);
    for (int i = GOOD; i < GOOD + BAD; i++) told += doubt[i] >= 0.5;
    if (!(share > 0.25 && told >= 150)) fail_msg("share %.3f, told %.0f", share, told);
}

/* Rivals are the most alike but one, and neither of two who are named. */
static void test_rivals(void **state) {
    (void)state;
    float means[7 * 2];
    const double cosine[7] = {0.95, 0.9, 0.8, 0.6, 0.5, 0.2, -0.5};
    size_t people[7];
    for (size_t p = 0; p < 7; p++) {
        people[p] = p;
        means[2 * p] = (float)cosine[p];
        means[2 * p + 1] = (float)sqrt(1 - cosine[p] * cosine[p]);
    }
    lk_label_input in = {.dim = 2};
    lk__labels_job job = {.in = &in, .means = means};
    const float x[2] = {1, 0};
    lk__labels_rivals r =
        lk__labels_measure(&job, x, people, 7, 0, 2, 3); /* 0.9 is the most alike of those left */
    assert_true(fabs(r.mean - (0.6 + 0.5 + 0.2) / 3) < 1e-6);
    double square = ((0.6 - r.mean) * (0.6 - r.mean) + (0.5 - r.mean) * (0.5 - r.mean) +
                     (0.2 - r.mean) * (0.2 - r.mean)) /
                    3;
    assert_true(fabs(r.deviation - sqrt(square)) < 1e-6);
    lk__labels_rivals other = {0.1, 0.2};
    assert_true(fabs(lk__labels_z(0.7, r, other) - ((0.7 - r.mean) / r.deviation + 3) / 2) < 1e-6);
    assert_int_equal(lk__labels_rival_count(12), 5);
    assert_int_equal(lk__labels_rival_count(100), 20);
    assert_int_equal(lk__labels_rival_count(5000), 30);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_labels),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_cameras),
        cmocka_unit_test(test_two_photos),
        cmocka_unit_test(test_people),
        cmocka_unit_test(test_second_folder),
        cmocka_unit_test(test_order_and_threads),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_degenerate),
        cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_doubt_many),
        cmocka_unit_test(test_rivals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
