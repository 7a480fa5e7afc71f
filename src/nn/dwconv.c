/* dwconv.c: depthwise convolution: every channel has a kernel of its own.
 *
 *   y[n,c,i,j]  = sum_{u,v} w[c,u,v] x[n,c,i*s+u-p,j*s+v-p]
 *   dx          = each dy put back through the same window; with stride 1 a convolution with the kernel
 * turned round dw[c,u,v]   = sum_{n,i,j} x[n,c,i*s+u-p,j*s+v-p] dy[n,c,i,j]
 *
 * oneDNN reaches a tenth of peak at it, so the kernels are ours: one run (one image, one block of channels)
 * at a time, normalised on the way into a frame of zeros as wide as the padding, after which no border needs
 * a test. f32, whatever the activations are stored in. There is little arithmetic in it, so no pass over
 * memory is made twice: it reads raw values and writes rows as they are finished. */
#include "nn/op.h"

#include <stdlib.h>

typedef struct dwconv {
    lk__op op;
    lk__param *weight;
    int kernel, stride, pad;
    int h, w, oh, ow, block;
    int gap; /* zeros around dy: what its window needs with stride 1, else 0 */
    lk_precision x_type, y_type;
    size_t blocks;
    float *weights, *turned; /* (blocks, kernel * kernel, block) */
} dwconv;

typedef float v8 __attribute__((vector_size(32), aligned(4), may_alias));

/* One row of output, for vectors of a block's width (V). x is where its window begins in the frame, rows fw
 * apart. forward  y = w * x;   data  x += the window's share of each y;   weights  w += x y */
#define ROWS(NAME, V)                                                                                        \
    LK__INLINE void NAME##_forward(const float *frame, int fw, const float *weights, float *row, int ow,     \
                                   int k, int s) {                                                           \
        const V *x = (const V *)frame, *w = (const V *)weights;                                              \
        V *y = (V *)row;                                                                                     \
        int j = 0;                                                                                           \
        for (; j + 4 <= ow; j += 4) {                                                                        \
            V a = {0}, b = {0}, c = {0}, d = {0};                                                            \
            for (int u = 0; u < k; u++)                                                                      \
                for (int v = 0; v < k; v++) {                                                                \
                    const V *p = x + u * fw + j * s + v, t = w[u * k + v];                                   \
                    a += p[0] * t;                                                                           \
                    b += p[s] * t;                                                                           \
                    c += p[2 * s] * t;                                                                       \
                    d += p[3 * s] * t;                                                                       \
                }                                                                                            \
            y[j] = a, y[j + 1] = b, y[j + 2] = c, y[j + 3] = d;                                              \
        }                                                                                                    \
        for (; j < ow; j++) {                                                                                \
            V a = {0};                                                                                       \
            for (int u = 0; u < k; u++)                                                                      \
                for (int v = 0; v < k; v++) a += x[u * fw + j * s + v] * w[u * k + v];                       \
            y[j] = a;                                                                                        \
        }                                                                                                    \
    }                                                                                                        \
    LK__INLINE void NAME##_data(float *frame, int fw, const float *weights, const float *row, int ow, int k, \
                                int s) {                                                                     \
        V *x = (V *)frame;                                                                                   \
        const V *w = (const V *)weights, *y = (const V *)row;                                                \
        for (int u = 0; u < k; u++)                                                                          \
            for (int v = 0; v < k; v++)                                                                      \
                for (int j = 0; j < ow; j++) x[u * fw + j * s + v] += y[j] * w[u * k + v];                   \
    }                                                                                                        \
    LK__INLINE void NAME##_weights(const float *frame, int fw, float *weights, const float *row, int ow,     \
                                   int k, int s) {                                                           \
        const V *x = (const V *)frame, *y = (const V *)row;                                                  \
        V *w = (V *)weights;                                                                                 \
        if (k == 3) {                                                                                        \
            V a = w[0], b = w[1], c = w[2], d = w[3], e = w[4], f = w[5], g = w[6], h = w[7], i = w[8];      \
            for (int j = 0; j < ow; j++) {                                                                   \
                const V *p = x + j * s, *q = p + fw, *r = q + fw, t = y[j];                                  \
                a += p[0] * t, b += p[1] * t, c += p[2] * t;                                                 \
                d += q[0] * t, e += q[1] * t, f += q[2] * t;                                                 \
                g += r[0] * t, h += r[1] * t, i += r[2] * t;                                                 \
            }                                                                                                \
            w[0] = a, w[1] = b, w[2] = c, w[3] = d, w[4] = e, w[5] = f, w[6] = g, w[7] = h, w[8] = i;        \
            return;                                                                                          \
        }                                                                                                    \
        for (int u = 0; u < k; u++)                                                                          \
            for (int v = 0; v < k; v++) {                                                                    \
                V a = w[u * k + v];                                                                          \
                for (int j = 0; j < ow; j++) a += x[u * fw + j * s + v] * y[j];                              \
                w[u * k + v] = a;                                                                            \
            }                                                                                                \
    }

