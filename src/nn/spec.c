/* spec.c: the text of a net to a checked list of layers. The text comes from model files too: nothing is
 * trusted. */
#include "nn/net.h"
#include "likeness/train.h"

#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {"conv", "dwconv",  "gdconv",  "batchnorm", "prelu",
                                         "relu", "maxpool", "avgpool", "zeropad",   "linear",
                                         "save", "swap",    "add",     "output",    "l2norm"};

const char *lk__kind_name(lk__kind kind) {
    return kind_names[kind];
}

/* PLANES_MAX: fewer than the smallest block of channels (op.h), so that the input is plain wherever it is
 * read. */
enum {
    LINE_MAX_BYTES = 200,
    PLANES_MAX = 7,
    DIM_MAX = 4096,
    SIDE_MAX = 1024,
    STACK_MAX = 8,
    OUTPUT_MAX = 1 << 26
};

typedef struct shape {
    int c, h, w;
} shape;

typedef struct parser {
    lk__spec *spec;
    int width, height; /* instead of those in the text; 0: as there */
    shape now, stack[STACK_MAX];
    int depth, line;
    bool ended; /* an output was the last that could be */
    lk_error *err;
} parser;

/* A whole number in [low, high], or -1. */
static int number(const char *word, int low, int high) {
    char *end;
    if (!word) return -1;
    long v = strtol(word, &end, 10);
    return *end || end == word || v < low || v > high ? -1 : (int)v;
}

static lk_status refuse(parser *p, const char *what, const char *word) {
    return lk__fail(p->err, LK_FORMAT, "net, line %d: %s '%s'", p->line, what, word ? word : "(nothing)");
}

/* The number that a word sets, and what it may be; NULL: the layer has no such word. */
static int *number_of(lk__layer *l, const char *word, int *low, int *high) {
    bool pads = l->kind == LK__CONV || l->kind == LK__DWCONV || l->kind == LK__MAXPOOL;
    bool windowed = pads || l->kind == LK__AVGPOOL, grows = l->kind == LK__ZEROPAD;
    *low = 1;
    *high = grows && !strcmp(word, "channels") ? DIM_MAX : 64;
    if (windowed && !strcmp(word, "kernel")) return &l->kernel;
    if (windowed && !strcmp(word, "stride")) return &l->stride;
    *low = 0;
    if (pads && !strcmp(word, "pad")) return &l->pad;
    if (grows && !strcmp(word, "channels")) return &l->channels;
    if (grows && !strcmp(word, "bottom")) return &l->bottom;
    if (grows && !strcmp(word, "right")) return &l->right;
    return NULL;
}

static lk_status parse_options(parser *p, lk__layer *l, char **save) {
    l->kernel = l->kind == LK__AVGPOOL ? 0 : 1;
    l->stride = 1;
    for (char *word; (word = strtok_r(NULL, " \t\r", save));) {
        int low, high, *into = number_of(l, word, &low, &high);
        if (into) {
            char *value = strtok_r(NULL, " \t\r", save);
            int v = number(value, low, high);
            if (v < 0) return refuse(p, "a small whole number was expected, not", value);
            *into = v;
        } else if (!strcmp(word, "bias") && (l->kind == LK__CONV || l->kind == LK__LINEAR)) {
            l->bias = true;
        } else {
            return refuse(p, "unknown word", word);
        }
    }
    return LK_OK;
}

static lk_status window(parser *p, lk__layer *l) {
    if (l->pad >= l->kernel || p->now.h + 2 * l->pad < l->kernel || p->now.w + 2 * l->pad < l->kernel)
        return refuse(p, "kernel or pad does not fit the activation at", lk__kind_name(l->kind));
    p->now.h = (p->now.h + 2 * l->pad - l->kernel) / l->stride + 1;
    p->now.w = (p->now.w + 2 * l->pad - l->kernel) / l->stride + 1;
    return LK_OK;
}

static lk_status avgpool(parser *p, lk__layer *l) {
    if (l->kernel) return window(p, l);
    if (l->stride > 1) return refuse(p, "stride without kernel at", "avgpool");
    p->now.h = p->now.w = 1;
    return LK_OK;
}

static lk_status zeropad(parser *p, const lk__layer *l) {
    p->now.c += l->channels;
    p->now.h += l->bottom;
    p->now.w += l->right;
    if (p->now.c > DIM_MAX || p->now.h > SIDE_MAX || p->now.w > SIDE_MAX)
        return refuse(p, "too large an activation after", "zeropad");
    return LK_OK;
}

/* What the layer does to the shape of the activation. */
static lk_status apply(parser *p, lk__layer *l) {
    lk_status status = LK_OK;
    shape top;
    switch (l->kind) {
    case LK__CONV:
        p->now.c = l->out;
        status = window(p, l);
        break;
    case LK__DWCONV:
    case LK__MAXPOOL: status = window(p, l); break;
    case LK__GDCONV: p->now.h = p->now.w = 1; break;
    case LK__AVGPOOL: status = avgpool(p, l); break;
    case LK__ZEROPAD: status = zeropad(p, l); break;
    case LK__LINEAR: p->now = (shape){l->out, 1, 1}; break;
    case LK__SAVE:
        if (p->depth == STACK_MAX) return refuse(p, "too many", "save");
        p->stack[p->depth++] = p->now;
        break;
    case LK__SWAP:
    case LK__ADD:
        if (p->depth == 0) return refuse(p, "nothing was saved before", lk__kind_name(l->kind));
        top = p->stack[p->depth - 1];
        if (l->kind == LK__SWAP) {
            p->stack[p->depth - 1] = p->now;
            p->now = top;
        } else {
            if (memcmp(&top, &p->now, sizeof top) != 0) return refuse(p, "shapes differ at", "add");
            p->depth--;
        }
        break;
    case LK__OUTPUT:
        if (p->spec->outputs == LK__OUTPUTS_MAX) return refuse(p, "too many", "output");
        if ((double)p->now.c * p->now.h * p->now.w > OUTPUT_MAX) return refuse(p, "too large an", "output");
        p->spec->dim += p->now.c * p->now.h * p->now.w;
        p->spec->outputs++;
        break;
    case LK__L2NORM:
        if (p->now.h != 1 || p->now.w != 1)
            return refuse(p, "the activation is not flat (1 x 1) at", "l2norm");
        break;
    case LK__BATCHNORM:
    case LK__PRELU:
    case LK__RELU: break;
    }
    return status;
}

