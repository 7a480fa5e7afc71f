/* photos.c: photo files in, unit vectors out, for every verb that looks at photos. A photo that cannot be
 * read is told and left out; the rest go on. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 32,
    BATCH_PIXELS =
        48 * 1000 * 1000, /* so that a batch of huge photos does not fill the memory: 144 MB of RGB */
    BAD_TOLD = 10,
    BAD_LISTED = 1000
};

/* ---- photos that could not be used ---------------------------------------------------------------- */

/* Does the message begin with the file, as most of the library's do? There a control character is a '?'. */
static bool names_file(const char *message, const char *path) {
    for (; *path; path++, message++)
        if (*message != *path && !(*message == '?' && ((unsigned char)*path < 32 || *path == 127)))
            return false;
    return true;
}

void cli_bad_add(cli_bad *bad, const char *path, const lk_error *why) {
    char *line = names_file(why->message, path) ? cli_format("%s", why->message)
                                                : cli_format("%s: %s", path, why->message);
    bad->lines = cli_grow(bad->lines, bad->count + 1, sizeof *bad->lines);
    bad->lines[bad->count++] = line;
    if (bad->count <= BAD_TOLD) cli_say("%s", line);
    if (bad->count == BAD_TOLD) cli_say("further photos that cannot be used are only counted until the end");
}

void cli_bad_finish(cli_bad *bad, bool list) {
    if (list && bad->count > 0) {
        cli_say("%zu %s could not be used:", bad->count, bad->count == 1 ? "photo" : "photos");
        for (size_t i = 0; i < bad->count && i < BAD_LISTED; i++) cli_say("  %s", bad->lines[i]);
        if (bad->count > BAD_LISTED) cli_say("  and %zu more", bad->count - BAD_LISTED);
    }
    for (size_t i = 0; i < bad->count; i++) free(bad->lines[i]);
    free(bad->lines);
    *bad = (cli_bad){0};
}

/* ---- embedding ------------------------------------------------------------------------------------ */

/* Photos read but not yet embedded. Those of one batch share a crop; a photo that failed holds its place with
 * a NULL image, so that results come in the order of the photos. */
typedef struct batch {
    const lk_model *model;
    lk_embedder *embedder;
    const cli_photo *photos;
    size_t first, count, pixels, dim;
    lk_image *images[BATCH]; /* (count) */
    float *vectors;          /* (BATCH, dim) */
    cli_vector_fn fn;
    void *context;
    cli_bad *bad;
} batch;

/* The good photos of the batch, close together. If they fail as one (a crop outside one of them, say), each
 * is tried alone, so that one bad photo costs only itself. */
static lk_status batch_embed(batch *b, lk_error *err) {
    const lk_image *good[BATCH];
    size_t count = 0;
    for (size_t i = 0; i < b->count; i++)
        if (b->images[i]) good[count++] = b->images[i];
    const lk_crop *crop = &b->photos[b->first].crop;
    if (!cli_crop_given(*crop)) crop = NULL;
    if (count == 0 || lk_embedder_embed(b->embedder, good, count, crop, b->vectors, err) == LK_OK)
        return LK_OK;
    float *vector = b->vectors;
    for (size_t i = 0; i < b->count; i++) {
        if (!b->images[i]) continue;
        const lk_image *one = b->images[i];
        lk_error why = {0};
        lk_status status = lk_embedder_embed(b->embedder, &one, 1, crop, vector, &why);
        if (status == LK_OK) {
            vector += b->dim;
            continue;
        }
        if (cli_exit_code(status) == CLI_SYSTEM) {
            if (err) *err = why;
            return status;
        }
        cli_bad_add(b->bad, b->photos[b->first + i].path, &why);
        lk_image_free(b->images[i]);
        b->images[i] = NULL;
    }
    return LK_OK;
}

static lk_status batch_flush(batch *b, lk_error *err) {
    lk_status status = b->count ? batch_embed(b, err) : LK_OK;
    const float *vector = b->vectors;
    for (size_t i = 0; i < b->count; i++) {
        bool good = b->images[i] != NULL;
        if (status == LK_OK) status = b->fn(b->context, b->first + i, good ? vector : NULL, err);
        if (good) vector += b->dim;
        lk_image_free(b->images[i]);
        b->images[i] = NULL;
    }
    b->first += b->count;
    b->count = b->pixels = 0;
    return status;
}

/* A rectangle beside the photo would give the border's colour, and a vector of nobody. */
static bool crop_misses(lk_crop crop, const lk_image *image) {
    return !(crop.centre > 0) && (crop.x + crop.width <= 0 || crop.y + crop.height <= 0 ||
                                  crop.x >= lk_image_width(image) || crop.y >= lk_image_height(image));
}

