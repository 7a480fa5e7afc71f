/* train_data.c: before training, the people are split: most are trained on, some are kept for validation, and
 * those who are in a test set are excluded by name. The split is a function of the folders and the seed. */
#include "face/train_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VALIDATION_PEOPLE_MAX = 300, SPARE_SOME_FROM = 8 };

static size_t photos_of(const lk_dataset *set, size_t person, size_t *first) {
    size_t at, count;
    lk_dataset_person_photos(set, person, &at, &count);
    if (first) *first = at;
    return count;
}

static bool is_able(const lk_dataset *set, const bool *out, size_t person) {
    return !(out && out[person]) && photos_of(set, person, NULL) >= 2;
}

/* A random share of the people with 2 photos, 2 of them at least. */
static void keep(lk__train_data *d, const lk_dataset *set, const bool *out, double share, uint64_t seed) {
    size_t able = 0, *list = d->kept;
    for (size_t i = 0; i < lk_dataset_people(set); i++)
        if (is_able(set, out, i)) list[able++] = i;
    size_t want = (size_t)lround(share * (double)able);
    if (want < 2) want = 2;
    if (want > VALIDATION_PEOPLE_MAX) want = VALIDATION_PEOPLE_MAX;
    if (want > able) want = able;
    lk__random random = lk__random_stream(seed, 'k', 0, 0);
    for (size_t i = 0; i < want; i++) { /* Fisher-Yates, as far as needed */
        size_t j = i + lk__random_below(&random, able - i), swap = list[i];
        list[i] = list[j];
        list[j] = swap;
    }
    d->kept_count = want;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Marks the people whose name is a line of the file; '#' begins a comment. */
static lk_status mark_excluded(const char *path, lk__train_data *d, bool *out, lk_error *err) {
    uint8_t *text;
    size_t size, names = 0, room = 1;
    lk_status status = lk__file_read(path, (size_t)16 << 20, &text, &size, err);
    if (status != LK_OK) return status;
    for (size_t i = 0; i < size; i++) room += text[i] == '\n' || text[i] == '\r';
    char **name = malloc(room * sizeof *name), *save = NULL;
    if (!name) {
        free(text);
        return lk__fail_memory(err, room * sizeof *name, path);
    }
    for (char *line = strtok_r((char *)text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save))
        if (*line != '#') name[names++] = line;
    qsort(name, names, sizeof *name, by_name);
    for (size_t i = 0; i < lk_dataset_people(d->set); i++) {
        const char *person = lk_dataset_person_name(d->set, i);
        out[i] = bsearch(&person, name, names, sizeof *name, by_name) != NULL;
        d->excluded += out[i];
    }
    free(name);
    free(text);
    return LK_OK;
}

/* Whoever is not out is trained on. */
static void list_trained(lk__train_data *d, const bool *out) {
    for (size_t i = 0; i < lk_dataset_people(d->set); i++) {
        if (out[i]) continue;
        d->counts[d->people] = photos_of(d->set, i, &d->first[d->people]);
        d->photos += d->counts[d->people];
        d->able += d->counts[d->people] >= 2;
        d->people++;
    }
}

static lk_status split(lk__train_data *d, const lk_train_options *o, lk_error *err) {
    size_t people = lk_dataset_people(d->set), most = people, able = 0;
    if (d->validation_set && lk_dataset_people(d->validation_set) > most)
        most = lk_dataset_people(d->validation_set);
    d->first = calloc(people, sizeof *d->first);
    d->counts = calloc(people, sizeof *d->counts);
    d->kept = calloc(most, sizeof *d->kept);
    bool *out = calloc(people, sizeof *out);
    lk_status status = LK_OK;
    if (!d->first || !d->counts || !d->kept || !out)
        status = lk__fail_memory(err, people * 3 * sizeof *d->first, "the list of people");
    if (status == LK_OK && o->exclude) status = mark_excluded(o->exclude, d, out, err);
    if (status == LK_OK) {
        for (size_t i = 0; i < people; i++) able += is_able(d->set, out, i);
        if (d->validation_set)
            keep(d, d->validation_set, NULL, 1, o->seed);
        else if (o->holdout > 0 && able >= SPARE_SOME_FROM)
            keep(d, d->set, out, o->holdout, o->seed);
        for (size_t i = 0; !d->validation_set && i < d->kept_count; i++) out[d->kept[i]] = true;
        list_trained(d, out);
    }
    free(out);
    return status;
}

lk_status lk__train_data_open(const lk_train_options *o, lk__train_data *out, lk_error *err) {
    lk__train_data d = {0};
    lk_status status = lk_dataset_open(o->sources, o->source_count, &d.set, err);
    if (status == LK_OK && o->validate_count > 0)
        status = lk_dataset_open(o->validate, o->validate_count, &d.validation_set, err);
    if (status == LK_OK) status = split(&d, o, err);
    if (status == LK_OK && d.able < 2)
        status =
            lk__fail(err, LK_EMPTY,
                     "%s: training needs 2 people with 2 photos each, and has %zu (%zu people, %zu photos)",
                     o->sources[0].path, d.able, lk_dataset_people(d.set), lk_dataset_photos(d.set));
    if (status != LK_OK) {
        lk__train_data_close(&d);
        return status;
    }
    *out = d;
    return LK_OK;
}

void lk__train_data_close(lk__train_data *d) {
    lk_dataset_free(d->set);
    lk_dataset_free(d->validation_set);
    free(d->first);
    free(d->counts);
    free(d->kept);
    *d = (lk__train_data){0};
}

lk_status lk__train_data_validation(const lk__train_data *d, const lk_train_options *o, int width, int height,
                                    lk__validation **out, lk_error *err) {
    *out = NULL;
    if (d->kept_count == 0) return LK_OK;
    const lk_dataset *set = d->validation_set ? d->validation_set : d->set;
    return lk__validation_new(set, d->kept, d->kept_count, o, width, height, out, err);
}
