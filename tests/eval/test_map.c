/* test_map.c: the plane against components found slowly, t-SNE's parts against their formulas in double, and
 * the map by what it is for: neighbours stay neighbours. */
#include "eval/map.h"
#include "made_up.h"

static void make(const float *vectors, size_t n, int dim, lk_map_kind kind, uint64_t seed, float *xy) {
    lk_error err = {0};
    if (lk_map_make(vectors, n, dim, kind, seed, xy, &err) != LK_OK) fail_msg("%s", err.message);
}

/* Centred, and the furthest at 1 (`furthest` 0: all in one place). */
static void assert_in_circle(const float *xy, size_t n, double furthest) {
    double sum[2] = {0, 0}, most = 0;
    for (size_t i = 0; i < 2 * n; i++) {
        assert_true(isfinite(xy[i]));
        sum[i % 2] += (double)xy[i];
        most = fmax(most, hypot((double)xy[i & ~(size_t)1], (double)xy[i | 1]));
    }
    assert_true(fabs(sum[0]) < 1e-5 * (double)n && fabs(sum[1]) < 1e-5 * (double)n);
    if (!(fabs(most - furthest) < 1e-6))
        fail_msg("%zu points: the furthest is at %.9g, not %g", n, most, furthest);
}

/* `groups` clouds of `each` points, around centres of deviation `apart`. */
static void make_clouds(size_t groups, size_t each, int dim, double apart, float *vectors) {
    lk__random random = lk__random_stream(31, groups, each, (uint64_t)dim);
    for (size_t g = 0; g < groups; g++)
        for (size_t i = 0; i < each; i++) {
            lk__random centre = lk__random_stream(32, g, 0, 0);
            for (int d = 0; d < dim; d++)
                *vectors++ = (float)(apart * lk__random_normal(&centre) + lk__random_normal(&random));
        }
}

/* ---- the plane ---------------------------------------------------------------------------------------- */

/* The first component of rows (n, dim), by many steps of power iteration on the covariance; taken out of the
 * rows. */
static void take_component(double *rows, size_t n, size_t dim, double *coordinate) {
    double covariance[48 * 48] = {0}, axis[48], next[48];
    for (size_t i = 0; i < n; i++)
        for (size_t a = 0; a < dim; a++)
            for (size_t b = 0; b < dim; b++) covariance[a * dim + b] += rows[i * dim + a] * rows[i * dim + b];
    for (size_t a = 0; a < dim; a++) axis[a] = 1 + 0.1 * (double)a;
    for (int round = 0; round < 20000; round++) {
        double square = 0;
        for (size_t a = 0; a < dim; a++) {
            next[a] = 0;
            for (size_t b = 0; b < dim; b++) next[a] += covariance[a * dim + b] * axis[b];
            square += next[a] * next[a];
        }
        for (size_t a = 0; a < dim; a++) axis[a] = next[a] / sqrt(square);
    }
    for (size_t i = 0; i < n; i++) {
        coordinate[i] = 0;
        for (size_t a = 0; a < dim; a++) coordinate[i] += rows[i * dim + a] * axis[a];
        for (size_t a = 0; a < dim; a++) rows[i * dim + a] -= coordinate[i] * axis[a];
    }
}

