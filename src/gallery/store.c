/* store.c: what a gallery keeps, and how it changes: all the SQL that runs after opening.
 *
 * Durability is SQLite's: a write-ahead log, synchronous FULL, one transaction for each change or for all
 * changes between begin and commit. Whatever stops the program, the file holds every committed change and
 * nothing of the others. Removal is meant: freed bytes are overwritten (secure_delete) and the log is emptied
 * into the file. */
#include "gallery/gallery.h"

#include <stdlib.h>
#include <string.h>

#define NOW "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')"

static const char *const queries[LK__QUERIES] = {
    [LK__DATA_VERSION] = "PRAGMA data_version",
    [LK__REVISION] = "SELECT value FROM info WHERE key = 'revision'",
    [LK__COUNTS] = "SELECT (SELECT count(*) FROM people), (SELECT count(*) FROM photos)",
    /* CROSS JOIN keeps SQLite from walking by people, which would have to sort. */
    [LK__ROWS_AFTER] = "SELECT photos.id, people.name, photos.name, vector FROM photos CROSS JOIN people "
                       "ON people.id = person_id WHERE photos.id > ?1 ORDER BY photos.id",
    [LK__PEOPLE] =
        "SELECT people.name, people.added, count(*) FROM people JOIN photos ON person_id = people.id "
        "GROUP BY people.id ORDER BY people.name",
    [LK__ADD_PERSON] = "INSERT INTO people (name, added) VALUES (?1, " NOW ") ON CONFLICT (name) DO NOTHING",
    [LK__ADD_PHOTO] =
        "INSERT INTO photos (person_id, name, vector, added) "
        "VALUES ((SELECT id FROM people WHERE name = ?1), ?2, ?3, " NOW ") "
        "ON CONFLICT (person_id, name) DO UPDATE SET vector = excluded.vector, added = excluded.added "
        "RETURNING id",
    [LK__REMOVE_PHOTOS] = "DELETE FROM photos WHERE person_id = (SELECT id FROM people WHERE name = ?1)",
    [LK__REMOVE_PERSON] = "DELETE FROM people WHERE name = ?1",
};

/* ---- SQLite ------------------------------------------------------------------------------------- */

lk_status lk__gallery_fail(const lk_gallery *g, const char *doing, lk_error *err) {
    int code = sqlite3_extended_errcode(g->db), number = sqlite3_system_errno(g->db);
    const char *text = sqlite3_errmsg(g->db);
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return lk__fail(err, LK_BUSY, "%s: another process has been writing to it for %d seconds; try again",
                        g->path, LK__BUSY_MS / 1000);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return lk__fail(err, LK_FORMAT, "%s: the gallery is damaged (%s); restore a copy", g->path, text);
    case SQLITE_NOMEM: return lk__fail(err, LK_NO_MEMORY, "%s: out of memory, cannot %s", g->path, doing);
    case SQLITE_FULL:
        return lk__fail(err, LK_IO,
                        "%s: cannot %s: the disk is full; free some space and run it again, nothing was lost",
                        g->path, doing);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return lk__fail(err, LK_IO, "%s: cannot %s: %s%s%s; the gallery is as it was before", g->path, doing,
                        text, number ? ": " : "", number ? strerror(number) : "");
    default: return lk__fail(err, LK_INTERNAL, "%s: cannot %s: %s (SQLite %d)", g->path, doing, text, code);
    }
}

lk_status lk__gallery_exec(lk_gallery *g, const char *sql, const char *doing, lk_error *err) {
    return sqlite3_exec(g->db, sql, NULL, NULL, NULL) == SQLITE_OK ? LK_OK : lk__gallery_fail(g, doing, err);
}

lk_status lk__gallery_query(lk_gallery *g, lk__query query, sqlite3_stmt **out, lk_error *err) {
    sqlite3_stmt **statement = &g->statements[query];
    if (!*statement && sqlite3_prepare_v3(g->db, queries[query], -1, SQLITE_PREPARE_PERSISTENT, statement,
                                          NULL) != SQLITE_OK)
        return lk__gallery_fail(g, "read", err);
    sqlite3_reset(*statement);
    sqlite3_clear_bindings(*statement);
    *out = *statement;
    return LK_OK;
}

