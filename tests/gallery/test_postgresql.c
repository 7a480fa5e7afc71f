/* test_postgresql.c: what the store on PostgreSQL has of its own: addresses and their passwords, rights, TLS,
 * a server that goes and comes, writers and readers at once. Without a server (on_postgresql.sh starts one)
 * only the addresses are tried. */
#include "gallery/gallery_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { DIM = 32 };
#define SERVER_ONLY()                                                                                        \
    do {                                                                                                     \
        if (!on_pg()) skip();                                                                                \
    } while (0)

static lk_status add_quietly(lk_gallery *g, const char *person, uint64_t number, lk_error *err) {
    float v[DIM];
    char photo[32];
    unit_vector(1, number, DIM, v);
    snprintf(photo, sizeof photo, "%llu", (unsigned long long)number);
    return lk_gallery_add(g, person, photo, v, NULL, err);
}

static bool found(lk_gallery *g, uint64_t number) {
    float v[DIM];
    lk_matches m;
    unit_vector(1, number, DIM, v);
    OK(lk_gallery_search(g, v, 1, &m, err));
    bool it_is = m.count > 0 && m.items[0].cosine > 0.999f;
    lk_matches_free(&m);
    return it_is;
}

/* ---- addresses ------------------------------------------------------------------------------------- */

static void test_addresses(void **state) {
    (void)state;
    static const struct {
        const char *address, *uri, *name, *schema;
        lk__pg_search search;
        int ef_search;
    } good[] = {
        {"postgresql://", "postgresql://", "postgresql://", "likeness", LK__PG_MEMORY, 100},
        {"postgres://h/d?gallery=a_1", "postgres://h/d", "postgres://h/d?gallery=a_1", "likeness_a_1",
         LK__PG_MEMORY, 100},
        {"postgresql://u:s3cret@h:5/d?sslmode=require&search=hnsw&ef_search=7",
         "postgresql://u:s3cret@h:5/d?sslmode=require",
         "postgresql://u@h:5/d?sslmode=require&search=hnsw&ef_search=7", "likeness", LK__PG_HNSW, 7},
        {"postgresql:///d?host=/s&search=exact&password=s3cret&port=1",
         "postgresql:///d?host=/s&password=s3cret&port=1", "postgresql:///d?host=/s&search=exact&port=1",
         "likeness", LK__PG_EXACT, 100},
        {"postgresql://u:s3cret%40@a,b:1/d", "postgresql://u:s3cret%40@a,b:1/d", "postgresql://u@a,b:1/d",
         "likeness", LK__PG_MEMORY, 100},
        {"postgresql://[::1]:5432/d", "postgresql://[::1]:5432/d", "postgresql://[::1]:5432/d", "likeness",
         LK__PG_MEMORY, 100},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        lk__pg_address a;
        assert_true(lk__pg_is_address(good[i].address));
        OK(lk__pg_address_read(good[i].address, &a, err));
        assert_string_equal(a.uri, good[i].uri);
        assert_string_equal(a.name, good[i].name);
        assert_string_equal(a.schema, good[i].schema);
        assert_int_equal(a.search, good[i].search);
        assert_int_equal(a.ef_search, good[i].ef_search);
        lk__pg_address_free(&a);
    }
    assert_false(lk__pg_is_address("postgresql.gallery"));
    assert_false(lk__pg_is_address("/postgresql://"));
}

