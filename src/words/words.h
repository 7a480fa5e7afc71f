/* words.h: what the files of this room share. In the order in which text becomes a model:
 *
 *   text.c       files as a stream of words and ends of sentences
 *   vocabulary.c different words, and how often each was met
 *   corpus.c     the text as a file of word numbers, read again and again
 *   kernels.c    the loops over rows
 *   objective.c  what pulls and pushes, and how hard
 *   noise.c      which wrong words
 *   batch.c      a batch of gaps: forward, backward
 *   train.c      blocks of the text on threads, progress, checkpoints
 *   ngrams.c     words told by their letters
 *   file.c       the model file
 *   model.c      a model in use: look up, closest words, analogies; fill.c, word2vec.c, measure.c: more of it
 */
#ifndef LK_WORDS_ROOM_H
#define LK_WORDS_ROOM_H

#include "base/base.h"
#include "likeness/words.h"

/* ---- text (text.c) -------------------------------------------------------------------------------- */

enum { LK__WORD_BYTES = 96 }; /* longer ones are no words, with the zero byte (word2vec: 100) */

typedef enum lk__text_kind { LK__TEXT_END, LK__TEXT_WORD, LK__TEXT_BREAK } lk__text_kind;
typedef struct lk__text lk__text;
/* "-": standard input. NOT_FOUND, IO. */
lk_status lk__text_open(const char *path, lk__text **out, lk_error *err);
/* From memory that outlives it. */
lk_status lk__text_of(const char *bytes, size_t size, lk__text **out, lk_error *err);
/* The next word, lower case, with a zero byte; or the end of a sentence, never two in a row. FORMAT: binary,
 * or a damaged .gz. */
lk_status lk__text_next(lk__text *text, lk__text_kind *kind, char word[LK__WORD_BYTES], size_t *length,
                        lk_error *err);
/* Bytes that were no UTF-8; share of the file that was read, NaN where it is not known. */
uint64_t lk__text_bad(const lk__text *text);
double lk__text_share(const lk__text *text);
void lk__text_close(lk__text *text); /* NULL is fine */

/* ---- vocabulary (vocabulary.c) -------------------------------------------------------------------- */

#define LK__NO_WORD UINT32_MAX

typedef struct lk__vocabulary {
    char *bytes; /* the words, each with a zero byte */
    size_t bytes_used, bytes_room;
    size_t *at;      /* (count) in bytes */
    uint64_t *met;   /* (count) */
    uint32_t *table; /* (table_room), a power of two: open addressing, LK__NO_WORD where free */
    size_t count, room, table_room;
} lk__vocabulary;
uint32_t lk__vocabulary_find(const lk__vocabulary *v, const char *word, size_t length);
/* Found or added, with nothing met; *number is valid until the next keep. NO_MEMORY. */
lk_status lk__vocabulary_add(lk__vocabulary *v, const char *word, size_t length, uint32_t *number,
                             lk_error *err);
/* Keep words met at least `least` times, most often met first (ties: in byte order) if `sort`, else in their
 * order. new_number (old count): LK__NO_WORD for those that went. */
lk_status lk__vocabulary_keep(lk__vocabulary *v, uint64_t least, bool sort, uint32_t *new_number,
                              lk_error *err);
static inline const char *lk__vocabulary_text(const lk__vocabulary *v, size_t i) {
    return v->bytes + v->at[i];
}
void lk__vocabulary_free(lk__vocabulary *v);

/* ---- corpus (corpus.c) ---------------------------------------------------------------------------- */

/* Word numbers in order; LK__NO_WORD ends a sentence. */
typedef struct lk__corpus {
    const uint32_t *ids; /* (count), mapped from a file */
    size_t count;
    uint64_t words; /* without the ends of sentences */
} lk__corpus;
/* Read the texts into a new file at `path`, and the vocabulary. */
lk_status lk__corpus_make(const lk_words_options *o, const char *path, lk__vocabulary *vocabulary,
                          lk_error *err);
lk_status lk__corpus_open(const char *path, size_t vocabulary, lk__corpus *out, lk_error *err);
void lk__corpus_close(lk__corpus *corpus);

/* ---- kernels (kernels.c) -------------------------------------------------------------------------- */

/* out (count, dim): the words' rows. */
void lk__rows_gather(const float *table, const uint32_t *words, size_t count, size_t dim, float *out);
/* To each word's row its gradient (count, dim) is added. */
void lk__rows_scatter(float *table, const uint32_t *words, size_t count, size_t dim, const float *gradient);
/* to (n) += from (n), of memory that other threads write too. */
void lk__shared_add(float *to, const float *from, size_t n);
void lk__shared_copy(float *to, const float *from, size_t n);

/* The words around gap g of a batch: rows from .. to - 1 of the batch's words but for `at`, the gap itself.
 */
typedef struct lk__span {
    uint32_t from, at, to;
} lk__span;
/* gap (gaps, dim) = mean over its context of position (2 window, dim) by word (_, dim), lane by lane. */
void lk__context_forward(const float *word, const float *position, const lk__span *spans, size_t gaps,
                         int window, size_t dim, float *gap);
/* By the gradients of gaps, those of words and positions, which are added to. */
void lk__context_backward(const float *word, const float *position, const float *by_gap,
                          const lk__span *spans, size_t gaps, int window, size_t dim, float *by_word,
                          float *by_position);
/* out (n) = a (n, dim) . b (n, dim), row by row */
void lk__dot_rows(const float *a, const float *b, size_t n, size_t dim, float *out);
/* a (n, dim) += scale (n) by b (n, dim) */
void lk__add_scaled(const float *scale, const float *b, size_t n, size_t dim, float *a);
/* x becomes 1 / (1 + e^-x); e^x. Errors under 2e-7 of it; |x| is cut at 80. */
void lk__sigmoids(float *x, size_t n);
void lk__exponentials(float *x, size_t n);

