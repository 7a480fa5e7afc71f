/* search.c: the end of the path: unit vector -> gallery -> ranked people. The index is brought up to date
 * with the store, asked for the closest ids, and the store for their names.
 *
 * Between the two questions somebody may remove what was found. Then the search is done again: a removed
 * person is never an answer, and never takes the place of another. */
#include "gallery/gallery.h"

#include <stdlib.h>
#include <string.h>

/* ---- following the store -------------------------------------------------------------------------- */

enum { CHUNK = 1024 }; /* rows handed to the index at a time */
enum { PATIENCE = 8 }; /* tries until it is believed that index and store do not belong together */

typedef struct follower {
    lk_gallery *g;
    int64_t *photos, *people, *removed; /* (CHUNK) each */
    float *vectors;                     /* (CHUNK, dim) */
    size_t added_count, removed_count;
} follower;

static lk_status flush_removed(follower *f, lk_error *err) {
    lk_status status = lk__index_remove(f->g->index, f->removed, f->removed_count, err);
    f->removed_count = 0;
    return status;
}

static lk_status flush_added(follower *f, lk_error *err) {
    lk_status status =
        f->added_count ? lk__index_append(f->g->index, f->photos, f->people, f->vectors, f->added_count, err)
                       : LK_OK;
    f->added_count = 0;
    return status;
}

static lk_status on_removed(void *context, int64_t photo_id, lk_error *err) {
    follower *f = context;
    f->removed[f->removed_count++] = photo_id;
    return f->removed_count == CHUNK ? flush_removed(f, err) : LK_OK;
}

static lk_status on_added(void *context, const lk__photo *photo, lk_error *err) {
    follower *f = context;
    float *vector = f->vectors + f->added_count * (size_t)f->g->info.dim;
    lk_status status = lk__gallery_vector(f->g, photo, vector, err);
    if (status != LK_OK) return status;
    f->photos[f->added_count] = photo->id;
    f->people[f->added_count++] = photo->person_id;
    return f->added_count == CHUNK ? flush_added(f, err) : LK_OK;
}

static void begin_anew(lk_gallery *g) {
    lk__index_clear(g->index);
    g->seen = (lk__moment){.cursors = {0, 0}};
}

static lk_status read_changes(lk_gallery *g, lk_error *err) {
    size_t bytes = CHUNK * (3 * sizeof(int64_t) + (size_t)g->info.dim * sizeof(float));
    int64_t *block = malloc(bytes);
    if (!block) return lk__fail_memory(err, bytes, g->path);
    follower f = {.g = g, .photos = block, .people = block + CHUNK, .removed = block + 2 * CHUNK};
    f.vectors = (float *)(block + 3 * CHUNK);
    lk__moment to = g->seen;
    lk_status status = g->store->ops->changes(g->store, g->seen.cursors, on_removed, on_added, &f, &to, err);
    if (status == LK_OK) status = flush_removed(&f, err);
    if (status == LK_OK) status = flush_added(&f, err);
    free(block);
    if (status == LK_OK)
        g->seen = to;
    else /* parts of it are in */
        begin_anew(g);
    return status;
}

lk_status lk__gallery_follow(lk_gallery *g, lk_error *err) {
    lk__cursors ends = {0, 0};
    pthread_mutex_lock(&g->follow);
    if (g->seen.cursors.photo == 0) lk__beside_load(g);
    lk_status status = g->store->ops->ends(g->store, &ends, err);
    if (status == LK_OK && (ends.photo > g->seen.cursors.photo || ends.removed > g->seen.cursors.removed))
        status = read_changes(g, err);
    pthread_mutex_unlock(&g->follow);
    return status;
}

lk_status lk__gallery_check_index(lk_gallery *g, lk_error *err) {
    size_t people = 0, photos = 0;
    for (int tries = 0; tries < PATIENCE; tries++) { /* somebody may write between the two */
        lk_status status = lk__gallery_follow(g, err);
        if (status != LK_OK) return status;
        pthread_mutex_lock(&g->lock);
        status = g->store->ops->counts(g->store, &people, &photos, err);
        pthread_mutex_unlock(&g->lock);
        if (status != LK_OK || lk__index_count(g->index) == photos) return status;
    }
    return lk__fail(err, LK_FORMAT, "%s: %zu photos, and %zu in what searches use", g->path, photos,
                    lk__index_count(g->index));
}

/* ---- names ---------------------------------------------------------------------------------------- */

/* The matches of one probe and their names, in one block so that one free() ends them. Names come in the
 * order of the hits; a hit that was passed over has none any more. */
typedef struct naming {
    const lk__hit *hits;
    size_t count, named, room, used;
    char *text; /* "person\0photo\0" of each */
} naming;

static lk_status on_name(void *context, const lk__photo *photo, lk_error *err) {
    naming *n = context;
    size_t person = strlen(photo->person) + 1, name = strlen(photo->name) + 1;
    if (n->named >= n->count || n->hits[n->named].photo != photo->id) return LK_NOT_FOUND; /* one has gone */
    if (n->used + person + name > n->room) {
        size_t room = 2 * (n->used + person + name);
        char *grown = realloc(n->text, room);
        if (!grown) return lk__fail_memory(err, room, "a search");
        n->text = grown;
        n->room = room;
    }
    memcpy(n->text + n->used, photo->person, person);
    memcpy(n->text + n->used + person, photo->name, name);
    n->used += person + name;
    n->named++;
    return LK_OK;
}

