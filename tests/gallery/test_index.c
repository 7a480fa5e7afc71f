/* test_index.c: the index finds exactly what a plain scan in floats finds, bit for bit: over sets that are
 * hard for codes, with rows added and removed, by photo and by person, one probe and many, on any number of
 * threads. */
#include "gallery/gallery_test.h"
#include "gallery/rows.h"

#include <pthread.h>

/* ---- the plain scan -------------------------------------------------------------------------------- */

typedef struct set {
    int dim;
    size_t count, stride;
    float *vectors; /* (count, stride), 64-byte aligned */
    bool *gone;     /* (count) */
} set;

static int64_t photo_of(size_t row) {
    return 3 * (int64_t)row + 5;
}
static int64_t person_of(size_t row) {
    return (int64_t)(row * 7 % 1000 / 3);
} /* photos of one lie apart */

static set set_new(int dim, size_t count) {
    set s = {.dim = dim, .count = count, .stride = ((size_t)dim + 15) / 16 * 16};
    s.vectors = aligned_alloc(64, (count + 1) * s.stride * sizeof(float));
    s.gone = calloc(count + 1, sizeof *s.gone);
    assert_non_null(s.vectors);
    assert_non_null(s.gone);
    memset(s.vectors, 0, (count + 1) * s.stride * sizeof(float));
    for (size_t i = 0; i < count; i++) unit_vector(5, i, dim, s.vectors + i * s.stride);
    return s;
}

static void set_free(set *s) {
    free(s->vectors);
    free(s->gone);
}

static int hit_order(const void *a, const void *b) {
    const lk__hit *x = a, *y = b;
    if (x->cosine != y->cosine) return x->cosine > y->cosine ? -1 : 1;
    return (x->photo > y->photo) - (x->photo < y->photo);
}

/* All rows there are, best first; of people the first of each. */
static lk__hit *plain_scan(const set *s, const float *probe, bool people, size_t *count) {
    lk__hit *all = malloc((s->count + 1) * sizeof *all);
    bool seen[1000] = {false};
    size_t n = 0, kept = 0;
    assert_non_null(all);
    for (size_t i = 0; i < s->count; i++) {
        float cosine;
        if (s->gone[i]) continue;
        lk__dot_kind(LK__DOT_PLAIN)(s->vectors + i * s->stride, 1, s->stride, probe, &cosine);
        all[n++] = (lk__hit){photo_of(i), person_of(i), cosine, 0};
    }
    qsort(all, n, sizeof *all, hit_order);
    for (size_t i = 0; i < n; i++) {
        if (people && seen[all[i].person]) continue;
        seen[all[i].person] = true;
        all[kept++] = all[i];
    }
    *count = kept;
    return all;
}

static void check_hits(const set *s, const lk__hit *want, size_t count, const float *probe, size_t k,
                       const lk__hit *got, size_t found) {
    assert_int_equal(found, k < count ? k : count);
    for (size_t i = 0; i < found; i++) {
        size_t row = (size_t)(got[i].photo - 5) / 3;
        assert_int_equal(got[i].photo, want[i].photo);
        assert_int_equal(got[i].person, want[i].person);
        assert_memory_equal(&got[i].cosine, &want[i].cosine, sizeof(float)); /* the same bits */
        assert_true(got[i].l2 == (float)lk_l2(probe, s->vectors + row * s->stride, s->dim));
    }
}

static void append_rows(lk__index *x, const set *s, size_t first, size_t last) {
    size_t dim = (size_t)s->dim, n = last - first;
    float *packed = malloc((n * dim + 1) * sizeof *packed);
    int64_t *photos = malloc((n + 1) * sizeof *photos), *people = malloc((n + 1) * sizeof *people);
    assert_true(packed && photos && people);
    for (size_t i = 0; i < n; i++) {
        memcpy(packed + i * dim, s->vectors + (first + i) * s->stride, dim * sizeof *packed);
        photos[i] = photo_of(first + i);
        people[i] = person_of(first + i);
    }
    OK(lk__index_append(x, photos, people, packed, n, err));
    free(packed);
    free(photos);
    free(people);
}

