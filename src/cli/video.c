/* video.c: the pictures of a source, a few a second, decoded ahead on a thread of their own.
 *
 * A file waits for the program; a camera does not. So between the thread and the program lies room for one
 * picture: with a file the thread waits until it is taken, with a live source a newer picture takes its
 * place, and the program always gets the latest one however slow it is. A live source that is lost is tried
 * again, after longer and longer pauses. */
#include "video.h"
#include "video_stream.h"
#include "cli.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct cli_video {
    char *source, *name;
    video_kind kind;
    cli_video_options options;
    video_stream *stream; /* the thread's, once it runs */
    double duration, pace;
    /* Time: a picture's is that of its stream plus `offset`. */
    double offset, last, started, clock_started;
    bool any, anchored;
    long long beat; /* of the last picture given, counted in fps */
    pthread_t thread;
    bool running;
    atomic_bool closing;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    cli_frame frame; /* the one that waits; image NULL: none does */
    cli_video_counts counts;
    lk_status ended; /* LK_OK while the thread goes on; EMPTY: all given */
    lk_error why;
};

/* ---- names ------------------------------------------------------------------------------------------ */

static bool starts(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

static video_kind kind_of(const char *source) {
    if (starts(source, "rtsp://") || starts(source, "rtsps://")) return VIDEO_ADDRESS;
    return starts(source, "/dev/video") ? VIDEO_CAMERA : VIDEO_FILE;
}

/* rtsp://user:password@host/path -> rtsp://user:***@host/path */
static char *name_of(const char *source, video_kind kind) {
    if (kind != VIDEO_ADDRESS) return cli_format("%s", source);
    const char *host = strstr(source, "://") + 3;
    size_t authority = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', authority);
    const char *colon = at ? memchr(host, ':', (size_t)(at - host)) : NULL;
    if (!colon) return cli_format("%s", source);
    return cli_format("%.*s:***%s", (int)(colon - source), source, at);
}

const char *cli_video_name(const cli_video *video) {
    return video->name;
}

bool cli_video_live(const cli_video *video) {
    return video->kind != VIDEO_FILE;
}

double cli_video_duration(const cli_video *video) {
    return video->duration;
}

/* ---- time ------------------------------------------------------------------------------------------- */

static double wall_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* When the picture was, from what its stream says. A live stream's own time is steadier than that of arrival,
 * but may jump, and starts anew with each connection: when it has run away from ours it is set by it. */
static double place_in_time(cli_video *v, double stamp) {
    enum { RUN_AWAY = 2 };
    bool live = cli_video_live(v);
    double arrival = live ? cli_seconds() - v->started : 0, t = v->any ? v->last + v->pace : arrival;
    if (isfinite(stamp)) {
        if (!v->anchored) v->offset = (live ? arrival : t) - stamp;
        v->anchored = true;
        if (live && fabs(stamp + v->offset - arrival) > RUN_AWAY) v->offset = arrival - stamp;
        t = stamp + v->offset;
    } else if (live) {
        t = arrival;
    }
    if (v->any && t <= v->last) t = v->last + (live ? 1e-3 : v->pace);
    v->any = true;
    v->last = t;
    return t;
}

/* Is it the first picture of its beat? */
static bool due(cli_video *v, double seconds) {
    long long beat = (long long)floor(seconds * v->options.fps + 1e-6);
    if (beat == v->beat) return false;
    v->beat = beat;
    return true;
}

/* ---- the thread ------------------------------------------------------------------------------------- */

static bool asked_to_stop(void *context) {
    cli_video *v = context;
    return atomic_load(&v->closing) || cli_stopped();
}

static void pause_thread(cli_video *v, double seconds) {
    double until = cli_seconds() + seconds;
    while (cli_seconds() < until && !asked_to_stop(v))
        nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
}

/* Put the picture where the program takes it. */
static void hand_over(cli_video *v, cli_frame frame, size_t damaged) {
    pthread_mutex_lock(&v->lock);
    v->counts.damaged += damaged;
    while (frame.image && v->frame.image && !cli_video_live(v) && !atomic_load(&v->closing))
        pthread_cond_wait(&v->changed, &v->lock);
    if (frame.image) {
        if (v->frame.image) v->counts.late++;
        lk_image_free(v->frame.image);
        v->frame = frame;
        pthread_cond_broadcast(&v->changed);
    }
    pthread_mutex_unlock(&v->lock);
}

/* Pictures until the stream ends or fails; *got if there was any. */
static lk_status play(cli_video *v, bool *got, lk_error *err) {
    v->anchored = false;
    for (;;) {
        double stamp = NAN;
        size_t damaged = 0;
        lk_status status = video_stream_next(v->stream, &stamp, &damaged, err);
        cli_frame frame = {.clock = NAN};
        if (status == LK_OK) {
            *got = true;
            frame.seconds = place_in_time(v, stamp);
            if (cli_video_live(v)) frame.clock = v->clock_started + frame.seconds;
            if (due(v, frame.seconds)) status = video_stream_image(v->stream, &frame.image, err);
            if (status == LK_FORMAT) {
                damaged++;
                status = LK_OK;
            }
        }
        hand_over(v, frame, damaged);
        if (status != LK_OK) return status;
    }
}

/* Until the source is there again; IO when patience is at its end. */
static lk_status find_again(cli_video *v, lk_error *err) {
    enum { LONGEST_PAUSE = 30 };
    double lost = cli_seconds(), wait = 1;
    video_stream_close(v->stream);
    v->stream = NULL;
    if (v->options.reconnect <= 0) return err->status;
    cli_say("%s; trying again", err->message);
    for (;; wait = fmin(2 * wait, LONGEST_PAUSE)) {
        pause_thread(v, fmin(wait, fmax(lost + v->options.reconnect - cli_seconds(), 0)));
        if (asked_to_stop(v)) return video_fail(err, LK_STOPPED, "%s: stopped on request", v->name);
        if (video_stream_open(v->source, v->kind, v->name, asked_to_stop, v, &v->stream, err) == LK_OK) {
            cli_say("%s: there again after %.0f seconds", v->name, cli_seconds() - lost);
            return LK_OK;
        }
        if (err->status == LK_STOPPED || err->status == LK_NO_MEMORY) return err->status;
        if (cli_seconds() - lost >= v->options.reconnect)
            return video_fail(err, LK_IO, "%.500s; given up after %.0f seconds", err->message,
                              cli_seconds() - lost);
    }
}

static void *thread_run(void *context) {
    cli_video *v = context;
    lk_error err = {0};
    lk_status status;
    for (int fruitless = 0;;) {
        bool got = false;
        status = play(v, &got, &err);
        bool lost = status == LK_IO || status == LK_FORMAT || status == LK_EMPTY;
        if (!cli_video_live(v) || !lost) break;
        /* One that lets itself be opened and gives nothing must not be asked as fast as it answers. */
        fruitless = got ? 0 : fruitless + 1;
        pause_thread(v, fmin(fruitless, 30));
        status = find_again(v, &err);
        if (status != LK_OK) break;
        pthread_mutex_lock(&v->lock);
        v->counts.lost++;
        pthread_mutex_unlock(&v->lock);
    }
    pthread_mutex_lock(&v->lock);
    v->ended = status;
    v->why = err;
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->lock);
    return NULL;
}

