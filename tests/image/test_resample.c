/* test_resample.c: resize, crop and warp against plain double references, over odd sizes. */
#include "image/image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const int sizes[][2] = {{1, 1},  {1, 7},   {7, 1},   {2, 3},   {5, 5},
                               {16, 9}, {31, 33}, {64, 64}, {101, 67}};
enum { SIZES = sizeof sizes / sizeof *sizes };

static lk_image *noise(int width, int height, uint64_t seed) {
    lk_image *image = NULL;
    assert_int_equal(lk_image_new(width, height, NULL, 0, &image, NULL), LK_OK);
    lk__random r = lk__random_stream(seed, 0, 0, 0);
    for (int i = 0; i < 3 * width * height; i++) image->pixels[i] = (uint8_t)lk__random_u64(&r);
    return image;
}

static lk_image *flat(int width, int height, uint8_t value) {
    lk_image *image = NULL;
    assert_int_equal(lk_image_new(width, height, NULL, 0, &image, NULL), LK_OK);
    memset(image->pixels, value, 3 * (size_t)width * (size_t)height);
    return image;
}

static int clamp(int v, int high) {
    return v < 0 ? 0 : v > high ? high : v;
}

static double at(const lk_image *image, int x, int y, int c) {
    return image->pixels[3 * (clamp(y, image->height - 1) * image->width + clamp(x, image->width - 1)) + c];
}

/* The mean over the box [x0, x1] x [y0, y1], pixel (i, j) being the square from (i, j) to (i + 1, j + 1). */
static double box_mean(const lk_image *image, double x0, double x1, double y0, double y1, int c) {
    double sum = 0;
    for (int y = (int)floor(y0); y < ceil(y1); y++)
        for (int x = (int)floor(x0); x < ceil(x1); x++)
            sum += (fmin(x1, x + 1) - fmax(x0, x)) * (fmin(y1, y + 1) - fmax(y0, y)) * at(image, x, y, c);
    return sum / ((x1 - x0) * (y1 - y0));
}

static double bilinear(const lk_image *image, double x, double y, int c) {
    int i = (int)floor(x), j = (int)floor(y);
    double u = x - i, v = y - j;
    return (1 - v) * ((1 - u) * at(image, i, j, c) + u * at(image, i + 1, j, c)) +
           v * ((1 - u) * at(image, i, j + 1, c) + u * at(image, i + 1, j + 1, c));
}

/* Area average along an axis that shrinks, linear along one that grows. `left, top, right, bottom` in edges.
 */
static double cut_reference(const lk_image *in, double left, double top, double right, double bottom,
                            int width, int height, int x, int y, int c) {
    double sx = (right - left) / width, sy = (bottom - top) / height;
    double cx = left + (x + 0.5) * sx, cy = top + (y + 0.5) * sy;
    if (sx <= 1 && sy <= 1) return bilinear(in, cx - 0.5, cy - 0.5, c);
    double rx = fmax(sx, 1) / 2, ry = fmax(sy, 1) / 2;
    return box_mean(in, cx - rx, cx + rx, cy - ry, cy + ry, c);
}

static void check_cut(const lk_image *in, double left, double top, double right, double bottom,
                      const lk_image *out) {
    double worst = 0;
    for (int y = 0; y < out->height; y++)
        for (int x = 0; x < out->width; x++)
            for (int c = 0; c < 3; c++) {
                double want = cut_reference(in, left, top, right, bottom, out->width, out->height, x, y, c);
                worst = fmax(worst, fabs(want - at(out, x, y, c)));
            }
    if (worst > 0.501) print_message("%dx%d -> %dx%d\n", in->width, in->height, out->width, out->height);
    assert_true(worst <= 0.501); /* rounding and nothing else */
}

