/* test_layers.c: every layer, forward and backward, in whole small nets, against reference.c and against
 * central finite differences of it in double. Shapes are odd on purpose: channels that fill no block, heights
 * unlike widths, kernels that leave a rest.
 */
#include "nn/trial.h"

/* ---- each layer in many shapes ------------------------------------------------------------------- */

typedef struct window_shape {
    int in, out, h, w, kernel, stride, pad, batch;
    bool bias;
} window_shape;

static window_shape draw_window(lk__random *random) {
    window_shape s;
    do {
        s = (window_shape){.in = PICK_OF(random, 1, 3, 5, 16, 32, 48),
                           .out = PICK_OF(random, 1, 3, 5, 16, 32, 48),
                           .h = 1 + (int)lk__random_below(random, 13),
                           .w = 1 + (int)lk__random_below(random, 13),
                           .kernel = PICK_OF(random, 1, 2, 3, 5, 7),
                           .stride = PICK_OF(random, 1, 2, 3),
                           .batch = PICK_OF(random, 1, 2, 5),
                           .bias = lk__random_unit(random) < 0.5};
        s.pad = (int)lk__random_below(random, (size_t)s.kernel);
    } while (s.h + 2 * s.pad < s.kernel || s.w + 2 * s.pad < s.kernel || s.h == s.w ||
             (double)s.in * s.out * s.h * s.w * s.kernel * s.kernel * s.batch > 5e5);
    return s;
}

static void test_conv(void **state) {
    (void)state;
    lk__random random = lk__random_stream(1, 0, 0, 0);
    for (int i = 0; i < 40; i++) {
        window_shape s = draw_window(&random);
        check(s.batch,
              "input 3 %d %d;conv %d kernel 1 bias;conv %d kernel %d stride %d pad %d%s;avgpool;linear 4 "
              "bias;l2norm",
              s.h, s.w, s.in, s.out, s.kernel, s.stride, s.pad, s.bias ? " bias" : "");
    }
}

/* The first layer has no gradient to hand on. */
static void test_conv_on_the_input(void **state) {
    (void)state;
    check(2, "input 3 9 7;conv 16 kernel 3 stride 2 pad 1;gdconv;l2norm");
    check(1, "input 1 5 4;conv 5 kernel 2 bias;gdconv;l2norm");
    check(5, "input 7 1 13;conv 32 kernel 1;linear 3;l2norm");
}

/* 3x3, stride 1, channels in sixteens and a dozen tiles of 4x4 or more: Winograd, which rounds more (Lavin &
 * Gray 2016, section 5). Tiles that hang over the border, every padding, more tiles than go into one product,
 * and products that end in the middle of an image. */
static void test_conv_winograd(void **state) {
    (void)state;
    const struct {
        int batch, h, w, in, out, pad;
    } cases[] = {{1, 13, 14, 16, 16, 1}, {12, 7, 6, 16, 48, 1},  {2, 14, 15, 32, 16, 0},
                 {3, 11, 12, 16, 16, 2}, {1, 41, 33, 16, 16, 1}, {2, 33, 30, 16, 32, 1}};
    for (int i = 0; i < 6; i++)
        for (int bias = 0; bias < 2; bias++) {
            char text[256];
            snprintf(text, sizeof text,
                     "input 3 %d %d;conv %d kernel 1 bias;conv %d kernel 3 pad "
                     "%d%s;batchnorm;prelu;avgpool;l2norm",
                     cases[i].h, cases[i].w, cases[i].in, cases[i].out, cases[i].pad, bias ? " bias" : "");
            trial *t = trial_new(text, cases[i].batch, 1e-5);
            lk__net *net = net_of(t, true);
            lk__step_cost costs[LK__LAYERS_MAX];
            assert_true(lk__net_costs(net, costs) > 1);
            assert_non_null(strstr(costs[1].what, "winograd"));
            check_forward(t, net, true, 2e-5);
            check_gradients(t, net, 1e-3);
            lk__net_free(net);
            net = net_of(t, false);
            check_forward(t, net, false, 2e-5);
            lk__net_free(net);
            trial_free(t);
        }
}

