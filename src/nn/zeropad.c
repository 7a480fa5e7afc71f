/* zeropad.c: more channels, rows below and columns on the right, of zeros. Residual shortcuts without weights
 * are made so: where a block has more channels than what it is added to (option A of He et al. 2016), or, in
 * dlib's nets, a row and a column less.
 *
 *   y[n,c,i,j] = x[n,c,i,j] where x has such a place, else 0;  dx is that part of dy */
#include "nn/op.h"

#include <stdlib.h>
#include <string.h>

typedef struct zeropad {
    lk__op op;
    size_t c, h, w, block; /* of x */
    size_t oh, ow, oblock; /* of y: with more channels they may lie in other blocks */
    size_t out;            /* values of y, one image */
} zeropad;

/* The first of the channels' values: place (i, 0) of channel ch, in blocks of `block`. */
static size_t place(size_t ch, size_t i, size_t h, size_t w, size_t block) {
    return (ch / block * h * w + i * w) * block + ch % block;
}

static void zeropad_forward(lk__op *op, const lk__job *job) {
    const zeropad *o = (zeropad *)op;
    memset(job->out, 0, o->out * sizeof(float));
    for (size_t ch = 0; ch < o->c; ch++)
        for (size_t i = 0; i < o->h; i++) {
            const float *from = (const float *)job->in[0] + place(ch, i, o->h, o->w, o->block);
            float *to = (float *)job->out + place(ch, i, o->oh, o->ow, o->oblock);
            for (size_t j = 0; j < o->w; j++) to[j * o->oblock] = from[j * o->block];
        }
}

static void zeropad_backward(lk__op *op, const lk__job *job) {
    const zeropad *o = (zeropad *)op;
    if (!job->din[0]) return;
    for (size_t ch = 0; ch < o->c; ch++)
        for (size_t i = 0; i < o->h; i++) {
            const float *from = (const float *)job->dout + place(ch, i, o->oh, o->ow, o->oblock);
            float *to = (float *)job->din[0] + place(ch, i, o->h, o->w, o->block);
            for (size_t j = 0; j < o->w; j++) to[j * o->block] = from[j * o->oblock];
        }
}

static void zeropad_free(lk__op *op) {
    free(op);
}

lk_status lk__zeropad_new(const lk__context *k, const lk__act *x, const lk__act *y, lk__op **out,
                          lk_error *err) {
    zeropad *o = calloc(1, sizeof *o);
    if (!o) return lk__fail_memory(err, sizeof *o, "padding");
    *o = (zeropad){
        .op = {.images = 1, .forward = zeropad_forward, .backward = zeropad_backward, .free = zeropad_free},
        .c = (size_t)x->c,
        .h = (size_t)x->h,
        .w = (size_t)x->w,
        .block = (size_t)x->block,
        .oh = (size_t)y->h,
        .ow = (size_t)y->w,
        .oblock = (size_t)y->block,
        .out = (size_t)y->c * (size_t)y->h * (size_t)y->w};
    snprintf(o->op.what, sizeof o->op.what, "zeropad %d->%d @%d", k->layer->in_c, k->layer->out_c,
             k->layer->out_h);
    *out = &o->op;
    return LK_OK;
}
