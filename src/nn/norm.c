/* norm.c: batch norm and rectifier. They are not steps of a net but something an activation waits for: a pass
 * over memory for each would cost more than its arithmetic. So an activation is stored as the step before the
 * norm wrote it; whoever reads it normalises on the way, unit by unit in the cache, and keeps nothing. Either
 * may be absent.
 *
 *   z = g (x - m) r + b,  r = 1 / sqrt(v + eps)                 (Ioffe & Szegedy 2015)
 *   y = z > 0 ? z : a z          (He et al. 2015; a = 0 is ReLU, a = 1 no activation)
 *
 * backward, with dz = dy (z > 0 ? 1 : a) and M = n h w values a channel:
 *
 *   da = sum dy min(z, 0),  db = sum dz,  dg = r sum dz (x - m)
 *   dx = g r (dz - db / M - (x - m) r dg / M)
 *
 * The sums are taken where x and dy are made ("look"), and wait for the whole batch ("close"). They run in
 * f32 within one image and in f64 over images and ranks, in a fixed order: the result does not depend on the
 * number of threads. Running statistics move by 1/10 a step, variance unbiased, as in PyTorch. */
#include "nn/op.h"

#include <math.h>
#include <stdlib.h>

static const double EPSILON = 1e-5, MOMENTUM = 0.1;

enum { LANES = LK__LANES, SUMS = 3 };

struct lk__norm {
    int n, c, h, w, block;
    lk_precision type; /* of the activation */
    bool training;
    const lk_ranks *ranks;
    lk__param *gamma, *beta, *mean, *variance; /* NULL without batch norm */
    lk__param *slope;                          /* NULL for ReLU and for no activation */
    float fixed_slope;
    /* (C): of this step */
    float *scale, *shift, *a, *centre, *r, *dx_shift, *dx_slope; /* scale is g r */
    float *partial;                                              /* (n, 3, C): sums of one image */
    lk__lanes *lanes;                                            /* (C / block): all of them, spread */
    double *total;                                               /* (3, C) */
};

/* ---- kernels over one run: the h * w * block values of one image and one block of channels ----- */

static void spread(const float *of_channel, int block, lk__v16 *out) {
    for (int i = 0; i < LANES; i++) (*out)[i] = of_channel[i % block];
}

/* Each loop's body for n values at i: n is a constant but for the last few. */

LK__INLINE void look_at(const void *x, lk_precision type, size_t i, size_t n, const lk__v16 *m,
                        lk__v16 *sums) {
    lk__v16 v = *m; /* what lies beyond the end adds nothing */
    lk__load16(x, type, i, n, &v);
    v -= *m;
    sums[0] += v;
    sums[1] += v * v;
}

/* sums (2, 16): x - centre and its square. */
LK__INLINE void statistics(const void *x, lk_precision type, size_t count, const lk__v16 *centre,
                           lk__v16 *sums) {
    lk__v16 m = *centre, even[2] = {0}, odd[2] = {0};
    size_t i = 0;
    for (; i + 2 * LANES <= count; i += 2 * LANES) {
        look_at(x, type, i, LANES, &m, even);
        look_at(x, type, i + LANES, LANES, &m, odd);
    }
    for (; i < count; i += LANES) look_at(x, type, i, count - i, &m, even);
    sums[0] = even[0] + odd[0];
    sums[1] = even[1] + odd[1];
}

LK__INLINE void apply_at(const void *x, lk_precision x_type, void *y, lk_precision y_type, size_t i, size_t n,
                         const lk__lanes *p) {
    lk__v16 v = {0};
    lk__load16(x, x_type, i, n, &v);
    lk__v16 z = v * p->scale + p->shift, low = z * p->slope;
    z = LK__PICK(LK__ABOVE_0(z), z, low);
    lk__store16(&z, y, y_type, i, n);
}

LK__INLINE void apply(const void *x, lk_precision x_type, void *y, lk_precision y_type, size_t count,
                      const lk__lanes *all) {
    lk__lanes p = *all;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) apply_at(x, x_type, y, y_type, i, LANES, &p);
    if (i < count) apply_at(x, x_type, y, y_type, i, count - i, &p);
}

