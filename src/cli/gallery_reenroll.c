/* gallery_reenroll.c: likeness gallery GALLERY reenroll: the same people with the vectors of another model.
 *
 *   kept crops, else the photos where they lay -> the new model -> GALLERY.reenrolled -> in place of GALLERY
 *
 * The new gallery is filled beside the old one, which stays in force meanwhile; a stop loses nothing, for
 * what is in the new one already is passed over when the command is given again. It takes the old one's place
 * in one step when every photo is in it, and the old one, with its account of what was done, stays as
 * GALLERY.before. */
#include "gallery.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_INTO = CLI_KEY_VERB, KEY_LEAVE_OUT, BATCH = 32 };

typedef struct reenroll_options {
    gallery_words w;
    const char *path, *model, *into;
    bool leave_out;
    lk_crop crop; /* of the photos */
    cli_look look;
    cli_compute compute;
} reenroll_options;

static const cli_number numbers[] = {
    CLI_NUMBERS_LOOK(reenroll_options), CLI_NUMBERS_COMPUTE(reenroll_options), {0}};

static error_t parse(int key, char *arg, struct argp_state *state) {
    reenroll_options *o = state->input;
    switch (key) {
    case CLI_KEY_MODEL: o->model = arg; return 0;
    case KEY_INTO: o->into = arg; return 0;
    case KEY_LEAVE_OUT: o->leave_out = true; return 0;
    case CLI_KEY_CROP: o->crop = cli_crop_option(arg, state); return 0;
    case ARGP_KEY_END:
        if (!o->model) argp_error(state, "say which --model makes the new vectors");
        break;
    default: break;
    }
    if (cli_look_parse(&o->look, key, arg) == 0) return 0;
    if (cli_number_parse(numbers, key, arg, o, state) == 0) return 0;
    return gallery_words_parse(&o->w, key, arg, state);
}

static char *help(int key, const char *text, void *input) {
    return cli_number_help(numbers, key, text, input);
}

/* ---- what there is -------------------------------------------------------------------------------- */

typedef struct item {
    int64_t id;
    char *person, *photo, *added, *source; /* source NULL: not kept */
    size_t crop_size;
    double quality;
} item;

typedef struct items {
    item *list;
    size_t count;
} items;

static int take(void *context, const lk_gallery_photo *photo) {
    items *all = context;
    all->list = cli_grow(all->list, all->count + 1, sizeof *all->list);
    all->list[all->count++] = (item){.id = photo->id,
                                     .person = cli_format("%s", photo->person),
                                     .photo = cli_format("%s", photo->photo),
                                     .added = cli_format("%s", photo->added),
                                     .source = photo->source ? cli_format("%s", photo->source) : NULL,
                                     .crop_size = photo->crop_size,
                                     .quality = photo->quality};
    return 0;
}

static void items_free(items *all) {
    for (size_t i = 0; i < all->count; i++) {
        free(all->list[i].person);
        free(all->list[i].photo);
        free(all->list[i].added);
        free(all->list[i].source);
    }
    free(all->list);
}

/* When people were added, by their names. */
static int take_person(void *context, const char *person, size_t photos, const char *added) {
    items *all = context;
    (void)photos;
    all->list = cli_grow(all->list, all->count + 1, sizeof *all->list);
    all->list[all->count++] = (item){
        .person = cli_format("%s", person), .photo = cli_format("%s", ""), .added = cli_format("%s", added)};
    return 0;
}

static int by_name(const void *a, const void *b) {
    const item *x = a, *y = b;
    int order = strcmp(x->person, y->person);
    return order ? order : strcmp(x->photo, y->photo);
}

static const item *find(const items *all, const item *key) {
    return all->count ? bsearch(key, all->list, all->count, sizeof *key, by_name) : NULL;
}

typedef struct run {
    const reenroll_options *o;
    const char *side; /* path of the new gallery */
    lk_gallery *old, *new;
    lk_model *model;
    items people, photos; /* of the old one, by name */
    const item **todo;
    size_t todo_count, done;
    cli_photo *sources; /* of those without a crop */
    const item **source_of;
    size_t source_count, dim;
    double started;
    cli_bad bad;
} run;

/* What is in the new one already, and still in the old one as it was then, need not be done again; what has
 * gone from the old one meanwhile goes from the new one. */
