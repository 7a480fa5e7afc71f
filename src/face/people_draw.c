/* people_draw.c: open a model of people and draw from it. A person is a draw of identity factors, a photo one
 * of the within-person factors; both are cut at two deviations, where the model has seen faces. */
#include "face/people.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { IDENTITY_STREAM = 0x6964, WITHIN_STREAM = 0x7770 };
/* How much of the fitted deviations is used. */
static const float IDENTITY = 1.15f, WITHIN = 0.45f, REST = 0.6f;
static const float SHARPEN = 0.7f, BINOMIAL[5] = {1 / 16.0f, 4 / 16.0f, 6 / 16.0f, 4 / 16.0f, 1 / 16.0f};

/* ---- open ---------------------------------------------------------------------------------------- */

static lk_status find(const lk_people *people, const char *parity, const char *what, const char *array,
                      lk__dtype type, int64_t rows, int64_t columns, const lk__tensor **out, const char *path,
                      lk_error *err) {
    char name[64];
    snprintf(name, sizeof name, "%s.%s.%s", parity, what, array);
    const lk__tensor *t = lk__tensors_find(people->file, name);
    int dims = rows ? 2 : 1;
    if (!t || t->dtype != type || t->dims != dims || t->shape[0] < 1 || (rows > 0 && t->shape[0] != rows) ||
        t->shape[dims - 1] != columns)
        return lk__fail(err, LK_FORMAT,
                        "%s: no model of people: array %s is missing or has another type or shape", path,
                        name);
    *out = t;
    return LK_OK;
}

static lk_status check_finite(const lk__tensor *t, const char *path, lk_error *err) {
    const float *values = t->data;
    for (size_t i = 0; i < t->bytes / sizeof *values; i++)
        if (!(fabsf(values[i]) < 1e6f))
            return lk__fail(err, LK_FORMAT,
                            "%s: damaged: array %s holds a value that is no number or too large", path,
                            t->name);
    return LK_OK;
}

static lk_status find_floats(const lk_people *people, const char *parity, const char *what, const char *array,
                             int count, const float **out, const char *path, lk_error *err) {
    const lk__tensor *t = NULL;
    lk_status status = find(people, parity, what, array, LK__F32, 0, count, &t, path, err);
    if (status == LK_OK) status = check_finite(t, path, err);
    if (status == LK_OK) *out = t->data;
    return status;
}

/* Rows may be absent: then k is 0. */
static lk_status find_rows(const lk_people *people, const char *parity, const char *what, int d, int most,
                           lk__rows *out, const char *path, lk_error *err) {
    char name[64];
    snprintf(name, sizeof name, "%s.%s.rows", parity, what);
    *out = (lk__rows){.d = d};
    if (!lk__tensors_find(people->file, name)) return LK_OK;
    const lk__tensor *t = NULL;
    lk_status status = find(people, parity, what, "rows", LK__I8, -1, d, &t, path, err);
    if (status == LK_OK && t->shape[0] > most)
        status = lk__fail(err, LK_FORMAT, "%s: array %s has more than %d rows", path, name, most);
    if (status != LK_OK) return status;
    out->k = (int)t->shape[0];
    out->rows = t->data;
    return find_floats(people, parity, what, "scale", out->k, &out->scale, path, err);
}

static lk_status open_kinds(const lk_people *people, lk__parity *parity, const char *name, const char *path,
                            lk_error *err) {
    const lk__tensor *behind = NULL;
    lk_status status =
        find_floats(people, name, "kind", "share", parity->kind.k, &parity->kind_share, path, err);
    if (status == LK_OK)
        status = find(people, name, "kind", "behind", LK__U8, parity->kind.k, LK__COARSE_H * LK__COARSE_HALF,
                      &behind, path, err);
    if (status == LK_OK) parity->kind_behind = behind->data;
    return status;
}

static lk_status open_parity(lk_people *people, int s, const char *path, lk_error *err) {
    lk__parity *parity = &people->parity[s];
    const char *name = lk__parity_name[s];
    const int d[LK__PARTS] = {LK__COARSE_D, people->detail, LK__GRID_D};
    lk_status status = LK_OK;
    for (int p = 0; p < LK__PARTS && status == LK_OK; p++) {
        if (s == 0)
            status = find_floats(people, name, lk__part_names[p], "mean", d[p], &parity->mean[p], path, err);
        if (status == LK_OK)
            status = find_rows(people, name, lk__part_names[p], d[p], LK__COEFFICIENTS_MAX - parity->z,
                               &parity->part[p], path, err);
        parity->z += parity->part[p].k;
    }
    if (status == LK_OK && parity->z == 0)
        status = lk__fail(err, LK_FORMAT, "%s: a model of people without components", path);
    if (status == LK_OK)
        status = find_rows(people, name, "kind", parity->z, LK__FACTORS_MAX, &parity->kind, path, err);
    if (status == LK_OK && parity->kind.k > 0) status = open_kinds(people, parity, name, path, err);
    if (status == LK_OK)
        status =
            find_rows(people, name, "identity", parity->z, LK__FACTORS_MAX, &parity->identity, path, err);
    if (status == LK_OK)
        status = find_rows(people, name, "within", parity->z, LK__FACTORS_MAX, &parity->within, path, err);
    if (status == LK_OK)
        status = find_floats(people, name, "identity", "rest", parity->z, &parity->identity_rest, path, err);
    if (status == LK_OK)
        status = find_floats(people, name, "within", "rest", parity->z, &parity->within_rest, path, err);
    return status;
}

