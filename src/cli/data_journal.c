/* data_journal.c: the journal of what was moved: one line a move, written and on disk before the move is
 * made. A line that a power cut left half written was followed by no move, and is skipped. */
#include "data_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char header[] = "from\tto\twhy\n";

/* ---- reading ------------------------------------------------------------------------------------------- */

static int hex(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undo cli_escape(text, true) in place. */
static void unescape(char *text) {
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (*in != '\\' || !in[1]) {
            *out++ = *in;
            continue;
        }
        in++;
        if (*in == 'x' && hex(in[1]) >= 0 && hex(in[2]) >= 0) {
            *out++ = (char)(hex(in[1]) * 16 + hex(in[2]));
            in += 2;
        } else {
            *out++ = *in == 't' ? '\t' : *in == 'n' ? '\n' : *in == 'r' ? '\r' : *in;
        }
    }
    *out = 0;
}

/* A journal may come from elsewhere: it must not reach out of MOVED. */
static bool stays_inside(const char *path) {
    if (!*path || *path == '/') return false;
    for (const char *part = path; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == 0)) return false;
    }
    return true;
}

static void add_line(data_journal *j, char *line) {
    char *to = strchr(line, '\t'), *why = to ? strchr(to + 1, '\t') : NULL;
    if (!why) return;
    *to++ = 0;
    *why = 0;
    unescape(line);
    unescape(to);
    if (line[0] != '/' || !stays_inside(to)) return;
    j->items = cli_grow(j->items, j->count + 1, sizeof *j->items);
    j->items[j->count++] = (data_moved){cli_format("%s", line), cli_format("%s", to)};
}

/* 0; the file ends within a line: 1; it is no journal: -1. */
static int read_lines(data_journal *j) {
    FILE *file = fopen(j->path, "r");
    if (!file) return -1;
    char *line = NULL;
    size_t room = 0, number = 0;
    ssize_t length;
    int result = 0;
    while (result == 0 && (length = getline(&line, &room, file)) > 0) {
        if (line[length - 1] != '\n')
            result = 1;
        else if (number++ == 0)
            result = strcmp(line, header) == 0 ? 0 : -1;
        else
            add_line(j, line);
    }
    free(line);
    fclose(file);
    return number == 0 && result == 1 ? -1 : result;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static bool put(int fd, const char *text) {
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t n = write(fd, text, left);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        text += n;
        left -= (size_t)n;
    }
    return fsync(fd) == 0;
}

static int cannot_write(const data_journal *j) {
    cli_say("%s: cannot write: %s", j->path, strerror(errno));
    return CLI_SYSTEM;
}

/* A header that a power cut left half written was followed by nothing. */
static bool is_torn_header(const data_journal *j, off_t size) {
    char text[sizeof header];
    return size < (off_t)strlen(header) && pread(j->fd, text, (size_t)size, 0) == size &&
           memcmp(text, header, (size_t)size) == 0;
}

static int begin(data_journal *j, const char *moved) {
    struct stat st;
    if (fstat(j->fd, &st) != 0) return cannot_write(j);
    if (st.st_size > 0 && is_torn_header(j, st.st_size) && ftruncate(j->fd, st.st_size = 0) != 0)
        return cannot_write(j);
    int state = st.st_size > 0 ? read_lines(j) : 0;
    if (state < 0) {
        cli_say("%s: is no journal of likeness data check --fix", j->path);
        return CLI_INPUT;
    }
    if (st.st_size > 0 && state == 0) return CLI_OK;
    if (!put(j->fd, state ? "\n" : header)) return cannot_write(j);
    int folder = open(moved, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
        (void)fsync(folder);
        close(folder);
    }
    return CLI_OK;
}

int data_journal_open(const char *moved, bool make, data_journal *journal) {
    data_journal j = {.path = cli_format("%s/journal.tsv", moved)};
    int code = CLI_OK;
    j.fd = open(j.path, O_RDWR | O_APPEND | O_CLOEXEC | (make ? O_CREAT : 0), 0666);
    if (j.fd < 0) {
        cli_say("%s: cannot open: %s", j.path, strerror(errno));
        code = errno == ENOENT || errno == ENOTDIR ? CLI_INPUT : CLI_SYSTEM;
    } else if (flock(j.fd, LOCK_EX | LOCK_NB) != 0) {
        cli_say("%s: in use by another process", j.path);
        code = CLI_SYSTEM;
    } else {
        code = begin(&j, moved);
    }
    if (code == CLI_OK)
        *journal = j;
    else
        data_journal_close(&j);
    return code;
}

void data_journal_add(data_journal *j, const char *from, const char *to, const char *why) {
    char *parts[3] = {cli_escape(from, true), cli_escape(to, true), cli_escape(why, true)};
    char *more = cli_format("%s%s\t%s\t%s\n", j->pending ? j->pending : "", parts[0], parts[1], parts[2]);
    for (int i = 0; i < 3; i++) free(parts[i]);
    free(j->pending);
    j->pending = more;
}

int data_journal_sync(data_journal *j) {
    int code = !j->pending || put(j->fd, j->pending) ? CLI_OK : cannot_write(j);
    free(j->pending);
    j->pending = NULL;
    return code;
}

void data_journal_remove(const char *moved, data_journal *j) {
    char *folder = cli_format("%s", moved), *roots[] = {folder, NULL};
    unlink(j->path);
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *e; walk && (e = fts_read(walk));) {
        /* The mark, and what a run that was killed left of one. */
        bool mark = e->fts_level == 1 && strncmp(e->fts_name, DATA_MOVED_MARK, strlen(DATA_MOVED_MARK)) == 0;
        if (e->fts_info == FTS_F && mark) unlink(e->fts_path);
        if (e->fts_info == FTS_DP) (void)rmdir(e->fts_path); /* which spares what is not empty */
    }
    if (walk) fts_close(walk);
    free(folder);
}

void data_journal_close(data_journal *j) {
    if (j->path && j->fd >= 0) close(j->fd);
    for (size_t i = 0; i < j->count; i++) {
        free(j->items[i].from);
        free(j->items[i].to);
    }
    free(j->items);
    free(j->pending);
    free(j->path);
    *j = (data_journal){.fd = -1};
}
