/* cmd_identify.c: likeness identify: for each photo the closest enrolled photos and the people they show,
 * best first, and whether the best is close enough to be called known. */
#include "cli.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct identify_options {
    const char *gallery, *model;
    cli_photo *photos;
    size_t count, k;
    double threshold; /* NaN: the gallery's */
    lk_crop crop;
    cli_compute compute;
    cli_style style;
} identify_options;

static const char doc[] =
    "Find the K enrolled photos closest to each PHOTO and the people they show, best first. A person is "
    "known if the "
    "cosine is at least the threshold.\vThe exit code is 0 if every PHOTO shows a known person, 1 if one "
    "does not, 3 if one "
    "could not be read. What comes out are suggestions for a person to look at, not proof of who someone is.";

static const struct argp_option option_list[] = {
    {"k", 'k', "K", 0, "How many photos to show", 0},
    {"model", CLI_KEY_MODEL, "MODEL", 0, "The gallery's model, if it is no longer where the gallery says", 0},
    {"threshold", CLI_KEY_THRESHOLD, "COSINE", 0,
     "Least cosine of a known person, -1 to 1 (default: the gallery's)", 0},
    CLI_OPTION_CROP,
    CLI_OPTION_JSON,
    CLI_OPTION_TSV,
    CLI_OPTIONS_COMPUTE,
    {0}};

static const cli_number numbers[] = {
    {'k', CLI_SIZE, offsetof(identify_options, k), 1, 1e6},
    {CLI_KEY_THRESHOLD, CLI_REAL, offsetof(identify_options, threshold), -1, 1},
    CLI_NUMBERS_COMPUTE(identify_options),
    {0}};

static char *help(int key, const char *text, void *input) {
    return cli_number_help(numbers, key, text, input);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    identify_options *o = state->input;
    switch (key) {
    case CLI_KEY_MODEL: o->model = arg; return 0;
    case CLI_KEY_CROP: o->crop = cli_crop_option(arg, state); return 0;
    case CLI_KEY_JSON: o->style = CLI_JSON; return 0;
    case CLI_KEY_TSV: o->style = CLI_TSV; return 0;
    case ARGP_KEY_ARG:
        if (!o->gallery) {
            o->gallery = arg;
        } else {
            o->photos = cli_grow(o->photos, o->count + 1, sizeof *o->photos);
            o->photos[o->count++] = (cli_photo){.path = arg};
        }
        return 0;
    case ARGP_KEY_END:
        if (!o->count) argp_error(state, "a gallery and at least one photo are needed");
        return 0;
    default: return cli_number_parse(numbers, key, arg, o, state);
    }
}

/* ---- answers ---------------------------------------------------------------------------------------- */

typedef struct answers {
    const identify_options *options;
    lk_gallery *gallery;
    cli_table *tsv; /* one table for all probes */
    size_t unknown;
} answers;

static void answer_json(const answers *a, const char *photo, const lk_matches *m, bool known) {
    json_t *row = json_object(), *faces = json_array(), *face = json_object(), *matches = json_array();
    for (size_t i = 0; i < m->count; i++) {
        json_t *match = json_object();
        json_object_set_new(match, "person", cli_json_text(m->items[i].person));
        json_object_set_new(match, "photo", cli_json_text(m->items[i].photo));
        json_object_set_new(match, "cosine", cli_json_real((double)m->items[i].cosine));
        json_object_set_new(match, "l2", cli_json_real((double)m->items[i].l2));
        json_array_append_new(matches, match);
    }
    json_object_set_new(face, "box", json_null()); /* the whole crop: photos here are face crops */
    json_object_set_new(face, "person", cli_json_text(known ? m->items[0].person : NULL));
    json_object_set_new(face, "known", json_boolean(known));
    json_object_set_new(face, "probability", json_null());
    json_object_set_new(face, "matches", matches);
    json_array_append_new(faces, face);
    json_object_set_new(row, "photo", cli_json_text(photo));
    json_object_set_new(row, "threshold", cli_json_real(a->options->threshold));
    json_object_set_new(row, "faces", faces);
    cli_json_print(stdout, row);
}

static void match_cells(cli_table *table, size_t rank, const lk_match *match) {
    cli_table_cell(table, "%zu", rank);
    cli_table_cell(table, "%s", match->person);
    cli_table_cell(table, "%s", match->photo);
    cli_table_cell(table, "%.4f", (double)match->cosine);
    cli_table_cell(table, "%.4f", (double)match->l2);
}

