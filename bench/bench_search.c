/* bench_search.c: our side of search.sh, which puts it beside others. The set is the clustered one that
 * search is usually timed on: people are directions at random, five photos each are noise around theirs
 * (cosine of two about 0.7), and so are the probes, of people who are enrolled.
 *
 *   bench_search set DIR PHOTOS          DIR/photos.f32 (PHOTOS, 128) and DIR/probes.f32 (1000, 128)
 *   bench_search index DIR PHOTOS        the index over that set: one probe, batches of 1000, what is read
 *   bench_search gallery DIR PHOTOS      a gallery file: enrolling, first probe, searching while it changes
 *   bench_search large PHOTOS            the index over a set of that size, kept nowhere else: time, memory
 *
 * Lines "NAME<tab>VALUE"; progress goes to standard error. */
#include "base/base.h"
#include "gallery/index.h"
#include "likeness/gallery.h"
#include "peak.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { DIM = 128, EACH = 5, PROBES = 1000, K = 10, CHUNK = 5000 };
static const double NOISE = 0.65; /* length of the noise, about */

static int fail(const lk_error *err) {
    fprintf(stderr, "bench_search: %s\n", err->message);
    return 4;
}

static int rising(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *times, size_t count, double q) {
    qsort(times, count, sizeof *times, rising);
    size_t at = (size_t)(q * (double)count);
    return times[at < count ? at : count - 1];
}

/* ---- the set --------------------------------------------------------------------------------------- */

static void normalise(float *v) {
    double norm = 0;
    for (int i = 0; i < DIM; i++) norm += (double)v[i] * (double)v[i];
    for (int i = 0; i < DIM; i++) v[i] = (float)((double)v[i] / sqrt(norm));
}

/* Photo `number` of a person; from EACH on they are probes. */
static void make_vector(size_t person, size_t number, float *out) {
    lk__random centre = lk__random_stream(1, person, 0, 0), noise = lk__random_stream(2, person, number, 0);
    for (int i = 0; i < DIM; i++) out[i] = (float)lk__random_normal(&centre);
    normalise(out);
    for (int i = 0; i < DIM; i++) out[i] += (float)(NOISE / sqrt(DIM) * lk__random_normal(&noise));
    normalise(out);
}

typedef struct making {
    size_t first, count;
    float *vectors; /* (count, DIM) */
} making;

static void make_some(void *context, int i, int n) {
    making *m = context;
    size_t first, last;
    lk__part(m->count, i, n, &first, &last);
    for (size_t p = first; p < last; p++)
        make_vector((m->first + p) / EACH, (m->first + p) % EACH, m->vectors + p * DIM);
}

static void make_photos(size_t first, size_t count, float *vectors) {
    making m = {first, count, vectors};
    lk__parallel(make_some, &m);
}

static void make_probes(size_t photos, float *probes) {
    size_t people = photos / EACH ? photos / EACH : 1;
    for (size_t p = 0; p < PROBES; p++) make_vector(p * 7919 % people, EACH + p / people, probes + p * DIM);
}

static lk_status write_floats(const char *folder, const char *name, const float *values, size_t count,
                              lk__writer **writer, lk_error *err) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    lk_status status = *writer ? LK_OK : lk__writer_open(path, writer, err);
    return status == LK_OK ? lk__writer_write(*writer, values, count * sizeof *values, err) : status;
}

static int make_set(const char *folder, size_t photos) {
    lk_error err;
    lk__writer *w = NULL;
    float *v = malloc((CHUNK > PROBES ? CHUNK : PROBES) * DIM * sizeof *v);
    if (!v) return 4;
    lk_status status = LK_OK;
    for (size_t at = 0; at < photos && status == LK_OK; at += CHUNK) {
        size_t count = photos - at < CHUNK ? photos - at : CHUNK;
        make_photos(at, count, v);
        status = write_floats(folder, "photos.f32", v, count * DIM, &w, &err);
    }
    if (status == LK_OK) status = lk__writer_commit(w, &err);
    w = NULL;
    make_probes(photos, v);
    if (status == LK_OK) status = write_floats(folder, "probes.f32", v, PROBES * DIM, &w, &err);
    if (status == LK_OK) status = lk__writer_commit(w, &err);
    free(v);
    return status == LK_OK ? 0 : fail(&err);
}

/* ---- the index ------------------------------------------------------------------------------------- */

typedef struct bench {
    lk__index *index;
    float *probes;
    lk__hit *hits;
    size_t *found;
    double *times; /* (PROBES) */
} bench;

static bool bench_new(bench *b, lk_error *err) {
    *b = (bench){.probes = malloc(PROBES * DIM * sizeof *b->probes),
                 .hits = malloc(PROBES * K * sizeof *b->hits),
                 .found = malloc(PROBES * sizeof *b->found),
                 .times = malloc(PROBES * sizeof *b->times)};
    return b->probes && b->hits && b->found && b->times && lk__index_new(DIM, &b->index, err) == LK_OK;
}

