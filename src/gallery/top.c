/* top.c: the best few of many. Whoever was put out can come back: a person's best photo so far was after all
 * that are in, so only a better photo gets them in again, and then it is their best. */
#include "gallery/top.h"

#include <stdlib.h>
#include <string.h>

void lk__top_free(lk__top *top) {
    free(top->items);
    free(top->places);
    *top = (lk__top){.most = top->most, .people = top->people};
}

/* ---- the table of people (linear probing) ---------------------------------------------------------- */

static size_t home_of(const lk__top *top, int64_t person) {
    return (size_t)((uint64_t)person * 0x9e3779b97f4a7c15u >> 20) & top->place_mask; /* Knuth 6.4 */
}

/* Where the person's place stands, or the free entry where it would. */
static size_t entry_of(const lk__top *top, int64_t person) {
    size_t e = home_of(top, person);
    while (top->places[e] != 0 && top->items[top->places[e] - 1].person != person)
        e = (e + 1) & top->place_mask;
    return e;
}

/* What stands after a freed entry and may not be reached past it moves up. */
static void forget(lk__top *top, int64_t person) {
    size_t hole = entry_of(top, person), e = hole;
    top->places[hole] = 0;
    for (;;) {
        e = (e + 1) & top->place_mask;
        if (top->places[e] == 0) return;
        size_t home = home_of(top, top->items[top->places[e] - 1].person);
        if (((e - home) & top->place_mask) < ((e - hole) & top->place_mask)) continue;
        top->places[hole] = top->places[e];
        top->places[e] = 0;
        hole = e;
    }
}

/* ---- the heap -------------------------------------------------------------------------------------- */

static void swap(lk__top *top, size_t a, size_t b) {
    if (top->people) {
        size_t ea = entry_of(top, top->items[a].person), eb = entry_of(top, top->items[b].person);
        top->places[ea] = (uint32_t)b + 1;
        top->places[eb] = (uint32_t)a + 1;
    }
    lk__found item = top->items[a];
    top->items[a] = top->items[b];
    top->items[b] = item;
}

static void sink(lk__top *top, size_t i) {
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= top->count) return;
        if (child + 1 < top->count && lk__found_after(top->items[child + 1], top->items[child])) child++;
        if (!lk__found_after(top->items[child], top->items[i])) return;
        swap(top, child, i);
        i = child;
    }
}

static void rise(lk__top *top, size_t i) {
    while (i > 0 && lk__found_after(top->items[i], top->items[(i - 1) / 2])) {
        swap(top, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

static bool grow(lk__top *top) {
    size_t room = top->room ? 2 * top->room : 16;
    if (room > top->most) room = top->most;
    lk__found *items = realloc(top->items, room * sizeof *items);
    if (!items) return false;
    top->items = items;
    if (top->people) {
        size_t entries = 32;
        while (entries < 2 * room) entries *= 2;
        uint32_t *places = calloc(entries, sizeof *places);
        if (!places) return false;
        free(top->places);
        top->places = places;
        top->place_mask = entries - 1;
        for (size_t i = 0; i < top->count; i++) top->places[entry_of(top, items[i].person)] = (uint32_t)i + 1;
    }
    top->room = room;
    return true;
}

bool lk__top_offer(lk__top *top, lk__found item) {
    bool full = top->count == top->most;
    if (full && (top->most == 0 || !lk__found_after(top->items[0], item))) return true;
    size_t at = 0;
    if (top->people && top->places) at = top->places[entry_of(top, item.person)];
    if (at > 0) {
        if (!lk__found_after(top->items[at - 1], item)) return true;
        top->items[at - 1] = item;
        sink(top, at - 1);
        return true;
    }
    if (full) {
        if (top->people) {
            forget(top, top->items[0].person);
            top->places[entry_of(top, item.person)] = 1;
        }
        top->items[0] = item;
        sink(top, 0);
        return true;
    }
    if (top->count == top->room && !grow(top)) return false;
    size_t last = top->count++;
    if (top->people) {
        /* before the item is there, lest the table finds it */
        size_t e = entry_of(top, item.person);
        top->places[e] = (uint32_t)last + 1;
    }
    top->items[last] = item;
    rise(top, last);
    return true;
}

static int best_first(const void *a, const void *b) {
    lk__found x = *(const lk__found *)a, y = *(const lk__found *)b;
    return lk__found_after(x, y) ? 1 : lk__found_after(y, x) ? -1 : 0;
}

void lk__top_sort(lk__top *top) {
    if (top->count > 0) qsort(top->items, top->count, sizeof *top->items, best_first);
}
