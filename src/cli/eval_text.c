/* eval_text.c: the figures of one or several models, side by side, as text for people and as tab-separated
 * values for programs. Both know only the JSON. */
#include "eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static bool any_has(json_t *const *figures, size_t count, const char *key) {
    for (size_t i = 0; i < count; i++)
        if (!json_is_null(json_object_get(figures[i], key))) return true;
    return false;
}

/* ---- text ---------------------------------------------------------------------------------------- */

/* "97.50 %", and the interval where there is one. */
static char *share_text(const json_t *object, const char *key, const char *interval) {
    double value = number(object, key);
    const json_t *bounds = json_object_get(object, interval);
    if (!isfinite(value)) return NULL;
    if (json_array_size(bounds) != 2) return cli_format("%.2f %%", 100 * value);
    return cli_format("%.2f %% (%.2f to %.2f)", 100 * value,
                      100 * json_number_value(json_array_get(bounds, 0)),
                      100 * json_number_value(json_array_get(bounds, 1)));
}

static void add_text(cli_table *table, char *text) {
    cli_table_cell(table, "%s", text ? text : "-");
    free(text);
}

static char *accuracy_text(const json_t *f) {
    double accuracy = number(f, "accuracy"), se = number(f, "accuracy_se");
    if (!isfinite(accuracy)) return NULL;
    if (!isfinite(se)) return cli_format("%.2f %% (one fold)", 100 * accuracy);
    return cli_format("%.2f %% +- %.2f", 100 * accuracy, 100 * se);
}

static void share_row(cli_table *table, json_t *const *figures, size_t count, const char *label,
                      const char *key) {
    char *interval = cli_format("%s_interval", key);
    cli_table_cell(table, "%s", label);
    for (size_t i = 0; i < count; i++) add_text(table, share_text(figures[i], key, interval));
    free(interval);
}

static char *tar_text(const json_t *f, const char *level) {
    const json_t *values = json_object_get(f, "tar_at_far"),
                 *intervals = json_object_get(f, "tar_at_far_interval");
    char *text = share_text(values, level, "none");
    if (!text) return cli_format("too few different pairs to say");
    const json_t *bounds = json_object_get(intervals, level);
    bool few = json_is_true(json_object_get(json_object_get(f, "tar_at_far_few"), level));
    char *more =
        json_array_size(bounds) == 2
            ? cli_format("%s (%.2f to %.2f)%s", text, 100 * json_number_value(json_array_get(bounds, 0)),
                         100 * json_number_value(json_array_get(bounds, 1)), few ? ", few pairs" : "")
            : cli_format("%s%s", text, few ? ", few pairs" : "");
    free(text);
    return more;
}

static void verification_rows(cli_table *table, json_t *const *figures, size_t count) {
    cli_table_cell(table, "pairs");
    for (size_t i = 0; i < count; i++) {
        double pairs = number(figures[i], "pairs"), same = number(figures[i], "pairs_same");
        cli_table_cell(table, "%.0f (%.0f same, %.0f different)", pairs, same, pairs - same);
    }
    cli_table_cell(table, "accuracy");
    for (size_t i = 0; i < count; i++) add_text(table, accuracy_text(figures[i]));
    cli_table_cell(table, "AUC");
    for (size_t i = 0; i < count; i++) cli_table_cell(table, "%.4f", number(figures[i], "auc"));
    share_row(table, figures, count, "EER", "eer");
    for (int level = 1; level <= LK_FAR_COUNT; level++) {
        char *key = cli_format("1e-%d", level);
        cli_table_cell(table, "TAR at FAR %s", key);
        for (size_t i = 0; i < count; i++) add_text(table, tar_text(figures[i], key));
        free(key);
    }
    cli_table_cell(table, "threshold");
    for (size_t i = 0; i < count; i++) cli_table_cell(table, "%.4f", number(figures[i], "threshold"));
    if (!any_has(figures, count, "calibration")) return;
    cli_table_cell(table, "Cllr");
    for (size_t i = 0; i < count; i++)
        cli_table_cell(table, "%.3f", number(json_object_get(figures[i], "calibration"), "cllr"));
}

