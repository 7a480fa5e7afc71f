/* track_views.c: the best views of a track, spread over time. Neighbouring frames are as good as each other
 * and wrong in the same way; so time is cut into windows of `spacing` seconds from the first sighting, a
 * window keeps its best view, and a track the best windows. Fixed windows, and not a distance from the views
 * kept: a face that comes nearer grows better frame by frame, and each frame would push out the one before.
 */
#include "face/track.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

lk__track *lk__track_new(const lk_track_options *options, uint64_t id, double seconds) {
    lk__track *track = calloc(1, sizeof *track);
    if (!track) return NULL;
    if (options->dim > 0) {
        track->vectors = calloc((size_t)options->dim * (size_t)(options->views + 1), sizeof *track->vectors);
        if (!track->vectors) {
            free(track);
            return NULL;
        }
        track->shown.vector = track->vectors + (size_t)options->dim * (size_t)options->views;
    }
    track->shown.id = id;
    track->shown.from = track->shown.to = seconds;
    track->shown.views = track->views;
    return track;
}

void lk__track_free(lk__track *track) {
    if (!track) return;
    free(track->vectors);
    free(track);
}

static long long window_of(const lk__track *track, const lk_track_options *options, double seconds) {
    return (long long)floor((seconds - track->shown.from) / options->spacing);
}

int lk__track_slot(const lk__track *track, const lk_track_options *options, double seconds,
                   const lk_face *face) {
    long long window = window_of(track, options, seconds);
    size_t count = track->shown.view_count;
    const lk_track_view *rival = count < (size_t)options->views ? NULL : &track->views[count - 1];
    for (size_t i = 0; i < count; i++)
        if (track->window[track->views[i].slot] == window) rival = &track->views[i];
    if (!rival) return (int)count; /* slots are taken in order and none is given up */
    return face->quality > rival->face.quality ? rival->slot : -1;
}

static void mean_update(lk__track *track, const lk_track_options *options) {
    size_t dim = (size_t)options->dim, count = track->shown.view_count;
    float *mean = track->vectors + dim * (size_t)options->views;
    double norm = 0;
    for (size_t d = 0; d < dim; d++) {
        double sum = 0;
        for (size_t i = 0; i < count; i++) sum += (double)track->vectors[i * dim + d];
        mean[d] = (float)(sum / (double)count);
        norm += (double)mean[d] * (double)mean[d];
    }
    norm = sqrt(norm);
    if (norm > 1e-6)
        for (size_t d = 0; d < dim; d++) mean[d] = (float)((double)mean[d] / norm);
    else /* views that contradict each other: the best one speaks */
        memcpy(mean, track->vectors + dim * (size_t)track->views[0].slot, dim * sizeof *mean);
}

void lk__track_keep(lk__track *track, const lk_track_options *options, double seconds, const lk_face *face,
                    int slot, const float *vector) {
    size_t at = 0, count = track->shown.view_count;
    while (at < count && track->views[at].slot != slot) at++;
    if (at == count) track->shown.view_count++;
    /* In order of quality, of equals the earlier first; a view only ever gives way to a better one. */
    for (; at > 0 && track->views[at - 1].face.quality < face->quality; at--)
        track->views[at] = track->views[at - 1];
    track->views[at] = (lk_track_view){seconds, *face, slot};
    track->window[slot] = window_of(track, options, seconds);
    if (options->dim == 0) return;
    size_t dim = (size_t)options->dim;
    memcpy(track->vectors + dim * (size_t)slot, vector, dim * sizeof *vector);
    mean_update(track, options);
}

double lk__track_cosine(const lk__track *track, const float *vector, int dim) {
    double most = -1;
    for (size_t i = 0; i < track->shown.view_count; i++) {
        double cosine = lk_cosine(track->vectors + i * (size_t)dim, vector, dim);
        if (cosine > most) most = cosine;
    }
    return most;
}
