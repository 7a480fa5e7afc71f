/* pairs.c: what all losses over pairs share: from the slopes by each cosine to the gradient.
 *
 *   loss = mean over the B anchors i of the batch of l_i(c_i1 .. c_in),        c_ij = e_i . e_j
 *
 *   d loss / d e_k = 1/B ( sum_j s_kj e_j  +  sum_i s_ik e_i ),                s_ij = d l_i / d c_ij
 *
 * so the gradient is two matrix products of the slopes: with all vectors, for the anchors, and turned round
 * with the anchors, for whom they were compared with. A rank has the rows of its own anchors, and with them
 * a share in the gradient of everybody; the ranks add these up.
 *
 * Cosines, not distances: the papers' losses are of cosines, all but the contrastive one, and of unit vectors
 * one is as good as the other, |e_i - e_j|^2 = 2 - 2 c_ij.
 *
 * An anchor without positive or without negative adds 0. A NaN goes through cosines, loss and gradient, so
 * that the trainer sees that it diverged. Each sum is one thread's, so the bits are the same for any number.
 */
#include "contrast/contrast.h"

#include <dnnl.h>
#include <math.h>
#include <string.h>

enum { TILE_ROWS = 32, TILE_COLUMNS = 64 };

typedef struct job {
    lk__pair_form *form;
    const lk__loss_options *options;
    const lk__batch *batch;
    float *table;              /* (rows, n): cosines, then slopes */
    lk__triplet_stats *of_row; /* (rows) */
    size_t learned, dim;
    float *gradient; /* (learned, dim) */
} job;

/* ---- rows: loss and slopes ----------------------------------------------------------------------- */

static double distance_of(float cosine) {
    return sqrt(fmax(2 - 2 * (double)cosine, 0));
}

/* Mean distances from a to the others of the batch. */
static void measure(const lk__batch *b, size_t a, const float *row, lk__triplet_stats *out) {
    size_t positives = 0, negatives = 0;
    for (size_t i = 0; i < b->n - b->others; i++) {
        if (i == a) continue;
        bool same = b->label[i] == b->label[a];
        *(same ? &positives : &negatives) += 1;
        *(same ? &out->distance_positive : &out->distance_negative) += distance_of(row[i]);
    }
    if (positives) out->distance_positive /= (double)positives;
    if (negatives) out->distance_negative /= (double)negatives;
}

static bool has_both(const lk__batch *b, size_t a) {
    bool positive = false, negative = false;
    for (size_t i = 0; i < b->n; i++) {
        bool same = b->label[i] == b->label[a];
        positive |= same && i != a;
        negative |= !same;
    }
    return positive && negative;
}

static void rows(void *context, int part, int parts) {
    const job *j = context;
    const lk__batch *b = j->batch;
    size_t first, last;
    lk__part(b->rows, part, parts, &first, &last);
    for (size_t r = first; r < last; r++) {
        float *row = j->table + r * b->n;
        lk__triplet_stats *s = &j->of_row[r];
        *s = (lk__triplet_stats){.triplets = 1};
        measure(b, b->first + r, row, s);
        if (has_both(b, b->first + r))
            s->loss = j->form(b, b->first + r, j->options, row);
        else
            memset(row, 0, b->n * sizeof *row);
        s->active = !(s->loss <= 0); /* so put, NaN is active */
    }
}

/* ---- gradient ------------------------------------------------------------------------------------ */

/* to (m, n; stride dim) = scale * a b + (adds ? to : 0), where a is (m, k), or (k, m) turned round, of this
 * stride, and b is (k, n; stride dim). */
static void product(const job *j, bool turned, size_t m, size_t n, size_t k, const float *a, const float *b,
                    bool adds, float *to) {
    dnnl_dim_t dim = (dnnl_dim_t)j->dim, stride = (dnnl_dim_t)j->batch->n;
    float scale = 1 / (float)(j->batch->n - j->batch->others);
    if (dnnl_sgemm(turned ? 'T' : 'N', 'N', (dnnl_dim_t)m, (dnnl_dim_t)n, (dnnl_dim_t)k, scale, a, stride, b,
                   dim, adds ? 1 : 0, to, dim) == dnnl_success)
        return;
    for (size_t i = 0; i < m; i++) /* no memory for it, most likely: slowly, then */
        for (size_t c = 0; c < n; c++) {
            float sum = 0;
            for (size_t l = 0; l < k; l++)
                sum += (turned ? a[l * j->batch->n + i] : a[i * j->batch->n + l]) * b[l * j->dim + c];
            to[i * j->dim + c] = scale * sum + (adds ? to[i * j->dim + c] : 0);
        }
}

/* Vectors [v, v + count) of the gradient, their columns [c, c + columns). */
static void tile(const job *j, size_t v, size_t count, size_t c, size_t columns) {
    const lk__batch *b = j->batch;
    const float *anchors = b->vectors + b->first * j->dim;
    product(j, true, count, columns, b->rows, j->table + v, anchors + c, false, j->gradient + v * j->dim + c);
    /* Those of them that are anchors. */
    size_t from = v > b->first ? v : b->first, to = v + count;
    if (to > b->first + b->rows) to = b->first + b->rows;
    if (from >= to) return;
    product(j, false, to - from, columns, b->n, j->table + (from - b->first) * b->n, b->vectors + c, true,
            j->gradient + from * j->dim + c);
}

/* A tile's size is fixed and it is one thread's: as in distance.c. */
static void tiles(void *context, int part, int parts) {
    const job *j = context;
    int threads = lk__threads();
    lk__threads_set(1);
    size_t across = (j->dim + TILE_COLUMNS - 1) / TILE_COLUMNS,
           down = (j->learned + TILE_ROWS - 1) / TILE_ROWS;
    for (size_t t = (size_t)part; t < across * down; t += (size_t)parts) {
        size_t v = t / across * TILE_ROWS, c = t % across * TILE_COLUMNS;
        tile(j, v, j->learned - v < TILE_ROWS ? j->learned - v : TILE_ROWS, c,
             j->dim - c < TILE_COLUMNS ? j->dim - c : TILE_COLUMNS);
    }
    lk__threads_set(threads);
}

void lk__pairs_loss(lk__pair_form *form, const lk__loss_options *options, const lk__batch *batch,
                    float *cosine, lk__triplet_stats *of_row, size_t learned, float *gradient,
                    lk__triplet_stats *stats) {
    job j = {form, options, batch, cosine, of_row, learned, (size_t)batch->dim, gradient};
    lk__triplet_stats s = {0};
    double anchors = (double)(batch->n - batch->others);
    lk__parallel(rows, &j);
    for (size_t r = 0; r < batch->rows; r++) {
        s.triplets += of_row[r].triplets;
        s.active += of_row[r].active;
        s.loss += of_row[r].loss / anchors;
        s.distance_positive += of_row[r].distance_positive / anchors;
        s.distance_negative += of_row[r].distance_negative / anchors;
    }
    lk__parallel(tiles, &j);
    *stats = s;
}
