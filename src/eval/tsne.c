/* tsne.c: t-SNE (van der Maaten & Hinton, "Visualizing data using t-SNE", 2008): points on a plane whose
 * neighbours are those of the vectors.
 *
 *   p_j|i = exp(-b_i |v_i - v_j|^2) / sum         b_i so that i has `perplexity` neighbours
 *   p_ij  = (p_j|i + p_i|j) / 2n
 *   q_ij  = w_ij / Z                               w_ij = 1 / (1 + |y_i - y_j|^2), Z the sum of all w
 *   gradient of KL(P | Q) by y_i:  4 (sum_j p_ij w_ij (y_i - y_j)  -  sum_j w_ij^2 (y_i - y_j) / Z)
 *
 * Exact: all pairs, each time. In this form one pass over P makes both sums and Z, Q is never stored, and the
 * loop has no branch. Barnes-Hut or a grid would pay from several thousand points on, where a map of photos
 * is a carpet anyway.
 *
 * Apart from the paper: it starts from the principal plane and not at random (Kobak & Berens 2019), it
 * exaggerates by 12 for 250 rounds (van der Maaten 2014), and its step is n over the exaggeration (Linderman
 * & Steinerberger 2019; Belkina et al. 2019), so that few points do not fly apart and many get there in time.
 * Momentum and gains are the paper's.
 *
 * A point's sums are one thread's, in a fixed order: the same bits on any number of threads. */
#include "contrast/contrast.h"
#include "eval/map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* As in src/nn/vec.h, which is not this room's to include. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(LK_NO_CLONES)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

enum {
    LANES = 16,   /* rows are padded to so many: the widest register, so that no loop has a tail */
    SERIAL = 512, /* fewer points: waking other threads a thousand times takes longer than their share */
    ROUNDS = 1000,
    EARLY_ROUNDS = 250,
    TRIES = 64, /* of bisection: far more than f32 can tell apart */
};
static const double PERPLEXITY = 30, PERPLEXITY_LEAST = 1.5, EXAGGERATION = 12;
static const double ENTROPY_ENOUGH = 1e-5; /* the paper's code */
static const float FAR = 1e18f; /* where the padding is: its pull is 0, and its square is still a float */
static const double START = 1e-4, JITTER = 0.01; /* deviation at the start; noise, as a share of that */

size_t lk__tsne_stride(size_t n) {
    return (n + LANES - 1) / LANES * LANES;
}

/* ---- P -------------------------------------------------------------------------------------------- */

typedef struct affinities {
    size_t n, stride;
    double perplexity;
    float *l2;      /* (n, n): distances, and then p_j|i */
    double *weight; /* (threads, n) */
    float *p;       /* (n, stride) */
} affinities;

/* Entropy of row i at precision b; the row's weights go to `weight`. Distances count from the nearest, which
 * changes no p and keeps the sum from 0. */
static double entropy(const float *l2, size_t n, size_t i, double nearest, double b, double *weight,
                      double *sum) {
    double total = 0, moment = 0;
    for (size_t j = 0; j < n; j++) {
        if (j == i) continue;
        double beyond = (double)l2[j] * (double)l2[j] - nearest, w = exp(-b * beyond);
        weight[j] = w;
        total += w;
        moment += w * beyond;
    }
    *sum = total;
    return log(total) + b * moment / total;
}

/* By bisection: entropy falls as b rises. With so many equal vectors that it cannot fall that far, b ends
 * high and the equal ones share the row. */
static void find_row(const affinities *a, size_t i, double *weight) {
    float *l2 = a->l2 + i * a->n;
    double nearest = INFINITY, mean = 0, low = 0, high = INFINITY, sum = 1;
    for (size_t j = 0; j < a->n; j++) {
        double square = (double)l2[j] * (double)l2[j];
        if (j != i && square < nearest) nearest = square;
        mean += square / (double)(a->n - 1);
    }
    double b = mean > nearest ? 1 / (mean - nearest) : 1;
    for (int try = 0; try < TRIES; try++) {
        double above = entropy(l2, a->n, i, nearest, b, weight, &sum) - log(a->perplexity);
        if (fabs(above) < ENTROPY_ENOUGH) break;
        if (above > 0)
            low = b;
        else
            high = b;
        b = high == INFINITY ? 2 * b : (low + high) / 2;
    }
    for (size_t j = 0; j < a->n; j++) l2[j] = j == i ? 0 : (float)(weight[j] / sum);
}

