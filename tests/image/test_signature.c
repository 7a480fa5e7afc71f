/* Copies of pictures are known again, whatever was done to them, and different pictures are not taken for
 * copies. */
#include "image/pictures.h"
#include "image/signature.h"

#include <math.h>

enum { WIDTH = 90, HEIGHT = 110, BLOBS = 30 };

/* Soft blobs of many sizes, as photos have: every picture another one. `head`: a large oval that all have in
 * the same place, as aligned faces do. */
static lk_image *draw(uint64_t seed, bool head) {
    lk__random random = lk__random_stream(seed, 's', 0, 0);
    lk_image *image = NULL;
    assert_int_equal(lk_image_new(WIDTH, HEIGHT, NULL, 0, &image, NULL), LK_OK);
    double x[BLOBS], y[BLOBS], size[BLOBS], level[BLOBS][3];
    for (int b = 0; b < BLOBS; b++) {
        x[b] = lk__random_range(&random, 0, WIDTH);
        y[b] = lk__random_range(&random, 0, HEIGHT);
        size[b] = exp(lk__random_range(&random, log(3), log(30)));
        for (int c = 0; c < 3; c++) level[b][c] = lk__random_range(&random, -70, 70);
    }
    for (int i = 0; i < WIDTH * HEIGHT; i++)
        for (int c = 0; c < 3; c++) {
            double px = i % WIDTH, py = i / WIDTH, value = 120;
            for (int b = 0; b < BLOBS; b++)
                value += level[b][c] *
                         exp(-((px - x[b]) * (px - x[b]) + (py - y[b]) * (py - y[b])) / (size[b] * size[b]));
            double u = (px - WIDTH / 2.0) / 30, v = (py - HEIGHT / 2.0) / 42;
            if (head) value += 80 * exp(-u * u - v * v);
            image->pixels[3 * i + c] = (uint8_t)fmin(fmax(value, 0), 255);
        }
    return image;
}

static lk_signature sign(const lk_image *image) {
    lk_signature s;
    assert_int_equal(lk_image_signature(image, &s, NULL), LK_OK);
    return s;
}

static lk_image *encoded(const lk_image *image, int quality) {
    uint8_t *bytes = NULL;
    size_t size = 0;
    lk_image *out = NULL;
    assert_int_equal(lk_image_encode_jpeg(image, quality, &bytes, &size, NULL), LK_OK);
    assert_int_equal(lk_image_decode(bytes, size, "test", &out, NULL), LK_OK);
    free(bytes);
    return out;
}

static lk_image *cut(const lk_image *image, double left, double top, double right, double bottom,
                     double scale) {
    lk_image *out = NULL;
    double w = image->width * (1 - left - right), h = image->height * (1 - top - bottom);
    lk_crop crop = {.x = left * image->width, .y = top * image->height, .width = w, .height = h};
    assert_int_equal(lk_image_crop(image, crop, (int)(w * scale), (int)(h * scale), &out, NULL), LK_OK);
    return out;
}

static lk_image *changed(const lk_image *image, double gain, double offset, bool mirrored, bool grey) {
    lk_image *out = NULL;
    assert_int_equal(lk_image_new(image->width, image->height, NULL, 0, &out, NULL), LK_OK);
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++) {
            const uint8_t *from =
                image->pixels + 3 * (y * image->width + (mirrored ? image->width - 1 - x : x));
            double luma = 0.299 * from[0] + 0.587 * from[1] + 0.114 * from[2];
            for (int c = 0; c < 3; c++)
                out->pixels[3 * (y * image->width + x) + c] =
                    (uint8_t)fmin(fmax(gain * (grey ? luma : from[c]) + offset, 0), 255);
        }
    return out;
}

