/* report_eval_summary.c: all figures of all models in one table. A figure is bold only where the paired test
 * says that the model is better than every other: a difference that other pairs might turn round is none. */
#include "report_eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum figure_kind { SHARE, NUMBER, COUNT } figure_kind;
typedef struct figure {
    const char *label, *key, *inside; /* inside: the object that holds the key, NULL: the whole */
    figure_kind kind;
    const char *title; /* explains; NULL: nothing to explain */
} figure;

static const figure figures[] = {
    {"Accuracy \xC2\xB1 standard error", "accuracy", NULL, SHARE,
     "Pairs told rightly, the threshold of each fold chosen on the others"},
    {"AUC", "auc", NULL, NUMBER, "Chance that a pair of one person is more alike than one of two"},
    {"EER", "eer", NULL, SHARE, "Error where as many of one kind are wrong as of the other"},
    {"TAR at FAR 10 %", "1e-1", "tar_at_far", SHARE, NULL},
    {"TAR at FAR 1 %", "1e-2", "tar_at_far", SHARE, NULL},
    {"TAR at FAR 0.1 %", "1e-3", "tar_at_far", SHARE, NULL},
    {"TAR at FAR 0.01 %", "1e-4", "tar_at_far", SHARE, NULL},
    {"Calibration, Cllr (bits)", "cllr", "calibration", NUMBER,
     "What reading the cosine as a probability costs; 0 is perfect, 1 a coin"},
    {"Best threshold on these pairs", "threshold", NULL, NUMBER, "In hindsight; not to be put to use"},
    {"The model\xE2\x80\x99s own threshold", "threshold", "about", NUMBER, "Chosen on its validation people"},
    {"Pairs", "pairs", NULL, COUNT, NULL},
    {"Rank-1", "rank1", NULL, SHARE, NULL},
    {"Rank-5", "rank5", NULL, SHARE, NULL},
    {"People in the gallery", "people", NULL, COUNT, NULL},
    {"Photos", "photos", NULL, COUNT, NULL},
    {"No face found in", "no_face", NULL, COUNT, NULL},
    {"Photos a second", "photos_per_second", "run", COUNT, NULL},
};
enum { FIGURES = sizeof figures / sizeof *figures };

static const json_t *holder(const json_t *eval, const figure *f) {
    return f->inside ? json_object_get(eval, f->inside) : eval;
}

static double figure_value(const json_t *eval, const figure *f) {
    return report_number(holder(eval, f), f->key);
}

/* An interval lies beside its figure, or in an object of the same levels. */
static void write_interval(FILE *out, const json_t *eval, const figure *f) {
    if (f->kind != SHARE) return;
    char *key = cli_format("%s_interval", f->inside ? f->inside : f->key);
    if (f->inside)
        report_range_write(out, json_object_get(eval, key), f->key);
    else
        report_range_write(out, eval, key);
    free(key);
}

static void write_cell(FILE *out, const json_t *eval, const figure *f, bool best) {
    double value = figure_value(eval, f), se = report_number(eval, "accuracy_se");
    bool tar = f->inside && strcmp(f->inside, "tar_at_far") == 0;
    if (!isfinite(value)) {
        bool few = tar && isfinite(report_number(eval, "accuracy"));
        fprintf(out, "<td class=\"muted\">%s</td>", few ? "too few pairs" : "\xE2\x80\x93");
        return;
    }
    fprintf(out, "<td%s>", best ? " class=\"best\"" : "");
    if (tar && json_is_true(json_object_get(json_object_get(eval, "tar_at_far_few"), f->key)))
        fputs("<span class=\"chip bad\">few pairs</span> ", out);
    switch (f->kind) {
    case SHARE: report_share_write(out, value); break;
    case NUMBER: fprintf(out, "%.4f", value); break;
    case COUNT: report_count_write(out, value); break;
    }
    if (strcmp(f->key, "accuracy") == 0 && isfinite(se))
        fprintf(out, " <span class=\"se\">\xC2\xB1 %.2f</span>", 100 * se);
    write_interval(out, eval, f);
    fputs("</td>", out);
}

