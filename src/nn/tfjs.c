/* tfjs.c: TensorFlow.js's weights: how models for browsers come in packages. Between such a package and
 * likeness import.
 *
 *   manifest  [{"paths": ["shard", ...],
 *               "weights": [{"name": ..., "shape": [...], "dtype": "float32",
 *                            "quantization": {"dtype": "uint8", "scale": s, "min": m}}, ...]}, ...]
 *   shards    of one group, one after another: its weights in their order, without holes: floats,
 * little-endian, or bytes q where it is quantised, which stand for q s + m
 *
 * A manifest comes from anywhere, so nothing in it is trusted. A shard lies beside it: names with a slash
 * would let it read any file. */
#include "nn/tfjs.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "floats are read in place and are little-endian");

enum { MANIFEST_LIMIT = 16 << 20, MOST_DIMS = 8, MOST_ARRAYS = 1 << 16 };
static const size_t data_limit = (size_t)1 << 30; /* of a group */

struct lk__tfjs {
    json_t *manifest; /* owns every name */
    size_t count;
    lk__tfjs_array *items; /* in the manifest's order; each owns its values */
};

void lk__tfjs_free(lk__tfjs *w) {
    if (!w) return;
    for (size_t i = 0; i < w->count; i++) free((void *)(uintptr_t)w->items[i].values);
    free(w->items);
    json_decref(w->manifest);
    free(w);
}

size_t lk__tfjs_count(const lk__tfjs *w) {
    return w->count;
}

const lk__tfjs_array *lk__tfjs_at(const lk__tfjs *w, size_t i) {
    return &w->items[i];
}

const lk__tfjs_array *lk__tfjs_find(const lk__tfjs *w, const char *name) {
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->items[i].name, name) == 0) return &w->items[i];
    return NULL;
}

/* ---- shards -------------------------------------------------------------------------------------- */

/* The shards of a group as one. */
typedef struct data {
    uint8_t *bytes;
    size_t size;
} data;

static lk_status append(data *d, const char *path, lk_error *err) {
    uint8_t *bytes = NULL;
    size_t size = 0;
    lk_status status = lk__file_read(path, data_limit - d->size, &bytes, &size, err);
    if (status != LK_OK) return status;
    uint8_t *grown = realloc(d->bytes, d->size + size + 1);
    if (grown) {
        memcpy(grown + d->size, bytes, size);
        d->bytes = grown;
        d->size += size;
    } else {
        status = lk__fail_memory(err, d->size + size + 1, path);
    }
    free(bytes);
    return status;
}

static lk_status read_shards(const json_t *paths, const char *manifest, data *out, lk_error *err) {
    const char *slash = strrchr(manifest, '/');
    int folder = slash ? (int)(slash - manifest) + 1 : 0;
    if (!json_is_array(paths) || json_array_size(paths) == 0)
        return lk__fail(err, LK_FORMAT, "%s: a group of weights has no list of paths", manifest);
    lk_status status = LK_OK;
    for (size_t i = 0; i < json_array_size(paths) && status == LK_OK; i++) {
        const char *name = json_string_value(json_array_get(paths, i));
        char path[4096];
        if (!name || !*name || strchr(name, '/'))
            return lk__fail(err, LK_FORMAT, "%s: a shard is called '%.100s': a file beside it was expected",
                            manifest, name ? name : "(not a string)");
        int length = snprintf(path, sizeof path, "%.*s%s", folder, manifest, name);
        if (length < 0 || (size_t)length >= sizeof path)
            return lk__fail(err, LK_FORMAT, "%s: too long a path of a shard", manifest);
        status = append(out, path, err);
    }
    return status;
}

/* ---- arrays -------------------------------------------------------------------------------------- */

/* How an array lies in its shard. */
typedef struct coding {
    bool quantised;
    double scale, min;
} coding;

static lk_status read_shape(const json_t *entry, lk__tfjs_array *a, const char *file, lk_error *err) {
    const json_t *shape = json_object_get(entry, "shape");
    size_t dims = json_array_size(shape);
    bool sound = json_is_array(shape) && dims <= MOST_DIMS;
    a->dims = (int)dims;
    a->count = 1;
    for (size_t d = 0; sound && d < dims; d++) {
        json_int_t size = json_integer_value(json_array_get(shape, d)); /* 0: no whole number */
        sound =
            size > 0 && !__builtin_mul_overflow(a->count, (size_t)size, &a->count) && a->count <= data_limit;
        a->shape[d] = size;
    }
    if (sound) return LK_OK;
    return lk__fail(err, LK_FORMAT, "%s: '%.100s': its shape is not a list of up to %d sound sizes", file,
                    a->name, MOST_DIMS);
}

static lk_status read_coding(const json_t *entry, const char *name, coding *out, const char *file,
                             lk_error *err) {
    const json_t *q = json_object_get(entry, "quantization");
    const char *type = json_string_value(json_object_get(entry, "dtype")),
               *stored = q ? json_string_value(json_object_get(q, "dtype")) : type;
    if (!type || strcmp(type, "float32") != 0 || !stored || strcmp(stored, q ? "uint8" : "float32") != 0)
        return lk__fail(
            err, LK_FORMAT,
            "%s: '%.100s': dtype %.20s, stored as %.20s: only float32, and that as uint8, are known", file,
            name, type ? type : "(missing)", stored ? stored : "(missing)");
    const json_t *scale = json_object_get(q, "scale"), *min = json_object_get(q, "min");
    *out = (coding){q != NULL, json_number_value(scale), json_number_value(min)};
    if (q && (!json_is_number(scale) || !json_is_number(min)))
        return lk__fail(err, LK_FORMAT, "%s: '%.100s': its quantization has no scale and min", file, name);
    return LK_OK;
}

