/* run.c: how each step runs: the one place for what goes on around a step's kernel, unit by unit, while the
 * unit is in the cache.
 *
 *   forward    read x (normalise, rectify, convert) -> kernel -> y, and look at y for its batch norm
 *   backward   dy through y's rectifier and norm -> kernel (dx, and this lane's share of dw) -> store dx, and
 *              look at it for x's norm
 *
 * Training goes step by step, since batch norm needs the whole batch before anyone may read; threads share
 * the units of a step. Inference knows its statistics: each thread takes a part of the batch through all
 * steps, and the activations of that part never leave the cache. */
#include "nn/run.h"

#include <stdatomic.h>
#include <string.h>

static char *value_at(const lk__net *net, const lk__worker *w, const lk__act *a, size_t run) {
    if (a == &net->act[0]) return (char *)(uintptr_t)w->input + run * lk__act_run_bytes(a);
    return w->acts + a->value + run * lk__act_run_bytes(a);
}

static char *grad_at(const lk__worker *w, const lk__act *a, size_t run) {
    return w->acts + a->grad + run * lk__act_run_bytes(a);
}

/* About 128 KiB of f32, so that what surrounds the kernel finds it in the second level cache. */
size_t lk__units_a_call(const lk__op *op) {
    if (op->images) return (size_t)op->images;
    size_t run = lk__act_run(op->in[0].act) * sizeof(float), most = (size_t)128 << 10;
    return run >= most ? 1 : most / run;
}

/* ---- what the kernel reads and writes ---------------------------------------------------------- */

typedef struct span {
    size_t run, runs;
} span;

static span span_of(const lk__op *op, const lk__act *a, size_t first, size_t count) {
    return (span){lk__runs_of(op, a, first), lk__runs_of(op, a, count)};
}

/* What a reader has to do; in inference it was done when the values were written, but for `late` ones. */
static const lk__norm *waiting(const lk__net *net, const lk__act *x) {
    return net->options.training || x->late ? x->norm : NULL;
}

/* What is done as values are written. */
static const lk__norm *finishing(const lk__net *net, const lk__act *y) {
    return net->options.training || y->late ? NULL : y->norm;
}

/* The values of x as the net means them, in the type of the step. */
static const void *read(const lk__net *net, const lk__worker *w, const lk__op *op, const lk__act *x, span s,
                        char *place) {
    const lk__norm *norm = waiting(net, x);
    const char *from = value_at(net, w, x, s.run);
    if (op->raw || (!norm && x->type == op->type)) return from;
    size_t count = lk__act_run(x), from_bytes = lk__act_run_bytes(x),
           to_bytes = count * lk__type_bytes(op->type);
    for (size_t i = 0; i < s.runs; i++)
        lk__lanes_apply(lk__lanes_of(norm, s.run + i), count, from + i * from_bytes, x->type,
                        place + i * to_bytes, op->type);
    return place;
}

static void written(const lk__net *net, const lk__worker *w, const lk__op *op, span s, const char *out) {
    const lk__act *y = op->y;
    char *to = value_at(net, w, y, s.run);
    size_t count = lk__act_run(y), bytes = lk__act_run_bytes(y),
           out_bytes = count * lk__type_bytes(op->out_type);
    const lk__norm *norm = op->raw ? NULL : finishing(net, y);
    bool look = y->norm && lk__norm_has_statistics(y->norm);
    for (size_t i = 0; i < s.runs; i++) {
        if (norm || out != to)
            lk__lanes_apply(lk__lanes_of(norm, s.run + i), count, out + i * out_bytes, op->out_type,
                            to + i * bytes, y->type);
        if (look) lk__norm_look(y->norm, s.run + i, to + i * bytes);
    }
}

