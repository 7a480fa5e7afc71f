/* cmd_eval.c: likeness eval: how good is a model, and which of several is better? Verification on a list of
 * pairs (as LFW counts it) or on all pairs of a folder, identification in a folder of people (as NIST counts
 * it), or both; as text, JSON, TSV, and as a page. */
#include "eval.h"
#include "report.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY_PAIRS = CLI_KEY_VERB,
    KEY_ROOT,
    KEY_ALL_PAIRS,
    KEY_IDENTIFY,
    KEY_GALLERY_PHOTOS,
    KEY_GALLERY_PEOPLE,
    KEY_LIMIT,
    KEY_GROUPS,
    KEY_BOOTSTRAP,
    KEY_MAP,
    KEY_NAME,
    KEY_REPORT,
    KEY_TITLE,
    KEY_NO_PHOTOS,
    KEY_TRAINED,
    KEY_DAMAGE,
    KEY_DAMAGE_SECOND
};

static const char doc[] =
    "Measure models: on pairs of photos (10-fold accuracy with its standard error, AUC, EER, TAR at FAR, "
    "calibration, errors by group), in a folder of people (rank-1, CMC, FNIR at FPIR), or both; several "
    "models "
    "side by side, with a test whether they differ.\vThe pairs file is tab-separated with one header line: "
    "fold, "
    "same (1 or 0), and two photo paths under --root. Whose a photo is, its folder says. Intervals are 95 %, "
    "by a "
    "bootstrap over people. A TAR is given only where there are different pairs enough to say. Of several "
    "faces in "
    "a photo the one that is large and near the centre counts; a photo without a face is taken whole, and "
    "these are "
    "counted. Unreadable photos are told and left out with their pairs. People that a model was trained on "
    "are "
    "refused.";

static const struct argp_option option_list[] = {
    {"pairs", KEY_PAIRS, "TSV", 0, "Pairs to verify", 1},
    {"root", KEY_ROOT, "DIR[@CROP]", 0, "Folder of the photos named in the pairs file", 1},
    {"all-pairs", KEY_ALL_PAIRS, "DIR[@CROP]", 0,
     "Instead of --pairs: every pair of photos in a folder of people (DIR/PERSON/PHOTO)", 1},
    {"groups", KEY_GROUPS, "TSV", 0,
     "Errors by group: a file of person and group, tab-separated with these two words as its header", 1},
    {"identify", KEY_IDENTIFY, "DIR[@CROP]", 0, "Folder of people to identify", 2},
    {"gallery-photos", KEY_GALLERY_PHOTOS, "N", 0,
     "Photos of each person that are enrolled, one at least being left as a probe; 0: half of them", 2},
    {"gallery-people", KEY_GALLERY_PEOPLE, "N", 0,
     "People enrolled in the open set; may be given several times (default: 10, 30, 100 .. up to half)", 2},
    {"limit-people", KEY_LIMIT, "N", 0, "Only the first N people of a folder of people; 0: all", 2},
    {"trained-people-ok", KEY_TRAINED, 0, 0, "Measure on people that a model was trained on too", 3},
    {"damage", KEY_DAMAGE, "WHAT", 0,
     "Measure also on photos made worse: shrink=PIXELS, pixels=PIXELS, grey, dark, side, jpeg or glasses; "
     "may be "
     "given several times",
     3},
    {"damage-second", KEY_DAMAGE_SECOND, 0, 0, "Make only the second photo of each pair worse", 3},
    {"bootstrap", KEY_BOOTSTRAP, "N", 0, "Replicates of the bootstrap; 0: no intervals", 3},
    CLI_OPTION_SEED,
    {"name", KEY_NAME, "NAME", 0,
     "What to call the model (default: its file name); once for each, in their order", 4},
    {"report", KEY_REPORT, "HTML", 0, "Write a page of all figures, complete in itself", 4},
    {"title", KEY_TITLE, "TITLE", 0, "Heading of the page", 4},
    {"map", KEY_MAP, "N", 0, "Photos in the map of vectors that the page and the JSON have; 0: no map", 4},
    {"no-photos", KEY_NO_PHOTOS, 0, 0,
     "No photos, and no names of people and files, in the page and the JSON", 4},
    CLI_OPTION_CROP,
    CLI_OPTIONS_FACES,
    CLI_OPTION_JSON,
    CLI_OPTION_TSV,
    CLI_OPTIONS_COMPUTE,
    {0}};

static const cli_number numbers[] = {
    {KEY_GALLERY_PHOTOS, CLI_SIZE, offsetof(eval_options, gallery_photos), 0, 1e6},
    {KEY_LIMIT, CLI_SIZE, offsetof(eval_options, limit_people), 0, 1e9},
    {KEY_BOOTSTRAP, CLI_INT, offsetof(eval_options, bootstrap), 0, 1e6},
    {KEY_MAP, CLI_SIZE, offsetof(eval_options, map), 0, 20000},
    {CLI_KEY_SEED, CLI_SEED, offsetof(eval_options, seed), 0, 0},
    CLI_NUMBERS_LOOK(eval_options),
    CLI_NUMBERS_COMPUTE(eval_options),
    {0}};

