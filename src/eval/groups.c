/* groups.c: does one threshold treat all groups of people alike?
 *
 *   group of each photo  ->  pairs within a group, in cells (group, label, accepted)  ->  TAR, FAR, accuracy
 *
 * As NIST counts (Grother, Ngan & Hanaoka 2019, IR 8280) a pair of two groups counts for neither: strangers
 * of one group are who is mistaken for each other, and pairs across would hide it. */
#include "eval/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS = 4 }; /* of a group: label * 2 + accepted */

typedef struct grouping {
    const int *group;
    double threshold;
} grouping;

static void group_cells(const void *context, const lk__block *block, uint32_t *cell) {
    const grouping *g = context;
    for (size_t i = 0; i < block->count; i++) {
        int group = g->group[block->a[i]];
        cell[i] = LK__NO_CELL;
        if (group == LK_NO_GROUP || group != g->group[block->b[i]]) continue;
        cell[i] = (uint32_t)group * CELLS + block->same[i] * 2u + ((double)block->cosine[i] >= g->threshold);
    }
}

/* Shares of one group in one replicate; NaN: no such pairs. */
typedef struct shares {
    double tar, far;
    double same, different; /* weights of pairs */
} shares;

static shares shares_of(const uint64_t *weight, size_t stride, size_t group, size_t replicate) {
    double w[CELLS];
    for (size_t i = 0; i < CELLS; i++) w[i] = (double)weight[(group * CELLS + i) * stride + replicate];
    shares s = {.different = w[0] + w[1], .same = w[2] + w[3]};
    s.far = s.different > 0 ? w[1] / s.different : NAN;
    s.tar = s.same > 0 ? w[3] / s.same : NAN;
    return s;
}

/* In the mix of labels of the set itself, also in a replicate (replicates.c has why). */
static double accuracy_of(const shares *drawn, const shares *set) {
    double right = (set->same > 0 ? set->same * drawn->tar : 0) +
                   (set->different > 0 ? set->different * (1 - drawn->far) : 0);
    return right / (set->same + set->different);
}

/* The bootstrap's, unless there is none, or no pair of the group errs, or all do: then every replicate says
 * the same, and its interval would claim to know exactly. */
static lk_interval interval_of(double *values, size_t n, double share, double pairs) {
    if (n > 0 && share > 0 && share < 1) {
        lk_interval drawn = lk__percentiles(values, n);
        if (!isnan(drawn.low)) return drawn;
    }
    return isnan(share) ? lk__no_interval() : lk__wilson(share * pairs, pairs);
}

static void measure_group(const uint64_t *weight, size_t stride, size_t group, size_t replicates,
                          double *scratch, lk_group *g) {
    double *tar = scratch, *far = scratch + replicates, *accuracy = scratch + 2 * replicates;
    shares s = shares_of(weight, stride, group, 0);
    for (size_t i = 0; i < replicates; i++) {
        shares drawn = shares_of(weight, stride, group, i + 1);
        tar[i] = drawn.tar;
        far[i] = drawn.far;
        accuracy[i] = accuracy_of(&drawn, &s);
    }
    g->same = (size_t)s.same;
    g->different = (size_t)s.different;
    g->tar = s.tar;
    g->far = s.far;
    g->accuracy = accuracy_of(&s, &s);
    g->tar_interval = interval_of(tar, replicates, s.tar, s.same);
    g->far_interval = interval_of(far, replicates, s.far, s.different);
    g->accuracy_interval = interval_of(accuracy, replicates, g->accuracy, s.same + s.different);
}

/* Of people, or of photos where people are not known, who have a photo in a pair that counts. A person with
 * photos in two groups counts in both. */
static lk_status count_people(const lk__trial *t, const int *group, size_t groups, lk_group *out,
                              lk_error *err) {
    size_t bytes = t->people * groups;
    if (!t->person) return LK_OK;
    uint8_t *seen = calloc(bytes + 1, 1);
    if (!seen) return lk__fail_memory(err, bytes, "people of groups");
    if (!t->listed)
        for (size_t i = 0; i < t->photos; i++)
            if (group[i] != LK_NO_GROUP) seen[(size_t)group[i] * t->people + t->person[i]] = 1;
    for (size_t i = 0; t->listed && i < t->pairs; i++) {
        size_t a = t->listed[i].a, b = t->listed[i].b;
        if (group[a] == LK_NO_GROUP || group[a] != group[b]) continue;
        seen[(size_t)group[a] * t->people + t->person[a]] = 1;
        seen[(size_t)group[b] * t->people + t->person[b]] = 1;
    }
    for (size_t g = 0; g < groups; g++)
        for (size_t p = 0; p < t->people; p++) out[g].people += seen[g * t->people + p];
    free(seen);
    return LK_OK;
}

static lk_status measure(const lk__trial *trial, const grouping *g, size_t groups,
                         const lk_bootstrap *bootstrap, lk_group *out, lk_error *err) {
    lk__draws draws;
    lk_status status = lk__draws_make(trial, bootstrap, &draws, err);
    if (status != LK_OK) return status;
    uint64_t *weight = NULL;
    size_t replicates = (size_t)draws.replicates;
    double *scratch = malloc((3 * replicates + 1) * sizeof *scratch);
    if (!scratch) status = lk__fail_memory(err, 3 * replicates * sizeof *scratch, "replicates");
    if (status == LK_OK)
        status = lk__draws_count(trial, &draws, groups * CELLS, group_cells, g, &weight, err);
    if (status == LK_OK) status = count_people(trial, g->group, groups, out, err);
    for (size_t i = 0; i < groups && status == LK_OK; i++)
        measure_group(weight, lk__draws_stride(&draws), i, replicates, scratch, &out[i]);
    free(weight);
    free(scratch);
    lk__draws_free(&draws);
    return status;
}

lk_status lk_groups_measure(const lk_trial *given, const int *group, size_t groups, double threshold,
                            const lk_bootstrap *bootstrap, lk_group *out, lk_error *err) {
    enum { GROUPS_MOST = 10000 };
    if (groups < 1 || groups > GROUPS_MOST)
        return lk__fail(err, LK_INVALID, "%zu groups; 1 to %d can be", groups, GROUPS_MOST);
    if (!isfinite(threshold)) return lk__fail(err, LK_INVALID, "the threshold is not a finite number");
    for (size_t i = 0; i < given->photos; i++)
        if (group[i] != LK_NO_GROUP && (group[i] < 0 || (size_t)group[i] >= groups))
            return lk__fail(err, LK_INVALID, "photo %zu is of group %d, but there are %zu groups", i,
                            group[i], groups);
    lk__trial trial;
    lk_status status = lk__trial_open(given, &trial, err);
    if (status != LK_OK) return status;
    lk_group *made = calloc(groups, sizeof *made);
    if (!made) status = lk__fail_memory(err, groups * sizeof *made, "groups");
    if (status == LK_OK)
        status = measure(&trial, &(grouping){group, threshold}, groups, bootstrap, made, err);
    if (status == LK_OK) memcpy(out, made, groups * sizeof *made);
    free(made);
    lk__trial_close(&trial);
    return status;
}
