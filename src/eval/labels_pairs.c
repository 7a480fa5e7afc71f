/* labels_pairs.c: people with two folders, and people who are in a second set too.
 *
 * Compared are the means of folders. The question is how alike strangers get when there are so many pairs of
 * them: 6,000 people are 18 million pairs. Cosines of unrelated unit vectors in n dimensions have the density
 *
 *   (1 - t^2)^((n - 3) / 2)
 *
 * and those of strangers' means have it too, about their own mean and for an n far below the vectors': n is
 * taken such that the upper 1 in 1,000 of the pairs seen is right. That gives every pair the probability p
 * that strangers are as alike, and Benjamini & Hochberg (1995) choose how many of the most alike pairs are
 * told, so that one in ten of them is expected to be strangers. They must also be as alike as two halves of
 * one folder are, 9 times of 10, which protects small sets, where even the most alike of few strangers are
 * far apart. */
#include "eval/labels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Means of 1, 2, 3 or 4, 5 to 9, and more photos differ in noise: pairs go by the smaller folder. */
enum { GROUPS = 5, SAMPLE = 200000, STEPS = 2000, ROUND = 64 };
static const double false_share = 0.1;

static int group_of(size_t photos) {
    return photos >= 10 ? 4 : photos >= 5 ? 3 : photos >= 3 ? 2 : photos == 2 ? 1 : 0;
}

static size_t size_of(const lk__labels_job *job, size_t person) {
    return job->first[person + 1] - job->first[person];
}

static double cosine_of(const lk__labels_job *job, size_t a, size_t b) {
    size_t dim = (size_t)job->in->dim;
    return (double)lk__labels_dot(job->means + a * dim, job->means + b * dim, job->in->dim);
}

static int group_of_pair(const lk__labels_job *job, size_t a, size_t b) {
    size_t sa = size_of(job, a), sb = size_of(job, b);
    return group_of(sa < sb ? sa : sb);
}

/* ---- how alike strangers are ------------------------------------------------------------------------------
 */

typedef struct strangers {
    double pairs;           /* of such folders */
    double mean, deviation; /* median; as of a normal distribution, from the upper half */
    double tail[STEPS + 1]; /* probability of (cosine - mean) / (1 - mean) >= k / STEPS */
} strangers;

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void fill_tail(strangers *s, double n) {
    double sum = 0;
    s->tail[STEPS] = 0;
    for (int k = STEPS - 1; k >= 0; k--) {
        double t = (k + 0.5) / STEPS;
        sum += pow(1 - t * t, (n - 3) / 2);
        s->tail[k] = sum;
    }
    for (int k = 0; k <= STEPS; k++) s->tail[k] /= 2 * sum; /* the density is even */
}

static double tail_at(const strangers *s, double cosine) {
    double t = (cosine - s->mean) / (1 - s->mean) * STEPS;
    if (t <= 0) return 1; /* half of all: never of interest */
    int k = t < STEPS ? (int)t : STEPS - 1;
    double share = t < STEPS ? t - k : 1;
    return s->tail[k] + share * (s->tail[k + 1] - s->tail[k]);
}

/* seen (n), sorted: the dimensions for which the upper `share` is as far out as it was seen to be. */
static void fit(strangers *s, const double *seen, size_t n) {
    s->mean = seen[n / 2];
    s->deviation = fmax((seen[(size_t)(0.975 * (double)n)] - s->mean) / 1.96, 1e-3);
    double share = fmax(1e-3, 20 / (double)n);
    double at = seen[(size_t)((1 - share) * (double)(n - 1))], low = 3, high = 1e4;
    for (int i = 0; i < 60; i++) {
        double middle = sqrt(low * high);
        fill_tail(s, middle);
        if (tail_at(s, at) > share)
            low = middle;
        else
            high = middle;
    }
}

/* People of [first, last) whose folders fall into the group or above. */
static size_t list_people(const lk__labels_job *job, size_t first, size_t last, int group, size_t *people) {
    size_t count = 0;
    for (size_t p = first; p < last; p++)
        if (size_of(job, p) && group_of(size_of(job, p)) >= group) people[count++] = p;
    return count;
}

typedef struct sides {
    const lk__labels_job *job;
    size_t b_first, b_last; /* the people b; a are the judged ones */
    strangers of[GROUPS];
    double same_low;
} sides;

