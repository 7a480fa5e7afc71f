/* test_triplets.c: the losses over triplets: by hand, and their gradient against finite differences of the
 * paper's formula, written here once more, in double and from the vectors alone. More of what they share:
 * test_triplet.c. */
#include "contrast/batches.h"

/* Of one triplet, from its distances. */
static double triplet_formula(lk_loss loss, double p, double n, const lk__loss_options *o) {
    switch (loss) {
    case LK_LOSS_TRIPLET: return hinge(p - n + o->margin);
    case LK_LOSS_TRIPLET_SOFT: return log(1 + exp(p - n));
    case LK_LOSS_TRIPLET_SQUARED: return hinge(p * p - n * n + o->margin);
    case LK_LOSS_MARGIN: return hinge(p - o->beta + o->margin) + hinge(o->beta - n + o->margin);
    default: fail_msg("loss %d is not over triplets", (int)loss); return NAN;
    }
}

static double sum_of_triplets(const batch *b, lk_loss loss, const lk__triplet *t, size_t count,
                              const lk__loss_options *o, size_t *active) {
    double sum = 0;
    *active = 0;
    for (size_t i = 0; i < count; i++) {
        double of = triplet_formula(loss, l2(b, t[i].a, t[i].p), l2(b, t[i].a, t[i].n), o);
        sum += of;
        *active += of > 0;
    }
    return sum;
}

static const lk_loss OVER_TRIPLETS[] = {LK_LOSS_TRIPLET, LK_LOSS_TRIPLET_SOFT, LK_LOSS_TRIPLET_SQUARED,
                                        LK_LOSS_MARGIN};

/* By the vectors, by beta, and again for a slice, whose gradient has the same bits. */
static void check_triplets(lk_loss loss, size_t n, size_t past, int dim, double margin, uint64_t seed) {
    batch b = batch_new(n, past, 3, dim, SPREAD, seed);
    lk__loss_options o = options_of(loss), moved;
    lk__batch all = whole_of(&b), slice = slice_of(&b, n / 3, n / 2);
    if (isfinite(o.margin)) o.margin = margin;
    lk__triplet *t = must_alloc(lk__triplets_max(&all), sizeof *t);
    lk__distances(&all, b.table);
    size_t count = lk__mine(LK_MINING_RANDOM, &all, b.table, seed, t), active, ignored;
    bend = INFINITY;
    double sum = sum_of_triplets(&b, loss, t, count, &o, &active);
    assert_true(count >= n && active > 0 && bend > 4 * STEP);
    lk__triplet_stats s;
    float beta = NAN;
    lk__triplets_loss(lk__loss_of(loss)->triplet, &o, &all, t, count, b.gradient, &beta, &s);
    assert_int_equal(s.triplets, count);
    assert_int_equal(s.active, active);
    assert_true(fabs(s.loss - sum / (double)count) < 1e-5);
    for (size_t i = 0; i < n * (size_t)dim; i++) {
        double kept = b.exact[i];
        b.exact[i] = kept + STEP;
        double up = sum_of_triplets(&b, loss, t, count, &o, &ignored);
        b.exact[i] = kept - STEP;
        double down = sum_of_triplets(&b, loss, t, count, &o, &ignored);
        b.exact[i] = kept;
        double want = (up - down) / (2 * STEP) / (double)active, got = (double)b.gradient[i];
        if (!(fabs(got - want) < 1e-5 * (1 + fabs(want))))
            fail_msg("%s, n %zu: gradient %zu is %.9g, not %.9g", lk_loss_about(loss)->name, n, i, got, want);
    }
    moved = o;
    moved.beta += STEP;
    double up = sum_of_triplets(&b, loss, t, count, &moved, &ignored);
    moved.beta -= 2 * STEP;
    double down = sum_of_triplets(&b, loss, t, count, &moved, &ignored);
    assert_true(fabs((double)beta - (up - down) / (2 * STEP) / (double)active) < 1e-5);
    float *part = must_alloc(slice.rows * (size_t)dim, sizeof *part);
    lk__triplets_loss(lk__loss_of(loss)->triplet, &o, &slice, t, count, part, NULL, &s);
    assert_memory_equal(part, b.gradient + slice.first * (size_t)dim,
                        slice.rows * (size_t)dim * sizeof *part);
    free(part);
    free(t);
    batch_free(&b);
}

static void gradients_over_triplets(void **state) {
    (void)state;
    for (size_t l = 0; l < sizeof OVER_TRIPLETS / sizeof *OVER_TRIPLETS; l++)
        for (size_t past = 0; past <= 5; past += 5) {
            check_triplets(OVER_TRIPLETS[l], 6, past, 2, 0.05, 30);
            check_triplets(OVER_TRIPLETS[l], 9, past, 7, 0.2, 31);
            check_triplets(OVER_TRIPLETS[l], 16, past, 33, 1, 32);
        }
}

/* |a - p| = 0.5, |a - n| = 0.75. */
static void triplets_by_hand(void **state) {
    (void)state;
    lk__loss_options o = {.margin = 0.5, .beta = 0.875};
    lk__slopes s = lk__triplet_hinge(0.5, 0.75, &o);
    assert_true(s.loss == 0.25 && s.positive == 1 && s.negative == -1);
    s = lk__triplet_squared(0.5, 0.75, &o); /* 0.25 - 0.5625 + 0.5 */
    assert_true(s.loss == 0.1875 && s.positive == 1 && s.negative == -1.5);
    s = lk__triplet_soft(0.5, 0.75, &o); /* ln(1 + e^-0.25), 1 / (1 + e^0.25) */
    assert_true(fabs(s.loss - 0.5759394198) < 1e-9 && fabs(s.positive - 0.4378234991) < 1e-9);
    assert_true(s.negative == -s.positive);
    s = lk__triplet_margin(0.5, 0.75, &o); /* 0.5 - 0.875 + 0.5, 0.875 - 0.75 + 0.5 */
    assert_true(s.loss == 0.125 + 0.625 && s.positive == 1 && s.negative == -1 && s.beta == 0);
    s = lk__triplet_margin(0.25, 0.75, &o); /* near enough */
    assert_true(s.loss == 0.625 && s.positive == 0 && s.negative == -1 && s.beta == 1);
    s = lk__triplet_margin(0.5, 1.5, &o); /* far enough */
    assert_true(s.loss == 0.125 && s.positive == 1 && s.negative == 0 && s.beta == -1);
    for (size_t l = 0; l < 4; l++)
        assert_true(isnan(lk__loss_of(OVER_TRIPLETS[l])->triplet(NAN, 1, &o).loss));
}

/* ---- the list ---------------------------------------------------------------------------------------- */

static void every_loss_is_listed(void **state) {
    (void)state;
    int count = 0;
    for (; lk_loss_about((lk_loss)count); count++) {
        const lk__loss *loss = lk__loss_of((lk_loss)count);
        assert_true(!loss->triplet != !loss->pair);
        assert_true((loss->info.mining == LK_MINING_NONE) == !loss->triplet);
        for (int k = 0; k < count; k++)
            assert_string_not_equal(lk_loss_about((lk_loss)k)->name, loss->info.name);
    }
    assert_int_equal(count, LK_LOSS_ARCFACE + 1);
    assert_null(lk_loss_about((lk_loss)-1));
    assert_string_equal(lk_loss_about(LK_LOSS_TRIPLET)->name, "triplet");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_over_triplets),
        cmocka_unit_test(triplets_by_hand),
        cmocka_unit_test(every_loss_is_listed),
    };
    lk__threads_set(1); /* thousands of tiny batches */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
