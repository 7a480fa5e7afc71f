/* scene.c: labelled photos to canvases that have what photos as they come have and these photos lack: small
 * faces, faces at the border and cut by it, turned heads, crowds, bad light. A canvas is a grid of 1 to 3
 * tiles a side; into each goes a photo, turned, flipped, and scaled so that one of its faces (or, without,
 * any part) has a size drawn evenly in the logarithm. What lies outside of a photo is grey, as around a photo
 * in use (detect.c), or repeats its border.
 *
 * Compare mosaics (Bochkovskiy et al. 2020) and the data-anchor-sampling of PyramidBox (Tang et al. 2018). */
#include "face/scene.h"
#include "face/augment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sizes of faces, pixels of the canvas: below the smallest they can only be ignored. */
static const double SMALLEST = 9, LARGEST = 110, TOO_LARGE = 260, CHANCE_TOO_LARGE = 0.1, IGNORED = 8;
/* A face of which less is to be seen is ignored. */
static const double SEEN = 0.45;

static const lk__camera CAMERA = {
    .fewer = 0.2, .fewest = 0.4, .noise = 0.25, .noise_strength = 0.8, .jpeg = 0.2, .jpeg_strength = 0.9};

typedef struct tile {
    int x, y, side; /* on the canvas */
} tile;

static double log_range(lk__random *random, double low, double high) {
    return exp(lk__random_range(random, log(low), log(high)));
}

static double size_of(const lk_face *f) {
    return sqrt((double)f->width * (double)f->height);
}

/* Degrees, mostly few. */
static double draw_turn(lk__random *random) {
    double u = lk__random_unit(random);
    if (u < 0.7) return lk__random_range(random, -15, 15);
    if (u < 0.95) return lk__random_range(random, -45, 45);
    return lk__random_range(random, -180, 180);
}

/* Where the tile's pixels lie in the photo: m (2, 3). */
static void draw_map(const lk__labelled *photo, const tile *t, lk__random *random, double m[6]) {
    double w = lk_image_width(photo->image), h = lk_image_height(photo->image), longer = fmax(w, h);
    double cx, cy, scale, away_x, away_y;
    const lk__label *face = NULL;
    if (photo->count > 0) face = &photo->label[lk__random_below(random, photo->count)];
    if (face && !face->ignored) {
        /* Larger ones than the scales answer for must be told from parts of them. */
        double size = lk__chance(random, CHANCE_TOO_LARGE)
                          ? log_range(random, LARGEST, TOO_LARGE)
                          : log_range(random, SMALLEST, fmin(LARGEST, 1.1 * t->side));
        scale = fmin(size / size_of(&face->face), 2.5);
        cx = (double)face->face.x + 0.5 * (double)face->face.width;
        cy = (double)face->face.y + 0.5 * (double)face->face.height;
        /* Mostly inside the tile, so that it counts. */
        double spread = 0.5 * t->side - (lk__chance(random, 0.8) ? fmin(0.5 * size, 0.3 * t->side) : 0);
        away_x = lk__random_range(random, -spread, spread);
        away_y = lk__random_range(random, -spread, spread);
    } else {
        /* No face is known to be here, and smaller ones than the labels know of may be: not enlarged. */
        double whole = t->side / longer;
        scale = log_range(random, fmin(0.5 * whole, 0.4), 0.8);
        cx = lk__random_range(random, 0, w);
        cy = lk__random_range(random, 0, h);
        away_x = away_y = 0;
    }
    double turn = draw_turn(random) * 3.14159265358979 / 180, flip = lk__chance(random, 0.5) ? -1 : 1;
    double aspect = exp(lk__random_range(random, -0.08, 0.08));
    double c = cos(turn) / scale, s = sin(turn) / scale, px = 0.5 * (t->side - 1) + away_x,
           py = 0.5 * (t->side - 1) + away_y;
    m[0] = flip * c * aspect;
    m[1] = -flip * s;
    m[3] = s * aspect;
    m[4] = c;
    m[2] = cx - m[0] * px - m[1] * py;
    m[5] = cy - m[3] * px - m[4] * py;
}

/* ---- labels through the map ---------------------------------------------------------------------- */

static lk_point through(const double inverse[6], double x, double y, const tile *t) {
    return (lk_point){(float)(inverse[0] * x + inverse[1] * y + inverse[2] + t->x),
                      (float)(inverse[3] * x + inverse[4] * y + inverse[5] + t->y)};
}

