/* report_figures.c: what likeness eval measured, several models side by side: ROC, CMC, and a table of
 * figures. */
#include "report.h"
#include "svg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int report_figures_load(const char *path, json_t **out) {
    json_error_t error;
    json_t *value = json_load_file(path, 0, &error);
    if (!value) {
        cli_say("%s, line %d: %s", path, error.line, error.text);
        return CLI_INPUT;
    }
    if (!json_is_object(value)) {
        cli_say("%s: not what likeness eval --json prints: an object is expected", path);
        json_decref(value);
        return CLI_INPUT;
    }
    *out = value;
    return CLI_OK;
}

static const char *model_name(const json_t *eval) {
    const char *name = report_string(eval, "name");
    if (!name && report_string(eval, "model")) name = report_base_name(report_string(eval, "model"));
    return name ? name : "unnamed model";
}

static bool has_array(const json_t *eval, const char *key) {
    return json_array_size(json_object_get(eval, key)) > 1;
}

/* ---- charts ------------------------------------------------------------------------------------- */

/* A line over an array of y, x being 1, 2, ...; or of [x, y]. */
static svg_series make_series(const json_t *array, int style, svg_shape shape, size_t most) {
    size_t count = json_array_size(array);
    if (count > most) count = most;
    double *x = cli_alloc(count, sizeof *x), *y = cli_alloc(count, sizeof *y);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(array, i);
        bool pair = json_array_size(item) == 2;
        const json_t *x_item = json_array_get(item, 0), *y_item = pair ? json_array_get(item, 1) : item;
        x[i] = !pair ? (double)(i + 1) : json_is_number(x_item) ? json_number_value(x_item) : NAN;
        y[i] = json_is_number(y_item) ? json_number_value(y_item) : NAN;
    }
    return (svg_series){x, y, count, style, false, shape};
}

static void write_legend(FILE *out, json_t *const *evals, size_t count, const char *key) {
    fputs("<ul class=\"legend\">", out);
    for (size_t i = 0; i < count; i++) {
        if (!has_array(evals[i], key)) continue;
        fputs("<li>", out);
        svg_key_write(out, (int)i, false);
        svg_text_write(out, model_name(evals[i]));
        fputs("</li>", out);
    }
    fputs("</ul>\n", out);
}

static void write_chart(FILE *out, json_t *const *evals, size_t count, const char *key, svg_chart chart,
                        svg_shape shape, size_t most, const svg_series *guide) {
    svg_series *series = cli_alloc(count + 1, sizeof *series);
    size_t n = 0;
    if (guide) series[n++] = *guide;
    size_t first = n;
    for (size_t i = 0; i < count; i++)
        if (has_array(evals[i], key))
            series[n++] = make_series(json_object_get(evals[i], key), (int)i, shape, most);
    chart.series = series;
    chart.count = n;
    if (svg_chart_has_data(&chart)) {
        fprintf(out, "<figure class=\"card roc\"><figcaption><h3>%s</h3><p>%s</p></figcaption>\n",
                chart.title, chart.description);
        write_legend(out, evals, count, key);
        svg_chart_write(out, &chart);
        fputs("</figure>\n", out);
    }
    for (size_t i = first; i < n; i++) {
        free((double *)(uintptr_t)series[i].x);
        free((double *)(uintptr_t)series[i].y);
    }
    free(series);
}

/* The smallest FAR above 0 that any model's pairs can tell: further left there is nothing to draw. */
static double smallest_far(json_t *const *evals, size_t count) {
    double low = 0.1;
    for (size_t i = 0; i < count; i++) {
        size_t k;
        json_t *point, *roc = json_object_get(evals[i], "roc");
        json_array_foreach(roc, k, point) {
            double far = json_number_value(json_array_get(point, 0));
            if (far > 0 && far < low) low = far;
        }
    }
    return fmax(low, 1e-9);
}

/* A coin accepts strangers as often as friends: TAR = FAR, on a logarithmic axis a curve. */
static void write_roc(FILE *out, json_t *const *evals, size_t count) {
    enum { POINTS = 61 };
    double low = smallest_far(evals, count), chance[POINTS];
    for (int i = 0; i < POINTS; i++) chance[i] = pow(low, 1 - (double)i / (POINTS - 1));
    svg_series guide = {chance, chance, POINTS, 0, false, SVG_GUIDE};
    svg_chart chart = {
        .width = 500,
        .height = 320,
        .title = "ROC",
        .description = "Share of same-person pairs accepted (TAR) at each share of different-person pairs "
                       "accepted by mistake (FAR). Dotted: chance",
        .x_label = "FAR, logarithmic",
        .log_x = true,
        .percent = true,
        .x_low = low,
        .x_high = 1,
        .y_low = 0,
        .y_high = 1};
    write_chart(out, evals, count, "roc", chart, SVG_STEPS, SIZE_MAX, &guide);
}

