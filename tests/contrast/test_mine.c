/* The miners against brute force over every triplet of the batch: random tables, tables full of ties, and
 * batches that hold nothing to mine. */
#include "contrast/contrast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 48 };

typedef struct batch {
    size_t n;
    float distance[MOST * MOST];
    uint32_t label[MOST];
    lk__triplet out[MOST * MOST];
} batch;

/* levels > 0: distances of so few values that most are equal. */
static void fill(batch *b, size_t n, size_t people, size_t levels, lk__random *r) {
    b->n = n;
    for (size_t i = 0; i < n; i++) {
        b->label[i] =
            (uint32_t)(100 + lk__random_below(r, people)); /* not sorted, not adjacent, not from 0 */
        b->distance[i * n + i] = 0;
        for (size_t j = 0; j < i; j++)
            b->distance[i * n + j] = b->distance[j * n + i] =
                levels ? (float)lk__random_below(r, levels) / 4 : (float)lk__random_range(r, 0, 2);
    }
}

static lk__batch slice_of(const batch *b, size_t first, size_t rows) {
    return (lk__batch){.label = b->label, .n = b->n, .first = first, .rows = rows};
}

static size_t most_of(const batch *b) {
    lk__batch all = slice_of(b, 0, b->n);
    return lk__triplets_max(&all);
}

static float between(const batch *b, size_t i, size_t j) {
    return b->distance[i * b->n + j];
}
static bool positive(const batch *b, size_t a, size_t i) {
    return i != a && b->label[i] == b->label[a];
}
static bool negative(const batch *b, size_t a, size_t i) {
    return b->label[i] != b->label[a];
}

static size_t positives(const batch *b, size_t a) {
    size_t count = 0;
    for (size_t i = 0; i < b->n; i++) count += positive(b, a, i);
    return count;
}

static size_t negatives(const batch *b, size_t a) {
    size_t count = 0;
    for (size_t i = 0; i < b->n; i++) count += negative(b, a, i);
    return count;
}

static void check_valid(const batch *b, lk__triplet t) {
    assert_true(t.a < b->n && t.p < b->n && t.n < b->n);
    assert_true(positive(b, t.a, t.p));
    assert_true(negative(b, t.a, t.n));
}

/* Each (anchor, positive) with a negative to be had exactly once. */
static void check_all_pairs_once(const batch *b, size_t count) {
    bool seen[MOST][MOST] = {{false}};
    size_t want = 0;
    for (size_t a = 0; a < b->n; a++)
        if (negatives(b, a)) want += positives(b, a);
    assert_int_equal(count, want);
    assert_int_equal(most_of(b), want);
    for (size_t i = 0; i < count; i++) {
        check_valid(b, b->out[i]);
        assert_false(seen[b->out[i].a][b->out[i].p]);
        seen[b->out[i].a][b->out[i].p] = true;
    }
}

static void check_semi_hard(const batch *b, lk__triplet t, double margin) {
    float dp = between(b, t.a, t.p), dn = between(b, t.a, t.n), nearest = INFINITY, furthest = -1;
    bool within = false;
    for (size_t i = 0; i < b->n; i++) {
        if (!negative(b, t.a, i)) continue;
        float d = between(b, t.a, i);
        within |= d > dp && (double)d < (double)dp + margin;
        if (d > dp && d < nearest) nearest = d;
        if (d > furthest) furthest = d;
    }
    if (within) assert_true(dp < dn && (double)dn < (double)dp + margin);
    assert_true(dn == (nearest < INFINITY ? nearest : furthest));
}

static void check_batch_hard(const batch *b, size_t count) {
    bool seen[MOST] = {false};
    size_t want = 0;
    for (size_t a = 0; a < b->n; a++) want += positives(b, a) && negatives(b, a);
    assert_int_equal(count, want);
    for (size_t k = 0; k < count; k++) {
        lk__triplet t = b->out[k];
        check_valid(b, t);
        assert_false(seen[t.a]);
        seen[t.a] = true;
        for (size_t i = 0; i < b->n; i++) {
            if (positive(b, t.a, i)) assert_true(between(b, t.a, i) <= between(b, t.a, t.p));
            if (negative(b, t.a, i)) assert_true(between(b, t.a, i) >= between(b, t.a, t.n));
        }
    }
}

