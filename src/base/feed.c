/* feed.c: a ring of ahead + 1 slots, one batch each (the extra one is in the user's hands). The unit of work
 * is one item, handed out in order by a counter, so that all workers fill the same batch: the first is ready
 * soon, and a slow item delays one worker only.
 *
 * One lock guards everything. It is taken twice an item, for nanoseconds beside an item's millisecond. */
#include "base/feed.h"

#include <pthread.h>
#include <stdlib.h>

struct lk__feed {
    lk__feed_options options;
    int *done; /* (slots): items finished */
    size_t slots;
    pthread_t *threads;
    int thread_count;
    double waited;

    pthread_mutex_t lock; /* guards everything below, and done */
    pthread_cond_t room;  /* a slot became free, or stop */
    pthread_cond_t ready; /* a batch became complete, or failed */
    uint64_t step;        /* the next item to be handed to a worker: its batch ... */
    int place;            /* ... and its place there */
    uint64_t oldest;      /* the batch the user holds or will get next: slots from here on are in use */
    bool held, stop;
    lk_error failure; /* status not OK: no more can be made */
};

static int slot_of(const lk__feed *f, uint64_t step) {
    return (int)(step % f->slots);
}

static bool can_start(const lk__feed *f) {
    return f->step < f->oldest + f->slots;
}

static void *work(void *arg) {
    lk__feed *f = arg;
    const lk__feed_options *o = &f->options;
    pthread_mutex_lock(&f->lock);
    for (;;) {
        while (!f->stop && !can_start(f)) pthread_cond_wait(&f->room, &f->lock);
        if (f->stop) break;
        uint64_t step = f->step;
        int place = f->place, slot = slot_of(f, step);
        if (place == 0) {
            f->done[slot] = 0;
            if (o->begin) o->begin(o->context, step, slot);
        }
        if (++f->place == o->batch) {
            f->place = 0;
            f->step++;
        }
        bool failed = f->failure.status != LK_OK;
        pthread_mutex_unlock(&f->lock);
        if (!failed) o->make(o->context, f, step, place, slot);
        pthread_mutex_lock(&f->lock);
        if (++f->done[slot] == o->batch || f->failure.status != LK_OK) pthread_cond_signal(&f->ready);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

lk_status lk__feed_start(const lk__feed_options *options, uint64_t first_step, lk__feed **out,
                         lk_error *err) {
    if (options->batch < 1 || options->threads < 1 || options->ahead < 1)
        return lk__fail(err, LK_INVALID,
                        "%d loading threads, %d batches of %d ahead: expected at least 1 of each",
                        options->threads, options->ahead, options->batch);
    lk__feed *f = calloc(1, sizeof *f);
    if (!f) return lk__fail_memory(err, sizeof *f, options->what);
    f->options = *options;
    f->slots = (size_t)options->ahead + 1;
    f->step = f->oldest = first_step;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->room, NULL);
    pthread_cond_init(&f->ready, NULL);
    f->done = calloc(f->slots, sizeof *f->done);
    f->threads = calloc((size_t)options->threads, sizeof *f->threads);
    lk_status status = LK_OK;
    if (!f->done || !f->threads) status = lk__fail_memory(err, f->slots * sizeof *f->done, options->what);
    while (status == LK_OK && f->thread_count < options->threads) {
        if (pthread_create(&f->threads[f->thread_count], NULL, work, f) != 0) break;
        f->thread_count++; /* fewer than asked for will do */
    }
    if (status == LK_OK && f->thread_count == 0)
        status = lk__fail(err, LK_IO,
                          "cannot start a thread to load %s: too many threads or processes are running",
                          options->what);
    if (status != LK_OK) {
        lk__feed_stop(f);
        return status;
    }
    *out = f;
    return LK_OK;
}

lk_status lk__feed_next(lk__feed *f, int *slot, lk_error *err) {
    pthread_mutex_lock(&f->lock);
    if (f->held) {
        f->oldest++;
        f->held = false;
        pthread_cond_broadcast(&f->room);
    }
    int at = slot_of(f, f->oldest);
    double since = lk__seconds();
    /* `done` is of this batch only once its first item has been handed out. */
    while (f->failure.status == LK_OK &&
           (f->step < f->oldest || (f->step == f->oldest && f->place == 0) || f->done[at] < f->options.batch))
        pthread_cond_wait(&f->ready, &f->lock);
    f->waited += lk__seconds() - since;
    lk_error failure = f->failure;
    if (failure.status == LK_OK) f->held = true;
    pthread_mutex_unlock(&f->lock);
    if (failure.status != LK_OK) return lk__fail(err, failure.status, "%s", failure.message);
    *slot = at;
    return LK_OK;
}

void lk__feed_fail(lk__feed *f, const lk_error *why) {
    pthread_mutex_lock(&f->lock);
    if (f->failure.status == LK_OK) f->failure = *why;
    pthread_mutex_unlock(&f->lock);
}

bool lk__feed_failed(lk__feed *f) {
    pthread_mutex_lock(&f->lock);
    bool failed = f->failure.status != LK_OK;
    pthread_mutex_unlock(&f->lock);
    return failed;
}

double lk__feed_waited(const lk__feed *f) {
    return f->waited;
}

void lk__feed_stop(lk__feed *f) {
    if (!f) return;
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_broadcast(&f->room);
    pthread_mutex_unlock(&f->lock);
    for (int i = 0; i < f->thread_count; i++) pthread_join(f->threads[i], NULL);
    pthread_cond_destroy(&f->ready);
    pthread_cond_destroy(&f->room);
    pthread_mutex_destroy(&f->lock);
    free(f->done);
    free(f->threads);
    free(f);
}
