/* test_save.c: what is saved comes back; what cannot be saved leaves nothing behind. */
#include "image/image.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[256];

static int make_folder(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/lk-save-XXXXXX", base && *base ? base : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder); /* fails if a test left a file, a temporary one say */
}

static const char *in_folder(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Smooth, as photos are: lossy formats keep it within a few levels. */
static lk_image *picture(int width, int height) {
    lk_image *image = NULL;
    assert_int_equal(lk_image_new(width, height, NULL, 0, &image, NULL), LK_OK);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            uint8_t *p = image->pixels + 3 * (y * width + x);
            p[0] = (uint8_t)(255 * x / width);
            p[1] =
                (uint8_t)(255 * y / (height + 60)); /* not steep even in two rows: JPEG halves the colours */
            p[2] = (uint8_t)(255 * (x + y) / (width + height));
        }
    return image;
}

static double mean_difference(const lk_image *a, const lk_image *b) {
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    long sum = 0, count = 3L * a->width * a->height;
    for (long i = 0; i < count; i++) sum += labs((long)a->pixels[i] - b->pixels[i]);
    return (double)sum / (double)count;
}

static void formats_come_back(void **state) {
    (void)state;
    static const struct {
        const char *name, *magic;
        double limit;
    } format[] = {{"a.png", "\x89PNG", 0},
                  {"b.PNG", "\x89PNG", 0},
                  {"c.jpg", "\xFF\xD8\xFF", 2.5},
                  {"d.v2.JPEG", "\xFF\xD8\xFF", 2.5},
                  {"e.webp", "RIFF", 3}};
    static const int sizes[][2] = {{64, 48}, {17, 31}, {1, 1}, {300, 2}};
    for (size_t f = 0; f < 5; f++)
        for (size_t s = 0; s < 4; s++) {
            lk_image *image = picture(sizes[s][0], sizes[s][1]), *back = NULL;
            const char *path = in_folder(format[f].name);
            assert_int_equal(lk_image_save(image, path, 95, NULL), LK_OK);
            assert_int_equal(lk_image_load(path, &back, NULL), LK_OK);
            double difference = mean_difference(image, back);
            if (difference > format[f].limit) print_message("%s: off by %g\n", format[f].name, difference);
            assert_true(difference <= format[f].limit);
            char start[4] = {0};
            FILE *file = fopen(path, "rb");
            assert_non_null(file);
            assert_int_equal(fread(start, 1, 4, file), 4);
            fclose(file);
            assert_memory_equal(start, format[f].magic, strlen(format[f].magic));
            assert_int_equal(unlink(path), 0);
            lk_image_free(image);
            lk_image_free(back);
        }
}

static void lower_quality_is_smaller(void **state) {
    (void)state;
    lk_image *image = picture(200, 200), *back = NULL;
    size_t last = 0;
    for (int quality = 1; quality <= 100; quality += 33) {
        uint8_t *bytes = NULL;
        size_t size = 0;
        assert_int_equal(lk_image_encode_jpeg(image, quality, &bytes, &size, NULL), LK_OK);
        assert_true(size > last);
        last = size;
        assert_int_equal(lk_image_decode(bytes, size, NULL, &back, NULL), LK_OK);
        lk_image_free(back);
        free(bytes);
    }
    lk_image_free(image);
}

/* More than the encoder's first buffer, so that it has to grow on the way. */
static void large_jpegs_are_whole(void **state) {
    (void)state;
    lk_image *image = picture(640, 480), *back = NULL;
    lk__random r = lk__random_stream(1, 0, 0, 0);
    for (int i = 0; i < 3 * 640 * 480; i++)
        image->pixels[i] = (uint8_t)(image->pixels[i] / 2 + lk__random_u64(&r) % 64);
    uint8_t *bytes = NULL;
    size_t size = 0;
    assert_int_equal(lk_image_encode_jpeg(image, 100, &bytes, &size, NULL), LK_OK);
    assert_true(size > 100000);
    assert_int_equal(lk_image_decode(bytes, size, NULL, &back, NULL), LK_OK);
    assert_true(mean_difference(image, back) < 15);
    lk_image_free(back);
    lk_image_free(image);
    free(bytes);
}

static void bad_arguments_leave_nothing(void **state) {
    (void)state;
    lk_image *image = picture(8, 8), *wide = picture(16384, 1), *wider = picture(65501, 1);
    lk_error err = {LK_OK, ""};
    uint8_t *bytes = (uint8_t *)image;
    size_t size = 7;
    static const int quality[] = {0, -1, 101};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(lk_image_encode_jpeg(image, quality[i], &bytes, &size, &err), LK_INVALID);
        assert_int_equal(lk_image_save(image, in_folder("a.jpg"), quality[i], &err), LK_INVALID);
        assert_int_equal(lk_image_save(image, in_folder("a.webp"), quality[i], &err), LK_INVALID);
    }
    assert_int_equal(lk_image_encode_jpeg(wider, 90, &bytes, &size, &err), LK_INVALID);
    assert_ptr_equal(bytes, image);
    assert_int_equal(size, 7);
    static const char *const name[] = {"a", "a.gif", "a.jpg.txt", "jpg", "a."};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(lk_image_save(image, in_folder(name[i]), 90, &err), LK_INVALID);
        assert_non_null(strstr(err.message, name[i]));
    }
    assert_int_equal(lk_image_save(wide, in_folder("a.webp"), 90, &err), LK_INVALID);
    assert_non_null(strstr(err.message, "16383"));
    assert_int_equal(lk_image_save(image, in_folder("missing/a.png"), 90, &err), LK_NOT_FOUND);
    lk_image_free(image);
    lk_image_free(wide);
    lk_image_free(wider);
}

/* A disk that fills up on the way, acted by a file size limit: the old file stays. */
static void a_failed_write_keeps_the_old_file(void **state) {
    (void)state;
    lk_image *image = picture(8, 8), *large = picture(300, 300), *back = NULL;
    const char *path = in_folder("a.png");
    assert_int_equal(lk_image_save(image, path, 90, NULL), LK_OK);
    struct rlimit before, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    tight.rlim_cur = 512;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    lk_error err = {LK_OK, ""};
    lk_status status = lk_image_save(large, path, 90, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, LK_IO);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(lk_image_load(path, &back, NULL), LK_OK);
    assert_true(mean_difference(image, back) == 0);
    assert_int_equal(unlink(path), 0); /* remove_folder sees that no temporary file stayed */
    lk_image_free(image);
    lk_image_free(large);
    lk_image_free(back);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_come_back),
        cmocka_unit_test(lower_quality_is_smaller),
        cmocka_unit_test(large_jpegs_are_whole),
        cmocka_unit_test(bad_arguments_leave_nothing),
        cmocka_unit_test(a_failed_write_keeps_the_old_file),
    };
    return cmocka_run_group_tests_name("image save", tests, make_folder, remove_folder);
}
