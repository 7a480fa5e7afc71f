/* video_stream.h: one connection to a video: opened, read to its end or until it is lost, closed. */
#ifndef LIKENESS_CLI_VIDEO_STREAM_H
#define LIKENESS_CLI_VIDEO_STREAM_H

#include "likeness/likeness.h"

typedef struct video_stream video_stream;

typedef enum video_kind { VIDEO_FILE, VIDEO_ADDRESS, VIDEO_CAMERA } video_kind;

/* `name` is what errors call the source. `stop` is asked now and then while something is waited for. */
lk_status video_stream_open(const char *source, video_kind kind, const char *name, bool (*stop)(void *),
                            void *context, video_stream **out, lk_error *err);
void video_stream_close(video_stream *stream);
double video_stream_duration(const video_stream *stream); /* seconds; NaN: not known */
/* Decode the next picture: *seconds by the stream's own clock, NaN if it does not say; *damaged is raised for
 * each that had to be passed over. EMPTY at the end; IO if the connection was lost; STOPPED. */
lk_status video_stream_next(video_stream *stream, double *seconds, size_t *damaged, lk_error *err);
/* The picture that was decoded last, upright. FORMAT if it is of no use. */
lk_status video_stream_image(video_stream *stream, lk_image **out, lk_error *err);
/* Seconds from one picture to the next, usually. */
double video_stream_pace(const video_stream *stream);

/* Fill err (when not NULL) and return status. */
lk_status video_fail(lk_error *err, lk_status status, const char *format, ...) LK_PRINTF(3, 4);

#endif
