/* test_detect_loss.c: what a detector is taught, against docs/training.md told a second time: who answers for
 * which face by looking at every cell and every face, the loss in doubles, and its slope by central
 * differences. */
#include "face/detect_loss.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NOTHING = -1, ANYTHING = -2 };

typedef struct fixture {
    lk__scales scales;
    int dim, w, h;
    float *output, *gradient;
    int *place;    /* as the loss wants it */
    int *expected; /* (dim / 16): which face, NOTHING or ANYTHING */
    lk__scene scene;
    lk__detect_loss sums;
} fixture;

static void make(fixture *f, const char *net, int w, int h) {
    static lk__spec spec;
    assert_int_equal(lk__spec_parse_sized(net, w, h, &spec, NULL), LK_OK);
    assert_int_equal(lk__scales_of(&spec, &f->scales, NULL), LK_OK);
    f->dim = spec.dim;
    f->w = spec.w;
    f->h = spec.h;
    f->scene.count = 0;
    size_t n = (size_t)f->dim;
    f->output = malloc(n * sizeof(float));
    f->gradient = malloc(n * sizeof(float));
    f->place = malloc(n / LK__CELL * sizeof(int));
    f->expected = malloc(n / LK__CELL * sizeof(int));
    assert_true(f->output && f->gradient && f->place && f->expected);
}

static void drop(fixture *f) {
    free(f->output);
    free(f->gradient);
    free(f->place);
    free(f->expected);
}

static void add(fixture *f, double x, double y, double w, double h, bool ignored) {
    lk__label *l = &f->scene.label[f->scene.count++];
    *l = (lk__label){.face = {.x = (float)x, .y = (float)y, .width = (float)w, .height = (float)h},
                     .ignored = ignored};
    for (int i = 0; i < LK_FACE_POINTS; i++)
        l->face.point[i] =
            (lk_point){(float)(x + w * (0.2 + 0.15 * i)), (float)(y + h * (0.9 - 0.17 * (i * i % 5)))};
}

static void draw_output(fixture *f, lk__random *r) {
    for (int i = 0; i < f->dim; i++) f->output[i] = (float)lk__random_range(r, -2, 2);
}

/* As detect_loss.h has them. */
static const double OVERLAP_WEIGHT = 0.5, BOX_WEIGHT = 2, POINT_WEIGHT = 1, BOX_BEND = 0.05,
                    POINT_BEND = 0.02;

/* ---- who answers, by the definition ------------------------------------------------------------------ */

static int who(const fixture *f, const lk__scale *s, double x, double y) {
    int answer = NOTHING;
    double nearest = INFINITY;
    for (int i = 0; i < f->scene.count; i++) {
        const lk__label *l = &f->scene.label[i];
        double w = (double)l->face.width, h = (double)l->face.height, size = sqrt(w * h);
        double d = fmax(fabs(x - (double)l->face.x - w / 2) / w, fabs(y - (double)l->face.y - h / 2) / h);
        double middle = fmax(0.22, 0.5 * s->stride / fmin(w, h));
        if (!l->ignored && size >= s->least / 1.2 && size < s->most * 1.2 && d <= middle) {
            if (d < nearest) answer = i, nearest = d;
        } else if (nearest == INFINITY && d <= fmax(l->ignored ? 0.6 : 0.45, middle) &&
                   (l->ignored || (size >= s->least / 1.6 && size < s->most * 1.6))) {
            answer = ANYTHING;
        }
    }
    return answer;
}

static void expect(fixture *f) {
    int *to = f->expected;
    for (int k = 0; k < f->scales.count; k++) {
        const lk__scale *s = &f->scales.of[k];
        for (int y = 0; y < s->h; y++)
            for (int x = 0; x < s->w; x++) *to++ = who(f, s, x * s->stride, y * s->stride);
    }
}

/* ---- how wrong, by the definition, in doubles -------------------------------------------------------- */

static double smooth(double e, double beta) {
    return fabs(e) < beta ? e * e / (2 * beta) : fabs(e) - beta / 2;
}

