/* gallery_dedupe.c: likeness gallery GALLERY dedupe: people who were enrolled twice, the surest first, with
 * the evidence; and, when asked for with a threshold, made one. */
#include "gallery.h"
#include "report.h"
#include "svg.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_FALSE_PAIRS = CLI_KEY_VERB, KEY_REPORT, KEY_MERGE };

typedef struct dedupe_options {
    gallery_words w;
    const char *model, *page;
    double threshold, false_pairs;
    bool merge;
} dedupe_options;

static const cli_number numbers[] = {
    {CLI_KEY_THRESHOLD, CLI_REAL, offsetof(dedupe_options, threshold), -1, 1},
    {KEY_FALSE_PAIRS, CLI_REAL, offsetof(dedupe_options, false_pairs), 1e-9, 1e9},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state) {
    dedupe_options *o = state->input;
    switch (key) {
    case CLI_KEY_MODEL: o->model = arg; return 0;
    case KEY_REPORT: o->page = arg; return 0;
    case KEY_MERGE: o->merge = true; return 0;
    case ARGP_KEY_END:
        if (o->merge && !isfinite(o->threshold))
            argp_error(state, "--merge changes the gallery: say from which --threshold on people are one");
        if (o->page && strcmp(o->page, "-") == 0) argp_error(state, "--report: give the page a file");
        break;
    default: break;
    }
    if (cli_number_parse(numbers, key, arg, o, state) == 0) return 0;
    return gallery_words_parse(&o->w, key, arg, state);
}

static char *help(int key, const char *text, void *input) {
    if (key == CLI_KEY_THRESHOLD) return (char *)(uintptr_t)text; /* no default */
    return cli_number_help(numbers, key, text, input);
}

/* ---- the threshold -------------------------------------------------------------------------------- */

typedef struct tally {
    double photos, squares;
} tally;

static int count_person(void *context, const char *person, size_t photos, const char *added) {
    tally *t = context;
    (void)person;
    (void)added;
    t->photos += (double)photos;
    t->squares += (double)photos * (double)photos;
    return 0;
}

typedef struct rule {
    lk_model *model; /* NULL: could not be read; owns the calibration */
    const lk_calibration *calibration;
    double threshold;
} rule;

/* As many false pairs as are allowed, over all pairs of photos; at least what the model takes for one person.
 */
static lk_status rule_make(const dedupe_options *o, lk_gallery *gallery, rule *r, lk_error *err) {
    lk_gallery_info info;
    tally t = {0, 0};
    lk_error why;
    lk_status status = lk_gallery_get_info(gallery, &info, err);
    if (status == LK_OK) status = lk_gallery_each_person(gallery, count_person, &t, err);
    if (status != LK_OK) return status;
    if (o->model)
        status = cli_gallery_model(gallery, o->model, &r->model, err);
    else if (lk_model_open(info.model_path, &r->model, &why) != LK_OK)
        r->model = NULL; /* only its calibration is wanted */
    if (status != LK_OK) return status;
    bool same = r->model && strcmp(lk_model_fingerprint(r->model), info.fingerprint) == 0;
    r->calibration = same ? lk_model_calibration(r->model) : NULL;
    r->threshold = isfinite(o->threshold) ? o->threshold : info.threshold;
    double pairs = (t.photos * t.photos - t.squares) / 2;
    if (!isfinite(o->threshold) && r->calibration && pairs > 0) {
        double chosen = lk_calibration_threshold(r->calibration, fmin(1, o->false_pairs / pairs), NULL);
        if (isfinite(chosen)) r->threshold = fmax(chosen, isfinite(info.threshold) ? info.threshold : -1);
    }
    if (isfinite(r->threshold)) return LK_OK;
    err->status = LK_INVALID;
    snprintf(err->message, sizeof err->message, "%.500s: its model has no threshold: give --threshold",
             lk_gallery_name(gallery));
    return LK_INVALID;
}

/* NaN: not known. */
static double expected(const rule *r, const lk_duplicates *d, bool *extrapolated) {
    *extrapolated = false;
    return r->calibration ? d->photo_pairs * lk_calibration_far(r->calibration, r->threshold, extrapolated)
                          : (double)NAN;
}

