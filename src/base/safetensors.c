/* safetensors.c: the file of tensors. Between memory and disk: models, checkpoints, exported galleries.
 *
 *   8 bytes            header length H, little-endian
 *   H bytes            JSON: {"__metadata__": {"key": "text", ...},
 *                             "name": {"dtype": ..., "shape": [...], "data_offsets": [begin, end]}, ...}
 *   the rest           the tensors' bytes, without holes
 *
 * A model comes from anywhere, so the reader trusts nothing: JSON that repeats a key, numbers that are no
 * whole numbers, shapes whose product overflows or disagrees with the offsets, overlaps, holes and bytes that
 * belong to no tensor are all refused with the tensor's name. What differs from the reference reader (Hugging
 * Face): the header may be 16 MB rather than 100, a tensor has at most 8 dimensions, only the element types
 * that are used here are known, and tensors whose bytes lie unaligned in the file are moved so that every
 * pointer handed out is aligned. */
#include "base/safetensors.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are read in place and are little-endian");

enum { LENGTH_BYTES = 8, HEADER_LIMIT = 16 << 20, ALIGNMENT = 64, MOST_DIMS = 8 };
static const size_t data_limit = (size_t)4 << 30;
static const char metadata_key[] = "__metadata__";

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {[LK__F32] = {"F32", 4}, [LK__BF16] = {"BF16", 2}, [LK__F16] = {"F16", 2}, [LK__I8] = {"I8", 1},
              [LK__U8] = {"U8", 1},   [LK__I64] = {"I64", 8},   [LK__F64] = {"F64", 8}};
enum { DTYPES = sizeof dtypes / sizeof dtypes[0] };

struct lk__tensors {
    json_t *header; /* owns every name, key and value */
    uint8_t *bytes; /* owns every tensor's data */
    size_t mapped;  /* bytes; 0: they are malloc'd */
    size_t count, meta_count;
    lk__tensor *items; /* in the header's order */
    lk__meta *meta;
};

static void release_bytes(lk__tensors *t) {
    if (t->mapped)
        munmap(t->bytes, t->mapped);
    else
        free(t->bytes);
}

void lk__tensors_free(lk__tensors *t) {
    if (!t) return;
    json_decref(t->header);
    release_bytes(t);
    free(t->items);
    free(t->meta);
    free(t);
}

/* ---- reading ------------------------------------------------------------------------------------- */

/* Bytes a tensor of this type and shape takes; false when a size is negative or the product overflows. */
static bool tensor_bytes(lk__dtype dtype, const int64_t *shape, int dims, size_t *bytes) {
    size_t product = dtypes[dtype].bytes;
    for (int i = 0; i < dims; i++)
        if (shape[i] < 0 || __builtin_mul_overflow(product, (size_t)shape[i], &product)) return false;
    *bytes = product;
    return true;
}

static lk_status read_dtype(const json_t *entry, lk__tensor *tensor, const char *file, lk_error *err) {
    const char *text = json_string_value(json_object_get(entry, "dtype"));
    for (int i = 0; text && i < DTYPES; i++) {
        if (strcmp(text, dtypes[i].name) != 0) continue;
        tensor->dtype = (lk__dtype)i;
        return LK_OK;
    }
    return lk__fail(err, LK_FORMAT,
                    "%s: tensor \"%.100s\": dtype %.20s is not one of F32, BF16, F16, I8, U8, I64, F64", file,
                    tensor->name, text ? text : "(missing)");
}

static lk_status read_shape(const json_t *entry, lk__tensor *tensor, const char *file, lk_error *err) {
    const json_t *shape = json_object_get(entry, "shape");
    size_t dims = json_array_size(shape);
    bool sound = json_is_array(shape) && dims <= MOST_DIMS;
    for (size_t i = 0; sound && i < dims; i++) {
        const json_t *size = json_array_get(shape, i);
        sound = json_is_integer(size);
        tensor->shape[i] = json_integer_value(size);
    }
    tensor->dims = (int)dims;
    if (sound && tensor_bytes(tensor->dtype, tensor->shape, tensor->dims, &tensor->bytes)) return LK_OK;
    return lk__fail(err, LK_FORMAT, "%s: tensor \"%.100s\": its shape is not a list of up to %d sound sizes",
                    file, tensor->name, MOST_DIMS);
}

