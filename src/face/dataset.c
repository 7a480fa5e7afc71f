/* dataset.c: folders of people (the ImageFolder convention, DIR/PERSON/PHOTO) to numbered people and photos.
 * First step of training: everything after it speaks of photo 17 of person 4, never of files.
 *
 * A photo is a file whose name ends in .jpg, .jpeg, .png or .webp, in any case: folders of photos also hold
 * Thumbs.db, notes and checksums, and opening each of a million files to tell would take minutes. What such a
 * file really holds is seen when it is decoded. Links are followed, hidden names skipped, folders inside a
 * person's not entered (so a link that points up cannot loop).
 *
 * One array of photos sorted by (person, name, source) is the whole structure; people are its runs. Sorting
 * by bytes, not by locale or by the order of the folder, gives the same numbers on every machine. */
#include "base/base.h"
#include "likeness/train.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

typedef struct photo {
    char *path;                /* SOURCE/PERSON/NAME */
    size_t person_at, name_at; /* where PERSON and NAME begin in it */
    size_t source, person;
} photo;

typedef struct person {
    char *name;
    size_t first, count;
} person;

typedef struct skip {
    char *path;
    lk_error why;
} skip;

struct lk_dataset {
    photo *photos;
    person *people;
    skip *skips;
    lk_crop *crops; /* of each source */
    size_t photo_count, person_count, skip_count, source_count;
    size_t photo_room, skip_room;
};

/* ---- growing -------------------------------------------------------------------------------------- */

/* Room for one more item of `size` bytes; the array at *items is moved as needed. */
static lk_status grow(void **items, size_t count, size_t *room, size_t size, lk_error *err) {
    if (count < *room) return LK_OK;
    size_t more = *room ? *room * 2 : 256;
    void *moved = realloc(*items, more * size);
    if (!moved) return lk__fail_memory(err, more * size, "the list of photos");
    *items = moved;
    *room = more;
    return LK_OK;
}

static char *join(const char *folder, const char *name) {
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/') length--;
    size_t room = length + strlen(name) + 2;
    char *path = malloc(room);
    if (path)
        snprintf(path, room, "%.*s%s%s", (int)length, folder, folder[length - 1] == '/' ? "" : "/", name);
    return path;
}

static lk_status add_photo(lk_dataset *d, const char *folder, size_t person_at, const char *name,
                           size_t source, lk_error *err) {
    void *items = d->photos;
    lk_status status = grow(&items, d->photo_count, &d->photo_room, sizeof *d->photos, err);
    d->photos = items;
    if (status != LK_OK) return status;
    char *path = join(folder, name);
    if (!path) return lk__fail_memory(err, strlen(folder) + strlen(name), "the list of photos");
    size_t name_at = strlen(path) - strlen(name);
    d->photos[d->photo_count++] = (photo){path, person_at, name_at, source, 0};
    return LK_OK;
}

static lk_status add_skip(lk_dataset *d, const char *path, const lk_error *why, lk_error *err) {
    void *items = d->skips;
    lk_status status = grow(&items, d->skip_count, &d->skip_room, sizeof *d->skips, err);
    d->skips = items;
    if (status != LK_OK) return status;
    char *copy = strdup(path);
    if (!copy) return lk__fail_memory(err, strlen(path), "the list of skipped files");
    d->skips[d->skip_count++] = (skip){copy, *why};
    return LK_OK;
}

/* ---- reading folders ------------------------------------------------------------------------------- */

static bool has_photo_name(const char *name) {
    static const char *const endings[] = {".jpg", ".jpeg", ".png", ".webp"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(endings[i]);
        if (length > n && strcasecmp(name + length - n, endings[i]) == 0) return true;
    }
    return false;
}

/* S_IFREG, S_IFDIR, another kind, or 0 with errno set when it cannot be told. Most file systems tell the kind
 * in the entry itself, which saves a system call a photo; links and the other file systems need stat. */
