/* data_list.c: which photos there are, in the folders to check and in those to check them against, and which
 * of them are one file under several names. */
#include "data.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static size_t name_at(const char *path) {
    const char *end = strrchr(path, '/');
    while (end > path && end[-1] != '/') end--;
    return (size_t)(end - path);
}

static int open_folders(const cli_sources *sources, lk_dataset **out) {
    lk_error err;
    return lk_dataset_open(sources->items, sources->count, out, &err) == LK_OK ? CLI_OK : cli_fail(&err);
}

static void look_at_file(data_photo *p) {
    struct stat st;
    if (lstat(p->path, &st) == 0) p->link = S_ISLNK(st.st_mode);
    if (stat(p->path, &st) != 0) return;
    p->bytes = (uint64_t)st.st_size;
    p->device = (uint64_t)st.st_dev;
    p->inode = (uint64_t)st.st_ino;
    p->changed = (uint64_t)st.st_mtim.tv_sec * 1000000000U + (uint64_t)st.st_mtim.tv_nsec;
}

static void list(data_set *set, const lk_dataset *from, bool against) {
    size_t photos = lk_dataset_photos(from), people = lk_dataset_people(from);
    for (size_t i = 0; i < photos; i++) {
        data_photo *p = &set->photos[set->count + i];
        p->path = lk_dataset_photo_path(from, i);
        p->name_at = name_at(p->path);
        p->person = set->people_count + lk_dataset_photo_person(from, i);
        p->against = against;
        look_at_file(p);
    }
    for (size_t i = 0; i < people; i++) {
        data_person *p = &set->people[set->people_count + i];
        *p = (data_person){.name = lk_dataset_person_name(from, i), .against = against};
        lk_dataset_person_photos(from, i, &p->first, &p->count);
        p->first += set->count;
    }
    set->count += photos;
    set->people_count += people;
}

static int by_inode(const void *left, const void *right, void *context) {
    const data_photo *photos = context, *a = &photos[*(const size_t *)left],
                     *b = &photos[*(const size_t *)right];
    if (a->device != b->device) return a->device < b->device ? -1 : 1;
    if (a->inode != b->inode) return a->inode < b->inode ? -1 : 1;
    return (a > b) - (a < b);
}

/* Of one file under several names: hard links can go one by one. The file that symbolic links lead to cannot,
 * nor one in a folder that has a link for a second name. */
static void pin_names(data_set *set, const size_t *names, size_t count) {
    bool any_link = false;
    for (size_t i = 0; i < count; i++) any_link |= set->photos[names[i]].link;
    char *place = realpath(set->photos[names[0]].path, NULL);
    for (size_t i = 0; i < count; i++) {
        data_photo *p = &set->photos[names[i]];
        char *other = realpath(p->path, NULL);
        bool same_name = i > 0 && place && other && strcmp(place, other) == 0;
        p->pinned = !p->link && (any_link || same_name);
        if (same_name) set->photos[names[0]].pinned = !set->photos[names[0]].link;
        free(other);
    }
    free(place);
}

static void pin(data_set *set) {
    size_t *order = cli_alloc(set->count, sizeof *order);
    for (size_t i = 0; i < set->count; i++) order[i] = i;
    qsort_r(order, set->count, sizeof *order, by_inode, set->photos);
    for (size_t from = 0, to; from < set->count; from = to) {
        const data_photo *first = &set->photos[order[from]];
        for (to = from + 1; to < set->count; to++)
            if (set->photos[order[to]].device != first->device ||
                set->photos[order[to]].inode != first->inode)
                break;
        if (to - from > 1 && first->inode) pin_names(set, order + from, to - from);
    }
    free(order);
}

int data_list(const data_options *o, data_set *set) {
    int code = open_folders(&o->places, &set->own);
    if (code == CLI_OK && o->against.count) code = open_folders(&o->against, &set->against);
    if (code != CLI_OK) return code;
    size_t photos = lk_dataset_photos(set->own), people = lk_dataset_people(set->own);
    set->own_count = photos;
    set->own_people = people;
    if (set->against) {
        photos += lk_dataset_photos(set->against);
        people += lk_dataset_people(set->against);
    }
    set->photos = cli_alloc(photos, sizeof *set->photos);
    set->people = cli_alloc(people, sizeof *set->people);
    set->signatures = cli_alloc(photos, sizeof *set->signatures);
    list(set, set->own, false);
    if (set->against) list(set, set->against, true);
    pin(set);
    while (lk_dataset_skipped(set->own, set->skipped, NULL)) set->skipped++;
    return CLI_OK;
}
