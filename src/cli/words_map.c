/* words_map.c: likeness words map, a page to look at; and words export, a file for other programs. */
#include "likeness/eval.h"
#include "report.h"
#include "svg.h"
#include "words.h"

#include <stdlib.h>
#include <string.h>

/* The page is one drawing, in which a word is written where there is room for it and is a dot elsewhere. */
enum { SIDE = 1080, FONT = 11, MARGIN = 40 };

typedef struct map_options {
    const char *model, *output;
    size_t words, skip;
    bool pca;
    uint64_t seed;
} map_options;

enum { KEY_WORDS = CLI_KEY_VERB, KEY_SKIP, KEY_PCA };

static const char map_doc[] = "Write a page with a map of the common words: those that lie close have close "
                              "vectors (t-SNE; directions and "
                              "large distances mean nothing).";
static const struct argp_option map_list[] = {
    {"output", 'o', "HTML", 0, "The page to write", 0},
    {"words", KEY_WORDS, "N", 0, "How many words, the most frequent ones", 0},
    {"skip", KEY_SKIP, "N", 0, "Leave out so many of the most frequent (the, of, and)", 0},
    {"pca", KEY_PCA, 0, 0, "The plane in which the vectors spread most, instead of t-SNE", 0},
    CLI_OPTION_SEED,
    {0}};
static const cli_number map_numbers[] = {{KEY_WORDS, CLI_SIZE, offsetof(map_options, words), 3, 5000},
                                         {KEY_SKIP, CLI_SIZE, offsetof(map_options, skip), 0, 1e9},
                                         {CLI_KEY_SEED, CLI_SEED, offsetof(map_options, seed), 0, 0},
                                         {0}};

static char *map_help(int key, const char *text, void *input) {
    return cli_number_help(map_numbers, key, text, input);
}

static error_t map_parse(int key, char *arg, struct argp_state *state) {
    map_options *o = state->input;
    switch (key) {
    case 'o': o->output = arg; return 0;
    case KEY_PCA: o->pca = true; return 0;
    case ARGP_KEY_ARG:
        if (o->model) argp_error(state, "one model at a time");
        o->model = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->model) argp_error(state, "no model is given");
        if (!o->output) argp_error(state, "where to? give -o HTML");
        return 0;
    default: return cli_number_parse(map_numbers, key, arg, o, state);
    }
}

typedef struct place {
    double x, y, width; /* centre of the word */
    bool written;
} place;

static bool overlaps(const place *a, const place *b) {
    return fabs(a->x - b->x) < (a->width + b->width) / 2 && fabs(a->y - b->y) < FONT;
}

/* Frequent words first; a word that would lie over one that is written is a dot. */
static void place_words(const lk_words *words, size_t first, size_t count, const float *xy, place *places) {
    for (size_t i = 0; i < count; i++) {
        place *p = &places[i];
        *p = (place){SIDE / 2.0 + (double)xy[2 * i] * (SIDE / 2.0 - MARGIN),
                     SIDE / 2.0 - (double)xy[2 * i + 1] * (SIDE / 2.0 - MARGIN),
                     svg_text_width(lk_words_text(words, first + i)) * FONT / 12 + 4, true};
        for (size_t j = 0; j < i && p->written; j++)
            p->written = !places[j].written || !overlaps(p, &places[j]);
    }
}

static void write_words(FILE *out, const lk_words *words, size_t first, size_t count, const place *places) {
    svg_open(out, "chart words", SIDE, SIDE, "Map of words", "Words that lie close have close vectors");
    for (int written = 0; written < 2; written++)
        for (size_t i = 0; i < count; i++) {
            const place *p = &places[i];
            if (p->written != written) continue;
            if (written)
                fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", p->x, p->y + FONT / 3.0);
            else
                fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2\"><title>", p->x, p->y);
            svg_text_write(out, lk_words_text(words, first + i));
            fputs(written ? "</text>\n" : "</title></circle>\n", out);
        }
    fputs("</svg>\n", out);
}

static int write_page(const map_options *o, const lk_words *words, size_t first, size_t count,
                      const float *xy) {
    cli_output output;
    int code = cli_output_open(&output, o->output);
    if (code != CLI_OK) return code;
    place *places = cli_alloc(count, sizeof *places);
    place_words(words, first, count, xy, places);
    report_page_begin(output.file, "Words that fill the same gaps");
    fprintf(output.file,
            "<style>.words text{font-size:%dpx;fill:var(--text)}.words "
            "circle{fill:var(--accent);opacity:.35}</style>\n"
            "<p class=\"muted\">The %zu most frequent of %zu words%s, each near those whose vectors are "
            "near. Where there "
            "is no room for a word it is a dot; point at it to read it.</p>\n<div class=\"card\">\n",
            FONT, count, lk_words_count(words), first ? " (the very most frequent left out)" : "");
    write_words(output.file, words, first, count, places);
    fputs("</div>\n", output.file);
    report_page_finish(output.file,
                       "Vectors of words carry what their text says of people, its prejudices too.", false);
    free(places);
    return cli_output_close(&output, true);
}

int words_map(int argc, char **argv) {
    static const struct argp argp = {map_list, map_parse, "MODEL -o HTML", map_doc, NULL, map_help, NULL};
    map_options o = {.words = 1000, .skip = 100, .seed = 1};
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) return CLI_USAGE;
    lk_words *words = NULL;
    lk_error err = {0};
    lk_status status = lk_words_open(o.model, &words, &err);
    if (status != LK_OK) return cli_fail(&err);
    size_t all = lk_words_count(words), first = all > o.skip + 3 ? o.skip : 0,
           count = all - first < o.words ? all - first : o.words;
    float *xy = cli_alloc(2 * count, sizeof *xy);
    int code = CLI_OK;
    status = lk_map_make(lk_words_vector(words, first), count, lk_words_dim(words),
                         o.pca ? LK_MAP_PCA : LK_MAP_TSNE, o.seed, xy, &err);
    code = status == LK_OK ? write_page(&o, words, first, count, xy) : cli_fail(&err);
    free(xy);
    lk_words_free(words);
    return code;
}

/* ---- export --------------------------------------------------------------------------------------- */

typedef struct export_options {
    const char *model, *output;
} export_options;

static error_t export_parse(int key, char *arg, struct argp_state *state) {
    export_options *o = state->input;
    switch (key) {
    case 'o': o->output = arg; return 0;
    case ARGP_KEY_ARG:
        if (o->model) argp_error(state, "one model at a time");
        o->model = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->model) argp_error(state, "no model is given");
        if (!o->output) argp_error(state, "where to? give -o TEXT");
        if (strcmp(o->model, o->output) == 0) argp_error(state, "-o: that is the model itself");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

int words_export(int argc, char **argv) {
    static const char doc[] =
        "Write the words' vectors in word2vec's text format, which gensim and others read: a line "
        "`count dim`, then a word and its values on each line.";
    static const struct argp_option list[] = {{"output", 'o', "TEXT", 0, "The file to write", 0}, {0}};
    static const struct argp argp = {list, export_parse, "MODEL -o TEXT", doc, NULL, NULL, NULL};
    export_options o = {.model = NULL};
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) return CLI_USAGE;
    lk_words *words = NULL;
    lk_error err = {0};
    lk_status status = lk_words_open(o.model, &words, &err);
    if (status == LK_OK) status = lk_words_export(words, o.output, &err);
    if (status == LK_OK)
        cli_say("%s: %zu words of %d values", o.output, lk_words_count(words), lk_words_dim(words));
    lk_words_free(words);
    return status == LK_OK ? CLI_OK : cli_fail(&err);
}
