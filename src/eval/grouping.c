/* grouping.c: how well groups that were found agree with the true ones. Over pairs, where large groups count
 * by their square, and over photos (BCubed), where every photo counts once: Amigo, Gonzalo, Artiles & Verdejo
 * 2009 show that of the usual measures only BCubed tells all kinds of mistakes apart. */
#include "base/base.h"
#include "likeness/eval.h"

#include <math.h>
#include <stdlib.h>

typedef struct cell {
    uint32_t group, person;
} cell;

static int by_group(const void *a, const void *b) {
    const cell *x = a, *y = b;
    if (x->group != y->group) return x->group < y->group ? -1 : 1;
    return (x->person > y->person) - (x->person < y->person);
}

static int by_person(const void *a, const void *b) {
    const cell *x = a, *y = b;
    if (x->person != y->person) return x->person < y->person ? -1 : 1;
    return (x->group > y->group) - (x->group < y->group);
}

static double pairs_of(size_t n) {
    return (double)n * ((double)n - 1) / 2;
}

/* Over runs of equal `whole`, the pairs in each and the sum over photos of (size of its cell) / (size of its
 * run); `both`: pairs that are of one cell. */
typedef struct sums {
    size_t runs;
    double pairs, both, share;
} sums;

static sums add_up(const cell *cells, size_t n, bool groups) {
    sums s = {0, 0, 0, 0};
    for (size_t i = 0, end; i < n; i = end) {
        end = i;
        while (end < n &&
               (groups ? cells[end].group == cells[i].group : cells[end].person == cells[i].person))
            end++;
        s.runs++;
        s.pairs += pairs_of(end - i);
        for (size_t k = i, stop; k < end; k = stop) {
            stop = k;
            while (stop < end && cells[stop].group == cells[k].group && cells[stop].person == cells[k].person)
                stop++;
            double size = (double)(stop - k);
            s.both += pairs_of(stop - k);
            s.share += size * size / (double)(end - i);
        }
    }
    return s;
}

lk_status lk_grouping_measure(const uint32_t *group, const uint32_t *person, size_t n, lk_grouping *out,
                              lk_error *err) {
    if (n == 0) return lk__fail(err, LK_EMPTY, "there is no photo whose group could be judged");
    cell *cells = malloc(n * sizeof *cells);
    if (!cells) return lk__fail_memory(err, n * sizeof *cells, "groups");
    for (size_t i = 0; i < n; i++) cells[i] = (cell){group[i], person[i]};
    qsort(cells, n, sizeof *cells, by_group);
    sums found = add_up(cells, n, true);
    qsort(cells, n, sizeof *cells, by_person);
    sums truth = add_up(cells, n, false);
    free(cells);
    double precision = found.share / (double)n, recall = truth.share / (double)n;
    *out = (lk_grouping){.pair_precision = found.pairs > 0 ? found.both / found.pairs : (double)NAN,
                         .pair_recall = truth.pairs > 0 ? truth.both / truth.pairs : (double)NAN,
                         .bcubed_precision = precision,
                         .bcubed_recall = recall,
                         .bcubed_f = 2 * precision * recall / (precision + recall),
                         .groups = found.runs,
                         .people = truth.runs};
    return LK_OK;
}
