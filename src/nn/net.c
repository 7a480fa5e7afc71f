/* net.c: from a list of layers to steps that run (run.c). The one place that decides what is fused, how much
 * is done at a time and where each buffer lies.
 *
 *   compile: layers -> steps and activations; batch norm and rectifier become part of the activation before
 * them plan:    when is each activation alive? Those whose lives do not meet share memory bind:    one arena
 * on huge pages
 *
 * With N steps, forward of step i happens at time i and its backward at time 2N - 1 - i. */
#include "nn/run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A buffer in the arena: live from step `first` to `last`; offset set by the planner. */
typedef struct buffer {
    size_t bytes, offset;
    int first, last;
} buffer;

enum { STACK_MAX = 16, BUFFERS_MAX = 2 * (LK__STEPS_MAX + 1) };

typedef struct builder {
    lk__net *net;
    const lk__spec *spec;
    lk__act *now, *stack[STACK_MAX];
    int depth;
    buffer buffers[BUFFERS_MAX];
    int count;
    size_t bytes; /* of all buffers, placed */
    lk_error *err;
} builder;

/* ---- compile ----------------------------------------------------------------------------------- */

static lk__act *new_act(lk__net *net, int c, int h, int w, lk_precision type) {
    lk__act *a = &net->act[net->acts++];
    int block = lk__dnnl_block();
    *a = (lk__act){.n = net->part,
                   .c = c,
                   .h = h,
                   .w = w,
                   .block = c % block == 0 ? block : 1,
                   .type = h * w == 1 ? LK_PRECISION_F32 : type, /* few values, and next to the loss */
                   .value_buffer = -1,
                   .grad_buffer = -1};
    return a;
}

/* Images in one call of a step's kernel: what it reads and writes fits into the second level cache, but a
 * kernel with many weights wants enough images to read them for. */
static int images_a_call(const lk__net *net, const lk__layer *l) {
    double in = (double)l->in_c * l->in_h * l->in_w, out = (double)l->out_c * l->out_h * l->out_w;
    double weights = (double)l->out * l->in_c * l->kernel * l->kernel, most = 192e3 + weights;
    if (!net->options.training) return net->part;
    int images = 1, calls = l->kind == LK__LINEAR ? 2 : 4; /* threads share them; a linear layer is small */
    for (int i = 2; i <= net->part / calls; i++)
        if (net->part % i == 0 && i * (in + out) <= most) images = i;
    return images;
}

static lk__context context_of(const builder *b, int i) {
    lk__net *net = b->net;
    const lk__layer *l = &b->spec->layers[i];
    return (lk__context){.engine = net->engine,
                         .streams = net->streams,
                         .workers = net->workers,
                         .ranks = net->options.ranks,
                         .weights = net->weights,
                         .layer = l,
                         .index = i,
                         .training = net->options.training,
                         .type = b->now == &net->act[0] ? net->options.precision : b->now->type,
                         .images = images_a_call(net, l)};
}

static bool only_reader_so_far(const builder *b, const lk__act *a) {
    for (int i = 0; i < b->depth; i++)
        if (b->stack[i] == a) return false;
    for (int i = 0; i < b->net->steps; i++)
        if (b->net->step[i]->in[0].act == a || b->net->step[i]->in[1].act == a) return false;
    return true;
}

static void append(builder *b, lk__op *op, int layer, lk__act *x, lk__act *residual, lk__act *y) {
    op->in[0].act = x;
    op->in[1].act = residual;
    op->y = y;
    op->layer = layer;
    b->net->step[b->net->steps++] = op;
    b->now = y;
}

static lk_status add_step(builder *b, int i, lk__act *residual,
                          lk_status (*make)(const lk__context *, const lk__act *, const lk__act *, lk__op **,
                                            lk_error *)) {
    const lk__layer *l = &b->spec->layers[i];
    lk__context k = context_of(b, i);
    lk__op *op;
    bool flat = l->kind == LK__OUTPUT; /* as a result is handed out */
    lk__act *x = b->now, *y = flat ? new_act(b->net, l->out_c * l->out_h * l->out_w, 1, 1, LK_PRECISION_F32)
                                   : new_act(b->net, l->out_c, l->out_h, l->out_w, b->net->options.precision);
    if (make == lk__conv_new && lk__winograd_suits(&k, x, y)) make = lk__winograd_new;
    lk_status status = make(&k, x, y, &op, b->err);
    if (status == LK_OK) append(b, op, i, x, residual, y);
    return status;
}