LK__INLINE void look_back_at(const void *x, const void *dy, lk_precision type, size_t i, size_t n,
                             const lk__lanes *p, lk__v16 *sums) {
    lk__v16 v = {0}, d = {0}, zero = {0};
    lk__load16(x, type, i, n, &v);
    lk__load16(dy, type, i, n, &d);
    lk__v16 z = v * p->scale + p->shift, low = d * p->slope, dz = LK__PICK(LK__ABOVE_0(z), d, low);
    sums[0] += dz;
    sums[1] += dz * (v - p->centre);
    sums[2] += d * LK__PICK(LK__ABOVE_0(z), zero, z);
}

/* sums (3, 16): dz; dz (x - centre); dy min(z, 0). */
LK__INLINE void sums_back(const void *x, const void *dy, lk_precision type, size_t count,
                          const lk__lanes *all, lk__v16 *sums) {
    lk__lanes p = *all;
    lk__v16 even[SUMS] = {0}, odd[SUMS] = {0};
    size_t i = 0;
    for (; i + 2 * LANES <= count; i += 2 * LANES) {
        look_back_at(x, dy, type, i, LANES, &p, even);
        look_back_at(x, dy, type, i + LANES, LANES, &p, odd);
    }
    for (; i < count; i += LANES) look_back_at(x, dy, type, i, count - i, &p, even);
    for (int j = 0; j < SUMS; j++) sums[j] = even[j] + odd[j];
}

LK__INLINE void gradient_at(const void *x, const void *dy, lk_precision type, void *dx, lk_precision dx_type,
                            size_t i, size_t n, const lk__lanes *p) {
    lk__v16 v = {0}, d = {0};
    lk__load16(x, type, i, n, &v);
    lk__load16(dy, type, i, n, &d);
    lk__v16 z = v * p->scale + p->shift, low = d * p->slope, dz = LK__PICK(LK__ABOVE_0(z), d, low);
    lk__v16 out = p->scale * dz - p->dx_shift - p->dx_slope * (v - p->centre);
    lk__store16(&out, dx, dx_type, i, n);
}

LK__INLINE void gradient(const void *x, const void *dy, lk_precision type, void *dx, lk_precision dx_type,
                         size_t count, const lk__lanes *all) {
    lk__lanes p = *all;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) gradient_at(x, dy, type, dx, dx_type, i, LANES, &p);
    if (i < count) gradient_at(x, dy, type, dx, dx_type, i, count - i, &p);
}

/* One compiled loop for each pair of types. */
#define F32 LK_PRECISION_F32
#define BF16 LK_PRECISION_BF16

LK__CLONES static void statistics_f32(const void *x, size_t count, const lk__v16 *centre, lk__v16 *sums) {
    statistics(x, F32, count, centre, sums);
}

LK__BF16 static void statistics_bf16(const void *x, size_t count, const lk__v16 *centre, lk__v16 *sums) {
    statistics(x, BF16, count, centre, sums);
}

LK__CLONES static void sums_f32(const void *x, const void *dy, size_t count, const lk__lanes *p,
                                lk__v16 *sums) {
    sums_back(x, dy, F32, count, p, sums);
}

LK__BF16 static void sums_bf16(const void *x, const void *dy, size_t count, const lk__lanes *p,
                               lk__v16 *sums) {
    sums_back(x, dy, BF16, count, p, sums);
}

LK__CLONES static void apply_f32(const lk__lanes *p, size_t count, const void *x, void *y) {
    apply(x, F32, y, F32, count, p);
}

LK__BF16 static void apply_bf16(const lk__lanes *p, size_t count, const void *x, lk_precision x_type, void *y,
                                lk_precision y_type) {
    if (x_type == F32)
        apply(x, F32, y, BF16, count, p);
    else if (y_type == F32)
        apply(x, BF16, y, F32, count, p);
    else
        apply(x, BF16, y, BF16, count, p);
}

void lk__lanes_apply(const lk__lanes *lanes, size_t count, const void *x, lk_precision x_type, void *y,
                     lk_precision y_type) {
    if (x_type == F32 && y_type == F32)
        apply_f32(lanes, count, x, y);
    else
        apply_bf16(lanes, count, x, x_type, y, y_type);
}

