/* onnx.c: a net as an ONNX graph, for programs that are not this one (docs/formats.md).
 *
 *   lk__spec + lk__weights -> one node a layer -> file
 *
 * The graph is for inference only, so a batch norm right after a convolution or linear layer is folded into
 * its weights, in double: not every runtime would do it itself, and those that do round to float on the way.
 *
 * An ONNX file is one protobuf message. It is written by hand: of protobuf only three kinds of field are
 * needed, and only writing; the ONNX schema, the code protobuf-c makes of it and that library would be many
 * times this file. Field numbers are those of onnx.proto. */
#include "nn/onnx.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Old enough for the runtimes of years ago, and still read by those of today. */
enum { OPSET = 13, IR_VERSION = 8 };

/* ---- protobuf ------------------------------------------------------------------------------------ */

/* Message in the making. Once memory has run out it stays out and nothing more is written. */
typedef struct buffer {
    uint8_t *bytes;
    size_t size, room;
    bool out_of_memory;
} buffer;

/* Room for `size` bytes at the end, good until the next call; NULL without memory. */
static uint8_t *extend(buffer *b, size_t size) {
    if (b->out_of_memory) return NULL;
    if (b->room - b->size < size) {
        size_t room = 2 * b->size + size + 4096;
        uint8_t *grown = realloc(b->bytes, room);
        b->out_of_memory = !grown;
        if (!grown) return NULL;
        b->bytes = grown;
        b->room = room;
    }
    b->size += size;
    return b->bytes + b->size - size;
}

/* Seven bits a byte, lowest first; the high bit says that more follow. */
static void put_varint(buffer *b, uint64_t v) {
    uint8_t bytes[10];
    size_t n = 0;
    for (; v > 127; v >>= 7) bytes[n++] = (uint8_t)(v | 128);
    bytes[n++] = (uint8_t)v;
    uint8_t *at = extend(b, n);
    if (at) memcpy(at, bytes, n);
}

enum { WIRE_VARINT = 0, WIRE_BYTES = 2, WIRE_FLOAT = 5 };
static void put_key(buffer *b, unsigned field, unsigned wire) {
    put_varint(b, field << 3 | wire);
}

static void put_int(buffer *b, unsigned field, int64_t v) {
    put_key(b, field, WIRE_VARINT);
    put_varint(b, (uint64_t)v);
}

static void put_float(buffer *b, unsigned field, float v) {
    put_key(b, field, WIRE_FLOAT);
    uint8_t *at = extend(b, sizeof v);
    if (at) memcpy(at, &v, sizeof v);
}

/* Bytes to be filled, NULL without memory. */
static uint8_t *put_room(buffer *b, unsigned field, size_t size) {
    put_key(b, field, WIRE_BYTES);
    put_varint(b, size);
    return extend(b, size);
}

static void put_bytes(buffer *b, unsigned field, const void *bytes, size_t size) {
    uint8_t *at = put_room(b, field, size);
    if (at) memcpy(at, bytes, size);
}

static void put_text(buffer *b, unsigned field, const char *text) {
    put_bytes(b, field, text, strlen(text));
}

/* A message comes after its length, which is known only at its end. So five bytes are kept free for it, all
 * of them used even if the length would fit into fewer, which protobuf allows. */
enum { LENGTH_BYTES = 5 };
static size_t message_open(buffer *b, unsigned field) {
    put_key(b, field, WIRE_BYTES);
    (void)extend(b, LENGTH_BYTES);
    return b->size;
}

static void message_close(buffer *b, size_t start) {
    if (b->out_of_memory) return;
    uint64_t length = b->size - start;
    for (int i = 0; i < LENGTH_BYTES; i++, length >>= 7)
        b->bytes[start - LENGTH_BYTES + (size_t)i] =
            (uint8_t)((length & 127) | (i + 1 < LENGTH_BYTES ? 128 : 0));
}

/* ---- the parts of a graph ------------------------------------------------------------------------ */

enum { NAME_BYTES = 40, ELEMENT_FLOAT = 1, ELEMENT_INT64 = 7 };

/* What a node makes. Gemm and LpNormalization know (N, C) only, all others are given (N, C, 1, 1). */
typedef struct value {
    char name[NAME_BYTES];
    bool flat;
} value;

