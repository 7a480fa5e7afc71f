/* test_search.c: a search finds exactly what a plain scan finds, in the same order, on any number of threads.
 */
#include "gallery/gallery_test.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct plain {
    int64_t id;
    double cosine;
} plain;

static int plain_order(const void *a, const void *b) {
    const plain *x = a, *y = b;
    if (x->cosine != y->cosine) return x->cosine > y->cosine ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* What a single vector's cosine must be: dot.c's sum, lane by lane. */
static float lane_dot(const float *a, const float *b, int dim) {
    float lane[32] = {0};
    for (int i = 0; i < dim; i++) {
        volatile float product = a[i] * b[i];
        int last_block = (dim + 15) / 16 - 1,
            block = i / 16; /* an odd last block goes to the first 16 lanes */
        int to = block == last_block && last_block % 2 == 0 ? i % 16 : i % 32;
        lane[to] += product;
    }
    for (int width = 16; width >= 1; width /= 2)
        for (int i = 0; i < width; i++) lane[i] += lane[i + width];
    return lane[0];
}

/* Every person "p<i % 7>", photo "<i>", ids in order. */
static lk_gallery *fill(const char *path, const float *vectors, size_t n, int dim) {
    lk_gallery *g = new_gallery(path, dim);
    lk_enrollment *photos = calloc(n + 1, sizeof *photos);
    char(*names)[2][24] = calloc(n + 1, sizeof *names);
    int64_t *ids = calloc(n + 1, sizeof *ids);
    assert_true(photos && names && ids);
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i][0], sizeof names[i][0], "p%zu", i % 7);
        snprintf(names[i][1], sizeof names[i][1], "%zu", i);
        photos[i] =
            (lk_enrollment){.person = names[i][0], .photo = names[i][1], .vector = vectors + i * (size_t)dim};
    }
    OK(lk_gallery_enroll(g, photos, n, ids, err));
    for (size_t i = 0; i < n; i++) assert_int_equal(ids[i], i + 1);
    free(photos);
    free(names);
    free(ids);
    return g;
}

static void check_search(lk_gallery *g, const float *vectors, size_t n, int dim, const float *probe,
                         size_t k) {
    plain *want = malloc((n + 1) * sizeof *want);
    assert_non_null(want);
    for (size_t i = 0; i < n; i++)
        want[i] = (plain){(int64_t)i + 1, (double)lane_dot(vectors + i * (size_t)dim, probe, dim)};
    qsort(want, n, sizeof *want, plain_order);
    lk_matches got = {77, NULL};
    OK(lk_gallery_search(g, probe, k, &got, err));
    assert_int_equal(got.count, k < n ? k : n);
    for (size_t i = 0; i < got.count; i++) {
        const lk_match *m = &got.items[i];
        size_t row = (size_t)m->photo_id - 1;
        char name[32];
        assert_int_equal(m->photo_id, want[i].id);
        assert_true((double)m->cosine == want[i].cosine); /* the same bits */
        assert_true(fabs((double)m->cosine - lk_cosine(probe, vectors + row * (size_t)dim, dim)) < 1e-5);
        assert_true(m->l2 == (float)lk_l2(probe, vectors + row * (size_t)dim, dim));
        snprintf(name, sizeof name, "p%zu", row % 7);
        assert_string_equal(m->person, name);
        snprintf(name, sizeof name, "%zu", row);
        assert_string_equal(m->photo, name);
    }
    lk_matches_free(&got);
    assert_null(got.items);
    free(want);
}

static void check_set(const float *vectors, size_t n, int dim) {
    const char *path = in_folder("search.gallery");
    lk_gallery *g = fill(path, vectors, n, dim);
    float *probe = malloc((size_t)dim * sizeof *probe);
    assert_non_null(probe);
    for (uint64_t p = 0; p < 3; p++) {
        unit_vector(99, p, dim, probe);
        if (p == 2 && n > 0) memcpy(probe, vectors + (n / 2) * (size_t)dim, (size_t)dim * sizeof *probe);
        const size_t ks[] = {1, 2, 10, n / 2 + 1, n + 5, SIZE_MAX};
        for (size_t i = 0; i < sizeof ks / sizeof ks[0]; i++)
            for (int threads = 1; threads <= 5; threads += 2) {
                lk__threads_set(threads);
                check_search(g, vectors, n, dim, probe, ks[i]);
            }
    }
    lk__threads_set(0);
    free(probe);
    lk_gallery_close(g);
    remove_gallery(path);
}

