/* People who do not exist: a fit to made-up faces, the same numbers give the same photo, photos of one person
 * are more alike than those of two, and a hostile model is refused or harmless. */
#include "face/people.h"
#include "folders.h"

#include <math.h>
#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

enum { PEOPLE = 12, PHOTOS = 3 };

static const char *model_path; /* fitted once */

/* A face as a child paints it: colours and proportions are the person's, place and light the photo's. */
static void paint_face(uint64_t person, uint64_t photo, uint8_t *pixels) {
    lk__random who = lk__random_stream(3, person, 0, 1), when = lk__random_stream(3, person, photo, 2);
    double skin[3], hair[3], back[3], wide = lk__random_range(&who, 22, 28),
                                      eye = lk__random_range(&who, 11, 14);
    double light = lk__random_range(&when, 0.8, 1.1), dx = lk__random_range(&when, -2, 2);
    double dy = lk__random_range(&when, -2, 2);
    for (int c = 0; c < 3; c++) {
        skin[c] = lk__random_range(&who, 110, 230);
        hair[c] = lk__random_range(&who, 10, 120);
        back[c] = lk__random_range(&when, 20, 230);
    }
    for (int y = 0; y < LK__FRAME_H; y++)
        for (int x = 0; x < LK__FRAME_W; x++) {
            double u = x - 43.5 - dx, v = y - 61 - dy, face = hypot(u / wide, v / 32),
                   head = hypot(u / 34, (v + 8) / 40);
            double dark = exp(-(pow(fabs(u) - eye, 2) / 9 + pow(v + 6, 2) / 4)) +
                          exp(-(u * u / 60 + pow(v - 16, 2) / 5));
            for (int c = 0; c < 3; c++) {
                double value = face < 1 ? skin[c] * (1 - 0.8 * dark) : head < 1 ? hair[c] : back[c];
                pixels[(y * LK__FRAME_W + x) * 3 + c] = (uint8_t)fmin(255, value * light);
            }
        }
}

static void make_faces(const char *folder, int people, int photos) {
    static uint8_t pixels[LK__FRAME_H * LK__FRAME_W * 3];
    for (int i = 0; i < people; i++)
        for (int k = 0; k < photos; k++) {
            lk_image *image = NULL;
            paint_face((uint64_t)i, (uint64_t)k, pixels);
            assert_int_equal(lk_image_new(LK__FRAME_W, LK__FRAME_H, pixels, 0, &image, NULL), LK_OK);
            const char *path = at("%s/p%02d/%d.png", folder, i, k);
            make_folders_to(path);
            assert_int_equal(lk_image_save(image, path, 90, NULL), LK_OK);
            lk_image_free(image);
        }
}

static lk_status fit(const char *folder, uint64_t seed, const char *output, lk_error *err) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", at("%s", folder));
    lk_source source = {.path = path};
    return lk_people_fit(&source, 1, seed, output, err);
}

static int set_up(void **state) {
    (void)state;
    if (scratch_make() != 0) return -1;
    model_path = strdup(at("people.safetensors"));
    make_faces("faces", PEOPLE, PHOTOS);
    lk_error err = {0};
    if (fit("faces", 1, model_path, &err) != LK_OK) fail_msg("%s", err.message);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    free((void *)(uintptr_t)model_path);
    return scratch_drop();
}

static lk_people *open_people(const char *path) {
    lk_people *people = NULL;
    lk_error err = {0};
    if (lk_people_open(path, &people, &err) != LK_OK) fail_msg("%s", err.message);
    return people;
}

static lk_image *draw(const lk_people *people, uint64_t seed, uint64_t person, uint64_t photo) {
    lk_image *image = NULL;
    lk_error err = {0};
    if (lk_people_draw(people, seed, person, photo, &image, &err) != LK_OK) fail_msg("%s", err.message);
    assert_int_equal(image->width, 96);
    assert_int_equal(image->height, 112);
    return image;
}

static bool same_pixels(const lk_image *a, const lk_image *b) {
    return memcmp(a->pixels, b->pixels, (size_t)a->width * (size_t)a->height * 3) == 0;
}

