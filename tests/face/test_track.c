/* test_track.c: faces made up as numbers, followed from frame to frame: who crosses, who is gone for a
 * moment, who never was. What is true is known here, so every sighting can be held against it. */
#include "face/track.h"

#include <math.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DIM = 8, MOST = 32, FRAMES = 10 /* a second */ };

static lk_face face_at(double x, double y, double size, double quality) {
    return (lk_face){.x = (float)(x - size / 2),
                     .y = (float)(y - size / 2),
                     .width = (float)size,
                     .height = (float)size,
                     .confidence = 1,
                     .quality = (float)quality};
}

/* ---- a world of faces whose owners are known -------------------------------------------------------- */

typedef struct world {
    lk_tracker *tracker;
    lk__random random;
    lk_face face[MOST]; /* the frame being made */
    int who[MOST];
    size_t count, asked, calls;
    lk_sighting seen[MOST];
    double noise; /* of a vector beside its person's */
    bool refuse;
    size_t ended, ended_born;
    lk_track last; /* of the tracks that ended and counted; what it points to is kept here */
    lk_track_view last_views[LK_TRACK_VIEWS];
    float last_vector[DIM];
} world;

static void person_vector(world *w, int who, float *out) {
    lk__random own = lk__random_stream(99, (uint64_t)who, 0, 0);
    double v[DIM], norm = 0;
    for (int d = 0; d < DIM; d++) {
        v[d] =
            (d == who % DIM ? 1 : 0.1 * lk__random_normal(&own)) + w->noise * lk__random_normal(&w->random);
        norm += v[d] * v[d];
    }
    for (int d = 0; d < DIM; d++) out[d] = (float)(v[d] / sqrt(norm));
}

static lk_status vectors(void *context, const size_t *faces, size_t count, float *out, lk_error *err) {
    world *w = context;
    if (w->refuse) return lk__fail(err, LK_IO, "no vectors today");
    w->calls++;
    w->asked += count;
    for (size_t i = 0; i < count; i++) {
        assert_true(faces[i] < w->count);
        person_vector(w, w->who[faces[i]], out + i * DIM);
    }
    return LK_OK;
}

static void world_open(world *w, bool with_vectors, const lk_track_options *given) {
    *w = (world){.random = lk__random_stream(1, 2, 3, 4), .noise = 0.05};
    lk_track_options o = given ? *given : lk_track_options_default();
    if (with_vectors) {
        o.dim = DIM;
        o.vectors = vectors;
        o.context = w;
    }
    assert_int_equal(lk_tracker_new(&o, &w->tracker, NULL), LK_OK);
}

static void add(world *w, int who, double x, double y, double size, double quality) {
    assert_true(w->count < MOST);
    w->who[w->count] = who;
    w->face[w->count++] = face_at(x, y, size, quality);
}

static void ended_take(world *w) {
    for (const lk_track *t; (t = lk_tracker_ended(w->tracker)); w->ended++) {
        if (!t->born) continue;
        w->ended_born++;
        w->last = *t;
        memcpy(w->last_views, t->views, t->view_count * sizeof *t->views);
        if (t->vector) memcpy(w->last_vector, t->vector, sizeof w->last_vector);
    }
}

/* The frame as it was made; then an empty one. */
static void step(world *w, double seconds) {
    lk_error err;
    if (lk_tracker_step(w->tracker, seconds, w->face, w->count, w->seen, &err) != LK_OK)
        fail_msg("%s", err.message);
    ended_take(w);
    w->count = 0;
}

static void world_close(world *w) {
    assert_int_equal(lk_tracker_finish(w->tracker, NULL), LK_OK);
    ended_take(w);
    assert_null(lk_tracker_ended(w->tracker));
    lk_tracker_free(w->tracker);
}

static double second(int frame) {
    return (double)frame / FRAMES;
}

/* ---- one face --------------------------------------------------------------------------------------- */