static lk_status plan(run *r, lk_error *err) {
    items there = {NULL, 0};
    lk_status status = lk_gallery_each_person(r->old, take_person, &r->people, err);
    if (status == LK_OK) status = lk_gallery_each_photo(r->old, NULL, take, &r->photos, err);
    if (status == LK_OK) status = lk_gallery_each_photo(r->new, NULL, take, &there, err);
    if (r->people.count) qsort(r->people.list, r->people.count, sizeof *r->people.list, by_name);
    if (r->photos.count) qsort(r->photos.list, r->photos.count, sizeof *r->photos.list, by_name);
    if (there.count) qsort(there.list, there.count, sizeof *there.list, by_name);
    r->todo = cli_alloc(r->photos.count, sizeof *r->todo);
    for (size_t i = 0; i < r->photos.count; i++) {
        const item *it = &r->photos.list[i], *found = find(&there, it);
        if (!found || strcmp(found->added, it->added) != 0) r->todo[r->todo_count++] = it;
    }
    for (size_t i = 0; i < there.count && status == LK_OK; i++)
        if (!find(&r->photos, &there.list[i]))
            status = lk_gallery_remove_photo(r->new, there.list[i].id, err);
    items_free(&there);
    return status;
}

/* ---- one photo ------------------------------------------------------------------------------------ */

static lk_status enroll(run *r, const item *it, const float *vector, const cli_jpeg *crop, lk_error *err) {
    const item key = {.person = it->person, .photo = (char[]){""}}, *who = find(&r->people, &key);
    const lk_enrollment e = {.person = it->person,
                             .photo = it->photo,
                             .vector = vector,
                             .source = it->source,
                             .crop = crop ? crop->bytes : NULL,
                             .crop_size = crop ? crop->size : 0,
                             .quality = it->quality,
                             .added = it->added,
                             .person_added = who ? who->added : NULL};
    lk_status status = lk_gallery_enroll(r->new, &e, 1, NULL, err);
    r->done += status == LK_OK;
    return status;
}

/* ---- from crops ----------------------------------------------------------------------------------- */

typedef struct batch {
    const item *items[BATCH];
    cli_jpeg crops[BATCH];
    lk_image *images[BATCH];
    size_t count;
} batch;

/* The face in the middle of what is kept, as the new net wants it. */
static lk_status cut(const run *r, const cli_jpeg *crop, const char *name, lk_image **out, lk_error *err) {
    lk_image *whole = NULL;
    lk_status status = lk_image_decode(crop->bytes, crop->size, name, &whole, err);
    if (status != LK_OK) return status;
    lk_crop part = {.centre = 1 / CLI_KEPT_ROOM};
    if (lk_model_aligned(r->model)) part = lk_model_view(r->model, whole, part);
    status =
        lk_image_crop(whole, part, lk_model_input_width(r->model), lk_model_input_height(r->model), out, err);
    lk_image_free(whole);
    return status;
}

static lk_status batch_done(run *r, batch *b, lk_embedder *embedder, float *vectors, lk_error *err) {
    const lk_image *images[BATCH];
    for (size_t i = 0; i < b->count; i++) images[i] = b->images[i];
    lk_status status =
        b->count ? lk_embedder_embed(embedder, images, b->count, &(lk_crop){.centre = 1}, vectors, err)
                 : LK_OK;
    if (status == LK_OK && b->count) {
        status = lk_gallery_begin(r->new, err);
        for (size_t i = 0; i < b->count && status == LK_OK; i++)
            status = enroll(r, b->items[i], vectors + i * r->dim, &b->crops[i], err);
        if (status == LK_OK)
            status = lk_gallery_commit(r->new, err);
        else
            lk_gallery_rollback(r->new);
    }
    for (size_t i = 0; i < b->count; i++) {
        lk_image_free(b->images[i]);
        free(b->crops[i].bytes);
    }
    b->count = 0;
    return status == LK_OK ? cli_photos_done(r->done, r->todo_count, r->started, err) : status;
}

