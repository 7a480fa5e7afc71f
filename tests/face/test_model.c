/* test_model.c: what was written as a model comes back; anything else is refused and said why. */
#include "face/models.h"

#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

static const char NET[] = "input 3 6 5;conv 16 kernel 3 bias;batchnorm;prelu;gdconv;linear 4;l2norm";

static lk_model *open_model(const char *path) {
    lk_model *m = NULL;
    lk_error err;
    if (lk_model_open(path, &m, &err) != LK_OK) fail_msg("%s", err.message);
    return m;
}

/* Refused with this status, the output untouched, the file and `hint` named. */
static void refuse(const char *path, lk_status status, const char *hint) {
    lk_model *m = (lk_model *)scratch;
    lk_error err = {LK_OK, ""};
    lk_status got = lk_model_open(path, &m, &err);
    if (got != status || err.status != status || !strstr(err.message, path) || !strstr(err.message, hint))
        fail_msg("%s: %d %s (wanted %d %s)", path, got, err.message, status, hint);
    assert_ptr_equal(m, scratch);
    assert_int_equal(lk_model_open(path, &m, NULL), status);
}

static void test_round_trip(void **state) {
    (void)state;
    static lk__spec spec;
    lk__weights weights;
    draw_weights(NET, 1, &spec, &weights);
    const lk__meta notes[] = {{"recipe", "likeness train \"a b\""}, {"steps", "12"}};
    const char *path = at("a.safetensors"), *again = at("b.safetensors");
    lk_crop rectangle = {.x = 15, .y = 32.5, .width = 58, .height = 60};
    assert_int_equal(lk__model_write(path, NET, &weights, 0.3125, rectangle, false, notes, 2, NULL), LK_OK);
    lk_model *m = open_model(path);
    assert_int_equal(lk_model_dim(m), 4);
    assert_int_equal(lk_model_input_width(m), 5);
    assert_int_equal(lk_model_input_height(m), 6);
    assert_int_equal(lk_model_parameters(m), weights.total);
    assert_memory_equal(m->weights.values, weights.values, weights.total * sizeof(float));
    assert_true(fabs(lk_model_threshold(m) - 0.3125) < 1e-9);
    lk_crop crop = lk_model_crop(m);
    assert_true(fabs(crop.x - 15) + fabs(crop.y - 32.5) + fabs(crop.width - 58) + fabs(crop.height - 60) +
                    fabs(crop.centre) <
                1e-9);
    assert_string_equal(lk_model_metadata(m, "recipe"), notes[0].value);
    assert_string_equal(lk_model_metadata(m, "net"), NET);
    assert_null(lk_model_metadata(m, "absent"));
    assert_int_equal(strspn(lk_model_fingerprint(m), "0123456789abcdef"), 64);
    /* The same again: the same bytes. */
    assert_int_equal(lk__model_write(again, NET, &weights, 0.3125, rectangle, false, notes, 2, NULL), LK_OK);
    uint8_t *a, *b;
    size_t m_size, n_size;
    assert_int_equal(lk__file_read(path, 1 << 20, &a, &m_size, NULL), LK_OK);
    assert_int_equal(lk__file_read(again, 1 << 20, &b, &n_size, NULL), LK_OK);
    assert_int_equal(m_size, n_size);
    assert_memory_equal(a, b, m_size);
    free(a);
    free(b);
    lk_model_free(m);
    lk_model_free(NULL);
    lk__weights_free(&weights);
}

/* At half the size: settings and small arrays as they were, the rest to 11 bits; and that again is the same.
 */
