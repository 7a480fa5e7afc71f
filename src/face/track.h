/* track.h: inside the tracker: a track, what it keeps of its face, and who is joined with whom. */
#ifndef LK_FACE_TRACK_H
#define LK_FACE_TRACK_H

#include "base/base.h"
#include "likeness/track.h"

/* Where a face is and how it moves: centre and size in pixels, speed in pixels a second. */
typedef struct lk__motion {
    double seconds, x, y, width, height, vx, vy;
    size_t count; /* sightings it was learned from */
} lk__motion;

/* An lk_track, what it grew from, and what only the tracker knows. */
typedef struct lk__track {
    lk_track shown;
    lk__motion motion;
    int missed;                       /* steps since it was last seen */
    long long window[LK_TRACK_VIEWS]; /* of each slot: the window of time its view is from */
    lk_track_view views[LK_TRACK_VIEWS];
    float *vectors; /* (views, dim) by slot, then their mean (dim); NULL without vectors */
} lk__track;

/* ---- views (track_views.c) -------------------------------------------------------------------------- */

lk__track *lk__track_new(const lk_track_options *options, uint64_t id, double seconds);
void lk__track_free(lk__track *track);
/* The slot that a view of this face would take now; -1: there are better ones. */
int lk__track_slot(const lk__track *track, const lk_track_options *options, double seconds,
                   const lk_face *face);
/* Keep it there. vector (dim), or NULL where dim is 0. */
void lk__track_keep(lk__track *track, const lk_track_options *options, double seconds, const lk_face *face,
                    int slot, const float *vector);
/* The largest cosine of `vector` and a view's. */
double lk__track_cosine(const lk__track *track, const float *vector, int dim);

/* ---- who goes with whom (track_assign.c) ------------------------------------------------------------ */

/* The pairs of rows and columns, each in one at most, with the largest sum of score (rows, columns); 0 or
 * less: never joined. match[row] is a column, or `columns` for none. */
lk_status lk__assign(const double *score, size_t rows, size_t columns, size_t *match, lk_error *err);

#endif
