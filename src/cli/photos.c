/* photos.c: photo files in, unit vectors out, for every verb that looks at photos. A photo that cannot be
 * read is told and left out; the rest go on.
 *
 *   photo -> its crop, or (whole) aligned faces of a marked folder, or the faces found in it, aligned
 *         -> crops of the net's own size -> vectors -> the verb, photo by photo in order
 *
 * A worker (crew.c) takes a few photos at a time all the way, so that its net has a few faces at once, and
 * keeps of each photo only the crops: one decoded photo a worker is all that memory must hold. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 4, BATCH = 2 }; /* photos of a piece; faces the net takes at once, with their mirror images */

/* What is done with a photo. */
typedef struct plan {
    bool find, aligned; /* the crop is a face that is aligned */
    lk_crop crop;       /* when nothing is found, or nothing is looked for; all zero: the model's own */
} plan;

typedef struct run {
    const cli_embedding *e;
    plan *plans;  /* (e->count) */
    size_t piece; /* photos */
    int workers, width, height, dim;
    cli_finder *finder; /* NULL: no photo needs one */
    lk_embedder **embedders;
    double started;
} run;

/* One photo, from a worker to the caller. */
typedef struct outcome {
    lk_status status;
    lk_error why;
    cli_faces faces; /* its arrays are the five below */
    lk_face *found;
    size_t *number;
    float *vectors, *lengths, *quality;
    cli_jpeg *kept; /* (kept_count) */
    size_t kept_count;
} outcome;

typedef struct piece {
    size_t count;
    outcome photo[PIECE];
} piece;

static void piece_drop(void *result) {
    piece *p = result;
    for (size_t i = 0; i < p->count; i++) {
        free(p->photo[i].found);
        free(p->photo[i].number);
        free(p->photo[i].vectors);
        for (size_t k = 0; k < p->photo[i].kept_count; k++) free(p->photo[i].kept[k].bytes);
        free(p->photo[i].kept);
        free(p->photo[i].lengths);
        free(p->photo[i].quality);
    }
    free(p);
}

/* ---- one photo to crops --------------------------------------------------------------------------- */

/* A rectangle beside the photo would give the border's colour, and a vector of nobody. */
static lk_status crop_whole(const run *r, const lk_image *photo, const char *path, const plan *what,
                            lk_image **out, lk_error *err) {
    lk_crop crop = cli_crop_given(what->crop) ? what->crop : lk_model_crop(r->e->model);
    if (what->aligned) crop = lk_model_view(r->e->model, photo, crop);
    int width = lk_image_width(photo), height = lk_image_height(photo);
    bool misses = !(crop.centre > 0) && (crop.x + crop.width <= 0 || crop.y + crop.height <= 0 ||
                                         crop.x >= width || crop.y >= height);
    if (!misses) return lk_image_crop(photo, crop, r->width, r->height, out, err);
    err->status = LK_MISMATCH;
    snprintf(err->message, sizeof err->message,
             "%.400s: the crop %g,%g,%g,%g lies outside of this photo of %d x %d pixels", path, crop.x,
             crop.y, crop.width, crop.height, width, height);
    return LK_MISMATCH;
}

/* How many faces of the photo are wanted, and from which on. */
static size_t pick(const cli_embedding *e, const outcome *o, int width, int height, size_t *first) {
    size_t found = o->faces.found;
    *first = 0;
    switch (e->pick) {
    case CLI_PICK_ALL: return found;
    case CLI_PICK_LARGEST: break;
    case CLI_PICK_CENTRAL:
        if (found) *first = cli_face_central(o->found, found, width, height);
        break;
    case CLI_PICK_ONLY: return found == 1;
    case CLI_PICK_NUMBER: *first = e->number; return e->number < found;
    }
    return found > 0;
}

/* ---- damage --------------------------------------------------------------------------------------- */

static void replace(lk_image **image, lk_image *by) {
    lk_image_free(*image);
    *image = by;
}

