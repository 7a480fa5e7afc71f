/* index.c: who is in the copy of the gallery in memory; scan.c finds who is close.
 *
 * Rows lie in segments. A segment is filled up, row behind row; a row that is removed is marked with the
 * number of the removal; a segment of which most is removed is written anew without it. So nothing ever
 * changes where a search is reading: it takes the segments, their counts and the number of the last removal
 * under the lock, in a microsecond, and sees the index as it was then, while rows are added and removed
 * beside it. */
#include "gallery/gallery.h"
#include "gallery/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    LANES = 16,
    HUGE_PAGE = 2 << 20,
    FIRST_ROWS = 256,
    PARALLEL_BLOCKS = 64, /* blocks to encode for which other threads are woken up */
};

bool lk__unit_vector(const float *vector, int dim) {
    double norm = sqrt(lk_cosine(vector, vector, dim));
    return fabs(norm - 1) < 1e-3; /* false for NaN and infinity too */
}

/* ---- segments ----------------------------------------------------------------------------------------- */

void *lk__pages(size_t bytes) {
    size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : 64;
    bytes = (bytes + align - 1) / align * align;
    void *p = aligned_alloc(align, bytes ? bytes : align);
    if (!p) return NULL;
    if (align == HUGE_PAGE) madvise(p, bytes, MADV_HUGEPAGE); /* a wish: without it all works, slower */
    return p;
}

void lk__segment_release(lk__segment *segment) {
    if (!segment || --segment->references > 0) return;
    for (size_t i = 0; i < sizeof segment->own / sizeof segment->own[0]; i++) free(segment->own[i]);
    free((void *)segment->removed);
    lk__index_file_release(segment->file);
    free(segment);
}

static lk__segment *segment_new(const lk__index *x, size_t capacity) {
    size_t blocks = capacity / LK__CODE_ROWS, floats;
    if (__builtin_mul_overflow(capacity, x->stride * sizeof(float), &floats)) return NULL;
    lk__segment *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->references = 1;
    p->capacity = capacity;
    p->photos = p->own[0] = malloc(capacity * sizeof *p->photos);
    p->people = p->own[1] = malloc(capacity * sizeof *p->people);
    p->vectors = p->own[2] = lk__pages(floats);
    p->codes = p->own[3] = lk__pages(blocks * lk__code_bytes(x->groups));
    p->bounds = p->own[4] = malloc(blocks * sizeof *p->bounds);
    p->removed = calloc(capacity, sizeof *p->removed);
    if (p->photos && p->people && p->vectors && p->codes && p->bounds && p->removed) return p;
    lk__segment_release(p);
    return NULL;
}

/* Behind the count of a segment of our own, which has room. The count is for the caller to raise. */
static void segment_put(const lk__index *x, lk__segment *p, size_t at, int64_t photo, int64_t person,
                        const float *vector, size_t numbers) {
    float *row = (float *)p->own[2] + at * x->stride;
    ((int64_t *)p->own[0])[at] = photo;
    ((int64_t *)p->own[1])[at] = person;
    memcpy(row, vector, numbers * sizeof *row);
    memset(row + numbers, 0, (x->stride - numbers) * sizeof *row);
}

static void segment_encode(const lk__index *x, lk__segment *p, size_t block, size_t count) {
    lk__code_block(p->vectors + block * LK__CODE_ROWS * x->stride, count, x->stride, x->dim,
                   (uint8_t *)p->own[3] + block * lk__code_bytes(x->groups),
                   (lk__code_bound *)p->own[4] + block);
}

size_t lk__segment_find(const lk__segment *segment, int64_t photo) {
    size_t low = 0, high = segment->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (segment->photos[middle] < photo)
            low = middle + 1;
        else
            high = middle;
    }
    return low < segment->count && segment->photos[low] == photo ? low : segment->count;
}

/* ---- the index ------------------------------------------------------------------------------------- */

lk_status lk__index_new(int dim, lk__index **out, lk_error *err) {
    lk__index *x = calloc(1, sizeof *x);
    if (!x || pthread_mutex_init(&x->lock, NULL) != 0) {
        free(x);
        return lk__fail_memory(err, sizeof *x, "the index of a gallery");
    }
    x->dim = dim;
    x->stride = ((size_t)dim + LANES - 1) / LANES * LANES;
    x->groups = lk__code_groups(dim);
    x->kernels = lk__code_best();
    *out = x;
    return LK_OK;
}

