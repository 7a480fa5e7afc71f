/* objective.c: a gap is pulled to the word that was there, and pushed from others.
 *
 *   infonce             l = -ln( e^(g.w) / (e^(g.w) + sum over wrong words v of e^(g.v)) )
 *                       van den Oord, Li & Vinyals 2018; Sohn 2016
 *
 *   negative-sampling   l = -ln s(g.w) - (5 / V) sum over V wrong words v of ln s(-g.v)
 *                       s(x) = 1 / (1 + e^-x); Mikolov et al. 2013, whose five negatives
 *                       a gap are V shared ones here, weighed like five
 *
 *   triplet             l = mean over v of max(|g - w| - |g - v| + margin, 0)
 *                       the form of src/contrast/triplet.c; as there, the mean is over
 *                       the active ones
 *
 * g: the gap's vector, w: the word that was there. A wrong word that happens to be the right one is left out.
 */
#include "contrast/contrast.h"
#include "words/words.h"

#include <math.h>
#include <string.h>

static const double WORD2VEC_NEGATIVES = 5;
static const float LEFT_OUT = -80; /* e^-80 is nothing beside the right word */

static void leave_out(const lk__gaps *g, size_t i, float value) {
    for (size_t v = 0; v < g->negatives; v++)
        if (g->wrong_word[v] == g->right_word[i]) g->score[i * g->negatives + v] = value;
}

static double infonce(lk__gaps *g) {
    double loss = 0;
    size_t n = g->negatives;
    for (size_t i = 0; i < g->gaps; i++) leave_out(g, i, LEFT_OUT);
    for (size_t i = 0; i < g->gaps; i++) {
        float *row = g->score + i * n, most = g->right_score[i];
        for (size_t v = 0; v < n; v++) most = row[v] > most ? row[v] : most;
        for (size_t v = 0; v < n; v++) row[v] -= most;
        g->right_score[i] -= most;
    }
    lk__exponentials(g->score, g->gaps * n);
    for (size_t i = 0; i < g->gaps; i++) {
        float *row = g->score + i * n, right = expf(g->right_score[i]), all = right;
        for (size_t v = 0; v < n; v++) all += row[v];
        for (size_t v = 0; v < n; v++) row[v] *= -1 / all;
        loss += log((double)all) - (double)g->right_score[i];
        g->right_score[i] = 1 - right / all;
    }
    return loss;
}

static double negative_sampling(lk__gaps *g) {
    double loss = 0, weight = WORD2VEC_NEGATIVES / (double)g->negatives;
    size_t n = g->negatives;
    for (size_t i = 0; i < g->gaps; i++) leave_out(g, i, LEFT_OUT);
    lk__sigmoids(g->score, g->gaps * n);
    lk__sigmoids(g->right_score, g->gaps);
    for (size_t i = 0; i < g->gaps; i++) {
        loss -= log((double)g->right_score[i]);
        for (size_t v = 0; v < n; v++) {
            float *p = &g->score[i * n + v];
            loss -= weight * log1p(-(double)fminf(*p, 1 - 1e-7f));
            *p *= -(float)weight;
        }
        g->right_score[i] = 1 - g->right_score[i];
    }
    return loss;
}

static double l2(double a_sq, double b_sq, double product) {
    return sqrt(fmax(a_sq + b_sq - 2 * product, 1e-12));
}

/* One gap: |g - w| and |g - v| by norms and products. */
static double triplet(lk__gaps *g, size_t i, const float *gap_sq, const float *right_sq,
                      const float *wrong_sq) {
    size_t n = g->negatives, active = 0;
    float *row = g->score + i * n;
    lk__loss_options options = {.margin = g->margin};
    double near = l2((double)gap_sq[i], (double)right_sq[i], (double)g->right_score[i]), loss = 0, pushed = 0;
    for (size_t v = 0; v < n; v++) {
        if (g->wrong_word[v] == g->right_word[i]) {
            row[v] = 0;
            continue;
        }
        double far = l2((double)gap_sq[i], (double)wrong_sq[v], (double)row[v]);
        lk__slopes slope = lk__triplet_hinge(near, far, &options);
        row[v] = (float)(slope.negative / far);
        loss += slope.loss;
        active += slope.loss > 0;
    }
    float share = active ? 1 / (float)active : 0;
    for (size_t v = 0; v < n; v++) {
        row[v] *= share;
        g->wrong_self[v] -= row[v];
        pushed -= (double)row[v];
    }
    float pull = active ? (float)(1 / near) : 0;
    g->right_score[i] = pull;
    g->right_self[i] = -pull;
    g->gap_self[i] = (float)pushed - pull;
    return loss * (double)share;
}

static double triplets(lk__gaps *g) {
    double loss = 0;
    memset(g->wrong_self, 0, g->negatives * sizeof(float));
    /* The squared norms lie where the shares of self will: each is read before it is written. */
    lk__dot_rows(g->gap, g->gap, g->gaps, g->dim, g->gap_self);
    lk__dot_rows(g->right, g->right, g->gaps, g->dim, g->right_self);
    lk__dot_rows(g->wrong, g->wrong, g->negatives, g->dim, g->wrong_sq);
    for (size_t i = 0; i < g->gaps; i++) loss += triplet(g, i, g->gap_self, g->right_self, g->wrong_sq);
    return loss;
}

double lk__words_objective(lk_words_loss loss, lk__gaps *g) {
    switch (loss) {
    case LK_WORDS_INFONCE: return infonce(g);
    case LK_WORDS_NEGATIVE_SAMPLING: return negative_sampling(g);
    case LK_WORDS_TRIPLET: return triplets(g);
    }
    return NAN;
}
