/* points_train.c: teaching the second look. A labelled face is cut out as the detector would find it: by its
 * true points, but turned, scaled and shifted by as much as a first look is wrong; in other light and by a
 * worse camera; and the net says where the points are. The loss is the smooth L1 of detect_loss.c on the ten
 * numbers, and what is kept the moving average of the weights, as there. */
#include "face/points_train.h"
#include "base/feed.h"
#include "face/augment.h"
#include "face/detect.h"
#include "nn/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 128, AHEAD = 3, NUMBERS = 2 * LK_FACE_POINTS };
/* Narrower faces are labelled too roughly, in pixels of the photo. */
static const float NARROWEST = 20;
static const double BETA = 0.02, AVERAGE = 0.998, WARMUP = 0.02, LEARNING_RATE = 3e-3, MOMENTUM = 0.9;
/* How far off a first look is, of lk__vary_map's full strength. */
static const double FIRST_LOOK = 1;

static const lk__camera CAMERA = {
    .fewer = 0.3, .fewest = 0.25, .noise = 0.3, .noise_strength = 1, .jpeg = 0.25, .jpeg_strength = 0.9};

typedef struct place {
    const lk__labelled *photo;
    const lk_face *face;
} place;

typedef struct trainer {
    const lk_detect_train_options *options;
    lk__points *points;
    place *faces;
    size_t count;
    float *crop;    /* (slots, BATCH, 3, side, side) */
    float *truth;   /* (slots, BATCH, NUMBERS) */
    float *average; /* (weights) */
    lk__net *net;
    lk__optimizer_state optimizer;
    lk__feed *feed;
    uint64_t step;
    double loss; /* since the last report */
    uint64_t loss_steps;
} trainer;

static lk_status find_faces(trainer *t, const lk__labels *labels, const size_t *which, size_t count,
                            lk_error *err) {
    size_t room = 0;
    for (size_t i = 0; i < count; i++) room += labels->photo[which[i]].count;
    t->faces = calloc(room + 1, sizeof *t->faces);
    if (!t->faces) return lk__fail_memory(err, room * sizeof *t->faces, "the faces");
    for (size_t i = 0; i < count; i++) {
        const lk__labelled *photo = &labels->photo[which[i]];
        for (size_t k = 0; k < photo->count; k++)
            if (!photo->label[k].ignored && photo->label[k].face.width >= NARROWEST)
                t->faces[t->count++] = (place){photo, &photo->label[k].face};
    }
    return t->count > 0
               ? LK_OK
               : lk__fail(err, LK_EMPTY, "no labelled face is %g pixels wide or wider", (double)NARROWEST);
}

/* Where the photo's points are in the crop that takes photo pixels through m. */
static void points_in_crop(const double m[6], const lk_face *face, int side, lk_point out[LK_FACE_POINTS]) {
    double det = m[0] * m[4] - m[1] * m[3];
    for (int i = 0; i < LK_FACE_POINTS; i++) {
        double x = (double)face->point[i].x - m[2], y = (double)face->point[i].y - m[5];
        out[i] = (lk_point){(float)((m[4] * x - m[1] * y) / det), (float)((m[0] * y - m[3] * x) / det)};
    }
    if (det < 0) { /* mirrored: swap left and right, in place */
        lk__points_mirror(out, side);
        for (int i = 0; i < LK_FACE_POINTS; i++) out[i].x = (float)(side - 1) - out[i].x;
    }
}

static lk_status draw_one(trainer *t, lk__random *random, float *crop, float *truth, lk_error *err) {
    const place *p = &t->faces[lk__random_below(random, t->count)];
    int side = t->points->spec.w;
    double m[6];
    lk_point points[LK_FACE_POINTS];
    lk_image *image = NULL;
    lk_status status = lk__align_map(p->face->point, LK__POINTS_ROOM, side, side, m, err);
    if (status != LK_OK) return status;
    lk__vary_map(m, side, side, FIRST_LOOK, random);
    status = lk__image_warp(p->photo->image, m, side, side, &image, err);
    if (status != LK_OK) return status;
    bool grey = lk__relight(image, 1, random);
    lk__occlude(image, 0.6, random);
    status = lk__worse_camera(&image, &CAMERA, grey, random, err);
    if (status == LK_OK) {
        lk__face_to_planes(image, false, crop);
        points_in_crop(m, p->face, side, points);
        lk__points_encode(points, side, truth);
    }
    lk_image_free(image);
    return status;
}

static void draw(void *context, lk__feed *feed, uint64_t step, int at, int slot) {
    trainer *t = context;
    size_t place_at = (size_t)slot * BATCH + (size_t)at, side = (size_t)t->points->spec.w;
    lk__random random = lk__random_stream(t->options->seed, 'p', step, (uint64_t)at);
    lk_error why;
    if (draw_one(t, &random, t->crop + place_at * 3 * side * side, t->truth + place_at * NUMBERS, &why) !=
        LK_OK)
        lk__feed_fail(feed, &why);
}

