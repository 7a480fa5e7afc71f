/* peak.h: what this machine can do at best, measured: f32 multiply-adds, bf16 dot products, reading memory.
 * The whole that bench_peak prints and of which bench_net's table gives shares; each measures for itself,
 * because clocks and neighbours drift from minute to minute.
 *
 * As elsewhere in the project the processor is chosen when the program runs: AVX-512 (with BF16), AVX2, else
 * plain C. Every figure is the best of several bouts: a peak is what the machine reached, not what it does on
 * average. */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

#include "base/base.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define PEAK_X86 1
#endif

typedef struct peak {
    double f32, bf16; /* GFLOP/s on lk__threads() threads */
    double read;      /* GB/s, of memory too large for any cache */
} peak;

enum { PEAK_BOUTS = 40, PEAK_THREADS_MAX = 1024 };

/* One bout: fn does some work on part i of n and says how much: FLOP, or bytes. */
typedef struct peak_bout {
    double (*fn)(const struct peak_bout *bout, int i, int n);
    const float *memory;
    size_t count;
    double work[PEAK_THREADS_MAX];
} peak_bout;

/* So that nothing is computed in vain in the compiler's eyes. */
static void peak_keep(float value) {
    volatile float sink = value;
    (void)sink;
}

/* ---- arithmetic ----------------------------------------------------------------------------------- */

/* Independent sums enough to fill the pipelines (2 units, 4 to 5 cycles), few enough for the registers. */
enum { PEAK_SUMS = 12, PEAK_TURNS = 1 << 20 };
#define PEAK_TWELVE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

static double peak_f32_plain(const peak_bout *bout, int i, int n) {
    (void)bout, (void)i, (void)n;
    float sum[PEAK_SUMS] = {0}, a = 0.9999f, b = 1e-9f;
    for (int turn = 0; turn < PEAK_TURNS; turn++)
        for (int k = 0; k < PEAK_SUMS; k++) sum[k] = sum[k] * a + b;
    for (int k = 1; k < PEAK_SUMS; k++) sum[0] += sum[k];
    peak_keep(sum[0]);
    return 2.0 * PEAK_SUMS * PEAK_TURNS;
}

#ifdef PEAK_X86
/* The empty asm takes the sums as changed: without it the compiler may see through the whole loop. */
#define PEAK_ARITHMETIC(name, features, vector, constraint, lanes, set, step)                                \
    __attribute__((target(features))) static double name(const peak_bout *bout, int i, int n) {              \
        (void)bout, (void)i, (void)n;                                                                        \
        vector sum[PEAK_SUMS];                                                                               \
        for (int k = 0; k < PEAK_SUMS; k++) sum[k] = set(0.0f);                                              \
        vector a = set(0.9999f), b = set(1e-9f);                                                             \
        __asm__("" : "+" constraint(a), "+" constraint(b));                                                  \
        for (int turn = 0; turn < PEAK_TURNS; turn++) {                                                      \
            PEAK_TWELVE(step)                                                                                \
        }                                                                                                    \
        for (int k = 1; k < PEAK_SUMS; k++) sum[0] = sum[0] + sum[k];                                        \
        peak_keep(sum[0][0]);                                                                                \
        return (lanes)*PEAK_SUMS * (double)PEAK_TURNS;                                                       \
    }
#define PEAK_FMA_512(k) sum[k] = _mm512_fmadd_ps(sum[k], a, b);
#define PEAK_FMA_256(k) sum[k] = _mm256_fmadd_ps(sum[k], a, b);
#define PEAK_DOT_512(k) sum[k] = _mm512_dpbf16_ps(sum[k], (__m512bh)a, (__m512bh)b);
PEAK_ARITHMETIC(peak_f32_avx512, "avx512f", __m512, "v", 2.0 * 16, _mm512_set1_ps, PEAK_FMA_512)
PEAK_ARITHMETIC(peak_f32_avx2, "avx2,fma", __m256, "x", 2.0 * 8, _mm256_set1_ps, PEAK_FMA_256)
/* The bits of a and b as bf16 are some small numbers: which ones does not matter to the speed. */
PEAK_ARITHMETIC(peak_bf16_avx512, "avx512f,avx512bf16", __m512, "v", 2.0 * 32, _mm512_set1_ps, PEAK_DOT_512)
#endif

/* ---- memory --------------------------------------------------------------------------------------- */

