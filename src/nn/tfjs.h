/* tfjs.h: read the weights of another program's net as TensorFlow.js stores them: a manifest, and the shards
 * it names. */
#ifndef LK_TFJS_H
#define LK_TFJS_H

#include "base/base.h"

typedef struct lk__tfjs_array {
    const char *name;
    int dims;
    int64_t shape[8];
    size_t count;
    const float *values; /* (count), row-major; what was quantised is numbers again */
} lk__tfjs_array;

typedef struct lk__tfjs lk__tfjs;
/* The manifest, and the shards beside it. NOT_FOUND, IO; FORMAT for anything that is not sound: wrong shapes,
 * element types other than float32 and uint8, shards that are cut off or too long, numbers that are none. */
lk_status lk__tfjs_read(const char *manifest, lk__tfjs **out, lk_error *err);
void lk__tfjs_free(lk__tfjs *weights);
size_t lk__tfjs_count(const lk__tfjs *weights);
const lk__tfjs_array *lk__tfjs_at(const lk__tfjs *weights, size_t i);
const lk__tfjs_array *lk__tfjs_find(const lk__tfjs *weights, const char *name); /* NULL if absent */

#endif
