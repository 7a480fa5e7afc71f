/* gallery.c: opening, transactions and changes: what holds for every store. It knows no SQL.
 *
 * Every change is a transaction of its own or, between begin and commit, goes to a mark that it can be taken
 * back to. So a call that fails has changed nothing, whatever the store. */
#include "gallery/gallery.h"

#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 256 };

/* ---- the handle ---------------------------------------------------------------------------------- */

static lk_status check_key(const lk__store *store, const uint8_t *key, lk_error *err) {
    if (!store->info.encrypted) return LK_OK;
    if (!key)
        return lk__fail(err, LK_MISMATCH, "%s: the gallery is encrypted, and no key was given", store->name);
    if (lk__seal_check_fits(key, store->seal_check)) return LK_OK;
    return lk__fail(err, LK_MISMATCH, "%s: the gallery is encrypted with another key than the one given",
                    store->name);
}

static lk_status wrap(lk__store *store, const uint8_t *key, lk_gallery **out, lk_error *err) {
    lk_status status = check_key(store, key, err);
    lk_gallery *g = status == LK_OK ? calloc(1, sizeof *g) : NULL;
    if (!g || !(g->path = strdup(store->name)) || lk__index_new(store->info.dim, &g->index, err) != LK_OK ||
        pthread_mutex_init(&g->lock, NULL) != 0) {
        if (g) lk__index_free(g->index);
        if (g) free(g->path);
        free(g);
        store->ops->close(store);
        return status == LK_OK ? lk__fail_memory(err, sizeof *g, "a gallery") : status;
    }
    pthread_mutex_init(&g->follow, NULL); /* as the one above: it takes no memory here */
    g->store = store;
    g->info = store->info;
    if (g->info.encrypted) memcpy(g->key, key, sizeof g->key);
    lk__audit_who(g->who);
    status = store->read_only ? LK_OK : lk__audit_begin(g, err);
    if (status == LK_OK)
        *out = g;
    else
        lk_gallery_close(g);
    return status;
}

lk_status lk_gallery_create_with(const char *path, const lk_vector_kind *kind,
                                 const lk_gallery_options *options, lk_gallery **out, lk_error *err) {
    lk__store *store = NULL;
    uint8_t check[LK__SEAL_CHECK];
    if (options->key) lk__seal_check_new(options->key, check);
    lk_status status = lk__store_create(path, kind, options->key ? check : NULL, &store, err);
    return status == LK_OK ? wrap(store, options->key, out, err) : status;
}

lk_status lk_gallery_open_with(const char *path, const lk_gallery_options *options, lk_gallery **out,
                               lk_error *err) {
    lk__store *store = NULL;
    lk_status status = lk__store_open(path, (options->flags & LK_GALLERY_READ_ONLY) != 0, &store, err);
    return status == LK_OK ? wrap(store, options->key, out, err) : status;
}

lk_status lk_gallery_create(const char *path, const lk_vector_kind *kind, lk_gallery **out, lk_error *err) {
    return lk_gallery_create_with(path, kind, &(lk_gallery_options){.key = NULL}, out, err);
}

lk_status lk_gallery_open(const char *path, int flags, lk_gallery **out, lk_error *err) {
    return lk_gallery_open_with(path, &(lk_gallery_options){.flags = flags}, out, err);
}

void lk_gallery_close(lk_gallery *g) {
    if (!g) return;
    lk_gallery_rollback(g);
    lk__beside_save(g);
    g->store->ops->close(g->store);
    lk__index_free(g->index);
    pthread_mutex_destroy(&g->follow);
    pthread_mutex_destroy(&g->lock);
    sodium_memzero(g->key, sizeof g->key);
    free(g->path);
    free(g);
}

const char *lk_gallery_name(const lk_gallery *g) {
    return g->path;
}

