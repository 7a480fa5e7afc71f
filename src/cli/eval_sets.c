/* eval_sets.c: photos that are measured on together, and whose they are: those of a pairs file, or of a
 * folder of people. */
#include "eval.h"

#include <stdlib.h>
#include <string.h>

/* ---- people of a pairs file ---------------------------------------------------------------------- */

typedef struct named {
    char *name; /* folder of a photo, or the photo itself */
    size_t photo;
} named;

static int named_compare(const void *a, const void *b) {
    const named *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->photo > y->photo) - (x->photo < y->photo);
}

/* A photo without a folder is a person of its own. */
static char *folder_of(const char *photo) {
    const char *slash = strrchr(photo, '/');
    return slash ? cli_format("%.*s", (int)(slash - photo), photo) : cli_format("%s", photo);
}

static void name_folders(const lk_pairs *pairs, eval_set *set) {
    size_t n = set->count;
    named *all = cli_alloc(n, sizeof *all);
    for (size_t i = 0; i < n; i++) all[i] = (named){folder_of(pairs->photos[i % pairs->photo_count]), i};
    qsort(all, n, sizeof *all, named_compare);
    set->name = cli_alloc(n, sizeof *set->name);
    for (size_t i = 0; i < n; i++) {
        if (i && strcmp(set->name[set->names - 1], all[i].name) == 0)
            free(all[i].name);
        else
            set->name[set->names++] = all[i].name;
        set->folder[all[i].photo] = set->names - 1;
    }
    free(all);
}

static size_t root_of(size_t *parent, size_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
}

/* Sets that keep a person's photos in several folders, or all photos in one, say who is who by their pairs.
 */
static void join_people(const lk_pairs *pairs, eval_set *set) {
    size_t *parent = cli_alloc(set->names, sizeof *parent);
    for (size_t i = 0; i < set->names; i++) parent[i] = i;
    for (size_t i = 0; i < pairs->count; i++) {
        const lk_pair *pair = &pairs->items[i];
        if (!pair->same) continue;
        size_t a = root_of(parent, set->folder[pair->a]), b = root_of(parent, set->folder[pair->b]);
        parent[a > b ? a : b] = a > b ? b : a;
    }
    for (size_t i = 0; i < set->count; i++) set->person[i] = (uint32_t)root_of(parent, set->folder[i]);
    free(parent);
}

static void set_new(eval_set *set, size_t count) {
    *set = (eval_set){.count = count,
                      .photo = cli_alloc(count, sizeof *set->photo),
                      .folder = cli_alloc(count, sizeof *set->folder),
                      .person = cli_alloc(count, sizeof *set->person)};
}

/* Photos that are in no pair, as first or second photos say, are dropped. */
static void keep_used(eval_set *set) {
    bool *used = cli_alloc(set->count, sizeof *used);
    for (size_t i = 0; i < set->pair_count; i++) used[set->pairs[i].a] = used[set->pairs[i].b] = true;
    for (size_t i = 0; i < set->count; i++) set->photo[i] = i;
    eval_set_keep(set, used);
    free(used);
}

void eval_set_of_pairs(const lk_pairs *pairs, bool apart, eval_set *out) {
    set_new(out, (apart ? 2 : 1) * pairs->photo_count);
    name_folders(pairs, out);
    join_people(pairs, out);
    out->pair_count = pairs->count;
    out->pairs = cli_alloc(pairs->count, sizeof *out->pairs);
    memcpy(out->pairs, pairs->items, pairs->count * sizeof *out->pairs);
    for (size_t i = 0; apart && i < pairs->count; i++) out->pairs[i].b += pairs->photo_count;
    keep_used(out);
}

void eval_set_of_folder(const eval_folder *folder, eval_set *out) {
    set_new(out, folder->photos);
    out->names = folder->people;
    out->name = cli_alloc(folder->people, sizeof *out->name);
    for (size_t i = 0; i < folder->people; i++)
        out->name[i] = cli_format("%s", lk_dataset_person_name(folder->dataset, i));
    for (size_t i = 0; i < folder->photos; i++) {
        out->folder[i] = lk_dataset_photo_person(folder->dataset, i);
        out->person[i] = (uint32_t)out->folder[i];
    }
}

void eval_set_keep(eval_set *set, const bool *usable) {
    size_t *place = cli_alloc(set->count, sizeof *place), n = 0;
    bool *kept = cli_alloc(set->count, sizeof *kept);
    for (size_t i = 0; i < set->count; i++) {
        kept[i] = usable[set->photo[i]];
        if (!kept[i]) continue;
        set->photo[n] = set->photo[i];
        set->folder[n] = set->folder[i];
        set->person[n] = set->person[i];
        place[i] = n++;
    }
    set->count = n;
    n = 0;
    for (size_t i = 0; i < set->pair_count; i++) {
        const lk_pair *pair = &set->pairs[i];
        if (kept[pair->a] && kept[pair->b])
            set->pairs[n++] = (lk_pair){pair->fold, pair->same, place[pair->a], place[pair->b]};
    }
    set->left_out = set->pair_count - n;
    set->pair_count = n;
    free(place);
    free(kept);
}

void eval_set_free(eval_set *set) {
    for (size_t i = 0; i < set->names; i++) free(set->name[i]);
    free(set->name);
    free(set->photo);
    free(set->folder);
    free(set->person);
    free(set->pairs);
}

float *eval_set_trial(const eval_set *set, const eval_model *model, lk_trial *out) {
    int dim = lk_model_dim(model->model);
    size_t size = (size_t)dim;
    float *vectors = cli_alloc(set->count * size, sizeof *vectors);
    for (size_t i = 0; i < set->count; i++)
        memcpy(vectors + i * size, model->vectors + set->photo[i] * size, size * sizeof *vectors);
    *out = (lk_trial){.vectors = vectors,
                      .photos = set->count,
                      .dim = dim,
                      .person = set->person,
                      .pairs = set->pairs,
                      .count = set->pair_count};
    return vectors;
}
