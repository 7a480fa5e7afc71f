/* data_read.c: folders of people in; of each photo its signature, its vector if there is a model, or why it
 * cannot be read. Each photo is decoded once: the same pixels go to the signature, the detector and the net.
 */
#include "data.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int data_progress(void *context, double share) {
    cli_progress(share, false, "%s", (const char *)context);
    return cli_stopped();
}

/* ---- which photos -------------------------------------------------------------------------------------- */

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

static int list_all(const data_options *o, data_set *set) {
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

/* ---- pixels -------------------------------------------------------------------------------------------- */

/* On a worker's thread; no two have the same photo. */
static void on_seen(void *context, size_t photo, const lk_image *image, const lk_error *why) {
    data_set *set = context;
    data_photo *p = &set->photos[photo];
    lk_error err = {0};
    if (image) {
        p->width = lk_image_width(image);
        p->height = lk_image_height(image);
        p->status = lk_image_signature(image, &set->signatures[photo], &err);
        why = &err;
    } else {
        p->status = why->status;
    }
    if (p->status != LK_OK) p->why = cli_format("%s", why->message);
}

static lk_status on_faces(void *context, size_t photo, const cli_faces *faces, lk_error *err) {
    data_set *set = context;
    data_photo *p = &set->photos[photo];
    (void)err;
    if (!faces) return LK_OK;
    p->looked = faces->looked;
    p->faces = faces->found;
    p->judged = faces->count > 0 && !(faces->looked && faces->found == 0);
    set->looked |= faces->looked;
    if (p->judged)
        memcpy(set->vectors + photo * (size_t)set->dim, faces->vectors, (size_t)set->dim * sizeof(float));
    return LK_OK;
}

static cli_photo *photos_of(const data_options *o, const data_set *set) {
    cli_photo *photos = cli_alloc(set->count, sizeof *photos);
    for (size_t i = 0; i < set->count; i++) {
        bool against = i >= set->own_count;
        photos[i].path = set->photos[i].path;
        photos[i].crop = against ? lk_dataset_photo_crop(set->against, i - set->own_count)
                                 : lk_dataset_photo_crop(set->own, i);
        if (!cli_crop_given(photos[i].crop)) photos[i].crop = o->crop;
    }
    return photos;
}

static lk_status read_with_model(const data_options *o, data_set *set, lk_error *err) {
    cli_bad bad = {0};
    cli_photo *photos = photos_of(o, set);
    set->dim = lk_model_dim(set->model);
    set->vectors = cli_alloc(set->count * (size_t)set->dim, sizeof *set->vectors);
    cli_embedding embedding = {.model = set->model,
                               .compute = &o->compute,
                               .look = &o->look,
                               .pick = CLI_PICK_CENTRAL,
                               .photos = photos,
                               .count = set->count,
                               .fn = on_faces,
                               .seen = on_seen,
                               .context = set,
                               .bad = &bad};
    lk_status status = cli_embed(&embedding, err);
    cli_bad_finish(&bad, false);
    free(photos);
    return status;
}

typedef struct plain {
    data_set *set;
    double started;
} plain;

static void *plain_work(void *context, int worker, size_t piece) {
    plain *p = context;
    lk_image *image = NULL;
    lk_error err = {0};
    (void)worker;
    (void)lk_image_load(p->set->photos[piece].path, &image, &err);
    on_seen(p->set, piece, image, &err);
    lk_image_free(image);
    return p->set;
}

static lk_status plain_done(void *context, size_t piece, void *result, lk_error *err) {
    plain *p = context;
    (void)result;
    return cli_photos_done(piece + 1, p->set->count, p->started, err);
}

static void plain_drop(void *result) {
    (void)result;
}

static lk_status read_without(const data_options *o, data_set *set, lk_error *err) {
    plain p = {set, cli_seconds()};
    cli_crew crew = {.count = set->count,
                     .workers = cli_workers(o->compute.threads, set->count),
                     .context = &p,
                     .work = plain_work,
                     .done = plain_done,
                     .drop = plain_drop};
    cli_catch_signals();
    return cli_crew_run(&crew, err);
}

/* ---- all ----------------------------------------------------------------------------------------------- */

/* The shipped model may be missing, and then some checks are; one that was asked for may not. */
static int open_model(const data_options *o, data_set *set) {
    if (o->no_model) return CLI_OK;
    char *path = o->model ? cli_format("%s", o->model) : cli_shipped_model("face-small.safetensors");
    lk_error err;
    int code = CLI_OK;
    if (!o->model && access(path, R_OK) != 0)
        cli_say(
            "%s: there is no such model, so labels, faces and people are not checked; give one with --model",
            path);
    else if (lk_model_open(path, &set->model, &err) != LK_OK)
        code = cli_fail(&err);
    free(path);
    return code;
}

int data_read(const data_options *o, data_set *set) {
    lk_error err = {0};
    int code = open_model(o, set);
    if (code == CLI_OK) code = list_all(o, set);
    if (code != CLI_OK) return code;
    lk_status status = set->model ? read_with_model(o, set, &err) : read_without(o, set, &err);
    cli_progress_suspend(); /* take the bar away */
    cli_progress_resume();
    return status == LK_OK ? CLI_OK : cli_fail(&err);
}

void data_set_free(data_set *set) {
    for (size_t i = 0; i < set->count; i++) free(set->photos[i].why);
    free(set->photos);
    free(set->people);
    free(set->signatures);
    free(set->vectors);
    lk_model_free(set->model);
    lk_dataset_free(set->own);
    lk_dataset_free(set->against);
    *set = (data_set){0};
}
