/* random.c: xoshiro256** (Blackman & Vigna 2018), seeded by splitmix64 from a counter (seed, a, b, c). */
#include "base/base.h"

#include <math.h>

static uint64_t splitmix64(uint64_t *x) {
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

lk__random lk__random_stream(uint64_t seed, uint64_t a, uint64_t b, uint64_t c) {
    uint64_t x = seed;
    uint64_t parts[3] = {a, b, c};
    for (int i = 0; i < 3; i++) {
        x = splitmix64(&x) ^ parts[i];
        x = splitmix64(&x);
    }
    lk__random r;
    for (int i = 0; i < 4; i++) r.s[i] = splitmix64(&x);
    return r;
}

static uint64_t rotl(uint64_t x, int k) {
    return (x << k) | (x >> (64 - k));
}

uint64_t lk__random_u64(lk__random *r) {
    uint64_t *s = r->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

double lk__random_unit(lk__random *r) {
    return (double)(lk__random_u64(r) >> 11) * 0x1p-53;
}

double lk__random_range(lk__random *r, double low, double high) {
    return low + (high - low) * lk__random_unit(r);
}

size_t lk__random_below(lk__random *r, size_t n) {
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, x; /* reject the tail: no value is likelier */
    do x = lk__random_u64(r);
    while (x >= limit);
    return (size_t)(x % n);
}

double lk__random_normal(lk__random *r) {
    double u = 1.0 - lk__random_unit(r), v = lk__random_unit(r); /* Box-Muller; u in (0, 1] */
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}
