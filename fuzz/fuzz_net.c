/* fuzz_net.c: any text as a net. What is accepted must have shapes that fit together from layer to layer. */
#include "nn/net.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char *text = malloc(size + 1);
    lk__spec *spec = malloc(sizeof *spec);
    if (text && spec) {
        memcpy(text, bytes, size);
        text[size] = 0;
        if (lk__spec_parse(text, spec, NULL) == LK_OK) {
            LK__CHECK(spec->count, >, 0);
            LK__CHECK(spec->count, <=, LK__LAYERS_MAX);
            LK__CHECK(spec->dim, >, 0);
            LK__CHECK(spec->layers[0].in_c, ==, spec->c);
            LK__CHECK(spec->layers[spec->count - 1].out_c, ==, spec->dim);
            for (int i = 0; i < spec->count; i++)
                LK__CHECK(spec->layers[i].out_c > 0 && spec->layers[i].out_h > 0 && spec->layers[i].out_w > 0,
                          ==, 1);
        }
    }
    free(spec);
    free(text);
    return 0;
}
