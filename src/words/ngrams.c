/* ngrams.c: words told by their letters: a vector for each n-gram, so that the mean over the n-grams of a
 * word comes close to the vector that the text gave it. A word that the text hardly has, or never had, then
 * gets a vector from `teach` and `-ing`.
 *
 *   minimise over Z   sum over words w of  ln(1 + met(w)) | mean of Z over the n-grams of w - x(w) |^2
 *                     + lambda |Z|^2
 *
 * This is the bag of subwords of Zhao, Mudgal & Liang, "Generalizing Word Embeddings using Bag of Subwords",
 * 2018, fitted after training, rather than the n-grams of Bojanowski et al. 2017 (fastText), which are
 * learned with the words: that costs four fifths of the speed, and in batches, whose words share n-grams,
 * their steps add up and diverge. What differs from the paper: least squares are solved by conjugate
 * gradients, not by stochastic steps; n-grams are hashed (FNV-1a) into so many rows, as in fastText. Columns
 * of Z do not know of each other, so they are done a few at a time, each few on one thread: the same bits on
 * any number of threads. */
#include "nn/vec.h"
#include "words/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 32, STEPS = 30 };
static const double LAMBDA = 0.1;

/* N-grams are of letters, with < and > for the borders of the word. The whole between its borders is none. */
size_t lk__ngrams_of(const lk__ngrams *g, const char *word, uint32_t *rows) {
    if (!g->buckets) return 0;
    char bordered[LK__WORD_BYTES + 3];
    size_t start[LK__WORD_BYTES + 3], letters = 0, bytes = 0, n = 0;
    bordered[bytes++] = '<';
    for (const char *c = word; *c && bytes < LK__WORD_BYTES; c++) bordered[bytes++] = *c;
    bordered[bytes++] = '>';
    for (size_t i = 0; i < bytes; i++)
        if (((unsigned char)bordered[i] & 0xC0) != 0x80) start[letters++] = i;
    start[letters] = bytes;
    for (size_t a = 0; a < letters; a++) {
        uint32_t h = 2166136261u;
        for (size_t length = 1; a + length <= letters && length <= (size_t)g->most; length++) {
            for (size_t i = start[a + length - 1]; i < start[a + length]; i++)
                h = (h ^ (unsigned char)bordered[i]) * 16777619u;
            if (length >= (size_t)g->least && length < letters && n + 1 < LK__PIECES_MAX)
                rows[n++] = (uint32_t)(h % g->buckets);
        }
    }
    return n;
}

/* ---- fitting -------------------------------------------------------------------------------------- */

typedef struct fit {
    size_t words, buckets, dim;
    size_t *first;  /* (words + 1) into rows */
    uint32_t *rows; /* of the n-grams of each word */
    float *weight;  /* (words): square root of that in the sum */
    const float *vectors;
    float *table;
    bool failed; /* no memory on some thread */
} fit;

/* out (buckets, COLUMNS) = (A^T A + lambda) in, where A (words, buckets) has weight / n-grams for each n-gram
 * of a word. */
LK__CLONES static void normal(const size_t *first, const uint32_t *rows, const float *weight, size_t words,
                              const float *restrict in, size_t buckets, float lambda, float *restrict out) {
    for (size_t i = 0; i < buckets * COLUMNS; i++) out[i] = lambda * in[i];
    for (size_t w = 0; w < words; w++) {
        float sum[COLUMNS] = {0}, n = (float)(first[w + 1] - first[w]), share = weight[w] / n;
        for (size_t r = first[w]; r < first[w + 1]; r++) {
            const float *from = in + (size_t)rows[r] * COLUMNS;
            for (size_t c = 0; c < COLUMNS; c++) sum[c] += from[c];
        }
        for (size_t c = 0; c < COLUMNS; c++) sum[c] *= share * share;
        for (size_t r = first[w]; r < first[w + 1]; r++) {
            float *to = out + (size_t)rows[r] * COLUMNS;
            for (size_t c = 0; c < COLUMNS; c++) to[c] += sum[c];
        }
    }
}

/* A^T Y: what the words' vectors, columns `at` and on, ask of each n-gram. */
static void right_side(const fit *f, size_t at, size_t columns, float *out) {
    memset(out, 0, f->buckets * COLUMNS * sizeof *out);
    for (size_t w = 0; w < f->words; w++) {
        const float *x = f->vectors + w * f->dim + at;
        float share = f->weight[w] * f->weight[w] / (float)(f->first[w + 1] - f->first[w]);
        for (size_t r = f->first[w]; r < f->first[w + 1]; r++)
            for (size_t c = 0; c < columns; c++) out[(size_t)f->rows[r] * COLUMNS + c] += share * x[c];
    }
}

