/* scan.c: the closest rows, exactly: a first pass over codes, then the few rows that are left.
 *
 * The floor of a probe is the k-th best cosine (dot.c) of the rows looked at so far. A row of whose codes the
 * most that they allow (codes.h) is below the floor cannot be among the best k and is passed over. Of the
 * others those whose estimate reaches the floor are looked at at once, which raises the floor about as far as
 * a scan in floats would have by then; the rest, some thousands of a million, are noted down, and those that
 * still may reach the floor at the end are looked at then. So nothing is supposed anywhere, and the answer is
 * that of a full scan.
 *
 * Many probes go together: codes are unpacked once for all of them and multiplied 6 probes at a time. Threads
 * share the rows, some at a time as they get free, and tell one another their floors: the k-th best of some
 * rows is never above the k-th best of all. */
#include "gallery/rows.h"
#include "gallery/top.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    RUN = 64,            /* blocks of one pass of the kernel: 64 KB of codes */
    TASK = 256,          /* blocks that a thread takes at a time */
    ALONE = 3,           /* probes up to which each goes over a run by itself */
    NOTED = 512,         /* rows noted down before they are sifted for the first time */
    NOTED_MOST = 8192,   /* before they are looked at although there is more to come */
    SERIAL = 256 * 1024, /* bytes of codes, times probes, which end before other threads wake up */
    AHEAD = 8,           /* rows whose vectors are fetched ahead */
    FETCH = 1024,        /* bytes of them: the processor guesses the rest */
    TURN = 512,          /* probes that go together, at most */
    SCRATCH = 128 << 20, /* bytes for what is known of them */
    SET = LK__CODE_PROBES,
    ROOM = LK__CODE_PROBES_ROOM,
};

typedef struct noted {
    uint32_t view, row;
    float most; /* that its cosine may be */
} noted;

/* What one thread knows of one probe's answer. */
typedef struct finder {
    lk__top best; /* of the rows looked at */
    noted *noted; /* (noted_room) */
    size_t noted_count, noted_room;
} finder;

typedef struct view {
    lk__segment *segment;
    size_t count, blocks;
} view;

typedef struct task {
    uint32_t view;
    size_t first, last; /* blocks */
} task;

typedef struct scan {
    const lk__index *index;
    lk__dot dot;
    view *views;
    task *tasks;
    size_t view_count, task_count, k;
    uint32_t removals;
    bool people, backwards;
    /* Of the probes that go together; `count` with what fills the last set. */
    size_t asked, count, workers;
    float *vectors;                  /* (count, stride), zeros from dim to stride */
    int8_t *bytes;                   /* (count, lk__code_probe_bytes) */
    float *per_scale, *norm, *slack; /* (count), as lk__code_probe has them */
    _Atomic uint32_t *floors;        /* (count): the highest of any thread, as ordered() has it */
    finder *finders;                 /* (workers, count) */
    atomic_size_t next;
    atomic_bool failed; /* out of memory */
    atomic_bool damaged;
} scan;

typedef struct worker {
    scan *scan;
    finder *finders; /* (count) */
    float *floors;   /* (count) */
    uint8_t *bytes;  /* LK__CODE_BLOCKS unpacked */
    int32_t *dots;   /* of a run, or of LK__CODE_BLOCKS by SET */
} worker;

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

/* With what the other threads know. */
static void share_floor(worker *w, size_t p) {
    _Atomic uint32_t *shared = &w->scan->floors[p];
    uint32_t mine = ordered(w->floors[p]), most = atomic_load_explicit(shared, memory_order_relaxed);
    while (mine > most && !atomic_compare_exchange_weak_explicit(shared, &most, mine, memory_order_relaxed,
                                                                 memory_order_relaxed)) {
    }
    if (most > mine) w->floors[p] = unordered(most);
}

/* ---- looking at rows ------------------------------------------------------------------------------- */

static bool is_removed(const scan *s, const lk__segment *segment, size_t row) {
    uint32_t number = atomic_load_explicit(&segment->removed[row], memory_order_relaxed);
    return number != 0 && number <= s->removals;
}

