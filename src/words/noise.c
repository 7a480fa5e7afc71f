/* noise.c: wrong words, drawn with weight met^0.75 (Mikolov et al. 2013) by Walker's alias method (Vose
 * 1991): one look at a table of two numbers a word, where word2vec keeps 100 million. */
#include "words/words.h"

#include <math.h>
#include <stdlib.h>

lk_status lk__noise_make(const uint64_t *met, size_t count, lk__noise *out, lk_error *err) {
    double total = 0, *weight = malloc(count * sizeof *weight);
    uint32_t *queue = malloc(count * sizeof *queue);
    lk__noise n = {malloc(count * sizeof *n.share), malloc(count * sizeof *n.alias), count};
    if (!weight || !queue || !n.share || !n.alias) {
        free(weight);
        free(queue);
        lk__noise_free(&n);
        return lk__fail_memory(err, 3 * count * sizeof *weight, "drawing words");
    }
    for (size_t i = 0; i < count; i++) total += weight[i] = pow((double)met[i], 0.75);
    /* Light words at the front of the queue, heavy ones at its back; each light one is filled up by a heavy
     * one. */
    size_t light = 0, heavy = count;
    for (size_t i = 0; i < count; i++) {
        weight[i] *= (double)count / total;
        n.alias[i] = (uint32_t)i;
        n.share[i] = 1;
        if (weight[i] < 1)
            queue[light++] = (uint32_t)i;
        else
            queue[--heavy] = (uint32_t)i;
    }
    while (light > 0 && heavy < count) {
        uint32_t small = queue[--light], big = queue[heavy];
        n.share[small] = (float)weight[small];
        n.alias[small] = big;
        weight[big] -= 1 - weight[small];
        if (weight[big] < 1) {
            heavy++;
            queue[light++] = big;
        }
    }
    free(weight);
    free(queue);
    *out = n;
    return LK_OK;
}

uint32_t lk__noise_draw(const lk__noise *noise, lk__random *random) {
    size_t i = lk__random_below(random, noise->count);
    return lk__random_unit(random) < (double)noise->share[i] ? (uint32_t)i : noise->alias[i];
}

void lk__noise_free(lk__noise *noise) {
    free(noise->share);
    free(noise->alias);
    *noise = (lk__noise){0};
}
