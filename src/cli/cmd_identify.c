/* cmd_identify.c: likeness identify: for each face in each photo the closest enrolled photos and the people
 * they show, best first, and whether the best is close enough to be called known. */
#include "cli.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct identify_options {
    const char *gallery, *model;
    cli_photo *photos;
    size_t count, k;
    cli_wish wish;
    cli_rule rule;
    lk_crop crop;
    cli_look look;
    cli_compute compute;
    cli_style style;
    cli_access access;
} identify_options;

static const char doc[] =
    "Find the K enrolled photos closest to each face in each PHOTO and the people they show, best first. A "
    "person is known if the cosine is at least the threshold, which the model's calibration gives for the "
    "size of the gallery and the share of strangers that may be taken for somebody.\vThe exit code is 0 if "
    "every face is that of a "
    "known person, 1 if one is not or a PHOTO shows no face, 3 if one could not be read. What comes out are "
    "suggestions for a person to look at, not proof of who someone is.";

static const struct argp_option option_list[] = {
    {"k", 'k', "K", 0, "How many photos to show", 0},
    {"model", CLI_KEY_MODEL, "MODEL", 0, "The gallery's model, if it is no longer where the gallery says", 0},
    {"threshold", CLI_KEY_THRESHOLD, "COSINE", 0,
     "Least cosine of a known person, -1 to 1 (default: by --fpir)", 0},
    {"fpir", CLI_KEY_FPIR, "RATE", 0, "Share of strangers that may be taken for somebody in the gallery", 0},
    CLI_OPTION_PRIOR("the person is in the gallery"),
    CLI_OPTION_AUDIT,
    CLI_OPTION_KEY,
    CLI_OPTION_CROP,
    CLI_OPTIONS_FACES,
    CLI_OPTION_JSON,
    CLI_OPTION_TSV,
    CLI_OPTIONS_COMPUTE,
    {0}};

static const cli_number numbers[] = {
    {'k', CLI_SIZE, offsetof(identify_options, k), 1, 1e6},
    {CLI_KEY_THRESHOLD, CLI_REAL, offsetof(identify_options, wish.threshold), -1, 1},
    {CLI_KEY_FPIR, CLI_REAL, offsetof(identify_options, wish.rate), 1e-6, 0.5},
    {CLI_KEY_PRIOR, CLI_REAL, offsetof(identify_options, wish.prior), 1e-9, 1 - 1e-9},
    CLI_NUMBERS_LOOK(identify_options),
    CLI_NUMBERS_COMPUTE(identify_options),
    {0}};

static char *help(int key, const char *text, void *input) {
    return cli_number_help(numbers, key, text, input);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    identify_options *o = state->input;
    o->wish.rate_given |= key == CLI_KEY_FPIR;
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
    default:
        if (cli_look_parse(&o->look, key, arg) == 0) return 0;
        if (cli_access_parse(&o->access, key, arg, state) == 0) return 0;
        return cli_number_parse(numbers, key, arg, o, state);
    }
}

/* ---- answers ---------------------------------------------------------------------------------------- */

typedef struct answers {
    const identify_options *options;
    lk_gallery *gallery;
    bool recorded;  /* in the gallery's audit */
    cli_table *tsv; /* one table for all probes */
    size_t unknown; /* faces that nobody known has, and photos without a face */
    cli_bad bad;
} answers;

/* One face, and what the gallery says to it. */
typedef struct answer {
    const char *photo;
    size_t number, faces; /* from 1, of so many */
    const lk_face *face;  /* NULL: the photo was taken whole */
    double quality;       /* of the vector */
    lk_matches matches;
    bool known;
} answer;

static double probability(const answers *a, const lk_match *match) {
    return cli_rule_probability(&a->options->rule, (double)match->cosine);
}

static json_t *answer_json(const answers *a, const answer *one) {
    const lk_matches *m = &one->matches;
    json_t *face = json_object(), *matches = json_array();
    for (size_t i = 0; i < m->count; i++) {
        json_t *match = json_object();
        json_object_set_new(match, "person", cli_json_text(m->items[i].person));
        json_object_set_new(match, "photo", cli_json_text(m->items[i].photo));
        json_object_set_new(match, "cosine", cli_json_real((double)m->items[i].cosine));
        json_object_set_new(match, "l2", cli_json_real((double)m->items[i].l2));
        json_object_set_new(match, "probability", cli_json_real(probability(a, &m->items[i])));
        json_array_append_new(matches, match);
    }
    cli_face_json(face, one->face);
    json_object_set_new(face, "vector_quality", cli_json_real(one->quality));
    json_object_set_new(face, "person", cli_json_text(one->known ? m->items[0].person : NULL));
    json_object_set_new(face, "known", json_boolean(one->known));
    json_object_set_new(face, "probability",
                        cli_json_real(m->count ? probability(a, &m->items[0]) : (double)NAN));
    json_object_set_new(face, "matches", matches);
    return face;
}

