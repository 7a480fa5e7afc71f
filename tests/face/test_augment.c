/* Augmentation: nothing at 0, decided by the random stream alone, bounded, and still the same face. */
#include "face/augment.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const lk_crop WHOLE = {.centre = 1};

/* Something with edges, colour and a left that is darker than its right. */
static lk_image *make_photo(int width, int height) {
    lk_image *photo = NULL;
    assert_int_equal(lk_image_new(width, height, NULL, 0, &photo, NULL), LK_OK);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            uint8_t *p = photo->pixels + 3 * (y * width + x);
            int base = x < width / 2 ? 60 : 180, wave = (int)(20 * sin(x * 0.4) * cos(y * 0.3));
            p[0] = (uint8_t)(base + wave + 20);
            p[1] = (uint8_t)(base + wave);
            p[2] = (uint8_t)(base - wave - 20);
        }
    }
    return photo;
}

static lk_image *augment(const lk_image *photo, lk_crop crop, double strength, uint64_t draw, int width,
                         int height) {
    lk__random random = lk__random_stream(5, draw, 0, 0);
    lk_image *face = NULL;
    lk_error err = {0};
    if (lk__augment(photo, crop, strength, false, &random, width, height, &face, &err) != LK_OK)
        fail_msg("%s", err.message);
    assert_int_equal(face->width, width);
    assert_int_equal(face->height, height);
    return face;
}

static size_t bytes_of(const lk_image *image) {
    return 3 * (size_t)image->width * (size_t)image->height;
}

static double mean_of(const lk_image *image) {
    double sum = 0;
    for (size_t i = 0; i < bytes_of(image); i++) sum += image->pixels[i];
    return sum / (double)bytes_of(image);
}

static double mean_difference(const lk_image *a, const lk_image *b) {
    double sum = 0;
    for (size_t i = 0; i < bytes_of(a); i++) sum += abs(a->pixels[i] - b->pixels[i]);
    return sum / (double)bytes_of(a);
}

static bool is_grey(const lk_image *image) {
    for (size_t i = 0; i < bytes_of(image); i += 3)
        if (image->pixels[i] != image->pixels[i + 1] || image->pixels[i] != image->pixels[i + 2])
            return false;
    return true;
}

static void planes_are_normalised_and_mirrored(void **state) {
    (void)state;
    const uint8_t pixels[] = {0, 127, 255, 10, 20, 30, 40, 50, 60, 70, 80, 90}; /* (2, 2, 3) */
    lk_image *face = NULL;
    assert_int_equal(lk_image_new(2, 2, pixels, 0, &face, NULL), LK_OK);
    float plain[12], mirrored[12];
    lk__face_to_planes(face, false, plain);
    lk__face_to_planes(face, true, mirrored);
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < 2; y++)
            for (int x = 0; x < 2; x++) {
                float expected = ((float)pixels[3 * (2 * y + x) + c] - 127.5f) / 127.5f;
                assert_true(fabsf(plain[4 * c + 2 * y + x] - expected) < 1e-6f);
                assert_true(mirrored[4 * c + 2 * y + (1 - x)] == plain[4 * c + 2 * y + x]);
            }
    assert_true(plain[0] == -1 && plain[8] == 1);
    lk_image_free(face);
}

static void strength_0_is_the_crop(void **state) {
    (void)state;
    lk_image *photo = make_photo(97, 61), *crop = NULL;
    const lk_crop crops[] = {{.centre = 1}, {.centre = 0.7}, {0, 10, 5, 40, 44}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(lk_image_crop(photo, crops[i], 48, 56, &crop, NULL), LK_OK);
        for (uint64_t draw = 0; draw < 5; draw++) {
            lk_image *face = augment(photo, crops[i], 0, draw, 48, 56);
            assert_memory_equal(face->pixels, crop->pixels, bytes_of(crop));
            lk_image_free(face);
        }
        lk_image_free(crop);
    }
    lk_image_free(photo);
}

static void the_random_stream_decides(void **state) {
    (void)state;
    lk_image *photo = make_photo(90, 90), *before = NULL;
    for (uint64_t draw = 0; draw < 60; draw++) {
        lk_image *once = augment(photo, WHOLE, 1, draw, 64, 64),
                 *again = augment(photo, WHOLE, 1, draw, 64, 64);
        assert_memory_equal(once->pixels, again->pixels, bytes_of(once));
        if (before) assert_true(mean_difference(once, before) > 0);
        lk_image_free(again);
        lk_image_free(before);
        before = once;
    }
    lk_image_free(before);
    lk_image_free(photo);
}

