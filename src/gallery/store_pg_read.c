/* store_pg_read.c: looking into the store on PostgreSQL, and what a search needs of it. */
#include "gallery/store_pg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of vectors asked for at a time: a result is held in memory. */
enum { SOME = 4096 };

/* ---- looking --------------------------------------------------------------------------------------- */

lk_status lk__pg_counts(lk__store *store, size_t *people, size_t *photos, lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    PGresult *r = NULL;
    lk_status status = lk__pg_query(s, &s->link, LK__PG_COUNTS, NULL, "read", &r, err);
    if (status == LK_OK && PQntuples(r) != 1)
        status = lk__fail(err, LK_FORMAT, "%s: its table state is damaged", s->store.name);
    if (status == LK_OK) {
        *people = (size_t)(lk__pg_int_of(r, 0, 0) + (s->link.open ? s->pending.people : 0));
        *photos = (size_t)(lk__pg_int_of(r, 0, 1) + (s->link.open ? s->pending.photos : 0));
    }
    PQclear(r);
    return status;
}

lk_status lk__pg_people(lk__store *store, const char *after, size_t limit, lk__person_fn fn, void *context,
                        lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    lk__pg_values values = {.count = 0};
    PGresult *r = NULL;
    lk__pg_text(&values, after ? after : "");
    lk__pg_int(&values, (int64_t)limit);
    lk_status status = lk__pg_query(s, &s->link, LK__PG_PEOPLE, &values, "read", &r, err);
    for (int i = 0; status == LK_OK && i < PQntuples(r); i++) {
        const lk__person p = {.id = lk__pg_int_of(r, i, 0),
                              .name = lk__pg_text_of(r, i, 1),
                              .added = lk__pg_text_of(r, i, 2),
                              .photos = (size_t)lk__pg_int_of(r, i, 3)};
        status = fn(context, &p, err);
    }
    PQclear(r);
    return status;
}

/* A row of PHOTO_COLUMNS. */
static lk__photo photo_of(const PGresult *r, int row) {
    return (lk__photo){.id = lk__pg_int_of(r, row, 0),
                       .person_id = lk__pg_int_of(r, row, 1),
                       .person = lk__pg_text_of(r, row, 2),
                       .name = lk__pg_text_of(r, row, 3),
                       .added = lk__pg_text_of(r, row, 4),
                       .source = lk__pg_text_of(r, row, 5),
                       .quality = lk__pg_real_of(r, row, 6),
                       .crop_size = (size_t)lk__pg_int_of(r, row, 7)};
}

/* Bytes of the store as they were given, whichever type the column has. pgvector's are put in order where
 * they lie in the result, which is ours until PQclear. A vector that is none shows by its size. */
static void vector_of(const lk__pg *s, const PGresult *r, int row, int column, lk__photo *p) {
    unsigned char *bytes = (unsigned char *)PQgetvalue(r, row, column);
    size_t size = (size_t)PQgetlength(r, row, column), dim = 0;
    float *vector = NULL;
    if (!s->vector_oid)
        p->vector = bytes, p->vector_size = size;
    else if (lk__pg_vector_read(bytes, size, &vector, &dim))
        p->vector = vector, p->vector_size = dim * sizeof(float);
}

lk_status lk__pg_photos(lk__store *store, const char *person, int64_t after, size_t limit, lk__photo_fn fn,
                        void *context, lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    lk__pg_values values = {.count = 0};
    PGresult *r = NULL;
    lk__pg_int(&values, after);
    lk__pg_int(&values, (int64_t)limit);
    if (person) lk__pg_text(&values, person);
    lk_status status =
        lk__pg_query(s, &s->link, person ? LK__PG_PHOTOS_OF : LK__PG_PHOTOS, &values, "read", &r, err);
    for (int i = 0; status == LK_OK && i < PQntuples(r); i++) {
        const lk__photo p = photo_of(r, i);
        status = fn(context, &p, err);
    }
    PQclear(r);
    return status;
}

