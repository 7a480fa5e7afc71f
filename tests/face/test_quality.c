/* test_quality.c: the quality of a face falls with everything that makes it harder to recognise, one thing at
 * a time, and is a number from 0 to 1 whatever it is shown. */
#include "face/detect.h"
#include "image/image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 160 };

/* A face that looks at the camera, of patches of all sizes: something to be sharp or blurred. */
static lk_image *draw_photo(uint64_t seed) {
    lk__random r = lk__random_stream(seed, 'q', 0, 0);
    lk_image *image = NULL;
    double big[8][8], middle[20][20], small[80][80];
    for (int i = 0; i < 64; i++) big[i / 8][i % 8] = lk__random_range(&r, -45, 45);
    for (int i = 0; i < 400; i++) middle[i / 20][i % 20] = lk__random_range(&r, -35, 35);
    for (int i = 0; i < 6400; i++) small[i / 80][i % 80] = lk__random_range(&r, -25, 25);
    assert_int_equal(lk_image_new(SIDE, SIDE, NULL, 0, &image, NULL), LK_OK);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            memset(image->pixels + 3 * (y * SIDE + x),
                   (int)(128 + big[y / 20][x / 20] + middle[y / 8][x / 8] + small[y / 2][x / 2]), 3);
    return image;
}

static lk_face straight(double scale) {
    static const double place[LK_FACE_POINTS][2] = {{54, 62}, {106, 62}, {80, 90}, {59, 118}, {101, 118}};
    lk_face f = {.x = (float)(30 * scale),
                 .y = (float)(30 * scale),
                 .width = (float)(100 * scale),
                 .height = (float)(110 * scale),
                 .confidence = 1};
    for (int i = 0; i < LK_FACE_POINTS; i++)
        f.point[i] = (lk_point){(float)(place[i][0] * scale), (float)(place[i][1] * scale)};
    return f;
}

static double quality(const lk_image *photo, const lk_face *face) {
    float q = lk__face_quality(photo, face);
    if (!(q >= 0 && q <= 1)) fail_msg("a quality of %g", (double)q);
    return (double)q;
}

/* From best to worst: the first is good, the last is poor, and none rises. */
static void assert_falls(const double *q, int count, double first, double last, const char *what) {
    if (!(q[0] >= first)) fail_msg("%s: begins at %g, expected %g or more", what, q[0], first);
    if (!(q[count - 1] <= last)) fail_msg("%s: ends at %g, expected %g or less", what, q[count - 1], last);
    for (int i = 1; i < count; i++)
        if (!(q[i] <= q[i - 1] + 1e-6)) fail_msg("%s: rises from %g to %g at %d", what, q[i - 1], q[i], i);
}

static void test_blur(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 5; seed++) {
        lk_image *photo = draw_photo(seed);
        lk_face f = straight(1);
        const int sizes[] = {SIDE, SIDE / 3, SIDE / 8, SIDE / 20, 3}; /* shrunk, and enlarged again */
        double q[5];
        for (int i = 0; i < 5; i++) {
            lk_image *less = NULL, *blurred = NULL;
            assert_int_equal(lk_image_resize(photo, sizes[i], sizes[i], &less, NULL), LK_OK);
            assert_int_equal(lk_image_resize(less, SIDE, SIDE, &blurred, NULL), LK_OK);
            q[i] = quality(blurred, &f);
            lk_image_free(less);
            lk_image_free(blurred);
        }
        assert_falls(q, 5, 0.9, 0.45, "blur");
        lk_image_free(photo);
    }
}

static void test_size(void **state) {
    (void)state;
    lk_image *photo = draw_photo(1);
    const double scales[] = {1, 0.7, 0.5, 0.3, 0.2, 0.12, 0.06};
    double q[7];
    for (int i = 0; i < 7; i++) {
        lk_image *small = NULL;
        int side = (int)(SIDE * scales[i]);
        lk_face f = straight((double)side / SIDE);
        assert_int_equal(lk_image_resize(photo, side, side, &small, NULL), LK_OK);
        q[i] = quality(small, &f);
        lk_image_free(small);
    }
    assert_falls(q, 7, 0.9, 0, "size");
    lk_image_free(photo);
}