static char *help(int key, const char *text, void *input) {
    return cli_number_help(numbers, key, text, input);
}

static void add_once(cli_sources *sources, const char *arg, const char *option, struct argp_state *state) {
    if (sources->count) argp_error(state, "--%s is given twice", option);
    cli_sources_add(sources, arg, state);
}

static void add_text(const char ***list, size_t *count, const char *text) {
    *list = cli_grow(*list, *count + 1, sizeof **list);
    (*list)[(*count)++] = text;
}

static void add_damage(eval_options *o, const char *arg, struct argp_state *state) {
    lk_damage damage;
    lk_error err;
    if (lk_damage_parse(arg, &damage, &err) != LK_OK) argp_error(state, "%s", err.message);
    add_text(&o->damages, &o->damage_count, arg);
}

static void parse_end(const eval_options *o, struct argp_state *state) {
    if (!o->model_count) argp_error(state, "no model is given");
    if (o->model_count * (1 + o->damage_count) > EVAL_MODELS_MAX)
        argp_error(state, "over %d models, each kind of damage counted as one more of each", EVAL_MODELS_MAX);
    if (o->damage_second && (!o->damage_count || !o->pairs || o->identify.count))
        argp_error(state, "--damage-second belongs to --damage, and to --pairs alone");
    if (o->name_count > o->model_count) argp_error(state, "there are more --name than models");
    if (!o->pairs && !o->all_pairs.count && !o->identify.count)
        argp_error(state, "nothing to measure: give --pairs or --all-pairs, --identify, or both");
    if (o->pairs && o->all_pairs.count) argp_error(state, "--pairs and --all-pairs: one of them");
    if (o->pairs && !o->root.count) argp_error(state, "--pairs needs --root, the folder of its photos");
    if (!o->pairs && o->root.count) argp_error(state, "--root belongs to --pairs");
    if (o->groups && !o->pairs && !o->all_pairs.count)
        argp_error(state, "--groups belongs to --pairs or --all-pairs");
    if (o->title && !o->report) argp_error(state, "--title belongs to --report");
    if (o->report && strcmp(o->report, "-") == 0)
        argp_error(state, "--report: figures go to standard output; give the page a file");
}

static void add_size(eval_options *o, const char *arg, struct argp_state *state) {
    static const cli_number number[] = {{KEY_GALLERY_PEOPLE, CLI_SIZE, 0, 1, 1e9}, {0}};
    if (o->gallery_sizes == EVAL_SIZES_MAX) argp_error(state, "over %d --gallery-people", EVAL_SIZES_MAX);
    cli_number_parse(number, KEY_GALLERY_PEOPLE, arg, &o->gallery_people[o->gallery_sizes++], state);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    eval_options *o = state->input;
    switch (key) {
    case KEY_PAIRS: o->pairs = arg; return 0;
    case KEY_ROOT: add_once(&o->root, arg, "root", state); return 0;
    case KEY_ALL_PAIRS: add_once(&o->all_pairs, arg, "all-pairs", state); return 0;
    case KEY_IDENTIFY: add_once(&o->identify, arg, "identify", state); return 0;
    case KEY_GALLERY_PEOPLE: add_size(o, arg, state); return 0;
    case KEY_GROUPS: o->groups = arg; return 0;
    case KEY_NAME: add_text(&o->names, &o->name_count, arg); return 0;
    case KEY_REPORT: o->report = arg; return 0;
    case KEY_TITLE: o->title = arg; return 0;
    case KEY_NO_PHOTOS: o->no_photos = true; return 0;
    case KEY_TRAINED: o->trained_people_ok = true; return 0;
    case KEY_DAMAGE: add_damage(o, arg, state); return 0;
    case KEY_DAMAGE_SECOND: o->damage_second = true; return 0;
    case CLI_KEY_CROP: o->crop = cli_crop_option(arg, state); return 0;
    case CLI_KEY_JSON: o->style = CLI_JSON; return 0;
    case CLI_KEY_TSV: o->style = CLI_TSV; return 0;
    case ARGP_KEY_ARG: add_text(&o->models, &o->model_count, arg); return 0;
    case ARGP_KEY_END: parse_end(o, state); return 0;
    default:
        if (cli_look_parse(&o->look, key, arg) == 0) return 0;
        return cli_number_parse(numbers, key, arg, o, state);
    }
}

/* ---- models -------------------------------------------------------------------------------------- */

static char *model_name(const eval_options *o, size_t i) {
    if (i < o->name_count) return cli_format("%s", o->names[i]);
    char *name = cli_format("%s", report_base_name(o->models[i])), *suffix = strstr(name, ".safetensors");
    if (suffix && suffix != name) *suffix = 0;
    return name;
}

