/* store_sqlite_read.c: looking and searching in the store on SQLite. */
#include "gallery/store_sqlite.h"

#include <math.h>
#include <string.h>

/* ---- looking ------------------------------------------------------------------------------------- */

lk_status lk__sqlite_counts(lk__store *store, size_t *people, size_t *photos, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    sqlite3_stmt *statement = NULL;
    lk_status status = lk__sqlite_query(s, &s->link, LK__COUNTS, &statement, err);
    if (status != LK_OK) return status;
    if (sqlite3_step(statement) == SQLITE_ROW) {
        *people = (size_t)sqlite3_column_int64(statement, 0);
        *photos = (size_t)sqlite3_column_int64(statement, 1);
    } else {
        status = lk__sqlite_fail(s, &s->link, "read", err);
    }
    sqlite3_reset(statement);
    return status;
}

lk_status lk__sqlite_no_photo(const lk__sqlite *s, int64_t id, lk_error *err) {
    return lk__fail(err, LK_NOT_FOUND, "%s: there is no photo %lld", s->store.name, (long long)id);
}

/* Whatever a callback or SQLite said, a statement ends here. */
lk_status lk__sqlite_finish(const lk__sqlite *s, const lk__link *link, sqlite3_stmt *statement, int code,
                            lk_status status, lk_error *err) {
    if (status == LK_OK && code != SQLITE_DONE) status = lk__sqlite_fail(s, link, "read", err);
    sqlite3_reset(statement);
    return status;
}

const char *lk__sqlite_text(sqlite3_stmt *row, int column) {
    return (const char *)sqlite3_column_text(row, column);
}

lk_status lk__sqlite_people(lk__store *store, const char *after, size_t limit, lk__person_fn fn,
                            void *context, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    sqlite3_stmt *row = NULL;
    lk_status status = lk__sqlite_query(s, &s->link, LK__PEOPLE, &row, err);
    if (status != LK_OK) return status;
    int code;
    lk__sqlite_bind_text(row, 1, after ? after : "");
    sqlite3_bind_int64(row, 2, (int64_t)limit);
    while ((code = sqlite3_step(row)) == SQLITE_ROW && status == LK_OK) {
        const lk__person p = {.id = sqlite3_column_int64(row, 0),
                              .name = lk__sqlite_text(row, 1),
                              .added = lk__sqlite_text(row, 2),
                              .photos = (size_t)sqlite3_column_int64(row, 3)};
        status = p.name && p.added ? fn(context, &p, err) : lk__sqlite_fail(s, &s->link, "read", err);
    }
    return lk__sqlite_finish(s, &s->link, row, code, status, err);
}

/* A row of PHOTO_COLUMNS. */
static lk_status photo_of(const lk__sqlite *s, sqlite3_stmt *row, lk__photo *p, lk_error *err) {
    *p = (lk__photo){.id = sqlite3_column_int64(row, 0),
                     .person_id = sqlite3_column_int64(row, 1),
                     .person = lk__sqlite_text(row, 2),
                     .name = lk__sqlite_text(row, 3),
                     .added = lk__sqlite_text(row, 4),
                     .source = lk__sqlite_text(row, 5),
                     .quality = sqlite3_column_type(row, 6) == SQLITE_NULL ? (double)NAN
                                                                           : sqlite3_column_double(row, 6),
                     .crop_size = (size_t)sqlite3_column_int64(row, 7)};
    return p->person && p->name && p->added ? LK_OK : lk__sqlite_fail(s, &s->link, "read", err);
}

