/* mine.c: which triplets (anchor, positive, negative) of a batch the network learns from. A batch of P people
 * x K photos holds PK (K-1) (PK-K) triplets; most are easy (loss 0) and teach nothing.
 *
 *   random              every ordered pair (a, p) of one person, with a negative drawn evenly from all others
 *   semi-hard           every ordered pair (a, p), with the nearest n that has d(a,n) > d(a,p); where no
 *                       negative is further than the positive, the furthest there is
 *   batch-hard          every anchor, with argmax d(a,p) and argmin d(a,n)
 *   distance-weighted   every ordered pair (a, p), with a negative drawn so that all distances are as likely
 *                       (draw.c)
 *
 * Behind a batch may lie past vectors (memory.c): negatives for all, positives for batch-hard.
 *
 * Semi-hard: Schroff, Kalenichenko & Philbin, "FaceNet", 2015, section 3.2, asks for d(a,p) < d(a,n), within
 * the margin to be of use; it does not say which one. Here it is the nearest, so no margin is needed: if any
 * negative lies within the margin, the nearest does, and if none does the pair is learnt and its loss is 0
 * whichever is taken. With all negatives closer than the positive, the furthest is the mildest of the bad
 * ones. The hardest would be the natural thought, but early on, when distances mean little, following the
 * hardest negatives pulls all vectors to one point (the collapse of FaceNet's section 3.2): for d(a,n) near 0
 * the direction of push is mostly noise.
 *
 * Batch-hard: Hermans, Beyer & Leibe, "In Defense of the Triplet Loss", 2017, equation 5. Best once the
 * network knows something; from scratch it tends to collapse, which is why training starts semi-hard.
 *
 * Ties go to the lower index. A NaN distance (a network that diverged) is never nearer nor further than
 * anything; the triplets stay valid and the loss shows the NaN. */
#include "contrast/contrast.h"

size_t lk__triplets_max(const lk__batch *b) {
    size_t pairs = 0;
    for (size_t a = b->first; a < b->first + b->rows; a++) {
        size_t same = 0, different = 0;
        for (size_t i = 0; i < b->n - b->others; i++) same += b->label[i] == b->label[a];
        for (size_t i = 0; i < b->n; i++) different += b->label[i] != b->label[a];
        if (different) pairs += same - 1;
    }
    return pairs;
}

/* The batch and what lies behind it, seen from anchor a; there is at least one positive in the batch and one
 * negative. */
typedef struct view {
    const float *distance; /* (n), from a */
    const uint32_t *label; /* (n) */
    size_t n, a;
    size_t any_positive, any_negative;
} view;

static bool look(const lk__batch *b, const float *distance, size_t row, view *out) {
    size_t n = b->n, a = b->first + row;
    *out = (view){distance + row * n, b->label, n, a, n, n};
    for (size_t i = n; i-- > 0;) {
        if (b->label[i] != b->label[a])
            out->any_negative = i;
        else if (i != a && i < n - b->others)
            out->any_positive = i;
    }
    return out->any_positive < n && out->any_negative < n;
}

/* Drawing again until it is a negative is as even as drawing from a list of them, without the list. */
static size_t random_negative(const view *v, lk__random *random) {
    for (;;) {
        size_t i = lk__random_below(random, v->n);
        if (v->label[i] != v->label[v->a]) return i;
    }
}

static size_t semi_hard_negative(const view *v, size_t positive) {
    size_t nearest = v->n, furthest = v->any_negative; /* nearest: of those beyond the positive */
    for (size_t i = 0; i < v->n; i++) {
        if (v->label[i] == v->label[v->a]) continue;
        float d = v->distance[i];
        if (d > v->distance[positive] && (nearest == v->n || d < v->distance[nearest])) nearest = i;
        if (d > v->distance[furthest]) furthest = i;
    }
    return nearest < v->n ? nearest : furthest;
}

static void hardest(const view *v, size_t *positive, size_t *negative) {
    *positive = v->any_positive;
    *negative = v->any_negative;
    for (size_t i = 0; i < v->n; i++) {
        if (v->label[i] != v->label[v->a]) {
            if (v->distance[i] < v->distance[*negative]) *negative = i;
        } else if (i != v->a && v->distance[i] > v->distance[*positive]) {
            *positive = i;
        }
    }
}

/* Of a pair; distance-weighted mining draws those of all its anchor's pairs after. */
static size_t negative_of(lk_mining mining, const view *v, size_t positive, lk__random *random) {
    if (mining == LK_MINING_RANDOM) return random_negative(v, random);
    if (mining == LK_MINING_SEMI_HARD) return semi_hard_negative(v, positive);
    return v->any_negative;
}

static lk__triplet triplet(const view *v, size_t positive, size_t negative) {
    return (lk__triplet){(uint32_t)v->a, (uint32_t)positive, (uint32_t)negative, v->distance[positive],
                         v->distance[negative]};
}

size_t lk__mine(lk_mining mining, const lk__batch *b, const float *distance, uint64_t seed,
                lk__triplet *out) {
    size_t count = 0;
    for (size_t row = 0; row < b->rows; row++) {
        view v;
        if (!look(b, distance, row, &v)) continue;
        if (mining == LK_MINING_BATCH_HARD) {
            size_t positive, negative;
            hardest(&v, &positive, &negative);
            out[count++] = triplet(&v, positive, negative);
            continue;
        }
        /* Each anchor has a stream of its own: whoever mines it finds the same. */
        lk__random random = lk__random_stream(seed, v.a, 0, 0);
        size_t first = count;
        for (size_t p = 0; p < b->n - b->others; p++) {
            if (p == v.a || b->label[p] != b->label[v.a]) continue;
            out[count++] = triplet(&v, p, negative_of(mining, &v, p, &random));
        }
        if (mining == LK_MINING_DISTANCE_WEIGHTED)
            lk__draw_by_distance(b, v.distance, &random, out + first, count - first);
    }
    return count;
}