/* Of one cell. The truth of `overlap` is what the box overlaps now, and has no slope of its own. */
static double loss_of(const double v[LK__CELL], double stride, double x, double y, int whose,
                      const lk__scene *scene, double overlap, lk__detect_loss *parts) {
    *parts = (lk__detect_loss){0};
    if (whose == ANYTHING) return 0;
    double p = 1 / (1 + exp(-v[0]));
    parts->face = whose >= 0 ? -0.5 * pow(1 - p, 2) * log(p) : -0.5 * pow(p, 2) * log(1 - p);
    if (whose < 0) return parts->face;
    const lk_face *t = &scene->label[whose].face;
    double w = (double)t->width, h = (double)t->height, q = 1 / (1 + exp(-v[1]));
    parts->overlap = -OVERLAP_WEIGHT * (overlap * log(q) + (1 - overlap) * log(1 - q));
    const double box[4] = {(x + stride * v[2] - ((double)t->x + w / 2)) / w,
                           (y + stride * v[3] - ((double)t->y + h / 2)) / h, v[4] - log(w / (4 * stride)),
                           v[5] - log(h / (4 * stride))};
    for (int i = 0; i < 4; i++) parts->box += BOX_WEIGHT * smooth(box[i], BOX_BEND);
    for (int i = 0; i < LK_FACE_POINTS; i++) {
        double ex = (x + 2 * stride * v[6 + 2 * i] - (double)t->point[i].x) / w;
        double ey = (y + 2 * stride * v[7 + 2 * i] - (double)t->point[i].y) / h;
        parts->points += POINT_WEIGHT * (smooth(ex, POINT_BEND) + smooth(ey, POINT_BEND));
    }
    parts->cells = 1;
    return parts->face + parts->overlap + parts->box + parts->points;
}

/* Central differences in double; a cell whose truth is NOTHING or ANYTHING has slopes of exactly 0. */
static void check_cell(const fixture *f, const lk__scale *s, int at, int column, int row, int whose,
                       lk__detect_loss *sums) {
    const float *cell = f->output + at;
    double v[LK__CELL], x = column * s->stride, y = row * s->stride, overlap = 0;
    lk__detect_loss parts;
    lk_face said;
    for (int i = 0; i < LK__CELL; i++) v[i] = (double)cell[i];
    lk__cell_face(cell, s, column, row, &said);
    if (whose >= 0) overlap = lk__overlap(&said, &f->scene.label[whose].face);
    for (int i = 0; i < LK__CELL; i++) {
        double got = (double)f->gradient[at + i], h = 1e-5, was = v[i];
        if (whose == ANYTHING || (whose == NOTHING && i > 0)) {
            if (got != 0) fail_msg("cell %d, %d: slope %d is %g, expected none", column, row, i, got);
            continue;
        }
        v[i] = was + h;
        double above = loss_of(v, s->stride, x, y, whose, &f->scene, overlap, &parts);
        v[i] = was - h;
        double want = (above - loss_of(v, s->stride, x, y, whose, &f->scene, overlap, &parts)) / (2 * h);
        v[i] = was;
        /* Within 1e-5 of a bend the difference is between two slopes, off by a thousandth of them. */
        if (!(fabs(got - want) <= 2e-3 * fabs(want) + 1e-5))
            fail_msg("cell %d, %d of stride %d, face %d: slope %d is %g, by differences %g", column, row,
                     s->stride, whose, i, got, want);
    }
    loss_of(v, s->stride, x, y, whose, &f->scene, overlap, &parts);
    sums->face += parts.face;
    sums->overlap += parts.overlap;
    sums->box += parts.box;
    sums->points += parts.points;
    sums->cells += parts.cells;
}

static void assert_sum(double got, double want, const char *what) {
    if (!(fabs(got - want) <= 1e-5 * fabs(want) + 1e-6)) fail_msg("%s: %.9g, expected %.9g", what, got, want);
}

