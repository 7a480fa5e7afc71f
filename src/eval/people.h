/* people.h: what the measures of identification share: a trial's photos by the person they show, photos and
 * people drawn at random, and rows laid out for src/gallery's dot products. */
#ifndef LK_EVAL_PEOPLE_H
#define LK_EVAL_PEOPLE_H

#include "base/base.h"
#include "gallery/gallery.h"
#include "likeness/eval.h"

typedef struct lk__people {
    size_t count;  /* people */
    size_t *first; /* (count + 1): where in `photo` those of a person begin */
    size_t *photo; /* (photos): person by person, rising numbers; each person's in the trial's order */
} lk__people;
/* INVALID: no vectors or no people in the trial, a value that is not finite. */
lk_status lk__people_group(const lk_trial *trial, lk__people *out, lk_error *err);
void lk__people_free(lk__people *people);
static inline size_t lk__people_photos(const lk__people *people, size_t i) {
    return people->first[i + 1] - people->first[i];
}

/* The open set's draw number r: `people` of the eligible, and of each `enrolled` photos (0: half); at least
 * one stays a probe. Eligible is everybody, the first `able` of 2 photos and more; others only fill up. Both
 * lists are shuffled, so draws depend on those before. */
#define LK__STRANGER SIZE_MAX
typedef struct lk__role {
    size_t person; /* 0 .. people - 1, in the order drawn, or LK__STRANGER */
    bool enrolled;
} lk__role;
void lk__roles_draw(lk__people *all, size_t *eligible, size_t able, size_t people, size_t enrolled,
                    uint64_t seed, uint64_t r, lk__role *role /* (photos) */);
/* The photos of person i to enrol, one after another, are the first k from now on. */
void lk__order_draw(lk__people *all, size_t i, size_t k, uint64_t seed);

/* k of n items, drawn without repeats, come to the front in the order drawn. */
void lk__draw(size_t *items, size_t n, size_t k, lk__random *random);

/* Rows as lk__dot wants them: 64-byte aligned, each padded with zeros to lk__stride(dim) floats. NULL: no
 * memory. */
size_t lk__stride(int dim);
float *lk__vectors_alloc(size_t rows, int dim);
void lk__vector_put(float *rows, size_t i, const float *vector, int dim);

/* The highest of cosine [first, last) and so_far. */
float lk__highest(const float *cosine, size_t first, size_t last, float so_far);

/* A threshold just above a score, still finite so that it can be written down. */
double lk__just_above(float score);

#endif
