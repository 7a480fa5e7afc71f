/* main.c: likeness VERB ...: finds the verb and runs it. What the verbs share is in cli.h. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} verb;

static const verb verbs[] = {
    {"train", cmd_train, "folders of people in, a model out"},
    {"train-detector", cmd_train_detector, "photos with known faces in, a model that finds faces out"},
    {"detect", cmd_detect, "the faces in photos: boxes, points, how sure"},
    {"crop", cmd_crop, "photos to aligned faces, ready to train on"},
    {"eval", cmd_eval, "how good a model is: verification and identification"},
    {"calibrate", cmd_calibrate, "what a model's cosines mean: probabilities, thresholds at FAR"},
    {"embed", cmd_embed, "photos to vectors, as text, JSON or .npy"},
    {"verify", cmd_verify, "do two photos show the same person?"},
    {"enroll", cmd_enroll, "put people into a gallery"},
    {"identify", cmd_identify, "who in a gallery looks most like the people in a photo?"},
    {"serve", cmd_serve, "a gallery over HTTP: an API and a page for operators"},
    {"watch", cmd_watch, "who is seen in a video, at an address or by a camera"},
    {"gallery", cmd_gallery, "look after a gallery: people, copies, exports, who is in twice; group faces"},
    {"synth", cmd_synth, "draw people who do not exist, to train or to show"},
    {"data", cmd_data, "what ruins training in folders of people: copies, wrong labels"},
    {"words", cmd_words, "words that fill the same gap: vectors of words, from plain text"},
    {"report", cmd_report, "an HTML page of training curves, ROC and suspects"},
    {"import", cmd_import, "dlib's face model, as npm ships it, as a model to compare with"},
    {"export", cmd_export, "a model as an ONNX file, for other programs"},
    {"nets", cmd_nets, "the nets that train knows"},
};
enum { VERB_COUNT = sizeof verbs / sizeof *verbs };

static const verb *verb_find(const char *name) {
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(verbs[i].name, name) == 0) return &verbs[i];
    return NULL;
}

static void print_help(FILE *out) {
    fprintf(out, "Usage: likeness VERB [OPTION...] ...\n"
                 "Recognise people: train a network, enroll faces, find who a photo shows.\n\n");
    for (size_t i = 0; i < VERB_COUNT; i++) fprintf(out, "  %-16s%s\n", verbs[i].name, verbs[i].summary);
    fprintf(out, "\n  likeness help VERB      the options of a verb, as likeness VERB --help\n"
                 "  likeness --version      version and processor features\n\n"
                 "Exit code: 0 ok, 1 no (different, unknown), 2 usage, 3 bad input, 4 system.\n");
}

static void print_version(void) {
    printf("likeness %s\n", lk_version());
#if defined(__clang__)
    printf("compiler clang %s\n", __clang_version__);
#elif defined(__GNUC__)
    printf("compiler gcc %s\n", __VERSION__);
#endif
}

static int verb_run(const verb *v, int argc, char **argv) {
    char *name = cli_format("likeness %s", v->name);
    argv[0] = name; /* what argp calls the program in its messages */
    int code = v->run(argc, argv);
    free(name);
    return code;
}

static int help(int argc, char **argv) {
    if (argc == 0) {
        print_help(stdout);
        return CLI_OK;
    }
    const verb *v = verb_find(argv[0]);
    if (!v) {
        cli_say("there is no verb '%s'; likeness help lists them", argv[0]);
        return CLI_USAGE;
    }
    char option[] = "--help", *help_argv[] = {argv[0], option, NULL};
    return verb_run(v, 2, help_argv);
}

/* Results that did not reach their file are no results: a full disk is told here, whatever the verb. */
static void close_stdout(void) {
    int failed = ferror(stdout);
    errno = 0;
    if (fflush(stdout) == 0 && !failed) return;
    cli_say("standard output: cannot write%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
    _exit(CLI_SYSTEM);
}

int main(int argc, char **argv) {
    argp_err_exit_status = CLI_USAGE;
    if (atexit(close_stdout) != 0) return CLI_SYSTEM;
    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "help") == 0) return help(argc - 2, argv + 2);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return CLI_OK;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        print_version();
        return CLI_OK;
    }
    const verb *v = verb_find(argv[1]);
    if (v) return verb_run(v, argc - 1, argv + 1);
    cli_say("there is no verb '%s'; likeness help lists them", argv[1]);
    return CLI_USAGE;
}
