/* store_pg_schema.c: the tables of a gallery on PostgreSQL, as docs/postgresql.md explains them.
 *
 * What holds whoever writes is in the database: a trigger tells of removed photos, others refuse to change
 * what a photo id stands for and what the audit says. */
#include "gallery/store_pg.h"

#include <stdlib.h>
#include <string.h>

/* @VECTOR is the type of a vector. Names of photos may be longer than a B-tree takes, so they are found by
 * hash; that there are no two is seen to by enroll(), under the lock. hashtextextended() is what partitions
 * by hash stand on, so it stays as it is. Vectors and crops do not shrink: EXTERNAL spares the trying, and
 * toast_tuple_target keeps vectors in the row, where reading all of them finds them. */
static const char tables[] =
    "CREATE TABLE info (one boolean PRIMARY KEY DEFAULT true CHECK (one), version integer NOT NULL, "
    "dim integer NOT NULL, fingerprint text NOT NULL, threshold double precision, model_path text NOT NULL, "
    "created timestamptz NOT NULL DEFAULT now(), identity text NOT NULL, key_check bytea);"
    /* One row that every writer locks. Every change leaves an old one behind: room on its page. */
    "CREATE TABLE state (one boolean PRIMARY KEY DEFAULT true CHECK (one), last_photo bigint NOT NULL "
    "DEFAULT 0, removed bigint NOT NULL DEFAULT 0, last_audit bigint NOT NULL DEFAULT 0, "
    "people bigint NOT NULL DEFAULT 0, photos bigint NOT NULL DEFAULT 0) WITH (fillfactor = 10);"
    "CREATE TABLE people (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
    "name text COLLATE \"C\" NOT NULL UNIQUE, added timestamptz NOT NULL DEFAULT now(), "
    "salt bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()));"
    "CREATE TABLE photos (id bigint PRIMARY KEY, person_id bigint NOT NULL REFERENCES people (id), "
    "name text COLLATE \"C\" NOT NULL, vector @VECTOR NOT NULL, added timestamptz NOT NULL DEFAULT now(), "
    "source text, quality double precision) WITH (toast_tuple_target = 8160);"
    "ALTER TABLE photos ALTER COLUMN vector SET STORAGE EXTERNAL;"
    "CREATE INDEX photos_name ON photos (person_id, hashtextextended(name, 0));"
    "CREATE TABLE crops (photo_id bigint PRIMARY KEY REFERENCES photos (id) ON DELETE CASCADE, "
    "jpeg bytea NOT NULL);"
    "ALTER TABLE crops ALTER COLUMN jpeg SET STORAGE EXTERNAL;"
    "CREATE TABLE removed (number bigint PRIMARY KEY, photo_id bigint NOT NULL);"
    "CREATE TABLE audit (number bigint PRIMARY KEY, time text NOT NULL, who text NOT NULL, "
    "action text NOT NULL, person_id bigint, photo_id bigint, name bytea, probe bytea, details text, "
    "hash bytea NOT NULL);";

/* Counting and numbering what was removed, by whomever: the lock on state makes by-hand removals wait their
 * turn too. */
static const char triggers[] =
    "CREATE FUNCTION photos_deleted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ "
    "DECLARE total bigint; base bigint; BEGIN "
    "SELECT count(*) INTO total FROM gone; IF total = 0 THEN RETURN NULL; END IF; "
    "UPDATE state SET removed = removed + total, photos = photos - total RETURNING removed - total INTO "
    "base; "
    "INSERT INTO removed (number, photo_id) SELECT base + row_number() OVER (ORDER BY id), id FROM gone; "
    "RETURN NULL; END $$;"
    "CREATE FUNCTION people_deleted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ "
    "DECLARE total bigint; BEGIN "
    "SELECT count(*) INTO total FROM gone; "
    "IF total > 0 THEN UPDATE state SET people = people - total; END IF; RETURN NULL; END $$;"
    "CREATE FUNCTION fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "RAISE EXCEPTION '%', TG_ARGV[0]; END $$;"
    "CREATE TRIGGER photos_deleted AFTER DELETE ON photos REFERENCING OLD TABLE AS gone "
    "FOR EACH STATEMENT EXECUTE FUNCTION photos_deleted();"
    "CREATE TRIGGER people_deleted AFTER DELETE ON people REFERENCING OLD TABLE AS gone "
    "FOR EACH STATEMENT EXECUTE FUNCTION people_deleted();"
    "CREATE TRIGGER photos_fixed BEFORE UPDATE OF id, person_id, vector ON photos FOR EACH ROW EXECUTE "
    "FUNCTION fixed('what a photo id stands for never changes: delete the photo and enroll it anew');"
    "CREATE TRIGGER photos_kept BEFORE TRUNCATE ON photos EXECUTE FUNCTION fixed('delete the rows: what is "
    "removed has to be told of');"
    "CREATE TRIGGER audit_fixed BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION "
    "fixed('the audit is only added to');"
    "CREATE TRIGGER audit_kept BEFORE TRUNCATE ON audit EXECUTE FUNCTION fixed('the audit is only added "
    "to');";

