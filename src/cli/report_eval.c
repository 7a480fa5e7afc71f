/* report_eval.c: what likeness eval measured, as the sections of a page; several models side by side, each
 * with one colour everywhere. A part that was not measured is left out. */
#include "report_eval.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const report_levels[REPORT_FARS] = {"1e-1", "1e-2", "1e-3", "1e-4"};
const char *const report_level_names[REPORT_FARS] = {"10\xC2\xA0%", "1\xC2\xA0%", "0.1\xC2\xA0%",
                                                     "0.01\xC2\xA0%"}; /* with spaces that do not break */

/* ---- reading ------------------------------------------------------------------------------------- */

static char *read_all(const char *path, size_t *size) {
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t room = 0;
    if (file) {
        ssize_t length = getdelim(&text, &room, EOF, file);
        *size = length > 0 ? (size_t)length : 0;
        bool good = !ferror(file);
        fclose(file);
        if (good) return text ? text : cli_format("%s", "");
    }
    cli_say("%s: cannot %s: %s", path, file ? "read" : "open", strerror(errno));
    free(text);
    return NULL;
}

static int line_at(const char *text, size_t position) {
    int line = 1;
    for (size_t i = 0; i < position; i++) line += text[i] == '\n';
    return line;
}

static int load_objects(const char *path, const char *text, size_t size, json_t ***evals, size_t *count) {
    size_t at = 0, before = *count;
    while (at < size && strchr(" \t\r\n", text[at])) at++;
    while (at < size) {
        json_error_t error;
        json_t *value = json_loadb(text + at, size - at, JSON_DISABLE_EOF_CHECK, &error);
        if (!value) {
            cli_say("%s, line %d: %s", path, line_at(text, at) + error.line - 1, error.text);
            return CLI_INPUT;
        }
        if (!json_is_object(value)) {
            cli_say("%s: not what likeness eval --json prints: an object is expected", path);
            json_decref(value);
            return CLI_INPUT;
        }
        *evals = cli_grow(*evals, *count + 1, sizeof **evals);
        (*evals)[(*count)++] = value;
        at += (size_t)error.position;
        while (at < size && strchr(" \t\r\n", text[at])) at++;
    }
    if (*count == before) cli_say("%s: empty", path);
    return *count > before ? CLI_OK : CLI_INPUT;
}

int report_evals_load(const char *path, json_t ***evals, size_t *count) {
    size_t size = 0;
    char *text = read_all(path, &size);
    if (!text) return CLI_INPUT;
    int code = load_objects(path, text, size, evals, count);
    free(text);
    return code;
}

/* ---- what the sections share --------------------------------------------------------------------- */

const char *report_eval_name(const report_evals *e, size_t i) {
    const char *name = report_string(e->items[i], "name"), *model = report_string(e->items[i], "model");
    return name ? name : model ? report_base_name(model) : "unnamed model";
}

bool report_evals_have(const report_evals *e, const char *key) {
    for (size_t i = 0; i < e->count; i++) {
        const json_t *value = json_object_get(e->items[i], key);
        if (json_object_size(value) || json_array_size(value)) return true;
    }
    return false;
}

bool report_interval(const json_t *object, const char *key, double *low, double *high) {
    const json_t *bounds = json_object_get(object, key);
    *low = *high = NAN;
    if (json_array_size(bounds) != 2) return false;
    if (!json_is_number(json_array_get(bounds, 0)) || !json_is_number(json_array_get(bounds, 1)))
        return false;
    *low = json_number_value(json_array_get(bounds, 0));
    *high = json_number_value(json_array_get(bounds, 1));
    return true;
}

int report_steady_far(const report_evals *e) {
    for (int level = REPORT_FARS; level-- > 0;) {
        bool steady = true;
        for (size_t i = 0; i < e->count && steady; i++)
            steady =
                isfinite(report_number(json_object_get(e->items[i], "tar_at_far"), report_levels[level])) &&
                !json_is_true(
                    json_object_get(json_object_get(e->items[i], "tar_at_far_few"), report_levels[level]));
        if (steady) return level;
    }
    return -1;
}

void report_share_write(FILE *out, double share) {
    if (isfinite(share))
        fprintf(out, "%.2f %%", 100 * share);
    else
        fputs("\xE2\x80\x93", out); /* an en dash */
}

