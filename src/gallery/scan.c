/* scan.c: the closest rows, exactly, by a first pass over codes and a look at the few rows that are left.
 *
 * A row can only be among the best k if the most that its codes allow (codes.h) reaches the k-th best cosine,
 * the floor. That is not known before the end, so while codes are read it is supposed from the estimates seen
 * so far, which are right to about a quarter of their bound; rows that may reach it are noted down. At the
 * end those are looked at in floats (dot.c), best estimates first, and the true k-th best comes out. If it is
 * at least the highest floor supposed, no row was passed over that could be among the best k, and the answer
 * is proven; else, which is rare and depends on nothing but the vectors, those probes go once more with the
 * true floor of the rows looked at, which holds without supposing anything.
 *
 * Many probes go together: codes are unpacked once for all of them and multiplied 6 probes at a time. Threads
 * share the rows, some at a time as they get free, and tell one another their floors. */
#include "gallery/rows.h"
#include "gallery/top.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    RUN = 64,            /* blocks of one pass of the kernel: 64 KB of codes */
    TASK = 256,          /* blocks that a thread takes at a time */
    ALONE = 3,           /* probes up to which each goes over a run by itself */
    NOTED = 1024,        /* rows noted down before they are sifted */
    SERIAL = 256 * 1024, /* bytes of codes, times probes, which end before other threads wake up */
    AHEAD = 4,           /* rows to look at whose vectors are fetched ahead */
    SCRATCH = 128 << 20, /* bytes for finders; more probes go in turns */
};

typedef struct noted {
    uint32_t part, row;
    float estimate, most; /* of its cosine */
} noted;

/* What one thread knows of one probe's answer. */
typedef struct finder {
    lk__top best;   /* of the rows looked at */
    lk__top likely; /* of those noted down, by what their cosine most likely reaches */
    noted *noted;   /* (NOTED) */
    size_t noted_count;
    float floor; /* rows that cannot reach it are passed over */
} finder;

typedef struct view {
    lk__segment *part;
    size_t count, blocks;
} view;

typedef struct task {
    uint32_t view;
    size_t first, last; /* blocks */
} task;

typedef struct probe {
    const float *vector; /* (stride), padded */
    const int8_t *bytes;
    lk__code_probe code;
    float start;             /* a floor that is known to hold */
    _Atomic uint32_t shared; /* the highest floor of any thread, as ordered() has it */
    size_t place;            /* among the caller's */
} probe;

typedef struct search {
    const lk__index *index;
    lk__dot dot;
    view *views;
    task *tasks;
    size_t view_count, task_count, k;
    uint32_t removals;
    bool people, backwards, proven; /* proven: floors are true ones, none are supposed */
    float likely;                   /* share of the bound that an estimate is mostly off by, at most */
    probe *probes;                  /* (count) */
    float *vectors;                 /* (count, stride) */
    int8_t *bytes;                  /* (count, probe_bytes) */
    size_t probe_bytes;
    size_t asked, count, workers; /* count: with what fills the last set of LK__CODE_PROBES */
    finder *finders;              /* (workers, count) */
    atomic_size_t next;
    atomic_bool failed; /* out of memory */
    atomic_bool damaged;
} search;

/* ---- floors ---------------------------------------------------------------------------------------- */