static mode_t entry_kind(const struct dirent *entry, const char *path) {
    if (entry->d_type == DT_REG) return S_IFREG;
    if (entry->d_type == DT_DIR) return S_IFDIR;
    struct stat st;
    return stat(path, &st) == 0 ? st.st_mode & S_IFMT : 0;
}

/* Called for each name in a folder that is not hidden. */
typedef lk_status (*entry_fn)(lk_dataset *d, const char *path, const char *name, mode_t kind, void *context,
                              lk_error *err);

/* Walk one folder. What goes wrong with the folder itself is told in *why and is not an error of this
 * function: the caller knows whether it can go on without. */
static lk_status each_entry(lk_dataset *d, const char *folder, entry_fn fn, void *context, lk_error *why,
                            lk_error *err) {
    why->status = LK_OK;
    DIR *dir = opendir(folder);
    if (!dir) {
        lk__fail_errno(why, "open this folder", folder);
        return LK_OK;
    }
    lk_status status = LK_OK;
    struct dirent *entry;
    while (status == LK_OK && (errno = 0, entry = readdir(dir))) {
        if (entry->d_name[0] == '.') continue;
        char *path = join(folder, entry->d_name);
        if (!path) {
            status = lk__fail_memory(err, strlen(folder), "a path");
            break;
        }
        mode_t kind = entry_kind(entry, path);
        status = fn(d, path, entry->d_name, kind, context, err);
        free(path);
    }
    if (status == LK_OK && errno) lk__fail_errno(why, "read this folder", folder);
    closedir(dir);
    return status;
}

typedef struct walk {
    size_t source, person_at, photos;
    const char *folder;    /* of the person being listed */
    size_t loose, folders; /* photos directly in the source; people's folders in it */
    size_t nested;         /* folders inside people's folders */
    char *loose_path;      /* one of the loose photos, for the message */
} walk;

static lk_status on_photo(lk_dataset *d, const char *path, const char *name, mode_t kind, void *context,
                          lk_error *err) {
    walk *w = context;
    if (kind == S_IFDIR) w->nested++;
    if (!has_photo_name(name)) return LK_OK;
    if (kind == 0) {
        lk_error why;
        lk__fail_errno(&why, "follow this link or look at this file", path);
        return add_skip(d, path, &why, err);
    }
    if (kind != S_IFREG) return LK_OK; /* a device or pipe would block whoever reads it */
    w->photos++;
    return add_photo(d, w->folder, w->person_at, name, w->source, err);
}

static lk_status on_person(lk_dataset *d, const char *path, const char *name, mode_t kind, void *context,
                           lk_error *err) {
    walk *w = context;
    lk_error why;
    if (kind == 0) {
        lk__fail_errno(&why, "follow this link or look at this file", path);
        return add_skip(d, path, &why, err);
    }
    if (kind == S_IFREG && has_photo_name(name)) {
        w->loose++;
        if (!w->loose_path) w->loose_path = strdup(path);
    }
    if (kind != S_IFDIR) return LK_OK;
    w->folders++;
    w->folder = path;
    w->person_at = strlen(path) - strlen(name);
    lk_status status = each_entry(d, path, on_photo, w, &why, err);
    /* One folder without permission must not stop a run over thousands, nor go unnoticed. */
    if (status == LK_OK && why.status != LK_OK) status = add_skip(d, path, &why, err);
    return status;
}