static lk__index *index_of(const set *s) {
    lk__index *x = NULL;
    OK(lk__index_new(s->dim, &x, err));
    append_rows(x, s, 0, s->count);
    return x;
}

/* n probes (n, stride) at once and one by one, by photo and by person. */
static void check_index(lk__index *x, const set *s, const float *probes, size_t n, size_t k) {
    size_t dim = (size_t)s->dim, room = k < s->count ? k : s->count + 1;
    lk__hit *hits = malloc((n * room + 1) * sizeof *hits), *one = malloc((room + 1) * sizeof *one);
    size_t *found = malloc((n + 1) * sizeof *found), found_one = 0;
    float *packed = malloc(n * dim * sizeof *packed);
    assert_true(hits && one && found && packed);
    for (size_t p = 0; p < n; p++) memcpy(packed + p * dim, probes + p * s->stride, dim * sizeof *packed);
    for (int people = 0; people < 2; people++) {
        OK(lk__index_search(x, packed, n, room, people, hits, found, err));
        for (size_t p = 0; p < n; p++) {
            size_t count = 0;
            lk__hit *want = plain_scan(s, probes + p * s->stride, people, &count);
            check_hits(s, want, count, probes + p * s->stride, room, hits + p * room, found[p]);
            OK(lk__index_search(x, packed + p * dim, 1, room, people, one, &found_one, err));
            check_hits(s, want, count, probes + p * s->stride, room, one, found_one);
            free(want);
        }
    }
    free(hits);
    free(one);
    free(found);
    free(packed);
}

/* Over several k, counts of probes, threads, and all kernels there are. */
static void check_set(const set *s, lk__index *x) {
    enum { PROBES = 7 };
    float *probes = aligned_alloc(64, PROBES * s->stride * sizeof *probes);
    assert_non_null(probes);
    memset(probes, 0, PROBES * s->stride * sizeof *probes);
    for (size_t p = 0; p < PROBES; p++) {
        unit_vector(99, p, s->dim, probes + p * s->stride);
        if (p % 2 && s->count > 0)
            memcpy(probes + p * s->stride, s->vectors + (s->count / (p + 1)) * s->stride,
                   s->stride * sizeof *probes);
    }
    for (int kind = 0; kind < LK__CODE_KINDS; kind++) {
        if (!lk__code_kind(kind)) continue;
        x->kernels = lk__code_kind(kind);
        const size_t ks[] = {1, 10, s->count / 2 + 1, s->count + 5};
        for (size_t i = 0; i < sizeof ks / sizeof ks[0]; i++) {
            lk__threads_set((int)(i % 3) + 1);
            check_index(x, s, probes, i % 2 ? PROBES : 2, ks[i]);
        }
    }
    lk__threads_set(0);
    free(probes);
}

static void check_new(set *s) {
    lk__index *x = index_of(s);
    assert_int_equal(lk__index_count(x), s->count);
    check_set(s, x);
    lk__index_free(x);
    set_free(s);
}

/* ---- sets ------------------------------------------------------------------------------------------ */

static void test_random(void **state) {
    (void)state;
    const struct {
        int dim;
        size_t count;
    } sizes[] = {{8, 0},    {1, 1},    {1, 40},     {3, 15},    {16, 16},   {17, 17},  {31, 300},
                 {33, 999}, {127, 65}, {128, 3000}, {512, 200}, {520, 130}, {5000, 20}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        set s = set_new(sizes[i].dim, sizes[i].count);
        check_new(&s);
    }
}

/* Several segments, and so many rows that what is noted down has to be sifted. */
static void test_large(void **state) {
    (void)state;
    set s = set_new(20, 40000);
    check_new(&s);
}

static void normalise(float *v, size_t dim) {
    double norm = 0;
    for (size_t i = 0; i < dim; i++) norm += (double)v[i] * (double)v[i];
    for (size_t i = 0; i < dim; i++) v[i] = (float)((double)v[i] / sqrt(norm));
}

