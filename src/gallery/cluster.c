/* cluster.c: vectors without names into groups of one person each.
 *
 * Average linkage (UPGMA; Sokal & Michener 1958): the two groups whose faces are most alike on average become
 * one, as long as that average reaches the threshold. The order of merging is found by nearest-neighbour
 * chains (Benzecri 1982, Murtagh 1983), which give the very tree of the greedy search. Two things make it fit
 * for many faces:
 *   - The average of all cosines between two groups is the product of the sums of their vectors, over the
 * product of their sizes. So a group is one row of numbers, and no matrix of all pairs is kept: memory is
 * that of the vectors, time n squared at the speed of dot.c.
 *   - A group whose best average is below the threshold is finished for good: merging others never brings
 * them closer to it on average than the closer one was. It is taken out, and the others no longer look at it.
 *
 * Chinese whispers and rank-order distance, both common for this, were measured beside it (docs/metrics.md):
 * they are no better at their best, and depend on the order of the faces or on a number of neighbours
 * besides. */
#include "gallery/gallery.h"
#include "likeness/curate.h"

#include <stdlib.h>
#include <string.h>

/* A scan of fewer numbers is over before threads have begun it, on a busy machine long before. */
enum { ALONE = 1 << 21, MOST_PARTS = 64 };

typedef struct best {
    float cosine;
    uint32_t id, row; /* id UINT32_MAX: none */
} best;

typedef struct clusters {
    size_t stride, rows; /* rows there are, all of groups that may still merge */
    float *sum;          /* (rows, stride): the sum of the group's vectors */
    float *size;         /* (rows) */
    uint32_t *id;        /* (rows) of the group: its first vector */
    uint32_t *row;       /* (n) of the group with this id; UINT32_MAX: none any more */
    uint32_t *parent;    /* (n) a vector of the same group, nearer to its first; itself: the first */
    float *cosine;       /* (n): scratch */
    lk__dot dot;
    /* the scan */
    uint32_t from, prefer;
    best part[MOST_PARTS];
} clusters;

/* ---- the closest group ----------------------------------------------------------------------------- */

/* Ties go to the one the chain came from, or it would go round in circles; else to the lower id. */
static bool closer(const clusters *c, best a, best b) {
    if (b.id == UINT32_MAX || a.cosine > b.cosine) return true;
    if (a.cosine < b.cosine) return false;
    return a.id == c->prefer || (b.id != c->prefer && a.id < b.id);
}

static void scan_part(void *context, int i, int n) {
    clusters *c = context;
    size_t first, last;
    best found = {0, UINT32_MAX, 0};
    lk__part(c->rows, i, n, &first, &last);
    c->dot(c->sum + first * c->stride, last - first, c->stride, c->sum + c->from * c->stride,
           c->cosine + first);
    for (size_t k = first; k < last; k++) {
        if (k == c->from) continue;
        const best b = {c->cosine[k] / (c->size[k] * c->size[c->from]), c->id[k], (uint32_t)k};
        if (closer(c, b, found)) found = b;
    }
    c->part[i] = found;
}

static best closest(clusters *c, uint32_t from, uint32_t prefer) {
    c->from = c->row[from];
    c->prefer = prefer;
    for (int i = 0; i < MOST_PARTS; i++) c->part[i].id = UINT32_MAX;
    if (c->rows * c->stride < ALONE || lk__threads() > MOST_PARTS)
        scan_part(c, 0, 1);
    else
        lk__parallel(scan_part, c);
    best found = c->part[0];
    for (int i = 1; i < MOST_PARTS; i++)
        if (c->part[i].id != UINT32_MAX && closer(c, c->part[i], found)) found = c->part[i];
    return found;
}

/* ---- groups ---------------------------------------------------------------------------------------- */

/* The last row takes the place of one that goes, so that scans run over rows without holes. */
static void take_out(clusters *c, uint32_t id) {
    uint32_t row = c->row[id];
    size_t last = --c->rows;
    c->row[id] = UINT32_MAX;
    if (row == last) return;
    memcpy(c->sum + row * c->stride, c->sum + last * c->stride, c->stride * sizeof *c->sum);
    c->size[row] = c->size[last];
    c->id[row] = c->id[last];
    c->row[c->id[row]] = row;
}

static void merge(clusters *c, uint32_t a, uint32_t b) {
    uint32_t keep = a < b ? a : b, gone = a < b ? b : a;
    float *to = c->sum + c->row[keep] * c->stride;
    const float *from = c->sum + c->row[gone] * c->stride;
    for (size_t i = 0; i < c->stride; i++) to[i] += from[i];
    c->size[c->row[keep]] += c->size[c->row[gone]];
    c->parent[gone] = keep;
    take_out(c, gone);
}

