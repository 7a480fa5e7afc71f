/* test_spec.c: the text of a net. It comes from model files and from users: what is wrong is refused with its
 * line, and nothing a text can say costs more than a small array. */
#include "likeness/train.h"
#include "nn/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void accept(const char *text, lk__spec *out) {
    lk_error err;
    if (lk__spec_parse(text, out, &err) != LK_OK) fail_msg("%s: %s", text, err.message);
}

/* FORMAT, `out` untouched, the message with the line and `hint`. */
static void refuse(const char *text, int line, const char *hint) {
    static lk__spec before, out;
    lk_error err = {LK_OK, ""};
    char where[32];
    memset(&before, 7, sizeof before);
    memcpy(&out, &before, sizeof out);
    snprintf(where, sizeof where, "line %d:", line);
    lk_status status = lk__spec_parse(text, &out, &err);
    if (status != LK_FORMAT || err.status != LK_FORMAT || !strstr(err.message, where) ||
        !strstr(err.message, hint))
        fail_msg("%.200s\n -> %d %s (wanted: %s %s)", text, status, err.message, where, hint);
    assert_memory_equal(&out, &before, sizeof out);
    assert_int_equal(lk__spec_parse(text, &out, NULL), LK_FORMAT);
}

static void test_shapes(void **state) {
    (void)state;
    static lk__spec s;
    accept("# a comment\ninput 3 13 7\n\n conv\t16 kernel 3 stride 2 pad 1 bias\r\nsave;maxpool kernel 2 "
           "stride 2;swap\n"
           "dwconv kernel 5 stride 2 pad 2;maxpool kernel 2;swap;gdconv;swap;avgpool;add;linear 8;l2norm\n",
           &s);
    const int shapes[][3] = {{16, 7, 4}, {16, 7, 4}, {16, 3, 2}, {16, 7, 4}, {16, 4, 2},
                             {16, 3, 1}, {16, 3, 2}, {16, 1, 1}, {16, 3, 1}, {16, 1, 1},
                             {16, 1, 1}, {8, 1, 1},  {8, 1, 1}};
    assert_int_equal(s.count, 13);
    assert_int_equal(s.dim, 8);
    assert_int_equal(s.c * 10000 + s.h * 100 + s.w, 31307);
    for (int i = 0; i < s.count; i++) {
        const lk__layer *l = &s.layers[i];
        if (l->out_c != shapes[i][0] || l->out_h != shapes[i][1] || l->out_w != shapes[i][2])
            fail_msg("layer %d %s gives %d %d %d", i, lk__kind_name(l->kind), l->out_c, l->out_h, l->out_w);
        if (i > 0 && l->kind != LK__SWAP) assert_int_equal(l->in_c, s.layers[i - 1].out_c);
    }
    assert_true(s.layers[0].bias && s.layers[0].pad == 1 && s.layers[0].stride == 2 &&
                s.layers[0].kernel == 3);
    assert_false(s.layers[11].bias);
}

static void test_pools_and_padding(void **state) {
    (void)state;
    static lk__spec s;
    accept(
        "input 3 13 7;avgpool kernel 3 stride 2;zeropad channels 13 bottom 2;zeropad right 4;avgpool;l2norm",
        &s);
    const int shapes[][3] = {{3, 6, 3}, {16, 8, 3}, {16, 8, 7}, {16, 1, 1}, {16, 1, 1}};
    for (int i = 0; i < s.count; i++) {
        const lk__layer *l = &s.layers[i];
        if (l->out_c != shapes[i][0] || l->out_h != shapes[i][1] || l->out_w != shapes[i][2])
            fail_msg("layer %d %s gives %d %d %d", i, lk__kind_name(l->kind), l->out_c, l->out_h, l->out_w);
    }
}