static void plane_is_of_the_first_components(void **state) {
    (void)state;
    enum { N = 150, MOST_DIM = 48 };
    const size_t dims[] = {2, 3, 7, 8, 9, 16, MOST_DIM};
    for (size_t s = 0; s < sizeof dims / sizeof *dims; s++) {
        size_t dim = dims[s];
        float vectors[N * MOST_DIM], xy[2 * N];
        double rows[N * MOST_DIM], want[2][N], mean[MOST_DIM] = {0}, furthest = 0;
        lk__random random = lk__random_stream(3, dim, 0, 0);
        for (size_t i = 0; i < N * dim; i++) vectors[i] = (float)(5 + lk__random_normal(&random));
        for (size_t i = 0; i < N * dim; i++) mean[i % dim] += (double)vectors[i] / N;
        for (size_t i = 0; i < N * dim; i++) rows[i] = (double)vectors[i] - mean[i % dim];
        for (size_t k = 0; k < 2; k++) take_component(rows, N, dim, want[k]);
        for (size_t i = 0; i < N; i++) furthest = fmax(furthest, hypot(want[0][i], want[1][i]));
        make(vectors, N, (int)dim, LK_MAP_PCA, 1, xy);
        assert_in_circle(xy, N, 1);
        for (size_t k = 0; k < 2; k++) { /* an axis may point either way */
            double sign = (double)xy[k] * want[k][0] < 0 ? -1 : 1;
            for (size_t i = 0; i < N; i++)
                assert_true(fabs(sign * (double)xy[2 * i + k] - want[k][i] / furthest) < 1e-4);
        }
    }
}

/* A pair of opposite points on each axis; the first three axes are nearly as long. */
static void plane_tells_close_spreads_apart(void **state) {
    (void)state;
    enum { DIM = 40, N = 2 * DIM };
    float vectors[N * DIM] = {0}, xy[2 * N];
    for (size_t d = 0; d < DIM; d++) {
        float length = d < 3 ? 1 - 0.005f * (float)d : 0.7f;
        vectors[2 * d * DIM + d] = length;
        vectors[(2 * d + 1) * DIM + d] = -length;
    }
    make(vectors, N, DIM, LK_MAP_PCA, 1, xy);
    for (size_t i = 0; i < 2 * N; i++) {
        float want = i / 2 == 0 && i % 2 == 0 ? 1 : i / 2 == 2 && i % 2 == 1 ? 0.995f : 0;
        if (i / 2 % 2 == 0)
            assert_true(fabsf(fabsf(xy[i]) - want) < 1e-4f);
        else
            assert_true(fabsf(xy[i] + xy[i - 2]) < 1e-6f);
    }
}

/* ---- the parts of t-SNE ------------------------------------------------------------------------------- */

/* p_j|i by its formula, b_i by many bisections. */
static void naive_row(const float *vectors, size_t n, int dim, size_t i, double perplexity, double *row) {
    double low = 0, high = 1e6, log_of = 0;
    for (int round = 0; round < 200; round++) {
        double b = (low + high) / 2, sum = 0;
        for (size_t j = 0; j < n; j++) {
            double l2 = lk_l2(vectors + i * (size_t)dim, vectors + j * (size_t)dim, dim);
            row[j] = j == i ? 0 : exp(-b * l2 * l2);
            sum += row[j];
        }
        log_of = 0;
        for (size_t j = 0; j < n; j++) {
            row[j] = sum > 0 ? row[j] / sum : 0;
            if (row[j] > 0) log_of -= row[j] * log(row[j]);
        }
        if (sum > 0 && log_of > log(perplexity))
            low = b;
        else
            high = b;
    }
}

static void affinities_are_those_of_the_paper(void **state) {
    (void)state;
    enum { N = 39, DIM = 6 };
    float vectors[N * DIM];
    double row[N], want[N][N] = {{0}}, sum = 0;
    size_t stride = lk__tsne_stride(N);
    float *p = aligned_alloc(64, N * stride * sizeof *p);
    assert_non_null(p);
    make_clouds(3, 13, DIM, 1, vectors);
    assert_int_equal(lk__tsne_affinities(vectors, N, DIM, 8, p, NULL), LK_OK);
    for (size_t i = 0; i < N; i++) {
        naive_row(vectors, N, DIM, i, 8, row);
        for (size_t j = 0; j < N; j++) {
            want[i][j] += row[j] / (2 * N);
            want[j][i] += row[j] / (2 * N);
        }
    }
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < stride; j++) {
            float got = p[i * stride + j];
            sum += (double)got;
            if (j >= N || i == j)
                assert_true(got == 0);
            else if (!(fabs((double)got - want[i][j]) <= 1e-4 * want[i][j] + 1e-9))
                fail_msg("p(%zu, %zu) is %g, want %g", i, j, (double)got, want[i][j]);
            if (j < N) assert_true(got == p[j * stride + i]);
        }
    assert_true(fabs(sum - 1) < 1e-5);
    free(p);
}