static size_t mine_seeded(batch *b, lk_mining mining, uint64_t seed) {
    lk__batch all = slice_of(b, 0, b->n);
    size_t most = lk__triplets_max(&all);
    memset(b->out, 0xa5, sizeof b->out); /* nothing is to be written past what was promised */
    size_t count = lk__mine(mining, &all, b->distance, seed, b->out);
    assert_true(count <= most);
    for (size_t i = count; i < MOST * MOST; i++) assert_int_equal(b->out[i].a, 0xa5a5a5a5);
    for (size_t i = 0; i < count; i++) {
        lk__triplet t = b->out[i];
        float dp = between(b, t.a, t.p), dn = between(b, t.a, t.n);
        assert_true(memcmp(&t.positive, &dp, sizeof dp) == 0 && memcmp(&t.negative, &dn, sizeof dn) == 0);
    }
    return count;
}

static size_t mine(batch *b, lk_mining mining, lk__random *r) {
    return mine_seeded(b, mining, r ? lk__random_u64(r) : 0);
}

/* Slices of the anchors, mined apart, give the triplets of the whole in its order. */
static void check_slices(batch *b, lk_mining mining, size_t count, uint64_t seed) {
    lk__triplet out[MOST * MOST];
    size_t found = 0;
    for (size_t i = 0; i < 3; i++) {
        size_t first = b->n * i / 3, rows = b->n * (i + 1) / 3 - first;
        lk__batch slice = slice_of(b, first, rows);
        size_t some = lk__mine(mining, &slice, b->distance + first * b->n, seed, out + found);
        assert_true(some <= lk__triplets_max(&slice));
        found += some;
    }
    assert_int_equal(found, count);
    assert_memory_equal(out, b->out, count * sizeof *out);
}

static void check_everything(batch *b, lk__random *r) {
    uint64_t seed = lk__random_u64(r);
    size_t count = mine_seeded(b, LK_MINING_RANDOM, seed);
    check_all_pairs_once(b, count);
    check_slices(b, LK_MINING_RANDOM, count, seed);
    count = mine(b, LK_MINING_SEMI_HARD, NULL);
    check_slices(b, LK_MINING_SEMI_HARD, count, 0);
    check_all_pairs_once(b, count);
    for (size_t i = 0; i < count; i++) check_semi_hard(b, b->out[i], 0.3);
    count = mine(b, LK_MINING_BATCH_HARD, NULL);
    check_batch_hard(b, count);
    check_slices(b, LK_MINING_BATCH_HARD, count, 0);
}

static void mined_as_brute_force_says(void **state) {
    (void)state;
    lk__random r = lk__random_stream(1, 0, 0, 0);
    static batch b;
    for (int round = 0; round < 600; round++) {
        size_t n = 1 + lk__random_below(&r, MOST), people = 1 + lk__random_below(&r, 12);
        fill(&b, n, people, (size_t)(round % 3) * 3, &r);
        check_everything(&b, &r);
    }
}

static void nothing_to_mine(void **state) {
    (void)state;
    lk__random r = lk__random_stream(2, 0, 0, 0);
    static batch b;
    const lk_mining all[] = {LK_MINING_RANDOM, LK_MINING_SEMI_HARD, LK_MINING_BATCH_HARD};
    for (int one_person = 0; one_person < 2; one_person++) {
        fill(&b, 20, 1, 0, &r);
        if (!one_person)
            for (size_t i = 0; i < b.n; i++) b.label[i] = (uint32_t)i; /* one photo a person */
        assert_int_equal(most_of(&b), 0);
        for (int m = 0; m < 3; m++) assert_int_equal(mine(&b, all[m], &r), 0);
    }
    b.n = 0;
    for (int m = 0; m < 3; m++) assert_int_equal(mine(&b, all[m], &r), 0);
}

static void all_vectors_equal(void **state) {
    (void)state;
    lk__random r = lk__random_stream(3, 0, 0, 0);
    static batch b;
    fill(&b, 21, 4, 1, &r);
    for (size_t i = 0; i < b.n * b.n; i++) assert_true(b.distance[i] == 0);
    check_everything(&b, &r);
}