static lk_image *copy_number(const lk_image *image, int number) {
    switch (number) {
    case 0: return encoded(image, 20);
    case 1: return cut(image, 0, 0, 0, 0, 0.3);
    case 2: return cut(image, 0, 0, 0, 0, 1.7);
    case 3: return cut(image, 0.05, 0, 0, 0, 1);
    case 4: return cut(image, 0.03, 0.05, 0.02, 0, 1);
    case 5: return cut(image, 0, 0.06, 0.08, 0.02, 0.6);
    case 6: return changed(image, 0.6, 0, false, false);
    case 7: return changed(image, 1.15, 10, false, false);
    case 8: return changed(image, 1, 0, false, true);
    default: return changed(image, 1, 0, true, false);
    }
}
enum { COPIES = 10, MIRRORED = 9 };

static void test_copies_are_known(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 6; seed++) {
        lk_image *image = draw(seed, seed & 1);
        lk_signature a = sign(image);
        for (int k = 0; k < COPIES; k++) {
            lk_image *copy = copy_number(image, k);
            lk_signature b = sign(copy);
            bool mirrored = k != MIRRORED;
            double there = lk_signature_likeness(&a, &b, &mirrored),
                   back = lk_signature_likeness(&b, &a, NULL);
            if (there < LK_COPY_LEAST || back < LK_COPY_LEAST)
                fail_msg("picture %d, copy %d: likeness %.3f, %.3f", (int)seed, k, there, back);
            assert_int_equal(mirrored, k == MIRRORED);
            lk_image_free(copy);
        }
        assert_true(lk_signature_likeness(&a, &a, NULL) > 0.9999);
        lk_image_free(image);
    }
}

static void test_others_are_not(void **state) {
    (void)state;
    enum { COUNT = 24 };
    lk_signature s[COUNT];
    for (uint64_t i = 0; i < COUNT; i++) {
        lk_image *image = draw(100 + i, true);
        s[i] = sign(image);
        lk_image_free(image);
    }
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < i; j++) {
            double likeness = lk_signature_likeness(&s[i], &s[j], NULL);
            if (likeness > LK_COPY_LEAST - 0.1) fail_msg("pictures %d and %d: likeness %.3f", i, j, likeness);
        }
}

/* A pair of one colour, however close, says nothing. */
static void test_empty_pictures(void **state) {
    (void)state;
    lk_image *black = NULL, *image = draw(1, false);
    assert_int_equal(lk_image_new(90, 70, NULL, 0, &black, NULL), LK_OK);
    lk_signature s[5] = {sign(black), sign(black), {{0}, {0}}, {{0}, {0}}, sign(image)};
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < i; j++) assert_true(lk_signature_likeness(&s[i], &s[j], NULL) < 0.5);
    lk_copies copies;
    assert_int_equal(lk_copies_find(s, 5, LK_COPY_LEAST, 1, NULL, NULL, &copies, NULL), LK_OK);
    assert_int_equal(copies.count, 0);
    lk_copies_free(&copies);
    assert_int_equal(lk_copies_find(s, 0, LK_COPY_LEAST, 1, NULL, NULL, &copies, NULL), LK_OK);
    assert_int_equal(copies.count, 0);
    lk_copies_free(&copies);
    lk_copies_free(NULL);
    lk_image_free(black);
    lk_image_free(image);
}

/* ---- all pairs ----------------------------------------------------------------------------------------- */

static int stop_at_once(void *context, double share) {
    (void)share;
    return ++*(int *)context;
}

static int count_shares(void *context, double share) {
    double *last = context;
    assert_true(share >= *last && share <= 1.0000001);
    *last = share;
    return 0;
}

