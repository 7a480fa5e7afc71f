/* cmd_serve.c: likeness serve: opens a gallery and its models and hands them to src/serve; and the tokens of
 * those who may ask. */
#include "cli.h"

#include "serve/serve.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct serve_command {
    const char *gallery, *model, *tokens;
    const char *token_verb, *token_name, *token_role; /* likeness serve token ... */
    serve_options serve;
    cli_access access;
    cli_look look;
    cli_compute compute;
    size_t body_mib, pixels_mega, upload_mib, connections, per_address;
} serve_command;

enum {
    KEY_LISTEN = CLI_KEY_VERB,
    KEY_NAME,
    KEY_TOKENS,
    KEY_TLS_CERT,
    KEY_TLS_KEY,
    KEY_KEEP_CROPS,
    KEY_QUIET,
    KEY_ROLE,
    KEY_MAX_BODY,
    KEY_MAX_PIXELS,
    KEY_MAX_FACES,
    KEY_MAX_UPLOAD,
    KEY_MAX_CONNECTIONS,
    KEY_MAX_PER_ADDRESS,
    KEY_MAX_WAITING,
    KEY_TIMEOUT
};

static const char doc[] = "Serve GALLERY over HTTP: a page for operators, and an API (docs/http.md, "
                          "/openapi.json). Where others can reach "
                          "it, tokens and TLS are needed.\vTokens lie in GALLERY.tokens as hashes; once that "
                          "file is there, every request "
                          "needs one. SIGTERM finishes what was begun and ends. What comes out are "
                          "suggestions for a person to look at, not "
                          "proof of who someone is.";

static const struct argp_option option_list[] = {
    {"listen", KEY_LISTEN, "ADDRESS:PORT", 0,
     "Where to listen; port 0: any free one (default 127.0.0.1:8080)", 0},
    {"name", KEY_NAME, "HOST,...", 0, "Host names that requests may ask for, besides addresses and localhost",
     0},
    {"tls-cert", KEY_TLS_CERT, "FILE", 0, "Certificate chain, PEM", 0},
    {"tls-key", KEY_TLS_KEY, "FILE", 0, "Its private key, PEM", 0},
    {"tokens", KEY_TOKENS, "FILE", 0, "The file of tokens (default: GALLERY.tokens)", 0},
    {"role", KEY_ROLE, "ROLE", 0, "With token add: read, enroll or admin", 0},
    {"keep-crops", KEY_KEEP_CROPS, 0, 0, "Keep the aligned face of what is enrolled, to look at", 0},
    CLI_OPTION_KEY,
    {"quiet", KEY_QUIET, 0, 0, "No line in the log for each request", 0},
    {"model", CLI_KEY_MODEL, "MODEL", 0, "The gallery's model, if it is no longer where the gallery says", 0},
    {"threshold", CLI_KEY_THRESHOLD, "COSINE", 0,
     "Least cosine of a known person, -1 to 1 (default: by --fpir)", 0},
    {"fpir", CLI_KEY_FPIR, "RATE", 0, "Share of strangers that may be taken for somebody in the gallery", 0},
    {"far", CLI_KEY_FAR, "RATE", 0, "Share of pairs of strangers that verify may call the same", 0},
    CLI_OPTION_PRIOR("whom a probe shows is in the gallery"),
    CLI_OPTIONS_LOOK("detect-size"),
    {"max-body", KEY_MAX_BODY, "MIB", 0, "Largest body of a request", 0},
    {"max-upload", KEY_MAX_UPLOAD, "MIB", 0, "Largest upload of many photos", 0},
    {"max-pixels", KEY_MAX_PIXELS, "MEGAPIXELS", 0, "Largest photo", 0},
    {"max-faces", KEY_MAX_FACES, "N", 0, "Faces of a photo that are answered, the widest", 0},
    {"max-connections", KEY_MAX_CONNECTIONS, "N", 0, "Connections at a time", 0},
    {"max-per-address", KEY_MAX_PER_ADDRESS, "N", 0, "Connections at a time from one address", 0},
    {"max-waiting", KEY_MAX_WAITING, "N", 0, "Requests in line; more are turned away", 0},
    {"timeout", KEY_TIMEOUT, "SECONDS", 0, "A request must have come, and its answer been taken, within this",
     0},
    CLI_OPTIONS_COMPUTE,
    {0}};

