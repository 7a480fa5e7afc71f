/* The loader: what is in a batch depends on (seed, step) and the files, never on threads; bad photos are
 * replaced and told once; it stops at any time. */
#include "face/face.h"
#include "face/folders.h"

#include <math.h>
#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

enum { PEOPLE = 5, PHOTOS = 4, BATCH = 7, SIDE = 12, FACE = 3 * SIDE * SIDE, TOLD = 1024 };

/* What the callbacks saw. Written under the loader's lock, read after lk__loader_stop. */
typedef struct seen {
    const lk_dataset *dataset;
    _Atomic uint64_t next_step; /* read while the loader runs, by one test */
    bool in_order;
    size_t only; /* the one photo to choose, or SIZE_MAX */
    size_t told_count;
    lk_status told_status[TOLD];
    char told[TOLD][64]; /* end of the path */
} seen;

/* Every photo is of one colour that tells which it is. */
static int level_of(size_t photo) {
    return 10 + 12 * (int)photo;
}

static float value_of(size_t photo) {
    return ((float)level_of(photo) - 127.5f) / 127.5f;
}

static lk_dataset *make_dataset(void) {
    for (int p = 0; p < PEOPLE; p++)
        for (int k = 0; k < PHOTOS; k++) {
            uint8_t pixels[16 * 16 * 3];
            memset(pixels, level_of((size_t)(p * PHOTOS + k)), sizeof pixels);
            lk_image *image = NULL;
            const char *path = at("%c/%d.png", 'a' + p, k);
            make_folders_to(path);
            assert_int_equal(lk_image_new(16, 16, pixels, 0, &image, NULL), LK_OK);
            assert_int_equal(lk_image_save(image, path, 95, NULL), LK_OK);
            lk_image_free(image);
        }
    lk_dataset *d = NULL;
    assert_int_equal(lk_dataset_open(&(lk_source){.path = scratch}, 1, &d, NULL), LK_OK);
    assert_int_equal(lk_dataset_photos(d), PEOPLE * PHOTOS);
    return d;
}

static size_t chosen(uint64_t step, size_t place) {
    return (size_t)((step * 31 + place * 11) % (PEOPLE * PHOTOS));
}

static void choose(void *context, uint64_t step, size_t *photo, uint32_t *label) {
    seen *s = context;
    s->in_order = s->in_order && step == s->next_step;
    s->next_step = step + 1;
    for (size_t i = 0; i < BATCH; i++) {
        photo[i] = s->only != SIZE_MAX ? s->only : chosen(step, i) % lk_dataset_photos(s->dataset);
        label[i] = (uint32_t)lk_dataset_photo_person(s->dataset, photo[i]);
    }
}

static void tell(void *context, const char *path, const lk_error *why) {
    seen *s = context;
    if (s->told_count < TOLD) {
        snprintf(s->told[s->told_count], sizeof s->told[0], "%s", path + strlen(scratch));
        s->told_status[s->told_count] = why->status;
    }
    s->told_count++;
}

static lk__loader_options options_for(const lk_dataset *dataset, seen *s) {
    *s = (seen){.dataset = dataset, .in_order = true, .only = SIZE_MAX};
    return (lk__loader_options){.dataset = dataset,
                                .batch = BATCH,
                                .width = SIDE,
                                .height = SIDE,
                                .seed = 3,
                                .threads = 2,
                                .ahead = 2,
                                .crop = {.centre = 1},
                                .choose = choose,
                                .bad_photo = tell,
                                .context = s};
}

static lk__loader *start(const lk__loader_options *options, uint64_t first_step) {
    lk__loader *loader = NULL;
    lk_error err = {0};
    ((seen *)options->context)->next_step = first_step;
    if (lk__loader_start(options, first_step, &loader, &err) != LK_OK) fail_msg("%s", err.message);
    return loader;
}

static const float *next(lk__loader *loader, const uint32_t **label) {
    const float *pixels = NULL;
    lk_error err = {0};
    if (lk__loader_next(loader, &pixels, label, &err) != LK_OK) fail_msg("%s", err.message);
    return pixels;
}

static bool shows(const float *face, float value) {
    for (size_t i = 0; i < FACE; i++)
        if (fabsf(face[i] - value) > 0.005f) return false;
    return true;
}

