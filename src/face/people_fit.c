/* people_fit.c: from folders of aligned photos to the model of people who do not exist.
 *
 *   photos -> frame (88 x 108) -> registered (people_register.c) -> texture without shape
 *          -> even and odd half: coarse colour, fine luma, shape -> PCA of each (people_pca.c)
 *          -> scores of all three together -> identity and within-person factors -> int8 -> file
 *
 * An active appearance model (Cootes, Edwards & Taylor, "Active appearance models", 2001) with two changes:
 * shape comes from registration instead of marked points, and the joint factors are split into those of a
 * person and those of a photo. Colour needs few pixels and fine luma is needed only on the face, so each has
 * its own PCA: the same bytes hold three times the components. */
#include "face/people.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PHOTOS_LEAST = 24,  /* fewer say nothing about how faces vary */
    REPEATED_LEAST = 8, /* people with two photos or more: without them nobody knows what stays the same */
    PHOTOS_MOST = 30000 /* about 2 GB */
};
/* Components wanted of each part, even and odd; identity and within factors. Chosen so that the file has 3
 * MB. */
static const int wanted[LK__PARTS][2] = {{300, 140}, {320, 120}, {60, 36}};
enum { KINDS = 32, PEOPLE_A_KIND = 8 };
static const int wanted_identity[2] = {160, 40}, wanted_within[2] = {200, 100};
/* What the parts weigh when joint factors are chosen: share of the total variance. */
static const double balance[LK__PARTS] = {1, 0.5, 0.5};

typedef struct fit {
    int n, people, detail;
    uint8_t *photos; /* (n, FRAME_H, FRAME_W, 3) */
    int *person;     /* (n) */
    uint8_t mask[LK__DETAIL_MAX];
    int pixel[LK__DETAIL_MAX]; /* of the mask: y * HALF + x */
    float *fields;             /* (n, GRID_D) */
    float *x[2][LK__PARTS];    /* (n, d) */
    /* the result */
    struct lk_people model;
    float *mean[2][LK__PARTS], *scale[2][LK__PARTS];
    int8_t *rows[2][LK__PARTS];
    float *scores[2]; /* (n, z) */
    int8_t *kind_rows;
    float *kind_scale, *kind_share;
    uint8_t *kind_behind;
    int8_t *factors[2][2];
    float *factor_scale[2][2], *rest[2][2];
    lk__figures figures;
} fit;

static int part_d(const fit *f, int part) {
    return part == LK__COARSE ? LK__COARSE_D : part == LK__DETAIL ? f->detail : LK__GRID_D;
}

static void fit_free(fit *f) {
    if (!f) return;
    free(f->photos);
    free(f->person);
    free(f->fields);
    free(f->kind_rows);
    free(f->kind_scale);
    free(f->kind_share);
    free(f->kind_behind);
    for (int s = 0; s < 2; s++) {
        for (int p = 0; p < LK__PARTS; p++) {
            free(f->x[s][p]);
            free(f->mean[s][p]);
            free(f->scale[s][p]);
            free(f->rows[s][p]);
        }
        free(f->scores[s]);
        for (int w = 0; w < 2; w++) {
            free(f->factors[s][w]);
            free(f->factor_scale[s][w]);
            free(f->rest[s][w]);
        }
    }
    free(f);
}

/* ---- photos -------------------------------------------------------------------------------------- */

/* Without a crop: the largest central rectangle of the frame's shape; pixels as they are when it nearly fits.
 */
static lk_crop frame_crop(lk_crop crop, int width, int height) {
    if (crop.centre > 0 || crop.width > 0) return crop;
    double scale = fmin((double)width / LK__FRAME_W, (double)height / LK__FRAME_H);
    if (scale >= 1 && scale < 1.03) scale = 1;
    crop.width = scale * LK__FRAME_W;
    crop.height = scale * LK__FRAME_H;
    crop.x = ceil((width - crop.width) / 2);
    crop.y = ceil((height - crop.height) / 2);
    return crop;
}

