/* labels_pairs.c: people with two folders, and people who are in a second set too.
 *
 * Compared are the means of folders, by z (labels_rivals.c). On folders of 4 photos made of 200 people, two
 * of each, average precision of finding the two was 0.96, and 0.78 by the cosine alone.
 *
 * What the highest z of a folder is when it has no twin is read from all folders; when it has one, from
 * folders parted in two for the purpose (labels_doubt.c). */
#include "eval/labels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HALVES = 600, ROUND = 64 };
static const double scale_least = 0.8; /* of z; 0.5 to 0.7 where it was measured, with single ones far out */
static const double told_from = 0.01;  /* pairs of less doubt are not handed out */

/* Folders a against folders b, each a list of people; the same list twice, or judged people and the others.
 */
typedef struct sides {
    const lk__labels_job *job;
    const size_t *a, *b;
    size_t a_count, b_count;
    bool same;
    int rivals_a, rivals_b;         /* how many a folder of a has among b, and the other way round */
    lk__labels_rivals *of_a, *of_b; /* (a_count), (b_count) */
    double *best;                   /* (a_count): the highest z of each */
} sides;

static size_t size_of(const lk__labels_job *job, size_t person) {
    return job->first[person + 1] - job->first[person];
}

static void measure_part(void *context, int i, int n) {
    const sides *s = context;
    size_t dim = (size_t)s->job->in->dim, first, last;
    lk__part(s->a_count, i, n, &first, &last);
    for (size_t k = first; k < last; k++)
        s->of_a[k] = lk__labels_measure(s->job, s->job->means + s->a[k] * dim, s->b, s->b_count, s->a[k],
                                        s->a[k], s->rivals_a);
    if (s->same) return;
    lk__part(s->b_count, i, n, &first, &last);
    for (size_t k = first; k < last; k++)
        s->of_b[k] = lk__labels_measure(s->job, s->job->means + s->b[k] * dim, s->a, s->a_count, s->b[k],
                                        s->b[k], s->rivals_b);
}

/* ---- all pairs ----------------------------------------------------------------------------------------- */

typedef struct candidate {
    size_t a, b; /* into the lists */
    double cosine, z;
} candidate;
typedef struct found {
    candidate *items;
    size_t count, room;
    bool failed;
} found;
typedef struct scan {
    const sides *s;
    size_t from, to; /* folders a of this round */
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
    size_t dim = (size_t)s->job->in->dim;
    for (size_t a = c->from + (size_t)part; a < c->to; a += (size_t)parts) {
        s->best[a] = -INFINITY;
        for (size_t b = 0; b < s->b_count; b++) {
            if (s->same && a == b) continue;
            double cosine = (double)lk__labels_dot(s->job->means + s->a[a] * dim,
                                                   s->job->means + s->b[b] * dim, s->job->in->dim);
            double z = lk__labels_z(cosine, s->of_a[a], s->of_b[b]);
            if (z > s->best[a]) s->best[a] = z;
            /* Nobody is the same person while even the rivals' mean is not reached. */
            if (z > 0 && (!s->same || a < b)) keep(&c->of[part], (candidate){a, b, cosine, z});
        }
    }
}

static lk_status gather(const scan *c, int threads, found *all, lk_error *err) {
    for (int i = 0; i < threads; i++) {
        for (size_t k = 0; k < c->of[i].count; k++) keep(all, c->of[i].items[k]);
        if (c->of[i].failed || all->failed)
            return lk__fail_memory(err, c->of[i].count * sizeof(candidate), "comparing people");
    }
    return LK_OK;
}

static lk_status scan_all(const sides *s, double from, double to, found *all, lk_error *err) {
    int threads = lk__threads();
    scan c = {.s = s, .of = calloc((size_t)threads, sizeof *c.of)};
    if (!c.of) return lk__fail_memory(err, (size_t)threads * sizeof *c.of, "comparing people");
    lk_status status = LK_OK;
    for (c.from = 0; c.from < s->a_count && status == LK_OK; c.from = c.to) {
        c.to = s->a_count - c.from < ROUND ? s->a_count : c.from + ROUND;
        lk__parallel(scan_part, &c);
        status = lk__labels_progress(s->job, from, to, (double)c.to / (double)s->a_count, err);
    }
    if (status == LK_OK) status = gather(&c, threads, all, err);
    for (int i = 0; i < threads; i++) free(c.of[i].items);
    free(c.of);
    return status;
}

/* ---- twins made for the purpose ------------------------------------------------------------------------ */