static void a_batch_holds_the_chosen_photos(void **state) {
    (void)state;
    lk_dataset *d = make_dataset();
    seen s;
    lk__loader_options o = options_for(d, &s);
    lk__loader *loader = start(&o, 40);
    for (uint64_t step = 40; step < 60; step++) {
        const uint32_t *label = NULL;
        const float *pixels = next(loader, &label);
        for (size_t i = 0; i < BATCH; i++) {
            assert_true(shows(pixels + i * FACE, value_of(chosen(step, i))));
            assert_int_equal(label[i], chosen(step, i) / PHOTOS);
        }
    }
    assert_true(lk__loader_waited(loader) > 0);
    lk__loader_stop(loader);
    assert_true(s.in_order); /* chosen once a step, in order of the steps */
    assert_int_equal(s.told_count, 0);
    lk_dataset_free(d);
}

/* `steps` batches from `first`, fully augmented, one after another. Free it. */
static float *run(const lk_dataset *d, uint64_t seed, uint64_t first, size_t steps, int threads, int ahead) {
    seen s;
    lk__loader_options o = options_for(d, &s);
    o.seed = seed, o.threads = threads, o.ahead = ahead, o.augment = 1;
    lk__loader *loader = start(&o, first);
    float *all = malloc(steps * BATCH * FACE * sizeof *all);
    for (size_t i = 0; i < steps; i++) {
        const uint32_t *label = NULL;
        memcpy(all + i * BATCH * FACE, next(loader, &label), BATCH * FACE * sizeof *all);
    }
    lk__loader_stop(loader);
    return all;
}

static void threads_cannot_be_seen_in_a_batch(void **state) {
    (void)state;
    enum { STEPS = 12 };
    size_t bytes = STEPS * BATCH * FACE * sizeof(float);
    lk_dataset *d = make_dataset();
    write_bytes(at("c/2.png"), "spoilt", 6); /* nor in what stands in for a bad photo */
    float *one = run(d, 3, 0, STEPS, 1, 1);
    for (int threads = 2; threads <= 5; threads++) {
        float *more = run(d, 3, 0, STEPS, threads, threads);
        assert_memory_equal(one, more, bytes);
        free(more);
    }
    float *other = run(d, 4, 0, STEPS, 2, 2);
    assert_memory_not_equal(one, other, bytes);
    free(other);
    float *late = run(d, 3, 5, STEPS - 5, 3, 2); /* a resumed run */
    assert_memory_equal(one + 5 * BATCH * FACE, late, bytes - 5 * BATCH * FACE * sizeof(float));
    free(late);
    free(one);
    lk_dataset_free(d);
}

static void a_batch_stays_until_the_next_call(void **state) {
    (void)state;
    lk_dataset *d = make_dataset();
    seen s;
    lk__loader_options o = options_for(d, &s);
    o.augment = 1, o.ahead = 1, o.threads = 3;
    lk__loader *loader = start(&o, 0);
    float copy[BATCH * FACE];
    for (int i = 0; i < 5; i++) {
        const uint32_t *label = NULL;
        const float *pixels = next(loader, &label);
        memcpy(copy, pixels, sizeof copy);
        usleep(20000); /* time enough to overwrite it, were that possible */
        assert_memory_equal(copy, pixels, sizeof copy);
    }
    lk__loader_stop(loader);
    lk_dataset_free(d);
}

/* While the caller works on one batch, `ahead` more are made, and no further. */
static void it_works_ahead_within_bounds(void **state) {
    (void)state;
    lk_dataset *d = make_dataset();
    seen s;
    lk__loader_options o = options_for(d, &s);
    o.ahead = 3;
    lk__loader *loader = start(&o, 10);
    const uint32_t *label = NULL;
    next(loader, &label);
    for (int i = 0; i < 5000 && s.next_step < 14; i++) usleep(1000);
    usleep(30000);
    assert_int_equal(s.next_step, 14); /* 10 in hand; 11, 12, 13 */
    next(loader, &label);
    for (int i = 0; i < 5000 && s.next_step < 15; i++) usleep(1000);
    assert_int_equal(s.next_step, 15);
    lk__loader_stop(loader);
    lk_dataset_free(d);
}

