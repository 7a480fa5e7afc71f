/* ranks.c: what the processes of one training run agree on before and while they train, made of the two calls
 * of lk_ranks that the loop needs anyway (sum and gather), so that an implementation has nothing more to
 * bring. */
#include "face/ranks.h"

#include <stdlib.h>
#include <string.h>

/* A sum in which all but rank 0 give zeros: x + 0 is x to the bit, and NaN stays NaN. */
void lk__ranks_spread(const lk_ranks *ranks, float *values, size_t n) {
    if (!ranks) return;
    if (ranks->rank != 0) memset(values, 0, n * sizeof *values);
    ranks->sum_start(ranks->context, values, n);
    ranks->sum_finish(ranks->context);
}

void lk__ranks_spread_real(const lk_ranks *ranks, double *values, size_t n) {
    if (!ranks) return;
    if (ranks->rank != 0) memset(values, 0, n * sizeof *values);
    ranks->sum(ranks->context, values, n);
}

/* FNV-1a (Fowler, Noll & Vo): it is to find a forgotten folder, not an enemy. The final 0 is counted, so that
 * names do not run together. */
static uint64_t mix(uint64_t hash, const char *text) {
    do hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    while (*text++);
    return hash;
}

/* Names without their folders: each machine may have its copy where it likes. */
static uint64_t mix_names(uint64_t hash, const lk_dataset *set) {
    for (size_t i = 0; i < lk_dataset_people(set); i++) hash = mix(hash, lk_dataset_person_name(set, i));
    for (size_t i = 0; i < lk_dataset_photos(set); i++) {
        const char *path = lk_dataset_photo_path(set, i), *name = strrchr(path, '/');
        hash = mix(hash, name ? name + 1 : path);
    }
    return hash;
}

lk_status lk__ranks_same(const lk_ranks *ranks, const char *options, const lk__train_data *data,
                         const lk__weights *weights, lk_error *err) {
    if (!ranks) return LK_OK;
    uint64_t mine[2] = {mix_names(mix(0xcbf29ce484222325u, options), data->set), weights->total};
    size_t bytes = sizeof mine * (size_t)ranks->count;
    uint64_t *all = malloc(bytes);
    if (!all) return lk__fail_memory(err, bytes, "the list of ranks");
    ranks->gather(ranks->context, mine, sizeof mine, all);
    bool same = memcmp(all, mine, sizeof mine) == 0;
    free(all);
    if (same) return LK_OK;
    return lk__fail(err, LK_MISMATCH,
                    "the options, the net or the photos here are not those of rank 0 (here %zu people, %zu "
                    "photos, %zu weights): every machine needs the same folders and the same command line",
                    lk_dataset_people(data->set), lk_dataset_photos(data->set), weights->total);
}
