/* people_register.c: bring the features of many faces to the same place without anyone having marked them.
 *
 * Bootstrapping after Vetter, Jones & Poggio, "A bootstrapping algorithm for learning linear models of object
 * classes", 1997: reconstruct each photo, warped by its present shape, from a PCA of all of them; move it
 * towards its reconstruction; repeat with more components as the faces come to agree. A mean of registered
 * faces has eyes where an average of photos has shadows, and so have the faces drawn from it.
 *
 * Unlike the paper the motion is no dense optical flow: it lives on a grid 8 pixels apart with a penalty on
 * differences between neighbours, which makes each step one banded linear system, and residuals are weighed
 * robustly so that sunglasses and hands do not drag the face along. */
#include "face/people.h"

#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    W = LK__COARSE_W, /* registration looks at luma in half resolution */
    H = LK__COARSE_H,
    BAND = 2 * (LK__GRID_W + 1) + 1,
    INNER = 2 /* Gauss-Newton steps against one target */
};
/* Components of each round: few at first, so that the target is a face in the common place and not this
 * photo. */
static const int rounds[] = {1, 1, 2, 3, 5, 8, 13, 20};
enum { ROUNDS = sizeof rounds / sizeof rounds[0] };
/* In units of luma^2 (0..1) per pixel^2: deviation of the luma residual 0.1, of neighbouring nodes'
 * difference about 0.7 pixels, of a node about 4. */
static const double SMOOTH = 0.008, SMALL = 0.0003, ROBUST = 0.12;

typedef struct rounds_job {
    const float *luma; /* (n, H, W) */
    float *fields;     /* (n, GRID_D) */
    float *half[2];    /* (n, pixels): even and odd halves of the warped photos */
    const int *pixel;  /* (pixels) y * W + x, x < W / 2 */
    int n, pixels;
    float *mean, *basis[2], *scores[2];
    int k[2];
} rounds_job;

static float sample(const float *image, double x, double y) {
    x = x < 0 ? 0 : x > W - 1 ? W - 1 : x;
    y = y < 0 ? 0 : y > H - 1 ? H - 1 : y;
    int i = x < W - 2 ? (int)x : W - 2, j = y < H - 2 ? (int)y : H - 2;
    float u = (float)(x - i), v = (float)(y - j);
    const float *p = image + j * W + i, *q = p + W;
    return (1 - v) * ((1 - u) * p[0] + u * p[1]) + v * ((1 - u) * q[0] + u * q[1]);
}

static void warp(const float *luma, const float *field, float *to) {
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            double dx, dy;
            lk__grid_at(field, 2 * x + 0.5, 2 * y + 0.5, &dx, &dy);
            to[y * W + x] = sample(luma, x + dx / 2, y + dy / 2);
        }
}

static void warp_all(void *context, int part, int parts) {
    rounds_job *j = context;
    size_t first, last;
    lk__part((size_t)j->n, part, parts, &first, &last);
    for (size_t i = first; i < last; i++) {
        float warped[H * W];
        warp(j->luma + i * H * W, j->fields + i * LK__GRID_D, warped);
        for (int p = 0; p < j->pixels; p++) {
            int left = j->pixel[p], right = left - left % W + (W - 1 - left % W);
            float weight = lk__face_weight(2 * (left % W) + 0.5, 2 * (left / W) + 0.5);
            j->half[0][i * (size_t)j->pixels + (size_t)p] = weight * 0.5f * (warped[left] + warped[right]);
            j->half[1][i * (size_t)j->pixels + (size_t)p] = weight * 0.5f * (warped[left] - warped[right]);
        }
    }
}

/* The reconstruction of photo i, 0 where there is no face. */
static void reconstruct(const rounds_job *j, size_t i, float *target) {
    memset(target, 0, sizeof(float) * H * W);
    for (int p = 0; p < j->pixels; p++) {
        float part[2] = {j->mean[p], 0};
        for (int s = 0; s < 2; s++)
            for (int k = 0; k < j->k[s]; k++)
                part[s] += j->scores[s][i * (size_t)j->k[s] + (size_t)k] * j->basis[s][k * j->pixels + p];
        int left = j->pixel[p], right = left - left % W + (W - 1 - left % W);
        float weight = lk__face_weight(2 * (left % W) + 0.5, 2 * (left / W) + 0.5);
        target[left] = (part[0] + part[1]) / weight;
        target[right] = (part[0] - part[1]) / weight;
    }
}

