/* Folders to people: order, merging, odd names, and every way a folder can disappoint. */
#include "base/base.h"
#include "face/folders.h"
#include "likeness/train.h"

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static lk_dataset *open_sources(size_t count, const lk_source *sources) {
    lk_dataset *d = NULL;
    lk_error err = {0};
    if (lk_dataset_open(sources, count, &d, &err) != LK_OK) fail_msg("%s", err.message);
    return d;
}

static lk_dataset *open_one(const char *path) {
    return open_sources(1, &(lk_source){.path = path});
}

static void expect_failure(const lk_source *sources, size_t count, lk_status status, const char *words) {
    lk_dataset *untouched = (lk_dataset *)&untouched, *d = untouched;
    lk_error err = {0};
    assert_int_equal(lk_dataset_open(sources, count, &d, &err), status);
    assert_int_equal(err.status, status);
    assert_ptr_equal(d, untouched);
    if (!strstr(err.message, words)) fail_msg("\"%s\" does not say \"%s\"", err.message, words);
    assert_int_equal(lk_dataset_open(sources, count, &d, NULL), status);
}

static void expect_failure_of(const char *path, lk_status status, const char *words) {
    expect_failure(&(lk_source){.path = path}, 1, status, words);
}

static void expect_photo(const lk_dataset *d, size_t i, const char *person, const char *path) {
    assert_string_equal(lk_dataset_photo_path(d, i), path);
    assert_string_equal(lk_dataset_person_name(d, lk_dataset_photo_person(d, i)), person);
}

static void people_and_photos_are_in_byte_order(void **state) {
    (void)state;
    const char *const files[] = {"b/2.jpg",    "b/10.jpg", "a b/1.jpg",     "a/9.PNG",
                                 "a-b/1.jpeg", "B/x.WebP", "\xc3\xa9/1.jpg"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) touch(at("%s", files[i]));
    lk_dataset *d = open_one(at("%s", "/")); /* slashes at the end do no harm */
    const char *const people[] = {"B", "a", "a b", "a-b", "b", "\xc3\xa9"};
    assert_int_equal(lk_dataset_people(d), 6);
    assert_int_equal(lk_dataset_photos(d), 7);
    for (size_t i = 0; i < 6; i++) assert_string_equal(lk_dataset_person_name(d, i), people[i]);
    expect_photo(d, 0, "B", at("B/x.WebP"));
    expect_photo(d, 4, "b", at("b/10.jpg"));
    expect_photo(d, 5, "b", at("b/2.jpg"));
    assert_null(lk_dataset_skipped(d, 0, NULL));
    lk_dataset_free(d);
}

static void photos_of_a_person_are_contiguous(void **state) {
    (void)state;
    for (int p = 0; p < 20; p++)
        for (int k = 0; k <= p % 4; k++) touch(at("%02d/%d.jpg", p, k));
    lk_dataset *d = open_one(scratch);
    size_t next = 0;
    assert_int_equal(lk_dataset_people(d), 20);
    for (size_t p = 0; p < 20; p++) {
        size_t first = 99, count = 99;
        lk_dataset_person_photos(d, p, &first, &count);
        assert_int_equal(first, next);
        assert_int_equal(count, p % 4 + 1);
        for (size_t i = first; i < first + count; i++) assert_int_equal(lk_dataset_photo_person(d, i), p);
        next += count;
    }
    assert_int_equal(next, lk_dataset_photos(d));
    lk_dataset_free(d);
}

static void only_photos_count(void **state) {
    (void)state;
    touch(at("a/1.jpg"));
    const char *const others[] = {"a/.hidden.jpg", "a/notes.txt", "a/photo",      "a/x.gif",
                                  "a/.jpg",        "a/jpg",       "a/x.jpg.part", "a/deep/2.jpg",
                                  ".git/1.jpg",    "notes.txt",   "c/readme.md"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) touch(at("%s", others[i]));
    mkdir(at("empty"), 0777);
    mkdir(at("a/folder.jpg"), 0777);
    assert_int_equal(mkfifo(at("a/pipe.jpg"), 0666), 0);
    write_bytes(at("a/text.jpg"), "not a photo", 11); /* listed: seen when it is decoded */
    lk_dataset *d = open_one(scratch);
    assert_int_equal(lk_dataset_people(d), 1);
    assert_int_equal(lk_dataset_photos(d), 2);
    expect_photo(d, 0, "a", at("a/1.jpg"));
    expect_photo(d, 1, "a", at("a/text.jpg"));
    assert_null(lk_dataset_skipped(d, 0, NULL));
    lk_dataset_free(d);
}