static lk_status load_photo(const lk_dataset *dataset, size_t photo, uint8_t *to, lk_error *err) {
    lk_image *image = NULL, *framed = NULL;
    lk_status status = lk_image_load(lk_dataset_photo_path(dataset, photo), &image, err);
    if (status == LK_OK) {
        lk_crop crop =
            frame_crop(lk_dataset_photo_crop(dataset, photo), lk_image_width(image), lk_image_height(image));
        status = lk_image_crop(image, crop, LK__FRAME_W, LK__FRAME_H, &framed, err);
    }
    if (status == LK_OK) memcpy(to, lk_image_pixels(framed), (size_t)LK__FRAME_H * LK__FRAME_W * 3);
    lk_image_free(image);
    lk_image_free(framed);
    return status;
}

/* Photos that cannot be read are left out: one bad file of ten thousand changes nothing. */
static lk_status load_photos(fit *f, const lk_dataset *dataset, lk_error *err) {
    size_t count = lk_dataset_photos(dataset), frame = (size_t)LK__FRAME_H * LK__FRAME_W * 3;
    if (count > PHOTOS_MOST)
        return lk__fail(err, LK_TOO_LARGE,
                        "%zu photos are more than the fit holds in memory: give it %d or fewer", count,
                        PHOTOS_MOST);
    f->photos = malloc((count ? count : 1) * frame);
    f->person = malloc((count ? count : 1) * sizeof *f->person);
    if (!f->photos || !f->person) return lk__fail_memory(err, count * frame, "the photos");
    int repeated = 0;
    lk_error why = {0};
    for (size_t i = 0; i < count; i++) {
        lk_status status = load_photo(dataset, i, f->photos + (size_t)f->n * frame, &why);
        if (status == LK_NO_MEMORY) return lk__fail(err, status, "%s", why.message);
        if (status == LK_OK) f->person[f->n++] = (int)lk_dataset_photo_person(dataset, i);
    }
    for (int i = 0; i < f->n; i++) {
        bool first = i == 0 || f->person[i] != f->person[i - 1];
        f->people += first;
        repeated += first && i + 1 < f->n && f->person[i] == f->person[i + 1];
    }
    if (f->n < PHOTOS_LEAST || repeated < REPEATED_LEAST)
        return lk__fail(err, LK_EMPTY,
                        "too few photos to fit people to: %d readable photos, %d people with two or more; at "
                        "least %d and "
                        "%d are needed%s%s",
                        f->n, repeated, PHOTOS_LEAST, REPEATED_LEAST,
                        why.message[0] ? "; a photo failed: " : "", why.message);
    return LK_OK;
}

/* ---- texture and shape, in halves ---------------------------------------------------------------- */

/* Catmull-Rom: bilinear would blur every photo once more. */
static void cubic_weights(float t, float w[4]) {
    w[0] = t * (-0.5f + t * (1 - 0.5f * t));
    w[1] = 1 + t * t * (-2.5f + 1.5f * t);
    w[2] = t * (0.5f + t * (2 - 1.5f * t));
    w[3] = t * t * (-0.5f + 0.5f * t);
}

static void sample_cubic(const uint8_t *photo, double x, double y, float rgb[3]) {
    int i = (int)floor(x), j = (int)floor(y);
    float u[4], v[4];
    cubic_weights((float)(x - i), u);
    cubic_weights((float)(y - j), v);
    rgb[0] = rgb[1] = rgb[2] = 0;
    for (int a = 0; a < 4; a++) {
        int row = j - 1 + a;
        row = row < 0 ? 0 : row >= LK__FRAME_H ? LK__FRAME_H - 1 : row;
        for (int b = 0; b < 4; b++) {
            int column = i - 1 + b;
            column = column < 0 ? 0 : column >= LK__FRAME_W ? LK__FRAME_W - 1 : column;
            const uint8_t *p = photo + (row * LK__FRAME_W + column) * 3;
            float w = v[a] * u[b] / 255;
            for (int c = 0; c < 3; c++) rgb[c] += w * (float)p[c];
        }
    }
}

