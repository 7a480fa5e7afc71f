/* test_pairs.c: the losses over pairs: by hand, and their gradient against finite differences of the paper's
 * formula, written here once more, in double and from the vectors alone. */
#include "contrast/batches.h"

/* ---- the formulas ---------------------------------------------------------------------------------- */

typedef struct seen_row {
    const double *c;       /* (n) cosines to the anchor */
    const uint32_t *label; /* (n) */
    size_t n, a, others;
    const lk__loss_options *o;
} seen_row;

static bool positive(const seen_row *r, size_t i) {
    return i != r->a && r->label[i] == r->label[r->a];
}
static bool negative(const seen_row *r, size_t i) {
    return r->label[i] != r->label[r->a];
}

static double contrastive_formula(const seen_row *r) {
    double pull = 0, push = 0, positives = 0, active = 0;
    for (size_t i = 0; i < r->n; i++) {
        double l2sq = 2 - 2 * r->c[i];
        double within = negative(r, i) ? hinge(r->o->margin - sqrt(l2sq)) : 0;
        if (positive(r, i)) pull += l2sq / 2;
        positives += positive(r, i);
        push += within * within / 2;
        active += within > 0;
    }
    return pull / positives + push / fmax(active, 1);
}

/* supcon: everyone else is in the sum, not only the positive itself and the negatives. */
static double softmax_formula(const seen_row *r, bool supcon) {
    double loss = 0, positives = 0;
    for (size_t p = 0; p < r->n; p++) {
        if (!positive(r, p)) continue;
        double sum = 0;
        for (size_t i = 0; i < r->n; i++)
            if (i == p || negative(r, i) || (supcon && positive(r, i)))
                sum += exp(r->c[i] / r->o->temperature);
        loss -= log(exp(r->c[p] / r->o->temperature) / sum);
        positives++;
    }
    return loss / positives;
}

static double multi_similarity_formula(const seen_row *r) {
    double least = INFINITY, greatest = -INFINITY, pull = 0, push = 0, beta = 1 / r->o->temperature;
    for (size_t i = 0; i < r->n; i++) {
        if (positive(r, i)) least = fmin(least, r->c[i]);
        if (negative(r, i)) greatest = fmax(greatest, r->c[i]);
    }
    for (size_t i = 0; i < r->n; i++) {
        if (positive(r, i) && hinge(greatest + r->o->margin - r->c[i]) > 0) pull += exp(-2 * (r->c[i] - 0.5));
        if (negative(r, i) && hinge(r->c[i] - least + r->o->margin) > 0) push += exp(beta * (r->c[i] - 0.5));
    }
    return log(1 + pull) / 2 + log(1 + push) / beta;
}

static double arcface_formula(const seen_row *r) {
    double s = 1 / r->o->temperature, m = r->o->margin, sum = 0, own = NAN;
    for (size_t i = r->n - r->others; i < r->n; i++) {
        double x = acos(fmax(-1, fmin(1, r->c[i])));
        if (negative(r, i)) {
            sum += exp(s * r->c[i]);
            continue;
        }
        bend = fmin(bend, fabs(x + m - acos(-1)));
        own = x + m < acos(-1) ? cos(x + m) : r->c[i] - m * sin(m);
    }
    return -log(exp(s * own) / (exp(s * own) + sum));
}

static double row_formula(lk_loss loss, const seen_row *r) {
    switch (loss) {
    case LK_LOSS_CONTRASTIVE: return contrastive_formula(r);
    case LK_LOSS_N_PAIR: return softmax_formula(r, false);
    case LK_LOSS_SUPCON: return softmax_formula(r, true);
    case LK_LOSS_MULTI_SIMILARITY: return multi_similarity_formula(r);
    case LK_LOSS_ARCFACE: return arcface_formula(r);
    default: fail_msg("loss %d is not over pairs", (int)loss); return NAN;
    }
}

static double mean_of_rows(const batch *b, lk_loss loss, const lk__loss_options *o) {
    double sum = 0, *c = must_alloc(b->n, sizeof *c);
    for (size_t a = 0; a < b->n - b->others; a++) {
        for (size_t i = 0; i < b->n; i++) c[i] = dot(b, a, i);
        seen_row r = {c, b->label, b->n, a, b->others, o};
        sum += row_formula(loss, &r);
    }
    free(c);
    return sum / (double)(b->n - b->others);
}

