/* cmd_enroll.c: likeness enroll: people into a gallery. A gallery that is not there yet is made. Photos go in
 * by transactions, so that a stop in the middle keeps what was enrolled and the same command goes on: a photo
 * already in is replaced by itself. */
#include "cli.h"

#include <stddef.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct enroll_options {
    const char *gallery, *model, *person;
    cli_sources sources; /* folders of people; with --person, photos of that person */
    lk_crop crop;
    cli_pick pick;
    int picks;   /* how often the command line said which face */
    size_t face; /* from 1, with --face */
    bool encrypt, keep_crops, no_sources;
    double min_quality;
    cli_access access;
    cli_look look;
    cli_compute compute;
} enroll_options;

enum {
    KEY_PERSON = CLI_KEY_VERB,
    KEY_LARGEST,
    KEY_ALL,
    KEY_FACE,
    KEY_MIN_QUALITY,
    KEY_ENCRYPT,
    KEY_KEEP_CROPS,
    KEY_NO_SOURCES
};

static const char doc[] = "Enroll every photo of folders of people (DIR/PERSON/PHOTO), or PHOTOs of one "
                          "person given by --person. The gallery "
                          "is made if it is not there; one that holds another model's vectors is left as it "
                          "is. A photo with several faces is skipped unless the command line says "
                          "which one to take.\vThe gallery keeps names, photo "
                          "paths and vectors; of the photos it keeps nothing, or with --keep-crops the "
                          "faces. What could not be enrolled is told, listed at the end and left "
                          "out; the exit code is 3 if a PHOTO "
                          "given by name failed or nothing could be enrolled.";

static const struct argp_option option_list[] = {
    {"model", CLI_KEY_MODEL, "MODEL", 0,
     "The model that makes the vectors (default: the gallery's own, if it exists)", 0},
    {"person", KEY_PERSON, "NAME", 0, "Who the PHOTOs show", 0},
    {"largest", KEY_LARGEST, 0, 0, "Of several faces in a photo take the largest", 0},
    {"all", KEY_ALL, 0, 0, "Of several faces in a photo take all, as PHOTO#1 and so on", 0},
    {"face", KEY_FACE, "N", 0, "Of several faces take number N, the widest being 1 (likeness detect)", 0},
    {"keep-crops", KEY_KEEP_CROPS, 0, 0,
     "Keep a small picture of each face in the gallery: to look at, and to enroll again with another model",
     0},
    {"no-sources", KEY_NO_SOURCES, 0, 0, "Do not keep where the photos lie, as a whole path", 0},
    {"min-quality", KEY_MIN_QUALITY, "Q", 0,
     "Leave out faces whose vector the model trusts less, 0 to 1; its calibration must tell (likeness "
     "calibrate)",
     0},
    {"encrypt", KEY_ENCRYPT, 0, 0, "Encrypt the vectors of a gallery that is made", 0},
    CLI_OPTION_KEY,
    CLI_OPTION_CROP,
    CLI_OPTIONS_FACES,
    CLI_OPTIONS_COMPUTE,
    {0}};

static const cli_number numbers[] = {{KEY_FACE, CLI_SIZE, offsetof(enroll_options, face), 1, CLI_FACES_MAX},
                                     {KEY_MIN_QUALITY, CLI_REAL, offsetof(enroll_options, min_quality), 0, 1},
                                     CLI_NUMBERS_LOOK(enroll_options),
                                     CLI_NUMBERS_COMPUTE(enroll_options),
                                     {0}};

static char *help(int key, const char *text, void *input) {
    if (key == KEY_FACE) return (char *)(uintptr_t)text; /* no default */
    return cli_number_help(numbers, key, text, input);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    enroll_options *o = state->input;
    if (key == KEY_LARGEST || key == KEY_ALL || key == KEY_FACE) {
        if (o->picks++) argp_error(state, "one of --largest, --all and --face says which face");
        o->pick = key == KEY_LARGEST ? CLI_PICK_LARGEST : key == KEY_ALL ? CLI_PICK_ALL : CLI_PICK_NUMBER;
        if (key != KEY_FACE) return 0;
    }
    switch (key) {
    case CLI_KEY_MODEL: o->model = arg; return 0;
    case KEY_PERSON:
        if (!*arg) argp_error(state, "--person: the name is empty");
        o->person = arg;
        return 0;
    case KEY_ENCRYPT: o->encrypt = true; return 0;
    case KEY_KEEP_CROPS: o->keep_crops = true; return 0;
    case KEY_NO_SOURCES: o->no_sources = true; return 0;
    case CLI_KEY_CROP: o->crop = cli_crop_option(arg, state); return 0;
    case ARGP_KEY_ARG:
        if (!o->gallery)
            o->gallery = arg;
        else
            cli_sources_add(&o->sources, arg, state);
        return 0;
    case ARGP_KEY_END:
        if (!o->gallery || !o->sources.count)
            argp_error(state, "a gallery and a folder of people, or --person and photos, are needed");
        return 0;
    default:
        if (cli_look_parse(&o->look, key, arg) == 0) return 0;
        if (cli_access_parse(&o->access, key, arg, state) == 0) return 0;
        return cli_number_parse(numbers, key, arg, o, state);
    }
}

