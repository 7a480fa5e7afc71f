/* labels.h: the steps of lk_labels_judge (labels.c).
 *
 *   labels_space.c   vectors of a model to vectors in which strangers are at right angles
 *   labels_doubt.c   a value, what it is when all is well, what it is when not: how likely it is not
 *   labels_rivals.c  two means of photos: how alike is alike
 *   labels_pairs.c   people with two folders
 *   labels_split.c   folders of two people
 *   labels_photos.c  each photo against its person and everybody else */
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
    size_t *same;   /* (people): one of those who seem to be the same person, the same one for all of them */
    bool *split;    /* (people): seems to be two people */
} lk__labels_job;

/* The dot product of two vectors, summed in lanes so that equal vectors give equal sums. */
float lk__labels_dot(const float *a, const float *b, int dim);

lk_status lk__labels_open(const lk_label_input *in, lk__labels_job *job, lk_error *err);
void lk__labels_close(lk__labels_job *job);

/* observed (n): the first `learn` of them tell what good values look like, since most are good; bad (m): what
 * bad ones look like, larger on the whole;
 * scale_least: that of good ones is no less, which protects small sets. doubt (n): how likely each is bad,
 * rising with the value; *share (may be NULL): of the bad ones among the first. */
lk_status lk__labels_doubt(const double *observed, size_t learn, size_t n, const double *bad, size_t m,
                           double scale_least, double *doubt, double *share, lk_error *err);

/* The folders most like a mean of photos, but the very most. */
typedef struct lk__labels_rivals {
    double mean, deviation; /* of their cosines with it */
} lk__labels_rivals;
enum { LK__LABELS_FOLDERS_LEAST = 12 }; /* among fewer there are no rivals to speak of */
/* How many rivals to take among so many folders. */
int lk__labels_rival_count(size_t folders);
/* Those of x (dim), of norm 1, among the means of `people` (count), two of whom are none. */
lk__labels_rivals lk__labels_measure(const lk__labels_job *job, const float *x, const size_t *people,
                                     size_t count, size_t but, size_t nor, int rivals);
/* The cosine of two means in deviations from those of their rivals. */
double lk__labels_z(double cosine, lk__labels_rivals a, lk__labels_rivals b);

/* In this order; what the first two find, job->same and job->split, the last one needs. */
lk_status lk__labels_pairs(lk__labels_job *job, lk_labels *out, lk_error *err);
lk_status lk__labels_splits(lk__labels_job *job, lk_labels *out, lk_error *err);
lk_status lk__labels_photos(const lk__labels_job *job, lk_labels *out, lk_error *err);

/* Rises from 0 to 1 over the whole judgement: `share` of the step that takes [from, to) of it. */
lk_status lk__labels_progress(const lk__labels_job *job, double from, double to, double share, lk_error *err);

#endif
