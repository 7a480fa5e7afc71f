/* index.c: the closest enrolled photos, exactly.
 *
 * All vectors are held in memory, one after another, and a search reads every one: 100,000 x 128 floats are
 * 51 MB, a few milliseconds of memory bandwidth, and no index can return a wrong suspect.
 *
 * Threads: rows are never changed where a search may be reading. A search takes a reference and the row count
 * under the lock and scans without it; appending writes behind every count handed out; what needs more room,
 * and what drops rows, goes to a new copy. */
#include "gallery/gallery.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LANES = 16,
    BLOCK = 256,               /* rows whose cosines are computed before any is looked at */
    SERIAL_FLOATS = 256 * 1024 /* a scan this small (1 MB) ends before other threads wake up */
};

typedef struct row_set {
    size_t references; /* the index's and one for each running search; guarded by the index's lock */
    size_t capacity;
    int64_t *photos, *people; /* (capacity); photos rise */
    float *vectors;           /* (capacity, stride), 64-byte aligned, zeros from dim to stride */
} row_set;

struct lk__index {
    pthread_mutex_t lock; /* guards rows and count */
    int dim;
    size_t stride, count;
    row_set *rows; /* NULL: none */
};

bool lk__unit_vector(const float *vector, int dim) {
    double norm = sqrt(lk_cosine(vector, vector, dim));
    return fabs(norm - 1) < 1e-3; /* false for NaN and infinity too */
}

/* ---- rows ---------------------------------------------------------------------------------------- */

static void release(row_set *r) {
    if (!r || --r->references > 0) return;
    free(r->photos);
    free(r->people);
    free(r->vectors);
    free(r);
}

static row_set *rows_new(size_t capacity, size_t stride) {
    size_t floats;
    if (__builtin_mul_overflow(capacity, stride * sizeof(float), &floats)) return NULL;
    row_set *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->references = 1;
    r->capacity = capacity;
    r->photos = malloc(capacity * sizeof *r->photos);
    r->people = malloc(capacity * sizeof *r->people);
    r->vectors = aligned_alloc(64, floats);
    if (r->photos && r->people && r->vectors) return r;
    release(r);
    return NULL;
}

static void copy_row(const lk__index *x, row_set *to, size_t i, const row_set *from, size_t j, size_t count) {
    memcpy(to->photos + i, from->photos + j, count * sizeof *to->photos);
    memcpy(to->people + i, from->people + j, count * sizeof *to->people);
    memcpy(to->vectors + i * x->stride, from->vectors + j * x->stride, count * x->stride * sizeof(float));
}

static void replace(lk__index *x, row_set *with, size_t count) {
    pthread_mutex_lock(&x->lock);
    release(x->rows);
    x->rows = with;
    x->count = count;
    pthread_mutex_unlock(&x->lock);
}

lk_status lk__index_new(int dim, lk__index **out, lk_error *err) {
    lk__index *x = calloc(1, sizeof *x);
    if (!x || pthread_mutex_init(&x->lock, NULL) != 0) {
        free(x);
        return lk__fail_memory(err, sizeof *x, "an index");
    }
    x->dim = dim;
    x->stride = ((size_t)dim + LANES - 1) / LANES * LANES;
    *out = x;
    return LK_OK;
}

void lk__index_free(lk__index *x) {
    if (!x) return;
    release(x->rows);
    pthread_mutex_destroy(&x->lock);
    free(x);
}

size_t lk__index_count(lk__index *x) {
    pthread_mutex_lock(&x->lock);
    size_t count = x->count;
    pthread_mutex_unlock(&x->lock);
    return count;
}

