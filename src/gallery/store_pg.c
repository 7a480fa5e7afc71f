/* store_pg.c: the store on PostgreSQL: transactions and changes.
 *
 * Durability is the server's. Whoever begins locks the one row of state until the end, so writers of one
 * gallery go one after the other, and readers never wait. What is removed is dead for everybody at commit;
 * its bytes go when the server vacuums and recycles its log (docs/postgresql.md), which no client can force:
 * here alone the store promises less than store.h asks. */
#include "gallery/store_pg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- transactions ---------------------------------------------------------------------------------- */

static bool in_transaction(lk__store *store) {
    const lk__pg_link *link = &lk__pg_of(store)->link;
    return link->open && PQstatus(link->conn) == CONNECTION_OK;
}

static void rollback(lk__store *store) {
    lk__pg *s = lk__pg_of(store);
    if (!s->link.open) return;
    PGresult *r = PQexec(s->link.conn, "ROLLBACK");
    bool done = PQresultStatus(r) == PGRES_COMMAND_OK;
    PQclear(r);
    if (!done) lk__pg_disconnect(&s->link); /* which the server takes for the same */
    s->link.open = false;
}

static lk_status begin(lk__store *store, lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    PGresult *r = NULL;
    lk_status status =
        lk__pg_sql(s, &s->link, "BEGIN; SELECT last_photo, pg_current_xact_id()::text FROM state FOR UPDATE",
                   "write", &r, err);
    s->link.open = s->link.conn && PQtransactionStatus(s->link.conn) != PQTRANS_IDLE;
    if (status == LK_OK && PQntuples(r) != 1)
        status = lk__fail(err, LK_FORMAT, "%s: its table state is damaged", s->store.name);
    if (status == LK_OK) {
        s->pending = (lk__pg_pending){.last_photo = strtoll(PQgetvalue(r, 0, 0), NULL, 10)};
        snprintf(s->transaction, sizeof s->transaction, "%s", PQgetvalue(r, 0, 1));
    } else {
        rollback(store);
    }
    PQclear(r);
    return status;
}

/* The connection was lost while the server was to commit. It knows what became of it, if it comes back. */
static lk_status ask_what_became(lk__pg *s, lk_error *err) {
    char sql[80];
    lk_status status = LK_IO;
    snprintf(sql, sizeof sql, "SELECT pg_xact_status('%s'::xid8)", s->transaction);
    for (int waited = 0; waited < LK__BUSY_MS; waited += 250) {
        PGresult *r = NULL;
        status = lk__pg_sql(s, &s->link, sql, "write", &r, err);
        const char *became = status == LK_OK && PQntuples(r) == 1 ? PQgetvalue(r, 0, 0) : "unknown";
        bool committed = strcmp(became, "committed") == 0, aborted = strcmp(became, "aborted") == 0;
        PQclear(r);
        if (committed) return LK_OK;
        if (aborted)
            return lk__fail(err, LK_IO,
                            "%s: the server went away before it could commit: nothing of the change was "
                            "kept; run it again",
                            s->store.name);
        nanosleep(&(struct timespec){0, 250 * 1000 * 1000}, NULL);
    }
    return lk__fail(err, LK_IO,
                    "%s: the server went away while it committed: whether the last change was kept shows "
                    "when it is back",
                    s->store.name);
}

static lk_status commit(lk__store *store, lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    const lk__pg_pending *p = &s->pending;
    char sql[320];
    PGresult *r = NULL;
    snprintf(sql, sizeof sql,
             "UPDATE state SET last_photo = %lld, people = people + %lld, photos = photos + %lld, "
             "last_audit = greatest(last_audit, %lld); COMMIT",
             (long long)p->last_photo, (long long)p->people, (long long)p->photos, (long long)p->audit);
    lk_status status = lk__pg_sql(s, &s->link, sql, "commit", &r, err);
    PQclear(r);
    if (status != LK_OK && !s->link.conn) return ask_what_became(s, err);
    s->link.open = s->link.conn && PQtransactionStatus(s->link.conn) != PQTRANS_IDLE;
    return status;
}

