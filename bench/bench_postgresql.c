/* bench_postgresql.c: what a gallery on PostgreSQL costs, for docs/postgresql.md: enrolling, reading all
 * vectors at the first search, and searches in memory and (where there is pgvector) on the server.
 *
 *   tests/gallery/on_postgresql.sh build/release/bench_postgresql   (or on_pglite.sh; arguments: none)
 *
 * LIKENESS_BENCH_ROWS: how many photos, 20,000 unless given. */
#include "base/base.h"
#include "likeness/gallery.h"

#include <libpq-fe.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 128, BATCH = 256, PROBES = 50, K = 10 };

static _Noreturn void stop(const lk_error *err) {
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

static void unit_vector(uint64_t seed, uint64_t number, float *out) {
    lk__random r = lk__random_stream(seed, number, DIM, 0);
    double norm = 0;
    for (int i = 0; i < DIM; i++) {
        out[i] = (float)lk__random_normal(&r);
        norm += (double)out[i] * (double)out[i];
    }
    for (int i = 0; i < DIM; i++) out[i] = (float)((double)out[i] / sqrt(norm));
}

/* Ten photos a person. */
static void enroll(lk_gallery *g, uint64_t rows) {
    static float vectors[BATCH][DIM];
    static char names[BATCH][2][32];
    lk_enrollment batch[BATCH];
    lk_error err;
    for (uint64_t done = 0; done < rows; done += BATCH) {
        for (uint64_t i = 0; i < BATCH; i++) {
            unit_vector(1, done + i, vectors[i]);
            snprintf(names[i][0], sizeof names[i][0], "person %llu", (unsigned long long)(done + i) / 10);
            snprintf(names[i][1], sizeof names[i][1], "photo %llu.jpg", (unsigned long long)(done + i));
            batch[i] = (lk_enrollment){.person = names[i][0], .photo = names[i][1], .vector = vectors[i]};
        }
        if (lk_gallery_enroll(g, batch, BATCH, NULL, &err) != LK_OK) stop(&err);
    }
}

static double search(const char *address, const char *way, double *first) {
    char both[700];
    float probe[DIM];
    lk_gallery *g = NULL;
    lk_error err;
    lk_matches m;
    snprintf(both, sizeof both, "%s&search=%s", address, way);
    double start = lk__seconds();
    if (lk_gallery_open(both, LK_GALLERY_READ_ONLY, &g, &err) != LK_OK) return NAN;
    for (uint64_t i = 0; i <= PROBES; i++) {
        unit_vector(2, i, probe);
        if (lk_gallery_search(g, probe, K, &m, &err) != LK_OK) stop(&err);
        lk_matches_free(&m);
        if (i == 0) {
            *first = lk__seconds() - start;
            start = lk__seconds();
        }
    }
    double each = (lk__seconds() - start) / PROBES;
    lk_gallery_close(g);
    return each;
}

static void ask(const char *what, const char *sql) {
    PGconn *conn = PQconnectdb(getenv("LIKENESS_TEST_PG"));
    PGresult *r = PQexec(conn, sql);
    if (PQntuples(r) > 0) printf("%s\t%s\n", what, PQgetvalue(r, 0, 0));
    PQclear(r);
    PQfinish(conn);
}

int main(void) {
    static const char *const ways[] = {"memory", "exact", "hnsw"};
    const char *base = getenv("LIKENESS_TEST_PG"), *wanted = getenv("LIKENESS_BENCH_ROWS");
    char address[600], other[640];
    if (!base) return 77;
    snprintf(address, sizeof address, "%s%cgallery=bench", base, strchr(base, '?') ? '&' : '?');
    const lk_vector_kind kind = {.dim = DIM, .fingerprint = "bench", .threshold = 0.4};
    uint64_t rows = wanted ? strtoull(wanted, NULL, 10) : 20000;
    rows = (rows + BATCH - 1) / BATCH * BATCH;
    lk_gallery *g = NULL;
    lk_error err;
    snprintf(other, sizeof other, "%s&search=hnsw", address);
    bool indexed = lk_gallery_create(other, &kind, &g, &err) == LK_OK;
    if (!indexed && lk_gallery_create(address, &kind, &g, &err) != LK_OK) stop(&err);
    double start = lk__seconds();
    enroll(g, rows);
    printf("what\tfigure\nphotos\t%llu\n", (unsigned long long)rows);
    printf("enrolled a second%s\t%.0f\n", indexed ? ", with HNSW" : "",
           (double)rows / (lk__seconds() - start));
    lk_gallery_close(g);
    ask("bytes a photo, table",
        "SELECT pg_table_size('likeness_bench.photos') / last_photo FROM likeness_bench.state");
    ask("bytes a photo, its indexes by id and name", "SELECT (pg_relation_size('likeness_bench.photos_pkey') "
                                                     "+ pg_relation_size('likeness_bench.photos_name')) "
                                                     "/ last_photo FROM likeness_bench.state");
    ask("bytes a photo, audit",
        "SELECT pg_total_relation_size('likeness_bench.audit') / last_photo FROM likeness_bench.state");
    ask("bytes a person",
        "SELECT pg_total_relation_size('likeness_bench.people') / people FROM likeness_bench.state");
    if (indexed)
        ask("bytes a photo, HNSW",
            "SELECT pg_relation_size('likeness_bench.photos_hnsw') / last_photo FROM likeness_bench.state");
    for (int w = 0; w < 3; w++) {
        double first = 0, each = search(address, ways[w], &first);
        if (isfinite(each))
            printf("%s: open and first search, ms\t%.1f\n%s: a search, ms\t%.3f\n", ways[w], first * 1e3,
                   ways[w], each * 1e3);
    }
    ask("done", "DROP SCHEMA likeness_bench CASCADE");
    return 0;
}
