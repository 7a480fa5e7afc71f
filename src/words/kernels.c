/* kernels.c: the loops over rows in which training spends its time beside three matrix products. Plain loops,
 * compiled for each vector width (LK__CLONES), so that there is one of each to read. What is cloned is
 * static, with a plain function before it: GCC exports clones whatever their visibility, and clang 14 gives
 * them another name, which other files do not find.
 *
 * Threads write the same tables without locks (Hogwild: Niu et al. 2011): two that meet lose a little of one
 * step, which costs nothing that can be measured, where locks would cost all the speed. It is a data race by
 * the letter of C11, meant, and confined to the four functions marked HOGWILD, which ThreadSanitizer is told
 * not to look into; everything else it does look into. */
#include "nn/vec.h"
#include "words/words.h"

#ifdef LK_NO_CLONES /* with a sanitizer; clang does not take both attributes at once */
#define HOGWILD __attribute__((no_sanitize_thread))
#else
#define HOGWILD
#endif

LK__CLONES HOGWILD static void rows_gather(const float *restrict table, const uint32_t *words, size_t count,
                                           size_t dim, float *restrict out) {
    for (size_t i = 0; i < count; i++, out += dim) {
        const float *from = table + words[i] * dim;
        for (size_t d = 0; d < dim; d++) out[d] = from[d];
    }
}

void lk__rows_gather(const float *restrict table, const uint32_t *words, size_t count, size_t dim,
                     float *restrict out) {
    rows_gather(table, words, count, dim, out);
}

LK__CLONES HOGWILD static void rows_scatter(float *restrict table, const uint32_t *words, size_t count,
                                            size_t dim, const float *restrict gradient) {
    for (size_t i = 0; i < count; i++, gradient += dim) {
        float *to = table + words[i] * dim;
        for (size_t d = 0; d < dim; d++) to[d] += gradient[d];
    }
}

void lk__rows_scatter(float *restrict table, const uint32_t *words, size_t count, size_t dim,
                      const float *restrict gradient) {
    rows_scatter(table, words, count, dim, gradient);
}

LK__CLONES HOGWILD static void shared_add(float *restrict to, const float *restrict from, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] += from[i];
}

void lk__shared_add(float *restrict to, const float *restrict from, size_t n) {
    shared_add(to, from, n);
}

LK__CLONES HOGWILD static void shared_copy(float *restrict to, const float *restrict from, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = from[i];
}

void lk__shared_copy(float *restrict to, const float *restrict from, size_t n) {
    shared_copy(to, from, n);
}

/* Row of `position` for word i of a gap at `at`: its distance to the left, nearest first, then to the right.
 */
LK__INLINE size_t position_of(size_t i, size_t at, int window) {
    return i < at ? at - i - 1 : (size_t)window + (i - at - 1);
}

LK__CLONES static void context_forward(const float *restrict word, const float *restrict position,
                                       const lk__span *spans, size_t gaps, int window, size_t dim,
                                       float *restrict gap) {
    for (size_t g = 0; g < gaps; g++, gap += dim) {
        lk__span s = spans[g];
        for (size_t d = 0; d < dim; d++) gap[d] = 0;
        for (size_t i = s.from; i < s.to; i++) {
            if (i == s.at) continue;
            const float *w = word + i * dim, *p = position + position_of(i, s.at, window) * dim;
            for (size_t d = 0; d < dim; d++) gap[d] += w[d] * p[d];
        }
        float share = s.to - s.from > 1 ? 1 / (float)(s.to - s.from - 1) : 0;
        for (size_t d = 0; d < dim; d++) gap[d] *= share;
    }
}

void lk__context_forward(const float *restrict word, const float *restrict position, const lk__span *spans,
                         size_t gaps, int window, size_t dim, float *restrict gap) {
    context_forward(word, position, spans, gaps, window, dim, gap);
}

LK__CLONES static void context_backward(const float *restrict word, const float *restrict position,
                                        const float *restrict by_gap, const lk__span *spans, size_t gaps,
                                        int window, size_t dim, float *restrict by_word,
                                        float *restrict by_position) {
    for (size_t g = 0; g < gaps; g++, by_gap += dim) {
        lk__span s = spans[g];
        float share = s.to - s.from > 1 ? 1 / (float)(s.to - s.from - 1) : 0;
        for (size_t i = s.from; i < s.to; i++) {
            if (i == s.at) continue;
            size_t at = position_of(i, s.at, window) * dim;
            const float *w = word + i * dim, *p = position + at;
            float *bw = by_word + i * dim, *bp = by_position + at;
            for (size_t d = 0; d < dim; d++) {
                bw[d] += by_gap[d] * p[d];
                bp[d] += by_gap[d] * w[d] * share;
            }
        }
    }
}

void lk__context_backward(const float *restrict word, const float *restrict position,
                          const float *restrict by_gap, const lk__span *spans, size_t gaps, int window,
                          size_t dim, float *restrict by_word, float *restrict by_position) {
    context_backward(word, position, by_gap, spans, gaps, window, dim, by_word, by_position);
}

enum { SUMS = 16 }; /* independent, so that they may be lanes of a vector */

LK__CLONES static void dot_rows(const float *restrict a, const float *restrict b, size_t n, size_t dim,
                                float *restrict out) {
    for (size_t i = 0; i < n; i++, a += dim, b += dim) {
        float sum[SUMS] = {0}, total = 0;
        size_t d = 0;
        for (; d + SUMS <= dim; d += SUMS)
            for (size_t l = 0; l < SUMS; l++) sum[l] += a[d + l] * b[d + l];
        for (; d < dim; d++) total += a[d] * b[d];
        for (size_t l = 0; l < SUMS; l++) total += sum[l];
        out[i] = total;
    }
}

void lk__dot_rows(const float *restrict a, const float *restrict b, size_t n, size_t dim,
                  float *restrict out) {
    dot_rows(a, b, n, dim, out);
}

LK__CLONES static void add_scaled(const float *restrict scale, const float *restrict b, size_t n, size_t dim,
                                  float *restrict a) {
    for (size_t i = 0; i < n; i++, a += dim, b += dim) {
        float s = scale[i];
        for (size_t d = 0; d < dim; d++) a[d] += s * b[d];
    }
}

void lk__add_scaled(const float *restrict scale, const float *restrict b, size_t n, size_t dim,
                    float *restrict a) {
    add_scaled(scale, b, n, dim, a);
}

/* e^x = 2^k e^r, r within ln 2 / 2 of 0; e^r by the polynomial of Cephes (Moshier 1992). */
LK__INLINE float exponential(float x) {
    x = x < -80 ? -80 : x > 80 ? 80 : x;
    float k = x * 1.44269504f;
    int whole = (int)(k + (k < 0 ? -0.5f : 0.5f));
    float r = x - (float)whole * 0.693359375f + (float)whole * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    union {
        int32_t bits;
        float value;
    } power = {.bits = (whole + 127) << 23};
    return (p * r * r + r + 1) * power.value;
}

LK__CLONES static void exponentials(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = exponential(x[i]);
}

void lk__exponentials(float *x, size_t n) {
    exponentials(x, n);
}

LK__CLONES static void sigmoids(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = 1 / (1 + exponential(-x[i]));
}

void lk__sigmoids(float *x, size_t n) {
    sigmoids(x, n);
}
