/* open.c: making a gallery file and opening one: the schema, and all that must hold before its content is
 * believed.
 *
 * A gallery is made under another name and renamed when it is complete, so that a file of the right name is
 * always a whole gallery. On opening, the header is looked at before SQLite may touch the file, then the
 * schema has to be ours word for word: a file from elsewhere brings no triggers of its own. */
#include "gallery/gallery.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "vectors are stored as they lie in memory, little-endian");

enum { APPLICATION_ID = 0x6c6b6761 /* "lkga" */, SCHEMA_VERSION = 1, SQLITE_HEADER = 100 };
enum { PATH_MOST = 4095, NAME_ROOM = PATH_MOST + 32 }; /* with room for what SQLite and we add to a name */

/* Who only adds rows leaves the revision alone: a copy of the vectors then has to read the new rows only. */
#define MOVE_REVISION " BEGIN UPDATE info SET value = value + 1 WHERE key = 'revision'; END"
static const char *const schema[] = {
    "CREATE TABLE info (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID",
    "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, added TEXT NOT NULL) STRICT",
    "CREATE TABLE photos (id INTEGER PRIMARY KEY AUTOINCREMENT, person_id INTEGER NOT NULL REFERENCES people "
    "(id), "
    "name TEXT NOT NULL, vector BLOB NOT NULL, added TEXT NOT NULL, UNIQUE (person_id, name)) STRICT",
    "CREATE TRIGGER people_changed AFTER UPDATE ON people" MOVE_REVISION,
    "CREATE TRIGGER photos_changed AFTER UPDATE ON photos" MOVE_REVISION,
    "CREATE TRIGGER photos_deleted AFTER DELETE ON photos" MOVE_REVISION,
};
enum { SCHEMA_COUNT = sizeof schema / sizeof schema[0] };

/* ---- the handle ---------------------------------------------------------------------------------- */

static lk_gallery *gallery_new(const char *path) {
    lk_gallery *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    g->path = strdup(path);
    if (g->path && pthread_mutex_init(&g->lock, NULL) == 0) return g;
    free(g->path);
    free(g);
    return NULL;
}

static void disconnect(lk_gallery *g) {
    for (int i = 0; i < LK__QUERIES; i++) {
        sqlite3_finalize(g->statements[i]);
        g->statements[i] = NULL;
    }
    sqlite3_close(g->db); /* undoes an open transaction */
    g->db = NULL;
}

void lk_gallery_close(lk_gallery *g) {
    if (!g) return;
    lk__rows_drop(g);
    disconnect(g);
    pthread_mutex_destroy(&g->lock);
    free(g->path);
    free(g);
}