lk_status lk__sqlite_find_person(lk__sqlite *s, const char *name, int64_t *id, uint8_t *salt, lk_error *err) {
    sqlite3_stmt *row = NULL;
    lk_status status = lk__sqlite_query(s, &s->link, LK__PERSON, &row, err);
    if (status != LK_OK) return status;
    lk__sqlite_bind_text(row, 1, name);
    int code = sqlite3_step(row);
    *id = 0;
    if (code == SQLITE_ROW) {
        const void *bytes = sqlite3_column_blob(row, 1);
        *id = sqlite3_column_int64(row, 0);
        if (!bytes || sqlite3_column_bytes(row, 1) != LK__SALT)
            status = lk__fail(err, LK_FORMAT, "%s: person %lld is damaged; restore a copy of the gallery",
                              s->store.name, (long long)*id);
        else if (salt)
            memcpy(salt, bytes, LK__SALT);
        code = SQLITE_DONE;
    }
    return lk__sqlite_finish(s, &s->link, row, code, status, err);
}

lk_status lk__sqlite_person(lk__store *store, const char *name, int64_t *id, uint8_t *salt, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    lk_status status = lk__sqlite_find_person(s, name, id, salt, err);
    return status == LK_OK && !*id
               ? lk__fail(err, LK_NOT_FOUND, "%s: nobody is called \"%.200s\"", s->store.name, name)
               : status;
}

lk_status lk__sqlite_find(lk__store *store, const char *person, const char *photo, int64_t *id,
                          lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    sqlite3_stmt *statement = NULL;
    int64_t found = 0;
    lk_status status = lk__sqlite_query(s, &s->link, LK__FIND, &statement, err);
    if (status != LK_OK) return status;
    lk__sqlite_bind_text(statement, 1, person);
    lk__sqlite_bind_text(statement, 2, photo);
    status = lk__sqlite_run(s, statement, &found, err);
    if (status == LK_OK) *id = found;
    return status;
}

lk_status lk__sqlite_photos(lk__store *store, const char *person, int64_t after, size_t limit,
                            lk__photo_fn fn, void *context, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    sqlite3_stmt *row = NULL;
    lk_status status = lk__sqlite_query(s, &s->link, person ? LK__PHOTOS_OF : LK__PHOTOS, &row, err);
    if (status != LK_OK) return status;
    int code;
    sqlite3_bind_int64(row, 1, after);
    sqlite3_bind_int64(row, 2, (int64_t)limit);
    if (person) lk__sqlite_bind_text(row, 3, person);
    while ((code = sqlite3_step(row)) == SQLITE_ROW && status == LK_OK) {
        lk__photo p;
        status = photo_of(s, row, &p, err);
        if (status == LK_OK) status = fn(context, &p, err);
    }
    return lk__sqlite_finish(s, &s->link, row, code, status, err);
}

lk_status lk__sqlite_photo(lk__store *store, int64_t id, lk__photo_fn fn, void *context, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    sqlite3_stmt *row = NULL;
    lk__photo p;
    lk_status status = lk__sqlite_query(s, &s->link, LK__PHOTO, &row, err);
    if (status != LK_OK) return status;
    sqlite3_bind_int64(row, 1, id);
    int code = sqlite3_step(row);
    if (code == SQLITE_ROW) {
        status = photo_of(s, row, &p, err);
        p.vector = sqlite3_column_blob(row, 8);
        p.vector_size = (size_t)sqlite3_column_bytes(row, 8);
        p.crop = sqlite3_column_blob(row, 9);
        if (status == LK_OK) status = fn(context, &p, err);
        code = SQLITE_DONE;
    } else if (code == SQLITE_DONE) {
        status = lk__sqlite_no_photo(s, id, err);
    }
    return lk__sqlite_finish(s, &s->link, row, code, status, err);
}

/* ---- searching ------------------------------------------------------------------------------------ */

lk_status lk__sqlite_ends(lk__store *store, lk__cursors *out, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    sqlite3_stmt *row = NULL;
    lk_status status = lk__sqlite_query(s, &s->reader, LK__ENDS, &row, err);
    if (status != LK_OK) return status;
    if (sqlite3_step(row) == SQLITE_ROW)
        *out = (lk__cursors){sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1)}; /* NULL: 0 */
    else
        status = lk__sqlite_fail(s, &s->reader, "read", err);
    sqlite3_reset(row);
    return status;
}