static void test_dwconv(void **state) {
    (void)state;
    lk__random random = lk__random_stream(2, 0, 0, 0);
    for (int i = 0; i < 30; i++) {
        window_shape s = draw_window(&random);
        check(s.batch,
              "input 3 %d %d;conv %d kernel 1 bias;dwconv kernel %d stride %d pad %d;avgpool;linear 4 "
              "bias;l2norm",
              s.h, s.w, s.in, s.kernel, s.stride, s.pad);
    }
    check(2, "input 3 9 7;dwconv kernel 3 pad 1;gdconv;l2norm");
}

static void test_maxpool(void **state) {
    (void)state;
    lk__random random = lk__random_stream(3, 0, 0, 0);
    for (int i = 0; i < 20; i++) {
        window_shape s = draw_window(&random);
        check(s.batch,
              "input 3 %d %d;conv %d kernel 1 bias;maxpool kernel %d stride %d pad %d;gdconv;linear 4 "
              "bias;l2norm",
              s.h, s.w, s.in, s.kernel, s.stride, s.pad);
    }
    check(2, "input 3 9 7;maxpool kernel 2 stride 2;gdconv;l2norm");
    check(3, "input 3 9 7;conv 16 kernel 1 bias;maxpool kernel 2 stride 2;gdconv;l2norm"); /* side by side */
    check(2, "input 3 9 6;conv 32 kernel 1 bias;relu;maxpool kernel 3 stride 3;prelu;gdconv;l2norm");
}

static void test_avgpool(void **state) {
    (void)state;
    lk__random random = lk__random_stream(4, 0, 0, 0);
    for (int i = 0; i < 20; i++) {
        window_shape s = draw_window(&random);
        if (s.h < s.kernel || s.w < s.kernel) continue;
        check(s.batch,
              "input 3 %d %d;conv %d kernel 1 bias;avgpool kernel %d stride %d;gdconv;linear 4 bias;l2norm",
              s.h, s.w, s.in, s.kernel, s.stride);
    }
    check(2, "input 3 9 7;avgpool kernel 2 stride 2;gdconv;l2norm");
    check(2,
          "input 3 9 6;conv 32 kernel 1 bias;batchnorm;relu;avgpool kernel 3 stride 2;prelu;gdconv;l2norm");
}

/* More channels that stay in their blocks, begin to fill blocks, and cease to; rows, columns, all at once. */
static void test_zeropad(void **state) {
    (void)state;
    const int channels[][2] = {{1, 1}, {3, 13}, {5, 0}, {8, 8}, {16, 16}, {16, 3}, {32, 32}, {13, 19}};
    for (size_t c = 0; c < 8; c++)
        for (int side = 0; side < 4; side++)
            check(1 + (int)c % 3,
                  "input 3 4 5;conv %d kernel 1 bias;zeropad channels %d bottom %d right %d;gdconv;linear 4 "
                  "bias;l2norm",
                  channels[c][0], channels[c][1], side % 2, 2 * (side / 2));
    check(2, "input 3 4 5;zeropad channels 13 right 1;gdconv;l2norm");
    check(2, "input 3 5 4;conv 16 kernel 1 bias;batchnorm;relu;zeropad bottom 2;batchnorm;gdconv;l2norm");
    /* dlib's block: the shortcut has half of the channels, the other side a row and a column less. No
     * rectifier behind: zeros are its kink. */
    check(2, "input 3 8 8;conv 16 kernel 1 bias;relu;save;conv 32 kernel 3 stride 2 bias;relu;conv 32 kernel "
             "3 pad 1 "
             "bias;zeropad bottom 1 right 1;swap;avgpool kernel 2 stride 2;zeropad channels "
             "16;add;avgpool;linear 5;l2norm");
}

static void test_global(void **state) {
    (void)state;
    const int channels[] = {1, 3, 5, 8, 16, 32, 48}, sides[][2] = {{1, 1}, {1, 7}, {13, 2}, {4, 5}};
    for (size_t c = 0; c < 7; c++)
        for (size_t s = 0; s < 4; s++)
            for (int kind = 0; kind < 2; kind++)
                check(1 + (int)(c + s) % 3, "input 3 %d %d;conv %d kernel 1 bias;%s;linear 4 bias;l2norm",
                      sides[s][0], sides[s][1], channels[c], kind ? "gdconv" : "avgpool");
    check(3, "input 5 4 3;gdconv;l2norm");
    check(3, "input 5 4 3;avgpool;linear 2;l2norm");
}

