/* eval_people.c: who is measured on: people that a model knows from training are refused, and a file says
 * which group a person is of. */
#include "eval.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *eval_person_name(const char *name) {
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

/* ---- people known from training ------------------------------------------------------------------- */

enum { TOLD = 10 };

static int trained_on(const lk_model *model, const char *name) {
    int whole = lk_model_trained_on(model, name);
    return whole ? whole : lk_model_trained_on(model, eval_person_name(name));
}

/* "001" and "s1" are folders in many sets, and of other people in each. */
static bool tells_who(const char *name) {
    int letters = 0;
    for (; *name; name++) letters += isalpha((unsigned char)*name) || (unsigned char)*name >= 0x80;
    return letters >= 2;
}

/* Names of a set that the model knows join `found`, each once; the value is the number of those that tell
 * nothing. */
static size_t find_trained(const lk_model *model, const eval_set *set, json_t *found) {
    size_t numbers = 0;
    bool *shown = cli_alloc(set->names, sizeof *shown); /* some may have no photo left */
    for (size_t i = 0; i < set->count; i++) shown[set->folder[i]] = true;
    for (size_t i = 0; i < set->names; i++)
        if (shown[i] && trained_on(model, set->name[i]) == 1) {
            if (!tells_who(eval_person_name(set->name[i]))) {
                numbers++;
                continue;
            }
            json_t *name = cli_json_text(eval_person_name(set->name[i]));
            json_object_set_new(found, json_string_value(name), json_true());
            json_decref(name);
        }
    free(shown);
    return numbers;
}

static void say_trained(const eval_model *m, bool refused) {
    char *names = cli_format("%s", "");
    size_t count = json_object_size(m->trained), told = 0;
    const char *name;
    json_t *value;
    json_object_foreach(m->trained, name, value) {
        if (told++ == TOLD) break;
        char *longer = cli_format("%s%s%s", names, *names ? ", " : "", name);
        free(names);
        names = longer;
    }
    char *more = count > TOLD ? cli_format(" and %zu more", count - TOLD) : cli_format("%s", "");
    cli_say("%s: trained on %zu of the people to be measured on: %s%s%s", m->path, count, names, more,
            refused
                ? "; figures of people it knows flatter it: take others, or, if these are others of the same "
                  "names, give --trained-people-ok"
                : "; measured all the same, and the figures flatter it");
    free(names);
    free(more);
}

int eval_people_check(eval_run *r) {
    const eval_options *o = r->options;
    int code = CLI_OK;
    for (size_t i = 0; i < r->model_count; i++) {
        eval_model *m = &r->models[i];
        bool told = m->damage_text; /* of the same model without damage */
        if (lk_model_trained_on(m->model, "") < 0) continue;
        m->trained = json_object();
        size_t numbers = find_trained(m->model, &r->verify, m->trained);
        size_t more = find_trained(m->model, &r->closed, m->trained);
        if (more > numbers) numbers = more; /* often one folder for both */
        if (numbers && !told)
            cli_say("%s: %zu people here have the names of people it was trained on, but names like 001 tell "
                    "nobody apart: taken for others",
                    m->path, numbers);
        if (json_object_size(m->trained) == 0) continue;
        if (!told) say_trained(m, !o->trained_people_ok);
        if (!o->trained_people_ok) code = CLI_INPUT;
    }
    return code;
}

/* ---- groups -------------------------------------------------------------------------------------- */

enum { GROUPS_MAX = 100 };

typedef struct entry {
    char *person, *group;
    size_t line, group_number;
} entry;

typedef struct reader {
    const char *path;
    size_t line, count;
    entry *entries;
} reader;

static int refuse(const reader *r, const char *what) {
    cli_say("%s, line %zu: %s", r->path, r->line, what);
    return CLI_INPUT;
}

static int read_line(reader *r, char *line) {
    line[strcspn(line, "\r\n")] = 0;
    char *tab = strchr(line, '\t');
    if (r->line == 1)
        return strcmp(line, "person\tgroup") == 0 ? CLI_OK
                                                  : refuse(r, "the header person<TAB>group is expected");
    if (!*line) return CLI_OK;
    if (!tab || strchr(tab + 1, '\t')) return refuse(r, "two fields are expected, a person and a group");
    *tab = 0;
    if (!*line || !tab[1]) return refuse(r, *line ? "the group is empty" : "the person is empty");
    r->entries = cli_grow(r->entries, r->count + 1, sizeof *r->entries);
    r->entries[r->count++] = (entry){cli_format("%s", line), cli_format("%s", tab + 1), r->line, 0};
    return CLI_OK;
}

