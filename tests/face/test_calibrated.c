/* test_calibrated.c: a calibration in a model: what it says of a cosine, there and back; written and read
 * with the model's arrays left alone; and damaged in every way that a file can be. */
#include "face/train_runs.h"

#include "base/safetensors.h"

#include <math.h>
#include <string.h>

static lk_calibration example(void) {
    return (lk_calibration){.slope = 16,
                            .intercept = -5,
                            .doubt = 0.1,
                            .levels = 3,
                            .level = {{1e-1, 0.25}, {1e-2, 0.44}, {1e-3, 0.59}},
                            .tail_scale = 0.05,
                            .tail_shape = -0.1,
                            .knots = 2,
                            .knot = {{2, 0.4}, {4, 0.8}},
                            .people = 100,
                            .photos = 1000,
                            .pairs_same = 5000,
                            .pairs_different = 494500};
}

static void close_to(double got, double want, double tolerance) {
    if (!(fabs(got - want) <= tolerance)) fail_msg("got %.15g, want %.15g", got, want);
}

static void probability_is_bayes(void **state) {
    (void)state;
    lk_calibration c = example();
    double ratio = 0.1 + 0.9 * exp(16 * 0.5 - 5);
    close_to(lk_calibration_probability(&c, 0.5, 0.5), ratio / (1 + ratio), 1e-12);
    close_to(lk_calibration_probability(&c, 0.5, 0.01), 0.01 * ratio / (0.99 + 0.01 * ratio), 1e-12);
    /* However unlike, one in ten pairs of one person looks so. */
    close_to(lk_calibration_probability(&c, -1, 0.5), 0.1 / 1.1, 1e-6);
}

static void threshold_and_far_are_each_other_backwards(void **state) {
    (void)state;
    lk_calibration c = example();
    bool beyond;
    close_to(lk_calibration_threshold(&c, 1e-1, &beyond), 0.25, 1e-12);
    close_to(lk_calibration_threshold(&c, 1e-2, &beyond), 0.44, 1e-12);
    close_to(lk_calibration_threshold(&c, 1e-3, &beyond), 0.59, 1e-12);
    assert_false(beyond);
    close_to(lk_calibration_threshold(&c, sqrt(1e-5), NULL), (0.44 + 0.59) / 2, 1e-12);
    /* 0.59 + 0.05 / -0.1 (0.01^0.1 - 1) */
    close_to(lk_calibration_threshold(&c, 1e-5, &beyond), 0.59 + 0.5 * (1 - pow(0.01, 0.1)), 1e-12);
    assert_true(beyond);
    double before = 0;
    for (double far = 0.1; far > 1e-12; far *= 0.7) {
        double t = lk_calibration_threshold(&c, far, NULL);
        assert_true((t > before || t == 1) && t <= 1);
        before = t;
        if (t < 1) close_to(lk_calibration_far(&c, t, NULL) / far, 1, 1e-9);
    }
    assert_true(isnan(lk_calibration_threshold(&c, 0.2, NULL)));
    assert_true(isnan(lk_calibration_far(&c, 0.2, NULL)));
    c.tail_shape = 0;
    close_to(lk_calibration_threshold(&c, 1e-4, NULL), 0.59 + 0.05 * log(10), 1e-12);
    close_to(lk_calibration_far(&c, 0.59 + 0.05 * log(10), NULL), 1e-4, 1e-16);
    c.tail_scale = 0;
    assert_true(isnan(lk_calibration_threshold(&c, 1e-4, &beyond)) && beyond);
    c.levels = 0;
    assert_true(isnan(lk_calibration_threshold(&c, 1e-2, NULL)));
}

static void a_gallery_asks_for_more_the_larger_it_is(void **state) {
    (void)state;
    lk_calibration c = example();
    double t = lk_calibration_gallery_threshold(&c, 100, 0.01, NULL);
    close_to(1 - pow(1 - lk_calibration_far(&c, t, NULL), 100), 0.01, 1e-9);
    close_to(lk_calibration_gallery_fpir(&c, 100, t, NULL), 0.01, 1e-9);
    assert_true(lk_calibration_gallery_threshold(&c, 1000, 0.01, NULL) > t);
    /* One photo and half the strangers: the first level is the least that is known. */
    close_to(lk_calibration_gallery_threshold(&c, 1, 0.5, NULL), 0.25, 1e-12);
}