static void check(fixture *f) {
    lk__detect_loss want = {0};
    f->sums = (lk__detect_loss){0};
    memset(f->gradient, 0xff, (size_t)f->dim * sizeof(float)); /* all of it must be written */
    lk__detect_loss_of(&f->scales, f->output, &f->scene, f->place, f->gradient, &f->sums);
    expect(f);
    const int *whose = f->expected;
    for (int k = 0; k < f->scales.count; k++) {
        const lk__scale *s = &f->scales.of[k];
        for (int i = 0; i < s->w * s->h; i++)
            check_cell(f, s, (int)s->at + LK__CELL * i, i % s->w, i / s->w, *whose++, &want);
    }
    assert_sum(f->sums.face, want.face, "face");
    assert_sum(f->sums.overlap, want.overlap, "overlap");
    assert_sum(f->sums.box, want.box, "box");
    assert_sum(f->sums.points, want.points, "points");
    assert_int_equal(f->sums.cells, want.cells);
}

/* ---- tests --------------------------------------------------------------------------------------------- */

static void test_no_face(void **state) {
    (void)state;
    static fixture f;
    lk__random r = lk__random_stream(1, 'l', 0, 0);
    make(&f, "detect", 160, 160);
    draw_output(&f, &r);
    check(&f);
    assert_int_equal(f.sums.cells, 0);
    assert_true(f.sums.face > 0 && f.sums.box == 0 && f.sums.overlap == 0 && f.sums.points == 0);
    add(&f, 40, 40, 50, 50, true); /* perhaps one */
    check(&f);
    assert_int_equal(f.sums.cells, 0);
    drop(&f);
}

static void test_many_faces(void **state) {
    (void)state;
    static fixture f;
    lk__random r = lk__random_stream(2, 'l', 0, 0);
    const int sizes[][2] = {{160, 160}, {96, 131}};
    for (int i = 0; i < 40; i++) {
        make(&f, "detect", sizes[i % 2][0], sizes[i % 2][1]);
        draw_output(&f, &r);
        for (int k = 0; k < 12; k++) {
            /* From tiny to larger than the canvas; some off it, some upon each other. */
            double size = exp(lk__random_range(&r, log(3), log(300))),
                   aspect = lk__random_range(&r, 0.7, 1.4);
            double x = lk__random_range(&r, -0.5 * size, f.w), y = lk__random_range(&r, -0.5 * size, f.h);
            add(&f, x, y, size, size * aspect, lk__random_unit(&r) < 0.3);
        }
        check(&f);
        drop(&f);
    }
}

/* Faces of every size that has a scale: one on its own has at least one cell, wherever it is as long as its
 * middle is within half a stride of a cell. */
static void test_every_face_has_a_cell(void **state) {
    (void)state;
    static fixture f;
    lk__random r = lk__random_stream(3, 'l', 0, 0);
    make(&f, "detect", 160, 160);
    double least = 1, most = f.scales.of[1].most;
    for (int i = 0; i < 3000; i++) {
        double size = exp(lk__random_range(&r, log(least), log(most * 1.19))),
               aspect = exp(lk__random_range(&r, -0.2, 0.2));
        double w = size / aspect, h = size * aspect;
        double cx = lk__random_range(&r, 0, 148), cy = lk__random_range(&r, 0, 148);
        f.scene.count = 0;
        add(&f, cx - w / 2, cy - h / 2, w, h, false);
        draw_output(&f, &r);
        f.sums = (lk__detect_loss){0};
        lk__detect_loss_of(&f.scales, f.output, &f.scene, f.place, f.gradient, &f.sums);
        if (f.sums.cells == 0) fail_msg("a face of %g x %g at (%g, %g) has no cell", w, h, cx, cy);
    }
    drop(&f);
}

