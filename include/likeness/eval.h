/* eval.h: how good is a model? Verification (same or different?) and identification (who?) as LFW and NIST
 * count them. Knows vectors and labels only. This header may change between minor versions. */
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

/* ---- verification ------------------------------------------------------------------------------- */

enum { LK_FAR_COUNT = 4 }; /* 1e-1, 1e-2, 1e-3, 1e-4 */

typedef struct lk_roc_point {
    double threshold, far, tar; /* cosine >= threshold is called "same" */
} lk_roc_point;

typedef struct lk_verification {
    size_t pairs, same;
    double accuracy,
        accuracy_se;  /* mean over folds, the threshold of each from the other folds (LFW); standard error */
    double threshold; /* the most accurate over all pairs */
    double auc, eer;
    double tar_at_far[LK_FAR_COUNT]; /* NaN where fewer than 1/FAR different pairs are there to say */
    size_t roc_count;
    lk_roc_point *roc; /* FAR rising from 0 to 1: (0, 0), then a point for each distinct score */
} lk_verification;
/* cosine (n), same (n) 0 or 1, fold (n) any numbers, at most 1000 different. One fold only: accuracy at the
 * best threshold, se NaN. EMPTY if there is no same or no different pair; INVALID for a score that is not
 * finite. */
LK_API lk_status lk_verification_measure(const float *cosine, const int *same, const int *fold, size_t n,
                                         lk_verification *out, lk_error *err);
LK_API void lk_verification_free(lk_verification *verification);
LK_API double lk_far_level(int i); /* 1e-1, 1e-2, ... */

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

#ifdef __cplusplus
}
#endif
#endif
