/* roc.c: the ROC, exact and small: a point for each distinct score is as long as the list of pairs, but
 * between two same scores lie many different ones, and those are on a straight run. Points inside such runs
 * are left out: what a plot or an area makes of the rest is the same. */
#include "eval/trial.h"

#include <stdlib.h>

/* The ROC while it is made: points in counts. */
typedef struct curve {
    lk__walk *points;
    size_t count, room;
} curve;

/* Is b on the straight way from a to c? In whole numbers, exact up to eight billion pairs. */
static bool straight(const lk__walk *a, const lk__walk *b, const lk__walk *c) {
    return (uint64_t)(b->same - a->same) * (c->different - b->different) ==
           (uint64_t)(c->same - b->same) * (b->different - a->different);
}

static bool curve_add(curve *roc, const lk__walk *point) {
    if (roc->count >= 2 && straight(&roc->points[roc->count - 2], &roc->points[roc->count - 1], point))
        roc->count--;
    if (roc->count == roc->room) {
        size_t room = roc->room ? roc->room * 2 : 1024;
        lk__walk *grown = realloc(roc->points, room * sizeof *grown);
        if (!grown) return false;
        roc->points = grown;
        roc->room = room;
    }
    roc->points[roc->count++] = *point;
    return true;
}

lk_status lk__roc_make(const lk__scores *s, lk_roc_point **out, size_t *count, lk_error *err) {
    curve c = {0};
    lk__walk w = {0};
    bool fits = curve_add(&c, &w);
    while (fits && lk__walk_next(s, &w)) fits = curve_add(&c, &w);
    lk_roc_point *roc = fits ? malloc(c.count * sizeof *roc) : NULL;
    if (!roc) {
        free(c.points);
        return lk__fail_memory(err, (c.count + 1) * sizeof *roc, "the ROC");
    }
    for (size_t i = 0; i < c.count; i++)
        roc[i] = (lk_roc_point){(double)c.points[i].score,
                                (double)c.points[i].different / (double)s->different_count,
                                (double)c.points[i].same / (double)s->same_count};
    roc[0].threshold = lk__above(s);
    *out = roc;
    *count = c.count;
    free(c.points);
    return LK_OK;
}
