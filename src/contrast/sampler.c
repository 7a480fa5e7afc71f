/* sampler.c: which P people and K photos make batch number `step`. The miners can only find what the batch
 * holds: positives need K >= 2 photos of a person, hard negatives need many people (Hermans, Beyer & Leibe
 * 2017, section 2).
 *
 * People are drawn one after another with chance weight / (weights not drawn yet), weight = min(photos,
 * 12)^0.7: between even over people (a person of 2 photos would come as often as one of 100, and its one pair
 * be learned by heart) and even over photos (the famous would be all the network sees).
 *
 * Every batch has its own random stream of (seed, step), so there is no state to save: training resumes at
 * any step, and batches may be made ahead, on any thread, in any order. */
#include "contrast/contrast.h"

#include <math.h>
#include <stdlib.h>

/* Sets this stream apart from others of the same seed and step ("sampler" in ASCII). */
static const uint64_t STREAM = 0x73616d706c6572;

typedef struct person {
    double cumulative; /* weights of this person and all before */
    size_t first, count;
    uint32_t label; /* index among all people, those of one photo too */
} person;

struct lk__sampler {
    uint64_t seed;
    size_t p, k, people;
    person person[]; /* (people): those with at least 2 photos */
};

lk_status lk__sampler_new(const size_t *first, const size_t *counts, size_t people, int p, int k,
                          uint64_t seed, lk__sampler **out, lk_error *err) {
    if (p < 2 || k < 2)
        return lk__fail(err, LK_INVALID,
                        "a batch of %d people x %d photos: both must be at least 2, or there is no triplet",
                        p, k);
    if (people > UINT32_MAX) return lk__fail(err, LK_TOO_LARGE, "%zu people: more than 2^32 - 1", people);
    size_t enough = 0;
    for (size_t i = 0; i < people; i++) enough += counts[i] >= 2;
    if (enough < 2)
        return lk__fail(
            err, LK_EMPTY,
            "%zu of %zu people have 2 photos or more: training compares photos of one person with those "
            "of another and needs at least 2 such people",
            enough, people);
    if ((size_t)p > enough)
        return lk__fail(
            err, LK_INVALID,
            "a batch of %d different people cannot be drawn from %zu people with 2 photos or more: use at "
            "most %zu people a batch",
            p, enough, enough);
    size_t bytes = sizeof(lk__sampler) + enough * sizeof(person);
    lk__sampler *s = malloc(bytes);
    if (!s) return lk__fail_memory(err, bytes, "the list of people to draw batches from");
    *s = (lk__sampler){.seed = seed, .p = (size_t)p, .k = (size_t)k};
    double sum = 0;
    for (size_t i = 0; i < people; i++) {
        if (counts[i] < 2) continue;
        sum += pow(counts[i] < 12 ? (double)counts[i] : 12, 0.7);
        s->person[s->people++] = (person){sum, first[i], counts[i], (uint32_t)i};
    }
    *out = s;
    return LK_OK;
}

void lk__sampler_free(lk__sampler *sampler) {
    free(sampler);
}

/* One person by weight. */
static const person *draw_person(const lk__sampler *s, lk__random *random) {
    double x = lk__random_range(random, 0, s->person[s->people - 1].cumulative);
    size_t low = 0, high = s->people - 1; /* the first whose cumulative weight is above x */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->person[middle].cumulative > x)
            high = middle;
        else
            low = middle + 1;
    }
    return &s->person[low];
}

/* k photos of one person, each as often as any other or once more. */
static void draw_photos(const person *of, size_t k, lk__random *random, size_t *photo) {
    size_t done = 0, count = of->count;
    while (k - done >= count)
        for (size_t i = 0; i < count; i++) photo[done++] = of->first + i;
    /* The rest without repeats: a random subset, every one as likely (Floyd's algorithm; Bentley & Floyd
     * 1987). */
    size_t rest = done;
    for (size_t most = count - (k - done); most < count; most++) {
        size_t pick = of->first + lk__random_below(random, most + 1);
        for (size_t i = rest; i < done; i++)
            if (photo[i] == pick) {
                pick = of->first + most;
                break;
            }
        photo[done++] = pick;
    }
}

void lk__sampler_batch(const lk__sampler *sampler, uint64_t step, size_t *photo, uint32_t *label) {
    lk__random random = lk__random_stream(sampler->seed, step, 0, STREAM);
    size_t p = sampler->p, k = sampler->k;
    for (size_t i = 0; i < p;) {
        /* Drawing again when a person comes twice gives just the chances above; weights differ by at most
         * (12/2)^0.7 = 3.5 times, so it ends soon even when the batch holds nearly everyone. */
        const person *drawn = draw_person(sampler, &random);
        size_t same = 0;
        while (same < i && label[same * k] != drawn->label) same++;
        if (same < i) continue;
        for (size_t c = 0; c < k; c++) label[i * k + c] = drawn->label;
        draw_photos(drawn, k, &random, photo + i * k);
        i++;
    }
}