/* Each group's closest one follows it in the chain; two that are each other's closest end it and merge. */
static void run(clusters *c, size_t n, uint32_t *chain, float threshold) {
    size_t length = 0;
    for (uint32_t next = 0;;) {
        if (length == 0) {
            while (next < n && c->row[next] == UINT32_MAX) next++;
            if (next == n) return;
            chain[length++] = next;
        }
        uint32_t top = chain[length - 1], below = length > 1 ? chain[length - 2] : UINT32_MAX;
        best b = closest(c, top, below);
        if (b.id == UINT32_MAX || b.cosine < threshold) { /* the chain is only this one: see above */
            take_out(c, top);
            length = 0;
        } else if (b.id == below) {
            merge(c, top, below);
            length -= 2;
        } else {
            chain[length++] = b.id;
        }
    }
}

/* ---- numbers --------------------------------------------------------------------------------------- */

typedef struct group {
    uint32_t first, size;
} group;

static int larger_first(const void *a, const void *b) {
    const group *x = a, *y = b;
    if (x->size != y->size) return x->size > y->size ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

/* A vector comes after the one that it points to, so that one pass will do. `scratch` (n). */
static lk_status number(uint32_t *parent, size_t n, uint32_t *cluster, size_t *count, lk_error *err) {
    group *groups = calloc(n, sizeof *groups);
    if (!groups) return lk__fail_memory(err, n * sizeof *groups, "groups");
    size_t many = 0;
    for (size_t i = 0; i < n; i++) {
        parent[i] = parent[parent[i]];
        groups[parent[i]].first = parent[i];
        groups[parent[i]].size++;
    }
    for (size_t i = 0; i < n; i++)
        if (groups[i].size) groups[many++] = groups[i];
    qsort(groups, many, sizeof *groups, larger_first);
    for (size_t k = 0; k < many; k++) cluster[groups[k].first] = (uint32_t)k;
    for (size_t i = 0; i < n; i++) cluster[i] = cluster[parent[i]];
    *count = many;
    free(groups);
    return LK_OK;
}

static lk_status clusters_new(const float *vectors, size_t n, size_t dim, clusters *c, uint32_t **chain,
                              lk_error *err) {
    size_t stride = (dim + 15) / 16 * 16;
    *c = (clusters){.stride = stride, .rows = n, .dot = lk__dot_best()};
    c->sum = aligned_alloc(64, n * stride * sizeof *c->sum);
    c->size = malloc(2 * n * sizeof *c->size);
    c->id = malloc(4 * n * sizeof *c->id);
    if (!c->sum || !c->size || !c->id) return lk__fail_memory(err, n * stride * sizeof *c->sum, "groups");
    c->cosine = c->size + n;
    c->row = c->id + n;
    c->parent = c->row + n;
    *chain = c->parent + n;
    memset(c->sum, 0, n * stride * sizeof *c->sum);
    for (size_t i = 0; i < n; i++) {
        memcpy(c->sum + i * stride, vectors + i * dim, dim * sizeof *vectors);
        c->size[i] = 1;
        c->id[i] = c->row[i] = c->parent[i] = (uint32_t)i;
    }
    return LK_OK;
}

lk_status lk_cluster(const float *vectors, size_t n, int dim, double threshold, uint32_t *cluster,
                     size_t *count, lk_error *err) {
    clusters c;
    uint32_t *chain = NULL;
    if (dim < 1 || dim > LK__DIM_LIMIT || n >= UINT32_MAX || !(threshold >= -1 && threshold <= 1))
        return lk__fail(err, LK_INVALID, "%zu vectors of %d numbers cannot be grouped at a cosine of %g", n,
                        dim, threshold);
    for (size_t i = 0; i < n; i++)
        if (!lk__unit_vector(vectors + i * (size_t)dim, dim))
            return lk__fail(err, LK_INVALID, "vector %zu does not have length 1", i);
    if (n == 0) {
        *count = 0;
        return LK_OK;
    }
    lk_status status = clusters_new(vectors, n, (size_t)dim, &c, &chain, err);
    if (status == LK_OK) {
        run(&c, n, chain, (float)threshold);
        status = number(c.parent, n, cluster, count, err);
    }
    free(c.sum);
    free(c.size);
    free(c.id);
    return status;
}
