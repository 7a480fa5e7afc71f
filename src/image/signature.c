/* signature.c: is this picture a copy of that one? Training sets hold the same photo again and again: saved
 * at another quality, resized, cut at its borders, made lighter, mirrored. Files and pixels differ then.
 *
 *   picture -> 32 x 32 grey -> 128 signs of its lowest frequencies    which pairs are worth a look (copies.c)
 *                           -> laid over another by Gauss and Newton  how alike the two really are
 *
 * The signs are those of a discrete cosine transform, as in pHash (Zauner 2010), taken against 0 and not
 * against the median: then the mirror image has the same signs, those of odd horizontal frequencies turned,
 * and costs nothing to ask for as well. A hash alone tells little of faces, which are all built alike and in
 * aligned sets lie all in the same place. So the second look moves and scales one thumbnail over the other
 * (Lucas & Kanade 1981, with gain and offset for light), and asks of the fine structure whether it is the
 * same, since what is coarse in two faces is alike in any case. */
#include "image/signature.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = LK_SIGNATURE_SIDE, PIXELS = SIDE * SIDE };

/* ---- signs of the lowest frequencies ------------------------------------------------------------------- */

enum { FREQUENCIES = 16, BITS = 64 * LK_SIGNATURE_WORDS };

/* The i-th sign's frequencies, rising with u + v: what a crop or a blur changes least comes first. */
static void frequency(int i, int *u, int *v) {
    int sum = 1;
    for (; i > sum; sum++) i -= sum + 1;
    *u = i;
    *v = sum - i;
}

uint64_t lk__signature_odd(int word) {
    uint64_t mask = 0;
    for (int i = 0; i < 64; i++) {
        int u, v;
        frequency(64 * word + i, &u, &v);
        mask |= (uint64_t)(u & 1) << i;
    }
    return mask;
}

static void take_signs(const float *grey, uint64_t *bits) {
    float cosine[FREQUENCIES][SIDE], rows[SIDE][FREQUENCIES];
    for (int k = 0; k < FREQUENCIES; k++)
        for (int x = 0; x < SIDE; x++) cosine[k][x] = cosf((float)M_PI * (float)k * ((float)x + 0.5F) / SIDE);
    for (int y = 0; y < SIDE; y++)
        for (int u = 0; u < FREQUENCIES; u++) {
            rows[y][u] = 0;
            for (int x = 0; x < SIDE; x++) rows[y][u] += cosine[u][x] * grey[y * SIDE + x];
        }
    memset(bits, 0, sizeof(uint64_t) * LK_SIGNATURE_WORDS);
    for (int i = 0; i < BITS; i++) {
        int u, v;
        float sum = 0;
        frequency(i, &u, &v);
        for (int y = 0; y < SIDE; y++) sum += cosine[v][y] * rows[y][u];
        if (sum > 0) bits[i / 64] |= (uint64_t)1 << i % 64;
    }
}

