/* data_journal.h: MOVED/journal.tsv, which says what --fix moved from where (docs/formats.md). */
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
} data_journal;

/* With `make` it is begun if it is not there. 0, or an exit code after saying why: another process has it, or
 * it is none. */
int data_journal_open(const char *moved, bool make, data_journal *journal);
/* A line, on disk when this returns 0. */
int data_journal_add(data_journal *journal, const char *from, const char *to, const char *why);
/* Everything was put back: take the journal away, and what folders in MOVED are empty, and MOVED. */
void data_journal_remove(const char *moved, data_journal *journal);
void data_journal_close(data_journal *journal);

/* Do two files hold the same bytes? No if either cannot be read. */
bool data_same_bytes(const char *a, const char *b);

#endif
