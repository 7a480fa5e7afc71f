/* cells.c: what one cell of a detector's output means (detect.h). */
#include "face/detect.h"

#include <math.h>

/* A scale answers for faces of up to this many strides; the coarsest for some more. */
static const double MOST_STRIDES = 3.5, COARSEST_STRIDES = 5;
/* exp of more is no face. */
static const float MOST_LOG = 6;

lk_status lk__scales_of(const lk__spec *spec, lk__scales *out, lk_error *err) {
    lk__scales s = {0};
    size_t at = 0;
    double least = 0;
    for (int i = 0; i < spec->count; i++) {
        const lk__layer *l = &spec->layers[i];
        if (l->kind != LK__OUTPUT) continue;
        /* Layers of stride 2 with padding leave half of the cells, rounded up. */
        int stride = 1;
        while ((spec->w + stride - 1) / stride > l->in_w && stride < 1024) stride *= 2;
        if (l->in_c != LK__CELL || (spec->w + stride - 1) / stride != l->in_w ||
            (spec->h + stride - 1) / stride != l->in_h)
            break;
        s.of[s.count++] = (lk__scale){stride, l->in_w, l->in_h, at, least, MOST_STRIDES * stride};
        at += (size_t)LK__CELL * (size_t)l->in_w * (size_t)l->in_h;
        least = MOST_STRIDES * stride;
    }
    if (spec->c != 3 || s.count == 0 || s.count != spec->outputs)
        return lk__fail(
            err, LK_INVALID,
            "not a detector's net: it must take 3 planes and end in outputs of %d channels, at strides "
            "that are powers of 2",
            LK__CELL);
    s.of[s.count - 1].most = COARSEST_STRIDES * s.of[s.count - 1].stride;
    *out = s;
    return LK_OK;
}

void lk__cell_face(const float *cell, const lk__scale *scale, int column, int row, lk_face *out) {
    float s = (float)scale->stride, x = (float)column * s, y = (float)row * s;
    out->width = 4 * s * expf(fminf(cell[4], MOST_LOG));
    out->height = 4 * s * expf(fminf(cell[5], MOST_LOG));
    out->x = x + s * cell[2] - out->width / 2;
    out->y = y + s * cell[3] - out->height / 2;
    for (int i = 0; i < LK_FACE_POINTS; i++)
        out->point[i] = (lk_point){x + 2 * s * cell[6 + 2 * i], y + 2 * s * cell[7 + 2 * i]};
}

double lk__overlap(const lk_face *a, const lk_face *b) {
    double w = fmin((double)a->x + (double)a->width, (double)b->x + (double)b->width) -
               fmax((double)a->x, (double)b->x);
    double h = fmin((double)a->y + (double)a->height, (double)b->y + (double)b->height) -
               fmax((double)a->y, (double)b->y);
    if (!(w > 0 && h > 0)) return 0;
    return w * h / ((double)a->width * (double)a->height + (double)b->width * (double)b->height - w * h);
}
