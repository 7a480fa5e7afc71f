/* run.h: a net that is ready to run; net.c makes it, run.c runs it. */
#ifndef LK_RUN_H
#define LK_RUN_H

#include "nn/op.h"

enum { LK__STEPS_MAX = LK__LAYERS_MAX };

/* What belongs to one thread. */
typedef struct lk__worker {
    char *acts;         /* activations of the whole batch (training), or of this worker's part (inference) */
    const float *input; /* the photos that belong to acts */
    char *in[2], *out, *dout, *din[2]; /* places for one unit, in f32 */
    char *scratch, *spare;
    double seconds[LK__STEPS_MAX]; /* inference: what each step has taken this worker */
} lk__worker;

struct lk__net {
    lk__net_options options;
    lk__weights *weights;
    dnnl_engine_t engine;
    dnnl_stream_t *streams; /* (workers) */
    int workers, steps, acts;
    int part; /* images that go through all steps together: the batch in training, fewer in inference */
    lk__op *step[LK__STEPS_MAX];
    lk__act act[LK__STEPS_MAX + 1];
    lk__worker *worker;            /* (workers) */
    lk__act *end[LK__OUTPUTS_MAX]; /* the activations that are the result: flat, f32 */
    int ends;
    size_t dim;                       /* of all ends */
    float *input, *output;            /* (batch, c, h, w), (batch, dim) */
    char *sums;                       /* (lanes, weight_bytes) of the step at work */
    size_t started;                   /* gradients [started, total) are on their way over the ranks */
    double seconds[LK__STEPS_MAX][2]; /* training: forward, backward */
    char *arena;
    size_t arena_bytes;
};

/* How many sums over the batch a step has. Fixed, not the number of threads: so the sums, and with them the
 * whole training, are the same on any number of threads. */
enum { LK__LANES_MOST = 16 };

/* Runs of an activation that belong to `units` of a step. */
static inline size_t lk__runs_of(const lk__op *op, const lk__act *a, size_t units) {
    return op->images ? units * lk__act_blocks(a) : units;
}
/* Units in `images` images, and how many go into one call. */
static inline size_t lk__units(const lk__op *op, int images) {
    return (size_t)images * (op->images ? 1 : lk__act_blocks(op->in[0].act));
}
size_t lk__units_a_call(const lk__op *op);

#endif
