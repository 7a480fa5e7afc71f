/* safetensors.h: read and write the safetensors format (8-byte little-endian header length, JSON header,
 * data). The reader trusts nothing: every offset, shape and size is checked against the file. */
#ifndef LK_SAFETENSORS_H
#define LK_SAFETENSORS_H

#include "base/base.h"

typedef enum lk__dtype { LK__F32, LK__BF16, LK__F16, LK__I8, LK__U8, LK__I64, LK__F64 } lk__dtype;

typedef struct lk__tensor {
    const char *name;
    lk__dtype dtype;
    int dims;
    int64_t shape[8];
    const void *data; /* aligned to at least 8 bytes */
    size_t bytes;
} lk__tensor;

typedef struct lk__meta {
    const char *key, *value;
} lk__meta;

typedef struct lk__tensors lk__tensors;
/* FORMAT for anything that is not a sound file: wrong length, overlap, hole, unknown dtype, duplicate names,
 * ... */
lk_status lk__tensors_read(const char *path, lk__tensors **out, lk_error *err);
/* The same from memory; takes `bytes` (malloc'd), on failure too. `name` (may be NULL) is what errors call
 * it. */
lk_status lk__tensors_parse(uint8_t *bytes, size_t size, const char *name, lk__tensors **out, lk_error *err);
/* The same as lk__tensors_read, of a file of any size: the data stays on disk until it is looked at. Not for
 * files that somebody may cut short meanwhile. */
lk_status lk__tensors_map(const char *path, lk__tensors **out, lk_error *err);
void lk__tensors_free(lk__tensors *tensors);
size_t lk__tensors_count(const lk__tensors *tensors);
const lk__tensor *lk__tensors_at(const lk__tensors *tensors, size_t i);
const lk__tensor *lk__tensors_find(const lk__tensors *tensors, const char *name); /* NULL if absent */
const char *lk__tensors_meta(const lk__tensors *tensors, const char *key);        /* NULL if absent */
size_t lk__tensors_meta_count(const lk__tensors *tensors);
lk__meta lk__tensors_meta_at(const lk__tensors *tensors, size_t i);
/* Atomic; tensors in the order given, metadata keys too: the same input gives the same bytes. */
lk_status lk__tensors_write(const char *path, const lk__tensor *tensors, size_t count, const lk__meta *meta,
                            size_t meta_count, lk_error *err);
/* The same for data that is not all in memory: `tensors` describes it (its data is not read, of any size),
 * and the bytes of all of them, one after the other, are then written to the writer, who is committed. */
lk_status lk__tensors_begin(const char *path, const lk__tensor *tensors, size_t count, const lk__meta *meta,
                            size_t meta_count, lk__writer **out, lk_error *err);

#endif
