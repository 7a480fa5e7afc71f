/* cmd_train.c: likeness train: from folders of people to a model. The trainer is the library's; here are its
 * options, what is shown while it works, and a stop that loses nothing.
 *
 * Started by mpirun, N of these train one net (ranks_mpi.c). Rank 0 reads the command line first and the
 * others follow when it stands, so that a mistake is told once; it alone shows progress and writes. */
#include "losses.h"
#include "likeness/eval.h"
#include "report.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct train_options {
    lk_train_options train;
    cli_sources sources, validate;
    const char *baseline; /* "eigenfaces", or NULL: the network */
    cli_loss_given loss;  /* beside its name */
    bool minutes_given, epochs_given, net_given, crop_given;
    bool detect; /* crop the sources first */
    const char *detector;
    char *net_text; /* of a net read from a file */
    cli_bad bad;
    const char *page;
    report_run *run; /* of the page; NULL: none is written, or not by this rank */
    cli_ranks *ranks;
    bool first; /* rank 0, or alone */
    bool stop_told;
    char *checkpoint, *go_on; /* with --resume */
} train_options;

enum {
    KEY_INIT = CLI_KEY_VERB,
    KEY_NET,
    KEY_LOSS,
    KEY_MARGIN,
    KEY_TEMPERATURE,
    KEY_MINING,
    KEY_SEMI_HARD,
    KEY_MEMORY,
    KEY_MEMORY_START,
    KEY_PEOPLE,
    KEY_PHOTOS,
    KEY_MINUTES,
    KEY_EPOCHS,
    KEY_OPTIMIZER,
    KEY_LEARNING_RATE,
    KEY_WEIGHT_DECAY,
    KEY_MOMENTUM,
    KEY_WARMUP,
    KEY_AUGMENT,
    KEY_AVERAGE,
    KEY_HOLDOUT,
    KEY_VALIDATE,
    KEY_EXCLUDE,
    KEY_LOG,
    KEY_REPORT,
    KEY_RESUME,
    KEY_CHECKPOINT,
    KEY_VALIDATE_MINUTES,
    KEY_BASELINE
};

static const char doc[] =
    "Train a network on folders of people (DIR/PERSON/PHOTO) so that photos of one "
    "person come out close together and "
    "photos of different people apart.\vDIR@CROP says which part of that folder's "
    "photos is the face: DIR@0.8 the "
    "central square, DIR@X,Y,WIDTH,HEIGHT a rectangle in pixels. Folders that likeness crop wrote "
    "make a model of aligned faces, which finds the face in any photo. Ctrl-C keeps a "
    "checkpoint; --resume goes on from it "
    "to the same result. mpirun -n N likeness train ... trains one model with N "
    "processes, on one machine or many.";