lk_status lk_gallery_check_kind(const lk_gallery *g, const lk_vector_kind *kind, lk_error *err) {
    const lk_gallery_info *info = &g->info;
    if (info->dim == kind->dim && strcmp(info->fingerprint, kind->fingerprint) == 0) return LK_OK;
    return lk__fail(
        err, LK_MISMATCH,
        "%s holds vectors of model %.12s (%.200s, %d numbers), not of %.12s (%.200s, %d numbers): use that "
        "model, or enroll the photos anew",
        g->path, info->fingerprint, info->model_path[0] ? info->model_path : "no path", info->dim,
        kind->fingerprint, kind->model_path && *kind->model_path ? kind->model_path : "no path", kind->dim);
}

/* ---- transactions -------------------------------------------------------------------------------- */

static lk_status writable(const lk_gallery *g, lk_error *err) {
    if (g->store->read_only)
        return lk__fail(err, LK_INVALID, "%s: the gallery was opened for reading only", g->path);
    if (g->in_transaction && !g->store->ops->in_transaction(g->store))
        return lk__fail(err, LK_IO,
                        "%s: an earlier error undid the whole transaction; roll back and begin again",
                        g->path);
    return LK_OK;
}

lk_status lk__change_begin(lk_gallery *g, lk_error *err) {
    const lk__store_ops *ops = g->store->ops;
    lk_status status = writable(g, err);
    if (status != LK_OK) return status;
    return g->in_transaction ? ops->mark(g->store, err) : ops->begin(g->store, err);
}

lk_status lk__change_end(lk_gallery *g, lk_status status, lk_error *err) {
    const lk__store_ops *ops = g->store->ops;
    if (status == LK_OK) status = g->in_transaction ? ops->keep(g->store, err) : ops->commit(g->store, err);
    if (status == LK_OK && !g->in_transaction) lk__beside_erase(g);
    if (status != LK_OK && ops->in_transaction(g->store)) {
        if (g->in_transaction)
            ops->undo(g->store);
        else
            ops->rollback(g->store);
    }
    return status;
}

lk_status lk_gallery_begin(lk_gallery *g, lk_error *err) {
    pthread_mutex_lock(&g->lock);
    lk_status status =
        g->in_transaction
            ? lk__fail(err, LK_INVALID, "%s: a transaction is already open; commit it first", g->path)
            : writable(g, err);
    if (status == LK_OK) status = g->store->ops->begin(g->store, err);
    if (status == LK_OK) g->in_transaction = true;
    pthread_mutex_unlock(&g->lock);
    return status;
}

lk_status lk_gallery_commit(lk_gallery *g, lk_error *err) {
    pthread_mutex_lock(&g->lock);
    lk_status status = g->in_transaction ? writable(g, err)
                                         : lk__fail(err, LK_INVALID, "%s: no transaction is open", g->path);
    if (status == LK_OK) status = g->store->ops->commit(g->store, err);
    if (status != LK_OK && g->in_transaction) g->store->ops->rollback(g->store);
    g->in_transaction = false;
    if (status == LK_OK) lk__beside_erase(g);
    pthread_mutex_unlock(&g->lock);
    return status;
}

void lk_gallery_rollback(lk_gallery *g) {
    if (!g) return;
    pthread_mutex_lock(&g->lock);
    if (g->in_transaction) g->store->ops->rollback(g->store);
    g->in_transaction = false;
    pthread_mutex_unlock(&g->lock);
}

/* ---- enrolling ----------------------------------------------------------------------------------- */

static lk_status check_person(const lk_gallery *g, const char *name, lk_error *err) {
    if (lk__name_valid(name, LK__PERSON_BYTES)) return LK_OK;
    return lk__fail(
        err, LK_INVALID,
        "%s: \"%.100s\" cannot be a person's name: 1 to %d bytes of UTF-8 without control characters",
        g->path, name ? name : "", LK__PERSON_BYTES);
}

