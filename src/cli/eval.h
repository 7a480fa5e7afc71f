/* eval.h: the parts of likeness eval, of which likeness calibrate uses some. All figures of a model become
 * one JSON object; what is printed and the page are written from these objects alone, so that likeness report
 * shows the same page later.
 *
 *   cmd_eval.c       options, and the order of things
 *   eval_photos.c    which photos, and their vectors by every model
 *   eval_sets.c      photos that are measured on together, and whose they are
 *   eval_people.c    people the models know from training; people and their groups
 *   eval_verify.c    verification: every figure of pairs
 *   eval_identify.c  identification: every figure of galleries
 *   eval_map.c       which photos are in the map, and where
 *   eval_facts.c     about the model, the data and the run
 *   eval_json.c      what the library measured, as JSON
 *   eval_text.c      JSON as text and as TSV
 *
 * The page is written by report_eval.c and its neighbours (report.h). */
#ifndef LIKENESS_CLI_EVAL_H
#define LIKENESS_CLI_EVAL_H

#include "cli.h"
#include "likeness/eval.h"

enum { EVAL_MODELS_MAX = 20, EVAL_SIZES_MAX = 16, EVAL_MISTAKES = 12 };

typedef struct eval_options {
    const char **models, **names; /* names: what to call them, the first ones */
    size_t model_count, name_count;
    const char **damages; /* how photos are made worse */
    size_t damage_count;
    bool damage_second; /* only the second photo of each pair */
    const char *pairs, *groups, *report, *title;
    cli_sources root, all_pairs, identify; /* one each; calibrate: several of all_pairs */
    lk_crop crop;
    size_t gallery_photos;                                /* of each person; 0: half */
    size_t gallery_people[EVAL_SIZES_MAX], gallery_sizes; /* of the open set; none: 10, 30, 100 .. */
    size_t limit_people;                                  /* of folders of people; 0: all */
    size_t map;                                           /* photos in it */
    int bootstrap;                                        /* replicates */
    uint64_t seed;
    bool no_photos; /* nor names of people and files */
    bool trained_people_ok;
    cli_look look;
    cli_compute compute;
    cli_style style;
    char *command;
} eval_options;

/* A folder of people, as limited. */
typedef struct eval_folder {
    lk_dataset *dataset; /* NULL: not asked for */
    size_t people, photos;
} eval_folder;

/* Photos that are measured on together, and whose they are. */
typedef struct eval_set {
    size_t count;   /* photos */
    size_t *photo;  /* (count) into the run's photos */
    size_t *folder; /* (count) into names: the folder a photo lies in */
    size_t names;
    char **name;      /* (names) of folders: of people, but for pairs that say otherwise */
    uint32_t *person; /* (count) folders that a pair says show one person are one person */
    lk_pair *pairs;   /* (pair_count); NULL: every pair of photos */
    size_t pair_count, left_out;
} eval_set;

/* A groups file: person<TAB>group. */
typedef struct eval_groups {
    size_t count;
    char **name;            /* (count) in byte order */
    int *of_name;           /* (set's names) which group, or LK_NO_GROUP */
    size_t placed, unknown; /* people of the set in a group; people of the file who are not in the set */
} eval_groups;

/* A model, as it sees photos as they are, or with one damage. */
typedef struct eval_model {
    const char *path, *damage_text; /* NULL: none */
    lk_damage damage;
    char *name;
    lk_model *model;
    float *vectors;                    /* (photos, dim) */
    float *lengths, *quality;          /* (photos): of the vectors; quality NaN: not known */
    size_t embedded, looked, faceless; /* photos; searched for faces; of them, without one and taken whole */
    double seconds;                    /* that took */
    json_t *trained;                   /* names of people it knows from training; NULL: it does not tell */
    json_t *figures;                   /* the object */
} eval_model;

typedef struct eval_run {
    const eval_options *options;
    lk_pairs pairs;
    char **joined; /* (pairs.photo_count) root/photo */
    eval_folder all_pairs, identify;
    cli_photo *photos;  /* (count) each once, whoever asked for it */
    const char **label; /* (count) as named under its folder or in the pairs file */
    size_t count, good;
    bool *usable;            /* (count) by every model */
    float *quality;          /* (count) of the face that was found; 0: none; NaN: not looked for */
    lk_crop *box;            /* (count) of the face, or as photos are cut; all zero: whole */
    bool *spared;            /* (count) not made worse, whatever the model */
    eval_set verify, closed; /* for verification; for identification. No photos: not asked for */
    eval_groups groups;      /* of the people in `verify`; none without a file */
    eval_model *models;      /* (model_count) each model without damage, then with each */
    size_t model_count;
} eval_run;

