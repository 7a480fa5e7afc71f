/* op.h: what the steps of a net have in common.
 *
 * A step (op) makes one activation from one or two others, and hands a gradient back. It sees a unit of work
 * at a time: a few images, or a few runs of one block of channels, small enough to stay in the cache of the
 * core that works on it. Everything around the kernel itself is the same for all steps and is done in run.c,
 * on the same unit while it is hot: normalising what is read, statistics of what is written, the gradient
 * through norm and rectifier. Steps that are `raw` do that themselves, where they can in a pass they make
 * anyway.
 *
 * Activations lie in blocks of channels, as the vector kernels want them, from the first convolution to the
 * last, so that nothing is reordered between layers:
 *
 *   (n, C / block, h * w, block)    block 16 with AVX-512, 8 with AVX2; 1 (n, C, h, w) if C is no multiple
 *
 * One (h * w, block) is a run. */
#ifndef LK_OP_H
#define LK_OP_H

#include "nn/net.h"
#include "nn/vec.h"

#include <oneapi/dnnl/dnnl.h>

typedef struct lk__norm lk__norm;

typedef struct lk__act {
    int n, c, h, w, block;
    lk_precision type;
    /* Batch norm and rectifier that what is stored still waits for: a reader applies them. NULL: none. In
     * inference they were applied when it was written, unless it is `late`. */
    lk__norm *norm;
    bool late;
    size_t value, grad; /* places among the activations of a worker; grad in training only */
    int value_buffer, grad_buffer;
} lk__act;

static inline size_t lk__act_count(const lk__act *a) {
    return (size_t)a->n * (size_t)a->c * (size_t)a->h * (size_t)a->w;
}
static inline size_t lk__act_blocks(const lk__act *a) {
    return (size_t)(a->c / a->block);
}
/* Values in one run, and bytes. */
static inline size_t lk__act_run(const lk__act *a) {
    return (size_t)a->h * (size_t)a->w * (size_t)a->block;
}
static inline size_t lk__act_run_bytes(const lk__act *a) {
    return lk__act_run(a) * lk__type_bytes(a->type);
}

/* One call of a step's kernel. */
typedef struct lk__job {
    int worker;        /* which thread's scratch memory this is */
    bool lane_begins;  /* first unit of its lane: write the sum, do not add */
    size_t run, runs;  /* steps by run: which runs of the batch */
    const void *in[2]; /* forward, and backward if needs_x */
    void *out;         /* forward */
    const void *dout;  /* backward */
    void *din[2];      /* backward; NULL: nobody wants it */
    void *sum, *spare; /* (weight_bytes) each: this lane's sum over the batch, and a place beside it */
    void *scratch;     /* (scratch_bytes) */
    /* For raw steps: in, dout and y (what forward wrote) are as stored, and these are what they wait for; in
     * inference out_norm is what out has to be given. NULL: nothing. */
    const lk__norm *in_norm[2], *out_norm;
    const void *y;
} lk__job;

/* What a step reads, and in backward where its gradient goes. */
typedef struct lk__slot {
    lk__act *act;    /* NULL: the step has no such input */
    bool wants_grad; /* false for the photos */
    bool adds;       /* a later step has put its share there already */
    bool last;       /* no share comes after this one */
} lk__slot;

typedef struct lk__op lk__op;
struct lk__op {
    lk__slot in[2];
    lk__act *y;
    int layer;         /* the first it does */
    lk_precision type; /* in which its kernel reads, and writes gradients */
    lk_precision out_type;
    int images;           /* a unit is exactly this many images; 0: any number of runs */
    bool needs_x;         /* backward reads in[] */
    bool raw;             /* reads stored values and normalises them itself */
    size_t scratch_bytes; /* of one worker */
    size_t weight_bytes;  /* of one lane's sum over the batch, 0: none */
    char what[40];
    double flops; /* of one image, forward */

    void (*load)(lk__op *op); /* weights changed; NULL: has none */
    void (*forward)(lk__op *op, const lk__job *job);
    void (*backward)(lk__op *op, const lk__job *job);
    void (*finish)(lk__op *op, float *sums, int lanes); /* after the batch, if weight_bytes */
    void (*free)(lk__op *op);
};

/* What an op needs to be made. */
typedef struct lk__context {
    dnnl_engine_t engine;
    dnnl_stream_t *streams; /* (workers) */
    int workers;
    const lk_ranks *ranks;
    lk__weights *weights;
    const lk__layer *layer;
    int index; /* of the layer */
    bool training;
    lk_precision type; /* in which oneDNN computes this step */
    int images;        /* in a unit, for steps that want whole images; a divisor of the batch */
} lk__context;

/* One maker a file. Shapes are in x and y; op->in, y, layer are set by the caller afterwards. */
lk_status lk__conv_new(const lk__context *context, const lk__act *x, const lk__act *y, lk__op **out,
                       lk_error *err);
/* 3x3, stride 1, enough tiles. */
bool lk__winograd_suits(const lk__context *context, const lk__act *x, const lk__act *y);
lk_status lk__winograd_new(const lk__context *context, const lk__act *x, const lk__act *y, lk__op **out,
                           lk_error *err);
lk_status lk__dwconv_new(const lk__context *context, const lk__act *x, const lk__act *y, lk__op **out,
                         lk_error *err);
