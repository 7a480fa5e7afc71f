/* dwconv.c: depthwise convolution: every channel has a kernel of its own.
 *
 *   y[n,c,i,j]  = sum_{u,v} w[c,u,v] x[n,c,i*s+u-p,j*s+v-p]
 *   dx          = each dy put back through the same window
 *   dw[c,u,v]   = sum_{n,i,j} x[n,c,i*s+u-p,j*s+v-p] dy[n,c,i,j]
 *
 * oneDNN reaches a tenth of peak at it, so the kernels are ours: one run (one image, one block of channels)
 * at a time, copied into a frame of zeros as wide as the padding, after which no border needs a test. f32;
 * the planes of a run fit into the second level cache. */
#include "nn/op.h"

#include <stdlib.h>

typedef struct dwconv {
    lk__op op;
    lk__param *weight;
    int kernel, stride, pad;
    int h, w, oh, ow, block;
    int fh, fw; /* of the frame */
    size_t blocks;
    float *weights; /* (blocks, kernel * kernel, block) */
} dwconv;

typedef float v8 __attribute__((vector_size(32), aligned(4), may_alias));

/* The three loops for vectors of a block's width (V), with the kernel's size and stride as constants or not.
 */
#define KERNELS(NAME, V)                                                                                     \
    LK__INLINE void NAME##_forward(const float *frame, int fw, const float *weights, float *y, int oh,       \
                                   int ow, int k, int s) {                                                   \
        const V *x = (const V *)frame, *w = (const V *)weights;                                              \
        for (int i = 0; i < oh; i++) {                                                                       \
            int j = 0;                                                                                       \
            for (; j + 4 <= ow; j += 4) {                                                                    \
                V a = {0}, b = {0}, c = {0}, d = {0};                                                        \
                for (int u = 0; u < k; u++)                                                                  \
                    for (int v = 0; v < k; v++) {                                                            \
                        const V *p = x + (i * s + u) * fw + j * s + v, t = w[u * k + v];                     \
                        a += p[0] * t;                                                                       \
                        b += p[s] * t;                                                                       \
                        c += p[2 * s] * t;                                                                   \
                        d += p[3 * s] * t;                                                                   \
                    }                                                                                        \
                V *out = (V *)y + i * ow + j;                                                                \
                out[0] = a, out[1] = b, out[2] = c, out[3] = d;                                              \
            }                                                                                                \
            for (; j < ow; j++) {                                                                            \
                V a = {0};                                                                                   \
                for (int u = 0; u < k; u++)                                                                  \
                    for (int v = 0; v < k; v++) a += x[(i * s + u) * fw + j * s + v] * w[u * k + v];         \
                ((V *)y)[i * ow + j] = a;                                                                    \
            }                                                                                                \
        }                                                                                                    \
    }                                                                                                        \
    /* frame += the window's share of each dy */                                                             \
    LK__INLINE void NAME##_data(float *frame, int fw, const float *weights, const float *dy, int oh, int ow, \
                                int k, int s) {                                                              \
        V *dx = (V *)frame;                                                                                  \
        const V *w = (const V *)weights, *d = (const V *)dy;                                                 \
        for (int i = 0; i < oh; i++)                                                                         \
            for (int u = 0; u < k; u++)                                                                      \
                for (int v = 0; v < k; v++) {                                                                \
                    V t = w[u * k + v], *to = dx + (i * s + u) * fw + v;                                     \
                    for (int j = 0; j < ow; j++) to[j * s] += d[i * ow + j] * t;                             \
                }                                                                                            \
    }                                                                                                        \
    LK__INLINE void NAME##_weights(const float *frame, int fw, const float *dy, float *dw, int oh, int ow,   \
                                   int k, int s) {                                                           \
        const V *x = (const V *)frame, *d = (const V *)dy;                                                   \
        for (int u = 0; u < k; u++) {                                                                        \
            int v = 0;                                                                                       \
            for (; v + 3 <= k; v += 3) {                                                                     \
                V a = {0}, b = {0}, c = {0};                                                                 \
                for (int i = 0; i < oh; i++)                                                                 \
                    for (int j = 0; j < ow; j++) {                                                           \
                        const V *p = x + (i * s + u) * fw + j * s + v, g = d[i * ow + j];                    \
                        a += p[0] * g;                                                                       \
                        b += p[1] * g;                                                                       \
                        c += p[2] * g;                                                                       \
                    }                                                                                        \
                V *out = (V *)dw + u * k + v;                                                                \
                out[0] += a, out[1] += b, out[2] += c;                                                       \
            }                                                                                                \
            for (; v < k; v++) {                                                                             \
                V a = {0};                                                                                   \
                for (int i = 0; i < oh; i++)                                                                 \
                    for (int j = 0; j < ow; j++) a += x[(i * s + u) * fw + j * s + v] * d[i * ow + j];       \
                ((V *)dw)[u * k + v] += a;                                                                   \
            }                                                                                                \
        }                                                                                                    \
    }

