/* cmd_export.c: likeness export: a model as an ONNX file, for programs that run those. */
#include "cli.h"

#include <string.h>

typedef struct export_options {
    const char *model, *output;
} export_options;

static const char doc[] =
    "Write a model as an ONNX file, to run it where likeness is not: in ONNX Runtime, a browser, a phone.\v"
    "Its input is 'photo', (N, 3, h, w), any N: the face crop, RGB planes, (value - 127.5) / 127.5. Its "
    "output "
    "is 'embedding', (N, dim): vectors of norm 1. Crop, threshold and fingerprint are in its metadata.";

static const struct argp_option option_list[] = {{"output", 'o', "FILE.onnx", 0, "The file to write", 0},
                                                 {0}};

/* By its end the name says what is written. It also keeps a slip of the hand from replacing the model. */
static bool is_onnx(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot && dot != path && strcmp(dot, ".onnx") == 0;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    export_options *o = state->input;
    switch (key) {
    case 'o': o->output = arg; return 0;
    case ARGP_KEY_ARG:
        if (o->model) argp_error(state, "one model at a time");
        o->model = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->model) argp_error(state, "no model is given");
        if (!o->output) argp_error(state, "no file to write is given: -o FILE.onnx");
        if (!is_onnx(o->output)) argp_error(state, "-o: the file's name must end in .onnx");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

int cmd_export(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "MODEL -o FILE.onnx", doc, NULL, NULL, NULL};
    export_options o = {.model = NULL};
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) return CLI_USAGE;
    lk_model *model = NULL;
    lk_error err = {0};
    lk_status status = lk_model_open(o.model, &model, &err);
    if (status == LK_OK) status = lk_model_export_onnx(model, o.output, &err);
    if (status == LK_OK)
        cli_say("%s: photo (N, 3, %d, %d) to embedding (N, %d)", o.output, lk_model_input_height(model),
                lk_model_input_width(model), lk_model_dim(model));
    lk_model_free(model);
    return status == LK_OK ? CLI_OK : cli_fail(&err);
}
