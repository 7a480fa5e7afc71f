/* detect_validate.h: how many faces of labelled photos a detector finds. */
#ifndef LK_DETECT_VALIDATE_H
#define LK_DETECT_VALIDATE_H

#include "face/labels.h"

typedef struct lk__detect_figures {
    double recall;     /* share of the labelled faces found at `confidence` */
    double confidence; /* the lowest at which there is at most one false face in `photos_a_false` photos */
    double points;     /* mean distance of the five points, as a share of the distance between the eyes */
} lk__detect_figures;

/* Of photos which[0 .. count - 1]. A face found overlaps a label by 0.4 (IoU) or more, each label once; on an
 * ignored one it counts neither way. */
lk_status lk__detect_measure(lk_detector *detector, const lk__labels *labels, const size_t *which,
                             size_t count, double photos_a_false, lk__detect_figures *out, lk_error *err);

#endif
