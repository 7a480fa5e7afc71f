/* store_sqlite_schema.c: the schema of a gallery file (docs/formats.md), and how a file of an older one is
 * brought up to date: in one transaction, so that it is either as it was or new. */
#include "gallery/store_sqlite.h"

#include <math.h>
#include <string.h>

/* Word for word what sqlite_schema holds, in its order: by type, then name. */
static const char *const schema_1[] = {
    "CREATE TABLE info (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID",
    "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, added TEXT NOT NULL) STRICT",
    "CREATE TABLE photos (id INTEGER PRIMARY KEY AUTOINCREMENT, person_id INTEGER NOT NULL REFERENCES people "
    "(id), name TEXT NOT NULL, vector BLOB NOT NULL, added TEXT NOT NULL, UNIQUE (person_id, name)) STRICT",
#define MOVE_REVISION " BEGIN UPDATE info SET value = value + 1 WHERE key = 'revision'; END"
    "CREATE TRIGGER people_changed AFTER UPDATE ON people" MOVE_REVISION,
    "CREATE TRIGGER photos_changed AFTER UPDATE ON photos" MOVE_REVISION,
    "CREATE TRIGGER photos_deleted AFTER DELETE ON photos" MOVE_REVISION,
    NULL,
};

/* Crops have a table of their own: reading all vectors must not have to step over them. The sums are those of
 * store_sqlite_sum.c; the counts in info tell when rows have vanished with a damaged page. */
#define COUNT(key, by) "UPDATE info SET value = value " by " WHERE key = '" key "'; "
#define ONLY_ADDED " BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END"
static const char *const schema_2[] = {
    "CREATE TABLE audit (number INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, who TEXT NOT NULL, "
    "action TEXT NOT NULL, person_id INTEGER, photo_id INTEGER, name BLOB, probe BLOB, details TEXT, "
    "hash BLOB NOT NULL) STRICT",
    "CREATE TABLE crops (photo_id INTEGER PRIMARY KEY REFERENCES photos (id), sum INTEGER NOT NULL, "
    "jpeg BLOB NOT NULL) STRICT",
    "CREATE TABLE info (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID",
    "CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, added TEXT NOT "
    "NULL, "
    "salt BLOB NOT NULL, sum INTEGER NOT NULL) STRICT",
    "CREATE TABLE photos (id INTEGER PRIMARY KEY AUTOINCREMENT, person_id INTEGER NOT NULL REFERENCES people "
    "(id), name TEXT NOT NULL, added TEXT NOT NULL, source TEXT, quality REAL, crop_size INTEGER NOT NULL, "
    "sum INTEGER NOT NULL, "
    "vector_sum INTEGER NOT NULL, vector BLOB NOT NULL, UNIQUE (person_id, name)) STRICT",
    "CREATE TABLE removed (number INTEGER PRIMARY KEY, photo_id INTEGER NOT NULL) STRICT",
    "CREATE TRIGGER audit_kept BEFORE DELETE ON audit" ONLY_ADDED,
    "CREATE TRIGGER audit_same BEFORE UPDATE ON audit" ONLY_ADDED,
    "CREATE TRIGGER people_added AFTER INSERT ON people BEGIN " COUNT("people", "+ 1") "END",
    "CREATE TRIGGER people_deleted AFTER DELETE ON people BEGIN " COUNT("people", "- 1") "END",
    "CREATE TRIGGER photos_added AFTER INSERT ON photos BEGIN " COUNT("photos", "+ 1") "END",
    "CREATE TRIGGER photos_deleted BEFORE DELETE ON photos BEGIN DELETE FROM crops WHERE photo_id = old.id; "
    "INSERT INTO removed (photo_id) VALUES (old.id); " COUNT("photos", "- 1") "END",
    "CREATE TRIGGER photos_fixed BEFORE UPDATE OF id, person_id, vector ON photos BEGIN "
    "SELECT RAISE(ABORT, 'what a photo id stands for never changes: delete the photo and add it anew'); END",
    NULL,
};