/* The photo without its shape: coarse (COARSE_H, COARSE_W, luma blue red), and the luma coarse leaves out. */
static void take_texture(const uint8_t *photo, const float *field, float *coarse, float *detail) {
    memset(coarse, 0, sizeof(float) * LK__COARSE_H * LK__COARSE_W * 3);
    for (int y = 0; y < LK__FRAME_H; y++)
        for (int x = 0; x < LK__FRAME_W; x++) {
            double dx, dy;
            float rgb[3];
            lk__grid_at(field, x, y, &dx, &dy);
            sample_cubic(photo, x + dx, y + dy, rgb);
            float luma = 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2];
            detail[y * LK__FRAME_W + x] = luma;
            float *to = coarse + ((y / 2) * LK__COARSE_W + x / 2) * 3;
            to[0] += luma / 4;
            to[1] += (rgb[2] - luma) / 4;
            to[2] += (rgb[0] - luma) / 4;
        }
    float smooth[LK__FRAME_H * LK__FRAME_W];
    lk__coarse_up(coarse, 3, 0, smooth);
    for (int i = 0; i < LK__FRAME_H * LK__FRAME_W; i++) detail[i] -= smooth[i];
}

/* What a coarse pixel weighs in its PCA: the face counts, the background hardly. */
static float coarse_weight(int i) {
    int channel = i % 3, x = i / 3 % LK__COARSE_HALF, y = i / 3 / LK__COARSE_HALF;
    return (0.3f + 0.7f * lk__face_weight(2 * x + 0.5, 2 * y + 0.5)) * (channel ? 0.8f : 1.0f);
}

static void halve_all(void *context, int part, int parts) {
    fit *f = context;
    size_t first, last;
    lk__part((size_t)f->n, part, parts, &first, &last);
    for (size_t i = first; i < last; i++) {
        float coarse[LK__COARSE_H * LK__COARSE_W * 3], detail[LK__FRAME_H * LK__FRAME_W], shape[LK__GRID_D];
        const float *field = f->fields + i * LK__GRID_D;
        take_texture(f->photos + i * LK__FRAME_H * LK__FRAME_W * 3, field, coarse, detail);
        lk__grid_invert(field, shape);
        for (int s = 0; s < 2; s++) {
            float sign = s ? -1 : 1, *to = f->x[s][LK__COARSE] + i * LK__COARSE_D;
            for (int p = 0; p < LK__COARSE_D; p++) {
                int c = p % 3, x = p / 3 % LK__COARSE_HALF, y = p / 3 / LK__COARSE_HALF;
                float left = coarse[(y * LK__COARSE_W + x) * 3 + c];
                float right = coarse[(y * LK__COARSE_W + LK__COARSE_W - 1 - x) * 3 + c];
                to[p] = coarse_weight(p) * 0.5f * (left + sign * right);
            }
            to = f->x[s][LK__DETAIL] + i * (size_t)f->detail;
            for (int p = 0; p < f->detail; p++) {
                int x = f->pixel[p] % LK__FRAME_HALF, y = f->pixel[p] / LK__FRAME_HALF;
                to[p] = 0.5f *
                        (detail[y * LK__FRAME_W + x] + sign * detail[y * LK__FRAME_W + LK__FRAME_W - 1 - x]);
            }
            to = f->x[s][LK__SHAPE] + i * LK__GRID_D;
            for (int p = 0; p < LK__GRID_D; p++) {
                int gx = p / 2 % LK__GRID_W, mirror = p + 2 * (LK__GRID_W - 1 - 2 * gx);
                to[p] = 0.5f * (shape[p] + (p % 2 ? sign : -sign) * shape[mirror]);
            }
        }
    }
}

static lk_status take_halves(fit *f, lk_error *err) {
    for (int i = 0; i < LK__DETAIL_MAX; i++)
        if (lk__face_weight(i % LK__FRAME_HALF, i / LK__FRAME_HALF) > 0.4f) {
            f->mask[i] = 255;
            f->pixel[f->detail++] = i;
        }
    for (int s = 0; s < 2; s++)
        for (int p = 0; p < LK__PARTS; p++) {
            size_t bytes = (size_t)f->n * (size_t)part_d(f, p) * sizeof(float);
            f->x[s][p] = malloc(bytes);
            if (!f->x[s][p]) return lk__fail_memory(err, bytes, "the textures");
        }
    lk__parallel(halve_all, f);
    return LK_OK;
}

/* ---- components and factors ---------------------------------------------------------------------- */

