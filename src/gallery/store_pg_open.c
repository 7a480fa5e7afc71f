/* store_pg_open.c: making a gallery on PostgreSQL and opening one.
 *
 * A gallery is made in one transaction, so that a schema of the right name is always a whole gallery. Vectors
 * are pgvector's where the database has it, and bytes where it has not: both can be searched in memory. */
#include "gallery/store_pg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the handle ------------------------------------------------------------------------------------ */

void lk__pg_close(lk__store *store) {
    lk__pg *s = lk__pg_of(store);
    lk__pg_disconnect(&s->reader);
    lk__pg_disconnect(&s->link);
    lk__pg_address_free(&s->address);
    free(s);
}

static lk_status store_new(const char *address, bool read_only, lk__pg **out, lk_error *err) {
    lk__pg *s = calloc(1, sizeof *s);
    if (!s) return lk__fail_memory(err, sizeof *s, "a gallery");
    lk_status status = lk__pg_address_read(address, &s->address, err);
    s->store = (lk__store){.ops = &lk__pg_ops, .name = s->address.name, .read_only = read_only};
    s->link.prefix = "w";
    s->reader.prefix = "r";
    if (status == LK_OK)
        *out = s;
    else
        lk__pg_close(&s->store);
    return status;
}

/* What there is under the gallery's name, and what the database can do. */
typedef struct place {
    bool exists, usable, gallery, occupied, pgvector, utf8;
} place;

static lk_status look(lk__pg *s, place *out, lk_error *err) {
    char sql[640];
    PGresult *r = NULL;
    snprintf(sql, sizeof sql,
             "SELECT n.oid IS NOT NULL, coalesce(has_schema_privilege(n.oid, 'USAGE'), false), "
             "EXISTS (SELECT FROM pg_class WHERE relnamespace = n.oid AND relname = 'info'), "
             "EXISTS (SELECT FROM pg_class WHERE relnamespace = n.oid), "
             "EXISTS (SELECT FROM pg_extension WHERE extname = 'vector'), "
             "current_setting('server_encoding') = 'UTF8' "
             "FROM (SELECT) AS one LEFT JOIN pg_namespace AS n ON nspname = '%s'",
             s->address.schema);
    lk_status status = lk__pg_sql(s, &s->link, sql, "open", &r, err);
    bool said[6] = {false};
    for (int i = 0; status == LK_OK && i < 6; i++) said[i] = *PQgetvalue(r, 0, i) == 't';
    PQclear(r);
    *out = (place){said[0], said[1], said[2], said[3], said[4], said[5]};
    return status;
}

/* ---- creating -------------------------------------------------------------------------------------- */

/* Who asks for searches on the server asks for pgvector. */
static lk_status install_pgvector(lk__pg *s, lk_error *err) {
    PGresult *r = NULL;
    lk_status status = lk__pg_sql(s, &s->link, "CREATE EXTENSION IF NOT EXISTS vector SCHEMA public",
                                  "install pgvector", &r, err);
    const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    if (status != LK_OK && text)
        status =
            lk__fail(err, LK_INVALID,
                     "%s: a search on the server needs pgvector there (%s): have it installed and CREATE "
                     "EXTENSION vector done, or leave out search=",
                     s->store.name, text);
    PQclear(r);
    lk__pg_disconnect(&s->link); /* a new session knows its operators */
    return status;
}

static lk_status check_place(const lk__pg *s, const place *at, int dim, lk_error *err) {
    const char *name = s->store.name;
    if (at->gallery)
        return lk__fail(err, LK_INVALID, "%s: exists already; open it, or choose another name", name);
    if (at->occupied)
        return lk__fail(err, LK_INVALID, "%s: the schema %s holds tables of others; choose another name",
                        name, s->address.schema);
    if (at->exists && !at->usable)
        return lk__fail(err, LK_IO, "%s: no permission for the schema %s; its owner can GRANT it", name,
                        s->address.schema);
    if (!at->utf8) return lk__fail(err, LK_INVALID, "%s: names need a database with the encoding UTF8", name);
    if (s->address.search == LK__PG_HNSW && dim > LK__PG_HNSW_DIM)
        return lk__fail(err, LK_INVALID,
                        "%s: pgvector's HNSW takes vectors of up to %d numbers, not %d; search=exact or "
                        "memory do",
                        name, LK__PG_HNSW_DIM, dim);
    return LK_OK;
}

