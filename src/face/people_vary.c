/* people_vary.c: what life does to a face in one photo, in the order light takes: light on it, the pose of
 * the head, what is behind it, the camera.
 *
 * The head is a smooth bump, not a measured shape: depth 1 / (1 + r^4) over an ellipse. It has no edge where
 * a turn would fold the picture, and for the 25 degrees it is used for it moves nose, eyes and ears as a head
 * does. */
#include "face/augment.h"
#include "face/people.h"

#include <math.h>
#include <string.h>

enum {
    OUT_W = 96,
    OUT_H = 112,
    LIGHT_STREAM = 0x6c69,
    POSE_STREAM = 0x706f,
    BEHIND_STREAM = 0x6265,
    CAMERA_STREAM = 0x6361
};
/* The head in the frame, in pixels: centre, half axes, depth; and the pixels of the frame a pixel of the
 * photo takes. */
static const double HEAD_X = 43.5, HEAD_Y = 59, HEAD_RX = 31, HEAD_RY = 42, HEAD_DEPTH = 27, ZOOM = 0.83;
static const double YAW = 0.20, PITCH = 0.12, ROLL = 0.07; /* deviations, radians; cut at two of them */
static const double CAMERA = 0.6;                          /* of the accidents of lk__photograph */

static double cut_normal(lk__random *random) {
    double value;
    do value = lk__random_normal(random);
    while (fabs(value) > 2);
    return value;
}

/* ---- light --------------------------------------------------------------------------------------- */

static void relight(lk__face *face, lk__random *random) {
    double angle = lk__random_range(random, 0, 6.283185307179586), slant = lk__random_range(random, 0.3, 1.1);
    double share = lk__random_range(random, 0, 0.75); /* of the light that comes from one side */
    double lx = cos(angle) * sin(slant), ly = sin(angle) * sin(slant), lz = cos(slant);
    float gain[3], gamma = (float)exp(0.12 * cut_normal(random)),
                   exposure = (float)exp(0.16 * cut_normal(random));
    for (int c = 0; c < 3; c++) gain[c] = exposure * (float)exp(0.04 * cut_normal(random));
    for (int y = 0; y < LK__FRAME_H; y++)
        for (int x = 0; x < LK__FRAME_W; x++) {
            double u = (x - HEAD_X) / HEAD_RX, v = (y - HEAD_Y) / HEAD_RY, r2 = u * u + v * v,
                   q = 1 + r2 * r2;
            double slope = 4 * r2 / (q * q) * HEAD_DEPTH; /* -dz/dr over r */
            double nx = slope * u / HEAD_RX, ny = slope * v / HEAD_RY;
            double facing = (nx * lx + ny * ly + lz) / sqrt(1 + nx * nx + ny * ny);
            float shade = (float)(1 - share + share * (facing > 0 ? facing : 0) / lz);
            for (int c = 0; c < 3; c++) {
                float value = face->rgb[y][x][c];
                value = value <= 0 ? 0 : powf(value, gamma) * gain[c] * shade;
                /* Film bends before it burns out. */
                face->rgb[y][x][c] = value < 0.8f ? value : 0.8f + 0.2f * (1 - expf(-(value - 0.8f) / 0.2f));
            }
        }
}

/* ---- pose ---------------------------------------------------------------------------------------- */

typedef struct pose {
    double yaw, pitch, cosine, sine, scale, x, y; /* roll and scale as a rotation */
} pose;

static pose draw_pose(lk__random *random) {
    double roll = ROLL * cut_normal(random);
    pose p = {.yaw = YAW * cut_normal(random),
              .pitch = PITCH * cut_normal(random),
              .cosine = cos(roll),
              .sine = sin(roll)};
    p.scale = ZOOM * exp(0.05 * cut_normal(random));
    p.x = 2.0 * cut_normal(random);
    p.y = 2.0 * cut_normal(random);
    return p;
}