ROWS(wide, lk__v16)
ROWS(half, v8)
ROWS(one, float)

/* MobileFaceNet's windows get loops of their own. */
#define CHOOSE(WHAT, ...)                                                                                    \
    do {                                                                                                     \
        if (block == 16 && k == 3 && s == 1)                                                                 \
            wide_##WHAT(__VA_ARGS__, 3, 1);                                                                  \
        else if (block == 16 && k == 3 && s == 2)                                                            \
            wide_##WHAT(__VA_ARGS__, 3, 2);                                                                  \
        else if (block == 16)                                                                                \
            wide_##WHAT(__VA_ARGS__, k, s);                                                                  \
        else if (block == 8)                                                                                 \
            half_##WHAT(__VA_ARGS__, k, s);                                                                  \
        else                                                                                                 \
            one_##WHAT(__VA_ARGS__, k, s);                                                                   \
    } while (0)

LK__CLONES static void row_forward(int block, const float *x, int fw, const float *w, float *y, int ow, int k,
                                   int s) {
    CHOOSE(forward, x, fw, w, y, ow);
}

LK__CLONES static void row_data(int block, float *x, int fw, const float *w, const float *y, int ow, int k,
                                int s) {
    CHOOSE(data, x, fw, w, y, ow);
}

LK__CLONES static void row_weights(int block, const float *x, int fw, float *w, const float *y, int ow, int k,
                                   int s) {
    CHOOSE(weights, x, fw, w, y, ow);
}

/* ---- frames ------------------------------------------------------------------------------------ */

/* (h + 2 gap, w + 2 gap, block): values with zeros around them. */
typedef struct frame {
    int h, w, gap, block;
    float *values;
} frame;

static size_t frame_count(int h, int w, int gap, int block) {
    return (size_t)((h + 2 * gap) * (w + 2 * gap) * block);
}

static int frame_width(const frame *f) {
    return f->w + 2 * f->gap;
}

static float *frame_row(const frame *f, int row, int column) {
    return f->values + (row * frame_width(f) + column) * f->block;
}

static void frame_zero_border(const frame *f) {
    size_t side = (size_t)(f->gap * f->block) * sizeof(float),
           wide = (size_t)(frame_width(f) * f->block) * sizeof(float);
    memset(f->values, 0, (size_t)f->gap * wide);
    memset(frame_row(f, f->h + f->gap, 0), 0, (size_t)f->gap * wide);
    for (int i = 0; i < f->h; i++) {
        memset(frame_row(f, i + f->gap, 0), 0, side);
        memset(frame_row(f, i + f->gap, f->gap + f->w), 0, side);
    }
}

/* One run of x, normalised. */
static void frame_fill(const frame *f, const lk__norm *norm, size_t run, const void *x, lk_precision type) {
    size_t count = (size_t)(f->w * f->block), bytes = count * lk__type_bytes(type);
    const lk__lanes *p = lk__lanes_of(norm, run);
    for (int i = 0; i < f->h; i++)
        lk__lanes_apply(p, count, (const char *)x + (size_t)i * bytes, type, frame_row(f, i + f->gap, f->gap),
                        LK_PRECISION_F32);
}

