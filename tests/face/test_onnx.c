/* test_onnx.c: what an exported model holds, read with a protobuf reader of the test's own: nodes and
 * initialisers of every kind of layer, folded batch norms, metadata. That a runtime computes the same
 * vectors: test_onnx_runtime.c. */
#include "face/models.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

/* ---- reading protobuf ------------------------------------------------------------------------------ */

typedef struct span {
    const uint8_t *at;
    size_t size;
} span;

typedef struct field {
    int number, wire;
    uint64_t value; /* wire 0 */
    span bytes;     /* wire 2 and 5 */
} field;

static uint64_t take_varint(span *s) {
    uint64_t v = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        if (s->size == 0) fail_msg("a number is cut off");
        uint8_t byte = *s->at;
        s->at++;
        s->size--;
        v |= (uint64_t)(byte & 127) << (shift < 63 ? shift : 63);
        if (byte < 128) return v;
    }
    fail_msg("a number of more than 10 bytes");
    return 0;
}

/* The next field of a message, false at its end. */
static bool next(span *s, field *f) {
    if (s->size == 0) return false;
    uint64_t key = take_varint(s);
    *f = (field){.number = (int)(key >> 3), .wire = (int)(key & 7)};
    if (f->wire == 0) {
        f->value = take_varint(s);
        return true;
    }
    size_t size = f->wire == 5 ? 4 : (size_t)take_varint(s);
    if ((f->wire != 2 && f->wire != 5) || size > s->size)
        fail_msg("a field of wire %d, %zu bytes", f->wire, size);
    f->bytes = (span){s->at, size};
    s->at += size;
    s->size -= size;
    return true;
}

/* The nth field of this number, counted from 0. */
static bool find(span message, int number, int nth, field *out) {
    while (next(&message, out))
        if (out->number == number && nth-- == 0) return true;
    return false;
}

static span part(span message, int number) {
    field f;
    if (!find(message, number, 0, &f) || f.wire == 0) fail_msg("no message %d", number);
    return f.bytes;
}

static uint64_t number_of(span message, int number) {
    field f;
    if (!find(message, number, 0, &f) || f.wire != 0) fail_msg("no number %d", number);
    return f.value;
}

static bool equals(span text, const char *want) {
    return text.size == strlen(want) && memcmp(text.at, want, text.size) == 0;
}

/* ---- a graph as text --------------------------------------------------------------------------------- */

static char shown[16384];

__attribute__((format(printf, 1, 2))) static void show(const char *format, ...) {
    size_t used = strlen(shown);
    va_list args;
    va_start(args, format);
    vsnprintf(shown + used, sizeof shown - used, format, args);
    va_end(args);
}

static void show_text(const char *before, span text) {
    show("%s%.*s", before, (int)text.size, (const char *)text.at);
}

static void show_attribute(span attribute) {
    show_text(" ", part(attribute, 1));
    uint64_t type = number_of(attribute, 20);
    field f;
    float real;
    if (type == 1) {
        memcpy(&real, part(attribute, 2).at, sizeof real);
        show("=%g", (double)real);
    } else if (type == 2) {
        show("=%" PRIu64, number_of(attribute, 3));
    } else {
        assert_int_equal(type, 7);
        for (int i = 0; find(attribute, 8, i, &f); i++) show("%c%" PRIu64, i ? 'x' : '=', f.value);
    }
}

/* "Op name in in > out attribute=value" a node, then "name dtype(shape)" an initialiser. */
static void show_graph(span graph) {
    field f, g;
    shown[0] = 0;
    for (int i = 0; find(graph, 1, i, &f); i++) {
        show_text("", part(f.bytes, 4));
        show_text(" ", part(f.bytes, 3));
        for (int k = 0; find(f.bytes, 1, k, &g); k++) show_text(k ? " " : ": ", g.bytes);
        show_text(" > ", part(f.bytes, 2));
        for (int k = 0; find(f.bytes, 5, k, &g); k++) show_attribute(g.bytes);
        show("\n");
    }
    for (int i = 0; find(graph, 5, i, &f); i++) {
        size_t count = 1;
        uint64_t type = number_of(f.bytes, 2);
        show_text("", part(f.bytes, 8));
        for (int k = 0; find(f.bytes, 1, k, &g); k++, count *= (size_t)g.value)
            show("%c%" PRIu64, k ? 'x' : ' ', g.value);
        show("%s\n", type == 1 ? "" : " int64");
        assert_int_equal(part(f.bytes, 9).size, count * (type == 1 ? sizeof(float) : sizeof(int64_t)));
    }
}