/* Random pairs of the group; too few of them to say anything: no such pair is told. */
static void learn_group(sides *s, int group, size_t *a, size_t *b, double *seen) {
    const lk__labels_job *job = s->job;
    size_t na = list_people(job, 0, job->in->judged_people, group, a), n = 0;
    size_t nb = list_people(job, s->b_first, s->b_last, group, b);
    lk__random random = lk__random_stream(job->in->seed, 'p', (uint64_t)group, s->b_first);
    strangers *of = &s->of[group];
    of->pairs = 0;
    for (size_t i = 0; i < 4 * SAMPLE && n < SAMPLE && na && nb; i++) {
        size_t x = a[lk__random_below(&random, na)], y = b[lk__random_below(&random, nb)];
        if (x != y && group_of_pair(job, x, y) == group) seen[n++] = cosine_of(job, x, y);
    }
    if (n < 50) return;
    qsort(seen, n, sizeof *seen, by_value);
    fit(of, seen, n);
    of->pairs = 1; /* counted later */
}

static lk_status learn(sides *s, lk_error *err) {
    size_t people = s->job->in->people;
    size_t *a = malloc((people + 1) * sizeof *a), *b = malloc((people + 1) * sizeof *b);
    double *seen = malloc(SAMPLE * sizeof *seen);
    lk_status status =
        a && b && seen ? LK_OK : lk__fail_memory(err, SAMPLE * sizeof *seen, "comparing people");
    for (int g = 0; g < GROUPS && status == LK_OK; g++) learn_group(s, g, a, b, seen);
    free(a);
    free(b);
    free(seen);
    return status;
}

/* The lower tenth of cosines between the means of every other photo of a folder and of the rest. */
static lk_status halves(const lk__labels_job *job, double *same_low, lk_error *err) {
    size_t dim = (size_t)job->in->dim, n = 0;
    double *seen = malloc((job->in->judged_people + 1) * sizeof *seen),
           *half = malloc(2 * dim * sizeof *half);
    if (!seen || !half) {
        free(seen);
        free(half);
        return lk__fail_memory(err, job->in->judged_people * sizeof *seen, "comparing people");
    }
    for (size_t p = 0; p < job->in->judged_people; p++) {
        if (size_of(job, p) < 4) continue;
        memset(half, 0, 2 * dim * sizeof *half);
        for (size_t i = job->first[p]; i < job->first[p + 1]; i++)
            for (size_t d = 0; d < dim; d++) half[(i & 1) * dim + d] += (double)job->vectors[i * dim + d];
        double aa = 0, bb = 0, ab = 0;
        for (size_t d = 0; d < dim; d++) {
            aa += half[d] * half[d];
            bb += half[dim + d] * half[dim + d];
            ab += half[d] * half[dim + d];
        }
        if (aa > 0 && bb > 0) seen[n++] = ab / sqrt(aa * bb);
    }
    qsort(seen, n, sizeof *seen, by_value);
    *same_low = n ? seen[n / 10] : 1;
    free(seen);
    free(half);
    return LK_OK;
}

/* ---- all pairs --------------------------------------------------------------------------------------------
 */

typedef struct candidate {
    lk_people_pair pair;
    double p;
} candidate;
typedef struct found {
    candidate *items;
    size_t count, room;
    bool failed;
    double pairs[GROUPS];
} found;
typedef struct scan {
    const sides *s;
    size_t from, to; /* people a of this round */
    found *of;       /* (threads) */
} scan;

static void keep(found *f, candidate c) {
    if (f->count == f->room) {
        size_t room = f->room ? 2 * f->room : 64;
        candidate *items = realloc(f->items, room * sizeof *items);
        if (!items) {
            f->failed = true;
            return;
        }
        f->items = items;
        f->room = room;
    }
    f->items[f->count++] = c;
}

static void scan_part(void *context, int part, int parts) {
    const scan *c = context;
    const sides *s = c->s;
    const lk__labels_job *job = s->job;
    found *f = &c->of[part];
    for (size_t a = c->from + (size_t)part; a < c->to; a += (size_t)parts) {
        if (!size_of(job, a)) continue;
        for (size_t b = a < s->b_first ? s->b_first : a + 1; b < s->b_last; b++) {
            if (!size_of(job, b)) continue;
            int group = group_of_pair(job, a, b);
            if (!(s->of[group].pairs > 0)) continue;
            f->pairs[group]++;
            double cosine = cosine_of(job, a, b);
            if (cosine < s->same_low) continue;
            double p = tail_at(&s->of[group], cosine);
            if (p < 1e-3) keep(f, (candidate){{a, b, cosine, 0, 0}, p});
        }
    }
}

