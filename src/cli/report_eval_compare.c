/* report_eval_compare.c: is one model better than another, or only luckier with these pairs? Both were
 * measured on the same people in every replicate of a bootstrap; what this says of their difference is shown.
 */
#include "report_eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double LEVEL = 0.05;

/* Which model of the page a comparison is with: by its fingerprint, and by its name where one file is there
 * twice. */
static bool find_other(const report_evals *e, const json_t *comparison, size_t self, size_t *other) {
    const char *fingerprint = report_string(comparison, "with_fingerprint"),
               *name = report_string(comparison, "with");
    for (size_t i = 0; i < e->count; i++) {
        const char *its = report_string(json_object_get(e->items[i], "about"), "fingerprint");
        if (i == self || !its || !fingerprint || !name) continue;
        if (strcmp(its, fingerprint) != 0 || strcmp(report_eval_name(e, i), name) != 0) continue;
        *other = i;
        return true;
    }
    return false;
}

static int p_compare(const void *a, const void *b) {
    const report_test *x = *(report_test *const *)a, *y = *(report_test *const *)b;
    return (x->p > y->p) - (x->p < y->p);
}

/* Holm (1979): of many comparisons some look real by luck; the smallest p counts m times, the next m - 1
 * times. */
static void adjust(report_test *tests, size_t count) {
    report_test **order = cli_alloc(count, sizeof *order);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (isfinite(tests[i].p)) order[n++] = &tests[i];
    qsort(order, n, sizeof(report_test *), p_compare);
    double floor = 0;
    for (size_t i = 0; i < n; i++) order[i]->p = floor = fmax(floor, fmin(1, order[i]->p * (double)(n - i)));
    free(order);
}

report_test *report_tests(const report_evals *e, size_t *count) {
    report_test *tests = cli_alloc(1, sizeof *tests);
    *count = 0;
    for (size_t i = 0; i < e->count; i++) {
        size_t k, other;
        json_t *c;
        json_array_foreach(json_object_get(e->items[i], "comparisons"), k, c) {
            if (!find_other(e, c, i, &other)) continue;
            tests = cli_grow(tests, *count + 1, sizeof *tests);
            tests[(*count)++] = (report_test){i, other, c, report_number(c, "p")};
        }
    }
    adjust(tests, *count);
    return tests;
}

/* +1: first is better, -1: second is, 0: nobody knows. */
static int verdict(const report_test *test, const char *inside, const char *key) {
    const char *name = inside ? inside : key;
    char *interval = cli_format("%s_interval", name);
    double low, high, sign = strcmp(name, "eer") == 0 ? -1 : 1;
    bool known = inside ? report_interval(json_object_get(test->figures, interval), key, &low, &high)
                        : report_interval(test->figures, interval, &low, &high);
    free(interval);
    if (!known) return 0;
    if (strcmp(name, "accuracy") == 0 && !(test->p < LEVEL)) return 0;
    return low > 0 ? (int)sign : high < 0 ? -(int)sign : 0;
}

bool report_is_best(const report_evals *e, const report_test *tests, size_t count, size_t i,
                    const char *inside, const char *key) {
    size_t beaten = 0;
    bool tested =
        inside ? strcmp(inside, "tar_at_far") == 0 : !strcmp(key, "accuracy") || !strcmp(key, "eer");
    if (e->count < 2 || !tested) return false;
    for (size_t k = 0; k < count; k++) {
        int v = verdict(&tests[k], inside, key);
        beaten += (tests[k].first == i && v > 0) || (tests[k].second == i && v < 0);
    }
    return beaten + 1 == e->count;
}

/* ---- showing ------------------------------------------------------------------------------------- */

static void write_points(FILE *out, double difference) {
    if (isfinite(difference))
        fprintf(out, "%s%.2f", difference < 0 ? "\xE2\x88\x92" : "+", fabs(100 * difference));
    else
        fputs("\xE2\x80\x93", out);
}

static void write_difference(FILE *out, const json_t *values, const char *key, const json_t *intervals,
                             const char *interval) {
    double low, high;
    fputs("<td>", out);
    write_points(out, report_number(values, key));
    if (report_interval(intervals, interval, &low, &high)) {
        fputs("<span class=\"range\">", out);
        write_points(out, low);
        fputs(" to ", out);
        write_points(out, high);
        fputs("</span>", out);
    }
    fputs("</td>", out);
}

static void write_p(FILE *out, double p) {
    if (!isfinite(p))
        fputs("<td>\xE2\x80\x93</td>", out);
    else if (p < 0.001)
        fputs("<td>&lt; 0.001</td>", out);
    else
        fprintf(out, "<td>%.3f</td>", p);
}

