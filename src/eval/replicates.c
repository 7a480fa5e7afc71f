/* replicates.c: the figures of verification.c once more for each set of people drawn, all sets in one pass.
 *
 *   sorted scores  ->  some 1000 bins of scores  ->  weight of each bin in each replicate  ->  figures
 *
 * Up to BINS_EXACT distinct scores each is a bin of its own, and a replicate's figures are exact. With more,
 * bins are cut where it matters: at equal steps of the share of same pairs and of different pairs, and at
 * equal ratios of FAR and of FRR in their low ends. Inside such a bin the ROC is taken as straight.
 *
 * The thresholds of accuracy stay those of the set itself: chosen anew in each replicate, from people who are
 * in there twice, they would flatter (and the most accurate threshold is where a little more or less matters
 * least). */
#include "eval/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BINS_EXACT = 512,
    STEPS = 128,     /* equal steps of each share */
    PER_DECADE = 16, /* equal ratios of its low end */
    DECADES = 8,
    BINS_MOST = 2 * 2 * (STEPS + DECADES * PER_DECADE),
    BAND_PER_DECADE = 8,
    FINDER = 4096 /* cells, equal in score, that say where to begin looking for a bin */
};

/* Bin i holds the scores from lowest[i] up to lowest[i - 1], which is not in it. */
typedef struct bins {
    size_t count;
    float lowest[BINS_MOST]; /* falling */
    bool single[BINS_MOST];  /* one score only: no threshold falls inside */
    float origin, scale;     /* of the finder */
    uint16_t
        finder[FINDER + 2]; /* the first bin that scores of a cell can be in; the next cell's is the last */
} bins;

/* ---- cutting bins -------------------------------------------------------------------------------- */

