/* png.c: PNG by libpng. Reading uses its row interface and not the simplified one, which would bend colours
 * by the file's gamma and blend alpha in linear light; browsers and the photo collections of the field do
 * neither. */
#include "image/codec.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

/* ---- decoding ------------------------------------------------------------------------------------ */

/* libpng reports an error by not returning. Nothing but this struct lives across the jump. */
typedef struct decoder {
    png_structp png;
    png_infop info;
    const lk__encoded *in;
    size_t at; /* bytes read */
    char cause[128];
    size_t most; /* bytes that one honest allocation may ask for */
    bool no_memory;
    lk__decoded out;
} decoder;

static _Noreturn void on_error(png_structp png, png_const_charp message) {
    decoder *d = png_get_error_ptr(png);
    snprintf(d->cause, sizeof d->cause, "%s", message);
    png_longjmp(png, 1);
}

/* Warnings are about chunks we do not use. */
static void on_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static png_voidp on_malloc(png_structp png, png_alloc_size_t size) {
    decoder *d = png_get_mem_ptr(png);
    /* libpng takes memory for a chunk by the length it claims, up to 2 GB, before it sees that the file is
     * shorter; its own limit (png_set_chunk_malloc_max) only warns. */
    if (size > d->most) return NULL;
    void *memory = malloc(size);
    if (!memory) d->no_memory = true;
    return memory;
}

static void on_free(png_structp png, png_voidp memory) {
    (void)png;
    free(memory);
}

static void on_read(png_structp png, png_bytep bytes, size_t size) {
    decoder *d = png_get_io_ptr(png);
    if (size > d->in->size - d->at) png_error(png, "the file ends too early");
    memcpy(bytes, d->in->bytes + d->at, size);
    d->at += size;
}

/* Whatever is stored: 8-bit RGB, or RGBA where there is transparency. Returns the bytes a pixel. */
static size_t ask_for_rgb(png_structp png, png_infop info) {
    bool alpha =
        (png_get_color_type(png, info) & PNG_COLOR_MASK_ALPHA) || png_get_valid(png, info, PNG_INFO_tRNS);
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_gray_to_rgb(png);
    return alpha ? 4 : 3;
}

static lk_status decode(decoder *d, lk_error *err) {
    const lk__encoded *in = d->in;
    png_structp png = d->png;
    if (setjmp(png_jmpbuf(png)))
        return d->no_memory ? lk__fail(err, LK_NO_MEMORY, "%s: out of memory", in->name)
                            : lk__encoded_damaged(in, "PNG", d->cause, err);
    png_set_read_fn(png, d, on_read);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ours is on the product */
    png_read_info(png, d->info);
    uint32_t width = png_get_image_width(png, d->info), height = png_get_image_height(png, d->info);
    lk_status status = lk__encoded_fits(in, width, height, err);
    if (status != LK_OK) return status;

    d->most += 8 * (size_t)width; /* a row of 16-bit RGBA */
    size_t bytes_each = ask_for_rgb(png, d->info), count = (size_t)width * height;
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, d->info);
    LK__CHECK(png_get_rowbytes(png, d->info), ==, bytes_each * width);
    d->out.width = (int)width;
    d->out.height = (int)height;
    d->out.pixels = malloc(bytes_each * count);
    if (!d->out.pixels) return lk__fail_memory(err, bytes_each * count, in->name);
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < height; y++) png_read_row(png, d->out.pixels + bytes_each * width * y, NULL);
    png_read_end(png, d->info); /* on to the end mark, so that a lost tail is noticed */

    if (bytes_each == 4) lk__over_white(d->out.pixels, count);
    png_uint_32 exif_size = 0;
    png_bytep exif = NULL;
    d->out.orientation = 1;
    if (png_get_eXIf_1(png, d->info, &exif_size, &exif))
        d->out.orientation = lk__exif_orientation(exif, exif_size);
    return LK_OK;
}

lk_status lk__png_decode(const lk__encoded *in, lk__decoded *out, lk_error *err) {
    decoder d = {.in = in, .most = in->size + (8 << 20)};
    d.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &d, on_error, on_warning, &d, on_malloc, on_free);
    d.info = d.png ? png_create_info_struct(d.png) : NULL;
    lk_status status = d.info ? decode(&d, err) : lk__fail(err, LK_NO_MEMORY, "%s: out of memory", in->name);
    png_destroy_read_struct(&d.png, &d.info, NULL);
    if (status == LK_OK)
        *out = d.out;
    else
        free(d.out.pixels);
    return status;
}

/* ---- encoding ------------------------------------------------------------------------------------ */

lk_status lk__png_encode(const lk_image *image, uint8_t **bytes, size_t *size, lk_error *err) {
    png_image png = {.version = PNG_IMAGE_VERSION,
                     .width = (uint32_t)image->width,
                     .height = (uint32_t)image->height,
                     .format = PNG_FORMAT_RGB};
    size_t room = PNG_IMAGE_PNG_SIZE_MAX(png); /* asking for the exact size would compress twice */
    uint8_t *memory = malloc(room);
    if (!memory) return lk__fail_memory(err, room, "writing a PNG");
    if (!png_image_write_to_memory(&png, memory, &room, 0, image->pixels, 3 * image->width, NULL)) {
        free(memory);
        return lk__fail(err, LK_INVALID, "cannot write as PNG: %s", png.message);
    }
    *bytes = memory;
    *size = room;
    return LK_OK;
}
