/* jpeg.c: JPEG by libjpeg-turbo. It speaks the libjpeg interface and not TurboJPEG's, because only there can
 * one tell a warning that means lost pixels from one that cameras cause every day, and read every
 * subsampling. */
#include "image/codec.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h>

/* libjpeg reports an error by not returning. Nothing but this struct lives across the jump. */
typedef struct guard {
    struct jpeg_error_mgr manager;
    jmp_buf jump;
    char cause[JMSG_LENGTH_MAX];
    bool no_memory;
} guard;

static void on_error(j_common_ptr codec) {
    guard *g = codec->client_data;
    codec->err->format_message(codec, g->cause);
    g->no_memory = codec->err->msg_code == JERR_OUT_OF_MEMORY;
    longjmp(g->jump, 1);
}

/* Warnings after which every pixel is still as its maker meant it. All others (premature end, bad Huffman
 * code, lost restart marker, ...) leave grey or shifted blocks behind. */
static bool harmless(const struct jpeg_error_mgr *manager) {
    switch (manager->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
    case JWRN_NOT_SEQUENTIAL: /* odd scan parameters of some phones */
    case JWRN_TOO_MUCH_DATA: return true;
    case JWRN_EXTRANEOUS_DATA: /* filling between segments; before a restart marker it is lost sync */
        return manager->msg_parm.i[1] < JPEG_RST0 || manager->msg_parm.i[1] > JPEG_RST0 + 7;
    default: return false;
    }
}

static void on_message(j_common_ptr codec, int level) {
    if (level < 0 && !harmless(codec->err)) on_error(codec);
}

static struct jpeg_error_mgr *guard_set(guard *g) {
    jpeg_std_error(&g->manager);
    g->manager.error_exit = on_error;
    g->manager.emit_message = on_message;
    return &g->manager;
}

/* ---- decoding ------------------------------------------------------------------------------------ */

/* A progressive file of a few kilobytes can ask for thousands of passes over 64 megapixels; cameras use about
 * ten. */
enum { MAX_SCANS = 500 };

typedef struct decoder {
    guard guard;
    struct jpeg_decompress_struct codec;
    struct jpeg_progress_mgr progress;
    lk__decoded out;
} decoder;

static void on_progress(j_common_ptr codec) {
    guard *g = codec->client_data;
    if (((j_decompress_ptr)codec)->input_scan_number <= MAX_SCANS) return;
    snprintf(g->cause, sizeof g->cause, "over %d scans", MAX_SCANS);
    longjmp(g->jump, 1);
}

static int orientation(const struct jpeg_decompress_struct *codec) {
    for (const struct jpeg_marker_struct *m = codec->marker_list; m; m = m->next)
        if (m->data_length > 6 && memcmp(m->data, "Exif\0", 6) == 0)
            return lk__exif_orientation(m->data + 6, m->data_length - 6);
    return 1;
}

/* Ink to light. Adobe stores ink upside down (255: none), and so does everyone who writes the Adobe marker.
 */
static void cmyk_to_rgb(const uint8_t *ink, bool inverted, size_t count, uint8_t *rgb) {
    unsigned flip = inverted ? 0 : 255;
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < 3; c++)
            rgb[3 * i + c] = (uint8_t)(((ink[4 * i + c] ^ flip) * (ink[4 * i + 3] ^ flip) + 127) / 255);
}

static void read_rows(decoder *d) {
    struct jpeg_decompress_struct *codec = &d->codec;
    bool cmyk = codec->out_color_space == JCS_CMYK;
    size_t width = codec->output_width;
    uint8_t *ink = cmyk ? codec->mem->alloc_small((j_common_ptr)codec, JPOOL_IMAGE, 4 * width) : NULL;
    while (codec->output_scanline < codec->output_height) {
        uint8_t *rgb = d->out.pixels + 3 * width * codec->output_scanline, *row = cmyk ? ink : rgb;
        jpeg_read_scanlines(codec, &row, 1);
        if (cmyk) cmyk_to_rgb(ink, codec->saw_Adobe_marker, width, rgb);
    }
}

