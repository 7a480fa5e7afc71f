/* map.h: the parts of a map: the plane of most spread, and t-SNE, which starts from it. */
#ifndef LK_EVAL_MAP_H
#define LK_EVAL_MAP_H

#include "base/base.h"
#include "likeness/eval.h"

/* plane.c: vectors (n, dim) -> xy (n, 2), coordinates along their first two principal components; 0 where
 * they do not spread. */
lk_status lk__plane(const float *vectors, size_t n, int dim, uint64_t seed, float *xy, lk_error *err);

/* tsne.c: xy (n, 2) holds the plane, and then the map. */
lk_status lk__tsne(const float *vectors, size_t n, int dim, uint64_t seed, float *xy, lk_error *err);

/* The parts of it. Rows are padded to lk__tsne_stride(n) floats and 64-byte aligned. */
typedef struct lk__forces {
    float attract[2], repel[2], z; /* sums over the others, before any factor */
} lk__forces;
size_t lk__tsne_stride(size_t n);
/* p (n, stride): the joint probabilities p_ij, of sum 1; 0 on the diagonal and in the padding. */
lk_status lk__tsne_affinities(const float *vectors, size_t n, int dim, double perplexity, float *p,
                              lk_error *err);
/* Gradient (n) by x and y of KL(P | Q), attraction times `exaggeration`. x, y (stride): the padding is
 * written. forces (n): scratch. */
void lk__tsne_gradient(const float *p, size_t n, float *x, float *y, float exaggeration, lk__forces *forces,
                       float *gx, float *gy);

#endif
