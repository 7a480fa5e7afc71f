/* cmd_verify.c: likeness verify: do two photos show the same person? */
#include "cli.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct verify_options {
    const char *model;
    cli_photo photos[2];
    size_t count;
    cli_wish wish;
    lk_crop crop;
    cli_look look;
    cli_compute compute;
    cli_style style;
} verify_options;

static const char doc[] =
    "Say whether photos A and B show the same person, how probable that is, and how often strangers are as "
    "alike (FAR). Of several faces in a photo the largest counts.\vThe exit code is 0 for the same, "
    "1 "
    "for different people, 3 if a photo could not be read or shows no face.";

static const struct argp_option option_list[] = {
    {"threshold", CLI_KEY_THRESHOLD, "COSINE", 0,
     "Least cosine of the same person, -1 to 1 (default: by --far)", 0},
    {"far", CLI_KEY_FAR, "RATE", 0,
     "Share of pairs of strangers that may be called the same; the model's calibration says from which "
     "cosine "
     "on",
     0},
    CLI_OPTION_PRIOR("the photos show one person"),
    CLI_OPTION_CROP,
    CLI_OPTIONS_FACES,
    CLI_OPTION_JSON,
    CLI_OPTION_TSV,
    CLI_OPTIONS_COMPUTE,
    {0}};

static const cli_number numbers[] = {
    {CLI_KEY_THRESHOLD, CLI_REAL, offsetof(verify_options, wish.threshold), -1, 1},
    {CLI_KEY_FAR, CLI_REAL, offsetof(verify_options, wish.rate), 1e-9, 0.1},
    {CLI_KEY_PRIOR, CLI_REAL, offsetof(verify_options, wish.prior), 1e-9, 1 - 1e-9},
    CLI_NUMBERS_LOOK(verify_options),
    CLI_NUMBERS_COMPUTE(verify_options),
    {0}};

static char *help(int key, const char *text, void *input) {
    return cli_number_help(numbers, key, text, input);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    verify_options *o = state->input;
    o->wish.rate_given |= key == CLI_KEY_FAR;
    switch (key) {
    case CLI_KEY_CROP: o->crop = cli_crop_option(arg, state); return 0;
    case CLI_KEY_JSON: o->style = CLI_JSON; return 0;
    case CLI_KEY_TSV: o->style = CLI_TSV; return 0;
    case ARGP_KEY_ARG:
        if (!o->model)
            o->model = arg;
        else if (o->count < 2)
            o->photos[o->count++].path = arg;
        else
            argp_error(state, "verify compares two photos; '%s' is one too many", arg);
        return 0;
    case ARGP_KEY_END:
        if (o->count < 2) argp_error(state, "a model and two photos are needed");
        return 0;
    default:
        if (cli_look_parse(&o->look, key, arg) == 0) return 0;
        return cli_number_parse(numbers, key, arg, o, state);
    }
}

typedef struct two_vectors {
    const verify_options *options;
    float *vectors; /* (2, dim) */
    double quality[2];
    size_t dim;
    cli_bad bad;
} two_vectors;

static lk_status on_faces(void *context, size_t photo, const cli_faces *faces, lk_error *err) {
    two_vectors *two = context;
    const char *path = two->options->photos[photo].path;
    (void)err;
    if (!faces) return LK_OK;
    if (faces->count == 0)
        cli_bad_say(&two->bad, CLI_NO_FACE, path, "no face found");
    else
        memcpy(two->vectors + photo * two->dim, faces->vectors, two->dim * sizeof *faces->vectors);
    if (faces->count) two->quality[photo] = (double)faces->quality[0];
    if (faces->found > 1) cli_say("%s: %zu faces; the largest is compared", path, faces->found);
    return LK_OK;
}

static void print_verdict(const verify_options *o, const cli_rule *rule, bool same, double cosine, double l2,
                          const double quality[2]) {
    double probability = cli_rule_probability(rule, cosine);
    if (o->style == CLI_JSON) {
        json_t *row = json_object();
        json_object_set_new(row, "a", cli_json_text(o->photos[0].path));
        json_object_set_new(row, "b", cli_json_text(o->photos[1].path));
        json_object_set_new(row, "same", json_boolean(same));
        json_object_set_new(row, "cosine", cli_json_real(cosine));
        json_object_set_new(row, "l2", cli_json_real(l2));
        json_object_set_new(row, "threshold", cli_json_real(rule->threshold));
        json_object_set_new(row, "far", cli_json_real(rule->rate));
        json_object_set_new(row, "extrapolated", json_boolean(rule->extrapolated));
        json_object_set_new(row, "probability", cli_json_real(probability));
        json_object_set_new(row, "vector_quality",
                            json_pack("[o, o]", cli_json_real(quality[0]), cli_json_real(quality[1])));
        cli_json_print(stdout, row);
        return;
    }
    static const char *const titles[] = {"verdict", "cosine",      "l2",     "threshold",
                                         "far",     "probability", "quality"};
    cli_table *table = cli_table_new("lrrrrrr", titles);
    cli_table_cell(table, same ? "same" : "different");
    cli_table_cell(table, "%.4f", cosine);
    cli_table_cell(table, "%.4f", l2);
    cli_table_cell(table, "%.4f", rule->threshold);
    cli_rate_cell(table, rule);
    cli_probability_cell(table, probability);
    cli_quality_cell(table, fmin(quality[0], quality[1])); /* a chain is as strong as that; NaN: both are */
    cli_table_print(table, o->style);
}

static int verify_with(verify_options *o, const lk_model *model) {
    cli_rule rule;
    int code = cli_rule_pair(model, o->model, &o->wish, &rule);
    if (code != CLI_OK) return code;
    o->photos[0].crop = o->photos[1].crop = o->crop;
    int dim = lk_model_dim(model);
    two_vectors two = {.options = o,
                       .vectors = cli_alloc(2 * (size_t)dim, sizeof(float)),
                       .quality = {NAN, NAN},
                       .dim = (size_t)dim};
    cli_embedding embedding = {.model = model,
                               .compute = &o->compute,
                               .look = &o->look,
                               .pick = CLI_PICK_LARGEST,
                               .photos = o->photos,
                               .count = 2,
                               .fn = on_faces,
                               .context = &two,
                               .bad = &two.bad};
    lk_error err;
    code = cli_embed(&embedding, &err) == LK_OK ? CLI_OK : cli_fail(&err);
    if (code == CLI_OK && two.bad.count) code = CLI_INPUT;
    cli_bad_finish(&two.bad, false);
    if (code == CLI_OK) {
        double cosine = lk_cosine(two.vectors, two.vectors + dim, dim);
        bool same = cosine >= rule.threshold;
        print_verdict(o, &rule, same, cosine, lk_l2(two.vectors, two.vectors + dim, dim), two.quality);
        code = same ? CLI_OK : CLI_NO;
    }
    free(two.vectors);
    return code;
}

int cmd_verify(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "MODEL A B", doc, NULL, help, NULL};
    verify_options o = {.wish = CLI_WISH_DEFAULT(1e-3), .look = CLI_LOOK_DEFAULT};
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) return CLI_USAGE;
    lk_model *model = NULL;
    lk_error err;
    if (lk_model_open(o.model, &model, &err) != LK_OK) return cli_fail(&err);
    int code = verify_with(&o, model);
    lk_model_free(model);
    return code;
}
