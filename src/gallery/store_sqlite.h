/* store_sqlite.h: what the files of the store on SQLite share.
 *
 *   store_sqlite.c          all the SQL that runs after opening
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
    LK__NEXT_ID,
    LK__ADD_PERSON,
    LK__ADD_PHOTO,
    LK__ADD_CROP,
    LK__REMOVE_PHOTO,
    LK__REMOVE_PHOTOS,
    LK__REMOVE_PERSON,
    LK__REMOVE_EMPTY,
    LK__RENAME,
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

/* store_sqlite_schema.c */
lk_status lk__sqlite_schema_write(const lk__sqlite *s, const lk_vector_kind *kind, lk_error *err);
/* FORMAT: not ours, or newer. An older one is brought up to date, if the store may be written. */
lk_status lk__sqlite_schema_check(const lk__sqlite *s, lk_error *err);
/* Into s->store.info. FORMAT: damaged. */
lk_status lk__sqlite_info_read(lk__sqlite *s, lk_error *err);

#endif
