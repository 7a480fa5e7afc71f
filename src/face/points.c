/* points.c: where exactly are eyes, nose and mouth? The detector's cells see a face at any size and turn and
 * say it roughly. Once it is found, it can be looked at upright, at one size: a small net that knows only
 * that says it twice as well (as the later stages of MTCNN do, Zhang et al. 2016), for a hundredth of the
 * work.
 *
 * The face and its mirror image are asked, and both answers averaged. */
#include "face/points.h"
#include "face/detect.h"

#include <stdlib.h>
#include <string.h>

enum { NUMBERS = 2 * LK_FACE_POINTS };

/* Names of weights have 32 bytes. */
static void prefix_names(lk__weights *w) {
    for (int i = 0; i < w->count; i++) {
        char name[sizeof w->items[i].name];
        memcpy(name, w->items[i].name, sizeof name);
        snprintf(w->items[i].name, sizeof name, "points.%.*s", (int)(sizeof name - sizeof "points."), name);
    }
}

lk_status lk__points_new(const char *net, bool with_grad, lk__points **out, lk_error *err) {
    lk__points *p = calloc(1, sizeof *p);
    if (!p) return lk__fail_memory(err, sizeof *p, "a detector");
    p->net = strdup(net);
    lk_status status =
        p->net ? lk__spec_parse(net, &p->spec, err) : lk__fail_memory(err, strlen(net), "a net");
    if (status == LK_OK &&
        (p->spec.c != 3 || p->spec.w != p->spec.h || p->spec.outputs != 1 || p->spec.dim != NUMBERS))
        status = lk__fail(err, LK_INVALID,
                          "no net for the points of a face: it must take (3, side, side) and end in one "
                          "output of %d numbers",
                          NUMBERS);
    if (status == LK_OK) status = lk__weights_new(&p->spec, with_grad, &p->weights, err);
    if (status != LK_OK) {
        lk__points_free(p);
        return status;
    }
    prefix_names(&p->weights);
    *out = p;
    return LK_OK;
}

void lk__points_free(lk__points *points) {
    if (!points) return;
    lk__weights_free(&points->weights);
    free(points->net);
    free(points);
}

void lk__points_encode(const lk_point points[LK_FACE_POINTS], int side, float ten[NUMBERS]) {
    double place[LK_FACE_POINTS][2];
    lk__align_places(LK__POINTS_ROOM, side, side, place);
    for (int i = 0; i < LK_FACE_POINTS; i++) {
        ten[2 * i] = (float)(((double)points[i].x - place[i][0]) * 4 / side);
        ten[2 * i + 1] = (float)(((double)points[i].y - place[i][1]) * 4 / side);
    }
}

void lk__points_decode(const float ten[NUMBERS], int side, lk_point points[LK_FACE_POINTS]) {
    double place[LK_FACE_POINTS][2];
    lk__align_places(LK__POINTS_ROOM, side, side, place);
    for (int i = 0; i < LK_FACE_POINTS; i++) {
        points[i].x = (float)(place[i][0] + (double)ten[2 * i] * side / 4);
        points[i].y = (float)(place[i][1] + (double)ten[2 * i + 1] * side / 4);
    }
}

void lk__points_mirror(lk_point points[LK_FACE_POINTS], int side) {
    static const int other[LK_FACE_POINTS] = {1, 0, 2, 4, 3};
    lk_point from[LK_FACE_POINTS];
    memcpy(from, points, sizeof from);
    for (int i = 0; i < LK_FACE_POINTS; i++)
        points[i] = (lk_point){(float)(side - 1) - from[other[i]].x, from[other[i]].y};
}
