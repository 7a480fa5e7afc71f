/* labels_rivals.c: how alike must two people's photos be? Some people look like many others, and the mean of
 * two photos is noisier than that of twenty. So each mean brings its own measure: its rivals, the 30 folders
 * most like it (fewer in small sets). A cosine c is told in deviations from the mean of the rivals', by the
 * measure of either side, and the two are averaged:
 *
 *   z = ((c - m_a) / s_a + (c - m_b) / s_b) / 2
 *
 * adaptive symmetric normalisation of scores, as for speakers (Matejka et al. 2017). The most alike folder is
 * no rival: it may be the same person. */
#include "eval/labels.h"

#include <math.h>

enum { RIVALS_MOST = 30, RIVALS_LEAST = 5 };

typedef struct top {
    double value[RIVALS_MOST + 1]; /* (count), falling */
    int count, room;
} top;

static void add(top *t, double value) {
    if (t->count == t->room && value <= t->value[t->count - 1]) return;
    int at = t->count < t->room ? t->count++ : t->count - 1;
    for (; at > 0 && t->value[at - 1] < value; at--) t->value[at] = t->value[at - 1];
    t->value[at] = value;
}

int lk__labels_rival_count(size_t folders) {
    size_t count = folders / 5;
    return count > RIVALS_MOST ? RIVALS_MOST : count < RIVALS_LEAST ? RIVALS_LEAST : (int)count;
}

lk__labels_rivals lk__labels_measure(const lk__labels_job *job, const float *x, const size_t *people,
                                     size_t count, size_t but, size_t nor, int rivals) {
    size_t dim = (size_t)job->in->dim;
    top t = {.room = rivals + 1};
    for (size_t i = 0; i < count; i++)
        if (people[i] != but && people[i] != nor)
            add(&t, (double)lk__labels_dot(x, job->means + people[i] * dim, job->in->dim));
    lk__labels_rivals m = {0, 0};
    int n = t.count - 1; /* less the most alike */
    for (int i = 1; i <= n; i++) m.mean += t.value[i] / n;
    for (int i = 1; i <= n; i++) m.deviation += (t.value[i] - m.mean) * (t.value[i] - m.mean) / n;
    m.deviation = fmax(sqrt(m.deviation), 1e-3);
    return m;
}

double lk__labels_z(double cosine, lk__labels_rivals a, lk__labels_rivals b) {
    return ((cosine - a.mean) / a.deviation + (cosine - b.mean) / b.deviation) / 2;
}