static void test_half(void **state) {
    (void)state;
    static lk__spec spec;
    lk__weights weights;
    draw_weights(NET, 3, &spec, &weights);
    const lk__meta note = {"recipe", "likeness train"};
    const char *path = at("whole.safetensors"), *half = at("half.safetensors"),
               *again = at("again.safetensors");
    assert_int_equal(lk__model_write(path, NET, &weights, 0.25, (lk_crop){.centre = 1}, true, &note, 1, NULL),
                     LK_OK);
    lk_model *m = open_model(path);
    assert_int_equal(lk_model_export_half(m, half, NULL), LK_OK);
    lk_model *h = open_model(half);
    assert_string_equal(lk_model_metadata(h, "recipe"), note.value);
    assert_true(lk_model_aligned(h) && fabs(lk_model_threshold(h) - 0.25) < 1e-9);
    assert_string_not_equal(lk_model_fingerprint(h), lk_model_fingerprint(m));
    bool changed = false;
    for (int i = 0; i < weights.count; i++)
        for (size_t j = 0; j < weights.items[i].count; j++) {
            float was = m->weights.items[i].value[j], is = h->weights.items[i].value[j];
            if (weights.items[i].dims < 2) assert_true(!(was < is) && !(is < was));
            assert_true(fabsf(is - was) <= fabsf(was) * 0x1p-11f + 0x1p-25f);
            changed |= was < is || is < was;
        }
    assert_true(changed);
    assert_int_equal(lk_model_export_half(h, again, NULL), LK_OK);
    lk_model *a = open_model(again);
    assert_string_equal(lk_model_fingerprint(a), lk_model_fingerprint(h));
    lk_model_free(a);
    lk_model_free(h);
    /* A weight that does not fit: nothing is written. */
    lk_error err;
    m->weights.items[0].value[0] = 7e4f;
    assert_int_equal(lk_model_export_half(m, at("large.safetensors"), &err), LK_TOO_LARGE);
    assert_non_null(strstr(err.message, "large.safetensors"));
    assert_int_equal(lk_model_open(at("large.safetensors"), &h, NULL), LK_NOT_FOUND);
    lk_model_free(m);
    lk__weights_free(&weights);
}

static lk_model *model_of_view(const char *net, const char *view, bool aligned) {
    static lk__spec spec;
    lk__weights weights;
    const lk__meta note = {"view", view};
    draw_weights(net, 3, &spec, &weights);
    assert_int_equal(lk__model_write(at("view.safetensors"), net, &weights, 0.25, (lk_crop){.centre = 1},
                                     aligned, &note, view != NULL, NULL),
                     LK_OK);
    lk__weights_free(&weights);
    return open_model(at("view.safetensors"));
}

static void check_rectangle(lk_crop is, double x, double y, double width, double height) {
    if (!(fabs(is.x - x) + fabs(is.y - y) + fabs(is.width - width) + fabs(is.height - height) < 1e-9) ||
        is.centre > 0)
        fail_msg("centre %g or %g,%g,%g,%g", is.centre, is.x, is.y, is.width, is.height);
}

/* What a model sees of a face, from the photo and from a face that was aligned before: by numbers, and both
 * ways the same. */
static void test_view(void **state) {
    (void)state;
    static const char net[] = "input 3 60 60;gdconv;l2norm";
    static const lk_point points[] = {{70, 80}, {118, 86}, {90, 108}, {70, 130}, {106, 136}};
    lk_image *photo = draw_photo(3, 200, 220), *square = NULL, *direct = NULL, *again = NULL;
    lk_model *m = model_of_view(net, "1.2 0.1", true);
    check_rectangle(lk_model_view(m, photo, (lk_crop){.centre = 0.5}), 40, 60, 120,
                    120); /* of 50, 60, 100, 100 */
    check_rectangle(lk_model_view(m, photo, (lk_crop){0, 10, 20, 40, 80}), 6, 20, 48, 96);
    assert_int_equal(lk_model_align(m, photo, points, &direct, NULL), LK_OK);
    assert_true(lk_image_width(direct) == 60 && lk_image_height(direct) == 60);
    assert_int_equal(lk_image_align(photo, points, 2, 600, 600, &square, NULL), LK_OK);
    lk_crop view = lk_model_view(m, square, (lk_crop){.centre = 0.5});
    assert_int_equal(lk_image_crop(square, view, 60, 60, &again, NULL), LK_OK);
    double difference = 0;
    for (int i = 0; i < 3 * 60 * 60; i++)
        difference += abs(lk_image_pixels(direct)[i] - lk_image_pixels(again)[i]) / (3.0 * 60 * 60);
    if (!(difference < 3)) fail_msg("mean difference %g", difference);
    lk_image_free(again);
    lk_image_free(square);
    lk_image_free(direct);
    lk_image_free(photo);
    lk_model_free(m);
}

