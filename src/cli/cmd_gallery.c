/* cmd_gallery.c: likeness gallery: who is in a gallery, what it is, what was done with it, and changing it by
 * hand. */
#include "gallery.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char doc[] = "Look into a gallery, and change it.\vlist: the people, how many photos of each, "
                          "and when they were added. "
                          "info: counts, and the model whose vectors it holds. remove PERSON: delete a "
                          "person and all their photos. "
                          "rename PERSON NAME: call a person otherwise. audit: what was done with the "
                          "gallery, by whom, and what came "
                          "back; exit code 1 if that account was tampered with. check: look at everything "
                          "that is stored; exit code 1 if "
                          "something is wrong. backup FILE: a copy as of one moment, while others may write.";

enum { KEY_VERIFY = CLI_KEY_VERB, KEY_HEAD };

static const struct argp_option option_list[] = {
    CLI_OPTION_JSON,
    CLI_OPTION_TSV,
    CLI_OPTION_KEY,
    CLI_OPTION_AUDIT,
    {"verify", KEY_VERIFY, 0, 0, "audit: only say whether the account holds", 0},
    {"head", KEY_HEAD, "HASH", 0,
     "audit: a hash that was written down; the account must have passed through it", 0},
    {0}};

/* ---- commands ----------------------------------------------------------------------------------------- */

typedef struct list_output {
    cli_style style;
    cli_table *table;
} list_output;

static int list_person(void *context, const char *person, size_t photos, const char *added) {
    list_output *l = context;
    if (l->style == CLI_JSON) {
        json_t *row = json_object();
        json_object_set_new(row, "person", cli_json_text(person));
        json_object_set_new(row, "photos", json_integer((json_int_t)photos));
        json_object_set_new(row, "added", cli_json_text(added));
        cli_json_print(stdout, row);
    } else {
        cli_table_cell(l->table, "%s", person);
        cli_table_cell(l->table, "%zu", photos);
        cli_table_cell(l->table, "%s", added ? added : "");
    }
    return 0;
}

static int list(const gallery_options *o, lk_gallery *gallery) {
    static const char *const titles[] = {"person", "photos", "added"};
    list_output l = {.style = o->style};
    lk_error err;
    if (o->style != CLI_JSON) l.table = cli_table_new("lrl", titles);
    lk_status status = lk_gallery_each_person(gallery, list_person, &l, &err);
    if (l.table) cli_table_print(l.table, o->style);
    return status == LK_OK ? CLI_OK : cli_fail(&err);
}

static void info_json(const lk_gallery_info *in) {
    json_t *row = json_object();
    json_object_set_new(row, "people", json_integer((json_int_t)in->people));
    json_object_set_new(row, "photos", json_integer((json_int_t)in->photos));
    json_object_set_new(row, "dim", json_integer(in->dim));
    json_object_set_new(row, "threshold", cli_json_real(in->threshold));
    json_object_set_new(row, "model", cli_json_text(in->model_path));
    json_object_set_new(row, "fingerprint", cli_json_text(in->fingerprint));
    json_object_set_new(row, "created", cli_json_text(in->created));
    json_object_set_new(row, "encrypted", json_boolean(in->encrypted));
    json_object_set_new(row, "audit_rows", json_integer(in->audit_rows));
    json_object_set_new(row, "audit_head", cli_json_text(in->audit_head));
    cli_json_print(stdout, row);
}

static int info(const gallery_options *o, lk_gallery *gallery) {
    lk_gallery_info in;
    lk_error err;
    if (lk_gallery_get_info(gallery, &in, &err) != LK_OK) return cli_fail(&err);
    if (o->style == CLI_JSON) {
        info_json(&in);
        return CLI_OK;
    }
    static const char *const titles[] = {"field", "value"};
    cli_table *table = cli_table_new("ll", o->style == CLI_TSV ? titles : NULL);
    cli_table_cell(table, "people");
    cli_table_cell(table, "%zu", in.people);
    cli_table_cell(table, "photos");
    cli_table_cell(table, "%zu", in.photos);
    cli_table_cell(table, "dim");
    cli_table_cell(table, "%d", in.dim);
    cli_table_cell(table, "threshold");
    if (isfinite(in.threshold))
        cli_table_cell(table, "%.4f", in.threshold);
    else
        cli_table_cell(table, "NA");
    cli_table_cell(table, "model");
    cli_table_cell(table, "%s", in.model_path);
    cli_table_cell(table, "fingerprint");
    cli_table_cell(table, "%s", in.fingerprint);
    cli_table_cell(table, "created");
    cli_table_cell(table, "%s", in.created);
    cli_table_cell(table, "encrypted");
    cli_table_cell(table, in.encrypted ? "yes" : "no");
    cli_table_cell(table, "audit rows");
    cli_table_cell(table, "%lld", (long long)in.audit_rows);
    cli_table_cell(table, "audit head");
    cli_table_cell(table, "%s", in.audit_head);
    cli_table_print(table, o->style);
    return CLI_OK;
}

