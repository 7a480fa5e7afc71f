/* quality.c: can this face be recognised? A number in 0..1 from what a photo shows, without a net: the
 * product of five shares, each 1 where more would not help and falling to 0 where a person could not tell
 * either:
 *
 *   size     pixels between the eyes: 10 are too few, 40 enough (ISO/IEC 19794-5 asks for more, of passports)
 *   sharp    how far neighbouring pixels of the aligned face differ against how far the face does altogether
 *   light    the spread of grey values, and none of them burnt out or black
 *   pose     how far the nose is from midway between the eyes, and from midway between eyes and mouth
 *   sure     the detector's confidence
 *
 * Measured on a small aligned crop, so that a large photo costs no more. */
#include "face/detect.h"
#include "image/image.h"

#include <math.h>

enum { SIDE = 48 };

static double share(double value, double none, double all) {
    double s = (value - none) / (all - none);
    return s < 0 ? 0 : s > 1 ? 1 : s;
}

static double pose_of(const lk_face *f) {
    const lk_point *p = f->point;
    double ex = (double)(p[1].x - p[0].x), ey = (double)(p[1].y - p[0].y), eyes = hypot(ex, ey);
    double mouth_x = 0.5 * (double)(p[3].x + p[4].x), mouth_y = 0.5 * (double)(p[3].y + p[4].y);
    double mid_x = 0.5 * (double)(p[0].x + p[1].x), mid_y = 0.5 * (double)(p[0].y + p[1].y);
    double down = hypot(mouth_x - mid_x, mouth_y - mid_y);
    if (eyes < 1e-3 || down < 1e-3) return 0;
    /* The nose, from between the eyes: along the line of the eyes and down towards the mouth. */
    double nx = (double)p[2].x - mid_x, ny = (double)p[2].y - mid_y;
    double side = (nx * ex + ny * ey) / (eyes * eyes);
    double low = (nx * (mouth_x - mid_x) + ny * (mouth_y - mid_y)) / (down * down);
    double turned = share(fabs(side), 0.6, 0.15), tilted = share(fabs(low - 0.5), 0.45, 0.15);
    /* A head turned away brings the eyes together. */
    return turned * tilted * share(eyes / down, 0.3, 0.75);
}

float lk__face_quality(const lk_image *photo, const lk_face *face) {
    lk_image *crop = NULL;
    if (lk_image_align(photo, face->point, 1, SIDE, SIDE, &crop, NULL) != LK_OK) return 0;
    double grey[SIDE][SIDE], mean = 0, spread = 0, edges = 0;
    int burnt = 0, count = SIDE * SIDE;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const uint8_t *p = crop->pixels + 3 * (y * SIDE + x);
            double g = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
            grey[y][x] = g;
            mean += g / count;
            burnt += g < 6 || g > 249;
        }
    lk_image_free(crop);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            spread += (grey[y][x] - mean) * (grey[y][x] - mean) / count;
            if (x > 0) edges += fabs(grey[y][x] - grey[y][x - 1]) / (2.0 * count);
            if (y > 0) edges += fabs(grey[y][x] - grey[y - 1][x]) / (2.0 * count);
        }
    spread = sqrt(spread);
    double dx = (double)(face->point[1].x - face->point[0].x),
           dy = (double)(face->point[1].y - face->point[0].y);
    double size = share(hypot(dx, dy), 6, 36), sharp = share(edges / (spread + 1), 0.02, 0.14);
    double light = share(spread, 6, 28) * share((double)burnt / count, 0.6, 0.1);
    return (float)(pow(size * sharp * light * pose_of(face), 0.5) * (double)face->confidence);
}