/* Which of the two scales: below, between (both), above; far too large: neither, and nobody is blamed. */
static void test_right_scale(void **state) {
    (void)state;
    static fixture f;
    make(&f, "detect", 320, 320);
    double border = f.scales.of[0].most;
    const struct {
        double size;
        bool fine, coarse;
    } cases[] = {{5, true, false},
                 {border / 1.25, true, false},
                 {border / 1.15, true, true},
                 {border * 1.15, true, true},
                 {border * 1.25, false, true},
                 {f.scales.of[1].most * 1.15, false, true},
                 {f.scales.of[1].most * 1.25, false, false},
                 {f.scales.of[1].most * 2, false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool has[2] = {false, false}, asked[2] = {true, true};
        f.scene.count = 0;
        add(&f, 160 - cases[i].size / 2, 160 - cases[i].size / 2, cases[i].size, cases[i].size, false);
        memset(f.output, 0, (size_t)f.dim * sizeof(float));
        lk__detect_loss_of(&f.scales, f.output, &f.scene, f.place, f.gradient, &f.sums);
        for (int k = 0; k < 2; k++)
            for (int c = 0; c < f.scales.of[k].w * f.scales.of[k].h; c++) {
                const float *slope = f.gradient + f.scales.of[k].at + LK__CELL * (size_t)c;
                has[k] |= slope[0] < 0;
                asked[k] &= slope[0] != 0;
            }
        if (has[0] != cases[i].fine || has[1] != cases[i].coarse)
            fail_msg("a face of %g: fine %d, coarse %d", cases[i].size, has[0], has[1]);
        if (cases[i].size > 2 * f.scales.of[0].most) assert_true(asked[0]); /* the fine scale must say no */
        if (cases[i].size > 1.6 * f.scales.of[1].most) assert_true(asked[1]);
    }
    drop(&f);
}

/* What is said with certainty must not become infinite. */
static void test_extreme_outputs(void **state) {
    (void)state;
    static fixture f;
    make(&f, "detect", 160, 160);
    add(&f, 30, 30, 20, 24, false);
    add(&f, 70, 70, 60, 66, false);
    const float extremes[] = {-1e4F, 1e4F, -88, 88, 1e20F};
    for (size_t i = 0; i < sizeof extremes / sizeof *extremes; i++) {
        for (int k = 0; k < f.dim; k++) f.output[k] = extremes[i];
        f.sums = (lk__detect_loss){0};
        lk__detect_loss_of(&f.scales, f.output, &f.scene, f.place, f.gradient, &f.sums);
        assert_true(isfinite(f.sums.face) && isfinite(f.sums.overlap) && isfinite(f.sums.points));
        for (int k = 0; k < f.dim; k++) assert_true(isfinite(f.gradient[k]));
    }
    drop(&f);
}

/* A cell that says exactly what is true has no box or points to answer for. */
static void test_truth_costs_nothing(void **state) {
    (void)state;
    static fixture f;
    make(&f, "detect", 160, 160);
    add(&f, 50, 44, 24, 28, false);
    const lk_face *t = &f.scene.label[0].face;
    for (int k = 0; k < f.scales.count; k++) {
        const lk__scale *s = &f.scales.of[k];
        for (int i = 0; i < s->w * s->h; i++) {
            float *cell = f.output + s->at + (size_t)LK__CELL * (size_t)i;
            float stride = (float)s->stride, x = (float)(i % s->w) * stride, y = (float)(i / s->w) * stride;
            cell[0] = cell[1] = 20;
            cell[2] = (t->x + t->width / 2 - x) / stride;
            cell[3] = (t->y + t->height / 2 - y) / stride;
            cell[4] = logf(t->width / (4 * stride));
            cell[5] = logf(t->height / (4 * stride));
            for (int p = 0; p < LK_FACE_POINTS; p++) {
                cell[6 + 2 * p] = (t->point[p].x - x) / (2 * stride);
                cell[7 + 2 * p] = (t->point[p].y - y) / (2 * stride);
            }
        }
    }
    f.sums = (lk__detect_loss){0};
    lk__detect_loss_of(&f.scales, f.output, &f.scene, f.place, f.gradient, &f.sums);
    assert_true(f.sums.cells > 0);
    assert_true(f.sums.box < 1e-6 && f.sums.points < 1e-6);
    drop(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_face),
        cmocka_unit_test(test_many_faces),
        cmocka_unit_test(test_every_face_has_a_cell),
        cmocka_unit_test(test_right_scale),
        cmocka_unit_test(test_extreme_outputs),
        cmocka_unit_test(test_truth_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