static void quality_is_straight_between_knots(void **state) {
    (void)state;
    lk_calibration c = example();
    close_to(lk_calibration_quality(&c, 0), 0, 0);
    close_to(lk_calibration_quality(&c, 1), 0.2, 1e-12);
    close_to(lk_calibration_quality(&c, 2), 0.4, 1e-12);
    close_to(lk_calibration_quality(&c, 3), 0.6, 1e-12);
    close_to(lk_calibration_quality(&c, 4), 0.8, 1e-12);
    close_to(lk_calibration_quality(&c, 9), 0.8, 1e-12);
    assert_true(isnan(lk_calibration_quality(&c, NAN)));
    c.knots = 0;
    assert_true(isnan(lk_calibration_quality(&c, 3)));
}

/* ---- in a model ------------------------------------------------------------------------------------ */

static const char *model_of(const char *name) {
    lk_train_options o = options_of(name);
    o.epochs = 0;
    train(&o);
    return o.output;
}

static lk_model *opened(const char *path) {
    lk_model *m = NULL;
    lk_error err;
    if (lk_model_open(path, &m, &err) != LK_OK) fail_msg("%s", err.message);
    return m;
}

static void it_is_written_and_the_rest_stays(void **state) {
    (void)state;
    const char *plain = model_of("plain.safetensors"), *other = keep(at("calibrated.safetensors"));
    lk_model *m = opened(plain);
    assert_null(lk_model_calibration(m));
    lk_calibration c = example();
    const char *const names[] = {"Ann_Lee"};
    lk_error err;
    if (lk_model_write_calibrated(m, &c, names, 1, other, &err) != LK_OK) fail_msg("%s", err.message);
    lk_model *n = opened(other);
    assert_non_null(lk_model_calibration(n));
    assert_memory_equal(lk_model_calibration(n), &c, sizeof c);
    assert_string_equal(lk_model_fingerprint(n), lk_model_fingerprint(m));
    assert_string_equal(lk_model_metadata(n, "net"), lk_model_metadata(m, "net"));
    assert_int_equal(lk_model_trained_on(m, "Ann_Lee"), 0);
    assert_int_equal(lk_model_trained_on(n, "Ann_Lee"), 1);
    assert_int_equal(lk_model_trained_on(n, "p000"), lk_model_trained_on(m, "p000"));
    lk_model_free(m);
    /* Onto itself, with another one: replaced, not added. */
    c.slope = 17;
    if (lk_model_write_calibrated(n, &c, NULL, 0, other, &err) != LK_OK) fail_msg("%s", err.message);
    lk_model_free(n);
    n = opened(other);
    close_to(lk_model_calibration(n)->slope, 17, 0);
    c.level[1].cosine = 0.1;
    assert_int_equal(lk_model_write_calibrated(n, &c, NULL, 0, other, &err), LK_INVALID);
    lk_model_free(n);
}

/* ---- at the end of training ------------------------------------------------------------------------ */

static lk_status answer;
static size_t people_seen;

static lk_status calibrate(const float *vectors, const float *lengths, const uint32_t *person, size_t photos,
                           int dim, lk_calibration *out, lk_error *err) {
    people_seen = 0;
    for (size_t i = 0; i < photos; i++) {
        people_seen += i == 0 || person[i] != person[i - 1];
        double norm = 0;
        for (int k = 0; k < dim; k++)
            norm +=
                (double)vectors[i * (size_t)dim + (size_t)k] * (double)vectors[i * (size_t)dim + (size_t)k];
        close_to(norm, 1, 1e-5);
        assert_true(lengths[i] > 0);
    }
    if (answer == LK_OK) *out = example();
    if (answer == LK_INVALID) *out = (lk_calibration){.slope = -1};
    return answer == LK_INVALID ? LK_OK : answer == LK_OK ? LK_OK : lk__fail(err, answer, "no calibration");
}

