/* bundle.h: many photos in one upload, taken out one by one. */
#ifndef LIKENESS_SERVE_BUNDLE_H
#define LIKENESS_SERVE_BUNDLE_H

#include "serve.h"

typedef struct serve_bundle serve_bundle;

typedef struct serve_item {
    char person[256], photo[256]; /* person "": the upload does not say */
    const uint8_t *bytes;         /* until the bundle's next */
    size_t size;
} serve_item;

/* A ZIP (DIR/PERSON/PHOTO, hidden files and folders left out), told by its bytes, or a multipart/form-data
 * body. The bytes must outlive the bundle. No item is larger than `item_limit`, and all together than
 * `all_limit`, packed as they may be. FORMAT, TOO_LARGE. */
lk_status serve_bundle_open(const char *content_type, const uint8_t *bytes, size_t size, size_t item_limit,
                            size_t all_limit, serve_bundle **out, lk_error *err);
void serve_bundle_free(serve_bundle *bundle);
size_t serve_bundle_count(const serve_bundle *bundle);
/* *end: there is none. An error is of this item and the next may do, but for FORMAT with *end set. */
lk_status serve_bundle_next(serve_bundle *bundle, serve_item *item, bool *end, lk_error *err);

#endif