LK__INLINE void sum_at(const lk__lanes *p, const lk__lanes *q, const void *x, const void *r, void *y,
                       lk_precision type, size_t i, size_t n) {
    lk__v16 a = {0}, b = {0};
    lk__load16(x, type, i, n, &a);
    lk__load16(r, type, i, n, &b);
    a = a * p->scale + p->shift;
    b = b * q->scale + q->shift;
    lk__v16 low_a = a * p->slope, low_b = b * q->slope,
            z = LK__PICK(LK__ABOVE_0(a), a, low_a) + LK__PICK(LK__ABOVE_0(b), b, low_b);
    lk__store16(&z, y, type, i, n);
}

LK__INLINE void sum(const lk__lanes *x_lanes, const lk__lanes *r_lanes, size_t count, const void *x,
                    const void *r, void *y, lk_precision type) {
    lk__lanes p = *x_lanes, q = *r_lanes;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) sum_at(&p, &q, x, r, y, type, i, LANES);
    if (i < count) sum_at(&p, &q, x, r, y, type, i, count - i);
}

LK__CLONES static void sum_f32(const lk__lanes *p, const lk__lanes *q, size_t count, const void *x,
                               const void *r, void *y) {
    sum(p, q, count, x, r, y, F32);
}

LK__BF16 static void sum_bf16(const lk__lanes *p, const lk__lanes *q, size_t count, const void *x,
                              const void *r, void *y) {
    sum(p, q, count, x, r, y, BF16);
}

void lk__lanes_add(const lk__lanes *x_lanes, const lk__lanes *r_lanes, size_t count, const void *x,
                   const void *r, void *y, lk_precision type) {
    (type == F32 ? sum_f32 : sum_bf16)(x_lanes, r_lanes, count, x, r, y);
}

LK__CLONES static void gradient_f32(const lk__lanes *p, size_t count, const void *x, const void *dy,
                                    void *dx) {
    gradient(x, dy, F32, dx, F32, count, p);
}

LK__BF16 static void gradient_bf16(const lk__lanes *p, size_t count, const void *x, const void *dy,
                                   lk_precision type, void *dx, lk_precision dx_type) {
    if (type == F32)
        gradient(x, dy, F32, dx, BF16, count, p);
    else if (dx_type == F32)
        gradient(x, dy, BF16, dx, F32, count, p);
    else
        gradient(x, dy, BF16, dx, BF16, count, p);
}

void lk__lanes_gradient(const lk__lanes *lanes, size_t count, const void *x, const void *dy,
                        lk_precision type, void *dx, lk_precision dx_type) {
    if (type == F32 && dx_type == F32)
        gradient_f32(lanes, count, x, dy, dx);
    else
        gradient_bf16(lanes, count, x, dy, type, dx, dx_type);
}

LK__CLONES static void add_f32(const float *from, float *to, size_t count) {
    for (size_t i = 0; i < count; i++) to[i] += from[i];
}

LK__INLINE void add_at(const void *from, lk_precision from_type, void *to, lk_precision to_type, size_t i,
                       size_t n) {
    lk__v16 a = {0}, b = {0};
    lk__load16(from, from_type, i, n, &a);
    lk__load16(to, to_type, i, n, &b);
    a += b;
    lk__store16(&a, to, to_type, i, n);
}

LK__INLINE void add(const void *from, lk_precision from_type, void *to, lk_precision to_type, size_t count) {
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) add_at(from, from_type, to, to_type, i, LANES);
    if (i < count) add_at(from, from_type, to, to_type, i, count - i);
}

LK__BF16 static void add_bf16(const void *from, lk_precision from_type, void *to, lk_precision to_type,
                              size_t count) {
    if (from_type == F32)
        add(from, F32, to, BF16, count);
    else if (to_type == F32)
        add(from, BF16, to, F32, count);
    else
        add(from, BF16, to, BF16, count);
}

void lk__add_values(const void *from, lk_precision from_type, void *to, lk_precision to_type, size_t count) {
    if (from_type == F32 && to_type == F32)
        add_f32(from, to, count);
    else
        add_bf16(from, from_type, to, to_type, count);
}

/* ---- runs and their channels ------------------------------------------------------------------- */