/* rows (k, d) as int8 with a scale each. */
static lk_status quantise(const float *values, int k, int d, int8_t **rows, float **scale, lk_error *err) {
    size_t size = (size_t)(k ? k : 1) * (size_t)d;
    *rows = malloc(size);
    *scale = calloc((size_t)(k ? k : 1), sizeof **scale);
    if (!*rows || !*scale) return lk__fail_memory(err, size, "the model");
    for (size_t i = 0; i < (size_t)k; i++) {
        const float *from = values + i * (size_t)d;
        float most = 0;
        for (int j = 0; j < d; j++) most = fmaxf(most, fabsf(from[j]));
        (*scale)[i] = most / 127;
        for (int j = 0; j < d; j++)
            (*rows)[i * (size_t)d + (size_t)j] = (int8_t)(most > 0 ? lrintf(from[j] / most * 127) : 0);
    }
    return LK_OK;
}

/* PCA of one part; its scores stay in *scores (n, k). */
static lk_status fit_part(fit *f, int s, int part, uint64_t seed, float **scores, lk_error *err) {
    int d = part_d(f, part), most = wanted[part][s], k = 0;
    float *basis = malloc((size_t)most * (size_t)d * sizeof *basis);
    f->mean[s][part] = calloc((size_t)d, sizeof(float));
    *scores = malloc((size_t)f->n * (size_t)most * sizeof **scores);
    lk_status status = LK_OK;
    if (!basis || !f->mean[s][part] || !*scores)
        status = lk__fail_memory(err, (size_t)most * (size_t)(d + f->n) * sizeof(float), "the components");
    if (status == LK_OK)
        status =
            lk__pca(f->x[s][part], f->n, d, most, s == 0, seed, f->mean[s][part], basis, *scores, &k, err);
    free(f->x[s][part]);
    f->x[s][part] = NULL;
    for (int p = 0; part == LK__COARSE && status == LK_OK && p < d; p++) { /* out of the weighted space */
        float weight = coarse_weight(p);
        f->mean[s][part][p] /= weight;
        for (int i = 0; i < k; i++) basis[(size_t)i * (size_t)d + (size_t)p] /= weight;
    }
    if (status == LK_OK) status = quantise(basis, k, d, &f->rows[s][part], &f->scale[s][part], err);
    if (status == LK_OK) {
        lk__parity *to = &f->model.parity[s];
        to->part[part] = (lk__rows){k, d, f->rows[s][part], f->scale[s][part]};
        to->mean[part] = s ? NULL : f->mean[s][part];
        to->z += k;
    }
    free(basis);
    return status;
}

/* Scores of the three parts side by side, each scaled to its balance; `unit` (z) is what undoes the scaling.
 */
static lk_status join_scores(fit *f, int s, float *const parts[LK__PARTS], float *unit, lk_error *err) {
    const lk__parity *parity = &f->model.parity[s];
    size_t z = (size_t)parity->z, n = (size_t)f->n, at = 0;
    f->scores[s] = malloc(n * z * sizeof(float));
    if (!f->scores[s]) return lk__fail_memory(err, n * z * sizeof(float), "the scores");
    for (int p = 0; p < LK__PARTS; p++) {
        size_t k = (size_t)parity->part[p].k;
        double variance = 0;
        for (size_t i = 0; i < n * k; i++) variance += (double)parts[p][i] * (double)parts[p][i] / (double)n;
        float scale = variance > 0 ? (float)sqrt(balance[p] / variance) : 1;
        for (size_t j = 0; j < k; j++) unit[at + j] = 1 / scale;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < k; j++) f->scores[s][i * z + at + j] = scale * parts[p][i * k + j];
        at += k;
    }
    return LK_OK;
}

/* Kinds of people, of the even coefficients; and their means taken out of the scores, or put back. */
static void move_by_kind(fit *f, const float *means, const int *kind, float sign) {
    size_t z = (size_t)f->model.parity[0].z;
    for (size_t i = 0; i < (size_t)f->n; i++)
        for (size_t a = 0; a < z; a++) f->scores[0][i * z + a] += sign * means[(size_t)kind[i] * z + a];
}

static bool on_border(int i) {
    return i % LK__COARSE_HALF < 3 && i / LK__COARSE_HALF < LK__COARSE_H / 2;
}

/* How much of a pixel is background, for each kind: the slope of its luma on that of the photo's upper
 * border, over the photos of the kind. A pixel of wall brightens with the wall, one of hair does not: a matte
 * that nobody had to draw. All of it is linear in the coarse scores, which come first in a row of scores. */