static void write_rows(FILE *out, const report_evals *e, const report_test *tests, size_t test_count) {
    for (int f = 0; f < FIGURES; f++) {
        const figure *row = &figures[f];
        bool known = false, verified = false;
        for (size_t i = 0; i < e->count; i++) {
            known |= isfinite(figure_value(e->items[i], row));
            verified |= isfinite(report_number(e->items[i], "accuracy"));
        }
        if (!known && !(verified && row->inside && strcmp(row->inside, "tar_at_far") == 0)) continue;
        fputs("<tr><th scope=\"row\"", out);
        if (row->title) fprintf(out, " title=\"%s\"", row->title);
        fprintf(out, ">%s</th>", row->label);
        for (size_t i = 0; i < e->count; i++)
            write_cell(out, e->items[i], row, report_is_best(e, tests, test_count, i, row->inside, row->key));
        fputs("</tr>\n", out);
    }
}

/* ---- what the reader must know first -------------------------------------------------------------- */

static void write_warning(FILE *out, const report_evals *e, size_t i) {
    const json_t *trained = json_object_get(e->items[i], "trained_people");
    double found = report_number(trained, "found");
    if (!(found > 0)) return;
    fputs("<p class=\"warning\"><strong>", out);
    svg_text_write(out, report_eval_name(e, i));
    fprintf(out,
            " was trained on %.0f of the people it is measured on.</strong> Its figures flatter it, and say "
            "nothing "
            "about people it does not know.",
            found);
    const json_t *names = json_object_get(trained, "names");
    size_t k;
    json_t *name;
    if (e->photos && json_array_size(names)) fputs(" They are: ", out);
    if (e->photos) json_array_foreach(names, k, name) {
            enum { SHOWN = 10 };
            if (k == SHOWN) fprintf(out, " and %zu more", json_array_size(names) - SHOWN);
            if (k >= SHOWN) break;
            if (k) fputs(", ", out);
            svg_text_write(out, json_is_string(name) ? json_string_value(name) : "");
        }
    fputs("</p>\n", out);
}

/* Were all measured on the same pairs? As far as their numbers and the names of their files say. */
static bool same_pairs(const report_evals *e) {
    for (size_t i = 1; i < e->count; i++) {
        const json_t *a = json_object_get(e->items[0], "data"), *b = json_object_get(e->items[i], "data");
        const char *x = report_string(a, "pairs"), *y = report_string(b, "pairs");
        if (report_number(e->items[0], "pairs") != report_number(e->items[i], "pairs")) return false;
        if (x && y && strcmp(x, y) != 0) return false;
    }
    return true;
}

static void write_reading(FILE *out, const report_evals *e, size_t test_count) {
    fputs("<p class=\"muted small\">", out);
    if (report_evals_have(e, "roc_band"))
        fputs("Small numbers: 95 % of the figures that other people of the same kind would give lie between "
              "them "
              "(bootstrap over people). ",
              out);
    for (size_t i = 0; i < e->count; i++) {
        const json_t *trained = json_object_get(e->items[i], "trained_people");
        if (!json_is_false(json_object_get(trained, "checked"))) continue;
        fputs("Whether ", out);
        svg_text_write(out, report_eval_name(e, i));
        fputs(" was trained on people it is measured on could not be checked: it does not say. ", out);
    }
    if (e->count > 1)
        fputs(
            test_count
                ? "Bold: better than every other model here, by the paired test; where nothing is bold, "
                  "these "
                  "pairs cannot tell. "
                : "These models were not compared by a test on the same pairs, so no figure is called best. ",
            out);
    fputs("</p>\n", out);
}

void report_summary_write(FILE *out, const report_evals *e) {
    size_t test_count;
    report_test *tests = report_tests(e, &test_count);
    fputs("<p class=\"muted\">Verification asks whether two photos show the same person; identification asks "
          "which "
          "person of a gallery a photo shows.</p>\n",
          out);
    for (size_t i = 0; i < e->count; i++) write_warning(out, e, i);
    if (report_evals_have(e, "roc") && !same_pairs(e))
        fputs("<p class=\"warning\"><strong>These models were not measured on the same pairs.</strong> Their "
              "figures "
              "cannot be compared.</p>\n",
              out);
    fprintf(out, "<div class=\"card scroll\"><table%s>\n<thead><tr><th scope=\"col\">Figure</th>",
            e->count > 1 ? "" : " class=\"narrow\"");
    for (size_t i = 0; i < e->count; i++) {
        fputs("<th scope=\"col\">", out);
        if (e->count > 1) svg_key_write(out, (int)i, false);
        svg_text_write(out, report_eval_name(e, i));
        fputs("</th>", out);
    }
    fputs("</tr></thead>\n<tbody>\n", out);
    write_rows(out, e, tests, test_count);
    fputs("</tbody></table></div>\n", out);
    write_reading(out, e, test_count);
    free(tests);
}
