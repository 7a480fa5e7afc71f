/* test_feed.c: batches made ahead: in order, each item made once and whole when it is handed over, the same
 * whatever the threads; a failure is heard, and it stops at any moment. Run under ThreadSanitizer too. */
#include "base/feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { BATCH_MOST = 7, AHEAD_MOST = 4, STEPS_MOST = 64 };

/* Plain memory where the feed must keep order, atomics only where it need not. */
typedef struct world {
    uint64_t first;
    int batch, slots;
    uint64_t item[AHEAD_MOST + 1][BATCH_MOST];
    uint64_t begun[AHEAD_MOST + 1]; /* the step that each slot was begun for */
    uint64_t next_begin;
    bool begin_in_order;
    atomic_int made[STEPS_MOST][BATCH_MOST]; /* how often, by step - first */
    atomic_int wrong_slot;
    long nap; /* nanoseconds an item takes */
    uint64_t fail_step;
    int fail_place; /* -1: none fails */
    atomic_bool saw_failed;
} world;

static void sleep_for(long nanoseconds) {
    nanosleep(&(struct timespec){.tv_nsec = nanoseconds}, NULL);
}

static uint64_t value_of(uint64_t step, int place) {
    return step * 1000003 + (uint64_t)place * 7919 + 1;
}

static void begin(void *context, uint64_t step, int slot) {
    world *w = context;
    w->begin_in_order = w->begin_in_order && step == w->next_begin;
    w->next_begin = step + 1;
    w->begun[slot] = step;
}

static void make(void *context, lk__feed *feed, uint64_t step, int place, int slot) {
    world *w = context;
    if (w->nap) sleep_for(w->nap * (1 + (long)(value_of(step, place) % 3)));
    if (slot < 0 || slot >= w->slots || w->begun[slot] != step) w->wrong_slot = 1;
    if (step - w->first < STEPS_MOST) w->made[step - w->first][place]++;
    if (place == w->fail_place && step == w->fail_step) {
        lk_error why;
        lk__fail(&why, LK_FORMAT, "step %d, place %d: broken", (int)step, place);
        lk__feed_fail(feed, &why);
        lk__fail(&why, LK_IO, "a second reason"); /* the first is the one that counts */
        lk__feed_fail(feed, &why);
        w->saw_failed = lk__feed_failed(feed);
        return;
    }
    w->item[slot][place] = value_of(step, place);
}

static lk__feed *start(world *w, uint64_t first, int batch, int threads, int ahead) {
    lk__feed *feed = NULL;
    lk_error err;
    w->first = w->next_begin = first;
    w->batch = batch;
    w->slots = ahead + 1;
    w->begin_in_order = true;
    lk__feed_options o = {.batch = batch,
                          .threads = threads,
                          .ahead = ahead,
                          .what = "things",
                          .begin = begin,
                          .make = make,
                          .context = w};
    if (lk__feed_start(&o, first, &feed, &err) != LK_OK) fail_msg("%s", err.message);
    return feed;
}

static void assert_batch(const world *w, int slot, uint64_t step) {
    for (int i = 0; i < w->batch; i++) assert_int_equal(w->item[slot][i], value_of(step, i));
}

static void test_order(void **state) {
    (void)state;
    for (int threads = 1; threads <= 8; threads += threads < 3 ? 1 : 5)
        for (int ahead = 1; ahead <= AHEAD_MOST; ahead++)
            for (int batch = 1; batch <= BATCH_MOST; batch += 3) {
                static world w;
                memset(&w, 0, sizeof w);
                w.fail_place = -1;
                uint64_t first = threads == 2 ? 1000 : 0, steps = 40;
                lk__feed *feed = start(&w, first, batch, threads, ahead);
                for (uint64_t step = first; step < first + steps; step++) {
                    int slot = -1;
                    assert_int_equal(lk__feed_next(feed, &slot, NULL), LK_OK);
                    assert_in_range(slot, 0, ahead);
                    assert_batch(&w, slot, step);
                    /* Nothing is written into it while it is ours, however far the threads run ahead. */
                    if (step % 16 == 3) sleep_for(300000);
                    assert_batch(&w, slot, step);
                }
                assert_false(lk__feed_failed(feed));
                lk__feed_stop(feed);
                assert_true(w.begin_in_order);
                assert_false(w.wrong_slot);
                /* What is handed out was made once; no more than the slots were made beyond it. */
                for (uint64_t k = 0; k < STEPS_MOST; k++)
                    for (int i = 0; i < batch; i++)
                        if (k < steps)
                            assert_int_equal(w.made[k][i], 1);
                        else
                            assert_in_range(w.made[k][i], 0, k < steps + (uint64_t)ahead);
            }
}