/* Floats in their order as whole numbers. */
static uint32_t ordered(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static float unordered(uint32_t bits) {
    float x;
    bits = bits & 0x80000000u ? bits & 0x7fffffffu : ~bits;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void raise_floor(const search *s, finder *f) {
    f->floor = fmaxf(f->floor, lk__top_least(&f->best));
    if (!s->proven) f->floor = fmaxf(f->floor, lk__top_least(&f->likely));
}

/* With what the other threads know. */
static void share_floor(probe *p, finder *f) {
    uint32_t mine = ordered(f->floor), most = atomic_load_explicit(&p->shared, memory_order_relaxed);
    while (mine > most && !atomic_compare_exchange_weak_explicit(
                              &p->shared, &most, mine, memory_order_relaxed, memory_order_relaxed)) {
    }
    if (most > mine) f->floor = unordered(most);
}

/* ---- looking at rows ------------------------------------------------------------------------------- */

static bool is_removed(const search *s, const lk__segment *part, size_t row) {
    uint32_t number = atomic_load_explicit(&part->removed[row], memory_order_relaxed);
    return number != 0 && number <= s->removals;
}

static bool look(search *s, const probe *p, finder *f, uint32_t view_index, size_t row) {
    const lk__segment *part = s->views[view_index].part;
    const float *vector = part->vectors + row * s->index->stride;
    float cosine;
    if (part->sums && part->sums[row] != lk__row_sum(vector, s->index->stride)) {
        /* Overwritten, because it was removed since; or else damaged. */
        if (atomic_load(&part->removed[row]) == 0) atomic_store(&s->damaged, true);
        return true;
    }
    s->dot(vector, 1, s->index->stride, p->vector, &cosine);
    if (cosine < lk__top_least(&f->best)) return true;
    return lk__top_offer(&f->best, (lk__found){.photo = part->photos[row],
                                               .person = part->people[row],
                                               .cosine = cosine,
                                               .part = view_index,
                                               .row = (uint32_t)row});
}

static void fetch(const search *s, noted n) {
    const char *row = (const char *)(s->views[n.part].part->vectors + n.row * s->index->stride);
    size_t bytes = s->index->stride * sizeof(float);
    for (size_t i = 0; i < bytes && i < 1024; i += 64) __builtin_prefetch(row + i);
}

/* Look at those noted down whose estimate (first) or most (then) reaches the floor; the list is empty then.
 */
static bool look_at_noted(search *s, const probe *p, finder *f) {
    for (int pass = 0; pass < 2; pass++) {
        size_t kept = 0;
        for (size_t i = 0; i < f->noted_count; i++)
            if (f->noted[i].most >= f->floor) f->noted[kept++] = f->noted[i];
        f->noted_count = kept;
        kept = 0;
        for (size_t i = 0; i < f->noted_count; i++) {
            noted n = f->noted[i];
            if (i + AHEAD < f->noted_count) fetch(s, f->noted[i + AHEAD]);
            if (pass == 0 && n.estimate < f->floor)
                f->noted[kept++] = n;
            else if (n.most >= f->floor && !look(s, p, f, n.part, n.row))
                return false;
            raise_floor(s, f);
        }
        f->noted_count = kept;
    }
    return true;
}

/* Room for one more; what cannot reach the floor by now is forgotten first. */
static bool make_room(search *s, const probe *p, finder *f) {
    if (!f->noted) {
        f->noted = malloc(NOTED * sizeof *f->noted);
        return f->noted != NULL;
    }
    if (f->noted_count < NOTED) return true;
    size_t kept = 0;
    for (size_t i = 0; i < f->noted_count; i++)
        if (f->noted[i].most >= f->floor) f->noted[kept++] = f->noted[i];
    f->noted_count = kept;
    return kept < NOTED / 2 || look_at_noted(s, p, f);
}

static bool note(search *s, const probe *p, finder *f, uint32_t view_index, size_t row, int32_t dot) {
    const lk__segment *part = s->views[view_index].part;
    lk__code_bound bound = part->bounds[row / LK__CODE_ROWS];
    float estimate = lk__code_estimate(dot, bound, p->code), most = estimate + lk__code_reach(bound, p->code);
    if (most < f->floor || row >= s->views[view_index].count || is_removed(s, part, row)) return true;
    if (!make_room(s, p, f)) return false;
    f->noted[f->noted_count++] = (noted){view_index, (uint32_t)row, estimate, most};
    if (s->proven) return true;
    float least = estimate - s->likely * bound.error * p->code.norm - p->code.slack;
    if (least <= lk__top_least(&f->likely)) return true;
    lk__found item = {.photo = part->photos[row], .person = part->people[row], .cosine = least};
    bool ok = lk__top_offer(&f->likely, item);
    raise_floor(s, f);
    return ok;
}

/* ---- over the codes -------------------------------------------------------------------------------- */

typedef struct worker {
    search *search;
    finder *finders; /* (count) */
    uint8_t *bytes;  /* LK__CODE_BLOCKS unpacked */
    int32_t *dots;   /* of a run, or of LK__CODE_BLOCKS by LK__CODE_PROBES */
} worker;

static bool note_hits(worker *w, size_t p, uint32_t v, size_t block, unsigned hits, const int32_t *dots) {
    for (; hits; hits &= hits - 1) {
        unsigned r = (unsigned)__builtin_ctz(hits);
        if (!note(w->search, &w->search->probes[p], &w->finders[p], v, block * LK__CODE_ROWS + r, dots[r]))
            return false;
    }
    return true;
}

/* One probe over a run of blocks. */
static bool run_one(worker *w, size_t p, uint32_t v, size_t first, size_t count) {
    search *s = w->search;
    const lk__segment *part = s->views[v].part;
    const lk__code_bound *bounds = part->bounds + first;
    int32_t limits[RUN];
    uint16_t hits[RUN];
    for (size_t b = 0; b < count; b++)
        limits[b] = lk__code_limit(w->finders[p].floor, bounds[b], s->probes[p].code);
    s->index->kernels->one(part->codes + first * lk__code_bytes(s->index->groups), count, s->index->groups,
                           s->probes[p].bytes, limits, w->dots, hits);
    for (size_t b = 0; b < count; b++)
        if (hits[b] && !note_hits(w, p, v, first + b, hits[b], w->dots + b * LK__CODE_ROWS)) return false;
    return true;
}

/* All probes over LK__CODE_BLOCKS blocks. */
static bool run_many(worker *w, uint32_t v, size_t first) {
    enum { SET = LK__CODE_PROBES, ROOM = LK__CODE_PROBES_ROOM, CELLS = LK__CODE_BLOCKS * ROOM };
    search *s = w->search;
    const lk__segment *part = s->views[v].part;
    size_t groups = s->index->groups;
    int32_t limits[CELLS] = {0};
    uint16_t hits[CELLS];
    s->index->kernels->unpack(part->codes + first * lk__code_bytes(groups), groups, w->bytes);
    for (size_t set = 0; set < s->count; set += SET) {
        for (size_t b = 0; b < LK__CODE_BLOCKS; b++)
            for (size_t p = 0; p < SET; p++)
                limits[b * ROOM + p] = lk__code_limit(w->finders[set + p].floor, part->bounds[first + b],
                                                      s->probes[set + p].code);
        s->index->kernels->many(w->bytes, groups, s->probes[set].bytes, limits, w->dots, hits);
        for (size_t b = 0; b < LK__CODE_BLOCKS; b++)
            for (size_t p = 0; p < SET; p++)
                if (hits[b * ROOM + p] && !note_hits(w, set + p, v, first + b, hits[b * ROOM + p],
                                                     w->dots + (b * SET + p) * LK__CODE_ROWS))
                    return false;
    }
    return true;
}

static bool run_task(worker *w, task t) {
    search *s = w->search;
    size_t at = t.first;
    if (s->count > ALONE)
        for (; at + LK__CODE_BLOCKS <= t.last; at += LK__CODE_BLOCKS)
            if (!run_many(w, t.view, at)) return false;
    for (; at < t.last; at += RUN)
        for (size_t p = 0; p < s->count; p++)
            if (!run_one(w, p, t.view, at, t.last - at < RUN ? t.last - at : RUN)) return false;
    for (size_t p = 0; p < s->count; p++) share_floor(&s->probes[p], &w->finders[p]);
    return true;
}

static bool run_tasks(worker *w) {
    search *s = w->search;
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed);
        if (i >= s->task_count) break;
        if (!run_task(w, s->tasks[s->backwards ? s->task_count - 1 - i : i])) return false;
    }
    for (size_t p = 0; p < s->count; p++)
        if (!look_at_noted(s, &s->probes[p], &w->finders[p])) return false;
    return true;
}