/* One run of dy, through the norm of y. */
static void frame_fill_gradient(const frame *f, const lk__norm *norm, size_t run, const void *y,
                                const void *dy, lk_precision type) {
    size_t count = (size_t)(f->w * f->block), bytes = count * lk__type_bytes(type);
    if (!norm) {
        frame_fill(f, NULL, run, dy, type);
        return;
    }
    const lk__lanes *p = lk__lanes_of(norm, run);
    for (int i = 0; i < f->h; i++)
        lk__lanes_gradient(p, count, (const char *)y + (size_t)i * bytes,
                           (const char *)dy + (size_t)i * bytes, type, frame_row(f, i + f->gap, f->gap),
                           LK_PRECISION_F32);
}

/* ---- the step ---------------------------------------------------------------------------------- */

static const float *taps_of(const dwconv *o, const float *weights, size_t run) {
    return weights + run % o->blocks * (size_t)(o->kernel * o->kernel * o->block);
}

static void dwconv_load(lk__op *op) {
    dwconv *o = (dwconv *)op;
    size_t taps = (size_t)(o->kernel * o->kernel), block = (size_t)o->block;
    for (size_t c = 0; c < o->blocks * block; c++)
        for (size_t t = 0; t < taps; t++) {
            size_t first = c / block * taps, lane = c % block;
            o->weights[(first + t) * block + lane] = o->weight->value[c * taps + t];
            o->turned[(first + taps - 1 - t) * block + lane] = o->weight->value[c * taps + t];
        }
}

static frame x_frame(const dwconv *o, const lk__job *job) {
    return (frame){o->h, o->w, o->pad, o->block, job->scratch};
}

static frame y_frame(const dwconv *o, const lk__job *job) {
    return (frame){o->oh, o->ow, o->gap, o->block,
                   (float *)job->scratch + frame_count(o->h, o->w, o->pad, o->block)};
}

/* A row, or in stride > 1 backward another frame of x. */
static float *spare_of(const dwconv *o, const lk__job *job) {
    return y_frame(o, job).values + frame_count(o->oh, o->ow, o->gap, o->block);
}

/* Rows of a convolution over a frame, as they are finished (norm: rectified and normalised), into run `run`
 * of that type. */
static void rows_out(const frame *f, const float *taps, int kernel, int stride, int rows, int columns,
                     const lk__norm *norm, size_t run, float *row, void *to, lk_precision type) {
    size_t count = (size_t)(columns * f->block), bytes = count * lk__type_bytes(type);
    const lk__lanes *lanes = lk__lanes_of(norm, run);
    for (int i = 0; i < rows; i++) {
        char *at = (char *)to + (size_t)i * bytes;
        float *y = type == LK_PRECISION_F32 ? (float *)(void *)at : row;
        row_forward(f->block, frame_row(f, i * stride, 0), frame_width(f), taps, y, columns, kernel, stride);
        if (norm || y == row) lk__lanes_apply(lanes, count, y, LK_PRECISION_F32, at, type);
    }
}

static void dwconv_forward(lk__op *op, const lk__job *job) {
    dwconv *o = (dwconv *)op;
    frame x = x_frame(o, job);
    size_t x_bytes = (size_t)(o->h * o->w * o->block) * lk__type_bytes(o->x_type),
           y_bytes = (size_t)(o->oh * o->ow * o->block) * lk__type_bytes(o->y_type);
    frame_zero_border(&x);
    for (size_t r = 0; r < job->runs; r++) {
        frame_fill(&x, job->in_norm[0], job->run + r, (const char *)job->in[0] + r * x_bytes, o->x_type);
        rows_out(&x, taps_of(o, o->weights, job->run + r), o->kernel, o->stride, o->oh, o->ow, job->out_norm,
                 job->run + r, spare_of(o, job), (char *)job->out + r * y_bytes, o->y_type);
    }
}