static int read_file(reader *r) {
    FILE *file = fopen(r->path, "r");
    if (!file) {
        cli_say("%s: cannot open: %s", r->path, strerror(errno));
        return CLI_INPUT;
    }
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    int code = CLI_OK;
    while (code == CLI_OK && (length = getline(&line, &room, file)) >= 0) {
        r->line++;
        code = strlen(line) == (size_t)length ? read_line(r, line) : refuse(r, "a zero byte");
    }
    if (code == CLI_OK && ferror(file)) {
        cli_say("%s: cannot read: %s", r->path, strerror(errno));
        code = CLI_SYSTEM;
    }
    if (code == CLI_OK && r->count == 0) {
        cli_say("%s: no person in it", r->path);
        code = CLI_INPUT;
    }
    free(line);
    fclose(file);
    return code;
}

static int entry_compare(const void *a, const void *b) {
    const entry *x = a, *y = b;
    int order = strcmp(x->person, y->person);
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

static int text_compare(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The groups by name, and the number of each entry's. */
static int number_groups(reader *r, eval_groups *out) {
    char **all = cli_alloc(r->count, sizeof *all);
    for (size_t i = 0; i < r->count; i++) all[i] = r->entries[i].group;
    qsort(all, r->count, sizeof *all, text_compare);
    size_t n = 0;
    for (size_t i = 0; i < r->count; i++)
        if (i == 0 || strcmp(all[n - 1], all[i]) != 0) all[n++] = all[i];
    int code = CLI_OK;
    if (n > GROUPS_MAX) {
        cli_say("%s: %zu groups, over %d: is the second column a group?", r->path, n, GROUPS_MAX);
        code = CLI_INPUT;
    }
    out->count = code == CLI_OK ? n : 0;
    out->name = cli_alloc(out->count, sizeof *out->name);
    for (size_t g = 0; g < out->count; g++) out->name[g] = cli_format("%s", all[g]);
    for (size_t i = 0; i < r->count && code == CLI_OK; i++) {
        char **place = bsearch(&r->entries[i].group, all, n, sizeof *all, text_compare);
        r->entries[i].group_number = (size_t)(place - all);
    }
    free(all);
    return code;
}

/* Sorts by person; one who is named twice must be so with one group. */
static int check_people(reader *r) {
    qsort(r->entries, r->count, sizeof *r->entries, entry_compare);
    for (size_t i = 1; i < r->count; i++) {
        const entry *a = &r->entries[i - 1], *b = &r->entries[i];
        if (strcmp(a->person, b->person) != 0 || a->group_number == b->group_number) continue;
        cli_say("%s, line %zu: %s is of group %s here and of %s in line %zu", r->path, b->line, b->person,
                b->group, a->group, a->line);
        return CLI_INPUT;
    }
    return CLI_OK;
}

static const entry *find_person(const reader *r, const char *name) {
    size_t low = 0, high = r->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(r->entries[middle].person, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < r->count && strcmp(r->entries[low].person, name) == 0 ? &r->entries[low] : NULL;
}

static void place_people(const reader *r, const eval_set *set, eval_groups *out) {
    bool *met = cli_alloc(r->count, sizeof *met);
    out->of_name = cli_alloc(set->names, sizeof *out->of_name);
    for (size_t i = 0; i < set->names; i++) {
        const entry *e = find_person(r, set->name[i]);
        if (!e) e = find_person(r, eval_person_name(set->name[i]));
        out->of_name[i] = e ? (int)e->group_number : LK_NO_GROUP;
        if (e) met[e - r->entries] = true;
    }
    for (size_t i = 0; i < r->count; i++)
        if (!met[i] && (i == 0 || strcmp(r->entries[i - 1].person, r->entries[i].person) != 0))
            out->unknown++;
    free(met);
    for (size_t i = 0; i < set->names; i++) out->placed += out->of_name[i] != LK_NO_GROUP;
}

int eval_groups_load(const char *path, const eval_set *set, eval_groups *out) {
    reader r = {.path = path};
    *out = (eval_groups){0};
    int code = read_file(&r);
    if (code == CLI_OK) code = number_groups(&r, out);
    if (code == CLI_OK) code = check_people(&r);
    if (code == CLI_OK) place_people(&r, set, out);
    if (code == CLI_OK && out->placed == 0) {
        cli_say("%s: none of its people is measured on; people are named by their folders", path);
        code = CLI_INPUT;
    }
    for (size_t i = 0; i < r.count; i++) {
        free(r.entries[i].person);
        free(r.entries[i].group);
    }
    free(r.entries);
    if (code != CLI_OK) eval_groups_free(out);
    return code;
}

void eval_groups_free(eval_groups *groups) {
    for (size_t i = 0; i < groups->count; i++) free(groups->name[i]);
    free(groups->name);
    free(groups->of_name);
    *groups = (eval_groups){0};
}