static const struct argp_option option_list[] = {
    {"output", 'o', "MODEL", 0, "The model to write (.safetensors)", 1},
    {"init", KEY_INIT, "MODEL", 0, "Start from this model (fine-tune)", 1},
    {"net", KEY_NET, "NAME|FILE", 0, "A net of likeness nets, or a file with the text of one", 1},
    {"baseline", KEY_BASELINE, "NAME", 0, "Instead of a network: eigenfaces (PCA, Turk & Pentland 1991)", 1},
    {"exclude", KEY_EXCLUDE, "FILE", 0, "Names of people not to train on, one a line: those of a test set",
     2},
    {"validate", KEY_VALIDATE, "DIR[@CROP]", 0, "People to validate on; may be given again", 2},
    {"holdout", KEY_HOLDOUT, "SHARE", 0,
     "Share of the people kept for validation when --validate is not given", 2},
    {"crop", CLI_KEY_CROP, "CROP", 0,
     "Crop of folders that name none, kept in the model as its own: a share of the shorter side, or "
     "X,Y,WIDTH,HEIGHT",
     2},
    {"detect", CLI_KEY_DETECT, 0, 0,
     "Photos as they come: find the faces first and train on them aligned. They are kept in MODEL.faces, as "
     "likeness crop would write them",
     2},
    {"detector", CLI_KEY_DETECTOR, "MODEL", 0,
     "With --detect: the model that finds faces (default: models/detect.safetensors, or the installed one)",
     2},
    {"average", KEY_AVERAGE, "DECAY", 0,
     "Validate and write the moving average of the weights with this decay, say 0.998; 0: the weights", 2},
    {"augment", KEY_AUGMENT, "STRENGTH", 0, "Random changes to the photos, 0 none to 1 full", 2},
    {"minutes", KEY_MINUTES, "M", 0, "Train for this long", 3},
    {"epochs", KEY_EPOCHS, "N", 0,
     "Train for this many passes over the photos, if with --minutes whichever ends first; 0: an untrained "
     "net",
     3},
    {"loss", KEY_LOSS, "NAME", 0, "What is made small", 4},
    {"margin", KEY_MARGIN, "D", 0, "Margin of the loss; for triplet in L2 distance, not squared", 4},
    {"temperature", KEY_TEMPERATURE, "T", 0, "Temperature of the loss; its inverse is known as scale", 4},
    {"mining", KEY_MINING, "NAME", 0, "Which triplets: random, semi-hard, batch-hard or distance-weighted",
     4},
    {"semi-hard-share", KEY_SEMI_HARD, "SHARE", 0, "First share of batch-hard training that mines semi-hard",
     4},
    {"memory", KEY_MEMORY, "N", 0, "Compare with the last N vectors of earlier batches too; 0: not", 4},
    {"memory-start", KEY_MEMORY_START, "SHARE", 0, "With --memory: first share of training that does without",
     4},
    {"people", KEY_PEOPLE, "P", 0, "People a batch (of each process under mpirun)", 4},
    {"photos", KEY_PHOTOS, "K", 0, "Photos of each person a batch", 4},
    {"optimizer", KEY_OPTIMIZER, "NAME", 0, "adamw or sgd", 5},
    {"learning-rate", KEY_LEARNING_RATE, "R", 0, "Highest learning rate", 5},
    {"weight-decay", KEY_WEIGHT_DECAY, "R", 0, "Weight decay", 5},
    {"momentum", KEY_MOMENTUM, "R", 0, "Momentum of sgd", 5},
    {"warmup", KEY_WARMUP, "SHARE", 0, "Share of training in which the learning rate rises", 5},
    {"precision", CLI_KEY_PRECISION, "NAME", 0,
     "f32, or bf16: half the memory, and faster on processors that know it; the weights stay f32", 5},
    {"log", KEY_LOG, "CSV", 0, "Write progress to this file too", 6},
    {"report", KEY_REPORT, "HTML", 0,
     "Write a page about the run, anew each minute: curves, distances, validation, the hardest photos", 6},
    {"checkpoint-minutes", KEY_CHECKPOINT, "M", 0, "Time between checkpoints (MODEL.checkpoint)", 6},
    {"validate-minutes", KEY_VALIDATE_MINUTES, "M", 0, "Time between validations", 6},
    {"resume", KEY_RESUME, 0, 0, "Go on from MODEL.checkpoint, with the options it was begun with", 6},
    {"seed", CLI_KEY_SEED, "N", 0, "Seed of every random choice", 7},
    {"threads", CLI_KEY_THREADS, "N", 0, "Threads; 0: all cores (under mpirun: those it gave this process)",
     7},
    {0}};

#define TRAIN(field) offsetof(train_options, train.field)
static const cli_number numbers[] = {
    {KEY_MARGIN, CLI_REAL, offsetof(train_options, loss.margin), 0.001,
     2}, /* unit vectors: at most 2 apart */
    {KEY_TEMPERATURE, CLI_REAL, offsetof(train_options, loss.temperature), 0.005, 10},
    {KEY_MEMORY, CLI_INT, TRAIN(memory), 0, 1 << 20},
    {KEY_MEMORY_START, CLI_REAL, TRAIN(memory_start), 0, 1},
    {KEY_SEMI_HARD, CLI_REAL, TRAIN(semi_hard_share), 0, 1},
    {KEY_PEOPLE, CLI_INT, TRAIN(people), 2, 4096},
    {KEY_PHOTOS, CLI_INT, TRAIN(photos), 2, 64},
    {KEY_MINUTES, CLI_REAL, TRAIN(minutes), 0, 1e6},
    {KEY_EPOCHS, CLI_REAL, TRAIN(epochs), 0, 1e6},
    {KEY_LEARNING_RATE, CLI_REAL, TRAIN(learning_rate), 0, 10},
    {KEY_WEIGHT_DECAY, CLI_REAL, TRAIN(weight_decay), 0, 10},
    {KEY_MOMENTUM, CLI_REAL, TRAIN(momentum), 0, 0.9999},
    {KEY_WARMUP, CLI_REAL, TRAIN(warmup), 0, 1},
    {KEY_AUGMENT, CLI_REAL, TRAIN(augment), 0, 1},
    {KEY_AVERAGE, CLI_REAL, TRAIN(average), 0, 0.99999},
    {KEY_HOLDOUT, CLI_REAL, TRAIN(holdout), 0, 0.9},
    {KEY_CHECKPOINT, CLI_REAL, TRAIN(checkpoint_minutes), 0.01, 1e6},
    {KEY_VALIDATE_MINUTES, CLI_REAL, TRAIN(validate_minutes), 0.01, 1e6},
    {CLI_KEY_PRECISION, CLI_PRECISION, TRAIN(precision), 0, 0},
    {CLI_KEY_SEED, CLI_SEED, TRAIN(seed), 0, 0},
    {CLI_KEY_THREADS, CLI_INT, TRAIN(threads), 0, CLI_THREADS_MAX},
    {0}};

