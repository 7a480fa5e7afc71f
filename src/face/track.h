/* track.h: inside the tracker: which face goes with which track, for the largest sum of scores. */
#ifndef LK_FACE_TRACK_H
#define LK_FACE_TRACK_H

#include "base/base.h"

/* score (rows, columns), where 0 or less says that the two may not be joined. match[row] is a column, or
 * `columns` for none (track_assign.c). */
lk_status lk__assign(const double *score, size_t rows, size_t columns, size_t *match, lk_error *err);

#endif