static void forward_call(const lk__net *net, lk__op *op, int worker, size_t first, size_t count) {
    const lk__worker *w = &net->worker[worker];
    span y = span_of(op, op->y, first, count);
    char *to = value_at(net, w, op->y, y.run);
    lk__job job = {.worker = worker,
                   .run = first,
                   .runs = count,
                   .out_norm = finishing(net, op->y),
                   .scratch = w->scratch};
    for (int i = 0; i < 2; i++) {
        const lk__act *x = op->in[i].act;
        if (!x) continue;
        job.in_norm[i] = waiting(net, x);
        job.in[i] = read(net, w, op, x, span_of(op, x, first, count), w->in[i]);
    }
    job.out = op->out_type == op->y->type ? to : w->out;
    op->forward(op, &job);
    written(net, w, op, y, job.out);
}

/* ---- gradients --------------------------------------------------------------------------------- */

/* The gradient of what the kernel wrote. */
static const void *gradient_of(const lk__net *net, const lk__worker *w, const lk__op *op, span s) {
    const lk__act *y = op->y;
    const char *dy = grad_at(w, y, s.run), *values = value_at(net, w, y, s.run);
    if (op->raw || (!y->norm && y->type == op->type)) return dy;
    size_t count = lk__act_run(y), bytes = lk__act_run_bytes(y), to_bytes = count * lk__type_bytes(op->type);
    for (size_t i = 0; i < s.runs; i++) {
        const lk__lanes *p = lk__lanes_of(y->norm, s.run + i);
        if (y->norm)
            lk__lanes_gradient(p, count, values + i * bytes, dy + i * bytes, y->type, w->dout + i * to_bytes,
                               op->type);
        else
            lk__lanes_apply(p, count, dy + i * bytes, y->type, w->dout + i * to_bytes, op->type);
    }
    return w->dout;
}

static bool straight(const lk__op *op, const lk__slot *slot) {
    return !slot->adds && slot->act->type == op->type;
}

static void give(const lk__net *net, const lk__worker *w, const lk__op *op, const lk__slot *slot, span s,
                 const char *din) {
    const lk__act *x = slot->act;
    size_t count = lk__act_run(x), din_bytes = count * lk__type_bytes(op->type);
    for (size_t i = 0; i < s.runs; i++) {
        const char *from = din + i * din_bytes;
        char *to = grad_at(w, x, s.run + i);
        if (slot->adds)
            lk__add_values(from, op->type, to, x->type, count);
        else if (from != to)
            lk__lanes_apply(lk__lanes_of(NULL, 0), count, from, op->type, to, x->type);
        if (slot->last && x->norm) lk__norm_look_back(x->norm, s.run + i, value_at(net, w, x, s.run + i), to);
    }
}

static void backward_call(const lk__net *net, lk__op *op, int worker, int lane, bool begins, size_t first,
                          size_t count) {
    const lk__worker *w = &net->worker[worker];
    lk__job job = {.worker = worker,
                   .lane_begins = begins,
                   .run = first,
                   .runs = count,
                   .sum = net->sums + (size_t)lane * op->weight_bytes,
                   .spare = w->spare,
                   .scratch = w->scratch};
    span y = span_of(op, op->y, first, count);
    job.dout = gradient_of(net, w, op, y);
    job.out_norm = op->y->norm;
    job.y = value_at(net, w, op->y, y.run);
    for (int i = 0; i < 2; i++) {
        const lk__slot *slot = &op->in[i];
        if (!slot->act) continue;
        span s = span_of(op, slot->act, first, count);
        job.in_norm[i] = waiting(net, slot->act);
        if (op->needs_x) job.in[i] = read(net, w, op, slot->act, s, w->in[i]);
        if (slot->wants_grad) job.din[i] = straight(op, slot) ? grad_at(w, slot->act, s.run) : w->din[i];
    }
    op->backward(op, &job);
    for (int i = 1; i >= 0; i--) /* the residual first: x may be the same activation and adds to it */
        if (job.din[i]) give(net, w, op, &op->in[i], span_of(op, op->in[i].act, first, count), job.din[i]);
}

/* ---- training: step by step, the units of a step on all threads -------------------------------- */

