/* detect_loss.h: what a detector should have said. */
#ifndef LK_DETECT_LOSS_H
#define LK_DETECT_LOSS_H

#include "face/detect.h"
#include "face/scene.h"

typedef struct lk__detect_loss {
    double face, overlap, box, points; /* sums over cells */
    size_t cells;                      /* that are at a face */
} lk__detect_loss;

/* One canvas: its output (dim) against the faces on it. Adds to *sums and writes the gradient (dim) of
 *
 *   focal(face) + sum over cells at a face of
 *       0.5 bce(overlap) + 2 sum_4 smooth(box, 0.05) + sum_10 smooth(points, 0.02)
 *
 * box and points as shares of the true box, sizes as logs; smooth(e, b) = |e| - b / 2 beyond b, e^2 / 2b
 * within (Girshick 2015); focal: Lin et al. 2017, alpha 0.5, gamma 2. Not divided by the number of cells:
 * that is the batch's. `place` has room for dim / 16. */
void lk__detect_loss_of(const lk__scales *scales, const float *output, const lk__scene *scene, int *place,
                        float *gradient, lk__detect_loss *sums);

#endif