static lk_status tell_removed(lk__sqlite *s, int64_t from, lk__removed_fn fn, void *context, lk_error *err) {
    sqlite3_stmt *row = NULL;
    lk_status status = lk__sqlite_query(s, &s->reader, LK__REMOVED_AFTER, &row, err);
    if (status != LK_OK) return status;
    int code;
    sqlite3_bind_int64(row, 1, from);
    while ((code = sqlite3_step(row)) == SQLITE_ROW && status == LK_OK)
        status = fn(context, sqlite3_column_int64(row, 0), err);
    return lk__sqlite_finish(s, &s->reader, row, code, status, err);
}

static lk_status tell_added(lk__sqlite *s, int64_t from, lk__photo_fn fn, void *context, lk_error *err) {
    sqlite3_stmt *row = NULL;
    lk_status status = lk__sqlite_query(s, &s->reader, LK__PHOTOS_AFTER, &row, err);
    if (status != LK_OK) return status;
    int code;
    sqlite3_bind_int64(row, 1, from);
    while ((code = sqlite3_step(row)) == SQLITE_ROW && status == LK_OK) {
        const lk__photo p = {.id = sqlite3_column_int64(row, 0),
                             .person_id = sqlite3_column_int64(row, 1),
                             .vector = sqlite3_column_blob(row, 2),
                             .vector_size = (size_t)sqlite3_column_bytes(row, 2)};
        status = fn(context, &p, err);
    }
    return lk__sqlite_finish(s, &s->reader, row, code, status, err);
}

/* Within a transaction, so that all of it is of one moment. */
lk_status lk__sqlite_changes(lk__store *store, lk__cursors from, lk__removed_fn removed, lk__photo_fn added,
                             void *context, lk__moment *to, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    lk__moment now = {.cursors = from};
    lk_status status = lk__sqlite_exec(s, &s->reader, "BEGIN", "read", err);
    if (status != LK_OK) return status;
    status = lk__sqlite_ends(store, &now.cursors, err);
    if (status == LK_OK) status = lk__sqlite_audit_head(s, &s->reader, &now.audit, now.hash, err);
    if (status == LK_OK && from.photo) status = tell_removed(s, from.removed, removed, context, err);
    if (status == LK_OK) status = tell_added(s, from.photo, added, context, err);
    sqlite3_exec(s->reader.db, "COMMIT", NULL, NULL, NULL); /* it only read: nothing can be lost */
    if (status != LK_OK) return status;
    if (now.cursors.photo < from.photo) now.cursors.photo = from.photo; /* the last has gone */
    *to = now;
    return LK_OK;
}

lk_status lk__sqlite_names(lk__store *store, const int64_t *ids, size_t count, lk__photo_fn fn, void *context,
                           lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    sqlite3_stmt *row = NULL;
    lk_status status = lk__sqlite_exec(s, &s->reader, "BEGIN", "read", err);
    if (status != LK_OK) return status;
    for (size_t i = 0; i < count && status == LK_OK; i++) {
        status = lk__sqlite_query(s, &s->reader, LK__NAME, &row, err);
        if (status != LK_OK) break;
        sqlite3_bind_int64(row, 1, ids[i]);
        int code = sqlite3_step(row);
        const lk__photo p = {
            .id = ids[i], .person = lk__sqlite_text(row, 0), .name = lk__sqlite_text(row, 1)};
        if (code == SQLITE_ROW)
            status = p.person && p.name ? fn(context, &p, err) : lk__sqlite_fail(s, &s->reader, "read", err);
        if (code == SQLITE_ROW) code = SQLITE_DONE;
        status = lk__sqlite_finish(s, &s->reader, row, code, status, err);
    }
    sqlite3_exec(s->reader.db, "COMMIT", NULL, NULL, NULL);
    return status;
}
