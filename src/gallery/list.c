/* list.c: looking at what a gallery keeps. Walks go page by page: a page is read under the lock and told
 * after it, so that the callback may use the gallery, even change it. */
#include "gallery/gallery.h"

#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 256 };

lk_status lk_gallery_get_info(const lk_gallery *gallery, lk_gallery_info *info, lk_error *err) {
    lk_gallery *g = (lk_gallery *)gallery; /* the lock is no part of what a caller sees */
    lk_gallery_info now = g->info;
    pthread_mutex_lock(&g->lock);
    uint8_t head[LK__HASH];
    int64_t highest = 0;
    lk_status status = g->store->ops->counts(g->store, &now.people, &now.photos, err);
    if (status == LK_OK) status = g->store->ops->audit_last(g->store, &now.audit_rows, head, &highest, err);
    pthread_mutex_unlock(&g->lock);
    if (status != LK_OK) return status;
    if (now.audit_rows) sodium_bin2hex(now.audit_head, sizeof now.audit_head, head, sizeof head);
    *info = now;
    return LK_OK;
}

/* ---- pages --------------------------------------------------------------------------------------- */

/* A row copied out of the store: `text` is one block that holds all its strings. */
typedef struct row {
    lk__photo photo;
    lk__person person;
    char *text;
} row;

typedef struct page {
    row rows[PAGE];
    size_t count;
} page;

static size_t room_of(const char *text) {
    return text ? strlen(text) + 1 : 0;
}

static const char *put(char **at, const char *text) {
    if (!text) return NULL;
    char *start = strcpy(*at, text);
    *at += strlen(text) + 1;
    return start;
}

static lk_status keep_person(void *context, const lk__person *person, lk_error *err) {
    page *p = context;
    row *r = &p->rows[p->count];
    size_t room = room_of(person->name) + room_of(person->added);
    char *at = r->text = malloc(room);
    if (!at) return lk__fail_memory(err, room, "a list of people");
    p->count++;
    r->person = *person;
    r->person.name = put(&at, person->name);
    r->person.added = put(&at, person->added);
    return LK_OK;
}

static lk_status keep_photo(void *context, const lk__photo *photo, lk_error *err) {
    page *p = context;
    row *r = &p->rows[p->count];
    size_t room =
        room_of(photo->person) + room_of(photo->name) + room_of(photo->added) + room_of(photo->source);
    char *at = r->text = malloc(room);
    if (!at) return lk__fail_memory(err, room, "a list of photos");
    p->count++;
    r->photo = *photo;
    r->photo.person = put(&at, photo->person);
    r->photo.name = put(&at, photo->name);
    r->photo.added = put(&at, photo->added);
    r->photo.source = put(&at, photo->source);
    return LK_OK;
}

static void empty(page *p) {
    for (size_t i = 0; i < p->count; i++) free(p->rows[i].text);
    p->count = 0;
}

lk_status lk_gallery_each_person(const lk_gallery *gallery, lk_gallery_person_fn fn, void *context,
                                 lk_error *err) {
    lk_gallery *g = (lk_gallery *)gallery;
    page *p = calloc(1, sizeof *p);
    char after[LK__PERSON_BYTES + 1] = "";
    bool more = true;
    lk_status status = p ? LK_OK : lk__fail_memory(err, sizeof *p, "a list of people");
    while (more && status == LK_OK) {
        pthread_mutex_lock(&g->lock);
        status = g->store->ops->people(g->store, *after ? after : NULL, PAGE, keep_person, p, err);
        pthread_mutex_unlock(&g->lock);
        more = status == LK_OK && p->count == PAGE;
        for (size_t i = 0; i < p->count && status == LK_OK; i++) {
            const lk__person *q = &p->rows[i].person;
            snprintf(after, sizeof after, "%s", q->name);
            if (fn(context, q->name, q->photos, q->added)) {
                more = false;
                break;
            }
        }
        empty(p);
    }
    free(p);
    return status;
}

/* As it was given, and not as it is stored. */
static size_t crop_size(const lk_gallery *g, const lk__photo *photo) {
    size_t room = g->info.encrypted ? LK__SEAL_ROOM : 0;
    return photo->crop_size > room ? photo->crop_size - room : 0;
}

lk_status lk_gallery_each_photo(const lk_gallery *gallery, const char *person, lk_gallery_photo_fn fn,
                                void *context, lk_error *err) {
    lk_gallery *g = (lk_gallery *)gallery;
    page *p = calloc(1, sizeof *p);
    int64_t after = 0;
    bool more = true;
    lk_status status = p ? LK_OK : lk__fail_memory(err, sizeof *p, "a list of photos");
    while (more && status == LK_OK) {
        pthread_mutex_lock(&g->lock);
        status = g->store->ops->photos(g->store, person, after, PAGE, keep_photo, p, err);
        pthread_mutex_unlock(&g->lock);
        more = status == LK_OK && p->count == PAGE;
        for (size_t i = 0; i < p->count && status == LK_OK; i++) {
            const lk__photo *q = &p->rows[i].photo;
            const lk_gallery_photo told = {.id = q->id,
                                           .person = q->person,
                                           .photo = q->name,
                                           .added = q->added,
                                           .source = q->source,
                                           .quality = isnan(q->quality) ? 0 : q->quality,
                                           .crop_size = crop_size(g, q)};
            after = q->id;
            if (fn(context, &told)) {
                more = false;
                break;
            }
        }
        empty(p);
    }
    free(p);
    return status;
}

/* ---- one photo ------------------------------------------------------------------------------------ */

typedef struct wanted {
    const lk_gallery *g;
    float *vector; /* NULL: the crop is wanted */
    uint8_t *crop;
    size_t crop_size;
} wanted;

static lk_status take(void *context, const lk__photo *photo, lk_error *err) {
    wanted *w = context;
    if (w->vector) return lk__gallery_vector(w->g, photo, w->vector, err);
    if (!photo->crop)
        return lk__fail(err, LK_NOT_FOUND, "%s: no crop of photo %lld was kept", w->g->path,
                        (long long)photo->id);
    return lk__gallery_crop(w->g, photo, &w->crop, &w->crop_size, err);
}

static lk_status get(const lk_gallery *gallery, int64_t id, wanted *w, lk_error *err) {
    lk_gallery *g = (lk_gallery *)gallery;
    w->g = g;
    pthread_mutex_lock(&g->lock);
    lk_status status = g->store->ops->photo(g->store, id, take, w, err);
    pthread_mutex_unlock(&g->lock);
    return status;
}

lk_status lk_gallery_get_vector(const lk_gallery *g, int64_t photo_id, float *vector, lk_error *err) {
    size_t bytes = (size_t)g->info.dim * sizeof *vector;
    wanted w = {.vector = malloc(bytes)};
    if (!w.vector) return lk__fail_memory(err, bytes, g->path);
    lk_status status = get(g, photo_id, &w, err);
    if (status == LK_OK) memcpy(vector, w.vector, bytes);
    free(w.vector);
    return status;
}

lk_status lk_gallery_get_crop(const lk_gallery *g, int64_t photo_id, uint8_t **bytes, size_t *size,
                              lk_error *err) {
    wanted w = {.vector = NULL};
    lk_status status = get(g, photo_id, &w, err);
    if (status != LK_OK) return status;
    *bytes = w.crop;
    *size = w.crop_size;
    return LK_OK;
}
