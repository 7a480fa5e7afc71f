/* test_embed.c: photos to vectors: against the plain reference, in any batch, from any thread.
 *
 * Under ThreadSanitizer oneDNN runs on OpenMP, which that tool cannot see into; the tests with threads here
 * give every embedder one thread of OpenMP, which leaves nothing to see but our own sharing. */
#include "face/face.h"
#include "face/models.h"
#include "nn/reference.c"

#include <pthread.h>
#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

enum { H = 12, W = 10, DIM = 16, PHOTOS = 7 };
static const char NET[] =
    "input 3 12 10;conv 16 kernel 3 stride 2 pad 1;batchnorm;prelu;save;conv 32 kernel 1;batchnorm;prelu;"
    "dwconv kernel 3 pad 1;batchnorm;prelu;conv 16 kernel 1;batchnorm;add;gdconv;linear 16;batchnorm;l2norm";

typedef struct fixture {
    lk_model *model;
    lk_image *photo[PHOTOS];
} fixture;

static fixture f;

static int setup(void **state) {
    (void)state;
    if (scratch_make() != 0) return -1;
    write_model(at("m.safetensors"), NET, 1, 0.5, (lk_crop){.centre = 0.8});
    if (lk_model_open(at("m.safetensors"), &f.model, NULL) != LK_OK) return -1;
    for (int i = 0; i < PHOTOS; i++) f.photo[i] = draw_photo((uint64_t)i, 20 + 3 * i, 24 - i);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    lk_model_free(f.model);
    for (int i = 0; i < PHOTOS; i++) lk_image_free(f.photo[i]);
    return scratch_drop();
}

static lk_embedder *embedder_of(const lk_model *model, int batch, int threads) {
    lk_embedder *e = NULL;
    lk_error err;
    if (lk_embedder_new(model, batch, threads, LK_PRECISION_F32, &e, &err) != LK_OK)
        fail_msg("%s", err.message);
    return e;
}

static void embed(lk_embedder *e, const lk_image *const *images, size_t count, const lk_crop *crop,
                  float *out) {
    lk_error err;
    if (lk_embedder_embed(e, images, count, crop, out, &err) != LK_OK) fail_msg("%s", err.message);
}

static void assert_close(const float *a, const float *b, size_t count, double tolerance) {
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= tolerance))
            fail_msg("value %zu: %g and %g", i, (double)a[i], (double)b[i]);
}

static void normalise_double(double *v, size_t n) {
    double s = 0;
    for (size_t i = 0; i < n; i++) s += v[i] * v[i];
    for (size_t i = 0; i < n; i++) v[i] /= sqrt(s);
}

/* By the definition: cut, to planes, net, the mirror image too, average, length 1. */
static void test_definition(void **state) {
    (void)state;
    float got[PHOTOS * DIM], planes[3 * H * W];
    lk_embedder *e = embedder_of(f.model, PHOTOS, 1);
    embed(e, (const lk_image *const *)f.photo, PHOTOS, NULL, got);
    reference r = {&f.model->spec, &f.model->weights, calloc(f.model->weights.total, sizeof(double)), 0};
    assert_non_null(r.values);
    for (size_t i = 0; i < f.model->weights.total; i++) r.values[i] = (double)f.model->weights.values[i];
    for (int i = 0; i < PHOTOS; i++) {
        lk_image *face = NULL;
        double want[DIM] = {0}, one[DIM], input[3 * H * W];
        assert_int_equal(lk_image_crop(f.photo[i], (lk_crop){.centre = 0.8}, W, H, &face, NULL), LK_OK);
        for (int mirror = 0; mirror < 2; mirror++) {
            lk__face_to_planes(face, mirror, planes);
            for (int j = 0; j < 3 * H * W; j++) input[j] = (double)planes[j];
            reference_forward(&r, input, 1, false, one);
            for (int j = 0; j < DIM; j++) want[j] += one[j];
        }
        normalise_double(want, DIM);
        double length = 0;
        for (int j = 0; j < DIM; j++) {
            double v = (double)got[i * DIM + j];
            length += v * v;
            if (!(fabs(v - want[j]) < 1e-5))
                fail_msg("photo %d, value %d: %g, by the reference %g", i, j, v, want[j]);
        }
        assert_true(fabs(sqrt(length) - 1) < 1e-6);
        lk_image_free(face);
    }
    free(r.values);
    lk_embedder_free(e);
    lk_embedder_free(NULL);
}

