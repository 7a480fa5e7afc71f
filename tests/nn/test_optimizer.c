/* test_optimizer.c: SGD with momentum and AdamW against their formulas in double over many steps. */
#include "nn/optimizer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static lk__spec spec;
static lk__weights weights;

static int setup(void **state) {
    (void)state;
    if (lk__spec_parse("input 3 4 4;conv 5 kernel 3 bias;batchnorm;prelu;gdconv;linear 4 bias;l2norm", &spec,
                       NULL) != LK_OK)
        return -1;
    if (lk__weights_new(&spec, true, &weights, NULL) != LK_OK) return -1;
    lk__weights_init(&weights, 3);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    lk__weights_free(&weights);
    return 0;
}

static void draw_gradient(int step) {
    lk__random random = lk__random_stream(5, (uint64_t)step, 0, 0);
    for (size_t i = 0; i < weights.total; i++) weights.grads[i] = (float)(0.1 * lk__random_normal(&random));
}

static double norm_of_gradient(void) {
    double s = 0;
    for (int i = 0; i < weights.count; i++)
        for (size_t j = 0; weights.items[i].trained && j < weights.items[i].count; j++)
            s += pow((double)weights.items[i].grad[j], 2);
    return sqrt(s);
}

/* One number of one param, in double. */
typedef struct number {
    double w, m, v;
} number;

static void expected_step(lk_optimizer kind, number *n, double g, double decay, double rate, int step) {
    const double mu = 0.9, beta2 = 0.999;
    if (kind == LK_OPTIMIZER_SGD) {
        n->m = mu * n->m + g + decay * n->w;
        n->w -= rate * n->m;
        return;
    }
    n->m = mu * n->m + (1 - mu) * g;
    n->v = beta2 * n->v + (1 - beta2) * g * g;
    double m = n->m / (1 - pow(mu, step)), v = n->v / (1 - pow(beta2, step));
    n->w -= rate * (m / (sqrt(v) + 1e-8) + decay * n->w);
}

static void check_kind(lk_optimizer kind) {
    enum { STEPS = 25 };
    const double decay = 0.05;
    lk__optimizer_state s;
    assert_int_equal(lk__optimizer_new(kind, &weights, decay, 0.9, &s, NULL), LK_OK);
    assert_int_equal(s.v != NULL, kind == LK_OPTIMIZER_ADAMW);
    number *want = calloc(weights.total, sizeof *want);
    for (size_t i = 0; i < weights.total; i++) want[i].w = (double)weights.values[i];
    for (int step = 1; step <= STEPS; step++) {
        double rate = 0.01 * step / STEPS;
        draw_gradient(step);
        double norm = norm_of_gradient(), got = lk__optimizer_step(&s, &weights, rate);
        assert_true(fabs(got - norm) <= 1e-9 * norm);
        assert_int_equal(s.step, step);
        for (int i = 0; i < weights.count; i++) {
            const lk__param *p = &weights.items[i];
            bool is_weight = strstr(p->name, "conv.weight") || strstr(p->name, "linear.weight");
            for (size_t j = 0; j < p->count; j++) {
                number *n = &want[(size_t)(p->value - weights.values) + j];
                if (p->trained) expected_step(kind, n, (double)p->grad[j], is_weight ? decay : 0, rate, step);
                if (fabs((double)p->value[j] - n->w) > 2e-6 * (1 + fabs(n->w)))
                    fail_msg("step %d: %s[%zu] is %.8g, by the formula %.8g", step, p->name, j,
                             (double)p->value[j], n->w);
            }
        }
    }
    free(want);
    lk__optimizer_free(&s);
    lk__optimizer_free(&s);
}

static void test_sgd(void **state) {
    (void)state;
    check_kind(LK_OPTIMIZER_SGD);
}

static void test_adamw(void **state) {
    (void)state;
    check_kind(LK_OPTIMIZER_ADAMW);
}

