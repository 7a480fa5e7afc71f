/* cmd_detect.c: likeness detect: the faces in photos: boxes, five points, how sure, how good. */
#include "cli.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct detect_options {
    const char **places; /* photos and folders */
    size_t count;
    const char *draw;
    cli_look look;
    cli_compute compute;
    cli_style style;
} detect_options;

enum { KEY_DRAW = CLI_KEY_VERB };

static const char doc[] =
    "Find the faces in each PHOTO, or in all photos of a folder: box, five points (the eye on the left of "
    "the "
    "photo, the eye on the right, tip of the nose, corners of the mouth), confidence that it is a face, and "
    "quality, how well it can be recognised; widest first.\vThe exit code is 0 if every photo has a face, 1 "
    "if "
    "one has none, 3 if one could not be read.";

static const struct argp_option option_list[] = {
    {"draw", KEY_DRAW, "FILE", 0,
     "Write the photo with boxes, points and numbers drawn in (.png, .jpg, .webp); for several photos a "
     "folder, which is filled",
     0},
    CLI_OPTIONS_LOOK("size"),
    CLI_OPTION_JSON,
    CLI_OPTION_TSV,
    CLI_OPTIONS_COMPUTE,
    {0}};

static const cli_number numbers[] = {
    CLI_NUMBERS_LOOK(detect_options), CLI_NUMBERS_COMPUTE(detect_options), {0}};

static char *help(int key, const char *text, void *input) {
    return cli_number_help(numbers, key, text, input);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    detect_options *o = state->input;
    switch (key) {
    case KEY_DRAW: o->draw = arg; return 0;
    case CLI_KEY_JSON: o->style = CLI_JSON; return 0;
    case CLI_KEY_TSV: o->style = CLI_TSV; return 0;
    case ARGP_KEY_ARG:
        o->places = cli_grow(o->places, o->count + 1, sizeof *o->places);
        o->places[o->count++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->count) argp_error(state, "no photo is given, and no folder of photos");
        return 0;
    default:
        if (cli_look_parse(&o->look, key, arg) == 0) return 0;
        return cli_number_parse(numbers, key, arg, o, state);
    }
}

/* ---- one photo, on a worker ------------------------------------------------------------------------ */

typedef struct run {
    const detect_options *options;
    cli_files files;
    cli_finder *finder;
    bool draw_folder;
    cli_table *table; /* text and TSV */
    size_t faces;
    double started;
    cli_bad bad;
} run;

typedef struct outcome {
    lk_status status;
    lk_error why;
    bool output; /* it is the drawing that could not be written */
    int width, height;
    lk_face *faces;
    size_t count;
} outcome;

static void drop(void *result) {
    outcome *o = result;
    free(o->faces);
    free(o);
}

/* DRAW, or DRAW/PERSON/PHOTO.jpg; a/me.jpg and b/me.jpg are DRAW/me.jpg and DRAW/2-me.jpg. */
static char *drawing_path(const run *r, const cli_file *file) {
    const char *draw = r->options->draw, *name = file->path + file->name_at;
    size_t same = 1;
    if (!r->draw_folder) return cli_format("%s", draw);
    for (const cli_file *f = r->files.items; f < file; f++) same += strcmp(f->path + f->name_at, name) == 0;
    if (same == 1) return cli_format("%s/%s", draw, name);
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
    return cli_format("%s/%.*s%zu-%s", draw, (int)(base - name), name, same, base);
}

static lk_status draw(const run *r, const cli_file *file, const lk_image *photo, outcome *o) {
    enum { QUALITY = 92 };
    lk_image *drawn = NULL;
    lk_status status = cli_draw_faces(photo, o->faces, o->count, &drawn, &o->why);
    if (status != LK_OK) return status;
    char *path = drawing_path(r, file), *slash = strrchr(path, '/');
    if (r->draw_folder) {
        *slash = 0;
        cli_folder_make(path); /* says why not; writing then fails */
        *slash = '/';
    }
    status = lk_image_save(drawn, path, QUALITY, &o->why);
    o->output = status != LK_OK;
    free(path);
    lk_image_free(drawn);
    return status;
}

static void *work(void *context, int worker, size_t piece) {
    const run *r = context;
    outcome *o = cli_alloc(1, sizeof *o);
    const cli_file *file = &r->files.items[piece];
    lk_image *photo = NULL;
    o->status = lk_image_load(file->path, &photo, &o->why);
    if (o->status == LK_OK) {
        o->width = lk_image_width(photo);
        o->height = lk_image_height(photo);
        o->status = cli_finder_find(r->finder, worker, photo, &o->faces, &o->count, &o->why);
    }
    if (o->status == LK_OK && r->options->draw) o->status = draw(r, file, photo, o);
    lk_image_free(photo);
    return o;
}