/* "photo N 3 9 8" of an input or output. */
static void show_port(span port) {
    field f, g;
    span tensor = part(part(port, 2), 1);
    shown[0] = 0;
    assert_int_equal(number_of(tensor, 1), 1);
    show_text("", part(port, 1));
    for (int i = 0; find(part(tensor, 2), 1, i, &f); i++)
        if (find(f.bytes, 2, 0, &g))
            show_text(" ", g.bytes);
        else
            show(" %" PRIu64, number_of(f.bytes, 1));
}

static const uint8_t *initialiser(span graph, const char *name) {
    field f;
    for (int i = 0; find(graph, 5, i, &f); i++)
        if (equals(part(f.bytes, 8), name)) return part(f.bytes, 9).at;
    fail_msg("no initialiser %s", name);
    return NULL;
}

/* ---- exporting --------------------------------------------------------------------------------------- */

static lk_model *model_of(const char *net) {
    lk_model *model = NULL;
    lk_error err;
    const char *path = at("m.safetensors");
    write_model(path, net, 3, 0.25, (lk_crop){.centre = 0.9});
    if (lk_model_open(path, &model, &err) != LK_OK) fail_msg("%s", err.message);
    return model;
}

static span export(const lk_model *model, uint8_t **bytes) {
    lk_error err;
    span file;
    const char *path = at("m.onnx");
    if (lk_model_export_onnx(model, path, &err) != LK_OK) fail_msg("%s", err.message);
    assert_int_equal(lk__file_read(path, 1 << 24, bytes, &file.size, NULL), LK_OK);
    file.at = *bytes;
    return file;
}

static void check_graph(const char *net, const char *want) {
    lk_model *model = model_of(net);
    uint8_t *bytes;
    show_graph(part(export(model, &bytes), 7));
    if (strcmp(shown, want) != 0) fail_msg("%s:\n%s", net, shown);
    free(bytes);
    lk_model_free(model);
}

/* Every kind of layer, a batch norm where it folds and where it does not. */
static void test_layers(void **state) {
    (void)state;
    check_graph("input 3 9 8;batchnorm;conv 4 kernel 3 stride 2 pad 1;batchnorm;batchnorm;prelu;save;dwconv "
                "kernel 3 pad "
                "1;batchnorm;relu;swap;conv 4 kernel 1 bias;add;batchnorm;maxpool kernel 3 stride 2 pad "
                "1;gdconv;batchnorm;linear 6;l2norm",
                "BatchNormalization 00.batchnorm: photo 00.batchnorm.weight 00.batchnorm.bias "
                "00.batchnorm.mean 00.batchnorm.variance > 00.batchnorm epsilon=1e-05\n"
                "Conv 01.conv: 00.batchnorm 01.conv.weight 01.conv.bias > 01.conv kernel_shape=3x3 "
                "strides=2x2 pads=1x1x1x1 group=1\n"
                "PRelu 04.prelu: 01.conv 04.prelu.slope > 04.prelu\n"
                "Conv 06.dwconv: 04.prelu 06.dwconv.weight 06.dwconv.bias > 06.dwconv kernel_shape=3x3 "
                "strides=1x1 pads=1x1x1x1 group=4\n"
                "Relu 08.relu: 06.dwconv > 08.relu\n"
                "Conv 10.conv: 04.prelu 10.conv.weight 10.conv.bias > 10.conv kernel_shape=1x1 strides=1x1 "
                "pads=0x0x0x0 group=1\n"
                "Add 11.add: 10.conv 08.relu > 11.add\n"
                "BatchNormalization 12.batchnorm: 11.add 12.batchnorm.weight 12.batchnorm.bias "
                "12.batchnorm.mean 12.batchnorm.variance > 12.batchnorm epsilon=1e-05\n"
                "MaxPool 13.maxpool: 12.batchnorm > 13.maxpool kernel_shape=3x3 strides=2x2 pads=1x1x1x1\n"
                "Conv 14.gdconv: 13.maxpool 14.gdconv.weight 14.gdconv.bias > 14.gdconv kernel_shape=3x2 "
                "strides=1x1 pads=0x0x0x0 group=4\n"
                "Flatten 16.linear.flatten: 14.gdconv > 16.linear.flatten axis=1\n"
                "Gemm 16.linear: 16.linear.flatten 16.linear.weight > 16.linear transB=1\n"
                "LpNormalization 17.l2norm: 16.linear > embedding axis=1 p=2\n"
                "00.batchnorm.weight 3\n"
                "00.batchnorm.bias 3\n"
                "00.batchnorm.mean 3\n"
                "00.batchnorm.variance 3\n"
                "01.conv.weight 4x3x3x3\n"
                "01.conv.bias 4\n"
                "04.prelu.slope 4x1x1\n"
                "06.dwconv.weight 4x1x3x3\n"
                "06.dwconv.bias 4\n"
                "10.conv.weight 4x4x1x1\n"
                "10.conv.bias 4\n"
                "12.batchnorm.weight 4\n"
                "12.batchnorm.bias 4\n"
                "12.batchnorm.mean 4\n"
                "12.batchnorm.variance 4\n"
                "14.gdconv.weight 4x1x3x2\n"
                "14.gdconv.bias 4\n"
                "16.linear.weight 6x4\n");
}

