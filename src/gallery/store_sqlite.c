/* store_sqlite.c: the store on SQLite: its SQL, transactions and changes.
 *
 * Durability is SQLite's: a write-ahead log, synchronous FULL. Whatever stops the program, the file holds
 * every committed change and nothing of the others. Removal is meant: freed bytes are overwritten
 * (secure_delete) and the log is emptied into the file. Searching has a connection of its own, so that a
 * search never waits for a commit: in WAL mode readers and the writer do not block each other. */
#include "gallery/store_sqlite.h"

#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define NOW "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')"
/* Is a row as it was written? likeness_sum (store_sqlite_sum.c) over what must not change unseen. */
#define PERSON_SUM(id, name, added, salt) "likeness_sum(" id ", " name ", " added ", " salt ")"
#define PERSON_SOUND PERSON_SUM("people.id", "people.name", "people.added", "salt") " = people.sum"
#define PHOTO_SUM "likeness_sum(id, person_id, name, added, source, quality, crop_size)"
#define PHOTO_SOUND                                                                                          \
    "likeness_sum(photos.id, person_id, photos.name, photos.added, source, quality, crop_size) = photos.sum"
#define VECTOR_SUM "likeness_sum(id, person_id, vector)"
#define PHOTO_COLUMNS                                                                                        \
    "photos.id, person_id, people.name, photos.name, photos.added, source, quality, "                        \
    "crop_size, " PERSON_SOUND " AND " PHOTO_SOUND

