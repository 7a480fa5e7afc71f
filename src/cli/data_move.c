/* data_move.c: what is surely bad goes into another folder, and comes back. Nothing is deleted or
 * overwritten, and no moment is one in which a photo could be lost:
 *
 *   1. the journal gets a line, and the line is on disk
 *   2. rename; or, onto another file system: copy under a hidden name, fsync, rename, then unlink the first
 *
 * Killed after 1, the line names a file that is still where it was; killed within 2, there is a photo too
 * many. Both are seen and mended by the next --fix or undo. Renames refuse to replace (renameat2, or a hard
 * link, which never does); the journal is locked while it is in use. */
#include "data.h"
#include "data_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- one file ------------------------------------------------------------------------------------------ */

static bool there(const char *path) {
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
    if (there(to)) {
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
            failed = there(to) ? -1 : rename(part, to); /* FAT has no other way; the journal is locked */
        int code = errno;
        if (failed) unlink(part);
        free(part);
        errno = code;
        if (failed) return -1;
    }
    sync_folder_of(to);
    return unlink(from);
}

static int move_file(const char *from, const char *to) {
    int failed = rename_new(from, to);
    return failed && errno == EXDEV ? move_across(from, to) : failed;
}

static bool same_content(const char *a, const char *b) {
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

static int make_folder_of(const char *path) {
    char *copy = cli_format("%s", path);
    int code = cli_folder_make(dirname(copy));
    free(copy);
    return code;
}

/* ---- --fix --------------------------------------------------------------------------------------------- */

/* The path as it is when all links are resolved, of as much of it as exists; free(). */
static char *resolved(const char *path) {
    char *whole = realpath(path, NULL);
    if (whole) return whole;
    char *copy = cli_format("%s", path), *slash = strrchr(copy, '/');
    while (slash && slash > copy && slash[1] == 0) { /* a/b/ */
        *slash = 0;
        slash = strrchr(copy, '/');
    }
    const char *above = slash == copy ? "/" : slash ? copy : ".", *name = slash ? slash + 1 : copy;
    char *made;
    if (slash && slash != copy) *slash = 0;
    if (strcmp(above, path) == 0) {
        made = cli_format("%s", path);
    } else {
        char *start = resolved(above);
        made = cli_format("%s/%s", strcmp(start, "/") == 0 ? "" : start, name);
        free(start);
    }
    free(copy);
    return made;
}

static bool inside(const char *path, const char *folder) {
    size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 &&
           (path[length] == 0 || path[length] == '/' || strcmp(folder, "/") == 0);
}

static int check_apart(const char *moved, const cli_sources *sources) {
    int code = CLI_OK;
    for (size_t i = 0; i < sources->count && code == CLI_OK; i++) {
        char *folder = resolved(sources->items[i].path);
        if (inside(moved, folder)) {
            cli_say("--fix: %s lies in %s, where its photos would be found again; give another folder", moved,
                    sources->items[i].path);
            code = CLI_USAGE;
        }
        free(folder);
    }
    return code;
}

int data_move_check(const data_options *o) {
    char *moved = resolved(o->moved);
    int code = check_apart(moved, &o->places);
    if (code == CLI_OK) code = check_apart(moved, &o->against);
    free(moved);
    return code == CLI_OK ? cli_folder_claim(o->moved, DATA_MOVED_MARK, DATA_MOVED_MARK_TEXT) : code;
}

typedef struct mover {
    const data_options *o;
    data_journal journal;
    size_t moved, finished; /* of these: begun by an earlier run */
} mover;

/* PERSON/PHOTO, and in front of it the folder's own name if there are several. */
static char *place_of(const mover *m, const data_photo *photo) {
    const char *name = photo->path + photo->name_at;
    if (m->o->places.count == 1) return cli_format("%s", name);
    char *folder = cli_format("%.*s", (int)photo->name_at - 1, photo->path), *real = resolved(folder);
    char *place = cli_format("%s/%s", strcmp(real, "/") == 0 ? "root" : strrchr(real, '/') + 1, name);
    free(real);
    free(folder);
    return place;
}

/* The first of PLACE, PLACE-2, PLACE-3 that is free; the number goes before the ending. */
static char *free_place(const mover *m, const char *place) {
    const char *slash = strrchr(place, '/'), *dot = strrchr(slash ? slash : place, '.');
    int length = dot ? (int)(dot - place) : (int)strlen(place);
    char *name = cli_format("%s", place);
    for (size_t i = 2;; i++) {
        char *path = cli_format("%s/%s", m->o->moved, name);
        bool taken = there(path);
        free(path);
        if (!taken) return name;
        free(name);
        name = cli_format("%.*s-%zu%s", length, place, i, dot ? dot : "");
    }
}

/* An earlier run was killed between the copy and the unlink: true if it was so and is mended. */
static bool finish(mover *m, const char *from) {
    bool done = false;
    for (size_t i = 0; i < m->journal.count && !done; i++) {
        const data_moved *line = &m->journal.items[i];
        if (strcmp(line->from, from) != 0) continue;
        char *to = cli_format("%s/%s", m->o->moved, line->to);
        done = same_content(from, to) && unlink(from) == 0;
        free(to);
    }
    return done;
}

static int move_photo(mover *m, const data_photo *photo, const char *why) {
    char *folder = cli_format("%.*s", (int)photo->name_at - 1, photo->path), *real = resolved(folder);
    char *from = cli_format("%s/%s", real, photo->path + photo->name_at);
    int code = CLI_OK;
    if (finish(m, from)) {
        m->moved++;
        m->finished++;
    } else {
        char *place = place_of(m, photo), *name = free_place(m, place);
        char *to = cli_format("%s/%s", m->o->moved, name);
        code = make_folder_of(to);
        if (code == CLI_OK) code = data_journal_add(&m->journal, from, name, why);
        if (code == CLI_OK && move_file(from, to) != 0) {
            cli_say("%s: cannot move it to %s: %s", from, to, strerror(errno));
            code = CLI_SYSTEM;
        }
        m->moved += code == CLI_OK;
        free(to);
        free(name);
        free(place);
    }
    free(from);
    free(real);
    free(folder);
    return code;
}

int data_move(const data_options *o, const data_set *set, const data_findings *f) {
    mover m = {.o = o};
    int code = data_journal_open(o->moved, true, &m.journal);
    bool *gone = cli_alloc(set->count, sizeof *gone);
    for (size_t i = 0; i < f->count && code == CLI_OK; i++) {
        const data_finding *item = &f->items[i];
        for (int side = 0; side < 2 && code == CLI_OK; side++) {
            size_t photo = side ? item->other_photo : item->photo;
            if (!(side ? item->move_other : item->move) || photo == DATA_NONE || gone[photo]) continue;
            char *why = cli_format("%s: %s", data_kind_name(item->kind), item->reason);
            code = move_photo(&m, &set->photos[photo], why);
            free(why);
            gone[photo] = code == CLI_OK;
            cli_progress((double)i / (double)f->count, false, "%zu moved to %s", m.moved, o->moved);
        }
        if (code == CLI_OK && cli_stopped() && i + 1 < f->count) {
            cli_say("stopped on request; the same command goes on");
            code = CLI_SYSTEM;
        }
    }
    cli_progress_suspend();
    cli_progress_resume();
    free(gone);
    cli_say("%zu %s moved to %s%s%s", m.moved, m.moved == 1 ? "photo was" : "photos were", o->moved,
            m.moved ? "; to put them back: likeness data undo " : "", m.moved ? o->moved : "");
    data_journal_close(&m.journal);
    return code;
}

/* ---- undo ---------------------------------------------------------------------------------------------- */

typedef enum undone { PUT_BACK, WAS_BACK, KEPT, FAILED } undone;

static undone put_back(const char *moved, const data_moved *line) {
    char *to = cli_format("%s/%s", moved, line->to);
    bool here = there(to), home = there(line->from);
    undone result = WAS_BACK;
    if (here && home && same_content(to, line->from)) {
        result = unlink(to) == 0 ? WAS_BACK : FAILED; /* the copy of a move that was cut short */
    } else if (here && home) {
        cli_say("%s: there is another file by now; the moved one stays at %s", line->from, to);
        result = KEPT;
    } else if (here) {
        int failed = make_folder_of(line->from) != CLI_OK || move_file(to, line->from) != 0;
        if (failed) cli_say("%s: cannot put it back to %s: %s", to, line->from, strerror(errno));
        result = failed ? FAILED : PUT_BACK;
    } else if (!home) {
        cli_say("%s: neither there nor at %s any more", line->from, to);
        result = KEPT;
    }
    free(to);
    return result;
}

int data_undo(const char *moved) {
    data_journal journal = {0};
    int code = data_journal_open(moved, false, &journal);
    if (code != CLI_OK) return code;
    cli_catch_signals();
    size_t count[FAILED + 1] = {0}, left = journal.count;
    while (left > 0 && !cli_stopped()) { /* the last first: a name used twice is free again by then */
        count[put_back(moved, &journal.items[--left])]++;
        cli_progress((double)(journal.count - left) / (double)journal.count, false, "%zu put back",
                     count[PUT_BACK]);
    }
    cli_progress_suspend();
    cli_progress_resume();
    printf("put back %zu of %zu\n", count[PUT_BACK] + count[WAS_BACK], journal.count);
    if (left) cli_say("stopped on request; the same command goes on");
    if (left || count[FAILED])
        code = CLI_SYSTEM;
    else if (count[KEPT])
        code = CLI_NO;
    else
        data_journal_remove(moved, &journal);
    data_journal_close(&journal);
    return code;
}
