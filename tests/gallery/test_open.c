/* test_open.c: a gallery is made whole or not at all; what is no gallery, damaged or forbidden is refused. */
#include "gallery/gallery_test.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Run SQL on a file, past our own code. */
static void sql(const char *path, const char *text) {
    sqlite3 *db = NULL;
    char *why = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK) fail_msg("%s: %s", text, why);
    sqlite3_close(db);
}

static void spill(const char *path, const uint8_t *bytes, size_t size) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void refuse_open(const char *path, lk_status status, const char *hint) {
    lk_gallery *g = (lk_gallery *)(uintptr_t)8;
    FAILS(status, hint, lk_gallery_open(path, 0, &g, err));
    FAILS(status, path, lk_gallery_open(path, LK_GALLERY_READ_ONLY, &g, err));
    assert_true(g == (lk_gallery *)(uintptr_t)8);
}

static void test_create(void **state) {
    (void)state;
    const char *path = in_folder("new.gallery");
    lk_vector_kind kind = kind_of(8);
    lk_gallery *g = new_gallery(path, 8), *again = NULL;
    FAILS(LK_INVALID, "exists", lk_gallery_create(path, &kind, &again, err));
    assert_null(again);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    for (int i = 0; i < 2; i++) {
        lk_gallery_info info;
        OK(lk_gallery_get_info(g, &info, err));
        assert_int_equal(info.people, 0);
        assert_int_equal(info.photos, 0);
        assert_int_equal(info.dim, 8);
        assert_true(info.threshold == 0.42);
        assert_string_equal(info.fingerprint, FINGERPRINT);
        assert_string_equal(info.model_path, "m.safetensors");
        assert_int_equal(strlen(info.created), 20);
        assert_int_equal(info.created[10], 'T');
        assert_int_equal(info.created[19], 'Z');
        lk_gallery_close(g);
        g = i == 0 ? open_gallery(path, 0) : NULL;
    }
    lk_gallery_close(NULL);
    unlink(path); /* closed, it is one file: a log would fail the end of the group */

    kind = (lk_vector_kind){.dim = 1, .fingerprint = "x", .threshold = NAN, .model_path = NULL};
    OK(lk_gallery_create(path, &kind, &g, err));
    lk_gallery_info info;
    OK(lk_gallery_get_info(g, &info, err));
    assert_true(isnan(info.threshold));
    assert_string_equal(info.model_path, "");
    lk_gallery_close(g);
    unlink(path);
}

