/* winograd.c: 3x3 convolutions of stride 1 by Winograd's minimal filtering F(4x4, 3x3) (Lavin & Gray 2016):
 * 36 multiplications for 16 outputs instead of 144. A tile is 4x4 outputs and the 6x6 inputs under them.
 *
 *   U = G w G^T, V = B^T d B, y = A^T (sum_c U V) A               forward
 *   dx: the same, over dy, with the kernel turned round and in and out exchanged
 *   dw = G^T (sum over tiles of V Z) G, Z = A dy A^T               backward weights
 *
 * The sums are 36 small matrix products, which oneDNN does at 80 to 95 % of peak; the transforms are ours.
 * oneDNN's own Winograd takes f32 only and half again as long, half a second a step for the weights alone.
 *
 * What differs from the paper: the points. It takes 0, +-1, +-2 and infinity, for whole numbers in B and A.
 * 0, +-5/8,
 * +-3/2 and infinity lose half as much to rounding (measured over a grid of points), which is what makes bf16
 * possible here: 1 % of noise in y and dw, where direct convolution in bf16 has 0.25 %. */
#include "nn/op.h"

#include <math.h>
#include <stdlib.h>

enum { P = 36, TILE = 4, PATCH = 6, LANES = LK__LANES };

#define A1 0.625f
#define B1 1.5f
#define AA (A1 * A1)
#define BB (B1 * B1)
/* Rows of G: 1, x, x^2 over the product of differences to the other points. */
#define N0 (1 / (AA * BB))
#define NA (1 / (2 * AA * (AA - BB)))
#define NB (1 / (2 * BB * (BB - AA)))

typedef struct winograd {
    lk__op op;
    dnnl_stream_t *streams;
    lk__param *weight, *bias;
    int c, k; /* channels in, out */
    int h, w, oh, ow, pad;
    int chunk;                                       /* tiles in one product */
    lk__kernel forward, data, weights, weights_more; /* the last adds to what is there */
    void *u, *u_turned;                              /* (36, c, k) and (36, k, c), in the type of the step */
} winograd;

/* A plane of tiles over `h` x `w` values, read with `pad` zeros around, `runs` of 16 channels an image. */
typedef struct plane {
    int h, w, pad, rows, columns; /* rows and columns of tiles */
    size_t blocks;
    lk_precision type;
} plane;

/* ---- transforms of 16 channels at a time ------------------------------------------------------- */

/* Along one axis; values of d lie ds apart, those of o os apart. B^T: 6 to 6. */
LK__INLINE void input_1d(const lk__v16 *d, int ds, lk__v16 *o, int os) {
    lk__v16 d1 = d[ds], d2 = d[2 * ds], d3 = d[3 * ds], d4 = d[4 * ds];
    lk__v16 p = d4 - BB * d2, q = A1 * (d3 - BB * d1), r = d4 - AA * d2, s = B1 * (d3 - AA * d1);
    o[0] = AA * BB * d[0] - (AA + BB) * d2 + d4;
    o[os] = p + q;
    o[2 * os] = p - q;
    o[3 * os] = r + s;
    o[4 * os] = r - s;
    o[5 * os] = AA * BB * d1 - (AA + BB) * d3 + d[5 * ds];
}

/* A^T: 6 to 4. */
LK__INLINE void output_1d(const lk__v16 *m, int ms, lk__v16 *o, int os) {
    lk__v16 p = m[ms] + m[2 * ms], q = m[ms] - m[2 * ms], r = m[3 * ms] + m[4 * ms],
            s = m[3 * ms] - m[4 * ms];
    o[0] = m[0] + p + r;
    o[os] = A1 * q + B1 * s;
    o[2 * os] = AA * p + BB * r;
    o[3 * os] = AA * A1 * q + BB * B1 * s + m[5 * ms];
}

/* A: 4 to 6. */
LK__INLINE void gradient_1d(const lk__v16 *d, int ds, lk__v16 *o, int os) {
    lk__v16 d0 = d[0], d1 = d[ds], d2 = d[2 * ds], d3 = d[3 * ds];
    lk__v16 p = d0 + AA * d2, q = A1 * (d1 + AA * d3), r = d0 + BB * d2, s = B1 * (d1 + BB * d3);
    o[0] = d0;
    o[os] = p + q;
    o[2 * os] = p - q;
    o[3 * os] = r + s;
    o[4 * os] = r - s;
    o[5 * os] = d3;
}

