/* cmd_embed.c: likeness embed: photos to vectors, for programs that do their own search. */
#include "cli.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_NPY } format;

typedef struct embed_options {
    const char *model, *output;
    format format;
    lk_crop crop;
    bool all;
    cli_look look;
    cli_compute compute;
    const char **places; /* photos and folders */
    size_t count;
} embed_options;

enum { KEY_FORMAT = CLI_KEY_VERB, KEY_ALL };

static const char doc[] = "Print the vector of each PHOTO, of its largest face if it has several: floats "
                          "of L2 norm 1, so that the cosine of two photos is the dot product of their "
                          "vectors. Of a DIR, all photos in it, at any depth, by name.\vtext: the photo, a "
                          "tab, the numbers separated by blanks. json: one "
                          "object a line, photo and vector. npy: "
                          "one float32 array (photos, dim) for numpy.load, row i for the i-th PHOTO; a photo "
                          "that failed or shows no face is a row of NaN, in "
                          "text and json it is left out. The exit code is 3 if there was one.";

static const struct argp_option option_list[] = {
    {"format", KEY_FORMAT, "FORMAT", 0, "text, json or npy (default text)", 0},
    CLI_OPTION_JSON,
    {"output", 'o', "FILE", 0, "Write here instead of to standard output", 0},
    {"all", KEY_ALL, 0, 0, "Every face of a photo, named PHOTO#1 and so on; not as npy", 0},
    CLI_OPTION_CROP,
    CLI_OPTIONS_FACES,
    CLI_OPTIONS_COMPUTE,
    {0}};

static const cli_number numbers[] = {
    CLI_NUMBERS_LOOK(embed_options), CLI_NUMBERS_COMPUTE(embed_options), {0}};

static char *help(int key, const char *text, void *input) {
    return cli_number_help(numbers, key, text, input);
}

static const char *const format_names[] = {
    [FORMAT_TEXT] = "text", [FORMAT_JSON] = "json", [FORMAT_NPY] = "npy", NULL};

static error_t parse(int key, char *arg, struct argp_state *state) {
    embed_options *o = state->input;
    switch (key) {
    case 'o': o->output = arg; return 0;
    case KEY_FORMAT: o->format = (format)cli_name_option(format_names, key, arg, state); return 0;
    case CLI_KEY_JSON: o->format = FORMAT_JSON; return 0;
    case KEY_ALL: o->all = true; return 0;
    case CLI_KEY_CROP: o->crop = cli_crop_option(arg, state); return 0;
    case ARGP_KEY_ARG:
        if (!o->model) {
            o->model = arg;
        } else {
            o->places = cli_grow(o->places, o->count + 1, sizeof *o->places);
            o->places[o->count++] = arg;
        }
        return 0;
    case ARGP_KEY_END:
        if (o->count == 0) argp_error(state, "a model and at least one photo are needed");
        if (o->all && o->format == FORMAT_NPY)
            argp_error(state, "--all: rows of an npy file have no names; use text or json");
        return 0;
    default:
        if (cli_look_parse(&o->look, key, arg) == 0) return 0;
        return cli_number_parse(numbers, key, arg, o, state);
    }
}

/* ---- the three formats --------------------------------------------------------------------------- */

typedef struct writer {
    FILE *file;
    format format;
    int dim;
    bool all;
    const cli_photo *photos;
    cli_bad *bad;
} writer;

/* NumPy's .npy format 1.0: a magic, the length of a Python dictionary padded with blanks to 64 bytes, the
 * numbers. */
static void npy_header(const writer *w, size_t count) {
    char text[256];
    int length = snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %d), }",
                          count, w->dim);
    int padded = (10 + length + 1 + 63) / 64 * 64 - 10;
    fwrite("\x93NUMPY\x01\x00", 1, 8, w->file);
    fputc(padded & 0xFF, w->file);
    fputc(padded >> 8, w->file);
    fprintf(w->file, "%s%*s\n", text, padded - length - 1, "");
}

static void npy_row(const writer *w, const float *vector) {
    for (int i = 0; i < w->dim; i++) {
        float value = vector ? vector[i] : NAN;
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        uint8_t bytes[4] = {(uint8_t)bits, (uint8_t)(bits >> 8), (uint8_t)(bits >> 16),
                            (uint8_t)(bits >> 24)};
        fwrite(bytes, 1, sizeof bytes, w->file);
    }
}

