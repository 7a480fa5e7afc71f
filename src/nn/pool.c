/* pool.c: what brings (H, W) down: max pooling; global average; and global depthwise convolution
 * (MobileFaceNet, Chen et al. 2018: each place of the face has a weight of its own, since an eye is not a
 * chin).
 *
 *   maxpool  y[n,c,i,j] = max_{u,v} x[n,c,i*s+u-p,j*s+v-p]; dy goes to where the maximum was (the first, if
 * several) gdconv   y[n,c] = sum_i w[c,i] x[n,c,i];  dx[n,c,i] = w[c,i] dy[n,c];  dw[c,i] = sum_n x[n,c,i]
 * dy[n,c] avgpool  the same with w = 1 / (H W), not trained */
#include "nn/op.h"

#include <math.h>
#include <stdlib.h>

/* ---- global depthwise, and global average ---- */

typedef struct global {
    lk__op op;
    lk__param *weight; /* NULL: average */
    size_t block, hw, blocks;
    float *w; /* (C / block, H * W, block): the layout of the activation */
} global;

static void global_load(lk__op *op) {
    global *o = (global *)op;
    for (size_t c = 0; c < o->blocks * o->block; c++)
        for (size_t i = 0; i < o->hw; i++)
            o->w[(c / o->block * o->hw + i) * o->block + c % o->block] =
                o->weight ? o->weight->value[c * o->hw + i] : 1.0f / (float)o->hw;
}

static void global_forward(lk__op *op, const lk__job *job) {
    const global *o = (global *)op;
    size_t run = o->hw * o->block;
    for (size_t r = 0; r < job->runs; r++) {
        const float *x = (const float *)job->in[0] + r * run, *w = o->w + (job->run + r) % o->blocks * run;
        float sum[LK__LANES] = {0};
        for (size_t p = 0; p < o->hw; p++)
            for (size_t j = 0; j < o->block; j++) sum[j] += x[p * o->block + j] * w[p * o->block + j];
        memcpy((float *)job->out + r * o->block, sum, o->block * sizeof(float));
    }
}

static void global_backward(lk__op *op, const lk__job *job) {
    const global *o = (global *)op;
    size_t run = o->hw * o->block;
    if (job->lane_begins) memset(job->sum, 0, op->weight_bytes);
    for (size_t r = 0; r < job->runs; r++) {
        size_t at = (job->run + r) % o->blocks * run;
        const float *w = o->w + at, *dy = (const float *)job->dout + r * o->block;
        if (o->weight) {
            const float *x = (const float *)job->in[0] + r * run;
            float *dw = (float *)job->sum + at;
            for (size_t i = 0; i < run; i += o->block)
                for (size_t j = 0; j < o->block; j++) dw[i + j] += x[i + j] * dy[j];
        }
        if (!job->din[0]) continue;
        float *dx = (float *)job->din[0] + r * run;
        for (size_t i = 0; i < run; i += o->block)
            for (size_t j = 0; j < o->block; j++) dx[i + j] = w[i + j] * dy[j];
    }
}

static void global_finish(lk__op *op, float *sums, int lanes) {
    global *o = (global *)op;
    lk__sum_lanes(sums, op->weight_bytes / sizeof(float), lanes);
    for (size_t c = 0; c < o->blocks * o->block; c++)
        for (size_t i = 0; i < o->hw; i++)
            o->weight->grad[c * o->hw + i] = sums[(c / o->block * o->hw + i) * o->block + c % o->block];
}

static void global_free(lk__op *op) {
    free(((global *)op)->w);
    free(op);
}

lk_status lk__global_new(const lk__context *k, const lk__act *x, const lk__act *y, lk__op **out,
                         lk_error *err) {
    (void)y;
    global *o = calloc(1, sizeof *o);
    size_t bytes = (size_t)x->c * (size_t)x->h * (size_t)x->w * sizeof(float);
    if (o) o->w = malloc(bytes);
    if (!o || !o->w) {
        free(o);
        return lk__fail_memory(err, bytes, "global pooling");
    }
    o->op = (lk__op){.load = global_load,
                     .forward = global_forward,
                     .backward = global_backward,
                     .finish = global_finish,
                     .free = global_free};
    o->weight = k->layer->kind == LK__GDCONV ? lk__weights_find(k->weights, k->index, "weight") : NULL;
    o->op.flops = 2.0 * x->c * x->h * x->w;
    o->op.needs_x = o->weight != NULL;
    o->op.weight_bytes = o->weight ? bytes : 0;
    o->block = (size_t)x->block;
    o->hw = (size_t)x->h * (size_t)x->w;
    o->blocks = lk__act_blocks(x);
    snprintf(o->op.what, sizeof o->op.what, "%s %dx%d %d", lk__kind_name(k->layer->kind), x->h, x->w, x->c);
    *out = &o->op;
    return LK_OK;
}

