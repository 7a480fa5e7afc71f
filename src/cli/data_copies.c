/* data_copies.c: photos that are copies of others. lk_copies_find says which pairs are alike; here they
 * become findings that somebody can act on, one for each photo that is too many:
 *
 *   pairs -> heaps of pictures that hang together
 *   of a heap, each person's best picture is kept; the others are copies of it
 *   kept pictures of different people contradict each other
 *   pictures that the second folder has too are a leak
 *
 * The best is no link, has the most pixels, then the most bytes, then the first name. A heap is a chain: its
 * ends need not be alike (frames of a film), so that what is said of two photos is always compared for these
 * two. */
#include "data.h"
#include "data_journal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct heap_search {
    const data_options *o;
    data_set *set;
    data_findings *out;
    size_t *parent; /* (count): of the heap's tree; the root is its own */
    size_t *exact;  /* (count): the first photo with the same bytes */
} heap_search;

static size_t root_of(size_t *parent, size_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
}

static void join(size_t *parent, size_t a, size_t b) {
    a = root_of(parent, a);
    b = root_of(parent, b);
    if (a < b)
        parent[b] = a;
    else
        parent[a] = b;
}

/* ---- the same bytes ------------------------------------------------------------------------------------ */

static int by_file(const void *left, const void *right, void *context) {
    const data_set *set = context;
    size_t a = *(const size_t *)left, b = *(const size_t *)right;
    const data_photo *x = &set->photos[a], *y = &set->photos[b];
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    int order = memcmp(&set->signatures[a], &set->signatures[b], sizeof *set->signatures);
    return order ? order : (a > b) - (a < b);
}

/* Files of one size with one signature are read and compared; there are few others. */
static void find_exact(heap_search *h) {
    data_set *set = h->set;
    size_t *order = cli_alloc(set->count, sizeof *order);
    for (size_t i = 0; i < set->count; i++) order[i] = h->exact[i] = i;
    qsort_r(order, set->count, sizeof *order, by_file, set);
    for (size_t i = 0, first = 0; i < set->count; i++) {
        size_t a = order[i];
        const data_photo *p = &set->photos[a];
        size_t f = order[first];
        if (p->bytes != set->photos[f].bytes ||
            memcmp(&set->signatures[a], &set->signatures[f], sizeof *set->signatures) != 0)
            first = i;
        for (size_t k = first; k < i && p->status == LK_OK; k++) {
            size_t b = order[k];
            if (h->exact[b] != b || set->photos[b].status != LK_OK)
                continue; /* compared by another already */
            if (!data_same_bytes(p->path, set->photos[b].path)) continue;
            h->exact[a] = b;
            join(h->parent, a, b);
            break;
        }
    }
    free(order);
}

/* ---- alike --------------------------------------------------------------------------------------------- */

static int find_alike(heap_search *h) {
    data_set *set = h->set;
    lk_signature *alone = cli_alloc(set->count, sizeof *alone);
    for (size_t i = 0; i < set->count; i++) /* a thousand copies of one file are asked about once */
        if (h->exact[i] == i) alone[i] = set->signatures[i];
    lk_copies copies = {0};
    lk_error err;
    char what[] = "looking for copies";
    lk_status status = lk_copies_find(alone, set->count, h->o->likeness, h->o->compute.threads, data_progress,
                                      what, &copies, &err);
    for (size_t i = 0; status == LK_OK && i < copies.count; i++)
        join(h->parent, copies.items[i].a, copies.items[i].b);
    lk_copies_free(&copies);
    free(alone);
    return status == LK_OK ? CLI_OK : cli_fail(&err);
}

/* ---- findings ------------------------------------------------------------------------------------------ */

static bool better(const data_set *set, size_t a, size_t b) {
    const data_photo *x = &set->photos[a], *y = &set->photos[b];
    uint64_t px = (uint64_t)x->width * (uint64_t)x->height, py = (uint64_t)y->width * (uint64_t)y->height;
    if (x->link != y->link) return y->link;
    if (px != py) return px > py;
    if (x->bytes != y->bytes) return x->bytes > y->bytes;
    return a < b;
}

static int best_first(const void *left, const void *right, void *context) {
    size_t a = *(const size_t *)left, b = *(const size_t *)right;
    return a == b ? 0 : better(context, a, b) ? -1 : 1;
}

typedef struct alike {
    double likeness;
    bool exact, mirrored;
} alike;

static alike compare(const heap_search *h, size_t a, size_t b) {
    alike r = {.exact = h->exact[a] == h->exact[b]};
    if (r.exact)
        r.likeness = 1;
    else
        r.likeness = lk_signature_likeness(&h->set->signatures[a], &h->set->signatures[b], &r.mirrored);
    return r;
}

