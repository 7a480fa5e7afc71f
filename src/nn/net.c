/* net.c: from a list of layers to steps that run. The one place that decides what is fused, where each buffer
 * lies and in which order things happen.
 *
 *   compile: layers -> steps (batch norm + add + rectifier become one) and activations
 *   plan:    when is each buffer alive? Buffers whose lives do not meet share memory
 *   bind:    one arena on huge pages, pointers to the steps
 *
 * With N steps, forward of step i happens at time i and its backward at time 2N - 1 - i. */
#include "nn/op.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { STEPS_MAX = LK__LAYERS_MAX, BUFFERS_MAX = 4 * STEPS_MAX + 3 };

struct lk__net {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    bool training;
    lk__net_options options;
    lk__weights *weights;
    int steps, acts, buffers;
    lk__op *step[STEPS_MAX];
    lk__act act[STEPS_MAX + 1];
    lk__buffer buffer[BUFFERS_MAX];
    char *arena;
    size_t arena_bytes;
};

/* ---- compile ----------------------------------------------------------------------------------- */

typedef struct builder {
    lk__net *net;
    const lk__spec *spec;
    lk__weights *weights;
    lk__act *now, *stack[16];
    int depth;
    lk_error *err;
} builder;

static int new_buffer(lk__net *net, size_t bytes) {
    net->buffer[net->buffers] = (lk__buffer){.bytes = bytes, .first = 1 << 30, .last = -1};
    return net->buffers++;
}

static lk__act *new_act(lk__net *net, int n, int c, int h, int w) {
    lk__act *a = &net->act[net->acts++];
    int block = lk__dnnl_block();
    *a = (lk__act){.n = n, .c = c, .h = h, .w = w, .block = c % block == 0 ? block : 1, .grad_buffer = -1};
    a->value_buffer = new_buffer(net, lk__act_count(a) * sizeof(float));
    if (net->training) a->grad_buffer = new_buffer(net, lk__act_count(a) * sizeof(float));
    return a;
}

static int consumers(const lk__net *net, const lk__act *a) {
    int n = 0;
    for (int i = 0; i < net->steps; i++) n += (net->step[i]->x == a) + (net->step[i]->residual == a);
    return n;
}

/* Batch norm, add and rectifier from layer i on become one step; returns how many layers it took. */
static lk_status add_norm(builder *b, lk__context *k, int i, int *taken, lk__op **op, lk__act **y) {
    const lk__spec *s = b->spec;
    int batchnorm = -1, activation = -1, at = i;
    lk__act *residual = NULL;
    if (s->layers[at].kind == LK__BATCHNORM) batchnorm = at++;
    if (at < s->count && s->layers[at].kind == LK__ADD) {
        residual = b->stack[--b->depth];
        at++;
    }
    if (at < s->count && (s->layers[at].kind == LK__PRELU || s->layers[at].kind == LK__RELU))
        activation = at++;
    *y = new_act(b->net, b->now->n, b->now->c, b->now->h, b->now->w);
    lk_status status = lk__norm_new(k, batchnorm, activation, b->now, residual, *y, op, b->err);
    if (status != LK_OK) return status;
    (*op)->residual = residual;
    *taken = at - i;
    return LK_OK;
}

static lk_status add_step(builder *b, int i, int *taken) {
    const lk__layer *l = &b->spec->layers[i];
    lk__net *net = b->net;
    lk__context k = {net->engine, net->stream, b->weights, l, i, net->training};
    lk__op *op = NULL;
    lk__act *y = NULL;
    lk_status status;
    *taken = 1;
    switch (l->kind) {
    case LK__SAVE: b->stack[b->depth++] = b->now; return LK_OK;
    case LK__SWAP:
        y = b->stack[b->depth - 1];
        b->stack[b->depth - 1] = b->now;
        b->now = y;
        return LK_OK;
    case LK__BATCHNORM:
    case LK__ADD:
    case LK__PRELU:
    case LK__RELU: status = add_norm(b, &k, i, taken, &op, &y); break;
    default: {
        lk_status (*make)(const lk__context *, lk__act *, lk__act *, lk__op **, lk_error *) =
            l->kind == LK__GDCONV    ? lk__gdconv_new
            : l->kind == LK__MAXPOOL ? lk__maxpool_new
            : l->kind == LK__AVGPOOL ? lk__avgpool_new
            : l->kind == LK__L2NORM  ? lk__l2norm_new
                                     : lk__conv_new;
        y = new_act(net, b->now->n, l->out_c, l->out_h, l->out_w);
        status = make(&k, b->now, y, &op, b->err);
    }
    }
    if (status != LK_OK) return status;
    op->x = b->now;
    op->y = y;
    op->scratch_buffer = -1;
    op->kernel_buffer = op->kernel_bytes ? new_buffer(net, op->kernel_bytes) : -1;
    net->step[net->steps++] = op;
    b->now = y;
    return LK_OK;
}