static void match_cells(const answers *a, cli_table *table, size_t rank, const lk_match *match) {
    cli_table_cell(table, "%zu", rank);
    cli_table_cell(table, "%s", match->person);
    cli_table_cell(table, "%s", match->photo);
    cli_table_cell(table, "%.4f", (double)match->cosine);
    cli_table_cell(table, "%.4f", (double)match->l2);
    cli_probability_cell(table, probability(a, match));
}

static void answer_text(const answers *a, const answer *one) {
    static const char *const titles[] = {"rank", "person", "photo", "cosine", "l2", "probability"};
    const lk_matches *m = &one->matches;
    char *shown = cli_escape(one->photo, false);
    printf("%s\n", shown);
    free(shown);
    if (one->face)
        printf("face %zu of %zu: %.0f x %.0f pixels at %.0f, %.0f\n", one->number, one->faces,
               (double)one->face->width, (double)one->face->height, (double)one->face->x,
               (double)one->face->y);
    if (isfinite(one->quality)) printf("quality of the vector %.2f\n", one->quality);
    cli_table *table = cli_table_new("rllrrr", titles);
    for (size_t i = 0; i < m->count; i++) match_cells(a, table, i + 1, &m->items[i]);
    cli_table_print(table, CLI_TEXT);
    if (one->known) {
        shown = cli_escape(m->items[0].person, false);
        printf("known: %s\n\n", shown);
        free(shown);
    } else if (m->count == 0) { /* somebody emptied it meanwhile */
        printf("unknown (nobody is enrolled)\n\n");
    } else {
        printf("unknown (best cosine %.2f is under the threshold %.2f)\n\n", (double)m->items[0].cosine,
               a->options->rule.threshold);
    }
}

static void answer_tsv(const answers *a, const answer *one) {
    for (size_t i = 0; i < one->matches.count; i++) {
        const lk_match *match = &one->matches.items[i];
        cli_table_cell(a->tsv, "%s", one->photo);
        match_cells(a, a->tsv, i + 1, match);
        cli_table_cell(a->tsv, "%d", (double)match->cosine >= a->options->rule.threshold);
        cli_table_cell(a->tsv, "%zu", one->number);
        for (int k = 0; k < 4; k++) {
            if (one->face)
                cli_table_cell(a->tsv, "%.1f", (double)(&one->face->x)[k]); /* x, y, width, height */
            else
                cli_table_cell(a->tsv, "NA");
        }
    }
}

static void no_face(answers *a, const char *photo) {
    a->unknown++;
    if (a->options->style != CLI_TEXT) {
        cli_say("%s: no face found", photo);
        return;
    }
    char *shown = cli_escape(photo, false);
    printf("%s\nno face found\n\n", shown);
    free(shown);
}

/* Before anything is shown. */
static lk_status record(const answers *a, const answer *all, size_t count, lk_error *err) {
    if (!a->recorded || !count) return LK_OK;
    uint8_t probe[LK_PROBE_HASH_BYTES];
    lk_status status = cli_probe_hash(all[0].photo, probe, err);
    lk_gallery_event *events = cli_alloc(count, sizeof *events);
    for (size_t i = 0; i < count; i++)
        events[i] = (lk_gallery_event){.action = "identify",
                                       .probe = probe,
                                       .matches = &all[i].matches,
                                       .threshold = a->options->rule.threshold,
                                       .known = all[i].known};
    if (status == LK_OK) status = lk_gallery_record(a->gallery, events, count, err);
    free(events);
    return status;
}

static lk_status search(const answers *a, const char *photo, const cli_faces *faces, answer *all,
                        lk_error *err) {
    lk_matches *matches = cli_alloc(faces->count, sizeof *matches);
    const lk_search_options options = {.k = a->options->k};
    lk_status status =
        lk_gallery_search_many(a->gallery, faces->vectors, faces->count, &options, matches, err);
    for (size_t i = 0; i < faces->count && status == LK_OK; i++)
        all[i] = (answer){.photo = photo,
                          .number = i + 1,
                          .faces = faces->count,
                          .face = faces->whole ? NULL : &faces->face[faces->number[i]],
                          .quality = (double)faces->quality[i],
                          .matches = matches[i],
                          .known = matches[i].count > 0 &&
                                   (double)matches[i].items[0].cosine >= a->options->rule.threshold};
    free(matches);
    return status;
}