/* Without a gradient, only weights move, and towards 0; running statistics never move. */
static void test_decay(void **state) {
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        lk__optimizer_state s;
        assert_int_equal(
            lk__optimizer_new(kind ? LK_OPTIMIZER_SGD : LK_OPTIMIZER_ADAMW, &weights, 0.5, 0.9, &s, NULL),
            LK_OK);
        memset(weights.grads, 0, weights.total * sizeof(float));
        float *before = malloc(weights.total * sizeof(float));
        memcpy(before, weights.values, weights.total * sizeof(float));
        assert_true(lk__optimizer_step(&s, &weights, 0.1) <= 0);
        for (int i = 0; i < weights.count; i++) {
            const lk__param *p = &weights.items[i];
            double share =
                strstr(p->name, "conv.weight") || strstr(p->name, "linear.weight") ? 1 - 0.1 * 0.5 : 1;
            for (size_t j = 0; j < p->count; j++) {
                double old = (double)before[p->value - weights.values + (ptrdiff_t)j];
                assert_true(fabs((double)p->value[j] - share * old) <= 1e-6 * fabs(old));
            }
        }
        free(before);
        lk__optimizer_free(&s);
    }
}

/* Of a gradient that is not finite, nothing is taken: not the weights, not the moments, not the count of
 * steps. */
/* w' = keep w' + (1 - keep) w, keep = (1 + n) / (10 + n) until that reaches the decay. */
static void test_average(void **state) {
    (void)state;
    const double decay = 0.5;
    float *average = calloc(weights.total, sizeof *average);
    double *truth = calloc(weights.total, sizeof *truth);
    assert_true(average && truth);
    for (uint64_t n = 1; n < 20; n++) {
        double keep = (double)(1 + n) / (double)(10 + n) < decay ? (double)(1 + n) / (double)(10 + n) : decay;
        for (size_t i = 0; i < weights.total; i++) {
            weights.values[i] += 0.1F;
            truth[i] = keep * truth[i] + (1 - keep) * (double)weights.values[i];
        }
        lk__average_follow(average, &weights, decay, n);
    }
    for (size_t i = 0; i < weights.total; i++) assert_true(fabs((double)average[i] - truth[i]) < 1e-5);
    free(average);
    free(truth);
}

static void test_not_finite(void **state) {
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int kind = 0; kind < 2; kind++)
        for (int i = 0; i < 3; i++) {
            lk__optimizer_state s;
            assert_int_equal(
                lk__optimizer_new(kind ? LK_OPTIMIZER_SGD : LK_OPTIMIZER_ADAMW, &weights, 0.1, 0.9, &s, NULL),
                LK_OK);
            draw_gradient(1);
            lk__optimizer_step(&s, &weights, 0.01);
            size_t bytes = weights.total * sizeof(float);
            float *values = malloc(bytes), *m = malloc(bytes), *v = malloc(bytes);
            memcpy(values, weights.values, bytes);
            memcpy(m, s.m, bytes);
            if (s.v) memcpy(v, s.v, bytes);
            draw_gradient(2);
            weights.items[weights.count - 1].grad[1] = bad[i];
            bool finite = isfinite(lk__optimizer_step(&s, &weights, 0.01));
            assert_false(finite);
            assert_memory_equal(values, weights.values, bytes);
            assert_memory_equal(m, s.m, bytes);
            if (s.v) assert_memory_equal(v, s.v, bytes);
            assert_int_equal(s.step, 1);
            /* What is not trained has no say. */
            draw_gradient(3);
            lk__weights_find(&weights, 1, "mean")->grad[0] = NAN;
            finite = isfinite(lk__optimizer_step(&s, &weights, 0.01));
            assert_true(finite);
            free(values);
            free(m);
            free(v);
            lk__optimizer_free(&s);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sgd, setup, teardown),
        cmocka_unit_test_setup_teardown(test_adamw, setup, teardown),
        cmocka_unit_test_setup_teardown(test_decay, setup, teardown),
        cmocka_unit_test_setup_teardown(test_average, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_finite, setup, teardown),
    };
    return cmocka_run_group_tests_name("optimizer", tests, NULL, NULL);
}