static size_t channel_of(const lk__norm *o, size_t run) {
    return run % (size_t)(o->c / o->block) * (size_t)o->block;
}

static size_t run_count(const lk__norm *o) {
    return (size_t)o->h * (size_t)o->w * (size_t)o->block;
}

const lk__lanes *lk__lanes_of(const lk__norm *o, size_t run) {
#define SAME                                                                                                 \
    { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }
    static const lk__lanes same = {.scale = SAME, .slope = SAME};
#undef SAME
    return o ? &o->lanes[run % (size_t)(o->c / o->block)] : &same;
}

/* After any of the parameters has changed. */
static void spread_all(lk__norm *o) {
    for (int b = 0; b < o->c / o->block; b++) {
        lk__lanes *p = &o->lanes[b];
        int ch = b * o->block;
        spread(o->scale + ch, o->block, &p->scale);
        spread(o->shift + ch, o->block, &p->shift);
        spread(o->a + ch, o->block, &p->slope);
        spread(o->centre + ch, o->block, &p->centre);
        spread(o->dx_shift + ch, o->block, &p->dx_shift);
        spread(o->dx_slope + ch, o->block, &p->dx_slope);
    }
}

/* Adds the lanes of `rows` sums to partial (rows, C) of this image. */
static void fold(const lk__norm *o, size_t run, const lk__v16 *sums, int rows) {
    size_t image = run / (size_t)(o->c / o->block), c = (size_t)o->c;
    float *to = o->partial + image * SUMS * c + channel_of(o, run);
    for (int row = 0; row < rows; row++)
        for (int ch = 0; ch < o->block; ch++) {
            float s = 0;
            for (int i = ch; i < LANES; i += o->block) s += sums[row][i];
            to[(size_t)row * c + (size_t)ch] = s;
        }
}

/* total (rows, C): over this rank's images. */
static void add_images(const lk__norm *o, int rows) {
    size_t c = (size_t)o->c, count = (size_t)rows * c;
    for (size_t i = 0; i < count; i++) o->total[i] = 0;
    for (int n = 0; n < o->n; n++)
        for (size_t i = 0; i < count; i++) o->total[i] += (double)o->partial[(size_t)n * SUMS * c + i];
}

static double values_a_channel(const lk__norm *o) {
    return (double)o->n * o->h * o->w * (o->ranks ? o->ranks->count : 1);
}

/* ---- forward ----------------------------------------------------------------------------------- */

static void use_statistics(lk__norm *o, int c, double mean, double variance) {
    double r = 1 / sqrt(variance + EPSILON), g = (double)o->gamma->value[c] * r;
    o->centre[c] = (float)mean;
    o->scale[c] = (float)g;
    o->shift[c] = (float)((double)o->beta->value[c] - mean * g);
    o->r[c] = (float)r;
}

void lk__norm_load(lk__norm *o) {
    for (int c = 0; c < o->c; c++) {
        o->a[c] = o->slope ? o->slope->value[c] : o->fixed_slope;
        if (o->gamma && !o->training)
            use_statistics(o, c, (double)o->mean->value[c], (double)o->variance->value[c]);
        if (o->gamma && o->training) o->centre[c] = o->mean->value[c];
    }
    spread_all(o);
}

bool lk__norm_has_statistics(const lk__norm *o) {
    return o->gamma && o->training;
}

void lk__norm_look(lk__norm *o, size_t run, const void *x) {
    lk__v16 sums[2];
    const lk__v16 *centre = &lk__lanes_of(o, run)->centre;
    if (o->type == F32)
        statistics_f32(x, run_count(o), centre, sums);
    else
        statistics_bf16(x, run_count(o), centre, sums);
    fold(o, run, sums, 2);
}

void lk__norm_close(lk__norm *o) {
    double count = values_a_channel(o);
    add_images(o, 2);
    if (o->ranks) o->ranks->sum(o->ranks->context, o->total, 2 * (size_t)o->c);
    for (int c = 0; c < o->c; c++) {
        /* Around what was the mean lately, so that the squares do not cancel. */
        double d = o->total[c] / count, mean = (double)o->centre[c] + d, old = (double)o->mean->value[c];
        double variance = fmax(o->total[o->c + c] / count - d * d, 0),
               unbiased = count > 1 ? variance * count / (count - 1) : variance;
        use_statistics(o, c, mean, variance);
        o->mean->value[c] = (float)((1 - MOMENTUM) * old + MOMENTUM * mean);
        o->variance->value[c] = (float)((1 - MOMENTUM) * (double)o->variance->value[c] + MOMENTUM * unbiased);
    }
    spread_all(o);
}

