/* test_crash.c: killed, out of disk, or two at once: every committed change is there and nothing of the
 * others. */
#include "gallery/gallery_test.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static void check_integrity(const char *path) {
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    if (on_pg()) return; /* the server's own affair */
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(s, 0), "ok");
    sqlite3_finalize(s);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA foreign_key_check", -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_DONE);
    sqlite3_finalize(s);
    sqlite3_close(db);
}

/* ---- killed ------------------------------------------------------------------------------------- */

enum { GROUP = 5, KILLS = 30, CRASH_DIM = 64 }; /* LK_DURABLE_ROUNDS: as many kills */

/* In a child, for ever: a transaction of GROUP photos, the odd ones undone by removing the person again; then
 * the number of committed groups of "ann" into the pipe. */
static _Noreturn void write_until_killed(const char *path, int pipe_end) {
    lk_gallery *g = NULL;
    lk_gallery_info info;
    float v[CRASH_DIM];
    if (lk_gallery_open(path, 0, &g, NULL) != LK_OK || lk_gallery_get_info(g, &info, NULL) != LK_OK) _exit(1);
    for (uint64_t groups = info.photos / GROUP;; groups++) {
        if (lk_gallery_begin(g, NULL) != LK_OK) _exit(1);
        for (uint64_t i = 0; i < GROUP; i++) {
            char photo[64];
            snprintf(photo, sizeof photo, "%llu", (unsigned long long)(groups * GROUP + i));
            unit_vector(1, groups * GROUP + i, CRASH_DIM, v);
            if (lk_gallery_add(g, "ann", photo, v, NULL, NULL) != LK_OK) _exit(1);
        }
        if (lk_gallery_commit(g, NULL) != LK_OK) _exit(1);
        uint64_t done = groups + 1;
        if (write(pipe_end, &done, sizeof done) != sizeof done) _exit(1);
        /* Removal, with its emptying of the log, is a moment to be killed at too. */
        if (lk_gallery_add(g, "guest", "1", v, NULL, NULL) != LK_OK) _exit(1);
        if (lk_gallery_remove(g, "guest", NULL, NULL) != LK_OK) _exit(1);
    }
}

static void no_finding(void *context, const char *finding) {
    (void)context;
    fail_msg("%s", finding);
}

static void check_groups(const char *path, uint64_t *groups) {
    lk_gallery *g = open_gallery(path, 0);
    lk_gallery_info info;
    OK(lk_gallery_check(g, no_finding, NULL, err)); /* vectors, references, the audit's chain */
    OK(lk_gallery_get_info(g, &info, err));
    size_t guests = info.people == 2 ? 1 : 0; /* killed between enrolling and removing */
    assert_true(info.people <= 2);
    if (guests) OK(lk_gallery_remove(g, "guest", NULL, err));
    size_t photos = info.photos - guests;
    assert_int_equal(photos % GROUP, 0);
    float v[CRASH_DIM];
    for (uint64_t i = 0; i < photos; i += 3) { /* every one with its own vector */
        lk_matches m;
        char photo[64];
        snprintf(photo, sizeof photo, "%llu", (unsigned long long)i);
        unit_vector(1, i, CRASH_DIM, v);
        OK(lk_gallery_search(g, v, 1, &m, err));
        assert_string_equal(m.items[0].photo, photo);
        lk_matches_free(&m);
    }
    lk_gallery_close(g);
    *groups = photos / GROUP;
}

static void test_killed(void **state) {
    (void)state;
    const char *path = in_folder("killed.gallery");
    lk_gallery_close(new_gallery(path, CRASH_DIM));
    lk__random r = lk__random_stream((uint64_t)time(NULL), 0, 0, 0);
    uint64_t before = 0, in_middle = 0;
    const char *more = getenv("LK_DURABLE_ROUNDS");
    for (int round = 0, rounds = more ? atoi(more) : KILLS; round < rounds; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(ends[0]);
            write_until_killed(path, ends[1]);
        }
        close(ends[1]);
        /* At least one group, so that the child is under way; then some moment more. */
        uint64_t told = before, done = 0;
        assert_int_equal(read(ends[0], &told, sizeof told), sizeof told);
        struct timespec pause = {0, (long)lk__random_below(&r, 30000000)};
        nanosleep(&pause, NULL);
        kill(child, SIGKILL);
        while (read(ends[0], &done, sizeof done) == sizeof done) told = done;
        close(ends[0]);
        int code = 0;
        assert_int_equal(waitpid(child, &code, 0), child);
        assert_true(WIFSIGNALED(code)); /* it did not give up by itself */
        uint64_t groups = 0;
        check_integrity(path);
        check_groups(path, &groups);
        /* Told of: there. One more may have been committed that it did not come to tell of. */
        assert_true(groups == told || groups == told + 1);
        assert_true(groups > before);
        in_middle += groups == told;
        before = groups;
    }
    assert_true(in_middle > 0);
    remove_gallery(path);
}

