/* words_train.c: likeness words train: plain text in, a model of words out. */
#include "words.h"

#include <stdlib.h>
#include <string.h>

typedef struct train_options {
    lk_words_options train;
    const char **texts;
} train_options;

enum {
    KEY_DIM = CLI_KEY_VERB,
    KEY_WINDOW,
    KEY_NEGATIVES,
    KEY_MIN_COUNT,
    KEY_VOCABULARY,
    KEY_SUBSAMPLE,
    KEY_EPOCHS,
    KEY_RATE,
    KEY_LOSS,
    KEY_MARGIN,
    KEY_BUCKETS,
    KEY_NGRAM_LEAST,
    KEY_NGRAM_MOST,
    KEY_CHECKPOINT,
    KEY_RESUME
};

static const char doc[] = "Learn a vector for each word of plain text (UTF-8, also .gz; - is standard "
                          "input): a word is taken out, and "
                          "pulled towards what is around the gap, while other words are pushed away, so that "
                          "words which fill the same gaps "
                          "come to lie close.\v"
                          "A sentence ends at an empty line, and after . ! ? before a blank. Words are "
                          "letters and digits, in lower case. "
                          "The same seed gives the same model on one thread; several write the same vectors "
                          "without locks, which is faster "
                          "and gives another model each time. Ctrl-C writes a checkpoint; --resume goes on "
                          "from it. docs/words.md has the "
                          "formulas.";

static const struct argp_option option_list[] = {
    {"output", 'o', "MODEL", 0, "The model to write (.safetensors)", 1},
    {"dim", KEY_DIM, "N", 0, "Values of a vector", 1},
    {"window", KEY_WINDOW, "N", 0, "Words of a gap's context, on either side", 1},
    {"negatives", KEY_NEGATIVES, "N", 0, "Wrong words drawn for every 64 gaps, which share them", 1},
    {"min-count", KEY_MIN_COUNT, "N", 0, "Words met less often get no vector of their own", 1},
    {"subsample", KEY_SUBSAMPLE, "SHARE", 0,
     "Words that are more than this share of the text are left out now and then; 0: never", 1},
    {"epochs", KEY_EPOCHS, "N", 0, "How often the text is gone through", 1},
    {"learning-rate", KEY_RATE, "R", 0, "At the start; it falls to 0 along a line", 1},
    {"loss", KEY_LOSS, "NAME", 0, "infonce (default), negative-sampling or triplet", 1},
    {"margin", KEY_MARGIN, "M", 0, "Of triplet: how much closer the right word has to be than a wrong one",
     1},
    {"buckets", KEY_BUCKETS, "N", 0, "Rows for n-grams of letters, which tell of rare and new words; 0: none",
     2},
    {"ngram-least", KEY_NGRAM_LEAST, "N", 0, "Letters of the shortest n-grams, the word's borders counted",
     2},
    {"ngram-most", KEY_NGRAM_MOST, "N", 0, "Letters of the longest", 2},
    {"vocabulary", KEY_VOCABULARY, "N", 0,
     "Different words held while the text is read; past it the rarest are forgotten", 2},
    {"checkpoint", KEY_CHECKPOINT, "MINUTES", 0, "How often a checkpoint is written", 3},
    {"resume", KEY_RESUME, 0, 0, "Go on from the checkpoint of the same command; the text is not read again",
     3},
    {"threads", CLI_KEY_THREADS, "N", 0, "Threads; 0: all cores", 3},
    CLI_OPTION_SEED,
    {0}};