/* Where the bright dot in the middle of a dark photo went, on average: pixels from the middle. */
static double wandering(bool aligned) {
    enum { SIDE = 64, DRAWS = 200 };
    lk_image *photo = NULL;
    assert_int_equal(lk_image_new(SIDE, SIDE, NULL, 0, &photo, NULL), LK_OK);
    for (int y = 24; y < 40; y++) memset(photo->pixels + 3 * (y * SIDE + 24), 255, 3 * 16);
    double sum = 0;
    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        lk__random random = lk__random_stream(9, draw, 0, 0);
        lk_image *face = NULL;
        assert_int_equal(lk__augment(photo, WHOLE, 1, aligned, &random, SIDE, SIDE, &face, NULL), LK_OK);
        double x = 0, y = 0, weight = 0;
        for (int i = 0; i < SIDE * SIDE; i++) {
            double w = pow(face->pixels[3 * i + 1] / 255.0, 4); /* the dot, not what is around it */
            x += w * (i % SIDE);
            y += w * (i / SIDE);
            weight += w;
        }
        if (weight > 0) sum += hypot(x / weight - 31.5, y / weight - 31.5) / DRAWS;
        lk_image_free(face);
    }
    lk_image_free(photo);
    return sum;
}

static void an_aligned_head_moves_less(void **state) {
    (void)state;
    double free_head = wandering(false), aligned = wandering(true);
    assert_true(aligned > 0.2 && aligned < 0.75 * free_head);
}

/* The photo ends: whole rows and columns repeat their neighbour, from a border on, and nothing else changes.
 */
static void the_photo_may_end(void **state) {
    (void)state;
    enum { DRAWS = 300 };
    int ended = 0;
    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        lk_image *photo = make_photo(50, 40), *face = make_photo(50, 40);
        lk__random random = lk__random_stream(3, draw, 0, 0);
        lk__end_photo(face, 1, &random);
        ended += mean_difference(photo, face) > 0;
        for (int y = 8; y < 32; y++) /* a fifth of either side at most */
            assert_memory_equal(face->pixels + 3 * (50 * y + 10), photo->pixels + 3 * (50 * y + 10), 3 * 30);
        lk_image_free(photo);
        lk_image_free(face);
    }
    assert_true(ended > DRAWS / 6 && ended < DRAWS / 2);
}

/* A third is grey, half is flipped, brightness stays about where it was, and more strength changes more. */
static void figures_are_as_promised(void **state) {
    (void)state;
    enum { DRAWS = 400 };
    lk_image *photo = make_photo(112, 112), *crop = NULL;
    assert_int_equal(lk_image_crop(photo, WHOLE, 64, 64, &crop, NULL), LK_OK);
    int grey = 0, flipped = 0, washed_out = 0;
    double mean = 0;
    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        lk_image *face = augment(photo, WHOLE, 1, draw, 64, 64);
        double left = 0, right = 0;
        for (int y = 0; y < 64; y++) {
            left += face->pixels[3 * (64 * y + 10) + 1];
            right += face->pixels[3 * (64 * y + 53) + 1];
        }
        grey += is_grey(face);
        flipped += left > right;
        washed_out += mean_of(face) < 25 || mean_of(face) > 230 || fabs(left - right) < 64 * 10;
        mean += mean_of(face) / DRAWS;
        lk_image_free(face);
    }
    assert_in_range(grey, DRAWS * 20 / 100, DRAWS * 40 / 100); /* 0.3; JPEG may tint a few by one */
    assert_in_range(flipped, DRAWS * 42 / 100, DRAWS * 58 / 100);
    assert_true(washed_out < DRAWS / 50);
    assert_true(fabs(mean - mean_of(crop)) < 15);

    double before = 0;
    for (int s = 1; s <= 3; s++) {
        double change = 0;
        for (uint64_t draw = 0; draw < DRAWS / 2; draw++) {
            lk_image *face = augment(photo, WHOLE, s / 3.0, draw, 64, 64), *mirror = NULL;
            assert_int_equal(lk_image_new(64, 64, NULL, 0, &mirror, NULL), LK_OK);
            for (int i = 0; i < 64 * 64; i++)
                memcpy(mirror->pixels + 3 * i, face->pixels + 3 * (i / 64 * 64 + 63 - i % 64), 3);
            change += fmin(mean_difference(face, crop), mean_difference(mirror, crop)) / (DRAWS / 2);
            lk_image_free(mirror);
            lk_image_free(face);
        }
        assert_true(change > 1.15 * before);
        assert_true(change < 60);
        before = change;
    }
    lk_image_free(crop);
    lk_image_free(photo);
}

