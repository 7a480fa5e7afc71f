/* bench_eval.c: how long the figures of many pairs take, and how much memory: 10 million listed pairs, and
 * all 84.5 million pairs of 13,000 photos, of people who do not exist, in vectors (128).
 *
 *   bench_eval [PEER_SECONDS PEER_MIB]    what scikit-learn takes for ROC and AUC (bench/eval.sh measures it)
 *
 * Each row runs in a process of its own, whose peak of resident memory is then its own: inputs (vectors, and
 * 24 bytes a listed pair) are in it. PAIRS and PHOTOS in the environment make it smaller. */
#include "base/base.h"
#include "likeness/eval.h"

#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DIM = 128, PER_PERSON = 5, FOLDS = 10, REPLICATES = 200 };

typedef struct world {
    size_t photos, count;
    float *vectors;
    uint32_t *person;
    lk_pair *pairs;
} world;

static size_t from_environment(const char *name, size_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoul(text, NULL, 10) : otherwise;
}

static void *get(size_t n, size_t size) {
    void *memory = calloc(n + 1, size);
    if (memory) return memory;
    fprintf(stderr, "out of memory\n");
    exit(4);
}

/* Photos of a person lie about a centre of their own: cosines of 0.28 and of 0 on average. */
static void draw_photos(world *w) {
    for (size_t i = 0; i < w->photos; i++) {
        float *vector = w->vectors + i * DIM;
        w->person[i] = (uint32_t)(i / PER_PERSON);
        lk__random centre = lk__random_stream(1, w->person[i], 0, 0), own = lk__random_stream(2, i, 0, 0);
        double norm = 0;
        for (int d = 0; d < DIM; d++) {
            vector[d] = (float)(lk__random_normal(&centre) + 1.6 * lk__random_normal(&own));
            norm += (double)vector[d] * (double)vector[d];
        }
        for (int d = 0; d < DIM; d++) vector[d] = (float)((double)vector[d] / sqrt(norm));
    }
}

/* Half of one person, half of two of the same fold. */
static void draw_pairs(world *w) {
    size_t people = w->photos / PER_PERSON, in_fold = people / FOLDS;
    lk__random r = lk__random_stream(3, 0, 0, 0);
    for (size_t i = 0; i < w->count; i++) {
        size_t fold = i % FOLDS, first = fold * in_fold;
        size_t a = first + lk__random_below(&r, in_fold), b = first + lk__random_below(&r, in_fold);
        bool same = i / FOLDS % 2 || a == b;
        size_t x = lk__random_below(&r, PER_PERSON), y = lk__random_below(&r, PER_PERSON - 1);
        if (same) b = a;
        w->pairs[i] = (lk_pair){(int)fold, same, a * PER_PERSON + x, b * PER_PERSON + (y + (y >= x))};
    }
}

typedef enum task { SCORES, VERIFY, INTERVALS, CALIBRATE, MISTAKES } task;

static lk_status run_task(const lk_trial *trial, task what, lk_error *err) {
    const lk_bootstrap bootstrap = {REPLICATES, 1};
    lk_verification v = {0};
    lk_reliability c;
    lk_mistake different[50], same[50];
    size_t counts[2];
    lk_status status;
    switch (what) {
    case CALIBRATE: return lk_reliability_measure(trial, &bootstrap, &c, err);
    case MISTAKES: return lk_mistakes_find(trial, 50, different, &counts[0], same, &counts[1], err);
    default:
        status = lk_verification_measure(trial, what == INTERVALS ? &bootstrap : NULL, &v, err);
        if (status == LK_OK)
            fprintf(stderr,
                    "  accuracy %.4f [%.4f, %.4f], EER %.4f, TAR at FAR 1e-4 %.4f, ROC of %zu points\n",
                    v.accuracy, v.accuracy_interval.low, v.accuracy_interval.high, v.eer, v.tar_at_far[3],
                    v.roc_count);
        lk_verification_free(&v);
        return status;
    }
}

/* Cosines known beforehand, and one fold: what scikit-learn's functions are given. */
static void give_cosines(lk_trial *trial, lk_pair *pairs, float *cosine) {
    for (size_t i = 0; i < trial->count; i++) {
        pairs[i].fold = 0;
        cosine[i] =
            (float)lk_cosine(trial->vectors + pairs[i].a * DIM, trial->vectors + pairs[i].b * DIM, DIM);
    }
    trial->cosine = cosine;
}

