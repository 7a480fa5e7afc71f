/* conv.c: convolution and depthwise convolution, y = w * x (+ b), through oneDNN. Also the linear layer,
 * which is a convolution whose kernel is the whole activation (oneDNN calls it inner product and is faster at
 * it).
 *
 *   forward            y[n,o,i,j]  = b[o] + sum_{c,u,v} w[o,c,u,v] x[n,c,i*s+u-p,j*s+v-p]
 *   backward data      dx[n,c,..]  = sum_o w[o,c,u,v] dy[n,o,..]
 *   backward weights   dw[o,c,u,v] = sum_{n,i,j} x[n,c,..] dy[n,o,i,j],  db[o] = sum dy
 *
 * The master weights lie as the model file has them, (o, c, u, v) in f32; each kernel gets a copy in its own
 * layout when the weights change (1M floats: well under 1 % of a step). */
#include "nn/op.h"

#include <stdlib.h>
#include <string.h>

typedef struct conv {
    lk__op op; /* first: an lk__op * is a conv * */
    dnnl_stream_t stream;
    lk__kernel forward, backward_data, backward_weights;
    lk__kernel load_forward, load_backward, store_grad; /* reorders; nothing where layouts agree */
    dnnl_memory_t x, y, dx, dy, bias, dbias;
    dnnl_memory_t w, w_forward, w_backward; /* master, copies */
    dnnl_memory_t dw, dw_kernel;
} conv;

static void run2(conv *c, const lk__kernel *k, dnnl_memory_t from, dnnl_memory_t to) {
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    lk__kernel_run(k, c->stream, 2, args);
}

static void conv_load(lk__op *op) {
    conv *c = (conv *)op;
    run2(c, &c->load_forward, c->w, c->w_forward);
    run2(c, &c->load_backward, c->w, c->w_backward);
}

static void conv_forward(lk__op *op) {
    conv *c = (conv *)op;
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, c->x},
                              {DNNL_ARG_WEIGHTS, c->w_forward},
                              {DNNL_ARG_DST, c->y},
                              {DNNL_ARG_BIAS, c->bias}};
    lk__kernel_run(&c->forward, c->stream, c->bias ? 4 : 3, args);
}

static void conv_backward(lk__op *op) {
    conv *c = (conv *)op;
    dnnl_exec_arg_t weights[] = {{DNNL_ARG_SRC, c->x},
                                 {DNNL_ARG_DIFF_DST, c->dy},
                                 {DNNL_ARG_DIFF_WEIGHTS, c->dw_kernel},
                                 {DNNL_ARG_DIFF_BIAS, c->dbias}};
    lk__kernel_run(&c->backward_weights, c->stream, c->bias ? 4 : 3, weights);
    run2(c, &c->store_grad, c->dw_kernel, c->dw);
    if (!op->x_grad) return;
    dnnl_exec_arg_t data[] = {
        {DNNL_ARG_DIFF_DST, c->dy}, {DNNL_ARG_WEIGHTS, c->w_backward}, {DNNL_ARG_DIFF_SRC, c->dx}};
    lk__kernel_run(&c->backward_data, c->stream, 3, data);
    if (op->x_accumulate) lk__accumulate(op->scratch, op->x->grad, lk__act_count(op->x));
}

static void conv_bind(lk__op *op) {
    conv *c = (conv *)op;
    dnnl_memory_set_data_handle(c->x, op->x->value);
    dnnl_memory_set_data_handle(c->y, op->y->value);
    lk__kernel_place(&c->forward, op->kernel_scratch);
    lk__kernel_place(&c->backward_data, op->kernel_scratch);
    lk__kernel_place(&c->backward_weights, op->kernel_scratch);
    if (!c->backward_weights.primitive) return;
    dnnl_memory_set_data_handle(c->dy, op->y->grad);
    if (op->x_grad) dnnl_memory_set_data_handle(c->dx, op->x_accumulate ? op->scratch : op->x->grad);
}

static void conv_free(lk__op *op) {
    conv *c = (conv *)op;
    lk__kernel *kernels[] = {&c->forward,      &c->backward_data, &c->backward_weights,
                             &c->load_forward, &c->load_backward, &c->store_grad};
    if (c->w_forward == c->w) c->w_forward = NULL;
    if (c->w_backward == c->w) c->w_backward = NULL;
    if (c->dw_kernel == c->dw) c->dw_kernel = NULL;
    dnnl_memory_t memories[] = {c->x, c->y,         c->dx,         c->dy, c->bias,     c->dbias,
                                c->w, c->w_forward, c->w_backward, c->dw, c->dw_kernel};
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) lk__kernel_free(kernels[i]);
    for (size_t i = 0; i < sizeof memories / sizeof *memories; i++)
        if (memories[i]) dnnl_memory_destroy(memories[i]);
    free(c);
}

