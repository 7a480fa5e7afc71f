/* likeness/gallery.h: people one may be looking for, and the exact search among them.
 *
 *   unit vector (dim) -> lk_gallery -> closest photos, or closest people
 *
 * A gallery is a file of SQLite in WAL mode (docs/formats.md), or a schema on a server: where a path is asked
 * for, an address will do (docs/postgresql.md):
 *
 *   postgresql://[USER[:PASSWORD]@][HOST[:PORT]]/[DATABASE][?gallery=NAME][&search=memory|exact|hnsw]...
 *
 * It knows names, photos' names and vectors, and nothing else of faces or models: any unit vectors will do.
 * Conventions are those of likeness.h.
 *
 * What is durable: a change is committed when its call, or lk_gallery_commit, returns LK_OK, and then
 * survives kill -9 and loss of power. What is seen: a search sees what is committed, by whomever, and nothing
 * of open transactions; all other calls also see the open transaction of their own lk_gallery. */
#ifndef LIKENESS_GALLERY_H
#define LIKENESS_GALLERY_H

#include "likeness/likeness.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lk_gallery lk_gallery;

enum { LK_GALLERY_READ_ONLY = 1 };

/* ---- open and close ------------------------------------------------------------------------------ */

/* Whose vectors a gallery holds. */
typedef struct lk_vector_kind {
    int dim;
    const char *fingerprint; /* lk_model_fingerprint */
    double threshold;        /* lk_model_threshold */
    const char *model_path;  /* where the model was read from, for people; may be "" */
} lk_vector_kind;
/* Make a new gallery. INVALID if it exists. */
LK_API lk_status lk_gallery_create(const char *path, const lk_vector_kind *kind, lk_gallery **out,
                                   lk_error *err);
/* NOT_FOUND, FORMAT (no gallery, damaged), BUSY, IO. */
LK_API lk_status lk_gallery_open(const char *path, int flags, lk_gallery **out, lk_error *err);

enum { LK_GALLERY_KEY_BYTES = 32 };
/* All may be 0. */
typedef struct lk_gallery_options {
    int flags;          /* LK_GALLERY_READ_ONLY */
    const uint8_t *key; /* (LK_GALLERY_KEY_BYTES); NULL: none. A gallery that is not encrypted needs none */
} lk_gallery_options;
/* With a key the new gallery is encrypted: vectors and crops are sealed with XChaCha20-Poly1305. Names, paths
 * and the audit are not (docs/privacy.md). */
LK_API lk_status lk_gallery_create_with(const char *path, const lk_vector_kind *kind,
                                        const lk_gallery_options *options, lk_gallery **out, lk_error *err);
/* MISMATCH: it is encrypted, and the key is missing or wrong. */
LK_API lk_status lk_gallery_open_with(const char *path, const lk_gallery_options *options, lk_gallery **out,
                                      lk_error *err);
LK_API void lk_gallery_close(lk_gallery *gallery);
/* As errors call it: its path, or its address without a password. Lives as long as the gallery. */
LK_API const char *lk_gallery_name(const lk_gallery *gallery);
/* LK_OK if the gallery holds vectors of this kind (fingerprint and dim); else MISMATCH, naming both models.
 */
LK_API lk_status lk_gallery_check_kind(const lk_gallery *gallery, const lk_vector_kind *kind, lk_error *err);

typedef struct lk_gallery_info {
    size_t people, photos;
    int dim;
    double threshold;     /* of the model, cosine */
    char fingerprint[65]; /* of the model */
    char model_path[1024];
    char created[32]; /* UTC, ISO 8601 */
    bool encrypted;
    int64_t audit_rows;  /* below */
    char audit_head[65]; /* hash of the last row; "" without rows */
} lk_gallery_info;
LK_API lk_status lk_gallery_get_info(const lk_gallery *gallery, lk_gallery_info *info, lk_error *err);

/* ---- changes ------------------------------------------------------------------------------------- */

/* Several changes as one: all or nothing, even if the machine stops between. Not nested. */
LK_API lk_status lk_gallery_begin(lk_gallery *gallery, lk_error *err);
LK_API lk_status lk_gallery_commit(lk_gallery *gallery, lk_error *err);
LK_API void lk_gallery_rollback(lk_gallery *gallery);

