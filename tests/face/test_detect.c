/* test_detect.c: from a photo to the faces in it, with nets whose weights are written here by hand. A cell
 * looks at the one pixel it sits at and says, by its colour: green, here is a face (the greener the surer);
 * red, it is to the right; blue, it is larger. So what should be found can be told to a hundredth of a pixel.
 */
#include "face/detect.h"
#include "face/folders.h"
#include "image/image.h"
#include "likeness/train.h"

#include <math.h>
#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

enum { STRIDE = 8, FACES = 64 };
static const char ONE[] = "input 3 64 64;conv 16 kernel 1 stride 8 bias;output";
static const char TWO[] =
    "input 3 64 64;save;conv 16 kernel 1 stride 8 bias;output;conv 16 kernel 1 stride 16 bias;output";
static const double POINT[LK_FACE_POINTS][2] = {
    {-0.5, -0.4}, {0.55, -0.45}, {0.05, 0.1}, {-0.4, 0.6}, {0.45, 0.65}};

/* ---- models -------------------------------------------------------------------------------------------- */

/* By name, so that the file is what docs/formats.md says and not what one function writes. */
static const char *write_detector(const char *name, const char *net, const char *confidence) {
    static lk__spec spec;
    lk__weights weights;
    lk__tensor tensors[8];
    assert_int_equal(lk__spec_parse(net, &spec, NULL), LK_OK);
    assert_int_equal(lk__weights_new(&spec, false, &weights, NULL), LK_OK);
    memset(weights.values, 0, weights.total * sizeof(float));
    for (int i = 0; i < spec.count; i++) {
        lk__param *w = lk__weights_find(&weights, i, "weight"), *b = lk__weights_find(&weights, i, "bias");
        if (!w || !b || b->count != LK__CELL) continue;
        w->value[0 * 3 + 1] = 20; /* green: sure; grey is not */
        b->value[0] = -10;
        b->value[1] = 3;
        w->value[2 * 3 + 0] = 0.5F;                       /* red: to the right, half a stride */
        w->value[4 * 3 + 2] = w->value[5 * 3 + 2] = 0.5F; /* blue: size */
        for (int k = 0; k < 2 * LK_FACE_POINTS; k++) b->value[6 + k] = (float)POINT[k / 2][k % 2];
    }
    lk__weights_tensors(&weights, tensors);
    lk__meta meta[4] = {{"format", "likeness-model-1"}, {"net", net}};
    size_t n = 2;
    if (confidence) meta[n++] = (lk__meta){"confidence", confidence};
    const char *path = at("%s.safetensors", name);
    assert_int_equal(lk__tensors_write(path, tensors, (size_t)weights.count, meta, n, NULL), LK_OK);
    lk__weights_free(&weights);
    return path;
}

static lk_model *open_model(const char *path) {
    lk_model *model = NULL;
    lk_error err;
    if (lk_model_open(path, &model, &err) != LK_OK) fail_msg("%s", err.message);
    return model;
}

static lk_model *one, *two;

static int setup(void **state) {
    (void)state;
    if (scratch_make() != 0) return -1;
    one = open_model(write_detector("one", ONE, NULL));
    two = open_model(write_detector("two", TWO, NULL));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    lk_model_free(one);
    lk_model_free(two);
    return scratch_drop();
}

static lk_detector *detector_of(const lk_model *model, const lk_detect_options *options) {
    lk_detector *d = NULL;
    lk_error err;
    if (lk_detector_new(model, options, &d, &err) != LK_OK) fail_msg("%s", err.message);
    return d;
}

/* ---- photos -------------------------------------------------------------------------------------------- */

typedef struct colour {
    uint8_t r, g, b;
} colour;
static const colour WHITE = {255, 255, 255}, YELLOW = {255, 255, 0}, CYAN = {0, 255, 255}, BLACK = {0, 0, 0};