static void bad_photos_are_replaced_and_told_once(void **state) {
    (void)state;
    lk_dataset *d = make_dataset();
    write_bytes(at("a/1.png"), "not a photo", 11);
    touch(at("b/0.png"));
    unlink(at("b/3.png"));
    assert_int_equal(mkdir(at("b/3.png"), 0777), 0);
    unlink(at("e/2.png"));
    const char *const bad[] = {"/a/1.png", "/b/0.png", "/b/3.png", "/e/2.png"};
    const lk_status why[] = {LK_FORMAT, LK_FORMAT, LK_IO, LK_NOT_FOUND};
    seen s;
    lk__loader_options o = options_for(d, &s);
    o.threads = 3;
    lk__loader *loader = start(&o, 0);
    int stand_ins[PHOTOS] = {0}; /* for a/1 */
    for (uint64_t step = 0; step < 200; step++) {
        const uint32_t *label = NULL;
        const float *pixels = next(loader, &label);
        for (size_t i = 0; i < BATCH; i++) {
            const float *face = pixels + i * FACE;
            size_t photo = chosen(step, i), found = SIZE_MAX;
            for (size_t candidate = 0; candidate < PEOPLE * PHOTOS; candidate++)
                if (shows(face, value_of(candidate))) found = candidate;
            assert_true(found != SIZE_MAX);
            assert_int_equal(found / PHOTOS, photo / PHOTOS);
            assert_int_equal(label[i], photo / PHOTOS);
            if (photo != 1 && photo != 4 && photo != 7 && photo != 18) assert_int_equal(found, photo);
            if (photo == 1) stand_ins[found]++;
        }
    }
    lk__loader_stop(loader);
    assert_int_equal(stand_ins[1], 0);
    assert_true(stand_ins[0] > 10 && stand_ins[2] > 10 && stand_ins[3] > 10);
    assert_int_equal(s.told_count, 4);
    for (size_t i = 0; i < 4; i++) {
        size_t times = 0;
        for (size_t j = 0; j < s.told_count; j++)
            if (strcmp(s.told[j], bad[i]) == 0) {
                times++;
                assert_int_equal(s.told_status[j], why[i]);
            }
        assert_int_equal(times, 1);
    }
    lk_dataset_free(d);
}

static void a_person_without_a_readable_photo_is_grey(void **state) {
    (void)state;
    lk_dataset *d = make_dataset();
    for (int k = 0; k < PHOTOS; k++) touch(at("b/%d.png", k));
    seen s;
    lk__loader_options o = options_for(d, &s);
    o.augment = 1, o.bad_photo = NULL; /* nobody need listen */
    lk__loader *loader = start(&o, 0);
    for (uint64_t step = 0; step < 20; step++) {
        const uint32_t *label = NULL;
        const float *pixels = next(loader, &label);
        for (size_t i = 0; i < BATCH; i++)
            if (chosen(step, i) / PHOTOS == 1) assert_true(shows(pixels + i * FACE, 0));
    }
    lk__loader_stop(loader);
    lk_dataset_free(d);
}

static void expect_end(lk__loader *loader, const char *words) {
    const float *pixels = NULL;
    const uint32_t *label = NULL;
    lk_error err = {0};
    lk_status status = LK_OK;
    for (int i = 0; i < 1000 && status == LK_OK; i++) status = lk__loader_next(loader, &pixels, &label, &err);
    assert_int_equal(status, LK_IO);
    if (!strstr(err.message, words)) fail_msg("\"%s\" does not say \"%s\"", err.message, words);
    assert_int_equal(lk__loader_next(loader, &pixels, &label, NULL), LK_IO); /* and it stays so */
}

static void nothing_readable_ends_the_run(void **state) {
    (void)state;
    lk_dataset *d = make_dataset();
    for (int p = 0; p < PEOPLE; p++)
        for (int k = 0; k < PHOTOS; k++) touch(at("%c/%d.png", 'a' + p, k));
    seen s;
    lk__loader_options o = options_for(d, &s);
    lk__loader *loader = start(&o, 0);
    expect_end(loader, "20 of 20 photos");
    lk__loader_stop(loader);
    assert_int_equal(s.told_count, PEOPLE * PHOTOS);
    lk_dataset_free(d);
}

