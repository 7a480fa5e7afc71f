/* train.h: folders of people in, a model out. This header may change between minor versions. */
#ifndef LIKENESS_TRAIN_H
#define LIKENESS_TRAIN_H

#include "likeness/likeness.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- data set: a folder per person (ImageFolder) ------------------------------------------------ */

typedef struct lk_source {
    const char *path; /* DIR/PERSON/PHOTO */
    lk_crop crop;     /* how this set's photos are cut; all zero: the model's or trainer's default */
} lk_source;

typedef struct lk_dataset lk_dataset;
/* List one or more sources. A person found in several (same folder name) is one person. People and photos are
 * in byte order of their names, so the same folders give the same numbers. A photo's name ends in .jpg,
 * .jpeg, .png or .webp (any case). Links are followed; hidden names, other files, deeper folders and empty
 * people are left out. NOT_FOUND, IO (no permission), EMPTY (a source without photos), INVALID (a bad crop,
 * one source twice). Photos are not opened. */
LK_API lk_status lk_dataset_open(const lk_source *sources, size_t count, lk_dataset **out, lk_error *err);
LK_API void lk_dataset_free(lk_dataset *dataset);
LK_API size_t lk_dataset_people(const lk_dataset *dataset);
LK_API size_t lk_dataset_photos(const lk_dataset *dataset);
LK_API const char *lk_dataset_person_name(const lk_dataset *dataset, size_t person);
/* Photos of one person are contiguous: [first, first + count). */
LK_API void lk_dataset_person_photos(const lk_dataset *dataset, size_t person, size_t *first, size_t *count);
LK_API size_t lk_dataset_photo_person(const lk_dataset *dataset, size_t photo);
LK_API const char *lk_dataset_photo_path(const lk_dataset *dataset, size_t photo);
/* That of its source; all zero when the source names none. */
LK_API lk_crop lk_dataset_photo_crop(const lk_dataset *dataset, size_t photo);
/* The i-th thing that had to be left out though it looked wanted (a person's folder without permission, a
 * broken link, photos in no person's folder): its path, and the reason in *why (may be NULL). NULL past the
 * end. */
LK_API const char *lk_dataset_skipped(const lk_dataset *dataset, size_t i, lk_error *why);

/* ---- training ----------------------------------------------------------------------------------- */

typedef enum lk_mining {
    LK_MINING_RANDOM,     /* each anchor-positive pair with a random negative */
    LK_MINING_SEMI_HARD,  /* FaceNet (Schroff et al. 2015): the nearest negative further than the positive */
    LK_MINING_BATCH_HARD, /* Hermans et al. 2017: furthest positive, nearest negative */
    LK_MINING_DISTANCE_WEIGHTED, /* Wu et al. 2017: each pair with a negative drawn so that all distances are
                                    as likely */
    LK_MINING_NONE               /* of losses that take all pairs of a batch */
} lk_mining;
/* docs/training.md has the formulas. */
typedef enum lk_loss {
    LK_LOSS_TRIPLET,          /* max(|a-p| - |a-n| + margin, 0) */
    LK_LOSS_TRIPLET_SOFT,     /* Hermans et al. 2017: ln(1 + exp(|a-p| - |a-n|)) */
    LK_LOSS_TRIPLET_SQUARED,  /* FaceNet (Schroff et al. 2015): distances squared */
    LK_LOSS_MARGIN,           /* Wu et al. 2017: a boundary that is learned */
    LK_LOSS_CONTRASTIVE,      /* Hadsell et al. 2006 */
    LK_LOSS_N_PAIR,           /* Sohn 2016; van den Oord et al. 2018: InfoNCE */
    LK_LOSS_SUPCON,           /* Khosla et al. 2020 */
    LK_LOSS_MULTI_SIMILARITY, /* Wang et al. 2019 */
    LK_LOSS_ARCFACE           /* Deng et al. 2019: a classifier, to compare with */
} lk_loss;
typedef struct lk_loss_info {
    const char *name;
    double margin, temperature; /* those of its paper; NaN: it has none */
    lk_mining mining;           /* NONE: it takes all pairs */
} lk_loss_info;
/* NULL past the last. */
LK_API const lk_loss_info *lk_loss_about(lk_loss loss);
typedef enum lk_optimizer { LK_OPTIMIZER_ADAMW, LK_OPTIMIZER_SGD } lk_optimizer;

