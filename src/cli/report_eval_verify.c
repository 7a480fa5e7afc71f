/* report_eval_verify.c: same person or not? ROC, DET, histograms of cosines, calibration, error versus
 * reject. */
#include "report_eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 480, HEIGHT = 320 };

/* ---- ROC and DET --------------------------------------------------------------------------------- */

/* The smallest share above 0 in one column of the curves: further out there is nothing to draw. */
static double smallest(const report_evals *e, size_t column, bool missed, double low) {
    for (size_t i = 0; i < e->count; i++) {
        size_t k;
        json_t *point, *roc = json_object_get(e->items[i], "roc");
        json_array_foreach(roc, k, point) {
            double share = json_number_value(json_array_get(point, column));
            if (missed) share = 1 - share;
            if (share > 1e-12 && share < low) low = share;
        }
    }
    return fmax(low, 1e-6);
}

/* "face-small: 91.20 % at FAR 0.1 %; .." for those who do not see the curves. */
static char *spoken_tar(const report_evals *e) {
    int far = report_steady_far(e);
    char *text = cli_format("%s", "");
    for (size_t i = 0; i < e->count && far >= 0; i++) {
        double tar = report_number(json_object_get(e->items[i], "tar_at_far"), report_levels[far]);
        char *longer = cli_format("%s%s%s: TAR %.2f %% at FAR %s", text, *text ? "; " : "",
                                  report_eval_name(e, i), 100 * tar, report_level_names[far]);
        free(text);
        text = longer;
    }
    return text;
}

static char **tar_notes(const report_evals *e) {
    int far = report_steady_far(e);
    char **notes = cli_alloc(e->count, sizeof *notes);
    for (size_t i = 0; i < e->count && far >= 0; i++)
        notes[i] =
            cli_format("&ensp;TAR %.2f %% at FAR %s",
                       100 * report_number(json_object_get(e->items[i], "tar_at_far"), report_levels[far]),
                       report_level_names[far]);
    return notes;
}

/* A coin accepts strangers as often as friends: TAR = FAR, on a logarithmic axis a curve. */
static void add_chance(report_figure *f, double low) {
    enum { POINTS = 61 };
    double chance[POINTS];
    for (int i = 0; i < POINTS; i++) chance[i] = pow(low, 1 - (double)i / (POINTS - 1));
    report_figure_add_numbers(f, POINTS, chance, chance, NULL, NULL, (svg_series){.shape = SVG_GUIDE});
}

static void write_roc(FILE *out, const report_evals *e) {
    double low = fmin(0.1, smallest(e, 0, false, 0.1));
    report_figure f = {
        .chart = {.width = WIDTH,
                  .height = HEIGHT,
                  .title = "ROC",
                  .description =
                      "Share of same-person pairs accepted (TAR) at each share of different-person pairs "
                      "accepted by mistake (FAR). Higher is better. Dotted: chance",
                  .x_label = "FAR, logarithmic",
                  .log_x = true,
                  .x_percent = true,
                  .percent = true,
                  .x_low = low,
                  .x_high = 1,
                  .y_low = 0,
                  .y_high = 1},
        .legend = true,
        .spoken = spoken_tar(e),
        .notes = tar_notes(e),
        .evals = e};
    add_chance(&f, low);
    for (size_t i = 0; i < e->count; i++)
        report_figure_add(&f, json_object_get(e->items[i], "roc_band"),
                          (svg_series){.style = (int)i, .shape = SVG_BAND});
    for (size_t i = 0; i < e->count; i++)
        if (json_array_size(json_object_get(e->items[i], "roc")) > 1)
            report_figure_add(&f, json_object_get(e->items[i], "roc"),
                              (svg_series){.style = (int)i, .shape = SVG_STEPS});
    report_figure_write(out, &f);
}

/* 1 - TAR of a curve, or of a band, whose low and high change places. */
static json_t *missed_of(const json_t *curve) {
    json_t *list = json_array(), *item;
    size_t i;
    json_array_foreach(curve, i, item) {
        size_t size = json_array_size(item);
        json_t *point = json_array();
        json_array_append(point, json_array_get(item, 0));
        for (size_t k = size; k-- > 1;)
            json_array_append_new(point, json_is_number(json_array_get(item, k))
                                             ? json_real(1 - json_number_value(json_array_get(item, k)))
                                             : json_null());
        json_array_append_new(list, point);
    }
    return list;
}