/* G: 3 to 6. */
LK__INLINE void weight_1d(const lk__v16 *w, int ws, lk__v16 *o, int os) {
    lk__v16 w0 = w[0], w1 = w[ws], w2 = w[2 * ws];
    lk__v16 p = NA * (w0 + AA * w2), q = NA * A1 * w1, r = NB * (w0 + BB * w2), s = NB * B1 * w1;
    o[0] = N0 * w0;
    o[os] = p + q;
    o[2 * os] = p - q;
    o[3 * os] = r + s;
    o[4 * os] = r - s;
    o[5 * os] = w2;
}

/* G^T: 6 to 3. */
LK__INLINE void weight_back_1d(const lk__v16 *u, int us, lk__v16 *o, int os) {
    lk__v16 p = NA * (u[us] + u[2 * us]), q = NA * A1 * (u[us] - u[2 * us]), r = NB * (u[3 * us] + u[4 * us]),
            s = NB * B1 * (u[3 * us] - u[4 * us]);
    o[0] = N0 * u[0] + p + r;
    o[os] = q + s;
    o[2 * os] = AA * p + BB * r + u[5 * us];
}

/* The n x n values at (row, column) of a run; zeros beyond its border. */
LK__INLINE void patch_load(const void *run, lk_precision type, const plane *p, int row, int column, int n,
                           lk__v16 (*d)[PATCH]) {
    bool inside = row >= 0 && column >= 0 && row + n <= p->h && column + n <= p->w;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            int y = row + i, x = column + j;
            d[i][j] = (lk__v16){0};
            if (inside || (y >= 0 && x >= 0 && y < p->h && x < p->w))
                lk__load16(run, type, (size_t)((y * p->w + x) * LANES), LANES, &d[i][j]);
        }
}

/* One tile of one block to the 36 places of to, `stride` values apart. gradient: Z of 4x4 values, not V of
 * 6x6. */
LK__INLINE void tile_in(const void *run, lk_precision type, const plane *p, int i, int j, bool gradient,
                        void *to, size_t at, size_t stride) {
    lk__v16 d[PATCH][PATCH], t[PATCH][PATCH];
    if (gradient) {
        patch_load(run, type, p, i * TILE, j * TILE, TILE, d);
        for (int c = 0; c < TILE; c++) gradient_1d(&d[0][c], PATCH, &t[0][c], PATCH);
        for (int r = 0; r < PATCH; r++) gradient_1d(t[r], 1, d[r], 1);
    } else {
        patch_load(run, type, p, i * TILE - p->pad, j * TILE - p->pad, PATCH, d);
        for (int c = 0; c < PATCH; c++) input_1d(&d[0][c], PATCH, &t[0][c], PATCH);
        for (int r = 0; r < PATCH; r++) input_1d(t[r], 1, d[r], 1);
    }
    for (int r = 0; r < PATCH; r++)
        for (int c = 0; c < PATCH; c++)
            lk__store16(&d[r][c], to, type, at + (size_t)(r * PATCH + c) * stride, LANES);
}

/* Tiles [first, first + count) of x to `to` (36, chunk, channels); rows from count to chunk become zero. */
LK__INLINE void tiles_in(const plane *p, lk_precision type, const void *x, size_t first, size_t count,
                         size_t chunk, bool gradient, void *to) {
    size_t tiles = (size_t)(p->rows * p->columns), channels = p->blocks * LANES, bytes = lk__type_bytes(type);
    size_t run = (size_t)(p->h * p->w * LANES) * bytes, stride = chunk * channels;
    for (size_t t = 0; t < count; t++) {
        size_t image = (first + t) / tiles, tile = (first + t) % tiles;
        for (size_t b = 0; b < p->blocks; b++)
            tile_in((const char *)x + (image * p->blocks + b) * run, type, p, (int)tile / p->columns,
                    (int)tile % p->columns, gradient, to, t * channels + b * LANES, stride);
    }
    for (int e = 0; count < chunk && e < P; e++)
        memset((char *)to + ((size_t)e * stride + count * channels) * bytes, 0,
               (chunk - count) * channels * bytes);
}