static void test_no_view(void **state) {
    (void)state;
    static const char net[] = "input 3 60 50;gdconv;l2norm";
    static const lk_point points[] = {{70, 80}, {118, 86}, {90, 108}, {70, 130}, {106, 136}};
    lk_image *photo = draw_photo(3, 200, 220), *face = NULL, *plain = NULL;
    lk_model *m = model_of_view(net, NULL, true);
    lk_crop view = lk_model_view(m, photo, (lk_crop){.centre = 0.5});
    assert_true(view.centre > 0.49 && view.centre < 0.51);
    assert_int_equal(lk_model_align(m, photo, points, &face, NULL), LK_OK);
    assert_int_equal(lk_image_align(photo, points, 1, 50, 60, &plain, NULL), LK_OK);
    assert_memory_equal(lk_image_pixels(face), lk_image_pixels(plain), 3 * 50 * 60);
    lk_model_free(m);
    m = model_of_view(net, NULL, false);
    lk_image *before = face;
    assert_int_equal(lk_model_align(m, photo, points, &face, NULL), LK_INVALID);
    assert_ptr_equal(face, before);
    lk_image_free(plain);
    lk_image_free(face);
    lk_image_free(photo);
    lk_model_free(m);
}

/* Digits of sha256sum, not of our own code. */
static void test_trained_on(void **state) {
    (void)state;
    static const struct {
        const char *trained; /* NULL: none */
        int ann, bob, zoe, nobody;
    } cases[] = {
        {"17239b6e2501"
         "cd9fb1e148cc"
         "d91ffefba54d",
         1, 1, 1, 0},
        {"cd9fb1e148cc", 0, 1, 0, 0},
        {"", 0, 0, 0, 0},
        {NULL, -1, -1, -1, -1},
        {"17239b6e2501"
         "0",
         -1, -1, -1, -1},
    };
    static lk__spec spec;
    lk__weights weights;
    draw_weights(NET, 1, &spec, &weights);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = at("trained.safetensors");
        lk__meta note = {"trained_people", cases[i].trained};
        lk_crop whole = {.centre = 1};
        assert_int_equal(
            lk__model_write(path, NET, &weights, NAN, whole, false, &note, cases[i].trained != NULL, NULL),
            LK_OK);
        lk_model *m = open_model(path);
        assert_int_equal(lk_model_trained_on(m, "Ann"), cases[i].ann);
        assert_int_equal(lk_model_trained_on(m, "Bob"), cases[i].bob);
        assert_int_equal(lk_model_trained_on(m, "Zo\xC3\xAB \xC3\x85ngstr\xC3\xB6m"), cases[i].zoe);
        assert_int_equal(lk_model_trained_on(m, "ann"), cases[i].nobody);
        assert_int_equal(lk_model_trained_on(m, ""), cases[i].nobody);
        lk_model_free(m);
    }
    lk__weights_free(&weights);
}

/* Net and weights make the fingerprint, nothing else; and it stays the same from version to version. */
static void test_fingerprint(void **state) {
    (void)state;
    static lk__spec spec;
    static const char net[] = "input 3 2 2;linear 2 bias;l2norm",
                      same[] = "input 3 2 2; linear 2 bias;l2norm";
    lk__weights w;
    char first[65];
    const char *path = at("m.safetensors");
    draw_weights(net, 1, &spec, &w);
    for (size_t i = 0; i < 24; i++) w.values[i] = (float)i * 0.5f - 3;
    w.values[24] = 0.25f;
    w.values[25] = -0.75f;
    const struct {
        const char *net;
        float value;
        double threshold;
        bool equal;
    } cases[] = {
        {net, -3, 0.5, true}, {net, -3, NAN, true}, {net, -3.0000002f, 0.5, false}, {same, -3, 0.5, false}};
    strcpy(first,
           "2cddf09ca8a323050f8d0de2fefd7ceaa69094cd9d49b91eebdb6fb2a122b1a6"); /* by Python's hashlib */
    for (int i = 0; i < 4; i++) {
        w.values[0] = cases[i].value;
        assert_int_equal(lk__model_write(path, cases[i].net, &w, cases[i].threshold, (lk_crop){.centre = 1},
                                         i % 2 == 1, NULL, 0, NULL),
                         LK_OK);
        lk_model *m = open_model(path);
        assert_int_equal(strcmp(lk_model_fingerprint(m), first) == 0, cases[i].equal);
        assert_int_equal(isnan(lk_model_threshold(m)) != 0, i == 1);
        assert_true(lk_model_crop(m).centre >= 1);
        assert_int_equal(lk_model_aligned(m), i % 2 == 1);
        lk_model_free(m);
    }
    lk__weights_free(&w);
}

