/* draw.c: a photo with what was found in it drawn in, so that one can look: a box, five points and a number
 * for each face. Lines are as thick as the photo is large. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct canvas {
    uint8_t *pixels; /* (height, width, 3) */
    int width, height;
    int pen; /* thickness of a line, pixels */
} canvas;

static const uint8_t BOX[3] = {0, 230, 90}, DARK[3] = {0, 60, 20};
/* In the order of lk_face.point: eyes yellow, nose red, mouth blue; of two the left one is brighter. */
static const uint8_t POINTS[LK_FACE_POINTS][3] = {
    {255, 240, 80}, {200, 160, 0}, {255, 60, 60}, {120, 180, 255}, {40, 80, 230}};

/* Digits of 3 x 5 dots, a row in each 3 bits, the top row first. */
static const uint16_t DIGITS[10] = {075557, 026227, 071747, 071717, 055711,
                                    074717, 074757, 071122, 075757, 075717};

static void fill(const canvas *c, double left, double top, double width, double height,
                 const uint8_t colour[3]) {
    int x0 = (int)lround(fmax(left, 0)), x1 = (int)lround(fmin(left + width, c->width));
    int y0 = (int)lround(fmax(top, 0)), y1 = (int)lround(fmin(top + height, c->height));
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++)
            memcpy(c->pixels + 3 * ((size_t)y * (size_t)c->width + (size_t)x), colour, 3);
}

static void draw_box(const canvas *c, const lk_face *f) {
    double x = (double)f->x, y = (double)f->y, w = (double)f->width, h = (double)f->height, pen = c->pen;
    fill(c, x, y, w, pen, BOX);
    fill(c, x, y + h - pen, w, pen, BOX);
    fill(c, x, y, pen, h, BOX);
    fill(c, x + w - pen, y, pen, h, BOX);
}

static void draw_points(const canvas *c, const lk_face *f) {
    double side = fmax(c->pen, round((double)f->width / 30));
    for (int i = 0; i < LK_FACE_POINTS; i++)
        fill(c, (double)f->point[i].x - side / 2, (double)f->point[i].y - side / 2, side, side, POINTS[i]);
}

/* Under the box's upper edge, on a dark ground; moved into the photo where the box begins outside. */
static void draw_number(const canvas *c, const lk_face *f, size_t number) {
    char text[24];
    int length = snprintf(text, sizeof text, "%zu", number);
    double dot = fmax(c->pen, round((double)f->width / 60));
    double x = fmax(0, (double)f->x + c->pen), y = fmax(0, (double)f->y + c->pen);
    fill(c, x, y, dot * (4 * length + 1), 7 * dot, DARK);
    for (int i = 0; i < length; i++)
        for (int bit = 0; bit < 15; bit++)
            if (DIGITS[text[i] - '0'] >> (14 - bit) & 1)
                fill(c, x + dot * (4 * i + 1 + bit % 3), y + dot * (1 + bit / 3), dot, dot, BOX);
}

lk_status cli_draw_faces(const lk_image *photo, const lk_face *faces, size_t count, lk_image **out,
                         lk_error *err) {
    canvas c = {.width = lk_image_width(photo), .height = lk_image_height(photo)};
    size_t size = 3 * (size_t)c.width * (size_t)c.height;
    c.pen = 1 + (c.width > c.height ? c.width : c.height) / 600;
    c.pixels = cli_alloc(size, 1);
    memcpy(c.pixels, lk_image_pixels(photo), size);
    for (size_t i = count; i > 0; i--) { /* the widest last, on top */
        draw_box(&c, &faces[i - 1]);
        draw_points(&c, &faces[i - 1]);
        draw_number(&c, &faces[i - 1], i);
    }
    lk_status status = lk_image_new(c.width, c.height, c.pixels, 0, out, err);
    free(c.pixels);
    return status;
}