static const json_t *calibrated_of(const json_t *figures, size_t set) {
    return json_object_get(
        json_object_get(json_array_get(json_object_get(figures, "open_set"), set), "calibrated"), "1e-2");
}

static bool any_calibrated(json_t *const *figures, size_t count, size_t set) {
    for (size_t i = 0; i < count; i++)
        if (json_is_object(calibrated_of(figures[i], set))) return true;
    return false;
}

/* What the threshold for FPIR 1e-2 does that the model itself says. */
static void calibrated_row(cli_table *table, json_t *const *figures, size_t count, size_t set,
                           double people) {
    cli_table_cell(table, "  at the model's threshold, %.0f", people);
    for (size_t i = 0; i < count; i++) {
        const json_t *c = calibrated_of(figures[i], set);
        add_text(table,
                 json_is_object(c)
                     ? cli_format("FNIR %.2f %%, FPIR %.2f %%%s", 100 * number(c, "fnir"),
                                  100 * number(c, "fpir"),
                                  json_is_true(json_object_get(c, "extrapolated")) ? " (extrapolated)" : "")
                     : cli_format("not calibrated"));
    }
}

static void identification_rows(cli_table *table, json_t *const *figures, size_t count) {
    cli_table_cell(table, "people");
    for (size_t i = 0; i < count; i++)
        cli_table_cell(table, "%.0f (%.0f photos enrolled, %.0f probes)", number(figures[i], "people"),
                       number(figures[i], "enrolled_photos"), number(figures[i], "probes"));
    share_row(table, figures, count, "rank-1", "rank1");
    share_row(table, figures, count, "rank-5", "rank5");
    json_t *set;
    size_t n;
    json_array_foreach(json_object_get(figures[0], "open_set"), n, set) {
        cli_table_cell(table, "FNIR at FPIR 1e-2, %.0f enrolled", number(set, "people"));
        for (size_t i = 0; i < count; i++) {
            const json_t *same = json_array_get(json_object_get(figures[i], "open_set"), n);
            char *text = share_text(json_object_get(same, "fnir_at_fpir"), "1e-2", "none");
            add_text(table, text ? text : cli_format("too few strangers to say"));
        }
        if (any_calibrated(figures, count, n))
            calibrated_row(table, figures, count, n, number(set, "people"));
    }
}

static void print_groups(json_t *const *figures, size_t count) {
    static const char *const titles[] = {"group", "model", "people", "accuracy", "TAR", "FAR"};
    cli_table *table = cli_table_new("llrlll", titles);
    size_t g;
    json_t *first;
    json_array_foreach(json_object_get(json_object_get(figures[0], "groups"), "groups"), g,
                       first) for (size_t i = 0; i < count; i++) {
        const json_t *group =
            json_array_get(json_object_get(json_object_get(figures[i], "groups"), "groups"), g);
        cli_table_cell(table, "%s", json_string_value(json_object_get(first, "group")));
        cli_table_cell(table, "%s", json_string_value(json_object_get(figures[i], "name")));
        cli_table_cell(table, "%.0f", number(group, "people"));
        add_text(table, share_text(group, "accuracy", "accuracy_interval"));
        add_text(table, share_text(group, "tar", "tar_interval"));
        add_text(table, share_text(group, "far", "far_interval"));
    }
    puts("");
    cli_table_print(table, CLI_TEXT);
}

/* "b against a: accuracy +0.50 % (+0.10 to +0.90), p = 0.012" */
static void print_comparisons(json_t *const *figures, size_t count) {
    puts("");
    for (size_t i = 0; i < count; i++) {
        size_t k;
        json_t *c;
        json_array_foreach(json_object_get(figures[i], "comparisons"), k, c) {
            const json_t *bounds = json_object_get(c, "accuracy_interval");
            char *names = cli_format("%s against %s", json_string_value(json_object_get(figures[i], "name")),
                                     json_string_value(json_object_get(c, "with")));
            char *shown = cli_escape(names, false);
            printf("%s: accuracy %+.2f %%", shown, 100 * number(c, "accuracy"));
            if (json_array_size(bounds) == 2)
                printf(" (%+.2f to %+.2f), p = %.3g", 100 * json_number_value(json_array_get(bounds, 0)),
                       100 * json_number_value(json_array_get(bounds, 1)), number(c, "p"));
            puts("");
            free(shown);
            free(names);
        }
    }
}