/* Of the photo, whatever is found in it afterwards. */
static lk_status photo_damage(const run *r, int worker, size_t photo, lk_image **image, lk_error *err) {
    const lk_damage *damage = &r->e->photos[photo].damage;
    lk_face *faces = NULL;
    lk_image *worse = NULL;
    size_t count = 0;
    lk_status status = LK_OK;
    if (damage->kind == LK_DAMAGE_NONE || damage->kind == LK_DAMAGE_PIXELS) return LK_OK;
    if (r->plans[photo].find) status = cli_finder_find(r->finder, worker, *image, &faces, &count, err);
    if (status == LK_OK) {
        const lk_face *face =
            count ? &faces[cli_face_central(faces, count, lk_image_width(*image), lk_image_height(*image))]
                  : NULL;
        status = lk_damage_photo(damage, *image, face, &worse, err);
    }
    if (status == LK_OK) replace(image, worse);
    free(faces);
    return status;
}

/* Of a face that was cut out. */
static lk_status crop_damage(const run *r, size_t photo, lk_image **crop, lk_error *err) {
    const lk_damage *damage = &r->e->photos[photo].damage;
    lk_image *worse = NULL;
    if (damage->kind != LK_DAMAGE_PIXELS) return LK_OK;
    lk_status status = lk_damage_photo(damage, *crop, NULL, &worse, err);
    if (status == LK_OK) replace(crop, worse);
    return status;
}

/* ---- what a gallery keeps ------------------------------------------------------------------------- */

enum { KEPT_QUALITY = 92 };

/* The part that is embedded and what is around it. */
static lk_crop with_room(lk_crop crop, int width, int height) {
    if (crop.centre > 0) {
        double side = crop.centre * (width < height ? width : height);
        crop = (lk_crop){.x = (width - side) / 2, .y = (height - side) / 2, .width = side, .height = side};
    }
    return (lk_crop){.x = crop.x - crop.width * (CLI_KEPT_ROOM - 1) / 2,
                     .y = crop.y - crop.height * (CLI_KEPT_ROOM - 1) / 2,
                     .width = crop.width * CLI_KEPT_ROOM,
                     .height = crop.height * CLI_KEPT_ROOM};
}

/* face NULL: the photo was taken whole. */
static lk_status keep_face(const run *r, const lk_image *photo, const plan *what, const lk_face *face,
                           cli_jpeg *out, lk_error *err) {
    lk_image *kept = NULL;
    lk_crop crop = cli_crop_given(what->crop) ? what->crop : lk_model_crop(r->e->model);
    lk_status status =
        face ? lk_image_align(photo, face->point, CLI_KEPT_ROOM, CLI_KEPT_SIDE, CLI_KEPT_SIDE, &kept, err)
             : lk_image_crop(photo, with_room(crop, lk_image_width(photo), lk_image_height(photo)),
                             CLI_KEPT_SIDE, CLI_KEPT_SIDE, &kept, err);
    if (status == LK_OK) status = lk_image_encode_jpeg(kept, KEPT_QUALITY, &out->bytes, &out->size, err);
    lk_image_free(kept);
    return status;
}

static lk_status keep_faces(const run *r, size_t photo, const lk_image *image, outcome *o) {
    size_t count = o->faces.whole ? 1 : o->faces.count;
    lk_status status = LK_OK;
    if (!r->e->keep) return LK_OK;
    o->kept = cli_alloc(count, sizeof *o->kept);
    o->kept_count = count;
    for (size_t i = 0; i < count && status == LK_OK; i++)
        status = keep_face(r, image, &r->plans[photo], o->faces.whole ? NULL : &o->found[o->number[i]],
                           &o->kept[i], &o->why);
    o->faces.kept = o->kept;
    return status;
}

/* ---- one photo ------------------------------------------------------------------------------------ */

/* Fills the outcome but for its vectors; crops (count) of what is to be embedded, to be freed. */
static lk_status photo_crops(const run *r, int worker, size_t photo, const lk_image *image, outcome *o,
                             lk_image ***crops) {
    const plan *what = &r->plans[photo];
    const char *path = r->e->photos[photo].path;
    lk_status status = LK_OK;
    size_t first = 0, count = 1;
    if (what->find) {
        status = cli_finder_find(r->finder, worker, image, &o->found, &o->faces.found, &o->why);
        if (status != LK_OK) return status;
        o->faces.face = o->found;
        count = pick(r->e, o, lk_image_width(image), lk_image_height(image), &first);
    }
    o->faces.looked = what->find;
    o->faces.whole = !what->find || (r->e->pick == CLI_PICK_CENTRAL && o->faces.found == 0);
    if (o->faces.whole) count = 1;
    *crops = cli_alloc(count, sizeof **crops);
    if (o->faces.whole) {
        status = crop_whole(r, image, path, what, *crops, &o->why);
        return status == LK_OK ? crop_damage(r, photo, *crops, &o->why) : status;
    }
    o->number = cli_alloc(count, sizeof *o->number);
    o->faces.number = o->number;
    for (size_t i = 0; i < count && status == LK_OK; i++) {
        status = lk_face_cut(r->e->model, image, &o->found[first + i], *crops + i, &o->why);
        o->number[i] = first + i;
        o->faces.count += status == LK_OK; /* here: crops made, to be freed on failure too */
        if (status == LK_OK) status = crop_damage(r, photo, *crops + i, &o->why);
    }
    return status;
}

