/* mistakes.c: the worst pairs, to be looked at: strangers most alike, and photos of one person least alike.
 *
 *   every pair  ->  the m worst of each label on each thread (a heap)  ->  merged, worst first
 *
 * Often these show wrong labels, not a wrong model. Equally bad pairs are ordered by their photos, so that
 * the list is one for any number of threads. */
#include "eval/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The least bad of those kept is at the root: it goes when a worse one comes. */
typedef struct heap {
    size_t count, room;
    lk_mistake *items;
} heap;

typedef struct search {
    heap *heaps; /* (threads, 2): different, same */
} search;

/* Is x worse than y? Among pairs of one label, `same` its value. */
static bool worse(const lk_mistake *x, const lk_mistake *y, bool same) {
    if (x->cosine != y->cosine) return same ? x->cosine < y->cosine : x->cosine > y->cosine;
    return x->a != y->a ? x->a < y->a : x->b < y->b;
}

static void swap(lk_mistake *x, lk_mistake *y) {
    lk_mistake held = *x;
    *x = *y;
    *y = held;
}

static void sift_up(heap *h, bool same) {
    for (size_t i = h->count - 1; i > 0 && worse(&h->items[(i - 1) / 2], &h->items[i], same); i = (i - 1) / 2)
        swap(&h->items[(i - 1) / 2], &h->items[i]);
}

static void sift_down(heap *h, bool same) {
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < h->count; child++)
            if (worse(&h->items[least], &h->items[child], same)) least = child;
        if (least == i) return;
        swap(&h->items[i], &h->items[least]);
        i = least;
    }
}

static void keep(heap *h, const lk_mistake *mistake, bool same) {
    if (h->count < h->room) {
        h->items[h->count++] = *mistake;
        sift_up(h, same);
    } else if (h->room > 0 && worse(mistake, &h->items[0], same)) {
        h->items[0] = *mistake;
        sift_down(h, same);
    }
}

static void search_block(void *context, int thread, const lk__block *block) {
    const search *job = context;
    heap *heaps = job->heaps + 2 * (size_t)thread;
    for (size_t i = 0; i < block->count; i++) {
        lk_mistake mistake = {block->a[i], block->b[i], (double)block->cosine[i]};
        keep(&heaps[block->same[i]], &mistake, block->same[i]);
    }
}

/* Taken from the root, the least bad comes first: fill from the end. */
static size_t empty(heap *h, bool same, lk_mistake *out) {
    size_t count = h->count;
    while (h->count > 0) {
        out[h->count - 1] = h->items[0];
        h->items[0] = h->items[--h->count];
        sift_down(h, same);
    }
    return count;
}

lk_status lk_mistakes_find(const lk_trial *given, size_t m, lk_mistake *different, size_t *different_count,
                           lk_mistake *same, size_t *same_count, lk_error *err) {
    lk__trial trial;
    lk_status status = lk__trial_open(given, &trial, err);
    if (status != LK_OK) return status;
    size_t threads = (size_t)lk__threads(), room = m < trial.pairs ? m : trial.pairs;
    search job = {calloc(2 * threads, sizeof(heap))};
    lk_mistake *memory = malloc((2 * threads * room + 1) * sizeof *memory);
    if (!job.heaps || !memory) status = lk__fail_memory(err, 2 * threads * room * sizeof *memory, "mistakes");
    if (status == LK_OK) {
        for (size_t i = 0; i < 2 * threads; i++) job.heaps[i] = (heap){0, room, memory + i * room};
        lk__trial_each(&trial, search_block, &job);
        for (size_t i = 2; i < 2 * threads; i++)
            for (size_t k = 0; k < job.heaps[i].count; k++)
                keep(&job.heaps[i % 2], &job.heaps[i].items[k], i % 2 == 1);
        *different_count = empty(&job.heaps[0], false, different);
        *same_count = empty(&job.heaps[1], true, same);
    }
    free(job.heaps);
    free(memory);
    lk__trial_close(&trial);
    return status;
}
