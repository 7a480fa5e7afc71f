/* cmd_words.c: likeness words ACTION ...: words that fill the same gap. */
#include "words.h"

#include <stdlib.h>
#include <string.h>

typedef struct action {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} action;

static const action actions[] = {
    {"train", words_train, "plain text in, a model of words out"},
    {"near", words_near, "the words closest to a word"},
    {"fill", words_fill, "the words for a gap: \"The ___ slept on the rug\""},
    {"analogy", words_analogy, "man is to king as woman is to what?"},
    {"eval", words_eval, "do cosines rank pairs of words as people do?"},
    {"map", words_map, "a page with a map of the common words"},
    {"export", words_export, "vectors in word2vec's text format, for other programs"},
};
enum { ACTIONS = sizeof actions / sizeof *actions };

static void print_help(FILE *out) {
    fprintf(out, "Usage: likeness words ACTION [OPTION...] ...\n"
                 "Words that fill the same gap: learn a vector for each word from plain text.\n\n");
    for (size_t i = 0; i < ACTIONS; i++) fprintf(out, "  %-10s%s\n", actions[i].name, actions[i].summary);
    fprintf(out, "\n  likeness words ACTION --help      its options\n");
}

int cmd_words(int argc, char **argv) {
    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return CLI_OK;
    }
    for (size_t i = 0; i < ACTIONS; i++) {
        if (strcmp(actions[i].name, argv[1]) != 0) continue;
        char *name = cli_format("likeness words %s", argv[1]);
        argv[1] = name;
        int code = actions[i].run(argc - 1, argv + 1);
        free(name);
        return code;
    }
    cli_say("words: '%s' is not one of train, near, fill, analogy, eval, map, export", argv[1]);
    return CLI_USAGE;
}
