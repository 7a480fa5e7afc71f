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

/* A step in pieces of a fixed size, on all threads: the norm is summed piece by piece, so the result does not
 * depend on how many there are. */
enum { PIECE = 1 << 14 };

typedef struct step {
    const lk__optimizer_state *state;
    lk__weights *weights;
    float lr, c1, c2; /* learning rate; AdamW's corrections for moments that began at 0 */
    double *squares;  /* (pieces) */
} step;

static size_t pieces(const lk__param *p) {
    return (p->count + PIECE - 1) / PIECE;
}

lk_status lk__optimizer_new(lk_optimizer kind, const lk__weights *weights, double weight_decay,
                            double momentum, lk__optimizer_state *out, lk_error *err) {
    lk__optimizer_state s = {
        .kind = kind, .weight_decay = weight_decay, .momentum = momentum, .total = weights->total};
    s.m = calloc(s.total + 1, sizeof *s.m);
    s.v = kind == LK_OPTIMIZER_ADAMW ? calloc(s.total + 1, sizeof *s.v) : NULL;
    for (int i = 0; i < weights->count; i++) s.pieces += pieces(&weights->items[i]);
    s.squares = calloc(s.pieces + 1, sizeof *s.squares);
    if (!s.m || !s.squares || (kind == LK_OPTIMIZER_ADAMW && !s.v)) {
        lk__optimizer_free(&s);
        return lk__fail_memory(err, 2 * s.total * sizeof(float), "an optimizer");
    }
    *out = s;
    return LK_OK;
}

void lk__optimizer_free(lk__optimizer_state *state) {
    free(state->m);
    free(state->v);
    free(state->squares);
    *state = (lk__optimizer_state){0};
}

static void sgd(const step *s, const lk__param *p, size_t first, size_t last, float *m) {
    float mu = (float)s->state->momentum, decay = p->decay ? (float)s->state->weight_decay : 0;
    for (size_t j = first; j < last; j++) {
        m[j] = mu * m[j] + p->grad[j] + decay * p->value[j];
        p->value[j] -= s->lr * m[j];
    }
}

static void adamw(const step *s, const lk__param *p, size_t first, size_t last, float *m, float *v) {
    float b1 = (float)s->state->momentum, b2 = (float)BETA2,
          decay = p->decay ? (float)s->state->weight_decay : 0, eps = (float)EPSILON;
    for (size_t j = first; j < last; j++) {
        float g = p->grad[j];
        m[j] = b1 * m[j] + (1 - b1) * g;
        v[j] = b2 * v[j] + (1 - b2) * g * g;
        p->value[j] -= s->lr * (m[j] * s->c1 / (sqrtf(v[j] * s->c2) + eps) + decay * p->value[j]);
    }
}

/* Calls visit for the i-th of n shares of all pieces of trained params; piece is its number, at its first
 * value. */
static void each_piece(const step *s, int i, int n,
                       void (*visit)(const step *, const lk__param *, size_t at, size_t first, size_t last,
                                     size_t piece)) {
    size_t total = 0, from, to, piece = 0, at = 0;
    for (int k = 0; k < s->weights->count; k++) total += pieces(&s->weights->items[k]);
    lk__part(total, i, n, &from, &to);
    for (int k = 0; k < s->weights->count; k++) {
        const lk__param *p = &s->weights->items[k];
        for (size_t j = 0; j < pieces(p); j++, piece++) {
            size_t first = j * PIECE, last = first + PIECE < p->count ? first + PIECE : p->count;
            if (piece >= from && piece < to && p->trained) visit(s, p, at, first, last, piece);
        }
        at += p->count;
    }
}

static void visit_norm(const step *s, const lk__param *p, size_t at, size_t first, size_t last,
                       size_t piece) {
    (void)at;
    double sum = 0;
    for (size_t j = first; j < last; j++) sum += (double)p->grad[j] * (double)p->grad[j];
    s->squares[piece] = sum;
}

static void visit_move(const step *s, const lk__param *p, size_t at, size_t first, size_t last,
                       size_t piece) {
    (void)piece;
    if (s->state->kind == LK_OPTIMIZER_SGD)
        sgd(s, p, first, last, s->state->m + at);
    else
        adamw(s, p, first, last, s->state->m + at, s->state->v + at);
}

static void norm_part(void *context, int i, int n) {
    each_piece(context, i, n, visit_norm);
}

static void move_part(void *context, int i, int n) {
    each_piece(context, i, n, visit_move);
}

double lk__optimizer_step(lk__optimizer_state *state, lk__weights *weights, double learning_rate) {
    LK__CHECK(state->total, ==, weights->total);
    double t = (double)state->step + 1, sum = 0;
    step s = {state,
              weights,
              (float)learning_rate,
              (float)(1 / (1 - pow(state->momentum, t))),
              (float)(1 / (1 - pow(BETA2, t))),
              state->squares};
    lk__parallel(norm_part, &s);
    for (size_t i = 0; i < state->pieces; i++) sum += state->squares[i];
    if (!isfinite(sum)) return sum;
    state->step++;
    lk__parallel(move_part, &s);
    return sqrt(sum);
}

void lk__average_follow(float *average, const lk__weights *weights, double decay, uint64_t steps) {
    double keep = fmin(decay, (1 + (double)steps) / (10 + (double)steps));
    float k = (float)keep, r = (float)(1 - keep);
    for (size_t i = 0; i < weights->total; i++) average[i] = k * average[i] + r * weights->values[i];
}

double lk__learning_rate(double most, double warmup, double part) {
    if (part < warmup) return most * (part / warmup * 0.99 + 0.01);
    double rest = (part - warmup) / fmax(1 - warmup, 1e-9);
    return most * 0.5 * (1 + cos(3.141592653589793 * fmin(rest, 1)));
}
