/* half.h: numbers of 16 bits (IEEE 754 binary16, "F16" in safetensors), in which weights may lie on disk. All
 * arithmetic is in f32 or bf16. */
#ifndef LK_HALF_H
#define LK_HALF_H

#include <stdint.h>

float lk__half_to_float(uint16_t half);
/* To the nearest, ties to even; what is too large becomes infinite. */
uint16_t lk__half_from_float(float value);

#endif