static void test_failure_is_heard(void **state) {
    (void)state;
    for (int threads = 1; threads <= 4; threads++)
        for (int place = 0; place < 4; place += 3) {
            static world w;
            memset(&w, 0, sizeof w);
            w.fail_step = 5;
            w.fail_place = place;
            lk__feed *feed = start(&w, 0, 4, threads, 2);
            lk_error err = {LK_OK, ""};
            int slot = -1, got = 0;
            lk_status status = LK_OK;
            while (status == LK_OK && got < 100) {
                int before = slot;
                status = lk__feed_next(feed, &slot, &err);
                if (status == LK_OK)
                    assert_batch(&w, slot, (uint64_t)got++);
                else
                    assert_int_equal(slot, before);
            }
            assert_int_equal(status, LK_FORMAT);
            assert_in_range(got, 0, 5);
            char want[64];
            snprintf(want, sizeof want, "step 5, place %d: broken", place);
            assert_string_equal(err.message, want);
            assert_true(lk__feed_failed(feed));
            assert_int_equal(lk__feed_next(feed, &slot, NULL), LK_FORMAT); /* and it stays so */
            lk__feed_stop(feed);
            assert_true(w.saw_failed); /* the thread that failed has ended */
        }
}

/* With batches half made, none taken, or one in the user's hands. */
static void test_stops_at_any_moment(void **state) {
    (void)state;
    for (int taken = 0; taken < 6; taken++)
        for (int threads = 1; threads <= 4; threads += 3) {
            static world w;
            memset(&w, 0, sizeof w);
            w.fail_place = -1;
            w.nap = 200000;
            lk__feed *feed = start(&w, 7, BATCH_MOST, threads, 3);
            for (int i = 0, slot; i < taken; i++) assert_int_equal(lk__feed_next(feed, &slot, NULL), LK_OK);
            if (taken % 2) sleep_for(500000);
            lk__feed_stop(feed);
        }
    lk__feed_stop(NULL);
}

static void test_counts_waiting(void **state) {
    (void)state;
    static world w;
    memset(&w, 0, sizeof w);
    w.fail_place = -1;
    w.nap = 3000000;
    double began = lk__seconds();
    lk__feed *feed = start(&w, 0, 2, 1, 1);
    assert_true(lk__feed_waited(feed) == 0);
    int slot;
    for (int i = 0; i < 3; i++) assert_int_equal(lk__feed_next(feed, &slot, NULL), LK_OK);
    double waited = lk__feed_waited(feed), took = lk__seconds() - began;
    /* Six items of 3 ms at least, one after the other, and nothing to do meanwhile. */
    assert_true(waited > 0.012);
    assert_true(waited <= took);
    sleep_for(200000000); /* the next one is ready by then */
    assert_int_equal(lk__feed_next(feed, &slot, NULL), LK_OK);
    assert_true(lk__feed_waited(feed) - waited < 0.1);
    lk__feed_stop(feed);
}

static void test_refuses(void **state) {
    (void)state;
    static world w;
    const int bad[][3] = {{0, 1, 1}, {1, 0, 1}, {1, 1, 0}, {-1, 2, 2}, {2, -3, 2}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lk__feed *feed = NULL;
        lk__feed_options o = {.batch = bad[i][0],
                              .threads = bad[i][1],
                              .ahead = bad[i][2],
                              .what = "things",
                              .make = make,
                              .context = &w};
        assert_int_equal(lk__feed_start(&o, 0, &feed, NULL), LK_INVALID);
        assert_null(feed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_failure_is_heard),
        cmocka_unit_test(test_stops_at_any_moment),
        cmocka_unit_test(test_counts_waiting),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