static const char *const optimizer_names[] = {
    [LK_OPTIMIZER_ADAMW] = "adamw", [LK_OPTIMIZER_SGD] = "sgd", NULL};

static char *help(int key, const char *text, void *input) {
    const train_options *o = input;
    if (key == KEY_LOSS) {
        char *names = cli_loss_help(text, CLI_LOSS_NAME),
             *all = cli_format("%s (default %s)", names, cli_loss_name(o->train.loss));
        free(names);
        return all;
    }
    if (key == KEY_MARGIN) return cli_loss_help(text, CLI_LOSS_MARGIN);
    if (key == KEY_TEMPERATURE) return cli_loss_help(text, CLI_LOSS_TEMPERATURE);
    if (key == KEY_MINING) return cli_loss_help(text, CLI_LOSS_MINING);
    if (key == KEY_OPTIMIZER) return cli_format("%s (default %s)", text, optimizer_names[o->train.optimizer]);
    if (key == KEY_NET && o->train.net) return cli_format("%s (default %s)", text, o->train.net);
    if (key == CLI_KEY_CROP && o->train.crop.centre > 0)
        return cli_format("%s (default %g)", text, o->train.crop.centre);
    return cli_number_help(numbers, key, text, input);
}

static void refuse_crops(const cli_sources *sources, struct argp_state *state) {
    for (size_t i = 0; i < sources->count; i++)
        if (cli_crop_given(sources->items[i].crop))
            argp_error(state, "%s: --detect finds the faces: its folders take no crop",
                       sources->items[i].path);
}

static void parse_end(train_options *o, struct argp_state *state) {
    if (o->sources.count == 0) argp_error(state, "no folder of people is given");
    if (!o->train.output) argp_error(state, "no model to write is given: -o MODEL");
    if (o->baseline && strcmp(o->baseline, "eigenfaces") != 0)
        argp_error(state, "--baseline: '%s' is not eigenfaces", o->baseline);
    cli_loss_apply(&o->loss, &o->train, state);
    if (o->baseline && (o->train.init || o->train.resume))
        argp_error(state, "--baseline is computed at once: it takes no --init and no --resume");
    if (o->train.init && !o->net_given) o->train.net = NULL; /* the model's own */
    if (o->page && (o->baseline || strcmp(o->page, "-") == 0))
        argp_error(state, o->baseline ? "--baseline is computed at once: it takes no --report"
                                      : "--report needs a file: it is written again and again");
    if (o->detector && !o->detect) argp_error(state, "--detector belongs to --detect");
    if (o->detect) {
        if (o->crop_given) argp_error(state, "--detect finds the faces: it takes no --crop");
        refuse_crops(&o->sources, state);
        refuse_crops(&o->validate, state);
    }
    if (o->baseline && o->ranks)
        argp_error(state, "--baseline is computed by one process: start it without mpirun");
    /* One limit given replaces both defaults. */
    if (o->epochs_given && !o->minutes_given) o->train.minutes = 0;
    if (o->minutes_given && !o->epochs_given) o->train.epochs = 0;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    train_options *o = state->input;
    if (key == KEY_MINUTES) o->minutes_given = true;
    if (key == KEY_EPOCHS) o->epochs_given = true;
    switch (key) {
    case 'o': o->train.output = arg; return 0;
    case KEY_INIT: o->train.init = arg; return 0;
    case KEY_NET:
        o->train.net = arg;
        o->net_given = true;
        return 0;
    case KEY_BASELINE: o->baseline = arg; return 0;
    case KEY_EXCLUDE: o->train.exclude = arg; return 0;
    case KEY_LOG: o->train.log = arg; return 0;
    case KEY_REPORT: o->page = arg; return 0;
    case KEY_RESUME: o->train.resume = 1; return 0;
    case KEY_VALIDATE: cli_sources_add(&o->validate, arg, state); return 0;
    case CLI_KEY_CROP:
        o->train.crop = cli_crop_option(arg, state);
        o->crop_given = true;
        return 0;
    case CLI_KEY_DETECT: o->detect = true; return 0;
    case CLI_KEY_DETECTOR: o->detector = arg; return 0;
    case KEY_LOSS: lk_train_options_loss(&o->train, cli_loss_option(key, arg, state)); return 0;
    case KEY_MINING:
        o->loss.mining = (lk_mining)cli_name_option(cli_mining_names, key, arg, state);
        o->loss.mining_given = true;
        return 0;
    case KEY_OPTIMIZER:
        o->train.optimizer = (lk_optimizer)cli_name_option(optimizer_names, key, arg, state);
        return 0;
    case ARGP_KEY_ARG: cli_sources_add(&o->sources, arg, state); return 0;
    case ARGP_KEY_END: parse_end(o, state); return 0;
    default: return cli_number_parse(numbers, key, arg, o, state);
    }
}