static lk_status mark(lk__store *store, lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    s->marked = s->pending;
    return lk__pg_sql(s, &s->link, "SAVEPOINT change", "write", NULL, err);
}

static lk_status keep(lk__store *store, lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    return lk__pg_sql(s, &s->link, "RELEASE change", "write", NULL, err);
}

static void undo(lk__store *store) {
    lk__pg *s = lk__pg_of(store);
    s->pending = s->marked;
    lk__pg_sql(s, &s->link, "ROLLBACK TO change; RELEASE change", "write", NULL, NULL);
}

/* ---- changes --------------------------------------------------------------------------------------- */

static lk_status reserve(lk__store *store, size_t count, int64_t *first, lk_error *err) {
    (void)count, (void)err; /* nobody else writes until they are used */
    *first = lk__pg_of(store)->pending.last_photo + 1;
    return LK_OK;
}

enum { COLUMNS = 9, MOST_ROWS = 256, MOST_BYTES = 16 << 20 }; /* of one statement */

/* As parameters of enroll(): how many fit. */
static size_t gather(const lk__pg *s, const lk__photo *photos, size_t count, lk__pg_array *columns) {
    static const unsigned types[COLUMNS] = {LK__PG_INT8,  LK__PG_TEXT, LK__PG_TEXT,
                                            LK__PG_BYTEA, LK__PG_TEXT, LK__PG_FLOAT8,
                                            LK__PG_BYTEA, LK__PG_TEXT, LK__PG_TEXT};
    size_t rows = 0, bytes = 0;
    for (int c = 0; c < COLUMNS; c++)
        lk__pg_array_begin(&columns[c], c == 3 && s->vector_oid ? s->vector_oid : types[c]);
    for (; rows < count && rows < MOST_ROWS && bytes < MOST_BYTES; rows++) {
        const lk__photo *p = &photos[rows];
        lk__pg_array_int(&columns[0], p->id);
        lk__pg_array_text(&columns[1], p->person);
        lk__pg_array_text(&columns[2], p->name);
        if (s->vector_oid)
            lk__pg_array_vector(&columns[3], p->vector, p->vector_size / sizeof(float));
        else
            lk__pg_array_bytes(&columns[3], p->vector, p->vector_size);
        lk__pg_array_text(&columns[4], p->source);
        lk__pg_array_real(&columns[5], p->quality);
        lk__pg_array_bytes(&columns[6], p->crop, p->crop_size);
        lk__pg_array_text(&columns[7], p->added);
        lk__pg_array_text(&columns[8], p->person_added ? p->person_added : p->added);
        bytes += p->vector_size + p->crop_size;
    }
    return rows;
}

static lk_status add_some(lk__pg *s, const lk__photo *photos, size_t count, size_t *done, lk__added *added,
                          lk_error *err) {
    lk__pg_array columns[COLUMNS];
    lk__pg_values values = {.count = 0};
    PGresult *r = NULL;
    size_t rows = gather(s, photos, count, columns), size = 0;
    lk_status status = lk__pg_arrays_end(s, columns, COLUMNS, &values, err);
    if (status == LK_OK) status = lk__pg_query(s, &s->link, LK__PG_ADD, &values, "write", &r, err);
    if (status == LK_OK && (size_t)PQntuples(r) != rows)
        status = lk__fail(err, LK_INTERNAL, "%s: enroll() returned %d rows, not %zu", s->store.name,
                          PQntuples(r), rows);
    for (size_t i = 0; i < rows && status == LK_OK; i++) {
        const void *salt = lk__pg_bytes_of(r, (int)i, 3, &size);
        added[i] = (lk__added){.person_id = lk__pg_int_of(r, (int)i, 0),
                               .replaced = lk__pg_int_of(r, (int)i, 1),
                               .new_person = lk__pg_int_of(r, (int)i, 2) != 0};
        if (salt && size == LK__SALT) memcpy(added[i].salt, salt, LK__SALT);
        s->pending.people += added[i].new_person;
    }
    PQclear(r);
    lk__pg_arrays_free(columns, COLUMNS);
    if (status != LK_OK) return status;
    s->pending.photos += (int64_t)rows;
    s->pending.last_photo = photos[rows - 1].id;
    *done = rows;
    return LK_OK;
}