/* m (36, chunk, channels) to tiles of y. */
LK__INLINE void tiles_out(const plane *p, lk_precision type, const float *m, const float *bias, size_t first,
                          size_t count, size_t chunk, void *y) {
    size_t tiles = (size_t)(p->rows * p->columns), channels = p->blocks * LANES;
    size_t run = (size_t)(p->h * p->w * LANES) * lk__type_bytes(type), stride = chunk * channels;
    for (size_t n = 0; n < count; n++) {
        size_t image = (first + n) / tiles, tile = (first + n) % tiles;
        int row = (int)tile / p->columns * TILE, column = (int)tile % p->columns * TILE;
        for (size_t b = 0; b < p->blocks; b++) {
            lk__v16 d[PATCH][PATCH], t[TILE][PATCH], o[TILE][TILE], add = {0};
            const float *from = m + n * channels + b * LANES;
            if (bias) add = *(const lk__v16 *)(bias + b * LANES);
            for (int e = 0; e < P; e++)
                d[e / PATCH][e % PATCH] = *(const lk__v16 *)(from + (size_t)e * stride);
            for (int c = 0; c < PATCH; c++) output_1d(&d[0][c], PATCH, &t[0][c], PATCH);
            for (int r = 0; r < TILE; r++) output_1d(t[r], 1, o[r], 1);
            char *to = (char *)y + (image * p->blocks + b) * run;
            for (int r = 0; r < TILE && row + r < p->h; r++)
                for (int c = 0; c < TILE && column + c < p->w; c++) {
                    lk__v16 v = o[r][c] + add;
                    lk__store16(&v, to, type, (size_t)(((row + r) * p->w + column + c) * LANES), LANES);
                }
        }
    }
}

#define F32 LK_PRECISION_F32
#define BF16 LK_PRECISION_BF16

LK__CLONES static void read_f32(const plane *p, const void *x, size_t first, size_t count, size_t chunk,
                                bool gradient, void *to) {
    if (gradient)
        tiles_in(p, F32, x, first, count, chunk, true, to);
    else
        tiles_in(p, F32, x, first, count, chunk, false, to);
}

LK__BF16 static void read_bf16(const plane *p, const void *x, size_t first, size_t count, size_t chunk,
                               bool gradient, void *to) {
    if (gradient)
        tiles_in(p, BF16, x, first, count, chunk, true, to);
    else
        tiles_in(p, BF16, x, first, count, chunk, false, to);
}

static void read_tiles(const plane *p, const void *x, size_t first, size_t count, size_t chunk, bool gradient,
                       void *to) {
    (p->type == F32 ? read_f32 : read_bf16)(p, x, first, count, chunk, gradient, to);
}

LK__CLONES static void write_f32(const plane *p, const float *m, const float *bias, size_t first,
                                 size_t count, size_t chunk, void *y) {
    tiles_out(p, F32, m, bias, first, count, chunk, y);
}

LK__BF16 static void write_bf16(const plane *p, const float *m, const float *bias, size_t first, size_t count,
                                size_t chunk, void *y) {
    tiles_out(p, BF16, m, bias, first, count, chunk, y);
}

static void write_tiles(const plane *p, const float *m, const float *bias, size_t first, size_t count,
                        size_t chunk, void *y) {
    (p->type == F32 ? write_f32 : write_bf16)(p, m, bias, first, count, chunk, y);
}

/* ---- weights ----------------------------------------------------------------------------------- */

/* Row `row` of u (36, rows, to): 16 kernels at a time, each `stride` floats after the other. */
LK__INLINE void row_in(const float *w, size_t stride, bool turned, size_t rows, size_t row, size_t to,
                       lk_precision type, void *u) {
    for (size_t j = 0; j < to; j += LANES) {
        lk__v16 g[3][3], t[PATCH][3], o[PATCH][PATCH];
        for (int e = 0; e < 9; e++)
            for (size_t l = 0; l < LANES; l++)
                g[e / 3][e % 3][l] = w[(j + l) * stride + (size_t)(turned ? 8 - e : e)];
        for (int c = 0; c < 3; c++) weight_1d(&g[0][c], 3, &t[0][c], 3);
        for (int r = 0; r < PATCH; r++) weight_1d(t[r], 1, o[r], 1);
        for (int e = 0; e < P; e++)
            lk__store16(&o[e / PATCH][e % PATCH], u, type, ((size_t)e * rows + row) * to + j, LANES);
    }
}

LK__CLONES static void row_in_f32(const float *w, size_t stride, bool turned, size_t rows, size_t row,
                                  size_t to, void *u) {
    row_in(w, stride, turned, rows, row, to, F32, u);
}