void report_range_write(FILE *out, const json_t *object, const char *key) {
    double low, high;
    if (report_interval(object, key, &low, &high))
        fprintf(out, "<span class=\"range\">%.2f to %.2f</span>", 100 * low, 100 * high);
}

void report_count_write(FILE *out, double count) {
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%.0f", fabs(count) < 1e15 ? count : 0);
    for (int i = 0; i < length; i++) {
        fputc(digits[i], out);
        if ((length - i) % 3 == 1 && i + 1 < length && digits[i] != '-') fputc(',', out);
    }
}

static const char CAUTION[] = "<strong>Figures are of these photos.</strong> With other people, cameras or "
                              "light a model does better or worse; "
                              "measure on photos like those it will see. A threshold chosen on the photos it "
                              "is measured on flatters. And a "
                              "cosine says how alike two photos are to one network, not who someone is: have "
                              "a person look before anything is "
                              "done that touches someone.";

/* ---- the page ------------------------------------------------------------------------------------ */

typedef struct section {
    const char *id, *name, *title, *part[4]; /* shown if any model has one of these parts */
    void (*write)(FILE *, const report_evals *);
} section;

static const section sections[] = {
    {"summary", "Summary", "Summary", {NULL}, report_summary_write},
    {"verification",
     "Verification",
     "Verification: the same person or not?",
     {"roc", "histogram", "calibration", "reject"},
     report_verify_write},
    {"comparison", "Comparison", "Comparison: is one model better?", {"comparisons"}, report_compare_write},
    {"identification",
     "Identification",
     "Identification: who is it?",
     {"cmc", "open_set", "enrolled"},
     report_identify_write},
    {"groups", "Groups", "Groups of people", {"groups"}, report_groups_write},
    {"mistakes", "Mistakes", "The worst mistakes", {"mistakes"}, report_mistakes_write},
    {"map", "Map", "Map of the vectors", {"map"}, report_map_write},
    {"facts", "Method", "How it was measured", {"run", "about", "data"}, report_facts_write},
};
enum { SECTIONS = sizeof sections / sizeof *sections };

static bool is_shown(const section *s, const report_evals *e) {
    if (!s->part[0]) return true;
    for (size_t i = 0; i < sizeof s->part / sizeof *s->part && s->part[i]; i++)
        if (report_evals_have(e, s->part[i])) return true;
    return false;
}

void report_evals_write(FILE *out, json_t *const *items, size_t count, report_photos *photos) {
    report_evals e = {items, count, photos};
    fputs("<nav class=\"muted small\" aria-label=\"Sections\">", out);
    for (int i = 0; i < SECTIONS; i++)
        if (is_shown(&sections[i], &e))
            fprintf(out, "<a href=\"#%s\">%s</a>\n", sections[i].id, sections[i].name);
    fputs("</nav>\n", out);
    for (int i = 0; i < SECTIONS; i++) {
        const section *s = &sections[i];
        if (!is_shown(s, &e)) continue;
        fprintf(out, "<section class=\"roc\" aria-labelledby=\"%s\">\n<h2 id=\"%s\">%s</h2>\n", s->id, s->id,
                s->title);
        s->write(out, &e);
        fputs("</section>\n", out);
    }
}

char *report_evals_title(json_t *const *items, size_t count) {
    report_evals e = {items, count, NULL};
    if (count == 1) return cli_format("How good is %s?", report_eval_name(&e, 0));
    if (count == 2) return cli_format("%s and %s compared", report_eval_name(&e, 0), report_eval_name(&e, 1));
    return cli_format("%zu models compared", count);
}

int report_evals_page(const char *path, const char *title, json_t *const *evals, size_t count,
                      report_photos *photos) {
    cli_output output;
    int code = cli_output_open(&output, path);
    if (code != CLI_OK) return code;
    char *heading = title ? cli_format("%s", title) : report_evals_title(evals, count);
    report_page_begin(output.file, heading);
    report_evals_write(output.file, evals, count, photos);
    report_page_finish(output.file, CAUTION, photos && photos->shown > photos->unreadable);
    free(heading);
    return cli_output_close(&output, true);
}