typedef struct halves {
    const sides *s;
    const size_t *people; /* (count) with 4 photos or more */
    size_t count;
    float *half; /* (threads, 2, dim) */
    double *z;   /* (count) */
} halves;

static void part_folder(const lk__labels_job *job, size_t person, float *half) {
    size_t dim = (size_t)job->in->dim;
    memset(half, 0, 2 * dim * sizeof *half);
    for (size_t i = job->first[person]; i < job->first[person + 1]; i++)
        for (size_t d = 0; d < dim; d++) half[(i & 1) * dim + d] += job->vectors[i * dim + d];
    for (int h = 0; h < 2; h++) {
        double square = 0;
        for (size_t d = 0; d < dim; d++)
            square += (double)half[(size_t)h * dim + d] * (double)half[(size_t)h * dim + d];
        for (size_t d = 0; d < dim && square > 0; d++)
            half[(size_t)h * dim + d] = (float)((double)half[(size_t)h * dim + d] / sqrt(square));
    }
}

/* One half stands on side a, the other on side b; the whole folder is neither's rival. */
static void halves_part(void *context, int i, int n) {
    const halves *h = context;
    const sides *s = h->s;
    size_t dim = (size_t)s->job->in->dim, first, last;
    float *half = h->half + (size_t)i * 2 * dim;
    lk__part(h->count, i, n, &first, &last);
    for (size_t k = first; k < last; k++) {
        size_t person = h->people[k];
        part_folder(s->job, person, half);
        double cosine = (double)lk__labels_dot(half, half + dim, s->job->in->dim);
        lk__labels_rivals a = lk__labels_measure(s->job, half, s->b, s->b_count, person, person, s->rivals_a);
        lk__labels_rivals b =
            lk__labels_measure(s->job, half + dim, s->a, s->a_count, person, person, s->rivals_b);
        h->z[k] = lk__labels_z(cosine, a, b);
    }
}

/* z (HALVES) of folders parted in two; how many. */
static lk_status part_folders(const sides *s, double *z, size_t *count, lk_error *err) {
    const lk__labels_job *job = s->job;
    size_t people = job->in->judged_people, able = 0, dim = (size_t)job->in->dim;
    size_t *list = malloc((people + 1) * sizeof *list);
    float *half = malloc((size_t)lk__threads() * 2 * dim * sizeof *half);
    if (!list || !half) {
        free(list);
        free(half);
        return lk__fail_memory(err, people * sizeof *list, "comparing people");
    }
    for (size_t p = 0; p < people; p++)
        if (size_of(job, p) >= 4) list[able++] = p;
    lk__random random = lk__random_stream(job->in->seed, 't', s->same, 0);
    for (size_t i = 0; i < able && i < HALVES; i++) { /* the first of a random order */
        size_t with = i + lk__random_below(&random, able - i), other = list[i];
        list[i] = list[with];
        list[with] = other;
    }
    halves h = {s, list, able < HALVES ? able : HALVES, half, z};
    lk__parallel(halves_part, &h);
    *count = h.count;
    free(list);
    free(half);
    return LK_OK;
}

/* ---- both ---------------------------------------------------------------------------------------------- */

static int surest_first(const void *left, const void *right) {
    const lk_people_pair *x = left, *y = right;
    if (x->doubt != y->doubt) return x->doubt > y->doubt ? -1 : 1;
    if (x->cosine != y->cosine) return x->cosine > y->cosine ? -1 : 1;
    if (x->a != y->a) return x->a < y->a ? -1 : 1;
    return (x->b > y->b) - (x->b < y->b);
}

/* The candidates' z are judged as if they were the highest of their folder, which those that matter are. */
static lk_status choose(const sides *s, const found *all, size_t *count, lk_people_pair **out,
                        lk_error *err) {
    size_t seen_count = s->a_count + all->count, made_count = 0, told = 0;
    double *z = malloc((seen_count + 1) * sizeof *z), *doubt = malloc((seen_count + 1) * sizeof *doubt);
    double *made = malloc(HALVES * sizeof *made);
    lk_people_pair *items = malloc((all->count + 1) * sizeof *items);
    lk_status status = LK_OK;
    if (!z || !doubt || !made || !items)
        status = lk__fail_memory(err, seen_count * 2 * sizeof *z, "comparing people");
    if (status == LK_OK) status = part_folders(s, made, &made_count, err);
    if (status == LK_OK) {
        memcpy(z, s->best, s->a_count * sizeof *z);
        for (size_t i = 0; i < all->count; i++) z[s->a_count + i] = all->items[i].z;
        status = lk__labels_doubt(z, s->a_count, seen_count, made, made_count, scale_least, doubt, NULL, err);
    }
    for (size_t i = 0; status == LK_OK && i < all->count; i++) {
        const candidate *c = &all->items[i];
        if (!(doubt[s->a_count + i] >= told_from)) continue;
        items[told++] = (lk_people_pair){s->a[c->a], s->b[c->b],
                                         c->cosine,  (s->of_a[c->a].mean + s->of_b[c->b].mean) / 2,
                                         c->z,       doubt[s->a_count + i]};
    }
    free(z);
    free(doubt);
    free(made);
    if (status != LK_OK) {
        free(items);
        return status;
    }
    qsort(items, told, sizeof *items, surest_first);
    *count = told;
    *out = items;
    return LK_OK;
}