static lk__triplet_stats pairs_loss(batch *b, lk_loss loss, const lk__loss_options *o, size_t learned) {
    lk__batch all = whole_of(b);
    lk__triplet_stats s;
    memset(&s, 0xa5, sizeof s);
    memset(b->gradient, 0xa5, b->n * (size_t)b->dim * sizeof(float)); /* overwritten, not added to */
    lk__cosines(&all, b->table);
    lk__pairs_loss(lk__loss_of(loss)->pair, o, &all, b->table, b->of_row, learned, b->gradient, &s);
    return s;
}

static const lk_loss OVER_PAIRS[] = {LK_LOSS_CONTRASTIVE, LK_LOSS_N_PAIR, LK_LOSS_SUPCON,
                                     LK_LOSS_MULTI_SIMILARITY};
enum { PAIR_LOSSES = sizeof OVER_PAIRS / sizeof *OVER_PAIRS };

/* ---- pairs: gradient --------------------------------------------------------------------------------- */

/* Each component of each of the first `learned` vectors. Returns the largest. */
static double check_gradient(batch *b, lk_loss loss, const lk__loss_options *o, size_t learned) {
    bend = INFINITY;
    double want_loss = mean_of_rows(b, loss, o), largest = 0;
    assert_true(bend > 4 * STEP); /* a seed where it is nearer is no test */
    lk__triplet_stats s = pairs_loss(b, loss, o, learned);
    assert_int_equal(s.triplets, b->n - b->others);
    if (!(fabs(s.loss - want_loss) < 1e-5 * (1 + want_loss)))
        fail_msg("%s: loss %.9g, not %.9g", lk_loss_about(loss)->name, s.loss, want_loss);
    for (size_t i = 0; i < learned * (size_t)b->dim; i++) {
        double kept = b->exact[i];
        b->exact[i] = kept + STEP;
        double up = mean_of_rows(b, loss, o);
        b->exact[i] = kept - STEP;
        double down = mean_of_rows(b, loss, o);
        b->exact[i] = kept;
        double want = (up - down) / (2 * STEP), got = (double)b->gradient[i];
        largest = fmax(largest, fabs(want));
        if (!(fabs(got - want) < 2e-5 * (1 + fabs(want))))
            fail_msg("%s, n %zu + %zu, dim %d: gradient %zu is %.9g, not %.9g", lk_loss_about(loss)->name,
                     b->n - b->others, b->others, b->dim, i, got, want);
    }
    return largest;
}

/* Sizes and dimensions; with and without past vectors; spread, and full of equal cosines. */
static void gradients_over_pairs(void **state) {
    (void)state;
    const size_t sizes[] = {4, 9, 24}, past[] = {0, 7};
    const int dims[] = {2, 8, 33};
    for (size_t l = 0; l < PAIR_LOSSES; l++)
        for (size_t i = 0; i < 3; i++)
            for (size_t k = 0; k < 2; k++)
                for (enum kind kind = SPREAD; kind <= TIES; kind++) {
                    lk__loss_options o = options_of(OVER_PAIRS[l]);
                    if (OVER_PAIRS[l] == LK_LOSS_CONTRASTIVE && kind == TIES) o.margin = 1.6; /* axes: 1.41 */
                    batch b = batch_new(sizes[i], past[k], 2 + i, dims[i], kind, 41 + i);
                    double largest = check_gradient(&b, OVER_PAIRS[l], &o, sizes[i]);
                    assert_true(kind == TIES || largest > 1e-3);
                    batch_free(&b);
                }
}

/* Every share of the gradient is there once, whoever has which rows. */
static void slices_add_up(void **state) {
    (void)state;
    const size_t n = 100, past = 45;
    for (size_t l = 0; l < PAIR_LOSSES; l++) {
        lk__loss_options o = options_of(OVER_PAIRS[l]);
        batch b = batch_new(n, past, 25, 37, SPREAD, 3);
        size_t size = n * 37;
        lk__triplet_stats whole = pairs_loss(&b, OVER_PAIRS[l], &o, n);
        for (size_t slices = 2; slices <= 5; slices += 3) {
            double *sum = must_alloc(size, sizeof *sum);
            float *table = must_alloc(n * b.n, sizeof *table), *gradient = must_alloc(size, sizeof *gradient);
            lk__triplet_stats all = {0}, part;
            for (size_t i = 0; i < slices; i++) {
                lk__batch slice = slice_of(&b, n * i / slices, n * (i + 1) / slices - n * i / slices);
                lk__cosines(&slice, table);
                lk__pairs_loss(lk__loss_of(OVER_PAIRS[l])->pair, &o, &slice, table, b.of_row, n, gradient,
                               &part);
                for (size_t k = 0; k < size; k++) sum[k] += (double)gradient[k];
                all.triplets += part.triplets;
                all.active += part.active;
                all.loss += part.loss;
                all.distance_positive += part.distance_positive;
                all.distance_negative += part.distance_negative;
            }
            for (size_t k = 0; k < size; k++) assert_true(fabs(sum[k] - (double)b.gradient[k]) < 1e-6);
            assert_int_equal(all.triplets, n);
            assert_int_equal(all.active, whole.active);
            assert_true(fabs(all.loss - whole.loss) < 1e-6);
            assert_true(fabs(all.distance_positive - whole.distance_positive) < 1e-6);
            assert_true(fabs(all.distance_negative - whole.distance_negative) < 1e-6);
            free(sum);
            free(table);
            free(gradient);
        }
        batch_free(&b);
    }
}