/* One run over several processes, each with its share of every batch (data parallel): how they talk. All
 * calls are collective: every rank makes the same ones in the same order. The library brings no
 * implementation; the program's is MPI.
 * Rank 0 alone reads a checkpoint, validates, calls progress() and writes; its clock counts. An error of one
 * rank is returned on that rank only, while the others wait for it in a call that does not return: whoever
 * runs the ranks ends them all. */
typedef struct lk_ranks {
    int rank, count; /* 0 <= rank < count */
    void *context;
    /* values (n) become their sum over all ranks. */
    void (*sum)(void *context, double *values, size_t n);
    /* Begin the same for floats, in the background; values may be read after sum_finish, which waits for all
     * that began. */
    void (*sum_start)(void *context, float *values, size_t n);
    void (*sum_finish)(void *context);
    /* mine (bytes) of each rank, in the order of ranks, to all (count * bytes) on every rank. */
    void (*gather)(void *context, const void *mine, size_t bytes, void *all);
} lk_ranks;

typedef struct lk_train_progress {
    size_t step, photos;          /* done so far, photos counted with repeats */
    double seconds, seconds_left; /* of training, and estimated */
    double epoch;                 /* photos / photos in the training set */
    double photos_per_second;     /* lately */
    double loss;                  /* mean over the triplets (anchors) of the last second */
    double active;                /* share of them with a loss above zero */
    double learning_rate;
    double distance_positive, distance_negative; /* mean L2 of the mined (of all) pairs */
    double validation_accuracy;                  /* of the last validation, NaN before it */
    const char *note;                            /* a warning or event, NULL when there is none */
} lk_train_progress;

/* ---- a closer look at a run, as a page about it shows (likeness train --report) ------------------- */

enum { LK_LOOK_BINS = 50, LK_LOOK_TRIPLETS = 12 };

/* An anchor, its furthest positive and its nearest negative of the batch, whatever mining learns from. */
typedef struct lk_look_triplet {
    size_t anchor, positive, negative; /* photos of the data set */
    double distance_positive, distance_negative, loss;
    size_t step; /* the distances are those of this step, of the photos as augmented in it */
} lk_look_triplet;

/* All of it is valid during the call only. Pairs and triplets are those of up to 256 anchors of each batch
 * with all of it, other ones each step; with several ranks, of rank 0's. Batches are drawn anew each step, so
 * that is a fair sample. */
typedef struct lk_train_look {
    const lk_train_progress *progress; /* the last one that was told; validation_accuracy as of now */
    const lk_error *end; /* NULL while it goes on; then how it ended: LK_OK, LK_STOPPED, LK_DIVERGED, ... */
    /* Of the steps from first_step to last_step, the last one or two times look_minutes: pairs of each
     * batch by their L2 distance, in equal bins from 0 to 2; and the triplets with the highest loss, highest
     * first, nobody in two of them. */
    size_t first_step, last_step;
    size_t positive_bin[LK_LOOK_BINS], negative_bin[LK_LOOK_BINS];
    size_t triplet_count;
    const lk_look_triplet *triplets;
    /* The last validation: its step, and each pair's cosine and whether it is of one person (0 or 1). */
    size_t validation_step, pair_count; /* no pairs: none yet */
    const float *cosine;
    const int *same;
    const lk_dataset *dataset;
    size_t people, photos, validation_people, excluded; /* trained on, kept for validation, left out */
} lk_train_look;

