/* winograd.c: 3x3 convolutions of stride 1 by Winograd's minimal filtering F(4x4, 3x3) (Lavin & Gray 2016):
 * 36 multiplications for 16 outputs instead of 144. A tile is 4x4 outputs and the 6x6 inputs under them.
 *
 *   U = G w G^T, V = B^T d B, y = A^T (sum_c U V) A               forward
 *   dx: the same, over dy, with the kernel turned round and in and out exchanged
 *   dw = G^T (sum over tiles of V Z) G, Z = A dy A^T               backward weights
 *
 * The sums are 36 small matrix products, which oneDNN does at 80 to 95 % of peak in f32 and 60 to 80 % in
 * bf16; the transforms are ours. oneDNN's own Winograd knows f32 only, and takes 50 ms a step of the net
 * `small` to transform the weights, half as long as all the rest.
 *
 * What differs from the paper: the points. It takes 0, +-1, +-2 and infinity, for whole numbers in B and A.
 * 0, +-5/8, +-3/2 and infinity lose half as much to rounding (measured over a grid of points), which is what
 * makes bf16 possible here: 1 % of noise in y and dw, where direct convolution in bf16 has 0.25 %. */
#include "nn/op.h"

#include <stdlib.h>

enum { P = 36, TILE = 4, PATCH = 6 };

#define F32 LK_PRECISION_F32
#define BF16 LK_PRECISION_BF16

#define A1 0.625f
#define B1 1.5f
#define AA (A1 * A1)
#define BB (B1 * B1)
/* Rows of G: 1, x, x^2 over the product of differences to the other points. */
#define N0 (1 / (AA * BB))
#define NA (1 / (2 * AA * (AA - BB)))
#define NB (1 / (2 * BB * (BB - AA)))

typedef struct transforms transforms;

typedef struct winograd {
    lk__op op;
    dnnl_stream_t *streams;
    lk__param *weight, *bias;
    int c, k, lanes; /* channels in, out, in a block */
    const transforms *transforms;
    int h, w, oh, ow, pad;
    int chunk;                                       /* tiles in one product */
    lk__kernel forward, data, weights, weights_more; /* the last adds to what is there */
    void *u, *u_turned;                              /* (36, c, k) and (36, k, c), in the type of the step */
} winograd;

/* Tiles over a (h, w) plane. Those read as 6x6 patches have `pad` zeros around; those of a gradient, 4x4,
 * none. */
typedef struct plane {
    int h, w, pad, rows, columns; /* rows and columns of tiles */
    size_t blocks, lanes;         /* of channels; in each */
    lk_precision type;
} plane;

/* What is read from a plane: stored values and what is to be done to them (norm.c). */
typedef struct source {
    const char *x, *dy; /* dy NULL: values; else the gradient of what became of x */
    const lk__norm *norm;
    bool patches; /* 6x6, for V; else 4x4, for Z */
} source;

/* From one matrix of tiles to the next, in values: a tile is read and written in 36 of them, and with a power
 * of two between them its lines would all fall into one set of the cache. */
static size_t matrix_apart(size_t chunk, size_t channels) {
    return chunk * channels + 16;
}

/* Values of a plane stand in a frame for this: as wide as its tiles, (rows, columns, lanes). */
static int frame_width(const plane *p) {
    return p->columns * TILE + PATCH - TILE;
}

static size_t frame_count(const plane *p) {
    return (size_t)((p->rows * TILE + PATCH - TILE) * frame_width(p)) * p->lanes;
}

/* By type, where there are several. */
struct transforms {
    /* Tiles [first, last) of a frame to `to` (36, chunk, channels) from value `at` on, each `apart` further.
     */
    void (*read[2])(const plane *p, bool patches, const float *frame, size_t first, size_t last, void *to,
                    size_t at, size_t apart, size_t stride);
    /* m (36, chunk, channels) to tiles [first, first + count) of y. */
    void (*write[2])(const plane *p, const float *m, const float *bias, const lk__norm *norm, size_t first,
                     size_t count, size_t chunk, void *y);
    void (*read_weights[2])(const float *w, size_t stride, bool turned, size_t rows, size_t row, size_t to,
                            void *u);
    void (*write_weights)(const float *du, size_t rows, size_t row, size_t to, float *dw);
    void (*add_frame)(const plane *p, const float *frame, float *db);
};

