/* resample.c: resizing along rows and columns: each output pixel is the mean of the input under a box, that
 * is `scale` input pixels wide when shrinking and one when growing. A box of one pixel between two pixels is
 * linear interpolation, so one rule is both area average and bilinear, without a seam where one ends and the
 * other begins.
 *
 *   input row (w, 3) --taps of x--> float row (width, 3) --taps of y, summed--> output row (width, 3)
 *
 * Only two resampled rows are alive at a time, whatever the size of the photo. */
#include "image/image.h"

#include <math.h>
#include <stdlib.h>

/* How the outputs of one axis take from its inputs. */
typedef struct axis {
    int *first;     /* (outputs) first input */
    int *count;     /* (outputs) how many */
    float *weights; /* one after the other, each output's sum to 1 */
} axis;

static void axis_free(axis *a) {
    free(a->first);
    free(a->count);
    free(a->weights);
}

static int clamp(double value, int low, int high) {
    return value > low ? (value < high ? (int)value : high) : low;
}

/* In edge coordinates: input pixel j covers [j, j + 1]; the first reaches to minus, the last to plus
 * infinity, which is what "the border repeats" means. */
static lk_status axis_make(axis *a, int inputs, double scale, double offset, int outputs, lk_error *err) {
    /* Boxes at most touch when shrinking and take two inputs when growing; rounding may add one at each end.
     */
    size_t room = (size_t)inputs + 4 * (size_t)outputs, used = 0;
    a->first = malloc(sizeof(int) * (size_t)outputs);
    a->count = calloc((size_t)outputs, sizeof(int));
    a->weights = malloc(sizeof(float) * room);
    if (!a->first || !a->count || !a->weights) return lk__fail_memory(err, 4 * room, "resizing");
    double half = fmax(fabs(scale), 1) / 2;
    for (int i = 0; i < outputs; i++) {
        double centre = scale * i + offset + 0.5, from = centre - half, to = centre + half;
        int first = clamp(floor(from), 0, inputs - 1), last = clamp(ceil(to) - 1, first, inputs - 1);
        a->first[i] = first;
        a->count[i] = last - first + 1;
        LK__CHECK(used + (size_t)a->count[i], <=, room);
        for (int j = first; j <= last; j++) {
            double low = j == first ? from : j, high = j == last ? to : j + 1;
            a->weights[used++] = (float)((high - low) / (to - from));
        }
    }
    return LK_OK;
}

static void resample_row(const uint8_t *in, const axis *a, int outputs, float *out) {
    const float *w = a->weights;
    for (int i = 0; i < outputs; i++, out += 3) {
        const uint8_t *p = in + 3 * (size_t)a->first[i];
        float r = 0, g = 0, b = 0;
        for (int k = a->count[i]; k > 0; k--, p += 3, w++) {
            r += *w * p[0];
            g += *w * p[1];
            b += *w * p[2];
        }
        out[0] = r;
        out[1] = g;
        out[2] = b;
    }
}

static void resample(const lk_image *in, const axis *ax, const axis *ay, float *buffer, lk_image *out) {
    size_t row = 3 * (size_t)out->width;
    float *sum = buffer, *kept[2] = {buffer + row, buffer + 2 * row}; /* input row y is kept in kept[y % 2] */
    int kept_row[2] = {-1, -1};
    const float *w = ay->weights;
    for (int y = 0; y < out->height; y++) {
        for (size_t i = 0; i < row; i++) sum[i] = 0.5F; /* rounds */
        for (int k = 0; k < ay->count[y]; k++, w++) {
            int from = ay->first[y] + k, slot = from & 1;
            if (kept_row[slot] != from)
                resample_row(in->pixels + 3 * (size_t)in->width * (size_t)from, ax, out->width, kept[slot]);
            kept_row[slot] = from;
            for (size_t i = 0; i < row; i++) sum[i] += *w * kept[slot][i];
        }
        uint8_t *to = out->pixels + row * (size_t)y;
        for (size_t i = 0; i < row; i++) to[i] = (uint8_t)(int)sum[i];
    }
}

lk_status lk__image_resample(const lk_image *image, double x_scale, double x_offset, double y_scale,
                             double y_offset, int width, int height, lk_image **out, lk_error *err) {
    lk_image *made = NULL;
    lk_status status = lk__image_alloc(width, height, &made, err);
    if (status != LK_OK) return status;
    axis x = {0}, y = {0};
    size_t bytes = 9 * sizeof(float) * (size_t)width;
    float *buffer = malloc(bytes);
    if (!buffer) status = lk__fail_memory(err, bytes, "resizing");
    if (status == LK_OK) status = axis_make(&x, image->width, x_scale, x_offset, width, err);
    if (status == LK_OK) status = axis_make(&y, image->height, y_scale, y_offset, height, err);
    if (status == LK_OK) resample(image, &x, &y, buffer, made);
    axis_free(&x);
    axis_free(&y);
    free(buffer);
    if (status != LK_OK) {
        lk_image_free(made);
        return status;
    }
    *out = made;
    return LK_OK;
}

lk_status lk_image_resize(const lk_image *image, int width, int height, lk_image **out, lk_error *err) {
    double sx = (double)image->width / width, sy = (double)image->height / height; /* 0 is refused below */
    return lk__image_resample(image, sx, 0.5 * sx - 0.5, sy, 0.5 * sy - 0.5, width, height, out, err);
}