static void test_create_refuses(void **state) {
    (void)state;
    const char *path = in_folder("refused.gallery");
    char long_path[1100];
    memset(long_path, 'x', sizeof long_path);
    long_path[sizeof long_path - 1] = 0;
    const lk_vector_kind bad[] = {{0, FINGERPRINT, 0.5, ""},
                                  {-3, FINGERPRINT, 0.5, ""},
                                  {1 << 20, FINGERPRINT, 0.5, ""},
                                  {8, "", 0.5, ""},
                                  {8, NULL, 0.5, ""},
                                  {8, FINGERPRINT "0", 0.5, ""},
                                  {8, FINGERPRINT, INFINITY, ""},
                                  {8, FINGERPRINT, -1.5, ""},
                                  {8, FINGERPRINT, 0.5, long_path},
                                  {8, FINGERPRINT, 0.5, "\xff"}};
    lk_gallery *g = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        FAILS(LK_INVALID, path, lk_gallery_create(path, &bad[i], &g, err));
    lk_vector_kind kind = kind_of(8);
    FAILS(LK_NOT_FOUND, "no/such", lk_gallery_create(in_folder("no/such/folder"), &kind, &g, err));
    char *endless = calloc(1, 10000);
    assert_non_null(endless);
    memset(endless, 'x', 9999);
    FAILS(LK_INVALID, "too long", lk_gallery_create(endless, &kind, &g, err));
    FAILS(LK_IO, "xxx", lk_gallery_open(endless, 0, &g, err));
    free(endless);
    /* Somebody's old log must not become part of a new gallery. */
    const char *log = in_folder("refused.gallery-wal");
    spill(log, (const uint8_t *)"x", 1);
    FAILS(LK_INVALID, "left over", lk_gallery_create(path, &kind, &g, err));
    unlink(log);
    assert_null(g);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_no_gallery(void **state) {
    (void)state;
    const char *path = in_folder("other");
    refuse_open(path, LK_NOT_FOUND, path);
    refuse_open(folder, LK_IO, "not a file");
    spill(path, (const uint8_t *)"", 0);
    refuse_open(path, LK_FORMAT, "is not a gallery");
    char text[5000];
    memset(text, 'a', sizeof text);
    spill(path, (const uint8_t *)text, 300);
    refuse_open(path, LK_FORMAT, "is not a gallery");
    spill(path, (const uint8_t *)text, sizeof text);
    refuse_open(path, LK_FORMAT, "is not a gallery");
    unlink(path);
    sql(path, "CREATE TABLE photos (id INTEGER); INSERT INTO photos VALUES (1)");
    size_t before = 0, after = 0;
    uint8_t *a = slurp(path, &before);
    refuse_open(path, LK_FORMAT, "another program");
    uint8_t *b = slurp(path, &after); /* and was not touched */
    assert_int_equal(before, after);
    assert_memory_equal(a, b, before);
    free(a);
    free(b);
    sql(path, "PRAGMA application_id = 0x6c6b6761");
    refuse_open(path, LK_FORMAT, "tables");
    unlink(path);
}

static void test_truncated(void **state) {
    (void)state;
    const char *path = in_folder("whole.gallery"), *cut = in_folder("cut.gallery");
    lk_gallery *g = new_gallery(path, 128);
    for (uint64_t i = 0; i < 40; i++) add_number(g, i % 2 ? "ann" : "bob", i);
    lk_gallery_close(g);
    size_t size = 0;
    uint8_t *bytes = slurp(path, &size);
    for (size_t at = 0; at < size; at += at < 128 ? 1 : 509) {
        spill(cut, bytes, at);
        refuse_open(cut, LK_FORMAT, at < 100 ? "is not a gallery" : "");
    }
    for (size_t at = 4096; at < size; at += 4096) { /* whole pages missing */
        spill(cut, bytes, at);
        refuse_open(cut, LK_FORMAT, "damaged");
    }
    spill(cut, bytes, size);
    lk_gallery_close(open_gallery(cut, 0));
    free(bytes);
    unlink(path);
    remove_gallery(cut);
}

/* Bytes changed at random: any answer is fine but a crash or a vector that is none. */
static void test_damaged(void **state) {
    (void)state;
    const char *path = in_folder("whole.gallery"), *bad = in_folder("bad.gallery");
    lk_gallery *g = new_gallery(path, 32);
    for (uint64_t i = 0; i < 40; i++) add_number(g, i % 2 ? "ann" : "bob", i);
    lk_gallery_close(g);
    size_t size = 0;
    uint8_t *bytes = slurp(path, &size), *copy = malloc(size);
    assert_non_null(copy);
    float v[32];
    unit_vector(1, 3, 32, v);
    int opened = 0, refused = 0;
    for (uint64_t round = 0; round < 150; round++) {
        lk__random r = lk__random_stream(round, 0, 0, 0);
        memcpy(copy, bytes, size);
        for (int i = 0; i < 8; i++) copy[lk__random_below(&r, size)] = (uint8_t)lk__random_u64(&r);
        spill(bad, copy, size);
        lk_matches m = {0, NULL};
        if (lk_gallery_open(bad, round % 2 ? LK_GALLERY_READ_ONLY : 0, &g, NULL) != LK_OK) {
            refused++;
        } else {
            opened++;
            if (lk_gallery_search(g, v, 5, &m, NULL) == LK_OK)
                for (size_t i = 0; i < m.count; i++) assert_true(fabsf(m.items[i].cosine) < 1.01f);
            lk_matches_free(&m);
            (void)lk_gallery_add(g, "ann", "x", v, NULL, NULL);
            (void)lk_gallery_remove(g, "bob", NULL, NULL);
            lk_gallery_close(g);
        }
        remove_gallery(bad);
    }
    assert_true(opened > 0);
    free(bytes);
    free(copy);
    unlink(path);
}

static void test_tampered(void **state) {
    (void)state;
    static const struct {
        const char *sql, *hint;
    } bad[] = {
        {"PRAGMA user_version = 3", "newer"},
        {"PRAGMA user_version = 1", "tables"},
        {"PRAGMA user_version = 0", "tables"},
        {"DELETE FROM info WHERE key = 'dim'", "description"},
        {"DELETE FROM info WHERE key = 'created'", "description"},
        {"DELETE FROM info WHERE key = 'identity'", "description"},
        {"UPDATE info SET value = 0 WHERE key = 'dim'", "description"},
        {"UPDATE info SET value = -8 WHERE key = 'dim'", "description"},
        {"UPDATE info SET value = 4294967304 WHERE key = 'dim'", "description"},
        {"UPDATE info SET value = '8' WHERE key = 'dim'", "description"},
        {"UPDATE info SET value = '' WHERE key = 'fingerprint'", "description"},
        {"UPDATE info SET value = NULL WHERE key = 'fingerprint'", "description"},
        {"UPDATE info SET value = hex(zeroblob(33)) WHERE key = 'fingerprint'", "description"},
        {"UPDATE info SET value = hex(zeroblob(600)) WHERE key = 'model_path'", "description"},
        {"UPDATE info SET value = char(10) WHERE key = 'model_path'", "description"},
        {"UPDATE info SET value = 0.43 WHERE key = 'threshold'",
         "description"}, /* possible, and not what it was */
        {"UPDATE info SET value = -1 WHERE key = 'photos'", "description"},
        {"DELETE FROM info WHERE key = 'sum'", "description"},
        {"UPDATE info SET value = 1.5 WHERE key = 'threshold'", "description"},
        {"UPDATE info SET value = 'x' WHERE key = 'threshold'", "description"},
        {"UPDATE info SET value = 9e999 WHERE key = 'threshold'", "description"},
        {"CREATE TRIGGER t AFTER INSERT ON photos BEGIN DELETE FROM people; END", "tables"},
        {"CREATE INDEX i ON photos (added)", "tables"},
        {"DROP TRIGGER photos_deleted", "tables"},
        {"DROP TRIGGER photos_fixed", "tables"},
        {"CREATE INDEX i ON crops (jpeg)", "tables"},
        {"DROP TABLE photos", "tables"},
        {"ALTER TABLE people ADD COLUMN address TEXT", "tables"},
    };
    const char *path = in_folder("tampered.gallery");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        lk_gallery_close(new_gallery(path, 8));
        sql(path, bad[i].sql);
        refuse_open(path, LK_FORMAT, bad[i].hint);
        remove_gallery(path);
    }
    /* What is not ours is left alone. */
    lk_gallery_close(new_gallery(path, 8));
    sql(path, "CREATE TABLE notes (photo INTEGER, note TEXT); INSERT INTO info VALUES ('note', 'mine')");
    lk_gallery_close(open_gallery(path, 0));
    remove_gallery(path);
}