typedef struct graph {
    buffer out;
    const lk__spec *spec;
    const lk__weights *weights;
    const lk__onnx_text *text;
    double *scale, *shift; /* (channels): what folding does to the layer at hand */
    int depth;
    value now, stack[LK__LAYERS_MAX];
} graph;

static void name_of(const graph *g, int i, const char *what, char name[NAME_BYTES]) {
    snprintf(name, NAME_BYTES, "%02d.%s%s", i, lk__kind_name(g->spec->layers[i].kind), what);
}

/* An initialiser; returns its data to be filled, NULL without memory. Nodes and initialisers may lie in any
 * order among each other, so each layer writes both at once. */
static uint8_t *put_tensor(graph *g, const char *name, int element, size_t element_bytes, int dims,
                           const int64_t *shape) {
    buffer *b = &g->out;
    size_t tensor = message_open(b, 5), bytes = element_bytes;
    for (int d = 0; d < dims; d++) {
        put_int(b, 1, shape[d]);
        bytes *= (size_t)shape[d];
    }
    put_int(b, 2, element);
    put_text(b, 8, name);
    uint8_t *data = put_room(b, 9, bytes);
    message_close(b, tensor);
    return data;
}

/* One of the layer's own arrays as it is. */
static void put_param(graph *g, int i, const char *what, int dims, const int64_t *shape) {
    const lk__param *p = lk__weights_find(g->weights, i, what);
    uint8_t *data = put_tensor(g, p->name, ELEMENT_FLOAT, sizeof(float), dims, shape);
    if (data) memcpy(data, p->value, p->count * sizeof(float));
}

/* A node that makes `output` of up to five inputs; NULL ends them. Attributes may follow, then message_close.
 */
static size_t node_open(graph *g, const char *op, const char *name, const char *output,
                        const char *const *inputs) {
    buffer *b = &g->out;
    size_t node = message_open(b, 1);
    for (; *inputs; inputs++) put_text(b, 1, *inputs);
    put_text(b, 2, output);
    put_text(b, 3, name);
    put_text(b, 4, op);
    return node;
}

enum { ATTRIBUTE_FLOAT = 1, ATTRIBUTE_INT = 2, ATTRIBUTE_INTS = 7 };
static void put_attribute_int(graph *g, const char *name, int v) {
    size_t attribute = message_open(&g->out, 5);
    put_text(&g->out, 1, name);
    put_int(&g->out, 3, v);
    put_int(&g->out, 20, ATTRIBUTE_INT);
    message_close(&g->out, attribute);
}

static void put_attribute_float(graph *g, const char *name, float v) {
    size_t attribute = message_open(&g->out, 5);
    put_text(&g->out, 1, name);
    put_float(&g->out, 2, v);
    put_int(&g->out, 20, ATTRIBUTE_FLOAT);
    message_close(&g->out, attribute);
}

static void put_attribute_ints(graph *g, const char *name, int count, const int *v) {
    size_t attribute = message_open(&g->out, 5);
    put_text(&g->out, 1, name);
    for (int i = 0; i < count; i++) put_int(&g->out, 8, v[i]);
    put_int(&g->out, 20, ATTRIBUTE_INTS);
    message_close(&g->out, attribute);
}

/* ---- layers -------------------------------------------------------------------------------------- */

/* The activation in the form layer i wants it. */
static void want_flat(graph *g, int i) {
    if (g->now.flat) return;
    char name[NAME_BYTES];
    name_of(g, i, ".flatten", name);
    size_t node = node_open(g, "Flatten", name, name, (const char *[]){g->now.name, NULL});
    put_attribute_int(g, "axis", 1);
    message_close(&g->out, node);
    strcpy(g->now.name, name);
    g->now.flat = true;
}