static lk_status parse_line(parser *p, char *line) {
    char *save = NULL, *word = strtok_r(line, " \t\r", &save);
    if (!word || *word == '#') return LK_OK;
    lk__spec *s = p->spec;
    if (s->c == 0) {
        if (strcmp(word, "input") != 0) return refuse(p, "the first line must be 'input C H W', not", word);
        int v[3];
        for (int i = 0; i < 3; i++) {
            char *value = strtok_r(NULL, " \t\r", &save);
            v[i] = number(value, 1, i ? SIDE_MAX : PLANES_MAX);
            if (v[i] < 0) return refuse(p, "bad size of the input", value);
        }
        if ((word = strtok_r(NULL, " \t\r", &save))) return refuse(p, "unknown word", word);
        s->c = v[0];
        s->h = p->height > 0 ? p->height : v[1];
        s->w = p->width > 0 ? p->width : v[2];
        p->now = (shape){s->c, s->h, s->w};
        return LK_OK;
    }
    if (p->ended) return refuse(p, "nothing is left to go on from, at", word);
    if (s->count == LK__LAYERS_MAX) return refuse(p, "too many layers, at", word);
    int kind = 0, kinds = (int)(sizeof kind_names / sizeof *kind_names);
    while (kind < kinds && strcmp(word, kind_names[kind]) != 0) kind++;
    if (kind == kinds) return refuse(p, "unknown layer", word);

    lk__layer *l = &s->layers[s->count];
    *l = (lk__layer){.kind = (lk__kind)kind, .in_c = p->now.c, .in_h = p->now.h, .in_w = p->now.w};
    if (l->kind == LK__CONV || l->kind == LK__LINEAR) {
        char *value = strtok_r(NULL, " \t\r", &save);
        l->out = number(value, 1, DIM_MAX);
        if (l->out < 0) return refuse(p, "how many channels out? Not", value);
    }
    lk_status status = parse_options(p, l, &save);
    if (status == LK_OK) status = apply(p, l);
    l->out_c = p->now.c;
    l->out_h = p->now.h;
    l->out_w = p->now.w;
    s->count++;
    if (l->kind == LK__OUTPUT) { /* the net goes on from what was saved last */
        p->ended = p->depth == 0;
        if (!p->ended) p->now = p->stack[--p->depth];
    }
    return status;
}

lk_status lk__spec_parse(const char *text, lk__spec *out, lk_error *err) {
    return lk__spec_parse_sized(text, 0, 0, out, err);
}

/* An embedding ends in one flat l2norm; any other net in outputs. */
static lk_status check_end(parser *p) {
    const lk__spec *s = p->spec;
    bool embeds = s->count > 0 && s->layers[s->count - 1].kind == LK__L2NORM;
    if (!embeds && !p->ended)
        return refuse(p, "the last layer must be", "l2norm, or an output with nothing saved");
    if (embeds && s->outputs) return refuse(p, "a net with outputs cannot end in", "l2norm");
    if (p->depth != 0) return refuse(p, "something saved is never added, at", "l2norm");
    return LK_OK;
}

lk_status lk__spec_parse_sized(const char *text, int width, int height, lk__spec *out, lk_error *err) {
    const char *ready = lk_net_text(text);
    if (!ready && !strchr(text, ' '))
        return lk__fail(err, LK_INVALID, "no net is called '%.60s' (`likeness nets` lists them)", text);
    if (ready) text = ready;
    lk__spec *spec = calloc(1, sizeof *spec);
    if (!spec) return lk__fail_memory(err, sizeof *spec, "a net");
    parser p = {.spec = spec, .width = width, .height = height, .err = err};
    lk_status status = LK_OK;
    while (status == LK_OK && *text) {
        char line[LINE_MAX_BYTES + 1];
        size_t n = strcspn(text, "\n;");
        p.line++;
        if (n > LINE_MAX_BYTES) {
            status = refuse(&p, "too long a", "line");
            break;
        }
        memcpy(line, text, n);
        line[n] = 0;
        text += n + (text[n] != 0);
        status = parse_line(&p, line);
    }
    if (status == LK_OK) status = check_end(&p);
    if (!spec->outputs) spec->dim = p.now.c;
    if (status == LK_OK) *out = *spec;
    free(spec);
    return status;
}

double lk__spec_flops(const lk__spec *spec) {
    double flops = 0;
    for (int i = 0; i < spec->count; i++) {
        const lk__layer *l = &spec->layers[i];
        double out = (double)l->out_c * l->out_h * l->out_w;
        if (l->kind == LK__CONV) flops += 2 * out * l->in_c * l->kernel * l->kernel;
        if (l->kind == LK__DWCONV) flops += 2 * out * l->kernel * l->kernel;
        if (l->kind == LK__GDCONV) flops += 2 * out * l->in_h * l->in_w;
        if (l->kind == LK__LINEAR) flops += 2 * out * l->in_c * l->in_h * l->in_w;
    }
    return flops;
}