KERNELS(wide, lk__v16)
KERNELS(half, v8)
KERNELS(one, float)

/* MobileFaceNet's windows get loops of their own. */
#define CHOOSE(WHAT, ...)                                                                                    \
    do {                                                                                                     \
        if (o->block == 16 && o->kernel == 3 && o->stride == 1)                                              \
            wide_##WHAT(__VA_ARGS__, 3, 1);                                                                  \
        else if (o->block == 16 && o->kernel == 3 && o->stride == 2)                                         \
            wide_##WHAT(__VA_ARGS__, 3, 2);                                                                  \
        else if (o->block == 16)                                                                             \
            wide_##WHAT(__VA_ARGS__, o->kernel, o->stride);                                                  \
        else if (o->block == 8)                                                                              \
            half_##WHAT(__VA_ARGS__, o->kernel, o->stride);                                                  \
        else                                                                                                 \
            one_##WHAT(__VA_ARGS__, o->kernel, o->stride);                                                   \
    } while (0)

LK__CLONES static void run_forward(const dwconv *o, const float *frame, const float *weights, float *y) {
    CHOOSE(forward, frame, o->fw, weights, y, o->oh, o->ow);
}

LK__CLONES static void run_data(const dwconv *o, float *frame, const float *weights, const float *dy) {
    CHOOSE(data, frame, o->fw, weights, dy, o->oh, o->ow);
}

LK__CLONES static void run_weights(const dwconv *o, const float *frame, const float *dy, float *dw) {
    CHOOSE(weights, frame, o->fw, dy, dw, o->oh, o->ow);
}

static void frame_fill(const dwconv *o, const float *x, float *frame) {
    size_t row = (size_t)(o->w * o->block), wide = (size_t)(o->fw * o->block);
    memset(frame, 0, (size_t)o->fh * wide * sizeof(float));
    for (int i = 0; i < o->h; i++)
        memcpy(frame + (size_t)(i + o->pad) * wide + o->pad * o->block, x + (size_t)i * row,
               row * sizeof(float));
}

static void frame_take(const dwconv *o, const float *frame, float *x) {
    size_t row = (size_t)(o->w * o->block), wide = (size_t)(o->fw * o->block);
    for (int i = 0; i < o->h; i++)
        memcpy(x + (size_t)i * row, frame + (size_t)(i + o->pad) * wide + o->pad * o->block,
               row * sizeof(float));
}

static const float *weights_of(const dwconv *o, size_t run) {
    return o->weights + run % o->blocks * (size_t)(o->kernel * o->kernel * o->block);
}

static void dwconv_load(lk__op *op) {
    dwconv *o = (dwconv *)op;
    size_t taps = (size_t)(o->kernel * o->kernel), block = (size_t)o->block;
    for (size_t c = 0; c < o->blocks * block; c++)
        for (size_t t = 0; t < taps; t++)
            o->weights[(c / block * taps + t) * block + c % block] = o->weight->value[c * taps + t];
}