static void answer_text(const answers *a, const char *photo, const lk_matches *m, bool known) {
    static const char *const titles[] = {"rank", "person", "photo", "cosine", "l2"};
    char *shown = cli_escape(photo, false);
    printf("%s\n", shown);
    free(shown);
    cli_table *table = cli_table_new("rllrr", titles);
    for (size_t i = 0; i < m->count; i++) match_cells(table, i + 1, &m->items[i]);
    cli_table_print(table, CLI_TEXT);
    if (known) {
        shown = cli_escape(m->items[0].person, false);
        printf("known: %s\n\n", shown);
        free(shown);
    } else {
        printf("unknown (best cosine %.2f is under the threshold %.2f)\n\n", (double)m->items[0].cosine,
               a->options->threshold);
    }
}

static lk_status on_vector(void *context, size_t photo, const float *vector, lk_error *err) {
    answers *a = context;
    if (!vector) return LK_OK;
    lk_matches m;
    lk_status status = lk_gallery_search(a->gallery, vector, a->options->k, &m, err);
    if (status != LK_OK) return status;
    const char *path = a->options->photos[photo].path;
    bool known = m.count > 0 && (double)m.items[0].cosine >= a->options->threshold;
    if (!known) a->unknown++;
    if (a->options->style == CLI_JSON)
        answer_json(a, path, &m, known);
    else if (a->options->style == CLI_TEXT)
        answer_text(a, path, &m, known);
    for (size_t i = 0; a->tsv && i < m.count; i++) {
        cli_table_cell(a->tsv, "%s", path);
        match_cells(a->tsv, i + 1, &m.items[i]);
        cli_table_cell(a->tsv, "%d", (double)m.items[i].cosine >= a->options->threshold);
    }
    lk_matches_free(&m);
    return LK_OK;
}

static int identify_with(identify_options *o, lk_gallery *gallery, const lk_model *model) {
    static const char *const titles[] = {"probe", "rank", "person", "photo", "cosine", "l2", "known"};
    for (size_t i = 0; i < o->count; i++) o->photos[i].crop = o->crop;
    answers a = {.options = o, .gallery = gallery};
    if (o->style == CLI_TSV) a.tsv = cli_table_new("lrllrrr", titles);
    cli_bad bad = {0};
    lk_error err = {0};
    int code = CLI_OK;
    if (cli_embed(model, &o->compute, o->photos, o->count, on_vector, &a, &bad, &err) != LK_OK)
        code = cli_fail(&err);
    if (a.tsv) cli_table_print(a.tsv, CLI_TSV);
    if (code == CLI_OK && bad.count)
        code = CLI_INPUT;
    else if (code == CLI_OK && a.unknown)
        code = CLI_NO;
    cli_bad_finish(&bad, bad.count > 1);
    return code;
}

static int identify(identify_options *o) {
    lk_gallery *gallery = NULL;
    lk_model *model = NULL;
    lk_gallery_info info;
    lk_error err = {0};
    lk_status status = lk_gallery_open(o->gallery, LK_GALLERY_READ_ONLY, &gallery, &err);
    if (status == LK_OK) status = lk_gallery_get_info(gallery, &info, &err);
    if (status == LK_OK) status = cli_gallery_model(gallery, o->model, &model, &err);
    int code = CLI_OK;
    if (status != LK_OK) {
        code = cli_fail(&err);
    } else if (info.photos == 0) {
        cli_say("%s: the gallery is empty; likeness enroll puts people in", o->gallery);
        code = CLI_INPUT;
    } else if (isnan(o->threshold) && isnan(info.threshold)) {
        cli_say("%s: the gallery's model has no threshold (it is not trained): give --threshold", o->gallery);
        code = CLI_USAGE;
    } else {
        if (isnan(o->threshold)) o->threshold = info.threshold;
        code = identify_with(o, gallery, model);
    }
    lk_model_free(model);
    lk_gallery_close(gallery);
    return code;
}

int cmd_identify(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "GALLERY PHOTO...", doc, NULL, help, NULL};
    identify_options o = {.k = 5, .threshold = NAN};
    int code = argp_parse(&argp, argc, argv, 0, NULL, &o) == 0 ? identify(&o) : CLI_USAGE;
    free(o.photos);
    return code;
}