/* ---- one enrollment --------------------------------------------------------------------------------- */

/* One face that waits for the next transaction. */
typedef struct waiting {
    size_t photo;
    char *name; /* of the photo, as the gallery will know it */
    float *vector;
    char *source; /* NULL: not kept; so is the crop */
    cli_jpeg crop;
    double quality; /* of the vector; NaN: not known */
} waiting;

/* A commit waits for the disk, so many photos are one; they wait in memory, so that others who write to the
 * gallery, if only what they searched for, do not have to wait while photos are looked at. */
enum { TRANSACTION = 256 };

typedef struct enrollment {
    const enroll_options *options;
    lk_gallery *gallery;
    lk_dataset *dataset; /* NULL with --person */
    cli_photo *photos;
    size_t count, dim;
    waiting *waiting;
    size_t wait_count;
    size_t committed, photos_committed; /* faces and photos that are safe */
    cli_bad bad;
} enrollment;

static void waiting_drop(enrollment *e) {
    for (size_t i = 0; i < e->wait_count; i++) {
        free(e->waiting[i].name);
        free(e->waiting[i].vector);
        free(e->waiting[i].source);
        free(e->waiting[i].crop.bytes);
    }
    e->wait_count = 0;
}

static lk_status enroll_add(enrollment *e, const waiting *w, size_t *added, lk_error *err) {
    const char *person = e->options->person;
    if (e->dataset)
        person = lk_dataset_person_name(e->dataset, lk_dataset_photo_person(e->dataset, w->photo));
    lk_error why = {0};
    lk_enrollment photo = {.person = person,
                           .photo = w->name,
                           .vector = w->vector,
                           .source = w->source,
                           .crop = w->crop.bytes,
                           .crop_size = w->crop.size,
                           .quality = isnan(w->quality) ? 0 : w->quality};
    lk_status status = lk_gallery_enroll(e->gallery, &photo, 1, NULL, &why);
    if (status == LK_INVALID && photo.source) { /* it may be the folders above that no gallery takes */
        photo.source = NULL;
        status = lk_gallery_enroll(e->gallery, &photo, 1, NULL, &why);
    }
    if (status == LK_OK) ++*added;
    if (status == LK_INVALID) { /* a name that no gallery takes: said before anything was written */
        cli_bad_say(&e->bad, CLI_BAD_NAME, e->photos[w->photo].path, "%s", why.message);
        return LK_OK;
    }
    if (status != LK_OK && err) *err = why;
    return status;
}

/* All that waits, as one. */
static lk_status enroll_commit(enrollment *e, lk_error *err) {
    if (!e->wait_count) return LK_OK;
    size_t faces = 0, photos = 0;
    lk_status status = lk_gallery_begin(e->gallery, err);
    for (size_t i = 0; i < e->wait_count && status == LK_OK; i++) {
        size_t before = faces;
        status = enroll_add(e, &e->waiting[i], &faces, err);
        bool same_photo = i > 0 && e->waiting[i - 1].photo == e->waiting[i].photo;
        photos += faces > before && !same_photo;
    }
    if (status == LK_OK) status = lk_gallery_commit(e->gallery, err);
    if (status == LK_OK) {
        e->committed += faces;
        e->photos_committed += photos;
    } else {
        lk_gallery_rollback(e->gallery);
    }
    waiting_drop(e);
    return status;
}

static void tell_none(enrollment *e, const char *path, size_t found) {
    if (found == 0)
        cli_bad_say(&e->bad, CLI_NO_FACE, path, "no face found");
    else if (e->options->pick == CLI_PICK_NUMBER)
        cli_bad_say(&e->bad, CLI_NO_FACE, path, "%zu %s, and so no face %zu", found,
                    found == 1 ? "face" : "faces", e->options->face);
    else
        cli_bad_say(&e->bad, CLI_SEVERAL_FACES, path,
                    "%zu faces: say which with --largest, --all or --face N", found);
}