static void resize_is_area_average_and_bilinear(void **state) {
    (void)state;
    for (int i = 0; i < SIZES; i++)
        for (int j = 0; j < SIZES; j++) {
            lk_image *in = noise(sizes[i][0], sizes[i][1], (uint64_t)i), *out = NULL;
            assert_int_equal(lk_image_resize(in, sizes[j][0], sizes[j][1], &out, NULL), LK_OK);
            assert_int_equal(lk_image_width(out), sizes[j][0]);
            assert_int_equal(lk_image_height(out), sizes[j][1]);
            check_cut(in, 0, 0, in->width, in->height, out);
            if (i == j)
                assert_memory_equal(in->pixels, out->pixels, 3 * (size_t)in->width * (size_t)in->height);
            lk_image_free(in);
            lk_image_free(out);
        }
}

static void crops_are_cut_with_repeated_borders(void **state) {
    (void)state;
    static const double rectangle[][4] = {{0, 0, 31, 33},        {3.25, 4.5, 10.75, 11}, {-7.5, -3, 20, 60},
                                          {25, 30, 40.5, 17},    {-50, -50, 200, 180},   {100, 5, 3, 3},
                                          {-9, -9, 0.25, 0.125}, {12, 13, 1e-3, 1}};
    lk_image *in = noise(31, 33, 5);
    for (size_t i = 0; i < sizeof rectangle / sizeof *rectangle; i++) {
        const double *r = rectangle[i];
        for (int j = 0; j < SIZES; j++) {
            lk_image *out = NULL;
            lk_crop crop = {0, r[0], r[1], r[2], r[3]};
            assert_int_equal(lk_image_crop(in, crop, sizes[j][0], sizes[j][1], &out, NULL), LK_OK);
            check_cut(in, r[0], r[1], r[0] + r[2], r[1] + r[3], out);
            lk_image_free(out);
        }
    }
    lk_image_free(in);
}

static void a_centre_crop_is_the_central_square(void **state) {
    (void)state;
    static const double centre[] = {1, 0.9, 0.33, 1.5};
    lk_image *in = noise(67, 45, 6);
    for (size_t i = 0; i < sizeof centre / sizeof *centre; i++) {
        lk_image *out = NULL;
        double side = centre[i] * 45;
        assert_int_equal(lk_image_crop(in, (lk_crop){.centre = centre[i]}, 24, 17, &out, NULL), LK_OK);
        check_cut(in, (67 - side) / 2, (45 - side) / 2, (67 + side) / 2, (45 + side) / 2, out);
        lk_image_free(out);
    }
    lk_image_free(in);
}

static void crop_is_the_warp_of_its_map(void **state) {
    (void)state;
    lk_image *in = noise(80, 60, 7), *crop = NULL, *warp = NULL;
    lk_crop face = {0, 12.5, 3, 40, 51};
    double m[6];
    lk__crop_map(80, 60, face, 23, 29, m);
    assert_int_equal(lk_image_crop(in, face, 23, 29, &crop, NULL), LK_OK);
    assert_int_equal(lk__image_warp(in, m, 23, 29, &warp, NULL), LK_OK);
    assert_memory_equal(crop->pixels, warp->pixels, 3 * 23 * 29);
    lk_image_free(in);
    lk_image_free(crop);
    lk_image_free(warp);
}

/* What a rotated output pixel covers, as the mean of n x n samples. */
static double warp_reference(const lk_image *in, const double m[6], int nx, int ny, int x, int y, int c) {
    double sum = 0;
    for (int j = 0; j < ny; j++)
        for (int i = 0; i < nx; i++) {
            double u = x + (i + 0.5) / nx - 0.5, v = y + (j + 0.5) / ny - 0.5;
            double px = m[0] * u + m[1] * v + m[2], py = m[3] * u + m[4] * v + m[5];
            /* Far outside, where int would overflow, the border is all there is. */
            sum += bilinear(in, fmin(fmax(px, -9), in->width + 9), fmin(fmax(py, -9), in->height + 9), c);
        }
    return sum / (nx * ny);
}

static void rotation(double scale, double angle, double x, double y, double m[6]) {
    m[0] = scale * cos(angle);
    m[1] = -scale * sin(angle);
    m[2] = x;
    m[3] = scale * sin(angle);
    m[4] = scale * cos(angle);
    m[5] = y;
}

