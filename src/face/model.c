/* model.c: a model file to a model and back. The file is safetensors: one tensor a param, and in its metadata
 * the net as text, the threshold, the crop and whatever the trainer noted (docs/formats.md). */
#include "face/model.h"
#include "face/detect.h"
#include "image/image.h"
#include "face/points.h"
#include "likeness/train.h"

#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static const char ALIGNED[] = "five-points";
static const char FORMAT[] = "likeness-model-1", NORMALISATION[] = "(value - 127.5) / 127.5, RGB planes";

const char *lk__net_text_of(const char *name_or_text) {
    const char *ready = lk_net_text(name_or_text);
    return ready ? ready : name_or_text;
}

/* SHA-256 over the net's text and all weights in order, little-endian as they lie on this machine. */
static void fingerprint(const lk_model *m, char out[65]) {
    crypto_hash_sha256_state state;
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, (const unsigned char *)m->net, strlen(m->net));
    crypto_hash_sha256_update(&state, (const unsigned char *)m->weights.values,
                              m->weights.total * sizeof(float));
    if (m->points)
        crypto_hash_sha256_update(&state, (const unsigned char *)m->points->weights.values,
                                  m->points->weights.total * sizeof(float));
    crypto_hash_sha256_final(&state, hash);
    sodium_bin2hex(out, 65, hash, sizeof hash);
}

static lk_status read_points(lk_model *m, const char *path, lk_error *err) {
    const char *net = lk__tensors_meta(m->file, "points_net");
    lk_error why;
    if (!net) return LK_OK;
    lk_status status = lk__points_new(net, false, &m->points, &why);
    if (status != LK_OK)
        return lk__fail(err, status == LK_NO_MEMORY ? status : LK_FORMAT, "%s: metadata 'points_net': %s",
                        path, why.message);
    return lk__weights_read(&m->points->weights, m->file, path, err);
}

/* "ROOM DOWN". */
static lk_status read_view(lk_model *m, const char *path, lk_error *err) {
    const char *view = lk__tensors_meta(m->file, "view");
    char *end = NULL;
    m->room = 1;
    if (!view) return LK_OK;
    m->room = strtod(view, &end);
    bool sound = *end == ' ';
    m->down = sound ? strtod(end, &end) : NAN;
    if (sound && !*end && m->room >= 1 && m->room <= 100 && fabs(m->down) <= 1) return LK_OK;
    return lk__fail(err, LK_FORMAT,
                    "%s: metadata 'view': '%.40s' is no room from 1 to 100 and shift from -1 to 1", path,
                    view);
}

static lk_status read_settings(lk_model *m, const char *path, lk_error *err) {
    const char *format = lk__tensors_meta(m->file, "format"), *net = lk__tensors_meta(m->file, "net");
    const char *threshold = lk__tensors_meta(m->file, "threshold"), *crop = lk__tensors_meta(m->file, "crop");
    if (!format || strcmp(format, FORMAT) != 0 || !net)
        return lk__fail(err, LK_FORMAT,
                        "%s: a safetensors file, but no likeness model (metadata 'format' is not '%s')", path,
                        FORMAT);
    lk_error why;
    m->net = strdup(net);
    if (!m->net) return lk__fail_memory(err, strlen(net), path);
    lk_status status = lk__spec_parse(net, &m->spec, &why);
    if (status != LK_OK)
        return lk__fail(err, status == LK_INVALID ? LK_FORMAT : status, "%s: %s", path, why.message);
    char *end = NULL;
    m->threshold = threshold ? strtod(threshold, &end) : NAN;
    if (threshold && (*end || end == threshold || !(m->threshold >= -1 && m->threshold <= 1)))
        return lk__fail(err, LK_FORMAT, "%s: metadata 'threshold' is no cosine: '%.40s'", path, threshold);
    m->crop = (lk_crop){.centre = 1};
    if (crop && lk_crop_parse(crop, &m->crop, &why) != LK_OK)
        return lk__fail(err, LK_FORMAT, "%s: metadata 'crop': %s", path, why.message);
    const char *calibration = lk__tensors_meta(m->file, lk__calibration_key);
    m->calibrated = calibration != NULL;
    status = calibration ? lk__calibration_parse(calibration, path, &m->calibration, err) : LK_OK;
    return status == LK_OK ? read_view(m, path, err) : status;
}

