/* bootstrap.c: how far can a figure be trusted? People are drawn anew, with repeats, and every pair counts as
 * often as its people were drawn: c times for a pair of one person drawn c times, c * d for a pair of two
 * (Bolle, Ratha & Pankanti 2004; for the pairs of two it is Owen's pigeonhole bootstrap, 2007, which errs on
 * the wide side).
 *
 *   person drawn c times (chunk, person, lane)  x  pairs in cells  ->  weight of each cell in each replicate
 *
 * One pass over the pairs serves all replicates: 32 of them lie side by side in memory, a vector or two, and
 * a block of pairs goes through one chunk of 32 after the other while their cells stay in the cache. Weights
 * are whole numbers, so sums are exact and the same on any number of threads. */
#include "eval/trial.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- drawing ------------------------------------------------------------------------------------- */

enum { STREAM = 0x626f6f74 }; /* "boot": no other use of the seed draws the same numbers */

typedef struct drawing {
    lk__draws *draws;
    uint64_t seed;
} drawing;

static void draw_part(void *context, int i, int n) {
    const drawing *job = context;
    lk__draws *w = job->draws;
    for (size_t chunk = (size_t)i; chunk < w->chunks; chunk += (size_t)n) {
        uint8_t *count = w->count + chunk * w->people * LK__DRAW_LANES;
        for (size_t lane = 0; lane < LK__DRAW_LANES; lane++) {
            size_t replicate = chunk * LK__DRAW_LANES + lane;
            if (replicate > (size_t)w->replicates) continue; /* weight 0 */
            lk__random r = lk__random_stream(job->seed, STREAM, replicate, 0);
            for (size_t p = 0; p < w->people; p++) {
                uint8_t *c =
                    count + (replicate == 0 ? p : lk__random_below(&r, w->people)) * LK__DRAW_LANES + lane;
                if (*c < UINT8_MAX) ++*c; /* 255 of a mean of 1: does not happen */
            }
        }
    }
}

lk_status lk__draws_make(const lk__trial *trial, const lk_bootstrap *bootstrap, lk__draws *out,
                         lk_error *err) {
    int replicates = bootstrap ? bootstrap->replicates : 0;
    if (replicates < 0 || replicates > LK__REPLICATES_MOST)
        return lk__fail(err, LK_INVALID, "%d replicates of the bootstrap; 0 to %d can be", replicates,
                        LK__REPLICATES_MOST);
    /* Where people are not known all photos are one person's, who counts once. */
    lk__draws w = {.replicates = trial->person && trial->people >= 2 ? replicates : 0,
                   .people = trial->person ? trial->people : 1};
    w.chunks = ((size_t)w.replicates + 1 + LK__DRAW_LANES - 1) / LK__DRAW_LANES;
    size_t bytes = w.chunks * w.people * LK__DRAW_LANES;
    w.count = calloc(bytes, 1);
    if (!w.count) return lk__fail_memory(err, bytes, "the bootstrap");
    lk__parallel_over(bytes, draw_part, &(drawing){&w, bootstrap ? bootstrap->seed : 0});
    w.most = 1;
    for (size_t i = 0; i < bytes; i++) w.most = w.count[i] > w.most ? w.count[i] : w.most;
    *out = w;
    return LK_OK;
}

void lk__draws_free(lk__draws *draws) {
    free(draws->count);
    *draws = (lk__draws){0};
}

/* ---- counting ------------------------------------------------------------------------------------ */

typedef struct counting {
    const lk__trial *trial;
    const lk__draws *draws;
    size_t cells;
    lk__cell_fn *fn;
    const void *context;
    uint32_t *part;    /* (threads, chunks, cells, LK__DRAW_LANES): of one thread, until it might overflow */
    uint64_t *pending; /* (threads): weight that may have come together in one of its cells */
    uint64_t *total;   /* (cells, stride) */
    pthread_mutex_t lock; /* of total */
} counting;

static size_t part_size(const counting *job) {
    return job->draws->chunks * job->cells * LK__DRAW_LANES;
}

static void flush(counting *job, int thread) {
    uint32_t *part = job->part + (size_t)thread * part_size(job);
    size_t stride = lk__draws_stride(job->draws);
    pthread_mutex_lock(&job->lock);
    for (size_t chunk = 0; chunk < job->draws->chunks; chunk++)
        for (size_t cell = 0; cell < job->cells; cell++)
            for (size_t lane = 0; lane < LK__DRAW_LANES; lane++)
                job->total[cell * stride + chunk * LK__DRAW_LANES + lane] +=
                    part[(chunk * job->cells + cell) * LK__DRAW_LANES + lane];
    pthread_mutex_unlock(&job->lock);
    memset(part, 0, part_size(job) * sizeof *part);
    job->pending[thread] = 0;
}

