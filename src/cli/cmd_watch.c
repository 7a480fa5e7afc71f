/* cmd_watch.c: likeness watch: who is in a video, one answer a visit.
 *
 *   video.c      pictures, a few a second
 *   cli_finder   faces in each
 *   lk_tracker   which face is which visitor, and the best views of each
 *   lk_embedder  vectors of those views, and of faces whose place does not say whose they are
 *   lk_gallery   the mean of a visitor's vectors: who is it?
 *
 * Nothing of a picture is kept but the thumbnails that --thumbnails asks for. */
#include "cli.h"
#include "video.h"

#include "likeness/track.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
    VIEWS = 5,
    SURE_VIEWS = 2, /* --live: from this many windows of time on, a known person is told */
    BATCH = 16,
    THUMBNAIL = 160 /* pixels */
};

typedef struct watch_options {
    const char *source, *gallery, *model, *thumbnails;
    double threshold; /* NaN: the gallery's */
    double gap;
    cli_look look;
    cli_video_options video;
    bool live;
    cli_compute compute;
    cli_style style;
    cli_access access;
} watch_options;

enum { KEY_GALLERY = CLI_KEY_VERB, KEY_THUMBNAILS, KEY_FPS, KEY_GAP, KEY_RECONNECT, KEY_LIVE };

static const char doc[] =
    "Say who is seen in SOURCE, once a visit: a video file, an address (rtsp://...) or a camera "
    "(/dev/video0).\vThe exit code is 0 if everybody was known, 1 if somebody was not, 3 if the source or "
    "the "
    "gallery does not do. Ctrl-C ends it; whoever is in the picture then is still told. What comes out are "
    "suggestions for a person to look at, not proof of who someone is.";

static const struct argp_option option_list[] = {
    {"gallery", KEY_GALLERY, "GALLERY", 0, "The people to know", 0},
    {"model", CLI_KEY_MODEL, "MODEL", 0, "The gallery's model, if it is no longer where the gallery says", 0},
    {"threshold", CLI_KEY_THRESHOLD, "COSINE", 0,
     "Least cosine of a known person, -1 to 1 (default: as identify's, for one stranger in 100)", 0},
    {"fps", KEY_FPS, "F", 0,
     "Pictures to look at of each second; of a live source fewer if the machine is slower", 0},
    {"gap", KEY_GAP, "SECONDS", 0, "A face out of sight for longer has left; two pictures at least", 0},
    {"live", KEY_LIVE, 0, 0, "Answer as soon as it is sure, too, and not only when the visit is over", 0},
    {"thumbnails", KEY_THUMBNAILS, "DIR", 0, "Write the best view of each visitor as a JPEG", 0},
    {"reconnect", KEY_RECONNECT, "SECONDS", 0,
     "How long to try to reach a lost address or camera again; 0: not at all", 0},
    CLI_OPTION_AUDIT,
    CLI_OPTION_KEY,
    CLI_OPTIONS_LOOK("detect-size"),
    CLI_OPTION_JSON,
    CLI_OPTION_TSV,
    CLI_OPTIONS_COMPUTE,
    {0}};

static const cli_number numbers[] = {
    {CLI_KEY_THRESHOLD, CLI_REAL, offsetof(watch_options, threshold), -1, 1},
    {KEY_FPS, CLI_REAL, offsetof(watch_options, video.fps), 0.1, 1000},
    {KEY_GAP, CLI_REAL, offsetof(watch_options, gap), 0, 3600},
    {KEY_RECONNECT, CLI_REAL, offsetof(watch_options, video.reconnect), 0, 1e8},
    CLI_NUMBERS_LOOK(watch_options),
    CLI_NUMBERS_COMPUTE(watch_options),
    {0}};

