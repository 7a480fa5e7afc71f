/* words_ask.c: likeness words near, fill, analogy: words in, words out. */
#include "words.h"

#include <stdlib.h>
#include <string.h>

typedef struct ask_options {
    const char *model;
    const char **words;
    size_t count, least, most; /* words given; how many the action wants */
    size_t k;
    cli_style style;
    const char *wants; /* what it wants, for errors */
} ask_options;

static const struct argp_option option_list[] = {
    {NULL, 'k', "N", 0, "How many words", 0}, CLI_OPTION_JSON, CLI_OPTION_TSV, {0}};
static const cli_number numbers[] = {{'k', CLI_SIZE, offsetof(ask_options, k), 1, 1e7}, {0}};

static char *help(int key, const char *text, void *input) {
    return cli_number_help(numbers, key, text, input);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    ask_options *o = state->input;
    switch (key) {
    case CLI_KEY_JSON: o->style = CLI_JSON; return 0;
    case CLI_KEY_TSV: o->style = CLI_TSV; return 0;
    case ARGP_KEY_ARG:
        if (!o->model) {
            o->model = arg;
            return 0;
        }
        o->words = cli_grow(o->words, o->count + 1, sizeof *o->words);
        o->words[o->count++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->model || o->count < o->least || o->count > o->most) argp_error(state, "%s", o->wants);
        return 0;
    default: return cli_number_parse(numbers, key, arg, o, state);
    }
}

/* One answer: of `asked`, which is also shown where there are several. */
static void show(const ask_options *o, const lk_words *words, const char *asked, const char *score_name,
                 const lk_words_match *matches, size_t count) {
    const char *titles[] = {"of", "rank", "word", score_name, "met"};
    if (o->style == CLI_JSON) {
        json_t *row = json_object(), *list = json_array();
        for (size_t i = 0; i < count; i++) {
            json_t *m = json_object();
            json_object_set_new(m, "word", cli_json_text(lk_words_text(words, matches[i].word)));
            json_object_set_new(m, score_name, cli_json_real(matches[i].score));
            json_object_set_new(m, "met", json_integer((json_int_t)lk_words_met(words, matches[i].word)));
            json_array_append_new(list, m);
        }
        json_object_set_new(row, "of", cli_json_text(asked));
        json_object_set_new(row, "words", list);
        cli_json_print(stdout, row);
        return;
    }
    bool tsv = o->style == CLI_TSV;
    cli_table *table = cli_table_new(tsv ? "lrlrr" : "lrr", tsv ? titles : titles + 2);
    for (size_t i = 0; i < count; i++) {
        if (tsv) {
            cli_table_cell(table, "%s", asked);
            cli_table_cell(table, "%zu", i + 1);
        }
        cli_table_cell(table, "%s", lk_words_text(words, matches[i].word));
        cli_table_cell(table, "%.4f", matches[i].score);
        cli_table_cell(table, "%llu", (unsigned long long)lk_words_met(words, matches[i].word));
    }
    if (!tsv && o->count > 1 && o->most > 3) printf("%s:\n", asked);
    cli_table_print(table, o->style);
}

static lk_status near_one(const ask_options *o, const lk_words *words, size_t at, lk_words_match *matches,
                          lk_error *err) {
    float *vector = cli_alloc((size_t)lk_words_dim(words), sizeof *vector);
    size_t self = lk_words_find(words, o->words[at]), count = 0;
    lk_status status = lk_words_embed(words, o->words[at], vector, err);
    if (status == LK_OK) {
        if (self == SIZE_MAX)
            cli_say("'%s' is not in the vocabulary: its vector is put together from its n-grams",
                    o->words[at]);
        lk_words_near(words, vector, &self, 1, o->k, matches, &count);
        show(o, words, o->words[at], "cosine", matches, count);
    }
    free(vector);
    return status;
}

static lk_status fill_one(const ask_options *o, const lk_words *words, size_t at, lk_words_match *matches,
                          lk_error *err) {
    size_t count = 0;
    lk_status status = lk_words_fill(words, o->words[at], o->k, matches, &count, err);
    if (status == LK_OK) show(o, words, o->words[at], "probability", matches, count);
    return status;
}

static lk_status analogy_one(const ask_options *o, const lk_words *words, size_t at, lk_words_match *matches,
                             lk_error *err) {
    size_t count = 0;
    (void)at;
    lk_status status =
        lk_words_analogy(words, o->words[0], o->words[1], o->words[2], o->k, matches, &count, err);
    char *asked = cli_format("%s is to %s as %s is to", o->words[0], o->words[1], o->words[2]);
    if (status == LK_OK) show(o, words, asked, "cosine", matches, count);
    free(asked);
    return status;
}

static int ask(ask_options *o, const struct argp *argp, int argc, char **argv,
               lk_status (*one)(const ask_options *, const lk_words *, size_t, lk_words_match *,
                                lk_error *)) {
    o->k = 10;
    if (argp_parse(argp, argc, argv, 0, NULL, o) != 0) return CLI_USAGE;
    lk_words *words = NULL;
    lk_error err = {0};
    lk_status status = lk_words_open(o->model, &words, &err);
    lk_words_match *matches = NULL;
    if (status == LK_OK) {
        if (o->k > lk_words_count(words)) o->k = lk_words_count(words);
        matches = cli_alloc(o->k, sizeof *matches);
    }
    size_t questions = o->most == 3 ? 1 : o->count;
    for (size_t i = 0; i < questions && status == LK_OK; i++) status = one(o, words, i, matches, &err);
    free(matches);
    free(o->words);
    lk_words_free(words);
    return status == LK_OK ? CLI_OK : cli_fail(&err);
}

int words_near(int argc, char **argv) {
    static const char doc[] =
        "The words whose vectors are closest to that of a word, by cosine.\v"
        "A word that is not in the vocabulary is put together from its n-grams, if the model has "
        "any. MODEL may be in word2vec's text format.";
    static const struct argp argp = {option_list, parse, "MODEL WORD...", doc, NULL, help, NULL};
    ask_options o = {.least = 1, .most = SIZE_MAX, .wants = "a model and a word are needed"};
    return ask(&o, &argp, argc, argv, near_one);
}

int words_fill(int argc, char **argv) {
    static const char doc[] =
        "Rank the words for the gap in a sentence, written ___ (two or more underscores).";
    static const struct argp argp = {option_list, parse, "MODEL SENTENCE...", doc, NULL, help, NULL};
    ask_options o = {
        .least = 1, .most = SIZE_MAX, .wants = "a model and a sentence with a gap (___) are needed"};
    return ask(&o, &argp, argc, argv, fill_one);
}

int words_analogy(int argc, char **argv) {
    static const char doc[] = "A is to B as C is to what? The words closest to B - A + C.";
    static const struct argp argp = {option_list, parse, "MODEL A B C", doc, NULL, help, NULL};
    ask_options o = {.least = 3, .most = 3, .wants = "a model and three words are needed: man king woman"};
    return ask(&o, &argp, argc, argv, analogy_one);
}
