/* batch.c: one batch of gaps, forward and backward.
 *
 *   block of the corpus  ->  some of its frequent words left out  ->  batches of gaps next to each other
 *   words (b + 2 window, dim)                     their input vectors, gathered once for all gaps near them
 *   gap   (b, dim)      = mean over the context of position * word, lane by lane
 *   score (b, V)        = gap . wrong^T           V wrong words shared by the batch
 *   by_gap (b, dim)     = slope . wrong + right   and by_wrong (V, dim) = slope^T . gap
 *
 * The three products are matrix products, which is where the speed comes from (Ji et al., "Parallelizing
 * Word2Vec in Shared and Distributed Memory", 2016): word2vec goes through memory for each pair of words.
 * What differs from the paper: a gap is one row (Mnih & Kavukcuoglu 2013: vLBL; Mikolov et al., "Advances in
 * Pre-Training Distributed Word Representations", 2018, equation 2), not one row for each word around it; and
 * the words around gaps are gathered and scattered once a batch. */
#include "words/words.h"

#include <dnnl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GAPS = 64 }; /* a batch at most: enough for matrix products */

/* Positions learn from every gap and words from few: at the same rate positions diverge (0.1 does at
 * times). */
static const float POSITION_RATE = 0.05f;

struct lk__worker {
    const lk_words_options *o;
    lk__words_net *net;
    const lk__noise *noise;
    const float *keep;  /* (words): the chance that a word stays in */
    size_t batch;       /* gaps at once, GAPS at most */
    uint32_t *kept;     /* (LK__BLOCK) */
    uint32_t *sentence; /* (LK__BLOCK): where the sentence of each begins */
    lk__gaps g;
    lk__span spans[GAPS];
    uint32_t *wrong_word;
    float *memory;                 /* all that follows */
    float *word, *by_word;         /* (GAPS + 2 window, dim) */
    float *position, *by_position; /* (2 window, dim) */
    float *gap, *by_gap;           /* (GAPS, dim) */
    float *right, *by_right;       /* (GAPS, dim) */
    float *wrong, *by_wrong;       /* (negatives, dim) */
};

lk_status lk__worker_new(const lk_words_options *o, lk__words_net *net, const lk__noise *noise,
                         const float *keep, size_t batch, lk__worker **out, lk_error *err) {
    lk__worker *w = calloc(1, sizeof *w);
    if (!w) return lk__fail_memory(err, sizeof *w, "a thread");
    *w = (lk__worker){.o = o, .net = net, .noise = noise, .keep = keep, .batch = batch < GAPS ? batch : GAPS};
    size_t dim = net->dim, around = 2 * (size_t)net->window, n = (size_t)o->negatives, total = 0;
    struct {
        float **to;
        size_t size;
    } parts[] = {{&w->word, (GAPS + around) * dim},
                 {&w->by_word, (GAPS + around) * dim},
                 {&w->position, around * dim},
                 {&w->by_position, around * dim},
                 {&w->gap, GAPS * dim},
                 {&w->by_gap, GAPS * dim},
                 {&w->right, GAPS * dim},
                 {&w->by_right, GAPS * dim},
                 {&w->wrong, n * dim},
                 {&w->by_wrong, n * dim},
                 {&w->g.score, GAPS * n},
                 {&w->g.right_score, GAPS},
                 {&w->g.gap_self, GAPS},
                 {&w->g.right_self, GAPS},
                 {&w->g.wrong_self, n},
                 {&w->g.wrong_sq, n}};
    enum { PARTS = sizeof parts / sizeof *parts };
    for (size_t i = 0; i < PARTS; i++) total += (parts[i].size + 15) / 16 * 16; /* lines of the cache */
    w->memory = aligned_alloc(64, total * sizeof *w->memory);
    w->wrong_word = malloc(n * sizeof *w->wrong_word);
    w->kept = malloc(LK__BLOCK * sizeof *w->kept);
    w->sentence = malloc(LK__BLOCK * sizeof *w->sentence);
    if (!w->memory || !w->wrong_word || !w->kept || !w->sentence) {
        lk__worker_free(w);
        return lk__fail_memory(err, total * sizeof(float), "a thread");
    }
    float *at = w->memory;
    for (size_t i = 0; i < PARTS; i++) {
        *parts[i].to = at;
        at += (parts[i].size + 15) / 16 * 16;
    }
    w->g.dim = dim;
    w->g.negatives = n;
    w->g.margin = o->margin;
    w->g.gap = w->gap;
    w->g.right = w->right;
    w->g.wrong = w->wrong;
    w->g.wrong_word = w->wrong_word;
    *out = w;
    return LK_OK;
}

void lk__worker_free(lk__worker *w) {
    if (!w) return;
    free(w->kept);
    free(w->sentence);
    free(w->wrong_word);
    free(w->memory);
    free(w);
}

/* Frequent words are left out now and then (Mikolov et al. 2013), and what is around them moves closer. */
static size_t keep_some(lk__worker *w, const uint32_t *ids, size_t count, lk__random *random,
                        uint64_t *words) {
    size_t n = 0, start = 0;
    for (size_t i = 0; i < count; i++) {
        if (ids[i] == LK__NO_WORD) {
            start = n;
            continue;
        }
        ++*words;
        float keep = w->keep[ids[i]];
        if (keep < 1 && lk__random_unit(random) > (double)keep) continue;
        w->kept[n] = ids[i];
        w->sentence[n++] = (uint32_t)start;
    }
    return n;
}

/* Gaps first .. last - 1 of the kept words; those alone in their sentence have no context and no gap. The
 * words they need are first_word .. last_word - 1. */