static void test_bad_rows(void **state) {
    (void)state;
    static const char *const bad[] = {"zeroblob(16)", "zeroblob(17)", "x''",
                                      "x'0000803f000000000000000000000000ff'", /* one byte more */
                                      "x'0000c07f000000000000000000000000'"};  /* NaN */
    const char *path = in_folder("rows.gallery");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        lk_gallery *g = new_gallery(path, 4);
        for (uint64_t n = 0; n < 5; n++) add_number(g, "ann", n);
        lk_gallery_close(g);
        char text[300];
        g = open_gallery(path, 0); /* its sums are right: it was written like this */
        snprintf(text, sizeof text,
                 "DELETE FROM photos WHERE id = 3;"
                 "INSERT INTO photos (id, person_id, name, added, crop_size, sum, vector_sum, vector) "
                 "VALUES (3, 1, 'x', '', 0, 0, likeness_sum(3, 1, %s), %s)",
                 bad[i], bad[i]);
        assert_int_equal(sqlite3_exec(sqlite_of(g), text, NULL, NULL, NULL), SQLITE_OK);
        float v[4];
        lk_matches m;
        unit_vector(1, 0, 4, v);
        FAILS(LK_FORMAT, "photo 3", lk_gallery_search(g, v, 1, &m, err));
        lk_gallery_close(g);
        remove_gallery(path);
    }
}

