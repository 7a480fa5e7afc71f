/* dot.c: one probe against many rows. Between the copy in memory (search.c) and the choice of the closest:
 * this is where a search spends its time, and memory bandwidth, not arithmetic, is what bounds it.
 *
 * The sum is laid out as 2 x 16 lanes whatever the processor has, products and sums are rounded separately
 * (no fused multiply-add), and the lanes are folded in one fixed order. So a vector's cosine has the same
 * bits on every processor, in every row and on any number of threads, and two machines rank the same people
 * in the same order. */
#include "gallery/gallery.h"

typedef float lanes16 __attribute__((vector_size(64), may_alias));
typedef float lanes8 __attribute__((vector_size(32), may_alias));
typedef float lanes4 __attribute__((vector_size(16), may_alias));

/* Inlined into each kind below, so that each is compiled for its own instructions. Vectors stay local:
 * passing them would depend on the instructions the caller was compiled for. */
static inline __attribute__((always_inline)) void dot_rows(const float *rows, size_t count, size_t stride,
                                                           const float *probe, float *out) {
    for (size_t r = 0; r < count; r++) {
        const lanes16 *a = (const lanes16 *)(const void *)(rows + r * stride);
        const lanes16 *b = (const lanes16 *)(const void *)probe;
        lanes16 sum0 = {0}, sum1 = {0};
        size_t blocks = stride / 16, i = 0;
        for (; i + 2 <= blocks; i += 2) {
            lanes16 product0 = a[i] * b[i],
                    product1 = a[i + 1] * b[i + 1]; /* apart from the sum: not to be fused */
            sum0 += product0;
            sum1 += product1;
        }
        if (i < blocks) {
            lanes16 product = a[i] * b[i];
            sum0 += product;
        }
        union {
            lanes16 whole;
            lanes8 half[2];
        } s16 = {.whole = sum0 + sum1};
        union {
            lanes8 whole;
            lanes4 half[2];
        } s8 = {.whole = s16.half[0] + s16.half[1]};
        lanes4 s4 = s8.half[0] + s8.half[1];
        out[r] = (s4[0] + s4[2]) + (s4[1] + s4[3]);
    }
}

static void dot_plain(const float *rows, size_t count, size_t stride, const float *probe, float *out) {
    dot_rows(rows, count, stride, probe, out);
}

#if defined(__x86_64__)
/* The same sums in halves: GCC keeps in memory, at a seventh of the speed, what is wider than a register. */
__attribute__((target("avx2"))) static void dot_avx2(const float *rows, size_t count, size_t stride,
                                                     const float *probe, float *out) {
    for (size_t r = 0; r < count; r++) {
        const lanes8 *a = (const lanes8 *)(const void *)(rows + r * stride);
        const lanes8 *b = (const lanes8 *)(const void *)probe;
        lanes8 low0 = {0}, high0 = {0}, low1 = {0}, high1 = {0};
        size_t blocks = stride / 8, i = 0;
        for (; i + 4 <= blocks; i += 4) {
            lanes8 product0 = a[i] * b[i], product1 = a[i + 1] * b[i + 1], product2 = a[i + 2] * b[i + 2],
                   product3 = a[i + 3] * b[i + 3];
            low0 += product0;
            high0 += product1;
            low1 += product2;
            high1 += product3;
        }
        if (i < blocks) {
            lanes8 product0 = a[i] * b[i], product1 = a[i + 1] * b[i + 1];
            low0 += product0;
            high0 += product1;
        }
        union {
            lanes8 whole;
            lanes4 half[2];
        } s8 = {.whole = (low0 + low1) + (high0 + high1)};
        lanes4 s4 = s8.half[0] + s8.half[1];
        out[r] = (s4[0] + s4[2]) + (s4[1] + s4[3]);
    }
}

__attribute__((target("avx512f"))) static void dot_avx512(const float *rows, size_t count, size_t stride,
                                                          const float *probe, float *out) {
    dot_rows(rows, count, stride, probe, out);
}
#endif

lk__dot lk__dot_kind(int kind) {
    if (kind == LK__DOT_PLAIN) return dot_plain;
#if defined(__x86_64__)
    if (kind == LK__DOT_AVX2 && __builtin_cpu_supports("avx2")) return dot_avx2;
    if (kind == LK__DOT_AVX512 && __builtin_cpu_supports("avx512f")) return dot_avx512;
#endif
    return NULL;
}

lk__dot lk__dot_best(void) {
    lk__dot best = dot_plain;
    for (int kind = 0; kind < LK__DOT_KINDS; kind++)
        if (lk__dot_kind(kind)) best = lk__dot_kind(kind);
    return best;
}