/* The same net without its last layer; of photo and mirror image the mean. */
static void test_lengths(void **state) {
    (void)state;
    float vectors[PHOTOS * DIM], again[PHOTOS * DIM], length[PHOTOS], planes[3 * H * W];
    lk_embedder *e = embedder_of(f.model, 3, 1);
    lk_error err;
    if (lk_embedder_embed_lengths(e, (const lk_image *const *)f.photo, PHOTOS, NULL, vectors, length, &err) !=
        LK_OK)
        fail_msg("%s", err.message);
    embed(e, (const lk_image *const *)f.photo, PHOTOS, NULL, again);
    assert_memory_equal(vectors, again, sizeof again);
    lk__spec bare = f.model->spec;
    bare.count--;
    reference r = {&bare, &f.model->weights, calloc(f.model->weights.total, sizeof(double)), 0};
    assert_non_null(r.values);
    for (size_t i = 0; i < f.model->weights.total; i++) r.values[i] = (double)f.model->weights.values[i];
    for (int i = 0; i < PHOTOS; i++) {
        lk_image *face = NULL;
        double want = 0, one[DIM], input[3 * H * W];
        assert_int_equal(lk_image_crop(f.photo[i], (lk_crop){.centre = 0.8}, W, H, &face, NULL), LK_OK);
        for (int mirror = 0; mirror < 2; mirror++) {
            double squares = 0;
            lk__face_to_planes(face, mirror, planes);
            for (int j = 0; j < 3 * H * W; j++) input[j] = (double)planes[j];
            reference_forward(&r, input, 1, false, one);
            for (int j = 0; j < DIM; j++) squares += one[j] * one[j];
            want += sqrt(squares) / 2;
        }
        if (!(fabs((double)length[i] - want) < 1e-4 * want))
            fail_msg("photo %d: length %g, by the reference %g", i, (double)length[i], want);
        lk_image_free(face);
    }
    free(r.values);
    lk_embedder_free(e);
}

static void test_batch_does_not_matter(void **state) {
    (void)state;
    float want[PHOTOS * DIM], got[PHOTOS * DIM];
    lk_embedder *e = embedder_of(f.model, 1, 1);
    for (size_t i = 0; i < PHOTOS; i++)
        embed(e, (const lk_image *const *)f.photo + i, 1, NULL, want + i * DIM);
    embed(e, (const lk_image *const *)f.photo, PHOTOS, NULL, got);
    assert_memory_equal(got, want, sizeof got);
    embed(e, NULL, 0, NULL, got); /* nothing asked, nothing done */
    assert_memory_equal(got, want, sizeof got);
    lk_embedder_free(e);
    for (int batch = 2; batch < 12; batch += 3)
        for (int threads = 0; threads < 4; threads++) {
            e = embedder_of(f.model, batch, threads);
            embed(e, (const lk_image *const *)f.photo, PHOTOS, NULL, got);
            assert_close(got, want, PHOTOS * DIM, 1e-5);
            lk_embedder_free(e);
        }
}

