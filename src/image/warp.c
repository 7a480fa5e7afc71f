/* warp.c: any affine map: rotation, scale, shift and shear in one pass, for augmentation and alignment.
 * It is on the training path, once a photo.
 *
 * Bilinear sampling alone aliases when it shrinks. Here each output pixel is the mean of enough samples,
 * spread evenly over what it covers, that neighbours are at most one input pixel apart. Averaging the photo
 * down first, the usual way, blurs twice for the mild shrinking that training does (144 to 112 pixels); it is
 * done only where the map shrinks by 4 or more, down to a rest of 2, so that the cost does not grow with the
 * photo. */
#include "image/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Samples a side of an output pixel: sqrt(2) * 4 rounded up is 6; more only far outside of the photo. */
enum { MAX_SAMPLES = 8 };

/* Four floats at once, of which three are a pixel: GCC and clang make one instruction of each line below. */
typedef float pixel __attribute__((vector_size(16)));

/* The part of the photo that the map reaches, as floats: integers would be converted once for each sample. */
typedef struct patch {
    int width, height; /* one more row and column lie behind, repeating the last; and one float, as a pixel
                          loads four */
    size_t stride;     /* floats from row to row */
    float *values;
} patch;

/* NaN: low. */
static double clamp(double value, double low, double high) {
    return value > low ? (value < high ? value : high) : low;
}

/* The input pixels [*first, *first + *count) that a*x + b*y + c reaches over the output, one more on each
 * side. */
static void reach(double a, double b, double c, int width, int height, int inputs, int *first, int *count) {
    double low = c + fmin(a * -0.5, a * (width - 0.5)) + fmin(b * -0.5, b * (height - 0.5));
    double high = c + fmax(a * -0.5, a * (width - 0.5)) + fmax(b * -0.5, b * (height - 0.5));
    *first = (int)clamp(floor(low) - 1, 0, inputs - 1);
    *count = (int)clamp(ceil(high) + 2, *first + 1, inputs) - *first;
}

static lk_status patch_make(patch *p, const lk_image *image, double m[6], int width, int height,
                            lk_error *err) {
    int x, y;
    reach(m[0], m[1], m[2], width, height, image->width, &x, &p->width);
    reach(m[3], m[4], m[5], width, height, image->height, &y, &p->height);
    m[2] -= x;
    m[5] -= y;
    p->stride = 3 * ((size_t)p->width + 1);
    size_t bytes = sizeof(float) * (p->stride * ((size_t)p->height + 1) + 1);
    p->values = malloc(bytes);
    if (!p->values) return lk__fail_memory(err, bytes, "warping an image");
    float *to = p->values;
    for (int i = 0; i <= p->height; i++, to += p->stride) {
        int line = y + (i < p->height ? i : i - 1);
        size_t row = p->stride - 3;
        const uint8_t *from = image->pixels + 3 * ((size_t)image->width * (size_t)line + (size_t)x);
        for (size_t k = 0; k < row; k++) to[k] = from[k];
        memcpy(to + row, to + row - 3, 3 * sizeof *to);
    }
    *to = 0;
    return LK_OK;
}

static inline pixel load(const float *p) {
    pixel value;
    memcpy(&value, p, sizeof value);
    return value;
}

static inline pixel sample(const patch *p, double x, double y) {
    x = clamp(x, 0, p->width - 1);
    y = clamp(y, 0, p->height - 1);
    int column = (int)x, line = (int)y;
    float wx = (float)(x - column), wy = (float)(y - line);
    const float *at = p->values + p->stride * (size_t)line + 3 * (size_t)column, *below = at + p->stride;
    pixel top = load(at), bottom = load(below);
    top += wx * (load(at + 3) - top);
    bottom += wx * (load(below + 3) - bottom);
    return top + wy * (bottom - top);
}

static int samples_for(double step_x, double step_y) {
    return (int)clamp(ceil(hypot(step_x, step_y) - 1e-9), 1, MAX_SAMPLES);
}

static void warp(const patch *in, const double m[6], lk_image *out) {
    int nx = samples_for(m[0], m[3]), ny = samples_for(m[1], m[4]), n = nx * ny;
    double dx[MAX_SAMPLES * MAX_SAMPLES], dy[MAX_SAMPLES * MAX_SAMPLES];
    for (int i = 0; i < n; i++) {
        int column = i % nx, line = i / nx;
        double u = (column + 0.5) / nx - 0.5, v = (line + 0.5) / ny - 0.5; /* within the output pixel */
        dx[i] = m[0] * u + m[1] * v + m[2];
        dy[i] = m[3] * u + m[4] * v + m[5];
    }
    float share = 1.0F / (float)n;
    uint8_t *to = out->pixels;
    for (int y = 0; y < out->height; y++)
        for (int x = 0; x < out->width; x++, to += 3) {
            double at_x = m[0] * x + m[1] * y, at_y = m[3] * x + m[4] * y;
            pixel sum = {0};
            for (int i = 0; i < n; i++) sum += sample(in, at_x + dx[i], at_y + dy[i]);
            sum = sum * share + 0.5F;
            for (int c = 0; c < 3; c++) to[c] = (uint8_t)(int)sum[c];
        }
}

/* Average the part of the photo that the map reaches down by fx and fy, and let the map take from that. */
static lk_status shrink_first(const lk_image *image, double fx, double fy, double m[6], int width, int height,
                              lk_image **out, lk_error *err) {
    int x, y, w, h;
    reach(m[0], m[1], m[2], width, height, image->width, &x, &w);
    reach(m[3], m[4], m[5], width, height, image->height, &y, &h);
    int small_w = (int)clamp(ceil(w / fx), 1, w), small_h = (int)clamp(ceil(h / fy), 1, h);
    double sx = (double)w / small_w, sy = (double)h / small_h, ox = x + 0.5 * sx - 0.5,
           oy = y + 0.5 * sy - 0.5;
    lk_status status = lk__image_resample(image, sx, ox, sy, oy, small_w, small_h, out, err);
    m[0] /= sx;
    m[1] /= sx;
    m[2] = (m[2] - ox) / sx;
    m[3] /= sy;
    m[4] /= sy;
    m[5] = (m[5] - oy) / sy;
    return status;
}

lk_status lk__image_warp(const lk_image *image, const double m[6], int width, int height, lk_image **out,
                         lk_error *err) {
    for (int i = 0; i < 6; i++)
        if (!(fabs(m[i]) <= 1e9))
            return lk__fail(err, LK_INVALID, "warp: number %d of the map is %g: must be within 1e9 of 0", i,
                            m[i]);
    if (m[1] == 0 && m[3] == 0)
        return lk__image_resample(image, m[0], m[2], m[4], m[5], width, height, out, err);

    lk_image *made = NULL, *smaller = NULL;
    patch reached = {0};
    double rest[6] = {m[0], m[1], m[2], m[3], m[4], m[5]};
    double fx = hypot(m[0], m[1]), fy = hypot(m[3], m[4]); /* input pixels an output pixel */
    lk_status status = lk__image_alloc(width, height, &made, err);
    if (status == LK_OK && (fx >= 4 || fy >= 4))
        status = shrink_first(image, fx >= 4 ? fx / 2 : 1, fy >= 4 ? fy / 2 : 1, rest, width, height,
                              &smaller, err);
    if (status == LK_OK) status = patch_make(&reached, smaller ? smaller : image, rest, width, height, err);
    if (status == LK_OK) {
        warp(&reached, rest, made);
        *out = made;
    } else {
        lk_image_free(made);
    }
    free(reached.values);
    lk_image_free(smaller);
    return status;
}