/* ---- what it is made of -------------------------------------------------------------------------- */

static void pca_finds_the_plane(void **state) {
    (void)state;
    enum { N = 60, D = 40, K = 3 };
    static float x[N * D], copy[N * D], mean[D], basis[8 * D], scores[N * 8];
    lk__random random = lk__random_stream(1, 2, 3, 4);
    float plane[K][D];
    for (int k = 0; k < K; k++)
        for (int d = 0; d < D; d++) plane[k][d] = (float)lk__random_normal(&random);
    for (int i = 0; i < N; i++) {
        float a[K];
        for (int k = 0; k < K; k++) a[k] = (float)((3 - k) * lk__random_normal(&random));
        for (int d = 0; d < D; d++)
            copy[i * D + d] = x[i * D + d] = 5 + a[0] * plane[0][d] + a[1] * plane[1][d] + a[2] * plane[2][d];
    }
    int found = 0;
    assert_int_equal(lk__pca(x, N, D, K, true, 1, mean, basis, scores, &found, NULL), LK_OK);
    assert_int_equal(found, K);
    for (int a = 0; a < K; a++)
        for (int b = 0; b < K; b++) {
            float dot = 0;
            for (int d = 0; d < D; d++) dot += basis[a * D + d] * basis[b * D + d];
            assert_true(fabsf(dot - (a == b ? 1.0f : 0.0f)) < 1e-4f);
        }
    for (int i = 0; i < N * D; i++) {
        float value = mean[i % D];
        for (int k = 0; k < K; k++) value += scores[i / D * K + k] * basis[k * D + i % D];
        assert_float_equal(value, copy[i], 1e-3);
    }
}

static void factors_split_person_from_photo(void **state) {
    (void)state;
    enum { N = 2000, Z = 3 };
    static float scores[N * Z];
    static int person[N];
    lk__random random = lk__random_stream(5, 0, 0, 0);
    for (int i = 0; i < N; i++) { /* 4 photos each: the person moves axis 0 by 3, the photo axis 1 by 2 */
        person[i] = i / 4;
        scores[i * Z] = i % 4 ? scores[(i - 1) * Z] : (float)(3 * lk__random_normal(&random));
        scores[i * Z + 1] = (float)(2 * lk__random_normal(&random));
        scores[i * Z + 2] = 0;
    }
    float between[Z * Z], within[Z * Z], rest[Z];
    int b = 1, w = 1;
    assert_int_equal(lk__split_factors(scores, person, N, Z, between, &b, rest, within, &w, rest, NULL),
                     LK_OK);
    assert_int_equal(b, 1);
    assert_int_equal(w, 1);
    assert_float_equal(fabsf(between[0]), 3, 0.4);
    assert_float_equal(between[1], 0, 0.3);
    assert_float_equal(within[0], 0, 0.3);
    assert_float_equal(fabsf(within[1]), 2, 0.2);
}

/* Two crowds and a stranger far from both: no kind may be the stranger alone. */
static void no_kind_is_one_person(void **state) {
    (void)state;
    enum { N = 402, Z = 4, KINDS = 6 };
    static float scores[N * Z], means[KINDS * Z], share[KINDS];
    static int person[N], kind[N];
    lk__random random = lk__random_stream(6, 0, 0, 0);
    for (int i = 0; i < N; i++) {
        person[i] = i / 2;
        float crowd = i >= 400 ? 60.0f : person[i] % 2 ? 5.0f : -5.0f;
        for (int a = 0; a < Z; a++)
            scores[i * Z + a] = (a == 0 ? crowd : 0) + (float)(0.5 * lk__random_normal(&random));
    }
    int kinds = KINDS;
    assert_int_equal(lk__find_kinds(scores, person, N, Z, &kinds, 1, means, share, kind, NULL), LK_OK);
    assert_true(kinds >= 2 && kinds <= KINDS);
    float sum = 0;
    for (int k = 0; k < kinds; k++) {
        int photos = 0;
        for (int i = 0; i < N; i++) photos += kind[i] == k;
        if (photos <= N / 8 / KINDS) fail_msg("kind %d of %d has %d photos", k, kinds, photos);
        assert_float_equal(share[k], (float)photos / N, 1e-6f);
        sum += share[k];
    }
    assert_float_equal(sum, 1.0f, 1e-5f);
    assert_int_not_equal(kind[0], kind[2]);
}