static lk_status photo_load(const cli_photo *photo, lk_crop crop, lk_image **out, lk_error *why) {
    lk_status status = lk_image_load(photo->path, out, why);
    if (status != LK_OK || !crop_misses(crop, *out)) return status;
    why->status = LK_MISMATCH;
    snprintf(why->message, sizeof why->message,
             "%s: the crop %g,%g,%g,%g lies outside of this photo of %d x %d pixels", photo->path, crop.x,
             crop.y, crop.width, crop.height, lk_image_width(*out), lk_image_height(*out));
    lk_image_free(*out);
    *out = NULL;
    return LK_MISMATCH;
}

static lk_status batch_read(batch *b, size_t photo, lk_error *err) {
    lk_error why = {0};
    lk_image *image = NULL;
    const cli_photo *p = &b->photos[photo];
    lk_status status =
        photo_load(p, cli_crop_given(p->crop) ? p->crop : lk_model_crop(b->model), &image, &why);
    if (status == LK_NO_MEMORY) {
        if (err) *err = why;
        return status;
    }
    if (status != LK_OK) cli_bad_add(b->bad, p->path, &why);
    if (image) b->pixels += (size_t)lk_image_width(image) * (size_t)lk_image_height(image);
    b->images[b->count++] = image;
    return LK_OK;
}

static bool same_crop(lk_crop a, lk_crop b) {
    return memcmp(&a, &b, sizeof a) == 0;
}

static void show_progress(size_t done, size_t count, double started) {
    double seconds = cli_seconds() - started;
    double rate = seconds > 0 ? (double)done / seconds : 0;
    char left[32];
    cli_progress((double)done / (double)count, false, "%zu of %zu photos  %.0f photos/s  %s left", done,
                 count, rate, cli_clock(rate > 0 ? (double)(count - done) / rate : -1, left));
}

/* A precision that the library refuses was asked for by an option, whose name the library does not know. */
static lk_status embedder_new(const lk_model *model, int batch_most, const cli_compute *compute,
                              lk_embedder **out, lk_error *err) {
    lk_error why = {0};
    lk_status status = lk_embedder_new(model, batch_most, compute->threads, compute->precision, out, &why);
    if (status == LK_OK || !err) return status;
    bool refused = status == LK_INVALID && compute->precision == LK_PRECISION_BF16;
    err->status = status;
    snprintf(err->message, sizeof err->message, "%s%.700s", refused ? "with --precision bf16: " : "",
             why.message);
    return status;
}

lk_status cli_embed(const lk_model *model, const cli_compute *compute, const cli_photo *photos, size_t count,
                    cli_vector_fn fn, void *context, cli_bad *bad, lk_error *err) {
    batch b = {.model = model,
               .photos = photos,
               .dim = (size_t)lk_model_dim(model),
               .fn = fn,
               .context = context,
               .bad = bad};
    int most = count < BATCH ? (int)count : BATCH;
    lk_status status = embedder_new(model, most ? most : 1, compute, &b.embedder, err);
    if (status != LK_OK) return status;
    b.vectors = cli_alloc(BATCH * b.dim, sizeof *b.vectors);
    cli_catch_signals();
    double started = cli_seconds();
    for (size_t i = 0; i < count && status == LK_OK; i++) {
        if (b.count && !same_crop(photos[i].crop, photos[b.first].crop)) status = batch_flush(&b, err);
        if (status == LK_OK) status = batch_read(&b, i, err);
        if (status == LK_OK && (b.count == BATCH || b.pixels >= BATCH_PIXELS)) {
            status = batch_flush(&b, err);
            show_progress(i + 1, count, started);
        }
        if (status == LK_OK && cli_stopped()) {
            status = LK_STOPPED;
            if (err) {
                err->status = LK_STOPPED;
                snprintf(err->message, sizeof err->message, "stopped on request after %zu of %zu photos",
                         i + 1, count);
            }
        }
    }
    if (status == LK_OK) status = batch_flush(&b, err);
    for (size_t i = 0; i < b.count; i++) lk_image_free(b.images[i]);
    free(b.vectors);
    lk_embedder_free(b.embedder);
    return status;
}

cli_photo *cli_dataset_photos(const lk_dataset *dataset) {
    size_t count = lk_dataset_photos(dataset);
    cli_photo *photos = cli_alloc(count, sizeof *photos);
    for (size_t i = 0; i < count; i++) {
        photos[i].path = lk_dataset_photo_path(dataset, i);
        photos[i].crop = lk_dataset_photo_crop(dataset, i);
    }
    return photos;
}

void cli_dataset_skipped(const lk_dataset *dataset, cli_bad *bad) {
    lk_error why = {0};
    const char *path;
    for (size_t i = 0; (path = lk_dataset_skipped(dataset, i, &why)); i++) cli_bad_add(bad, path, &why);
}
