/* import.c: an exported gallery, or vectors that were made elsewhere, into a gallery (docs/formats.md).
 *
 *   photos.jsonl, line by line, beside rows of vectors.safetensors and crops.safetensors -> lk_enrollment
 *
 * The files come from anywhere: shapes, lines and every text are looked at before they are believed; names,
 * times and vectors by whom they are given to (gallery.c). All of it is one transaction, so that a stop or a
 * bad line leaves the gallery as it was. */
#include "base/safetensors.h"
#include "gallery/exchange.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256, LINE_LIMIT = 1 << 16 };

typedef struct import_run {
    lk_gallery *g;
    const char *folder;
    char *path; /* of the lines */
    FILE *lines;
    lk__tensors *vectors, *crops; /* crops NULL: none */
    size_t count;
    int dim;
    const float *vector;
    const int64_t *ids, *crop_ends; /* NULL: not told */
    const double *quality;
    const uint8_t *crop;
} import_run;

/* ---- the tensors ---------------------------------------------------------------------------------- */

/* A tensor of this type with a row for each photo; NULL in *out if there is none and it need not be. */
static lk_status column(const import_run *r, const lk__tensors *from, const char *file, const char *name,
                        lk__dtype type, bool needed, const void **out, lk_error *err) {
    const lk__tensor *t = lk__tensors_find(from, name);
    *out = t ? t->data : NULL;
    if (!t && !needed) return LK_OK;
    if (t && t->dtype == type && t->dims == 1 && t->shape[0] == (int64_t)r->count) return LK_OK;
    return lk__fail(err, LK_FORMAT, "%s/%s: \"%s\" is %s, not %s of %zu, one for each vector", r->folder,
                    file, name, t ? "of another type or shape" : "missing", type == LK__F64 ? "F64" : "I64",
                    r->count);
}

static lk_status open_vectors(import_run *r, lk_error *err) {
    char *path = lk__path_join(r->folder, LK__EXPORT_VECTORS);
    if (!path) return lk__fail_memory(err, 64, r->folder);
    lk_status status = lk__tensors_map(path, &r->vectors, err);
    free(path);
    if (status != LK_OK) return status;
    const lk__tensor *t = lk__tensors_find(r->vectors, "vectors");
    if (!t || t->dtype != LK__F32 || t->dims != 2 || t->shape[1] < 1 || t->shape[1] > LK__DIM_LIMIT)
        return lk__fail(err, LK_FORMAT,
                        "%s/" LK__EXPORT_VECTORS ": \"vectors\" is %s, not F32 of (photos, numbers)",
                        r->folder, t ? "of another type or shape" : "missing");
    r->vector = t->data;
    r->count = (size_t)t->shape[0];
    r->dim = (int)t->shape[1];
    const void *ids, *quality;
    status = column(r, r->vectors, LK__EXPORT_VECTORS, "ids", LK__I64, false, &ids, err);
    if (status == LK_OK)
        status = column(r, r->vectors, LK__EXPORT_VECTORS, "qualities", LK__F64, false, &quality, err);
    if (status != LK_OK) return status;
    r->ids = ids;
    r->quality = quality;
    static const int64_t most = (int64_t)1 << 53;
    for (size_t i = 0; r->ids && i < r->count; i++)
        if (r->ids[i] <= (i ? r->ids[i - 1] : 0) || r->ids[i] > most)
            return lk__fail(err, LK_FORMAT,
                            "%s/" LK__EXPORT_VECTORS ": \"ids\" do not rise from above 0 at row %zu",
                            r->folder, i);
    return LK_OK;
}

static lk_status open_crops(import_run *r, lk_error *err) {
    char *path = lk__path_join(r->folder, LK__EXPORT_CROPS);
    if (!path) return lk__fail_memory(err, 64, r->folder);
    lk_error why = {LK_OK, ""};
    lk_status status = lk__tensors_map(path, &r->crops, &why);
    free(path);
    if (status == LK_NOT_FOUND) return LK_OK;
    if (status != LK_OK) {
        *err = why;
        return status;
    }
    const lk__tensor *bytes = lk__tensors_find(r->crops, "crops");
    const void *ends;
    if (!bytes || bytes->dtype != LK__U8 || bytes->dims != 1)
        return lk__fail(err, LK_FORMAT, "%s/" LK__EXPORT_CROPS ": \"crops\" is missing or no row of bytes",
                        r->folder);
    status = column(r, r->crops, LK__EXPORT_CROPS, "crop_ends", LK__I64, true, &ends, err);
    if (status != LK_OK) return status;
    r->crop_ends = ends;
    r->crop = bytes->data;
    int64_t before = 0;
    for (size_t i = 0; i < r->count; before = r->crop_ends[i++])
        if (r->crop_ends[i] < before || (uint64_t)r->crop_ends[i] > bytes->bytes)
            return lk__fail(err, LK_FORMAT,
                            "%s/" LK__EXPORT_CROPS ": \"crop_ends\" is no rising row of ends at row %zu",
                            r->folder, i);
    return LK_OK;
}

