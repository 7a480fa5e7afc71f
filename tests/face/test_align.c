/* test_align.c: five points to an upright crop: the map against the template of docs/formats.md, written here
 * a second time; pixels by dots that must land on it. */
#include "face/detect.h"
#include "image/image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double template[LK_FACE_POINTS][2] = {
    {0.319, 0.375}, {0.681, 0.375}, {0.5, 0.58}, {0.35, 0.79}, {0.65, 0.79}};

/* Where point i of the template lies in the output: centres of pixels, filling 1 / room. */
static void place_of(int i, double room, int w, int h, double *x, double *y) {
    *x = ((template[i][0] - 0.5) / room + 0.5) * w - 0.5;
    *y = ((template[i][1] - 0.5) / room + 0.5) * h - 0.5;
}

/* Turn, scale, shift: of output pixels to the photo's. */
typedef struct similarity {
    double a, b, x, y;
} similarity;

static similarity draw_similarity(lk__random *r, double least, double most) {
    double turn = lk__random_range(r, -3.2, 3.2), scale = exp(lk__random_range(r, log(least), log(most)));
    return (similarity){scale * cos(turn), scale * sin(turn), lk__random_range(r, -500, 500),
                        lk__random_range(r, -500, 500)};
}

static void points_through(similarity s, double room, int w, int h, lk_point out[LK_FACE_POINTS]) {
    for (int i = 0; i < LK_FACE_POINTS; i++) {
        double x, y;
        place_of(i, room, w, h, &x, &y);
        out[i] = (lk_point){(float)(s.a * x - s.b * y + s.x), (float)(s.b * x + s.a * y + s.y)};
    }
}

/* Points that are an image of the template are met exactly, and the map is the one that made them. */
static void test_meets_the_template(void **state) {
    (void)state;
    lk__random r = lk__random_stream(1, 'a', 0, 0);
    const int sizes[][2] = {{112, 112}, {64, 64}, {112, 96}, {37, 201}};
    const double rooms[] = {1, 1.25, 3};
    for (int i = 0; i < 400; i++) {
        const int *size = sizes[i % 4];
        double room = rooms[i % 3], m[6];
        similarity s = draw_similarity(&r, 0.02, 30);
        lk_point points[LK_FACE_POINTS];
        points_through(s, room, size[0], size[1], points);
        assert_int_equal(lk__align_map(points, room, size[0], size[1], m, NULL), LK_OK);
        const double want[6] = {s.a, -s.b, s.x, s.b, s.a, s.y};
        double scale = hypot(s.a, s.b), close = 1e-4 + 1e-4 * scale;
        for (int k = 0; k < 6; k++)
            if (!(fabs(m[k] - want[k]) < (k % 3 == 2 ? 20 : 1) * close))
                fail_msg("number %d of the map: %g, expected %g", k, m[k], want[k]);
    }
}

static double error_of(const double v[4], const lk_point points[LK_FACE_POINTS], double room, int w, int h) {
    double sum = 0;
    for (int i = 0; i < LK_FACE_POINTS; i++) {
        double x, y;
        place_of(i, room, w, h, &x, &y);
        double dx = v[0] * x - v[1] * y + v[2] - (double)points[i].x,
               dy = v[1] * x + v[0] * y + v[3] - (double)points[i].y;
        sum += dx * dx + dy * dy;
    }
    return sum;
}

/* Any five points: no other turn, scale and shift comes closer. Sought blindly: one number at a time, with
 * steps that shrink when none helps. */
static void test_least_squares(void **state) {
    (void)state;
    lk__random r = lk__random_stream(2, 'a', 0, 0);
    for (int i = 0; i < 40; i++) {
        const int w = i % 2 ? 112 : 64, h = i % 4 > 1 ? 96 : w;
        double room = i % 3 ? 1 : 1.5, m[6];
        lk_point points[LK_FACE_POINTS];
        points_through(draw_similarity(&r, 0.3, 3), room, w, h, points);
        for (int k = 0; k < LK_FACE_POINTS; k++) {
            points[k].x += (float)lk__random_range(&r, -30, 30);
            points[k].y += (float)lk__random_range(&r, -30, 30);
        }
        assert_int_equal(lk__align_map(points, room, w, h, m, NULL), LK_OK);
        assert_true(m[0] == m[4] && m[1] == -m[3]);
        const double ours[4] = {m[0], m[3], m[2], m[5]};
        double best[4] = {1, 0, 0, 0}, least = error_of(best, points, room, w, h);
        double step[4] = {1, 1, 64, 64};
        for (int round = 0; round < 200000 && step[0] > 1e-9; round++) {
            bool better = false;
            for (int k = 0; k < 8; k++) {
                double trial[4];
                memcpy(trial, best, sizeof trial);
                trial[k / 2] += k % 2 ? step[k / 2] : -step[k / 2];
                double e = error_of(trial, points, room, w, h);
                if (e >= least) continue;
                least = e;
                memcpy(best, trial, sizeof best);
                better = true;
            }
            for (int k = 0; k < 4 && !better; k++) step[k] *= 0.5;
        }
        double found = error_of(ours, points, room, w, h);
        if (!(found <= least * (1 + 1e-6) + 1e-6)) fail_msg("error %g, but %g is possible", found, least);
    }
}