lk_status lk__pg_person(lk__store *store, const char *name, int64_t *id, uint8_t *salt, lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    lk__pg_values values = {.count = 0};
    PGresult *r = NULL;
    size_t size = 0;
    lk__pg_text(&values, name);
    /* What is no UTF-8 the server would refuse; nobody is called that. */
    if (!lk__name_valid(name, LK__PERSON_BYTES))
        return lk__fail(err, LK_NOT_FOUND, "%s: nobody is called \"%.200s\"", s->store.name, name);
    lk_status status = lk__pg_query(s, &s->link, LK__PG_PERSON, &values, "read", &r, err);
    if (status == LK_OK && PQntuples(r) == 0)
        status = lk__fail(err, LK_NOT_FOUND, "%s: nobody is called \"%.200s\"", s->store.name, name);
    if (status == LK_OK) {
        const void *bytes = lk__pg_bytes_of(r, 0, 1, &size);
        if (!bytes || size != LK__SALT)
            status = lk__fail(err, LK_FORMAT, "%s: person %lld is damaged", s->store.name,
                              (long long)lk__pg_int_of(r, 0, 0));
        else if (salt)
            memcpy(salt, bytes, LK__SALT);
        if (status == LK_OK) *id = lk__pg_int_of(r, 0, 0);
    }
    PQclear(r);
    return status;
}

lk_status lk__pg_find(lk__store *store, const char *person, const char *photo, int64_t *id, lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    lk__pg_values values = {.count = 0};
    PGresult *r = NULL;
    lk__pg_text(&values, person);
    lk__pg_text(&values, photo);
    lk_status status = lk__pg_query(s, &s->link, LK__PG_FIND, &values, "read", &r, err);
    if (status == LK_OK) *id = PQntuples(r) > 0 ? lk__pg_int_of(r, 0, 0) : 0;
    PQclear(r);
    return status;
}

lk_status lk__pg_no_photo(const lk__pg *s, int64_t id, lk_error *err) {
    return lk__fail(err, LK_NOT_FOUND, "%s: there is no photo %lld", s->store.name, (long long)id);
}

lk_status lk__pg_photo(lk__store *store, int64_t id, lk__photo_fn fn, void *context, lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    lk__pg_values values = {.count = 0};
    PGresult *r = NULL;
    lk__pg_int(&values, id);
    lk_status status = lk__pg_query(s, &s->link, LK__PG_PHOTO, &values, "read", &r, err);
    if (status == LK_OK && PQntuples(r) == 0) status = lk__pg_no_photo(s, id, err);
    if (status == LK_OK) {
        lk__photo p = photo_of(r, 0);
        vector_of(s, r, 0, 8, &p);
        p.crop = lk__pg_bytes_of(r, 0, 9, &p.crop_size);
        status = fn(context, &p, err);
    }
    PQclear(r);
    return status;
}

/* ---- searching ------------------------------------------------------------------------------------- */

lk_status lk__pg_ends(lk__store *store, lk__cursors *out, lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    PGresult *r = NULL;
    lk_status status = lk__pg_query(s, &s->reader, LK__PG_ENDS, NULL, "read", &r, err);
    if (status == LK_OK && PQntuples(r) != 1)
        status = lk__fail(err, LK_FORMAT, "%s: its table state is damaged", s->store.name);
    if (status == LK_OK) *out = (lk__cursors){lk__pg_int_of(r, 0, 0), lk__pg_int_of(r, 0, 1)};
    PQclear(r);
    return status;
}

static lk_status tell_removed(lk__pg *s, int64_t from, lk__removed_fn fn, void *context, lk_error *err) {
    lk_status status = LK_OK;
    for (int rows = SOME; rows == SOME && status == LK_OK;) {
        lk__pg_values values = {.count = 0};
        PGresult *r = NULL;
        lk__pg_int(&values, from);
        lk__pg_int(&values, SOME);
        status = lk__pg_query(s, &s->reader, LK__PG_REMOVED_AFTER, &values, "read", &r, err);
        rows = PQntuples(r);
        for (int i = 0; i < rows && status == LK_OK; i++) {
            from = lk__pg_int_of(r, i, 0);
            status = fn(context, lk__pg_int_of(r, i, 1), err);
        }
        PQclear(r);
    }
    return status;
}

