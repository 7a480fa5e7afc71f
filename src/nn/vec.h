/* vec.h: sixteen values at a time, stored as f32 or as bf16, for the kernels of our own. Everything here is
 * inlined:
 *
 *   LK__CLONES  functions over f32, compiled for each vector width; the one to use is chosen when the program
 * starts LK__BF16    functions that touch bf16, for processors that have it (lk__dnnl_bf16): nobody else may
 * call them
 *
 * bf16 is the upper half of an f32 (8 bits of exponent, 7 of mantissa), rounded to nearest even. */
#ifndef LK_VEC_H
#define LK_VEC_H

#include "nn/net.h"

#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(LK_NO_CLONES)
#define LK__CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LK__CLONES
#endif
#if defined(__x86_64__) && defined(__GNUC__)
#define LK__BF16 __attribute__((target("arch=x86-64-v4,avx512bf16")))
#else
#define LK__BF16
#endif
#define LK__INLINE static inline __attribute__((always_inline))

enum { LK__LANES = 16 };
typedef float lk__v16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint32_t lk__v16u __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t lk__v16i __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint16_t lk__v16h __attribute__((vector_size(32), aligned(2), may_alias));

/* Masks: all bits of a lane are set where it is so. Not by comparing, which compilers do value by value where
 * a vector is wider than a register: of the bits of v as a whole number, v > 0 unless the sign says
 * otherwise. */
#define LK__ABOVE_0(v) ((lk__v16i)((0 - (lk__v16u)(v)) & ~(lk__v16u)(v)) >> 31)
#define LK__DIFFERENCE(a, b) ((lk__v16u)(a) ^ (uint32_t)(b))
#define LK__ARE_EQUAL(a, b) (~(lk__v16i)(LK__DIFFERENCE(a, b) | (0 - LK__DIFFERENCE(a, b))) >> 31)
/* Lane by lane: mask ? a : b. */
#define LK__PICK(mask, a, b) ((lk__v16)(((lk__v16i)(a) & (mask)) | ((lk__v16i)(b) & ~(mask))))

/* Values [at, at + n) of memory of that type into *out; what is beyond n keeps what it was. */
LK__INLINE void lk__load16(const void *memory, lk_precision type, size_t at, size_t n, lk__v16 *out) {
    if (type == LK_PRECISION_F32) {
        const float *p = (const float *)memory + at;
        if (n >= LK__LANES)
            *out = *(const lk__v16 *)p;
        else
            for (size_t i = 0; i < n; i++) (*out)[i] = p[i];
        return;
    }
    const uint16_t *p = (const uint16_t *)memory + at;
    if (n >= LK__LANES) {
        lk__v16u bits;
#if defined(__x86_64__) && defined(__GNUC__)
        /* One instruction; what compilers make of the conversion is six, and this is in every inner loop. */
        __asm__("vpmovzxwd %1, %0" : "=v"(bits) : "m"(*(const lk__v16h *)p));
#else
        bits = __builtin_convertvector(*(const lk__v16h *)p, lk__v16u);
#endif
        *out = (lk__v16)(bits << 16);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)p[i] << 16;
        float v;
        memcpy(&v, &bits, sizeof v);
        (*out)[i] = v;
    }
}

LK__INLINE void lk__to_bf16(const lk__v16 *value, lk__v16h *half) {
#if defined(__x86_64__) && defined(__GNUC__)
    __asm__("vcvtneps2bf16 %1, %0" : "=v"(*half) : "v"(*value));
#else
    lk__v16u bits = (lk__v16u)*value;
    *half = __builtin_convertvector((bits + 0x7fff + ((bits >> 16) & 1)) >> 16, lk__v16h);
#endif
}

LK__INLINE void lk__store16(const lk__v16 *value, void *memory, lk_precision type, size_t at, size_t n) {
    if (type == LK_PRECISION_F32) {
        float *p = (float *)memory + at;
        if (n >= LK__LANES)
            *(lk__v16 *)p = *value;
        else
            for (size_t i = 0; i < n; i++) p[i] = (*value)[i];
        return;
    }
    uint16_t *p = (uint16_t *)memory + at;
    lk__v16h half;
    lk__to_bf16(value, &half);
    if (n >= LK__LANES)
        *(lk__v16h *)p = half;
    else
        for (size_t i = 0; i < n; i++) p[i] = half[i];
}

static inline size_t lk__type_bytes(lk_precision type) {
    return type == LK_PRECISION_BF16 ? sizeof(uint16_t) : sizeof(float);
}

#endif
