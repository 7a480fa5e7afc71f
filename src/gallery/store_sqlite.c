/* store_sqlite.c: the store on SQLite: all the SQL that runs after opening.
 *
 * Durability is SQLite's: a write-ahead log, synchronous FULL. Whatever stops the program, the file holds
 * every committed change and nothing of the others. Removal is meant: freed bytes are overwritten
 * (secure_delete) and the log is emptied into the file. Searching has a connection of its own, so that a
 * search never waits for a commit: in WAL mode readers and the writer do not block each other. */
#include "gallery/store_sqlite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NOW "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')"
#define PHOTO_COLUMNS                                                                                        \
    "photos.id, person_id, people.name, photos.name, photos.added, source, quality, "                        \
    "(SELECT length(jpeg) FROM crops WHERE photo_id = photos.id)"

static const char *const queries[LK__QUERIES] = {
    [LK__COUNTS] = "SELECT (SELECT count(*) FROM people), (SELECT count(*) FROM photos)",
    [LK__ENDS] = "SELECT (SELECT max(id) FROM photos), (SELECT max(number) FROM removed)",
    [LK__REMOVED_AFTER] = "SELECT photo_id FROM removed WHERE number > ?1 ORDER BY number",
    [LK__PHOTOS_AFTER] = "SELECT id, person_id, vector FROM photos WHERE id > ?1 ORDER BY id",
    [LK__NAME] = "SELECT people.name, photos.name FROM photos JOIN people ON people.id = person_id "
                 "WHERE photos.id = ?1",
    [LK__PEOPLE] = "SELECT id, name, added, (SELECT count(*) FROM photos WHERE person_id = people.id) "
                   "FROM people WHERE name > ?1 ORDER BY name LIMIT ?2",
    /* CROSS JOIN keeps SQLite from walking by people, which would have to sort. */
    [LK__PHOTOS] = "SELECT " PHOTO_COLUMNS " FROM photos CROSS JOIN people ON people.id = person_id "
                   "WHERE photos.id > ?1 ORDER BY photos.id LIMIT ?2",
    [LK__PHOTOS_OF] = "SELECT " PHOTO_COLUMNS " FROM people JOIN photos ON person_id = people.id "
                      "WHERE people.name = ?3 AND photos.id > ?1 ORDER BY photos.id LIMIT ?2",
    [LK__PHOTO] = "SELECT " PHOTO_COLUMNS ", vector, (SELECT jpeg FROM crops WHERE photo_id = photos.id) "
                  "FROM photos JOIN people ON people.id = person_id WHERE photos.id = ?1",
    [LK__FIND] = "SELECT id FROM photos WHERE person_id = (SELECT id FROM people WHERE name = ?1) "
                 "AND name = ?2",
    /* What was removed since counts too: ids are not used again. */
    [LK__NEXT_ID] = "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'photos'), 0), "
                    "coalesce((SELECT max(id) FROM photos), 0)) + 1",
    [LK__ADD_PERSON] = "INSERT INTO people (name, added) VALUES (?1, coalesce(?2, " NOW ")) ON CONFLICT (name) "
                      "DO NOTHING",
    [LK__ADD_PHOTO] = "INSERT INTO photos (id, person_id, name, vector, added, source, quality) "
                      "VALUES (?1, (SELECT id FROM people WHERE name = ?2), ?3, ?4, coalesce(?7, " NOW "), ?5, ?6)",
    [LK__ADD_CROP] = "INSERT INTO crops (photo_id, jpeg) VALUES (?1, ?2)",
    [LK__REMOVE_PHOTO] = "DELETE FROM photos WHERE id = ?1 RETURNING person_id",
    [LK__REMOVE_PHOTOS] = "DELETE FROM photos WHERE person_id = (SELECT id FROM people WHERE name = ?1)",
    [LK__REMOVE_PERSON] = "DELETE FROM people WHERE name = ?1",
    [LK__REMOVE_EMPTY] =
        "DELETE FROM people WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM photos WHERE person_id = ?1)",
    [LK__RENAME] = "UPDATE people SET name = ?2 WHERE name = ?1",
};

static lk__sqlite *of(lk__store *store) {
    return (lk__sqlite *)store;
}

/* ---- SQLite ------------------------------------------------------------------------------------- */