lk_status lk_image_signature(const lk_image *image, lk_signature *out, lk_error *err) {
    lk_image *small = NULL;
    lk_status status = lk_image_resize(image, SIDE, SIDE, &small, err);
    if (status != LK_OK) return status;
    float grey[PIXELS];
    const uint8_t *p = small->pixels;
    for (int i = 0; i < PIXELS; i++, p += 3) { /* luma of ITU-R BT.601, as JPEG has it */
        out->grey[i] = (uint8_t)((299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000);
        grey[i] = out->grey[i];
    }
    take_signs(grey, out->bits);
    lk_image_free(small);
    return LK_OK;
}

/* ---- one picture over the other ------------------------------------------------------------------------ */

/* A column of binomial weights, along rows or columns (step), borders repeated. */
static void blur_along(const float *in, float *out, int step, int across) {
    static const float weight[5] = {1 / 16.F, 4 / 16.F, 6 / 16.F, 4 / 16.F, 1 / 16.F};
    for (int line = 0; line < SIDE; line++)
        for (int i = 0; i < SIDE; i++) {
            float sum = 0;
            for (int k = -2; k <= 2; k++) {
                int at = i + k < 0 ? 0 : i + k >= SIDE ? SIDE - 1 : i + k;
                sum += weight[k + 2] * in[line * across + at * step];
            }
            out[line * across + i * step] = sum;
        }
}

void lk__view_make(const lk_signature *signature, bool mirrored, lk__view *view) {
    float rows[PIXELS], smooth[PIXELS];
    double sum = 0, square = 0;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            view->grey[y * SIDE + x] = signature->grey[y * SIDE + (mirrored ? SIDE - 1 - x : x)];
    blur_along(view->grey, rows, 1, SIDE);
    blur_along(rows, smooth, SIDE, 1);
    for (int i = 0; i < PIXELS; i++) {
        view->fine[i] = view->grey[i] - smooth[i];
        sum += (double)view->fine[i];
        square += (double)view->fine[i] * (double)view->fine[i];
    }
    double mean = sum / PIXELS;
    view->contrast = square / PIXELS - mean * mean;
}

/* Where pixel (x, y) of one picture lies in the other: the centre plus (scale * from the centre) plus shift.
 */
typedef struct placing {
    double x_scale, y_scale, x_shift, y_shift, gain, offset;
} placing;

enum { UNKNOWNS = 6, ROUNDS = 12 };
static const double centre = (SIDE - 1) / 2.0;

/* Value and slopes of a picture between its pixels; false outside. */
static bool sample(const float *picture, double x, double y, double value[3]) {
    if (!(x >= 0 && y >= 0 && x <= SIDE - 1 && y <= SIDE - 1)) return false;
    int left = (int)x < SIDE - 2 ? (int)x : SIDE - 2, top = (int)y < SIDE - 2 ? (int)y : SIDE - 2;
    double fx = x - left, fy = y - top;
    const float *p = picture + top * SIDE + left;
    double a = (double)p[0], b = (double)p[1], c = (double)p[SIDE], d = (double)p[SIDE + 1];
    double upper = a + fx * (b - a), lower = c + fx * (d - c);
    value[0] = upper + fy * (lower - upper);
    value[1] = (b - a) + fy * (d - c - b + a);
    value[2] = lower - upper;
    return true;
}

/* Gaussian elimination with the largest pivot; false if the equations do not tell. */
static bool solve(double m[UNKNOWNS][UNKNOWNS + 1], double *solution) {
    for (int c = 0; c < UNKNOWNS; c++) {
        int best = c;
        for (int r = c + 1; r < UNKNOWNS; r++)
            if (fabs(m[r][c]) > fabs(m[best][c])) best = r;
        if (!(fabs(m[best][c]) > 1e-9)) return false;
        for (int k = 0; k <= UNKNOWNS; k++) {
            double other = m[c][k];
            m[c][k] = m[best][k];
            m[best][k] = other;
        }
        for (int r = c + 1; r < UNKNOWNS; r++)
            for (int k = UNKNOWNS; k >= c; k--) m[r][k] -= m[c][k] * m[r][c] / m[c][c];
    }
    for (int r = UNKNOWNS - 1; r >= 0; r--) {
        solution[r] = m[r][UNKNOWNS];
        for (int k = r + 1; k < UNKNOWNS; k++) solution[r] -= m[r][k] * solution[k];
        solution[r] /= m[r][r];
    }
    return true;
}

/* One step of Gauss and Newton; false if the pictures have come apart. *moved: by how many pixels at most. */
static bool place_better(const lk__view *a, const lk__view *b, placing *p, double *moved) {
    double m[UNKNOWNS][UNKNOWNS + 1] = {{0}}, s[UNKNOWNS];
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double u = x - centre, v = y - centre, there[3];
            if (!sample(b->grey, centre + p->x_scale * u + p->x_shift, centre + p->y_scale * v + p->y_shift,
                        there))
                continue;
            double row[UNKNOWNS + 1] = {p->gain * there[1] * u,
                                        p->gain * there[2] * v,
                                        p->gain * there[1],
                                        p->gain * there[2],
                                        there[0],
                                        1,
                                        (double)a->grey[y * SIDE + x] - p->gain * there[0] - p->offset};
            for (int r = 0; r < UNKNOWNS; r++)
                for (int k = r; k <= UNKNOWNS; k++) m[r][k] += row[r] * row[k];
        }
    for (int r = 0; r < UNKNOWNS; r++)
        for (int k = 0; k < r; k++) m[r][k] = m[k][r];
    if (!solve(m, s)) return false;
    p->x_scale += s[0];
    p->y_scale += s[1];
    p->x_shift += s[2];
    p->y_shift += s[3];
    p->gain += s[4];
    p->offset += s[5];
    *moved = fmax(fabs(s[0]) * centre + fabs(s[2]), fabs(s[1]) * centre + fabs(s[3]));
    /* Further than a crop of a tenth or so goes, two pictures can be made to look alike that are not. */
    static const double scale_most = 0.25, shift_most = 0.15 * SIDE;
    return fabs(p->x_scale - 1) <= scale_most && fabs(p->y_scale - 1) <= scale_most &&
           fabs(p->x_shift) <= shift_most && fabs(p->y_shift) <= shift_most && p->gain > 0;
}

/* Correlation of the fine structure where the two overlap. */
static double correlation(const lk__view *a, const lk__view *b, const placing *p) {
    double n = 0, sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double there[3], here = (double)a->fine[y * SIDE + x];
            if (!sample(b->fine, centre + p->x_scale * (x - centre) + p->x_shift,
                        centre + p->y_scale * (y - centre) + p->y_shift, there))
                continue;
            n++;
            sa += here;
            sb += there[0];
            saa += here * here;
            sbb += there[0] * there[0];
            sab += here * there[0];
        }
    double va = saa - sa * sa / n, vb = sbb - sb * sb / n;
    return n > 0 && va > 0 && vb > 0 ? (sab - sa * sb / n) / sqrt(va * vb) : 0;
}

double lk__view_likeness(const lk__view *a, const lk__view *b) {
    static const double contrast_least = 0.5, still = 0.02; /* grey levels squared; pixels */
    if (a->contrast < contrast_least || b->contrast < contrast_least) return 0;
    placing p = {.x_scale = 1, .y_scale = 1, .gain = 1};
    double moved = 1;
    for (int i = 0; i < ROUNDS && moved > still; i++)
        if (!place_better(a, b, &p, &moved)) return 0;
    return correlation(a, b, &p);
}

double lk_signature_likeness(const lk_signature *a, const lk_signature *b, bool *mirrored) {
    lk__view va, vb, vm;
    lk__view_make(a, false, &va);
    lk__view_make(b, false, &vb);
    lk__view_make(b, true, &vm);
    double plain = lk__view_likeness(&va, &vb), turned = lk__view_likeness(&va, &vm);
    if (mirrored) *mirrored = turned > plain;
    return fmax(plain, turned);
}
