/* gallery_audit.c: likeness gallery GALLERY audit: what was done, by whom, and what came back; verified while
 * it is read. */
#include "gallery.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_VERIFY = CLI_KEY_VERB, KEY_HEAD };

typedef struct audit_options {
    gallery_words w;
    bool verify;
    const char *head;
} audit_options;

typedef struct audit {
    const audit_options *options;
    const char *name; /* of the gallery */
    cli_table *table; /* NULL: JSON, or only the verdict is wanted */
    size_t rows, faults;
    char head[65];
} audit;

static void hex_of(const uint8_t *hash, char text[2 * LK_PROBE_HASH_BYTES + 1]) {
    for (int i = 0; i < LK_PROBE_HASH_BYTES; i++) snprintf(text + 2 * (size_t)i, 3, "%02x", hash[i]);
}

/* "remove-photo 12" needs no more; a search says what it found. */
static char *result_text(const lk_audit_row *row) {
    json_t *details = row->details ? json_loads(row->details, 0, NULL) : NULL;
    if (!row->probe || !details) {
        json_decref(details);
        return cli_format("%s", row->details ? row->details : "");
    }
    const json_t *matches = json_object_get(details, "matches"), *best = json_array_get(matches, 0);
    char *text = cli_format("%s", json_is_true(json_object_get(details, "known")) ? "known" : "unknown");
    if (best) {
        char *more = cli_format("%s: person %lld by photo %lld, cosine %.4f; %zu in all", text,
                                (long long)json_integer_value(json_object_get(best, "person")),
                                (long long)json_integer_value(json_object_get(best, "photo")),
                                json_number_value(json_object_get(best, "cosine")), json_array_size(matches));
        free(text);
        text = more;
    }
    json_decref(details);
    return text;
}

static void row_json(const lk_audit_row *row) {
    char probe[2 * LK_PROBE_HASH_BYTES + 1];
    if (row->probe) hex_of(row->probe, probe);
    json_t *o = json_object();
    json_object_set_new(o, "number", json_integer(row->number));
    json_object_set_new(o, "time", cli_json_text(row->time));
    json_object_set_new(o, "who", cli_json_text(row->who));
    json_object_set_new(o, "action", cli_json_text(row->action));
    json_object_set_new(o, "person_id", row->person_id ? json_integer(row->person_id) : json_null());
    json_object_set_new(o, "person", cli_json_text(row->person));
    json_object_set_new(o, "photo_id", row->photo_id ? json_integer(row->photo_id) : json_null());
    json_object_set_new(o, "probe", cli_json_text(row->probe ? probe : NULL));
    json_t *details = row->details ? json_loads(row->details, 0, NULL) : NULL;
    json_object_set_new(o, "details", details ? details : cli_json_text(row->details));
    json_object_set_new(o, "hash", cli_json_text(row->hash));
    json_object_set_new(o, "fault", cli_json_text(row->fault));
    cli_json_print(stdout, o);
}

static void row_cells(const audit *a, const lk_audit_row *row) {
    cli_table *t = a->table;
    char probe[2 * LK_PROBE_HASH_BYTES + 1] = "";
    bool text = a->options->w.style == CLI_TEXT;
    cli_table_cell(t, "%lld", (long long)row->number);
    cli_table_cell(t, "%s", row->time ? row->time : "");
    cli_table_cell(t, "%s", row->who ? row->who : "");
    cli_table_cell(t, "%s", row->action ? row->action : "");
    if (row->person_id)
        cli_table_cell(t, "%lld", (long long)row->person_id);
    else
        cli_table_cell(t, "%s", "");
    cli_table_cell(t, "%s", row->person ? row->person : "");
    if (row->photo_id)
        cli_table_cell(t, "%lld", (long long)row->photo_id);
    else
        cli_table_cell(t, "%s", "");
    if (row->probe) hex_of(row->probe, probe);
    if (text && row->probe) strcpy(probe + 12, "...");
    cli_table_cell(t, "%s", probe);
    if (text) {
        char *result = result_text(row);
        cli_table_cell(t, "%s", row->fault ? row->fault : result);
        free(result);
        return;
    }
    cli_table_cell(t, "%s", row->details ? row->details : "");
    cli_table_cell(t, "%s", row->hash ? row->hash : "");
    cli_table_cell(t, "%s", row->fault ? row->fault : "");
}

