/* track.c: faces of frame after frame into tracks: one a visit.
 *
 * As SORT (Bewley et al., "Simple online and realtime tracking", 2016): each track says by constant velocity
 * where its face should be now, and faces and tracks are joined for the largest sum of overlaps. What
 * differs:
 *
 *   - Speed and place come from an alpha-beta filter, the steady state of SORT's Kalman filter (Kalata 1984),
 *     in seconds and not in frames: a slow machine skips frames.
 *   - Boxes are grown before they are compared (Yang et al., "Hard to track objects with irregular motions
 * and similar appearances? Make it easier by buffering the matching space", 2023). Faces are small for their
 *     speed, and at ten frames a second those of one person often do not touch.
 *   - Where boxes do not decide (faces cross, or one was lost) vectors do, as in DeepSORT (Wojke et al.
 * 2017), and they are asked for only then: making one costs more than all of this file.
 *   - A track that never counted ends at its second miss, so that a false face now and then stays without
 *     successors; one that counts ends `gap` seconds after it was last seen. */
#include "face/track.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A face seen this many seconds ago is where it was, whatever the vector of a blurred frame says; of one lost
 * for longer, somebody else may stand there by now. */
static const double AWAY = 0.3;
/* Shares of its size by which a box is grown on each side: where its motion is known, and where it is not. */
static const double MARGIN = 0.3, MARGIN_WIDE = 0.5;
enum { UNBORN_MISSES = 1 };

struct lk_tracker {
    lk_track_options options;
    lk__track **live, **ended;
    size_t live_count, live_room, ended_count, ended_room, ended_told;
    uint64_t last_id;
    double seconds; /* of the last step; -infinity before the first */
};

lk_track_options lk_track_options_default(void) {
    return (lk_track_options){.born = 3, .gap = 1, .overlap = 0.3, .cosine = 0.4, .views = 5, .spacing = 0.4};
}

static const char *options_wrong(const lk_track_options *o) {
    if (o->born < 1 || o->born > 1000) return "born must be 1 to 1000";
    if (!(o->gap >= 0 && o->gap <= 1e6)) return "gap must be 0 to 1000000 seconds";
    if (!(o->overlap > 0 && o->overlap <= 1)) return "overlap must be over 0, and 1 at most";
    if (!(o->cosine >= -1 && o->cosine <= 1)) return "cosine must be -1 to 1";
    if (o->views < 1 || o->views > LK_TRACK_VIEWS) return "views must be 1 to 32";
    if (!(o->spacing >= 1e-3 && o->spacing <= 1e6)) return "spacing must be 0.001 to 1000000 seconds";
    if (o->dim < 0 || o->dim > 65536) return "dim must be 0 to 65536";
    if (o->dim > 0 && !o->vectors) return "dim is given, but nothing that makes vectors";
    return NULL;
}

lk_status lk_tracker_new(const lk_track_options *options, lk_tracker **out, lk_error *err) {
    const char *wrong = options_wrong(options);
    if (wrong) return lk__fail(err, LK_INVALID, "tracker: %s", wrong);
    lk_tracker *tracker = calloc(1, sizeof *tracker);
    if (!tracker) return lk__fail_memory(err, sizeof *tracker, "a tracker");
    tracker->options = *options;
    tracker->seconds = -HUGE_VAL;
    *out = tracker;
    return LK_OK;
}

static void ended_forget(lk_tracker *tracker) {
    for (size_t i = 0; i < tracker->ended_count; i++) lk__track_free(tracker->ended[i]);
    tracker->ended_count = tracker->ended_told = 0;
}

void lk_tracker_free(lk_tracker *tracker) {
    if (!tracker) return;
    ended_forget(tracker);
    for (size_t i = 0; i < tracker->live_count; i++) lk__track_free(tracker->live[i]);
    free(tracker->live);
    free(tracker->ended);
    free(tracker);
}

/* ---- motion ----------------------------------------------------------------------------------------- */

