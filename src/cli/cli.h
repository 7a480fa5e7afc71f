/* cli.h: what the verbs of the program share. Each verb is one cmd_NAME.c; nothing here knows a verb.
 *
 *   options.c   numbers, names, crops and folders given as text; checks them and says what is wrong
 *   output.c    saying, failing, tables, TSV, JSON, files written whole
 *   progress.c  the bar, plain lines, Ctrl-C, time and peak memory
 *   folders.c   photos of folders, folders of results, and the mark of a folder of aligned faces
 *   crew.c      pieces of work on several threads, results in order
 *   draw.c      faces drawn into a photo
 *   faces.c     which faces of a photo, and how they are shown; a detector for each thread
 *   bad.c       photos that could not be used: told, counted, listed
 *   photos.c    photos in, vectors out
 *   crops.c     photos in, files of aligned faces out
 *   models.c    opening models, and matching one with a gallery
 *   galleries.c opening galleries, and accounting for what is done with them
 *   rule.c      from which cosine on two photos show one person, and how probable that is
 *   ranks_mpi.c several processes that train one net
 *
 * The program uses only the public headers of the library. Results go to stdout, all else to stderr. */
#ifndef LIKENESS_CLI_H
#define LIKENESS_CLI_H

#include "likeness/gallery.h"
#include "likeness/likeness.h"
#include "likeness/train.h"