static double peak_read_plain(const peak_bout *bout, int i, int n) {
    size_t first, last;
    lk__part(bout->count / 64, i, n, &first, &last);
    float sum[64] = {0};
    for (size_t k = 64 * first; k < 64 * last; k += 64)
        for (int j = 0; j < 64; j++) sum[j] += bout->memory[k + (size_t)j];
    for (int j = 1; j < 64; j++) sum[0] += sum[j];
    peak_keep(sum[0]);
    return (double)(last - first) * 64 * sizeof(float);
}

#ifdef PEAK_X86
/* 256 bits fill a cache line's loads on any processor: it is the memory that is slow. */
__attribute__((target("avx2"))) static double peak_read_avx2(const peak_bout *bout, int i, int n) {
    size_t first, last;
    lk__part(bout->count / 64, i, n, &first, &last);
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    for (size_t k = first; k < last; k++) {
        const float *p = bout->memory + 64 * k;
        s0 = _mm256_add_ps(s0, _mm256_load_ps(p)), s1 = _mm256_add_ps(s1, _mm256_load_ps(p + 8));
        s2 = _mm256_add_ps(s2, _mm256_load_ps(p + 16)), s3 = _mm256_add_ps(s3, _mm256_load_ps(p + 24));
        s4 = _mm256_add_ps(s4, _mm256_load_ps(p + 32)), s5 = _mm256_add_ps(s5, _mm256_load_ps(p + 40));
        s6 = _mm256_add_ps(s6, _mm256_load_ps(p + 48)), s7 = _mm256_add_ps(s7, _mm256_load_ps(p + 56));
    }
    s0 = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
    peak_keep(s0[0]);
    return (double)(last - first) * 64 * sizeof(float);
}
#endif

/* ---- all of it ------------------------------------------------------------------------------------ */

static void peak_part(void *context, int i, int n) {
    peak_bout *bout = context;
    bout->work[i] = bout->fn(bout, i, n);
}

/* Best rate of several bouts on all threads, in 1e9 a second. */
static double peak_rate(double (*fn)(const peak_bout *, int, int), const float *memory, size_t count) {
    static peak_bout bout;
    double best = 0;
    bout.fn = fn, bout.memory = memory, bout.count = count;
    for (int k = 0; k < PEAK_BOUTS; k++) {
        double began = lk__seconds(), work = 0;
        lk__parallel(peak_part, &bout);
        double seconds = lk__seconds() - began;
        for (int i = 0; i < lk__threads(); i++) work += bout.work[i];
        if (work / seconds > best) best = work / seconds;
    }
    return 1e-9 * best;
}

/* Memory beyond every cache, on huge pages as the nets' arena has it; NULL: none to be had. */
static float *peak_memory(size_t *count) {
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    size_t bytes = (size_t)256 << 20, page = (size_t)2 << 20;
    if (cache > 0 && 8 * (size_t)cache > bytes) bytes = 8 * (size_t)cache;
    bytes = (bytes + page - 1) / page * page;
    float *memory = aligned_alloc(page, bytes);
    if (!memory) return NULL;
    madvise(memory, bytes, MADV_HUGEPAGE); /* refused, it only costs time */
    *count = bytes / sizeof(float);
    for (size_t i = 0; i < *count; i++) memory[i] = 1;
    return memory;
}

static double peak_larger(double a, double b) {
    return a > b ? a : b;
}

/* The larger of each. */
static peak peak_best(peak a, peak b) {
    return (peak){peak_larger(a.f32, b.f32), peak_larger(a.bf16, b.bf16), peak_larger(a.read, b.read)};
}

/* About half a second. read is 0 if there was no memory to read. */
static peak peak_measure(void) {
    double (*f32)(const peak_bout *, int, int) = peak_f32_plain;
    double (*bf16)(const peak_bout *, int, int) = NULL;
    double (*read)(const peak_bout *, int, int) = peak_read_plain;
    if (lk__threads() > PEAK_THREADS_MAX) lk__threads_set(PEAK_THREADS_MAX);
#ifdef PEAK_X86
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        f32 = peak_f32_avx2, read = peak_read_avx2;
    if (__builtin_cpu_supports("avx512f")) f32 = peak_f32_avx512;
    if (__builtin_cpu_supports("avx512bf16")) bf16 = peak_bf16_avx512;
#endif
    peak p = {.f32 = peak_rate(f32, NULL, 0)};
    /* Without the instruction bf16 is widened and multiplied as f32. */
    p.bf16 = bf16 ? peak_rate(bf16, NULL, 0) : p.f32;
    size_t count = 0;
    float *memory = peak_memory(&count);
    if (memory) p.read = peak_rate(read, memory, count);
    free(memory);
    return p;
}

#endif
