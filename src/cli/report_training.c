/* report_training.c: the logs of likeness train as curves, several runs in the same charts. */
#include "report.h"
#include "svg.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const column_names[REPORT_COLUMNS] = {
    [REPORT_STEP] = "step",
    [REPORT_PHOTOS] = "photos",
    [REPORT_SECONDS] = "seconds",
    [REPORT_SPEED] = "photos_per_second",
    [REPORT_LOSS] = "loss",
    [REPORT_ACTIVE] = "active",
    [REPORT_LEARNING_RATE] = "learning_rate",
    [REPORT_POSITIVE] = "distance_positive",
    [REPORT_NEGATIVE] = "distance_negative",
    [REPORT_VALIDATION] = "validation_accuracy",
};

/* ---- reading ------------------------------------------------------------------------------------ */

enum { FIELDS_MOST = 64 };

/* Cut the line at its commas, in place. Numbers need no quotes, so there are none. */
static size_t split(char *line, char **fields) {
    size_t n = 0;
    line[strcspn(line, "\r\n")] = 0;
    for (char *at = line; at && n < FIELDS_MOST; n++) {
        fields[n] = at;
        at = strchr(at, ',');
        if (at) *at++ = 0;
    }
    return n;
}

/* Which field of a line each column is; any order, and columns this version does not know. */
static bool read_header(char *line, size_t *fields, int place[REPORT_COLUMNS]) {
    char *names[FIELDS_MOST];
    *fields = split(line, names);
    for (int c = 0; c < REPORT_COLUMNS; c++) {
        place[c] = -1;
        for (size_t i = 0; i < *fields; i++)
            if (strcmp(names[i], column_names[c]) == 0) place[c] = (int)i;
    }
    return place[REPORT_STEP] >= 0 && place[REPORT_SECONDS] >= 0;
}

static bool read_number(const char *text, double *value) {
    char *end;
    *value = *text ? strtod(text, &end) : NAN;
    return !*text || (end != text && !*end);
}

static bool read_row(report_log *log, char *const *fields, const int place[REPORT_COLUMNS]) {
    double row[REPORT_COLUMNS];
    for (int c = 0; c < REPORT_COLUMNS; c++) {
        row[c] = NAN;
        if (place[c] >= 0 && !read_number(fields[place[c]], &row[c])) return false;
    }
    if (!isfinite(row[REPORT_STEP]) || !isfinite(row[REPORT_SECONDS])) return false;
    report_log_add(log, row);
    return true;
}

void report_log_add(report_log *log, const double row[REPORT_COLUMNS]) {
    while (log->count && log->column[REPORT_STEP][log->count - 1] >= row[REPORT_STEP]) log->count--;
    for (int c = 0; c < REPORT_COLUMNS; c++) {
        log->column[c] = cli_grow(log->column[c], log->count + 1, sizeof(double));
        log->column[c][log->count] = row[c];
    }
    log->count++;
}

static int read_log(FILE *file, report_log *log) {
    char *line = NULL, *fields[FIELDS_MOST];
    size_t room = 0, wanted = 0, number = 1;
    int place[REPORT_COLUMNS], code = CLI_OK;
    if (getline(&line, &room, file) < 0 || !read_header(line, &wanted, place)) {
        cli_say("%s: not a log of likeness train: its first line names no step and seconds", log->path);
        code = CLI_INPUT;
    }
    while (code == CLI_OK && getline(&line, &room, file) >= 0) {
        number++;
        bool whole = strchr(line, '\n') != NULL; /* else a run is just writing it, or was killed */
        size_t n = split(line, fields);
        if (!whole || (n == 1 && !*fields[0]) || (n == wanted && read_row(log, fields, place))) continue;
        /* A run killed while it wrote and then resumed leaves such a line; the rest is good. */
        cli_say("%s, line %zu: left out: not the %zu numbers that the first line names", log->path, number,
                wanted);
    }
    if (code == CLI_OK && ferror(file)) {
        cli_say("%s: cannot read: %s", log->path, strerror(errno));
        code = CLI_SYSTEM;
    }
    free(line);
    return code;
}

int report_log_load(const char *path, report_log *out) {
    FILE *file = fopen(path, "r");
    if (!file) {
        cli_say("%s: cannot open: %s", path, strerror(errno));
        return CLI_INPUT;
    }
    *out = (report_log){.path = path};
    int code = read_log(file, out);
    fclose(file);
    return code;
}

void report_log_free(report_log *log) {
    for (int c = 0; c < REPORT_COLUMNS; c++) free(log->column[c]);
}

/* ---- showing ------------------------------------------------------------------------------------ */

typedef struct curve {
    const char *title, *explanation;
    report_column columns[2]; /* the second is dashed; the same twice: there is one */
    bool percent;
    double y_low, y_high; /* NaN: from the data */
} curve;

static double last_known(const report_log *log, report_column column) {
    for (size_t i = log->count; i-- > 0;)
        if (isfinite(log->column[column][i])) return log->column[column][i];
    return NAN;
}

static double highest(const report_log *log, report_column column) {
    double best = NAN;
    for (size_t i = 0; i < log->count; i++) best = fmax(best, log->column[column][i]);
    return best;
}

