/* The loops over rows, against plain ones in double, over odd sizes. */
#include "words_test.h"

static const size_t dims[] = {1, 7, 16, 33, 128};
enum { DIMS = sizeof dims / sizeof *dims, WORDS = 9, GAPS = 4, WINDOW = 3, MOST = 128 };

static void draw(float *x, size_t n, uint64_t seed) {
    lk__random r = lk__random_stream(seed, 0, 0, 0);
    for (size_t i = 0; i < n; i++) x[i] = (float)lk__random_normal(&r);
}

static void near(double a, double b) {
    if (fabs(a - b) > 1e-4 * (1 + fabs(b))) fail_msg("%.9g is not %.9g", a, b);
}

static void test_exponentials(void **state) {
    (void)state;
    for (double x = -79.9; x < 80; x += 0.0137) {
        float e = (float)x, s = (float)x, at = (float)x;
        lk__exponentials(&e, 1);
        lk__sigmoids(&s, 1);
        assert_true(fabs((double)e / exp((double)at) - 1) < 2e-6);
        assert_true(fabs((double)s - 1 / (1 + exp(-(double)at))) < 2e-7);
    }
    float far[] = {-1e30f, 1e30f};
    lk__sigmoids(far, 2);
    assert_true(far[0] >= 0 && far[0] < 1e-30f && far[1] == 1);
}

static const lk__span spans[GAPS] = {{0, 0, 4}, {0, 2, 6}, {3, 5, 9}, {5, 8, 9}};

static size_t row_of(size_t i, size_t at) {
    return i < at ? at - i - 1 : WINDOW + (i - at - 1);
}

/* sum of by_gap . gap, in double: its slopes are what the backward gives. */
static void reference_gap(const float *word, const float *position, size_t dim, double *gap) {
    for (size_t g = 0; g < GAPS; g++)
        for (size_t d = 0; d < dim; d++) {
            double sum = 0;
            for (size_t i = spans[g].from; i < spans[g].to; i++)
                if (i != spans[g].at)
                    sum += (double)word[i * dim + d] * (double)position[row_of(i, spans[g].at) * dim + d];
            gap[g * dim + d] = sum / (spans[g].to - spans[g].from - 1);
        }
}

static void test_context(void **state) {
    (void)state;
    for (size_t k = 0; k < DIMS; k++) {
        size_t dim = dims[k];
        float word[WORDS * MOST], position[2 * WINDOW * MOST], gap[GAPS * MOST], by_gap[GAPS * MOST];
        float by_word[WORDS * MOST] = {0}, by_position[2 * WINDOW * MOST] = {0};
        double wanted[GAPS * MOST];
        draw(word, WORDS * dim, 1);
        draw(position, 2 * WINDOW * dim, 2);
        draw(by_gap, GAPS * dim, 3);
        lk__context_forward(word, position, spans, GAPS, WINDOW, dim, gap);
        reference_gap(word, position, dim, wanted);
        for (size_t i = 0; i < GAPS * dim; i++) near((double)gap[i], wanted[i]);
        lk__context_backward(word, position, by_gap, spans, GAPS, WINDOW, dim, by_word, by_position);
        for (size_t i = 0; i < WORDS; i++)
            for (size_t d = 0; d < dim; d++) {
                double sum =
                    0; /* as in word2vec, words get the whole gradient, not their share of the mean */
                for (size_t g = 0; g < GAPS; g++)
                    if (i >= spans[g].from && i < spans[g].to && i != spans[g].at)
                        sum +=
                            (double)by_gap[g * dim + d] * (double)position[row_of(i, spans[g].at) * dim + d];
                near((double)by_word[i * dim + d], sum);
            }
        for (size_t p = 0; p < 2 * WINDOW; p++)
            for (size_t d = 0; d < dim; d++) {
                double sum = 0;
                for (size_t g = 0; g < GAPS; g++)
                    for (size_t i = spans[g].from; i < spans[g].to; i++)
                        if (i != spans[g].at && row_of(i, spans[g].at) == p)
                            sum += (double)by_gap[g * dim + d] * (double)word[i * dim + d] /
                                   (spans[g].to - spans[g].from - 1);
                near((double)by_position[p * dim + d], sum);
            }
    }
}

static void test_rows(void **state) {
    (void)state;
    uint32_t words[] = {1, 0, 1};
    for (size_t k = 0; k < DIMS; k++) {
        size_t dim = dims[k];
        float table[3 * MOST], out[3 * MOST], before[3 * MOST];
        draw(table, 3 * dim, 5);
        memcpy(before, table, sizeof before);
        lk__rows_gather(table, words, 3, dim, out);
        for (size_t d = 0; d < dim; d++) {
            near((double)out[d], (double)table[dim + d]);
            near((double)out[dim + d], (double)table[d]);
        }
        lk__rows_scatter(table, words, 3, dim, out);
        for (size_t d = 0; d < dim; d++) {
            near((double)table[d], (double)before[d] + (double)out[dim + d]);
            near((double)table[dim + d], (double)before[dim + d] + (double)out[d] + (double)out[2 * dim + d]);
            near((double)table[2 * dim + d], (double)before[2 * dim + d]);
        }
    }
}

