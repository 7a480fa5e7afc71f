/* test_labels.c: a labels file and its photos: what is read, what is refused and by which line, and that
 * labels stay on their pixels when photos are shrunk. */
#include "face/labels.h"
#include "face/folders.h"
#include "image/image.h"

#include <math.h>
#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

#define HEADER "photo\tkind\tx\ty\twidth\theight\tx1\ty1\tx2\ty2\tx3\ty3\tx4\ty4\tx5\ty5\n"
#define NUMBERS "10\t20\t30.5\t40\t1\t2\t3\t4\t5\t6\t7\t8\t9\t-1e1"

static const char *write_labels(const char *text) {
    const char *path = at("labels.tsv");
    write_bytes(path, text, strlen(text));
    return path;
}

static lk_status read_text(const char *text, lk__labels *out, lk_error *err) {
    return lk__labels_read(write_labels(text), out, err);
}

static void read_good(const char *text, lk__labels *out) {
    lk_error err;
    if (read_text(text, out, &err) != LK_OK) fail_msg("%s", err.message);
}

static void assert_numbers(const lk__label *l, bool ignored) {
    const float want[] = {10, 20, 30.5F, 40, 1, 2, 3, 4, 5, 6, 7, 8, 9, -10};
    assert_memory_equal(&l->face, want, sizeof want); /* lk_face begins with its box and points */
    assert_int_equal(l->ignored, ignored);
}

static void test_reads(void **state) {
    (void)state;
    lk__labels l;
    read_good(HEADER "a.jpg\tface\t" NUMBERS "\n"
                     "a.jpg\tignore\t" NUMBERS "\n"
                     "deep/b c.png\tnone\n"
                     "deep/d.png\tnone\t" NUMBERS "\n" /* what a teacher said all the same */
                     "/elsewhere/e.jpg\tface\t" NUMBERS,
              &l);
    assert_int_equal(l.count, 4);
    assert_string_equal(l.photo[0].path, at("a.jpg"));
    assert_string_equal(l.photo[1].path, at("deep/b c.png"));
    assert_string_equal(l.photo[2].path, at("deep/d.png"));
    assert_string_equal(l.photo[3].path, "/elsewhere/e.jpg");
    const size_t counts[] = {2, 0, 0, 1};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(l.photo[i].count, counts[i]);
        assert_null(l.photo[i].image);
    }
    assert_numbers(&l.photo[0].label[0], false);
    assert_numbers(&l.photo[0].label[1], true);
    assert_numbers(&l.photo[3].label[0], false);
    lk__labels_free(&l);
    assert_int_equal(l.count, 0);
    lk__labels_free(&l); /* as it left it */
}

/* Line ends of other systems, no header, no last line end, empty lines between. */
static void test_other_writers(void **state) {
    (void)state;
    const char *const texts[] = {
        "a\tface\t" NUMBERS "\r\nb\tnone\r\n",
        "photo\tkind\r\na\tface\t" NUMBERS "\r\nb\tnone\r\n",
        "a\tface\t" NUMBERS "\nb\tnone",
        HEADER "\n\na\tface\t" NUMBERS "\n\r\nb\tnone\n\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        lk__labels l;
        read_good(texts[i], &l);
        assert_int_equal(l.count, 2);
        assert_numbers(&l.photo[0].label[0], false);
        assert_string_equal(l.photo[1].path, at("b"));
        lk__labels_free(&l);
    }
}

/* A file named without a folder: photos are beside it, in the current one. */
static void test_here(void **state) {
    (void)state;
    char before[PATH_MAX];
    lk__labels l;
    write_labels("a\tnone\n");
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(scratch), 0);
    lk_status status = lk__labels_read("labels.tsv", &l, NULL);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(status, LK_OK);
    assert_string_equal(l.photo[0].path, "a");
    lk__labels_free(&l);
}

