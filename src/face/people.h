/* people.h: inside the synthetic-people files: the frame a face is modelled in and the model of it.
 *
 *   fit   photos -> register (shape) -> texture = coarse colour + fine luma -> PCA -> identity and within
 * factors draw  factors -> coefficients -> texture, shape -> a photo's beard, glasses, light -> pose ->
 * camera
 *
 * Everything is split at the vertical axis of the face: an image is its even half (what is the same on both
 * sides) and its odd half (what has the opposite sign). Each photo then counts as two, itself and its mirror
 * image, the two halves are uncorrelated by construction, and the file holds half as many pixels a component.
 */
#ifndef LK_PEOPLE_H
#define LK_PEOPLE_H

#include "base/base.h"
#include "image/image.h"
#include "likeness/train.h"
#include "base/safetensors.h"

enum {
    LK__FRAME_W =
        88, /* pixels of the frame all faces are brought to; the axis lies between columns 43 and 44 */
    LK__FRAME_H = 108,
    LK__FRAME_HALF = 44,
    LK__COARSE_W = 44, /* colour lives at half resolution */
    LK__COARSE_H = 54,
    LK__COARSE_HALF = 22,
    LK__COARSE_D = LK__COARSE_H * LK__COARSE_HALF * 3, /* (h, half w, luma blue red) */
    LK__GRID_W = 13, /* nodes of the shape, 8 pixels apart, over the frame's edge */
    LK__GRID_H = 15,
    LK__GRID_STEP = 8,
    LK__GRID_D = LK__GRID_W * LK__GRID_H * 2, /* (gh, gw, dx dy) in pixels */
    LK__DETAIL_MAX = LK__FRAME_H * LK__FRAME_HALF,
    LK__COEFFICIENTS_MAX = 2048, /* of one parity: what a file may ask of the stack */
    LK__FACTORS_MAX = 1024
};

typedef enum lk__part_name { LK__COARSE, LK__DETAIL, LK__SHAPE, LK__PARTS } lk__part_name;

/* k rows of d: row i is scale[i] * rows[i]. */
typedef struct lk__rows {
    int k, d;
    const int8_t *rows;
    const float *scale;
} lk__rows;

/* One parity (even or odd) of the model. Coefficients c (z) = those of the three parts, one after another;
 * c = kind + identity' e + identity_rest * e' for a person, plus within' e and so on for a photo, all e
 * normal. */
typedef struct lk__parity {
    int z;
    const float *mean[LK__PARTS]; /* (d); the odd ones are 0 and NULL */
    lk__rows part[LK__PARTS];
    lk__rows kind;           /* (kinds, z): mean of each kind of people; odd: none */
    const float *kind_share; /* (kinds): of the people, sum 1 */
    const uint8_t
        *kind_behind; /* (kinds, COARSE_H, COARSE_HALF): how much of each pixel is background, of 255 */
    lk__rows identity, within;                /* (factors, z) */
    const float *identity_rest, *within_rest; /* (z): deviation that the factors leave out */
} lk__parity;

struct lk_people {
    lk__tensors *file;
    lk__parity parity[2]; /* even, odd */
    const uint8_t *mask;  /* (h, half w): 255 where there is fine luma */
    int detail;           /* how many pixels that is */
};

/* A face before the camera: what draw makes of coefficients and vary works on. */
typedef struct lk__face {
    float rgb[LK__FRAME_H][LK__FRAME_W][3];   /* 0..1 */
    float behind[LK__COARSE_H][LK__COARSE_W]; /* share of background, 0..1 */
    float shape[LK__GRID_H][LK__GRID_W][2];   /* the photo at p shows the texture at p + shape(p) */
} lk__face;

/* ---- geometry shared by fit and draw (people.c) -------------------------------------------------- */

/* How much of a face there is at a pixel of the frame: 1 inside, falling to 0 over the hair. */
float lk__face_weight(double x, double y);
/* The grid's field at a pixel of the frame, bilinear between nodes, held beyond the last. */
void lk__grid_at(const float *grid, double x, double y, double *dx, double *dy);
/* Coarse (COARSE_H, COARSE_W) -> frame, one channel of `channels`, bilinear: the inverse of averaging 2x2. */
void lk__coarse_up(const float *coarse, int channels, int channel, float *frame);

