/* store_sqlite_check.c: is the file sound? What SQLite can say of pages, indexes and references, and what our
 * own tables must agree on. */
#include "gallery/store_sqlite.h"

#include <string.h>

/* Each a query whose rows are findings. */
static const char *const checks[] = {
    "SELECT 'SQLite: ' || integrity_check FROM pragma_integrity_check(100) WHERE integrity_check <> 'ok'",
    "SELECT 'a row of ' || \"table\" || ' belongs to one of ' || \"parent\" || ' that is not there (row ' || "
    "rowid || ')' FROM pragma_foreign_key_check",
    "SELECT 'info counts ' || value || ' people, and there are ' || (SELECT count(*) FROM people NOT "
    "INDEXED) "
    "FROM info WHERE key = 'people' AND value <> (SELECT count(*) FROM people NOT INDEXED)",
    "SELECT 'info counts ' || value || ' photos, and there are ' || (SELECT count(*) FROM photos NOT "
    "INDEXED) "
    "FROM info WHERE key = 'photos' AND value <> (SELECT count(*) FROM photos NOT INDEXED)",
    "SELECT 'person ' || id || ' has no photos' FROM people "
    "WHERE NOT EXISTS (SELECT 1 FROM photos WHERE person_id = people.id)",
    "SELECT 'photo ' || photo_id || ' is there and among the removed' FROM removed "
    "WHERE photo_id IN (SELECT id FROM photos)",
    "SELECT 'the highest id of ' || name || ' was lost: ids might be used again' FROM (SELECT 'photos' AS "
    "name, "
    "max(id) AS most FROM photos UNION ALL SELECT 'people', max(id) FROM people UNION ALL SELECT 'audit', "
    "max(number) FROM audit) AS tables WHERE most > coalesce((SELECT max(seq) FROM sqlite_sequence "
    "WHERE sqlite_sequence.name = tables.name), 0)",
};

lk_status lk__sqlite_check(lk__store *store, lk__finding_fn fn, void *context, lk_error *err) {
    lk__sqlite *s = lk__sqlite_of(store);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        sqlite3_stmt *row = NULL;
        int code = sqlite3_prepare_v2(s->link.db, checks[i], -1, &row, NULL);
        while (code == SQLITE_OK || code == SQLITE_ROW) {
            code = sqlite3_step(row);
            const char *text = code == SQLITE_ROW ? lk__sqlite_text(row, 0) : NULL;
            if (text) fn(context, text);
        }
        /* A page so bad that looking for damage ends there is what was looked for. */
        bool damaged = (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
        if (damaged) fn(context, sqlite3_errmsg(s->link.db));
        lk_status status =
            code == SQLITE_DONE || damaged ? LK_OK : lk__sqlite_fail(s, &s->link, "check", err);
        sqlite3_finalize(row);
        if (status != LK_OK) return status;
    }
    return LK_OK;
}
