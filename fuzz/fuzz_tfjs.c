/* fuzz_tfjs.c: any bytes as a manifest of TensorFlow.js, and after its first zero byte as the shard `s`
 * beside it. What is accepted must be whole: names that are found, shapes that are as many finite numbers. */
#include "nn/tfjs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static char folder[] = "/tmp/likeness-fuzz-XXXXXX", manifest[64], shard[64];

static void drop(void) {
    remove(manifest);
    remove(shard);
    remove(folder);
}

static int write_file(const char *path, const uint8_t *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    if (!file) return -1;
    size_t written = size ? fwrite(bytes, 1, size, file) : 0;
    return fclose(file) == 0 && written == size ? 0 : -1;
}

static void check(const lk__tfjs *weights) {
    for (size_t i = 0; i < lk__tfjs_count(weights); i++) {
        const lk__tfjs_array *a = lk__tfjs_at(weights, i);
        size_t count = 1;
        for (int d = 0; d < a->dims; d++) count *= (size_t)a->shape[d];
        LK__CHECK(count, ==, a->count);
        LK__CHECK(lk__tfjs_find(weights, a->name) == a, ==, 1);
        for (size_t k = 0; k < count; k++) LK__CHECK(isfinite(a->values[k]) != 0, ==, 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const uint8_t *zero = size ? memchr(bytes, 0, size) : NULL;
    size_t json = zero ? (size_t)(zero - bytes) : size;
    if (!*manifest) {
        if (!mkdtemp(folder)) abort();
        snprintf(manifest, sizeof manifest, "%s/m", folder);
        snprintf(shard, sizeof shard, "%s/s", folder);
        atexit(drop);
    }
    if (write_file(manifest, bytes, json) != 0 ||
        write_file(shard, zero ? zero + 1 : bytes, zero ? size - json - 1 : 0) != 0)
        abort();
    lk__tfjs *weights = NULL;
    if (lk__tfjs_read(manifest, &weights, NULL) == LK_OK) {
        check(weights);
        lk__tfjs_free(weights);
    }
    return 0;
}