static void sources_merge_by_name(void **state) {
    (void)state;
    touch(at("one/anna/2.jpg"));
    touch(at("one/bert/1.jpg"));
    touch(at("two/anna/1.jpg"));
    touch(at("two/anna/2.jpg"));
    touch(at("two/zoe/1.jpg"));
    char one[PATH_MAX], two[PATH_MAX];
    snprintf(one, sizeof one, "%s", at("one"));
    snprintf(two, sizeof two, "%s", at("two/"));
    lk_source sources[] = {{.path = one, .crop = {.centre = 0.75}}, {.path = two, .crop = {0, 1, 2, 30, 40}}};
    lk_dataset *d = open_sources(2, sources);
    assert_int_equal(lk_dataset_people(d), 3);
    assert_int_equal(lk_dataset_photos(d), 5);
    expect_photo(d, 0, "anna", at("two/anna/1.jpg"));
    expect_photo(d, 1, "anna", at("one/anna/2.jpg")); /* equal names: in order of the sources */
    expect_photo(d, 2, "anna", at("two/anna/2.jpg"));
    assert_true(lk_dataset_photo_crop(d, 0).width == 30);
    assert_true(lk_dataset_photo_crop(d, 1).centre == 0.75);
    lk_dataset_free(d);
}

static void links_are_followed(void **state) {
    (void)state;
    touch(at("real/anna/1.jpg"));
    touch(at("real/2.jpg"));
    mkdir(at("set"), 0777);
    assert_int_equal(symlink("../real/anna", at("set/linked")), 0);
    mkdir(at("set/bert"), 0777);
    assert_int_equal(symlink("../../real/2.jpg", at("set/bert/b.jpg")), 0);
    assert_int_equal(symlink("gone.jpg", at("set/bert/broken.jpg")), 0);
    assert_int_equal(symlink("self", at("set/self")), 0);
    assert_int_equal(symlink("..", at("set/bert/up.jpg")), 0); /* a folder: not entered */
    assert_int_equal(symlink("../set", at("set/circle")),
                     0); /* a person who is the source: no photos there */
    assert_int_equal(symlink("set", at("by-link")), 0);
    lk_dataset *d = open_one(at("by-link"));
    assert_int_equal(lk_dataset_people(d), 2);
    expect_photo(d, 0, "bert", at("by-link/bert/b.jpg"));
    expect_photo(d, 1, "linked", at("by-link/linked/1.jpg"));
    lk_error why = {0};
    assert_string_equal(lk_dataset_skipped(d, 0, &why), at("by-link/bert/broken.jpg"));
    assert_int_equal(why.status, LK_NOT_FOUND);
    assert_string_equal(lk_dataset_skipped(d, 1, &why), at("by-link/self"));
    assert_int_equal(why.status, LK_IO);
    assert_null(lk_dataset_skipped(d, 2, &why));
    lk_dataset_free(d);
}

static void odd_names(void **state) {
    (void)state;
    char longest[NAME_MAX + 1];
    memset(longest, 'n', NAME_MAX);
    memcpy(longest + NAME_MAX - 4, ".jpg", 5);
    touch(at(" /%s", longest));
    touch(at("new\nline/1.jpg"));
    touch(at("\xff\xfe/%%s%%n.jpg")); /* not UTF-8 */
    touch(at("-rf/1.jpg"));
    lk_dataset *d = open_one(scratch);
    assert_int_equal(lk_dataset_people(d), 4);
    expect_photo(d, 0, " ", at(" /%s", longest));
    expect_photo(d, 1, "-rf", at("-rf/1.jpg"));
    expect_photo(d, 2, "new\nline", at("new\nline/1.jpg"));
    expect_photo(d, 3, "\xff\xfe", at("\xff\xfe/%%s%%n.jpg"));
    lk_dataset_free(d);
}