static void test_linear(void **state) {
    (void)state;
    const int channels[] = {1, 5, 16, 48}, out[] = {1, 3, 16, 32};
    for (size_t c = 0; c < 4; c++)
        for (size_t o = 1; o < 4; o++)
            check(1 + (int)(c + o) % 3, "input 3 3 4;conv %d kernel 1 bias;linear %d%s;l2norm", channels[c],
                  out[o], o == 2 ? "" : " bias");
    check(2, "input 3 3 4;linear 16 bias;prelu;linear 5;l2norm");
}

/* Batch norm and rectifier are no steps of the net, and layers of their own in the reference: all
 * combinations. */
static void test_norm(void **state) {
    (void)state;
    const int channels[] = {1, 3, 5, 8, 16, 32, 48};
    const char *activations[] = {"", "prelu;", "relu;"};
    for (size_t c = 0; c < 7; c++)
        for (int norm = 0; norm < 2; norm++)
            for (int residual = 0; residual < 2; residual++)
                for (int a = 0; a < 3; a++)
                    check(2 + (int)c % 4,
                          "input 3 %d 3;conv %d kernel 1 bias;%s%s%s%s%savgpool;linear 4 bias;l2norm",
                          1 + (int)c, channels[c], residual ? "save;" : "",
                          residual ? "dwconv kernel 3 pad 1;" : "", norm ? "batchnorm;" : "",
                          residual ? "add;" : "", activations[a]);
    check(3, "input 3 5 4;batchnorm;prelu;gdconv;l2norm"); /* first of all layers */
    check(3, "input 3 5 4;prelu;batchnorm;relu;gdconv;l2norm");
    check(2, "input 3 13 11;conv 16 kernel 3;batchnorm;batchnorm;prelu;prelu;gdconv;batchnorm;linear "
             "5;batchnorm;l2norm");
}

/* One value a channel has no variance: the norm gives its bias, up to rounding times 1 / sqrt(eps) = 316. */
static void test_norm_of_one_value(void **state) {
    (void)state;
    trial *t = trial_new("input 3 2 2;linear 5;batchnorm;l2norm", 1, -1);
    lk__net *net = net_of(t, true);
    check_forward(t, net, true, 1e-3);
    lk__net_free(net);
    trial_free(t);
}

/* ---- how layers are put together ------------------------------------------------------------------ */

static void test_residual(void **state) {
    (void)state;
    /* A plain block, nested blocks, a block in a block's beginning. */
    check(2, "input 3 6 5;conv 16 kernel 3;save;conv 16 kernel 1;batchnorm;prelu;dwconv kernel 3 pad "
             "1;batchnorm;add;prelu;gdconv;l2norm");
    check(2, "input 3 6 5;conv 5 kernel 3;save;dwconv kernel 3 pad 1;save;conv 5 kernel 1 "
             "bias;add;prelu;add;gdconv;l2norm");
    check(2, "input 3 6 5;conv 16 kernel 3;save;save;conv 16 kernel 1;add;batchnorm;relu;conv 16 kernel "
             "1;add;prelu;gdconv;l2norm");
    /* A shortcut with a layer of its own. */
    check(2, "input 3 6 5;conv 16 kernel 1;save;conv 32 kernel 3 stride 2 pad 1;batchnorm;prelu;"
             "swap;conv 32 kernel 1 stride 2;batchnorm;add;prelu;gdconv;l2norm");
    check(3, "input 3 6 5;conv 5 kernel 1;save;conv 3 kernel 3 stride 2 pad 1;swap;conv 3 kernel 1 stride "
             "2;swap;add;avgpool;l2norm");
    /* What is saved waits for its norm, and has two readers. */
    check(3, "input 3 6 5;conv 16 kernel 1;batchnorm;prelu;save;conv 16 kernel 3 pad "
             "1;batchnorm;add;prelu;save;dwconv "
             "kernel 3 pad 1;batchnorm;add;gdconv;l2norm");
    check(3, "input 3 6 5;conv 5 kernel 1;batchnorm;save;conv 5 kernel 3 pad "
             "1;prelu;add;batchnorm;relu;gdconv;l2norm");
    /* add with nothing else. */
    check(2, "input 3 4 3;conv 16 kernel 1;save;conv 16 kernel 1;add;gdconv;l2norm");
}

/* Activations with two and three readers, each adding its share to one gradient, whatever kind the reader is.
 */