static float *new_vectors(size_t n, int dim) {
    float *v = malloc((n * (size_t)dim + 1) * sizeof *v);
    assert_non_null(v);
    for (size_t i = 0; i < n; i++) unit_vector(5, i, dim, v + i * (size_t)dim);
    return v;
}

static void test_random(void **state) {
    (void)state;
    const struct {
        size_t n;
        int dim;
    } sizes[] = {{0, 8},    {1, 1},    {5, 1},     {3, 16},    {40, 17},
                 {300, 31}, {257, 32}, {1000, 33}, {600, 127}, {513, 512}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        float *v = new_vectors(sizes[i].n, sizes[i].dim);
        check_set(v, sizes[i].n, sizes[i].dim);
        free(v);
    }
}

/* Large enough for several parts, each with its own heap. */
static void test_parts(void **state) {
    (void)state;
    enum { N = 9000, DIM = 48 };
    float *v = new_vectors(N, DIM);
    check_set(v, N, DIM);
    free(v);
}

/* Equal vectors in every part: the lower photo id comes first. */
static void test_duplicates(void **state) {
    (void)state;
    enum { N = 9000, DIM = 40 };
    float *v = new_vectors(N, DIM);
    for (size_t i = 0; i < N; i++) memcpy(v + i * DIM, v + (i % 5) * DIM, DIM * sizeof *v);
    check_set(v, N, DIM);
    free(v);
}

static void test_clusters(void **state) {
    (void)state;
    enum { N = 2000, DIM = 65 };
    float *v = new_vectors(N, DIM);
    for (size_t i = 20; i < N; i++) { /* close to one of 20 centres, in the last digits */
        double norm = 0;
        for (size_t d = 0; d < DIM; d++) {
            float x = v[(i % 20) * DIM + d] + 1e-6f * v[i * DIM + d];
            v[i * DIM + d] = x;
            norm += (double)x * (double)x;
        }
        for (size_t d = 0; d < DIM; d++) v[i * DIM + d] = (float)((double)v[i * DIM + d] / sqrt(norm));
    }
    check_set(v, N, DIM);
    free(v);
}

/* ---- kernels ------------------------------------------------------------------------------------- */

static void test_kernels(void **state) {
    (void)state;
    enum { ROWS = 37, MOST = 160 };
    float *rows = aligned_alloc(64, ROWS * MOST * sizeof *rows),
          *probe = aligned_alloc(64, MOST * sizeof *probe);
    assert_non_null(rows);
    assert_non_null(probe);
    for (size_t stride = 16; stride <= MOST; stride += 16) {
        for (size_t r = 0; r < ROWS; r++) unit_vector(3, r, (int)stride, rows + r * stride);
        unit_vector(4, 0, (int)stride, probe);
        int kinds = 0;
        for (int kind = 0; kind < LK__DOT_KINDS; kind++) {
            float out[ROWS];
            lk__dot dot = lk__dot_kind(kind);
            if (!dot) continue;
            kinds++;
            dot(rows, ROWS, stride, probe, out);
            for (size_t r = 0; r < ROWS; r++)
                assert_true(out[r] == lane_dot(rows + r * stride, probe, (int)stride));
        }
        assert_true(kinds >= 1);
    }
    assert_null(lk__dot_kind(LK__DOT_KINDS));
    assert_non_null(lk__dot_best());
    free(rows);
    free(probe);
}

static void test_vectors(void **state) {
    (void)state;
    const float a[3] = {1, 0, 0}, b[3] = {0, 0.6f, 0.8f}, c[3] = {-1, 0, 0};
    assert_true(lk_cosine(a, a, 3) == 1);
    assert_true(lk_cosine(a, b, 3) == 0);
    assert_true(lk_cosine(a, c, 3) == -1);
    assert_true(lk_l2(a, a, 3) == 0);
    assert_true(fabs(lk_l2(a, b, 3) - sqrt(2)) < 1e-7);
    assert_true(lk_l2(a, c, 3) == 2);
    assert_true(lk_cosine(a, b, 0) == 0);
}

/* ---- what the copy in memory follows ------------------------------------------------------------- */

static int64_t best(lk_gallery *g, uint64_t number, char *person) {
    float *v = malloc((size_t)g->info.dim * sizeof *v);
    lk_matches m;
    int64_t id = 0;
    assert_non_null(v);
    unit_vector(1, number, g->info.dim, v);
    OK(lk_gallery_search(g, v, 1, &m, err));
    if (m.count > 0 && m.items[0].cosine > 0.9999f) {
        id = m.items[0].photo_id;
        if (person) strcpy(person, m.items[0].person);
    }
    lk_matches_free(&m);
    free(v);
    return id;
}

