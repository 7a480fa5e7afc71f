/* train_runs.h: for test_train.c: people drawn on the spot, and runs of the trainer whose callbacks are
 * watched. */
#ifndef LK_TRAIN_RUNS_H
#define LK_TRAIN_RUNS_H

#include "face/models.h"
#include "likeness/train.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

static const char NET[] =
    "input 3 16 16;conv 16 kernel 3 stride 2 pad 1;batchnorm;prelu;conv 16 kernel 3 pad 1;batchnorm;prelu;"
    "gdconv;linear 8;batchnorm;l2norm";
enum { SIDE = 16, TOLD_MAX = 256 };

/* ---- people ------------------------------------------------------------------------------------------ */

/* A person is a pattern of 4 x 4 greys. Every photo has a colour cast and noise of its own, both stronger
 * than what tells people apart at first sight. */
static lk_image *draw_person(uint64_t person, uint64_t photo) {
    lk__random who = lk__random_stream(77, person, 0, 0), when = lk__random_stream(78, person, photo, 0);
    double pattern[4][4], cast[3];
    uint8_t pixels[SIDE * SIDE * 3];
    for (int i = 0; i < 16; i++) pattern[i / 4][i % 4] = lk__random_range(&who, -35, 35);
    for (int c = 0; c < 3; c++) cast[c] = lk__random_range(&when, 70, 185);
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        int x = i / 3 % SIDE, y = i / 3 / SIDE;
        pixels[i] = (uint8_t)(cast[i % 3] + pattern[y / 4][x / 4] + lk__random_range(&when, -30, 30));
    }
    lk_image *image = NULL;
    if (lk_image_new(SIDE, SIDE, pixels, 0, &image, NULL) != LK_OK) abort();
    return image;
}

static void save_photo(const lk_image *image, const char *path) {
    make_folders_to(path);
    if (lk_image_save(image, path, 95, NULL) != LK_OK) abort();
}

/* People first .. first + people - 1 as FOLDER/pNNN/K.png. */
static void draw_folder(const char *folder, int first, int people, int photos) {
    for (int p = first; p < first + people; p++)
        for (int k = 0; k < photos; k++) {
            lk_image *image = draw_person((uint64_t)p, (uint64_t)k);
            save_photo(image, at("%s/p%03d/%d.png", folder, p, k));
            lk_image_free(image);
        }
}

/* ---- a run, and what its callbacks saw ---------------------------------------------------------------- */

typedef struct seen {
    size_t reports, notes, stop_at; /* stop at this report, 0: never */
    lk_train_progress last;
    char note[256];
    size_t told_count;
    char told[TOLD_MAX][128];
} seen;

static seen s;

static int on_progress(void *context, const lk_train_progress *p) {
    (void)context;
    s.reports++;
    s.last = *p;
    if (p->note) {
        s.notes++;
        snprintf(s.note, sizeof s.note, "%s", p->note);
    }
    return s.stop_at && s.reports == s.stop_at;
}

static void on_bad(void *context, const char *path, const lk_error *why) {
    (void)context;
    if (s.told_count < TOLD_MAX)
        snprintf(s.told[s.told_count++], sizeof s.told[0], "%s", path + strlen(scratch));
    if (why->status == LK_OK || !why->message[0]) abort();
}

static lk_source sources[2], validations[1];

/* A path that outlives the few that at() keeps. */
static const char *keep(const char *path) {
    static char paths[64][256];
    static unsigned turn;
    char *kept = paths[turn++ % 64];
    snprintf(kept, sizeof paths[0], "%s", path);
    return kept;
}

/* Options of a small quick run on SCRATCH/train to SCRATCH/NAME. */
static lk_train_options options_of(const char *name) {
    lk_train_options o;
    lk_train_options_init(&o);
    sources[0] = (lk_source){.path = keep(at("train"))};
    o.sources = sources;
    o.source_count = 1;
    o.net = NET;
    o.output = keep(at("%s", name));
    o.people = 6;
    o.photos = 4;
    o.epochs = 4;
    o.learning_rate = 5e-3;
    o.augment = 0.3;
    o.holdout = 0;
    o.threads = 1;
    o.checkpoint_minutes = o.validate_minutes = 1000;
    o.progress = on_progress;
    o.bad_photo = on_bad;
    s = (seen){0};
    return o;
}

static void train(const lk_train_options *o) {
    lk_error err;
    if (lk_train(o, &err) != LK_OK) fail_msg("%s", err.message);
}

/* Fails with this status, says `hint`, and leaves no temporary file. */
static void refuse(const lk_train_options *o, lk_status status, const char *hint) {
    lk_error err = {LK_OK, ""};
    lk_status got = lk_train(o, &err);
    if (got != status || err.status != status || !strstr(err.message, hint))
        fail_msg("%d %s (wanted %d %s)", got, err.message, status, hint);
    if (o->output && *o->output) {
        char temporary[1024];
        snprintf(temporary, sizeof temporary, "%.900s.tmp.%ld", o->output, (long)getpid());
        assert_int_not_equal(access(temporary, F_OK), 0);
    }
}

static inline uint8_t *bytes_of(const char *path, size_t *size) {
    uint8_t *bytes = NULL;
    lk_error err;
    if (lk__file_read(path, 1 << 24, &bytes, size, &err) != LK_OK) fail_msg("%s", err.message);
    return bytes;
}

static inline void assert_same_file(const char *a, const char *b) {
    size_t m, n;
    uint8_t *x = bytes_of(a, &m), *y = bytes_of(b, &n);
    assert_int_equal(m, n);
    if (memcmp(x, y, m) != 0) fail_msg("%s and %s differ", a, b);
    free(x);
    free(y);
}

static inline bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

static int setup(void **state) {
    (void)state;
    if (scratch_make() != 0) return -1;
    draw_folder("train", 0, 12, 6);
    draw_folder("others", 100, 8, 5);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    return scratch_drop();
}

#endif
