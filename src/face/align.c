/* align.c: five points of a face to an upright crop of it. Between the detector (or the labels of a data set)
 * and the net, the same in training and in use: a net that always finds the eyes in one place need not learn
 * where they may be.
 *
 * The template is that of the field (Deng et al. 2019, ArcFace: 112 x 112), made symmetric, a seventh larger
 * and a little higher: the crop ends at the chin and in the hair line, so that tight photos rarely run out.
 */
#include "face/detect.h"
#include "image/image.h"

#include <math.h>

/* Shares of the crop's width and height, in the order of lk_face.point. */
static const double TEMPLATE[LK_FACE_POINTS][2] = {
    {0.319, 0.375}, {0.681, 0.375}, {0.5, 0.58}, {0.35, 0.79}, {0.65, 0.79}};

void lk__align_places(double room, int width, int height, double place[LK_FACE_POINTS][2]) {
    for (int i = 0; i < LK_FACE_POINTS; i++) { /* from shares to centres of pixels */
        place[i][0] = (0.5 + (TEMPLATE[i][0] - 0.5) / room) * width - 0.5;
        place[i][1] = (0.5 + (TEMPLATE[i][1] - 0.5) / room) * height - 0.5;
    }
}

lk_status lk__align_map(const lk_point points[LK_FACE_POINTS], double room, int width, int height,
                        double m[6], lk_error *err) {
    double t[LK_FACE_POINTS][2], tx = 0, ty = 0, px = 0, py = 0;
    if (!(room >= 1 && room <= 100))
        return lk__fail(err, LK_INVALID, "align: room %g around the face, 1 to 100 is possible", room);
    lk__align_places(room, width, height, t);
    for (int i = 0; i < LK_FACE_POINTS; i++) {
        if (!(fabsf(points[i].x) < 1e6F && fabsf(points[i].y) < 1e6F))
            return lk__fail(err, LK_INVALID, "align: point %d of the face, (%g, %g), is no place", i + 1,
                            (double)points[i].x, (double)points[i].y);
        tx += t[i][0] / LK_FACE_POINTS;
        ty += t[i][1] / LK_FACE_POINTS;
        px += (double)points[i].x / LK_FACE_POINTS;
        py += (double)points[i].y / LK_FACE_POINTS;
    }
    double along = 0, across = 0, spread = 0;
    for (int i = 0; i < LK_FACE_POINTS; i++) {
        double x = t[i][0] - tx, y = t[i][1] - ty, u = (double)points[i].x - px, v = (double)points[i].y - py;
        along += x * u + y * v;
        across += x * v - y * u;
        spread += x * x + y * y;
    }
    double a = along / spread, b = across / spread;
    if (hypot(a, b) < 1e-6)
        return lk__fail(err, LK_INVALID, "align: the five points of the face are all in one place");
    m[0] = a;
    m[1] = -b;
    m[2] = px - a * tx + b * ty;
    m[3] = b;
    m[4] = a;
    m[5] = py - b * tx - a * ty;
    return LK_OK;
}

lk_status lk_image_align(const lk_image *photo, const lk_point points[LK_FACE_POINTS], double room, int width,
                         int height, lk_image **out, lk_error *err) {
    double map[6];
    if (width < 1 || height < 1)
        return lk__fail(err, LK_INVALID, "align to %d x %d pixels: both sides must be at least 1", width,
                        height);
    lk_status status = lk__align_map(points, room, width, height, map, err);
    return status == LK_OK ? lk__image_warp(photo, map, width, height, out, err) : status;
}

lk_crop lk_face_square(const lk_face *face, double room) {
    double side = room * fmax((double)face->width, (double)face->height);
    /* Boxes are in coordinates of pixel centres, crops begin at a pixel's corner. */
    return (lk_crop){.x = (double)face->x + 0.5 + ((double)face->width - side) / 2,
                     .y = (double)face->y + 0.5 + ((double)face->height - side) / 2,
                     .width = side,
                     .height = side};
}

lk_status lk_face_cut(const lk_model *model, const lk_image *photo, const lk_face *face, lk_image **out,
                      lk_error *err) {
    static const double box_room = 1.2; /* for models of photos that are not aligned */
    int width = lk_model_input_width(model), height = lk_model_input_height(model);
    if (lk_model_aligned(model)) return lk_model_align(model, photo, face->point, out, err);
    return lk_image_crop(photo, lk_face_square(face, box_room), width, height, out, err);
}