static lk_image *black(int w, int h) {
    lk_image *image = NULL;
    assert_int_equal(lk_image_new(w, h, NULL, 0, &image, NULL), LK_OK);
    return image;
}

/* All pixels that touch [x0, x1) x [y0, y1). */
static void fill(lk_image *image, double x0, double y0, double x1, double y1, colour c) {
    for (int y = (int)fmax(0, floor(y0)); y < image->height && y < y1; y++)
        for (int x = (int)fmax(0, floor(x0)); x < image->width && x < x1; x++)
            memcpy(image->pixels + 3 * (y * image->width + x), &c, 3);
}

static void pixel(lk_image *image, int x, int y, colour c) {
    fill(image, x, y, x + 1, y + 1, c);
}

/* What a cell of this stride at (x, y) of a canvas says of a pixel of this colour; (sx, sy) canvas pixels a
 * pixel of the photo. */
static lk_face said(double x, double y, double stride, colour c, double sx, double sy) {
    double r = (c.r - 127.5) / 127.5, g = (c.g - 127.5) / 127.5, b = (c.b - 127.5) / 127.5;
    double side = 4 * stride * exp(0.5 * b), cx = x + 0.5 * stride * r;
    lk_face f = {.width = (float)(side / sx), .height = (float)(side / sy)};
    f.x = (float)((cx - side / 2 + 0.5) / sx - 0.5);
    f.y = (float)((y - side / 2 + 0.5) / sy - 0.5);
    for (int k = 0; k < LK_FACE_POINTS; k++)
        f.point[k] = (lk_point){(float)((x + 2 * stride * POINT[k][0] + 0.5) / sx - 0.5),
                                (float)((y + 2 * stride * POINT[k][1] + 0.5) / sy - 0.5)};
    f.confidence = (float)sqrt(lk__sigmoid(20 * g - 10) * lk__sigmoid(3));
    return f;
}

static void assert_face(const lk_face *got, const lk_face *want) {
    const float *a = &got->x, *b = &want->x;
    for (int k = 0; k < 4 + 2 * LK_FACE_POINTS; k++)
        if (!(fabs((double)a[k] - (double)b[k]) < 2e-3))
            fail_msg("number %d of a face: %g, expected %g", k, (double)a[k], (double)b[k]);
    if (!(fabs((double)(got->confidence - want->confidence)) < 1e-4))
        fail_msg("confidence %g, expected %g", (double)got->confidence, (double)want->confidence);
    assert_true(got->quality >= 0 && got->quality <= 1);
}

static size_t find(lk_detector *d, const lk_image *photo, lk_face faces[FACES]) {
    size_t count = 99;
    lk_error err;
    if (lk_detector_find(d, photo, faces, FACES, &count, &err) != LK_OK) fail_msg("%s", err.message);
    return count;
}

/* ---- where -----------------------------------------------------------------------------------------------
 */

static void test_place(void **state) {
    (void)state;
    lk_detector *d = detector_of(one, NULL);
    lk_face faces[FACES];
    for (int y = 0; y < 64; y += STRIDE)
        for (int x = 0; x < 64; x += STRIDE) {
            colour c = (x + y) % 16 ? WHITE : (colour){0, 255, 30};
            lk_image *photo = black(64, 64);
            pixel(photo, x, y, c);
            assert_int_equal(find(d, photo, faces), 1);
            lk_face want = said(x, y, STRIDE, c, 1, 1);
            assert_face(&faces[0], &want); /* at the border its box reaches beyond the photo */
            lk_image_free(photo);
        }
    lk_detector_free(d);
    lk_detector_free(NULL);
}

static void test_none(void **state) {
    (void)state;
    lk_detector *d = detector_of(one, NULL);
    lk_face faces[FACES];
    const int sizes[][2] = {{64, 64}, {1, 1}, {1, 700}, {2000, 3}, {33, 31}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        lk_image *photo = black(sizes[i][0], sizes[i][1]);
        assert_int_equal(find(d, photo, faces), 0);
        lk_image_free(photo);
    }
    lk_detector_free(d);
}

