/* index.h: the copy of all vectors in memory, and the exact search over it. It knows numbers only: photo ids,
 * person ids, vectors; names stay in the store.
 *
 * Threads: append, remove and clear are called one at a time (gallery.c holds a lock), searches at any time
 * and in any number; a search sees the index as it was at one moment of its run. */
#ifndef LK_INDEX_H
#define LK_INDEX_H

#include "base/base.h"

typedef struct lk__index lk__index;

typedef struct lk__hit {
    int64_t photo, person;
    float cosine, l2;
} lk__hit;

lk_status lk__index_new(int dim, lk__index **out, lk_error *err);
void lk__index_free(lk__index *index);
size_t lk__index_count(lk__index *index); /* photos */

/* Vectors (count, dim) of norm 1; ids rise, and are above all that were appended before. On failure nothing
 * of it is in. */
lk_status lk__index_append(lk__index *index, const int64_t *photos, const int64_t *people,
                           const float *vectors, size_t count, lk_error *err);
/* Ids that are not in it are passed over. */
lk_status lk__index_remove(lk__index *index, const int64_t *photos, size_t count, lk_error *err);
void lk__index_clear(lk__index *index);

/* The k closest photos to each of n probes (n, dim), or the closest photo of each of the k closest people:
 * hits (n, k), best first, equal cosines by lower photo id; found (n): how many there are of each. Exactly
 * what a scan of all vectors gives, bit for bit (dot.c). MISMATCH: vectors in the file that the index was
 * loaded from were overwritten, because they were removed and the index does not know yet, or are damaged. */
lk_status lk__index_search(lk__index *index, const float *probes, size_t n, size_t k, bool people,
                           lk__hit *hits, size_t *found, lk_error *err);

/* dot.c: out (count) = rows (count, stride) . probe (stride); stride a multiple of 16, rows and probe 64-byte
 * aligned. Every kind of processor gives the same bits. */
typedef void (*lk__dot)(const float *rows, size_t count, size_t stride, const float *probe, float *out);
enum { LK__DOT_PLAIN, LK__DOT_AVX2, LK__DOT_AVX512, LK__DOT_KINDS };
lk__dot lk__dot_kind(int kind); /* NULL: this processor cannot */
lk__dot lk__dot_best(void);

#endif