/* Batch norm and the rectifier after it; returns how many layers that are. Somebody else who reads the
 * activation as it is now (or the photos) makes a copy necessary. */
static lk_status add_norm(builder *b, int i, int *taken) {
    const lk__spec *s = b->spec;
    int batchnorm = -1, activation = -1, at = i;
    if (s->layers[at].kind == LK__BATCHNORM) batchnorm = at++;
    if (at < s->count && (s->layers[at].kind == LK__PRELU || s->layers[at].kind == LK__RELU))
        activation = at++;
    *taken = at - i;
    lk_status status = LK_OK;
    if (b->now == &b->net->act[0] || b->now->norm || !only_reader_so_far(b, b->now))
        status = add_step(b, i, NULL, lk__add_new);
    lk__context k = context_of(b, i);
    return status == LK_OK ? lk__norm_new(&k, batchnorm, activation, b->now, &b->now->norm, b->err) : status;
}

static void end_here(builder *b) {
    b->net->end[b->net->ends++] = b->now;
    b->net->dim += (size_t)b->now->c;
}

/* A result on the way; the net goes on from what was saved last. */
static lk_status add_output(builder *b, int i) {
    lk_status status = add_step(b, i, NULL, lk__output_new);
    if (status != LK_OK) return status;
    end_here(b);
    if (b->depth > 0) b->now = b->stack[--b->depth];
    return LK_OK;
}

static lk_status add_l2norm(builder *b, int i) {
    lk_status status = add_step(b, i, NULL, lk__l2norm_new);
    if (status == LK_OK && i + 1 == b->spec->count) end_here(b);
    return status;
}

static lk_status add_layer(builder *b, int i, int *taken) {
    lk__act *other;
    *taken = 1;
    switch (b->spec->layers[i].kind) {
    case LK__SAVE: b->stack[b->depth++] = b->now; return LK_OK;
    case LK__SWAP:
        other = b->stack[b->depth - 1];
        b->stack[b->depth - 1] = b->now;
        b->now = other;
        return LK_OK;
    case LK__ADD: return add_step(b, i, b->stack[--b->depth], lk__add_new);
    case LK__BATCHNORM:
    case LK__PRELU:
    case LK__RELU: return add_norm(b, i, taken);
    case LK__DWCONV: return add_step(b, i, NULL, lk__dwconv_new);
    case LK__GDCONV: return add_step(b, i, NULL, lk__global_new);
    case LK__AVGPOOL:
        return add_step(b, i, NULL, b->spec->layers[i].kernel ? lk__avgpool_new : lk__global_new);
    case LK__ZEROPAD: return add_step(b, i, NULL, lk__zeropad_new);
    case LK__MAXPOOL: return add_step(b, i, NULL, lk__maxpool_new);
    case LK__OUTPUT: return add_output(b, i);
    case LK__L2NORM: return add_l2norm(b, i);
    default: return add_step(b, i, NULL, lk__conv_new);
    }
}

/* Backward order: the last reader of an activation writes its gradient, earlier ones add to it. */
static void route_gradients(lk__net *net) {
    bool given[LK__STEPS_MAX + 1] = {false};
    for (int i = net->steps - 1; i >= 0; i--)
        for (int s = 1; s >= 0; s--) {
            lk__slot *slot = &net->step[i]->in[s];
            if (!slot->act) continue;
            bool *seen = &given[slot->act - net->act];
            slot->wants_grad = slot->act != &net->act[0]; /* nobody needs the gradient of a photo */
            slot->adds = *seen;
            *seen = true;
        }
    for (int i = 0; i < net->steps; i++)
        for (int s = 0; s < 2; s++) {
            lk__slot *slot = &net->step[i]->in[s];
            if (!slot->act) continue;
            bool *waits = &given[slot->act - net->act];
            slot->last = *waits;
            *waits = false;
        }
}