static lk_status check_enrollment(const lk_gallery *g, const lk_enrollment *e, lk_error *err) {
    lk_status status = check_person(g, e->person, err);
    if (status != LK_OK) return status;
    if (!lk__name_valid(e->photo, LK__PHOTO_BYTES))
        return lk__fail(
            err, LK_INVALID,
            "%s: \"%.100s\" cannot be a photo's name: 1 to %d bytes of UTF-8 without control characters",
            g->path, e->photo ? e->photo : "", LK__PHOTO_BYTES);
    if (e->source && !lk__name_valid(e->source, LK__PHOTO_BYTES))
        return lk__fail(err, LK_INVALID,
                        "%s: \"%.100s\" cannot be kept as where a photo lies: 1 to %d bytes of UTF-8 without "
                        "control characters",
                        g->path, e->source, LK__PHOTO_BYTES);
    if (e->crop && (e->crop_size < 1 || e->crop_size > LK__CROP_BYTES))
        return lk__fail(err, LK_INVALID, "%s: a crop of \"%.100s\" of %zu bytes; 1 to %d are possible",
                        g->path, e->photo, e->crop_size, LK__CROP_BYTES);
    if (!(e->quality >= 0 && e->quality < HUGE_VAL))
        return lk__fail(err, LK_INVALID, "%s: \"%.100s\" cannot have a quality of %g", g->path, e->photo,
                        e->quality);
    if ((e->added && !lk__time_valid(e->added)) || (e->person_added && !lk__time_valid(e->person_added)))
        return lk__fail(err, LK_INVALID,
                        "%s: \"%.100s\" cannot have been added at that time: 2026-11-28T03:04:05Z, say",
                        g->path, e->photo);
    if (!lk__unit_vector(e->vector, g->info.dim))
        return lk__fail(err, LK_INVALID, "%s: the vector of \"%.100s\" does not have length 1", g->path,
                        e->photo);
    return LK_OK;
}

/* So many go to the store in one call: for one on a server every call is a way there and back. */
enum { SOME = 64 };

/* What the audit tells of photos that were added: of each first what it replaced, if anything. */
static lk_status tell_added(lk_gallery *g, const lk__photo *photos, const lk__added *added, size_t count,
                            lk_error *err) {
    uint8_t names[SOME][LK__HASH];
    lk__audit_row rows[2 * SOME];
    size_t told = 0;
    for (size_t i = 0; i < count; i++) {
        if (added[i].replaced)
            rows[told++] = (lk__audit_row){
                .action = "remove-photo", .person_id = added[i].person_id, .photo_id = added[i].replaced};
        rows[told] =
            (lk__audit_row){.action = "enroll", .person_id = added[i].person_id, .photo_id = photos[i].id};
        if (added[i].new_person) {
            lk__audit_name(added[i].salt, photos[i].person, names[i]);
            rows[told].name = names[i];
        }
        told++;
    }
    return lk__audit_append(g, rows, told, err);
}

/* Vectors and crops sealed, in a block that is to be freed. */
static lk_status seal_photos(lk_gallery *g, lk__photo *photos, size_t count, uint8_t **block, lk_error *err) {
    size_t room = 0;
    for (size_t i = 0; i < count; i++)
        room += photos[i].vector_size + photos[i].crop_size + (size_t)2 * LK__SEAL_ROOM;
    uint8_t *at = *block = malloc(room);
    if (!at) return lk__fail_memory(err, room, g->path);
    for (size_t i = 0; i < count; i++) {
        lk__photo *p = &photos[i];
        lk__seal(g, LK__SEAL_VECTOR, p->id, p->vector, p->vector_size, at);
        p->vector = at;
        at += p->vector_size += LK__SEAL_ROOM;
        if (!p->crop) continue;
        lk__seal(g, LK__SEAL_CROP, p->id, p->crop, p->crop_size, at);
        p->crop = at;
        at += p->crop_size += LK__SEAL_ROOM;
    }
    return LK_OK;
}

