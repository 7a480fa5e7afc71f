/* store_pg.h: what the files of the store on PostgreSQL share.
 *
 *   store_pg_address.c   what the address says: server, gallery, who searches; without passwords for messages
 *   store_pg_link.c      a connection: statements, parameters, failing, and coming back when the server did
 *   store_pg_open.c      making a gallery, opening one, and what must hold before it is believed
 *   store_pg_schema.c    the schema (docs/postgresql.md)
 *   store_pg.c           transactions and changes
 *   store_pg_array.c     many rows as parameters of one statement
 *   store_pg_audit.c     the rows of the audit
 *   store_pg_check.c     is what is kept sound?
 *   store_pg_read.c      looking, and what a search needs
 *
 * A gallery is a schema of a database, so that a database holds many, each with its own rights. Writers are
 * serialised by a lock on the one row of the table state, which also counts. Everything travels in binary. */
#ifndef LK_STORE_PG_H
#define LK_STORE_PG_H

#include "gallery/gallery.h"

#include <libpq-fe.h>

enum {
    LK__PG_SCHEMA = 1,         /* version of the schema */
    LK__PG_SERVER = 130000,    /* oldest server: pg_current_xact_id */
    LK__PG_NAME = 40,          /* longest name of a gallery */
    LK__PG_VECTOR_DIM = 16000, /* longest vector of pgvector */
    LK__PG_HNSW_DIM = 2000,    /* longest that its HNSW takes */
    LK__PG_EF_SEARCH = 100,    /* unless the address says; pgvector's own is 40 */
    LK__PG_EF_MOST = 1000,     /* pgvector's limit */
};

/* ---- addresses ------------------------------------------------------------------------------------- */

/* Who compares the probe with the vectors. */
typedef enum lk__pg_search {
    LK__PG_MEMORY, /* this process, over a copy of all vectors: exact */
    LK__PG_EXACT,  /* the server, over all rows: exact */
    LK__PG_HNSW,   /* the server, by pgvector's index: nearly always right */
} lk__pg_search;

typedef struct lk__pg_address {
    char *uri;  /* as libpq understands it */
    char *name; /* as given, without passwords */
    char schema[64];
    lk__pg_search search;
    int ef_search;
} lk__pg_address;

bool lk__pg_is_address(const char *address);
/* INVALID. free with lk__pg_address_free, also after a failure. */
lk_status lk__pg_address_read(const char *address, lk__pg_address *out, lk_error *err);
void lk__pg_address_free(lk__pg_address *address);

/* ---- connections ----------------------------------------------------------------------------------- */

/* Every statement that runs more than once; prepared at first use (store_pg_link.c has the SQL). */
typedef enum lk__pg_which {
    LK__PG_INFO,
    LK__PG_INFO_ADD,
    LK__PG_ADD,
    LK__PG_REMOVE_PHOTO,
    LK__PG_REMOVE_PHOTOS,
    LK__PG_REMOVE_PERSON,
    LK__PG_REMOVE_EMPTY,
    LK__PG_RENAME,
    LK__PG_COUNTS,
    LK__PG_PEOPLE,
    LK__PG_PHOTOS,
    LK__PG_PHOTOS_OF,
    LK__PG_PERSON,
    LK__PG_FIND,
    LK__PG_PHOTO,
    LK__PG_ENDS,
    LK__PG_REMOVED_AFTER,
    LK__PG_PHOTOS_AFTER,
    LK__PG_NAMES,
    LK__PG_NEAREST,
    LK__PG_NEAREST_HNSW,
    LK__PG_AUDIT_ADD,
    LK__PG_AUDIT_LAST,
    LK__PG_AUDIT_ROWS,
    LK__PG_AUDIT_HASH,
    LK__PG_QUERIES
} lk__pg_which;

typedef struct lk__pg_link {
    PGconn *conn;       /* NULL: not connected */
    const char *prefix; /* of its statements' names */
    bool prepared[LK__PG_QUERIES];
    bool open; /* a transaction of ours is open on it */
} lk__pg_link;

