/* data_find.c: everything that is found, in one list: by kind, and of each kind the worst first. */
#include "data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *title, *meaning;
} kinds[DATA_KIND_COUNT] = {
#define DATA_KIND_ROW(kind, name, title, meaning) [DATA_##kind] = {name, title, meaning},
    DATA_KINDS(DATA_KIND_ROW)
#undef DATA_KIND_ROW
};

const char *data_kind_name(data_kind kind) {
    return kinds[kind].name;
}

const char *data_kind_title(data_kind kind) {
    return kinds[kind].title;
}

const char *data_kind_meaning(data_kind kind) {
    return kinds[kind].meaning;
}

data_finding *data_findings_add(data_findings *f, data_kind kind, size_t photo, size_t person, double score) {
    f->items = cli_grow(f->items, f->count + 1, sizeof *f->items);
    data_finding *made = &f->items[f->count++];
    *made = (data_finding){.kind = kind,
                           .photo = photo,
                           .person = person,
                           .other_photo = DATA_NONE,
                           .other_person = DATA_NONE,
                           .cosine = NAN,
                           .likeness = NAN,
                           .score = score};
    return made;
}

void data_findings_free(data_findings *f) {
    for (size_t i = 0; i < f->count; i++) free(f->items[i].reason);
    free(f->items);
    free(f->people_note);
    free(f->left_out);
    *f = (data_findings){0};
}

/* ---- what needs no comparing --------------------------------------------------------------------------- */

/* The library's messages begin with the path, which has a column of its own. */
static char *without_path(const char *message, const char *path) {
    size_t length = strlen(path);
    bool named = strncmp(message, path, length) == 0 && strncmp(message + length, ": ", 2) == 0;
    return cli_format("%s", named ? message + length + 2 : message);
}

static void find_unreadable(const data_set *set, data_findings *out) {
    for (size_t i = 0; i < set->own_count; i++) {
        const data_photo *p = &set->photos[i];
        if (p->status == LK_OK) continue;
        /* What is damaged will stay so; what may not be read, or is too large, may be a good photo. */
        bool damaged = p->status == LK_FORMAT;
        data_finding *f = data_findings_add(out, DATA_UNREADABLE, i, p->person, damaged ? 1 : 0.5);
        f->move = damaged && !p->pinned;
        f->reason = without_path(p->why, p->path);
    }
    lk_error why = {0};
    const char *path;
    for (size_t i = 0; (path = lk_dataset_skipped(set->own, i, &why)); i++) {
        data_finding *f = data_findings_add(out, DATA_UNREADABLE, DATA_NONE, DATA_NONE, 0.5);
        f->path = path;
        f->reason = without_path(why.message, path);
    }
}

static void find_few(const data_options *o, const data_set *set, data_findings *out) {
    for (size_t i = 0; i < set->own_people; i++) {
        const data_person *p = &set->people[i];
        int good = 0;
        for (size_t k = p->first; k < p->first + p->count; k++)
            good += set->photos[k].status == LK_OK && !set->photos[k].copy;
        if (good >= o->photos_least) continue;
        data_finding *f =
            data_findings_add(out, DATA_FEW_PHOTOS, p->first, i, 1 - (double)good / (double)o->photos_least);
        f->reason =
            cli_format("%d %s, copies and damaged ones not counted", good, good == 1 ? "photo" : "photos");
    }
}

static void find_no_face(const data_set *set, data_findings *out) {
    for (size_t i = 0; i < set->own_count; i++) {
        const data_photo *p = &set->photos[i];
        if (p->status != LK_OK || !p->looked || p->faces) continue;
        data_findings_add(out, DATA_NO_FACE, i, p->person, 0.5)->reason =
            cli_format("no face is found in %d x %d pixels", p->width, p->height);
    }
}

static void find_names(const data_set *set, data_findings *out) {
    size_t other = set->own_people;
    for (size_t i = 0; i < set->own_people; i++) { /* both lists are in byte order */
        const char *name = set->people[i].name;
        while (other < set->people_count && strcmp(set->people[other].name, name) < 0) other++;
        if (other == set->people_count || strcmp(set->people[other].name, name) != 0) continue;
        data_finding *f = data_findings_add(out, DATA_LEAK_NAME, set->people[i].first, i, 1);
        f->other_person = other;
        f->other_photo = set->people[other].first;
        f->reason = cli_format("the second folder has a person of this name");
    }
}

/* ---- order --------------------------------------------------------------------------------------------- */

static int worst_first(const void *left, const void *right) {
    const data_finding *a = left, *b = right;
    if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
    if (a->score != b->score) return a->score > b->score ? -1 : 1;
    if (a->photo != b->photo) return a->photo < b->photo ? -1 : 1;
    return (a->other_photo > b->other_photo) - (a->other_photo < b->other_photo);
}

static void sort(data_findings *f) {
    if (f->count) qsort(f->items, f->count, sizeof *f->items, worst_first);
    for (size_t i = f->count; i-- > 0;) {
        f->kind_count[f->items[i].kind]++;
        f->kind_first[f->items[i].kind] = i;
    }
}

int data_find(const data_options *o, data_set *set, data_findings *out) {
    find_unreadable(set, out);
    int code = data_find_copies(o, set, out);
    if (code == CLI_OK && set->model) code = data_find_labels(o, set, out);
    cli_progress_suspend(); /* take the bar away */
    cli_progress_resume();
    if (code != CLI_OK) return code;
    if (!set->model) out->left_out = cli_format("labels, faces and people were not looked at: no model");
    find_few(o, set, out);
    find_no_face(set, out);
    if (set->against) find_names(set, out);
    sort(out);
    return CLI_OK;
}