/* Whatever is wrong with an address, its password is in no message. */
static void test_bad_addresses(void **state) {
    (void)state;
    static const struct {
        const char *address, *hint;
    } bad[] = {
        {"postgresql://u:s3cret@h/d?gallery=", "gallery="},
        {"postgresql://u:s3cret@h/d?gallery=A", "gallery="},
        {"postgresql://u:s3cret@h/d?gallery=a;b", "gallery="},
        {"postgresql://u:s3cret@h/d?gallery=aaaaaaaaaabbbbbbbbbbccccccccccdddddddddde", "gallery="},
        {"postgresql://u:s3cret@h/d?search=", "search="},
        {"postgresql://u:s3cret@h/d?search=fast", "memory, exact, hnsw"},
        {"postgresql://u:s3cret@h/d?search=hnsw&ef_search=0", "1 to 1000"},
        {"postgresql://u:s3cret@h/d?ef_search=1001", "1 to 1000"},
        {"postgresql://u:s3cret@h/d?ef_search=9x", "1 to 1000"},
        {"postgresql://u:s3cret@h/d?colour=red", "colour"},
        {"postgresql://u:s3cret@h/d?password=s3cret&x", "x"},
        {"postgresql://u:s3cret@[h/d", "["},
        {"postgresql://u:s3c/ret@h/d", "u@h"},
        {"postgresql://u:s3c?ret@h/d", "u@h"},
        {"postgresql://u:s3c%ret@h/d", "%XX"},
        {"postgresql://u:s3cret@x@h:y/d", "u@h"},
    };
    const lk_vector_kind kind = kind_of(DIM);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lk_gallery *g = NULL;
        lk_error e = {LK_OK, ""};
        lk_status status = lk_gallery_open(bad[i].address, 0, &g, &e);
        /* One that libpq takes as it is written cannot be reached. */
        if (status != LK_INVALID && status != LK_IO) fail_msg("%s: %d %s", bad[i].address, status, e.message);
        if (!strstr(e.message, bad[i].hint) || strstr(e.message, "s3c") || strstr(e.message, "ret@"))
            fail_msg("%s: %s", bad[i].address, e.message);
        if (status == LK_INVALID)
            FAILS(LK_INVALID, bad[i].hint, lk_gallery_create(bad[i].address, &kind, &g, err));
        assert_null(g);
    }
}

static void test_nobody_there(void **state) {
    (void)state;
    lk_gallery *g = NULL;
    char address[600];
    snprintf(address, sizeof address, "postgresql://u:s3cret@/d?host=%s", folder);
    FAILS(LK_IO, "cannot connect", lk_gallery_open(address, 0, &g, err));
    lk_error e;
    lk_gallery_open(address, 0, &g, &e);
    assert_null(strstr(e.message, "s3cret"));
}

/* ---- galleries of one database ----------------------------------------------------------------------- */

static void test_galleries(void **state) {
    (void)state;
    SERVER_ONLY();
    const char *one = in_folder("one.gallery"), *two = in_folder("two.gallery");
    lk_vector_kind kind = kind_of(DIM);
    lk_gallery *g = NULL, *a = new_gallery(one, DIM), *b = new_gallery(two, DIM);
    FAILS(LK_INVALID, "exists already", lk_gallery_create(one, &kind, &g, err));
    FAILS(LK_NOT_FOUND, "likeness_three", lk_gallery_open(in_folder("three.gallery"), 0, &g, err));
    char nowhere[600];
    snprintf(nowhere, sizeof nowhere, "postgresql://owner@/nowhere%s", strchr(one, '?'));
    FAILS(LK_NOT_FOUND, "database \"nowhere\" does not exist", lk_gallery_open(nowhere, 0, &g, err));
    OK(add_quietly(a, "ann", 1, err));
    OK(add_quietly(b, "bob", 2, err));
    assert_true(found(a, 1) && !found(a, 2) && found(b, 2) && !found(b, 1));
    check_counts(a, 1, 1);
    lk_gallery_close(a);
    lk_gallery_close(b);

    /* An empty schema made beforehand is for who may not make schemas; one with tables is not ours. */
    remove_gallery(one);
    pg_sql("CREATE SCHEMA likeness_one");
    a = new_gallery(one, DIM);
    lk_gallery_close(a);
    remove_gallery(one);
    pg_sql("CREATE SCHEMA likeness_one; CREATE TABLE likeness_one.photos (x int)");
    FAILS(LK_INVALID, "tables of others", lk_gallery_create(one, &kind, &g, err));
    FAILS(LK_NOT_FOUND, "no such gallery", lk_gallery_open(one, 0, &g, err));
    remove_gallery(one);

    if (pg_sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'") == 0) {
        char address[600];
        snprintf(address, sizeof address, "%s&search=exact", one);
        FAILS(LK_INVALID, "needs pgvector", lk_gallery_create(address, &kind, &g, err));
        snprintf(address, sizeof address, "%s&search=hnsw", two);
        FAILS(LK_INVALID, "made without pgvector", lk_gallery_open(address, 0, &g, err));
    }

    pg_sql_in(two, "UPDATE info SET version = 2");
    FAILS(LK_FORMAT, "newer", lk_gallery_open(two, 0, &g, err));
    pg_sql_in(two, "UPDATE info SET version = 1, dim = 0");
    FAILS(LK_FORMAT, "description", lk_gallery_open(two, 0, &g, err));
    pg_sql_in(two, "DROP TABLE photos CASCADE");
    FAILS(LK_FORMAT, "not those of a gallery", lk_gallery_open(two, 0, &g, err));
    remove_gallery(two);
}

