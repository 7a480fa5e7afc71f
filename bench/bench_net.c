/* bench_net.c: how many photos a second a ready net does on random pixels, for bench/train.sh and
 * bench/infer.sh; where the time goes, for bench/table.sh; and a model file for the peers that need one.
 *
 *   bench_net NET train|infer|embed BATCH SECONDS [bf16]
 *   bench_net NET table|table-infer BATCH SECONDS [bf16]
 *   bench_net NET model FILE
 *
 *   train   forward, distances, batch-hard triplets, loss, backward, AdamW: all of a step but decoding
 *   infer   forward only
 *   embed   what lk_embedder_embed does for a photo: crop, then forward of the photo and of its mirror image
 *   table   train (or infer), then a table by step of the net: see bench/table.sh
 *   model   write FILE: the net with random weights
 *
 * The first three print photos a second, the share of the cores' time it had (1: the machine was quiet) and
 * the peak of its resident memory in MiB. OMP_NUM_THREADS counts. */
#include "contrast/contrast.h"
#include "face/model.h"
#include "nn/optimizer.h"
#include "peak.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static void must(lk_status status, const lk_error *err) {
    if (status == LK_OK) return;
    fprintf(stderr, "bench_net: %s\n", err->message);
    exit(3);
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (memory) return memory;
    fprintf(stderr, "bench_net: out of memory\n");
    exit(4);
}

/* The parts of a step of training; inference is FORWARD alone. */
enum { LOAD, FORWARD, LOSS, BACKWARD, UPDATE, PARTS };

typedef struct bench {
    lk__spec spec;
    lk__weights weights;
    lk__net *net;
    lk__optimizer_state optimizer;
    int batch;
    lk_precision precision;
    double part[PARTS];   /* seconds so far */
    uint32_t *label;      /* (batch) */
    float *distance;      /* (batch, batch) */
    float *gradient;      /* (batch, dim) */
    lk__triplet *triplet; /* lk__triplets_max */
    lk__random random;
    lk_embedder *embedder;
    lk_image **photos; /* (batch) */
    float *vectors;    /* (batch, dim) */
} bench;

/* Time since the last call, on to a part. */
static void stamp(bench *b, int part, double *since) {
    double now = lk__seconds();
    b->part[part] += now - *since;
    *since = now;
}

static void step_train(bench *b) {
    const double margin = 0.3;
    size_t n = (size_t)b->batch;
    lk__triplet_stats stats;
    double since = lk__seconds();
    lk__net_load(b->net);
    stamp(b, LOAD, &since);
    const float *vectors = lk__net_forward(b->net);
    stamp(b, FORWARD, &since);
    const lk__batch batch = {vectors, b->label, n, b->spec.dim, 0, n, 0};
    lk__distances(&batch, b->distance);
    size_t count = lk__mine(LK_MINING_BATCH_HARD, &batch, b->distance, 0, b->triplet);
    lk__triplet_loss(&batch, b->triplet, count, margin, b->gradient, &stats);
    stamp(b, LOSS, &since);
    lk__net_backward(b->net, b->gradient);
    stamp(b, BACKWARD, &since);
    lk__optimizer_step(&b->optimizer, &b->weights, 1e-4);
    stamp(b, UPDATE, &since);
}

static void step_infer(bench *b) {
    double since = lk__seconds();
    lk__net_forward(b->net);
    stamp(b, FORWARD, &since);
}

static void step_embed(bench *b) {
    lk_error err;
    must(lk_embedder_embed(b->embedder, (const lk_image *const *)b->photos, (size_t)b->batch, NULL,
                           b->vectors, &err),
         &err);
}

static void prepare_net(bench *b, bool training) {
    lk_error err;
    size_t n = (size_t)b->batch, pixels = n * (size_t)(b->spec.c * b->spec.h * b->spec.w);
    lk__net_options options = {.batch = b->batch, .training = training, .precision = b->precision};
    must(lk__net_new(&b->spec, &b->weights, &options, &b->net, &err), &err);
    float *input = lk__net_input(b->net);
    for (size_t i = 0; i < pixels; i++) input[i] = (float)lk__random_normal(&b->random);
    lk__net_load(b->net);
    if (!training) return;
    must(lk__optimizer_new(LK_OPTIMIZER_ADAMW, &b->weights, 5e-4, 0.9, &b->optimizer, &err), &err);
    b->label = allocate(n, sizeof *b->label);
    for (size_t i = 0; i < n; i++) b->label[i] = (uint32_t)(i / 4);
    b->distance = allocate(n * n, sizeof *b->distance);
    b->gradient = allocate(n * (size_t)b->spec.dim, sizeof *b->gradient);
    b->triplet =
        allocate(lk__triplets_max(&(lk__batch){.label = b->label, .n = n, .rows = n}), sizeof *b->triplet);
}

