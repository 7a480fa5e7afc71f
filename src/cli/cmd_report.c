/* cmd_report.c: likeness report: what train, eval and identify wrote, as one HTML page to look at, print and
 * pass on. Everything is read before the page is begun: a damaged file leaves no half page. */
#include "report.h"

#include <stddef.h>
#include <stdlib.h>

typedef struct path_list {
    const char **items;
    size_t count;
} path_list;

typedef struct report_options {
    const char *output, *title, *identify, *root;
    path_list train, eval, *last; /* last: the list that was added to last */
    size_t probes;
    bool no_photos;
} report_options;

enum { KEY_TITLE = CLI_KEY_VERB, KEY_TRAIN, KEY_EVAL, KEY_IDENTIFY, KEY_ROOT, KEY_PROBES, KEY_NO_PHOTOS };

static const char doc[] = "Write one HTML page, complete in itself, of what the other verbs wrote: training "
                          "curves, the figures of models, "
                          "and probe photos beside their suspects.\v--train and --eval may be given several "
                          "times, or several files to "
                          "one, to see runs and models side by side. A line of the --identify file may have "
                          "a \"truth\": the name of the "
                          "person it shows, or null for a stranger; the page then says which answers were "
                          "right. A photo that cannot be "
                          "read is shown as an empty frame.";

static const struct argp_option option_list[] = {
    {"output", 'o', "HTML", 0, "The page to write; - for standard output", 1},
    {"title", KEY_TITLE, "TITLE", 0, "Heading of the page", 1},
    {"train", KEY_TRAIN, "CSV", 0, "A log of likeness train", 2},
    {"eval", KEY_EVAL, "JSON", 0, "What likeness eval --json printed", 2},
    {"identify", KEY_IDENTIFY, "JSONL", 0, "What likeness identify --json printed", 2},
    {"root", KEY_ROOT, "DIR", 0, "Folder of the photos that the files name (default: as they are named)", 3},
    {"no-photos", KEY_NO_PHOTOS, 0, 0, "Of --eval no photos, and no names of people and files", 3},
    {"probes", KEY_PROBES, "N", 0, "Probes to show, the first ones", 3},
    {0}};

static const cli_number numbers[] = {{KEY_PROBES, CLI_SIZE, offsetof(report_options, probes), 0, 1e6}, {0}};

static char *help(int key, const char *text, void *input) {
    return cli_number_help(numbers, key, text, input);
}

static void paths_add(report_options *o, path_list *paths, const char *path) {
    paths->items = cli_grow(paths->items, paths->count + 1, sizeof *paths->items);
    paths->items[paths->count++] = path;
    o->last = paths;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    report_options *o = state->input;
    switch (key) {
    case 'o': o->output = arg; return 0;
    case KEY_TITLE: o->title = arg; return 0;
    case KEY_TRAIN: paths_add(o, &o->train, arg); return 0;
    case KEY_EVAL: paths_add(o, &o->eval, arg); return 0;
    case KEY_IDENTIFY: o->identify = arg; return 0;
    case KEY_ROOT: o->root = arg; return 0;
    case KEY_NO_PHOTOS: o->no_photos = true; return 0;
    case ARGP_KEY_ARG: /* --eval a.json b.json, as a shell makes of --eval *.json */
        if (!o->last) argp_error(state, "'%s': say what it is with --train, --eval or --identify", arg);
        paths_add(o, o->last, arg);
        return 0;
    case ARGP_KEY_END:
        if (!o->output) argp_error(state, "where to? give -o HTML");
        if (!o->train.count && !o->eval.count && !o->identify)
            argp_error(state, "nothing to report: give --train, --eval or --identify");
        return 0;
    default: return cli_number_parse(numbers, key, arg, o, state);
    }
}

typedef struct content {
    report_log *logs; /* (options' train.count), those read so far */
    json_t **evals;   /* (eval_count) a file may hold several */
    size_t eval_count;
    json_t *probes; /* NULL: none */
} content;

static int content_load(const report_options *o, content *c) {
    int code = CLI_OK;
    c->logs = cli_alloc(o->train.count, sizeof *c->logs);
    for (size_t i = 0; i < o->train.count && code == CLI_OK; i++)
        code = report_log_load(o->train.items[i], &c->logs[i]);
    for (size_t i = 0; i < o->eval.count && code == CLI_OK; i++)
        code = report_evals_load(o->eval.items[i], &c->evals, &c->eval_count);
    if (o->identify && code == CLI_OK) code = report_suspects_load(o->identify, &c->probes);
    return code;
}

static void content_free(const report_options *o, content *c) {
    for (size_t i = 0; i < o->train.count; i++) report_log_free(&c->logs[i]);
    for (size_t i = 0; i < c->eval_count; i++) json_decref(c->evals[i]);
    json_decref(c->probes);
    free(c->logs);
    free(c->evals);
}

static void tell_unreadable(const report_options *o, const report_photos *photos) {
    if (photos->unreadable)
        cli_say("%zu of %zu photos could not be read and are empty frames%s", photos->unreadable,
                photos->shown, o->root ? "" : "; --root names their folder");
}

static int write_page(const report_options *o, const content *c) {
    report_photos photos = {.root = o->root};
    int code;
    if (!o->train.count && !o->identify) { /* the page that eval itself would have written */
        code = report_evals_page(o->output, o->title, c->evals, c->eval_count, o->no_photos ? NULL : &photos);
    } else {
        cli_output output;
        code = cli_output_open(&output, o->output);
        if (code != CLI_OK) return code;
        report_page_begin(output.file, o->title ? o->title : "likeness report");
        if (o->train.count) report_training_write(output.file, c->logs, o->train.count);
        if (c->eval_count)
            report_evals_write(output.file, c->evals, c->eval_count, o->no_photos ? NULL : &photos);
        if (c->probes) report_suspects_write(output.file, c->probes, o->probes, &photos);
        report_page_end(output.file);
        code = cli_output_close(&output, true);
    }
    if (code == CLI_OK) tell_unreadable(o, &photos);
    return code;
}

int cmd_report(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "[FILE...]", doc, NULL, help, NULL};
    report_options o = {.probes = 50};
    int code = argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &o) == 0 ? CLI_OK : CLI_USAGE;
    if (code == CLI_OK) {
        content c = {0};
        code = content_load(&o, &c);
        if (code == CLI_OK) code = write_page(&o, &c);
        content_free(&o, &c);
    }
    free(o.train.items);
    free(o.eval.items);
    return code;
}