/* Not even by hand: what the index in memory relies on. */
static void test_vectors_are_fixed(void **state) {
    (void)state;
    static const char *const changes[] = {"vector = zeroblob(16)", "person_id = 2", "id = 77"};
    const char *path = in_folder("fixed.gallery");
    lk_gallery *g = new_gallery(path, 4);
    add_number(g, "ann", 1);
    add_number(g, "bob", 2);
    for (size_t i = 0; i < 3; i++) {
        char text[100];
        snprintf(text, sizeof text, "UPDATE photos SET %s WHERE id = 1", changes[i]);
        assert_int_equal(sqlite3_exec(sqlite_of(g), text, NULL, NULL, NULL), SQLITE_CONSTRAINT_TRIGGER);
    }
    assert_int_equal(sqlite3_exec(sqlite_of(g), "UPDATE photos SET name = 'n'", NULL, NULL, NULL), SQLITE_OK);
    lk_gallery_close(g);
    remove_gallery(path);
}

/* ---- a file of schema 1 ---------------------------------------------------------------------------- */

static void make_schema_1(const char *path, bool empty) {
#define MOVE " BEGIN UPDATE info SET value = value + 1 WHERE key = 'revision'; END;"
    sql(path,
        "PRAGMA journal_mode = WAL; PRAGMA application_id = 0x6c6b6761; PRAGMA user_version = 1;"
        "CREATE TABLE info (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;"
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, added TEXT NOT NULL) STRICT;"
        "CREATE TABLE photos (id INTEGER PRIMARY KEY AUTOINCREMENT, person_id INTEGER NOT NULL REFERENCES "
        "people (id), name TEXT NOT NULL, vector BLOB NOT NULL, added TEXT NOT NULL, UNIQUE (person_id, "
        "name)) STRICT;"
        "CREATE TRIGGER people_changed AFTER UPDATE ON people" MOVE
        "CREATE TRIGGER photos_changed AFTER UPDATE ON photos" MOVE
        "CREATE TRIGGER photos_deleted AFTER DELETE ON photos" MOVE
        "INSERT INTO info VALUES ('dim', 2), ('fingerprint', '" FINGERPRINT "'), ('threshold', 0.42),"
        "('model_path', 'm.safetensors'), ('created', '2026-01-31T12:00:00Z'), ('revision', 7);"
        "INSERT INTO people VALUES (3, 'ann', '2026-01-31T12:00:01Z'), (5, 'bob', '2026-01-31T12:00:02Z');"
        "INSERT INTO photos VALUES (2, 3, 'a.jpg', x'0000803f00000000', '2026-01-31T12:00:03Z'),"
        "(4, 5, 'b.jpg', x'000000000000803f', '2026-01-31T12:00:04Z'),"
        "(9, 3, 'gone.jpg', x'000080bf00000000', '2026-01-31T12:00:05Z');"
        "DELETE FROM photos WHERE id = 9");
    if (empty) sql(path, "DELETE FROM photos; DELETE FROM people");
}