/* ---- backward ---------------------------------------------------------------------------------- */

void lk__norm_look_back(lk__norm *o, size_t run, const void *x, const void *dy) {
    if (!o->gamma && !o->slope) return;
    const lk__lanes *p = lk__lanes_of(o, run);
    lk__v16 sums[SUMS];
    if (o->type == F32)
        sums_f32(x, dy, run_count(o), p, sums);
    else
        sums_bf16(x, dy, run_count(o), p, sums);
    fold(o, run, sums, SUMS);
}

void lk__norm_close_back(lk__norm *o) {
    if (!o->gamma && !o->slope) return;
    double count = values_a_channel(o);
    add_images(o, SUMS);
    const double *db = o->total, *dg = db + o->c, *da = dg + o->c;
    for (int c = 0; c < o->c; c++) { /* this rank's share: gradients are summed over ranks later */
        if (o->slope) o->slope->grad[c] = (float)da[c];
        if (!o->gamma) continue;
        o->beta->grad[c] = (float)db[c];
        o->gamma->grad[c] = (float)((double)o->r[c] * dg[c]);
    }
    if (!o->gamma) return;
    if (o->ranks) o->ranks->sum(o->ranks->context, o->total, 2 * (size_t)o->c);
    for (int c = 0; c < o->c; c++) {
        double gr = (double)o->scale[c], r = (double)o->r[c];
        o->dx_shift[c] = (float)(gr * db[c] / count);
        o->dx_slope[c] = (float)(gr * r * r * dg[c] / count);
    }
    spread_all(o);
}

/* ---- making ------------------------------------------------------------------------------------ */

void lk__norm_free(lk__norm *o) {
    if (!o) return;
    free(o->scale);
    free(o->partial);
    free(o->total);
    free(o->lanes);
    free(o);
}

lk_status lk__norm_new(const lk__context *k, int batchnorm, int activation, const lk__act *act,
                       lk__norm **out, lk_error *err) {
    size_t c = (size_t)act->c, images = k->training ? (size_t)act->n : 1;
    lk__norm *o = calloc(1, sizeof *o);
    if (!o) return lk__fail_memory(err, sizeof *o, "batch norm");
    *o = (lk__norm){.n = act->n,
                    .c = act->c,
                    .h = act->h,
                    .w = act->w,
                    .block = act->block,
                    .type = act->type,
                    .training = k->training,
                    .ranks = k->ranks};
    o->scale = calloc(7 * c, sizeof(float));
    o->partial = calloc(images * SUMS * c, sizeof(float));
    o->total = calloc(SUMS * c, sizeof(double));
    o->lanes = aligned_alloc(sizeof(lk__v16), lk__act_blocks(act) * sizeof *o->lanes);
    if (!o->scale || !o->partial || !o->total || !o->lanes) {
        lk__norm_free(o);
        return lk__fail_memory(err, images * SUMS * c * sizeof(float), "batch norm");
    }
    o->shift = o->scale + c;
    o->a = o->scale + 2 * c;
    o->centre = o->scale + 3 * c;
    o->r = o->scale + 4 * c;
    o->dx_shift = o->scale + 5 * c;
    o->dx_slope = o->scale + 6 * c;
    for (size_t i = 0; i < c; i++) o->scale[i] = 1;
    if (batchnorm >= 0) {
        o->gamma = lk__weights_find(k->weights, batchnorm, "weight");
        o->beta = lk__weights_find(k->weights, batchnorm, "bias");
        o->mean = lk__weights_find(k->weights, batchnorm, "mean");
        o->variance = lk__weights_find(k->weights, batchnorm, "variance");
    }
    o->slope = activation >= 0 ? lk__weights_find(k->weights, activation, "slope") : NULL;
    o->fixed_slope = activation >= 0 ? 0 : 1; /* ReLU : none */
    *out = o;
    return LK_OK;
}