/* A kernel's own copy of the master weights, and the reorder between them (from or to the master). */
static dnnl_status_t copy_of(const lk__context *k, dnnl_memory_t master, const dnnl_memory_desc_t *wanted,
                             bool to_master, dnnl_memory_t *memory, lk__kernel *reorder) {
    const dnnl_memory_desc_t *plain;
    dnnl_memory_get_memory_desc(master, &plain);
    if (dnnl_memory_desc_equal(plain, wanted)) {
        *memory = master;
        return dnnl_success;
    }
    dnnl_status_t s = dnnl_memory_create(memory, wanted, k->engine, DNNL_MEMORY_ALLOCATE);
    if (s) return s;
    return lk__kernel_new_reorder(to_master ? wanted : plain, to_master ? plain : wanted, k->engine, reorder);
}

typedef struct shapes {
    dnnl_memory_desc_t x, y, w_any, w_plain, bias;
    dnnl_dims_t stride, pad;
    dnnl_alg_kind_t algorithm;
    bool has_bias, linear;
} shapes;

static dnnl_status_t describe(const lk__context *k, const lk__act *x, const lk__act *y, shapes *s) {
    const lk__layer *l = k->layer;
    bool depthwise = l->kind == LK__DWCONV;
    s->linear = l->kind == LK__LINEAR;
    s->has_bias = l->bias;
    int kh = s->linear ? x->h : l->kernel, kw = s->linear ? x->w : l->kernel, rank = depthwise ? 5 : 4;
    lk__act_desc(x, &s->x);
    lk__act_desc(y, &s->y);
    dnnl_dims_t dense = {y->c, x->c, kh, kw}, grouped = {x->c, 1, 1, kh, kw}, channels = {y->c},
                flat = {y->n, y->c};
    dnnl_status_t e = dnnl_memory_desc_init_by_tag(&s->w_any, rank, depthwise ? grouped : dense, dnnl_f32,
                                                   dnnl_format_tag_any);
    if (!e)
        e = dnnl_memory_desc_init_by_tag(&s->w_plain, rank, depthwise ? grouped : dense, dnnl_f32,
                                         depthwise ? dnnl_goihw : dnnl_oihw);
    if (!e) e = dnnl_memory_desc_init_by_tag(&s->bias, 1, channels, dnnl_f32, dnnl_a);
    if (!e && s->linear) e = dnnl_memory_desc_init_by_tag(&s->y, 2, flat, dnnl_f32, dnnl_ab);
    for (int i = 0; i < 2; i++) s->stride[i] = l->stride, s->pad[i] = l->pad;
    return e;
}

/* One operation of the three; w is the descriptor of weights or of their gradient. */
static dnnl_status_t make(const lk__context *k, const shapes *s, dnnl_prop_kind_t pass,
                          dnnl_primitive_desc_t hint, dnnl_primitive_desc_t *desc, lk__kernel *kernel,
                          size_t *bytes) {
    dnnl_convolution_desc_t c;
    dnnl_inner_product_desc_t p;
    const dnnl_memory_desc_t *bias = s->has_bias ? &s->bias : NULL;
    const_dnnl_op_desc_t op = s->linear ? (const_dnnl_op_desc_t)&p : (const_dnnl_op_desc_t)&c;
    dnnl_status_t e;
    if (pass == dnnl_backward_data)
        e = s->linear ? dnnl_inner_product_backward_data_desc_init(&p, &s->x, &s->w_any, &s->y)
                      : dnnl_convolution_backward_data_desc_init(&c, s->algorithm, &s->x, &s->w_any, &s->y,
                                                                 s->stride, s->pad, s->pad);
    else if (pass == dnnl_backward_weights)
        e = s->linear ? dnnl_inner_product_backward_weights_desc_init(&p, &s->x, &s->w_any, bias, &s->y)
                      : dnnl_convolution_backward_weights_desc_init(&c, s->algorithm, &s->x, &s->w_any, bias,
                                                                    &s->y, s->stride, s->pad, s->pad);
    else
        e = s->linear ? dnnl_inner_product_forward_desc_init(&p, pass, &s->x, &s->w_any, bias, &s->y)
                      : dnnl_convolution_forward_desc_init(&c, pass, s->algorithm, &s->x, &s->w_any, bias,
                                                           &s->y, s->stride, s->pad, s->pad);
    return e ? e : lk__kernel_new(op, k->engine, hint, desc, kernel, bytes);
}

