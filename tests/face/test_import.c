/* test_import.c: likeness import, on a package that the test makes itself: dlib's net with made-up weights.
 * What the imported model computes is held against the net's definition, as written in the package's own
 * source: nothing folded, nothing of ours used. That the real package agrees too: test_import_package.c. */
#include "face/face.h"
#include "face/models.h"
#include "likeness/train.h"

#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

static const char MANIFEST[] = "face_recognition_model-weights_manifest.json";
enum { SIDE = 150, DIM = 128, ARRAYS_MAX = 128 };

/* ---- a package ------------------------------------------------------------------------------------- */

/* An array as it is written and as it is meant. */
typedef struct array {
    char name[64];
    int shape[4], dims;
    size_t count;
    float *values;
    bool quantised;
    double scale, min;
} array;

static array arrays[ARRAYS_MAX];
static int array_count;

static const array *find(const char *layer, const char *what) {
    char name[96];
    snprintf(name, sizeof name, "%s%s", layer, what);
    for (int i = 0; i < array_count; i++)
        if (strcmp(arrays[i].name, name) == 0) return &arrays[i];
    fail_msg("no %s", name);
    return NULL;
}

/* Values between low and high; of every other array they are bytes. */
static void add_array(const char *layer, const char *what, const int *shape, int dims, double low,
                      double high) {
    array *a = &arrays[array_count];
    lk__random random = lk__random_stream(9, (uint64_t)array_count, 0, 0);
    snprintf(a->name, sizeof a->name, "%s%s", layer, what);
    a->count = 1;
    a->dims = dims;
    for (int d = 0; d < dims; d++) a->count *= (size_t)(a->shape[d] = shape[d]);
    a->quantised = array_count % 2 == 0;
    a->min = low;
    a->scale = (high - low) / 255;
    a->values = malloc(a->count * sizeof *a->values);
    for (size_t i = 0; i < a->count; i++)
        a->values[i] = a->quantised ? (float)((double)lk__random_below(&random, 256) * a->scale + a->min)
                                    : (float)lk__random_range(&random, low, high);
    array_count++;
}

static void add_conv(const char *layer, int kernel, int in, int out) {
    double spread = sqrt(3.0 / (kernel * kernel * in));
    add_array(layer, "/conv/filters", (int[]){kernel, kernel, in, out}, 4, -spread, spread);
    add_array(layer, "/conv/bias", &out, 1, -0.2, 0.2);
    add_array(layer, "/scale/weights", &out, 1, 0.5, 1.5);
    add_array(layer, "/scale/biases", &out, 1, -0.3, 0.3);
}

typedef struct block {
    const char *name;
    int out;
    bool down;
} block;
static const block blocks[] = {
    {"conv32_1", 32, false},   {"conv32_2", 32, false},        {"conv32_3", 32, false},
    {"conv64_down", 64, true}, {"conv64_1", 64, false},        {"conv64_2", 64, false},
    {"conv64_3", 64, false},   {"conv128_down", 128, true},    {"conv128_1", 128, false},
    {"conv128_2", 128, false}, {"conv256_down", 256, true},    {"conv256_1", 256, false},
    {"conv256_2", 256, false}, {"conv256_down_out", 256, true}};
enum { BLOCKS = sizeof blocks / sizeof *blocks };

static int make_arrays(void **state) {
    (void)state;
    int in = 32;
    char name[64];
    add_conv("conv32_down", 7, 3, 32);
    for (int i = 0; i < BLOCKS; in = blocks[i++].out)
        for (int k = 1; k <= 2; k++) {
            snprintf(name, sizeof name, "%s/conv%d", blocks[i].name, k);
            add_conv(name, 3, k == 1 ? in : blocks[i].out, blocks[i].out);
        }
    add_array("fc", "", (int[]){256, DIM}, 2, -0.2, 0.2);
    return 0;
}

static int drop_arrays(void **state) {
    (void)state;
    for (int i = 0; i < array_count; i++) free(arrays[i].values);
    return 0;
}