#define LANES 16
#include "nn/winograd_lanes.h"
#undef LANES
#define LANES 8
#include "nn/winograd_lanes.h"
#undef LANES

/* ---- tiles ------------------------------------------------------------------------------------- */

/* Rows of tiles [first, last) of one run into a frame of zeros, in f32: no tile needs to look for a border,
 * and what several patches share is converted once. */
static void frame_fill(const plane *p, const source *s, size_t run, int first, int last, float *frame) {
    size_t count = (size_t)p->w * p->lanes, bytes = count * lk__type_bytes(p->type);
    const lk__lanes *lanes = lk__lanes_of(s->norm, run);
    int pad = s->patches ? p->pad : 0, low = first * TILE - pad, high = last * TILE - pad + PATCH - TILE;
    for (int i = low < 0 ? 0 : low; i < high && i < p->h; i++) {
        size_t at = (run * (size_t)p->h + (size_t)i) * bytes;
        float *to = frame + (size_t)((i + pad) * frame_width(p) + pad) * p->lanes;
        if (s->dy && s->norm)
            lk__lanes_gradient(lanes, count, s->x + at, s->dy + at, p->type, to, LK_PRECISION_F32);
        else
            lk__lanes_apply(lanes, count, (s->dy ? s->dy : s->x) + at, p->type, to, LK_PRECISION_F32);
    }
}

/* Tiles [first, first + count) of what is read, to `to` (36, chunk, channels); those from count to chunk are
 * zero. */
static void read_tiles(const transforms *by, const plane *p, const source *s, size_t first, size_t count,
                       size_t chunk, float *frame, void *to) {
    size_t tiles = (size_t)(p->rows * p->columns), channels = p->blocks * p->lanes,
           stride = matrix_apart(chunk, channels);
    memset(frame, 0, frame_count(p) * sizeof *frame);
    for (size_t t = 0, more; t < count; t += more) { /* image by image */
        size_t image = (first + t) / tiles, tile = (first + t) % tiles;
        more = tiles - tile < count - t ? tiles - tile : count - t;
        int top = (int)tile / p->columns, bottom = (int)(tile + more - 1) / p->columns + 1;
        for (size_t b = 0; b < p->blocks; b++) {
            frame_fill(p, s, image * p->blocks + b, top, bottom, frame);
            by->read[p->type](p, s->patches, frame, tile, tile + more, to, t * channels + b * p->lanes,
                              channels, stride);
        }
    }
    size_t bytes = lk__type_bytes(p->type);
    for (size_t e = 0; count < chunk && e < P; e++)
        memset((char *)to + (e * stride + count * channels) * bytes, 0, (chunk - count) * channels * bytes);
}

/* ---- weights ----------------------------------------------------------------------------------- */

static void load_part(void *context, int i, int n) {
    winograd *o = context;
    size_t c = (size_t)o->c, k = (size_t)o->k, first, last;
    void (*in)(const float *, size_t, bool, size_t, size_t, size_t, void *) =
        o->transforms->read_weights[o->op.type];
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
        f->o->transforms->write_weights(f->du, (size_t)f->o->c, r, (size_t)f->o->k, f->o->weight->grad);
}

/* ---- the step ---------------------------------------------------------------------------------- */

static size_t matrix(const winograd *o) { /* values of V, Z or M */
    return (size_t)P * matrix_apart((size_t)o->chunk, (size_t)(o->c > o->k ? o->c : o->k));
}