static char *help(int key, const char *text, void *input) {
    return cli_number_help(numbers, key, text, input);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    watch_options *o = state->input;
    switch (key) {
    case KEY_GALLERY: o->gallery = arg; return 0;
    case CLI_KEY_MODEL: o->model = arg; return 0;
    case KEY_THUMBNAILS: o->thumbnails = arg; return 0;
    case KEY_LIVE: o->live = true; return 0;
    case CLI_KEY_JSON: o->style = CLI_JSON; return 0;
    case CLI_KEY_TSV: o->style = CLI_TSV; return 0;
    case ARGP_KEY_ARG:
        if (o->source) argp_error(state, "one source is watched at a time");
        o->source = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->source || !o->gallery) argp_error(state, "a source and --gallery are needed");
        return 0;
    default:
        if (cli_look_parse(&o->look, key, arg) == 0) return 0;
        if (cli_access_parse(&o->access, key, arg, state) == 0) return 0;
        return cli_number_parse(numbers, key, arg, o, state);
    }
}

/* ---- one watch ---------------------------------------------------------------------------------------- */

/* What is kept of a track beside what the tracker keeps. */
typedef struct visitor {
    uint64_t track;
    size_t number; /* of those that counted, from 1 */
    bool told;     /* --live */
    lk_image *thumbnails[VIEWS];
} visitor;

typedef struct watch {
    const watch_options *options;
    lk_gallery *gallery;
    bool recorded; /* in the gallery's audit */
    lk_model *model;
    cli_finder *finder;
    lk_embedder *embedder;
    lk_tracker *tracker;
    cli_video *video;
    double threshold, together;   /* of a known person; of two faces of one visitor */
    double clock_offset, started; /* clock_offset: of source time from the wall clock; NaN */
    cli_frame frame;
    lk_face *faces;    /* of the frame */
    visitor *visitors; /* of tracks that go on */
    size_t visitor_count, numbered, known, unknown;
} watch;

static const double THUMBNAIL_ROOM = 1.6;

static lk_status vectors_of(void *context, const size_t *faces, size_t count, float *vectors, lk_error *err) {
    watch *w = context;
    const lk_crop whole = {.centre = 1};
    lk_image **cut = cli_alloc(count, sizeof(lk_image *));
    lk_status status = LK_OK;
    for (size_t i = 0; i < count && status == LK_OK; i++)
        status = lk_face_cut(w->model, w->frame.image, &w->faces[faces[i]], &cut[i], err);
    if (status == LK_OK)
        status = lk_embedder_embed(w->embedder, (const lk_image *const *)cut, count, &whole, vectors, err);
    for (size_t i = 0; i < count; i++) lk_image_free(cut[i]);
    free(cut);
    return status;
}

static visitor *visitor_of(watch *w, uint64_t track) {
    for (size_t i = 0; i < w->visitor_count; i++)
        if (w->visitors[i].track == track) return &w->visitors[i];
    w->visitors = cli_grow(w->visitors, w->visitor_count + 1, sizeof *w->visitors);
    visitor *v = &w->visitors[w->visitor_count++];
    *v = (visitor){.track = track};
    return v;
}

static void visitor_drop(watch *w, visitor *v) {
    for (int i = 0; i < VIEWS; i++) lk_image_free(v->thumbnails[i]);
    *v = w->visitors[--w->visitor_count];
}

/* ---- answers ------------------------------------------------------------------------------------------ */

typedef struct answer {
    size_t number;
    const lk_track *track;
    lk_matches matches; /* the closest photo, if any */
    bool known, final;
    char *thumbnail; /* its path, or NULL */
} answer;

static const char *const titles[] = {"track",     "person",  "known",  "cosine",  "from",      "to",
                                     "from_time", "to_time", "frames", "quality", "thumbnail", "final"};
static const char columns[] = "rlrrrrllrrlr";

