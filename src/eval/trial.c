/* trial.c: photos and the pairs of them that are looked at, checked and made ready.
 *
 *   lk_trial  ->  cosine, same, fold, photos of every pair, a block at a time, on all threads
 *
 * First step of all that measures pairs. Listed pairs keep their cosines (4 bytes a pair). Every pair of
 * photos is never listed: 13,000 photos have 84.5 million, so their cosines are made anew, tile by tile, at
 * each pass, which takes a second and no memory. */
#include "eval/trial.h"
#include "gallery/gallery.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = LK__TILE_ROWS, COLS = LK__TILE_COLS };

#define NOBODY UINT32_MAX

static int by_int(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static int by_label(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* ---- checks -------------------------------------------------------------------------------------- */

static lk_status check_all_pairs(const lk_trial *given, lk_error *err) {
    if (given->cosine) return lk__fail(err, LK_INVALID, "cosines of pairs are given, but no pairs");
    if (!given->vectors || !given->person)
        return lk__fail(err, LK_INVALID, "to pair every photo with every other, their %s must be given",
                        given->vectors ? "people" : "vectors");
    if (given->photos < 2)
        return lk__fail(err, LK_EMPTY, "%zu photos: two are the least that make a pair", given->photos);
    return LK_OK;
}

static lk_status check_listed(const lk_trial *given, lk_error *err) {
    if (!given->vectors && !given->cosine)
        return lk__fail(err, LK_INVALID, "pairs need the vectors of their photos, or their cosines");
    for (size_t i = 0; i < given->count; i++) {
        const lk_pair *pair = &given->pairs[i];
        if (pair->same != 0 && pair->same != 1)
            return lk__fail(err, LK_INVALID, "the label of pair %zu is %d, but must be 0 or 1", i,
                            pair->same);
        if (pair->a >= given->photos || pair->b >= given->photos)
            return lk__fail(err, LK_INVALID, "pair %zu is of photos %zu and %zu, but there are %zu photos", i,
                            pair->a, pair->b, given->photos);
    }
    return LK_OK;
}

static lk_status check(const lk_trial *given, lk_error *err) {
    if (given->photos >= NOBODY) return lk__fail(err, LK_TOO_LARGE, "over four billion photos");
    if (given->vectors && !given->cosine && (given->dim < 1 || given->dim > LK__DIM_LIMIT))
        return lk__fail(err, LK_INVALID, "vectors of dim %d; 1 to %d can be", given->dim, LK__DIM_LIMIT);
    return given->pairs ? check_listed(given, err) : check_all_pairs(given, err);
}

/* ---- folds --------------------------------------------------------------------------------------- */

/* The distinct fold numbers, rising, into `folds` (LK__FOLDS_MOST). */
static lk_status collect_folds(const lk_pair *pairs, size_t n, int *folds, int *fold_count, lk_error *err) {
    int count = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && pairs[i].fold == pairs[i - 1].fold) continue; /* files usually go fold by fold */
        if (count > 0 && bsearch(&pairs[i].fold, folds, (size_t)count, sizeof *folds, by_int)) continue;
        if (count == LK__FOLDS_MOST)
            return lk__fail(err, LK_INVALID, "more than %d different folds; 10 are usual", LK__FOLDS_MOST);
        folds[count++] = pairs[i].fold;
        qsort(folds, (size_t)count, sizeof *folds, by_int);
    }
    *fold_count = count;
    return LK_OK;
}

static lk_status number_folds(lk__trial *t, lk_error *err) {
    int folds[LK__FOLDS_MOST];
    lk_status status = collect_folds(t->listed, t->pairs, folds, &t->fold_count, err);
    if (status != LK_OK || t->fold_count <= 1) return status;
    t->fold = malloc(t->pairs * sizeof *t->fold);
    if (!t->fold) return lk__fail_memory(err, t->pairs * sizeof *t->fold, "folds");
    for (size_t i = 0; i < t->pairs; i++) {
        const int *found = bsearch(&t->listed[i].fold, folds, (size_t)t->fold_count, sizeof *folds, by_int);
        t->fold[i] = (uint16_t)(found - folds);
    }
    return LK_OK;
}

