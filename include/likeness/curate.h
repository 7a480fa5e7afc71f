/* likeness/curate.h: galleries as a whole: out to files and back, two into one, two people who are one,
 * people who were enrolled twice, faces without names grouped into people. Conventions are those of
 * likeness.h; this header may change between minor versions. */
#ifndef LIKENESS_CURATE_H
#define LIKENESS_CURATE_H

#include "likeness/gallery.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Called now and then; a non-zero return ends the work with STOPPED. */
typedef int (*lk_progress_fn)(void *context, size_t done, size_t count);

/* ---- out and back (docs/formats.md, "Exported galleries") ----------------------------------------- */

typedef struct lk_export_options {
    bool crops; /* those that are kept */
    lk_progress_fn progress;
    void *context;
} lk_export_options;
/* Write a gallery to a new folder, atomically: photos.jsonl, vectors.safetensors and, with crops,
 * crops.safetensors. All of it is of one moment; BUSY: the gallery was changed meanwhile, nothing was
 * written. INVALID: the folder is there already. `info` (may be NULL) gets how much was written. */
LK_API lk_status lk_gallery_export(lk_gallery *gallery, const char *folder, const lk_export_options *options,
                                   lk_gallery_info *info, lk_error *err);

/* What an exported gallery holds, without reading all of it: photos, dim, fingerprint ("" where it does not
 * say), threshold, model_path. */
LK_API lk_status lk_export_get_info(const char *folder, lk_gallery_info *info, lk_error *err);
/* Enroll all that was exported, all or nothing. Ids are kept in a gallery that never held a photo. A photo of
 * the same person and name is replaced. MISMATCH: another model's vectors; those that do not say whose they
 * are, are taken. FORMAT names the line or row. */
LK_API lk_status lk_gallery_import(lk_gallery *gallery, const char *folder, lk_progress_fn progress,
                                   void *context, size_t *photos, lk_error *err);

/* ---- joining -------------------------------------------------------------------------------------- */

typedef struct lk_merge_options {
    bool
        rename; /* people of the same name are not the same: those who come are called "NAME (2)" and so on */
    lk_progress_fn progress;
    void *context;
} lk_merge_options;
typedef struct lk_merged {
    size_t people, photos; /* that came in; people: new ones */
    size_t renamed;        /* people */
    size_t joined;         /* people who were there already */
    size_t kept;           /* photos that were there already, vector and all */
} lk_merged;
/* Enroll all of `from` in `into` too, all or nothing, with all that is kept of them. Where a person already
 * has another photo of the name, the name gets " (2)" and so on. MISMATCH: other models. */
LK_API lk_status lk_gallery_merge(lk_gallery *into, const lk_gallery *from, const lk_merge_options *options,
                                  lk_merged *merged, lk_error *err);
/* Give all photos of other people to one, who is then who they were: all or nothing. NOT_FOUND; INVALID:
 * `into` is among the others, or a transaction is open. `moved` (may be NULL): photos. */
LK_API lk_status lk_gallery_merge_people(lk_gallery *gallery, const char *into, const char *const *others,
                                         size_t count, size_t *moved, lk_error *err);

/* ---- enrolled twice ------------------------------------------------------------------------------- */

typedef struct lk_duplicate {
    const char *a, *b; /* people, in byte order of their names; texts belong to the lk_duplicates */
    size_t photos_a, photos_b;
    int64_t photo_a, photo_b; /* ids of the two photos of them that are most alike */
    const char *photo_name_a, *photo_name_b;
    float closest; /* cosine of those two */
    float mean;    /* of all photos of a with all of b: low where only a photo or two are alike */
} lk_duplicate;
typedef struct lk_duplicates {
    size_t count;
    lk_duplicate *items; /* by mean, the highest first */
    double
        photo_pairs; /* of different people, that were compared: times FAR, how many are expected by chance */
} lk_duplicates;
/* All pairs of people with two photos whose cosine is at least `threshold`. Nothing is changed. */
LK_API lk_status lk_gallery_find_duplicates(lk_gallery *gallery, double threshold, lk_progress_fn progress,
                                            void *context, lk_duplicates *out, lk_error *err);
LK_API void lk_duplicates_free(lk_duplicates *duplicates);

/* ---- without names -------------------------------------------------------------------------------- */

/* Unit vectors (n, dim) into groups of one person each: average linkage, which joins two groups as long as
 * the cosines between their vectors are at least `threshold` on average. cluster (n): the group of each, by
 * size, the largest 0, equal ones by their first vector; *count groups. The same on any number of threads.
 * Memory grows as n, time as n squared: docs/performance.md. INVALID: no unit vectors, no cosine. */
LK_API lk_status lk_cluster(const float *vectors, size_t n, int dim, double threshold, uint32_t *cluster,
                            size_t *count, lk_error *err);

#ifdef __cplusplus
}
#endif
#endif