/* ---- damaged and hostile files --------------------------------------------------------------------- */

/* The model of NET with changes: one tensor left out (by index), metadata given. */
static void write_changed(const char *path, const lk__meta *meta, size_t meta_count, int left_out,
                          int changed, const lk__tensor *other) {
    static lk__spec spec;
    lk__weights w;
    lk__tensor tensors[16];
    size_t n = 0;
    draw_weights(NET, 1, &spec, &w);
    for (int i = 0; i < w.count; i++) {
        const lk__param *p = &w.items[i];
        lk__tensor t = {.name = p->name,
                        .dtype = LK__F32,
                        .dims = p->dims,
                        .data = p->value,
                        .bytes = p->count * sizeof(float)};
        memcpy(t.shape, p->shape, sizeof p->shape);
        if (i == changed) {
            t = *other;
            t.name = p->name;
            if (!t.data) t.data = p->value;
        }
        if (i != left_out) tensors[n++] = t;
    }
    lk_error err;
    if (lk__tensors_write(path, tensors, n, meta, meta_count, &err) != LK_OK) fail_msg("%s", err.message);
    lk__weights_free(&w);
}

static void test_metadata_refused(void **state) {
    (void)state;
    const char *path = at("m.safetensors");
    const struct {
        lk__meta meta[4];
        const char *hint;
    } cases[] = {
        {{{"net", NET}}, "no likeness model"},
        {{{"format", "likeness-model-2"}, {"net", NET}}, "no likeness model"},
        {{{"format", "likeness-model-1"}}, "no likeness model"},
        {{{"format", "likeness-model-1"}, {"net", "input 3 6 5;conv 16 kernel 3 bias;tanh"}}, "'tanh'"},
        {{{"format", "likeness-model-1"}, {"net", "nosuch"}}, "nosuch"},
        {{{"format", "likeness-model-1"}, {"net", "input 3 6 5;avgpool"}}, "l2norm"},
        {{{"format", "likeness-model-1"},
          {"net", "input 3 6 5;conv 16 kernel 3;batchnorm;prelu;gdconv;linear 5;l2norm"}},
         "04.linear.weight"},
        {{{"format", "likeness-model-1"}, {"net", "input 3 6 5;linear 4;l2norm"}}, "00.linear.weight"},
        {{{"format", "likeness-model-1"}, {"net", NET}, {"threshold", "high"}}, "'high'"},
        {{{"format", "likeness-model-1"}, {"net", NET}, {"threshold", "1.5"}}, "'1.5'"},
        {{{"format", "likeness-model-1"}, {"net", NET}, {"threshold", "nan"}}, "'nan'"},
        {{{"format", "likeness-model-1"}, {"net", NET}, {"threshold", ""}}, "''"},
        {{{"format", "likeness-model-1"}, {"net", NET}, {"crop", "0"}}, "crop"},
        {{{"format", "likeness-model-1"}, {"net", NET}, {"crop", "1,2,3"}}, "crop"},
        {{{"format", "likeness-model-1"}, {"net", NET}, {"view", ""}}, "''"},
        {{{"format", "likeness-model-1"}, {"net", NET}, {"view", "1.1"}}, "'1.1'"},
        {{{"format", "likeness-model-1"}, {"net", NET}, {"view", "0.9 0"}}, "'0.9 0'"},
        {{{"format", "likeness-model-1"}, {"net", NET}, {"view", "1.1 2"}}, "'1.1 2'"},
        {{{"format", "likeness-model-1"}, {"net", NET}, {"view", "1.1 nan"}}, "'1.1 nan'"},
        {{{"format", "likeness-model-1"}, {"net", NET}, {"view", "1.1 0.1 0"}}, "'1.1 0.1 0'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = 0;
        while (n < 4 && cases[i].meta[n].key) n++;
        write_changed(path, cases[i].meta, n, -1, -1, NULL);
        refuse(path, LK_FORMAT, cases[i].hint);
    }
}

static const lk__meta sound[] = {{"format", "likeness-model-1"}, {"net", NET}};

static void test_tensors_refused(void **state) {
    (void)state;
    const char *path = at("m.safetensors");
    float values[16];
    for (int i = 0; i < 16; i++) values[i] = 0.5f;
    write_changed(path, sound, 2, -1, -1, NULL);
    lk_model *m = open_model(path);
    assert_int_equal(m->weights.count, 9);
    lk_model_free(m);
    for (int i = 0; i < 9; i++) {
        write_changed(path, sound, 2, i, -1, NULL);
        refuse(path, LK_FORMAT, "missing");
    }
    const lk__tensor wide = {.dtype = LK__F32, .dims = 1, .shape = {4}, .bytes = 16};
    const lk__tensor deep = {.dtype = LK__F32, .dims = 2, .shape = {16, 1}, .bytes = 64};
    const lk__tensor half = {.dtype = LK__I8, .dims = 1, .shape = {16}, .bytes = 16};
    write_changed(path, sound, 2, -1, 1, &wide);
    refuse(path, LK_FORMAT, "00.conv.bias");
    write_changed(path, sound, 2, -1, 1, &deep);
    refuse(path, LK_FORMAT, "another shape");
    write_changed(path, sound, 2, -1, 1, &half);
    refuse(path, LK_FORMAT, "another shape or type");
    const lk__tensor given = {.dtype = LK__F32, .dims = 1, .shape = {16}, .data = values, .bytes = 64};
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        values[7] = bad[i];
        write_changed(path, sound, 2, -1, 6, &given);
        refuse(path, LK_FORMAT, "02.prelu.slope");
    }
    values[7] = -0.1f;
    write_changed(path, sound, 2, -1, 6, &given);
    lk_model_free(open_model(path)); /* a slope may be negative, */
    write_changed(path, sound, 2, -1, 5, &given);
    refuse(path, LK_FORMAT, "01.batchnorm.variance"); /* a variance may not */
}