/* Wall clock of a second of the source, "2026-01-31T12:00:00.250Z"; "" for a file. */
static const char *clock_text(const watch *w, double seconds, char text[40]) {
    double clock = w->clock_offset + seconds;
    text[0] = 0;
    if (!isfinite(clock)) return text;
    time_t whole = (time_t)floor(clock);
    struct tm tm;
    gmtime_r(&whole, &tm);
    size_t n = strftime(text, 40, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, 40 - n, ".%03dZ", (int)floor((clock - (double)whole) * 1000));
    return text;
}

static const lk_match *best(const answer *a) {
    return a->matches.count ? &a->matches.items[0] : NULL;
}

static void answer_json(const watch *w, const answer *a) {
    char from[40], to[40];
    const lk_track *t = a->track;
    const lk_face *face = &t->views[0].face;
    json_t *row = json_object();
    json_object_set_new(row, "source", cli_json_text(cli_video_name(w->video)));
    json_object_set_new(row, "track", json_integer((json_int_t)a->number));
    json_object_set_new(row, "final", json_boolean(a->final));
    json_object_set_new(row, "person", cli_json_text(a->known ? best(a)->person : NULL));
    json_object_set_new(row, "known", json_boolean(a->known));
    json_object_set_new(row, "closest", cli_json_text(best(a) ? best(a)->person : NULL));
    json_object_set_new(row, "photo", cli_json_text(best(a) ? best(a)->photo : NULL));
    json_object_set_new(row, "cosine", cli_json_real(best(a) ? (double)best(a)->cosine : NAN));
    json_object_set_new(row, "threshold", cli_json_real(w->threshold));
    json_object_set_new(row, "from", cli_json_real(t->from));
    json_object_set_new(row, "to", cli_json_real(t->to));
    bool clock = isfinite(w->clock_offset);
    json_object_set_new(row, "from_time", cli_json_text(clock ? clock_text(w, t->from, from) : NULL));
    json_object_set_new(row, "to_time", cli_json_text(clock ? clock_text(w, t->to, to) : NULL));
    json_object_set_new(row, "frames", json_integer((json_int_t)t->sightings));
    json_object_set_new(row, "views", json_integer((json_int_t)t->view_count));
    json_object_set_new(row, "seconds", cli_json_real(t->views[0].seconds));
    cli_face_json(row, face);
    json_object_set_new(row, "thumbnail", cli_json_text(a->thumbnail));
    cli_json_print(stdout, row);
}

static void answer_tsv(const watch *w, const answer *a) {
    char from[40], to[40];
    const lk_track *t = a->track;
    cli_table *table = cli_table_new(columns, NULL); /* a row of its own: somebody may be waiting for it */
    cli_table_cell(table, "%zu", a->number);
    cli_table_cell(table, "%s", a->known ? best(a)->person : "");
    cli_table_cell(table, "%d", a->known);
    cli_table_cell(table, "%.4f", best(a) ? (double)best(a)->cosine : NAN);
    cli_table_cell(table, "%.3f", t->from);
    cli_table_cell(table, "%.3f", t->to);
    cli_table_cell(table, "%s", clock_text(w, t->from, from));
    cli_table_cell(table, "%s", clock_text(w, t->to, to));
    cli_table_cell(table, "%zu", t->sightings);
    cli_table_cell(table, "%.3f", (double)t->views[0].face.quality);
    cli_table_cell(table, "%s", a->thumbnail ? a->thumbnail : "");
    cli_table_cell(table, "%d", a->final);
    cli_table_print(table, CLI_TSV);
}

static void answer_text(const watch *w, const answer *a) {
    char from[40], to[40];
    const lk_track *t = a->track;
    if (isfinite(w->clock_offset))
        printf("%s  %5.1f s", clock_text(w, t->from, from), t->to - t->from);
    else
        printf("%s - %s", cli_clock(t->from, from), cli_clock(t->to, to));
    char *person = cli_escape(best(a) ? best(a)->person : "nobody", false);
    double cosine = best(a) ? (double)best(a)->cosine : NAN;
    if (a->known)
        printf("  %s  cosine %.2f", person, cosine);
    else
        printf("  unknown  closest %s, cosine %.2f", person, cosine);
    free(person);
    printf("  quality %.2f  %zu %s%s", (double)t->views[0].face.quality, t->sightings,
           t->sightings == 1 ? "frame" : "frames", a->final ? "" : "  so far");
    if (a->thumbnail) {
        char *path = cli_escape(a->thumbnail, false);
        printf("  %s", path);
        free(path);
    }
    putchar('\n');
}

