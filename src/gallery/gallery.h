/* gallery.h: what the files of this room share.
 *
 *   open.c     making, opening and checking the file; the schema
 *   store.c    transactions, add, remove, listing: everything that runs SQL
 *   search.c   the copy of all vectors in memory, and the scan for the closest
 *   dot.c      one probe against many rows, for each kind of processor
 *
 * A gallery knows vectors and names. Nothing here knows what a face is. */
#ifndef LK_GALLERY_H
#define LK_GALLERY_H

#include "base/base.h"

#include <pthread.h>
#include <sqlite3.h>

enum {
    LK__BUSY_MS = 5000,      /* how long to wait for another process before BUSY */
    LK__PERSON_BYTES = 255,  /* longest person's name */
    LK__PHOTO_BYTES = 4095,  /* longest photo name: a path */
    LK__DIM_LIMIT = 1 << 16, /* longest vector */
};

/* Every statement that runs more than once; prepared at first use (store.c has the SQL). */
typedef enum lk__query {
    LK__DATA_VERSION,
    LK__REVISION,
    LK__COUNTS,
    LK__ROWS_AFTER,
    LK__PEOPLE,
    LK__ADD_PERSON,
    LK__ADD_PHOTO,
    LK__REMOVE_PHOTOS,
    LK__REMOVE_PERSON,
    LK__QUERIES
} lk__query;

typedef struct lk__rows lk__rows; /* search.c */

struct lk_gallery {
    pthread_mutex_t
        lock; /* guards all below but path, read_only and info, which never change after opening */
    char *path;
    bool read_only;
    lk_gallery_info info; /* people and photos are not kept here */
    sqlite3 *db;
    sqlite3_stmt *statements[LK__QUERIES];
    bool in_transaction; /* between begin and commit */
    bool erase;          /* removed vectors may still lie in the write-ahead log */
    /* The copy in memory and what it was made from. */
    lk__rows *rows; /* NULL: none */
    size_t row_count;
    int64_t revision;     /* of the file: moves when rows change or go, not when rows are added */
    int64_t data_version; /* SQLite's: moves when another connection has committed */
    bool changed;         /* by this connection, which data_version does not tell */
};

/* store.c */
lk_status lk__gallery_fail(const lk_gallery *gallery, const char *doing, lk_error *err);
lk_status lk__gallery_exec(lk_gallery *gallery, const char *sql, const char *doing, lk_error *err);
/* A statement ready to bind and step; reset it when done, or its read lock stays. */
lk_status lk__gallery_query(lk_gallery *gallery, lk__query query, sqlite3_stmt **out, lk_error *err);
/* The single integer that a query gives. */
lk_status lk__gallery_integer(lk_gallery *gallery, lk__query query, int64_t *out, lk_error *err);
/* Move what was removed out of the write-ahead log and shorten that to nothing. */
void lk__gallery_erase(lk_gallery *gallery);
/* Non-empty UTF-8 without control characters, at most `limit` bytes. */
bool lk__name_valid(const char *name, size_t limit);

/* search.c */
bool lk__unit_vector(const float *vector, int dim); /* finite, and |norm - 1| < 1e-3 */
void lk__rows_drop(lk_gallery *gallery);

/* dot.c: out (count) = rows (count, stride) . probe (stride); stride a multiple of 16, rows and probe 64-byte
 * aligned. Every kind of processor gives the same bits. */
typedef void (*lk__dot)(const float *rows, size_t count, size_t stride, const float *probe, float *out);
enum { LK__DOT_PLAIN, LK__DOT_AVX2, LK__DOT_AVX512, LK__DOT_KINDS };
lk__dot lk__dot_kind(int kind); /* NULL: this processor cannot */
lk__dot lk__dot_best(void);

#endif