static void test_mirror(void **state) {
    (void)state;
    float a[DIM], b[DIM];
    int w = lk_image_width(f.photo[0]), h = lk_image_height(f.photo[0]);
    uint8_t *pixels = malloc((size_t)w * (size_t)h * 3);
    assert_non_null(pixels);
    for (int i = 0; i < w * h; i++)
        memcpy(pixels + 3 * i, lk_image_pixels(f.photo[0]) + 3 * (i / w * w + w - 1 - i % w), 3);
    lk_image *mirrored = NULL;
    assert_int_equal(lk_image_new(w, h, pixels, 0, &mirrored, NULL), LK_OK);
    free(pixels);
    lk_embedder *e = embedder_of(f.model, 2, 1);
    embed(e, (const lk_image *const *)f.photo, 1, NULL, a);
    embed(e, (const lk_image *const *)&mirrored, 1, NULL, b);
    assert_close(a, b, DIM, 2e-2); /* the cut rounds to bytes, not quite the same from both sides */
    embed(e, (const lk_image *const *)f.photo + 1, 1, NULL, b);
    assert_true(lk_l2(a, b, DIM) > 0.1);
    lk_image_free(mirrored);
    lk_embedder_free(e);
}

static void test_crop(void **state) {
    (void)state;
    float own[DIM], asked[DIM], cut[DIM];
    lk_embedder *e = embedder_of(f.model, 1, 1);
    lk_crop same = {.centre = 0.8}, whole = {.centre = 1}, part = {.x = 3, .y = 5, .width = W, .height = H},
            bad = {.centre = -1};
    embed(e, (const lk_image *const *)f.photo, 1, NULL, own);
    embed(e, (const lk_image *const *)f.photo, 1, &same, asked);
    assert_memory_equal(own, asked, sizeof own);
    embed(e, (const lk_image *const *)f.photo, 1, &whole, asked);
    assert_true(lk_l2(own, asked, DIM) > 0.01);
    /* A rectangle of the net's size is those pixels. */
    embed(e, (const lk_image *const *)f.photo, 1, &part, asked);
    lk_image *pixels = NULL;
    int stride = 3 * lk_image_width(f.photo[0]);
    assert_int_equal(
        lk_image_new(W, H, lk_image_pixels(f.photo[0]) + 5 * stride + 9, (size_t)stride, &pixels, NULL),
        LK_OK);
    lk_crop all = {.width = W, .height = H};
    embed(e, (const lk_image *const *)&pixels, 1, &all, cut);
    assert_close(asked, cut, DIM, 1e-5);
    lk_image_free(pixels);
    /* One that cannot be: said, and nothing written. */
    lk_error err;
    memcpy(asked, own, sizeof own);
    assert_int_equal(lk_embedder_embed(e, (const lk_image *const *)f.photo, PHOTOS, &bad, asked, &err),
                     LK_INVALID);
    assert_memory_equal(asked, own, sizeof own);
    lk_embedder_free(e);
}

static void test_refused(void **state) {
    (void)state;
    lk_embedder *e = (lk_embedder *)scratch;
    lk_error err;
    assert_int_equal(lk_embedder_new(f.model, 0, 1, LK_PRECISION_F32, &e, &err), LK_INVALID);
    assert_int_equal(lk_embedder_new(f.model, 1, -1, LK_PRECISION_F32, &e, &err), LK_INVALID);
    assert_int_equal(lk_embedder_new(f.model, 1 << 20, 1, LK_PRECISION_F32, &e, &err), LK_INVALID);
    write_model(at("grey.safetensors"), "input 1 4 4;linear 4;l2norm", 1, NAN, (lk_crop){.centre = 1});
    lk_model *grey = NULL;
    assert_int_equal(lk_model_open(at("grey.safetensors"), &grey, NULL), LK_OK);
    assert_int_equal(lk_embedder_new(grey, 1, 1, LK_PRECISION_F32, &e, &err), LK_INVALID);
    assert_non_null(strstr(err.message, "1 planes"));
    assert_ptr_equal(e, scratch);
    lk_model_free(grey);
}

/* A net that answers 0 to everything still gives unit vectors. */
static void test_zero_net(void **state) {
    (void)state;
    static lk__spec spec;
    lk__weights w;
    static const char net[] = "input 3 4 4;linear 4;l2norm";
    draw_weights(net, 1, &spec, &w);
    memset(w.values, 0, w.total * sizeof(float));
    assert_int_equal(
        lk__model_write(at("zero.safetensors"), net, &w, NAN, (lk_crop){.centre = 1}, false, NULL, 0, NULL),
        LK_OK);
    lk__weights_free(&w);
    lk_model *model = NULL;
    assert_int_equal(lk_model_open(at("zero.safetensors"), &model, NULL), LK_OK);
    lk_embedder *e = embedder_of(model, 1, 1);
    float v[4];
    embed(e, (const lk_image *const *)f.photo, 1, NULL, v);
    assert_true(fabs(lk_cosine(v, v, 4) - 1) < 1e-6);
    lk_embedder_free(e);
    lk_model_free(model);
}