static void motion_see(lk__motion *m, double seconds, const lk_face *face) {
    /* The share of a surprise that is taken for place and for speed: a least squares line through the first
     * sightings, and from the fourth on the filter stays as quick as it is then. */
    static const double alpha[] = {1, 1, 5.0 / 6, 0.7}, beta[] = {0, 1, 0.5, 0.3};
    size_t n = m->count < 3 ? m->count : 3;
    double dt = seconds - m->seconds, x = (double)face->x + 0.5 * (double)face->width,
           y = (double)face->y + 0.5 * (double)face->height;
    if (m->count > 0) {
        m->x += m->vx * dt;
        m->y += m->vy * dt;
        m->vx += beta[n] * (x - m->x) / dt;
        m->vy += beta[n] * (y - m->y) / dt;
    }
    m->x += alpha[n] * (x - m->x);
    m->y += alpha[n] * (y - m->y);
    m->width += alpha[n] * ((double)face->width - m->width);
    m->height += alpha[n] * ((double)face->height - m->height);
    m->seconds = seconds;
    m->count++;
}

/* What two intervals of these centres and lengths have in common. */
static double common(double a, double a_length, double b, double b_length) {
    double low = fmax(a - 0.5 * a_length, b - 0.5 * b_length);
    double high = fmin(a + 0.5 * a_length, b + 0.5 * b_length);
    return fmax(high - low, 0);
}

static double motion_overlap(const lk__motion *m, double seconds, const lk_face *face) {
    double away = seconds - m->seconds;
    double grown = 1 + 2 * (m->count > 1 && away <= AWAY ? MARGIN : MARGIN_WIDE);
    double aw = grown * m->width, ah = grown * m->height;
    double bw = grown * (double)face->width, bh = grown * (double)face->height;
    double x = (double)face->x + 0.5 * (double)face->width, y = (double)face->y + 0.5 * (double)face->height;
    double both = common(m->x + m->vx * away, aw, x, bw) * common(m->y + m->vy * away, ah, y, bh);
    return both / (aw * ah + bw * bh - both);
}

/* ---- deciding ---------------------------------------------------------------------------------------
 * Everything is decided, asked for and allocated before anything changes. */

typedef struct step {
    lk_tracker *tracker;
    double seconds;
    const lk_face *faces;
    size_t count, tracks;
    double *score;         /* (tracks, count) */
    size_t *match;         /* (tracks): a face, or count */
    size_t *asked;         /* (count) scratch: places of faces */
    lk__track **track_of;  /* (count) */
    bool *fresh, *has;     /* (count): its track is new; its vector is there */
    int *slot;             /* (count) */
    float *vectors, *some; /* (count, dim); scratch of the same size */
} step;

static void step_free(step *s) {
    for (size_t f = 0; s->fresh && s->track_of && f < s->count; f++)
        if (s->fresh[f]) lk__track_free(s->track_of[f]);
    free(s->score);
    free(s->match);
    free(s->asked);
    free(s->track_of);
    free(s->fresh);
    free(s->has);
    free(s->slot);
    free(s->vectors);
    free(s->some);
}

static lk_status room(lk__track ***array, size_t *have, size_t need, lk_error *err) {
    if (need <= *have) return LK_OK;
    size_t more = 2 * need;
    lk__track **grown = realloc(*array, more * sizeof **array);
    if (!grown) return lk__fail_memory(err, more * sizeof **array, "tracks");
    *array = grown;
    *have = more;
    return LK_OK;
}

static lk_status step_allocate(step *s, lk_error *err) {
    lk_tracker *tracker = s->tracker;
    size_t n = s->count ? s->count : 1, t = s->tracks ? s->tracks : 1;
    size_t dim = tracker->options.dim ? (size_t)tracker->options.dim : 1;
    s->score = calloc(t * n, sizeof *s->score);
    s->match = calloc(t, sizeof *s->match);
    s->asked = calloc(n, sizeof *s->asked);
    s->track_of = calloc(n, sizeof *s->track_of);
    s->fresh = calloc(n, sizeof *s->fresh);
    s->has = calloc(n, sizeof *s->has);
    s->slot = calloc(n, sizeof *s->slot);
    s->vectors = calloc(n * dim, sizeof *s->vectors);
    s->some = calloc(n * dim, sizeof *s->some);
    if (!s->score || !s->match || !s->asked || !s->track_of || !s->fresh || !s->has || !s->slot ||
        !s->vectors || !s->some)
        return lk__fail_memory(err, t * n * sizeof *s->score + 2 * n * dim * sizeof(float),
                               "faces of a frame");
    lk_status status = room(&tracker->live, &tracker->live_room, s->tracks + s->count, err);
    if (status == LK_OK) status = room(&tracker->ended, &tracker->ended_room, s->tracks, err);
    return status;
}

