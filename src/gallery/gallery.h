/* gallery.h: what the files of this room share.
 *
 *   gallery.c            open, close, transactions, changes: rules that hold for every store
 *   list.c               looking: people, photos, crops
 *   search.c             searches: the index follows the store, then names are looked up
 *   name.c               what may be a name
 *   index.h, index.c     the copy of all vectors in memory, and the scan for the closest
 *   dot.c                one probe against many rows, for each kind of processor
 *   store.h, store.c     what a store must do, and which there are
 *   store_sqlite*.c      the store on SQLite
 *
 * A gallery knows vectors and names. Nothing here knows what a face is. */
#ifndef LK_GALLERY_H
#define LK_GALLERY_H

#include "base/base.h"
#include "gallery/index.h"
#include "gallery/store.h"

#include <pthread.h>

enum {
    LK__BUSY_MS = 5000,       /* how long to wait for another process before BUSY */
    LK__PERSON_BYTES = 255,   /* longest person's name */
    LK__PHOTO_BYTES = 4095,   /* longest photo name: a path */
    LK__CROP_BYTES = 1 << 24, /* largest crop */
    LK__DIM_LIMIT = 1 << 16,  /* longest vector */
};

struct lk_gallery {
    char *path;           /* or address; as errors call it */
    lk_gallery_info info; /* people and photos are not kept here */
    lk__store *store;

    pthread_mutex_t lock; /* guards the next, and the store but for searching */
    bool in_transaction;  /* between begin and commit */

    pthread_mutex_t follow; /* guards searching in the store, and what the index has seen of it */
    lk__index *index;       /* its own lock; never replaced */
    lk__cursors seen;
};

/* Non-empty UTF-8 without control characters, at most `limit` bytes. */
bool lk__name_valid(const char *name, size_t limit);
bool lk__time_valid(const char *text);              /* "2026-11-28T03:04:05Z" */
bool lk__unit_vector(const float *vector, int dim); /* finite, and |norm - 1| < 1e-3 */

/* gallery.c: the vector of a stored photo, checked before it is believed. FORMAT: damaged. */
lk_status lk__gallery_vector(const lk_gallery *gallery, const lk__photo *photo, float *out, lk_error *err);

/* The same, within a transaction, under the ids that the photos had elsewhere (rising), if no photo was ever
 * in the gallery before; else under new ones. `state` begins as zeros. */
typedef struct lk__restore {
    bool begun, keep;
    int64_t last; /* id that was kept */
} lk__restore;
lk_status lk__gallery_restore(lk_gallery *gallery, const lk_enrollment *photos, const int64_t *ids,
                              size_t count, lk__restore *state, lk_error *err);

#endif
