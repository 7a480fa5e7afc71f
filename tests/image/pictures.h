/* pictures.h: PNG, JPEG and WebP files of every kind, made in memory for the tests of decoding. The pictures
 * are coloured cells, so that one sees at a glance which way up they are. */
#ifndef LK_TEST_PICTURES_H
#define LK_TEST_PICTURES_H

#include "image/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>

typedef struct blob {
    uint8_t *bytes;
    size_t size;
} blob;

static inline void append(blob *b, const void *bytes, size_t size) {
    b->bytes = realloc(b->bytes, b->size + size + 1);
    assert_non_null(b->bytes);
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

static inline void put(blob *b, uint32_t value, int bytes, bool big_endian) {
    for (int i = 0; i < bytes; i++) {
        uint8_t byte = (uint8_t)(value >> 8 * (big_endian ? bytes - 1 - i : i));
        append(b, &byte, 1);
    }
}

/* ---- cells: a letter is a colour, '/' ends a row ------------------------------------------------------- */

static const uint8_t colour[6][3] = {{255, 0, 0},   {0, 255, 0},  {0, 0, 255},
                                     {255, 255, 0}, {20, 30, 40}, {255, 255, 255}};

static inline lk_image *cells(const char *layout, int side) {
    int columns = (int)strcspn(layout, "/"), rows = ((int)strlen(layout) + 1) / (columns + 1);
    lk_image *image = NULL;
    assert_int_equal(lk_image_new(columns * side, rows * side, NULL, 0, &image, NULL), LK_OK);
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++)
            memcpy(image->pixels + 3 * (y * image->width + x),
                   colour[layout[y / side * (columns + 1) + x / side] - 'A'], 3);
    return image;
}

static inline int worst_difference(const lk_image *a, const lk_image *b) {
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    int worst = 0;
    for (int i = 0; i < 3 * a->width * a->height; i++) {
        int d = abs(a->pixels[i] - b->pixels[i]);
        if (d > worst) worst = d;
    }
    return worst;
}

static inline lk_image *decoded(const blob *b) {
    lk_image *image = NULL;
    lk_error err = {LK_OK, ""};
    if (lk_image_decode(b->bytes, b->size, "test", &image, &err) != LK_OK) print_message("%s\n", err.message);
    assert_non_null(image);
    return image;
}

/* ---- makers ------------------------------------------------------------------------------------------- */

/* A TIFF block with one entry between two others, as cameras write it. */
static inline blob exif(int orientation, bool big_endian) {
    blob b = {0};
    append(&b, big_endian ? "MM" : "II", 2);
    put(&b, 42, 2, big_endian);
    put(&b, 8, 4, big_endian);
    put(&b, 3, 2, big_endian);
    const uint32_t entry[3][4] = {
        {0x0100, 3, 1, 640}, {0x0112, 3, 1, (uint32_t)orientation}, {0x0128, 3, 1, 2}};
    for (int i = 0; i < 3; i++) {
        put(&b, entry[i][0], 2, big_endian);
        put(&b, entry[i][1], 2, big_endian);
        put(&b, entry[i][2], 4, big_endian);
        put(&b, entry[i][3], 2, big_endian);
        put(&b, 0, 2, big_endian);
    }
    put(&b, 0, 4, big_endian);
    return b;
}

typedef struct jpeg_kind {
    J_COLOR_SPACE in, stored;
    int components, subsampling;
    bool progressive, separate_scans, no_adobe;
    const blob *exif;
} jpeg_kind;

static const jpeg_kind plain_jpeg = {.in = JCS_RGB, .stored = JCS_YCbCr, .components = 3, .subsampling = 1};

