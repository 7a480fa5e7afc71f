/* test_damage.c: photos made worse in one known way: by how much, where on the face, and nothing else. */
#include "image/image.h"
#include "likeness/train.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { W = 160, H = 200 };

/* Even grey, or noise. */
static lk_image *photo_of(int grey) {
    static uint8_t pixels[3 * W * H];
    lk__random random = lk__random_stream(4, 'd', 0, 0);
    lk_image *image = NULL;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = grey >= 0 ? (uint8_t)grey : (uint8_t)lk__random_below(&random, 256);
    assert_int_equal(lk_image_new(W, H, pixels, 0, &image, NULL), LK_OK);
    return image;
}

/* The template of docs/formats.md in a square of this side at (left, top), upright. */
static lk_face face_at(double left, double top, double side) {
    static const double template[LK_FACE_POINTS][2] = {
        {0.319, 0.375}, {0.681, 0.375}, {0.5, 0.58}, {0.35, 0.79}, {0.65, 0.79}};
    lk_face face = {.width = 1, .height = 1};
    for (int i = 0; i < LK_FACE_POINTS; i++)
        face.point[i] =
            (lk_point){(float)(left + template[i][0] * side), (float)(top + template[i][1] * side)};
    return face;
}

static lk_image *damaged(const char *text, const lk_image *photo, const lk_face *face) {
    lk_damage damage = {LK_DAMAGE_NONE, 0};
    lk_image *out = NULL;
    lk_error err = {LK_OK, ""};
    if (lk_damage_parse(text, &damage, &err) != LK_OK ||
        lk_damage_photo(&damage, photo, face, &out, &err) != LK_OK)
        fail_msg("%s: %s", text, err.message);
    return out;
}

static int at(const lk_image *image, int x, int y) {
    return image->pixels[3 * (y * image->width + x)];
}

static void test_parse(void **state) {
    (void)state;
    const struct {
        const char *text;
        lk_damage_kind kind;
        double amount;
    } good[] = {{"shrink=32", LK_DAMAGE_SHRINK, 32}, {"pixels=24.0", LK_DAMAGE_PIXELS, 24},
                {"grey", LK_DAMAGE_GREY, 0},         {"dark", LK_DAMAGE_DARK, 3},
                {"dark=1.5", LK_DAMAGE_DARK, 1.5},   {"side", LK_DAMAGE_SIDE, 0.9},
                {"jpeg", LK_DAMAGE_JPEG, 10},        {"glasses", LK_DAMAGE_GLASSES, 0}};
    const char *bad[] = {"",       "none",   "shrink", "shrink=",   "shrink=3", "shrink=32px", "shrink=nan",
                         "dark=9", "side=2", "jpeg=0", "glasses=1", "grey=",    "Grey",        "gre"};
    lk_damage out = {LK_DAMAGE_NONE, 7};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lk_error err = {LK_OK, ""};
        if (lk_damage_parse(bad[i], &out, &err) != LK_INVALID || !strstr(err.message, "expected"))
            fail_msg("'%s': %s", bad[i], err.message);
        assert_true(out.kind == LK_DAMAGE_NONE && out.amount > 6);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(lk_damage_parse(good[i].text, &out, NULL), LK_OK);
        if (out.kind != good[i].kind || fabs(out.amount - good[i].amount) > 1e-9)
            fail_msg("%s", good[i].text);
    }
}

/* The face's square of 80 pixels becomes one of 20: a quarter. Without a face it is the shorter side. */
static void test_shrink(void **state) {
    (void)state;
    lk_image *photo = photo_of(-1), *out;
    lk_face face = face_at(30, 40, 80);
    out = damaged("shrink=20", photo, &face);
    assert_true(out->width == W / 4 && out->height == H / 4);
    lk_image_free(out);
    out = damaged("shrink=20", photo, NULL);
    assert_true(out->width == W / 8 && out->height == H / 8);
    lk_image_free(out);
    out = damaged("shrink=80.5", photo, &face); /* nothing is enlarged */
    assert_true(out->width == W && out->height == H);
    assert_memory_equal(out->pixels, photo->pixels, 3 * W * H);
    lk_image_free(out);
    lk_image_free(photo);
}