static void inverse_field_leads_back(void **state) {
    (void)state;
    float field[LK__GRID_D], inverse[LK__GRID_D];
    for (int i = 0; i < LK__GRID_D; i++)
        field[i] = (float)(2 * sin(0.3 * (i / 2 % LK__GRID_W)) * cos(0.2 * (i / 2 / LK__GRID_W)));
    lk__grid_invert(field, inverse);
    for (int gy = 2; gy < LK__GRID_H - 2; gy++)
        for (int gx = 2; gx < LK__GRID_W - 2; gx++) {
            const float *at_node = inverse + 2 * (gy * LK__GRID_W + gx);
            double x = 43.5 + 8 * (gx - 6), y = 53.5 + 8 * (gy - 7), dx, dy;
            lk__grid_at(field, x + (double)at_node[0], y + (double)at_node[1], &dx, &dy);
            assert_true(fabs(dx + (double)at_node[0]) < 0.01);
            assert_true(fabs(dy + (double)at_node[1]) < 0.01);
        }
}

/* One face, shifted and lit anew in each photo: the shape found at eyes and mouth is the shift. */
static void registration_finds_the_shift(void **state) {
    (void)state;
    enum { N = 60, POINTS = 3 };
    static const double points[POINTS][2] = {{31.5, 55}, {55.5, 55}, {43.5, 77}};
    size_t frame = (size_t)LK__FRAME_H * LK__FRAME_W * 3;
    uint8_t *photos = malloc(N * frame);
    float *fields = malloc(N * LK__GRID_D * sizeof *fields);
    assert_true(photos && fields);
    double shift[N][2], mean[2] = {0}, left = 0, all = 0;
    for (int i = 0; i < N; i++) {
        lk__random random = lk__random_stream(8, (uint64_t)i, 0, 0);
        for (int c = 0; c < 2; c++) mean[c] += (shift[i][c] = lk__random_range(&random, -3, 3)) / N;
        double light = lk__random_range(&random, 0.6, 1.2), side = lk__random_range(&random, -0.01, 0.01);
        for (int p = 0; p < LK__FRAME_H * LK__FRAME_W; p++) {
            double u = p % LK__FRAME_W - 43.5 - shift[i][0], v = p / LK__FRAME_W - 61 - shift[i][1];
            double dark =
                exp(-(pow(fabs(u) - 12, 2) + pow(v + 6, 2)) / 8) + exp(-(u * u / 60 + pow(v - 16, 2) / 9));
            double value = (hypot(u / 25, v / 32) < 1 ? 190 - 150 * dark : 60) * light * (1 + side * u);
            for (int c = 0; c < 3; c++)
                photos[(size_t)i * frame + (size_t)(3 * p + c)] = (uint8_t)fmin(255, value);
        }
    }
    assert_int_equal(lk__register(photos, N, 1, fields, NULL), LK_OK);
    for (int i = 0; i < N * POINTS; i++) {
        double found[2];
        lk__grid_at(fields + i / POINTS * LK__GRID_D, points[i % POINTS][0], points[i % POINTS][1], &found[0],
                    &found[1]);
        for (int c = 0; c < 2; c++) {
            double want = shift[i / POINTS][c] - mean[c];
            left += pow(found[c] - want, 2);
            all += want * want;
        }
    }
    if (!(left < 0.5 * all)) fail_msg("share of the shift that is not found: %g", left / all);
    free(photos);
    free(fields);
}

/* ---- drawing ------------------------------------------------------------------------------------- */