/* Names longer than a B-tree takes, and a photo that replaces one of them. */
static void test_long_names(void **state) {
    (void)state;
    SERVER_ONLY();
    const char *path = in_folder("long.gallery");
    char name[LK__PHOTO_BYTES + 1];
    float v[DIM];
    lk_gallery *g = new_gallery(path, DIM);
    lk__random r = lk__random_stream(1, 2, 3, 4);
    for (int i = 0; i < LK__PHOTO_BYTES; i++) name[i] = (char)('!' + lk__random_below(&r, 90));
    name[LK__PHOTO_BYTES] = 0;
    unit_vector(1, 1, DIM, v);
    OK(lk_gallery_add(g, "ann", name, v, NULL, err));
    OK(lk_gallery_add(g, "ann", name, v, NULL, err));
    check_counts(g, 1, 1);
    lk_gallery_close(g);
    remove_gallery(path);
}

typedef struct told {
    char text[1000];
} told;

static void tell(void *context, const char *finding) {
    told *t = context;
    strncat(t->text, finding, sizeof t->text - strlen(t->text) - 1);
}

/* Behind the back of the triggers. */
static void test_check(void **state) {
    (void)state;
    SERVER_ONLY();
    static const char *const bad[][2] = {
        {"DELETE FROM photos WHERE id = 2", "photos: 2 rows, and state says 3"},
        {"DELETE FROM people WHERE id = 1", "belongs to nobody"},
        {"UPDATE photos SET name = '1' WHERE id = 2", "2 photos of one name"},
        {"INSERT INTO crops VALUES (77, '')", "crop of photo 77"},
        {"UPDATE photos SET id = 99 WHERE id = 3", "above the last id"},
        {"INSERT INTO removed VALUES (5, 1)", "told of as removed"},
        {"UPDATE photos SET vector = '' WHERE id = 1", "photo 1 has a vector of the wrong size"},
    };
    const char *path = in_folder("check.gallery");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lk_gallery *g = new_gallery(path, DIM);
        for (uint64_t n = 1; n <= 3; n++) OK(add_quietly(g, "ann", n, err));
        told t = {""};
        OK(lk_gallery_check(g, tell, &t, err));
        assert_string_equal(t.text, "");
        char text[200];
        snprintf(text, sizeof text, "SET session_replication_role = replica; %s", bad[i][0]);
        pg_sql_in(path, text);
        OK(lk_gallery_check(g, tell, &t, err));
        if (!strstr(t.text, bad[i][1])) fail_msg("%s: %s", bad[i][0], t.text);
        FAILS(LK_INVALID, "pg_dump", lk_gallery_backup(g, "x", err));
        lk_gallery_close(g);
        remove_gallery(path);
    }
}

