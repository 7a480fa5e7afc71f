/* test_cluster.c: groups beside those of the plain greedy search over all pairs. */
#include "gallery/gallery_test.h"
#include "likeness/curate.h"

/* ---- the reference: merge the closest two groups, by the mean of all cosines, until none is close enough
 * ---- */

static void reference(const float *v, size_t n, int dim, double threshold, uint32_t *first) {
    double *cosine = malloc(n * n * sizeof *cosine); /* sums between groups */
    size_t *size = malloc(n * sizeof *size);
    assert_true(cosine && size);
    for (size_t i = 0; i < n; i++) {
        first[i] = (uint32_t)i;
        size[i] = 1;
        for (size_t j = 0; j < n; j++)
            cosine[i * n + j] = lk_cosine(v + i * (size_t)dim, v + j * (size_t)dim, dim);
    }
    for (;;) {
        double most = -2;
        size_t a = 0, b = 0;
        for (size_t i = 0; i < n; i++)
            for (size_t j = i + 1; size[i] && j < n; j++) {
                if (!size[j]) continue;
                double mean = cosine[i * n + j] / (double)(size[i] * size[j]);
                if (mean > most) {
                    most = mean;
                    a = i;
                    b = j;
                }
            }
        if (most < threshold) break;
        for (size_t k = 0; k < n; k++) {
            cosine[a * n + k] += cosine[b * n + k];
            cosine[k * n + a] = cosine[a * n + k];
        }
        size[a] += size[b];
        size[b] = 0;
        for (size_t k = 0; k < n; k++)
            if (first[k] == b) first[k] = (uint32_t)a;
    }
    free(cosine);
    free(size);
}

/* Photos of `people`, `spread` apart from what each person looks like. */
static float *crowd(size_t n, int dim, size_t people, double spread, uint64_t seed) {
    float *v = malloc(n * (size_t)dim * sizeof *v), *centre = malloc((size_t)dim * sizeof *v);
    assert_true(v && centre);
    lk__random r = lk__random_stream(seed, 1, 2, 3);
    for (size_t i = 0; i < n; i++) {
        float *x = v + i * (size_t)dim;
        double norm = 0;
        unit_vector(seed, i % people, dim, centre);
        for (int k = 0; k < dim; k++) {
            x[k] = centre[k] + (float)(spread * lk__random_normal(&r) / sqrt(dim));
            norm += (double)x[k] * (double)x[k];
        }
        for (int k = 0; k < dim; k++) x[k] = (float)((double)x[k] / sqrt(norm));
    }
    free(centre);
    return v;
}

static void test_beside_reference(void **state) {
    (void)state;
    static const double spreads[] = {0.2, 1, 2}, thresholds[] = {-1, 0, 0.2, 0.4, 0.7, 0.98};
    static const int dims[] = {2, 7, 16, 33};
    enum { MOST = 97 };
    uint32_t cluster[MOST], first[MOST];
    for (size_t run = 0; run < 3 * 6 * 4; run++) {
        int dim = dims[run % 4];
        double threshold = thresholds[run / 4 % 6], spread = spreads[run / 24];
        size_t n = 1 + run * 13 % MOST, count = 0, seen = 0;
        float *v = crowd(n, dim, 9, spread, run);
        reference(v, n, dim, threshold, first);
        OK(lk_cluster(v, n, dim, threshold, cluster, &count, err));
        for (size_t i = 0; i < n; i++) {
            seen += first[i] == i;
            for (size_t j = 0; j < i; j++)
                if ((cluster[i] == cluster[j]) != (first[i] == first[j]))
                    fail_msg("run %zu: %zu and %zu", run, i, j);
        }
        assert_int_equal(count, seen);
        free(v);
    }
}

/* By size, then by the first vector. */
static void test_numbers(void **state) {
    (void)state;
    const float v[][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, 1}, {0, -1}, {-1, 0}};
    const uint32_t want[] = {2, 0, 1, 0, 3, 1};
    uint32_t cluster[6];
    size_t count = 0;
    OK(lk_cluster(v[0], 6, 2, 0.9, cluster, &count, err));
    assert_int_equal(count, 4);
    assert_memory_equal(cluster, want, sizeof want);
}

/* The same on any number of threads; and on equal vectors, which are all ties. */
static void test_threads_and_ties(void **state) {
    (void)state;
    enum { N = 2200, DIM = 1024 }; /* at first more than is scanned alone */
    float *v = crowd(N, DIM, 200, 0.6, 3);
    uint32_t *one = malloc(N * sizeof *one), *many = malloc(N * sizeof *many);
    size_t a = 0, b = 0;
    assert_true(one && many);
    for (size_t i = 0; i < N; i += 200) memcpy(v + i * DIM, v, DIM * sizeof *v); /* ties */
    lk__threads_set(1);
    OK(lk_cluster(v, N, DIM, 0.5, one, &a, err));
    lk__threads_set(5);
    OK(lk_cluster(v, N, DIM, 0.5, many, &b, err));
    lk__threads_set(0);
    assert_int_equal(a, b);
    assert_int_equal(a, 200);
    assert_memory_equal(one, many, N * sizeof *one);
    for (size_t i = 200; i < N; i += 200) assert_int_equal(one[i], one[0]);
    free(v);
    free(one);
    free(many);
}

static void test_refuses(void **state) {
    (void)state;
    const float v[] = {1, 0, 1, 1};
    uint32_t cluster[2] = {7, 7};
    size_t count = 77;
    FAILS(LK_INVALID, "vector 1", lk_cluster(v, 2, 2, 0.5, cluster, &count, err));
    FAILS(LK_INVALID, "cosine", lk_cluster(v, 1, 2, 1.5, cluster, &count, err));
    FAILS(LK_INVALID, "cosine", lk_cluster(v, 1, 2, (double)NAN, cluster, &count, err));
    FAILS(LK_INVALID, "numbers", lk_cluster(v, 1, 0, 0.5, cluster, &count, err));
    assert_true(count == 77 && cluster[0] == 7);
    OK(lk_cluster(v, 0, 2, 0.5, cluster, &count, err));
    assert_int_equal(count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beside_reference),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_threads_and_ties),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