/* What the gradient is of: KL(P | Q) but for what does not depend on the points, attraction times e. */
static double cost(const float *p, size_t n, size_t stride, const double *x, const double *y, double e) {
    double z = 0, sum = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double w = 1 / (1 + (x[i] - x[j]) * (x[i] - x[j]) + (y[i] - y[j]) * (y[i] - y[j]));
            if (i != j) z += w;
            if (i != j) sum -= e * (double)p[i * stride + j] * log(w);
        }
    return sum + log(z);
}

static void gradient_agrees_with_finite_differences(void **state) {
    (void)state;
    enum { DIM = 5, MOST = 53 };
    for (size_t n = 3; n <= MOST; n += 10)
        for (int e = 1; e <= 12; e += 11) {
            size_t stride = lk__tsne_stride(n);
            float vectors[MOST * DIM], gx[MOST], gy[MOST];
            float *p = aligned_alloc(64, n * stride * sizeof *p),
                  *x = aligned_alloc(64, 2 * stride * sizeof *x);
            assert_true(p && x);
            float *y = x + stride;
            double at[2][MOST], largest = 0;
            lk__forces forces[MOST];
            lk__random random = lk__random_stream(4, n, 0, 0);
            for (size_t i = 0; i < n * DIM; i++) vectors[i] = (float)lk__random_normal(&random);
            for (size_t i = 0; i < 2 * stride; i++) x[i] = 1;
            for (size_t i = 0; i < n; i++) {
                at[0][i] = (double)(x[i] = (float)(3 * lk__random_normal(&random)));
                at[1][i] = (double)(y[i] = (float)(3 * lk__random_normal(&random)));
            }
            assert_int_equal(lk__tsne_affinities(vectors, n, DIM, n < 9 ? 1.5 : 5, p, NULL), LK_OK);
            lk__tsne_gradient(p, n, x, y, (float)e, forces, gx, gy);
            for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)gx[i]));
            for (size_t i = 0; i < 2 * n; i++) {
                double h = 1e-5, *coordinate = &at[i % 2][i / 2], kept = *coordinate,
                       got = i % 2 ? gy[i / 2] : gx[i / 2];
                *coordinate = kept + h;
                double up = cost(p, n, stride, at[0], at[1], e);
                *coordinate = kept - h;
                double want = (up - cost(p, n, stride, at[0], at[1], e)) / (2 * h);
                *coordinate = kept;
                if (!(fabs(got - want) < 1e-5 * largest + 1e-8))
                    fail_msg("%zu: got %g, want %g", i, got, want);
            }
            free(p);
            free(x);
        }
}

/* ---- the map ------------------------------------------------------------------------------------------ */

/* Share of the k nearest on the map that are of the same cloud. */
static double purity(const float *xy, size_t groups, size_t each, size_t k) {
    static float l2[300];
    size_t n = groups * each, pure = 0;
    assert_true(n <= 300);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) l2[j] = hypotf(xy[2 * i] - xy[2 * j], xy[2 * i + 1] - xy[2 * j + 1]);
        for (size_t j = 0; j < n; j++) {
            size_t nearer = 0;
            for (size_t o = 0; o < n; o++) nearer += o != i && l2[o] < l2[j];
            pure += i != j && nearer < k && i / each == j / each;
        }
    }
    return (double)pure / (double)(n * k);
}

