/* base.h: what every room needs: failing well, reading and writing whole files, random numbers, threads. */
#ifndef LK_BASE_H
#define LK_BASE_H

#include "likeness/likeness.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* ---- failing (status.c) ------------------------------------------------------------------------- */

/* Fill err (when not NULL) and return status, so that `return lk__fail(err, LK_IO, "...")` is one line. */
lk_status lk__fail(lk_error *err, lk_status status, const char *format, ...) LK_PRINTF(3, 4);
lk_status lk__fail_memory(lk_error *err, size_t bytes, const char *what);
/* From errno after a failed call on `path`: ENOENT is NOT_FOUND, ENOMEM is NO_MEMORY, else IO; ENOSPC is
 * named. */
lk_status lk__fail_errno(lk_error *err, const char *verb, const char *path);

/* A broken promise between our own functions: print both values and abort; never compiled out. */
#define LK__CHECK(a, op, b)                                                                                  \
    do {                                                                                                     \
        long long lk__a = (long long)(a), lk__b = (long long)(b);                                            \
        if (!(lk__a op lk__b)) lk__check_failed(__FILE__, __LINE__, #a " " #op " " #b, lk__a, lk__b);        \
    } while (0)
_Noreturn void lk__check_failed(const char *file, int line, const char *what, long long a, long long b);

/* ---- whole files (file.c) ----------------------------------------------------------------------- */

/* Read at most `limit` bytes; *bytes is malloc'd, one zero byte added after the end. TOO_LARGE past the
 * limit. */
lk_status lk__file_read(const char *path, size_t limit, uint8_t **bytes, size_t *size, lk_error *err);

/* Write PATH.tmp.PID, fsync, rename: PATH is either as it was or complete. */
typedef struct lk__writer lk__writer;
lk_status lk__writer_open(const char *path, lk__writer **out, lk_error *err);
lk_status lk__writer_write(lk__writer *writer, const void *bytes, size_t size, lk_error *err);
/* On success and on failure the writer is gone; on failure the temporary file too. */
lk_status lk__writer_commit(lk__writer *writer, lk_error *err);
void lk__writer_abort(lk__writer *writer); /* NULL is fine */

/* ---- random numbers (random.c): counter-based seeding, so any thread order gives the same numbers -- */

typedef struct lk__random {
    uint64_t s[4]; /* xoshiro256** (Blackman & Vigna 2018) */
} lk__random;
/* A stream for (seed, a, b, c): e.g. (seed, batch, sample, 0). Different arguments: independent streams. */
lk__random lk__random_stream(uint64_t seed, uint64_t a, uint64_t b, uint64_t c);
uint64_t lk__random_u64(lk__random *r);
double lk__random_unit(lk__random *r);                           /* [0, 1) */
double lk__random_range(lk__random *r, double low, double high); /* [low, high) */
size_t lk__random_below(lk__random *r, size_t n);                /* 0 .. n-1, unbiased, n > 0 */
double lk__random_normal(lk__random *r);                         /* mean 0, variance 1 */

/* ---- threads (parallel.c) ------------------------------------------------------------------------ */

/* Cores this process may run on. */
int lk__cores(void);
/* How many threads oneDNN and lk__parallel use when called from this thread (0: all cores). */
void lk__threads_set(int threads);
int lk__threads(void);
/* Run fn(context, i, n) for i in 0..n-1 on n = lk__threads() threads, the caller's among them; returns when
 * all are done. The one place with OpenMP: oneDNN's pool is the same, so the two never fight over cores. */
void lk__parallel(void (*fn)(void *context, int i, int n), void *context);
/* The i-th of n near-equal parts of [0, total). */
static inline void lk__part(size_t total, int i, int n, size_t *first, size_t *last) {
    *first = total * (size_t)i / (size_t)n;
    *last = total * ((size_t)i + 1) / (size_t)n;
}

double lk__seconds(void); /* monotonic clock */

#endif
