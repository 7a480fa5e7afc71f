/* test_onnx_runtime.c: ONNX Runtime computes from an exported model the vectors that we do.
 *
 * Needs node, and $LIKENESS_ORT: a folder whose node_modules has onnxruntime-node (npm install
 * --ignore-scripts onnxruntime-node). Skipped without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "face/face.h"
#include "face/node.h"

/* Models as they are shipped; ready nets; then small ones with every kind of layer, in odd sizes and odd
 * places. */
static const char *const nets[] = {
    "face-small.safetensors",
    "face-tiny.safetensors",
    "small",
    "vgg",
    "resnet",
    "mobilefacenet",
    "dlib-resnet",
    "input 3 9 8;avgpool kernel 3 stride 2;save;zeropad channels 2 bottom 1 right 2;conv 5 kernel "
    "2;swap;zeropad "
    "channels 2 right 1;add;relu;linear 4 bias;l2norm",
    "input 3 13 11;conv 16 kernel 5 stride 2 pad 2;batchnorm;prelu;avgpool;linear 8 bias;batchnorm;l2norm",
    "input 3 9 8;batchnorm;conv 5 kernel 3 stride 2 pad 1;batchnorm;batchnorm;prelu;batchnorm;save;dwconv "
    "kernel 3 "
    "pad 1;batchnorm;relu;swap;conv 5 kernel 1 bias;add;maxpool kernel 3 stride 2 pad "
    "1;gdconv;batchnorm;linear "
    "6;l2norm",
    "input 2 7 5;maxpool kernel 2 stride 1;relu;linear 7;batchnorm;prelu;linear 4 "
    "bias;relu;save;l2norm;swap;conv 4 "
    "kernel 1;add;save;linear 4;add;l2norm",
    "input 3 4 4;conv 6 kernel 1;save;save;dwconv kernel 3 pad 1;add;batchnorm;prelu;add;gdconv;l2norm",
    "input 3 2 2;linear 4;relu;l2norm", /* the last is given zeros, which have no direction */
};
enum { NETS = sizeof nets / sizeof *nets, SHIPPED = 2, WORDS = 5 /* for each net on the command line */ };
enum { PHOTOS = 100, BATCH = 3 }; /* of people, to those that are shipped; of noise, to the others */

static char words[NETS][WORDS][PATH_MAX];
static size_t vectors[NETS]; /* floats */

static lk_model *model_of(int net) {
    lk_error err;
    lk_model *model = NULL;
    char path[PATH_MAX];
    const char *ready = lk_net_text(nets[net]);
    if (net < SHIPPED) {
        snprintf(path, sizeof path, "%s/models/%s", getenv("LK_SOURCE"), nets[net]);
    } else {
        snprintf(path, sizeof path, "%s", at("%d.safetensors", net));
        write_model(path, ready ? ready : nets[net], (uint64_t)net, 0.5, (lk_crop){.centre = 1});
    }
    if (lk_model_open(path, &model, &err) != LK_OK) fail_msg("%s: %s", nets[net], err.message);
    return model;
}

static void fill_input(int net, const lk__spec *s, float *input) {
    size_t image = (size_t)(s->c * s->h * s->w);
    lk__random random = lk__random_stream(5, (uint64_t)net, 0, 0);
    lk_people *people = net < SHIPPED ? open_people() : NULL;
    for (size_t i = 0; people && i < PHOTOS; i++) {
        lk_image *photo = draw_person(people, i, s->w, s->h);
        lk__face_to_planes(photo, false, input + i * image);
        lk_image_free(photo);
    }
    for (size_t i = 0; !people && i < BATCH * image; i++)
        input[i] = net + 1 == NETS ? 0 : (float)lk__random_range(&random, -1, 1);
    lk_people_free(people);
}

/* net 0 as 0.onnx, its input 0.in and our vectors 0.ours in the scratch folder. */
static void prepare(int net) {
    lk_error err;
    lk__net *ours = NULL;
    lk_model *model = model_of(net);
    const lk__spec *s = &model->spec;
    const int shape[] = {net < SHIPPED ? PHOTOS : BATCH, s->c, s->h, s->w};
    if (lk_model_export_onnx(model, at("%d.onnx", net), &err) != LK_OK ||
        lk__net_new(s, &model->weights, &(lk__net_options){.batch = shape[0]}, &ours, &err) != LK_OK)
        fail_msg("%s: %s", nets[net], err.message);
    fill_input(net, s, lk__net_input(ours));
    write_bytes(at("%d.in", net), lk__net_input(ours),
                (size_t)shape[0] * (size_t)(s->c * s->h * s->w) * sizeof(float));
    vectors[net] = (size_t)shape[0] * (size_t)s->dim;
    lk__net_load(ours);
    write_bytes(at("%d.ours", net), lk__net_forward(ours), vectors[net] * sizeof(float));
    strcpy(words[net][0], at("%d", net));
    for (int i = 0; i < 4; i++) snprintf(words[net][i + 1], PATH_MAX, "%d", shape[i]);
    lk__net_free(ours);
    lk_model_free(model);
}

static void test_same_vectors(void **state) {
    (void)state;
    char script[PATH_MAX], node[] = "node", *arguments[2 + NETS * WORDS + 1] = {node, script};
    snprintf(script, sizeof script, "%s/tests/face/onnx_run.cjs", getenv("LK_SOURCE"));
    for (int net = 0; net < NETS; net++) {
        prepare(net);
        for (int i = 0; i < WORDS; i++) arguments[2 + net * WORDS + i] = words[net][i];
    }
    assert_int_equal(run_node(arguments), 0);
    for (int net = 0; net < NETS; net++) {
        float *ours = read_floats(at("%d.ours", net), vectors[net]),
              *theirs = read_floats(at("%d.out", net), vectors[net]);
        double worst = largest_difference(ours, theirs, vectors[net]);
        print_message("%.50s: differs by %.1e at most\n", nets[net], worst);
        if (!(worst <= 1e-5)) fail_msg("%s: differs by %g", nets[net], worst);
        free(ours);
        free(theirs);
    }
}

int main(void) {
    if (!getenv("LIKENESS_ORT") || !getenv("LK_SOURCE") || !has_node()) {
        printf("skipped: needs node, LIKENESS_ORT and LK_SOURCE\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_vectors, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests_name("onnx_runtime", tests, NULL, NULL);
}