static void prepare_embed(bench *b) {
    lk_error err;
    enum { SIDE = 128 };
    must(lk__embedder_over(&b->spec, &b->weights, (lk_crop){.centre = 0.9}, b->batch, lk__threads(),
                           b->precision, &b->embedder, &err),
         &err);
    b->photos = allocate((size_t)b->batch, sizeof(lk_image *));
    b->vectors = allocate((size_t)b->batch * (size_t)b->spec.dim, sizeof *b->vectors);
    uint8_t *pixels = allocate((size_t)SIDE * SIDE * 3, 1);
    for (int i = 0; i < b->batch; i++) {
        for (size_t j = 0; j < (size_t)SIDE * SIDE * 3; j++)
            pixels[j] = (uint8_t)lk__random_below(&b->random, 256);
        must(lk_image_new(SIDE, SIDE, pixels, 0, &b->photos[i], &err), &err);
    }
    free(pixels);
}

static void finish(bench *b) {
    for (int i = 0; b->photos && i < b->batch; i++) lk_image_free(b->photos[i]);
    free(b->photos);
    free(b->vectors);
    free(b->label);
    free(b->distance);
    free(b->gradient);
    free(b->triplet);
    lk_embedder_free(b->embedder);
    lk__optimizer_free(&b->optimizer);
    lk__net_free(b->net);
    lk__weights_free(&b->weights);
}

/* ---- table ---------------------------------------------------------------------------------------- */

/* Columns of one pass: ms, GFLOP/s, share of peak, GB/s; dashes for what it does not have. */
static void cells(double seconds, double flops, double bytes, double peak_flops) {
    if (seconds > 0)
        printf("\t%.3f", 1e3 * seconds);
    else
        printf("\t-");
    if (seconds > 0 && flops > 0)
        printf("\t%.1f\t%.3f", 1e-9 * flops / seconds, 1e-9 * flops / seconds / peak_flops);
    else
        printf("\t-\t-");
    if (seconds > 0 && bytes > 0)
        printf("\t%.1f", 1e-9 * bytes / seconds);
    else
        printf("\t-");
}

static void line(const lk__step_cost *c, double peak_flops) {
    cells(c->forward, c->flops_forward, c->bytes_forward, peak_flops);
    cells(c->backward, c->flops_backward, c->bytes_backward, peak_flops);
    printf("\n");
}

static void add(lk__step_cost *to, const lk__step_cost *c) {
    to->forward += c->forward, to->backward += c->backward;
    to->flops_forward += c->flops_forward, to->flops_backward += c->flops_backward;
    to->bytes_forward += c->bytes_forward, to->bytes_backward += c->bytes_backward;
}

/* What a step counts as in the totals: the kind of its first layer, convolutions by kernel. */
static void kind_of(const lk__layer *layer, char *text, size_t size) {
    if (layer->kind == LK__CONV)
        snprintf(text, size, "total conv %dx%d", layer->kernel, layer->kernel);
    else
        snprintf(text, size, "total %s", lk__kind_name(layer->kind));
}

static void rest(const char *what, double forward, double backward) {
    if (!(forward > 0 || backward > 0)) return;
    printf("%s", what);
    line(&(lk__step_cost){.forward = forward, .backward = backward}, 1);
}

/* costs: seconds of one step, in place of those so far. */
static void print_table(const bench *b, const lk__step_cost *costs, int count, double steps, peak top) {
    static lk__step_cost kinds[LK__LAYERS_MAX];
    lk__step_cost all = {.what = "total net"};
    int kind_count = 0;
    double best = b->precision == LK_PRECISION_BF16 ? top.bf16 : top.f32;
    fprintf(stderr, "peak: f32 %.1f GFLOP/s, bf16 %.1f GFLOP/s, read %.1f GB/s\n", top.f32, top.bf16,
            top.read);
    printf("what\tms forward\tGFLOP/s forward\tshare of peak forward\tGB/s forward\tms backward\t"
           "GFLOP/s backward\tshare of peak backward\tGB/s backward\n");
    for (int i = 0; i < count; i++) {
        const lk__step_cost *c = &costs[i];
        lk__step_cost kind = {.layer = 0};
        kind_of(&b->spec.layers[c->layer], kind.what, sizeof kind.what);
        int k = 0;
        while (k < kind_count && strcmp(kinds[k].what, kind.what) != 0) k++;
        if (k == kind_count) kinds[kind_count++] = kind;
        add(&kinds[k], c);
        add(&all, c);
        printf("%02d %s", c->layer, c->what);
        line(c, best);
    }
    for (int k = 0; k < kind_count; k++) {
        printf("%s", kinds[k].what);
        line(&kinds[k], best);
    }
    printf("%s", all.what);
    line(&all, best);
    rest("rest between steps", b->part[FORWARD] / steps - all.forward,
         b->part[BACKWARD] / steps - all.backward);
    rest("rest loading weights", b->part[LOAD] / steps, 0);
    rest("rest loss and mining", b->part[LOSS] / steps, 0);
    rest("rest optimizer", 0, b->part[UPDATE] / steps);
    all.forward = (b->part[LOAD] + b->part[FORWARD] + b->part[LOSS]) / steps;
    all.backward = (b->part[BACKWARD] + b->part[UPDATE]) / steps;
    printf("whole step");
    line(&all, best);
}

