/* test_onnx_runtime.c: ONNX Runtime computes from an exported model the vectors that we do.
 *
 * Needs node, and $LIKENESS_ORT: a folder whose node_modules has onnxruntime-node (npm install
 * --ignore-scripts onnxruntime-node). Skipped without. */
#include "face/models.h"

#include <setjmp.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

/* Ready nets, then small ones with every kind of layer, in odd sizes and odd places. */
static const char *const nets[] = {
    "small",
    "vgg",
    "resnet",
    "mobilefacenet",
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
enum { NETS = sizeof nets / sizeof *nets, BATCH = 3, WORDS = 5 /* for each net on the command line */ };

static char words[NETS][WORDS][PATH_MAX];
static size_t vectors[NETS]; /* floats */

/* net 0 as 0.onnx, its input 0.in and our vectors 0.ours in the scratch folder. */
static void prepare(int net) {
    lk_error err;
    lk_model *model = NULL;
    lk__net *ours = NULL;
    const char *path = at("%d.safetensors", net), *ready = lk_net_text(nets[net]);
    write_model(path, ready ? ready : nets[net], (uint64_t)net, 0.5, (lk_crop){.centre = 1});
    if (lk_model_open(path, &model, &err) != LK_OK ||
        lk_model_export_onnx(model, at("%d.onnx", net), &err) != LK_OK ||
        lk__net_new(&model->spec, &model->weights, &(lk__net_options){.batch = BATCH}, &ours, &err) != LK_OK)
        fail_msg("%s: %s", nets[net], err.message);
    const lk__spec *s = &model->spec;
    size_t pixels = (size_t)BATCH * (size_t)(s->c * s->h * s->w);
    lk__random random = lk__random_stream(5, (uint64_t)net, 0, 0);
    float *input = lk__net_input(ours);
    for (size_t i = 0; i < pixels; i++)
        input[i] = net + 1 == NETS ? 0 : (float)lk__random_range(&random, -1, 1);
    write_bytes(at("%d.in", net), input, pixels * sizeof *input);
    vectors[net] = (size_t)BATCH * (size_t)s->dim;
    lk__net_load(ours);
    write_bytes(at("%d.ours", net), lk__net_forward(ours), vectors[net] * sizeof(float));
    const int shape[] = {BATCH, s->c, s->h, s->w};
    strcpy(words[net][0], at("%d", net));
    for (int i = 0; i < 4; i++) snprintf(words[net][i + 1], PATH_MAX, "%d", shape[i]);
    lk__net_free(ours);
    lk_model_free(model);
}

static float *read_vectors(const char *path, size_t count) {
    uint8_t *bytes;
    size_t size;
    lk_error err;
    if (lk__file_read(path, 1 << 24, &bytes, &size, &err) != LK_OK) fail_msg("%s", err.message);
    assert_int_equal(size, count * sizeof(float));
    return (float *)(void *)bytes;
}

/* node with the words; its exit code, or -1 if there is no node. */
static int run_node(char **arguments) {
    pid_t child;
    int status;
    if (posix_spawnp(&child, "node", NULL, NULL, arguments, environ) != 0) return -1;
    while (waitpid(child, &status, 0) < 0) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
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
        double worst = 0;
        float *ours = read_vectors(at("%d.ours", net), vectors[net]),
              *theirs = read_vectors(at("%d.out", net), vectors[net]);
        for (size_t i = 0; i < vectors[net]; i++)
            if (!(fabs((double)ours[i] - (double)theirs[i]) <= worst)) /* NaN too */
                worst = fabs((double)ours[i] - (double)theirs[i]);
        print_message("%.50s: differs by %.1e at most\n", nets[net], worst);
        if (!(worst <= 1e-5)) fail_msg("%s: differs by %g", nets[net], worst);
        free(ours);
        free(theirs);
    }
}

int main(void) {
    char node[] = "node", version[] = "--version", *arguments[] = {node, version, NULL};
    if (!getenv("LIKENESS_ORT") || !getenv("LK_SOURCE") || run_node(arguments) != 0) {
        printf("skipped: needs node, LIKENESS_ORT and LK_SOURCE\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_vectors, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests_name("onnx_runtime", tests, NULL, NULL);
}
