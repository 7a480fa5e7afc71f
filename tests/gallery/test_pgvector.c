/* test_pgvector.c: the server searches: over all rows with the very answer of a search in memory, and by HNSW
 * with nearly always the same. Where the database can have pgvector (on_pglite.sh), else skipped. At most one
 * gallery is open at a time: PGlite has one session for everybody. */
#include "gallery/gallery_test.h"

enum { DIM = 32, N = 800, PEOPLE = 80, K = 10, PROBES = 20 };

static bool has_pgvector(void) {
    return on_pg() && pg_sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'") == 1;
}

/* The address with a way to search. */
static const char *with(const char *address, const char *parameters) {
    static char both[700];
    snprintf(both, sizeof both, "%s&%s", address, parameters);
    return both;
}

static void fill(lk_gallery *g, int dim, uint64_t count) {
    lk_enrollment *all = calloc(count, sizeof *all);
    float *vectors = malloc(count * (size_t)dim * sizeof *vectors);
    char(*names)[2][16] = malloc(count * sizeof *names);
    assert_true(all && vectors && names);
    for (uint64_t i = 0; i < count; i++) {
        unit_vector(1, i, dim, vectors + i * (size_t)dim);
        snprintf(names[i][0], sizeof names[i][0], "p%d", (int)(i % PEOPLE));
        snprintf(names[i][1], sizeof names[i][1], "%d", (int)i);
        all[i] =
            (lk_enrollment){.person = names[i][0], .photo = names[i][1], .vector = vectors + i * (size_t)dim};
    }
    OK(lk_gallery_enroll(g, all, count, NULL, err));
    free(all);
    free(vectors);
    free(names);
}

typedef struct answers {
    lk_matches photos[PROBES], people[PROBES];
} answers;

static void ask(const char *address, answers *out) {
    float probes[PROBES * DIM];
    lk_gallery *g = open_gallery(address, LK_GALLERY_READ_ONLY);
    const lk_search_options photos = {.k = K}, people = {.k = K, .people = true};
    for (uint64_t i = 0; i < PROBES; i++) unit_vector(7, i, DIM, probes + i * DIM);
    OK(lk_gallery_search_many(g, probes, PROBES, &photos, out->photos, err));
    OK(lk_gallery_search_many(g, probes, PROBES, &people, out->people, err));
    lk_gallery_close(g);
}

static void forget(answers *a) {
    for (int i = 0; i < PROBES; i++) {
        lk_matches_free(&a->photos[i]);
        lk_matches_free(&a->people[i]);
    }
}

static void check_same(const lk_matches *a, const lk_matches *b) {
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(a->items[i].photo_id, b->items[i].photo_id);
        assert_int_equal(a->items[i].person_id, b->items[i].person_id);
        assert_true(a->items[i].cosine == b->items[i].cosine && a->items[i].l2 == b->items[i].l2);
        assert_string_equal(a->items[i].person, b->items[i].person);
        assert_string_equal(a->items[i].photo, b->items[i].photo);
    }
}

/* How many of b's are among a's. */
static size_t shared(const lk_matches *a, const lk_matches *b) {
    size_t count = 0;
    for (size_t i = 0; i < b->count; i++)
        for (size_t j = 0; j < a->count; j++) count += a->items[j].photo_id == b->items[i].photo_id;
    return count;
}

