/* duplicates.c: people who were enrolled twice: pairs of people with photos as alike as those of one person.
 *
 *   each photo -> the closest photo of each of the closest people (search.c) -> pairs of people -> their
 * evidence
 *
 * Photo by photo the search is asked for a few people, and for more only where the last of them is still
 * beyond the threshold: so every pair is found, at the price of one search a photo. */
#include "gallery/exchange.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 256, FEW = 8, TIDY = 1 << 16 };

typedef struct someone {
    char *name;
    size_t photos;
    double *sum; /* (dim) of their vectors; NULL: not asked for yet */
} someone;

typedef struct face {
    int64_t id;
    uint32_t person;
} face;

typedef struct pair {
    uint32_t a, b; /* a before b */
    int64_t photo_a, photo_b;
    float cosine;
} pair;

typedef struct hunt {
    lk_gallery *g;
    double threshold;
    lk_progress_fn progress;
    void *context;
    someone *people;
    size_t people_count;
    face *faces;
    size_t count;
    pair *pairs;
    size_t pair_count, tidy_at;
    lk_status status; /* of a callback that cannot say so */
    lk_error *err;
} hunt;

/* ---- who there is --------------------------------------------------------------------------------- */

static int keep_person(void *context, const char *person, size_t photos, const char *added) {
    hunt *h = context;
    (void)photos; /* counted below, of the same moment as the photos */
    (void)added;
    someone *grown = lk__grow(h->people, h->people_count, sizeof *grown);
    if (grown) {
        h->people = grown;
        grown[h->people_count] = (someone){.name = strdup(person)};
        if (grown[h->people_count].name) {
            h->people_count++;
            return 0;
        }
    }
    h->status = lk__fail_memory(h->err, sizeof *grown, h->g->path);
    return 1;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const someone *)a)->name, ((const someone *)b)->name);
}

/* UINT32_MAX: came or was renamed meanwhile. */
static uint32_t person_of(const hunt *h, const char *name) {
    const someone key = {.name = (char *)(uintptr_t)name},
                  *found = bsearch(&key, h->people, h->people_count, sizeof key, by_name);
    return found ? (uint32_t)(found - h->people) : UINT32_MAX;
}

static int keep_photo(void *context, const lk_gallery_photo *photo) {
    hunt *h = context;
    uint32_t person = person_of(h, photo->person);
    if (person == UINT32_MAX) return 0;
    face *grown = lk__grow(h->faces, h->count, sizeof *grown);
    if (!grown) {
        h->status = lk__fail_memory(h->err, sizeof *grown, h->g->path);
        return 1;
    }
    h->faces = grown;
    grown[h->count++] = (face){photo->id, person};
    h->people[person].photos++;
    return 0;
}

static lk_status list(hunt *h) {
    lk_status status = lk_gallery_each_person(h->g, keep_person, h, h->err);
    if (status == LK_OK) status = h->status;
    if (status != LK_OK) return status;
    if (h->people_count) qsort(h->people, h->people_count, sizeof *h->people, by_name);
    status = lk_gallery_each_photo(h->g, NULL, keep_photo, h, h->err);
    return status == LK_OK ? h->status : status;
}

/* ---- pairs ---------------------------------------------------------------------------------------- */

static int by_people(const void *a, const void *b) {
    const pair *x = a, *y = b;
    if (x->a != y->a) return x->a < y->a ? -1 : 1;
    if (x->b != y->b) return x->b < y->b ? -1 : 1;
    if (x->cosine != y->cosine) return x->cosine > y->cosine ? -1 : 1;
    if (x->photo_a != y->photo_a) return x->photo_a < y->photo_a ? -1 : 1;
    return (x->photo_b > y->photo_b) - (x->photo_b < y->photo_b);
}

/* Of each pair of people only their closest photos. */
static void tidy(hunt *h) {
    size_t kept = 0;
    if (h->pair_count) qsort(h->pairs, h->pair_count, sizeof *h->pairs, by_people);
    for (size_t i = 0; i < h->pair_count; i++)
        if (!kept || h->pairs[kept - 1].a != h->pairs[i].a || h->pairs[kept - 1].b != h->pairs[i].b)
            h->pairs[kept++] = h->pairs[i];
    h->pair_count = kept;
}

static lk_status offer(hunt *h, pair p) {
    if (p.a > p.b) p = (pair){p.b, p.a, p.photo_b, p.photo_a, p.cosine};
    if (h->pair_count == h->tidy_at) {
        tidy(h);
        size_t room = h->pair_count < h->tidy_at / 2 ? h->tidy_at : h->tidy_at ? 2 * h->tidy_at : TIDY;
        pair *grown = room > h->tidy_at ? realloc(h->pairs, room * sizeof *grown) : h->pairs;
        if (!grown) return lk__fail_memory(h->err, room * sizeof *grown, h->g->path);
        h->pairs = grown;
        h->tidy_at = room;
    }
    h->pairs[h->pair_count++] = p;
    return LK_OK;
}