lk_status lk__gallery_integer(lk_gallery *g, lk__query query, int64_t *out, lk_error *err) {
    sqlite3_stmt *s = NULL;
    lk_status status = lk__gallery_query(g, query, &s, err);
    if (status != LK_OK) return status;
    if (sqlite3_step(s) == SQLITE_ROW)
        *out = sqlite3_column_int64(s, 0);
    else
        status = lk__gallery_fail(g, "read", err);
    sqlite3_reset(s);
    return status;
}

/* Step a statement with its name bound as ?1 to its end; `first` (may be NULL) gets the first row's integer.
 */
static lk_status run(lk_gallery *g, sqlite3_stmt *s, const char *person, int64_t *first, lk_error *err) {
    lk_status status = LK_OK;
    int code = sqlite3_bind_text(s, 1, person, -1, SQLITE_STATIC);
    if (code == SQLITE_OK) code = sqlite3_step(s);
    if (code == SQLITE_ROW && first) *first = sqlite3_column_int64(s, 0);
    if (code == SQLITE_ROW) code = sqlite3_step(s);
    if (code != SQLITE_DONE) status = lk__gallery_fail(g, "write", err);
    sqlite3_reset(s);
    return status;
}

/* ---- transactions -------------------------------------------------------------------------------- */

static lk_status writable(const lk_gallery *g, lk_error *err) {
    if (g->read_only)
        return lk__fail(err, LK_INVALID, "%s: the gallery was opened for reading only", g->path);
    /* SQLite undoes a whole transaction when the disk is full. */
    if (g->in_transaction && sqlite3_get_autocommit(g->db))
        return lk__fail(err, LK_IO,
                        "%s: an earlier error undid the whole transaction; roll back and begin again",
                        g->path);
    return LK_OK;
}

/* One change is a transaction of its own or, between begin and commit, a savepoint. */
static lk_status change_begin(lk_gallery *g, lk_error *err) {
    lk_status status = writable(g, err);
    if (status != LK_OK) return status;
    /* IMMEDIATE: wait for another writer now, while waiting is still possible. */
    return lk__gallery_exec(g, g->in_transaction ? "SAVEPOINT change" : "BEGIN IMMEDIATE", "write", err);
}

static lk_status change_end(lk_gallery *g, lk_status status, lk_error *err) {
    if (status == LK_OK)
        status = lk__gallery_exec(g, g->in_transaction ? "RELEASE change" : "COMMIT", "write", err);
    if (status == LK_OK) {
        g->changed = true;
        if (!g->in_transaction) lk__gallery_erase(g);
        return LK_OK;
    }
    if (sqlite3_get_autocommit(g->db))
        lk__rows_drop(g); /* SQLite undid all of it, also what a search has seen */
    else
        sqlite3_exec(g->db, g->in_transaction ? "ROLLBACK TO change; RELEASE change" : "ROLLBACK", NULL, NULL,
                     NULL);
    return status;
}

/* If another process is reading, the log cannot be emptied now: tried again after the next change; at the
 * latest, closing the last connection does it. */
