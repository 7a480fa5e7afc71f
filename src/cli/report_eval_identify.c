/* report_eval_identify.c: who is it? CMC where everybody is enrolled, open set where most are not, and how
 * much more photos of each person help. */
#include "report_eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 480, HEIGHT = 320 };

/* ---- closed set ---------------------------------------------------------------------------------- */

/* The first ranks of a curve. */
static json_t *first_of(const json_t *array, size_t most) {
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(array) && i < most; i++)
        json_array_append(list, json_array_get(array, i));
    return list;
}

static char **share_notes(const report_evals *e, const char *key, const char *format) {
    char **notes = cli_alloc(e->count, sizeof *notes);
    for (size_t i = 0; i < e->count; i++) {
        double value = report_number(e->items[i], key);
        if (isfinite(value)) notes[i] = cli_format("&ensp;%.2f %% %s", 100 * value, format);
    }
    return notes;
}

/* "face-small: 97.10 % right at once; .." */
static char *spoken_rank1(const report_evals *e) {
    char *text = cli_format("%s", "");
    for (size_t i = 0; i < e->count; i++) {
        double value = report_number(e->items[i], "rank1");
        if (!isfinite(value)) continue;
        char *longer = cli_format("%s%s%s: rank-1 %.2f %%", text, *text ? "; " : "", report_eval_name(e, i),
                                  100 * value);
        free(text);
        text = longer;
    }
    return text;
}

static void write_cmc(FILE *out, const report_evals *e) {
    enum { RANKS = 20 };
    report_figure f = {.chart = {.width = WIDTH,
                                 .height = HEIGHT,
                                 .title = "CMC",
                                 .description =
                                     "Everybody is enrolled: share of probes whose person is among the so "
                                     "many closest people",
                                 .x_label = "rank",
                                 .percent = true,
                                 .x_low = 1,
                                 .x_high = NAN,
                                 .y_low = NAN,
                                 .y_high = 1},
                       .legend = true,
                       .spoken = spoken_rank1(e),
                       .notes = share_notes(e, "rank1", "at rank 1"),
                       .evals = e};
    for (size_t i = 0; i < e->count; i++) {
        json_t *ranks = first_of(json_object_get(e->items[i], "cmc"), RANKS);
        if (json_array_size(ranks) > 1)
            report_figure_add(&f, ranks, (svg_series){.style = (int)i, .shape = SVG_DOTS});
        json_decref(ranks);
    }
    report_figure_write(out, &f);
}

static void write_enrolled(FILE *out, const report_evals *e) {
    const json_t *first = NULL;
    for (size_t i = 0; i < e->count && !first; i++) {
        first = json_object_get(e->items[i], "enrolled");
        if (!json_is_object(first)) first = NULL;
    }
    char *caption =
        cli_format("Share recognised at once, with so many photos of each person enrolled. The same %.0f "
                   "people and %.0f probes throughout",
                   report_number(first, "people"), report_number(first, "probes"));
    report_figure f = {.chart = {.width = WIDTH,
                                 .height = HEIGHT,
                                 .title = "Photos enrolled",
                                 .description = caption,
                                 .x_label = "photos of each person enrolled",
                                 .y_label = "rank-1",
                                 .percent = true,
                                 .x_low = 1,
                                 .x_high = NAN,
                                 .y_low = NAN,
                                 .y_high = NAN},
                       .legend = e->count > 1,
                       .evals = e};
    for (size_t i = 0; i < e->count; i++) {
        const json_t *rank1 = json_object_get(json_object_get(e->items[i], "enrolled"), "right");
        if (json_array_size(rank1) > 1)
            report_figure_add(&f, rank1, (svg_series){.style = (int)i, .shape = SVG_DOTS});
    }
    report_figure_write(out, &f);
    free(caption);
}

/* ---- open set ------------------------------------------------------------------------------------ */

/* A curve for each size of the gallery, named at its end. */
static void write_open(FILE *out, const report_evals *e, size_t model) {
    const json_t *sets = json_object_get(e->items[model], "open_set");
    size_t count = json_array_size(sets), k;
    char **labels = cli_alloc(count, sizeof *labels);
    char *title =
        e->count > 1 ? cli_format("Open set, %s", report_eval_name(e, model)) : cli_format("Open set");
    json_t *set, *point;
    double low_x = 0.1, low_y = 0.1;
    report_figure f = {.chart = {.width = WIDTH,
                                 .height = HEIGHT,
                                 .title = title,
                                 .description =
                                     "Most faces are strangers: people enrolled who are not found (FNIR) "
                                     "against strangers taken for somebody (FPIR), by the number of people "
                                     "enrolled. Lower is better",
                                 .x_label = "FPIR, logarithmic",
                                 .y_label = "FNIR",
                                 .log_x = true,
                                 .log_y = true,
                                 .x_percent = true,
                                 .percent = true,
                                 .x_high = 1,
                                 .y_high = 1},
                       .evals = e};
    json_array_foreach(sets, k, set) {
        size_t i;
        json_array_foreach(json_object_get(set, "points"), i, point) {
            double x = json_number_value(json_array_get(point, 0)),
                   y = json_number_value(json_array_get(point, 1));
            if (x > 1e-12 && x < low_x) low_x = x;
            if (y > 1e-12 && y < low_y) low_y = y;
        }
        labels[k] = cli_format("%.0f people", report_number(set, "people"));
        report_figure_add(&f, json_object_get(set, "points"),
                          (svg_series){.style = (int)model, .shape = SVG_STEPS, .label = labels[k]});
    }
    f.chart.x_low = fmax(low_x, 1e-5);
    f.chart.y_low = fmax(low_y, 1e-5);
    report_figure_write(out, &f);
    for (k = 0; k < count; k++) free(labels[k]);
    free(labels);
    free(title);
}

