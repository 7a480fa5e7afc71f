/* store_sqlite_open.c: making a gallery file and opening one, and all that must hold before its content is
 * believed.
 *
 * A gallery is made under another name and renamed when it is complete, so that a file of the right name is
 * always a whole gallery. On opening, the header is looked at before SQLite may touch the file, then the
 * schema has to be ours word for word: a file from elsewhere brings no triggers of its own. */
#include "gallery/store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "vectors are stored as they lie in memory, little-endian");

enum { SQLITE_HEADER = 100 };
enum { PATH_MOST = 4095, NAME_ROOM = PATH_MOST + 32 }; /* with room for what SQLite and we add to a name */

/* ---- the handle ---------------------------------------------------------------------------------- */

static lk__sqlite *store_new(const char *path, bool read_only) {
    lk__sqlite *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->store = (lk__store){.ops = &lk__sqlite_ops, .name = strdup(path), .read_only = read_only};
    if (s->store.name) return s;
    free(s);
    return NULL;
}

static lk_status connect_to(const lk__sqlite *s, lk__link *link, const char *name, int flags, lk_error *err) {
    /* NOMUTEX: a lock of the gallery's is held around every call. */
    int code = sqlite3_open_v2(name, &link->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (!link->db) return lk__fail(err, LK_NO_MEMORY, "%s: out of memory, cannot open", s->store.name);
    if (code != SQLITE_OK) return lk__sqlite_fail(s, link, "open", err);
    sqlite3_extended_result_codes(link->db, 1);
    sqlite3_busy_timeout(link->db, LK__BUSY_MS);
    return lk__sqlite_sum_register(link->db) == SQLITE_OK ? LK_OK : lk__sqlite_fail(s, link, "open", err);
}

/* Apart from connect_to(), because these make SQLite read the file. */
static lk_status configure(const lk__sqlite *s, const lk__link *link, lk_error *err) {
    sqlite3_db_config(link->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return lk__sqlite_exec(s, link,
                           "PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA synchronous = FULL;"
                           "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON",
                           "open", err);
}

/* ---- creating ------------------------------------------------------------------------------------ */

/* Everything into the empty file `name`, closed again. */
static lk_status write_new(lk__sqlite *s, const char *name, const lk_vector_kind *kind,
                           const uint8_t *seal_check, lk_error *err) {
    lk_status status = connect_to(s, &s->link, name, SQLITE_OPEN_READWRITE, err);
    if (status == LK_OK)
        status = lk__sqlite_exec(s, &s->link, "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE", "create", err);
    if (status == LK_OK) status = lk__sqlite_schema_write(s, kind, seal_check, err);
    if (status == LK_OK) status = lk__sqlite_exec(s, &s->link, "COMMIT", "create", err);
    lk__sqlite_disconnect(&s->link);
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
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char side[NAME_ROOM];
        snprintf(side, sizeof side, "%s%s", name, ends[i]);
        unlink(side);
    }
}

lk_status lk__sqlite_create(const char *path, const lk_vector_kind *kind, const uint8_t *seal_check,
                            lk__store **out, lk_error *err) {
    char name[NAME_ROOM];
    lk_status status = lk__store_check_kind(path, kind, err);
    if (status == LK_OK) status = check_free(path, err);
    if (status != LK_OK) return status;
    snprintf(name, sizeof name, "%s.tmp.XXXXXX", path);
    int fd = mkstemp(name); /* mode 0600: faces are nobody else's business */
    if (fd < 0) return lk__fail_errno(err, "create", path);
    close(fd);
    lk__sqlite *s = store_new(path, false);
    status = s ? write_new(s, name, kind, seal_check, err) : lk__fail_memory(err, sizeof *s, path);
    if (s) lk__sqlite_ops.close(&s->store);
    if (status == LK_OK) status = move_into_place(name, path, err);
    if (status == LK_OK) return lk__sqlite_open(path, false, out, err);
    remove_unfinished(name);
    return status;
}

/* ---- a copy ---------------------------------------------------------------------------------------- */

static lk_status sync_file(const char *name, const char *path, lk_error *err) {
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    lk_status status = fd >= 0 && fsync(fd) == 0 ? LK_OK : lk__fail_errno(err, "write", path);
    if (fd >= 0) close(fd);
    return status;
}

/* VACUUM INTO reads one moment while others write, and leaves out what free pages may still hold. */
lk_status lk__sqlite_backup(lk__store *store, const char *path, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    char name[NAME_ROOM];
    lk_status status = check_free(path, err);
    if (status != LK_OK) return status;
    snprintf(name, sizeof name, "%s.tmp.XXXXXX", path);
    int fd = mkstemp(name);
    if (fd < 0) return lk__fail_errno(err, "create", path);
    close(fd);
    sqlite3_stmt *copy = NULL;
    if (sqlite3_prepare_v2(s->reader.db, "VACUUM INTO ?1", -1, &copy, NULL) != SQLITE_OK ||
        sqlite3_bind_text(copy, 1, name, -1, SQLITE_STATIC) != SQLITE_OK || sqlite3_step(copy) != SQLITE_DONE)
        status = lk__sqlite_fail(s, &s->reader, "copy it", err);
    sqlite3_finalize(copy);
    if (status == LK_OK) status = sync_file(name, path, err);
    if (status == LK_OK) status = move_into_place(name, path, err);
    if (status != LK_OK) remove_unfinished(name);
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
static lk_status check_header(lk__sqlite *s, lk_error *err) {
    sqlite3_file *file = NULL;
    uint8_t header[SQLITE_HEADER];
    if (sqlite3_file_control(s->link.db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
        !file->pMethods)
        return lk__fail(err, LK_INTERNAL, "%s: SQLite has no file", s->store.name);
    int code = file->pMethods->xRead(file, header, SQLITE_HEADER, 0);
    if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ)
        return lk__fail(err, LK_IO, "%s: cannot read its first bytes", s->store.name);
    if (code != SQLITE_OK || memcmp(header, "SQLite format 3", 16) != 0)
        return lk__fail(err, LK_FORMAT, "%s: is not a gallery (no SQLite file, or cut off at its start)",
                        s->store.name);
    if (big_endian(header + 68) != LK__SQLITE_ID) /* www.sqlite.org/fileformat2.html, 1.3.14 */
        return lk__fail(err, LK_FORMAT, "%s: is an SQLite file of another program and not a gallery",
                        s->store.name);
    /* SQLite notices missing pages but reads the rest of a last page that was cut as zeros. With a log beside
     * it, the file may well end within a page: the log has it whole. */
    sqlite3_int64 size = 0;
    uint32_t page = big_endian(header + 16) >> 16;
    if (page == 1) page = 65536;
    if (file->pMethods->xFileSize(file, &size) != SQLITE_OK || page == 0 ||
        (size % page != 0 && !log_exists(s->store.name)))
        return lk__fail(err, LK_FORMAT, "%s: the gallery is cut off at its end; restore a copy",
                        s->store.name);
    return LK_OK;
}

/* A gallery at rest in a folder that cannot be written, say a read-only disk: SQLite cannot keep its log
 * there, and needs to be told that nobody else can either. */
static lk_status connect_immutable(const lk__sqlite *s, lk__link *link, lk_error *err) {
    const char *path = s->store.name;
    size_t room = 3 * strlen(path) + 32;
    char *name = malloc(room), *at = name;
    if (!name) return lk__fail_memory(err, room, path);
    at += sprintf(at, "file:%s", path[0] == '/' ? "//" : "");
    for (const char *c = path; *c; c++)
        at += strchr("%?#", *c) ? sprintf(at, "%%%02x", (unsigned)(unsigned char)*c) : sprintf(at, "%c", *c);
    strcpy(at, "?immutable=1");
    lk_status status = connect_to(s, link, name, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
    free(name);
    return status;
}

static lk_status check_content(lk__sqlite *s, lk_error *err) {
    lk_status status = configure(s, &s->link, err);
    if (status == LK_OK) status = lk__sqlite_schema_check(s, err);
    return status == LK_OK ? lk__sqlite_info_read(s, err) : status;
}

static lk_status open_link(lk__sqlite *s, bool *immutable, lk_error *err) {
    const char *path = s->store.name;
    lk_status status =
        connect_to(s, &s->link, path, s->store.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, err);
    if (status == LK_OK) status = check_header(s, err);
    if (status != LK_OK) return status;
    if (!s->store.read_only && sqlite3_db_readonly(s->link.db, "main"))
        return lk__fail(err, LK_IO, "%s: no permission to write; open it for reading only", path);
    status = check_content(s, err);
    if (status == LK_IO && s->store.read_only && !log_exists(path)) {
        lk__sqlite_disconnect(&s->link);
        *immutable = true;
        status = connect_immutable(s, &s->link, err);
        if (status == LK_OK) status = check_content(s, err);
    }
    if (status == LK_OK && !s->store.read_only) /* a copy made by VACUUM INTO has lost it */
        status = lk__sqlite_exec(s, &s->link, "PRAGMA journal_mode = WAL", "open", err);
    return status;
}

static lk_status open_file(lk__sqlite *s, lk_error *err) {
    const char *path = s->store.name;
    bool immutable = false;
    struct stat st;
    if (stat(path, &st) != 0 || access(path, R_OK) != 0) return lk__fail_errno(err, "open", path);
    if (!S_ISREG(st.st_mode)) return lk__fail(err, LK_IO, "%s: is not a file", path);
    lk_status status = open_link(s, &immutable, err);
    if (status == LK_OK)
        status = immutable ? connect_immutable(s, &s->reader, err)
                           : connect_to(s, &s->reader, path, SQLITE_OPEN_READONLY, err);
    return status == LK_OK ? configure(s, &s->reader, err) : status;
}

lk_status lk__sqlite_open(const char *path, bool read_only, lk__store **out, lk_error *err) {
    lk__sqlite *s = store_new(path, read_only);
    if (!s) return lk__fail_memory(err, sizeof *s, path);
    lk_status status = open_file(s, err);
    if (status != LK_OK) {
        lk__sqlite_ops.close(&s->store);
        return status;
    }
    *out = &s->store;
    return LK_OK;
}
