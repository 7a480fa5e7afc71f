/* data.h: what ruins training in folders of people: photos that are copies of others, and labels that are
 * wrong. Pictures are told by a signature of their pixels, labels by the vectors of a model. This header may
 * change between minor versions. */
#ifndef LIKENESS_DATA_H
#define LIKENESS_DATA_H

#include "likeness/likeness.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- copies: the same picture saved again, smaller, lighter, cut a little, mirrored ---------------- */

enum { LK_SIGNATURE_SIDE = 32, LK_SIGNATURE_WORDS = 2 };
/* What is kept of a picture to know it again. All zero: no picture, alike to none. */
typedef struct lk_signature {
    uint64_t bits[LK_SIGNATURE_WORDS];                   /* signs of its lowest frequencies */
    uint8_t grey[LK_SIGNATURE_SIDE * LK_SIGNATURE_SIDE]; /* the whole picture, shrunk */
} lk_signature;
LK_API lk_status lk_image_signature(const lk_image *image, lk_signature *out, lk_error *err);

typedef struct lk_copy {
    size_t a, b;     /* a < b */
    double likeness; /* correlation of their fine structure once one lies over the other, up to 1 */
    bool mirrored;
} lk_copy;
/* How alike two pictures are, and whether one is the other's mirror image (may be NULL). A copy that was
 * encoded again, resized, made lighter or darker, or lost up to a tenth of its width or height at its borders
 * has a likeness of at least LK_COPY_LEAST; two photos of one person taken one after the other have less. A
 * picture of one colour is like none. */
LK_API double lk_signature_likeness(const lk_signature *a, const lk_signature *b, bool *mirrored);
#define LK_COPY_LEAST 0.8

typedef struct lk_copies {
    size_t count;
    lk_copy *items; /* by a, then b */
} lk_copies;
/* All pairs of a likeness of `least` or more, on `threads` threads (0: all cores). progress (may be NULL) is
 * called now and then with the share that is done; STOPPED if it returns non-zero. */
LK_API lk_status lk_copies_find(const lk_signature *signatures, size_t count, double least, int threads,
                                int (*progress)(void *context, double share), void *context, lk_copies *out,
                                lk_error *err);
LK_API void lk_copies_free(lk_copies *copies);

/* ---- labels: which of them are wrong, as far as vectors tell ---------------------------------------- */

typedef struct lk_label_input {
    const float *vectors; /* (count, dim), of norm 1 */
    const size_t *person; /* (count), below `people` */
    const uint32_t *set; /* (count), where a photo is from: what all photos of a set share, its camera say, is
                            taken away; NULL: all from one */
    size_t count, people;
    size_t judged_people; /* people below this one are judged; those from it on are of a second folder */
    int dim;
    uint64_t seed;
    int threads;                                  /* 0: all cores */
    int (*progress)(void *context, double share); /* may be NULL; STOPPED if it returns non-zero */
    void *context;
} lk_label_input;

/* Cosines below are between vectors from which was taken what all photos share, and what varies within
 * people: those of strangers are near 0. */
typedef struct lk_photo_label {
    double own;     /* cosine with the mean of the person's other photos; NaN: there are none */
    double other;   /* the highest with the mean of another person (2 photos or more); NaN: there is none */
    size_t nearest; /* that person */
    double doubt;   /* probability that it is wrong; NaN: not judged, as in a folder of two people */
    bool somebody;  /* if it is wrong, `nearest` is rather the right one than just a stranger */
} lk_photo_label;

typedef struct lk_person_split {
    size_t person, first, second;     /* photos of each of the two groups, the larger first */
    size_t first_photo, second_photo; /* the most typical photo of each */
    double cosine;                    /* mean over pairs of photos, one of each group */
    double within;                    /* mean over pairs in one group, the one where it is lower */
    double doubt;                     /* probability that they are two people */
} lk_person_split;

typedef struct lk_people_pair {
    size_t a, b;   /* people, a < b */
    double cosine; /* of their means */
    double rivals; /* mean cosine of the others most like either */
    double z;      /* the cosine in deviations from those of the others most like either */
    double doubt;  /* probability that they are one person */
} lk_people_pair;

typedef struct lk_labels {
    lk_photo_label *photos; /* (count) */
    size_t split_count, pair_count, leak_count;
    lk_person_split *splits; /* surest first, from a doubt of 0.01 on: folders that seem to hold two people */
    lk_people_pair *pairs;   /* the same: judged people who seem to be one person */
    lk_people_pair *leaks;   /* the same, b being one of the second folder */
    double wrong_share;      /* of the judged photos' labels, estimated */
    double strangers_mean, strangers_deviation; /* of the cosine of two people's means */
} lk_labels;
/* EMPTY: fewer than LK_LABEL_PEOPLE_LEAST judged people with 2 photos. INVALID: a vector that is not finite.
 */
LK_API lk_status lk_labels_judge(const lk_label_input *input, lk_labels *out, lk_error *err);
LK_API void lk_labels_free(lk_labels *labels);
enum { LK_LABEL_PEOPLE_LEAST = 12 };

#ifdef __cplusplus
}
#endif
#endif