/* ---- what is printed ------------------------------------------------------------------------------ */

static void print_json(const lk_duplicate *d) {
    json_t *row = json_object();
    json_object_set_new(row, "a", cli_json_text(d->a));
    json_object_set_new(row, "b", cli_json_text(d->b));
    json_object_set_new(row, "photos_a", json_integer((json_int_t)d->photos_a));
    json_object_set_new(row, "photos_b", json_integer((json_int_t)d->photos_b));
    json_object_set_new(row, "mean", cli_json_real((double)d->mean));
    json_object_set_new(row, "closest", cli_json_real((double)d->closest));
    json_object_set_new(row, "photo_a", cli_json_text(d->photo_name_a));
    json_object_set_new(row, "photo_b", cli_json_text(d->photo_name_b));
    json_object_set_new(row, "id_a", json_integer(d->photo_a));
    json_object_set_new(row, "id_b", json_integer(d->photo_b));
    cli_json_print(stdout, row);
}

static void print(const dedupe_options *o, const lk_duplicates *found) {
    static const char *const titles[] = {"mean", "closest",  "a",       "photos_a",
                                         "b",    "photos_b", "photo_a", "photo_b"};
    cli_table *table = o->w.style == CLI_JSON ? NULL : cli_table_new("rrlrlrll", titles);
    for (size_t i = 0; i < found->count; i++) {
        const lk_duplicate *d = &found->items[i];
        if (!table) {
            print_json(d);
            continue;
        }
        cli_table_cell(table, "%.4f", (double)d->mean);
        cli_table_cell(table, "%.4f", (double)d->closest);
        cli_table_cell(table, "%s", d->a);
        cli_table_cell(table, "%zu", d->photos_a);
        cli_table_cell(table, "%s", d->b);
        cli_table_cell(table, "%zu", d->photos_b);
        cli_table_cell(table, "%s", d->photo_name_a);
        cli_table_cell(table, "%s", d->photo_name_b);
    }
    if (table && (found->count || o->w.style == CLI_TSV))
        cli_table_print(table, o->w.style);
    else
        free(table);
}

/* free() */
static char *summary(const rule *r, const lk_duplicates *found) {
    bool extrapolated;
    double chance = expected(r, found, &extrapolated);
    char *known =
        isfinite(chance)
            ? cli_format("by chance %.2g would be expected%s", chance, extrapolated ? " (extrapolated)" : "")
            : cli_format("how many to expect by chance is not known, for the model is not calibrated "
                         "(likeness calibrate)");
    char *text = cli_format("%zu %s with photos of a cosine of at least %.4f; of %.0f pairs of photos of "
                            "different people, %s",
                            found->count, found->count == 1 ? "pair of people" : "pairs of people",
                            r->threshold, found->photo_pairs, known);
    free(known);
    return text;
}

/* ---- the page ------------------------------------------------------------------------------------- */

enum { PICTURES = 5, PAGE_PAIRS = 500 };

typedef struct strip {
    FILE *out;
    const lk_gallery *gallery;
    report_photos *photos;
    int64_t closest; /* shown first, apart from the others */
    bool only;       /* this one */
    size_t shown;
} strip;

/* The crop that is kept; else the photo, if it still lies where it lay. */
static int show_photo(void *context, const lk_gallery_photo *photo) {
    strip *s = context;
    if ((photo->id == s->closest) != s->only) return 0;
    uint8_t *jpeg = NULL;
    size_t size = 0;
    lk_error err;
    fputs("<span style=\"width:96px\">", s->out);
    if (photo->crop_size && lk_gallery_get_crop(s->gallery, photo->id, &jpeg, &size, &err) == LK_OK)
        report_jpeg_write(s->out, jpeg, size, photo->photo);
    else
        report_photo_write(s->out, s->photos, photo->source ? photo->source : photo->photo);
    free(jpeg);
    fputs("<span class=\"file\">", s->out);
    svg_text_write(s->out, report_base_name(photo->photo));
    fputs("</span></span>\n", s->out);
    return ++s->shown >= PICTURES || s->only;
}

