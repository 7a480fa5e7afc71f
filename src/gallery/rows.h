/* rows.h: what index.c (who is in), scan.c (who is close) and index_file.c (the copy on disk) share. */
#ifndef LK_ROWS_H
#define LK_ROWS_H

#include "gallery/codes.h"
#include "gallery/index.h"

#include <pthread.h>
#include <stdatomic.h>

enum { LK__SEGMENT_ROWS = 1 << 15 }; /* most in a part: 2 MB of codes, a huge page, where dim is 128 */

typedef struct lk__index_file lk__index_file; /* index_file.c */

/* A part of the rows. Rows are only ever added behind those there are; a row that is removed is marked and
 * stays until most of its part is, then the others move to a new part. Arrays may be the file's. */
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
    lk__index_file *file;           /* whose the arrays are but the last; NULL: the part's own */
    void *own[5];                   /* to be freed */
} lk__segment;

struct lk__index {
    pthread_mutex_t lock; /* guards all below that changes, and what parts say so of */
    int dim;
    size_t stride, groups;
    lk__segment **parts;
    size_t part_count, part_room;
    uint32_t removals; /* a row is gone for who came after the removal with its number */
    atomic_uint searches;
    const lk__code_kernels *kernels; /* for tests, which set them */
};

/* Zeros; at least 64-byte aligned, on huge pages where it is large. NULL: out of memory. free() frees it. */
void *lk__pages(size_t bytes);
void lk__segment_release(lk__segment *part); /* with the lock held, or nobody about */
/* Blocks with codes among the first `count` rows. */
static inline size_t lk__segment_blocks(const lk__segment *part, size_t count) {
    return part->full ? (count + LK__CODE_ROWS - 1) / LK__CODE_ROWS : count / LK__CODE_ROWS;
}
/* Of a part of the index the row of a photo; its count if it is not there. */
size_t lk__segment_find(const lk__segment *part, int64_t photo);
uint32_t lk__row_sum(const float *vector, size_t stride);

/* index_file.c, with the lock held or nobody about */
void lk__index_file_release(lk__index_file *file);
/* Overwrite the row in the file, where that can be written. */
void lk__index_file_erase(lk__index_file *file, const lk__segment *part, size_t row);

#endif