/* The inner loop of all: one chunk of replicates of a block of pairs. person (count) of a and of b. */
LK__CLONES static void count_chunk(uint32_t *restrict part, const uint8_t *restrict weight, size_t count,
                                   const uint32_t *restrict cell, const uint32_t *restrict a,
                                   const uint32_t *restrict b) {
    for (size_t i = 0; i < count; i++) {
        if (cell[i] == LK__NO_CELL) continue;
        uint32_t *restrict sum = part + (size_t)cell[i] * LK__DRAW_LANES;
        const uint8_t *restrict c = weight + (size_t)a[i] * LK__DRAW_LANES;
        const uint8_t *restrict d = weight + (size_t)b[i] * LK__DRAW_LANES;
        if (a[i] == b[i])
            for (int lane = 0; lane < LK__DRAW_LANES; lane++) sum[lane] += c[lane];
        else
            for (int lane = 0; lane < LK__DRAW_LANES; lane++)
                sum[lane] += (uint32_t)((uint32_t)c[lane] * d[lane]);
    }
}

static void count_block(void *context, int thread, const lk__block *block) {
    counting *job = context;
    const uint32_t *person = job->trial->person;
    uint32_t cell[LK__BLOCK], a[LK__BLOCK], b[LK__BLOCK];
    uint64_t weight = block->count * (uint64_t)job->draws->most * job->draws->most;
    if (job->pending[thread] + weight > UINT32_MAX) flush(job, thread);
    job->pending[thread] += weight;
    job->fn(job->context, block, cell);
    for (size_t i = 0; i < block->count; i++) {
        a[i] = person ? person[block->a[i]] : 0;
        b[i] = person ? person[block->b[i]] : 0;
    }
    uint32_t *part = job->part + (size_t)thread * part_size(job);
    for (size_t chunk = 0; chunk < job->draws->chunks; chunk++)
        count_chunk(part + chunk * job->cells * LK__DRAW_LANES,
                    job->draws->count + chunk * job->draws->people * LK__DRAW_LANES, block->count, cell, a,
                    b);
}

lk_status lk__draws_count(const lk__trial *trial, const lk__draws *draws, size_t cells, lk__cell_fn *fn,
                          const void *context, uint64_t **out, lk_error *err) {
    size_t threads = (size_t)lk__threads(), total = cells * lk__draws_stride(draws);
    counting job = {.trial = trial, .draws = draws, .cells = cells, .fn = fn, .context = context};
    job.part = calloc(threads * total, sizeof *job.part);
    job.pending = calloc(threads, sizeof *job.pending);
    job.total = calloc(total, sizeof *job.total);
    lk_status status = LK_OK;
    if (!job.part || !job.pending || !job.total) {
        status = lk__fail_memory(err, (threads + 2) * total * sizeof *job.part, "the bootstrap");
        free(job.total);
    } else {
        pthread_mutex_init(&job.lock, NULL);
        lk__trial_each(trial, count_block, &job);
        for (int i = 0; i < (int)threads; i++) flush(&job, i);
        pthread_mutex_destroy(&job.lock);
        *out = job.total;
    }
    free(job.part);
    free(job.pending);
    return status;
}

/* ---- intervals ----------------------------------------------------------------------------------- */

static int rising(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between the two values around it, as R's type 7 and numpy. */
static double quantile(const double *sorted, size_t n, double share) {
    double at = share * (double)(n - 1);
    size_t below = (size_t)at, above = below + 1 < n ? below + 1 : below;
    return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

lk_interval lk__percentiles(double *values, size_t n) {
    size_t known = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(values[i])) values[known++] = values[i];
    if (known == 0 || known * 2 < n) return lk__no_interval();
    qsort(values, known, sizeof *values, rising);
    return (lk_interval){quantile(values, known, 0.025), quantile(values, known, 0.975)};
}

lk_interval lk__wilson(double successes, double n) {
    static const double z = 1.959963984540054; /* of the normal distribution, 97.5 % */
    if (!(n > 0)) return lk__no_interval();
    double p = successes / n, scale = 1 + z * z / n, middle = (p + z * z / (2 * n)) / scale;
    double half = z / scale * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    return (lk_interval){fmax(0, middle - half), fmin(1, middle + half)};
}