static int remove_person(const gallery_options *o, lk_gallery *gallery) {
    size_t photos = 0;
    lk_error err;
    if (lk_gallery_remove(gallery, o->arguments[0], &photos, &err) != LK_OK) return cli_fail(&err);
    cli_say("%s: removed %s and %zu %s", lk_gallery_name(gallery), o->arguments[0], photos,
            photos == 1 ? "photo" : "photos");
    return CLI_OK;
}

static int rename_person(const gallery_options *o, lk_gallery *gallery) {
    lk_error err;
    if (lk_gallery_rename(gallery, o->arguments[0], o->arguments[1], &err) != LK_OK) return cli_fail(&err);
    cli_say("%s: %s is called %s now", lk_gallery_name(gallery), o->arguments[0], o->arguments[1]);
    return CLI_OK;
}

static const struct command {
    const char *name, *arguments;     /* as the usage shows them */
    size_t count;                     /* of arguments */
    enum { READ, WRITE, RECORD } how; /* RECORD: it reads, and that is told of in the audit if it can be */
    gallery_fn run;
} commands[] = {
    {"list", "", 0, READ, list},
    {"info", "", 0, READ, info},
    {"remove", " PERSON", 1, WRITE, remove_person},
    {"rename", " PERSON NAME", 2, WRITE, rename_person},
    {"audit", "", 0, READ, gallery_audit},
    {"check", "", 0, READ, gallery_check},
    {"backup", " FILE", 1, RECORD, gallery_backup},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

/* ---- options ------------------------------------------------------------------------------------------ */

typedef struct parsed {
    gallery_options options;
    const struct command *command;
    size_t given; /* arguments of the command, those too many counted */
} parsed;

/* "list, remove, info" */
static char *command_names(void) {
    char *names = cli_format("%s", commands[0].name);
    for (size_t i = 1; i < COMMANDS; i++) {
        char *longer = cli_format("%s, %s", names, commands[i].name);
        free(names);
        names = longer;
    }
    return names;
}

static void argument(parsed *p, const char *arg, struct argp_state *state) {
    gallery_options *o = &p->options;
    if (!o->gallery) {
        o->gallery = arg;
    } else if (!p->command) {
        for (size_t i = 0; i < COMMANDS; i++)
            if (strcmp(arg, commands[i].name) == 0) p->command = &commands[i];
        if (!p->command) argp_error(state, "'%s' is not one of %s", arg, command_names());
    } else {
        if (o->count == p->command->count) argp_error(state, "'%s' is one too many", arg);
        o->arguments[o->count++] = arg;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    parsed *p = state->input;
    gallery_options *o = &p->options;
    switch (key) {
    case CLI_KEY_JSON: o->style = CLI_JSON; return 0;
    case CLI_KEY_TSV: o->style = CLI_TSV; return 0;
    case KEY_VERIFY: o->verify = true; return 0;
    case KEY_HEAD: o->head = arg; return 0;
    case ARGP_KEY_ARG: argument(p, arg, state); return 0;
    case ARGP_KEY_END:
        if (!p->command) argp_error(state, "a gallery and one of %s are needed", command_names());
        if (o->count < p->command->count)
            argp_error(state, "%s needs%s", p->command->name, p->command->arguments);
        if ((o->verify || o->head) && p->command->run != gallery_audit)
            argp_error(state, "--verify and --head go with audit");
        return 0;
    default: return cli_access_parse(&o->access, key, arg, state);
    }
}

/* "GALLERY list\nGALLERY info\n..." */
static char *usage(void) {
    char *text = cli_format("%s", "");
    for (size_t i = 0; i < COMMANDS; i++) {
        char *longer =
            cli_format("%s%sGALLERY %s%s", text, i ? "\n" : "", commands[i].name, commands[i].arguments);
        free(text);
        text = longer;
    }
    return text;
}

int cmd_gallery(int argc, char **argv) {
    char *arguments = usage();
    const struct argp argp = {option_list, parse, arguments, doc, NULL, NULL, NULL};
    parsed p = {.command = NULL};
    int code = argp_parse(&argp, argc, argv, 0, NULL, &p) == 0 ? CLI_OK : CLI_USAGE;
    if (code == CLI_OK) {
        lk_gallery *gallery = NULL;
        lk_error err = {0};
        gallery_options *o = &p.options;
        lk_status status =
            p.command->how == RECORD
                ? cli_gallery_open_to_search(o->gallery, &o->access, &gallery, &o->recorded, &err)
                : cli_gallery_open(o->gallery, p.command->how == WRITE, &o->access, &gallery, &err);
        code = status == LK_OK ? p.command->run(o, gallery) : cli_fail(&err);
        lk_gallery_close(gallery);
    }
    free(arguments);
    return code;
}
