/* detect_train.c: a detector taught from labelled photos.
 *
 *   labelled photos in memory -> feed of canvases (scene.c), ahead of the net -> forward -> which cell
 * answers for which face (detect_loss.c) -> backward -> AdamW -> an average of the weights
 *
 * Everything random is a function of (seed, step, place), as in the trainer of embeddings. What is validated
 * and written is the exponential moving average of the weights over the last thousand steps or so (Tarvainen
 * & Valpola 2017): one step's weights are noisy. */
#include "base/feed.h"
#include "face/checkpoint.h"
#include "face/detect_loss.h"
#include "face/detect_validate.h"
#include "face/points_train.h"
#include "likeness/train.h"
#include "nn/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AHEAD = 3 };
static const double WARMUP = 0.02, MOMENTUM = 0.9, AVERAGE = 0.998, PHOTOS_A_FALSE = 20;
/* A net that knows nothing yet says "one cell in a hundred" (Lin et al. 2017, section 4.1). */
static const float FACE_BIAS = -4.6F;

typedef struct trainer {
    const lk_detect_train_options *options;
    lk__labels labels;
    size_t *taught, *kept; /* photos */
    size_t taught_count, kept_count;
    lk__spec spec;
    lk__scales scales;
    const char *net_text;
    lk_model *init;
    lk__points *points; /* NULL: none; init's own if it is not taught anew */
    lk__weights weights, average;
    lk__optimizer_state optimizer;
    lk__net *net;
    lk__feed *feed;
    float *canvas;         /* (slots, batch, 3, side, side) */
    lk__scene *scene;      /* (slots, batch) */
    float *gradient;       /* (batch, dim) */
    int *place;            /* (batch, dim / 16) */
    lk__detect_loss *loss; /* (batch) */
    lk__run_state state;
    lk__detect_figures figures;
    char *checkpoint, *described;
    double began, began_seconds, reported, validated, saved;
    uint64_t reported_step;
    lk__detect_loss sums; /* since the last report */
    bool stop;
} trainer;

void lk_detect_train_options_init(lk_detect_train_options *o) {
    *o = (lk_detect_train_options){.net = "detect",
                                   .side = 160,
                                   .batch = 32,
                                   .photo_most = 640,
                                   .minutes = 60,
                                   .points_minutes = 10,
                                   .learning_rate = 2e-3,
                                   .weight_decay = 1e-3,
                                   .holdout = 0.05,
                                   .seed = 1,
                                   .checkpoint_minutes = 3,
                                   .validate_minutes = 5};
}

static lk_status check(const lk_detect_train_options *o, lk_error *err) {
    if (!o->labels || !o->output)
        return lk__fail(err, LK_INVALID, "train a detector: no labels or no output were given");
    if (o->side < 64 || o->side > 1024 || o->batch < 1 || o->batch > 1024)
        return lk__fail(err, LK_INVALID,
                        "train a detector: %d canvases of %d pixels; 1 to 1024 of 64 to 1024 are "
                        "possible",
                        o->batch, o->side);
    if (!(o->minutes >= 0 && o->points_minutes >= 0 && (o->minutes > 0 || o->init) && o->learning_rate > 0 &&
          o->weight_decay >= 0 && o->holdout >= 0 && o->holdout < 0.9) ||
        o->photo_most < 64 || o->threads < 0)
        return lk__fail(err, LK_INVALID,
                        "train a detector: minutes, learning rate, weight decay, hold-out, size of "
                        "photos or threads out of range");
    return LK_OK;
}

/* ---- setting up -------------------------------------------------------------------------------- */

/* By the hash of its name: the same photos whatever else is in the file. Only photos with a face: whoever
 * labelled a crowd by machine has missed some, and finding those would count as wrong. */