/* The place in the frame (before shape) that photo pixel (i, j) shows. */
static void pose_at(const pose *p, int i, int j, double *x, double *y) {
    double ox = p->scale * (i - 0.5 * (OUT_W - 1)) + p->x, oy = p->scale * (j - 0.5 * (OUT_H - 1)) + p->y;
    double qx = p->cosine * ox - p->sine * oy, qy = p->sine * ox + p->cosine * oy;
    double sx = tan(p->yaw), sy = tan(p->pitch), cx = 1 / cos(p->yaw), cy = 1 / cos(p->pitch);
    double hx = qx, hy = qy;
    for (int k = 0; k < 4;
         k++) { /* contracts: depth changes by less than 1 a pixel, the tangents stay below 0.5 */
        double u = hx / HEAD_RX, v = hy / HEAD_RY, r2 = u * u + v * v,
               z = HEAD_DEPTH / (1 + r2 * r2) - 0.6 * HEAD_DEPTH;
        hx = qx * cx - z * sx;
        hy = qy * cy - z * sy;
    }
    *x = HEAD_X + hx;
    *y = HEAD_Y + hy;
}

static void sample(const lk__face *face, double x, double y, float rgb[3]) {
    x = x < 0 ? 0 : x > LK__FRAME_W - 1 ? LK__FRAME_W - 1 : x;
    y = y < 0 ? 0 : y > LK__FRAME_H - 1 ? LK__FRAME_H - 1 : y;
    int i = x < LK__FRAME_W - 2 ? (int)x : LK__FRAME_W - 2,
        j = y < LK__FRAME_H - 2 ? (int)y : LK__FRAME_H - 2;
    float u = (float)(x - i), v = (float)(y - j);
    for (int c = 0; c < 3; c++)
        rgb[c] = (1 - v) * ((1 - u) * face->rgb[j][i][c] + u * face->rgb[j][i + 1][c]) +
                 v * ((1 - u) * face->rgb[j + 1][i][c] + u * face->rgb[j + 1][i + 1][c]);
}

/* ---- what is behind ------------------------------------------------------------------------------ */

enum { THINGS = 6 };

typedef struct behind {
    float top[3], bottom[3];
    struct {
        double x, y, w, h, soft;
        bool round;
        float colour[3], opacity;
    } thing[THINGS];
    int things;
} behind;

/* Mean colour of the upper left and right border: what the model put behind this face. */
static void border(const lk__face *face, float mean[3]) {
    mean[0] = mean[1] = mean[2] = 0;
    for (int y = 0; y < LK__FRAME_H / 2; y++)
        for (int x = 0; x < 6; x++)
            for (int c = 0; c < 3; c++)
                mean[c] += (face->rgb[y][x][c] + face->rgb[y][LK__FRAME_W - 1 - x][c]) / (6 * LK__FRAME_H);
}

static void draw_colour(lk__random *random, double colourful, float colour[3]) {
    double light = lk__random_range(random, 0.05, 0.95);
    for (int c = 0; c < 3; c++)
        colour[c] = (float)fmin(1, light * (1 + lk__random_range(random, -colourful, colourful)));
}

static behind draw_behind(lk__random *random) {
    behind b = {.things = (int)lk__random_below(random, THINGS + 1)};
    double soft = lk__random_range(random, 1, 12);
    draw_colour(random, 0.25, b.top);
    for (int c = 0; c < 3; c++) b.bottom[c] = b.top[c] * (float)lk__random_range(random, 0.75, 1.15);
    for (int i = 0; i < b.things; i++) {
        b.thing[i].x = lk__random_range(random, 0, OUT_W);
        b.thing[i].y = lk__random_range(random, 0, OUT_H);
        b.thing[i].w = lk__random_range(random, 3, 30);
        b.thing[i].h = lk__random_range(random, 3, 50);
        b.thing[i].soft = soft;
        b.thing[i].round = lk__random_unit(random) < 0.4;
        b.thing[i].opacity = (float)lk__random_range(random, 0.15, 0.8);
        draw_colour(random, lk__random_unit(random) < 0.25 ? 0.8 : 0.2, b.thing[i].colour);
    }
    return b;
}