static int least_likely_first(const void *left, const void *right) {
    const candidate *x = left, *y = right;
    if (x->p != y->p) return x->p < y->p ? -1 : 1;
    if (x->pair.a != y->pair.a) return x->pair.a < y->pair.a ? -1 : 1;
    return (x->pair.b > y->pair.b) - (x->pair.b < y->pair.b);
}

/* The cosine at which strangers of the group are as rare as p. */
static double cosine_at(const sides *s, int group, double p) {
    double low = s->of[group].mean, high = 1;
    for (int i = 0; i < 50; i++) {
        double middle = (low + high) / 2;
        if (tail_at(&s->of[group], middle) > p)
            low = middle;
        else
            high = middle;
    }
    return fmax(high, s->same_low);
}

static lk_status choose(const sides *s, found *f, size_t *count, lk_people_pair **out, lk_error *err) {
    double pairs = 0;
    for (int g = 0; g < GROUPS; g++) pairs += f->pairs[g];
    qsort(f->items, f->count, sizeof *f->items, least_likely_first);
    size_t told = 0;
    for (size_t i = 0; i < f->count; i++)
        if (f->items[i].p * pairs <= false_share * (double)(i + 1)) told = i + 1;
    lk_people_pair *items = malloc((told + 1) * sizeof *items);
    if (!items) return lk__fail_memory(err, told * sizeof *items, "comparing people");
    double last = told ? fmax(f->items[told - 1].p, false_share / pairs) : 0;
    for (size_t i = 0; i < told; i++) {
        items[i] = f->items[i].pair;
        items[i].least = cosine_at(s, group_of_pair(s->job, items[i].a, items[i].b), last);
        items[i].strangers = f->items[i].p * pairs;
    }
    *count = told;
    *out = items;
    return LK_OK;
}

static lk_status gather(const scan *c, int threads, found *all, lk_error *err) {
    for (int i = 0; i < threads; i++) {
        for (int g = 0; g < GROUPS; g++) all->pairs[g] += c->of[i].pairs[g];
        for (size_t k = 0; k < c->of[i].count; k++) keep(all, c->of[i].items[k]);
        if (c->of[i].failed || all->failed)
            return lk__fail_memory(err, c->of[i].count * sizeof(candidate), "comparing people");
    }
    return LK_OK;
}

static lk_status compare(sides *s, double from, double to, size_t *count, lk_people_pair **out,
                         lk_error *err) {
    size_t people = s->job->in->judged_people;
    int threads = lk__threads();
    scan c = {.s = s, .of = calloc((size_t)threads, sizeof *c.of)};
    found all = {0};
    if (!c.of) return lk__fail_memory(err, (size_t)threads * sizeof *c.of, "comparing people");
    lk_status status = learn(s, err);
    for (c.from = 0; c.from < people && status == LK_OK; c.from = c.to) {
        c.to = people - c.from < ROUND ? people : c.from + ROUND;
        lk__parallel(scan_part, &c);
        status = lk__labels_progress(s->job, from, to, (double)c.to / (double)people, err);
    }
    if (status == LK_OK) status = gather(&c, threads, &all, err);
    if (status == LK_OK) status = choose(s, &all, count, out, err);
    for (int i = 0; i < threads; i++) free(c.of[i].items);
    free(c.of);
    free(all.items);
    return status;
}

lk_status lk__labels_pairs(const lk__labels_job *job, lk_labels *out, lk_error *err) {
    size_t judged = job->in->judged_people;
    sides *s = calloc(1, sizeof *s);
    if (!s) return lk__fail_memory(err, sizeof *s, "comparing people");
    s->job = job;
    lk_status status = halves(job, &s->same_low, err);
    s->b_first = 0;
    s->b_last = judged;
    if (status == LK_OK) status = compare(s, 0.6, 0.8, &out->pair_count, &out->pairs, err);
    if (status == LK_OK) {
        out->same_low = s->same_low;
        for (int g = GROUPS - 1; g >= 0; g--) /* of the largest folders there are */
            if (s->of[g].pairs > 0) {
                out->strangers_mean = s->of[g].mean;
                out->strangers_deviation = s->of[g].deviation;
                break;
            }
        s->b_first = judged;
        s->b_last = job->in->people;
        if (s->b_first < s->b_last) status = compare(s, 0.8, 1, &out->leak_count, &out->leaks, err);
    }
    free(s);
    return status;
}
