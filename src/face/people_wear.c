/* people_wear.c: what a face wears in one photo: skin with grain and moles (a person's own), a beard,
 * glasses, or sunglasses (a photo's). Painted in the frame, where the features of all faces are in the
 * same place, before the pose moves it. */
#include "face/people.h"

#include <math.h>
#include <string.h>

enum { SKIN_STREAM = 0x736b, WEAR_STREAM = 0x7765 };
static const double CHANCE_STUBBLE = 0.45, CHANCE_GLASSES = 0.10, CHANCE_SUNGLASSES = 0.05;
/* Where things are in the frame, in pixels: read off the mean of registered faces. */
static const double MIDDLE = 43.5, EYES = 54, EYE = 12.3, MOUTH = 76.5;

static float clamp_unit(double v) {
    return (float)(v < 0 ? 0 : v > 1 ? 1 : v);
}

/* 0 below a, 1 above b (or the other way round). */
static float ramp(double v, double a, double b) {
    float t = clamp_unit((v - a) / (b - a));
    return t * t * (3 - 2 * t);
}

static double oval(double x, double y, double cx, double cy, double rx, double ry) {
    double u = (x - cx) / rx, v = (y - cy) / ry;
    return sqrt(u * u + v * v);
}

static void paint(float *rgb, const float colour[3], float opacity) {
    for (int c = 0; c < 3; c++) rgb[c] += opacity * (colour[c] - rgb[c]);
}

static float luma_of(const float *rgb) {
    return 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2];
}

/* ---- skin: fixed by the person ------------------------------------------------------------------- */

static void add_skin(lk__face *face, lk__random *random) {
    float grain = (float)lk__random_range(random, 0.002, 0.009);
    float noise[LK__FRAME_H + 1][LK__FRAME_W + 1];
    for (int y = 0; y <= LK__FRAME_H; y++)
        for (int x = 0; x <= LK__FRAME_W; x += 4) {
            uint64_t bits = lk__random_u64(random);
            for (int i = 0; i < 4 && x + i <= LK__FRAME_W; i++)
                noise[y][x + i] = (float)((bits >> (16 * i)) & 0xffff) / 32768 - 1;
        }
    for (int y = 0; y < LK__FRAME_H; y++)
        for (int x = 0; x < LK__FRAME_W; x++) {
            float n = (noise[y][x] + noise[y][x + 1] + noise[y + 1][x] + noise[y + 1][x + 1]) * 0.75f;
            for (int c = 0; c < 3; c++) face->rgb[y][x][c] *= 1 + 2 * grain * n;
        }
    int moles = (int)lk__random_below(random, 3) * (lk__random_unit(random) < 0.5);
    moles += lk__random_unit(random) < 0.12 ? 25 : 0; /* freckles */
    for (int i = 0; i < moles; i++) {
        double x = MIDDLE + lk__random_range(random, -20, 20), y = lk__random_range(random, 40, 86);
        double size = moles > 5 ? 0.6 : lk__random_range(random, 0.6, 1.1), depth = moles > 5 ? 0.14 : 0.4;
        for (int py = (int)y - 3; py <= (int)y + 3; py++)
            for (int px = (int)x - 3; px <= (int)x + 3; px++) {
                double d = oval(px, py, x, y, size, size);
                for (int c = 0; c < 3; c++) face->rgb[py][px][c] *= (float)(1 - depth * exp(-d * d));
            }
    }
}

/* ---- beard --------------------------------------------------------------------------------------- */

typedef enum beard_style { STUBBLE, MOUSTACHE, GOATEE, FULL, BEARD_STYLES } beard_style;

static float beard_at(beard_style style, double x, double y) {
    double u = fabs(x - MIDDLE);
    float lips = ramp(oval(x, y, MIDDLE, MOUTH + 0.5, 10.5, 5), 0.85, 1.15);
    float lip = ramp(y, 67.5, 70) * ramp(y, 74.5, 72) * ramp(u, 12, 8);
    float chin = ramp(y, 80, 83) * ramp(oval(x, y, MIDDLE, 84, 12, 10), 1.1, 0.8);
    float side = ramp(u, 9, 12) * ramp(u, 15, 12) * ramp(y, 69, 73) * ramp(y, 95, 88);
    double jaw_r = oval(x, y, MIDDLE, 62, 27, 33);
    float jaw = ramp(jaw_r, 0.55, 0.75) * ramp(jaw_r, 1.12, 0.95) * ramp(y, 60, 70) * ramp(y, 96, 90);
    float all = fmaxf(fmaxf(lip, chin), fmaxf(side * 0.9f, jaw));
    switch (style) {
    case MOUSTACHE: return lip * lips;
    case GOATEE: return fmaxf(lip, fmaxf(chin, side)) * lips;
    default: return all * lips;
    }
}