static void test_duplicates(void **state) {
    (void)state;
    for (size_t kinds = 1; kinds <= 5; kinds += 4) { /* all equal: every row has to be looked at */
        set s = set_new(40, 9000);
        for (size_t i = kinds; i < s.count; i++)
            memcpy(s.vectors + i * s.stride, s.vectors + i % kinds * s.stride, s.stride * sizeof(float));
        check_new(&s);
    }
}

/* People in clusters; within one the last digits differ, so that codes are the same and order is not. */
static void test_near_ties(void **state) {
    (void)state;
    for (float spread = 1e-7f; spread < 1; spread *= 100) {
        set s = set_new(65, 4000);
        for (size_t i = 20; i < s.count; i++) {
            float *v = s.vectors + i * s.stride;
            for (size_t d = 0; d < 65; d++) v[d] = s.vectors[i % 20 * s.stride + d] + spread * v[d];
            normalise(v, 65);
        }
        check_new(&s);
    }
}

/* Rows between two codes, rows of one number, rows beside a giant, denormal numbers, one sign. */
static void test_adversarial(void **state) {
    (void)state;
    for (int kind = 0; kind < 5; kind++)
        for (int dim = 7; dim < 200; dim = dim * 3 + 1) {
            set s = set_new(dim, 1500);
            for (size_t i = 0; i < s.count; i++) {
                float *v = s.vectors + i * s.stride;
                for (size_t d = 0; d < (size_t)dim; d++) {
                    if (kind == 0) v[d] = floorf(v[d] * 20) + 0.5f;
                    if (kind == 1) v[d] = d == i % (size_t)dim ? 1 : 0;
                    if (kind == 2) v[d] = d == 0 ? 50 : v[d];
                    if (kind == 3) v[d] = d < 3 ? v[d] : 1e-40f * v[d];
                    if (kind == 4) v[d] = fabsf(v[d]);
                }
                normalise(v, (size_t)dim);
            }
            check_new(&s);
        }
}

/* ---- removing -------------------------------------------------------------------------------------- */

static void remove_rows(lk__index *x, set *s, size_t first, size_t last, size_t step) {
    int64_t *ids = malloc((last - first + 2) * sizeof *ids);
    size_t n = 0;
    assert_non_null(ids);
    ids[n++] = 4; /* an id that is not there */
    for (size_t i = first; i < last; i += step) {
        s->gone[i] = true;
        ids[n++] = photo_of(i);
    }
    OK(lk__index_remove(x, ids, n, err));
    free(ids);
}

static size_t left(const set *s, size_t until) {
    size_t n = 0;
    for (size_t i = 0; i < until; i++) n += !s->gone[i];
    return n;
}

static void test_removed(void **state) {
    (void)state;
    set s = set_new(24, 6000), part = s;
    lk__index *x = NULL;
    OK(lk__index_new(s.dim, &x, err));
    for (size_t i = 0; i < 3000; i += 7) append_rows(x, &s, i, i + 7 < 3000 ? i + 7 : 3000);
    part.count = 3000;
    remove_rows(x, &s, 5, 3000, 3);
    assert_int_equal(lk__index_count(x), left(&s, 3000));
    check_set(&part, x);
    remove_rows(x, &s, 5, 3000, 3);   /* once more: nothing happens */
    remove_rows(x, &s, 200, 2800, 1); /* segments go, and are written anew */
    assert_int_equal(lk__index_count(x), left(&s, 3000));
    check_set(&part, x);
    append_rows(x, &s, 3000, 6000);
    check_set(&s, x);
    remove_rows(x, &s, 1, 6000, 2);
    remove_rows(x, &s, 4000, 6000, 1);
    assert_int_equal(lk__index_count(x), left(&s, 6000));
    check_set(&s, x);
    remove_rows(x, &s, 0, 6000, 1);
    assert_int_equal(lk__index_count(x), 0);
    check_set(&s, x);
    lk__index_clear(x);
    memset(s.gone, 0, s.count);
    append_rows(x, &s, 0, 6000);
    check_set(&s, x);
    lk__index_free(x);
    lk__index_free(NULL);
    set_free(&s);
}