static void test_refused(void **state) {
    (void)state;
    refuse("conv 3 kernel 3", 1, "first line");
    refuse("input 3 8", 1, "(nothing)");
    refuse("input 0 8 8;l2norm", 1, "'0'");
    refuse("input 8 8 8;avgpool;l2norm", 1, "'8'");
    refuse("input 3 8 1025;avgpool;l2norm", 1, "'1025'");
    refuse("input 3 -8 8;avgpool;l2norm", 1, "'-8'");
    refuse("input 3 8 99999999999999999999;avgpool;l2norm", 1, "99999");
    refuse("input 3 8 8x;avgpool;l2norm", 1, "'8x'");
    refuse("input 3 8 8 8;avgpool;l2norm", 1, "'8'");
    refuse("input 3 8 8;avgpool;input 3 8 8;l2norm", 3, "'input'");
    refuse("input 3 8 8;tanh;avgpool;l2norm", 2, "'tanh'");
    refuse("input 3 8 8;Conv 8 kernel 1;avgpool;l2norm", 2, "'Conv'");
    refuse("input 3 8 8;conv;l2norm", 2, "(nothing)");
    refuse("input 3 8 8;conv kernel 3;l2norm", 2, "'kernel'");
    refuse("input 3 8 8;conv 0 kernel 1;l2norm", 2, "'0'");
    refuse("input 3 8 8;conv 4097 kernel 1;l2norm", 2, "'4097'");
    refuse("input 3 8 8;linear 4294967297;l2norm", 2, "4294967297");
    refuse("input 3 8 8;conv 8 kernel 0;avgpool;l2norm", 2, "'0'");
    refuse("input 3 8 8;conv 8 kernel 65;avgpool;l2norm", 2, "'65'");
    refuse("input 3 8 8;conv 8 kernel 1 stride 0;avgpool;l2norm", 2, "'0'");
    refuse("input 3 8 8;conv 8 kernel;avgpool;l2norm", 2, "(nothing)");
    refuse("input 3 8 8;conv 8 kernel 9;avgpool;l2norm", 2, "does not fit");
    refuse("input 3 8 8;conv 8 kernel 3 pad 3;avgpool;l2norm", 2, "does not fit");
    refuse("input 3 8 8;dwconv kernel 8;dwconv kernel 2;l2norm", 3, "does not fit");
    refuse("input 3 8 8;dwconv kernel 3 bias;avgpool;l2norm", 2, "'bias'");
    refuse("input 3 8 8;batchnorm 8;avgpool;l2norm", 2, "'8'");
    refuse("input 3 8 8;avgpool stride 2;l2norm", 2, "stride without kernel");
    refuse("input 3 8 8;avgpool kernel 2 pad 1;l2norm", 2, "'pad'");
    refuse("input 3 8 8;avgpool kernel 9;l2norm", 2, "does not fit");
    refuse("input 3 8 8;zeropad 4;avgpool;l2norm", 2, "'4'");
    refuse("input 3 8 8;zeropad channels -1;avgpool;l2norm", 2, "'-1'");
    refuse("input 3 8 8;zeropad bottom 65;avgpool;l2norm", 2, "'65'");
    refuse("input 3 8 8;zeropad pad 1;avgpool;l2norm", 2, "'pad'");
    refuse("input 3 8 8;conv 8 kernel 1 right 1;avgpool;l2norm", 2, "'right'");
    refuse("input 3 8 8;zeropad channels 4094;avgpool;l2norm", 2, "too large");
    refuse("input 3 1000 8;zeropad bottom 64;avgpool;l2norm", 2, "too large");
    refuse("input 3 8 1000;zeropad right 64;avgpool;l2norm", 2, "too large");
    refuse("input 3 8 8;prelu kernel 3;avgpool;l2norm", 2, "'kernel'");
    refuse("input 3 8 8;linear 4 stride 2;l2norm", 2, "'stride'");
    refuse("input 3 8 8;add;avgpool;l2norm", 2, "nothing was saved");
    refuse("input 3 8 8;save;add;swap;avgpool;l2norm", 4, "nothing was saved");
    refuse("input 3 8 8;save;conv 8 kernel 1;add;avgpool;l2norm", 4, "shapes differ");
    refuse("input 3 8 8;save;dwconv kernel 1 stride 2;add;avgpool;l2norm", 4, "shapes differ");
    refuse("input 3 8 8;save;avgpool;l2norm", 4, "never added");
    refuse("input 3 8 8;avgpool", 2, "l2norm");
    refuse("input 3 8 8;", 1, "l2norm");
    refuse("input 3 8 8;output;relu", 3, "nothing is left");
    refuse("input 3 8 8;save;output;relu", 4, "the last layer");
    refuse("input 3 8 8;save;save;output;avgpool;output", 6, "the last layer");
    refuse("input 3 8 8;save;output;avgpool;l2norm", 5, "cannot end");
    refuse("input 3 8 8;l2norm", 2, "flat");
    refuse("input 3 8 8;l2norm;avgpool;l2norm", 2, "flat"); /* in the middle too */
}

