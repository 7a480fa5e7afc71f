/* video.h: pictures of a video file, an RTSP address or a camera, one after another. */
#ifndef LIKENESS_CLI_VIDEO_H
#define LIKENESS_CLI_VIDEO_H

#include "likeness/likeness.h"

typedef struct cli_video cli_video;

typedef struct cli_video_options {
    double fps;       /* pictures a second to give; the others are passed over */
    double reconnect; /* seconds to try to reach a lost address or camera again; 0: not at all */
} cli_video_options;

typedef struct cli_frame {
    lk_image *image; /* upright, the caller's; NULL: there are no more */
    double seconds;  /* since the first picture, rising */
    double clock;    /* seconds since 1970 UTC; NaN for a file, whose pictures have no such time */
} cli_frame;

typedef struct cli_video_counts {
    size_t given, damaged;
    size_t late; /* of a live source: pictures thrown away because the program was still busy with others */
    size_t lost; /* how often the source was lost and found again */
} cli_video_counts;

/* A path, rtsp://..., rtsps://... or /dev/videoN. NOT_FOUND, IO, FORMAT (no video, not known), STOPPED. */
lk_status cli_video_open(const char *source, const cli_video_options *options, cli_video **out,
                         lk_error *err);
void cli_video_close(cli_video *video);
/* What to call the source where people and logs see it: without the password of an address. */
const char *cli_video_name(const cli_video *video);
bool cli_video_live(const cli_video *video);
double cli_video_duration(const cli_video *video); /* seconds; NaN: not known */
/* The next picture, waiting for it. STOPPED once cli_stopped(); FORMAT if there was no readable picture at
 * all; IO if a live source could not be reached again. */
lk_status cli_video_next(cli_video *video, cli_frame *frame, lk_error *err);
cli_video_counts cli_video_counted(cli_video *video);

#endif
