/* crew.c: pieces of work on several threads, results handed over in order. Whatever verb goes through photos
 * does so by this: reading, finding and embedding are a worker's; what is printed or stored is the caller's,
 * who sees the photos as they were named.
 *
 * Each worker has its own detector and embedder on one core, and takes a photo all the way: threads that
 * share no step of the work need not wait for each other, as they would within one photo. */
#include "cli.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

enum { AHEAD = 4, WORKERS_MAX = 1024 }; /* pieces a worker */

typedef struct state {
    const cli_crew *crew;
    pthread_mutex_t lock;
    pthread_cond_t ready, room;
    void **results; /* (window), piece i at i % window; NULL: not there */
    size_t window, next, delivered;
    int seat; /* of the next worker that starts */
    bool stop;
} state;

static void *worker(void *argument) {
    state *s = argument;
    pthread_mutex_lock(&s->lock);
    int seat = s->seat++;
    for (;;) {
        while (!s->stop && s->next < s->crew->count && s->next >= s->delivered + s->window)
            pthread_cond_wait(&s->room, &s->lock);
        if (s->stop || s->next >= s->crew->count) break;
        size_t piece = s->next++;
        pthread_mutex_unlock(&s->lock);
        void *result = s->crew->work(s->crew->context, seat, piece);
        pthread_mutex_lock(&s->lock);
        s->results[piece % s->window] = result;
        if (piece == s->delivered) pthread_cond_signal(&s->ready);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void *take(state *s, size_t piece) {
    void **place = &s->results[piece % s->window], *result;
    pthread_mutex_lock(&s->lock);
    while (!*place) pthread_cond_wait(&s->ready, &s->lock);
    result = *place;
    *place = NULL;
    s->delivered = piece + 1;
    pthread_cond_broadcast(&s->room);
    pthread_mutex_unlock(&s->lock);
    return result;
}

/* One worker is the caller itself: its library calls find the threads they had before. */
static lk_status run_alone(const cli_crew *crew, lk_error *err) {
    lk_status status = LK_OK;
    for (size_t i = 0; i < crew->count && status == LK_OK; i++)
        status = crew->done(crew->context, i, crew->work(crew->context, 0, i), err);
    return status;
}

lk_status cli_crew_run(const cli_crew *crew, lk_error *err) {
    if (crew->workers == 1) return run_alone(crew, err);
    state s = {.crew = crew, .window = AHEAD * (size_t)crew->workers};
    s.results = cli_alloc(s.window, sizeof *s.results);
    pthread_mutex_init(&s.lock, NULL);
    pthread_cond_init(&s.ready, NULL);
    pthread_cond_init(&s.room, NULL);
    pthread_t *threads = cli_alloc((size_t)crew->workers, sizeof *threads);
    int started = 0;
    while (started < crew->workers && pthread_create(&threads[started], NULL, worker, &s) == 0) started++;
    lk_status status = LK_OK;
    if (started == 0) status = run_alone(crew, err); /* fewer than asked for will do, none too */
    for (size_t i = 0; started > 0 && i < crew->count && status == LK_OK; i++)
        status = crew->done(crew->context, i, take(&s, i), err);
    pthread_mutex_lock(&s.lock);
    s.stop = true;
    pthread_cond_broadcast(&s.room);
    pthread_mutex_unlock(&s.lock);
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
    for (size_t i = 0; i < s.window; i++)
        if (s.results[i]) crew->drop(s.results[i]);
    pthread_cond_destroy(&s.room);
    pthread_cond_destroy(&s.ready);
    pthread_mutex_destroy(&s.lock);
    free(threads);
    free(s.results);
    return status;
}

static int cores(void) {
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > 0 ? count : 1;
}

int cli_workers(int threads, size_t count) {
    size_t most = (size_t)(threads > 0 ? threads : cores());
    if (most > WORKERS_MAX) most = WORKERS_MAX;
    return count >= most ? (int)most : count > 0 ? (int)count : 1;
}

int cli_worker_threads(int threads, int workers) {
    int each = (threads > 0 ? threads : cores()) / workers;
    return each > 0 ? each : 1;
}

lk_status cli_photos_done(size_t done, size_t count, double started, lk_error *err) {
    double seconds = cli_seconds() - started, rate = seconds > 0 ? (double)done / seconds : 0;
    char left[32];
    cli_progress((double)done / (double)count, false, "%zu of %zu photos  %.0f photos/s  %s left", done,
                 count, rate, cli_clock(rate > 0 ? (double)(count - done) / rate : -1, left));
    if (!cli_stopped() || done == count) return LK_OK;
    if (err) {
        err->status = LK_STOPPED;
        snprintf(err->message, sizeof err->message, "stopped on request after %zu of %zu photos", done,
                 count);
    }
    return LK_STOPPED;
}
