/* data_file.c: one file from here to there so that no moment is one in which it could be lost, and nothing
 * that is there is replaced: renameat2, or a hard link, which never replaces; onto another file system a copy
 * under a hidden name, fsync, rename, and only then the first is unlinked. */
#include "data_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool data_there(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0;
}

static void sync_folder_of(const char *path) {
    char *copy = cli_format("%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd); /* some file systems refuse it for folders */
        close(fd);
    }
    free(copy);
}

/* 0, or -1 with errno; EEXIST if `to` is there. EXDEV: another file system, or one that can neither refuse to
 * replace nor link. */
static int rename_new(const char *from, const char *to) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -1;
    if (link(from, to) == 0) return unlink(from);
    if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK) errno = EXDEV;
    return -1;
}

static int copy_bytes(int in, int out) {
    static const size_t room = 1 << 18;
    char *buffer = cli_alloc(room, 1);
    ssize_t got = 0;
    while ((got = read(in, buffer, room)) != 0) {
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) break;
        for (ssize_t at = 0; at < got;) {
            ssize_t put = write(out, buffer + at, (size_t)(got - at));
            if (put < 0 && errno == EINTR) continue;
            if (put < 0) {
                got = -1;
                break;
            }
            at += put;
        }
        if (got < 0) break;
    }
    int code = errno;
    free(buffer);
    errno = code;
    return got == 0 ? 0 : -1;
}

/* A whole copy at `part`, on disk, with the times and mode of the first. */
static int copy_file(const char *from, const char *part) {
    struct stat st;
    int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (in < 0) return -1;
    int out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int failed = out < 0 || fstat(in, &st) != 0 || copy_bytes(in, out) != 0;
    if (!failed) {
        struct timespec times[2] = {st.st_atim, st.st_mtim};
        (void)fchmod(out, st.st_mode & 07777); /* not every file system has modes */
        (void)futimens(out, times);
        failed = fsync(out) != 0;
    }
    int code = errno;
    if (out >= 0 && close(out) != 0 && !failed) {
        failed = 1;
        code = errno;
    }
    close(in);
    if (failed && out >= 0) unlink(part);
    errno = code;
    return failed ? -1 : 0;
}

static int copy_link(const char *from, const char *to) {
    char target[PATH_MAX];
    ssize_t length = readlink(from, target, sizeof target - 1);
    if (length < 0) return -1;
    target[length] = 0;
    return symlink(target, to);
}

static int move_across(const char *from, const char *to) {
    struct stat st;
    if (lstat(from, &st) != 0) return -1;
    if (data_there(to)) {
        errno = EEXIST;
        return -1;
    }
    if (S_ISLNK(st.st_mode)) {
        if (copy_link(from, to) != 0) return -1;
    } else {
        const char *slash = strrchr(to, '/');
        char *part =
            cli_format("%.*s.%s.part", slash ? (int)(slash - to) + 1 : 0, to, slash ? slash + 1 : to);
        int failed = copy_file(from, part);
        if (!failed && (failed = rename_new(part, to)) != 0 && errno == EXDEV)
            failed = data_there(to) ? -1 : rename(part, to); /* FAT has no other way; the journal is locked */
        int code = errno;
        if (failed) unlink(part);
        free(part);
        errno = code;
        if (failed) return -1;
    }
    sync_folder_of(to);
    return unlink(from);
}

int data_move_file(const char *from, const char *to) {
    int failed = rename_new(from, to);
    return failed && errno == EXDEV ? move_across(from, to) : failed;
}

bool data_same_bytes(const char *a, const char *b) {
    FILE *fa = fopen(a, "rb"), *fb = fopen(b, "rb");
    bool same = fa && fb;
    while (same) {
        char ba[65536], bb[65536];
        size_t na = fread(ba, 1, sizeof ba, fa), nb = fread(bb, 1, sizeof bb, fb);
        same = na == nb && memcmp(ba, bb, na) == 0 && !ferror(fa) && !ferror(fb);
        if (na < sizeof ba) break;
    }
    if (fa) fclose(fa);
    if (fb) fclose(fb);
    return same;
}

bool data_same_content(const char *a, const char *b) {
    struct stat sa, sb;
    if (lstat(a, &sa) != 0 || lstat(b, &sb) != 0) return false;
    if (sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino) return true;
    if (S_ISLNK(sa.st_mode) && S_ISLNK(sb.st_mode)) {
        char ta[PATH_MAX], tb[PATH_MAX];
        ssize_t na = readlink(a, ta, sizeof ta), nb = readlink(b, tb, sizeof tb);
        return na >= 0 && na == nb && memcmp(ta, tb, (size_t)na) == 0;
    }
    return S_ISREG(sa.st_mode) && S_ISREG(sb.st_mode) && data_same_bytes(a, b);
}

int data_make_folder_of(const char *path) {
    char *copy = cli_format("%s", path);
    int code = cli_folder_make(dirname(copy));
    free(copy);
    return code;
}
