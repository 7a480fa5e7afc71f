/* words.h: words that fill the same gap. From plain text, without labels, a vector for each word, so that
 * words which may stand in each other's place lie close: dog and cat before dog and rug. docs/words.md has
 * the objective and its formulas. This header may change between minor versions.
 *
 *   text -> words and sentences -> gaps (a word taken out, what is around it) -> vectors (words, dim) */
#ifndef LIKENESS_WORDS_H
#define LIKENESS_WORDS_H

#include "likeness/likeness.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- training ----------------------------------------------------------------------------------- */

/* What pulls the word that was there to its gap, and pushes others away. */
typedef enum lk_words_loss {
    LK_WORDS_NEGATIVE_SAMPLING, /* Mikolov et al. 2013: each word for itself, right or wrong */
    LK_WORDS_INFONCE,           /* van den Oord et al. 2018: the right one among all of them */
    LK_WORDS_TRIPLET            /* max(|gap - right| - |gap - wrong| + margin, 0), not squared */
} lk_words_loss;
/* "negative-sampling", "infonce", "triplet"; NULL past the last. */
LK_API const char *lk_words_loss_name(lk_words_loss loss);

typedef struct lk_words_progress {
    bool training;                /* false: the text is being read */
    uint64_t words, total;        /* words done; in all epochs (0: not known while the text is read) */
    double seconds, seconds_left; /* of this phase; left: NaN when not known */
    double words_per_second;      /* lately */
    double loss;                  /* mean over the gaps of late; NaN: none yet */
    double learning_rate;
    size_t vocabulary;
    const char *note; /* an event, NULL when there is none */
} lk_words_progress;

typedef struct lk_words_options {
    const char *const *texts; /* files of text, plain or .gz; "-": standard input */
    size_t text_count;
    const char *output; /* model path; OUTPUT.corpus and OUTPUT.checkpoint lie beside it until the end */
    const char *recipe; /* free text kept in the model's metadata (the command line), or NULL */
    int dim;
    int window;        /* words of a gap's context on either side */
    int negatives;     /* wrong words drawn for every batch of gaps, which share them */
    double margin;     /* triplet */
    size_t min_count;  /* rarer words get no vector of their own */
    size_t vocabulary; /* different words held while the text is read: past it the rarest are forgotten */
    double subsample;  /* words above this share of the text are left out now and then; 0: never */
    size_t buckets;    /* rows for n-grams, hashed; 0: words are whole */
    int ngram_least, ngram_most; /* letters, with the word's borders */
    int epochs;
    double learning_rate; /* falls to 0 along a line */
    lk_words_loss loss;
    uint64_t seed;
    int threads;               /* 0: all cores. The same seed gives the same bits with 1 thread only */
    double checkpoint_minutes; /* how often a checkpoint is written */
    int resume;                /* go on from OUTPUT.checkpoint; INVALID if the options differ */
    /* Called about once a second and at the end; non-zero asks for a stop: a checkpoint is written, STOPPED
     * returned. May be NULL. */
    int (*progress)(void *context, const lk_words_progress *progress);
    void *context;
} lk_words_options;

/* Defaults for everything but texts and output. */
LK_API void lk_words_options_init(lk_words_options *options);
/* INVALID (options, with the name), NOT_FOUND, IO, FORMAT (binary, a damaged .gz), EMPTY (too little text),
 * NO_MEMORY, STOPPED, DIVERGED. */
LK_API lk_status lk_words_train(const lk_words_options *options, lk_error *err);

/* ---- a model ------------------------------------------------------------------------------------- */

typedef struct lk_words lk_words;

/* A model of lk_words_train, or word2vec's text format (".gz" too), told by its bytes. May be used by many
 * threads at once. */
LK_API lk_status lk_words_open(const char *path, lk_words **out, lk_error *err);
LK_API void lk_words_free(lk_words *words);
LK_API size_t lk_words_count(const lk_words *words);
LK_API int lk_words_dim(const lk_words *words);
/* Words are in order of how often they were met, most often first. NULL past the end. */
LK_API const char *lk_words_text(const lk_words *words, size_t i);
/* How often; 0: not known. */
LK_API uint64_t lk_words_met(const lk_words *words, size_t i);
/* Metadata string by key, NULL when absent. */
LK_API const char *lk_words_metadata(const lk_words *words, const char *key);
/* Number of a word, upper or lower case; SIZE_MAX: not in the vocabulary. */
LK_API size_t lk_words_find(const lk_words *words, const char *text);
/* Unit vector (dim) of word number i, valid as long as the model. */
LK_API const float *lk_words_vector(const lk_words *words, size_t i);
/* Of any word: one that was never met is put together from its n-grams. NOT_FOUND: the model has none of
 * them, or the text is no word. */
LK_API lk_status lk_words_embed(const lk_words *words, const char *text, float *vector, lk_error *err);

typedef struct lk_words_match {
    size_t word;
    double score; /* near: cosine. fill: probability among all words of the model */
} lk_words_match;
/* The words closest to a unit vector, closest first; `skip` (skip_count) are left out. Room for k in matches,
 * *count are given. */
LK_API void lk_words_near(const lk_words *words, const float *vector, const size_t *skip, size_t skip_count,
                          size_t k, lk_words_match *matches, size_t *count);
/* a is to b as c is to what? The closest to b - a + c (Mikolov et al. 2013: 3CosAdd). NOT_FOUND names the
 * word. */
LK_API lk_status lk_words_analogy(const lk_words *words, const char *a, const char *b, const char *c,
                                  size_t k, lk_words_match *matches, size_t *count, lk_error *err);
/* The words for the gap in a sentence, written as two or more underscores: "The ___ slept". INVALID: no gap,
 * or two; a model without contexts (word2vec's). EMPTY: no word around it is known. */
LK_API lk_status lk_words_fill(const lk_words *words, const char *sentence, size_t k, lk_words_match *matches,
                               size_t *count, lk_error *err);

/* Judged by people: pairs of words, and how alike people said they are. */
typedef struct lk_words_figures {
    size_t pairs, covered; /* covered: both words are in the vocabulary */
    size_t built;          /* further pairs, with a word that is put together from its n-grams */
    double rho;            /* Spearman's, over the covered pairs; NaN: fewer than 3 */
    double rho_all;        /* over those and the built ones */
} lk_words_figures;
/* Lines of `word word value`, separated by tabs, commas or blanks; further columns are not looked at, but a
 * header line may say which column is the value: the first that is a number in all lines is taken. */
LK_API lk_status lk_words_measure(const lk_words *words, const char *pairs, lk_words_figures *out,
                                  lk_error *err);

/* word2vec's text format: a line `count dim`, then `word value ...`, values those of lk_words_vector. */
LK_API lk_status lk_words_export(const lk_words *words, const char *path, lk_error *err);

#ifdef __cplusplus
}
#endif
#endif
