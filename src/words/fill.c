/* fill.c: the words for a gap, ranked. The gap's vector is made as in training from what is around it, and
 * every word of the vocabulary is tried:
 *
 *   P(w | gap) = e^(g.w + 0.75 ln met(w)) / sum over all words
 *
 * since InfoNCE with wrong words drawn by met^0.75 learns g.w = ln P(w | gap) - 0.75 ln met(w) + a constant
 * (Oord et al. 2018). Words so frequent that training mostly leaves them out are left out here too. */
#include "words/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* "___": where the gap begins and ends. */
static bool find_gap(const char *sentence, size_t *begin, size_t *end) {
    const char *gap = strstr(sentence, "__");
    if (!gap) return false;
    *begin = (size_t)(gap - sentence);
    *end = *begin + strspn(gap, "_");
    return true;
}

static double keep_share(const lk_words *w, size_t i) {
    const lk__words_file *f = &w->file;
    if (!(f->subsample > 0) || !f->total) return 1;
    double often = (double)f->vocabulary.met[i] / (f->subsample * (double)f->total);
    return (sqrt(often) + 1) / often;
}

/* The words of the part of the sentence nearest the gap, in reading order, at most `most`: the last ones
 * before the gap, the first ones behind. */
static size_t read_part(const lk_words *w, const char *bytes, size_t size, bool before, size_t most,
                        uint32_t *out) {
    lk__text *t = NULL;
    lk__text_kind kind = LK__TEXT_BREAK;
    char word[LK__WORD_BYTES];
    size_t length = 0, n = 0;
    if (lk__text_of(bytes, size, &t, NULL) != LK_OK) return 0;
    while (lk__text_next(t, &kind, word, &length, NULL) == LK_OK && kind != LK__TEXT_END) {
        if (kind == LK__TEXT_BREAK) { /* a sentence before this one, or behind */
            /* The end of the text is a break too, and ends nothing. */
            size_t here = n;
            if (lk__text_next(t, &kind, word, &length, NULL) != LK_OK || kind == LK__TEXT_END || !before) {
                n = here;
                break;
            }
            n = 0;
        }
        uint32_t id = lk__vocabulary_find(&w->file.vocabulary, word, length);
        if (id == LK__NO_WORD || keep_share(w, id) < 0.5) continue;
        if (n == most && before) {
            memmove(out, out + 1, (most - 1) * sizeof *out);
            n--;
        }
        if (n < most) out[n++] = id;
    }
    lk__text_close(t);
    return n;
}

static lk_status gap_vector(const lk_words *w, const char *sentence, size_t begin, size_t end, float *gap,
                            size_t *known, lk_error *err) {
    const lk__words_net *net = &w->file.net;
    size_t window = (size_t)net->window, rest = strlen(sentence + end);
    uint32_t *around = calloc(2 * window + 1, sizeof *around);
    float *vectors = malloc((2 * window + 1) * net->dim * sizeof *vectors);
    if (!around || !vectors) {
        free(around);
        free(vectors);
        return lk__fail_memory(err, 2 * window * net->dim * sizeof *vectors, "a gap");
    }
    size_t left = read_part(w, sentence, begin, true, window, around);
    size_t right = read_part(w, sentence + end, rest, false, window, around + left + 1);
    lk__span span = {0, (uint32_t)left, (uint32_t)(left + 1 + right)};
    lk__rows_gather(net->input, &net->pieces, around, left + 1 + right, net->dim,
                    vectors); /* the gap's: unused */
    lk__context_forward(vectors, net->position, &span, 1, net->window, net->dim, gap);
    free(around);
    free(vectors);
    *known = left + right;
    return LK_OK;
}

/* score (words): ln of each word's share, not yet of sum 1. */
static void score_words(const lk_words *w, const float *gap, float *row, double *score) {
    const lk__words_net *net = &w->file.net;
    double most = -INFINITY;
    for (uint32_t i = 0; i < net->words; i++) {
        lk__rows_gather(net->output, &net->pieces, &i, 1, net->dim, row);
        score[i] =
            lk_cosine(gap, row, (int)net->dim) + 0.75 * log(fmax((double)w->file.vocabulary.met[i], 1));
        most = fmax(most, score[i]);
    }
    double sum = 0;
    for (size_t i = 0; i < net->words; i++) sum += score[i] = exp(score[i] - most);
    for (size_t i = 0; i < net->words; i++) score[i] /= sum;
}

lk_status lk_words_fill(const lk_words *w, const char *sentence, size_t k, lk_words_match *matches,
                        size_t *count, lk_error *err) {
    const lk__words_net *net = &w->file.net;
    size_t begin = 0, end = 0, more, known = 0;
    if (!net->output)
        return lk__fail(err, LK_INVALID,
                        "word2vec's format has words only, and nothing of the gaps they fill; a model "
                        "of likeness words train is needed");
    if (!find_gap(sentence, &begin, &end))
        return lk__fail(err, LK_INVALID, "there is no gap in the sentence; write it as ___");
    if (find_gap(sentence + end, &more, &more))
        return lk__fail(err, LK_INVALID, "there are two gaps in the sentence; one at a time can be filled");
    float *gap = malloc(2 * net->dim * sizeof *gap);
    double *score = malloc(net->words * sizeof *score);
    lk_status status = gap && score ? LK_OK : lk__fail_memory(err, net->words * sizeof *score, "a gap");
    if (status == LK_OK) status = gap_vector(w, sentence, begin, end, gap, &known, err);
    if (status == LK_OK && !known)
        status = lk__fail(err, LK_EMPTY,
                          "none of the words around the gap is known, or all are too common to tell "
                          "anything");
    if (status == LK_OK) {
        score_words(w, gap, gap + net->dim, score);
        lk__best best = {matches, k, 0, NULL, 0};
        for (size_t i = 0; i < net->words; i++) lk__best_add(&best, i, score[i]);
        *count = lk__best_sort(&best);
    }
    free(gap);
    free(score);
    return status;
}
