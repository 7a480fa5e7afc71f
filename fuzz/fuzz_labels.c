/* fuzz_labels.c: any bytes as a labels file. What is accepted must be photos with a path, and faces of a
 * size. */
#include "face/labels.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(const lk__labelled *photo) {
    LK__CHECK(strlen(photo->path), >, 0);
    LK__CHECK(photo->image == NULL, ==, 1);
    for (size_t i = 0; i < photo->count; i++) {
        const lk_face *f = &photo->label[i].face;
        const float *numbers = &f->x; /* box and points lie side by side */
        for (int k = 0; k < 4 + 2 * LK_FACE_POINTS; k++) LK__CHECK(fabsf(numbers[k]) <= 1e6F, ==, 1);
        /* Tiny sizes may round to nothing. */
        LK__CHECK(f->width >= 0 && f->height >= 0, ==, 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    int fd = memfd_create("labels", 0);
    if (fd < 0) return 0;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    lk__labels labels;
    if (write(fd, bytes, size) == (ssize_t)size && lk__labels_read(path, &labels, NULL) == LK_OK) {
        LK__CHECK(labels.count, >, 0);
        for (size_t i = 0; i < labels.count; i++) check(&labels.photo[i]);
        lk__labels_free(&labels);
    }
    close(fd);
    return 0;
}
