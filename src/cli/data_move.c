/* data_move.c: what is surely bad goes into another folder, and comes back. Nothing is deleted or
 * overwritten:
 *
 *   1. the journal gets its lines, and they are on disk
 *   2. the files move (data_file.c)
 *
 * Killed after 1, lines name files that are still where they were; killed within 2, a file may be in both
 * places. Both are seen and mended by the next --fix or undo. The journal is locked while it is in use. */
#include "data.h"
#include "data_journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

enum { BATCH = 64 }; /* moves that the journal is told of at once: a disk takes its time to be sure */

typedef struct step {
    char *from, *name; /* absolute; under MOVED */
} step;
typedef struct mover {
    const data_options *o;
    data_journal journal;
    step steps[BATCH];
    int count;
    size_t moved;
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

static bool is_taken(const mover *m, const char *name) {
    for (int i = 0; i < m->count; i++)
        if (strcmp(m->steps[i].name, name) == 0) return true;
    char *path = cli_format("%s/%s", m->o->moved, name);
    bool taken = data_there(path);
    free(path);
    return taken;
}

/* The first of PLACE, PLACE-2, PLACE-3 that is free; the number goes before the ending. */
static char *free_place(const mover *m, const char *place) {
    const char *slash = strrchr(place, '/'), *dot = strrchr(slash ? slash : place, '.');
    int length = dot ? (int)(dot - place) : (int)strlen(place);
    char *name = cli_format("%s", place);
    for (size_t i = 2; is_taken(m, name); i++) {
        free(name);
        name = cli_format("%.*s-%zu%s", length, place, i, dot ? dot : "");
    }
    return name;
}

/* An earlier run was killed between the copy and the unlink: true if it was so and is mended. */
static bool finish(mover *m, const char *from) {
    bool done = false;
    for (size_t i = 0; i < m->journal.count && !done; i++) {
        const data_moved *line = &m->journal.items[i];
        if (strcmp(line->from, from) != 0) continue;
        char *to = cli_format("%s/%s", m->o->moved, line->to);
        done = data_same_content(from, to) && unlink(from) == 0;
        free(to);
    }
    return done;
}

/* Where the photo is when the links of its folders are resolved, but not its own. */
static char *real_place(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = cli_format("%.*s", (int)(slash - path), path), *real = resolved(folder);
    char *place = cli_format("%s/%s", strcmp(real, "/") == 0 ? "" : real, slash + 1);
    free(real);
    free(folder);
    return place;
}

/* A photo that is not there any more was reached by another name of its folder, and is moved already. */
static void plan_photo(mover *m, const data_photo *photo, const char *why) {
    char *from = real_place(photo->path);
    bool known = !data_there(from);
    for (int i = 0; i < m->count && !known; i++) known = strcmp(m->steps[i].from, from) == 0;
    if (!known && finish(m, from)) {
        m->moved++;
        known = true;
    }
    if (known) {
        free(from);
        return;
    }
    char *place = place_of(m, photo), *name = free_place(m, place);
    data_journal_add(&m->journal, from, name, why);
    m->steps[m->count++] = (step){from, name};
    free(place);
}

/* The journal's lines to disk, then the moves they tell of. */
static int move_planned(mover *m) {
    int code = m->count ? data_journal_sync(&m->journal) : CLI_OK;
    for (int i = 0; i < m->count; i++) {
        step *s = &m->steps[i];
        char *to = cli_format("%s/%s", m->o->moved, s->name);
        if (code == CLI_OK) code = data_make_folder_of(to);
        if (code == CLI_OK && data_move_file(s->from, to) != 0) {
            cli_say("%s: cannot move it to %s: %s", s->from, to, strerror(errno));
            code = CLI_SYSTEM;
        }
        m->moved += code == CLI_OK;
        free(to);
        free(s->from);
        free(s->name);
    }
    m->count = 0;
    return code;
}

static int move_all(mover *m, const data_set *set, const data_findings *f) {
    bool *gone = cli_alloc(set->count, sizeof *gone);
    int code = CLI_OK;
    for (size_t i = 0; i < 2 * f->count && code == CLI_OK; i++) {
        const data_finding *item = &f->items[i / 2];
        size_t photo = i & 1 ? item->other_photo : item->photo;
        if (!(i & 1 ? item->move_other : item->move) || photo == DATA_NONE || gone[photo]) continue;
        char *why = cli_format("%s: %s", data_kind_name(item->kind), item->reason);
        plan_photo(m, &set->photos[photo], why);
        free(why);
        gone[photo] = true;
        if (m->count < BATCH) continue;
        code = move_planned(m);
        cli_progress((double)i / (2 * (double)f->count), false, "%zu moved to %s", m->moved, m->o->moved);
        if (code == CLI_OK && cli_stopped()) {
            cli_say("stopped on request; the same command goes on");
            code = CLI_SYSTEM;
        }
    }
    free(gone);
    return code == CLI_OK ? move_planned(m) : code;
}

int data_move(const data_options *o, const data_set *set, const data_findings *f) {
    mover m = {.o = o};
    int code = data_journal_open(o->moved, true, &m.journal);
    if (code != CLI_OK) return code;
    code = move_all(&m, set, f);
    cli_progress_suspend(); /* take the bar away */
    cli_progress_resume();
    cli_say("%zu %s moved to %s%s%s", m.moved, m.moved == 1 ? "photo was" : "photos were", o->moved,
            m.moved ? "; to put them back: likeness data undo " : "", m.moved ? o->moved : "");
    data_journal_close(&m.journal);
    return code;
}

/* ---- undo ---------------------------------------------------------------------------------------------- */

typedef enum undone { PUT_BACK, WAS_BACK, KEPT, FAILED } undone;

static undone put_back(const char *moved, const data_moved *line) {
    char *to = cli_format("%s/%s", moved, line->to);
    bool here = data_there(to), home = data_there(line->from);
    undone result = WAS_BACK;
    if (here && home && data_same_content(to, line->from)) {
        result = unlink(to) == 0 ? WAS_BACK : FAILED; /* the copy of a move that was cut short */
    } else if (here && home) {
        cli_say("%s: there is another file by now; the moved one stays at %s", line->from, to);
        result = KEPT;
    } else if (here) {
        int failed = data_make_folder_of(line->from) != CLI_OK || data_move_file(to, line->from) != 0;
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
