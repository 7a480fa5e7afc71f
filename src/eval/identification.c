/* identification.c: who? Each probe against a gallery, all of whose people are known (closed set): how many
 * people stand closer than the right one?
 *
 *   gallery (n, dim), probes (m, dim)  ->  cosine of each with each  ->  best photo a person  ->  rank  ->
 * CMC
 *
 * Last step of `likeness eval --identify`. As NIST counts (FRVT 1:N) a person, not a photo, holds a rank.
 * Unlike the common argmax, a tie counts against the probe: a model that gives all photos one vector must
 * score nothing. Not src/gallery's search: that finds the k closest, and here the rank of one is asked for,
 * however far. */
#include "base/base.h"
#include "likeness/eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LANES = 16,      /* partial sums of a dot product: one AVX-512 register, or two of AVX2 */
    PROBE_BLOCK = 8, /* probes that share one pass over the gallery */
};

typedef struct ranking {
    const float *gallery, *probes;               /* (gallery_count, dim), (probe_count, dim) */
    const size_t *gallery_person, *probe_person; /* 0 .. people - 1 */
    size_t gallery_count, probe_count, people;
    int dim;
    float *best;  /* (threads, PROBE_BLOCK, people): cosine of a person's closest photo */
    size_t *rank; /* (probe_count): from 0 */
} ranking;

