/* data_read.c: of each photo its signature, its vector if there is a model, or why it cannot be read. A photo
 * is decoded once: the same pixels go to the signature, the detector and the net. What a cache knows is not
 * read again. */
#include "data.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int data_progress(void *context, double share) {
    cli_progress(share, false, "%s", (const char *)context);
    return cli_stopped();
}

/* ---- pixels -------------------------------------------------------------------------------------------- */

/* Photos that are still to be read: the i-th of them is photo[i] of the set. */
typedef struct reading {
    const data_options *o;
    data_set *set;
    data_cache *cache; /* NULL: none */
    cli_photo *photos; /* (count) */
    size_t *photo;     /* (count) */
    size_t count;
    double started;
} reading;

/* On a worker's thread; no two have the same photo. */
static void on_seen(void *context, size_t i, const lk_image *image, const lk_error *why) {
    const reading *r = context;
    data_photo *p = &r->set->photos[r->photo[i]];
    lk_error err = {0};
    if (image) {
        p->width = lk_image_width(image);
        p->height = lk_image_height(image);
        p->status = lk_image_signature(image, &r->set->signatures[r->photo[i]], &err);
        why = &err;
    } else {
        p->status = why->status;
    }
    if (p->status != LK_OK) p->why = cli_format("%s", why->message);
}

static lk_status on_faces(void *context, size_t i, const cli_faces *faces, lk_error *err) {
    const reading *r = context;
    data_set *set = r->set;
    data_photo *p = &set->photos[r->photo[i]];
    (void)err;
    if (!faces) return LK_OK;
    p->looked = faces->looked;
    p->faces = faces->found;
    p->judged = faces->count > 0 && !(faces->looked && faces->found == 0);
    if (p->judged)
        memcpy(set->vectors + r->photo[i] * (size_t)set->dim, faces->vectors,
               (size_t)set->dim * sizeof(float));
    if (r->cache) data_cache_put(r->cache, set, r->photo[i], r->photos[i].crop);
    return LK_OK;
}

static lk_status read_with_model(reading *r, lk_error *err) {
    cli_bad bad = {0};
    cli_embedding embedding = {.model = r->set->model,
                               .compute = &r->o->compute,
                               .look = &r->o->look,
                               .pick = CLI_PICK_CENTRAL,
                               .photos = r->photos,
                               .count = r->count,
                               .fn = on_faces,
                               .seen = on_seen,
                               .context = r,
                               .bad = &bad};
    lk_status status = cli_embed(&embedding, err);
    cli_bad_finish(&bad, false);
    return status;
}

static void *plain_work(void *context, int worker, size_t piece) {
    const reading *r = context;
    lk_image *image = NULL;
    lk_error err = {0};
    (void)worker;
    (void)lk_image_load(r->photos[piece].path, &image, &err);
    on_seen(context, piece, image, &err);
    lk_image_free(image);
    return context;
}

static lk_status plain_done(void *context, size_t piece, void *result, lk_error *err) {
    const reading *r = context;
    (void)result;
    if (r->cache && r->set->photos[r->photo[piece]].status == LK_OK)
        data_cache_put(r->cache, r->set, r->photo[piece], r->photos[piece].crop);
    return cli_photos_done(piece + 1, r->count, r->started, err);
}

static void plain_drop(void *result) {
    (void)result;
}

static lk_status read_without(reading *r, lk_error *err) {
    cli_crew crew = {.count = r->count,
                     .workers = cli_workers(r->o->compute.threads, r->count),
                     .context = r,
                     .work = plain_work,
                     .done = plain_done,
                     .drop = plain_drop};
    r->started = cli_seconds();
    cli_catch_signals();
    return cli_crew_run(&crew, err);
}

static void plan(reading *r) {
    data_set *set = r->set;
    r->photos = cli_alloc(set->count, sizeof *r->photos);
    r->photo = cli_alloc(set->count, sizeof *r->photo);
    for (size_t i = 0; i < set->count; i++) {
        bool against = i >= set->own_count;
        lk_crop crop = against ? lk_dataset_photo_crop(set->against, i - set->own_count)
                               : lk_dataset_photo_crop(set->own, i);
        if (!cli_crop_given(crop)) crop = r->o->crop;
        if (r->cache && data_cache_get(r->cache, set, i, crop)) continue;
        r->photos[r->count] = (cli_photo){.path = set->photos[i].path, .crop = crop};
        r->photo[r->count++] = i;
    }
    if (r->count < set->count)
        cli_say("%zu of %zu photos are known from the cache", set->count - r->count, set->count);
}

/* ---- all ----------------------------------------------------------------------------------------------- */

/* The shipped model may be missing, and then some checks are; one that was asked for may not. */
static int open_model(const data_options *o, data_set *set) {
    if (o->no_model) return CLI_OK;
    char *path = o->model ? cli_format("%s", o->model) : cli_shipped_model("face-small.safetensors");
    lk_error err;
    int code = CLI_OK;
    if (!o->model && access(path, R_OK) != 0)
        cli_say(
            "%s: there is no such model, so labels, faces and people are not checked; give one with --model",
            path);
    else if (lk_model_open(path, &set->model, &err) != LK_OK)
        code = cli_fail(&err);
    free(path);
    return code;
}

static int read_all(const data_options *o, data_set *set, data_cache *cache) {
    lk_error err = {0};
    reading r = {.o = o, .set = set, .cache = cache};
    if (set->model) {
        set->dim = lk_model_dim(set->model);
        set->vectors = cli_alloc(set->count * (size_t)set->dim, sizeof *set->vectors);
    }
    plan(&r);
    lk_status status = LK_OK;
    if (r.count) status = set->model ? read_with_model(&r, &err) : read_without(&r, &err);
    cli_progress_suspend(); /* take the bar away */
    cli_progress_resume();
    for (size_t i = 0; i < set->count; i++) set->looked |= set->photos[i].looked;
    free(r.photos);
    free(r.photo);
    int code = status == LK_OK ? CLI_OK : cli_fail(&err);
    if (status == LK_STOPPED && cache) cli_say("what was read is in %s; the same command goes on", o->cache);
    return code;
}

int data_read(const data_options *o, data_set *set) {
    data_cache *cache = NULL;
    int code = open_model(o, set);
    if (code == CLI_OK) code = data_list(o, set);
    if (code == CLI_OK && o->cache) code = data_cache_open(o, set->model, &cache);
    if (code == CLI_OK) code = read_all(o, set, cache);
    int written = data_cache_close(cache);
    return code == CLI_OK ? written : code;
}

void data_set_free(data_set *set) {
    for (size_t i = 0; i < set->count; i++) free(set->photos[i].why);
    free(set->photos);
    free(set->people);
    free(set->signatures);
    free(set->vectors);
    lk_model_free(set->model);
    lk_dataset_free(set->own);
    lk_dataset_free(set->against);
    *set = (data_set){0};
}