static void find_rows(void *context, int part, int parts) {
    const affinities *a = context;
    size_t first, last;
    lk__part(a->n, part, parts, &first, &last);
    for (size_t i = first; i < last; i++) find_row(a, i, a->weight + (size_t)part * a->n);
}

static void join_rows(void *context, int part, int parts) {
    const affinities *a = context;
    size_t first, last, n = a->n;
    lk__part(n, part, parts, &first, &last);
    for (size_t i = first; i < last; i++) {
        float *p = a->p + i * a->stride;
        for (size_t j = 0; j < n; j++) p[j] = (a->l2[i * n + j] + a->l2[j * n + i]) / (2 * (float)n);
        for (size_t j = n; j < a->stride; j++) p[j] = 0;
    }
}

lk_status lk__tsne_affinities(const float *vectors, size_t n, int dim, double perplexity, float *p,
                              lk_error *err) {
    affinities a = {.n = n, .stride = lk__tsne_stride(n), .perplexity = perplexity, .p = p};
    lk_status status = LK_OK;
    size_t bytes;
    if (!__builtin_mul_overflow(n, n * sizeof *a.l2, &bytes)) a.l2 = malloc(bytes);
    a.weight = malloc((size_t)lk__threads() * n * sizeof *a.weight);
    if (a.l2 && a.weight) {
        lk__distances(&(lk__batch){.vectors = vectors, .n = n, .dim = dim, .rows = n}, a.l2);
        lk__parallel(find_rows, &a);
        lk__parallel(join_rows, &a);
    } else {
        status = lk__fail_memory(err, n * n * sizeof *a.l2, "the distances of a map; draw fewer vectors");
    }
    free(a.l2);
    free(a.weight);
    return status;
}

/* ---- gradient ------------------------------------------------------------------------------------- */

typedef struct field {
    const float *p, *x, *y;
    size_t n, stride;
    lk__forces *forces;
} field;

/* Point i itself adds 1 to z and nothing to the forces; the padding adds nothing. */
CLONES static void sum_forces(const field *f, size_t i) {
    const float *x = f->x, *y = f->y, *p = f->p + i * f->stride;
    float xi = x[i], yi = y[i], ax = 0, ay = 0, rx = 0, ry = 0, z = 0;
    /* Not threads: leave to sum in as many lanes as a register has, which C's order of sums forbids. */
#pragma omp simd reduction(+ : ax, ay, rx, ry, z) aligned(x, y, p : 64)
    for (size_t j = 0; j < f->stride; j++) {
        float dx = xi - x[j], dy = yi - y[j];
        float w = 1 / (1 + dx * dx + dy * dy), pull = p[j] * w, push = w * w;
        ax += pull * dx;
        ay += pull * dy;
        rx += push * dx;
        ry += push * dy;
        z += w;
    }
    f->forces[i] = (lk__forces){{ax, ay}, {rx, ry}, z};
}

static void sum_part(void *context, int part, int parts) {
    const field *f = context;
    size_t first, last;
    lk__part(f->n, part, parts, &first, &last);
    for (size_t i = first; i < last; i++) sum_forces(f, i);
}

void lk__tsne_gradient(const float *p, size_t n, float *x, float *y, float exaggeration, lk__forces *forces,
                       float *gx, float *gy) {
    field f = {p, x, y, n, lk__tsne_stride(n), forces};
    for (size_t i = n; i < f.stride; i++) x[i] = y[i] = FAR;
    if (n < SERIAL)
        sum_part(&f, 0, 1);
    else
        lk__parallel(sum_part, &f);
    double z = 0;
    for (size_t i = 0; i < n; i++) z += (double)forces[i].z - 1;
    float scale = (float)(1 / fmax(z, 1e-30)); /* two points that part for ever would end at 1 / 0 */
    for (size_t i = 0; i < n; i++) {
        gx[i] = 4 * (exaggeration * forces[i].attract[0] - forces[i].repel[0] * scale);
        gy[i] = 4 * (exaggeration * forces[i].attract[1] - forces[i].repel[1] * scale);
    }
}

/* ---- descent -------------------------------------------------------------------------------------- */

