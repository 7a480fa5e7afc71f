/* fuzz_gallery.c: any bytes as a gallery. What opens is walked, searched and closed; an error is a good
 * answer. */
#include "base/base.h"
#include "likeness/gallery.h"

#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int count_person(void *context, const char *person, size_t photos, const char *added) {
    size_t *people = context;
    LK__CHECK(person && added, ==, 1);
    LK__CHECK(photos, <, 1 << 20);
    return ++*people > 1000;
}

static int count_row(void *context, const lk_audit_row *row) {
    size_t *rows = context;
    LK__CHECK(row->hash || row->fault, ==, 1);
    return ++*rows > 1000;
}

static int count_photo(void *context, const lk_gallery_photo *photo) {
    size_t *photos = context;
    LK__CHECK(photo->person && photo->photo, ==, 1);
    return ++*photos > 1000;
}

static void nothing(void *context, const char *finding) {
    (void)context;
    LK__CHECK(finding != NULL, ==, 1);
}

static void use(lk_gallery *gallery) {
    lk_gallery_info info;
    size_t people = 0;
    if (lk_gallery_get_info(gallery, &info, NULL) != LK_OK) return;
    LK__CHECK(info.dim, >, 0);
    (void)lk_gallery_each_person(gallery, count_person, &people, NULL);
    size_t rows = 0, photos = 0;
    (void)lk_gallery_each_audit(gallery, NULL, count_row, &rows, NULL);
    (void)lk_gallery_each_photo(gallery, NULL, count_photo, &photos, NULL);
    (void)lk_gallery_check(gallery, nothing, NULL, NULL);
    float *probe = calloc((size_t)info.dim, sizeof *probe);
    lk_matches matches;
    if (probe) probe[0] = 1;
    if (probe && lk_gallery_search(gallery, probe, 5, &matches, NULL) == LK_OK) {
        LK__CHECK(matches.count, <=, 5);
        lk_matches_free(&matches);
    }
    free(probe);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char folder[] = "/tmp/likeness-fuzz.XXXXXX", path[64];
    if (!mkdtemp(folder)) return 0;
    snprintf(path, sizeof path, "%s/gallery", folder);
    FILE *file = fopen(path, "wb");
    if (file) {
        fwrite(bytes, 1, size, file);
        fclose(file);
        lk_gallery *gallery = NULL;
        if (lk_gallery_open(path, LK_GALLERY_READ_ONLY, &gallery, NULL) == LK_OK) use(gallery);
        lk_gallery_close(gallery);
    }
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char name[80];
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
    rmdir(folder);
    return 0;
}