static void close_run(import_run *r) {
    if (r->lines) fclose(r->lines);
    lk__tensors_free(r->vectors);
    lk__tensors_free(r->crops);
    free(r->path);
}

/* ---- whose vectors -------------------------------------------------------------------------------- */

static void copy_meta(const lk__tensors *t, const char *key, char *out, size_t room) {
    const char *text = lk__tensors_meta(t, key);
    if (text && strlen(text) < room) strcpy(out, text);
}

static lk_status describe(const import_run *r, lk_gallery_info *info, lk_error *err) {
    char threshold[64] = "";
    *info = (lk_gallery_info){.photos = r->count, .dim = r->dim, .threshold = (double)NAN};
    copy_meta(r->vectors, "fingerprint", info->fingerprint, sizeof info->fingerprint);
    copy_meta(r->vectors, "model", info->model_path, sizeof info->model_path);
    copy_meta(r->vectors, "threshold", threshold, sizeof threshold);
    const char *format = lk__tensors_meta(r->vectors, "format");
    if (format && strcmp(format, LK__EXPORT_FORMAT) != 0)
        return lk__fail(err, LK_FORMAT,
                        "%s: says that it is \"%.60s\"; this likeness reads \"" LK__EXPORT_FORMAT "\"",
                        r->folder, format);
    if (*threshold) info->threshold = strtod(threshold, NULL);
    if (!(fabs(info->threshold) <= 1)) info->threshold = (double)NAN;
    return LK_OK;
}

lk_status lk_export_get_info(const char *folder, lk_gallery_info *info, lk_error *err) {
    import_run r = {.folder = folder};
    lk_gallery_info found;
    lk_status status = open_vectors(&r, err);
    if (status == LK_OK) status = describe(&r, &found, err);
    if (status == LK_OK) *info = found;
    close_run(&r);
    return status;
}

static lk_status check_kind(const import_run *r, lk_error *err) {
    lk_gallery_info info;
    lk_status status = describe(r, &info, err);
    if (status != LK_OK) return status;
    const lk_vector_kind kind = {.dim = info.dim,
                                 .fingerprint = *info.fingerprint ? info.fingerprint : r->g->info.fingerprint,
                                 .model_path = info.model_path};
    return lk_gallery_check_kind(r->g, &kind, err);
}

/* ---- the lines ------------------------------------------------------------------------------------ */

typedef struct lines {
    json_t *json[CHUNK]; /* own the texts below */
    lk_enrollment photo[CHUNK];
    size_t count;
} lines;

static lk_status text_of(const import_run *r, const json_t *line, const char *key, bool needed, size_t number,
                         const char **out, lk_error *err) {
    const json_t *value = json_object_get(line, key);
    bool none = !value || json_is_null(value);
    *out = json_string_value(value);
    if (*out ? strlen(*out) == json_string_length(value) : none && !needed) return LK_OK;
    return lk__fail(err, LK_FORMAT, "%s:%zu: \"%s\" is %s", r->path, number, key,
                    none ? "missing" : "not text, or has a zero byte in it");
}

