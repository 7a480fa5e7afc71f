/* replay.c: a main for the fuzzers where libFuzzer is not: runs each file of the given folders once, in order
 * of name. So what a fuzzer once found stays found, in every build and with every compiler. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { SEED_MAX = 1 << 20 };

static int visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int replay(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    static uint8_t buffer[SEED_MAX];
    size_t size = fread(buffer, 1, sizeof buffer, file);
    fclose(file);
    /* A copy of exactly this size, so that a sanitizer sees the first byte read past its end. */
    uint8_t *bytes = malloc(size ? size : 1);
    if (!bytes) return 1;
    memcpy(bytes, buffer, size);
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    return 0;
}

int main(int argc, char **argv) {
    int done = 0, failed = 0;
    for (int i = 1; i < argc; i++) {
        struct dirent **entries;
        int count = scandir(argv[i], &entries, visible, alphasort);
        if (count < 0) {
            perror(argv[i]);
            return 1;
        }
        for (int j = 0; j < count; j++) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], entries[j]->d_name);
            failed += replay(path);
            done++;
            free(entries[j]);
        }
        free(entries);
    }
    printf("%d inputs replayed\n", done);
    return failed || done == 0;
}
