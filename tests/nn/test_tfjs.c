/* test_tfjs.c: weights as TensorFlow.js stores them: what is sound is read, over the borders of shards;
 * anything else is refused and says what and where. */
#include "face/folders.h"
#include "nn/tfjs.h"

#include <math.h>
#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

static const float plain[] = {1.5F, -2, 0.25F, 1e-3F, 7, 8};
static const uint8_t quantised[] = {0, 255, 16};

/* 24 bytes of floats and 3 of bytes, cut in the middle of a float. */
static void write_shards(void) {
    uint8_t all[sizeof plain + sizeof quantised];
    memcpy(all, plain, sizeof plain);
    memcpy(all + sizeof plain, quantised, sizeof quantised);
    write_bytes(at("one"), all, 10);
    write_bytes(at("two"), all + 10, sizeof all - 10);
}

static lk_status read_text(const char *manifest, lk__tfjs **out, lk_error *err) {
    write_bytes(at("m.json"), manifest, strlen(manifest));
    return lk__tfjs_read(at("m.json"), out, err);
}

#define A "{\"name\": \"a\", \"shape\": [2, 3], \"dtype\": \"float32\"}"
#define B(q) "{\"name\": \"b/c\", \"shape\": [3], \"dtype\": \"float32\", \"quantization\": {" q "}}"
#define UINT8 "\"dtype\": \"uint8\", \"scale\": 0.5, \"min\": -3"
#define GROUP(paths, weights) "{\"paths\": [" paths "], \"weights\": [" weights "]}"

static void test_read(void **state) {
    (void)state;
    lk__tfjs *w = NULL;
    lk_error err;
    write_shards();
    if (read_text("[" GROUP("\"one\", \"two\"", A ", " B(UINT8)) ", " GROUP(
                      "\"one\"",
                      "{\"name\": \"d\", "
                      "\"shape\": [10], \"dtype\": \"float32\", \"quantization\": {" UINT8 "}}") "]",
                  &w, &err) != LK_OK)
        fail_msg("%s", err.message);
    assert_int_equal(lk__tfjs_count(w), 3);
    const lk__tfjs_array *a = lk__tfjs_find(w, "a"), *b = lk__tfjs_find(w, "b/c");
    assert_ptr_equal(lk__tfjs_at(w, 0), a);
    assert_int_equal(a->dims, 2);
    assert_true(a->shape[0] == 2 && a->shape[1] == 3 && a->count == 6);
    assert_memory_equal(a->values, plain, sizeof plain);
    assert_true(b->dims == 1 && b->count == 3);
    for (int i = 0; i < 3; i++) assert_true(b->values[i] == (float)(quantised[i] * 0.5 - 3));
    assert_null(lk__tfjs_find(w, "b"));
    lk__tfjs_free(w);
    lk__tfjs_free(NULL);
}

static void refuse(const char *manifest, lk_status wanted, const char *hint) {
    lk__tfjs *before = (lk__tfjs *)(uintptr_t)&plain, *out = before;
    lk_error err = {LK_OK, ""};
    lk_status status = read_text(manifest, &out, &err);
    if (status != wanted || err.status != wanted || !strstr(err.message, hint) || out != before)
        fail_msg("%s\n -> %d %s (wanted: %d %s)", manifest, status, err.message, wanted, hint);
    assert_int_equal(lk__tfjs_read(at("m.json"), &out, NULL), wanted);
}

static void test_refused(void **state) {
    (void)state;
    const float nan = (float)NAN;
    write_shards();
    write_bytes(at("nan"), &nan, sizeof nan);
    mkdir(at("sub"), 0777);
#define BOTH "\"one\", \"two\""
    refuse("", LK_FORMAT, "JSON");
    refuse("[{", LK_FORMAT, "JSON");
    refuse("{}", LK_FORMAT, "list of groups");
    refuse("[3]", LK_FORMAT, "list of weights");
    refuse("[{\"weights\": []}]", LK_FORMAT, "list of paths");
    refuse("[" GROUP("", "") "]", LK_FORMAT, "list of paths");
    refuse("[" GROUP("3", "") "]", LK_FORMAT, "not a string");
    refuse("[" GROUP("\"../one\"", A) "]", LK_FORMAT, "'../one'");
    refuse("[" GROUP("\"/etc/passwd\"", A) "]", LK_FORMAT, "beside it");
    refuse("[" GROUP("\"three\"", A) "]", LK_NOT_FOUND, "three");
    refuse("[" GROUP("\"sub\"", A) "]", LK_IO, "sub");
    refuse("[" GROUP("\"one\"", A) "]", LK_FORMAT, "'a' takes 24 bytes, and its shards have 10 left");
    refuse("[" GROUP(BOTH, A) "]", LK_FORMAT, "3 bytes of its shards");
    refuse("[" GROUP(BOTH, A ", " A) "]", LK_FORMAT, "there twice");
    refuse("[" GROUP(BOTH, A ", 5") "]", LK_FORMAT, "without a name");
    refuse("[" GROUP(BOTH, A ", " B("\"dtype\": \"uint16\", \"scale\": 1, \"min\": 0")) "]", LK_FORMAT,
           "uint16");
    refuse("[" GROUP(BOTH, A ", " B("\"dtype\": \"uint8\", \"scale\": 1")) "]", LK_FORMAT, "scale and min");
    refuse("[" GROUP(BOTH, A ", " B("\"dtype\": \"uint8\", \"scale\": 1e300, \"min\": 0")) "]", LK_FORMAT,
           "no number");
    refuse("[" GROUP(BOTH, "{\"name\": \"a\", \"shape\": [6], \"dtype\": \"int32\"}") "]", LK_FORMAT,
           "int32");
    refuse("[" GROUP(BOTH, "{\"name\": \"a\", \"shape\": [6]}") "]", LK_FORMAT, "(missing)");
    refuse("[" GROUP("\"nan\"", "{\"name\": \"a\", \"shape\": [1], \"dtype\": \"float32\"}") "]", LK_FORMAT,
           "no number");
    static const char *const shapes[] = {"6",
                                         "[-6]",
                                         "[0]",
                                         "[2.5]",
                                         "[\"6\"]",
                                         "[1, 1, 1, 1, 1, 1, 1, 1, 6]",
                                         "[4294967296, 4294967296, 4294967296]",
                                         "[4000000000]"};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        char text[400];
        snprintf(text, sizeof text,
                 "[{\"paths\": [\"one\"], \"weights\": [{\"name\": \"a\", \"shape\": %s, \"dtype\": "
                 "\"float32\"}]}]",
                 shapes[i]);
        refuse(text, LK_FORMAT, "'a': its shape");
    }
    lk__tfjs *out = NULL;
    lk_error err;
    assert_int_equal(lk__tfjs_read(at("none.json"), &out, &err), LK_NOT_FOUND);
    assert_non_null(strstr(err.message, "none.json"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_refused, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests_name("tfjs", tests, NULL, NULL);
}