static void write_tile(FILE *out, const char *term, double value, int decimals, const char *unit) {
    fprintf(out, "<div><dt>%s</dt><dd>", term);
    if (isfinite(value))
        fprintf(out, "%.*f%s", decimals, value, unit);
    else
        fputs("\xE2\x80\x93", out); /* an en dash */
    fputs("</dd></div>\n", out);
}

static void write_summary(FILE *out, const report_log *log, size_t run) {
    double seconds = last_known(log, REPORT_SECONDS), photos = last_known(log, REPORT_PHOTOS);
    char clock[32];
    fputs("<div class=\"card\"><h3>", out);
    svg_key_write(out, (int)run, false);
    svg_text_write(out, report_base_name(log->path));
    fprintf(out, "</h3>\n<dl class=\"tiles\">\n<div><dt>Training time</dt><dd>%s</dd></div>\n",
            cli_clock(seconds, clock));
    write_tile(out, "Photos seen, with repeats", photos, 0, "");
    write_tile(out, "Photos a second", photos / seconds, 0, "");
    write_tile(out, "Loss at the end", last_known(log, REPORT_LOSS), 4, "");
    write_tile(out, "Validation accuracy at the end", 100 * last_known(log, REPORT_VALIDATION), 1, " %");
    write_tile(out, "Validation accuracy at its best", 100 * highest(log, REPORT_VALIDATION), 1, " %");
    fputs("</dl></div>\n", out);
}

static void write_curve(FILE *out, const curve *c, const report_log *logs, size_t count, double *const *time,
                        const char *unit) {
    svg_series *series = cli_alloc(2 * count, sizeof *series);
    bool two = c->columns[0] != c->columns[1];
    size_t n = 0;
    for (size_t run = 0; run < count; run++)
        for (int i = 0; i < (two ? 2 : 1); i++)
            series[n++] = (svg_series){.x = time[run],
                                       .y = logs[run].column[c->columns[i]],
                                       .count = logs[run].count,
                                       .style = (int)run,
                                       .dashed = i == 1,
                                       .shape = SVG_LINE};
    svg_chart chart = {.width = 360,
                       .height = 240,
                       .title = c->title,
                       .description = c->explanation,
                       .x_label = unit,
                       .percent = c->percent,
                       .x_low = 0,
                       .x_high = NAN,
                       .y_low = c->y_low,
                       .y_high = c->y_high,
                       .series = series,
                       .count = n};
    if (svg_chart_has_data(&chart)) {
        fprintf(out, "<figure class=\"card\"><figcaption><h3>%s</h3><p>%s</p></figcaption>\n", c->title,
                c->explanation);
        svg_chart_write(out, &chart);
        fputs("</figure>\n", out);
    }
    free(series);
}

void report_curves_write(FILE *out, const report_log *logs, size_t count) {
    static const curve curves[] = {
        {"Loss",
         "Mean of max(|a\xE2\x88\x92p| \xE2\x88\x92 |a\xE2\x88\x92n| + margin, 0)",
         {REPORT_LOSS, REPORT_LOSS},
         false,
         0,
         NAN},
        {"Active triplets", "Share with a loss above zero", {REPORT_ACTIVE, REPORT_ACTIVE}, true, 0, NAN},
        {"Distance",
         "Mean L2 of the mined pairs: same person solid, different people dashed",
         {REPORT_POSITIVE, REPORT_NEGATIVE},
         false,
         0,
         NAN},
        {"Validation accuracy",
         "Pairs of people kept out of training",
         {REPORT_VALIDATION, REPORT_VALIDATION},
         true,
         NAN,
         1},
        {"Learning rate", "Warm-up, then decay", {REPORT_LEARNING_RATE, REPORT_LEARNING_RATE}, false, 0, NAN},
        {"Speed", "Photos a second", {REPORT_SPEED, REPORT_SPEED}, false, 0, NAN},
    };
    enum { IN_SECONDS_UP_TO = 180 };
    double longest = 0;
    for (size_t run = 0; run < count; run++) longest = fmax(longest, highest(&logs[run], REPORT_SECONDS));
    bool minutes = longest > IN_SECONDS_UP_TO;
    double **time = cli_alloc(count, sizeof *time);
    for (size_t run = 0; run < count; run++) {
        time[run] = cli_alloc(logs[run].count, sizeof **time);
        for (size_t i = 0; i < logs[run].count; i++)
            time[run][i] = logs[run].column[REPORT_SECONDS][i] / (minutes ? 60 : 1);
    }
    fputs("<div class=\"charts\">\n", out);
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++)
        write_curve(out, &curves[i], logs, count, time,
                    minutes ? "minutes of training" : "seconds of training");
    fputs("</div>\n", out);
    for (size_t run = 0; run < count; run++) free(time[run]);
    free(time);
}

void report_training_write(FILE *out, const report_log *logs, size_t count) {
    fputs("<section aria-labelledby=\"training\">\n<h2 id=\"training\">Training</h2>\n"
          "<p class=\"muted\">Photos of one person are pulled together, photos of different people pushed "
          "apart.</p>\n",
          out);
    for (size_t run = 0; run < count; run++) write_summary(out, &logs[run], run);
    report_curves_write(out, logs, count);
    fputs("</section>\n", out);
}