/* Names of the tensors of one parity: "even.coarse.rows", ... */
extern const char *const lk__parity_name[2];
extern const char *const lk__part_names[LK__PARTS];

/* ---- linear algebra of the fit (people_pca.c) ---------------------------------------------------- */

/* PCA by randomised subspace iteration (Halko, Martinsson & Tropp 2011). x (n, d) is centred in place;
 * `centre` false: its mean is known to be 0. mean (d), NULL if not centred; basis (k, d), orthonormal rows;
 * scores (n, k). *found <= k. */
lk_status lk__pca(float *x, int n, int d, int k, bool centre, uint64_t seed, float *mean, float *basis,
                  float *scores, int *found, lk_error *err);
/* Split scores (n, z) of people (person[i] of photo i, photos of one person contiguous) into factors between
 * people (between, (b, z)) and within (within, (w, z)), with what they leave out (z). *b, *w: most wanted in,
 * found out. */
lk_status lk__split_factors(const float *scores, const int *person, int n, int z, float *between, int *b,
                            float *between_rest, float *within, int *w, float *within_rest, lk_error *err);
/* The directions in which people differ most compared with the photos of one (Fisher 1936): projection (dim,
 * z), so that the deviation of a person's photos is 1 along each. */
lk_status lk__fisher(const float *scores, const int *person, int n, int z, int dim, float *projection,
                     lk_error *err);

/* ---- kinds of people (people_kinds.c) ------------------------------------------------------------ */

/* Means (kinds, z) of the scores, the share (kinds) of the photos in each, and the kind (n) of each photo's
 * person. *kinds: at most; out: found, each of more than an eighth of an even share of the people. */
lk_status lk__find_kinds(const float *scores, const int *person, int n, int z, int *kinds, uint64_t seed,
                         float *means, float *share, int *kind, lk_error *err);

/* ---- registration (people_register.c) ------------------------------------------------------------ */

/* Shape of each of n photos (n, FRAME_H, FRAME_W, 3) as a field (n, GRID_D): the texture at q is the photo at
 * q + field(q). */
lk_status lk__register(const uint8_t *photos, int n, uint64_t seed, float *fields, lk_error *err);
/* The field that undoes one: the photo at p is the texture at p + inverse(p). */
void lk__grid_invert(const float *field, float *inverse);

/* ---- how near to real people? (people_figures.c) ------------------------------------------------- */

/* Angles (degrees, seen from the mean) in the identity space, Fisher's directions of the even coefficients:
 * medians. */
typedef struct lk__figures {
    int dim, drawn;
    double same;                        /* between two photos of one real person */
    double different;                   /* between photos of two real people */
    double nearest_real;                /* from a real photo to the nearest photo of anyone else */
    double nearest_drawn;               /* from a drawn photo to the nearest training photo */
    double closest_real, closest_drawn; /* the smallest of each: the luckiest resemblance */
} lk__figures;
lk_status lk__people_measure(const lk_people *people, const float *scores, const int *person, int n,
                             uint64_t seed, lk__figures *out, lk_error *err);

/* ---- drawing (people_draw.c, people_vary.c) ------------------------------------------------------ */

/* Coefficients (z) of one parity of a photo of a person. Returns the person's kind. */
int lk__people_coefficients(const lk_people *people, int parity, uint64_t seed, uint64_t person,
                            uint64_t photo, float *c);
/* Person and photo to a face in the frame, without the accidents of a photo. */
void lk__face_compose(const lk_people *people, uint64_t seed, uint64_t person, uint64_t photo,
                      lk__face *face);
/* Skin, beard, glasses. */
void lk__face_wear(lk__face *face, uint64_t seed, uint64_t person, uint64_t photo);
/* The accidents: light, glasses, pose, background, camera. The face is used up. */
lk_status lk__face_shoot(lk__face *face, uint64_t seed, uint64_t person, uint64_t photo, lk_image **out,
                         lk_error *err);

#endif
