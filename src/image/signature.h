/* signature.h: between signature.c (one picture, two pictures) and copies.c (all pairs). */
#ifndef LK_SIGNATURE_H
#define LK_SIGNATURE_H

#include "image/image.h"
#include "likeness/data.h"

/* Signs of a word that turn when the picture is mirrored. */
uint64_t lk__signature_odd(int word);

/* A thumbnail ready to be compared. */
typedef struct lk__level {
    int side;
    float grey[LK_SIGNATURE_SIDE * LK_SIGNATURE_SIDE]; /* (side, side) */
    float fine[LK_SIGNATURE_SIDE * LK_SIGNATURE_SIDE]; /* what of it is finer than a few pixels */
    double contrast;                                   /* variance of that */
} lk__level;
/* side: that of the signature, or a half of it. */
void lk__level_make(const lk_signature *signature, bool mirrored, int side, lk__level *level);

/* Pixel (x, y) of a is gain b(centre + scale (xy - centre) + shift) + offset. */
typedef struct lk__placing {
    double x_scale, y_scale, x_shift, y_shift, gain, offset;
} lk__placing;
/* Lay b over a as well as it goes, from where p has it; false if they come apart, or one is of one colour. */
bool lk__level_place(const lk__level *a, const lk__level *b, lk__placing *p);
/* Correlation of the fine structure where the two overlap. */
double lk__level_correlation(const lk__level *a, const lk__level *b, const lk__placing *p);

/* lk_signature_likeness one way round, in two steps: at half the side, where most pairs that are no copies
 * can be told at a quarter of the cost (false), and at the whole one. */
bool lk__likeness_begin(const lk__level *half_a, const lk__level *half_b, lk__placing *p);
double lk__likeness_end(const lk__level *a, const lk__level *b, lk__placing *p);

#endif
