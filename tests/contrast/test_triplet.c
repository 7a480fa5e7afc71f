/* The triplet loss and the distances below it, against a plain reference in double that works from the
 * vectors alone. */
#include "contrast/contrast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *must_alloc(size_t count, size_t size) {
    void *p = calloc(count ? count : 1, size);
    assert_non_null(p);
    return p;
}

static double reference_l2(const double *vectors, int dim, size_t i, size_t j) {
    double sum = 0;
    for (int d = 0; d < dim; d++) {
        double x = vectors[i * (size_t)dim + (size_t)d] - vectors[j * (size_t)dim + (size_t)d];
        sum += x * x;
    }
    return sqrt(sum);
}

/* Sum of the hinges; *active and *kink (the smallest |hinge before max|) may be NULL. */
static double reference_loss(const double *vectors, int dim, const lk__triplet *t, size_t count,
                             double margin, size_t *active, double *kink) {
    double sum = 0;
    if (active) *active = 0;
    if (kink) *kink = INFINITY;
    for (size_t i = 0; i < count; i++) {
        double over =
            reference_l2(vectors, dim, t[i].a, t[i].p) - reference_l2(vectors, dim, t[i].a, t[i].n) + margin;
        if (over > 0) sum += over;
        if (active) *active += over > 0;
        if (kink) *kink = fmin(*kink, fabs(over));
    }
    return sum;
}

/* ---- the whole batch, as the functions under test take it -----------------------------------------------
 */

static void distances(const float *vectors, size_t n, int dim, float *distance) {
    lk__distances(&(lk__batch){.vectors = vectors, .n = n, .dim = dim, .rows = n}, distance);
}

/* The triplets' distances are taken from the table, as a miner does. */
static void loss_of(const float *vectors, size_t n, int dim, const float *distance,
                    const lk__triplet *triplets, size_t count, double margin, float *gradient,
                    lk__triplet_stats *stats) {
    lk__triplet *mined = must_alloc(count, sizeof *mined);
    for (size_t i = 0; i < count; i++) {
        mined[i] = triplets[i];
        mined[i].positive = distance[mined[i].a * n + mined[i].p];
        mined[i].negative = distance[mined[i].a * n + mined[i].n];
    }
    lk__triplet_loss(&(lk__batch){.vectors = vectors, .n = n, .dim = dim, .rows = n}, mined, count, margin,
                     gradient, stats);
    free(mined);
}

/* ---- fixtures ----------------------------------------------------------------------------------- */

typedef struct batch {
    size_t n, count;
    int dim;
    float *vectors, *distance, *gradient;
    double *exact; /* the same vectors */
    lk__triplet *triplets;
} batch;

static batch batch_new(size_t n, int dim, size_t count, uint64_t seed, bool unit) {
    batch b = {.n = n, .dim = dim, .count = count};
    size_t size = n * (size_t)dim;
    b.vectors = must_alloc(size, sizeof(float));
    b.gradient = must_alloc(size, sizeof(float));
    b.exact = must_alloc(size, sizeof(double));
    b.distance = must_alloc(n * n, sizeof(float));
    b.triplets = must_alloc(count, sizeof(lk__triplet));
    lk__random r = lk__random_stream(seed, n, (uint64_t)dim, 0);
    for (size_t i = 0; i < n; i++) {
        double norm = 0;
        for (size_t d = i * (size_t)dim; d < (i + 1) * (size_t)dim; d++) {
            b.exact[d] = lk__random_normal(&r);
            norm += b.exact[d] * b.exact[d];
        }
        for (size_t d = i * (size_t)dim; d < (i + 1) * (size_t)dim; d++) {
            b.vectors[d] = (float)(unit ? b.exact[d] / sqrt(norm) : b.exact[d]);
            b.exact[d] = (double)b.vectors[d];
        }
    }
    for (size_t i = 0; i < count; i++) {
        lk__triplet t = {.a = (uint32_t)lk__random_below(&r, n)};
        do t.p = (uint32_t)lk__random_below(&r, n);
        while (t.p == t.a);
        do t.n = (uint32_t)lk__random_below(&r, n);
        while (t.n == t.a || t.n == t.p);
        b.triplets[i] = t;
    }
    distances(b.vectors, n, dim, b.distance);
    return b;
}

