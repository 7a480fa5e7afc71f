/* index_file.h: the index as a file beside the gallery, so that a search can begin before a million rows have
 * been read out of a database. It is a copy and never believed over the store: whoever loads it says whose it
 * must be, and asks the store what happened since. docs/formats.md has its layout. */
#ifndef LK_INDEX_FILE_H
#define LK_INDEX_FILE_H

#include "gallery/index.h"
#include "gallery/store.h"

/* Whose it is, and what of the gallery is in it. */
typedef struct lk__index_state {
    char identity[33]; /* of the store */
    lk__moment moment; /* all up to it */
    int64_t erased;    /* photos of removals up to this number are overwritten */
    size_t rows;       /* set by peek and load */
} lk__index_state;

/* The state alone. NOT_FOUND; MISMATCH: not of this identity and dim; FORMAT: damaged; IO. */
lk_status lk__index_peek(const char *path, const char *identity, int dim, lk__index_state *out,
                         lk_error *err);
/* Into an empty index; the same failures. */
lk_status lk__index_load(lk__index *index, const char *path, const char *identity, lk__index_state *out,
                         lk_error *err);
/* What is in the index now, atomically; what was there before is overwritten. BUSY: another process does just
 * that. */
lk_status lk__index_save(lk__index *index, const char *path, const lk__index_state *state, lk_error *err);
/* Overwrite rows of photos in the file; `erased` becomes its state's. Ids that are not in it are passed over.
 */
lk_status lk__index_erase(const char *path, const char *identity, int dim, const int64_t *photos,
                          size_t count, int64_t erased, lk_error *err);
/* Overwrite the whole file and remove it; also what a save left that was interrupted. */
void lk__index_discard(const char *path);

#endif
