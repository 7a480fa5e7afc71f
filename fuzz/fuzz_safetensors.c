/* fuzz_safetensors.c: any bytes as a model file. What is accepted must be whole: names, and data that can be
 * read. */
#include "base/safetensors.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    uint8_t *copy = malloc(size + 1);
    if (!copy) return 0;
    memcpy(copy, bytes, size);
    lk__tensors *tensors = NULL;
    if (lk__tensors_parse(copy, size, "fuzz", &tensors, NULL) != LK_OK) return 0;
    volatile unsigned sum = 0; /* keeps the reads below */
    for (size_t i = 0; i < lk__tensors_count(tensors); i++) {
        const lk__tensor *t = lk__tensors_at(tensors, i);
        LK__CHECK((uintptr_t)t->data % 8, ==, 0);
        LK__CHECK(lk__tensors_find(tensors, t->name) == t, ==, 1);
        for (size_t b = 0; b < t->bytes; b++) sum += ((const uint8_t *)t->data)[b];
    }
    for (size_t i = 0; i < lk__tensors_meta_count(tensors); i++)
        sum += (unsigned)strlen(lk__tensors_meta_at(tensors, i).value);
    (void)sum;
    lk__tensors_free(tensors);
    return 0;
}
