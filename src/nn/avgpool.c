/* avgpool.c: average pooling over windows without padding. The average over a whole plane is in pool.c.
 *
 *   y[n,c,i,j] = sum_{u,v} x[n,c,i*s+u,j*s+v] / k^2;  dx gets dy / k^2 from every window it lies in */
#include "nn/op.h"

#include <stdlib.h>
#include <string.h>

typedef struct avgpool {
    lk__op op;
    size_t kernel, stride, h, w, oh, ow, block;
} avgpool;

/* The first value of window (i, j) in a run. */
static size_t corner(const avgpool *o, size_t i, size_t j) {
    return (i * o->stride * o->w + j * o->stride) * o->block;
}

LK__CLONES static void pool_run(const avgpool *o, const float *x, float *y) {
    float share = 1.0F / (float)(o->kernel * o->kernel);
    for (size_t i = 0; i < o->oh; i++)
        for (size_t j = 0; j < o->ow; j++, y += o->block) {
            const float *from = x + corner(o, i, j);
            float sum[LK__LANES] = {0};
            for (size_t u = 0; u < o->kernel; u++)
                for (size_t v = 0; v < o->kernel; v++)
                    for (size_t l = 0; l < o->block; l++) sum[l] += from[(u * o->w + v) * o->block + l];
            for (size_t l = 0; l < o->block; l++) y[l] = share * sum[l];
        }
}

LK__CLONES static void spread_run(const avgpool *o, const float *dy, float *dx) {
    float share = 1.0F / (float)(o->kernel * o->kernel);
    memset(dx, 0, o->h * o->w * o->block * sizeof *dx);
    for (size_t i = 0; i < o->oh; i++)
        for (size_t j = 0; j < o->ow; j++, dy += o->block) {
            float *to = dx + corner(o, i, j);
            for (size_t u = 0; u < o->kernel; u++)
                for (size_t v = 0; v < o->kernel; v++)
                    for (size_t l = 0; l < o->block; l++) to[(u * o->w + v) * o->block + l] += share * dy[l];
        }
}

static void avgpool_forward(lk__op *op, const lk__job *job) {
    const avgpool *o = (avgpool *)op;
    size_t run = o->h * o->w * o->block, out = o->oh * o->ow * o->block;
    for (size_t r = 0; r < job->runs; r++)
        pool_run(o, (const float *)job->in[0] + r * run, (float *)job->out + r * out);
}

static void avgpool_backward(lk__op *op, const lk__job *job) {
    const avgpool *o = (avgpool *)op;
    size_t run = o->h * o->w * o->block, out = o->oh * o->ow * o->block;
    if (!job->din[0]) return;
    for (size_t r = 0; r < job->runs; r++)
        spread_run(o, (const float *)job->dout + r * out, (float *)job->din[0] + r * run);
}

static void avgpool_free(lk__op *op) {
    free(op);
}

lk_status lk__avgpool_new(const lk__context *k, const lk__act *x, const lk__act *y, lk__op **out,
                          lk_error *err) {
    avgpool *o = calloc(1, sizeof *o);
    if (!o) return lk__fail_memory(err, sizeof *o, "average pooling");
    const lk__layer *l = k->layer;
    *o = (avgpool){.op = {.forward = avgpool_forward, .backward = avgpool_backward, .free = avgpool_free},
                   .kernel = (size_t)l->kernel,
                   .stride = (size_t)l->stride,
                   .h = (size_t)x->h,
                   .w = (size_t)x->w,
                   .oh = (size_t)y->h,
                   .ow = (size_t)y->w,
                   .block = (size_t)x->block};
    snprintf(o->op.what, sizeof o->op.what, "avgpool %dx%d %d @%d", l->kernel, l->kernel, l->in_c, l->out_h);
    *out = &o->op;
    return LK_OK;
}
