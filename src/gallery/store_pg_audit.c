/* store_pg_audit.c: the rows of the audit (audit.c) in the store on PostgreSQL. A trigger refuses to change
 * or delete them. */
#include "gallery/store_pg.h"

#include <string.h>

enum { COLUMNS = 10 };

lk_status lk__pg_audit_add(lk__store *store, const lk__audit_row *rows, size_t count, lk_error *err) {
    static const unsigned types[COLUMNS] = {LK__PG_INT8, LK__PG_TEXT, LK__PG_TEXT,  LK__PG_TEXT,
                                            LK__PG_INT8, LK__PG_INT8, LK__PG_BYTEA, LK__PG_BYTEA,
                                            LK__PG_TEXT, LK__PG_BYTEA};
    lk__pg *s = lk__pg_of(store);
    lk__pg_array columns[COLUMNS];
    lk__pg_values values = {.count = 0};
    PGresult *r = NULL;
    if (!count) return LK_OK;
    for (int c = 0; c < COLUMNS; c++) lk__pg_array_begin(&columns[c], types[c]);
    for (size_t i = 0; i < count; i++) {
        const lk__audit_row *row = &rows[i];
        const int64_t numbers[] = {row->person_id, row->photo_id};
        const uint8_t *hashes[] = {row->name, row->probe};
        const char *texts[] = {row->time, row->who, row->action};
        lk__pg_array_int(&columns[0], row->number);
        for (int t = 0; t < 3; t++) lk__pg_array_text(&columns[1 + t], texts[t]);
        for (int n = 0; n < 2; n++) {
            if (numbers[n])
                lk__pg_array_int(&columns[4 + n], numbers[n]);
            else
                lk__pg_array_bytes(&columns[4 + n], NULL, 0);
            lk__pg_array_bytes(&columns[6 + n], hashes[n], LK__HASH);
        }
        lk__pg_array_text(&columns[8], row->details);
        lk__pg_array_bytes(&columns[9], row->hash, LK__HASH);
    }
    lk_status status = lk__pg_arrays_end(s, columns, COLUMNS, &values, err);
    if (status == LK_OK) status = lk__pg_query(s, &s->link, LK__PG_AUDIT_ADD, &values, "write", &r, err);
    PQclear(r);
    lk__pg_arrays_free(columns, COLUMNS);
    if (status != LK_OK) return status;
    s->pending.audit = s->pending.audit_highest = rows[count - 1].number;
    memcpy(s->pending.audit_hash, rows[count - 1].hash, LK__HASH);
    s->pending.audit_known = true;
    return LK_OK;
}

/* NULL where there is none; false: of another length. */
static bool hash_of(const PGresult *r, int row, int column, const uint8_t **hash) {
    size_t size = 0;
    *hash = lk__pg_bytes_of(r, row, column, &size);
    return !*hash || size == LK__HASH;
}

static lk_status damaged(const lk__pg *s, int64_t number, lk_error *err) {
    return lk__fail(err, LK_FORMAT, "%s: row %lld of the audit is damaged", s->store.name, (long long)number);
}

lk_status lk__pg_audit_head(lk__pg *s, lk__pg_link *link, int64_t *number, uint8_t *hash, int64_t *highest,
                            lk_error *err) {
    PGresult *r = NULL;
    const uint8_t *bytes = NULL;
    lk_status status = lk__pg_query(s, link, LK__PG_AUDIT_LAST, NULL, "read", &r, err);
    if (status == LK_OK && PQntuples(r) != 1)
        status = lk__fail(err, LK_FORMAT, "%s: its table state is damaged", s->store.name);
    if (status == LK_OK) {
        *highest = lk__pg_int_of(r, 0, 0);
        *number = lk__pg_int_of(r, 0, 1);
        if (*highest < *number) *highest = *number;
        memset(hash, 0, LK__HASH);
        if (!hash_of(r, 0, 2, &bytes) || (*number && !bytes))
            status = damaged(s, *number, err);
        else if (bytes)
            memcpy(hash, bytes, LK__HASH);
    }
    PQclear(r);
    return status;
}

lk_status lk__pg_audit_last(lk__store *store, int64_t *number, uint8_t *hash, int64_t *highest,
                            lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    lk__pg_pending *p = &s->pending;
    if (!s->link.open) return lk__pg_audit_head(s, &s->link, number, hash, highest, err);
    if (!p->audit_known) {
        lk_status status = lk__pg_audit_head(s, &s->link, &p->audit, p->audit_hash, &p->audit_highest, err);
        if (status != LK_OK) return status;
        p->audit_known = true;
    }
    *number = p->audit;
    *highest = p->audit_highest;
    memcpy(hash, p->audit_hash, LK__HASH);
    return LK_OK;
}

lk_status lk__pg_audit_rows(lk__store *store, int64_t after, size_t limit, lk__audit_fn fn, void *context,
                            lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    lk__pg_values values = {.count = 0};
    PGresult *r = NULL;
    lk__pg_int(&values, after);
    lk__pg_int(&values, (int64_t)limit);
    lk_status status = lk__pg_query(s, &s->link, LK__PG_AUDIT_ROWS, &values, "read", &r, err);
    for (int i = 0; status == LK_OK && i < PQntuples(r); i++) {
        const uint8_t *hash = NULL;
        lk__audit_row row = {.number = lk__pg_int_of(r, i, 0),
                             .time = lk__pg_text_of(r, i, 1),
                             .who = lk__pg_text_of(r, i, 2),
                             .action = lk__pg_text_of(r, i, 3),
                             .person_id = lk__pg_int_of(r, i, 4),
                             .photo_id = lk__pg_int_of(r, i, 5),
                             .details = lk__pg_text_of(r, i, 8)};
        bool sound = hash_of(r, i, 6, &row.name) && hash_of(r, i, 7, &row.probe) && hash_of(r, i, 9, &hash);
        if (!sound || !hash || !row.time || !row.who || !row.action) {
            status = damaged(s, row.number, err);
            break;
        }
        memcpy(row.hash, hash, LK__HASH);
        status = fn(context, &row, err);
    }
    PQclear(r);
    return status;
}

lk_status lk__pg_passed(lk__store *store, const lk__moment *moment, bool *yes, lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    lk__pg_values values = {.count = 0};
    PGresult *r = NULL;
    const uint8_t *hash = NULL;
    lk__pg_int(&values, moment->audit);
    lk_status status = lk__pg_query(s, &s->reader, LK__PG_AUDIT_HASH, &values, "read", &r, err);
    if (status == LK_OK)
        *yes =
            PQntuples(r) == 1 && hash_of(r, 0, 0, &hash) && hash && memcmp(hash, moment->hash, LK__HASH) == 0;
    PQclear(r);
    return status;
}
