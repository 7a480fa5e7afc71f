/* The second look: what its net is asked and how its answer is read; and that it learns (points_train.c) on
 * faces whose points can be seen: coloured dots. */
#include "face/points_train.h"
#include "image/image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 64 };

static void what_is_said_comes_back(void **state) {
    (void)state;
    lk__random random = lk__random_stream(1, 2, 3, 4);
    for (int round = 0; round < 50; round++) {
        lk_point points[LK_FACE_POINTS], back[LK_FACE_POINTS];
        float ten[2 * LK_FACE_POINTS];
        for (int i = 0; i < LK_FACE_POINTS; i++)
            points[i] = (lk_point){(float)lk__random_range(&random, 0, SIDE),
                                   (float)lk__random_range(&random, 0, SIDE)};
        lk__points_encode(points, SIDE, ten);
        lk__points_decode(ten, SIDE, back);
        for (int i = 0; i < LK_FACE_POINTS; i++) {
            assert_true(fabsf(points[i].x - back[i].x) < 1e-3F);
            assert_true(fabsf(points[i].y - back[i].y) < 1e-3F);
        }
    }
}

/* Nothing said is the template: upright, symmetric, eyes above the mouth. */
static void zero_is_the_template(void **state) {
    (void)state;
    float ten[2 * LK_FACE_POINTS] = {0};
    lk_point p[LK_FACE_POINTS], mirrored[LK_FACE_POINTS];
    lk__points_decode(ten, SIDE, p);
    assert_true(p[0].x < p[2].x && p[2].x < p[1].x && p[0].y < p[2].y && p[2].y < p[3].y);
    memcpy(mirrored, p, sizeof p);
    lk__points_mirror(mirrored, SIDE);
    for (int i = 0; i < LK_FACE_POINTS; i++) {
        assert_true(fabsf(p[i].x - mirrored[i].x) < 1e-3F);
        assert_true(fabsf(p[i].y - mirrored[i].y) < 1e-3F);
    }
}

static void twice_mirrored_is_the_same(void **state) {
    (void)state;
    lk_point p[LK_FACE_POINTS] = {{1, 2}, {30, 4}, {5, 6}, {7, 18}, {29, 20}}, q[LK_FACE_POINTS];
    memcpy(q, p, sizeof p);
    lk__points_mirror(q, SIDE);
    assert_true(q[0].x == SIDE - 1 - p[1].x && q[0].y == p[1].y && q[4].x == SIDE - 1 - p[3].x);
    lk__points_mirror(q, SIDE);
    assert_memory_equal(p, q, sizeof p);
}

static void other_nets_are_refused(void **state) {
    (void)state;
    const char *bad[] = {"input 3 64 64;linear 10 bias;l2norm", "input 3 64 64;linear 9 bias;output",
                         "input 3 64 32;linear 10 bias;output", "input 1 64 64;linear 10 bias;output",
                         "input 3 64 64;linear"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lk__points *points = (lk__points *)&points;
        lk_error err;
        assert_true(lk__points_new(bad[i], false, &points, &err) < 0);
        assert_ptr_equal(points, &points);
    }
    lk__points *points;
    lk_error err;
    assert_int_equal(lk__points_new(lk_net_text("points"), false, &points, &err), LK_OK);
    for (int i = 0; i < points->weights.count; i++)
        assert_int_equal(strncmp(points->weights.items[i].name, "points.", 7), 0);
    lk__points_free(points);
    lk__points_free(NULL);
}

/* A grey photo with a bright dot at each of five points, a little off the template's shape. */
static void draw_face(lk__random *random, lk__labelled *photo) {
    static const float at[LK_FACE_POINTS][2] = {{38, 40}, {74, 40}, {56, 62}, {41, 82}, {71, 82}};
    lk_image *image = NULL;
    assert_int_equal(lk_image_new(112, 112, NULL, 0, &image, NULL), LK_OK);
    memset(image->pixels, 90, 3 * 112 * 112);
    *photo = (lk__labelled){.image = image, .count = 1};
    photo->label = calloc(1, sizeof *photo->label);
    assert_non_null(photo->label);
    photo->label->face = (lk_face){.x = 24, .y = 20, .width = 64, .height = 80};
    for (int i = 0; i < LK_FACE_POINTS; i++) {
        int x = (int)at[i][0] + (int)lk__random_range(random, -7, 7),
            y = (int)at[i][1] + (int)lk__random_range(random, -7, 7);
        photo->label->face.point[i] = (lk_point){(float)x, (float)y};
        for (int dy = -3; dy <= 3; dy++) memset(image->pixels + 3 * (112 * (y + dy) + x - 3), 240, 3 * 7);
    }
}