/* dx of one run for a stride where windows skip places. */
static void scatter(const dwconv *o, const frame *dy, const float *taps, float *place, void *to) {
    frame dx = {o->h, o->w, o->pad, o->block, place};
    memset(place, 0, frame_count(o->h, o->w, o->pad, o->block) * sizeof(float));
    for (int i = 0; i < o->oh; i++)
        row_data(o->block, frame_row(&dx, i * o->stride, 0), frame_width(&dx), taps, frame_row(dy, i, 0),
                 o->ow, o->kernel, o->stride);
    size_t count = (size_t)(o->w * o->block);
    for (int i = 0; i < o->h; i++)
        lk__lanes_apply(lk__lanes_of(NULL, 0), count, frame_row(&dx, i + o->pad, o->pad), LK_PRECISION_F32,
                        (char *)to + (size_t)i * count * lk__type_bytes(o->x_type), o->x_type);
}

static void dwconv_backward(lk__op *op, const lk__job *job) {
    dwconv *o = (dwconv *)op;
    frame x = x_frame(o, job), dy = y_frame(o, job);
    size_t x_bytes = (size_t)(o->h * o->w * o->block) * lk__type_bytes(o->x_type),
           y_bytes = (size_t)(o->oh * o->ow * o->block) * lk__type_bytes(o->y_type),
           taps = (size_t)(o->kernel * o->kernel * o->block);
    if (job->lane_begins) memset(job->sum, 0, op->weight_bytes);
    frame_zero_border(&x);
    frame_zero_border(&dy);
    for (size_t r = 0; r < job->runs; r++) {
        size_t run = job->run + r;
        frame_fill(&x, job->in_norm[0], run, (const char *)job->in[0] + r * x_bytes, o->x_type);
        frame_fill_gradient(&dy, job->out_norm, run, (const char *)job->y + r * y_bytes,
                            (const char *)job->dout + r * y_bytes, o->y_type);
        for (int i = 0; i < o->oh; i++)
            row_weights(o->block, frame_row(&x, i * o->stride, 0), frame_width(&x),
                        (float *)job->sum + run % o->blocks * taps, frame_row(&dy, i + o->gap, o->gap), o->ow,
                        o->kernel, o->stride);
        if (!job->din[0]) continue;
        char *to = (char *)job->din[0] + r * x_bytes;
        if (o->stride == 1)
            rows_out(&dy, taps_of(o, o->turned, run), o->kernel, 1, o->h, o->w, NULL, run, spare_of(o, job),
                     to, o->x_type);
        else
            scatter(o, &dy, taps_of(o, o->weights, run), spare_of(o, job), to);
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
    dwconv *o = (dwconv *)op;
    free(o->weights);
    free(o->turned);
    free(o);
}

lk_status lk__dwconv_new(const lk__context *k, const lk__act *x, const lk__act *y, lk__op **out,
                         lk_error *err) {
    dwconv *o = calloc(1, sizeof *o);
    if (!o) return lk__fail_memory(err, sizeof *o, "a depthwise convolution");
    const lk__layer *l = k->layer;
    *o = (dwconv){.op = {.type = x->type,
                         .out_type = y->type,
                         .needs_x = true,
                         .raw = true,
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
                  .gap = l->stride == 1 ? l->kernel - 1 - l->pad : 0,
                  .x_type = x->type,
                  .y_type = y->type,
                  .blocks = lk__act_blocks(x)};
    size_t row = (size_t)((x->w > y->w ? x->w : y->w) * x->block),
           spare = l->stride == 1 ? row : row + frame_count(x->h, x->w, l->pad, x->block);
    o->op.scratch_bytes =
        (frame_count(x->h, x->w, l->pad, x->block) + frame_count(y->h, y->w, o->gap, x->block) + spare) *
        sizeof(float);
    o->op.weight_bytes = o->weight->count * sizeof(float);
    o->op.flops = 2.0 * (double)o->weight->count * y->h * y->w;
    snprintf(o->op.what, sizeof o->op.what, "dwconv %dx%d%s %d @%d", l->kernel, l->kernel,
             l->stride > 1 ? " /2" : "", l->in_c, l->out_h);
    o->weights = malloc(o->op.weight_bytes);
    o->turned = malloc(o->op.weight_bytes);
    if (!o->weights || !o->turned) {
        lk_status status = lk__fail_memory(err, 2 * o->op.weight_bytes, "a depthwise convolution");
        dwconv_free(&o->op);
        return status;
    }
    *out = &o->op;
    return LK_OK;
}