/* *more: the last one is beyond the threshold, so that there may be others after it. */
static lk_status take_matches(hunt *h, const face *f, const lk_matches *m, size_t k, bool *more) {
    lk_status status = LK_OK;
    *more = m->count == k && (double)m->items[m->count - 1].cosine >= h->threshold;
    for (size_t i = 0; i < m->count && status == LK_OK && (double)m->items[i].cosine >= h->threshold; i++) {
        uint32_t other = person_of(h, m->items[i].person);
        if (other == UINT32_MAX || other == f->person) continue;
        status = offer(h, (pair){f->person, other, f->id, m->items[i].photo_id, m->items[i].cosine});
    }
    return status;
}

static lk_status look_further(hunt *h, const face *f, const float *vector) {
    lk_status status = LK_OK;
    bool more = true;
    for (size_t k = 8 * FEW; more && status == LK_OK; k *= 8) {
        const lk_search_options options = {.k = k, .people = true};
        lk_matches m = {0, NULL};
        status = lk_gallery_search_many(h->g, vector, 1, &options, &m, h->err);
        if (status == LK_OK) status = take_matches(h, f, &m, k, &more);
        lk_matches_free(&m);
    }
    return status;
}

static lk_status search(hunt *h, const face *faces, const float *vectors, size_t count) {
    const lk_search_options options = {.k = FEW, .people = true};
    lk_matches m[BATCH];
    lk_status status = count ? lk_gallery_search_many(h->g, vectors, count, &options, m, h->err) : LK_OK;
    for (size_t i = 0; i < count; i++) {
        if (status != LK_OK) break;
        bool more = false;
        status = take_matches(h, &faces[i], &m[i], FEW, &more);
        if (status == LK_OK && more)
            status = look_further(h, &faces[i], vectors + i * (size_t)h->g->info.dim);
        lk_matches_free(&m[i]);
        if (status != LK_OK)
            while (++i < count) lk_matches_free(&m[i]);
    }
    return status;
}

static lk_status find_pairs(hunt *h) {
    size_t dim = (size_t)h->g->info.dim;
    float *vectors = malloc(BATCH * dim * sizeof *vectors);
    face batch[BATCH];
    lk_status status = vectors ? LK_OK : lk__fail_memory(h->err, BATCH * dim * sizeof *vectors, h->g->path);
    for (size_t i = 0; i < h->count && status == LK_OK;) {
        size_t count = 0;
        for (; i < h->count && count < BATCH && status == LK_OK; i++) {
            status = lk_gallery_get_vector(h->g, h->faces[i].id, vectors + count * dim, h->err);
            if (status == LK_OK) batch[count++] = h->faces[i];
            if (status == LK_NOT_FOUND) status = LK_OK; /* has gone meanwhile */
        }
        if (status == LK_OK) status = search(h, batch, vectors, count);
        if (status == LK_OK && h->progress && h->progress(h->context, i, h->count))
            status = lk__fail(h->err, LK_STOPPED, "%s: stopped on request", h->g->path);
    }
    free(vectors);
    if (status == LK_OK) tidy(h);
    return status;
}

/* ---- the evidence --------------------------------------------------------------------------------- */

typedef struct summing {
    hunt *h;
    someone *who;
    float *vector;
} summing;

static int add_vector(void *context, const lk_gallery_photo *photo) {
    summing *s = context;
    lk_status status = lk_gallery_get_vector(s->h->g, photo->id, s->vector, s->h->err);
    if (status == LK_NOT_FOUND) return 0;
    s->h->status = status;
    if (status != LK_OK) return 1;
    s->who->photos++;
    for (int k = 0; k < s->h->g->info.dim; k++) s->who->sum[k] += (double)s->vector[k];
    return 0;
}

static lk_status sum_up(hunt *h, someone *who, float *vector) {
    summing s = {h, who, vector};
    if (who->sum) return LK_OK;
    who->sum = calloc((size_t)h->g->info.dim, sizeof *who->sum);
    if (!who->sum) return lk__fail_memory(h->err, (size_t)h->g->info.dim * sizeof *who->sum, h->g->path);
    who->photos = 0;
    lk_status status = lk_gallery_each_photo(h->g, who->name, add_vector, &s, h->err);
    return status == LK_OK ? h->status : status;
}

typedef struct naming {
    int64_t id;
    char *name;
} naming;

static int take_name(void *context, const lk_gallery_photo *photo) {
    naming *n = context;
    if (photo->id != n->id) return 0;
    n->name = strdup(photo->photo);
    return 1;
}