static void test_too_much(void **state) {
    (void)state;
    size_t room = 64 * 1024;
    char *text = malloc(room), line[512];
    assert_non_null(text);
    strcpy(text, "input 3 8 8");
    for (int i = 0; i < 9; i++) strcat(text, ";save");
    refuse(text, 10, "'save'");
    strcpy(text, "input 3 8 8;avgpool");
    for (int i = 0; i < LK__LAYERS_MAX - 2; i++) strcat(text, ";relu");
    size_t full = strlen(text);
    static lk__spec s;
    strcpy(text + full, ";l2norm");
    accept(text, &s);
    assert_int_equal(s.count, LK__LAYERS_MAX);
    strcpy(text + full, ";relu;l2norm");
    refuse(text, LK__LAYERS_MAX + 2, "too many layers");
    snprintf(line, sizeof line, "input 3 8 8;avgpool;conv 8 %300s;l2norm", "kernel 1");
    refuse(line, 3, "too long");
    free(text);
    /* Sizes that would overflow, grown by padding: counted, and refused before memory is asked for. */
    char grow[4096] = "input 3 1024 1024";
    for (int i = 0; i < 40; i++) strcat(grow, ";dwconv kernel 64 pad 63");
    strcat(grow, ";conv 4096 kernel 1;linear 4096;l2norm");
    accept(grow, &s);
    assert_true(lk__spec_flops(&s) > 1e13);
    lk__weights w = {.count = 99};
    lk_error err;
    assert_int_equal(lk__weights_new(&s, true, &w, &err), LK_TOO_LARGE);
    assert_int_equal(w.count, 99);
}

/* One word is the name of a net; the message says where to find the names. */
static void test_names(void **state) {
    (void)state;
    static lk__spec s;
    lk_error err;
    assert_int_equal(lk__spec_parse("nosuch", &s, &err), LK_INVALID);
    assert_non_null(strstr(err.message, "nosuch"));
    assert_int_equal(lk__spec_parse("", &s, &err), LK_INVALID);
    assert_null(lk_net_text("nosuch"));
    assert_null(lk_net_name(1000));
}

static void test_ready_nets(void **state) {
    (void)state;
    const struct {
        const char *name;
        int h, w, dim;
        double gflop, params; /* as documented */
    } nets[] = {{"small", 64, 64, 128, 0.14, 1.1e6},           {"face", 112, 112, 128, 0.44, 1.1e6},
                {"face-small", 112, 112, 128, 0.66, 1.44e6},   {"face-tiny", 112, 112, 128, 0.14, 0.296e6},
                {"mobilefacenet", 112, 112, 128, 0.44, 1.0e6}, {"resnet", 112, 96, 128, 1.39, 0},
                {"dlib-resnet", 150, 150, 128, 0.53, 5.58e6},  {"vgg", 64, 64, 128, 0.14, 0}};
    size_t known = 0;
    for (size_t i = 0; lk_net_name(i); i++) {
        static lk__spec s;
        lk__weights w;
        accept(lk_net_name(i), &s);
        assert_int_equal(lk__weights_new(&s, false, &w, NULL), LK_OK);
        for (size_t j = 0; j < sizeof nets / sizeof *nets; j++) {
            if (strcmp(nets[j].name, lk_net_name(i)) != 0) continue;
            known++;
            assert_int_equal(s.h, nets[j].h);
            assert_int_equal(s.w, nets[j].w);
            assert_int_equal(s.dim, nets[j].dim);
            double gflop = lk__spec_flops(&s) / 1e9, params = (double)w.total;
            if (gflop < nets[j].gflop * 0.94 || gflop > nets[j].gflop * 1.06)
                fail_msg("%s: %.3f GFLOP", nets[j].name, gflop);
            if (nets[j].params > 0 && (params < nets[j].params * 0.94 || params > nets[j].params * 1.06))
                fail_msg("%s: %.0f parameters", nets[j].name, params);
        }
        lk__weights_free(&w);
    }
    assert_int_equal(known, sizeof nets / sizeof *nets);
}

