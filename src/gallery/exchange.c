/* exchange.c: small things that files of this room need who read and write folders. */
#include "gallery/exchange.h"

#include <fcntl.h>
#include <libgen.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *lk__path_join(const char *folder, const char *name) {
    char *path = NULL;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

void *lk__grow(void *array, size_t count, size_t size) {
    if (count & (count - 1)) return array; /* only when count reaches a power of two */
    size_t room = count ? 2 * count : 1;
    return room > SIZE_MAX / size ? NULL : realloc(array, room * size);
}

const char *lk__real_text(double value, char text[40]) {
    text[0] = 0;
    if (isfinite(value)) snprintf(text, 40, "%.17g", value);
    return text;
}

void lk__folder_sync(const char *path) {
    char *copy = strdup(path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(copy);
}
