/* store_sqlite_audit.c: the rows of the audit (audit.c) in the store on SQLite. Triggers refuse to change or
 * delete them. */
#include "gallery/store_sqlite.h"

#include <string.h>

static void bind_hash(sqlite3_stmt *statement, int at, const uint8_t *hash) {
    if (hash) sqlite3_bind_blob(statement, at, hash, LK__HASH, SQLITE_STATIC);
}

static void bind_id(sqlite3_stmt *statement, int at, int64_t id) {
    if (id) sqlite3_bind_int64(statement, at, id);
}

lk_status lk__sqlite_audit_add(lk__store *store, const lk__audit_row *rows, size_t count, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    sqlite3_stmt *statement = NULL;
    lk_status status = LK_OK;
    for (size_t i = 0; i < count && status == LK_OK; i++) {
        const lk__audit_row *r = &rows[i];
        status = lk__sqlite_query(s, &s->link, LK__AUDIT_ADD, &statement, err);
        if (status != LK_OK) break;
        sqlite3_bind_int64(statement, 1, r->number);
        lk__sqlite_bind_text(statement, 2, r->time);
        lk__sqlite_bind_text(statement, 3, r->who);
        lk__sqlite_bind_text(statement, 4, r->action);
        bind_id(statement, 5, r->person_id);
        bind_id(statement, 6, r->photo_id);
        bind_hash(statement, 7, r->name);
        bind_hash(statement, 8, r->probe);
        lk__sqlite_bind_text(statement, 9, r->details);
        bind_hash(statement, 10, r->hash);
        status = lk__sqlite_run(s, statement, NULL, err);
    }
    return status;
}

/* NULL where there is none; false: of another length. */
static bool hash_of(sqlite3_stmt *row, int column, const uint8_t **hash) {
    *hash = sqlite3_column_blob(row, column);
    return !*hash ? sqlite3_column_type(row, column) == SQLITE_NULL
                  : sqlite3_column_bytes(row, column) == LK__HASH;
}

static lk_status damaged(const lk__sqlite *s, int64_t number, lk_error *err) {
    return lk__fail(err, LK_FORMAT, "%s: row %lld of the audit is damaged", s->store.name, (long long)number);
}

lk_status lk__sqlite_audit_head(lk__sqlite *s, lk__link *link, int64_t *number, uint8_t *hash,
                                lk_error *err) {
    sqlite3_stmt *row = NULL;
    const uint8_t *bytes = NULL;
    lk_status status = lk__sqlite_query(s, link, LK__AUDIT_LAST, &row, err);
    if (status != LK_OK) return status;
    int code = sqlite3_step(row);
    *number = 0;
    memset(hash, 0, LK__HASH);
    if (code == SQLITE_ROW) {
        *number = sqlite3_column_int64(row, 0);
        if (hash_of(row, 1, &bytes) && bytes)
            memcpy(hash, bytes, LK__HASH);
        else
            status = damaged(s, *number, err);
        code = SQLITE_DONE;
    }
    return lk__sqlite_finish(s, link, row, code, status, err);
}

lk_status lk__sqlite_audit_last(lk__store *store, int64_t *number, uint8_t *hash, int64_t *highest,
                                lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    sqlite3_stmt *row = NULL;
    lk_status status = lk__sqlite_audit_head(s, &s->link, number, hash, err);
    if (status == LK_OK) status = lk__sqlite_query(s, &s->link, LK__AUDIT_HIGHEST, &row, err);
    if (status != LK_OK) return status;
    *highest = 0;
    return lk__sqlite_run(s, row, highest, err);
}

lk_status lk__sqlite_audit_rows(lk__store *store, int64_t after, size_t limit, lk__audit_fn fn, void *context,
                                lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    sqlite3_stmt *row = NULL;
    lk_status status = lk__sqlite_query(s, &s->link, LK__AUDIT_ROWS, &row, err);
    if (status != LK_OK) return status;
    int code;
    sqlite3_bind_int64(row, 1, after);
    sqlite3_bind_int64(row, 2, (int64_t)limit);
    while ((code = sqlite3_step(row)) == SQLITE_ROW && status == LK_OK) {
        const uint8_t *hash = NULL;
        lk__audit_row r = {.number = sqlite3_column_int64(row, 0),
                           .time = lk__sqlite_text(row, 1),
                           .who = lk__sqlite_text(row, 2),
                           .action = lk__sqlite_text(row, 3),
                           .person_id = sqlite3_column_int64(row, 4),
                           .photo_id = sqlite3_column_int64(row, 5),
                           .details = lk__sqlite_text(row, 8)};
        bool sound = hash_of(row, 6, &r.name) && hash_of(row, 7, &r.probe) && hash_of(row, 9, &hash) && hash;
        if (!sound || !r.time || !r.who || !r.action) {
            status = damaged(s, r.number, err);
            break;
        }
        memcpy(r.hash, hash, LK__HASH);
        status = fn(context, &r, err);
    }
    return lk__sqlite_finish(s, &s->link, row, code, status, err);
}

lk_status lk__sqlite_passed(lk__store *store, const lk__moment *moment, bool *yes, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    sqlite3_stmt *row = NULL;
    const uint8_t *hash = NULL;
    lk_status status = lk__sqlite_query(s, &s->reader, LK__AUDIT_HASH, &row, err);
    if (status != LK_OK) return status;
    sqlite3_bind_int64(row, 1, moment->audit);
    int code = sqlite3_step(row);
    bool same =
        code == SQLITE_ROW && hash_of(row, 0, &hash) && hash && memcmp(hash, moment->hash, LK__HASH) == 0;
    if (code == SQLITE_ROW) code = SQLITE_DONE;
    status = lk__sqlite_finish(s, &s->reader, row, code, status, err);
    if (status == LK_OK) *yes = same;
    return status;
}