static void want_planes(graph *g, int i) {
    if (!g->now.flat) return;
    static const int64_t axes[] = {2, 3};
    char name[NAME_BYTES], axes_name[NAME_BYTES];
    name_of(g, i, ".unsqueeze", name);
    name_of(g, i, ".unsqueeze.axes", axes_name);
    uint8_t *data = put_tensor(g, axes_name, ELEMENT_INT64, sizeof *axes, 1, &(int64_t){2});
    if (data) memcpy(data, axes, sizeof axes);
    size_t node = node_open(g, "Unsqueeze", name, name, (const char *[]){g->now.name, axes_name, NULL});
    message_close(&g->out, node);
    strcpy(g->now.name, name);
    g->now.flat = false;
}

/* The node of layer i itself, whose output becomes the activation. */
static size_t layer_open(graph *g, int i, const char *op, const char *const *inputs) {
    char name[NAME_BYTES];
    name_of(g, i, "", name);
    bool last = i + 1 == g->spec->count;
    size_t node = node_open(g, op, name, last ? g->text->output : name, inputs);
    strcpy(g->now.name, name);
    return node;
}

/* y = scale x + shift for each channel: the layer's bias, then every batch norm that comes right after it,
 * g (x - m) / sqrt(v + 1e-5) + b. Nothing but the next layer can see what lies between two lines, so nobody
 * misses it. Returns how many were folded. */
static int fold(graph *g, int i) {
    const lk__layer *l = &g->spec->layers[i];
    const lk__param *bias = lk__weights_find(g->weights, i, "bias");
    int folded = 0;
    for (int c = 0; c < l->out_c; c++) {
        g->scale[c] = 1;
        g->shift[c] = bias ? (double)bias->value[c] : 0;
    }
    while (i + folded + 1 < g->spec->count && l[folded + 1].kind == LK__BATCHNORM) {
        int at = i + ++folded;
        const float *gain = lk__weights_find(g->weights, at, "weight")->value,
                    *offset = lk__weights_find(g->weights, at, "bias")->value,
                    *mean = lk__weights_find(g->weights, at, "mean")->value,
                    *variance = lk__weights_find(g->weights, at, "variance")->value;
        for (int c = 0; c < l->out_c; c++) {
            double s = (double)gain[c] / sqrt((double)variance[c] + 1e-5);
            g->scale[c] *= s;
            g->shift[c] = (g->shift[c] - (double)mean[c]) * s + (double)offset[c];
        }
    }
    return folded;
}

/* conv, dwconv, gdconv, linear: (out, ...) weights. Returns how many batch norms they took in. */
static int put_weighted(graph *g, int i) {
    const lk__layer *l = &g->spec->layers[i];
    const lk__param *p = lk__weights_find(g->weights, i, "weight");
    char bias[NAME_BYTES];
    name_of(g, i, ".bias", bias);
    int folded = fold(g, i);
    bool has_bias = l->bias || folded;
    float y;
    uint8_t *data = put_tensor(g, p->name, ELEMENT_FLOAT, sizeof y, p->dims, p->shape);
    size_t row = p->count / (size_t)l->out_c;
    for (size_t j = 0; data && j < p->count; j++) {
        y = (float)(g->scale[j / row] * (double)p->value[j]);
        memcpy(data + j * sizeof y, &y, sizeof y); /* of no alignment */
    }
    data = has_bias ? put_tensor(g, bias, ELEMENT_FLOAT, sizeof y, 1, &(int64_t){l->out_c}) : NULL;
    for (size_t c = 0; data && c < (size_t)l->out_c; c++) {
        y = (float)g->shift[c];
        memcpy(data + c * sizeof y, &y, sizeof y);
    }
    const char *inputs[] = {g->now.name, p->name, has_bias ? bias : NULL, NULL};
    size_t node = layer_open(g, i, l->kind == LK__LINEAR ? "Gemm" : "Conv", inputs);
    if (l->kind == LK__LINEAR) {
        put_attribute_int(g, "transB", 1);
    } else {
        bool whole = l->kind == LK__GDCONV;
        put_attribute_ints(g, "kernel_shape", 2,
                           (int[]){whole ? l->in_h : l->kernel, whole ? l->in_w : l->kernel});
        put_attribute_ints(g, "strides", 2, (int[]){l->stride, l->stride});
        put_attribute_ints(g, "pads", 4, (int[]){l->pad, l->pad, l->pad, l->pad});
        put_attribute_int(g, "group", l->kind == LK__CONV ? 1 : l->in_c);
    }
    message_close(&g->out, node);
    return folded;
}