static lk_status from_crops(run *r, lk_error *err) {
    batch b = {.count = 0};
    lk_embedder *embedder = NULL;
    lk_error why;
    float *vectors = cli_alloc(BATCH * r->dim, sizeof *vectors);
    lk_status status =
        lk_embedder_new(r->model, BATCH, r->o->compute.threads, r->o->compute.precision, &embedder, err);
    for (size_t i = 0; i < r->todo_count && status == LK_OK; i++) {
        const item *it = r->todo[i];
        cli_jpeg *crop = &b.crops[b.count];
        if (!it->crop_size) continue;
        status = lk_gallery_get_crop(r->old, it->id, &crop->bytes, &crop->size, err);
        if (status != LK_OK) break;
        if (cut(r, crop, it->photo, &b.images[b.count], &why) == LK_OK) {
            b.items[b.count++] = it;
        } else {
            cli_bad_say(&r->bad, CLI_UNREADABLE, it->photo, "its crop: %s", why.message);
            free(crop->bytes);
        }
        if (b.count == BATCH) status = batch_done(r, &b, embedder, vectors, err);
    }
    if (status == LK_OK)
        status = batch_done(r, &b, embedder, vectors, err);
    else
        for (size_t i = 0; i < b.count; i++) {
            lk_image_free(b.images[i]);
            free(b.crops[i].bytes);
        }
    lk_embedder_free(embedder);
    free(vectors);
    return status;
}

/* ---- from the photos ------------------------------------------------------------------------------ */

/* PHOTO#3 is the third face of PHOTO, by its width (likeness enroll); else the largest is meant. */
static size_t number_of(const char *photo) {
    const char *mark = strrchr(photo, '#');
    char *end = NULL;
    unsigned long number = mark ? strtoul(mark + 1, &end, 10) : 1;
    return mark && mark[1] >= '1' && mark[1] <= '9' && !*end ? number : 1;
}

static lk_status on_faces(void *context, size_t photo, const cli_faces *faces, lk_error *err) {
    run *r = context;
    const item *it = r->source_of[photo];
    if (!faces) return LK_OK;
    size_t number = faces->whole ? 1 : number_of(it->photo);
    if (number > faces->count) {
        cli_bad_say(&r->bad, CLI_NO_FACE, r->sources[photo].path, "%zu faces, and so no face %zu",
                    faces->count, number);
        return LK_OK;
    }
    return enroll(r, it, faces->vectors + (number - 1) * r->dim,
                  faces->kept ? &faces->kept[number - 1] : NULL, err);
}

static lk_status from_photos(run *r, lk_error *err) {
    r->sources = cli_alloc(r->todo_count, sizeof *r->sources);
    r->source_of = cli_alloc(r->todo_count, sizeof *r->source_of);
    for (size_t i = 0; i < r->todo_count; i++) {
        const item *it = r->todo[i];
        if (it->crop_size) continue;
        r->source_of[r->source_count] = it;
        r->sources[r->source_count++] =
            (cli_photo){.path = it->source ? it->source : it->photo, .crop = r->o->crop};
    }
    const cli_embedding embedding = {.model = r->model,
                                     .compute = &r->o->compute,
                                     .look = &r->o->look,
                                     .pick = CLI_PICK_ALL,
                                     .photos = r->sources,
                                     .count = r->source_count,
                                     .fn = on_faces,
                                     .context = r,
                                     .bad = &r->bad};
    return r->source_count ? cli_embed(&embedding, err) : LK_OK;
}

/* ---- in place of the old one ------------------------------------------------------------------------ */

/* A log beside a gallery that we have closed: somebody else has it open. */
static bool in_use(const char *path) {
    char *log = cli_format("%s-wal", path);
    bool there = access(log, F_OK) == 0;
    free(log);
    return there;
}

static int swap(run *r) {
    const char *path = r->o->path;
    char *before = cli_format("%s.before", path);
    int code = CLI_OK;
    lk_gallery_close(r->old);
    lk_gallery_close(r->new);
    r->old = r->new = NULL;
    if (in_use(path) || in_use(r->side)) {
        cli_say("%s: is in use; all photos are in %s: end what uses it, and give the command again", path,
                r->side);
        code = CLI_SYSTEM;
    } else if (link(path, before) != 0) {
        cli_say("%s: cannot keep the old gallery under this name: %s; all photos are in %s", before,
                strerror(errno), r->side);
        code = CLI_SYSTEM;
    } else if (rename(r->side, path) != 0) {
        cli_say("%s: cannot be put in place of %s: %s", r->side, path, strerror(errno));
        unlink(before);
        code = CLI_SYSTEM;
    } else {
        cli_say("%s: has the new vectors; the old gallery, with its account, is %s: remove it when it is not "
                "wanted any more",
                path, before);
    }
    free(before);
    return code;
}

/* ---- all of it -------------------------------------------------------------------------------------- */