/* Many photos by one call. Of each: whose it is, which photo it took the place of (0: none), and whether the
 * person is photo. */
static const char enroll[] =
    "CREATE FUNCTION enroll(ids bigint[], persons text[], names text[], vectors @VECTOR[], sources text[], "
    "qualities double precision[], crops bytea[], times text[], person_times text[]) "
    "RETURNS TABLE (whose bigint, replaced bigint, made boolean, secret bytea) "
    "LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ "
    "DECLARE photo record; BEGIN "
    "FOR photo IN SELECT * FROM unnest(ids, persons, names, vectors, sources, qualities, crops, times, "
    "person_times) AS t (id, person, name, vector, source, quality, crop, added, person_added) LOOP "
    "replaced := 0; "
    "SELECT p.id, p.salt INTO whose, secret FROM people AS p WHERE p.name = photo.person; "
    "made := NOT FOUND; "
    "IF made THEN "
    "INSERT INTO people (name, added) VALUES (photo.person, coalesce(photo.person_added::timestamptz, "
    "now())) RETURNING id, salt INTO whose, secret; "
    "ELSE "
    "SELECT p.id INTO replaced FROM photos AS p WHERE p.person_id = whose AND "
    "hashtextextended(p.name, 0) = hashtextextended(photo.name COLLATE \"C\", 0) AND p.name = photo.name; "
    "IF FOUND THEN DELETE FROM photos AS p WHERE p.id = replaced; ELSE replaced := 0; END IF; "
    "END IF; "
    "INSERT INTO photos (id, person_id, name, vector, source, quality, added) "
    "VALUES (photo.id, whose, photo.name, photo.vector, photo.source, photo.quality, "
    "coalesce(photo.added::timestamptz, now())); "
    "IF photo.crop IS NOT NULL THEN INSERT INTO crops (photo_id, jpeg) VALUES (photo.id, photo.crop); END "
    "IF; "
    "RETURN NEXT; "
    "END LOOP; END $$;";

static char *put(char *at, const char *text) {
    size_t length = strlen(text);
    memcpy(at, text, length + 1);
    return at + length;
}

/* With the type of vectors in place. */
static char *put_typed(char *at, const char *text, const char *type) {
    for (const char *mark; (mark = strstr(text, "@VECTOR")); text = mark + strlen("@VECTOR")) {
        memcpy(at, text, (size_t)(mark - text));
        at = put(at + (mark - text), type);
    }
    return put(at, text);
}

lk_status lk__pg_schema_sql(const lk__pg *s, int dim, bool make_schema, bool pgvector, char **sql,
                            lk_error *err) {
    char type[32] = "bytea", open[256] = "";
    size_t room = sizeof tables + sizeof triggers + sizeof enroll + sizeof open + 4 * sizeof type + 128;
    char *at = *sql = malloc(room);
    if (!at) return lk__fail_memory(err, room, s->store.name);
    if (pgvector) snprintf(type, sizeof type, "vector(%d)", dim);
    if (make_schema)
        snprintf(open, sizeof open, "CREATE SCHEMA %s; COMMENT ON SCHEMA %s IS 'a gallery of likeness';",
                 s->address.schema, s->address.schema);
    at = put(at, open);
    at = put_typed(at, tables, type);
    at = put(at, triggers);
    at = put_typed(at, enroll, pgvector ? "vector" : "bytea");
    at = put(at, "INSERT INTO state DEFAULT VALUES;");
    if (s->address.search == LK__PG_HNSW)
        put(at, "CREATE INDEX photos_hnsw ON photos USING hnsw (vector vector_ip_ops);");
    return LK_OK;
}
