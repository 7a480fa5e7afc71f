/* search.c: the closest enrolled photos, exactly. The end of the path: unit vector -> gallery -> ranked
 * people.
 *
 * All vectors are held in memory, one after another, and a search reads every one: 100,000 x 128 floats are
 * 51 MB, a few milliseconds of memory bandwidth, and no index can return a wrong suspect. The copy is made at
 * the first search and follows the file: rows that were only added are appended; when rows changed or went,
 * it is read anew.
 *
 * Threads: the copy is never changed where a search may be reading. A search takes a reference and the row
 * count under the lock and scans without it; appending writes behind every count handed out, and what needs
 * more room goes to a new, larger copy. A search during a transaction of the same lk_gallery sees what that
 * has added so far. */
#include "gallery/gallery.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LANES = 16,
    BLOCK = 256,               /* rows whose cosines are computed before any is looked at */
    SERIAL_FLOATS = 256 * 1024 /* a scan this small (1 MB) ends before other threads wake up */
};

struct lk__rows {
    size_t references; /* the gallery's and one for each running search; guarded by the gallery's lock */
    size_t capacity, text_capacity, text_used;
    int64_t *ids;   /* (capacity), rising */
    size_t *names;  /* (capacity): where in text "person\0photo\0" starts */
    char *text;     /* (text_capacity) */
    float *vectors; /* (capacity, stride), 64-byte aligned, zeros from dim to stride */
};

bool lk__unit_vector(const float *vector, int dim) {
    double norm = sqrt(lk_cosine(vector, vector, dim));
    return fabs(norm - 1) < 1e-3; /* false for NaN and infinity too */
}

static size_t stride_of(const lk_gallery *g) {
    return ((size_t)g->info.dim + LANES - 1) / LANES * LANES;
}

/* ---- the copy in memory -------------------------------------------------------------------------- */

static void release(lk__rows *rows) {
    if (!rows || --rows->references > 0) return;
    free(rows->ids);
    free(rows->names);
    free(rows->text);
    free(rows->vectors);
    free(rows);
}

void lk__rows_drop(lk_gallery *g) {
    release(g->rows);
    g->rows = NULL;
    g->row_count = 0;
}

static lk__rows *rows_new(size_t capacity, size_t text_capacity, size_t stride) {
    size_t floats;
    if (__builtin_mul_overflow(capacity, stride * sizeof(float), &floats)) return NULL;
    lk__rows *rows = calloc(1, sizeof *rows);
    if (!rows) return NULL;
    rows->references = 1;
    rows->capacity = capacity;
    rows->text_capacity = text_capacity;
    rows->ids = malloc(capacity * sizeof *rows->ids);
    rows->names = malloc(capacity * sizeof *rows->names);
    rows->text = malloc(text_capacity);
    rows->vectors = aligned_alloc(64, floats);
    if (rows->ids && rows->names && rows->text && rows->vectors) return rows;
    release(rows);
    return NULL;
}

/* Room for so many rows and bytes of names in all. Grows by half, so that adding one by one costs no more
 * than its share; the old copy stays as it is for the searches that read it. */
static lk_status reserve(lk_gallery *g, size_t rows, size_t text, lk_error *err) {
    lk__rows *old = g->rows;
    if (old && rows <= old->capacity && text <= old->text_capacity) return LK_OK;
    size_t stride = stride_of(g), capacity = rows < 16 ? 16 : rows, text_capacity = text < 1024 ? 1024 : text;
    if (old && rows > old->capacity && rows < old->capacity + old->capacity / 2)
        capacity = old->capacity + old->capacity / 2;
    if (old && rows <= old->capacity) capacity = old->capacity;
    if (old && text < old->text_capacity + old->text_capacity / 2)
        text_capacity = old->text_capacity + old->text_capacity / 2;
    lk__rows *grown = rows_new(capacity, text_capacity, stride);
    if (!grown) return lk__fail_memory(err, capacity * stride * sizeof(float), g->path);
    if (old) {
        memcpy(grown->ids, old->ids, g->row_count * sizeof *old->ids);
        memcpy(grown->names, old->names, g->row_count * sizeof *old->names);
        memcpy(grown->text, old->text, old->text_used);
        memcpy(grown->vectors, old->vectors, g->row_count * stride * sizeof(float));
        grown->text_used = old->text_used;
    }
    release(old);
    g->rows = grown;
    return LK_OK;
}