/* Of the open transaction: what the table state will say after its commit, and the end of the audit. Nobody
 * else changes them meanwhile, so they need not be asked for each time. */
typedef struct lk__pg_pending {
    int64_t last_photo;
    int64_t people, photos; /* enrolled in this transaction; what is removed the server counts */
    int64_t audit, audit_highest;
    uint8_t audit_hash[LK__HASH];
    bool audit_known;
} lk__pg_pending;

typedef struct lk__pg {
    lk__store store;
    lk__pg_address address;
    lk__pg_link link;   /* of everything but searching */
    lk__pg_link reader; /* of searching */
    lk__pg_pending pending;
    lk__pg_pending marked; /* as it was at the mark */
    char transaction[24];  /* its id on the server, to ask what became of it */
    unsigned vector_oid;   /* of pgvector's type; 0: vectors are bytea */
} lk__pg;

/* Parameters of a statement, in order. What they point to must live until it has run. */
enum { LK__PG_VALUES = 10 };
typedef struct lk__pg_values {
    int count;
    const char *values[LK__PG_VALUES];
    int lengths[LK__PG_VALUES], formats[LK__PG_VALUES];
    uint64_t numbers[LK__PG_VALUES];
} lk__pg_values;
void lk__pg_int(lk__pg_values *values, int64_t number);
void lk__pg_real(lk__pg_values *values, double number);                   /* NaN: NULL */
void lk__pg_text(lk__pg_values *values, const char *text);                /* NULL: NULL */
void lk__pg_bytes(lk__pg_values *values, const void *bytes, size_t size); /* binary as it is */

/* Connects when needed. Outside a transaction a lost connection is made anew and the question asked again;
 * within one it is the end of it. *out is to be cleared with PQclear. */
lk_status lk__pg_query(lk__pg *s, lk__pg_link *link, lk__pg_which which, const lk__pg_values *values,
                       const char *doing, PGresult **out, lk_error *err);
/* The same for SQL without parameters, several statements too; the last one's result, as text. `out` may be
 * NULL. */
lk_status lk__pg_sql(lk__pg *s, lk__pg_link *link, const char *sql, const char *doing, PGresult **out,
                     lk_error *err);
void lk__pg_disconnect(lk__pg_link *link); /* undoes an open transaction */
/* From what the server said; result may be NULL. */
lk_status lk__pg_fail(const lk__pg *s, const lk__pg_link *link, const PGresult *result, const char *doing,
                      lk_error *err);
bool lk__pg_failed_with(const PGresult *result, const char *sqlstate);

/* Columns of a binary result; 0, NULL and NaN for NULL. */
int64_t lk__pg_int_of(const PGresult *result, int row, int column);
double lk__pg_real_of(const PGresult *result, int row, int column);
const char *lk__pg_text_of(const PGresult *result, int row, int column);
const void *lk__pg_bytes_of(const PGresult *result, int row, int column, size_t *size);

/* Big-endian, as the protocol has numbers. */
uint64_t lk__pg_swap64(uint64_t number);
uint32_t lk__pg_swap32(uint32_t number);

/* An array as a parameter (store_pg_array.c): begin, one call a row, end; failures show at its end. */
enum { LK__PG_INT8 = 20, LK__PG_TEXT = 25, LK__PG_BYTEA = 17, LK__PG_FLOAT8 = 701 }; /* pg_type.dat */
typedef struct lk__pg_array {
    unsigned char *bytes;
    size_t used, room;
    uint32_t count, nulls;
    bool failed; /* out of memory */
} lk__pg_array;
void lk__pg_array_begin(lk__pg_array *array, unsigned type);
void lk__pg_array_int(lk__pg_array *array, int64_t number);
void lk__pg_array_real(lk__pg_array *array, double number);                   /* NaN: NULL */
void lk__pg_array_bytes(lk__pg_array *array, const void *bytes, size_t size); /* NULL: NULL */
void lk__pg_array_text(lk__pg_array *array, const char *text);                /* NULL: NULL */
void lk__pg_array_vector(lk__pg_array *array, const float *vector, size_t dim);
/* All as parameters, in order. */
lk_status lk__pg_arrays_end(const lk__pg *s, lk__pg_array *arrays, int count, lk__pg_values *values,
                            lk_error *err);