/* --net FILE: 64 KiB are plenty for a list of layers. */
static int net_read(train_options *o) {
    enum { NET_MOST = 1 << 16 };
    const char *name = o->train.net;
    if (!name || lk_net_text(name)) return CLI_OK;
    FILE *file = fopen(name, "r");
    if (!file) {
        cli_say("--net: '%s' is neither a net of likeness nets nor a file: %s", name, strerror(errno));
        return CLI_USAGE;
    }
    o->net_text = cli_alloc(NET_MOST + 1, 1);
    size_t size = fread(o->net_text, 1, NET_MOST + 1, file);
    bool failed = ferror(file) || size > NET_MOST || memchr(o->net_text, 0, size);
    fclose(file);
    if (failed) {
        cli_say("%s: not the text of a net (docs/formats.md)", name);
        return CLI_INPUT;
    }
    o->train.net = o->net_text;
    return CLI_OK;
}

static int on_progress(void *context, const lk_train_progress *p) {
    train_options *o = context;
    if (o->run) report_run_progress(o->run, p);
    if (p->note) cli_say("%s", p->note);
    char left[32], validation[48] = "";
    if (isfinite(p->validation_accuracy))
        snprintf(validation, sizeof validation, "  validation %.1f %%", 100 * p->validation_accuracy);
    double total = p->seconds + p->seconds_left;
    cli_progress(total > 0 ? p->seconds / total : 0, p->seconds_left <= 0,
                 "epoch %.2f  loss %.4f  active %3.0f %%  %.0f photos/s  %s left%s", p->epoch, p->loss,
                 100 * p->active, p->photos_per_second, cli_clock(p->seconds_left, left), validation);
    return 0;
}

static int on_stop(void *context) {
    train_options *o = context;
    if (cli_stopped() && o->first && !o->stop_told) {
        o->stop_told = true;
        cli_say("stopping: a checkpoint is being written (Ctrl-C again ends at once, without it)");
    }
    return cli_stopped();
}

static void on_bad_photo(void *context, const char *path, const lk_error *why) {
    train_options *o = context;
    cli_bad_add(&o->bad, path, why);
    if (o->run) report_run_bad_photo(o->run, path, why);
}

static void on_look(void *context, const lk_train_look *look) {
    train_options *o = context;
    report_run_look(o->run, look);
}

static lk_status calibrate(const float *vectors, const float *lengths, const uint32_t *person, size_t photos,
                           int dim, lk_calibration *out, lk_error *err) {
    lk_trial trial = {.vectors = vectors, .photos = photos, .dim = dim, .person = person};
    return lk_calibration_fit(&trial, lengths, out, err);
}

/* The page is rank 0's. */
static int begin_page(train_options *o) {
    if (!o->page || !o->first) return CLI_OK;
    report_run_options page = {o->page, o->train.recipe, cli_mining_names[o->train.mining],
                               optimizer_names[o->train.optimizer], &o->train};
    o->train.look = on_look;
    return report_run_begin(&page, &o->run);
}