/* Why a source gave no photo: in words that help, by what was found instead. */
static lk_status fail_empty(const lk_dataset *d, const walk *w, const char *path, size_t skips,
                            lk_error *err) {
    if (w->loose)
        return lk__fail(
            err, LK_EMPTY,
            "%s: photos such as %s lie directly in this folder: put them in one folder per person "
            "(%s/PERSON/PHOTO.jpg)",
            path, w->loose_path ? w->loose_path : "?", path);
    if (d->skip_count > skips)
        return lk__fail(err, LK_IO, "%s: nothing in this folder could be read: %s", path,
                        d->skips[skips].why.message);
    if (w->nested)
        return lk__fail(
            err, LK_EMPTY,
            "%s: no photos, but folders inside folders: expected %s/PERSON/PHOTO.jpg; give the folders "
            "inside it as sources, one by one",
            path, path);
    return lk__fail(err, LK_EMPTY,
                    "%s: no photos (.jpg, .jpeg, .png, .webp) in %s: expected one folder per person "
                    "(%s/PERSON/PHOTO.jpg)",
                    path, w->folders ? "its folders" : "this folder", path);
}

static lk_status list_source(lk_dataset *d, const char *path, size_t source, lk_error *err) {
    walk w = {.source = source};
    size_t skips = d->skip_count;
    lk_error why;
    lk_status status = each_entry(d, path, on_person, &w, &why, err);
    if (status == LK_OK && why.status != LK_OK) status = lk__fail(err, why.status, "%s", why.message);
    if (status == LK_OK && w.photos == 0) status = fail_empty(d, &w, path, skips, err);
    if (status == LK_OK && w.loose) {
        lk__fail(&why, LK_FORMAT, "%s: %zu photo%s directly in this folder, in no person's folder: left out",
                 path, w.loose, w.loose == 1 ? " lies" : "s lie");
        status = add_skip(d, path, &why, err);
    }
    free(w.loose_path);
    return status;
}

/* ---- numbering ------------------------------------------------------------------------------------- */

static int compare_photos(const void *left, const void *right) {
    const photo *a = left, *b = right;
    size_t a_length = a->name_at - a->person_at, b_length = b->name_at - b->person_at; /* with the '/' */
    size_t shorter = (a_length < b_length ? a_length : b_length) - 1;
    int order = memcmp(a->path + a->person_at, b->path + b->person_at, shorter);
    if (order == 0) order = (a_length > b_length) - (a_length < b_length);
    if (order == 0) order = strcmp(a->path + a->name_at, b->path + b->name_at);
    if (order == 0) order = (a->source > b->source) - (a->source < b->source);
    return order;
}

static int compare_skips(const void *left, const void *right) {
    return strcmp(((const skip *)left)->path, ((const skip *)right)->path);
}

static bool same_person(const photo *a, const photo *b) {
    size_t length = a->name_at - a->person_at;
    return length == b->name_at - b->person_at &&
           memcmp(a->path + a->person_at, b->path + b->person_at, length) == 0;
}

static lk_status number_people(lk_dataset *d, lk_error *err) {
    if (d->skip_count > 1) qsort(d->skips, d->skip_count, sizeof *d->skips, compare_skips);
    qsort(d->photos, d->photo_count, sizeof *d->photos, compare_photos);
    size_t people = 0;
    for (size_t i = 0; i < d->photo_count; i++) {
        if (i == 0 || !same_person(&d->photos[i - 1], &d->photos[i])) people++;
        d->photos[i].person = people - 1;
    }
    d->people = calloc(people, sizeof *d->people);
    if (!d->people) return lk__fail_memory(err, people * sizeof *d->people, "the list of people");
    d->person_count = people;
    for (size_t i = 0; i < d->photo_count; i++) {
        const photo *p = &d->photos[i];
        person *who = &d->people[p->person];
        if (who->count++ > 0) continue;
        who->first = i;
        who->name = strndup(p->path + p->person_at, p->name_at - p->person_at - 1);
        if (!who->name) return lk__fail_memory(err, p->name_at, "a person's name");
    }
    return LK_OK;
}

/* ---- public ---------------------------------------------------------------------------------------- */

static bool crop_is_sound(lk_crop c) {
    bool finite =
        isfinite(c.centre) && isfinite(c.x) && isfinite(c.y) && isfinite(c.width) && isfinite(c.height);
    bool none = c.x == 0 && c.y == 0 && c.width == 0 && c.height == 0;
    return finite && (c.centre > 0 || (c.centre == 0 && (none || (c.width > 0 && c.height > 0))));
}

