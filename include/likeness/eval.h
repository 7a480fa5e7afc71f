/* eval.h: how good is a model? Verification (same or different?) and identification (who?) as LFW and NIST
 * count them, with intervals that say how far the figures can be trusted. Knows vectors and labels only. This
 * header may change between minor versions. docs/metrics.md has the formulas. */
#ifndef LIKENESS_EVAL_H
#define LIKENESS_EVAL_H

#include "likeness/likeness.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- pairs file: tab-separated, one header line, `fold  same  a  b` ------------------------------ */

typedef struct lk_pair {
    int fold, same;
    size_t a, b; /* index into photos */
} lk_pair;
typedef struct lk_pairs {
    size_t count, photo_count;
    lk_pair *items;
    char **photos; /* paths as in the file, each once */
} lk_pairs;
/* FORMAT names the line. */
LK_API lk_status lk_pairs_load(const char *path, lk_pairs *out, lk_error *err);
LK_API void lk_pairs_free(lk_pairs *pairs);

/* ---- what is measured --------------------------------------------------------------------------- */

/* Photos and the pairs of them that are looked at. */
typedef struct lk_trial {
    const float *vectors; /* (photos, dim), norm 1; NULL where cosine is given */
    size_t photos;
    int dim;
    const uint32_t *person; /* (photos) who a photo shows, any numbers; NULL: not known, and no intervals.
                               Listed pairs keep their own `same` */
    const lk_pair *pairs;   /* (count); NULL: every pair of photos, `same` by person, one fold */
    const float *cosine;    /* (count); NULL: of the vectors */
    size_t count;
} lk_trial;

/* Intervals are percentiles (95 %) of a bootstrap over people, not over pairs: the pairs of one person hang
 * together (Bolle, Ratha & Pankanti 2004). People are drawn with repeats, a person `c` times; a pair of one
 * person counts c times, a pair of two c * d times. */
typedef struct lk_bootstrap {
    int replicates; /* 0: no intervals; 10,000 at most */
    uint64_t seed;
} lk_bootstrap;
typedef struct lk_interval {
    double low, high; /* NaN: not measured */
} lk_interval;

/* ---- verification ------------------------------------------------------------------------------- */

enum { LK_FAR_COUNT = 4 }; /* 1e-1, 1e-2, 1e-3, 1e-4 */
enum { LK_BINS = 100 };    /* of cosine, equal, from -1 to 1 */
LK_API double lk_far_level(int i);

typedef struct lk_roc_point {
    double threshold, far, tar; /* cosine >= threshold is called "same" */
} lk_roc_point;
typedef struct lk_band {
    double far;
    lk_interval tar;
} lk_band;

typedef struct lk_verification {
    size_t pairs, same;
    double accuracy,
        accuracy_se;  /* mean over folds, the threshold of each from the other folds (LFW); standard error */
    double threshold; /* the most accurate over all pairs */
    double auc, eer;
    double tar_at_far[LK_FAR_COUNT];       /* NaN where fewer than 1/FAR different pairs are there to say */
    double threshold_at_far[LK_FAR_COUNT]; /* the lowest score with FAR at most that */
    bool few_at_far[LK_FAR_COUNT]; /* fewer than 30/FAR different pairs (rule of 30, Doddington et al. 2000):
                                      the figure is not steady */
    lk_interval accuracy_interval, auc_interval, eer_interval, tar_interval[LK_FAR_COUNT];
    size_t roc_count;
    lk_roc_point *roc; /* FAR rising from (0, 0) to (1, 1); points on a straight run between two others are
                          left out, so it is exact and small */
    size_t band_count;
    lk_band *band; /* of the ROC, FAR rising by equal ratios; 0 without a bootstrap */
    size_t same_bin[LK_BINS], different_bin[LK_BINS];
} lk_verification;
/* One fold only: accuracy at the best threshold, se NaN. EMPTY if there is no same or no different pair;
 * INVALID: a score that is not finite, more than 1000 folds. */
LK_API lk_status lk_verification_measure(const lk_trial *trial, const lk_bootstrap *bootstrap,
                                         lk_verification *out, lk_error *err);
LK_API void lk_verification_free(lk_verification *verification);