static void column_products(const float *a, const float *b, size_t n, double sum[COLUMNS]) {
    memset(sum, 0, COLUMNS * sizeof *sum);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < COLUMNS; c++)
            sum[c] += (double)a[i * COLUMNS + c] * (double)b[i * COLUMNS + c];
}

/* to += by (COLUMNS) from, column by column */
static void add_columns(float *to, const float *from, const double *by, double sign, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < COLUMNS; c++)
            to[i * COLUMNS + c] += (float)(sign * by[c]) * from[i * COLUMNS + c];
}

/* Conjugate gradients (Hestenes & Stiefel 1952), each column for itself. */
static void solve(const fit *f, size_t at, size_t columns, float *memory) {
    size_t n = f->buckets, size = n * COLUMNS;
    float *z = memory, *rest = z + size, *way = rest + size, *image = way + size;
    double left[COLUMNS], now[COLUMNS], step[COLUMNS];
    memset(z, 0, size * sizeof *z);
    right_side(f, at, columns, rest);
    memcpy(way, rest, size * sizeof *way);
    column_products(rest, rest, n, left);
    for (int i = 0; i < STEPS; i++) {
        normal(f->first, f->rows, f->weight, f->words, way, n, (float)LAMBDA, image);
        column_products(way, image, n, step);
        for (size_t c = 0; c < COLUMNS; c++) step[c] = step[c] > 0 ? left[c] / step[c] : 0;
        add_columns(z, way, step, 1, n);
        add_columns(rest, image, step, -1, n);
        column_products(rest, rest, n, now);
        for (size_t c = 0; c < COLUMNS; c++) step[c] = left[c] > 0 ? now[c] / left[c] : 0;
        for (size_t k = 0; k < size; k++) way[k] = rest[k] + (float)step[k % COLUMNS] * way[k];
        memcpy(left, now, sizeof left);
    }
    for (size_t k = 0; k < n; k++) memcpy(f->table + k * f->dim + at, z + k * COLUMNS, columns * sizeof *z);
}

static void solve_some(void *context, int i, int n) {
    fit *f = context;
    float *memory = malloc(4 * f->buckets * COLUMNS * sizeof *memory);
    if (!memory) {
        f->failed = true;
        return;
    }
    for (size_t at = (size_t)i * COLUMNS; at < f->dim; at += (size_t)n * COLUMNS)
        solve(f, at, f->dim - at < COLUMNS ? f->dim - at : COLUMNS, memory);
    free(memory);
}

static bool list_rows(fit *f, const lk__ngrams *g, const lk__vocabulary *v) {
    uint32_t rows[LK__PIECES_MAX];
    double mean = 0;
    f->first = malloc((f->words + 1) * sizeof *f->first);
    f->weight = malloc(f->words * sizeof *f->weight);
    if (!f->first || !f->weight) return false;
    f->first[0] = 0;
    for (size_t w = 0; w < f->words; w++)
        f->first[w + 1] = f->first[w] + lk__ngrams_of(g, lk__vocabulary_text(v, w), rows);
    f->rows = malloc((f->first[f->words] + 1) * sizeof *f->rows);
    if (!f->rows) return false;
    for (size_t w = 0; w < f->words; w++) {
        lk__ngrams_of(g, lk__vocabulary_text(v, w), rows);
        memcpy(f->rows + f->first[w], rows, (f->first[w + 1] - f->first[w]) * sizeof *rows);
        mean += log1p((double)v->met[w]) / (double)f->words;
    }
    for (size_t w = 0; w < f->words; w++) f->weight[w] = (float)sqrt(log1p((double)v->met[w]) / mean);
    return true;
}

lk_status lk__ngrams_fit(const lk__ngrams *g, const lk__vocabulary *v, const float *vectors, size_t dim,
                         float *table, lk_error *err) {
    fit f = {.words = v->count, .buckets = g->buckets, .dim = dim, .vectors = vectors, .table = table};
    if (list_rows(&f, g, v))
        lk__parallel(solve_some, &f);
    else
        f.failed = true;
    free(f.first);
    free(f.rows);
    free(f.weight);
    return f.failed
               ? lk__fail_memory(err, 4 * g->buckets * COLUMNS * sizeof *table, "n-grams; give fewer buckets")
               : LK_OK;
}

bool lk__ngrams_vector(const lk__ngrams *g, const float *table, size_t dim, const char *word, float *out) {
    uint32_t rows[LK__PIECES_MAX];
    size_t count = table ? lk__ngrams_of(g, word, rows) : 0;
    double norm = 0;
    memset(out, 0, dim * sizeof *out);
    for (size_t r = 0; r < count; r++)
        for (size_t d = 0; d < dim; d++) out[d] += table[rows[r] * dim + d];
    for (size_t d = 0; d < dim; d++) norm += (double)out[d] * (double)out[d];
    for (size_t d = 0; d < dim && norm > 0; d++) out[d] = (float)((double)out[d] / sqrt(norm));
    return norm > 0;
}
