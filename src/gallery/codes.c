/* codes.c: rows and probes to codes, and what that may hide.
 *
 * The bound. A row x (norm at most 1.001) is kept as x = c s + r: whole numbers c from -8 to 7, the block's
 * scale s = 1 / per_scale, and a rest r of which the block keeps the largest norm, `error`. A probe q (norm
 * at most 1.001) is q = b t + e: whole numbers b from -127 to 127, t = 1 / per_scale, a rest e whose norm is
 * known. Then
 *
 *     x . q  =  x . e  +  x . (b t)  =  x . e  +  s t (c . b)  +  r . (b t)
 *
 * and by Cauchy and Schwarz | x . q  -  s t (c . b) |  <=  1.001 |e|  +  error |b t|. The middle product is
 * one of whole numbers, so it has no error at all, whatever the processor.
 *
 * That is x . q as it is in mathematics; a search ranks by what dot.c makes of it in floats. A product and
 * each of the at most stride / 32 + 6 additions that it goes through rounds by at most u = 2^-24 of itself,
 * so
 *
 *     | dot(x, q)  -  x . q |  <=  ((1 + u)^(stride / 32 + 7) - 1) sum |x_i q_i|  <  (stride / 32 + 8)
 * u 1.0021
 *
 * (Higham, Accuracy and Stability of Numerical Algorithms, 2002, 3.1; sum |x_i q_i| <= |x| |q|; the exponent
 * is at most 2056, so its square terms hide in the 8 for 7); products that underflow lose less than 2^-149
 * each. What estimates, lk__code_reach and lk__code_limit themselves round is at most 6 u of numbers below
 * 4: 1.5e-6. ROUNDING covers both of the last. `error` and |e| are worked out in f64, where their own errors
 * are below 1e-9 of them, and rounded up by UP. */
#include "gallery/codes.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(LK_NO_CLONES)
#define CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

static const double NORM_MOST = 1.001, ROUNDING = 4e-6, UP = 1 + 1e-6;

/* To the nearest whole number: for |x| < 2^22 what stands behind the point is pushed out of the float. */
static inline float whole(float x) {
    const float push = 12582912; /* 1.5 * 2^23 */
    return (x + push) - push;
}

static inline float code_of(float x) {
    float c = whole(x);
    return c < -8 ? -8 : c > 7 ? 7 : c;
}

/* The largest |rest|^2 of the rows, roughly: to choose a scale by. */
CLONES static float rest_of(const float *rows, size_t count, size_t stride, int dim, float scale) {
    float worst = 0, per_scale = 1 / scale;
    for (size_t r = 0; r < count; r++, rows += stride) {
        float lane[8] = {0}, sum = 0;
        int i = 0;
        for (; i + 8 <= dim; i += 8)
            for (int j = 0; j < 8; j++) {
                float rest = rows[i + j] - code_of(rows[i + j] * per_scale) * scale;
                lane[j] += rest * rest;
            }
        for (; i < dim; i++) {
            float rest = rows[i] - code_of(rows[i] * per_scale) * scale;
            sum += rest * rest;
        }
        for (int j = 0; j < 8; j++) sum += lane[j];
        worst = sum > worst ? sum : worst;
    }
    return worst;
}

/* Normal numbers want steps of a third of their deviation (Max 1960), rows with a few large ones want more.
 */
static float choose_scale(const float *rows, size_t count, size_t stride, int dim) {
    float most = 0, squares = 0;
    for (size_t r = 0; r < count; r++)
        for (int i = 0; i < dim; i++) {
            float x = fabsf(rows[r * stride + (size_t)i]);
            most = x > most ? x : most;
            squares += x * x;
        }
    float deviation = sqrtf(squares / ((float)count * (float)dim)), best = most / 7, least = INFINITY;
    for (float step = 0.35f; deviation > 0; step *= step < 0.5f ? 1.1f : 1.5f) {
        float scale = fminf(step * deviation, most / 7);
        float rest = rest_of(rows, count, stride, dim, scale);
        if (rest >= least) break;
        least = rest;
        best = scale;
        if (scale == most / 7) break;
    }
    return best;
}