static void run_table(bench *b, void (*step)(bench *), double seconds) {
    static lk__step_cost before[LK__LAYERS_MAX], costs[LK__LAYERS_MAX];
    peak top = peak_measure(); /* before and after: a neighbour's burst may cover one of the two */
    for (int i = 0; i < 3; i++) step(b);
    memset(b->part, 0, sizeof b->part);
    lk__net_costs(b->net, before);
    double began = lk__seconds(), steps = 0;
    do {
        step(b);
        steps++;
    } while (lk__seconds() - began < seconds);
    int count = lk__net_costs(b->net, costs);
    for (int i = 0; i < count; i++) {
        costs[i].forward = (costs[i].forward - before[i].forward) / steps;
        costs[i].backward = (costs[i].backward - before[i].backward) / steps;
    }
    print_table(b, costs, count, steps, peak_best(top, peak_measure()));
}

/* ---- what it is asked for ------------------------------------------------------------------------- */

static void run_rate(bench *b, void (*step)(bench *), double seconds) {
    for (int i = 0; i < 3; i++) step(b);
    long count = 0;
    double began = lk__seconds(), wall;
    clock_t cpu = clock();
    do {
        step(b);
        count++;
        wall = lk__seconds() - began;
    } while (wall < seconds);
    double share = (double)(clock() - cpu) / CLOCKS_PER_SEC / wall / lk__threads();
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%.2f %.3f %.1f\n", (double)count * b->batch / wall, share, (double)usage.ru_maxrss / 1024);
}

static int usage(void) {
    fprintf(stderr, "Usage: bench_net NET train|infer|embed|table|table-infer BATCH SECONDS [bf16]\n"
                    "       bench_net NET model FILE\n");
    return 2;
}

static void prepare_weights(bench *b, const char *text, bool training) {
    lk_error err;
    must(lk__spec_parse(text, &b->spec, &err), &err);
    must(lk__weights_new(&b->spec, training, &b->weights, &err), &err);
    lk__weights_init(&b->weights, 1);
}

static int write_model(bench *b, const char *text, const char *file) {
    lk_error err;
    prepare_weights(b, text, false);
    must(lk__model_write(file, text, &b->weights, NAN, (lk_crop){.centre = 0.9}, false, NULL, 0, &err), &err);
    finish(b);
    return 0;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*step)(bench *);
        bool training, table;
    } modes[] = {{"train", step_train, true, false},
                 {"infer", step_infer, false, false},
                 {"embed", step_embed, false, false},
                 {"table", step_train, true, true},
                 {"table-infer", step_infer, false, true}};
    enum { MODES = sizeof modes / sizeof *modes };
    bench b = {.random = lk__random_stream(1, 0, 0, 0)};
    const char *text = argc > 3 ? lk_net_text(argv[1]) : NULL;
    if (!text) return usage();
    if (argc == 4 && strcmp(argv[2], "model") == 0) return write_model(&b, text, argv[3]);

    int mode = 0;
    while (mode < MODES && strcmp(argv[2], modes[mode].name) != 0) mode++;
    bool bf16 = argc == 6 && strcmp(argv[5], "bf16") == 0;
    b.batch = (int)strtol(argv[3], NULL, 10);
    double seconds = argc > 4 ? strtod(argv[4], NULL) : 0;
    if (mode == MODES || argc != 5 + bf16 || b.batch < 1 || !(seconds > 0)) return usage();
    b.precision = bf16 ? LK_PRECISION_BF16 : LK_PRECISION_F32;

    prepare_weights(&b, text, modes[mode].training);
    if (modes[mode].step == step_embed)
        prepare_embed(&b);
    else
        prepare_net(&b, modes[mode].training);
    (modes[mode].table ? run_table : run_rate)(&b, modes[mode].step, seconds);
    finish(&b);
    return 0;
}