/* Every truncation is refused; every changed byte too, unless it makes another sound model, which then has
 * another fingerprint or other metadata. */
static void test_damaged(void **state) {
    (void)state;
    const char *path = at("m.safetensors"), *damaged = at("damaged.safetensors");
    write_model(path, "input 3 2 2;linear 2;batchnorm;l2norm", 1, 0.5, (lk_crop){.centre = 0.9});
    uint8_t *bytes;
    size_t size, refused = 0, data = (12 * 2 + 4 * 2) * sizeof(float);
    assert_int_equal(lk__file_read(path, 1 << 20, &bytes, &size, NULL), LK_OK);
    lk_model *m = open_model(path), *other;
    lk_error err;
    for (size_t n = 0; n < size; n += n < size - 8 ? 7 : 1) {
        write_bytes(damaged, bytes, n);
        refuse(damaged, LK_FORMAT, "");
    }
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x10;
        write_bytes(damaged, bytes, size);
        lk_status status = lk_model_open(damaged, &other, &err);
        if (status == LK_OK) {
            if (i >= size - data)
                assert_string_not_equal(lk_model_fingerprint(m), lk_model_fingerprint(other));
            lk_model_free(other);
        } else if (status == LK_FORMAT) {
            refused++;
        } else {
            fail_msg("byte %zu: %d %s", i, status, err.message);
        }
        bytes[i] ^= 0x10;
    }
    assert_true(refused > (size - data) / 2);
    lk_model_free(m);
    free(bytes);
    refuse(at("absent.safetensors"), LK_NOT_FOUND, "");
    mkdir(at("folder"), 0777);
    refuse(at("folder"), LK_IO, "");
    touch(damaged);
    refuse(damaged, LK_FORMAT, "");
}

static void test_unwritable(void **state) {
    (void)state;
    static lk__spec spec;
    lk__weights weights;
    lk_error err;
    draw_weights(NET, 1, &spec, &weights);
    const char *path = at("no/such/folder/m.safetensors");
    assert_int_equal(lk__model_write(path, NET, &weights, NAN, (lk_crop){.centre = 1}, false, NULL, 0, &err),
                     LK_NOT_FOUND);
    assert_non_null(strstr(err.message, path));
    lk__weights_free(&weights);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_half, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_view, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_no_view, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_trained_on, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_fingerprint, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_metadata_refused, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_tensors_refused, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_damaged, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_unwritable, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
