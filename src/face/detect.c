/* detect.c: a photo to the faces in it: photo, and smaller copies of it, on one canvas -> net -> cells past
 * the threshold -> one face each.
 *
 * The net is made for one size of canvas at a time, and photos come in any size. So canvases are rounded up
 * to a grid and the nets of the last few sizes are kept: a folder of photos from a few cameras makes each net
 * once. What is left of the canvas is grey (0), as the net has learned it.
 *
 * Neighbouring cells, scales and copies speak of the same face. The most confident one wins (non-maximum
 * suppression), and box and points become the mean of those that agree with it and are nearly as sure:
 * steadier than its own. */
#include "face/detect.h"
#include "face/face.h"
#include "face/points.h"
#include "image/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    GRID = 32,
    NETS = 8,
    LEVELS_MAX = 6,
    GAP = 16,
    CANDIDATES_MAX = 4096,
    SIZE_LEAST = 64,
    SIZE_MOST = 4096
};
static const double SAME_FACE = 0.4, AGREE = 0.6; /* overlaps (IoU) */
/* Who has a say in box and points: nearly as sure as the surest, and the surer the more. */
static const double NEARLY = 0.75, SHARPNESS = 4;
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
    const lk__points *points; /* NULL: no second look */
    lk__net *again;           /* of the second look: a face and its mirror image */
    sized_net nets[NETS];
    uint64_t count;
    double most;         /* largest face that the net knows, pixels of the canvas */
    lk_face *candidates; /* (CANDIDATES_MAX) */
};

/* The photo on the canvas, once a level. */
typedef struct level {
    int x, y, w, h;          /* where, pixels of the canvas */
    double scale_x, scale_y; /* canvas pixels a photo pixel */
} level;

typedef struct layout {
    int w, h, levels; /* canvas */
    level level[LEVELS_MAX];
} layout;

/* ---- life -------------------------------------------------------------------------------------- */

lk_detect_options lk_detect_options_default(const lk_model *model) {
    const char *text = model ? lk_model_metadata(model, "confidence") : NULL;
    double confidence = text ? strtod(text, NULL) : DEFAULT_CONFIDENCE;
    if (!(confidence > 0 && confidence < 1)) confidence = DEFAULT_CONFIDENCE;
    return (lk_detect_options){.size = 640, .confidence = confidence, .threads = 1};
}

lk_status lk__detector_over(const char *net, lk__weights *weights, lk__points *points,
                            const lk_detect_options *options, lk_detector **out, lk_error *err) {
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
        *d = (lk_detector){.text = strdup(net),
                           .weights = weights,
                           .options = *options,
                           .points = points,
                           .most = scales.of[scales.count - 1].most};
        d->candidates = malloc(CANDIDATES_MAX * sizeof *d->candidates);
        if (!d->text || !d->candidates)
            status = lk__fail_memory(err, CANDIDATES_MAX * sizeof(lk_face), "a detector");
    }
    lk__threads_set(options->threads);
    if (status == LK_OK && points)
        status = lk__net_new(&points->spec, &points->weights,
                             &(lk__net_options){.batch = 2, .precision = options->precision}, &d->again, err);
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
    return lk__detector_over(model->net, weights, model->points, &o, out, err);
}

