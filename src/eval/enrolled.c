/* enrolled.c: how much does a second photo help, and a third? Rank-1 by the number of photos enrolled.
 *
 *   people with more than `most` photos  ->  `most` of each, in random order: gallery; the rest: probes
 *   each probe against everybody's first photo, then the second as well, ..  ->  rank-1 each time
 *
 * People, probes and the order of enrolment stay the same along the curve, so that nothing but the number of
 * photos moves it. As in identification.c a person's score is that of their closest photo, and a tie counts
 * against the probe. */
#include "eval/people.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PROBE_BLOCK = 32, /* probes that share one pass over the gallery */
    ROW_BLOCK = 256,  /* rows of it that stay in the cache meanwhile */
};

typedef struct probe {
    size_t photo, person; /* person: 0 .. people - 1 */
} probe;

typedef struct curve {
    const lk_trial *trial;
    size_t most, people, probe_count, stride;
    float *gallery; /* (most, people, stride): everybody's first photo, everybody's second, .. */
    probe *probes;  /* (probe_count) */
    lk__dot dot;
    int parts;
    float *probe_rows; /* (parts, PROBE_BLOCK, stride) */
    size_t *hits;      /* (parts, most): probes whose person is first */
} curve;

/* One more photo of everybody, for `count` probes: their person's best and the best of all others. */
static void enrol_next(const curve *c, size_t k, const probe *probes, const float *rows, size_t count,
                       float *own, float *other) {
    float cosine[ROW_BLOCK];
    for (size_t at = 0; at < c->people; at += ROW_BLOCK) {
        size_t width = c->people - at < ROW_BLOCK ? c->people - at : ROW_BLOCK;
        for (size_t p = 0; p < count; p++) {
            c->dot(c->gallery + (k * c->people + at) * c->stride, width, c->stride, rows + p * c->stride,
                   cosine);
            size_t right = probes[p].person - at; /* wraps to beyond width when not in this block */
            if (right < width) {
                own[p] = lk__highest(cosine, right, right + 1, own[p]);
                cosine[right] = -INFINITY;
            }
            other[p] = lk__highest(cosine, 0, width, other[p]);
        }
    }
}

static void measure_part(void *context, int part, int parts) {
    const curve *c = context;
    size_t first, last;
    for (int i = part; i < c->parts; i += parts) {
        lk__part(c->probe_count, i, c->parts, &first, &last);
        float *rows = c->probe_rows + (size_t)i * PROBE_BLOCK * c->stride;
        for (; first < last; first += PROBE_BLOCK) {
            size_t count = last - first < PROBE_BLOCK ? last - first : PROBE_BLOCK;
            float own[PROBE_BLOCK], other[PROBE_BLOCK];
            for (size_t p = 0; p < count; p++) {
                size_t photo = c->probes[first + p].photo;
                lk__vector_put(rows, p, c->trial->vectors + photo * (size_t)c->trial->dim, c->trial->dim);
                own[p] = other[p] = -INFINITY;
            }
            for (size_t k = 0; k < c->most; k++) {
                enrol_next(c, k, c->probes + first, rows, count, own, other);
                for (size_t p = 0; p < count; p++) c->hits[(size_t)i * c->most + k] += own[p] > other[p];
            }
        }
    }
}

/* ---- who is enrolled ------------------------------------------------------------------------------ */

static void count_people(const lk__people *all, curve *c) {
    for (size_t i = 0; i < all->count; i++)
        if (lk__people_photos(all, i) > c->most) {
            c->people++;
            c->probe_count += lk__people_photos(all, i) - c->most;
        }
}

static void enrol(lk__people *all, uint64_t seed, curve *c) {
    size_t person = 0, probes = 0;
    for (size_t i = 0; i < all->count; i++) {
        size_t n = lk__people_photos(all, i), *photo = all->photo + all->first[i];
        if (n <= c->most) continue;
        lk__order_draw(all, i, c->most, seed);
        for (size_t k = 0; k < c->most; k++)
            lk__vector_put(c->gallery, k * c->people + person,
                           c->trial->vectors + photo[k] * (size_t)c->trial->dim, c->trial->dim);
        for (size_t k = c->most; k < n; k++) c->probes[probes++] = (probe){photo[k], person};
        person++;
    }
}

lk_status lk_enrolled_measure(const lk_trial *trial, size_t most, uint64_t seed, double *rank1,
                              size_t *people, size_t *probes, lk_error *err) {
    if (most < 1) return lk__fail(err, LK_INVALID, "0 photos of each person enrolled; the least is 1");
    lk__people all = {0};
    lk_status status = lk__people_group(trial, &all, err);
    if (status != LK_OK) return status;
    curve c = {.trial = trial,
               .most = most,
               .stride = lk__stride(trial->dim),
               .dot = lk__dot_best(),
               .parts = lk__threads()};
    count_people(&all, &c);
    if (c.people < 2) {
        status =
            lk__fail(err, LK_EMPTY, "%zu people have more than %zu photos; 2 are the least", c.people, most);
    } else {
        c.gallery = lk__vectors_alloc(most * c.people, trial->dim); /* both at most the number of photos */
        c.probe_rows = lk__vectors_alloc((size_t)c.parts * PROBE_BLOCK, trial->dim);
        c.probes = malloc(c.probe_count * sizeof *c.probes);
        c.hits = calloc((size_t)c.parts * most, sizeof *c.hits);
        if (!c.gallery || !c.probe_rows || !c.probes || !c.hits)
            status = lk__fail_memory(err, most * c.people * c.stride * sizeof(float), "the gallery");
    }
    if (status == LK_OK) {
        enrol(&all, seed, &c);
        lk__parallel(measure_part, &c);
        for (size_t k = 0; k < most; k++) {
            size_t hits = 0;
            for (int i = 0; i < c.parts; i++) hits += c.hits[(size_t)i * most + k];
            rank1[k] = (double)hits / (double)c.probe_count;
        }
        *people = c.people;
        *probes = c.probe_count;
    }
    free(c.gallery);
    free(c.probe_rows);
    free(c.probes);
    free(c.hits);
    lk__people_free(&all);
    return status;
}
