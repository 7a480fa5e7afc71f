/* add.c: y = x + residual, or y = x for an activation that needs a copy of its own. Batch norm and rectifier
 * around it are those of the activations (norm.c). */
#include "nn/op.h"

#include <stdlib.h>

typedef struct add {
    lk__op op;
    size_t run; /* values */
} add;

static void add_forward(lk__op *op, const lk__job *job) {
    size_t count = job->runs * ((add *)op)->run;
    memcpy(job->out, job->in[0], count * sizeof(float));
    if (job->in[1]) lk__add_values(job->in[1], LK_PRECISION_F32, job->out, LK_PRECISION_F32, count);
}

static void add_backward(lk__op *op, const lk__job *job) {
    size_t count = job->runs * ((add *)op)->run;
    for (int i = 0; i < 2; i++)
        if (job->din[i]) memcpy(job->din[i], job->dout, count * sizeof(float));
}

static void add_free(lk__op *op) {
    free(op);
}

lk_status lk__add_new(const lk__context *k, const lk__act *x, const lk__act *y, lk__op **out, lk_error *err) {
    (void)y;
    add *o = calloc(1, sizeof *o);
    if (!o) return lk__fail_memory(err, sizeof *o, "an addition");
    o->op = (lk__op){.forward = add_forward, .backward = add_backward, .free = add_free};
    o->run = lk__act_run(x);
    snprintf(o->op.what, sizeof o->op.what, "add %d @%d", k->layer->in_c, k->layer->in_h);
    *out = &o->op;
    return LK_OK;
}
