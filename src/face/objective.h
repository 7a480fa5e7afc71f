/* objective.h: what training makes small: the loss of a batch and its gradient by the vectors, shared by the
 * ranks, with all that a loss keeps from step to step: parameters of its own, past vectors. */
#ifndef LK_OBJECTIVE_H
#define LK_OBJECTIVE_H

#include "contrast/contrast.h"
#include "face/checkpoint.h"
#include "face/train_data.h"

typedef struct lk__objective {
    const lk_train_options *options;
    const lk__loss *loss;
    const lk__sampler *sampler;
    size_t batch, whole;   /* vectors a step: of this rank, and of all */
    size_t room, dim;      /* places behind the batch: for past vectors, or for classes */
    size_t *photo;         /* (whole): scratch */
    uint32_t *label;       /* (whole + room): people; without room just what tells those of a batch apart */
    float *vectors;        /* (whole + room, dim); NULL for one rank without room */
    const float *all;      /* (whole, dim): the last batch, of all ranks; valid until the next */
    float *table;          /* (batch, whole + room): distances; or cosines, then slopes */
    float *gradient;       /* (batch, dim); over pairs (whole, dim), with classes (whole + room, dim) */
    lk__triplet *triplets; /* of this rank's anchors; then of all, which is the same for one rank */
    lk__triplet *all_triplets;
    lk__triplet_stats *of_row; /* (batch), over pairs */
    lk__weights own;           /* parameters of the loss: none, beta, or (classes, dim) */
    lk__optimizer_state moments;
} lk__objective;

/* Kept by reference: options, sampler. `batch`: photos a step of this rank. */
lk_status lk__objective_new(const lk_train_options *options, const lk__sampler *sampler,
                            const lk__train_data *people, size_t batch, size_t dim, lk__objective *out,
                            lk_error *err);
void lk__objective_free(lk__objective *objective);
/* What a checkpoint must hold of it: out has room for LK__RUN_ARRAYS; returns how many. */
size_t lk__objective_arrays(const lk__objective *objective, lk__run_array *out);
/* Go on at `step`, after those arrays were filled. */
void lk__objective_resume(lk__objective *objective, uint64_t step);
/* Loss of the whole batch, and its gradient (batch, dim) by this rank's vectors (batch, dim). `part`: share
 * of the run that is done, 0..1. */
const float *lk__objective_loss(lk__objective *objective, uint64_t step, double part, const float *vectors,
                                lk__triplet_stats *stats);
/* A step of the loss's own parameters; after lk__objective_loss. */
void lk__objective_step(lk__objective *objective, double learning_rate);

#endif