static double worst_against(const lk_image *in, const double m[6], int nx, int ny, const lk_image *out) {
    double worst = 0;
    for (int y = 0; y < out->height; y++)
        for (int x = 0; x < out->width; x++)
            for (int c = 0; c < 3; c++)
                worst = fmax(worst, fabs(warp_reference(in, m, nx, ny, x, y, c) - at(out, x, y, c)));
    return worst;
}

static void warp_is_the_mean_of_bilinear_samples(void **state) {
    (void)state;
    static const double scale[] = {0.2, 0.999, 1.3, 2.7, 3.9}, angle[] = {0.1, -0.7, 2, 3.1};
    for (int i = 0; i < SIZES; i++)
        for (size_t s = 0; s < 5; s++)
            for (size_t a = 0; a < 4; a++) {
                lk_image *in = noise(sizes[i][0], sizes[i][1], (uint64_t)i), *out = NULL;
                double m[6];
                rotation(scale[s], angle[a], 0.3 * in->width, 0.2 * in->height - 3, m);
                int n = (int)ceil(scale[s]);
                assert_int_equal(lk__image_warp(in, m, 13, 11, &out, NULL), LK_OK);
                assert_true(worst_against(in, m, n, n, out) <= 0.51);
                lk_image_free(in);
                lk_image_free(out);
            }
}

static void warp_shears_and_mirrors(void **state) {
    (void)state;
    static const double maps[][6] = {{1, 0.5, 0, 0, 1, 0},
                                     {-0.9, 0.1, 40, 0.2, 0.8, 1},
                                     {0, 1, 0, 1, 0, 0},
                                     {0, -1, 30, 1, 0, 0},
                                     {2.5, 0.01, 3, 0, 1, 2}};
    lk_image *in = noise(41, 37, 8), *out = NULL;
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        const double *m = maps[i];
        int nx = (int)ceil(hypot(m[0], m[3])), ny = (int)ceil(hypot(m[1], m[4]) - 1e-9);
        assert_int_equal(lk__image_warp(in, m, 37, 41, &out, NULL), LK_OK);
        assert_true(worst_against(in, m, nx, ny, out) <= 0.51);
        lk_image_free(out);
    }
    static const double mirror[6] = {-1, 0, 40, 0, 1, 0}, half_turn[6] = {-1, 0, 40, 0, -1, 36};
    assert_int_equal(lk__image_warp(in, mirror, 41, 37, &out, NULL), LK_OK);
    assert_true(worst_against(in, mirror, 1, 1, out) == 0);
    lk_image_free(out);
    assert_int_equal(lk__image_warp(in, half_turn, 41, 37, &out, NULL), LK_OK);
    assert_true(worst_against(in, half_turn, 1, 1, out) == 0);
    lk_image_free(out);
    lk_image_free(in);
}

/* Strong shrinking goes through a smaller copy; on a smooth picture it must still land in the same place. */
static void warp_shrinks_strongly_without_shift(void **state) {
    (void)state;
    lk_image *in = flat(640, 480, 0), *out = NULL;
    for (int y = 0; y < 480; y++)
        for (int x = 0; x < 640; x++) {
            uint8_t *p = in->pixels + 3 * (y * 640 + x);
            p[0] = (uint8_t)(x * 255 / 639);
            p[1] = (uint8_t)(y * 255 / 479);
            p[2] = (uint8_t)(127.5 + 100 * sin(x * 0.008) * cos(y * 0.01));
        }
    static const double scale[] = {4, 5.3, 9.7, 40};
    for (size_t i = 0; i < 4; i++) {
        double m[6];
        int width = (int)(400 / scale[i]), height = (int)(300 / scale[i]);
        rotation(scale[i], 0.2, 150, 40, m);
        assert_int_equal(lk__image_warp(in, m, width, height, &out, NULL), LK_OK);
        double worst = worst_against(in, m, 32, 32, out);
        if (worst > 2.5) print_message("scale %g: off by %g\n", scale[i], worst);
        assert_true(worst <= 2.5);
        lk_image_free(out);
    }
    lk_image_free(in);

    /* On noise only the mean over all of what a pixel covers is near the mean over very many samples. */
    double m[6];
    in = noise(640, 480, 2);
    rotation(40, 0.2, 150, 40, m);
    assert_int_equal(lk__image_warp(in, m, 10, 7, &out, NULL), LK_OK);
    double worst = worst_against(in, m, 80, 80, out);
    if (worst > 9) print_message("noise: off by %g\n", worst);
    assert_true(worst <= 9);
    lk_image_free(out);
    lk_image_free(in);
}

