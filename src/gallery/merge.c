/* merge.c: two galleries into one, and two people who are one.
 *
 * A gallery comes in person by person, in the order of their names, and photo by photo, in that of their ids.
 * What is there already, vector and all, is passed over: merging the same gallery again changes nothing. */
#include "gallery/exchange.h"

#include <stdlib.h>
#include <string.h>

/* ---- two galleries -------------------------------------------------------------------------------- */

typedef struct merge {
    lk_gallery *into, *from;
    const lk_merge_options *options;
    lk_merged done;
    char person[LK__PERSON_BYTES + 16]; /* as they are called in `into` */
    const char *person_added;
    float *vector, *other; /* (dim) */
    size_t photos;         /* in `from` */
    lk_status status;
    lk_error *err;
} merge;

static int one_is_enough(void *context, const lk_gallery_photo *photo) {
    (void)photo;
    *(bool *)context = true;
    return 1;
}

static lk_status has_person(const lk_gallery *g, const char *person, bool *yes, lk_error *err) {
    *yes = false;
    return lk_gallery_each_photo(g, person, one_is_enough, yes, err);
}

static lk_status find(lk_gallery *g, const char *person, const char *photo, int64_t *id, lk_error *err) {
    pthread_mutex_lock(&g->lock);
    lk_status status = g->store->ops->find(g->store, person, photo, id, err);
    pthread_mutex_unlock(&g->lock);
    return status;
}

/* What somebody from `from` is called in `into`: a new name must be nobody's in either. */
static lk_status name_person(merge *m, const char *person) {
    bool taken = false, theirs = false;
    snprintf(m->person, sizeof m->person, "%s", person);
    lk_status status = has_person(m->into, person, &taken, m->err);
    if (status != LK_OK) return status;
    if (!taken) m->done.people++;
    if (!taken || !m->options->rename) {
        m->done.joined += taken;
        return LK_OK;
    }
    for (int number = 2; status == LK_OK && (taken || theirs); number++) {
        snprintf(m->person, sizeof m->person, "%s (%d)", person, number);
        if (!lk__name_valid(m->person, LK__PERSON_BYTES))
            return lk__fail(m->err, LK_INVALID,
                            "%s: \"%.100s\" is too long a name to be told from another one", m->into->path,
                            person);
        status = has_person(m->into, m->person, &taken, m->err);
        if (status == LK_OK) status = has_person(m->from, m->person, &theirs, m->err);
    }
    m->done.renamed++;
    m->done.people++;
    return status;
}

/* A name that the person has no other photo of; `there`: it is the name of the very photo. */
static lk_status name_photo(merge *m, const char *photo, char *name, size_t room, bool *there) {
    size_t bytes = (size_t)m->into->info.dim * sizeof *m->vector;
    *there = false;
    for (int number = 1;; number++) {
        int64_t id = 0;
        int length =
            number == 1 ? snprintf(name, room, "%s", photo) : snprintf(name, room, "%s (%d)", photo, number);
        if (length > LK__PHOTO_BYTES)
            return lk__fail(m->err, LK_INVALID, "%s: \"%.100s\" has a photo of that long name already",
                            m->into->path, m->person);
        lk_status status = find(m->into, m->person, name, &id, m->err);
        if (status != LK_OK || !id) return status;
        status = lk_gallery_get_vector(m->into, id, m->other, m->err);
        if (status != LK_OK) return status;
        *there = memcmp(m->vector, m->other, bytes) == 0;
        if (*there) return LK_OK;
    }
}

static lk_status enroll(merge *m, const lk_gallery_photo *photo, const char *name) {
    uint8_t *crop = NULL;
    size_t size = 0;
    lk_status status =
        photo->crop_size ? lk_gallery_get_crop(m->from, photo->id, &crop, &size, m->err) : LK_OK;
    const lk_enrollment e = {.person = m->person,
                             .photo = name,
                             .vector = m->vector,
                             .source = photo->source,
                             .crop = crop,
                             .crop_size = size,
                             .quality = photo->quality,
                             .added = photo->added,
                             .person_added = m->person_added};
    if (status == LK_OK) status = lk_gallery_enroll(m->into, &e, 1, NULL, m->err);
    m->done.photos += status == LK_OK;
    free(crop);
    return status;
}