/* At most SOME, under these ids or (NULL) under the first and those after it. */
static lk_status add_some(lk_gallery *g, const lk_enrollment *e, size_t count, const int64_t *ids,
                          int64_t first, lk_error *err) {
    lk__photo photos[SOME];
    lk__added added[SOME];
    uint8_t *sealed = NULL;
    for (size_t i = 0; i < count; i++)
        photos[i] = (lk__photo){.id = ids ? ids[i] : first + (int64_t)i,
                                .person = e[i].person,
                                .name = e[i].photo,
                                .added = e[i].added,
                                .person_added = e[i].person_added,
                                .source = e[i].source,
                                .quality = e[i].quality > 0 ? e[i].quality : (double)NAN,
                                .vector = e[i].vector,
                                .vector_size = (size_t)g->info.dim * sizeof(float),
                                .crop = e[i].crop,
                                .crop_size = e[i].crop ? e[i].crop_size : 0};
    lk_status status = g->info.encrypted ? seal_photos(g, photos, count, &sealed, err) : LK_OK;
    if (status == LK_OK) status = g->store->ops->add(g->store, photos, count, added, err);
    if (status == LK_OK) status = tell_added(g, photos, added, count, err);
    free(sealed);
    return status;
}

static lk_status add_all(lk_gallery *g, const lk_enrollment *e, size_t count, const int64_t *ids,
                         int64_t first, lk_error *err) {
    lk_status status = LK_OK;
    for (size_t i = 0; i < count && status == LK_OK; i += SOME)
        status = add_some(g, e + i, count - i < SOME ? count - i : SOME, ids ? ids + i : NULL,
                          first + (int64_t)i, err);
    return status;
}

lk_status lk_gallery_enroll(lk_gallery *g, const lk_enrollment *photos, size_t count, int64_t *ids,
                            lk_error *err) {
    int64_t first = 0;
    for (size_t i = 0; i < count; i++) {
        lk_status status = check_enrollment(g, &photos[i], err);
        if (status != LK_OK) return status;
    }
    pthread_mutex_lock(&g->lock);
    lk_status status = lk__change_begin(g, err);
    if (status == LK_OK) {
        status = g->store->ops->reserve(g->store, count, &first, err);
        if (status == LK_OK) status = add_all(g, photos, count, NULL, first, err);
        status = lk__change_end(g, status, err);
    }
    pthread_mutex_unlock(&g->lock);
    if (status == LK_OK && ids)
        for (size_t i = 0; i < count; i++) ids[i] = first + (int64_t)i;
    return status;
}

/* The ids that are passed over are reserved too, so that the store's next one is above them. */
static lk_status restore_ids(lk_gallery *g, const int64_t *ids, size_t count, lk__restore *state,
                             int64_t *first, lk_error *err) {
    lk_status status = LK_OK;
    if (!state->begun || state->keep) {
        status = g->store->ops->reserve(g->store, (size_t)(ids[count - 1] - state->last), first, err);
        state->keep = status == LK_OK && *first == state->last + 1;
        if (state->keep) state->last = ids[count - 1];
    }
    state->begun = true;
    return status == LK_OK && !state->keep ? g->store->ops->reserve(g->store, count, first, err) : status;
}

lk_status lk__gallery_restore(lk_gallery *g, const lk_enrollment *photos, const int64_t *ids, size_t count,
                              lk__restore *state, lk_error *err) {
    int64_t first = 0;
    for (size_t i = 0; i < count; i++) {
        lk_status status = check_enrollment(g, &photos[i], err);
        if (status != LK_OK) return status;
    }
    pthread_mutex_lock(&g->lock);
    lk_status status = lk__change_begin(g, err);
    if (status == LK_OK) {
        status = restore_ids(g, ids, count, state, &first, err);
        if (status == LK_OK) status = add_all(g, photos, count, state->keep ? ids : NULL, first, err);
        status = lk__change_end(g, status, err);
    }
    pthread_mutex_unlock(&g->lock);
    return status;
}

lk_status lk_gallery_add(lk_gallery *g, const char *person, const char *photo, const float *vector,
                         int64_t *photo_id, lk_error *err) {
    const lk_enrollment e = {.person = person, .photo = photo, .vector = vector};
    return lk_gallery_enroll(g, &e, 1, photo_id, err);
}

/* ---- other changes ------------------------------------------------------------------------------- */

typedef struct removal {
    lk_gallery *g;
    int64_t last; /* photo */
    size_t photos;
} removal;

static lk_status tell_removed(void *context, const lk__photo *photo, lk_error *err) {
    removal *r = context;
    lk__audit_row row = {.action = "remove-photo", .person_id = photo->person_id, .photo_id = photo->id};
    r->last = photo->id;
    r->photos++;
    return lk__audit_append(r->g, &row, 1, err);
}

