/* test_store.c: what is enrolled stays, what is removed is gone. */
#include "gallery/gallery_test.h"

#include <glob.h>

/* ---- enrolling ----------------------------------------------------------------------------------- */

static void test_names(void **state) {
    (void)state;
    const char *path = in_folder("names.gallery");
    lk_gallery *g = new_gallery(path, 4);
    const float v[4] = {0, 1, 0, 0};
    char longest[257];
    memset(longest, 'n', sizeof longest);
    longest[256] = 0;
    const char *const bad[] = {NULL,
                               "",
                               "a\nb",
                               "\t",
                               "\x7f",
                               "\xc2\x80",
                               "\xc2\x9f",
                               "\xff",
                               "a\xc3",
                               "\xc3(",
                               "\xc0\x80",
                               "\xe0\x80\x80",
                               "\xe2\x82",
                               "\xed\xa0\x80",
                               "\xf0\x80\x80\x80",
                               "\xf4\x90\x80\x80",
                               "\xc1\xa1",
                               "\xe0\x81\xa1",
                               "\xf0\x80\x81\xa1",
                               "\xf8\x88\x80\x80\x80",
                               "\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        FAILS(LK_INVALID, "name", lk_gallery_add(g, bad[i], "photo", v, NULL, err));
        FAILS(LK_INVALID, "name", lk_gallery_add(g, "person", bad[i], v, NULL, err));
    }
    FAILS(LK_INVALID, "255", lk_gallery_add(g, longest, "photo", v, NULL, err));
    longest[255] = 0;
    OK(lk_gallery_add(g, longest, longest, v, NULL, err));
    const char *const good[] = {"a",
                                " ",
                                "O'Neil; DROP TABLE people",
                                "Zo\xc3\xab",
                                "\xe6\x9d\x8e",
                                "\xf0\x9f\x98\x80",
                                "\xc2\xa0",
                                "\xed\x9f\xbf",
                                "\xee\x80\x80",
                                "\xf4\x8f\xbf\xbf",
                                "a/b\\c%s"};
    size_t count = sizeof good / sizeof good[0];
    for (size_t i = 0; i < count; i++) OK(lk_gallery_add(g, good[i], good[i], v, NULL, err));
    check_counts(g, count + 1, count + 1);
    lk_matches m;
    OK(lk_gallery_search(g, v, 100, &m, err));
    assert_int_equal(m.count, count + 1);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(m.items[i + 1].person, good[i]);
        assert_string_equal(m.items[i + 1].photo, good[i]);
    }
    lk_matches_free(&m);
    lk_gallery_close(g);
    remove_gallery(path);
}

static void test_add_refuses(void **state) {
    (void)state;
    const char *path = in_folder("vectors.gallery");
    lk_gallery *g = new_gallery(path, 3);
    const float bad[][3] = {{0, 0, 0},        {1, 1, 0},      {NAN, 0, 1},
                            {INFINITY, 0, 0}, {1.002f, 0, 0}, {0.998f, 0, 0}};
    int64_t id = 77;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        FAILS(LK_INVALID, "length 1", lk_gallery_add(g, "ann", "1.jpg", bad[i], &id, err));
    assert_int_equal(id, 77);
    check_counts(g, 0, 0);
    const float good[][3] = {{1.0005f, 0, 0}, {0, -0.9995f, 0}};
    for (size_t i = 0; i < 2; i++) OK(lk_gallery_add(g, "ann", "1.jpg", good[i], &id, err));
    check_counts(g, 1, 1);
    lk_gallery_close(g);
    remove_gallery(path);
}