static void write_det(FILE *out, const report_evals *e) {
    double low = fmin(0.1, smallest(e, 0, false, 0.1));
    report_figure f = {.chart = {.width = WIDTH,
                                 .height = HEIGHT,
                                 .title = "DET",
                                 .description =
                                     "The same as errors, both logarithmic: same-person pairs missed against "
                                     "different-person pairs accepted. Lower is better",
                                 .x_label = "FAR, logarithmic",
                                 .log_x = true,
                                 .log_y = true,
                                 .x_percent = true,
                                 .percent = true,
                                 .x_low = low,
                                 .x_high = 1,
                                 .y_low = fmax(smallest(e, 1, true, 0.1), 1e-5),
                                 .y_high = 1},
                       .legend = e->count > 1,
                       .spoken = spoken_tar(e),
                       .evals = e};
    const char *const parts[] = {"roc_band", "roc"};
    for (int part = 0; part < 2; part++)
        for (size_t i = 0; i < e->count; i++) {
            json_t *missed = missed_of(json_object_get(e->items[i], parts[part]));
            report_figure_add(&f, missed,
                              (svg_series){.style = (int)i, .shape = part ? SVG_STEPS : SVG_BAND});
            json_decref(missed);
        }
    report_figure_write(out, &f);
}

/* ---- histograms ---------------------------------------------------------------------------------- */

enum { BINS_MOST = 1000 };

/* Bins of cosine from -1 to 1 as shares of their kind; edges (count + 1). */
static size_t shares_of(const json_t *bins, double *share, double *edge) {
    size_t count = json_array_size(bins);
    double total = 0;
    if (count > BINS_MOST) count = 0;
    for (size_t i = 0; i < count; i++) total += json_number_value(json_array_get(bins, i));
    for (size_t i = 0; i < count; i++) {
        share[i] = total > 0 ? json_number_value(json_array_get(bins, i)) / total : 0;
        edge[i] = -1 + 2 * (double)i / (double)count;
    }
    share[count] = 0;
    edge[count] = 1;
    return count;
}

/* The first and the last bin with something in it, and one more. */
static void used(const double *share, size_t count, size_t *first, size_t *last) {
    for (size_t i = 0; i < count; i++) {
        if (!(share[i] > 0)) continue;
        if (i < *first) *first = i ? i - 1 : 0;
        if (i + 2 > *last) *last = i + 2 < count ? i + 2 : count;
    }
}

static char *spoken_histogram(const json_t *eval, double threshold) {
    double pairs = report_number(eval, "pairs"), same = report_number(eval, "pairs_same");
    return cli_format("%.0f pairs of one person, %.0f of two; threshold %.3f", same, pairs - same, threshold);
}

static void write_histogram(FILE *out, const report_evals *e, size_t i) {
    const json_t *eval = e->items[i], *histogram = json_object_get(eval, "histogram");
    double same[BINS_MOST + 1], different[BINS_MOST + 1], edge[BINS_MOST + 1];
    size_t count = shares_of(json_object_get(histogram, "different"), different, edge), first = count,
           last = 0;
    if (count == 0 || shares_of(json_object_get(histogram, "same"), same, edge) != count) return;
    used(different, count, &first, &last);
    used(same, count, &first, &last);
    double own = report_number(json_object_get(eval, "about"), "threshold"),
           threshold = isfinite(own) ? own : report_number(eval, "threshold");
    char *label = cli_format("%s %.2f", isfinite(own) ? "threshold" : "best threshold", threshold);
    char *title = cli_format(e->count > 1 ? "Cosines of %s" : "Cosines", report_eval_name(e, i));
    svg_mark mark = {threshold, label};
    report_figure f = {.chart = {.width = WIDTH,
                                 .height = HEIGHT,
                                 .title = title,
                                 .description =
                                     "How alike pairs are. Filled: two photos of one person; grey: of two "
                                     "people. What lies on the wrong side of the threshold is told wrongly",
                                 .x_label = "cosine",
                                 .y_label = "share of the pairs of a kind",
                                 .percent = true,
                                 .x_low = first < last ? edge[first] : -1,
                                 .x_high = first < last ? edge[last] : 1,
                                 .y_low = 0,
                                 .y_high = NAN,
                                 .marks = &mark,
                                 .mark_count = isfinite(threshold) ? 1 : 0},
                       .spoken = spoken_histogram(eval, threshold),
                       .evals = e};
    if (first < last) {
        size_t n = last - first + 1;
        report_figure_add_numbers(&f, n, edge + first, different + first, NULL, NULL,
                                  (svg_series){.style = SVG_GREY, .shape = SVG_AREA});
        report_figure_add_numbers(&f, n, edge + first, same + first, NULL, NULL,
                                  (svg_series){.style = (int)i, .shape = SVG_AREA});
    }
    report_figure_write(out, &f);
    free(label);
    free(title);
}

