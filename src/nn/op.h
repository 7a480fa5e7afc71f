/* op.h: what the steps of a net have in common. A step (op) reads activations, writes one, and knows how to
 * carry a gradient back. Activations lie in blocks of channels, as oneDNN's vector kernels want them:
 *
 *   (n, C / block, h * w, block)    block = 16 with AVX-512, 8 with AVX2; 1 (plain n, C, h, w) if C is no
 * multiple
 *
 * from the first convolution to the last, so that nothing is reordered between layers. */
#ifndef LK_OP_H
#define LK_OP_H

#include "nn/net.h"

#include <oneapi/dnnl/dnnl.h>

/* A buffer in the arena: live from step `first` to `last`; offset set by the planner. */
typedef struct lk__buffer {
    size_t bytes, offset;
    int first, last;
} lk__buffer;

typedef struct lk__act {
    int n, c, h, w, block;
    int value_buffer, grad_buffer; /* index in the plan; grad -1 without training */
    float *value, *grad;           /* set when the plan is bound */
    bool grad_written;             /* while compiling backward: some consumer has already put its share in */
} lk__act;

static inline size_t lk__act_count(const lk__act *a) {
    return (size_t)a->n * (size_t)a->c * (size_t)a->h * (size_t)a->w;
}

typedef struct lk__op lk__op;
struct lk__op {
    lk__act *x, *y, *residual;              /* in, out, second in (or NULL) */
    bool x_accumulate, residual_accumulate; /* backward adds to the gradient rather than writing it */
    bool x_grad; /* false for the first layer: nobody needs the gradient of a photo */
    bool needs_x, needs_y, needs_residual; /* values that backward reads */
    bool by_value;                         /* out and in may be the same memory */
    int scratch_buffer;                    /* of its backward step, -1: none */
    float *scratch;
    size_t kernel_bytes; /* scratch memory that oneDNN's kernels want while they run, 0: none */
    int kernel_buffer;
    void *kernel_scratch;

    void (*bind)(lk__op *op); /* pointers are known now */
    void (*load)(lk__op *op); /* weights changed */
    void (*forward)(lk__op *op);
    void (*backward)(lk__op *op);
    void (*free)(lk__op *op);
};

/* What an op needs to be made. */
typedef struct lk__context {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    lk__weights *weights;
    const lk__layer *layer;
    int index; /* of the layer */
    bool training;
} lk__context;

/* One maker a file. x, y (and residual) are set in *op by the caller afterwards; shapes are in x and y. */
lk_status lk__conv_new(const lk__context *context, lk__act *x, lk__act *y, lk__op **out, lk_error *err);
lk_status lk__gdconv_new(const lk__context *context, lk__act *x, lk__act *y, lk__op **out, lk_error *err);
lk_status lk__maxpool_new(const lk__context *context, lk__act *x, lk__act *y, lk__op **out, lk_error *err);
lk_status lk__avgpool_new(const lk__context *context, lk__act *x, lk__act *y, lk__op **out, lk_error *err);
lk_status lk__l2norm_new(const lk__context *context, lk__act *x, lk__act *y, lk__op **out, lk_error *err);
/* batch norm, residual and activation as one step, each optional: indices of the layers, or -1. */
lk_status lk__norm_new(const lk__context *context, int batchnorm, int activation, lk__act *x,
                       lk__act *residual, lk__act *y, lk__op **out, lk_error *err);

/* to[i] += from[i], on all threads. */
void lk__accumulate(const float *from, float *to, size_t count);

/* ---- oneDNN in short (dnnl.c) ---- */

/* A kernel takes its scratch memory from us. By itself oneDNN leaves it with the thread that made the kernel,
 * and a kernel run by another thread crashes. */
typedef struct lk__kernel {
    dnnl_primitive_t primitive; /* NULL: nothing to do */
    dnnl_memory_t scratch;      /* NULL: needs none */
} lk__kernel;

lk_status lk__dnnl_check(dnnl_status_t status, const char *what, lk_error *err);
/* Block size of this processor's fast layout: 16 or 8. */
int lk__dnnl_block(void);
void lk__act_desc(const lk__act *a, dnnl_memory_desc_t *desc);
/* From the description of an operation (hint: that of its forward pass, or NULL). *desc is to be destroyed.
 * The scratch memory has no place yet; *bytes is raised to its size. */
dnnl_status_t lk__kernel_new(const_dnnl_op_desc_t op, dnnl_engine_t engine, dnnl_primitive_desc_t hint,
                             dnnl_primitive_desc_t *desc, lk__kernel *out, size_t *bytes);
/* From one layout to another, with scratch memory of its own. */
dnnl_status_t lk__kernel_new_reorder(const dnnl_memory_desc_t *from, const dnnl_memory_desc_t *to,
                                     dnnl_engine_t engine, lk__kernel *out);
void lk__kernel_free(lk__kernel *kernel);
void lk__kernel_place(lk__kernel *kernel, void *scratch);
void lk__kernel_run(const lk__kernel *kernel, dnnl_stream_t stream, int count, const dnnl_exec_arg_t *args);

/* Kernels of our own are compiled for each vector width and chosen when the program starts. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(LK_NO_CLONES)
#define LK__CLONES __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#else
#define LK__CLONES
#endif
/* 16 floats at a time; with block 8 or 1 a vector holds 2 or 16 pixels, so lane i is always channel i %
 * block. */
typedef float lk__v16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t lk__v16i __attribute__((vector_size(64), aligned(4), may_alias));

#endif