lk_status lk__sqlite_fail(const lk__sqlite *s, const lk__link *link, const char *doing, lk_error *err) {
    int code = sqlite3_extended_errcode(link->db), number = sqlite3_system_errno(link->db);
    const char *text = sqlite3_errmsg(link->db), *name = s->store.name;
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return lk__fail(err, LK_BUSY, "%s: another process has been writing to it for %d seconds; try again",
                        name, LK__BUSY_MS / 1000);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return lk__fail(err, LK_FORMAT, "%s: the gallery is damaged (%s); restore a copy", name, text);
    case SQLITE_NOMEM: return lk__fail(err, LK_NO_MEMORY, "%s: out of memory, cannot %s", name, doing);
    case SQLITE_FULL:
        return lk__fail(err, LK_IO,
                        "%s: cannot %s: the disk is full; free some space and run it again, nothing was lost",
                        name, doing);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return lk__fail(err, LK_IO, "%s: cannot %s: %s%s%s; the gallery is as it was before", name, doing,
                        text, number ? ": " : "", number ? strerror(number) : "");
    default: return lk__fail(err, LK_INTERNAL, "%s: cannot %s: %s (SQLite %d)", name, doing, text, code);
    }
}

lk_status lk__sqlite_exec(const lk__sqlite *s, const lk__link *link, const char *sql, const char *doing,
                          lk_error *err) {
    return sqlite3_exec(link->db, sql, NULL, NULL, NULL) == SQLITE_OK ? LK_OK
                                                                      : lk__sqlite_fail(s, link, doing, err);
}

void lk__sqlite_disconnect(lk__link *link) {
    for (int i = 0; i < LK__QUERIES; i++) {
        sqlite3_finalize(link->statements[i]);
        link->statements[i] = NULL;
    }
    sqlite3_close(link->db);
    link->db = NULL;
}

/* A statement ready to bind and step; reset it when done, or its read lock stays. */
static lk_status query(const lk__sqlite *s, lk__link *link, lk__query which, sqlite3_stmt **out,
                       lk_error *err) {
    sqlite3_stmt **statement = &link->statements[which];
    if (!*statement && sqlite3_prepare_v3(link->db, queries[which], -1, SQLITE_PREPARE_PERSISTENT, statement,
                                          NULL) != SQLITE_OK)
        return lk__sqlite_fail(s, link, "read", err);
    sqlite3_reset(*statement);
    sqlite3_clear_bindings(*statement);
    *out = *statement;
    return LK_OK;
}