typedef struct span {
    size_t begin, end; /* from the first byte after the header */
} span;

static lk_status read_offsets(const json_t *entry, const lk__tensor *tensor, size_t data_size, span *out,
                              const char *file, lk_error *err) {
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return lk__fail(err, LK_FORMAT, "%s: tensor \"%.100s\": data_offsets are not two whole numbers", file,
                        tensor->name);
    json_int_t b = json_integer_value(begin), e = json_integer_value(end);
    if (b < 0 || e < b || (uint64_t)e > data_size)
        return lk__fail(
            err, LK_FORMAT,
            "%s: tensor \"%.100s\": bytes %lld to %lld do not lie in the %zu bytes of data (is the file "
            "complete?)",
            file, tensor->name, (long long)b, (long long)e, data_size);
    if ((size_t)(e - b) != tensor->bytes)
        return lk__fail(err, LK_FORMAT,
                        "%s: tensor \"%.100s\": its shape asks for %zu bytes, its offsets give %lld", file,
                        tensor->name, tensor->bytes, (long long)(e - b));
    *out = (span){(size_t)b, (size_t)e};
    return LK_OK;
}

static lk_status read_metadata(const json_t *entry, lk__tensors *t, const char *file, lk_error *err) {
    if (!json_is_object(entry))
        return lk__fail(err, LK_FORMAT, "%s: %s is not a JSON object", file, metadata_key);
    t->meta = calloc(json_object_size(entry) + 1, sizeof *t->meta);
    if (!t->meta) return lk__fail_memory(err, (json_object_size(entry) + 1) * sizeof *t->meta, file);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)entry, key, value) {
        if (!json_is_string(value))
            return lk__fail(err, LK_FORMAT, "%s: %s \"%.100s\" is not a string", file, metadata_key, key);
        t->meta[t->meta_count++] = (lk__meta){key, json_string_value(value)};
    }
    return LK_OK;
}

static int by_begin(const void *a, const void *b) {
    const span *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) -
           (x->end < y->end); /* an empty tensor before the one that starts at the same byte */
}

/* Every byte of the data belongs to exactly one tensor. Sorts the spans. */
static lk_status check_cover(span *spans, size_t count, size_t data_size, const char *file, lk_error *err) {
    qsort(spans, count, sizeof *spans, by_begin);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (spans[i].begin != at)
            return lk__fail(err, LK_FORMAT, "%s: tensors %s at byte %zu of the data", file,
                            spans[i].begin < at ? "overlap" : "leave a hole", at);
        at = spans[i].end;
    }
    if (at != data_size)
        return lk__fail(err, LK_FORMAT, "%s: %zu bytes after the last tensor", file, data_size - at);
    return LK_OK;
}

/* The format promises no alignment: a header of odd length, or an odd tensor before this one, shifts the
 * data. */
