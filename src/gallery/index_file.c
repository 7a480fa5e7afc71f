/* index_file.c: the index as a file beside the gallery. What the first pass of a search reads, codes and
 * bounds, is copied into memory (huge pages) and checked on the way; ids and vectors stay in the file, of
 * which only the pages that are looked at are ever read.
 *
 * A page of state, then (count) arrays, each from a whole page on, rows rounded up to whole blocks:
 *     photos, people  int64      sums  uint32, of the vectors      bounds  lk__code_bound a block
 *     codes           a block (codes.h)                            vectors (stride) float
 *
 * The state has a checksum of itself and one of all but the vectors: the sum over blocks of a hash of each,
 * so that one block can be changed without reading the others. A vector is checked by its own sum each time
 * it is looked at: checking all at the start would mean to read all. */
#include "gallery/index_file.h"
#include "gallery/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, VERSION = 1, PATH_ROOM = 4200 };
static const char MAGIC[8] = "lkindex";
static const size_t ROWS_MOST = (size_t)1 << 40;

typedef struct head {
    char magic[8];
    uint32_t version, dim;
    uint64_t rows, size;
    lk__index_state state;
    uint64_t content, check; /* check: of all before it */
} head;
_Static_assert(sizeof(head) <= PAGE, "the state fits into its page");

typedef struct layout {
    size_t rows, blocks, stride, groups;
    size_t photos, people, sums, bounds, codes, vectors, size; /* where each begins, bytes */
} layout;

/* One mapping of a file. */
typedef struct mapped {
    int fd;
    uint8_t *bytes;
    layout at;
} mapped;

struct lk__index_file {
    size_t references; /* one for each segment; guarded by the index's lock */
    uint8_t *bytes;
    size_t size;
    uint8_t *codes;
    lk__code_bound *bounds;
};

/* ---- sums ------------------------------------------------------------------------------------------ */

/* Of whole 8-byte words; four lanes, because a product takes longer than it takes to begin the next. */
static uint64_t hash_of(const void *bytes, size_t size, uint64_t seed) {
    const uint64_t odd = 0x9e3779b97f4a7c15u;
    const uint8_t *at = bytes;
    uint64_t lane[4] = {seed ^ odd, seed + odd, ~seed, seed * odd + 1}, sum = size;
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word;
        memcpy(&word, at + i, sizeof word);
        uint64_t *l = &lane[i / 8 % 4];
        *l = (*l ^ word) * odd;
        *l ^= *l >> 29;
    }
    for (int i = 0; i < 4; i++) {
        sum = (sum ^ lane[i]) * odd;
        sum ^= sum >> 32;
    }
    return sum;
}

/* Never 0, which stands for an overwritten row. */
uint32_t lk__row_sum(const float *vector, size_t stride) {
    uint32_t sum = (uint32_t)hash_of(vector, stride * sizeof *vector, 1);
    return sum ? sum : 1;
}

static uint64_t block_hash(const uint8_t *bytes, const layout *at, size_t block) {
    size_t rows = LK__CODE_ROWS, code = lk__code_bytes(at->groups);
    uint64_t h = hash_of(bytes + at->codes + block * code, code, block);
    h = hash_of(bytes + at->photos + block * rows * 8, rows * 8, h);
    h = hash_of(bytes + at->people + block * rows * 8, rows * 8, h);
    h = hash_of(bytes + at->sums + block * rows * 4, rows * 4, h);
    return hash_of(bytes + at->bounds + block * sizeof(lk__code_bound), sizeof(lk__code_bound), h);
}

/* ---- layout ---------------------------------------------------------------------------------------- */

static size_t place(size_t *end, size_t bytes) {
    size_t at = *end;
    *end += (bytes + PAGE - 1) / PAGE * PAGE;
    return at;
}

static layout layout_of(size_t rows, int dim) {
    layout l = {.rows = rows, .blocks = (rows + LK__CODE_ROWS - 1) / LK__CODE_ROWS, .size = PAGE};
    size_t whole = l.blocks * LK__CODE_ROWS;
    l.stride = ((size_t)dim + 15) / 16 * 16;
    l.groups = lk__code_groups(dim);
    l.photos = place(&l.size, whole * sizeof(int64_t));
    l.people = place(&l.size, whole * sizeof(int64_t));
    l.sums = place(&l.size, whole * sizeof(uint32_t));
    l.bounds = place(&l.size, l.blocks * sizeof(lk__code_bound));
    l.codes = place(&l.size, l.blocks * lk__code_bytes(l.groups));
    l.vectors = place(&l.size, whole * l.stride * sizeof(float));
    return l;
}