static void the_same_numbers_give_the_same_photo(void **state) {
    (void)state;
    lk_people *people = open_people(model_path);
    for (uint64_t i = 0; i < 30; i++) {
        lk__threads_set(1);
        lk_image *a = draw(people, 9, i / 3, i);
        lk__threads_set(3);
        lk_image *b = draw(people, 9, i / 3, i), *photo = draw(people, 9, i / 3, i + 1);
        lk_image *person = draw(people, 9, i / 3 + 1, i), *seed = draw(people, 10, i / 3, i);
        assert_true(same_pixels(a, b));
        assert_false(same_pixels(a, photo));
        assert_false(same_pixels(a, person));
        assert_false(same_pixels(a, seed));
        lk_image_free(a);
        lk_image_free(b);
        lk_image_free(photo);
        lk_image_free(person);
        lk_image_free(seed);
    }
    lk__threads_set(0);
    lk_people_free(people);
}

static void faces_are_finite_and_not_flat(void **state) {
    (void)state;
    lk_people *people = open_people(model_path);
    static lk__face face;
    const float *rgb = (const float *)&face.rgb, *shape = (const float *)&face.shape;
    for (uint64_t i = 0; i < 50; i++) {
        lk__face_compose(people, 2, i, 1, &face);
        for (int p = 0; p < LK__FRAME_H * LK__FRAME_W * 3; p++) assert_true(isfinite(rgb[p]));
        for (int p = 0; p < LK__GRID_D; p++) assert_true(fabsf(shape[p]) < 40);
        lk_image *image = draw(people, 2, i, 1);
        double sum = 0, square = 0, n = 96 * 112 * 3;
        for (int p = 0; p < n; p++) sum += image->pixels[p], square += image->pixels[p] * image->pixels[p];
        assert_true(square / n - (sum / n) * (sum / n) > 25);
        lk_image_free(image);
    }
    lk_people_free(people);
}

enum { SIDE = 24, SHOTS = 6, FACES = 20 };

/* The middle of the face, grey, of mean 0 and deviation 1: what of two photos can be compared pixel by pixel.
 */
static void look(const lk_image *image, float *out) {
    lk_image *face = NULL;
    lk_crop crop = {.centre = 0.6};
    assert_int_equal(lk_image_crop(image, crop, SIDE, SIDE, &face, NULL), LK_OK);
    double sum = 0, square = 0;
    for (int p = 0; p < SIDE * SIDE; p++) {
        out[p] = (float)(face->pixels[3 * p] + face->pixels[3 * p + 1] + face->pixels[3 * p + 2]);
        sum += (double)out[p], square += (double)out[p] * (double)out[p];
    }
    double mean = sum / (SIDE * SIDE), deviation = sqrt(square / (SIDE * SIDE) - mean * mean) + 1e-9;
    for (int p = 0; p < SIDE * SIDE; p++) out[p] = (float)(((double)out[p] - mean) / deviation);
    lk_image_free(face);
}

/* Mean distance of photos of two people over that of photos of one; > 1: people differ. */
static double distinctness(const lk_people *people) {
    static float faces[FACES * SHOTS][SIDE * SIDE];
    for (int i = 0; i < FACES * SHOTS; i++) {
        lk_image *image = draw(people, 4, (uint64_t)(i / SHOTS), (uint64_t)(i % SHOTS));
        look(image, faces[i]);
        lk_image_free(image);
    }
    double sum[2] = {0}, count[2] = {0};
    for (int i = 0; i < FACES * SHOTS; i++)
        for (int j = 0; j < i; j++) {
            double d = 0;
            for (int p = 0; p < SIDE * SIDE; p++) d += pow((double)(faces[i][p] - faces[j][p]), 2);
            sum[i / SHOTS == j / SHOTS] += sqrt(d);
            count[i / SHOTS == j / SHOTS]++;
        }
    return sum[0] / count[0] / (sum[1] / count[1]);
}

static void people_differ_more_than_their_photos(void **state) {
    (void)state;
    lk_people *people = open_people(model_path);
    double fitted = distinctness(people);
    if (!(fitted > 1.02)) fail_msg("fitted here: distance between people / within: %g", fitted);
    lk_people_free(people);
}