static void test_branches(void **state) {
    (void)state;
    const char *readers[] = {"conv 16 kernel 1",
                             "dwconv kernel 3 pad 1",
                             "maxpool kernel 3 stride 1 pad 1",
                             "prelu",
                             "batchnorm",
                             "batchnorm;prelu",
                             "conv 16 kernel 3 pad 1",
                             "avgpool kernel 2 stride 1;zeropad bottom 1 right 1"};
    for (size_t a = 0; a < 8; a++)
        for (size_t b = 0; b < 8; b++) {
            char text[512];
            snprintf(text, sizeof text, "input 3 4 5;conv 16 kernel 1 bias;save;%s;swap;%s;add;gdconv;l2norm",
                     readers[a], readers[b]);
            check_net_within(text, 2, 2e-5, 1e-3);
        }
    check(2, "input 3 4 5;conv 8 kernel 1 bias;save;save;dwconv kernel 3 pad 1;add;swap;dwconv kernel "
             "1;add;gdconv;l2norm");
    /* Global layers as readers. */
    check(2, "input 3 4 5;conv 16 kernel 1 bias;save;gdconv;swap;avgpool;add;l2norm");
    check(2, "input 3 4 5;conv 16 kernel 1 bias;save;linear 7;swap;gdconv;linear 7;add;l2norm");
    check(2, "input 3 4 5;linear 16;save;l2norm;swap;l2norm;add;l2norm");
    check(2, "input 3 4 5;linear 16;save;l2norm;swap;linear 16;add;l2norm");
}

/* An activation added to what was made of it in the same step. */
static void test_added_to_itself(void **state) {
    (void)state;
    check(2, "input 3 4 5;conv 16 kernel 1 bias;save;add;prelu;gdconv;l2norm");
    check(2, "input 3 4 5;conv 16 kernel 1 bias;save;batchnorm;add;prelu;gdconv;l2norm");
    check(3, "input 3 4 5;conv 5 kernel 1 bias;save;batchnorm;add;gdconv;l2norm");
    check(
        2,
        "input 3 4 5;conv 16 kernel 1 bias;save;save;batchnorm;add;prelu;conv 16 kernel 1;add;gdconv;l2norm");
}

/* Several results, of channels that fill blocks and that do not; the net goes on behind each. */
static void test_outputs(void **state) {
    (void)state;
    check(2, "input 3 4 5;conv 16 kernel 1 bias;output");
    check(3,
          "input 3 7 5;conv 16 kernel 3 pad 1;batchnorm;prelu;save;conv 16 kernel 1 bias;output;"
          "conv 32 kernel 3 stride 2 pad 1;batchnorm;prelu;save;dwconv kernel 3 pad 1;conv 5 kernel 1 bias;"
          "output;dwconv kernel 3 stride 2 pad 1;conv 16 kernel 1 bias;output");
    check(2, "input 3 4 5;conv 16 kernel 1 bias;save;prelu;output;save;output;gdconv;output");
}

/* The photo itself with several readers: no gradient is wanted of it, nor has it room for one. */
static void test_input_read_twice(void **state) {
    (void)state;
    const char *readers[] = {"conv 3 kernel 1", "dwconv kernel 3 pad 1", "maxpool kernel 3 stride 1 pad 1",
                             "prelu", "batchnorm"};
    for (size_t a = 0; a < 5; a++)
        for (size_t b = 0; b < 5; b++) {
            char text[512];
            snprintf(text, sizeof text, "input 3 4 5;save;%s;swap;%s;add;gdconv;l2norm", readers[a],
                     readers[b]);
            check_net(text, 2);
        }
    check(2, "input 3 4 5;save;gdconv;swap;avgpool;add;l2norm");
    check(2, "input 3 4 5;save;linear 4;swap;linear 4 bias;add;l2norm");
}

/* Ready nets, whole, one photo, as used; the others are made of the same layers. */
static void test_ready_nets(void **state) {
    (void)state;
    const char *names[] = {"small", "mobilefacenet"};
    for (int i = 0; i < 2; i++) {
        trial *t = trial_new(names[i], 1, -1);
        lk__net *net = net_of(t, false);
        check_forward(t, net, false, 1e-4);
        lk__net_free(net);
        trial_free(t);
    }
}

