/* store_pg_check.c: is what is kept on PostgreSQL sound? The server looks after its own pages (initdb
 * --data-checksums, pg_amcheck); asked here is what only we know must hold, and what hand-made changes or a
 * restored part of a backup can break. */
#include "gallery/store_pg.h"

/* Each part gives a sentence for what is wrong, and no row otherwise. */
#define COUNTED(table)                                                                                       \
    "SELECT format('" table ": %s rows, and state says %s', total, " table ") FROM state, "                  \
    "(SELECT count(*) AS total FROM " table ") AS counted WHERE total <> " table
static const char findings[] = COUNTED("people") " UNION ALL " COUNTED("photos") " UNION ALL " COUNTED(
    "removed") " UNION ALL SELECT format('photo %s: above the last id that was given, %s', id, last_photo) "
               "FROM photos, state WHERE id > last_photo"
               " UNION ALL SELECT format('photo %s: is there, and told of as removed', id) "
               "FROM photos JOIN removed ON photo_id = id"
               " UNION ALL SELECT format('removed: number %s is above the last, %s', number, removed) "
               "FROM removed AS r, state WHERE number > removed"
               " UNION ALL SELECT format('photo %s: belongs to nobody', id) FROM photos "
               "WHERE NOT EXISTS (SELECT FROM people WHERE people.id = person_id)"
               " UNION ALL SELECT format('person %s: has no photo', id) FROM people "
               "WHERE NOT EXISTS (SELECT FROM photos WHERE person_id = people.id)"
               " UNION ALL SELECT format('person %s: %s photos of one name', person_id, count(*)) FROM "
               "photos "
               "GROUP BY person_id, name HAVING count(*) > 1"
               " UNION ALL SELECT format('crop of photo %s: there is no such photo', photo_id) FROM crops "
               "WHERE NOT EXISTS (SELECT FROM photos WHERE id = photo_id)"
               " UNION ALL SELECT format('index %s: is not valid; REINDEX it', indexrelid::regclass) "
               "FROM pg_index JOIN pg_class ON pg_class.oid = indrelid "
               "WHERE relnamespace = to_regnamespace(current_schema()) AND NOT indisvalid";

lk_status lk__pg_check(lk__store *store, lk__finding_fn fn, void *context, lk_error *err) {
    lk__pg *s = lk__pg_of(store);
    PGresult *r = NULL;
    char text[400];
    lk_status status = lk__pg_sql(s, &s->link, findings, "check", &r, err);
    for (int i = 0; status == LK_OK && i < PQntuples(r); i++) {
        snprintf(text, sizeof text, "%s: %s", store->name, PQgetvalue(r, i, 0));
        fn(context, text);
    }
    PQclear(r);
    return status;
}

lk_status lk__pg_backup(lk__store *store, const char *path, lk_error *err) {
    (void)path;
    return lk__fail(err, LK_INVALID,
                    "%s: a server has its own means: pg_dump --schema=%s, or a base backup with its log",
                    store->name, lk__pg_of(store)->address.schema);
}
