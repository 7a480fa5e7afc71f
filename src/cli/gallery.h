/* gallery.h: the actions of likeness gallery, a file or two each; cmd_gallery.c finds them.
 *
 *   gallery_list.c      list, show, info
 *   gallery_change.c    rename, remove, remove-photo, merge-people
 *   gallery_exchange.c  export, import, merge
 *   gallery_dedupe.c    dedupe, and its page: people who were enrolled twice
 *   gallery_cluster.c   cluster: the faces of a folder of photos, grouped into people (gallery_groups.c: what
 * is written of them) gallery_audit.c     audit: the account of what was done
 */
#ifndef LIKENESS_CLI_GALLERY_H
#define LIKENESS_CLI_GALLERY_H

#include "cli.h"
#include "likeness/curate.h"

/* `path` is the gallery's; argv[0] is "likeness gallery GALLERY ACTION". The value is the exit code. */
int gallery_list(const char *path, int argc, char **argv);
int gallery_show(const char *path, int argc, char **argv);
int gallery_info(const char *path, int argc, char **argv);
int gallery_rename(const char *path, int argc, char **argv);
int gallery_remove(const char *path, int argc, char **argv);
int gallery_remove_photo(const char *path, int argc, char **argv);
int gallery_merge_people(const char *path, int argc, char **argv);
int gallery_merge(const char *path, int argc, char **argv);
int gallery_export(const char *path, int argc, char **argv);
int gallery_import(const char *path, int argc, char **argv);
int gallery_dedupe(const char *path, int argc, char **argv);
int gallery_cluster(const char *none, int argc, char **argv); /* the one action without a gallery */
int gallery_reenroll(const char *path, int argc, char **argv);
int gallery_check(const char *path, int argc, char **argv);
int gallery_backup(const char *path, int argc, char **argv);
int gallery_audit(const char *path, int argc, char **argv);

/* ---- the command line of most actions (cmd_gallery.c) ---------------------------------------------- */

enum { GALLERY_WORDS = 64 };
typedef struct gallery_words {
    int least, most;     /* words after GALLERY ACTION */
    const char *missing; /* what is said when there are fewer */
    const char *words[GALLERY_WORDS];
    int count;
    cli_style style;
    cli_access access;
} gallery_words;
/* Rows of the argp table of every action. */
#define GALLERY_OPTIONS CLI_OPTION_JSON, CLI_OPTION_TSV, CLI_OPTION_KEY, CLI_OPTION_AUDIT
/* These and the words; ARGP_ERR_UNKNOWN for other keys. */
error_t gallery_words_parse(gallery_words *words, int key, char *arg, struct argp_state *state);
/* All of an action that has no other options; ends with a usage error or returns. */
void gallery_words_read(gallery_words *words, const char *arguments, const char *doc, int argc, char **argv);

/* ---- results ------------------------------------------------------------------------------------------ */

/* One row of several fields, in the order of the object's keys, as JSON or TSV; for people the text is said
 * on stderr. Frees the object. */
void gallery_told(cli_style style, json_t *fields, const char *format, ...) LK_PRINTF(3, 4);
/* The same on stdout for people too, a line a field. */
void gallery_fields_print(cli_style style, json_t *fields);
/* "3 photos", "1 person"; free(). */
char *gallery_count(size_t count, const char *one, const char *many);
/* lk_progress_fn: photos; context is a double, when it began. Ctrl-C ends it. */
int gallery_progress(void *context, size_t done, size_t count);

/* ---- groups of faces (gallery_groups.c) --------------------------------------------------------------- */

typedef struct gallery_face {
    size_t photo;  /* in files */
    size_t number; /* of the faces in it, from 1; 0: it was taken whole */
    lk_face face;
    uint32_t group;
    float cosine; /* with the mean of its group */
} gallery_face;

typedef struct gallery_groups {
    const cli_files *files;
    gallery_face *faces; /* (count): by group, and within by cosine, the most typical first */
    size_t count, photos, groups;
    size_t *first; /* (groups + 1) in faces */
    size_t people; /* groups of at least `least` faces: the first ones */
    size_t least;
    double threshold;
} gallery_groups;
/* OUT/person_0001/PHOTO and so on: links to the photos where that can be, else copies; faces of smaller
 * groups in OUT/others. OUT must be new or empty. 0, or an exit code after saying why. */
int gallery_groups_write(const gallery_groups *groups, const char *out);
/* A page with the faces of each group, at most `pictures` of them. */
int gallery_groups_page(const gallery_groups *groups, const char *page, size_t pictures);
void gallery_groups_print(const gallery_groups *groups, cli_style style);

#endif