/* One row of LK__ROWS_AFTER: id, person, photo, vector. */
static lk_status append(lk_gallery *g, sqlite3_stmt *row, lk_error *err) {
    size_t dim = (size_t)g->info.dim, stride = stride_of(g), i = g->row_count;
    const char *person = (const char *)sqlite3_column_text(row, 1);
    const char *photo = (const char *)sqlite3_column_text(row, 2);
    const void *blob = sqlite3_column_blob(row, 3);
    if (!person || !photo) return lk__gallery_fail(g, "read", err);
    if (!blob || (size_t)sqlite3_column_bytes(row, 3) != dim * sizeof(float))
        return lk__fail(err, LK_FORMAT,
                        "%s: photo %lld has a vector of the wrong size; restore a copy of the gallery",
                        g->path, (long long)sqlite3_column_int64(row, 0));
    size_t person_bytes = strlen(person) + 1, photo_bytes = strlen(photo) + 1;
    size_t text = (g->rows ? g->rows->text_used : 0) + person_bytes + photo_bytes;
    lk_status status = reserve(g, i + 1, text, err);
    if (status != LK_OK) return status;
    lk__rows *rows = g->rows;
    float *vector = rows->vectors + i * stride;
    memcpy(vector, blob, dim * sizeof(float));
    memset(vector + dim, 0, (stride - dim) * sizeof(float));
    if (!lk__unit_vector(vector, g->info.dim))
        return lk__fail(err, LK_FORMAT, "%s: photo %lld has a damaged vector; restore a copy of the gallery",
                        g->path, (long long)sqlite3_column_int64(row, 0));
    rows->ids[i] = sqlite3_column_int64(row, 0);
    rows->names[i] = rows->text_used;
    memcpy(rows->text + rows->text_used, person, person_bytes);
    memcpy(rows->text + rows->text_used + person_bytes, photo, photo_bytes);
    rows->text_used = text;
    g->row_count++;
    return LK_OK;
}

/* Within a transaction, so that all of it is of one moment. */
static lk_status read_rows(lk_gallery *g, lk_error *err) {
    int64_t version = 0, revision = 0;
    lk_status status = lk__gallery_integer(g, LK__DATA_VERSION, &version, err);
    if (status == LK_OK) status = lk__gallery_integer(g, LK__REVISION, &revision, err);
    if (status != LK_OK) return status;
    if (g->rows && revision != g->revision) lk__rows_drop(g);
    sqlite3_stmt *query = NULL;
    if (!g->rows) {
        status = lk__gallery_query(g, LK__COUNTS, &query, err);
        if (status != LK_OK) return status;
        size_t count = sqlite3_step(query) == SQLITE_ROW ? (size_t)sqlite3_column_int64(query, 1) : 0;
        sqlite3_reset(query);
        status = reserve(g, count, 0, err);
    }
    if (status == LK_OK) status = lk__gallery_query(g, LK__ROWS_AFTER, &query, err);
    if (status != LK_OK) return status;
    sqlite3_bind_int64(query, 1, g->row_count ? g->rows->ids[g->row_count - 1] : 0);
    int code;
    while ((code = sqlite3_step(query)) == SQLITE_ROW && status == LK_OK) status = append(g, query, err);
    if (status == LK_OK && code != SQLITE_DONE) status = lk__gallery_fail(g, "read", err);
    sqlite3_reset(query);
    if (status != LK_OK) return status;
    g->revision = revision;
    g->data_version = version;
    g->changed = false;
    return LK_OK;
}