/* A block of dlib's net: windows that average, zeros that fill up. */
static void test_pools_and_padding(void **state) {
    (void)state;
    static const char net[] =
        "input 3 8 8;save;conv 4 kernel 3 stride 2 bias;zeropad bottom 1 right 1;swap;avgpool "
        "kernel 2 stride 2;zeropad channels 1;add;avgpool;l2norm";
    static const int64_t pads[2][8] = {{0, 0, 0, 0, 0, 0, 1, 1}, {0, 0, 0, 0, 0, 1, 0, 0}};
    check_graph(net, "Conv 01.conv: photo 01.conv.weight 01.conv.bias > 01.conv kernel_shape=3x3 strides=2x2 "
                     "pads=0x0x0x0 group=1\n"
                     "Pad 02.zeropad: 01.conv 02.zeropad.pads > 02.zeropad\n"
                     "AveragePool 04.avgpool: photo > 04.avgpool kernel_shape=2x2 strides=2x2 pads=0x0x0x0\n"
                     "Pad 05.zeropad: 04.avgpool 05.zeropad.pads > 05.zeropad\n"
                     "Add 06.add: 05.zeropad 02.zeropad > 06.add\n"
                     "GlobalAveragePool 07.avgpool: 06.add > 07.avgpool\n"
                     "Flatten 08.l2norm.flatten: 07.avgpool > 08.l2norm.flatten axis=1\n"
                     "LpNormalization 08.l2norm: 08.l2norm.flatten > embedding axis=1 p=2\n"
                     "01.conv.weight 4x3x3x3\n"
                     "01.conv.bias 4\n"
                     "02.zeropad.pads 8 int64\n"
                     "05.zeropad.pads 8 int64\n");
    lk_model *model = model_of(net);
    uint8_t *bytes;
    span graph = part(export(model, &bytes), 7);
    assert_memory_equal(initialiser(graph, "02.zeropad.pads"), pads[0], sizeof *pads);
    assert_memory_equal(initialiser(graph, "05.zeropad.pads"), pads[1], sizeof *pads);
    free(bytes);
    lk_model_free(model);
}

