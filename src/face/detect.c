/* detect.c: a photo to the faces in it: shrink -> canvas -> net -> cells past the threshold -> one face each.
 *
 * The net is made for one size of canvas at a time, and photos come in any size. So canvases are rounded up
 * to a grid and the nets of the last few sizes are kept: a folder of photos from a few cameras makes each net
 * once. What is left of the canvas is grey (0), as the net has learned it.
 *
 * Neighbouring cells speak of the same face. The most confident one wins (non-maximum suppression), and box
 * and points become the mean of all that agree with it, weighted by confidence: steadier than the winner's
 * own. */
#include "face/detect.h"
#include "face/face.h"
#include "image/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GRID = 64, NETS = 8, CANDIDATES_MAX = 4096, SIZE_LEAST = 64, SIZE_MOST = 4096 };
static const double SAME_FACE = 0.4, AGREE = 0.6; /* overlaps (IoU) */
static const double DEFAULT_CONFIDENCE = 0.5;

typedef struct sized_net {
    int w, h;
    lk__net *net;
    lk__scales scales;
    uint64_t used; /* when, by the detector's count */
} sized_net;

struct lk_detector {
    char *text;
    lk__weights *weights;
    lk_detect_options options;
    sized_net nets[NETS];
    uint64_t count;
    lk_face *candidates; /* (CANDIDATES_MAX) */
};

/* ---- life -------------------------------------------------------------------------------------- */

lk_detect_options lk_detect_options_default(const lk_model *model) {
    const char *text = model ? lk_model_metadata(model, "confidence") : NULL;
    double confidence = text ? strtod(text, NULL) : DEFAULT_CONFIDENCE;
    if (!(confidence > 0 && confidence < 1)) confidence = DEFAULT_CONFIDENCE;
    return (lk_detect_options){.size = 640, .confidence = confidence, .threads = 1};
}

lk_status lk__detector_over(const char *net, lk__weights *weights, const lk_detect_options *options,
                            lk_detector **out, lk_error *err) {
    lk__spec *spec = malloc(sizeof *spec);
    lk_detector *d = calloc(1, sizeof *d);
    lk__scales scales;
    lk_status status =
        spec && d ? lk__spec_parse(net, spec, err) : lk__fail_memory(err, sizeof *d, "a detector");
    if (status == LK_OK) status = lk__scales_of(spec, &scales, err);
    free(spec);
    if (status == LK_OK && !(options->size >= SIZE_LEAST && options->size <= SIZE_MOST))
        status = lk__fail(err, LK_INVALID, "detector: a size of %d pixels, %d to %d is possible",
                          options->size, SIZE_LEAST, SIZE_MOST);
    if (status == LK_OK && !(options->confidence >= 0 && options->confidence <= 1 && options->threads >= 0))
        status = lk__fail(err, LK_INVALID, "detector: confidence %g (0 to 1 is possible) on %d threads",
                          options->confidence, options->threads);
    if (status == LK_OK) {
        *d = (lk_detector){.text = strdup(net), .weights = weights, .options = *options};
        d->candidates = malloc(CANDIDATES_MAX * sizeof *d->candidates);
        if (!d->text || !d->candidates)
            status = lk__fail_memory(err, CANDIDATES_MAX * sizeof(lk_face), "a detector");
    }
    if (status != LK_OK) {
        lk_detector_free(d);
        return status;
    }
    *out = d;
    return LK_OK;
}

lk_status lk_detector_new(const lk_model *model, const lk_detect_options *options, lk_detector **out,
                          lk_error *err) {
    lk_detect_options o = options ? *options : lk_detect_options_default(model);
    /* A net for inference reads weights only; lk__weights is not const because training shares the type. */
    lk__weights *weights = &((lk_model *)(uintptr_t)model)->weights;
    if (!model->spec.outputs)
        return lk__fail(err, LK_INVALID,
                        "this model embeds faces and does not find them: a detector is needed");
    return lk__detector_over(model->net, weights, &o, out, err);
}

void lk_detector_free(lk_detector *d) {
    if (!d) return;
    for (int i = 0; i < NETS; i++) lk__net_free(d->nets[i].net);
    free(d->candidates);
    free(d->text);
    free(d);
}

/* The net for a canvas; the one not used for longest makes room. */
static lk_status net_for(lk_detector *d, int w, int h, sized_net **out, lk_error *err) {
    sized_net *place = &d->nets[0];
    d->count++;
    for (int i = 0; i < NETS; i++) {
        sized_net *n = &d->nets[i];
        if (n->net && n->w == w && n->h == h) {
            n->used = d->count;
            *out = n;
            return LK_OK;
        }
        if (n->used < place->used) place = n;
    }
    lk__spec *spec = malloc(sizeof *spec);
    if (!spec) return lk__fail_memory(err, sizeof *spec, "a detector");
    sized_net made = {.w = w, .h = h, .used = d->count};
    lk_status status = lk__spec_parse_sized(d->text, w, h, spec, err);
    if (status == LK_OK) status = lk__scales_of(spec, &made.scales, err);
    if (status == LK_OK)
        status =
            lk__net_new(spec, d->weights, &(lk__net_options){.batch = 1, .precision = d->options.precision},
                        &made.net, err);
    free(spec);
    if (status != LK_OK) return status;
    lk__net_free(place->net);
    *place = made;
    *out = place;
    return LK_OK;
}

/* ---- canvas ------------------------------------------------------------------------------------ */

static int up(int value) {
    return (value + GRID - 1) / GRID * GRID;
}

