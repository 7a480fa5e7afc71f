/* export.c: a gallery to a folder of files that any program can read (docs/formats.md): who is on which photo
 * as lines of JSON, vectors and crops as safetensors.
 *
 *   gallery -> the list of its photos, in memory -> photos.jsonl
 *           -> vector by vector                  -> vectors.safetensors
 *           -> crop by crop                      -> crops.safetensors
 *
 * Only the list is held in memory. The store is read in many small steps and not under one lock, which would
 * keep others from writing for as long as the disk takes; whether anything was changed meanwhile is looked at
 * in the end, and then nothing was exported. */
#include "base/safetensors.h"
#include "gallery/exchange.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct entry {
    int64_t id;
    size_t crop_size;
    double quality;
} entry;

/* A person and when they were added; in the order of their names, as they are listed. */
typedef struct who {
    char *name, *added;
} who;

typedef struct export_run {
    lk_gallery *g;
    const lk_export_options *options;
    char *folder; /* the temporary one */
    lk__cursors start;
    who *people;
    size_t people_count;
    entry *photos;
    size_t count;
    size_t crop_bytes;
    size_t done; /* photos and, in a second round, crops */
    lk__writer *lines;
    lk_status status; /* of a callback that cannot say so */
    lk_error *err;
} export_run;

static lk_status changed(const export_run *r) {
    return lk__fail(r->err, LK_BUSY,
                    "%s: was changed while it was being exported; try again, or export a backup of it",
                    r->g->path);
}

static lk_status ends(lk_gallery *g, lk__cursors *out, lk_error *err) {
    pthread_mutex_lock(&g->follow);
    lk_status status = g->store->ops->ends(g->store, out, err);
    pthread_mutex_unlock(&g->follow);
    return status;
}

/* ---- who there is --------------------------------------------------------------------------------- */

static int keep_person(void *context, const char *person, size_t photos, const char *added) {
    export_run *r = context;
    (void)photos;
    who *grown = lk__grow(r->people, r->people_count, sizeof *grown);
    if (grown) {
        r->people = grown;
        who *w = &grown[r->people_count];
        *w = (who){strdup(person), strdup(added)};
        if (w->name && w->added) {
            r->people_count++;
            return 0;
        }
        free(w->name);
        free(w->added);
    }
    r->status = lk__fail_memory(r->err, sizeof *grown, r->g->path);
    return 1;
}

static int by_name(const void *key, const void *item) {
    return strcmp(key, ((const who *)item)->name);
}

static const who *find_person(const export_run *r, const char *name) {
    return bsearch(name, r->people, r->people_count, sizeof *r->people, by_name);
}

/* The walk of the end finds whom the walk of the start found. */
typedef struct comparison {
    const export_run *r;
    size_t at;
    bool same;
} comparison;

static int same_person(void *context, const char *person, size_t photos, const char *added) {
    comparison *c = context;
    const who *w = c->at < c->r->people_count ? &c->r->people[c->at++] : NULL;
    (void)photos;
    c->same = w && strcmp(w->name, person) == 0 && strcmp(w->added, added) == 0;
    return !c->same;
}

static lk_status unchanged(const export_run *r) {
    lk__cursors now = {0, 0};
    comparison c = {.r = r, .same = true};
    lk_status status = lk_gallery_each_person(r->g, same_person, &c, r->err);
    if (status == LK_OK) status = ends(r->g, &now, r->err);
    if (status != LK_OK) return status;
    bool same =
        c.same && c.at == r->people_count && now.photo == r->start.photo && now.removed == r->start.removed;
    return same ? LK_OK : changed(r);
}

/* ---- photos.jsonl --------------------------------------------------------------------------------- */

