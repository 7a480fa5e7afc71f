/* test_checkpoint.c: a training run in a file: all of it comes back, to the bit, or nothing is touched. */
#include "face/checkpoint.h"
#include "face/folders.h"
#include "face/train.h"

#include <math.h>
#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

typedef struct run {
    lk__spec spec;
    lk__weights weights;
    lk__optimizer_state optimizer;
    lk__run_state state;
} run;

static run *run_new(const char *net, lk_optimizer kind, uint64_t seed) {
    run *r = calloc(1, sizeof *r);
    assert_non_null(r);
    assert_int_equal(lk__spec_parse(net, &r->spec, NULL), LK_OK);
    assert_int_equal(lk__weights_new(&r->spec, true, &r->weights, NULL), LK_OK);
    assert_int_equal(lk__optimizer_new(kind, &r->weights, 0.1, 0.9, &r->optimizer, NULL), LK_OK);
    lk__random random = lk__random_stream(seed, 0, 0, 0);
    for (size_t i = 0; i < r->weights.total; i++) {
        r->weights.values[i] = (float)lk__random_unit(&random);
        r->optimizer.m[i] = (float)lk__random_normal(&random);
        if (r->optimizer.v) r->optimizer.v[i] = (float)lk__random_unit(&random);
    }
    r->optimizer.step = seed * 1000003;
    r->state = (lk__run_state){
        .step = seed * 1000007, .seconds = 1.0 / 3, .accuracy = 0.1 * (double)seed, .threshold = -1.0 / 7};
    return r;
}

static void run_free(run *r) {
    lk__weights_free(&r->weights);
    lk__optimizer_free(&r->optimizer);
    free(r);
}