static void photo_work(const run *r, int worker, size_t photo, outcome *o, lk_image ***crops) {
    lk_image *image = NULL;
    o->status = lk_image_load(r->e->photos[photo].path, &image, &o->why);
    if (r->e->seen) r->e->seen(r->e->context, photo, image, &o->why);
    if (o->status == LK_OK) o->status = photo_damage(r, worker, photo, &image, &o->why);
    if (o->status == LK_OK) o->status = photo_crops(r, worker, photo, image, o, crops);
    if (o->status == LK_OK) o->status = keep_faces(r, photo, image, o);
    if (o->status == LK_OK && o->faces.whole) o->faces.count = 1;
    lk_image_free(image);
}

static void take_vectors(const run *r, outcome *o, const float *vectors, const float *lengths) {
    size_t count = o->faces.count, size = count * (size_t)r->dim;
    const lk_calibration *calibration = lk_model_calibration(r->e->model);
    o->vectors = cli_alloc(size, sizeof *vectors);
    o->lengths = cli_alloc(count, sizeof *lengths);
    o->quality = cli_alloc(count, sizeof *lengths);
    memcpy(o->vectors, vectors, size * sizeof *vectors);
    memcpy(o->lengths, lengths, count * sizeof *lengths);
    for (size_t i = 0; i < count; i++)
        o->quality[i] = calibration ? (float)lk_calibration_quality(calibration, (double)lengths[i]) : NAN;
    o->faces.vectors = o->vectors;
    o->faces.lengths = o->lengths;
    o->faces.quality = o->quality;
}

/* The crops of all photos of a piece go through the net as one. */
static void piece_embed(const run *r, int worker, piece *p, lk_image **const *crops) {
    size_t total = 0, at = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->photo[i].status == LK_OK) total += p->photo[i].faces.count;
    if (total == 0) return;
    const lk_image **all = cli_alloc(total, sizeof *all);
    float *vectors = cli_alloc(total * (size_t)r->dim, sizeof *vectors);
    float *lengths = cli_alloc(total, sizeof *lengths);
    for (size_t i = 0; i < p->count; i++)
        for (size_t k = 0; p->photo[i].status == LK_OK && k < p->photo[i].faces.count; k++)
            all[at++] = crops[i][k];
    lk_error why = {0};
    lk_status status = lk_embedder_embed_lengths(r->embedders[worker], all, total, &(lk_crop){.centre = 1},
                                                 vectors, lengths, &why);
    at = 0;
    for (size_t i = 0; i < p->count; i++) {
        outcome *o = &p->photo[i];
        if (o->status != LK_OK) continue;
        take_vectors(r, o, vectors + at * (size_t)r->dim, lengths + at);
        at += o->faces.count;
        if (status == LK_OK) continue;
        o->status = status;
        o->why = why;
    }
    free(lengths);
    free(vectors);
    free(all);
}

static void *piece_work(void *context, int worker, size_t number) {
    const run *r = context;
    size_t first = number * r->piece;
    lk_image **crops[PIECE] = {NULL};
    piece *p = cli_alloc(1, sizeof *p);
    p->count = r->e->count - first < r->piece ? r->e->count - first : r->piece;
    for (size_t i = 0; i < p->count; i++) photo_work(r, worker, first + i, &p->photo[i], &crops[i]);
    piece_embed(r, worker, p, crops);
    for (size_t i = 0; i < p->count; i++) {
        for (size_t k = 0; k < p->photo[i].faces.count; k++) lk_image_free(crops[i][k]);
        free(crops[i]);
    }
    return p;
}

/* ---- the run -------------------------------------------------------------------------------------- */