static void invert(const double m[6], double out[6]) {
    double det = m[0] * m[4] - m[1] * m[3];
    out[0] = m[4] / det;
    out[1] = -m[1] / det;
    out[3] = -m[3] / det;
    out[4] = m[0] / det;
    out[2] = -(out[0] * m[2] + out[1] * m[5]);
    out[5] = -(out[3] * m[2] + out[4] * m[5]);
}

static void swap_points(lk_point *a, lk_point *b) {
    lk_point c = *a;
    *a = *b;
    *b = c;
}

/* A box turned with its face keeps its size about the turned centre. */
static lk__label map_label(const lk__label *from, const double m[6], const tile *t) {
    double inverse[6], det = m[0] * m[4] - m[1] * m[3], scale = 1 / sqrt(fabs(det));
    invert(m, inverse);
    const lk_face *f = &from->face;
    lk_point centre =
        through(inverse, (double)f->x + 0.5 * (double)f->width, (double)f->y + 0.5 * (double)f->height, t);
    lk__label to = *from;
    /* Turned by a quarter, its height is its width. */
    double along = fabs(m[4]) / hypot(m[3], m[4]);
    double w = along * (double)f->width + (1 - along) * (double)f->height,
           h = along * (double)f->height + (1 - along) * (double)f->width;
    to.face.width = (float)(w * scale);
    to.face.height = (float)(h * scale);
    to.face.x = centre.x - to.face.width / 2;
    to.face.y = centre.y - to.face.height / 2;
    for (int i = 0; i < LK_FACE_POINTS; i++)
        to.face.point[i] = through(inverse, (double)f->point[i].x, (double)f->point[i].y, t);
    if (det < 0) { /* a mirror image: left is right */
        swap_points(&to.face.point[0], &to.face.point[1]);
        swap_points(&to.face.point[3], &to.face.point[4]);
    }
    return to;
}

/* Share of the box within the rectangle. */
static double seen_within(const lk_face *f, double x, double y, double w, double h) {
    double across = fmin((double)f->x + (double)f->width, x + w) - fmax((double)f->x, x);
    double down = fmin((double)f->y + (double)f->height, y + h) - fmax((double)f->y, y);
    return across > 0 && down > 0 ? across * down / ((double)f->width * (double)f->height) : 0;
}

/* What is ignored in one tile is not in the next. */
static void clip(lk_face *f, const tile *t) {
    float x = fmaxf(f->x, (float)t->x), y = fmaxf(f->y, (float)t->y);
    f->width = fminf(f->x + f->width, (float)(t->x + t->side)) - x;
    f->height = fminf(f->y + f->height, (float)(t->y + t->side)) - y;
    f->x = x;
    f->y = y;
}

static void add_labels(const lk__labelled *photo, const double m[6], const tile *t, lk__scene *scene) {
    for (size_t i = 0; i < photo->count && scene->count < LK__SCENE_FACES; i++) {
        lk__label l = map_label(&photo->label[i], m, t);
        double seen = seen_within(&l.face, t->x, t->y, t->side, t->side);
        if (seen <= 0.02) continue;
        if (seen < SEEN || size_of(&l.face) < IGNORED) l.ignored = true;
        if (l.ignored) clip(&l.face, t);
        scene->label[scene->count++] = l;
    }
}

/* ---- pixels -------------------------------------------------------------------------------------- */

/* What lies outside of the photo becomes `behind`, or grey. */
static void fill_outside(lk_image *image, const lk_image *photo, const double m[6], const lk_image *behind) {
    uint8_t *p = image->pixels;
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++, p += 3) {
            double u = m[0] * x + m[1] * y + m[2], v = m[3] * x + m[4] * y + m[5];
            if (u >= -0.5 && v >= -0.5 && u <= photo->width - 0.5 && v <= photo->height - 0.5) continue;
            if (behind)
                memcpy(p, behind->pixels + (p - image->pixels), 3);
            else
                memset(p, 127, 3);
        }
}