static void test_names_the_bad_line(void **state) {
    (void)state;
    const char *const lines[] = {
        "a",                                                    /* no kind */
        "a\t",                                                  /* an empty one */
        "a\tcat\t" NUMBERS,                                     /* another */
        "a\tFace\t" NUMBERS,                                    /* case matters */
        "\tface\t" NUMBERS,                                     /* no photo */
        "a\tface",                                              /* no numbers */
        "a\tignore\t1\t2\t3\t4",                                /* too few */
        "a\tface\t1\t2\t3\t4\t1\t2\t3\t4\t5\t6\t7\t8\t9",       /* one too few */
        "a\tface\t" NUMBERS "\t11",                             /* one too many */
        "a\tface\t1\t2\t3\t4\t1\t2\t3\t4\t5\t6\t7\t8\t9\t",     /* the last one empty */
        "a\tface\tx\t2\t3\t4\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10",   /* no number */
        "a\tface\t1\t2\t3\t4\t1\t2\t3\t4\t5\t6\t7\t8\t9px\t10", /* with a tail */
        "a\tface\t1\t2\t3\t4\t1\t2\t3\t4\t5\t6\t7\t8\t9\tnan",  /* not finite */
        "a\tface\tinf\t2\t3\t4\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10", /* not finite */
        "a\tface\t1\t2\t3\t4\t1\t2\t3\t4\t5\t6\t7\t8\t9\t1e6",  /* no photo is so large */
        "a\tface\t1\t2\t0\t4\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10",   /* no width */
        "a\tface\t1\t2\t3\t-4\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10",  /* a negative height */
        "a face " NUMBERS,                                      /* spaces for tabs */
        "photo\tkind\tx\ty\twidth\theight",                     /* a header further down */
    };
    const char *const before[] = {HEADER, HEADER "b\tnone\n", HEADER "\n\r\n\nb\tface\t" NUMBERS "\r\n"};
    const int number[] = {2, 3, 6};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        for (size_t k = 0; k < 3; k++) {
            char text[1024], want[32];
            lk__labels l = {.count = 77};
            lk_error err;
            snprintf(text, sizeof text, "%s%s\nc\tnone\n", before[k], lines[i]);
            snprintf(want, sizeof want, "labels.tsv, line %d:", number[k]);
            if (read_text(text, &l, &err) != LK_FORMAT) fail_msg("taken: %s", lines[i]);
            if (!strstr(err.message, want)) fail_msg("'%s' told as: %s", lines[i], err.message);
            assert_int_equal(l.count, 77); /* untouched */
        }
}

static void test_no_file(void **state) {
    (void)state;
    lk__labels l = {.count = 77};
    lk_error err;
    assert_int_equal(lk__labels_read(at("none.tsv"), &l, &err), LK_NOT_FOUND);
    assert_int_equal(read_text("", &l, &err), LK_EMPTY);
    assert_int_equal(read_text(HEADER, &l, &err), LK_EMPTY);
    assert_non_null(strstr(err.message, "labels.tsv"));
    /* What comes after a zero byte must not be lost in silence. */
    write_bytes(at("labels.tsv"), "a\tnone\n\0b\tnone\n", 15);
    assert_int_equal(lk__labels_read(at("labels.tsv"), &l, &err), LK_FORMAT);
    size_t n = 5000;
    char *text = malloc(n + 16);
    assert_non_null(text);
    memset(text, 'p', n);
    strcpy(text + n, "\tnone\n");
    assert_int_equal(read_text(text, &l, &err), LK_FORMAT);
    free(text);
    assert_int_equal(l.count, 77);
}

/* ---- photos -------------------------------------------------------------------------------------------- */

/* Black, with a white dot of this radius. */
static void write_photo(const char *path, int w, int h, double x, double y, double radius) {
    lk_image *image = NULL;
    make_folders_to(path);
    assert_int_equal(lk_image_new(w, h, NULL, 0, &image, NULL), LK_OK);
    for (int i = 0; i < w * h; i++) {
        double inside = fmin(fmax(radius + 0.5 - hypot(i % w - x, (int)(i / w) - y), 0), 1);
        memset(image->pixels + 3 * i, (int)(255 * inside), 3);
    }
    assert_int_equal(lk_image_save(image, path, 100, NULL), LK_OK);
    lk_image_free(image);
}

static void dot_of(const lk_image *image, double *x, double *y) {
    double sum = 0, sx = 0, sy = 0;
    for (int i = 0; i < image->width * image->height; i++) {
        double v = image->pixels[3 * i];
        sum += v;
        sx += v * (i % image->width);
        sy += v * (int)(i / image->width);
    }
    *x = sx / sum;
    *y = sy / sum;
}