/* Beards are in the training photos too: a face whose jaw is already darker than its cheeks can wear one. */
static bool could_have_beard(const lk__face *face) {
    float jaw = 0, cheek = 0;
    for (int x = -6; x <= 6; x++) jaw += luma_of(face->rgb[71][44 + x]) + luma_of(face->rgb[86][44 + x]);
    for (int x = 10; x < 17; x++)
        for (int y = 64; y < 68; y++) cheek += luma_of(face->rgb[y][44 + x]) + luma_of(face->rgb[y][43 - x]);
    return jaw / 26 < 0.84f * cheek / 56;
}

static void add_beard(lk__face *face, lk__random *random) {
    beard_style style = (beard_style)lk__random_below(random, BEARD_STYLES);
    double depth =
        style == STUBBLE ? lk__random_range(random, 0.1, 0.35) : lk__random_range(random, 0.4, 0.8);
    float hair[3] = {0, 0, 0};
    for (int x = 36; x < 52; x++)
        for (int c = 0; c < 3; c++) hair[c] += clamp_unit(face->rgb[20][x][c]) * 0.6f / 16;
    float skin = luma_of(face->rgb[64][30]);
    for (int c = 0; c < 3; c++) hair[c] = fminf(hair[c], 0.6f * skin);
    for (int y = 58; y < 104; y++)
        for (int x = 8; x < LK__FRAME_W - 8; x++) {
            float at = beard_at(style, x, y);
            double rough = 0.75 + 0.5 * lk__random_unit(random);
            if (at > 0) paint(face->rgb[y][x], hair, clamp_unit(depth * rough) * at);
        }
}

/* ---- glasses ------------------------------------------------------------------------------------- */

/* Distance in pixels to the edge of a lens: negative inside. A superellipse: 2 is round, 5 nearly a
 * rectangle. */
static double lens_distance(double x, double y, double width, double height, double power) {
    double u = fabs(fabs(x - MIDDLE) - EYE) / width, v = fabs(y - EYES - 1) / height;
    double r = pow(pow(u, power) + pow(v, power), 1 / power);
    return (r - 1) * (width < height ? width : height);
}

static void add_glasses(lk__face *face, bool dark, lk__random *random) {
    static const float frames[5][3] = {{0.05f, 0.05f, 0.06f},
                                       {0.25f, 0.14f, 0.08f},
                                       {0.55f, 0.52f, 0.48f},
                                       {0.6f, 0.48f, 0.25f},
                                       {0.4f, 0.06f, 0.08f}};
    const float *frame = frames[lk__random_below(random, 5)];
    double width = lk__random_range(random, 8.5, 10.5), height = lk__random_range(random, dark ? 6 : 5, 8.2);
    double power = lk__random_range(random, 2, 5), thick = lk__random_range(random, 0.45, 1.2);
    float tint[3],
        opacity = (float)(dark ? lk__random_range(random, 0.75, 0.97) : lk__random_range(random, 0, 0.06));
    for (int c = 0; c < 3; c++) tint[c] = dark ? (float)lk__random_range(random, 0.02, 0.16) : 1;
    for (int y = 40; y < 70; y++)
        for (int x = 6; x < LK__FRAME_W - 6; x++) {
            double d = lens_distance(x, y, width, height, power), u = fabs(x - MIDDLE);
            float inside = ramp(d, 0.5, -0.5), rim = ramp(fabs(d), thick + 0.5, thick - 0.5);
            float shine = dark ? 1 - 0.25f * clamp_unit((y - 46) / 16.0) : 1;
            float bridge =
                ramp(u, EYE - width + 1, EYE - width) * ramp(fabs(y - EYES + 1), thick + 0.6, thick - 0.4);
            float temple = ramp(u, EYE + width - 0.5, EYE + width + 0.5) * ramp(u, 28, 25) *
                           ramp(fabs(y - EYES + 2), thick + 0.5, thick - 0.5);
            paint(face->rgb[y][x], tint, opacity * inside * shine);
            paint(face->rgb[y][x], frame, fmaxf(rim, fmaxf(bridge, temple)));
        }
}

void lk__face_wear(lk__face *face, uint64_t seed, uint64_t person, uint64_t photo) {
    lk__random skin = lk__random_stream(seed, person, 0, SKIN_STREAM);
    lk__random wear = lk__random_stream(seed, person, photo, WEAR_STREAM);
    bool beard = could_have_beard(face);
    add_skin(face, &skin);
    if (beard && lk__random_unit(&wear) < CHANCE_STUBBLE) add_beard(face, &wear);
    double glasses = lk__random_unit(&wear);
    if (glasses < CHANCE_GLASSES + CHANCE_SUNGLASSES) add_glasses(face, glasses < CHANCE_SUNGLASSES, &wear);
}
