/* copies.c: which of many pictures are copies of one another: every pair is asked, and most say no at once.
 *
 *   signs (128 bits) differ in few places      30,000 pictures are 450 million pairs, a second or two
 *   -> the thumbnails correlate as they lie    of these one in some hundred
 *   -> laid over one another (signature.c)     one in some thousand
 *
 * The first two steps are wide enough that a copy cut by a tenth still passes; the last one decides. Exact,
 * not an index: for data sets of up to some hundred thousand photos a plain scan of bits is faster than
 * reading the photos was. */
#include "image/signature.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = LK_SIGNATURE_SIDE, PIXELS = SIDE * SIDE, ROWS = 256 };

/* How far the signs of a copy may be, and how alike the thumbnails must be before one is laid over the other.
 */
enum { BITS_MOST = 50 };
static const float coarse_least = 0.65F;

#if defined(__x86_64__) && defined(__GNUC__) && !defined(LK_NO_CLONES)
#define CLONES __attribute__((target_clones("arch=x86-64-v3", "default"))) /* v3 counts bits in one step */
#else
#define CLONES
#endif

typedef struct moments {
    float mean, norm; /* norm: of the pixels less their mean; 0: one colour */
} moments;

typedef struct found {
    lk_copy *items;
    size_t count, room;
    bool failed;
} found;

typedef struct scan {
    const lk_signature *signatures;
    const uint64_t *bits; /* (count, LK_SIGNATURE_WORDS): theirs, close together for the cache */
    const moments *moments;
    size_t count, first, last; /* rows of this round */
    uint64_t odd[LK_SIGNATURE_WORDS];
    double least;
    found *of; /* (threads) */
} scan;

static moments measure(const uint8_t *grey) {
    uint32_t sum = 0, square = 0;
    for (int i = 0; i < PIXELS; i++) {
        sum += grey[i];
        square += (uint32_t)grey[i] * grey[i];
    }
    double mean = (double)sum / PIXELS, left = (double)square - mean * sum;
    return (moments){(float)mean, left > PIXELS / 4.0 ? (float)sqrt(left) : 0};
}

CLONES static uint32_t product(const uint8_t *a, const uint8_t *b) {
    uint32_t sum = 0;
    for (int i = 0; i < PIXELS; i++) sum += (uint32_t)a[i] * b[i];
    return sum;
}

static bool coarsely_alike(const uint8_t *a, moments ma, const uint8_t *b, moments mb) {
    if (!(mb.norm > 0)) return false;
    float shared = (float)product(a, b) - (float)PIXELS * ma.mean * mb.mean;
    return shared >= coarse_least * ma.norm * mb.norm;
}

static void keep(found *f, lk_copy copy) {
    if (f->count == f->room) {
        size_t room = f->room ? 2 * f->room : 64;
        lk_copy *items = realloc(f->items, room * sizeof *items);
        if (!items) {
            f->failed = true;
            return;
        }
        f->items = items;
        f->room = room;
    }
    f->items[f->count++] = copy;
}

/* One picture with all that follow it, both ways round. */
typedef struct row {
    size_t index;
    lk_signature mirror;        /* its grey only */
    lk__level half[2], full[2]; /* plain, mirrored */
    bool have_half, have_full;
} row;

static double likeness(const scan *s, row *r, size_t other, const lk__level *half, int way) {
    const lk_signature *a = &s->signatures[r->index];
    lk__placing p;
    if (!lk__likeness_begin(&r->half[way], half, &p)) return 0;
    for (int w = 0; w < 2 && !r->have_full; w++) lk__level_make(a, w, SIDE, &r->full[w]);
    r->have_full = true;
    lk__level full;
    lk__level_make(&s->signatures[other], false, SIDE, &full);
    return lk__likeness_end(&r->full[way], &full, &p);
}

static void look_closer(const scan *s, row *r, size_t other, bool plain, bool mirrored, found *out) {
    const lk_signature *a = &s->signatures[r->index], *b = &s->signatures[other];
    moments ma = s->moments[r->index], mb = s->moments[other];
    plain = plain && coarsely_alike(a->grey, ma, b->grey, mb);
    mirrored = mirrored && coarsely_alike(r->mirror.grey, ma, b->grey, mb);
    if (!plain && !mirrored) return;
    for (int w = 0; w < 2 && !r->have_half; w++) lk__level_make(a, w, SIDE / 2, &r->half[w]);
    r->have_half = true;
    lk__level half;
    lk__level_make(b, false, SIDE / 2, &half);
    double straight = plain ? likeness(s, r, other, &half, 0) : 0;
    double turned = mirrored ? likeness(s, r, other, &half, 1) : 0;
    lk_copy copy = {r->index, other, fmax(straight, turned), turned > straight};
    if (copy.likeness >= s->least) keep(out, copy);
}