/* What an administrator does by hand counts: it is numbered, counted and seen. */
static void test_by_hand(void **state) {
    (void)state;
    SERVER_ONLY();
    const char *path = in_folder("hand.gallery");
    lk_gallery *g = new_gallery(path, DIM);
    for (uint64_t i = 0; i < 6; i++) OK(add_quietly(g, i < 4 ? "ann" : "bob", i, err));
    assert_true(found(g, 3));
    pg_sql_in(path, "DELETE FROM photos WHERE id IN (3, 4)");
    assert_true(found(g, 1) && !found(g, 2) && !found(g, 3));
    check_counts(g, 2, 4);
    pg_sql_in(path, "DELETE FROM photos WHERE person_id = 1; DELETE FROM people WHERE id = 1");
    assert_true(!found(g, 1) && found(g, 5));
    check_counts(g, 1, 2);
    assert_int_equal(pg_sql_in(path, "SELECT count(*) FROM removed"), 4);
    pg_refuses(path, "UPDATE photos SET person_id = 2, vector = ''", "never changes");
    pg_refuses(path, "TRUNCATE photos CASCADE", "delete the rows");
    OK(add_quietly(g, "cyd", 9, err));
    assert_true(found(g, 9));
    lk_gallery_close(g);
    remove_gallery(path);
}

/* ---- who may ---------------------------------------------------------------------------------------- */

/* The address of a gallery as another user: everything after the user's name stays. */
static const char *as_user(const char *user, const char *address) {
    static char other[700];
    snprintf(other, sizeof other, "postgresql://%s%s", user, strchr(address, '@'));
    return other;
}

