/* store_sqlite.h: what the files of the store on SQLite share.
 *
 *   store_sqlite.c          the SQL that runs after opening; transactions and changes
 *   store_sqlite_read.c     looking and searching
 *   store_sqlite_audit.c    the rows of the audit
 *   store_sqlite_sum.c      by which a row says whether it is as it was written
 *   store_sqlite_check.c    is the file sound?
 *   store_sqlite_open.c     making a file, opening one, and what must hold before it is believed
 *   store_sqlite_schema.c   the schema, and how older ones become this one */
#ifndef LK_STORE_SQLITE_H
#define LK_STORE_SQLITE_H

#include "gallery/gallery.h"

#include <sqlite3.h>

enum {
    LK__SQLITE_ID = 0x6c6b6761, /* "lkga": application_id */
    LK__SQLITE_SCHEMA = 2,      /* user_version */
};

/* Every statement that runs more than once; prepared at first use (store_sqlite.c has the SQL). */
typedef enum lk__query {
    LK__COUNTS,
    LK__ENDS,
    LK__REMOVED_AFTER,
    LK__PHOTOS_AFTER,
    LK__NAME,
    LK__PEOPLE,
    LK__PHOTOS,
    LK__PHOTOS_OF,
    LK__PHOTO,
    LK__FIND,
    LK__PERSON,
    LK__ALL_PEOPLE,
    LK__ALL_PHOTOS,
    LK__NEXT_ID,
    LK__ADD_PERSON,
    LK__ADD_PHOTO,
    LK__ADD_CROP,
    LK__REMOVE_PHOTO,
    LK__REMOVE_PHOTOS,
    LK__REMOVE_PERSON,
    LK__REMOVE_EMPTY,
    LK__RENAME,
    LK__AUDIT_ADD,
    LK__AUDIT_LAST,
    LK__AUDIT_HIGHEST,
    LK__AUDIT_ROWS,
    LK__AUDIT_HASH,
    LK__QUERIES
} lk__query;

typedef struct lk__link {
    sqlite3 *db; /* NULL: not connected */
    sqlite3_stmt *statements[LK__QUERIES];
} lk__link;

typedef struct lk__sqlite {
    lk__store store;
    lk__link link;   /* of everything but searching */
    lk__link reader; /* of searching */
    bool erase;      /* removed bytes may still lie in the write-ahead log */
} lk__sqlite;

extern const lk__store_ops lk__sqlite_ops;

/* store_sqlite.c */
lk_status lk__sqlite_fail(const lk__sqlite *s, const lk__link *link, const char *doing, lk_error *err);
lk_status lk__sqlite_exec(const lk__sqlite *s, const lk__link *link, const char *sql, const char *doing,
                          lk_error *err);
void lk__sqlite_disconnect(lk__link *link); /* undoes an open transaction */

/* A statement ready to bind and step; reset it when done, or its read lock stays. */
lk_status lk__sqlite_query(const lk__sqlite *s, lk__link *link, lk__query which, sqlite3_stmt **out,
                           lk_error *err);
/* One of s->link to its end; `first` (may be NULL) gets the first row's integer and stays as it is without a
 * row. */
lk_status lk__sqlite_run(const lk__sqlite *s, sqlite3_stmt *statement, int64_t *first, lk_error *err);
/* Reset a statement that was walked; what stepping it last gave becomes an error if nothing else was one. */
lk_status lk__sqlite_finish(const lk__sqlite *s, const lk__link *link, sqlite3_stmt *statement, int code,
                            lk_status status, lk_error *err);
void lk__sqlite_bind_text(sqlite3_stmt *statement, int at, const char *text);
const char *lk__sqlite_text(sqlite3_stmt *row, int column);

static inline lk__sqlite *lk__sqlite_of(lk__store *store) {
    return (lk__sqlite *)store;
}

/* store_sqlite_read.c */
/* NOT_FOUND; or FORMAT: it may be lost with a damaged page. */
lk_status lk__sqlite_no_photo(lk__sqlite *s, int64_t id, lk_error *err);
/* *id 0: nobody. */
lk_status lk__sqlite_find_person(lk__sqlite *s, const char *name, int64_t *id, uint8_t *salt, lk_error *err);
/* As in lk__store_ops. */
lk_status lk__sqlite_counts(lk__store *store, size_t *people, size_t *photos, lk_error *err);
lk_status lk__sqlite_people(lk__store *store, const char *after, size_t limit, lk__person_fn fn,
                            void *context, lk_error *err);
lk_status lk__sqlite_photos(lk__store *store, const char *person, int64_t after, size_t limit,
                            lk__photo_fn fn, void *context, lk_error *err);
lk_status lk__sqlite_person(lk__store *store, const char *name, int64_t *id, uint8_t *salt, lk_error *err);
lk_status lk__sqlite_find(lk__store *store, const char *person, const char *photo, int64_t *id,
                          lk_error *err);
lk_status lk__sqlite_photo(lk__store *store, int64_t id, lk__photo_fn fn, void *context, lk_error *err);
lk_status lk__sqlite_ends(lk__store *store, lk__cursors *out, lk_error *err);
lk_status lk__sqlite_changes(lk__store *store, lk__cursors from, lk__removed_fn removed, lk__photo_fn added,
                             void *context, lk__moment *to, lk_error *err);
lk_status lk__sqlite_names(lk__store *store, const int64_t *ids, size_t count, lk__photo_fn fn, void *context,
                           lk_error *err);

/* store_sqlite_audit.c */
lk_status lk__sqlite_audit_head(lk__sqlite *s, lk__link *link, int64_t *number, uint8_t *hash, lk_error *err);
lk_status lk__sqlite_audit_add(lk__store *store, const lk__audit_row *rows, size_t count, lk_error *err);
lk_status lk__sqlite_audit_last(lk__store *store, int64_t *number, uint8_t *hash, int64_t *highest,
                                lk_error *err);
lk_status lk__sqlite_audit_rows(lk__store *store, int64_t after, size_t limit, lk__audit_fn fn, void *context,
                                lk_error *err);
lk_status lk__sqlite_passed(lk__store *store, const lk__moment *moment, bool *yes, lk_error *err);

/* store_sqlite_sum.c; an SQLite code */
int lk__sqlite_sum_register(sqlite3 *db);

/* store_sqlite_check.c, store_sqlite_open.c */
lk_status lk__sqlite_check(lk__store *store, lk__finding_fn fn, void *context, lk_error *err);
lk_status lk__sqlite_backup(lk__store *store, const char *path, lk_error *err);

/* store_sqlite_schema.c */
lk_status lk__sqlite_schema_write(const lk__sqlite *s, const lk_vector_kind *kind, const uint8_t *seal_check,
                                  lk_error *err);
/* FORMAT: not ours, or newer. An older one is brought up to date, if the store may be written. */
lk_status lk__sqlite_schema_check(const lk__sqlite *s, lk_error *err);
/* Into s->store.info. FORMAT: damaged. */
lk_status lk__sqlite_info_read(lk__sqlite *s, lk_error *err);

#endif