static void warp_does_not_alias(void **state) {
    (void)state;
    lk_image *in = flat(400, 400, 0), *out = NULL;
    for (int y = 0; y < 400; y++)
        for (int x = 0; x < 400; x++) memset(in->pixels + 3 * (y * 400 + x), (x + y) % 2 ? 255 : 0, 3);
    static const double scale[] = {2.2, 3.3, 7.1, 40};
    for (size_t i = 0; i < 4; i++) {
        double m[6];
        rotation(scale[i], 0.3, 90, 20, m);
        int side = (int)(200 / scale[i]);
        assert_int_equal(lk__image_warp(in, m, side, side, &out, NULL), LK_OK);
        for (int k = 0; k < 3 * side * side; k++)
            assert_in_range(out->pixels[k], i < 3 ? 100 : 122, i < 3 ? 155 : 133);
        lk_image_free(out);
    }
    lk_image_free(in);
}

static void white_stays_white(void **state) {
    (void)state;
    static const double extreme[][6] = {
        {1, 0, 0, 0, 1, 0},       {1e9, 0, 0, 0, 1e9, 0},          {1e9, 1e9, -1e9, 1e9, -1e9, 1e9},
        {0, 0, 0, 0, 0, 0},       {1e-300, 1e-300, 0, 1e-9, 0, 0}, {0, 1e9, 1e9, 1e-9, 0, -1e9},
        {7, 1, -1e9, -1, 7, 1e9}, {1e9, 0, 5, 0, 1e-9, 5}};
    for (int i = 0; i < SIZES; i++)
        for (size_t j = 0; j < sizeof extreme / sizeof *extreme; j++) {
            lk_image *in = flat(sizes[i][0], sizes[i][1], 255), *out = NULL;
            assert_int_equal(lk__image_warp(in, extreme[j], 19, 23, &out, NULL), LK_OK);
            for (int k = 0; k < 3 * 19 * 23; k++) assert_int_equal(out->pixels[k], 255);
            lk_image_free(in);
            lk_image_free(out);
        }
}

static void bad_numbers_are_refused(void **state) {
    (void)state;
    lk_image *in = noise(9, 8, 1), *out = in;
    lk_error err = {LK_OK, ""};
    static const double bad[] = {(double)NAN, (double)INFINITY, -(double)INFINITY, 1e10};
    for (size_t b = 0; b < 4; b++) {
        for (int i = 0; i < 6; i++) {
            double m[6] = {1, 0.1, 0, 0.1, 1, 0};
            m[i] = bad[b];
            assert_int_equal(lk__image_warp(in, m, 4, 4, &out, &err), LK_INVALID);
        }
        for (int i = 0; i < 5; i++) {
            lk_crop crop = {0, 1, 1, 5, 5};
            *(i == 0   ? &crop.centre
              : i == 1 ? &crop.x
              : i == 2 ? &crop.y
              : i == 3 ? &crop.width
                       : &crop.height) = bad[b];
            assert_int_equal(lk_image_crop(in, crop, 4, 4, &out, &err), LK_INVALID);
        }
    }
    assert_int_equal(lk_image_crop(in, (lk_crop){0}, 4, 4, &out, &err), LK_INVALID);
    assert_int_equal(lk_image_crop(in, (lk_crop){0, 1, 1, -5, 5}, 4, 4, &out, &err), LK_INVALID);
    assert_int_equal(lk_image_crop(in, (lk_crop){.centre = -0.5}, 4, 4, &out, &err), LK_INVALID);
    static const int wrong[][2] = {{0, 4}, {4, 0}, {-3, 4}, {4, -3}};
    static const double turn[6] = {1, 0.1, 0, -0.1, 1, 0};
    for (size_t i = 0; i < 4; i++) {
        int w = wrong[i][0], h = wrong[i][1];
        assert_int_equal(lk_image_crop(in, (lk_crop){.centre = 1}, w, h, &out, &err), LK_INVALID);
        assert_int_equal(lk_image_resize(in, w, h, &out, &err), LK_INVALID);
        assert_int_equal(lk__image_warp(in, turn, w, h, &out, &err), LK_INVALID);
        assert_int_equal(lk_image_new(w, h, NULL, 0, &out, &err), LK_INVALID);
    }
    assert_int_equal(lk_image_resize(in, 10000, 10000, &out, &err), LK_TOO_LARGE);
    assert_int_equal(lk_image_new(100000, 100000, NULL, 0, &out, &err), LK_TOO_LARGE);
    assert_int_equal(lk_image_new(4, 4, in->pixels, 11, &out, &err), LK_INVALID);
    assert_ptr_equal(out, in);
    lk_image_free(in);
}

