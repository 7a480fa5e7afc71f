/* cmd_data.c: likeness data: what ruins training in folders of people, found, shown, and moved out of the
 * way. */
#include "data.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY_AGAINST = CLI_KEY_VERB,
    KEY_NO_MODEL,
    KEY_CACHE,
    KEY_REPORT,
    KEY_PICTURES,
    KEY_WORST,
    KEY_FIX,
    KEY_FIX_LABELS,
    KEY_PHOTOS,
    KEY_LIKENESS,
    KEY_DOUBT
};

static const char doc[] =
    "Find what ruins training in folders of people (DIR/PERSON/PHOTO): files that cannot be read, copies of "
    "a "
    "photo, photos of somebody else, folders of two people, people with two folders, people with too few "
    "photos, photos without a face, and what a second folder to test on has too.\v"
    "check looks and, without --fix, changes nothing. With --fix what is surely bad is moved into MOVED, "
    "never "
    "deleted: damaged files, all but the best of copies, and photos that are in the second folder too. "
    "MOVED/journal.tsv says what was where; undo puts it back. Exit code of check: 0 nothing was found, 1 "
    "something was.";

static const struct argp_option option_list[] = {
    {"against", KEY_AGAINST, "DIR", 0,
     "A folder of people to test on that must share nothing with DIR; may "
     "be given several times",
     1},
    {"model", CLI_KEY_MODEL, "MODEL", 0,
     "The model whose vectors tell people apart (default: models/face-small.safetensors, or the installed "
     "one)",
     1},
    {"no-model", KEY_NO_MODEL, 0, 0, "Look at files and pictures only, not at labels, faces and people", 1},
    {"cache", KEY_CACHE, "FILE", 0,
     "Keep here what was read of the photos, so that the next run, after a look at the page say, takes "
     "seconds",
     1},
    {"photos", KEY_PHOTOS, "N", 0, "People with fewer photos have too few", 1},
    {"likeness", KEY_LIKENESS, "L", 0, "Pictures are copies from this likeness on", 1},
    {"doubt", KEY_DOUBT, "P", 0, "Labels are told when they are wrong with this probability", 1},
    {"report", KEY_REPORT, "HTML", 0, "Write a page with pictures", 2},
    {"pictures", KEY_PICTURES, "N", 0, "Findings of each kind on the page", 2},
    {"worst", KEY_WORST, "N", 0, "Findings of each kind on standard output, as text", 2},
    CLI_OPTION_JSON,
    CLI_OPTION_TSV,
    {"fix", KEY_FIX, "MOVED", 0,
     "Move what is surely bad into this folder: new, empty, or of an earlier --fix", 3},
    {"fix-labels", KEY_FIX_LABELS, 0, 0,
     "With --fix: photos that look like another person or like nobody, too", 3},
    CLI_OPTION_CROP,
    CLI_OPTIONS_FACES,
    CLI_OPTIONS_COMPUTE,
    {0}};

static const cli_number numbers[] = {{KEY_PHOTOS, CLI_INT, offsetof(data_options, photos_least), 0, 1e6},
                                     {KEY_LIKENESS, CLI_REAL, offsetof(data_options, likeness), 0.5, 1},
                                     {KEY_DOUBT, CLI_REAL, offsetof(data_options, doubt), 0.01, 1},
                                     {KEY_PICTURES, CLI_SIZE, offsetof(data_options, pictures), 0, 1e6},
                                     {KEY_WORST, CLI_SIZE, offsetof(data_options, worst), 0, 1e9},
                                     CLI_NUMBERS_LOOK(data_options),
                                     CLI_NUMBERS_COMPUTE(data_options),
                                     {0}};

static char *help(int key, const char *text, void *input) {
    return cli_number_help(numbers, key, text, input);
}

typedef struct command {
    data_options o;
    const char *action;
    bool option; /* one that only check has */
} command;