static void find_behind(fit *f, const int *kind, int kinds, const float *unit) {
    const lk__parity *parity = &f->model.parity[0];
    const lk__rows *coarse = &parity->part[LK__COARSE];
    double edge[LK__COEFFICIENTS_MAX] = {0}; /* luma of the border = edge . scores */
    for (int k = 0; k < coarse->k; k++)
        for (int i = 0; i < LK__COARSE_H * LK__COARSE_HALF; i++)
            if (on_border(i))
                edge[k] += (double)coarse->rows[k * LK__COARSE_D + 3 * i] * (double)coarse->scale[k] /
                           (3 * LK__COARSE_H / 2);
    for (int own = 0; own < kinds; own++) {
        double sum[LK__COEFFICIENTS_MAX] = {0}, product[LK__COEFFICIENTS_MAX] = {0}, b_sum = 0, bb = 0, n = 0;
        for (int i = 0; i < f->n; i++) {
            if (kind[i] != own) continue;
            const float *scores = f->scores[0] + (size_t)i * (size_t)parity->z;
            double b = 0;
            for (int k = 0; k < coarse->k; k++) b += edge[k] * (double)(scores[k] * unit[k]);
            for (int k = 0; k < coarse->k; k++) {
                sum[k] += (double)(scores[k] * unit[k]);
                product[k] += b * (double)(scores[k] * unit[k]);
            }
            n++, b_sum += b, bb += b * b;
        }
        double variance = bb - b_sum * b_sum / n;
        for (int i = 0; i < LK__COARSE_H * LK__COARSE_HALF; i++) {
            double slope = 0;
            for (int k = 0; k < coarse->k && variance > 0; k++)
                slope += (double)coarse->rows[k * LK__COARSE_D + 3 * i] * (double)coarse->scale[k] *
                         (product[k] - sum[k] * b_sum / n) / variance;
            double share = fmin(fmax((slope - 0.1) / 0.8, 0), 1) *
                           (1 - (double)lk__face_weight(2 * (i % LK__COARSE_HALF) + 0.5,
                                                        2 * (i / LK__COARSE_HALF) + 0.5));
            f->kind_behind[own * LK__COARSE_H * LK__COARSE_HALF + i] = (uint8_t)lrint(255 * share);
        }
    }
}

static lk_status fit_kinds(fit *f, uint64_t seed, float *means, int *kind, int *kinds, const float *unit,
                           lk_error *err) {
    lk__parity *parity = &f->model.parity[0];
    size_t z = (size_t)parity->z;
    f->kind_share = malloc((size_t)*kinds * sizeof(float));
    f->kind_behind = malloc((size_t)*kinds * LK__COARSE_H * LK__COARSE_HALF);
    float *own = malloc((size_t)*kinds * z * sizeof *own);
    lk_status status = LK_OK;
    if (!f->kind_share || !f->kind_behind || !own)
        status = lk__fail_memory(err, (size_t)*kinds * z * sizeof *own, "the kinds of people");
    if (status == LK_OK)
        status = lk__find_kinds(f->scores[0], f->person, f->n, parity->z, kinds, seed, means, f->kind_share,
                                kind, err);
    for (size_t i = 0; status == LK_OK && i < (size_t)*kinds * z; i++) own[i] = means[i] * unit[i % z];
    if (status == LK_OK) status = quantise(own, *kinds, parity->z, &f->kind_rows, &f->kind_scale, err);
    if (status == LK_OK) {
        parity->kind = (lk__rows){*kinds, parity->z, f->kind_rows, f->kind_scale};
        parity->kind_share = f->kind_share;
        parity->kind_behind = f->kind_behind;
        find_behind(f, kind, *kinds, unit);
    }
    free(own);
    return status;
}

