/* test_audit.c: everything is told of, nothing told can be changed unseen, and no name outlives its person.
 */
#include "gallery/gallery_test.h"

typedef struct told {
    char actions[600], people[600], faults[2000]; /* each row's, with a space after */
    char head[65], last_details[600];
    size_t rows, fault_count;
    int64_t fault_at; /* row of the first */
} told;

static int tell(void *context, const lk_audit_row *row) {
    told *t = context;
    if (row->fault) {
        if (!t->fault_count++) t->fault_at = row->number;
        strncat(t->faults, row->fault, 100);
        strcat(t->faults, "; ");
    }
    if (!row->time) return 0; /* a fault without a row */
    t->rows++;
    assert_int_equal(strlen(row->time), 24);
    assert_true(strlen(row->who) > 0);
    assert_int_equal(strlen(row->hash), 64);
    strcpy(t->head, row->hash);
    strcat(t->actions, row->action);
    strcat(t->actions, " ");
    strcat(t->people, row->person ? row->person : "-");
    strcat(t->people, " ");
    snprintf(t->last_details, sizeof t->last_details, "%s", row->details ? row->details : "");
    return 0;
}

static told read_audit(const lk_gallery *g, const char *head) {
    told t = {.rows = 0};
    OK(lk_gallery_each_audit(g, head, tell, &t, err));
    return t;
}