static const cli_number numbers[] = {
    {CLI_KEY_THRESHOLD, CLI_REAL, offsetof(serve_command, serve.threshold), -1, 1},
    {CLI_KEY_FPIR, CLI_REAL, offsetof(serve_command, serve.fpir), 1e-6, 0.5},
    {CLI_KEY_FAR, CLI_REAL, offsetof(serve_command, serve.far), 1e-9, 0.1},
    {CLI_KEY_PRIOR, CLI_REAL, offsetof(serve_command, serve.prior), 1e-9, 1 - 1e-9},
    {KEY_MAX_BODY, CLI_SIZE, offsetof(serve_command, body_mib), 1, 1024},
    {KEY_MAX_UPLOAD, CLI_SIZE, offsetof(serve_command, upload_mib), 1, 1 << 16},
    {KEY_MAX_PIXELS, CLI_SIZE, offsetof(serve_command, pixels_mega), 1, 64},
    {KEY_MAX_FACES, CLI_SIZE, offsetof(serve_command, serve.faces_limit), 1, 1024},
    {KEY_MAX_CONNECTIONS, CLI_SIZE, offsetof(serve_command, connections), 1, 10000},
    {KEY_MAX_PER_ADDRESS, CLI_SIZE, offsetof(serve_command, per_address), 1, 10000},
    {KEY_MAX_WAITING, CLI_SIZE, offsetof(serve_command, serve.waiting), 1, 10000},
    {KEY_TIMEOUT, CLI_REAL, offsetof(serve_command, serve.seconds), 1, 3600},
    CLI_NUMBERS_LOOK(serve_command),
    CLI_NUMBERS_COMPUTE(serve_command),
    {0}};

static char *help(int key, const char *text, void *input) {
    return cli_number_help(numbers, key, text, input);
}

