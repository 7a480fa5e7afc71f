/* test_pairs.c: the pairs file as people and programs write it, and every way in which it can be wrong. */
#include "likeness/eval.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[256], file[300];

static int set_up(void **state) {
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.200s/likeness-pairs-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(folder)) return -1;
    snprintf(file, sizeof file, "%s/pairs.tsv", folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    unlink(file);
    return rmdir(folder);
}

static void write_bytes(const char *bytes, size_t size) {
    FILE *f = fopen(file, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void assert_loads(const char *text, size_t pairs, size_t photos, lk_pairs *out) {
    write_bytes(text, strlen(text));
    lk_error err = {0};
    if (lk_pairs_load(file, out, &err) != LK_OK) fail_msg("%s", err.message);
    assert_int_equal(out->count, pairs);
    assert_int_equal(out->photo_count, photos);
}

static void assert_refused_bytes(const char *bytes, size_t size, lk_status status, const char *where) {
    write_bytes(bytes, size);
    lk_error err = {0};
    lk_pairs untouched = {.count = 77};
    assert_int_equal(lk_pairs_load(file, &untouched, &err), status);
    assert_int_equal(err.status, status);
    assert_int_equal(untouched.count, 77);
    assert_null(untouched.items);
    if (!strstr(err.message, file) || !strstr(err.message, where))
        fail_msg("'%s' not in: %s", where, err.message);
}

static void assert_refused(const char *text, lk_status status, const char *where) {
    assert_refused_bytes(text, strlen(text), status, where);
}

static void reads_pairs_and_interns_photos(void **state) {
    (void)state;
    lk_pairs p;
    assert_loads("fold\tsame\ta\tb\n0\t1\tx/1.jpg\tx/2.jpg\n7\t0\tx/2.jpg\ty z/1.jpg\n", 2, 3, &p);
    assert_int_equal(p.items[0].fold, 0);
    assert_int_equal(p.items[0].same, 1);
    assert_int_equal(p.items[1].fold, 7);
    assert_int_equal(p.items[1].same, 0);
    assert_string_equal(p.photos[p.items[0].a], "x/1.jpg");
    assert_string_equal(p.photos[p.items[0].b], "x/2.jpg");
    assert_string_equal(p.photos[p.items[1].b], "y z/1.jpg");
    assert_int_equal(p.items[0].b, p.items[1].a);
    lk_pairs_free(&p);
    assert_null(p.items);
    lk_pairs_free(&p);
    lk_pairs_free(NULL);
}

static void accepts_line_ends_of_all_systems(void **state) {
    (void)state;
    lk_pairs p;
    assert_loads("\xEF\xBB\xBF"
                 "fold\tsame\ta\tb\r\n\r\n0\t1\ta\tb\r\n  \t\r\n\n1\t0\ta\tc",
                 2, 3, &p);
    assert_string_equal(p.photos[p.items[0].b], "b");
    assert_string_equal(p.photos[p.items[1].b], "c");
    lk_pairs_free(&p);
    assert_loads("\nfold\tsame\ta\tb\n0\t1\ta\tb\r", 1, 2, &p);
    assert_string_equal(p.photos[1], "b");
    lk_pairs_free(&p);
}

static void keeps_paths_as_they_are(void **state) {
    (void)state;
    lk_pairs p;
    assert_loads("fold\tsame\ta\tb\n0\t1\t../up/1.jpg\t/root/2.jpg\n0\t0\t \xC3\xA9.jpg \t\xFF.jpg\n", 2, 4,
                 &p);
    assert_string_equal(p.photos[0], "../up/1.jpg");
    assert_string_equal(p.photos[1], "/root/2.jpg");
    assert_string_equal(p.photos[2], " \xC3\xA9.jpg ");
    assert_string_equal(p.photos[3], "\xFF.jpg");
    lk_pairs_free(&p);
}

/* Past every growth of the arrays and the hash table. */
static void reads_many(void **state) {
    (void)state;
    enum { PAIRS = 20000, PHOTOS = 7001 };
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fputs("fold\tsame\ta\tb\n", f);
    for (int i = 0; i < PAIRS; i++)
        fprintf(f, "%d\t%d\tp/%d.jpg\tp/%d.jpg\n", i % 10, i % 2, i % PHOTOS, (i * 3) % PHOTOS);
    assert_int_equal(fclose(f), 0);
    lk_pairs p;
    lk_error err = {0};
    assert_int_equal(lk_pairs_load(file, &p, &err), LK_OK);
    assert_int_equal(p.count, PAIRS);
    assert_int_equal(p.photo_count, PHOTOS);
    for (int i = 0; i < PAIRS; i++) {
        char name[32];
        snprintf(name, sizeof name, "p/%d.jpg", i % PHOTOS);
        assert_string_equal(p.photos[p.items[i].a], name);
        snprintf(name, sizeof name, "p/%d.jpg", (i * 3) % PHOTOS);
        assert_string_equal(p.photos[p.items[i].b], name);
        assert_int_equal(p.items[i].fold, i % 10);
        assert_int_equal(p.items[i].same, i % 2);
    }
    lk_pairs_free(&p);
}

static void names_file_and_line_of_errors(void **state) {
    (void)state;
    assert_refused("", LK_EMPTY, "empty");
    assert_refused("\n\r\n", LK_EMPTY, "empty");
    assert_refused("fold\tsame\ta\tb\n\n", LK_EMPTY, "no pairs");
    assert_refused("0\t1\ta\tb\n", LK_FORMAT, "line 1");
    assert_refused("\nfold same a b\n", LK_FORMAT, "line 2");
    assert_refused("fold\tsame\ta\tb\n0\t1\ta\tb\n\n0\t1\ta\n", LK_FORMAT, "line 4");
    assert_refused("fold\tsame\ta\tb\n0\t1\ta\tb\tc\n", LK_FORMAT, "5 columns");
    assert_refused("fold\tsame\ta\tb\nx\t1\ta\tb\n", LK_FORMAT, "fold is 'x'");
    assert_refused("fold\tsame\ta\tb\n-1\t1\ta\tb\n", LK_FORMAT, "line 2");
    assert_refused("fold\tsame\ta\tb\n99999999999\t1\ta\tb\n", LK_FORMAT, "line 2");
    assert_refused("fold\tsame\ta\tb\n\t1\ta\tb\n", LK_FORMAT, "line 2");
    assert_refused("fold\tsame\ta\tb\n0\t2\ta\tb\n", LK_FORMAT, "same is '2'");
    assert_refused("fold\tsame\ta\tb\n0\t10\ta\tb\n", LK_FORMAT, "line 2");
    assert_refused("fold\tsame\ta\tb\r\n0\t1\t\tb\r\n", LK_FORMAT, "photo a is empty");
    assert_refused("fold\tsame\ta\tb\r\n0\t1\ta\t\r\n", LK_FORMAT, "photo b is empty");
    static const char zero[] = "fold\tsame\ta\tb\n0\t1\ta\0c\tb\n";
    assert_refused_bytes(zero, sizeof zero - 1, LK_FORMAT, "zero byte");
}

static void missing_file_is_not_found(void **state) {
    (void)state;
    lk_pairs p;
    lk_error err = {0};
    unlink(file);
    assert_int_equal(lk_pairs_load(file, &p, &err), LK_NOT_FOUND);
    assert_non_null(strstr(err.message, file));
    assert_int_equal(lk_pairs_load(folder, &p, NULL), LK_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_pairs_and_interns_photos), cmocka_unit_test(accepts_line_ends_of_all_systems),
        cmocka_unit_test(keeps_paths_as_they_are),        cmocka_unit_test(reads_many),
        cmocka_unit_test(names_file_and_line_of_errors),  cmocka_unit_test(missing_file_is_not_found),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
