/* words_eval.c: likeness words eval: do cosines rank pairs of words as people do? */
#include "words.h"

#include <stdlib.h>
#include <string.h>

typedef struct eval_options {
    const char *model;
    const char **pairs;
    size_t count;
    cli_style style;
} eval_options;

static const char doc[] = "Compare cosines with what people said of pairs of words: Spearman's rho over the "
                          "pairs whose two words are in the "
                          "vocabulary, and how many these are; then the same with words that are not, put "
                          "together from their n-grams.\v"
                          "FILE has lines of `word word value`, as WordSim-353, SimLex-999 and the Stanford "
                          "Rare Words have them; none comes "
                          "with likeness.";

static const struct argp_option option_list[] = {
    {"pairs", 'p', "FILE", 0, "Pairs of words and their values; may be given several times", 0},
    CLI_OPTION_JSON,
    CLI_OPTION_TSV,
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state) {
    eval_options *o = state->input;
    switch (key) {
    case 'p':
        o->pairs = cli_grow(o->pairs, o->count + 1, sizeof *o->pairs);
        o->pairs[o->count++] = arg;
        return 0;
    case CLI_KEY_JSON: o->style = CLI_JSON; return 0;
    case CLI_KEY_TSV: o->style = CLI_TSV; return 0;
    case ARGP_KEY_ARG:
        if (o->model) argp_error(state, "one model at a time");
        o->model = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->model) argp_error(state, "no model is given");
        if (!o->count)
            argp_error(
                state,
                "no pairs are given: --pairs FILE, say WordSim-353 or SimLex-999 (none comes with likeness)");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static void show_json(const char *path, const lk_words_figures *f) {
    json_t *row = json_object();
    json_object_set_new(row, "pairs_file", cli_json_text(path));
    json_object_set_new(row, "rho", cli_json_real(f->rho));
    json_object_set_new(row, "rho_all", cli_json_real(f->rho_all));
    json_object_set_new(row, "pairs", json_integer((json_int_t)f->pairs));
    json_object_set_new(row, "covered", json_integer((json_int_t)f->covered));
    json_object_set_new(row, "built", json_integer((json_int_t)f->built));
    cli_json_print(stdout, row);
}

static void number_cell(cli_table *table, double value) {
    if (isfinite(value))
        cli_table_cell(table, "%.4f", value);
    else
        cli_table_cell(table, "NA");
}

int words_eval(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "MODEL --pairs FILE", doc, NULL, NULL, NULL};
    static const char *const titles[] = {"pairs file",       "rho",    "pairs", "covered",
                                         "rho with n-grams", "covered"};
    eval_options o = {.model = NULL};
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) return CLI_USAGE;
    lk_words *words = NULL;
    lk_error err = {0};
    lk_status status = lk_words_open(o.model, &words, &err);
    cli_table *table = o.style == CLI_JSON ? NULL : cli_table_new("lrrrrr", titles);
    for (size_t i = 0; i < o.count && status == LK_OK; i++) {
        lk_words_figures f;
        status = lk_words_measure(words, o.pairs[i], &f, &err);
        if (status != LK_OK) break;
        if (!table) {
            show_json(o.pairs[i], &f);
            continue;
        }
        const char *slash = strrchr(o.pairs[i], '/');
        cli_table_cell(table, "%s", slash ? slash + 1 : o.pairs[i]);
        number_cell(table, f.rho);
        cli_table_cell(table, "%zu", f.pairs);
        cli_table_cell(table, "%zu", f.covered);
        number_cell(table, f.rho_all);
        cli_table_cell(table, "%zu", f.covered + f.built);
    }
    if (table) cli_table_print(table, o.style);
    free(o.pairs);
    lk_words_free(words);
    return status == LK_OK ? CLI_OK : cli_fail(&err);
}
