/* bench_net.c: how many photos a second a ready net does on random pixels, for bench/train.sh and
 * bench/infer.sh.
 *
 *   bench_net NET train|infer|embed BATCH SECONDS
 *
 *   train   forward, distances, batch-hard triplets, loss, backward, AdamW: all of a step but decoding
 *   infer   forward only
 *   embed   what lk_embedder_embed does for a photo: crop, then forward of the photo and of its mirror image
 *
 * Prints photos a second and the share of the cores' time it had (1: the machine was quiet). OMP_NUM_THREADS
 * counts. */
#include "contrast/contrast.h"
#include "face/model.h"
#include "nn/optimizer.h"

#include <stdlib.h>
#include <string.h>
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

typedef struct bench {
    lk__spec spec;
    lk__weights weights;
    lk__net *net;
    lk__optimizer_state optimizer;
    int batch;
    uint32_t *label;      /* (batch) */
    float *distance;      /* (batch, batch) */
    float *gradient;      /* (batch, dim) */
    lk__triplet *triplet; /* lk__triplets_max */
    lk__random random;
    lk_embedder *embedder;
    lk_image **photos; /* (batch) */
    float *vectors;    /* (batch, dim) */
} bench;

static void step_train(bench *b) {
    const double margin = 0.3;
    size_t n = (size_t)b->batch;
    lk__triplet_stats stats;
    lk__net_load(b->net);
    const float *vectors = lk__net_forward(b->net);
    lk__distances(vectors, n, b->spec.dim, b->distance);
    size_t count = lk__mine(LK_MINING_BATCH_HARD, b->distance, b->label, n, &b->random, b->triplet);
    lk__triplet_loss(vectors, n, b->spec.dim, b->distance, b->triplet, count, margin, b->gradient, &stats);
    lk__net_backward(b->net, b->gradient);
    lk__optimizer_step(&b->optimizer, &b->weights, 1e-4);
}

static void step_infer(bench *b) {
    lk__net_forward(b->net);
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
    must(lk__net_new(&b->spec, &b->weights, &(lk__net_options){.batch = b->batch, .training = training},
                     &b->net, &err),
         &err);
    float *input = lk__net_input(b->net);
    for (size_t i = 0; i < pixels; i++) input[i] = (float)lk__random_normal(&b->random);
    lk__net_load(b->net);
    if (!training) return;
    must(lk__optimizer_new(LK_OPTIMIZER_ADAMW, &b->weights, 5e-4, 0.9, &b->optimizer, &err), &err);
    b->label = allocate(n, sizeof *b->label);
    for (size_t i = 0; i < n; i++) b->label[i] = (uint32_t)(i / 4);
    b->distance = allocate(n * n, sizeof *b->distance);
    b->gradient = allocate(n * (size_t)b->spec.dim, sizeof *b->gradient);
    b->triplet = allocate(lk__triplets_max(b->label, n), sizeof *b->triplet);
}

static void prepare_embed(bench *b) {
    lk_error err;
    enum { SIDE = 128 };
    must(lk__embedder_over(&b->spec, &b->weights, (lk_crop){.centre = 0.9}, b->batch, lk__threads(),
                           LK_PRECISION_F32, &b->embedder, &err),
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

int main(int argc, char **argv) {
    bench b = {.random = lk__random_stream(1, 0, 0, 0)};
    const char *text = argc == 5 ? lk_net_text(argv[1]) : NULL;
    double seconds = argc == 5 ? strtod(argv[4], NULL) : 0;
    b.batch = argc == 5 ? (int)strtol(argv[3], NULL, 10) : 0;
    void (*step)(bench *) = NULL;
    if (argc == 5) {
        if (strcmp(argv[2], "train") == 0) step = step_train;
        if (strcmp(argv[2], "infer") == 0) step = step_infer;
        if (strcmp(argv[2], "embed") == 0) step = step_embed;
    }
    if (!text || !step || b.batch < 1 || !(seconds > 0)) {
        fprintf(stderr, "Usage: bench_net NET train|infer|embed BATCH SECONDS\n");
        return 2;
    }
    lk_error err;
    must(lk__spec_parse(text, &b.spec, &err), &err);
    must(lk__weights_new(&b.spec, step == step_train, &b.weights, &err), &err);
    lk__weights_init(&b.weights, 1);
    if (step == step_embed)
        prepare_embed(&b);
    else
        prepare_net(&b, step == step_train);

    for (int i = 0; i < 3; i++) step(&b);
    long count = 0;
    double began = lk__seconds(), wall;
    clock_t cpu = clock();
    do {
        step(&b);
        count++;
        wall = lk__seconds() - began;
    } while (wall < seconds);
    double share = (double)(clock() - cpu) / CLOCKS_PER_SEC / wall / lk__threads();
    printf("%.2f %.3f\n", (double)count * b.batch / wall, share);
    finish(&b);
    return 0;
}
