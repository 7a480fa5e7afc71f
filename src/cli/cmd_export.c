/* cmd_export.c: likeness export: a model as an ONNX file, for programs that run those, or at half its size.
 */
#include "cli.h"

#include <string.h>
#include <sys/stat.h>

typedef struct export_options {
    const char *model, *output;
} export_options;

static const char doc[] =
    "Write a model as an ONNX file, to run it where likeness is not: in ONNX Runtime, a browser, a phone. "
    "Or, as "
    ".safetensors, the same model with weights of 16 bits: half the file.\v"
    "The ONNX graph's input is 'photo', (N, 3, h, w), any N: the face crop, RGB planes, (value - 127.5) / "
    "127.5. "
    "Its output is 'embedding', (N, dim): vectors of norm 1. Crop, threshold and fingerprint are in its "
    "metadata. "
    "A model of 16 bits is another model: a gallery's photos are to be enrolled anew with it.";

static const struct argp_option option_list[] = {
    {"output", 'o', "FILE", 0, "The file to write: .onnx or .safetensors", 0}, {0}};

/* By its end the name says what is written. */
static bool ends_in(const char *path, const char *end) {
    const char *dot = strrchr(path, '.');
    return dot && dot != path && strcmp(dot, end) == 0;
}

/* A slip of the hand would replace the model by one of less. */
static bool same_file(const char *a, const char *b) {
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
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
        if (!o->output) argp_error(state, "no file to write is given: -o FILE");
        if (!ends_in(o->output, ".onnx") && !ends_in(o->output, ".safetensors"))
            argp_error(state, "-o: the file's name must end in .onnx or .safetensors");
        if (same_file(o->model, o->output)) argp_error(state, "-o: that is the model itself");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

int cmd_export(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "MODEL -o FILE", doc, NULL, NULL, NULL};
    export_options o = {.model = NULL};
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) return CLI_USAGE;
    lk_model *model = NULL;
    lk_error err = {0};
    lk_status status = lk_model_open(o.model, &model, &err);
    bool onnx = ends_in(o.output, ".onnx");
    if (status == LK_OK) status = (onnx ? lk_model_export_onnx : lk_model_export_half)(model, o.output, &err);
    if (status == LK_OK && onnx)
        cli_say("%s: photo (N, 3, %d, %d) to embedding (N, %d)", o.output, lk_model_input_height(model),
                lk_model_input_width(model), lk_model_dim(model));
    lk_model_free(model);
    return status == LK_OK ? CLI_OK : cli_fail(&err);
}
