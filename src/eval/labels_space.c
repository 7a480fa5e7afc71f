/* labels_space.c: vectors of a model to vectors in which labels can be judged.
 *
 * A model's vectors of one set share a direction, which is the set's and nobody's: strangers in it have a
 * cosine of 0.3 rather than 0. And some directions vary within everybody's photos, with pose and light say.
 * So
 *
 *   x - m        m: the mean over people of the set the photo is from
 *   C^-1 (x-m)   C C' = W, the covariance within people, shrunk towards a multiple of the identity
 *
 * and the norm is made 1 again: within-class covariance normalisation (Hatch, Kajarekar & Stolcke 2006), with
 * the labels as they are; few enough are wrong that W is right. On 200 people of whom 3 in 100 labels were
 * made wrong, average precision of finding them rose from 0.92 to 0.95 by it. */
#include "eval/labels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 16 };

float lk__labels_dot(const float *a, const float *b, int dim) {
    float lane[LANES] = {0}, sum = 0;
    int i = 0;
    for (; i + LANES <= dim; i += LANES)
        for (int j = 0; j < LANES; j++) lane[j] += a[i + j] * b[i + j];
    for (int j = 0; i + j < dim; j++) lane[j] += a[i + j] * b[i + j];
    for (int j = 0; j < LANES; j++) sum += lane[j];
    return sum;
}

static void make_unit(float *vector, int dim) {
    double square = 0;
    for (int i = 0; i < dim; i++) square += (double)vector[i] * (double)vector[i];
    double scale = square > 0 ? 1 / sqrt(square) : 0;
    for (int i = 0; i < dim; i++) vector[i] = (float)((double)vector[i] * scale);
}

/* ---- the mean of a set --------------------------------------------------------------------------------- */

/* Of few people the mean is partly these people themselves: it counts as much as if so many more were at 0.
 */
static const double people_at_zero = 8;

static uint32_t set_of(const lk__labels_job *job, size_t i) {
    return job->in->set ? job->in->set[job->photo[i]] : 0;
}

static bool judged_side(const lk__labels_job *job, size_t person) {
    return person < job->in->judged_people;
}

static void add_person(const lk__labels_job *job, size_t person, uint32_t set, double *mean, double *people) {
    size_t count = 0, dim = (size_t)job->in->dim;
    for (size_t i = job->first[person]; i < job->first[person + 1]; i++) count += set_of(job, i) == set;
    if (count == 0) return;
    for (size_t i = job->first[person]; i < job->first[person + 1]; i++) {
        if (set_of(job, i) != set) continue;
        for (size_t d = 0; d < dim; d++) mean[d] += (double)job->vectors[i * dim + d] / (double)count;
    }
    ++*people;
}

/* Photos of one set, of judged people or of the others. */
static void centre_set(const lk__labels_job *job, uint32_t set, bool judged, double *mean) {
    size_t dim = (size_t)job->in->dim;
    double people = 0;
    memset(mean, 0, dim * sizeof *mean);
    for (size_t p = 0; p < job->in->people; p++)
        if (judged_side(job, p) == judged) add_person(job, p, set, mean, &people);
    for (size_t d = 0; d < dim; d++) mean[d] /= people + people_at_zero;
    for (size_t p = 0; p < job->in->people; p++) {
        if (judged_side(job, p) != judged) continue;
        for (size_t i = job->first[p]; i < job->first[p + 1]; i++) {
            if (set_of(job, i) != set) continue;
            float *x = job->vectors + i * dim;
            for (size_t d = 0; d < dim; d++) x[d] = (float)((double)x[d] - mean[d]);
            make_unit(x, job->in->dim);
        }
    }
}

static void centre(const lk__labels_job *job, double *mean) {
    uint32_t sets = 1;
    for (size_t i = 0; i < job->in->count; i++)
        if (set_of(job, i) >= sets) sets = set_of(job, i) + 1;
    for (uint32_t s = 0; s < sets; s++) {
        centre_set(job, s, true, mean);
        centre_set(job, s, false, mean);
    }
}

/* ---- what varies within people ------------------------------------------------------------------------- */

static const double shrink_least = 0.2; /* between 0.1 and 0.5 the result is the same */

/* The lower triangle of W (dim, dim), its lower Cholesky factor afterwards. */
static void within(const lk__labels_job *job, double *w, double *mean) {
    size_t dim = (size_t)job->in->dim;
    double freedom = 0, trace = 0;
    for (size_t p = 0; p < job->in->judged_people; p++) {
        size_t count = job->first[p + 1] - job->first[p];
        if (count < 2) continue;
        freedom += (double)count - 1;
        memset(mean, 0, dim * sizeof *mean);
        for (size_t i = job->first[p]; i < job->first[p + 1]; i++)
            for (size_t d = 0; d < dim; d++) mean[d] += (double)job->vectors[i * dim + d] / (double)count;
        for (size_t i = job->first[p]; i < job->first[p + 1]; i++) {
            const float *x = job->vectors + i * dim;
            for (size_t a = 0; a < dim; a++) {
                double e = (double)x[a] - mean[a];
                for (size_t b = 0; b <= a; b++) w[a * dim + b] += e * ((double)x[b] - mean[b]);
            }
        }
    }
    for (size_t a = 0; a < dim; a++) trace += w[a * dim + a] / (double)dim;
    double shrink = fmax(shrink_least, (double)dim / ((double)dim + freedom));
    for (size_t a = 0; a < dim; a++) {
        for (size_t b = 0; b <= a; b++) w[a * dim + b] *= 1 - shrink;
        w[a * dim + a] += shrink * trace + 1e-12;
    }
}

