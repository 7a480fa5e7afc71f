/* labels_split.c: folders that hold two people.
 *
 * A folder's photos are parted in two by spherical 2-means, and the means of the parts compared by z
 * (labels_rivals.c): are they as alike as parts of one person's folder, or as two strangers'? How alike those
 * are is not guessed: two people's photos are thrown together many times, as many as real folders have, and
 * parted (labels_doubt.c). The smaller part must be a quarter of the folder: fewer are told one by one, as
 * photos with a wrong label (labels_photos.c). */
#include "eval/labels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Folders by their photos: 4 and 5, 6 to 11, more. The fewer, the better 2-means finds parts where none are.
 */
static const double scale_least = 1;  /* of z; 1 to 1.3 where it was measured */
static const double told_from = 0.01; /* folders of less doubt are not handed out */
enum { GROUPS = 3, GROUP_LEAST = 100, PHOTOS_LEAST = 4, PART_LEAST = 2, MERGES = 600, ROUNDS = 20 };

static int group_of(size_t photos) {
    return photos >= 12 ? 2 : photos >= 6 ? 1 : 0;
}

typedef struct parts {
    size_t count[2];
    double within, between; /* mean cosines of pairs; within: in the part where it is lower; NaN: no pairs */
} parts;

typedef struct bench {
    size_t dim;
    double *mean; /* (2, dim) */
    uint8_t *part;
} bench;

static double dot(const double *a, const float *b, size_t dim) {
    double sum = 0;
    for (size_t d = 0; d < dim; d++) sum += a[d] * (double)b[d];
    return sum;
}

static double square(const double *a, size_t dim) {
    double sum = 0;
    for (size_t d = 0; d < dim; d++) sum += a[d] * a[d];
    return sum;
}

static void set_mean(bench *b, int which, const float *x) {
    for (size_t d = 0; d < b->dim; d++) b->mean[(size_t)which * b->dim + d] = (double)x[d];
}

/* The photo least like the given direction. */
static size_t furthest(const float *const *x, size_t n, const double *from, size_t dim) {
    size_t worst = 0;
    double least = INFINITY;
    for (size_t i = 0; i < n; i++) {
        double cosine = dot(from, x[i], dim);
        if (cosine < least) {
            least = cosine;
            worst = i;
        }
    }
    return worst;
}

/* b->mean become sums of the parts. */
static void sum_parts(bench *b, const float *const *x, size_t n, parts *out) {
    memset(b->mean, 0, 2 * b->dim * sizeof *b->mean);
    out->count[0] = out->count[1] = 0;
    for (size_t i = 0; i < n; i++) {
        double *sum = b->mean + b->part[i] * b->dim;
        out->count[b->part[i]]++;
        for (size_t d = 0; d < b->dim; d++) sum[d] += (double)x[i][d];
    }
}

static void part_in_two(bench *b, const float *const *x, size_t n, parts *out) {
    memset(b->mean, 0, 2 * b->dim * sizeof *b->mean);
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < b->dim; d++) b->mean[d] += (double)x[i][d];
    set_mean(b, 0, x[furthest(x, n, b->mean, b->dim)]);
    set_mean(b, 1, x[furthest(x, n, b->mean, b->dim)]);
    memset(b->part, 2, n);
    for (int round = 0; round < ROUNDS; round++) {
        double norm[2] = {sqrt(square(b->mean, b->dim)), sqrt(square(b->mean + b->dim, b->dim))};
        bool moved = false;
        for (size_t i = 0; i < n; i++) {
            double to_first = dot(b->mean, x[i], b->dim) * norm[1];
            double to_second = dot(b->mean + b->dim, x[i], b->dim) * norm[0];
            uint8_t part = to_second > to_first;
            moved |= part != b->part[i];
            b->part[i] = part;
        }
        sum_parts(b, x, n, out);
        if (!moved || !out->count[0] || !out->count[1]) break;
    }
    double cross = 0;
    out->within = NAN;
    for (int p = 0; p < 2; p++) {
        double c = (double)out->count[p], sum = square(b->mean + (size_t)p * b->dim, b->dim) - c;
        if (c > 1)
            out->within = fmin(out->within, sum / (c * (c - 1))); /* of ordered pairs; NaN is no less */
    }
    for (size_t d = 0; d < b->dim; d++) cross += b->mean[d] * b->mean[b->dim + d];
    out->between = cross / ((double)out->count[0] * (double)out->count[1]);
}

static bool is_split(const parts *p) {
    size_t n = p->count[0] + p->count[1], least = (n + 3) / 4 > PART_LEAST ? (n + 3) / 4 : PART_LEAST;
    return p->count[0] >= least && p->count[1] >= least;
}