/* ---- max pooling ---- */

typedef struct maxpool {
    lk__op op;
    int kernel, stride, pad;
    int h, w, oh, ow, block;
    lk_precision x_type, y_type;
    uint16_t *winner; /* (n, C / block, oh * ow, block): which place of the window; NULL without training */
} maxpool;

/* The part of a window that lies on the activation: places [*first, *last) along one axis. */
static void clip(int at, int stride, int pad, int kernel, int size, int *first, int *last) {
    int start = at * stride - pad;
    *first = start < 0 ? -start : 0;
    *last = start + kernel > size ? size - start : kernel;
}

/* One row of windows that need no clipping, in blocks of 16. x: the first of `kernel` rows. */
LK__CLONES static void pool_row(const maxpool *o, const float *x, int first, int last, float *y,
                                uint16_t *winner) {
    for (int j = first; j < last; j++) {
        const lk__v16 *p = (const lk__v16 *)x + j * o->stride - o->pad;
        lk__v16 most = p[0];
        lk__v16i where = {0};
        for (int u = 0, place = 0; u < o->kernel; u++)
            for (int v = 0; v < o->kernel; v++, place++) {
                lk__v16 value = p[u * o->w + v];
                lk__v16 by = value - most;
                lk__v16i larger = LK__ABOVE_0(by);
                most = LK__PICK(larger, value, most);
                where = (larger & place) | (~larger & where);
            }
        *((lk__v16 *)y + j) = most;
        if (winner) *((lk__v16h *)winner + j) = __builtin_convertvector(where, lk__v16h);
    }
}

/* Any window. x: the row u0 of the activation that the window begins with. */
static void pool_place(const maxpool *o, const float *x, int u0, int u1, int j, float *y, uint16_t *winner) {
    int v0, v1, block = o->block;
    clip(j, o->stride, o->pad, o->kernel, o->w, &v0, &v1);
    int32_t where[LK__LANES] = {0};
    for (int l = 0; l < block; l++) y[l] = -INFINITY;
    for (int u = u0; u < u1; u++)
        for (int v = v0; v < v1; v++) {
            const float *p = x + ((u - u0) * o->w + j * o->stride + v - o->pad) * block;
            for (int l = 0; l < block; l++) {
                where[l] = p[l] > y[l] ? u * o->kernel + v : where[l];
                y[l] = p[l] > y[l] ? p[l] : y[l];
            }
        }
    for (int l = 0; winner && l < block; l++) winner[l] = (uint16_t)where[l];
}

/* A few rows at a time: normalise those under a row of windows, pool, write. */
static void maxpool_forward(lk__op *op, const lk__job *job) {
    const maxpool *o = (maxpool *)op;
    size_t row = (size_t)(o->w * o->block), out = (size_t)(o->ow * o->block);
    size_t row_bytes = row * lk__type_bytes(o->x_type), out_bytes = out * lk__type_bytes(o->y_type);
    float *rows = job->scratch, *y = rows + (size_t)o->kernel * row;
    int inner = (o->pad + o->stride - 1) / o->stride, outer = (o->w + o->pad - o->kernel) / o->stride + 1;
    for (size_t r = 0; r < job->runs * (size_t)o->oh; r++) {
        size_t run = r / (size_t)o->oh, at = job->run + run;
        int i = (int)(r % (size_t)o->oh), u0, u1;
        clip(i, o->stride, o->pad, o->kernel, o->h, &u0, &u1);
        size_t first = run * (size_t)o->h + (size_t)(i * o->stride + u0 - o->pad);
        lk__lanes_apply(lk__lanes_of(job->in_norm[0], at), (size_t)(u1 - u0) * row,
                        (const char *)job->in[0] + first * row_bytes, o->x_type, rows, LK_PRECISION_F32);
        uint16_t *winner = o->winner ? o->winner + (at * (size_t)o->oh + (size_t)i) * out : NULL;
        bool whole = o->block == LK__LANES && u0 == 0 && u1 == o->kernel && inner < outer;
        if (whole) pool_row(o, rows, inner, outer, y, winner);
        for (int j = 0; j < o->ow; j++) {
            size_t place = (size_t)(j * o->block);
            if (whole && j >= inner && j < outer) continue;
            pool_place(o, rows, u0, u1, j, y + place, winner ? winner + place : NULL);
        }
        lk__lanes_apply(lk__lanes_of(job->out_norm, at), out, y, LK_PRECISION_F32,
                        (char *)job->out + r * out_bytes, o->y_type);
    }
}