/* Others of [first, last) whose signs are near, plainly (1) or mirrored (2); how many. */
CLONES static size_t near_signs(const uint64_t *bits, const uint64_t *odd, size_t index, size_t first,
                                size_t last, uint32_t *near) {
    size_t count = 0;
    const uint64_t *a = bits + index * LK_SIGNATURE_WORDS;
    for (size_t i = first; i < last; i++) {
        const uint64_t *b = bits + i * LK_SIGNATURE_WORDS;
        uint64_t x0 = a[0] ^ b[0], x1 = a[1] ^ b[1];
        int plain = __builtin_popcountll(x0) + __builtin_popcountll(x1);
        int mirrored = __builtin_popcountll(x0 ^ odd[0]) + __builtin_popcountll(x1 ^ odd[1]);
        if (plain > BITS_MOST && mirrored > BITS_MOST) continue;
        near[2 * count] = (uint32_t)i;
        near[2 * count++ + 1] = (uint32_t)((plain <= BITS_MOST ? 1 : 0) | (mirrored <= BITS_MOST ? 2 : 0));
    }
    return count;
}

enum { STRIDE = 4096 };

static void scan_row(const scan *s, size_t index, uint32_t *near, found *out) {
    if (!(s->moments[index].norm > 0)) return;
    row r = {.index = index};
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            r.mirror.grey[y * SIDE + x] = s->signatures[index].grey[y * SIDE + SIDE - 1 - x];
    for (size_t from = index + 1; from < s->count; from += STRIDE) {
        size_t to = s->count - from < STRIDE ? s->count : from + STRIDE;
        size_t count = near_signs(s->bits, s->odd, index, from, to, near);
        for (size_t i = 0; i < count; i++)
            look_closer(s, &r, near[2 * i], near[2 * i + 1] & 1, near[2 * i + 1] & 2, out);
    }
}

/* Rows far apart have rows of different lengths: they are dealt out like cards. */
static void scan_part(void *context, int i, int n) {
    const scan *s = context;
    uint32_t *near = malloc(2 * STRIDE * sizeof *near);
    if (!near) s->of[i].failed = true;
    for (size_t r = s->first + (size_t)i; near && r < s->last; r += (size_t)n)
        scan_row(s, r, near, &s->of[i]);
    free(near);
}

static int by_pair(const void *left, const void *right) {
    const lk_copy *x = left, *y = right;
    if (x->a != y->a) return x->a < y->a ? -1 : 1;
    return (x->b > y->b) - (x->b < y->b);
}

static lk_status gather(scan *s, int threads, lk_copies *out, lk_error *err) {
    size_t total = 0, at = 0;
    for (int i = 0; i < threads; i++) {
        if (s->of[i].failed) return lk__fail_memory(err, sizeof(lk_copy) * s->of[i].count, "copies");
        total += s->of[i].count;
    }
    lk_copy *items = malloc((total ? total : 1) * sizeof *items);
    if (!items) return lk__fail_memory(err, total * sizeof *items, "copies");
    for (int i = 0; i < threads; i++) {
        if (s->of[i].count) memcpy(items + at, s->of[i].items, s->of[i].count * sizeof *items);
        at += s->of[i].count;
    }
    qsort(items, total, sizeof *items, by_pair);
    *out = (lk_copies){total, items};
    return LK_OK;
}

static lk_status scan_all(scan *s, int (*progress)(void *context, double share), void *context,
                          lk_error *err) {
    double pairs = (double)s->count * ((double)s->count - 1) / 2, done = 0;
    for (s->first = 0; s->first < s->count; s->first = s->last) {
        s->last = s->count - s->first < ROWS ? s->count : s->first + ROWS;
        lk__parallel(scan_part, s);
        for (size_t r = s->first; r < s->last; r++) done += (double)(s->count - 1 - r);
        if (progress && progress(context, pairs > 0 ? done / pairs : 1) && s->last < s->count)
            return lk__fail(err, LK_STOPPED, "stopped on request while looking for copies");
    }
    return LK_OK;
}

lk_status lk_copies_find(const lk_signature *signatures, size_t count, double least, int threads,
                         int (*progress)(void *context, double share), void *context, lk_copies *out,
                         lk_error *err) {
    if (count > UINT32_MAX) return lk__fail(err, LK_TOO_LARGE, "%zu pictures; the most are 2^32", count);
    if (!(least > 0))
        return lk__fail(err, LK_INVALID, "a likeness of %g asked for; above 0 is possible", least);
    int before = lk__threads();
    lk__threads_set(threads);
    int used = lk__threads();
    moments *of = malloc((count ? count : 1) * sizeof *of);
    uint64_t *bits = malloc((count ? count : 1) * sizeof signatures->bits);
    scan s = {.signatures = signatures, .bits = bits, .moments = of, .count = count, .least = least};
    s.of = calloc((size_t)used, sizeof *s.of);
    lk_status status = of && bits && s.of ? LK_OK : lk__fail_memory(err, count * 32, "looking for copies");
    if (status == LK_OK) {
        for (size_t i = 0; i < count; i++) {
            of[i] = measure(signatures[i].grey);
            memcpy(bits + i * LK_SIGNATURE_WORDS, signatures[i].bits, sizeof signatures->bits);
        }
        for (int i = 0; i < LK_SIGNATURE_WORDS; i++) s.odd[i] = lk__signature_odd(i);
        status = scan_all(&s, progress, context, err);
    }
    if (status == LK_OK) status = gather(&s, used, out, err);
    for (int i = 0; s.of && i < used; i++) free(s.of[i].items);
    free(s.of);
    free(bits);
    free(of);
    lk__threads_set(before);
    return status;
}

void lk_copies_free(lk_copies *copies) {
    if (!copies) return;
    free(copies->items);
    *copies = (lk_copies){0};
}