/* The same folder twice would pair each photo with itself, the easiest and most useless positive there is. */
static lk_status check_sources(const lk_source *sources, size_t count, lk_error *err) {
    if (count == 0 || !sources) return lk__fail(err, LK_INVALID, "no source folder given");
    for (size_t i = 0; i < count; i++) {
        struct stat a, b;
        const char *path = sources[i].path;
        if (!path || !*path) return lk__fail(err, LK_INVALID, "source %zu has an empty path", i + 1);
        if (!crop_is_sound(sources[i].crop))
            return lk__fail(err, LK_INVALID, "%s: crop must be a positive share or a rectangle with a size",
                            path);
        if (stat(path, &a) != 0) return lk__fail_errno(err, "open this folder", path);
        if (!S_ISDIR(a.st_mode))
            return lk__fail(err, LK_IO, "%s: is a file; expected a folder that holds one folder per person",
                            path);
        for (size_t j = 0; j < i; j++)
            if (stat(sources[j].path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
                return lk__fail(err, LK_INVALID, "%s and %s are the same folder: name it once",
                                sources[j].path, path);
    }
    return LK_OK;
}

lk_status lk_dataset_open(const lk_source *sources, size_t count, lk_dataset **out, lk_error *err) {
    lk_status status = check_sources(sources, count, err);
    if (status != LK_OK) return status;
    lk_dataset *d = calloc(1, sizeof *d);
    if (d) d->crops = calloc(count, sizeof *d->crops);
    if (!d || !d->crops) status = lk__fail_memory(err, count * sizeof(lk_crop), "the list of sources");
    for (size_t i = 0; status == LK_OK && i < count; i++) {
        d->crops[i] = sources[i].crop;
        status = list_source(d, sources[i].path, i, err);
    }
    if (status == LK_OK) status = number_people(d, err);
    if (status != LK_OK) {
        lk_dataset_free(d);
        return status;
    }
    d->source_count = count;
    *out = d;
    return LK_OK;
}

void lk_dataset_free(lk_dataset *d) {
    if (!d) return;
    for (size_t i = 0; i < d->photo_count; i++) free(d->photos[i].path);
    for (size_t i = 0; i < d->person_count; i++) free(d->people[i].name);
    for (size_t i = 0; i < d->skip_count; i++) free(d->skips[i].path);
    free(d->photos);
    free(d->people);
    free(d->skips);
    free(d->crops);
    free(d);
}

size_t lk_dataset_people(const lk_dataset *d) {
    return d->person_count;
}

size_t lk_dataset_photos(const lk_dataset *d) {
    return d->photo_count;
}

const char *lk_dataset_person_name(const lk_dataset *d, size_t i) {
    LK__CHECK(i, <, d->person_count);
    return d->people[i].name;
}

void lk_dataset_person_photos(const lk_dataset *d, size_t i, size_t *first, size_t *count) {
    LK__CHECK(i, <, d->person_count);
    *first = d->people[i].first;
    *count = d->people[i].count;
}

size_t lk_dataset_photo_person(const lk_dataset *d, size_t i) {
    LK__CHECK(i, <, d->photo_count);
    return d->photos[i].person;
}

const char *lk_dataset_photo_path(const lk_dataset *d, size_t i) {
    LK__CHECK(i, <, d->photo_count);
    return d->photos[i].path;
}

lk_crop lk_dataset_photo_crop(const lk_dataset *d, size_t i) {
    LK__CHECK(i, <, d->photo_count);
    return d->crops[d->photos[i].source];
}

const char *lk_dataset_skipped(const lk_dataset *d, size_t i, lk_error *why) {
    if (i >= d->skip_count) return NULL;
    if (why) *why = d->skips[i].why;
    return d->skips[i].path;
}
