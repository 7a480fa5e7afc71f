/* ranks.h: several processes that train one net (lk_ranks): what they must agree on. For one process alone,
 * whose `ranks` is NULL, everything here does nothing. */
#ifndef LK_RANKS_H
#define LK_RANKS_H

#include "face/train_data.h"
#include "nn/net.h"

static inline int lk__rank(const lk_ranks *ranks) {
    return ranks ? ranks->rank : 0;
}
static inline int lk__rank_count(const lk_ranks *ranks) {
    return ranks ? ranks->count : 1;
}

/* Rank 0's values (n) to all. */
void lk__ranks_spread(const lk_ranks *ranks, float *values, size_t n);
void lk__ranks_spread_real(const lk_ranks *ranks, double *values, size_t n);
/* MISMATCH on each rank whose options (as text), net or photos are not those of rank 0: copies of the folders
 * that are not the same would train without a word on batches that no other run can repeat. */
lk_status lk__ranks_same(const lk_ranks *ranks, const char *options, const lk__train_data *data,
                         const lk__weights *weights, lk_error *err);

#endif
