/* models.c: models that the project ships are found here; and a gallery and the model that made its vectors,
 * which belong together, are brought together. */
#include "cli.h"

#include <stdlib.h>
#include <unistd.h>

#ifndef LK_DATADIR
#define LK_DATADIR "/usr/local/share/likeness"
#endif

char *cli_shipped_model(const char *name) {
    char *local = cli_format("models/%s", name);
    if (access(local, R_OK) == 0) return local;
    free(local);
    return cli_format(LK_DATADIR "/%s", name);
}

lk_vector_kind cli_model_kind(const lk_model *model, const char *path) {
    return (lk_vector_kind){.dim = lk_model_dim(model),
                            .fingerprint = lk_model_fingerprint(model),
                            .threshold = lk_model_threshold(model),
                            .model_path = path};
}

lk_status cli_gallery_model(const lk_gallery *gallery, const char *given, lk_model **out, lk_error *err) {
    lk_gallery_info info;
    lk_status status = lk_gallery_get_info(gallery, &info, err);
    if (status != LK_OK) return status;
    const char *path = given ? given : info.model_path;
    lk_model *model = NULL;
    status = lk_model_open(path, &model, err);
    if (status != LK_OK) {
        if (!given)
            cli_say("the gallery's vectors were made by '%s'; give that model with --model if it moved",
                    path);
        return status;
    }
    lk_vector_kind kind = cli_model_kind(model, path);
    status = lk_gallery_check_kind(gallery, &kind, err);
    if (status != LK_OK) {
        lk_model_free(model);
        return status;
    }
    *out = model;
    return LK_OK;
}
