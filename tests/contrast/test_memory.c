/* The memory of past vectors against a plain queue; and what the miners take from it. */
#include "contrast/contrast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 4, DIM = 2, ROOM_MOST = 11, PUTS = 9 };

/* Vector i of batch `put`. */
static float value(size_t put, size_t i, size_t d) {
    return (float)(100 * put + 10 * i + d);
}

/* After so many batches the newest `room` vectors are there, each once, with their labels. */
static void the_newest_are_kept(void **state) {
    (void)state;
    const size_t rooms[] = {1, 3, 4, 8, 11};
    for (size_t k = 0; k < sizeof rooms / sizeof *rooms; k++) {
        float vectors[(BATCH + ROOM_MOST) * DIM];
        uint32_t label[BATCH + ROOM_MOST];
        lk__memory m = {vectors, label, BATCH, rooms[k], DIM};
        for (size_t put = 0; put < PUTS; put++) {
            size_t filled = put * BATCH < rooms[k] ? put * BATCH : rooms[k];
            assert_int_equal(lk__memory_filled(&m, put), filled);
            for (size_t back = 0; back < filled; back++) {
                size_t at = put * BATCH - 1 - back, found = 0;
                for (size_t i = BATCH; i < BATCH + filled; i++)
                    found += label[i] == at && vectors[i * DIM] == value(at / BATCH, at % BATCH, 0) &&
                             vectors[i * DIM + 1] == value(at / BATCH, at % BATCH, 1);
                assert_int_equal(found, 1);
            }
            for (size_t i = 0; i < BATCH; i++) {
                label[i] = (uint32_t)(put * BATCH + i);
                for (size_t d = 0; d < DIM; d++) vectors[i * DIM + d] = value(put, i, d);
            }
            lk__memory_put(&m, put);
        }
    }
}

/* Drawn again from any earlier batch on, the labels are where they were. */
static void labels_alone(void **state) {
    (void)state;
    float vectors[(BATCH + ROOM_MOST) * DIM] = {0};
    uint32_t label[BATCH + ROOM_MOST], again[BATCH + ROOM_MOST];
    lk__memory m = {vectors, label, BATCH, ROOM_MOST, DIM}, labels = {NULL, again, BATCH, ROOM_MOST, DIM};
    for (size_t put = 0; put < PUTS; put++) {
        for (size_t i = 0; i < BATCH; i++) label[i] = again[i] = (uint32_t)(put * BATCH + i);
        lk__memory_put(&m, put);
        if (put >= PUTS - (ROOM_MOST / BATCH + 1)) lk__memory_put(&labels, put);
    }
    assert_memory_equal(label + BATCH, again + BATCH, ROOM_MOST * sizeof *label);
}

/* People 0 and 1 with two photos each in the batch; behind it a nearer negative, a further positive, and
 * somebody else. */
static void miners_see_the_past(void **state) {
    (void)state;
    enum { N = 7, ROWS = 4 };
    const uint32_t label[N] = {0, 0, 1, 1, 1, 0, 5};
    float distance[ROWS * N];
    for (size_t a = 0; a < ROWS; a++)
        for (size_t i = 0; i < N; i++)
            distance[a * N + i] = a == i ? 0 : i < 4 ? 1 : label[i] == label[a] ? 1.5f : 0.5f;
    lk__batch b = {.label = label, .n = N, .dim = 8, .rows = ROWS, .others = 3};
    assert_int_equal(lk__triplets_max(&b), 4);
    lk__triplet t[4];
    assert_int_equal(lk__mine(LK_MINING_BATCH_HARD, &b, distance, 1, t), 4);
    for (size_t a = 0; a < ROWS; a++) {
        assert_int_equal(t[a].p, label[a] == 0 ? 5 : 4); /* of the past, and so is the negative */
        assert_true(t[a].n >= 4 && t[a].positive == 1.5f && t[a].negative == 0.5f);
    }
    const lk_mining pairs[] = {LK_MINING_RANDOM, LK_MINING_SEMI_HARD, LK_MINING_DISTANCE_WEIGHTED};
    for (size_t k = 0; k < 3; k++) {
        bool past = false;
        for (uint64_t seed = 0; seed < 50; seed++) {
            assert_int_equal(lk__mine(pairs[k], &b, distance, seed, t), 4);
            for (size_t a = 0; a < ROWS; a++) {
                assert_int_equal(t[a].p, a ^ 1); /* of the batch */
                past |= t[a].n >= 4;
            }
        }
        assert_true(past == (pairs[k] != LK_MINING_SEMI_HARD)); /* none is further than the positive */
    }
    /* Nobody but the past to be pulled to: no anchor, or ranks would mine unlike numbers of triplets. */
    const uint32_t lonely[N] = {0, 2, 1, 3, 1, 0, 5};
    b.label = lonely;
    assert_int_equal(lk__triplets_max(&b), 0);
    assert_int_equal(lk__mine(LK_MINING_BATCH_HARD, &b, distance, 1, t), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_are_kept),
        cmocka_unit_test(labels_alone),
        cmocka_unit_test(miners_see_the_past),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
