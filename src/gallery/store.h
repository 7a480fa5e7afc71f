/* store.h: where a gallery is kept, as gallery.c sees it. SQLite (store_sqlite.c) and PostgreSQL (store_pg.c)
 * implement this by a table of functions, chosen by lk__store_open from the form of the address.
 *
 * What an implementation promises
 *   - Durable: after commit returns LK_OK the change survives kill -9 and loss of power; before, nothing of
 * it is seen by anybody else, and after a failure nothing of it is left.
 *   - Writers are serialised: from begin to commit or rollback nobody else writes. So photo ids and removal
 *     numbers appear in the order in which they count, and who has read up to a number has missed nothing
 *     below it. Another writer is waited for LK__BUSY_MS, then the answer is LK_BUSY.
 *   - Photo ids, person ids and removal numbers rise and are never used again once committed. The vector and
 *     the person of a photo id never change: what is enrolled anew gets a new id and the old one is removed.
 *     So a copy of the vectors in memory only ever appends and drops.
 *   - Every photo that goes, however it goes, leaves its id (a number and nothing else) under the next
 * removal number.
 *   - What is removed is overwritten wherever the store keeps it (commit). A server does this in its own time
 *     (docs/postgresql.md).
 *   - The store keeps vectors and crops as bytes and does not look into them: they may be sealed (encrypted)
 *     by gallery.c, which is why ids are reserved before rows are written.
 *   - Errors say what, where and what to do; the message begins with the store's name, without any password.
 *
 * Threads: gallery.c calls the functions under "searching" one at a time, and all others one at a time, but
 * the two groups at the same time: a search never waits for a commit. Searching sees what is committed and
 * nothing else; all others also see what their own open transaction has changed. */
#ifndef LK_STORE_H
#define LK_STORE_H

#include "base/base.h"
#include "likeness/gallery.h"

/* How far a reader has come: every photo up to one id and every removal up to one number. */
typedef struct lk__cursors {
    int64_t photo, removed;
} lk__cursors;

enum { LK__HASH = 32, LK__SALT = 16 }; /* bytes: SHA-256; what a person's name is hashed with */
enum {
    LK__SEAL_ROOM = 24 + 16,             /* bytes that sealing adds: nonce and tag (seal.c) */
    LK__SEAL_CHECK = LK__SEAL_ROOM + 16, /* of what tells whether a key is right */
};

/* A moment in the life of one gallery, for what is kept outside of it (a file beside it): the last row of the
 * audit then, and its hash, which depends on all that was done before. A copy that has gone another way
 * since, a restored backup say, has not passed through it. */
typedef struct lk__moment {
    lk__cursors cursors;
    int64_t audit;
    uint8_t hash[LK__HASH];
} lk__moment;

/* One enrolled photo. Text and bytes belong to who hands it out, for the time of the call. */
typedef struct lk__photo {
    int64_t id, person_id; /* person_id is not read by add */
    const char *person, *name;
    const char *added;        /* UTC, ISO 8601; add: NULL is now */
    const char *person_added; /* for add only: of a person that is made; NULL: as added */
    const char *source;       /* path or address of the original; NULL: not kept */
    double quality;           /* NaN: not told */
    const void *vector;       /* as sealed; NULL where the function does not say that it hands it out */
    size_t vector_size;
    const void *crop; /* as sealed; NULL: not kept, or not handed out */
    size_t crop_size; /* told even where the crop is not handed out */
} lk__photo;

typedef struct lk__person {
    int64_t id;
    const char *name, *added;
    size_t photos;
} lk__person;

/* What became of a photo that was added. */
typedef struct lk__added {
    int64_t person_id;
    int64_t replaced; /* id of the photo that had its name; 0: none */
    bool new_person;
    uint8_t salt[LK__SALT]; /* of the person */
} lk__added;

/* One row of the audit (audit.c). 0 and NULL: does not apply. */
typedef struct lk__audit_row {
    int64_t number; /* 1, 2, 3 and so on */
    const char *time, *who, *action;
    int64_t person_id, photo_id;
    const uint8_t *name, *probe; /* (LK__HASH) */
    const char *details;         /* JSON, without names */
    uint8_t hash[LK__HASH];
} lk__audit_row;

/* Callbacks; a status other than LK_OK ends the walk and is what it returns. They may call the store. */
typedef lk_status (*lk__photo_fn)(void *context, const lk__photo *photo, lk_error *err);
typedef lk_status (*lk__person_fn)(void *context, const lk__person *person, lk_error *err);
typedef lk_status (*lk__removed_fn)(void *context, int64_t photo_id, lk_error *err);
typedef lk_status (*lk__audit_fn)(void *context, const lk__audit_row *row, lk_error *err);

typedef void (*lk__finding_fn)(void *context, const char *finding);

typedef struct lk__store lk__store;