static void answer_print(const watch *w, const answer *a) {
    cli_progress_suspend();
    if (w->options->style == CLI_JSON)
        answer_json(w, a);
    else if (w->options->style == CLI_TSV)
        answer_tsv(w, a);
    else
        answer_text(w, a);
    fflush(stdout);
    cli_progress_resume();
}

static lk_status thumbnail_save(const watch *w, const visitor *v, answer *a, lk_error *err) {
    const lk_image *image = v->thumbnails[a->track->views[0].slot];
    if (!w->options->thumbnails || !image) return LK_OK;
    char when[40] = "", *path;
    time_t started = (time_t)w->clock_offset;
    struct tm tm;
    /* A camera is watched again and again into one folder. */
    if (isfinite(w->clock_offset) && gmtime_r(&started, &tm))
        strftime(when, sizeof when, "%Y%m%dT%H%M%SZ-", &tm);
    path = cli_format("%s/track-%s%04zu.jpg", w->options->thumbnails, when, v->number);
    lk_status status = lk_image_save(image, path, 90, err);
    if (status == LK_OK)
        a->thumbnail = path;
    else
        free(path);
    return status;
}

/* A film has no file of the face: the probe is known by the track's vector. */
static lk_status record(const watch *w, const answer *a, lk_error *err) {
    uint8_t probe[LK_PROBE_HASH_BYTES];
    if (!w->recorded) return LK_OK;
    lk_probe_hash(a->track->vector, (size_t)lk_model_dim(w->model) * sizeof *a->track->vector, probe);
    const lk_gallery_event event = {.action = "watch",
                                    .probe = probe,
                                    .matches = &a->matches,
                                    .threshold = w->threshold,
                                    .known = a->known};
    return lk_gallery_record(w->gallery, &event, 1, err);
}

/* Who the track shows. While it goes on, only what is sure is told: somebody known by some views, or nobody
 * known by as many as are kept. */
static lk_status answer_track(watch *w, visitor *v, const lk_track *track, bool final, lk_error *err) {
    answer a = {.number = v->number, .track = track, .final = final};
    lk_status status = lk_gallery_search(w->gallery, track->vector, 1, &a.matches, err);
    if (status != LK_OK) return status;
    a.known = best(&a) && (double)best(&a)->cosine >= w->threshold;
    bool sure = final || track->view_count >= (a.known ? SURE_VIEWS : VIEWS);
    if (sure) status = record(w, &a, err);
    if (sure && final && status == LK_OK) status = thumbnail_save(w, v, &a, err);
    if (sure && status == LK_OK) answer_print(w, &a);
    if (sure) v->told = true;
    if (final && status == LK_OK) *(a.known ? &w->known : &w->unknown) += 1;
    lk_matches_free(&a.matches);
    free(a.thumbnail);
    return status;
}

static lk_status answer_ended(watch *w, lk_error *err) {
    lk_status status = LK_OK;
    for (const lk_track *t; status == LK_OK && (t = lk_tracker_ended(w->tracker));) {
        visitor *v = visitor_of(w, t->id);
        if (t->born) status = answer_track(w, v, t, true, err);
        visitor_drop(w, v);
    }
    return status;
}

/* ---- frames ------------------------------------------------------------------------------------------- */

