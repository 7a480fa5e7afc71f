/* video_stream.c: one connection to a video through FFmpeg's libraries: container, codec, colours, rotation.
 *
 * A source may be hostile or broken, so it gets no more than it needs: a path is opened as a file whatever it
 * looks like, a file may lead to no address (playlists can try), no picture has more pixels than a photo may,
 * and what cannot be decoded is counted and passed over. */
#include "video_stream.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>
#ifdef LK_CAMERAS
#include <libavdevice/avdevice.h>
#endif

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PATIENCE = 10, /* seconds without an answer after which an address or a camera counts as lost */
    BROKEN_IN_A_ROW = 100,
    MOST_PIXELS = 64 << 20 /* as for photos */
};

struct video_stream {
    AVFormatContext *format;
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame;
    struct SwsContext *colours;
    uint8_t *rgb; /* one picture before it is turned */
    unsigned rgb_size;
    int index, turns; /* quarter turns clockwise that bring it upright */
    bool ending;      /* the last packet is in the decoder */
    double deadline;  /* of the call under way; infinity for a file */
    video_kind kind;
    char *name;
    bool (*stop)(void *);
    void *context;
};

lk_status video_fail(lk_error *err, lk_status status, const char *format, ...) {
    if (err) {
        char message[sizeof err->message]; /* an argument may be the old message of this very err */
        va_list args;
        va_start(args, format);
        vsnprintf(message, sizeof message, format, args);
        va_end(args);
        memcpy(err->message, message, sizeof message);
        err->status = status;
    }
    return status;
}

static lk_status fail_av(const video_stream *s, lk_error *err, const char *verb, int code) {
    char why[AV_ERROR_MAX_STRING_SIZE] = "unknown error";
    if (code == AVERROR_EXIT) {
        if (s->stop(s->context)) return video_fail(err, LK_STOPPED, "%s: stopped on request", s->name);
        return video_fail(err, LK_IO, "%s: cannot %s: no answer within %d seconds", s->name, verb, PATIENCE);
    }
    av_strerror(code, why, sizeof why);
    lk_status status = LK_IO;
    if (code == AVERROR(ENOENT))
        status = LK_NOT_FOUND;
    else if (code == AVERROR(ENOMEM))
        status = LK_NO_MEMORY;
    else if (code == AVERROR_INVALIDDATA || code == AVERROR_STREAM_NOT_FOUND ||
             code == AVERROR_DECODER_NOT_FOUND || code == AVERROR_PATCHWELCOME)
        status = LK_FORMAT;
    if (code == AVERROR_INVALIDDATA)
        return video_fail(err, status, "%s: cannot %s: damaged, or no video of a known kind", s->name, verb);
    return video_fail(err, status, "%s: cannot %s: %s", s->name, verb, why);
}

/* ---- opening ---------------------------------------------------------------------------------------- */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* From now on the next call into FFmpeg has PATIENCE seconds. */
static void wait_begins(video_stream *s) {
    s->deadline = s->kind == VIDEO_FILE ? HUGE_VAL : now() + PATIENCE;
}

static int interrupted(void *context) {
    video_stream *s = context;
    return s->stop(s->context) || now() > s->deadline;
}

static int format_open(video_stream *s, const char *source) {
    s->format = avformat_alloc_context();
    if (!s->format) return AVERROR(ENOMEM);
    s->format->interrupt_callback = (AVIOInterruptCB){interrupted, s};
    AVDictionary *options = NULL;
    const AVInputFormat *input = NULL;
    char url[4096];
    int size = snprintf(url, sizeof url, "%s%s", s->kind == VIDEO_FILE ? "file:" : "", source);
    if (size < 0 || (size_t)size >= sizeof url) return AVERROR(ENAMETOOLONG);
    if (s->kind == VIDEO_FILE) {
        av_dict_set(&options, "protocol_whitelist", "file", 0);
    } else if (s->kind == VIDEO_ADDRESS) {
        av_dict_set(&options, "protocol_whitelist", "rtsp,rtsps,rtp,srtp,udp,tcp,tls,crypto", 0);
        av_dict_set(&options, "rtsp_flags", "prefer_tcp", 0); /* nothing is lost on the way; else UDP */
        av_dict_set(&options, "allowed_media_types", "video", 0);
    }
#ifdef LK_CAMERAS
    if (s->kind == VIDEO_CAMERA) {
        avdevice_register_all();
        input = av_find_input_format("v4l2");
    }
#endif
    if (s->kind == VIDEO_CAMERA && !input) {
        avformat_free_context(s->format);
        s->format = NULL;
        return AVERROR_DEMUXER_NOT_FOUND;
    }
    int code = avformat_open_input(&s->format, url, input, &options); /* frees the context when it fails */
    av_dict_free(&options);
    return code;
}