/* A photo larger than the detector's size is shrunk; what is found is told in its own pixels. */
static void test_large_photos(void **state) {
    (void)state;
    lk_detect_options o = lk_detect_options_default(one);
    o.size = 320;
    lk_detector *d = detector_of(one, &o);
    lk_face faces[FACES];
    const int sizes[][2] = {{640, 320}, {1000, 500}, {480, 1000}, {333, 901}, {320, 320}, {321, 200}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int w = sizes[i][0], h = sizes[i][1];
        double shrink = 320.0 / (w > h ? w : h), sx = round(shrink * w) / w, sy = round(shrink * h) / h;
        const int places[][2] = {{24, 40}, {96, 104}};
        lk_image *photo = black(w, h);
        /* Just over the one canvas pixel that a cell sits at. */
        for (int k = 0; k < 2; k++)
            fill(photo, places[k][0] / sx, places[k][1] / sy, (places[k][0] + 1) / sx,
                 (places[k][1] + 1) / sy, k ? YELLOW : WHITE);
        assert_int_equal(find(d, photo, faces), 2);
        for (int k = 0; k < 2; k++) {
            lk_face want = said(places[k][0], places[k][1], STRIDE, k ? YELLOW : WHITE, sx, sy);
            assert_face(&faces[k], &want); /* widest first: white */
        }
        lk_image_free(photo);
    }
    lk_detector_free(d);
}

/* Faces too large for the net are found in the smaller copies of the photo, below it or at its side. */
static void test_large_faces(void **state) {
    (void)state;
    lk_detector *d = detector_of(one, NULL);
    lk_face faces[FACES];
    for (int tall = 0; tall < 2; tall++) {
        int w = tall ? 480 : 640, h = tall ? 640 : 480;
        lk_image *photo = black(w, h);
        /* The copy is a quarter as large; its corner is 16 pixels from the photo's, on the grid of cells. Its
         * pixel (24, 32) is white, but no cell of the photo itself sits on white. */
        fill(photo, 4 * 24, 4 * 32, 4 * 25, 4 * 33, WHITE);
        pixel(photo, 96, 128, BLACK);
        colour mean = {239, 239, 239}; /* of 16 pixels, one black */
        lk_face want = said(24, 32, STRIDE, mean, 0.25, 0.25);
        assert_int_equal(find(d, photo, faces), 1);
        assert_face(&faces[0], &want);
        lk_image_free(photo);
    }
    lk_detector_free(d);
}

/* Two scales: each with its own stride. */
static void test_two_scales(void **state) {
    (void)state;
    lk_detector *d = detector_of(two, NULL);
    lk_face faces[FACES];
    lk_image *photo = black(64, 64);
    pixel(photo, 24, 24, YELLOW); /* only a cell of stride 8 */
    assert_int_equal(find(d, photo, faces), 1);
    lk_face want = said(24, 24, 8, YELLOW, 1, 1);
    assert_face(&faces[0], &want);
    pixel(photo, 16, 48, YELLOW); /* one of each stride, too different in size to be one face */
    assert_int_equal(find(d, photo, faces), 3);
    want = said(16, 48, 16, YELLOW, 1, 1);
    assert_face(&faces[0], &want);
    want = said(16, 48, 8, YELLOW, 1, 1);
    assert_true(fabs((double)(faces[1].width - want.width)) < 1e-3 &&
                fabs((double)(faces[2].width - want.width)) < 1e-3);
    lk_image_free(photo);
    lk_detector_free(d);
}

/* ---- which ------------------------------------------------------------------------------------------------
 */

