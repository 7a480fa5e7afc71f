/* likeness.h: images, models and galleries: what a program needs to recognise.
 *
 *   photo -> lk_image -> lk_embedder -> unit vector (dim) -> lk_gallery (gallery.h) -> closest photos
 *
 * Conventions
 *   - Opaque types are made by new/open/load/decode and unmade by the matching free or close, for which
 *     NULL is a no-op.
 *   - A fallible call returns LK_OK (0) or a negative lk_status and, when `err` is not NULL, says in it
 *     what went wrong, where, and what to do. On error the outputs are untouched.
 *   - A model or gallery may be used by many threads at once. An lk_embedder holds scratch memory and
 *     belongs to one thread at a time.
 *   - Images are RGB, 8 bits, upright, rows top down: (h, w, 3); (0, 0) is the centre of the top-left pixel.
 *   - Vectors are (dim) floats of L2 norm 1. `l2` is |a - b|_2, never squared; `cosine` is a . b.
 */
#ifndef LIKENESS_LIKENESS_H
#define LIKENESS_LIKENESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LK_API __attribute__((visibility("default")))
#define LK_PRINTF(string, first) __attribute__((format(printf, string, first)))
#else
#define LK_API
#define LK_PRINTF(string, first)
#endif

#define LK_VERSION "0.1.0"

/* ---- status ------------------------------------------------------------------------------------- */

#define LK_STATUS_MAP(X)                                                                                     \
    X(OK, 0, "ok")                                                                                           \
    X(INVALID, -1, "invalid argument")                                                                       \
    X(NOT_FOUND, -2, "not found")                                                                            \
    X(FORMAT, -3, "damaged or unsupported data")                                                             \
    X(MISMATCH, -4, "these two do not belong together")                                                      \
    X(TOO_LARGE, -5, "over a limit")                                                                         \
    X(EMPTY, -6, "too little to work with")                                                                  \
    X(IO, -7, "input or output failed")                                                                      \
    X(NO_MEMORY, -8, "out of memory")                                                                        \
    X(BUSY, -9, "in use by another process")                                                                 \
    X(STOPPED, -10, "stopped on request")                                                                    \
    X(DIVERGED, -11, "training diverged")                                                                    \
    X(INTERNAL, -12, "internal error")

typedef enum lk_status {
#define LK_STATUS_ENUM(name, value, text) LK_##name = value,
    LK_STATUS_MAP(LK_STATUS_ENUM)
#undef LK_STATUS_ENUM
} lk_status;

typedef struct lk_error {
    lk_status status;
    char message[768]; /* one sentence or two, no newline: what, where, what to do */
} lk_error;

/* Short English name of a status, never NULL. */
LK_API const char *lk_status_text(lk_status status);
/* "0.1.0", and the processor features in use. */
LK_API const char *lk_version(void);

/* ---- image -------------------------------------------------------------------------------------- */

typedef struct lk_image lk_image;

/* Load a PNG, JPEG or WebP photo, told by its bytes and not by its name. EXIF orientation is applied;
 * grey, palette, alpha (over white), 16-bit and CMYK become RGB8. NOT_FOUND, IO, FORMAT (not an image,
 * truncated, damaged), TOO_LARGE (over 64 megapixels, told from the header before memory is taken). */
LK_API lk_status lk_image_load(const char *path, lk_image **out, lk_error *err);
/* The same from memory; `name` (may be NULL) is what errors call it. */
LK_API lk_status lk_image_decode(const uint8_t *bytes, size_t size, const char *name, lk_image **out,
                                 lk_error *err);
/* With a lower limit of pixels, for callers that have little memory. */
LK_API lk_status lk_image_decode_within(const uint8_t *bytes, size_t size, const char *name,
                                        size_t max_pixels, lk_image **out, lk_error *err);
/* A copy of pixels (height, width, 3) with `stride` bytes from row to row (0: 3 * width); NULL: black. */
LK_API lk_status lk_image_new(int width, int height, const uint8_t *pixels, size_t stride, lk_image **out,
                              lk_error *err);