/* Each model is there once without damage, then once with each. */
int eval_models_open(eval_run *r) {
    const eval_options *o = r->options;
    lk_error err;
    size_t each = 1 + o->damage_count;
    r->model_count = o->model_count * each;
    r->models = cli_alloc(r->model_count, sizeof *r->models);
    for (size_t i = 0; i < r->model_count; i++) {
        eval_model *m = &r->models[i];
        m->path = o->models[i / each];
        m->figures = json_object();
        m->name = model_name(o, i / each);
        if (i % each) {
            m->damage_text = o->damages[i % each - 1];
            if (lk_damage_parse(m->damage_text, &m->damage, &err) != LK_OK) return cli_fail(&err);
            char *plain = m->name;
            m->name = cli_format("%s, %s", plain, m->damage_text);
            free(plain);
        }
        if (lk_model_open(m->path, &m->model, &err) != LK_OK) return cli_fail(&err);
        if (lk_model_dim(m->model) > 0) continue;
        cli_say("%s: this model finds faces and does not embed them: give one of likeness train", m->path);
        return CLI_INPUT;
    }
    return CLI_OK;
}

void eval_models_free(eval_run *r) {
    for (size_t i = 0; r->models && i < r->model_count; i++) {
        eval_model *m = &r->models[i];
        free(m->name);
        free(m->vectors);
        free(m->lengths);
        free(m->quality);
        json_decref(m->trained);
        json_decref(m->figures);
        lk_model_free(m->model);
    }
    free(r->models);
}

/* ---- the order of things ------------------------------------------------------------------------- */

static lk_status measure_model(const eval_run *r, eval_model *m, lk_error *err) {
    json_object_set_new(m->figures, "name", cli_json_text(m->name));
    json_object_set_new(m->figures, "model", cli_json_text(m->path));
    json_object_set_new(m->figures, "damage", cli_json_text(m->damage_text));
    lk_status status = eval_verify(r, m, err);
    if (status == LK_OK) status = eval_identify(r, m, err);
    /* Text has no map, and a map takes longer than all else. */
    bool wanted = r->options->report || r->options->style == CLI_JSON;
    if (status == LK_OK) status = eval_map(r, m, wanted, err);
    return status;
}

static int print(const eval_run *r) {
    const eval_options *o = r->options;
    json_t **figures = cli_alloc(r->model_count, sizeof *figures);
    int code = CLI_OK;
    for (size_t i = 0; i < r->model_count; i++) {
        eval_facts(r, &r->models[i]);
        figures[i] = r->models[i].figures;
    }
    if (o->report) {
        report_photos photos = {0};
        code = report_evals_page(o->report, o->title, figures, r->model_count, o->no_photos ? NULL : &photos);
    }
    if (code != CLI_OK) {
        /* said */
    } else if (o->style == CLI_TEXT) {
        eval_text_print(figures, r->model_count);
    } else if (o->style == CLI_TSV) {
        eval_tsv_print(figures, r->model_count);
    } else {
        for (size_t i = 0; i < r->model_count; i++) cli_json_print(stdout, json_incref(figures[i]));
    }
    free(figures);
    return code;
}

static int measure(eval_run *r, cli_bad *bad) {
    const eval_options *o = r->options;
    lk_error err = {0};
    int code = eval_models_open(r);
    if (code == CLI_OK) code = eval_photos_open(r, bad);
    if (code == CLI_OK && o->groups) code = eval_groups_load(o->groups, &r->verify, &r->groups);
    if (code == CLI_OK) code = eval_people_check(r);
    if (code == CLI_OK && o->report) code = cli_output_check(o->report);
    if (code == CLI_OK) code = eval_photos_embed(r, bad);
    if (code != CLI_OK) return code;
    lk_status status = LK_OK;
    for (size_t i = 0; i < r->model_count && status == LK_OK; i++)
        status = measure_model(r, &r->models[i], &err);
    if (status == LK_OK) status = eval_compare(r, &err);
    return status == LK_OK ? print(r) : cli_fail(&err);
}

static int eval(eval_options *o) {
    double started = cli_seconds();
    cli_sources_default_crop(&o->root, o->crop);
    cli_sources_default_crop(&o->all_pairs, o->crop);
    cli_sources_default_crop(&o->identify, o->crop);
    eval_run r = {.options = o};
    cli_bad bad = {0};
    int code = measure(&r, &bad);
    cli_bad_finish(&bad, bad.count > 1);
    eval_photos_free(&r);
    eval_groups_free(&r.groups);
    eval_models_free(&r);
    cli_usage_line(started);
    return code;
}

int cmd_eval(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "MODEL...", doc, NULL, help, NULL};
    eval_options o = {.seed = 1, .bootstrap = 1000, .map = 1500, .look = CLI_LOOK_DEFAULT};
    o.command = cli_command_line(argc, argv);
    int code = argp_parse(&argp, argc, argv, 0, NULL, &o) == 0 ? eval(&o) : CLI_USAGE;
    cli_sources_free(&o.root);
    cli_sources_free(&o.all_pairs);
    cli_sources_free(&o.identify);
    free(o.command);
    free(o.models);
    free(o.damages);
    free(o.names);
    return code;
}