static const char *const queries[LK__QUERIES] = {
    [LK__COUNTS] =
        "SELECT (SELECT value FROM info WHERE key = 'people'), (SELECT value FROM info WHERE key = "
        "'photos')",
    [LK__ENDS] = "SELECT (SELECT max(id) FROM photos), (SELECT max(number) FROM removed)",
    [LK__REMOVED_AFTER] = "SELECT photo_id FROM removed WHERE number > ?1 ORDER BY number",
    [LK__PHOTOS_AFTER] =
        "SELECT id, person_id, vector, " VECTOR_SUM " = vector_sum FROM photos WHERE id > ?1 "
        "ORDER BY id",
    [LK__NAME] = "SELECT people.name, photos.name, " PERSON_SOUND " AND " PHOTO_SOUND
                 " FROM photos JOIN people ON people.id = person_id WHERE photos.id = ?1",
    [LK__PEOPLE] =
        "SELECT id, name, added, (SELECT count(*) FROM photos WHERE person_id = people.id), " PERSON_SOUND
        " FROM people WHERE name > ?1 ORDER BY name LIMIT ?2",
    /* CROSS JOIN keeps SQLite from walking by people, which would have to sort. */
    [LK__PHOTOS] = "SELECT " PHOTO_COLUMNS " FROM photos CROSS JOIN people ON people.id = person_id "
                   "WHERE photos.id > ?1 ORDER BY photos.id LIMIT ?2",
    [LK__PHOTOS_OF] = "SELECT " PHOTO_COLUMNS " FROM people JOIN photos ON person_id = people.id "
                      "WHERE people.name = ?3 AND photos.id > ?1 ORDER BY photos.id LIMIT ?2",
    [LK__PHOTO] =
        "SELECT " PHOTO_COLUMNS ", vector, likeness_sum(photos.id, person_id, vector) = vector_sum, "
        "jpeg, likeness_sum(photo_id, jpeg) = crops.sum FROM photos JOIN people ON people.id = "
        "person_id LEFT JOIN crops ON photo_id = photos.id WHERE photos.id = ?1",
    [LK__FIND] = "SELECT id FROM photos WHERE person_id = (SELECT id FROM people WHERE name = ?1) "
                 "AND name = ?2",
    /* What was removed since counts too: ids are not used again. */
    [LK__NEXT_ID] = "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'photos'), 0), "
                    "coalesce((SELECT max(id) FROM photos), 0)) + 1",
    [LK__PERSON] = "SELECT id, salt, " PERSON_SOUND " FROM people WHERE name = ?1",
    [LK__ALL_PEOPLE] =
        "SELECT id, " PERSON_SUM("id", "name", "added", "salt") " = sum, name = ?1 FROM people "
                                                                "NOT INDEXED",
    [LK__ALL_PHOTOS] = "SELECT id, " PHOTO_SUM " = sum, 0 FROM photos NOT INDEXED",
    [LK__ADD_PERSON] =
        "INSERT INTO people (id, name, added, salt, sum) SELECT id, name, added, salt, " PERSON_SUM(
            "id", "name", "added", "salt") " FROM (SELECT max(coalesce((SELECT seq FROM sqlite_sequence "
                                           "WHERE name = 'people'), 0), coalesce((SELECT max(id) FROM "
                                           "people), 0)) + 1 AS id, ?1 AS name, "
                                           "coalesce(?3, " NOW ") AS added, ?2 AS salt) RETURNING id",
    [LK__ADD_PHOTO] = "INSERT INTO photos (id, person_id, name, added, source, quality, crop_size, sum, "
                      "vector_sum, vector) "
                      "SELECT id, person_id, name, added, source, quality, crop_size, " PHOTO_SUM
                      ", " VECTOR_SUM ", vector "
                      "FROM (SELECT ?1 AS id, ?2 AS person_id, ?3 AS name, coalesce(?8, " NOW
                      ") AS added, ?5 AS source, ?6 AS quality, ?7 AS crop_size, "
                      "?4 AS vector)",
    [LK__ADD_CROP] = "INSERT INTO crops (photo_id, sum, jpeg) VALUES (?1, likeness_sum(?1, ?2), ?2)",
    [LK__REMOVE_PHOTO] = "DELETE FROM photos WHERE id = ?1 RETURNING person_id",
    [LK__REMOVE_PHOTOS] = "DELETE FROM photos WHERE person_id = ?1",
    [LK__REMOVE_PERSON] = "DELETE FROM people WHERE id = ?1",
    [LK__REMOVE_EMPTY] =
        "DELETE FROM people WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM photos WHERE person_id = ?1)",
    [LK__RENAME] =
        "UPDATE people SET name = ?2, sum = " PERSON_SUM("id", "?2", "added", "salt") " WHERE id = ?1",
    [LK__AUDIT_ADD] =
        "INSERT INTO audit (number, time, who, action, person_id, photo_id, name, probe, details, "
        "hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [LK__AUDIT_LAST] = "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1",
    [LK__AUDIT_HIGHEST] = "SELECT seq FROM sqlite_sequence WHERE name = 'audit'",
    [LK__AUDIT_ROWS] = "SELECT number, time, who, action, person_id, photo_id, name, probe, details, hash "
                       "FROM audit WHERE number > ?1 ORDER BY number LIMIT ?2",
    [LK__AUDIT_HASH] = "SELECT hash FROM audit WHERE number = ?1",
};

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

lk_status lk__sqlite_query(const lk__sqlite *s, lk__link *link, lk__query which, sqlite3_stmt **out,
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

lk_status lk__sqlite_run(const lk__sqlite *s, sqlite3_stmt *statement, int64_t *first, lk_error *err) {
    lk_status status = LK_OK;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW && first) *first = sqlite3_column_int64(statement, 0);
    while (code == SQLITE_ROW) code = sqlite3_step(statement);
    if (code != SQLITE_DONE) status = lk__sqlite_fail(s, &s->link, "write", err);
    sqlite3_reset(statement);
    return status;
}

