/* store.c: which store an address means. */
#include "gallery/store.h"

lk_status lk__store_create(const char *address, const lk_vector_kind *kind, const uint8_t *seal_check,
                           lk__store **out, lk_error *err) {
    return lk__sqlite_create(address, kind, seal_check, out, err);
}

lk_status lk__store_open(const char *address, bool read_only, lk__store **out, lk_error *err) {
    return lk__sqlite_open(address, read_only, out, err);
}
