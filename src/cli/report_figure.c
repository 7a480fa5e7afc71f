/* report_figure.c: a chart of several models being put together: numbers out of JSON, a legend of those that
 * have a line, a card with a heading. */
#include "report_eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double number_of(const json_t *value) {
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static svg_series *add(report_figure *f, svg_series series) {
    f->series = cli_grow(f->series, f->count + 1, sizeof *f->series);
    f->series[f->count] = series;
    return &f->series[f->count++];
}

void report_figure_add(report_figure *f, const json_t *array, svg_series series) {
    size_t count = json_array_size(array);
    double *x = cli_alloc(count, sizeof *x), *y = cli_alloc(count, sizeof *y), *high = NULL;
    bool band = series.shape == SVG_BAND;
    if (band) high = cli_alloc(count, sizeof *high);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(array, i);
        bool several = json_is_array(item);
        x[i] = several ? number_of(json_array_get(item, 0)) : (double)(i + 1);
        y[i] = number_of(several ? json_array_get(item, 1) : item);
        if (band) high[i] = number_of(json_array_get(item, 2));
    }
    series.x = x;
    series.y = y;
    series.low = band ? y : NULL;
    series.high = high;
    series.count = count;
    add(f, series);
}

static double *copy_of(const double *values, size_t count) {
    if (!values) return NULL;
    double *copy = cli_alloc(count, sizeof *copy);
    memcpy(copy, values, count * sizeof *copy);
    return copy;
}

void report_figure_add_numbers(report_figure *f, size_t count, const double *x, const double *y,
                               const double *low, const double *high, svg_series series) {
    series.x = copy_of(x, count);
    series.y = copy_of(y, count);
    series.low = copy_of(low, count);
    series.high = copy_of(high, count);
    series.count = count;
    add(f, series);
}

static bool has_line(const report_figure *f, size_t model) {
    for (size_t i = 0; i < f->count; i++)
        if (f->series[i].shape != SVG_GUIDE && f->series[i].style == (int)model) return true;
    return false;
}

static void write_legend(FILE *out, const report_figure *f) {
    fputs("<ul class=\"legend\">", out);
    for (size_t i = 0; i < f->evals->count; i++) {
        if (!has_line(f, i)) continue;
        fputs("<li>", out);
        svg_key_write(out, (int)i, false);
        svg_text_write(out, report_eval_name(f->evals, i));
        if (f->notes && f->notes[i]) fprintf(out, "<span class=\"se\">%s</span>", f->notes[i]);
        fputs("</li>", out);
    }
    fputs("</ul>\n", out);
}

void report_legend_write(FILE *out, const report_evals *e) {
    fputs("<ul class=\"legend\">", out);
    for (size_t i = 0; i < e->count; i++) {
        fputs("<li>", out);
        svg_key_write(out, (int)i, false);
        svg_text_write(out, report_eval_name(e, i));
        fputs("</li>", out);
    }
    fputs("</ul>\n", out);
}

static void free_figure(report_figure *f) {
    for (size_t i = 0; i < f->count; i++) {
        const svg_series *s = &f->series[i];
        if (s->low != s->y) free((double *)(uintptr_t)s->low);
        free((double *)(uintptr_t)s->x);
        free((double *)(uintptr_t)s->y);
        free((double *)(uintptr_t)s->high);
    }
    for (size_t i = 0; f->notes && i < f->evals->count; i++) free(f->notes[i]);
    free(f->notes);
    free(f->series);
    free(f->spoken);
}

void report_figure_write(FILE *out, report_figure *f) {
    f->chart.series = f->series;
    f->chart.count = f->count;
    if (svg_chart_has_data(&f->chart)) {
        const char *shown = f->chart.description;
        char *spoken = cli_format("%s%s%s", shown, f->spoken ? ". " : "", f->spoken ? f->spoken : "");
        fputs("<figure class=\"card\"><figcaption><h3>", out);
        svg_text_write(out, f->chart.title);
        fputs("</h3><p>", out);
        svg_text_write(out, shown);
        fputs("</p></figcaption>\n", out);
        if (f->legend) write_legend(out, f);
        f->chart.description = spoken;
        svg_chart_write(out, &f->chart);
        fputs("</figure>\n", out);
        free(spoken);
    }
    free_figure(f);
}