static void shipped_model_draws_people(void **state) {
    (void)state;
    const char *source = getenv("LK_SOURCE");
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/models/people.safetensors", source ? source : ".");
    if (access(path, R_OK) != 0) skip();
    struct stat file;
    assert_int_equal(stat(path, &file), 0);
    assert_true(file.st_size <= 3 << 20);
    lk_people *people = open_people(path);
    double shipped = distinctness(people);
    if (!(shipped > 1.04)) fail_msg("distance between people / within: %g", shipped);
    lk_people_free(people);
}

/* ---- bad input ----------------------------------------------------------------------------------- */

static void fit_is_reproducible(void **state) {
    (void)state;
    lk_error err = {0};
    const char *again = at("again.safetensors");
    if (fit("faces", 1, again, &err) != LK_OK) fail_msg("%s", err.message);
    uint8_t *a, *b;
    size_t a_size, b_size;
    assert_int_equal(lk__file_read(model_path, 1 << 26, &a, &a_size, NULL), LK_OK);
    assert_int_equal(lk__file_read(again, 1 << 26, &b, &b_size, NULL), LK_OK);
    assert_int_equal(a_size, b_size);
    assert_memory_equal(a, b, a_size);
    free(a);
    free(b);
}

static void too_few_photos_are_refused(void **state) {
    (void)state;
    lk_error err = {0};
    char output[PATH_MAX];
    snprintf(output, sizeof output, "%s", at("none.safetensors"));
    make_faces("few", 3, 3);
    assert_int_equal(fit("few", 1, output, &err), LK_EMPTY);
    assert_non_null(strstr(err.message, "too few photos"));
    make_faces("single", 30, 1);
    assert_int_equal(fit("single", 1, output, &err), LK_EMPTY);
    assert_non_null(strstr(err.message, "0 people with two or more"));
    assert_int_equal(fit("nowhere", 1, output, &err), LK_NOT_FOUND);
    assert_int_equal(fit("faces", 1, "", &err), LK_INVALID);
    assert_int_not_equal(access(output, F_OK), 0);
}

static void unreadable_photos_are_left_out(void **state) {
    (void)state;
    lk_error err = {0};
    make_faces("mixed", PEOPLE, PHOTOS);
    write_bytes(at("mixed/p03/0.png"), "no picture", 10);
    if (fit("mixed", 1, at("mixed.safetensors"), &err) != LK_OK) fail_msg("%s", err.message);
}

enum { MOST = 64 };

/* The model with one tensor changed by `change`, written to `path`. */
static void write_changed(const char *path, const char *name, void (*change)(lk__tensor *)) {
    lk__tensors *file = NULL;
    assert_int_equal(lk__tensors_read(model_path, &file, NULL), LK_OK);
    lk__tensor tensors[MOST];
    size_t count = lk__tensors_count(file);
    assert_true(count <= MOST);
    void *copy = NULL;
    for (size_t i = 0; i < count; i++) {
        tensors[i] = *lk__tensors_at(file, i);
        if (strcmp(tensors[i].name, name) != 0) continue;
        copy = malloc(tensors[i].bytes);
        assert_non_null(copy);
        memcpy(copy, tensors[i].data, tensors[i].bytes);
        tensors[i].data = copy;
        change(&tensors[i]);
    }
    assert_non_null(copy);
    const lk__meta meta = {"format", "likeness people 1"};
    assert_int_equal(lk__tensors_write(path, tensors, count, &meta, 1, NULL), LK_OK);
    free(copy);
    lk__tensors_free(file);
}

static void first_nan(lk__tensor *t) {
    ((float *)(uintptr_t)t->data)[0] = NAN;
}
static void all_huge(lk__tensor *t) {
    for (size_t i = 0; i < t->bytes / sizeof(float); i++)
        ((float *)(uintptr_t)t->data)[i] = i % 2 ? 9e5f : -9e5f;
}
static void one_shorter(lk__tensor *t) {
    int64_t *rows = &t->shape[0];
    t->bytes = t->bytes / (size_t)*rows * (size_t)(*rows - 1);
    (*rows)--;
}
static void renamed(lk__tensor *t) {
    t->name = "something.else";
}
static void flattened(lk__tensor *t) {
    t->shape[0] *= t->shape[1];
    t->dims = 1;
}
static void nothing(lk__tensor *t) {
    (void)t;
}
static void no_detail(lk__tensor *t) {
    memset((void *)(uintptr_t)t->data, 0, t->bytes);
}