static lk_status append(lk__index *index, size_t first, const float *vectors, size_t count, lk_error *err) {
    int64_t photos[CHUNK], people[CHUNK];
    for (size_t i = 0; i < count; i++) {
        photos[i] = (int64_t)(first + i) + 1;
        people[i] = (int64_t)((first + i) / EACH) + 1;
    }
    return lk__index_append(index, photos, people, vectors, count, err);
}

/* Milliseconds of one search of `n` probes, median of `turns`. */
static double time_search(bench *b, size_t n, bool people, size_t turns) {
    for (size_t i = 0; i < turns + 3; i++) { /* the first three warm up */
        const float *probes = b->probes + (n == 1 ? i % PROBES : 0) * DIM;
        double start = lk__seconds();
        if (lk__index_search(b->index, probes, n, K, people, b->hits, b->found, NULL) != LK_OK) return NAN;
        if (i >= 3) b->times[i - 3] = 1e3 * (lk__seconds() - start);
    }
    return quantile(b->times, turns, 0.5);
}

static int bench_index(const char *folder, size_t photos) {
    lk_error err = {LK_OK, ""};
    bench b;
    uint8_t *bytes = NULL;
    size_t size = 0;
    char path[512];
    if (!bench_new(&b, &err)) return fail(&err);
    snprintf(path, sizeof path, "%s/photos.f32", folder);
    lk_status status = lk__file_read(path, photos * DIM * sizeof(float), &bytes, &size, &err);
    for (size_t at = 0; at < photos && status == LK_OK; at += CHUNK) {
        size_t count = photos - at < CHUNK ? photos - at : CHUNK;
        status = append(b.index, at, (const float *)(const void *)bytes + at * DIM, count, &err);
    }
    if (status != LK_OK) return fail(&err);
    free(bytes);
    make_probes(photos, b.probes);
    double one = time_search(&b, 1, false, 300);
    double read = peak_best(peak_measure(), peak_measure()).read;
    printf("one\t%.2f\n", 1e3 / one);
    printf("codes\t%.2f\n", (double)photos * (DIM / 2 + 1.5) / one * 1e-6); /* GB/s, with the bounds */
    printf("read\t%.2f\n", read);
    printf("one_people\t%.2f\n", 1e3 / time_search(&b, 1, true, 100));
    printf("batch\t%.1f\n", 1e3 * PROBES / time_search(&b, PROBES, false, 3));
    printf("batch_people\t%.1f\n", 1e3 * PROBES / time_search(&b, PROBES, true, 1));
    lk__threads_set(1);
    printf("one_core\t%.2f\n", 1e3 / time_search(&b, 1, false, 100));
    lk__index_free(b.index);
    return 0;
}

static int bench_large(size_t photos) {
    lk_error err = {LK_OK, ""};
    bench b;
    float *v = malloc(CHUNK * DIM * sizeof *v);
    if (!v || !bench_new(&b, &err)) return 4;
    for (size_t at = 0; at < photos; at += CHUNK) {
        size_t count = photos - at < CHUNK ? photos - at : CHUNK;
        make_photos(at, count, v);
        if (append(b.index, at, v, count, &err) != LK_OK) return fail(&err);
    }
    make_probes(photos, b.probes);
    printf("large\t%.2f\n", time_search(&b, 1, false, 50));
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("large_memory\t%.2f\n", (double)usage.ru_maxrss / (1 << 20));
    lk__index_free(b.index);
    return 0;
}

/* ---- the gallery ----------------------------------------------------------------------------------- */

/* CHUNK photos a transaction, as `likeness enroll` does with what it has at hand. */
static lk_status enroll(lk_gallery *g, size_t photos, lk_error *err) {
    typedef struct names {
        char person[32], photo[32];
    } names;
    float *v = malloc(CHUNK * DIM * sizeof *v);
    names *n = malloc(CHUNK * sizeof *n);
    lk_enrollment *e = calloc(CHUNK, sizeof *e);
    lk_status status = v && n && e ? LK_OK : lk__fail_memory(err, CHUNK * DIM * sizeof *v, "photos");
    for (size_t at = 0; at < photos && status == LK_OK; at += CHUNK) {
        size_t count = photos - at < CHUNK ? photos - at : CHUNK;
        make_photos(at, count, v);
        for (size_t i = 0; i < count; i++) {
            snprintf(n[i].person, sizeof n[i].person, "person %zu", (at + i) / EACH);
            snprintf(n[i].photo, sizeof n[i].photo, "%zu.jpg", at + i);
            e[i] = (lk_enrollment){.person = n[i].person, .photo = n[i].photo, .vector = v + i * DIM};
        }
        status = lk_gallery_enroll(g, e, count, NULL, err);
    }
    free(v);
    free(n);
    free(e);
    return status;
}

