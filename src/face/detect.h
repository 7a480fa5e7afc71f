/* detect.h: inside the face room: what a detector's net says, for those who read it (detect.c) and those who
 * teach it (detect_loss.c).
 *
 * The net looks at a canvas (3, h, w) of any size and has one output a scale, (h / stride, w / stride, 16).
 * Cell (i, j) of a scale sits at pixel (j * stride, i * stride) and speaks of the face around it:
 *
 *   0       logit: the cell is at a face
 *   1       logit: how far its box will overlap the true one (IoU)
 *   2, 3    centre of the box, from the cell, in strides
 *   4, 5    log of its width and height, in 4 strides
 *   6..15   the five points, from the cell, in 2 strides
 *
 * No anchors: a scale answers for faces of a range of sizes (as FCOS, Tian et al. 2019, and YuNet, Wu et al.
 * 2023, for faces). Between them the scales know faces of 10 to 80 pixels and call larger ones none. So the
 * canvas holds the photo several times, each a quarter as large as the one before: one pass, every size of
 * face, and all that the net learns serves all of them. */
#ifndef LK_DETECT_H
#define LK_DETECT_H

#include "face/model.h"

#include <math.h>

enum { LK__CELL = 16 };

typedef struct lk__scale {
    int stride, w, h;   /* cells across and down */
    size_t at;          /* where they begin among the net's numbers, (h, w, 16) */
    double least, most; /* sizes of faces, sqrt(width height) in pixels, that it answers for */
} lk__scale;

typedef struct lk__scales {
    int count;
    lk__scale of[LK__OUTPUTS_MAX];
} lk__scales;

/* INVALID if it is no detector's net. */
lk_status lk__scales_of(const lk__spec *spec, lk__scales *out, lk_error *err);
/* Box and points of a cell; confidence and quality are left alone. */
void lk__cell_face(const float *cell, const lk__scale *scale, int column, int row, lk_face *out);
double lk__overlap(const lk_face *a, const lk_face *b); /* intersection over union of two boxes */

static inline double lk__sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

/* Where the template has the points, pixels of an aligned crop (align.c). */
void lk__align_places(double room, int width, int height, double place[LK_FACE_POINTS][2]);
/* Smooth L1 (Girshick 2015): |e| - beta / 2 beyond beta, e^2 / 2 beta within; and its derivative. */
static inline double lk__smooth(double error, double beta, double *slope) {
    double size = fabs(error);
    *slope = size < beta ? error / beta : error < 0 ? -1 : 1;
    return size < beta ? error * error / (2 * beta) : size - beta / 2;
}

/* From output pixels of an aligned crop to the photo (align.c). */
lk_status lk__align_map(const lk_point points[LK_FACE_POINTS], double room, int width, int height,
                        double m[6], lk_error *err);
/* 0..1 (quality.c). */
float lk__face_quality(const lk_image *photo, const lk_face *face);

/* A detector over nets that are still being trained: no model file yet. points: NULL, or the net of the
 * second look, which must outlive it. */
lk_status lk__detector_over(const char *net, lk__weights *weights, lk__points *points,
                            const lk_detect_options *options, lk_detector **out, lk_error *err);

#endif
