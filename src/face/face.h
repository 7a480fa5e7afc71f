/* face.h: inside the face room: from photo files to batches of network input. */
#ifndef LK_FACE_H
#define LK_FACE_H

#include "base/base.h"
#include "likeness/train.h"

/* Pixel 0..255 -> (value - 127.5) / 127.5, planes: image (h, w, 3) to out (3, h, w). mirror: left and right
 * swapped. The one normalisation in training and in use. */
void lk__face_to_planes(const lk_image *face, bool mirror, float *out);

/* The crop of a photo: its source's own, or `fallback` where the source names none (photo.c). */
lk_crop lk__photo_crop(const lk_dataset *dataset, size_t photo, lk_crop fallback);
/* Read a photo and cut its face to (height, width, 3). */
lk_status lk__photo_face(const lk_dataset *dataset, size_t photo, lk_crop fallback, int width, int height,
                         lk_image **out, lk_error *err);

/* Augmentation (augment.c): from a photo and the crop that is its face, one random variant (height, width,
 * 3): flip, shift, scale, rotation (one warp), light, contrast, colour, grey, blur, lowered resolution,
 * erasing, JPEG. strength 0: just the crop; 1: full; else INVALID. aligned: the head is where it should be,
 * and moves less; but a tight photo may have ended before the crop does. Everything is decided by `random`.
 */
lk_status lk__augment(const lk_image *photo, lk_crop crop, double strength, bool aligned, lk__random *random,
                      int width, int height, lk_image **out, lk_error *err);

/* Loader (loader.c): decodes and augments batches on its own threads, ahead of the network.
 * A batch is a pure function of (seed, step) and the files. */
typedef struct lk__loader lk__loader;
typedef struct lk__loader_options {
    const lk_dataset *dataset;
    int batch, width, height; /* batch = photos a step */
    uint64_t first_place; /* of this batch within that of all ranks; augmentation goes by the place there */
    double augment;
    bool aligned; /* the photos are aligned crops */
    uint64_t seed;
    int threads, ahead; /* worker threads, batches kept ready */
    lk_crop crop;       /* where the source names none */
    /* Which photos make batch `step`: fills photo (batch) and label (batch). Called from any worker under a
     * lock, once a step and in order of the steps; it must not call the loader. */
    void (*choose)(void *context, uint64_t step, size_t *photo, uint32_t *label);
    /* An unreadable photo; told once each, from a worker under a lock. The loader puts another photo of that
     * person in its place (or a grey image if none can be read). May be NULL. */
    void (*bad_photo)(void *context, const char *path, const lk_error *why);
    void *context;
} lk__loader_options;
lk_status lk__loader_start(const lk__loader_options *options, uint64_t first_step, lk__loader **out,
                           lk_error *err);
/* Wait for batch `step` (asked for in order from first_step): pixels (batch, 3, height, width) and label
 * (batch), valid until the next call. NO_MEMORY if a worker failed for good, IO if no photo can be read any
 * more. */
lk_status lk__loader_next(lk__loader *loader, const float **pixels, const uint32_t **label, lk_error *err);
/* Could this photo not be read? Then another stood in for it. */
bool lk__loader_is_bad(lk__loader *loader, size_t photo);
/* Seconds lk__loader_next has spent waiting: should stay near 0. */
double lk__loader_waited(const lk__loader *loader);
/* At any time, also with batches half made. NULL is a no-op. */
void lk__loader_stop(lk__loader *loader);

#endif
