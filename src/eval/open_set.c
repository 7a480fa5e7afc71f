/* open_set.c: who, if anybody? Most faces that a camera sees belong to nobody enrolled. What share of them is
 * taken for somebody (FPIR), and what share of the enrolled is missed (FNIR), at every threshold?
 *
 *   draw: people enrolled, some photos of each  ->  gallery (rows, dim)
 *     their other photos: mated probes     own cosine if it is the highest of all, else never found
 *     everybody else's: strangers          highest cosine with anyone
 *   all draws  ->  sort both by cosine  ->  FPIR and FNIR are a walk down
 *
 * As NIST counts in FRVT 1:N (IR 8271), with one candidate (R = 1): a probe whose person is second is missed.
 * A tie counts against the probe, as in identification.c. NIST has one gallery; here it is drawn many times,
 * because which people of a small set are enrolled moves the figures more than most models differ.
 *
 * Cosines are src/gallery's dot products: a block of rows stays in the cache while several probes pass over
 * it. */
#include "eval/people.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PROBE_BLOCK = 32, /* probes that share one pass over the gallery */
    ROW_BLOCK = 256,  /* rows of it that stay in the cache meanwhile */
};

/* FPIR levels are kept as 1 / FPIR, in which comparing two counts is exact. */
static const size_t FPIR_INVERSE[LK_FPIR_COUNT] = {10, 100, 1000};

typedef struct draw {
    const lk_trial *trial;
    size_t stride;
    float *rows;                 /* (photos, stride): all of them */
    float *gallery;              /* (photos, stride): those enrolled, person by person */
    size_t *first, gallery_rows; /* (people + 1): where a person's begin */
    lk__role *role;              /* (photos) */
    float *score;                /* (photos): what counts against the threshold; -inf: never found */
    lk__dot dot;
} draw;

typedef struct scores {
    float *mated, *strangers; /* both by draw, then sorted */
    size_t mated_count, stranger_count;
} scores;

/* ---- one draw ------------------------------------------------------------------------------------- */

static void search(const draw *d, const size_t *photos, size_t count) {
    float cosine[ROW_BLOCK], own[PROBE_BLOCK], other[PROBE_BLOCK];
    for (size_t p = 0; p < count; p++) own[p] = other[p] = -INFINITY;
    for (size_t at = 0; at < d->gallery_rows; at += ROW_BLOCK) {
        size_t end = d->gallery_rows - at < ROW_BLOCK ? d->gallery_rows : at + ROW_BLOCK;
        for (size_t p = 0; p < count; p++) {
            size_t person = d->role[photos[p]].person, own_first = end, own_last = end;
            d->dot(d->gallery + at * d->stride, end - at, d->stride, d->rows + photos[p] * d->stride, cosine);
            if (person != LK__STRANGER && d->first[person] < end && d->first[person + 1] > at) {
                own_first = d->first[person] > at ? d->first[person] : at;
                own_last = d->first[person + 1] < end ? d->first[person + 1] : end;
            }
            other[p] = lk__highest(cosine, 0, own_first - at, other[p]);
            own[p] = lk__highest(cosine, own_first - at, own_last - at, own[p]);
            other[p] = lk__highest(cosine, own_last - at, end - at, other[p]);
        }
    }
    for (size_t p = 0; p < count; p++) {
        float found = own[p] > other[p] ? own[p] : -INFINITY;
        d->score[photos[p]] = d->role[photos[p]].person == LK__STRANGER ? other[p] : found;
    }
}

static void search_part(void *context, int i, int n) {
    const draw *d = context;
    size_t first, last, block[PROBE_BLOCK], count = 0;
    lk__part(d->trial->photos, i, n, &first, &last);
    for (; first < last; first++) {
        if (d->role[first].enrolled) continue;
        block[count++] = first;
        if (count == PROBE_BLOCK) {
            search(d, block, count);
            count = 0;
        }
    }
    search(d, block, count);
}

/* Copies those enrolled to the gallery, person by person. */
static void enrol(draw *d, size_t people) {
    for (size_t i = 0; i <= people; i++) d->first[i] = 0;
    for (size_t i = 0; i < d->trial->photos; i++)
        if (d->role[i].enrolled) d->first[d->role[i].person + 1]++;
    for (size_t i = 0; i < people; i++) d->first[i + 1] += d->first[i];
    d->gallery_rows = d->first[people];
    for (size_t i = 0; i < d->trial->photos; i++)
        if (d->role[i].enrolled)
            memcpy(d->gallery + d->first[d->role[i].person]++ * d->stride, d->rows + i * d->stride,
                   d->stride * sizeof(float));
    for (size_t i = people; i > 0; i--)
        d->first[i] = d->first[i - 1]; /* each had moved to where the next begin */
    d->first[0] = 0;
}

