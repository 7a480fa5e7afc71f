/* data.h: the parts of likeness data, which finds what ruins training in folders of people.
 *
 *   cmd_data.c     options; check and undo
 *   data_list.c    which photos there are
 *   data_read.c    of each a signature, a vector, or why not (data_cache.c)
 *   data_copies.c  photos that are copies, in one folder, in two, in train and test
 *   data_labels.c  labels that are wrong, as far as vectors tell
 *   data_find.c    all of it to one list of findings, worst first
 *   data_print.c   the list as text, JSON, TSV
 *   data_page.c    and as a page with pictures
 *   data_move.c    what is surely bad goes away, with a journal, and comes back (data_journal.c, data_file.c)
 */
#ifndef LIKENESS_CLI_DATA_H
#define LIKENESS_CLI_DATA_H

#include "cli.h"
#include "likeness/data.h"

#include <stdint.h>

/* ---- what was read (data_read.c) ----------------------------------------------------------------------- */

#define DATA_NONE SIZE_MAX /* no photo, no person */

typedef struct data_photo {
    const char *path; /* DIR/PERSON/PHOTO; belongs to the data set */
    size_t name_at;   /* in path: where PERSON/PHOTO begins */
    size_t person;
    bool against;     /* of a second folder: looked at, never judged or moved */
    lk_status status; /* of reading it; the rest is there if it is LK_OK */
    char *why;        /* it could not be read */
    int width, height;
    uint64_t bytes; /* of the file */
    bool looked;    /* for faces */
    size_t faces;   /* found then */
    bool judged;    /* its vector may be believed: there is one, and of a face if one was looked for */
    bool link;      /* a symbolic link */
    bool pinned;    /* also reached by a link, which would lead nowhere if this moved */
    uint64_t device, inode, changed; /* changed: nanoseconds */
    bool copy;                       /* of a better one of the same person: not judged again */
} data_photo;

typedef struct data_person {
    const char *name;
    size_t first, count; /* photos */
    bool against;
} data_person;

typedef struct data_set {
    lk_dataset *own, *against; /* against: NULL if none is given */
    data_photo *photos;        /* (count), own ones first, a person's together */
    data_person *people;       /* (people_count), own ones first */
    size_t count, own_count, people_count, own_people;
    size_t skipped;           /* links, folders: what listing the folders left out */
    lk_signature *signatures; /* (count) */
    lk_model *model;          /* NULL: none, and no vectors */
    int dim;
    float *vectors; /* (count, dim) */
    bool looked;    /* for faces, in any photo */
} data_set;

typedef struct data_options {
    cli_sources places, against;
    const char *model, *page, *moved, *cache;
    bool no_model, move_labels;
    cli_style style;
    lk_crop crop;
    cli_look look;
    cli_compute compute;
    int photos_least; /* of a person */
    size_t worst;     /* findings of each kind shown to people */
    size_t pictures;  /* and on the page */
    double likeness, doubt;
    const char *undo; /* MOVED; NULL: check */
} data_options;

/* 0, or an exit code after saying why; so with all that return an int. Photos, people and links
 * (data_list.c). */
int data_list(const data_options *o, data_set *set);
/* Those, and what is in the photos. */
int data_read(const data_options *o, data_set *set);
void data_set_free(data_set *set);
/* Progress over something that is no photo; non-zero after Ctrl-C. context: what is done, as text. */
int data_progress(void *context, double share);

/* ---- what is known from an earlier run (data_cache.c) -------------------------------------------------- */

typedef struct data_cache data_cache;
/* Begun if it is not there; refused if it was made by another model or with other options. */
int data_cache_open(const data_options *o, const lk_model *model, data_cache **out);
/* True if the photo is known and its file has not changed; it is then as if it had been read. */
bool data_cache_get(const data_cache *cache, data_set *set, size_t photo, lk_crop crop);
void data_cache_put(data_cache *cache, const data_set *set, size_t photo, lk_crop crop);
int data_cache_close(data_cache *cache); /* NULL is fine */

/* ---- what was found ------------------------------------------------------------------------------------ */

