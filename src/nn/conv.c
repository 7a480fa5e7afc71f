/* conv.c: convolution, y = w * x (+ b), through oneDNN. Also the linear layer, which is a convolution whose
 * kernel is the whole activation (oneDNN calls it inner product and is faster at it).
 *
 *   forward            y[n,o,i,j]  = b[o] + sum_{c,u,v} w[o,c,u,v] x[n,c,i*s+u-p,j*s+v-p]
 *   backward data      dx[n,c,..]  = sum_o w[o,c,u,v] dy[n,o,..]
 *   backward weights   dw[o,c,u,v] = sum_{n,i,j} x[n,c,..] dy[n,o,i,j],  db[o] = sum dy
 *
 * The master weights lie as the model file has them, (o, c, u, v) in f32; each kernel gets a copy in its own
 * layout and type when the weights change. */
#include "nn/op.h"

#include <stdlib.h>
#include <string.h>

/* A copy of the weights for one kernel. */
typedef struct copy {
    dnnl_memory_t master, memory; /* the same where layouts agree */
    lk__kernel reorder;
    void *data;
} copy;

typedef struct conv {
    lk__op op; /* first: an lk__op * is a conv * */
    dnnl_stream_t *streams;
    lk__kernel forward, backward_data, backward_weights;
    copy w_forward, w_backward;
    lk__param *weight, *bias;
    lk__kernel store; /* the summed gradient to the param's layout */
    size_t dw_bytes;  /* of a lane's dw, before its db */
} conv;

/* ---- copies of the weights ---- */

static void copy_free(copy *c) {
    lk__kernel_free(&c->reorder);
    if (c->memory && c->memory != c->master) dnnl_memory_destroy(c->memory);
    if (c->master) dnnl_memory_destroy(c->master);
    *c = (copy){0};
}

static dnnl_status_t copy_new(const lk__context *k, float *plain, const dnnl_memory_desc_t *from,
                              const dnnl_memory_desc_t *wanted, copy *out) {
    copy c = {0};
    dnnl_status_t e = dnnl_memory_create(&c.master, from, k->engine, plain);
    c.memory = c.master;
    if (!e && !dnnl_memory_desc_equal(from, wanted)) {
        c.memory = NULL;
        e = dnnl_memory_create(&c.memory, wanted, k->engine, DNNL_MEMORY_ALLOCATE);
        if (!e) e = lk__kernel_new_reorder(from, wanted, k, &c.reorder);
    }
    if (!e) e = dnnl_memory_get_data_handle(c.memory, &c.data);
    if (e)
        copy_free(&c);
    else
        *out = c;
    return e;
}

static void copy_load(const copy *c, dnnl_stream_t stream) {
    void *from, *to;
    if (!c->reorder.primitive) return;
    dnnl_memory_get_data_handle(c->master, &from);
    dnnl_memory_get_data_handle(c->memory, &to);
    lk__kernel_run(&c->reorder, stream, 0, NULL, (void *[]){from, to});
}

/* ---- the step ---- */

static void conv_load(lk__op *op) {
    conv *c = (conv *)op;
    copy_load(&c->w_forward, c->streams[0]);
    copy_load(&c->w_backward, c->streams[0]);
}

static void conv_forward(lk__op *op, const lk__job *job) {
    conv *c = (conv *)op;
    void *data[] = {(void *)(uintptr_t)job->in[0], c->w_forward.data, job->out,
                    c->bias ? c->bias->value : NULL};
    lk__kernel_run(&c->forward, c->streams[job->worker], job->worker, job->scratch, data);
}