static void training_calibrates_on_who_validates(void **state) {
    (void)state;
    lk_train_options o = options_of("trained.safetensors");
    validations[0] = (lk_source){.path = keep(at("others"))};
    o.validate = validations;
    o.validate_count = 1;
    o.epochs = 1;
    o.calibrate = calibrate;
    lk_calibration c = example();
    static const lk_status none[] = {LK_EMPTY, LK_INVALID};
    for (int i = 0; i < 2; i++) {
        answer = none[i];
        train(&o);
        lk_model *m = opened(o.output);
        assert_null(lk_model_calibration(m));
        lk_model_free(m);
    }
    answer = LK_OK;
    train(&o);
    assert_int_equal(people_seen, 8);
    lk_model *m = opened(o.output);
    assert_non_null(lk_model_calibration(m));
    assert_memory_equal(lk_model_calibration(m), &c, sizeof c);
    lk_model_free(m);
    answer = LK_NO_MEMORY;
    refuse(&o, LK_NO_MEMORY, "no calibration");
}

static void damage_is_told(void **state) {
    (void)state;
    static const char *const damaged[] = {
        "",
        "{",
        "[]",
        "{\"slope\":1}",
        "{\"slope\":1,\"intercept\":0,\"doubt\":0,\"tail\":[0,0]}",
        "{\"slope\":\"1\",\"intercept\":0,\"doubt\":0,\"tail\":[0,0],\"quality_by_length\":[],\"threshold_at_"
        "far\":[]}",
        "{\"slope\":-1,\"intercept\":0,\"doubt\":0,\"tail\":[0,0],\"quality_by_length\":[],\"threshold_at_"
        "far\":[]}",
        "{\"slope\":1,\"intercept\":0,\"doubt\":1,\"tail\":[0,0],\"quality_by_length\":[],\"threshold_at_"
        "far\":[]}",
        "{\"slope\":1,\"intercept\":0,\"doubt\":0,\"tail\":[1,0],\"quality_by_length\":[],\"threshold_at_"
        "far\":[]}",
        "{\"slope\":1,\"intercept\":0,\"doubt\":0,\"tail\":[1,2],\"quality_by_length\":[],\"threshold_at_"
        "far\":[[0.1,0.2]]}",
        "{\"slope\":1,\"intercept\":0,\"doubt\":0,\"tail\":[0,0],\"quality_by_length\":[],\"threshold_at_"
        "far\":[[0.1,0.2],[0.2,0.3]]}",
        "{\"slope\":1,\"intercept\":0,\"doubt\":0,\"tail\":[0,0],\"quality_by_length\":[],\"threshold_at_"
        "far\":[[0.1,0.2],[0.01,0.1]]"
        "}",
        "{\"slope\":1,\"intercept\":0,\"doubt\":0,\"tail\":[0,0],\"quality_by_length\":[],\"threshold_at_"
        "far\":[[0.1]]}",
        "{\"slope\":1,\"intercept\":0,\"doubt\":0,\"tail\":[0,0],\"quality_by_length\":[],\"threshold_at_"
        "far\":[[0,2]]}",
        "{\"slope\":1,\"intercept\":0,\"doubt\":0,\"tail\":[0,0],\"quality_by_length\":[],\"threshold_at_"
        "far\":[1,1,1,1,1,1,1,1,1,1,1,"
        "1,1,1,1,1,1]}",
    };
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        lk_calibration c = {.slope = -7};
        lk_error err;
        if (lk__calibration_parse(damaged[i], "m.safetensors", &c, &err) != LK_FORMAT)
            fail_msg("accepted: %s", damaged[i]);
        assert_non_null(strstr(err.message, "m.safetensors: metadata 'calibration' is damaged: "));
        close_to(c.slope, -7, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probability_is_bayes),
        cmocka_unit_test(threshold_and_far_are_each_other_backwards),
        cmocka_unit_test(a_gallery_asks_for_more_the_larger_it_is),
        cmocka_unit_test(quality_is_straight_between_knots),
        cmocka_unit_test(it_is_written_and_the_rest_stays),
        cmocka_unit_test(training_calibrates_on_who_validates),
        cmocka_unit_test(damage_is_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
