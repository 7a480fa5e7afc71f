/* test_scene.c: canvases to teach a detector with. The photos here are grey, with a light or dark dot at each
 * labelled point; a canvas is searched for the dots where its labels say. Whatever the scene did on the way
 * (turned, mirrored, scaled, relit, compressed), labels and pixels must have gone together. */
#include "face/scene.h"
#include "image/image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 160, PHOTOS = 5, CANVASES = 700, DOTS_MOST = CANVASES * 8 * LK_FACE_POINTS };

/* Light or dark, by point. A mirror image exchanges the first two and the last two, so it is told apart. */
static const int light[LK_FACE_POINTS] = {1, -1, 1, 1, -1};
static const int swapped[LK_FACE_POINTS] = {1, 0, 2, 4, 3};
static const double DOT = 0.07; /* radius, of the box's width */

typedef struct fixture {
    lk__labels labels;
    lk__labelled photo[PHOTOS];
    lk__label label[PHOTOS][2];
    size_t all[PHOTOS];
    float *canvas;
    lk__scene scene;
} fixture;

static fixture f;

static void dot(lk_image *image, lk_point at, double radius, int sign) {
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++) {
            double inside = fmin(fmax(radius + 0.5 - hypot(x - (double)at.x, y - (double)at.y), 0), 1);
            uint8_t *p = image->pixels + 3 * (y * image->width + x);
            for (int c = 0; c < 3; c++) p[c] = (uint8_t)(p[c] + sign * 95 * inside);
        }
}

static void add_face(lk__labelled *photo, double x, double y, double w, double h, bool ignored) {
    static const double place[LK_FACE_POINTS][2] = {
        {0.28, 0.35}, {0.71, 0.33}, {0.5, 0.57}, {0.33, 0.8}, {0.68, 0.78}};
    lk__label *l = &photo->label[photo->count++];
    *l = (lk__label){.face = {.x = (float)x, .y = (float)y, .width = (float)w, .height = (float)h},
                     .ignored = ignored};
    for (int i = 0; i < LK_FACE_POINTS; i++) {
        /* Not two faces alike, so that a canvas's label can be traced back. */
        l->face.point[i] = (lk_point){(float)(x + w * (place[i][0] + 0.0007 * x * (i % 3 - 1))),
                                      (float)(y + h * (place[i][1] + 0.0005 * y * (i % 2)))};
        dot(photo->image, l->face.point[i], DOT * w, light[i]);
    }
}

static int setup(void **state) {
    (void)state;
    const int sizes[PHOTOS][2] = {{320, 240}, {150, 190}, {640, 480}, {300, 200}, {90, 77}};
    f.canvas = malloc(3 * SIDE * SIDE * sizeof(float));
    if (!f.canvas) return -1;
    for (int i = 0; i < PHOTOS; i++) {
        lk__labelled *p = &f.photo[i];
        *p = (lk__labelled){.label = f.label[i]};
        if (lk_image_new(sizes[i][0], sizes[i][1], NULL, 0, &p->image, NULL) != LK_OK) return -1;
        memset(p->image->pixels, 120, 3 * (size_t)sizes[i][0] * (size_t)sizes[i][1]);
        f.all[i] = (size_t)i;
    }
    add_face(&f.photo[0], 30, 40, 90, 100, false);
    add_face(&f.photo[0], 200, 60, 60, 72, false);
    add_face(&f.photo[1], 20, 30, 110, 130, false);
    add_face(&f.photo[2], 350, 150, 200, 230, false);
    add_face(&f.photo[3], 100, 60, 70, 80, true); /* the last photo has none */
    for (int i = 0; i < PHOTOS; i++) {
        const lk_image *from = f.photo[i].image;
        for (int k = 0; k < LK__SMALLER; k++) {
            if (lk_image_resize(from, (from->width + 1) / 2, (from->height + 1) / 2, &f.photo[i].smaller[k],
                                NULL) != LK_OK)
                return -1;
            from = f.photo[i].smaller[k];
        }
    }
    f.labels = (lk__labels){.photo = f.photo, .count = PHOTOS};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    for (int i = 0; i < PHOTOS; i++) {
        lk_image_free(f.photo[i].image);
        for (int k = 0; k < LK__SMALLER; k++) lk_image_free(f.photo[i].smaller[k]);
    }
    free(f.canvas);
    return 0;
}