/* Backward order: the last consumer of an activation writes its gradient, earlier ones add to it. */
static void route_gradients(lk__net *net) {
    for (int i = net->steps - 1; i >= 0; i--) {
        lk__op *op = net->step[i];
        op->x_grad = op->x != &net->act[0];
        if (op->residual) {
            op->residual_accumulate = op->residual->grad_written;
            op->residual->grad_written = true;
        }
        op->x_accumulate = op->x->grad_written;
        op->x->grad_written = true;
        /* oneDNN writes, it does not add: it gets a place of its own. */
        if (op->x_accumulate && op->x_grad)
            op->scratch_buffer = new_buffer(net, lk__act_count(op->x) * sizeof(float));
    }
}

/* ---- plan -------------------------------------------------------------------------------------- */

static void live(lk__net *net, int buffer, int time) {
    if (buffer < 0) return;
    lk__buffer *b = &net->buffer[buffer];
    if (time < b->first) b->first = time;
    if (time > b->last) b->last = time;
}

/* A step that works value by value may write over what it reads, if nobody else reads it. */
static void share_in_place(lk__net *net) {
    for (int i = 0; i < net->steps; i++) {
        lk__op *op = net->step[i];
        if (!op->by_value || op->x == &net->act[0] || consumers(net, op->x) != 1) continue;
        if (net->training)
            op->x->grad_buffer = op->y->grad_buffer;
        else
            op->y->value_buffer = op->x->value_buffer;
    }
}

static void find_lives(lk__net *net) {
    int n = net->steps, end = 2 * n;
    for (int i = 0; i < n; i++) {
        lk__op *op = net->step[i];
        int back = 2 * n - 1 - i;
        live(net, op->x->value_buffer, i);
        live(net, op->y->value_buffer, i);
        if (op->residual) live(net, op->residual->value_buffer, i);
        live(net, op->kernel_buffer, i);
        if (!net->training) continue;
        if (op->needs_x) live(net, op->x->value_buffer, back);
        if (op->needs_y) live(net, op->y->value_buffer, back);
        if (op->residual && op->needs_residual) live(net, op->residual->value_buffer, back);
        live(net, op->y->grad_buffer, back);
        live(net, op->x->grad_buffer, back);
        if (op->residual) live(net, op->residual->grad_buffer, back);
        live(net, op->scratch_buffer, back);
        live(net, op->kernel_buffer, back);
    }
    /* The caller fills the input before time 0 and reads the output after the end. */
    live(net, net->act[0].value_buffer, -1);
    live(net, net->act[0].value_buffer, end);
    live(net, net->step[n - 1]->y->value_buffer, end);
}

static bool meet(const lk__buffer *a, const lk__buffer *b) {
    return a->first <= b->last && b->first <= a->last;
}

static void place_buffers(lk__net *net) {
    int order[BUFFERS_MAX], count = 0;
    for (int i = 0; i < net->buffers; i++)
        if (net->buffer[i].last >= net->buffer[i].first) order[count++] = i;
    /* Largest first (insertion sort, stable), each at the lowest place where it meets nobody. */
    for (int i = 1; i < count; i++)
        for (int j = i; j > 0 && net->buffer[order[j]].bytes > net->buffer[order[j - 1]].bytes; j--) {
            int swap = order[j];
            order[j] = order[j - 1];
            order[j - 1] = swap;
        }
    for (int i = 0; i < count; i++) {
        lk__buffer *b = &net->buffer[order[i]];
        size_t bytes = (b->bytes + 255) / 256 * 256;
        b->bytes = bytes;
        b->offset = 0;
        for (int j = 0; j < i;) {
            const lk__buffer *other = &net->buffer[order[j]];
            bool overlaps = b->offset < other->offset + other->bytes && other->offset < b->offset + bytes;
            if (overlaps && meet(b, other)) {
                b->offset = other->offset + other->bytes;
                j = 0;
            } else {
                j++;
            }
        }
        if (b->offset + bytes > net->arena_bytes) net->arena_bytes = b->offset + bytes;
    }
}

/* ---- bind -------------------------------------------------------------------------------------- */