static void test_rights(void **state) {
    (void)state;
    SERVER_ONLY();
    const char *path = in_folder("rights.gallery");
    lk_gallery *g = new_gallery(path, DIM), *other = NULL;
    lk_vector_kind kind = kind_of(DIM);
    OK(add_quietly(g, "ann", 1, err));
    pg_sql("CREATE ROLE reader LOGIN; CREATE ROLE writer LOGIN; CREATE ROLE stranger LOGIN");
    pg_sql_in(path, "GRANT USAGE ON SCHEMA likeness_rights TO reader, writer;"
                    "GRANT SELECT ON ALL TABLES IN SCHEMA likeness_rights TO reader;"
                    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA likeness_rights TO writer");
    FAILS(LK_IO, "no permission for the schema",
          lk_gallery_open(as_user("stranger", path), LK_GALLERY_READ_ONLY, &other, err));
    FAILS(LK_IO, "no permission to write for the user reader",
          lk_gallery_open(as_user("reader", path), 0, &other, err));
    FAILS(LK_IO, "permission denied",
          lk_gallery_create(as_user("reader", in_folder("mine.gallery")), &kind, &other, err));
    other = open_gallery(as_user("reader", path), LK_GALLERY_READ_ONLY);
    assert_true(found(other, 1));
    FAILS(LK_INVALID, "reading only", add_quietly(other, "bob", 2, err));
    lk_gallery_close(other);
    other = open_gallery(as_user("writer", path), 0);
    OK(add_quietly(other, "bob", 2, err));
    OK(lk_gallery_remove(other, "bob", NULL, err));
    pg_sql("REVOKE INSERT ON likeness_rights.photos FROM writer"); /* while it is open */
    FAILS(LK_IO, "permission denied for table photos; its owner can GRANT it",
          add_quietly(other, "bob", 3, err));
    lk_gallery_close(other);
    pg_sql("GRANT INSERT ON likeness_rights.photos TO writer");
    pg_sql("ALTER ROLE writer SET default_transaction_read_only = on"); /* as all are on a standby */
    other = open_gallery(as_user("writer", path), 0);
    FAILS(LK_IO, "the server only reads", add_quietly(other, "bob", 4, err));
    assert_true(found(other, 1));
    lk_gallery_close(other);
    lk_gallery_close(g);
    remove_gallery(path);
    pg_sql("DROP ROLE reader; DROP ROLE writer; DROP ROLE stranger");
}

/* From the address, the environment and a password file, as libpq has it; and told to nobody. */
static void test_passwords(void **state) {
    (void)state;
    SERVER_ONLY();
    const char *path = in_folder("passwords.gallery"), *file = NULL;
    char name[400];
    lk_gallery_close(new_gallery(path, DIM));
    pg_sql("CREATE ROLE locked LOGIN SUPERUSER PASSWORD 's3cret'");
    lk_gallery *g = NULL;
    lk_error e;
    const char *const wrong[] = {"locked", "locked:b4d", "locked:b4d%20"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(lk_gallery_open(as_user(wrong[i], path), 0, &g, &e), LK_IO);
        if (!strstr(e.message, "password") || strstr(e.message, "b4d")) fail_msg("%s", e.message);
    }
    g = open_gallery(as_user("locked:s3cret", path), 0);
    assert_null(strstr(g->path, "s3cret"));
    lk_gallery_close(g);
    setenv("PGPASSWORD", "s3cret", 1);
    lk_gallery_close(open_gallery(as_user("locked", path), 0));
    unsetenv("PGPASSWORD");
    snprintf(name, sizeof name, "%s/pgpass", folder);
    file = name;
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fputs("*:*:*:locked:s3cret\n", f);
    fclose(f);
    chmod(file, 0600);
    setenv("PGPASSFILE", file, 1);
    lk_gallery_close(open_gallery(as_user("locked", path), 0));
    unsetenv("PGPASSFILE");
    unlink(file);
    remove_gallery(path);
    pg_sql("DROP ROLE locked");
}

static void test_tls(void **state) {
    (void)state;
    SERVER_ONLY();
    const char *path = in_folder("tls.gallery"), *certificate = getenv("LIKENESS_TEST_PG_CERTIFICATE");
    char address[700], other[512];
    lk_gallery *g = NULL;
    if (!certificate) skip();
    lk_gallery_close(new_gallery(path, DIM));
    const char *to = getenv("LIKENESS_TEST_PG_TLS");
#define BY(mode, root)                                                                                       \
    (snprintf(address, sizeof address, "postgresql://owner@/postgres?%s&sslmode=%s%s%s&gallery=tls", to,     \
              mode, *root ? "&sslrootcert=" : "", root),                                                     \
     address)
    FAILS(LK_IO, "no encryption", lk_gallery_open(BY("disable", ""), 0, &g, err));
    FAILS(LK_IO, "certificate verify failed",
          lk_gallery_open(BY("verify-full", "/etc/ssl/certs/ca-certificates.crt"), 0, &g, err));
    const char *const modes[] = {"require", "verify-ca", "verify-full"};
    for (size_t i = 0; i < 3; i++) {
        g = open_gallery(BY(modes[i], certificate), 0);
        assert_int_equal(pg_sql("SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
                                "WHERE ssl AND application_name = 'likeness'"),
                         1);
        assert_false(found(g, 1));
        lk_gallery_close(g);
    }
    /* The right certificate of another host. */
    snprintf(other, sizeof other, "host=other&hostaddr=127.0.0.1%s", strstr(to, "&port="));
    to = other;
    FAILS(LK_IO, "does not match host name \"other\"",
          lk_gallery_open(BY("verify-full", certificate), 0, &g, err));
    remove_gallery(path);
}

/* ---- a server that goes ------------------------------------------------------------------------------ */

/* Every session of the library but the test's own is ended, as by an administrator. */
static void end_sessions(void) {
    pg_sql("SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = "
           "'likeness'");
}

static void test_lost_connection(void **state) {
    (void)state;
    SERVER_ONLY();
    const char *path = in_folder("lost.gallery");
    lk_gallery *g = new_gallery(path, DIM);
    OK(add_quietly(g, "ann", 1, err));
    assert_true(found(g, 1));
    end_sessions(); /* between transactions nobody need know */
    assert_true(found(g, 1));
    check_counts(g, 1, 1);
    end_sessions();
    OK(add_quietly(g, "ann", 2, err));
    OK(lk_gallery_begin(g, err));
    OK(add_quietly(g, "ann", 3, err));
    end_sessions();
    FAILS(LK_IO, "nothing of the open transaction was kept", add_quietly(g, "ann", 4, err));
    FAILS(LK_IO, "whole transaction", add_quietly(g, "ann", 5, err));
    FAILS(LK_IO, "whole transaction", lk_gallery_commit(g, err));
    check_counts(g, 1, 2);
    OK(add_quietly(g, "ann", 6, err)); /* and it goes on */
    assert_true(found(g, 6) && !found(g, 3));
    OK(lk_gallery_begin(g, err));
    OK(add_quietly(g, "ann", 7, err));
    end_sessions();
    FAILS(LK_IO, "", lk_gallery_commit(g, err));
    check_counts(g, 1, 3);
    lk_gallery_close(g);
    remove_gallery(path);
}

static void control(const char *what) {
    char command[400];
    snprintf(command, sizeof command, "%s %s", getenv("LIKENESS_TEST_PG_CONTROL"), what);
    assert_int_equal(system(command), 0);
}

static void test_server_killed(void **state) {
    (void)state;
    SERVER_ONLY();
    const char *path = in_folder("killed.gallery");
    if (!getenv("LIKENESS_TEST_PG_CONTROL")) skip();
    lk_gallery *g = new_gallery(path, DIM), *writer = open_gallery(path, 0);
    for (uint64_t i = 0; i < 20; i++) OK(add_quietly(g, "ann", i, err));
    OK(lk_gallery_begin(writer, err));
    for (uint64_t i = 100; i < 110; i++) OK(add_quietly(writer, "bob", i, err));
    control("stop");
    lk_error e;
    float v[DIM];
    lk_matches m;
    unit_vector(1, 1, DIM, v);
    assert_int_equal(lk_gallery_search(g, v, 1, &m, &e), LK_IO);
    assert_non_null(strstr(e.message, "cannot connect"));
    FAILS(LK_IO, "cannot connect", add_quietly(g, "ann", 30, err));
    FAILS(LK_IO, "nothing of the open transaction was kept", add_quietly(writer, "bob", 120, err));
    control("start");
    for (uint64_t i = 0; i < 20; i++) assert_true(found(g, i));
    assert_true(!found(g, 100) && !found(g, 30));
    check_counts(g, 1, 20);
    lk_gallery_rollback(writer);
    OK(add_quietly(writer, "bob", 120, err));
    assert_true(found(g, 120));
    lk_gallery_close(writer);
    lk_gallery_close(g);
    remove_gallery(path);
}

/* In a child: when somebody has begun to commit, end the session. */
static pid_t end_while_committing(const char *event) {
    pid_t child = fork();
    if (child != 0) return child;
    char sql[400];
    snprintf(sql, sizeof sql,
             "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = "
             "'likeness' AND wait_event = '%s'",
             event);
    for (int i = 0; i < 400; i++) {
        if (pg_sql(sql) > 0) _exit(0);
        nanosleep(&(struct timespec){0, 20 * 1000 * 1000}, NULL);
    }
    _exit(1);
}

/* The answer to COMMIT is lost: the server is asked what became of it. */
static void test_lost_answer(void **state) {
    (void)state;
    SERVER_ONLY();
    const char *path = in_folder("answer.gallery");
    lk_gallery *g = new_gallery(path, DIM);
    int code = 0;
    OK(add_quietly(g, "ann", 1, err));
    /* It was not committed: a deferred trigger is at work. */
    pg_sql_in(path, "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(5); "
                    "RETURN NULL; END'; CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON photos DEFERRABLE "
                    "INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()");
    pid_t child = end_while_committing("PgSleep");
    FAILS(LK_IO, "nothing of the change was kept", add_quietly(g, "ann", 2, err));
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(code, 0);
    assert_false(found(g, 2));
    pg_sql_in(path, "DROP TRIGGER slow ON photos");
    /* It was committed: the server waits for a standby that is none. */
    pg_sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    pg_sql("SELECT pg_reload_conf()");
    nanosleep(&(struct timespec){0, 300000000}, NULL);
    child = end_while_committing("SyncRep");
    OK(add_quietly(g, "ann", 3, err));
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(code, 0);
    pg_sql("ALTER SYSTEM RESET synchronous_standby_names"); /* which itself waits for nobody */
    pg_sql("SELECT pg_reload_conf()");
    nanosleep(&(struct timespec){0, 300000000}, NULL);
    assert_true(found(g, 3));
    check_counts(g, 1, 2);
    lk_gallery_close(g);
    remove_gallery(path);
}

/* ---- many at once ------------------------------------------------------------------------------------ */

enum { WRITERS = 3, READERS = 3, ROUNDS = 40 };

/* Enrolls, replaces and removes; at the end its photos 0, 10, 20, 30 are there. */
static int write_rounds(const char *path, uint64_t writer) {
    lk_gallery *g = NULL;
    char person[16];
    if (lk_gallery_open(path, 0, &g, NULL) != LK_OK) return 1;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        snprintf(person, sizeof person, "w%d-%d", (int)writer, (int)i);
        uint64_t number = 1000 * (writer + 1) + i;
        if (add_quietly(g, person, number, NULL) != LK_OK) return 2;
        if (i % 4 == 1 && add_quietly(g, person, number, NULL) != LK_OK) return 3;
        if (i % 10 && lk_gallery_remove(g, person, NULL, NULL) != LK_OK) return 4;
        if (i % 10 == 0 && !found(g, number)) return 5;
    }
    lk_gallery_close(g);
    return 0;
}