static void json_row(const writer *w, const char *photo, const lk_face *face, float quality,
                     const float *vector) {
    json_t *row = json_object(), *values = json_array();
    for (int i = 0; i < w->dim; i++) json_array_append_new(values, cli_json_real((double)vector[i]));
    json_object_set_new(row, "photo", cli_json_text(photo));
    if (face) cli_face_json(row, face);
    json_object_set_new(row, "vector_quality", cli_json_real((double)quality));
    json_object_set_new(row, "vector", values);
    cli_json_print(w->file, row);
}

static void text_row(const writer *w, const char *photo, const float *vector) {
    char *shown = cli_escape(photo, true);
    fputs(shown, w->file);
    free(shown);
    for (int i = 0; i < w->dim; i++) fprintf(w->file, "%c%.9g", i ? ' ' : '\t', (double)vector[i]);
    fputc('\n', w->file);
}

static lk_status on_faces(void *context, size_t photo, const cli_faces *faces, lk_error *err) {
    writer *w = context;
    const char *path = w->photos[photo].path;
    size_t count = faces ? faces->count : 0;
    (void)err; /* a full disk is seen when the file is closed */
    if (faces && count == 0) cli_bad_say(w->bad, CLI_NO_FACE, path, "no face found");
    if (faces && faces->found > 1 && !w->all)
        cli_say("%s: %zu faces; the largest is taken (--all: every one)", path, faces->found);
    if (w->format == FORMAT_NPY) npy_row(w, count ? faces->vectors : NULL);
    for (size_t i = 0; w->format != FORMAT_NPY && i < count; i++) {
        const float *vector = faces->vectors + i * (size_t)w->dim;
        char *name = w->all && !faces->whole ? cli_format("%s#%zu", path, faces->number[i] + 1)
                                             : cli_format("%s", path);
        if (w->format == FORMAT_JSON)
            json_row(w, name, faces->whole ? NULL : &faces->face[faces->number[i]], faces->quality[i],
                     vector);
        else
            text_row(w, name, vector);
        free(name);
    }
    return LK_OK;
}

static int embed_all(const embed_options *o, size_t count, const lk_model *model, cli_output *output,
                     writer *w) {
    cli_embedding embedding = {.model = model,
                               .compute = &o->compute,
                               .look = &o->look,
                               .pick = o->all ? CLI_PICK_ALL : CLI_PICK_LARGEST,
                               .photos = w->photos,
                               .count = count,
                               .fn = on_faces,
                               .context = w,
                               .bad = w->bad};
    lk_error err;
    if (w->format == FORMAT_NPY) npy_header(w, count);
    lk_status status = cli_embed(&embedding, &err);
    int code = status == LK_OK ? CLI_OK : cli_fail(&err);
    int written = cli_output_close(output, status == LK_OK);
    return code == CLI_OK ? written : code;
}

static int embed_files(const embed_options *o, const cli_files *files, cli_bad *bad) {
    lk_model *model = NULL;
    lk_error err;
    if (lk_model_open(o->model, &model, &err) != LK_OK) return cli_fail(&err);
    cli_photo *photos = cli_alloc(files->count, sizeof *photos);
    for (size_t i = 0; i < files->count; i++)
        photos[i] = (cli_photo){.path = files->items[i].path, .crop = o->crop};
    cli_output output;
    int code = cli_output_open(&output, o->output);
    if (code == CLI_OK && o->format == FORMAT_NPY && isatty(fileno(output.file))) {
        cli_say("an .npy file is not for a terminal: give -o FILE or redirect");
        code = CLI_USAGE;
    }
    if (code == CLI_OK) {
        writer w = {output.file, o->format, lk_model_dim(model), o->all, photos, bad};
        code = embed_all(o, files->count, model, &output, &w);
    }
    free(photos);
    lk_model_free(model);
    return code;
}

static int embed(const embed_options *o) {
    cli_files files = {0};
    cli_bad bad = {0};
    int code = CLI_INPUT;
    for (size_t i = 0; i < o->count; i++) {
        size_t before = files.count + bad.count;
        cli_files_add(&files, o->places[i], false, &bad);
        if (files.count + bad.count == before)
            cli_bad_say(&bad, CLI_UNREADABLE, o->places[i], "there are no photos in this folder");
    }
    if (files.count) code = embed_files(o, &files, &bad);
    if (code == CLI_OK && bad.count) code = CLI_INPUT;
    cli_bad_finish(&bad, bad.count > 1);
    cli_files_free(&files);
    return code;
}

int cmd_embed(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "MODEL PHOTO|DIR...", doc, NULL, help, NULL};
    embed_options o = {.look = CLI_LOOK_DEFAULT};
    int code = argp_parse(&argp, argc, argv, 0, NULL, &o) == 0 ? embed(&o) : CLI_USAGE;
    free(o.places);
    return code;
}