static lk_status tell_added(lk__pg *s, int64_t from, lk__photo_fn fn, void *context, lk_error *err) {
    lk_status status = LK_OK;
    for (int rows = SOME; rows == SOME && status == LK_OK;) {
        lk__pg_values values = {.count = 0};
        PGresult *r = NULL;
        lk__pg_int(&values, from);
        lk__pg_int(&values, SOME);
        status = lk__pg_query(s, &s->reader, LK__PG_PHOTOS_AFTER, &values, "read", &r, err);
        rows = PQntuples(r);
        for (int i = 0; i < rows && status == LK_OK; i++) {
            lk__photo p = {.id = lk__pg_int_of(r, i, 0), .person_id = lk__pg_int_of(r, i, 1)};
            vector_of(s, r, i, 2, &p);
            from = p.id;
            status = fn(context, &p, err);
        }
        PQclear(r);
    }
    return status;
}

static void end_reading(lk__pg *s) {
    lk__pg_link *link = &s->reader;
    PGresult *r = link->open ? PQexec(link->conn, "ROLLBACK") : NULL; /* it only read: nothing can be lost */
    if (link->open && PQresultStatus(r) != PGRES_COMMAND_OK) lk__pg_disconnect(link);
    PQclear(r);
    link->open = false;
}

/* Within a transaction that sees one moment. */
lk_status lk__pg_changes(lk__store *store, lk__cursors from, lk__removed_fn removed, lk__photo_fn added,
                         void *context, lk__moment *to, lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    lk__moment now = {.cursors = from};
    int64_t highest = 0;
    lk_status status = lk__pg_sql(s, &s->reader, "BEGIN ISOLATION LEVEL REPEATABLE READ", "read", NULL, err);
    if (status != LK_OK) return status;
    s->reader.open = true;
    status = lk__pg_ends(store, &now.cursors, err);
    if (status == LK_OK) status = lk__pg_audit_head(s, &s->reader, &now.audit, now.hash, &highest, err);
    if (status == LK_OK && from.photo) status = tell_removed(s, from.removed, removed, context, err);
    if (status == LK_OK) status = tell_added(s, from.photo, added, context, err);
    end_reading(s);
    if (status == LK_OK) *to = now;
    return status;
}

static lk_status tell_named(const lk__pg *s, PGresult *r, bool with_vector, lk__photo_fn fn, void *context,
                            lk_error *err) {
    lk_status status = LK_OK;
    for (int i = 0; i < PQntuples(r) && status == LK_OK; i++) {
        lk__photo p = {.id = lk__pg_int_of(r, i, 0),
                       .person_id = lk__pg_int_of(r, i, 1),
                       .person = lk__pg_text_of(r, i, 2),
                       .name = lk__pg_text_of(r, i, 3)};
        if (with_vector) vector_of(s, r, i, 4, &p);
        status = fn(context, &p, err);
    }
    return status;
}

lk_status lk__pg_names(lk__store *store, const int64_t *ids, size_t count, lk__photo_fn fn, void *context,
                       lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    lk__pg_array wanted;
    lk__pg_values values = {.count = 0};
    PGresult *r = NULL;
    if (!count) return LK_OK;
    lk__pg_array_begin(&wanted, LK__PG_INT8);
    for (size_t i = 0; i < count; i++) lk__pg_array_int(&wanted, ids[i]);
    lk_status status = lk__pg_arrays_end(s, &wanted, 1, &values, err);
    if (status == LK_OK) status = lk__pg_query(s, &s->reader, LK__PG_NAMES, &values, "read", &r, err);
    if (status == LK_OK) status = tell_named(s, r, false, fn, context, err);
    PQclear(r);
    lk__pg_arrays_free(&wanted, 1);
    return status;
}

lk_status lk__pg_nearest(lk__store *store, const float *probe, size_t limit, lk__photo_fn fn, void *context,
                         lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    size_t dim = (size_t)store->info.dim, size = 4 + 4 * dim;
    lk__pg_values values = {.count = 0};
    PGresult *r = NULL;
    unsigned char *vector = malloc(size);
    if (!vector) return lk__fail_memory(err, size, "a search");
    lk__pg_vector_write(probe, dim, vector);
    lk__pg_bytes(&values, vector, size);
    lk__pg_int(&values, limit < INT64_MAX ? (int64_t)limit : INT64_MAX);
    lk__pg_which which = s->address.search == LK__PG_HNSW ? LK__PG_NEAREST_HNSW : LK__PG_NEAREST;
    lk_status status = lk__pg_query(s, &s->reader, which, &values, "search", &r, err);
    if (status == LK_OK) status = tell_named(s, r, true, fn, context, err);
    PQclear(r);
    free(vector);
    return status;
}