static int on_row(void *context, const lk_audit_row *row) {
    audit *a = context;
    if (row->fault) {
        a->faults++;
        cli_say("%s: audit, row %lld: %s", a->name, (long long)row->number, row->fault);
    }
    if (row->hash) {
        a->rows++;
        snprintf(a->head, sizeof a->head, "%s", row->hash);
    }
    if (a->table)
        row_cells(a, row);
    else if (!a->options->verify && a->options->w.style == CLI_JSON)
        row_json(row);
    return 0;
}

static void verdict(const audit *a) {
    if (a->options->w.style == CLI_JSON) {
        json_t *o = json_object();
        json_object_set_new(o, "rows", json_integer((json_int_t)a->rows));
        json_object_set_new(o, "faults", json_integer((json_int_t)a->faults));
        json_object_set_new(o, "head", cli_json_text(a->head));
        cli_json_print(stdout, o);
    } else if (a->options->w.style == CLI_TSV) {
        static const char *const titles[] = {"rows", "faults", "head"};
        cli_table *table = cli_table_new("rrl", titles);
        cli_table_cell(table, "%zu", a->rows);
        cli_table_cell(table, "%zu", a->faults);
        cli_table_cell(table, "%s", a->head);
        cli_table_print(table, CLI_TSV);
    } else {
        printf("%zu rows, %s; head %s\n", a->rows,
               a->faults ? "tampered with or damaged" : "every one as it was written", a->head);
    }
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    audit_options *o = state->input;
    switch (key) {
    case KEY_VERIFY: o->verify = true; return 0;
    case KEY_HEAD: o->head = arg; return 0;
    default: return gallery_words_parse(&o->w, key, arg, state);
    }
}

static int show(const audit_options *o, lk_gallery *gallery) {
    static const char *const text_titles[] = {"row",    "time",  "who",   "action", "id",
                                              "person", "photo", "probe", "result"};
    static const char *const titles[] = {"row",   "time",  "who",     "action", "person_id", "person",
                                         "photo", "probe", "details", "hash",   "fault"};
    audit a = {.options = o, .name = lk_gallery_name(gallery)};
    lk_error err;
    if (!o->verify && o->w.style == CLI_TEXT) a.table = cli_table_new("rlllrlrll", text_titles);
    if (!o->verify && o->w.style == CLI_TSV) a.table = cli_table_new("rlllrlrllll", titles);
    lk_status status = lk_gallery_each_audit(gallery, o->head, on_row, &a, &err);
    if (a.table) cli_table_print(a.table, o->w.style);
    if (status != LK_OK) return cli_fail(&err);
    if (o->verify) verdict(&a);
    return a.faults ? CLI_NO : CLI_OK;
}

int gallery_audit(const char *path, int argc, char **argv) {
    static const struct argp_option options[] = {
        {"verify", KEY_VERIFY, 0, 0, "Only say whether the account holds", 0},
        {"head", KEY_HEAD, "HASH", 0, "A hash that was written down; the account must have passed through it",
         0},
        GALLERY_OPTIONS,
        {0}};
    static const struct argp argp = {
        options,
        parse,
        NULL,
        "What was done with the gallery, by whom, and what came back; exit code 1 "
        "if that account was tampered with.",
        NULL,
        NULL,
        NULL};
    audit_options o = {.w = {.most = 0}};
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) return CLI_USAGE;
    lk_gallery *gallery = NULL;
    lk_error err;
    int code;
    if (cli_gallery_open(path, false, &o.w.access, &gallery, &err) == LK_OK)
        code = show(&o, gallery);
    else
        code = cli_fail(&err);
    lk_gallery_close(gallery);
    return code;
}