static void test_follows(void **state) {
    (void)state;
    const char *path = in_folder("follow.gallery");
    char person[64];
    lk_gallery *g = new_gallery(path, 24), *other = open_gallery(path, 0);
    assert_int_equal(best(g, 0, NULL), 0);
    for (uint64_t i = 0; i < 100; i++) { /* grows several times; both see each at once */
        add_number(i % 2 ? g : other, "ann", i);
        assert_int_equal(best(g, i, NULL), i + 1);
        assert_int_equal(best(other, i, NULL), i + 1);
        assert_int_equal(best(g, 0, NULL), 1);
    }
    float v[24], w[24];
    int64_t id = 0;
    unit_vector(1, 500, 24, v);
    unit_vector(1, 3, 24, w);
    OK(lk_gallery_add(other, "ann", "3.jpg", v, &id, err)); /* replaced: a new id, and the old one is gone */
    assert_int_equal(id, 101);
    assert_int_equal(best(g, 500, NULL), 101);
    assert_int_equal(best(g, 3, NULL), 0);
    add_number(g, "bob", 700);
    assert_int_equal(best(other, 700, person), 102);
    assert_string_equal(person, "bob");
    OK(lk_gallery_rename(other, "bob", "rob", err));
    assert_int_equal(best(g, 700, person), 102);
    assert_string_equal(person, "rob");
    OK(lk_gallery_remove(other, "ann", NULL, err));
    assert_int_equal(best(g, 0, NULL), 0);
    assert_int_equal(best(g, 700, NULL), 102);
    OK(lk_gallery_remove(g, "rob", NULL, err));
    assert_int_equal(best(other, 700, NULL), 0);
    add_number(g, "ann", 0); /* an id is not used twice, though the gallery was empty meanwhile */
    assert_int_equal(best(g, 0, NULL), 103);
    assert_int_equal(best(other, 0, NULL), 103);

    OK(lk_gallery_begin(g, err)); /* a search sees what is committed */
    add_number(g, "cyd", 800);
    assert_int_equal(best(g, 800, NULL), 0);
    assert_int_equal(best(other, 800, NULL), 0);
    lk_gallery_rollback(g);
    assert_int_equal(best(g, 800, NULL), 0);
    add_number(other, "dan", 900); /* takes the number that was rolled back */
    assert_int_equal(best(g, 900, person), 104);
    assert_string_equal(person, "dan");
    OK(lk_gallery_begin(g, err));
    OK(lk_gallery_remove(g, "dan", NULL, err));
    assert_int_equal(best(g, 900, NULL), 104);
    lk_gallery_rollback(g);
    assert_int_equal(best(g, 900, NULL), 104);
    OK(lk_gallery_begin(g, err));
    OK(lk_gallery_remove(g, "dan", NULL, err));
    OK(lk_gallery_commit(g, err));
    assert_int_equal(best(g, 900, NULL), 0);
    lk_gallery_close(other);
    lk_gallery_close(g);
    remove_gallery(path);
}

/* k people, each by the closest photo, and many probes at once: what single searches for photos say. */
static void test_people_and_batches(void **state) {
    (void)state;
    enum { N = 500, DIM = 20, PROBES = 9, K = 5 };
    const char *path = in_folder("people.gallery");
    float *v = new_vectors(N, DIM), probes[PROBES * DIM];
    lk_gallery *g = fill(path, v, N, DIM); /* 7 people */
    for (uint64_t p = 0; p < PROBES; p++) unit_vector(77, p, DIM, probes + p * DIM);
    const lk_search_options photos = {.k = K}, people = {.k = K, .people = true},
                            all = {.k = 100, .people = true};
    lk_matches by_photo[PROBES], by_person[PROBES], everybody[PROBES];
    OK(lk_gallery_search_many(g, probes, PROBES, &photos, by_photo, err));
    OK(lk_gallery_search_many(g, probes, PROBES, &people, by_person, err));
    OK(lk_gallery_search_many(g, probes, PROBES, &all, everybody, err));
    for (size_t p = 0; p < PROBES; p++) {
        lk_matches one, whole;
        OK(lk_gallery_search(g, probes + p * DIM, K, &one, err));
        OK(lk_gallery_search(g, probes + p * DIM, N, &whole, err));
        assert_int_equal(by_photo[p].count, K);
        assert_int_equal(by_person[p].count, K);
        assert_int_equal(everybody[p].count, 7);
        for (size_t i = 0; i < K; i++) {
            assert_int_equal(by_photo[p].items[i].photo_id, one.items[i].photo_id);
            assert_string_equal(by_photo[p].items[i].photo, one.items[i].photo);
        }
        size_t next = 0;
        for (size_t i = 0; i < whole.count; i++) { /* a person is where their best photo is */
            bool seen = false;
            for (size_t j = 0; j < next; j++)
                seen = seen || strcmp(everybody[p].items[j].person, whole.items[i].person) == 0;
            if (seen) continue;
            assert_int_equal(everybody[p].items[next].photo_id, whole.items[i].photo_id);
            if (next < K) assert_int_equal(by_person[p].items[next].photo_id, whole.items[i].photo_id);
            next++;
        }
        assert_int_equal(next, 7);
        lk_matches_free(&one);
        lk_matches_free(&whole);
        lk_matches_free(&by_photo[p]);
        lk_matches_free(&by_person[p]);
        lk_matches_free(&everybody[p]);
    }
    OK(lk_gallery_search_many(g, probes, 0, &photos, NULL, err));
    free(v);
    lk_gallery_close(g);
    remove_gallery(path);
}