/* A network that diverged: nothing is further or nearer, yet every triplet is a real one. */
static void nan_distances_give_valid_triplets(void **state) {
    (void)state;
    lk__random r = lk__random_stream(4, 0, 0, 0);
    static batch b;
    for (int share = 1; share <= 2; share++) {
        fill(&b, 24, 5, 0, &r);
        for (size_t i = 0; i < b.n * b.n; i++)
            if (share == 1 || lk__random_below(&r, 2)) b.distance[i] = NAN;
        check_all_pairs_once(&b, mine(&b, LK_MINING_SEMI_HARD, NULL));
        size_t count = mine(&b, LK_MINING_BATCH_HARD, NULL);
        assert_true(count > 0);
        for (size_t i = 0; i < count; i++) check_valid(&b, b.out[i]);
    }
}

/* One anchor on a line, positive at 1: which negative is taken, spelled out. */
static void semi_hard_by_hand(void **state) {
    (void)state;
    const struct {
        float at[3];
        uint32_t want;
    } cases[] = {
        {{0.2f, 1.1f, 1.2f}, 3}, /* within any margin: the nearest beyond the positive, not the hardest */
        {{0.2f, 9, 5}, 4},       /* satisfied already: the nearest beyond */
        {{0.2f, 0.9f, 0.5f}, 3}, /* all closer than the positive: the furthest */
        {{1, 1, 1}, 2},          /* as far as the positive is not further; ties to the lower index */
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        static batch b;
        const float at[] = {0, 1, cases[c].at[0], cases[c].at[1], cases[c].at[2]};
        const uint32_t label[] = {7, 7, 1, 2, 3};
        b.n = 5;
        memcpy(b.label, label, sizeof label);
        for (size_t i = 0; i < 5; i++)
            for (size_t j = 0; j < 5; j++) b.distance[i * 5 + j] = fabsf(at[i] - at[j]);
        size_t count = mine(&b, LK_MINING_SEMI_HARD, NULL);
        assert_int_equal(count, 2);
        assert_int_equal(b.out[0].a, 0);
        assert_int_equal(b.out[0].p, 1);
        assert_int_equal(b.out[0].n, cases[c].want);
    }
}

/* Chi-square over the negatives of one anchor. 35 degrees of freedom: mean 35, sd 8.4; 80 has a chance of
 * 2e-5, and leaving out even one of the negatives gives over 500. */
static void random_negatives_are_uniform(void **state) {
    (void)state;
    lk__random r = lk__random_stream(5, 0, 0, 0);
    static batch b;
    enum { ROUNDS = 20000, PERSON = 4, OTHERS = 36 };
    fill(&b, PERSON + OTHERS, 1, 0, &r);
    for (size_t i = 0; i < b.n; i++)
        b.label[i] = (uint32_t)(i % 10 ? 1 + i % 5 : 0); /* person 0: 0, 10, 20, 30 */
    double seen[MOST] = {0}, total = 0, chi = 0;
    for (int round = 0; round < ROUNDS / 3; round++) {
        size_t count = mine(&b, LK_MINING_RANDOM, &r);
        for (size_t i = 0; i < count; i++)
            if (b.out[i].a == 10) {
                seen[b.out[i].n]++;
                total++;
            }
    }
    for (size_t i = 0; i < b.n; i++) {
        if (i % 10 == 0) {
            assert_true(seen[i] == 0);
            continue;
        }
        double want = total / OTHERS;
        chi += (seen[i] - want) * (seen[i] - want) / want;
    }
    assert_true(chi > 10 && chi < 80);
}

static void random_mining_repeats_with_its_seed(void **state) {
    (void)state;
    lk__random r = lk__random_stream(6, 0, 0, 0);
    static batch b, c;
    fill(&b, 30, 5, 0, &r);
    c = b;
    size_t count = mine_seeded(&b, LK_MINING_RANDOM, 7);
    assert_int_equal(mine_seeded(&c, LK_MINING_RANDOM, 7), count);
    assert_memory_equal(b.out, c.out, sizeof b.out);
    mine_seeded(&c, LK_MINING_RANDOM, 8);
    assert_memory_not_equal(b.out, c.out, sizeof b.out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mined_as_brute_force_says),
        cmocka_unit_test(nothing_to_mine),
        cmocka_unit_test(all_vectors_equal),
        cmocka_unit_test(nan_distances_give_valid_triplets),
        cmocka_unit_test(semi_hard_by_hand),
        cmocka_unit_test(random_negatives_are_uniform),
        cmocka_unit_test(random_mining_repeats_with_its_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