lk_status lk_model_open(const char *path, lk_model **out, lk_error *err) {
    lk_model *m = calloc(1, sizeof *m);
    if (!m) return lk__fail_memory(err, sizeof *m, path);
    lk_status status = lk__tensors_read(path, &m->file, err);
    if (status == LK_OK) status = read_settings(m, path, err);
    if (status == LK_OK) status = lk__weights_new(&m->spec, false, &m->weights, err);
    if (status == LK_OK) status = lk__weights_read(&m->weights, m->file, path, err);
    if (status == LK_OK) status = read_points(m, path, err);
    if (status == LK_MISMATCH) status = lk__fail(err, LK_FORMAT, "%s", err ? err->message : path);
    if (status != LK_OK) {
        lk_model_free(m);
        return status;
    }
    fingerprint(m, m->fingerprint);
    *out = m;
    return LK_OK;
}

void lk_model_free(lk_model *model) {
    if (!model) return;
    lk__weights_free(&model->weights);
    lk__points_free(model->points);
    lk__tensors_free(model->file);
    free(model->net);
    free(model);
}

int lk_model_dim(const lk_model *model) {
    return model->spec.outputs ? 0 : model->spec.dim; /* a detector has no vectors */
}
int lk_model_input_width(const lk_model *model) {
    return model->spec.w;
}
int lk_model_input_height(const lk_model *model) {
    return model->spec.h;
}
size_t lk_model_parameters(const lk_model *model) {
    return model->weights.total + (model->points ? model->points->weights.total : 0);
}
const char *lk_model_fingerprint(const lk_model *model) {
    return model->fingerprint;
}
double lk_model_threshold(const lk_model *model) {
    return model->threshold;
}
lk_crop lk_model_crop(const lk_model *model) {
    return model->crop;
}
bool lk_model_aligned(const lk_model *model) {
    const char *alignment = lk__tensors_meta(model->file, "alignment");
    return alignment && strcmp(alignment, ALIGNED) == 0;
}

/* ---- faces as the net wants them ------------------------------------------------------------------ */

lk_status lk_model_align(const lk_model *model, const lk_image *photo, const lk_point points[LK_FACE_POINTS],
                         lk_image **out, lk_error *err) {
    int width = model->spec.w, height = model->spec.h;
    double m[6],
        rows = model->down * height / model->room; /* of the crop, that its centre lies further down */
    if (!lk_model_aligned(model))
        return lk__fail(err, LK_INVALID, "align: this model was not made for aligned faces");
    lk_status status = lk__align_map(points, model->room, width, height, m, err);
    if (status != LK_OK) return status;
    m[2] += m[1] * rows;
    m[5] += m[4] * rows;
    return lk__image_warp(photo, m, width, height, out, err);
}

lk_crop lk_model_view(const lk_model *model, const lk_image *photo, lk_crop aligned) {
    int width = lk_image_width(photo), height = lk_image_height(photo);
    double side = aligned.centre * (width < height ? width : height);
    if (model->room <= 1 && !(fabs(model->down) > 0)) return aligned;
    if (aligned.centre > 0) aligned = (lk_crop){0, (width - side) / 2, (height - side) / 2, side, side};
    aligned.x -= aligned.width * (model->room - 1) / 2;
    aligned.y -= aligned.height * ((model->room - 1) / 2 - model->down);
    aligned.width *= model->room;
    aligned.height *= model->room;
    return aligned;
}

const char *lk_model_metadata(const lk_model *model, const char *key) {
    return lk__tensors_meta(model->file, key);
}

/* Twelve digits are 48 bits: among 100,000 trained people a name that is none of theirs is taken for one with
 * a chance of 4e-10. */