static void test_refuses(void **state) {
    (void)state;
    lk_image *photo = NULL, *out = NULL;
    lk_error err;
    lk_point good[LK_FACE_POINTS], bad[LK_FACE_POINTS];
    points_through((similarity){1, 0, 0, 0}, 1, 32, 32, good);
    assert_int_equal(lk_image_new(32, 32, NULL, 0, &photo, NULL), LK_OK);
    const float no_place[] = {NAN, INFINITY, -INFINITY, 1e6F, -3e38F};
    for (int k = 0; k < 2 * LK_FACE_POINTS; k++)
        for (size_t i = 0; i < sizeof no_place / sizeof *no_place; i++) {
            memcpy(bad, good, sizeof bad);
            *(k % 2 ? &bad[k / 2].y : &bad[k / 2].x) = no_place[i];
            assert_int_equal(lk_image_align(photo, bad, 1, 32, 32, &out, &err), LK_INVALID);
            char name[16];
            snprintf(name, sizeof name, "point %d", k / 2 + 1);
            assert_non_null(strstr(err.message, name));
        }
    for (int k = 0; k < LK_FACE_POINTS; k++) bad[k] = (lk_point){17.25F, 3};
    assert_int_equal(lk_image_align(photo, bad, 1, 32, 32, &out, &err), LK_INVALID);
    assert_non_null(strstr(err.message, "one place"));
    const double rooms[] = {0.99, 0, -1, NAN, INFINITY, 101};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        assert_int_equal(lk_image_align(photo, good, rooms[i], 32, 32, &out, NULL), LK_INVALID);
    assert_int_equal(lk_image_align(photo, good, 1, 0, 32, &out, NULL), LK_INVALID);
    assert_int_equal(lk_image_align(photo, good, 1, 32, -1, &out, NULL), LK_INVALID);
    assert_null(out);
    assert_int_equal(lk_image_align(photo, good, 1, 32, 32, &out, NULL), LK_OK);
    lk_image_free(out);
    lk_image_free(photo);
}

/* ---- pixels ----------------------------------------------------------------------------------------- */

static const uint8_t colours[LK_FACE_POINTS][3] = {
    {255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 0}, {255, 0, 255}};

/* With a soft edge, so that its centre is where it is meant to be to a fraction of a pixel. */
static void dot(lk_image *image, lk_point at, double radius, const uint8_t colour[3]) {
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++) {
            double inside = radius + 0.5 - hypot(x - (double)at.x, y - (double)at.y);
            for (int c = 0; inside > 0 && c < 3; c++)
                image->pixels[3 * (y * image->width + x) + c] = (uint8_t)(colour[c] * fmin(inside, 1));
        }
}

/* Centre of what has this colour more than the others; the background is black. */
static bool find_dot(const lk_image *image, const uint8_t colour[3], double *x, double *y) {
    double sum = 0, sx = 0, sy = 0;
    for (int i = 0; i < image->width * image->height; i++) {
        const uint8_t *p = image->pixels + 3 * i;
        double least = 255, most = 0; /* of the channels it has, and of those it lacks */
        for (int c = 0; c < 3; c++)
            if (colour[c])
                least = fmin(least, p[c]);
            else
                most = fmax(most, p[c]);
        double like = fmax(0, least - most);
        sum += like;
        sx += like * (i % image->width);
        sy += like * (i / image->width);
    }
    *x = sx / sum;
    *y = sy / sum;
    return sum > 0;
}

static void test_pixels(void **state) {
    (void)state;
    lk__random r = lk__random_stream(3, 'a', 0, 0);
    const double rooms[] = {1, 1.3};
    for (int i = 0; i < 24; i++) {
        lk_image *photo = NULL, *face = NULL;
        lk_point points[LK_FACE_POINTS];
        const int w = 112, h = i % 3 ? 112 : 96;
        double room = rooms[i % 2];
        similarity s = draw_similarity(&r, 0.4, 3);
        s.x = 200 - (s.a * w / 2 - s.b * h / 2); /* its middle in that of the photo */
        s.y = 200 - (s.b * w / 2 + s.a * h / 2);
        points_through(s, room, w, h, points);
        assert_int_equal(lk_image_new(400, 400, NULL, 0, &photo, NULL), LK_OK);
        for (int k = 0; k < LK_FACE_POINTS; k++) dot(photo, points[k], 4 * hypot(s.a, s.b), colours[k]);
        assert_int_equal(lk_image_align(photo, points, room, w, h, &face, NULL), LK_OK);
        assert_int_equal(face->width, w);
        assert_int_equal(face->height, h);
        for (int k = 0; k < LK_FACE_POINTS; k++) {
            double x, y, want_x, want_y;
            place_of(k, room, w, h, &want_x, &want_y);
            assert_true(find_dot(face, colours[k], &x, &y));
            if (!(hypot(x - want_x, y - want_y) < 0.15))
                fail_msg("point %d came to (%g, %g), expected (%g, %g)", k, x, y, want_x, want_y);
        }
        lk_image_free(face);
        lk_image_free(photo);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meets_the_template),
        cmocka_unit_test(test_least_squares),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