static bool is_kept(const lk__labelled *photo, double share) {
    uint64_t h = 1469598103934665603ULL; /* FNV-1a */
    const char *slash = strrchr(photo->path, '/');
    for (const char *p = slash ? slash + 1 : photo->path; *p; p++)
        h = (h ^ (uint64_t)(unsigned char)*p) * 1099511628211ULL;
    bool face = false;
    for (size_t i = 0; i < photo->count; i++) face |= !photo->label[i].ignored;
    lk__random random = lk__random_stream(h, 0, 0, 0);
    return face && lk__random_unit(&random) < share;
}

static lk_status open_photos(trainer *t, lk_error *err) {
    const lk_detect_train_options *o = t->options;
    lk_status status = lk__labels_read(o->labels, &t->labels, err);
    if (status == LK_OK) status = lk__labels_load(&t->labels, o->photo_most, o->bad_photo, o->context, err);
    if (status != LK_OK) return status;
    t->taught = calloc(t->labels.count, sizeof *t->taught);
    t->kept = calloc(t->labels.count, sizeof *t->kept);
    if (!t->taught || !t->kept)
        return lk__fail_memory(err, t->labels.count * sizeof *t->taught, "the photos");
    for (size_t i = 0; i < t->labels.count; i++) {
        if (!t->labels.photo[i].image) continue;
        if (is_kept(&t->labels.photo[i], o->holdout))
            t->kept[t->kept_count++] = i;
        else
            t->taught[t->taught_count++] = i;
    }
    if (t->taught_count == 0) return lk__fail(err, LK_EMPTY, "%s: no photo is left to learn from", o->labels);
    return LK_OK;
}

/* Logits of "face" begin low: channel 0 of what each output reads. */
static void set_bias(trainer *t) {
    for (int i = 1; i < t->spec.count; i++) {
        lk__param *bias = NULL;
        if (t->spec.layers[i].kind == LK__OUTPUT) bias = lk__weights_find(&t->weights, i - 1, "bias");
        if (bias) bias->value[0] = FACE_BIAS;
    }
}

static lk_status make_net(trainer *t, lk_error *err) {
    const lk_detect_train_options *o = t->options;
    lk_status status = o->init ? lk_model_open(o->init, &t->init, err) : LK_OK;
    if (status != LK_OK) return status;
    t->net_text = t->init ? t->init->net : lk__net_text_of(o->net);
    status = lk__spec_parse_sized(t->net_text, o->side, o->side, &t->spec, err);
    if (status == LK_OK) status = lk__scales_of(&t->spec, &t->scales, err);
    if (status == LK_OK) status = lk__weights_new(&t->spec, true, &t->weights, err);
    if (status == LK_OK) status = lk__weights_new(&t->spec, false, &t->average, err);
    if (status != LK_OK) return status;
    lk__weights_init(&t->weights, o->seed);
    set_bias(t);
    if (t->init) status = lk__weights_adopt(&t->weights, &t->init->weights, o->init, err);
    if (status == LK_OK)
        status =
            lk__optimizer_new(LK_OPTIMIZER_ADAMW, &t->weights, o->weight_decay, MOMENTUM, &t->optimizer, err);
    if (status == LK_OK)
        status = lk__net_new(
            &t->spec, &t->weights,
            &(lk__net_options){.batch = o->batch, .training = true, .precision = o->precision}, &t->net, err);
    return status;
}

static lk_status make_buffers(trainer *t, lk_error *err) {
    size_t batch = (size_t)t->options->batch, side = (size_t)t->options->side, items = batch * (AHEAD + 1);
    t->canvas = malloc(items * 3 * side * side * sizeof *t->canvas);
    t->scene = malloc(items * sizeof *t->scene);
    t->gradient = malloc(batch * (size_t)t->spec.dim * sizeof *t->gradient);
    t->place = malloc(batch * (size_t)(t->spec.dim / LK__CELL) * sizeof *t->place);
    t->loss = malloc(batch * sizeof *t->loss);
    if (!t->canvas || !t->scene || !t->gradient || !t->place || !t->loss)
        return lk__fail_memory(err, items * 3 * side * side * sizeof *t->canvas,
                               "canvases (try a smaller batch)");
    return LK_OK;
}

