/* codes_avx512.c: codes times bytes for processors with AVX-512 and its byte products (VNNI): vpdpbusd adds
 * the four products of every lane to its 32 bits.
 *
 * The test includes this file once more over emulated instructions (SIMDe), so that it is also tested where
 * the processor has none of them; hence LK_EMULATED. */
#include "gallery/codes.h"

#if defined(__x86_64__)
#ifndef LK_EMULATED
#include <immintrin.h>
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vnni")))
#define INLINE static inline __attribute__((always_inline, target("avx512f,avx512bw,avx512vnni")))
#else
#define AVX512
#define INLINE static inline
#endif
#include <string.h>

INLINE __m512i load(const uint8_t *at) {
    return _mm512_load_si512((const void *)at);
}

INLINE __m512i spread(const int8_t *at) {
    int32_t four;
    memcpy(&four, at, sizeof four);
    return _mm512_set1_epi32(four);
}

INLINE uint16_t finish(__m512i dot, int32_t limit, int32_t *dots) {
    _mm512_store_si512((void *)dots, dot);
    return (uint16_t)_mm512_cmpgt_epi32_mask(dot, _mm512_set1_epi32(limit));
}

AVX512 static void one(const uint8_t *codes, size_t blocks, size_t groups, const int8_t *probe,
                       const int32_t *limits, int32_t *dots, uint16_t *hits) {
    const __m512i half = _mm512_set1_epi8(15), centre = spread(probe + groups * 8);
    for (size_t b = 0; b < blocks; b++, codes += groups * 64, dots += 16) {
        __m512i low = centre, high = _mm512_setzero_si512(); /* two chains: each product waits for its sum */
        for (size_t g = 0; g < groups; g++) {
            __m512i rows = load(codes + g * 64);
            low = _mm512_dpbusd_epi32(low, _mm512_and_si512(rows, half), spread(probe + g * 8));
            high = _mm512_dpbusd_epi32(high, _mm512_and_si512(_mm512_srli_epi16(rows, 4), half),
                                       spread(probe + g * 8 + 4));
        }
        hits[b] = finish(_mm512_add_epi32(low, high), limits[b], dots);
    }
}

AVX512 static void unpack(const uint8_t *codes, size_t groups, uint8_t *bytes) {
    const __m512i half = _mm512_set1_epi8(15);
    for (size_t g = 0; g < LK__CODE_BLOCKS * groups; g++) {
        __m512i rows = load(codes + g * 64);
        _mm512_store_si512((void *)(bytes + g * 128), _mm512_and_si512(rows, half));
        _mm512_store_si512((void *)(bytes + g * 128 + 64),
                           _mm512_and_si512(_mm512_srli_epi16(rows, 4), half));
    }
}

/* 24 sums and 4 registers of codes of 32. */
AVX512 static void many(const uint8_t *bytes, size_t groups, const int8_t *probes, const int32_t *limits,
                        int32_t *dots, uint16_t *hits) {
    const size_t stride = lk__code_probe_bytes(groups);
    __m512i sum[LK__CODE_PROBES][LK__CODE_BLOCKS];
#pragma GCC unroll 6
    for (size_t p = 0; p < LK__CODE_PROBES; p++)
        for (size_t b = 0; b < LK__CODE_BLOCKS; b++) sum[p][b] = spread(probes + p * stride + groups * 8);
    for (size_t g = 0; g < 2 * groups; g++) {
        __m512i rows[LK__CODE_BLOCKS];
#pragma GCC unroll 4
        for (size_t b = 0; b < LK__CODE_BLOCKS; b++) rows[b] = load(bytes + (b * 2 * groups + g) * 64);
#pragma GCC unroll 6
        for (size_t p = 0; p < LK__CODE_PROBES; p++) {
            __m512i four = spread(probes + p * stride + g * 4);
#pragma GCC unroll 4
            for (size_t b = 0; b < LK__CODE_BLOCKS; b++)
                sum[p][b] = _mm512_dpbusd_epi32(sum[p][b], rows[b], four);
        }
    }
#pragma GCC unroll 4
    for (size_t b = 0; b < LK__CODE_BLOCKS; b++)
#pragma GCC unroll 6
        for (size_t p = 0; p < LK__CODE_PROBES; p++) {
            size_t i = b * LK__CODE_PROBES_ROOM + p;
            hits[i] = finish(sum[p][b], limits[i], dots + (b * LK__CODE_PROBES + p) * 16);
        }
}

const lk__code_kernels lk__code_avx512 = {one, unpack, many};
#endif