/* "GALLERY", or "token VERB GALLERY [NAME]" */
static error_t parse_word(serve_command *o, char *arg, struct argp_state *state) {
    if (!o->gallery && !o->token_verb && strcmp(arg, "token") == 0) {
        o->token_verb = "";
    } else if (o->token_verb && !*o->token_verb) {
        if (strcmp(arg, "add") != 0 && strcmp(arg, "list") != 0 && strcmp(arg, "remove") != 0)
            argp_error(state, "token: add, list or remove");
        o->token_verb = arg;
    } else if (!o->gallery) {
        o->gallery = arg;
    } else if (o->token_verb && !o->token_name) {
        o->token_name = arg;
    } else {
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static void check(const serve_command *o, struct argp_state *state) {
    bool list = o->token_verb && strcmp(o->token_verb, "list") == 0;
    bool add = o->token_verb && strcmp(o->token_verb, "add") == 0;
    if (!o->gallery) argp_error(state, "a gallery is needed");
    if (o->token_verb && !list != !!o->token_name)
        argp_error(state, list ? "token list takes no name" : "the name of the token is needed");
    if (add && (!o->token_role || serve_role_named(o->token_role) == SERVE_NOBODY))
        argp_error(state, "say what the token allows: --role read, --role enroll or --role admin");
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    serve_command *o = state->input;
    switch (key) {
    case KEY_LISTEN: o->serve.listen = arg; return 0;
    case KEY_NAME: o->serve.names = arg; return 0;
    case KEY_TOKENS: o->tokens = arg; return 0;
    case KEY_TLS_CERT: o->serve.tls_cert = arg; return 0;
    case KEY_TLS_KEY: o->serve.tls_key = arg; return 0;
    case KEY_KEEP_CROPS: o->serve.keep_crops = true; return 0;
    case KEY_QUIET: o->serve.quiet = true; return 0;
    case KEY_ROLE: o->token_role = arg; return 0;
    case CLI_KEY_MODEL: o->model = arg; return 0;
    case ARGP_KEY_ARG: return parse_word(o, arg, state);
    case ARGP_KEY_END: check(o, state); return 0;
    default:
        if (key != CLI_KEY_AUDIT && cli_access_parse(&o->access, key, arg, state) == 0) return 0;
        if (key != CLI_KEY_DETECT && key != CLI_KEY_ALIGNED && cli_look_parse(&o->look, key, arg) == 0)
            return 0;
        return cli_number_parse(numbers, key, arg, o, state);
    }
}

/* ---- tokens -------------------------------------------------------------------------------------- */

static void on_token(void *context, const char *name, serve_role role, const char *created) {
    cli_table *table = context;
    cli_table_cell(table, "%s", name);
    cli_table_cell(table, "%s", serve_role_name(role));
    cli_table_cell(table, "%s", created);
}

static int token(const serve_command *o) {
    static const char *const titles[] = {"name", "role", "made"};
    char text[SERVE_TOKEN_TEXT];
    lk_error err = {0};
    lk_status status;
    if (strcmp(o->token_verb, "add") == 0) {
        status = serve_token_add(o->tokens, o->token_name, serve_role_named(o->token_role), text, &err);
        if (status == LK_OK) {
            printf("%s\n", text);
            cli_say("this token is shown once: %s keeps its hash only", o->tokens);
        }
    } else if (strcmp(o->token_verb, "remove") == 0) {
        status = serve_token_remove(o->tokens, o->token_name, &err);
    } else {
        cli_table *table = cli_table_new("lll", titles);
        status = serve_token_each(o->tokens, on_token, table, &err);
        cli_table_print(table, CLI_TEXT);
    }
    return status == LK_OK ? CLI_OK : cli_fail(&err);
}

/* ---- the service --------------------------------------------------------------------------------- */

static lk_status open_detector(const cli_look *look, lk_model **out, lk_error *err) {
    char *path = look->detector ? cli_format("%s", look->detector) : cli_shipped_model("detect.safetensors");
    lk_status status = lk_model_open(path, out, err);
    if (status == LK_OK && lk_model_dim(*out) > 0) {
        err->status = status = LK_MISMATCH;
        snprintf(err->message, sizeof err->message,
                 "%.500s: this model embeds faces and does not find them: a detector is needed", path);
    }
    free(path);
    return status;
}

static int run(serve_command *o) {
    lk_gallery *gallery = NULL;
    lk_model *model = NULL, *detector = NULL;
    lk_gallery_info info;
    lk_error err = {0};
    lk_status status = cli_gallery_open(o->gallery, true, &o->access, &gallery, &err);
    if (status == LK_OK) status = lk_gallery_get_info(gallery, &info, &err);
    if (status == LK_OK) status = cli_gallery_model(gallery, o->model, &model, &err);
    if (status == LK_OK) status = open_detector(&o->look, &detector, &err);
    if (status == LK_OK && isnan(o->serve.threshold) && isnan(info.threshold) &&
        !lk_model_calibration(model)) {
        err.status = status = LK_INVALID;
        snprintf(err.message, sizeof err.message,
                 "%.500s: the gallery's model has no threshold (it is not trained): give --threshold",
                 lk_gallery_name(gallery));
    }
    if (status == LK_OK) {
        serve_options *s = &o->serve;
        s->gallery = gallery;
        s->model = model;
        s->detector = detector;
        s->tokens = o->tokens;
        s->threads = o->compute.threads;
        s->precision = o->compute.precision;
        s->detect_size = o->look.size;
        s->min_face = o->look.min_face;
        s->confidence = o->look.confidence;
        s->body_limit = o->body_mib << 20;
        s->job_limit = o->upload_mib << 20;
        s->pixels_limit = o->pixels_mega * 1000 * 1000;
        s->connections = (unsigned)o->connections;
        s->per_address = (unsigned)o->per_address;
        s->say = cli_say;
        status = serve_run(s, &err);
    }
    lk_gallery_close(gallery);
    lk_model_free(model);
    lk_model_free(detector);
    return status == LK_OK ? CLI_OK : cli_fail(&err);
}

int cmd_serve(int argc, char **argv) {
    static const struct argp argp = {
        option_list,
        parse,
        "GALLERY\ntoken add GALLERY NAME --role ROLE\ntoken list GALLERY\ntoken remove GALLERY NAME",
        doc,
        NULL,
        help,
        NULL};
    serve_command o = {.serve = serve_options_default(), .look = CLI_LOOK_DEFAULT};
    o.body_mib = o.serve.body_limit >> 20;
    o.upload_mib = o.serve.job_limit >> 20;
    o.pixels_mega = o.serve.pixels_limit / 1000 / 1000;
    o.connections = o.serve.connections;
    o.per_address = o.serve.per_address;
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) return CLI_USAGE;
    char *tokens = cli_format("%s.tokens", o.gallery);
    if (!o.tokens) o.tokens = tokens;
    int code = o.token_verb ? token(&o) : run(&o);
    free(tokens);
    return code;
}