/* ---- what was found -------------------------------------------------------------------------------- */

static void print_json(const char *photo, const outcome *o) {
    json_t *row = json_object(), *faces = json_array();
    for (size_t i = 0; i < o->count; i++) {
        json_t *face = json_object();
        cli_face_json(face, &o->faces[i]);
        json_array_append_new(faces, face);
    }
    json_object_set_new(row, "photo", cli_json_text(photo));
    json_object_set_new(row, "width", json_integer(o->width));
    json_object_set_new(row, "height", json_integer(o->height));
    json_object_set_new(row, "faces", faces);
    cli_json_print(stdout, row);
}

static void rows(const run *r, const char *photo, const outcome *o) {
    for (size_t i = 0; i < o->count; i++) {
        const lk_face *f = &o->faces[i];
        const float box[] = {f->x, f->y, f->width, f->height};
        cli_table_cell(r->table, "%s", photo);
        cli_table_cell(r->table, "%zu", i + 1);
        for (int k = 0; k < 4; k++) cli_table_cell(r->table, "%.1f", (double)box[k]);
        cli_table_cell(r->table, "%.3f", (double)f->confidence);
        cli_table_cell(r->table, "%.3f", (double)f->quality);
        for (int k = 0; k < LK_FACE_POINTS; k++)
            cli_table_cell(r->table, "%.1f,%.1f", (double)f->point[k].x, (double)f->point[k].y);
    }
}

static lk_status done(void *context, size_t piece, void *result, lk_error *err) {
    run *r = context;
    const outcome *o = result;
    const char *photo = r->files.items[piece].path;
    lk_status status = LK_OK;
    if (o->status != LK_OK && (o->output || o->status == LK_NO_MEMORY)) {
        *err = o->why;
        status = o->status;
    } else if (o->status != LK_OK) {
        cli_bad_add(&r->bad, photo, &o->why);
    } else {
        r->faces += o->count;
        if (o->count == 0) cli_bad_say(&r->bad, CLI_NO_FACE, photo, "no face found");
        if (r->options->style == CLI_JSON)
            print_json(photo, o);
        else
            rows(r, photo, o);
    }
    drop(result);
    return status == LK_OK ? cli_photos_done(piece + 1, r->files.count, r->started, err) : status;
}

static int detect_all(run *r) {
    static const char *const titles[] = {"photo",  "face",       "x",          "y",        "width",
                                         "height", "confidence", "quality",    "eye_left", "eye_right",
                                         "nose",   "mouth_left", "mouth_right"};
    const detect_options *o = r->options;
    int workers = cli_workers(o->compute.threads, r->files.count);
    lk_error err = {0};
    if (cli_finder_open(&o->look, &o->compute, workers, &r->finder, &err) != LK_OK) return cli_fail(&err);
    if (o->style != CLI_JSON) r->table = cli_table_new("lrrrrrrrlllll", titles);
    cli_crew crew = {
        .count = r->files.count, .workers = workers, .context = r, .work = work, .done = done, .drop = drop};
    cli_catch_signals();
    r->started = cli_seconds();
    lk_status status = cli_crew_run(&crew, &err);
    if (r->table) cli_table_print(r->table, o->style);
    if (status != LK_OK) return cli_fail(&err);
    return r->bad.kind[CLI_UNREADABLE] ? CLI_INPUT : r->bad.count ? CLI_NO : CLI_OK;
}

static int detect(const detect_options *o) {
    double started = cli_seconds();
    run r = {.options = o};
    for (size_t i = 0; i < o->count; i++) cli_files_add(&r.files, o->places[i], false, &r.bad);
    r.draw_folder = o->count > 1 || cli_is_folder(o->places[0]);
    int code = CLI_INPUT;
    if (r.files.count)
        code = detect_all(&r);
    else if (!r.bad.count)
        cli_say("%s: there are no photos in this folder", o->places[0]);
    if (r.files.count > 1) {
        char *kinds = cli_bad_kinds(&r.bad);
        cli_say("%zu %s in %zu photos; skipped: %s", r.faces, r.faces == 1 ? "face" : "faces",
                r.files.count - r.bad.count, kinds);
        free(kinds);
        cli_usage_line(started);
    }
    cli_bad_finish(&r.bad, r.bad.count > 1);
    cli_finder_free(r.finder);
    cli_files_free(&r.files);
    return code;
}

int cmd_detect(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "PHOTO...\nDIR", doc, NULL, help, NULL};
    detect_options o = {.look = CLI_LOOK_DEFAULT};
    int code = argp_parse(&argp, argc, argv, 0, NULL, &o) == 0 ? detect(&o) : CLI_USAGE;
    free(o.places);
    return code;
}
