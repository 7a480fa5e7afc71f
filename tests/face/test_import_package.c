/* test_import_package.c: an imported model computes the vectors that the package it comes from computes
 * itself.
 *
 * Needs node, and $LIKENESS_FACE_API: a folder whose node_modules has @vladmandic/face-api, @tensorflow/tfjs
 * and
 * @tensorflow/tfjs-backend-wasm (npm install --ignore-scripts). Skipped without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "face/face.h"
#include "face/node.h"

enum { PHOTOS = 20, SIDE = 150, DIM = 128 };
static const size_t plane = (size_t)3 * SIDE * SIDE;

/* Our vectors (PHOTOS, DIM) of the photos in the file that node will read; free(). */
static float *ours(const char *model_path, const char *photos_path) {
    lk_error err;
    lk_model *model = NULL;
    lk__net *net = NULL;
    lk_people *people = open_people();
    uint8_t *bytes = malloc(PHOTOS * plane);
    float *vectors = malloc(sizeof(float) * PHOTOS * DIM);
    assert_true(bytes && vectors);
    if (lk_model_open(model_path, &model, &err) != LK_OK ||
        lk__net_new(&model->spec, &model->weights, &(lk__net_options){.batch = PHOTOS}, &net, &err) != LK_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < PHOTOS; i++) {
        lk_image *photo = draw_person(people, i, SIDE, SIDE);
        memcpy(bytes + i * plane, lk_image_pixels(photo), plane);
        lk__face_to_planes(photo, false, lk__net_input(net) + i * plane);
        lk_image_free(photo);
    }
    write_bytes(photos_path, bytes, PHOTOS * plane);
    lk__net_load(net);
    memcpy(vectors, lk__net_forward(net), sizeof(float) * PHOTOS * DIM);
    lk__net_free(net);
    lk_model_free(model);
    lk_people_free(people);
    free(bytes);
    return vectors;
}

static void normalise(float *vector) {
    double s = 0;
    for (int i = 0; i < DIM; i++) s += (double)vector[i] * (double)vector[i];
    for (int i = 0; i < DIM; i++) vector[i] = (float)((double)vector[i] / sqrt(s));
}

static void test_same_vectors(void **state) {
    (void)state;
    lk_error err;
    char script[PATH_MAX], photos[PATH_MAX], count[16], out[PATH_MAX], node[] = "node";
    char *arguments[] = {node, script, photos, count, out, NULL};
    snprintf(script, sizeof script, "%s/tests/face/face_api_run.cjs", getenv("LK_SOURCE"));
    snprintf(photos, sizeof photos, "%s", at("photos"));
    snprintf(out, sizeof out, "%s", at("out"));
    snprintf(count, sizeof count, "%d", PHOTOS);
    if (lk_model_import(getenv("LIKENESS_FACE_API"), at("m.safetensors"), &err) != LK_OK)
        fail_msg("%s", err.message);
    float *here = ours(at("m.safetensors"), photos);
    assert_int_equal(run_node(arguments), 0);
    float *there = read_floats(out, PHOTOS * DIM);
    for (int i = 0; i < PHOTOS; i++) normalise(there + i * DIM);
    double worst = largest_difference(here, there, PHOTOS * DIM);
    print_message("%d photos: vectors differ by %.1e at most\n", PHOTOS, worst);
    if (!(worst <= 1e-4)) fail_msg("vectors differ by %g", worst);
    /* The photos are not all alike to it. */
    assert_true(largest_difference(here, here + 2 * DIM, DIM) > 0.01);
    free(here);
    free(there);
}

int main(void) {
    if (!getenv("LIKENESS_FACE_API") || !getenv("LK_SOURCE") || !has_node()) {
        printf("skipped: needs node, LIKENESS_FACE_API and LK_SOURCE\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_vectors, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests_name("import_package", tests, NULL, NULL);
}