void lk__index_clear(lk__index *x) {
    pthread_mutex_lock(&x->lock);
    for (size_t i = 0; i < x->segment_count; i++) lk__segment_release(x->segments[i]);
    x->segment_count = 0;
    pthread_mutex_unlock(&x->lock);
}

void lk__index_free(lk__index *x) {
    if (!x) return;
    lk__index_clear(x);
    pthread_mutex_destroy(&x->lock);
    free(x->segments);
    free(x);
}

size_t lk__index_count(lk__index *x) {
    size_t count = 0;
    pthread_mutex_lock(&x->lock);
    for (size_t i = 0; i < x->segment_count; i++)
        count += x->segments[i]->count - x->segments[i]->removed_count;
    pthread_mutex_unlock(&x->lock);
    return count;
}

/* ---- appending ------------------------------------------------------------------------------------- */

/* Codes of blocks [first, last) of a segment that is filled up to `count`, on all threads where that pays. */
typedef struct encoding {
    const lk__index *index;
    lk__segment *segment;
    size_t first, last, count;
} encoding;

static void encode_some(void *context, int i, int n) {
    const encoding *e = context;
    size_t first, last;
    lk__part(e->last - e->first, i, n, &first, &last);
    for (size_t b = e->first + first; b < e->first + last; b++) {
        size_t left = e->count - b * LK__CODE_ROWS;
        segment_encode(e->index, e->segment, b, left < LK__CODE_ROWS ? left : LK__CODE_ROWS);
    }
}

static void encode(const lk__index *x, lk__segment *segment, size_t first, size_t last, size_t count) {
    encoding e = {x, segment, first, last, count};
    if (last - first >= PARALLEL_BLOCKS)
        lk__parallel(encode_some, &e);
    else
        encode_some(&e, 0, 1);
}

typedef struct batch {
    const int64_t *photos, *people;
    const float *vectors;
    size_t count;
} batch;

/* As many as there is room for behind the segment's first `count`, which nobody sees before the count is
 * raised. */
static size_t fill(const lk__index *x, lk__segment *p, size_t count, batch *from) {
    size_t dim = (size_t)x->dim, n = p->capacity - count < from->count ? p->capacity - count : from->count;
    for (size_t i = 0; i < n; i++)
        segment_put(x, p, count + i, from->photos[i], from->people[i], from->vectors + i * dim, dim);
    encode(x, p, count / LK__CODE_ROWS, (count + n) / LK__CODE_ROWS, count + n);
    *from = (batch){from->photos + n, from->people + n, from->vectors + n * dim, from->count - n};
    return n;
}

/* Room for so many segments more in the list. */
static bool list_reserve(lk__index *x, size_t more) {
    bool ok = true;
    pthread_mutex_lock(&x->lock);
    if (x->segment_count + more > x->segment_room) {
        size_t room = 2 * (x->segment_count + more);
        lk__segment **segments = realloc(x->segments, room * sizeof(lk__segment *));
        ok = segments != NULL;
        if (ok) {
            x->segments = segments;
            x->segment_room = room;
        }
    }
    pthread_mutex_unlock(&x->lock);
    return ok;
}

bool lk__index_push(lk__index *x, lk__segment *const *segments, size_t count) {
    if (!list_reserve(x, count)) return false;
    pthread_mutex_lock(&x->lock);
    for (size_t i = 0; i < count; i++) x->segments[x->segment_count++] = segments[i];
    pthread_mutex_unlock(&x->lock);
    return true;
}

/* Segments double, so that small galleries stay small. */
static size_t next_capacity(size_t last, size_t count) {
    size_t capacity = FIRST_ROWS;
    while (capacity < LK__SEGMENT_ROWS && (capacity < count || capacity < 2 * last)) capacity *= 2;
    return capacity;
}

