/* cmd_gallery.c: likeness gallery: who is in a gallery, what it is, and taking a person out of it. */
#include "cli.h"

#include <math.h>
#include <string.h>

typedef struct gallery_options {
    const char *gallery, *action, *person;
    cli_style style;
} gallery_options;

static const char doc[] =
    "Look into a gallery.\vlist: the people, how many photos of each, and when they were added. "
    "remove PERSON: delete a person and all their photos. info: counts, and the model whose "
    "vectors it holds.";

static const struct argp_option option_list[] = {CLI_OPTION_JSON, CLI_OPTION_TSV, {0}};

static void parse_end(const gallery_options *o, struct argp_state *state) {
    if (!o->action) argp_error(state, "a gallery and one of list, remove, info are needed");
    bool is_remove = strcmp(o->action, "remove") == 0;
    if (!is_remove && strcmp(o->action, "list") != 0 && strcmp(o->action, "info") != 0)
        argp_error(state, "'%s' is not one of list, remove, info", o->action);
    if (is_remove && !o->person) argp_error(state, "remove: say whom");
    if (!is_remove && o->person) argp_error(state, "%s takes no name", o->action);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    gallery_options *o = state->input;
    switch (key) {
    case CLI_KEY_JSON: o->style = CLI_JSON; return 0;
    case CLI_KEY_TSV: o->style = CLI_TSV; return 0;
    case ARGP_KEY_ARG:
        if (!o->gallery)
            o->gallery = arg;
        else if (!o->action)
            o->action = arg;
        else if (!o->person)
            o->person = arg;
        else
            argp_error(state, "'%s' is one too many", arg);
        return 0;
    case ARGP_KEY_END: parse_end(o, state); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

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

static lk_status list(const gallery_options *o, const lk_gallery *gallery, lk_error *err) {
    static const char *const titles[] = {"person", "photos", "added"};
    list_output l = {.style = o->style};
    if (o->style != CLI_JSON) l.table = cli_table_new("lrl", titles);
    lk_status status = lk_gallery_each_person(gallery, list_person, &l, err);
    if (l.table) cli_table_print(l.table, o->style);
    return status;
}

static lk_status info(const gallery_options *o, const lk_gallery *gallery, lk_error *err) {
    lk_gallery_info in;
    lk_status status = lk_gallery_get_info(gallery, &in, err);
    if (status != LK_OK) return status;
    if (o->style == CLI_JSON) {
        json_t *row = json_object();
        json_object_set_new(row, "people", json_integer((json_int_t)in.people));
        json_object_set_new(row, "photos", json_integer((json_int_t)in.photos));
        json_object_set_new(row, "dim", json_integer(in.dim));
        json_object_set_new(row, "threshold", cli_json_real(in.threshold));
        json_object_set_new(row, "model", cli_json_text(in.model_path));
        json_object_set_new(row, "fingerprint", cli_json_text(in.fingerprint));
        json_object_set_new(row, "created", cli_json_text(in.created));
        cli_json_print(stdout, row);
        return LK_OK;
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
    cli_table_print(table, o->style);
    return LK_OK;
}

static lk_status remove_person(const gallery_options *o, lk_gallery *gallery, lk_error *err) {
    size_t photos = 0;
    lk_status status = lk_gallery_remove(gallery, o->person, &photos, err);
    if (status == LK_OK)
        cli_say("%s: removed %s and %zu %s", o->gallery, o->person, photos, photos == 1 ? "photo" : "photos");
    return status;
}

int cmd_gallery(int argc, char **argv) {
    static const struct argp argp = {
        option_list, parse, "GALLERY list\nGALLERY info\nGALLERY remove PERSON", doc, NULL, NULL, NULL};
    gallery_options o = {.gallery = NULL};
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) return CLI_USAGE;
    bool changes = strcmp(o.action, "remove") == 0;
    lk_gallery *gallery = NULL;
    lk_error err = {0};
    lk_status status = lk_gallery_open(o.gallery, changes ? 0 : LK_GALLERY_READ_ONLY, &gallery, &err);
    if (status == LK_OK && changes)
        status = remove_person(&o, gallery, &err);
    else if (status == LK_OK)
        status = strcmp(o.action, "list") == 0 ? list(&o, gallery, &err) : info(&o, gallery, &err);
    lk_gallery_close(gallery);
    return status == LK_OK ? CLI_OK : cli_fail(&err);
}