static void conv_backward(lk__op *op, const lk__job *job) {
    conv *c = (conv *)op;
    void *x = (void *)(uintptr_t)job->in[0], *dy = (void *)(uintptr_t)job->dout;
    char *dw = job->lane_begins ? job->sum : job->spare;
    lk__kernel_run(&c->backward_weights, c->streams[job->worker], job->worker, job->scratch,
                   (void *[]){x, dy, dw, dw + c->dw_bytes});
    if (!job->lane_begins)
        lk__add_values(job->spare, LK_PRECISION_F32, job->sum, LK_PRECISION_F32,
                       op->weight_bytes / sizeof(float));
    if (job->din[0])
        lk__kernel_run(&c->backward_data, c->streams[job->worker], job->worker, job->scratch,
                       (void *[]){dy, c->w_backward.data, job->din[0]});
}

static void conv_finish(lk__op *op, float *sums, int lanes) {
    conv *c = (conv *)op;
    lk__sum_lanes(sums, op->weight_bytes / sizeof(float), lanes);
    if (c->store.primitive)
        lk__kernel_run(&c->store, c->streams[0], 0, NULL, (void *[]){sums, c->weight->grad});
    else
        memcpy(c->weight->grad, sums, c->weight->count * sizeof(float));
    if (c->bias) memcpy(c->bias->grad, (char *)sums + c->dw_bytes, c->bias->count * sizeof(float));
}

static void conv_free(lk__op *op) {
    conv *c = (conv *)op;
    lk__kernel_free(&c->forward);
    lk__kernel_free(&c->backward_data);
    lk__kernel_free(&c->backward_weights);
    lk__kernel_free(&c->store);
    copy_free(&c->w_forward);
    copy_free(&c->w_backward);
    free(c);
}

/* ---- making ---- */

typedef struct shapes {
    dnnl_memory_desc_t x, y, dy, w_any, w_plain, dw_any, bias;
    dnnl_dims_t stride, pad;
    bool has_bias, linear;
} shapes;

static dnnl_status_t describe(const lk__context *k, const lk__act *x, const lk__act *y, const lk__op *op,
                              shapes *s) {
    const lk__layer *l = k->layer;
    s->linear = l->kind == LK__LINEAR;
    s->has_bias = l->bias;
    int kh = s->linear ? x->h : l->kernel, kw = s->linear ? x->w : l->kernel;
    dnnl_data_type_t type = op->type == LK_PRECISION_BF16 ? dnnl_bf16 : dnnl_f32,
                     out_type = op->out_type == LK_PRECISION_BF16 ? dnnl_bf16 : dnnl_f32;
    lk__act_desc(x, op->images, op->type, &s->x);
    lk__act_desc(y, op->images, op->out_type, &s->y);
    lk__act_desc(y, op->images, op->type, &s->dy);
    dnnl_dims_t w = {y->c, x->c, kh, kw}, channels = {y->c}, flat = {op->images, y->c};
    dnnl_status_t e = dnnl_memory_desc_init_by_tag(&s->w_any, 4, w, type, dnnl_format_tag_any);
    if (!e) e = dnnl_memory_desc_init_by_tag(&s->w_plain, 4, w, dnnl_f32, dnnl_oihw);
    if (!e) e = dnnl_memory_desc_init_by_tag(&s->dw_any, 4, w, dnnl_f32, dnnl_format_tag_any);
    if (!e) e = dnnl_memory_desc_init_by_tag(&s->bias, 1, channels, dnnl_f32, dnnl_a);
    if (!e && s->linear) e = dnnl_memory_desc_init_by_tag(&s->y, 2, flat, out_type, dnnl_ab);
    if (!e && s->linear) e = dnnl_memory_desc_init_by_tag(&s->dy, 2, flat, type, dnnl_ab);
    for (int i = 0; i < 2; i++) s->stride[i] = l->stride, s->pad[i] = l->pad;
    return e;
}