/* ---- calibration --------------------------------------------------------------------------------- */

static void add_calibration(report_figure *f, const json_t *bins, int style) {
    enum { MOST = 100 };
    double x[MOST], y[MOST], low[MOST], high[MOST];
    size_t n = 0, i;
    json_t *bin;
    json_array_foreach(bins, i, bin) {
        if (n == MOST || !isfinite(report_number(bin, "predicted"))) continue;
        x[n] = report_number(bin, "predicted");
        y[n] = report_number(bin, "observed");
        report_interval(bin, "interval", &low[n], &high[n]);
        n++;
    }
    report_figure_add_numbers(f, n, x, y, low, high, (svg_series){.style = style, .shape = SVG_POINTS});
}

static void write_calibration(FILE *out, const report_evals *e) {
    static const double diagonal[] = {0, 1};
    char **notes = cli_alloc(e->count, sizeof *notes), *spoken = cli_format("%s", "");
    report_figure f = {.chart = {.width = WIDTH,
                                 .height = HEIGHT,
                                 .title = "Calibration",
                                 .description =
                                     "The cosine read as a probability (a logistic fit; as many pairs of one "
                                     "person as of two): what was told against what was so. On the dotted "
                                     "line every probability is true",
                                 .x_label = "probability told that both show one person",
                                 .y_label = "share that did",
                                 .percent = true,
                                 .x_percent = true,
                                 .x_low = 0,
                                 .x_high = 1,
                                 .y_low = 0,
                                 .y_high = 1},
                       .legend = true,
                       .notes = notes,
                       .evals = e};
    report_figure_add_numbers(&f, 2, diagonal, diagonal, NULL, NULL, (svg_series){.shape = SVG_GUIDE});
    for (size_t i = 0; i < e->count; i++) {
        const json_t *c = json_object_get(e->items[i], "calibration");
        if (!json_is_object(c)) continue;
        double cllr = report_number(c, "cllr"), least = report_number(c, "cllr_min");
        notes[i] = cli_format("&ensp;Cllr %.3f bits, %.3f at best", cllr, least);
        char *longer =
            cli_format("%s%s%s: Cllr %.3f bits", spoken, *spoken ? "; " : "", report_eval_name(e, i), cllr);
        free(spoken);
        spoken = longer;
        add_calibration(&f, json_object_get(c, "bins"), (int)i);
    }
    f.spoken = spoken;
    report_figure_write(out, &f);
}

/* ---- error versus reject -------------------------------------------------------------------------- */

/* Of the last pairs that are left a few decide. */
static const double REJECTED_MOST = 0.8;

static json_t *steady_part(const json_t *points) {
    json_t *list = json_array(), *point;
    size_t i;
    json_array_foreach(points, i, point) if (json_number_value(json_array_get(point, 0)) <=
                                             REJECTED_MOST + 1e-9) json_array_append(list, point);
    return list;
}

static void write_reject(FILE *out, const report_evals *e) {
    double far = NAN;
    for (size_t i = 0; i < e->count && !isfinite(far); i++)
        far = report_number(json_object_get(e->items[i], "reject"), "far");
    char *caption =
        cli_format("Pairs of one person that are missed, at the threshold with a FAR of %g %%, when the "
                   "photos of the lowest quality are turned away. A quality that knows what the model "
                   "cannot do makes the line fall",
                   100 * far);
    report_figure f = {.chart = {.width = WIDTH,
                                 .height = HEIGHT,
                                 .title = "Error versus reject",
                                 .description = caption,
                                 .x_label = "pairs of one person turned away",
                                 .y_label = "missed of the rest",
                                 .percent = true,
                                 .x_percent = true,
                                 .x_low = 0,
                                 .x_high = REJECTED_MOST,
                                 .y_low = 0,
                                 .y_high = NAN},
                       .legend = e->count > 1,
                       .evals = e};
    for (size_t i = 0; i < e->count; i++) {
        json_t *points = steady_part(json_object_get(json_object_get(e->items[i], "reject"), "points"));
        report_figure_add(&f, points, (svg_series){.style = (int)i, .shape = SVG_DOTS});
        json_decref(points);
    }
    report_figure_write(out, &f);
    free(caption);
}

/* ---- thresholds ---------------------------------------------------------------------------------- */