/* The photo nearest to a part's sum. */
static size_t typical(const bench *b, const float *const *x, size_t n, uint8_t part) {
    size_t best = 0;
    double most = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        double cosine = b->part[i] == part ? dot(b->mean + part * b->dim, x[i], b->dim) : -INFINITY;
        if (cosine > most) {
            most = cosine;
            best = i;
        }
    }
    return best;
}

/* ---- all folders --------------------------------------------------------------------------------------- */

typedef struct folders {
    const lk__labels_job *job;
    bench bench;
    const float **x; /* room for the photos of the largest folder */
    size_t *people;  /* (count) with enough photos */
    size_t count;
    lk_person_split *splits; /* (count) */
    double *seen, *made;     /* -z, for more is worse; seen NaN: not parted */
    size_t *all;             /* (all_count) people with 2 photos, among whom rivals are */
    size_t all_count;
    float *mean; /* (dim) */
    int becomes[GROUPS];
} folders;

static size_t size_of(const lk__labels_job *job, size_t person) {
    return job->first[person + 1] - job->first[person];
}

static size_t gather(const folders *f, size_t person, size_t at, size_t most, lk__random *random) {
    const lk__labels_job *job = f->job;
    size_t n = size_of(job, person), taken = 0, dim = (size_t)job->in->dim;
    for (size_t i = 0; i < n && taken < most; i++) { /* each subset as likely as any other */
        if (random && lk__random_below(random, n - i) >= most - taken) continue;
        f->x[at + taken++] = job->vectors + (job->first[person] + i) * dim;
    }
    return taken;
}

/* How unlike the parts are, which are of folders a and b. */
static double unlikeness(folders *f, size_t a, size_t b) {
    size_t dim = f->bench.dim;
    double norm[2] = {sqrt(square(f->bench.mean, dim)), sqrt(square(f->bench.mean + dim, dim))}, cosine = 0;
    lk__labels_rivals of[2];
    for (size_t d = 0; d < dim; d++)
        cosine += f->bench.mean[d] * f->bench.mean[dim + d] / (norm[0] * norm[1]);
    for (size_t p = 0; p < 2; p++) {
        for (size_t d = 0; d < dim; d++) f->mean[d] = (float)(f->bench.mean[p * dim + d] / norm[p]);
        of[p] = lk__labels_measure(f->job, f->mean, f->all, f->all_count, a, b,
                                   lk__labels_rival_count(f->all_count));
    }
    return -lk__labels_z(cosine, of[0], of[1]);
}

static void look(folders *f, size_t k) {
    const lk__labels_job *job = f->job;
    size_t person = f->people[k], n = gather(f, person, 0, SIZE_MAX, NULL);
    parts p;
    part_in_two(&f->bench, f->x, n, &p);
    uint8_t larger = p.count[1] > p.count[0];
    const size_t *photo = job->photo + job->first[person];
    f->splits[k] = (lk_person_split){.person = person,
                                     .first = p.count[larger],
                                     .second = p.count[!larger],
                                     .first_photo = photo[typical(&f->bench, f->x, n, larger)],
                                     .second_photo = photo[typical(&f->bench, f->x, n, !larger)],
                                     .cosine = p.between,
                                     .within = p.within};
    f->seen[k] = is_split(&p) ? unlikeness(f, person, person) : NAN;
}

/* Two people thrown together, in folders of the group's sizes; how many -z came of it. */
static size_t throw_together(folders *f, int group, const size_t *sizes, size_t size_count) {
    const lk__labels_job *job = f->job;
    lk__random random = lk__random_stream(job->in->seed, 's', (uint64_t)group, 0);
    size_t made = 0;
    for (size_t i = 0; i < MERGES && size_count; i++) {
        size_t n = sizes[lk__random_below(&random, size_count)];
        size_t second = PART_LEAST + lk__random_below(&random, n / 2 - PART_LEAST + 1);
        size_t a = f->people[lk__random_below(&random, f->count)],
               b = f->people[lk__random_below(&random, f->count)];
        if (a == b) continue;
        size_t taken = gather(f, a, 0, n - second, &random), more = gather(f, b, taken, second, &random);
        if (taken < PART_LEAST || more < PART_LEAST) continue;
        parts p;
        part_in_two(&f->bench, f->x, taken + more, &p);
        if (is_split(&p)) f->made[made++] = unlikeness(f, a, b);
    }
    return made;
}