static void test_replace(void **state) {
    (void)state;
    const char *path = in_folder("replace.gallery");
    lk_gallery *g = new_gallery(path, 2);
    const float east[2] = {1, 0}, north[2] = {0, 1};
    int64_t first = 0, again = 0, other = 0;
    OK(lk_gallery_add(g, "ann", "1.jpg", east, &first, err));
    OK(lk_gallery_add(g, "ann", "1.jpg", north, &again, err));
    OK(lk_gallery_add(g, "bob", "1.jpg", east, &other, err)); /* same photo name, another person */
    assert_true(again > first);                               /* what an id stands for never changes */
    FAILS(LK_NOT_FOUND, "no photo", lk_gallery_get_vector(g, first, (float[2]){0}, err));
    assert_int_not_equal(first, other);
    check_counts(g, 2, 2);
    lk_matches m;
    OK(lk_gallery_search(g, east, 2, &m, err));
    assert_string_equal(m.items[0].person, "bob");
    assert_string_equal(m.items[1].person, "ann");
    assert_true(m.items[1].cosine == 0);
    lk_matches_free(&m);
    lk_gallery_close(g);
    remove_gallery(path);
}

static void test_transactions(void **state) {
    (void)state;
    const char *path = in_folder("transactions.gallery");
    lk_gallery *g = new_gallery(path, 8), *other = open_gallery(path, LK_GALLERY_READ_ONLY);
    FAILS(LK_INVALID, "no transaction", lk_gallery_commit(g, err));
    lk_gallery_rollback(g);
    lk_gallery_rollback(NULL);
    OK(lk_gallery_begin(g, err));
    FAILS(LK_INVALID, "already", lk_gallery_begin(g, err));
    add_number(g, "ann", 1);
    FAILS(LK_NOT_FOUND, "zoe", lk_gallery_remove(g, "zoe", NULL, err)); /* does not spoil the rest */
    add_number(g, "bob", 2);
    check_counts(g, 2, 2);
    check_counts(other, 0, 0);
    OK(lk_gallery_commit(g, err));
    check_counts(other, 2, 2);
    OK(lk_gallery_begin(g, err));
    add_number(g, "cyd", 3);
    OK(lk_gallery_remove(g, "ann", NULL, err));
    lk_gallery_rollback(g);
    check_counts(g, 2, 2);
    OK(lk_gallery_begin(g, err));
    add_number(g, "dan", 4);
    lk_gallery_close(g); /* not committed */
    check_counts(other, 2, 2);
    lk_gallery_close(other);
    remove_gallery(path);
}

typedef struct seen {
    char names[16][64];
    size_t photos[16], count, stop;
    lk_gallery *g;
} seen;

static int see(void *context, const char *person, size_t photos, const char *added) {
    seen *s = context;
    assert_int_equal(strlen(added), 20);
    snprintf(s->names[s->count], sizeof s->names[0], "%s", person);
    s->photos[s->count++] = photos;
    if (s->g) OK(lk_gallery_remove(s->g, person, NULL, err));
    return s->count == s->stop;
}

static void test_each_person(void **state) {
    (void)state;
    const char *path = in_folder("people.gallery");
    lk_gallery *g = new_gallery(path, 8);
    seen s = {.count = 0};
    OK(lk_gallery_each_person(g, see, &s, err));
    assert_int_equal(s.count, 0);
    static const char *const names[] = {"zoe", "Bob", "ann", "\xc3\xa9ric", "ann b"};
    uint64_t number = 0;
    for (size_t i = 0; i < 5; i++)
        for (size_t n = 0; n <= i; n++) add_number(g, names[i], number++);
    OK(lk_gallery_each_person(g, see, &s, err));
    assert_int_equal(s.count, 5);
    const size_t order[] = {1, 2, 4, 0, 3}; /* byte order */
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(s.names[i], names[order[i]]);
        assert_int_equal(s.photos[i], order[i] + 1);
    }
    s = (seen){.stop = 2};
    OK(lk_gallery_each_person(g, see, &s, err));
    assert_int_equal(s.count, 2);
    s = (seen){.g = g}; /* the callback may change the gallery */
    OK(lk_gallery_each_person(g, see, &s, err));
    assert_int_equal(s.count, 5);
    check_counts(g, 0, 0);
    lk_gallery_close(g);
    remove_gallery(path);
}