static void test_one_visit(void **state) {
    (void)state;
    world w;
    world_open(&w, false, NULL);
    for (int i = 0; i < 10; i++) {
        add(&w, 0, 100 + 6 * i, 100, 40, 0.5);
        step(&w, second(i));
        assert_int_equal(w.seen[0].track, 1);
        assert_int_equal(w.seen[0].born, i >= 2);
    }
    assert_non_null(lk_tracker_track(w.tracker, 1));
    assert_null(lk_tracker_track(w.tracker, 2));
    for (int i = 10; i < 19; i++) step(&w, second(i));
    assert_int_equal(w.ended, 0); /* the gap may still close */
    step(&w, 2.1);
    assert_int_equal(w.ended_born, 1);
    assert_null(lk_tracker_track(w.tracker, 1));
    assert_int_equal(w.last.sightings, 10);
    assert_float_equal(w.last.from, 0, 1e-9);
    assert_float_equal(w.last.to, 0.9, 1e-9);
    assert_null(w.last.vector);
    world_close(&w);
    assert_int_equal(w.ended, 1);
}

/* One frame alone, two in a row, and one every third frame at the same place: none is a visitor. */
static void test_false_faces(void **state) {
    (void)state;
    for (int vectors_too = 0; vectors_too < 2; vectors_too++) {
        world w;
        world_open(&w, vectors_too, NULL);
        for (int i = 0; i < 60; i++) {
            if (i == 5) add(&w, 1, 50, 50, 30, 0.5);
            if (i == 20 || i == 21) add(&w, 2, 300, 60, 30, 0.5);
            if (i % 3 == 0) add(&w, 3, 200, 200, 30, 0.5);
            step(&w, second(i));
        }
        world_close(&w);
        assert_int_equal(w.ended_born, 0);
        assert_true(w.ended >= 3);
    }
}

static int visits_with_gap(double speed, double away, bool with_vectors) {
    world w;
    world_open(&w, with_vectors, NULL);
    for (int i = 0; i < 60; i++) {
        double t = second(i);
        if (t < 2 || t >= 2 + away - 1e-9) add(&w, 0, 50 + speed * t, 120 + 0.3 * speed * t, 40, 0.5);
        step(&w, t);
    }
    world_close(&w);
    return (int)w.ended_born;
}

static void test_gaps(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        assert_int_equal(visits_with_gap(0, 0.8, v), 1);
        assert_int_equal(visits_with_gap(90, 0.8, v), 1); /* two widths further on: predicted */
        assert_int_equal(visits_with_gap(0, 1.5, v), 2);
        assert_int_equal(visits_with_gap(90, 2.5, v), 2);
    }
}

/* ---- several faces ---------------------------------------------------------------------------------- */

/* Twenty faces in a grid that shake by a tenth of their size, each missed now and then. */
static void test_jitter(void **state) {
    (void)state;
    world w;
    world_open(&w, false, NULL);
    uint64_t track[20] = {0};
    for (int i = 0; i < 100; i++) {
        int person[MOST];
        size_t n = 0;
        for (int p = 0; p < 20; p++) {
            double x = 60 + 70 * (p % 5), y = 60 + 70 * (p / 5);
            double dx = 3 * lk__random_normal(&w.random), dy = 3 * lk__random_normal(&w.random);
            double size = 40 + 2 * lk__random_normal(&w.random);
            if (i > 2 && lk__random_unit(&w.random) < 0.2) continue;
            person[n++] = p;
            add(&w, p, x + dx, y + dy, size, 0.5);
        }
        step(&w, second(i));
        for (size_t f = 0; f < n; f++) {
            if (!track[person[f]]) track[person[f]] = w.seen[f].track;
            assert_int_equal(w.seen[f].track, track[person[f]]);
        }
    }
    world_close(&w);
    assert_int_equal(w.ended_born, 20);
}

/* Faces that run: in a tenth of a second nearly by their own width, before their speed is known. */
static void test_fast(void **state) {
    (void)state;
    world w;
    world_open(&w, false, NULL);
    for (int i = 0; i < 20; i++) {
        add(&w, 1, 100 + 28 * i, 100 + 3 * i, 36, 0.5);
        add(&w, 2, 700 - 13 * i, 400, 16, 0.5);
        step(&w, second(i));
    }
    world_close(&w);
    assert_int_equal(w.ended, 2);
}