void lk__sqlite_bind_text(sqlite3_stmt *statement, int at, const char *text) {
    sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

static void close_store(lk__store *store) {
    lk__sqlite *s = lk__sqlite_of(store);
    lk__sqlite_disconnect(&s->reader);
    lk__sqlite_disconnect(&s->link);
    free(s->store.name);
    free(s);
}

/* ---- transactions -------------------------------------------------------------------------------- */

/* IMMEDIATE: wait for another writer now, while waiting is still possible. */
static lk_status begin(lk__store *store, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    return lk__sqlite_exec(s, &s->link, "BEGIN IMMEDIATE", "write", err);
}

static lk_status commit(lk__store *store, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    lk_status status = lk__sqlite_exec(s, &s->link, "COMMIT", "write", err);
    if (status == LK_OK && s->erase &&
        sqlite3_wal_checkpoint_v2(s->link.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK)
        s->erase = false;
    return status;
}

static bool in_transaction(lk__store *store) {
    return !sqlite3_get_autocommit(lk__sqlite_of(store)->link.db);
}

static void rollback(lk__store *store) {
    if (in_transaction(store)) sqlite3_exec(lk__sqlite_of(store)->link.db, "ROLLBACK", NULL, NULL, NULL);
}

static lk_status mark(lk__store *store, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    return lk__sqlite_exec(s, &s->link, "SAVEPOINT change", "write", err);
}

static lk_status keep(lk__store *store, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    return lk__sqlite_exec(s, &s->link, "RELEASE change", "write", err);
}

static void undo(lk__store *store) {
    sqlite3_exec(lk__sqlite_of(store)->link.db, "ROLLBACK TO change; RELEASE change", NULL, NULL, NULL);
}

/* ---- changes ------------------------------------------------------------------------------------- */

static lk_status reserve(lk__store *store, size_t count, int64_t *first, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    sqlite3_stmt *next = NULL;
    (void)count; /* nobody else writes until they are used */
    lk_status status = lk__sqlite_query(s, &s->link, LK__NEXT_ID, &next, err);
    return status == LK_OK ? lk__sqlite_run(s, next, first, err) : status;
}

/* A statement of one id, and the first integer it returns (NULL: none is wanted). */
static lk_status run_id(lk__sqlite *s, lk__query which, int64_t id, int64_t *first, lk_error *err) {
    sqlite3_stmt *statement = NULL;
    lk_status status = lk__sqlite_query(s, &s->link, which, &statement, err);
    if (status != LK_OK) return status;
    sqlite3_bind_int64(statement, 1, id);
    return lk__sqlite_run(s, statement, first, err);
}

/* `person` gets whose it was; 0: there was no such photo. */
static lk_status delete_photo(lk__sqlite *s, int64_t id, int64_t *person, lk_error *err) {
    s->erase = true;
    *person = 0;
    return run_id(s, LK__REMOVE_PHOTO, id, person, err);
}

static lk_status add_person(lk__sqlite *s, const lk__photo *p, lk__added *added, lk_error *err) {
    sqlite3_stmt *statement = NULL;
    lk_status status = lk__sqlite_query(s, &s->link, LK__ADD_PERSON, &statement, err);
    if (status != LK_OK) return status;
    randombytes_buf(added->salt, sizeof added->salt);
    added->new_person = true;
    lk__sqlite_bind_text(statement, 1, p->person);
    sqlite3_bind_blob(statement, 2, added->salt, sizeof added->salt, SQLITE_STATIC);
    lk__sqlite_bind_text(statement, 3, p->person_added ? p->person_added : p->added);
    return lk__sqlite_run(s, statement, &added->person_id, err);
}

static lk_status add_crop(lk__sqlite *s, const lk__photo *p, lk_error *err) {
    sqlite3_stmt *statement = NULL;
    lk_status status = lk__sqlite_query(s, &s->link, LK__ADD_CROP, &statement, err);
    if (status != LK_OK) return status;
    sqlite3_bind_int64(statement, 1, p->id);
    sqlite3_bind_blob64(statement, 2, p->crop, p->crop_size, SQLITE_STATIC);
    return lk__sqlite_run(s, statement, NULL, err);
}

static lk_status add_one(lk__sqlite *s, const lk__photo *p, lk__added *added, lk_error *err) {
    sqlite3_stmt *statement = NULL;
    int64_t whose = 0;
    *added = (lk__added){.person_id = 0};
    lk_status status = lk__sqlite_find_person(s, p->person, &added->person_id, added->salt, err);
    if (status == LK_OK && !added->person_id)
        status = add_person(s, p, added, err);
    else if (status == LK_OK)
        status = lk__sqlite_find(&s->store, p->person, p->name, &added->replaced, err);
    if (status == LK_OK && added->replaced) status = delete_photo(s, added->replaced, &whose, err);
    if (status == LK_OK) status = lk__sqlite_query(s, &s->link, LK__ADD_PHOTO, &statement, err);
    if (status != LK_OK) return status;
    sqlite3_bind_int64(statement, 1, p->id);
    sqlite3_bind_int64(statement, 2, added->person_id);
    lk__sqlite_bind_text(statement, 3, p->name);
    sqlite3_bind_blob64(statement, 4, p->vector, p->vector_size, SQLITE_STATIC);
    lk__sqlite_bind_text(statement, 5, p->source);
    sqlite3_bind_double(statement, 6, p->quality); /* SQLite makes NaN NULL */
    sqlite3_bind_int64(statement, 7, p->crop ? (int64_t)p->crop_size : 0);
    lk__sqlite_bind_text(statement, 8, p->added);
    status = lk__sqlite_run(s, statement, NULL, err);
    return status == LK_OK && p->crop ? add_crop(s, p, err) : status;
}

static lk_status add(lk__store *store, const lk__photo *photos, size_t count, lk__added *added,
                     lk_error *err) {
    lk_status status = LK_OK;
    for (size_t i = 0; i < count && status == LK_OK; i++)
        status = add_one(lk__sqlite_of(store), &photos[i], &added[i], err);
    return status;
}

static lk_status remove_person(lk__store *store, int64_t id, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    s->erase = true;
    lk_status status = run_id(s, LK__REMOVE_PHOTOS, id, NULL, err);
    if (status == LK_OK) status = run_id(s, LK__REMOVE_PERSON, id, NULL, err);
    if (status == LK_OK && sqlite3_changes64(s->link.db) == 0)
        status = lk__fail(err, LK_NOT_FOUND, "%s: there is no person %lld", s->store.name, (long long)id);
    return status;
}

static lk_status remove_photo(lk__store *store, int64_t id, int64_t *person_id, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    lk_status status = delete_photo(s, id, person_id, err);
    if (status == LK_OK && !*person_id) status = lk__sqlite_no_photo(s, id, err);
    return status == LK_OK ? run_id(s, LK__REMOVE_EMPTY, *person_id, NULL, err) : status;
}

static lk_status rename_person(lk__store *store, int64_t id, const char *name, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    sqlite3_stmt *statement = NULL;
    lk_status status = lk__sqlite_query(s, &s->link, LK__RENAME, &statement, err);
    if (status != LK_OK) return status;
    s->erase = true; /* the old name */
    sqlite3_bind_int64(statement, 1, id);
    lk__sqlite_bind_text(statement, 2, name);
    int code = sqlite3_step(statement);
    if (code != SQLITE_DONE && sqlite3_extended_errcode(s->link.db) == SQLITE_CONSTRAINT_UNIQUE)
        status = lk__fail(err, LK_INVALID, "%s: somebody is called \"%.200s\" already", s->store.name, name);
    else if (code != SQLITE_DONE)
        status = lk__sqlite_fail(s, &s->link, "write", err);
    sqlite3_reset(statement);
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
    .audit_add = lk__sqlite_audit_add,
    .counts = lk__sqlite_counts,
    .people = lk__sqlite_people,
    .photos = lk__sqlite_photos,
    .person = lk__sqlite_person,
    .find = lk__sqlite_find,
    .photo = lk__sqlite_photo,
    .audit_last = lk__sqlite_audit_last,
    .audit_rows = lk__sqlite_audit_rows,
    .check = lk__sqlite_check,
    .ends = lk__sqlite_ends,
    .changes = lk__sqlite_changes,
    .passed = lk__sqlite_passed,
    .names = lk__sqlite_names,
    .backup = lk__sqlite_backup,
};