static int falling(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

static void sort_scores(scores *s) {
    qsort(s->mated, s->mated_count, sizeof *s->mated, falling);
    qsort(s->strangers, s->stranger_count, sizeof *s->strangers, falling);
}

/* Adds the draw's scores to `all`; returns where they lie there, sorted. */
static scores collect(const draw *d, scores *all) {
    scores own = {.mated = all->mated + all->mated_count, .strangers = all->strangers + all->stranger_count};
    for (size_t i = 0; i < d->trial->photos; i++)
        if (d->role[i].person == LK__STRANGER)
            own.strangers[own.stranger_count++] = d->score[i];
        else if (!d->role[i].enrolled)
            own.mated[own.mated_count++] = d->score[i];
    sort_scores(&own);
    all->mated_count += own.mated_count;
    all->stranger_count += own.stranger_count;
    return own;
}

/* ---- figures -------------------------------------------------------------------------------------- */

/* How many of falling scores reach the threshold. */
static size_t count_from(const float *falling_scores, size_t count, double threshold) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((double)falling_scores[middle] >= threshold)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t count_above(const float *falling_scores, size_t count, float score) {
    return count_from(falling_scores, count, lk__just_above(score));
}

/* The lowest FNIR over all thresholds with FPIR at most 1 / inverse; *threshold is the lowest score that
 * serves. */
static double fnir_at(const scores *s, size_t inverse, double *threshold) {
    float barrier = s->strangers[s->stranger_count / inverse]; /* this one and its equals must stay out */
    size_t found = count_above(s->mated, s->mated_count, barrier),
           wrong = count_above(s->strangers, s->stranger_count, barrier);
    *threshold = lk__just_above(barrier);
    if (found) *threshold = (double)s->mated[found - 1];
    if (wrong && !(found && s->strangers[wrong - 1] > s->mated[found - 1]))
        *threshold = (double)s->strangers[wrong - 1];
    return (double)(s->mated_count - found) / (double)s->mated_count;
}

/* One point for each distinct score, but none in the middle of a run straight up or straight to the right:
 * these are nearly all, and lines through the others are the same curve, on logarithmic scales too. */
static lk_status make_points(const scores *s, lk_open_set *out, lk_error *err) {
    size_t room = s->mated_count + s->stranger_count + 1, count = 0, mated = 0, strangers = 0;
    size_t before[2] = {0, 0}, last[2] = {0, 0}; /* (found, wrong) of the last two points kept */
    lk_open_point *points = malloc(room * sizeof *points);
    if (!points) return lk__fail_memory(err, room * sizeof *points, "the open-set curve");
    float top = s->strangers[0] > s->mated[0] ? s->strangers[0] : s->mated[0];
    points[count++] = (lk_open_point){lk__just_above(top), 0, 1};
    for (;;) {
        float score = -INFINITY;
        if (mated < s->mated_count) score = s->mated[mated];
        if (strangers < s->stranger_count && s->strangers[strangers] > score) score = s->strangers[strangers];
        if (score == -INFINITY) break; /* nobody left, or only probes that are never found */
        while (mated < s->mated_count && s->mated[mated] == score) mated++;
        while (strangers < s->stranger_count && s->strangers[strangers] == score) strangers++;
        bool straight = count > 1 && ((before[0] == last[0] && last[0] == mated) ||
                                      (before[1] == last[1] && last[1] == strangers));
        if (straight) {
            count--;
        } else {
            before[0] = last[0];
            before[1] = last[1];
        }
        last[0] = mated;
        last[1] = strangers;
        points[count++] = (lk_open_point){(double)score, (double)strangers / (double)s->stranger_count,
                                          (double)(s->mated_count - mated) / (double)s->mated_count};
    }
    lk_open_point *fitting = realloc(points, count * sizeof *points);
    out->points = fitting ? fitting : points;
    out->count = count;
    return LK_OK;
}

static int rising(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, int count, double share) {
    double at = share * (count - 1);
    int below = (int)at, next = below + 1 < count ? below + 1 : below;
    return sorted[below] + (at - below) * (sorted[next] - sorted[below]);
}

/* fnir (repeats) is sorted. */
static lk_interval spread(double *fnir, int repeats) {
    if (repeats < 2) return (lk_interval){NAN, NAN};
    qsort(fnir, (size_t)repeats, sizeof *fnir, rising);
    return (lk_interval){quantile(fnir, repeats, 0.025), quantile(fnir, repeats, 0.975)};
}

/* ---- public --------------------------------------------------------------------------------------- */

/* What a call needs, in one place so that one function ends it. */
typedef struct plan {
    lk__people all;
    size_t *eligible, able; /* everybody; the first so many have 2 photos and more */
    draw draw;
    scores scores;
    double *fnir; /* (LK_FPIR_COUNT, repeats) */
} plan;

static void plan_free(plan *p) {
    lk__people_free(&p->all);
    free(p->eligible);
    free(p->draw.rows);
    free(p->draw.gallery);
    free(p->draw.first);
    free(p->draw.role);
    free(p->draw.score);
    free(p->scores.mated);
    free(p->scores.strangers);
    free(p->fnir);
}

static lk_status plan_make(const lk_trial *trial, size_t people, int repeats, plan *p, lk_error *err) {
    if (people < 1) return lk__fail(err, LK_INVALID, "0 people enrolled; the least is 1");
    if (repeats < 1) return lk__fail(err, LK_INVALID, "%d draws; the least is 1", repeats);
    lk_status status = lk__people_group(trial, &p->all, err);
    if (status != LK_OK) return status;
    size_t n = trial->photos, room = n * (size_t)repeats * sizeof(float);
    p->eligible = malloc(p->all.count * sizeof *p->eligible);
    p->fnir = malloc(LK_FPIR_COUNT * (size_t)repeats * sizeof *p->fnir);
    p->scores = (scores){.mated = malloc(room), .strangers = malloc(room)};
    p->draw = (draw){.trial = trial,
                     .stride = lk__stride(trial->dim),
                     .rows = lk__vectors_alloc(n, trial->dim),
                     .gallery = lk__vectors_alloc(n, trial->dim),
                     .first = malloc((p->all.count + 1) * sizeof(size_t)),
                     .role = malloc(n * sizeof(lk__role)),
                     .score = malloc(n * sizeof(float)),
                     .dot = lk__dot_best()};
    draw *d = &p->draw;
    if (!p->eligible || !p->fnir || !p->scores.mated || !p->scores.strangers || !d->rows || !d->gallery ||
        !d->first || !d->role || !d->score)
        return lk__fail_memory(err, 2 * n * (d->stride + (size_t)repeats) * sizeof(float), "the open set");
    for (size_t i = 0; i < n; i++)
        lk__vector_put(d->rows, i, trial->vectors + i * (size_t)trial->dim, trial->dim);
    for (size_t i = 0; i < p->all.count; i++)
        if (lk__people_photos(&p->all, i) >= 2) p->eligible[p->able++] = i;
    size_t others = p->able;
    for (size_t i = 0; i < p->all.count; i++)
        if (lk__people_photos(&p->all, i) < 2) p->eligible[others++] = i;
    if (p->able == 0) return lk__fail(err, LK_EMPTY, "nobody has 2 photos, one to enrol and one to look for");
    if (people > p->all.count)
        return lk__fail(err, LK_EMPTY, "%zu people; %zu were to be enrolled", p->all.count, people);
    if (p->all.count == people)
        return lk__fail(err, LK_EMPTY, "all %zu people would be enrolled and nobody a stranger; enrol fewer",
                        people);
    return LK_OK;
}

lk_status lk_open_set_measure(const lk_trial *trial, size_t people, size_t enrolled, int repeats,
                              uint64_t seed, lk_open_set *out, lk_error *err) {
    plan p = {0};
    lk_open_set o = {.people = people};
    bool enough[LK_FPIR_COUNT] = {true, true, true};
    lk_status status = plan_make(trial, people, repeats, &p, err);
    for (int r = 0; r < repeats && status == LK_OK; r++) {
        lk__roles_draw(&p.all, p.eligible, p.able, people, enrolled, seed, (uint64_t)r, p.draw.role);
        enrol(&p.draw, people);
        if (p.draw.gallery_rows > o.photos) o.photos = p.draw.gallery_rows;
        lk__parallel(search_part, &p.draw);
        scores own = collect(&p.draw, &p.scores);
        for (int level = 0; level < LK_FPIR_COUNT; level++) {
            double unused;
            enough[level] = enough[level] && own.stranger_count >= FPIR_INVERSE[level];
            p.fnir[level * repeats + r] = fnir_at(&own, FPIR_INVERSE[level], &unused);
        }
    }
    if (status == LK_OK) {
        sort_scores(&p.scores);
        o.mated = p.scores.mated_count;
        o.strangers = p.scores.stranger_count;
        status = make_points(&p.scores, &o, err);
    }
    for (int level = 0; level < LK_FPIR_COUNT && status == LK_OK; level++) {
        o.fnir_at_fpir[level] = o.threshold_at_fpir[level] = NAN;
        o.fnir_interval[level] = (lk_interval){NAN, NAN};
        if (!enough[level]) continue;
        o.fnir_at_fpir[level] = fnir_at(&p.scores, FPIR_INVERSE[level], &o.threshold_at_fpir[level]);
        o.fnir_interval[level] = spread(p.fnir + level * repeats, repeats);
    }
    if (status == LK_OK) {
        o.mated_score = p.scores.mated;
        o.stranger_score = p.scores.strangers;
        p.scores = (scores){0};
        *out = o;
    }
    plan_free(&p);
    return status;
}

void lk_open_set_at(const lk_open_set *o, double threshold, double *fpir, double *fnir) {
    *fpir = (double)count_from(o->stranger_score, o->strangers, threshold) / (double)o->strangers;
    *fnir = 1 - (double)count_from(o->mated_score, o->mated, threshold) / (double)o->mated;
}

void lk_open_set_free(lk_open_set *open_set) {
    if (!open_set) return;
    free(open_set->points);
    free(open_set->mated_score);
    free(open_set->stranger_score);
    *open_set = (lk_open_set){0};
}
