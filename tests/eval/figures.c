/* figures.c: the figures of scores from standard input, for sklearn_check.py to check.
 *
 *   in:   fold same cosine      a pair a line
 *   out:  name value            a figure a line; roc THRESHOLD FAR TAR and bin PAIRS PREDICTED OBSERVED, in
 * order */
#include "likeness/eval.h"

#include <stdio.h>
#include <stdlib.h>

static void print_figures(const lk_verification *v, const lk_reliability *c) {
    printf("pairs %zu\nsame %zu\n", v->pairs, v->same);
    printf("accuracy %.17g\naccuracy_se %.17g\nthreshold %.17g\n", v->accuracy, v->accuracy_se, v->threshold);
    printf("auc %.17g\neer %.17g\n", v->auc, v->eer);
    for (int i = 0; i < LK_FAR_COUNT; i++)
        printf("tar_%d %.17g\nthreshold_%d %.17g\n", i, v->tar_at_far[i], i, v->threshold_at_far[i]);
    for (size_t i = 0; i < v->roc_count; i++)
        printf("roc %.17g %.17g %.17g\n", v->roc[i].threshold, v->roc[i].far, v->roc[i].tar);
    printf("slope %.17g\nintercept %.17g\ncllr %.17g\ncllr_min %.17g\n", c->slope, c->intercept, c->cllr,
           c->cllr_min);
    for (int i = 0; i < LK_RELIABILITY_BINS; i++)
        printf("bin %zu %.17g %.17g\n", c->bin[i].pairs, c->bin[i].predicted, c->bin[i].observed);
}

int main(void) {
    size_t count = 0, room = 1 << 20;
    lk_pair *pairs = calloc(room, sizeof *pairs);
    float *cosine = calloc(room, sizeof *cosine);
    if (!pairs || !cosine) return 4;
    while (count < room && scanf("%d %d %f", &pairs[count].fold, &pairs[count].same, &cosine[count]) == 3)
        pairs[count++].b = 1;
    const lk_trial trial = {.photos = 2, .pairs = pairs, .cosine = cosine, .count = count};
    lk_verification v = {0};
    lk_reliability c = {0};
    lk_error err = {LK_OK, ""};
    lk_status status = lk_verification_measure(&trial, NULL, &v, &err);
    if (status == LK_OK) status = lk_reliability_measure(&trial, NULL, &c, &err);
    if (status == LK_OK)
        print_figures(&v, &c);
    else
        fprintf(stderr, "%s\n", err.message);
    lk_verification_free(&v);
    free(pairs);
    free(cosine);
    return status == LK_OK ? 0 : 3;
}