static lk_status bind(lk__net *net, lk_error *err) {
    size_t huge = (size_t)2 << 20, bytes = (net->arena_bytes + huge - 1) / huge * huge + huge;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return lk__fail_memory(err, bytes, "the activations of a net; a smaller batch needs less");
    net->arena = memory;
    net->arena_bytes = bytes;
    char *base = (char *)(((uintptr_t)memory + huge - 1) / huge * huge);
    /* Faulting in 4 KiB pages is 40 times slower than 2 MiB ones; refused, it only costs time. */
    (void)madvise(base, bytes - huge, MADV_HUGEPAGE);
    for (int i = 0; i < net->acts; i++) {
        lk__act *a = &net->act[i];
        a->value = (float *)(void *)(base + net->buffer[a->value_buffer].offset);
        if (net->training) a->grad = (float *)(void *)(base + net->buffer[a->grad_buffer].offset);
    }
    for (int i = 0; i < net->steps; i++) {
        lk__op *op = net->step[i];
        if (op->scratch_buffer >= 0)
            op->scratch = (float *)(void *)(base + net->buffer[op->scratch_buffer].offset);
        if (op->kernel_buffer >= 0) op->kernel_scratch = base + net->buffer[op->kernel_buffer].offset;
        op->bind(op);
    }
    return LK_OK;
}

lk_status lk__net_new(const lk__spec *spec, lk__weights *weights, const lk__net_options *options,
                      lk__net **out, lk_error *err) {
    int batch = options->batch;
    bool training = options->training;
    if (batch < 1 || batch > 4096)
        return lk__fail(err, LK_INVALID, "net: a batch of %d; 1 to 4096 is possible", batch);
    lk__net *net = calloc(1, sizeof *net);
    if (!net) return lk__fail_memory(err, sizeof *net, "a net");
    net->training = training;
    net->options = *options;
    net->weights = weights;
    lk_status status = lk__dnnl_check(dnnl_engine_create(&net->engine, dnnl_cpu, 0), "an engine", err);
    if (status == LK_OK)
        status = lk__dnnl_check(dnnl_stream_create(&net->stream, net->engine, dnnl_stream_default_flags),
                                "a stream", err);
    if (status == LK_OK) {
        builder b = {.net = net, .spec = spec, .weights = weights, .err = err};
        b.now = new_act(net, batch, spec->c, spec->h, spec->w);
        b.now->block = 1; /* photos come as planes */
        for (int i = 0, taken = 0; status == LK_OK && i < spec->count; i += taken)
            status = add_step(&b, i, &taken);
    }
    if (status == LK_OK) {
        if (training) route_gradients(net);
        share_in_place(net);
        find_lives(net);
        place_buffers(net);
        status = bind(net, err);
    }
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
    if (net->arena) munmap(net->arena, net->arena_bytes);
    if (net->stream) dnnl_stream_destroy(net->stream);
    if (net->engine) dnnl_engine_destroy(net->engine);
    free(net);
}

/* ---- run --------------------------------------------------------------------------------------- */

float *lk__net_input(lk__net *net) {
    return net->act[0].value;
}

void lk__net_load(lk__net *net) {
    for (int i = 0; i < net->steps; i++) net->step[i]->load(net->step[i]);
}

const float *lk__net_forward(lk__net *net) {
    for (int i = 0; i < net->steps; i++) net->step[i]->forward(net->step[i]);
    return net->step[net->steps - 1]->y->value;
}

void lk__net_backward(lk__net *net, const float *gradient) {
    LK__CHECK(net->training, ==, true);
    const lk__act *y = net->step[net->steps - 1]->y;
    memcpy(y->grad, gradient, lk__act_count(y) * sizeof(float));
    for (int i = net->steps - 1; i >= 0; i--) net->step[i]->backward(net->step[i]);
    if (net->options.ranks)
        net->options.ranks->sum_start(net->options.ranks->context, net->weights->grads, net->weights->total);
}

int lk__net_costs(const lk__net *net, lk__step_cost *costs) {
    (void)net;
    (void)costs;
    return 0;
}

typedef struct sum {
    const float *from;
    float *to;
    size_t count;
} sum;

static void pass_accumulate(void *context, int i, int n) {
    sum *s = context;
    size_t first, last;
    lk__part(s->count, i, n, &first, &last);
    for (size_t j = first; j < last; j++) s->to[j] += s->from[j];
}

void lk__accumulate(const float *from, float *to, size_t count) {
    sum s = {from, to, count};
    lk__parallel(pass_accumulate, &s);
}