/* Inference: an activation whose only reader normalises what it reads leaves it to that. */
static void find_late(lk__net *net) {
    int readers[LK__STEPS_MAX + 1] = {0};
    for (int i = 0; i < net->steps; i++)
        for (int s = 0; s < 2; s++) {
            lk__act *a = net->step[i]->in[s].act;
            if (!a) continue;
            readers[a - net->act]++;
            a->late = net->step[i]->raw && readers[a - net->act] == 1;
        }
}

/* ---- plan -------------------------------------------------------------------------------------- */

static int new_buffer(builder *b, size_t bytes) {
    b->buffers[b->count] = (buffer){.bytes = (bytes + 255) / 256 * 256, .first = 1 << 30, .last = -1};
    return b->count++;
}

static void live(builder *b, int index, int time) {
    buffer *at = &b->buffers[index];
    if (time < at->first) at->first = time;
    if (time > at->last) at->last = time;
}

static void find_lives(builder *b) {
    lk__net *net = b->net;
    bool training = net->options.training;
    for (int i = 1; i < net->acts; i++) { /* the photos have a place of their own */
        lk__act *a = &net->act[i];
        a->value_buffer = new_buffer(b, lk__act_count(a) * lk__type_bytes(a->type));
        if (training) a->grad_buffer = new_buffer(b, lk__act_count(a) * lk__type_bytes(a->type));
    }
    for (int i = 0; i < net->steps; i++) {
        lk__op *op = net->step[i];
        int back = 2 * net->steps - 1 - i;
        live(b, op->y->value_buffer, i);
        for (int s = 0; s < 2; s++) {
            lk__act *x = op->in[s].act;
            if (!x || x == &net->act[0]) continue;
            live(b, x->value_buffer, i);
            if (!training) continue;
            if (op->needs_x || x->norm) live(b, x->value_buffer, back);
            live(b, x->grad_buffer, back);
        }
        if (!training) continue;
        if (op->y->norm) live(b, op->y->value_buffer, back);
        live(b, op->y->grad_buffer, back);
    }
    for (int i = 0; i < net->ends; i++) {
        live(b, net->end[i]->value_buffer, net->steps);
        if (training) live(b, net->end[i]->grad_buffer, net->steps);
    }
}

static bool meet(const buffer *a, const buffer *b) {
    return a->first <= b->last && b->first <= a->last;
}

static void place_buffers(builder *b) {
    int order[BUFFERS_MAX], count = 0;
    for (int i = 0; i < b->count; i++)
        if (b->buffers[i].last >= b->buffers[i].first) order[count++] = i;
    /* Largest first (insertion sort, stable), each at the lowest place where it meets nobody. */
    for (int i = 1; i < count; i++)
        for (int j = i; j > 0 && b->buffers[order[j]].bytes > b->buffers[order[j - 1]].bytes; j--) {
            int swap = order[j];
            order[j] = order[j - 1];
            order[j - 1] = swap;
        }
    for (int i = 0; i < count; i++) {
        buffer *at = &b->buffers[order[i]];
        at->offset = 0;
        for (int j = 0; j < i;) {
            const buffer *other = &b->buffers[order[j]];
            bool overlaps =
                at->offset < other->offset + other->bytes && other->offset < at->offset + at->bytes;
            if (overlaps && meet(at, other)) {
                at->offset = other->offset + other->bytes;
                j = 0;
            } else {
                j++;
            }
        }
        if (at->offset + at->bytes > b->bytes) b->bytes = at->offset + at->bytes;
    }
    for (int i = 1; i < b->net->acts; i++) {
        lk__act *a = &b->net->act[i];
        a->value = b->buffers[a->value_buffer].offset;
        if (a->grad_buffer >= 0) a->grad = b->buffers[a->grad_buffer].offset;
    }
}

/* ---- bind -------------------------------------------------------------------------------------- */

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* The next `bytes` of the arena, on a cache line; with base NULL only counts. */
static char *take(char *base, size_t *at, size_t bytes) {
    char *place = base ? base + *at : NULL;
    *at += (bytes + 255) / 256 * 256;
    return place;
}

/* The most that any step needs of each place of a worker. */
typedef struct needs {
    size_t in[2], out, scratch, weights;
} needs;

