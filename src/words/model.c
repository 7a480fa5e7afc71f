/* model.c: a model in use: which word has which vector, and which are close.
 *
 * A word's vector is unit(input) + unit(output), scaled to norm 1: what the word says of gaps near it and
 * which gaps it fills are two views of it, and together they judge better than either (docs/words.md has the
 * table; the sum is an old trick, Pennington et al. 2014: GloVe). */
#include "words/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double HALF_LETTERS =
    5; /* chosen on pairs made from WordNet (docs/words.md), as LAMBDA in ngrams.c */

/* x (dim) with norm 1 is added to sum. */
static void add_unit(const float *x, size_t dim, double *sum) {
    double norm = 0;
    for (size_t d = 0; d < dim; d++) norm += (double)x[d] * (double)x[d];
    for (size_t d = 0; norm > 0 && d < dim; d++) sum[d] += (double)x[d] / sqrt(norm);
}

static void scale_to_unit(const double *from, size_t dim, float *to) {
    double norm = 0;
    for (size_t d = 0; d < dim; d++) norm += from[d] * from[d];
    for (size_t d = 0; d < dim; d++) to[d] = norm > 0 ? (float)(from[d] / sqrt(norm)) : 0;
}

lk_status lk__words_vectors(const lk__words_net *net, float *vectors, lk_error *err) {
    double *sum = malloc(net->dim * sizeof *sum);
    if (!sum) return lk__fail_memory(err, net->dim * sizeof *sum, "the words' vectors");
    for (size_t i = 0; i < net->words; i++) {
        memset(sum, 0, net->dim * sizeof *sum);
        add_unit(net->input + i * net->dim, net->dim, sum);
        add_unit(net->output + i * net->dim, net->dim, sum);
        scale_to_unit(sum, net->dim, vectors + i * net->dim);
    }
    free(sum);
    return LK_OK;
}

/* What the text says of a word is believed the more, the more often it was met; the rest of the way its
 * letters have a say. At five times each has half. */
static lk_status lean_on_letters(lk_words *w, lk_error *err) {
    size_t dim = w->file.net.dim;
    float *letters = malloc(dim * sizeof *letters);
    double *sum = malloc(dim * sizeof *sum);
    lk_status status = letters && sum ? LK_OK : lk__fail_memory(err, dim * sizeof *sum, "the words' vectors");
    for (size_t i = 0; i < w->file.net.words && status == LK_OK; i++) {
        float *x = w->vectors + i * dim;
        double met = (double)w->file.vocabulary.met[i], share = met / (met + HALF_LETTERS);
        if (!lk__ngrams_vector(&w->file.ngrams, w->file.subwords, dim, lk_words_text(w, i), letters))
            continue;
        for (size_t d = 0; d < dim; d++) sum[d] = share * (double)x[d] + (1 - share) * (double)letters[d];
        scale_to_unit(sum, dim, x);
    }
    free(letters);
    free(sum);
    return status;
}

static lk_status make_vectors(lk_words *w, lk_error *err) {
    size_t bytes = w->file.net.words * w->file.net.dim * sizeof *w->vectors;
    w->vectors = malloc(bytes);
    if (!w->vectors) return lk__fail_memory(err, bytes, "the words' vectors");
    lk_status status = lk__words_vectors(&w->file.net, w->vectors, err);
    return status == LK_OK && w->file.subwords ? lean_on_letters(w, err) : status;
}

/* A safetensors file begins with the length of its header, whose high bytes are zero; text has no zeros. */
static lk_status is_tensors(const char *path, bool *yes, lk_error *err) {
    unsigned char start[8];
    FILE *f = fopen(path, "rb");
    if (!f) return lk__fail_errno(err, "open", path);
    size_t got = fread(start, 1, sizeof start, f);
    *yes = got == sizeof start && !start[6] && !start[7];
    fclose(f);
    return LK_OK;
}

lk_status lk_words_open(const char *path, lk_words **out, lk_error *err) {
    bool tensors = false;
    lk_status status = is_tensors(path, &tensors, err);
    if (status != LK_OK) return status;
    lk_words *w = calloc(1, sizeof *w);
    if (!w) return lk__fail_memory(err, sizeof *w, path);
    if (tensors) {
        status = lk__words_file_read(path, &w->file, err);
        if (status == LK_OK) status = make_vectors(w, err);
    } else {
        status = lk__word2vec_read(path, &w->file, &w->vectors, err);
    }
    if (status == LK_OK)
        *out = w;
    else
        lk_words_free(w);
    return status;
}

void lk_words_free(lk_words *w) {
    if (!w) return;
    lk__words_file_free(&w->file);
    free(w->vectors);
    free(w);
}

size_t lk_words_count(const lk_words *w) {
    return w->file.vocabulary.count;
}

int lk_words_dim(const lk_words *w) {
    return (int)w->file.net.dim;
}

const char *lk_words_text(const lk_words *w, size_t i) {
    return i < w->file.vocabulary.count ? lk__vocabulary_text(&w->file.vocabulary, i) : NULL;
}

uint64_t lk_words_met(const lk_words *w, size_t i) {
    return i < w->file.vocabulary.count ? w->file.vocabulary.met[i] : 0;
}

const char *lk_words_metadata(const lk_words *w, const char *key) {
    if (strcmp(key, "recipe") == 0) return w->file.recipe;
    return strcmp(key, "options") == 0 ? w->file.options : NULL;
}