static lk_status read_line(const import_run *r, char **buffer, size_t *room, size_t number, lines *l,
                           lk_error *err) {
    ssize_t length = getline(buffer, room, r->lines);
    if (length < 0 && ferror(r->lines)) return lk__fail_errno(err, "read", r->path);
    if (length < 0)
        return lk__fail(err, LK_FORMAT, "%s: ends after line %zu, but there are %zu vectors", r->path,
                        number - 1, r->count);
    json_error_t why;
    json_t *json = length <= LINE_LIMIT
                       ? json_loadb(*buffer, (size_t)length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why)
                       : NULL;
    if (!json_is_object(json)) {
        json_decref(json);
        return lk__fail(err, LK_FORMAT, "%s:%zu: is no object of JSON%s%s", r->path, number,
                        length > LINE_LIMIT ? ": too long a line"
                        : json              ? ""
                                            : ": ",
                        length > LINE_LIMIT || json ? "" : why.text);
    }
    lk_enrollment *p = &l->photo[l->count];
    l->json[l->count++] = json;
    *p = (lk_enrollment){.vector = r->vector + (number - 1) * (size_t)r->dim};
    lk_status status = text_of(r, json, "person", true, number, &p->person, err);
    if (status == LK_OK) status = text_of(r, json, "photo", true, number, &p->photo, err);
    if (status == LK_OK) status = text_of(r, json, "added", false, number, &p->added, err);
    if (status == LK_OK) status = text_of(r, json, "person_added", false, number, &p->person_added, err);
    if (status == LK_OK) status = text_of(r, json, "source", false, number, &p->source, err);
    if (r->quality) p->quality = r->quality[number - 1];
    if (r->crop_ends) {
        int64_t begin = number > 1 ? r->crop_ends[number - 2] : 0;
        p->crop_size = (size_t)(r->crop_ends[number - 1] - begin);
        if (p->crop_size) p->crop = r->crop + begin;
    }
    return status;
}

static lk_status enroll(import_run *r, lines *l, size_t first, lk__restore *state, lk_error *err) {
    lk_error why = {LK_OK, ""};
    lk_status status = r->ids ? lk__gallery_restore(r->g, l->photo, r->ids + first, l->count, state, &why)
                              : lk_gallery_enroll(r->g, l->photo, l->count, NULL, &why);
    if (status == LK_INVALID) /* of what was read, and not of how this was called */
        return lk__fail(err, LK_FORMAT, "%s: in lines %zu to %zu: %.600s", r->path, first + 1,
                        first + l->count, why.message);
    if (status != LK_OK) *err = why;
    return status;
}

static lk_status read_all(import_run *r, lk_progress_fn progress, void *context, lk_error *err) {
    lk__restore state = {.begun = false};
    char *buffer = NULL;
    size_t room = 0;
    lk_status status = LK_OK;
    lines *l = malloc(sizeof *l);
    if (!l) return lk__fail_memory(err, sizeof *l, r->folder);
    for (size_t i = 0; i < r->count && status == LK_OK;) {
        size_t first = i;
        l->count = 0;
        while (i < r->count && l->count < CHUNK && status == LK_OK)
            status = read_line(r, &buffer, &room, ++i, l, err);
        if (status == LK_OK) status = enroll(r, l, first, &state, err);
        for (size_t k = 0; k < l->count; k++) json_decref(l->json[k]);
        if (status == LK_OK && progress && progress(context, i, r->count))
            status = lk__fail(err, LK_STOPPED, "%s: stopped on request; nothing was imported", r->folder);
    }
    if (status == LK_OK && getline(&buffer, &room, r->lines) > 0)
        status =
            lk__fail(err, LK_FORMAT, "%s: has more lines than there are vectors (%zu)", r->path, r->count);
    free(buffer);
    free(l);
    return status;
}

static lk_status open_lines(import_run *r, lk_error *err) {
    r->path = lk__path_join(r->folder, LK__EXPORT_PHOTOS);
    if (!r->path) return lk__fail_memory(err, 64, r->folder);
    r->lines = fopen(r->path, "re");
    return r->lines ? LK_OK : lk__fail_errno(err, "open", r->path);
}

lk_status lk_gallery_import(lk_gallery *g, const char *folder, lk_progress_fn progress, void *context,
                            size_t *photos, lk_error *err) {
    import_run r = {.g = g, .folder = folder};
    lk_error ignored, *why = err ? err : &ignored;
    lk_status status = open_vectors(&r, why);
    if (status == LK_OK) status = check_kind(&r, why);
    if (status == LK_OK) status = open_crops(&r, why);
    if (status == LK_OK) status = open_lines(&r, why);
    if (status == LK_OK) status = lk_gallery_begin(g, why);
    if (status == LK_OK) {
        status = read_all(&r, progress, context, why);
        if (status == LK_OK)
            status = lk_gallery_commit(g, why);
        else
            lk_gallery_rollback(g);
    }
    if (status == LK_OK && photos) *photos = r.count;
    close_run(&r);
    return status;
}
