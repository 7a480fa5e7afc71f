/* bad.c: photos that could not be used. One of them never stops the rest: the first are told at once, so that
 * a wrong folder is seen early, and all are counted by kind and listed at the end. */
#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { TOLD = 10, LISTED = 1000 };

static const char *const kind_names[CLI_BAD_KINDS] = {
    [CLI_UNREADABLE] = "unreadable",
    [CLI_NO_FACE] = "without a face",
    [CLI_SEVERAL_FACES] = "with several faces",
    [CLI_BAD_NAME] = "with a name that cannot be kept",
    [CLI_POOR] = "of too little quality",
};

/* Does the message begin with the file, as most of the library's do? There a control character is a '?'. */
static bool names_file(const char *message, const char *path) {
    for (; *path; path++, message++)
        if (*message != *path && !(*message == '?' && ((unsigned char)*path < 32 || *path == 127)))
            return false;
    return true;
}

static void add(cli_bad *bad, cli_bad_kind kind, char *line) {
    bad->lines = cli_grow(bad->lines, bad->count + 1, sizeof *bad->lines);
    bad->lines[bad->count++] = line;
    bad->kind[kind]++;
    if (bad->count <= TOLD) cli_say("%s", line);
    if (bad->count == TOLD) cli_say("further photos that cannot be used are only counted until the end");
}

void cli_bad_add(cli_bad *bad, const char *path, const lk_error *why) {
    add(bad, CLI_UNREADABLE,
        names_file(why->message, path) ? cli_format("%s", why->message)
                                       : cli_format("%s: %s", path, why->message));
}

void cli_bad_say(cli_bad *bad, cli_bad_kind kind, const char *path, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char what[256];
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    add(bad, kind, cli_format("%s: %s", path, what));
}

char *cli_bad_kinds(const cli_bad *bad) {
    char *text = cli_format("%s", bad->count ? "" : "none");
    for (int i = 0; i < CLI_BAD_KINDS; i++) {
        if (!bad->kind[i]) continue;
        char *longer = cli_format("%s%s%zu %s", text, *text ? ", " : "", bad->kind[i], kind_names[i]);
        free(text);
        text = longer;
    }
    return text;
}

void cli_bad_finish(cli_bad *bad, bool list) {
    if (list && bad->count > 0) {
        char *kinds = cli_bad_kinds(bad);
        cli_say("%zu %s could not be used, %s:", bad->count, bad->count == 1 ? "photo" : "photos", kinds);
        free(kinds);
        for (size_t i = 0; i < bad->count && i < LISTED; i++) cli_say("  %s", bad->lines[i]);
        if (bad->count > LISTED) cli_say("  and %zu more", bad->count - LISTED);
    }
    for (size_t i = 0; i < bad->count; i++) free(bad->lines[i]);
    free(bad->lines);
    *bad = (cli_bad){0};
}
