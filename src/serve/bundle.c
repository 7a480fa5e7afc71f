/* bundle.c: many photos in one upload. What a ZIP calls its members is a label here: nothing is unpacked to a
 * disk, so no name can climb out of anywhere. Sizes are counted as bytes come out, whatever the headers
 * promise: a small ZIP may hold a mountain. */
#include "bundle.h"

#include "server.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS_MAX = 100000, PARTS_MAX = 5000 };

struct serve_bundle {
    const uint8_t *bytes;
    size_t size, item_limit, left; /* bytes that may still come out */
    size_t count, at;
    struct archive *zip;
    uint8_t *item;
    serve_part *parts;
};

static lk_status no_zip(lk_error *err, const char *why) {
    return serve_fail(err, LK_FORMAT, "the ZIP file is damaged or of a kind that is not read: %.200s",
                      why ? why : "no more is known");
}

static lk_status zip_begin(serve_bundle *b, lk_error *err) {
    if (b->zip) archive_read_free(b->zip);
    b->zip = archive_read_new();
    if (!b->zip) return serve_fail(err, LK_NO_MEMORY, "no memory for a ZIP file");
    archive_read_support_format_zip_seekable(b->zip); /* no other format, and no filter */
    if (archive_read_open_memory(b->zip, b->bytes, b->size) != ARCHIVE_OK)
        return no_zip(err, archive_error_string(b->zip));
    return LK_OK;
}

static const char *entry_name(struct archive_entry *entry) {
    const char *name = archive_entry_pathname_utf8(entry);
    return name ? name : archive_entry_pathname(entry);
}

/* Photos only: folders, links, hidden files and what some systems put beside them are none. */
static bool entry_wanted(struct archive_entry *entry) {
    const char *name = entry_name(entry);
    if (!name || archive_entry_filetype(entry) != AE_IFREG || !*name) return false;
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (*part == '.' || *part == '/' || *part == 0 || strncmp(part, "__MACOSX/", 9) == 0) return false;
    }
    return true;
}

static lk_status zip_count(serve_bundle *b, lk_error *err) {
    struct archive_entry *entry;
    lk_status status = zip_begin(b, err);
    int code = ARCHIVE_OK;
    while (status == LK_OK &&
           ((code = archive_read_next_header(b->zip, &entry)) == ARCHIVE_OK || code == ARCHIVE_WARN)) {
        b->count += entry_wanted(entry);
        if (b->count > ITEMS_MAX)
            status = serve_fail(err, LK_TOO_LARGE, "the ZIP file has more than %d photos", ITEMS_MAX);
    }
    if (status == LK_OK && code != ARCHIVE_EOF) status = no_zip(err, archive_error_string(b->zip));
    return status == LK_OK ? zip_begin(b, err) : status;
}

lk_status serve_bundle_open(const char *content_type, const uint8_t *bytes, size_t size, size_t item_limit,
                            size_t all_limit, serve_bundle **out, lk_error *err) {
    serve_bundle *b = calloc(1, sizeof *b);
    if (!b) return serve_fail(err, LK_NO_MEMORY, "no memory for an upload");
    b->bytes = bytes;
    b->size = size;
    b->item_limit = item_limit;
    b->left = all_limit;
    lk_status status;
    if (serve_text_is(content_type, "multipart/form-data")) {
        b->parts = calloc(PARTS_MAX, sizeof *b->parts);
        status = b->parts
                     ? serve_multipart_parse(content_type, bytes, size, b->parts, PARTS_MAX, &b->count, err)
                     : serve_fail(err, LK_NO_MEMORY, "no memory for an upload");
    } else if (size >= 4 && memcmp(bytes, "PK", 2) == 0) {
        b->item = malloc(item_limit);
        status = b->item ? zip_count(b, err) : serve_fail(err, LK_NO_MEMORY, "no memory for an upload");
    } else {
        status =
            serve_fail(err, LK_FORMAT, "the upload is neither a ZIP file nor a multipart/form-data body");
    }
    if (status == LK_OK && b->count == 0) status = serve_fail(err, LK_EMPTY, "the upload holds no photos");
    if (status != LK_OK) {
        serve_bundle_free(b);
        return status;
    }
    *out = b;
    return LK_OK;
}

void serve_bundle_free(serve_bundle *b) {
    if (!b) return;
    if (b->zip) archive_read_free(b->zip);
    free(b->item);
    free(b->parts);
    free(b);
}

size_t serve_bundle_count(const serve_bundle *b) {
    return b->count;
}

static lk_status part_next(serve_bundle *b, serve_item *item, lk_error *err) {
    const serve_part *p = &b->parts[b->at++];
    snprintf(item->photo, sizeof item->photo, "%s", *p->file ? p->file : p->name);
    item->bytes = p->bytes;
    item->size = p->size;
    if (p->size > b->item_limit)
        return serve_fail(err, LK_TOO_LARGE, "%s: %zu bytes, over the limit of %zu", item->photo, p->size,
                          b->item_limit);
    return LK_OK;
}

/* The last folder is the person, what follows the photo. */
static lk_status name_item(const char *name, serve_item *item, lk_error *err) {
    const char *slash = strrchr(name, '/'), *photo = slash ? slash + 1 : name, *person = slash;
    while (person && person > name && person[-1] != '/') person--;
    size_t size = person ? (size_t)(slash - person) : 0;
    bool good = serve_text_utf8(name, strlen(name)) && strlen(photo) < sizeof item->photo &&
                size < sizeof item->person;
    snprintf(item->photo, sizeof item->photo, "%s", good ? photo : "a photo");
    if (!good) return serve_fail(err, LK_INVALID, "a name in the ZIP file is too long, or no UTF-8");
    memcpy(item->person, person ? person : "", size);
    item->person[size] = 0;
    return LK_OK;
}

static lk_status zip_bytes(serve_bundle *b, serve_item *item, lk_error *err) {
    size_t limit = b->item_limit < b->left ? b->item_limit : b->left;
    for (;;) {
        uint8_t extra;
        bool full = item->size == limit;
        la_ssize_t got =
            archive_read_data(b->zip, full ? &extra : b->item + item->size, full ? 1 : limit - item->size);
        if (got < 0)
            return serve_fail(err, LK_FORMAT, "%s: cannot be unpacked: %.200s", item->photo,
                              archive_error_string(b->zip));
        if (got == 0) break;
        if (full)
            return serve_fail(err, LK_TOO_LARGE, "%s: unpacks to more than %zu bytes", item->photo, limit);
        item->size += (size_t)got;
    }
    b->left -= item->size;
    item->bytes = b->item;
    return LK_OK;
}

lk_status serve_bundle_next(serve_bundle *b, serve_item *item, bool *end, lk_error *err) {
    struct archive_entry *entry;
    memset(item, 0, sizeof *item);
    *end = false;
    if (b->parts) {
        *end = b->at == b->count;
        return *end ? LK_OK : part_next(b, item, err);
    }
    for (;;) {
        int code = archive_read_next_header(b->zip, &entry);
        *end = code != ARCHIVE_OK && code != ARCHIVE_WARN;
        if (code == ARCHIVE_EOF) return LK_OK;
        if (*end) return no_zip(err, archive_error_string(b->zip));
        if (entry_wanted(entry)) break;
    }
    lk_status status = name_item(entry_name(entry), item, err);
    return status == LK_OK ? zip_bytes(b, item, err) : status;
}
