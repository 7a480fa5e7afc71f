/* cmd_calibrate.c: likeness calibrate: what do a model's cosines mean? Photos of people that the model has
 * not learned from go through it as eval's do; what their pairs say is written into the model. */
#include "eval.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct calibrate_options {
    eval_options eval; /* which photos, and how */
    const char *model, *output, *exclude;
    cli_look look;
    cli_compute compute;
} calibrate_options;

enum { KEY_PAIRS = CLI_KEY_VERB, KEY_ROOT, KEY_EXCLUDE, KEY_TRAINED };

static const char doc[] =
    "Find out what the cosines of MODEL mean, from photos of people that it has not learned from "
    "(DIR/PERSON/PHOTO), every pair of them, or from a list of pairs: how probable it is that two photos "
    "show "
    "one person, and from which cosine on strangers are as rare as asked for. It is written into the model; "
    "its "
    "network, its vectors and the galleries made with them stay as they are.\vThousands of pairs of "
    "strangers for "
    "each false alarm, and a hundred people or more: what few people show does not hold for others. Take "
    "photos "
    "like those that the model will see. People that the model was trained on are refused, for it knows them "
    "too "
    "well; people calibrated on are refused by likeness eval.";

static const struct argp_option option_list[] = {
    {"output", 'o', "FILE", 0, "The model to write (default: MODEL itself)", 0},
    {"pairs", KEY_PAIRS, "TSV", 0, "Instead of DIR: pairs, as likeness eval takes them", 0},
    {"root", KEY_ROOT, "DIR[@CROP]", 0, "Folder of the photos named in the pairs file", 0},
    {"exclude", KEY_EXCLUDE, "FILE", 0, "People to leave out: names of folders, one a line", 0},
    {"trained-people-ok", KEY_TRAINED, 0, 0,
     "Calibrate even on people that the model was trained or validated on", 0},
    CLI_OPTION_CROP,
    CLI_OPTIONS_FACES,
    CLI_OPTION_JSON,
    CLI_OPTIONS_COMPUTE,
    {0}};

static const cli_number numbers[] = {
    CLI_NUMBERS_LOOK(calibrate_options), CLI_NUMBERS_COMPUTE(calibrate_options), {0}};

static char *help(int key, const char *text, void *input) {
    return cli_number_help(numbers, key, text, input);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    calibrate_options *o = state->input;
    switch (key) {
    case 'o': o->output = arg; return 0;
    case KEY_PAIRS: o->eval.pairs = arg; return 0;
    case KEY_ROOT: cli_sources_add(&o->eval.root, arg, state); return 0;
    case KEY_EXCLUDE: o->exclude = arg; return 0;
    case KEY_TRAINED: o->eval.trained_people_ok = true; return 0;
    case CLI_KEY_CROP: o->eval.crop = cli_crop_option(arg, state); return 0;
    case CLI_KEY_JSON: o->eval.style = CLI_JSON; return 0;
    case ARGP_KEY_ARG:
        if (!o->model)
            o->model = arg;
        else
            cli_sources_add(&o->eval.all_pairs, arg, state);
        return 0;
    case ARGP_KEY_END:
        if (!o->model || (!o->eval.pairs && !o->eval.all_pairs.count))
            argp_error(state, "a model and a folder of people, or --pairs, are needed");
        if (o->eval.pairs && o->eval.all_pairs.count) argp_error(state, "--pairs and DIR: one of them");
        if (!o->eval.pairs != !o->eval.root.count || o->eval.root.count > 1)
            argp_error(state, "--pairs needs --root, the one folder of its photos, and --root needs --pairs");
        return 0;
    default:
        if (cli_look_parse(&o->look, key, arg) == 0) return 0;
        return cli_number_parse(numbers, key, arg, o, state);
    }
}

/* ---- people left out ------------------------------------------------------------------------------- */

