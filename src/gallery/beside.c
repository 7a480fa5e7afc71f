/* beside.c: when the index is written beside the gallery, when it is read, and how what was removed leaves
 * it.
 *
 * The store alone knows who is enrolled. The file GALLERY.index only spares the first search reading every
 * vector out of the store: it is believed where it names this gallery and a moment that the gallery has
 * passed through, and what happened since is read from the store as ever. Without it, or without the right to
 * write it, all is as it was, slower.
 *
 * It is written on closing, by who may write the gallery, when an eighth of it is not in the file (so the
 * writing costs each photo a fixed share), and not at all for galleries that are read in no time. */
#include "gallery/gallery.h"

#include <stdlib.h>
#include <string.h>

enum { WORTH_IT = 10000, STALE_SHARE = 8, PATH_ROOM = 4160 };

/* Of a store that is a file, and that keeps vectors in the open: the file beside it has them as they are. */
static bool beside_path(const lk_gallery *g, char *path) {
    if (g->info.encrypted || strstr(g->store->name, "://")) return false;
    return snprintf(path, PATH_ROOM, "%s.index", g->store->name) < PATH_ROOM;
}

/* ---- erasing --------------------------------------------------------------------------------------- */

typedef struct ids {
    int64_t *items;
    size_t count, room;
} ids;

static lk_status on_removed(void *context, int64_t photo, lk_error *err) {
    ids *list = context;
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 256;
        int64_t *grown = realloc(list->items, room * sizeof *grown);
        if (!grown) return lk__fail_memory(err, room * sizeof *grown, "what was removed");
        list->items = grown;
        list->room = room;
    }
    list->items[list->count++] = photo;
    return LK_OK;
}

static lk_status on_added(void *context, const lk__photo *photo, lk_error *err) {
    (void)context, (void)photo, (void)err;
    return LK_OK;
}

/* If it cannot be done the file has to go: nothing removed may stay in it. */
void lk__beside_erase(lk_gallery *g) {
    char path[PATH_ROOM];
    lk__index_state state;
    lk_error err;
    ids removed = {NULL, 0, 0};
    if (g->store->read_only || !beside_path(g, path)) return;
    lk_status status = lk__index_peek(path, g->store->identity, g->info.dim, &state, &err);
    if (status == LK_NOT_FOUND || status == LK_MISMATCH) return; /* another gallery's is not ours to touch */
    if (status == LK_OK) {
        lk__cursors ends = {0, 0};
        lk__moment now = {.cursors = {0, 0}};
        pthread_mutex_lock(&g->follow);
        status = g->store->ops->ends(g->store, &ends, &err);
        lk__cursors from = {ends.photo + 1, state.erased}; /* no photos, removals only */
        if (status == LK_OK && ends.removed > state.erased)
            status = g->store->ops->changes(g->store, from, on_removed, on_added, &removed, &now, &err);
        pthread_mutex_unlock(&g->follow);
        if (status == LK_OK && ends.removed > state.erased)
            status = lk__index_erase(path, g->store->identity, g->info.dim, removed.items, removed.count,
                                     now.cursors.removed, &err);
    }
    if (status != LK_OK) lk__index_discard(path);
    free(removed.items);
}

/* ---- reading --------------------------------------------------------------------------------------- */

/* Into the empty index, with g->follow held. What is not to be believed is left where it is: whoever may
 * write will write it anew. */
void lk__beside_load(lk_gallery *g) {
    char path[PATH_ROOM];
    lk__index_state state;
    lk_error err;
    bool passed = false;
    if (g->beside_tried || !beside_path(g, path)) return;
    g->beside_tried = true;
    lk_status status = lk__index_load(g->index, path, g->store->identity, &state, &err);
    g->beside_damaged = status == LK_FORMAT;
    if (status != LK_OK) return;
    if (g->store->ops->passed(g->store, &state.moment, &passed, &err) == LK_OK && passed)
        g->seen = state.moment;
    else
        lk__index_clear(g->index);
}

/* ---- writing --------------------------------------------------------------------------------------- */

static bool worth_it(lk_gallery *g, const char *path) {
    lk__index_state state;
    lk_error err;
    lk__cursors ends = {0, 0};
    size_t people = 0, photos = 0;
    bool passed = false;
    const lk__store_ops *ops = g->store->ops;
    if (ops->ends(g->store, &ends, &err) != LK_OK || ends.photo < WORTH_IT) return false;
    if (ops->counts(g->store, &people, &photos, &err) != LK_OK || photos < WORTH_IT) return false;
    if (lk__index_peek(path, g->store->identity, g->info.dim, &state, &err) != LK_OK) return true;
    if (ops->passed(g->store, &state.moment, &passed, &err) != LK_OK || !passed) return true;
    lk__cursors then = state.moment.cursors;
    return (size_t)(ends.photo - then.photo + ends.removed - then.removed) > state.rows / STALE_SHARE;
}

/* Failing is no failure of closing: what is not written is read from the store. */
void lk__beside_save(lk_gallery *g) {
    char path[PATH_ROOM];
    lk_error err;
    lk__index_state state = {.rows = 0};
    if (g->store->read_only || !beside_path(g, path)) return;
    lk__beside_erase(g); /* what a process that was killed has left */
    if (!g->beside_damaged && !worth_it(g, path)) return;
    if (lk__gallery_follow(g, &err) != LK_OK) return;
    strcpy(state.identity, g->store->identity);
    state.moment = g->seen;
    state.erased = g->seen.cursors.removed;
    (void)lk__index_save(g->index, path, &state, &err);
}
