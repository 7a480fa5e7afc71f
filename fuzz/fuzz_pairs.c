/* fuzz_pairs.c: any bytes as a file of pairs. What is accepted must point at photos that are there. */
#include "base/base.h"
#include "likeness/eval.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    int fd = memfd_create("pairs", 0);
    if (fd < 0) return 0;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    lk_pairs pairs;
    if (write(fd, bytes, size) == (ssize_t)size && lk_pairs_load(path, &pairs, NULL) == LK_OK) {
        for (size_t i = 0; i < pairs.count; i++) {
            LK__CHECK(pairs.items[i].a, <, pairs.photo_count);
            LK__CHECK(pairs.items[i].b, <, pairs.photo_count);
            LK__CHECK(pairs.items[i].same == 0 || pairs.items[i].same == 1, ==, 1);
        }
        for (size_t i = 0; i < pairs.photo_count; i++) LK__CHECK(strlen(pairs.photos[i]), >, 0);
        lk_pairs_free(&pairs);
    }
    close(fd);
    return 0;
}
