/* cmd_gallery.c: likeness gallery GALLERY ACTION ...: finds the action and runs it, and what the actions
 * share. Each has options and a --help of its own. */
#include "gallery.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

typedef struct action {
    const char *name;
    int (*run)(const char *path, int argc, char **argv);
    const char *summary;
} action;

static const action actions[] = {
    {"list", gallery_list, "the people, how many photos of each, since when"},
    {"show", gallery_show, "the photos of a person"},
    {"info", gallery_info, "how many people and photos, the model whose vectors they have"},
    {"rename", gallery_rename, "give a person another name"},
    {"remove", gallery_remove, "delete a person and all that is kept of them"},
    {"remove-photo", gallery_remove_photo, "delete one photo"},
    {"merge-people", gallery_merge_people, "people who are one: all photos to one of them"},
    {"merge", gallery_merge, "enroll all of another gallery too"},
    {"export", gallery_export, "to a folder that any program can read"},
    {"import", gallery_import, "from such a folder"},
    {"dedupe", gallery_dedupe, "people who were enrolled twice"},
    {"reenroll", gallery_reenroll, "the same people with the vectors of another model"},
    {"check", gallery_check, "look at everything that is stored"},
    {"backup", gallery_backup, "a copy as of one moment, while others may write"},
    {"audit", gallery_audit, "what was done with it, by whom, and what came back"},
};
static const action without = {"cluster", gallery_cluster,
                               "the faces of a folder of photos, grouped into people"};
enum { ACTIONS = sizeof actions / sizeof *actions };

static void print_help(FILE *out) {
    fprintf(out, "Usage: likeness gallery GALLERY ACTION [OPTION...] ...\n"
                 "Look after a gallery.\n\n");
    for (size_t i = 0; i < ACTIONS; i++) fprintf(out, "  %-16s%s\n", actions[i].name, actions[i].summary);
    fprintf(out,
            "\n  likeness gallery GALLERY ACTION --help    the options of an action\n\n"
            "Without a gallery, likeness gallery cluster FOLDER:\n\n  %-16s%s\n",
            without.name, without.summary);
}

/* As argp says it. */
static int usage(const char *what, const char *word) {
    char *shown = cli_escape(word ? word : "", false);
    fprintf(stderr, "likeness gallery: %s%s\nTry `likeness gallery --help' for more information.\n", what,
            shown);
    free(shown);
    return CLI_USAGE;
}

static const action *find(const char *name) {
    for (size_t i = 0; i < ACTIONS; i++)
        if (strcmp(actions[i].name, name) == 0) return &actions[i];
    return NULL;
}

/* The n-th word that is no option, from 1; 0: there is none. */
static int word_at(int argc, char **argv, int n) {
    for (int i = 1; i < argc; i++)
        if ((argv[i][0] != '-' || !argv[i][1]) && --n == 0) return i;
    return 0;
}

static void take_out(int *argc, char **argv, int at) {
    memmove(argv + at, argv + at + 1, (size_t)(*argc - at) * sizeof *argv); /* with the NULL at the end */
    --*argc;
}

static int run_without(int argc, char **argv, int first) {
    char *name = cli_format("likeness gallery %s", without.name);
    take_out(&argc, argv, first);
    argv[0] = name;
    int code = without.run(NULL, argc, argv);
    free(name);
    return code;
}

int cmd_gallery(int argc, char **argv) {
    int gallery = word_at(argc, argv, 1), second = word_at(argc, argv, 2);
    if (gallery && strcmp(argv[gallery], without.name) == 0) return run_without(argc, argv, gallery);
    for (int i = 1; i < argc && !second; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-?") == 0) {
            print_help(stdout);
            return CLI_OK;
        }
    if (!second) return usage("a gallery and an action are needed", NULL);
    const action *a = find(argv[second]);
    if (!a) return usage("there is no such action: ", argv[second]);
    const char *path = argv[gallery];
    char *name = cli_format("likeness gallery GALLERY %s", a->name);
    take_out(&argc, argv, second);
    take_out(&argc, argv, gallery);
    argv[0] = name;
    int code = a->run(path, argc, argv);
    free(name);
    return code;
}

/* ---- words ------------------------------------------------------------------------------------------ */

error_t gallery_words_parse(gallery_words *w, int key, char *arg, struct argp_state *state) {
    switch (key) {
    case CLI_KEY_JSON: w->style = CLI_JSON; return 0;
    case CLI_KEY_TSV: w->style = CLI_TSV; return 0;
    case ARGP_KEY_ARG:
        if (w->count == w->most || w->count == GALLERY_WORDS) argp_error(state, "'%s' is one too many", arg);
        w->words[w->count++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (w->count < w->least) argp_error(state, "%s", w->missing);
        return 0;
    default: return cli_access_parse(&w->access, key, arg, state);
    }
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    return gallery_words_parse(state->input, key, arg, state);
}

void gallery_words_read(gallery_words *w, const char *arguments, const char *doc, int argc, char **argv) {
    static const struct argp_option options[] = {GALLERY_OPTIONS, {0}};
    const struct argp argp = {options, parse, arguments, doc, NULL, NULL, NULL};
    if (argp_parse(&argp, argc, argv, 0, NULL, w) != 0) exit(CLI_USAGE);
}

/* ---- results ---------------------------------------------------------------------------------------- */

static void cell(cli_table *table, const json_t *value) {
    if (json_is_string(value))
        cli_table_cell(table, "%s", json_string_value(value));
    else if (json_is_integer(value))
        cli_table_cell(table, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        cli_table_cell(table, "%.4f", json_real_value(value));
    else
        cli_table_cell(table, "NA");
}

void gallery_fields_print(cli_style style, json_t *fields) {
    static const char *const two[] = {"field", "value"};
    if (style == CLI_JSON) {
        cli_json_print(stdout, fields);
        return;
    }
    const char *key;
    json_t *value;
    cli_table *table = cli_table_new("ll", style == CLI_TSV ? two : NULL);
    json_object_foreach(fields, key, value) {
        cli_table_cell(table, "%s", key);
        cell(table, value);
    }
    cli_table_print(table, style);
    json_decref(fields);
}

void gallery_told(cli_style style, json_t *fields, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0) text = NULL;
    va_end(args);
    if (style == CLI_TEXT) {
        cli_say("%s", text ? text : "done");
        json_decref(fields);
    } else {
        gallery_fields_print(style, fields);
    }
    free(text);
}

char *gallery_count(size_t count, const char *one, const char *many) {
    return cli_format("%zu %s", count, count == 1 ? one : many);
}

int gallery_progress(void *context, size_t done, size_t count) {
    double seconds = cli_seconds() - *(const double *)context,
           rate = seconds > 0 ? (double)done / seconds : 0;
    char left[32];
    cli_progress(count ? (double)done / (double)count : 1, false, "%zu of %zu photos  %.0f photos/s  %s left",
                 done, count, rate, cli_clock(rate > 0 ? (double)(count - done) / rate : -1, left));
    return cli_stopped() && done < count;
}