static void test_light(void **state) {
    (void)state;
    lk_image *photo = draw_photo(2);
    lk_face f = straight(1);
    const double dim[] = {1, 0.5, 0.2, 0.1, 0.04, 0};
    double dark[6], burnt[6];
    for (int i = 0; i < 6; i++) {
        lk_image *a = NULL, *b = NULL;
        assert_int_equal(lk_image_new(SIDE, SIDE, photo->pixels, 0, &a, NULL), LK_OK);
        assert_int_equal(lk_image_new(SIDE, SIDE, photo->pixels, 0, &b, NULL), LK_OK);
        for (int k = 0; k < 3 * SIDE * SIDE; k++) {
            a->pixels[k] = (uint8_t)(a->pixels[k] * dim[i]);
            b->pixels[k] = (uint8_t)fmin(255, b->pixels[k] + 255 * (1 - dim[i]));
        }
        dark[i] = quality(a, &f);
        burnt[i] = quality(b, &f);
        lk_image_free(a);
        lk_image_free(b);
    }
    assert_falls(dark, 6, 0.9, 0, "darkness");
    assert_falls(burnt, 6, 0.9, 0, "too much light");
    /* Contrast is not everything: nothing but black and white is no photo of a face. */
    for (int i = 0; i < SIDE * SIDE; i++)
        memset(photo->pixels + 3 * i, (i % SIDE / 20 + i / SIDE / 20) % 2 ? 255 : 0, 3);
    assert_true(quality(photo, &f) == 0);
    lk_image_free(photo);
}

/* The nose goes to one side and the eyes together, or the nose up or down. */
static void test_pose(void **state) {
    (void)state;
    lk_image *photo = draw_photo(3);
    for (int way = 0; way < 4; way++) {
        double q[6];
        for (int i = 0; i < 6; i++) {
            lk_face f = straight(1);
            float by = (float)(way % 2 ? -7 * i : 7 * i);
            if (way < 2) {
                f.point[2].x += by;
                f.point[0].x += 2 * fabsf(by) / 7;
                f.point[1].x -= 2 * fabsf(by) / 7;
            } else {
                f.point[2].y += by;
            }
            q[i] = quality(photo, &f);
        }
        assert_falls(q, 6, 0.9, 0.1, way < 2 ? "turned" : "tilted");
    }
    lk_image_free(photo);
}

/* A face that is turned with the photo is as good as before. */
static void test_roll_does_not_matter(void **state) {
    (void)state;
    lk_image *photo = draw_photo(4), *turned = NULL;
    lk_face f = straight(1), g = f;
    assert_int_equal(lk_image_new(SIDE, SIDE, NULL, 0, &turned, NULL), LK_OK);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            memcpy(turned->pixels + 3 * (x * SIDE + SIDE - 1 - y), photo->pixels + 3 * (y * SIDE + x), 3);
    for (int i = 0; i < LK_FACE_POINTS; i++) g.point[i] = (lk_point){SIDE - 1 - f.point[i].y, f.point[i].x};
    assert_true(fabs(quality(photo, &f) - quality(turned, &g)) < 0.01);
    lk_image_free(photo);
    lk_image_free(turned);
}

static void test_confidence(void **state) {
    (void)state;
    lk_image *photo = draw_photo(5);
    lk_face f = straight(1);
    double whole = quality(photo, &f);
    f.confidence = 0.5F;
    assert_true(fabs(quality(photo, &f) - whole / 2) < 1e-6);
    f.confidence = 0;
    assert_true(quality(photo, &f) == 0);
    lk_image_free(photo);
}

/* Points anywhere: outside, in one place, crossed, no numbers. */
static void test_any_points(void **state) {
    (void)state;
    lk__random r = lk__random_stream(9, 'q', 0, 0);
    lk_image *photo = draw_photo(6), *speck = NULL;
    assert_int_equal(lk_image_new(1, 1, NULL, 0, &speck, NULL), LK_OK);
    const float odd[] = {NAN, INFINITY, 1e6F, -1e5F, 0};
    for (int i = 0; i < 500; i++) {
        lk_face f = {.confidence = 1};
        double far = i % 3 ? 200 : 5000;
        for (int k = 0; k < LK_FACE_POINTS; k++)
            f.point[k] =
                (lk_point){(float)lk__random_range(&r, -far, far), (float)lk__random_range(&r, -far, far)};
        if (i % 7 == 0) f.point[i % 5].x = odd[i % 4];
        quality(i % 11 ? photo : speck, &f);
    }
    for (int k = 0; k < 5; k++) {
        lk_face f = {.confidence = 1};
        for (int p = 0; p < LK_FACE_POINTS; p++) f.point[p] = (lk_point){odd[k], odd[k]};
        assert_true(quality(photo, &f) == 0);
    }
    lk_image_free(photo);
    lk_image_free(speck);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blur),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_light),
        cmocka_unit_test(test_pose),
        cmocka_unit_test(test_roll_does_not_matter),
        cmocka_unit_test(test_confidence),
        cmocka_unit_test(test_any_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