static inline blob make_jpeg(const jpeg_kind *kind, int width, int height, const uint8_t *pixels) {
    struct jpeg_compress_struct codec;
    struct jpeg_error_mgr manager;
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    codec.err = jpeg_std_error(&manager);
    jpeg_create_compress(&codec);
    jpeg_mem_dest(&codec, &bytes, &size);
    codec.image_width = (JDIMENSION)width;
    codec.image_height = (JDIMENSION)height;
    codec.input_components = kind->components;
    codec.in_color_space = kind->in;
    jpeg_set_defaults(&codec);
    jpeg_set_colorspace(&codec, kind->stored);
    jpeg_set_quality(&codec, 100, TRUE);
    codec.comp_info[0].h_samp_factor = codec.comp_info[0].v_samp_factor = kind->subsampling;
    if (kind->components == 4)
        codec.comp_info[3].h_samp_factor = codec.comp_info[3].v_samp_factor = kind->subsampling;
    if (kind->no_adobe) codec.write_Adobe_marker = FALSE;
    if (kind->progressive) jpeg_simple_progression(&codec);
    static const jpeg_scan_info scans[3] = {
        {1, {0, 0, 0, 0}, 0, 63, 0, 0}, {1, {1, 0, 0, 0}, 0, 63, 0, 0}, {1, {2, 0, 0, 0}, 0, 63, 0, 0}};
    if (kind->separate_scans) {
        codec.scan_info = scans;
        codec.num_scans = 3;
    }
    jpeg_start_compress(&codec, TRUE);
    if (kind->exif) {
        blob segment = {0};
        append(&segment, "Exif\0", 6);
        append(&segment, kind->exif->bytes, kind->exif->size);
        static const uint8_t other[] = "http://ns.adobe.com/xap/1.0/"; /* also APP1, and comes first here */
        jpeg_write_marker(&codec, JPEG_APP0 + 1, other, sizeof other);
        jpeg_write_marker(&codec, JPEG_APP0 + 1, segment.bytes, (unsigned)segment.size);
        free(segment.bytes);
    }
    for (int y = 0; y < height; y++) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + (size_t)y * (size_t)(width * kind->components));
        jpeg_write_scanlines(&codec, &row, 1);
    }
    jpeg_finish_compress(&codec);
    jpeg_destroy_compress(&codec);
    return (blob){bytes, size};
}

typedef struct png_kind {
    int colour_type, depth;
    bool interlaced;
    const png_color *palette;
    int palette_size;
    const uint8_t *palette_alpha;
    const png_color_16 *transparent;
    const blob *exif;
} png_kind;

static const png_kind plain_png = {.colour_type = PNG_COLOR_TYPE_RGB, .depth = 8};

static inline void png_append(png_structp png, png_bytep bytes, size_t size) {
    append(png_get_io_ptr(png), bytes, size);
}

static inline blob make_png(const png_kind *kind, int width, int height, const uint8_t *pixels,
                            size_t stride) {
    blob b = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    assert_non_null(info);
    png_set_write_fn(png, &b, png_append, NULL);
    png_set_IHDR(png, info, (uint32_t)width, (uint32_t)height, kind->depth, kind->colour_type,
                 kind->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, 0, 0);
    if (kind->palette) png_set_PLTE(png, info, kind->palette, kind->palette_size);
    if (kind->palette_alpha) png_set_tRNS(png, info, kind->palette_alpha, kind->palette_size, NULL);
    if (kind->transparent) png_set_tRNS(png, info, NULL, 0, kind->transparent);
    if (kind->exif) png_set_eXIf_1(png, info, (uint32_t)kind->exif->size, kind->exif->bytes);
    png_write_info(png, info);
    png_bytep *rows = calloc((size_t)height, sizeof *rows);
    assert_non_null(rows);
    for (int y = 0; y < height; y++) rows[y] = (png_bytep)(uintptr_t)(pixels + stride * (size_t)y);
    png_write_image(png, rows);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    free(rows);
    return b;
}

/* Lossless, (h, w, each) with each 3 or 4. */
static inline blob make_webp(int width, int height, const uint8_t *pixels, int each, const blob *exif_block) {
    uint8_t *bytes = NULL;
    size_t size = each == 4 ? WebPEncodeLosslessRGBA(pixels, width, height, each * width, &bytes)
                            : WebPEncodeLosslessRGB(pixels, width, height, each * width, &bytes);
    assert_true(size > 12);
    blob simple = {bytes, size};
    if (!exif_block) return simple;
    blob b = {0}; /* the extended form: RIFF, VP8X with the EXIF flag, the picture's chunk, EXIF */
    size_t padded = (exif_block->size + 1) & ~(size_t)1;
    append(&b, "RIFF", 4);
    put(&b, (uint32_t)(4 + 18 + (size - 12) + 8 + padded), 4, false);
    append(&b, "WEBPVP8X", 8);
    put(&b, 10, 4, false);
    put(&b, 0x08, 4, false);
    put(&b, (uint32_t)width - 1, 3, false);
    put(&b, (uint32_t)height - 1, 3, false);
    append(&b, simple.bytes + 12, size - 12);
    append(&b, "EXIF", 4);
    put(&b, (uint32_t)exif_block->size, 4, false);
    append(&b, exif_block->bytes, exif_block->size);
    put(&b, 0, (int)(padded - exif_block->size), false);
    WebPFree(bytes);
    return b;
}

#endif