static void test_merging(void **state) {
    (void)state;
    lk_detector *d = detector_of(one, NULL);
    lk_face faces[FACES];
    /* Neighbours that agree, equally sure: the mean. */
    lk_image *photo = black(128, 64);
    pixel(photo, 24, 24, WHITE);
    pixel(photo, 32, 24, WHITE);
    assert_int_equal(find(d, photo, faces), 1);
    lk_face want = said(28, 24, STRIDE, WHITE, 1, 1);
    assert_face(&faces[0], &want);
    /* One of them less sure: between the two, nearer to the surer, whose confidence it has. */
    pixel(photo, 32, 24, (colour){255, 204, 255});
    assert_int_equal(find(d, photo, faces), 1);
    lk_face surer = said(24, 24, STRIDE, WHITE, 1, 1);
    assert_true(faces[0].x >= surer.x - 1e-3F && faces[0].x < want.x - 1e-3F);
    assert_true(fabs((double)(faces[0].confidence - surer.confidence)) < 1e-4);
    lk_image_free(photo);
    /* Further apart: one face still, but only the surer's word counts. */
    photo = black(128, 64);
    pixel(photo, 24, 24, YELLOW);
    pixel(photo, 32, 24, (colour){255, 235, 0});
    assert_int_equal(find(d, photo, faces), 1);
    want = said(24, 24, STRIDE, YELLOW, 1, 1);
    assert_face(&faces[0], &want);
    /* And far enough for two. */
    pixel(photo, 48, 24, YELLOW);
    assert_int_equal(find(d, photo, faces), 2);
    lk_image_free(photo);
    lk_detector_free(d);
}

/* Five faces of different size and confidence, none over another. */
static const struct {
    int x, y;
    colour c;
} people[5] = {{32, 32, {255, 210, 0}},
               {96, 32, {255, 255, 120}},
               {160, 32, {255, 200, 255}},
               {32, 96, {255, 230, 200}},
               {96, 96, {255, 220, 60}}};

static lk_image *crowd(void) {
    lk_image *photo = black(224, 128);
    for (int i = 0; i < 5; i++) pixel(photo, people[i].x, people[i].y, people[i].c);
    return photo;
}

static void test_order_and_capacity(void **state) {
    (void)state;
    lk_detector *d = detector_of(one, NULL);
    lk_face faces[FACES];
    lk_image *photo = crowd();
    const int widest[5] = {2, 3, 1, 4, 0}, surest[5] = {1, 3, 4, 0, 2}; /* by blue, by green */
    assert_int_equal(find(d, photo, faces), 5);
    for (int i = 0; i < 5; i++) {
        lk_face want = said(people[widest[i]].x, people[widest[i]].y, STRIDE, people[widest[i]].c, 1, 1);
        assert_face(&faces[i], &want);
    }
    for (size_t capacity = 0; capacity < 7; capacity++) {
        size_t count = 99, most = capacity < 5 ? capacity : 5;
        memset(faces, 0xff, sizeof faces);
        assert_int_equal(lk_detector_find(d, photo, faces, capacity, &count, NULL), LK_OK);
        assert_int_equal(count, most);
        for (size_t i = 0; i < most; i++) {
            bool wanted = false;
            for (size_t k = 0; k < most; k++) {
                lk_face want =
                    said(people[surest[k]].x, people[surest[k]].y, STRIDE, people[surest[k]].c, 1, 1);
                wanted |= fabs((double)(want.confidence - faces[i].confidence)) < 1e-5;
            }
            assert_true(wanted);
            assert_true(i == 0 || faces[i].width <= faces[i - 1].width);
        }
        const uint8_t *beyond = (const uint8_t *)&faces[capacity]; /* nothing is written there */
        for (size_t k = 0; k < sizeof faces[0]; k++) assert_int_equal(beyond[k], 0xff);
    }
    size_t count = 99;
    assert_int_equal(lk_detector_find(d, photo, NULL, 0, &count, NULL), LK_OK);
    assert_int_equal(count, 0);
    lk_image_free(photo);
    lk_detector_free(d);
}