static int falling(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* The score of that rank becomes a bin of its own: a cut at it and one above it. Were it but the lowest of
 * its bin, its label would come last there and not in the middle, bin after bin. */
static void add_score(bins *b, const lk__scores *all, const float *scores, size_t n, double rank) {
    if (rank < 1) return;
    size_t i = (size_t)llround(rank);
    float score = scores[(i < n ? i : n) - 1];
    double above = lk__lowest_above(all, (double)score);
    b->lowest[b->count++] = score;
    if (isfinite(above)) b->lowest[b->count++] = (float)above;
}

/* Cuts at equal steps of rank, and at equal ratios from the top or from the bottom. */
static void add_cuts(bins *b, const lk__scores *all, const float *scores, size_t n, bool from_top) {
    for (int i = 1; i <= STEPS; i++) add_score(b, all, scores, n, (double)n * i / STEPS);
    for (int i = 1; i <= DECADES * PER_DECADE; i++) {
        double rank = (double)n * pow(10, -(double)i / PER_DECADE);
        add_score(b, all, scores, n, rank < 1 || from_top ? rank : (double)n - rank);
    }
}

static bool add_all_scores(bins *b, const lk__scores *s) {
    for (lk__walk w = {0}; lk__walk_next(s, &w); b->lowest[b->count++] = w.score)
        if (b->count == BINS_EXACT) return false;
    return true;
}

static void mark_singles(bins *b, const lk__scores *s) {
    for (size_t i = 0; i < b->count; i++) {
        double above = i > 0 ? (double)b->lowest[i - 1] : INFINITY, lowest = (double)b->lowest[i];
        size_t same = lk__count_from(s->same, s->same_count, above);
        size_t different = lk__count_from(s->different, s->different_count, above);
        b->single[i] = (same == s->same_count || (double)s->same[same] <= lowest) &&
                       (different == s->different_count || (double)s->different[different] <= lowest);
    }
}

/* Rising with falling scores; rounding keeps the order, so a score's cell is never past that of a bin below
 * it. */
static size_t finder_cell(const bins *b, float score) {
    float cell = (b->origin - score) * b->scale;
    return cell <= 0 ? 0 : cell >= FINDER ? FINDER : (size_t)cell;
}

static void make_finder(bins *b) {
    float range = b->lowest[0] - b->lowest[b->count - 1];
    b->origin = b->lowest[0];
    b->scale = range > 0 ? (float)FINDER / range : 0;
    if (!isfinite(b->scale)) b->scale = 0;
    size_t bin = 0;
    for (size_t cell = 0; cell <= FINDER + 1; cell++) {
        while (bin + 1 < b->count && finder_cell(b, b->lowest[bin]) < cell) bin++;
        b->finder[cell] = (uint16_t)bin;
    }
}

static void make_bins(bins *b, const lk__scores *s) {
    b->count = 0;
    if (!add_all_scores(b, s)) {
        b->count = 0;
        add_cuts(b, s, s->different, s->different_count, true);
        add_cuts(b, s, s->same, s->same_count, false);
        qsort(b->lowest, b->count, sizeof *b->lowest, falling);
        size_t count = 1;
        for (size_t i = 1; i < b->count; i++)
            if (b->lowest[i] != b->lowest[count - 1]) b->lowest[count++] = b->lowest[i];
        b->count = count;
    }
    mark_singles(b, s);
    make_finder(b);
}

/* Every score is in some bin, for the lowest of both labels are cuts. */
static size_t find_bin(const bins *b, float score) {
    size_t cell = finder_cell(b, score), low = b->finder[cell], high = b->finder[cell + 1];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (score < b->lowest[middle])
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void score_cells(const void *context, const lk__block *block, uint32_t *cell) {
    const bins *b = context;
    for (size_t i = 0; i < block->count; i++)
        cell[i] = (uint32_t)find_bin(b, block->cosine[i]) * 2 + block->same[i];
}

/* ---- accuracy ------------------------------------------------------------------------------------ */

enum { FOLD_CELLS = 4 }; /* of a fold: label * 2 + right */

static void fold_cells(const void *context, const lk__block *block, uint32_t *cell) {
    const double *threshold = context;
    for (size_t i = 0; i < block->count; i++) {
        uint32_t fold = block->fold ? block->fold[i] : 0;
        bool accepted = (double)block->cosine[i] >= threshold[fold];
        cell[i] = fold * FOLD_CELLS + block->same[i] * 2u + (accepted == (block->same[i] == 1));
    }
}

/* The share that is right of each label, in the mix of the set itself: how many pairs of each label a fold
 * holds was somebody's choice, not chance. (Different pairs go with the square of the people drawn, same ones
 * with their number: left free, the mix would shift, and accuracy with it.) */
static double fold_accuracy(const uint64_t *weight, size_t stride, size_t replicate) {
    double right = 0, pairs = 0;
    for (size_t label = 0; label < 2; label++) {
        const uint64_t *w = weight + label * 2 * stride;
        double set = (double)(w[0] + w[stride]); /* replicate 0: the set itself */
        double drawn = (double)(w[replicate] + w[stride + replicate]);
        if (set == 0) continue;
        right += set * (double)w[stride + replicate] / drawn; /* NaN where no such pair was drawn */
        pairs += set;
    }
    return right / pairs;
}

/* The mean over folds, as that of the set itself, of those that have an accuracy in this replicate. */
static double accuracy_of(const uint64_t *weight, size_t stride, int fold_count, size_t replicate) {
    double sum = 0;
    int folds = 0;
    for (int f = 0; f < fold_count; f++) {
        double accuracy = fold_accuracy(weight + (size_t)f * FOLD_CELLS * stride, stride, replicate);
        if (isnan(accuracy)) continue;
        sum += accuracy;
        folds++;
    }
    return folds ? sum / folds : NAN;
}

static lk_status measure_accuracy(const lk__trial *trial, const double *threshold, const lk__draws *draws,
                                  lk__replicates *r, lk_error *err) {
    uint64_t *weight;
    lk_status status = lk__draws_count(trial, draws, (size_t)trial->fold_count * FOLD_CELLS, fold_cells,
                                       threshold, &weight, err);
    if (status != LK_OK) return status;
    for (size_t i = 0; i < r->count; i++)
        r->accuracy[i] = accuracy_of(weight, lk__draws_stride(draws), trial->fold_count, i + 1);
    free(weight);
    return LK_OK;
}

/* ---- the other figures --------------------------------------------------------------------------- */

/* ROC of one replicate: weights at and above each bin; [0] is before all. */
typedef struct steps {
    const bins *bins;
    uint64_t same[BINS_MOST + 1], different[BINS_MOST + 1];
    double far[BINS_MOST + 1], tar[BINS_MOST + 1];
} steps;

static bool make_steps(steps *s, const uint64_t *weight, size_t stride, size_t replicate) {
    size_t n = s->bins->count;
    s->same[0] = s->different[0] = 0;
    for (size_t i = 0; i < n; i++) {
        s->different[i + 1] = s->different[i] + weight[i * 2 * stride + replicate];
        s->same[i + 1] = s->same[i] + weight[(i * 2 + 1) * stride + replicate];
    }
    if (s->same[n] == 0 || s->different[n] == 0) return false;
    for (size_t i = 0; i <= n; i++) {
        s->far[i] = (double)s->different[i] / (double)s->different[n];
        s->tar[i] = (double)s->same[i] / (double)s->same[n];
    }
    return true;
}

static double auc_of(const steps *s) {
    double area = 0;
    for (size_t i = 0; i < s->bins->count; i++)
        area += (s->far[i + 1] - s->far[i]) * (s->tar[i] + s->tar[i + 1]) / 2;
    return area;
}

static double eer_of(const steps *s) {
    double before = -1;
    for (size_t i = 1; i <= s->bins->count; i++) {
        double here = s->far[i] + s->tar[i] - 1;
        if (here >= 0) return s->far[i - 1] + (s->far[i] - s->far[i - 1]) * before / (before - here);
        before = here;
    }
    return 1;
}

/* The highest TAR with FAR at most `far`. Inside a bin of several scores lie thresholds that are not known
 * one by one. */
static double tar_of(const steps *s, double far) {
    size_t low = 0, high = s->bins->count; /* the last step with FAR at most far */
    while (low < high) {
        size_t middle = (low + high + 1) / 2;
        if (s->far[middle] <= far)
            low = middle;
        else
            high = middle - 1;
    }
    if (low == s->bins->count || s->bins->single[low]) return s->tar[low];
    double share = (far - s->far[low]) / (s->far[low + 1] - s->far[low]);
    return s->tar[low] + share * (s->tar[low + 1] - s->tar[low]);
}

static void measure_replicate(const steps *s, bool known, lk__replicates *r, size_t i) {
    r->auc[i] = known ? auc_of(s) : NAN;
    r->eer[i] = known ? eer_of(s) : NAN;
    for (int level = 0; level < LK_FAR_COUNT; level++)
        r->tar[level][i] = known ? tar_of(s, lk_far_level(level)) : NAN;
    for (size_t b = 0; b < r->band_count; b++)
        r->band[b * r->count + i] = known ? tar_of(s, r->band_far[b]) : NAN;
}

static lk_status measure_curve(const lk__trial *trial, const lk__sorted *sorted, const lk__draws *draws,
                               lk__replicates *r, lk_error *err) {
    bins *b = malloc(sizeof *b);
    steps *s = malloc(sizeof *s);
    uint64_t *weight = NULL;
    lk_status status = b && s ? LK_OK : lk__fail_memory(err, sizeof *b + sizeof *s, "bins");
    if (status == LK_OK) {
        make_bins(b, &sorted->all);
        s->bins = b;
        status = lk__draws_count(trial, draws, b->count * 2, score_cells, b, &weight, err);
    }
    for (size_t i = 0; i < r->count && status == LK_OK; i++) {
        bool known = make_steps(s, weight, lk__draws_stride(draws), i + 1);
        measure_replicate(s, known, r, i);
    }
    free(weight);
    free(s);
    free(b);
    return status;
}

/* FAR from the least that the different pairs can show, by equal ratios, to 1. */
static void place_band(lk__replicates *r, size_t different) {
    r->band_count = 0;
    for (int i = LK__BAND_MOST - 1; i >= 0; i--) {
        double far = pow(10, -(double)i / BAND_PER_DECADE);
        if (far * (double)different >= 1) r->band_far[r->band_count++] = far;
    }
}

lk_status lk__replicates_measure(const lk__trial *trial, const lk__sorted *sorted, const double *threshold,
                                 const lk__draws *draws, lk__replicates *out, lk_error *err) {
    lk__replicates r = {.count = (size_t)draws->replicates};
    place_band(&r, sorted->all.different_count);
    double *memory = malloc((3 + LK_FAR_COUNT + r.band_count) * r.count * sizeof *memory);
    if (!memory)
        return lk__fail_memory(err, (3 + LK_FAR_COUNT + r.band_count) * r.count * sizeof *memory,
                               "replicates");
    r.accuracy = memory;
    r.auc = memory + r.count;
    r.eer = memory + 2 * r.count;
    for (size_t i = 0; i < LK_FAR_COUNT; i++) r.tar[i] = memory + (3 + i) * r.count;
    r.band = memory + (3 + LK_FAR_COUNT) * r.count;
    lk_status status = measure_accuracy(trial, threshold, draws, &r, err);
    if (status == LK_OK) status = measure_curve(trial, sorted, draws, &r, err);
    if (status == LK_OK)
        *out = r;
    else
        free(memory);
    return status;
}

void lk__replicates_free(lk__replicates *replicates) {
    free(replicates->accuracy); /* all of it */
    *replicates = (lk__replicates){0};
}