/* ---- what is kept of a photo ------------------------------------------------------------------------ */

typedef struct photo_list {
    lk_gallery_photo items[8];
    char text[8][4][64];
    size_t count;
} photo_list;

static int see_photo(void *context, const lk_gallery_photo *p) {
    photo_list *s = context;
    char(*text)[64] = s->text[s->count];
    snprintf(text[0], 64, "%s", p->person);
    snprintf(text[1], 64, "%s", p->photo);
    snprintf(text[2], 64, "%s", p->source ? p->source : "-");
    s->items[s->count++] = *p;
    return 0;
}

static int count_person(void *context, const char *person, size_t photos, const char *added) {
    (void)person, (void)photos, (void)added;
    ++*(size_t *)context;
    return 0;
}

static int count_photo(void *context, const lk_gallery_photo *p) {
    assert_int_equal(p->id, ++*(size_t *)context);
    return 0;
}

static void test_photos(void **state) {
    (void)state;
    const char *path = in_folder("photos.gallery");
    const uint8_t jpeg[] = {0xff, 0xd8, 0, 1, 2};
    const float east[2] = {1, 0}, north[2] = {0, 1};
    lk_gallery *g = new_gallery(path, 2);
    const lk_enrollment both[2] = {{.person = "ann",
                                    .photo = "1",
                                    .vector = east,
                                    .source = "/a/1.jpg",
                                    .crop = jpeg,
                                    .crop_size = sizeof jpeg,
                                    .quality = 0.75},
                                   {.person = "bob", .photo = "1", .vector = north}};
    int64_t ids[2] = {0, 0};
    OK(lk_gallery_enroll(g, both, 2, ids, err));
    assert_true(ids[0] > 0 && ids[1] == ids[0] + 1);
    photo_list list = {.count = 0};
    OK(lk_gallery_each_photo(g, NULL, see_photo, &list, err));
    assert_int_equal(list.count, 2);
    assert_string_equal(list.text[0][0], "ann");
    assert_string_equal(list.text[0][2], "/a/1.jpg");
    assert_true(list.items[0].quality == 0.75);
    assert_int_equal(list.items[0].crop_size, sizeof jpeg);
    assert_int_equal(list.items[1].id, ids[1]);
    assert_string_equal(list.text[1][2], "-");
    assert_true(list.items[1].quality == 0);
    assert_int_equal(list.items[1].crop_size, 0);
    uint8_t *crop = NULL;
    size_t size = 0;
    float v[2];
    OK(lk_gallery_get_crop(g, ids[0], &crop, &size, err));
    assert_int_equal(size, sizeof jpeg);
    assert_memory_equal(crop, jpeg, size);
    free(crop);
    FAILS(LK_NOT_FOUND, "no crop", lk_gallery_get_crop(g, ids[1], &crop, &size, err));
    FAILS(LK_NOT_FOUND, "no photo", lk_gallery_get_crop(g, 99, &crop, &size, err));
    OK(lk_gallery_get_vector(g, ids[1], v, err));
    assert_memory_equal(v, north, sizeof v);

    /* To another person, with all that is kept; a name that is taken there is told apart. */
    int64_t moved = 0;
    OK(lk_gallery_move_photo(g, ids[0], "bob", &moved, err));
    assert_true(moved > ids[1]);
    FAILS(LK_NOT_FOUND, "no photo", lk_gallery_move_photo(g, ids[0], "bob", &moved, err));
    list.count = 0;
    OK(lk_gallery_each_photo(g, "bob", see_photo, &list, err));
    assert_int_equal(list.count, 2);
    assert_string_equal(list.text[1][1], "1 (2)");
    assert_string_equal(list.text[1][2], "/a/1.jpg");
    assert_true(list.items[1].quality == 0.75);
    OK(lk_gallery_get_crop(g, moved, &crop, &size, err));
    assert_memory_equal(crop, jpeg, sizeof jpeg);
    free(crop);
    check_counts(g, 1, 2); /* ann went with the last photo */

    OK(lk_gallery_rename(g, "bob", "rob", err));
    FAILS(LK_NOT_FOUND, "bob", lk_gallery_rename(g, "bob", "x", err));
    add_number(g, "ann", 3);
    FAILS(LK_INVALID, "already", lk_gallery_rename(g, "rob", "ann", err));
    FAILS(LK_INVALID, "name", lk_gallery_rename(g, "rob", "", err));
    list.count = 0;
    OK(lk_gallery_each_photo(g, "rob", see_photo, &list, err));
    assert_int_equal(list.count, 2);
    OK(lk_gallery_remove_photo(g, moved, err));
    FAILS(LK_NOT_FOUND, "no photo", lk_gallery_remove_photo(g, moved, err));
    check_counts(g, 2, 2);
    OK(lk_gallery_remove_photo(g, ids[1], err));
    check_counts(g, 1, 1);
    lk_gallery_close(g);
    remove_gallery(path);
}

