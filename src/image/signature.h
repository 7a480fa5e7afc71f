/* signature.h: between signature.c (one picture, two pictures) and copies.c (all pairs). */
#ifndef LK_SIGNATURE_H
#define LK_SIGNATURE_H

#include "image/image.h"
#include "likeness/data.h"

/* Signs of a word that turn when the picture is mirrored. */
uint64_t lk__signature_odd(int word);

/* A thumbnail ready to be compared. */
typedef struct lk__view {
    float grey[LK_SIGNATURE_SIDE * LK_SIGNATURE_SIDE];
    float fine[LK_SIGNATURE_SIDE * LK_SIGNATURE_SIDE]; /* what of it is finer than a few pixels */
    double contrast;                                   /* variance of that */
} lk__view;
void lk__view_make(const lk_signature *signature, bool mirrored, lk__view *view);
/* As lk_signature_likeness, one way round. */
double lk__view_likeness(const lk__view *a, const lk__view *b);

#endif