static lk_status align_data(lk__tensors *t, const char *file, lk_error *err) {
    size_t room = 0;
    bool aligned = true;
    for (size_t i = 0; i < t->count; i++) {
        aligned = aligned && (uintptr_t)t->items[i].data % 8 == 0;
        room += (t->items[i].bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    if (aligned) return LK_OK;
    uint8_t *moved = aligned_alloc(ALIGNMENT, room + ALIGNMENT);
    if (!moved) return lk__fail_memory(err, room + ALIGNMENT, file);
    size_t at = 0;
    for (size_t i = 0; i < t->count; i++) {
        memcpy(moved + at, t->items[i].data, t->items[i].bytes);
        t->items[i].data = moved + at;
        at += (t->items[i].bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    release_bytes(t);
    t->bytes = moved;
    t->mapped = 0;
    return LK_OK;
}

static lk_status read_entries(lk__tensors *t, span *spans, const uint8_t *data, size_t data_size,
                              const char *file, lk_error *err) {
    const char *name;
    json_t *entry;
    json_object_foreach(t->header, name, entry) {
        lk_status status = LK_OK;
        if (strcmp(name, metadata_key) == 0) {
            status = read_metadata(entry, t, file, err);
            if (status != LK_OK) return status;
            continue;
        }
        lk__tensor *tensor = &t->items[t->count];
        span *where = &spans[t->count];
        tensor->name = name;
        if (json_object_size(entry) != 3) /* 0 when it is no object */
            return lk__fail(err, LK_FORMAT,
                            "%s: tensor \"%.100s\" is not described by dtype, shape and data_offsets", file,
                            name);
        status = read_dtype(entry, tensor, file, err);
        if (status == LK_OK) status = read_shape(entry, tensor, file, err);
        if (status == LK_OK) status = read_offsets(entry, tensor, data_size, where, file, err);
        if (status != LK_OK) return status;
        tensor->data = data + where->begin;
        t->count++;
    }
    return LK_OK;
}

static lk_status read_header(const uint8_t *bytes, size_t size, size_t *header_size, json_t **header,
                             const char *file, lk_error *err) {
    uint64_t length = 0;
    if (size >= LENGTH_BYTES) memcpy(&length, bytes, LENGTH_BYTES);
    if (size < LENGTH_BYTES + 2 || length < 2 || length > size - LENGTH_BYTES || bytes[LENGTH_BYTES] != '{')
        return lk__fail(err, LK_FORMAT, "%s: is not a safetensors file, or its start is damaged", file);
    if (length > HEADER_LIMIT)
        return lk__fail(err, LK_FORMAT, "%s: its header has %llu bytes, the limit is %d", file,
                        (unsigned long long)length, HEADER_LIMIT);
    json_error_t why;
    json_t *json =
        json_loadb((const char *)bytes + LENGTH_BYTES, (size_t)length, JSON_REJECT_DUPLICATES, &why);
    if (!json && json_error_code(&why) == json_error_out_of_memory)
        return lk__fail_memory(err, (size_t)length, file);
    if (!json) return lk__fail(err, LK_FORMAT, "%s: its header is not sound JSON: %s", file, why.text);
    *header = json;
    *header_size = (size_t)length;
    return LK_OK;
}

/* Takes `bytes`, on failure too. */
static lk_status parse(uint8_t *bytes, size_t size, bool mapped, const char *file, lk__tensors **out,
                       lk_error *err) {
    size_t header_size = 0;
    span *spans = NULL;
    lk__tensors *t = calloc(1, sizeof *t);
    lk__tensors held = {.bytes = bytes, .mapped = mapped ? size : 0};
    if (!t) {
        release_bytes(&held);
        return lk__fail_memory(err, sizeof *t, file);
    }
    *t = held;
    lk_status status = read_header(bytes, size, &header_size, &t->header, file, err);
    if (status == LK_OK) {
        size_t room = json_object_size(t->header) + 1;
        t->items = calloc(room, sizeof *t->items);
        spans = calloc(room, sizeof *spans);
        if (!t->items || !spans) status = lk__fail_memory(err, room * sizeof *t->items, file);
    }
    size_t start = LENGTH_BYTES + header_size;
    if (status == LK_OK) status = read_entries(t, spans, bytes + start, size - start, file, err);
    if (status == LK_OK) status = check_cover(spans, t->count, size - start, file, err);
    if (status == LK_OK) status = align_data(t, file, err);
    free(spans);
    if (status != LK_OK) {
        lk__tensors_free(t);
        return status;
    }
    *out = t;
    return LK_OK;
}

lk_status lk__tensors_parse(uint8_t *bytes, size_t size, const char *name, lk__tensors **out, lk_error *err) {
    return parse(bytes, size, false, name ? name : "(memory)", out, err);
}

lk_status lk__tensors_read(const char *path, lk__tensors **out, lk_error *err) {
    uint8_t *bytes = NULL;
    size_t size = 0;
    lk_status status = lk__file_read(path, LENGTH_BYTES + HEADER_LIMIT + data_limit, &bytes, &size, err);
    return status == LK_OK ? parse(bytes, size, false, path, out, err) : status;
}

lk_status lk__tensors_map(const char *path, lk__tensors **out, lk_error *err) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return lk__fail_errno(err, "open", path);
    lk_status status = fstat(fd, &st) == 0 ? LK_OK : lk__fail_errno(err, "read", path);
    if (status == LK_OK && (!S_ISREG(st.st_mode) || st.st_size < LENGTH_BYTES))
        status = lk__fail(err, LK_FORMAT, "%s: is not a safetensors file", path);
    void *bytes =
        status == LK_OK ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    if (status == LK_OK && bytes == MAP_FAILED) status = lk__fail_errno(err, "read", path);
    close(fd);
    return status == LK_OK ? parse(bytes, (size_t)st.st_size, true, path, out, err) : status;
}

/* ---- looking ------------------------------------------------------------------------------------- */

size_t lk__tensors_count(const lk__tensors *t) {
    return t->count;
}
const lk__tensor *lk__tensors_at(const lk__tensors *t, size_t i) {
    return i < t->count ? &t->items[i] : NULL;
}
size_t lk__tensors_meta_count(const lk__tensors *t) {
    return t->meta_count;
}

lk__meta lk__tensors_meta_at(const lk__tensors *t, size_t i) {
    return i < t->meta_count ? t->meta[i] : (lk__meta){NULL, NULL};
}

const lk__tensor *lk__tensors_find(const lk__tensors *t, const char *name) {
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->items[i].name, name) == 0) return &t->items[i];
    return NULL;
}

const char *lk__tensors_meta(const lk__tensors *t, const char *key) {
    for (size_t i = 0; i < t->meta_count; i++)
        if (strcmp(t->meta[i].key, key) == 0) return t->meta[i].value;
    return NULL;
}

/* ---- writing ------------------------------------------------------------------------------------- */

/* jansson refuses a key or text that is not UTF-8, and keeps keys in the order they came. */
static lk_status describe_metadata(json_t *header, const lk__meta *meta, size_t count, const char *path,
                                   lk_error *err) {
    if (count == 0) return LK_OK;
    json_t *map = json_object();
    lk_status status =
        json_object_set_new(header, metadata_key, map) ? lk__fail_memory(err, 64, path) : LK_OK;
    for (size_t i = 0; i < count && status == LK_OK; i++)
        if (json_object_get(map, meta[i].key) ||
            json_object_set_new(map, meta[i].key, json_string(meta[i].value)))
            status = lk__fail(err, LK_INVALID, "%s: metadata \"%.100s\" is repeated or not UTF-8 text", path,
                              meta[i].key);
    return status;
}

static lk_status describe_tensor(json_t *header, const lk__tensor *tensor, size_t begin, const char *path,
                                 lk_error *err) {
    size_t bytes = 0;
    bool sound = (unsigned)tensor->dtype < DTYPES && tensor->dims >= 0 && tensor->dims <= MOST_DIMS &&
                 tensor_bytes(tensor->dtype, tensor->shape, tensor->dims, &bytes) && bytes == tensor->bytes;
    if (!sound || strcmp(tensor->name, metadata_key) == 0 || json_object_get(header, tensor->name))
        return lk__fail(err, LK_INVALID, "%s: tensor \"%.100s\" is repeated or its shape and bytes disagree",
                        path, tensor->name);
    json_t *shape = json_array();
    for (int i = 0; i < tensor->dims; i++) json_array_append_new(shape, json_integer(tensor->shape[i]));
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtypes[tensor->dtype].name, "shape", shape,
                              "data_offsets", (json_int_t)begin, (json_int_t)(begin + bytes));
    if (!entry || json_object_set_new(header, tensor->name, entry) != 0)
        return lk__fail(err, LK_INVALID, "%s: tensor \"%.100s\": its name is not UTF-8 text", path,
                        tensor->name);
    return LK_OK;
}

