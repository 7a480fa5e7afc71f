/* decode.c: bytes to an upright RGB image: which format it is, then that format's decoder, then the turning.
 * First step of the path of a photo. A photo is taken whole or not at all: half a face is a wrong vector, and
 * a wrong vector in a gallery is worse than a message. */
#include "image/codec.h"

#include <stdlib.h>
#include <string.h>

/* A 64-megapixel PNG of 16-bit RGBA that does not compress at all; a longer file is no photo we could hold.
 */
static const size_t file_limit = 8 * LK__IMAGE_MAX_PIXELS + (1 << 20);

lk_status lk__encoded_fits(const lk__encoded *in, uint32_t width, uint32_t height, lk_error *err) {
    if ((uint64_t)width * height <= in->max_pixels) return LK_OK;
    return lk__fail(err, LK_TOO_LARGE,
                    "%s: %u x %u pixels, over the limit of %.4g megapixels; make it smaller first", in->name,
                    width, height, (double)in->max_pixels / (1 << 20));
}

lk_status lk__encoded_damaged(const lk__encoded *in, const char *format, const char *cause, lk_error *err) {
    return lk__fail(err, LK_FORMAT,
                    "%s: damaged or truncated %s (%s); copy it again from its source or leave it out",
                    in->name, format, cause);
}

void lk__over_white(uint8_t *pixels, size_t count) {
    for (size_t i = 0; i < count; i++) {
        unsigned alpha = pixels[4 * i + 3], white = 255 * (255 - alpha) + 127;
        for (size_t c = 0; c < 3; c++)
            pixels[3 * i + c] = (uint8_t)((pixels[4 * i + c] * alpha + white) / 255);
    }
}

static bool starts_with(const lk__encoded *in, size_t at, const char *magic, size_t length) {
    return in->size >= at + length && memcmp(in->bytes + at, magic, length) == 0;
}

lk_status lk_image_decode_within(const uint8_t *bytes, size_t size, const char *name, size_t max_pixels,
                                 lk_image **out, lk_error *err) {
    lk__encoded in = {bytes, size, name ? name : "image", max_pixels};
    lk__decoded decoded = {.orientation = 1};
    lk_status status;
    if (size == 0) return lk__fail(err, LK_FORMAT, "%s: is empty; copy it again from its source", in.name);
    if (starts_with(&in, 0, "\xFF\xD8\xFF", 3)) {
        status = lk__jpeg_decode(&in, &decoded, err);
    } else if (starts_with(&in, 0, "\x89PNG\r\n\x1A\n", 8)) {
        status = lk__png_decode(&in, &decoded, err);
    } else if (starts_with(&in, 0, "RIFF", 4) && starts_with(&in, 8, "WEBP", 4)) {
        status = lk__webp_decode(&in, &decoded, err);
    } else {
        return lk__fail(err, LK_FORMAT,
                        "%s: is not a PNG, JPEG or WebP image; convert it to one of these, or leave it out",
                        in.name);
    }
    if (status != LK_OK) return status;
    return lk__upright(&in, &decoded, out, err);
}

lk_status lk_image_decode(const uint8_t *bytes, size_t size, const char *name, lk_image **out,
                          lk_error *err) {
    return lk_image_decode_within(bytes, size, name, LK__IMAGE_MAX_PIXELS, out, err);
}

lk_status lk_image_load(const char *path, lk_image **out, lk_error *err) {
    uint8_t *bytes = NULL;
    size_t size = 0;
    lk_status status = lk__file_read(path, file_limit, &bytes, &size, err);
    if (status != LK_OK) return status;
    status = lk_image_decode(bytes, size, path, out, err);
    free(bytes);
    return status;
}