static void batch_free(batch *b) {
    free(b->vectors);
    free(b->gradient);
    free(b->exact);
    free(b->distance);
    free(b->triplets);
}

static lk__triplet_stats batch_loss(batch *b, double margin) {
    lk__triplet_stats s;
    memset(&s, 0xa5, sizeof s);
    memset(b->gradient, 0xa5, b->n * (size_t)b->dim * sizeof(float)); /* it is overwritten, not added to */
    loss_of(b->vectors, b->n, b->dim, b->distance, b->triplets, b->count, margin, b->gradient, &s);
    return s;
}

/* ---- distances ---------------------------------------------------------------------------------- */

static void check_distances(const batch *b, double relative) {
    for (size_t i = 0; i < b->n; i++)
        for (size_t j = 0; j < b->n; j++) {
            double want = reference_l2(b->exact, b->dim, i, j), got = (double)b->distance[i * b->n + j];
            if (!(fabs(got - want) <= relative * want))
                fail_msg("n %zu dim %d: distance (%zu, %zu) is %.9g, not %.9g", b->n, b->dim, i, j, got,
                         want);
        }
}

static void distances_match_double(void **state) {
    (void)state;
    const size_t sizes[] = {0, 1, 2, 3, 63, 64, 65, 130, 257};
    const int dims[] = {1, 2, 15, 16, 17, 128, 131};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
            for (int unit = 0; unit < 2; unit++) {
                batch b = batch_new(sizes[s], dims[d], 0, 1, unit);
                check_distances(&b, 1e-5);
                batch_free(&b);
            }
}

/* Vectors a thousandth, a millionth, a few float steps apart: 2 - 2 cos would be 0 or worse. */
static void near_distances_keep_their_digits(void **state) {
    (void)state;
    const double steps[] = {0.3, 1e-2, 1e-3, 1e-5, 1e-6};
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++)
        for (int scale = -1; scale <= 1; scale++) {
            batch b = batch_new(70, 128, 0, 7, true);
            lk__random r = lk__random_stream(8, s, 0, 0);
            for (size_t i = 0; i < b.n; i++)
                for (size_t d = 0; d < 128; d++) {
                    size_t at = i * 128 + d;
                    double x = (double)b.vectors[d] + (i ? steps[s] * lk__random_normal(&r) / sqrt(128) : 0);
                    b.vectors[at] = (float)(x * pow(1000, scale));
                }
            for (size_t i = 0; i < b.n * 128; i++) b.exact[i] = (double)b.vectors[i];
            distances(b.vectors, b.n, b.dim, b.distance);
            check_distances(&b, 1e-5);
            batch_free(&b);
        }
}

static void equal_vectors_are_exactly_0_apart(void **state) {
    (void)state;
    batch b = batch_new(67, 33, 0, 3, true);
    for (size_t i = 1; i < b.n; i++) memcpy(b.vectors + i * 33, b.vectors, 33 * sizeof(float));
    distances(b.vectors, b.n, b.dim, b.distance);
    for (size_t i = 0; i < b.n * b.n; i++) assert_true(b.distance[i] == 0);
    batch_free(&b);
}

/* |e|^2 is over float's range here, the differences are not. */
static void overflowing_norms_do_no_harm(void **state) {
    (void)state;
    batch b = batch_new(5, 9, 0, 10, false);
    for (size_t i = 0; i < 45; i++) b.exact[i] = (double)(b.vectors[i] = 3e19f + 1e17f * b.vectors[i]);
    distances(b.vectors, b.n, b.dim, b.distance);
    check_distances(&b, 1e-5);
    batch_free(&b);
}

/* ---- loss and gradient -------------------------------------------------------------------------- */

/* Central differences of the reference, every component of every vector. The gradient of one triplet has
 * length of about 1, so an absolute error of 1e-5 after the division by `active` is a few float steps. */