/* The map of one warp, checked as a map: bounded, half of them mirrored, and using its range. */
static void the_face_stays_in_the_picture(void **state) {
    (void)state;
    enum { WIDTH = 90, HEIGHT = 120, DRAWS = 500 };
    const double crop[6] = {2, 0, 10, 0, 3, 20}; /* output to photo */
    const double cx = 0.5 * (WIDTH - 1), cy = 0.5 * (HEIGHT - 1), degree = 3.14159265358979 / 180;
    int mirrored = 0;
    double most_turn = 0, most_shift = 0, most_size = 0;
    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        lk__random random = lk__random_stream(6, draw, 0, 0);
        double m[6];
        memcpy(m, crop, sizeof m);
        double strength = draw % 2 ? 1 : 0.5;
        lk__vary_map(m, WIDTH, HEIGHT, strength, &random);
        double a[4] = {m[0] / 2, m[1] / 2, m[3] / 3, m[4] / 3}; /* in output pixels again */
        double shift_x = (m[0] * cx + m[1] * cy + m[2] - 10) / 2 - cx,
               shift_y = (m[3] * cx + m[4] * cy + m[5] - 20) / 3 - cy;
        double area = a[0] * a[3] - a[1] * a[2];
        double turn = fabs(atan2(a[2], a[0]));
        turn = fmin(turn, 180 * degree - turn);
        mirrored += area < 0;
        assert_true(fabs(log(fabs(area))) <= strength * 0.24 + 1e-9);
        assert_true(turn <= strength * 12 * degree + 1e-9);
        assert_true(fabs(shift_x) <= strength * 0.06 * WIDTH + 1e-9 &&
                    fabs(shift_y) <= strength * 0.06 * HEIGHT + 1e-9);
        most_turn = fmax(most_turn, turn / degree);
        most_shift = fmax(most_shift, fabs(shift_y) / HEIGHT);
        most_size = fmax(most_size, fabs(log(fabs(area))));
    }
    assert_in_range(mirrored, DRAWS * 42 / 100, DRAWS * 58 / 100);
    assert_true(most_turn > 11 && most_shift > 0.055 && most_size > 0.21);
}

static void any_size_will_do(void **state) {
    (void)state;
    const int sizes[][2] = {{1, 1}, {1, 9}, {9, 1}, {2, 3}, {33, 65}, {300, 2}};
    for (size_t i = 0; i < 6; i++) {
        lk_image *photo = make_photo(sizes[i][0], sizes[i][1]);
        for (size_t j = 0; j < 6; j++)
            for (uint64_t draw = 0; draw < 20; draw++)
                lk_image_free(augment(photo, WHOLE, draw % 2 ? 1 : 0.3, draw, sizes[j][0], sizes[j][1]));
        lk_image_free(photo);
    }
}

static void each_stage_keeps_its_word(void **state) {
    (void)state;
    int grey = 0, sharp = 0, covered = 0;
    lk_image *photo = make_photo(60, 60);
    for (uint64_t draw = 0; draw < 200; draw++) {
        lk__random random = lk__random_stream(8, draw, 0, 0);
        lk_image *face = NULL;
        assert_int_equal(lk_image_new(60, 60, photo->pixels, 0, &face, NULL), LK_OK);
        lk__occlude(face, 1, &random);
        double hidden = mean_difference(face, photo);
        covered += hidden > 0;
        assert_true(hidden < 60);
        bool says_grey = lk__relight(face, 1, &random);
        assert_int_equal(says_grey, is_grey(face));
        grey += says_grey;
        double mean = mean_of(face);
        lk_image *lit = NULL;
        assert_int_equal(lk_image_new(60, 60, face->pixels, 0, &lit, NULL), LK_OK);
        assert_int_equal(lk__photograph(&face, says_grey, 1, &random, NULL), LK_OK);
        assert_int_equal(face->width, 60);
        assert_int_equal(face->height, 60);
        assert_true(fabs(mean_of(face) - mean) < 8); /* a camera takes sharpness, not light */
        sharp += mean_difference(face, lit) == 0;
        lk_image_free(lit);
        lk_image_free(face);
    }
    assert_in_range(covered, 25, 65); /* 0.21 */
    assert_in_range(grey, 40, 80);    /* 0.3 */
    assert_in_range(sharp, 40,
                    110); /* 0.8 * 0.8 * 0.7 * 0.8 = 0.36, and 60 pixels are often no lower resolution */
    lk_image_free(photo);
}