lk_status lk__global_new(const lk__context *context, const lk__act *x, const lk__act *y, lk__op **out,
                         lk_error *err);
lk_status lk__maxpool_new(const lk__context *context, const lk__act *x, const lk__act *y, lk__op **out,
                          lk_error *err);
lk_status lk__avgpool_new(const lk__context *context, const lk__act *x, const lk__act *y, lk__op **out,
                          lk_error *err);
lk_status lk__zeropad_new(const lk__context *context, const lk__act *x, const lk__act *y, lk__op **out,
                          lk_error *err);
lk_status lk__add_new(const lk__context *context, const lk__act *x, const lk__act *y, lk__op **out,
                      lk_error *err);
/* To (h, w, c), flat. */
lk_status lk__output_new(const lk__context *context, const lk__act *x, const lk__act *y, lk__op **out,
                         lk_error *err);
lk_status lk__l2norm_new(const lk__context *context, const lk__act *x, const lk__act *y, lk__op **out,
                         lk_error *err);

/* ---- batch norm and rectifier (norm.c): not a step, but something an activation waits for ---- */

/* batchnorm, activation: indices of layers, or -1. */
lk_status lk__norm_new(const lk__context *context, int batchnorm, int activation, const lk__act *act,
                       lk__norm **out, lk_error *err);
void lk__norm_free(lk__norm *norm);
void lk__norm_load(lk__norm *norm);
bool lk__norm_has_statistics(const lk__norm *norm);
/* Training, forward: look at every run as it is written, then close. Run `run` of the batch lies at x. */
void lk__norm_look(lk__norm *norm, size_t run, const void *x);
void lk__norm_close(lk__norm *norm);
/* Backward: look at every run of x and of the gradient of what was made of it, then close. */
void lk__norm_look_back(lk__norm *norm, size_t run, const void *x, const void *dy);
void lk__norm_close_back(lk__norm *norm);

/* The parameters of one run, spread over 16 lanes: lane i is channel i % block. norm NULL: values stay what
 * they are, for another type. */
typedef struct lk__lanes {
    lk__v16 scale, shift, slope, centre, dx_shift, dx_slope;
} lk__lanes;
const lk__lanes *lk__lanes_of(const lk__norm *norm, size_t run);
/* y = rectified, normalised x. */
void lk__lanes_apply(const lk__lanes *lanes, size_t count, const void *x, lk_precision x_type, void *y,
                     lk_precision y_type);
/* y = the sum of two, each of them rectified and normalised; of one type all. */
void lk__lanes_add(const lk__lanes *x_lanes, const lk__lanes *r_lanes, size_t count, const void *x,
                   const void *r, void *y, lk_precision type);
/* dx, the gradient of x, from dy, that of y; x and dy of one type. */
void lk__lanes_gradient(const lk__lanes *lanes, size_t count, const void *x, const void *dy,
                        lk_precision type, void *dx, lk_precision dx_type);

/* to[i] += from[i] */
void lk__add_values(const void *from, lk_precision from_type, void *to, lk_precision to_type, size_t count);
/* The sum of `lanes` arrays (lanes, count) into the first of them, in order, on all threads. */
void lk__sum_lanes(float *values, size_t count, int lanes);

/* ---- oneDNN in short (dnnl.c) ---- */

enum { LK__ARGS_MAX = 5 };

/* A primitive on one thread, run by many at once: memory objects for each worker; scratch memory comes from
 * us (by itself oneDNN leaves it with the thread that made the primitive, and another thread crashes). */
typedef struct lk__kernel {
    dnnl_primitive_t primitive; /* NULL: nothing to do */
    int args, id[LK__ARGS_MAX];
    int workers;
    dnnl_memory_t *memory; /* (workers, args + 1): the last is the scratch memory */
    size_t scratch_bytes;
} lk__kernel;

/* What a kernel reads or writes: argument, layout. */
typedef struct lk__arg {
    int id;
    const dnnl_memory_desc_t *desc;
} lk__arg;

lk_status lk__dnnl_check(dnnl_status_t status, const char *what, lk_error *err);
/* Block size of this processor's fast layout: 16 or 8. */
int lk__dnnl_block(void);
/* Does oneDNN compute in bf16 here? */
bool lk__dnnl_bf16(void);
/* `images` of an activation, in values of `type`. */
void lk__act_desc(const lk__act *a, int images, lk_precision type, dnnl_memory_desc_t *desc);
/* From the description of an operation (hint: that of its forward pass, or NULL; adds: to what its output
 * holds). *desc is to be destroyed. */
dnnl_status_t lk__desc_new(const_dnnl_op_desc_t op, dnnl_engine_t engine, dnnl_primitive_desc_t hint,
                           bool adds, dnnl_primitive_desc_t *desc);
dnnl_status_t lk__kernel_new(dnnl_primitive_desc_t desc, const lk__context *context, int args,
                             const lk__arg *arg, lk__kernel *out);
/* From one layout to another, on all threads, with scratch memory of its own. */
dnnl_status_t lk__kernel_new_reorder(const dnnl_memory_desc_t *from, const dnnl_memory_desc_t *to,
                                     const lk__context *context, lk__kernel *out);
void lk__kernel_free(lk__kernel *kernel);
/* data (args), in the order the kernel was made with. */
void lk__kernel_run(const lk__kernel *kernel, dnnl_stream_t stream, int worker, void *scratch,
                    void *const *data);

#endif