static lk_status connect(lk_gallery *g, const char *name, int flags, lk_error *err) {
    /* NOMUTEX: our own lock is held around every call. */
    int code = sqlite3_open_v2(name, &g->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (!g->db) return lk__fail(err, LK_NO_MEMORY, "%s: out of memory, cannot open", g->path);
    if (code != SQLITE_OK) return lk__gallery_fail(g, "open", err);
    sqlite3_extended_result_codes(g->db, 1);
    sqlite3_busy_timeout(g->db, LK__BUSY_MS);
    return LK_OK;
}

/* Apart from connect(), because these make SQLite read the file. */
static lk_status configure(lk_gallery *g, lk_error *err) {
    sqlite3_db_config(g->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return lk__gallery_exec(g,
                            "PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA synchronous = FULL;"
                            "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON",
                            "open", err);
}

/* ---- creating ------------------------------------------------------------------------------------ */

static lk_status check_new_kind(const char *path, const lk_vector_kind *kind, lk_error *err) {
    const char *model = kind->model_path ? kind->model_path : "";
    lk_gallery_info limits;
    if (kind->dim < 1 || kind->dim > LK__DIM_LIMIT)
        return lk__fail(err, LK_INVALID, "%s: vectors of %d numbers; 1 to %d are possible", path, kind->dim,
                        LK__DIM_LIMIT);
    if (!lk__name_valid(kind->fingerprint, sizeof limits.fingerprint - 1))
        return lk__fail(err, LK_INVALID, "%s: the model's fingerprint is missing or malformed", path);
    if (*model && !lk__name_valid(model, sizeof limits.model_path - 1))
        return lk__fail(err, LK_INVALID, "%s: the model's path is not UTF-8 of at most %zu bytes", path,
                        sizeof limits.model_path - 1);
    if (fabs(kind->threshold) > 1) /* NaN: the model has none */
        return lk__fail(err, LK_INVALID, "%s: a threshold of %g is no cosine", path, kind->threshold);
    return LK_OK;
}

static lk_status write_info(lk_gallery *g, const lk_vector_kind *kind, lk_error *err) {
    sqlite3_stmt *s = NULL;
    const char *sql =
        "INSERT INTO info VALUES ('dim', ?1), ('fingerprint', ?2), ('threshold', ?3), "
        "('model_path', ?4), ('created', strftime('%Y-%m-%dT%H:%M:%SZ', 'now')), ('revision', 0)";
    if (sqlite3_prepare_v2(g->db, sql, -1, &s, NULL) != SQLITE_OK) return lk__gallery_fail(g, "create", err);
    sqlite3_bind_int(s, 1, kind->dim);
    sqlite3_bind_text(s, 2, kind->fingerprint, -1, SQLITE_STATIC);
    sqlite3_bind_double(s, 3, kind->threshold); /* SQLite makes NaN NULL */
    sqlite3_bind_text(s, 4, kind->model_path ? kind->model_path : "", -1, SQLITE_STATIC);
    lk_status status = sqlite3_step(s) == SQLITE_DONE ? LK_OK : lk__gallery_fail(g, "create", err);
    sqlite3_finalize(s);
    return status;
}

/* Everything into the empty file `name`, closed again. */
static lk_status write_new(lk_gallery *g, const char *name, const lk_vector_kind *kind, lk_error *err) {
    char sql[128];
    snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID,
             SCHEMA_VERSION);
    lk_status status = connect(g, name, SQLITE_OPEN_READWRITE, err);
    if (status == LK_OK)
        status = lk__gallery_exec(g, "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE", "create", err);
    if (status == LK_OK) status = lk__gallery_exec(g, sql, "create", err);
    for (int i = 0; i < SCHEMA_COUNT && status == LK_OK; i++)
        status = lk__gallery_exec(g, schema[i], "create", err);
    if (status == LK_OK) status = write_info(g, kind, err);
    if (status == LK_OK) status = lk__gallery_exec(g, "COMMIT", "create", err);
    disconnect(g);
    return status;
}

/* A log without its gallery would be replayed into the next gallery of that name. */
static lk_status check_free(const char *path, lk_error *err) {
    static const char *const ends[] = {"", "-wal", "-journal"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char name[NAME_ROOM];
        struct stat st;
        if (strlen(path) > PATH_MOST)
            return lk__fail(err, LK_INVALID, "%.100s...: the path is too long", path);
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        if (lstat(name, &st) != 0) continue;
        if (i == 0)
            return lk__fail(err, LK_INVALID, "%s: exists already; open it, or choose another name", path);
        return lk__fail(err, LK_INVALID, "%s is left over from another gallery; move it away first", name);
    }
    return LK_OK;
}

/* Rename without replacing. Where the file system cannot, look first: better than nothing. */
static lk_status move_into_place(const char *from, const char *path, lk_error *err) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, path, RENAME_NOREPLACE) == 0) return LK_OK;
    if (errno == EINVAL || errno == ENOSYS) {
        lk_status status = check_free(path, err);
        if (status != LK_OK) return status;
        if (rename(from, path) == 0) return LK_OK;
    }
    if (errno == EEXIST) return lk__fail(err, LK_INVALID, "%s: exists already", path);
    return lk__fail_errno(err, "create", path);
}

/* What there is of a file that was not finished, and of its log. */
static void remove_unfinished(const char *name) {
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char side[NAME_ROOM];
        snprintf(side, sizeof side, "%s%s", name, ends[i]);
        unlink(side);
    }
}

lk_status lk_gallery_create(const char *path, const lk_vector_kind *kind, lk_gallery **out, lk_error *err) {
    char name[NAME_ROOM];
    lk_status status = check_new_kind(path, kind, err);
    if (status == LK_OK) status = check_free(path, err);
    if (status != LK_OK) return status;
    snprintf(name, sizeof name, "%s.tmp.XXXXXX", path);
    int fd = mkstemp(name); /* mode 0600: faces are nobody else's business */
    if (fd < 0) return lk__fail_errno(err, "create", path);
    close(fd);
    lk_gallery *g = gallery_new(path);
    status = g ? write_new(g, name, kind, err) : lk__fail_memory(err, sizeof *g, path);
    lk_gallery_close(g);
    if (status == LK_OK) status = move_into_place(name, path, err);
    if (status == LK_OK) return lk_gallery_open(path, 0, out, err);
    remove_unfinished(name);
    return status;
}

/* ---- opening ------------------------------------------------------------------------------------- */