/* ---- people and vectors -------------------------------------------------------------------------- */

/* People who are in no pair have nothing to say, and do not count when people are drawn. */
static lk_status number_people(const uint32_t *given, const bool *used, lk__trial *t, lk_error *err) {
    uint32_t *label = malloc(t->photos * sizeof *label);
    t->person = malloc(t->photos * sizeof *t->person);
    if (!label || !t->person) {
        free(label);
        return lk__fail_memory(err, 2 * t->photos * sizeof *label, "people");
    }
    size_t n = 0, count = 0;
    for (size_t i = 0; i < t->photos; i++)
        if (used[i]) label[n++] = given[i];
    qsort(label, n, sizeof *label, by_label);
    for (size_t i = 0; i < n; i++)
        if (count == 0 || label[i] != label[count - 1]) label[count++] = label[i];
    for (size_t i = 0; i < t->photos; i++) {
        const uint32_t *found = used[i] ? bsearch(&given[i], label, count, sizeof *label, by_label) : NULL;
        t->person[i] = found ? (uint32_t)(found - label) : NOBODY;
    }
    t->people = (uint32_t)count;
    free(label);
    return LK_OK;
}

/* Photos in no pair may hold anything: theirs are the photos in which no face was found. */
static lk_status copy_vectors(const lk_trial *given, const bool *used, lk__trial *t, lk_error *err) {
    size_t dim = (size_t)given->dim, bytes, photos = (t->photos + COLS - 1) / COLS * COLS;
    t->stride = (dim + LK__COSINE_LANES - 1) / LK__COSINE_LANES * LK__COSINE_LANES;
    if (__builtin_mul_overflow(photos, t->stride * sizeof(float), &bytes))
        return lk__fail(err, LK_TOO_LARGE, "%zu vectors of dim %zu do not fit into memory", t->photos, dim);
    t->rows = aligned_alloc(64, bytes);
    if (!t->rows) return lk__fail_memory(err, bytes, "vectors");
    memset(t->rows, 0, bytes);
    for (size_t i = 0; i < t->photos; i++) {
        const float *vector = given->vectors + i * dim;
        if (!used[i]) continue;
        if (!lk__unit_vector(vector, given->dim))
            return lk__fail(err, LK_INVALID, "the vector of photo %zu has norm %g, but must have 1", i,
                            sqrt(lk_cosine(vector, vector, given->dim)));
        memcpy(t->rows + i * t->stride, vector, dim * sizeof *vector);
    }
    return LK_OK;
}

static lk_status prepare_photos(const lk_trial *given, lk__trial *t, lk_error *err) {
    bool *used = calloc(t->photos + 1, sizeof *used); /* malloc(0) may be NULL */
    if (!used) return lk__fail_memory(err, t->photos, "photos in use");
    for (size_t i = 0; t->listed && i < t->pairs; i++) used[t->listed[i].a] = used[t->listed[i].b] = true;
    if (!t->listed) memset(used, true, t->photos);
    lk_status status = LK_OK;
    if (given->person) status = number_people(given->person, used, t, err);
    if (status == LK_OK && !given->cosine) status = copy_vectors(given, used, t, err);
    free(used);
    return status;
}

static void cosines_part(void *context, int i, int n) {
    lk__trial *t = context;
    size_t first, last;
    lk__part(t->pairs, i, n, &first, &last);
    for (; first < last; first++)
        t->own_cosine[first] = lk__cosine_pair(t->rows + t->listed[first].a * t->stride,
                                               t->rows + t->listed[first].b * t->stride, t->stride);
}

static lk_status prepare_cosines(const lk_trial *given, lk__trial *t, lk_error *err) {
    t->cosine = given->cosine;
    if (!given->cosine) {
        t->own_cosine = malloc((t->pairs + 1) * sizeof *t->own_cosine);
        if (!t->own_cosine) return lk__fail_memory(err, t->pairs * sizeof *t->own_cosine, "cosines");
        t->cosine = t->own_cosine;
        lk__parallel_over(t->pairs, cosines_part, t);
        free(t->rows);
        t->rows = NULL;
    }
    for (size_t i = 0; i < t->pairs; i++)
        if (!isfinite(t->cosine[i]))
            return lk__fail(err, LK_INVALID, "the score of pair %zu is not a finite number", i);
    return LK_OK;
}