/* The header text, padded with spaces so that the data starts at a multiple of 8 bytes. malloc'd. */
static lk_status describe(const lk__tensor *tensors, size_t count, const lk__meta *meta, size_t meta_count,
                          const char *path, char **text, size_t *size, lk_error *err) {
    json_t *header = json_object();
    if (!header) return lk__fail_memory(err, 64, path);
    lk_status status = describe_metadata(header, meta, meta_count, path, err);
    size_t at = 0;
    for (size_t i = 0; i < count && status == LK_OK; i++) {
        status = describe_tensor(header, &tensors[i], at, path, err);
        if (status == LK_OK && __builtin_add_overflow(at, tensors[i].bytes, &at))
            status = lk__fail(err, LK_TOO_LARGE, "%s: over %zu bytes of tensors", path, SIZE_MAX);
    }
    size_t length = status == LK_OK ? json_dumpb(header, NULL, 0, JSON_COMPACT) : 0;
    size_t padded = (length + 7) / 8 * 8;
    char *buffer = status == LK_OK ? malloc(padded + 1) : NULL;
    if (status == LK_OK && padded > HEADER_LIMIT)
        status = lk__fail(err, LK_TOO_LARGE, "%s: a header of %zu bytes, the limit is %d", path, padded,
                          HEADER_LIMIT);
    if (status == LK_OK && (!buffer || json_dumpb(header, buffer, length, JSON_COMPACT) != length))
        status = lk__fail_memory(err, padded, path);
    json_decref(header);
    if (status != LK_OK) {
        free(buffer);
        return status;
    }
    memset(buffer + length, ' ', padded - length);
    *text = buffer;
    *size = padded;
    return LK_OK;
}