static plane plane_of(const winograd *o, int h, int w, int pad, int channels, lk_precision type, int oh,
                      int ow) {
    return (plane){.h = h,
                   .w = w,
                   .pad = pad,
                   .rows = (oh + TILE - 1) / TILE,
                   .columns = (ow + TILE - 1) / TILE,
                   .blocks = (size_t)(channels / o->lanes),
                   .lanes = (size_t)o->lanes,
                   .type = type};
}

static void winograd_load(lk__op *op) {
    lk__parallel(load_part, op);
}

/* Scratch memory: V, M (or Z), a frame, and what the products want. */
typedef struct scratch {
    char *v, *m;
    float *frame;
    char *product;
} scratch;

static size_t frame_most(const winograd *o) {
    int h = (o->h > o->oh ? o->h : o->oh) + TILE + PATCH, w = (o->w > o->ow ? o->w : o->ow) + TILE + PATCH;
    return (size_t)(h * w * o->lanes);
}

static scratch scratch_of(const winograd *o, const lk__job *job) {
    char *v = job->scratch, *m = v + matrix(o) * sizeof(float), *frame = m + matrix(o) * sizeof(float);
    return (scratch){v, m, (float *)(void *)frame, frame + frame_most(o) * sizeof(float)};
}

/* y = convolution of what is read, in chunks of tiles. norm: what is done to y. */
static void convolve(const winograd *o, const lk__kernel *product, const plane *in, const source *from,
                     const plane *out, void *u, const float *bias, const lk__norm *norm, void *y,
                     const lk__job *job) {
    scratch place = scratch_of(o, job);
    size_t tiles = (size_t)(o->op.images * out->rows * out->columns), chunk = (size_t)o->chunk;
    for (size_t t = 0; t < tiles; t += chunk) {
        size_t count = tiles - t < chunk ? tiles - t : chunk;
        read_tiles(o->transforms, in, from, t, count, chunk, place.frame, place.v);
        lk__kernel_run(product, o->streams[job->worker], job->worker, place.product,
                       (void *[]){place.v, u, place.m});
        o->transforms->write[out->type](out, (const float *)(void *)place.m, bias, norm, t, count, chunk, y);
    }
}

static void winograd_forward(lk__op *op, const lk__job *job) {
    winograd *o = (winograd *)op;
    plane in = plane_of(o, o->h, o->w, o->pad, o->c, op->type, o->oh, o->ow);
    plane out = plane_of(o, o->oh, o->ow, 0, o->k, op->out_type, o->oh, o->ow);
    source x = {job->in[0], NULL, job->in_norm[0], true};
    convolve(o, &o->forward, &in, &x, &out, o->u, o->bias ? o->bias->value : NULL, job->out_norm, job->out,
             job);
}

static void add_bias(const winograd *o, const plane *p, const source *dy, const lk__job *job) {
    float *db = (float *)job->sum + (size_t)P * (size_t)o->c * (size_t)o->k,
          *frame = scratch_of(o, job).frame;
    if (job->lane_begins) memset(db, 0, (size_t)o->k * sizeof *db);
    for (size_t r = 0; r < (size_t)o->op.images * p->blocks; r++) {
        frame_fill(p, dy, r, 0, p->rows, frame);
        o->transforms->add_frame(p, frame, db + r % p->blocks * p->lanes);
    }
}

