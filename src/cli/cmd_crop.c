/* cmd_crop.c: likeness crop: photos as they come to aligned faces, ready to train on. The work is in crops.c.
 */
#include "cli.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

typedef struct crop_options {
    cli_crops crops;
    const char **places; /* photos and folders */
    size_t count;
    cli_look look;
    cli_compute compute;
} crop_options;

enum { KEY_SIZE = CLI_KEY_VERB, KEY_ROOM, KEY_FORMAT, KEY_QUALITY, KEY_ALL };

static const char doc[] =
    "Write the aligned face of each PHOTO into a folder; a folder of people (DIR/PERSON/PHOTO) becomes a "
    "folder "
    "of people. Of several faces the one that is large and near the centre is taken.\vThe folder is marked, "
    "so "
    "that train, enroll, eval and embed take its photos whole. What is there already is kept: a run that was "
    "stopped goes on. Photos that cannot be read or show no face are told, listed at the end and left out; "
    "the exit code is 3 if a PHOTO given by name is among them or nothing could be written.";

static const struct argp_option option_list[] = {
    {"output", 'o', "DIR", 0, "The folder to write into: new, empty, or begun by the same command", 1},
    {"size", KEY_SIZE, "PIXELS", 0, "Side of the aligned face", 1},
    {"room", KEY_ROOM, "R", 0,
     "What is written is larger by this, 1 to 4, so that training can turn and shift it", 1},
    {"format", KEY_FORMAT, "FORMAT", 0, "jpg, png or webp (default jpg)", 1},
    {"quality", KEY_QUALITY, "Q", 0, "JPEG or WebP quality, 1 to 100", 1},
    {"all", KEY_ALL, 0, 0, "Write every face of a photo, as NAME-face1 and so on", 1},
    CLI_OPTIONS_LOOK("detect-size"),
    CLI_OPTIONS_COMPUTE,
    {0}};

#define CROPS(field) offsetof(crop_options, crops.field)
static const cli_number numbers[] = {{KEY_SIZE, CLI_INT, CROPS(size), 16, 1024},
                                     {KEY_ROOM, CLI_REAL, CROPS(room), 1, 4},
                                     {KEY_QUALITY, CLI_INT, CROPS(quality), 1, 100},
                                     CLI_NUMBERS_LOOK(crop_options),
                                     CLI_NUMBERS_COMPUTE(crop_options),
                                     {0}};

static char *help(int key, const char *text, void *input) {
    return cli_number_help(numbers, key, text, input);
}

static const char *const format_names[] = {"jpg", "png", "webp", NULL};

static error_t parse(int key, char *arg, struct argp_state *state) {
    crop_options *o = state->input;
    switch (key) {
    case 'o': o->crops.output = arg; return 0;
    case KEY_ALL: o->crops.all = true; return 0;
    case KEY_FORMAT:
        o->crops.extension = format_names[cli_name_option(format_names, key, arg, state)];
        return 0;
    case ARGP_KEY_ARG:
        o->places = cli_grow(o->places, o->count + 1, sizeof *o->places);
        o->places[o->count++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->count) argp_error(state, "no photo is given, and no folder of people or photos");
        if (!o->crops.output) argp_error(state, "no folder to write into is given: -o DIR");
        return 0;
    default:
        if (cli_look_parse(&o->look, key, arg) == 0) return 0;
        return cli_number_parse(numbers, key, arg, o, state);
    }
}

static int crop(crop_options *o) {
    double started = cli_seconds();
    cli_files files = {0};
    cli_bad bad = {0};
    bool by_name = false; /* a photo that somebody asked for */
    for (size_t i = 0; i < o->count; i++) {
        by_name |= !cli_is_folder(o->places[i]);
        cli_files_add(&files, o->places[i], true, &bad);
    }
    int code = CLI_INPUT;
    o->crops.look = o->look;
    o->crops.compute = o->compute;
    if (files.count) {
        cli_cropped cropped;
        code = cli_crops_write(&o->crops, &files, &cropped, &bad);
        if (cropped.photos + cropped.kept + bad.count > 0) {
            char *summary = cli_crops_summary(&cropped, &bad);
            printf("%s\n", summary);
            free(summary);
        }
        if (code == CLI_OK && bad.count && (by_name || cropped.photos + cropped.kept == 0)) code = CLI_INPUT;
        cli_usage_line(started);
    } else {
        cli_say("%s: there are no photos to crop", o->places[0]);
    }
    cli_bad_finish(&bad, bad.count > 1);
    cli_files_free(&files);
    return code;
}

int cmd_crop(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "PHOTO... -o DIR\nDIR... -o DIR", doc, NULL,
                                     help,        NULL};
    crop_options o = {.crops = CLI_CROPS_DEFAULT, .look = CLI_LOOK_DEFAULT};
    int code = argp_parse(&argp, argc, argv, 0, NULL, &o) == 0 ? crop(&o) : CLI_USAGE;
    free(o.places);
    return code;
}
