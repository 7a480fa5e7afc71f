/* trial.h: for test_layers.c: a net beside its reference in double, forward, and gradients against finite
 * differences. */
#ifndef LK_TRIAL_H
#define LK_TRIAL_H

#include "likeness/train.h"
#include "nn/op.h"
#include "nn/reference.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef struct trial {
    const char *text;
    int batch;
    uint64_t seed;
    lk__spec spec;
    lk__weights weights;
    reference ref;
    double *input, *output,
        *gradient; /* (batch, c, h, w), (batch, dim), (batch, dim): of the loss sum(gradient y) */
    size_t inputs, outputs;
} trial;

static bool is(const lk__param *p, const char *end) {
    size_t n = strlen(p->name), m = strlen(end);
    return n >= m && strcmp(p->name + n - m, end) == 0;
}

/* Values as a net has them, exactly the same in float and in double. */
static void fill_weights(trial *t, lk__random *random) {
    for (int i = 0; i < t->weights.count; i++) {
        lk__param *p = &t->weights.items[i];
        double spread = sqrt(2.0 / (double)(p->count / (size_t)p->shape[0]));
        for (size_t j = 0; j < p->count; j++) {
            double v = spread * lk__random_normal(random);
            if (is(p, ".slope")) v = lk__random_range(random, 0.1, 0.5);
            if (is(p, ".bias") || is(p, ".mean")) v = 0.3 * lk__random_normal(random);
            if (is(p, "norm.weight")) v = lk__random_range(random, 0.5, 1.5) * (j % 3 ? 1 : -1);
            if (is(p, ".variance")) v = lk__random_range(random, 0.5, 2);
            p->value[j] = (float)v;
        }
    }
    for (size_t j = 0; j < t->weights.total; j++) t->ref.values[j] = (double)t->weights.values[j];
}

static void fill(double *values, size_t count, lk__random *random) {
    for (size_t i = 0; i < count; i++) values[i] = (double)(float)lk__random_normal(random);
}

static void trial_free(trial *t) {
    lk__weights_free(&t->weights);
    free(t->ref.values);
    free(t->input);
    free(t->output);
    free(t->gradient);
    free(t);
}

/* A net whose rectifiers and pools are `away` from their kinks, where there is no derivative to compare. */
static trial *trial_new(const char *text, int batch, double away) {
    lk_error err;
    trial *t = calloc(1, sizeof *t);
    assert_non_null(t);
    if (lk__spec_parse(text, &t->spec, &err) != LK_OK) fail_msg("%s: %s", text, err.message);
    assert_int_equal(lk__weights_new(&t->spec, true, &t->weights, &err), LK_OK);
    t->text = text;
    t->batch = batch;
    t->inputs = (size_t)batch * (size_t)t->spec.c * (size_t)t->spec.h * (size_t)t->spec.w;
    t->outputs = (size_t)batch * (size_t)t->spec.dim;
    t->input = calloc(t->inputs, sizeof(double));
    t->output = calloc(t->outputs, sizeof(double));
    t->gradient = calloc(t->outputs, sizeof(double));
    t->ref = (reference){&t->spec, &t->weights, calloc(t->weights.total + 1, sizeof(double)), 0};
    assert_true(t->input && t->output && t->gradient && t->ref.values);
    for (t->seed = 1; t->seed < 200; t->seed++) {
        lk__random random = lk__random_stream(t->seed, (uint64_t)batch, strlen(text), 0);
        fill_weights(t, &random);
        fill(t->input, t->inputs, &random);
        fill(t->gradient, t->outputs, &random);
        if (away < 0) return t; /* no derivatives wanted */
        reference_forward(&t->ref, t->input, batch, true, t->output);
        double kink = t->ref.kink;
        for (size_t j = 0; j < t->weights.total; j++) t->ref.values[j] = (double)t->weights.values[j];
        if (kink > away) return t;
    }
    fail_msg("%s: no seed keeps %g away from the kinks", text, away);
    return t;
}

static lk__net *net_of(trial *t, bool training) {
    lk__net *net = NULL;
    lk_error err;
    if (lk__net_new(&t->spec, &t->weights, &(lk__net_options){.batch = t->batch, .training = training}, &net,
                    &err) != LK_OK)
        fail_msg("%s: %s", t->text, err.message);
    for (size_t i = 0; i < t->inputs; i++) lk__net_input(net)[i] = (float)t->input[i];
    return net;
}

/* Output against the reference, and what training does to the running statistics. */
static void check_forward(trial *t, lk__net *net, bool training, double tolerance) {
    for (size_t j = 0; j < t->weights.total; j++) t->ref.values[j] = (double)t->weights.values[j];
    lk__net_load(net);
    const float *y = lk__net_forward(net);
    reference_forward(&t->ref, t->input, t->batch, training, t->output);
    for (size_t i = 0; i < t->outputs; i++)
        if (!(fabs((double)y[i] - t->output[i]) <= tolerance))
            fail_msg("%s, batch %d, %s: output %zu is %.7f, by the reference %.7f", t->text, t->batch,
                     training ? "training" : "inference", i, (double)y[i], t->output[i]);
    for (int i = 0; i < t->weights.count; i++)
        for (size_t j = 0; j < t->weights.items[i].count; j++) {
            double want = t->ref.values[t->weights.items[i].value - t->weights.values + (ptrdiff_t)j];
            if (!(fabs((double)t->weights.items[i].value[j] - want) <= tolerance * (1 + fabs(want))))
                fail_msg("%s: after forward %s[%zu] is %.7f, by the reference %.7f", t->text,
                         t->weights.items[i].name, j, (double)t->weights.items[i].value[j], want);
        }
}