/* Rows behind the last full block, which have no codes yet. */
static bool look_at_rest(search *s, finder *finders) {
    for (uint32_t v = 0; v < s->view_count; v++)
        for (size_t row = s->views[v].blocks * LK__CODE_ROWS; row < s->views[v].count; row++)
            for (size_t p = 0; p < s->asked && !is_removed(s, s->views[v].part, row); p++) {
                if (!look(s, &s->probes[p], &finders[p], v, row)) return false;
                raise_floor(s, &finders[p]);
            }
    return true;
}

static void work(void *context, int i, int n) {
    search *s = context;
    (void)n;
    if ((size_t)i >= s->workers) return;
    size_t unpacked = LK__CODE_BLOCKS * 2 * lk__code_bytes(s->index->groups),
           dots = (RUN > LK__CODE_BLOCKS * LK__CODE_PROBES ? RUN : LK__CODE_BLOCKS * LK__CODE_PROBES) *
                  LK__CODE_ROWS * sizeof(int32_t);
    worker w = {s, s->finders + (size_t)i * s->count, lk__pages(unpacked), lk__pages(dots)};
    if (!w.bytes || !w.dots || (i == 0 && !look_at_rest(s, w.finders)) || !run_tasks(&w))
        atomic_store(&s->failed, true);
    free(w.bytes);
    free(w.dots);
}

