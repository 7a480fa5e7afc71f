/* export.c: a model for other programs: its net as an ONNX graph, its settings as the file's metadata. */
#include "face/model.h"
#include "nn/onnx.h"

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
