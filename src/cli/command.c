/* command.c: for verbs that train: the command itself, to be kept with what it made, and a look ahead at
 * where that will go. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *cli_command_line(int argc, char **argv) {
    size_t size = 1;
    for (int i = 0; i < argc; i++) size += 4 * strlen(argv[i]) + 3;
    char *line = cli_alloc(size, 1), *out = line;
    for (int i = 0; i < argc; i++) {
        bool plain = i == 0 || !argv[i][strspn(argv[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                        "0123456789-_=+./,:@%")];
        if (i > 0) *out++ = ' ';
        if (!plain || !*argv[i]) *out++ = '\'';
        for (const char *c = argv[i]; *c; c++) {
            if (*c == '\'')
                out = stpcpy(out, "'\\''");
            else
                *out++ = *c;
        }
        if (!plain || !*argv[i]) *out++ = '\'';
    }
    *out = 0;
    return line;
}

/* Ninety minutes of training must not end in a folder that cannot be written. */
int cli_output_check(const char *path) {
    char *folder = cli_format("%s", path), *slash = strrchr(folder, '/');
    if (!slash)
        strcpy(folder, ".");
    else
        slash[slash == folder] = 0;
    int missing = access(folder, W_OK | X_OK) != 0;
    if (missing) cli_say("%s: cannot write in %s: %s", path, folder, strerror(errno));
    free(folder);
    return missing ? CLI_SYSTEM : CLI_OK;
}
