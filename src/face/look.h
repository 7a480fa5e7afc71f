/* look.h: what a closer look at a training run shows (lk_train_options.look), gathered batch by batch. */
#ifndef LK_LOOK_H
#define LK_LOOK_H

#include "contrast/contrast.h"
#include "face/face.h"

typedef struct lk__look lk__look;
/* Kept by reference: all but the numbers. Of each batch of `whole` vectors, `photos` in a row of each person,
 * rows [first, first + rows) are the anchors. `first_step` (from 1) is the next one. */
typedef struct lk__look_options {
    const lk_dataset *set;
    const lk__sampler *sampler;
    lk__loader *loader;
    size_t whole, first, rows;
    int photos, dim;
    double margin;
    uint64_t first_step;
} lk__look_options;
lk_status lk__look_new(const lk__look_options *options, lk__look **out, lk_error *err);
void lk__look_free(lk__look *look);
/* One more batch, of step number `step`: the vectors of all ranks (whole, dim). */
void lk__look_batch(lk__look *look, uint64_t step, const float *vectors);
/* What was gathered in this window and the one before; valid until the next call. */
void lk__look_fill(const lk__look *look, lk_train_look *out);
/* It has been looked at: a new window begins. */
void lk__look_turn(lk__look *look);

#endif
