/* export.c: a model to pass on: for other programs as an ONNX graph, with its settings as the file's
 * metadata; or the model itself at half its size. */
#include "face/model.h"
#include "nn/half.h"
#include "nn/onnx.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char description[] =
    "Face embedding. Input 'photo': (N, planes, h, w), the face crop resized to h x w, RGB planes, (value - "
    "127.5) / 127.5. Output 'embedding': (N, dim), vectors of L2 norm 1, whose dot product is the cosine: at "
    "least the metadata's 'threshold' for the same person. The threshold was chosen on the mean of a photo's "
    "vector and its mirror image's, scaled to norm 1 again.";

lk_status lk_model_export_onnx(const lk_model *model, const char *path, lk_error *err) {
    size_t count = lk__tensors_meta_count(model->file), n = 0;
    lk__meta *meta = calloc(count + 1, sizeof *meta);
    if (!meta) return lk__fail_memory(err, (count + 1) * sizeof *meta, path);
    meta[n++] = (lk__meta){"fingerprint", model->fingerprint};
    for (size_t i = 0; i < count; i++) {
        lk__meta own = lk__tensors_meta_at(model->file, i);
        /* "format" is what the file no longer is; a fingerprint is believed only when computed. */
        if (strcmp(own.key, "format") != 0 && strcmp(own.key, "fingerprint") != 0) meta[n++] = own;
    }
    lk_status status = lk__onnx_write(path, &model->spec, &model->weights,
                                      &(lk__onnx_text){.input = "photo",
                                                       .output = "embedding",
                                                       .description = description,
                                                       .meta = meta,
                                                       .meta_count = n},
                                      err);
    free(meta);
    return status;
}

/* ---- half the size -------------------------------------------------------------------------------- */

/* What has several dimensions becomes F16. The rest is a hundredth of a net, and variances have a range that
 * F16 has not. */
static lk_status halve(lk__tensor *t, const char *path, lk_error *err) {
    if (t->dims < 2) return LK_OK;
    const float *values = t->data;
    size_t count = t->bytes / sizeof *values;
    uint16_t *halves = malloc(count * sizeof *halves);
    if (!halves) return lk__fail_memory(err, count * sizeof *halves, path);
    for (size_t i = 0; i < count; i++) {
        halves[i] = lk__half_from_float(values[i]);
        if (isfinite(lk__half_to_float(halves[i]))) continue;
        float value = values[i];
        free(halves);
        return lk__fail(err, LK_TOO_LARGE,
                        "%s: tensor '%s' holds %g, and 65504 is the most that 16 bits hold", path, t->name,
                        (double)value);
    }
    t->dtype = LK__F16;
    t->data = halves; /* to be freed: only what is F16 was made here */
    t->bytes = count * sizeof *halves;
    return LK_OK;
}

lk_status lk_model_export_half(const lk_model *model, const char *path, lk_error *err) {
    size_t own = (size_t)model->weights.count,
           count = own + (model->points ? (size_t)model->points->weights.count : 0),
           notes = lk__tensors_meta_count(model->file);
    lk__tensor *tensors = calloc(count, sizeof *tensors);
    lk__meta *meta = calloc(notes + 1, sizeof *meta);
    lk_status status = LK_OK;
    if (!tensors || !meta) status = lk__fail_memory(err, count * sizeof *tensors, path);
    if (status == LK_OK) {
        lk__weights_tensors(&model->weights, tensors);
        if (model->points) lk__weights_tensors(&model->points->weights, tensors + own);
        for (size_t i = 0; i < notes; i++) meta[i] = lk__tensors_meta_at(model->file, i);
        for (size_t i = 0; i < count && status == LK_OK; i++) status = halve(&tensors[i], path, err);
    }
    if (status == LK_OK) status = lk__tensors_write(path, tensors, count, meta, notes, err);
    for (size_t i = 0; tensors && i < count; i++)
        if (tensors[i].dtype == LK__F16) free((void *)(uintptr_t)tensors[i].data);
    free(tensors);
    free(meta);
    return status;
}