/* The photo through the map, from the smallest copy that has pixels enough. */
static lk_status warp_photo(const lk__labelled *photo, const double map[6], int side, lk_image **out,
                            lk_error *err) {
    double m[6];
    const lk_image *from = photo->image;
    memcpy(m, map, sizeof m);
    for (int k = 0; k < LK__SMALLER && photo->smaller[k] && hypot(m[0], m[3]) >= 2 && hypot(m[1], m[4]) >= 2;
         k++) {
        const lk_image *half = photo->smaller[k];
        double s[2] = {(double)half->width / from->width, (double)half->height / from->height};
        for (int row = 0; row < 2; row++) {
            for (int i = 0; i < 3; i++) m[3 * row + i] *= s[row];
            m[3 * row + 2] += 0.5 * s[row] - 0.5;
        }
        from = half;
    }
    return lk__image_warp(from, m, side, side, out, err);
}

/* Part of a photo without known faces, to lie behind another; NULL if none is found soon. */
static lk_status draw_behind(const lk__labels *labels, const size_t *chosen, size_t count, const tile *t,
                             lk__random *random, lk_image **out, lk__scene *scene, lk_error *err) {
    for (int i = 0; i < 6; i++) {
        const lk__labelled *photo = &labels->photo[chosen[lk__random_below(random, count)]];
        bool faces = false;
        for (size_t k = 0; k < photo->count; k++) faces |= !photo->label[k].ignored;
        if (faces) continue;
        double w = lk_image_width(photo->image), h = lk_image_height(photo->image);
        /* Covers the tile, enlarged no more than it must be. */
        double side = fmin(w, h), taken = lk__random_range(random, fmin(side, t->side), side),
               s = taken / t->side;
        double m[6] = {s, 0, lk__random_range(random, 0, w - taken),
                       0, s, lk__random_range(random, 0, h - taken)};
        add_labels(photo, m, t, scene);
        return warp_photo(photo, m, t->side, out, err);
    }
    return LK_OK;
}

static void paint_tile(const lk_image *image, const tile *t, int side, float *canvas) {
    size_t plane = (size_t)side * (size_t)side;
    for (int y = 0; y < t->side; y++)
        for (int c = 0; c < 3; c++) {
            float *to = canvas + (size_t)c * plane + (size_t)(t->y + y) * (size_t)side + (size_t)t->x;
            const uint8_t *from = image->pixels + 3 * (size_t)y * (size_t)t->side + c;
            for (int x = 0; x < t->side; x++) to[x] = ((float)from[3 * x] - 127.5F) * (1 / 127.5F);
        }
}

/* A photo, turned and scaled, into its tile of the canvas (3, side, side). */
static lk_status draw_tile(const lk__labels *labels, const size_t *chosen, size_t count, const tile *t,
                           int side, lk__random *random, float *canvas, lk__scene *scene, lk_error *err) {
    const lk__labelled *photo = &labels->photo[chosen[lk__random_below(random, count)]];
    lk_image *image = NULL, *behind = NULL;
    double m[6], u = lk__random_unit(random);
    draw_map(photo, t, random, m);
    lk_status status = warp_photo(photo, m, t->side, &image, err);
    if (status == LK_OK && u < 0.6)
        status = draw_behind(labels, chosen, count, t, random, &behind, scene, err);
    if (status == LK_OK && u < 0.9)
        fill_outside(image, photo->image, m, behind); /* else its border, repeated */
    if (status == LK_OK) {
        bool grey = lk__relight(image, lk__chance(random, 0.15) ? 1 : 0.5, random);
        status = lk__worse_camera(&image, &CAMERA, grey, random, err);
    }
    if (status == LK_OK) {
        paint_tile(image, t, side, canvas);
        add_labels(photo, m, t, scene);
    }
    lk_image_free(image);
    lk_image_free(behind);
    return status;
}

lk_status lk__scene_draw(const lk__labels *labels, const size_t *chosen, size_t count, int side,
                         lk__random *random, float *canvas, lk__scene *out, lk_error *err) {
    double u = lk__random_unit(random);
    int grid = u < 0.5 ? 1 : u < 0.85 ? 2 : 3;
    memset(canvas, 0, 3 * (size_t)side * (size_t)side * sizeof *canvas);
    out->count = 0;
    for (int i = 0; i < grid * grid; i++) {
        tile t = {i % grid * (side / grid), i / grid * (side / grid), side / grid};
        lk_status status = draw_tile(labels, chosen, count, &t, side, random, canvas, out, err);
        if (status != LK_OK) return status;
    }
    return LK_OK;
}
