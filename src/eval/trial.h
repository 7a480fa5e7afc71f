/* trial.h: what the files of this room share that measure pairs.
 *
 *   trial.c         an lk_trial checked and made ready; all its pairs, block by block, on all threads
 *   cosine.c        the arithmetic of that
 *   scores.c        the cosines of the same and of the different pairs, each sorted; thresholds
 *   radix.c         the sorting
 *   bootstrap.c     people drawn anew, and how much every pair then counts; intervals
 *   roc.c           the ROC
 *   verification.c  figures of a set of pairs
 *   replicates.c    the same figures of each drawn set
 *   calibration.c   what a model is given to say with a cosine: likelihood ratios, thresholds, the tail
 *   logistic.c      the sigmoid that turns cosines into probabilities
 *   doubt.c         likelihood ratios where some labels are wrong
 *   trust.c         quality of vectors by their length
 *   compare.c reliability.c groups.c reject.c mistakes.c    one question each
 *
 *   lk_trial -> lk__trial -> lk__sorted -> figures
 *                         -> lk__draws_count -> intervals
 *
 * Exact figures are read off sorted scores. Intervals need the pairs again, a few hundred times weighted, so
 * these are counted into cells instead: one pass for all replicates. */
#ifndef LK_EVAL_TRIAL_H
#define LK_EVAL_TRIAL_H

#include "base/base.h"
#include "likeness/eval.h"