/* Each picture twice or thrice among many; the pairs are those and no others, on any number of threads. */
static void test_find(void **state) {
    (void)state;
    enum { PICTURES = 40, COUNT = PICTURES * 2 + PICTURES / 4 };
    static lk_signature s[COUNT];
    static size_t of[COUNT];
    size_t count = 0;
    for (uint64_t i = 0; i < PICTURES; i++) {
        lk_image *image = draw(200 + i, true), *copy = copy_number(image, (int)(i % COPIES));
        of[count] = i;
        s[count++] = sign(image);
        of[count] = i;
        s[count++] = sign(copy);
        lk_image_free(copy);
        if (i % 4 == 0) {
            copy = copy_number(image, 0);
            of[count] = i;
            s[count++] = sign(copy);
            lk_image_free(copy);
        }
        lk_image_free(image);
    }
    assert_int_equal(count, COUNT);
    for (size_t i = 0; i < COUNT / 2; i++) { /* copies need not be neighbours */
        size_t j = COUNT - 1 - (i * 7) % (COUNT / 2), label = of[i];
        lk_signature swap = s[i];
        s[i] = s[j];
        of[i] = of[j];
        s[j] = swap;
        of[j] = label;
    }
    lk_copies one, two;
    double share = 0;
    assert_int_equal(lk_copies_find(s, COUNT, LK_COPY_LEAST, 1, count_shares, &share, &one, NULL), LK_OK);
    assert_true(share > 0.999);
    assert_int_equal(lk_copies_find(s, COUNT, LK_COPY_LEAST, 3, NULL, NULL, &two, NULL), LK_OK);
    assert_int_equal(one.count, two.count);
    for (size_t i = 0; i < one.count; i++)
        assert_true(one.items[i].a == two.items[i].a && one.items[i].b == two.items[i].b &&
                    one.items[i].likeness == two.items[i].likeness);
    size_t expected = 0;
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = i + 1; j < COUNT; j++) expected += of[i] == of[j];
    assert_int_equal(one.count, expected);
    for (size_t i = 0; i < one.count; i++) {
        const lk_copy *c = &one.items[i];
        assert_true(c->a < c->b);
        assert_int_equal(of[c->a], of[c->b]);
        bool mirrored;
        assert_true(fabs(c->likeness - lk_signature_likeness(&s[c->a], &s[c->b], &mirrored)) < 1e-12);
        assert_int_equal(c->mirrored, mirrored);
        if (i > 0) assert_true(c[-1].a < c->a || (c[-1].a == c->a && c[-1].b < c->b));
    }
    lk_copies_free(&one);
    lk_copies_free(&two);
}

/* Two pictures, side by side. */
static void test_find_two(void **state) {
    (void)state;
    lk_image *image = draw(7, true), *copy = copy_number(image, 3);
    lk_signature s[2] = {sign(image), sign(copy)};
    lk_copies copies;
    assert_int_equal(lk_copies_find(s, 2, LK_COPY_LEAST, 0, NULL, NULL, &copies, NULL), LK_OK);
    assert_int_equal(copies.count, 1);
    assert_true(copies.items[0].a == 0 && copies.items[0].b == 1);
    lk_copies_free(&copies);
    lk_image_free(image);
    lk_image_free(copy);
}

static void test_stop_and_errors(void **state) {
    (void)state;
    enum { COUNT = 600 };
    lk_signature *s = calloc(COUNT, sizeof *s);
    lk_copies copies = {7, NULL};
    lk_error err;
    int calls = 0;
    assert_non_null(s);
    assert_int_equal(lk_copies_find(s, COUNT, LK_COPY_LEAST, 1, stop_at_once, &calls, &copies, &err),
                     LK_STOPPED);
    assert_int_equal(calls, 1);
    assert_int_equal(lk_copies_find(s, COUNT, 0, 1, NULL, NULL, &copies, &err), LK_INVALID);
    assert_int_equal(lk_copies_find(s, COUNT, NAN, 1, NULL, NULL, &copies, &err), LK_INVALID);
    assert_int_equal(copies.count, 7); /* untouched */
    free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_are_known), cmocka_unit_test(test_others_are_not),
        cmocka_unit_test(test_empty_pictures),   cmocka_unit_test(test_find),
        cmocka_unit_test(test_find_two),         cmocka_unit_test(test_stop_and_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