static void parse_end(const command *c, struct argp_state *state) {
    const data_options *o = &c->o;
    bool undo = c->action && strcmp(c->action, "undo") == 0;
    if (!c->action) argp_error(state, "one of check and undo is needed");
    if (undo && !o->undo) argp_error(state, "undo: say which folder --fix moved to");
    if (undo && c->option) argp_error(state, "undo takes a folder and no option");
    if (!undo && !o->places.count) argp_error(state, "check: no folder of people is given");
    if (o->move_labels && !o->moved) argp_error(state, "--fix-labels belongs to --fix");
    if (o->no_model && o->model) argp_error(state, "--model or --no-model, not both");
    if (o->move_labels && o->no_model) argp_error(state, "--fix-labels needs a model");
}

static void parse_argument(command *c, char *arg, struct argp_state *state) {
    if (!c->action) {
        if (strcmp(arg, "check") != 0 && strcmp(arg, "undo") != 0)
            argp_error(state, "'%s' is not one of check, undo", arg);
        c->action = arg;
    } else if (strcmp(c->action, "check") == 0) {
        cli_sources_add(&c->o.places, arg, state);
    } else if (!c->o.undo) {
        c->o.undo = arg;
    } else {
        argp_error(state, "undo: '%s' is one too many", arg);
    }
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    command *c = state->input;
    data_options *o = &c->o;
    if (key > 0 && key < 0x10000) c->option = true; /* argp's own keys are beyond */
    switch (key) {
    case KEY_AGAINST: cli_sources_add(&o->against, arg, state); return 0;
    case CLI_KEY_MODEL: o->model = arg; return 0;
    case KEY_NO_MODEL: o->no_model = true; return 0;
    case KEY_CACHE: o->cache = arg; return 0;
    case KEY_REPORT: o->page = arg; return 0;
    case KEY_FIX: o->moved = arg; return 0;
    case KEY_FIX_LABELS: o->move_labels = true; return 0;
    case CLI_KEY_JSON: o->style = CLI_JSON; return 0;
    case CLI_KEY_TSV: o->style = CLI_TSV; return 0;
    case CLI_KEY_CROP: o->crop = cli_crop_option(arg, state); return 0;
    case ARGP_KEY_ARG: parse_argument(c, arg, state); return 0;
    case ARGP_KEY_END: parse_end(c, state); return 0;
    default:
        if (cli_look_parse(&o->look, key, arg) == 0) return 0;
        return cli_number_parse(numbers, key, arg, o, state);
    }
}

static int check(const data_options *o) {
    double started = cli_seconds();
    data_set set = {0};
    data_findings findings = {0};
    int code = o->moved ? data_move_check(o) : CLI_OK;
    if (code == CLI_OK) code = data_read(o, &set);
    if (code == CLI_OK) code = data_find(o, &set, &findings);
    if (code == CLI_OK && o->page)
        code = data_page_write(o, &set, &findings); /* while the photos are there */
    if (code == CLI_OK) {
        data_print(o, &set, &findings);
        if (o->moved) code = data_move(o, &set, &findings);
        cli_usage_line(started);
    }
    if (code == CLI_OK && findings.count) code = CLI_NO;
    data_findings_free(&findings);
    data_set_free(&set);
    return code;
}

int cmd_data(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "check DIR[@CROP]...\nundo MOVED", doc, NULL,
                                     help,        NULL};
    command c = {.o = {.look = CLI_LOOK_DEFAULT,
                       .photos_least = 2,
                       .worst = 10,
                       .pictures = 40,
                       .likeness = LK_COPY_LEAST,
                       .doubt = 0.5}};
    int code = CLI_USAGE;
    if (argp_parse(&argp, argc, argv, 0, NULL, &c) == 0)
        code = strcmp(c.action, "undo") == 0 ? data_undo(c.o.undo) : check(&c.o);
    cli_sources_free(&c.o.places);
    cli_sources_free(&c.o.against);
    return code;
}