static void test_schema_1(void **state) {
    (void)state;
    const char *path = in_folder("old.gallery");
    make_schema_1(path, false);
    lk_gallery *g = NULL;
    FAILS(LK_FORMAT, "open it once for writing", lk_gallery_open(path, LK_GALLERY_READ_ONLY, &g, err));
    g = open_gallery(path, 0);
    check_counts(g, 2, 2);
    assert_int_equal(g->info.dim, 2);
    assert_string_equal(g->info.created, "2026-01-31T12:00:00Z");
    const float east[2] = {1, 0};
    int64_t id = 0;
    lk_matches m;
    OK(lk_gallery_search(g, east, 5, &m, err));
    assert_int_equal(m.count, 2);
    assert_int_equal(m.items[0].photo_id, 2);
    assert_string_equal(m.items[0].person, "ann");
    assert_string_equal(m.items[0].photo, "a.jpg");
    assert_int_equal(m.items[1].photo_id, 4);
    lk_matches_free(&m);
    OK(lk_gallery_add(g, "cyd", "c.jpg", east, &id, err));
    assert_int_equal(id, 10); /* 9 was in use once */
    lk_gallery_close(g);
    lk_gallery_close(open_gallery(path, LK_GALLERY_READ_ONLY)); /* it is new now, word for word */
    remove_gallery(path);
    make_schema_1(path, true);
    g = open_gallery(path, 0);
    OK(lk_gallery_add(g, "ann", "a.jpg", east, &id, err));
    assert_int_equal(id, 10);
    lk_gallery_close(g);
    remove_gallery(path);
}

/* Killed at any moment or out of disk, it is as it was. */
static void test_schema_1_on_full_disk(void **state) {
    (void)state;
    const char *path = in_folder("old.gallery");
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    rlim_t most = limit.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    int failures = 0;
    for (rlim_t bytes = 1; bytes < 200000; bytes += 7000) {
        make_schema_1(path, false);
        limit.rlim_cur = bytes;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        lk_gallery *g = NULL;
        lk_error e;
        lk_status status = lk_gallery_open(path, 0, &g, &e);
        limit.rlim_cur = most;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        if (status != LK_OK) {
            failures++;
            if (status != LK_IO) fail_msg("%d %s", status, e.message);
            sql(path, "UPDATE people SET name = 'a' WHERE name = 'ann'"); /* its trigger works */
            g = open_gallery(path, 0);
        }
        check_counts(g, 2, 2);
        lk_gallery_close(g);
        remove_gallery(path);
    }
    assert_in_range(failures, 1, 28);
}

/* A copy made with SQLite's own means is a gallery. */
static void test_copy(void **state) {
    (void)state;
    const char *path = in_folder("a.gallery"), *copy = in_folder("b.gallery");
    char text[600];
    lk_gallery *g = new_gallery(path, 8);
    add_number(g, "ann", 1);
    snprintf(text, sizeof text, "VACUUM INTO '%s'", copy);
    sql(path, text);
    lk_gallery *c = open_gallery(copy, 0);
    add_number(c, "bob", 2);
    check_counts(c, 2, 2);
    assert_int_equal(access(in_folder("b.gallery-wal"), F_OK), 0); /* the log is back */
    lk_gallery_close(c);
    lk_gallery_close(g);
    unlink(path);
    unlink(copy);
}

static void test_kind(void **state) {
    (void)state;
    const char *path = in_folder("kind.gallery");
    lk_gallery *g = new_gallery(path, 8);
    lk_vector_kind kind = kind_of(8);
    OK(lk_gallery_check_kind(g, &kind, err));
    kind.threshold = 0.1; /* no matter: it is advice, and the gallery has its own */
    kind.model_path = NULL;
    OK(lk_gallery_check_kind(g, &kind, err));
    kind.dim = 9;
    FAILS(LK_MISMATCH, "9 numbers", lk_gallery_check_kind(g, &kind, err));
    kind = kind_of(8);
    kind.fingerprint = "fedcba9876543210";
    kind.model_path = "other.safetensors";
    FAILS(LK_MISMATCH, "0123456789ab", lk_gallery_check_kind(g, &kind, err));
    FAILS(LK_MISMATCH, "fedcba987654", lk_gallery_check_kind(g, &kind, err));
    FAILS(LK_MISMATCH, "other.safetensors", lk_gallery_check_kind(g, &kind, err));
    lk_gallery_close(g);
    unlink(path);
}

/* ---- read-only ----------------------------------------------------------------------------------- */

