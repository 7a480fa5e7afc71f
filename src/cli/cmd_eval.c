/* cmd_eval.c: likeness eval: how good is a model? Verification on a list of pairs (as LFW counts it),
 * identification in a folder of people (part of each person is gallery, the rest are probes), or both. Each
 * photo is embedded once. */
#include "cli.h"
#include "likeness/eval.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct eval_options {
    const char *model, *pairs, *name;
    cli_sources root, identify; /* one each */
    lk_crop crop;
    size_t gallery_photos; /* of each person; 0: half */
    size_t limit_people;   /* 0: all */
    uint64_t seed;
    cli_look look;
    cli_compute compute;
    cli_style style;
} eval_options;

enum { KEY_PAIRS = CLI_KEY_VERB, KEY_ROOT, KEY_IDENTIFY, KEY_GALLERY_PHOTOS, KEY_LIMIT, KEY_NAME };

static const char doc[] = "Measure a model: on pairs of photos (10-fold accuracy with its standard error, "
                          "AUC, EER, TAR at FAR) and in a folder "
                          "of people (rank-1, rank-5, CMC), or both.\vThe pairs file is tab-separated with "
                          "one header line: fold, same (1 or 0), "
                          "and two photo paths under --root. A TAR is given only where there are different "
                          "pairs enough to say. Of several faces in a photo the one that is large and near "
                          "the centre counts; a photo without a face is taken whole, and these are counted. "
                          "Unreadable photos are told and left out with their pairs.";

static const struct argp_option option_list[] = {
    {"pairs", KEY_PAIRS, "TSV", 0, "Pairs to verify", 1},
    {"root", KEY_ROOT, "DIR[@CROP]", 0, "Folder of the photos named in the pairs file", 1},
    {"identify", KEY_IDENTIFY, "DIR[@CROP]", 0, "Folder of people (DIR/PERSON/PHOTO) to identify", 2},
    {"gallery-photos", KEY_GALLERY_PHOTOS, "N", 0,
     "Photos of each person that are enrolled, one at least being left as a probe; 0: half of them", 2},
    {"limit-people", KEY_LIMIT, "N", 0, "Only the first N people of the folder; 0: all", 2},
    CLI_OPTION_SEED,
    {"name", KEY_NAME, "NAME", 0, "What to call the model (default: its file name)", 3},
    CLI_OPTION_CROP,
    CLI_OPTIONS_FACES,
    CLI_OPTION_JSON,
    CLI_OPTION_TSV,
    CLI_OPTIONS_COMPUTE,
    {0}};