static int stop_never(void *context) {
    (void)context;
    return 0;
}

static double mean_error(lk__points *points, const lk__labels *labels) {
    lk__net *net = NULL;
    lk_error err;
    double sum = 0;
    assert_int_equal(lk__net_new(&points->spec, &points->weights, &(lk__net_options){.batch = 1}, &net, &err),
                     LK_OK);
    for (size_t i = 0; i < labels->count; i++) {
        const lk_face *f = &labels->photo[i].label->face;
        lk_image *crop = NULL;
        lk_point said[LK_FACE_POINTS];
        assert_int_equal(
            lk_image_align(labels->photo[i].image, f->point, LK__POINTS_ROOM, SIDE, SIDE, &crop, &err),
            LK_OK);
        for (int c = 0; c < 3; c++)
            for (int k = 0; k < SIDE * SIDE; k++)
                lk__net_input(net)[c * SIDE * SIDE + k] = ((float)crop->pixels[3 * k + c] - 127.5F) / 127.5F;
        lk_image_free(crop);
        lk__points_decode(lk__net_forward(net), SIDE, said);
        /* The crop's map puts the true points where a least squares fit leaves them. */
        double t[2] = {0, 0};
        for (int k = 0; k < LK_FACE_POINTS; k++) {
            t[0] += (double)said[k].x / LK_FACE_POINTS;
            t[1] += (double)said[k].y / LK_FACE_POINTS;
        }
        float zero[2 * LK_FACE_POINTS] = {0};
        lk_point place[LK_FACE_POINTS];
        lk__points_decode(zero, SIDE, place);
        double m[2] = {0, 0};
        for (int k = 0; k < LK_FACE_POINTS; k++) {
            m[0] += (double)place[k].x / LK_FACE_POINTS;
            m[1] += (double)place[k].y / LK_FACE_POINTS;
        }
        sum += hypot(t[0] - m[0], t[1] - m[1]) / (double)labels->count;
    }
    lk__net_free(net);
    return sum;
}

static void it_learns(void **state) {
    (void)state;
    enum { PHOTOS = 24 };
    lk__labelled photos[PHOTOS];
    size_t which[PHOTOS];
    lk__random random = lk__random_stream(7, 7, 7, 7);
    for (size_t i = 0; i < PHOTOS; i++) {
        draw_face(&random, &photos[i]);
        which[i] = i;
    }
    lk__labels labels = {.photo = photos, .count = PHOTOS};
    lk__points *points;
    lk_error err = {0};
    lk_detect_train_options options;
    lk_detect_train_options_init(&options);
    options.points_minutes = 8 / 60.0;
    options.stop = stop_never;
    assert_int_equal(lk__points_new(lk_net_text("points"), true, &points, &err), LK_OK);
    lk__weights_init(&points->weights, 1);
    double before = mean_error(points, &labels);
    if (lk__points_train(points, &labels, which, PHOTOS, &options, &err) != LK_OK)
        fail_msg("%s", err.message);
    double after = mean_error(points, &labels);
    if (!(after < 0.9 * before)) /* a loaded machine does few steps in that time */
        fail_msg("mean of the points off by %g pixels, before by %g", after, before);
    photos[0].label->ignored = true; /* none is left */
    assert_int_equal(lk__points_train(points, &labels, which, 1, &options, &err), LK_EMPTY);
    lk__points_free(points);
    for (size_t i = 0; i < PHOTOS; i++) {
        lk_image_free(photos[i].image);
        free(photos[i].label);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_comes_back),
        cmocka_unit_test(zero_is_the_template),
        cmocka_unit_test(twice_mirrored_is_the_same),
        cmocka_unit_test(other_nets_are_refused),
        cmocka_unit_test(it_learns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