static void test_read_only(void **state) {
    (void)state;
    const char *path = in_folder("read.gallery");
    lk_gallery *g = new_gallery(path, 8);
    add_number(g, "ann", 1);
    lk_gallery *r = open_gallery(path, LK_GALLERY_READ_ONLY);
    float v[8];
    lk_matches m;
    unit_vector(1, 1, 8, v);
    check_counts(r, 1, 1);
    OK(lk_gallery_search(r, v, 5, &m, err));
    assert_int_equal(m.count, 1);
    lk_matches_free(&m);
    FAILS(LK_INVALID, "reading only", lk_gallery_add(r, "bob", "1", v, NULL, err));
    FAILS(LK_INVALID, "reading only", lk_gallery_remove(r, "ann", NULL, err));
    FAILS(LK_INVALID, "reading only", lk_gallery_begin(r, err));
    add_number(g, "bob", 2); /* by another: seen */
    OK(lk_gallery_search(r, v, 5, &m, err));
    assert_int_equal(m.count, 2);
    lk_matches_free(&m);
    lk_gallery_close(r);
    lk_gallery_close(g);
    remove_gallery(path);
}

/* Permissions mean nothing to root: check in a child that is nobody. */
static void as_nobody(void (*check)(const char *path), const char *path) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (getuid() == 0 && setuid(65534) != 0) _exit(0);
        check(path); /* a failed assertion in here aborts or leaves the line below unreached */
        _exit(0);
    }
    int code = 0;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code));
    assert_int_equal(WEXITSTATUS(code), 0);
}

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

static void read_in_closed_folder(const char *path) {
    lk_gallery *g = NULL;
    lk_error e = {LK_OK, ""};
    lk_gallery_info info;
    float v[8];
    lk_matches m;
    lk_status status = lk_gallery_open(path, LK_GALLERY_READ_ONLY, &g, &e);
    if (status != LK_OK) fprintf(stderr, "%s\n", e.message);
    CHECK(status == LK_OK);
    CHECK(lk_gallery_get_info(g, &info, &e) == LK_OK && info.photos == 1);
    unit_vector(1, 1, 8, v);
    CHECK(lk_gallery_search(g, v, 5, &m, &e) == LK_OK && m.count == 1);
    lk_matches_free(&m);
    lk_gallery_close(g);
    CHECK(lk_gallery_open(path, 0, &g, &e) == LK_IO);
    CHECK(strstr(e.message, path) != NULL);
}

static void create_in_closed_folder(const char *path) {
    lk_gallery *g = NULL;
    lk_error e;
    lk_vector_kind kind = kind_of(8);
    CHECK(lk_gallery_create(path, &kind, &g, &e) == LK_IO);
    CHECK(strstr(e.message, path) != NULL);
}

static void open_without_permission(const char *path) {
    lk_gallery *g = NULL;
    lk_error e;
    CHECK(lk_gallery_open(path, 0, &g, &e) == LK_IO);
    CHECK(lk_gallery_open(path, LK_GALLERY_READ_ONLY, &g, &e) == LK_IO);
    CHECK(strstr(e.message, "ermission") != NULL);
}

static void test_permissions(void **state) {
    (void)state;
    const char *path = in_folder("strange %41?#name.gallery"); /* what a URI would mistake */
    lk_gallery *g = new_gallery(path, 8);
    add_number(g, "ann", 1);
    lk_gallery_close(g);
    as_nobody(open_without_permission, path); /* 0600, or in this case 0000 */
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(chmod(folder, 0555), 0);
    as_nobody(read_in_closed_folder, path);
    as_nobody(create_in_closed_folder, in_folder("new"));
    assert_int_equal(chmod(folder, 0755), 0);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_create_refuses),
        cmocka_unit_test(test_no_gallery),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_tampered),
        cmocka_unit_test(test_bad_rows),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_vectors_are_fixed),
        cmocka_unit_test(test_schema_1),
        cmocka_unit_test(test_schema_1_on_full_disk),
        cmocka_unit_test(test_kind),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_permissions),
        cmocka_unit_test(test_nothing_left),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