static const cli_number numbers[] = {
    {KEY_GALLERY_PHOTOS, CLI_SIZE, offsetof(eval_options, gallery_photos), 0, 1e6},
    {KEY_LIMIT, CLI_SIZE, offsetof(eval_options, limit_people), 0, 1e9},
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

static void parse_end(eval_options *o, struct argp_state *state) {
    if (!o->model) argp_error(state, "no model is given");
    if (!o->pairs && !o->identify.count)
        argp_error(state, "nothing to measure: give --pairs, --identify or both");
    if (o->pairs && !o->root.count) argp_error(state, "--pairs needs --root, the folder of its photos");
    if (!o->pairs && o->root.count) argp_error(state, "--root belongs to --pairs");
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    eval_options *o = state->input;
    switch (key) {
    case KEY_PAIRS: o->pairs = arg; return 0;
    case KEY_ROOT: add_once(&o->root, arg, "root", state); return 0;
    case KEY_IDENTIFY: add_once(&o->identify, arg, "identify", state); return 0;
    case KEY_NAME: o->name = arg; return 0;
    case CLI_KEY_CROP: o->crop = cli_crop_option(arg, state); return 0;
    case CLI_KEY_JSON: o->style = CLI_JSON; return 0;
    case CLI_KEY_TSV: o->style = CLI_TSV; return 0;
    case ARGP_KEY_ARG:
        if (o->model) argp_error(state, "eval measures one model; '%s' is one too many", arg);
        o->model = arg;
        return 0;
    case ARGP_KEY_END: parse_end(o, state); return 0;
    default:
        if (cli_look_parse(&o->look, key, arg) == 0) return 0;
        return cli_number_parse(numbers, key, arg, o, state);
    }
}

/* ---- which photos, and their vectors --------------------------------------------------------------- */

/* Everything one run looks at. Photos asked for twice (by pairs and by --identify) are one entry of `photos`.
 */
typedef struct run {
    const eval_options *options;
    lk_pairs pairs;
    lk_dataset *dataset;
    size_t people, people_photos; /* of the data set, as limited */
    char **joined;                /* (pairs.photo_count): root/photo */
    cli_photo *photos;            /* (count) */
    size_t count, good;
    size_t looked, faceless; /* photos searched for faces; of them, without one and taken whole */
    size_t *pair_photo;      /* (pairs.photo_count) into photos */
    size_t *person_photo;    /* (people_photos) into photos */
    float *vectors;          /* (count, dim) */
    bool *usable;            /* (count) */
    int dim;
    bool verified, identified;
    size_t pairs_left_out;
    lk_verification verification;
    lk_identification identification;
} run;

typedef struct wish {
    cli_photo photo;
    size_t *slot;
} wish;

static int wish_compare(const void *a, const void *b) {
    const wish *x = a, *y = b;
    int order = strcmp(x->photo.path, y->photo.path);
    return order ? order : memcmp(&x->photo.crop, &y->photo.crop, sizeof x->photo.crop);
}

static int run_open(run *r, lk_error *err) {
    const eval_options *o = r->options;
    if (o->pairs) {
        if (lk_pairs_load(o->pairs, &r->pairs, err) != LK_OK) return cli_fail(err);
        r->joined = cli_alloc(r->pairs.photo_count, sizeof *r->joined);
        for (size_t i = 0; i < r->pairs.photo_count; i++)
            r->joined[i] = cli_format("%s/%s", o->root.items[0].path, r->pairs.photos[i]);
    }
    if (o->identify.count) {
        if (lk_dataset_open(o->identify.items, 1, &r->dataset, err) != LK_OK) return cli_fail(err);
        r->people = lk_dataset_people(r->dataset);
        if (o->limit_people && o->limit_people < r->people) r->people = o->limit_people;
        size_t first, count;
        lk_dataset_person_photos(r->dataset, r->people - 1, &first, &count);
        r->people_photos = first + count;
    }
    return CLI_OK;
}

/* Photos in the order of their names, each once, and where each wish finds its own. */
static void run_gather(run *r) {
    size_t total = r->pairs.photo_count + r->people_photos, n = 0;
    wish *wishes = cli_alloc(total, sizeof *wishes);
    r->pair_photo = cli_alloc(r->pairs.photo_count, sizeof *r->pair_photo);
    r->person_photo = cli_alloc(r->people_photos, sizeof *r->person_photo);
    for (size_t i = 0; i < r->pairs.photo_count; i++)
        wishes[n++] = (wish){{r->joined[i], r->options->root.items[0].crop}, &r->pair_photo[i]};
    for (size_t i = 0; i < r->people_photos; i++)
        wishes[n++] = (wish){{lk_dataset_photo_path(r->dataset, i), lk_dataset_photo_crop(r->dataset, i)},
                             &r->person_photo[i]};
    qsort(wishes, total, sizeof *wishes, wish_compare);
    r->photos = cli_alloc(total, sizeof *r->photos);
    for (size_t i = 0; i < total; i++) {
        if (i == 0 || wish_compare(&wishes[i - 1], &wishes[i]) != 0) r->photos[r->count++] = wishes[i].photo;
        *wishes[i].slot = r->count - 1;
    }
    free(wishes);
}

static lk_status on_faces(void *context, size_t photo, const cli_faces *faces, lk_error *err) {
    run *r = context;
    (void)err;
    if (!faces) return LK_OK;
    memcpy(r->vectors + photo * (size_t)r->dim, faces->vectors, (size_t)r->dim * sizeof *faces->vectors);
    r->looked += faces->looked;
    r->faceless += faces->looked && faces->whole;
    r->usable[photo] = true;
    r->good++;
    return LK_OK;
}

static const float *run_vector(const run *r, size_t photo) {
    return r->vectors + photo * (size_t)r->dim;
}

/* ---- the two measures ------------------------------------------------------------------------------ */

static lk_status run_verify(run *r, lk_error *err) {
    size_t n = 0;
    float *cosine = cli_alloc(r->pairs.count, sizeof *cosine);
    lk_pair *pairs = cli_alloc(r->pairs.count, sizeof *pairs);
    for (size_t i = 0; i < r->pairs.count; i++) {
        const lk_pair *pair = &r->pairs.items[i];
        size_t a = r->pair_photo[pair->a], b = r->pair_photo[pair->b];
        if (!r->usable[a] || !r->usable[b]) {
            r->pairs_left_out++;
            continue;
        }
        cosine[n] = (float)lk_cosine(run_vector(r, a), run_vector(r, b), r->dim);
        pairs[n++] = (lk_pair){pair->fold, pair->same, a, b};
    }
    if (r->pairs_left_out)
        cli_say("%s: %zu of %zu pairs left out", r->options->pairs, r->pairs_left_out, r->pairs.count);
    lk_trial trial = {.photos = r->count, .pairs = pairs, .cosine = cosine, .count = n};
    lk_status status = lk_verification_measure(&trial, NULL, &r->verification, err);
    r->verified = status == LK_OK;
    free(cosine);
    free(pairs);
    return status;
}

/* splitmix64 (Steele, Lea & Flood 2014): small, and the same everywhere. */
static uint64_t random_next(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static void shuffle(size_t *items, size_t count, uint64_t seed) {
    /* The remainder's bias is below count / 2^64. */
    for (size_t i = count; i > 1; i--) {
        size_t j = random_next(&seed) % i, item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}

/* Vectors and their people, growing. */
typedef struct labelled {
    float *vectors;
    size_t *person;
    size_t count;
} labelled;

static void labelled_add(const run *r, labelled *l, size_t photo, size_t person) {
    memcpy(l->vectors + l->count * (size_t)r->dim, run_vector(r, photo), (size_t)r->dim * sizeof(float));
    l->person[l->count++] = person;
}

/* The split of a person depends on the seed and on that person only. */
static void split_person(const run *r, size_t person, labelled *gallery, labelled *probes) {
    size_t first, count, n = 0;
    lk_dataset_person_photos(r->dataset, person, &first, &count);
    size_t *photos = cli_alloc(count, sizeof *photos);
    for (size_t i = 0; i < count; i++)
        if (r->usable[r->person_photo[first + i]]) photos[n++] = r->person_photo[first + i];
    uint64_t seed = r->options->seed;
    for (const char *c = lk_dataset_person_name(r->dataset, person); *c; c++)
        seed = (seed ^ (unsigned char)*c) * 0x100000001B3u; /* FNV-1a */
    shuffle(photos, n, seed);
    size_t enrolled = r->options->gallery_photos ? r->options->gallery_photos : n / 2;
    if (n > 1 && enrolled >= n) enrolled = n - 1;
    if (enrolled == 0) enrolled = 1; /* a person of one photo is there to be mistaken for others */
    for (size_t i = 0; i < n; i++) labelled_add(r, i < enrolled ? gallery : probes, photos[i], person);
    free(photos);
}

static labelled labelled_new(const run *r) {
    return (labelled){cli_alloc(r->people_photos * (size_t)r->dim, sizeof(float)),
                      cli_alloc(r->people_photos, sizeof(size_t)), 0};
}

static lk_status run_identify(run *r, lk_error *err) {
    labelled gallery = labelled_new(r), probes = labelled_new(r);
    for (size_t i = 0; i < r->people; i++) split_person(r, i, &gallery, &probes);
    lk_status status =
        lk_identification_measure(gallery.vectors, gallery.person, gallery.count, probes.vectors,
                                  probes.person, probes.count, r->dim, &r->identification, err);
    r->identified = status == LK_OK;
    free(gallery.vectors);
    free(gallery.person);
    free(probes.vectors);
    free(probes.person);
    return status;
}

/* ---- results --------------------------------------------------------------------------------------- */

/* At most 400 points that a plot cannot tell from all: one for each step of FAR on a logarithmic axis and of
 * TAR on a linear one. Both only rise, so each axis gives at most its number of steps. */
static json_t *thin_roc(const lk_verification *v) {
    enum { STEPS = 195 };
    json_t *points = json_array();
    double floor = log10(1.0 / (double)(v->pairs - v->same + 1));
    long last_far = -1, last_tar = -1;
    for (size_t i = 0; i < v->roc_count; i++) {
        double far = v->roc[i].far, tar = v->roc[i].tar;
        long far_step = far > 0 ? 1 + lround((1 - log10(far) / floor) * (STEPS - 1)) : 0;
        long tar_step = lround(tar * STEPS);
        if (far_step == last_far && tar_step == last_tar && i + 1 < v->roc_count) continue;
        last_far = far_step;
        last_tar = tar_step;
        json_array_append_new(points, json_pack("[o, o]", cli_json_real(far), cli_json_real(tar)));
    }
    return points;
}

static json_t *first_of_cmc(const lk_identification *id) {
    enum { CMC_RANKS = 50 };
    json_t *ranks = json_array();
    for (size_t i = 0; i < id->cmc_count && i < CMC_RANKS; i++)
        json_array_append_new(ranks, cli_json_real(id->cmc[i]));
    return ranks;
}

static json_t *count_or_null(bool known, size_t count) {
    return known ? json_integer((json_int_t)count) : json_null();
}

/* The one place where figures get their names; what was not measured is null. */
static json_t *run_json(const run *r, const char *name) {
    const lk_verification *v = &r->verification;
    const lk_identification *id = &r->identification;
    double none = NAN;
    json_t *result = json_object(), *tar = json_object();
    for (int i = 0; i < LK_FAR_COUNT; i++) {
        char *level = cli_format("1e-%d", i + 1);
        json_object_set_new(tar, level, cli_json_real(r->verified ? v->tar_at_far[i] : none));
        free(level);
    }
    json_object_set_new(result, "name", cli_json_text(name));
    json_object_set_new(result, "model", cli_json_text(r->options->model));
    json_object_set_new(result, "accuracy", cli_json_real(r->verified ? v->accuracy : none));
    json_object_set_new(result, "accuracy_se", cli_json_real(r->verified ? v->accuracy_se : none));
    json_object_set_new(result, "auc", cli_json_real(r->verified ? v->auc : none));
    json_object_set_new(result, "eer", cli_json_real(r->verified ? v->eer : none));
    json_object_set_new(result, "threshold", cli_json_real(r->verified ? v->threshold : none));
    json_object_set_new(result, "pairs", count_or_null(r->verified, v->pairs));
    json_object_set_new(result, "tar_at_far", tar);
    json_object_set_new(result, "rank1", cli_json_real(r->identified ? id->rank1 : none));
    json_object_set_new(result, "rank5", cli_json_real(r->identified ? id->rank5 : none));
    json_object_set_new(result, "people", count_or_null(r->identified, id->people));
    json_object_set_new(result, "photos", json_integer((json_int_t)r->good));
    json_object_set_new(result, "no_face", count_or_null(r->looked > 0, r->faceless));
    json_object_set_new(result, "roc", r->verified ? thin_roc(v) : json_null());
    json_object_set_new(result, "cmc", r->identified ? first_of_cmc(id) : json_null());
    return result;
}

static void tsv_scalar(cli_table *table, const char *name, const json_t *value) {
    if (json_is_array(value)) return;
    cli_table_cell(table, "%s", name);
    if (json_is_string(value))
        cli_table_cell(table, "%s", json_string_value(value));
    else if (json_is_number(value))
        cli_table_cell(table, "%.9g", json_number_value(value));
    else
        cli_table_cell(table, "NA");
}

static void print_tsv(json_t *result) {
    static const char *const titles[] = {"metric", "value"};
    cli_table *table = cli_table_new("ll", titles);
    const char *key, *level;
    json_t *value, *inner;
    json_object_foreach(result, key, value) {
        if (!json_is_object(value)) tsv_scalar(table, key, value);
        json_object_foreach(value, level, inner) {
            char *name = cli_format("%s_%s", key, level);
            tsv_scalar(table, name, inner);
            free(name);
        }
    }
    cli_table_print(table, CLI_TSV);
    json_decref(result);
}

static void share_row(cli_table *table, const char *label, double share) {
    cli_table_cell(table, "%s", label);
    if (isfinite(share))
        cli_table_cell(table, "%.2f %%", 100 * share);
    else
        cli_table_cell(table, "too few different pairs to say");
}

static void print_text(const run *r, const char *name) {
    const lk_verification *v = &r->verification;
    const lk_identification *id = &r->identification;
    cli_table *table = cli_table_new("ll", NULL);
    cli_table_cell(table, "model");
    cli_table_cell(table, "%s", name);
    if (r->verified) {
        cli_table_cell(table, "pairs");
        cli_table_cell(table, "%zu (%zu same, %zu different)", v->pairs, v->same, v->pairs - v->same);
        cli_table_cell(table, "accuracy");
        if (isfinite(v->accuracy_se))
            cli_table_cell(table, "%.2f %% +- %.2f", 100 * v->accuracy, 100 * v->accuracy_se);
        else
            cli_table_cell(table, "%.2f %% (one fold)", 100 * v->accuracy);
        cli_table_cell(table, "AUC");
        cli_table_cell(table, "%.4f", v->auc);
        share_row(table, "EER", v->eer);
        for (int i = 0; i < LK_FAR_COUNT; i++) {
            char *label = cli_format("TAR at FAR 1e-%d", i + 1);
            share_row(table, label, v->tar_at_far[i]);
            free(label);
        }
        cli_table_cell(table, "threshold");
        cli_table_cell(table, "%.4f", v->threshold);
    }
    if (r->identified) {
        cli_table_cell(table, "people");
        cli_table_cell(table, "%zu (%zu photos enrolled, %zu probes)", id->people, id->gallery_photos,
                       id->probes);
        share_row(table, "rank-1", id->rank1);
        share_row(table, "rank-5", id->rank5);
    }
    cli_table_print(table, CLI_TEXT);
}

static void print_results(const run *r) {
    const char *model = r->options->model, *slash = strrchr(model, '/');
    char *name = cli_format("%s", r->options->name ? r->options->name : slash ? slash + 1 : model);
    char *suffix = strstr(name, ".safetensors");
    if (!r->options->name && suffix && suffix != name) *suffix = 0;
    if (r->options->style == CLI_JSON)
        cli_json_print(stdout, run_json(r, name));
    else if (r->options->style == CLI_TSV)
        print_tsv(run_json(r, name));
    else
        print_text(r, name);
    free(name);
}

static int run_measure(run *r, const lk_model *model, cli_bad *bad) {
    lk_error err = {0};
    int code = run_open(r, &err);
    if (code != CLI_OK) return code;
    if (r->dataset) cli_dataset_skipped(r->dataset, bad);
    run_gather(r);
    r->dim = lk_model_dim(model);
    r->vectors = cli_alloc(r->count * (size_t)r->dim, sizeof *r->vectors);
    r->usable = cli_alloc(r->count, sizeof *r->usable);
    cli_embedding embedding = {.model = model,
                               .compute = &r->options->compute,
                               .look = &r->options->look,
                               .pick = CLI_PICK_CENTRAL,
                               .photos = r->photos,
                               .count = r->count,
                               .fn = on_faces,
                               .context = r,
                               .bad = bad};
    lk_status status = cli_embed(&embedding, &err);
    if (r->faceless) cli_say("%zu of %zu photos: no face found, taken whole", r->faceless, r->looked);
    if (status == LK_OK && r->options->pairs) status = run_verify(r, &err);
    if (status == LK_OK && r->dataset) status = run_identify(r, &err);
    if (status != LK_OK) return cli_fail(&err);
    print_results(r);
    return CLI_OK;
}

static void run_free(run *r) {
    for (size_t i = 0; r->joined && i < r->pairs.photo_count; i++) free(r->joined[i]);
    free(r->joined);
    free(r->photos);
    free(r->pair_photo);
    free(r->person_photo);
    free(r->vectors);
    free(r->usable);
    if (r->options->pairs) lk_pairs_free(&r->pairs);
    lk_dataset_free(r->dataset);
    if (r->verified) lk_verification_free(&r->verification);
    if (r->identified) lk_identification_free(&r->identification);
}

static int eval(eval_options *o) {
    double started = cli_seconds();
    cli_sources_default_crop(&o->root, o->crop);
    cli_sources_default_crop(&o->identify, o->crop);
    lk_model *model = NULL;
    lk_error err;
    if (lk_model_open(o->model, &model, &err) != LK_OK) return cli_fail(&err);
    run r = {.options = o};
    cli_bad bad = {0};
    int code = run_measure(&r, model, &bad);
    cli_bad_finish(&bad, bad.count > 1);
    run_free(&r);
    lk_model_free(model);
    cli_usage_line(started);
    return code;
}

int cmd_eval(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "MODEL", doc, NULL, help, NULL};
    eval_options o = {.seed = 1, .look = CLI_LOOK_DEFAULT};
    int code = argp_parse(&argp, argc, argv, 0, NULL, &o) == 0 ? eval(&o) : CLI_USAGE;
    cli_sources_free(&o.root);
    cli_sources_free(&o.identify);
    return code;
}
