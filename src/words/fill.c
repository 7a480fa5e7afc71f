/* fill.c: the words for a gap, ranked: every word of the vocabulary is tried.
 *
 * InfoNCE with wrong words drawn by met^0.75 learns g.w = ln P(w | gap) - 0.75 ln met(w) + a constant (Oord
 * et al. 2018). In training most frequent words are left out, and those that are left move closer; a sentence
 * can be read both ways, with every word at its place (which tells of grammar) and with the rarer ones closed
 * up (which tells of the matter). Each way gives a gap's vector, g and h; taken as two witnesses that know of
 * each other only through the word,
 *
 *   P(w | g, h)  ~  P(w | g) P(w | h) / P(w)  ~  e^(g.w + h.w + (2 * 0.75 - 1) ln met(w))
 *
 * The sentence's own words are left out: a gap draws what is around it. */
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

/* What training keeps more often than not, the sentence's second reading is made of. */
static const double RARE_ENOUGH = 0.5;

static double keep_share(const lk_words *w, size_t i) {
    const lk__words_file *f = &w->file;
    if (!(f->subsample > 0) || !f->total) return 1;
    double often = (double)f->vocabulary.met[i] / (f->subsample * (double)f->total);
    return (sqrt(often) + 1) / often;
}

enum { SIDE = 256 }; /* known words of a sentence that are looked at before the gap, and behind */

/* The known words of one side of the gap, in reading order, without other sentences; at most SIDE of them,
 * the last ones before the gap, the first ones behind. */
static size_t read_side(const lk_words *w, const char *bytes, size_t size, bool before, uint32_t out[SIDE]) {
    lk__text *t = NULL;
    lk__text_kind kind = LK__TEXT_BREAK;
    char word[LK__WORD_BYTES];
    size_t length = 0, n = 0;
    bool ended = false; /* a sentence, or the text: the next word tells */
    if (lk__text_of(bytes, size, &t, NULL) != LK_OK) return 0;
    while (lk__text_next(t, &kind, word, &length, NULL) == LK_OK && kind != LK__TEXT_END) {
        if (kind == LK__TEXT_BREAK) {
            ended = true;
            continue;
        }
        if (ended && !before) break;
        if (ended) n = 0;
        ended = false;
        uint32_t id = lk__vocabulary_find(&w->file.vocabulary, word, length);
        if (id == LK__NO_WORD || (n == SIDE && !before)) continue;
        if (n == SIDE) memmove(out, out + 1, --n * sizeof *out);
        out[n++] = id;
    }
    lk__text_close(t);
    return n;
}

typedef struct sentence {
    uint32_t before[SIDE], behind[SIDE]; /* in reading order */
    size_t before_count, behind_count;
} sentence;

/* The gap's vector (dim) from the words that training keeps with at least this chance is added to *gap; how
 * many they are. scratch (2 window + 2, dim) */
static size_t add_view(const lk_words *w, const sentence *s, double least, float *scratch, float *gap) {
    const lk__words_net *net = &w->file.net;
    size_t window = (size_t)net->window, left = 0, right = 0;
    uint32_t around[2 * LK__WINDOW_MAX + 1];
    for (size_t i = s->before_count; i-- > 0 && left < window;)
        if (keep_share(w, s->before[i]) >= least) around[window - ++left] = s->before[i];
    for (size_t i = 0; i < s->behind_count && right < window; i++)
        if (keep_share(w, s->behind[i]) >= least) around[window + ++right] = s->behind[i];
    if (left + right == 0) return 0;
    around[window] = 0; /* the gap's own place, which is not looked at */
    lk__span span = {0, (uint32_t)left, (uint32_t)(left + 1 + right)};
    float *view = scratch + (left + 1 + right) * net->dim;
    lk__rows_gather(net->input, around + window - left, left + 1 + right, net->dim, scratch);
    lk__context_forward(scratch, net->position, &span, 1, net->window, net->dim, view);
    for (size_t d = 0; d < net->dim; d++) gap[d] += view[d];
    return left + right;
}

/* probability (words) from the sum of `views` gaps' vectors; scratch (dim) */
static void score_words(const lk_words *w, const float *gap, int views, float *scratch, double *probability) {
    const lk__words_net *net = &w->file.net;
    double most = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < net->words; i++) {
        float product;
        lk__rows_gather(net->output, &i, 1, net->dim, scratch);
        lk__dot_rows(gap, scratch, 1, net->dim, &product);
        probability[i] =
            (double)product + (views * 0.75 - (views - 1)) * log(fmax((double)w->file.vocabulary.met[i], 1));
        most = fmax(most, probability[i]);
    }
    for (size_t i = 0; i < net->words; i++) sum += probability[i] = exp(probability[i] - most);
    for (size_t i = 0; i < net->words; i++) probability[i] /= sum;
}

static lk_status rank(const lk_words *w, const sentence *s, size_t k, lk_words_match *matches, size_t *count,
                      lk_error *err) {
    const lk__words_net *net = &w->file.net;
    size_t skip[2 * SIDE], skip_count = 0;
    float *gap = calloc(net->dim, sizeof *gap);
    float *scratch = malloc((2 * (size_t)net->window + 2) * net->dim * sizeof *scratch);
    double *probability = malloc(net->words * sizeof *probability);
    lk_status status = gap && scratch && probability
                           ? LK_OK
                           : lk__fail_memory(err, net->words * sizeof *probability, "a gap");
    int views = 0;
    if (status == LK_OK)
        views = (add_view(w, s, 0, scratch, gap) > 0) + (add_view(w, s, RARE_ENOUGH, scratch, gap) > 0);
    if (status == LK_OK && !views)
        status = lk__fail(err, LK_EMPTY, "none of the words around the gap is known");
    if (status == LK_OK) {
        for (size_t i = 0; i < s->before_count; i++) skip[skip_count++] = s->before[i];
        for (size_t i = 0; i < s->behind_count; i++) skip[skip_count++] = s->behind[i];
        score_words(w, gap, views, scratch, probability);
        lk__best best = {matches, k, 0, skip, skip_count};
        for (size_t i = 0; i < net->words; i++) lk__best_add(&best, i, probability[i]);
        *count = lk__best_sort(&best);
    }
    free(gap);
    free(scratch);
    free(probability);
    return status;
}

lk_status lk_words_fill(const lk_words *w, const char *text, size_t k, lk_words_match *matches, size_t *count,
                        lk_error *err) {
    size_t begin = 0, end = 0, more;
    if (!w->file.net.output)
        return lk__fail(
            err, LK_INVALID,
            "word2vec's format has words only, and nothing of the gaps they fill; a model of likeness "
            "words train is needed");
    if (!find_gap(text, &begin, &end))
        return lk__fail(err, LK_INVALID, "there is no gap in the sentence; write it as ___");
    if (find_gap(text + end, &more, &more))
        return lk__fail(err, LK_INVALID, "there are two gaps in the sentence; one at a time can be filled");
    sentence s;
    s.before_count = read_side(w, text, begin, true, s.before);
    s.behind_count = read_side(w, text + end, strlen(text + end), false, s.behind);
    return rank(w, &s, k, matches, count, err);
}
