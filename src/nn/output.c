/* output.c: one of the results of a net that has several (a detector's, say: one a scale). Hands out what it
 * reads as (h, w, c), flat and in f32, so that who uses it need not know how activations lie. */
#include "nn/op.h"

#include <stdlib.h>

typedef struct output {
    lk__op op;
    size_t cells, blocks, block; /* h * w; of channels */
} output;

static void output_forward(lk__op *op, const lk__job *job) {
    const output *o = (output *)op;
    size_t channels = o->blocks * o->block;
    const float *x = job->in[0];
    float *y = job->out;
    for (size_t b = 0; b < o->blocks; b++)
        for (size_t i = 0; i < o->cells; i++, x += o->block)
            memcpy(y + i * channels + b * o->block, x, o->block * sizeof *x);
}

static void output_backward(lk__op *op, const lk__job *job) {
    const output *o = (output *)op;
    size_t channels = o->blocks * o->block;
    const float *dy = job->dout;
    float *dx = job->din[0];
    if (!dx) return;
    for (size_t b = 0; b < o->blocks; b++)
        for (size_t i = 0; i < o->cells; i++, dx += o->block)
            memcpy(dx, dy + i * channels + b * o->block, o->block * sizeof *dx);
}

static void output_free(lk__op *op) {
    free(op);
}

lk_status lk__output_new(const lk__context *k, const lk__act *x, const lk__act *y, lk__op **out,
                         lk_error *err) {
    (void)k;
    (void)y;
    output *o = calloc(1, sizeof *o);
    if (!o) return lk__fail_memory(err, sizeof *o, "an output");
    *o = (output){
        .op = {.images = 1, .forward = output_forward, .backward = output_backward, .free = output_free},
        .cells = (size_t)x->h * (size_t)x->w,
        .blocks = lk__act_blocks(x),
        .block = (size_t)x->block};
    snprintf(o->op.what, sizeof o->op.what, "output %d @%d", x->c, x->h);
    *out = &o->op;
    return LK_OK;
}