enum { PERSON_BYTES = 6, PERSON_DIGITS = 2 * PERSON_BYTES };

static int person_compare(const void *digits, const void *entry) {
    return memcmp(digits, entry, PERSON_DIGITS);
}

int lk_model_trained_on(const lk_model *model, const char *person) {
    const char *trained = lk__tensors_meta(model->file, "trained_people");
    size_t length = trained ? strlen(trained) : 0;
    if (!trained || length % PERSON_DIGITS) return -1;
    unsigned char hash[crypto_hash_sha256_BYTES];
    char digits[PERSON_DIGITS + 1];
    crypto_hash_sha256(hash, (const unsigned char *)person, strlen(person));
    sodium_bin2hex(digits, sizeof digits, hash, PERSON_BYTES);
    return bsearch(digits, trained, length / PERSON_DIGITS, PERSON_DIGITS, person_compare) != NULL;
}

lk_status lk__model_write(const char *path, const char *net, const lk__weights *weights, double threshold,
                          lk_crop crop, bool aligned, const lk__meta *notes, size_t note_count,
                          lk_error *err) {
    enum { OWN = 6 };
    lk__tensor *tensors = calloc((size_t)weights->count, sizeof *tensors);
    lk__meta *meta = calloc(OWN + note_count, sizeof *meta);
    char threshold_text[32], crop_text[128];
    lk_status status = LK_OK;
    if (!tensors || !meta) {
        status = lk__fail_memory(err, (size_t)weights->count * sizeof *tensors, path);
    } else {
        lk__weights_tensors(weights, tensors);
        size_t n = 0;
        snprintf(threshold_text, sizeof threshold_text, "%.6f", threshold);
        if (crop.centre > 0)
            snprintf(crop_text, sizeof crop_text, "%g", crop.centre);
        else
            snprintf(crop_text, sizeof crop_text, "%g,%g,%g,%g", crop.x, crop.y, crop.width, crop.height);
        meta[n++] = (lk__meta){"format", FORMAT};
        meta[n++] = (lk__meta){"net", net};
        meta[n++] = (lk__meta){"crop", crop_text};
        meta[n++] = (lk__meta){"normalisation", NORMALISATION};
        meta[n++] = (lk__meta){"alignment", aligned ? ALIGNED : "none"};
        if (isfinite(threshold)) meta[n++] = (lk__meta){"threshold", threshold_text};
        for (size_t i = 0; i < note_count; i++) meta[n++] = notes[i];
        status = lk__tensors_write(path, tensors, (size_t)weights->count, meta, n, err);
    }
    free(tensors);
    free(meta);
    return status;
}

lk_status lk__detector_write(const char *path, const char *net, const lk__weights *weights,
                             const lk__points *points, const lk__meta *notes, size_t note_count,
                             lk_error *err) {
    enum { OWN = 5 };
    size_t own = (size_t)weights->count, all = own + (points ? (size_t)points->weights.count : 0);
    lk__tensor *tensors = calloc(all, sizeof *tensors);
    lk__meta *meta = calloc(OWN + note_count, sizeof *meta);
    lk_status status = LK_OK;
    if (!tensors || !meta) {
        status = lk__fail_memory(err, all * sizeof *tensors, path);
    } else {
        lk__weights_tensors(weights, tensors);
        if (points) lk__weights_tensors(&points->weights, tensors + own);
        size_t n = 0;
        meta[n++] = (lk__meta){"format", FORMAT};
        meta[n++] = (lk__meta){"task", "find faces"};
        meta[n++] = (lk__meta){"net", net};
        if (points) meta[n++] = (lk__meta){"points_net", points->net};
        meta[n++] = (lk__meta){"normalisation", NORMALISATION};
        for (size_t i = 0; i < note_count; i++) meta[n++] = notes[i];
        status = lk__tensors_write(path, tensors, all, meta, n, err);
    }
    free(tensors);
    free(meta);
    return status;
}