static uint32_t big_endian(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static bool log_exists(const char *path) {
    char name[NAME_ROOM];
    struct stat st;
    snprintf(name, sizeof name, "%s-wal", path);
    return stat(name, &st) == 0 && st.st_size > 0;
}

/* Through SQLite's own handle: closing one of ours would drop the locks that other connections of this
 * process hold on the file (POSIX). */
static lk_status check_header(lk_gallery *g, lk_error *err) {
    sqlite3_file *file = NULL;
    uint8_t header[SQLITE_HEADER];
    if (sqlite3_file_control(g->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || !file->pMethods)
        return lk__fail(err, LK_INTERNAL, "%s: SQLite has no file", g->path);
    int code = file->pMethods->xRead(file, header, SQLITE_HEADER, 0);
    if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ)
        return lk__fail(err, LK_IO, "%s: cannot read its first bytes", g->path);
    if (code != SQLITE_OK || memcmp(header, "SQLite format 3", 16) != 0)
        return lk__fail(err, LK_FORMAT, "%s: is not a gallery (no SQLite file, or cut off at its start)",
                        g->path);
    if (big_endian(header + 68) != APPLICATION_ID) /* www.sqlite.org/fileformat2.html, 1.3.14 */
        return lk__fail(err, LK_FORMAT, "%s: is an SQLite file of another program and not a gallery",
                        g->path);
    /* SQLite notices missing pages but reads the rest of a last page that was cut as zeros. With a log beside
     * it, the file may well end within a page: the log has it whole. */
    sqlite3_int64 size = 0;
    uint32_t page = big_endian(header + 16) >> 16;
    if (page == 1) page = 65536;
    if (file->pMethods->xFileSize(file, &size) != SQLITE_OK || page == 0 ||
        (size % page != 0 && !log_exists(g->path)))
        return lk__fail(err, LK_FORMAT, "%s: the gallery is cut off at its end; restore a copy", g->path);
    return LK_OK;
}

static lk_status check_schema(lk_gallery *g, lk_error *err) {
    sqlite3_stmt *s = NULL;
    int version = -1, i = 0, code = SQLITE_ERROR;
    if (sqlite3_prepare_v2(g->db, "PRAGMA user_version", -1, &s, NULL) == SQLITE_OK &&
        (code = sqlite3_step(s)) == SQLITE_ROW)
        version = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    if (version < 0 && code != SQLITE_ROW) return lk__gallery_fail(g, "open", err);
    if (version > SCHEMA_VERSION)
        return lk__fail(
            err, LK_FORMAT,
            "%s: was written by a newer likeness (schema %d, this one reads up to %d); update likeness",
            g->path, version, SCHEMA_VERSION);
    /* Further tables are the user's own affair; what hangs on ours is not. */
    const char *sql = "SELECT sql FROM sqlite_schema WHERE tbl_name IN ('info', 'people', 'photos') "
                      "AND sql IS NOT NULL ORDER BY type, name";
    if (sqlite3_prepare_v2(g->db, sql, -1, &s, NULL) != SQLITE_OK) return lk__gallery_fail(g, "open", err);
    bool ours = version == SCHEMA_VERSION;
    while ((code = sqlite3_step(s)) == SQLITE_ROW && ours) {
        const char *text = (const char *)sqlite3_column_text(s, 0);
        ours = i < SCHEMA_COUNT && text && strcmp(text, schema[i]) == 0;
        i++;
    }
    lk_status status = ours && code != SQLITE_DONE ? lk__gallery_fail(g, "open", err) : LK_OK;
    sqlite3_finalize(s);
    if (status == LK_OK && (!ours || i != SCHEMA_COUNT))
        status = lk__fail(err, LK_FORMAT, "%s: its tables are not those of a gallery (schema %d)", g->path,
                          version);
    return status;
}

/* A text of info into a field of its size; false when missing, too long or not text. */
static bool copy_text(sqlite3_stmt *s, char *to, size_t room) {
    const char *text =
        sqlite3_column_type(s, 1) == SQLITE_TEXT ? (const char *)sqlite3_column_text(s, 1) : NULL;
    if (!text || strlen(text) >= room || (*text && !lk__name_valid(text, room))) return false;
    strcpy(to, text);
    return true;
}

static lk_status read_info(lk_gallery *g, lk_error *err) {
    sqlite3_stmt *s = NULL;
    int found = 0, code;
    bool sound = true;
    lk_gallery_info *info = &g->info;
    if (sqlite3_prepare_v2(g->db, "SELECT key, value FROM info", -1, &s, NULL) != SQLITE_OK)
        return lk__gallery_fail(g, "open", err);
    while ((code = sqlite3_step(s)) == SQLITE_ROW && sound) {
        const char *key = (const char *)sqlite3_column_text(s, 0);
        int type = sqlite3_column_type(s, 1);
        found++;
        if (!key) {
            sound = false;
        } else if (strcmp(key, "dim") == 0) {
            int64_t dim = sqlite3_column_int64(s, 1);
            sound = type == SQLITE_INTEGER && dim >= 1 && dim <= LK__DIM_LIMIT;
            info->dim = sound ? (int)dim : 0;
        } else if (strcmp(key, "threshold") == 0) {
            info->threshold = type == SQLITE_NULL ? (double)NAN : sqlite3_column_double(s, 1);
            sound = type == SQLITE_NULL || (type == SQLITE_FLOAT && fabs(info->threshold) <= 1);
        } else if (strcmp(key, "fingerprint") == 0) {
            sound = copy_text(s, info->fingerprint, sizeof info->fingerprint) && info->fingerprint[0];
        } else if (strcmp(key, "model_path") == 0) {
            sound = copy_text(s, info->model_path, sizeof info->model_path);
        } else if (strcmp(key, "created") == 0) {
            sound = copy_text(s, info->created, sizeof info->created);
        } else if (strcmp(key, "revision") == 0) {
            sound = type == SQLITE_INTEGER;
        } else {
            found--; /* a key of somebody else's */
        }
    }
    lk_status status = sound && code != SQLITE_DONE ? lk__gallery_fail(g, "open", err) : LK_OK;
    sqlite3_finalize(s);
    if (status == LK_OK && (!sound || found != 6))
        status =
            lk__fail(err, LK_FORMAT, "%s: the gallery's own description is damaged; restore a copy", g->path);
    return status;
}

/* A gallery at rest in a folder that cannot be written, say a read-only disk: SQLite cannot keep its log
 * there, and needs to be told that nobody else can either. */
static lk_status connect_immutable(lk_gallery *g, lk_error *err) {
    size_t room = 3 * strlen(g->path) + 32;
    char *name = malloc(room), *at = name;
    if (!name) return lk__fail_memory(err, room, g->path);
    at += sprintf(at, "file:%s", g->path[0] == '/' ? "//" : "");
    for (const char *c = g->path; *c; c++)
        at += strchr("%?#", *c) ? sprintf(at, "%%%02x", (unsigned)(unsigned char)*c) : sprintf(at, "%c", *c);
    strcpy(at, "?immutable=1");
    lk_status status = connect(g, name, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
    free(name);
    return status;
}

static lk_status check_content(lk_gallery *g, lk_error *err) {
    lk_status status = configure(g, err);
    if (status == LK_OK) status = check_schema(g, err);
    return status == LK_OK ? read_info(g, err) : status;
}

static lk_status open_file(lk_gallery *g, lk_error *err) {
    struct stat st;
    if (stat(g->path, &st) != 0 || access(g->path, R_OK) != 0) return lk__fail_errno(err, "open", g->path);
    if (!S_ISREG(st.st_mode)) return lk__fail(err, LK_IO, "%s: is not a file", g->path);
    lk_status status = connect(g, g->path, g->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, err);
    if (status == LK_OK) status = check_header(g, err);
    if (status != LK_OK) return status;
    if (!g->read_only && sqlite3_db_readonly(g->db, "main"))
        return lk__fail(err, LK_IO, "%s: no permission to write; open it for reading only", g->path);
    status = check_content(g, err);
    if (status == LK_IO && g->read_only && !log_exists(g->path)) {
        disconnect(g);
        status = connect_immutable(g, err);
        if (status == LK_OK) status = check_content(g, err);
    }
    if (status == LK_OK && !g->read_only) /* a copy made by VACUUM INTO has lost it */
        status = lk__gallery_exec(g, "PRAGMA journal_mode = WAL", "open", err);
    return status;
}

lk_status lk_gallery_open(const char *path, int flags, lk_gallery **out, lk_error *err) {
    lk_gallery *g = gallery_new(path);
    if (!g) return lk__fail_memory(err, sizeof *g, path);
    g->read_only = (flags & LK_GALLERY_READ_ONLY) != 0;
    lk_status status = open_file(g, err);
    if (status != LK_OK) {
        lk_gallery_close(g);
        return status;
    }
    *out = g;
    return LK_OK;
}

lk_status lk_gallery_check_kind(const lk_gallery *g, const lk_vector_kind *kind, lk_error *err) {
    const lk_gallery_info *info = &g->info;
    if (info->dim == kind->dim && strcmp(info->fingerprint, kind->fingerprint) == 0) return LK_OK;
    return lk__fail(
        err, LK_MISMATCH,
        "%s holds vectors of model %.12s (%.200s, %d numbers), not of %.12s (%.200s, %d numbers): use that "
        "model, or enroll the photos anew",
        g->path, info->fingerprint, info->model_path[0] ? info->model_path : "no path", info->dim,
        kind->fingerprint, kind->model_path && *kind->model_path ? kind->model_path : "no path", kind->dim);
}