static void check_gradient(batch *b, double margin) {
    size_t active;
    double kink, sum = reference_loss(b->exact, b->dim, b->triplets, b->count, margin, &active, &kink);
    const double h = 1e-6;
    assert_true(kink >
                4 * h); /* no hinge opens or closes within the step; a seed where one does is no test */
    lk__triplet_stats s = batch_loss(b, margin);
    assert_int_equal(s.triplets, b->count);
    assert_int_equal(s.active, active);
    assert_true(fabs(s.loss - sum / (double)b->count) < 1e-5);
    for (size_t i = 0; i < b->n * (size_t)b->dim; i++) {
        double kept = b->exact[i];
        b->exact[i] = kept + h;
        double up = reference_loss(b->exact, b->dim, b->triplets, b->count, margin, NULL, NULL);
        b->exact[i] = kept - h;
        double down = reference_loss(b->exact, b->dim, b->triplets, b->count, margin, NULL, NULL);
        b->exact[i] = kept;
        double want = (up - down) / (2 * h) / (double)(active ? active : 1), got = (double)b->gradient[i];
        if (!(fabs(got - want) < 1e-5 * (1 + fabs(want))))
            fail_msg("n %zu dim %d margin %g: gradient %zu is %.9g, not %.9g", b->n, b->dim, margin, i, got,
                     want);
    }
}

static void gradient_matches_finite_differences(void **state) {
    (void)state;
    const size_t sizes[] = {3, 5, 16, 31};
    const int dims[] = {2, 3, 7, 16, 33};
    const double margins[] = {0.05, 0.3, 1.5, 10};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
            for (size_t m = 0; m < sizeof margins / sizeof *margins; m++) {
                batch b = batch_new(sizes[s], dims[d], 2 * sizes[s] + 1, 20 + m, m % 2);
                check_gradient(&b, margins[m]);
                batch_free(&b);
            }
}

/* By hand: a (0,0), p (3,4), n (0,2), margin 1. Squared distances would give 25 - 4 + 1. */
static void one_triplet_by_hand(void **state) {
    (void)state;
    const float vectors[] = {0, 0, 3, 4, 0, 2};
    float distance[9], gradient[6];
    const lk__triplet t = {.a = 0, .p = 1, .n = 2};
    lk__triplet_stats s;
    distances(vectors, 3, 2, distance);
    loss_of(vectors, 3, 2, distance, &t, 1, 1, gradient, &s);
    assert_true(fabs(s.loss - 4) < 1e-6);
    assert_true(fabs(s.distance_positive - 5) < 1e-6 && fabs(s.distance_negative - 2) < 1e-6);
    const double want[] = {-0.6, -0.8 + 1, 0.6, 0.8, 0, -1};
    for (int i = 0; i < 6; i++) assert_true(fabs((double)gradient[i] - want[i]) < 1e-6);
}

/* Mean loss is over all triplets, the gradient's scale over the active ones only. */
static void inactive_triplets_add_exactly_nothing(void **state) {
    (void)state;
    batch b = batch_new(9, 5, 1, 4, true);
    size_t size = b.n * 5 * sizeof(float);
    b.triplets[0] = (lk__triplet){.a = 0, .p = 1, .n = 2};
    if (b.distance[1] < b.distance[2])
        b.triplets[0] = (lk__triplet){.a = 0, .p = 2, .n = 1}; /* violated: positive further */
    lk__triplet_stats alone = batch_loss(&b, 0.01);
    assert_int_equal(alone.active, 1);
    float *kept = must_alloc(1, size);
    memcpy(kept, b.gradient, size);

    lk__triplet both[2] = {b.triplets[0],
                           {.a = 0, .p = b.triplets[0].n, .n = b.triplets[0].p}}; /* and its satisfied twin */
    float *gradient = must_alloc(1, size);
    lk__triplet_stats s;
    loss_of(b.vectors, b.n, b.dim, b.distance, both, 2, 0.01, gradient, &s);
    assert_int_equal(s.active, 1);
    assert_memory_equal(gradient, kept, size);
    assert_true(fabs(s.loss - alone.loss / 2) < 1e-12);

    loss_of(b.vectors, b.n, b.dim, b.distance, both + 1, 1, 1e-6, gradient, &s);
    assert_int_equal(s.active, 0);
    assert_true(s.loss == 0);
    for (size_t i = 0; i < b.n * 5; i++) assert_true(gradient[i] == 0);

    /* The kink itself: |a - p| + margin = |a - n| in exact binary fractions. */
    const float line[] = {0, 0.5f, 0.75f};
    float table[9], slope[3];
    const lk__triplet kink = {.a = 0, .p = 1, .n = 2};
    distances(line, 3, 1, table);
    loss_of(line, 3, 1, table, &kink, 1, 0.25, slope, &s);
    assert_int_equal(s.active, 0);
    for (int i = 0; i < 3; i++) assert_true(slope[i] == 0);
    free(kept);
    free(gradient);
    batch_free(&b);
}