/* Grows by half, so that adding one by one costs no more than its share. */
lk_status lk__index_append(lk__index *x, const int64_t *photos, const int64_t *people, const float *vectors,
                           size_t count, lk_error *err) {
    size_t total = x->count + count, stride = x->stride, dim = (size_t)x->dim;
    row_set *r = x->rows;
    if (!r || total > r->capacity) {
        size_t capacity = total < 16 ? 16 : total;
        if (r && capacity < r->capacity + r->capacity / 2) capacity = r->capacity + r->capacity / 2;
        row_set *grown = rows_new(capacity, stride);
        if (!grown) return lk__fail_memory(err, capacity * stride * sizeof(float), "an index");
        if (r) copy_row(x, grown, 0, r, 0, x->count);
        r = grown;
        replace(x, grown, x->count);
    }
    for (size_t i = 0; i < count; i++) {
        size_t at = x->count + i;
        r->photos[at] = photos[i];
        r->people[at] = people[i];
        memcpy(r->vectors + at * stride, vectors + i * dim, dim * sizeof(float));
        memset(r->vectors + at * stride + dim, 0, (stride - dim) * sizeof(float));
    }
    pthread_mutex_lock(&x->lock);
    x->count = total;
    pthread_mutex_unlock(&x->lock);
    return LK_OK;
}

static int rising(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

lk_status lk__index_remove(lk__index *x, const int64_t *photos, size_t count, lk_error *err) {
    if (!count || !x->rows) return LK_OK;
    const row_set *old = x->rows;
    int64_t *gone = malloc(count * sizeof *gone);
    row_set *left = rows_new(old->capacity, x->stride);
    if (!gone || !left) {
        free(gone);
        release(left);
        return lk__fail_memory(err, old->capacity * x->stride * sizeof(float), "an index");
    }
    memcpy(gone, photos, count * sizeof *gone);
    qsort(gone, count, sizeof *gone, rising);
    size_t kept = 0, next = 0;
    for (size_t i = 0; i < x->count; i++) {
        while (next < count && gone[next] < old->photos[i]) next++;
        if (next < count && gone[next] == old->photos[i]) continue;
        copy_row(x, left, kept++, old, i, 1);
    }
    free(gone);
    replace(x, left, kept);
    return LK_OK;
}

void lk__index_clear(lk__index *x) {
    replace(x, NULL, 0);
}

/* ---- the scan ------------------------------------------------------------------------------------ */

typedef struct hit {
    float cosine;
    size_t row;
} hit;

static bool worse(hit a, hit b) {
    return a.cosine < b.cosine || (a.cosine == b.cosine && a.row > b.row);
}

static int best_first(const void *a, const void *b) {
    hit x = *(const hit *)a, y = *(const hit *)b;
    return worse(y, x) ? -1 : worse(x, y);
}

/* Heap of the best so far with the worst of them on top. */
static void sink(hit *heap, size_t count, size_t i) {
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= count) return;
        if (child + 1 < count && worse(heap[child + 1], heap[child])) child++;
        if (!worse(heap[child], heap[i])) return;
        hit swap = heap[i];
        heap[i] = heap[child];
        heap[child] = swap;
        i = child;
    }
}

typedef struct scan {
    const float *vectors, *probe;
    size_t count, stride, room; /* room: hits that each part may keep */
    int parts;
    lk__dot dot;
    hit *hits;    /* (parts, room) */
    size_t *kept; /* (parts) */
} scan;

static void scan_part(scan *s, int part) {
    size_t first, last, kept = 0;
    float cosines[BLOCK];
    hit *heap = s->hits + (size_t)part * s->room;
    lk__part(s->count, part, s->parts, &first, &last);
    for (size_t at = first; at < last; at += BLOCK) {
        size_t rows = last - at < BLOCK ? last - at : BLOCK;
        s->dot(s->vectors + at * s->stride, rows, s->stride, s->probe, cosines);
        for (size_t i = 0; i < rows; i++) {
            if (kept < s->room) {
                heap[kept++] = (hit){cosines[i], at + i};
                if (kept == s->room)
                    for (size_t j = kept / 2 + 1; j-- > 0;) sink(heap, kept, j);
            } else if (cosines[i] > heap[0].cosine) { /* an equal one has a lower id and stays */
                heap[0] = (hit){cosines[i], at + i};
                sink(heap, kept, 0);
            }
        }
    }
    s->kept[part] = kept;
}