static void draw(uint64_t seed, const size_t *chosen, size_t count, float *canvas, lk__scene *scene) {
    lk__random random = lk__random_stream(seed, 's', 0, 0);
    lk_error err;
    if (lk__scene_draw(&f.labels, chosen, count, SIDE, &random, canvas, scene, &err) != LK_OK)
        fail_msg("%s", err.message);
}

static void test_same_seed_same_canvas(void **state) {
    (void)state;
    enum { BYTES = 3 * SIDE * SIDE * sizeof(float) };
    static lk__scene again;
    float *canvas = malloc(BYTES);
    assert_non_null(canvas);
    int differ = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        draw(seed, f.all, PHOTOS, f.canvas, &f.scene);
        memset(canvas, 0xff, BYTES);
        memset(&again, 0xff, sizeof again);
        draw(seed, f.all, PHOTOS, canvas, &again);
        assert_memory_equal(canvas, f.canvas, BYTES);
        assert_int_equal(again.count, f.scene.count);
        for (int i = 0; i < again.count; i++) {
            assert_memory_equal(&again.label[i].face, &f.scene.label[i].face, sizeof(lk_face));
            assert_int_equal(again.label[i].ignored, f.scene.label[i].ignored);
        }
        draw(seed + 1000, f.all, PHOTOS, canvas, &again);
        differ += memcmp(canvas, f.canvas, BYTES) != 0;
    }
    assert_int_equal(differ, 20);
    free(canvas);
}

/* ---- labels against the photo's ---------------------------------------------------------------------------
 */

/* The affine map that takes three of the photo's points to the canvas's, m (2, 3). */
static bool solve(const lk_point a[LK_FACE_POINTS], const lk_point b[LK_FACE_POINTS], double m[6]) {
    double x1 = (double)(a[1].x - a[0].x), y1 = (double)(a[1].y - a[0].y), x2 = (double)(a[3].x - a[0].x),
           y2 = (double)(a[3].y - a[0].y), det = x1 * y2 - x2 * y1;
    double u1 = (double)(b[1].x - b[0].x), v1 = (double)(b[1].y - b[0].y), u2 = (double)(b[3].x - b[0].x),
           v2 = (double)(b[3].y - b[0].y);
    if (fabs(det) < 1e-6) return false;
    m[0] = (u1 * y2 - u2 * y1) / det;
    m[1] = (u2 * x1 - u1 * x2) / det;
    m[3] = (v1 * y2 - v2 * y1) / det;
    m[4] = (v2 * x1 - v1 * x2) / det;
    m[2] = (double)b[0].x - m[0] * (double)a[0].x - m[1] * (double)a[0].y;
    m[5] = (double)b[0].y - m[3] * (double)a[0].x - m[4] * (double)a[0].y;
    return true;
}

static double off(const double m[6], double x, double y, double u, double v) {
    return hypot(m[0] * x + m[1] * y + m[2] - u, m[3] * x + m[4] * y + m[5] - v);
}

/* The photo's label that `to` came from, and the map; NULL if it is no image of any. */
static const lk_face *origin(const lk_face *to, double m[6], bool *mirrored) {
    for (int i = 0; i < PHOTOS; i++)
        for (size_t k = 0; k < f.photo[i].count; k++)
            for (int swap = 0; swap < 2; swap++) {
                const lk_face *from = &f.photo[i].label[k].face;
                lk_point said[LK_FACE_POINTS];
                for (int p = 0; p < LK_FACE_POINTS; p++) said[swap ? swapped[p] : p] = to->point[p];
                double worst = 0;
                if (!solve(from->point, said, m)) continue;
                for (int p = 0; p < LK_FACE_POINTS; p++)
                    worst = fmax(worst, off(m, (double)from->point[p].x, (double)from->point[p].y,
                                            (double)said[p].x, (double)said[p].y));
                *mirrored = swap == 1;
                if (worst < 2e-4 * (double)to->width + 1e-3 && (m[0] * m[4] - m[1] * m[3] < 0) == *mirrored)
                    return from;
            }
    return NULL;
}