static void test_searches(void **state) {
    (void)state;
    if (!has_pgvector()) skip();
    const char *path = in_folder("searched.gallery");
    answers memory, exact, hnsw;
    lk_gallery *g = new_gallery(with(path, "search=hnsw"), DIM);
    fill(g, DIM, N);
    lk_gallery_close(g);
    assert_int_equal(pg_sql_in(path, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'photos'::regclass "
                                     "AND attname = 'vector' AND atttypid = 'public.vector'::regtype"),
                     1);
    ask(path, &memory);
    ask(with(path, "search=exact"), &exact);
    pg_sql_in(path, "ANALYZE photos");
    ask(with(path, "search=hnsw"), &hnsw);
    size_t photos = 0, people = 0;
    for (int i = 0; i < PROBES; i++) {
        assert_int_equal(memory.photos[i].count, K);
        assert_int_equal(memory.people[i].count, K);
        check_same(&memory.photos[i], &exact.photos[i]);
        check_same(&memory.people[i], &exact.people[i]);
        assert_int_equal(hnsw.people[i].count, K);
        photos += shared(&memory.photos[i], &hnsw.photos[i]);
        people += shared(&memory.people[i], &hnsw.people[i]);
    }
    assert_in_range(photos, PROBES * K * 95 / 100, PROBES * K);
    assert_in_range(people, PROBES * K * 90 / 100, PROBES * K);
    forget(&memory);
    forget(&exact);
    forget(&hnsw);
    remove_gallery(path);
}

/* What was enrolled, replaced and removed is seen at once, and rows of equal vectors come by their ids. */
static void test_changes(void **state) {
    (void)state;
    if (!has_pgvector()) skip();
    const char *path = in_folder("changed.gallery");
    static const char *const ways[] = {"search=exact", "search=hnsw&ef_search=40"};
    for (size_t w = 0; w < 2; w++) {
        lk_gallery *g = new_gallery(with(path, ways[w]), DIM);
        float v[DIM];
        lk_matches m;
        unit_vector(1, 3, DIM, v);
        OK(lk_gallery_search(g, v, 3, &m, err));
        assert_int_equal(m.count, 0);
        lk_matches_free(&m);
        fill(g, DIM, 20);
        for (int i = 0; i < 3; i++)
            OK(lk_gallery_add(g, "twin", i == 0 ? "a" : i == 1 ? "b" : "c", v, NULL, err));
        OK(lk_gallery_search(g, v, 3, &m, err));
        assert_int_equal(m.count, 3);
        assert_int_equal(m.items[0].photo_id, 4);
        assert_int_equal(m.items[1].photo_id, 21);
        assert_int_equal(m.items[2].photo_id, 22);
        lk_matches_free(&m);
        OK(lk_gallery_remove(g, "p3", NULL, err));
        OK(lk_gallery_search(g, v, 1, &m, err));
        assert_string_equal(m.items[0].person, "twin");
        lk_matches_free(&m);
        lk_gallery_close(g);
        remove_gallery(path);
    }
}

static void test_refused(void **state) {
    (void)state;
    if (!has_pgvector()) skip();
    const char *path = in_folder("refused.gallery");
    const uint8_t key[LK_GALLERY_KEY_BYTES] = {1};
    lk_vector_kind kind = kind_of(DIM), wide = kind_of(LK__PG_HNSW_DIM + 1);
    lk_gallery *g = NULL;
    FAILS(LK_INVALID, "HNSW takes", lk_gallery_create(with(path, "search=hnsw"), &wide, &g, err));
    const lk_gallery_options sealed = {.key = key};
    FAILS(LK_INVALID, "encrypted",
          lk_gallery_create_with(with(path, "search=exact"), &kind, &sealed, &g, err));
    OK(lk_gallery_create_with(path, &kind, &sealed, &g, err));
    lk_gallery_close(g);
    FAILS(LK_INVALID, "encrypted", lk_gallery_open_with(with(path, "search=exact"), &sealed, &g, err));
    remove_gallery(path);
    lk_gallery_close(new_gallery(path, DIM));
    lk_gallery_close(open_gallery(with(path, "search=exact"), 0));
    FAILS(LK_INVALID, "USING hnsw (vector vector_ip_ops)",
          lk_gallery_open(with(path, "search=hnsw"), 0, &g, err));
    pg_sql_in(path,
              "CREATE INDEX photos_hnsw ON likeness_refused.photos USING hnsw (vector public.vector_ip_ops)");
    lk_gallery_close(open_gallery(with(path, "search=hnsw"), 0));
    remove_gallery(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_searches),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nothing_left),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