static int write_line(void *context, const lk_gallery_photo *photo) {
    export_run *r = context;
    const who *w = find_person(r, photo->person);
    entry *grown = lk__grow(r->photos, r->count, sizeof *grown);
    if (!grown) {
        r->status = lk__fail_memory(r->err, sizeof *grown, r->g->path);
        return 1;
    }
    r->photos = grown;
    grown[r->count++] = (entry){photo->id, photo->crop_size, photo->quality};
    r->crop_bytes += photo->crop_size;
    if (!w) {
        r->status = changed(r);
        return 1;
    }
    json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:s?}", "person", photo->person, "photo", photo->photo,
                             "added", photo->added, "person_added", w->added, "source", photo->source);
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    if (!text) {
        r->status = lk__fail_memory(r->err, strlen(photo->photo), r->g->path);
        return 1;
    }
    r->status = lk__writer_write(r->lines, text, strlen(text), r->err);
    if (r->status == LK_OK) r->status = lk__writer_write(r->lines, "\n", 1, r->err);
    free(text);
    return r->status != LK_OK;
}

static lk_status write_lines(export_run *r) {
    char *path = lk__path_join(r->folder, LK__EXPORT_PHOTOS);
    if (!path) return lk__fail_memory(r->err, 64, r->folder);
    lk_status status = lk__writer_open(path, &r->lines, r->err);
    free(path);
    if (status != LK_OK) return status;
    status = lk_gallery_each_photo(r->g, NULL, write_line, r, r->err);
    if (status == LK_OK) status = r->status;
    if (status == LK_OK) return lk__writer_commit(r->lines, r->err);
    lk__writer_abort(r->lines);
    return status;
}

/* ---- tensors -------------------------------------------------------------------------------------- */

static lk_status step(export_run *r) {
    size_t total = r->count * (r->options->crops && r->crop_bytes ? 2 : 1);
    if (++r->done % 1024 && r->done != total) return LK_OK;
    if (r->options->progress && r->options->progress(r->options->context, r->done, total))
        return lk__fail(r->err, LK_STOPPED, "%s: stopped on request; nothing was exported", r->g->path);
    return LK_OK;
}

static lk_status write_vectors(export_run *r, lk__writer *w, float *vector) {
    size_t bytes = (size_t)r->g->info.dim * sizeof *vector;
    lk_status status = LK_OK;
    for (size_t i = 0; i < r->count && status == LK_OK; i++) {
        status = lk_gallery_get_vector(r->g, r->photos[i].id, vector, r->err);
        if (status == LK_NOT_FOUND) status = changed(r);
        if (status == LK_OK) status = lk__writer_write(w, vector, bytes, r->err);
        if (status == LK_OK) status = step(r);
    }
    for (size_t i = 0; i < r->count && status == LK_OK; i++)
        status = lk__writer_write(w, &r->photos[i].id, sizeof r->photos[i].id, r->err);
    for (size_t i = 0; i < r->count && status == LK_OK; i++)
        status = lk__writer_write(w, &r->photos[i].quality, sizeof r->photos[i].quality, r->err);
    return status;
}

static lk_status write_crops(export_run *r, lk__writer *w) {
    int64_t end = 0;
    lk_status status = LK_OK;
    for (size_t i = 0; i < r->count && status == LK_OK; i++) {
        end += (int64_t)r->photos[i].crop_size;
        status = lk__writer_write(w, &end, sizeof end, r->err);
    }
    for (size_t i = 0; i < r->count && status == LK_OK; i++) {
        uint8_t *crop = NULL;
        size_t size = 0;
        if (r->photos[i].crop_size) {
            status = lk_gallery_get_crop(r->g, r->photos[i].id, &crop, &size, r->err);
            if (status == LK_NOT_FOUND || (status == LK_OK && size != r->photos[i].crop_size))
                status = changed(r);
            if (status == LK_OK) status = lk__writer_write(w, crop, size, r->err);
            free(crop);
        }
        if (status == LK_OK) status = step(r);
    }
    return status;
}

typedef struct tensor_list {
    lk__tensor items[3];
    size_t count;
} tensor_list;

static void describe(tensor_list *list, const char *name, lk__dtype type, size_t rows, size_t columns,
                     size_t item) {
    lk__tensor *t = &list->items[list->count++];
    *t = (lk__tensor){.name = name, .dtype = type, .dims = columns ? 2 : 1};
    t->shape[0] = (int64_t)rows;
    t->shape[1] = (int64_t)columns;
    t->bytes = rows * (columns ? columns : 1) * item;
}