static void tell_model(const char *path) {
    lk_model *model = NULL;
    lk_error err;
    if (lk_model_open(path, &model, &err) != LK_OK) {
        cli_fail(&err);
        return;
    }
    double threshold = lk_model_threshold(model);
    char *shown = isfinite(threshold) ? cli_format("%.3f", threshold) : cli_format("none");
    const lk_calibration *c = lk_model_calibration(model);
    char *calibrated = c ? cli_format(", calibrated on %zu people", c->people) : cli_format("%s", "");
    cli_say("%s: %zu parameters, photos %d x %d, vectors of %d, threshold %s%s", path,
            lk_model_parameters(model), lk_model_input_width(model), lk_model_input_height(model),
            lk_model_dim(model), shown, calibrated);
    free(calibrated);
    free(shown);
    lk_model_free(model);
}

/* The launcher belongs to what one types to have it again. */
static char *whole_command(const train_options *o, int argc, char **argv) {
    char *line = cli_command_line(argc, argv);
    const lk_ranks *talk = cli_ranks_talk(o->ranks);
    if (!talk) return line;
    char *whole = cli_format("mpirun -n %d %s", talk->count, line);
    free(line);
    return whole;
}

static void begin_ranks(train_options *o) {
    lk_train_options *t = &o->train;
    int threads = cli_ranks_threads(o->ranks);
    t->ranks = cli_ranks_talk(o->ranks);
    if (!t->ranks) return;
    if (t->threads == 0) t->threads = threads;
    o->checkpoint = cli_format("%s.checkpoint", t->output);
    cli_ranks_resume(o->ranks, o->checkpoint, o->go_on);
    if (o->first)
        cli_say("%d ranks, here %d %s each; a batch is up to %d people x %d photos", t->ranks->count,
                t->threads, t->threads == 1 ? "thread" : "threads", t->ranks->count * t->people, t->photos);
}

static int train(train_options *o, const char *command) {
    double started = cli_seconds();
    lk_train_options *t = &o->train;
    t->recipe = command;
    t->progress = on_progress;
    t->stop = on_stop;
    t->bad_photo = on_bad_photo;
    t->calibrate = calibrate;
    t->context = o;
    cli_catch_signals();
    o->go_on = cli_format("%s%s", command, t->resume ? "" : " --resume");
    begin_ranks(o);
    int code = begin_page(o);
    if (code != CLI_OK) {
        cli_ranks_fail(o->ranks, code, NULL);
        return code;
    }
    lk_error err = {0};
    lk_status status = o->baseline ? lk_train_eigenfaces(t, &err) : lk_train(t, &err);
    cli_bad_finish(&o->bad, true);
    if (status != LK_OK && (status != LK_STOPPED || o->baseline)) {
        cli_ranks_fail(o->ranks, cli_exit_code(status), err.message);
        cli_usage_line(started);
        return cli_exit_code(status);
    }
    if (o->first) {
        if (status == LK_STOPPED)
            cli_say("stopped; to go on: %s", o->go_on);
        else
            tell_model(t->output);
        cli_usage_line(started);
    }
    return status == LK_STOPPED ? CLI_SYSTEM : CLI_OK;
}

/* ---- aligned faces ------------------------------------------------------------------------------- */

/* Side of the net's input; 0: not known here, that of the model it starts from. */
static int net_side(const train_options *o) {
    const char *text = o->train.net ? lk_net_text(o->train.net) : NULL;
    if (!text && o->train.net) text = o->train.net;
    text = text ? strstr(text, "input ") : NULL;
    if (!text) return 0;
    char *end;
    (void)strtol(text + strlen("input "), &end, 10); /* planes */
    long height = strtol(end, &end, 10), width = strtol(end, &end, 10),
         most = width > height ? width : height;
    return most > 0 && most <= 4096 ? (int)most : 0;
}

/* OUTPUT.faces/NAME for the n-th source that is not of aligned faces yet. */
static char *faces_folder(const train_options *o, const cli_sources *sources, size_t n) {
    char *real = realpath(sources->items[n].path, NULL); /* the name of ".", too */
    const char *path = real ? real : sources->items[n].path, *slash = strrchr(path, '/');
    char *folder = cli_format("%s.faces/%s%s", o->train.output, sources == &o->validate ? "validate-" : "",
                              slash ? slash + 1 : path);
    free(real);
    return folder;
}

/* Two sources may have one name: the second gets a number. */
static char *faces_folder_of_its_own(const train_options *o, const cli_sources *sources, size_t n) {
    char *folder = faces_folder(o, sources, n);
    size_t same = 1;
    for (size_t i = 0; i < n; i++) {
        char *other = faces_folder(o, sources, i);
        same += strcmp(other, folder) == 0;
        free(other);
    }
    if (same == 1) return folder;
    char *numbered = cli_format("%s-%zu", folder, same);
    free(folder);
    return numbered;
}

