/* image.h: inside the image room and for src/face: the struct behind lk_image, and warps. */
#ifndef LK_IMAGE_H
#define LK_IMAGE_H

#include "base/base.h"

struct lk_image {
    int width, height;
    uint8_t *pixels; /* (h, w, 3), packed */
};

/* 64 megapixels, in the binary sense so that the photos of 64-megapixel phones (9280 x 6944) are within it.
 */
#define LK__IMAGE_MAX_PIXELS ((size_t)64 << 20)

/* An image whose pixels are not set yet. Sizes below 1 are INVALID, over LK__IMAGE_MAX_PIXELS TOO_LARGE. */
lk_status lk__image_alloc(int width, int height, lk_image **out, lk_error *err);

/* Output pixel (x, y) takes the input at (m[0]*x + m[1]*y + m[2], m[3]*x + m[4]*y + m[5]), bilinear, border
 * repeated. When the map shrinks by more than 1, what an output pixel covers is averaged so that nothing
 * aliases. A map without rotation or shear averages exactly, as lk_image_resize does. INVALID for numbers not
 * finite or beyond 1e9. */
lk_status lk__image_warp(const lk_image *image, const double m[6], int width, int height, lk_image **out,
                         lk_error *err);
/* The map that lk_image_crop uses: crop of a (w, h) photo to (width, height) output. */
void lk__crop_map(int photo_width, int photo_height, lk_crop crop, int width, int height, double m[6]);

/* Output pixel (x, y) takes the input at (x_scale * x + x_offset, y_scale * y + y_offset), averaged over a
 * box of |scale| input pixels where that is more than 1 and bilinear where not; border repeated (resample.c).
 */
lk_status lk__image_resample(const lk_image *image, double x_scale, double x_offset, double y_scale,
                             double y_offset, int width, int height, lk_image **out, lk_error *err);

#endif