/* ---- while others change it ------------------------------------------------------------------------ */

enum { STILL = 3000, MOVING = 4000, SEARCHERS = 3, LIVE_DIM = 32 };
typedef struct live {
    lk__index *x;
    const set *s;
    atomic_int stop, failed, done;
} live;

/* The rows that stay are found as in a plain scan of them, with nothing between that is not closer; what
 * comes and goes is there whole or not at all. */
static void *search_live(void *context) {
    live *l = context;
    size_t dim = LIVE_DIM, found[6];
    lk__hit hits[6 * 8];
    lk__threads_set(2);
    for (uint64_t turn = 0; !atomic_load(&l->stop); turn++) {
        float probes[6 * LIVE_DIM];
        size_t n = turn % 2 ? 1 : 6, row = turn * 31 % STILL;
        for (size_t p = 0; p < n; p++)
            memcpy(probes + p * dim, l->s->vectors + (row + p) % STILL * l->s->stride, dim * sizeof(float));
        if (lk__index_search(l->x, probes, n, 8, turn % 3 == 0, hits, found, NULL) != LK_OK)
            atomic_fetch_add(&l->failed, 1);
        for (size_t p = 0; p < n; p++) {
            if (found[p] != 8 || hits[p * 8].photo != photo_of((row + p) % STILL))
                atomic_fetch_add(&l->failed, 1);
            for (size_t i = 1; i < found[p]; i++)
                if (hit_order(&hits[p * 8 + i - 1], &hits[p * 8 + i]) >= 0) atomic_fetch_add(&l->failed, 1);
        }
        atomic_fetch_add(&l->done, 1);
    }
    return NULL;
}

static void test_live(void **state) {
    (void)state;
    set s = set_new(LIVE_DIM, STILL + MOVING);
    live l = {.s = &s};
    OK(lk__index_new(s.dim, &l.x, err));
    append_rows(l.x, &s, 0, STILL);
    pthread_t threads[SEARCHERS];
    for (int i = 0; i < SEARCHERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, search_live, &l), 0);
    for (size_t i = STILL; i < STILL + MOVING; i += 5) {
        append_rows(l.x, &s, i, i + 5);
        if (i % 3 == 0) remove_rows(l.x, &s, i, i + 5, 2);
        if (i % 1000 == 0) remove_rows(l.x, &s, i - 700 > STILL ? i - 700 : STILL, i, 1);
    }
    while (atomic_load(&l.done) < 50) usleep(1000);
    atomic_store(&l.stop, 1);
    for (int i = 0; i < SEARCHERS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&l.failed), 0);
    check_set(&s, l.x);
    lk__index_free(l.x);
    set_free(&s);
}

/* A search does not see what was removed before it began, and sees all of what came before. */
static void test_seen_at_once(void **state) {
    (void)state;
    set s = set_new(16, 500);
    lk__index *x = NULL;
    OK(lk__index_new(s.dim, &x, err));
    for (size_t i = 0; i < s.count; i++) {
        lk__hit hit;
        size_t found = 0;
        append_rows(x, &s, i, i + 1);
        OK(lk__index_search(x, s.vectors + i * s.stride, 1, 1, false, &hit, &found, err));
        assert_int_equal(found, 1);
        assert_int_equal(hit.photo, photo_of(i));
        if (i % 2) continue;
        remove_rows(x, &s, i, i + 1, 1);
        OK(lk__index_search(x, s.vectors + i * s.stride, 1, 1, false, &hit, &found, err));
        assert_true(found == 0 || hit.photo != photo_of(i));
    }
    lk__index_free(x);
    set_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#ifndef __SANITIZE_THREAD__ /* there they take minutes; the others, too, search on one to three threads */
        cmocka_unit_test(test_random),       cmocka_unit_test(test_large),
        cmocka_unit_test(test_duplicates),   cmocka_unit_test(test_near_ties),
        cmocka_unit_test(test_adversarial),
#endif
        cmocka_unit_test(test_removed),      cmocka_unit_test(test_live),
        cmocka_unit_test(test_seen_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
