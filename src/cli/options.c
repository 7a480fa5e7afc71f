/* options.c: text from the command line into numbers, names, crops and folders. One table a verb says what
 * each number may be; the same table gives --help its live defaults, so the two cannot disagree. */
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const cli_number *number_find(const cli_number *table, int key) {
    for (; table->key; table++)
        if (table->key == key) return table;
    return NULL;
}

/* argp wraps a verb's table in one of its own that adds --help, so look in the children too. */
static const char *option_name(const struct argp *argp, int key) {
    const char *name = NULL;
    for (const struct argp_option *o = argp->options; o && !name && (o->name || o->key || o->doc); o++)
        if (o->key == key) name = o->name;
    for (const struct argp_child *c = argp->children; c && !name && c->argp; c++)
        name = option_name(c->argp, key);
    return name;
}

static void bad_number(struct argp_state *state, const cli_number *number, const char *arg) {
    char *shown = cli_escape(arg, false);
    const char *name = option_name(state->root_argp, number->key);
    if (number->kind == CLI_SEED)
        argp_error(state, "--%s: '%s' is not a whole number from 0 to 18446744073709551615", name, shown);
    else
        argp_error(state, "--%s: '%s' is not a %s from %.10g to %.10g", name, shown,
                   number->kind == CLI_REAL ? "number" : "whole number", number->low, number->high);
    free(shown);
}

int cli_name_option(const char *const *names, int key, const char *arg, struct argp_state *state) {
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], arg) == 0) return i;
    char *list = cli_format("%s", names[0]);
    for (int i = 1; names[i]; i++) {
        char *longer = cli_format("%s, %s", list, names[i]);
        free(list);
        list = longer;
    }
    char *shown = cli_escape(arg, false);
    argp_error(state, "--%s: '%s' is not one of %s", option_name(state->root_argp, key), shown, list);
    free(shown);
    free(list);
    return 0;
}

static const char *const precision_names[] = {[LK_PRECISION_F32] = "f32", [LK_PRECISION_BF16] = "bf16", NULL};

/* Plain decimal digits only: strtoull alone takes "-1" for the largest number and " 5" for 5. */
static bool parse_whole(const char *arg, unsigned long long *value) {
    if (!*arg || arg[strspn(arg, "0123456789")]) return false;
    errno = 0;
    *value = strtoull(arg, NULL, 10);
    return errno == 0;
}

static bool parse_real(const char *arg, double *value) {
    char *end;
    if (!*arg || arg[strspn(arg, "0123456789+-.eE")]) return false; /* no blanks, hexadecimal, inf or nan */
    *value = strtod(arg, &end);
    return !*end && isfinite(*value);
}

error_t cli_number_parse(const cli_number *table, int key, const char *arg, void *options,
                         struct argp_state *state) {
    const cli_number *number = number_find(table, key);
    if (!number) return ARGP_ERR_UNKNOWN;
    void *field = (char *)options + number->offset;
    if (number->kind == CLI_PRECISION) {
        *(lk_precision *)field = (lk_precision)cli_name_option(precision_names, key, arg, state);
        return 0;
    }
    unsigned long long whole = 0;
    double real = 0;
    bool good = number->kind == CLI_REAL ? parse_real(arg, &real) : parse_whole(arg, &whole);
    if (number->kind != CLI_REAL) real = (double)whole;
    if (good && number->kind != CLI_SEED) good = real >= number->low && real <= number->high;
    if (!good) {
        bad_number(state, number, arg);
        return EINVAL;
    }
    switch (number->kind) {
    case CLI_INT: *(int *)field = (int)whole; break;
    case CLI_SIZE: *(size_t *)field = (size_t)whole; break;
    case CLI_SEED: *(uint64_t *)field = whole; break;
    case CLI_REAL: *(double *)field = real; break;
    case CLI_PRECISION: break;
    }
    return 0;
}

char *cli_number_help(const cli_number *table, int key, const char *text, const void *options) {
    const cli_number *number = number_find(table, key);
    if (!number || !text) return (char *)(uintptr_t)text; /* argp's way to say: as it is */
    const void *field = (const char *)options + number->offset;
    switch (number->kind) {
    case CLI_INT: return cli_format("%s (default %d)", text, *(const int *)field);
    case CLI_SIZE: return cli_format("%s (default %zu)", text, *(const size_t *)field);
    case CLI_SEED: return cli_format("%s (default %llu)", text, (unsigned long long)*(const uint64_t *)field);
    case CLI_PRECISION:
        return cli_format("%s (default %s)", text, precision_names[*(const lk_precision *)field]);
    case CLI_REAL: break;
    }
    double real = *(const double *)field;
    return isfinite(real) ? cli_format("%s (default %g)", text, real) : (char *)(uintptr_t)text;
}

bool cli_crop_given(lk_crop crop) {
    return crop.centre > 0 || crop.width > 0 || crop.height > 0;
}

lk_crop cli_crop_option(const char *arg, struct argp_state *state) {
    lk_crop crop = {0};
    lk_error err;
    if (lk_crop_parse(arg, &crop, &err) != LK_OK) {
        char *shown = cli_escape(err.message, false);
        argp_error(state, "--crop: %s", shown);
        free(shown);
    }
    return crop;
}

void cli_sources_add(cli_sources *sources, const char *arg, struct argp_state *state) {
    lk_source source = {.path = NULL};
    const char *at = strrchr(arg, '@');
    char *path = cli_format("%s", arg);
    /* A folder may have an @ in its name: what exists as it stands is taken as it stands. */
    if (at && at != arg && !cli_is_folder(arg)) {
        path[at - arg] = 0;
        lk_error err;
        if (lk_crop_parse(at + 1, &source.crop, &err) != LK_OK) {
            if (cli_is_folder(path)) {
                char *shown = cli_escape(err.message, false);
                argp_error(state, "%s: %s", path, shown);
                free(shown);
            }
            path[at - arg] = '@';
        }
    }
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--) path[n - 1] = 0;
    source.path = path;
    sources->items = cli_grow(sources->items, sources->count + 1, sizeof *sources->items);
    sources->items[sources->count++] = source;
}

void cli_sources_default_crop(cli_sources *sources, lk_crop crop) {
    for (size_t i = 0; i < sources->count; i++)
        if (!cli_crop_given(sources->items[i].crop)) sources->items[i].crop = crop;
}

void cli_sources_free(cli_sources *sources) {
    for (size_t i = 0; i < sources->count; i++) free((char *)(uintptr_t)sources->items[i].path);
    free(sources->items);
    *sources = (cli_sources){0};
}