/* name in TSV and JSON; heading; what it means and what to do. */
#define DATA_KINDS(X)                                                                                        \
    X(UNREADABLE, "unreadable", "Files that cannot be read",                                                 \
      "Damaged, empty, or no picture in spite of the name. Training leaves them out.")                       \
    X(DUPLICATE, "duplicate", "The same file twice in one person's folder",                                  \
      "A pair of copies teaches nothing: its distance is 0 already. Keep one.")                              \
    X(NEAR_DUPLICATE, "near-duplicate", "The same picture saved again in one person's folder",               \
      "Encoded again, resized, cut a little, lighter or darker, mirrored: training makes such changes by "   \
      "itself. Keep the best one.")                                                                          \
    X(DUPLICATE_ACROSS, "duplicate-across", "The same file under two people",                                \
      "At least one of the two labels is wrong, or the two people are one.")                                 \
    X(NEAR_DUPLICATE_ACROSS, "near-duplicate-across", "The same picture, saved again, under two people",     \
      "At least one of the two labels is wrong, or the two people are one.")                                 \
    X(WRONG_LABEL, "wrong-label", "Photos that look like another person",                                    \
      "Unlike the person's other photos and like those of somebody else. Look, and move the photo there or " \
      "out.")                                                                                                \
    X(OUTLIER, "outlier", "Photos that look like nobody here",                                               \
      "Unlike the person's other photos and like nobody's: somebody who has no folder, or a poor photo. "    \
      "Look, and move it out if it is somebody else.")                                                       \
    X(TWO_PEOPLE, "two-people", "Folders that seem to hold two people",                                      \
      "The photos fall into two groups that are as unlike as strangers. Look, and split the folder.")        \
    X(SAME_PERSON, "same-person", "Two folders that seem to be one person",                                  \
      "Alike beyond what strangers are. Look, and merge the folders: as strangers they are the hardest "     \
      "negatives there are, and wrong ones.")                                                                \
    X(FEW_PHOTOS, "few-photos", "People with too few photos",                                                \
      "With fewer than two photos nobody can be an anchor: training leaves them out.")                       \
    X(NO_FACE, "no-face", "Photos without a face",                                                           \
      "None is found: something else, or cut so tightly that little around the face is left.")               \
    X(LEAK_PHOTO, "leak-photo", "Photos that are in the second folder too",                                  \
      "What is trained on must not be tested on: figures would be too good. Keep them out of one of the "    \
      "two.")                                                                                                \
    X(LEAK_NAME, "leak-name", "People whose name is in the second folder too",                               \
      "The same name is most often the same person: leave them out with train --exclude.")                   \
    X(LEAK_PERSON, "leak-person", "People who look like somebody in the second folder",                      \
      "Alike beyond what strangers are. Look, and leave them out with train --exclude.")
typedef enum data_kind {
#define DATA_KIND_ENUM(kind, name, title, advice) DATA_##kind,
    DATA_KINDS(DATA_KIND_ENUM)
#undef DATA_KIND_ENUM
        DATA_KIND_COUNT
} data_kind;
const char *data_kind_name(data_kind kind);
const char *data_kind_title(data_kind kind);
const char *data_kind_meaning(data_kind kind);

typedef struct data_finding {
    data_kind kind;
    size_t photo, person; /* DATA_NONE where there is none */
    size_t other_photo, other_person;
    const char *path;      /* NULL: that of `photo`; what could not even be listed has no number */
    double cosine;         /* with what it is compared; NaN: none */
    double likeness;       /* of copies; NaN */
    double score;          /* how sure or how bad, 0 to 1; the worst come first */
    char *reason;          /* one sentence */
    bool move, move_other; /* with --fix; of the other photo too */
} data_finding;

typedef struct data_findings {
    data_finding *items; /* by kind, then the worst first */
    size_t count, kind_count[DATA_KIND_COUNT], kind_first[DATA_KIND_COUNT];
    char *people_note; /* how it was decided which people are alike; NULL: it was not */
    char *left_out;    /* checks that could not be made, and why; NULL: none */
} data_findings;
data_finding *data_findings_add(data_findings *f, data_kind kind, size_t photo, size_t person, double score);
void data_findings_free(data_findings *f);

/* 0, or an exit code after saying why. */
int data_find(const data_options *o, data_set *set, data_findings *out);
int data_find_copies(const data_options *o, data_set *set, data_findings *out);
int data_find_labels(const data_options *o, data_set *set, data_findings *out);

void data_print(const data_options *o, const data_set *set, const data_findings *f);
int data_page_write(const data_options *o, const data_set *set, const data_findings *f);

/* ---- moving (data_move.c) ------------------------------------------------------------------------------ */

/* Before anything is read: can MOVED be written, and is it outside of the folders? */
int data_move_check(const data_options *o);
int data_move(const data_options *o, const data_set *set, const data_findings *f);
int data_undo(const char *moved);

#endif