static void test_bad_batch(void **state) {
    (void)state;
    trial *t = trial_new("input 3 4 4;linear 4 bias;l2norm", 1, -1);
    lk__net *net = (lk__net *)t;
    lk_error err;
    assert_int_equal(lk__net_new(&t->spec, &t->weights, &(lk__net_options){.batch = 0}, &net, &err),
                     LK_INVALID);
    assert_int_equal(lk__net_new(&t->spec, &t->weights, &(lk__net_options){.batch = 5000}, &net, &err),
                     LK_INVALID);
    assert_non_null(strstr(err.message, "5000"));
    assert_ptr_equal(net, t);
    lk__net_free(NULL);
    trial_free(t);
}

/* ---- bf16 ----------------------------------------------------------------------------------------- */

static double difference(const float *a, const float *b, size_t count) {
    double d = 0, s = 0;
    for (size_t i = 0; i < count; i++) {
        d += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        s += (double)b[i] * (double)b[i];
    }
    return s > 0 ? sqrt(d / s) : sqrt(d);
}

/* Output and gradients of one net in both precisions; f32 is held against the reference above. */
static void run_precision(trial *t, lk_precision precision, bool training, float *y, float *grads) {
    lk__net *net = NULL;
    lk_error err;
    lk__net_options options = {.batch = t->batch, .training = training, .precision = precision};
    if (lk__net_new(&t->spec, &t->weights, &options, &net, &err) != LK_OK)
        fail_msg("%s: %s", t->text, err.message);
    for (size_t i = 0; i < t->inputs; i++) lk__net_input(net)[i] = (float)t->input[i];
    memcpy(y, lk__net_forward(net), t->outputs * sizeof *y);
    float *gradient = calloc(t->outputs, sizeof *gradient);
    for (size_t i = 0; i < t->outputs; i++) gradient[i] = (float)t->gradient[i];
    if (training) {
        lk__net_backward(net, gradient);
        memcpy(grads, t->weights.grads, t->weights.total * sizeof *grads);
    }
    free(gradient);
    lk__net_free(net);
}

static void check_bf16(const char *text, int batch, double forward, double backward) {
    trial *t = trial_new(text, batch, -1);
    float *y[2], *grads[2], *values = malloc((t->weights.total + 1) * sizeof *values);
    memcpy(values, t->weights.values, t->weights.total * sizeof *values);
    for (int training = 0; training < 2; training++) {
        for (int p = 0; p < 2; p++) {
            y[p] = calloc(t->outputs, sizeof(float));
            grads[p] = calloc(t->weights.total + 1, sizeof(float));
            memcpy(t->weights.values, values, t->weights.total * sizeof *values); /* running statistics */
            run_precision(t, (lk_precision)p, training == 1, y[p], grads[p]);
        }
        double d = difference(y[1], y[0], t->outputs);
        if (!(d <= forward) || d == 0) /* 0: it was f32 after all */
            fail_msg("%s, batch %d: bf16 is %g from f32", text, batch, d);
        for (int i = 0; training && i < t->weights.count; i++) {
            const lk__param *p = &t->weights.items[i];
            size_t at = (size_t)(p->value - t->weights.values);
            if (!p->trained || p->dims == 1) continue; /* of few values, which may cancel to nearly nothing */
            d = difference(grads[1] + at, grads[0] + at, p->count);
            if (!(d <= backward))
                fail_msg("%s, batch %d: gradient of %s in bf16 is %g from f32", text, batch, p->name, d);
        }
        for (int p = 0; p < 2; p++) {
            free(y[p]);
            free(grads[p]);
        }
    }
    free(values);
    trial_free(t);
}