/* By hand: 2 x 3x3x3x8 x 4x4 for the convolution, 2 x 9 x 8 x 16 depthwise, 2 x 16 x 8 global, 2 x 8 x 5
 * linear. */
static void test_flops(void **state) {
    (void)state;
    static lk__spec s;
    accept("input 3 8 8;conv 8 kernel 3 stride 2 pad 1;batchnorm;prelu;dwconv kernel 3 pad 1;gdconv;linear 5 "
           "bias;l2norm",
           &s);
    assert_true(lk__spec_flops(&s) == 2 * 27 * 8 * 16 + 2 * 9 * 8 * 16 + 2 * 16 * 8 + 2 * 8 * 5);
}

/* ---- weights --------------------------------------------------------------------------------------- */

static void test_params(void **state) {
    (void)state;
    static lk__spec s;
    lk__weights w;
    accept("input 3 8 8;conv 8 kernel 3 bias;batchnorm;prelu;dwconv kernel 2;gdconv;linear 5 bias;l2norm",
           &s);
    assert_int_equal(lk__weights_new(&s, true, &w, NULL), LK_OK);
    const struct {
        const char *name;
        size_t count;
        bool trained, decay;
    } want[] = {{"00.conv.weight", 216, true, true},      {"00.conv.bias", 8, true, false},
                {"01.batchnorm.weight", 8, true, false},  {"01.batchnorm.bias", 8, true, false},
                {"01.batchnorm.mean", 8, false, false},   {"01.batchnorm.variance", 8, false, false},
                {"02.prelu.slope", 8, true, false},       {"03.dwconv.weight", 32, true, true},
                {"04.gdconv.weight", 8 * 25, true, true}, {"05.linear.weight", 40, true, true},
                {"05.linear.bias", 5, true, false}};
    assert_int_equal(w.count, sizeof want / sizeof *want);
    size_t at = 0;
    for (int i = 0; i < w.count; i++) {
        const lk__param *p = &w.items[i];
        assert_string_equal(p->name, want[i].name);
        assert_int_equal(p->count, want[i].count);
        assert_int_equal(p->trained, want[i].trained);
        assert_int_equal(p->decay, want[i].decay);
        assert_ptr_equal(p->value, w.values + at);
        assert_ptr_equal(p->grad, w.grads + at);
        at += p->count;
    }
    assert_int_equal(at, w.total);
    assert_ptr_equal(lk__weights_find(&w, 1, "mean"), &w.items[4]);
    assert_null(lk__weights_find(&w, 1, "slope"));
    lk__weights_free(&w);
    lk__weights_free(&w); /* empty now */
    for (size_t n = 0; lk_net_name(n); n++) {
        accept(lk_net_name(n), &s);
        assert_int_equal(lk__weights_new(&s, false, &w, NULL), LK_OK);
        for (int i = 0; i < w.count; i++) {
            assert_null(w.items[i].grad);
            for (int j = 0; j < i; j++) assert_string_not_equal(w.items[i].name, w.items[j].name);
        }
        lk__weights_free(&w);
    }
}

static void test_init(void **state) {
    (void)state;
    static lk__spec s;
    lk__weights a, b;
    accept("input 3 8 8;conv 64 kernel 5 bias;batchnorm;prelu;avgpool;linear 64 bias;l2norm", &s);
    assert_int_equal(lk__weights_new(&s, false, &a, NULL), LK_OK);
    assert_int_equal(lk__weights_new(&s, false, &b, NULL), LK_OK);
    lk__weights_init(&a, 1);
    lk__weights_init(&b, 1);
    assert_memory_equal(a.values, b.values, a.total * sizeof(float));
    lk__weights_init(&b, 2);
    assert_true(a.values[0] < b.values[0] || a.values[0] > b.values[0]);
    for (int i = 0; i < a.count; i++) {
        const lk__param *p = &a.items[i];
        double sum = 0, square = 0;
        for (size_t j = 0; j < p->count; j++) {
            sum += (double)p->value[j];
            square += (double)p->value[j] * (double)p->value[j];
        }
        double mean = sum / (double)p->count,
               want = p->dims > 1                                                      ? 0
                      : strstr(p->name, ".slope")                                      ? 0.25
                      : strstr(p->name, "norm.weight") || strstr(p->name, ".variance") ? 1
                                                                                       : 0;
        double fan_in = p->layer == 0 ? 75 : 64, spread = p->dims > 1 ? 2 / 1.0625 / fan_in : 0;
        if (!(mean > want - 0.01 && mean < want + 0.01)) fail_msg("%s: mean %g", p->name, mean);
        double variance = square / (double)p->count - mean * mean;
        if (!(variance >= 0.9 * spread - 1e-9 && variance <= 1.1 * spread + 1e-9))
            fail_msg("%s: variance %g", p->name, variance);
    }
    lk__weights_free(&a);
    lk__weights_free(&b);
}

