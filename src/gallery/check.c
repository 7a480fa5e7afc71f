/* check.c: is a gallery sound? All that can be told without the photos: the store itself, every vector and
 * crop, the account of what was done, and the copy in memory that searches use. */
#include "gallery/gallery.h"

#include <stdlib.h>

typedef struct checker {
    lk_gallery *g;
    lk_gallery_finding_fn fn;
    void *context;
    size_t found, photos;
    float *vector;
} checker;

static void say(checker *c, const char *finding) {
    c->found++;
    c->fn(c->context, finding);
}

static void on_finding(void *context, const char *finding) {
    say(context, finding);
}

/* What damage says of itself; whatever else goes wrong is no finding. */
static lk_status told(checker *c, lk_status status, const lk_error *why, lk_error *err) {
    if (status == LK_FORMAT)
        say(c, why->message);
    else if (status != LK_OK && err)
        *err = *why;
    return status == LK_FORMAT ? LK_OK : status;
}

static lk_status on_photo(void *context, const lk__photo *photo, lk_error *err) {
    checker *c = context;
    lk_error why = {LK_OK, ""};
    c->photos++;
    return told(c, lk__gallery_vector(c->g, photo, c->vector, &why), &why, err);
}

static lk_status on_removed(void *context, int64_t photo_id, lk_error *err) {
    (void)context, (void)photo_id, (void)err;
    return LK_OK;
}

static lk_status check_vectors(checker *c, lk_error *err) {
    lk_gallery *g = c->g;
    lk__moment now;
    lk_error why = {LK_OK, ""};
    pthread_mutex_lock(&g->follow);
    lk_status status =
        g->store->ops->changes(g->store, (lk__cursors){0, 0}, on_removed, on_photo, c, &now, &why);
    pthread_mutex_unlock(&g->follow);
    return told(c, status, &why, err);
}

static int on_crop(void *context, const lk_gallery_photo *photo) {
    checker *c = context;
    uint8_t *bytes = NULL;
    size_t size = 0;
    lk_error why = {LK_OK, ""};
    if (!photo->crop_size) return 0;
    lk_status status = lk_gallery_get_crop(c->g, photo->id, &bytes, &size, &why);
    free(bytes);
    if (status == LK_FORMAT) say(c, why.message);
    return 0; /* gone meanwhile: no matter */
}

static int on_row(void *context, const lk_audit_row *row) {
    checker *c = context;
    char text[256];
    if (!row->fault) return 0;
    snprintf(text, sizeof text, "%s: audit, row %lld: %s", c->g->path, (long long)row->number, row->fault);
    say(c, text);
    return 0;
}

lk_status lk_gallery_check(const lk_gallery *gallery, lk_gallery_finding_fn fn, void *context,
                           lk_error *err) {
    lk_gallery *g = (lk_gallery *)gallery;
    checker c = {.g = g, .fn = fn, .context = context};
    lk_error why = {LK_OK, ""};
    c.vector = malloc((size_t)g->info.dim * sizeof *c.vector);
    if (!c.vector) return lk__fail_memory(err, (size_t)g->info.dim * sizeof *c.vector, g->path);
    pthread_mutex_lock(&g->lock);
    lk_status status = g->store->ops->check(g->store, on_finding, &c, err);
    pthread_mutex_unlock(&g->lock);
    if (status == LK_OK) status = check_vectors(&c, err);
    if (status == LK_OK) status = told(&c, lk_gallery_each_photo(g, NULL, on_crop, &c, &why), &why, err);
    if (status == LK_OK) status = told(&c, lk_gallery_each_audit(g, NULL, on_row, &c, &why), &why, err);
    if (status == LK_OK && !c.found) status = told(&c, lk__gallery_check_index(g, &why), &why, err);
    free(c.vector);
    return status;
}

lk_status lk_gallery_backup(const lk_gallery *gallery, const char *path, lk_error *err) {
    lk_gallery *g = (lk_gallery *)gallery;
    pthread_mutex_lock(&g->follow);
    lk_status status = g->store->ops->backup(g->store, path, err);
    pthread_mutex_unlock(&g->follow);
    return status;
}
