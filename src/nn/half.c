/* half.c: binary16 to f32 and back, in whole numbers, so that every processor and compiler gives the same
 * bits. A model is read once: speed does not matter here. */
#include "nn/half.h"

#include <string.h>

enum { EXPONENT_SHIFT = 13 }; /* f32 has 23 bits of mantissa, binary16 has 10 */

float lk__half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = half >> 10 & 0x1Fu, mantissa = half & 0x3FFu;
    float value;
    if (exponent == 0) { /* zero, or below 2^-14: a multiple of 2^-24 */
        value = (float)mantissa * 0x1p-24f;
        return sign ? -value : value;
    }
    exponent = exponent == 0x1F ? 0xFF : exponent + 127 - 15;
    uint32_t bits = sign | exponent << 23 | mantissa << EXPONENT_SHIFT;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Drop the last `shift` bits, to the nearest, ties to even. */
static uint32_t round_off(uint32_t bits, unsigned shift) {
    uint32_t half = 1u << (shift - 1), kept = bits >> shift, rest = bits & ((1u << shift) - 1);
    return kept + (rest > half || (rest == half && (kept & 1)));
}

uint16_t lk__half_from_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
    uint32_t exponent = magnitude >> 23;
    if (magnitude > 0x7F800000u) return (uint16_t)(sign | 0x7E00u); /* no number */
    if (exponent >= 127 + 16) return (uint16_t)(sign | 0x7C00u);
    if (exponent < 127 - 14) { /* becomes a multiple of 2^-24 */
        unsigned shift = 126u - (exponent ? exponent : 1);
        if (shift > 25) return (uint16_t)sign;
        return (uint16_t)(sign | round_off((magnitude & 0x7FFFFFu) | (exponent ? 0x800000u : 0), shift));
    }
    /* A carry out of the mantissa is the next exponent, or infinity. */
    return (uint16_t)(sign | round_off(magnitude - ((127u - 15u) << 23), EXPONENT_SHIFT));
}