lk_status lk_people_open(const char *path, lk_people **out, lk_error *err) {
    lk_people *people = calloc(1, sizeof *people);
    if (!people) return lk__fail_memory(err, sizeof *people, "people");
    const lk__tensor *mask = NULL;
    lk_status status = lk__tensors_read(path, &people->file, err);
    if (status == LK_OK) {
        const char *format = lk__tensors_meta(people->file, "format");
        if (!format || strcmp(format, "likeness people 1") != 0)
            status = lk__fail(err, LK_FORMAT, "%s: no model of people (its format is \"%s\")", path,
                              format ? format : "");
    }
    if (status == LK_OK)
        status =
            find(people, "frame", "detail", "mask", LK__U8, LK__FRAME_H, LK__FRAME_HALF, &mask, path, err);
    if (status == LK_OK) {
        people->mask = mask->data;
        for (int i = 0; i < LK__DETAIL_MAX; i++) people->detail += people->mask[i] == 255;
        if (people->detail == 0)
            status = lk__fail(err, LK_FORMAT, "%s: a model of people without detail", path);
    }
    for (int s = 0; s < 2 && status == LK_OK; s++) status = open_parity(people, s, path, err);
    if (status == LK_OK)
        *out = people;
    else
        lk_people_free(people);
    return status;
}

void lk_people_free(lk_people *people) {
    if (!people) return;
    lk__tensors_free(people->file);
    free(people);
}

/* ---- draw ---------------------------------------------------------------------------------------- */

/* to += amount * row, for d numbers. */
static void add_row(const int8_t *row, float amount, int d, float *to) {
    for (int i = 0; i < d; i++) to[i] += amount * (float)row[i];
}

static float cut_normal(lk__random *random) {
    double value;
    do value = lk__random_normal(random);
    while (fabs(value) > 2);
    return (float)value;
}

static int add_kind(const lk__parity *parity, lk__random *random, float *c) {
    int kind = 0;
    for (double at = lk__random_unit(random); kind + 1 < parity->kind.k; kind++)
        if ((at -= (double)parity->kind_share[kind]) < 0) break;
    if (parity->kind.k > 0)
        add_row(parity->kind.rows + (size_t)kind * (size_t)parity->z, parity->kind.scale[kind], parity->z, c);
    return kind;
}

static void add_factors(const lk__rows *factors, const float *rest, float amount, lk__random *random, int z,
                        float *c) {
    for (int i = 0; i < factors->k; i++)
        add_row(factors->rows + (size_t)i * (size_t)z, amount * cut_normal(random) * factors->scale[i], z, c);
    for (int a = 0; a < z; a++) c[a] += amount * REST * cut_normal(random) * rest[a];
}

int lk__people_coefficients(const lk_people *people, int s, uint64_t seed, uint64_t person, uint64_t photo,
                            float *c) {
    const lk__parity *parity = &people->parity[s];
    lk__random who = lk__random_stream(seed, person, 0, IDENTITY_STREAM + (uint64_t)s);
    lk__random when = lk__random_stream(seed, person, photo, WITHIN_STREAM + (uint64_t)s);
    memset(c, 0, sizeof *c * (size_t)parity->z);
    int kind = add_kind(parity, &who, c);
    add_factors(&parity->identity, parity->identity_rest, IDENTITY, &who, parity->z, c);
    add_factors(&parity->within, parity->within_rest, WITHIN, &when, parity->z, c);
    return kind;
}

/* to (d) = mean + c . rows */
static void expand(const lk__rows *part, const float *mean, const float *c, float *to) {
    if (mean)
        memcpy(to, mean, sizeof *to * (size_t)part->d);
    else
        memset(to, 0, sizeof *to * (size_t)part->d);
    for (int i = 0; i < part->k; i++)
        add_row(part->rows + (size_t)i * (size_t)part->d, c[i] * part->scale[i], part->d, to);
}

typedef struct halves {
    float coarse[2][LK__COARSE_D], detail[2][LK__DETAIL_MAX], shape[2][LK__GRID_D];
} halves;

/* Sharpen the face: what is between the scales of the components is underdrawn, because each of them is an
 * average. */