static lk_status decode(decoder *d, const lk__encoded *in, lk_error *err) {
    struct jpeg_decompress_struct *codec = &d->codec;
    codec->err = guard_set(&d->guard);
    codec->client_data = &d->guard;
    if (setjmp(d->guard.jump))
        return d->guard.no_memory ? lk__fail(err, LK_NO_MEMORY, "%s: out of memory", in->name)
                                  : lk__encoded_damaged(in, "JPEG", d->guard.cause, err);
    jpeg_create_decompress(codec);
    d->progress.progress_monitor = on_progress;
    codec->progress = &d->progress;
    jpeg_mem_src(codec, in->bytes, in->size);
    jpeg_save_markers(codec, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(codec, TRUE);
    lk_status status = lk__encoded_fits(in, codec->image_width, codec->image_height, err);
    if (status != LK_OK) return status;

    size_t bytes = 3 * (size_t)codec->image_width * codec->image_height;
    d->out.width = (int)codec->image_width;
    d->out.height = (int)codec->image_height;
    d->out.orientation = orientation(codec);
    d->out.pixels = malloc(bytes);
    if (!d->out.pixels) return lk__fail_memory(err, bytes, in->name);
    codec->out_color_space = codec->num_components == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(codec);
    read_rows(d);
    jpeg_finish_decompress(codec); /* reads on to the end mark, so that a lost tail is noticed */
    return LK_OK;
}

lk_status lk__jpeg_decode(const lk__encoded *in, lk__decoded *out, lk_error *err) {
    decoder d = {.out = {.pixels = NULL}};
    lk_status status = decode(&d, in, err);
    jpeg_destroy_decompress(&d.codec);
    if (status == LK_OK)
        *out = d.out;
    else
        free(d.out.pixels);
    return status;
}

/* ---- encoding ------------------------------------------------------------------------------------ */

/* Its own destination: jpeg_mem_dest forgets which buffer is alive when memory runs out on the way. */
typedef struct encoder {
    guard guard;
    struct jpeg_compress_struct codec;
    struct jpeg_destination_mgr destination;
    uint8_t *bytes;
    size_t size;
} encoder;

static void grow(j_compress_ptr codec) {
    encoder *e = codec->client_data;
    size_t have = e->size, size = have ? 2 * have : 16384;
    uint8_t *bytes = realloc(e->bytes, size);
    if (!bytes) {
        e->guard.no_memory = true;
        longjmp(e->guard.jump, 1);
    }
    e->bytes = bytes;
    e->size = size;
    e->destination.next_output_byte = bytes + have;
    e->destination.free_in_buffer = size - have;
}

/* Called when the buffer is full to the last byte. */
static boolean on_full(j_compress_ptr codec) {
    grow(codec);
    return TRUE;
}

static void on_end(j_compress_ptr codec) {
    encoder *e = codec->client_data;
    e->size -= e->destination.free_in_buffer;
}

static lk_status encode(encoder *e, const lk_image *image, int quality, lk_error *err) {
    struct jpeg_compress_struct *codec = &e->codec;
    codec->err = guard_set(&e->guard);
    codec->client_data = e;
    if (setjmp(e->guard.jump))
        return e->guard.no_memory ? lk__fail(err, LK_NO_MEMORY, "out of memory while writing a JPEG")
                                  : lk__fail(err, LK_INVALID, "cannot write as JPEG: %s", e->guard.cause);
    jpeg_create_compress(codec);
    e->destination = (struct jpeg_destination_mgr){
        .init_destination = grow, .empty_output_buffer = on_full, .term_destination = on_end};
    codec->dest = &e->destination;
    codec->image_width = (JDIMENSION)image->width;
    codec->image_height = (JDIMENSION)image->height;
    codec->input_components = 3;
    codec->in_color_space = JCS_RGB;
    jpeg_set_defaults(codec);
    jpeg_set_quality(codec, quality, TRUE);
    jpeg_start_compress(codec, TRUE);
    while (codec->next_scanline < codec->image_height) {
        uint8_t *row = image->pixels + 3 * (size_t)image->width * codec->next_scanline;
        jpeg_write_scanlines(codec, &row, 1);
    }
    jpeg_finish_compress(codec);
    return LK_OK;
}

lk_status lk__jpeg_encode(const lk_image *image, int quality, uint8_t **bytes, size_t *size, lk_error *err) {
    encoder e = {.bytes = NULL};
    lk_status status = encode(&e, image, quality, err);
    jpeg_destroy_compress(&e.codec);
    if (status != LK_OK) {
        free(e.bytes);
        return status;
    }
    *bytes = e.bytes;
    *size = e.size;
    return LK_OK;
}
