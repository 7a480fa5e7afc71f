/* model.h: what a model file holds: the net as text, its weights, and how to use it. */
#ifndef LK_FACE_MODEL_H
#define LK_FACE_MODEL_H

#include "likeness/likeness.h"
#include "nn/net.h"

/* A detector's second net: looks again at a face that was found, and says better where its points are
 * (points.c). Takes (3, side, side), the face aligned by the points so far with room around it; says ten
 * numbers, the points' distances from the template in quarters of the side. */
typedef struct lk__points {
    char *net; /* text */
    lk__spec spec;
    lk__weights weights;
} lk__points;

struct lk_model {
    char *net; /* text */
    lk__spec spec;
    lk__weights weights;
    lk__points *points; /* NULL: none */
    double threshold;   /* cosine; NaN: none */
    lk_crop crop;
    double room, down; /* of an aligned one: lk_model_align */
    char fingerprint[65];
    bool calibrated;
    lk_calibration calibration;
    lk__tensors *file; /* metadata strings; NULL for a model in the making */
};

/* Write net text + weights + threshold + crop + notes (extra metadata), atomically. `aligned`: it was trained
 * on faces of lk_image_align, and its crop is {.centre = 1}. */
lk_status lk__model_write(const char *path, const char *net, const lk__weights *weights, double threshold,
                          lk_crop crop, bool aligned, const lk__meta *notes, size_t note_count,
                          lk_error *err);
/* The same for a detector: net text, weights and notes. */
lk_status lk__detector_write(const char *path, const char *net, const lk__weights *weights,
                             const lk__points *points, const lk__meta *notes, size_t note_count,
                             lk_error *err);
/* The calibration as metadata holds it (JSON, to be freed), and back (calibrated.c). FORMAT: damaged. */
extern const char lk__calibration_key[];
lk_status lk__calibration_text(const lk_calibration *calibration, char **out, lk_error *err);
lk_status lk__calibration_parse(const char *text, const char *path, lk_calibration *out, lk_error *err);
/* Text of a ready net for its name, else the text itself. */
const char *lk__net_text_of(const char *name_or_text);

/* An embedder over a net that is still being trained (embed.c). */
lk_status lk__embedder_over(const lk__spec *spec, lk__weights *weights, lk_crop crop, int max_batch,
                            int threads, lk_precision precision, lk_embedder **out, lk_error *err);
int lk__embedder_dim(const lk_embedder *embedder);
/* Take the weights as they are now. */
void lk__embedder_load(lk_embedder *embedder);
/* Crops of the net's own size (height, width, 3) to vectors (count, dim), each averaged with its mirror
 * image's; and lengths (count), or NULL. */
void lk__embedder_crops(lk_embedder *embedder, const lk_image *const *crops, size_t count, float *vectors,
                        float *lengths);

#endif