/* The same pairs, seen by two models. Differences are b - a. */
typedef struct lk_comparison {
    double accuracy, eer, tar_at_far[LK_FAR_COUNT];
    lk_interval accuracy_interval, eer_interval, tar_interval[LK_FAR_COUNT];
    double p; /* two-sided, that the models are equally accurate: from the same bootstrap, both models on the
                 same people in every replicate */
} lk_comparison;
/* MISMATCH: other pairs. */
LK_API lk_status lk_verification_compare(const lk_trial *a, const lk_trial *b, const lk_bootstrap *bootstrap,
                                         lk_comparison *out, lk_error *err);

/* The m most alike pairs of different people, and the m least alike of one person, worst first: the mistakes
 * of a model, or of the labels. */
typedef struct lk_mistake {
    size_t a, b; /* photos */
    double cosine;
} lk_mistake;
/* different (m), same (m); how many there are in *different_count, *same_count. */
LK_API lk_status lk_mistakes_find(const lk_trial *trial, size_t m, lk_mistake *different,
                                  size_t *different_count, lk_mistake *same, size_t *same_count,
                                  lk_error *err);

/* Can a cosine be read as a probability? How reliable a calibration would be that these pairs give. The fit
 * is logistic, of each fold on the other folds (one fold: on itself, which flatters); same and different are
 * given equal weight, whatever their numbers. */
enum { LK_RELIABILITY_BINS = 10 };
typedef struct lk_reliability {
    double slope, intercept; /* p = 1 / (1 + exp(-(slope cosine + intercept))), of all pairs */
    double cllr, cllr_min; /* bits a pair (Brummer & du Preez 2006): of that fit; of the best monotone one */
    struct {
        size_t pairs;
        double predicted, observed; /* mean probability told; share of same, weighted as in the fit */
        lk_interval interval;       /* of observed */
    } bin[LK_RELIABILITY_BINS];     /* of the probability told, equal */
} lk_reliability;
LK_API lk_status lk_reliability_measure(const lk_trial *trial, const lk_bootstrap *bootstrap,
                                        lk_reliability *out, lk_error *err);

/* Fit a model's calibration: likelihood ratios, thresholds at each FAR that 30 / FAR different pairs can show
 * (rule of 30), and the tail beyond. Of all folds. EMPTY: no pair of one person, or fewer than 300 of two.
 * lengths (photos), of lk_embedder_embed_lengths: what quality is told from; NULL, or fewer than 200 photos:
 * none is told. */
LK_API lk_status lk_calibration_fit(const lk_trial *trial, const float *lengths, lk_calibration *out,
                                    lk_error *err);

/* Error versus reject: the photos of the least quality are turned away; what is missed (1 - TAR) of the pairs
 * that are left, at the threshold that has `far` on all pairs? (Grother & Tabassi 2007). A pair has the lower
 * quality of its two photos. */
typedef struct lk_reject_point {
    double rejected, missed; /* shares of the same pairs */
} lk_reject_point;
/* quality (photos); points (steps + 1) at 0, 1/steps .. (steps-1)/steps and the last repeated where nothing
 * is left: *count points are given. EMPTY: too few different pairs for that FAR. */
LK_API lk_status lk_reject_measure(const lk_trial *trial, const float *quality, double far, size_t steps,
                                   lk_reject_point *points, size_t *count, lk_error *err);

/* The model's errors group by group, at one threshold for all. A pair counts for a group when both photos are
 * of it, as NIST counts (IR 8280). */
enum { LK_NO_GROUP = -1 };
typedef struct lk_group {
    size_t people, same, different;
    double tar, far, accuracy;                                 /* NaN: no such pairs */
    lk_interval tar_interval, far_interval, accuracy_interval; /* without a bootstrap: Wilson's */
} lk_group;
/* group (photos): 0 .. groups - 1 or LK_NO_GROUP; out (groups). */
LK_API lk_status lk_groups_measure(const lk_trial *trial, const int *group, size_t groups, double threshold,
                                   const lk_bootstrap *bootstrap, lk_group *out, lk_error *err);

/* ---- identification, closed set ------------------------------------------------------------------ */

typedef struct lk_identification {
    size_t people, gallery_photos, probes;
    double rank1, rank5;
    size_t cmc_count;
    double *cmc; /* (cmc_count): share of probes whose person is among the r + 1 closest people */
} lk_identification;
/* Vectors (n, dim) with person labels. A person's score is that of their closest gallery photo; ties count
 * against the probe. EMPTY if a probe's person is not in the gallery or either is empty. */
