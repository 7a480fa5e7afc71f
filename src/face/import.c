/* import.c: dlib's face recognition ResNet (Davis King, 2017; a ResNet-34 with fewer layers and half the
 * filters), as the npm package @vladmandic/face-api ships it for browsers, to a likeness model: a peer to
 * compare with, and a model one can run.
 *
 *   manifest + shard -> arrays (nn/tfjs.c) -> weights of the net "dlib-resnet" (nn/nets.c) -> model file
 *
 * What differs from the original: its vectors are no unit vectors, and two photos closer than 0.6 (L2) show
 * one person. Here vectors have norm 1 as everywhere, so that threshold does not carry over; the one that is
 * written was chosen in this pipeline (docs/formats.md). The affine layer behind each convolution is folded
 * into it, and so is what is done to pixels: the first convolution has no padding, so both fold exactly. */
#include "face/model.h"
#include "nn/tfjs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char NET[] = "dlib-resnet";
static const char MANIFEST[] = "face_recognition_model-weights_manifest.json";

/* The convolutions of the net, in its order, by the names they have in the package. */
#define BLOCK(name) name "/conv1", name "/conv2"
static const char *const convolutions[] = {
    "conv32_down",         BLOCK("conv32_1"),  BLOCK("conv32_2"),        BLOCK("conv32_3"),
    BLOCK("conv64_down"),  BLOCK("conv64_1"),  BLOCK("conv64_2"),        BLOCK("conv64_3"),
    BLOCK("conv128_down"), BLOCK("conv128_1"), BLOCK("conv128_2"),       BLOCK("conv256_down"),
    BLOCK("conv256_1"),    BLOCK("conv256_2"), BLOCK("conv256_down_out")};

static const char SOURCE[] =
    "dlib's face recognition ResNet (Davis King, 2017), from face_recognition_model of npm's "
    "@vladmandic/face-api";

/* Of the pixels that it takes: (value - mean) / 255, red, green, blue. */
static const double MEAN[] = {122.782, 117.001, 104.298};

/* What suits it best here, in accuracy on the validation people of models/face-small.holdout.txt: how much of
 * the photo it sees, and from which cosine on two photos show one person. */
static const char VIEW[] = "1.05 0.1";
static const double THRESHOLD = 0.9075;

/* ---- arrays -------------------------------------------------------------------------------------- */

typedef struct importer {
    const lk__tfjs *from;
    const char *file;
    lk__weights *weights;
    lk_error *err;
} importer;

/* An array of exactly this shape (0: no further dimension); NULL after saying why. */
static const float *array_of(const importer *im, const char *layer, const char *what, const int64_t *shape) {
    char name[80];
    snprintf(name, sizeof name, "%s%s", layer, what);
    const lk__tfjs_array *a = lk__tfjs_find(im->from, name);
    if (!a) {
        lk__fail(im->err, LK_MISMATCH, "%s: no weights '%s': this is not the face_recognition_model",
                 im->file, name);
        return NULL;
    }
    bool same = true;
    int dims = 0;
    for (; dims < 4 && shape[dims]; dims++) same &= dims < a->dims && a->shape[dims] == shape[dims];
    if (same && a->dims == dims) return a->values;
    lk__fail(im->err, LK_MISMATCH, "%s: '%s' is of another shape than in the face_recognition_model",
             im->file, name);
    return NULL;
}

/* (k, k, in, out) to (out, in, k, k), and with it y = s (w x + b) + t. `first`: x is what we take, v in
 * [-1, 1], for (p - mean) / 255 with p = 127.5 v + 127.5. */
static void fold(const lk__layer *l, const float *w, const float *b, const float *s, const float *t,
                 bool first, float *weight, float *bias) {
    size_t k2 = (size_t)(l->kernel * l->kernel), in = (size_t)l->in_c, out = (size_t)l->out_c;
    for (size_t o = 0; o < out; o++) {
        double scale = (double)s[o], sum = (double)b[o];
        for (size_t c = 0; c < in; c++)
            for (size_t i = 0; i < k2; i++) {
                double value = (double)w[(i * in + c) * out + o];
                if (first) sum += value * (127.5 - MEAN[c]) / 255;
                weight[(o * in + c) * k2 + i] = (float)(scale * value * (first ? 0.5 : 1));
            }
        bias[o] = (float)(scale * sum + (double)t[o]);
    }
}