/* Blur and enlargement must not bring the other side of the picture to a border. */
static void borders_stay_borders(void **state) {
    (void)state;
    enum { SIDE = 96 };
    for (uint64_t draw = 0; draw < 150; draw++) {
        lk__random random = lk__random_stream(9, draw, 0, 0);
        lk_image *face = NULL;
        assert_int_equal(lk_image_new(SIDE, SIDE, NULL, 0, &face, NULL), LK_OK);
        for (int i = 0; i < SIDE * SIDE; i++) {
            face->pixels[3 * i] = (uint8_t)(40 + 2 * (i / SIDE));     /* brighter downwards */
            face->pixels[3 * i + 1] = (uint8_t)(40 + 2 * (i % SIDE)); /* to the right */
            face->pixels[3 * i + 2] = 128;
        }
        assert_int_equal(lk__photograph(&face, false, 1, &random, NULL), LK_OK);
        double top = 0, bottom = 0, left = 0, right = 0;
        for (int i = 0; i < SIDE; i++) {
            top += face->pixels[3 * i] / (double)SIDE;
            bottom += face->pixels[3 * (SIDE * (SIDE - 1) + i)] / (double)SIDE;
            left += face->pixels[3 * SIDE * i + 1] / (double)SIDE;
            right += face->pixels[3 * (SIDE * i + SIDE - 1) + 1] / (double)SIDE;
        }
        assert_true(fabs(top - 40) < 15 && fabs(bottom - 230) < 15);
        assert_true(fabs(left - 40) < 15 && fabs(right - 230) < 15);
        lk_image_free(face);
    }
}

/* On a plain grey photo only a covering can make two places differ much in colour. */
static void coverings_are_part_of_it(void **state) {
    (void)state;
    enum { DRAWS = 300, SIDE = 64 };
    uint8_t grey[SIDE * SIDE * 3];
    memset(grey, 128, sizeof grey);
    lk_image *photo = NULL;
    assert_int_equal(lk_image_new(SIDE, SIDE, grey, 0, &photo, NULL), LK_OK);
    int covered = 0;
    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        lk_image *face = augment(photo, WHOLE, 1, draw, SIDE, SIDE);
        int least = 255, most = -255;
        for (size_t i = 0; i < bytes_of(face); i += 3) {
            int red = face->pixels[i] - face->pixels[i + 2];
            least = red < least ? red : least;
            most = red > most ? red : most;
        }
        covered += most - least > 110;
        lk_image_free(face);
    }
    assert_in_range(covered, DRAWS * 2 / 100, DRAWS * 15 / 100);
    lk_image_free(photo);
}

static void strength_is_checked(void **state) {
    (void)state;
    lk_image *photo = make_photo(8, 8), *untouched = photo, *face = untouched;
    const double bad[] = {-0.1, 1.1, NAN, INFINITY};
    for (size_t i = 0; i < 4; i++) {
        lk__random random = lk__random_stream(1, 2, 3, 4);
        lk_error err = {0};
        assert_int_equal(lk__augment(photo, WHOLE, bad[i], false, &random, 8, 8, &face, &err), LK_INVALID);
        assert_int_equal(err.status, LK_INVALID);
        assert_ptr_equal(face, untouched);
    }
    lk_image_free(photo);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planes_are_normalised_and_mirrored),
        cmocka_unit_test(strength_0_is_the_crop),
        cmocka_unit_test(the_random_stream_decides),
        cmocka_unit_test(an_aligned_head_moves_less),
        cmocka_unit_test(the_photo_may_end),
        cmocka_unit_test(figures_are_as_promised),
        cmocka_unit_test(the_face_stays_in_the_picture),
        cmocka_unit_test(any_size_will_do),
        cmocka_unit_test(each_stage_keeps_its_word),
        cmocka_unit_test(borders_stay_borders),
        cmocka_unit_test(coverings_are_part_of_it),
        cmocka_unit_test(strength_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