static dnnl_status_t make_all(const lk__context *k, conv *c, const shapes *s) {
    size_t *bytes = &c->op.kernel_bytes;
    dnnl_primitive_desc_t forward, desc;
    dnnl_status_t e = make(k, s, k->training ? dnnl_forward_training : dnnl_forward_inference, NULL, &forward,
                           &c->forward, bytes);
    if (e) return e;
    e = copy_of(k, c->w, dnnl_primitive_desc_query_md(forward, dnnl_query_weights_md, 0), false,
                &c->w_forward, &c->load_forward);
    if (!e && k->training) {
        e = make(k, s, dnnl_backward_weights, forward, &desc, &c->backward_weights, bytes);
        if (!e) {
            e = copy_of(k, c->dw, dnnl_primitive_desc_query_md(desc, dnnl_query_diff_weights_md, 0), true,
                        &c->dw_kernel, &c->store_grad);
            dnnl_primitive_desc_destroy(desc);
        }
        if (!e) e = make(k, s, dnnl_backward_data, forward, &desc, &c->backward_data, bytes);
        if (!e) {
            e = copy_of(k, c->w, dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0), false,
                        &c->w_backward, &c->load_backward);
            dnnl_primitive_desc_destroy(desc);
        }
    }
    dnnl_primitive_desc_destroy(forward);
    return e;
}

/* Winograd (Lavin & Gray 2016) trades multiplications for additions: 1.4 times the speed of a whole training
 * step here. Only in training: one photo at a time the direct kernels are as fast, and need no large scratch
 * memory. */
static bool winograd_suits(const lk__context *k) {
    const lk__layer *l = k->layer;
    return k->training && l->kind == LK__CONV && l->kernel == 3 && l->stride == 1 && l->in_c % 16 == 0 &&
           l->out % 16 == 0;
}

static lk_status conv_new(const lk__context *k, dnnl_alg_kind_t algorithm, lk__act *x, lk__act *y,
                          lk__op **out, lk_error *err) {
    conv *c = calloc(1, sizeof *c);
    if (!c) return lk__fail_memory(err, sizeof *c, "a convolution");
    c->op = (lk__op){.bind = conv_bind,
                     .load = conv_load,
                     .forward = conv_forward,
                     .backward = conv_backward,
                     .free = conv_free,
                     .needs_x = true};
    c->stream = k->stream;
    lk__param *w = lk__weights_find(k->weights, k->index, "weight"),
              *b = lk__weights_find(k->weights, k->index, "bias");
    shapes s = {.algorithm = algorithm};
    dnnl_status_t e = describe(k, x, y, &s);
    if (!e) e = dnnl_memory_create(&c->w, &s.w_plain, k->engine, w->value);
    if (!e) e = dnnl_memory_create(&c->x, &s.x, k->engine, DNNL_MEMORY_NONE);
    if (!e) e = dnnl_memory_create(&c->y, &s.y, k->engine, DNNL_MEMORY_NONE);
    if (!e && b) e = dnnl_memory_create(&c->bias, &s.bias, k->engine, b->value);
    if (!e && k->training) e = dnnl_memory_create(&c->dw, &s.w_plain, k->engine, w->grad);
    if (!e && k->training) e = dnnl_memory_create(&c->dx, &s.x, k->engine, DNNL_MEMORY_NONE);
    if (!e && k->training) e = dnnl_memory_create(&c->dy, &s.y, k->engine, DNNL_MEMORY_NONE);
    if (!e && k->training && b) e = dnnl_memory_create(&c->dbias, &s.bias, k->engine, b->grad);
    if (!e) e = make_all(k, c, &s);
    if (e) {
        conv_free(&c->op);
        return lk__dnnl_check(e, "a convolution", err);
    }
    *out = &c->op;
    return LK_OK;
}

lk_status lk__conv_new(const lk__context *k, lk__act *x, lk__act *y, lk__op **out, lk_error *err) {
    if (winograd_suits(k) && conv_new(k, dnnl_convolution_winograd, x, y, out, NULL) == LK_OK) return LK_OK;
    return conv_new(k, dnnl_convolution_direct, x, y, out, err);
}