/* ---- a search -------------------------------------------------------------------------------------- */

static void run(search *s) {
    size_t bytes = 0;
    for (size_t i = 0; i < s->task_count; i++) bytes += s->tasks[i].last - s->tasks[i].first;
    bytes *= lk__code_bytes(s->index->groups) * s->count;
    atomic_store(&s->next, 0);
    s->workers = bytes <= SERIAL ? 1 : (size_t)lk__threads();
    s->finders = calloc(s->workers * s->count, sizeof *s->finders);
    if (!s->finders) {
        atomic_store(&s->failed, true);
        return;
    }
    for (size_t i = 0; i < s->workers * s->count; i++)
        s->finders[i] = (finder){.best = lk__top_make(s->k, s->people),
                                 .likely = lk__top_make(s->k, s->people),
                                 .floor = s->probes[i % s->count].start};
    if (s->workers == 1)
        work(s, 0, 1);
    else
        lk__parallel(work, s);
}

static void finders_free(search *s) {
    for (size_t i = 0; s->finders && i < s->workers * s->count; i++) {
        lk__top_free(&s->finders[i].best);
        lk__top_free(&s->finders[i].likely);
        free(s->finders[i].noted);
    }
    free(s->finders);
    s->finders = NULL;
}

/* The answers of all workers into the first's. True if no floor was supposed too high. */
static bool join(search *s, size_t p, lk__top **best) {
    lk__top *all = &s->finders[p].best;
    float supposed = s->finders[p].floor;
    for (size_t w = 1; w < s->workers; w++) {
        finder *f = &s->finders[w * s->count + p];
        supposed = fmaxf(supposed, f->floor);
        for (size_t i = 0; i < f->best.count; i++)
            if (!lk__top_offer(all, f->best.items[i])) atomic_store(&s->failed, true);
    }
    *best = all;
    return supposed <= fmaxf(lk__top_least(all), s->probes[p].start);
}

static void answer(const search *s, const probe *p, lk__top *best, lk__hit *hits, size_t *found) {
    lk__top_sort(best);
    for (size_t i = 0; i < best->count; i++) {
        lk__found b = best->items[i];
        const float *vector = s->views[b.part].part->vectors + b.row * s->index->stride;
        hits[p->place * s->k + i] =
            (lk__hit){b.photo, b.person, b.cosine, (float)lk_l2(p->vector, vector, s->index->dim)};
    }
    found[p->place] = best->count;
}

/* Room for a turn: padded vectors, bytes, and probes that nothing reaches to fill the last set. */
static void fill_set(search *s) {
    size_t sets = (s->asked + LK__CODE_PROBES - 1) / LK__CODE_PROBES;
    s->count = s->asked > ALONE ? sets * LK__CODE_PROBES : s->asked;
    for (size_t p = s->asked; p < s->count; p++) {
        memset(s->bytes + p * s->probe_bytes, 0, s->probe_bytes);
        s->probes[p] = (probe){.vector = s->vectors,
                               .bytes = s->bytes + p * s->probe_bytes,
                               .code = {1, 1, 1},
                               .start = INFINITY};
    }
}

static void take_probes(search *s, const float *vectors, size_t first, size_t count) {
    size_t dim = (size_t)s->index->dim, stride = s->index->stride;
    s->asked = count;
    for (size_t p = 0; p < count; p++) {
        float *vector = s->vectors + p * stride;
        memcpy(vector, vectors + (first + p) * dim, dim * sizeof *vector);
        memset(vector + dim, 0, (stride - dim) * sizeof *vector);
        s->probes[p] = (probe){.vector = vector,
                               .bytes = s->bytes + p * s->probe_bytes,
                               .start = -INFINITY,
                               .shared = ordered(-INFINITY),
                               .place = first + p};
        lk__code_probe_make(vector, s->index->dim, s->bytes + p * s->probe_bytes, &s->probes[p].code);
    }
    s->proven = false;
    fill_set(s);
}

/* Answers into the caller's arrays. The probes whose floors were supposed too high stay, with one that holds.
 */
