/* cli.h: what the verbs of the program share. Each verb is one cmd_NAME.c; nothing here knows a verb.
 *
 *   options.c   numbers, names, crops and folders given as text; checks them and says what is wrong
 *   output.c    saying, failing, tables, TSV, JSON, files written whole
 *   progress.c  the bar, plain lines, Ctrl-C, time and peak memory
 *   photos.c    photos in, vectors out, in batches; the list of photos that failed
 *   models.c    opening models and galleries, and matching one with the other
 *   ranks_mpi.c several processes that train one net
 *
 * The program uses only the public headers of the library. Results go to stdout, all else to stderr. */
#ifndef LIKENESS_CLI_H
#define LIKENESS_CLI_H

#include "likeness/likeness.h"
#include "likeness/train.h"

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Exit codes, the same for every verb (likeness.1). */
enum {
    CLI_OK = 0,
    CLI_NO = 1,    /* different, unknown */
    CLI_USAGE = 2, /* the command line */
    CLI_INPUT = 3, /* a file that is missing, damaged or does not fit */
    CLI_SYSTEM = 4 /* the machine: disk, memory, permission, a stop on request */
};

/* argv[0] is "likeness VERB". The value is the exit code. */
int cmd_train(int argc, char **argv);
int cmd_train_detector(int argc, char **argv);
int cmd_embed(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_enroll(int argc, char **argv);
int cmd_identify(int argc, char **argv);
int cmd_gallery(int argc, char **argv);
int cmd_synth(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_nets(int argc, char **argv);

/* ---- memory (output.c): a program without memory can only say so and end ------------------------- */

void *cli_alloc(size_t count, size_t size); /* zeroed; never NULL; free() */
void *cli_grow(void *array, size_t count, size_t size);
char *cli_format(const char *format, ...) LK_PRINTF(1, 2);

/* ---- options (options.c) ------------------------------------------------------------------------ */

typedef enum cli_number_kind {
    CLI_INT,
    CLI_SIZE,
    CLI_SEED,
    CLI_REAL,
    CLI_PRECISION /* by its name */
} cli_number_kind;
/* A numeric option: where in the verb's struct of options it goes and what it may be. */
typedef struct cli_number {
    int key; /* 0 ends a table */
    cli_number_kind kind;
    size_t offset;    /* of an int, size_t, uint64_t, double or lk_precision */
    double low, high; /* both allowed; CLI_SEED and CLI_PRECISION have no limits */
} cli_number;
/* 0 if the key is in the table and the number was stored; ends with a usage error if it is no such number;
 * ARGP_ERR_UNKNOWN for other keys. */
error_t cli_number_parse(const cli_number *table, int key, const char *arg, void *options,
                         struct argp_state *state);
/* For argp's help_filter: the text with the live default added. */
char *cli_number_help(const cli_number *table, int key, const char *text, const void *options);
/* Where the argument of the option `key` is in names, which NULL ends; or a usage error. */
int cli_name_option(const char *const *names, int key, const char *arg, struct argp_state *state);

/* "0.9" or "X,Y,W,H", or a usage error. */
lk_crop cli_crop_option(const char *arg, struct argp_state *state);
bool cli_crop_given(lk_crop crop); /* not all zero */

typedef struct cli_sources {
    lk_source *items;
    size_t count;
} cli_sources;
/* DIR or DIR@CROP; `fallback` is the crop of one that names none. A usage error if CROP is no crop. */
void cli_sources_add(cli_sources *sources, const char *arg, struct argp_state *state);
void cli_sources_default_crop(cli_sources *sources, lk_crop crop);
void cli_sources_free(cli_sources *sources);

/* How results are printed; set by --json and --tsv (--format where there are more). */
typedef enum cli_style { CLI_TEXT, CLI_JSON, CLI_TSV } cli_style;

/* Keys of options without a letter; a verb's own begin at CLI_KEY_VERB. */
enum {
    CLI_KEY_JSON = 0x100,
    CLI_KEY_TSV,
    CLI_KEY_CROP,
    CLI_KEY_SEED,
    CLI_KEY_THREADS,
    CLI_KEY_PRECISION,
    CLI_KEY_THRESHOLD,
    CLI_KEY_MODEL,
    CLI_KEY_VERB
};
/* Rows of a verb's argp table for options that mean the same everywhere. */
#define CLI_OPTION_JSON                                                                                      \
    { "json", CLI_KEY_JSON, 0, 0, "Print JSON", 0 }
#define CLI_OPTION_TSV                                                                                       \
    { "tsv", CLI_KEY_TSV, 0, 0, "Print tab-separated values, one header line", 0 }
#define CLI_OPTION_CROP                                                                                      \
    {                                                                                                        \
        "crop", CLI_KEY_CROP, "CROP", 0,                                                                     \
            "The part of each photo that is the face: a share of its shorter side (0.9), or "                \
            "X,Y,WIDTH,HEIGHT in "                                                                           \
            "pixels (default: the model's own)",                                                             \
            0                                                                                                \
    }
#define CLI_OPTION_SEED                                                                                      \
    { "seed", CLI_KEY_SEED, "N", 0, "Seed of every random choice", 0 }

/* How a verb that embeds photos computes; its struct of options has one, named `compute`. */
typedef struct cli_compute {
    int threads; /* 0: all cores */
    lk_precision precision;
} cli_compute;
/* Its rows in the argp table, and in the table of numbers. */
#define CLI_OPTIONS_COMPUTE                                                                                  \
    {"threads", CLI_KEY_THREADS, "N", 0, "Threads; 0: all cores", 0}, {                                      \
        "precision", CLI_KEY_PRECISION, "NAME", 0,                                                           \
            "f32, or bf16: about twice as fast on processors with AVX512_BF16, other processors refuse it; " \
            "the vectors agree to a cosine of about 0.999",                                                  \
            0                                                                                                \
    }
#define CLI_NUMBERS_COMPUTE(options)                                                                         \
    {CLI_KEY_THREADS, CLI_INT, offsetof(options, compute.threads), 0, CLI_THREADS_MAX}, {                    \
        CLI_KEY_PRECISION, CLI_PRECISION, offsetof(options, compute.precision), 0, 0                         \
    }
enum { CLI_THREADS_MAX = 1024 };

/* ---- saying (output.c) --------------------------------------------------------------------------- */

/* One line "likeness: ..." on stderr. What could steer a terminal is shown as \xNN. */
void cli_say(const char *format, ...) LK_PRINTF(1, 2);
/* From now on "likeness: rank N: ...". */
void cli_say_as(int rank);
/* Say the error; the value is the exit code for its status. */
int cli_fail(const lk_error *err);
int cli_exit_code(lk_status status);
/* The text with control characters, broken UTF-8 and bidirectional overrides as \xNN; free() it. With `tsv`
 * a backslash is doubled too, and tab and newline are \t and \n, so that the text can be had back. */
char *cli_escape(const char *text, bool tsv);

/* Cells, left to right, row by row; printed aligned for people or tab-separated for programs. */
typedef struct cli_table cli_table;
/* One letter a column: 'l' or 'r'. titles NULL: no header line in text. */
cli_table *cli_table_new(const char *columns, const char *const *titles);
void cli_table_cell(cli_table *table, const char *format, ...) LK_PRINTF(2, 3);
/* Print to stdout and free. */
void cli_table_print(cli_table *table, cli_style style);

json_t *cli_json_text(const char *text);       /* broken UTF-8 becomes U+FFFD; NULL becomes null */
json_t *cli_json_real(double value);           /* not finite: null */
void cli_json_print(FILE *out, json_t *value); /* one line; frees the value */

/* A result file: stdout for NULL or "-", else written beside `path` and renamed when complete. */
typedef struct cli_output {
    FILE *file;
    char *path, *part; /* NULL when written in place */
} cli_output;
int cli_output_open(cli_output *output, const char *path); /* 0, or an exit code after saying why */
int cli_output_close(cli_output *output, bool keep);

/* ---- progress (progress.c) ----------------------------------------------------------------------- */

double cli_seconds(void);
/* On a terminal a bar, at most once a second; else a plain line every 10 s. `last` prints whatever the time.
 */
void cli_progress(double share, bool last, const char *format, ...) LK_PRINTF(3, 4);
/* Take the bar off the terminal before something else is printed; the lock is held until cli_progress_resume.
 */
void cli_progress_suspend(void);
void cli_progress_resume(void);
/* "1:02:03"; "-" when not finite. */
const char *cli_clock(double seconds, char text[32]);
/* From now on SIGINT and SIGTERM set a flag; the second one ends the program as usual. */
void cli_catch_signals(void);
bool cli_stopped(void);
/* The last line of a long verb: version, time, peak memory. */
void cli_usage_line(double started);

/* ---- photos (photos.c) --------------------------------------------------------------------------- */

/* Photos that could not be used: the first 10 are told at once, all are listed at the end. */
typedef struct cli_bad {
    size_t count;
    char **lines;
} cli_bad;
void cli_bad_add(cli_bad *bad, const char *path, const lk_error *why);
void cli_bad_finish(cli_bad *bad, bool list); /* list them if asked and any; free */

typedef struct cli_photo {
    const char *path;
    lk_crop crop; /* all zero: the model's own */
} cli_photo;
/* Called for each photo in order; vector (dim), or NULL for one that is in the list of bad ones. */
typedef lk_status (*cli_vector_fn)(void *context, size_t photo, const float *vector, lk_error *err);
/* STOPPED after Ctrl-C; else what fn or the embedder returned: INVALID if it does not compute that way. A bad
 * photo is no error. */
lk_status cli_embed(const lk_model *model, const cli_compute *compute, const cli_photo *photos, size_t count,
                    cli_vector_fn fn, void *context, cli_bad *bad, lk_error *err);
/* The photos of a data set, in its order; free(). The paths belong to the data set. */
cli_photo *cli_dataset_photos(const lk_dataset *dataset);
/* What listing the folders had to leave out joins the bad photos. */
void cli_dataset_skipped(const lk_dataset *dataset, cli_bad *bad);

/* ---- models and galleries (models.c) -------------------------------------------------------------- */

lk_vector_kind cli_model_kind(const lk_model *model, const char *path);
/* The model of an open gallery: `given`, or the one the gallery names; MISMATCH if it is another. */
lk_status cli_gallery_model(const lk_gallery *gallery, const char *given, lk_model **out, lk_error *err);

/* ---- ranks (ranks_mpi.c) ---------------------------------------------------------------------------- */

/* The processes that mpirun started, of which this is one. NULL, which all of these take: this process is
 * alone. */
typedef struct cli_ranks cli_ranks;
/* NULL in *out if no launcher started this program or it started only one. CLI_USAGE, said by rank 0: several
 * ranks and a build without MPI, or with another. */
int cli_ranks_begin(cli_ranks **out);
/* Wait until all ranks are here. */
void cli_ranks_meet(cli_ranks *ranks);
const lk_ranks *cli_ranks_talk(const cli_ranks *ranks);
/* Of the cores that this rank may use, its share. 0: alone, all of them. */
int cli_ranks_threads(cli_ranks *ranks);
/* For what rank 0 says when the others do not answer any more: where the checkpoint would be, and the command
 * that goes on from it. Both are kept by reference. */
void cli_ranks_resume(cli_ranks *ranks, const char *checkpoint, const char *command);
/* Say the message (NULL: it has been said), and end all ranks with this exit code. Returns only when alone.
 */
void cli_ranks_fail(cli_ranks *ranks, int code, const char *message);
/* Wait for the others, which must come here too, and free. */
void cli_ranks_end(cli_ranks *ranks);

/* ---- verbs that train (command.c) ---- */

/* The command line as one would type it again, quoted where a shell needs it; to be freed. */
char *cli_command_line(int argc, char **argv);
/* Can a file be written there? If not, says so: CLI_SYSTEM. */
int cli_output_check(const char *path);

#endif