/* ---- models (cmd_eval.c) ------------------------------------------------------------------------- */

int eval_models_open(eval_run *run); /* 0, or an exit code after saying why */
void eval_models_free(eval_run *run);

/* ---- photos (eval_photos.c) ---------------------------------------------------------------------- */

/* Lists them; no photo is opened. Each of these: 0, or an exit code after saying why. */
int eval_photos_open(eval_run *run, cli_bad *bad);
/* By every model. What not every model could read is left out of both sets. */
int eval_photos_embed(eval_run *run, cli_bad *bad);
void eval_photos_free(eval_run *run);

/* ---- sets (eval_sets.c) -------------------------------------------------------------------------- */

/* Of the pairs file, and of a folder; set->photo is for the caller to fill. */
/* apart: as first and as second photo of a pair a photo counts as two. set->photo is its number among the
 * pairs' photos; their count is added for one that is second. */
void eval_set_of_pairs(const lk_pairs *pairs, bool apart, eval_set *out);
void eval_set_of_folder(const eval_folder *folder, eval_set *out);
/* Drop the photos that are not usable (by the run's numbers), and the pairs with them. */
void eval_set_keep(eval_set *set, const bool *usable);
void eval_set_free(eval_set *set);
/* What a model makes of the set. The vectors (count, dim) are to be freed; the rest is the set's own. */
float *eval_set_trial(const eval_set *set, const eval_model *model, lk_trial *out);

/* ---- people (eval_people.c) ---------------------------------------------------------------------- */

/* Who "a/b/Ann_Lee" of a pairs file is: Ann_Lee, as a folder of people would name her. */
const char *eval_person_name(const char *name);
/* People that a model was trained on are no test of it: CLI_INPUT, or, if that is fine, a warning. */
int eval_people_check(eval_run *run);
int eval_groups_load(const char *path, const eval_set *set, eval_groups *out);
void eval_groups_free(eval_groups *groups);

/* ---- measuring ----------------------------------------------------------------------------------- */

/* Each adds its figures to the model's object; what was not asked for, and what is EMPTY, too little to say,
 * is null. */
lk_status eval_verify(const eval_run *run, eval_model *model, lk_error *err);   /* eval_verify.c */
lk_status eval_compare(const eval_run *run, lk_error *err);                     /* the models, two by two */
lk_status eval_identify(const eval_run *run, eval_model *model, lk_error *err); /* eval_identify.c */
/* eval_map.c; not wanted: null. */
lk_status eval_map(const eval_run *run, eval_model *model, bool wanted, lk_error *err);

/* What is no figure: about the model, the data and the run (eval_facts.c). */
void eval_facts(const eval_run *run, const eval_model *model);

/* splitmix64 (Steele, Lea & Flood 2014): small, and the same everywhere. */
void eval_shuffle(size_t *items, size_t count, uint64_t seed);

/* ---- figures as JSON (eval_json.c) ---------------------------------------------------------------- */

/* The one place where figures get their names (docs/formats.md); NULL: not measured. */
json_t *eval_json_interval(lk_interval interval);
void eval_json_verification(json_t *figures, const lk_verification *v);
json_t *eval_json_comparison(const lk_comparison *c);
json_t *eval_json_calibration(const lk_reliability *c);
json_t *eval_json_group(const lk_group *g);
void eval_json_identification(json_t *figures, const lk_identification *id);
json_t *eval_json_open_set(const lk_open_set *o);
/* What the thresholds do that the model's calibration says; null: it has none, or cannot say. */
json_t *eval_json_calibrated(const lk_open_set *o, const lk_calibration *calibration);
/* Who, in which photo, as a page can show it; null with --no-photos. */
json_t *eval_json_photo(const eval_run *run, const eval_set *set, size_t photo);

/* ---- text (eval_text.c) -------------------------------------------------------------------------- */

void eval_text_print(json_t *const *figures, size_t count);
void eval_tsv_print(json_t *const *figures, size_t count);

#endif