typedef struct lk__store_ops {
    void (*close)(lk__store *store); /* undoes an open transaction; frees the store */

    /* ---- transactions ---- */
    lk_status (*begin)(lk__store *store, lk_error *err);
    /* And overwrite what was removed where it is still left, in logs say. What cannot be done now, because
     * others read, is no failure and is done at the next commit or at close. */
    lk_status (*commit)(lk__store *store, lk_error *err);
    void (*rollback)(lk__store *store); /* cannot fail; nothing is done without a transaction */
    /* Is a transaction open? After an error the store may have undone it by itself (a full disk). */
    bool (*in_transaction)(lk__store *store);
    /* Within a transaction: a mark, not nested, and the way back to it or beyond it. */
    lk_status (*mark)(lk__store *store, lk_error *err);
    lk_status (*keep)(lk__store *store, lk_error *err);
    void (*undo)(lk__store *store);
    /* ---- changes, within a transaction ---- */
    /* The next `count` photo ids. */
    lk_status (*reserve)(lk__store *store, size_t count, int64_t *first, lk_error *err);
    /* Rows under reserved ids, rising; added (count). A person is made when new, with a random salt; a photo
     * of the same person and name that is there already is removed. */
    lk_status (*add)(lk__store *store, const lk__photo *photos, size_t count, lk__added *added,
                     lk_error *err);
    /* With all photos. NOT_FOUND. */
    lk_status (*remove_person)(lk__store *store, int64_t id, lk_error *err);
    /* The person goes with the last photo. NOT_FOUND. person_id: whose it was. */
    lk_status (*remove_photo)(lk__store *store, int64_t id, int64_t *person_id, lk_error *err);
    /* INVALID if the name is taken. */
    lk_status (*rename_person)(lk__store *store, int64_t id, const char *name, lk_error *err);
    /* Rows under the next numbers, complete with their hashes. Nothing may change or delete them after. */
    lk_status (*audit_add)(lk__store *store, const lk__audit_row *rows, size_t count, lk_error *err);

    /* ---- looking ---- */
    lk_status (*counts)(lk__store *store, size_t *people, size_t *photos, lk_error *err);
    /* The next `limit` people by the bytes of their names after `after` (NULL: from the first). */
    lk_status (*people)(lk__store *store, const char *after, size_t limit, lk__person_fn fn, void *context,
                        lk_error *err);
    /* The next `limit` photos by id after `after`, of one person or (NULL) of all; without vector and crop.
     */
    lk_status (*photos)(lk__store *store, const char *person, int64_t after, size_t limit, lk__photo_fn fn,
                        void *context, lk_error *err);
    /* NOT_FOUND, naming them, if there is nobody of this name. salt may be NULL. */
    lk_status (*person)(lk__store *store, const char *name, int64_t *id, uint8_t *salt, lk_error *err);
    /* The id of a person's photo; 0: there is none. */
    lk_status (*find)(lk__store *store, const char *person, const char *photo, int64_t *id, lk_error *err);
    /* One photo with vector and crop. NOT_FOUND. */
    lk_status (*photo)(lk__store *store, int64_t id, lk__photo_fn fn, void *context, lk_error *err);

    /* The last row of the audit; number 0: there is none. highest: the last number that was ever given. */
    lk_status (*audit_last)(lk__store *store, int64_t *number, uint8_t *hash, int64_t *highest,
                            lk_error *err);
    /* The next `limit` rows after the number `after`. */
    lk_status (*audit_rows)(lk__store *store, int64_t after, size_t limit, lk__audit_fn fn, void *context,
                            lk_error *err);

    /* Say what is not sound in what is kept, as far as it can be told without looking into vectors and crops.
     */
    lk_status (*check)(lk__store *store, lk__finding_fn fn, void *context, lk_error *err);

    /* ---- searching ---- */
    /* How far the store has come: the highest numbers that a reader would reach now. */
    lk_status (*ends)(lk__store *store, lk__cursors *out, lk_error *err);
    /* What happened after `from`, all of one moment, and that moment: the removed ids by their numbers, then
     * the photos there are by id, with person_id and vector and nothing else. from.photo == 0: the reader has
     * nothing yet, and removals are not told. */
    lk_status (*changes)(lk__store *store, lk__cursors from, lk__removed_fn removed, lk__photo_fn added,
                         void *context, lk__moment *to, lk_error *err);
    /* Has this gallery passed through that moment? */
    lk_status (*passed)(lk__store *store, const lk__moment *moment, bool *yes, lk_error *err);
    /* The photos of these ids, in the order given, without vector and crop; an id that is gone is left out.
     */
    lk_status (*names)(lk__store *store, const int64_t *ids, size_t count, lk__photo_fn fn, void *context,
                       lk_error *err);
    /* Only of a store that `searches`: the `limit` photos closest to the probe (dim), or fewer if there are
     * no more, with vector, person and name; about in order, which gallery.c puts right. */
    lk_status (*nearest)(lk__store *store, const float *probe, size_t limit, lk__photo_fn fn, void *context,
                         lk_error *err);
    /* All of it of one moment to a new file; INVALID where a store has means of its own for that. */
    lk_status (*backup)(lk__store *store, const char *path, lk_error *err);
} lk__store_ops;

/* What every store begins with. */
struct lk__store {
    const lk__store_ops *ops;
    char *name; /* path or address, without a password: for messages */
    bool read_only;
    bool searches;        /* it was asked to compare vectors itself: no copy of them is needed in memory */
    lk_gallery_info info; /* people and photos are not kept here */
    /* Random, made with the gallery: whose is a file that lies beside it? A copy of a gallery has the same,
     * and may have gone another way since. */
    char identity[33];
    uint8_t seal_check[LK__SEAL_CHECK]; /* given at making; meaningless unless info.encrypted */
};

/* By the form of the address: postgresql:// and postgres:// are PostgreSQL's, a path is SQLite's.
 * seal_check (LK__SEAL_CHECK): kept with an encrypted gallery; NULL: it is not. */
lk_status lk__store_create(const char *address, const lk_vector_kind *kind, const uint8_t *seal_check,
                           lk__store **out, lk_error *err);
lk_status lk__store_open(const char *address, bool read_only, lk__store **out, lk_error *err);

/* INVALID: no store takes such vectors. */
lk_status lk__store_check_kind(const char *name, const lk_vector_kind *kind, lk_error *err);

/* store_sqlite_open.c */
lk_status lk__sqlite_create(const char *path, const lk_vector_kind *kind, const uint8_t *seal_check,
                            lk__store **out, lk_error *err);
lk_status lk__sqlite_open(const char *path, bool read_only, lk__store **out, lk_error *err);

#endif