static void no_triplets_no_gradient(void **state) {
    (void)state;
    batch b = batch_new(4, 3, 0, 5, true);
    lk__triplet_stats s = batch_loss(&b, 0.3);
    assert_int_equal(s.triplets, 0);
    assert_int_equal(s.active, 0);
    assert_true(s.loss == 0 && s.distance_positive == 0 && s.distance_negative == 0);
    for (size_t i = 0; i < 12; i++) assert_true(b.gradient[i] == 0);
    batch_free(&b);
}

/* a = p: only n is pushed. All equal: nothing moves, and the loss is the margin, which is how a collapse
 * looks. */
static void equal_vectors_have_a_finite_gradient(void **state) {
    (void)state;
    const float two[] = {1, 0, 1, 0, 0, 1}, three[] = {1, 0, 1, 0, 1, 0};
    const lk__triplet t = {.a = 0, .p = 1, .n = 2};
    float distance[9], gradient[6];
    lk__triplet_stats s;
    distances(two, 3, 2, distance);
    loss_of(two, 3, 2, distance, &t, 1, 2, gradient, &s);
    const double half = sqrt(0.5), want[] = {-half, half, 0, 0, half, -half};
    assert_true(fabs(s.loss - (2 - sqrt(2))) < 1e-6);
    for (int i = 0; i < 6; i++) assert_true(fabs((double)gradient[i] - want[i]) < 1e-6);

    distances(three, 3, 2, distance);
    loss_of(three, 3, 2, distance, &t, 1, 0.3, gradient, &s);
    assert_int_equal(s.active, 1);
    assert_true(s.loss == 0.3);
    for (int i = 0; i < 6; i++) assert_true(gradient[i] == 0);
}

static void nan_is_not_hidden(void **state) {
    (void)state;
    batch b = batch_new(6, 4, 1, 6, true);
    b.triplets[0] = (lk__triplet){.a = 0, .p = 1, .n = 2};
    b.vectors[0] = NAN;
    distances(b.vectors, b.n, b.dim, b.distance);
    assert_true(isnan(b.distance[1]) && !isnan(b.distance[1 * 6 + 2]));
    lk__triplet_stats s = batch_loss(&b, 0.3);
    assert_true(isnan(s.loss));
    bool seen = false;
    for (size_t i = 0; i < 24; i++) seen |= isnan(b.gradient[i]);
    assert_true(seen);
    batch_free(&b);
}

/* Dimension 2048 is there because oneDNN, given the whole product, shares out the sums themselves from about
 * there. */
static void same_bits_for_any_number_of_threads(void **state) {
    (void)state;
    const struct { size_t n, dim; } shapes[] = {{301, 128}, {192, 2048}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t n = shapes[i].n, table = n * n * sizeof(float), size = n * shapes[i].dim * sizeof(float);
        batch b = batch_new(n, (int)shapes[i].dim, 400, 9, true);
        float *distance = must_alloc(1, table), *gradient = must_alloc(1, size);
        lk__triplet_stats first = {0};
        for (int threads = 1; threads <= 7; threads += 2) {
            lk__threads_set(threads);
            distances(b.vectors, n, b.dim, b.distance);
            lk__triplet_stats s = batch_loss(&b, 0.3);
            if (threads == 1) {
                first = s;
                memcpy(distance, b.distance, table);
                memcpy(gradient, b.gradient, size);
            }
            assert_memory_equal(distance, b.distance, table);
            assert_memory_equal(gradient, b.gradient, size);
            assert_memory_equal(&first, &s, sizeof s);
        }
        assert_true(first.active > 200);
        free(distance);
        free(gradient);
        batch_free(&b);
    }
    lk__threads_set(1);
}