/* Threads take the next piece of work as they get free: on a machine that does other things too (decodes
 * photos, say) nobody waits for the one that was held up. What a piece computes does not depend on who takes
 * it. Every other step goes through the batch from its end: what the step before wrote last is still in the
 * cache. */
typedef struct pass {
    lk__net *net;
    lk__op *op;
    bool from_end;
    size_t calls, lanes;
    atomic_size_t next;
} pass;

static pass pass_of(lk__net *net, int step) {
    lk__op *op = net->step[step];
    size_t call = lk__units_a_call(op), calls = (lk__units(op, net->part) + call - 1) / call;
    return (pass){.net = net,
                  .op = op,
                  .from_end = step % 2 == 1,
                  .calls = calls,
                  .lanes = calls < LK__LANES_MOST ? calls : LK__LANES_MOST};
}

/* The next of `count` pieces; false when there is none. */
static bool take(pass *p, size_t count, size_t *piece) {
    size_t i = atomic_fetch_add(&p->next, 1);
    *piece = p->from_end ? count - 1 - i : i;
    return i < count;
}

static size_t call_units(const pass *p, size_t call) {
    size_t units = lk__units(p->op, p->net->part), most = lk__units_a_call(p->op);
    return units - call * most < most ? units - call * most : most;
}

static void forward_part(void *context, int i, int n) {
    pass *p = context;
    (void)n;
    for (size_t c; take(p, p->calls, &c);)
        forward_call(p->net, p->op, i, c * lk__units_a_call(p->op), call_units(p, c));
}

static void backward_part(void *context, int i, int n) {
    pass *p = context;
    (void)n;
    for (size_t lane, first, last; take(p, p->lanes, &lane);) {
        lk__part(p->calls, (int)lane, (int)p->lanes, &first, &last);
        for (size_t c = first; c < last; c++)
            backward_call(p->net, p->op, i, (int)lane, c == first, c * lk__units_a_call(p->op),
                          call_units(p, c));
    }
}

/* The results of `images` images, side by side: output (images, dim). */
static void collect(const lk__net *net, const lk__worker *w, int images, float *output) {
    size_t at = 0;
    for (int e = 0; e < net->ends; at += (size_t)net->end[e++]->c) {
        size_t c = (size_t)net->end[e]->c;
        const float *value = (const float *)(const void *)(w->acts + net->end[e]->value);
        for (size_t i = 0; i < (size_t)images; i++)
            memcpy(output + i * net->dim + at, value + i * c, c * sizeof *value);
    }
}

/* The other way: the gradient of the results (batch, dim) to each of them. */
static void hand_back(const lk__net *net, const float *gradient) {
    size_t at = 0;
    for (int e = 0; e < net->ends; at += (size_t)net->end[e++]->c) {
        size_t c = (size_t)net->end[e]->c;
        float *grad = (float *)(void *)(net->worker[0].acts + net->end[e]->grad);
        for (size_t i = 0; i < (size_t)net->options.batch; i++)
            memcpy(grad + i * c, gradient + i * net->dim + at, c * sizeof *grad);
    }
}

static void train_forward(lk__net *net) {
    double now = lk__seconds();
    for (int i = 0; i < net->steps; i++) {
        pass p = pass_of(net, i);
        lk__parallel(forward_part, &p);
        if (p.op->y->norm && lk__norm_has_statistics(p.op->y->norm)) lk__norm_close(p.op->y->norm);
        double then = now;
        net->seconds[i][0] += (now = lk__seconds()) - then;
    }
    collect(net, &net->worker[0], net->options.batch, net->output);
}

/* Gradients from `first` on are final: sent on in pieces large enough to be worth a message. */
static void start_sums(lk__net *net, size_t first) {
    enum { PIECE = 1 << 18 };
    const lk_ranks *ranks = net->options.ranks;
    if (!ranks || (first > 0 && net->started - first < PIECE) || first == net->started) return;
    ranks->sum_start(ranks->context, net->weights->grads + first, net->started - first);
    net->started = first;
}