static double loss(trial *t) {
    double s = 0;
    reference_forward(&t->ref, t->input, t->batch, true, t->output);
    for (size_t i = 0; i < t->outputs; i++) s += t->gradient[i] * t->output[i];
    return s;
}

/* Derivative of the loss with `count` values of the reference moving along `direction`. */
static double slope(trial *t, double *values, const double *direction, size_t count, double step) {
    double at[2];
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < count; i++) values[i] += (side ? -2 : 1) * step * direction[i];
        at[side] = loss(t);
    }
    for (size_t i = 0; i < count; i++) values[i] += step * direction[i];
    return (at[0] - at[1]) / (2 * step);
}

static double largest_gradient(const lk__weights *w) {
    double most = 0;
    for (size_t i = 0; i < w->total; i++) most = fmax(most, fabs((double)w->grads[i]));
    return most;
}

/* One param: some of its values alone (all, if there are few), and all together along random directions. */
static void check_param(trial *t, const lk__param *p, size_t alone, double tolerance) {
    double *values = t->ref.values + (p->value - t->weights.values), one = 1, most = 0, norm = 0;
    double *direction = calloc(p->count, sizeof *direction);
    lk__random random = lk__random_stream(7, t->seed, p->count, 0);
    for (size_t i = 0; i < p->count; i++) {
        most = fmax(most, fabs((double)p->grad[i]));
        norm += (double)p->grad[i] * (double)p->grad[i];
    }
    norm = sqrt(norm);
    /* A gradient that cancels to nearly nothing (a bias before batch norm) has the noise of what it cancels
     * from. */
    double floor = 0.01 * largest_gradient(&t->weights);
    size_t stride = p->count <= alone ? 1 : p->count / alone;
    for (size_t i = p->count <= alone ? 0 : lk__random_below(&random, stride); i < p->count; i += stride) {
        double want = slope(t, values + i, &one, 1, 1e-6);
        if (!(fabs((double)p->grad[i] - want) <= tolerance * (most + floor)))
            fail_msg(
                "%s, batch %d: gradient of %s[%zu] is %.7g, by finite differences %.7g (of at most %.3g)",
                t->text, t->batch, p->name, i, (double)p->grad[i], want, most);
    }
    for (int turn = 0; turn < 2; turn++) {
        double got = 0;
        for (size_t i = 0; i < p->count; i++) {
            direction[i] = lk__random_unit(&random) < 0.5 ? -1 : 1;
            got += direction[i] * (double)p->grad[i];
        }
        double want = slope(t, values, direction, p->count, 1e-7);
        if (!(fabs(got - want) <= 3 * tolerance * (norm + floor)))
            fail_msg("%s, batch %d: gradient of %s along a direction is %.7g, by finite differences %.7g "
                     "(norm %.3g)",
                     t->text, t->batch, p->name, got, want, norm);
    }
    free(direction);
}

static void check_gradients(trial *t, lk__net *net, double tolerance) {
    float *gradient = calloc(t->outputs, sizeof *gradient), *output = calloc(t->outputs, sizeof *output);
    const float *y = lk__net_forward(net);
    memcpy(output, y, t->outputs * sizeof *output);
    for (size_t i = 0; i < t->outputs; i++) gradient[i] = (float)t->gradient[i];
    for (size_t i = 0; i < t->weights.total; i++) t->weights.grads[i] = 1e9f; /* must be overwritten */
    lk__net_backward(net, gradient);
    free(gradient);
    for (size_t i = 0; i < t->outputs; i++) /* valid until the next forward */
        assert_true(memcmp(&y[i], &output[i], sizeof *y) == 0);
    free(output);
    for (int i = 0; i < t->weights.count; i++)
        if (!t->weights.items[i].trained)
            memset(t->weights.items[i].grad, 0, t->weights.items[i].count * sizeof(float));
    double budget = 1.5e6 / (lk__spec_flops(&t->spec) * t->batch + 1e4); /* forwards that are cheap enough */
    size_t alone = budget > 32 ? 32 : budget < 2 ? 2 : (size_t)budget;
    for (int i = 0; i < t->weights.count; i++)
        if (t->weights.items[i].trained) check_param(t, &t->weights.items[i], alone, tolerance);
}

static void check_net_within(const char *text, int batch, double forward, double backward) {
    trial *t = trial_new(text, batch, 5 * forward);
    lk__net *net = net_of(t, false);
    check_forward(t, net, false, forward);
    lk__net_free(net);
    net = net_of(t, true);
    check_forward(t, net, true, forward);
    check_gradients(t, net, backward);
    check_forward(t, net, true, forward); /* a second step: nothing of the first is left in the buffers */
    lk__net_free(net);
    trial_free(t);
}

static void check_net(const char *text, int batch) {
    check_net_within(text, batch, 4e-6, 2e-4);
}

/* Check a net made from a format. */
__attribute__((format(printf, 2, 3))) static void check(int batch, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    check_net(text, batch);
}

static int pick(lk__random *random, const int *from, size_t count) {
    return from[lk__random_below(random, count)];
}
#define PICK_OF(random, ...)                                                                                 \
    pick(random, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

#endif
