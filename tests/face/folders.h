/* folders.h: a scratch folder for a test, and files in it; gone at the end. */
#ifndef LK_TEST_FOLDERS_H
#define LK_TEST_FOLDERS_H

#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch[PATH_MAX / 4];

static inline int scratch_make(void) {
    const char *base = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%s/likeness-test-XXXXXX", base && *base ? base : "/tmp");
    return mkdtemp(scratch) ? 0 : -1;
}

static inline int scratch_drop_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static inline int scratch_drop(void) {
    return nftw(scratch, scratch_drop_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* As cmocka's fixtures. */
static inline int scratch_setup(void **state) {
    (void)state;
    return scratch_make();
}

static inline int scratch_teardown(void **state) {
    (void)state;
    return scratch_drop();
}

/* "SCRATCH/..." in one of a few buffers, good until the eighth next call. */
__attribute__((format(printf, 1, 2))) static inline const char *at(const char *format, ...) {
    static char paths[8][PATH_MAX];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    size_t used = (size_t)snprintf(path, PATH_MAX, "%s/", scratch);
    va_list args;
    va_start(args, format);
    vsnprintf(path + used, PATH_MAX - used, format, args);
    va_end(args);
    return path;
}

/* Make every folder that leads to `path`. */
static inline void make_folders_to(const char *path) {
    char *copy = strdup(path);
    for (char *slash = copy + strlen(scratch) + 1; copy && (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(copy, 0777);
        *slash = '/';
    }
    free(copy);
}

static inline void write_bytes(const char *path, const void *bytes, size_t size) {
    make_folders_to(path);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        abort();
    }
}

static inline void touch(const char *path) {
    write_bytes(path, "", 0);
}

#endif
