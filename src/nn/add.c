/* add.c: y = x + residual, or y = x for an activation that needs a copy of its own. Batch norm and rectifier
 * around it are those of the activations (norm.c), and are done in the same pass over memory. */
#include "nn/op.h"

#include <stdlib.h>

typedef struct add {
    lk__op op;
    size_t run; /* values */
    lk_precision x_type, y_type;
} add;

static void add_forward(lk__op *op, const lk__job *job) {
    const add *o = (add *)op;
    size_t x_bytes = o->run * lk__type_bytes(o->x_type), y_bytes = o->run * lk__type_bytes(o->y_type);
    for (size_t i = 0; i < job->runs; i++) {
        const lk__lanes *x_lanes = lk__lanes_of(job->in_norm[0], job->run + i),
                        *r_lanes = lk__lanes_of(job->in_norm[1], job->run + i),
                        *y_lanes = lk__lanes_of(job->out_norm, job->run + i);
        const char *x = (const char *)job->in[0] + i * x_bytes;
        char *y = (char *)job->out + i * y_bytes;
        if (job->in[1])
            lk__lanes_add(x_lanes, r_lanes, o->run, x, (const char *)job->in[1] + i * x_bytes, y, o->y_type);
        else
            lk__lanes_apply(x_lanes, o->run, x, o->x_type, y, o->y_type);
        if (job->out_norm) lk__lanes_apply(y_lanes, o->run, y, o->y_type, y, o->y_type);
    }
}

static void add_backward(lk__op *op, const lk__job *job) {
    const add *o = (add *)op;
    size_t bytes = o->run * lk__type_bytes(o->y_type);
    for (size_t i = 0; i < job->runs; i++) {
        const char *dy = (const char *)job->dout + i * bytes, *y = (const char *)job->y + i * bytes;
        for (int s = 0; s < 2; s++) {
            if (!job->din[s]) continue;
            char *to = (char *)job->din[s] + i * bytes;
            if (job->out_norm)
                lk__lanes_gradient(lk__lanes_of(job->out_norm, job->run + i), o->run, y, dy, o->y_type, to,
                                   o->y_type);
            else
                memcpy(to, dy, bytes);
        }
    }
}

static void add_free(lk__op *op) {
    free(op);
}

lk_status lk__add_new(const lk__context *k, const lk__act *x, const lk__act *y, lk__op **out, lk_error *err) {
    add *o = calloc(1, sizeof *o);
    if (!o) return lk__fail_memory(err, sizeof *o, "an addition");
    *o = (add){.op = {.type = y->type,
                      .out_type = y->type,
                      .raw = true,
                      .forward = add_forward,
                      .backward = add_backward,
                      .free = add_free},
               .run = lk__act_run(x),
               .x_type = x->type,
               .y_type = y->type};
    snprintf(o->op.what, sizeof o->op.what, "add %d @%d", k->layer->in_c, k->layer->in_h);
    *out = &o->op;
    return LK_OK;
}