static lk_status remove_person(lk_gallery *g, const char *person, size_t *photos, lk_error *err) {
    removal r = {.g = g};
    lk__audit_row row = {.action = "remove"};
    lk_status status = g->store->ops->person(g->store, person, &row.person_id, NULL, err);
    for (bool more = true; more && status == LK_OK;) {
        size_t before = r.photos;
        status = g->store->ops->photos(g->store, person, r.last, PAGE, tell_removed, &r, err);
        more = r.photos == before + PAGE;
    }
    if (status == LK_OK) status = g->store->ops->remove_person(g->store, row.person_id, err);
    if (status == LK_OK) status = lk__audit_append(g, &row, 1, err);
    *photos = r.photos;
    return status;
}

lk_status lk_gallery_remove(lk_gallery *g, const char *person, size_t *photos_removed, lk_error *err) {
    size_t photos = 0;
    pthread_mutex_lock(&g->lock);
    lk_status status = lk__change_begin(g, err);
    if (status == LK_OK) status = lk__change_end(g, remove_person(g, person, &photos, err), err);
    pthread_mutex_unlock(&g->lock);
    if (status == LK_OK && photos_removed) *photos_removed = photos;
    return status;
}

static lk_status remove_photo(lk_gallery *g, int64_t photo_id, lk_error *err) {
    lk__audit_row row = {.action = "remove-photo", .photo_id = photo_id};
    lk_status status = g->store->ops->remove_photo(g->store, photo_id, &row.person_id, err);
    return status == LK_OK ? lk__audit_append(g, &row, 1, err) : status;
}

lk_status lk_gallery_remove_photo(lk_gallery *g, int64_t photo_id, lk_error *err) {
    pthread_mutex_lock(&g->lock);
    lk_status status = lk__change_begin(g, err);
    if (status == LK_OK) status = lk__change_end(g, remove_photo(g, photo_id, err), err);
    pthread_mutex_unlock(&g->lock);
    return status;
}

static lk_status rename_person(lk_gallery *g, const char *from, const char *to, lk_error *err) {
    uint8_t salt[LK__SALT], name[LK__HASH];
    lk__audit_row row = {.action = "rename", .name = name};
    lk_status status = g->store->ops->person(g->store, from, &row.person_id, salt, err);
    if (status == LK_OK) status = g->store->ops->rename_person(g->store, row.person_id, to, err);
    if (status != LK_OK) return status;
    lk__audit_name(salt, to, name);
    return lk__audit_append(g, &row, 1, err);
}

lk_status lk_gallery_rename(lk_gallery *g, const char *from, const char *to, lk_error *err) {
    lk_status status = check_person(g, to, err);
    if (status != LK_OK) return status;
    pthread_mutex_lock(&g->lock);
    status = lk__change_begin(g, err);
    if (status == LK_OK) status = lk__change_end(g, rename_person(g, from, to, err), err);
    pthread_mutex_unlock(&g->lock);
    return status;
}

/* ---- a photo to another person ------------------------------------------------------------------- */

typedef struct move {
    lk_gallery *g;
    const char *to;
    int64_t id;
} move;

/* A name that the person has no photo of yet. */
static lk_status free_name(const move *m, const char *name, char *out, size_t room, lk_error *err) {
    int64_t taken = 0;
    lk_status status = LK_OK;
    for (int number = 1; status == LK_OK; number++) {
        int length =
            number == 1 ? snprintf(out, room, "%s", name) : snprintf(out, room, "%s (%d)", name, number);
        if (length > LK__PHOTO_BYTES)
            return lk__fail(err, LK_INVALID, "%s: \"%.100s\" has a photo of that long name already",
                            m->g->path, m->to);
        status = m->g->store->ops->find(m->g->store, m->to, out, &taken, err);
        if (status == LK_OK && !taken) break;
    }
    return status;
}