static void assert_refused(const char *path, const char *what) {
    lk_people *people = NULL;
    lk_error err = {0};
    if (lk_people_open(path, &people, &err) != LK_FORMAT)
        fail_msg("%s: status %d, %s", what, err.status, err.message);
    assert_null(people);
    assert_non_null(strstr(err.message, path));
}

static void hostile_models_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *tensor;
        void (*change)(lk__tensor *);
    } cases[] = {{"even.coarse.scale", first_nan},   {"even.coarse.mean", first_nan},
                 {"even.coarse.scale", one_shorter}, {"even.coarse.mean", one_shorter},
                 {"even.detail.rows", flattened},    {"odd.shape.scale", renamed},
                 {"even.identity.rest", renamed},    {"odd.within.rest", one_shorter},
                 {"even.kind.behind", one_shorter},  {"even.kind.share", first_nan},
                 {"frame.detail.mask", renamed},     {"frame.detail.mask", no_detail},
                 {"frame.detail.mask", one_shorter}};
    const char *path = at("hostile.safetensors");
    write_changed(path, "even.coarse.mean", nothing);
    lk_people_free(open_people(path)); /* so that what is refused below is refused for the change */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_changed(path, cases[i].tensor, cases[i].change);
        assert_refused(path, cases[i].tensor);
    }
    write_bytes(path, "no model", 8);
    assert_refused(path, "text");
    uint8_t *bytes;
    size_t size;
    assert_int_equal(lk__file_read(model_path, 1 << 26, &bytes, &size, NULL), LK_OK);
    write_bytes(path, bytes, size / 2);
    assert_refused(path, "half a file");
    free(bytes);
    float one = 1;
    const lk__tensor tensor = {
        .name = "x", .dtype = LK__F32, .dims = 1, .shape = {1}, .data = &one, .bytes = sizeof one};
    assert_int_equal(lk__tensors_write(path, &tensor, 1, NULL, 0, NULL), LK_OK);
    assert_refused(path, "another kind of file");
    lk_people *people = NULL;
    assert_int_equal(lk_people_open(at("absent"), &people, NULL), LK_NOT_FOUND);
}

/* Numbers that are allowed and senseless give a senseless picture, not a crash. */
static void wild_numbers_do_no_harm(void **state) {
    (void)state;
    static const char *const tensors[] = {"even.coarse.scale", "even.shape.scale",    "odd.shape.scale",
                                          "even.shape.mean",   "even.identity.scale", "even.kind.share",
                                          "even.coarse.mean"};
    const char *path = at("wild.safetensors");
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        write_changed(path, tensors[i], all_huge);
        lk_people *people = open_people(path);
        for (uint64_t k = 0; k < 5; k++) lk_image_free(draw(people, 1, k, k));
        lk_people_free(people);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pca_finds_the_plane),
        cmocka_unit_test(factors_split_person_from_photo),
        cmocka_unit_test(no_kind_is_one_person),
        cmocka_unit_test(inverse_field_leads_back),
        cmocka_unit_test(registration_finds_the_shift),
        cmocka_unit_test(the_same_numbers_give_the_same_photo),
        cmocka_unit_test(faces_are_finite_and_not_flat),
        cmocka_unit_test(people_differ_more_than_their_photos),
        cmocka_unit_test(shipped_model_draws_people),
        cmocka_unit_test(fit_is_reproducible),
        cmocka_unit_test(too_few_photos_are_refused),
        cmocka_unit_test(unreadable_photos_are_left_out),
        cmocka_unit_test(hostile_models_are_refused),
        cmocka_unit_test(wild_numbers_do_no_harm),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