static lk_status compare(sides *s, double from, double to, size_t *count, lk_people_pair **out,
                         lk_error *err) {
    if (s->a_count < LK__LABELS_FOLDERS_LEAST || s->b_count < LK__LABELS_FOLDERS_LEAST) return LK_OK;
    s->rivals_a = lk__labels_rival_count(s->b_count);
    s->rivals_b = lk__labels_rival_count(s->a_count);
    s->of_a = malloc(s->a_count * sizeof *s->of_a);
    s->of_b = s->same ? s->of_a : malloc(s->b_count * sizeof *s->of_b);
    s->best = malloc(s->a_count * sizeof *s->best);
    found all = {0};
    lk_status status = LK_OK;
    if (!s->of_a || !s->of_b || !s->best)
        status = lk__fail_memory(err, s->a_count * 3 * sizeof *s->best, "comparing people");
    if (status == LK_OK) {
        lk__parallel(measure_part, s);
        status = scan_all(s, from, to, &all, err);
    }
    if (status == LK_OK) status = choose(s, &all, count, out, err);
    free(all.items);
    free(s->of_a);
    if (!s->same) free(s->of_b);
    free(s->best);
    return status;
}

static size_t list_people(const lk__labels_job *job, size_t first, size_t last, size_t photos, size_t *list) {
    size_t count = 0;
    for (size_t p = first; p < last; p++)
        if (size_of(job, p) >= photos) list[count++] = p;
    return count;
}

/* Mean and deviation of the cosine of two folders' means, over neighbours in the list: nearly all strangers.
 */
static void say_strangers(const sides *s, lk_labels *out) {
    size_t n = 0, dim = (size_t)s->job->in->dim;
    double sum = 0, square = 0;
    for (size_t step = 1; step <= 20; step++)
        for (size_t i = 0; i + step < s->a_count; i++, n++) {
            double cosine = (double)lk__labels_dot(s->job->means + s->a[i] * dim,
                                                   s->job->means + s->a[i + step] * dim, s->job->in->dim);
            sum += cosine;
            square += cosine * cosine;
        }
    out->strangers_mean = n ? sum / (double)n : 0;
    out->strangers_deviation =
        n ? sqrt(fmax(square / (double)n - out->strangers_mean * out->strangers_mean, 0)) : 0;
}

/* People who are likely one are no strangers to each other when photos are judged. */
static void note_same(lk__labels_job *job, const lk_labels *out) {
    for (size_t i = 0; i < out->pair_count && out->pairs[i].doubt >= 0.5; i++) {
        size_t from = job->same[out->pairs[i].b], to = job->same[out->pairs[i].a];
        for (size_t p = 0; p < job->in->people; p++)
            if (job->same[p] == from) job->same[p] = to;
    }
}

lk_status lk__labels_pairs(lk__labels_job *job, lk_labels *out, lk_error *err) {
    size_t people = job->in->people, judged = job->in->judged_people;
    size_t *a = malloc((people + 1) * sizeof *a), *b = malloc((people + 1) * sizeof *b);
    lk_status status = a && b ? LK_OK : lk__fail_memory(err, people * 2 * sizeof *a, "comparing people");
    if (status == LK_OK) {
        sides within = {.job = job, .a = a, .b = a, .same = true};
        within.a_count = within.b_count = list_people(job, 0, judged, 2, a);
        say_strangers(&within, out);
        status = compare(&within, 0, 0.2, &out->pair_count, &out->pairs, err);
        if (status == LK_OK) note_same(job, out);
    }
    if (status == LK_OK && judged < people) {
        sides across = {.job = job, .a = a, .b = b};
        across.a_count = list_people(job, 0, judged, 2, a);
        across.b_count = list_people(job, judged, people, 1, b); /* people to test on often have one photo */
        status = compare(&across, 0.2, 0.4, &out->leak_count, &out->leaks, err);
    }
    free(a);
    free(b);
    return status;
}
