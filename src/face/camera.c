/* camera.c: what a camera and the way of a picture through the world take from a face: lens blur or motion,
 * fewer pixels, sensor noise, JPEG; in this order, and noise and JPEG at the lowered resolution where they
 * happen, so that growing it back smears them as it does in real enlargements. */
#include "face/augment.h"

#include <math.h>
#include <stdlib.h>

static const double CHANCE_BLUR = 0.12, CHANCE_MOTION = 0.08, CHANCE_SMALL = 0.2, CHANCE_NOISE = 0.3,
                    CHANCE_JPEG = 0.2;
/* Faces in surveillance and group photos are this many pixels wide; below it, people cannot tell who it is
 * either. */
static const double SMALLEST = 28, SMALL = 80;

/* ---- blur: a weighted sum of shifted copies --------------------------------------------------------- */

enum { MOST_TAPS = 64 };

typedef struct tap {
    int dx, dy;
    float weight;
} tap;

static lk_status shift_and_add(lk_image *face, const tap *taps, int count, lk_error *err) {
    int radius = 0;
    for (int i = 0; i < count; i++) {
        radius = abs(taps[i].dx) > radius ? abs(taps[i].dx) : radius;
        radius = abs(taps[i].dy) > radius ? abs(taps[i].dy) : radius;
    }
    /* A copy with its border repeated outwards, so that the inner loop asks nothing. */
    int width = face->width, height = face->height;
    size_t row = 3 * (size_t)width, wide = 3 * (size_t)(width + 2 * radius),
           tall = (size_t)(height + 2 * radius);
    float *copy = malloc((wide * tall + row) * sizeof *copy); /* (tall, wide), then one row of sums */
    if (!copy) return lk__fail_memory(err, wide * tall * sizeof *copy, "blurring");
    float *sum = copy + wide * tall;
    for (int y = -radius; y < height + radius; y++) {
        const uint8_t *from = face->pixels + row * (size_t)(y < 0 ? 0 : y >= height ? height - 1 : y);
        float *to = copy + wide * (size_t)(y + radius);
        for (int x = -radius; x < width + radius; x++, to += 3) {
            const uint8_t *pixel = from + 3 * (x < 0 ? 0 : x >= width ? width - 1 : x);
            for (int c = 0; c < 3; c++) to[c] = pixel[c];
        }
    }
    for (int y = 0; y < height; y++) {
        for (size_t i = 0; i < row; i++) sum[i] = 0;
        for (int t = 0; t < count; t++) {
            const float *from = copy + wide * (size_t)(y + radius + taps[t].dy) + 3 * (radius + taps[t].dx);
            for (size_t i = 0; i < row; i++) sum[i] += taps[t].weight * from[i];
        }
        for (size_t i = 0; i < row; i++) face->pixels[row * (size_t)y + i] = lk__to_byte(sum[i]);
    }
    free(copy);
    return LK_OK;
}

/* `scale`: the face's side in units of 112 pixels, the size these ranges were chosen at. */
static lk_status blur_lens(lk_image *face, double scale, double strength, lk__random *random, lk_error *err) {
    double sigma = scale * lk__random_range(random, 0.5, 0.5 + 1.1 * strength);
    int radius = (int)fmin(ceil(2.5 * sigma), (MOST_TAPS - 1) / 2);
    tap across[MOST_TAPS], down[MOST_TAPS];
    double total = 0;
    for (int i = -radius; i <= radius; i++) total += exp(-0.5 * i * i / (sigma * sigma));
    for (int i = -radius; i <= radius; i++) {
        float weight = (float)(exp(-0.5 * i * i / (sigma * sigma)) / total);
        across[i + radius] = (tap){i, 0, weight};
        down[i + radius] = (tap){0, i, weight};
    }
    lk_status status = shift_and_add(face, across, 2 * radius + 1, err);
    return status == LK_OK ? shift_and_add(face, down, 2 * radius + 1, err) : status;
}

static lk_status blur_motion(lk_image *face, double scale, double strength, lk__random *random,
                             lk_error *err) {
    double length = scale * lk__random_range(random, 3, 3 + 5 * strength);
    double angle = lk__random_range(random, 0, 3.14159265358979);
    int count = (int)fmin(ceil(length), MOST_TAPS);
    tap taps[MOST_TAPS];
    for (int i = 0; i < count; i++) {
        double at = i - 0.5 * (count - 1);
        taps[i] = (tap){(int)lround(at * cos(angle)), (int)lround(at * sin(angle)), 1.0f / (float)count};
    }
    return shift_and_add(face, taps, count, err);
}