/* The means told in the progress line, over the pairs of the batch without the past. */
static void distances_are_told(void **state) {
    (void)state;
    batch b = batch_new(12, 6, 4, 9, SPREAD, 5);
    lk__loss_options o = options_of(LK_LOSS_SUPCON);
    lk__triplet_stats s = pairs_loss(&b, LK_LOSS_SUPCON, &o, 12);
    double sum[2] = {0}, count[2] = {0};
    for (size_t i = 0; i < 12; i++)
        for (size_t j = 0; j < 12; j++) {
            if (i == j) continue;
            sum[b.label[i] == b.label[j]] += l2(&b, i, j);
            count[b.label[i] == b.label[j]]++;
        }
    assert_true(fabs(s.distance_positive - sum[1] / count[1]) < 1e-5);
    assert_true(fabs(s.distance_negative - sum[0] / count[0]) < 1e-5);
    batch_free(&b);
}

static void same_bits_for_any_number_of_threads(void **state) {
    (void)state;
    for (size_t l = 0; l < PAIR_LOSSES; l++) {
        lk__loss_options o = options_of(OVER_PAIRS[l]);
        batch b = batch_new(130, 301, 40, 131, SPREAD, 6);
        size_t size = b.n * 131 * sizeof(float);
        float *gradient = must_alloc(1, size);
        lk__triplet_stats first = {0};
        for (int threads = 1; threads <= 7; threads += 2) {
            lk__threads_set(threads);
            lk__triplet_stats s = pairs_loss(&b, OVER_PAIRS[l], &o, b.n);
            if (threads == 1) {
                first = s;
                memcpy(gradient, b.gradient, size);
            }
            assert_memory_equal(gradient, b.gradient, size);
            assert_memory_equal(&first, &s, sizeof s);
        }
        free(gradient);
        batch_free(&b);
    }
    lk__threads_set(1);
}

/* Anchors with nobody to be pulled to, or pushed from, add nothing, not even NaN. */
static void lonely_anchors_add_nothing(void **state) {
    (void)state;
    for (size_t l = 0; l < PAIR_LOSSES; l++)
        for (size_t people = 1; people <= 6; people += 5) { /* all of one; each of their own */
            lk__loss_options o = options_of(OVER_PAIRS[l]);
            batch b = batch_new(6, 0, people, 5, SPREAD, 8);
            lk__triplet_stats s = pairs_loss(&b, OVER_PAIRS[l], &o, 6);
            assert_true(s.loss == 0 && s.active == 0 && s.triplets == 6);
            for (size_t i = 0; i < 30; i++) assert_true(b.gradient[i] == 0);
            batch_free(&b);
        }
}

static void nan_is_not_hidden(void **state) {
    (void)state;
    for (size_t l = 0; l <= PAIR_LOSSES; l++) {
        lk_loss loss = l < PAIR_LOSSES ? OVER_PAIRS[l] : LK_LOSS_ARCFACE;
        lk__loss_options o = options_of(loss);
        batch b = batch_new(6, 2, 2, 4, SPREAD, 6);
        b.vectors[5] = NAN;
        lk__triplet_stats s = pairs_loss(&b, loss, &o, 6);
        assert_true(isnan(s.loss) && s.active > 0);
        batch_free(&b);
    }
}

/* All vectors one point, as in a collapse, or the temperature at its least: numbers all the same. */
static void extremes_stay_finite(void **state) {
    (void)state;
    for (size_t l = 0; l <= PAIR_LOSSES; l++)
        for (int equal = 0; equal < 2; equal++) {
            lk_loss loss = l < PAIR_LOSSES ? OVER_PAIRS[l] : LK_LOSS_ARCFACE;
            lk__loss_options o = options_of(loss);
            o.temperature = 0.005;
            batch b = batch_new(8, 4, 4, 16, TIES, 6);
            for (size_t i = 0; equal && i < b.n; i++)
                memcpy(b.vectors + i * 16, b.vectors, 16 * sizeof(float));
            lk__triplet_stats s = pairs_loss(&b, loss, &o, b.n);
            assert_true(isfinite(s.loss) && s.loss >= 0);
            for (size_t i = 0; i < b.n * 16; i++)
                if (!isfinite(b.gradient[i])) fail_msg("%s, equal %d", lk_loss_about(loss)->name, equal);
            batch_free(&b);
        }
}