/* A net of another input size takes the kernels of a gdconv resampled; a constant kernel keeps its sum, a
 * ramp its direction. Any other difference is refused and changes nothing. */
static void test_adopt(void **state) {
    (void)state;
    static lk__spec small_spec, large_spec, other_spec;
    lk__weights from, to, other;
    lk_error err;
    accept("input 3 8 4;conv 2 kernel 1;gdconv;linear 4;l2norm", &small_spec);
    accept("input 3 16 12;conv 2 kernel 1;gdconv;linear 4;l2norm", &large_spec);
    accept("input 3 8 4;conv 2 kernel 1;gdconv;linear 5;l2norm", &other_spec);
    assert_int_equal(lk__weights_new(&small_spec, false, &from, NULL), LK_OK);
    assert_int_equal(lk__weights_new(&large_spec, false, &to, NULL), LK_OK);
    assert_int_equal(lk__weights_new(&other_spec, false, &other, NULL), LK_OK);
    lk__weights_init(&from, 1);
    float *kernel = lk__weights_find(&from, 1, "weight")->value;
    for (int i = 0; i < 32; i++) {
        kernel[i] = 3;                                                /* channel 0: constant */
        kernel[32 + i] = (float)(i / 4) - 3.5f + 10 * (float)(i % 4); /* channel 1: rising both ways */
    }
    assert_int_equal(lk__weights_adopt(&to, &from, "small", &err), LK_OK);
    assert_memory_equal(lk__weights_find(&to, 0, "weight")->value,
                        lk__weights_find(&from, 0, "weight")->value, 6 * sizeof(float));
    assert_memory_equal(lk__weights_find(&to, 2, "weight")->value,
                        lk__weights_find(&from, 2, "weight")->value, 8 * sizeof(float));
    const float *grown = lk__weights_find(&to, 1, "weight")->value;
    float scale = 32.0f / (16 * 12);
    for (int y = 0; y < 16; y++)
        for (int x = 0; x < 12; x++) {
            float row = ((float)y + 0.5f) / 2 - 0.5f, column = ((float)x + 0.5f) / 3 - 0.5f;
            row = row < 0 ? 0 : row > 7 ? 7 : row;
            column = column < 0 ? 0 : column > 3 ? 3 : column;
            float ramp = row - 3.5f + 10 * column;
            assert_float_equal(grown[y * 12 + x], 3 * scale, 1e-6f);
            assert_float_equal(grown[192 + y * 12 + x], ramp * scale, 1e-5f);
        }
    assert_int_equal(lk__weights_adopt(&from, &to, "large", &err),
                     LK_OK); /* and back: a shrunk ramp is the ramp but at its ends */
    assert_float_equal(kernel[0], 3, 1e-5f);
    assert_float_equal(kernel[32 + 4 * 4 + 1], 10.5f, 1e-4f);
    float *before = malloc(other.total * sizeof(float));
    memcpy(before, other.values, other.total * sizeof(float));
    assert_int_equal(lk__weights_adopt(&other, &from, "there.safetensors", &err), LK_MISMATCH);
    assert_non_null(strstr(err.message, "there.safetensors"));
    assert_memory_equal(before, other.values, other.total * sizeof(float));
    free(before);
    lk__weights_free(&from);
    lk__weights_free(&to);
    lk__weights_free(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),  cmocka_unit_test(test_pools_and_padding),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_names),   cmocka_unit_test(test_ready_nets),
        cmocka_unit_test(test_flops),   cmocka_unit_test(test_params),
        cmocka_unit_test(test_init),    cmocka_unit_test(test_adopt),
    };
    return cmocka_run_group_tests_name("spec", tests, NULL, NULL);
}