/* lk__parallel, where there are enough pairs (or scores) that waking threads pays. */
enum { LK__FEW = 4096 };
static inline void lk__parallel_over(size_t pairs, void (*fn)(void *context, int i, int n), void *context) {
    if (pairs > LK__FEW)
        lk__parallel(fn, context);
    else
        fn(context, 0, 1);
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(LK_NO_CLONES)
#define LK__CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LK__CLONES /* compiled for each width of vectors; which to use is chosen when the program starts */
#endif

/* ---- cosines (cosine.c) -------------------------------------------------------------------------- */

enum { LK__COSINE_LANES = 8, LK__TILE_ROWS = 16, LK__TILE_COLS = 128 };
/* Of rows (LK__TILE_ROWS, stride) with cols (LK__TILE_COLS, stride) into out (LK__TILE_ROWS, LK__TILE_COLS).
 * Vectors are 32-byte aligned, stride a multiple of LK__COSINE_LANES, and zero beyond their dim. */
void lk__cosine_tile(const float *rows, const float *cols, size_t stride, float *out);
float lk__cosine_pair(const float *a, const float *b, size_t stride);

/* ---- a trial made ready (trial.c) ---------------------------------------------------------------- */

/* Accuracy walks all pairs once a fold, so their number must stay small beside the pairs'; ten is usual. */
enum { LK__FOLDS_MOST = 1000 };

typedef struct lk__trial {
    size_t photos, pairs;
    const lk_pair *listed; /* (pairs); NULL: every pair of photos */
    const float *cosine;   /* (pairs); NULL where not listed: made anew at each pass, for there are many */
    uint16_t *fold;        /* (pairs): 0 .. fold_count - 1; NULL: one fold */
    int fold_count;
    uint32_t *person; /* (photos): 0 .. people - 1, numbers of people in some pair only; NULL: not known */
    uint32_t people;
    float *rows; /* (photos, up to whole tiles; stride): vectors as cosine.c wants them; NULL: not needed */
    size_t stride;
    float *own_cosine; /* what `cosine` points to where it was made here */
} lk__trial;

/* INVALID, EMPTY (nothing to pair) and the like, told in words. */
lk_status lk__trial_open(const lk_trial *given, lk__trial *out, lk_error *err);
void lk__trial_close(lk__trial *trial);

enum { LK__BLOCK = LK__TILE_ROWS * LK__TILE_COLS };
typedef struct lk__block {
    size_t count; /* at most LK__BLOCK */
    const float *cosine;
    const uint32_t *a, *b; /* photos */
    const uint8_t *same;
    const uint16_t *fold; /* NULL: one fold */
} lk__block;
/* fn(context, thread, block) for every pair once; thread below lk__threads(). Which thread gets which block,
 * and in what order, depends on their number: add up whole numbers only. */
typedef void lk__block_fn(void *context, int thread, const lk__block *block);
void lk__trial_each(const lk__trial *trial, lk__block_fn *fn, void *context);

/* ---- sorted scores (radix.c, scores.c) ----------------------------------------------------------- */

/* Sort falling, on all threads; scores and scratch (n) from malloc, for they hold other types on the way.
 */
lk_status lk__sort_falling(float *scores, float *scratch, size_t n, lk_error *err);

typedef struct lk__scores {
    float *same, *different; /* falling */
    size_t same_count, different_count;
} lk__scores;
typedef struct lk__sorted {
    lk__scores all;
    int fold_count;
    lk__scores *fold; /* (fold_count); one fold: the same as `all` */
    float *memory[2]; /* all pairs; and, with several folds, fold by fold */
} lk__sorted;
/* EMPTY if there is no same or no different pair; INVALID: a score that is not finite. */
lk_status lk__scores_sort(const lk__trial *trial, lk__sorted *out, lk_error *err);
void lk__scores_free(lk__sorted *sorted);

/* How many of falling scores are above t, or at it and above. */
size_t lk__count_above(const float *falling, size_t n, double t);
size_t lk__count_from(const float *falling, size_t n, double t);
/* A threshold above every pair, still finite so that it can be written down. */
double lk__above(const lk__scores *s);
/* The lowest score above t; infinite where there is none. */
double lk__lowest_above(const lk__scores *s, double t);
/* The lowest score that calls at most `allowed` different pairs the same; lk__above where there is none. */
double lk__threshold_allowing(const lk__scores *s, size_t allowed);

/* Walk down the distinct scores: tied pairs are told apart by no threshold. */
typedef struct lk__walk {
    float score;            /* the last one passed */
    size_t same, different; /* pairs passed */
} lk__walk;
static inline bool lk__walk_next(const lk__scores *s, lk__walk *w) {
    bool more_same = w->same < s->same_count, more_different = w->different < s->different_count;
    if (!more_same && !more_different) return false;
    w->score = !more_same                                      ? s->different[w->different]
               : !more_different                               ? s->same[w->same]
               : s->same[w->same] > s->different[w->different] ? s->same[w->same]
                                                               : s->different[w->different];
    while (w->same < s->same_count && s->same[w->same] == w->score) w->same++;
    while (w->different < s->different_count && s->different[w->different] == w->score) w->different++;
    return true;
}

/* ---- figures (roc.c, verification.c) --------------------------------------------------------------------
 */

/* In counts: from (0, 0) to (same_count, different_count); points[0].score says nothing. */
typedef struct lk__roc {
    size_t count;
    lk__walk *points; /* to be freed */
} lk__roc;
lk_status lk__roc_make(const lk__scores *s, lk__roc *out, lk_error *err);

extern const uint64_t lk__far_inverse[LK_FAR_COUNT]; /* 1 / FAR: in it comparing two counts is exact */

/* *threshold (fold_count), to be freed: at which the accuracy of each fold was measured. All intervals NaN.
 */
lk_status lk__verification_figures(const lk__trial *trial, const lk__sorted *sorted, lk_verification *out,
                                   double **threshold, lk_error *err);

/* ---- bootstrap (bootstrap.c) --------------------------------------------------------------------- */

enum { LK__DRAW_LANES = 32, LK__REPLICATES_MOST = 10000 };
/* Replicate 0 is the set itself, in which everybody counts once; the drawn ones are 1 .. replicates. */
typedef struct lk__draws {
    int replicates;
    size_t people, chunks; /* of LK__DRAW_LANES replicates each */
    uint8_t *count;        /* (chunks, people, LK__DRAW_LANES): how often a person was drawn */
    unsigned most;         /* the largest count */
} lk__draws;
/* bootstrap NULL, or people not known, or fewer than two: replicate 0 only. */
lk_status lk__draws_make(const lk__trial *trial, const lk_bootstrap *bootstrap, lk__draws *out,
                         lk_error *err);
void lk__draws_free(lk__draws *draws);
static inline size_t lk__draws_stride(const lk__draws *w) {
    return w->chunks * LK__DRAW_LANES;
}

/* The cell of each pair of a block, or LK__NO_CELL. */
#define LK__NO_CELL UINT32_MAX
typedef void lk__cell_fn(const void *context, const lk__block *block, uint32_t *cell);
/* *out (cells, stride), to be freed: the weight of the pairs of each cell in each replicate. */
lk_status lk__draws_count(const lk__trial *trial, const lk__draws *draws, size_t cells, lk__cell_fn *fn,
                          const void *context, uint64_t **out, lk_error *err);

/* Of `values` (n), which are sorted on the way: those not NaN; NaN where these are less than half. */
lk_interval lk__percentiles(double *values, size_t n);
/* Wilson's score interval (95 %) of a share, n independent trials. */
lk_interval lk__wilson(double successes, double n);
static inline lk_interval lk__no_interval(void) {
    return (lk_interval){(double)__builtin_nanf(""), (double)__builtin_nanf("")};
}

/* ---- probabilities (logistic.c) ------------------------------------------------------------------ */

/* p = 1 / (1 + exp(-(slope cosine + intercept))) */
typedef struct lk__sigmoid {
    double slope, intercept;
} lk__sigmoid;
/* On all folds but left_out (LK__NO_FOLD: on all); it is quicker from a sigmoid that is near, or NULL. EMPTY:
 * a label is missing there. */
enum { LK__NO_FOLD = -1 };
lk_status lk__logistic_fit(const lk__sorted *sorted, int left_out, const lk__sigmoid *near, lk__sigmoid *out,
                           lk_error *err);

/* LR = doubt + (1 - doubt) exp(slope cosine + intercept): how much likelier a score is of one person
 * (doubt.c).
 */
typedef struct lk__doubtful {
    double slope, intercept, doubt;
} lk__doubtful;
lk_status lk__doubt_fit(const lk__sorted *sorted, lk__doubtful *out, lk_error *err);

/* Quality by length (photos), into the calibration's knots; none where too few photos can say (trust.c). */
lk_status lk__trust_fit(const lk_trial *trial, const float *length, lk_calibration *c, lk_error *err);

/* ---- figures of drawn sets (replicates.c) -------------------------------------------------------- */

enum { LK__BAND_MOST = 8 * 6 + 1 }; /* eight a decade, from 1e-6 */
typedef struct lk__replicates {
    size_t count;
    double *accuracy, *auc, *eer; /* (count) */
    double *tar[LK_FAR_COUNT];    /* (count) */
    size_t band_count;
    double band_far[LK__BAND_MOST];
    double *band; /* (band_count, count): TAR */
} lk__replicates;
/* threshold (fold_count): of lk__verification_figures. */
lk_status lk__replicates_measure(const lk__trial *trial, const lk__sorted *sorted, const double *threshold,
                                 const lk__draws *draws, lk__replicates *out, lk_error *err);
void lk__replicates_free(lk__replicates *replicates);

#endif