static lk_status fit_factors(fit *f, int s, const float *unit, lk_error *err) {
    lk__parity *parity = &f->model.parity[s];
    size_t z = (size_t)parity->z;
    int count[2] = {wanted_identity[s], wanted_within[s]};
    float *loading[2] = {NULL, NULL};
    lk_status status = LK_OK;
    for (int w = 0; w < 2 && status == LK_OK; w++) {
        loading[w] = malloc((size_t)count[w] * z * sizeof(float));
        f->rest[s][w] = malloc(z * sizeof(float));
        if (!loading[w] || !f->rest[s][w])
            status = lk__fail_memory(err, (size_t)count[w] * z * 4, "the factors");
    }
    if (status == LK_OK)
        status = lk__split_factors(f->scores[s], f->person, f->n, parity->z, loading[0], &count[0],
                                   f->rest[s][0], loading[1], &count[1], f->rest[s][1], err);
    for (int w = 0; w < 2 && status == LK_OK; w++) {
        for (size_t a = 0; a < z; a++) {
            f->rest[s][w][a] *= unit[a];
            for (size_t i = 0; i < (size_t)count[w]; i++) loading[w][i * z + a] *= unit[a];
        }
        status = quantise(loading[w], count[w], parity->z, &f->factors[s][w], &f->factor_scale[s][w], err);
        *(w ? &parity->within : &parity->identity) =
            (lk__rows){count[w], parity->z, f->factors[s][w], f->factor_scale[s][w]};
    }
    parity->identity_rest = f->rest[s][0];
    parity->within_rest = f->rest[s][1];
    for (size_t i = 0; status == LK_OK && i < (size_t)f->n; i++) /* back to the coefficients' own units */
        for (size_t a = 0; a < z; a++) f->scores[s][i * z + a] *= unit[a];
    free(loading[0]);
    free(loading[1]);
    return status;
}

static lk_status fit_parity(fit *f, int s, uint64_t seed, lk_error *err) {
    float *parts[LK__PARTS] = {NULL}, unit[LK__COEFFICIENTS_MAX];
    lk_status status = LK_OK;
    for (int p = 0; p < LK__PARTS && status == LK_OK; p++)
        status = fit_part(f, s, p, seed + (uint64_t)(100 + 10 * s + p), &parts[p], err);
    if (status == LK_OK) status = join_scores(f, s, parts, unit, err);
    int kinds = f->people / PEOPLE_A_KIND;
    kinds = kinds > KINDS ? KINDS : kinds < 1 ? 1 : kinds;
    float *means = malloc((size_t)KINDS * LK__COEFFICIENTS_MAX * sizeof *means);
    int *kind = malloc((size_t)f->n * sizeof *kind);
    if (status == LK_OK && (!means || !kind))
        status = lk__fail_memory(err, (size_t)f->n * sizeof *kind, "the kinds");
    bool by_kind = s == 0 && status == LK_OK;
    if (by_kind) status = fit_kinds(f, seed, means, kind, &kinds, unit, err);
    if (by_kind && status == LK_OK) move_by_kind(f, means, kind, -1);
    if (status == LK_OK) status = fit_factors(f, s, unit, err);
    if (by_kind && status == LK_OK) {
        for (size_t i = 0; i < (size_t)kinds * (size_t)f->model.parity[0].z; i++)
            means[i] *= unit[i % (size_t)f->model.parity[0].z];
        move_by_kind(f, means, kind, 1);
    }
    free(means);
    free(kind);
    for (int p = 0; p < LK__PARTS; p++) free(parts[p]);
    return status;
}

/* ---- file ---------------------------------------------------------------------------------------- */

enum { TENSORS_MOST = 48, NAME = 48 };

typedef struct listing {
    lk__tensor items[TENSORS_MOST];
    char names[TENSORS_MOST][NAME];
    size_t count;
} listing;

static void add_tensor(listing *list, const char *parity, const char *what, const char *array, lk__dtype type,
                       int rows, int columns, const void *data) {
    lk__tensor *t = &list->items[list->count];
    snprintf(list->names[list->count], NAME, "%s.%s.%s", parity, what, array);
    *t = (lk__tensor){.name = list->names[list->count], .dtype = type, .dims = rows ? 2 : 1, .data = data};
    t->shape[0] = rows ? rows : columns;
    t->shape[1] = rows ? columns : 0;
    t->bytes = (size_t)(rows ? rows : 1) * (size_t)columns * (type == LK__F32 ? sizeof(float) : 1);
    list->count++;
}