static size_t leave_out(eval_run *r, const char *name) {
    size_t photos = 0;
    for (size_t i = 0; i < r->verify.count; i++)
        if (strcmp(r->verify.name[r->verify.folder[i]], name) == 0) {
            r->usable[r->verify.photo[i]] = false;
            photos++;
        }
    return photos;
}

static int exclude(eval_run *r, const char *path) {
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!path) return CLI_OK;
    if (!file) {
        cli_say("%s: cannot open: %s", path, strerror(errno));
        return CLI_INPUT;
    }
    char *line = NULL;
    size_t room = 0, people = 0, names = 0;
    while (getline(&line, &room, file) >= 0) {
        line[strcspn(line, "\r\n")] = 0;
        if (!*line || *line == '#') continue;
        names++;
        people += leave_out(r, line) > 0;
    }
    free(line);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed) cli_say("%s: cannot read", path);
    if (people < names) cli_say("%s: %zu of %zu people are not among these", path, names - people, names);
    eval_set_keep(&r->verify, r->usable);
    return failed ? CLI_SYSTEM : CLI_OK;
}

/* ---- what is said ----------------------------------------------------------------------------------- */

static const double RATES[] = {1e-2, 1e-3, 1e-4, 1e-5, 1e-6};
enum { RATE_COUNT = sizeof RATES / sizeof *RATES };

static void print_text(const lk_calibration *c) {
    static const char *const titles[] = {"far", "threshold", "probability", "seen"};
    printf("%zu people, %zu photos: %zu pairs of one person, %zu of two\n\n", c->people, c->photos,
           c->pairs_same, c->pairs_different);
    cli_table *table = cli_table_new("rrrl", titles);
    for (int i = 0; i < RATE_COUNT; i++) {
        bool extrapolated;
        double threshold = lk_calibration_threshold(c, RATES[i], &extrapolated);
        if (isnan(threshold)) continue;
        cli_table_cell(table, "%.0e", RATES[i]);
        cli_table_cell(table, "%.4f", threshold);
        cli_probability_cell(table, lk_calibration_probability(c, threshold, 0.5));
        cli_table_cell(table, extrapolated ? "extrapolated" : "yes");
    }
    cli_table_print(table, CLI_TEXT);
    if (c->doubt > 0)
        printf("\n%.0f %% of the pairs of one person look like strangers: wrong labels, or faces nobody "
               "could know\n",
               100 * c->doubt);
    if (c->knots)
        printf("quality of vectors (cosine to expect with the person's others): %.2f for the worst of 20, "
               "%.2f in the "
               "middle, %.2f for the best\n",
               c->knot[1].quality, c->knot[c->knots / 2].quality, c->knot[c->knots - 1].quality);
    if (c->levels < 5)
        printf("too few pairs of two people for a FAR of 1e-3: thresholds of less are guesses or missing\n");
}

static void print_json(const calibrate_options *o, const lk_calibration *c) {
    json_t *row = json_object(), *thresholds = json_object(), *extrapolated = json_object();
    for (int i = 0; i < RATE_COUNT; i++) {
        char *key = cli_format("1e-%d", i + 2);
        bool beyond;
        json_object_set_new(thresholds, key, cli_json_real(lk_calibration_threshold(c, RATES[i], &beyond)));
        json_object_set_new(extrapolated, key, json_boolean(beyond));
        free(key);
    }
    json_object_set_new(row, "model", cli_json_text(o->output));
    json_object_set_new(row, "slope", cli_json_real(c->slope));
    json_object_set_new(row, "intercept", cli_json_real(c->intercept));
    json_object_set_new(row, "doubt", cli_json_real(c->doubt));
    json_object_set_new(row, "threshold_at_far", thresholds);
    json_object_set_new(row, "extrapolated", extrapolated);
    json_object_set_new(row, "people", json_integer((json_int_t)c->people));
    json_object_set_new(row, "photos", json_integer((json_int_t)c->photos));
    json_object_set_new(row, "pairs_same", json_integer((json_int_t)c->pairs_same));
    json_object_set_new(row, "pairs_different", json_integer((json_int_t)c->pairs_different));
    cli_json_print(stdout, row);
}