static lk_status take_conv(const importer *im, const lk__spec *spec, int layer, const char *name) {
    const lk__layer *l = &spec->layers[layer];
    const int64_t filters[] = {l->kernel, l->kernel, l->in_c, l->out_c}, channels[] = {l->out_c, 0};
    const float *w = array_of(im, name, "/conv/filters", filters),
                *b = w ? array_of(im, name, "/conv/bias", channels) : NULL,
                *s = b ? array_of(im, name, "/scale/weights", channels) : NULL,
                *t = s ? array_of(im, name, "/scale/biases", channels) : NULL;
    if (!t) return LK_MISMATCH;
    fold(l, w, b, s, t, layer == 0, lk__weights_find(im->weights, layer, "weight")->value,
         lk__weights_find(im->weights, layer, "bias")->value);
    return LK_OK;
}

static lk_status take_linear(const importer *im, const lk__spec *spec, int layer) {
    const lk__layer *l = &spec->layers[layer];
    size_t in = (size_t)l->in_c, out = (size_t)l->out_c;
    const float *w = array_of(im, "fc", "", (int64_t[]){l->in_c, l->out_c, 0});
    if (!w) return LK_MISMATCH;
    float *to = lk__weights_find(im->weights, layer, "weight")->value;
    for (size_t i = 0; i < in * out; i++) to[i % out * in + i / out] = w[i];
    return LK_OK;
}

static lk_status take_all(const importer *im, const lk__spec *spec) {
    lk_status status = LK_OK;
    size_t next = 0;
    if (!lk__tfjs_find(im->from, "conv32_down/conv/filters"))
        return lk__fail(im->err, LK_MISMATCH,
                        "%s: weights of another model: of @vladmandic/face-api the one that embeds faces is "
                        "face_recognition_model (%s)",
                        im->file, MANIFEST);
    for (int i = 0; i < spec->count && status == LK_OK; i++) {
        if (spec->layers[i].kind == LK__CONV) status = take_conv(im, spec, i, convolutions[next++]);
        if (spec->layers[i].kind == LK__LINEAR) status = take_linear(im, spec, i);
    }
    return status;
}

/* ---- files --------------------------------------------------------------------------------------- */

/* The manifest itself, or in the package's folder or its folder of models. */
static lk_status find_manifest(const char *from, char path[4096], lk_error *err) {
    static const char *const places[] = {"", "model/", "node_modules/@vladmandic/face-api/model/"};
    struct stat info;
    bool folder = stat(from, &info) == 0 && S_ISDIR(info.st_mode);
    if (strlen(from) + 100 > 4096) return lk__fail(err, LK_INVALID, "%.100s...: too long a path", from);
    snprintf(path, 4096, "%s", from);
    if (!folder) return LK_OK;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(path, 4096, "%s/%s%s", from, places[i], MANIFEST);
        if (stat(path, &info) == 0) return LK_OK;
    }
    return lk__fail(err, LK_NOT_FOUND,
                    "%s: no %s in this folder: give that of the npm package @vladmandic/face-api", from,
                    MANIFEST);
}

lk_status lk_model_import(const char *from, const char *path, lk_error *err) {
    static const lk__meta notes[] = {{"view", VIEW}, {"source", SOURCE}};
    char manifest[4096];
    lk__tfjs *arrays = NULL;
    lk__weights weights = {0};
    lk__spec *spec = calloc(1, sizeof *spec);
    if (!spec) return lk__fail_memory(err, sizeof *spec, from);
    lk_status status = find_manifest(from, manifest, err);
    if (status == LK_OK) status = lk__tfjs_read(manifest, &arrays, err);
    if (status == LK_OK) status = lk__spec_parse(NET, spec, err);
    if (status == LK_OK) status = lk__weights_new(spec, false, &weights, err);
    if (status == LK_OK) status = take_all(&(importer){arrays, manifest, &weights, err}, spec);
    if (status == LK_OK)
        status = lk__model_write(path, lk_net_text(NET), &weights, THRESHOLD, (lk_crop){.centre = 1}, true,
                                 notes, sizeof notes / sizeof *notes, err);
    lk__weights_free(&weights);
    lk__tfjs_free(arrays);
    free(spec);
    return status;
}