/* In a child: seconds, and peak of memory in MiB. */
static void measure(bool listed, size_t size, task what, double result[2]) {
    int ends[2];
    if (pipe(ends) != 0) exit(4);
    pid_t child = fork();
    if (child < 0) exit(4);
    if (child == 0) {
        world w = {.photos = listed ? 20000 : size, .count = listed ? size : 0};
        w.vectors = get(w.photos * DIM, sizeof *w.vectors);
        w.person = get(w.photos, sizeof *w.person);
        draw_photos(&w);
        w.pairs = listed ? get(w.count, sizeof *w.pairs) : NULL;
        if (listed) draw_pairs(&w);
        lk_trial trial = {.vectors = w.vectors,
                          .photos = w.photos,
                          .dim = DIM,
                          .person = w.person,
                          .pairs = w.pairs,
                          .count = w.count};
        if (what == SCORES) give_cosines(&trial, w.pairs, get(w.count, sizeof(float)));
        lk_error err = {LK_OK, ""};
        double start = lk__seconds();
        if (run_task(&trial, what, &err) != LK_OK) {
            fprintf(stderr, "%s\n", err.message);
            _exit(4);
        }
        double seconds = lk__seconds() - start;
        _exit(write(ends[1], &seconds, sizeof seconds) == sizeof seconds ? 0 : 4);
    }
    int code = 0;
    struct rusage usage;
    close(ends[1]);
    if (read(ends[0], &result[0], sizeof result[0]) != sizeof result[0]) exit(4);
    close(ends[0]);
    if (wait4(child, &code, 0, &usage) != child || code != 0) exit(4);
    result[1] = (double)usage.ru_maxrss / 1024;
    fprintf(stderr, "  %.2f s of processor time, input included\n",
            (double)usage.ru_utime.tv_sec + 1e-6 * (double)usage.ru_utime.tv_usec);
}

static void row(const char *what, double ours, double peer, const char *unit, const char *goal) {
    if (peer > 0)
        printf("%s\t%.2f\t%.2f\t%s\t%.2f\t%s\n", what, ours, peer, unit, peer / ours, goal);
    else
        printf("%s\t%.2f\t-\t%s\t-\t%s\n", what, ours, unit, goal);
    fflush(stdout);
}

int main(int argc, char **argv) {
    static const struct {
        bool listed;
        task what;
        const char *name;
    } rows[] = {
        {true, SCORES, "ROC and AUC of given cosines"},
        {true, VERIFY, "cosines, ROC, AUC, accuracy over 10 folds"},
        {true, INTERVALS, "the same with 200 bootstrap replicates"},
        {true, CALIBRATE, "calibration with 200 bootstrap replicates"},
        {false, VERIFY, "cosines, ROC, AUC, accuracy"},
        {false, INTERVALS, "the same with 200 bootstrap replicates"},
        {false, CALIBRATE, "calibration with 200 bootstrap replicates"},
        {false, MISTAKES, "the 50 worst pairs of each label"},
    };
    size_t pairs = from_environment("PAIRS", 10000000), photos = from_environment("PHOTOS", 13000);
    double peer_seconds = argc > 2 ? strtod(argv[1], NULL) : 0,
           peer_mib = argc > 2 ? strtod(argv[2], NULL) : 0;
    printf("what\tours\tpeer\tunit\tratio\tgoal\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char what[160];
        double result[2];
        size_t size = rows[i].listed ? pairs : photos;
        snprintf(what, sizeof what, rows[i].listed ? "%zu listed pairs: %s" : "all pairs of %zu photos: %s",
                 size, rows[i].name);
        fprintf(stderr, "%s\n", what);
        measure(rows[i].listed, size, rows[i].what, result);
        row(what, result[0], i == 0 ? peer_seconds : 0, "s", "60 s");
        snprintf(what, sizeof what,
                 rows[i].listed ? "%zu listed pairs: %s, peak memory"
                                : "all pairs of %zu photos: %s, peak memory",
                 size, rows[i].name);
        row(what, result[1], i == 0 ? peer_mib : 0, "MiB", "-");
    }
    return 0;
}
