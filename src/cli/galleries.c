/* galleries.c: opening galleries, and accounting for what is done with them (docs/privacy.md). */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

error_t cli_access_parse(cli_access *access, int key, char *arg, struct argp_state *state) {
    static const char *const policies[] = {"auto", "required", NULL};
    if (key != CLI_KEY_AUDIT) return ARGP_ERR_UNKNOWN;
    access->audit_required = cli_name_option(policies, key, arg, state) == 1;
    return 0;
}

lk_status cli_gallery_open(const char *path, bool write, const cli_access *access, lk_gallery **out,
                           lk_error *err) {
    (void)access;
    return lk_gallery_open(path, write ? 0 : LK_GALLERY_READ_ONLY, out, err);
}

/* A search changes nothing but the account of it: a gallery that cannot be written can be searched, and
 * whoever does so is told that nobody will know. */
lk_status cli_gallery_open_to_search(const char *path, const cli_access *access, lk_gallery **out,
                                     bool *recorded, lk_error *err) {
    lk_error why;
    lk_status status = cli_gallery_open(path, true, access, out, &why);
    *recorded = status == LK_OK;
    if (status == LK_IO && !access->audit_required &&
        cli_gallery_open(path, false, access, out, err) == LK_OK) {
        cli_say("%s: cannot be written: searches are NOT recorded in its audit", path);
        return LK_OK;
    }
    if (status != LK_OK && err) *err = why;
    return status;
}

lk_status cli_probe_hash(const char *path, uint8_t hash[LK_PROBE_HASH_BYTES], lk_error *err) {
    uint8_t *bytes = NULL;
    size_t size = 0, room = 0;
    FILE *file = fopen(path, "rb");
    while (file && !ferror(file) && !feof(file)) {
        if (size == room) bytes = cli_grow(bytes, room = room ? 2 * room : 1 << 18, 1);
        size += fread(bytes + size, 1, room - size, file);
    }
    bool read = file && !ferror(file);
    int why = errno;
    if (file) fclose(file);
    if (read) lk_probe_hash(bytes, size, hash);
    free(bytes);
    if (read) return LK_OK;
    if (err) {
        err->status = LK_IO;
        snprintf(err->message, sizeof err->message, "%.400s: cannot read it again to record the search: %s",
                 path, strerror(why));
    }
    return LK_IO;
}