static void test_min_face_and_confidence(void **state) {
    (void)state;
    lk_image *photo = crowd();
    lk_face faces[FACES], want[5];
    for (int i = 0; i < 5; i++) want[i] = said(people[i].x, people[i].y, STRIDE, people[i].c, 1, 1);
    for (int least = 0; least < 60; least += 3) {
        lk_detect_options o = lk_detect_options_default(one);
        o.min_face = least;
        lk_detector *d = detector_of(one, &o);
        size_t expected = 0;
        for (int i = 0; i < 5; i++) expected += want[i].width >= (float)least;
        assert_int_equal(find(d, photo, faces), expected);
        lk_detector_free(d);
    }
    for (int i = 0; i < 5; i++)
        for (int over = -1; over <= 1; over += 2) {
            lk_detect_options o = lk_detect_options_default(one);
            o.confidence = (double)want[i].confidence + over * 1e-4;
            lk_detector *d = detector_of(one, &o);
            size_t expected = 0;
            for (int k = 0; k < 5; k++) expected += (double)want[k].confidence >= o.confidence;
            assert_int_equal(find(d, photo, faces), expected);
            lk_detector_free(d);
        }
    lk_detect_options o = lk_detect_options_default(one);
    o.confidence = 1;
    lk_detector *d = detector_of(one, &o);
    assert_int_equal(find(d, photo, faces), 0);
    lk_detector_free(d);
    lk_image_free(photo);
}

/* min_face is pixels of the photo, not of the canvas. */
static void test_min_face_of_large_photo(void **state) {
    (void)state;
    lk_detect_options o = lk_detect_options_default(one);
    lk_face faces[FACES];
    lk_image *photo = black(1280, 640);
    fill(photo, 48, 64, 50, 66, YELLOW); /* 19.4 on the canvas of half the size, 38.8 in the photo */
    for (o.min_face = 38; o.min_face < 40; o.min_face++) {
        lk_detector *d = detector_of(one, &o);
        assert_int_equal(find(d, photo, faces), o.min_face == 38);
        lk_detector_free(d);
    }
    lk_image_free(photo);
}

/* More sure cells than there is room to look at: the surest must not be lost, wherever they are. */
static void test_a_great_many_candidates(void **state) {
    (void)state;
    lk_detect_options o = lk_detect_options_default(one);
    o.confidence = 0;
    o.size = 1024;
    lk_detector *d = detector_of(one, &o);
    lk_face faces[FACES];
    lk_image *photo = black(1024, 768);
    pixel(photo, 1000, 752, WHITE);
    assert_true(find(d, photo, faces) > 0);
    float most = 0;
    for (int i = 0; i < FACES; i++) most = fmaxf(most, faces[i].confidence);
    assert_true(most > 0.9F);
    lk_image_free(photo);
    lk_detector_free(d);
}

/* ---- life ---------------------------------------------------------------------------------------- */

/* More sizes of canvas than nets are kept for, again and again: what is found stays the same. */
static void test_many_sizes(void **state) {
    (void)state;
    lk_detector *d = detector_of(one, NULL);
    lk_face faces[FACES];
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 12; i++) {
            int w = 64 + 40 * ((5 * i + round) % 12), h = 70 + 33 * (i % 5);
            lk_image *photo = black(w, h);
            pixel(photo, 40, 24, CYAN);
            assert_int_equal(find(d, photo, faces), 1);
            lk_face want = said(40, 24, STRIDE, CYAN, 1, 1);
            assert_face(&faces[0], &want);
            lk_image_free(photo);
        }
    lk_detector_free(d);
}

