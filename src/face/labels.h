/* labels.h: photos whose faces are known, from a labels file (docs/formats.md), to teach a detector. */
#ifndef LK_LABELS_H
#define LK_LABELS_H

#include "base/base.h"

enum { LK__SMALLER = 2 };

typedef struct lk__label {
    lk_face face; /* box and points, pixels of the photo in memory */
    bool ignored; /* perhaps a face: neither right nor wrong */
} lk__label;

typedef struct lk__labelled {
    char *path;
    lk_image *image;                /* NULL: could not be read */
    lk_image *smaller[LK__SMALLER]; /* a half and a quarter of its size: most canvases want no more */
    lk__label *label;
    size_t count;
} lk__labelled;

typedef struct lk__labels {
    lk__labelled *photo;
    size_t count;
    char *text; /* the file */
} lk__labels;

/* Tab-separated, one header line, `photo kind x y width height x1 y1 ... x5 y5`, kind face, ignore or none (a
 * photo without a face: the numbers may be missing); lines of one photo follow each other; paths are relative
 * to the file's folder. FORMAT names file and line. */
lk_status lk__labels_read(const char *path, lk__labels *out, lk_error *err);
/* Read all photos into memory on all threads, those with a longer side of more than `most` pixels shrunk to
 * it, labels with them. One that cannot be read is told to bad_photo (may be NULL; under a lock) and keeps
 * image NULL; EMPTY if none can. */
lk_status lk__labels_load(lk__labels *labels, int most,
                          void (*bad_photo)(void *context, const char *path, const lk_error *why),
                          void *context, lk_error *err);
void lk__labels_free(lk__labels *labels);

#endif
