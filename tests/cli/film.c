/* film.c: films for the tests of likeness watch, made when they are needed; and a camera at an address.
 *
 *   film make SCRIPT FILE       .mp4 or .avi, MPEG-4
 *   film serve FILE PORT CUT    an RTSP server for two visitors: the first is cut off after CUT seconds, the
 * second sees all of it. It writes its port into the file PORT.
 *
 * A script: `size WIDTH HEIGHT`, `fps F`, `seconds S`, perhaps `turned` (pictures are stored lying and the
 * file says so, as telephones do it), and a line for each appearance, those behind first: PHOTO FROM X Y TO X
 * Y HEIGHT     seconds, and the centre of a photo of so many pixels, in a straight line */
#include "likeness/likeness.h"

#include <arpa/inet.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswscale/swscale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OR_DIE(condition, ...)                                                                               \
    do                                                                                                       \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "film: " __VA_ARGS__);                                                           \
            fputc('\n', stderr);                                                                             \
            exit(1);                                                                                         \
        }                                                                                                    \
    while (0)

/* ---- what is seen ------------------------------------------------------------------------------------ */

enum { APPEARANCES = 32 };

typedef struct appearance {
    double from, x0, y0, to, x1, y1;
    lk_image *photo;
} appearance;

typedef struct script {
    int width, height, turned;
    double fps, seconds;
    size_t count;
    appearance appear[APPEARANCES];
} script;

static script script_read(const char *path) {
    script s = {.width = 320, .height = 240, .fps = 25, .seconds = 1};
    char line[4200], photo[4096];
    FILE *file = fopen(path, "r");
    OR_DIE(file, "%s: cannot read", path);
    while (fgets(line, sizeof line, file)) {
        appearance a = {0};
        double height = 0;
        if (sscanf(line, "size %d %d", &s.width, &s.height) == 2) continue;
        if (sscanf(line, "fps %lf", &s.fps) == 1 || sscanf(line, "seconds %lf", &s.seconds) == 1) continue;
        if (strcmp(line, "turned\n") == 0) {
            s.turned = 1;
            continue;
        }
        int n = sscanf(line, "%4095s %lf %lf %lf %lf %lf %lf %lf", photo, &a.from, &a.x0, &a.y0, &a.to, &a.x1,
                       &a.y1, &height);
        OR_DIE(n == 8 && s.count < APPEARANCES, "%s: not understood: %s", path, line);
        lk_image *whole = NULL;
        lk_error err;
        OR_DIE(lk_image_load(photo, &whole, &err) == LK_OK, "%s", err.message);
        int width = (int)lround(height * lk_image_width(whole) / lk_image_height(whole));
        OR_DIE(lk_image_resize(whole, width, (int)height, &a.photo, &err) == LK_OK, "%s", err.message);
        lk_image_free(whole);
        s.appear[s.count++] = a;
    }
    fclose(file);
    return s;
}

/* A wall with soft stains, and the noise of a cheap camera. */
static void draw_wall(const script *s, int frame, uint8_t *rgb) {
    uint32_t noise = 2463534242U + (uint32_t)frame * 747796405U;
    for (int y = 0; y < s->height; y++)
        for (int x = 0; x < s->width; x++) {
            noise ^= noise << 13, noise ^= noise >> 17, noise ^= noise << 5;
            double stain = 20 * sin(0.021 * x + 0.3) * cos(0.017 * y) + 12 * sin(0.008 * (x + 2 * y));
            for (int c = 0; c < 3; c++)
                *rgb++ = (uint8_t)(130 - 12 * c + stain + (double)(noise >> (8 * c) & 7) - 3.5);
        }
}