/* To its end; `first` (may be NULL) gets the first row's integer and stays as it is without a row. */
static lk_status run(const lk__sqlite *s, sqlite3_stmt *statement, int64_t *first, lk_error *err) {
    lk_status status = LK_OK;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW && first) *first = sqlite3_column_int64(statement, 0);
    while (code == SQLITE_ROW) code = sqlite3_step(statement);
    if (code != SQLITE_DONE) status = lk__sqlite_fail(s, &s->link, "write", err);
    sqlite3_reset(statement);
    return status;
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text) {
    sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

/* A statement of texts, and how many rows it changed. */
static lk_status run_texts(lk__sqlite *s, lk__query which, const char *a, const char *b, size_t *changed,
                           lk_error *err) {
    sqlite3_stmt *statement = NULL;
    lk_status status = query(s, &s->link, which, &statement, err);
    if (status != LK_OK) return status;
    bind_text(statement, 1, a);
    if (b) bind_text(statement, 2, b);
    status = run(s, statement, NULL, err);
    if (status == LK_OK && changed) *changed = (size_t)sqlite3_changes64(s->link.db);
    return status;
}

static void close_store(lk__store *store) {
    lk__sqlite *s = of(store);
    lk__sqlite_disconnect(&s->reader);
    lk__sqlite_disconnect(&s->link);
    free(s->store.name);
    free(s);
}

/* ---- transactions -------------------------------------------------------------------------------- */

/* IMMEDIATE: wait for another writer now, while waiting is still possible. */
static lk_status begin(lk__store *store, lk_error *err) {
    lk__sqlite *s = of(store);
    return lk__sqlite_exec(s, &s->link, "BEGIN IMMEDIATE", "write", err);
}

static lk_status commit(lk__store *store, lk_error *err) {
    lk__sqlite *s = of(store);
    lk_status status = lk__sqlite_exec(s, &s->link, "COMMIT", "write", err);
    if (status == LK_OK && s->erase &&
        sqlite3_wal_checkpoint_v2(s->link.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK)
        s->erase = false;
    return status;
}

static bool in_transaction(lk__store *store) {
    return !sqlite3_get_autocommit(of(store)->link.db);
}

static void rollback(lk__store *store) {
    if (in_transaction(store)) sqlite3_exec(of(store)->link.db, "ROLLBACK", NULL, NULL, NULL);
}

static lk_status mark(lk__store *store, lk_error *err) {
    lk__sqlite *s = of(store);
    return lk__sqlite_exec(s, &s->link, "SAVEPOINT change", "write", err);
}

static lk_status keep(lk__store *store, lk_error *err) {
    lk__sqlite *s = of(store);
    return lk__sqlite_exec(s, &s->link, "RELEASE change", "write", err);
}

static void undo(lk__store *store) {
    sqlite3_exec(of(store)->link.db, "ROLLBACK TO change; RELEASE change", NULL, NULL, NULL);
}

/* ---- changes ------------------------------------------------------------------------------------- */

static lk_status reserve(lk__store *store, size_t count, int64_t *first, lk_error *err) {
    lk__sqlite *s = of(store);
    sqlite3_stmt *next = NULL;
    (void)count; /* nobody else writes until they are used */
    lk_status status = query(s, &s->link, LK__NEXT_ID, &next, err);
    return status == LK_OK ? run(s, next, first, err) : status;
}

static lk_status find(lk__store *store, const char *person, const char *photo, int64_t *id, lk_error *err) {
    lk__sqlite *s = of(store);
    sqlite3_stmt *statement = NULL;
    int64_t found = 0;
    lk_status status = query(s, &s->link, LK__FIND, &statement, err);
    if (status != LK_OK) return status;
    bind_text(statement, 1, person);
    bind_text(statement, 2, photo);
    status = run(s, statement, &found, err);
    if (status == LK_OK) *id = found;
    return status;
}

/* `person` gets whose it was; 0: there was no such photo. */
static lk_status delete_photo(lk__sqlite *s, int64_t id, int64_t *person, lk_error *err) {
    sqlite3_stmt *statement = NULL;
    lk_status status = query(s, &s->link, LK__REMOVE_PHOTO, &statement, err);
    if (status != LK_OK) return status;
    sqlite3_bind_int64(statement, 1, id);
    s->erase = true;
    return run(s, statement, person, err);
}

static lk_status add_one(lk__sqlite *s, const lk__photo *p, lk_error *err) {
    sqlite3_stmt *statement = NULL;
    int64_t old = 0, whose = 0;
    lk_status status = find(&s->store, p->person, p->name, &old, err);
    if (status == LK_OK && old) status = delete_photo(s, old, &whose, err);
    if (status == LK_OK) status = run_texts(s, LK__ADD_PERSON, p->person, p->person_added ? p->person_added : p->added, NULL, err);
    if (status == LK_OK) status = query(s, &s->link, LK__ADD_PHOTO, &statement, err);
    if (status != LK_OK) return status;
    sqlite3_bind_int64(statement, 1, p->id);
    bind_text(statement, 2, p->person);
    bind_text(statement, 3, p->name);
    sqlite3_bind_blob64(statement, 4, p->vector, p->vector_size, SQLITE_STATIC);
    bind_text(statement, 5, p->source);
    sqlite3_bind_double(statement, 6, p->quality); /* SQLite makes NaN NULL */
    bind_text(statement, 7, p->added);
    status = run(s, statement, NULL, err);
    if (status != LK_OK || !p->crop) return status;
    status = query(s, &s->link, LK__ADD_CROP, &statement, err);
    if (status != LK_OK) return status;
    sqlite3_bind_int64(statement, 1, p->id);
    sqlite3_bind_blob64(statement, 2, p->crop, p->crop_size, SQLITE_STATIC);
    return run(s, statement, NULL, err);
}

static lk_status add(lk__store *store, const lk__photo *photos, size_t count, lk_error *err) {
    lk_status status = LK_OK;
    for (size_t i = 0; i < count && status == LK_OK; i++) status = add_one(of(store), &photos[i], err);
    return status;
}

static lk_status nobody(const lk__sqlite *s, const char *person, lk_error *err) {
    return lk__fail(err, LK_NOT_FOUND, "%s: nobody is called \"%.200s\"", s->store.name, person);
}

static lk_status remove_person(lk__store *store, const char *person, size_t *photos, lk_error *err) {
    lk__sqlite *s = of(store);
    size_t people = 0, gone = 0;
    lk_status status = run_texts(s, LK__REMOVE_PHOTOS, person, NULL, &gone, err);
    if (status == LK_OK) status = run_texts(s, LK__REMOVE_PERSON, person, NULL, &people, err);
    if (status == LK_OK && people == 0) status = nobody(s, person, err);
    if (status != LK_OK) return status;
    s->erase = true;
    *photos = gone;
    return LK_OK;
}

static lk_status no_photo(const lk__sqlite *s, int64_t id, lk_error *err) {
    return lk__fail(err, LK_NOT_FOUND, "%s: there is no photo %lld", s->store.name, (long long)id);
}

static lk_status remove_photo(lk__store *store, int64_t id, lk_error *err) {
    lk__sqlite *s = of(store);
    sqlite3_stmt *statement = NULL;
    int64_t person = 0;
    lk_status status = delete_photo(s, id, &person, err);
    if (status == LK_OK && !person) status = no_photo(s, id, err);
    if (status == LK_OK) status = query(s, &s->link, LK__REMOVE_EMPTY, &statement, err);
    if (status != LK_OK) return status;
    sqlite3_bind_int64(statement, 1, person);
    return run(s, statement, NULL, err);
}

static lk_status rename_person(lk__store *store, const char *from, const char *to, lk_error *err) {
    lk__sqlite *s = of(store);
    sqlite3_stmt *statement = NULL;
    lk_status status = query(s, &s->link, LK__RENAME, &statement, err);
    if (status != LK_OK) return status;
    bind_text(statement, 1, from);
    bind_text(statement, 2, to);
    int code = sqlite3_step(statement);
    size_t changed = (size_t)sqlite3_changes64(s->link.db);
    if (code != SQLITE_DONE && sqlite3_extended_errcode(s->link.db) == SQLITE_CONSTRAINT_UNIQUE)
        status = lk__fail(err, LK_INVALID, "%s: somebody is called \"%.200s\" already", s->store.name, to);
    else if (code != SQLITE_DONE)
        status = lk__sqlite_fail(s, &s->link, "write", err);
    else if (changed == 0)
        status = nobody(s, from, err);
    else
        s->erase = true;
    sqlite3_reset(statement);
    return status;
}

/* ---- looking ------------------------------------------------------------------------------------- */

static lk_status counts(lk__store *store, size_t *people, size_t *photos, lk_error *err) {
    lk__sqlite *s = of(store);
    sqlite3_stmt *statement = NULL;
    lk_status status = query(s, &s->link, LK__COUNTS, &statement, err);
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

/* Whatever a callback or SQLite said, a statement ends here. */
static lk_status finish(const lk__sqlite *s, const lk__link *link, sqlite3_stmt *statement, int code,
                        lk_status status, lk_error *err) {
    if (status == LK_OK && code != SQLITE_DONE) status = lk__sqlite_fail(s, link, "read", err);
    sqlite3_reset(statement);
    return status;
}

static const char *text_of(sqlite3_stmt *row, int column) {
    return (const char *)sqlite3_column_text(row, column);
}

static lk_status people(lk__store *store, const char *after, size_t limit, lk__person_fn fn, void *context,
                        lk_error *err) {
    lk__sqlite *s = of(store);
    sqlite3_stmt *row = NULL;
    lk_status status = query(s, &s->link, LK__PEOPLE, &row, err);
    if (status != LK_OK) return status;
    int code;
    bind_text(row, 1, after ? after : "");
    sqlite3_bind_int64(row, 2, (int64_t)limit);
    while ((code = sqlite3_step(row)) == SQLITE_ROW && status == LK_OK) {
        const lk__person p = {.id = sqlite3_column_int64(row, 0),
                              .name = text_of(row, 1),
                              .added = text_of(row, 2),
                              .photos = (size_t)sqlite3_column_int64(row, 3)};
        status = p.name && p.added ? fn(context, &p, err) : lk__sqlite_fail(s, &s->link, "read", err);
    }
    return finish(s, &s->link, row, code, status, err);
}

/* A row of PHOTO_COLUMNS. */
static lk_status photo_of(const lk__sqlite *s, sqlite3_stmt *row, lk__photo *p, lk_error *err) {
    *p = (lk__photo){.id = sqlite3_column_int64(row, 0),
                     .person_id = sqlite3_column_int64(row, 1),
                     .person = text_of(row, 2),
                     .name = text_of(row, 3),
                     .added = text_of(row, 4),
                     .source = text_of(row, 5),
                     .quality = sqlite3_column_type(row, 6) == SQLITE_NULL ? (double)NAN
                                                                           : sqlite3_column_double(row, 6),
                     .crop_size = (size_t)sqlite3_column_int64(row, 7)};
    return p->person && p->name && p->added ? LK_OK : lk__sqlite_fail(s, &s->link, "read", err);
}

static lk_status photos(lk__store *store, const char *person, int64_t after, size_t limit, lk__photo_fn fn,
                        void *context, lk_error *err) {
    lk__sqlite *s = of(store);
    sqlite3_stmt *row = NULL;
    lk_status status = query(s, &s->link, person ? LK__PHOTOS_OF : LK__PHOTOS, &row, err);
    if (status != LK_OK) return status;
    int code;
    sqlite3_bind_int64(row, 1, after);
    sqlite3_bind_int64(row, 2, (int64_t)limit);
    if (person) bind_text(row, 3, person);
    while ((code = sqlite3_step(row)) == SQLITE_ROW && status == LK_OK) {
        lk__photo p;
        status = photo_of(s, row, &p, err);
        if (status == LK_OK) status = fn(context, &p, err);
    }
    return finish(s, &s->link, row, code, status, err);
}

static lk_status photo(lk__store *store, int64_t id, lk__photo_fn fn, void *context, lk_error *err) {
    lk__sqlite *s = of(store);
    sqlite3_stmt *row = NULL;
    lk__photo p;
    lk_status status = query(s, &s->link, LK__PHOTO, &row, err);
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
        status = no_photo(s, id, err);
    }
    return finish(s, &s->link, row, code, status, err);
}

/* ---- searching ------------------------------------------------------------------------------------ */

static lk_status ends(lk__store *store, lk__cursors *out, lk_error *err) {
    lk__sqlite *s = of(store);
    sqlite3_stmt *row = NULL;
    lk_status status = query(s, &s->reader, LK__ENDS, &row, err);
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
    lk_status status = query(s, &s->reader, LK__REMOVED_AFTER, &row, err);
    if (status != LK_OK) return status;
    int code;
    sqlite3_bind_int64(row, 1, from);
    while ((code = sqlite3_step(row)) == SQLITE_ROW && status == LK_OK)
        status = fn(context, sqlite3_column_int64(row, 0), err);
    return finish(s, &s->reader, row, code, status, err);
}

static lk_status tell_added(lk__sqlite *s, int64_t from, lk__photo_fn fn, void *context, lk_error *err) {
    sqlite3_stmt *row = NULL;
    lk_status status = query(s, &s->reader, LK__PHOTOS_AFTER, &row, err);
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
    return finish(s, &s->reader, row, code, status, err);
}

/* Within a transaction, so that all of it is of one moment. */
static lk_status changes(lk__store *store, lk__cursors from, lk__removed_fn removed, lk__photo_fn added,
                         void *context, lk__cursors *to, lk_error *err) {
    lk__sqlite *s = of(store);
    lk__cursors now = from;
    lk_status status = lk__sqlite_exec(s, &s->reader, "BEGIN", "read", err);
    if (status != LK_OK) return status;
    status = ends(store, &now, err);
    if (status == LK_OK && from.photo) status = tell_removed(s, from.removed, removed, context, err);
    if (status == LK_OK) status = tell_added(s, from.photo, added, context, err);
    sqlite3_exec(s->reader.db, "COMMIT", NULL, NULL, NULL); /* it only read: nothing can be lost */
    if (status != LK_OK) return status;
    *to = (lk__cursors){now.photo > from.photo ? now.photo : from.photo, now.removed};
    return LK_OK;
}

static lk_status names(lk__store *store, const int64_t *ids, size_t count, lk__photo_fn fn, void *context,
                       lk_error *err) {
    lk__sqlite *s = of(store);
    sqlite3_stmt *row = NULL;
    lk_status status = lk__sqlite_exec(s, &s->reader, "BEGIN", "read", err);
    if (status != LK_OK) return status;
    for (size_t i = 0; i < count && status == LK_OK; i++) {
        status = query(s, &s->reader, LK__NAME, &row, err);
        if (status != LK_OK) break;
        sqlite3_bind_int64(row, 1, ids[i]);
        int code = sqlite3_step(row);
        const lk__photo p = {.id = ids[i], .person = text_of(row, 0), .name = text_of(row, 1)};
        if (code == SQLITE_ROW)
            status = p.person && p.name ? fn(context, &p, err) : lk__sqlite_fail(s, &s->reader, "read", err);
        if (code == SQLITE_ROW) code = SQLITE_DONE;
        status = finish(s, &s->reader, row, code, status, err);
    }
    sqlite3_exec(s->reader.db, "COMMIT", NULL, NULL, NULL);
    return status;
}

const lk__store_ops lk__sqlite_ops = {
    .close = close_store,
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
    .counts = counts,
    .people = people,
    .photos = photos,
    .find = find,
    .photo = photo,
    .ends = ends,
    .changes = changes,
    .names = names,
};
