/* codes_kind.c: codes times bytes in plain C, and the choice of the fastest that this processor has. */
#include "gallery/codes.h"

#include <string.h>

static int32_t centre_of(const int8_t *probe, size_t groups) {
    int32_t centre;
    memcpy(&centre, probe + groups * 8, sizeof centre);
    return centre;
}

/* dots (16) += codes (16, 4) x bytes (4) */
static inline void multiply(const uint8_t *codes, const int8_t *bytes, int32_t *dots) {
    for (int r = 0; r < LK__CODE_ROWS; r++)
        dots[r] += codes[4 * r] * bytes[0] + codes[4 * r + 1] * bytes[1] + codes[4 * r + 2] * bytes[2] +
                   codes[4 * r + 3] * bytes[3];
}

static uint16_t above(const int32_t *dots, int32_t limit) {
    unsigned hits = 0;
    for (unsigned r = 0; r < LK__CODE_ROWS; r++) hits |= (unsigned)(dots[r] > limit) << r;
    return (uint16_t)hits;
}

static void split(const uint8_t *codes, uint8_t *low, uint8_t *high) {
    for (int i = 0; i < 64; i++) {
        low[i] = codes[i] & 15;
        high[i] = codes[i] >> 4;
    }
}

static void one(const uint8_t *codes, size_t blocks, size_t groups, const int8_t *probe,
                const int32_t *limits, int32_t *dots, uint16_t *hits) {
    for (size_t b = 0; b < blocks; b++, dots += LK__CODE_ROWS) {
        for (int r = 0; r < LK__CODE_ROWS; r++) dots[r] = centre_of(probe, groups);
        for (size_t g = 0; g < groups; g++, codes += 64) {
            uint8_t low[64], high[64];
            split(codes, low, high);
            multiply(low, probe + g * 8, dots);
            multiply(high, probe + g * 8 + 4, dots);
        }
        hits[b] = above(dots, limits[b]);
    }
}

static void unpack(const uint8_t *codes, size_t groups, uint8_t *bytes) {
    for (size_t g = 0; g < LK__CODE_BLOCKS * groups; g++)
        split(codes + g * 64, bytes + g * 128, bytes + g * 128 + 64);
}

static void many(const uint8_t *bytes, size_t groups, const int8_t *probes, const int32_t *limits,
                 int32_t *dots, uint16_t *hits) {
    for (size_t b = 0; b < LK__CODE_BLOCKS; b++)
        for (size_t p = 0; p < LK__CODE_PROBES; p++, dots += LK__CODE_ROWS) {
            const int8_t *probe = probes + p * lk__code_probe_bytes(groups);
            const uint8_t *block = bytes + b * groups * 128;
            for (int r = 0; r < LK__CODE_ROWS; r++) dots[r] = centre_of(probe, groups);
            for (size_t g = 0; g < 2 * groups; g++) multiply(block + g * 64, probe + g * 4, dots);
            hits[b * LK__CODE_PROBES_ROOM + p] = above(dots, limits[b * LK__CODE_PROBES_ROOM + p]);
        }
}

const lk__code_kernels lk__code_plain = {one, unpack, many};

const lk__code_kernels *lk__code_kind(int kind) {
    if (kind == LK__CODE_PLAIN) return &lk__code_plain;
#if defined(__x86_64__)
    if (kind == LK__CODE_AVX2 && __builtin_cpu_supports("avx2")) return &lk__code_avx2;
    if (kind == LK__CODE_AVX512 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni"))
        return &lk__code_avx512;
#endif
    return NULL;
}

const lk__code_kernels *lk__code_best(void) {
    const lk__code_kernels *best = &lk__code_plain;
    for (int kind = 0; kind < LK__CODE_KINDS; kind++)
        if (lk__code_kind(kind)) best = lk__code_kind(kind);
    return best;
}
