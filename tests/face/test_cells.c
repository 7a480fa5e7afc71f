/* test_cells.c: which cells a detector's net has over a canvas of any size, and what a cell's numbers mean.
 */
#include "face/detect.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static lk_status scales_of(const char *net, int w, int h, lk__scales *out) {
    static lk__spec spec;
    lk_error err;
    if (lk__spec_parse_sized(net, w, h, &spec, &err) != LK_OK) fail_msg("%s", err.message);
    return lk__scales_of(&spec, out, NULL);
}

/* The ready net, over canvases of sizes that halve badly: each of its layers of stride 2 leaves half of the
 * cells, rounded up, so after s of them a side of n has (n + 2^s - 1) / 2^s. */
static void test_odd_canvases(void **state) {
    (void)state;
    const int sizes[][2] = {{160, 160}, {161, 97}, {64, 64}, {65, 127}, {17, 33}, {8, 9}, {640, 481}, {1, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        lk__scales s;
        int w = sizes[i][0], h = sizes[i][1];
        if (scales_of("detect", w, h, &s) != LK_OK) {
            /* So few cells may be of several strides. */
            assert_true(w < 32 || h < 32);
            continue;
        }
        assert_int_equal(s.count, 2);
        size_t at = 0;
        for (int k = 0; k < s.count; k++) {
            const lk__scale *v = &s.of[k];
            if (w >= 64 && h >= 64) assert_int_equal(v->stride, k == 0 ? 8 : 16);
            assert_int_equal(v->w, (w + v->stride - 1) / v->stride);
            assert_int_equal(v->h, (h + v->stride - 1) / v->stride);
            assert_int_equal(v->at, at);
            at += (size_t)(16 * v->w * v->h);
        }
        if (w < 64 || h < 64) continue;
        /* No size of face between the scales is nobody's, and none has two. */
        assert_true(s.of[0].least == 0);
        assert_true(s.of[1].least == s.of[0].most);
        assert_true(s.of[1].most > s.of[1].least);
    }
}

static void test_small_nets(void **state) {
    (void)state;
    lk__scales s;
    assert_int_equal(scales_of("input 3 9 8;conv 16 kernel 1 bias;output", 0, 0, &s), LK_OK);
    assert_int_equal(s.count, 1);
    assert_true(s.of[0].stride == 1 && s.of[0].w == 8 && s.of[0].h == 9 && s.of[0].at == 0);
    assert_int_equal(scales_of("input 3 64 64;conv 16 kernel 1 stride 16 bias;output", 67, 130, &s), LK_OK);
    assert_true(s.of[0].stride == 16 && s.of[0].w == 5 && s.of[0].h == 9);
}

static void test_refuses_other_nets(void **state) {
    (void)state;
    const char *const nets[] = {
        "small",                                               /* an embedding */
        "input 3 64 64;conv 8 kernel 1 stride 8 bias;output",  /* 8 numbers a cell */
        "input 3 64 64;conv 32 kernel 1 stride 8 bias;output", /* 32 */
        "input 1 64 64;conv 16 kernel 1 stride 8 bias;output", /* grey */
        "input 3 64 64;conv 16 kernel 1 stride 3 bias;output", /* no power of 2 */
        "input 3 64 64;conv 16 kernel 9 bias;output",          /* no padding: 56 cells for 64 */
        "input 3 64 64;save;conv 16 kernel 1 stride 8;output;conv 8 kernel 1 stride 16;output",
        "input 3 64 64;save;conv 8 kernel 1 stride 8;output;conv 16 kernel 1 stride 16;output",
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        lk__scales s, before;
        memset(&s, 0x5a, sizeof s);
        before = s;
        if (scales_of(nets[i], 0, 0, &s) != LK_INVALID) fail_msg("taken for a detector: %s", nets[i]);
        assert_memory_equal(&s, &before, sizeof s);
    }
}

/* The numbers that docs/formats.md gives a cell for a face, in doubles. */
static void cell_for(const lk_face *f, int stride, int column, int row, float cell[LK__CELL]) {
    double s = stride, x = column * s, y = row * s;
    cell[2] = (float)(((double)f->x + (double)f->width / 2 - x) / s);
    cell[3] = (float)(((double)f->y + (double)f->height / 2 - y) / s);
    cell[4] = (float)log((double)f->width / (4 * s));
    cell[5] = (float)log((double)f->height / (4 * s));
    for (int i = 0; i < LK_FACE_POINTS; i++) {
        cell[6 + 2 * i] = (float)(((double)f->point[i].x - x) / (2 * s));
        cell[7 + 2 * i] = (float)(((double)f->point[i].y - y) / (2 * s));
    }
}

static void test_round_trip(void **state) {
    (void)state;
    lk__random r = lk__random_stream(1, 'c', 0, 0);
    for (int i = 0; i < 2000; i++) {
        lk__scale scale = {.stride = 1 << (i % 7), .w = 40, .h = 40};
        double size = scale.stride * exp(lk__random_range(&r, -2, 2));
        lk_face f = {.width = (float)(size * lk__random_range(&r, 0.5, 2)), .height = (float)size}, got = f;
        int column = (int)lk__random_below(&r, 40), row = (int)lk__random_below(&r, 40);
        f.x = (float)(column * scale.stride + lk__random_range(&r, -2, 2) * size);
        f.y = (float)(row * scale.stride + lk__random_range(&r, -2, 2) * size);
        for (int k = 0; k < LK_FACE_POINTS; k++)
            f.point[k] = (lk_point){f.x + (float)lk__random_range(&r, 0, size),
                                    f.y + (float)lk__random_range(&r, 0, size)};
        float cell[LK__CELL] = {0};
        cell_for(&f, scale.stride, column, row, cell);
        got.confidence = 0.25F;
        got.quality = 0.75F;
        lk__cell_face(cell, &scale, column, row, &got);
        const float *a = &f.x, *b = &got.x;
        for (int k = 0; k < 4 + 2 * LK_FACE_POINTS; k++)
            if (!(fabs((double)a[k] - (double)b[k]) < 1e-5 * (40 * scale.stride + 3 * size)))
                fail_msg("number %d: %g, expected %g", k, (double)b[k], (double)a[k]);
        assert_true(got.confidence == 0.25F && got.quality == 0.75F); /* left alone */
    }
}

/* A cell that says nonsense has a finite face all the same. */
static void test_any_size_is_finite(void **state) {
    (void)state;
    float cell[LK__CELL] = {0};
    lk_face f;
    cell[4] = 1e30F;
    cell[5] = -1e30F;
    lk__cell_face(cell, &(lk__scale){.stride = 16, .w = 4, .h = 4}, 1, 1, &f);
    assert_true(isfinite(f.width) && f.width > 0 && f.height >= 0);
    assert_true(isfinite(f.x) && isfinite(f.y));
}

static lk_face box(double x, double y, double w, double h) {
    return (lk_face){.x = (float)x, .y = (float)y, .width = (float)w, .height = (float)h};
}

static void test_overlap(void **state) {
    (void)state;
    const struct {
        lk_face a, b;
        double iou;
    } cases[] = {
        {box(0, 0, 10, 10), box(0, 0, 10, 10), 1},
        {box(0, 0, 10, 10), box(5, 0, 10, 10), 50 / 150.0},
        {box(0, 0, 10, 10), box(2, 2, 5, 5), 0.25},
        {box(0, 0, 10, 10), box(10, 0, 10, 10), 0}, /* they touch */
        {box(0, 0, 10, 10), box(-30, -30, 10, 10), 0},
        {box(-4, -6, 4, 3), box(-3, -5, 4, 3), 6 / 18.0},
        {box(0, 0, 0, 0), box(0, 0, 0, 0), 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double ab = lk__overlap(&cases[i].a, &cases[i].b), ba = lk__overlap(&cases[i].b, &cases[i].a);
        if (!(fabs(ab - cases[i].iou) < 1e-9 && fabs(ba - ab) < 1e-12))
            fail_msg("case %zu: %g and %g, expected %g", i, ab, ba, cases[i].iou);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odd_canvases),       cmocka_unit_test(test_small_nets),
        cmocka_unit_test(test_refuses_other_nets), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_any_size_is_finite), cmocka_unit_test(test_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
