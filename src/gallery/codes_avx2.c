/* codes_avx2.c: codes times bytes for processors with AVX2.
 *
 * vpmaddubsw multiplies unsigned codes with signed bytes and adds pairs to 16 bits; those are added up in 16
 * bits too, modulo 2^16. lk__code_probe_make sees to it that the sum over codes less 8 fits into 16 bits, so
 * it is right however often a sum on the way has gone round. */
#include "gallery/codes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))
#define INLINE static inline __attribute__((always_inline, target("avx2")))

INLINE __m256i load(const uint8_t *at) {
    return _mm256_load_si256((const __m256i *)(const void *)at);
}

/* Four bytes to every lane. */
INLINE __m256i spread(const int8_t *at) {
    int32_t four;
    memcpy(&four, at, sizeof four);
    return _mm256_set1_epi32(four);
}

/* sum += the pairs of 4 codes x 4 bytes in each lane, 16 bits a pair. The addition by hand, because GCC gives
 * each new value of a sum a register of its own and then keeps half of the sums in memory. */
INLINE __m256i multiply(__m256i sum, __m256i codes, __m256i bytes) {
    __m256i pairs = _mm256_maddubs_epi16(codes, bytes);
    __asm__("vpaddw %1, %0, %0" : "+x"(sum) : "x"(pairs));
    return sum;
}

/* Both pairs of every lane to its 32 bits; the lanes above the limit as a mask. */
INLINE unsigned finish(__m256i sum, __m256i centre, __m256i limit, int32_t *dots) {
    __m256i dot = _mm256_madd_epi16(_mm256_add_epi16(sum, centre), _mm256_set1_epi16(1));
    _mm256_store_si256((__m256i *)(void *)dots, dot);
    return (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(dot, limit)));
}

AVX2 static void one(const uint8_t *codes, size_t blocks, size_t groups, const int8_t *probe,
                     const int32_t *limits, int32_t *dots, uint16_t *hits) {
    const __m256i half = _mm256_set1_epi8(15), centre = spread(probe + groups * 8 + 4);
    for (size_t b = 0; b < blocks; b++, codes += groups * 64, dots += 16) {
        __m256i low0 = _mm256_setzero_si256(), low1 = low0, high0 = low0, high1 = low0;
        for (size_t g = 0; g < groups; g++) {
            __m256i rows0 = load(codes + g * 64), rows1 = load(codes + g * 64 + 32);
            __m256i bytes0 = spread(probe + g * 8), bytes1 = spread(probe + g * 8 + 4);
            low0 = multiply(low0, _mm256_and_si256(rows0, half), bytes0);
            low1 = multiply(low1, _mm256_and_si256(rows1, half), bytes0);
            high0 = multiply(high0, _mm256_and_si256(_mm256_srli_epi16(rows0, 4), half), bytes1);
            high1 = multiply(high1, _mm256_and_si256(_mm256_srli_epi16(rows1, 4), half), bytes1);
        }
        __m256i limit = _mm256_set1_epi32(limits[b]);
        unsigned hit0 = finish(_mm256_add_epi16(low0, high0), centre, limit, dots);
        unsigned hit1 = finish(_mm256_add_epi16(low1, high1), centre, limit, dots + 8);
        hits[b] = (uint16_t)(hit0 | hit1 << 8);
    }
}

AVX2 static void unpack(const uint8_t *codes, size_t groups, uint8_t *bytes) {
    const __m256i half = _mm256_set1_epi8(15);
    for (size_t g = 0; g < LK__CODE_BLOCKS * groups; g++)
        for (size_t i = 0; i < 64; i += 32) {
            __m256i rows = load(codes + g * 64 + i);
            __m256i low = _mm256_and_si256(rows, half),
                    high = _mm256_and_si256(_mm256_srli_epi16(rows, 4), half);
            _mm256_store_si256((__m256i *)(void *)(bytes + g * 128 + i), low);
            _mm256_store_si256((__m256i *)(void *)(bytes + g * 128 + 64 + i), high);
        }
}

/* 12 sums, 2 registers of codes, one of bytes, one of products: all 16. */
AVX2 static void many(const uint8_t *bytes, size_t groups, const int8_t *probes, const int32_t *limits,
                      int32_t *dots, uint16_t *hits) {
    const size_t stride = lk__code_probe_bytes(groups);
    for (size_t b = 0; b < LK__CODE_BLOCKS;
         b++, limits += LK__CODE_PROBES_ROOM, hits += LK__CODE_PROBES_ROOM) {
        __m256i sum[LK__CODE_PROBES][2];
        const int8_t *quad = probes;
        for (int p = 0; p < LK__CODE_PROBES; p++) sum[p][0] = sum[p][1] = _mm256_setzero_si256();
        for (size_t g = 0; g < 2 * groups; g++, bytes += 64, quad += 4) {
            __m256i rows0 = load(bytes), rows1 = load(bytes + 32);
#pragma GCC unroll 6
            for (size_t p = 0; p < LK__CODE_PROBES; p++) {
                __m256i four = spread(quad + p * stride);
                sum[p][0] = multiply(sum[p][0], rows0, four);
                sum[p][1] = multiply(sum[p][1], rows1, four);
            }
        }
#pragma GCC unroll 6
        for (size_t p = 0; p < LK__CODE_PROBES; p++, dots += 16) {
            __m256i centre = spread(probes + p * stride + groups * 8 + 4),
                    limit = _mm256_set1_epi32(limits[p]);
            unsigned hit0 = finish(sum[p][0], centre, limit, dots);
            unsigned hit1 = finish(sum[p][1], centre, limit, dots + 8);
            hits[p] = (uint16_t)(hit0 | hit1 << 8);
        }
    }
}

const lk__code_kernels lk__code_avx2 = {one, unpack, many};
#endif
