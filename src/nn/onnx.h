/* onnx.h: a net and its weights as an ONNX file, for other programs to run. */
#ifndef LK_ONNX_H
#define LK_ONNX_H

#include "nn/net.h"

/* What a net does not know of itself. */
typedef struct lk__onnx_text {
    const char *input, *output; /* what the graph calls them */
    const char *description;
    const lk__meta *meta;
    size_t meta_count;
} lk__onnx_text;

/* Atomic; the same net, weights and text give the same bytes. */
lk_status lk__onnx_write(const char *path, const lk__spec *spec, const lk__weights *weights,
                         const lk__onnx_text *text, lk_error *err);

#endif