/* The photo over the picture, its edge blended in. */
static void draw_photo(const script *s, const lk_image *photo, double cx, double cy, uint8_t *rgb) {
    int w = lk_image_width(photo), h = lk_image_height(photo);
    int left = (int)lround(cx - 0.5 * w), top = (int)lround(cy - 0.5 * h);
    const uint8_t *from = lk_image_pixels(photo);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++, from += 3) {
            int px = left + x, py = top + y;
            if (px < 0 || py < 0 || px >= s->width || py >= s->height) continue;
            double edge = fmin(fmin(x, w - 1 - x) / (0.1 * w), fmin(y, h - 1 - y) / (0.1 * h));
            double share = fmin(edge, 1);
            uint8_t *to = rgb + 3 * ((size_t)py * (size_t)s->width + (size_t)px);
            for (int c = 0; c < 3; c++) to[c] = (uint8_t)(share * from[c] + (1 - share) * to[c]);
        }
}

static void draw(const script *s, int frame, uint8_t *rgb) {
    double t = frame / s->fps;
    draw_wall(s, frame, rgb);
    for (size_t i = 0; i < s->count; i++) {
        const appearance *a = &s->appear[i];
        if (t < a->from || t >= a->to) continue;
        double share = (t - a->from) / (a->to - a->from);
        draw_photo(s, a->photo, a->x0 + share * (a->x1 - a->x0), a->y0 + share * (a->y1 - a->y0), rgb);
    }
}

/* A quarter counterclockwise: (height, width, 3) to (width, height, 3). */
static void lay_down(const script *s, const uint8_t *rgb, uint8_t *out) {
    for (int y = 0; y < s->width; y++)
        for (int x = 0; x < s->height; x++, out += 3)
            memcpy(out, rgb + 3 * ((size_t)x * (size_t)s->width + (size_t)(s->width - 1 - y)), 3);
}

/* ---- the file ---------------------------------------------------------------------------------------- */

typedef struct film {
    AVFormatContext *format;
    AVCodecContext *codec;
    AVStream *stream;
    AVFrame *frame;
    AVPacket *packet;
    struct SwsContext *colours;
} film;

static void film_open(film *f, const script *s, const char *path) {
    int width = s->turned ? s->height : s->width, height = s->turned ? s->width : s->height;
    const AVCodec *encoder = avcodec_find_encoder(AV_CODEC_ID_MPEG4);
    OR_DIE(avformat_alloc_output_context2(&f->format, NULL, NULL, path) >= 0, "%s: of what kind?", path);
    OR_DIE(encoder && (f->codec = avcodec_alloc_context3(encoder)), "no encoder");
    f->codec->width = width;
    f->codec->height = height;
    f->codec->pix_fmt = AV_PIX_FMT_YUV420P;
    f->codec->time_base = (AVRational){1, (int)lround(s->fps)};
    f->codec->gop_size = 12;
    f->codec->flags |= AV_CODEC_FLAG_QSCALE | AV_CODEC_FLAG_GLOBAL_HEADER;
    f->codec->global_quality = 3 * FF_QP2LAMBDA;
    f->codec->thread_count = 1;
    OR_DIE(avcodec_open2(f->codec, encoder, NULL) >= 0, "cannot encode");
    f->stream = avformat_new_stream(f->format, NULL);
    OR_DIE(f->stream, "no memory");
    avcodec_parameters_from_context(f->stream->codecpar, f->codec);
    f->stream->time_base = f->codec->time_base;
    f->stream->avg_frame_rate = av_inv_q(f->codec->time_base);
    if (s->turned) { /* ISO 14496-12: show it a quarter turn clockwise */
        static const int32_t matrix[9] = {0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30};
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
        AVPacketSideData *data = av_packet_side_data_new(&f->stream->codecpar->coded_side_data,
                                                         &f->stream->codecpar->nb_coded_side_data,
                                                         AV_PKT_DATA_DISPLAYMATRIX, sizeof matrix, 0);
        OR_DIE(data, "no memory");
        memcpy(data->data, matrix, sizeof matrix);
#else
        uint8_t *data = av_stream_new_side_data(f->stream, AV_PKT_DATA_DISPLAYMATRIX, sizeof matrix);
        OR_DIE(data, "no memory");
        memcpy(data, matrix, sizeof matrix);
#endif
    }
    OR_DIE(avio_open(&f->format->pb, path, AVIO_FLAG_WRITE) >= 0, "%s: cannot write", path);
    OR_DIE(avformat_write_header(f->format, NULL) >= 0, "%s: cannot write", path);
    f->frame = av_frame_alloc();
    f->packet = av_packet_alloc();
    OR_DIE(f->frame && f->packet, "no memory");
    f->frame->width = width;
    f->frame->height = height;
    f->frame->format = AV_PIX_FMT_YUV420P;
    OR_DIE(av_frame_get_buffer(f->frame, 0) >= 0, "no memory");
    f->colours = sws_getContext(width, height, AV_PIX_FMT_RGB24, width, height, AV_PIX_FMT_YUV420P,
                                SWS_BILINEAR, NULL, NULL, NULL);
}