static dnnl_status_t make_forward(const lk__context *k, conv *c, const shapes *s,
                                  dnnl_primitive_desc_t *desc) {
    dnnl_convolution_desc_t d;
    dnnl_inner_product_desc_t p;
    const dnnl_memory_desc_t *bias = s->has_bias ? &s->bias : NULL;
    dnnl_prop_kind_t prop = k->training ? dnnl_forward_training : dnnl_forward_inference;
    dnnl_status_t e =
        s->linear ? dnnl_inner_product_forward_desc_init(&p, prop, &s->x, &s->w_any, bias, &s->y)
                  : dnnl_convolution_forward_desc_init(&d, prop, dnnl_convolution_direct, &s->x, &s->w_any,
                                                       bias, &s->y, s->stride, s->pad, s->pad);
    if (!e)
        e = lk__desc_new(s->linear ? (const_dnnl_op_desc_t)&p : (const_dnnl_op_desc_t)&d, k->engine, NULL,
                         false, desc);
    if (e) return e;
    const dnnl_memory_desc_t *w = dnnl_primitive_desc_query_md(*desc, dnnl_query_weights_md, 0);
    lk__arg args[] = {
        {DNNL_ARG_SRC, &s->x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, &s->y}, {DNNL_ARG_BIAS, &s->bias}};
    e = lk__kernel_new(*desc, k, s->has_bias ? 4 : 3, args, &c->forward);
    return e ? e : copy_new(k, c->weight->value, &s->w_plain, w, &c->w_forward);
}

/* The forward pass that backward kernels take as a hint: of training, in the type of the gradient. */
static dnnl_status_t make_hint(const lk__context *k, const shapes *s, dnnl_primitive_desc_t *desc) {
    dnnl_convolution_desc_t d;
    dnnl_inner_product_desc_t p;
    const dnnl_memory_desc_t *bias = s->has_bias ? &s->bias : NULL;
    dnnl_status_t e =
        s->linear
            ? dnnl_inner_product_forward_desc_init(&p, dnnl_forward_training, &s->x, &s->w_any, bias, &s->dy)
            : dnnl_convolution_forward_desc_init(&d, dnnl_forward_training, dnnl_convolution_direct, &s->x,
                                                 &s->w_any, bias, &s->dy, s->stride, s->pad, s->pad);
    return e ? e
             : lk__desc_new(s->linear ? (const_dnnl_op_desc_t)&p : (const_dnnl_op_desc_t)&d, k->engine, NULL,
                            false, desc);
}

static dnnl_status_t make_weights(const lk__context *k, conv *c, const shapes *s,
                                  dnnl_primitive_desc_t hint) {
    dnnl_convolution_desc_t d;
    dnnl_inner_product_desc_t p;
    dnnl_primitive_desc_t desc;
    const dnnl_memory_desc_t *bias = s->has_bias ? &s->bias : NULL;
    dnnl_status_t e =
        s->linear
            ? dnnl_inner_product_backward_weights_desc_init(&p, &s->x, &s->dw_any, bias, &s->dy)
            : dnnl_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct, &s->x, &s->dw_any,
                                                          bias, &s->dy, s->stride, s->pad, s->pad);
    if (!e)
        e = lk__desc_new(s->linear ? (const_dnnl_op_desc_t)&p : (const_dnnl_op_desc_t)&d, k->engine, hint,
                         false, &desc);
    if (e) return e;
    const dnnl_memory_desc_t *dw = dnnl_primitive_desc_query_md(desc, dnnl_query_diff_weights_md, 0);
    lk__arg args[] = {{DNNL_ARG_SRC, &s->x},
                      {DNNL_ARG_DIFF_DST, &s->dy},
                      {DNNL_ARG_DIFF_WEIGHTS, dw},
                      {DNNL_ARG_DIFF_BIAS, &s->bias}};
    e = lk__kernel_new(desc, k, s->has_bias ? 4 : 3, args, &c->backward_weights);
    if (!e && !dnnl_memory_desc_equal(dw, &s->w_plain))
        e = lk__kernel_new_reorder(dw, &s->w_plain, k, &c->store);
    c->dw_bytes = (dnnl_memory_desc_get_size(dw) + 63) / 64 * 64;
    c->op.weight_bytes = c->dw_bytes + (s->has_bias ? c->bias->count * sizeof(float) : 0);
    dnnl_primitive_desc_destroy(desc);
    return e;
}