static bool look(worker *w, size_t p, uint32_t v, size_t row) {
    scan *s = w->scan;
    const lk__segment *segment = s->views[v].segment;
    size_t stride = s->index->stride;
    const float *vector = segment->vectors + row * stride;
    float cosine;
    if (is_removed(s, segment, row)) return true;
    if (!lk__segment_sound(segment, row, stride)) {
        /* Overwritten, because it was removed since; or else damaged. */
        if (atomic_load(&segment->removed[row]) == 0) atomic_store(&s->damaged, true);
        return true;
    }
    s->dot(vector, 1, stride, s->vectors + p * stride, &cosine);
    if (!(fabsf(cosine) < 2)) atomic_store(&s->damaged, true);
    lk__top *best = &w->finders[p].best;
    if (cosine < lk__top_least(best)) return true;
    bool ok = lk__top_offer(best, (lk__found){.photo = segment->photos[row],
                                              .person = segment->people[row],
                                              .cosine = cosine,
                                              .view = v,
                                              .row = (uint32_t)row});
    w->floors[p] = fmaxf(w->floors[p], lk__top_least(best));
    return ok;
}

/* Forget what cannot reach the floor by now. */
static void sift(worker *w, size_t p) {
    finder *f = &w->finders[p];
    size_t kept = 0;
    for (size_t i = 0; i < f->noted_count; i++)
        if (f->noted[i].most >= w->floors[p]) f->noted[kept++] = f->noted[i];
    f->noted_count = kept;
}

static void fetch(const scan *s, noted n) {
    const char *row = (const char *)(s->views[n.view].segment->vectors + n.row * s->index->stride);
    size_t bytes = s->index->stride * sizeof(float);
    for (size_t i = 0; i < bytes && i < FETCH; i += 64) __builtin_prefetch(row + i);
}

static bool look_at_noted(worker *w, size_t p) {
    finder *f = &w->finders[p];
    sift(w, p);
    for (size_t i = 0; i < f->noted_count; i++) {
        if (i + AHEAD < f->noted_count) fetch(w->scan, f->noted[i + AHEAD]);
        if (f->noted[i].most >= w->floors[p] && !look(w, p, f->noted[i].view, f->noted[i].row)) return false;
    }
    f->noted_count = 0;
    return true;
}

/* Room for one more. Most of what is noted down early is far below the floor later on, so it is kept for
 * long. */
static bool make_room(worker *w, size_t p) {
    finder *f = &w->finders[p];
    if (f->noted_count < f->noted_room) return true;
    sift(w, p);
    if (f->noted_count < f->noted_room - f->noted_room / 4) return true;
    if (f->noted_room >= NOTED_MOST) return look_at_noted(w, p);
    size_t room = f->noted_room ? 2 * f->noted_room : NOTED;
    noted *grown = realloc(f->noted, room * sizeof *grown);
    if (!grown) return false;
    f->noted = grown;
    f->noted_room = room;
    return true;
}

static bool note(worker *w, size_t p, noted n) {
    finder *f = &w->finders[p];
    if (!make_room(w, p)) return false;
    f->noted[f->noted_count++] = n;
    return true;
}

/* ---- over the codes -------------------------------------------------------------------------------- */

/* Rows of a block that the kernel did not pass over. */
static bool take_hits(worker *w, size_t p, uint32_t v, size_t block, unsigned hits, const int32_t *dots) {
    const scan *s = w->scan;
    const lk__code_bound *bound = &s->views[v].segment->bounds[block];
    float scales = bound->per_scale * s->per_scale[p];
    for (; hits; hits &= hits - 1) {
        unsigned r = (unsigned)__builtin_ctz(hits);
        size_t row = block * LK__CODE_ROWS + r;
        float estimate = (float)dots[r] / scales,
              error = bound->error * ((float)bound->shares[r] * (1.0f / 255));
        float most = estimate + lk__code_reach(error, s->norm[p], s->slack[p]);
        if (most < w->floors[p] || row >= s->views[v].count) continue;
        bool ok = estimate < w->floors[p] ? note(w, p, (noted){v, (uint32_t)row, most}) : look(w, p, v, row);
        if (!ok) return false;
    }
    return true;
}