lk_status lk__trial_open(const lk_trial *given, lk__trial *out, lk_error *err) {
    lk_status status = check(given, err);
    if (status != LK_OK) return status;
    lk__trial t = {.photos = given->photos,
                   .pairs = given->pairs ? given->count : given->photos * (given->photos - 1) / 2,
                   .listed = given->pairs,
                   .fold_count = 1};
    if (t.listed) status = number_folds(&t, err);
    if (status == LK_OK) status = prepare_photos(given, &t, err);
    if (status == LK_OK && t.listed) status = prepare_cosines(given, &t, err);
    if (status == LK_OK)
        *out = t;
    else
        lk__trial_close(&t);
    return status;
}

void lk__trial_close(lk__trial *trial) {
    free(trial->fold);
    free(trial->person);
    free(trial->rows);
    free(trial->own_cosine);
    *trial = (lk__trial){0};
}

/* ---- every pair once ----------------------------------------------------------------------------- */

typedef struct pass {
    const lk__trial *trial;
    lk__block_fn *fn;
    void *context;
} pass;

typedef struct block_memory {
    float cosine[LK__BLOCK];
    uint32_t a[LK__BLOCK], b[LK__BLOCK];
    uint8_t same[LK__BLOCK];
} block_memory;

static void listed_part(void *context, int thread, int threads) {
    const pass *p = context;
    const lk__trial *t = p->trial;
    block_memory m;
    size_t first, last;
    lk__part(t->pairs, thread, threads, &first, &last);
    for (; first < last; first += LK__BLOCK) {
        size_t count = last - first < LK__BLOCK ? last - first : LK__BLOCK;
        for (size_t i = 0; i < count; i++) {
            const lk_pair *pair = &t->listed[first + i];
            m.a[i] = (uint32_t)pair->a;
            m.b[i] = (uint32_t)pair->b;
            m.same[i] = (uint8_t)pair->same;
        }
        p->fn(p->context, thread,
              &(lk__block){count, t->cosine + first, m.a, m.b, m.same, t->fold ? t->fold + first : NULL});
    }
}

/* Photos row .. row + ROWS with the later ones of col .. col + COLS. */
static void tile(const pass *p, int thread, size_t row, size_t col) {
    const lk__trial *t = p->trial;
    float cosine[LK__BLOCK];
    block_memory m;
    size_t row_end = t->photos - row < ROWS ? t->photos : row + ROWS, count = 0;
    size_t col_end = t->photos - col < COLS ? t->photos : col + COLS;
    lk__cosine_tile(t->rows + row * t->stride, t->rows + col * t->stride, t->stride, cosine);
    for (size_t i = row; i < row_end; i++)
        for (size_t j = i + 1 > col ? i + 1 : col; j < col_end; j++, count++) {
            m.cosine[count] = cosine[(i - row) * COLS + j - col];
            m.a[count] = (uint32_t)i;
            m.b[count] = (uint32_t)j;
            m.same[count] = t->person[i] == t->person[j];
        }
    if (count) p->fn(p->context, thread, &(lk__block){count, m.cosine, m.a, m.b, m.same, NULL});
}

/* Rows in turn, not in parts: the first have the most later photos. */
static void all_pairs_part(void *context, int thread, int threads) {
    const pass *p = context;
    for (size_t row = (size_t)thread * ROWS; row < p->trial->photos; row += (size_t)threads * ROWS)
        for (size_t col = row / COLS * COLS; col < p->trial->photos; col += COLS) tile(p, thread, row, col);
}

void lk__trial_each(const lk__trial *trial, lk__block_fn *fn, void *context) {
    pass p = {trial, fn, context};
    lk__parallel_over(trial->pairs, trial->listed ? listed_part : all_pairs_part, &p);
}
