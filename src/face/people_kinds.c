/* people_kinds.c: what kinds of people there are: k-means (Lloyd 1982, seeded as in k-means++, Arthur &
 * Vassilvitskii 2007) of people's means in the identity space.
 *
 * One normal distribution over all people draws the average of long and short hair: a ghost. Around the mean
 * of one of a few kinds, each of them hundreds of people, little is left to average, and hair has an edge. */
#include "face/people.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 24, ITERATIONS = 40, KINDS_MOST = 64, EVEN_SHARE = 8 };

typedef struct cloud {
    size_t n, dim; /* people */
    float *points; /* (n, dim) */
    double *nearest;
    int *kind;
} cloud;

static double distance_sq(const float *a, const float *b, size_t dim) {
    double sum = 0;
    for (size_t i = 0; i < dim; i++) sum += (double)((a[i] - b[i]) * (a[i] - b[i]));
    return sum;
}

/* Nearest of the first k centres for everybody; whether anyone changed. */
static bool assign(cloud *c, const float *centres, int k) {
    bool changed = false;
    for (size_t i = 0; i < c->n; i++) {
        int best = 0;
        c->nearest[i] = INFINITY;
        for (int j = 0; j < k; j++) {
            double d = distance_sq(c->points + i * c->dim, centres + (size_t)j * c->dim, c->dim);
            if (d < c->nearest[i]) c->nearest[i] = d, best = j;
        }
        changed = changed || best != c->kind[i];
        c->kind[i] = best;
    }
    return changed;
}

static void seed_centres(cloud *c, float *centres, int k, lk__random *random) {
    memcpy(centres, c->points + lk__random_below(random, c->n) * c->dim, c->dim * sizeof *centres);
    for (int j = 1; j < k; j++) {
        assign(c, centres, j);
        double total = 0;
        for (size_t i = 0; i < c->n; i++) total += c->nearest[i];
        double at = lk__random_unit(random) * total;
        size_t chosen = 0;
        while (chosen + 1 < c->n && at >= c->nearest[chosen]) at -= c->nearest[chosen++];
        memcpy(centres + (size_t)j * c->dim, c->points + chosen * c->dim, c->dim * sizeof *centres);
    }
}

static void move_centres(const cloud *c, float *centres, int k) {
    for (int j = 0; j < k; j++) {
        double sum[DIM] = {0};
        size_t count = 0;
        for (size_t i = 0; i < c->n; i++) {
            if (c->kind[i] != j) continue;
            for (size_t a = 0; a < c->dim; a++) sum[a] += (double)c->points[i * c->dim + a];
            count++;
        }
        if (count == 0) continue; /* stays where it is */
        for (size_t a = 0; a < c->dim; a++) centres[(size_t)j * c->dim + a] = (float)(sum[a] / (double)count);
    }
}

/* A kind of one person would be that person's likeness, and would be drawn: the smallest kinds go, their
 * people to the nearest of the rest, until none has fewer than `least` people. Returns how many are left. */
static int drop_small(cloud *c, float *centres, int k, size_t least) {
    for (; k > 1; k--) {
        size_t count[KINDS_MOST] = {0};
        for (size_t i = 0; i < c->n; i++) count[c->kind[i]]++;
        int smallest = 0;
        for (int j = 1; j < k; j++)
            if (count[j] < count[smallest]) smallest = j;
        if (count[smallest] >= least) break;
        memmove(centres + (size_t)smallest * c->dim, centres + (size_t)(k - 1) * c->dim,
                c->dim * sizeof *centres);
        assign(c, centres, k - 1);
    }
    return k;
}

/* Each person's mean in the identity space. */
static void project_people(cloud *c, const float *scores, const int *person, size_t n, size_t z,
                           const float *projection) {
    size_t at = 0;
    for (size_t first = 0, last; first < n; first = last, at++) {
        for (last = first; last < n && person[last] == person[first]; last++) {
        }
        for (size_t k = 0; k < c->dim; k++) {
            double sum = 0;
            for (size_t i = first; i < last; i++)
                for (size_t a = 0; a < z; a++) sum += (double)(scores[i * z + a] * projection[k * z + a]);
            c->points[at * c->dim + k] = (float)(sum / (double)(last - first));
        }
    }
}

/* means (k, z), share (k), and to each photo the kind of its person. */
static void take_means(const cloud *c, const float *scores, const int *person, size_t n, size_t z, int k,
                       float *means, float *share, int *kind) {
    memset(means, 0, (size_t)k * z * sizeof *means);
    memset(share, 0, (size_t)k * sizeof *share);
    for (size_t i = 0, who = 0; i < n; i++) {
        if (i > 0 && person[i] != person[i - 1]) who++;
        kind[i] = c->kind[who];
        share[kind[i]] += 1;
        for (size_t a = 0; a < z; a++) means[(size_t)kind[i] * z + a] += scores[i * z + a];
    }
    for (int j = 0; j < k; j++) {
        for (size_t a = 0; a < z; a++) means[(size_t)j * z + a] /= share[j] > 0 ? share[j] : 1;
        share[j] /= (float)n;
    }
}

lk_status lk__find_kinds(const float *scores, const int *person, int photos, int z, int *kinds, uint64_t seed,
                         float *means, float *share, int *kind, lk_error *err) {
    size_t n = (size_t)photos, dim = z < DIM ? (size_t)z : DIM, people = 0;
    int k = *kinds < KINDS_MOST ? *kinds : KINDS_MOST;
    for (size_t i = 0; i < n; i++) people += i == 0 || person[i] != person[i - 1];
    float *projection = malloc(dim * (size_t)z * sizeof *projection),
          *centres = calloc((size_t)k * dim, sizeof *centres);
    cloud c = {people, dim, malloc(people * dim * sizeof(float)), malloc(people * sizeof(double)),
               calloc(people, sizeof(int))};
    lk_status status = LK_OK;
    if (!projection || !centres || !c.points || !c.nearest || !c.kind)
        status = lk__fail_memory(err, (people + (size_t)z) * dim * sizeof(float), "the kinds of people");
    if (status == LK_OK) status = lk__fisher(scores, person, photos, z, (int)dim, projection, err);
    if (status == LK_OK) {
        lk__random random = lk__random_stream(seed, 0x6b696e64, people, dim);
        project_people(&c, scores, person, n, (size_t)z, projection);
        seed_centres(&c, centres, k, &random);
        for (int i = 0; i < ITERATIONS && (assign(&c, centres, k) || i == 0); i++)
            move_centres(&c, centres, k);
        k = drop_small(&c, centres, k, people / (size_t)(EVEN_SHARE * k) + 2);
        take_means(&c, scores, person, n, (size_t)z, k, means, share, kind);
        *kinds = k;
    }
    free(projection);
    free(centres);
    free(c.points);
    free(c.nearest);
    free(c.kind);
    return status;
}
