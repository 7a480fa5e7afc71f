/* store_pg_link.c: a connection to PostgreSQL, and all the SQL that runs more than once.
 *
 * A connection that is lost between transactions is made anew and the question asked again: servers restart.
 * One that is lost within a transaction takes the transaction with it, and that is said. */
#include "gallery/store_pg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UTC(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
#define PHOTO_COLUMNS                                                                                        \
    "photos.id, person_id, people.name, photos.name, " UTC(                                                  \
        "photos.added") ", source, quality, "                                                                \
                        "(SELECT octet_length(jpeg)::bigint FROM crops WHERE photo_id = photos.id)"

static const char *const queries[LK__PG_QUERIES] = {
    [LK__PG_INFO] = "SELECT version::bigint, dim::bigint, fingerprint, threshold, model_path, " UTC(
        "created") ", "
                   "identity, (SELECT atttypid::bigint FROM pg_attribute WHERE attrelid = 'photos'::regclass "
                   "AND attname = 'vector'), (SELECT count(*) FROM pg_index JOIN pg_class ON pg_class.oid = "
                   "indexrelid JOIN pg_am ON pg_am.oid = relam WHERE indrelid = 'photos'::regclass AND "
                   "amname = 'hnsw' AND indisvalid), (has_table_privilege('photos', 'INSERT') AND "
                   "has_table_privilege('state', 'UPDATE') AND NOT pg_is_in_recovery())::int::bigint, "
                   "current_user::text, key_check FROM info",
    [LK__PG_INFO_ADD] = "INSERT INTO info (version, dim, fingerprint, threshold, model_path, key_check, "
                        "identity) VALUES ($1::bigint, "
                        "$2::bigint, $3, $4, $5, $6, replace(gen_random_uuid()::text, '-', ''))",
    [LK__PG_ADD] =
        "SELECT whose, replaced, made::int::bigint, secret FROM enroll($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    [LK__PG_REMOVE_PHOTO] = "DELETE FROM photos WHERE id = $1 RETURNING person_id",
    [LK__PG_REMOVE_PHOTOS] = "DELETE FROM photos WHERE person_id = $1",
    [LK__PG_REMOVE_PERSON] = "DELETE FROM people WHERE id = $1 RETURNING id",
    [LK__PG_REMOVE_EMPTY] =
        "DELETE FROM people WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM photos WHERE person_id = $1)",
    [LK__PG_RENAME] = "UPDATE people SET name = $2::text WHERE id = $1",
    [LK__PG_COUNTS] = "SELECT people, photos FROM state",
    [LK__PG_PEOPLE] = "SELECT id, name, " UTC(
        "added") ", (SELECT count(*) FROM photos WHERE person_id = "
                 "people.id) FROM people WHERE name > $1::text ORDER BY name LIMIT $2::bigint",
    [LK__PG_PHOTOS] = "SELECT " PHOTO_COLUMNS " FROM photos JOIN people ON people.id = person_id "
                      "WHERE photos.id > $1 ORDER BY photos.id LIMIT $2::bigint",
    /* + 0 keeps the planner from walking all photos by id until it has met enough of the one person. */
    [LK__PG_PHOTOS_OF] = "SELECT " PHOTO_COLUMNS " FROM people JOIN photos ON person_id = people.id "
                         "WHERE people.name = $3::text AND photos.id > $1 ORDER BY photos.id + 0 "
                         "LIMIT $2::bigint",
    [LK__PG_PERSON] = "SELECT id, salt FROM people WHERE name = $1::text",
    [LK__PG_FIND] =
        "SELECT id FROM photos WHERE person_id = (SELECT id FROM people WHERE name = $1::text) AND "
        "hashtextextended(name, 0) = hashtextextended($2::text COLLATE \"C\", 0) AND name = $2::text",
    [LK__PG_PHOTO] = "SELECT " PHOTO_COLUMNS ", vector, (SELECT jpeg FROM crops WHERE photo_id = photos.id) "
                     "FROM photos JOIN people ON people.id = person_id WHERE photos.id = $1",
    [LK__PG_ENDS] = "SELECT last_photo, removed FROM state",
    [LK__PG_REMOVED_AFTER] =
        "SELECT number, photo_id FROM removed WHERE number > $1 ORDER BY number LIMIT $2::bigint",
    [LK__PG_PHOTOS_AFTER] =
        "SELECT id, person_id, vector FROM photos WHERE id > $1 ORDER BY id LIMIT $2::bigint",
    [LK__PG_NAMES] = "SELECT photos.id, person_id, people.name, photos.name "
                     "FROM unnest($1::bigint[]) WITH ORDINALITY AS wanted (id, place) "
                     "JOIN photos ON photos.id = wanted.id JOIN people ON people.id = person_id "
                     "ORDER BY place",
#define NEAREST(order)                                                                                       \
    "SELECT near.id, person_id, people.name, near.name, vector FROM (SELECT id, person_id, name, vector, "   \
    "vector <#> $1 AS distance FROM photos ORDER BY " order " LIMIT $2::bigint) AS near "                    \
    "JOIN people ON people.id = person_id ORDER BY distance, near.id"
    /* + 0 hides the order from an index: all rows are compared. */
    [LK__PG_NEAREST] = NEAREST("(vector <#> $1) + 0, id"),
    [LK__PG_NEAREST_HNSW] = NEAREST("vector <#> $1"),
    [LK__PG_AUDIT_ADD] =
        "INSERT INTO audit (number, time, who, action, person_id, photo_id, name, probe, details, hash) "
        "SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], "
        "$7::bytea[], $8::bytea[], $9::text[], $10::bytea[])",
    [LK__PG_AUDIT_LAST] = "SELECT last_audit, number, hash FROM state LEFT JOIN "
                          "(SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1) AS head ON true",
    [LK__PG_AUDIT_ROWS] = "SELECT number, time, who, action, person_id, photo_id, name, probe, details, hash "
                          "FROM audit WHERE number > $1 ORDER BY number LIMIT $2::bigint",
    [LK__PG_AUDIT_HASH] = "SELECT hash FROM audit WHERE number = $1",
};