/* ---- the program's side ----------------------------------------------------------------------------- */

lk_status cli_video_open(const char *source, const cli_video_options *options, cli_video **out,
                         lk_error *err) {
    cli_video *v = cli_alloc(1, sizeof *v);
    v->source = cli_format("%s", source);
    v->kind = kind_of(source);
    v->name = name_of(source, v->kind);
    v->options = *options;
    v->duration = NAN;
    v->beat = -1;
    pthread_mutex_init(&v->lock, NULL);
    pthread_cond_init(&v->changed, NULL);
    lk_status status = video_stream_open(source, v->kind, v->name, asked_to_stop, v, &v->stream, err);
    if (status == LK_OK) {
        v->duration = video_stream_duration(v->stream);
        v->pace = video_stream_pace(v->stream);
        v->started = cli_seconds();
        v->clock_started = wall_clock();
        v->running = pthread_create(&v->thread, NULL, thread_run, v) == 0;
        if (!v->running) status = video_fail(err, LK_NO_MEMORY, "%s: cannot start a thread", v->name);
    }
    if (status == LK_OK)
        *out = v;
    else
        cli_video_close(v);
    return status;
}

void cli_video_close(cli_video *v) {
    if (!v) return;
    atomic_store(&v->closing, true);
    pthread_mutex_lock(&v->lock);
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->lock);
    if (v->running) pthread_join(v->thread, NULL);
    video_stream_close(v->stream);
    lk_image_free(v->frame.image);
    pthread_cond_destroy(&v->changed);
    pthread_mutex_destroy(&v->lock);
    free(v->source);
    free(v->name);
    free(v);
}

/* At most a fifth of a second, so that Ctrl-C is seen while nothing comes. */
static void wait_a_little(cli_video *v) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 200 * 1000 * 1000;
    if (until.tv_nsec >= 1000 * 1000 * 1000) {
        until.tv_nsec -= 1000 * 1000 * 1000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&v->changed, &v->lock, &until);
}

lk_status cli_video_next(cli_video *v, cli_frame *frame, lk_error *err) {
    pthread_mutex_lock(&v->lock);
    while (!v->frame.image && v->ended == LK_OK && !cli_stopped()) wait_a_little(v);
    lk_status status = LK_OK;
    if (cli_stopped()) {
        status = video_fail(err, LK_STOPPED, "%s: stopped on request", v->name);
    } else if (v->frame.image) {
        *frame = v->frame;
        v->frame.image = NULL;
        v->counts.given++;
        pthread_cond_broadcast(&v->changed);
    } else if (v->ended != LK_EMPTY) {
        status = v->ended;
        if (err) *err = v->why;
    } else if (v->counts.given == 0) {
        status = video_fail(err, LK_FORMAT, "%s: there is no readable picture in it (%zu damaged)", v->name,
                            v->counts.damaged);
    } else {
        *frame = (cli_frame){.clock = NAN};
    }
    pthread_mutex_unlock(&v->lock);
    return status;
}

cli_video_counts cli_video_counted(cli_video *video) {
    pthread_mutex_lock(&video->lock);
    cli_video_counts counts = video->counts;
    pthread_mutex_unlock(&video->lock);
    return counts;
}