static void write_cmc(FILE *out, json_t *const *evals, size_t count) {
    enum { RANKS = 20 };
    svg_chart chart = {.width = 500,
                       .height = 320,
                       .title = "CMC",
                       .description = "Share of probes whose person is among the so many closest people",
                       .x_label = "rank",
                       .percent = true,
                       .x_low = 1,
                       .x_high = NAN,
                       .y_low = NAN,
                       .y_high = 1};
    write_chart(out, evals, count, "cmc", chart, SVG_DOTS, RANKS, NULL);
}

/* ---- table -------------------------------------------------------------------------------------- */

typedef enum figure_kind { SHARE, NUMBER, COUNT } figure_kind;
typedef struct figure {
    const char *label, *key, *inside; /* inside: the object that holds the key, NULL: the whole */
    figure_kind kind;
    int better; /* 1: more is better, -1: less is, 0: neither */
} figure;

static const figure figures[] = {
    {"Accuracy \xC2\xB1 standard error", "accuracy", NULL, SHARE, 1},
    {"AUC", "auc", NULL, NUMBER, 1},
    {"EER", "eer", NULL, SHARE, -1},
    {"TAR at FAR 10 %", "1e-1", "tar_at_far", SHARE, 1},
    {"TAR at FAR 1 %", "1e-2", "tar_at_far", SHARE, 1},
    {"TAR at FAR 0.1 %", "1e-3", "tar_at_far", SHARE, 1},
    {"TAR at FAR 0.01 %", "1e-4", "tar_at_far", SHARE, 1},
    {"Threshold (cosine)", "threshold", NULL, NUMBER, 0},
    {"Pairs", "pairs", NULL, COUNT, 0},
    {"Rank-1", "rank1", NULL, SHARE, 1},
    {"Rank-5", "rank5", NULL, SHARE, 1},
    {"People in the gallery", "people", NULL, COUNT, 0},
    {"Photos", "photos", NULL, COUNT, 0},
};
enum { FIGURES = sizeof figures / sizeof *figures };

static double figure_value(const json_t *eval, const figure *f) {
    return report_number(f->inside ? json_object_get(eval, f->inside) : eval, f->key);
}

static double best_value(json_t *const *evals, size_t count, const figure *f) {
    double best = NAN;
    for (size_t i = 0; i < count && count > 1; i++)
        if (f->better)
            best =
                f->better > 0 ? fmax(best, figure_value(evals[i], f)) : fmin(best, figure_value(evals[i], f));
    return best;
}

static void write_cell(FILE *out, const json_t *eval, const figure *f, double best) {
    double value = figure_value(eval, f), se = report_number(eval, "accuracy_se");
    if (!isfinite(value)) {
        /* Measured on pairs, but with too few to say? */
        bool few = f->inside && isfinite(report_number(eval, "accuracy"));
        fprintf(out, "<td class=\"muted\">%s</td>", few ? "too few pairs" : "\xE2\x80\x93");
        return;
    }
    fprintf(out, "<td%s>", value == best ? " class=\"best\"" : "");
    switch (f->kind) {
    case SHARE: fprintf(out, "%.2f %%", 100 * value); break;
    case NUMBER: fprintf(out, "%.4f", value); break;
    case COUNT: fprintf(out, "%.0f", value); break;
    }
    if (strcmp(f->key, "accuracy") == 0 && isfinite(se))
        fprintf(out, " <span class=\"se\">\xC2\xB1 %.2f</span>", 100 * se);
    fputs("</td>", out);
}

static void write_table(FILE *out, json_t *const *evals, size_t count) {
    fputs("<div class=\"card scroll\"><table>\n<thead><tr><th scope=\"col\">Figure</th>", out);
    for (size_t i = 0; i < count; i++) {
        fputs("<th scope=\"col\">", out);
        svg_text_write(out, model_name(evals[i]));
        fputs("</th>", out);
    }
    fputs("</tr></thead>\n<tbody>\n", out);
    for (int f = 0; f < FIGURES; f++) {
        bool known = false;
        for (size_t i = 0; i < count; i++) known |= isfinite(figure_value(evals[i], &figures[f]));
        if (!known && !figures[f].inside) continue;
        fprintf(out, "<tr><th scope=\"row\">%s</th>", figures[f].label);
        double best = best_value(evals, count, &figures[f]);
        for (size_t i = 0; i < count; i++) write_cell(out, evals[i], &figures[f], best);
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

void report_figures_write(FILE *out, json_t *const *evals, size_t count) {
    fputs("<section aria-labelledby=\"figures\">\n<h2 id=\"figures\">How good it is</h2>\n"
          "<p class=\"muted\">Verification asks whether two photos show the same person; identification asks "
          "which person of "
          "a gallery a photo shows.",
          out);
    if (count > 1) fputs(" The best of each row is bold.", out);
    fputs("</p>\n<div class=\"charts\">\n", out);
    write_roc(out, evals, count);
    write_cmc(out, evals, count);
    fputs("</div>\n", out);
    write_table(out, evals, count);
    fputs("</section>\n", out);
}