static needs needs_of(const lk__net *net) {
    needs n = {0};
    for (int i = 0; i < net->steps; i++) {
        const lk__op *op = net->step[i];
        size_t units = lk__units_a_call(op);
        for (int s = 0; s < 2; s++)
            if (op->in[s].act)
                n.in[s] = larger(n.in[s], lk__runs_of(op, op->in[s].act, units) * lk__act_run(op->in[s].act));
        n.out = larger(n.out, lk__runs_of(op, op->y, units) * lk__act_run(op->y));
        n.scratch = larger(n.scratch, op->scratch_bytes);
        n.weights = larger(n.weights, op->weight_bytes);
    }
    return n;
}

/* Lays everything out from base (NULL: to know how much it is). */
static size_t lay_out(lk__net *net, const needs *n, size_t acts_bytes, char *base) {
    size_t at = 0, f = sizeof(float), batch = (size_t)net->options.batch;
    const lk__act *x = &net->act[0];
    bool training = net->options.training;
    net->input = (float *)(void *)take(base, &at, batch * (size_t)x->c * (size_t)x->h * (size_t)x->w * f);
    net->output = (float *)(void *)take(base, &at, batch * net->dim * f);
    char *acts = training ? take(base, &at, acts_bytes) : NULL;
    for (int i = 0; i < net->workers; i++) {
        lk__worker *w = &net->worker[i];
        w->acts = training ? acts : take(base, &at, acts_bytes);
        w->input = net->input;
        for (int s = 0; s < 2; s++) w->in[s] = take(base, &at, n->in[s] * f);
        w->out = take(base, &at, n->out * f);
        w->scratch = take(base, &at, n->scratch);
        if (!training) continue;
        w->dout = take(base, &at, n->out * f);
        for (int s = 0; s < 2; s++) w->din[s] = take(base, &at, n->in[s] * f);
        w->spare = take(base, &at, n->weights);
    }
    if (training) net->sums = take(base, &at, n->weights * LK__LANES_MOST);
    return at;
}

static lk_status bind(lk__net *net, size_t acts_bytes, lk_error *err) {
    needs n = needs_of(net);
    size_t huge = (size_t)2 << 20,
           bytes = (lay_out(net, &n, acts_bytes, NULL) + huge - 1) / huge * huge + huge;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return lk__fail_memory(err, bytes, "the activations of a net; a smaller batch needs less");
    net->arena = memory;
    net->arena_bytes = bytes;
    char *base = (char *)(((uintptr_t)memory + huge - 1) / huge * huge);
    /* Faulting in 4 KiB pages is 40 times slower than 2 MiB ones; refused, it only costs time. */
    (void)madvise(base, bytes - huge, MADV_HUGEPAGE);
    lay_out(net, &n, acts_bytes, base);
    return LK_OK;
}

/* ---- making ------------------------------------------------------------------------------------ */

/* Inference: how many images go through the net together: a divisor of the batch that leaves a part for every
 * worker, few enough that the largest activations stay in the cache. */
static int part_of(const lk__spec *spec, const lk__net_options *options, int workers) {
    double largest = 1, most = 1 << 20;
    for (int i = 0; i < spec->count; i++) {
        const lk__layer *l = &spec->layers[i];
        double both = (double)l->in_c * l->in_h * l->in_w + (double)l->out_c * l->out_h * l->out_w;
        if (both > largest) largest = both;
    }
    int part = 1, limit = options->part_most > 0 ? options->part_most : options->batch;
    for (int i = 2; i <= limit; i++)
        if (options->batch % i == 0 && options->batch / i >= workers && i * largest <= most) part = i;
    return part;
}