static void sql(const char *path, const char *text) {
    if (on_pg()) {
        pg_sql_in(path, text);
        return;
    }
    sqlite3 *db = NULL;
    char *why = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(lk__sqlite_sum_register(db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK) fail_msg("%s: %s", text, why);
    sqlite3_close(db);
}

static void test_changes_are_told(void **state) {
    (void)state;
    const char *path = in_folder("audit.gallery");
    lk_gallery *g = new_gallery(path, 8);
    lk_gallery_info info;
    add_number(g, "ann", 1);
    add_number(g, "ann", 2);
    add_number(g, "ann", 1); /* replaced */
    add_number(g, "bob", 3);
    OK(lk_gallery_rename(g, "bob", "rob", err));
    OK(lk_gallery_set_who(g, "the clerk", err));
    FAILS(LK_INVALID, "who acts", lk_gallery_set_who(g, "", err));
    OK(lk_gallery_move_photo(g, 2, "rob", NULL, err));
    FAILS(LK_NOT_FOUND, "zoe",
          lk_gallery_remove(g, "zoe", NULL, err)); /* nothing was done: nothing is told */
    OK(lk_gallery_begin(g, err));
    OK(lk_gallery_remove(g, "ann", NULL, err));
    lk_gallery_rollback(g);
    OK(lk_gallery_remove(g, "ann", NULL, err));
    const told t = read_audit(g, NULL);
    assert_string_equal(t.actions,
                        "begin enroll enroll remove-photo enroll enroll rename enroll remove-photo "
                        "remove-photo remove ");
    assert_string_equal(t.people, "- - - - - rob rob rob - - - ");
    assert_string_equal(t.faults, "");
    OK(lk_gallery_get_info(g, &info, err));
    assert_int_equal(info.audit_rows, 11);
    assert_string_equal(info.audit_head, t.head);
    lk_gallery_close(g);
    g = open_gallery(path, LK_GALLERY_READ_ONLY); /* it can be verified without writing */
    assert_string_equal(read_audit(g, t.head).faults, "");
    lk_gallery_close(g);
    remove_gallery(path);
}

static void test_searches_are_told(void **state) {
    (void)state;
    const char *path = in_folder("searches.gallery");
    lk_gallery *g = new_gallery(path, 8);
    add_number(g, "ann", 1);
    float v[8];
    uint8_t probe[LK_PROBE_HASH_BYTES];
    lk_matches m;
    unit_vector(1, 1, 8, v);
    lk_probe_hash("abc", 3, probe);
    static const uint8_t abc[4] = {0xba, 0x78, 0x16, 0xbf}; /* FIPS 180-2 */
    assert_memory_equal(probe, abc, 4);
    OK(lk_gallery_search(g, v, 5, &m, err));
    assert_int_equal(m.items[0].person_id, 1);
    lk_gallery_event events[3] = {
        {.action = "identify", .probe = probe, .matches = &m, .threshold = 0.5, .known = true},
        {.action = "identify", .who = "somebody", .probe = probe, .threshold = (double)NAN},
        {.action = "export", .person = "ann", .details = "{\"photos\":1}"}};
    OK(lk_gallery_record(g, events, 3, err));
    told t = read_audit(g, NULL);
    assert_string_equal(t.actions, "begin enroll identify identify export ");
    assert_string_equal(t.people, "- ann - - ann ");
    assert_string_equal(t.last_details, "{\"photos\":1}");
    OK(lk_gallery_record(g, events, 1, err));
    t = read_audit(g, NULL);
    assert_string_equal(t.last_details, "{\"threshold\":0.500000,\"known\":true,\"matches\":[{\"photo\":1,"
                                        "\"person\":1,\"cosine\":1.000000}]}");
    events[1].action = "";
    FAILS(LK_INVALID, "action", lk_gallery_record(g, events, 3, err));
    events[1].action = "identify";
    events[2].person = "zoe";
    FAILS(LK_NOT_FOUND, "zoe", lk_gallery_record(g, events, 3, err)); /* all or none */
    t = read_audit(g, NULL);
    assert_int_equal(t.rows, 6);
    lk_gallery *r = open_gallery(path, LK_GALLERY_READ_ONLY);
    FAILS(LK_INVALID, "reading only", lk_gallery_record(r, events, 1, err));
    lk_gallery_close(r);
    lk_matches_free(&m);
    lk_gallery_close(g);
    remove_gallery(path);
}

/* As one who owns the gallery can: the triggers taken away, and put back. */
static void tamper(const char *path, const char *text) {
    char all[1200];
    if (on_pg())
        snprintf(all, sizeof all,
                 "CREATE FUNCTION zeroblob(n integer) RETURNS bytea LANGUAGE sql AS "
                 "'SELECT decode(repeat(''00'', n), ''hex'')'; SET session_replication_role = replica; %s",
                 text);
    else
        snprintf(all, sizeof all,
                 "DROP TRIGGER audit_kept; DROP TRIGGER audit_same; %s"
                 ";CREATE TRIGGER audit_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is "
                 "only added to'); END;"
                 "CREATE TRIGGER audit_same BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is "
                 "only added to'); END",
                 text);
    sql(path, all);
}

/* Whoever takes the triggers away and puts them back is found out, and where. */
static void test_tampering(void **state) {
    (void)state;
    const struct {
        const char *sql, *fault;
        int64_t at;
    } bad[] = {
        {"UPDATE audit SET who = 'x' WHERE number = 3", "changed", 3},
        {"UPDATE audit SET time = '2026-01-01T00:00:00.000Z' WHERE number = 3", "changed", 3},
        {"UPDATE audit SET person_id = 2 WHERE number = 3", "changed", 3},
        {"UPDATE audit SET details = '' WHERE number = 3", "changed", 3},
        {"UPDATE audit SET name = NULL WHERE number = 2", "changed", 2},
        {"UPDATE audit SET probe = zeroblob(32) WHERE number = 6", "changed", 6},
        {"UPDATE audit SET action = 'search' WHERE number = 6", "changed", 6},
        {"UPDATE audit SET hash = zeroblob(32) WHERE number = 3", "changed", 3},
        {"UPDATE audit SET number = 99 WHERE number = 3; UPDATE audit SET number = 3 WHERE number = 4;"
         "UPDATE audit SET number = 4 WHERE number = 99",
         "changed", 3}, /* two that changed places */
        {"DELETE FROM audit WHERE number = 3", "row 3 is missing", 3},
        {"DELETE FROM audit WHERE number IN (3, 4)", "rows 3 to 4 are missing", 3},
        {"DELETE FROM audit WHERE number = 1", "row 1 is missing", 1},
        {"DELETE FROM audit WHERE number >= 6", "the last ones, are missing", 6},
        {"DELETE FROM audit", "the last ones, are missing", 0},
        {"INSERT INTO audit SELECT 8, time, who, action, person_id, photo_id, name, probe, details, hash "
         "FROM audit WHERE number = 7",
         "changed", 8},
        {on_pg() ? "INSERT INTO photos (id, person_id, name, vector) VALUES (99, 1, 'n', zeroblob(32))"
                 : "INSERT INTO photos (person_id, name, added, crop_size, sum, vector_sum, vector) VALUES "
                   "(1, 'n', '', 0, "
                   "likeness_sum(5, 1, 'n', '', NULL, NULL, 0), 0, zeroblob(32))",
         "no row tells of it", 0},
        {"DELETE FROM photos WHERE id = 2", "no row tells of its removal", 3},
        {on_pg() ? "UPDATE people SET name = 'eve' WHERE name = 'ann'"
                 : "UPDATE people SET name = 'eve', sum = likeness_sum(id, 'eve', added, salt) WHERE name = "
                   "'ann'",
         "not called", 2},
        {on_pg() ? "UPDATE people SET salt = zeroblob(16) WHERE name = 'ann'"
                 : "UPDATE people SET salt = zeroblob(16), sum = likeness_sum(id, name, added, zeroblob(16)) "
                   "WHERE name = 'ann'",
         "not called", 2},
    };
    const char *path = in_folder("tampered.gallery");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const uint8_t probe[LK_PROBE_HASH_BYTES] = {1};
        const lk_gallery_event search = {.action = "identify", .probe = probe, .threshold = 0.5};
        lk_gallery *g = new_gallery(path, 8);
        for (uint64_t n = 1; n <= 4; n++) add_number(g, n < 4 ? "ann" : "bob", n);
        OK(lk_gallery_record(g, &search, 1, err));
        OK(lk_gallery_record(g, &search, 1, err));
        const told before = read_audit(g, NULL);
        assert_int_equal(before.rows, 7);
        assert_string_equal(before.faults, "");
        lk_gallery_close(g);
        tamper(path, bad[i].sql);
        g = open_gallery(path, 0);
        const told t = read_audit(g, NULL);
        if (!strstr(t.faults, bad[i].fault) || (bad[i].at && t.fault_at != bad[i].at))
            fail_msg("%s: %lld: %s", bad[i].sql, (long long)t.fault_at, t.faults);
        add_number(g, "cyd", 9); /* it goes on, and the fault stays where it is */
        const told later = read_audit(g, NULL);
        assert_true(later.fault_count >= 1);
        if (bad[i].at) assert_int_equal(later.fault_at, t.fault_at);
        lk_gallery_close(g);
        remove_gallery(path);
    }
}