static int take_photo(void *context, const lk_gallery_photo *photo) {
    merge *m = context;
    char name[LK__PHOTO_BYTES + 16];
    bool there = false;
    m->status = lk_gallery_get_vector(m->from, photo->id, m->vector, m->err);
    if (m->status == LK_OK) m->status = name_photo(m, photo->photo, name, sizeof name, &there);
    if (m->status == LK_OK && there) m->done.kept++;
    if (m->status == LK_OK && !there) m->status = enroll(m, photo, name);
    if (m->status == LK_OK && m->options->progress &&
        m->options->progress(m->options->context, m->done.photos + m->done.kept, m->photos))
        m->status = lk__fail(m->err, LK_STOPPED, "%s: stopped on request; nothing was merged", m->into->path);
    return m->status != LK_OK;
}

static int take_person(void *context, const char *person, size_t photos, const char *added) {
    merge *m = context;
    (void)photos;
    m->person_added = added;
    m->status = name_person(m, person);
    if (m->status == LK_OK) {
        lk_status status = lk_gallery_each_photo(m->from, person, take_photo, m, m->err);
        if (status != LK_OK) m->status = status;
    }
    return m->status != LK_OK;
}

static lk_status merge_all(merge *m) {
    lk_status status = lk_gallery_begin(m->into, m->err);
    if (status != LK_OK) return status;
    status = lk_gallery_each_person(m->from, take_person, m, m->err);
    if (status == LK_OK) status = m->status;
    if (status == LK_OK) return lk_gallery_commit(m->into, m->err);
    lk_gallery_rollback(m->into);
    return status;
}

lk_status lk_gallery_merge(lk_gallery *into, const lk_gallery *from, const lk_merge_options *options,
                           lk_merged *merged, lk_error *err) {
    lk_error ignored;
    merge m = {.into = into, .from = (lk_gallery *)from, .options = options, .err = err ? err : &ignored};
    const lk_vector_kind kind = {
        .dim = from->info.dim, .fingerprint = from->info.fingerprint, .model_path = from->info.model_path};
    lk_gallery_info info;
    lk_status status = lk_gallery_check_kind(into, &kind, m.err);
    if (status == LK_OK) status = lk_gallery_get_info(from, &info, m.err);
    if (status != LK_OK) return status;
    size_t bytes = 2 * (size_t)from->info.dim * sizeof *m.vector;
    m.photos = info.photos;
    m.vector = malloc(bytes);
    if (!m.vector) return lk__fail_memory(err, bytes, into->path);
    m.other = m.vector + from->info.dim;
    status = merge_all(&m);
    if (status == LK_OK && merged) *merged = m.done;
    free(m.vector);
    return status;
}

/* ---- people who are one --------------------------------------------------------------------------- */

typedef struct gathering {
    int64_t *ids;
    size_t count;
    bool failed;
} gathering;

static int gather(void *context, const lk_gallery_photo *photo) {
    gathering *g = context;
    int64_t *grown = lk__grow(g->ids, g->count, sizeof *grown);
    if (!grown) {
        g->failed = true;
        return 1;
    }
    g->ids = grown;
    g->ids[g->count++] = photo->id;
    return 0;
}

static lk_status move_person(lk_gallery *g, const char *from, const char *into, size_t *moved,
                             lk_error *err) {
    gathering photos = {.count = 0};
    lk_status status = lk_gallery_each_photo(g, from, gather, &photos, err);
    if (status == LK_OK && photos.failed) status = lk__fail_memory(err, sizeof *photos.ids, g->path);
    if (status == LK_OK && photos.count == 0)
        status = lk__fail(err, LK_NOT_FOUND, "%s: nobody is called \"%.200s\"", g->path, from);
    for (size_t i = 0; i < photos.count && status == LK_OK; i++)
        status = lk_gallery_move_photo(g, photos.ids[i], into, NULL, err);
    if (status == LK_OK) *moved += photos.count;
    free(photos.ids);
    return status;
}

lk_status lk_gallery_merge_people(lk_gallery *g, const char *into, const char *const *others, size_t count,
                                  size_t *moved, lk_error *err) {
    bool there = false;
    size_t photos = 0;
    for (size_t i = 0; i < count; i++)
        if (strcmp(others[i], into) == 0)
            return lk__fail(err, LK_INVALID, "%s: \"%.200s\" cannot be merged with themselves", g->path,
                            into);
    lk_status status = lk_gallery_begin(g, err);
    if (status != LK_OK) return status;
    status = has_person(g, into, &there, err);
    if (status == LK_OK && !there)
        status = lk__fail(err, LK_NOT_FOUND, "%s: nobody is called \"%.200s\"", g->path, into);
    for (size_t i = 0; i < count && status == LK_OK; i++)
        status = move_person(g, others[i], into, &photos, err);
    if (status == LK_OK) status = lk_gallery_commit(g, err);
    if (status != LK_OK) {
        lk_gallery_rollback(g);
        return status;
    }
    if (moved) *moved = photos;
    return LK_OK;
}