/* ---- threads ---------------------------------------------------------------------------------------- */

typedef struct worker {
    const lk_model *model;
    lk_embedder *given; /* or NULL: makes its own */
    size_t count;
    float *out;
    lk_status status;
} worker;

static void *work(void *arg) {
    worker *w = arg;
    w->status = LK_OK;
    for (int turn = 0; turn < 3 && w->status == LK_OK; turn++) {
        lk_embedder *e = w->given;
        if (!e) w->status = lk_embedder_new(w->model, 3, 1, LK_PRECISION_F32, &e, NULL);
        if (w->status == LK_OK)
            w->status = lk_embedder_embed(e, (const lk_image *const *)f.photo, w->count, NULL, w->out, NULL);
        if (!w->given && w->status == LK_OK) lk_embedder_free(e);
    }
    return NULL;
}

/* One model, an embedder for each thread: made there and used there. */
static void test_two_threads(void **state) {
    (void)state;
    float want[PHOTOS * DIM];
    lk_embedder *e = embedder_of(f.model, 3, 1);
    embed(e, (const lk_image *const *)f.photo, PHOTOS, NULL, want);
    lk_embedder_free(e);
    static float got[2][PHOTOS * DIM];
    worker w[2];
    pthread_t thread[2];
    for (int i = 0; i < 2; i++) {
        w[i] = (worker){.model = f.model, .count = PHOTOS, .out = got[i]};
        assert_int_equal(pthread_create(&thread[i], NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(w[i].status, LK_OK);
        assert_memory_equal(got[i], want, sizeof want);
    }
}

/* An embedder made by one thread and used by another, one at a time: a service does so. With nets whose
 * kernels want scratch memory, since oneDNN by itself keeps that with the thread that made the kernel. */
static void test_handed_over(void **state) {
    (void)state;
    static const char *const nets[] = {
        NET, "small",
        "input 3 40 40;conv 16 kernel 7 stride 3 pad 3 bias;relu;conv 5 kernel 5;linear 16 bias;l2norm",
        "input 3 33 17;conv 7 kernel 3;prelu;conv 48 kernel 2 stride 2;batchnorm;linear 16;l2norm"};
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        write_model(at("n%zu.safetensors", i), lk__net_text_of(nets[i]), 1, 0.5, (lk_crop){.centre = 1});
        lk_model *model = NULL;
        assert_int_equal(lk_model_open(at("n%zu.safetensors", i), &model, NULL), LK_OK);
        size_t dim = (size_t)lk_model_dim(model);
        float *want = calloc(dim, sizeof *want), *got = calloc(dim, sizeof *got);
        lk_embedder *e = embedder_of(model, 1, 1), *other = embedder_of(model, 1, 1);
        embed(e, (const lk_image *const *)f.photo, 1, NULL, want);
        worker w = {.given = other, .count = 1, .out = got};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, work, &w), 0);
        pthread_join(thread, NULL);
        assert_int_equal(w.status, LK_OK);
        assert_memory_equal(got, want, dim * sizeof *want);
        lk_embedder_free(e);
        lk_embedder_free(other);
        lk_model_free(model);
        free(want);
        free(got);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_definition),
        cmocka_unit_test(test_batch_does_not_matter),
        cmocka_unit_test(test_mirror),
        cmocka_unit_test(test_crop),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_zero_net),
        cmocka_unit_test(test_two_threads),
        cmocka_unit_test(test_handed_over),
    };
    return cmocka_run_group_tests_name("embed", tests, setup, teardown);
}