static void answer_photo(answers *a, const char *photo, const answer *all, size_t count) {
    const identify_options *o = a->options;
    json_t *found = json_array();
    for (size_t i = 0; i < count; i++) {
        a->unknown += !all[i].known;
        if (o->style == CLI_JSON) json_array_append_new(found, answer_json(a, &all[i]));
        if (o->style == CLI_TEXT) answer_text(a, &all[i]);
        if (o->style == CLI_TSV) answer_tsv(a, &all[i]);
    }
    if (o->style != CLI_JSON) {
        json_decref(found);
        return;
    }
    json_t *row = json_object();
    json_object_set_new(row, "photo", cli_json_text(photo));
    json_object_set_new(row, "threshold", cli_json_real(o->rule.threshold));
    json_object_set_new(row, "fpir", cli_json_real(o->rule.rate));
    json_object_set_new(row, "extrapolated", json_boolean(o->rule.extrapolated));
    json_object_set_new(row, "faces", found);
    cli_json_print(stdout, row);
}

static lk_status on_faces(void *context, size_t photo, const cli_faces *faces, lk_error *err) {
    answers *a = context;
    if (!faces) return LK_OK;
    const char *path = a->options->photos[photo].path;
    answer *all = cli_alloc(faces->count, sizeof *all);
    lk_status status = search(a, path, faces, all, err);
    if (status == LK_OK) status = record(a, all, faces->count, err);
    if (status == LK_OK && faces->count == 0) no_face(a, path);
    if (status == LK_OK) answer_photo(a, path, all, faces->count);
    for (size_t i = 0; i < faces->count; i++) lk_matches_free(&all[i].matches);
    free(all);
    return status;
}

static int identify_with(identify_options *o, lk_gallery *gallery, bool recorded, const lk_model *model) {
    static const char *const titles[] = {"probe", "rank", "person", "photo", "cosine", "l2",    "probability",
                                         "known", "face", "x",      "y",     "width",  "height"};
    for (size_t i = 0; i < o->count; i++) o->photos[i].crop = o->crop;
    answers a = {.options = o, .gallery = gallery, .recorded = recorded};
    if (o->style == CLI_TSV) a.tsv = cli_table_new("lrllrrrrrrrrr", titles);
    cli_embedding embedding = {.model = model,
                               .compute = &o->compute,
                               .look = &o->look,
                               .pick = CLI_PICK_ALL,
                               .photos = o->photos,
                               .count = o->count,
                               .fn = on_faces,
                               .context = &a,
                               .bad = &a.bad};
    lk_error err = {0};
    int code = cli_embed(&embedding, &err) == LK_OK ? CLI_OK : cli_fail(&err);
    if (a.tsv) cli_table_print(a.tsv, CLI_TSV);
    if (code == CLI_OK && a.bad.count)
        code = CLI_INPUT;
    else if (code == CLI_OK && a.unknown)
        code = CLI_NO;
    cli_bad_finish(&a.bad, a.bad.count > 1);
    return code;
}

static int identify(identify_options *o) {
    lk_gallery *gallery = NULL;
    lk_model *model = NULL;
    lk_gallery_info info;
    lk_error err = {0};
    bool recorded = false;
    lk_status status = cli_gallery_open_to_search(o->gallery, &o->access, &gallery, &recorded, &err);
    if (status == LK_OK) status = lk_gallery_get_info(gallery, &info, &err);
    if (status == LK_OK) status = cli_gallery_model(gallery, o->model, &model, &err);
    int code = CLI_OK;
    if (status != LK_OK) {
        code = cli_fail(&err);
    } else if (info.photos == 0) {
        cli_say("%s: the gallery is empty; likeness enroll puts people in", lk_gallery_name(gallery));
        code = CLI_INPUT;
    } else {
        code = cli_rule_gallery(model, lk_gallery_name(gallery), &info, &o->wish, &o->rule);
        if (code == CLI_OK) code = identify_with(o, gallery, recorded, model);
    }
    lk_model_free(model);
    lk_gallery_close(gallery);
    return code;
}

int cmd_identify(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "GALLERY PHOTO...", doc, NULL, help, NULL};
    identify_options o = {.k = 5, .wish = CLI_WISH_DEFAULT(0.01), .look = CLI_LOOK_DEFAULT};
    int code = argp_parse(&argp, argc, argv, 0, NULL, &o) == 0 ? identify(&o) : CLI_USAGE;
    free(o.photos);
    return code;
}