static void write_person(FILE *out, const lk_gallery *gallery, report_photos *photos, const char *name,
                         size_t count, int64_t closest) {
    lk_error err;
    strip s = {out, gallery, photos, closest, true, 0};
    fputs("<div><span class=\"name\">", out);
    svg_text_write(out, name);
    fprintf(out,
            "</span> <span class=\"muted\">%zu %s</span><div style=\"display:flex;gap:6px;flex-wrap:wrap;"
            "margin-top:4px\">\n",
            count, count == 1 ? "photo" : "photos");
    lk_gallery_each_photo(gallery, name, show_photo, &s, &err);
    s.only = false;
    lk_gallery_each_photo(gallery, name, show_photo, &s, &err);
    fputs("</div></div>\n", out);
}

static int write_page(const dedupe_options *o, const lk_gallery *gallery, const rule *r,
                      const lk_duplicates *found) {
    cli_output output;
    report_photos photos = {.root = NULL};
    int code = cli_output_open(&output, o->page);
    if (code != CLI_OK) return code;
    FILE *out = output.file;
    char *text = summary(r, found);
    size_t shown = found->count < PAGE_PAIRS ? found->count : PAGE_PAIRS;
    report_page_begin(out, "Enrolled twice?");
    fputs("<p>", out);
    svg_text_write(out, text);
    fputs(".</p>\n", out);
    if (shown < found->count) fprintf(out, "<p class=\"muted\">The first %zu are shown.</p>\n", shown);
    for (size_t i = 0; i < shown; i++) {
        const lk_duplicate *d = &found->items[i];
        fputs("<article class=\"card\">\n<div style=\"display:flex;gap:12px "
              "32px;flex-wrap:wrap;font-size:.84rem\">\n",
              out);
        write_person(out, gallery, &photos, d->a, d->photos_a, d->photo_a);
        write_person(out, gallery, &photos, d->b, d->photos_b, d->photo_b);
        fprintf(out,
                "</div>\n<p class=\"muted small\">cosine %.3f on average over all their photos, %.3f of the "
                "closest two, which come first</p>\n</article>\n",
                (double)d->mean, (double)d->closest);
    }
    report_page_end_with(
        out, "<strong>Alike is not the same.</strong> Siblings, and strangers in poor photos, can be as "
             "alike as this. Look before people are merged.");
    free(text);
    return cli_output_close(&output, true);
}

/* ---- merging -------------------------------------------------------------------------------------- */

typedef struct member {
    const char *name;
    size_t photos, group;
} member;

typedef struct members {
    member *items;
    size_t count;
} members;

static size_t member_of(members *m, const char *name, size_t photos) {
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->items[i].name, name) == 0) return i;
    m->items = cli_grow(m->items, m->count + 1, sizeof *m->items);
    m->items[m->count] = (member){name, photos, m->count};
    return m->count++;
}

static bool alike(const lk_duplicates *found, const rule *r, const char *a, const char *b) {
    for (size_t i = 0; i < found->count; i++) {
        const lk_duplicate *d = &found->items[i];
        if ((strcmp(d->a, a) == 0 && strcmp(d->b, b) == 0) || (strcmp(d->a, b) == 0 && strcmp(d->b, a) == 0))
            return (double)d->mean >= r->threshold;
    }
    return false;
}

/* Two groups become one when everybody in one is like everybody in the other, on average over their photos:
 * one photo under a wrong name, or somebody who is like two others, must not join them. */
static void join(members *m, const lk_duplicates *found, const rule *r) {
    for (size_t i = 0; i < found->count; i++) {
        const lk_duplicate *d = &found->items[i];
        if ((double)d->mean < r->threshold) continue;
        size_t ia = member_of(m, d->a, d->photos_a), ib = member_of(m, d->b, d->photos_b);
        size_t a = m->items[ia].group, b = m->items[ib].group;
        bool all = a != b;
        for (size_t x = 0; all && x < m->count; x++)
            for (size_t y = 0; m->items[x].group == a && all && y < m->count; y++)
                if (m->items[y].group == b) all = alike(found, r, m->items[x].name, m->items[y].name);
        for (size_t x = 0; all && x < m->count; x++)
            if (m->items[x].group == b) m->items[x].group = a;
    }
}

