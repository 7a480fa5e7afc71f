/* folders.c: photos of folders, folders of results, and the mark of a folder of aligned faces.
 *
 * A folder that a verb filled holds a hidden file saying by which options. It tells the same command, begun
 * again, that it may go on; and for aligned faces (likeness crop) it tells every verb that reads photos that
 * these are to be taken whole, and how much room is around them (docs/formats.md). */
#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- photos of folders ---------------------------------------------------------------------------- */

bool cli_is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool has_photo_name(const char *name) { /* as lk_dataset_open has it */
    static const char *const endings[] = {".jpg", ".jpeg", ".png", ".webp"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && dot != name && i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot, endings[i]) == 0) return true;
    return false;
}

static void file_add(cli_files *files, const char *path, size_t name_at) {
    files->items = cli_grow(files->items, files->count + 1, sizeof *files->items);
    files->items[files->count++] = (cli_file){cli_format("%s", path), name_at};
}

static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void walk_entry(FTS *walk, FTSENT *e, cli_files *files, size_t name_at, bool skip_aligned,
                       cli_bad *bad) {
    bool hidden = e->fts_level > 0 && e->fts_name[0] == '.';
    switch (e->fts_info) {
    case FTS_D:
        if (hidden) {
            fts_set(walk, e, FTS_SKIP);
        } else if (skip_aligned && cli_aligned_room(e->fts_path) > 0) {
            cli_say("%s: holds aligned faces already; left out", e->fts_path);
            fts_set(walk, e, FTS_SKIP);
        }
        break;
    case FTS_F:
        if (!hidden && has_photo_name(e->fts_name)) file_add(files, e->fts_path, name_at);
        break;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS: cli_bad_say(bad, CLI_UNREADABLE, e->fts_path, "%s", strerror(e->fts_errno)); break;
    case FTS_SLNONE:
        if (!hidden && has_photo_name(e->fts_name))
            cli_bad_say(bad, CLI_UNREADABLE, e->fts_path, "a link to nowhere");
        break;
    default: break; /* FTS_DC: a link that leads back to where it is */
    }
}

void cli_files_add(cli_files *files, const char *path, bool skip_aligned, cli_bad *bad) {
    if (!cli_is_folder(path)) {
        const char *slash = strrchr(path, '/');
        file_add(files, path, slash ? (size_t)(slash - path) + 1 : 0);
        return;
    }
    char *folder = cli_format("%s", path), *roots[] = {folder, NULL};
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/') folder[--length] = 0;
    FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    if (walk) {
        size_t name_at = length + (folder[length - 1] != '/');
        for (FTSENT *e; (e = fts_read(walk));) walk_entry(walk, e, files, name_at, skip_aligned, bad);
        fts_close(walk);
    } else {
        cli_bad_say(bad, CLI_UNREADABLE, path, "%s", strerror(errno));
    }
    free(folder);
}

void cli_files_free(cli_files *files) {
    for (size_t i = 0; i < files->count; i++) free(files->items[i].path);
    free(files->items);
    *files = (cli_files){0};
}

/* ---- folders of results --------------------------------------------------------------------------- */

int cli_folder_make(const char *path) {
    char *part = cli_format("%s", path);
    int failed = 0;
    for (char *slash = strchr(part + 1, '/'); slash && !failed; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        failed = mkdir(part, 0777) != 0 && errno != EEXIST;
        *slash = '/';
    }
    free(part);
    if (!failed && (mkdir(path, 0777) == 0 || errno == EEXIST)) return CLI_OK;
    cli_say("%s: cannot make the folder: %s", path, strerror(errno));
    return CLI_SYSTEM;
}

/* 1 nothing in it, 0 something, -1 an error that was told. A mark alone, or what a killed command left of
 * one, is nothing. */
static int folder_empty(const char *path, const char *mark_name) {
    DIR *folder = opendir(path);
    if (!folder) {
        cli_say("%s: cannot read the folder: %s", path, strerror(errno));
        return -1;
    }
    int empty = 1;
    for (struct dirent *entry; empty && (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strncmp(entry->d_name, mark_name, strlen(mark_name)) != 0)
            empty = 0;
    closedir(folder);
    return empty;
}

/* At most `size` - 1 bytes of a small file as text; false if it cannot be read. */
static bool mark_read(const char *path, char *text, size_t size) {
    FILE *file = fopen(path, "r");
    if (!file) return false;
    text[fread(text, 1, size - 1, file)] = 0;
    fclose(file);
    return true;
}

int cli_folder_claim(const char *path, const char *name, const char *mark) {
    int code = cli_folder_make(path);
    if (code != CLI_OK) return code;
    int empty = folder_empty(path, name);
    if (empty < 0) return CLI_SYSTEM;
    char *mark_path = cli_format("%s/%s", path, name), *found = cli_alloc(strlen(mark) + 2, 1);
    if (!empty && !(mark_read(mark_path, found, strlen(mark) + 2) && strcmp(found, mark) == 0)) {
        cli_say(
            "%s: the folder is not empty and was not begun by this same command; give another, or remove it",
            path);
        code = CLI_INPUT;
    } else if (empty) {
        cli_output output;
        code = cli_output_open(&output, mark_path);
        if (code == CLI_OK) {
            fputs(mark, output.file);
            code = cli_output_close(&output, true);
        }
    }
    free(found);
    free(mark_path);
    return code;
}

/* ---- aligned faces -------------------------------------------------------------------------------- */

double cli_aligned_room(const char *folder) {
    char *path = cli_format("%s/" CLI_ALIGNED_MARK, folder), text[1024];
    double room = 0;
    if (mark_read(path, text, sizeof text)) {
        const char *at = strstr(text, " room ");
        room = at ? strtod(at + strlen(" room "), NULL) : 0;
        if (!(room >= 1 && room <= 100)) room = 1; /* a mark all the same */
    }
    free(path);
    return room;
}

double cli_aligned_photo(cli_aligned *last, const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash ? cli_format("%.*s", (int)(slash - path) + 1, path) : cli_format("./");
    if (last->folder && strcmp(folder, last->folder) == 0) {
        free(folder);
        return last->room;
    }
    char *above = cli_format("%s..", folder);
    last->room = cli_aligned_room(folder);
    if (!(last->room > 0)) last->room = cli_aligned_room(above);
    free(above);
    free(last->folder);
    last->folder = folder;
    return last->room;
}