static lk_status photo_done(const run *r, size_t photo, const outcome *o, lk_error *err) {
    const cli_embedding *e = r->e;
    if (o->status == LK_OK) return e->fn(e->context, photo, &o->faces, err);
    if (o->status == LK_NO_MEMORY) {
        if (err) *err = o->why;
        return o->status;
    }
    if (o->why.status == LK_EMPTY) /* damage that needs one */
        cli_bad_say(e->bad, CLI_NO_FACE, e->photos[photo].path, "%s", o->why.message);
    else
        cli_bad_add(e->bad, e->photos[photo].path, &o->why);
    return e->fn(e->context, photo, NULL, err);
}

static lk_status piece_done(void *context, size_t number, void *result, lk_error *err) {
    const run *r = context;
    const piece *p = result;
    size_t first = number * r->piece;
    lk_status status = LK_OK;
    for (size_t i = 0; i < p->count && status == LK_OK; i++)
        status = photo_done(r, first + i, &p->photo[i], err);
    if (status == LK_OK) status = cli_photos_done(first + p->count, r->e->count, r->started, err);
    piece_drop(result);
    return status;
}

/* What is done with each photo; true if any needs a detector. */
static bool plan_all(run *r) {
    const cli_embedding *e = r->e;
    bool find = e->look->detect || lk_model_aligned(e->model), any = false;
    cli_aligned last = {0};
    r->plans = cli_alloc(e->count, sizeof *r->plans);
    for (size_t i = 0; i < e->count; i++) {
        plan *p = &r->plans[i];
        p->crop = e->photos[i].crop;
        if (cli_crop_given(p->crop)) continue;
        double room = cli_aligned_photo(&last, e->photos[i].path);
        p->aligned = room > 0 || e->look->aligned;
        if (p->aligned)
            p->crop.centre = room > 0 ? 1 / room : 1;
        else
            any |= p->find = find;
    }
    free(last.folder);
    return any;
}

/* A precision that the library refuses was asked for by an option, whose name the library does not know. */
static lk_status embedder_new(const run *r, int threads, lk_embedder **out, lk_error *err) {
    lk_precision precision = r->e->compute->precision;
    lk_status status = lk_embedder_new(r->e->model, BATCH, threads, precision, out, err);
    if (status != LK_INVALID || precision != LK_PRECISION_BF16) return status;
    char *message = cli_format("with --precision bf16: %.700s", err->message);
    snprintf(err->message, sizeof err->message, "%s", message);
    free(message);
    return status;
}

static lk_status run_open(run *r, const cli_embedding *e, lk_error *err) {
    *r = (run){.e = e,
               .width = lk_model_input_width(e->model),
               .height = lk_model_input_height(e->model),
               .dim = lk_model_dim(e->model),
               .workers = cli_workers(e->compute->threads, e->count)};
    if (r->dim == 0) {
        err->status = LK_MISMATCH;
        snprintf(err->message, sizeof err->message,
                 "this model finds faces and does not embed them: give one of likeness train");
        return LK_MISMATCH;
    }
    r->piece = e->count >= 2 * PIECE * (size_t)r->workers ? PIECE : 1;
    r->embedders = cli_alloc((size_t)r->workers, sizeof *r->embedders);
    int threads = cli_worker_threads(e->compute->threads, r->workers);
    lk_status status = LK_OK;
    for (int i = 0; i < r->workers && status == LK_OK; i++)
        status = embedder_new(r, threads, &r->embedders[i], err);
    if (status == LK_OK && plan_all(r))
        status = cli_finder_open(e->look, e->compute, r->workers, &r->finder, err);
    return status;
}

static void run_close(run *r) {
    for (int i = 0; r->embedders && i < r->workers; i++) lk_embedder_free(r->embedders[i]);
    cli_finder_free(r->finder);
    free(r->embedders);
    free(r->plans);
}

lk_status cli_embed(const cli_embedding *e, lk_error *err) {
    run r;
    lk_status status = run_open(&r, e, err);
    if (status == LK_OK) {
        cli_catch_signals();
        r.started = cli_seconds();
        cli_crew crew = {.count = (e->count + r.piece - 1) / r.piece,
                         .workers = r.workers,
                         .context = &r,
                         .work = piece_work,
                         .done = piece_done,
                         .drop = piece_drop};
        status = cli_crew_run(&crew, err);
    }
    run_close(&r);
    return status;
}

lk_status cli_embed_check(const cli_embedding *e, lk_error *err) {
    run r;
    lk_status status = run_open(&r, e, err);
    run_close(&r);
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
