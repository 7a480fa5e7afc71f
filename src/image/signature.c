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
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(LK_NO_CLONES)
#define CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

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

/* Binomial weights over five pixels along rows or columns (step), borders repeated. */
static void blur_along(const float *in, float *out, int side, int step, int across) {
    for (int line = 0; line < side; line++) {
        const float *from = in + line * across;
        for (int i = 0; i < side; i++) {
            float at[5];
            for (int k = 0; k < 5; k++) {
                int j = i + k - 2;
                at[k] = from[(j < 0 ? 0 : j >= side ? side - 1 : j) * step];
            }
            out[line * across + i * step] = (at[0] + at[4] + 4 * (at[1] + at[3]) + 6 * at[2]) / 16;
        }
    }
}

static void level_finish(lk__level *level) {
    float rows[PIXELS], smooth[PIXELS];
    int side = level->side, count = side * side;
    double sum = 0, square = 0;
    blur_along(level->grey, rows, side, 1, side);
    blur_along(rows, smooth, side, side, 1);
    for (int i = 0; i < count; i++) {
        float fine = level->grey[i] - smooth[i];
        level->fine[i] = fine;
        sum += (double)fine;
        square += (double)fine * (double)fine;
    }
    level->contrast = square / count - sum * sum / count / count;
}

void lk__level_make(const lk_signature *signature, bool mirrored, int side, lk__level *level) {
    int step = SIDE / side;
    level->side = side;
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            int column = mirrored ? side - 1 - x : x, sum = 0;
            for (int k = 0; k < step * step; k++)
                sum += signature->grey[(y * step + k / step) * SIDE + column * step + k % step];
            level->grey[y * side + x] = (float)sum / (float)(step * step);
        }
    level_finish(level);
}

enum { UNKNOWNS = 6, ROUNDS = 5 };

/* How pixels 0 .. side - 1 of one axis lie between those of the other picture: first + share, for [from, to).
 */
typedef struct along {
    int from, to, first[SIDE];
    float share[SIDE], offset[SIDE]; /* offset: from the centre */
} along;