static void clouds_stay_apart(void **state) {
    (void)state;
    enum { GROUPS = 12, EACH = 20, N = GROUPS * EACH, DIM = 10 };
    static float vectors[N * DIM], plane[2 * N], map[2 * N];
    make_clouds(GROUPS, EACH, DIM, 3, vectors);
    make(vectors, N, DIM, LK_MAP_PCA, 1, plane);
    make(vectors, N, DIM, LK_MAP_TSNE, 1, map);
    assert_in_circle(plane, N, 1);
    assert_in_circle(map, N, 1);
    double flat = purity(plane, GROUPS, EACH, 10), neighbours = purity(map, GROUPS, EACH, 10);
    print_message("purity: plane %.3f, t-SNE %.3f\n", flat, neighbours);
    assert_true(neighbours > 0.97);
    assert_true(flat < 0.8); /* a set that could tell */
}

/* What runs on threads has to be so large; a thousand rounds of it are the same thing again. */
static void same_bits_on_any_number_of_threads(void **state) {
    (void)state;
    enum { N = 701, DIM = 100, STRIDE = 704 };
    static float vectors[N * DIM], plane[2][2 * N], gradient[2][2][N];
    static lk__forces forces[N];
    float *p = aligned_alloc(64, (size_t)2 * N * STRIDE * sizeof *p),
          *x = aligned_alloc(64, 2 * STRIDE * sizeof *x);
    assert_true(p && x);
    assert_int_equal(lk__tsne_stride(N), STRIDE);
    make_clouds(1, N, DIM, 1, vectors);
    for (int threads = 1; threads <= 3; threads++) {
        int k = threads > 1;
        float *affinities = p + (size_t)k * N * STRIDE;
        lk__threads_set(threads);
        memset(forces, 0, sizeof forces);
        make(vectors, N, DIM, LK_MAP_PCA, 5, plane[k]);
        assert_int_equal(lk__tsne_affinities(vectors, N, DIM, 30, affinities, NULL), LK_OK);
        for (size_t i = 0; i < 2 * N; i++) x[i % 2 * STRIDE + i / 2] = plane[k][i];
        lk__tsne_gradient(affinities, N, x, x + STRIDE, 1, forces, gradient[k][0], gradient[k][1]);
        if (k == 0) continue;
        assert_memory_equal(plane[0], plane[1], sizeof plane[0]);
        assert_memory_equal(p, affinities, (size_t)N * STRIDE * sizeof *p);
        assert_memory_equal(gradient[0], gradient[1], sizeof gradient[0]);
    }
    lk__threads_set(0);
    free(p);
    free(x);
}

static void same_seed_same_map(void **state) {
    (void)state;
    enum { N = 90, DIM = 9 };
    float vectors[N * DIM], first[2 * N], again[2 * N];
    make_clouds(1, N, DIM, 1, vectors);
    for (int kind = LK_MAP_PCA; kind <= LK_MAP_TSNE; kind++) {
        make(vectors, N, DIM, (lk_map_kind)kind, 5, first);
        lk__threads_set(2);
        make(vectors, N, DIM, (lk_map_kind)kind, 5, again);
        lk__threads_set(0);
        assert_memory_equal(first, again, sizeof first);
    }
    make(vectors, N, DIM, LK_MAP_TSNE, 6, again);
    assert_memory_not_equal(first, again, sizeof first); /* the seed has a say */
}