/* ---- numbers of the protocol ----------------------------------------------------------------------- */

uint64_t lk__pg_swap64(uint64_t number) {
    return __builtin_bswap64(number);
}

uint32_t lk__pg_swap32(uint32_t number) {
    return __builtin_bswap32(number);
}

void lk__pg_int(lk__pg_values *v, int64_t number) {
    v->numbers[v->count] = lk__pg_swap64((uint64_t)number);
    lk__pg_bytes(v, &v->numbers[v->count], sizeof v->numbers[0]);
}

void lk__pg_real(lk__pg_values *v, double number) {
    int64_t bits;
    memcpy(&bits, &number, sizeof bits);
    if (isnan(number))
        lk__pg_bytes(v, NULL, 0);
    else
        lk__pg_int(v, bits);
}

void lk__pg_text(lk__pg_values *v, const char *text) {
    lk__pg_bytes(v, text, text ? strlen(text) : 0);
}

void lk__pg_bytes(lk__pg_values *v, const void *bytes, size_t size) {
    v->values[v->count] = bytes;
    v->lengths[v->count] = (int)size;
    v->formats[v->count++] = 1;
}

int64_t lk__pg_int_of(const PGresult *r, int row, int column) {
    uint64_t number = 0;
    if (PQgetlength(r, row, column) == sizeof number)
        memcpy(&number, PQgetvalue(r, row, column), sizeof number);
    return (int64_t)lk__pg_swap64(number);
}

