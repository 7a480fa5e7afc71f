/* gallery.h: the actions of likeness gallery, a file or two each; cmd_gallery.c finds them.
 *
 *   gallery_list.c      list, show, info
 *   gallery_change.c    rename, remove, remove-photo, merge-people
 *   gallery_exchange.c  export, import, merge
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

/* ---- the command line of most actions (cmd_gallery.c) ---------------------------------------------- */

enum { GALLERY_WORDS = 64 };
typedef struct gallery_words {
    int least, most;     /* words after GALLERY ACTION */
    const char *missing; /* what is said when there are fewer */
    const char *words[GALLERY_WORDS];
    int count;
    cli_style style;
} gallery_words;
/* --json, --tsv and the words; ARGP_ERR_UNKNOWN for other keys. */
error_t gallery_words_parse(gallery_words *words, int key, char *arg, struct argp_state *state);
/* All of an action that has no other options; ends with a usage error or returns. */
void gallery_words_read(gallery_words *words, const char *arguments, const char *doc, int argc, char **argv);

/* ---- results ------------------------------------------------------------------------------------------ */

/* One row of several fields, in the order of the object's keys, as JSON or TSV; for people the text is said
 * on stderr. Frees the object. */
void gallery_told(cli_style style, json_t *fields, const char *format, ...) LK_PRINTF(3, 4);
/* "3 photos", "1 person"; free(). */
char *gallery_count(size_t count, const char *one, const char *many);
/* lk_progress_fn: photos; context is a double, when it began. Ctrl-C ends it. */
int gallery_progress(void *context, size_t done, size_t count);

#endif