static void new_copies_rows(void **state) {
    (void)state;
    uint8_t pixels[2 * 10];
    for (int i = 0; i < 20; i++) pixels[i] = (uint8_t)i;
    static const uint8_t strided[12] = {0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15};
    static const uint8_t packed[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, black[12] = {0};
    lk_image *image = NULL;
    assert_int_equal(lk_image_new(2, 2, pixels, 10, &image, NULL), LK_OK);
    assert_memory_equal(lk_image_pixels(image), strided, 12);
    lk_image_free(image);
    assert_int_equal(lk_image_new(2, 2, pixels, 0, &image, NULL), LK_OK);
    assert_memory_equal(lk_image_pixels(image), packed, 12);
    lk_image_free(image);
    assert_int_equal(lk_image_new(2, 2, NULL, 0, &image, NULL), LK_OK);
    assert_memory_equal(lk_image_pixels(image), black, 12);
    lk_image_free(image);
    lk_image_free(NULL);
}

static void crops_are_parsed(void **state) {
    (void)state;
    lk_crop crop = {0};
    assert_int_equal(lk_crop_parse("0.9", &crop, NULL), LK_OK);
    assert_true(crop.centre == 0.9);
    assert_int_equal(lk_crop_parse("-3,4.5,100,7e1", &crop, NULL), LK_OK);
    assert_true(crop.centre == 0 && crop.x == -3 && crop.y == 4.5 && crop.width == 100 && crop.height == 70);
    static const char *const bad[] = {
        "",          "0",        "-1",        "nan",       "inf",    "1e9",     "x",         "0.9x",
        "0.9,",      ",0.9",     "0.9 ",      "1,2",       "1,2,3",  "1,2,3,",  "1,2,3,0",   "1,2,3,4,",
        "1,2,3,4,5", "1,2,3,-4", "1,2,nan,4", "inf,2,3,4", "1,,3,4", "1;2;3;4", "1,2,3,1e99"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lk_crop before = {0, 1, 2, 3, 4}, after = before;
        lk_error err = {LK_OK, ""};
        if (lk_crop_parse(bad[i], &after, &err) != LK_INVALID) print_message("\"%s\" was accepted\n", bad[i]);
        assert_int_equal(err.status, LK_INVALID);
        assert_non_null(strstr(err.message, bad[i]));
        assert_memory_equal(&before, &after, sizeof before);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resize_is_area_average_and_bilinear),
        cmocka_unit_test(crops_are_cut_with_repeated_borders),
        cmocka_unit_test(a_centre_crop_is_the_central_square),
        cmocka_unit_test(crop_is_the_warp_of_its_map),
        cmocka_unit_test(warp_is_the_mean_of_bilinear_samples),
        cmocka_unit_test(warp_shears_and_mirrors),
        cmocka_unit_test(warp_shrinks_strongly_without_shift),
        cmocka_unit_test(warp_does_not_alias),
        cmocka_unit_test(white_stays_white),
        cmocka_unit_test(bad_numbers_are_refused),
        cmocka_unit_test(new_copies_rows),
        cmocka_unit_test(crops_are_parsed),
    };
    return cmocka_run_group_tests_name("image resample", tests, NULL, NULL);
}
