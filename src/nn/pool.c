/* pool.c: what brings (C, H, W) down: max pooling through oneDNN; global average, and global depthwise
 * convolution (MobileFaceNet, Chen et al. 2018: each place of the face has a weight of its own, since an eye
 * is not a chin).
 *
 *   gdconv   y[n,c] = sum_i w[c,i] x[n,c,i];  dx[n,c,i] = w[c,i] dy[n,c];  dw[c,i] = sum_n x[n,c,i] dy[n,c]
 *   avgpool  the same with w = 1 / (H W), not trained */
#include "nn/op.h"

#include <stdlib.h>
#include <string.h>

/* ---- global depthwise, and global average ---- */

typedef struct global {
    lk__op op;
    lk__param *weight; /* NULL: average */
    float *w;          /* (C / block, H * W, block): the layout of the activation */
} global;

/* An activation is n * blocks runs of hw * block values. */
typedef struct extent {
    size_t block, hw, blocks;
} extent;

static extent extent_of(const lk__act *x) {
    return (extent){(size_t)x->block, (size_t)x->h * (size_t)x->w, (size_t)(x->c / x->block)};
}

static void global_load(lk__op *op) {
    global *o = (global *)op;
    extent e = extent_of(op->x);
    for (size_t c = 0; c < (size_t)op->x->c; c++)
        for (size_t i = 0; i < e.hw; i++)
            o->w[(c / e.block * e.hw + i) * e.block + c % e.block] =
                o->weight ? o->weight->value[c * e.hw + i] : 1.0f / (float)e.hw;
}

static void pass_forward(void *context, int i, int n) {
    global *o = context;
    const lk__act *x = o->op.x;
    extent e = extent_of(x);
    size_t first, last;
    lk__part((size_t)x->n * e.blocks, i, n, &first, &last);
    for (size_t run = first; run < last; run++) {
        const float *v = x->value + run * e.hw * e.block, *w = o->w + run % e.blocks * e.hw * e.block;
        float sum[16] = {0};
        for (size_t p = 0; p < e.hw; p++)
            for (size_t j = 0; j < e.block; j++) sum[j] += v[p * e.block + j] * w[p * e.block + j];
        memcpy(o->op.y->value + run * e.block, sum, e.block * sizeof(float));
    }
}

static void pass_dx(void *context, int i, int n) {
    global *o = context;
    const lk__act *x = o->op.x;
    extent e = extent_of(x);
    size_t first, last;
    lk__part((size_t)x->n * e.blocks, i, n, &first, &last);
    for (size_t run = first; run < last; run++) {
        const float *w = o->w + run % e.blocks * e.hw * e.block, *dy = o->op.y->grad + run * e.block;
        float *dx = x->grad + run * e.hw * e.block;
        for (size_t p = 0; p < e.hw; p++)
            for (size_t j = 0; j < e.block; j++) {
                float d = dy[j] * w[p * e.block + j];
                dx[p * e.block + j] = o->op.x_accumulate ? dx[p * e.block + j] + d : d;
            }
    }
}

/* Over channels, not images: each weight's sum over the batch is taken by one thread, in order. */
static void pass_dw(void *context, int i, int n) {
    global *o = context;
    const lk__act *x = o->op.x;
    extent e = extent_of(x);
    size_t first, last;
    lk__part(e.blocks, i, n, &first, &last);
    for (size_t b = first; b < last; b++)
        for (size_t p = 0; p < e.hw; p++) {
            float sum[16] = {0};
            for (size_t image = 0; image < (size_t)x->n; image++) {
                const float *v = x->value + ((image * e.blocks + b) * e.hw + p) * e.block,
                            *dy = o->op.y->grad + (image * e.blocks + b) * e.block;
                for (size_t j = 0; j < e.block; j++) sum[j] += v[j] * dy[j];
            }
            for (size_t j = 0; j < e.block; j++) o->weight->grad[(b * e.block + j) * e.hw + p] = sum[j];
        }
}

static void global_forward(lk__op *op) {
    lk__parallel(pass_forward, op);
}

static void global_backward(lk__op *op) {
    global *o = (global *)op;
    if (o->weight) lk__parallel(pass_dw, op);
    lk__parallel(pass_dx, op);
}

static void nothing(lk__op *op) {
    (void)op;
}

static void global_free(lk__op *op) {
    free(((global *)op)->w);
    free(op);
}

static lk_status global_new(lk__param *weight, const lk__act *x, lk__op **out, lk_error *err) {
    global *o = calloc(1, sizeof *o);
    if (o) o->w = calloc((size_t)x->c * (size_t)x->h * (size_t)x->w, sizeof(float));
    if (!o || !o->w) {
        free(o);
        return lk__fail_memory(err, sizeof *o, "global pooling");
    }
    o->op = (lk__op){.bind = nothing,
                     .load = global_load,
                     .forward = global_forward,
                     .backward = global_backward,
                     .free = global_free,
                     .needs_x = weight != NULL};
    o->weight = weight;
    *out = &o->op;
    return LK_OK;
}

lk_status lk__gdconv_new(const lk__context *k, lk__act *x, lk__act *y, lk__op **out, lk_error *err) {
    (void)y;
    return global_new(lk__weights_find(k->weights, k->index, "weight"), x, out, err);
}