static void scan_parts(void *context, int i, int n) {
    scan *s = context;
    for (int part = i; part < s->parts; part += n) scan_part(s, part);
}

/* The best k of rows [0, count), best first, malloc'd. */
static hit *closest(const row_set *r, size_t count, size_t stride, const float *probe, size_t k,
                    size_t *found) {
    int threads = lk__threads(), parts = count * stride <= SERIAL_FLOATS ? 1 : threads;
    size_t longest = count / (size_t)parts + 1;
    scan s = {.vectors = r->vectors, .probe = probe, .count = count, .stride = stride, .parts = parts};
    s.room = k < longest ? k : longest;
    s.dot = lk__dot_best();
    s.hits = malloc((size_t)parts * s.room * sizeof *s.hits);
    s.kept = calloc((size_t)parts, sizeof *s.kept);
    if (!s.hits || !s.kept) {
        free(s.hits);
        free(s.kept);
        return NULL;
    }
    if (parts == 1)
        scan_part(&s, 0);
    else
        lk__parallel(scan_parts, &s);
    size_t total = 0;
    for (int part = 0; part < parts; part++) {
        memmove(s.hits + total, s.hits + (size_t)part * s.room, s.kept[part] * sizeof *s.hits);
        total += s.kept[part];
    }
    qsort(s.hits, total, sizeof *s.hits, best_first);
    free(s.kept);
    *found = total < k ? total : k;
    return s.hits;
}

/* Hits rank by cosine, then row; of each person only the first is kept. */
static size_t best_of_each(const row_set *r, hit *hits, size_t count, size_t k) {
    size_t kept = 0;
    for (size_t i = 0; i < count && kept < k; i++) {
        size_t j = 0;
        while (j < kept && r->people[hits[j].row] != r->people[hits[i].row]) j++;
        if (j == kept) hits[kept++] = hits[i];
    }
    return kept;
}

static lk_status search_one(const lk__index *x, const row_set *r, size_t count, const float *probe, size_t k,
                            bool people, lk__hit *out, size_t *found, lk_error *err) {
    hit *hits = closest(r, count, x->stride, probe, people ? count : k, found);
    if (!hits) return lk__fail_memory(err, (k < count ? k : count) * sizeof *hits, "a search");
    if (people) *found = best_of_each(r, hits, *found, k);
    for (size_t i = 0; i < *found; i++) {
        size_t row = hits[i].row;
        out[i] = (lk__hit){.photo = r->photos[row],
                           .person = r->people[row],
                           .cosine = hits[i].cosine,
                           .l2 = (float)lk_l2(probe, r->vectors + row * x->stride, x->dim)};
    }
    free(hits);
    return LK_OK;
}

lk_status lk__index_search(lk__index *x, const float *probes, size_t n, size_t k, bool people, lk__hit *hits,
                           size_t *found, lk_error *err) {
    size_t dim = (size_t)x->dim;
    float *padded = aligned_alloc(64, x->stride * sizeof *padded);
    if (!padded) return lk__fail_memory(err, x->stride * sizeof *padded, "a search");
    memset(padded + dim, 0, (x->stride - dim) * sizeof *padded);
    pthread_mutex_lock(&x->lock);
    row_set *r = x->rows;
    size_t count = x->count;
    if (r) r->references++;
    pthread_mutex_unlock(&x->lock);
    lk_status status = LK_OK;
    for (size_t i = 0; i < n && status == LK_OK; i++) {
        found[i] = 0;
        memcpy(padded, probes + i * dim, dim * sizeof *padded);
        if (count) status = search_one(x, r, count, padded, k, people, hits + i * k, &found[i], err);
    }
    pthread_mutex_lock(&x->lock);
    release(r);
    pthread_mutex_unlock(&x->lock);
    free(padded);
    return status;
}