typedef struct descent {
    size_t n, stride;
    float *p;                                   /* (n, stride) */
    float *at[2];                               /* (stride): x and y */
    float *gradient[2], *velocity[2], *gain[2]; /* (stride) */
    lk__forces *forces;                         /* (n) */
    float *block;                               /* holds all of the above but p and forces */
} descent;

static lk_status descent_new(size_t n, descent *d, lk_error *err) {
    size_t stride = lk__tsne_stride(n), bytes;
    *d = (descent){.n = n, .stride = stride};
    if (!__builtin_mul_overflow(n, stride * sizeof *d->p, &bytes)) d->p = aligned_alloc(64, bytes);
    d->forces = malloc(n * sizeof *d->forces);
    d->block = aligned_alloc(64, 8 * stride * sizeof *d->block);
    if (!d->p || !d->forces || !d->block)
        return lk__fail_memory(err, n * stride * sizeof *d->p, "a map; draw fewer vectors");
    for (size_t k = 0; k < 2; k++) {
        float *block = d->block + 4 * k * stride;
        d->at[k] = block;
        d->gradient[k] = block + stride;
        d->velocity[k] = block + 2 * stride;
        d->gain[k] = block + 3 * stride;
        for (size_t i = 0; i < stride; i++) {
            d->velocity[k][i] = 0;
            d->gain[k][i] = 1;
        }
    }
    return LK_OK;
}

/* The plane, small, so that all points feel each other; and a little noise, or what lies on a line stays
 * there. */
static void start(descent *d, const float *xy, uint64_t seed) {
    double mean[2] = {0, 0}, square = 0;
    for (size_t i = 0; i < 2 * d->n; i++) mean[i % 2] += (double)xy[i] / (double)d->n;
    for (size_t i = 0; i < d->n; i++) square += pow((double)xy[2 * i] - mean[0], 2) / (double)d->n;
    lk__random random = lk__random_stream(seed, 0x74736e65, d->n, 0);
    for (size_t i = 0; i < 2 * d->n; i++) {
        double spread = ((double)xy[i] - mean[i % 2]) / sqrt(square) + JITTER * lk__random_normal(&random);
        d->at[i % 2][i / 2] = (float)(START * spread);
    }
}

/* Jacobs's gains: a coordinate that keeps its direction goes faster, one that swings slower. The points stay
 * centred: exaggeration can draw them together by many powers of ten, and off centre their differences would
 * be rounded to nothing, from where no gradient leads out. */
static void step(descent *d, float rate, float momentum) {
    for (size_t k = 0; k < 2; k++) {
        double mean = 0;
        for (size_t i = 0; i < d->n; i++) {
            float g = d->gradient[k][i], *v = &d->velocity[k][i], *gain = &d->gain[k][i];
            *gain = (g > 0) != (*v > 0) ? *gain + 0.2f : fmaxf(*gain * 0.8f, 0.01f);
            *v = momentum * *v - rate * *gain * g;
            d->at[k][i] += *v;
            mean += (double)d->at[k][i] / (double)d->n;
        }
        for (size_t i = 0; i < d->n; i++) d->at[k][i] = (float)((double)d->at[k][i] - mean);
    }
}

lk_status lk__tsne(const float *vectors, size_t n, int dim, uint64_t seed, float *xy, lk_error *err) {
    descent d;
    double perplexity = fmin(PERPLEXITY, fmax(PERPLEXITY_LEAST, (double)(n - 1) / 3));
    lk_status status = descent_new(n, &d, err);
    if (status == LK_OK) status = lk__tsne_affinities(vectors, n, dim, perplexity, d.p, err);
    if (status == LK_OK) {
        start(&d, xy, seed);
        for (int round = 0; round < ROUNDS; round++) {
            bool early = round < EARLY_ROUNDS;
            double exaggeration = early ? EXAGGERATION : 1, rate = (double)n / (4 * exaggeration);
            lk__tsne_gradient(d.p, n, d.at[0], d.at[1], (float)exaggeration, d.forces, d.gradient[0],
                              d.gradient[1]);
            step(&d, (float)rate, early ? 0.5f : 0.8f);
        }
        for (size_t i = 0; i < 2 * n; i++) xy[i] = d.at[i % 2][i / 2];
    }
    free(d.p);
    free(d.forces);
    free(d.block);
    return status;
}