static lk_status add(lk__store *store, const lk__photo *photos, size_t count, lk__added *added,
                     lk_error *err) {
    lk_status status = LK_OK;
    for (size_t done = 0, some = 0; done < count && status == LK_OK; done += some)
        status = add_some(lk__pg_of(store), photos + done, count - done, &some, added + done, err);
    return status;
}

/* A statement of one id. found (NULL: not asked): the integer it returned, 0 without a row. */
static lk_status run_id(lk__pg *s, lk__pg_which which, int64_t id, int64_t *found, lk_error *err) {
    lk__pg_values values = {.count = 0};
    PGresult *r = NULL;
    lk__pg_int(&values, id);
    lk_status status = lk__pg_query(s, &s->link, which, &values, "write", &r, err);
    if (status == LK_OK && found) *found = PQntuples(r) > 0 ? lk__pg_int_of(r, 0, 0) : 0;
    PQclear(r);
    return status;
}

static lk_status remove_person(lk__store *store, int64_t id, lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    int64_t found = 0;
    lk_status status = run_id(s, LK__PG_REMOVE_PHOTOS, id, NULL, err);
    if (status == LK_OK) status = run_id(s, LK__PG_REMOVE_PERSON, id, &found, err);
    if (status == LK_OK && !found)
        status = lk__fail(err, LK_NOT_FOUND, "%s: there is no person %lld", s->store.name, (long long)id);
    return status;
}

static lk_status remove_photo(lk__store *store, int64_t id, int64_t *person_id, lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    lk_status status = run_id(s, LK__PG_REMOVE_PHOTO, id, person_id, err);
    if (status == LK_OK && !*person_id) status = lk__pg_no_photo(s, id, err);
    return status == LK_OK ? run_id(s, LK__PG_REMOVE_EMPTY, *person_id, NULL, err) : status;
}

static lk_status rename_person(lk__store *store, int64_t id, const char *name, lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    lk__pg_values values = {.count = 0};
    PGresult *r = NULL;
    lk__pg_int(&values, id);
    lk__pg_text(&values, name);
    lk_status status = lk__pg_query(s, &s->link, LK__PG_RENAME, &values, "write", &r, err);
    if (lk__pg_failed_with(r, "23505"))
        status = lk__fail(err, LK_INVALID, "%s: somebody is called \"%.200s\" already", s->store.name, name);
    PQclear(r);
    return status;
}

const lk__store_ops lk__pg_ops = {
    .close = lk__pg_close,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .in_transaction = in_transaction,
    .mark = mark,
    .keep = keep,
    .undo = undo,
    .reserve = reserve,
    .add = add,
    .remove_person = remove_person,
    .remove_photo = remove_photo,
    .rename_person = rename_person,
    .audit_add = lk__pg_audit_add,
    .counts = lk__pg_counts,
    .people = lk__pg_people,
    .photos = lk__pg_photos,
    .person = lk__pg_person,
    .find = lk__pg_find,
    .photo = lk__pg_photo,
    .audit_last = lk__pg_audit_last,
    .audit_rows = lk__pg_audit_rows,
    .check = lk__pg_check,
    .ends = lk__pg_ends,
    .changes = lk__pg_changes,
    .passed = lk__pg_passed,
    .names = lk__pg_names,
    .backup = lk__pg_backup,
    .nearest = lk__pg_nearest,
};
