/* parallel.c: the one place with OpenMP. oneDNN's threads are OpenMP's too, so one pool serves both and the
 * two never fight over cores. ThreadSanitizer cannot see into the OpenMP runtime: LK_PTHREAD_POOL builds
 * plain threads. */
#include "base/base.h"

#include <omp.h>
#include <sched.h>
#include <time.h>
#ifdef LK_PTHREAD_POOL
#include <pthread.h>
#endif

int lk__cores(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n;
}

void lk__threads_set(int threads) {
    omp_set_num_threads(threads > 0 ? threads : lk__cores());
}

int lk__threads(void) {
    return omp_get_max_threads();
}

#ifdef LK_PTHREAD_POOL
typedef struct task {
    void (*fn)(void *, int, int);
    void *context;
    int i, n;
} task;

static void *run(void *arg) {
    task *t = arg;
    t->fn(t->context, t->i, t->n);
    return NULL;
}

void lk__parallel(void (*fn)(void *context, int i, int n), void *context) {
    enum { MOST = 64 };
    pthread_t thread[MOST];
    task tasks[MOST];
    int n = lk__threads() < MOST ? lk__threads() : MOST, started = 0;
    for (int i = 1; i < n; i++) {
        tasks[i] = (task){fn, context, i, n};
        if (pthread_create(&thread[i], NULL, run, &tasks[i]) != 0) break;
        started = i;
    }
    fn(context, 0, n);
    for (int i = 1; i <= started; i++) pthread_join(thread[i], NULL);
    for (int i = started + 1; i < n; i++) fn(context, i, n); /* threads that could not be had */
}
#else
void lk__parallel(void (*fn)(void *context, int i, int n), void *context) {
    int n = lk__threads();
    if (n == 1) {
        fn(context, 0, 1);
        return;
    }
    /* A loop over parts rather than one part a thread: if OpenMP grants fewer threads, all parts are still
     * done. */
#pragma omp parallel for num_threads(n) schedule(static, 1)
    for (int i = 0; i < n; i++) fn(context, i, n);
}
#endif

double lk__seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