LK__BF16 static void row_in_bf16(const float *w, size_t stride, bool turned, size_t rows, size_t row,
                                 size_t to, void *u) {
    row_in(w, stride, turned, rows, row, to, BF16, u);
}

/* Row c of du (36, c, k) to dw (k, c, 3, 3). */
LK__CLONES static void row_out(const float *du, size_t rows, size_t row, size_t to, float *dw) {
    for (size_t j = 0; j < to; j += LANES) {
        lk__v16 u[PATCH][PATCH], t[3][PATCH], g[3][3];
        for (int e = 0; e < P; e++)
            u[e / PATCH][e % PATCH] = *(const lk__v16 *)(du + ((size_t)e * rows + row) * to + j);
        for (int c = 0; c < PATCH; c++) weight_back_1d(&u[0][c], PATCH, &t[0][c], PATCH);
        for (int r = 0; r < 3; r++) weight_back_1d(t[r], 1, g[r], 1);
        for (int e = 0; e < 9; e++)
            for (size_t l = 0; l < LANES; l++)
                dw[((j + l) * rows + row) * 9 + (size_t)e] = g[e / 3][e % 3][l];
    }
}

static void load_part(void *context, int i, int n) {
    winograd *o = context;
    size_t c = (size_t)o->c, k = (size_t)o->k, first, last;
    void (*in)(const float *, size_t, bool, size_t, size_t, size_t, void *) =
        o->op.type == F32 ? row_in_f32 : row_in_bf16;
    lk__part(c, i, n, &first, &last);
    for (size_t r = first; r < last; r++) in(o->weight->value + r * 9, c * 9, false, c, r, k, o->u);
    lk__part(o->u_turned ? k : 0, i, n, &first, &last);
    for (size_t r = first; r < last; r++) in(o->weight->value + r * c * 9, 9, true, k, r, c, o->u_turned);
}

typedef struct finish {
    winograd *o;
    const float *du;
} finish;

static void finish_part(void *context, int i, int n) {
    finish *f = context;
    size_t first, last;
    lk__part((size_t)f->o->c, i, n, &first, &last);
    for (size_t r = first; r < last; r++)
        row_out(f->du, (size_t)f->o->c, r, (size_t)f->o->k, f->o->weight->grad);
}

/* ---- the step ---------------------------------------------------------------------------------- */

static size_t matrix(const winograd *o) { /* values of V, Z or M */
    return (size_t)P * (size_t)o->chunk * (size_t)(o->c > o->k ? o->c : o->k);
}

static plane plane_of(int h, int w, int pad, int channels, lk_precision type, int oh, int ow) {
    return (plane){.h = h,
                   .w = w,
                   .pad = pad,
                   .rows = (oh + TILE - 1) / TILE,
                   .columns = (ow + TILE - 1) / TILE,
                   .blocks = (size_t)channels / LANES,
                   .type = type};
}

static void winograd_load(lk__op *op) {
    lk__parallel(load_part, op);
}

/* y = convolution of x, through v and m. */
static void convolve(const winograd *o, const lk__kernel *product, const plane *in, const plane *out,
                     const void *x, void *u, const float *bias, void *y, const lk__job *job) {
    char *v = job->scratch;
    float *m = (float *)(void *)(v + matrix(o) * sizeof(float));
    size_t tiles = (size_t)(o->op.images * out->rows * out->columns), chunk = (size_t)o->chunk;
    for (size_t t = 0; t < tiles; t += chunk) {
        size_t count = tiles - t < chunk ? tiles - t : chunk;
        read_tiles(in, x, t, count, chunk, false, v);
        lk__kernel_run(product, o->streams[job->worker], job->worker, m + matrix(o), (void *[]){v, u, m});
        write_tiles(out, m, bias, t, count, chunk, y);
    }
}

static void winograd_forward(lk__op *op, const lk__job *job) {
    winograd *o = (winograd *)op;
    plane in = plane_of(o->h, o->w, o->pad, o->c, op->type, o->oh, o->ow);
    plane out = plane_of(o->oh, o->ow, 0, o->k, op->out_type, o->oh, o->ow);
    convolve(o, &o->forward, &in, &out, job->in[0], o->u, o->bias ? o->bias->value : NULL, job->out, job);
}

