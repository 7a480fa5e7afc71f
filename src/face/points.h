/* points.h: the second look at a face that was found. */
#ifndef LK_POINTS_H
#define LK_POINTS_H

#include "face/model.h"

/* The aligned face with this much room around it is looked at. */
#define LK__POINTS_ROOM 1.6

/* Weights are named "points.NN.kind.what", beside the detector's in one file. INVALID: a net that does not
 * take square (3, side, side) and end in one output of ten. */
lk_status lk__points_new(const char *net, bool with_grad, lk__points **out, lk_error *err);
void lk__points_free(lk__points *points);
/* What the net should say of points, pixels of the crop, and back. */
void lk__points_encode(const lk_point points[LK_FACE_POINTS], int side, float ten[2 * LK_FACE_POINTS]);
void lk__points_decode(const float ten[2 * LK_FACE_POINTS], int side, lk_point points[LK_FACE_POINTS]);
/* Left and right of a crop's mirror image. */
void lk__points_mirror(lk_point points[LK_FACE_POINTS], int side);

#endif