/* One photo to enroll. All but the first three may be left 0. */
typedef struct lk_enrollment {
    const char *person, *photo; /* the photo's name: its path, say */
    const float *vector;        /* (dim), norm 1 */
    const char *source;         /* where the original lies; NULL: not kept */
    const uint8_t *crop;        /* the aligned face as a small JPEG; NULL: not kept */
    size_t crop_size;           /* bytes, at most 16 MiB */
    double quality;             /* above 0, the more the better; 0: not told */
    const char *added;          /* when: UTC, "2026-11-28T03:04:05Z"; NULL: now */
    const char *person_added;   /* when the person, if they are new; NULL: as the photo */
} lk_enrollment;
/* Enroll photos, all or none. The same person and photo name again replaces what was there. Photo ids rise
 * and are never used again, and what a photo id stands for never changes: also a replacement gets a new one.
 * `ids` (count) may be NULL. INVALID: a name or vector that no gallery takes. */
LK_API lk_status lk_gallery_enroll(lk_gallery *gallery, const lk_enrollment *photos, size_t count,
                                   int64_t *ids, lk_error *err);
/* The same for one photo without more. `photo_id` may be NULL. */
LK_API lk_status lk_gallery_add(lk_gallery *gallery, const char *person, const char *photo,
                                const float *vector, int64_t *photo_id, lk_error *err);
/* Delete a person and all their photos; NOT_FOUND if unknown. `photos_removed` may be NULL. */
LK_API lk_status lk_gallery_remove(lk_gallery *gallery, const char *person, size_t *photos_removed,
                                   lk_error *err);
/* Delete one photo, and with the last one the person. NOT_FOUND. */
LK_API lk_status lk_gallery_remove_photo(lk_gallery *gallery, int64_t photo_id, lk_error *err);
/* NOT_FOUND; INVALID if the new name is taken or no name. */
LK_API lk_status lk_gallery_rename(lk_gallery *gallery, const char *from, const char *to, lk_error *err);
/* Give a photo, with all that is kept of it, to another person (made when new), under a new id, which may be
 * NULL. The person it was taken from goes with their last photo. Where that person already has a photo of
 * this name, the name gets " (2)" and so on. NOT_FOUND. */
LK_API lk_status lk_gallery_move_photo(lk_gallery *gallery, int64_t photo_id, const char *person,
                                       int64_t *new_id, lk_error *err);

/* ---- looking ------------------------------------------------------------------------------------- */

/* Called once a person, by name; a non-zero return ends the walk. It may use the gallery, and change it. */
typedef int (*lk_gallery_person_fn)(void *context, const char *person, size_t photos, const char *added);
LK_API lk_status lk_gallery_each_person(const lk_gallery *gallery, lk_gallery_person_fn fn, void *context,
                                        lk_error *err);

typedef struct lk_gallery_photo {
    int64_t id;
    const char *person, *photo;
    const char *added;  /* UTC, ISO 8601 */
    const char *source; /* NULL: not kept */
    double quality;     /* 0: not told */
    size_t crop_size;   /* bytes; 0: not kept */
} lk_gallery_photo;
/* Called once a photo, by id; the rest as above. person NULL: of all people; nobody of that name has no
 * photos.
 */
typedef int (*lk_gallery_photo_fn)(void *context, const lk_gallery_photo *photo);
LK_API lk_status lk_gallery_each_photo(const lk_gallery *gallery, const char *person, lk_gallery_photo_fn fn,
                                       void *context, lk_error *err);
/* NOT_FOUND: no such photo. */
LK_API lk_status lk_gallery_get_vector(const lk_gallery *gallery, int64_t photo_id, float *vector,
                                       lk_error *err);
/* The crop as it was given, to be freed with free(). NOT_FOUND: no such photo, or it has no crop. */
LK_API lk_status lk_gallery_get_crop(const lk_gallery *gallery, int64_t photo_id, uint8_t **bytes,
                                     size_t *size, lk_error *err);

/* Called for each thing that is wrong, with a sentence. */
typedef void (*lk_gallery_finding_fn)(void *context, const char *finding);
/* Look at everything: pages, references, every vector and crop, the audit, what searches use. LK_OK says that
 * all of it was looked at; whether something is wrong, `fn` is told. */
LK_API lk_status lk_gallery_check(const lk_gallery *gallery, lk_gallery_finding_fn fn, void *context,
                                  lk_error *err);