static lk_status matches_new(const naming *n, lk_matches *out, lk_error *err) {
    size_t bytes = n->count * sizeof(lk_match) + n->used + 1;
    lk_match *items = malloc(bytes);
    if (!items) return lk__fail_memory(err, bytes, "a search");
    char *at = (char *)(items + n->count);
    if (n->used) memcpy(at, n->text, n->used);
    for (size_t i = 0; i < n->count; i++) {
        const lk__hit *h = &n->hits[i];
        items[i] = (lk_match){
            .photo_id = h->photo, .person_id = h->person, .cosine = h->cosine, .l2 = h->l2, .person = at};
        at += strlen(at) + 1;
        items[i].photo = at;
        at += strlen(at) + 1;
    }
    *out = (lk_matches){n->count, items};
    return LK_OK;
}

/* NOT_FOUND: one of the photos has gone meanwhile. */
static lk_status name_hits(lk_gallery *g, const lk__hit *hits, size_t count, lk_matches *out, lk_error *err) {
    naming n = {.hits = hits, .count = count};
    int64_t *ids = malloc((count + 1) * sizeof *ids);
    if (!ids) return lk__fail_memory(err, count * sizeof *ids, "a search");
    for (size_t i = 0; i < count; i++) ids[i] = hits[i].photo;
    pthread_mutex_lock(&g->follow);
    lk_status status = g->store->ops->names(g->store, ids, count, on_name, &n, err);
    pthread_mutex_unlock(&g->follow);
    if (status == LK_OK && n.named < count) status = LK_NOT_FOUND;
    if (status == LK_OK) status = matches_new(&n, out, err);
    free(ids);
    free(n.text);
    return status;
}

/* ---- the search ----------------------------------------------------------------------------------- */

/* Of `count` probes; hits (count, k), found (count) are scratch. NOT_FOUND: something has gone meanwhile. */
static lk_status attempt(lk_gallery *g, const float *probes, size_t count, size_t k, bool people,
                         lk__hit *hits, size_t *found, lk_matches *out, lk_error *err) {
    lk_status status = lk__index_search(g->index, probes, count, k, people, hits, found, err);
    size_t done = 0;
    while (done < count && status == LK_OK) {
        status = name_hits(g, hits + done * k, found[done], &out[done], err);
        if (status == LK_OK) done++;
    }
    if (status != LK_OK)
        while (done-- > 0) lk_matches_free(&out[done]);
    return status;
}

static lk_status search_many(lk_gallery *g, const float *probes, size_t count, size_t k, bool people,
                             lk_matches *out, lk_error *err) {
    for (int tries = 0; tries < PATIENCE; tries++) {
        lk_status status = lk__gallery_follow(g, err);
        if (status != LK_OK) return status;
        size_t photos = lk__index_count(g->index), most = k < photos ? k : photos;
        if (!most) most = 1;
        lk__hit *hits = calloc(count * most, sizeof *hits);
        size_t *found = calloc(count, sizeof *found);
        status = hits && found ? attempt(g, probes, count, most, people, hits, found, out, err)
                               : lk__fail_memory(err, count * most * sizeof *hits, "a search");
        free(hits);
        free(found);
        if (status == LK_MISMATCH && tries > 0) { /* not because something was removed meanwhile */
            pthread_mutex_lock(&g->follow);
            begin_anew(g);
            g->beside_damaged = true;
            pthread_mutex_unlock(&g->follow);
        }
        if (status != LK_NOT_FOUND && status != LK_MISMATCH) return status;
    }
    return lk__fail(err, LK_FORMAT,
                    "%s: the copy of the vectors in memory does not fit the gallery; close and open it again",
                    g->path);
}

lk_status lk_gallery_search_many(lk_gallery *g, const float *probes, size_t count,
                                 const lk_search_options *options, lk_matches *out, lk_error *err) {
    size_t dim = (size_t)g->info.dim;
    if (options->k == 0)
        return lk__fail(err, LK_INVALID, "%s: a search for 0 photos; ask for at least 1", g->path);
    for (size_t i = 0; i < count; i++)
        if (!lk__unit_vector(probes + i * dim, g->info.dim))
            return lk__fail(err, LK_INVALID, "%s: the probe is not a vector of length 1", g->path);
    if (!count) return LK_OK;
    lk_matches *found = calloc(count, sizeof *found);
    if (!found) return lk__fail_memory(err, count * sizeof *found, "a search");
    lk_status status = g->store->searches
                           ? lk__store_search(g, probes, count, options->k, options->people, found, err)
                           : search_many(g, probes, count, options->k, options->people, found, err);
    if (status == LK_OK) memcpy(out, found, count * sizeof *found);
    free(found);
    return status;
}

lk_status lk_gallery_search(lk_gallery *g, const float *probe, size_t k, lk_matches *out, lk_error *err) {
    const lk_search_options options = {.k = k};
    return lk_gallery_search_many(g, probe, 1, &options, out, err);
}

void lk_matches_free(lk_matches *matches) {
    if (!matches) return;
    free(matches->items);
    *matches = (lk_matches){0, NULL};
}