/* Penalty on the field itself, into a lower band matrix (column major, BAND + 1 rows). */
static void add_penalty(double *band) {
    for (int node = 0; node < LK__GRID_W * LK__GRID_H; node++) {
        int right = (node + 1) % LK__GRID_W ? node + 1 : -1;
        int below = node + LK__GRID_W < LK__GRID_W * LK__GRID_H ? node + LK__GRID_W : -1;
        for (int c = 0; c < 2; c++) {
            int a = 2 * node + c, next[2] = {right, below};
            band[a * (BAND + 1)] += SMALL;
            for (int e = 0; e < 2; e++) {
                if (next[e] < 0) continue;
                int b = 2 * next[e] + c;
                band[a * (BAND + 1)] += SMOOTH;
                band[b * (BAND + 1)] += SMOOTH;
                band[a * (BAND + 1) + b - a] -= SMOOTH;
            }
        }
    }
}

/* One Gauss-Newton step of sum weight (target - warped - gradient . change)^2 + penalty(field). */
static void step(const float *luma, const float *target, float *field) {
    static const int corner[4] = {0, 1, LK__GRID_W, LK__GRID_W + 1};
    float warped[H * W];
    warp(luma, field, warped);
    double band[LK__GRID_D * (BAND + 1)], right[LK__GRID_D];
    memset(band, 0, sizeof band);
    memset(right, 0, sizeof right);
    add_penalty(band);
    for (int y = 1; y < H - 1; y++)
        for (int x = 1; x < W - 1; x++) {
            double px = 2 * x + 0.5, py = 2 * y + 0.5, weight = (double)lk__face_weight(px, py);
            if (weight <= 0 || target[y * W + x] == 0) continue;
            const float *at = warped + y * W + x;
            /* A pixel here is two of the frame; the field is in pixels of the frame. */
            double gx = (double)(at[1] - at[-1]) / 4, gy = (double)(at[W] - at[-W]) / 4;
            double e = (double)(target[y * W + x] - *at), dx, dy;
            weight /= 1 + e * e / (ROBUST * ROBUST);
            lk__grid_at(field, px, py, &dx, &dy);
            double rest = e + gx * dx + gy * dy;
            double u = (px - 43.5) / LK__GRID_STEP + 6, v = (py - 53.5) / LK__GRID_STEP + 7;
            int node = (int)v * LK__GRID_W + (int)u;
            u -= (int)u, v -= (int)v;
            double share[4] = {(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v}, jacobian[8];
            for (int c = 0; c < 4; c++) {
                jacobian[2 * c] = share[c] * gx;
                jacobian[2 * c + 1] = share[c] * gy;
            }
            for (int a = 0; a < 8; a++) {
                int column = 2 * (node + corner[a / 2]) + a % 2;
                right[column] += weight * jacobian[a] * rest;
                for (int b = a; b < 8; b++)
                    band[column * (BAND + 1) + 2 * (node + corner[b / 2]) + b % 2 - column] +=
                        weight * jacobian[a] * jacobian[b];
            }
        }
    if (LAPACKE_dpbsv(LAPACK_COL_MAJOR, 'L', LK__GRID_D, BAND, 1, band, BAND + 1, right, LK__GRID_D) != 0)
        return; /* not finite: leave this photo where it was */
    for (int i = 0; i < LK__GRID_D; i++) field[i] = (float)right[i];
}

static void move_all(void *context, int part, int parts) {
    rounds_job *j = context;
    size_t first, last;
    lk__part((size_t)j->n, part, parts, &first, &last);
    for (size_t i = first; i < last; i++) {
        float target[H * W];
        reconstruct(j, i, target);
        for (int k = 0; k < INNER; k++) step(j->luma + i * H * W, target, j->fields + i * LK__GRID_D);
    }
}

/* The common place is where the faces are on average, and symmetric: without this the frame itself would
 * drift. */
static void centre_fields(float *fields, int n) {
    double mean[LK__GRID_D] = {0};
    for (int i = 0; i < n; i++)
        for (int d = 0; d < LK__GRID_D; d++)
            mean[d] += (double)fields[(size_t)i * LK__GRID_D + (size_t)d] / n;
    for (int gy = 0; gy < LK__GRID_H; gy++)
        for (int gx = 0; gx < LK__GRID_W; gx++) {
            int a = 2 * (gy * LK__GRID_W + gx), b = 2 * (gy * LK__GRID_W + LK__GRID_W - 1 - gx);
            double even[2] = {(mean[a] - mean[b]) / 2, (mean[a + 1] + mean[b + 1]) / 2};
            for (int i = 0; i < n; i++)
                for (int c = 0; c < 2; c++)
                    fields[(size_t)i * LK__GRID_D + (size_t)(a + c)] -= (float)even[c];
        }
}

static void rounds_free(rounds_job *j) {
    for (int s = 0; s < 2; s++) {
        free(j->half[s]);
        free(j->basis[s]);
        free(j->scores[s]);
    }
    free(j->mean);
}

static lk_status rounds_alloc(rounds_job *j, lk_error *err) {
    size_t n = (size_t)j->n, d = (size_t)j->pixels, k = (size_t)rounds[ROUNDS - 1];
    j->mean = calloc(d, sizeof *j->mean);
    bool ok = j->mean != NULL;
    for (int s = 0; s < 2; s++) {
        j->half[s] = malloc(n * d * sizeof(float));
        j->basis[s] = malloc(k * d * sizeof(float));
        j->scores[s] = malloc(n * k * sizeof(float));
        ok = ok && j->half[s] && j->basis[s] && j->scores[s];
    }
    return ok ? LK_OK : lk__fail_memory(err, 2 * n * (d + k) * sizeof(float), "registering faces");
}

lk_status lk__register(const uint8_t *photos, int n, uint64_t seed, float *fields, lk_error *err) {
    int pixel[H * W / 2], pixels = 0;
    for (int y = 1; y < H - 1; y++)
        for (int x = 1; x < W / 2; x++)
            if (lk__face_weight(2 * x + 0.5, 2 * y + 0.5) > 0.02f) pixel[pixels++] = y * W + x;
    float *luma = malloc((size_t)n * H * W * sizeof *luma);
    if (!luma) return lk__fail_memory(err, (size_t)n * H * W * sizeof *luma, "registering faces");
    for (size_t i = 0; i < (size_t)n; i++)
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                int sum = 0;
                for (int q = 0; q < 4; q++) {
                    const uint8_t *p = photos + ((i * LK__FRAME_H + (size_t)(2 * y + q / 2)) * LK__FRAME_W +
                                                 (size_t)(2 * x + q % 2)) *
                                                    3;
                    sum += 299 * p[0] + 587 * p[1] + 114 * p[2];
                }
                luma[(i * H + (size_t)y) * W + (size_t)x] = (float)sum / (4 * 255000.0f);
            }
    memset(fields, 0, (size_t)n * LK__GRID_D * sizeof *fields);
    rounds_job job = {.luma = luma, .fields = fields, .pixel = pixel, .n = n, .pixels = pixels};
    lk_status status = rounds_alloc(&job, err);
    for (int r = 0; r < ROUNDS && status == LK_OK; r++) {
        lk__parallel(warp_all, &job);
        for (int s = 0; s < 2 && status == LK_OK; s++)
            status = lk__pca(job.half[s], n, pixels, s ? (rounds[r] + 1) / 2 : rounds[r], s == 0,
                             seed + (uint64_t)(2 * r + s), s ? NULL : job.mean, job.basis[s], job.scores[s],
                             &job.k[s], err);
        if (status != LK_OK) break;
        lk__parallel(move_all, &job);
        centre_fields(fields, n);
    }
    rounds_free(&job);
    free(luma);
    return status;
}

void lk__grid_invert(const float *field, float *inverse) {
    for (int gy = 0; gy < LK__GRID_H; gy++)
        for (int gx = 0; gx < LK__GRID_W; gx++) {
            double x = 43.5 + LK__GRID_STEP * (gx - 6), y = 53.5 + LK__GRID_STEP * (gy - 7), dx = 0, dy = 0;
            for (int i = 0; i < 8; i++) { /* contracts: the field changes by less than 1 a pixel */
                double fx, fy;
                lk__grid_at(field, x + dx, y + dy, &fx, &fy);
                dx = -fx, dy = -fy;
            }
            float *to = inverse + 2 * (gy * LK__GRID_W + gx);
            to[0] = (float)dx;
            to[1] = (float)dy;
        }
}