/* The array's numbers; *at moves behind its bytes. */
static lk_status decode(const data *from, size_t *at, const coding *c, lk__tfjs_array *a, const char *file,
                        lk_error *err) {
    size_t bytes = a->count * (c->quantised ? 1 : sizeof(float));
    if (bytes > from->size - *at)
        return lk__fail(err, LK_FORMAT,
                        "%s: '%.100s' takes %zu bytes, and its shards have %zu left: are they complete?",
                        file, a->name, bytes, from->size - *at);
    float *values = malloc(a->count * sizeof *values);
    if (!values) return lk__fail_memory(err, a->count * sizeof *values, file);
    const uint8_t *source = from->bytes + *at;
    a->values = values; /* owned from here on */
    *at += bytes;
    if (!c->quantised) memcpy(values, source, bytes);
    for (size_t i = 0; i < a->count; i++) {
        if (c->quantised) values[i] = (float)(source[i] * c->scale + c->min);
        if (!isfinite(values[i]))
            return lk__fail(err, LK_FORMAT, "%s: '%.100s' holds a value that is no number", file, a->name);
    }
    return LK_OK;
}

static lk_status read_array(lk__tfjs *w, const json_t *entry, const data *from, size_t *at, const char *file,
                            lk_error *err) {
    lk__tfjs_array *a = &w->items[w->count];
    coding c = {0};
    a->name = json_string_value(json_object_get(entry, "name"));
    if (!a->name) return lk__fail(err, LK_FORMAT, "%s: weights without a name", file);
    if (lk__tfjs_find(w, a->name)) /* those before it */
        return lk__fail(err, LK_FORMAT, "%s: '%.100s' is there twice", file, a->name);
    lk_status status = read_shape(entry, a, file, err);
    if (status == LK_OK) status = read_coding(entry, a->name, &c, file, err);
    if (status != LK_OK) return status;
    w->count++;
    return decode(from, at, &c, a, file, err);
}

static lk_status read_group(lk__tfjs *w, const json_t *group, const char *file, lk_error *err) {
    const json_t *weights = json_object_get(group, "weights");
    size_t count = json_array_size(weights), at = 0;
    data d = {0};
    if (!json_is_array(weights))
        return lk__fail(err, LK_FORMAT, "%s: a group without a list of weights", file);
    if (count > MOST_ARRAYS - w->count)
        return lk__fail(err, LK_TOO_LARGE, "%s: more than %d arrays", file, MOST_ARRAYS);
    lk_status status = read_shards(json_object_get(group, "paths"), file, &d, err);
    lk__tfjs_array *grown =
        status == LK_OK ? realloc(w->items, (w->count + count + 1) * sizeof *w->items) : NULL;
    if (status == LK_OK && !grown) status = lk__fail_memory(err, count * sizeof *w->items, file);
    if (grown) {
        w->items = grown;
        memset(w->items + w->count, 0, count * sizeof *w->items);
    }
    for (size_t i = 0; i < count && status == LK_OK; i++)
        status = read_array(w, json_array_get(weights, i), &d, &at, file, err);
    if (status == LK_OK && at != d.size)
        status =
            lk__fail(err, LK_FORMAT, "%s: %zu bytes of its shards belong to no weights", file, d.size - at);
    free(d.bytes);
    return status;
}

/* ---- the manifest -------------------------------------------------------------------------------- */

static lk_status read_json(const char *path, json_t **out, lk_error *err) {
    uint8_t *bytes = NULL;
    size_t size = 0;
    json_error_t why;
    lk_status status = lk__file_read(path, MANIFEST_LIMIT, &bytes, &size, err);
    if (status != LK_OK) return status;
    *out = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, &why);
    if (!*out && json_error_code(&why) == json_error_out_of_memory)
        status = lk__fail_memory(err, size, path);
    else if (!*out)
        status = lk__fail(err, LK_FORMAT, "%s: is not sound JSON: %s", path, why.text);
    else if (!json_is_array(*out))
        status =
            lk__fail(err, LK_FORMAT, "%s: is no manifest of weights: a list of groups was expected", path);
    free(bytes);
    return status;
}

lk_status lk__tfjs_read(const char *manifest, lk__tfjs **out, lk_error *err) {
    lk__tfjs *w = calloc(1, sizeof *w);
    if (!w) return lk__fail_memory(err, sizeof *w, manifest);
    lk_status status = read_json(manifest, &w->manifest, err);
    size_t groups = status == LK_OK ? json_array_size(w->manifest) : 0;
    for (size_t i = 0; i < groups && status == LK_OK; i++)
        status = read_group(w, json_array_get(w->manifest, i), manifest, err);
    if (status != LK_OK) {
        lk__tfjs_free(w);
        return status;
    }
    *out = w;
    return LK_OK;
}