static void film_encode(film *f, AVFrame *frame) {
    OR_DIE(avcodec_send_frame(f->codec, frame) >= 0, "cannot encode");
    while (avcodec_receive_packet(f->codec, f->packet) >= 0) {
        av_packet_rescale_ts(f->packet, f->codec->time_base, f->stream->time_base);
        OR_DIE(av_interleaved_write_frame(f->format, f->packet) >= 0, "cannot write");
    }
}

static int film_make(const char *script_path, const char *path) {
    script s = script_read(script_path);
    film f = {0};
    film_open(&f, &s, path);
    size_t size = 3 * (size_t)s.width * (size_t)s.height;
    uint8_t *rgb = malloc(size), *lying = malloc(size);
    OR_DIE(rgb && lying, "no memory");
    for (int i = 0; i < (int)(s.seconds * s.fps); i++) {
        draw(&s, i, rgb);
        if (s.turned) lay_down(&s, rgb, lying);
        const uint8_t *rows[1] = {s.turned ? lying : rgb};
        int stride = 3 * f.frame->width;
        OR_DIE(av_frame_make_writable(f.frame) >= 0, "no memory");
        sws_scale(f.colours, rows, &stride, 0, f.frame->height, f.frame->data, f.frame->linesize);
        f.frame->pts = i;
        film_encode(&f, f.frame);
    }
    film_encode(&f, NULL);
    OR_DIE(av_write_trailer(f.format) >= 0, "%s: cannot write", path);
    avio_closep(&f.format->pb);
    sws_freeContext(f.colours);
    av_frame_free(&f.frame);
    av_packet_free(&f.packet);
    avcodec_free_context(&f.codec);
    avformat_free_context(f.format);
    for (size_t i = 0; i < s.count; i++) lk_image_free(s.appear[i].photo);
    free(rgb);
    free(lying);
    return 0;
}

/* ---- the camera at an address ---------------------------------------------------------------------------
 * RTSP (RFC 2326) as far as one client needs it: four requests, then RTP packets within the same connection.
 */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void send_all(int client, const void *bytes, size_t size) {
    for (const char *at = bytes; size > 0;) {
        ssize_t n = send(client, at, size, MSG_NOSIGNAL);
        if (n <= 0) return; /* gone: the next visitor may come */
        at += n;
        size -= (size_t)n;
    }
}

/* One packet of the RTP muxer: `$`, channel, length, packet. */
static int send_packet(void *context, uint8_t *bytes, int size) {
    bool control = bytes[1] >= 200 && bytes[1] <= 204;
    const uint8_t head[4] = {'$', control, (uint8_t)(size >> 8), (uint8_t)size};
    send_all(*(int *)context, head, sizeof head);
    send_all(*(int *)context, bytes, (size_t)size);
    return size;
}

static AVFormatContext *rtp_open(const AVStream *from, int *client) {
    AVFormatContext *rtp = NULL;
    enum { PACKET = 1400 };
    OR_DIE(avformat_alloc_output_context2(&rtp, NULL, "rtp", "rtp://127.0.0.1") >= 0, "no RTP");
    AVStream *stream = avformat_new_stream(rtp, NULL);
    OR_DIE(stream, "no memory");
    avcodec_parameters_copy(stream->codecpar, from->codecpar);
    stream->codecpar->codec_tag = 0;
    rtp->pb = avio_alloc_context(av_malloc(PACKET), PACKET, 1, client, NULL, send_packet, NULL);
    OR_DIE(rtp->pb, "no memory");
    rtp->pb->max_packet_size = PACKET;
    rtp->packet_size = PACKET;
    return rtp;
}

