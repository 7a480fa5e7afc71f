/* roc.c: the ROC, exact and small: a point for each distinct score would be as long as the list of pairs, but
 * between two same scores lie many different ones, and those are on a straight run. Points inside such runs
 * are left out: what a plot or an area makes of the rest is the same. */
#include "eval/trial.h"

#include <stdlib.h>

/* Is b on the straight way from a to c? In whole numbers, exact up to eight billion pairs. */
static bool straight(const lk__walk *a, const lk__walk *b, const lk__walk *c) {
    return (uint64_t)(b->same - a->same) * (c->different - b->different) ==
           (uint64_t)(c->same - b->same) * (b->different - a->different);
}

static bool add(lk__roc *roc, size_t *room, const lk__walk *point) {
    if (roc->count >= 2 && straight(&roc->points[roc->count - 2], &roc->points[roc->count - 1], point))
        roc->count--;
    if (roc->count == *room) {
        size_t grown_room = *room ? *room * 2 : 1024;
        lk__walk *grown = realloc(roc->points, grown_room * sizeof *grown);
        if (!grown) return false;
        roc->points = grown;
        *room = grown_room;
    }
    roc->points[roc->count++] = *point;
    return true;
}

/* The rest of the different pairs above the next same one: a straight run. */
static void pass_run(const lk__scores *s, lk__walk *w) {
    size_t end = s->different_count;
    if (w->same < s->same_count)
        end = w->different + lk__count_above(s->different + w->different, s->different_count - w->different,
                                             (double)s->same[w->same]);
    if (end == w->different) return;
    w->different = end;
    w->score = s->different[end - 1];
}

lk_status lk__roc_make(const lk__scores *s, lk__roc *out, lk_error *err) {
    lk__roc roc = {0};
    size_t room = 0;
    lk__walk w = {0};
    bool fits = add(&roc, &room, &w);
    for (size_t same = 0; fits && lk__walk_next(s, &w); same = w.same) {
        if (w.same == same) pass_run(s, &w);
        fits = add(&roc, &room, &w);
    }
    if (!fits) {
        free(roc.points);
        return lk__fail_memory(err, 2 * room * sizeof *roc.points, "the ROC");
    }
    *out = roc;
    return LK_OK;
}