static void draw(void *context, lk__feed *feed, uint64_t step, int place, int slot) {
    trainer *t = context;
    const lk_detect_train_options *o = t->options;
    size_t at = (size_t)slot * (size_t)o->batch + (size_t)place, side = (size_t)o->side;
    lk__random random = lk__random_stream(o->seed, 'c', step, (uint64_t)place);
    lk_error why;
    if (lk__scene_draw(&t->labels, t->taught, t->taught_count, o->side, &random,
                       t->canvas + at * 3 * side * side, &t->scene[at], &why) != LK_OK)
        lk__feed_fail(feed, &why);
}

static lk_status describe(trainer *t, lk_error *err) {
    const lk_detect_train_options *o = t->options;
    size_t room = strlen(o->output) + sizeof ".checkpoint";
    t->checkpoint = malloc(room);
    t->described = malloc(512);
    if (!t->checkpoint || !t->described) return lk__fail_memory(err, room, o->output);
    snprintf(t->checkpoint, room, "%s.checkpoint", o->output);
    snprintf(t->described, 512,
             "detector side %d batch %d photo-most %d minutes %g learning-rate %g weight-decay %g holdout %g "
             "seed %llu "
             "precision %s init %s photos %zu",
             o->side, o->batch, o->photo_most, o->minutes, o->learning_rate, o->weight_decay, o->holdout,
             (unsigned long long)o->seed, o->precision == LK_PRECISION_BF16 ? "bf16" : "f32",
             t->init ? t->init->fingerprint : "none", t->taught_count);
    lk__writer *probe = NULL; /* a folder that cannot be written is told now */
    lk_status status = lk__writer_open(o->output, &probe, err);
    lk__writer_abort(probe);
    return status;
}

static lk_status set_up(trainer *t, lk_error *err) {
    const lk_detect_train_options *o = t->options;
    lk_status status = open_photos(t, err);
    if (status == LK_OK) status = make_net(t, err);
    if (status == LK_OK) status = make_buffers(t, err);
    if (status == LK_OK) status = describe(t, err);
    t->state = (lk__run_state){.accuracy = NAN, .threshold = NAN};
    if (status == LK_OK && o->resume)
        status = lk__checkpoint_read(t->checkpoint, t->described, &t->weights, &t->optimizer, &t->state, err);
    if (status != LK_OK) return status;
    memcpy(t->average.values, t->weights.values, t->weights.total * sizeof(float));
    t->figures =
        (lk__detect_figures){t->state.accuracy, isfinite(t->state.threshold) ? t->state.threshold : 0.5, NAN};
    if (o->minutes <= 0) return LK_OK;
    lk__feed_options feed = {.batch = o->batch,
                             .threads = o->threads > 0 ? o->threads : lk__cores(),
                             .ahead = AHEAD,
                             .what = "photos",
                             .make = draw,
                             .context = t};
    return lk__feed_start(&feed, t->state.step, &t->feed, err);
}

static void tear_down(trainer *t) {
    lk__feed_stop(t->feed);
    lk__net_free(t->net);
    lk__optimizer_free(&t->optimizer);
    lk__weights_free(&t->weights);
    lk__weights_free(&t->average);
    if (!t->init || t->points != t->init->points) lk__points_free(t->points);
    lk_model_free(t->init);
    lk__labels_free(&t->labels);
    free(t->taught);
    free(t->kept);
    free(t->canvas);
    free(t->scene);
    free(t->gradient);
    free(t->place);
    free(t->loss);
    free(t->checkpoint);
    free(t->described);
}

/* ---- the loop ---------------------------------------------------------------------------------- */

static double seconds_trained(const trainer *t) {
    return t->began_seconds + lk__seconds() - t->began;
}

static double done(const trainer *t) {
    double minutes = t->options->minutes;
    return minutes > 0 ? seconds_trained(t) / (60 * minutes) : 1;
}

static double learning_rate(const trainer *t, double part) {
    return lk__learning_rate(t->options->learning_rate, WARMUP, part);
}

typedef struct judging {
    trainer *t;
    const float *output;
    const lk__scene *scene;
} judging;