static lk_status set_up(trainer *t, lk_error *err) {
    size_t side = (size_t)t->points->spec.w, items = BATCH * (AHEAD + 1);
    lk__weights *w = &t->points->weights;
    t->crop = malloc(items * 3 * side * side * sizeof *t->crop);
    t->truth = malloc(items * NUMBERS * sizeof *t->truth);
    t->average = malloc(w->total * sizeof *t->average);
    if (!t->crop || !t->truth || !t->average)
        return lk__fail_memory(err, items * 3 * side * side * sizeof *t->crop, "the crops of faces");
    memcpy(t->average, w->values, w->total * sizeof *t->average);
    lk_status status =
        lk__optimizer_new(LK_OPTIMIZER_ADAMW, w, t->options->weight_decay, MOMENTUM, &t->optimizer, err);
    if (status == LK_OK)
        status = lk__net_new(
            &t->points->spec, w,
            &(lk__net_options){.batch = BATCH, .training = true, .precision = t->options->precision}, &t->net,
            err);
    if (status != LK_OK) return status;
    lk__feed_options feed = {.batch = BATCH,
                             .threads = t->options->threads > 0 ? t->options->threads : lk__cores(),
                             .ahead = AHEAD,
                             .what = "photos",
                             .make = draw,
                             .context = t};
    return lk__feed_start(&feed, 0, &t->feed, err);
}

static double learning_rate(double part) {
    return lk__learning_rate(LEARNING_RATE, WARMUP, part);
}

static lk_status one_step(trainer *t, double part, lk_error *err) {
    size_t side = (size_t)t->points->spec.w;
    float gradient[BATCH * NUMBERS];
    int slot = 0;
    lk_status status = lk__feed_next(t->feed, &slot, err);
    if (status != LK_OK) return status;
    memcpy(lk__net_input(t->net), t->crop + (size_t)slot * BATCH * 3 * side * side,
           BATCH * 3 * side * side * sizeof(float));
    const float *truth = t->truth + (size_t)slot * BATCH * NUMBERS;
    lk__net_load(t->net);
    const float *said = lk__net_forward(t->net);
    for (int i = 0; i < BATCH * NUMBERS; i++) {
        double slope, loss = lk__smooth((double)said[i] - (double)truth[i], BETA, &slope);
        t->loss += loss / (BATCH * NUMBERS);
        gradient[i] = (float)(slope / BATCH);
    }
    t->loss_steps++;
    lk__net_backward(t->net, gradient);
    double norm = lk__optimizer_step(&t->optimizer, &t->points->weights, learning_rate(part));
    if (!isfinite(norm)) return lk__fail(err, LK_DIVERGED, "training the second look diverged");
    t->step++;
    lk__average_follow(t->average, &t->points->weights, AVERAGE, t->step);
    return LK_OK;
}

static bool report(trainer *t, double seconds, double total, double rate) {
    lk_detect_progress p = {.step = t->step,
                            .seconds = seconds,
                            .seconds_left = fmax(total - seconds, 0),
                            .canvases_per_second = rate,
                            .face = NAN,
                            .overlap = NAN,
                            .box = NAN,
                            .points = t->loss / fmax((double)t->loss_steps, 1),
                            .learning_rate = learning_rate(seconds / total),
                            .recall = NAN};
    t->loss = 0;
    t->loss_steps = 0;
    return t->options->progress && t->options->progress(t->options->context, &p);
}

static lk_status loop(trainer *t, lk_error *err) {
    const lk_detect_train_options *o = t->options;
    double began = lk__seconds(), total = 60 * o->points_minutes, reported = began;
    uint64_t reported_step = 0;
    for (;;) {
        double now = lk__seconds();
        bool stop = o->stop && o->stop(o->context);
        if (now - reported >= 1 || now - began >= total) {
            stop |=
                report(t, now - began, total, (double)(t->step - reported_step) * BATCH / (now - reported));
            reported = now;
            reported_step = t->step;
        }
        if (now - began >= total) break;
        if (stop)
            return lk__fail(err, LK_STOPPED,
                            "stopped while the second look was taught; --resume teaches it anew");
        lk_status status = one_step(t, (now - began) / total, err);
        if (status != LK_OK) return status;
    }
    memcpy(t->points->weights.values, t->average, t->points->weights.total * sizeof(float));
    return LK_OK;
}

lk_status lk__points_train(lk__points *points, const lk__labels *labels, const size_t *which, size_t count,
                           const lk_detect_train_options *options, lk_error *err) {
    trainer t = {.options = options, .points = points};
    lk__weights_init(&points->weights, options->seed);
    lk_status status = find_faces(&t, labels, which, count, err);
    if (status == LK_OK) status = set_up(&t, err);
    if (status == LK_OK) status = loop(&t, err);
    lk__feed_stop(t.feed);
    lk__net_free(t.net);
    lk__optimizer_free(&t.optimizer);
    free(t.faces);
    free(t.crop);
    free(t.truth);
    free(t.average);
    return status;
}
