/* gallery_exchange.c: likeness gallery GALLERY export, import and merge: all of a gallery out and in. */
#include "gallery.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- export --------------------------------------------------------------------------------------- */

enum { KEY_NO_CROPS = CLI_KEY_VERB, KEY_RENAME, KEY_ENCRYPT };

typedef struct exchange_options {
    gallery_words w;
    const char *model;
    bool no_crops, rename, encrypt;
} exchange_options;

static error_t parse(int key, char *arg, struct argp_state *state) {
    exchange_options *o = state->input;
    switch (key) {
    case CLI_KEY_MODEL: o->model = arg; return 0;
    case KEY_NO_CROPS: o->no_crops = true; return 0;
    case KEY_RENAME: o->rename = true; return 0;
    case KEY_ENCRYPT: o->encrypt = true; return 0;
    default: return gallery_words_parse(&o->w, key, arg, state);
    }
}

int gallery_export(const char *path, int argc, char **argv) {
    static const struct argp_option options[] = {
        {"no-crops", KEY_NO_CROPS, 0, 0, "Leave out the crops that are kept", 0}, GALLERY_OPTIONS, {0}};
    static const struct argp argp = {
        options,
        parse,
        "FOLDER",
        "Write all of the gallery into a new FOLDER: who is on which photo as lines of "
        "JSON, vectors and crops as safetensors (likeness-gallery(1), Files).",
        NULL,
        NULL,
        NULL};
    exchange_options o = {.w = {.least = 1, .most = 1, .missing = "say where to, a new folder"}};
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) return CLI_USAGE;
    lk_gallery *gallery = NULL;
    lk_gallery_info info;
    lk_error err;
    double started = cli_seconds();
    const lk_gallery_event event = {.action = "export", .threshold = (double)NAN};
    bool recorded = false;
    lk_export_options how = {.crops = !o.no_crops, .progress = gallery_progress, .context = &started};
    cli_catch_signals();
    lk_status status = cli_gallery_open_to_search(path, &o.w.access, &gallery, &recorded, &err);
    if (status == LK_OK && recorded) status = lk_gallery_record(gallery, &event, 1, &err);
    if (status == LK_OK) status = lk_gallery_export(gallery, o.w.words[0], &how, &info, &err);
    if (status != LK_OK) {
        lk_gallery_close(gallery);
        return cli_fail(&err);
    }
    char *photos = gallery_count(info.photos, "photo", "photos"),
         *people = gallery_count(info.people, "person", "people");
    gallery_told(o.w.style,
                 json_pack("{s:o, s:I, s:I}", "folder", cli_json_text(o.w.words[0]), "people",
                           (json_int_t)info.people, "photos", (json_int_t)info.photos),
                 "%s: exported %s of %s to %s", lk_gallery_name(gallery), photos, people, o.w.words[0]);
    free(photos);
    free(people);
    lk_gallery_close(gallery);
    return CLI_OK;
}

/* ---- import --------------------------------------------------------------------------------------- */

/* A new gallery for what was exported: of the model given, or of the one that the export names. */
static lk_status make(const char *path, const exchange_options *o, const lk_gallery_info *exported,
                      lk_gallery **out, lk_error *err) {
    lk_model *model = NULL;
    lk_vector_kind kind = {.dim = exported->dim,
                           .fingerprint = exported->fingerprint,
                           .threshold = exported->threshold,
                           .model_path = exported->model_path};
    char *model_path = NULL;
    lk_status status = LK_OK;
    if (o->model) {
        status = lk_model_open(o->model, &model, err);
        model_path = realpath(o->model, NULL);
        if (status == LK_OK) kind = cli_model_kind(model, model_path ? model_path : o->model);
    } else if (!*exported->fingerprint) {
        err->status = status = LK_MISMATCH;
        snprintf(err->message, sizeof err->message,
                 "%.500s: does not say which model its vectors are of; give it with --model", o->w.words[0]);
    }
    if (status == LK_OK && *exported->fingerprint && strcmp(kind.fingerprint, exported->fingerprint) != 0) {
        err->status = status = LK_MISMATCH;
        snprintf(err->message, sizeof err->message,
                 "%.400s: holds vectors of model %.12s, not of %.12s (%.200s)", o->w.words[0],
                 exported->fingerprint, kind.fingerprint, o->model);
    }
    if (status == LK_OK) status = cli_gallery_create(path, &kind, o->encrypt, &o->w.access, out, err);
    free(model_path);
    lk_model_free(model);
    return status;
}