typedef struct lk_train_options {
    const lk_source *sources;
    size_t source_count;
    const lk_source *validate; /* people kept for validation; none: `holdout` of the people in sources */
    size_t validate_count;
    const char
        *exclude; /* text file of people (folder names, one a line) not to train on, or NULL: test people */
    const char *output; /* model path; the checkpoint is kept at OUTPUT.checkpoint until the end */
    const char *init;   /* model to start from, or NULL */
    const char *net;    /* name of a ready net, or text of one; NULL: that of `init` */
    const char *log;    /* CSV of progress, or NULL */
    const char *recipe; /* free text kept in the model's metadata (the command line), or NULL */
    lk_loss loss;       /* see lk_train_options_loss */
    double margin, temperature;
    lk_mining mining;
    double semi_hard_share; /* batch-hard only: this first share of training mines semi-hard, to avoid
                               collapse */
    int memory; /* past vectors that anchors are compared with too (Wang et al. 2020, XBM); 0: none */
    double memory_start;    /* share of training before it is used, while vectors change too fast */
    int people, photos;     /* P x K a batch */
    double minutes, epochs; /* whichever is > 0; both: what ends first */
    lk_optimizer optimizer;
    double learning_rate, weight_decay, momentum;
    double warmup;  /* share of training in which the learning rate rises to its value; then a cosine to 0 */
    double augment; /* 0 none .. 1 full */
    double average; /* validated and written is the moving average of the weights with this decay, say 0.998:
                       the mean of the last 1 / (1 - decay) steps or so; 0: the weights themselves */
    double holdout; /* share of people kept out when `validate` is empty */
    lk_crop crop;   /* for sources that name none, and stored as the model's own */
    bool aligned; /* photos are faces of lk_image_align, and so will the model's be; `crop` is {.centre = 1},
                     and a source whose faces have room around them says so by its own */
    uint64_t seed;
    int threads;               /* 0: all cores */
    lk_precision precision;    /* of activations and kernels; the weights themselves stay f32 */
    const lk_ranks *ranks;     /* NULL: this process alone. `people` and `photos` are those of one rank */
    double checkpoint_minutes; /* how often a checkpoint is written */
    double validate_minutes;   /* how often the validation people are looked at */
    int resume;                /* go on from OUTPUT.checkpoint; INVALID if its options differ */
    /* Called about once a second and at the end; non-zero asks for a stop: a checkpoint is written, STOPPED
     * returned. */
    int (*progress)(void *context, const lk_train_progress *progress);
    /* Asked before every step, on every rank; non-zero asks for the same stop, sooner. May be NULL. */
    int (*stop)(void *context);
    /* A photo that could not be read; it is left out and training goes on. May be NULL. */
    void (*bad_photo)(void *context, const char *path, const lk_error *why);
    /* Called on rank 0 about a second after the start, then every look_minutes, each time after progress();
     * and once at the end, however training ended, if it had begun. Training waits for it. NULL: nothing of
     * it is computed. The model is the same to the bit with and without. */
    void (*look)(void *context, const lk_train_look *look);
    double look_minutes;
    /* Called on rank 0 at the end with the validation people's photos: vectors (photos, dim), lengths
     * before they were scaled to 1, and whose they are. What it makes of them is the model's calibration;
     * EMPTY and INVALID, too little to say: there is none. lk_calibration_fit with a trial around it; NULL:
     * none. */
    lk_status (*calibrate)(const float *vectors, const float *lengths, const uint32_t *person, size_t photos,
                           int dim, lk_calibration *out, lk_error *err);
    void *context;
} lk_train_options;

/* Defaults for everything but sources and output. */
LK_API void lk_train_options_init(lk_train_options *options);
/* Another loss, with the margin, temperature and mining of its paper. */
LK_API void lk_train_options_loss(lk_train_options *options, lk_loss loss);
/* Errors: INVALID (options, with the name), EMPTY (fewer than 2 people with 2 photos), STOPPED, DIVERGED, IO,
 * ... */
LK_API lk_status lk_train(const lk_train_options *options, lk_error *err);
/* A model of PCA "eigenfaces" (Turk & Pentland 1991), the classic baseline: the net is one linear layer. */
LK_API lk_status lk_train_eigenfaces(const lk_train_options *options, lk_error *err);
/* Name of the i-th ready net, NULL past the end; and its text (docs/formats.md). */
LK_API const char *lk_net_name(size_t i);
LK_API const char *lk_net_text(const char *name);

/* ---- a detector of one's own -------------------------------------------------------------------- */