static void dwconv_forward(lk__op *op, const lk__job *job) {
    dwconv *o = (dwconv *)op;
    size_t x_run = (size_t)(o->h * o->w * o->block), y_run = (size_t)(o->oh * o->ow * o->block);
    for (size_t i = 0; i < job->runs; i++) {
        frame_fill(o, (const float *)job->in[0] + i * x_run, job->scratch);
        run_forward(o, job->scratch, weights_of(o, job->run + i), (float *)job->out + i * y_run);
    }
}

static void dwconv_backward(lk__op *op, const lk__job *job) {
    dwconv *o = (dwconv *)op;
    size_t x_run = (size_t)(o->h * o->w * o->block), y_run = (size_t)(o->oh * o->ow * o->block);
    size_t taps = (size_t)(o->kernel * o->kernel * o->block);
    if (job->lane_begins) memset(job->sum, 0, op->weight_bytes);
    for (size_t i = 0; i < job->runs; i++) {
        const float *dy = (const float *)job->dout + i * y_run;
        frame_fill(o, (const float *)job->in[0] + i * x_run, job->scratch);
        run_weights(o, job->scratch, dy, (float *)job->sum + (job->run + i) % o->blocks * taps);
        if (!job->din[0]) continue;
        memset(job->scratch, 0, op->scratch_bytes);
        run_data(o, job->scratch, weights_of(o, job->run + i), dy);
        frame_take(o, job->scratch, (float *)job->din[0] + i * x_run);
    }
}

static void dwconv_finish(lk__op *op, float *sums, int lanes) {
    dwconv *o = (dwconv *)op;
    size_t taps = (size_t)(o->kernel * o->kernel), block = (size_t)o->block;
    lk__sum_lanes(sums, op->weight_bytes / sizeof(float), lanes);
    for (size_t c = 0; c < o->blocks * block; c++)
        for (size_t t = 0; t < taps; t++)
            o->weight->grad[c * taps + t] = sums[(c / block * taps + t) * block + c % block];
}

static void dwconv_free(lk__op *op) {
    free(((dwconv *)op)->weights);
    free(op);
}

lk_status lk__dwconv_new(const lk__context *k, const lk__act *x, const lk__act *y, lk__op **out,
                         lk_error *err) {
    dwconv *o = calloc(1, sizeof *o);
    if (!o) return lk__fail_memory(err, sizeof *o, "a depthwise convolution");
    const lk__layer *l = k->layer;
    *o = (dwconv){.op = {.needs_x = true,
                         .load = dwconv_load,
                         .forward = dwconv_forward,
                         .backward = dwconv_backward,
                         .finish = dwconv_finish,
                         .free = dwconv_free},
                  .weight = lk__weights_find(k->weights, k->index, "weight"),
                  .kernel = l->kernel,
                  .stride = l->stride,
                  .pad = l->pad,
                  .h = x->h,
                  .w = x->w,
                  .oh = y->h,
                  .ow = y->w,
                  .block = x->block,
                  .fh = x->h + 2 * l->pad,
                  .fw = x->w + 2 * l->pad,
                  .blocks = lk__act_blocks(x)};
    o->op.scratch_bytes = (size_t)(o->fh * o->fw * o->block) * sizeof(float);
    o->op.weight_bytes = o->weight->count * sizeof(float);
    o->op.flops = 2.0 * (double)o->weight->count * y->h * y->w;
    snprintf(o->op.what, sizeof o->op.what, "dwconv %dx%d%s %d @%d", l->kernel, l->kernel,
             l->stride > 1 ? " /2" : "", l->in_c, l->out_h);
    o->weights = malloc(o->op.weight_bytes);
    if (!o->weights) {
        dwconv_free(&o->op);
        return lk__fail_memory(err, o->op.weight_bytes, "a depthwise convolution");
    }
    *out = &o->op;
    return LK_OK;
}
