/* rows.h: what index.c (who is in), scan.c (who is close) and index_file.c (the copy on disk) share. */
#ifndef LK_ROWS_H
#define LK_ROWS_H

#include "gallery/codes.h"
#include "gallery/index.h"

#include <pthread.h>
#include <stdatomic.h>

enum { LK__SEGMENT_ROWS = 1 << 15 }; /* most in a segment: 2 MB of codes, a huge page, where dim is 128 */

typedef struct lk__index_file lk__index_file; /* index_file.c */

/* A segment of the rows. Rows are only ever added behind those there are; a row that is removed is marked and
 * stays until most of its segment is, then the others move to a new segment. Arrays may be the file's. */
typedef struct lk__segment {
    size_t references; /* the index's and one for each search; guarded by the index's lock */
    size_t capacity;   /* a multiple of LK__CODE_ROWS */
    size_t count;      /* guarded by the index's lock; a search goes by the count it took */
    atomic_size_t removed_count;
    bool full; /* nothing will be added; the last block has codes though it is not full */
    const int64_t *photos, *people; /* (capacity); photos rise */
    const float *vectors;           /* (capacity, stride), 64-byte aligned, zeros from dim to stride */
    const uint8_t *codes;           /* (capacity / 16, code bytes) of the blocks there are */
    const lk__code_bound *bounds;   /* (capacity / 16) */
    const uint32_t *sums;           /* (capacity) of the vectors (lk__row_sum); NULL: not from a file */
    _Atomic uint32_t *removed;      /* (capacity): number of the removal, 0: none */
    lk__index_file *file;           /* whose the arrays are but the last; NULL: the segment's own */
    void *own[5];                   /* to be freed */
} lk__segment;

struct lk__index {
    pthread_mutex_t lock; /* guards all below that changes, and what segments say so of */
    int dim;
    size_t stride, groups;
    lk__segment **segments;
    size_t segment_count, segment_room;
    uint32_t removals; /* a row is gone for who came after the removal with its number */
    atomic_uint searches;
    const lk__code_kernels *kernels; /* for tests, which set them */
};

/* At least 64-byte aligned, on huge pages where it is large. NULL: out of memory. free() frees it. */
void *lk__pages(size_t bytes);
void lk__segment_release(lk__segment *segment); /* with the lock held, or nobody about */
/* Blocks with codes among the first `count` rows. */
static inline size_t lk__segment_blocks(const lk__segment *segment, size_t count) {
    return segment->full ? (count + LK__CODE_ROWS - 1) / LK__CODE_ROWS : count / LK__CODE_ROWS;
}
/* New segments at the end. False: out of memory. */
bool lk__index_push(lk__index *index, lk__segment *const *segments, size_t count);
/* Of a segment of the index the row of a photo; its count if it is not there. */
size_t lk__segment_find(const lk__segment *segment, int64_t photo);
uint32_t lk__row_sum(const float *vector, size_t stride);
/* False: the row lies in a file and is not what was written there: overwritten, or damaged. */
static inline bool lk__segment_sound(const lk__segment *segment, size_t row, size_t stride) {
    return !segment->sums || segment->sums[row] == lk__row_sum(segment->vectors + row * stride, stride);
}

/* index_file.c */
void lk__index_file_release(lk__index_file *file); /* with the lock held, or nobody about */

#endif
