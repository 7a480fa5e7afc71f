/* test_seal.c: an encrypted gallery opens with its key only, and its files show no vector and no crop. */
#include "gallery/gallery_test.h"

#include <glob.h>

enum { DIM = 32, PHOTOS = 20 };
static const uint8_t key[LK_GALLERY_KEY_BYTES] = {1, 2, 3, 4, 5};
static const char crop[] = "a small JPEG, as far as the gallery is concerned";

static bool lies_in_files(const char *path, const void *needle, size_t size) {
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

static lk_gallery *open_sealed(const char *path, int flags) {
    lk_gallery *g = NULL;
    const lk_gallery_options options = {.flags = flags, .key = key};
    OK(lk_gallery_open_with(path, &options, &g, err));
    return g;
}

static lk_gallery *new_sealed(const char *path, const uint8_t *with) {
    lk_gallery *g = NULL;
    const lk_vector_kind kind = kind_of(DIM);
    const lk_gallery_options options = {.key = with};
    OK(lk_gallery_create_with(path, &kind, &options, &g, err));
    for (uint64_t i = 1; i <= PHOTOS; i++) {
        float v[DIM];
        char photo[16];
        snprintf(photo, sizeof photo, "%d.jpg", (int)i);
        unit_vector(1, i, DIM, v);
        const lk_enrollment e = {.person = i % 2 ? "ann" : "bob",
                                 .photo = photo,
                                 .vector = v,
                                 .crop = (const uint8_t *)crop,
                                 .crop_size = sizeof crop};
        OK(lk_gallery_enroll(g, &e, 1, NULL, err));
    }
    return g;
}

static void test_nothing_readable(void **state) {
    (void)state;
    SQLITE_ONLY();
    const char *path = in_folder("sealed.gallery");
    for (int sealed = 0; sealed < 2; sealed++) {
        lk_gallery *g = new_sealed(path, sealed ? key : NULL);
        for (int closed = 0; closed < 2; closed++) { /* while it lies in the log, too */
            float v[DIM];
            unit_vector(1, 7, DIM, v);
            assert_int_equal(lies_in_files(path, v, 32), !sealed);
            assert_int_equal(lies_in_files(path, crop, sizeof crop), !sealed);
            assert_true(lies_in_files(path, "ann", 3)); /* as docs/privacy.md says */
            if (!closed) lk_gallery_close(g);
        }
        remove_gallery(path);
    }
}

static void test_keys(void **state) {
    (void)state;
    const char *path = in_folder("keys.gallery");
    uint8_t wrong[LK_GALLERY_KEY_BYTES] = {1, 2, 3, 4, 6};
    lk_gallery *g = new_sealed(path, key);
    lk_gallery_info info;
    OK(lk_gallery_get_info(g, &info, err));
    assert_true(info.encrypted);
    lk_gallery_close(g);
    for (int flags = 0; flags <= LK_GALLERY_READ_ONLY; flags++) {
        const lk_gallery_options none = {.flags = flags}, other = {.flags = flags, .key = wrong};
        FAILS(LK_MISMATCH, "no key was given", lk_gallery_open_with(path, &none, &g, err));
        FAILS(LK_MISMATCH, "another key", lk_gallery_open_with(path, &other, &g, err));
    }
    FAILS(LK_MISMATCH, "no key was given", lk_gallery_open(path, 0, &g, err));
    remove_gallery(path);
    lk_gallery_close(new_sealed(path, NULL));
    g = open_sealed(path, 0); /* one that is not encrypted needs none, and takes any */
    OK(lk_gallery_get_info(g, &info, err));
    assert_false(info.encrypted);
    lk_gallery_close(g);
    remove_gallery(path);
}

static int see_photo(void *context, const lk_gallery_photo *photo) {
    assert_int_equal(photo->crop_size, sizeof crop); /* not what sealing adds */
    ++*(size_t *)context;
    return 0;
}

static void test_use(void **state) {
    (void)state;
    const char *path = in_folder("use.gallery");
    lk_gallery_close(new_sealed(path, key));
    lk_gallery *g = open_sealed(path, 0);
    float v[DIM], got[DIM];
    uint8_t *bytes = NULL;
    size_t size = 0, photos = 0;
    int64_t moved = 0;
    unit_vector(1, 7, DIM, v);
    for (int again = 0; again < 2; again++) {
        lk_matches m;
        OK(lk_gallery_search(g, v, 3, &m, err));
        assert_int_equal(m.count, 3);
        assert_string_equal(m.items[0].photo, "7.jpg");
        assert_true(m.items[0].cosine > 0.9999f);
        int64_t id = m.items[0].photo_id;
        OK(lk_gallery_get_vector(g, id, got, err));
        assert_memory_equal(got, v, sizeof v);
        OK(lk_gallery_get_crop(g, id, &bytes, &size, err));
        assert_int_equal(size, sizeof crop);
        assert_memory_equal(bytes, crop, size);
        free(bytes);
        lk_matches_free(&m);
        if (!again) OK(lk_gallery_move_photo(g, id, "cyd", &moved, err)); /* sealed anew for its new id */
    }
    OK(lk_gallery_each_photo(g, NULL, see_photo, &photos, err));
    assert_int_equal(photos, PHOTOS);
    lk_gallery_close(g);
    remove_gallery(path);
}

/* As one can who owns the gallery. */
static void change_vector(const lk_gallery *g, const char *path, const char *text) {
    char all[400];
    if (on_pg()) {
        snprintf(all, sizeof all, "SET session_replication_role = replica; %s", text);
        pg_sql_in(path, all);
        return;
    }
    sqlite3_stmt *row = NULL;
    sqlite3 *db = sqlite_of(g);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT sql FROM sqlite_schema WHERE name = 'photos_fixed'", -1, &row, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    char *trigger = strdup((const char *)sqlite3_column_text(row, 0));
    sqlite3_finalize(row);
    assert_int_equal(sqlite3_exec(db, "DROP TRIGGER photos_fixed", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE photos SET vector_sum = likeness_sum(id, person_id, vector)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, trigger, NULL, NULL, NULL), SQLITE_OK);
    free(trigger);
}

/* Bytes that were changed, or stand where they were not put, are refused and never searched. */
static void test_moved_bytes(void **state) {
    (void)state;
#define SET(on_sqlite, on_postgresql)                                                                        \
    (on_pg() ? "UPDATE photos SET vector = " on_postgresql " WHERE id = 3"                                   \
             : "UPDATE photos SET vector = " on_sqlite " WHERE id = 3")
    const char *const bad[] = {
        SET("(SELECT vector FROM photos WHERE id = 4)", "(SELECT vector FROM photos WHERE id = 4)"),
        SET("CAST(x'0000000000000000' || substr(vector, 9) AS BLOB)",
            "set_byte(vector, 0, get_byte(vector, 0) # 1)"),
        SET("CAST(substr(vector, 1, 160) || zeroblob(8) AS BLOB)",
            "set_byte(vector, length(vector) - 1, get_byte(vector, length(vector) - 1) # 1)"),
        SET("substr(vector, 41)", "substr(vector, 41)"),
    };
    const char *path = in_folder("moved.gallery");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lk_gallery *g = new_sealed(path, key);
        change_vector(g, path, bad[i]);
        lk_gallery_close(g);
        g = open_sealed(path, 0);
        lk_matches m;
        float v[DIM];
        unit_vector(1, 7, DIM, v);
        FAILS(LK_FORMAT, i < 3 ? "does not open" : "wrong size", lk_gallery_search(g, v, 3, &m, err));
        FAILS(LK_FORMAT, "photo 3", lk_gallery_get_vector(g, 3, v, err));
        lk_gallery_close(g);
        remove_gallery(path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_readable),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_use),
        cmocka_unit_test(test_moved_bytes),
        cmocka_unit_test(test_nothing_left),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
