/* cmd_train_detector.c: likeness train-detector: from photos with known faces to a model that finds faces. */
#include "cli.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

typedef struct detector_options {
    lk_detect_train_options train;
    cli_bad bad;
    bool stop_told;
} detector_options;

enum {
    KEY_INIT = CLI_KEY_VERB,
    KEY_NET,
    KEY_MINUTES,
    KEY_POINTS,
    KEY_SIDE,
    KEY_BATCH,
    KEY_PHOTO,
    KEY_RATE,
    KEY_DECAY,
    KEY_HOLDOUT,
    KEY_CHECKPOINT,
    KEY_VALIDATE,
    KEY_RESUME
};

static const char doc[] =
    "Teach a network to find faces in photos, from LABELS: a table of photos and the faces in them "
    "(docs/formats.md says its format).\vCtrl-C keeps a checkpoint; --resume goes on from it.";

static const struct argp_option option_list[] = {
    {"output", 'o', "MODEL", 0, "The model to write (.safetensors)", 1},
    {"init", KEY_INIT, "MODEL", 0, "Start from this detector", 1},
    {"net", KEY_NET, "NAME", 0, "A net of likeness nets that ends in outputs", 1},
    {"minutes", KEY_MINUTES, "M", 0, "Train for this long; 0 with --init: not at all", 2},
    {"points-minutes", KEY_POINTS, "M", 0,
     "Then train the second look, which tells better where eyes, nose and mouth are; 0: that of --init", 2},
    {"side", KEY_SIDE, "PIXELS", 0, "Side of a canvas: the largest faces learned are about as wide", 2},
    {"batch", KEY_BATCH, "N", 0, "Canvases a step", 2},
    {"photo-size", KEY_PHOTO, "PIXELS", 0, "Photos with a longer side are shrunk to this", 2},
    {"learning-rate", KEY_RATE, "R", 0, "Highest learning rate", 3},
    {"weight-decay", KEY_DECAY, "R", 0, "Weight decay", 3},
    {"holdout", KEY_HOLDOUT, "SHARE", 0, "Share of the photos kept to validate on", 3},
    {"checkpoint-minutes", KEY_CHECKPOINT, "M", 0, "Time between checkpoints (MODEL.checkpoint)", 4},
    {"validate-minutes", KEY_VALIDATE, "M", 0, "Time between validations", 4},
    {"resume", KEY_RESUME, 0, 0, "Go on from MODEL.checkpoint, with the options it was begun with", 4},
    CLI_OPTION_SEED,
    CLI_OPTIONS_COMPUTE,
    {0}};

#define TRAIN(field) offsetof(detector_options, train.field)
static const cli_number numbers[] = {{KEY_MINUTES, CLI_REAL, TRAIN(minutes), 0, 1e6},
                                     {KEY_POINTS, CLI_REAL, TRAIN(points_minutes), 0, 1e6},
                                     {KEY_SIDE, CLI_INT, TRAIN(side), 64, 1024},
                                     {KEY_BATCH, CLI_INT, TRAIN(batch), 1, 1024},
                                     {KEY_PHOTO, CLI_INT, TRAIN(photo_most), 64, 8192},
                                     {KEY_RATE, CLI_REAL, TRAIN(learning_rate), 1e-7, 10},
                                     {KEY_DECAY, CLI_REAL, TRAIN(weight_decay), 0, 10},
                                     {KEY_HOLDOUT, CLI_REAL, TRAIN(holdout), 0, 0.89},
                                     {KEY_CHECKPOINT, CLI_REAL, TRAIN(checkpoint_minutes), 0.01, 1e6},
                                     {KEY_VALIDATE, CLI_REAL, TRAIN(validate_minutes), 0.01, 1e6},
                                     {CLI_KEY_PRECISION, CLI_PRECISION, TRAIN(precision), 0, 0},
                                     {CLI_KEY_SEED, CLI_SEED, TRAIN(seed), 0, 0},
                                     {CLI_KEY_THREADS, CLI_INT, TRAIN(threads), 0, CLI_THREADS_MAX},
                                     {0}};

static char *help(int key, const char *text, void *input) {
    const detector_options *o = input;
    if (key == KEY_NET) return cli_format("%s (default %s)", text, o->train.net);
    return cli_number_help(numbers, key, text, input);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    detector_options *o = state->input;
    switch (key) {
    case 'o': o->train.output = arg; return 0;
    case KEY_INIT: o->train.init = arg; return 0;
    case KEY_NET: o->train.net = arg; return 0;
    case KEY_RESUME: o->train.resume = 1; return 0;
    case ARGP_KEY_ARG:
        if (o->train.labels) argp_error(state, "one table of labels is enough");
        o->train.labels = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->train.labels || !o->train.output) argp_error(state, "LABELS and -o MODEL are needed");
        return 0;
    default: return cli_number_parse(numbers, key, arg, o, state);
    }
}

static int on_progress(void *context, const lk_detect_progress *p) {
    (void)context;
    char left[32], recall[32] = "";
    if (isfinite(p->recall)) snprintf(recall, sizeof recall, "  recall %.1f %%", 100 * p->recall);
    double total = p->seconds + p->seconds_left;
    if (isnan(p->face)) {
        cli_progress(total > 0 ? p->seconds / total : 0, p->seconds_left <= 0,
                     "second look, step %zu  points %.4f  %.0f faces/s  %s left", p->step, p->points,
                     p->canvases_per_second, cli_clock(p->seconds_left, left));
        return 0;
    }
    cli_progress(total > 0 ? p->seconds / total : 0, p->seconds_left <= 0,
                 "step %zu  face %.3f  overlap %.3f  box %.3f  points %.3f  %.0f canvases/s  %s left%s",
                 p->step, p->face, p->overlap, p->box, p->points, p->canvases_per_second,
                 cli_clock(p->seconds_left, left), recall);
    return 0;
}

static int on_stop(void *context) {
    detector_options *o = context;
    if (cli_stopped() && !o->stop_told) {
        o->stop_told = true;
        cli_say("stopping: a checkpoint is being written (Ctrl-C again ends at once, without it)");
    }
    return cli_stopped();
}

static void on_bad_photo(void *context, const char *path, const lk_error *why) {
    detector_options *o = context;
    cli_bad_add(&o->bad, path, why);
}

static int train(detector_options *o, const char *command) {
    double started = cli_seconds();
    lk_detect_train_options *t = &o->train;
    t->recipe = command;
    t->progress = on_progress;
    t->stop = on_stop;
    t->bad_photo = on_bad_photo;
    t->context = o;
    cli_catch_signals();
    lk_error err = {0};
    lk_status status = lk_train_detector(t, &err);
    cli_bad_finish(&o->bad, true);
    int code = CLI_OK;
    if (status == LK_STOPPED) {
        cli_say("stopped; to go on: %s%s", command, t->resume ? "" : " --resume");
        code = CLI_SYSTEM;
    } else if (status != LK_OK) {
        code = cli_fail(&err);
    }
    if (status == LK_OK || status == LK_STOPPED) cli_usage_line(started);
    return code;
}

int cmd_train_detector(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "LABELS -o MODEL", doc, NULL, help, NULL};
    detector_options o = {.stop_told = false};
    lk_detect_train_options_init(&o.train);
    char *command = cli_command_line(argc, argv);
    int code = argp_parse(&argp, argc, argv, 0, NULL, &o) == 0 ? cli_output_check(o.train.output) : CLI_USAGE;
    if (code == CLI_OK) code = train(&o, command);
    free(command);
    return code;
}
