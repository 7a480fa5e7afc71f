/* store.c: which store an address means, and which vectors one may be made for. */
#include "gallery/store_pg.h"

#include <math.h>

lk_status lk__store_create(const char *address, const lk_vector_kind *kind, const uint8_t *seal_check,
                           lk__store **out, lk_error *err) {
    return lk__pg_is_address(address) ? lk__pg_create(address, kind, seal_check, out, err)
                                      : lk__sqlite_create(address, kind, seal_check, out, err);
}

lk_status lk__store_open(const char *address, bool read_only, lk__store **out, lk_error *err) {
    return lk__pg_is_address(address) ? lk__pg_open(address, read_only, out, err)
                                      : lk__sqlite_open(address, read_only, out, err);
}

lk_status lk__store_check_kind(const char *name, const lk_vector_kind *kind, lk_error *err) {
    const char *model = kind->model_path ? kind->model_path : "";
    lk_gallery_info limits;
    if (kind->dim < 1 || kind->dim > LK__DIM_LIMIT)
        return lk__fail(err, LK_INVALID, "%s: vectors of %d numbers; 1 to %d are possible", name, kind->dim,
                        LK__DIM_LIMIT);
    if (!lk__name_valid(kind->fingerprint, sizeof limits.fingerprint - 1))
        return lk__fail(err, LK_INVALID, "%s: the model's fingerprint is missing or malformed", name);
    if (*model && !lk__name_valid(model, sizeof limits.model_path - 1))
        return lk__fail(err, LK_INVALID, "%s: the model's path is not UTF-8 of at most %zu bytes", name,
                        sizeof limits.model_path - 1);
    if (fabs(kind->threshold) > 1) /* NaN: the model has none */
        return lk__fail(err, LK_INVALID, "%s: a threshold of %g is no cosine", name, kind->threshold);
    return LK_OK;
}