static void answer_all(search *s, lk__hit *hits, size_t *found) {
    size_t again = 0;
    for (size_t p = 0; p < s->asked; p++) {
        lk__top *best;
        if (join(s, p, &best)) {
            answer(s, &s->probes[p], best, hits, found);
            continue;
        }
        probe *from = &s->probes[p], *to = &s->probes[again];
        int8_t *bytes = s->bytes + again++ * s->probe_bytes;
        float start = lk__top_least(best);
        memmove(bytes, from->bytes, s->probe_bytes);
        *to = (probe){.vector = from->vector,
                      .bytes = bytes,
                      .code = from->code,
                      .start = start,
                      .shared = ordered(start),
                      .place = from->place};
    }
    s->asked = again;
    s->proven = true;
    fill_set(s);
}

/* What a search sees: all parts as they are now. */
static bool take_views(search *s, lk__index *x) {
    bool ok = true;
    pthread_mutex_lock(&x->lock);
    s->removals = x->removals;
    s->views = malloc((x->part_count + 1) * sizeof *s->views);
    for (size_t i = 0; s->views && i < x->part_count; i++) {
        lk__segment *part = x->parts[i];
        part->references++;
        s->views[s->view_count++] = (view){part, part->count, lk__segment_blocks(part, part->count)};
    }
    pthread_mutex_unlock(&x->lock);
    if (!s->views) return false;
    size_t most = 1;
    for (size_t v = 0; v < s->view_count; v++) most += s->views[v].blocks / TASK + 1;
    s->tasks = malloc(most * sizeof *s->tasks);
    ok = s->tasks != NULL;
    for (uint32_t v = 0; ok && v < s->view_count; v++)
        for (size_t b = 0; b < s->views[v].blocks; b += TASK)
            s->tasks[s->task_count++] =
                (task){v, b, s->views[v].blocks - b < TASK ? s->views[v].blocks : b + TASK};
    return ok;
}

static void search_free(search *s, lk__index *x) {
    pthread_mutex_lock(&x->lock);
    for (size_t v = 0; v < s->view_count; v++) lk__segment_release(s->views[v].part);
    pthread_mutex_unlock(&x->lock);
    free(s->views);
    free(s->tasks);
    free(s->probes);
    free(s->bytes);
    free(s->vectors);
}

/* How many probes go together. */
static size_t turn_of(size_t n, size_t k) {
    size_t each = (size_t)lk__threads() * (NOTED * sizeof(noted) + sizeof(finder));
    each += k < SCRATCH ? k * 4 * sizeof(lk__found) : SCRATCH;
    size_t turn = SCRATCH / each;
    if (turn > 1024) turn = 1024;
    if (turn < LK__CODE_PROBES) turn = LK__CODE_PROBES;
    return n < turn ? n : turn;
}

lk_status lk__index_search(lk__index *x, const float *probes, size_t n, size_t k, bool people, lk__hit *hits,
                           size_t *found, lk_error *err) {
    size_t turn = turn_of(n, k), room = turn + LK__CODE_PROBES;
    search s = {.index = x, .dot = lk__dot_best(), .k = k, .people = people};
    s.likely = fminf(1, 4 / sqrtf((float)x->dim));
    s.backwards = atomic_fetch_add(&x->searches, 1) % 2 != 0;
    s.probe_bytes = lk__code_probe_bytes(x->groups);
    s.probes = malloc(room * sizeof *s.probes);
    s.bytes = malloc(room * s.probe_bytes);
    s.vectors = lk__pages(room * x->stride * sizeof(float));
    bool ok = take_views(&s, x) && s.probes && s.bytes && s.vectors;
    for (size_t first = 0; ok && first < n; first += turn) {
        take_probes(&s, probes, first, n - first < turn ? n - first : turn);
        while (ok && s.asked > 0) {
            run(&s);
            if (!atomic_load(&s.failed)) answer_all(&s, hits, found);
            finders_free(&s);
            ok = !atomic_load(&s.failed) && !atomic_load(&s.damaged);
        }
    }
    search_free(&s, x);
    if (ok) return LK_OK;
    if (atomic_load(&s.damaged))
        return lk__fail(err, LK_FORMAT, "the gallery's index file is damaged; it is made anew");
    return lk__fail_memory(err, n * x->stride * sizeof(float), "a search");
}