/* A face that was told from others by its number carries it in the name of its photo. */
static lk_status on_faces(void *context, size_t photo, const cli_faces *faces, lk_error *err) {
    enrollment *e = context;
    if (!faces) return LK_OK;
    const char *path = e->photos[photo].path;
    cli_pick pick = e->options->pick;
    bool numbered = faces->found > 1 && (pick == CLI_PICK_ALL || pick == CLI_PICK_NUMBER);
    if (faces->count == 0) tell_none(e, path, faces->found);
    for (size_t i = 0; i < faces->count; i++) {
        double quality = (double)faces->quality[i];
        if (quality < e->options->min_quality) {
            cli_bad_say(&e->bad, CLI_POOR, path, "the vector's quality is %.3f, below %.3f", quality,
                        e->options->min_quality);
            continue;
        }
        waiting w = {.photo = photo, .vector = cli_alloc(e->dim, sizeof *w.vector), .quality = quality};
        w.name = numbered ? cli_format("%s#%zu", path, faces->number[i] + 1) : cli_format("%s", path);
        memcpy(w.vector, faces->vectors + i * e->dim, e->dim * sizeof *w.vector);
        if (!e->options->no_sources) w.source = realpath(path, NULL);
        if (faces->kept) {
            w.crop = (cli_jpeg){cli_alloc(faces->kept[i].size, 1), faces->kept[i].size};
            memcpy(w.crop.bytes, faces->kept[i].bytes, w.crop.size);
        }
        e->waiting = cli_grow(e->waiting, e->wait_count + 1, sizeof *e->waiting);
        e->waiting[e->wait_count++] = w;
    }
    return e->wait_count >= TRANSACTION ? enroll_commit(e, err) : LK_OK;
}

static int photos_open(enrollment *e, lk_error *err) {
    const enroll_options *o = e->options;
    if (!o->person) {
        struct stat st;
        for (size_t i = 0; i < o->sources.count; i++)
            if (stat(o->sources.items[i].path, &st) == 0 && S_ISREG(st.st_mode)) {
                cli_say("%s: is a photo, not a folder of people: say who it shows with --person",
                        o->sources.items[i].path);
                return CLI_USAGE;
            }
        if (lk_dataset_open(o->sources.items, o->sources.count, &e->dataset, err) != LK_OK)
            return cli_fail(err);
        e->photos = cli_dataset_photos(e->dataset);
        e->count = lk_dataset_photos(e->dataset);
        return CLI_OK;
    }
    e->count = o->sources.count;
    e->photos = cli_alloc(e->count, sizeof *e->photos);
    for (size_t i = 0; i < e->count; i++)
        e->photos[i] = (cli_photo){.path = o->sources.items[i].path, .crop = o->sources.items[i].crop};
    return CLI_OK;
}

static cli_embedding embedding_of(enrollment *e, const lk_model *model) {
    const enroll_options *o = e->options;
    return (cli_embedding){.model = model,
                           .compute = &o->compute,
                           .look = &o->look,
                           .pick = o->pick,
                           .number = o->face - 1, /* meant with --face only */
                           .photos = e->photos,
                           .count = e->count,
                           .fn = on_faces,
                           .context = e,
                           .bad = &e->bad,
                           .keep = o->keep_crops};
}

/* --encrypt, and a gallery that is there already. */
static lk_status stays_plain(const enrollment *e, lk_error *err) {
    lk_gallery_info info;
    lk_status status = lk_gallery_get_info(e->gallery, &info, err);
    if (status != LK_OK || info.encrypted) return status;
    err->status = LK_MISMATCH;
    snprintf(err->message, sizeof err->message,
             "%.400s: is there already and not encrypted: enroll into a new gallery to have it encrypted",
             e->options->gallery);
    return LK_MISMATCH;
}

/* A floor that nobody can tell of is a mistake. */
static lk_status check_quality(const enroll_options *o, const lk_model *model, lk_error *err) {
    const lk_calibration *calibration = lk_model_calibration(model);
    if (o->min_quality == 0 || (calibration && calibration->knots)) return LK_OK;
    err->status = LK_INVALID;
    snprintf(
        err->message, sizeof err->message,
        "--min-quality: the model is not calibrated to tell the quality of vectors (likeness calibrate)");
    return LK_INVALID;
}

/* Open the gallery and its model; or, if there is none yet, the model first, so that a wrong one leaves no
 * file. */