static size_t find_gaps(lk__worker *w, size_t kept, size_t first, size_t last, size_t *first_word,
                        size_t *last_word, uint32_t *right_word) {
    size_t window = (size_t)w->net->window, gaps = 0;
    *first_word = first > window ? first - window : 0;
    *last_word = last + window < kept ? last + window : kept;
    for (size_t i = first; i < last; i++) {
        size_t from =
            w->sentence[i] > i - (i < window ? i : window) ? w->sentence[i] : i - (i < window ? i : window);
        size_t to = i + 1;
        while (to < kept && to <= i + window && w->sentence[to] == w->sentence[i]) to++;
        if (to - from < 2) continue;
        w->spans[gaps] = (lk__span){(uint32_t)(from - *first_word), (uint32_t)(i - *first_word),
                                    (uint32_t)(to - *first_word)};
        right_word[gaps++] = w->kept[i];
    }
    return gaps;
}

static void product(char a_by, char b_by, size_t m, size_t n, size_t k, const float *a, size_t lda,
                    const float *b, size_t ldb, float *c) {
    /* Fails on bad arguments only, and these are ours. */
    dnnl_status_t status = dnnl_sgemm(a_by, b_by, (dnnl_dim_t)m, (dnnl_dim_t)n, (dnnl_dim_t)k, 1, a,
                                      (dnnl_dim_t)lda, b, (dnnl_dim_t)ldb, 0, c, (dnnl_dim_t)n);
    LK__CHECK(status, ==, dnnl_success);
}

static void scale(float *x, size_t n, float by) {
    for (size_t i = 0; i < n; i++) x[i] *= by;
}

static void backward(lk__worker *w, const uint32_t *around, size_t around_count, float rate) {
    lk__gaps *g = &w->g;
    size_t dim = g->dim, n = g->negatives, positions = 2 * (size_t)w->net->window * dim;
    scale(g->score, g->gaps * n, rate);
    scale(g->right_score, g->gaps, rate);
    product('N', 'N', g->gaps, dim, n, g->score, n, w->wrong, dim, w->by_gap);
    product('T', 'N', n, dim, g->gaps, g->score, n, w->gap, dim, w->by_wrong);
    lk__add_scaled(g->right_score, w->right, g->gaps, dim, w->by_gap);
    memset(w->by_right, 0, g->gaps * dim * sizeof(float));
    lk__add_scaled(g->right_score, w->gap, g->gaps, dim, w->by_right);
    if (w->o->loss == LK_WORDS_TRIPLET) {
        scale(g->gap_self, g->gaps, rate);
        scale(g->right_self, g->gaps, rate);
        scale(g->wrong_self, n, rate);
        lk__add_scaled(g->gap_self, w->gap, g->gaps, dim, w->by_gap);
        lk__add_scaled(g->right_self, w->right, g->gaps, dim, w->by_right);
        lk__add_scaled(g->wrong_self, w->wrong, n, dim, w->by_wrong);
    }
    memset(w->by_word, 0, around_count * dim * sizeof(float));
    memset(w->by_position, 0, positions * sizeof(float));
    lk__context_backward(w->word, w->position, w->by_gap, w->spans, g->gaps, w->net->window, dim, w->by_word,
                         w->by_position);
    scale(w->by_position, positions, POSITION_RATE);
    lk__rows_scatter(w->net->input, around, around_count, dim, w->by_word);
    lk__rows_scatter(w->net->output, g->right_word, g->gaps, dim, w->by_right);
    lk__rows_scatter(w->net->output, w->wrong_word, n, dim, w->by_wrong);
    lk__shared_add(w->net->position, w->by_position, positions);
}

static void learn(lk__worker *w, const uint32_t *around, size_t around_count, const uint32_t *right_word,
                  size_t gaps, float rate, lk__random *random, lk__worker_sum *sum) {
    lk__gaps *g = &w->g;
    size_t dim = g->dim, n = g->negatives;
    g->gaps = gaps;
    g->right_word = right_word;
    for (size_t v = 0; v < n; v++) w->wrong_word[v] = lk__noise_draw(w->noise, random);
    lk__rows_gather(w->net->input, around, around_count, dim, w->word);
    lk__rows_gather(w->net->output, right_word, gaps, dim, w->right);
    lk__rows_gather(w->net->output, w->wrong_word, n, dim, w->wrong);
    lk__shared_copy(w->position, w->net->position, 2 * (size_t)w->net->window * dim);
    lk__context_forward(w->word, w->position, w->spans, gaps, w->net->window, dim, w->gap);
    product('N', 'T', gaps, n, dim, w->gap, dim, w->wrong, dim, g->score);
    lk__dot_rows(w->gap, w->right, gaps, dim, g->right_score);
    sum->loss += lk__words_objective(w->o->loss, g);
    sum->gaps += gaps;
    backward(w, around, around_count, rate);
}

void lk__worker_block(lk__worker *w, const uint32_t *ids, size_t count, double learning_rate,
                      lk__random *random, lk__worker_sum *sum) {
    uint32_t right_word[GAPS];
    size_t kept = keep_some(w, ids, count, random, &sum->words);
    for (size_t first = 0; first < kept; first += w->batch) {
        size_t last = first + w->batch < kept ? first + w->batch : kept, first_word, last_word;
        size_t gaps = find_gaps(w, kept, first, last, &first_word, &last_word, right_word);
        if (gaps)
            learn(w, w->kept + first_word, last_word - first_word, right_word, gaps, (float)learning_rate,
                  random, sum);
    }
}