/* The lowest FPIR that all sizes of all models have a figure for; -1: none. */
static int common_fpir(const report_evals *e) {
    for (int level = REPORT_FPIRS; level-- > 0;) {
        bool all = true, any = false;
        for (size_t i = 0; i < e->count; i++) {
            size_t k;
            json_t *set;
            json_array_foreach(json_object_get(e->items[i], "open_set"), k, set) {
                any = true;
                all &= isfinite(report_number(json_object_get(set, "fnir_at_fpir"), report_levels[level]));
            }
        }
        if (all && any) return level;
    }
    return -1;
}

static void write_sizes(FILE *out, const report_evals *e) {
    enum { SIZES_MOST = 32 };
    int level = common_fpir(e);
    if (level < 0) return;
    char *title = cli_format("Size of the gallery");
    char *caption =
        cli_format("The more people are enrolled, the more often one of them looks like somebody else: "
                   "FNIR at an FPIR of %s. Whiskers: spread over galleries drawn at random",
                   report_level_names[level]);
    report_figure f = {.chart = {.width = WIDTH,
                                 .height = HEIGHT,
                                 .title = title,
                                 .description = caption,
                                 .x_label = "people enrolled, logarithmic",
                                 .y_label = "FNIR",
                                 .log_x = true,
                                 .percent = true,
                                 .x_low = NAN,
                                 .x_high = NAN,
                                 .y_low = 0,
                                 .y_high = NAN},
                       .legend = e->count > 1,
                       .evals = e};
    for (size_t i = 0; i < e->count; i++) {
        double x[SIZES_MOST], y[SIZES_MOST], low[SIZES_MOST], high[SIZES_MOST];
        size_t n = 0, k;
        json_t *set;
        json_array_foreach(json_object_get(e->items[i], "open_set"), k, set) {
            if (n == SIZES_MOST) break;
            x[n] = report_number(set, "people");
            y[n] = report_number(json_object_get(set, "fnir_at_fpir"), report_levels[level]);
            report_interval(json_object_get(set, "fnir_at_fpir_interval"), report_levels[level], &low[n],
                            &high[n]);
            n++;
        }
        if (n > 1)
            report_figure_add_numbers(&f, n, x, y, low, high,
                                      (svg_series){.style = (int)i, .shape = SVG_DOTS});
    }
    report_figure_write(out, &f);
    free(title);
    free(caption);
}

static void write_table(FILE *out, const report_evals *e) {
    fputs("<div class=\"card scroll\"><table class=\"plain\">\n<thead><tr><th scope=\"col\">People "
          "enrolled</th>",
          out);
    if (e->count > 1) fputs("<th scope=\"col\" class=\"of\">Model</th>", out);
    for (int i = 0; i < REPORT_FPIRS; i++)
        fprintf(out, "<th scope=\"col\">FNIR at FPIR %s</th>", report_level_names[i]);
    fputs("<th scope=\"col\">Probes of them</th><th scope=\"col\">Of strangers</th></tr></thead>\n<tbody>\n",
          out);
    size_t sizes = 0;
    for (size_t i = 0; i < e->count; i++) {
        size_t n = json_array_size(json_object_get(e->items[i], "open_set"));
        if (n > sizes) sizes = n;
    }
    for (size_t k = 0; k < sizes; k++)
        for (size_t i = 0; i < e->count; i++) {
            const json_t *set = json_array_get(json_object_get(e->items[i], "open_set"), k);
            if (!set) continue;
            fprintf(out, "<tr><th scope=\"row\">%.0f</th>", report_number(set, "people"));
            if (e->count > 1) {
                fputs("<td class=\"of\">", out);
                svg_text_write(out, report_eval_name(e, i));
                fputs("</td>", out);
            }
            for (int level = 0; level < REPORT_FPIRS; level++) {
                fputs("<td>", out);
                report_share_write(out,
                                   report_number(json_object_get(set, "fnir_at_fpir"), report_levels[level]));
                report_range_write(out, json_object_get(set, "fnir_at_fpir_interval"), report_levels[level]);
                fputs("</td>", out);
            }
            fputs("<td>", out);
            report_count_write(out, report_number(set, "mated"));
            fputs("</td><td>", out);
            report_count_write(out, report_number(set, "strangers"));
            fputs("</td></tr>\n", out);
        }
    fputs("</tbody></table></div>\n", out);
}

void report_identify_write(FILE *out, const report_evals *e) {
    fputs("<div class=\"charts two\">\n", out);
    write_cmc(out, e);
    write_enrolled(out, e);
    for (size_t i = 0; i < e->count; i++) write_open(out, e, i);
    write_sizes(out, e);
    fputs("</div>\n", out);
    if (report_evals_have(e, "open_set")) write_table(out, e);
}