static void add_rows(listing *list, const char *parity, const char *what, const lk__rows *rows) {
    if (rows->k == 0) return;
    add_tensor(list, parity, what, "rows", LK__I8, rows->k, rows->d, rows->rows);
    add_tensor(list, parity, what, "scale", LK__F32, 0, rows->k, rows->scale);
}

static lk_status write_model(const fit *f, const char *output, lk_error *err) {
    listing list = {.count = 0};
    add_tensor(&list, "frame", "detail", "mask", LK__U8, LK__FRAME_H, LK__FRAME_HALF, f->mask);
    for (int s = 0; s < 2; s++) {
        const lk__parity *parity = &f->model.parity[s];
        const char *name = lk__parity_name[s];
        for (int p = 0; p < LK__PARTS; p++) {
            if (parity->mean[p])
                add_tensor(&list, name, lk__part_names[p], "mean", LK__F32, 0, part_d(f, p), parity->mean[p]);
            add_rows(&list, name, lk__part_names[p], &parity->part[p]);
        }
        add_rows(&list, name, "kind", &parity->kind);
        if (parity->kind.k > 0) {
            add_tensor(&list, name, "kind", "share", LK__F32, 0, parity->kind.k, parity->kind_share);
            add_tensor(&list, name, "kind", "behind", LK__U8, parity->kind.k, LK__COARSE_H * LK__COARSE_HALF,
                       parity->kind_behind);
        }
        add_rows(&list, name, "identity", &parity->identity);
        add_tensor(&list, name, "identity", "rest", LK__F32, 0, parity->z, parity->identity_rest);
        add_rows(&list, name, "within", &parity->within);
        add_tensor(&list, name, "within", "rest", LK__F32, 0, parity->z, parity->within_rest);
    }
    const lk__figures *g = &f->figures;
    char photos[32], people[32], figures[512];
    snprintf(photos, sizeof photos, "%d", f->n);
    snprintf(people, sizeof people, "%d", f->people);
    snprintf(figures, sizeof figures,
             "{\"unit\": \"degrees\", \"space\": \"%d Fisher directions\", \"drawn\": %d, \"same_person\": "
             "%.1f, \"different_people\": %.1f, "
             "\"real_to_nearest_other\": %.1f, \"drawn_to_nearest_training\": %.1f, \"smallest_real\": %.1f, "
             "\"smallest_drawn\": %.1f}",
             g->dim, g->drawn, g->same, g->different, g->nearest_real, g->nearest_drawn, g->closest_real,
             g->closest_drawn);
    const lk__meta meta[] = {
        {"format", "likeness people 1"}, {"photos", photos}, {"people", people}, {"resemblance", figures}};
    return lk__tensors_write(output, list.items, list.count, meta, sizeof meta / sizeof meta[0], err);
}

static lk_status fit_photos(fit *f, uint64_t seed, const char *output, lk_error *err) {
    size_t bytes = (size_t)f->n * LK__GRID_D * sizeof(float);
    f->fields = malloc(bytes);
    if (!f->fields) return lk__fail_memory(err, bytes, "the shapes");
    lk_status status = lk__register(f->photos, f->n, seed, f->fields, err);
    if (status == LK_OK) status = take_halves(f, err);
    f->model.mask = f->mask;
    f->model.detail = f->detail;
    for (int s = 0; s < 2 && status == LK_OK; s++) status = fit_parity(f, s, seed, err);
    if (status == LK_OK)
        status = lk__people_measure(&f->model, f->scores[0], f->person, f->n, seed, &f->figures, err);
    return status == LK_OK ? write_model(f, output, err) : status;
}

lk_status lk_people_fit(const lk_source *sources, size_t count, uint64_t seed, const char *output,
                        lk_error *err) {
    if (!output || !*output) return lk__fail(err, LK_INVALID, "lk_people_fit: no file to write to");
    lk_dataset *dataset = NULL;
    lk_status status = lk_dataset_open(sources, count, &dataset, err);
    if (status != LK_OK) return status;
    fit *f = calloc(1, sizeof *f);
    if (!f) status = lk__fail_memory(err, sizeof *f, "the fit");
    if (status == LK_OK) status = load_photos(f, dataset, err);
    lk_dataset_free(dataset);
    if (status == LK_OK) status = fit_photos(f, seed, output, err);
    fit_free(f);
    return status;
}
