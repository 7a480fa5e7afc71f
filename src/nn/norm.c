/* norm.c: batch norm, residual add and rectifier as ONE step, since each alone is a pass over memory that
 * costs more than its arithmetic. Any of the three may be absent.
 *
 *   z = g (x - m) r + b + residual,  r = 1 / sqrt(v + eps)      (Ioffe & Szegedy 2015)
 *   y = z > 0 ? z : a z          (He et al. 2015; a = 0 is ReLU, a = 1 no activation)
 *
 * backward, with dz = dy (z > 0 ? 1 : a) and M = n h w values a channel:
 *
 *   da = sum dy min(z, 0),  db = sum dz,  dg = r sum dz (x - m),  dresidual = dz
 *   dx = g r (dz - db / M - (x - m) r dg / M)
 *
 * z is recomputed from x rather than kept: reading x again is needed anyway. Forward is two passes
 * (statistics; apply), backward two (sums; apply). Sums run in f32 within one image and in f64 over images,
 * in a fixed order: the result does not depend on the number of threads. Running statistics move by 1/10 a
 * step, variance unbiased, as in PyTorch. */
#include "nn/op.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double EPSILON = 1e-5, MOMENTUM = 0.1;

enum { LANES = 16 };

typedef struct norm {
    lk__op op;
    bool training;
    lk__param *gamma, *beta, *mean, *variance; /* NULL without batch norm */
    lk__param *slope;                          /* NULL for ReLU and for no activation */
    float fixed_slope;
    /* (C): of this step */
    float *scale, *shift, *a, *centre, *r, *dx_shift, *dx_slope; /* scale is g r */
    float *partial;                                              /* (n, 3, C): sums of one image */
} norm;

/* ---- kernels over one run: the h * w * block floats of one image and one block of channels ----- */

/* Parameters of one block, spread over 16 lanes: lane i is channel i % block. */
static void spread(const float *of_channel, int block, float lanes[LANES]) {
    for (int i = 0; i < LANES; i++) lanes[i] = of_channel[i % block];
}

#define V(p) (*(const lk__v16 *)(p))
#define PICK(mask, a, b) ((lk__v16)(((lk__v16i)(a) & (mask)) | ((lk__v16i)(b) & ~(mask))))

/* sums (2, 16): x - centre and its square. */
LK__CLONES static void run_statistics(const float *x, size_t count, const float *centre, float *sums) {
    lk__v16 s0 = {0}, s1 = {0}, q0 = {0}, q1 = {0}, m = V(centre);
    size_t i = 0;
    for (; i + 2 * LANES <= count; i += 2 * LANES) {
        lk__v16 a = V(x + i) - m, b = V(x + i + LANES) - m;
        s0 += a;
        s1 += b;
        q0 += a * a;
        q1 += b * b;
    }
    *(lk__v16 *)sums = s0 + s1;
    *(lk__v16 *)(sums + LANES) = q0 + q1;
    for (; i < count; i++) {
        float a = x[i] - centre[i % LANES];
        sums[i % LANES] += a;
        sums[LANES + i % LANES] += a * a;
    }
}

LK__CLONES static void run_apply(const float *x, const float *residual, float *y, size_t count,
                                 const float *scale, const float *shift, const float *slope) {
    lk__v16 g = V(scale), b = V(shift), a = V(slope);
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        lk__v16 z = V(x + i) * g + b;
        if (residual) z += V(residual + i);
        lk__v16 low = z * a;
        *(lk__v16 *)(y + i) = PICK(z > 0, z, low);
    }
    for (; i < count; i++) {
        size_t lane = i % LANES;
        float z = x[i] * scale[lane] + shift[lane] + (residual ? residual[i] : 0);
        y[i] = z > 0 ? z : z * slope[lane];
    }
}

/* sums (3, 16): dz; dz (x - centre); dy min(z, 0). */
LK__CLONES static void run_sums(const float *x, const float *residual, const float *dy, size_t count,
                                const float *scale, const float *shift, const float *slope,
                                const float *centre, float *sums) {
    lk__v16 g = V(scale), b = V(shift), a = V(slope), m = V(centre), s = {0}, q = {0}, t = {0}, zero = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        lk__v16 v = V(x + i), d = V(dy + i), z = v * g + b;
        if (residual) z += V(residual + i);
        lk__v16 low = d * a, dz = PICK(z > 0, d, low);
        s += dz;
        q += dz * (v - m);
        t += d * PICK(z > 0, zero, z);
    }
    *(lk__v16 *)sums = s;
    *(lk__v16 *)(sums + LANES) = q;
    *(lk__v16 *)(sums + 2 * LANES) = t;
    for (; i < count; i++) {
        size_t lane = i % LANES;
        float z = x[i] * scale[lane] + shift[lane] + (residual ? residual[i] : 0),
              dz = z > 0 ? dy[i] : dy[i] * slope[lane];
        sums[lane] += dz;
        sums[LANES + lane] += dz * (x[i] - centre[lane]);
        sums[2 * LANES + lane] += z > 0 ? 0 : dy[i] * z;
    }
}