LK_API void lk_image_free(lk_image *image);
LK_API int lk_image_width(const lk_image *image);
LK_API int lk_image_height(const lk_image *image);
/* (h, w, 3), packed; valid as long as the image. */
LK_API const uint8_t *lk_image_pixels(const lk_image *image);
/* Area average when shrinking, bilinear when growing. */
LK_API lk_status lk_image_resize(const lk_image *image, int width, int height, lk_image **out, lk_error *err);
/* Write atomically; ".png", ".jpg"/".jpeg" or ".webp" by the name's end. quality 1..100 for the last two. */
LK_API lk_status lk_image_save(const lk_image *image, const char *path, int quality, lk_error *err);
/* JPEG bytes, to be freed with free(). */
LK_API lk_status lk_image_encode_jpeg(const lk_image *image, int quality, uint8_t **bytes, size_t *size,
                                      lk_error *err);

/* Which part of a photo is the face. Photos here are already loose face crops; data sets differ in how loose.
 */
typedef struct lk_crop {
    double centre; /* > 0: the central square whose side is this share of the photo's shorter side */
    double x, y, width,
        height; /* centre == 0: this rectangle, pixels of the photo's top-left corner and size */
} lk_crop;
/* "0.9" (centre) or "X,Y,WIDTH,HEIGHT" in pixels. INVALID otherwise. */
LK_API lk_status lk_crop_parse(const char *text, lk_crop *out, lk_error *err);
/* Cut and resize to (height, width, 3); what lies outside the photo repeats its border. */
LK_API lk_status lk_image_crop(const lk_image *image, lk_crop crop, int width, int height, lk_image **out,
                               lk_error *err);

/* ---- model -------------------------------------------------------------------------------------- */

typedef struct lk_model lk_model;
typedef struct lk_embedder lk_embedder;

/* Read a .safetensors model. NOT_FOUND, IO, FORMAT (damaged, hostile, or no likeness model). */
LK_API lk_status lk_model_open(const char *path, lk_model **out, lk_error *err);
LK_API void lk_model_free(lk_model *model);
LK_API int lk_model_dim(const lk_model *model);
LK_API int lk_model_input_width(const lk_model *model);
LK_API int lk_model_input_height(const lk_model *model);
LK_API size_t lk_model_parameters(const lk_model *model);
/* SHA-256 of net and weights, 64 lower-case hex digits: two models with one fingerprint give the same
 * vectors. */
LK_API const char *lk_model_fingerprint(const lk_model *model);
/* Two photos show the same person when their cosine is at least this; chosen on validation people by the
 * trainer. NaN when the model has none (an untrained net). */
LK_API double lk_model_threshold(const lk_model *model);
/* The crop the model expects of a photo when the user gives none. */
LK_API lk_crop lk_model_crop(const lk_model *model);
/* Does the model want faces aligned by lk_model_align? Then they are embedded whole: its crop is {.centre =
 * 1}. */
LK_API bool lk_model_aligned(const lk_model *model);
/* Any metadata string by key ("net", "recipe", ...), NULL when absent. */
LK_API const char *lk_model_metadata(const lk_model *model, const char *key);
/* Was the person, by the name of their folder, among those that the model was trained on? 1 yes, 0 no; -1:
 * the model does not tell (metadata 'trained_people', docs/formats.md). Names are kept as hashes: one can ask
 * after a name, and not list them. */
LK_API int lk_model_trained_on(const lk_model *model, const char *person);
/* Write the net and its weights as an ONNX file, atomically: "photo" (N, 3, h, w) in [-1, 1] to "embedding"
 * (N, dim), unit vectors (docs/formats.md). */
LK_API lk_status lk_model_export_onnx(const lk_model *model, const char *path, lk_error *err);
/* Read dlib's face recognition ResNet as npm's @vladmandic/face-api ships it (`from`: its folder, or the
 * manifest of its face_recognition_model), and write it as a model. NOT_FOUND; FORMAT, MISMATCH: damaged,
 * another model. */
LK_API lk_status lk_model_import(const char *from, const char *path, lk_error *err);
/* Write the model again, atomically, its weights in 16 bits (F16): half the file, vectors that agree to a
 * cosine of about 0.99999, and so a fingerprint of its own. TOO_LARGE: a weight above 65504. */
LK_API lk_status lk_model_export_half(const lk_model *model, const char *path, lk_error *err);

/* ---- what a cosine means: a model's calibration --------------------------------------------------- */

