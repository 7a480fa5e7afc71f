/* distance.c: the distances within a batch, the table that the miners read; and the cosines, which losses
 * over pairs read.
 *
 *   distance[i][j] = |e_(first + i) - e_j|_2                                (rows, n), 0 where both are one
 *   cosine[i][j]   =  e_(first + i) . e_j                                   (rows, n)
 *
 * |e_i - e_j|^2 = |e_i|^2 + |e_j|^2 - 2 e_i . e_j lets a matrix product (the Gram matrix) do nearly all the
 * work, but subtracting near-equal numbers leaves no digits for near-equal vectors: two photos of one person,
 * and every pair once training collapses. There the difference is taken first and squared after.
 *
 * The table is made tile by tile: product, norms and roots while the tile is in the cache. A tile's size is
 * fixed and it is one thread's, so the bits are the same for any number of threads; oneDNN, handed the whole
 * product, would split the sums of long vectors (2048 and up) by the threads it has. That the table is
 * symmetric is not used: a rank of several has only some of the rows. */
#include "contrast/contrast.h"

#include <dnnl.h>
#include <math.h>

enum { TILE_ROWS = 64, TILE_COLUMNS = 128 };

/* Below this share of |a|^2 + |b|^2 the subtraction has lost over 4 of float's 24 bits. For unit vectors: l2
 * < 0.35. */
static const float NEAR = 1.0f / 16;

typedef struct job {
    const lk__batch *batch;
    float *table; /* (rows, n) */
    size_t dim;
    bool cosines;
} job;

enum { LANES = 16 }; /* independent sums, which the compiler may keep in vector registers */

static float difference_l2sq(const float *a, const float *b, size_t dim) {
    float sum[LANES] = {0}, total = 0;
    size_t d = 0;
    for (; d + LANES <= dim; d += LANES)
        for (size_t l = 0; l < LANES; l++) sum[l] += (a[d + l] - b[d + l]) * (a[d + l] - b[d + l]);
    for (; d < dim; d++) total += (a[d] - b[d]) * (a[d] - b[d]);
    for (size_t l = 0; l < LANES; l++) total += sum[l];
    return total;
}

static float norm_l2sq(const float *a, size_t dim) {
    float sum[LANES] = {0}, total = 0;
    size_t d = 0;
    for (; d + LANES <= dim; d += LANES)
        for (size_t l = 0; l < LANES; l++) sum[l] += a[d + l] * a[d + l];
    for (; d < dim; d++) total += a[d] * a[d];
    for (size_t l = 0; l < LANES; l++) total += sum[l];
    return total;
}

static float dot(const float *a, const float *b, size_t dim) {
    float sum = 0;
    for (size_t d = 0; d < dim; d++) sum += a[d] * b[d];
    return sum;
}

/* Rows [r, r + rows) of the table, columns [c, c + columns). */
static void tile(const job *j, size_t r, size_t rows, size_t c, size_t columns) {
    const lk__batch *b = j->batch;
    const float *from = b->vectors + (b->first + r) * j->dim, *other = b->vectors + c * j->dim;
    float *to = j->table + r * b->n + c, column_norm[TILE_COLUMNS];
    dnnl_dim_t dim = (dnnl_dim_t)j->dim;
    bool product = dnnl_sgemm('N', 'T', (dnnl_dim_t)rows, (dnnl_dim_t)columns, dim, 1, from, dim, other, dim,
                              0, to, (dnnl_dim_t)b->n) == dnnl_success;
    if (j->cosines) {
        for (size_t i = 0; !product && i < rows; i++)
            for (size_t k = 0; k < columns; k++)
                to[i * b->n + k] = dot(from + i * j->dim, other + k * j->dim, j->dim);
        return;
    }
    for (size_t k = 0; k < columns; k++) column_norm[k] = norm_l2sq(other + k * j->dim, j->dim);
    for (size_t i = 0; i < rows; i++) {
        const float *row = from + i * j->dim;
        float norm = norm_l2sq(row, j->dim), *out = to + i * b->n;
        for (size_t k = 0; k < columns; k++) {
            float norms = norm + column_norm[k], l2sq = norms - 2 * out[k];
            /* So put, it holds for NaN too. No product: no memory for it, most likely. */
            if (!(product && l2sq >= NEAR * norms)) l2sq = difference_l2sq(row, other + k * j->dim, j->dim);
            out[k] = sqrtf(l2sq);
        }
        if (b->first + r + i - c < columns) out[b->first + r + i - c] = 0;
    }
}

static void tiles(void *context, int part, int parts) {
    const job *j = context;
    const lk__batch *b = j->batch;
    int threads = lk__threads();
    /* oneDNN has one thread within this part. OpenMP would see to it; a pool of plain threads does not. */
    lk__threads_set(1);
    size_t across = (b->n + TILE_COLUMNS - 1) / TILE_COLUMNS, down = (b->rows + TILE_ROWS - 1) / TILE_ROWS;
    for (size_t t = (size_t)part; t < across * down; t += (size_t)parts) {
        size_t r = t / across * TILE_ROWS, c = t % across * TILE_COLUMNS;
        tile(j, r, b->rows - r < TILE_ROWS ? b->rows - r : TILE_ROWS, c,
             b->n - c < TILE_COLUMNS ? b->n - c : TILE_COLUMNS);
    }
    lk__threads_set(threads);
}

void lk__distances(const lk__batch *batch, float *distance) {
    job j = {batch, distance, (size_t)batch->dim, false};
    lk__parallel(tiles, &j);
}

void lk__cosines(const lk__batch *batch, float *cosine) {
    job j = {batch, cosine, (size_t)batch->dim, true};
    lk__parallel(tiles, &j);
}