typedef struct lanes {
    float scale[LANES], shift[LANES], slope[LANES], centre[LANES], dx_shift[LANES], dx_slope[LANES];
} lanes;

/* dx = scale dz - dx_shift - dx_slope (x - centre). dx may be dy: each value is read before it is written.
 * It may be dresidual too, when x is added to what is made of it: then dx comes second and adds. */
LK__CLONES static void run_gradient(const float *x, const float *residual, const float *dy, size_t count,
                                    const lanes *p, float *dx, bool dx_add, float *dresidual,
                                    bool dresidual_add) {
    lk__v16 g = V(p->scale), b = V(p->shift), a = V(p->slope), m = V(p->centre);
    lk__v16 c = V(p->dx_shift), q = V(p->dx_slope);
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        lk__v16 v = V(x + i), d = V(dy + i), z = v * g + b;
        if (residual) z += V(residual + i);
        lk__v16 low = d * a, dz = PICK(z > 0, d, low), out = g * dz - c - q * (v - m);
        if (dresidual_add) dz += V(dresidual + i);
        if (dresidual) *(lk__v16 *)(dresidual + i) = dz;
        if (dx_add) out += V(dx + i);
        *(lk__v16 *)(dx + i) = out;
    }
    for (; i < count; i++) {
        size_t lane = i % LANES;
        float z = x[i] * p->scale[lane] + p->shift[lane] + (residual ? residual[i] : 0);
        float dz = z > 0 ? dy[i] : dy[i] * p->slope[lane];
        float out = p->scale[lane] * dz - p->dx_shift[lane] - p->dx_slope[lane] * (x[i] - p->centre[lane]);
        if (dresidual) dresidual[i] = dz + (dresidual_add ? dresidual[i] : 0);
        dx[i] = out + (dx_add ? dx[i] : 0);
    }
}

/* ---- passes over all runs ---------------------------------------------------------------------- */

typedef struct run_place {
    size_t offset, count; /* in the activation */
    size_t image, channel;
} run_place;

static run_place place(const lk__act *x, size_t run) {
    size_t blocks = (size_t)(x->c / x->block), count = (size_t)x->h * (size_t)x->w * (size_t)x->block;
    return (run_place){run * count, count, run / blocks, run % blocks * (size_t)x->block};
}

static size_t runs(const lk__act *x) {
    return (size_t)x->n * (size_t)(x->c / x->block);
}

/* Adds the lanes of `rows` sums to partial (rows, C) of this image. */
static void fold(const norm *o, run_place r, const float *sums, int rows) {
    const lk__act *x = o->op.x;
    float *to = o->partial + r.image * 3 * (size_t)x->c + r.channel;
    for (int row = 0; row < rows; row++)
        for (int ch = 0; ch < x->block; ch++) {
            float s = 0;
            for (int i = ch; i < LANES; i += x->block) s += sums[row * LANES + i];
            to[(size_t)row * (size_t)x->c + (size_t)ch] = s;
        }
}

static double total(const norm *o, int row, int channel) {
    const lk__act *x = o->op.x;
    double s = 0;
    for (int n = 0; n < x->n; n++)
        s += (double)o->partial[((size_t)n * 3 + (size_t)row) * (size_t)x->c + (size_t)channel];
    return s;
}

static void spread_all(const norm *o, run_place r, lanes *p) {
    int block = o->op.x->block;
    spread(o->scale + r.channel, block, p->scale);
    spread(o->shift + r.channel, block, p->shift);
    spread(o->a + r.channel, block, p->slope);
    spread(o->centre + r.channel, block, p->centre);
    spread(o->dx_shift + r.channel, block, p->dx_shift);
    spread(o->dx_slope + r.channel, block, p->dx_slope);
}

static const float *at(const float *values, run_place r) {
    return values + r.offset;
}

static void visit_statistics(norm *o, run_place r, const lanes *p) {
    float sums[2 * LANES];
    run_statistics(at(o->op.x->value, r), r.count, p->centre, sums);
    fold(o, r, sums, 2);
}

static void visit_apply(norm *o, run_place r, const lanes *p) {
    const lk__act *residual = o->op.residual;
    run_apply(at(o->op.x->value, r), residual ? at(residual->value, r) : NULL, o->op.y->value + r.offset,
              r.count, p->scale, p->shift, p->slope);
}

static void visit_sums(norm *o, run_place r, const lanes *p) {
    const lk__act *residual = o->op.residual;
    float sums[3 * LANES];
    run_sums(at(o->op.x->value, r), residual ? at(residual->value, r) : NULL, at(o->op.y->grad, r), r.count,
             p->scale, p->shift, p->slope, p->centre, sums);
    fold(o, r, sums, 3);
}