static void write_row(FILE *out, const report_evals *e, const report_test *test, int far) {
    const char *first = report_eval_name(e, test->first), *second = report_eval_name(e, test->second);
    int v = verdict(test, NULL, "accuracy");
    fputs("<tr><th scope=\"row\">", out);
    svg_text_write(out, first);
    fputs(" against ", out);
    svg_text_write(out, second);
    fputs("</th>", out);
    write_difference(out, test->figures, "accuracy", test->figures, "accuracy_interval");
    write_p(out, test->p);
    write_difference(out, test->figures, "eer", test->figures, "eer_interval");
    if (far >= 0)
        write_difference(out, json_object_get(test->figures, "tar_at_far"), report_levels[far],
                         json_object_get(test->figures, "tar_at_far_interval"), report_levels[far]);
    fputs("<td class=\"verdict-cell\">", out);
    if (v == 0)
        fputs("cannot be told apart", out);
    else {
        svg_text_write(out, v > 0 ? first : second);
        fputs(" is better", out);
    }
    fputs("</td></tr>\n", out);
}

typedef struct figure {
    const char *title, *description, *x_label, *inside, *key, *interval;
} figure;

/* Beginning and end of a long name: versions of a model differ there. */
static char *short_name(const char *name) {
    enum { MOST = 13, HEAD = 6, TAIL = 6 };
    size_t length = strlen(name), head = HEAD, tail = length > TAIL ? length - TAIL : 0;
    if (length <= MOST) return cli_format("%s", name);
    while (head && ((unsigned char)name[head] & 0xC0) == 0x80) head--;
    while (((unsigned char)name[tail] & 0xC0) == 0x80) tail++;
    return cli_format("%.*s\xE2\x80\xA6%s", (int)head, name, name + tail);
}

static void write_chart(FILE *out, const report_evals *e, const report_test *tests, size_t count,
                        const figure *f) {
    char **labels = cli_alloc(count, sizeof *labels);
    svg_dot *dots = cli_alloc(count, sizeof *dots), zero = {0, NAN, NAN, SVG_GREY, false};
    for (size_t i = 0; i < count; i++) {
        char *first = short_name(report_eval_name(e, tests[i].first)),
             *second = short_name(report_eval_name(e, tests[i].second));
        labels[i] = cli_format("%s \xE2\x88\x92 %s", first, second);
        free(first);
        free(second);
        const json_t *values = tests[i].figures, *intervals = values;
        if (f->inside) {
            values = json_object_get(tests[i].figures, f->inside);
            intervals = json_object_get(tests[i].figures, f->interval);
        }
        dots[i].value = report_number(values, f->key);
        report_interval(intervals, f->inside ? f->key : f->interval, &dots[i].low, &dots[i].high);
        dots[i].style = (int)tests[i].first;
    }
    svg_rows rows = {.width = 480,
                     .title = f->title,
                     .description = f->description,
                     .x_label = f->x_label,
                     .x_low = NAN,
                     .x_high = NAN,
                     .rows = count,
                     .each = 1,
                     .labels = (const char *const *)labels,
                     .dots = dots,
                     .guides = &zero};
    fprintf(out, "<figure class=\"card\"><figcaption><h3>%s</h3><p>%s</p></figcaption>\n", f->title,
            f->description);
    svg_rows_write(out, &rows);
    fputs("</figure>\n", out);
    for (size_t i = 0; i < count; i++) free(labels[i]);
    free(labels);
    free(dots);
}

static void write_charts(FILE *out, const report_evals *e, const report_test *tests, size_t count, int far) {
    figure accuracy =
               {"Accuracy",
                "Right of zero the first model is better. Where the whiskers reach over zero, nobody knows",
                "difference, percentage points; 95 % interval",
                NULL,
                "accuracy",
                "accuracy_interval"},
           tar = accuracy;
    fputs("<div class=\"charts two\">\n", out);
    write_chart(out, e, tests, count, &accuracy);
    if (far >= 0) {
        char *title = cli_format("TAR at FAR %s", report_level_names[far]);
        tar.title = title;
        tar.inside = "tar_at_far";
        tar.key = report_levels[far];
        tar.interval = "tar_at_far_interval";
        write_chart(out, e, tests, count, &tar);
        free(title);
    }
    fputs("</div>\n", out);
}

void report_compare_write(FILE *out, const report_evals *e) {
    size_t count;
    report_test *tests = report_tests(e, &count);
    int far = report_steady_far(e);
    fputs("<p class=\"muted\">Two models were measured on the same pairs, so their luck with these pairs is "
          "the same "
          "and cancels: the interval of the <em>difference</em> says more than two intervals side by side. "
          "Differences "
          "are in percentage points.",
          out);
    if (count > 1) fputs(" p is Holm\xE2\x80\x99s, corrected for the number of comparisons.", out);
    fputs("</p>\n", out);
    if (count) {
        write_charts(out, e, tests, count, far);
        fputs(
            "<div class=\"card scroll\"><table class=\"plain\">\n<thead><tr><th scope=\"col\">Models</th><th "
            "scope=\"col\">Accuracy"
            "</th><th scope=\"col\">p</th><th scope=\"col\">EER</th>",
            out);
        if (far >= 0) fprintf(out, "<th scope=\"col\">TAR at FAR %s</th>", report_level_names[far]);
        fputs("<th scope=\"col\">Accuracy says</th></tr></thead>\n<tbody>\n", out);
        for (size_t i = 0; i < count; i++) write_row(out, e, &tests[i], far);
        fputs("</tbody></table></div>\n", out);
    }
    free(tests);
}