static void degenerate_sets_have_maps(void **state) {
    (void)state;
    enum { N = 90, DIM = 7 };
    float vectors[N * DIM], xy[2 * N];
    for (int kind = LK_MAP_PCA; kind <= LK_MAP_TSNE; kind++) {
        for (size_t i = 0; i < N * DIM; i++) vectors[i] = 0.1f * (float)(i % DIM);
        for (size_t n = 3; n <= N; n += 29) { /* all equal: one place */
            make(vectors, n, DIM, (lk_map_kind)kind, 1, xy);
            assert_in_circle(xy, n, 0);
        }
        make_clouds(1, N, DIM, 1, vectors);
        for (size_t n = 3; n <= 12; n++) { /* few */
            make(vectors, n, DIM, (lk_map_kind)kind, 1, xy);
            assert_in_circle(xy, n, 1);
        }
        for (int dim = 1; dim <= 2; dim++) { /* flat */
            make(vectors, N, dim, (lk_map_kind)kind, 1, xy);
            assert_in_circle(xy, N, 1);
            bool bends = false; /* off the line on which a set of one dimension starts? */
            for (size_t i = 0; i < N; i++) bends = bends || fabsf(xy[2 * i + 1]) > 0.01f;
            assert_true(bends == (dim == 2 || kind == LK_MAP_TSNE));
        }
        for (size_t i = 0; i < N * DIM; i++) vectors[i] = (float)(i / DIM); /* on a line */
        make(vectors, N, DIM, (lk_map_kind)kind, 1, xy);
        assert_in_circle(xy, N, 1);
        for (size_t i = 0; i < N * DIM; i++)
            vectors[i] = i / DIM == 8 ? 1 : 0; /* one apart from all others */
        make(vectors, N, DIM, (lk_map_kind)kind, 1, xy);
        assert_in_circle(xy, N, 1);
        make(vectors + 6 * DIM, 3, DIM, (lk_map_kind)kind, 1, xy);
        assert_in_circle(xy, 3, 1);
    }
}

/* Every vector thirty-fold, more often than a point has neighbours: copies lie together, the rest apart. */
static void copies_lie_together(void **state) {
    (void)state;
    enum { GROUPS = 6, EACH = 40, N = GROUPS * EACH, DIM = 8 };
    static float vectors[N * DIM], xy[2 * N];
    make_clouds(GROUPS, EACH, DIM, 3, vectors);
    for (size_t i = 0; i < N; i++)
        if (i % EACH) memcpy(vectors + i * DIM, vectors + i / EACH * EACH * DIM, DIM * sizeof *vectors);
    make(vectors, N, DIM, LK_MAP_TSNE, 1, xy);
    assert_in_circle(xy, N, 1);
    assert_true(purity(xy, GROUPS, EACH, EACH - 1) > 0.999);
}

static void assert_refused(const float *vectors, size_t n, int dim, int kind, const char *word) {
    float xy[] = {7, 7, 7, 7, 7, 7};
    lk_error err = {0};
    assert_int_equal(lk_map_make(vectors, n, dim, (lk_map_kind)kind, 0, xy, &err), LK_INVALID);
    assert_int_equal(err.status, LK_INVALID);
    if (!strstr(err.message, word)) fail_msg("'%s' not in: %s", word, err.message);
    for (size_t i = 0; i < 6; i++) assert_true(xy[i] == 7);
}

static void refuses_what_has_no_map(void **state) {
    (void)state;
    const float good[] = {1, 2, 3}, nan[] = {1, NAN, 3};
    assert_refused(good, 2, 1, LK_MAP_PCA, "2 vectors");
    assert_refused(good, 0, 1, LK_MAP_TSNE, "0 vectors");
    assert_refused(good, 3, 0, LK_MAP_PCA, "dim 0");
    assert_refused(good, 3, 1, 7, "7");
    assert_refused(nan, 3, 1, LK_MAP_TSNE, "vector 1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plane_is_of_the_first_components),
        cmocka_unit_test(plane_tells_close_spreads_apart),
        cmocka_unit_test(affinities_are_those_of_the_paper),
        cmocka_unit_test(gradient_agrees_with_finite_differences),
        cmocka_unit_test(clouds_stay_apart),
        cmocka_unit_test(same_bits_on_any_number_of_threads),
        cmocka_unit_test(same_seed_same_map),
        cmocka_unit_test(degenerate_sets_have_maps),
        cmocka_unit_test(copies_lie_together),
        cmocka_unit_test(refuses_what_has_no_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