/* Where no layer before takes it in: first of all, after a pool, an activation or an add. */
static void put_batchnorm(graph *g, int i) {
    static const char *const what[] = {"weight", "bias", "mean", "variance"};
    char name[4][NAME_BYTES];
    for (int k = 0; k < 4; k++) {
        name_of(g, i, ".", name[k]);
        strcat(name[k], what[k]);
        put_param(g, i, what[k], 1, &(int64_t){g->spec->layers[i].out_c});
    }
    const char *inputs[] = {g->now.name, name[0], name[1], name[2], name[3], NULL};
    size_t node = layer_open(g, i, "BatchNormalization", inputs);
    put_attribute_float(g, "epsilon", 1e-5f);
    message_close(&g->out, node);
}

static void put_prelu(graph *g, int i) {
    char slope[NAME_BYTES];
    name_of(g, i, ".slope", slope);
    put_param(g, i, "slope", 3, (int64_t[]){g->spec->layers[i].out_c, 1, 1});
    message_close(&g->out, layer_open(g, i, "PRelu", (const char *[]){g->now.name, slope, NULL}));
}

/* maxpool, and avgpool over windows. */
static void put_pool(graph *g, int i) {
    const lk__layer *l = &g->spec->layers[i];
    size_t node = layer_open(g, i, l->kind == LK__MAXPOOL ? "MaxPool" : "AveragePool",
                             (const char *[]){g->now.name, NULL});
    put_attribute_ints(g, "kernel_shape", 2, (int[]){l->kernel, l->kernel});
    put_attribute_ints(g, "strides", 2, (int[]){l->stride, l->stride});
    put_attribute_ints(g, "pads", 4, (int[]){l->pad, l->pad, l->pad, l->pad});
    message_close(&g->out, node);
}

/* Zeros before and behind each of N, C, H, W. */
static void put_zeropad(graph *g, int i) {
    const lk__layer *l = &g->spec->layers[i];
    const int64_t pads[] = {0, 0, 0, 0, 0, l->channels, l->bottom, l->right};
    char name[NAME_BYTES];
    name_of(g, i, ".pads", name);
    uint8_t *data = put_tensor(g, name, ELEMENT_INT64, sizeof *pads, 1, &(int64_t){8});
    if (data) memcpy(data, pads, sizeof pads);
    message_close(&g->out, layer_open(g, i, "Pad", (const char *[]){g->now.name, name, NULL}));
}

static void swap(graph *g) {
    value top = g->stack[g->depth - 1];
    g->stack[g->depth - 1] = g->now;
    g->now = top;
}

static void put_add(graph *g, int i) {
    if (g->now.flat != g->stack[g->depth - 1].flat) { /* of the two, whichever is flat */
        if (!g->now.flat) swap(g);
        want_planes(g, i);
    }
    const value *saved = &g->stack[--g->depth];
    const char *inputs[] = {g->now.name, saved->name, NULL};
    message_close(&g->out, layer_open(g, i, "Add", inputs));
}

static void put_l2norm(graph *g, int i) {
    size_t node = layer_open(g, i, "LpNormalization", (const char *[]){g->now.name, NULL});
    put_attribute_int(g, "axis", 1);
    put_attribute_int(g, "p", 2);
    message_close(&g->out, node);
}

/* Returns how many layers have been dealt with. */
static int put_layer(graph *g, int i) {
    const char *inputs[] = {g->now.name, NULL};
    lk__kind kind = g->spec->layers[i].kind;
    if (kind == LK__LINEAR || kind == LK__L2NORM)
        want_flat(g, i);
    else if (kind != LK__SAVE && kind != LK__SWAP && kind != LK__ADD && kind != LK__RELU)
        want_planes(g, i);
    switch (kind) {
    case LK__CONV:
    case LK__DWCONV:
    case LK__GDCONV:
    case LK__LINEAR: return 1 + put_weighted(g, i);
    case LK__BATCHNORM: put_batchnorm(g, i); break;
    case LK__PRELU: put_prelu(g, i); break;
    case LK__RELU: message_close(&g->out, layer_open(g, i, "Relu", inputs)); break;
    case LK__MAXPOOL: put_pool(g, i); break;
    case LK__AVGPOOL:
        if (g->spec->layers[i].kernel)
            put_pool(g, i);
        else
            message_close(&g->out, layer_open(g, i, "GlobalAveragePool", inputs));
        break;
    case LK__ZEROPAD: put_zeropad(g, i); break;
    case LK__SAVE: g->stack[g->depth++] = g->now; break;
    case LK__SWAP: swap(g); break;
    case LK__ADD: put_add(g, i); break;
    case LK__L2NORM: put_l2norm(g, i); break;
    case LK__OUTPUT: break; /* refused by lk__onnx_write */
    }
    return 1;
}