static lk_status gallery_open(enrollment *e, lk_model **model, bool *made, lk_error *err) {
    const enroll_options *o = e->options;
    lk_status status = cli_gallery_open(o->gallery, true, &o->access, &e->gallery, err);
    if (status == LK_OK && o->encrypt) status = stays_plain(e, err);
    if (status == LK_OK) {
        status = cli_gallery_model(e->gallery, o->model, model, err);
        return status == LK_OK ? check_quality(o, *model, err) : status;
    }
    if (status != LK_NOT_FOUND || !o->model) {
        if (status == LK_NOT_FOUND)
            cli_say("to make a new gallery, give the model that makes its vectors: --model");
        return status;
    }
    status = lk_model_open(o->model, model, err);
    if (status == LK_OK) status = check_quality(o, *model, err);
    /* Nor may a precision that this processor refuses leave one, or a detector that is not there. */
    cli_embedding embedding = embedding_of(e, *model);
    if (status == LK_OK) status = cli_embed_check(&embedding, err);
    if (status != LK_OK) return status;
    char *path = realpath(o->model, NULL); /* so that the gallery is of use from any folder */
    lk_vector_kind kind = cli_model_kind(*model, path ? path : o->model);
    status = cli_gallery_create(o->gallery, &kind, o->encrypt, &o->access, &e->gallery, err);
    *made = status == LK_OK;
    free(path);
    return status;
}

static void summary(const enrollment *e, bool made) {
    lk_gallery_info info;
    lk_error err;
    if (lk_gallery_get_info(e->gallery, &info, &err) != LK_OK) {
        cli_fail(&err);
        return;
    }
    char *of = e->committed != e->photos_committed
                   ? cli_format("%zu faces of %zu", e->committed, e->photos_committed)
                   : cli_format("%zu", e->committed);
    char *kinds = e->bad.count ? cli_bad_kinds(&e->bad) : cli_format("%s", "");
    printf("enrolled %s %s, skipped %zu%s%s; %s now holds %zu %s in %zu %s\n", of,
           e->photos_committed == 1 ? "photo" : "photos", e->bad.count, *kinds ? ": " : "", kinds,
           made ? "the new gallery" : "the gallery", info.people, info.people == 1 ? "person" : "people",
           info.photos, info.photos == 1 ? "photo" : "photos");
    free(kinds);
    free(of);
}

static int enroll_all(enrollment *e, const lk_model *model, bool made) {
    lk_error err = {0}, commit_err;
    if (e->dataset) cli_dataset_skipped(e->dataset, &e->bad);
    e->dim = (size_t)lk_model_dim(model);
    cli_embedding embedding = embedding_of(e, model);
    lk_status status = cli_embed(&embedding, &err);
    int code = CLI_OK;
    if (status != LK_OK) code = cli_fail(&err);
    /* Photos enrolled before a stop or an error are good; keep them. */
    if (enroll_commit(e, &commit_err) != LK_OK) code = cli_fail(&commit_err);
    if (status == LK_STOPPED) cli_say("what was enrolled is kept; the same command goes on");
    summary(e, made);
    if (code == CLI_OK && e->bad.count && (e->options->person || !e->committed)) code = CLI_INPUT;
    cli_bad_finish(&e->bad, e->bad.count > 1);
    return code;
}

static int enroll(enroll_options *o) {
    double started = cli_seconds();
    cli_sources_default_crop(&o->sources, o->crop);
    enrollment e = {.options = o};
    lk_model *model = NULL;
    bool made = false;
    lk_error err;
    int code = photos_open(&e, &err);
    if (code == CLI_OK && gallery_open(&e, &model, &made, &err) != LK_OK) code = cli_fail(&err);
    if (code == CLI_OK) {
        code = enroll_all(&e, model, made);
        cli_usage_line(started);
    }
    waiting_drop(&e);
    free(e.waiting);
    lk_gallery_close(e.gallery);
    lk_model_free(model);
    lk_dataset_free(e.dataset);
    free(e.photos);
    return code;
}

int cmd_enroll(int argc, char **argv) {
    static const struct argp argp = {
        option_list,
        parse,
        "GALLERY --model MODEL DIR[@CROP]...\nGALLERY --model MODEL --person NAME PHOTO...",
        doc,
        NULL,
        help,
        NULL};
    enroll_options o = {.pick = CLI_PICK_ONLY, .look = CLI_LOOK_DEFAULT};
    int code = argp_parse(&argp, argc, argv, 0, NULL, &o) == 0 ? enroll(&o) : CLI_USAGE;
    cli_sources_free(&o.sources);
    return code;
}