/* Bring the copy up to date; cheap when nothing happened. */
static lk_status refresh(lk_gallery *g, lk_error *err) {
    int64_t version = 0;
    lk_status status = lk__gallery_integer(g, LK__DATA_VERSION, &version, err);
    if (status != LK_OK || (g->rows && version == g->data_version && !g->changed)) return status;
    bool own = sqlite3_get_autocommit(g->db) != 0;
    if (own) status = lk__gallery_exec(g, "BEGIN", "read", err);
    if (status != LK_OK) return status;
    status = read_rows(g, err);
    if (status != LK_OK) lk__rows_drop(g);
    if (own) sqlite3_exec(g->db, "COMMIT", NULL, NULL, NULL); /* it only read: nothing can be lost */
    return status;
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
static hit *closest(const lk__rows *rows, size_t count, size_t stride, const float *probe, size_t k,
                    size_t *found) {
    int threads = lk__threads(), parts = count * stride <= SERIAL_FLOATS ? 1 : threads;
    size_t longest = count / (size_t)parts + 1;
    scan s = {.vectors = rows->vectors, .probe = probe, .count = count, .stride = stride, .parts = parts};
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

/* Matches and their names in one block, so that one free() ends them. */
static lk_match *matches_new(const lk__rows *rows, const hit *hits, size_t count, const float *probe, int dim,
                             size_t stride) {
    size_t text = 0;
    for (size_t i = 0; i < count; i++) {
        const char *person = rows->text + rows->names[hits[i].row], *photo = person + strlen(person) + 1;
        text += (size_t)(photo - person) + strlen(photo) + 1;
    }
    lk_match *items = malloc(count * sizeof *items + text + 1);
    if (!items) return NULL;
    char *at = (char *)(items + count);
    for (size_t i = 0; i < count; i++) {
        size_t row = hits[i].row;
        const char *person = rows->text + rows->names[row], *photo = person + strlen(person) + 1;
        size_t person_bytes = (size_t)(photo - person), photo_bytes = strlen(photo) + 1;
        items[i] = (lk_match){.photo_id = rows->ids[row],
                              .person = memcpy(at, person, person_bytes),
                              .photo = memcpy(at + person_bytes, photo, photo_bytes),
                              .cosine = hits[i].cosine,
                              .l2 = (float)lk_l2(probe, rows->vectors + row * stride, dim)};
        at += person_bytes + photo_bytes;
    }
    return items;
}

lk_status lk_gallery_search(lk_gallery *g, const float *probe, size_t k, lk_matches *out, lk_error *err) {
    int dim = g->info.dim;
    size_t stride = stride_of(g), found = 0;
    if (k == 0) return lk__fail(err, LK_INVALID, "%s: a search for 0 photos; ask for at least 1", g->path);
    if (!lk__unit_vector(probe, dim))
        return lk__fail(err, LK_INVALID, "%s: the probe is not a vector of length 1", g->path);
    float *padded = aligned_alloc(64, stride * sizeof *padded);
    if (!padded) return lk__fail_memory(err, stride * sizeof *padded, "a search");
    memcpy(padded, probe, (size_t)dim * sizeof *padded);
    memset(padded + dim, 0, (stride - (size_t)dim) * sizeof *padded);

    pthread_mutex_lock(&g->lock);
    lk_status status = refresh(g, err);
    lk__rows *rows = status == LK_OK ? g->rows : NULL;
    size_t count = g->row_count;
    if (rows) rows->references++;
    pthread_mutex_unlock(&g->lock);

    if (rows) {
        hit *hits = closest(rows, count, stride, padded, k, &found);
        lk_match *items = hits ? matches_new(rows, hits, found, padded, dim, stride) : NULL;
        free(hits);
        if (items)
            *out = (lk_matches){found, items};
        else
            status = lk__fail_memory(err, (k < count ? k : count) * sizeof(hit), "a search");
        pthread_mutex_lock(&g->lock);
        release(rows);
        pthread_mutex_unlock(&g->lock);
    }
    free(padded);
    return status;
}

void lk_matches_free(lk_matches *matches) {
    if (!matches) return;
    free(matches->items);
    *matches = (lk_matches){0, NULL};
}