/* Of what info says for ever. */
#define INFO(key) "(SELECT value FROM info WHERE key = '" key "')"
#define INFO_SUM                                                                                             \
    "likeness_sum(" INFO("dim") ", " INFO("fingerprint") ", " INFO("threshold") ", " INFO(                   \
        "model_path") ", " INFO("created") ", " INFO("identity") ", " INFO("key_check") ")"
#define ADD_INFO_SUM "INSERT INTO info VALUES ('sum', " INFO_SUM ")"

/* Tables whose names are ours; further ones are the user's own affair. */
#define OURS "('audit', 'crops', 'info', 'people', 'photos', 'removed')"

static lk_status write_info(const lk__sqlite *s, const lk_vector_kind *kind, const uint8_t *seal_check,
                            lk_error *err) {
    sqlite3_stmt *row = NULL;
    const char *sql = "INSERT INTO info VALUES ('dim', ?1), ('fingerprint', ?2), ('threshold', ?3), "
                      "('model_path', ?4), ('created', strftime('%Y-%m-%dT%H:%M:%SZ', 'now')), ('identity', "
                      "lower(hex(randomblob(16)))), ('key_check', ?5), ('people', 0), ('photos', 0)";
    if (sqlite3_prepare_v2(s->link.db, sql, -1, &row, NULL) != SQLITE_OK)
        return lk__sqlite_fail(s, &s->link, "create", err);
    sqlite3_bind_int(row, 1, kind->dim);
    sqlite3_bind_text(row, 2, kind->fingerprint, -1, SQLITE_STATIC);
    sqlite3_bind_double(row, 3, kind->threshold); /* SQLite makes NaN NULL */
    sqlite3_bind_text(row, 4, kind->model_path ? kind->model_path : "", -1, SQLITE_STATIC);
    if (seal_check) sqlite3_bind_blob(row, 5, seal_check, LK__SEAL_CHECK, SQLITE_STATIC); /* else NULL */
    lk_status status = sqlite3_step(row) == SQLITE_DONE ? LK_OK : lk__sqlite_fail(s, &s->link, "create", err);
    sqlite3_finalize(row);
    return status == LK_OK ? lk__sqlite_exec(s, &s->link, ADD_INFO_SUM, "create", err) : status;
}

static lk_status write_tables(const lk__sqlite *s, bool with_info, lk_error *err) {
    char sql[128];
    snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d", LK__SQLITE_ID,
             LK__SQLITE_SCHEMA);
    lk_status status = lk__sqlite_exec(s, &s->link, sql, "create", err);
    for (int i = 0; schema_2[i] && status == LK_OK; i++)
        if (with_info || !strstr(schema_2[i], "TABLE info"))
            status = lk__sqlite_exec(s, &s->link, schema_2[i], "create", err);
    return status;
}

lk_status lk__sqlite_schema_write(const lk__sqlite *s, const lk_vector_kind *kind, const uint8_t *seal_check,
                                  lk_error *err) {
    lk_status status = write_tables(s, true, err);
    return status == LK_OK ? write_info(s, kind, seal_check, err) : status;
}

/* ---- checking ------------------------------------------------------------------------------------- */

static lk_status read_version(const lk__sqlite *s, int *version, lk_error *err) {
    sqlite3_stmt *row = NULL;
    lk_status status = LK_OK;
    if (sqlite3_prepare_v2(s->link.db, "PRAGMA user_version", -1, &row, NULL) == SQLITE_OK &&
        sqlite3_step(row) == SQLITE_ROW)
        *version = sqlite3_column_int(row, 0);
    else
        status = lk__sqlite_fail(s, &s->link, "open", err);
    sqlite3_finalize(row);
    return status;
}

