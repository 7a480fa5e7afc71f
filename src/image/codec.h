/* codec.h: between decode.c / save.c and the three formats. Each format knows its library and nothing else.
 */
#ifndef LK_CODEC_H
#define LK_CODEC_H

#include "image/image.h"

typedef struct lk__encoded {
    const uint8_t *bytes;
    size_t size;
    const char *name;  /* for errors, never NULL */
    size_t max_pixels; /* TOO_LARGE above, told from the header before pixel memory is taken */
} lk__encoded;

typedef struct lk__decoded {
    int width, height;
    uint8_t *pixels; /* (h, w, 3), malloc'd, as stored: not yet turned */
    int orientation; /* EXIF 1..8 */
} lk__decoded;

lk_status lk__jpeg_decode(const lk__encoded *in, lk__decoded *out, lk_error *err);
lk_status lk__png_decode(const lk__encoded *in, lk__decoded *out, lk_error *err);
lk_status lk__webp_decode(const lk__encoded *in, lk__decoded *out, lk_error *err);

/* *bytes are malloc'd. */
lk_status lk__jpeg_encode(const lk_image *image, int quality, uint8_t **bytes, size_t *size, lk_error *err);
lk_status lk__png_encode(const lk_image *image, uint8_t **bytes, size_t *size, lk_error *err);
lk_status lk__webp_encode(const lk_image *image, int quality, uint8_t **bytes, size_t *size, lk_error *err);

/* What the formats share (decode.c). */

/* TOO_LARGE unless width * height is within the limit. */
lk_status lk__encoded_fits(const lk__encoded *in, uint32_t width, uint32_t height, lk_error *err);
/* FORMAT, naming file, format and cause. */
lk_status lk__encoded_damaged(const lk__encoded *in, const char *format, const char *cause, lk_error *err);
/* RGBA (count, 4) to RGB (count, 3) over white, in place. */
void lk__over_white(uint8_t *pixels, size_t count);
/* The orientation in a TIFF block as PNG and WebP keep it ("II*" or "MM*" first); 1 when it has none or is
 * damaged. */
int lk__exif_orientation(const uint8_t *tiff, size_t size);
/* Turn what is stored so that it stands upright. in->pixels is freed or handed on in every case. */
lk_status lk__upright(const lk__encoded *source, lk__decoded *in, lk_image **out, lk_error *err);

#endif
