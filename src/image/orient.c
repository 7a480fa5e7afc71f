/* orient.c: EXIF orientation. A phone stores what its sensor saw and notes how it was held; upright is that
 * note applied. */
#include "image/codec.h"

#include <libexif/exif-data.h>
#include <stdlib.h>
#include <string.h>

int lk__exif_orientation(const uint8_t *tiff, size_t size) {
    static const uint8_t intro[6] = {'E', 'x', 'i', 'f', 0, 0}; /* as in JPEG, the one form libexif reads */
    if (size > 65536) return 1; /* what a JPEG segment holds; EXIF is not longer anywhere */
    uint8_t *block = malloc(sizeof intro + size);
    ExifData *exif = exif_data_new();
    int orientation = 1;
    if (block && exif) {
        memcpy(block, intro, sizeof intro);
        memcpy(block + sizeof intro, tiff, size);
        /* Else libexif adds the entries the standard demands. */
        exif_data_unset_option(exif, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
        exif_data_load_data(exif, block, (unsigned)(sizeof intro + size));
        const ExifEntry *entry = exif_content_get_entry(exif->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
        if (entry && entry->format == EXIF_FORMAT_SHORT && entry->size >= 2)
            orientation = exif_get_short(entry->data, exif_data_get_byte_order(exif));
    }
    if (exif) exif_data_unref(exif);
    free(block);
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

/* Orientation o says where row 0 and column 0 of what is stored belong (EXIF 2.3, tag 0x0112):
 *   1 top left   2 top right   3 bottom right   4 bottom left   (upright, mirrored, half turn, mirrored half
 * turn) 5 left top   6 right top   7 right bottom   8 left bottom   (rows and columns change places) */
lk_status lk__upright(const lk__encoded *source, lk__decoded *in, lk_image **out, lk_error *err) {
    int o = in->orientation;
    bool turned = o >= 5, right = o == 2 || o == 3 || o == 6 || o == 7,
         bottom = o == 3 || o == 4 || o == 7 || o == 8;
    lk_image *image = malloc(sizeof *image);
    size_t w = (size_t)in->width, h = (size_t)in->height;
    uint8_t *pixels = o == 1 ? in->pixels : malloc(3 * w * h);
    if (!image || !pixels) {
        if (pixels != in->pixels) free(pixels);
        free(in->pixels);
        free(image);
        return lk__fail_memory(err, 3 * w * h, source->name);
    }
    if (o != 1) {
        size_t width = turned ? h : w, height = turned ? w : h;
        for (size_t y = 0; y < height; y++)
            for (size_t x = 0; x < width; x++) {
                size_t u = right ? width - 1 - x : x, v = bottom ? height - 1 - y : y;
                const uint8_t *from = in->pixels + 3 * (turned ? u * w + v : v * w + u);
                memcpy(pixels + 3 * (y * width + x), from, 3);
            }
        free(in->pixels);
    }
    *image = (lk_image){turned ? in->height : in->width, turned ? in->width : in->height, pixels};
    *out = image;
    return LK_OK;
}
