/* store_sqlite_read.c: looking and searching in the store on SQLite. */
#include "gallery/store_sqlite.h"

#include <math.h>
#include <string.h>

/* ---- looking ------------------------------------------------------------------------------------- */

static lk_status read_counts(const lk__sqlite *s, lk__link *link, size_t *people, size_t *photos,
                             lk_error *err) {
    sqlite3_stmt *row = NULL;
    lk_status status = lk__sqlite_query(s, link, LK__COUNTS, &row, err);
    if (status != LK_OK) return status;
    if (sqlite3_step(row) == SQLITE_ROW) {
        *people = (size_t)sqlite3_column_int64(row, 0);
        *photos = (size_t)sqlite3_column_int64(row, 1);
    } else {
        status = lk__sqlite_fail(s, link, "read", err);
    }
    sqlite3_reset(row);
    return status;
}

lk_status lk__sqlite_counts(lk__store *store, size_t *people, size_t *photos, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    return read_counts(s, &s->link, people, photos, err);
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

static lk_status damaged(const lk__sqlite *s, const char *what, int64_t id, lk_error *err) {
    return lk__fail(err, LK_FORMAT, "%s: %s %lld is damaged; restore a copy of the gallery", s->store.name,
                    what, (long long)id);
}

/* Rows that a damaged page has lost do not tell of it: their number does. */
static lk_status complete(const lk__sqlite *s, size_t people, size_t photos, size_t all_people,
                          size_t all_photos, lk_error *err) {
    if (people == all_people && photos == all_photos) return LK_OK;
    return lk__fail(
        err, LK_FORMAT,
        "%s: the gallery is damaged (%zu people and %zu photos of %zu and %zu are left); restore a copy",
        s->store.name, people, photos, all_people, all_photos);
}

/* Sound rows of a table, and the id of the one that is called `name` (NULL: none is looked for). */
static lk_status count_sound(lk__sqlite *s, lk__query all, const char *name, size_t *count, int64_t *named,
                             lk_error *err) {
    sqlite3_stmt *row = NULL;
    lk_status status = lk__sqlite_query(s, &s->link, all, &row, err);
    if (status != LK_OK) return status;
    int code;
    int64_t last = 0;
    if (name) lk__sqlite_bind_text(row, 1, name);
    while ((code = sqlite3_step(row)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(row, 0);
        *count += id > last && sqlite3_column_int(row, 1);
        if (sqlite3_column_int(row, 2)) *named = id;
        last = id;
    }
    return lk__sqlite_finish(s, &s->link, row, code, LK_OK, err);
}

/* Before it is said that something is not there: was it lost with a damaged page, or is an index damaged? */
static lk_status nothing_lost(lk__sqlite *s, const char *person, lk_error *err) {
    size_t people = 0, photos = 0, all_people = 0, all_photos = 0;
    int64_t named = 0;
    lk_status status = read_counts(s, &s->link, &all_people, &all_photos, err);
    if (status == LK_OK) status = count_sound(s, LK__ALL_PEOPLE, person, &people, &named, err);
    if (status == LK_OK) status = count_sound(s, LK__ALL_PHOTOS, NULL, &photos, &named, err);
    if (status == LK_OK && named) return damaged(s, "person", named, err);
    return status == LK_OK ? complete(s, people, photos, all_people, all_photos, err) : status;
}

lk_status lk__sqlite_no_photo(lk__sqlite *s, int64_t id, lk_error *err) {
    lk_status status = nothing_lost(s, NULL, err);
    return status == LK_OK
               ? lk__fail(err, LK_NOT_FOUND, "%s: there is no photo %lld", s->store.name, (long long)id)
               : status;
}

lk_status lk__sqlite_people(lk__store *store, const char *after, size_t limit, lk__person_fn fn,
                            void *context, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    sqlite3_stmt *row = NULL;
    lk_status status = lk__sqlite_query(s, &s->link, LK__PEOPLE, &row, err);
    if (status != LK_OK) return status;
    int code;
    size_t count = 0, photos = 0, all_people = 0, all_photos = 0;
    char last[LK__PERSON_BYTES + 1]; /* a page that stands where another did is out of order */
    snprintf(last, sizeof last, "%s", after ? after : "");
    lk__sqlite_bind_text(row, 1, after ? after : "");
    sqlite3_bind_int64(row, 2, (int64_t)limit);
    while ((code = sqlite3_step(row)) == SQLITE_ROW && status == LK_OK) {
        const lk__person p = {.id = sqlite3_column_int64(row, 0),
                              .name = lk__sqlite_text(row, 1),
                              .added = lk__sqlite_text(row, 2),
                              .photos = (size_t)sqlite3_column_int64(row, 3)};
        bool sound = p.name && p.added && sqlite3_column_int(row, 4) && strcmp(p.name, last) > 0;
        snprintf(last, sizeof last, "%s", p.name ? p.name : "");
        status = sound ? fn(context, &p, err) : damaged(s, "person", p.id, err);
        count++;
        photos += p.photos;
    }
    status = lk__sqlite_finish(s, &s->link, row, code, status, err);
    if (status == LK_OK && !after && count < limit) {
        status = lk__sqlite_counts(store, &all_people, &all_photos, err);
        if (status == LK_OK) status = complete(s, count, photos, all_people, all_photos, err);
    }
    return status;
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
    bool sound = p->person && p->name && p->added && sqlite3_column_int(row, 8);
    return sound ? LK_OK : damaged(s, "photo", p->id, err);
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
        if (!bytes || sqlite3_column_bytes(row, 1) != LK__SALT || !sqlite3_column_int(row, 2))
            status = damaged(s, "person", *id, err);
        else if (salt)
            memcpy(salt, bytes, LK__SALT);
        code = SQLITE_DONE;
    }
    return lk__sqlite_finish(s, &s->link, row, code, status, err);
}

lk_status lk__sqlite_person(lk__store *store, const char *name, int64_t *id, uint8_t *salt, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    lk_status status = lk__sqlite_find_person(s, name, id, salt, err);
    if (status != LK_OK || *id) return status;
    status = nothing_lost(s, name, err);
    return status == LK_OK
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
    bool whole = after == 0 && !person;
    size_t count = 0, all_people = 0, all_photos = 0;
    sqlite3_bind_int64(row, 1, after);
    sqlite3_bind_int64(row, 2, (int64_t)limit);
    if (person) lk__sqlite_bind_text(row, 3, person);
    while ((code = sqlite3_step(row)) == SQLITE_ROW && status == LK_OK) {
        lk__photo p;
        status = photo_of(s, row, &p, err);
        if (status == LK_OK && p.id <= after) status = damaged(s, "photo", p.id, err); /* out of order */
        after = p.id;
        count++;
        if (status == LK_OK) status = fn(context, &p, err);
    }
    status = lk__sqlite_finish(s, &s->link, row, code, status, err);
    if (status != LK_OK || !whole || count == limit) return status;
    status = lk__sqlite_counts(store, &all_people, &all_photos, err);
    return status == LK_OK ? complete(s, all_people, count, all_people, all_photos, err) : status;
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
        p.vector = sqlite3_column_blob(row, 9);
        p.vector_size = (size_t)sqlite3_column_bytes(row, 9);
        p.crop = sqlite3_column_blob(row, 11);
        bool crop = p.crop
                        ? sqlite3_column_int(row, 12) && (size_t)sqlite3_column_bytes(row, 11) == p.crop_size
                        : p.crop_size == 0;
        bool sound = sqlite3_column_int(row, 10) && crop;
        if (status == LK_OK && !sound) status = damaged(s, "photo", id, err);
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
    size_t count = 0, people = 0, all = 0;
    int64_t last = from;
    sqlite3_bind_int64(row, 1, from);
    while ((code = sqlite3_step(row)) == SQLITE_ROW && status == LK_OK) {
        const lk__photo p = {.id = sqlite3_column_int64(row, 0),
                             .person_id = sqlite3_column_int64(row, 1),
                             .vector = sqlite3_column_blob(row, 2),
                             .vector_size = (size_t)sqlite3_column_bytes(row, 2)};
        count++;
        bool sound = sqlite3_column_int(row, 3) && p.id > last;
        last = p.id;
        status = sound ? fn(context, &p, err) : damaged(s, "photo", p.id, err);
    }
    status = lk__sqlite_finish(s, &s->reader, row, code, status, err);
    if (status == LK_OK && from == 0) status = read_counts(s, &s->reader, &people, &all, err);
    return status == LK_OK && from == 0 ? complete(s, people, count, people, all, err) : status;
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
        if (code == SQLITE_ROW) { /* else asking for columns would hide what went wrong */
            const lk__photo p = {
                .id = ids[i], .person = lk__sqlite_text(row, 0), .name = lk__sqlite_text(row, 1)};
            bool sound = p.person && p.name && sqlite3_column_int(row, 2);
            status = sound ? fn(context, &p, err) : damaged(s, "photo", ids[i], err);
            code = SQLITE_DONE;
        }
        status = lk__sqlite_finish(s, &s->reader, row, code, status, err);
    }
    sqlite3_exec(s->reader.db, "COMMIT", NULL, NULL, NULL);
    return status;
}
