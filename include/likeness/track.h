/* track.h: following faces from frame to frame, so that a visitor gets one answer and not one a frame.
 *
 *   frame -> lk_detector_find -> lk_tracker_step -> which face is which track
 *                                lk_tracker_ended -> a track that is over: its best views, their mean vector
 *
 * Knows faces, time stamps and unit vectors; no video and no pixels. What the program keeps of a view (the
 * aligned face, a thumbnail) it keeps itself, in the slot that lk_tracker_step names. The same steps give the
 * same tracks. This header may change between minor versions. */
#ifndef LIKENESS_TRACK_H
#define LIKENESS_TRACK_H

#include "likeness/likeness.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lk_tracker lk_tracker;

/* The vectors of some faces of the step that is under way: `faces` (count) are their places in its array,
 * `vectors` is (count, dim). Asked for only where it matters: for faces whose boxes do not tell whose they
 * are, and for views that are kept. It must not call the tracker. */
typedef lk_status (*lk_track_vectors_fn)(void *context, const size_t *faces, size_t count, float *vectors,
                                         lk_error *err);

typedef struct lk_track_options {
    int born;       /* sightings before a track counts; one false face is no visitor. 1 to 1000 */
    double gap;     /* seconds a face may be out of sight and still be the same track */
    double overlap; /* least overlap of a face and where its track should be (intersection over union, both
                       grown by a margin). Over 0 to 1 */
    double cosine;  /* least cosine by which a lost face is found again where boxes do not meet. -1 to 1 */
    int views;      /* kept of each track. 1 to LK_TRACK_VIEWS */
    double spacing; /* seconds: of every so many seconds of a track only the best view is kept. Over 0 */
    int dim;        /* of the vectors; 0: there are none, and boxes alone decide */
    lk_track_vectors_fn vectors;
    void *context;
} lk_track_options;
enum { LK_TRACK_VIEWS = 32 };
/* born 3, gap 1, overlap 0.3, cosine 0.4, views 5, spacing 0.4, no vectors. */
LK_API lk_track_options lk_track_options_default(void);

/* What became of a face of the step. */
typedef struct lk_sighting {
    uint64_t track; /* from 1, rising, in order of the first sighting */
    bool born;      /* seen often enough to count */
    int slot;       /* 0 to views - 1: it is a view to keep, in place of what was in this slot of the track;
                       -1: it is not */
} lk_sighting;

typedef struct lk_track_view {
    double seconds;
    lk_face face;
    int slot;
} lk_track_view;

typedef struct lk_track {
    uint64_t id;
    bool born;       /* false: too few sightings to count */
    double from, to; /* seconds of the first and the last sighting */
    size_t sightings;
    size_t view_count;
    const lk_track_view *views; /* best quality first; at least one */
    const float *vector;        /* (dim) mean of the views' vectors, of norm 1; NULL without vectors */
} lk_track;

/* INVALID: an option out of its bounds, or dim without `vectors`. */
LK_API lk_status lk_tracker_new(const lk_track_options *options, lk_tracker **out, lk_error *err);
LK_API void lk_tracker_free(lk_tracker *tracker);

/* The faces of the next frame, `seconds` after some beginning; `sightings` has room for as many. INVALID:
 * time that does not advance, a box that is not finite. On error, which may be that of `vectors`, the tracker
 * is as it was. */
LK_API lk_status lk_tracker_step(lk_tracker *tracker, double seconds, const lk_face *faces, size_t count,
                                 lk_sighting *sightings, lk_error *err);
/* The next of the tracks that ended with the last step, born or not, by id; NULL: no more. Valid until the
 * next step. */
LK_API const lk_track *lk_tracker_ended(lk_tracker *tracker);
/* A track that goes on, by its id; valid until the next step. NULL: there is none. */
LK_API const lk_track *lk_tracker_track(const lk_tracker *tracker, uint64_t id);
/* There are no more frames: all tracks end, and lk_tracker_ended tells them. */
LK_API lk_status lk_tracker_finish(lk_tracker *tracker, lk_error *err);

#ifdef __cplusplus
}
#endif
#endif
