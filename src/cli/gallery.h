/* gallery.h: the parts of likeness gallery.
 *
 *   cmd_gallery.c     options, and which command does what
 *   gallery_audit.c   audit: the account of what was done
 *   gallery_keep.c    check and backup: that nothing gets lost
 */
#ifndef LIKENESS_CLI_GALLERY_H
#define LIKENESS_CLI_GALLERY_H

#include "cli.h"

enum { GALLERY_ARGUMENTS_MAX = 2 };

typedef struct gallery_options {
    const char *gallery;
    const char *arguments[GALLERY_ARGUMENTS_MAX]; /* after the command */
    size_t count;
    cli_style style;
    cli_access access;
    bool recorded; /* what is done, in the audit */
    bool verify;
    const char *head;
} gallery_options;

/* What a command does with the open gallery; the value is the exit code. */
typedef int (*gallery_fn)(const gallery_options *options, lk_gallery *gallery);

int gallery_audit(const gallery_options *options, lk_gallery *gallery);
int gallery_check(const gallery_options *options, lk_gallery *gallery);
int gallery_backup(const gallery_options *options, lk_gallery *gallery);

#endif