static void test_bf16(void **state) {
    (void)state;
    if (!lk__dnnl_bf16()) {
        trial *t = trial_new("input 3 4 4;linear 4 bias;l2norm", 1, -1);
        lk__net *net = NULL;
        lk_error err;
        lk__net_options options = {.batch = 1, .precision = LK_PRECISION_BF16};
        assert_int_equal(lk__net_new(&t->spec, &t->weights, &options, &net, &err), LK_INVALID);
        assert_non_null(strstr(err.message, "bf16"));
        trial_free(t);
        return;
    }
    check_bf16("input 3 13 10;conv 16 kernel 3 stride 2 pad 1;batchnorm;prelu;conv 32 kernel "
               "1;batchnorm;gdconv;l2norm",
               8, 0.02, 0.05);
    check_bf16(
        "input 3 13 14;conv 16 kernel 3 pad 1 bias;relu;maxpool kernel 2 stride 2;conv 32 kernel 1 bias;relu;"
        "maxpool kernel 3 stride 2 pad 1;linear 8 bias;l2norm",
        8, 0.02, 0.4); /* rounding lets another place win, and the gradient goes there */
    check_bf16("input 3 14 13;conv 16 kernel 1 bias;conv 32 kernel 3 pad 1 bias;prelu;conv 16 kernel 3 pad "
               "1;batchnorm;"
               "prelu;avgpool;linear 8;l2norm",
               8, 0.05, 0.2); /* Winograd */
    check_bf16(
        "input 3 13 10;conv 16 kernel 1;batchnorm;prelu;save;conv 32 kernel 1;batchnorm;prelu;dwconv kernel "
        "3 pad "
        "1;batchnorm;prelu;conv 16 kernel 1;batchnorm;add;dwconv kernel 5 stride 2 pad 2;batchnorm;prelu;"
        "gdconv;batchnorm;linear 8;batchnorm;l2norm",
        8, 0.04, 0.1);
    check_bf16("input 3 9 7;conv 5 kernel 3 pad 1;batchnorm;prelu;save;dwconv kernel 3 pad "
               "1;batchnorm;add;prelu;conv 20 "
               "kernel 3 stride 2;avgpool;l2norm",
               8, 0.02, 0.05); /* no whole blocks */
}

/* ---- any number of threads gives the same bits ----------------------------------------------------------
 */

static void run_net(const char *text, int threads, float **kept, size_t *kept_count) {
    lk__threads_set(threads);
    trial *t = trial_new(text, 5, -1);
    lk__net *net = net_of(t, true);
    float *gradient = calloc(t->outputs, sizeof *gradient),
          *all = calloc(t->outputs + 2 * t->weights.total, sizeof *all);
    for (size_t i = 0; i < t->outputs; i++) gradient[i] = (float)t->gradient[i];
    memset(t->weights.grads, 0, t->weights.total * sizeof(float));
    memcpy(all, lk__net_forward(net), t->outputs * sizeof(float));
    lk__net_backward(net, gradient);
    memcpy(all + t->outputs, t->weights.values, t->weights.total * sizeof(float));
    memcpy(all + t->outputs + t->weights.total, t->weights.grads, t->weights.total * sizeof(float));
    size_t count = t->outputs + 2 * t->weights.total;
    if (!*kept) {
        *kept = all;
        *kept_count = count;
        all = NULL;
    } else {
        assert_int_equal(count, *kept_count);
        assert_memory_equal(all, *kept, count * sizeof *all);
    }
    free(all);
    free(gradient);
    lk__net_free(net);
    trial_free(t);
    lk__threads_set(1);
}

static void test_threads(void **state) {
    (void)state;
    const char *nets[] = {
        "input 5 13 7;batchnorm;prelu;save;batchnorm;add;relu;save;gdconv;swap;avgpool;add;l2norm",
        "input 3 13 7;conv 32 kernel 3 stride 2 pad 1;batchnorm;prelu;save;conv 32 kernel 3 pad "
        "1;batchnorm;add;prelu;dwconv kernel 3;batchnorm;gdconv;linear 8;l2norm",
        "input 3 16 16;conv 16 kernel 3 pad 1 bias;relu;maxpool kernel 2 stride 2;conv 32 kernel 3 pad 1 "
        "bias;relu;"
        "linear 8;l2norm",
    };
    for (int i = 0; i < 3; i++) {
        float *kept = NULL;
        size_t count = 0;
        for (int turn = 0; turn < 5; turn++)
            run_net(nets[i], (const int[]){1, 1, 2, 3, 5}[turn], &kept, &count);
        free(kept);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_conv_on_the_input),
        cmocka_unit_test(test_conv_winograd),
        cmocka_unit_test(test_dwconv),
        cmocka_unit_test(test_maxpool),
        cmocka_unit_test(test_avgpool),
        cmocka_unit_test(test_zeropad),
        cmocka_unit_test(test_global),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_norm),
        cmocka_unit_test(test_norm_of_one_value),
        cmocka_unit_test(test_residual),
        cmocka_unit_test(test_branches),
        cmocka_unit_test(test_added_to_itself),
        cmocka_unit_test(test_outputs),
        cmocka_unit_test(test_input_read_twice),
        cmocka_unit_test(test_ready_nets),
        cmocka_unit_test(test_bad_batch),
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_threads),
    };
    lk__threads_set(1); /* these nets are too small to share */
    return cmocka_run_group_tests_name("layers", tests, NULL, NULL);
}