static int by_label(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* The order of summing is fixed by LANES, not by the processor: equal vectors give equal cosines, so ties are
 * ties. */
static float dot(const float *a, const float *b, size_t dim) {
    float lane[LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LANES <= dim; i += LANES)
        for (size_t j = 0; j < LANES; j++) lane[j] += a[i + j] * b[i + j];
    for (size_t j = 0; i + j < dim; j++) lane[j] += a[i + j] * b[i + j];
    for (size_t j = 0; j < LANES; j++) sum += lane[j];
    return sum;
}

static void rank_block(const ranking *job, float *best, size_t first, size_t count) {
    size_t dim = (size_t)job->dim, people = job->people;
    for (size_t i = 0; i < count * people; i++) best[i] = -INFINITY;
    for (size_t g = 0; g < job->gallery_count; g++) {
        const float *photo = job->gallery + g * dim;
        for (size_t p = 0; p < count; p++) {
            float cosine = dot(job->probes + (first + p) * dim, photo, dim);
            float *person = &best[p * people + job->gallery_person[g]];
            if (cosine > *person) *person = cosine;
        }
    }
    for (size_t p = 0; p < count; p++) {
        size_t right = job->probe_person[first + p], closer = 0;
        const float *score = best + p * people;
        for (size_t i = 0; i < people; i++) closer += i != right && score[i] >= score[right];
        job->rank[first + p] = closer;
    }
}

static void rank_part(void *context, int i, int n) {
    const ranking *job = context;
    size_t first, last;
    lk__part(job->probe_count, i, n, &first, &last);
    float *best = job->best + (size_t)i * PROBE_BLOCK * job->people;
    for (; first < last; first += PROBE_BLOCK)
        rank_block(job, best, first, last - first < PROBE_BLOCK ? last - first : PROBE_BLOCK);
}

/* ---- input -------------------------------------------------------------------------------------- */

static lk_status check_vectors(const float *vectors, size_t count, int dim, const char *what, lk_error *err) {
    for (size_t i = 0; i < count * (size_t)dim; i++)
        if (!isfinite(vectors[i])) /* a NaN compares as neither closer nor equal, and would rank first */
            return lk__fail(err, LK_INVALID, "%s vector %zu holds a value that is not a finite number", what,
                            i / (size_t)dim);
    return LK_OK;
}

/* Labels become 0 .. people - 1, in `dense` (gallery_count + probe_count), the gallery's first. */
static lk_status number_people(const size_t *gallery_person, size_t gallery_count, const size_t *probe_person,
                               size_t probe_count, size_t *dense, size_t *people, lk_error *err) {
    size_t *label = malloc(gallery_count * sizeof *label);
    if (!label) return lk__fail_memory(err, gallery_count * sizeof *label, "people");
    memcpy(label, gallery_person, gallery_count * sizeof *label);
    qsort(label, gallery_count, sizeof *label, by_label);
    size_t count = 0;
    for (size_t i = 0; i < gallery_count; i++)
        if (count == 0 || label[i] != label[count - 1]) label[count++] = label[i];

    lk_status status = LK_OK;
    for (size_t i = 0; i < gallery_count + probe_count && status == LK_OK; i++) {
        const size_t *wanted = i < gallery_count ? &gallery_person[i] : &probe_person[i - gallery_count];
        const size_t *found = bsearch(wanted, label, count, sizeof *label, by_label);
        if (found)
            dense[i] = (size_t)(found - label);
        else
            status = lk__fail(err, LK_EMPTY, "probe %zu shows person %zu, of whom the gallery has no photo",
                              i - gallery_count, *wanted);
    }
    free(label);
    *people = count;
    return status;
}

/* ---- public ------------------------------------------------------------------------------------- */

/* Share of probes at each rank or better. */
static lk_status make_cmc(const ranking *job, lk_identification *out, lk_error *err) {
    double *cmc = calloc(job->people, sizeof *cmc);
    if (!cmc) return lk__fail_memory(err, job->people * sizeof *cmc, "the CMC");
    for (size_t i = 0; i < job->probe_count; i++) cmc[job->rank[i]]++;
    for (size_t r = 1; r < job->people; r++) cmc[r] += cmc[r - 1];
    for (size_t r = 0; r < job->people; r++) cmc[r] /= (double)job->probe_count;
    *out = (lk_identification){.people = job->people,
                               .gallery_photos = job->gallery_count,
                               .probes = job->probe_count,
                               .rank1 = cmc[0],
                               .rank5 = cmc[job->people < 5 ? job->people - 1 : 4],
                               .cmc_count = job->people,
                               .cmc = cmc};
    return LK_OK;
}

lk_status lk_identification_measure(const float *gallery, const size_t *gallery_person, size_t gallery_count,
                                    const float *probes, const size_t *probe_person, size_t probe_count,
                                    int dim, lk_identification *out, lk_error *err) {
    if (dim < 1) return lk__fail(err, LK_INVALID, "vectors of dim %d; the least is 1", dim);
    if (gallery_count == 0) return lk__fail(err, LK_EMPTY, "the gallery holds no photo");
    if (probe_count == 0) return lk__fail(err, LK_EMPTY, "there is no probe");
    lk_status status = check_vectors(gallery, gallery_count, dim, "gallery", err);
    if (status == LK_OK) status = check_vectors(probes, probe_count, dim, "probe", err);
    if (status != LK_OK) return status;

    size_t *dense = malloc((gallery_count + probe_count) * sizeof *dense);
    if (!dense) return lk__fail_memory(err, (gallery_count + probe_count) * sizeof *dense, "people");
    ranking job = {gallery, probes, dense, dense + gallery_count, gallery_count, probe_count, 0,
                   dim,     NULL,   NULL};
    status = number_people(gallery_person, gallery_count, probe_person, probe_count, dense, &job.people, err);
    if (status == LK_OK) {
        size_t scores = (size_t)lk__threads() * PROBE_BLOCK * job.people;
        job.best = malloc(scores * sizeof *job.best);
        job.rank = malloc(probe_count * sizeof *job.rank);
        if (!job.best || !job.rank)
            status =
                lk__fail_memory(err, scores * sizeof *job.best + probe_count * sizeof *job.rank, "ranks");
    }
    if (status == LK_OK) {
        lk__parallel(rank_part, &job);
        status = make_cmc(&job, out, err);
    }
    free(job.best);
    free(job.rank);
    free(dense);
    return status;
}

void lk_identification_free(lk_identification *identification) {
    if (!identification) return;
    free(identification->cmc);
    *identification = (lk_identification){0};
}