lk_status lk__avgpool_new(const lk__context *k, lk__act *x, lk__act *y, lk__op **out, lk_error *err) {
    (void)k;
    (void)y;
    return global_new(NULL, x, out, err);
}

/* ---- max pooling ---- */

typedef struct maxpool {
    lk__op op;
    dnnl_stream_t stream;
    lk__kernel forward, backward;
    dnnl_memory_t x, y, dx, dy, workspace;
} maxpool;

static void maxpool_bind(lk__op *op) {
    maxpool *o = (maxpool *)op;
    dnnl_memory_set_data_handle(o->x, op->x->value);
    dnnl_memory_set_data_handle(o->y, op->y->value);
    lk__kernel_place(&o->forward, op->kernel_scratch);
    lk__kernel_place(&o->backward, op->kernel_scratch);
    if (!o->backward.primitive) return;
    if (op->x_grad) dnnl_memory_set_data_handle(o->dx, op->x_accumulate ? op->scratch : op->x->grad);
    dnnl_memory_set_data_handle(o->dy, op->y->grad);
}

static void maxpool_forward(lk__op *op) {
    maxpool *o = (maxpool *)op;
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, o->x}, {DNNL_ARG_DST, o->y}, {DNNL_ARG_WORKSPACE, o->workspace}};
    lk__kernel_run(&o->forward, o->stream, o->workspace ? 3 : 2, args);
}

static void maxpool_backward(lk__op *op) {
    maxpool *o = (maxpool *)op;
    if (!op->x_grad) return;
    dnnl_exec_arg_t args[] = {
        {DNNL_ARG_DIFF_DST, o->dy}, {DNNL_ARG_DIFF_SRC, o->dx}, {DNNL_ARG_WORKSPACE, o->workspace}};
    lk__kernel_run(&o->backward, o->stream, 3, args);
    if (op->x_accumulate) lk__accumulate(op->scratch, op->x->grad, lk__act_count(op->x));
}

static void maxpool_free(lk__op *op) {
    maxpool *o = (maxpool *)op;
    dnnl_memory_t memories[] = {o->x, o->y, o->dx, o->dy, o->workspace};
    for (size_t i = 0; i < sizeof memories / sizeof *memories; i++)
        if (memories[i]) dnnl_memory_destroy(memories[i]);
    lk__kernel_free(&o->forward);
    lk__kernel_free(&o->backward);
    free(o);
}

lk_status lk__maxpool_new(const lk__context *k, lk__act *x, lk__act *y, lk__op **out, lk_error *err) {
    maxpool *o = calloc(1, sizeof *o);
    if (!o) return lk__fail_memory(err, sizeof *o, "max pooling");
    o->op = (lk__op){.bind = maxpool_bind,
                     .load = nothing,
                     .forward = maxpool_forward,
                     .backward = maxpool_backward,
                     .free = maxpool_free};
    o->stream = k->stream;
    const lk__layer *l = k->layer;
    dnnl_dims_t stride = {l->stride, l->stride}, kernel = {l->kernel, l->kernel}, pad = {l->pad, l->pad},
                none = {0, 0};
    dnnl_memory_desc_t xd, yd;
    dnnl_pooling_v2_desc_t d;
    dnnl_primitive_desc_t forward = NULL, backward = NULL;
    lk__act_desc(x, &xd);
    lk__act_desc(y, &yd);
    dnnl_status_t e =
        dnnl_pooling_v2_forward_desc_init(&d, k->training ? dnnl_forward_training : dnnl_forward_inference,
                                          dnnl_pooling_max, &xd, &yd, stride, kernel, none, pad, pad);
    if (!e) e = lk__kernel_new(&d, k->engine, NULL, &forward, &o->forward, &o->op.kernel_bytes);
    if (!e) e = dnnl_memory_create(&o->x, &xd, k->engine, DNNL_MEMORY_NONE);
    if (!e) e = dnnl_memory_create(&o->y, &yd, k->engine, DNNL_MEMORY_NONE);
    if (!e && k->training) {
        e = dnnl_memory_create(&o->workspace,
                               dnnl_primitive_desc_query_md(forward, dnnl_query_workspace_md, 0), k->engine,
                               DNNL_MEMORY_ALLOCATE);
        if (!e)
            e = dnnl_pooling_v2_backward_desc_init(&d, dnnl_pooling_max, &xd, &yd, stride, kernel, none, pad,
                                                   pad);
        if (!e) e = lk__kernel_new(&d, k->engine, forward, &backward, &o->backward, &o->op.kernel_bytes);
        if (!e) e = dnnl_memory_create(&o->dx, &xd, k->engine, DNNL_MEMORY_NONE);
        if (!e) e = dnnl_memory_create(&o->dy, &yd, k->engine, DNNL_MEMORY_NONE);
    }
    if (forward) dnnl_primitive_desc_destroy(forward);
    if (backward) dnnl_primitive_desc_destroy(backward);
    if (e) {
        maxpool_free(&o->op);
        return lk__dnnl_check(e, "max pooling", err);
    }
    *out = &o->op;
    return LK_OK;
}