static lk_status write_info(lk__pg *s, const lk_vector_kind *kind, const uint8_t *seal_check, lk_error *err) {
    lk__pg_values values = {.count = 0};
    PGresult *r = NULL;
    lk__pg_int(&values, LK__PG_SCHEMA);
    lk__pg_int(&values, kind->dim);
    lk__pg_text(&values, kind->fingerprint);
    lk__pg_real(&values, kind->threshold);
    lk__pg_text(&values, kind->model_path ? kind->model_path : "");
    lk__pg_bytes(&values, seal_check, LK__SEAL_CHECK);
    lk_status status = lk__pg_query(s, &s->link, LK__PG_INFO_ADD, &values, "create", &r, err);
    PQclear(r);
    return status;
}

static lk_status write_gallery(lk__pg *s, const lk_vector_kind *kind, const uint8_t *seal_check,
                               const place *at, lk_error *err) {
    char *schema = NULL;
    PGresult *r = NULL;
    bool pgvector = at->pgvector && !seal_check && kind->dim <= LK__PG_VECTOR_DIM;
    lk_status status = lk__pg_schema_sql(s, kind->dim, !at->exists, pgvector, &schema, err);
    if (status == LK_OK) status = lk__pg_sql(s, &s->link, "BEGIN", "create", NULL, err);
    if (status == LK_OK) {
        s->link.open = true;
        status = lk__pg_sql(s, &s->link, schema, "create", &r, err);
    }
    if (lk__pg_failed_with(r, "42P06") || lk__pg_failed_with(r, "23505"))
        status = lk__fail(err, LK_INVALID, "%s: exists already", s->store.name);
    PQclear(r);
    if (status == LK_OK) status = write_info(s, kind, seal_check, err);
    if (status == LK_OK) status = lk__pg_sql(s, &s->link, "COMMIT", "create", NULL, err);
    lk__pg_disconnect(&s->link);
    free(schema);
    return status;
}

lk_status lk__pg_create(const char *address, const lk_vector_kind *kind, const uint8_t *seal_check,
                        lk__store **out, lk_error *err) {
    lk__pg *s = NULL;
    place at = {.exists = false};
    lk_status status = store_new(address, false, &s, err);
    if (status == LK_OK) status = lk__store_check_kind(s->store.name, kind, err);
    if (status == LK_OK && s->address.search != LK__PG_MEMORY)
        status = seal_check
                     ? lk__fail(err, LK_INVALID,
                                "%s: a server cannot search vectors that are encrypted; leave out search=",
                                s->store.name)
                     : install_pgvector(s, err);
    if (status == LK_OK) status = look(s, &at, err);
    if (status == LK_OK) status = check_place(s, &at, kind->dim, err);
    if (status == LK_OK) status = write_gallery(s, kind, seal_check, &at, err);
    if (s) lk__pg_close(&s->store);
    return status == LK_OK ? lk__pg_open(address, false, out, err) : status;
}

/* ---- opening --------------------------------------------------------------------------------------- */

/* A text into a field of its size; false when missing or too long. */
static bool copy_text(const PGresult *r, int column, char *to, size_t room) {
    const char *text = lk__pg_text_of(r, 0, column);
    if (!text || strlen(text) >= room || (*text && !lk__name_valid(text, room))) return false;
    strcpy(to, text);
    return true;
}