static int decoder_open(video_stream *s) {
    const AVCodec *decoder = NULL;
    s->index = av_find_best_stream(s->format, AVMEDIA_TYPE_VIDEO, -1, -1, &decoder, 0);
    if (s->index < 0) return s->index;
    for (unsigned i = 0; i < s->format->nb_streams; i++)
        if ((int)i != s->index) s->format->streams[i]->discard = AVDISCARD_ALL;
    s->codec = avcodec_alloc_context3(decoder);
    if (!s->codec) return AVERROR(ENOMEM);
    int code = avcodec_parameters_to_context(s->codec, s->format->streams[s->index]->codecpar);
    if (code < 0) return code;
    s->codec->pkt_timebase = s->format->streams[s->index]->time_base;
    s->codec->max_pixels = MOST_PIXELS;
    s->codec->thread_count = 0;
    if (s->kind != VIDEO_FILE) { /* threads that work on several pictures hold each back for a while */
        s->codec->thread_type = FF_THREAD_SLICE;
        s->codec->flags |= AV_CODEC_FLAG_LOW_DELAY;
    }
    return avcodec_open2(s->codec, decoder, NULL);
}

/* A phone writes pictures as its sensor lies and a matrix that says how to hold them. */
static int quarter_turns(const AVStream *stream) {
    const uint8_t *matrix = NULL;
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
    const AVPacketSideData *data = av_packet_side_data_get(
        stream->codecpar->coded_side_data, stream->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    if (data && data->size >= 9 * sizeof(int32_t)) matrix = data->data;
#else
    size_t size = 0;
    matrix = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
    if (size < 9 * sizeof(int32_t)) matrix = NULL;
#endif
    if (!matrix) return 0;
    int32_t numbers[9];
    memcpy(numbers, matrix, sizeof numbers);
    double angle = av_display_rotation_get(numbers); /* counterclockwise */
    return isfinite(angle) ? (((int)lround(-angle / 90) % 4) + 4) % 4 : 0;
}

static lk_status stream_start(video_stream *s, const char *source, lk_error *err) {
    wait_begins(s);
    int code = format_open(s, source);
    if (code == AVERROR_DEMUXER_NOT_FOUND)
        return video_fail(err, LK_FORMAT, "%s: this program was built without cameras (libavdevice)",
                          s->name);
    if (code < 0) return fail_av(s, err, "open", code);
    wait_begins(s);
    code = avformat_find_stream_info(s->format, NULL);
    if (code < 0) return fail_av(s, err, "open", code);
    code = decoder_open(s);
    if (code == AVERROR_STREAM_NOT_FOUND)
        return video_fail(err, LK_FORMAT, "%s: there is no video in it", s->name);
    if (code < 0) return fail_av(s, err, "decode", code);
    s->turns = quarter_turns(s->format->streams[s->index]);
    s->packet = av_packet_alloc();
    s->frame = av_frame_alloc();
    if (!s->packet || !s->frame) return fail_av(s, err, "decode", AVERROR(ENOMEM));
    return LK_OK;
}

lk_status video_stream_open(const char *source, video_kind kind, const char *name, bool (*stop)(void *),
                            void *context, video_stream **out, lk_error *err) {
    av_log_set_level(AV_LOG_QUIET); /* what matters comes back as an error or a count */
    video_stream *s = calloc(1, sizeof *s);
    if (s) *s = (video_stream){.kind = kind, .name = strdup(name), .stop = stop, .context = context};
    if (!s || !s->name) {
        free(s);
        return video_fail(err, LK_NO_MEMORY, "%s: out of memory", name);
    }
    lk_status status = stream_start(s, source, err);
    if (status == LK_OK)
        *out = s;
    else
        video_stream_close(s);
    return status;
}

void video_stream_close(video_stream *s) {
    if (!s) return;
    s->deadline = now() + 1; /* a farewell to the camera, but no waiting for its answer */
    av_frame_free(&s->frame);
    av_packet_free(&s->packet);
    avcodec_free_context(&s->codec);
    avformat_close_input(&s->format);
    sws_freeContext(s->colours);
    av_free(s->rgb);
    free(s->name);
    free(s);
}

double video_stream_duration(const video_stream *s) {
    int64_t length = s->format->duration;
    return s->kind == VIDEO_FILE && length > 0 ? (double)length / AV_TIME_BASE : NAN;
}

double video_stream_pace(const video_stream *s) {
    AVRational rate = s->format->streams[s->index]->avg_frame_rate;
    double pace = rate.num > 0 && rate.den > 0 ? (double)rate.den / (double)rate.num : 0;
    return pace > 1e-3 && pace < 10 ? pace : 0.04;
}

/* ---- decoding ---------------------------------------------------------------------------------------- */

/* The next packet of the video into the decoder; at the end of the stream the sign that there are no more. */
static lk_status feed(video_stream *s, size_t *damaged, lk_error *err) {
    for (int broken = 0;;) {
        wait_begins(s);
        int code = av_read_frame(s->format, s->packet);
        if (code == AVERROR(EAGAIN)) continue;
        if (code == AVERROR_INVALIDDATA && s->kind == VIDEO_FILE && ++broken < BROKEN_IN_A_ROW) continue;
        bool last = code == AVERROR_EOF || (code == AVERROR_INVALIDDATA && s->kind == VIDEO_FILE);
        if (code < 0 && !last) return fail_av(s, err, "read", code);
        if (!last && s->packet->stream_index != s->index) {
            av_packet_unref(s->packet);
            continue;
        }
        if (broken) ++*damaged;
        s->ending = last;
        code = avcodec_send_packet(s->codec, last ? NULL : s->packet);
        av_packet_unref(s->packet);
        if (code == AVERROR(ENOMEM)) return fail_av(s, err, "decode", code);
        if (code < 0 && !last) ++*damaged;
        return LK_OK;
    }
}

lk_status video_stream_next(video_stream *s, double *seconds, size_t *damaged, lk_error *err) {
    for (;;) {
        if (s->stop(s->context)) return video_fail(err, LK_STOPPED, "%s: stopped on request", s->name);
        int code = avcodec_receive_frame(s->codec, s->frame);
        if (code == AVERROR_EOF || (code == AVERROR(EAGAIN) && s->ending))
            return video_fail(err, LK_EMPTY, "%s: it ended", s->name);
        if (code == AVERROR(ENOMEM)) return fail_av(s, err, "decode", code);
        if (code == AVERROR(EAGAIN)) {
            lk_status status = feed(s, damaged, err);
            if (status != LK_OK) return status;
        } else if (code < 0 || s->frame->decode_error_flags || (s->frame->flags & AV_FRAME_FLAG_CORRUPT)) {
            ++*damaged;
        } else {
            int64_t stamp = s->frame->best_effort_timestamp;
            *seconds = stamp == AV_NOPTS_VALUE
                           ? NAN
                           : (double)stamp * av_q2d(s->format->streams[s->index]->time_base);
            return LK_OK;
        }
    }
}

/* ---- pictures ---------------------------------------------------------------------------------------- */

/* Pixels of old standards are not square: the side with fewer of them is stretched. */
static void square_pixels(const video_stream *s, int *width, int *height) {
    AVRational ratio = av_guess_sample_aspect_ratio(s->format, s->format->streams[s->index], s->frame);
    double aspect = ratio.num > 0 && ratio.den > 0 ? av_q2d(ratio) : 1;
    *width = s->frame->width;
    *height = s->frame->height;
    if (!(aspect > 0.25 && aspect < 4)) return;
    if (aspect > 1) *width = (int)lround(*width * aspect);
    if (aspect < 1) *height = (int)lround(*height / aspect);
}

/* Which numbers were meant by the colours; a stream that does not say is taken as players take it. */
static void choose_colours(struct SwsContext *colours, const AVFrame *frame) {
    int *from, *to, from_full, to_full, brightness, contrast, saturation;
    if (sws_getColorspaceDetails(colours, &from, &from_full, &to, &to_full, &brightness, &contrast,
                                 &saturation) < 0)
        return;
    int space = frame->colorspace == AVCOL_SPC_UNSPECIFIED || frame->colorspace == AVCOL_SPC_RGB
                    ? (frame->height >= 720 ? SWS_CS_ITU709 : SWS_CS_ITU601)
                    : (int)frame->colorspace;
    from_full = from_full || frame->color_range == AVCOL_RANGE_JPEG;
    sws_setColorspaceDetails(colours, sws_getCoefficients(space), from_full, to, to_full, brightness,
                             contrast, saturation);
}

/* (height, width, 3) with `stride` turned clockwise by quarters; the caller frees. */
static uint8_t *turned(const uint8_t *rgb, int width, int height, size_t stride, int turns) {
    int out_width = turns & 1 ? height : width, out_height = turns & 1 ? width : height;
    uint8_t *out = malloc((size_t)out_width * (size_t)out_height * 3), *to = out;
    for (int y = 0; out && y < out_height; y++)
        for (int x = 0; x < out_width; x++, to += 3) {
            int row = turns == 1 ? height - 1 - x : turns == 2 ? height - 1 - y : x;
            int column = turns == 1 ? y : turns == 2 ? width - 1 - x : width - 1 - y;
            memcpy(to, rgb + (size_t)row * stride + 3 * (size_t)column, 3);
        }
    return out;
}

lk_status video_stream_image(video_stream *s, lk_image **out, lk_error *err) {
    int width, height;
    square_pixels(s, &width, &height);
    if (width < 1 || height < 1 || (int64_t)width * height > MOST_PIXELS)
        return video_fail(err, LK_FORMAT, "%s: a picture of %d x %d pixels", s->name, width, height);
    s->colours = sws_getCachedContext(s->colours, s->frame->width, s->frame->height,
                                      (enum AVPixelFormat)s->frame->format, width, height, AV_PIX_FMT_RGB24,
                                      SWS_BILINEAR, NULL, NULL, NULL);
    int stride = FFALIGN(3 * width, 64); /* where swscale's vector code writes whole vectors */
    av_fast_malloc(&s->rgb, &s->rgb_size, (size_t)stride * (size_t)height + 64);
    if (!s->colours) return video_fail(err, LK_FORMAT, "%s: colours of an unknown kind", s->name);
    if (!s->rgb) return fail_av(s, err, "decode", AVERROR(ENOMEM));
    choose_colours(s->colours, s->frame);
    uint8_t *rows[4] = {s->rgb};
    int strides[4] = {stride};
    if (sws_scale(s->colours, (const uint8_t *const *)s->frame->data, s->frame->linesize, 0, s->frame->height,
                  rows, strides) < 0)
        return video_fail(err, LK_FORMAT, "%s: a picture whose colours cannot be converted", s->name);
    if (s->turns == 0) return lk_image_new(width, height, s->rgb, (size_t)stride, out, err);
    uint8_t *upright = turned(s->rgb, width, height, (size_t)stride, s->turns);
    if (!upright) return fail_av(s, err, "decode", AVERROR(ENOMEM));
    bool lies = s->turns & 1;
    lk_status status = lk_image_new(lies ? height : width, lies ? width : height, upright, 0, out, err);
    free(upright);
    return status;
}
