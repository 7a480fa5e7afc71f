/* crop.c: which part of a photo is the face, and cutting it out. */
#include "image/image.h"

#include <math.h>
#include <stdlib.h>

/* Far beyond any photo, and small enough that no product below loses a pixel. */
static const double largest = 1e6;

static bool within(double value, double low, double high) {
    return value >= low && value <= high; /* NaN: no */
}

static bool is_valid(lk_crop c) {
    if (c.centre != 0) return c.centre > 0 && c.centre <= 100;
    return within(c.x, -largest, largest) && within(c.y, -largest, largest) && c.width > 0 &&
           c.width <= largest && c.height > 0 && c.height <= largest;
}

/* Exactly `count` numbers with commas between them and nothing after. */
static bool read_numbers(const char *text, int count, double *value) {
    for (int i = 0; i < count; i++) {
        char *end;
        value[i] = strtod(text, &end);
        if (end == text || *end != (i + 1 < count ? ',' : 0)) return false;
        text = end + 1;
    }
    return true;
}

lk_status lk_crop_parse(const char *text, lk_crop *out, lk_error *err) {
    double v[4];
    lk_crop crop = {0};
    if (read_numbers(text, 1, v))
        crop.centre = v[0]; /* 0 leaves an empty rectangle, which is no crop either */
    else if (read_numbers(text, 4, v))
        crop = (lk_crop){0, v[0], v[1], v[2], v[3]};
    if (!is_valid(crop))
        return lk__fail(
            err, LK_INVALID,
            "crop \"%s\": expected a share of the shorter side such as 0.9, or X,Y,WIDTH,HEIGHT in pixels",
            text);
    *out = crop;
    return LK_OK;
}

void lk__crop_map(int photo_width, int photo_height, lk_crop crop, int width, int height, double m[6]) {
    if (crop.centre > 0) {
        double side = crop.centre * (photo_width < photo_height ? photo_width : photo_height);
        crop = (lk_crop){0, (photo_width - side) / 2, (photo_height - side) / 2, side, side};
    }
    /* From corner to corner: output pixel x covers [x, x + 1) times the scale, and its centre goes to that
     * centre. */
    double sx = crop.width / width, sy = crop.height / height;
    m[0] = sx;
    m[1] = 0;
    m[2] = crop.x + 0.5 * sx - 0.5;
    m[3] = 0;
    m[4] = sy;
    m[5] = crop.y + 0.5 * sy - 0.5;
}

lk_status lk_image_crop(const lk_image *image, lk_crop crop, int width, int height, lk_image **out,
                        lk_error *err) {
    if (!is_valid(crop))
        return lk__fail(err, LK_INVALID,
                        "crop of centre %g, or %g x %g pixels at (%g, %g): must be positive and finite",
                        crop.centre, crop.width, crop.height, crop.x, crop.y);
    if (width < 1 || height < 1)
        return lk__fail(err, LK_INVALID, "crop to %d x %d pixels: both sides must be at least 1", width,
                        height);
    double m[6];
    lk__crop_map(image->width, image->height, crop, width, height, m);
    return lk__image_resample(image, m[0], m[2], m[4], m[5], width, height, out, err);
}
