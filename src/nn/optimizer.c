/* optimizer.c: SGD with momentum, and AdamW (Loshchilov & Hutter 2019).
 *
 *   SGD    v = mu v + g + wd w;   w -= lr v
 *   AdamW  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
 *          w -= lr (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + wd w)
 *
 * Decay is for weights only, not for biases, norms and slopes. b1 is `momentum` (0.9), b2 0.999, eps 1e-8. */
#include "nn/optimizer.h"

#include <math.h>
#include <stdlib.h>

static const double BETA2 = 0.999, EPSILON = 1e-8;

lk_status lk__optimizer_new(lk_optimizer kind, const lk__weights *weights, double weight_decay,
                            double momentum, lk__optimizer_state *out, lk_error *err) {
    lk__optimizer_state s = {
        .kind = kind, .weight_decay = weight_decay, .momentum = momentum, .total = weights->total};
    s.m = calloc(s.total + 1, sizeof *s.m);
    s.v = kind == LK_OPTIMIZER_ADAMW ? calloc(s.total + 1, sizeof *s.v) : NULL;
    if (!s.m || (kind == LK_OPTIMIZER_ADAMW && !s.v)) {
        lk__optimizer_free(&s);
        return lk__fail_memory(err, 2 * s.total * sizeof(float), "an optimizer");
    }
    *out = s;
    return LK_OK;
}

void lk__optimizer_free(lk__optimizer_state *state) {
    free(state->m);
    free(state->v);
    *state = (lk__optimizer_state){0};
}

static double gradient_norm(const lk__weights *weights) {
    double sum = 0;
    for (int i = 0; i < weights->count; i++)
        for (size_t j = 0; weights->items[i].trained && j < weights->items[i].count; j++)
            sum += (double)weights->items[i].grad[j] * (double)weights->items[i].grad[j];
    return sqrt(sum);
}

static void sgd(const lk__optimizer_state *s, lk__param *p, float *m, float lr) {
    float mu = (float)s->momentum, decay = p->decay ? (float)s->weight_decay : 0;
    for (size_t j = 0; j < p->count; j++) {
        m[j] = mu * m[j] + p->grad[j] + decay * p->value[j];
        p->value[j] -= lr * m[j];
    }
}

static void adamw(const lk__optimizer_state *s, lk__param *p, float *m, float *v, float lr) {
    float b1 = (float)s->momentum, b2 = (float)BETA2, decay = p->decay ? (float)s->weight_decay : 0,
          eps = (float)EPSILON;
    float c1 = (float)(1 / (1 - pow(s->momentum, (double)s->step))),
          c2 = (float)(1 / (1 - pow(BETA2, (double)s->step)));
    for (size_t j = 0; j < p->count; j++) {
        float g = p->grad[j];
        m[j] = b1 * m[j] + (1 - b1) * g;
        v[j] = b2 * v[j] + (1 - b2) * g * g;
        p->value[j] -= lr * (m[j] * c1 / (sqrtf(v[j] * c2) + eps) + decay * p->value[j]);
    }
}

double lk__optimizer_step(lk__optimizer_state *s, lk__weights *weights, double learning_rate) {
    LK__CHECK(s->total, ==, weights->total);
    double norm = gradient_norm(weights);
    if (!isfinite(norm)) return norm;
    s->step++;
    size_t at = 0;
    for (int i = 0; i < weights->count; i++) {
        lk__param *p = &weights->items[i];
        if (p->trained && s->kind == LK_OPTIMIZER_SGD) sgd(s, p, s->m + at, (float)learning_rate);
        if (p->trained && s->kind == LK_OPTIMIZER_ADAMW)
            adamw(s, p, s->m + at, s->v + at, (float)learning_rate);
        at += p->count;
    }
    return norm;
}