static lk_status thumbnail_keep(watch *w, visitor *v, const lk_face *face, int slot, lk_error *err) {
    lk_image *image = NULL;
    lk_status status = lk_image_crop(w->frame.image, lk_face_square(face, THUMBNAIL_ROOM), THUMBNAIL,
                                     THUMBNAIL, &image, err);
    if (status != LK_OK) return status;
    lk_image_free(v->thumbnails[slot]);
    v->thumbnails[slot] = image;
    return LK_OK;
}

static lk_status look_at(watch *w, lk_error *err) {
    size_t count = 0;
    lk_status status = cli_finder_find(w->finder, 0, w->frame.image, &w->faces, &count, err);
    if (status != LK_OK) return status;
    lk_sighting *sightings = cli_alloc(count, sizeof *sightings);
    status = lk_tracker_step(w->tracker, w->frame.seconds, w->faces, count, sightings, err);
    for (size_t i = 0; status == LK_OK && i < count; i++) {
        const lk_sighting *s = &sightings[i];
        visitor *v = visitor_of(w, s->track);
        if (s->born && !v->number) v->number = ++w->numbered;
        if (s->slot >= 0 && w->options->thumbnails) status = thumbnail_keep(w, v, &w->faces[i], s->slot, err);
        if (status == LK_OK && s->slot >= 0 && s->born && w->options->live && !v->told)
            status = answer_track(w, v, lk_tracker_track(w->tracker, s->track), false, err);
    }
    free(sightings);
    free(w->faces);
    w->faces = NULL;
    return status == LK_OK ? answer_ended(w, err) : status;
}

static void show_progress(const watch *w) {
    if (cli_video_live(w->video)) return;
    double took = cli_seconds() - w->started, at = w->frame.seconds, all = cli_video_duration(w->video);
    char done[32], whole[32], left[32];
    cli_progress(all > 0 ? at / all : 0, false, "%s of %s  %.1f frames/s  %s left", cli_clock(at, done),
                 cli_clock(all, whole), took > 0 ? (double)cli_video_counted(w->video).given / took : 0,
                 cli_clock(at > 0 ? took / at * (all - at) : NAN, left));
}

/* To the end of the source, or Ctrl-C; then those who are still there are told. */
static lk_status watch_frames(watch *w, lk_error *err) {
    lk_status status;
    while ((status = cli_video_next(w->video, &w->frame, err)) == LK_OK && w->frame.image) {
        w->clock_offset = w->frame.clock - w->frame.seconds;
        status = look_at(w, err);
        lk_image_free(w->frame.image);
        w->frame.image = NULL;
        if (status != LK_OK) return status;
        show_progress(w);
    }
    lk_error late;
    lk_status last = lk_tracker_finish(w->tracker, &late);
    if (last == LK_OK) last = answer_ended(w, &late);
    if (last == LK_OK) return status;
    if (err) *err = late;
    return last;
}

/* ---- the whole ---------------------------------------------------------------------------------------- */

static lk_status tracker_open(watch *w, lk_error *err) {
    lk_track_options t = lk_track_options_default();
    t.gap = fmax(w->options->gap, 2.5 / w->options->video.fps);
    t.cosine = w->together;
    t.views = VIEWS;
    t.dim = lk_model_dim(w->model);
    t.vectors = vectors_of;
    t.context = w;
    return lk_tracker_new(&t, &w->tracker, err);
}