static void judge(void *context, int i, int n) {
    const judging *j = context;
    trainer *t = j->t;
    size_t first, last, dim = (size_t)t->spec.dim;
    lk__part((size_t)t->options->batch, i, n, &first, &last);
    for (size_t k = first; k < last; k++) {
        t->loss[k] = (lk__detect_loss){0};
        lk__detect_loss_of(&t->scales, j->output + k * dim, &j->scene[k], t->place + k * (dim / LK__CELL),
                           t->gradient + k * dim, &t->loss[k]);
    }
}

static void add_loss(lk__detect_loss *to, const lk__detect_loss *from) {
    to->face += from->face;
    to->overlap += from->overlap;
    to->box += from->box;
    to->points += from->points;
    to->cells += from->cells;
}

static lk_status one_step(trainer *t, double part, lk_error *err) {
    size_t batch = (size_t)t->options->batch, side = (size_t)t->options->side,
           numbers = batch * (size_t)t->spec.dim;
    int slot = 0;
    lk_status status = lk__feed_next(t->feed, &slot, err);
    if (status != LK_OK) return status;
    const float *canvas = t->canvas + (size_t)slot * batch * 3 * side * side;
    memcpy(lk__net_input(t->net), canvas, batch * 3 * side * side * sizeof *canvas);
    lk__net_load(t->net);
    judging j = {t, lk__net_forward(t->net), t->scene + (size_t)slot * batch};
    lk__parallel(judge, &j);
    lk__detect_loss sum = {0};
    for (size_t k = 0; k < batch; k++) add_loss(&sum, &t->loss[k]);
    float share = 1 / (float)(sum.cells > 0 ? sum.cells : 1);
    for (size_t k = 0; k < numbers; k++) t->gradient[k] *= share;
    lk__net_backward(t->net, t->gradient);
    double norm = lk__optimizer_step(&t->optimizer, &t->weights, learning_rate(t, part));
    if (!isfinite(norm))
        return lk__fail(err, LK_DIVERGED,
                        "training diverged at step %llu; try a smaller learning rate (now %g)",
                        (unsigned long long)t->state.step, t->options->learning_rate);
    t->state.step++;
    lk__average_follow(t->average.values, &t->weights, AVERAGE, t->state.step);
    add_loss(&t->sums, &sum);
    return LK_OK;
}

static void report(trainer *t) {
    const lk_detect_train_options *o = t->options;
    double now = lk__seconds(), part = done(t), cells = (double)(t->sums.cells ? t->sums.cells : 1);
    lk_detect_progress p = {.step = t->state.step,
                            .seconds = seconds_trained(t),
                            .seconds_left = part > 0 ? seconds_trained(t) * (1 - fmin(part, 1)) / part : NAN,
                            .canvases_per_second = (double)(t->state.step - t->reported_step) * o->batch /
                                                   fmax(now - t->reported, 1e-9),
                            .face = t->sums.face / cells,
                            .overlap = t->sums.overlap / cells,
                            .box = t->sums.box / cells,
                            .points = t->sums.points / cells,
                            .learning_rate = learning_rate(t, part),
                            .recall = t->figures.recall};
    t->sums = (lk__detect_loss){0};
    t->reported = now;
    t->reported_step = t->state.step;
    if (o->progress && o->progress(o->context, &p)) t->stop = true;
}

static lk_status validate(trainer *t, lk_error *err) {
    const lk_detect_train_options *o = t->options;
    t->validated = lk__seconds();
    if (t->kept_count == 0) return LK_OK;
    lk_detector *detector = NULL;
    lk_detect_options options = {.size = 640, .confidence = 0.1, .threads = o->threads};
    lk_status status = lk__detector_over(t->net_text, &t->average, t->points, &options, &detector, err);
    if (status == LK_OK)
        status = lk__detect_measure(detector, &t->labels, t->kept, t->kept_count, PHOTOS_A_FALSE, &t->figures,
                                    err);
    lk_detector_free(detector);
    lk__threads_set(o->threads);
    t->state.accuracy = t->figures.recall;
    t->state.threshold = t->figures.confidence;
    t->validated = lk__seconds();
    return status;
}