static double away(const step *s, size_t t) {
    return s->seconds - s->tracker->live[t]->motion.seconds;
}

static bool expired(const step *s, size_t t) {
    return away(s, t) > s->tracker->options.gap;
}

static void score_boxes(step *s) {
    for (size_t t = 0; t < s->tracks; t++)
        for (size_t f = 0; f < s->count; f++) {
            double overlap = motion_overlap(&s->tracker->live[t]->motion, s->seconds, &s->faces[f]);
            bool near = overlap >= s->tracker->options.overlap && !expired(s, t);
            s->score[t * s->count + f] = near ? overlap : 0;
        }
}

/* The one track whose place this face is at, if it is at no other's, no other face is there, and the track
 * was seen a moment ago; else NULL. */
static double *clear_case(const step *s, size_t f) {
    size_t only = s->tracks;
    for (size_t t = 0; t < s->tracks; t++) {
        if (s->score[t * s->count + f] <= 0) continue;
        if (only < s->tracks) return NULL;
        only = t;
    }
    if (only == s->tracks || away(s, only) > AWAY) return NULL;
    for (size_t g = 0; g < s->count; g++)
        if (g != f && s->score[only * s->count + g] > 0) return NULL;
    return &s->score[only * s->count + f];
}

/* The vectors of the first `asking` faces in s->asked. */
static lk_status ask(step *s, size_t asking, lk_error *err) {
    const lk_track_options *o = &s->tracker->options;
    if (asking == 0) return LK_OK;
    lk_status status = o->vectors(o->context, s->asked, asking, s->some, err);
    if (status != LK_OK) return status;
    size_t dim = (size_t)o->dim;
    for (size_t i = 0; i < asking; i++) {
        memcpy(s->vectors + s->asked[i] * dim, s->some + i * dim, dim * sizeof *s->some);
        s->has[s->asked[i]] = true;
    }
    return LK_OK;
}

static void score_vector(step *s, size_t t, size_t f) {
    const lk_track_options *o = &s->tracker->options;
    double *score = &s->score[t * s->count + f];
    if (expired(s, t)) return;
    double cosine = lk__track_cosine(s->tracker->live[t], s->vectors + f * (size_t)o->dim, o->dim);
    if (*score > 0) {
        bool another = away(s, t) > AWAY && cosine < 0.5 * o->cosine;
        *score = another ? 0 : *score + fmax(cosine, 0);
    } else if (cosine >= o->cosine) {
        *score =
            fmax(0.5 * cosine, 1e-3); /* by its looks alone: less than any that is in its place as well */
    }
}

static lk_status score_all(step *s, lk_error *err) {
    score_boxes(s);
    if (s->tracker->options.dim == 0 || s->tracks == 0) return LK_OK;
    size_t asking = 0;
    double **sure = calloc(s->count ? s->count : 1, sizeof *sure);
    if (!sure) return lk__fail_memory(err, s->count * sizeof *sure, "faces of a frame");
    for (size_t f = 0; f < s->count; f++)
        if (!(sure[f] = clear_case(s, f))) s->asked[asking++] = f;
    lk_status status = ask(s, asking, err);
    for (size_t i = 0; i < asking && status == LK_OK; i++)
        for (size_t t = 0; t < s->tracks; t++) score_vector(s, t, s->asked[i]);
    for (size_t f = 0; f < s->count; f++)
        if (sure[f]) *sure[f] += 1; /* as much as a vector could add: nobody else's looks take its track */
    free(sure);
    return status;
}

/* Which track each face belongs to, a new one where none, and which faces are views to keep. */
static lk_status settle(step *s, lk_error *err) {
    lk_tracker *tracker = s->tracker;
    for (size_t t = 0; t < s->tracks; t++)
        if (s->match[t] < s->count) s->track_of[s->match[t]] = tracker->live[t];
    uint64_t id = tracker->last_id;
    for (size_t f = 0; f < s->count; f++) {
        if (s->track_of[f]) continue;
        s->track_of[f] = lk__track_new(&tracker->options, ++id, s->seconds);
        if (!s->track_of[f]) return lk__fail_memory(err, sizeof(lk__track), "a track");
        s->fresh[f] = true;
    }
    size_t asking = 0;
    for (size_t f = 0; f < s->count; f++) {
        s->slot[f] = lk__track_slot(s->track_of[f], &tracker->options, s->seconds, &s->faces[f]);
        if (tracker->options.dim > 0 && s->slot[f] >= 0 && !s->has[f]) s->asked[asking++] = f;
    }
    return ask(s, asking, err);
}