static void winograd_backward(lk__op *op, const lk__job *job) {
    winograd *o = (winograd *)op;
    plane x_plane = plane_of(o, o->h, o->w, o->pad, o->c, op->type, o->oh, o->ow),
          z_plane = plane_of(o, o->oh, o->ow, 0, o->k, op->type, o->oh, o->ow);
    source x = {job->in[0], NULL, job->in_norm[0], true}, z = {job->y, job->dout, job->out_norm, false};
    scratch place = scratch_of(o, job);
    size_t tiles = (size_t)(op->images * x_plane.rows * x_plane.columns), chunk = (size_t)o->chunk;
    for (size_t t = 0; t < tiles; t += chunk) {
        size_t count = tiles - t < chunk ? tiles - t : chunk;
        read_tiles(o->transforms, &x_plane, &x, t, count, chunk, place.frame, place.v);
        read_tiles(o->transforms, &z_plane, &z, t, count, chunk, place.frame, place.m);
        lk__kernel_run(job->lane_begins && t == 0 ? &o->weights : &o->weights_more, o->streams[job->worker],
                       job->worker, place.product, (void *[]){place.v, place.m, job->sum});
    }
    if (o->bias) add_bias(o, &z_plane, &z, job);
    if (!job->din[0]) return;
    plane dy_plane = plane_of(o, o->oh, o->ow, 2 - o->pad, o->k, op->type, o->h, o->w),
          dx_plane = plane_of(o, o->h, o->w, 0, o->c, op->type, o->h, o->w);
    source dy = {job->y, job->dout, job->out_norm, true};
    convolve(o, &o->data, &dy_plane, &dy, &dx_plane, o->u_turned, NULL, NULL, job->din[0], job);
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

/* 36 matrices (rows, columns). */
typedef struct matrices {
    int rows, columns;
    bool turned; /* they lie as (columns, rows) */
    bool tiles;  /* matrix_apart from each to the next */
} matrices;

static dnnl_status_t matrices_desc(const matrices *m, dnnl_data_type_t type, dnnl_memory_desc_t *out) {
    size_t rows = (size_t)m->rows, columns = (size_t)m->columns;
    dnnl_dims_t dims = {P, m->rows, m->columns},
                apart = {(dnnl_dim_t)(m->tiles ? matrix_apart(rows, columns) : rows * columns),
                         m->turned ? 1 : m->columns, m->turned ? m->rows : 1};
    return dnnl_memory_desc_init_by_strides(out, 3, dims, type, apart);
}

/* c = a b, or c += a b; c in f32. */
static dnnl_status_t product_new(const lk__context *k, matrices a, matrices b, matrices c, bool add,
                                 lk__kernel *out) {
    dnnl_data_type_t type = k->type == BF16 ? dnnl_bf16 : dnnl_f32;
    dnnl_memory_desc_t ad, bd, cd;
    dnnl_matmul_desc_t op;
    dnnl_primitive_desc_t desc;
    dnnl_status_t e = matrices_desc(&a, type, &ad);
    if (!e) e = matrices_desc(&b, type, &bd);
    if (!e) e = matrices_desc(&c, dnnl_f32, &cd);
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
    if (l->kind != LK__CONV || l->kernel != 3 || l->stride != 1 || l->pad > 2 || x->block < 8 || y->block < 8)
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
                           .raw = true,
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
                    .lanes = x->block,
                    .transforms = x->block == 16 ? &lanes_16 : &lanes_8,
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
    matrices v = {o->chunk, o->c, false, true}, z = {o->chunk, o->k, false, true},
             v_turned = {o->c, o->chunk, true, true};
    matrices w = {o->c, o->k, false, false}, w_turned = {o->k, o->c, false, false};
    if (!e) e = product_new(k, v, w, z, false, &o->forward);
    if (!e && k->training) e = product_new(k, z, w_turned, v, false, &o->data);
    if (!e && k->training) e = product_new(k, v_turned, z, w, false, &o->weights);
    if (!e && k->training) e = product_new(k, v_turned, z, w, true, &o->weights_more);
    if (e) {
        winograd_free(&o->op);
        return lk__dnnl_check(e, "a product of matrices", err);
    }
    const lk__kernel *all[] = {&o->forward, &o->data, &o->weights, &o->weights_more};
    size_t product = 0;
    for (int i = 0; i < 4; i++)
        if (all[i]->scratch_bytes > product) product = all[i]->scratch_bytes;
    o->op.scratch_bytes = (2 * matrix(o) + frame_most(o)) * sizeof(float) + product;
    *out = &o->op;
    return LK_OK;
}
