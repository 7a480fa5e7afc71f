/* measure.c: pairs of words that people have judged, and whether cosines rank them the same way: Spearman's
 * rho, ties at the mean of their ranks. */
#include "words/words.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct pair {
    double value, cosine;
    bool built;
} pair;

typedef struct pairs {
    pair *items;
    size_t count, room, lines, covered, built;
} pairs;

enum { COLUMNS = 32, LINE = 4096 };

static bool number(const char *text, double *value) {
    char *end;
    *value = strtod(text, &end);
    return end != text && !*end && isfinite(*value);
}

/* Cut into columns at tabs; or else at commas, semicolons and blanks. */
static size_t split(char *line, char *column[COLUMNS]) {
    const char *between = strchr(line, '\t') ? "\t\r\n" : ",; \r\n";
    size_t n = 0;
    char *rest = NULL;
    for (char *c = strtok_r(line, between, &rest); c && n < COLUMNS; c = strtok_r(NULL, between, &rest))
        column[n++] = c;
    return n;
}

static lk_status measure_pair(const lk_words *w, const char *a, const char *b, double value, pairs *p,
                              float *vectors, lk_error *err) {
    size_t dim = w->file.net.dim;
    p->lines++;
    if (lk_words_embed(w, a, vectors, NULL) != LK_OK || lk_words_embed(w, b, vectors + dim, NULL) != LK_OK)
        return LK_OK;
    if (p->count == p->room) {
        size_t room = 2 * p->room + 256;
        pair *grown = realloc(p->items, room * sizeof *grown);
        if (!grown) return lk__fail_memory(err, room * sizeof *grown, "pairs");
        p->items = grown;
        p->room = room;
    }
    bool built = lk_words_find(w, a) == SIZE_MAX || lk_words_find(w, b) == SIZE_MAX;
    p->items[p->count++] = (pair){value, lk_cosine(vectors, vectors + dim, (int)dim), built};
    p->built += built;
    return LK_OK;
}

static lk_status read_pairs(const lk_words *w, FILE *f, const char *path, pairs *p, lk_error *err) {
    char line[LINE], *column[COLUMNS];
    float *vectors = malloc(2 * w->file.net.dim * sizeof *vectors);
    if (!vectors) return lk__fail_memory(err, 2 * w->file.net.dim * sizeof *vectors, "pairs");
    size_t value_column = 0;
    lk_status status = LK_OK;
    for (size_t at = 1; status == LK_OK && fgets(line, sizeof line, f); at++) {
        bool whole = strchr(line, '\n') || feof(f);
        size_t n = split(line, column), c = 2;
        double value = 0;
        if (n == 0 && whole) continue;
        while (c < n && !number(column[c], &value)) c++;
        if (whole && c == n && at == 1) continue; /* a header line */
        if (!whole || n < 3 || c == n || (value_column && c != value_column))
            status = lk__fail(err, LK_FORMAT, "%s:%zu: is not 'word word value'%s", path, at,
                              whole ? "" : " but a line of over 4 KB");
        value_column = c;
        if (status == LK_OK) status = measure_pair(w, column[0], column[1], value, p, vectors, err);
    }
    if (status == LK_OK && ferror(f)) status = lk__fail_errno(err, "read", path);
    free(vectors);
    return status;
}

typedef struct ranked {
    double value;
    size_t at;
} ranked;

static int by_value(const void *a, const void *b) {
    double x = ((const ranked *)a)->value, y = ((const ranked *)b)->value;
    return (x > y) - (x < y);
}

/* values to their ranks; `scratch` (n). */
static void rank(double *values, size_t n, ranked *scratch) {
    for (size_t i = 0; i < n; i++) scratch[i] = (ranked){values[i], i};
    qsort(scratch, n, sizeof *scratch, by_value);
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i; j < n && scratch[j].value == scratch[i].value;) j++;
        for (size_t t = i; t < j; t++) values[scratch[t].at] = (double)(i + j - 1) / 2;
    }
}

static lk_status spearman(const pairs *p, bool met_only, double *rho, lk_error *err) {
    double *x = malloc((2 * p->count + 1) * sizeof *x), *y = x + p->count;
    ranked *scratch = malloc((p->count + 1) * sizeof *scratch);
    if (!x || !scratch) {
        free(x);
        free(scratch);
        return lk__fail_memory(err, 2 * p->count * sizeof *x, "pairs");
    }
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (met_only && p->items[i].built) continue;
        x[n] = p->items[i].value;
        y[n++] = p->items[i].cosine;
    }
    rank(x, n, scratch);
    rank(y, n, scratch);
    double mean = ((double)n - 1) / 2, xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < n; i++) {
        xx += (x[i] - mean) * (x[i] - mean);
        yy += (y[i] - mean) * (y[i] - mean);
        xy += (x[i] - mean) * (y[i] - mean);
    }
    *rho = n >= 3 && xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
    free(x);
    free(scratch);
    return LK_OK;
}

lk_status lk_words_measure(const lk_words *w, const char *path, lk_words_figures *out, lk_error *err) {
    FILE *f = fopen(path, "rb");
    if (!f) return lk__fail_errno(err, "open", path);
    pairs p = {0};
    lk_words_figures figures = {0};
    lk_status status = read_pairs(w, f, path, &p, err);
    fclose(f);
    if (status == LK_OK && !p.lines) status = lk__fail(err, LK_EMPTY, "%s: there is no pair in it", path);
    if (status == LK_OK) status = spearman(&p, true, &figures.rho, err);
    if (status == LK_OK) status = spearman(&p, false, &figures.rho_all, err);
    figures.pairs = p.lines;
    figures.covered = p.count - p.built;
    figures.built = p.built;
    free(p.items);
    if (status == LK_OK) *out = figures;
    return status;
}