/* Manifest and two shards in folder `to`; `skip` is left out, `bent` has its shape the other way round. */
static void write_package(const char *to, const char *skip, const char *bent) {
    size_t size = 0, length = 0, room = 64 * 1024;
    uint8_t *data = malloc((size_t)32 << 20);
    char *text = malloc(room);
    length += (size_t)snprintf(text, room, "[{\"paths\":[\"s1\",\"s2\"],\"weights\":[");
    for (int i = 0; i < array_count; i++) {
        const array *a = &arrays[i];
        bool turn = bent && strcmp(a->name, bent) == 0;
        if (skip && strcmp(a->name, skip) == 0) continue;
        length +=
            (size_t)snprintf(text + length, room - length,
                             "%s{\"name\":\"%s\",\"dtype\":\"float32\",\"shape\":[", i ? "," : "", a->name);
        for (int d = 0; d < a->dims; d++)
            length += (size_t)snprintf(text + length, room - length, "%s%d", d ? "," : "",
                                       a->shape[turn ? a->dims - 1 - d : d]);
        length += (size_t)snprintf(text + length, room - length, "]");
        if (a->quantised)
            length += (size_t)snprintf(
                text + length, room - length,
                ",\"quantization\":{\"dtype\":\"uint8\",\"scale\":%.17g,\"min\":%.17g}", a->scale, a->min);
        length += (size_t)snprintf(text + length, room - length, "}");
        for (size_t k = 0; k < a->count; k++)
            if (a->quantised)
                data[size++] = (uint8_t)lround(((double)a->values[k] - a->min) / a->scale);
            else
                memcpy(data + size, &a->values[k], sizeof(float)), size += sizeof(float);
    }
    length += (size_t)snprintf(text + length, room - length, "]}]");
    write_bytes(at("%s/%s", to, MANIFEST), text, length);
    write_bytes(at("%s/s1", to), data, size / 3);
    write_bytes(at("%s/s2", to), data + size / 3, size - size / 3);
    free(data);
    free(text);
}

/* ---- the net by its definition --------------------------------------------------------------------- */

typedef struct planes {
    int c, h, w;
    double *at; /* (h, w, c), as TensorFlow has them */
} planes;

static planes planes_new(int c, int h, int w) {
    planes p = {c, h, w, calloc((size_t)c * (size_t)h * (size_t)w, sizeof(double))};
    assert_non_null(p.at);
    return p;
}

static double *value(planes p, int i, int j, int c) {
    return &p.at[((size_t)i * (size_t)p.w + (size_t)j) * (size_t)p.c + (size_t)c];
}

/* Convolution, then the affine layer; x is freed. */
static planes conv(planes x, const char *block_name, const char *part, int stride, int pad) {
    char layer[64];
    snprintf(layer, sizeof layer, "%s%s", block_name, part);
    const array *w = find(layer, "/conv/filters"), *b = find(layer, "/conv/bias"),
                *s = find(layer, "/scale/weights"), *t = find(layer, "/scale/biases");
    int k = w->shape[0], out = w->shape[3];
    planes y = planes_new(out, (x.h + 2 * pad - k) / stride + 1, (x.w + 2 * pad - k) / stride + 1);
    for (int i = 0; i < y.h; i++)
        for (int j = 0; j < y.w; j++) {
            double *to = value(y, i, j, 0);
            for (int u = 0; u < k; u++)
                for (int v = 0; v < k; v++) {
                    int xi = i * stride + u - pad, xj = j * stride + v - pad;
                    if (xi < 0 || xj < 0 || xi >= x.h || xj >= x.w) continue;
                    for (int c = 0; c < x.c; c++) {
                        double from = *value(x, xi, xj, c);
                        const float *row =
                            w->values + ((size_t)(u * k + v) * (size_t)x.c + (size_t)c) * (size_t)out;
                        for (int o = 0; o < out; o++) to[o] += from * (double)row[o];
                    }
                }
            for (int o = 0; o < out; o++)
                to[o] = (to[o] + (double)b->values[o]) * (double)s->values[o] + (double)t->values[o];
        }
    free(x.at);
    return y;
}

