/* top.h: the best few of many, of photos or of people. */
#ifndef LK_TOP_H
#define LK_TOP_H

#include "base/base.h"

typedef struct lk__found {
    int64_t photo, person;
    float cosine;
    uint32_t view, row; /* where it lies (scan.c) */
} lk__found;

/* Is a after b: by cosine, then by photo id? */
static inline bool lk__found_after(lk__found a, lk__found b) {
    return a.cosine < b.cosine || (a.cosine == b.cosine && a.photo > b.photo);
}

/* A heap with the last of them on top; of people, only the best photo of each is in it. */
typedef struct lk__top {
    size_t most, count, room;
    lk__found *items; /* (room) */
    bool people;
    uint32_t *places; /* (place_mask + 1) of people: hash table by person of places in items, + 1; 0: free */
    size_t place_mask;
} lk__top;

/* Nothing is allocated before the first offer. */
static inline lk__top lk__top_make(size_t most, bool people) {
    return (lk__top){.most = most, .people = people};
}
void lk__top_free(lk__top *top);
/* What is not among the best is passed over. False: out of memory. */
bool lk__top_offer(lk__top *top, lk__found item);
/* What an item must reach to get in. */
static inline float lk__top_least(const lk__top *top) {
    return top->count < top->most ? -__builtin_inff() : top->items[0].cosine;
}
/* Best first; no more offers then. */
void lk__top_sort(lk__top *top);

#endif
