/* optimizer.h: one step down the gradient. */
#ifndef LK_OPTIMIZER_H
#define LK_OPTIMIZER_H

#include "likeness/train.h"
#include "nn/net.h"

typedef struct lk__optimizer_state {
    lk_optimizer kind;
    double weight_decay, momentum;
    uint64_t step;
    size_t total;
    size_t pieces;
    double *squares; /* (pieces): sums of squares of the gradient */
    float *m, *v;    /* (total): first and second moments; SGD: m is the velocity, v NULL */
} lk__optimizer_state;

lk_status lk__optimizer_new(lk_optimizer kind, const lk__weights *weights, double weight_decay,
                            double momentum, lk__optimizer_state *out, lk_error *err);
void lk__optimizer_free(lk__optimizer_state *state);
/* Moves every trained param; returns the L2 norm of the whole gradient. A gradient that is not finite moves
 * nothing. */
double lk__optimizer_step(lk__optimizer_state *state, lk__weights *weights, double learning_rate);

/* The exponential moving average of the weights (Polyak & Juditsky 1992; Tarvainen & Valpola 2017): average
 * (weights->total) = keep average + (1 - keep) weights after so many steps (1, 2, ...), keep growing to
 * `decay` so that it follows faster while there is little to average. The running statistics of batch norm
 * with them. */
void lk__average_follow(float *average, const lk__weights *weights, double decay, uint64_t steps);

/* Learning rate at `part` (0..1) of a run: a linear rise for the first `warmup` of it, then half a cosine to
 * zero (Loshchilov & Hutter 2017). */
double lk__learning_rate(double most, double warmup, double part);

#endif