/* What was there before stays found all the time, and what is found has a name. */
static int read_rounds(const char *path, int stop) {
    lk_gallery *g = NULL;
    lk_matches m;
    char end;
    float v[DIM];
    if (lk_gallery_open(path, LK_GALLERY_READ_ONLY, &g, NULL) != LK_OK) return 1;
    for (uint64_t i = 0; read(stop, &end, 1) < 0; i++) { /* it does not block; 0 when the writers are done */
        unit_vector(1, i % 20, DIM, v);
        if (lk_gallery_search(g, v, 50, &m, NULL) != LK_OK) return 2;
        if (m.count < 20 || m.items[0].cosine < 0.999f || strcmp(m.items[0].person, "there") != 0) return 3;
        lk_matches_free(&m);
    }
    for (uint64_t w = 0; w < WRITERS; w++)
        for (uint64_t i = 0; i < ROUNDS; i++)
            if (found(g, 1000 * (w + 1) + i) != (i % 10 == 0)) return 4;
    lk_gallery_close(g);
    return 0;
}

static void expect_well(const pid_t *children, int count) {
    for (int i = 0; i < count; i++) {
        int code = 0;
        assert_int_equal(waitpid(children[i], &code, 0), children[i]);
        assert_int_equal(code, 0);
    }
}