/* ---- the file ------------------------------------------------------------------------------------ */

/* Floats (N, shape...): N is whatever the batch is. */
static void put_port(buffer *b, unsigned field, const char *name, int dims, const int *shape) {
    size_t port = message_open(b, field);
    put_text(b, 1, name);
    size_t type = message_open(b, 2), tensor = message_open(b, 1);
    put_int(b, 1, ELEMENT_FLOAT);
    size_t all = message_open(b, 2), one = message_open(b, 1);
    put_text(b, 2, "N");
    message_close(b, one);
    for (int d = 0; d < dims; d++) {
        one = message_open(b, 1);
        put_int(b, 1, shape[d]);
        message_close(b, one);
    }
    message_close(b, all);
    message_close(b, tensor);
    message_close(b, type);
    message_close(b, port);
}

static void put_model(graph *g) {
    buffer *b = &g->out;
    const lk__spec *spec = g->spec;
    put_int(b, 1, IR_VERSION);
    put_text(b, 2, "likeness");
    put_text(b, 3, LK_VERSION);
    put_text(b, 6, g->text->description);
    size_t opset = message_open(b, 8);
    put_text(b, 1, ""); /* the operators of ONNX itself */
    put_int(b, 2, OPSET);
    message_close(b, opset);
    for (size_t i = 0; i < g->text->meta_count; i++) {
        size_t entry = message_open(b, 14);
        put_text(b, 1, g->text->meta[i].key);
        put_text(b, 2, g->text->meta[i].value);
        message_close(b, entry);
    }
    size_t body = message_open(b, 7);
    put_text(b, 2, "likeness");
    put_port(b, 11, g->text->input, 3, (int[]){spec->c, spec->h, spec->w});
    put_port(b, 12, g->text->output, 1, &spec->dim);
    snprintf(g->now.name, NAME_BYTES, "%s", g->text->input);
    for (int i = 0; i < spec->count;) i += put_layer(g, i);
    message_close(b, body);
}

lk_status lk__onnx_write(const char *path, const lk__spec *spec, const lk__weights *weights,
                         const lk__onnx_text *text, lk_error *err) {
    size_t channels = 0;
    if (spec->outputs)
        return lk__fail(err, LK_INVALID,
                        "%s: only nets that end in l2norm are written as ONNX, not one of several outputs",
                        path);
    for (int i = 0; i < spec->count; i++)
        if ((size_t)spec->layers[i].out_c > channels) channels = (size_t)spec->layers[i].out_c;
    graph *g = calloc(1, sizeof *g);
    double *folding = calloc(2 * channels, sizeof *folding);
    lk__writer *writer = NULL;
    lk_status status = LK_OK;
    if (!g || !folding) {
        status = lk__fail_memory(err, sizeof *g + 2 * channels * sizeof *folding, path);
    } else {
        *g = (graph){
            .spec = spec, .weights = weights, .text = text, .scale = folding, .shift = folding + channels};
        put_model(g);
        if (g->out.out_of_memory) status = lk__fail_memory(err, weights->total * sizeof(float), path);
    }
    if (status == LK_OK) status = lk__writer_open(path, &writer, err);
    if (status == LK_OK) status = lk__writer_write(writer, g->out.bytes, g->out.size, err);
    if (status == LK_OK)
        status = lk__writer_commit(writer, err);
    else
        lk__writer_abort(writer);
    if (g) free(g->out.bytes);
    free(folding);
    free(g);
    return status;
}