/* The whole chain written anew fits itself; the head that was written down does not. */
static void test_head(void **state) {
    (void)state;
    const char *path = in_folder("head.gallery");
    lk_gallery *g = new_gallery(path, 8);
    add_number(g, "ann", 1);
    const told early = read_audit(g, NULL);
    add_number(g, "ann", 2);
    assert_string_equal(read_audit(g, early.head).faults, "");
    FAILS(LK_INVALID, "64 hex digits", lk_gallery_each_audit(g, "abc", tell, &(told){.rows = 0}, err));
    char other[65];
    memset(other, '0', 64);
    other[64] = 0;
    assert_non_null(strstr(read_audit(g, other).faults, "written down"));
    lk_gallery_close(g);
    remove_gallery(path);
}

static void test_triggers(void **state) {
    (void)state;
    const char *path = in_folder("kept.gallery");
    lk_gallery *g = new_gallery(path, 8);
    char *why = NULL;
    if (on_pg()) {
        add_number(g, "ann", 1);
        pg_refuses(path, "UPDATE audit SET who = 'x'", "the audit is only added to");
        pg_refuses(path, "DELETE FROM audit", "the audit is only added to");
        pg_refuses(path, "TRUNCATE audit", "the audit is only added to");
        lk_gallery_close(g);
        remove_gallery(path);
        return;
    }
    assert_int_equal(sqlite3_exec(sqlite_of(g), "UPDATE audit SET who = 'x'", NULL, NULL, &why),
                     SQLITE_CONSTRAINT_TRIGGER);
    assert_string_equal(why, "the audit is only added to");
    sqlite3_free(why);
    assert_int_equal(sqlite3_exec(sqlite_of(g), "DELETE FROM audit", NULL, NULL, NULL),
                     SQLITE_CONSTRAINT_TRIGGER);
    lk_gallery_close(g);
    remove_gallery(path);
}