static bool same(double a, double b) {
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static void assert_same_run(const run *a, const run *b) {
    size_t bytes = a->weights.total * sizeof(float);
    assert_memory_equal(a->weights.values, b->weights.values, bytes);
    assert_memory_equal(a->optimizer.m, b->optimizer.m, bytes);
    if (a->optimizer.v) assert_memory_equal(a->optimizer.v, b->optimizer.v, bytes);
    assert_int_equal(a->optimizer.step, b->optimizer.step);
    assert_int_equal(a->state.step, b->state.step);
    assert_true(same(a->state.seconds, b->state.seconds) && same(a->state.accuracy, b->state.accuracy) &&
                same(a->state.threshold, b->state.threshold));
}

static const char NET[] = "input 3 4 4;conv 5 kernel 3;batchnorm;prelu;gdconv;linear 3 bias;l2norm";

static lk_status write_run(const char *path, const char *options, const run *r, lk_error *err) {
    return lk__checkpoint_write(path, options, &r->weights, &r->optimizer, &r->state, err);
}

static lk_status read_run(const char *path, const char *options, run *r, lk_error *err) {
    return lk__checkpoint_read(path, options, &r->weights, &r->optimizer, &r->state, err);
}

static void test_round_trip(void **state) {
    (void)state;
    for (int kind = 0; kind < 2; kind++)
        for (int validated = 0; validated < 2; validated++) {
            run *a = run_new(NET, kind ? LK_OPTIMIZER_SGD : LK_OPTIMIZER_ADAMW, 1);
            run *b = run_new(NET, kind ? LK_OPTIMIZER_SGD : LK_OPTIMIZER_ADAMW, 2);
            lk_error err;
            if (!validated) a->state.accuracy = a->state.threshold = NAN;
            assert_int_equal(write_run(at("c"), "margin 0.3", a, &err), LK_OK);
            assert_int_equal(read_run(at("c"), "margin 0.3", b, &err), LK_OK);
            assert_same_run(a, b);
            run_free(a);
            run_free(b);
        }
}

/* Refused, the run as it was, the file and each hint named. */
static void refuse(const char *path, const char *options, lk_status status, const char *hint,
                   const char *second) {
    run *before = run_new(NET, LK_OPTIMIZER_ADAMW, 2), *r = run_new(NET, LK_OPTIMIZER_ADAMW, 2);
    lk_error err = {LK_OK, ""};
    lk_status got = read_run(path, options, r, &err);
    if (got != status || err.status != status || !strstr(err.message, path) || !strstr(err.message, hint) ||
        !strstr(err.message, second))
        fail_msg("%d %s (wanted %d %s %s)", got, err.message, status, hint, second);
    assert_same_run(before, r);
    run_free(before);
    run_free(r);
}

/* The message names what differs, old and new, and nothing else. */
static void test_other_options(void **state) {
    (void)state;
    run *r = run_new(NET, LK_OPTIMIZER_ADAMW, 1);
    const char *path = at("c");
    lk_error err;
    assert_int_equal(write_run(path, "net face margin 0.3 mining 2 seed 1", r, NULL), LK_OK);
    refuse(path, "net face margin 0.35 mining 2 seed 1", LK_INVALID, "(margin 0.3)", "(margin 0.35)");
    refuse(path, "net face margin 0.3 mining 2 seed 12", LK_INVALID, "(seed 1)", "(seed 12)");
    refuse(path, "net face margin 0.3 mining 2 seed 21", LK_INVALID, "(seed 1)", "(seed 21)");
    refuse(path, "net small margin 0.3 mining 2 seed 1", LK_INVALID, "(net face)", "(net small)");
    refuse(path, "net face margin 0.2 mining 1 seed 1", LK_INVALID, "(margin 0.3 mining 2)",
           "(margin 0.2 mining 1)");
    refuse(path, "net face margin 0.3 mining 2 seed 1 more", LK_INVALID, "(seed 1)", "(seed 1 more)");
    refuse(path, "", LK_INVALID, "(net face margin 0.3 mining 2 seed 1)", "()");
    run_free(r);
    /* Whatever the length of the net, no option is cut off. */
    lk_train_options a, b;
    lk_train_options_init(&a);
    char *net = malloc(6000), *first, *second;
    assert_non_null(net);
    strcpy(net, "input 3 8 8\nconv 8 kernel 3");
    for (int i = 0; i < 300; i++) strcat(net, "\nconv 8 kernel 1");
    a.net = net;
    b = a;
    b.seed = 77;
    first = lk__train_options_text(&a, 8, 10, 100);
    second = lk__train_options_text(&b, 8, 10, 100);
    assert_non_null(first);
    assert_non_null(second);
    assert_null(strchr(first, '\n'));
    r = run_new(NET, LK_OPTIMIZER_ADAMW, 1);
    assert_int_equal(write_run(path, first, r, &err), LK_OK);
    refuse(path, second, LK_INVALID, "(seed 1)", "(seed 77)");
    assert_int_equal(read_run(path, first, r, &err), LK_OK);
    run_free(r);
    free(first);
    free(second);
    free(net);
}

static void test_other_net(void **state) {
    (void)state;
    const char *path = at("c");
    run *r = run_new("input 3 4 4;conv 5 kernel 3;batchnorm;prelu;gdconv;linear 4 bias;l2norm",
                     LK_OPTIMIZER_ADAMW, 1);
    assert_int_equal(write_run(path, "o", r, NULL), LK_OK);
    refuse(path, "o", LK_FORMAT, "optimizer.m", "");
    run_free(r);
    r = run_new("input 3 4 4;conv 5 kernel 3;prelu;batchnorm;gdconv;linear 3 bias;l2norm", LK_OPTIMIZER_ADAMW,
                1);
    assert_int_equal(write_run(path, "o", r, NULL), LK_OK);
    refuse(path, "o", LK_MISMATCH, "", "");
    run_free(r);
    r = run_new(NET, LK_OPTIMIZER_SGD, 1); /* no second moments */
    assert_int_equal(write_run(path, "o", r, NULL), LK_OK);
    refuse(path, "o", LK_FORMAT, "optimizer.v", "");
    run_free(r);
}

static void test_damaged(void **state) {
    (void)state;
    const char *path = at("c"), *damaged = at("d");
    run *r = run_new(NET, LK_OPTIMIZER_ADAMW, 1);
    uint8_t *bytes;
    size_t size;
    assert_int_equal(write_run(path, "o", r, NULL), LK_OK);
    assert_int_equal(lk__file_read(path, 1 << 24, &bytes, &size, NULL), LK_OK);
    for (size_t n = 0; n < size; n += n + 64 < size ? 61 : 1) {
        write_bytes(damaged, bytes, n);
        refuse(damaged, "o", LK_FORMAT, "", "");
    }
    free(bytes);
    refuse(at("absent"), "o", LK_NOT_FOUND, "", "");
    run_free(r);
    /* A sound file of another kind, and one whose counters cannot be. */
    const float value = 1;
    const lk__tensor tensor = {"x", LK__F32, 1, {1}, &value, sizeof value};
    const lk__meta other[] = {{"format", "likeness-model-1"}};
    assert_int_equal(lk__tensors_write(damaged, &tensor, 1, other, 1, NULL), LK_OK);
    refuse(damaged, "o", LK_FORMAT, "not a likeness checkpoint", "");
    r = run_new(NET, LK_OPTIMIZER_ADAMW, 1);
    r->state.seconds = NAN;
    assert_int_equal(write_run(path, "o", r, NULL), LK_OK);
    refuse(path, "o", LK_FORMAT, "counters", "");
    r->state.seconds = 1;
    r->weights.values[3] = NAN;
    assert_int_equal(write_run(path, "o", r, NULL), LK_OK);
    refuse(path, "o", LK_FORMAT, "00.conv.weight", "");
    run_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_other_options, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_other_net, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_damaged, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