static dnnl_status_t make_data(const lk__context *k, conv *c, const shapes *s, dnnl_primitive_desc_t hint) {
    dnnl_convolution_desc_t d;
    dnnl_inner_product_desc_t p;
    dnnl_primitive_desc_t desc;
    dnnl_status_t e =
        s->linear ? dnnl_inner_product_backward_data_desc_init(&p, &s->x, &s->w_any, &s->dy)
                  : dnnl_convolution_backward_data_desc_init(&d, dnnl_convolution_direct, &s->x, &s->w_any,
                                                             &s->dy, s->stride, s->pad, s->pad);
    if (!e)
        e = lk__desc_new(s->linear ? (const_dnnl_op_desc_t)&p : (const_dnnl_op_desc_t)&d, k->engine, hint,
                         false, &desc);
    if (e) return e;
    const dnnl_memory_desc_t *w = dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
    lk__arg args[] = {{DNNL_ARG_DIFF_DST, &s->dy}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DIFF_SRC, &s->x}};
    e = lk__kernel_new(desc, k, 3, args, &c->backward_data);
    if (!e) e = copy_new(k, c->weight->value, &s->w_plain, w, &c->w_backward);
    dnnl_primitive_desc_destroy(desc);
    return e;
}

static dnnl_status_t make_all(const lk__context *k, conv *c, const shapes *s) {
    dnnl_primitive_desc_t forward = NULL, hint = NULL;
    dnnl_status_t e = make_forward(k, c, s, &forward);
    if (!e && k->training) {
        e = make_hint(k, s, &hint);
        if (!e) e = make_weights(k, c, s, hint);
        if (!e) e = make_data(k, c, s, hint);
    }
    if (forward) dnnl_primitive_desc_destroy(forward);
    if (hint) dnnl_primitive_desc_destroy(hint);
    return e;
}

static lk_status conv_new(const lk__context *k, const lk__op *as, const lk__act *x, const lk__act *y,
                          lk__op **out, lk_error *err) {
    conv *c = calloc(1, sizeof *c);
    if (!c) return lk__fail_memory(err, sizeof *c, "a convolution");
    c->op = *as;
    c->streams = k->streams;
    c->weight = lk__weights_find(k->weights, k->index, "weight");
    c->bias = lk__weights_find(k->weights, k->index, "bias");
    const lk__layer *l = k->layer;
    snprintf(c->op.what, sizeof c->op.what, "%s %dx%d%s %d->%d @%d", lk__kind_name(l->kind), l->kernel,
             l->kernel, l->stride > 1 ? " /2" : "", l->in_c, l->out, l->out_h);
    c->op.flops = 2.0 * (double)c->weight->count * l->out_h * l->out_w;
    shapes s = {0};
    dnnl_status_t e = describe(k, x, y, &c->op, &s);
    if (!e) e = make_all(k, c, &s);
    if (e) {
        conv_free(&c->op);
        return lk__dnnl_check(e, "a convolution", err);
    }
    size_t *most = &c->op.scratch_bytes;
    *most = c->forward.scratch_bytes;
    if (c->backward_data.scratch_bytes > *most) *most = c->backward_data.scratch_bytes;
    if (c->backward_weights.scratch_bytes > *most) *most = c->backward_weights.scratch_bytes;
    *out = &c->op;
    return LK_OK;
}

lk_status lk__conv_new(const lk__context *k, const lk__act *x, const lk__act *y, lk__op **out,
                       lk_error *err) {
    lk__op op = {.type = k->type,
                 .out_type = y->type,
                 .images = k->images,
                 .needs_x = true,
                 .load = conv_load,
                 .forward = conv_forward,
                 .backward = conv_backward,
                 .finish = conv_finish,
                 .free = conv_free};
    return conv_new(k, &op, x, y, out, err);
}