/* ---- the order of things ------------------------------------------------------------------------------ */

/* eval takes a photo without a face whole, for a test must not choose; but what is enrolled and looked for is
 * faces. */
static void drop_faceless(eval_run *r) {
    size_t dropped = 0;
    for (size_t i = 0; i < r->count; i++)
        if (r->usable[i] && r->quality[i] == 0) {
            r->usable[i] = false;
            dropped++;
        }
    if (dropped) cli_say("%zu photos without a face are left out", dropped);
    eval_set_keep(&r->verify, r->usable);
}

static const char **names_measured(const eval_set *set, size_t *count) {
    const char **names = cli_alloc(set->names, sizeof *names);
    bool *seen = cli_alloc(set->names, sizeof *seen);
    for (size_t i = 0; i < set->count; i++) seen[set->folder[i]] = true;
    for (size_t i = 0; i < set->names; i++)
        if (seen[i]) names[(*count)++] = eval_person_name(set->name[i]);
    free(seen);
    return names;
}

static int write_model(const calibrate_options *o, const eval_run *r) {
    eval_model *m = &r->models[0];
    lk_trial trial;
    lk_calibration calibration;
    lk_error err = {0};
    size_t count = 0;
    float *vectors = eval_set_trial(&r->verify, m, &trial);
    float *lengths = cli_alloc(r->verify.count, sizeof *lengths);
    for (size_t i = 0; i < r->verify.count; i++) lengths[i] = m->lengths[r->verify.photo[i]];
    lk_status status = lk_calibration_fit(&trial, lengths, &calibration, &err);
    free(lengths);
    if (status == LK_OK && calibration.slope <= 0) {
        cli_say(
            "%s: photos of one person are no more alike than those of two, by this model: nothing is written",
            o->model);
        free(vectors);
        return CLI_INPUT;
    }
    const char **names = names_measured(&r->verify, &count);
    if (status == LK_OK)
        status = lk_model_write_calibrated(m->model, &calibration, names, count, o->output, &err);
    free(names);
    free(vectors);
    if (status != LK_OK) return cli_fail(&err);
    if (o->eval.style == CLI_JSON)
        print_json(o, &calibration);
    else
        print_text(&calibration);
    return CLI_OK;
}

static int calibrate(calibrate_options *o) {
    double started = cli_seconds();
    eval_options *e = &o->eval;
    e->models = &o->model;
    e->model_count = 1;
    e->look = o->look;
    e->compute = o->compute;
    if (!o->output) o->output = o->model;
    cli_sources_default_crop(&e->root, e->crop);
    cli_sources_default_crop(&e->all_pairs, e->crop);
    eval_run r = {.options = e};
    cli_bad bad = {0};
    int code = eval_models_open(&r);
    if (code == CLI_OK) code = cli_output_check(o->output);
    if (code == CLI_OK) code = eval_photos_open(&r, &bad);
    if (code == CLI_OK) code = exclude(&r, o->exclude);
    if (code == CLI_OK) code = eval_people_check(&r);
    if (code == CLI_OK) code = eval_photos_embed(&r, &bad);
    if (code == CLI_OK) {
        drop_faceless(&r);
        code = write_model(o, &r);
    }
    cli_bad_finish(&bad, bad.count > 1);
    eval_photos_free(&r);
    eval_models_free(&r);
    cli_usage_line(started);
    return code;
}

int cmd_calibrate(int argc, char **argv) {
    static const struct argp argp = {
        option_list, parse, "MODEL DIR[@CROP]...\nMODEL --pairs TSV --root DIR", doc, NULL, help, NULL};
    calibrate_options o = {.look = CLI_LOOK_DEFAULT};
    int code = argp_parse(&argp, argc, argv, 0, NULL, &o) == 0 ? calibrate(&o) : CLI_USAGE;
    cli_sources_free(&o.eval.root);
    cli_sources_free(&o.eval.all_pairs);
    return code;
}