/* One probe over a run of blocks. */
static bool run_one(worker *w, size_t p, uint32_t v, size_t first, size_t count) {
    const scan *s = w->scan;
    const lk__segment *segment = s->views[v].segment;
    size_t groups = s->index->groups;
    int32_t limits[RUN];
    uint16_t hits[RUN];
    for (size_t b = 0; b < count; b++) {
        const lk__code_bound *bound = &segment->bounds[first + b];
        limits[b] = lk__code_limit(w->floors[p], lk__code_reach(bound->error, s->norm[p], s->slack[p]),
                                   bound->per_scale * s->per_scale[p]);
    }
    s->index->kernels->one(segment->codes + first * lk__code_bytes(groups), count, groups,
                           s->bytes + p * lk__code_probe_bytes(groups), limits, w->dots, hits);
    for (size_t b = 0; b < count; b++)
        if (hits[b] && !take_hits(w, p, v, first + b, hits[b], w->dots + b * LK__CODE_ROWS)) return false;
    return true;
}

/* Of a set of probes, and what comes after them, for one block: 8 lanes, which compilers make vectors of. */
static inline void limits_of(const worker *w, size_t p, const lk__code_bound *bound, int32_t *limits) {
    const scan *s = w->scan;
    const float *floors = w->floors + p, *norm = s->norm + p, *slack = s->slack + p, *per = s->per_scale + p;
    float error = bound->error, per_scale = bound->per_scale;
    for (size_t i = 0; i < ROOM; i++)
        limits[i] = lk__code_limit(floors[i], lk__code_reach(error, norm[i], slack[i]), per_scale * per[i]);
}

/* All probes over LK__CODE_BLOCKS blocks. */
static bool run_many(worker *w, uint32_t v, size_t first) {
    const scan *s = w->scan;
    const lk__segment *segment = s->views[v].segment;
    size_t groups = s->index->groups;
    int32_t limits[LK__CODE_BLOCKS * ROOM] = {0};
    uint16_t hits[LK__CODE_BLOCKS * ROOM];
    s->index->kernels->unpack(segment->codes + first * lk__code_bytes(groups), groups, w->bytes);
    for (size_t p = 0; p < s->count; p += SET) {
        for (size_t b = 0; b < LK__CODE_BLOCKS; b++)
            limits_of(w, p, &segment->bounds[first + b], limits + b * ROOM);
        s->index->kernels->many(w->bytes, groups, s->bytes + p * lk__code_probe_bytes(groups), limits,
                                w->dots, hits);
        for (size_t b = 0; b < LK__CODE_BLOCKS; b++)
            for (size_t i = 0; i < SET; i++)
                if (hits[b * ROOM + i] && !take_hits(w, p + i, v, first + b, hits[b * ROOM + i],
                                                     w->dots + (b * SET + i) * LK__CODE_ROWS))
                    return false;
    }
    return true;
}

static bool run_task(worker *w, task t) {
    size_t at = t.first;
    if (w->scan->asked > ALONE)
        for (; at + LK__CODE_BLOCKS <= t.last; at += LK__CODE_BLOCKS)
            if (!run_many(w, t.view, at)) return false;
    for (; at < t.last; at += RUN)
        for (size_t p = 0; p < w->scan->asked; p++)
            if (!run_one(w, p, t.view, at, t.last - at < RUN ? t.last - at : RUN)) return false;
    for (size_t p = 0; p < w->scan->asked; p++) share_floor(w, p);
    return true;
}

/* Rows behind the last full block, which have no codes yet. */
static bool look_at_rest(worker *w) {
    const scan *s = w->scan;
    for (uint32_t v = 0; v < s->view_count; v++)
        for (size_t row = s->views[v].blocks * LK__CODE_ROWS; row < s->views[v].count; row++)
            for (size_t p = 0; p < s->asked && !is_removed(s, s->views[v].segment, row); p++)
                if (!look(w, p, v, row)) return false;
    return true;
}