static int source_crop(const train_options *o, const char *source, const char *folder) {
    cli_crops crops = CLI_CROPS_DEFAULT;
    cli_files files = {0};
    cli_cropped cropped = {0};
    cli_bad bad = {0};
    int side = net_side(o);
    crops.output = folder;
    if (side > crops.size) crops.size = side;
    crops.look.detector = o->detector;
    crops.compute = (cli_compute){o->train.threads, LK_PRECISION_F32};
    cli_say("%s: faces go to %s", source, folder);
    cli_files_add(&files, source, true, &bad);
    int code = cli_crops_write(&crops, &files, &cropped, &bad);
    char *summary = cli_crops_summary(&cropped, &bad);
    cli_say("%s: %s", source, summary);
    free(summary);
    cli_bad_finish(&bad, bad.count > 1);
    cli_files_free(&files);
    return code;
}

/* --detect: each source that is not of aligned faces yet gives way to a folder that is. */
static int sources_crop(const train_options *o, cli_sources *sources) {
    int code = CLI_OK;
    char **folders = cli_alloc(sources->count, sizeof *folders);
    for (size_t i = 0; i < sources->count && code == CLI_OK; i++) {
        if (cli_aligned_room(sources->items[i].path) > 0) continue;
        folders[i] = faces_folder_of_its_own(o, sources, i);
        if (o->first) code = source_crop(o, sources->items[i].path, folders[i]);
    }
    for (size_t i = 0; i < sources->count; i++) {
        if (!folders[i]) continue;
        free((char *)(uintptr_t)sources->items[i].path);
        sources->items[i].path = folders[i];
    }
    free(folders);
    return code;
}

/* A model is one of aligned faces or of photos as they are: the sources must agree. */
static int sources_agree(train_options *o) {
    const cli_sources *both[] = {&o->sources, &o->validate};
    const char *with = NULL, *without = NULL;
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < both[k]->count; i++) {
            lk_source *source = &both[k]->items[i];
            double room = cli_aligned_room(source->path);
            if (room > 0)
                with = source->path;
            else
                without = source->path;
            if (room > 0 && (o->crop_given || cli_crop_given(source->crop))) {
                cli_say("%s: holds aligned faces, which are taken whole: it takes no crop", source->path);
                return CLI_USAGE;
            }
            if (room > 0) source->crop.centre = 1 / room;
        }
    if (with && without) {
        cli_say(
            "%s holds aligned faces and %s photos as they are: a model learns from one kind. likeness crop "
            "makes the first of the second, and so does --detect",
            with, without);
        return CLI_USAGE;
    }
    o->train.aligned = with != NULL;
    if (with) o->train.crop = (lk_crop){.centre = 1};
    return CLI_OK;
}

/* What can be seen to be wrong before any work is done; and the work that comes before training. */
static int check(train_options *o) {
    int code = net_read(o);
    if (code == CLI_OK && o->first) code = cli_output_check(o->train.output);
    if (code == CLI_OK && o->detect) code = sources_crop(o, &o->sources);
    if (code == CLI_OK && o->detect) code = sources_crop(o, &o->validate);
    if (code == CLI_OK) code = sources_agree(o);
    o->train.sources = o->sources.items;
    o->train.source_count = o->sources.count;
    o->train.validate = o->validate.items;
    o->train.validate_count = o->validate.count;
    return code;
}

int cmd_train(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "DIR[@CROP]... -o MODEL", doc, NULL, help, NULL};
    train_options o = {.loss = {.margin = NAN, .temperature = NAN}};
    int code = cli_ranks_begin(&o.ranks);
    if (code != CLI_OK) return code;
    const lk_ranks *talk = cli_ranks_talk(o.ranks);
    o.first = !talk || talk->rank == 0;
    lk_train_options_init(&o.train);
    char *command = whole_command(&o, argc, argv);
    if (!o.first) cli_ranks_meet(o.ranks);
    code = argp_parse(&argp, argc, argv, 0, NULL, &o) == 0 ? check(&o) : CLI_USAGE;
    if (code != CLI_OK) cli_ranks_fail(o.ranks, code, NULL);
    if (o.first && code == CLI_OK) cli_ranks_meet(o.ranks);
    if (code == CLI_OK) code = train(&o, command);
    cli_ranks_end(o.ranks);
    report_run_free(o.run);
    cli_sources_free(&o.sources);
    cli_sources_free(&o.validate);
    free(o.net_text);
    free(o.checkpoint);
    free(o.go_on);
    free(command);
    return code;
}
