/* feed.h: batches made ahead of who uses them, on threads of their own. */
#ifndef LK_FEED_H
#define LK_FEED_H

#include "base/base.h"

typedef struct lk__feed lk__feed;
typedef struct lk__feed_options {
    int batch;          /* items in one */
    int threads, ahead; /* worker threads; batches kept ready */
    const char *what;   /* of what the batches are, for errors: "photos" */
    /* Called under a lock, once a batch and in order of the steps, before its items are made: slot 0..ahead
     * is where it will lie. May be NULL. */
    void (*begin)(void *context, uint64_t step, int slot);
    /* Item `place` of batch `step`, from many threads at once. What it makes must depend on its arguments
     * only. */
    void (*make)(void *context, lk__feed *feed, uint64_t step, int place, int slot);
    void *context;
} lk__feed_options;

lk_status lk__feed_start(const lk__feed_options *options, uint64_t first_step, lk__feed **out, lk_error *err);
/* Wait for the next batch, in order from first_step; *slot is where it lies, valid until the next call. Fails
 * with what lk__feed_fail said. */
lk_status lk__feed_next(lk__feed *feed, int *slot, lk_error *err);
/* From make(): nothing more can be made, and this is why. The first to say so is heard. */
void lk__feed_fail(lk__feed *feed, const lk_error *why);
bool lk__feed_failed(lk__feed *feed);
/* Seconds lk__feed_next has spent waiting: should stay near 0. */
double lk__feed_waited(const lk__feed *feed);
/* At any time, also with batches half made. NULL is a no-op. */
void lk__feed_stop(lk__feed *feed);

#endif
