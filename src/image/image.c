/* image.c: the image itself: pixels in memory and their size. */
#include "image/image.h"

#include <stdlib.h>
#include <string.h>

lk_status lk__image_alloc(int width, int height, lk_image **out, lk_error *err) {
    if (width < 1 || height < 1)
        return lk__fail(err, LK_INVALID, "image of %d x %d pixels: both sides must be at least 1", width,
                        height);
    size_t pixels = (size_t)width * (size_t)height;
    if (pixels > LK__IMAGE_MAX_PIXELS)
        return lk__fail(err, LK_TOO_LARGE, "image of %d x %d pixels: the limit is %zu megapixels", width,
                        height, LK__IMAGE_MAX_PIXELS >> 20);
    lk_image *image = malloc(sizeof *image);
    uint8_t *memory = malloc(3 * pixels);
    if (!image || !memory) {
        free(image);
        free(memory);
        return lk__fail_memory(err, 3 * pixels, "an image");
    }
    *image = (lk_image){width, height, memory};
    *out = image;
    return LK_OK;
}

lk_status lk_image_new(int width, int height, const uint8_t *pixels, size_t stride, lk_image **out,
                       lk_error *err) {
    size_t row = 3 * (size_t)(width > 0 ? width : 0);
    if (stride == 0) stride = row;
    if (stride < row)
        return lk__fail(err, LK_INVALID,
                        "image of %d x %d pixels: a stride of %zu bytes is less than a row (%zu)", width,
                        height, stride, row);
    lk_image *image = NULL;
    lk_status status = lk__image_alloc(width, height, &image, err);
    if (status != LK_OK) return status;
    if (!pixels) memset(image->pixels, 0, row * (size_t)height);
    for (int y = 0; pixels && y < height; y++)
        memcpy(image->pixels + row * (size_t)y, pixels + stride * (size_t)y, row);
    *out = image;
    return LK_OK;
}

void lk_image_free(lk_image *image) {
    if (!image) return;
    free(image->pixels);
    free(image);
}

int lk_image_width(const lk_image *image) {
    return image->width;
}

int lk_image_height(const lk_image *image) {
    return image->height;
}

const uint8_t *lk_image_pixels(const lk_image *image) {
    return image->pixels;
}
