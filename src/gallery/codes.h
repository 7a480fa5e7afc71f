/* codes.h: the first pass of a search: 4 bits a number instead of 32, and a bound on what that hides.
 *
 *   codes.c         rows and probes to codes; the bound and its proof
 *   codes_kind.c    the kernels in plain C, and which kernels this processor has
 *   codes_avx2.c, codes_avx512.c
 *
 * A scan is bound by memory: 1,000,000 x 128 floats are 512 MB, their codes 64 MB. 8 bits would be twice the
 * reading for a bound that is 16 times as tight, and the bound is tight enough: of a million faces some
 * hundred are left to look at in floats. 3 bits would be a quarter less reading and ten times as many left, 2
 * bits leave a fifth of all.
 *
 * 16 rows make a block with one scale and one bound. In a block, groups of 8 numbers follow one another; a
 * group is 64 bytes, and byte 4 r + i of it has number i of row r in its low half and number 4 + i in its
 * high half (both + 8). So 4 numbers of a row lie in one 32-bit lane, which is what the instructions that
 * multiply bytes add up: there is nothing to add across lanes at the end, and 16 rows are compared at once.
 */
#ifndef LK_CODES_H
#define LK_CODES_H

#include "base/base.h"

enum {
    LK__CODE_ROWS = 16,  /* rows in a block */
    LK__CODE_BLOCKS = 4, /* blocks that lk__code_kernels.many takes at once */
    LK__CODE_PROBES = 6, /* probes that it takes at once: as many as AVX2 has registers for */
    LK__CODE_PROBES_ROOM = 8,
};

/* Of the blocks of a row of so many numbers. */
static inline size_t lk__code_groups(int dim) {
    return ((size_t)dim + 7) / 8;
}
static inline size_t lk__code_bytes(size_t groups) {
    return groups * 64;
}
/* A probe: (groups, 8) signed bytes, then what their sums over codes without the + 8 are less: an int32_t,
 * and two int16_t for the sums of numbers 0, 1 and 2, 3 of every four. */
static inline size_t lk__code_probe_bytes(size_t groups) {
    return groups * 8 + 8;
}

/* Of a block: row = codes / per_scale + a rest of norm at most `error`; of row r at most shares[r] / 255 of
 * it. */
typedef struct lk__code_bound {
    float per_scale, error;
    uint8_t shares[LK__CODE_ROWS];
} lk__code_bound;

/* Of a probe: bytes / per_scale has norm at most `norm`; `slack` is what else there may be between the
 * estimate and dot.c's cosine. */
typedef struct lk__code_probe {
    float per_scale, norm, slack;
} lk__code_probe;

/* Codes of `count` <= 16 rows (count, stride); the rest of the block is zeros. */
void lk__code_block(const float *rows, size_t count, size_t stride, int dim, uint8_t *block,
                    lk__code_bound *bound);
/* probe (dim): bytes is (lk__code_probe_bytes). */
void lk__code_probe_make(const float *probe, int dim, int8_t *bytes, lk__code_probe *out);

/* With `dot` = the whole product of a row's codes and a probe's bytes, dot.c's cosine lies within a reach of
 * the estimate dot / scales, scales = per_scale of the block * per_scale of the probe. */
static inline float lk__code_reach(float error, float norm, float slack) {
    return error * norm + slack;
}
/* A row of which dot is not above this has a cosine below `floor`. */
static inline int32_t lk__code_limit(float floor, float reach, float scales) {
    float limit = (floor - reach) * scales;
    limit = limit < -1e9f ? -1e9f : limit;
    limit = limit > 1e9f ? 1e9f : limit;
    return (int32_t)limit - 2; /* one for truncation towards zero, one for "not above" */
}

typedef struct lk__code_kernels {
    /* dots (blocks, 16) of one probe; bit r of hits[b] is set where dots[b][r] > limits[b]. */
    void (*one)(const uint8_t *codes, size_t blocks, size_t groups, const int8_t *probe,
                const int32_t *limits, int32_t *dots, uint16_t *hits);
    /* LK__CODE_BLOCKS blocks to bytes (blocks, 2 groups, 64), for many(). */
    void (*unpack)(const uint8_t *codes, size_t groups, uint8_t *bytes);
    /* dots (LK__CODE_BLOCKS, LK__CODE_PROBES, 16) of probes (LK__CODE_PROBES, lk__code_probe_bytes);
     * limits, hits (LK__CODE_BLOCKS, LK__CODE_PROBES_ROOM). */
    void (*many)(const uint8_t *bytes, size_t groups, const int8_t *probes, const int32_t *limits,
                 int32_t *dots, uint16_t *hits);
} lk__code_kernels;

/* All kinds give the same integers. */
enum { LK__CODE_PLAIN, LK__CODE_AVX2, LK__CODE_AVX512, LK__CODE_KINDS };
const lk__code_kernels *lk__code_kind(int kind); /* NULL: this processor cannot */
const lk__code_kernels *lk__code_best(void);

extern const lk__code_kernels lk__code_plain;
#if defined(__x86_64__)
extern const lk__code_kernels lk__code_avx2, lk__code_avx512;
#endif

#endif