static planes relu(planes x) {
    for (size_t i = 0; i < (size_t)x.c * (size_t)x.h * (size_t)x.w; i++) x.at[i] = fmax(x.at[i], 0);
    return x;
}

/* Windows without padding: the largest, or the mean. */
static planes pool(planes x, int kernel, bool largest) {
    planes y = planes_new(x.c, (x.h - kernel) / 2 + 1, (x.w - kernel) / 2 + 1);
    for (int i = 0; i < y.h; i++)
        for (int j = 0; j < y.w; j++)
            for (int c = 0; c < x.c; c++) {
                double most = -INFINITY, sum = 0;
                for (int u = 0; u < kernel; u++)
                    for (int v = 0; v < kernel; v++) {
                        double now = *value(x, 2 * i + u, 2 * j + v, c);
                        most = fmax(most, now);
                        sum += now;
                    }
                *value(y, i, j, c) = largest ? most : sum / (kernel * kernel);
            }
    return y;
}

static planes residual(planes x, const block *b) {
    planes copy = planes_new(x.c, x.h, x.w);
    memcpy(copy.at, x.at, sizeof(double) * (size_t)x.c * (size_t)x.h * (size_t)x.w);
    planes y = relu(conv(copy, b->name, "/conv1", b->down ? 2 : 1, b->down ? 0 : 1));
    y = conv(y, b->name, "/conv2", 1, 1);
    planes shortcut = b->down ? pool(x, 2, false) : x;
    planes sum = planes_new(y.c, shortcut.h, shortcut.w);
    for (int i = 0; i < sum.h; i++)
        for (int j = 0; j < sum.w; j++)
            for (int c = 0; c < sum.c; c++)
                *value(sum, i, j, c) = (i < y.h && j < y.w ? *value(y, i, j, c) : 0) +
                                       (c < shortcut.c ? *value(shortcut, i, j, c) : 0);
    free(y.at);
    free(shortcut.at);
    if (b->down) free(x.at);
    return relu(sum);
}

static void definition(const lk_image *photo, double vector[DIM]) {
    static const double mean[] = {122.782, 117.001, 104.298};
    planes x = planes_new(3, SIDE, SIDE);
    for (size_t i = 0; i < (size_t)SIDE * SIDE * 3; i++)
        x.at[i] = (lk_image_pixels(photo)[i] - mean[i % 3]) / 255;
    x = relu(conv(x, "conv32_down", "", 2, 0));
    planes y = pool(x, 3, true);
    free(x.at);
    for (int i = 0; i < BLOCKS; i++) y = residual(y, &blocks[i]);
    const array *fc = find("fc", "");
    double length = 0;
    for (int o = 0; o < DIM; o++) {
        vector[o] = 0;
        for (int c = 0; c < y.c; c++) {
            double sum = 0;
            for (int i = 0; i < y.h * y.w; i++) sum += y.at[(size_t)i * (size_t)y.c + (size_t)c];
            vector[o] += sum / (y.h * y.w) * (double)fc->values[(size_t)c * DIM + (size_t)o];
        }
        length += vector[o] * vector[o];
    }
    free(y.at);
    for (int o = 0; o < DIM; o++) vector[o] /= sqrt(length);
}

/* ---- tests ----------------------------------------------------------------------------------------- */

static void test_computes_the_definition(void **state) {
    (void)state;
    lk_error err;
    lk_model *model = NULL;
    lk__net *net = NULL;
    double want[DIM];
    write_package("p/model", NULL, NULL);
    if (lk_model_import(at("p"), at("m.safetensors"), &err) != LK_OK ||
        lk_model_open(at("m.safetensors"), &model, &err) != LK_OK ||
        lk__net_new(&model->spec, &model->weights, &(lk__net_options){.batch = 1}, &net, &err) != LK_OK)
        fail_msg("%s", err.message);
    lk_image *photo = draw_photo(5, SIDE, SIDE);
    lk__face_to_planes(photo, false, lk__net_input(net));
    lk__net_load(net);
    const float *got = lk__net_forward(net);
    definition(photo, want);
    for (int i = 0; i < DIM; i++)
        if (!(fabs((double)got[i] - want[i]) <= 2e-6))
            fail_msg("number %d is %.7f, by the definition %.7f", i, (double)got[i], want[i]);
    lk_image_free(photo);
    lk__net_free(net);
    lk_model_free(model);
}