/* ---- pairs: by hand ---------------------------------------------------------------------------------- */

/* Anchor 0 with positives at cosine 0.6 and 0.2, a negative at 0.8: what each loss is, and its slopes. */
static void one_row_by_hand(void **state) {
    (void)state;
    const struct {
        lk_loss loss;
        double margin, temperature, want, slopes[3];
    } cases[] = {
        /* ((1 - 0.6) + (1 - 0.2)) / 2 + (1 - sqrt(0.4))^2 / 2; negative: (1 - sqrt(0.4)) / sqrt(0.4) */
        {LK_LOSS_CONTRASTIVE, 1, NAN, 0.6675444680, {-0.5, -0.5, 0.5811388301}},
        /* (ln(1 + e^0.4) + ln(1 + e^1.2)) / 2; -e^0.4 / (1 + e^0.4), -e^1.2 / (1 + e^1.2) */
        {LK_LOSS_N_PAIR, NAN, 0.5, 1.1881488599, {-0.5986876601, -0.7685247835, 1.3672124436}},
        /* ln(e^1.2 + e^0.4 + e^1.6) - 0.8; 2 (e^1.2 / sum - 1/2), 2 (e^0.4 / sum - 1/2), 2 e^1.6 / sum */
        {LK_LOSS_SUPCON, NAN, 0.5, 1.4788019063, {-0.3199947266, -0.6944539349, 1.0144486615}},
        /* ln(1 + e^-0.2 + e^0.6) / 2 + ln(1 + e^1.5) / 5; both positives are below 0.8 + 0.1 */
        {LK_LOSS_MULTI_SIMILARITY, 0.1, 0.2, 0.9863911797, {-0.2248735470, -0.5004652825, 0.8175744762}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const uint32_t label[] = {4, 4, 4, 9};
        float row[] = {1, 0.6f, 0.2f, 0.8f};
        lk__batch b = {.label = label, .n = 4, .rows = 4};
        lk__loss_options o = {cases[i].margin, cases[i].temperature, NAN};
        double got = lk__loss_of(cases[i].loss)->pair(&b, 0, &o, row);
        if (!(fabs(got - cases[i].want) < 1e-6))
            fail_msg("%s: %.10g, not %.10g", lk_loss_about(cases[i].loss)->name, got, cases[i].want);
        assert_true(row[0] == 0);
        for (int k = 0; k < 3; k++)
            if (!(fabs((double)row[k + 1] - cases[i].slopes[k]) < 1e-6))
                fail_msg("%s: slope %d is %.10g, not %.10g", lk_loss_about(cases[i].loss)->name, k,
                         (double)row[k + 1], cases[i].slopes[k]);
    }
}

/* Multi-similarity: positives beyond every negative, and negatives short of every positive, by the margin.
 * Kept are the positive 0.5 and the negatives 0.7 and 0.45. */
static void what_is_not_kept_has_no_slope(void **state) {
    (void)state;
    const uint32_t label[] = {1, 1, 1, 2, 2, 2};
    float row[] = {1, 0.9f, 0.5f, 0.7f, 0.45f, 0.3f};
    lk__batch b = {.label = label, .n = 6, .rows = 6};
    lk__loss_options o = {0.1, 0.2, NAN};
    double got = lk__multi_similarity(&b, 0, &o, row), push = 1 + exp(1) + exp(-0.25);
    assert_true(fabs(got - (log(2) / 2 + log(push) / 5)) < 1e-6);
    assert_true(row[1] == 0 && row[5] == 0);
    assert_true(fabs((double)row[2] + 0.5) < 1e-6);
    assert_true(fabs((double)row[3] - exp(1) / push) < 1e-6);
    assert_true(fabs((double)row[4] - exp(-0.25) / push) < 1e-6);
}

/* Two classes at cosines 0.6 (its own) and 0.8, s = 2: cos(x + 0.5) = 0.6 cos 0.5 - 0.8 sin 0.5 = 0.1430091.
 */
static void arcface_by_hand(void **state) {
    (void)state;
    const uint32_t label[] = {4, 9, 9, 4};
    float row[] = {1, 0.1f, 0.8f, 0.6f};
    lk__batch b = {.label = label, .n = 4, .rows = 2, .others = 2};
    lk__loss_options o = {0.5, 0.5, NAN};
    double got = lk__arcface(&b, 0, &o, row), f = 0.6 * cos(0.5) - 0.8 * sin(0.5),
           share = 1 / (1 + exp(2 * (0.8 - f)));
    assert_true(fabs(f - 0.1430091) < 1e-7 && fabs(got - log(1 / share)) < 1e-6);
    assert_true(row[0] == 0 && row[1] == 0);
    assert_true(fabs((double)row[2] - 2 * (1 - share)) < 1e-6);
    assert_true(fabs((double)row[3] - 2 * (share - 1) * (cos(0.5) + sin(0.5) * 0.6 / 0.8)) < 1e-6);
    /* Past pi - margin: c - margin sin(margin). */
    float far[] = {1, 0, 0.8f, -0.95f};
    got = lk__arcface(&b, 0, &o, far);
    assert_true(fabs(got - log(1 + exp(2 * (0.8 + 0.95 + 0.5 * sin(0.5))))) < 1e-6);
}

/* ---- arcface ----------------------------------------------------------------------------------------- */

/* Mean loss with the centres of these weights (classes, dim), of any length. */
static double arcface_of(batch *b, const double *weight, const lk__loss_options *o) {
    size_t n = b->n - b->others, dim = (size_t)b->dim;
    for (size_t c = 0; c < b->others; c++) {
        double norm = 0;
        for (size_t d = 0; d < dim; d++) norm += weight[c * dim + d] * weight[c * dim + d];
        for (size_t d = 0; d < dim; d++) b->exact[(n + c) * dim + d] = weight[c * dim + d] / sqrt(norm);
    }
    return mean_of_rows(b, LK_LOSS_ARCFACE, o);
}

static void gradients_of_arcface(void **state) {
    (void)state;
    const size_t sizes[] = {4, 12}, classes[] = {2, 5};
    const int dims[] = {3, 17};
    for (int i = 0; i < 2; i++) {
        batch b = batch_new(sizes[i], classes[i], classes[i], dims[i], SPREAD, 71);
        lk__loss_options o = options_of(LK_LOSS_ARCFACE);
        size_t count = classes[i] * (size_t)dims[i], at = sizes[i] * (size_t)dims[i];
        float *weight = must_alloc(count, sizeof *weight), *by_weight = must_alloc(count, sizeof *by_weight);
        double *exact = must_alloc(count, sizeof *exact);
        for (size_t k = 0; k < count; k++) {
            weight[k] = (float)(k / (size_t)dims[i] + 1) * b.vectors[at + k]; /* lengths 1, 2, 3, ... */
            exact[k] = (double)weight[k];
        }
        lk__arcface_centres(weight, classes[i], (size_t)dims[i], b.vectors + at);
        for (size_t k = 0; k < count; k++) b.exact[at + k] = (double)b.vectors[at + k];
        check_gradient(&b, LK_LOSS_ARCFACE, &o, b.n); /* by vectors and centres */
        lk__arcface_backward(weight, b.vectors + at, classes[i], (size_t)dims[i], b.gradient + at, by_weight);
        for (size_t k = 0; k < count; k++) {
            double kept = exact[k];
            exact[k] = kept + STEP;
            double up = arcface_of(&b, exact, &o);
            exact[k] = kept - STEP;
            double down = arcface_of(&b, exact, &o);
            exact[k] = kept;
            double want = (up - down) / (2 * STEP), got = (double)by_weight[k];
            if (!(fabs(got - want) < 5e-5 * (1 + fabs(want))))
                fail_msg("weight %zu: %.9g, not %.9g", k, got, want);
        }
        free(weight);
        free(by_weight);
        free(exact);
        batch_free(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_over_pairs),
        cmocka_unit_test(slices_add_up),
        cmocka_unit_test(distances_are_told),
        cmocka_unit_test(same_bits_for_any_number_of_threads),
        cmocka_unit_test(lonely_anchors_add_nothing),
        cmocka_unit_test(nan_is_not_hidden),
        cmocka_unit_test(extremes_stay_finite),
        cmocka_unit_test(one_row_by_hand),
        cmocka_unit_test(what_is_not_kept_has_no_slope),
        cmocka_unit_test(arcface_by_hand),
        cmocka_unit_test(gradients_of_arcface),
    };
    lk__threads_set(1); /* thousands of tiny batches */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
