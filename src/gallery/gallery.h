/* gallery.h: what the files of this room share.
 *
 *   gallery.c            open, close, transactions, changes: rules that hold for every store
 *   list.c               looking: people, photos, crops
 *   search.c             searches: the index follows the store, then names are looked up
 *   search_store.c       searches by a store that can itself
 *   audit.c              the account of what was done: writing its rows, each chained to the one before
 *   audit_verify.c       reading it, and saying what does not hold
 *   check.c              is it sound? and a copy of it
 *   seal.c               encryption of vectors and crops
 *   name.c               what may be a name
 *   index.h, index.c     the copy of all vectors in memory; rows.h has its inside
 *   scan.c, top.c        the closest of them, exactly
 *   codes.h, codes*.c    4 bits a number and what they may hide: the first pass
 *   dot.c                one probe against many rows, for each kind of processor
 *   index_file.c         the copy as a file;  beside.c when that is read and written
 *   store.h, store.c     what a store must do, and which there are
 *   store_sqlite*.c      the store on SQLite
 *   store_pg*.c          the store on PostgreSQL
 *
 * A gallery knows vectors and names. Nothing here knows what a face is. */
#ifndef LK_GALLERY_H
#define LK_GALLERY_H

#include "base/base.h"
#include "gallery/index.h"
#include "gallery/index_file.h"
#include "gallery/store.h"

#include <pthread.h>

enum {
    LK__BUSY_MS = 5000,       /* how long to wait for another process before BUSY */
    LK__PERSON_BYTES = 255,   /* longest person's name */
    LK__PHOTO_BYTES = 4095,   /* longest photo name: a path */
    LK__CROP_BYTES = 1 << 24, /* largest crop */
    LK__DIM_LIMIT = 1 << 16,  /* longest vector */
    LK__WHO_BYTES = 127,      /* longest name of who acts */
    LK__ACTION_BYTES = 32,    /* longest action of the audit */
};

struct lk_gallery {
    char *path;           /* or address; as errors call it */
    lk_gallery_info info; /* people and photos are not kept here */
    lk__store *store;
    uint8_t key[LK_GALLERY_KEY_BYTES]; /* of an encrypted gallery */

    pthread_mutex_t lock; /* guards the next two, and the store but for searching */
    bool in_transaction;  /* between begin and commit */
    char who[LK__WHO_BYTES + 1];

    pthread_mutex_t follow; /* guards searching in the store, and what the index has seen of it */
    lk__index *index;       /* its own lock; never replaced */
    lk__moment seen;
    bool beside_tried, beside_damaged; /* the file beside the gallery */
};

/* Non-empty UTF-8 without control characters, at most `limit` bytes. */
bool lk__name_valid(const char *name, size_t limit);
bool lk__time_valid(const char *text);              /* "2026-11-28T03:04:05Z" */
bool lk__unit_vector(const float *vector, int dim); /* finite, and |norm - 1| < 1e-3 */

/* gallery.c: a change of the caller's is a transaction of its own or goes to a mark; the lock is held. */
lk_status lk__change_begin(lk_gallery *gallery, lk_error *err);
lk_status lk__change_end(lk_gallery *gallery, lk_status status, lk_error *err);

/* audit.c, within a transaction and with the lock held. Numbers, times, who (where NULL) and hashes of the
 * rows are filled in. */
lk_status lk__audit_append(lk_gallery *gallery, lk__audit_row *rows, size_t count, lk_error *err);
/* The first row of a gallery that has none. */
lk_status lk__audit_begin(lk_gallery *gallery, lk_error *err);
void lk__audit_who(char who[LK__WHO_BYTES + 1]); /* user@machine */
/* What stands for a name: nothing can be told from it without the salt. */
void lk__audit_name(const uint8_t *salt, const char *name, uint8_t *hash);
/* What the first row is chained to, and each row's hash from the one before. */
void lk__audit_origin(const char *identity, uint8_t *hash);
void lk__audit_hash(const uint8_t *before, const lk__audit_row *row, uint8_t *hash);

/* search.c: does the index, brought up to date, have the photos that the store has? FORMAT: no. */
lk_status lk__gallery_check_index(lk_gallery *gallery, lk_error *err);

/* seal.c: out (size + LK__SEAL_ROOM) from plain (size), and back. */
enum { LK__SEAL_VECTOR = 'v', LK__SEAL_CROP = 'c' };
void lk__seal(const lk_gallery *gallery, char kind, int64_t id, const void *plain, size_t size, uint8_t *out);
lk_status lk__unseal(const lk_gallery *gallery, char kind, int64_t id, const void *sealed, size_t size,
                     void *out, lk_error *err);
/* check (LK__SEAL_CHECK): by which it is known whether a key is right. */
void lk__seal_check_new(const uint8_t *key, uint8_t *check);
bool lk__seal_check_fits(const uint8_t *key, const uint8_t *check);
/* search.c: bring the index up to date; cheap when nothing happened. */
lk_status lk__gallery_follow(lk_gallery *gallery, lk_error *err);

/* beside.c */
void lk__beside_load(lk_gallery *gallery);
void lk__beside_save(lk_gallery *gallery);
void lk__beside_erase(lk_gallery *gallery); /* what was removed; the lock may be held, follow not */

/* gallery.c: the vector of a stored photo, checked before it is believed. FORMAT: damaged. */
lk_status lk__gallery_vector(const lk_gallery *gallery, const lk__photo *photo, float *out, lk_error *err);
/* Its crop, malloc'd; NULL if it has none. */
lk_status lk__gallery_crop(const lk_gallery *gallery, const lk__photo *photo, uint8_t **crop, size_t *size,
                           lk_error *err);

/* The same, within a transaction, under the ids that the photos had elsewhere (rising), if no photo was ever
 * in the gallery before; else under new ones. `state` begins as zeros. */
typedef struct lk__restore {
    bool begun, keep;
    int64_t last; /* id that was kept */
} lk__restore;
lk_status lk__gallery_restore(lk_gallery *gallery, const lk_enrollment *photos, const int64_t *ids,
                              size_t count, lk__restore *state, lk_error *err);

/* search_store.c: as lk_gallery_search_many; out (count) is empty. */
lk_status lk__store_search(lk_gallery *gallery, const float *probes, size_t count, size_t k, bool people,
                           lk_matches *out, lk_error *err);

#endif