static int count_faults(void *context, const lk_audit_row *row) {
    if (row->fault) ++*(int *)context;
    return 0;
}

static void test_many_at_once(void **state) {
    (void)state;
    SERVER_ONLY();
    const char *path = in_folder("many.gallery");
    lk_gallery *g = new_gallery(path, DIM);
    for (uint64_t i = 0; i < 20; i++) OK(add_quietly(g, "there", i, err));
    pid_t writers[WRITERS], readers[READERS];
    int ends[2], faults = 0;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    for (uint64_t i = 0; i < READERS; i++)
        if ((readers[i] = fork()) == 0) {
            close(ends[1]);
            _exit(read_rounds(path, ends[0]));
        }
    for (uint64_t i = 0; i < WRITERS; i++)
        if ((writers[i] = fork()) == 0) {
            close(ends[1]);
            _exit(write_rounds(path, i));
        }
    expect_well(writers, WRITERS);
    close(ends[1]);
    expect_well(readers, READERS);
    close(ends[0]);
    check_counts(g, 1 + WRITERS * ROUNDS / 10, 20 + WRITERS * ROUNDS / 10);
    OK(lk_gallery_each_audit(g, NULL, count_faults, &faults, err));
    assert_int_equal(faults, 0);
    lk_gallery_close(g);
    remove_gallery(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),       cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_nobody_there),    cmocka_unit_test(test_galleries),
        cmocka_unit_test(test_long_names),      cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_check),           cmocka_unit_test(test_rights),
        cmocka_unit_test(test_passwords),       cmocka_unit_test(test_tls),
        cmocka_unit_test(test_lost_connection), cmocka_unit_test(test_server_killed),
        cmocka_unit_test(test_lost_answer),     cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_nothing_left),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