static float soft_step(double t) {
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    return (float)(t * t * (3 - 2 * t));
}

static void behind_at(const behind *b, int x, int y, float rgb[3]) {
    float down = (float)y / (OUT_H - 1);
    for (int c = 0; c < 3; c++) rgb[c] = b->top[c] + down * (b->bottom[c] - b->top[c]);
    for (int i = 0; i < b->things; i++) {
        double u = fabs(x - b->thing[i].x), v = fabs(y - b->thing[i].y), soft = b->thing[i].soft,
               w = b->thing[i].w;
        double out = b->thing[i].round ? sqrt(u * u + v * v) - w : fmax(u - w, v - b->thing[i].h);
        float share = b->thing[i].opacity * soft_step(0.5 - out / soft);
        for (int c = 0; c < 3; c++) rgb[c] += share * (b->thing[i].colour[c] - rgb[c]);
    }
}

/* Share of background at a place of the texture. */
static float behind_share(const lk__face *face, double x, double y) {
    x = (x - 0.5) / 2, y = (y - 0.5) / 2;
    x = x < 0 ? 0 : x > LK__COARSE_W - 1 ? LK__COARSE_W - 1 : x;
    y = y < 0 ? 0 : y > LK__COARSE_H - 1 ? LK__COARSE_H - 1 : y;
    int i = x < LK__COARSE_W - 2 ? (int)x : LK__COARSE_W - 2,
        j = y < LK__COARSE_H - 2 ? (int)y : LK__COARSE_H - 2;
    float u = (float)(x - i), v = (float)(y - j);
    return (1 - v) * ((1 - u) * face->behind[j][i] + u * face->behind[j][i + 1]) +
           v * ((1 - u) * face->behind[j + 1][i] + u * face->behind[j + 1][i + 1]);
}

/* ---- all of it ----------------------------------------------------------------------------------- */

lk_status lk__face_shoot(lk__face *face, uint64_t seed, uint64_t person, uint64_t photo, lk_image **out,
                         lk_error *err) {
    lk__random light = lk__random_stream(seed, person, photo, LIGHT_STREAM);
    lk__random turn = lk__random_stream(seed, person, photo, POSE_STREAM);
    lk__random scene = lk__random_stream(seed, person, photo, BEHIND_STREAM);
    lk__random lens = lk__random_stream(seed, person, photo, CAMERA_STREAM);
    lk__face_wear(face, seed, person, photo);
    relight(face, &light);
    const pose p = draw_pose(&turn);
    const behind b = draw_behind(&scene);
    float old[3];
    border(face, old);
    uint8_t pixels[OUT_H][OUT_W][3];
    for (int j = 0; j < OUT_H; j++)
        for (int i = 0; i < OUT_W; i++) {
            double x, y, dx, dy;
            float rgb[3], back[3] = {0, 0, 0};
            pose_at(&p, i, j, &x, &y);
            lk__grid_at(&face->shape[0][0][0], x, y, &dx, &dy);
            sample(face, x + dx, y + dy, rgb);
            /* A pixel is a mix of head and the old background: exchange the latter. */
            float share = behind_share(face, x + dx, y + dy);
            if (share > 0) behind_at(&b, i, j, back);
            for (int c = 0; c < 3 && share > 0; c++) rgb[c] += share * (back[c] - old[c]);
            for (int c = 0; c < 3; c++) pixels[j][i][c] = lk__to_byte(255 * rgb[c]);
        }
    lk_image *image = NULL;
    lk_status status = lk_image_new(OUT_W, OUT_H, &pixels[0][0][0], 0, &image, err);
    if (status == LK_OK) status = lk__photograph(&image, false, CAMERA, &lens, err);
    if (status == LK_OK)
        *out = image;
    else
        lk_image_free(image);
    return status;
}
