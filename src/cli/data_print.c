/* data_print.c: what was found, as text for people (how many of each kind, then the worst of each), or every
 * finding as JSON or TSV for programs (docs/formats.md). */
#include "data.h"

#include <math.h>
#include <stdlib.h>

static const char *path_of(const data_set *set, const data_finding *f) {
    return f->path ? f->path : f->photo == DATA_NONE ? NULL : set->photos[f->photo].path;
}

static const char *other_path_of(const data_set *set, const data_finding *f) {
    return f->other_photo == DATA_NONE ? NULL : set->photos[f->other_photo].path;
}

static const char *name_of(const data_set *set, size_t person) {
    return person == DATA_NONE ? NULL : set->people[person].name;
}

/* ---- for programs -------------------------------------------------------------------------------------- */

static const char *moves(const data_finding *f) {
    return f->move && f->move_other ? "both" : f->move ? "photo" : f->move_other ? "other" : "";
}

static void print_json(const data_set *set, const data_findings *f) {
    for (size_t i = 0; i < f->count; i++) {
        const data_finding *item = &f->items[i];
        json_t *row = json_object();
        json_object_set_new(row, "kind", cli_json_text(data_kind_name(item->kind)));
        json_object_set_new(row, "photo", cli_json_text(path_of(set, item)));
        json_object_set_new(row, "person", cli_json_text(name_of(set, item->person)));
        json_object_set_new(row, "other_photo", cli_json_text(other_path_of(set, item)));
        json_object_set_new(row, "other_person", cli_json_text(name_of(set, item->other_person)));
        json_object_set_new(row, "cosine", cli_json_real(item->cosine));
        json_object_set_new(row, "likeness", cli_json_real(item->likeness));
        json_object_set_new(row, "score", cli_json_real(item->score));
        json_object_set_new(row, "fix", cli_json_text(moves(item)));
        json_object_set_new(row, "reason", cli_json_text(item->reason));
        json_object_set_new(row, "advice", cli_json_text(data_kind_meaning(item->kind)));
        cli_json_print(stdout, row);
    }
}

static void real_cell(cli_table *table, double value) {
    if (isfinite(value))
        cli_table_cell(table, "%.4f", value);
    else
        cli_table_cell(table, "%s", "");
}

static void text_cell(cli_table *table, const char *text) {
    cli_table_cell(table, "%s", text ? text : "");
}

static void print_tsv(const data_set *set, const data_findings *f) {
    static const char *const titles[] = {"kind",         "photo",  "person",   "other_photo",
                                         "other_person", "cosine", "likeness", "score",
                                         "fix",          "reason", "advice"};
    cli_table *table = cli_table_new("lllllrrrlll", titles);
    for (size_t i = 0; i < f->count; i++) {
        const data_finding *item = &f->items[i];
        text_cell(table, data_kind_name(item->kind));
        text_cell(table, path_of(set, item));
        text_cell(table, name_of(set, item->person));
        text_cell(table, other_path_of(set, item));
        text_cell(table, name_of(set, item->other_person));
        real_cell(table, item->cosine);
        real_cell(table, item->likeness);
        real_cell(table, item->score);
        text_cell(table, moves(item));
        text_cell(table, item->reason);
        text_cell(table, data_kind_meaning(item->kind));
    }
    cli_table_print(table, CLI_TSV);
}

/* ---- for people ---------------------------------------------------------------------------------------- */

static size_t to_move(const data_findings *f, data_kind kind) {
    size_t count = 0;
    for (size_t i = 0; i < f->kind_count[kind]; i++) {
        const data_finding *item = &f->items[f->kind_first[kind] + i];
        count += (size_t)item->move + (size_t)item->move_other;
    }
    return count;
}

static void print_counts(const data_set *set, const data_findings *f) {
    static const char *const titles[] = {"kind", "found", "fix moves", ""};
    printf("%zu %s of %zu people", set->own_count, set->own_count == 1 ? "photo" : "photos", set->own_people);
    if (set->against)
        printf(", against %zu of %zu", set->count - set->own_count, set->people_count - set->own_people);
    printf(f->count ? "\n\n" : ": nothing was found\n");
    if (!f->count) return;
    cli_table *table = cli_table_new("lrrl", titles);
    for (int k = 0; k < DATA_KIND_COUNT; k++) {
        if (!f->kind_count[k]) continue;
        cli_table_cell(table, "%s", data_kind_name((data_kind)k));
        cli_table_cell(table, "%zu", f->kind_count[k]);
        cli_table_cell(table, "%zu", to_move(f, (data_kind)k));
        cli_table_cell(table, "%s", data_kind_title((data_kind)k));
    }
    cli_table_print(table, CLI_TEXT);
}

/* A photo in its folder, or a person: what of a finding is looked up first. */
static char *subject(const data_set *set, const data_finding *f, size_t photo, size_t person) {
    bool whole = f->kind == DATA_SAME_PERSON || f->kind == DATA_LEAK_PERSON || f->kind == DATA_LEAK_NAME ||
                 f->kind == DATA_TWO_PEOPLE || f->kind == DATA_FEW_PHOTOS;
    if (whole && person != DATA_NONE) return cli_format("%s", set->people[person].name);
    return cli_format("%s", photo == DATA_NONE ? f->path ? f->path : "" : set->photos[photo].path);
}

static void print_kind(const data_set *set, const data_findings *f, data_kind kind, size_t worst) {
    size_t count = f->kind_count[kind], shown = count < worst ? count : worst;
    if (!shown) return;
    printf("\n%s: %s\n", data_kind_name(kind), data_kind_title(kind));
    cli_table *table = cli_table_new("llll", NULL);
    for (size_t i = 0; i < shown; i++) {
        const data_finding *item = &f->items[f->kind_first[kind] + i];
        char *a = subject(set, item, item->photo, item->person);
        bool pair = item->other_photo != DATA_NONE && kind != DATA_TWO_PEOPLE;
        char *b = pair ? subject(set, item, item->other_photo, item->other_person) : cli_format("%s", "");
        cli_table_cell(table, "%s", "");
        cli_table_cell(table, "%s", a);
        cli_table_cell(table, "%s", b);
        cli_table_cell(table, "%s", item->reason);
        free(a);
        free(b);
    }
    cli_table_print(table, CLI_TEXT);
    if (shown < count) printf("  and %zu more\n", count - shown);
}

void data_print(const data_options *o, const data_set *set, const data_findings *f) {
    if (o->style == CLI_JSON) print_json(set, f);
    if (o->style == CLI_TSV) print_tsv(set, f);
    if (o->style == CLI_TEXT) {
        print_counts(set, f);
        for (int k = 0; k < DATA_KIND_COUNT; k++) print_kind(set, f, (data_kind)k, o->worst);
        if (f->people_note) printf("\n%s\n", f->people_note);
    }
    if (f->left_out) cli_say("%s", f->left_out);
}