void lk__gallery_erase(lk_gallery *g) {
    if (g->erase &&
        sqlite3_wal_checkpoint_v2(g->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK)
        g->erase = false;
}

lk_status lk_gallery_begin(lk_gallery *g, lk_error *err) {
    pthread_mutex_lock(&g->lock);
    lk_status status =
        g->in_transaction
            ? lk__fail(err, LK_INVALID, "%s: a transaction is already open; commit it first", g->path)
            : writable(g, err);
    if (status == LK_OK) status = lk__gallery_exec(g, "BEGIN IMMEDIATE", "write", err);
    if (status == LK_OK) g->in_transaction = true;
    pthread_mutex_unlock(&g->lock);
    return status;
}

static void undo(lk_gallery *g) {
    if (!sqlite3_get_autocommit(g->db)) sqlite3_exec(g->db, "ROLLBACK", NULL, NULL, NULL);
    g->in_transaction = false;
    lk__rows_drop(g);
}

lk_status lk_gallery_commit(lk_gallery *g, lk_error *err) {
    pthread_mutex_lock(&g->lock);
    lk_status status = g->in_transaction ? writable(g, err)
                                         : lk__fail(err, LK_INVALID, "%s: no transaction is open", g->path);
    if (status == LK_OK) status = lk__gallery_exec(g, "COMMIT", "write", err);
    if (status == LK_OK) {
        g->in_transaction = false;
        lk__gallery_erase(g);
    } else if (g->in_transaction) {
        undo(g);
    }
    pthread_mutex_unlock(&g->lock);
    return status;
}

void lk_gallery_rollback(lk_gallery *g) {
    if (!g) return;
    pthread_mutex_lock(&g->lock);
    if (g->in_transaction) undo(g);
    pthread_mutex_unlock(&g->lock);
}

/* ---- changes ------------------------------------------------------------------------------------- */

/* Decode one character from *at, move past it; UINT32_MAX when it is not UTF-8 (RFC 3629). */
static uint32_t decode(const unsigned char **at) {
    static const uint32_t least[] = {0, 0x80, 0x800,
                                     0x10000}; /* what needs so many more bytes: no overlong forms */
    const unsigned char *c = *at;
    int more = *c < 0x80 ? 0 : *c < 0xc0 ? -1 : *c < 0xe0 ? 1 : *c < 0xf0 ? 2 : *c < 0xf8 ? 3 : -1;
    if (more < 0) return UINT32_MAX;
    uint32_t point = more == 0 ? *c : *c & (0x3fu >> more);
    for (int i = 1; i <= more; i++) {
        if ((c[i] & 0xc0) != 0x80) return UINT32_MAX;
        point = point << 6 | (c[i] & 0x3fu);
    }
    *at = c + 1 + more;
    return point < least[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000) ? UINT32_MAX
                                                                                          : point;
}

bool lk__name_valid(const char *name, size_t limit) {
    const unsigned char *at = (const unsigned char *)name;
    if (!name || !*name || strlen(name) > limit) return false;
    while (*at) {
        uint32_t point = decode(&at);
        if (point == UINT32_MAX || point < 0x20 || (point >= 0x7f && point < 0xa0)) return false;
    }
    return true;
}

lk_status lk_gallery_add(lk_gallery *g, const char *person, const char *photo, const float *vector,
                         int64_t *photo_id, lk_error *err) {
    int dim = g->info.dim;
    int64_t id = 0;
    sqlite3_stmt *add_person = NULL, *add_photo = NULL;
    if (!lk__name_valid(person, LK__PERSON_BYTES))
        return lk__fail(
            err, LK_INVALID,
            "%s: \"%.100s\" cannot be a person's name: 1 to %d bytes of UTF-8 without control characters",
            g->path, person ? person : "", LK__PERSON_BYTES);
    if (!lk__name_valid(photo, LK__PHOTO_BYTES))
        return lk__fail(
            err, LK_INVALID,
            "%s: \"%.100s\" cannot be a photo's name: 1 to %d bytes of UTF-8 without control characters",
            g->path, photo ? photo : "", LK__PHOTO_BYTES);
    if (!lk__unit_vector(vector, dim))
        return lk__fail(err, LK_INVALID, "%s: the vector of \"%.100s\" does not have length 1", g->path,
                        photo);
    pthread_mutex_lock(&g->lock);
    lk_status status = change_begin(g, err);
    if (status == LK_OK) {
        status = lk__gallery_query(g, LK__ADD_PERSON, &add_person, err);
        if (status == LK_OK) status = run(g, add_person, person, NULL, err);
        if (status == LK_OK) status = lk__gallery_query(g, LK__ADD_PHOTO, &add_photo, err);
        if (status == LK_OK) {
            sqlite3_bind_text(add_photo, 2, photo, -1, SQLITE_STATIC);
            sqlite3_bind_blob(add_photo, 3, vector, dim * (int)sizeof *vector, SQLITE_STATIC);
            status = run(g, add_photo, person, &id, err);
        }
        status = change_end(g, status, err);
    }
    pthread_mutex_unlock(&g->lock);
    if (status == LK_OK && photo_id) *photo_id = id;
    return status;
}

lk_status lk_gallery_remove(lk_gallery *g, const char *person, size_t *photos_removed, lk_error *err) {
    size_t photos = 0;
    sqlite3_stmt *s = NULL;
    pthread_mutex_lock(&g->lock);
    lk_status status = change_begin(g, err);
    if (status == LK_OK) {
        status = lk__gallery_query(g, LK__REMOVE_PHOTOS, &s, err);
        if (status == LK_OK) status = run(g, s, person, NULL, err);
        if (status == LK_OK) photos = (size_t)sqlite3_changes64(g->db);
        if (status == LK_OK) status = lk__gallery_query(g, LK__REMOVE_PERSON, &s, err);
        if (status == LK_OK) status = run(g, s, person, NULL, err);
        if (status == LK_OK && sqlite3_changes64(g->db) == 0)
            status = lk__fail(err, LK_NOT_FOUND, "%s: nobody is called \"%.200s\"", g->path, person);
        if (status == LK_OK) g->erase = true;
        status = change_end(g, status, err);
    }
    pthread_mutex_unlock(&g->lock);
    if (status == LK_OK && photos_removed) *photos_removed = photos;
    return status;
}

/* ---- looking ------------------------------------------------------------------------------------- */

lk_status lk_gallery_get_info(const lk_gallery *gallery, lk_gallery_info *info, lk_error *err) {
    lk_gallery *g = (lk_gallery *)gallery; /* the lock and the statements are no part of what a caller sees */
    sqlite3_stmt *s = NULL;
    lk_gallery_info now = g->info;
    pthread_mutex_lock(&g->lock);
    lk_status status = lk__gallery_query(g, LK__COUNTS, &s, err);
    if (status == LK_OK) {
        if (sqlite3_step(s) == SQLITE_ROW) {
            now.people = (size_t)sqlite3_column_int64(s, 0);
            now.photos = (size_t)sqlite3_column_int64(s, 1);
        } else {
            status = lk__gallery_fail(g, "read", err);
        }
        sqlite3_reset(s);
    }
    pthread_mutex_unlock(&g->lock);
    if (status == LK_OK) *info = now;
    return status;
}

typedef struct person {
    char *name, *added;
    size_t photos;
} person;

typedef struct people {
    person *items;
    size_t count, room;
} people;

static lk_status people_append(lk_gallery *g, people *list, sqlite3_stmt *s, lk_error *err) {
    const char *name = (const char *)sqlite3_column_text(s, 0),
               *added = (const char *)sqlite3_column_text(s, 1);
    if (!name || !added) return lk__gallery_fail(g, "read", err);
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        person *grown = realloc(list->items, room * sizeof *grown);
        if (!grown) return lk__fail_memory(err, room * sizeof *grown, "a list of people");
        list->items = grown;
        list->room = room;
    }
    person p = {strdup(name), strdup(added), (size_t)sqlite3_column_int64(s, 2)};
    list->items[list->count++] = p;
    return p.name && p.added ? LK_OK : lk__fail_memory(err, strlen(name), "a list of people");
}

lk_status lk_gallery_each_person(const lk_gallery *gallery, lk_gallery_person_fn fn, void *context,
                                 lk_error *err) {
    lk_gallery *g = (lk_gallery *)gallery;
    sqlite3_stmt *s = NULL;
    people list = {NULL, 0, 0};
    /* All of them first: the callback may then use the gallery, even change it. */
    pthread_mutex_lock(&g->lock);
    lk_status status = lk__gallery_query(g, LK__PEOPLE, &s, err);
    if (status == LK_OK) {
        int code;
        while ((code = sqlite3_step(s)) == SQLITE_ROW && status == LK_OK)
            status = people_append(g, &list, s, err);
        if (status == LK_OK && code != SQLITE_DONE) status = lk__gallery_fail(g, "read", err);
        sqlite3_reset(s);
    }
    pthread_mutex_unlock(&g->lock);
    for (size_t i = 0; i < list.count && status == LK_OK; i++)
        if (fn(context, list.items[i].name, list.items[i].photos, list.items[i].added)) break;
    for (size_t i = 0; i < list.count; i++) {
        free(list.items[i].name);
        free(list.items[i].added);
    }
    free(list.items);
    return status;
}