static lk_status check_model(const lk_gallery *gallery, const exchange_options *o, lk_error *err) {
    lk_model *model = NULL;
    if (!o->model) return LK_OK;
    lk_status status = cli_gallery_model(gallery, o->model, &model, err);
    lk_model_free(model);
    return status;
}

int gallery_import(const char *path, int argc, char **argv) {
    static const struct argp_option options[] = {
        {"model", CLI_KEY_MODEL, "MODEL", 0,
         "The model that made the vectors, where they do not say so or the gallery is new", 0},
        {"encrypt", KEY_ENCRYPT, 0, 0,
         "Encrypt the gallery, if it is new; with --key-file or LIKENESS_GALLERY_KEY", 0},
        GALLERY_OPTIONS,
        {0}};
    static const struct argp argp = {
        options,
        parse,
        "FOLDER",
        "Enroll all that likeness gallery export wrote into FOLDER, or vectors that were made elsewhere "
        "(likeness-gallery(1), Files): all or nothing. A gallery that is not there yet is made.",
        NULL,
        NULL,
        NULL};
    exchange_options o = {.w = {.least = 1, .most = 1, .missing = "say which folder"}};
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) return CLI_USAGE;
    lk_gallery *gallery = NULL;
    lk_gallery_info exported;
    lk_error err;
    bool made = false;
    size_t count = 0;
    double started = cli_seconds();
    cli_catch_signals();
    lk_status status = lk_export_get_info(o.w.words[0], &exported, &err);
    if (status == LK_OK) {
        status = cli_gallery_open(path, true, &o.w.access, &gallery, &err);
        if (status == LK_OK) {
            status = check_model(gallery, &o, &err);
        } else if (status == LK_NOT_FOUND) {
            status = make(path, &o, &exported, &gallery, &err);
            made = status == LK_OK;
        }
    }
    if (status == LK_OK)
        status = lk_gallery_import(gallery, o.w.words[0], gallery_progress, &started, &count, &err);
    if (status != LK_OK) {
        lk_gallery_close(gallery);
        if (made) unlink(path); /* nothing was in it yet; an address is no file */
        return cli_fail(&err);
    }
    char *photos = gallery_count(count, "photo", "photos");
    gallery_told(o.w.style,
                 json_pack("{s:o, s:I}", "folder", cli_json_text(o.w.words[0]), "photos", (json_int_t)count),
                 "%s: imported %s%s", lk_gallery_name(gallery), photos, made ? "; the gallery is new" : "");
    free(photos);
    lk_gallery_close(gallery);
    return CLI_OK;
}

/* ---- merge ---------------------------------------------------------------------------------------- */

int gallery_merge(const char *path, int argc, char **argv) {
    static const struct argp_option options[] = {
        {"rename", KEY_RENAME, 0, 0,
         "People of the same name are not the same: those who come are called NAME (2) and so on", 0},
        GALLERY_OPTIONS,
        {0}};
    static const struct argp argp = {
        options,
        parse,
        "OTHER",
        "Enroll all of the gallery OTHER too, which stays as it is: all or nothing. People of the same "
        "name are taken to be the same; a photo that is there already, vector and all, is passed over.",
        NULL,
        NULL,
        NULL};
    exchange_options o = {.w = {.least = 1, .most = 1, .missing = "say which other gallery"}};
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) return CLI_USAGE;
    lk_gallery *into = NULL, *from = NULL;
    lk_merged m;
    lk_error err;
    double started = cli_seconds();
    lk_merge_options how = {.rename = o.rename, .progress = gallery_progress, .context = &started};
    cli_catch_signals();
    lk_status status = cli_gallery_open(path, true, &o.w.access, &into, &err);
    if (status == LK_OK) status = cli_gallery_open(o.w.words[0], false, &o.w.access, &from, &err);
    if (status == LK_OK) status = lk_gallery_merge(into, from, &how, &m, &err);
    lk_gallery_close(from);
    if (status != LK_OK) {
        lk_gallery_close(into);
        return cli_fail(&err);
    }
    char *photos = gallery_count(m.photos, "photo", "photos"),
         *people = gallery_count(m.people, "new person", "new people");
    gallery_told(o.w.style,
                 json_pack("{s:I, s:I, s:I, s:I, s:I}", "people", (json_int_t)m.people, "photos",
                           (json_int_t)m.photos, "joined", (json_int_t)m.joined, "renamed",
                           (json_int_t)m.renamed, "kept", (json_int_t)m.kept),
                 "%s: merged %s; %s, %zu renamed, %zu there already; %zu photos were there already",
                 lk_gallery_name(into), photos, people, m.renamed, m.joined, m.kept);
    free(photos);
    free(people);
    lk_gallery_close(into);
    return CLI_OK;
}