static char *say(const heap_search *h, size_t a, size_t b, alike r) {
    const data_photo *x = &h->set->photos[a], *y = &h->set->photos[b];
    if (r.exact && x->device == y->device && x->inode == y->inode)
        return cli_format("one file under two names");
    if (r.exact) return cli_format("the same bytes");
    return cli_format("%slikeness %.3f; %d x %d pixels, the other %d x %d", r.mirrored ? "mirrored, " : "",
                      r.likeness, x->width, x->height, y->width, y->height);
}

static void add(heap_search *h, data_kind kind, size_t a, size_t b, alike r, bool move, bool move_other) {
    data_finding *f = data_findings_add(h->out, kind, a, h->set->photos[a].person, r.likeness);
    f->other_photo = b;
    f->other_person = h->set->photos[b].person;
    f->likeness = r.likeness;
    f->reason = say(h, a, b, r);
    f->move = move && !h->set->photos[a].pinned;
    f->move_other = move_other && !h->set->photos[b].pinned;
}

/* The most alike of `others`; false if none is alike enough. */
static bool most_alike(const heap_search *h, size_t a, const size_t *others, size_t count, size_t *which,
                       alike *how) {
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        alike r = compare(h, a, others[i]);
        if (r.likeness < h->o->likeness || (any && r.likeness <= how->likeness)) continue;
        *which = others[i];
        *how = r;
        any = true;
        if (r.exact) break;
    }
    return any;
}

/* One person's photos of a heap, best first; what is kept stays in front, and is counted. */
static size_t find_within(heap_search *h, size_t *photos, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        size_t a = photos[i], which = a;
        alike how = {0};
        if (most_alike(h, a, photos, kept, &which, &how)) {
            add(h, how.exact ? DATA_DUPLICATE : DATA_NEAR_DUPLICATE, a, which, how, true, false);
            h->set->photos[a].copy = true;
        } else {
            photos[kept++] = a;
        }
    }
    return kept;
}

/* What is kept of all people in a heap: each photo with the best one of somebody else that it is a copy of.
 */
static void find_across(heap_search *h, size_t *kept, size_t count) {
    qsort_r(kept, count, sizeof *kept, best_first, h->set);
    for (size_t i = 1; i < count; i++)
        for (size_t k = 0; k < i; k++) {
            if (h->set->photos[kept[k]].person == h->set->photos[kept[i]].person) continue;
            alike r = compare(h, kept[i], kept[k]);
            if (r.likeness < h->o->likeness) continue;
            add(h, r.exact ? DATA_DUPLICATE_ACROSS : DATA_NEAR_DUPLICATE_ACROSS, kept[i], kept[k], r, true,
                true);
            break;
        }
}

static void find_leaks(heap_search *h, const size_t *own, size_t own_count, const size_t *against,
                       size_t count) {
    for (size_t i = 0; i < own_count; i++) {
        size_t which = own[i];
        alike how = {0};
        if (most_alike(h, own[i], against, count, &which, &how))
            add(h, DATA_LEAK_PHOTO, own[i], which, how, true, false);
    }
}

/* members: of one heap, in order, so that a person's are together and the second folder's last. */
static void find_in_heap(heap_search *h, const size_t *members, size_t count) {
    size_t own = 0, kept_count = 0;
    while (own < count && !h->set->photos[members[own]].against) own++;
    size_t *kept = cli_alloc(own, sizeof *kept);
    for (size_t from = 0, to; from < own; from = to) {
        size_t person = h->set->photos[members[from]].person, *part = kept + kept_count;
        for (to = from; to < own && h->set->photos[members[to]].person == person; to++)
            part[to - from] = members[to];
        qsort_r(part, to - from, sizeof *part, best_first, h->set);
        kept_count += find_within(h, part, to - from);
    }
    find_across(h, kept, kept_count);
    if (own < count) find_leaks(h, members, own, members + own, count - own);
    free(kept);
}

static int by_heap(const void *left, const void *right, void *context) {
    const size_t *root = context, a = *(const size_t *)left, b = *(const size_t *)right;
    if (root[a] != root[b]) return root[a] < root[b] ? -1 : 1;
    return (a > b) - (a < b);
}

int data_find_copies(const data_options *o, data_set *set, data_findings *out) {
    heap_search h = {.o = o, .set = set, .out = out};
    h.parent = cli_alloc(set->count, sizeof *h.parent);
    h.exact = cli_alloc(set->count, sizeof *h.exact);
    size_t *order = cli_alloc(set->count, sizeof *order);
    for (size_t i = 0; i < set->count; i++) h.parent[i] = order[i] = i;
    find_exact(&h);
    int code = find_alike(&h);
    if (code == CLI_OK) {
        for (size_t i = 0; i < set->count; i++) h.parent[i] = root_of(h.parent, i);
        qsort_r(order, set->count, sizeof *order, by_heap, h.parent);
        for (size_t from = 0, to; from < set->count; from = to) {
            for (to = from + 1; to < set->count && h.parent[order[to]] == h.parent[order[from]];) to++;
            if (to - from > 1) find_in_heap(&h, order + from, to - from);
        }
    }
    free(h.parent);
    free(h.exact);
    free(order);
    return code;
}