static void sharpen(float *luma) {
    float across[LK__FRAME_H][LK__FRAME_W];
    for (int y = 0; y < LK__FRAME_H; y++)
        for (int x = 0; x < LK__FRAME_W; x++) {
            const float *row = luma + y * LK__FRAME_W;
            float sum = 0;
            for (int i = -2; i <= 2; i++) {
                int at = x + i < 0 ? 0 : x + i >= LK__FRAME_W ? LK__FRAME_W - 1 : x + i;
                sum += BINOMIAL[i + 2] * row[at];
            }
            across[y][x] = sum;
        }
    for (int y = 0; y < LK__FRAME_H; y++)
        for (int x = 0; x < LK__FRAME_W; x++) {
            float sum = 0;
            for (int i = -2; i <= 2; i++) {
                int at = y + i < 0 ? 0 : y + i >= LK__FRAME_H ? LK__FRAME_H - 1 : y + i;
                sum += BINOMIAL[i + 2] * across[at][x];
            }
            luma[y * LK__FRAME_W + x] += SHARPEN * (luma[y * LK__FRAME_W + x] - sum);
        }
}

static void unfold(const lk_people *people, const halves *h, lk__face *face) {
    float coarse[LK__COARSE_H * LK__COARSE_W * 3], up[3][LK__FRAME_H * LK__FRAME_W];
    for (int p = 0; p < LK__COARSE_D; p++) {
        int c = p % 3, x = p / 3 % LK__COARSE_HALF, y = p / 3 / LK__COARSE_HALF;
        coarse[(y * LK__COARSE_W + x) * 3 + c] = h->coarse[0][p] + h->coarse[1][p];
        coarse[(y * LK__COARSE_W + LK__COARSE_W - 1 - x) * 3 + c] = h->coarse[0][p] - h->coarse[1][p];
    }
    for (int c = 0; c < 3; c++) lk__coarse_up(coarse, 3, c, up[c]);
    for (int i = 0, p = 0; i < LK__DETAIL_MAX; i++) {
        if (people->mask[i] != 255) continue;
        float *row = up[0] + i / LK__FRAME_HALF * LK__FRAME_W;
        int x = i % LK__FRAME_HALF;
        row[x] += h->detail[0][p] + h->detail[1][p];
        row[LK__FRAME_W - 1 - x] += h->detail[0][p] - h->detail[1][p];
        p++;
    }
    sharpen(up[0]);
    for (int i = 0; i < LK__FRAME_H * LK__FRAME_W; i++) {
        float luma = up[0][i], blue = luma + up[1][i], red = luma + up[2][i];
        float *rgb = face->rgb[i / LK__FRAME_W][i % LK__FRAME_W];
        rgb[0] = red;
        rgb[1] = (luma - 0.299f * red - 0.114f * blue) / 0.587f;
        rgb[2] = blue;
    }
    for (int i = 0; i < LK__GRID_D; i++)
        face->shape[i / 2 / LK__GRID_W][i / 2 % LK__GRID_W][i % 2] = h->shape[0][i] + h->shape[1][i];
}

void lk__face_compose(const lk_people *people, uint64_t seed, uint64_t person, uint64_t photo,
                      lk__face *face) {
    halves h;
    int kind = 0;
    for (int s = 0; s < 2; s++) {
        const lk__parity *parity = &people->parity[s];
        float c[LK__COEFFICIENTS_MAX], *to[LK__PARTS] = {h.coarse[s], h.detail[s], h.shape[s]};
        const float *at = c;
        int own = lk__people_coefficients(people, s, seed, person, photo, c);
        if (s == 0) kind = own;
        for (int p = 0; p < LK__PARTS; p++) {
            expand(&parity->part[p], parity->mean[p], at, to[p]);
            at += parity->part[p].k;
        }
    }
    unfold(people, &h, face);
    const lk__parity *even = &people->parity[0];
    for (int i = 0; i < LK__COARSE_H * LK__COARSE_HALF; i++) {
        int x = i % LK__COARSE_HALF, y = i / LK__COARSE_HALF;
        size_t at = (size_t)kind * LK__COARSE_H * LK__COARSE_HALF + (size_t)i;
        face->behind[y][x] = face->behind[y][LK__COARSE_W - 1 - x] =
            even->kind_behind ? (float)even->kind_behind[at] / 255 : 0;
    }
}

lk_status lk_people_draw(const lk_people *people, uint64_t seed, uint64_t person, uint64_t photo,
                         lk_image **out, lk_error *err) {
    if (!people || !out)
        return lk__fail(err, LK_INVALID, "lk_people_draw: no people or no place for the photo");
    lk__face face;
    lk__face_compose(people, seed, person, photo, &face);
    return lk__face_shoot(&face, seed, person, photo, out, err);
}
