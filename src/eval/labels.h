/* labels.h: the steps of lk_labels_judge (labels.c).
 *
 *   labels_space.c   vectors of a model to vectors in which strangers are at right angles
 *   labels_doubt.c   a value, what it is when all is well, what it is when not: how likely it is not
 *   labels_photos.c  each photo against its person and everybody else
 *   labels_split.c   folders of two people
 *   labels_pairs.c   people with two folders */
#ifndef LK_LABELS_H
#define LK_LABELS_H

#include "base/base.h"
#include "likeness/data.h"

/* What all steps share; photos are sorted by person. */
typedef struct lk__labels_job {
    const lk_label_input *in;
    float *vectors; /* (count, dim) of norm 1, in the order of `photo` */
    size_t *photo;  /* (count): whose they are, as the caller counts */
    size_t *first;  /* (people + 1): where a person's begin */
    double *sums;   /* (people, dim) of their vectors */
    float *means;   /* (people, dim): sums, of norm 1 */
} lk__labels_job;

/* The dot product of two vectors, summed in lanes so that equal vectors give equal sums. */
float lk__labels_dot(const float *a, const float *b, int dim);

lk_status lk__labels_open(const lk_label_input *in, lk__labels_job *job, lk_error *err);
void lk__labels_close(lk__labels_job *job);

/* observed (n): mostly good values; bad (m): what bad ones look like, larger on the whole. doubt (n): how
 * likely each is bad; returns the estimated share of bad ones. Equal values get equal doubt, larger ones no
 * less. */
lk_status lk__labels_doubt(const double *observed, size_t n, const double *bad, size_t m, double *doubt,
                           double *share, lk_error *err);

lk_status lk__labels_photos(const lk__labels_job *job, lk_labels *out, lk_error *err);
lk_status lk__labels_splits(const lk__labels_job *job, lk_labels *out, lk_error *err);
lk_status lk__labels_pairs(const lk__labels_job *job, lk_labels *out, lk_error *err);

/* Rises from 0 to 1 over the whole judgement: `share` of the step that takes [from, to) of it. */
lk_status lk__labels_progress(const lk__labels_job *job, double from, double to, double share, lk_error *err);

#endif