static void along_make(along *a, int side, double scale, double shift) {
    double centre = (side - 1) / 2.0;
    a->from = side;
    a->to = 0;
    for (int i = 0; i < side; i++) {
        double at = centre + scale * (i - centre) + shift;
        a->offset[i] = (float)(i - centre);
        if (!(at >= 0 && at <= side - 1)) continue;
        a->first[i] = (int)at < side - 2 ? (int)at : side - 2;
        a->share[i] = (float)(at - a->first[i]);
        if (i < a->from) a->from = i;
        a->to = i + 1;
    }
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

enum { SUMS = UNKNOWNS * (UNKNOWNS + 3) / 2 }; /* of the upper triangle and the right side */

/* The normal equations of a = gain b(scale, shift) + offset, linear about p: pixels of a row lie side by
 * side, so that the sums of many columns grow at once. `side` is a constant where this is inlined. */
static inline __attribute__((always_inline)) void add_rows(int side, const lk__level *a, const lk__level *b,
                                                           const lk__placing *p, const along *ax,
                                                           const along *ay, float sum[SUMS][SIDE]) {
    float gain = (float)p->gain, offset = (float)p->offset, column[UNKNOWNS + 1][SIDE] = {{0}};
    for (int y = ay->from; y < ay->to; y++) {
        const float *here = a->grey + y * side, *there = b->grey + ay->first[y] * side;
        float line[SIDE], down[SIDE];
        for (int x = 0; x < side; x++) {
            down[x] = there[side + x] - there[x];
            line[x] = there[x] + ay->share[y] * down[x];
        }
        for (int x = ax->from; x < ax->to; x++) {
            int f = ax->first[x];
            float right = line[f + 1] - line[f], value = line[f] + ax->share[x] * right;
            float slope_y = gain * (down[f] + ax->share[x] * (down[f + 1] - down[f]));
            column[0][x] = gain * right * ax->offset[x];
            column[1][x] = slope_y * ay->offset[y];
            column[2][x] = gain * right;
            column[3][x] = slope_y;
            column[4][x] = value;
            column[5][x] = 1;
            column[6][x] = here[x] - gain * value - offset;
        }
        for (int r = 0, k = 0; r < UNKNOWNS; r++)
            for (int c = r; c <= UNKNOWNS; c++, k++)
                for (int x = 0; x < side; x++) sum[k][x] += column[r][x] * column[c][x];
    }
    for (int k = 0; k < SUMS; k++) /* all columns into the first */
        for (int half = side / 2; half > 0; half /= 2)
            for (int x = 0; x < half; x++) sum[k][x] += sum[k][x + half];
}

CLONES static void add_rows_of(const lk__level *a, const lk__level *b, const lk__placing *p, const along *ax,
                               const along *ay, float sum[SUMS][SIDE]) {
    if (a->side == SIDE)
        add_rows(SIDE, a, b, p, ax, ay, sum);
    else
        add_rows(SIDE / 2, a, b, p, ax, ay, sum);
}

static void equations(const lk__level *a, const lk__level *b, const lk__placing *p, const along *ax,
                      const along *ay, double m[UNKNOWNS][UNKNOWNS + 1]) {
    float sum[SUMS][SIDE] = {{0}};
    add_rows_of(a, b, p, ax, ay, sum);
    for (int r = 0, k = 0; r < UNKNOWNS; r++)
        for (int c = r; c <= UNKNOWNS; c++, k++) m[r][c] = (double)sum[k][0];
    for (int r = 0; r < UNKNOWNS; r++)
        for (int k = 0; k < r; k++) m[r][k] = m[k][r];
}

/* One step of Gauss and Newton; false if the pictures have come apart. *moved: by how many pixels at most. */
static bool place_better(const lk__level *a, const lk__level *b, lk__placing *p, double *moved) {
    double m[UNKNOWNS][UNKNOWNS + 1] = {{0}}, s[UNKNOWNS], centre = (a->side - 1) / 2.0;
    along ax, ay;
    along_make(&ax, a->side, p->x_scale, p->x_shift);
    along_make(&ay, a->side, p->y_scale, p->y_shift);
    equations(a, b, p, &ax, &ay, m);
    if (!solve(m, s)) return false;
    p->x_scale += s[0];
    p->y_scale += s[1];
    p->x_shift += s[2];
    p->y_shift += s[3];
    p->gain += s[4];
    p->offset += s[5];
    *moved = fmax(fabs(s[0]) * centre + fabs(s[2]), fabs(s[1]) * centre + fabs(s[3]));
    /* Further than a crop of a tenth or so goes, two pictures can be made to look alike that are not. */
    static const double scale_most = 0.25, shift_most = 0.15;
    return fabs(p->x_scale - 1) <= scale_most && fabs(p->y_scale - 1) <= scale_most &&
           fabs(p->x_shift) <= shift_most * a->side && fabs(p->y_shift) <= shift_most * a->side &&
           p->gain > 0;
}

bool lk__level_place(const lk__level *a, const lk__level *b, lk__placing *p) {
    static const double contrast_least = 0.5, still = 0.02; /* grey levels squared; pixels */
    if (a->contrast < contrast_least || b->contrast < contrast_least) return false;
    double moved = 1;
    for (int i = 0; i < ROUNDS && moved > still; i++)
        if (!place_better(a, b, p, &moved)) return false;
    return true;
}

double lk__level_correlation(const lk__level *a, const lk__level *b, const lk__placing *p) {
    double n = 0, sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
    int side = a->side;
    along ax, ay;
    along_make(&ax, side, p->x_scale, p->x_shift);
    along_make(&ay, side, p->y_scale, p->y_shift);
    for (int y = ay.from; y < ay.to; y++)
        for (int x = ax.from; x < ax.to; x++) {
            const float *q = b->fine + ay.first[y] * side + ax.first[x];
            float upper = q[0] + ax.share[x] * (q[1] - q[0]),
                  lower = q[side] + ax.share[x] * (q[side + 1] - q[side]);
            double here = (double)a->fine[y * side + x],
                   there = (double)(upper + ay.share[y] * (lower - upper));
            n++;
            sa += here;
            sb += there;
            saa += here * here;
            sbb += there * there;
            sab += here * there;
        }
    double va = saa - sa * sa / n, vb = sbb - sb * sb / n;
    return n > 0 && va > 0 && vb > 0 ? (sab - sa * sb / n) / sqrt(va * vb) : 0;
}

bool lk__likeness_begin(const lk__level *a, const lk__level *b, lk__placing *p) {
    static const double least = 0.7; /* copies cut by a tenth have 0.82 and more */
    *p = (lk__placing){.x_scale = 1, .y_scale = 1, .gain = 1};
    if (!lk__level_place(a, b, p) || lk__level_correlation(a, b, p) < least) return false;
    p->x_shift *= 2;
    p->y_shift *= 2;
    return true;
}

double lk__likeness_end(const lk__level *a, const lk__level *b, lk__placing *p) {
    return lk__level_place(a, b, p) ? lk__level_correlation(a, b, p) : 0;
}

static double one_way(const lk_signature *a, const lk_signature *b, bool mirrored) {
    lk__level of_a, of_b;
    lk__placing p;
    lk__level_make(a, mirrored, SIDE / 2, &of_a);
    lk__level_make(b, false, SIDE / 2, &of_b);
    if (!lk__likeness_begin(&of_a, &of_b, &p)) return 0;
    lk__level_make(a, mirrored, SIDE, &of_a);
    lk__level_make(b, false, SIDE, &of_b);
    return lk__likeness_end(&of_a, &of_b, &p);
}

double lk_signature_likeness(const lk_signature *a, const lk_signature *b, bool *mirrored) {
    double plain = one_way(a, b, false), turned = one_way(a, b, true);
    if (mirrored) *mirrored = turned > plain;
    return fmax(plain, turned);
}