typedef struct lk_detect_progress {
    size_t step;
    double seconds, seconds_left;
    double canvases_per_second;
    double face, overlap, box, points; /* the parts of the loss, by cell at a face (docs/training.md) */
    double learning_rate;
    double recall; /* of the last validation: share of the faces found at one false face in 20 photos; NaN
                      before */
} lk_detect_progress;

typedef struct lk_detect_train_options {
    const char *labels;    /* photos and their faces (docs/formats.md) */
    const char *output;    /* model path; the checkpoint is kept at OUTPUT.checkpoint until the end */
    const char *net;       /* name of a ready net, or text of one */
    const char *init;      /* detector to start from, or NULL */
    const char *recipe;    /* free text kept in the model's metadata, or NULL */
    int side, batch;       /* pixels of a canvas, canvases a step */
    int photo_most;        /* photos with a longer side are shrunk to it as they are read into memory */
    double minutes;        /* of the detector; 0 with `init`: that one as it is */
    double points_minutes; /* then, of the second look, which tells better where the points are; 0: that of
                              `init` */
    double learning_rate,
        weight_decay; /* of the detector: AdamW; rises for the first 2 %, then a cosine to 0 */
    double holdout;   /* share of the photos kept for validation */
    uint64_t seed;
    int threads; /* 0: all cores */
    lk_precision precision;
    double checkpoint_minutes, validate_minutes;
    int resume;
    /* As in lk_train_options. */
    int (*progress)(void *context, const lk_detect_progress *progress);
    int (*stop)(void *context);
    void (*bad_photo)(void *context, const char *path, const lk_error *why);
    void *context;
} lk_detect_train_options;

/* Defaults for everything but labels and output. */
LK_API void lk_detect_train_options_init(lk_detect_train_options *options);
/* Errors: INVALID (options, a net that is no detector's), FORMAT (labels), EMPTY, STOPPED, DIVERGED, IO, ...
 */
LK_API lk_status lk_train_detector(const lk_detect_train_options *options, lk_error *err);

/* ---- photos made worse, to measure what a model loses ------------------------------------------- */

typedef enum lk_damage_kind {
    LK_DAMAGE_NONE,
    LK_DAMAGE_SHRINK, /* the photo, until the aligned square of its face has `amount` pixels a side */
    LK_DAMAGE_PIXELS, /* of a face that was cut out: shrunk to so many a side, and enlarged again */
    LK_DAMAGE_GREY,
    LK_DAMAGE_DARK,   /* underexposed by `amount` stops */
    LK_DAMAGE_SIDE,   /* light from the left: on the right of the face `amount` of the values is missing */
    LK_DAMAGE_JPEG,   /* of quality `amount` */
    LK_DAMAGE_GLASSES /* dark ones, drawn over the eyes */
} lk_damage_kind;
typedef struct lk_damage {
    lk_damage_kind kind;
    double amount;
} lk_damage;
/* "shrink=32", "pixels=32", "grey", "dark" or "dark=3", "side=0.9", "jpeg=10", "glasses". INVALID otherwise.
 */
LK_API lk_status lk_damage_parse(const char *text, lk_damage *out, lk_error *err);
/* face: whom the photo is about; NULL: none was found, and the whole photo stands for it. EMPTY: glasses need
 * a face. */
LK_API lk_status lk_damage_photo(const lk_damage *damage, const lk_image *photo, const lk_face *face,
                                 lk_image **out, lk_error *err);

/* ---- people who do not exist -------------------------------------------------------------------- */

typedef struct lk_people lk_people;
/* Fit the generative model to folders of people and write it. */
LK_API lk_status lk_people_fit(const lk_source *sources, size_t count, uint64_t seed, const char *output,
                               lk_error *err);
LK_API lk_status lk_people_open(const char *path, lk_people **out, lk_error *err);
LK_API void lk_people_free(lk_people *people);
/* Photo number `photo` of person number `person`; the same numbers and seed give the same pixels. */
LK_API lk_status lk_people_draw(const lk_people *people, uint64_t seed, uint64_t person, uint64_t photo,
                                lk_image **out, lk_error *err);

#ifdef __cplusplus
}
#endif
#endif