/* Vectors of (N, C) and of (N, C, 1, 1) meet. */
static void test_flat_and_planes(void **state) {
    (void)state;
    check_graph("input 2 4 3;avgpool;linear 3 bias;prelu;linear 4;save;l2norm;swap;conv 4 kernel "
                "1;add;save;linear 4;add;l2norm",
                "GlobalAveragePool 00.avgpool: photo > 00.avgpool\n"
                "Flatten 01.linear.flatten: 00.avgpool > 01.linear.flatten axis=1\n"
                "Gemm 01.linear: 01.linear.flatten 01.linear.weight 01.linear.bias > 01.linear transB=1\n"
                "Unsqueeze 02.prelu.unsqueeze: 01.linear 02.prelu.unsqueeze.axes > 02.prelu.unsqueeze\n"
                "PRelu 02.prelu: 02.prelu.unsqueeze 02.prelu.slope > 02.prelu\n"
                "Flatten 03.linear.flatten: 02.prelu > 03.linear.flatten axis=1\n"
                "Gemm 03.linear: 03.linear.flatten 03.linear.weight > 03.linear transB=1\n"
                "LpNormalization 05.l2norm: 03.linear > 05.l2norm axis=1 p=2\n"
                "Unsqueeze 07.conv.unsqueeze: 03.linear 07.conv.unsqueeze.axes > 07.conv.unsqueeze\n"
                "Conv 07.conv: 07.conv.unsqueeze 07.conv.weight > 07.conv kernel_shape=1x1 strides=1x1 "
                "pads=0x0x0x0 group=1\n"
                "Unsqueeze 08.add.unsqueeze: 05.l2norm 08.add.unsqueeze.axes > 08.add.unsqueeze\n"
                "Add 08.add: 08.add.unsqueeze 07.conv > 08.add\n"
                "Flatten 10.linear.flatten: 08.add > 10.linear.flatten axis=1\n"
                "Gemm 10.linear: 10.linear.flatten 10.linear.weight > 10.linear transB=1\n"
                "Unsqueeze 11.add.unsqueeze: 10.linear 11.add.unsqueeze.axes > 11.add.unsqueeze\n"
                "Add 11.add: 11.add.unsqueeze 08.add > 11.add\n"
                "Flatten 12.l2norm.flatten: 11.add > 12.l2norm.flatten axis=1\n"
                "LpNormalization 12.l2norm: 12.l2norm.flatten > embedding axis=1 p=2\n"
                "01.linear.weight 3x2\n"
                "01.linear.bias 3\n"
                "02.prelu.unsqueeze.axes 2 int64\n"
                "02.prelu.slope 3x1x1\n"
                "03.linear.weight 4x3\n"
                "07.conv.unsqueeze.axes 2 int64\n"
                "07.conv.weight 4x4x1x1\n"
                "08.add.unsqueeze.axes 2 int64\n"
                "10.linear.weight 4x4\n"
                "11.add.unsqueeze.axes 2 int64\n");
}

static void test_ports(void **state) {
    (void)state;
    lk_model *model = model_of("input 3 9 8;gdconv;linear 5;l2norm");
    uint8_t *bytes;
    span graph = part(export(model, &bytes), 7);
    show_port(part(graph, 11));
    assert_string_equal(shown, "photo N 3 9 8");
    show_port(part(graph, 12));
    assert_string_equal(shown, "embedding N 5");
    free(bytes);
    lk_model_free(model);
}

static void test_metadata(void **state) {
    (void)state;
    static const char net[] = "input 3 2 2;linear 2;l2norm";
    const lk__meta notes[] = {{"recipe", "as one likes"}, {"fingerprint", "a lie"}};
    static lk__spec spec;
    lk__weights weights;
    draw_weights(net, 1, &spec, &weights);
    assert_int_equal(lk__model_write(at("n.safetensors"), net, &weights, 0.3125, (lk_crop){.centre = 0.9},
                                     false, notes, 2, NULL),
                     LK_OK);
    lk__weights_free(&weights);
    lk_model *model = NULL;
    assert_int_equal(lk_model_open(at("n.safetensors"), &model, NULL), LK_OK);
    uint8_t *bytes;
    span file = export(model, &bytes);
    assert_int_equal(number_of(file, 1), 8);
    assert_true(equals(part(file, 2), "likeness") && equals(part(file, 3), LK_VERSION));
    assert_true(part(file, 6).size > 100);
    assert_true(equals(part(part(file, 8), 1), "") && number_of(part(file, 8), 2) == 13);
    const lk__meta want[] = {{"fingerprint", lk_model_fingerprint(model)},
                             {"net", net},
                             {"crop", "0.9"},
                             {"threshold", "0.312500"},
                             {"recipe", "as one likes"}};
    field f;
    int seen = 0, times = 0;
    for (int i = 0; find(file, 14, i, &f); i++)
        for (size_t k = 0; k < sizeof want / sizeof *want; k++) {
            if (!equals(part(f.bytes, 1), want[k].key)) continue;
            assert_true(equals(part(f.bytes, 2), want[k].value));
            seen |= 1 << k;
            times++;
        }
    assert_int_equal(seen, 31);
    assert_int_equal(times, 5);
    free(bytes);
    lk_model_free(model);
}