static bool run_tasks(worker *w, bool rest_too) {
    scan *s = w->scan;
    if (rest_too && !look_at_rest(w)) return false;
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed);
        if (i >= s->task_count) break;
        if (!run_task(w, s->tasks[s->backwards ? s->task_count - 1 - i : i])) return false;
    }
    for (size_t p = 0; p < s->asked; p++)
        if (!look_at_noted(w, p)) return false;
    return true;
}

static void work(void *context, int i, int n) {
    scan *s = context;
    (void)n;
    if ((size_t)i >= s->workers) return;
    size_t unpacked = LK__CODE_BLOCKS * 2 * lk__code_bytes(s->index->groups),
           dots =
               (RUN > LK__CODE_BLOCKS * SET ? RUN : LK__CODE_BLOCKS * SET) * LK__CODE_ROWS * sizeof(int32_t);
    worker w = {s, s->finders + (size_t)i * s->count, malloc((s->count + ROOM) * sizeof *w.floors),
                lk__pages(unpacked), lk__pages(dots)};
    bool ok = w.floors && w.bytes && w.dots;
    for (size_t p = 0; ok && p < s->count + ROOM; p++) w.floors[p] = p < s->asked ? -INFINITY : INFINITY;
    if (!ok || !run_tasks(&w, i == 0)) atomic_store(&s->failed, true);
    free(w.floors);
    free(w.bytes);
    free(w.dots);
}

/* ---- a search -------------------------------------------------------------------------------------- */

/* All probes of the turn over all rows. */
static void run(scan *s) {
    size_t blocks = 0;
    for (size_t v = 0; v < s->view_count; v++) blocks += s->views[v].blocks;
    atomic_store(&s->next, 0);
    s->workers = blocks * lk__code_bytes(s->index->groups) * s->count <= SERIAL ? 1 : (size_t)lk__threads();
    s->finders = calloc(s->workers * s->count, sizeof *s->finders);
    if (!s->finders) {
        atomic_store(&s->failed, true);
        return;
    }
    for (size_t i = 0; i < s->workers * s->count; i++) s->finders[i].best = lk__top_make(s->k, s->people);
    if (s->workers == 1)
        work(s, 0, 1);
    else
        lk__parallel(work, s);
}

static void finders_free(scan *s) {
    for (size_t i = 0; s->finders && i < s->workers * s->count; i++) {
        lk__top_free(&s->finders[i].best);
        free(s->finders[i].noted);
    }
    free(s->finders);
    s->finders = NULL;
}

/* The best of all threads, in order. */
static void answer(scan *s, size_t p, lk__hit *hits, size_t *found) {
    lk__top *best = &s->finders[p].best;
    for (size_t w = 1; w < s->workers; w++) {
        const lk__top *more = &s->finders[w * s->count + p].best;
        for (size_t i = 0; i < more->count; i++)
            if (!lk__top_offer(best, more->items[i])) atomic_store(&s->failed, true);
    }
    lk__top_sort(best);
    for (size_t i = 0; i < best->count; i++) {
        lk__found b = best->items[i];
        const float *vector = s->views[b.view].segment->vectors + b.row * s->index->stride,
                    *probe = s->vectors + p * s->index->stride;
        hits[i] = (lk__hit){b.photo, b.person, b.cosine, (float)lk_l2(probe, vector, s->index->dim)};
    }
    *found = best->count;
}

static void take_probes(scan *s, const float *probes, size_t count) {
    size_t dim = (size_t)s->index->dim, stride = s->index->stride,
           bytes = lk__code_probe_bytes(s->index->groups);
    s->asked = count;
    s->count = count > ALONE ? (count + SET - 1) / SET * SET : count;
    for (size_t p = 0; p < count; p++) {
        float *vector = s->vectors + p * stride;
        memcpy(vector, probes + p * dim, dim * sizeof *vector);
        memset(vector + dim, 0, (stride - dim) * sizeof *vector);
        lk__code_probe code;
        lk__code_probe_make(vector, s->index->dim, s->bytes + p * bytes, &code);
        s->per_scale[p] = code.per_scale;
        s->norm[p] = code.norm;
        s->slack[p] = code.slack;
        atomic_store_explicit(&s->floors[p], ordered(-INFINITY), memory_order_relaxed);
    }
    for (size_t p = count; p < s->count + ROOM; p++) s->per_scale[p] = s->norm[p] = s->slack[p] = 1;
    memset(s->bytes + count * bytes, 0, (s->count - count) * bytes);
}

