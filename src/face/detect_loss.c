/* detect_loss.c: which cell answers for which face, and how wrong it is.
 *
 * A face belongs to the scale of its size (cells.c), a little beyond either end to two of them; there to the
 * cells around its middle. Cells further out but still on the face, and those of the neighbouring scales, are
 * asked nothing: whether such a cell says "face" is a matter of taste. All others must say no. Where two
 * faces claim a cell, the one whose middle is nearer has it. */
#include "face/detect_loss.h"

#include <math.h>
#include <string.h>

enum { NOTHING = -1, ANYTHING = -2 };

static const double BETWEEN = 1.2;              /* beyond the ends of a scale's range */
static const double NEIGHBOUR = 1.6;            /* and where its cells are asked nothing */
static const double MIDDLE = 0.22, EDGE = 0.45; /* shares of the box from its middle */
static const double ALPHA = 0.5, WEIGHT_OVERLAP = 0.5, WEIGHT_BOX = 2, WEIGHT_POINT = 1;
static const double BETA_BOX = 0.05, BETA_POINT = 0.02;

static double clamp(double v, double low, double high) {
    return v < low ? low : v > high ? high : v;
}

/* ---- who answers --------------------------------------------------------------------------------- */

/* Distance of a cell from the middle of a face, in shares of the box. */
static double from_middle(const lk_face *f, double x, double y) {
    double dx = fabs(x - ((double)f->x + 0.5 * (double)f->width)) / (double)f->width;
    double dy = fabs(y - ((double)f->y + 0.5 * (double)f->height)) / (double)f->height;
    return fmax(dx, dy);
}

static void claim(const lk__scale *s, const lk__scene *scene, int which, int *place) {
    const lk__label *l = &scene->label[which];
    const lk_face *f = &l->face;
    double size = sqrt((double)f->width * (double)f->height);
    bool mine = !l->ignored && size >= s->least / BETWEEN && size < s->most * BETWEEN;
    bool near = l->ignored || (size >= s->least / NEIGHBOUR && size < s->most * NEIGHBOUR);
    if (!near) return;
    /* At least the cell nearest to the middle. */
    double middle = fmax(MIDDLE, 0.5 * s->stride / fmin((double)f->width, (double)f->height));
    double edge = fmax(l->ignored ? 0.6 : EDGE, middle);
    double reach_x = edge * (double)f->width, reach_y = edge * (double)f->height;
    double cx = (double)f->x + 0.5 * (double)f->width, cy = (double)f->y + 0.5 * (double)f->height;
    int x0 = (int)floor(clamp((cx - reach_x) / s->stride, 0, s->w));
    int y0 = (int)floor(clamp((cy - reach_y) / s->stride, 0, s->h));
    int x1 = (int)ceil(clamp((cx + reach_x) / s->stride, -1, s->w - 1));
    int y1 = (int)ceil(clamp((cy + reach_y) / s->stride, -1, s->h - 1));
    for (int y = y0; y <= y1; y++)
        for (int x = x0; x <= x1; x++) {
            int *at = &place[y * s->w + x];
            double d = from_middle(f, (double)x * s->stride, (double)y * s->stride);
            if (mine && d <= middle) {
                if (*at < 0 ||
                    d < from_middle(&scene->label[*at].face, (double)x * s->stride, (double)y * s->stride))
                    *at = which;
            } else if (d <= edge && *at == NOTHING) {
                *at = ANYTHING;
            }
        }
}

/* ---- how wrong ----------------------------------------------------------------------------------- */

/* Of the logit z with truth `is`; *slope is its derivative. */
static double focal(double z, bool is, double *slope) {
    double p = lk__sigmoid(is ? z : -z); /* of what is true */
    double log_p = -log1p(exp(-clamp(is ? z : -z, -50, 50)));
    double miss = 1 - p;
    double d = ALPHA * miss * miss * (2 * p * log_p - miss);
    *slope = is ? d : -d;
    return -ALPHA * miss * miss * log_p;
}

static double cross_entropy(double z, double truth, double *slope) {
    *slope = lk__sigmoid(z) - truth;
    return fmax(z, 0) - z * truth + log1p(exp(-fabs(z)));
}

/* A cell that answers for a face: where, and how large. */
static void locate(const float *cell, const lk__scale *s, int x, int y, const lk_face *truth, float *gradient,
                   lk__detect_loss *sums) {
    lk_face said;
    double d, stride = s->stride, w = (double)truth->width, h = (double)truth->height;
    lk__cell_face(cell, s, x, y, &said);
    sums->overlap += WEIGHT_OVERLAP * cross_entropy((double)cell[1], lk__overlap(&said, truth), &d);
    gradient[1] = (float)(WEIGHT_OVERLAP * d);

    double centre_x = ((double)said.x + 0.5 * (double)said.width - (double)truth->x) / w - 0.5;
    double centre_y = ((double)said.y + 0.5 * (double)said.height - (double)truth->y) / h - 0.5;
    const double error[4] = {centre_x, centre_y, (double)cell[4] - log(w / (4 * stride)),
                             (double)cell[5] - log(h / (4 * stride))};
    const double slope[4] = {stride / w, stride / h, 1, 1};
    for (int i = 0; i < 4; i++) {
        sums->box += WEIGHT_BOX * lk__smooth(error[i], BETA_BOX, &d);
        gradient[2 + i] = (float)(WEIGHT_BOX * d * slope[i]);
    }
    for (int i = 0; i < LK_FACE_POINTS; i++) {
        double ex = (double)(said.point[i].x - truth->point[i].x) / w;
        double ey = (double)(said.point[i].y - truth->point[i].y) / h;
        sums->points += WEIGHT_POINT * lk__smooth(ex, BETA_POINT, &d);
        gradient[6 + 2 * i] = (float)(WEIGHT_POINT * d * 2 * stride / w);
        sums->points += WEIGHT_POINT * lk__smooth(ey, BETA_POINT, &d);
        gradient[7 + 2 * i] = (float)(WEIGHT_POINT * d * 2 * stride / h);
    }
    sums->cells++;
}

void lk__detect_loss_of(const lk__scales *scales, const float *output, const lk__scene *scene, int *place,
                        float *gradient, lk__detect_loss *sums) {
    for (int k = 0; k < scales->count; k++) {
        const lk__scale *s = &scales->of[k];
        for (int i = 0; i < s->w * s->h; i++) place[i] = NOTHING;
        for (int i = 0; i < scene->count; i++) claim(s, scene, i, place);
        for (int i = 0; i < s->w * s->h; i++) {
            const float *cell = output + s->at + (size_t)LK__CELL * (size_t)i;
            float *slope = gradient + s->at + (size_t)LK__CELL * (size_t)i;
            double d;
            memset(slope, 0, LK__CELL * sizeof *slope);
            if (place[i] == ANYTHING) continue;
            sums->face += focal((double)cell[0], place[i] >= 0, &d);
            slope[0] = (float)d;
            if (place[i] >= 0) locate(cell, s, i % s->w, i / s->w, &scene->label[place[i]].face, slope, sums);
        }
    }
}
