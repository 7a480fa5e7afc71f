/* models.h: a small model on disk, and pictures to show it, for the tests of models and embedders. */
#ifndef LK_TEST_MODELS_H
#define LK_TEST_MODELS_H

#include "face/folders.h"
#include "face/model.h"

#include <math.h>

/* Weights of `net` as drawn from `seed`, running statistics too, so that inference has something to undo. */
static inline void draw_weights(const char *net, uint64_t seed, lk__spec *spec, lk__weights *out) {
    if (lk__spec_parse(net, spec, NULL) != LK_OK || lk__weights_new(spec, false, out, NULL) != LK_OK) abort();
    lk__weights_init(out, seed);
    lk__random random = lk__random_stream(seed, 1, 2, 3);
    for (int i = 0; i < out->count; i++)
        for (size_t j = 0; out->items[i].dims == 1 && j < out->items[i].count; j++)
            out->items[i].value[j] = (float)lk__random_range(&random, 0.2, 1);
}

static inline void write_model(const char *path, const char *net, uint64_t seed, double threshold,
                               lk_crop crop) {
    static lk__spec spec;
    lk__weights weights;
    lk_error err = {LK_OK, ""};
    draw_weights(net, seed, &spec, &weights);
    if (lk__model_write(path, net, &weights, threshold, crop, false, NULL, 0, &err) != LK_OK) abort();
    lk__weights_free(&weights);
}

/* Smooth colours with noise: no two alike, none symmetric. */
static inline lk_image *draw_photo(uint64_t seed, int width, int height) {
    lk__random random = lk__random_stream(seed, 'p', 0, 0);
    uint8_t *pixels = malloc((size_t)width * (size_t)height * 3);
    double wave[3][3];
    lk_image *image = NULL;
    for (int c = 0; c < 3; c++)
        for (int k = 0; k < 3; k++) wave[c][k] = lk__random_range(&random, 0.1, 0.6);
    for (int y = 0; pixels && y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++) {
                double v = 128 + 90 * sin(wave[c][0] * x + wave[c][1] * y + 9 * wave[c][2]) +
                           lk__random_range(&random, -30, 30);
                pixels[(y * width + x) * 3 + c] = (uint8_t)v;
            }
    if (!pixels || lk_image_new(width, height, pixels, 0, &image, NULL) != LK_OK) abort();
    free(pixels);
    return image;
}

#endif