/* A copy of the gallery as it is at one moment, to the new file `path`, which is there only when it is whole.
 * Others may write meanwhile. INVALID: the file exists, or the gallery is not kept in a file. */
LK_API lk_status lk_gallery_backup(const lk_gallery *gallery, const char *path, lk_error *err);

/* ---- searching ----------------------------------------------------------------------------------- */

typedef struct lk_match {
    int64_t photo_id, person_id;
    const char *person, *photo; /* belong to the lk_matches */
    float cosine, l2;
} lk_match;
typedef struct lk_matches {
    size_t count;    /* <= k */
    lk_match *items; /* best first; equal cosines by lower photo_id */
} lk_matches;
/* The k enrolled photos closest to `probe` (dim, norm 1), exactly. */
LK_API lk_status lk_gallery_search(lk_gallery *gallery, const float *probe, size_t k, lk_matches *out,
                                   lk_error *err);

typedef struct lk_search_options {
    size_t k;    /* how many, at least 1 */
    bool people; /* the k closest people, each by their closest photo, and not the k closest photos */
} lk_search_options;
/* Many probes (count, dim) at once, which costs less than one by one: out (count), each to be freed. */
LK_API lk_status lk_gallery_search_many(lk_gallery *gallery, const float *probes, size_t count,
                                        const lk_search_options *options, lk_matches *out, lk_error *err);
LK_API void lk_matches_free(lk_matches *matches);

/* ---- audit: who did what, and what came back ------------------------------------------------------ *
 *
 * Every change is told of in the audit by the library, within the same transaction; searches, exports and the
 * like by the program with lk_gallery_record. Rows are never changed or deleted, and each is chained to the
 * one before by its hash, so that one that was changed, moved or left out shows. It holds no names of people
 * and photos: only their ids, and hashes of names that mean nothing once the person is removed
 * (docs/privacy.md). */

/* Who acts: 1 to 127 bytes, for all that follows. Without it the user's name and the machine's. */
LK_API lk_status lk_gallery_set_who(lk_gallery *gallery, const char *who, lk_error *err);

enum { LK_PROBE_HASH_BYTES = 32 };
/* SHA-256, by which the audit knows a probe photo: of the bytes of its file. */
LK_API void lk_probe_hash(const void *bytes, size_t size, uint8_t hash[32]);

typedef struct lk_gallery_event {
    const char *action;        /* a word: "identify", "export" */
    const char *who;           /* NULL: as set */
    const uint8_t *probe;      /* (LK_PROBE_HASH_BYTES); NULL: no search */
    const lk_matches *matches; /* of a search: what came back */
    double threshold;          /* of a search; NaN: none */
    bool known;                /* of a search: was the best match called known? */
    const char *person;        /* whom it is about; NULL: nobody in particular */
    const char *details;       /* of others than searches: a JSON object without names; NULL: none */
} lk_gallery_event;
/* Tell of events, all or none; committed at once, or with the open transaction. NOT_FOUND: no such person. */
LK_API lk_status lk_gallery_record(lk_gallery *gallery, const lk_gallery_event *events, size_t count,
                                   lk_error *err);

typedef struct lk_audit_row {
    int64_t number;              /* 1, 2, 3 and so on */
    const char *time, *who;      /* UTC, ISO 8601 with milliseconds */
    const char *action;          /* begin enroll remove-photo remove rename, and those of programs */
    int64_t person_id, photo_id; /* 0: none */
    const char *person;          /* the name, if somebody is still enrolled under that id; else NULL */
    const uint8_t *probe;        /* (32), or NULL */
    const char *details;         /* JSON, or NULL */
    const char *hash;            /* hex */
    const char *fault;           /* NULL: as it was written; else what is wrong here */
} lk_audit_row;
/* Called once a row, in order, while the chain is verified. A fault that has no row of its own, missing rows
 * say, comes as a row with `fault` and nothing else but a number. A non-zero return ends the walk. */
typedef int (*lk_audit_fn)(void *context, const lk_audit_row *row);
/* head (may be NULL): a hash written down earlier; a fault if the chain has not passed through it. */
LK_API lk_status lk_gallery_each_audit(const lk_gallery *gallery, const char *head, lk_audit_fn fn,
                                       void *context, lk_error *err);

#ifdef __cplusplus
}
#endif
#endif