static lk_status open_new(run *r, lk_error *err) {
    const reenroll_options *o = r->o;
    lk_gallery_info info;
    char *model = realpath(o->model, NULL);
    lk_vector_kind kind = cli_model_kind(r->model, model ? model : o->model);
    lk_status status = lk_gallery_get_info(r->old, &info, err);
    if (status == LK_OK && strcmp(info.fingerprint, kind.fingerprint) == 0) {
        err->status = status = LK_MISMATCH;
        snprintf(err->message, sizeof err->message, "%.500s: holds the vectors of this very model already",
                 lk_gallery_name(r->old));
    }
    if (status == LK_OK) {
        status = cli_gallery_open(r->side, true, &o->w.access, &r->new, err);
        if (status == LK_OK)
            status = lk_gallery_check_kind(r->new, &kind, err);
        else if (status == LK_NOT_FOUND)
            status = cli_gallery_create(r->side, &kind, info.encrypted, &o->w.access, &r->new, err);
    }
    free(model);
    return status;
}

static int finish(run *r) {
    size_t missing = r->bad.count;
    char *kinds = cli_bad_kinds(&r->bad);
    gallery_told(r->o->w.style,
                 json_pack("{s:I, s:I, s:I}", "photos", (json_int_t)r->photos.count, "embedded",
                           (json_int_t)r->done, "missing", (json_int_t)missing),
                 "%s: %zu photos, %zu embedded now, %zu missing%s%s", lk_gallery_name(r->old),
                 r->photos.count, r->done, missing, missing ? ": " : "", missing ? kinds : "");
    free(kinds);
    if (missing && !r->o->leave_out) {
        cli_say("%s: stays as it is, for photos are missing (below); bring them back and give the command "
                "again, or "
                "--leave-out",
                lk_gallery_name(r->old));
        return CLI_INPUT;
    }
    return r->o->into ? CLI_OK : swap(r);
}

static int reenroll(run *r) {
    const reenroll_options *o = r->o;
    lk_error err;
    r->started = cli_seconds();
    cli_catch_signals();
    lk_status status = cli_gallery_open(o->path, true, &o->w.access, &r->old, &err);
    if (status == LK_OK) status = lk_model_open(o->model, &r->model, &err);
    if (status == LK_OK) status = open_new(r, &err);
    if (status == LK_OK) {
        r->dim = (size_t)lk_model_dim(r->model);
        status = plan(r, &err);
    }
    if (status == LK_OK) status = from_crops(r, &err);
    if (status == LK_OK) status = from_photos(r, &err);
    int code = status == LK_OK ? finish(r) : cli_fail(&err);
    if (status == LK_STOPPED)
        cli_say("what was done is kept in %s; the same command goes on", lk_gallery_name(r->new));
    cli_bad_finish(&r->bad, r->bad.count > 0);
    if (status == LK_OK) cli_usage_line(r->started);
    return code;
}

int gallery_reenroll(const char *path, int argc, char **argv) {
    static const struct argp_option options[] = {
        {"model", CLI_KEY_MODEL, "MODEL", 0, "The model that makes the new vectors", 0},
        {"into", KEY_INTO, "OTHER", 0,
         "Fill this gallery, new or of an earlier run, and leave GALLERY in its place (default: "
         "GALLERY.reenrolled, "
         "which then takes the place of GALLERY)",
         0},
        {"leave-out", KEY_LEAVE_OUT, 0, 0, "Do without photos that cannot be embedded any more", 0},
        CLI_OPTION_CROP,
        GALLERY_OPTIONS,
        CLI_OPTIONS_FACES,
        CLI_OPTIONS_COMPUTE,
        {0}};
    static const struct argp argp = {
        options,
        parse,
        "--model MODEL",
        "The same people with the vectors of another model: from the crops that are kept, "
        "else from the photos where they lay. The old vectors are in force until the new "
        "ones are complete; a command that was stopped goes on.",
        NULL,
        help,
        NULL};
    reenroll_options o = {.w = {.most = 0}, .path = path, .look = CLI_LOOK_DEFAULT};
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) return CLI_USAGE;
    if (!o.into && strstr(path, "://")) {
        cli_say(
            "%s: is no file that another could take the place of: give --into, another address, and change "
            "over to it when it is complete",
            path);
        return CLI_USAGE;
    }
    char *side = o.into ? cli_format("%s", o.into) : cli_format("%s.reenrolled", path);
    run r = {.o = &o, .side = side};
    int code = reenroll(&r);
    lk_gallery_close(r.old);
    lk_gallery_close(r.new);
    lk_model_free(r.model);
    items_free(&r.people);
    items_free(&r.photos);
    free(r.todo);
    free(r.sources);
    free(r.source_of);
    free(side);
    return code;
}