/* What a search sees: all segments as they are now. */
static bool take_views(scan *s, lk__index *x) {
    pthread_mutex_lock(&x->lock);
    s->removals = x->removals;
    s->views = malloc((x->segment_count + 1) * sizeof *s->views);
    for (size_t i = 0; s->views && i < x->segment_count; i++) {
        lk__segment *segment = x->segments[i];
        segment->references++;
        s->views[s->view_count++] =
            (view){segment, segment->count, lk__segment_blocks(segment, segment->count)};
    }
    pthread_mutex_unlock(&x->lock);
    size_t most = 1;
    for (size_t v = 0; v < s->view_count; v++) most += s->views[v].blocks / TASK + 1;
    s->tasks = malloc(most * sizeof *s->tasks);
    if (!s->views || !s->tasks) return false;
    for (uint32_t v = 0; v < s->view_count; v++)
        for (size_t b = 0; b < s->views[v].blocks; b += TASK)
            s->tasks[s->task_count++] =
                (task){v, b, s->views[v].blocks - b < TASK ? s->views[v].blocks : b + TASK};
    return true;
}

static bool take_room(scan *s, size_t turn) {
    size_t room = turn + 2 * ROOM;
    s->vectors = lk__pages(room * s->index->stride * sizeof *s->vectors);
    s->bytes = malloc(room * lk__code_probe_bytes(s->index->groups));
    s->per_scale = malloc(3 * room * sizeof *s->per_scale);
    if (!s->per_scale) return false;
    s->norm = s->per_scale + room;
    s->slack = s->norm + room;
    s->floors = malloc(room * sizeof *s->floors);
    return s->vectors && s->bytes && s->floors;
}

static void scan_free(scan *s, lk__index *x) {
    pthread_mutex_lock(&x->lock);
    for (size_t v = 0; v < s->view_count; v++) lk__segment_release(s->views[v].segment);
    pthread_mutex_unlock(&x->lock);
    free(s->views);
    free(s->tasks);
    free(s->vectors);
    free(s->bytes);
    free(s->per_scale);
    free((void *)s->floors);
}

/* How many probes go together. */
static size_t turn_of(size_t n, size_t k) {
    size_t each = (size_t)lk__threads() * (NOTED_MOST / 2 * sizeof(noted) + sizeof(finder));
    each += k < SCRATCH / 128 ? k * 2 * sizeof(lk__found) : SCRATCH;
    size_t turn = SCRATCH / each;
    turn = turn > TURN ? TURN : turn < SET ? SET : turn;
    return n < turn ? n : turn;
}

lk_status lk__index_search(lk__index *x, const float *probes, size_t n, size_t k, bool people, lk__hit *hits,
                           size_t *found, lk_error *err) {
    size_t turn = turn_of(n, k);
    scan s = {.index = x, .dot = lk__dot_best(), .k = k, .people = people};
    /* To and fro: what the last search read last is still in the cache. */
    s.backwards = atomic_fetch_add(&x->searches, 1) % 2 != 0;
    bool ok = take_views(&s, x) && take_room(&s, turn);
    for (size_t first = 0; ok && first < n; first += turn) {
        take_probes(&s, probes + first * (size_t)x->dim, n - first < turn ? n - first : turn);
        run(&s);
        ok = !atomic_load(&s.failed) && !atomic_load(&s.damaged);
        for (size_t p = 0; ok && p < s.asked; p++) answer(&s, p, hits + (first + p) * k, &found[first + p]);
        finders_free(&s);
        ok = ok && !atomic_load(&s.failed);
    }
    scan_free(&s, x);
    if (ok) return LK_OK;
    if (atomic_load(&s.damaged)) return lk__fail(err, LK_MISMATCH, "the file beside the gallery is damaged");
    return lk__fail_memory(err, n * x->stride * sizeof(float), "a search");
}
