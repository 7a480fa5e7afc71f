/* gallery_cluster.c: likeness gallery cluster FOLDER: every face in the photos of a folder, grouped into
 * people without names. What comes out is a folder of folders, which may be named, corrected, and enrolled.
 */
#include "gallery.h"
#include "likeness/eval.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_LEAST = CLI_KEY_VERB, KEY_REPORT, KEY_PICTURES, KEY_LABELS, KEY_FAR };

typedef struct cluster_options {
    gallery_words w;
    const char *model, *out, *page;
    double threshold, far;
    size_t least, pictures;
    bool labels;
    cli_look look;
    cli_compute compute;
} cluster_options;

static const cli_number numbers[] = {
    {CLI_KEY_THRESHOLD, CLI_REAL, offsetof(cluster_options, threshold), -1, 1},
    {KEY_FAR, CLI_REAL, offsetof(cluster_options, far), 1e-9, 1},
    {KEY_LEAST, CLI_SIZE, offsetof(cluster_options, least), 1, 1e6},
    {KEY_PICTURES, CLI_SIZE, offsetof(cluster_options, pictures), 1, 1e4},
    CLI_NUMBERS_LOOK(cluster_options),
    CLI_NUMBERS_COMPUTE(cluster_options),
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state) {
    cluster_options *o = state->input;
    switch (key) {
    case CLI_KEY_MODEL: o->model = arg; return 0;
    case 'o': o->out = arg; return 0;
    case KEY_REPORT:
        if (strcmp(arg, "-") == 0) argp_error(state, "--report: give the page a file");
        o->page = arg;
        return 0;
    case KEY_LABELS: o->labels = true; return 0;
    default: break;
    }
    if (cli_look_parse(&o->look, key, arg) == 0) return 0;
    if (cli_number_parse(numbers, key, arg, o, state) == 0) return 0;
    return gallery_words_parse(&o->w, key, arg, state);
}

static char *help(int key, const char *text, void *input) {
    if (key == CLI_KEY_THRESHOLD) return (char *)(uintptr_t)text; /* no default */
    return cli_number_help(numbers, key, text, input);
}

/* ---- faces ---------------------------------------------------------------------------------------- */

typedef struct gathering {
    const cluster_options *o;
    cli_photo *photos;
    cli_files files;
    gallery_face *faces;
    float *vectors; /* (count, dim) */
    size_t count, dim;
    cli_bad bad;
} gathering;

static void keep_face(gathering *g, size_t photo, const cli_faces *faces, size_t i) {
    g->faces = cli_grow(g->faces, g->count + 1, sizeof *g->faces);
    g->vectors = cli_grow(g->vectors, g->count + 1, g->dim * sizeof *g->vectors);
    gallery_face *f = &g->faces[g->count];
    *f = (gallery_face){.photo = photo};
    if (!faces->whole) {
        f->number = faces->number[i] + 1;
        f->face = faces->face[faces->number[i]];
    }
    memcpy(g->vectors + g->count * g->dim, faces->vectors + i * g->dim, g->dim * sizeof *g->vectors);
    g->count++;
}

static lk_status on_faces(void *context, size_t photo, const cli_faces *faces, lk_error *err) {
    gathering *g = context;
    (void)err;
    if (!faces) return LK_OK;
    if (faces->count == 0) cli_bad_say(&g->bad, CLI_NO_FACE, g->photos[photo].path, "no face found");
    for (size_t i = 0; i < faces->count; i++) keep_face(g, photo, faces, i);
    return LK_OK;
}

static lk_status gather(gathering *g, const lk_model *model, lk_error *err) {
    const cluster_options *o = g->o;
    for (int i = 0; i < o->w.count; i++) cli_files_add(&g->files, o->w.words[i], false, &g->bad);
    g->photos = cli_alloc(g->files.count, sizeof *g->photos);
    for (size_t i = 0; i < g->files.count; i++) g->photos[i] = (cli_photo){.path = g->files.items[i].path};
    g->dim = (size_t)lk_model_dim(model);
    const cli_embedding embedding = {.model = model,
                                     .compute = &o->compute,
                                     .look = &o->look,
                                     /* A label names one person of a photo. */
                                     .pick = o->labels ? CLI_PICK_LARGEST : CLI_PICK_ALL,
                                     .photos = g->photos,
                                     .count = g->files.count,
                                     .fn = on_faces,
                                     .context = g,
                                     .bad = &g->bad};
    return cli_embed(&embedding, err);
}

/* ---- groups --------------------------------------------------------------------------------------- */