static void test_dots(void **state) {
    (void)state;
    for (size_t k = 0; k < DIMS; k++) {
        size_t dim = dims[k];
        float a[3 * MOST], b[3 * MOST], out[3], scale[3] = {2, -1, 0.5f}, sum[3 * MOST];
        draw(a, 3 * dim, 1);
        draw(b, 3 * dim, 2);
        memcpy(sum, a, sizeof sum);
        lk__dot_rows(a, b, 3, dim, out);
        lk__add_scaled(scale, b, 3, dim, sum);
        for (size_t i = 0; i < 3; i++) {
            near((double)out[i], lk_cosine(a + i * dim, b + i * dim, (int)dim));
            for (size_t d = 0; d < dim; d++)
                near((double)sum[i * dim + d],
                     (double)a[i * dim + d] + (double)scale[i] * (double)b[i * dim + d]);
        }
    }
}

static void test_noise(void **state) {
    (void)state;
    uint64_t met[] = {10000, 1000, 100, 10, 1};
    lk__noise noise;
    lk__random r = lk__random_stream(9, 0, 0, 0);
    double total = 0, drawn[5] = {0};
    enum { DRAWS = 400000 };
    assert_int_equal(lk__noise_make(met, 5, &noise, NULL), LK_OK);
    for (int i = 0; i < DRAWS; i++) drawn[lk__noise_draw(&noise, &r)]++;
    for (size_t i = 0; i < 5; i++) total += pow((double)met[i], 0.75);
    for (size_t i = 0; i < 5; i++) {
        double wanted = DRAWS * pow((double)met[i], 0.75) / total;
        assert_true(fabs(drawn[i] - wanted) < 6 * sqrt(wanted));
    }
    lk__noise_free(&noise);
}

static void test_ngrams(void **state) {
    (void)state;
    lk__ngrams g = {1000003, 3, 4};
    uint32_t rows[LK__PIECES_MAX], other[LK__PIECES_MAX];
    /* <cat>: <ca cat at> <cat cat>; the whole is none. */
    assert_int_equal(lk__ngrams_of(&g, "cat", rows), 5);
    /* Letters are counted, not bytes: <\u00e9t\u00e9> has as many. */
    assert_int_equal(lk__ngrams_of(&g, "\xc3\xa9t\xc3\xa9", other), 5);
    assert_int_equal(lk__ngrams_of(&g, "", rows), 0);
    g.buckets = 0;
    assert_int_equal(lk__ngrams_of(&g, "cat", rows), 0);
    char longest[LK__WORD_BYTES];
    memset(longest, 'x', sizeof longest);
    longest[LK__WORD_BYTES - 1] = 0;
    g = (lk__ngrams){5, 1, LK__NGRAM_MAX};
    assert_true(lk__ngrams_of(&g, longest, rows) < LK__PIECES_MAX);
}

/* Words whose vectors are the mean of their n-grams' by construction: letters tell them, and a new word made
 * of the same letters too. Dims on both sides of a block of columns. */
static void test_letters_are_found(void **state) {
    (void)state;
    enum { TOTAL = 400, BUCKETS = 60 };
    for (int dim = 3; dim <= 67; dim += 32) {
        lk__ngrams g = {BUCKETS, 3, 4};
        lk__vocabulary v = {0};
        float *truth = calloc(BUCKETS * (size_t)dim, sizeof *truth),
              *found = calloc(BUCKETS * (size_t)dim, sizeof *found);
        float *x = calloc(TOTAL * (size_t)dim, sizeof *x), told[67];
        draw(truth, BUCKETS * (size_t)dim, 11);
        lk__random r = lk__random_stream(12, 0, 0, 0);
        for (uint32_t i = 0; i < TOTAL;) {
            char word[8] = {0};
            uint32_t number;
            for (size_t c = 0; c < 5; c++) word[c] = (char)('a' + lk__random_below(&r, 5));
            assert_int_equal(lk__vocabulary_add(&v, word, 5, &number, NULL), LK_OK);
            if (number < i) continue;
            v.met[i] = 1000;
            assert_true(lk__ngrams_vector(&g, truth, (size_t)dim, word, x + i++ * (size_t)dim));
        }
        assert_int_equal(lk__ngrams_fit(&g, &v, x, (size_t)dim, found, NULL), LK_OK);
        double mean = 0;
        for (size_t i = 0; i < TOTAL; i++) {
            assert_true(lk__ngrams_vector(&g, found, (size_t)dim, lk__vocabulary_text(&v, i), told));
            mean += lk_cosine(told, x + i * (size_t)dim, dim) / TOTAL;
        }
        if (!(mean > 0.95)) fail_msg("dim %d: %.3f", dim, mean);
        lk__vocabulary_free(&v);
        free(truth);
        free(found);
        free(x);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exponentials),
        cmocka_unit_test(test_context),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_dots),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_ngrams),
        cmocka_unit_test(test_letters_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