/* Every labelled face is an image of one in a photo: points, centre and size of its box. */
static void test_labels_are_images(void **state) {
    (void)state;
    size_t faces = 0, mirrors = 0, small = 0, large = 0, turned = 0;
    for (uint64_t seed = 0; seed < CANVASES; seed++) {
        draw(seed, f.all, PHOTOS, f.canvas, &f.scene);
        for (int i = 0; i < f.scene.count; i++) {
            const lk__label *l = &f.scene.label[i];
            const lk_face *to = &l->face;
            double m[6], w = (double)to->width, h = (double)to->height, size = sqrt(w * h);
            bool mirrored;
            if (l->ignored) {
                /* Cut to what is there: nothing beyond it is excused. */
                assert_true(w > 0 && h > 0);
                assert_true(to->x >= 0 && to->y >= 0 && to->x + to->width <= SIDE + 0.01F &&
                            to->y + to->height <= SIDE + 0.01F);
                continue;
            }
            const lk_face *from = origin(to, m, &mirrored);
            if (!from) fail_msg("canvas %d, label %d is no image of a labelled face", (int)seed, i);
            double scale = sqrt(fabs(m[0] * m[4] - m[1] * m[3])), area = (double)(from->width * from->height);
            assert_true(off(m, (double)(from->x + from->width / 2), (double)(from->y + from->height / 2),
                            (double)to->x + w / 2, (double)to->y + h / 2) < 1e-3 * w + 1e-3);
            /* The same area, but for what a box gains by being turned by half a right angle. */
            assert_true(size > 0.97 * scale * sqrt(area) && size < 1.03 * scale * sqrt(area));
            /* Upright or lying: the sides of the photo's box, or exchanged. */
            double turn = atan2(m[3], m[0] * (mirrored ? -1 : 1));
            if (mirrored) turn = -turn;
            if (fabs(sin(turn)) < 0.05)
                assert_true(fabs(w / h - (double)(from->width / from->height)) < 0.05);
            /* Of its box 45 % at least is on the canvas. */
            double across = fmin((double)to->x + w, SIDE) - fmax((double)to->x, 0);
            double down = fmin((double)to->y + h, SIDE) - fmax((double)to->y, 0);
            assert_true(across > 0 && down > 0 && across * down > 0.449 * w * h);
            assert_true(size >= 8);
            faces++;
            mirrors += mirrored;
            small += size < 20;
            large += size > 50;
            turned += fabs(sin(turn)) > sin(0.4);
        }
    }
    /* Of everything there is some. */
    assert_true(faces > CANVASES);
    assert_true(mirrors > faces / 3 && mirrors < 2 * faces / 3);
    assert_true(small > faces / 10 && large > faces / 20 && turned > faces / 20);
}

/* ---- labels against pixels ----------------------------------------------------------------------- */

static double grey(int x, int y) {
    size_t at = (size_t)y * SIDE + (size_t)x, plane = (size_t)SIDE * SIDE;
    return (double)(f.canvas[at] + f.canvas[plane + at] + f.canvas[2 * plane + at]) / 3;
}

