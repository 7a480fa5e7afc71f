/* memory.c: past vectors that the anchors of a batch are compared with too: many negatives for the price of
 * remembering them.
 *
 * Wang, Zhang, Huang & Scott, "Cross-Batch Memory for Embedding Learning" (XBM), 2020: a network that no
 * longer changes fast gives a photo nearly the vector it gave it some hundred batches ago, so the last
 * vectors are kept in a queue, first in, first out, and serve as negatives and positives. Nothing is learned
 * through them: no gradient goes where there is no photo any more. So the queue is of use only after the
 * network has slowed down, and a start is part of the method (1000 steps in the authors' code).
 *
 * Different here: the paper adds the loss of the batch by itself to that against the queue, the batch in it;
 * here there is one loss over both, which lie side by side. And miners that take every pair (a, p) take the
 * positives of the batch only, as many for each anchor; batch-hard and losses over pairs take all.
 *
 * The queue is a ring whose place is told by the number of batches put into it. */
#include "contrast/contrast.h"

#include <string.h>

size_t lk__memory_filled(const lk__memory *m, uint64_t puts) {
    return puts * m->batch < m->room ? (size_t)puts * m->batch : m->room;
}

void lk__memory_put(lk__memory *m, uint64_t puts) {
    for (size_t i = 0; i < m->batch; i++) {
        size_t at = m->batch + (size_t)((puts * m->batch + i) % m->room);
        if (m->vectors)
            memcpy(m->vectors + at * m->dim, m->vectors + i * m->dim, m->dim * sizeof *m->vectors);
        m->label[at] = m->label[i];
    }
}