/* A disk that goes away must not be trained on as a thousand grey pictures. */
static void a_lost_disk_ends_the_run(void **state) {
    (void)state;
    lk_dataset_free(make_dataset());
    for (int i = 0; i < 600; i++) touch(at("z/%03d.jpg", i));
    lk_dataset *d = NULL;
    assert_int_equal(lk_dataset_open(&(lk_source){.path = scratch}, 1, &d, NULL), LK_OK);
    seen s;
    lk__loader_options o = options_for(d, &s);
    s.only = lk_dataset_photos(d) - 1;
    lk__loader *loader = start(&o, 0);
    expect_end(loader, "256 of 620 photos");
    lk__loader_stop(loader);
    lk_dataset_free(d);
}

static void the_source_crop_wins(void **state) {
    (void)state;
    uint8_t pixels[8 * 8 * 3];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = i / 3 % 8 < 4 ? 50 : 200;
    for (int k = 0; k < 2; k++) {
        lk_image *image = NULL;
        const char *path = at(k ? "two/a/1.png" : "one/a/1.png");
        make_folders_to(path);
        assert_int_equal(lk_image_new(8, 8, pixels, 0, &image, NULL), LK_OK);
        assert_int_equal(lk_image_save(image, path, 95, NULL), LK_OK);
        lk_image_free(image);
    }
    char one[PATH_MAX], two[PATH_MAX];
    snprintf(one, sizeof one, "%s", at("one"));
    snprintf(two, sizeof two, "%s", at("two"));
    lk_source sources[] = {{.path = one}, {.path = two, .crop = {0, 5, 1, 2, 2}}};
    lk_dataset *d = NULL;
    assert_int_equal(lk_dataset_open(sources, 2, &d, NULL), LK_OK);
    for (size_t photo = 0; photo < 2; photo++) {
        seen s;
        lk__loader_options o = options_for(d, &s);
        o.crop = (lk_crop){0, 1, 1, 2, 2};
        s.only = photo;
        lk__loader *loader = start(&o, 0);
        const uint32_t *label = NULL;
        assert_true(shows(next(loader, &label), ((photo ? 200.0f : 50.0f) - 127.5f) / 127.5f));
        lk__loader_stop(loader);
    }
    lk_dataset_free(d);
}

static void it_stops_at_any_time(void **state) {
    (void)state;
    lk_dataset *d = make_dataset();
    for (int i = 0; i < 40; i++) {
        seen s;
        lk__loader_options o = options_for(d, &s);
        o.augment = 1, o.threads = 1 + i % 4, o.ahead = 1 + i % 3, o.width = o.height = SIDE;
        lk__loader *loader = start(&o, 0);
        const uint32_t *label = NULL;
        for (int k = 0; k < i % 4; k++) next(loader, &label);
        if (i % 5 == 4) usleep(3000); /* all slots full, workers asleep */
        lk__loader_stop(loader);
    }
    lk__loader_stop(NULL);
    lk_dataset_free(d);
}

static void options_are_checked(void **state) {
    (void)state;
    lk_dataset *d = make_dataset();
    seen s;
    lk__loader *untouched = (lk__loader *)&s, *loader = untouched;
    for (int i = 0; i < 8; i++) {
        lk__loader_options o = options_for(d, &s);
        if (i == 0) o.dataset = NULL;
        if (i == 1) o.choose = NULL;
        if (i == 2) o.batch = 0;
        if (i == 3) o.width = 0;
        if (i == 4) o.height = -1;
        if (i == 5) o.threads = 0;
        if (i == 6) o.ahead = 0;
        if (i == 7) o.augment = NAN;
        lk_error err = {0};
        assert_int_equal(lk__loader_start(&o, 0, &loader, &err), LK_INVALID);
        assert_int_equal(err.status, LK_INVALID);
        assert_ptr_equal(loader, untouched);
    }
    lk_dataset_free(d);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        T(a_batch_holds_the_chosen_photos),
        T(threads_cannot_be_seen_in_a_batch),
        T(a_batch_stays_until_the_next_call),
        T(it_works_ahead_within_bounds),
        T(bad_photos_are_replaced_and_told_once),
        T(a_person_without_a_readable_photo_is_grey),
        T(nothing_readable_ends_the_run),
        T(a_lost_disk_ends_the_run),
        T(the_source_crop_wins),
        T(it_stops_at_any_time),
        T(options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