/* Nothing but `schema` may hang on our tables. */
static lk_status compare(const lk__sqlite *s, const char *const *schema, bool *same, lk_error *err) {
    sqlite3_stmt *row = NULL;
    int i = 0, code = SQLITE_ERROR;
    bool ours = true;
    const char *sql =
        "SELECT sql FROM sqlite_schema WHERE tbl_name IN " OURS " AND sql IS NOT NULL ORDER BY type, name";
    if (sqlite3_prepare_v2(s->link.db, sql, -1, &row, NULL) != SQLITE_OK)
        return lk__sqlite_fail(s, &s->link, "open", err);
    while ((code = sqlite3_step(row)) == SQLITE_ROW && ours) {
        const char *text = (const char *)sqlite3_column_text(row, 0);
        ours = schema[i] && text && strcmp(text, schema[i]) == 0;
        i++;
    }
    lk_status status = ours && code != SQLITE_DONE ? lk__sqlite_fail(s, &s->link, "open", err) : LK_OK;
    sqlite3_finalize(row);
    *same = ours && !schema[i];
    return status;
}

static lk_status migrate_from_1(const lk__sqlite *s, lk_error *err);

lk_status lk__sqlite_schema_check(const lk__sqlite *s, lk_error *err) {
    int version = 0;
    bool same = false;
    lk_status status = read_version(s, &version, err);
    if (status != LK_OK) return status;
    if (version > LK__SQLITE_SCHEMA)
        return lk__fail(
            err, LK_FORMAT,
            "%s: was written by a newer likeness (schema %d, this one reads up to %d); update likeness",
            s->store.name, version, LK__SQLITE_SCHEMA);
    if (version == 1 || version == LK__SQLITE_SCHEMA)
        status = compare(s, version == 1 ? schema_1 : schema_2, &same, err);
    if (status == LK_OK && !same)
        status = lk__fail(err, LK_FORMAT, "%s: its tables are not those of a gallery (schema %d)",
                          s->store.name, version);
    return status == LK_OK && version == 1 ? migrate_from_1(s, err) : status;
}

/* A text of info into a field of its size; false when missing, too long or not text. */
static bool copy_text(sqlite3_stmt *row, char *to, size_t room) {
    const char *text =
        sqlite3_column_type(row, 1) == SQLITE_TEXT ? (const char *)sqlite3_column_text(row, 1) : NULL;
    if (!text || strlen(text) >= room || (*text && !lk__name_valid(text, room))) return false;
    strcpy(to, text);
    return true;
}

lk_status lk__sqlite_info_read(lk__sqlite *s, lk_error *err) {
    sqlite3_stmt *row = NULL;
    int found = 0, code;
    bool sound = true;
    lk_gallery_info *info = &s->store.info;
    if (sqlite3_prepare_v2(s->link.db, "SELECT key, value, " INFO_SUM " FROM info", -1, &row, NULL) !=
        SQLITE_OK)
        return lk__sqlite_fail(s, &s->link, "open", err);
    while ((code = sqlite3_step(row)) == SQLITE_ROW && sound) {
        const char *key = (const char *)sqlite3_column_text(row, 0);
        int type = sqlite3_column_type(row, 1);
        found++;
        if (!key) {
            sound = false;
        } else if (strcmp(key, "dim") == 0) {
            int64_t dim = sqlite3_column_int64(row, 1);
            sound = type == SQLITE_INTEGER && dim >= 1 && dim <= LK__DIM_LIMIT;
            info->dim = sound ? (int)dim : 0;
        } else if (strcmp(key, "threshold") == 0) {
            info->threshold = type == SQLITE_NULL ? (double)NAN : sqlite3_column_double(row, 1);
            sound = type == SQLITE_NULL || (type == SQLITE_FLOAT && fabs(info->threshold) <= 1);
        } else if (strcmp(key, "fingerprint") == 0) {
            sound = copy_text(row, info->fingerprint, sizeof info->fingerprint) && info->fingerprint[0];
        } else if (strcmp(key, "model_path") == 0) {
            sound = copy_text(row, info->model_path, sizeof info->model_path);
        } else if (strcmp(key, "created") == 0) {
            sound = copy_text(row, info->created, sizeof info->created);
        } else if (strcmp(key, "key_check") == 0) {
            sound = type == SQLITE_NULL ||
                    (type == SQLITE_BLOB && sqlite3_column_bytes(row, 1) == LK__SEAL_CHECK);
            info->encrypted = sound && type == SQLITE_BLOB;
            if (info->encrypted) memcpy(s->store.seal_check, sqlite3_column_blob(row, 1), LK__SEAL_CHECK);
        } else if (strcmp(key, "people") == 0 || strcmp(key, "photos") == 0) {
            sound = type == SQLITE_INTEGER && sqlite3_column_int64(row, 1) >= 0;
        } else if (strcmp(key, "sum") == 0) {
            sound = sqlite3_column_int64(row, 1) == sqlite3_column_int64(row, 2);
        } else if (strcmp(key, "identity") == 0) {
            sound = copy_text(row, s->store.identity, sizeof s->store.identity) &&
                    strlen(s->store.identity) == 32;
        } else {
            found--; /* a key of somebody else's */
        }
    }
    lk_status status = sound && code != SQLITE_DONE ? lk__sqlite_fail(s, &s->link, "open", err) : LK_OK;
    sqlite3_finalize(row);
    if (status == LK_OK && (!sound || found != 10))
        status = lk__fail(err, LK_FORMAT, "%s: the gallery's own description is damaged; restore a copy",
                          s->store.name);
    return status;
}

