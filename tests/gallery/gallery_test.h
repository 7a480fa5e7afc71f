/* gallery_test.h: what the gallery's tests share: a folder of their own, or a database (LIKENESS_TEST_PG),
 * and made-up unit vectors. The same tests run on both stores. */
#ifndef LK_GALLERY_TEST_H
#define LK_GALLERY_TEST_H

#include "gallery/gallery.h"
#include "gallery/store_pg.h"
#include "gallery/store_sqlite.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[256];

static inline int make_folder(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/lk-gallery-XXXXXX", base && *base ? base : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

/* ---- on which store ---- */

static inline bool on_pg(void) {
    const char *address = getenv("LIKENESS_TEST_PG");
    return address && *address;
}

/* What a test is about is SQLite's own. */
#define SQLITE_ONLY()                                                                                        \
    do {                                                                                                     \
        if (on_pg()) skip();                                                                                 \
    } while (0)

/* SQL in the database, beside the library; the first value of the last result, as a number. */
static inline long long pg_sql(const char *text) {
    PGconn *conn = PQconnectdb(getenv("LIKENESS_TEST_PG"));
    PQclear(PQexec(conn, "SET client_min_messages = warning"));
    PGresult *r = PQexec(conn, text);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", text, PQerrorMessage(conn));
    long long number = PQntuples(r) > 0 ? strtoll(PQgetvalue(r, 0, 0), NULL, 10) : 0;
    PQclear(r);
    PQfinish(conn);
    return number;
}

/* The schema of a gallery of in_folder(). */
static inline const char *pg_schema(const char *address) {
    static char schema[64];
    const char *name = strstr(address, "gallery=") + strlen("gallery=");
    snprintf(schema, sizeof schema, "likeness_%.*s", (int)strcspn(name, "&"), name);
    return schema;
}

/* The same in a gallery's schema. */
static inline long long pg_sql_in(const char *address, const char *text) {
    char all[1600];
    snprintf(all, sizeof all, "SET search_path = %s; %s", pg_schema(address), text);
    return pg_sql(all);
}

static inline void pg_refuses(const char *address, const char *text, const char *why) {
    char all[600];
    snprintf(all, sizeof all, "SET search_path = %s; %s", pg_schema(address), text);
    PGconn *conn = PQconnectdb(getenv("LIKENESS_TEST_PG"));
    PGresult *r = PQexec(conn, all);
    if (PQresultStatus(r) != PGRES_FATAL_ERROR || !strstr(PQresultErrorMessage(r), why))
        fail_msg("%s: %s", text, PQresultErrorMessage(r));
    PQclear(r);
    PQfinish(conn);
}

/* The last test of each program: no test left anything behind, a temporary file or a log say. (A test and no
 * teardown, because cmocka lets a failed teardown pass.) */
static inline void test_nothing_left(void **state) {
    (void)state;
    assert_int_equal(rmdir(folder), 0);
    if (on_pg())
        assert_int_equal(pg_sql("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'likeness%'"), 0);
}

/* Address of the gallery NAME.gallery: a path in the folder, or in the database; each of up to 8 recent ones
 * stays valid. */
static inline const char *in_folder(const char *name) {
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];
    const char *base = getenv("LIKENESS_TEST_PG");
    if (on_pg())
        snprintf(path, sizeof paths[0], "%s%cgallery=%.*s", base, strchr(base, '?') ? '&' : '?',
                 (int)strcspn(name, "."), name);
    else
        snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static inline void remove_gallery(const char *path) {
    char side[600];
    if (on_pg()) {
        snprintf(side, sizeof side, "DROP SCHEMA IF EXISTS %s CASCADE", pg_schema(path));
        pg_sql(side);
        return;
    }
    unlink(path);
    snprintf(side, sizeof side, "%s-wal", path);
    unlink(side);
    snprintf(side, sizeof side, "%s-shm", path);
    unlink(side);
    snprintf(side, sizeof side, "%s.index", path);
    unlink(side);
}

static inline void unit_vector(uint64_t seed, uint64_t number, int dim, float *out) {
    lk__random r = lk__random_stream(seed, number, (uint64_t)dim, 0);
    double norm = 0;
    for (int i = 0; i < dim; i++) {
        out[i] = (float)lk__random_normal(&r);
        norm += (double)out[i] * (double)out[i];
    }
    for (int i = 0; i < dim; i++) out[i] = (float)((double)out[i] / sqrt(norm));
}

#define FINGERPRINT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
static inline lk_vector_kind kind_of(int dim) {
    return (lk_vector_kind){
        .dim = dim, .fingerprint = FINGERPRINT, .threshold = 0.42, .model_path = "m.safetensors"};
}

#define OK(call)                                                                                             \
    do {                                                                                                     \
        lk_error ok_err = {LK_OK, ""};                                                                       \
        lk_error *err = &ok_err;                                                                             \
        lk_status ok_status = (call);                                                                        \
        if (ok_status != LK_OK) fail_msg("%s: %d %s", #call, ok_status, ok_err.message);                     \
    } while (0)

/* The call fails with this status, err says so, and its message holds `hint`. */
#define FAILS(want, hint, call)                                                                              \
    do {                                                                                                     \
        lk_error fails_err = {LK_OK, ""};                                                                    \
        lk_error *err = &fails_err;                                                                          \
        lk_status fails_status = (call);                                                                     \
        if (fails_status != (want) || fails_err.status != (want) || !strstr(fails_err.message, hint))        \
            fail_msg("%s: %d %s", #call, fails_status, fails_err.message);                                   \
    } while (0)

static inline uint8_t *slurp(const char *path, size_t *size) {
    uint8_t *bytes = NULL;
    OK(lk__file_read(path, 1 << 26, &bytes, size, err));
    return bytes;
}

static inline lk_gallery *new_gallery(const char *path, int dim) {
    lk_gallery *g = NULL;
    lk_vector_kind kind = kind_of(dim);
    OK(lk_gallery_create(path, &kind, &g, err));
    return g;
}

static inline lk_gallery *open_gallery(const char *path, int flags) {
    lk_gallery *g = NULL;
    OK(lk_gallery_open(path, flags, &g, err));
    return g;
}

static inline sqlite3 *sqlite_of(const lk_gallery *g) {
    return ((lk__sqlite *)g->store)->link.db;
}

static inline void add_number(lk_gallery *g, const char *person, uint64_t number) {
    float *v = malloc((size_t)g->info.dim * sizeof *v);
    char photo[32];
    assert_non_null(v);
    unit_vector(1, number, g->info.dim, v);
    snprintf(photo, sizeof photo, "%llu.jpg", (unsigned long long)number);
    OK(lk_gallery_add(g, person, photo, v, NULL, err));
    free(v);
}

static inline void check_counts(const lk_gallery *g, size_t people, size_t photos) {
    lk_gallery_info info;
    OK(lk_gallery_get_info(g, &info, err));
    assert_int_equal(info.people, people);
    assert_int_equal(info.photos, photos);
}

#endif