/* db (k) += sums over runs of dy. */
LK__INLINE void add_runs(const void *dy, lk_precision type, size_t runs, size_t run, size_t blocks,
                         float *db) {
    for (size_t r = 0; r < runs; r++) {
        lk__v16 s = {0}, v;
        for (size_t i = 0; i < run; i += LANES) {
            lk__load16(dy, type, r * run + i, LANES, &v);
            s += v;
        }
        *(lk__v16 *)(db + r % blocks * LANES) += s;
    }
}

LK__CLONES static void add_runs_f32(const void *dy, size_t runs, size_t run, size_t blocks, float *db) {
    add_runs(dy, F32, runs, run, blocks, db);
}

LK__BF16 static void add_runs_bf16(const void *dy, size_t runs, size_t run, size_t blocks, float *db) {
    add_runs(dy, BF16, runs, run, blocks, db);
}

static void add_bias(const winograd *o, const lk__job *job) {
    float *db = (float *)job->sum + (size_t)P * (size_t)o->c * (size_t)o->k;
    size_t blocks = (size_t)o->k / LANES;
    if (job->lane_begins) memset(db, 0, (size_t)o->k * sizeof *db);
    (o->op.type == F32 ? add_runs_f32 : add_runs_bf16)(job->dout, (size_t)o->op.images * blocks,
                                                       (size_t)(o->oh * o->ow * LANES), blocks, db);
}

static void winograd_backward(lk__op *op, const lk__job *job) {
    winograd *o = (winograd *)op;
    plane x = plane_of(o->h, o->w, o->pad, o->c, op->type, o->oh, o->ow);
    plane z = plane_of(o->oh, o->ow, 0, o->k, op->type, o->oh, o->ow);
    char *v = job->scratch, *m = v + matrix(o) * sizeof(float);
    size_t tiles = (size_t)(op->images * x.rows * x.columns), chunk = (size_t)o->chunk;
    for (size_t t = 0; t < tiles; t += chunk) {
        size_t count = tiles - t < chunk ? tiles - t : chunk;
        read_tiles(&x, job->in[0], t, count, chunk, false, v);
        read_tiles(&z, job->dout, t, count, chunk, true, m);
        lk__kernel_run(job->lane_begins && t == 0 ? &o->weights : &o->weights_more, o->streams[job->worker],
                       job->worker, m + matrix(o) * sizeof(float), (void *[]){v, m, job->sum});
    }
    if (o->bias) add_bias(o, job);
    if (!job->din[0]) return;
    plane dy = plane_of(o->oh, o->ow, 2 - o->pad, o->k, op->type, o->h, o->w);
    plane dx = plane_of(o->h, o->w, 0, o->c, op->type, o->h, o->w);
    convolve(o, &o->data, &dy, &dx, job->dout, o->u_turned, NULL, job->din[0], job);
}

static void winograd_finish(lk__op *op, float *sums, int lanes) {
    winograd *o = (winograd *)op;
    lk__sum_lanes(sums, op->weight_bytes / sizeof(float), lanes);
    finish f = {o, sums};
    lk__parallel(finish_part, &f);
    if (o->bias)
        memcpy(o->bias->grad, sums + (size_t)P * (size_t)o->c * (size_t)o->k, (size_t)o->k * sizeof(float));
}

static void winograd_free(lk__op *op) {
    winograd *o = (winograd *)op;
    lk__kernel_free(&o->forward);
    lk__kernel_free(&o->data);
    lk__kernel_free(&o->weights);
    lk__kernel_free(&o->weights_more);
    free(o->u);
    free(o->u_turned);
    free(o);
}

/* ---- making ------------------------------------------------------------------------------------ */

/* 36 products (rows, inner) (inner, columns); turned: the first lies as (inner, rows); add: to what is there.
 */
static dnnl_status_t product_new(const lk__context *k, lk_precision type, int rows, int inner, int columns,
                                 bool turned, bool add, lk__kernel *out) {
    dnnl_data_type_t t = type == BF16 ? dnnl_bf16 : dnnl_f32;
    dnnl_dims_t a = {P, rows, inner}, b = {P, inner, columns}, c = {P, rows, columns};
    dnnl_memory_desc_t ad, bd, cd;
    dnnl_matmul_desc_t op;
    dnnl_primitive_desc_t desc;
    dnnl_status_t e = dnnl_memory_desc_init_by_tag(&ad, 3, a, t, turned ? dnnl_acb : dnnl_abc);
    if (!e) e = dnnl_memory_desc_init_by_tag(&bd, 3, b, t, dnnl_abc);
    if (!e) e = dnnl_memory_desc_init_by_tag(&cd, 3, c, dnnl_f32, dnnl_abc);
    if (!e) e = dnnl_matmul_desc_init(&op, &ad, &bd, NULL, &cd);
    if (!e) e = lk__desc_new(&op, k->engine, NULL, add, &desc);
    if (e) return e;
    lk__arg args[] = {{DNNL_ARG_SRC, &ad}, {DNNL_ARG_WEIGHTS, &bd}, {DNNL_ARG_DST, &cd}};
    e = lk__kernel_new(desc, k, 3, args, out);
    dnnl_primitive_desc_destroy(desc);
    return e;
}