/* Two people walk through each other. hidden: the one behind is not found while the other covers it; turn:
 * they turn round where they meet, which no prediction by speed can know. How often a track changed its
 * owner. */
static int crossing(bool with_vectors, bool hidden, bool turn, double noise) {
    world w;
    world_open(&w, with_vectors, NULL);
    w.noise = noise;
    int owner[MOST] = {0}, changes = 0;
    for (int i = 0; i < 50; i++) {
        double t = second(i), a = 100 + 80 * t, b = 500 - 80 * t;
        if (turn && t > 2.5) a = 100 + 80 * (5 - t), b = 500 - 80 * (5 - t);
        int who[2] = {1, 2};
        add(&w, 1, a, 100, 50, 0.5);
        if (!hidden || fabs(a - b) > 30) add(&w, 2, b, 112, 46, 0.5);
        size_t count = w.count;
        step(&w, t);
        for (size_t f = 0; f < count; f++) {
            int *is = &owner[w.seen[f].track % MOST];
            if (*is && *is != who[f]) changes++;
            *is = who[f];
        }
    }
    world_close(&w);
    assert_int_equal(w.ended_born, 2);
    return changes;
}

static void test_crossing(void **state) {
    (void)state;
    assert_int_equal(crossing(false, false, false, 0), 0);
    assert_int_equal(crossing(false, true, false, 0), 0);
    for (int i = 0; i < 4; i++) assert_int_equal(crossing(true, i & 1, i >> 1, 0.15), 0);
    /* The vectors did it: by boxes alone, those who turn round are taken for each other. */
    assert_true(crossing(false, true, true, 0) > 0);
}

/* Somebody else in the same place, and the same one in another. */
static void test_lost_and_found(void **state) {
    (void)state;
    for (int other = 0; other < 2; other++)
        for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
            world w;
            world_open(&w, true, NULL);
            for (int i = 0; i < 30; i++) {
                if (i < 12) add(&w, 1, 100, 100, 40, 0.5);
                if (i >= 18) add(&w, other ? 2 : 1, elsewhere ? 400 : 100, 100, 40, 0.5);
                step(&w, second(i));
            }
            world_close(&w);
            assert_int_equal(w.ended_born, other ? 2 : 1);
        }
}

/* A twin turns up while one who is in plain sight makes a jump: neither loses a track. */
static void test_twins(void **state) {
    (void)state;
    world w;
    world_open(&w, true, NULL);
    w.noise = 0;
    for (int i = 0; i < 30; i++) {
        if (i >= 10) add(&w, 1, 400, 100, 40, 0.5);
        add(&w, 1, i >= 10 ? 126 : 100, 100, 40, 0.5);
        size_t last = w.count - 1;
        step(&w, second(i));
        assert_int_equal(w.seen[last].track, 1);
    }
    world_close(&w);
    assert_int_equal(w.ended_born, 2);
}

/* ---- views ------------------------------------------------------------------------------------------ */

static void check_views(const world *w, double spacing) {
    double norm = 0;
    for (size_t i = 0; i < w->last.view_count; i++) {
        const lk_track_view *v = &w->last_views[i];
        if (i) assert_true(v->face.quality <= v[-1].face.quality);
        for (size_t k = 0; k < i; k++) {
            assert_true(w->last_views[k].slot != v->slot);
            assert_true(floor(w->last_views[k].seconds / spacing) != floor(v->seconds / spacing));
        }
    }
    for (int d = 0; d < DIM; d++) norm += (double)w->last_vector[d] * (double)w->last_vector[d];
    assert_float_equal(norm, 1, 1e-5);
}