/* Eight columns a pixel, and smooth between: what is left of a line is wide. */
static void test_pixels(void **state) {
    (void)state;
    lk_image *photo = photo_of(0), *out;
    for (int y = 0; y < H; y++) memset(photo->pixels + 3 * (y * W + 84), 255, 3);
    out = damaged("pixels=20", photo, NULL);
    assert_true(out->width == W && out->height == H);
    assert_in_range(at(out, 84, 100), 20, 40); /* 255 / 8 */
    assert_in_range(at(out, 80, 100), 10, 35);
    assert_int_equal(at(out, 60, 100), 0);
    lk_image_free(out);
    out = damaged("pixels=200", photo, NULL);
    assert_memory_equal(out->pixels, photo->pixels, 3 * W * H);
    lk_image_free(out);
    lk_image_free(photo);
}

static void test_light(void **state) {
    (void)state;
    lk_image *photo = photo_of(200), *out;
    lk_face face = face_at(40, 50, 80);
    out = damaged("dark=2.2", photo, &face); /* 2^(-2.2 / 2.2) */
    assert_int_equal(at(out, 5, 5), 100);
    lk_image_free(out);
    out = damaged("side=0.5", photo, &face);
    assert_int_equal(at(out, 10, 90), 200);
    assert_in_range(at(out, 80, 90), 149, 151);
    assert_int_equal(at(out, 130, 90), 100);
    assert_int_equal(at(out, 80, 10), at(out, 80, 190));
    lk_image_free(out);
    lk_image_free(photo);
    photo = photo_of(-1);
    out = damaged("grey", photo, NULL);
    for (int i = 0; i < W * H; i++) {
        const uint8_t *p = photo->pixels + 3 * i, *g = out->pixels + 3 * i;
        assert_true(g[0] == g[1] && g[1] == g[2]);
        assert_true(fabs(0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2] - g[0]) <= 0.51);
    }
    lk_image_free(out);
    out = damaged("jpeg=30", photo, NULL);
    assert_true(out->width == W && out->height == H && memcmp(out->pixels, photo->pixels, 3 * W * H) != 0);
    lk_image_free(out);
    lk_image_free(photo);
}

/* Over both eyes, turned with the face, and not over nose and mouth. */
static void test_glasses(void **state) {
    (void)state;
    const double turns[] = {0, 0.4, -1.2};
    for (int t = 0; t < 3; t++) {
        lk_image *photo = photo_of(220), *out;
        lk_face face = face_at(-40, -40, 80); /* about (0, 0) */
        for (int i = 0; i < LK_FACE_POINTS; i++) {
            double x = (double)face.point[i].x, y = (double)face.point[i].y, c = cos(turns[t]),
                   s = sin(turns[t]);
            face.point[i] = (lk_point){(float)(c * x - s * y + 80), (float)(s * x + c * y + 100)};
        }
        out = damaged("glasses", photo, &face);
        int dark = 0;
        for (int i = 0; i < LK_FACE_POINTS; i++) {
            int x = (int)lround((double)face.point[i].x), y = (int)lround((double)face.point[i].y);
            if (i < 2)
                assert_in_range(at(out, x, y), 25, 35); /* 20 + 0.05 * 200 */
            else
                assert_int_equal(at(out, x, y), 220);
        }
        for (int i = 0; i < W * H; i++) dark += out->pixels[3 * i] < 100;
        /* Two rounded boxes of 0.15 x 0.1 of the side, 3.7 times their half axes, and a bridge. */
        assert_in_range(dark, 600, 900);
        lk_image_free(out);
        lk_image_free(photo);
    }
    lk_image *photo = photo_of(220), *out = photo;
    lk_error err;
    assert_int_equal(lk_damage_photo(&(lk_damage){LK_DAMAGE_GLASSES, 0}, photo, NULL, &out, &err), LK_EMPTY);
    assert_ptr_equal(out, photo);
    assert_non_null(strstr(err.message, "no face"));
    lk_image_free(photo);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse), cmocka_unit_test(test_shrink),  cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_light), cmocka_unit_test(test_glasses),
    };
    return cmocka_run_group_tests_name("damage", tests, NULL, NULL);
}