/* Cut into slices, the table and the gradient are those of the whole. Rows of another slice lie elsewhere in
 * their tiles, whose products may round otherwise. */
static void slices_make_up_the_whole(void **state) {
    (void)state;
    const size_t n = 230;
    const int dim = 37;
    batch b = batch_new(n, dim, 500, 11, true);
    lk__triplet_stats whole = batch_loss(&b, 0.3), part;
    for (size_t i = 0; i < b.count; i++) {
        b.triplets[i].positive = b.distance[b.triplets[i].a * n + b.triplets[i].p];
        b.triplets[i].negative = b.distance[b.triplets[i].a * n + b.triplets[i].n];
    }
    for (size_t slices = 1; slices <= 5; slices += 2)
        for (size_t i = 0; i < slices; i++) {
            lk__batch slice = {.vectors = b.vectors, .n = n, .dim = dim, .first = n * i / slices};
            slice.rows = n * (i + 1) / slices - slice.first;
            float *distance = must_alloc(slice.rows * n, sizeof(float));
            float *gradient = must_alloc(slice.rows * (size_t)dim, sizeof(float));
            lk__distances(&slice, distance);
            for (size_t at = 0; at < slice.rows * n; at++) {
                double want = (double)b.distance[slice.first * n + at], got = (double)distance[at];
                assert_true(fabs(got - want) <= 1e-5 * want);
            }
            lk__triplet_loss(&slice, b.triplets, b.count, 0.3, gradient, &part);
            assert_memory_equal(gradient, b.gradient + slice.first * (size_t)dim,
                                slice.rows * (size_t)dim * sizeof(float));
            assert_memory_equal(&part, &whole, sizeof part);
            free(distance);
            free(gradient);
        }
    batch_free(&b);
}

/* The gradient summed in floats triplet by triplet, as plainly as can be: a model trained with a seed stays
 * that model, to the bit, whatever is built around the loss. */
static void the_bits_are_those_of_the_plain_sum(void **state) {
    (void)state;
    const size_t n = 40, dim = 33;
    batch b = batch_new(n, (int)dim, 150, 12, true);
    lk__triplet_stats s = batch_loss(&b, 0.3);
    float *sum = must_alloc(n * dim, sizeof *sum);
    for (size_t i = 0; i < b.count; i++) {
        lk__triplet t = b.triplets[i];
        double p = (double)b.distance[t.a * n + t.p], q = (double)b.distance[t.a * n + t.n];
        if (p - q + 0.3 <= 0) continue;
        float pull = (float)(1 / ((double)s.active * p)), push = (float)(1 / ((double)s.active * q));
        for (size_t d = 0; d < dim; d++) {
            float to_p = b.vectors[t.a * dim + d] - b.vectors[t.p * dim + d],
                  to_n = b.vectors[t.a * dim + d] - b.vectors[t.n * dim + d];
            sum[t.a * dim + d] += pull * to_p;
            sum[t.a * dim + d] -= push * to_n;
            sum[t.p * dim + d] -= pull * to_p;
            sum[t.n * dim + d] += push * to_n;
        }
    }
    assert_true(s.active > 50 && s.active < b.count);
    assert_memory_equal(sum, b.gradient, n * dim * sizeof *sum);
    free(sum);
    batch_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_match_double),
        cmocka_unit_test(near_distances_keep_their_digits),
        cmocka_unit_test(equal_vectors_are_exactly_0_apart),
        cmocka_unit_test(overflowing_norms_do_no_harm),
        cmocka_unit_test(gradient_matches_finite_differences),
        cmocka_unit_test(one_triplet_by_hand),
        cmocka_unit_test(inactive_triplets_add_exactly_nothing),
        cmocka_unit_test(no_triplets_no_gradient),
        cmocka_unit_test(equal_vectors_have_a_finite_gradient),
        cmocka_unit_test(nan_is_not_hidden),
        cmocka_unit_test(same_bits_for_any_number_of_threads),
        cmocka_unit_test(slices_make_up_the_whole),
        cmocka_unit_test(the_bits_are_those_of_the_plain_sum),
    };
    lk__threads_set(
        1); /* thousands of tiny batches: on a busy machine threads would only wait for one another */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