/* Gallery and models first: a camera is not asked for before it can be watched. */
static int watch_open(watch *w, lk_error *err) {
    const watch_options *o = w->options;
    lk_gallery_info info;
    lk_status status = cli_gallery_open_to_search(o->gallery, &o->access, &w->gallery, &w->recorded, err);
    if (status == LK_OK) status = lk_gallery_get_info(w->gallery, &info, err);
    if (status == LK_OK) status = cli_gallery_model(w->gallery, o->model, &w->model, err);
    if (status != LK_OK) return cli_fail(err);
    if (info.photos == 0) {
        cli_say("%s: the gallery is empty; likeness enroll puts people in", lk_gallery_name(w->gallery));
        return CLI_INPUT;
    }
    cli_wish wish = CLI_WISH_DEFAULT(0.01);
    cli_rule rule;
    wish.threshold = o->threshold;
    int code = cli_rule_gallery(w->model, lk_gallery_name(w->gallery), &info, &wish, &rule);
    if (code != CLI_OK) return code;
    w->threshold = rule.threshold;
    /* Whether two faces in one film are one visitor is a question of two photos, not of a gallery. */
    w->together = isnan(o->threshold) && isfinite(info.threshold) ? info.threshold : rule.threshold;
    if (o->thumbnails && mkdir(o->thumbnails, 0700) != 0 && errno != EEXIST) { /* faces: the owner's */
        cli_say("%s: cannot make the folder: %s", o->thumbnails, strerror(errno));
        return CLI_SYSTEM;
    }
    status = cli_finder_open(&o->look, &o->compute, 1, &w->finder, err);
    if (status == LK_OK)
        status =
            lk_embedder_new(w->model, BATCH, o->compute.threads, o->compute.precision, &w->embedder, err);
    if (status == LK_OK) status = tracker_open(w, err);
    cli_catch_signals();
    if (status == LK_OK) status = cli_video_open(o->source, &o->video, &w->video, err);
    return status == LK_OK ? CLI_OK : cli_fail(err);
}

static void summary(watch *w) {
    cli_video_counts c = cli_video_counted(w->video);
    size_t visits = w->known + w->unknown;
    char *more = cli_format("%s", "");
    const struct {
        size_t count;
        const char *what;
    } odd[] = {{c.damaged, "damaged"}, {c.late, "passed over for want of time"}, {c.lost, "times lost"}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        if (!odd[i].count) continue;
        char *longer = cli_format("%s, %zu %s", more, odd[i].count, odd[i].what);
        free(more);
        more = longer;
    }
    cli_say("%s: %zu %s, %zu known, %zu unknown; %zu %s looked at%s", cli_video_name(w->video), visits,
            visits == 1 ? "visit" : "visits", w->known, w->unknown, c.given,
            c.given == 1 ? "frame" : "frames", more);
    free(more);
}

static int watch_run(watch *w, lk_error *err) {
    if (w->options->style == CLI_TSV) cli_table_print(cli_table_new(columns, titles), CLI_TSV);
    fflush(stdout);
    w->clock_offset = NAN;
    w->started = cli_seconds();
    lk_status status = watch_frames(w, err);
    int code = w->unknown ? CLI_NO : CLI_OK;
    /* A camera has no other end than this one. */
    bool meant = status == LK_STOPPED && cli_video_live(w->video);
    if (status != LK_OK && !meant) code = cli_fail(err);
    summary(w);
    cli_usage_line(w->started);
    return code;
}

static int watch_source(const watch_options *o) {
    watch *w = cli_alloc(1, sizeof *w);
    w->options = o;
    lk_error err = {0};
    int code = watch_open(w, &err);
    if (code == CLI_OK) code = watch_run(w, &err);
    cli_video_close(w->video);
    lk_image_free(w->frame.image);
    lk_tracker_free(w->tracker);
    while (w->visitor_count) visitor_drop(w, &w->visitors[w->visitor_count - 1]);
    free(w->visitors);
    lk_embedder_free(w->embedder);
    cli_finder_free(w->finder);
    lk_model_free(w->model);
    lk_gallery_close(w->gallery);
    free(w);
    return code;
}

int cmd_watch(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "SOURCE --gallery GALLERY", doc, NULL, help, NULL};
    watch_options o = {
        .threshold = NAN, .gap = 1.5, .look = CLI_LOOK_DEFAULT, .video = {.fps = 10, .reconnect = 3600}};
    return argp_parse(&argp, argc, argv, 0, NULL, &o) == 0 ? watch_source(&o) : CLI_USAGE;
}