/* photo (h, w, 3) to the top left of the canvas (3, canvas_h, canvas_w), values as lk__face_to_planes has
 * them. */
static void paint(const lk_image *photo, int canvas_w, int canvas_h, float *canvas) {
    size_t plane = (size_t)canvas_w * (size_t)canvas_h;
    memset(canvas, 0, 3 * plane * sizeof *canvas);
    for (int y = 0; y < photo->height; y++) {
        const uint8_t *from = photo->pixels + 3 * (size_t)photo->width * (size_t)y;
        float *to = canvas + (size_t)canvas_w * (size_t)y;
        for (int c = 0; c < 3; c++)
            for (int x = 0; x < photo->width; x++)
                to[(size_t)c * plane + (size_t)x] = ((float)from[3 * x + c] - 127.5F) * (1 / 127.5F);
    }
}

/* ---- from cells to faces ----------------------------------------------------------------------- */

static int by_confidence(const void *a, const void *b) {
    const lk_face *f = a, *g = b;
    if (f->confidence != g->confidence) return f->confidence < g->confidence ? 1 : -1;
    return f->y != g->y ? (f->y < g->y ? -1 : 1) : (f->x > g->x) - (f->x < g->x);
}

static int by_width(const void *a, const void *b) {
    const lk_face *f = a, *g = b;
    return f->width != g->width ? (f->width < g->width ? 1 : -1) : by_confidence(a, b);
}

/* Every cell that is sure enough, most confident first. */
static size_t gather(lk_detector *d, const sized_net *n, const float *cells) {
    size_t count = 0;
    double least = d->options.confidence;
    /* confidence = sqrt(face IoU) <= sqrt(face): a first look at one number. */
    float logit = least > 0 && least < 1 ? (float)log(least * least / (1 - least * least))
                  : least > 0            ? 50
                                         : -50;
    for (int s = 0; s < n->scales.count; s++) {
        const lk__scale *scale = &n->scales.of[s];
        const float *cell = cells + scale->at;
        for (int i = 0; i < scale->h; i++)
            for (int j = 0; j < scale->w; j++, cell += LK__CELL) {
                if (!(cell[0] >= logit) || count == CANDIDATES_MAX) continue;
                double sure = sqrt(lk__sigmoid((double)cell[0]) * lk__sigmoid((double)cell[1]));
                if (!(sure >= least)) continue;
                lk_face *f = &d->candidates[count++];
                f->confidence = (float)sure;
                f->quality = 0;
                lk__cell_face(cell, scale, j, i, f);
            }
    }
    qsort(d->candidates, count, sizeof *d->candidates, by_confidence);
    return count;
}

/* The winner becomes the mean of those that agree; all that speak of it are struck out (confidence 0). */
static lk_face merge(lk_face *winner, size_t count) {
    enum { NUMBERS = 4 + 2 * LK_FACE_POINTS }; /* box and points, floats side by side */
    lk_face best = *winner;
    double sum[NUMBERS] = {0}, weight = 0;
    for (size_t i = 0; i < count; i++) {
        lk_face *f = &winner[i];
        if (f->confidence <= 0) continue;
        double overlap = lk__overlap(&best, f);
        if (overlap >= AGREE) {
            const float *numbers = &f->x;
            for (int k = 0; k < NUMBERS; k++) sum[k] += (double)f->confidence * (double)numbers[k];
            weight += (double)f->confidence;
        }
        if (overlap >= SAME_FACE) f->confidence = 0;
    }
    float *numbers = &best.x;
    for (int k = 0; k < NUMBERS; k++) numbers[k] = (float)(sum[k] / weight);
    return best;
}

/* From canvas to photo. */
static lk_face unscale(lk_face f, double scale) {
    float s = (float)(1 / scale), o = 0.5F * s - 0.5F; /* centres of pixels to centres of pixels */
    f.x = f.x * s + o;
    f.y = f.y * s + o;
    f.width *= s;
    f.height *= s;
    for (int i = 0; i < LK_FACE_POINTS; i++)
        f.point[i] = (lk_point){f.point[i].x * s + o, f.point[i].y * s + o};
    return f;
}

lk_status lk_detector_find(lk_detector *d, const lk_image *photo, lk_face *faces, size_t capacity,
                           size_t *count, lk_error *err) {
    int longer = photo->width > photo->height ? photo->width : photo->height;
    double scale = longer > d->options.size ? (double)d->options.size / longer : 1;
    int w = photo->width, h = photo->height;
    if (scale < 1) {
        w = (int)fmax(1, round(scale * w));
        h = (int)fmax(1, round(scale * h));
    }
    sized_net *n = NULL;
    lk_image *small = NULL;
    lk__threads_set(d->options.threads);
    lk_status status = scale < 1 ? lk_image_resize(photo, w, h, &small, err) : LK_OK;
    if (status == LK_OK) status = net_for(d, up(w), up(h), &n, err);
    if (status != LK_OK) {
        lk_image_free(small);
        return status;
    }
    paint(small ? small : photo, up(w), up(h), lk__net_input(n->net));
    lk_image_free(small);
    size_t candidates = gather(d, n, lk__net_forward(n->net)), found = 0;
    for (size_t i = 0; i < candidates && found < capacity; i++) {
        if (d->candidates[i].confidence <= 0) continue;
        lk_face face = unscale(merge(&d->candidates[i], candidates - i), scale);
        if (face.width < (float)d->options.min_face) continue;
        face.quality = lk__face_quality(photo, &face);
        faces[found++] = face;
    }
    qsort(faces, found, sizeof *faces, by_width);
    *count = found;
    return LK_OK;
}