static void test_threads_and_precision(void **state) {
    (void)state;
    lk_face want[FACES], faces[FACES];
    lk_image *photo = crowd();
    lk_detector *d = detector_of(one, NULL);
    assert_int_equal(find(d, photo, want), 5);
    lk_detector_free(d);
    for (int threads = 0; threads < 4; threads++) {
        lk_detect_options o = lk_detect_options_default(one);
        o.threads = threads;
        d = detector_of(one, &o);
        assert_int_equal(find(d, photo, faces), 5);
        assert_memory_equal(faces, want, 5 * sizeof *faces);
        lk_detector_free(d);
    }
    lk_detect_options o = lk_detect_options_default(one);
    o.precision = LK_PRECISION_BF16;
    d = detector_of(one, &o);
    size_t count = 99;
    lk_status status = lk_detector_find(d, photo, faces, FACES, &count, NULL);
    if (status == LK_OK) { /* where the processor knows it */
        assert_int_equal(count, 5);
        for (int i = 0; i < 5; i++) assert_true(fabs((double)(faces[i].x - want[i].x)) < 1);
    } else {
        assert_int_equal(status, LK_INVALID);
        assert_int_equal(count, 99);
    }
    lk_detector_free(d);
    lk_image_free(photo);
}

static void test_default_options(void **state) {
    (void)state;
    const struct {
        const char *text;
        double confidence;
    } cases[] = {{NULL, 0.5}, {"0.37", 0.37}, {"2", 0.5},   {"0", 0.5},
                 {"-1", 0.5}, {"nan", 0.5},   {"much", 0.5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lk_model *m = open_model(write_detector("noted", ONE, cases[i].text));
        lk_detect_options o = lk_detect_options_default(m);
        assert_true(o.confidence == cases[i].confidence);
        assert_int_equal(o.size, 640);
        assert_int_equal(o.min_face, 0);
        assert_int_equal(o.threads, 1);
        assert_int_equal(o.precision, LK_PRECISION_F32);
        lk_model_free(m);
    }
    assert_true(lk_detect_options_default(NULL).confidence == 0.5);
}

static void test_refuses(void **state) {
    (void)state;
    lk_detector *d = NULL;
    lk_embedder *e = NULL;
    lk_error err;
    lk_detect_options good = lk_detect_options_default(one), o;
#define REFUSED(field, value)                                                                                \
    o = good;                                                                                                \
    o.field = value;                                                                                         \
    assert_int_equal(lk_detector_new(one, &o, &d, &err), LK_INVALID)
    REFUSED(size, 63);
    REFUSED(size, 4097);
    REFUSED(size, -640);
    REFUSED(confidence, -0.01);
    REFUSED(confidence, 1.01);
    REFUSED(confidence, NAN);
    REFUSED(threads, -1);
#undef REFUSED
    assert_null(d);
    /* A model that embeds, and one whose outputs are not those of a detector. */
    lk_model *small =
        open_model(write_detector("embeds", "input 3 16 16;conv 8 kernel 1;gdconv;l2norm", NULL));
    assert_int_equal(lk_detector_new(small, NULL, &d, &err), LK_INVALID);
    assert_non_null(strstr(err.message, "detector"));
    lk_model *other = open_model(write_detector("other", "input 3 64 64;conv 8 kernel 1 bias;output", NULL));
    assert_int_equal(lk_detector_new(other, NULL, &d, &err), LK_INVALID);
    assert_null(d);
    /* And the other way round. */
    assert_int_equal(lk_embedder_new(one, 1, 1, LK_PRECISION_F32, &e, &err), LK_INVALID);
    assert_null(e);
    assert_int_equal(lk_model_dim(one), 0);
    lk_model_free(small);
    lk_model_free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_large_photos),
        cmocka_unit_test(test_large_faces),
        cmocka_unit_test(test_two_scales),
        cmocka_unit_test(test_merging),
        cmocka_unit_test(test_order_and_capacity),
        cmocka_unit_test(test_min_face_and_confidence),
        cmocka_unit_test(test_min_face_of_large_photo),
        cmocka_unit_test(test_a_great_many_candidates),
        cmocka_unit_test(test_many_sizes),
        cmocka_unit_test(test_threads_and_precision),
        cmocka_unit_test(test_default_options),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
