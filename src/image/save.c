/* save.c: an image to bytes and to a file that is either as it was or complete. */
#include "image/codec.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static lk_status quality_check(int quality, lk_error *err) {
    if (quality >= 1 && quality <= 100) return LK_OK;
    return lk__fail(err, LK_INVALID, "quality %d: must be 1 to 100", quality);
}

lk_status lk_image_encode_jpeg(const lk_image *image, int quality, uint8_t **bytes, size_t *size,
                               lk_error *err) {
    lk_status status = quality_check(quality, err);
    return status == LK_OK ? lk__jpeg_encode(image, quality, bytes, size, err) : status;
}

static lk_status encode(const lk_image *image, const char *path, int quality, uint8_t **bytes, size_t *size,
                        lk_error *err) {
    const char *dot = strrchr(path, '.');
    if (dot && strcasecmp(dot, ".png") == 0) return lk__png_encode(image, bytes, size, err);
    bool jpeg = dot && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0);
    if (!jpeg && !(dot && strcasecmp(dot, ".webp") == 0))
        return lk__fail(err, LK_INVALID, "%s: the name must end in .png, .jpg, .jpeg or .webp", path);
    lk_status status = quality_check(quality, err);
    if (status != LK_OK) return status;
    return jpeg ? lk__jpeg_encode(image, quality, bytes, size, err)
                : lk__webp_encode(image, quality, bytes, size, err);
}

lk_status lk_image_save(const lk_image *image, const char *path, int quality, lk_error *err) {
    uint8_t *bytes = NULL;
    size_t size = 0;
    lk_status status = encode(image, path, quality, &bytes, &size, err);
    if (status != LK_OK) return status;
    lk__writer *writer = NULL;
    status = lk__writer_open(path, &writer, err);
    if (status == LK_OK) {
        status = lk__writer_write(writer, bytes, size, err);
        if (status == LK_OK)
            status = lk__writer_commit(writer, err);
        else
            lk__writer_abort(writer);
    }
    free(bytes);
    return status;
}