static lk_status write_tensors(export_run *r, bool crops) {
    const lk_gallery_info *info = &r->g->info;
    char threshold[40];
    const lk__meta meta[] = {{"format", LK__EXPORT_FORMAT},
                             {"fingerprint", info->fingerprint},
                             {"model", info->model_path},
                             {"threshold", lk__real_text(info->threshold, threshold)}};
    tensor_list list = {.count = 0};
    if (crops) {
        describe(&list, "crop_ends", LK__I64, r->count, 0, sizeof(int64_t));
        describe(&list, "crops", LK__U8, r->crop_bytes, 0, 1);
    } else {
        describe(&list, "vectors", LK__F32, r->count, (size_t)info->dim, sizeof(float));
        describe(&list, "ids", LK__I64, r->count, 0, sizeof(int64_t));
        describe(&list, "qualities", LK__F64, r->count, 0, sizeof(double));
    }
    lk__writer *w = NULL;
    char *path = lk__path_join(r->folder, crops ? LK__EXPORT_CROPS : LK__EXPORT_VECTORS);
    float *vector = malloc((size_t)info->dim * sizeof *vector);
    lk_status status = path && vector ? LK_OK : lk__fail_memory(r->err, 64, r->folder);
    if (status == LK_OK)
        status = lk__tensors_begin(path, list.items, list.count, meta, crops ? 1 : 4, &w, r->err);
    if (status == LK_OK) {
        status = crops ? write_crops(r, w) : write_vectors(r, w, vector);
        if (status == LK_OK)
            status = lk__writer_commit(w, r->err);
        else
            lk__writer_abort(w);
    }
    free(path);
    free(vector);
    return status;
}

/* ---- the folder ----------------------------------------------------------------------------------- */

static void folder_drop(const char *folder) {
    static const char *const names[] = {LK__EXPORT_PHOTOS, LK__EXPORT_VECTORS, LK__EXPORT_CROPS};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = lk__path_join(folder, names[i]);
        if (path) unlink(path);
        free(path);
    }
    rmdir(folder);
}

static lk_status export_all(export_run *r) {
    lk_status status = ends(r->g, &r->start, r->err);
    if (status == LK_OK) status = lk_gallery_each_person(r->g, keep_person, r, r->err);
    if (status == LK_OK) status = r->status;
    if (status == LK_OK) status = write_lines(r);
    if (status == LK_OK) status = write_tensors(r, false);
    if (status == LK_OK && r->options->crops && r->crop_bytes) status = write_tensors(r, true);
    return status == LK_OK ? unchanged(r) : status;
}

/* Into a folder beside it, which is then renamed: what has the name is complete. */
lk_status lk_gallery_export(lk_gallery *g, const char *folder, const lk_export_options *options,
                            lk_gallery_info *info, lk_error *err) {
    lk_error ignored;
    export_run r = {.g = g, .options = options, .err = err ? err : &ignored};
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/') length--;
    struct stat st;
    if (stat(folder, &st) == 0)
        return lk__fail(err, LK_INVALID, "%s: is there already; give a new folder", folder);
    if (asprintf(&r.folder, "%.*s.tmp.%ld", (int)length, folder, (long)getpid()) < 0)
        return lk__fail_memory(err, length, folder);
    if (mkdir(r.folder, 0700) != 0) {
        lk_status failed = lk__fail_errno(err, "make", folder);
        free(r.folder);
        return failed;
    }
    lk_status status = export_all(&r);
    if (status == LK_OK && rename(r.folder, folder) != 0) status = lk__fail_errno(err, "make", folder);
    if (status == LK_OK) {
        lk__folder_sync(folder);
        if (info) {
            *info = g->info;
            info->people = r.people_count;
            info->photos = r.count;
        }
    } else {
        folder_drop(r.folder);
    }
    for (size_t i = 0; i < r.people_count; i++) {
        free(r.people[i].name);
        free(r.people[i].added);
    }
    free(r.people);
    free(r.photos);
    free(r.folder);
    return status;
}