/* The text as the reader of texts sees it: one word, in lower case. */
static bool one_word(const char *text, char word[LK__WORD_BYTES], size_t *length) {
    lk__text *t = NULL;
    lk__text_kind kind = LK__TEXT_END;
    char more[LK__WORD_BYTES];
    size_t more_length = 0;
    if (lk__text_of(text, strlen(text), &t, NULL) != LK_OK) return false;
    bool one = lk__text_next(t, &kind, word, length, NULL) == LK_OK && kind == LK__TEXT_WORD;
    while (one && kind != LK__TEXT_END)
        one = lk__text_next(t, &kind, more, &more_length, NULL) == LK_OK && kind != LK__TEXT_WORD;
    lk__text_close(t);
    return one;
}

size_t lk_words_find(const lk_words *w, const char *text) {
    char word[LK__WORD_BYTES];
    size_t length = strlen(text);
    uint32_t i = lk__vocabulary_find(&w->file.vocabulary, text, length); /* word2vec's may be in any form */
    if (i == LK__NO_WORD && one_word(text, word, &length))
        i = lk__vocabulary_find(&w->file.vocabulary, word, length);
    return i == LK__NO_WORD ? SIZE_MAX : i;
}

const float *lk_words_vector(const lk_words *w, size_t i) {
    return i < w->file.vocabulary.count ? w->vectors + i * w->file.net.dim : NULL;
}

lk_status lk_words_embed(const lk_words *w, const char *text, float *vector, lk_error *err) {
    const lk__words_net *net = &w->file.net;
    char word[LK__WORD_BYTES];
    size_t length = 0, i = lk_words_find(w, text);
    if (i != SIZE_MAX) {
        memcpy(vector, lk_words_vector(w, i), net->dim * sizeof *vector);
        return LK_OK;
    }
    if (!one_word(text, word, &length)) return lk__fail(err, LK_NOT_FOUND, "'%.100s' is not one word", text);
    float *letters = malloc(net->dim * sizeof *letters);
    if (!letters) return lk__fail_memory(err, net->dim * sizeof *letters, "a vector");
    bool built = lk__ngrams_vector(&w->file.ngrams, w->file.subwords, net->dim, word, letters);
    if (built) memcpy(vector, letters, net->dim * sizeof *vector);
    free(letters);
    if (built) return LK_OK;
    return lk__fail(err, LK_NOT_FOUND, "'%.100s' is not among the %zu words of the model%s", word, net->words,
                    w->file.subwords ? "" : ", which has no n-grams to put it together from");
}

/* ---- closest -------------------------------------------------------------------------------------- */

static bool skipped(size_t i, const size_t *skip, size_t skip_count) {
    for (size_t s = 0; s < skip_count; s++)
        if (skip[s] == i) return true;
    return false;
}

/* A heap with the worst of the best at its top. */
static bool worse(lk_words_match a, lk_words_match b) {
    return a.score != b.score ? a.score < b.score : a.word > b.word;
}

static void sift(lk_words_match *heap, size_t n, size_t i) {
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && worse(heap[child + 1], heap[child])) child++;
        if (!worse(heap[child], heap[i])) return;
        lk_words_match swap = heap[i];
        heap[i] = heap[child];
        heap[child] = swap;
    }
}

static int by_score(const void *a, const void *b) {
    const lk_words_match *x = a, *y = b;
    return worse(*y, *x) ? -1 : worse(*x, *y);
}

void lk__best_add(lk__best *b, size_t word, double score) {
    lk_words_match m = {word, score};
    if (b->count == b->k && (b->k == 0 || !worse(b->items[0], m))) return;
    if (skipped(word, b->skip, b->skip_count)) return;
    if (b->count == b->k) {
        b->items[0] = m;
        sift(b->items, b->count, 0);
        return;
    }
    b->items[b->count++] = m;
    for (size_t j = b->count / 2; b->count == b->k && j-- > 0;) sift(b->items, b->count, j);
}

size_t lk__best_sort(lk__best *b) {
    qsort(b->items, b->count, sizeof *b->items, by_score);
    return b->count;
}

void lk_words_near(const lk_words *w, const float *vector, const size_t *skip, size_t skip_count, size_t k,
                   lk_words_match *matches, size_t *count) {
    lk__best best = {matches, k, 0, skip, skip_count};
    size_t dim = w->file.net.dim;
    for (size_t i = 0; i < w->file.vocabulary.count; i++)
        lk__best_add(&best, i, lk_cosine(vector, w->vectors + i * dim, (int)dim));
    *count = lk__best_sort(&best);
}

lk_status lk_words_analogy(const lk_words *w, const char *a, const char *b, const char *c, size_t k,
                           lk_words_match *matches, size_t *count, lk_error *err) {
    size_t dim = w->file.net.dim, skip[3];
    const char *text[3] = {a, b, c};
    double *sum = calloc(dim, sizeof *sum);
    float *vector = malloc(dim * sizeof *vector);
    lk_status status = sum && vector ? LK_OK : lk__fail_memory(err, dim * sizeof *sum, "a vector");
    for (size_t i = 0; i < 3 && status == LK_OK; i++) {
        skip[i] = lk_words_find(w, text[i]);
        status = lk_words_embed(w, text[i], vector, err);
        for (size_t d = 0; d < dim && status == LK_OK; d++) sum[d] += (i == 0 ? -1 : 1) * (double)vector[d];
    }
    if (status == LK_OK) {
        scale_to_unit(sum, dim, vector);
        lk_words_near(w, vector, skip, 3, k, matches, count);
    }
    free(sum);
    free(vector);
    return status;
}