static lk_status take_info(lk__pg *s, const PGresult *r, lk_error *err) {
    lk_gallery_info *info = &s->store.info;
    int64_t version = PQntuples(r) == 1 ? lk__pg_int_of(r, 0, 0) : 0, dim = 0;
    if (version > LK__PG_SCHEMA)
        return lk__fail(err, LK_FORMAT,
                        "%s: was written by a newer likeness (schema %lld, this one reads up to %d); update "
                        "likeness",
                        s->store.name, (long long)version, LK__PG_SCHEMA);
    if (version >= 1) dim = lk__pg_int_of(r, 0, 1);
    bool sound = dim >= 1 && dim <= LK__DIM_LIMIT &&
                 copy_text(r, 2, info->fingerprint, sizeof info->fingerprint) && info->fingerprint[0] &&
                 copy_text(r, 4, info->model_path, sizeof info->model_path) &&
                 copy_text(r, 5, info->created, sizeof info->created) &&
                 copy_text(r, 6, s->store.identity, sizeof s->store.identity) &&
                 strlen(s->store.identity) == sizeof s->store.identity - 1;
    size_t size = 0;
    const void *check = version >= 1 ? lk__pg_bytes_of(r, 0, 11, &size) : NULL;
    info->encrypted = check != NULL;
    if (check && size == LK__SEAL_CHECK)
        memcpy(s->store.seal_check, check, size);
    else
        sound = sound && !check;
    if (sound) info->threshold = lk__pg_real_of(r, 0, 3);
    if (!sound || fabs(info->threshold) > 1)
        return lk__fail(err, LK_FORMAT, "%s: the gallery's own description is damaged; restore a backup",
                        s->store.name);
    info->dim = (int)dim;
    return LK_OK;
}

static lk_status check_abilities(lk__pg *s, const PGresult *r, lk_error *err) {
    int64_t type = lk__pg_int_of(r, 0, 7), indexes = lk__pg_int_of(r, 0, 8);
    const char *name = s->store.name;
    s->vector_oid = type == LK__PG_BYTEA ? 0 : (unsigned)type;
    s->store.searches = s->address.search != LK__PG_MEMORY;
    if (!s->store.read_only && !lk__pg_int_of(r, 0, 9))
        return lk__fail(err, LK_IO,
                        "%s: no permission to write for the user %s, or the server is a standby; open it for "
                        "reading only",
                        name, lk__pg_text_of(r, 0, 10));
    if (s->store.searches && !s->vector_oid)
        return lk__fail(
            err, LK_INVALID,
            "%s: the gallery was made without pgvector, so the server cannot search it; leave out "
            "search=, or make it anew with it",
            name);
    if (s->address.search == LK__PG_HNSW && !indexes)
        return lk__fail(err, LK_INVALID,
                        "%s: the gallery has no HNSW index yet; its owner makes one: CREATE INDEX "
                        "CONCURRENTLY photos_hnsw ON %s.photos USING hnsw (vector vector_ip_ops)",
                        name, s->address.schema);
    return LK_OK;
}

static lk_status open_gallery(lk__pg *s, lk_error *err) {
    place at;
    PGresult *r = NULL;
    lk_status status = look(s, &at, err);
    if (status != LK_OK) return status;
    if (at.exists && !at.usable)
        return lk__fail(err, LK_IO, "%s: no permission for the schema %s; its owner can GRANT it",
                        s->store.name, s->address.schema);
    if (!at.gallery)
        return lk__fail(err, LK_NOT_FOUND, "%s: there is no such gallery (schema %s)", s->store.name,
                        s->address.schema);
    status = lk__pg_query(s, &s->link, LK__PG_INFO, NULL, "open", &r, err);
    if (status == LK_OK) status = take_info(s, r, err);
    if (status == LK_OK) status = check_abilities(s, r, err);
    PQclear(r);
    return status;
}

lk_status lk__pg_open(const char *address, bool read_only, lk__store **out, lk_error *err) {
    lk__pg *s = NULL;
    lk_status status = store_new(address, read_only, &s, err);
    if (status != LK_OK) return status;
    status = open_gallery(s, err);
    if (status == LK_OK)
        *out = &s->store;
    else
        lk__pg_close(&s->store);
    return status;
}