lk_status lk__tensors_begin(const char *path, const lk__tensor *tensors, size_t count, const lk__meta *meta,
                            size_t meta_count, lk__writer **out, lk_error *err) {
    char *text = NULL;
    size_t size = 0;
    lk__writer *writer = NULL;
    lk_status status = describe(tensors, count, meta, meta_count, path, &text, &size, err);
    if (status != LK_OK) return status;
    uint64_t length = size;
    status = lk__writer_open(path, &writer, err);
    if (status == LK_OK) status = lk__writer_write(writer, &length, sizeof length, err);
    if (status == LK_OK) status = lk__writer_write(writer, text, size, err);
    free(text);
    if (status == LK_OK)
        *out = writer;
    else
        lk__writer_abort(writer);
    return status;
}

lk_status lk__tensors_write(const char *path, const lk__tensor *tensors, size_t count, const lk__meta *meta,
                            size_t meta_count, lk_error *err) {
    size_t left = data_limit;
    for (size_t i = 0; i < count; left -= tensors[i++].bytes)
        if (tensors[i].bytes > left)
            return lk__fail(err, LK_TOO_LARGE, "%s: over %zu bytes of tensors", path, data_limit);
    lk__writer *writer = NULL;
    lk_status status = lk__tensors_begin(path, tensors, count, meta, meta_count, &writer, err);
    if (status != LK_OK) return status;
    for (size_t i = 0; i < count && status == LK_OK; i++)
        status = lk__writer_write(writer, tensors[i].data, tensors[i].bytes, err);
    if (status == LK_OK) return lk__writer_commit(writer, err);
    lk__writer_abort(writer);
    return status;
}