/* Codes + 8 of one row into its lanes of the block; |rest|^2. */
CLONES static double encode(const float *row, int dim, float per_scale, uint8_t *lanes) {
    double squares = 0, scale = 1 / (double)per_scale;
    for (int at = 0; at < dim; at += 8) {
        int code[8] = {8, 8, 8, 8, 8, 8, 8, 8};
        for (int i = 0; i < 8 && at + i < dim; i++) {
            float c = code_of(row[at + i] * per_scale);
            double rest = (double)row[at + i] - (double)c * scale;
            squares += rest * rest;
            code[i] = (int)c + 8;
        }
        for (int i = 0; i < 4; i++) lanes[at / 8 * 64 + i] = (uint8_t)(code[i] | code[4 + i] << 4);
    }
    return squares;
}

void lk__code_block(const float *rows, size_t count, size_t stride, int dim, uint8_t *block,
                    lk__code_bound *bound) {
    float scale = count > 0 ? choose_scale(rows, count, stride, dim) : 0;
    float per_scale = scale > 1e-30f ? 1 / scale : 1; /* else: rows of zeros */
    double rest[LK__CODE_ROWS] = {0}, worst = 0;
    memset(block, 0x88, lk__code_bytes(lk__code_groups(dim)));
    for (size_t r = 0; r < count; r++) {
        rest[r] = sqrt(encode(rows + r * stride, dim, per_scale, block + 4 * r));
        worst = fmax(worst, rest[r]);
    }
    bound->per_scale = per_scale;
    bound->error = (float)(worst * UP);
    for (size_t r = 0; r < LK__CODE_ROWS; r++)
        bound->shares[r] = (uint8_t)(worst > 0 ? fmin(255, ceil(rest[r] / worst * 255)) : 0);
}

/* Whole numbers to the bytes; 0: a sum over codes might not fit into 16 bits (codes_avx2.c). */
static bool fits(const float *probe, int dim, float per_scale, int8_t *bytes) {
    int half[2] = {0, 0};
    for (int i = 0; i < dim; i++) {
        float b = whole(probe[i] * per_scale);
        bytes[i] = (int8_t)(b < -127 ? -127 : b > 127 ? 127 : b);
        half[i / 2 % 2] += bytes[i] < 0 ? -bytes[i] : bytes[i];
    }
    return 8 * half[0] <= INT16_MAX && 8 * half[1] <= INT16_MAX;
}

void lk__code_probe_make(const float *probe, int dim, int8_t *bytes, lk__code_probe *out) {
    size_t groups = lk__code_groups(dim), stride = ((size_t)dim + 15) / 16 * 16;
    float most = 0;
    memset(bytes, 0, lk__code_probe_bytes(groups));
    for (int i = 0; i < dim; i++) most = fmaxf(most, fabsf(probe[i]));
    float per_scale = 127 / most;
    while (!fits(probe, dim, per_scale, bytes)) per_scale *= 0.98f;

    double norm = 0, rest = 0;
    int32_t sums[2] = {0, 0};
    for (int i = 0; i < dim; i++) {
        double b = (double)bytes[i] / (double)per_scale, e = (double)probe[i] - b;
        norm += b * b;
        rest += e * e;
        sums[i / 2 % 2] += bytes[i];
    }
    *out = (lk__code_probe){
        per_scale, (float)(sqrt(norm) * UP),
        (float)(NORM_MOST * sqrt(rest) * UP + ROUNDING + ((double)stride / 32 + 8) * 1.0021 * 0x1p-24)};
    int32_t centre = -8 * (sums[0] + sums[1]);
    int16_t halves[2] = {(int16_t)(-8 * sums[0]), (int16_t)(-8 * sums[1])};
    memcpy(bytes + groups * 8, &centre, sizeof centre);
    memcpy(bytes + groups * 8 + 4, halves, sizeof halves);
}