/* ---- objective (objective.c) ---------------------------------------------------------------------- */

/* A batch as the objective sees it: gaps and words, right and wrong, as vectors. */
typedef struct lk__gaps {
    size_t gaps, negatives, dim;
    const float *gap, *right, *wrong; /* (gaps, dim), (gaps, dim), (negatives, dim) */
    const uint32_t *right_word, *wrong_word;
    float *score;       /* (gaps, negatives): gap . wrong; becomes its slope */
    float *right_score; /* (gaps): gap . right; becomes its slope */
    /* Of triplets, whose distances have norms in them: how much of itself each vector gains. */
    float *gap_self, *right_self, *wrong_self; /* (gaps), (gaps), (negatives) */
    float *wrong_sq;                           /* (negatives), scratch */
    double margin;
} lk__gaps;
/* Turn scores into slopes: how fast the loss falls as each product rises. The loss, summed over gaps. */
double lk__words_objective(lk_words_loss loss, lk__gaps *g);

/* ---- batches (batch.c) ---------------------------------------------------------------------------- */

enum { LK__WINDOW_MAX = 100 };

/* What is learned. A word has two vectors: what it says of gaps near it (input), and which gaps it fills
 * (output). */
typedef struct lk__words_net {
    size_t words, dim;
    int window;
    float *input, *output; /* (words, dim) */
    float *position;       /* (2 window, dim): left of the gap, nearest first; then right of it */
} lk__words_net;

/* Draws a word with weight met^0.75 (Mikolov et al. 2013), by Walker's aliases: one look each. */
typedef struct lk__noise {
    float *share;    /* (count) */
    uint32_t *alias; /* (count) */
    size_t count;
} lk__noise;
lk_status lk__noise_make(const uint64_t *met, size_t count, lk__noise *out, lk_error *err);
uint32_t lk__noise_draw(const lk__noise *noise, lk__random *random);
void lk__noise_free(lk__noise *noise);

enum { LK__BLOCK = 1 << 14 }; /* word numbers learned from in one go: what threads take, and what resumes */
typedef struct lk__worker lk__worker;
/* keep (words): the chance that a word stays in; batch: gaps at once, where there is room for them. */
lk_status lk__worker_new(const lk_words_options *o, lk__words_net *net, const lk__noise *noise,
                         const float *keep, size_t batch, lk__worker **out, lk_error *err);
void lk__worker_free(lk__worker *worker);
typedef struct lk__worker_sum {
    double loss;
    uint64_t gaps, words;
} lk__worker_sum;
/* Learn from ids (count, LK__BLOCK at most), a block of the corpus; what is random in it comes from `random`.
 * Adds to *sum. */
void lk__worker_block(lk__worker *worker, const uint32_t *ids, size_t count, double learning_rate,
                      lk__random *random, lk__worker_sum *sum);

/* ---- n-grams (ngrams.c) --------------------------------------------------------------------------- */

typedef struct lk__ngrams {
    size_t buckets; /* 0: none */
    int least, most;
} lk__ngrams;
enum {
    LK__NGRAM_MAX = 12,
    LK__PIECES_MAX = LK__NGRAM_MAX * (LK__WORD_BYTES + 3)
}; /* letters; n-grams of a word */
/* Rows of the n-grams of <word>, hashed: 0 .. buckets - 1. rows (LK__PIECES_MAX); their number. */
size_t lk__ngrams_of(const lk__ngrams *ngrams, const char *word, uint32_t *rows);
/* table (buckets, dim) from the words' vectors (words, dim). */
lk_status lk__ngrams_fit(const lk__ngrams *ngrams, const lk__vocabulary *v, const float *vectors, size_t dim,
                         float *table, lk_error *err);
/* The unit vector of a word by its letters; false, and zeros: there are none (no table too). */
bool lk__ngrams_vector(const lk__ngrams *ngrams, const float *table, size_t dim, const char *word,
                       float *out);

/* ---- the model file (file.c) ---------------------------------------------------------------------- */

/* A model, and a checkpoint, which is one with `done` blocks. */
typedef struct lk__words_file {
    lk__vocabulary vocabulary;
    lk__words_net net;
    lk__ngrams ngrams;
    float *subwords; /* (buckets, dim) of n-grams; NULL: none */
    double subsample;
    uint64_t total; /* words of the text that are in the vocabulary */
    uint64_t done;  /* blocks */
    char *options;  /* those that decide the result, as text */
    char *recipe;   /* NULL: none */
} lk__words_file;
lk_status lk__words_file_write(const char *path, const lk__words_file *file, lk_error *err);
lk_status lk__words_file_read(const char *path, lk__words_file *out, lk_error *err);
void lk__words_file_free(lk__words_file *file);

/* ---- a model in use (model.c) --------------------------------------------------------------------- */

struct lk_words {
    lk__words_file file; /* net.output NULL: word2vec's format, vectors only */
    float *vectors;      /* (words, dim), norm 1 */
};
/* vectors (words, dim) of a trained net, norm 1: unit(input) + unit(output), scaled. NO_MEMORY. */
lk_status lk__words_vectors(const lk__words_net *net, float *vectors, lk_error *err);
lk_status lk__word2vec_read(const char *path, lk__words_file *file, float **vectors, lk_error *err);
/* The k best words, as they are offered one by one; `skip` is left out. */
typedef struct lk__best {
    lk_words_match *items; /* (k) */
    size_t k, count;
    const size_t *skip; /* (skip_count) */
    size_t skip_count;
} lk__best;
void lk__best_add(lk__best *best, size_t word, double score);
size_t lk__best_sort(lk__best *best); /* best first, ties by number; how many */

#endif