#include <argp.h>
#include <jansson.h>
#include <math.h>
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
int cmd_detect(int argc, char **argv);
int cmd_crop(int argc, char **argv);
int cmd_embed(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_calibrate(int argc, char **argv);
int cmd_enroll(int argc, char **argv);
int cmd_identify(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_gallery(int argc, char **argv);
int cmd_synth(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_data(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_nets(int argc, char **argv);
int cmd_words(int argc, char **argv);

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
    CLI_KEY_FAR,
    CLI_KEY_FPIR,
    CLI_KEY_PRIOR,
    CLI_KEY_MODEL,
    CLI_KEY_DETECT,
    CLI_KEY_ALIGNED,
    CLI_KEY_DETECTOR,
    CLI_KEY_DETECT_SIZE,
    CLI_KEY_MIN_FACE,
    CLI_KEY_CONFIDENCE,
    CLI_KEY_AUDIT,
    CLI_KEY_KEY_FILE,
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
            "pixels (default: the face that is found, for a model of aligned faces, else the model's own)",  \
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

/* How a verb looks for faces; its struct of options has one, named `look`. */
typedef struct cli_look {
    const char *detector; /* model; NULL: the shipped one */
    int size, min_face;   /* as in lk_detect_options */
    double confidence;    /* NaN: the detector's own */
    bool detect;          /* for a model too that takes photos as they are */
    bool aligned;         /* the photos are aligned faces already */
} cli_look;
#define CLI_LOOK_DEFAULT                                                                                     \
    { .size = 640, .confidence = NAN }
/* Rows of the argp table: how to look, for every verb that does; and whether, for those that embed. */
#define CLI_OPTIONS_LOOK(size_name)                                                                          \
    {"detector",                                                                                             \
     CLI_KEY_DETECTOR,                                                                                       \
     "MODEL",                                                                                                \
     0,                                                                                                      \
     "The model that finds faces (default: models/detect.safetensors, or the installed one)",                \
     0},                                                                                                     \
        {size_name,                                                                                          \
         CLI_KEY_DETECT_SIZE,                                                                                \
         "PIXELS",                                                                                           \
         0,                                                                                                  \
         "Photos whose longer side has more are shrunk to it before faces are looked for",                   \
         0},                                                                                                 \
        {"min-face", CLI_KEY_MIN_FACE, "PIXELS", 0, "Leave out faces narrower than this", 0}, {              \
        "confidence", CLI_KEY_CONFIDENCE, "P", 0,                                                            \
            "Leave out faces less sure than this, 0 to 1 (default: the detector's own)", 0                   \
    }
#define CLI_OPTIONS_FACES                                                                                    \
    {                                                                                                        \
        "detect",                                                                                            \
        CLI_KEY_DETECT,                                                                                      \
        0,                                                                                                   \
        0,                                                                                                   \
        "Look for faces for a model too that was trained on photos as they are",                             \
        0},                                                                                                  \
        {"aligned", CLI_KEY_ALIGNED, 0, 0, "The photos are aligned faces: take them whole", 0},              \
        CLI_OPTIONS_LOOK("detect-size")
#define CLI_NUMBERS_LOOK(options)                                                                            \
    {CLI_KEY_DETECT_SIZE, CLI_INT, offsetof(options, look.size), 64, 4096},                                  \
        {CLI_KEY_MIN_FACE, CLI_INT, offsetof(options, look.min_face), 0, 1e6}, {                             \
        CLI_KEY_CONFIDENCE, CLI_REAL, offsetof(options, look.confidence), 0, 1                               \
    }
/* The options of the tables above that are no numbers; ARGP_ERR_UNKNOWN for all others. */
error_t cli_look_parse(cli_look *look, int key, char *arg);

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

/* ---- photos that could not be used (bad.c) -------------------------------------------------------- */

/* Photos that could not be used: the first 10 are told at once, all are listed at the end. */
typedef enum cli_bad_kind {
    CLI_UNREADABLE,
    CLI_NO_FACE,
    CLI_SEVERAL_FACES,
    CLI_BAD_NAME,
    CLI_POOR, /* of too little quality */
    CLI_BAD_KINDS
} cli_bad_kind;
typedef struct cli_bad {
    size_t count, kind[CLI_BAD_KINDS];
    char **lines;
} cli_bad;
void cli_bad_add(cli_bad *bad, const char *path, const lk_error *why); /* CLI_UNREADABLE */
void cli_bad_say(cli_bad *bad, cli_bad_kind kind, const char *path, const char *format, ...) LK_PRINTF(4, 5);
/* "12 unreadable, 3 without a face"; "none". free() */
char *cli_bad_kinds(const cli_bad *bad);
void cli_bad_finish(cli_bad *bad, bool list); /* list them if asked and any; free */

/* ---- folders (folders.c) ------------------------------------------------------------------------- */

/* Photos found by walking folders. */
typedef struct cli_file {
    char *path;
    size_t name_at; /* in path: where the name under the folder begins, "PERSON/PHOTO.jpg" */
} cli_file;
typedef struct cli_files {
    cli_file *items;
    size_t count;
} cli_files;
/* A photo, taken as it is; or a folder with all the photos in it and its folders, in byte order of their
 * names, hidden ones and other files left out. What cannot be read joins the bad photos. With `skip_aligned`
 * folders of aligned faces are told and left out. */
void cli_files_add(cli_files *files, const char *path, bool skip_aligned, cli_bad *bad);
void cli_files_free(cli_files *files);
bool cli_is_folder(const char *path);

/* Make the folder `path` and the missing ones above it. 0, or an exit code after saying why. */
int cli_folder_make(const char *path);
/* Take a folder to write results into: it must be new, empty, or hold a file `name` that says `mark`, for it
 * was begun by the same command. The mark is written. 0, or an exit code after saying why. */
int cli_folder_claim(const char *path, const char *name, const char *mark);

/* A folder of aligned faces is known by this file in it (docs/formats.md). */
#define CLI_ALIGNED_MARK ".likeness-aligned"
/* The room around the faces in this folder (1 or more); 0: no such folder. */
double cli_aligned_room(const char *folder);
/* For a photo: that of its folder, or of the one above. */
typedef struct cli_aligned { /* the last folder that was looked at */
    char *folder;            /* NULL: none yet; to be freed */
    double room;
} cli_aligned;
double cli_aligned_photo(cli_aligned *last, const char *path);

/* ---- crew (crew.c) ------------------------------------------------------------------------------- */

/* Pieces of work 0 .. count - 1, done by `workers` threads at once and handed over one by one in order. No
 * more than a few pieces a worker are ahead of what was handed over. */
typedef struct cli_crew {
    size_t count;
    int workers; /* at least 1 */
    void *context;
    /* On a worker's own thread, 0 <= worker < workers; what it returns is not NULL. */
    void *(*work)(void *context, int worker, size_t piece);
    /* On the caller's thread. It frees the result. What is not LK_OK ends the run. */
    lk_status (*done)(void *context, size_t piece, void *result, lk_error *err);
    void (*drop)(void *result); /* of a piece that is not handed over any more */
} cli_crew;
lk_status cli_crew_run(const cli_crew *crew, lk_error *err);
/* How many threads to use for `count` pieces (0 threads: all cores). */
int cli_workers(int threads, size_t count);
/* And how many threads each of these workers has for itself. */
int cli_worker_threads(int threads, int workers);
/* Progress over photos; STOPPED after Ctrl-C. */
lk_status cli_photos_done(size_t done, size_t count, double started, lk_error *err);

/* ---- faces (faces.c) ----------------------------------------------------------------------------- */

enum { CLI_FACES_MAX = 1024 }; /* of one photo */

/* Detectors of one model, one for each worker. */
typedef struct cli_finder cli_finder;
lk_status cli_finder_open(const cli_look *look, const cli_compute *compute, int workers, cli_finder **out,
                          lk_error *err);
void cli_finder_free(cli_finder *finder); /* NULL is fine */
const char *cli_finder_fingerprint(const cli_finder *finder);
double cli_finder_confidence(const cli_finder *finder);
/* The faces of a photo, widest first; free(). */
lk_status cli_finder_find(cli_finder *finder, int worker, const lk_image *photo, lk_face **faces,
                          size_t *count, lk_error *err);

/* Of several faces the one a photo of one person is about: large, and near the centre. count > 0. */
size_t cli_face_central(const lk_face *faces, size_t count, int width, int height);
/* "box": [x, y, w, h], "points": [[x, y]...], "confidence", "quality" into an object; face NULL: all null. */
void cli_face_json(json_t *object, const lk_face *face);

/* The photo with boxes, points and the numbers of the faces drawn in, to look at (draw.c). */
lk_status cli_draw_faces(const lk_image *photo, const lk_face *faces, size_t count, lk_image **out,
                         lk_error *err);

/* ---- photos (photos.c) --------------------------------------------------------------------------- */

typedef struct cli_photo {
    const char *path;
    lk_crop crop;     /* all zero: the face that is found, or the model's own */
    lk_damage damage; /* before anything is done with it */
} cli_photo;

/* Which faces of a photo are embedded. */
typedef enum cli_pick {
    CLI_PICK_ALL,
    CLI_PICK_LARGEST,
    CLI_PICK_CENTRAL, /* cli_face_central; a photo without a face is taken whole */
    CLI_PICK_ONLY,    /* none where there are several */
    CLI_PICK_NUMBER   /* `number` */
} cli_pick;

/* A face as a gallery may keep it: a JPEG of CLI_KEPT_SIDE pixels a side, in which what was embedded fills
 * 1 / CLI_KEPT_ROOM of each side in the middle, so that another model can be given it (docs/formats.md). */
enum { CLI_KEPT_SIDE = 160 };
#define CLI_KEPT_ROOM 1.25
typedef struct cli_jpeg {
    uint8_t *bytes;
    size_t size;
} cli_jpeg;

/* What was found in a photo, and the vectors of the faces that were picked. */
typedef struct cli_faces {
    bool looked;          /* for faces */
    bool whole;           /* taken whole, or by its crop: one vector; nothing was looked for, or not found */
    size_t found;         /* faces in the photo */
    const lk_face *face;  /* (found), widest first */
    size_t count;         /* vectors */
    const size_t *number; /* (count) into face; NULL when whole */
    const float *vectors; /* (count, dim) */
    const cli_jpeg *kept; /* (count) where asked for, else NULL */
    const float *lengths; /* (count): before they were scaled to 1 */
    const float *quality; /* (count): of the vectors, by the model's calibration; NaN: not known */
} cli_faces;

/* Called for each photo in order; `faces` NULL for one that could not be read and is in the list of bad ones.
 * What is said of photos with no face or several is up to the verb. */
typedef lk_status (*cli_faces_fn)(void *context, size_t photo, const cli_faces *faces, lk_error *err);

/* What to embed, and how. */
typedef struct cli_embedding {
    const lk_model *model;
    const cli_compute *compute;
    const cli_look *look;
    cli_pick pick;
    size_t number; /* of CLI_PICK_NUMBER, from 0 */
    const cli_photo *photos;
    size_t count;
    cli_faces_fn fn;
    /* Called before, on a worker's thread, with the decoded photo, or NULL and why there is none. May be
     * NULL.
     */
    void (*seen)(void *context, size_t photo, const lk_image *image, const lk_error *why);
    void *context;
    cli_bad *bad;
    bool keep; /* make the pictures that a gallery keeps too */
} cli_embedding;
/* Faces are looked for where the model is one of aligned faces or look->detect is set, unless the photo has a
 * crop, look->aligned is set or its folder is one of aligned faces. STOPPED after Ctrl-C; else what fn or the
 * embedder returned: INVALID if it does not compute that way. A bad photo is no error. */
lk_status cli_embed(const cli_embedding *embedding, lk_error *err);
/* Would it start? Models are opened and let go again. */
lk_status cli_embed_check(const cli_embedding *embedding, lk_error *err);
/* The photos of a data set, in its order; free(). The paths belong to the data set. */
cli_photo *cli_dataset_photos(const lk_dataset *dataset);
/* What listing the folders had to leave out joins the bad photos. */
void cli_dataset_skipped(const lk_dataset *dataset, cli_bad *bad);

/* ---- crops (crops.c) ------------------------------------------------------------------------------ */

typedef struct cli_crops {
    const char *output;    /* folder */
    int size;              /* side of the aligned square */
    double room;           /* of what is written, over `size` */
    const char *extension; /* "png", "jpg", "webp" */
    int quality;
    bool all; /* every face of a photo, not the central one */
    cli_look look;
    cli_compute compute;
} cli_crops;
#define CLI_CROPS_DEFAULT                                                                                    \
    { .size = 112, .room = 1.25, .extension = "jpg", .quality = 95, .look = CLI_LOOK_DEFAULT }
/* Write the aligned faces of the photos, under the names the photos have in their folders; what is there
 * already is kept. 0, or an exit code after saying why. */
typedef struct cli_cropped {
    size_t faces, photos, kept; /* written, of so many photos; photos whose faces were there already */
} cli_cropped;
int cli_crops_write(const cli_crops *crops, const cli_files *files, cli_cropped *cropped, cli_bad *bad);
/* "wrote 20 faces of 20 photos, 4 were there already; skipped 3: 2 unreadable, 1 without a face"; free() */
char *cli_crops_summary(const cli_cropped *cropped, const cli_bad *bad);

/* ---- models and galleries (models.c) -------------------------------------------------------------- */

/* A model that the project ships: models/NAME under the current folder, or the installed one; free(). */
char *cli_shipped_model(const char *name);
lk_vector_kind cli_model_kind(const lk_model *model, const char *path);
/* The model of an open gallery: `given`, or the one the gallery names; MISMATCH if it is another. */
lk_status cli_gallery_model(const lk_gallery *gallery, const char *given, lk_model **out, lk_error *err);

/* ---- galleries (galleries.c) ------------------------------------------------------------------------ */

/* How a verb gets at galleries; its struct of options has one, named `access`. */
typedef struct cli_access {
    bool audit_required;  /* do not search what cannot record it */
    const char *key_file; /* NULL: the key, if one is needed, is in LIKENESS_GALLERY_KEY */
} cli_access;
#define CLI_OPTION_KEY                                                                                       \
    {                                                                                                        \
        "key-file", CLI_KEY_KEY_FILE, "FILE", 0,                                                             \
            "The key of an encrypted gallery: 64 hex digits (default: the variable LIKENESS_GALLERY_KEY)", 0 \
    }
#define CLI_OPTION_AUDIT                                                                                     \
    {                                                                                                        \
        "audit", CLI_KEY_AUDIT, "auto|required", 0,                                                          \
            "required: refuse to search a gallery that cannot be written, and so cannot record it "          \
            "(default: auto: search it, and say that it was not recorded)",                                  \
            0                                                                                                \
    }
/* The options above; ARGP_ERR_UNKNOWN for all others. */
error_t cli_access_parse(cli_access *access, int key, char *arg, struct argp_state *state);

lk_status cli_gallery_open(const char *path, bool write, const cli_access *access, lk_gallery **out,
                           lk_error *err);
/* A new one. encrypt: with the key, which must be given. */
lk_status cli_gallery_create(const char *path, const lk_vector_kind *kind, bool encrypt,
                             const cli_access *access, lk_gallery **out, lk_error *err);
/* For writing, so that searches can be recorded; else for reading, and it is said that they are not. */
lk_status cli_gallery_open_to_search(const char *path, const cli_access *access, lk_gallery **out,
                                     bool *recorded, lk_error *err);
/* Of the bytes of a photo's file. */
lk_status cli_probe_hash(const char *path, uint8_t hash[LK_PROBE_HASH_BYTES], lk_error *err);
/* ---- what a cosine means (rule.c) ------------------------------------------------------------------ */

/* What the command line asks for: a threshold, or how often a stranger may be taken for somebody. */
typedef struct cli_wish {
    double threshold; /* NaN: by the rate */
    double rate;      /* FAR of a pair, or FPIR of a gallery */
    double prior;     /* probability, before looking, of one person; of a gallery: that the person is in it */
    bool rate_given;
} cli_wish;
enum { CLI_RATE_LEAST_EXPONENT = 9 };
#define CLI_WISH_DEFAULT(rate_)                                                                              \
    { .threshold = NAN, .rate = (rate_), .prior = 0.5 }
#define CLI_OPTION_PRIOR(of)                                                                                 \
    { "prior", CLI_KEY_PRIOR, "P", 0, "Probability, before looking, that " of, 0 }

/* From which cosine on it is one person, and what that means. */
typedef struct cli_rule {
    const lk_calibration *calibration; /* NULL: none, and no probabilities */
    double threshold;
    double rate;       /* FAR or FPIR of that threshold; NaN: not known */
    bool extrapolated; /* the rate is lower than validation people could show */
    double prior;      /* of one pair */
} cli_rule;
/* For two photos. `path` of the model, to be told. CLI_USAGE: no threshold, given or of the model. */
int cli_rule_pair(const lk_model *model, const char *path, const cli_wish *wish, cli_rule *out);
/* For the photos of a gallery. `path` of the gallery. */
int cli_rule_gallery(const lk_model *model, const char *path, const lk_gallery_info *info,
                     const cli_wish *wish, cli_rule *out);
double cli_rule_probability(const cli_rule *rule, double cosine); /* NaN: not known */
/* A table's cell: a probability with two digits beside its nearer end, a quality, a rate; "NA" for NaN. */
void cli_probability_cell(cli_table *table, double probability);
void cli_quality_cell(cli_table *table, double quality);
void cli_rate_cell(cli_table *table, const cli_rule *rule);

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
