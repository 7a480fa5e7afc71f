/* galleries.c: opening galleries, and accounting for what is done with them (docs/privacy.md). */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KEY_VARIABLE "LIKENESS_GALLERY_KEY"

error_t cli_access_parse(cli_access *access, int key, char *arg, struct argp_state *state) {
    static const char *const policies[] = {"auto", "required", NULL};
    switch (key) {
    case CLI_KEY_AUDIT: access->audit_required = cli_name_option(policies, key, arg, state) == 1; return 0;
    case CLI_KEY_KEY_FILE: access->key_file = arg; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- keys --------------------------------------------------------------------------------------------- */

static lk_status fail(lk_error *err, lk_status status, const char *where, const char *why) {
    if (err) {
        err->status = status;
        snprintf(err->message, sizeof err->message, "%.400s: %s", where, why);
    }
    return status;
}

static int digit(char c) {
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)((at - digits) % 16) : -1;
}

/* 64 hex digits, and white space after them. */
static bool key_of(const char *text, uint8_t key[LK_GALLERY_KEY_BYTES]) {
    for (size_t i = 0; i < LK_GALLERY_KEY_BYTES; i++) {
        int high = digit(text[2 * i]), low = high < 0 ? -1 : digit(text[2 * i + 1]);
        if (low < 0) return false;
        key[i] = (uint8_t)(16 * high + low);
    }
    const char *rest = text + 2 * LK_GALLERY_KEY_BYTES;
    return strspn(rest, " \t\r\n") == strlen(rest);
}

/* *given false: there is none. */
static lk_status key_read(const cli_access *access, uint8_t key[LK_GALLERY_KEY_BYTES], bool *given,
                          lk_error *err) {
    const char *text = getenv(KEY_VARIABLE), *where = KEY_VARIABLE;
    char room[256] = "";
    *given = access->key_file || (text && *text);
    if (!*given) return LK_OK;
    if (access->key_file) {
        where = access->key_file;
        FILE *file = fopen(where, "r");
        struct stat st;
        if (!file) return fail(err, LK_IO, where, strerror(errno));
        if (fstat(fileno(file), &st) == 0 && (st.st_mode & 077))
            cli_say("%s: others can read this key; chmod 600 takes it from them", where);
        size_t size = fread(room, 1, sizeof room - 1, file);
        fclose(file);
        room[size] = 0;
        text = room;
    }
    bool good = key_of(text, key);
    memset(room, 0, sizeof room);
    return good ? LK_OK
                : fail(err, LK_FORMAT, where,
                       "is no key: 64 hex digits are expected, as openssl rand -hex 32 gives");
}

/* ---- opening ------------------------------------------------------------------------------------------ */

lk_status cli_gallery_create(const char *path, const lk_vector_kind *kind, bool encrypt,
                             const cli_access *access, lk_gallery **out, lk_error *err) {
    uint8_t key[LK_GALLERY_KEY_BYTES];
    bool given = false;
    if (!encrypt) return lk_gallery_create(path, kind, out, err);
    lk_status status = key_read(access, key, &given, err);
    if (status == LK_OK && !given)
        status = fail(err, LK_INVALID, "--encrypt",
                      "give the key with --key-file or in " KEY_VARIABLE "; openssl rand -hex 32 makes one");
    const lk_gallery_options options = {.key = key};
    if (status == LK_OK) status = lk_gallery_create_with(path, kind, &options, out, err);
    memset(key, 0, sizeof key);
    return status;
}

lk_status cli_gallery_open(const char *path, bool write, const cli_access *access, lk_gallery **out,
                           lk_error *err) {
    uint8_t key[LK_GALLERY_KEY_BYTES];
    bool given = false;
    lk_gallery_info info;
    lk_gallery *gallery = NULL;
    lk_status status = key_read(access, key, &given, err);
    if (status != LK_OK) return status;
    const lk_gallery_options options = {.flags = write ? 0 : LK_GALLERY_READ_ONLY, .key = given ? key : NULL};
    status = lk_gallery_open_with(path, &options, &gallery, err);
    memset(key, 0, sizeof key);
    if (status == LK_MISMATCH && !given)
        cli_say("the key of a gallery is given with --key-file, or in " KEY_VARIABLE);
    if (status == LK_OK && access->key_file) status = lk_gallery_get_info(gallery, &info, err);
    if (status == LK_OK && access->key_file && !info.encrypted)
        status = fail(err, LK_MISMATCH, lk_gallery_name(gallery),
                      "the gallery is not encrypted: no key belongs to it");
    if (status == LK_OK)
        *out = gallery;
    else
        lk_gallery_close(gallery);
    return status;
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
        cli_say("%s: cannot be written: this is NOT recorded in its audit", lk_gallery_name(*out));
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
    char text[200];
    snprintf(text, sizeof text, "cannot read it again to record the search: %s", strerror(why));
    return fail(err, LK_IO, path, text);
}