void lk__pg_arrays_free(lk__pg_array *arrays, int count);
/* pgvector's binary form: its dimension and a zero (16 bits each), then the numbers; 4 + 4 * dim bytes. */
void lk__pg_vector_write(const float *vector, size_t dim, unsigned char *out);
/* In place; false: not one. */
bool lk__pg_vector_read(unsigned char *bytes, size_t size, float **vector, size_t *dim);

/* ---- the rest -------------------------------------------------------------------------------------- */

extern const lk__store_ops lk__pg_ops;

static inline lk__pg *lk__pg_of(lk__store *store) {
    return (lk__pg *)store;
}

/* store_pg_schema.c: into an open transaction; *sql is to be freed. */
lk_status lk__pg_schema_sql(const lk__pg *s, int dim, bool make_schema, bool pgvector, char **sql,
                            lk_error *err);

/* store_pg_open.c */
void lk__pg_close(lk__store *store);
lk_status lk__pg_create(const char *address, const lk_vector_kind *kind, const uint8_t *seal_check,
                        lk__store **out, lk_error *err);
lk_status lk__pg_open(const char *address, bool read_only, lk__store **out, lk_error *err);

/* store_pg_read.c */
lk_status lk__pg_counts(lk__store *store, size_t *people, size_t *photos, lk_error *err);
lk_status lk__pg_people(lk__store *store, const char *after, size_t limit, lk__person_fn fn, void *context,
                        lk_error *err);
lk_status lk__pg_photos(lk__store *store, const char *person, int64_t after, size_t limit, lk__photo_fn fn,
                        void *context, lk_error *err);
lk_status lk__pg_person(lk__store *store, const char *name, int64_t *id, uint8_t *salt, lk_error *err);
lk_status lk__pg_find(lk__store *store, const char *person, const char *photo, int64_t *id, lk_error *err);
lk_status lk__pg_photo(lk__store *store, int64_t id, lk__photo_fn fn, void *context, lk_error *err);
lk_status lk__pg_ends(lk__store *store, lk__cursors *out, lk_error *err);
lk_status lk__pg_changes(lk__store *store, lk__cursors from, lk__removed_fn removed, lk__photo_fn added,
                         void *context, lk__moment *to, lk_error *err);
lk_status lk__pg_names(lk__store *store, const int64_t *ids, size_t count, lk__photo_fn fn, void *context,
                       lk_error *err);
lk_status lk__pg_nearest(lk__store *store, const float *probe, size_t limit, lk__photo_fn fn, void *context,
                         lk_error *err);
lk_status lk__pg_no_photo(const lk__pg *s, int64_t id, lk_error *err);

/* store_pg_check.c */
lk_status lk__pg_check(lk__store *store, lk__finding_fn fn, void *context, lk_error *err);
lk_status lk__pg_backup(lk__store *store, const char *path, lk_error *err);

/* store_pg_audit.c */
lk_status lk__pg_audit_add(lk__store *store, const lk__audit_row *rows, size_t count, lk_error *err);
lk_status lk__pg_audit_last(lk__store *store, int64_t *number, uint8_t *hash, int64_t *highest,
                            lk_error *err);
lk_status lk__pg_audit_rows(lk__store *store, int64_t after, size_t limit, lk__audit_fn fn, void *context,
                            lk_error *err);
lk_status lk__pg_audit_head(lk__pg *s, lk__pg_link *link, int64_t *number, uint8_t *hash, int64_t *highest,
                            lk_error *err);
lk_status lk__pg_passed(lk__store *store, const lk__moment *moment, bool *yes, lk_error *err);

#endif
