/* cosine.c: cosines of many photos with many, for all pairs of them, and of one with one, for listed pairs.
 *
 * A tile of 16 x 128 photos is computed from vectors that stay in the cache, 4 x 2 at a time in registers.
 * The sum is laid out in 8 lanes whatever the processor has, products and sums are rounded separately (no
 * fused multiply-add), and the lanes are folded in one fixed order: a pair's cosine has the same bits on
 * every processor, either way round, alone or in a tile. So ties are ties, and a list of all pairs gives the
 * figures of no list. (src/gallery/dot.c scans one probe against many rows, where memory is the limit.) */
#include "eval/trial.h"

typedef float lanes8 __attribute__((vector_size(32), aligned(32), may_alias));

enum { A = 4, B = 2, LANES = LK__COSINE_LANES };

/* Inlined into each kind below, so that each is compiled for its own instructions. */
static inline __attribute__((always_inline)) float fold(const lanes8 *sum) {
    return (((*sum)[0] + (*sum)[4]) + ((*sum)[2] + (*sum)[6])) +
           (((*sum)[1] + (*sum)[5]) + ((*sum)[3] + (*sum)[7]));
}

LK__CLONES static void tile(const float *restrict rows, const float *restrict cols, size_t stride,
                            float *restrict out) {
    for (size_t i = 0; i < LK__TILE_ROWS; i += A)
        for (size_t j = 0; j < LK__TILE_COLS; j += B) {
            lanes8 sum[A][B] = {{{0}}};
            for (size_t d = 0; d < stride; d += LANES)
                for (size_t a = 0; a < A; a++)
                    for (size_t b = 0; b < B; b++) {
                        lanes8 product = *(const lanes8 *)(const void *)(rows + (i + a) * stride + d) *
                                         *(const lanes8 *)(const void *)(cols + (j + b) * stride + d);
                        sum[a][b] += product; /* apart from the product: not to be fused */
                    }
            for (size_t a = 0; a < A; a++)
                for (size_t b = 0; b < B; b++) out[(i + a) * LK__TILE_COLS + j + b] = fold(&sum[a][b]);
        }
}

LK__CLONES static float pair(const float *a, const float *b, size_t stride) {
    lanes8 sum = {0};
    for (size_t d = 0; d < stride; d += LANES) {
        lanes8 product = *(const lanes8 *)(const void *)(a + d) * *(const lanes8 *)(const void *)(b + d);
        sum += product;
    }
    return fold(&sum);
}

/* Clones are found by their own file only: clang 14 gives them a name that others do not know. */
void lk__cosine_tile(const float *rows, const float *cols, size_t stride, float *out) {
    tile(rows, cols, stride, out);
}

float lk__cosine_pair(const float *a, const float *b, size_t stride) {
    return pair(a, b, stride);
}