static lk_status make_steps(lk__net *net, const lk__spec *spec, lk_error *err) {
    lk_status status = lk__dnnl_check(dnnl_engine_create(&net->engine, dnnl_cpu, 0), "an engine", err);
    for (int i = 0; status == LK_OK && i < net->workers; i++)
        status = lk__dnnl_check(dnnl_stream_create(&net->streams[i], net->engine, dnnl_stream_default_flags),
                                "a stream", err);
    if (status != LK_OK) return status;
    builder *b = calloc(1, sizeof *b);
    if (!b) return lk__fail_memory(err, sizeof *b, "a net");
    *b = (builder){.net = net, .spec = spec, .err = err};
    b->now = new_act(net, spec->c, spec->h, spec->w, LK_PRECISION_F32);
    b->now->block = 1; /* photos come as planes */
    /* A kernel belongs to one worker while it runs: it is made for one thread. */
    int threads = lk__threads();
    lk__threads_set(1);
    for (int i = 0, taken = 0; status == LK_OK && i < spec->count; i += taken)
        status = add_layer(b, i, &taken);
    lk__threads_set(threads);
    if (status == LK_OK) {
        if (!net->options.training) find_late(net);
        route_gradients(net);
        find_lives(b);
        place_buffers(b);
        status = bind(net, b->bytes, err);
    }
    free(b);
    return status;
}

lk_status lk__net_new(const lk__spec *spec, lk__weights *weights, const lk__net_options *options,
                      lk__net **out, lk_error *err) {
    if (options->batch < 1 || options->batch > 4096)
        return lk__fail(err, LK_INVALID, "net: a batch of %d; 1 to 4096 is possible", options->batch);
    if (options->precision == LK_PRECISION_BF16 && !lk__dnnl_bf16())
        return lk__fail(
            err, LK_INVALID,
            "net: bf16 needs a processor with AVX512_BF16, which this one does not have; f32 works");
    lk__net *net = calloc(1, sizeof *net);
    if (!net) return lk__fail_memory(err, sizeof *net, "a net");
    net->options = *options;
    net->weights = weights;
    net->workers = lk__threads();
    net->part = options->training ? options->batch : part_of(spec, options, net->workers);
    net->worker = calloc((size_t)net->workers, sizeof *net->worker);
    net->streams = calloc((size_t)net->workers, sizeof *net->streams);
    lk_status status = net->worker && net->streams ? make_steps(net, spec, err)
                                                   : lk__fail_memory(err, sizeof *net->worker, "a net");
    if (status != LK_OK) {
        lk__net_free(net);
        return status;
    }
    lk__net_load(net);
    *out = net;
    return LK_OK;
}

void lk__net_free(lk__net *net) {
    if (!net) return;
    for (int i = 0; i < net->steps; i++) net->step[i]->free(net->step[i]);
    for (int i = 0; i < net->acts; i++) lk__norm_free(net->act[i].norm);
    for (int i = 0; net->streams && i < net->workers; i++)
        if (net->streams[i]) dnnl_stream_destroy(net->streams[i]);
    if (net->arena) munmap(net->arena, net->arena_bytes);
    if (net->engine) dnnl_engine_destroy(net->engine);
    free(net->streams);
    free(net->worker);
    free(net);
}

float *lk__net_input(lk__net *net) {
    return net->input;
}

void lk__net_load(lk__net *net) {
    for (int i = 0; i < net->steps; i++)
        if (net->step[i]->load) net->step[i]->load(net->step[i]);
    for (int i = 0; i < net->acts; i++)
        if (net->act[i].norm) lk__norm_load(net->act[i].norm);
}

int lk__net_costs(const lk__net *net, lk__step_cost *costs) {
    for (int i = 0; i < net->steps; i++) {
        const lk__op *op = net->step[i];
        double in = 0, out = (double)lk__act_count(op->y) * (double)lk__type_bytes(op->y->type);
        for (int s = 0; s < 2; s++)
            if (op->in[s].act)
                in += (double)lk__act_count(op->in[s].act) * (double)lk__type_bytes(op->in[s].act->type);
        double flops = op->flops * net->part, parts = (double)net->options.batch / net->part;
        double forward = net->seconds[i][0];
        for (int w = 0; w < net->workers; w++) forward += net->worker[w].seconds[i] / net->workers;
        costs[i] = (lk__step_cost){.layer = op->layer,
                                   .forward = forward,
                                   .backward = net->seconds[i][1],
                                   .flops_forward = flops * parts,
                                   .flops_backward = op->in[0].wants_grad ? 2 * flops : flops,
                                   .bytes_forward = (in + out) * parts,
                                   /* x and y read again, dy read, dx written */
                                   .bytes_backward = in + 2 * out + (op->in[0].wants_grad ? in : 0)};
        memcpy(costs[i].what, op->what, sizeof costs[i].what);
    }
    return net->steps;
}