static void head_seal(head *h) {
    h->check = hash_of(h, offsetof(head, check), VERSION);
}

/* ---- reading --------------------------------------------------------------------------------------- */

static lk_status read_head(int fd, const char *path, const char *identity, int dim, head *h, lk_error *err) {
    struct stat st;
    if (fstat(fd, &st) != 0) return lk__fail_errno(err, "read", path);
    if (pread(fd, h, sizeof *h, 0) != (ssize_t)sizeof *h || memcmp(h->magic, MAGIC, sizeof MAGIC) != 0 ||
        h->version != VERSION || h->check != hash_of(h, offsetof(head, check), VERSION) ||
        h->state.identity[32] != 0)
        return lk__fail(err, LK_FORMAT, "%s: is damaged, or of another version", path);
    if (strcmp(h->state.identity, identity) != 0 || h->dim != (uint32_t)dim)
        return lk__fail(err, LK_MISMATCH, "%s: belongs to another gallery", path);
    if (h->rows > ROWS_MOST / (size_t)dim || h->size != layout_of(h->rows, dim).size ||
        (uint64_t)st.st_size != h->size)
        return lk__fail(err, LK_FORMAT, "%s: is cut off", path);
    h->state.rows = h->rows;
    return LK_OK;
}

/* flags: O_RDONLY, or O_RDWR to change it, alone (flock). */
static lk_status map_file(const char *path, int flags, const char *identity, int dim, head *h, mapped *out,
                          lk_error *err) {
    int fd = open(path, flags | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return lk__fail_errno(err, "open", path);
    if (flags == O_RDWR) flock(fd, LOCK_EX);
    lk_status status = read_head(fd, path, identity, dim, h, err);
    void *bytes = MAP_FAILED;
    if (status == LK_OK) {
        bytes = mmap(NULL, h->size, PROT_READ | (flags == O_RDWR ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
        if (bytes == MAP_FAILED) status = lk__fail_errno(err, "map", path);
    }
    if (status != LK_OK) {
        close(fd);
        return status;
    }
    *out = (mapped){fd, bytes, layout_of(h->rows, dim)};
    return LK_OK;
}

static void unmap_file(mapped *m) {
    munmap(m->bytes, m->at.size);
    close(m->fd);
}

lk_status lk__index_peek(const char *path, const char *identity, int dim, lk__index_state *out,
                         lk_error *err) {
    head h;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return lk__fail_errno(err, "open", path);
    lk_status status = read_head(fd, path, identity, dim, &h, err);
    close(fd);
    if (status == LK_OK) *out = h.state;
    return status;
}

/* ---- loading --------------------------------------------------------------------------------------- */

typedef struct loading {
    const mapped *m;
    lk__index_file *file;
    atomic_ullong content;
    atomic_bool wrong;
} loading;

/* Copies and checks the i-th part of the blocks. Numbers that a sound file never has are refused, whatever
 * its checksums say: what comes after relies on them. */
static void load_some(void *context, int i, int n) {
    loading *l = context;
    const layout *at = &l->m->at;
    const uint8_t *bytes = l->m->bytes;
    const int64_t *photos = (const int64_t *)(const void *)(bytes + at->photos);
    size_t first, last, code = lk__code_bytes(at->groups);
    uint64_t content = 0;
    bool wrong = false;
    lk__part(at->blocks, i, n, &first, &last);
    memcpy(l->file->codes + first * code, bytes + at->codes + first * code, (last - first) * code);
    memcpy(l->file->bounds + first, bytes + at->bounds + first * sizeof(lk__code_bound),
           (last - first) * sizeof(lk__code_bound));
    for (size_t b = first; b < last; b++) {
        lk__code_bound bound = l->file->bounds[b];
        content += block_hash(bytes, at, b);
        wrong = wrong ||
                !(bound.per_scale > 0 && bound.per_scale < 1e30f && bound.error >= 0 && bound.error < 1e6f);
        for (size_t row = b * LK__CODE_ROWS; row < (b + 1) * LK__CODE_ROWS && row < at->rows; row++)
            wrong = wrong || (row > 0 && photos[row] <= photos[row - 1]);
    }
    atomic_fetch_add(&l->content, content);
    if (wrong) atomic_store(&l->wrong, true);
}

void lk__index_file_release(lk__index_file *file) {
    if (!file || --file->references > 0) return;
    munmap(file->bytes, file->size);
    free(file->codes);
    free(file->bounds);
    free(file);
}

static lk__segment *segment_of_file(lk__index_file *file, const layout *at, size_t first) {
    lk__segment *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    const uint8_t *bytes = file->bytes;
    size_t block = first / LK__CODE_ROWS, left = at->rows - first;
    s->references = 1;
    s->count = left < LK__SEGMENT_ROWS ? left : LK__SEGMENT_ROWS;
    s->capacity = (s->count + LK__CODE_ROWS - 1) / LK__CODE_ROWS * LK__CODE_ROWS;
    s->full = true;
    s->photos = (const int64_t *)(const void *)(bytes + at->photos) + first;
    s->people = (const int64_t *)(const void *)(bytes + at->people) + first;
    s->sums = (const uint32_t *)(const void *)(bytes + at->sums) + first;
    s->vectors = (const float *)(const void *)(bytes + at->vectors) + first * at->stride;
    s->codes = file->codes + block * lk__code_bytes(at->groups);
    s->bounds = file->bounds + block;
    s->removed = calloc(s->capacity, sizeof *s->removed);
    s->file = file;
    file->references++;
    if (s->removed) return s;
    lk__segment_release(s);
    return NULL;
}

/* All segments or none. */
static bool push_segments(lk__index *x, lk__index_file *file, const layout *at) {
    size_t count = (at->rows + LK__SEGMENT_ROWS - 1) / LK__SEGMENT_ROWS, made = 0;
    lk__segment **segments = malloc((count + 1) * sizeof(lk__segment *));
    bool ok = segments != NULL;
    for (; ok && made < count; made += ok) {
        segments[made] = segment_of_file(file, at, made * LK__SEGMENT_ROWS);
        ok = segments[made] != NULL;
    }
    ok = ok && lk__index_push(x, segments, made);
    for (size_t i = 0; !ok && i < made; i++) lk__segment_release(segments[i]);
    free(segments);
    return ok;
}

lk_status lk__index_load(lk__index *x, const char *path, const char *identity, lk__index_state *out,
                         lk_error *err) {
    head h;
    mapped m;
    lk_status status = map_file(path, O_RDONLY, identity, x->dim, &h, &m, err);
    if (status != LK_OK) return status;
    lk__index_file *file = calloc(1, sizeof *file);
    if (file) {
        *file = (lk__index_file){.references = 1, .bytes = m.bytes, .size = m.at.size};
        file->codes = lk__pages(m.at.blocks * lk__code_bytes(m.at.groups));
        file->bounds = malloc((m.at.blocks + 1) * sizeof *file->bounds);
    }
    loading l = {.m = &m, .file = file};
    if (!file || !file->codes || !file->bounds) {
        status = lk__fail_memory(err, m.at.blocks * lk__code_bytes(m.at.groups), path);
    } else {
        lk__parallel(load_some, &l);
        if (atomic_load(&l.wrong) || atomic_load(&l.content) != h.content)
            status = lk__fail(err, LK_FORMAT, "%s: is damaged", path);
        else if (!push_segments(x, file, &m.at))
            status = lk__fail_memory(err, m.at.rows, path);
    }
    madvise(m.bytes + m.at.vectors, m.at.size - m.at.vectors, MADV_RANDOM);
    if (file)
        lk__index_file_release(file); /* its mapping too, unless segments have it */
    else
        munmap(m.bytes, m.at.size);
    close(m.fd);
    if (status == LK_OK) *out = h.state;
    return status;
}

/* ---- erasing --------------------------------------------------------------------------------------- */

static void erase_row(mapped *m, head *h, size_t row) {
    const layout *at = &m->at;
    size_t block = row / LK__CODE_ROWS;
    uint32_t *sum = (uint32_t *)(void *)(m->bytes + at->sums) + row;
    uint8_t *codes = m->bytes + at->codes + block * lk__code_bytes(at->groups) + row % LK__CODE_ROWS * 4;
    if (*sum == 0) return;
    h->content -= block_hash(m->bytes, at, block);
    *sum = 0;
    for (size_t g = 0; g < at->groups; g++) memset(codes + g * 64, 0x88, 4);
    memset(m->bytes + at->vectors + row * at->stride * sizeof(float), 0, at->stride * sizeof(float));
    h->content += block_hash(m->bytes, at, block);
}

static int id_order(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

lk_status lk__index_erase(const char *path, const char *identity, int dim, const int64_t *photos,
                          size_t count, int64_t erased, lk_error *err) {
    head h;
    mapped m;
    lk_status status = map_file(path, O_RDWR, identity, dim, &h, &m, err);
    if (status != LK_OK) return status;
    const int64_t *rows = (const int64_t *)(const void *)(m.bytes + m.at.photos);
    for (size_t i = 0; i < count; i++) {
        const int64_t *row = bsearch(&photos[i], rows, m.at.rows, sizeof *rows, id_order);
        if (row) erase_row(&m, &h, (size_t)(row - rows));
    }
    if (erased > h.state.erased) h.state.erased = erased;
    head_seal(&h);
    memcpy(m.bytes, &h, sizeof h);
    if (msync(m.bytes, m.at.size, MS_SYNC) != 0) status = lk__fail_errno(err, "write", path);
    unmap_file(&m);
    return status;
}

/* Zeros over an open file, to the disk. */
static void overwrite(int fd) {
    static const uint8_t zeros[1 << 16];
    struct stat st;
    if (fstat(fd, &st) != 0) return;
    for (off_t at = 0; at < st.st_size; at += (off_t)sizeof zeros) {
        off_t left = st.st_size - at;
        if (pwrite(fd, zeros, left < (off_t)sizeof zeros ? (size_t)left : sizeof zeros, at) <= 0) break;
    }
    fdatasync(fd);
}

static void discard(const char *path, bool unless_locked) {
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return;
    if (flock(fd, LOCK_EX | (unless_locked ? LOCK_NB : 0)) == 0) {
        overwrite(fd);
        unlink(path);
    }
    close(fd);
}

void lk__index_discard(const char *path) {
    char fresh[PATH_ROOM];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    discard(fresh, true);
    discard(path, false);
}

/* ---- saving ---------------------------------------------------------------------------------------- */

typedef struct saving {
    lk__segment **segments;
    size_t *firsts; /* (count + 1): row of the file that a segment's first row becomes */
    size_t count;
    uint32_t removals;
    uint8_t *bytes;
    layout at;
    int dim;
    atomic_ullong content;
    atomic_bool wrong; /* a row is not what it was when it was read from a file */
} saving;

static bool stays(const saving *s, const lk__segment *segment, size_t row) {
    uint32_t number = atomic_load_explicit(&segment->removed[row], memory_order_relaxed);
    return number == 0 || number > s->removals;
}

static void save_rows(void *context, int i, int n) {
    saving *s = context;
    size_t first, last, stride = s->at.stride;
    lk__part(s->count, i, n, &first, &last);
    for (size_t v = first; v < last; v++) {
        const lk__segment *segment = s->segments[v];
        size_t to = s->firsts[v];
        for (size_t row = 0; to < s->firsts[v + 1]; row++) {
            if (!stays(s, segment, row)) continue;
            const float *vector = segment->vectors + row * stride;
            if (!lk__segment_sound(segment, row, stride)) atomic_store(&s->wrong, true);
            ((int64_t *)(void *)(s->bytes + s->at.photos))[to] = segment->photos[row];
            ((int64_t *)(void *)(s->bytes + s->at.people))[to] = segment->people[row];
            ((uint32_t *)(void *)(s->bytes + s->at.sums))[to] = lk__row_sum(vector, stride);
            memcpy(s->bytes + s->at.vectors + to * stride * sizeof(float), vector, stride * sizeof(float));
            to++;
        }
    }
}

static void save_codes(void *context, int i, int n) {
    saving *s = context;
    size_t first, last;
    uint64_t content = 0;
    lk__part(s->at.blocks, i, n, &first, &last);
    for (size_t b = first; b < last; b++) {
        size_t row = b * LK__CODE_ROWS, left = s->at.rows - row;
        const float *rows = (const float *)(const void *)(s->bytes + s->at.vectors) + row * s->at.stride;
        lk__code_block(rows, left < LK__CODE_ROWS ? left : LK__CODE_ROWS, s->at.stride, s->dim,
                       s->bytes + s->at.codes + b * lk__code_bytes(s->at.groups),
                       (lk__code_bound *)(void *)(s->bytes + s->at.bounds) + b);
        content += block_hash(s->bytes, &s->at, b);
    }
    atomic_fetch_add(&s->content, content);
}

/* The segments as a search would see them, and where their rows go. */
static bool save_view(saving *s, lk__index *x) {
    pthread_mutex_lock(&x->lock);
    s->removals = x->removals;
    s->dim = x->dim;
    s->segments = malloc((x->segment_count + 1) * sizeof(lk__segment *));
    s->firsts = calloc(x->segment_count + 1, sizeof *s->firsts);
    if (s->segments && s->firsts)
        for (; s->count < x->segment_count; s->count++) {
            s->segments[s->count] = x->segments[s->count];
            s->segments[s->count]->references++;
            s->firsts[s->count + 1] = s->segments[s->count]->count;
        }
    pthread_mutex_unlock(&x->lock);
    if (!s->segments || !s->firsts) return false;
    for (size_t v = 0; v < s->count; v++) {
        size_t left = 0;
        for (size_t row = 0; row < s->firsts[v + 1]; row++) left += stays(s, s->segments[v], row);
        s->firsts[v + 1] = s->firsts[v] + left;
    }
    s->at = layout_of(s->firsts[s->count], s->dim);
    return true;
}

static void save_free(saving *s, lk__index *x) {
    pthread_mutex_lock(&x->lock);
    for (size_t v = 0; v < s->count; v++) lk__segment_release(s->segments[v]);
    pthread_mutex_unlock(&x->lock);
    free(s->segments);
    free(s->firsts);
}

static lk_status fill_file(saving *s, int fd, const char *path, const lk__index_state *state, lk_error *err) {
    /* Room first: a full disk would otherwise kill whoever writes to the mapping. */
    int code = posix_fallocate(fd, 0, (off_t)s->at.size);
    errno = code;
    if (code != 0) return lk__fail_errno(err, "write", path);
    s->bytes = mmap(NULL, s->at.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (s->bytes == MAP_FAILED) return lk__fail_errno(err, "map", path);
    lk__parallel(save_rows, s);
    lk__parallel(save_codes, s);
    head h;
    memset(&h, 0, sizeof h);
    memcpy(h.magic, MAGIC, sizeof MAGIC);
    h.version = VERSION;
    h.dim = (uint32_t)s->dim;
    h.rows = s->at.rows;
    h.size = s->at.size;
    h.state = *state;
    h.state.rows = s->at.rows;
    h.content = atomic_load(&s->content);
    head_seal(&h);
    memcpy(s->bytes, &h, sizeof h);
    lk_status status = msync(s->bytes, s->at.size, MS_SYNC) == 0 ? LK_OK : lk__fail_errno(err, "write", path);
    if (atomic_load(&s->wrong)) status = lk__fail(err, LK_MISMATCH, "%s: the old file was damaged", path);
    munmap(s->bytes, s->at.size);
    return status;
}

/* An empty file of our own, locked. What an interrupted save left is overwritten first. */
static lk_status open_fresh(const char *path, int *out, lk_error *err) {
    struct stat here, there;
    discard(path, true);
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return lk__fail_errno(err, "write", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &here) != 0 || stat(path, &there) != 0 ||
        here.st_ino != there.st_ino || here.st_size != 0) {
        close(fd);
        return lk__fail(err, LK_BUSY, "%s: another process is writing it", path);
    }
    *out = fd;
    return LK_OK;
}

lk_status lk__index_save(lk__index *x, const char *path, const lk__index_state *state, lk_error *err) {
    char fresh[PATH_ROOM];
    int fd = -1, old = -1;
    saving s = {0};
    if (snprintf(fresh, sizeof fresh, "%s.new", path) >= (int)sizeof fresh)
        return lk__fail(err, LK_INVALID, "%.100s...: the path is too long", path);
    lk_status status = open_fresh(fresh, &fd, err);
    if (status != LK_OK) return status;
    status = save_view(&s, x) ? fill_file(&s, fd, fresh, state, err)
                              : lk__fail_memory(err, x->segment_count * sizeof(void *), path);
    save_free(&s, x);
    if (status == LK_OK) old = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (status == LK_OK && rename(fresh, path) != 0) status = lk__fail_errno(err, "write", path);
    if (status != LK_OK) {
        overwrite(fd);
        unlink(fresh);
    } else if (old >= 0) {
        overwrite(old); /* it has people who may be removed later, and nobody would find them there */
    }
    if (old >= 0) close(old);
    close(fd);
    return status;
}