/* Quality rises, falls, or goes up and down; what the program kept by slot must be what the track says. */
static void test_views(void **state) {
    (void)state;
    for (int shape = 0; shape < 3; shape++) {
        world w;
        world_open(&w, true, NULL);
        double kept[LK_TRACK_VIEWS], best = 0;
        for (int i = 0; i < 50; i++) {
            double q = shape == 0 ? 0.01 * i : shape == 1 ? 0.9 - 0.01 * i : 0.5 + 0.4 * sin(1.7 * i);
            add(&w, 1, 100 + i, 100, 40, q);
            step(&w, second(i));
            if (w.seen[0].slot >= 0) kept[w.seen[0].slot] = q;
            if (q > best) best = q;
        }
        world_close(&w);
        assert_int_equal(w.ended_born, 1);
        assert_int_equal(w.last.view_count, 5);
        check_views(&w, 0.4);
        assert_float_equal((double)w.last_views[0].face.quality, best, 1e-6);
        for (size_t i = 0; i < 5; i++)
            assert_float_equal((double)w.last_views[i].face.quality, kept[w.last_views[i].slot], 1e-6);
        if (shape == 0) { /* the last view of each of the last windows, not the last five frames */
            assert_float_equal(w.last_views[0].seconds, 4.9, 1e-9);
            assert_true(w.last_views[4].seconds < 3.6);
        }
    }
}

/* The mean vector is nearer to the person than single vectors are. */
static void test_mean(void **state) {
    (void)state;
    world w;
    float pure[DIM];
    world_open(&w, true, NULL);
    w.noise = 0.3;
    for (int i = 0; i < 60; i++) {
        add(&w, 3, 100, 100, 40, 0.5 + 0.001 * (i * 7 % 13));
        step(&w, second(i));
    }
    world_close(&w);
    w.noise = 0;
    person_vector(&w, 3, pure);
    assert_true(lk_cosine(pure, w.last_vector, DIM) > 0.9);
}

/* Vectors are made for views that are kept and for nothing else while boxes say all. */
static void test_asks_little(void **state) {
    (void)state;
    world w;
    world_open(&w, true, NULL);
    size_t kept = 0;
    for (int i = 0; i < 50; i++) {
        add(&w, 1, 100 + 5 * i, 100, 40, 0.5);
        add(&w, 2, 100, 300, 40, 0.5);
        step(&w, second(i));
        kept += (size_t)(w.seen[0].slot >= 0) + (size_t)(w.seen[1].slot >= 0);
    }
    world_close(&w);
    assert_int_equal(kept, 10); /* two tracks, five windows each */
    assert_int_equal(w.asked, kept);
    assert_int_equal(w.calls, 5);
}

/* ---- what is refused -------------------------------------------------------------------------------- */

/* A failure in the middle leaves the tracker as it was: the same step again goes as if nothing had been. */
static void test_failure_leaves_it(void **state) {
    (void)state;
    world a, b;
    world_open(&a, true, NULL);
    world_open(&b, true, NULL);
    for (int i = 0; i < 30; i++) {
        world *both[2] = {&a, &b};
        for (int k = 0; k < 2; k++) {
            add(both[k], 1, 100 + 9 * i, 100, 40, 0.3 + 0.01 * i);
            add(both[k], 2, 370 - 9 * i, 105, 40, 0.3);
            if (i > 10) add(both[k], 3, 200, 300, 40, 0.4);
        }
        lk_error err = {0};
        b.refuse = true;
        lk_status status = lk_tracker_step(b.tracker, second(i), b.face, b.count, b.seen, &err);
        b.refuse = false;
        if (status == LK_OK) { /* nothing was asked: then it is done */
            ended_take(&b);
            b.count = 0;
        } else {
            assert_int_equal(err.status, LK_IO);
            step(&b, second(i));
        }
        size_t count = a.count;
        step(&a, second(i));
        assert_memory_equal(a.seen, b.seen, count * sizeof *a.seen);
    }
    world_close(&a);
    world_close(&b);
    assert_int_equal(a.ended, b.ended);
    assert_int_equal(a.ended_born, 3);
    assert_memory_equal(a.last_vector, b.last_vector, sizeof a.last_vector);
}