/* ---- doing ------------------------------------------------------------------------------------------ */

static void see(step *s, size_t f, lk_sighting *sighting) {
    const lk_track_options *o = &s->tracker->options;
    lk__track *track = s->track_of[f];
    motion_see(&track->motion, s->seconds, &s->faces[f]);
    track->missed = 0;
    track->shown.to = s->seconds;
    track->shown.sightings++;
    track->shown.born = track->shown.born || track->shown.sightings >= (size_t)o->born;
    if (s->slot[f] >= 0)
        lk__track_keep(track, o, s->seconds, &s->faces[f], s->slot[f], s->vectors + f * (size_t)o->dim);
    *sighting = (lk_sighting){track->shown.id, track->shown.born, s->slot[f]};
}

static void apply(step *s, lk_sighting *sightings) {
    lk_tracker *tracker = s->tracker;
    ended_forget(tracker);
    size_t kept = 0;
    for (size_t t = 0; t < s->tracks; t++) {
        lk__track *track = tracker->live[t];
        bool missed = s->match[t] == s->count;
        if (missed) track->missed++;
        bool over = missed && (expired(s, t) || (!track->shown.born && track->missed > UNBORN_MISSES));
        if (over)
            tracker->ended[tracker->ended_count++] = track;
        else
            tracker->live[kept++] = track;
    }
    for (size_t f = 0; f < s->count; f++) {
        if (s->fresh[f]) tracker->live[kept++] = s->track_of[f];
        if (s->fresh[f]) tracker->last_id++;
        s->fresh[f] = false;
        see(s, f, &sightings[f]);
    }
    tracker->live_count = kept;
    tracker->seconds = s->seconds;
}

static lk_status step_check(const lk_tracker *tracker, double seconds, const lk_face *faces, size_t count,
                            lk_error *err) {
    if (!(fabs(seconds) <= 1e12) || !(seconds > tracker->seconds))
        return lk__fail(err, LK_INVALID, "tracker: a frame of second %g cannot follow one of second %g",
                        seconds, tracker->seconds);
    for (size_t f = 0; f < count; f++) {
        const lk_face *face = &faces[f];
        if (!isfinite(face->x) || !isfinite(face->y) || !isfinite(face->width) || !isfinite(face->height) ||
            !isfinite(face->quality) || !(face->width > 0) || !(face->height > 0))
            return lk__fail(err, LK_INVALID, "tracker: face %zu has no box of finite size, or no quality", f);
    }
    return LK_OK;
}

lk_status lk_tracker_step(lk_tracker *tracker, double seconds, const lk_face *faces, size_t count,
                          lk_sighting *sightings, lk_error *err) {
    lk_status status = step_check(tracker, seconds, faces, count, err);
    if (status != LK_OK) return status;
    step s = {.tracker = tracker,
              .seconds = seconds,
              .faces = faces,
              .count = count,
              .tracks = tracker->live_count};
    status = step_allocate(&s, err);
    if (status == LK_OK) status = score_all(&s, err);
    if (status == LK_OK) status = lk__assign(s.score, s.tracks, count, s.match, err);
    if (status == LK_OK) status = settle(&s, err);
    if (status == LK_OK) apply(&s, sightings);
    step_free(&s);
    return status;
}

lk_status lk_tracker_finish(lk_tracker *tracker, lk_error *err) {
    lk_status status = room(&tracker->ended, &tracker->ended_room, tracker->live_count, err);
    if (status != LK_OK) return status;
    ended_forget(tracker);
    for (size_t t = 0; t < tracker->live_count; t++) tracker->ended[t] = tracker->live[t];
    tracker->ended_count = tracker->live_count;
    tracker->live_count = 0;
    return LK_OK;
}

const lk_track *lk_tracker_ended(lk_tracker *tracker) {
    if (tracker->ended_told == tracker->ended_count) return NULL;
    return &tracker->ended[tracker->ended_told++]->shown;
}

const lk_track *lk_tracker_track(const lk_tracker *tracker, uint64_t id) {
    for (size_t t = 0; t < tracker->live_count; t++)
        if (tracker->live[t]->shown.id == id) return &tracker->live[t]->shown;
    return NULL;
}