typedef struct searcher {
    lk_gallery *gallery;
    float probe[DIM];
    double *times;
    size_t count;
    atomic_bool stop;
} searcher;

enum { TIMES = 20000 };

static void *search_on(void *context) {
    searcher *s = context;
    lk__threads_set(1); /* the other core is for who changes it */
    while (!atomic_load(&s->stop) && s->count < TIMES) {
        lk_matches m;
        double start = lk__seconds();
        if (lk_gallery_search(s->gallery, s->probe, K, &m, NULL) != LK_OK) break;
        s->times[s->count++] = 1e3 * (lk__seconds() - start);
        lk_matches_free(&m);
    }
    return NULL;
}

/* For so many seconds; changes: a person a time is enrolled and removed again. */
static lk_status time_live(lk_gallery *g, bool changes, double seconds, searcher *s, size_t *changed,
                           lk_error *err) {
    pthread_t thread;
    lk_status status = LK_OK;
    s->count = 0;
    atomic_store(&s->stop, false);
    if (pthread_create(&thread, NULL, search_on, s) != 0) return LK_NO_MEMORY;
    double end = lk__seconds() + seconds;
    for (*changed = 0; lk__seconds() < end && status == LK_OK;) {
        float v[DIM];
        struct timespec pause = {0, 2000000};
        if (!changes) {
            nanosleep(&pause, NULL);
            continue;
        }
        make_vector(1u << 30, ++*changed, v);
        status = lk_gallery_add(g, "somebody new", "photo", v, NULL, err);
        if (status == LK_OK) status = lk_gallery_remove(g, "somebody new", NULL, err);
    }
    atomic_store(&s->stop, true);
    pthread_join(thread, NULL);
    return status;
}

static int bench_gallery(const char *folder, size_t photos) {
    const lk_vector_kind kind = {.dim = DIM, .fingerprint = "bench", .threshold = 0.5, .model_path = ""};
    char path[512];
    lk_error err = {LK_OK, ""};
    lk_gallery *g = NULL;
    lk_matches m;
    searcher s = {.times = malloc(TIMES * sizeof(double))};
    size_t changed = 0;
    if (!s.times) return 4;
    make_vector(3, EACH, s.probe);
    snprintf(path, sizeof path, "%s/bench.gallery", folder);
    double start = lk__seconds();
    lk_status status = lk_gallery_create(path, &kind, &g, &err);
    if (status == LK_OK) status = enroll(g, photos, &err);
    printf("enroll\t%.0f\n", (double)photos / (lk__seconds() - start));
    start = lk__seconds();
    if (status == LK_OK) status = lk_gallery_search(g, s.probe, K, &m, &err);
    if (status != LK_OK) return fail(&err);
    printf("first_without_file\t%.3f\n", lk__seconds() - start);
    lk_matches_free(&m);
    start = lk__seconds();
    lk_gallery_close(g);
    printf("close\t%.2f\n", lk__seconds() - start);
    start = lk__seconds();
    status = lk_gallery_open(path, 0, &g, &err);
    if (status == LK_OK) status = lk_gallery_search(g, s.probe, K, &m, &err);
    if (status != LK_OK) return fail(&err);
    printf("first\t%.3f\n", lk__seconds() - start);
    lk_matches_free(&m);
    s.gallery = g;
    status = time_live(g, false, 3, &s, &changed, &err);
    double still = quantile(s.times, s.count, 0.5), still_most = quantile(s.times, s.count, 0.99);
    if (status == LK_OK) status = time_live(g, true, 5, &s, &changed, &err);
    printf("still\t%.2f\nstill_99\t%.2f\n", still, still_most);
    printf("live\t%.2f\nlive_99\t%.2f\n", quantile(s.times, s.count, 0.5), quantile(s.times, s.count, 0.99));
    printf("changes\t%.0f\n", 2 * (double)changed / 5);
    lk_gallery_close(g);
    free(s.times);
    return status == LK_OK ? 0 : fail(&err);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "", *last = argc > 2 ? argv[argc - 1] : "0";
    size_t photos = strtoul(last, NULL, 10);
    if (argc == 4 && photos > 0 && strcmp(what, "set") == 0) return make_set(argv[2], photos);
    if (argc == 4 && photos > 0 && strcmp(what, "index") == 0) return bench_index(argv[2], photos);
    if (argc == 4 && photos > 0 && strcmp(what, "gallery") == 0) return bench_gallery(argv[2], photos);
    if (argc == 3 && photos > 0 && strcmp(what, "large") == 0) return bench_large(photos);
    fprintf(stderr, "usage: bench_search set|index|gallery DIR PHOTOS, or large PHOTOS\n");
    return 2;
}