/* ---- sensor and file --------------------------------------------------------------------------------- */

/* The sum of four 16-bit numbers is normal enough for noise, and one draw instead of a logarithm and a
 * cosine. */
static float quick_normal(lk__random *random) {
    uint64_t bits = lk__random_u64(random);
    uint32_t sum = 0;
    for (int i = 0; i < 4; i++) sum += (uint32_t)(bits >> (16 * i)) & 0xffff;
    return ((float)sum - 131070.0f) *
           (1.0f / 37837.0f); /* standard deviation of the sum: 65535 sqrt(4 / 12) */
}

static void add_noise(lk_image *face, bool grey, double strength, lk__random *random) {
    double u = lk__random_unit(random);
    float sigma = (float)(1 + 11 * strength * u * u); /* strong noise is rare */
    bool colour = lk__chance(random, 0.5) && !grey;
    size_t count = (size_t)face->width * (size_t)face->height;
    for (size_t i = 0; i < count; i++) {
        uint8_t *pixel = face->pixels + 3 * i;
        float noise = sigma * quick_normal(random);
        for (int c = 0; c < 3; c++) {
            if (c > 0 && colour) noise = sigma * quick_normal(random);
            pixel[c] = lk__to_byte((float)pixel[c] + noise);
        }
    }
}

/* *face := next, when there is one. */
static lk_status replace(lk_image **face, lk_status status, lk_image *next) {
    if (status != LK_OK) return status;
    lk_image_free(*face);
    *face = next;
    return LK_OK;
}

static lk_status resize(lk_image **face, int width, int height, lk_error *err) {
    lk_image *next = NULL;
    lk_status status = lk_image_resize(*face, width, height, &next, err);
    return replace(face, status, next);
}

static lk_status compress(lk_image **face, double strength, lk__random *random, lk_error *err) {
    int quality = (int)lk__random_range(random, 95 - 65 * strength, 95);
    uint8_t *bytes = NULL;
    size_t size = 0;
    lk_image *next = NULL;
    lk_status status = lk_image_encode_jpeg(*face, quality, &bytes, &size, err);
    if (status == LK_OK) status = lk_image_decode(bytes, size, "an augmented photo", &next, err);
    free(bytes);
    return replace(face, status, next);
}

lk_status lk__photograph(lk_image **face, bool grey, double strength, lk__random *random, lk_error *err) {
    int width = (*face)->width, height = (*face)->height, side = width < height ? width : height;
    double u = lk__random_unit(random) / strength;
    lk_status status = LK_OK;
    if (u < CHANCE_BLUR)
        status = blur_lens(*face, side / 112.0, strength, random, err);
    else if (u < CHANCE_BLUR + CHANCE_MOTION)
        status = blur_motion(*face, side / 112.0, strength, random, err);

    bool small = lk__chance(random, CHANCE_SMALL * strength);
    double to = small ? lk__random_range(random, SMALL - strength * (SMALL - SMALLEST), SMALL) / side : 1;
    small = to < 1;
    if (small && status == LK_OK) status = resize(face, (int)ceil(to * width), (int)ceil(to * height), err);
    if (status == LK_OK && lk__chance(random, CHANCE_NOISE * strength))
        add_noise(*face, grey, strength, random);
    if (status == LK_OK && lk__chance(random, CHANCE_JPEG * strength))
        status = compress(face, strength, random, err);
    if (small && status == LK_OK) status = resize(face, width, height, err);
    return status;
}

lk_status lk__worse_camera(lk_image **photo, const lk__camera *camera, bool grey, lk__random *random,
                           lk_error *err) {
    int side = (*photo)->width;
    lk_status status = LK_OK;
    if (lk__chance(random, camera->fewer)) {
        int small = (int)fmax(8, side * lk__random_range(random, camera->fewest, 0.9));
        status = resize(photo, small, small, err);
        if (status == LK_OK) status = resize(photo, side, side, err);
        if (status != LK_OK) return status;
    }
    if (lk__chance(random, camera->noise)) add_noise(*photo, grey, camera->noise_strength, random);
    return lk__chance(random, camera->jpeg) ? compress(photo, camera->jpeg_strength, random, err) : LK_OK;
}