static void visit_gradient(norm *o, run_place r, const lanes *p) {
    const lk__act *residual = o->op.residual;
    run_gradient(at(o->op.x->value, r), residual ? at(residual->value, r) : NULL, at(o->op.y->grad, r),
                 r.count, p, o->op.x->grad + r.offset, o->op.x_accumulate,
                 residual ? residual->grad + r.offset : NULL, o->op.residual_accumulate);
}

typedef struct pass {
    norm *o;
    void (*visit)(norm *o, run_place r, const lanes *p);
} pass;

static void pass_part(void *context, int i, int n) {
    const pass *job = context;
    norm *o = job->o;
    size_t first, last;
    lk__part(runs(o->op.x), i, n, &first, &last);
    for (size_t run = first; run < last; run++) {
        run_place r = place(o->op.x, run);
        lanes p;
        spread_all(o, r, &p);
        job->visit(o, r, &p);
    }
}

static void each_run(norm *o, void (*visit)(norm *o, run_place r, const lanes *p)) {
    pass job = {o, visit};
    lk__parallel(pass_part, &job);
}

/* ---- the step ---------------------------------------------------------------------------------- */

static double values_a_channel(const lk__act *x) {
    return (double)x->n * x->h * x->w;
}

static void use_statistics(norm *o, int c, double mean, double variance) {
    double r = 1 / sqrt(variance + EPSILON), g = (double)o->gamma->value[c] * r;
    o->centre[c] = (float)mean;
    o->scale[c] = (float)g;
    o->shift[c] = (float)((double)o->beta->value[c] - mean * g);
    o->r[c] = (float)r;
}

static void norm_load(lk__op *op) {
    norm *o = (norm *)op;
    for (int c = 0; c < op->x->c; c++) {
        o->a[c] = o->slope ? o->slope->value[c] : o->fixed_slope;
        if (o->gamma && !o->training)
            use_statistics(o, c, (double)o->mean->value[c], (double)o->variance->value[c]);
    }
}

static void norm_forward(lk__op *op) {
    norm *o = (norm *)op;
    if (o->gamma && o->training) {
        double count = values_a_channel(op->x);
        memcpy(o->centre, o->mean->value, (size_t)op->x->c * sizeof(float));
        each_run(o, visit_statistics);
        for (int c = 0; c < op->x->c; c++) {
            /* Around the running mean, so that the squares do not cancel. */
            double d = total(o, 0, c) / count, old = (double)o->mean->value[c];
            double variance = fmax(total(o, 1, c) / count - d * d, 0),
                   unbiased = count > 1 ? variance * count / (count - 1) : variance;
            use_statistics(o, c, old + d, variance);
            o->mean->value[c] = (float)(old + MOMENTUM * d);
            o->variance->value[c] =
                (float)((1 - MOMENTUM) * (double)o->variance->value[c] + MOMENTUM * unbiased);
        }
    }
    each_run(o, visit_apply);
}

static void norm_backward(lk__op *op) {
    norm *o = (norm *)op;
    if (o->gamma || o->slope) each_run(o, visit_sums);
    double count = values_a_channel(op->x);
    for (int c = 0; c < op->x->c; c++) {
        if (o->slope) o->slope->grad[c] = (float)total(o, 2, c);
        if (!o->gamma) continue;
        double r = (double)o->r[c], db = total(o, 0, c), dg = r * total(o, 1, c), gr = (double)o->scale[c];
        o->beta->grad[c] = (float)db;
        o->gamma->grad[c] = (float)dg;
        o->dx_shift[c] = (float)(gr * db / count);
        o->dx_slope[c] = (float)(gr * r * dg / count);
    }
    each_run(o, visit_gradient);
}

static void norm_bind(lk__op *op) {
    (void)op;
}

static void norm_free(lk__op *op) {
    norm *o = (norm *)op;
    free(o->scale);
    free(o->partial);
    free(o);
}

lk_status lk__norm_new(const lk__context *k, int batchnorm, int activation, lk__act *x, lk__act *residual,
                       lk__act *y, lk__op **out, lk_error *err) {
    norm *o = calloc(1, sizeof *o);
    size_t c = (size_t)x->c;
    if (!o) return lk__fail_memory(err, sizeof *o, "batch norm");
    o->op = (lk__op){.bind = norm_bind,
                     .load = norm_load,
                     .forward = norm_forward,
                     .backward = norm_backward,
                     .free = norm_free,
                     .needs_x = true,
                     .by_value = true,
                     .needs_residual = activation >= 0};
    o->training = k->training;
    o->scale = calloc(7 * c, sizeof(float));
    o->partial = calloc((size_t)x->n * 3 * c, sizeof(float));
    if (!o->scale || !o->partial) {
        norm_free(&o->op);
        return lk__fail_memory(err, (size_t)x->n * 3 * c * sizeof(float), "batch norm");
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
    (void)residual;
    (void)y;
    *out = &o->op;
    return LK_OK;
}
