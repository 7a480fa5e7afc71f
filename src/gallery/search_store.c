/* search_store.c: searches by a store that compares vectors itself (PostgreSQL with pgvector, if asked to).
 *
 * It hands out its closest photos with their vectors, and cosines are computed here, by the same sums as over
 * the copy in memory: the same photos have the same figures, and are ranked the same, whoever found them. Of
 * people the store knows nothing: more and more photos are asked for until there are enough. */
#include "gallery/gallery.h"

#include <stdlib.h>
#include <string.h>

enum { PEOPLE_FIRST = 4 }; /* photos a person that are asked for at first */

typedef struct candidate {
    lk_match match; /* its names are in `text` */
    char *text;
} candidate;

typedef struct candidates {
    const lk_gallery *g;
    const float *probe; /* as the next, for l2 */
    float *padded;      /* (stride), 64-byte aligned, and behind it as much for a row */
    size_t stride;
    candidate *items;
    size_t count, room;
} candidates;

static void forget(candidates *c) {
    for (size_t i = 0; i < c->count; i++) free(c->items[i].text);
    c->count = 0;
}

static lk_status on_candidate(void *context, const lk__photo *photo, lk_error *err) {
    candidates *c = context;
    float *row = c->padded + c->stride, cosine = 0;
    size_t person = strlen(photo->person) + 1, name = strlen(photo->name) + 1;
    lk_status status = lk__gallery_vector(c->g, photo, row, err);
    if (status != LK_OK) return status;
    lk__dot_best()(row, 1, c->stride, c->padded, &cosine);
    if (c->count == c->room) {
        size_t room = 2 * c->room + 16;
        candidate *grown = realloc(c->items, room * sizeof *grown);
        if (!grown) return lk__fail_memory(err, room * sizeof *grown, "a search");
        c->items = grown;
        c->room = room;
    }
    char *text = malloc(person + name);
    if (!text) return lk__fail_memory(err, person + name, "a search");
    memcpy(text, photo->person, person);
    memcpy(text + person, photo->name, name);
    c->items[c->count++] = (candidate){.text = text,
                                       .match = {.photo_id = photo->id,
                                                 .person_id = photo->person_id,
                                                 .person = text,
                                                 .photo = text + person,
                                                 .cosine = cosine,
                                                 .l2 = (float)lk_l2(row, c->probe, c->g->info.dim)}};
    return LK_OK;
}

static int best_first(const void *a, const void *b) {
    const lk_match *x = &((const candidate *)a)->match, *y = &((const candidate *)b)->match;
    if (x->cosine != y->cosine) return x->cosine > y->cosine ? -1 : 1;
    return (x->photo_id > y->photo_id) - (x->photo_id < y->photo_id);
}

/* Of each person the best photo stays. */
static void keep_people(candidates *c) {
    size_t kept = 0;
    for (size_t i = 0; i < c->count; i++) {
        bool known = false;
        for (size_t j = 0; j < kept && !known; j++)
            known = c->items[j].match.person_id == c->items[i].match.person_id;
        if (known)
            free(c->items[i].text);
        else
            c->items[kept++] = c->items[i];
    }
    c->count = kept;
}

/* One block, so that one free() ends it. */
static lk_status take(const candidates *c, size_t k, lk_matches *out, lk_error *err) {
    size_t count = k < c->count ? k : c->count, bytes = count * sizeof(lk_match) + 1;
    for (size_t i = 0; i < count; i++)
        bytes += strlen(c->items[i].match.person) + strlen(c->items[i].match.photo) + 2;
    lk_match *items = malloc(bytes);
    if (!items) return lk__fail_memory(err, bytes, "a search");
    char *at = (char *)(items + count);
    for (size_t i = 0; i < count; i++) {
        size_t person = strlen(c->items[i].match.person) + 1, name = strlen(c->items[i].match.photo) + 1;
        items[i] = c->items[i].match;
        items[i].person = memcpy(at, c->items[i].match.person, person);
        items[i].photo = memcpy(at + person, c->items[i].match.photo, name);
        at += person + name;
    }
    *out = (lk_matches){count, items};
    return LK_OK;
}

static lk_status search_one(lk_gallery *g, candidates *c, size_t k, bool people, lk_matches *out,
                            lk_error *err) {
    size_t limit = people && k < SIZE_MAX / PEOPLE_FIRST ? k * PEOPLE_FIRST : k;
    lk_status status = LK_OK;
    for (bool more = true; more && status == LK_OK; limit *= PEOPLE_FIRST) {
        forget(c);
        pthread_mutex_lock(&g->follow);
        status = g->store->ops->nearest(g->store, c->probe, limit, on_candidate, c, err);
        pthread_mutex_unlock(&g->follow);
        bool all = c->count < limit || limit > SIZE_MAX / PEOPLE_FIRST;
        if (c->count) qsort(c->items, c->count, sizeof *c->items, best_first);
        if (people) keep_people(c);
        more = people && c->count < k && !all;
    }
    if (status == LK_OK) status = take(c, k, out, err);
    forget(c);
    return status;
}

lk_status lk__store_search(lk_gallery *g, const float *probes, size_t count, size_t k, bool people,
                           lk_matches *out, lk_error *err) {
    size_t dim = (size_t)g->info.dim, stride = (dim + 15) / 16 * 16, bytes = 2 * stride * sizeof(float),
           done = 0;
    candidates c = {.g = g, .stride = stride, .padded = aligned_alloc(64, bytes)};
    if (!c.padded) return lk__fail_memory(err, bytes, "a search");
    memset(c.padded, 0, bytes);
    lk_status status = LK_OK;
    for (; done < count && status == LK_OK; done++) {
        c.probe = probes + done * dim;
        memcpy(c.padded, c.probe, dim * sizeof(float));
        status = search_one(g, &c, k, people, &out[done], err);
    }
    if (status != LK_OK)
        for (done--; done-- > 0;) lk_matches_free(&out[done]);
    free(c.items);
    free(c.padded);
    return status;
}