static lk_status doubt_group(folders *f, int group, lk_error *err) {
    size_t *at = malloc((f->count + 1) * sizeof *at), *sizes = malloc((f->count + 1) * sizeof *sizes),
           count = 0;
    double *seen = malloc((f->count + 1) * sizeof *seen), *doubt = malloc((f->count + 1) * sizeof *doubt);
    lk_status status = LK_OK;
    if (!at || !sizes || !seen || !doubt)
        status = lk__fail_memory(err, f->count * 4 * sizeof *seen, "judging folders");
    for (size_t k = 0; status == LK_OK && k < f->count; k++) {
        if (f->becomes[group_of(size_of(f->job, f->people[k]))] != group || isnan(f->seen[k])) continue;
        at[count] = k;
        sizes[count] = size_of(f->job, f->people[k]);
        seen[count++] = f->seen[k];
    }
    if (status == LK_OK) {
        size_t made = throw_together(f, group, sizes, count);
        status = lk__labels_doubt(seen, count, count, f->made, made, scale_least, doubt, NULL, err);
    }
    for (size_t k = 0; status == LK_OK && k < count; k++) f->splits[at[k]].doubt = doubt[k];
    free(at);
    free(sizes);
    free(seen);
    free(doubt);
    return status;
}

static void number_groups(folders *f) {
    size_t count[GROUPS] = {0}, sum = 0, left = 0;
    for (size_t k = 0; k < f->count; k++) {
        if (isnan(f->seen[k])) continue;
        count[group_of(size_of(f->job, f->people[k]))]++;
        left++;
    }
    for (int g = 0, to = 0; g < GROUPS; g++) {
        f->becomes[g] = to;
        sum += count[g];
        left -= count[g];
        if (sum >= GROUP_LEAST && left >= GROUP_LEAST) {
            to++;
            sum = 0;
        }
    }
}

static int surest_first(const void *left, const void *right) {
    const lk_person_split *a = left, *b = right;
    if (a->doubt != b->doubt) return a->doubt > b->doubt ? -1 : 1;
    double ta = a->within - a->cosine, tb = b->within - b->cosine;
    if (ta != tb) return ta > tb ? -1 : 1;
    return (a->person > b->person) - (a->person < b->person);
}

lk_status lk__labels_splits(lk__labels_job *job, lk_labels *out, lk_error *err) {
    size_t people = job->in->judged_people, most = 0, dim = (size_t)job->in->dim;
    for (size_t p = 0; p < people; p++)
        if (size_of(job, p) > most) most = size_of(job, p);
    folders f = {.job = job, .bench = {.dim = dim}};
    f.bench.mean = malloc(2 * dim * sizeof *f.bench.mean);
    f.bench.part = malloc(2 * most + 1);
    f.x = malloc((2 * most + 1) * sizeof *f.x);
    f.people = malloc((people + 1) * sizeof *f.people);
    f.splits = calloc(people + 1, sizeof *f.splits);
    f.seen = malloc((people + 1) * sizeof *f.seen);
    f.made = malloc(MERGES * sizeof *f.made);
    f.all = malloc((people + 1) * sizeof *f.all);
    f.mean = malloc(dim * sizeof *f.mean);
    lk_status status = LK_OK;
    if (!f.bench.mean || !f.bench.part || !f.x || !f.people || !f.splits || !f.seen || !f.made || !f.all ||
        !f.mean)
        status = lk__fail_memory(err, people * sizeof *f.splits, "judging folders");
    for (size_t p = 0; status == LK_OK && p < people; p++)
        if (size_of(job, p) >= 2) f.all[f.all_count++] = p;
    for (size_t p = 0; status == LK_OK && p < people && f.all_count >= LK__LABELS_FOLDERS_LEAST; p++)
        if (size_of(job, p) >= PHOTOS_LEAST) f.people[f.count++] = p;
    for (size_t k = 0; status == LK_OK && k < f.count; k++) look(&f, k);
    number_groups(&f);
    for (int g = 0; g < GROUPS && status == LK_OK; g++) status = doubt_group(&f, g, err);
    if (status == LK_OK) {
        qsort(f.splits, f.count, sizeof *f.splits, surest_first);
        out->splits = f.splits;
        for (; out->split_count < f.count && f.splits[out->split_count].doubt >= told_from;
             out->split_count++)
            job->split[f.splits[out->split_count].person] = f.splits[out->split_count].doubt >= 0.5;
    } else {
        free(f.splits);
    }
    free(f.bench.mean);
    free(f.bench.part);
    free(f.x);
    free(f.people);
    free(f.seen);
    free(f.made);
    free(f.all);
    free(f.mean);
    return status;
}
