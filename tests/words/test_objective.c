/* What pulls and pushes, against losses in double, whose slopes are taken by finite differences. */
#include "words_test.h"

enum { GAPS = 5, WRONG = 7, DIM = 6, VECTORS = 2 * GAPS + WRONG };

/* Vectors of gaps, right words, wrong words; wrong word 2 happens to be the right one of gap 1. */
typedef struct trial {
    double x[VECTORS][DIM];
    uint32_t right_word[GAPS], wrong_word[WRONG];
} trial;

static trial make_trial(void) {
    trial t = {.right_word = {10, 11, 12, 13, 14}, .wrong_word = {1, 2, 11, 3, 4, 5, 6}};
    lk__random r = lk__random_stream(3, 0, 0, 0);
    for (size_t i = 0; i < VECTORS; i++)
        for (size_t d = 0; d < DIM; d++) t.x[i][d] = lk__random_normal(&r);
    return t;
}

static double dot(const double *a, const double *b) {
    double sum = 0;
    for (size_t d = 0; d < DIM; d++) sum += a[d] * b[d];
    return sum;
}

static double l2(const double *a, const double *b) {
    double sum = 0;
    for (size_t d = 0; d < DIM; d++) sum += (a[d] - b[d]) * (a[d] - b[d]);
    return sqrt(sum);
}

static double reference(const trial *t, lk_words_loss loss, double margin) {
    double sum = 0;
    for (size_t i = 0; i < GAPS; i++) {
        const double *g = t->x[i], *w = t->x[GAPS + i];
        double right = dot(g, w), all = exp(right), push = 0, over = 0;
        size_t active = 0;
        for (size_t v = 0; v < WRONG; v++) {
            if (t->wrong_word[v] == t->right_word[i]) continue;
            const double *n = t->x[2 * (size_t)GAPS + v];
            double hinge = l2(g, w) - l2(g, n) + margin;
            all += exp(dot(g, n));
            push += log1p(exp(dot(g, n)));
            over += hinge > 0 ? hinge : 0;
            active += hinge > 0;
        }
        if (loss == LK_WORDS_INFONCE) sum += log(all) - right;
        if (loss == LK_WORDS_NEGATIVE_SAMPLING) sum += log1p(exp(-right)) + 5.0 / WRONG * push;
        if (loss == LK_WORDS_TRIPLET && active) sum += over / (double)active;
    }
    return sum;
}

static void floats(const trial *t, size_t first, size_t count, float *out) {
    for (size_t i = 0; i < count * DIM; i++) out[i] = (float)t->x[first + i / DIM][i % DIM];
}

/* The falls of the loss by each vector, put together from the slopes as batch.c does. */
static double falls(const trial *t, lk_words_loss loss, double margin, double by[VECTORS][DIM]) {
    float gap[GAPS * DIM], right[GAPS * DIM], wrong[WRONG * DIM], score[GAPS * WRONG], right_score[GAPS];
    float gap_self[GAPS] = {0}, right_self[GAPS] = {0}, wrong_self[WRONG] = {0}, wrong_sq[WRONG];
    floats(t, 0, GAPS, gap);
    floats(t, GAPS, GAPS, right);
    floats(t, 2 * (size_t)GAPS, WRONG, wrong);
    for (size_t i = 0; i < GAPS; i++) {
        right_score[i] = (float)dot(t->x[i], t->x[GAPS + i]);
        for (size_t v = 0; v < WRONG; v++)
            score[i * WRONG + v] = (float)dot(t->x[i], t->x[2 * (size_t)GAPS + v]);
    }
    lk__gaps g = {.gaps = GAPS,
                  .negatives = WRONG,
                  .dim = DIM,
                  .gap = gap,
                  .right = right,
                  .wrong = wrong,
                  .right_word = t->right_word,
                  .wrong_word = t->wrong_word,
                  .score = score,
                  .right_score = right_score,
                  .gap_self = gap_self,
                  .right_self = right_self,
                  .wrong_self = wrong_self,
                  .wrong_sq = wrong_sq,
                  .margin = margin};
    double value = lk__words_objective(loss, &g);
    bool self = loss == LK_WORDS_TRIPLET;
    memset(by, 0, sizeof(double[VECTORS][DIM]));
    for (size_t i = 0; i < GAPS; i++)
        for (size_t d = 0; d < DIM; d++) {
            by[i][d] +=
                (double)right_score[i] * t->x[GAPS + i][d] + (self ? (double)gap_self[i] * t->x[i][d] : 0);
            by[GAPS + i][d] +=
                (double)right_score[i] * t->x[i][d] + (self ? (double)right_self[i] * t->x[GAPS + i][d] : 0);
            for (size_t v = 0; v < WRONG; v++) {
                by[i][d] += (double)score[i * WRONG + v] * t->x[2 * (size_t)GAPS + v][d];
                by[2 * (size_t)GAPS + v][d] += (double)score[i * WRONG + v] * t->x[i][d];
            }
        }
    for (size_t v = 0; self && v < WRONG; v++)
        for (size_t d = 0; d < DIM; d++)
            by[2 * (size_t)GAPS + v][d] += (double)wrong_self[v] * t->x[2 * (size_t)GAPS + v][d];
    return value;
}

static void check(lk_words_loss loss, double margin) {
    trial t = make_trial();
    double by[VECTORS][DIM], h = 1e-6;
    double value = falls(&t, loss, margin, by);
    assert_true(fabs(value - reference(&t, loss, margin)) < 1e-4 * fabs(value));
    for (size_t i = 0; i < VECTORS; i++)
        for (size_t d = 0; d < DIM; d++) {
            double at = t.x[i][d];
            t.x[i][d] = at + h;
            double up = reference(&t, loss, margin);
            t.x[i][d] = at - h;
            double down = reference(&t, loss, margin);
            t.x[i][d] = at;
            double slope = -(up - down) / (2 * h); /* by: how fast the loss falls */
            if (fabs(slope - by[i][d]) > 1e-4 * (1 + fabs(slope)))
                fail_msg("%s, vector %zu, value %zu: %g, by differences %g", lk_words_loss_name(loss), i, d,
                         by[i][d], slope);
        }
}

static void test_infonce(void **state) {
    (void)state;
    check(LK_WORDS_INFONCE, 0);
}

static void test_negative_sampling(void **state) {
    (void)state;
    check(LK_WORDS_NEGATIVE_SAMPLING, 0);
}

static void test_triplet(void **state) {
    (void)state;
    check(LK_WORDS_TRIPLET, 0.5);
    check(LK_WORDS_TRIPLET, 0);   /* some gaps have no active triplet */
    check(LK_WORDS_TRIPLET, 100); /* all are active */
}

static void test_large_scores(void **state) {
    (void)state;
    trial t = make_trial();
    double by[VECTORS][DIM];
    for (size_t i = 0; i < VECTORS; i++)
        for (size_t d = 0; d < DIM; d++) t.x[i][d] *= 1000;
    for (int loss = 0; lk_words_loss_name((lk_words_loss)loss); loss++) {
        assert_true(isfinite(falls(&t, (lk_words_loss)loss, 1, by)));
        for (size_t i = 0; i < VECTORS; i++)
            for (size_t d = 0; d < DIM; d++) assert_true(isfinite(by[i][d]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_infonce),
        cmocka_unit_test(test_negative_sampling),
        cmocka_unit_test(test_triplet),
        cmocka_unit_test(test_large_scores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
