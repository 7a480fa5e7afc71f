/* data_journal.h: what moving files stands on: MOVED/journal.tsv, which says what was where
 * (docs/formats.md), and moves that lose nothing. */
#ifndef LIKENESS_CLI_DATA_JOURNAL_H
#define LIKENESS_CLI_DATA_JOURNAL_H

#include "cli.h"

#define DATA_MOVED_MARK ".likeness-moved"
#define DATA_MOVED_MARK_TEXT "likeness data moved 1\n"

typedef struct data_moved {
    char *from, *to; /* absolute; under MOVED */
} data_moved;
typedef struct data_journal {
    char *path;
    int fd; /* locked */
    data_moved *items;
    size_t count;
    char *pending; /* lines that are not written yet */
} data_journal;

/* With `make` it is begun if it is not there. 0, or an exit code after saying why: another process has it, or
 * it is none. */
int data_journal_open(const char *moved, bool make, data_journal *journal);
/* A line to be written; on disk when data_journal_sync has returned 0. */
void data_journal_add(data_journal *journal, const char *from, const char *to, const char *why);
int data_journal_sync(data_journal *journal);
/* Everything was put back: take the journal away, and what folders in MOVED are empty, and MOVED. */
void data_journal_remove(const char *moved, data_journal *journal);
void data_journal_close(data_journal *journal);

/* ---- files (data_file.c) ---- */

/* Anything, a link to nowhere too. */
bool data_there(const char *path);
int data_make_folder_of(const char *path); /* 0, or an exit code after saying why */
/* Across file systems too; 0, or -1 with errno: EEXIST if `to` is there. */
int data_move_file(const char *from, const char *to);
/* The same file, two with the same bytes, or two links with the same target. */
bool data_same_content(const char *a, const char *b);
/* Do two files hold the same bytes? No if either cannot be read. */
bool data_same_bytes(const char *a, const char *b);

#endif
