/* cmd_import.c: likeness import: a face model of another project as a likeness model. */
#include "cli.h"

#include <string.h>

typedef struct import_options {
    const char *from, *output;
} import_options;

static const char doc[] =
    "Read dlib's face recognition ResNet as the npm package @vladmandic/face-api ships it, and write it as a "
    "model for embed, verify, enroll, identify and eval. FOLDER is that package's, or the one it was "
    "installed "
    "in; MANIFEST its face_recognition_model-weights_manifest.json.\vIts vectors have norm 1, as those of "
    "every model here, and two photos are compared by their cosine: the distance of 0.6 that dlib's "
    "documentation speaks of is one of vectors of other lengths, and does not carry over.";

static const struct argp_option option_list[] = {
    {"output", 'o', "MODEL", 0, "The model to write; its name must end in .safetensors", 0}, {0}};

static bool ends_in(const char *path, const char *end) {
    size_t n = strlen(path), m = strlen(end);
    return n > m && strcmp(path + n - m, end) == 0;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    import_options *o = state->input;
    switch (key) {
    case 'o': o->output = arg; return 0;
    case ARGP_KEY_ARG:
        if (o->from) argp_error(state, "one folder or manifest at a time");
        o->from = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->from) argp_error(state, "no folder or manifest is given");
        if (!o->output) argp_error(state, "no model to write is given: -o MODEL");
        if (!ends_in(o->output, ".safetensors"))
            argp_error(state, "-o: the model's name must end in .safetensors");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

int cmd_import(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "FOLDER|MANIFEST -o MODEL", doc, NULL, NULL, NULL};
    import_options o = {.from = NULL};
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) return CLI_USAGE;
    lk_error err = {0};
    lk_model *model = NULL;
    lk_status status = lk_model_import(o.from, o.output, &err);
    if (status == LK_OK) status = lk_model_open(o.output, &model, &err);
    if (status == LK_OK)
        cli_say("%s: %zu parameters, faces of %d x %d pixels to vectors of %d", o.output,
                lk_model_parameters(model), lk_model_input_width(model), lk_model_input_height(model),
                lk_model_dim(model));
    lk_model_free(model);
    return status == LK_OK ? CLI_OK : cli_fail(&err);
}