static bool lies_in_audit(const char *path, const void *needle, size_t size) {
    size_t total = 0;
    uint8_t *bytes = slurp(path, &total);
    bool found = memmem(bytes, total, needle, size) != NULL;
    free(bytes);
    return found;
}

/* After removal neither name nor salt is left, and the chain still holds. */
static void test_forgotten(void **state) {
    (void)state;
    SQLITE_ONLY();
    const char *path = in_folder("forgotten.gallery");
    uint8_t salt[LK__SALT];
    int64_t id = 0;
    lk_gallery *g = new_gallery(path, 8);
    add_number(g, "Forget M. Entirely", 1);
    OK(lk_gallery_rename(g, "Forget M. Entirely", "Renamed Beyond", err));
    OK(g->store->ops->person(g->store, "Renamed Beyond", &id, salt, err));
    lk_gallery_close(g);
    assert_true(lies_in_audit(path, salt, sizeof salt));
    assert_false(lies_in_audit(path, "Forget M.", 9)); /* the old name went with the renaming */
    g = open_gallery(path, 0);
    OK(lk_gallery_remove(g, "Renamed Beyond", NULL, err));
    assert_string_equal(read_audit(g, NULL).faults, "");
    assert_false(lies_in_audit(path, salt, sizeof salt));
    assert_false(lies_in_audit(path, "Renamed", 7));
    lk_gallery_close(g);
    remove_gallery(path);
}

/* What a copy of the vectors outside the store relies on. */
static void test_moments(void **state) {
    (void)state;
    SQLITE_ONLY();
    const char *path = in_folder("moment.gallery"), *copy = in_folder("copy.gallery");
    lk_gallery *g = new_gallery(path, 8);
    lk__moment then = {.audit = 0};
    bool yes = true;
    OK(g->store->ops->passed(g->store, &then, &yes, err));
    assert_false(yes);
    add_number(g, "ann", 1);
    then.audit = 2;
    const told t = read_audit(g, NULL);
    for (int i = 0; i < LK__HASH; i++) sscanf(t.head + 2 * (size_t)i, "%2hhx", &then.hash[i]);
    char text[600];
    snprintf(text, sizeof text, "VACUUM INTO '%s'", copy);
    sql(path, text);
    add_number(g, "ann", 2);
    OK(g->store->ops->passed(g->store, &then, &yes, err));
    assert_true(yes);
    lk__moment later = then;
    later.audit = 3;
    const told u = read_audit(g, NULL);
    for (int i = 0; i < LK__HASH; i++) sscanf(u.head + 2 * (size_t)i, "%2hhx", &later.hash[i]);
    lk_gallery *c = open_gallery(copy, 0);
    add_number(c, "ann", 2); /* the same act, at another time */
    OK(c->store->ops->passed(c->store, &then, &yes, err));
    assert_true(yes);
    OK(c->store->ops->passed(c->store, &later, &yes, err));
    assert_false(yes);
    lk_gallery_close(c);
    lk_gallery_close(g);
    remove_gallery(path);
    remove_gallery(copy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes_are_told), cmocka_unit_test(test_searches_are_told),
        cmocka_unit_test(test_tampering),        cmocka_unit_test(test_head),
        cmocka_unit_test(test_triggers),         cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_moments),          cmocka_unit_test(test_nothing_left),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