double lk__pg_real_of(const PGresult *r, int row, int column) {
    if (PQgetisnull(r, row, column)) return (double)NAN;
    int64_t bits = lk__pg_int_of(r, row, column);
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

const char *lk__pg_text_of(const PGresult *r, int row, int column) {
    return PQgetisnull(r, row, column) ? NULL : PQgetvalue(r, row, column);
}

const void *lk__pg_bytes_of(const PGresult *r, int row, int column, size_t *size) {
    *size = (size_t)PQgetlength(r, row, column);
    return PQgetisnull(r, row, column) ? NULL : PQgetvalue(r, row, column);
}

/* ---- failing --------------------------------------------------------------------------------------- */

bool lk__pg_failed_with(const PGresult *r, const char *sqlstate) {
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    return state && strcmp(state, sqlstate) == 0;
}

/* libpq's messages have several lines. */
static void one_line(const char *text, char *out, size_t room) {
    size_t used = 0;
    for (; *text && used + 3 < room; text++) {
        bool ends = *text == '\n';
        if (ends && text[strspn(text, "\n\t ")] == 0) break;
        if (ends) out[used++] = ';';
        out[used++] = ends || *text == '\t' ? ' ' : *text;
        while (ends && (text[1] == '\t' || text[1] == ' ')) text++;
    }
    out[used] = 0;
}

/* What libpq itself says has no SQLSTATE; it may see that the server closed the connection before it says so
 * in PQstatus. */
static bool is_lost(const lk__pg_link *link, const PGresult *r) {
    return PQstatus(link->conn) != CONNECTION_OK || !PQresultErrorField(r, PG_DIAG_SQLSTATE);
}

static lk_status lost(const lk__pg *s, const lk__pg_link *link, const char *doing, lk_error *err) {
    char why[400];
    one_line(PQerrorMessage(link->conn), why, sizeof why);
    return lk__fail(err, LK_IO, "%s: cannot %s: the server is gone (%s)%s", s->store.name, doing, why,
                    link->open ? "; nothing of the open transaction was kept" : "");
}

lk_status lk__pg_fail(const lk__pg *s, const lk__pg_link *link, const PGresult *r, const char *doing,
                      lk_error *err) {
    const char *name = s->store.name, *state = PQresultErrorField(r, PG_DIAG_SQLSTATE),
               *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    if (is_lost(link, r) || !state || !text) return lost(s, link, doing, err);
    if (strcmp(state, "55P03") == 0 || strncmp(state, "40", 2) == 0)
        return lk__fail(err, LK_BUSY, "%s: another process has been writing to it for %d seconds; try again",
                        name, LK__BUSY_MS / 1000);
    if (strcmp(state, "42501") == 0)
        return lk__fail(err, LK_IO, "%s: cannot %s: %s; its owner can GRANT it", name, doing, text);
    if (strcmp(state, "25006") == 0)
        return lk__fail(err, LK_IO, "%s: cannot %s: the server only reads (%s); write to its primary", name,
                        doing, text);
    if (strcmp(state, "53100") == 0)
        return lk__fail(err, LK_IO,
                        "%s: cannot %s: the server's disk is full; free some space and run it again, nothing "
                        "was lost",
                        name, doing);
    if (strncmp(state, "53", 2) == 0 || strcmp(state, "57014") == 0)
        return lk__fail(err, LK_BUSY, "%s: cannot %s: the server has too much to do: %s", name, doing, text);
    if (strncmp(state, "XX001", 4) == 0)
        return lk__fail(err, LK_FORMAT, "%s: the gallery is damaged (%s); restore a backup", name, text);
    if (strncmp(state, "42", 2) == 0 || strncmp(state, "3F", 2) == 0)
        return lk__fail(err, LK_FORMAT, "%s: cannot %s: %s: its tables are not those of a gallery", name,
                        doing, text);
    return lk__fail(err, LK_INTERNAL, "%s: cannot %s: %s (SQLSTATE %s)", name, doing, text, state);
}

/* ---- connecting ------------------------------------------------------------------------------------ */

void lk__pg_disconnect(lk__pg_link *link) {
    PQfinish(link->conn);
    link->conn = NULL;
    link->open = false;
    memset(link->prepared, 0, sizeof link->prepared);
}

static void silent(void *context, const char *message) {
    (void)context, (void)message;
}

static lk_status refused(const lk__pg *s, const lk__pg_link *link, lk_error *err) {
    char why[500];
    one_line(PQerrorMessage(link->conn), why, sizeof why);
    /* libpq tells no SQLSTATE of a refused connection. */
    bool no_database = strstr(why, "database \"") && strstr(why, "\" does not exist");
    return lk__fail(err, no_database ? LK_NOT_FOUND : LK_IO, "%s: cannot connect: %s", s->store.name, why);
}

/* What a session of ours has. The schema's own names come first, then those of pgvector, wherever it is. */
static lk_status configure(const lk__pg *s, lk__pg_link *link, lk_error *err) {
    char sql[1400];
    int length =
        snprintf(sql, sizeof sql,
                 "SET lock_timeout = %d; SET default_transaction_isolation = 'read committed'; "
                 "%s"
                 "SELECT set_config('synchronous_commit', 'on', false) WHERE "
                 "current_setting('synchronous_commit') = 'off';"
                 "SELECT set_config('search_path', concat_ws(', ', '%s', (SELECT quote_ident(nspname) FROM "
                 "pg_extension "
                 "JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'vector')), false)",
                 LK__BUSY_MS,
                 s->store.read_only ? "SET default_transaction_read_only = on; "
                                    : "RESET default_transaction_read_only; ",
                 s->address.schema);
    /* Since pgvector 0.8 it goes on until it has as many as were asked for. */
    if (s->address.search == LK__PG_HNSW && link == &s->reader)
        snprintf(sql + length, sizeof sql - (size_t)length,
                 "; SELECT set_config('hnsw.ef_search', '%d', false); "
                 "SELECT set_config('hnsw.iterative_scan', 'strict_order', false) FROM pg_extension WHERE "
                 "extname = 'vector' AND string_to_array(extversion, '.')::int[] >= '{0,8,0}'",
                 s->address.ef_search);
    PGresult *r = PQexec(link->conn, sql);
    lk_status status = PQresultStatus(r) == PGRES_TUPLES_OK ? LK_OK : lk__pg_fail(s, link, r, "connect", err);
    PQclear(r);
    return status;
}

/* Later words win; the address is given as dbname, so that what it says stands over our defaults. */
static lk_status connect_link(const lk__pg *s, lk__pg_link *link, lk_error *err) {
    const char *patience = getenv("PGCONNECT_TIMEOUT");
    const char *const words[] = {"connect_timeout",  "keepalives_idle",  "keepalives_interval",
                                 "keepalives_count", "tcp_user_timeout", "fallback_application_name",
                                 "dbname",           "client_encoding",  NULL};
    const char *const values[] = {patience && *patience ? patience : "10",
                                  "30",
                                  "10",
                                  "3",
                                  "30000",
                                  "likeness",
                                  s->address.uri,
                                  "UTF8",
                                  NULL};
    lk__pg_disconnect(link);
    link->conn = PQconnectdbParams(words, values, 1);
    if (!link->conn) return lk__fail_memory(err, 1, s->store.name);
    lk_status status = LK_OK;
    if (PQstatus(link->conn) != CONNECTION_OK)
        status = refused(s, link, err);
    else if (PQserverVersion(link->conn) < LK__PG_SERVER)
        status = lk__fail(err, LK_INVALID, "%s: the server is PostgreSQL %d; %d or newer is needed",
                          s->store.name, PQserverVersion(link->conn) / 10000, LK__PG_SERVER / 10000);
    else {
        PQsetNoticeProcessor(link->conn, silent, NULL);
        status = configure(s, link, err);
    }
    if (status != LK_OK) lk__pg_disconnect(link);
    return status;
}

/* ---- statements ------------------------------------------------------------------------------------ */

static bool went_well(const PGresult *r) {
    return PQresultStatus(r) == PGRES_TUPLES_OK || PQresultStatus(r) == PGRES_COMMAND_OK;
}

static PGresult *run_prepared(lk__pg_link *link, lk__pg_which which, const lk__pg_values *v) {
    char name[32];
    snprintf(name, sizeof name, "lk_%s_%d", link->prefix, which);
    if (!link->prepared[which]) {
        PGresult *r = PQprepare(link->conn, name, queries[which], 0, NULL);
        /* 42P05: it is there. Connections that share a session (a pool, PGlite) share its statements. */
        if (!went_well(r) && !lk__pg_failed_with(r, "42P05")) return r;
        PQclear(r);
        link->prepared[which] = true;
    }
    return PQexecPrepared(link->conn, name, v ? v->count : 0, v ? v->values : NULL, v ? v->lengths : NULL,
                          v ? v->formats : NULL, 1);
}

/* One of sql and which. */
static lk_status run(lk__pg *s, lk__pg_link *link, const char *sql, lk__pg_which which,
                     const lk__pg_values *v, const char *doing, PGresult **out, lk_error *err) {
    for (int tries = 0;; tries++) {
        bool within = link->open;
        lk_status status = link->conn ? LK_OK : connect_link(s, link, err);
        if (status != LK_OK) return status;
        PGresult *r = sql ? PQexec(link->conn, sql) : run_prepared(link, which, v);
        if (went_well(r)) {
            if (out)
                *out = r;
            else
                PQclear(r);
            return LK_OK;
        }
        bool gone = is_lost(link, r);
        status = lk__pg_fail(s, link, r, doing, err);
        if (gone) lk__pg_disconnect(link);
        if (gone && !within && tries == 0) {
            PQclear(r);
            continue;
        }
        if (out && !gone)
            *out = r; /* to ask it for the SQLSTATE */
        else
            PQclear(r);
        return status;
    }
}

lk_status lk__pg_query(lk__pg *s, lk__pg_link *link, lk__pg_which which, const lk__pg_values *values,
                       const char *doing, PGresult **out, lk_error *err) {
    *out = NULL;
    return run(s, link, NULL, which, values, doing, out, err);
}

lk_status lk__pg_sql(lk__pg *s, lk__pg_link *link, const char *sql, const char *doing, PGresult **out,
                     lk_error *err) {
    if (out) *out = NULL;
    return run(s, link, sql, LK__PG_QUERIES, NULL, doing, out, err);
}