/* ---- from schema 1 --------------------------------------------------------------------------------- */

/* The old tables are renamed away, so that the new ones have the very text of the schema; ids stay. */
static const char before_2[] =
    "DROP TRIGGER people_changed; DROP TRIGGER photos_changed; DROP TRIGGER photos_deleted;"
    "ALTER TABLE photos RENAME TO photos_1; ALTER TABLE people RENAME TO people_1;";
static const char after_2[] =
    "INSERT INTO info VALUES ('identity', lower(hex(randomblob(16)))), ('key_check', NULL), ('people', 0), "
    "('photos', 0);" ADD_INFO_SUM ";"
    "INSERT INTO people (id, name, added, salt, sum) SELECT id, name, added, salt, "
    "likeness_sum(id, name, added, salt) FROM (SELECT id, name, added, randomblob(16) AS salt FROM people_1 "
    "ORDER BY id LIMIT -1);" /* LIMIT: the salt is made once */
    "INSERT INTO photos (id, person_id, name, added, crop_size, sum, vector_sum, vector) "
    "SELECT id, person_id, name, added, 0, likeness_sum(id, person_id, name, added, NULL, NULL, 0), "
    "likeness_sum(id, person_id, vector), vector FROM photos_1 ORDER BY id;"
    /* Ids of photos that were removed are not used again. */
    "DELETE FROM sqlite_sequence WHERE name = 'photos';"
    "INSERT INTO sqlite_sequence (name, seq) SELECT 'photos', seq FROM sqlite_sequence WHERE name = "
    "'photos_1';"
    "DROP TABLE photos_1; DROP TABLE people_1; DELETE FROM info WHERE key = 'revision'";

static lk_status migrate_from_1(const lk__sqlite *s, lk_error *err) {
    static const char doing[] = "bring it up to date";
    int version = 0;
    if (s->store.read_only)
        return lk__fail(
            err, LK_FORMAT,
            "%s: was written by an older likeness (schema 1); open it once for writing, and it is "
            "brought up to date (schema %d)",
            s->store.name, LK__SQLITE_SCHEMA);
    lk_status status = lk__sqlite_exec(s, &s->link, "BEGIN IMMEDIATE", doing, err);
    if (status != LK_OK) return status;
    status = read_version(s, &version, err);
    if (status == LK_OK && version == 1) { /* or another process has done it meanwhile */
        status = lk__sqlite_exec(s, &s->link, before_2, doing, err);
        if (status == LK_OK) status = write_tables(s, false, err);
        if (status == LK_OK) status = lk__sqlite_exec(s, &s->link, after_2, doing, err);
    }
    if (status == LK_OK) status = lk__sqlite_exec(s, &s->link, "COMMIT", doing, err);
    if (!sqlite3_get_autocommit(s->link.db)) sqlite3_exec(s->link.db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}