/* Params of layers from `layer` on begin here in weights->grads. */
static size_t grads_from(const lk__net *net, int layer) {
    const lk__weights *w = net->weights;
    for (int i = 0; i < w->count; i++)
        if (w->items[i].layer >= layer) return (size_t)(w->items[i].grad - w->grads);
    return w->total;
}

static void train_backward(lk__net *net, const float *gradient) {
    hand_back(net, gradient);
    net->started = net->weights->total;
    double now = lk__seconds();
    for (int i = net->steps - 1; i >= 0; i--) {
        pass p = pass_of(net, i);
        lk__parallel(backward_part, &p);
        if (p.op->weight_bytes) p.op->finish(p.op, (float *)(void *)net->sums, (int)p.lanes);
        for (int s = 0; s < 2; s++)
            if (p.op->in[s].act && p.op->in[s].last && p.op->in[s].act->norm)
                lk__norm_close_back(p.op->in[s].act->norm);
        /* Layers are in the order of steps, and the norms behind a step belong to it: all above are done. */
        start_sums(net, i == 0 ? 0 : grads_from(net, p.op->layer));
        double then = now;
        net->seconds[i][1] += (now = lk__seconds()) - then;
    }
}

/* ---- inference: a part of the batch through all steps ------------------------------------------ */

typedef struct inference {
    lk__net *net;
    size_t parts;
    atomic_size_t next;
} inference;

static void infer_part(void *context, int i, int n) {
    inference *job = context;
    lk__net *net = job->net;
    lk__worker *w = &net->worker[i];
    const lk__act *x = &net->act[0];
    size_t photo = (size_t)x->c * (size_t)x->h * (size_t)x->w, images = (size_t)net->part;
    (void)n;
    for (size_t part; (part = atomic_fetch_add(&job->next, 1)) < job->parts;) {
        w->input = net->input + part * images * photo;
        double now = lk__seconds();
        for (int s = 0; s < net->steps; s++) {
            lk__op *op = net->step[s];
            size_t units = lk__units(op, net->part), call = lk__units_a_call(op);
            for (size_t u = 0; u < units; u += call)
                forward_call(net, op, i, u, units - u < call ? units - u : call);
            double then = now;
            w->seconds[s] += (now = lk__seconds()) - then;
        }
        collect(net, w, net->part, net->output + part * images * net->dim);
    }
}

/* No more threads than there is scratch memory for. */
static int limit_threads(const lk__net *net) {
    int threads = lk__threads();
    if (threads > net->workers) lk__threads_set(net->workers);
    return threads;
}

const float *lk__net_forward_some(lk__net *net, int images) {
    LK__CHECK(images, <=, net->options.batch);
    int threads = limit_threads(net);
    inference job = {.net = net, .parts = (size_t)((images + net->part - 1) / net->part)};
    if (net->options.training)
        train_forward(net);
    else
        lk__parallel(infer_part, &job);
    lk__threads_set(threads);
    return net->output;
}

const float *lk__net_forward(lk__net *net) {
    return lk__net_forward_some(net, net->options.batch);
}

void lk__net_backward(lk__net *net, const float *gradient) {
    LK__CHECK(net->options.training, ==, true);
    int threads = limit_threads(net);
    train_backward(net, gradient);
    lk__threads_set(threads);
}

/* ---- sums -------------------------------------------------------------------------------------- */

typedef struct sum {
    float *values;
    size_t count;
    int lanes;
} sum;

static void sum_part(void *context, int i, int n) {
    const sum *s = context;
    size_t first, last;
    lk__part(s->count, i, n, &first, &last);
    for (int lane = 1; lane < s->lanes; lane++)
        lk__add_values(s->values + (size_t)lane * s->count + first, LK_PRECISION_F32, s->values + first,
                       LK_PRECISION_F32, last - first);
}

void lk__sum_lanes(float *values, size_t count, int lanes) {
    sum s = {values, count, lanes};
    if (lanes > 1) lk__parallel(sum_part, &s);
}