static void a_wrong_layout_is_explained(void **state) {
    (void)state;
    touch(at("flat/1.jpg"));
    expect_failure_of(at("flat"), LK_EMPTY, "PERSON/PHOTO");
    expect_failure_of(at("flat"), LK_EMPTY, "1.jpg");
    touch(at("deep/set/anna/1.jpg"));
    expect_failure_of(at("deep"), LK_EMPTY, "folders inside folders");
    mkdir(at("empty"), 0777);
    expect_failure_of(at("empty"), LK_EMPTY, "this folder");
    mkdir(at("shells"), 0777);
    mkdir(at("shells/anna"), 0777);
    expect_failure_of(at("shells"), LK_EMPTY, "its folders");
    expect_failure_of(at("nowhere"), LK_NOT_FOUND, "nowhere");
    expect_failure_of(at("flat/1.jpg"), LK_IO, "is a file");
    touch(at("good/anna/1.jpg"));
    char good[PATH_MAX], empty[PATH_MAX];
    snprintf(good, sizeof good, "%s", at("good"));
    snprintf(empty, sizeof empty, "%s", at("empty"));
    lk_source one_empty[] = {{.path = good}, {.path = empty}};
    expect_failure(one_empty, 2, LK_EMPTY, "empty"); /* a mistyped source is not passed over */
}

static void loose_photos_are_told(void **state) {
    (void)state;
    touch(at("anna/1.jpg"));
    touch(at("1.jpg"));
    touch(at("2.jpg"));
    lk_dataset *d = open_one(scratch);
    assert_int_equal(lk_dataset_photos(d), 1);
    lk_error why = {0};
    assert_string_equal(lk_dataset_skipped(d, 0, &why), scratch);
    assert_non_null(strstr(why.message, "2 photos"));
    assert_null(lk_dataset_skipped(d, 1, NULL));
    lk_dataset_free(d);
}

static void bad_arguments(void **state) {
    (void)state;
    touch(at("set/anna/1.jpg"));
    char set[PATH_MAX], again[PATH_MAX];
    snprintf(set, sizeof set, "%s", at("set"));
    snprintf(again, sizeof again, "%s", at("set/../set/"));
    expect_failure(NULL, 0, LK_INVALID, "no source");
    expect_failure_of("", LK_INVALID, "empty path");
    expect_failure_of(NULL, LK_INVALID, "empty path");
    lk_source twice[] = {{.path = set}, {.path = again}};
    expect_failure(twice, 2, LK_INVALID, "same folder");
    const lk_crop crops[] = {{.centre = -1}, {0, 0, 0, 10, 0}, {0, 5, 0, 0, 0}, {.centre = 0.0 / 0.0}};
    for (size_t i = 0; i < sizeof crops / sizeof *crops; i++)
        expect_failure(&(lk_source){set, crops[i]}, 1, LK_INVALID, "crop");
    lk_dataset_free(NULL);
}

static void folders_without_permission(void **state) {
    (void)state;
    if (geteuid() == 0) skip(); /* root may read everything */
    touch(at("set/anna/1.jpg"));
    touch(at("set/bert/1.jpg"));
    touch(at("shut/anna/1.jpg"));
    chmod(at("set/anna"), 0);
    lk_dataset *d = open_one(at("set"));
    assert_int_equal(lk_dataset_people(d), 1);
    lk_error why = {0};
    assert_string_equal(lk_dataset_skipped(d, 0, &why), at("set/anna"));
    assert_int_equal(why.status, LK_IO);
    assert_non_null(strstr(why.message, "Permission denied"));
    lk_dataset_free(d);
    chmod(at("set/bert"), 0);
    expect_failure_of(at("set"), LK_IO, "Permission denied");
    chmod(at("shut"), 0);
    expect_failure_of(at("shut"), LK_IO, "Permission denied");
    chmod(at("set/anna"), 0777);
    chmod(at("set/bert"), 0777);
    chmod(at("shut"), 0777);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        T(people_and_photos_are_in_byte_order),
        T(photos_of_a_person_are_contiguous),
        T(only_photos_count),
        T(sources_merge_by_name),
        T(links_are_followed),
        T(odd_names),
        T(a_wrong_layout_is_explained),
        T(loose_photos_are_told),
        T(bad_arguments),
        T(folders_without_permission),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