/* Windows side by side, in blocks of 16: every x belongs to one, and gets dy or nothing. */
LK__CLONES static void spread_row(const maxpool *o, const float *dy, const uint16_t *winner, float *dx) {
    lk__v16 none = {0};
    for (int j = 0; j < o->ow; j++) {
        lk__v16 d = *((const lk__v16 *)dy + j);
        lk__v16i where = __builtin_convertvector(*((const lk__v16h *)winner + j), lk__v16i);
        for (int u = 0, place = 0; u < o->kernel; u++)
            for (int v = 0; v < o->kernel; v++, place++)
                *((lk__v16 *)dx + u * o->w + j * o->stride + v) =
                    LK__PICK(LK__ARE_EQUAL(where, place), d, none);
    }
}

static void add_row(const maxpool *o, int i, const float *dy, const uint16_t *winner, float *dx) {
    for (int j = 0; j < o->ow; j++)
        for (int l = 0; l < o->block; l++) {
            int at = j * o->block + l, u = winner[at] / o->kernel, v = winner[at] % o->kernel;
            int row = i * o->stride + u - o->pad, column = j * o->stride + v - o->pad;
            dx[(row * o->w + column) * o->block + l] += dy[at];
        }
}

static void maxpool_backward(lk__op *op, const lk__job *job) {
    const maxpool *o = (maxpool *)op;
    if (!job->din[0]) return;
    size_t row = (size_t)(o->w * o->block), out = (size_t)(o->ow * o->block), rows = (size_t)o->h;
    size_t out_bytes = out * lk__type_bytes(o->y_type), run_bytes = rows * row * lk__type_bytes(o->x_type);
    float *dx = job->scratch, *dy = dx + rows * row;
    bool apart = o->block == LK__LANES && o->pad == 0 && o->kernel == o->stride;
    for (size_t r = 0; r < job->runs; r++) {
        size_t at = job->run + r;
        const lk__lanes *lanes = lk__lanes_of(job->out_norm, at);
        if (!apart || o->oh * o->stride != o->h || o->ow * o->stride != o->w)
            memset(dx, 0, rows * row * sizeof *dx);
        for (int i = 0; i < o->oh; i++) {
            size_t from = (r * (size_t)o->oh + (size_t)i) * out_bytes;
            const char *raw = (const char *)job->dout + from, *y = (const char *)job->y + from;
            if (job->out_norm)
                lk__lanes_gradient(lanes, out, y, raw, o->y_type, dy, LK_PRECISION_F32);
            else
                lk__lanes_apply(lanes, out, raw, o->y_type, dy, LK_PRECISION_F32);
            const uint16_t *winner = o->winner + (at * (size_t)o->oh + (size_t)i) * out;
            if (apart)
                spread_row(o, dy, winner, dx + (size_t)(i * o->stride) * row);
            else
                add_row(o, i, dy, winner, dx);
        }
        lk__lanes_apply(lk__lanes_of(NULL, 0), rows * row, dx, LK_PRECISION_F32,
                        (char *)job->din[0] + r * run_bytes, o->x_type);
    }
}

static void maxpool_free(lk__op *op) {
    free(((maxpool *)op)->winner);
    free(op);
}

lk_status lk__maxpool_new(const lk__context *k, const lk__act *x, const lk__act *y, lk__op **out,
                          lk_error *err) {
    maxpool *o = calloc(1, sizeof *o);
    if (!o) return lk__fail_memory(err, sizeof *o, "max pooling");
    const lk__layer *l = k->layer;
    *o = (maxpool){.op = {.type = x->type,
                          .out_type = y->type,
                          .raw = true,
                          .forward = maxpool_forward,
                          .backward = maxpool_backward,
                          .free = maxpool_free},
                   .kernel = l->kernel,
                   .stride = l->stride,
                   .pad = l->pad,
                   .h = x->h,
                   .w = x->w,
                   .oh = y->h,
                   .ow = y->w,
                   .block = x->block,
                   .x_type = x->type,
                   .y_type = y->type};
    snprintf(o->op.what, sizeof o->op.what, "maxpool %dx%d %d @%d", l->kernel, l->kernel, l->in_c, l->out_h);
    int rows = l->kernel > x->h ? l->kernel : x->h;
    o->op.scratch_bytes = (size_t)((rows * x->w + y->w) * x->block) * sizeof(float);
    if (k->training) {
        o->winner = malloc(lk__act_count(y) * sizeof *o->winner);
        if (!o->winner) {
            free(o);
            return lk__fail_memory(err, lk__act_count(y) * sizeof *o->winner, "max pooling");
        }
    }
    *out = &o->op;
    return LK_OK;
}