static void test_enroll_refuses(void **state) {
    (void)state;
    const char *path = in_folder("refuses.gallery");
    const uint8_t byte = 1;
    const float east[2] = {1, 0}, wrong[2] = {1, 1};
    lk_gallery *g = new_gallery(path, 2);
    lk_enrollment two[2] = {{.person = "ann", .photo = "1", .vector = east},
                            {.person = "bob", .photo = "1", .vector = east}};
    const lk_enrollment good = two[1];
    two[1].quality = -1;
    FAILS(LK_INVALID, "quality", lk_gallery_enroll(g, two, 2, NULL, err));
    two[1].quality = (double)NAN;
    FAILS(LK_INVALID, "quality", lk_gallery_enroll(g, two, 2, NULL, err));
    two[1] = good;
    two[1].source = "";
    FAILS(LK_INVALID, "photo lies", lk_gallery_enroll(g, two, 2, NULL, err));
    two[1] = good;
    two[1].crop = &byte;
    FAILS(LK_INVALID, "crop", lk_gallery_enroll(g, two, 2, NULL, err));
    two[1] = good;
    two[1].vector = wrong;
    FAILS(LK_INVALID, "length 1", lk_gallery_enroll(g, two, 2, NULL, err));
    check_counts(g, 0, 0); /* all or none */
    two[1] = good;
    OK(lk_gallery_enroll(g, two, 2, NULL, err));
    OK(lk_gallery_enroll(g, two, 0, NULL, err));
    check_counts(g, 2, 2);
    lk_gallery_close(g);
    remove_gallery(path);
}

/* A walk longer than a page, of people and of photos. */
static void test_pages(void **state) {
    (void)state;
    enum { N = 600 };
    const char *path = in_folder("pages.gallery");
    lk_gallery *g = new_gallery(path, 4);
    OK(lk_gallery_begin(g, err));
    for (uint64_t i = 0; i < N; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%03d", (int)i);
        add_number(g, name, i);
    }
    OK(lk_gallery_commit(g, err));
    size_t people = 0, all = 0;
    OK(lk_gallery_each_person(g, count_person, &people, err));
    OK(lk_gallery_each_photo(g, NULL, count_photo, &all, err));
    assert_int_equal(people, N);
    assert_int_equal(all, N);
    lk_gallery_close(g);
    remove_gallery(path);
}

/* ---- removing ------------------------------------------------------------------------------------ */

