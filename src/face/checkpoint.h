/* checkpoint.h: a whole training run in one file, written atomically: stopped at any moment and resumed, a
 * run counted in epochs ends with the same bits as one never stopped. */
#ifndef LK_CHECKPOINT_H
#define LK_CHECKPOINT_H

#include "nn/optimizer.h"

enum { LK__RUN_ARRAYS = 4 };

/* More that belongs to the run, under its name: what a loss has learned or remembers. */
typedef struct lk__run_array {
    const char *name;
    float *values; /* (count) */
    size_t count;
} lk__run_array;

typedef struct lk__run_state {
    uint64_t step;  /* batches done; batches and augmentation are functions of (seed, step), so this is the
                       random state */
    double seconds; /* of training */
    double accuracy, threshold;           /* of the last validation, NaN before it */
    lk__run_array arrays[LK__RUN_ARRAYS]; /* set by the caller, for reading too */
    size_t array_count;
} lk__run_state;

/* `options` is every option that decides the result, as text. */
lk_status lk__checkpoint_write(const char *path, const char *options, const lk__weights *weights,
                               const lk__optimizer_state *optimizer, const lk__run_state *state,
                               lk_error *err);
/* NOT_FOUND; INVALID if it was made with other options (both are named); FORMAT. On error nothing is changed.
 */
lk_status lk__checkpoint_read(const char *path, const char *options, lk__weights *weights,
                              lk__optimizer_state *optimizer, lk__run_state *state, lk_error *err);

#endif