#define FIELD(name) offsetof(train_options, train.name)
static const cli_number numbers[] = {{KEY_DIM, CLI_INT, FIELD(dim), 2, 4096},
                                     {KEY_WINDOW, CLI_INT, FIELD(window), 1, 100},
                                     {KEY_NEGATIVES, CLI_INT, FIELD(negatives), 1, 4096},
                                     {KEY_MIN_COUNT, CLI_SIZE, FIELD(min_count), 1, 1e15},
                                     {KEY_VOCABULARY, CLI_SIZE, FIELD(vocabulary), 2, 4e9},
                                     {KEY_SUBSAMPLE, CLI_REAL, FIELD(subsample), 0, 1},
                                     {KEY_EPOCHS, CLI_INT, FIELD(epochs), 1, 1e6},
                                     {KEY_RATE, CLI_REAL, FIELD(learning_rate), 1e-9, 1e3},
                                     {KEY_MARGIN, CLI_REAL, FIELD(margin), 0, 1e6},
                                     {KEY_BUCKETS, CLI_SIZE, FIELD(buckets), 0, 1e9},
                                     {KEY_NGRAM_LEAST, CLI_INT, FIELD(ngram_least), 1, 12},
                                     {KEY_NGRAM_MOST, CLI_INT, FIELD(ngram_most), 1, 12},
                                     {KEY_CHECKPOINT, CLI_REAL, FIELD(checkpoint_minutes), 0.01, 1e6},
                                     {CLI_KEY_THREADS, CLI_INT, FIELD(threads), 0, CLI_THREADS_MAX},
                                     {CLI_KEY_SEED, CLI_SEED, FIELD(seed), 0, 0},
                                     {0}};

static char *help(int key, const char *text, void *input) {
    return cli_number_help(numbers, key, text, input);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    static const char *const losses[] = {[LK_WORDS_INFONCE] = "infonce",
                                         [LK_WORDS_NEGATIVE_SAMPLING] = "negative-sampling",
                                         [LK_WORDS_TRIPLET] = "triplet",
                                         NULL};
    train_options *o = state->input;
    switch (key) {
    case 'o': o->train.output = arg; return 0;
    case KEY_LOSS: o->train.loss = (lk_words_loss)cli_name_option(losses, key, arg, state); return 0;
    case KEY_RESUME: o->train.resume = 1; return 0;
    case ARGP_KEY_ARG:
        o->texts = cli_grow(o->texts, o->train.text_count + 1, sizeof *o->texts);
        o->texts[o->train.text_count++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->train.text_count) argp_error(state, "no text is given");
        if (!o->train.output) argp_error(state, "where to? give -o MODEL");
        if (o->train.ngram_least > o->train.ngram_most)
            argp_error(state, "--ngram-least is over --ngram-most");
        return 0;
    default: return cli_number_parse(numbers, key, arg, o, state);
    }
}

static int tell(void *context, const lk_words_progress *p) {
    (void)context;
    char left[32];
    if (p->note) cli_say("%s", p->note);
    cli_clock(p->seconds_left, left);
    if (!p->training) {
        double share = p->seconds_left >= 0 ? p->seconds / (p->seconds + p->seconds_left) : 0;
        cli_progress(share, false, "reading: %.1fM words, %zu different, %.0f words/s, %s left",
                     (double)p->words / 1e6, p->vocabulary, p->words_per_second, left);
    } else {
        cli_progress((double)p->words / (double)p->total, p->words == p->total,
                     "training: %.1fM of %.1fM words, %.0f words/s, loss %.3f, %s left",
                     (double)p->words / 1e6, (double)p->total / 1e6, p->words_per_second, p->loss, left);
    }
    return cli_stopped();
}

static int run(train_options *o) {
    double started = cli_seconds();
    lk_error err = {0};
    int code = cli_output_check(o->train.output);
    if (code != CLI_OK) return code;
    cli_catch_signals();
    lk_status status = lk_words_train(&o->train, &err);
    if (status == LK_OK) cli_say("%s: written", o->train.output);
    code = status == LK_OK ? CLI_OK : cli_fail(&err);
    cli_usage_line(started);
    return code;
}

int words_train(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "TEXT... -o MODEL", doc, NULL, help, NULL};
    train_options o = {.texts = NULL};
    lk_words_options_init(&o.train);
    char *line = cli_command_line(argc, argv);
    o.train.recipe = line;
    o.train.progress = tell;
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) return CLI_USAGE;
    o.train.texts = o.texts;
    int code = run(&o);
    free(o.texts);
    free(line);
    return code;
}