static lk_status name_photo(hunt *h, const someone *who, int64_t id, char **out) {
    naming n = {id, NULL};
    lk_status status = lk_gallery_each_photo(h->g, who->name, take_name, &n, h->err);
    if (status == LK_OK && !n.name) n.name = strdup(""); /* has gone meanwhile, or there is no memory */
    if (status == LK_OK && !n.name) status = lk__fail_memory(h->err, 1, h->g->path);
    *out = n.name;
    return status;
}

static lk_status describe(hunt *h, const pair *p, float *vector, lk_duplicate *out) {
    someone *a = &h->people[p->a], *b = &h->people[p->b];
    char *text[4] = {NULL};
    double dot = 0;
    lk_status status = sum_up(h, a, vector);
    if (status == LK_OK) status = sum_up(h, b, vector);
    if (status == LK_OK) status = name_photo(h, a, p->photo_a, &text[2]);
    if (status == LK_OK) status = name_photo(h, b, p->photo_b, &text[3]);
    text[0] = strdup(a->name);
    text[1] = strdup(b->name);
    if (status == LK_OK && (!text[0] || !text[1])) status = lk__fail_memory(h->err, 1, h->g->path);
    if (status != LK_OK) {
        for (int i = 0; i < 4; i++) free(text[i]);
        return status;
    }
    for (int k = 0; k < h->g->info.dim; k++) dot += a->sum[k] * b->sum[k];
    double between = (double)a->photos * (double)b->photos; /* 0: somebody has gone meanwhile */
    *out = (lk_duplicate){.a = text[0],
                          .b = text[1],
                          .photo_name_a = text[2],
                          .photo_name_b = text[3],
                          .photos_a = a->photos,
                          .photos_b = b->photos,
                          .photo_a = p->photo_a,
                          .photo_b = p->photo_b,
                          .closest = p->cosine,
                          .mean = between > 0 ? (float)(dot / between) : p->cosine};
    return LK_OK;
}

static int best_first(const void *a, const void *b) {
    const lk_duplicate *x = a, *y = b;
    if (x->mean != y->mean) return x->mean > y->mean ? -1 : 1;
    if (x->closest != y->closest) return x->closest > y->closest ? -1 : 1;
    int order = strcmp(x->a, y->a);
    return order ? order : strcmp(x->b, y->b);
}

static lk_status describe_all(hunt *h, lk_duplicates *out) {
    float *vector = malloc((size_t)h->g->info.dim * sizeof *vector);
    out->items = calloc(h->pair_count + 1, sizeof *out->items);
    lk_status status = vector && out->items
                           ? LK_OK
                           : lk__fail_memory(h->err, h->pair_count * sizeof *out->items, h->g->path);
    for (size_t i = 0; i < h->pair_count && status == LK_OK; i++) {
        status = describe(h, &h->pairs[i], vector, &out->items[out->count]);
        if (status == LK_OK) out->count++;
    }
    free(vector);
    if (status == LK_OK && out->count) qsort(out->items, out->count, sizeof *out->items, best_first);
    return status;
}

void lk_duplicates_free(lk_duplicates *duplicates) {
    if (!duplicates) return;
    for (size_t i = 0; i < duplicates->count; i++) {
        const lk_duplicate *d = &duplicates->items[i];
        free((char *)(uintptr_t)d->a);
        free((char *)(uintptr_t)d->b);
        free((char *)(uintptr_t)d->photo_name_a);
        free((char *)(uintptr_t)d->photo_name_b);
    }
    free(duplicates->items);
    *duplicates = (lk_duplicates){0};
}

lk_status lk_gallery_find_duplicates(lk_gallery *g, double threshold, lk_progress_fn progress, void *context,
                                     lk_duplicates *out, lk_error *err) {
    lk_error ignored;
    hunt h = {.g = g, .threshold = threshold, .progress = progress, .context = context};
    lk_duplicates found = {0};
    h.err = err ? err : &ignored;
    if (!(threshold >= -1 && threshold <= 1))
        return lk__fail(err, LK_INVALID, "%s: %g is no cosine from which people are alike", g->path,
                        threshold);
    lk_status status = list(&h);
    double same = 0, all = (double)h.count;
    for (size_t i = 0; i < h.people_count; i++)
        same += (double)h.people[i].photos * (double)h.people[i].photos;
    found.photo_pairs = (all * all - same) / 2;
    if (status == LK_OK) status = find_pairs(&h);
    if (status == LK_OK) status = describe_all(&h, &found);
    for (size_t i = 0; i < h.people_count; i++) {
        free(h.people[i].name);
        free(h.people[i].sum);
    }
    free(h.people);
    free(h.faces);
    free(h.pairs);
    if (status == LK_OK)
        *out = found;
    else
        lk_duplicates_free(&found);
    return status;
}