/* The dot is in the middle of the box and at all five points, before and after. */
static void test_shrinks_labels_with_photos(void **state) {
    (void)state;
    const int sizes[][2] = {{200, 100}, {64, 64}, {65, 64}, {301, 77}, {50, 333}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int w = sizes[i][0], h = sizes[i][1], longer = w > h ? w : h;
        double x = 0.3 * w, y = 0.4 * h, shrink = fmin(1, 64.0 / longer);
        char text[512];
        lk__labels l;
        lk_error err;
        write_photo(at("p.png"), w, h, x, y, 8);
        int n = snprintf(text, sizeof text, "p.png\tface\t%g\t%g\t20\t30", x - 10, y - 15);
        for (int k = 0; k < LK_FACE_POINTS; k++)
            n += snprintf(text + n, sizeof text - (size_t)n, "\t%g\t%g", x, y);
        read_good(text, &l);
        if (lk__labels_load(&l, 64, NULL, NULL, &err) != LK_OK) fail_msg("%s", err.message);
        const lk_image *image = l.photo[0].image;
        assert_int_equal(image->width > image->height ? image->width : image->height,
                         longer < 64 ? longer : 64);
        const lk_face *f = &l.photo[0].label[0].face;
        dot_of(image, &x, &y);
        assert_true(fabs((double)f->width - 20 * shrink) < 0.5 &&
                    fabs((double)f->height - 30 * shrink) < 0.7);
        /* The dot is eight-bit and its rim is averaged: a twentieth of a pixel. */
        assert_true(hypot((double)(f->x + f->width / 2) - x, (double)(f->y + f->height / 2) - y) < 0.05);
        for (int k = 0; k < LK_FACE_POINTS; k++)
            assert_true(hypot((double)f->point[k].x - x, (double)f->point[k].y - y) < 0.05);
        /* A half and a quarter, rounded up. */
        for (int k = 0; k < LK__SMALLER; k++) {
            const lk_image *half = l.photo[0].smaller[k];
            assert_int_equal(half->width, (image->width + 1) / 2);
            assert_int_equal(half->height, (image->height + 1) / 2);
            image = half;
        }
        lk__labels_free(&l);
    }
}

typedef struct told {
    size_t count;
    char path[4][PATH_MAX];
    lk_status status[4];
} told;

static void on_bad(void *context, const char *path, const lk_error *why) {
    told *t = context;
    assert_in_range(t->count, 0, 3);
    snprintf(t->path[t->count], PATH_MAX, "%s", path);
    t->status[t->count++] = why->status;
}

static void test_bad_photos_are_left_out(void **state) {
    (void)state;
    lk__labels l;
    lk_error err;
    told t = {0};
    write_photo(at("good.png"), 20, 20, 10, 10, 4);
    write_photo(at("also.png"), 20, 20, 10, 10, 4);
    write_bytes(at("bad.png"), "\x89PNG\r\n\x1a\nno more of it", 21);
    read_good("good.png\tface\t" NUMBERS "\nbad.png\tnone\ngone.png\tnone\nalso.png\tnone\n", &l);
    if (lk__labels_load(&l, 64, on_bad, &t, &err) != LK_OK) fail_msg("%s", err.message);
    assert_int_equal(l.count, 4);
    assert_true(l.photo[0].image && !l.photo[1].image && !l.photo[2].image && l.photo[3].image);
    assert_int_equal(t.count, 2);
    int bad = strcmp(t.path[0], at("bad.png")) == 0 ? 0 : 1; /* threads may tell them in any order */
    assert_string_equal(t.path[bad], at("bad.png"));
    assert_string_equal(t.path[!bad], at("gone.png"));
    assert_int_equal(t.status[bad], LK_FORMAT);
    assert_int_equal(t.status[!bad], LK_NOT_FOUND);
    lk__labels_free(&l);
    read_good("bad.png\tnone\ngone.png\tnone\n", &l);
    assert_int_equal(lk__labels_load(&l, 64, NULL, NULL, &err), LK_EMPTY);
    lk__labels_free(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_other_writers),
        cmocka_unit_test(test_here),
        cmocka_unit_test(test_names_the_bad_line),
        cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_shrinks_labels_with_photos),
        cmocka_unit_test(test_bad_photos_are_left_out),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