void lk_detector_free(lk_detector *d) {
    if (!d) return;
    for (int i = 0; i < NETS; i++) lk__net_free(d->nets[i].net);
    lk__net_free(d->again);
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

/* Level 0 is the photo, shrunk to the detector's size if it is larger; each further one is a quarter of the
 * one before, and lies in a strip at the foot (or at the side) of it. Enough of them that the net knows a
 * face that fills the photo. */
static layout lay_out(const lk_image *photo, int size, double most) {
    double w = photo->width, h = photo->height, longer = fmax(w, h), shrink = fmin(1, size / longer);
    layout l = {0};
    bool below = w >= h;
    int at = 0;
    for (double scale = shrink; l.levels < LEVELS_MAX; scale /= 4) {
        level *v = &l.level[l.levels++];
        v->w = (int)fmax(1, round(scale * w));
        v->h = (int)fmax(1, round(scale * h));
        v->scale_x = v->w / w;
        v->scale_y = v->h / h;
        if (l.levels > 1) {
            v->x = below ? at : l.level[0].w + GAP;
            v->y = below ? l.level[0].h + GAP : at;
            at += (below ? v->w : v->h) + GAP;
        }
        if (v->x + v->w > l.w) l.w = v->x + v->w;
        if (v->y + v->h > l.h) l.h = v->y + v->h;
        if (scale * longer <= most) break;
    }
    l.w = up(l.w);
    l.h = up(l.h);
    return l;
}

/* image (h, w, 3) to (x, y) of the canvas (3, canvas h, canvas w), values as lk__face_to_planes has them. */
static void paint(const lk_image *image, const layout *l, int at_x, int at_y, float *canvas) {
    size_t plane = (size_t)l->w * (size_t)l->h;
    for (int y = 0; y < image->height; y++) {
        const uint8_t *from = image->pixels + 3 * (size_t)image->width * (size_t)y;
        float *to = canvas + (size_t)l->w * (size_t)(at_y + y) + at_x;
        for (int c = 0; c < 3; c++)
            for (int x = 0; x < image->width; x++)
                to[(size_t)c * plane + (size_t)x] = ((float)from[3 * x + c] - 127.5F) * (1 / 127.5F);
    }
}

/* Each level is shrunk from the one before. */
static lk_status paint_all(const lk_image *photo, const layout *l, float *canvas, lk_error *err) {
    lk_image *held = NULL;
    lk_status status = LK_OK;
    memset(canvas, 0, 3 * (size_t)l->w * (size_t)l->h * sizeof *canvas);
    for (int i = 0; status == LK_OK && i < l->levels; i++) {
        const level *v = &l->level[i];
        const lk_image *from = held ? held : photo;
        if (v->w != from->width || v->h != from->height) {
            lk_image *smaller = NULL;
            status = lk_image_resize(from, v->w, v->h, &smaller, err);
            if (status != LK_OK) break;
            lk_image_free(held);
            held = smaller;
            from = held;
        }
        paint(from, l, v->x, v->y, canvas);
    }
    lk_image_free(held);
    return status;
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

/* The level that a place on the canvas belongs to, NULL between them. */
static const level *level_at(const layout *l, int x, int y) {
    for (int i = 0; i < l->levels; i++) {
        const level *v = &l->level[i];
        if (x >= v->x - GAP / 2 && y >= v->y - GAP / 2 && x < v->x + v->w + GAP / 2 &&
            y < v->y + v->h + GAP / 2)
            return v;
    }
    return NULL;
}

/* From canvas to photo: places from centre to centre of pixels. */
static void to_photo(lk_face *f, const level *v) {
    double sx = 1 / v->scale_x, sy = 1 / v->scale_y, ox = 0.5 * sx - 0.5, oy = 0.5 * sy - 0.5;
    f->x = (float)(((double)f->x - v->x) * sx + ox);
    f->y = (float)(((double)f->y - v->y) * sy + oy);
    f->width = (float)((double)f->width * sx);
    f->height = (float)((double)f->height * sy);
    for (int i = 0; i < LK_FACE_POINTS; i++)
        f->point[i] = (lk_point){(float)(((double)f->point[i].x - v->x) * sx + ox),
                                 (float)(((double)f->point[i].y - v->y) * sy + oy)};
}

/* Every cell that is sure enough, most confident first. */
static size_t gather(lk_detector *d, const sized_net *n, const layout *l, const float *cells) {
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
                if (!(cell[0] >= logit)) continue;
                double sure = sqrt(lk__sigmoid((double)cell[0]) * lk__sigmoid((double)cell[1]));
                const level *v = level_at(l, j * scale->stride, i * scale->stride);
                if (!(sure >= least) || !v) continue;
                if (count == CANDIDATES_MAX) { /* on with the surer half */
                    qsort(d->candidates, count, sizeof *d->candidates, by_confidence);
                    count /= 2;
                    least = (double)d->candidates[count - 1].confidence;
                }
                lk_face *f = &d->candidates[count++];
                f->confidence = (float)sure;
                f->quality = 0;
                lk__cell_face(cell, scale, j, i, f);
                to_photo(f, v);
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
        if (overlap >= AGREE && (double)f->confidence >= NEARLY * (double)best.confidence) {
            const float *numbers = &f->x;
            double share = pow((double)f->confidence, SHARPNESS);
            for (int k = 0; k < NUMBERS; k++) sum[k] += share * (double)numbers[k];
            weight += share;
        }
        if (overlap >= SAME_FACE) f->confidence = 0;
    }
    float *numbers = &best.x;
    for (int k = 0; k < NUMBERS; k++) numbers[k] = (float)(sum[k] / weight);
    return best;
}

/* ---- the second look --------------------------------------------------------------------------- */

/* Points that leave the face are not believed. */
static bool believable(const lk_face *f, const lk_point points[LK_FACE_POINTS]) {
    float most = 0.25F * f->width;
    for (int i = 0; i < LK_FACE_POINTS; i++)
        if (!(hypotf(points[i].x - f->point[i].x, points[i].y - f->point[i].y) <= most)) return false;
    return true;
}

static lk_status look_again(lk_detector *d, const lk_image *photo, lk_face *face, lk_error *err) {
    int side = d->points->spec.w;
    size_t plane = 3 * (size_t)side * (size_t)side;
    double m[6];
    lk_image *crop = NULL;
    if (lk__align_map(face->point, LK__POINTS_ROOM, side, side, m, NULL) != LK_OK) return LK_OK;
    lk_status status = lk__image_warp(photo, m, side, side, &crop, err);
    if (status != LK_OK) return status;
    for (int i = 0; i < 2; i++) lk__face_to_planes(crop, i == 1, lk__net_input(d->again) + (size_t)i * plane);
    lk_image_free(crop);
    const float *said = lk__net_forward(d->again);
    lk_point point[2][LK_FACE_POINTS], better[LK_FACE_POINTS];
    for (int i = 0; i < 2; i++) lk__points_decode(said + (ptrdiff_t)i * 2 * LK_FACE_POINTS, side, point[i]);
    lk__points_mirror(point[1], side);
    for (int i = 0; i < LK_FACE_POINTS; i++) {
        double x = 0.5 * (double)(point[0][i].x + point[1][i].x),
               y = 0.5 * (double)(point[0][i].y + point[1][i].y);
        better[i] = (lk_point){(float)(m[0] * x + m[1] * y + m[2]), (float)(m[3] * x + m[4] * y + m[5])};
    }
    if (believable(face, better)) memcpy(face->point, better, sizeof better);
    return LK_OK;
}

lk_status lk_detector_find(lk_detector *d, const lk_image *photo, lk_face *faces, size_t capacity,
                           size_t *count, lk_error *err) {
    layout l = lay_out(photo, d->options.size, d->most);
    sized_net *n = NULL;
    lk__threads_set(d->options.threads);
    lk_status status = net_for(d, l.w, l.h, &n, err);
    if (status == LK_OK) status = paint_all(photo, &l, lk__net_input(n->net), err);
    if (status != LK_OK) return status;
    size_t candidates = gather(d, n, &l, lk__net_forward(n->net)), found = 0;
    for (size_t i = 0; i < candidates && found < capacity; i++) {
        if (d->candidates[i].confidence <= 0) continue;
        lk_face face = merge(&d->candidates[i], candidates - i);
        if (face.width < (float)d->options.min_face) continue;
        if (d->again) status = look_again(d, photo, &face, err);
        if (status != LK_OK) return status;
        face.quality = lk__face_quality(photo, &face);
        faces[found++] = face;
    }
    if (found > 1) qsort(faces, found, sizeof *faces, by_width);
    *count = found;
    return LK_OK;
}