void eval_text_print(json_t *const *figures, size_t count) {
    char *columns = cli_alloc(count + 2, 1);
    memset(columns, 'l', count + 1);
    cli_table *table = cli_table_new(columns, NULL);
    free(columns);
    cli_table_cell(table, "model");
    for (size_t i = 0; i < count; i++)
        cli_table_cell(table, "%s", json_string_value(json_object_get(figures[i], "name")));
    if (any_has(figures, count, "pairs")) verification_rows(table, figures, count);
    if (any_has(figures, count, "people")) identification_rows(table, figures, count);
    cli_table_print(table, CLI_TEXT);
    if (any_has(figures, count, "groups")) print_groups(figures, count);
    if (count > 1 && any_has(figures, count, "pairs")) print_comparisons(figures, count);
}

/* ---- TSV ----------------------------------------------------------------------------------------- */

static void flatten(json_t *flat, const char *prefix, const char *key, json_t *value);

static void flatten_object(json_t *flat, const char *prefix, json_t *object) {
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) flatten(flat, prefix, key, value);
}

/* Of arrays: intervals, as two rows; and objects that say what to call them. The rest are curves. */
static void flatten_array(json_t *flat, const char *name, const json_t *array) {
    size_t i;
    json_t *item;
    json_array_foreach(array, i, item) {
        const char *text = json_string_value(json_object_get(item, "group"));
        if (!text) text = json_string_value(json_object_get(item, "with"));
        const json_t *people = json_object_get(item, "people");
        char *inner = text                      ? cli_format("%s_%s", name, text)
                      : json_is_integer(people) ? cli_format("%s_%lld", name, json_integer_value(people))
                                                : NULL;
        if (inner) flatten_object(flat, inner, item);
        free(inner);
    }
}

static void flatten(json_t *flat, const char *prefix, const char *key, json_t *value) {
    char *name = *prefix ? cli_format("%s_%s", prefix, key) : cli_format("%s", key);
    const char *end = strstr(name, "interval");
    if (json_is_object(value)) {
        flatten_object(flat, name, value);
    } else if (json_is_array(value) && json_array_size(value) == 2 && end) {
        char *low = cli_format("%s_low", name), *high = cli_format("%s_high", name);
        json_object_set(flat, low, json_array_get(value, 0));
        json_object_set(flat, high, json_array_get(value, 1));
        free(low);
        free(high);
    } else if (json_is_array(value)) {
        flatten_array(flat, name, value);
    } else {
        json_object_set(flat, name, value);
    }
    free(name);
}

static void tsv_value(cli_table *table, const json_t *value) {
    if (json_is_string(value))
        cli_table_cell(table, "%s", json_string_value(value));
    else if (json_is_boolean(value))
        cli_table_cell(table, "%d", json_is_true(value));
    else if (json_is_number(value))
        cli_table_cell(table, "%.9g", json_number_value(value));
    else
        cli_table_cell(table, "NA");
}

void eval_tsv_print(json_t *const *figures, size_t count) {
    json_t **flat = cli_alloc(count, sizeof(json_t *)), *rows = json_object(), *value;
    const char **titles = cli_alloc(count + 1, sizeof *titles), *key;
    char *columns = cli_alloc(count + 2, 1);
    memset(columns, 'l', count + 1);
    titles[0] = "metric";
    for (size_t i = 0; i < count; i++) {
        flat[i] = json_object();
        flatten_object(flat[i], "", figures[i]);
        json_object_update(rows, flat[i]); /* a model may have rows of its own: a comparison with another */
        titles[i + 1] = count > 1 ? json_string_value(json_object_get(figures[i], "name")) : "value";
    }
    cli_table *table = cli_table_new(columns, titles);
    json_object_foreach(rows, key, value) {
        cli_table_cell(table, "%s", key);
        for (size_t i = 0; i < count; i++) tsv_value(table, json_object_get(flat[i], key));
    }
    cli_table_print(table, CLI_TSV);
    for (size_t i = 0; i < count; i++) json_decref(flat[i]);
    json_decref(rows);
    free(flat);
    free(titles);
    free(columns);
}