static void near(const uint8_t *data, size_t i, double want) {
    float got;
    memcpy(&got, data + i * sizeof got, sizeof got);
    if (!(fabs((double)got - want) <= 1e-7 * fmax(fabs(want), 1)))
        fail_msg("%zu: %.9g, not %.9g", i, (double)got, want);
}

/* Against the definition: ((w x + b - m) s + o - m') s' + o'. */
static void test_folding(void **state) {
    (void)state;
    lk_model *model =
        model_of("input 3 3 3;conv 5 kernel 2 bias;batchnorm;batchnorm;gdconv;batchnorm;linear 4;l2norm");
    uint8_t *bytes;
    span graph = part(export(model, &bytes), 7);
    const lk__weights *w = &model->weights;
    const uint8_t *weight = initialiser(graph, "00.conv.weight"), *bias = initialiser(graph, "00.conv.bias");
    for (size_t c = 0; c < 5; c++) {
        double scale = 1, shift = (double)lk__weights_find(w, 0, "bias")->value[c];
        for (int layer = 1; layer <= 2; layer++) {
            double s = (double)lk__weights_find(w, layer, "weight")->value[c] /
                       sqrt((double)lk__weights_find(w, layer, "variance")->value[c] + 1e-5);
            scale *= s;
            shift = s * (shift - (double)lk__weights_find(w, layer, "mean")->value[c]) +
                    (double)lk__weights_find(w, layer, "bias")->value[c];
        }
        near(bias, c, shift);
        for (size_t j = 12 * c; j < 12 * c + 12; j++)
            near(weight, j, scale * (double)lk__weights_find(w, 0, "weight")->value[j]);
    }
    for (size_t c = 0; c < 5; c++)
        for (size_t j = 4 * c; j < 4 * c + 4; j++)
            near(initialiser(graph, "03.gdconv.weight"), j,
                 (double)lk__weights_find(w, 3, "weight")->value[j] *
                     (double)lk__weights_find(w, 4, "weight")->value[c] /
                     sqrt((double)lk__weights_find(w, 4, "variance")->value[c] + 1e-5));
    assert_memory_equal(initialiser(graph, "05.linear.weight"), lk__weights_find(w, 5, "weight")->value,
                        20 * sizeof(float));
    free(bytes);
    lk_model_free(model);
}

/* The same model, the same bytes; and what cannot be written leaves what was there. */
static void test_writing(void **state) {
    (void)state;
    lk_model *model = model_of("input 3 3 3;conv 5 kernel 2 bias;batchnorm;gdconv;l2norm");
    uint8_t *first, *second, *kept;
    size_t size;
    span a = export(model, &first), b = export(model, &second);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(first, second, a.size);
    lk_error err;
    assert_int_equal(lk_model_export_onnx(model, at("no/such/folder.onnx"), &err), LK_NOT_FOUND);
    assert_non_null(strstr(err.message, "folder.onnx"));
    mkdir(at("m.onnx.d"), 0777);
    assert_int_equal(lk_model_export_onnx(model, at("m.onnx.d"), NULL), LK_IO);
    assert_int_equal(lk__file_read(at("m.onnx"), 1 << 24, &kept, &size, NULL), LK_OK);
    assert_int_equal(size, a.size);
    free(first);
    free(second);
    free(kept);
    lk_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_layers, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_pools_and_padding, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_flat_and_planes, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_ports, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_metadata, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_folding, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_writing, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests_name("onnx", tests, NULL, NULL);
}
