/* distance.c: all distances within a batch, the table that the miners and the loss read.
 *
 *   distance[i][j] = |e_i - e_j|_2                                                          (n, n), diagonal
 * 0
 *
 * |e_i - e_j|^2 = |e_i|^2 + |e_j|^2 - 2 e_i . e_j lets one matrix product (the Gram matrix) do nearly all the
 * work, but subtracting near-equal numbers leaves no digits for near-equal vectors: two photos of one person,
 * and every pair once training collapses. There the difference is taken first and squared after.
 *
 * Same bits for any number of threads: the product is cut into blocks of a fixed size, each made by one
 * thread, and not handed whole to oneDNN, which for long vectors (2048 and up) splits the sums by the threads
 * it has. */
#include "contrast/contrast.h"

#include <dnnl.h>
#include <math.h>

enum { BLOCK = 64 }; /* rows of the Gram matrix made at a time */

/* Below this share of |a|^2 + |b|^2 the subtraction has lost over 4 of float's 24 bits. For unit vectors: l2
 * < 0.35. */
static const float NEAR = 1.0f / 16;

typedef struct job {
    const float *vectors; /* (n, dim) */
    float *distance;      /* (n, n) */
    size_t n, dim;
} job;

/* Blocks of rows [r, r + BLOCK), columns [r, n): all of the upper triangle. */
static void gram(void *context, int part, int parts) {
    const job *j = context;
    int threads = lk__threads();
    /* oneDNN has one thread within this part. OpenMP would see to it; a pool of plain threads does not. */
    lk__threads_set(1);
    for (size_t r = (size_t)part * BLOCK; r < j->n; r += (size_t)parts * BLOCK) {
        size_t rows = j->n - r < BLOCK ? j->n - r : BLOCK;
        dnnl_dim_t dim = (dnnl_dim_t)j->dim, n = (dnnl_dim_t)j->n;
        const float *from = j->vectors + r * j->dim;
        float *to = j->distance + r * j->n + r;
        if (dnnl_sgemm('N', 'T', (dnnl_dim_t)rows, (dnnl_dim_t)(j->n - r), dim, 1, from, dim, from, dim, 0,
                       to, n) != dnnl_success) {
            /* No memory, most likely. A norm that is no number makes finish() take the direct way. */
            for (size_t i = 0; i < rows; i++) to[i * j->n + i] = NAN;
        }
    }
    lk__threads_set(threads);
}

static float direct_l2sq(const float *a, const float *b, size_t dim) {
    enum { LANES = 16 }; /* independent sums, which the compiler may keep in vector registers */
    float sum[LANES] = {0}, total = 0;
    size_t d = 0;
    for (; d + LANES <= dim; d += LANES)
        for (size_t l = 0; l < LANES; l++) sum[l] += (a[d + l] - b[d + l]) * (a[d + l] - b[d + l]);
    for (; d < dim; d++) total += (a[d] - b[d]) * (a[d] - b[d]);
    for (size_t l = 0; l < LANES; l++) total += sum[l];
    return total;
}

/* From the upper triangle of the Gram matrix to both triangles of the distances; the norms on the diagonal
 * stay, as other rows still need them. Rows are dealt out like cards, since the upper ones are longer. */
static void finish(void *context, int part, int parts) {
    const job *j = context;
    size_t n = j->n;
    float *distance = j->distance;
    for (size_t r = (size_t)part; r < n; r += (size_t)parts)
        for (size_t c = r + 1; c < n; c++) {
            float norms = distance[r * n + r] + distance[c * n + c];
            float l2sq = norms - 2 * distance[r * n + c];
            if (!(l2sq >= NEAR * norms)) /* so put, it holds for NaN too */
                l2sq = direct_l2sq(j->vectors + r * j->dim, j->vectors + c * j->dim, j->dim);
            distance[r * n + c] = distance[c * n + r] = sqrtf(l2sq);
        }
}

void lk__distances(const float *vectors, size_t n, int dim, float *distance) {
    job j = {vectors, distance, n, (size_t)dim};
    lk__parallel(gram, &j);
    lk__parallel(finish, &j);
    for (size_t i = 0; i < n; i++) distance[i * n + i] = 0;
}
