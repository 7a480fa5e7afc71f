/* cmd_synth.c: likeness synth: people who do not exist, drawn from a small generative model, as a folder per
 * person; and fitting such a model to folders of real people. */
#include "cli.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Inside a folder that synth made: the options it was made with, one line. Hidden, so that no data set sees
 * it. */
#define MARK_NAME ".likeness-synth"

typedef struct synth_options {
    cli_sources places; /* the folder to make; with --fit the folders of people */
    const char *model, *output, *extension;
    bool fit;
    size_t people, photos, first;
    int quality;
    uint64_t seed;
    lk_crop crop;
} synth_options;

enum { KEY_PEOPLE = CLI_KEY_VERB, KEY_PHOTOS, KEY_FIRST, KEY_FORMAT, KEY_QUALITY, KEY_FIT };

static const char doc[] = "Draw people who do not exist, as DIR/person_0001/photo_01.jpg and so on. The same "
                          "options draw the same photos. "
                          "DIR must be new, empty, or begun by the same command, which then goes on.\vWith "
                          "--fit, fit the model that draws to "
                          "folders of people instead: likeness synth --fit DIR[@CROP]... -o MODEL.";

static const struct argp_option option_list[] = {
    {"people", KEY_PEOPLE, "N", 0, "How many people", 1},
    {"photos", KEY_PHOTOS, "K", 0, "Photos of each", 1},
    {"first", KEY_FIRST, "N", 0, "Number of the first person", 1},
    CLI_OPTION_SEED,
    {"model", CLI_KEY_MODEL, "MODEL", 0,
     "The model that draws (default: models/people.safetensors, or the installed one)", 1},
    {"format", KEY_FORMAT, "FORMAT", 0, "jpg or png (default jpg)", 1},
    {"quality", KEY_QUALITY, "Q", 0, "JPEG quality, 1 to 100", 1},
    {"fit", KEY_FIT, 0, 0, "Fit a model to folders of people", 2},
    {"output", 'o', "MODEL", 0, "With --fit: the model to write (.safetensors)", 2},
    {"crop", CLI_KEY_CROP, "CROP", 0, "With --fit: crop of folders that name none", 2},
    {0}};

static const cli_number numbers[] = {{KEY_PEOPLE, CLI_SIZE, offsetof(synth_options, people), 1, 1e6},
                                     {KEY_PHOTOS, CLI_SIZE, offsetof(synth_options, photos), 1, 1e4},
                                     {KEY_FIRST, CLI_SIZE, offsetof(synth_options, first), 1, 1e9},
                                     {KEY_QUALITY, CLI_INT, offsetof(synth_options, quality), 1, 100},
                                     {CLI_KEY_SEED, CLI_SEED, offsetof(synth_options, seed), 0, 0},
                                     {0}};

static char *help(int key, const char *text, void *input) {
    return cli_number_help(numbers, key, text, input);
}

static void parse_end(const synth_options *o, struct argp_state *state) {
    if (o->fit) {
        if (!o->places.count) argp_error(state, "--fit: no folder of people is given");
        if (!o->output) argp_error(state, "--fit: no model to write is given: -o MODEL");
    } else {
        if (o->places.count != 1) argp_error(state, "one folder to draw into is needed");
        if (o->output) argp_error(state, "-o belongs to --fit; what is drawn goes into DIR");
    }
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    synth_options *o = state->input;
    switch (key) {
    case 'o': o->output = arg; return 0;
    case CLI_KEY_MODEL: o->model = arg; return 0;
    case CLI_KEY_CROP: o->crop = cli_crop_option(arg, state); return 0;
    case KEY_FIT: o->fit = true; return 0;
    case KEY_FORMAT:
        if (strcmp(arg, "jpg") != 0 && strcmp(arg, "png") != 0)
            argp_error(state, "--format: '%s' is not jpg or png", arg);
        o->extension = arg;
        return 0;
    case ARGP_KEY_ARG: cli_sources_add(&o->places, arg, state); return 0;
    case ARGP_KEY_END: parse_end(o, state); return 0;
    default: return cli_number_parse(numbers, key, arg, o, state);
    }
}

/* ---- drawing ------------------------------------------------------------------------------------------ */

static int draw_photo(const synth_options *o, const lk_people *people, size_t person, size_t photo,
                      const char *folder) {
    char *path = cli_format("%s/photo_%02zu.%s", folder, photo, o->extension);
    lk_status status = LK_OK;
    lk_error err;
    if (access(path, F_OK) != 0) { /* photos are written whole, so one that is there is done */
        lk_image *image = NULL;
        status = lk_people_draw(people, o->seed, person, photo, &image, &err);
        if (status == LK_OK) status = lk_image_save(image, path, o->quality, &err);
        lk_image_free(image);
    }
    free(path);
    return status == LK_OK ? CLI_OK : cli_fail(&err);
}

static int draw_all(const synth_options *o, const lk_people *people, const char *place) {
    double started = cli_seconds();
    size_t total = o->people * o->photos;
    int code = CLI_OK;
    for (size_t n = 0; n < total && code == CLI_OK; n++) {
        size_t person = o->first + n / o->photos, photo = 1 + n % o->photos;
        char *folder = cli_format("%s/person_%04zu", place, person), left[32];
        if (photo == 1) code = cli_folder_make(folder);
        if (code == CLI_OK) code = draw_photo(o, people, person, photo, folder);
        free(folder);
        cli_progress((double)(n + 1) / (double)total, false, "%zu of %zu photos  %s left", n + 1, total,
                     cli_clock((cli_seconds() - started) * (double)(total - n - 1) / (double)(n + 1), left));
    }
    return code;
}

static int draw(const synth_options *o) {
    const char *place = o->places.items[0].path;
    char *model = o->model ? cli_format("%s", o->model) : cli_shipped_model("people.safetensors");
    lk_people *people = NULL;
    lk_error err;
    if (lk_people_open(model, &people, &err) != LK_OK) {
        if (!o->model) cli_say("the model that draws people is not installed; give one with --model");
        free(model);
        return cli_fail(&err);
    }
    char *mark = cli_format(
        "likeness synth: people %zu photos %zu first %zu seed %llu format %s quality %d model %s\n",
        o->people, o->photos, o->first, (unsigned long long)o->seed, o->extension, o->quality, model);
    int code = cli_folder_claim(place, MARK_NAME, mark);
    free(mark);
    free(model);
    if (code == CLI_OK) code = draw_all(o, people, place);
    cli_progress_suspend();
    cli_progress_resume();
    if (code == CLI_OK) cli_say("%s: %zu people, %zu photos of each", place, o->people, o->photos);
    lk_people_free(people);
    return code;
}

static int fit(synth_options *o) {
    double started = cli_seconds();
    lk_error err;
    cli_sources_default_crop(&o->places, o->crop);
    lk_status status = lk_people_fit(o->places.items, o->places.count, o->seed, o->output, &err);
    if (status != LK_OK) return cli_fail(&err);
    cli_usage_line(started);
    return CLI_OK;
}

int cmd_synth(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "DIR\n--fit DIR[@CROP]... -o MODEL", doc, NULL,
                                     help,        NULL};
    synth_options o = {.extension = "jpg", .people = 100, .photos = 12, .first = 1, .quality = 90, .seed = 1};
    int code = CLI_USAGE;
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) == 0) code = o.fit ? fit(&o) : draw(&o);
    cli_sources_free(&o.places);
    return code;
}