static void write_threshold(FILE *out, double threshold, double tar, double far) {
    if (!isfinite(threshold)) {
        fputs("<td class=\"muted\">\xE2\x80\x93</td>", out);
        return;
    }
    fprintf(out, "<td>%.4f<span class=\"range\">TAR ", threshold);
    report_share_write(out, tar);
    if (isfinite(far)) {
        fputs(", FAR ", out);
        report_share_write(out, far);
    }
    fputs("</span></td>", out);
}

/* To choose one by what it may cost. */
static void write_thresholds(FILE *out, const report_evals *e) {
    fprintf(out,
            "<div class=\"card scroll\"><table class=\"plain%s\">\n<thead><tr><th scope=\"col\">Threshold "
            "(cosine)</th>",
            e->count > 1 ? "" : " narrow");
    for (size_t i = 0; i < e->count; i++) {
        fputs("<th scope=\"col\">", out);
        svg_text_write(out, report_eval_name(e, i));
        fputs("</th>", out);
    }
    fputs("</tr></thead>\n<tbody>\n", out);
    if (report_evals_have(e, "own_threshold")) {
        fputs("<tr><th scope=\"row\">The model\xE2\x80\x99s own</th>", out);
        for (size_t i = 0; i < e->count; i++) {
            const json_t *own = json_object_get(e->items[i], "own_threshold");
            write_threshold(out, report_number(own, "threshold"), report_number(own, "tar"),
                            report_number(own, "far"));
        }
        fputs("</tr>\n", out);
    }
    for (int level = 0; level < REPORT_FARS; level++) {
        fprintf(out, "<tr><th scope=\"row\">For a FAR of %s</th>", report_level_names[level]);
        for (size_t i = 0; i < e->count; i++)
            write_threshold(
                out, report_number(json_object_get(e->items[i], "threshold_at_far"), report_levels[level]),
                report_number(json_object_get(e->items[i], "tar_at_far"), report_levels[level]), NAN);
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

/* ---- the section --------------------------------------------------------------------------------- */

/* Below 30/FAR pairs of two people a TAR hangs on a few of them. */
static void write_few(FILE *out, const report_evals *e) {
    for (int level = 0; level < REPORT_FARS; level++)
        for (size_t i = 0; i < e->count; i++) {
            const json_t *eval = e->items[i];
            double different = report_number(eval, "pairs") - report_number(eval, "pairs_same");
            double tar = report_number(json_object_get(eval, "tar_at_far"), report_levels[level]);
            bool few =
                json_is_true(json_object_get(json_object_get(eval, "tar_at_far_few"), report_levels[level]));
            if (!isfinite(different) || (isfinite(tar) && !few)) continue;
            fputs("<p class=\"warning\"><strong>Too few pairs for low FARs.</strong> There are ", out);
            report_count_write(out, different);
            fprintf(out,
                    " pairs of different people. A FAR of %s is then %.3g of them: a figure at this FAR or a "
                    "lower one "
                    "hangs on a few pairs, and on their labels. It is steady from 30 such errors on.</p>\n",
                    report_level_names[level], different * pow(10, -1 - level));
            return;
        }
}

/* A model that calls all pairs different is right with most of such pairs. */
static void write_unbalanced(FILE *out, const report_evals *e) {
    static const double least = 0.2;
    for (size_t i = 0; i < e->count; i++) {
        double pairs = report_number(e->items[i], "pairs"), same = report_number(e->items[i], "pairs_same");
        double share = fmin(same, pairs - same) / pairs;
        if (!(share < least)) continue;
        fprintf(out,
                "<p class=\"warning\"><strong>Accuracy says little here.</strong> %.2f %% of the pairs are "
                "of %s: who "
                "calls all pairs so is right with that many. Look at TAR and FAR.</p>\n",
                100 * (1 - share), same < pairs - same ? "different people" : "one person");
        return;
    }
}

void report_verify_write(FILE *out, const report_evals *e) {
    write_few(out, e);
    write_unbalanced(out, e);
    fputs("<div class=\"charts two\">\n", out);
    write_roc(out, e);
    write_det(out, e);
    for (size_t i = 0; i < e->count; i++) write_histogram(out, e, i);
    write_calibration(out, e);
    write_reject(out, e);
    fputs("</div>\n", out);
    if (report_evals_have(e, "threshold_at_far")) write_thresholds(out, e);
    bool measured = false, reject = report_evals_have(e, "reject");
    for (size_t i = 0; i < e->count; i++) measured |= json_object_get(e->items[i], "reject") != NULL;
    if (measured && !reject)
        fputs("<p class=\"muted small\">No error-versus-reject curve: the quality of a photo is known only "
              "where a face "
              "was looked for in it, and there must be pairs enough.</p>\n",
              out);
}