static int typical_first(const void *a, const void *b) {
    const gallery_face *x = a, *y = b;
    if (x->group != y->group) return x->group < y->group ? -1 : 1;
    if (x->cosine != y->cosine) return x->cosine > y->cosine ? -1 : 1;
    if (x->photo != y->photo) return x->photo < y->photo ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

/* The cosine of each face with the mean of its group. */
static void typify(gathering *g, size_t groups) {
    size_t dim = g->dim;
    double *sums = cli_alloc(groups * dim, sizeof *sums);
    for (size_t i = 0; i < g->count; i++)
        for (size_t k = 0; k < dim; k++) sums[g->faces[i].group * dim + k] += (double)g->vectors[i * dim + k];
    for (size_t i = 0; i < g->count; i++) {
        const double *sum = sums + g->faces[i].group * dim;
        double dot = 0, norm = 0;
        for (size_t k = 0; k < dim; k++) {
            dot += sum[k] * (double)g->vectors[i * dim + k];
            norm += sum[k] * sum[k];
        }
        g->faces[i].cosine = norm > 0 ? (float)(dot / sqrt(norm)) : 0;
    }
    free(sums);
}

static lk_status group(gathering *g, double threshold, gallery_groups *out, lk_error *err) {
    uint32_t *cluster = cli_alloc(g->count, sizeof *cluster);
    lk_status status = lk_cluster(g->vectors, g->count, (int)g->dim, threshold, cluster, &out->groups, err);
    if (status == LK_OK) {
        for (size_t i = 0; i < g->count; i++) g->faces[i].group = cluster[i];
        typify(g, out->groups);
        if (g->count) qsort(g->faces, g->count, sizeof *g->faces, typical_first);
        out->files = &g->files;
        out->faces = g->faces;
        out->count = g->count;
        out->photos = g->files.count - g->bad.count;
        out->threshold = threshold;
        out->least = g->o->least;
        out->first = cli_alloc(out->groups + 1, sizeof *out->first);
        for (size_t i = 0; i < g->count; i++) out->first[g->faces[i].group + 1] = i + 1;
        while (out->people < out->groups &&
               out->first[out->people + 1] - out->first[out->people] >= out->least)
            out->people++;
    }
    free(cluster);
    return status;
}

/* ---- how good ------------------------------------------------------------------------------------- */

/* The folder that a photo lies in, without what is before it. */
static char *label_of(const char *path) {
    const char *slash = strrchr(path, '/');
    const char *begin = slash;
    while (begin && begin > path && begin[-1] != '/') begin--;
    return slash ? cli_format("%.*s", (int)(slash - begin), begin) : cli_format("%s", "");
}

typedef struct label {
    char *text;
    size_t face;
} label;

static int by_text(const void *a, const void *b) {
    return strcmp(((const label *)a)->text, ((const label *)b)->text);
}

static int judge(const cluster_options *o, const gallery_groups *g) {
    label *labels = cli_alloc(g->count, sizeof *labels);
    uint32_t *found = cli_alloc(g->count, sizeof *found), *truth = cli_alloc(g->count, sizeof *truth),
             person = 0;
    for (size_t i = 0; i < g->count; i++) {
        labels[i] = (label){label_of(g->files->items[g->faces[i].photo].path), i};
        found[i] = g->faces[i].group;
    }
    if (g->count) qsort(labels, g->count, sizeof *labels, by_text);
    for (size_t i = 0; i < g->count; i++) {
        if (i && strcmp(labels[i].text, labels[i - 1].text) != 0) person++;
        truth[labels[i].face] = person;
    }
    lk_grouping m;
    lk_error err;
    lk_status status = lk_grouping_measure(found, truth, g->count, &m, &err);
    if (status == LK_OK) {
        json_t *row = json_object();
        json_object_set_new(row, "faces", json_integer((json_int_t)g->count));
        json_object_set_new(row, "people", json_integer((json_int_t)m.people));
        json_object_set_new(row, "groups", json_integer((json_int_t)m.groups));
        json_object_set_new(row, "threshold", cli_json_real(g->threshold));
        json_object_set_new(row, "pair_precision", cli_json_real(m.pair_precision));
        json_object_set_new(row, "pair_recall", cli_json_real(m.pair_recall));
        json_object_set_new(row, "bcubed_precision", cli_json_real(m.bcubed_precision));
        json_object_set_new(row, "bcubed_recall", cli_json_real(m.bcubed_recall));
        json_object_set_new(row, "bcubed_f", cli_json_real(m.bcubed_f));
        gallery_fields_print(o->w.style, row);
    }
    for (size_t i = 0; i < g->count; i++) free(labels[i].text);
    free(labels);
    free(found);
    free(truth);
    return status == LK_OK ? CLI_OK : cli_fail(&err);
}

/* ---- all of it ------------------------------------------------------------------------------------ */

/* What puts one pair of strangers in a hundred together, one by one, is far stricter on average over groups.
 */
static lk_status choose(const cluster_options *o, const lk_model *model, const char *path, double *threshold,
                        lk_error *err) {
    const lk_calibration *calibration = lk_model_calibration(model);
    *threshold = o->threshold;
    if (!isfinite(*threshold) && calibration)
        *threshold = lk_calibration_threshold(calibration, o->far, NULL);
    if (!isfinite(*threshold)) *threshold = lk_model_threshold(model);
    if (isfinite(*threshold)) return LK_OK;
    err->status = LK_INVALID;
    snprintf(err->message, sizeof err->message, "%.500s: has no threshold: give --threshold", path);
    return LK_INVALID;
}

static int report_all(const cluster_options *o, const gallery_groups *g) {
    int code = o->out ? gallery_groups_write(g, o->out) : CLI_OK;
    if (code == CLI_OK && o->page) code = gallery_groups_page(g, o->page, o->pictures);
    if (code != CLI_OK) return code;
    if (o->labels) return judge(o, g);
    gallery_groups_print(g, o->w.style);
    return CLI_OK;
}

static int cluster(const cluster_options *o) {
    double started = cli_seconds(), threshold = 0;
    gathering g = {.o = o};
    gallery_groups groups = {.files = NULL};
    lk_model *model = NULL;
    lk_error err;
    char *path = o->model ? cli_format("%s", o->model) : cli_shipped_model("face-small.safetensors");
    lk_status status = lk_model_open(path, &model, &err);
    if (status == LK_OK) status = choose(o, model, path, &threshold, &err);
    if (status == LK_OK) status = gather(&g, model, &err);
    if (status == LK_OK) status = group(&g, threshold, &groups, &err);
    int code = status == LK_OK ? report_all(o, &groups) : cli_fail(&err);
    if (code == CLI_OK) {
        char *kinds = cli_bad_kinds(&g.bad);
        cli_say(
            "%zu faces of %zu photos: %zu people of %zu faces or more, %zu faces in smaller groups; skipped "
            "%zu%s%s; together from an average cosine of %.4f on",
            groups.count, groups.photos, groups.people, groups.least,
            groups.count - groups.first[groups.people], g.bad.count, g.bad.count ? ": " : "",
            g.bad.count ? kinds : "", threshold);
        free(kinds);
        if (!groups.count) code = CLI_INPUT;
        cli_usage_line(started);
    }
    cli_bad_finish(&g.bad, g.bad.count > 1);
    free(groups.first);
    free(g.faces);
    free(g.vectors);
    free(g.photos);
    cli_files_free(&g.files);
    lk_model_free(model);
    free(path);
    return code;
}

int gallery_cluster(const char *none, int argc, char **argv) {
    static const struct argp_option options[] = {
        {"model", CLI_KEY_MODEL, "MODEL", 0,
         "The model that makes the vectors (default: models/face-small.safetensors, or the installed one)",
         0},
        {"output", 'o', "OUT", 0, "Write OUT/person_0001/PHOTO and so on, a new folder: links, or copies", 0},
        {"report", KEY_REPORT, "HTML", 0, "Write a page with the faces of each group", 0},
        {"pictures", KEY_PICTURES, "N", 0, "Faces of each group on the page", 0},
        {"threshold", CLI_KEY_THRESHOLD, "COSINE", 0,
         "Groups are one person from this average cosine on (default: the model's at --far, where it is "
         "calibrated; "
         "else the model's threshold)",
         0},
        {"far", KEY_FAR, "RATE", 0, "The share of pairs of strangers whose cosine is at least the threshold",
         0},
        {"least", KEY_LEAST, "N", 0, "Groups of fewer faces are no people, but others", 0},
        {"labels", KEY_LABELS, 0, 0,
         "The photos lie in folders of people: say how well the groups agree with them, and nothing else", 0},
        GALLERY_OPTIONS,
        CLI_OPTIONS_FACES,
        CLI_OPTIONS_COMPUTE,
        {0}};
    static const struct argp argp = {
        options,
        parse,
        "FOLDER|PHOTO...",
        "Group the faces of photos into people without names: average linkage over the cosines of "
        "all pairs.",
        NULL,
        help,
        NULL};
    (void)none;
    cluster_options o = {.w = {.least = 1, .most = GALLERY_WORDS, .missing = "say which folder or photos"},
                         .threshold = (double)NAN,
                         .far = 0.01,
                         .least = 2,
                         .pictures = 12,
                         .look = CLI_LOOK_DEFAULT};
    return argp_parse(&argp, argc, argv, 0, NULL, &o) == 0 ? cluster(&o) : CLI_USAGE;
}