static void test_bad_probe(void **state) {
    (void)state;
    const char *path = in_folder("probe.gallery");
    lk_gallery *g = new_gallery(path, 4);
    lk_matches m = {5, (lk_match *)(uintptr_t)8};
    const float bad[][4] = {
        {0, 0, 0, 0}, {1, 1, 0, 0}, {NAN, 0, 0, 0}, {INFINITY, 0, 0, 0}, {0.998f, 0, 0, 0}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        FAILS(LK_INVALID, "length 1", lk_gallery_search(g, bad[i], 1, &m, err));
    const float good[4] = {0, 0, 0, 1};
    FAILS(LK_INVALID, "at least 1", lk_gallery_search(g, good, 0, &m, err));
    assert_int_equal(m.count, 5); /* untouched */
    assert_true(m.items == (lk_match *)(uintptr_t)8);
    OK(lk_gallery_search(g, good, 3, &m, err));
    assert_int_equal(m.count, 0);
    lk_matches_free(&m);
    lk_matches_free(NULL);
    lk_gallery_close(g);
    remove_gallery(path);
}

/* ---- many threads at one gallery ----------------------------------------------------------------- */

enum { ADDED = 600, SEARCHERS = 3, THREAD_DIM = 64, REMOVE_EVERY = 150 };
typedef struct shared {
    lk_gallery *g;
    atomic_int added, failed; /* photos 0..added-1 are enrolled */
} shared;

static void *search_many(void *arg) {
    shared *s = arg;
    float v[THREAD_DIM];
    lk__threads_set(2);
    for (uint64_t i = 0; atomic_load(&s->added) < ADDED; i++) {
        int until = atomic_load(&s->added);
        lk_matches m;
        uint64_t number = until ? i % (uint64_t)until : 0;
        unit_vector(1, number, THREAD_DIM, v);
        if (lk_gallery_search(s->g, v, 3, &m, NULL) != LK_OK) {
            atomic_fetch_add(&s->failed, 1);
            continue;
        }
        char photo[32];
        snprintf(photo, sizeof photo, "%llu.jpg", (unsigned long long)number);
        if (until && (m.count == 0 || strcmp(m.items[0].photo, photo) != 0)) atomic_fetch_add(&s->failed, 1);
        lk_matches_free(&m);
    }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    const char *path = in_folder("threads.gallery");
    shared s = {.g = new_gallery(path, THREAD_DIM)};
    /* Enough beforehand that a search has several parts. */
    add_numbers(s.g, "crowd", 1000000, 5000);
    pthread_t threads[SEARCHERS];
    for (int i = 0; i < SEARCHERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, search_many, &s), 0);
    for (int i = 0; i < ADDED; i++) {
        add_number(s.g, "someone", (uint64_t)i);
        atomic_store(&s.added, i + 1);
        if (i % REMOVE_EVERY == 0) { /* rows are dropped while others read them */
            add_number(s.g, "passer-by", 2000000);
            OK(lk_gallery_remove(s.g, "passer-by", NULL, err));
        }
    }
    for (int i = 0; i < SEARCHERS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&s.failed), 0);
    lk_gallery_close(s.g);
    remove_gallery(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),      cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_random),       cmocka_unit_test(test_parts),
        cmocka_unit_test(test_duplicates),   cmocka_unit_test(test_clusters),
        cmocka_unit_test(test_follows),      cmocka_unit_test(test_people_and_batches),
        cmocka_unit_test(test_bad_probe),    cmocka_unit_test(test_threads),
        cmocka_unit_test(test_nothing_left),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