/* Looks around `at` for a dot lighter (sign 1) or darker than what is around it. False: there is none. */
static bool find_dot(lk_point at, double radius, int sign, double *x, double *y) {
    double reach = 2 * radius + 1, around = 0, sum = 0, sx = 0, sy = 0, most = 0;
    int ring = 0, left = (int)ceil((double)at.x - reach), right = (int)floor((double)at.x + reach);
    int top = (int)ceil((double)at.y - reach), bottom = (int)floor((double)at.y + reach);
    for (int v = top; v <= bottom; v++)
        for (int u = left; u <= right; u++) {
            if (hypot(u - (double)at.x, v - (double)at.y) < reach - 1) continue;
            around += grey(u, v);
            ring++;
        }
    around /= ring;
    for (int v = top; v <= bottom; v++)
        for (int u = left; u <= right; u++) most = fmax(most, sign * (grey(u, v) - around));
    for (int v = top; v <= bottom; v++)
        for (int u = left; u <= right; u++) {
            double more = sign * (grey(u, v) - around) - 0.4 * most;
            if (more <= 0 || hypot(u - (double)at.x, v - (double)at.y) > reach) continue;
            sum += more;
            sx += more * u;
            sy += more * v;
        }
    if (most < 0.08) return false;
    *x = sx / sum;
    *y = sy / sum;
    return true;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Is the face, and what find_dot looks at, within one tile of a grid x grid canvas? */
static bool in_one_tile(const lk_face *face, int grid) {
    double side = SIDE / grid, room = 0.1 * (double)face->width + 1;
    double left = (double)face->x - room, right = (double)(face->x + face->width) + room;
    double top = (double)face->y - room, bottom = (double)(face->y + face->height) + room;
    return left >= 0 && top >= 0 && right < side * grid && bottom < side * grid &&
           floor(left / side) == floor(right / side) && floor(top / side) == floor(bottom / side);
}

static void test_labels_are_where_pixels_are(void **state) {
    (void)state;
    static double error[DOTS_MOST];
    size_t looked = 0, found = 0;
    double sum_x = 0, sum_y = 0;
    for (uint64_t seed = 0; seed < CANVASES / 2; seed++) {
        /* How many tiles a side is the first thing a scene draws: half of them 1, a third 2. */
        lk__random random = lk__random_stream(seed, 's', 0, 0);
        double u = lk__random_unit(&random);
        int grid = u < 0.5 ? 1 : u < 0.85 ? 2 : 3;
        draw(seed, f.all, PHOTOS, f.canvas, &f.scene);
        for (int i = 0; i < 3 * SIDE * SIDE; i++) assert_true(f.canvas[i] >= -1 && f.canvas[i] <= 1);
        for (int i = 0; i < f.scene.count; i++) {
            const lk__label *l = &f.scene.label[i];
            double m[6], w = (double)l->face.width, h = (double)l->face.height, x, y;
            bool mirrored;
            if (l->ignored || sqrt(w * h) < 24 || !in_one_tile(&l->face, grid) ||
                !origin(&l->face, m, &mirrored))
                continue;
            for (int p = 0; p < LK_FACE_POINTS; p++) {
                lk_point at = l->face.point[p];
                looked++;
                if (!find_dot(at, DOT * w, light[mirrored ? swapped[p] : p], &x, &y)) continue;
                assert_in_range(found, 0, DOTS_MOST - 1);
                sum_x += x - (double)at.x;
                sum_y += y - (double)at.y;
                error[found++] = hypot(x - (double)at.x, y - (double)at.y);
            }
        }
    }
    assert_true(looked > 200);
    /* Burnt out or black here and there; noise and compression move some by a pixel. */
    qsort(error, found, sizeof *error, ascending);
    assert_true(found > looked * 95 / 100);
    assert_true(error[found / 2] < 0.1);
    assert_true(error[found * 95 / 100] < 0.4);
    assert_true(fabs(sum_x / (double)found) < 0.05 && fabs(sum_y / (double)found) < 0.05);
}

/* Photos without faces, and with perhaps one: nothing is to be found, and some of it is excused. */
static void test_without_faces(void **state) {
    (void)state;
    const size_t chosen[2] = {3, 4};
    size_t ignored = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        draw(seed, chosen, 2, f.canvas, &f.scene);
        for (int i = 0; i < f.scene.count; i++) {
            assert_true(f.scene.label[i].ignored);
            ignored++;
        }
        draw(seed, chosen + 1, 1, f.canvas, &f.scene);
        assert_int_equal(f.scene.count, 0);
    }
    assert_true(ignored > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_same_canvas),
        cmocka_unit_test(test_labels_are_images),
        cmocka_unit_test(test_labels_are_where_pixels_are),
        cmocka_unit_test(test_without_faces),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