/* Fitted on people the model has not learned from (lk_calibration_fit, likeness calibrate, likeness train).
 */
enum { LK_LEVELS_MAX = 16 };
typedef struct lk_calibration {
    /* How much likelier a cosine is of one person than of two: doubt + (1 - doubt) exp(slope cosine +
     * intercept). doubt: the share of pairs of one person that look like strangers, wrong labels among them.
     */
    double slope, intercept, doubt;
    /* The lowest cosine with at most that FAR (share of pairs of two people at or above it), measured: FAR
     * falling, cosine rising. */
    size_t levels;
    struct {
        double far, cosine;
    } level[LK_LEVELS_MAX];
    /* Below the last level's FAR it is extrapolated: cosines of two people above that level's exceed it as a
     * generalised Pareto distribution does. tail_scale 0: not known. */
    double tail_scale, tail_shape;
    /* How far a vector can be trusted, by its length before it is scaled to 1: both rising. None: not known.
     */
    size_t knots;
    struct {
        double length, quality;
    } knot[LK_LEVELS_MAX];
    size_t people, photos, pairs_same, pairs_different; /* that it was fitted on */
} lk_calibration;

/* NULL: the model has none. Valid as long as the model. */
LK_API const lk_calibration *lk_model_calibration(const lk_model *model);
/* Write the model again, atomically, with another calibration: its arrays and so its fingerprint stay as they
 * are. The people (folder names) it was fitted on join those that lk_model_trained_on knows, if the model
 * tells: they are no test of it any more. INVALID: numbers that no calibration has. */
LK_API lk_status lk_model_write_calibrated(const lk_model *model, const lk_calibration *calibration,
                                           const char *const *people, size_t count, const char *path,
                                           lk_error *err);
/* The probability of one person, `prior` being what it was before anybody looked (0 < prior < 1). */
LK_API double lk_calibration_probability(const lk_calibration *calibration, double cosine, double prior);
/* The threshold with this FAR. *extrapolated (may be NULL): no such pair was seen, the tail says so. NaN: it
 * cannot be said (a FAR above the first level's; no tail). */
LK_API double lk_calibration_threshold(const lk_calibration *calibration, double far, bool *extrapolated);
/* The FAR of a threshold, likewise. NaN: more than the first level's, or not known. */
LK_API double lk_calibration_far(const lk_calibration *calibration, double cosine, bool *extrapolated);
/* The threshold at which a stranger is taken for somebody in a gallery of so many photos with a probability
 * of at most fpir (docs/metrics.md); and the FPIR of a threshold. */
LK_API double lk_calibration_gallery_threshold(const lk_calibration *calibration, size_t photos, double fpir,
                                               bool *extrapolated);
LK_API double lk_calibration_gallery_fpir(const lk_calibration *calibration, size_t photos, double cosine,
                                          bool *extrapolated);

/* 0..1, by the length that lk_embedder_embed_lengths gave: the median cosine to expect with the person's
 * other photos. It predicts which vectors fail. NaN: not known. */
LK_API double lk_calibration_quality(const lk_calibration *calibration, double length);

/* ---- embedding ------------------------------------------------------------------------------------ */

/* What activations are kept in and multiplied as; weights on disk are f32 always. bf16 (bfloat16: 8 bits of
 * mantissa) is about twice as fast where the processor has AVX512_BF16; vectors of both agree to a cosine of
 * about 0.999. */
typedef enum lk_precision { LK_PRECISION_F32, LK_PRECISION_BF16 } lk_precision;

/* Scratch memory for up to `max_batch` images at a time (1 to 2048) on `threads` threads (0: all cores). The
 * model must outlive it. Vectors of one photo agree to rounding whatever batch it is in. INVALID: a batch, or
 * bf16 on a processor without AVX512_BF16. */
LK_API lk_status lk_embedder_new(const lk_model *model, int max_batch, int threads, lk_precision precision,
                                 lk_embedder **out, lk_error *err);
LK_API void lk_embedder_free(lk_embedder *embedder);
/* Photos in, unit vectors (count, dim) out. `crop` NULL: the model's own. Any count; larger than max_batch is
 * done in parts. The vector of an image and that of its mirror image are averaged, as is usual at test time.
 */
