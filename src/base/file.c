/* file.c: whole-file read, and atomic write: a temporary file beside PATH, fsync, rename, fsync of the
 * folder. Interrupted anywhere, PATH is what it was before. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

lk_status lk__file_read(const char *path, size_t limit, uint8_t **bytes, size_t *size, lk_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return lk__fail_errno(err, "open", path);
    struct stat st;
    uint8_t *buffer = NULL;
    lk_status status = LK_OK;
    if (fstat(fd, &st) != 0) {
        status = lk__fail_errno(err, "stat", path);
    } else if (S_ISDIR(st.st_mode)) {
        status = lk__fail(err, LK_IO, "%s: is a folder, a file was expected", path);
    } else if (st.st_size > 0 && (uint64_t)st.st_size > limit) {
        status = lk__fail(err, LK_TOO_LARGE, "%s: %lld bytes, the limit is %zu", path, (long long)st.st_size,
                          limit);
    }
    /* Read to the end rather than st_size bytes: a pipe has no size, and a file may grow. */
    size_t have = 0, room = st.st_size > 0 && status == LK_OK ? (size_t)st.st_size + 1 : 65536;
    while (status == LK_OK) {
        uint8_t *grown = realloc(buffer, room + 1);
        if (!grown) {
            status = lk__fail_memory(err, room, path);
            break;
        }
        buffer = grown;
        ssize_t got = read(fd, buffer + have, room - have);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) status = lk__fail_errno(err, "read", path);
        if (got <= 0) break;
        have += (size_t)got;
        if (have > limit)
            status = lk__fail(err, LK_TOO_LARGE, "%s: over the limit of %zu bytes", path, limit);
        if (have == room) room += room / 2;
    }
    close(fd);
    if (status != LK_OK) {
        free(buffer);
        return status;
    }
    buffer[have] = 0;
    *bytes = buffer;
    *size = have;
    return LK_OK;
}

struct lk__writer {
    int fd;
    char *path, *temporary;
};

lk_status lk__writer_open(const char *path, lk__writer **out, lk_error *err) {
    lk__writer *w = calloc(1, sizeof *w);
    size_t room = strlen(path) + 32;
    if (w) w->path = strdup(path);
    if (w) w->temporary = malloc(room);
    if (!w || !w->path || !w->temporary) {
        if (w) {
            free(w->path);
            free(w->temporary);
        }
        free(w);
        return lk__fail_memory(err, room, path);
    }
    snprintf(w->temporary, room, "%s.tmp.%ld", path, (long)getpid());
    w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (w->fd < 0) {
        lk_status status = lk__fail_errno(err, "write", path);
        free(w->path);
        free(w->temporary);
        free(w);
        return status;
    }
    *out = w;
    return LK_OK;
}

lk_status lk__writer_write(lk__writer *w, const void *bytes, size_t size, lk_error *err) {
    const char *p = bytes;
    while (size > 0) {
        ssize_t put = write(w->fd, p, size);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return lk__fail_errno(err, "write", w->path);
        p += put;
        size -= (size_t)put;
    }
    return LK_OK;
}

void lk__writer_abort(lk__writer *w) {
    if (!w) return;
    if (w->fd >= 0) close(w->fd);
    unlink(w->temporary);
    free(w->path);
    free(w->temporary);
    free(w);
}

/* The rename itself must be on disk too. Best effort: some file systems refuse fsync on a folder. */
static void sync_folder(const char *path) {
    char *copy = strdup(path);
    if (!copy) return;
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(copy);
}

lk_status lk__writer_commit(lk__writer *w, lk_error *err) {
    lk_status status = LK_OK;
    if (fsync(w->fd) != 0 && errno != EINVAL) status = lk__fail_errno(err, "write", w->path);
    if (close(w->fd) != 0 && status == LK_OK) status = lk__fail_errno(err, "write", w->path);
    w->fd = -1;
    if (status == LK_OK && rename(w->temporary, w->path) != 0)
        status = lk__fail_errno(err, "rename to", w->path);
    if (status == LK_OK) sync_folder(w->path);
    lk__writer_abort(w); /* after a rename there is nothing left to unlink */
    return status;
}