static void play(AVFormatContext *reel, AVFormatContext *rtp, double cut) {
    AVPacket *packet = av_packet_alloc();
    OR_DIE(packet && avformat_write_header(rtp, NULL) >= 0, "cannot send");
    const AVRational base = reel->streams[0]->time_base;
    double started = now();
    while (av_read_frame(reel, packet) >= 0) {
        double t = (double)packet->pts * av_q2d(base);
        if (t > cut) break;
        while (now() - started < t) usleep(5000);
        av_packet_rescale_ts(packet, base, rtp->streams[0]->time_base);
        av_write_frame(rtp, packet);
        avio_flush(rtp->pb);
        av_packet_unref(packet);
    }
    av_packet_free(&packet);
}

static void visit(int client, const char *path, double cut) {
    AVFormatContext *reel = NULL;
    OR_DIE(avformat_open_input(&reel, path, NULL, NULL) >= 0, "%s: cannot open", path);
    OR_DIE(avformat_find_stream_info(reel, NULL) >= 0, "%s: cannot read", path);
    AVFormatContext *rtp = rtp_open(reel->streams[0], &client);
    char request[4096], sdp[2048] = "", answer[4096];
    OR_DIE(av_sdp_create(&rtp, 1, sdp, sizeof sdp) >= 0, "no SDP");
    for (size_t used = 0; used + 1 < sizeof request;) {
        ssize_t n = recv(client, request + used, sizeof request - 1 - used, 0);
        if (n <= 0) break;
        request[used += (size_t)n] = 0;
        if (!strstr(request, "\r\n\r\n")) continue;
        const char *number = strstr(request, "CSeq:");
        bool describe = strncmp(request, "DESCRIBE", 8) == 0, setup = strncmp(request, "SETUP", 5) == 0;
        snprintf(answer, sizeof answer, "RTSP/1.0 200 OK\r\nCSeq: %d\r\nSession: 1\r\n%s%s%zu\r\n\r\n%s",
                 number ? atoi(number + 5) : 0,
                 setup ? "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n" : "",
                 describe ? "Content-Type: application/sdp\r\nContent-Length: " : "Content-Length: ",
                 describe ? strlen(sdp) : 0, describe ? sdp : "");
        send_all(client, answer, strlen(answer));
        if (strncmp(request, "PLAY", 4) == 0) {
            play(reel, rtp, cut);
            break;
        }
        used = 0;
    }
    av_freep(&rtp->pb->buffer);
    avio_context_free(&rtp->pb);
    avformat_free_context(rtp);
    avformat_close_input(&reel);
    close(client);
}

static int serve(const char *path, const char *port_file, double cut) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    OR_DIE(server >= 0 && bind(server, (struct sockaddr *)&address, size) == 0 && listen(server, 4) == 0 &&
               getsockname(server, (struct sockaddr *)&address, &size) == 0,
           "cannot listen");
    FILE *file = fopen(port_file, "w");
    OR_DIE(file && fprintf(file, "%d\n", ntohs(address.sin_port)) > 0 && fclose(file) == 0,
           "%s: cannot write", port_file);
    for (int visitor = 0; visitor < 2; visitor++) {
        int client = accept(server, NULL, NULL);
        OR_DIE(client >= 0, "nobody comes");
        visit(client, path, visitor == 0 ? cut : HUGE_VAL);
    }
    close(server);
    return 0;
}

int main(int argc, char **argv) {
    av_log_set_level(AV_LOG_ERROR);
    if (argc == 4 && strcmp(argv[1], "make") == 0) return film_make(argv[2], argv[3]);
    if (argc == 5 && strcmp(argv[1], "serve") == 0) return serve(argv[2], argv[3], atof(argv[4]));
    fprintf(stderr, "usage: film make SCRIPT FILE | film serve FILE PORT CUT\n");
    return 2;
}
