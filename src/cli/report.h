/* report.h: the parts of the pages that likeness report, and train while it runs, write. One file reads and
 * shows one kind of result:
 *
 *   cmd_report.c       options; reads everything, then writes the page
 *   report_run.c       a run of train  ->  its own page, written anew each minute
 *   report_page.c      head, style sheet, foot, thumbnails
 *   report_training.c  CSV of train         ->  curves
 *   report_eval.c      JSON of eval         ->  tables, ROC, CMC and more, in report_eval_*.c
 *   report_figure.c    the frame of a chart: heading, legend, what screen readers say
 *   report_suspects.c  JSON lines of identify  ->  each probe beside its suspects
 *
 * The page is one file that asks nothing of any other: style, pictures and charts are inside, there is no
 * script, and its security policy forbids the browser to load anything. */
#ifndef LIKENESS_REPORT_H
#define LIKENESS_REPORT_H

#include "cli.h"

/* ---- page (report_page.c) ------------------------------------------------------------------------ */

void report_page_begin(FILE *out, const char *title);
/* The same, to be loaded again by the browser after so many seconds; 0: never. */
void report_page_begin_again(FILE *out, const char *title, int seconds);
void report_page_end(FILE *out);
/* The same with a caution of one's own, HTML. */
void report_page_end_with(FILE *out, const char *caution);
/* The same for a page that may hold no photos. */
void report_page_finish(FILE *out, const char *caution, bool photos);

/* Where photos are looked for: under root (may be NULL) first, then as named. Counts those not readable. */
typedef struct report_photos {
    const char *root;
    size_t shown, unreadable;
} report_photos;
/* A square thumbnail of the photo, or an empty frame that says why there is none. */
void report_photo_write(FILE *out, report_photos *photos, const char *path);
/* The same of a part of the photo. */
void report_crop_write(FILE *out, report_photos *photos, const char *path, lk_crop crop);
/* A JPEG that is there already, shown as it is; `name` is read out by screen readers. */
void report_jpeg_write(FILE *out, const uint8_t *jpeg, size_t size, const char *name);
/* What follows the last slash; all of it if nothing does. */
const char *report_base_name(const char *path);

/* NaN, NULL if the object has no such number or string. */
double report_number(const json_t *object, const char *key);
const char *report_string(const json_t *object, const char *key);

/* ---- training (report_training.c) ----------------------------------------------------------------- */

typedef enum report_column {
    REPORT_STEP,
    REPORT_PHOTOS,
    REPORT_SECONDS,
    REPORT_SPEED,
    REPORT_LOSS,
    REPORT_ACTIVE,
    REPORT_LEARNING_RATE,
    REPORT_POSITIVE,
    REPORT_NEGATIVE,
    REPORT_VALIDATION,
    REPORT_COLUMNS
} report_column;
typedef struct report_log {
    const char *path;
    size_t count;
    double *column[REPORT_COLUMNS]; /* (count); NaN where unknown */
} report_log;
/* 0, or an exit code after saying why; so with the other loads. */
int report_log_load(const char *path, report_log *out);
void report_log_free(report_log *log);
/* One more row. Rows of steps that are done again, by a run resumed from its checkpoint, give way to it. */
void report_log_add(report_log *log, const double row[REPORT_COLUMNS]);
/* The charts alone. */
void report_curves_write(FILE *out, const report_log *logs, size_t count);
void report_training_write(FILE *out, const report_log *logs, size_t count);

/* ---- figures of eval (report_eval.c; its parts are in report_eval.h) ------------------------------- */

/* Objects as likeness eval --json prints them, one or more in a file, join evals (count), an array that
 * grows. */
int report_evals_load(const char *path, json_t ***evals, size_t *count);
/* All sections. photos NULL: neither photos nor names of people and files. */
void report_evals_write(FILE *out, json_t *const *evals, size_t count, report_photos *photos);
/* A heading for a page of these alone; free() it. */
char *report_evals_title(json_t *const *evals, size_t count);
/* Such a page; title NULL: that heading. */
int report_evals_page(const char *path, const char *title, json_t *const *evals, size_t count,
                      report_photos *photos);

/* ---- suspects (report_suspects.c) ----------------------------------------------------------------- */

/* An array of the objects that likeness identify --json prints, one a line; each may have a `truth`, the name
 * of the person the photo shows, or null for a stranger. */
int report_suspects_load(const char *path, json_t **out);
void report_suspects_write(FILE *out, const json_t *probes, size_t limit, report_photos *photos);

/* ---- a run of train (report_run.c) ---------------------------------------------------------------- */

/* What the page says beside the figures; all of it is kept by reference. */
typedef struct report_run_options {
    const char *page, *command; /* the file; the command line */
    const char *mining, *optimizer;
    const lk_train_options *train;
} report_run_options;
typedef struct report_run report_run;
/* Says if the page cannot be written. A run that is resumed goes on from the curves in its log. */
int report_run_begin(const report_run_options *options, report_run **out);
void report_run_free(report_run *run); /* NULL is fine */
/* To be called from the functions of the same names in lk_train_options; look writes the page. */
void report_run_progress(report_run *run, const lk_train_progress *progress);
void report_run_bad_photo(report_run *run, const char *path, const lk_error *why);
void report_run_look(report_run *run, const lk_train_look *look);

#endif