static void test_refused(void **state) {
    (void)state;
    world w;
    world_open(&w, false, NULL);
    lk_error err;
    lk_sighting seen = {.track = 77};
    lk_face face = face_at(10, 10, 5, 0.5), broken = face;
    assert_int_equal(lk_tracker_step(w.tracker, 1, &face, 1, &seen, NULL), LK_OK);
    seen.track = 77;
    assert_int_equal(lk_tracker_step(w.tracker, 1, &face, 1, &seen, &err), LK_INVALID);
    assert_int_equal(lk_tracker_step(w.tracker, NAN, &face, 1, &seen, &err), LK_INVALID);
    assert_int_equal(lk_tracker_step(w.tracker, HUGE_VAL, &face, 1, &seen, &err), LK_INVALID);
    broken.x = NAN;
    assert_int_equal(lk_tracker_step(w.tracker, 2, &broken, 1, &seen, &err), LK_INVALID);
    broken = face;
    broken.width = 0;
    assert_int_equal(lk_tracker_step(w.tracker, 2, &broken, 1, &seen, &err), LK_INVALID);
    assert_int_equal(seen.track, 77);
    world_close(&w);

    lk_tracker *none = NULL;
    for (int i = 0; i < 8; i++) {
        lk_track_options o = lk_track_options_default();
        if (i == 0) o.born = 0;
        if (i == 1) o.gap = NAN;
        if (i == 2) o.overlap = 0;
        if (i == 3) o.cosine = 2;
        if (i == 4) o.views = LK_TRACK_VIEWS + 1;
        if (i == 5) o.spacing = 0;
        if (i == 6) o.dim = 4; /* and no vectors */
        if (i == 7) o.dim = -1;
        assert_int_equal(lk_tracker_new(&o, &none, &err), LK_INVALID);
        assert_null(none);
    }
    lk_tracker_free(NULL);
}

/* ---- assignment ------------------------------------------------------------------------------------- */

static double best_sum(const double *score, size_t rows, size_t columns, size_t row, unsigned used) {
    if (row == rows) return 0;
    double best = best_sum(score, rows, columns, row + 1, used);
    for (size_t c = 0; c < columns; c++) {
        double s = score[row * columns + c];
        if (s <= 0 || used >> c & 1) continue;
        best = fmax(best, s + best_sum(score, rows, columns, row + 1, used | 1u << c));
    }
    return best;
}

/* Against trying every way. */
static void test_assign(void **state) {
    (void)state;
    lk__random r = lk__random_stream(5, 0, 0, 0);
    for (int trial = 0; trial < 2000; trial++) {
        size_t rows = lk__random_below(&r, 6), columns = lk__random_below(&r, 6), match[6];
        double score[36], sum = 0;
        for (size_t i = 0; i < rows * columns; i++)
            score[i] = lk__random_unit(&r) < 0.4 ? 0 : lk__random_range(&r, -0.2, 2);
        assert_int_equal(lk__assign(score, rows, columns, match, NULL), LK_OK);
        unsigned used = 0;
        for (size_t i = 0; i < rows; i++) {
            assert_true(match[i] <= columns);
            if (match[i] == columns) continue;
            assert_true(!(used >> match[i] & 1));
            used |= 1u << match[i];
            assert_true(score[i * columns + match[i]] > 0);
            sum += score[i * columns + match[i]];
        }
        assert_float_equal(sum, best_sum(score, rows, columns, 0, 0), 1e-9);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_visit),      cmocka_unit_test(test_false_faces),
        cmocka_unit_test(test_gaps),           cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_fast),           cmocka_unit_test(test_crossing),
        cmocka_unit_test(test_lost_and_found), cmocka_unit_test(test_twins),
        cmocka_unit_test(test_views),          cmocka_unit_test(test_mean),
        cmocka_unit_test(test_asks_little),    cmocka_unit_test(test_failure_leaves_it),
        cmocka_unit_test(test_refused),        cmocka_unit_test(test_assign)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
