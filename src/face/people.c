/* people.c: the frame in which synthetic people are fitted and drawn. */
#include "face/people.h"

#include <math.h>

const char *const lk__parity_name[2] = {"even", "odd"};
const char *const lk__part_names[LK__PARTS] = {"coarse", "detail", "shape"};

float lk__face_weight(double x, double y) {
    /* The face of a photo aligned as CelebA's: eyes 25 apart at row 55, chin near row 91. */
    double u = (x - 43.5) / 29, v = (y - 61) / 36, r = sqrt(u * u + v * v);
    if (r <= 0.85) return 1;
    if (r >= 1.35) return 0;
    double t = (r - 0.85) / 0.5;
    return (float)(1 - t * t * (3 - 2 * t));
}

void lk__grid_at(const float *grid, double x, double y, double *dx, double *dy) {
    double gx = (x - 43.5) / LK__GRID_STEP + 6, gy = (y - 53.5) / LK__GRID_STEP + 7;
    gx = gx < 0 ? 0 : gx > LK__GRID_W - 1 ? LK__GRID_W - 1 : gx;
    gy = gy < 0 ? 0 : gy > LK__GRID_H - 1 ? LK__GRID_H - 1 : gy;
    int ix = gx < LK__GRID_W - 2 ? (int)gx : LK__GRID_W - 2,
        iy = gy < LK__GRID_H - 2 ? (int)gy : LK__GRID_H - 2;
    double u = gx - ix, v = gy - iy, a = (1 - u) * (1 - v), b = u * (1 - v), c = (1 - u) * v, d = u * v;
    const float *p = grid + 2 * (iy * LK__GRID_W + ix), *q = p + 2 * LK__GRID_W;
    *dx = a * (double)p[0] + b * (double)p[2] + c * (double)q[0] + d * (double)q[2];
    *dy = a * (double)p[1] + b * (double)p[3] + c * (double)q[1] + d * (double)q[3];
}

void lk__coarse_up(const float *coarse, int channels, int channel, float *frame) {
    for (int y = 0; y < LK__FRAME_H; y++) {
        /* Frame row y lies a quarter of a coarse row above or below coarse row y / 2. */
        int j = y / 2, k = y % 2 ? j + 1 : j - 1;
        k = k < 0 ? 0 : k >= LK__COARSE_H ? LK__COARSE_H - 1 : k;
        const float *near = coarse + j * LK__COARSE_W * channels + channel;
        const float *far = coarse + k * LK__COARSE_W * channels + channel;
        float row[LK__COARSE_W];
        for (int i = 0; i < LK__COARSE_W; i++)
            row[i] = 0.75f * near[i * channels] + 0.25f * far[i * channels];
        float *to = frame + y * LK__FRAME_W;
        for (int i = 0; i < LK__COARSE_W; i++) {
            int left = i > 0 ? i - 1 : 0, right = i + 1 < LK__COARSE_W ? i + 1 : i;
            to[2 * i] = 0.75f * row[i] + 0.25f * row[left];
            to[2 * i + 1] = 0.75f * row[i] + 0.25f * row[right];
        }
    }
}