LK_API lk_status lk_identification_measure(const float *gallery, const size_t *gallery_person,
                                           size_t gallery_count, const float *probes,
                                           const size_t *probe_person, size_t probe_count, int dim,
                                           lk_identification *out, lk_error *err);
LK_API void lk_identification_free(lk_identification *identification);

/* Rank-1 with 1, 2, 3 .. photos of each person enrolled: the same people (those with more than `most`
 * photos), and the same probes (what is left after `most`), so that only the number differs. rank1 (most).
 * EMPTY: fewer than 2 such people. trial->pairs is not looked at, here and below. */
LK_API lk_status lk_enrolled_measure(const lk_trial *trial, size_t most, uint64_t seed, double *rank1,
                                     size_t *people, size_t *probes, lk_error *err);

/* ---- identification, open set (NIST FRVT 1:N): most faces belong to nobody enrolled ---------------- */

typedef struct lk_open_point {
    double threshold, fpir, fnir;
} lk_open_point;
enum { LK_FPIR_COUNT = 3 }; /* 1e-1, 1e-2, 1e-3 */
typedef struct lk_open_set {
    size_t people, mated, strangers; /* enrolled; probes of them; probes of others; summed over repeats */
    size_t count;
    lk_open_point *points; /* FPIR rising. FPIR: share of strangers with anyone at or above the threshold.
                              FNIR: share of mated probes whose person is not first, or below it */
    double fnir_at_fpir[LK_FPIR_COUNT], threshold_at_fpir[LK_FPIR_COUNT]; /* NaN: too few strangers to say */
    lk_interval fnir_interval[LK_FPIR_COUNT]; /* over the repeats' spread; NaN for one */
    size_t photos;                            /* enrolled in a draw, at most */
    float *mated_score,
        *stranger_score; /* (mated), (strangers), falling: what a threshold is compared with */
} lk_open_set;
/* `people` drawn at random are enrolled, with `enrolled` photos each (0: half), and all photos of the others
 * are strangers; `repeats` draws. Enrolled are people of 2 photos or more; where these are fewer than
 * `people`, all of them, and people of one photo, who are there to be mistaken for. EMPTY: nobody has 2
 * photos, or there are no strangers. */
LK_API lk_status lk_open_set_measure(const lk_trial *trial, size_t people, size_t enrolled, int repeats,
                                     uint64_t seed, lk_open_set *out, lk_error *err);
/* FPIR and FNIR at a threshold that was chosen elsewhere. */
LK_API void lk_open_set_at(const lk_open_set *open_set, double threshold, double *fpir, double *fnir);
LK_API void lk_open_set_free(lk_open_set *open_set);

/* ---- a map of vectors: n points of two coordinates, near where the vectors are near ---------------- */

typedef enum lk_map_kind {
    LK_MAP_PCA, /* the plane in which they spread most */
    LK_MAP_TSNE /* van der Maaten & Hinton 2008, exact: time grows as n squared, 10 s at 2,000 on two cores */
} lk_map_kind;
/* vectors (n, dim) -> xy (n, 2), centred, the furthest at distance 1. The same seed gives the same map on any
 * number of threads. INVALID: fewer than 3. */
LK_API lk_status lk_map_make(const float *vectors, size_t n, int dim, lk_map_kind kind, uint64_t seed,
                             float *xy, lk_error *err);

/* ---- groups that were found, beside the true ones ------------------------------------------------- */

typedef struct lk_grouping {
    double pair_precision, pair_recall; /* of pairs put together, those of one person; of pairs of one person,
                                           those put together. NaN: there are no such pairs */
    double bcubed_precision,
        bcubed_recall; /* the mean over photos of the share of its group that shows its
                          person, and of its person that is in its group (Amigo et al. 2009) */
    double bcubed_f;   /* their harmonic mean */
    size_t groups, people;
} lk_grouping;
/* group, person (n): any numbers. EMPTY: n is 0. */
LK_API lk_status lk_grouping_measure(const uint32_t *group, const uint32_t *person, size_t n,
                                     lk_grouping *out, lk_error *err);

#ifdef __cplusplus
}
#endif
#endif
