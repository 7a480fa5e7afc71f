/* simulated.h: people who do not exist, as vectors. Photos of a person lie about a centre of their own; where
 * centres and photos are drawn from is known, so that what a test measures has a true value. */
#ifndef TESTS_EVAL_SIMULATED_H
#define TESTS_EVAL_SIMULATED_H

#include "eval/trial.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline void assert_close(double got, double want, double tolerance) {
    if (isnan(want) ? !isnan(got) : !(fabs(got - want) <= tolerance))
        fail_msg("got %.15g, want %.15g", got, want);
}

/* A call that must succeed and whose error, if not, is `&failure`. */
#define ASSERT_OK(call)                                                                                      \
    do {                                                                                                     \
        lk_error failure = {LK_OK, ""};                                                                      \
        if ((call) != LK_OK) fail_msg("%s", failure.message);                                                \
    } while (0)

typedef struct simulated {
    size_t photos, count;
    int dim;
    float *vectors;
    uint32_t *person;
    lk_pair *pairs; /* (count): all pairs of photos, in folds; or others */
} simulated;

static inline void *get(size_t n, size_t size) {
    void *memory = calloc(n + 1, size);
    assert_non_null(memory);
    return memory;
}

/* Person p has 1 .. most photos (exactly most with `equal`), each off the centre by noise. */
static inline simulated simulate(uint64_t seed, size_t people, size_t most, bool equal, int dim,
                                 double noise) {
    simulated s = {.dim = dim};
    s.vectors = get(people * most * (size_t)dim, sizeof *s.vectors);
    s.person = get(people * most, sizeof *s.person);
    for (size_t p = 0; p < people; p++) {
        lk__random r = lk__random_stream(seed, 77, p, 0);
        double centre[64];
        for (int d = 0; d < dim; d++) centre[d] = lk__random_normal(&r);
        size_t photos = equal ? most : 1 + lk__random_below(&r, most);
        for (size_t i = 0; i < photos; i++, s.photos++) {
            float *vector = s.vectors + s.photos * (size_t)dim;
            double norm = 0, at[64];
            for (int d = 0; d < dim; d++) {
                at[d] = centre[d] + noise * lk__random_normal(&r);
                norm += at[d] * at[d];
            }
            for (int d = 0; d < dim; d++) vector[d] = (float)(at[d] / sqrt(norm));
            s.person[s.photos] = (uint32_t)(1000 - 3 * p); /* any numbers */
        }
    }
    return s;
}

/* Fold of a person: people, not pairs, are dealt out; a pair of two folds is left out. */
static inline void list_all_pairs(simulated *s, int folds) {
    free(s->pairs);
    s->count = 0;
    s->pairs = get(s->photos * (s->photos - 1) / 2, sizeof *s->pairs);
    for (size_t i = 0; i < s->photos; i++)
        for (size_t j = i + 1; j < s->photos; j++) {
            int fold = (int)(s->person[i] / 3) % folds;
            if ((int)(s->person[j] / 3) % folds != fold) continue;
            s->pairs[s->count++] = (lk_pair){fold, s->person[i] == s->person[j], i, j};
        }
}

static inline lk_trial trial_of(const simulated *s) {
    return (lk_trial){.vectors = s->vectors,
                      .photos = s->photos,
                      .dim = s->dim,
                      .person = s->person,
                      .pairs = s->pairs,
                      .count = s->count};
}

static inline void forget(simulated *s) {
    free(s->vectors);
    free(s->person);
    free(s->pairs);
    *s = (simulated){0};
}

#endif