/* In any file of the gallery: its own, the log, and what else may lie beside it. */
static bool on_disk(const char *path, const void *needle, size_t size) {
    char pattern[600];
    glob_t files;
    bool found = false;
    snprintf(pattern, sizeof pattern, "%s*", path);
    assert_int_equal(glob(pattern, 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        size_t total = 0;
        uint8_t *bytes = slurp(files.gl_pathv[i], &total);
        found = found || memmem(bytes, total, needle, size);
        free(bytes);
    }
    globfree(&files);
    return found;
}

/* Crops so large that they lie in pages of their own. */
enum { CROP = 6000 };
static void enroll_whole(lk_gallery *g, const char *person, uint64_t number, uint8_t *crop) {
    float v[128];
    char photo[32], source[64];
    lk__random r = lk__random_stream(9, number, 0, 0);
    for (int i = 0; i < CROP; i++) crop[i] = (uint8_t)lk__random_u64(&r);
    unit_vector(1, number, 128, v);
    snprintf(photo, sizeof photo, "photo number %d", (int)number);
    snprintf(source, sizeof source, "/source/of/%s/%d", person, (int)number);
    const lk_enrollment e = {
        .person = person, .photo = photo, .vector = v, .source = source, .crop = crop, .crop_size = CROP};
    OK(lk_gallery_enroll(g, &e, 1, NULL, err));
}

/* Of a server's disk nothing is asked here (docs/postgresql.md). */
static void check_on_disk(const char *path, const void *needle, size_t size, bool want) {
    if (!on_pg()) assert_int_equal(on_disk(path, needle, size), want);
}

static void test_remove(void **state) {
    (void)state;
    enum { DIM = 128, PHOTOS = 30 };
    static const char gone[] = "Forget M. Entirely", stays[] = "Stays Whoever";
    const char *path = in_folder("remove.gallery");
    lk_gallery *g = new_gallery(path, DIM);
    size_t removed = 77;
    FAILS(LK_NOT_FOUND, "nobody", lk_gallery_remove(g, "nobody", &removed, err));
    FAILS(LK_NOT_FOUND, "", lk_gallery_remove(g, "\xff", &removed, err));
    assert_int_equal(removed, 77);
    for (int within = 0; within < 2; within++) { /* alone, and within a transaction */
        uint8_t crop[CROP];
        for (uint64_t i = 2 * PHOTOS; i-- > 0;) enroll_whole(g, i % 2 ? gone : stays, i, crop);
        enroll_whole(g, gone, 1, crop); /* once more: replaced */
        float v[DIM];
        unit_vector(1, 1, DIM, v);
        check_on_disk(path, v, 64, true);
        check_on_disk(path, crop, 64, true);
        check_on_disk(path, crop + CROP - 64, 64, true);
        lk_matches m; /* and where searches keep it */
        OK(lk_gallery_search(g, v, 1, &m, err));
        lk_matches_free(&m);
        check_on_disk(path, gone, strlen(gone), true);
        if (within) OK(lk_gallery_begin(g, err));
        OK(lk_gallery_remove(g, gone, &removed, err));
        if (within) OK(lk_gallery_commit(g, err));
        assert_int_equal(removed, PHOTOS);
        check_counts(g, 1, PHOTOS);
        for (uint64_t i = 0; i < 2 * PHOTOS; i++) {
            unit_vector(1, i, DIM, v);
            check_on_disk(path, v, 64, i % 2 == 0);
        }
        check_on_disk(path, gone, strlen(gone), false); /* in the source, too */
        check_on_disk(path, crop, 64, false);
        check_on_disk(path, crop + CROP - 64, 64, false);
        check_on_disk(path, stays, strlen(stays), true);
        FAILS(LK_NOT_FOUND, gone, lk_gallery_remove(g, gone, &removed, err));
    }
    lk_gallery_close(g);
    remove_gallery(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),          cmocka_unit_test(test_add_refuses),
        cmocka_unit_test(test_replace),        cmocka_unit_test(test_transactions),
        cmocka_unit_test(test_each_person),    cmocka_unit_test(test_photos),
        cmocka_unit_test(test_enroll_refuses), cmocka_unit_test(test_pages),
        cmocka_unit_test(test_remove),         cmocka_unit_test(test_nothing_left),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