static lk_status move_to(void *context, const lk__photo *photo, lk_error *err) {
    move *m = context;
    lk_gallery *g = m->g;
    size_t bytes = (size_t)g->info.dim * sizeof(float), crop_size = 0;
    char name[LK__PHOTO_BYTES + 16];
    uint8_t *crop = NULL;
    float *vector = malloc(bytes);
    if (!vector) return lk__fail_memory(err, bytes, g->path);
    lk_status status = lk__gallery_vector(g, photo, vector, err);
    if (status == LK_OK) status = lk__gallery_crop(g, photo, &crop, &crop_size, err);
    if (status == LK_OK) status = free_name(m, photo->name, name, sizeof name, err);
    if (status == LK_OK) status = g->store->ops->reserve(g->store, 1, &m->id, err);
    const lk_enrollment e = {.person = m->to,
                             .photo = name,
                             .vector = vector,
                             .added = photo->added,
                             .source = photo->source,
                             .crop = crop,
                             .crop_size = crop_size,
                             .quality = isnan(photo->quality) ? 0 : photo->quality};
    if (status == LK_OK) status = add_some(g, &e, 1, NULL, m->id, err);
    free(vector);
    free(crop);
    return status;
}

lk_status lk_gallery_move_photo(lk_gallery *g, int64_t photo_id, const char *person, int64_t *new_id,
                                lk_error *err) {
    move m = {.g = g, .to = person};
    lk_status status = check_person(g, person, err);
    if (status != LK_OK) return status;
    pthread_mutex_lock(&g->lock);
    status = lk__change_begin(g, err);
    if (status == LK_OK) {
        status = g->store->ops->photo(g->store, photo_id, move_to, &m, err);
        if (status == LK_OK) status = remove_photo(g, photo_id, err);
        status = lk__change_end(g, status, err);
    }
    pthread_mutex_unlock(&g->lock);
    if (status == LK_OK && new_id) *new_id = m.id;
    return status;
}

/* ---- what was stored ------------------------------------------------------------------------------ */

lk_status lk__gallery_vector(const lk_gallery *g, const lk__photo *photo, float *out, lk_error *err) {
    size_t bytes = (size_t)g->info.dim * sizeof *out,
           stored = bytes + (g->info.encrypted ? LK__SEAL_ROOM : 0);
    if (!photo->vector || photo->vector_size != stored)
        return lk__fail(err, LK_FORMAT,
                        "%s: photo %lld has a vector of the wrong size; restore a copy of the gallery",
                        g->path, (long long)photo->id);
    if (g->info.encrypted) {
        lk_status status = lk__unseal(g, LK__SEAL_VECTOR, photo->id, photo->vector, stored, out, err);
        if (status != LK_OK) return status;
    } else {
        memcpy(out, photo->vector, bytes);
    }
    if (!lk__unit_vector(out, g->info.dim))
        return lk__fail(err, LK_FORMAT, "%s: photo %lld has a damaged vector; restore a copy of the gallery",
                        g->path, (long long)photo->id);
    return LK_OK;
}

lk_status lk__gallery_crop(const lk_gallery *g, const lk__photo *photo, uint8_t **crop, size_t *size,
                           lk_error *err) {
    *crop = NULL;
    *size = 0;
    if (!photo->crop) return LK_OK;
    size_t room = g->info.encrypted ? LK__SEAL_ROOM : 0;
    uint8_t *bytes = photo->crop_size > room ? malloc(photo->crop_size) : NULL;
    if (!bytes)
        return photo->crop_size > room ? lk__fail_memory(err, photo->crop_size, g->path)
                                       : lk__fail(err, LK_FORMAT, "%s: photo %lld has a damaged crop",
                                                  g->path, (long long)photo->id);
    lk_status status = LK_OK;
    if (g->info.encrypted)
        status = lk__unseal(g, LK__SEAL_CROP, photo->id, photo->crop, photo->crop_size, bytes, err);
    else
        memcpy(bytes, photo->crop, photo->crop_size);
    if (status != LK_OK) {
        free(bytes);
        return status;
    }
    *crop = bytes;
    *size = photo->crop_size - room;
    return LK_OK;
}
