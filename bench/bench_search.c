/* bench_search.c: how long one probe takes against a gallery of 100,000 random unit vectors (128), enrolled
 * in a file as in use. Each figure is the median over many probes; PHOTOS as the first argument changes the
 * size. */
#include "base/base.h"
#include "likeness/gallery.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DIM = 128, PROBES = 300, K = 5 };

static void random_vector(uint64_t stream, uint64_t number, float *out) {
    lk__random r = lk__random_stream(stream, number, 0, 0);
    double norm = 0;
    for (int i = 0; i < DIM; i++) {
        out[i] = (float)lk__random_normal(&r);
        norm += (double)out[i] * (double)out[i];
    }
    for (int i = 0; i < DIM; i++) out[i] = (float)((double)out[i] / sqrt(norm));
}

static int rising(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static lk_status fill(const char *path, size_t photos, lk_gallery **out, lk_error *err) {
    const lk_vector_kind kind = {.dim = DIM, .fingerprint = "bench", .threshold = 0.5, .model_path = ""};
    float vector[DIM];
    lk_status status = lk_gallery_create(path, &kind, out, err);
    if (status == LK_OK) status = lk_gallery_begin(*out, err);
    for (size_t i = 0; i < photos && status == LK_OK; i++) {
        char person[32], photo[32];
        snprintf(person, sizeof person, "person %zu", i / 10);
        snprintf(photo, sizeof photo, "%zu.jpg", i);
        random_vector(1, i, vector);
        status = lk_gallery_add(*out, person, photo, vector, NULL, err);
    }
    return status == LK_OK ? lk_gallery_commit(*out, err) : status;
}

/* Median milliseconds of a search on so many threads. */
static lk_status measure(lk_gallery *gallery, int threads, double *median, lk_error *err) {
    static double times[PROBES];
    float probe[DIM];
    lk__threads_set(threads);
    for (int p = -5; p < PROBES; p++) { /* the first few warm up */
        lk_matches matches;
        random_vector(2, (uint64_t)(p + 5), probe);
        double start = lk__seconds();
        lk_status status = lk_gallery_search(gallery, probe, K, &matches, err);
        if (status != LK_OK) return status;
        if (p >= 0) times[p] = 1e3 * (lk__seconds() - start);
        lk_matches_free(&matches);
    }
    qsort(times, PROBES, sizeof times[0], rising);
    *median = times[PROBES / 2];
    return LK_OK;
}

static void row(size_t photos, const char *what, double ms, const char *goal) {
    printf("%s, %zu x %d\t%.2f\t-\tms\t-\t%s\n", what, photos, DIM, ms, goal);
}

int main(int argc, char **argv) {
    size_t photos = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    char folder[256], path[300];
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/lk-bench-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(folder)) {
        perror(folder);
        return 4;
    }
    snprintf(path, sizeof path, "%s/bench.gallery", folder);

    lk_gallery *gallery = NULL;
    lk_error err = {LK_OK, ""};
    lk_matches matches = {0, NULL};
    float probe[DIM];
    double all = 0, one = 0, start = lk__seconds();
    fprintf(stderr, "enrolling %zu random vectors\n", photos);
    lk_status status = fill(path, photos, &gallery, &err);
    double enroll = 1e3 * (lk__seconds() - start);
    random_vector(2, 0, probe);
    start = lk__seconds();
    if (status == LK_OK) status = lk_gallery_search(gallery, probe, K, &matches, &err);
    double first = 1e3 * (lk__seconds() - start);
    lk_matches_free(&matches);
    if (status == LK_OK) status = measure(gallery, 0, &all, &err);
    if (status == LK_OK) status = measure(gallery, 1, &one, &err);
    if (status == LK_OK) {
        printf("what\tours\tpeer\tunit\tratio\tgoal\n");
        row(photos, "identify one probe, all cores", all, "10 ms");
        row(photos, "identify one probe, one core", one, "10 ms");
        row(photos, "first search (reads the gallery)", first, "-");
        row(photos, "enroll in one transaction", enroll, "-");
    } else {
        fprintf(stderr, "%s\n", err.message);
    }
    lk_gallery_close(gallery);
    unlink(path);
    rmdir(folder);
    return status == LK_OK ? 0 : 4;
}