/* Whoever has most photos keeps the name. */
static lk_status merge_group(lk_gallery *gallery, const members *m, size_t group, size_t *merged,
                             lk_error *err) {
    const char **others = cli_alloc(m->count, sizeof *others);
    const member *into = NULL;
    size_t count = 0, photos = 0;
    for (size_t i = 0; i < m->count; i++) {
        const member *x = &m->items[i];
        if (x->group != group) continue;
        if (!into || x->photos > into->photos ||
            (x->photos == into->photos && strcmp(x->name, into->name) < 0))
            into = x;
    }
    for (size_t i = 0; i < m->count; i++)
        if (m->items[i].group == group && &m->items[i] != into) others[count++] = m->items[i].name;
    lk_status status =
        count ? lk_gallery_merge_people(gallery, into->name, others, count, &photos, err) : LK_OK;
    for (size_t i = 0; i < count && status == LK_OK; i++) cli_say("merged %s into %s", others[i], into->name);
    *merged += status == LK_OK ? count : 0;
    free(others);
    return status;
}

static int merge(lk_gallery *gallery, const rule *r, const lk_duplicates *found) {
    members m = {NULL, 0};
    lk_error err;
    size_t merged = 0;
    lk_status status = LK_OK;
    join(&m, found, r);
    for (size_t group = 0; group < m.count && status == LK_OK; group++)
        status = merge_group(gallery, &m, group, &merged, &err);
    free(m.items);
    cli_say(
        "%s: merged %zu %s; pairs that are alike in single photos only, or through a third person, are left",
        lk_gallery_name(gallery), merged, merged == 1 ? "person" : "people");
    return status == LK_OK ? CLI_OK : cli_fail(&err);
}

/* ---- all of it ------------------------------------------------------------------------------------ */

static int dedupe(const dedupe_options *o, lk_gallery *gallery) {
    double started = cli_seconds();
    lk_duplicates found = {0};
    rule r = {.model = NULL};
    lk_error err;
    cli_catch_signals();
    lk_status status = rule_make(o, gallery, &r, &err);
    if (status == LK_OK)
        status = lk_gallery_find_duplicates(gallery, r.threshold, gallery_progress, &started, &found, &err);
    int code = status == LK_OK ? CLI_OK : cli_fail(&err);
    if (code == CLI_OK) {
        char *text = summary(&r, &found);
        print(o, &found);
        cli_say("%s: %s", lk_gallery_name(gallery), text);
        free(text);
        if (o->page) code = write_page(o, gallery, &r, &found);
        if (o->merge && code == CLI_OK) code = merge(gallery, &r, &found);
    }
    lk_duplicates_free(&found);
    lk_model_free(r.model);
    return code;
}

int gallery_dedupe(const char *path, int argc, char **argv) {
    static const struct argp_option options[] = {
        {"threshold", CLI_KEY_THRESHOLD, "COSINE", 0,
         "Photos of two people are alike from this cosine on (default: by --false-pairs, where the model is "
         "calibrated; else the model's threshold)",
         0},
        {"false-pairs", KEY_FALSE_PAIRS, "N", 0, "How many pairs to list that are alike by chance only", 0},
        {"model", CLI_KEY_MODEL, "MODEL", 0, "The gallery's model, if it moved: its calibration is wanted",
         0},
        {"report", KEY_REPORT, "HTML", 0, "Write a page with pictures", 0},
        {"merge", KEY_MERGE, 0, 0,
         "Make one of people whose photos are alike on average; needs --threshold. Who has most photos keeps "
         "the "
         "name",
         0},
        GALLERY_OPTIONS,
        {0}};
    static const struct argp argp = {
        options,
        parse,
        NULL,
        "People who were enrolled twice: pairs of people with photos as alike as those of one "
        "person, the most alike on average first. Without --merge nothing is changed.",
        NULL,
        help,
        NULL};
    dedupe_options o = {.w = {.most = 0}, .threshold = (double)NAN, .false_pairs = 1};
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) return CLI_USAGE;
    lk_gallery *gallery = NULL;
    lk_error err;
    lk_status status = cli_gallery_open(path, o.merge, &o.w.access, &gallery, &err);
    int code = status == LK_OK ? dedupe(&o, gallery) : cli_fail(&err);
    lk_gallery_close(gallery);
    return code;
}