bool lk__winograd_suits(const lk__context *k, const lk__act *x, const lk__act *y) {
    const lk__layer *l = k->layer;
    if (l->kind != LK__CONV || l->kernel != 3 || l->stride != 1 || l->pad > 2 || x->block != LANES ||
        y->block != LANES)
        return false;
    /* Few tiles: reading 36 numbers a kernel, where there were 9, costs more than it saves. */
    int rows = (y->h + TILE - 1) / TILE, columns = (y->w + TILE - 1) / TILE;
    return rows * columns * k->images >= 12 && y->h * y->w * 3 >= rows * columns * TILE * TILE;
}

lk_status lk__winograd_new(const lk__context *k, const lk__act *x, const lk__act *y, lk__op **out,
                           lk_error *err) {
    winograd *o = calloc(1, sizeof *o);
    if (!o) return lk__fail_memory(err, sizeof *o, "a convolution");
    const lk__layer *l = k->layer;
    int tiles = (y->h + TILE - 1) / TILE * ((y->w + TILE - 1) / TILE) * k->images;
    int back = (x->h + TILE - 1) / TILE * ((x->w + TILE - 1) / TILE) * k->images;
    if (back > tiles) tiles = back;
    int most = 96, parts = (tiles + most - 1) / most;
    *o = (winograd){.op = {.type = k->type,
                           .out_type = y->type,
                           .images = k->images,
                           .needs_x = true,
                           .load = winograd_load,
                           .forward = winograd_forward,
                           .backward = winograd_backward,
                           .finish = winograd_finish,
                           .free = winograd_free},
                    .streams = k->streams,
                    .weight = lk__weights_find(k->weights, k->index, "weight"),
                    .bias = lk__weights_find(k->weights, k->index, "bias"),
                    .c = x->c,
                    .k = y->c,
                    .h = x->h,
                    .w = x->w,
                    .oh = y->h,
                    .ow = y->w,
                    .pad = l->pad,
                    .chunk = (tiles + parts - 1) / parts};
    snprintf(o->op.what, sizeof o->op.what, "conv 3x3 %d->%d @%d winograd", l->in_c, l->out, l->out_h);
    o->op.flops = 2.0 * (double)o->weight->count * l->out_h * l->out_w;
    size_t u = (size_t)P * (size_t)x->c * (size_t)y->c, bytes = u * lk__type_bytes(k->type);
    o->op.weight_bytes = u * sizeof(float) + (o->bias ? (size_t)y->c * sizeof(float) : 0);
    o->u = malloc(bytes);
    o->u_turned = k->training ? malloc(bytes) : NULL;
    dnnl_status_t e = o->u && (o->u_turned || !k->training) ? dnnl_success : dnnl_out_of_memory;
    if (!e) e = product_new(k, k->type, o->chunk, o->c, o->k, false, false, &o->forward);
    if (!e && k->training) e = product_new(k, k->type, o->chunk, o->k, o->c, false, false, &o->data);
    if (!e && k->training) e = product_new(k, k->type, o->c, o->chunk, o->k, true, false, &o->weights);
    if (!e && k->training) e = product_new(k, k->type, o->c, o->chunk, o->k, true, true, &o->weights_more);
    if (e) {
        winograd_free(&o->op);
        return lk__dnnl_check(e, "a product of matrices", err);
    }
    const lk__kernel *all[] = {&o->forward, &o->data, &o->weights, &o->weights_more};
    size_t scratch = 0;
    for (int i = 0; i < 4; i++)
        if (all[i]->scratch_bytes > scratch) scratch = all[i]->scratch_bytes;
    o->op.scratch_bytes = 2 * matrix(o) * sizeof(float) + scratch;
    *out = &o->op;
    return LK_OK;
}