/* Nobody sees any of it before all of it is there. */
lk_status lk__index_append(lk__index *x, const int64_t *photos, const int64_t *people, const float *vectors,
                           size_t count, lk_error *err) {
    batch from = {photos, people, vectors, count};
    lk__segment *last = x->segment_count > 0 ? x->segments[x->segment_count - 1] : NULL;
    bool into_last = last && !last->full && last->count < last->capacity;
    size_t added = into_last ? fill(x, last, last->count, &from) : 0;
    size_t most = from.count / LK__SEGMENT_ROWS + 2, made = 0, capacity = last ? last->capacity : 0;
    lk__segment **segments = malloc(most * sizeof(lk__segment *));
    bool ok = segments && list_reserve(x, most);
    for (; ok && from.count > 0; made += ok) {
        capacity = next_capacity(capacity, from.count);
        segments[made] = segment_new(x, capacity);
        ok = segments[made] != NULL;
        if (ok) segments[made]->count = fill(x, segments[made], 0, &from);
    }
    pthread_mutex_lock(&x->lock);
    if (ok && into_last) last->count += added;
    for (size_t i = 0; i < made; i++) {
        if (ok)
            x->segments[x->segment_count++] = segments[i];
        else
            lk__segment_release(segments[i]);
    }
    pthread_mutex_unlock(&x->lock);
    free(segments);
    return ok ? LK_OK : lk__fail_memory(err, count * x->stride * sizeof(float), "the index of a gallery");
}

/* ---- removing -------------------------------------------------------------------------------------- */

/* The rows of a segment that are still there, in a new one. NULL: it cannot be. */
static lk__segment *without_removed(const lk__index *x, const lk__segment *old) {
    size_t left = old->count - old->removed_count, at = 0;
    size_t blocks = (left + LK__CODE_ROWS - 1) / LK__CODE_ROWS;
    lk__segment *p = segment_new(x, blocks * LK__CODE_ROWS);
    if (!p) return NULL;
    for (size_t i = 0; i < old->count; i++) {
        if (atomic_load_explicit(&old->removed[i], memory_order_relaxed) != 0) continue;
        if (!lk__segment_sound(old, i, x->stride)) { /* stays where a search will find it out */
            lk__segment_release(p);
            return NULL;
        }
        segment_put(x, p, at++, old->photos[i], old->people[i], old->vectors + i * x->stride, x->stride);
    }
    encode(x, p, 0, blocks, left);
    p->count = left;
    p->full = true;
    return p;
}

/* Parts of which most is removed are written anew or dropped. Where that cannot be they stay: a search passes
 * over what is removed. */
static void tidy(lk__index *x) {
    size_t kept = 0;
    lk__segment **segments =
        malloc((x->segment_count + 1) * sizeof(lk__segment *)); /* NULL: drop; the same: keep */
    if (!segments) return;
    for (size_t i = 0; i < x->segment_count; i++) {
        lk__segment *p = x->segments[i];
        segments[i] = p->removed_count == p->count ? NULL : p;
        if (segments[i] && 2 * p->removed_count > p->count) segments[i] = without_removed(x, p);
        if (!segments[i] && p->removed_count < p->count) segments[i] = p;
    }
    pthread_mutex_lock(&x->lock);
    for (size_t i = 0; i < x->segment_count; i++) {
        if (segments[i] != x->segments[i]) lk__segment_release(x->segments[i]);
        if (segments[i]) x->segments[kept++] = segments[i];
    }
    x->segment_count = kept;
    pthread_mutex_unlock(&x->lock);
    free(segments);
}

/* The segment whose photos the id is among, if it is in the index. */
static lk__segment *segment_of(const lk__index *x, int64_t photo) {
    size_t low = 0, high = x->segment_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (x->segments[middle]->count > 0 && x->segments[middle]->photos[0] <= photo)
            low = middle;
        else
            high = middle;
    }
    return low < x->segment_count ? x->segments[low] : NULL;
}

lk_status lk__index_remove(lk__index *x, const int64_t *photos, size_t count, lk_error *err) {
    (void)err;
    uint32_t number = x->removals + 1;
    bool many = false;
    for (size_t i = 0; i < count; i++) {
        lk__segment *p = segment_of(x, photos[i]);
        size_t row = p ? lk__segment_find(p, photos[i]) : 0;
        if (!p || row == p->count || atomic_load_explicit(&p->removed[row], memory_order_relaxed) != 0)
            continue;
        atomic_store_explicit(&p->removed[row], number, memory_order_relaxed);
        p->removed_count++;
        many = many || 2 * p->removed_count > p->count;
    }
    pthread_mutex_lock(&x->lock);
    x->removals = number;
    pthread_mutex_unlock(&x->lock);
    if (many) tidy(x);
    return LK_OK;
}