static lk_status save(trainer *t, lk_error *err) {
    t->saved = lk__seconds();
    t->state.seconds = seconds_trained(t);
    return lk__checkpoint_write(t->checkpoint, t->described, &t->weights, &t->optimizer, &t->state, err);
}

static lk_status loop(trainer *t, lk_error *err) {
    const lk_detect_train_options *o = t->options;
    t->began = t->reported = t->validated = t->saved = lk__seconds();
    t->began_seconds = t->state.seconds;
    t->reported_step = t->state.step;
    for (;;) {
        if (o->stop && o->stop(o->context)) t->stop = true;
        if (t->stop) {
            lk_status status = save(t, err);
            return status != LK_OK ? status
                                   : lk__fail(err, LK_STOPPED,
                                              "stopped at step %llu; the run can go on from %s (--resume)",
                                              (unsigned long long)t->state.step, t->checkpoint);
        }
        double part = done(t);
        if (part >= 1) return LK_OK;
        lk_status status = one_step(t, part, err);
        double now = lk__seconds();
        if (status == LK_OK && now - t->reported >= 1) report(t);
        if (status == LK_OK && now - t->validated >= 60 * o->validate_minutes) status = validate(t, err);
        if (status == LK_OK && now - t->saved >= 60 * o->checkpoint_minutes) status = save(t, err);
        if (status != LK_OK) return status;
    }
}

/* The detector is as good as it gets; now the second look. A stop before its end keeps what the detector has
 * learned. */
static lk_status teach_points(trainer *t, lk_error *err) {
    const lk_detect_train_options *o = t->options;
    if (o->points_minutes <= 0) {
        t->points = t->init ? t->init->points : NULL;
        return LK_OK;
    }
    lk_status status = o->minutes > 0 ? save(t, err) : LK_OK;
    if (status == LK_OK) status = lk__points_new(lk_net_text("points"), true, &t->points, err);
    if (status == LK_OK) status = lk__points_train(t->points, &t->labels, t->taught, t->taught_count, o, err);
    return status;
}

static lk_status finish(trainer *t, lk_error *err) {
    const lk_detect_train_options *o = t->options;
    lk_status status = teach_points(t, err);
    if (status == LK_OK) status = validate(t, err);
    if (status != LK_OK) return status;
    report(t);
    char confidence[32], recall[32], points[32], steps[32];
    snprintf(confidence, sizeof confidence, "%.3f", t->figures.confidence);
    snprintf(recall, sizeof recall, "%.4f", t->figures.recall);
    snprintf(points, sizeof points, "%.4f", t->figures.points);
    snprintf(steps, sizeof steps, "%llu", (unsigned long long)t->state.step);
    lk__meta notes[6];
    size_t n = 0;
    notes[n++] = (lk__meta){"options", t->described};
    notes[n++] = (lk__meta){"steps", steps};
    if (t->kept_count > 0) {
        notes[n++] = (lk__meta){"confidence", confidence};
        notes[n++] = (lk__meta){"validation_recall", recall};
        notes[n++] = (lk__meta){"validation_points", points};
    }
    if (o->recipe) notes[n++] = (lk__meta){"recipe", o->recipe};
    status = lk__detector_write(o->output, t->net_text, &t->average, t->points, notes, n, err);
    if (status == LK_OK) unlink(t->checkpoint);
    return status;
}

lk_status lk_train_detector(const lk_detect_train_options *options, lk_error *err) {
    lk_status status = check(options, err);
    if (status != LK_OK) return status;
    trainer *t = calloc(1, sizeof *t);
    if (!t) return lk__fail_memory(err, sizeof *t, "the trainer");
    t->options = options;
    lk__threads_set(options->threads);
    status = set_up(t, err);
    if (status == LK_OK) status = loop(t, err);
    if (status == LK_OK) status = finish(t, err);
    tear_down(t);
    free(t);
    return status;
}