static void test_model(void **state) {
    (void)state;
    lk_error err;
    lk_model *model = NULL;
    uint8_t *first, *second;
    size_t size, again;
    write_package("p", NULL, NULL);
    if (lk_model_import(at("p/%s", MANIFEST), at("a.safetensors"), &err) != LK_OK || /* by its manifest */
        lk_model_import(at("p"), at("b.safetensors"), &err) != LK_OK ||
        lk_model_open(at("a.safetensors"), &model, &err) != LK_OK)
        fail_msg("%s", err.message);
    assert_true(lk_model_aligned(model) && lk_model_crop(model).centre >= 1);
    assert_true(lk_model_threshold(model) > 0.5 && lk_model_threshold(model) < 1);
    assert_int_equal(lk_model_trained_on(model, "anybody"), -1);
    assert_non_null(strstr(lk_model_metadata(model, "source"), "dlib"));
    assert_string_equal(lk_model_metadata(model, "net"), lk_net_text("dlib-resnet"));
    lk_model_free(model);
    assert_int_equal(lk__file_read(at("a.safetensors"), 1 << 28, &first, &size, NULL), LK_OK);
    assert_int_equal(lk__file_read(at("b.safetensors"), 1 << 28, &second, &again, NULL), LK_OK);
    assert_int_equal(size, again);
    assert_memory_equal(first, second, size);
    free(first);
    free(second);
}

static void refuse(const char *from, const char *to, lk_status wanted, const char *hint) {
    lk_error err = {LK_OK, ""};
    lk_status status = lk_model_import(at("%s", from), at("%s", to), &err);
    if (status != wanted || err.status != wanted || !strstr(err.message, hint))
        fail_msg("%s -> %d %s (wanted: %d %s)", from, status, err.message, wanted, hint);
    assert_int_not_equal(access(at("%s", to), F_OK), 0);
}

static void test_refused(void **state) {
    (void)state;
    mkdir(at("empty"), 0777);
    refuse("none", "m.safetensors", LK_NOT_FOUND, "none");
    refuse("empty", "m.safetensors", LK_NOT_FOUND, "@vladmandic/face-api");
    static const char other[] =
        "[{\"paths\":[\"s\"],\"weights\":[{\"name\":\"dense0/conv0/filters\",\"shape\":[4],"
        "\"dtype\":\"float32\"}]}]";
    write_bytes(at("other.json"), other, strlen(other));
    write_bytes(at("s"), "0123456789abcdef", 16);
    refuse("other.json", "m.safetensors", LK_MISMATCH, "face_recognition_model");
    write_package("less", "conv128_1/conv2/scale/biases", NULL);
    refuse("less", "m.safetensors", LK_MISMATCH, "'conv128_1/conv2/scale/biases'");
    write_package("less", "fc", NULL);
    refuse("less", "m.safetensors", LK_MISMATCH, "'fc'");
    write_package("bent", NULL, "fc");
    refuse("bent", "m.safetensors", LK_MISMATCH, "'fc' is of another shape");
    write_package("bent", NULL, "conv32_down/conv/filters");
    refuse("bent", "m.safetensors", LK_MISMATCH, "'conv32_down/conv/filters' is of another shape");
    write_package("cut", NULL, NULL);
    assert_int_equal(truncate(at("cut/s2"), 1000), 0);
    refuse("cut", "m.safetensors", LK_FORMAT, "are they complete?");
    assert_int_equal(unlink(at("cut/s2")), 0);
    refuse("cut", "m.safetensors", LK_NOT_FOUND, "s2");
    write_package("p", NULL, NULL);
    refuse("p", "no/such/m.safetensors", LK_NOT_FOUND, "no/such");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_computes_the_definition, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_model, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_refused, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests_name("import", tests, make_arrays, drop_arrays);
}
