/* points_train.h: teaching the second look (points.h), after the detector itself. */
#ifndef LK_POINTS_TRAIN_H
#define LK_POINTS_TRAIN_H

#include "face/labels.h"
#include "face/points.h"
#include "likeness/train.h"

/* For options->points_minutes, on photos which[0 .. count - 1]; `points` is left trained. Progress and stop
 * as for the detector, with face, overlap, box and recall NaN. EMPTY: no face there is large enough. */
lk_status lk__points_train(lk__points *points, const lk__labels *labels, const size_t *which, size_t count,
                           const lk_detect_train_options *options, lk_error *err);

#endif
