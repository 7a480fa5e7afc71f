/* report_eval_groups.c: does the model err with some people more than with others? All groups at one
 * threshold, each figure with its interval, side by side. */
#include "report_eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Fewer say nothing of a group: one odd person moves the figure. */
enum { FEWEST_PEOPLE = 20, FEWEST_PAIRS = 100 };

static const json_t *groups_of(const report_evals *e, size_t i) {
    return json_object_get(json_object_get(e->items[i], "groups"), "groups");
}

static bool is_few(const json_t *group) {
    return !(report_number(group, "people") >= FEWEST_PEOPLE) ||
           !(report_number(group, "pairs_same") >= FEWEST_PAIRS) ||
           !(report_number(group, "pairs_different") >= FEWEST_PAIRS);
}

static const char *group_name(const json_t *group) {
    const char *name = report_string(group, "group");
    return name ? name : "";
}

/* The groups of the first model that has any name the rows. */
static const json_t *row_groups(const report_evals *e) {
    for (size_t i = 0; i < e->count; i++)
        if (json_array_size(groups_of(e, i))) return groups_of(e, i);
    return NULL;
}

static const json_t *find_group(const json_t *groups, const char *name) {
    size_t i;
    json_t *group;
    json_array_foreach(groups, i, group) if (strcmp(group_name(group), name) == 0) return group;
    return NULL;
}

typedef struct measure {
    const char *title, *description, *x_label, *key, *interval;
    bool log;
} measure;

static const measure measures[] = {
    {"False matches",
     "Share of pairs of two people of the group that are taken for one. Further left is better",
     "FAR in the group, logarithmic; 95 % interval", "far", "far_interval", true},
    {"True matches", "Share of pairs of one person that are accepted. Further right is better",
     "TAR in the group; 95 % interval", "tar", "tar_interval", false},
    {"Accuracy", "Pairs told rightly. Further right is better", "accuracy in the group; 95 % interval",
     "accuracy", "accuracy_interval", false},
};
enum { MEASURES = sizeof measures / sizeof *measures };

static void write_chart(FILE *out, const report_evals *e, const json_t *rows, const measure *m) {
    size_t count = json_array_size(rows), models = e->count;
    const char **labels = cli_alloc(count, sizeof *labels);
    svg_dot *dots = cli_alloc(count * models, sizeof *dots);
    for (size_t g = 0; g < count; g++) {
        labels[g] = group_name(json_array_get(rows, g));
        for (size_t i = 0; i < models; i++) {
            const json_t *group = find_group(groups_of(e, i), labels[g]);
            svg_dot *dot = &dots[g * models + i];
            *dot = (svg_dot){report_number(group, m->key), NAN, NAN, (int)i, is_few(group)};
            report_interval(group, m->interval, &dot->low, &dot->high);
        }
    }
    svg_rows chart = {.width = 480,
                      .title = m->title,
                      .description = m->description,
                      .x_label = m->x_label,
                      .log_x = m->log,
                      .x_low = NAN,
                      .x_high = 1,
                      .rows = count,
                      .each = models,
                      .labels = labels,
                      .dots = dots};
    fprintf(out, "<figure class=\"card\"><figcaption><h3>%s</h3><p>%s</p></figcaption>\n", m->title,
            m->description);
    if (models > 1) report_legend_write(out, e);
    svg_rows_write(out, &chart);
    fputs("</figure>\n", out);
    free(labels);
    free(dots);
}

static void write_row(FILE *out, const report_evals *e, size_t i, const json_t *group) {
    fputs("<tr><th scope=\"row\">", out);
    svg_text_write(out, group_name(group));
    if (is_few(group)) fputs(" <span class=\"chip bad\">few</span>", out);
    fputs("</th>", out);
    if (e->count > 1) {
        fputs("<td class=\"of\">", out);
        svg_text_write(out, report_eval_name(e, i));
        fputs("</td>", out);
    }
    static const char *const counts[] = {"people", "pairs_same", "pairs_different"};
    for (int k = 0; k < 3; k++) {
        fputs("<td>", out);
        report_count_write(out, report_number(group, counts[k]));
        fputs("</td>", out);
    }
    for (int k = 0; k < MEASURES; k++) {
        fputs("<td>", out);
        report_share_write(out, report_number(group, measures[k].key));
        report_range_write(out, group, measures[k].interval);
        fputs("</td>", out);
    }
    fputs("</tr>\n", out);
}

static void write_table(FILE *out, const report_evals *e, const json_t *rows) {
    fputs("<div class=\"card scroll\"><table class=\"plain\">\n<thead><tr><th scope=\"col\">Group</th>", out);
    if (e->count > 1) fputs("<th scope=\"col\" class=\"of\">Model</th>", out);
    fputs(
        "<th scope=\"col\">People</th><th scope=\"col\">Same pairs</th><th scope=\"col\">Different pairs</th>"
        "<th scope=\"col\">FAR</th><th scope=\"col\">TAR</th><th "
        "scope=\"col\">Accuracy</th></tr></thead>\n<tbody>\n",
        out);
    size_t g;
    json_t *row;
    json_array_foreach(rows, g, row) for (size_t i = 0; i < e->count; i++) {
        const json_t *group = find_group(groups_of(e, i), group_name(row));
        if (group) write_row(out, e, i, group);
    }
    fputs("</tbody></table></div>\n", out);
}

static void write_threshold(FILE *out, const report_evals *e, size_t i) {
    const json_t *groups = json_object_get(e->items[i], "groups");
    const char *of = report_string(groups, "threshold_of");
    double threshold = report_number(groups, "threshold");
    if (!isfinite(threshold)) return;
    if (e->count > 1) {
        svg_text_write(out, report_eval_name(e, i));
        fputs(": ", out);
    }
    fprintf(out, "threshold %.3f, %s. ", threshold,
            of && strcmp(of, "model") == 0 ? "the model\xE2\x80\x99s own"
                                           : "the best of these pairs, in hindsight");
}

void report_groups_write(FILE *out, const report_evals *e) {
    const json_t *rows = row_groups(e), *first = NULL;
    size_t g, few = 0;
    json_t *row;
    fputs("<p class=\"muted\">A pair counts for a group when both photos are of it. ", out);
    for (size_t i = 0; i < e->count; i++) {
        write_threshold(out, e, i);
        if (!first && groups_of(e, i)) first = json_object_get(e->items[i], "groups");
    }
    double without = report_number(first, "people_without"), unknown = report_number(first, "people_unknown");
    if (without > 0) fprintf(out, "%.0f people are in no group. ", without);
    if (unknown > 0) fprintf(out, "%.0f people of the groups file are not among these photos.", unknown);
    fputs("</p>\n", out);
    json_array_foreach(rows, g, row) few += is_few(row);
    if (few)
        fprintf(out,
                "<p class=\"warning\"><strong>Too few to compare.</strong> %zu of %zu groups have fewer than "
                "%d people "
                "or fewer than %d pairs of a kind; they are drawn faint. One odd person can move such a "
                "figure.</p>\n",
                few, json_array_size(rows), FEWEST_PEOPLE, FEWEST_PAIRS);
    fputs("<div class=\"charts two\">\n", out);
    for (int k = 0; k < MEASURES; k++) write_chart(out, e, rows, &measures[k]);
    fputs("</div>\n", out);
    write_table(out, e, rows);
}
