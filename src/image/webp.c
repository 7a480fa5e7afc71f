/* webp.c: WebP by libwebp; its demuxer checks that the file is whole and finds the EXIF block. */
#include "image/codec.h"

#include <stdlib.h>
#include <webp/decode.h>
#include <webp/demux.h>
#include <webp/encode.h>

static const char *cause_of(VP8StatusCode code) {
    switch (code) {
    case VP8_STATUS_NOT_ENOUGH_DATA: return "the file ends too early";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "a feature this libwebp does not know";
    default: return "bad data";
    }
}

static lk_status read_pixels(const lk__encoded *in, bool alpha, lk__decoded *out, lk_error *err) {
    size_t bytes_each = alpha ? 4 : 3, count = (size_t)out->width * (size_t)out->height;
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return lk__fail(err, LK_INTERNAL,
                        "the installed libwebp is another version than the one compiled against");
    uint8_t *pixels = malloc(bytes_each * count);
    if (!pixels) return lk__fail_memory(err, bytes_each * count, in->name);
    config.output.colorspace = alpha ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = pixels;
    config.output.u.RGBA.stride = (int)bytes_each * out->width;
    config.output.u.RGBA.size = bytes_each * count;
    VP8StatusCode code = WebPDecode(in->bytes, in->size, &config);
    WebPFreeDecBuffer(&config.output);
    if (code != VP8_STATUS_OK) {
        free(pixels);
        if (code == VP8_STATUS_OUT_OF_MEMORY)
            return lk__fail(err, LK_NO_MEMORY, "%s: out of memory", in->name);
        return lk__encoded_damaged(in, "WebP", cause_of(code), err);
    }
    if (alpha) lk__over_white(pixels, count);
    out->pixels = pixels;
    return LK_OK;
}

lk_status lk__webp_decode(const lk__encoded *in, lk__decoded *out, lk_error *err) {
    WebPBitstreamFeatures features;
    VP8StatusCode code = WebPGetFeatures(in->bytes, in->size, &features);
    if (code != VP8_STATUS_OK) return lk__encoded_damaged(in, "WebP", cause_of(code), err);
    lk_status status = lk__encoded_fits(in, (uint32_t)features.width, (uint32_t)features.height, err);
    if (status != LK_OK) return status;
    if (features.has_animation)
        return lk__fail(err, LK_FORMAT, "%s: is an animated WebP; save one of its pictures and use that",
                        in->name);

    WebPData data = {in->bytes, in->size};
    WebPDemuxer *demuxer = WebPDemux(&data);
    if (!demuxer) return lk__encoded_damaged(in, "WebP", "a part is missing or broken", err);
    lk__decoded decoded = {features.width, features.height, NULL, 1};
    WebPChunkIterator chunk;
    if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) {
        decoded.orientation = lk__exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    WebPDemuxDelete(demuxer);
    status = read_pixels(in, features.has_alpha, &decoded, err);
    if (status == LK_OK) *out = decoded;
    return status;
}

lk_status lk__webp_encode(const lk_image *image, int quality, uint8_t **bytes, size_t *size, lk_error *err) {
    if (image->width > WEBP_MAX_DIMENSION || image->height > WEBP_MAX_DIMENSION)
        return lk__fail(err, LK_INVALID, "cannot write as WebP: %d x %d pixels, its limit is %d a side",
                        image->width, image->height, WEBP_MAX_DIMENSION);
    uint8_t *encoded = NULL; /* libwebp's allocator is malloc */
    size_t length =
        WebPEncodeRGB(image->pixels, image->width, image->height, 3 * image->width, (float)quality, &encoded);
    if (length == 0) {
        WebPFree(encoded);
        return lk__fail(err, LK_NO_MEMORY, "out of memory while writing a WebP");
    }
    *bytes = encoded;
    *size = length;
    return LK_OK;
}