LK_API lk_status lk_embedder_embed(lk_embedder *embedder, const lk_image *const *images, size_t count,
                                   const lk_crop *crop, float *vectors, lk_error *err);
/* The same, and how long each vector was before it was scaled to 1 (count; the mean of the photo's and its
 * mirror image's): for lk_calibration_quality. It costs nothing more. */
LK_API lk_status lk_embedder_embed_lengths(lk_embedder *embedder, const lk_image *const *images, size_t count,
                                           const lk_crop *crop, float *vectors, float *lengths,
                                           lk_error *err);

/* ---- faces in photos ----------------------------------------------------------------------------- */

typedef struct lk_point {
    float x, y;
} lk_point;

/* The five points of a face, as one sees them in the photo: the eye on the left, the eye on the right, the
 * tip of the nose, the corner of the mouth on the left, that on the right. */
enum { LK_FACE_POINTS = 5 };

typedef struct lk_face {
    float x, y, width, height; /* box from brow to chin, pixels of the photo; may reach over its border */
    lk_point point[LK_FACE_POINTS];
    float confidence; /* 0..1, that this is a face */
    float quality; /* 0..1, how well it can be recognised: size, sharpness, light, pose (docs/metrics.md) */
} lk_face;

typedef struct lk_detector lk_detector;

typedef struct lk_detect_options {
    int size;     /* photos whose longer side has more pixels are shrunk to it before the net looks; faces
                     down to about 16 pixels are then found. 64 to 4096 */
    int min_face; /* faces whose box is narrower than this many pixels of the photo are left out */
    double confidence; /* faces of less are left out */
    int threads;       /* 0: all cores */
    lk_precision precision;
} lk_detect_options;
/* size 640, min_face 0, confidence the model's own, threads 1, f32. */
LK_API lk_detect_options lk_detect_options_default(const lk_model *model);

/* A detector made from a model that finds faces (lk_model_open; INVALID for any other). It holds scratch
 * memory and belongs to one thread at a time; many may share the model, which must outlive them. */
LK_API lk_status lk_detector_new(const lk_model *model, const lk_detect_options *options, lk_detector **out,
                                 lk_error *err);
LK_API void lk_detector_free(lk_detector *detector);
/* The faces in a photo, widest box first. `faces` has room for `capacity`; the most confident are kept where
 * there are more. None is no error: *count is 0. */
LK_API lk_status lk_detector_find(lk_detector *detector, const lk_image *photo, lk_face *faces,
                                  size_t capacity, size_t *count, lk_error *err);

/* Cut a face out upright, (height, width, 3): the similarity transform (turn, scale, shift; least squares,
 * Umeyama 1991) that brings its five points closest to the template of aligned faces (docs/formats.md). The
 * one alignment in training and in use. room: the template fills 1 / room of the width and height, 1 for what
 * a net is given. INVALID: points that are not finite, or all in one place; room below 1. */
LK_API lk_status lk_image_align(const lk_image *photo, const lk_point points[LK_FACE_POINTS], double room,
                                int width, int height, lk_image **out, lk_error *err);

/* The same for a model's net, of its input's size: the template's square, or what an imported model wants to
 * see around it (metadata 'view', docs/formats.md). INVALID too for a model that is not aligned. */
LK_API lk_status lk_model_align(const lk_model *model, const lk_image *photo,
                                const lk_point points[LK_FACE_POINTS], lk_image **out, lk_error *err);
/* And in a photo whose part `aligned` is a face that was aligned already. */
LK_API lk_crop lk_model_view(const lk_model *model, const lk_image *photo, lk_crop aligned);
/* The square around a face's box, its side `room` times the longer one of the box. */
LK_API lk_crop lk_face_square(const lk_face *face, double room);
/* The face as the model's net wants it: aligned, or for a model of loose photos the square around its box. */
LK_API lk_status lk_face_cut(const lk_model *model, const lk_image *photo, const lk_face *face,
                             lk_image **out, lk_error *err);

/* ---- vectors ------------------------------------------------------------------------------------ */

LK_API double lk_cosine(const float *a, const float *b, int dim);
LK_API double lk_l2(const float *a, const float *b, int dim);

#ifdef __cplusplus
}
#endif
#endif