/* ---- out of disk ---------------------------------------------------------------------------------- */

static void limit_files(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == 0 ? limit.rlim_max : bytes;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static lk_status add_quietly(lk_gallery *g, uint64_t number, lk_error *err) {
    float v[CRASH_DIM];
    char photo[32];
    unit_vector(1, number, CRASH_DIM, v);
    snprintf(photo, sizeof photo, "%llu", (unsigned long long)number);
    return lk_gallery_add(g, "ann", photo, v, NULL, err);
}

static bool found(lk_gallery *g, uint64_t number) {
    float v[CRASH_DIM];
    lk_matches m;
    unit_vector(1, number, CRASH_DIM, v);
    OK(lk_gallery_search(g, v, 1, &m, err));
    bool it_is = m.count > 0 && m.items[0].cosine > 0.999f;
    lk_matches_free(&m);
    return it_is;
}

static void test_create_on_full_disk(void **state) {
    (void)state;
    SQLITE_ONLY();
    const char *path = in_folder("full.gallery");
    lk_vector_kind kind = kind_of(CRASH_DIM);
    int failures = 0;
    for (rlim_t limit = 1; limit < 100000; limit += 3000) {
        lk_gallery *g = NULL;
        lk_error e = {LK_OK, ""};
        limit_files(limit);
        lk_status status = lk_gallery_create(path, &kind, &g, &e);
        limit_files(0);
        if (status != LK_OK) {
            failures++;
            assert_int_equal(status, LK_IO);
            assert_non_null(strstr(e.message, path));
            assert_int_equal(access(path, F_OK), -1); /* it can be made later, under its own name */
        }
        lk_gallery_close(g);
        remove_gallery(path);
    }
    assert_in_range(failures, 1, 32);
}

/* One by one until it fails: what was said to be in is in. */
static void fill_one_by_one(lk_gallery *g, rlim_t limit, size_t *enrolled) {
    lk_error e = {LK_OK, ""};
    lk_status status = LK_OK;
    limit_files(limit);
    for (int i = 0; i < 400 && status == LK_OK; i++) {
        status = add_quietly(g, 1000 + *enrolled, &e);
        if (status == LK_OK) ++*enrolled;
    }
    limit_files(0);
    if (status != LK_OK && status != LK_IO) fail_msg("%d %s", status, e.message);
    if (limit < 10000) assert_int_equal(status, LK_IO);
    if (status != LK_OK) assert_non_null(strstr(e.message, g->path));
    check_counts(g, 1, *enrolled);
}

/* Many as one: nothing of it. True if SQLite undid the transaction before we did. */
static bool fill_as_one(lk_gallery *g, rlim_t limit, size_t enrolled) {
    limit_files(limit);
    lk_status status = lk_gallery_begin(g, NULL);
    bool begun = status == LK_OK;
    for (uint64_t i = 0; i < 3000 && status == LK_OK; i++) {
        status = add_quietly(g, 100000 + i, NULL);
        if (i == 0 && status == LK_OK) assert_false(found(g, 100000)); /* not committed: not found */
    }
    bool undone = begun && sqlite3_get_autocommit(sqlite_of(g));
    if (undone) { /* it is over, and nothing of it is found */
        assert_false(found(g, 100000));
        FAILS(LK_IO, "whole transaction", add_quietly(g, 7, err));
    }
    if (status == LK_OK)
        status = lk_gallery_commit(g, NULL);
    else
        lk_gallery_rollback(g);
    limit_files(0);
    assert_int_equal(status, LK_IO);
    check_counts(g, 1, enrolled);
    return undone;
}

static void test_full_disk(void **state) {
    (void)state;
    SQLITE_ONLY();
    const char *path = in_folder("full.gallery");
    lk_gallery *g = new_gallery(path, CRASH_DIM);
    /* So little cache that a transaction writes long before it is committed. */
    assert_int_equal(sqlite3_exec(sqlite_of(g), "PRAGMA cache_size = 10", NULL, NULL, NULL), SQLITE_OK);
    size_t enrolled = 20, undone = 0;
    for (uint64_t i = 0; i < enrolled; i++) OK(add_quietly(g, i, err));
    for (rlim_t limit = 1; limit < 200000; limit = limit * 2 + 5000) {
        fill_one_by_one(g, limit, &enrolled);
        undone += fill_as_one(g, limit, enrolled);
        OK(add_quietly(g, 2000000 + enrolled++, err)); /* with room again it goes on */
        check_counts(g, 1, enrolled);
    }
    assert_true(undone > 0);
    lk_gallery_close(g);
    check_integrity(path);
    g = open_gallery(path, 0);
    check_counts(g, 1, enrolled);
    lk_gallery_close(g);
    remove_gallery(path);
}

/* ---- two at once ----------------------------------------------------------------------------------- */

static void test_two_writers(void **state) {
    (void)state;
    enum { WRITERS = 2, PHOTOS = 60 };
    const char *path = in_folder("two.gallery");
    lk_gallery_close(new_gallery(path, CRASH_DIM));
    pid_t children[WRITERS];
    for (int w = 0; w < WRITERS; w++) {
        children[w] = fork();
        assert_true(children[w] >= 0);
        if (children[w] > 0) continue;
        lk_gallery *g = NULL;
        if (lk_gallery_open(path, 0, &g, NULL) != LK_OK) _exit(1);
        for (uint64_t i = 0; i < PHOTOS; i++) {
            float v[CRASH_DIM];
            char person[16], photo[16];
            snprintf(person, sizeof person, "w%d", w);
            snprintf(photo, sizeof photo, "%d", (int)i);
            unit_vector((uint64_t)w, i, CRASH_DIM, v);
            if (lk_gallery_add(g, i % 10 ? person : "both", i % 10 ? photo : person, v, NULL, NULL) != LK_OK)
                _exit(2);
            if (i % 20 == 5 && (lk_gallery_add(g, "guest", person, v, NULL, NULL) != LK_OK)) _exit(3);
        }
        lk_gallery_close(g);
        _exit(0);
    }
    for (int w = 0; w < WRITERS; w++) {
        int code = 0;
        assert_int_equal(waitpid(children[w], &code, 0), children[w]);
        assert_true(WIFEXITED(code));
        assert_int_equal(WEXITSTATUS(code), 0);
    }
    check_integrity(path);
    lk_gallery *g = open_gallery(path, 0);
    check_counts(g, WRITERS + 2, WRITERS * (PHOTOS * 9 / 10 + 1 + 1));
    lk_gallery_close(g);
    remove_gallery(path);
}

/* One who never lets go: told after some seconds, and all is well once it does. */
static void test_busy(void **state) {
    (void)state;
    const char *path = in_folder("busy.gallery");
    lk_gallery *g = new_gallery(path, CRASH_DIM), *other = open_gallery(path, 0);
    OK(lk_gallery_begin(other, err));
    OK(add_quietly(other, 1, err));
    double start = lk__seconds();
    FAILS(LK_BUSY, path, add_quietly(g, 2, err));
    assert_true(lk__seconds() - start > 0.9 * LK__BUSY_MS / 1000);
    check_counts(g, 0, 0); /* reading goes on meanwhile */
    OK(lk_gallery_commit(other, err));
    OK(add_quietly(g, 2, err));
    check_counts(other, 1, 2);
    lk_gallery_close(other);
    lk_gallery_close(g);
    remove_gallery(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed),    cmocka_unit_test(test_create_on_full_disk),
        cmocka_unit_test(test_full_disk), cmocka_unit_test(test_two_writers),
        cmocka_unit_test(test_busy),      cmocka_unit_test(test_nothing_left),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