static void factorise(double *w, size_t dim) {
    for (size_t a = 0; a < dim; a++)
        for (size_t b = 0; b <= a; b++) {
            double t = w[a * dim + b];
            for (size_t k = 0; k < b; k++) t -= w[a * dim + k] * w[b * dim + k];
            w[a * dim + b] = a == b ? sqrt(fmax(t, 1e-15)) : t / w[b * dim + b];
        }
}

static void whiten(const lk__labels_job *job, const double *factor, double *y) {
    size_t dim = (size_t)job->in->dim;
    for (size_t i = 0; i < job->in->count; i++) {
        float *x = job->vectors + i * dim;
        for (size_t a = 0; a < dim; a++) {
            double t = (double)x[a];
            for (size_t k = 0; k < a; k++) t -= factor[a * dim + k] * y[k];
            y[a] = t / factor[a * dim + a];
        }
        double square = 0;
        for (size_t a = 0; a < dim; a++) square += y[a] * y[a];
        double scale = square > 0 ? 1 / sqrt(square) : 0;
        for (size_t a = 0; a < dim; a++) x[a] = (float)(y[a] * scale);
    }
}

/* ---- the job ------------------------------------------------------------------------------------------- */

/* Photos by person: counting sort. */
static void sort_photos(lk__labels_job *job) {
    const lk_label_input *in = job->in;
    size_t dim = (size_t)in->dim;
    for (size_t i = 0; i < in->count; i++) job->first[in->person[i] + 1]++;
    for (size_t p = 0; p < in->people; p++) job->first[p + 1] += job->first[p];
    for (size_t i = 0; i < in->count; i++) job->photo[job->first[in->person[i]]++] = i;
    for (size_t p = in->people; p > 0; p--) job->first[p] = job->first[p - 1];
    job->first[0] = 0;
    for (size_t i = 0; i < in->count; i++)
        memcpy(job->vectors + i * dim, in->vectors + job->photo[i] * dim, dim * sizeof(float));
}

static void take_means(lk__labels_job *job) {
    size_t dim = (size_t)job->in->dim;
    for (size_t p = 0; p < job->in->people; p++) {
        double *sum = job->sums + p * dim;
        float *mean = job->means + p * dim;
        for (size_t i = job->first[p]; i < job->first[p + 1]; i++)
            for (size_t d = 0; d < dim; d++) sum[d] += (double)job->vectors[i * dim + d];
        for (size_t d = 0; d < dim; d++) mean[d] = (float)sum[d];
        make_unit(mean, job->in->dim);
    }
}

lk_status lk__labels_open(const lk_label_input *in, lk__labels_job *job, lk_error *err) {
    size_t dim = (size_t)in->dim, count = in->count ? in->count : 1;
    lk__labels_job j = {.in = in};
    j.vectors = malloc(count * dim * sizeof *j.vectors);
    j.photo = malloc(count * sizeof *j.photo);
    j.first = calloc(in->people + 1, sizeof *j.first);
    j.sums = calloc((in->people + 1) * dim, sizeof *j.sums);
    j.means = calloc((in->people + 1) * dim, sizeof *j.means);
    j.same = malloc((in->people + 1) * sizeof *j.same);
    j.split = calloc(in->people + 1, sizeof *j.split);
    double *w = calloc(dim * dim, sizeof *w), *row = calloc(dim, sizeof *row);
    if (!j.vectors || !j.photo || !j.first || !j.sums || !j.means || !j.same || !j.split || !w || !row) {
        free(w);
        free(row);
        lk__labels_close(&j);
        return lk__fail_memory(err, count * dim * sizeof(float), "judging labels");
    }
    for (size_t p = 0; p < in->people; p++) j.same[p] = p;
    sort_photos(&j);
    centre(&j, row);
    within(&j, w, row);
    factorise(w, dim);
    whiten(&j, w, row);
    take_means(&j);
    free(w);
    free(row);
    *job = j;
    return LK_OK;
}

void lk__labels_close(lk__labels_job *job) {
    free(job->vectors);
    free(job->photo);
    free(job->first);
    free(job->sums);
    free(job->means);
    free(job->same);
    free(job->split);
    *job = (lk__labels_job){0};
}
