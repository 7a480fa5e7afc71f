/* test_trained.c: a model says whom it was trained or validated on, neither fewer people nor more. The ids
 * were computed elsewhere: printf p000 | sha256sum | cut -c 1-12. */
#include "face/train_runs.h"

#define P000 "0025ad6dafa2"
#define P001 "476add61ae30"
#define P002 "fca5855dd15c"
#define P004 "761394811558"
#define P005 "dc663a6ccdea"
#define P007 "8d9a2795e7e1"

static void assert_meta(const char *path, const char *key, const char *value) {
    lk_model *m = NULL;
    lk_error err;
    if (lk_model_open(path, &m, &err) != LK_OK) fail_msg("%s", err.message);
    const char *text = lk_model_metadata(m, key);
    if (!value ? text != NULL : !text || strcmp(text, value) != 0)
        fail_msg("%s: %s is '%s', expected '%s'", path, key, text ? text : "(none)",
                 value ? value : "(none)");
    lk_model_free(m);
}

static bool is_partial(const char *path) {
    lk_model *m = NULL;
    assert_int_equal(lk_model_open(path, &m, NULL), LK_OK);
    bool partial = lk_model_metadata(m, "trained_people_partial") != NULL;
    lk_model_free(m);
    return partial;
}

/* p000 and p001 are trained on; p002 has one photo; p003 is excluded; p004 and p005 validate, p006 has one
 * photo. */
static lk_train_options some_people(const char *name) {
    lk_train_options o = options_of(name);
    sources[0].path = keep(at("some"));
    validations[0] = (lk_source){.path = keep(at("checked"))};
    o.validate = validations;
    o.validate_count = 1;
    o.exclude = keep(at("names"));
    return o;
}

static int setup_people(void **state) {
    if (setup(state) != 0) return -1;
    draw_folder("some", 0, 2, 3);
    draw_folder("some", 2, 1, 1);
    draw_folder("some", 3, 1, 3);
    draw_folder("checked", 4, 2, 2);
    draw_folder("checked", 6, 1, 1);
    draw_folder("more", 1, 1, 2);
    draw_folder("more", 7, 1, 2);
    write_bytes(at("names"), "p003\n", 5);
    return 0;
}

static void test_listed(void **state) {
    (void)state;
    lk_train_options o = some_people("m");
    train(&o);
    assert_meta(o.output, "trained_people", P000 P001 P004 P005);
    assert_false(is_partial(o.output));
    o = some_people("m"); /* without a step nobody is trained on, but the threshold is chosen */
    o.epochs = 0;
    train(&o);
    assert_meta(o.output, "trained_people", P004 P005);
    o.validate_count = 0;
    train(&o);
    assert_meta(o.output, "trained_people", "");
    o = options_of("m"); /* kept from the people trained on: all of them, whoever was kept */
    o.holdout = 0.25;
    train(&o);
    lk_model *m = NULL;
    assert_int_equal(lk_model_open(o.output, &m, NULL), LK_OK);
    assert_int_equal(strlen(lk_model_metadata(m, "trained_people")), 12 * 12);
    assert_non_null(strstr(lk_model_metadata(m, "data"), "3 people kept"));
    lk_model_free(m);
}

/* Eigenfaces need no second photo of anybody. */
static void test_eigenfaces(void **state) {
    (void)state;
    lk_train_options o = some_people("pca");
    lk_error err;
    if (lk_train_eigenfaces(&o, &err) != LK_OK) fail_msg("%s", err.message);
    assert_meta(o.output, "trained_people", P000 P001 P004 P005 P002);
}

static void test_init(void **state) {
    (void)state;
    lk_train_options o = some_people("first");
    train(&o);
    lk_train_options next = options_of("second"); /* p001 and p007 */
    sources[0].path = keep(at("more"));
    next.init = keep(at("first"));
    train(&next);
    assert_meta(next.output, "trained_people", P000 P001 P004 P007 P005);
    assert_false(is_partial(next.output));
    /* One that does not say: what is known, and that it is not all; so with all that start from it. */
    write_model(at("silent"), NET, 1, NAN, (lk_crop){.centre = 1});
    next.init = keep(at("silent"));
    train(&next);
    assert_meta(next.output, "trained_people", P001 P007);
    assert_true(is_partial(next.output));
    next.init = next.output;
    next.output = keep(at("third"));
    train(&next);
    assert_true(is_partial(next.output));
}

static void test_damaged(void **state) {
    (void)state;
    static const char *const damaged[] = {P000 "12", P000 "0025ad6dafg2", "x", P000 " ", P000 ":" P001};
    static lk__spec spec;
    lk__weights weights;
    lk_train_options o = some_people("m");
    o.init = keep(at("damaged"));
    draw_weights(NET, 1, &spec, &weights);
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        lk__meta note = {"trained_people", damaged[i]};
        assert_int_equal(
            lk__model_write(o.init, NET, &weights, NAN, (lk_crop){.centre = 1}, false, &note, 1, NULL),
            LK_OK);
        refuse(&o, LK_FORMAT, "damaged: metadata 'trained_people'");
        assert_int_equal(s.reports, 0);
    }
    lk__weights_free(&weights);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listed),
        cmocka_unit_test(test_eigenfaces),
        cmocka_unit_test(test_init),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests_name("trained", tests, setup_people, teardown);
}
