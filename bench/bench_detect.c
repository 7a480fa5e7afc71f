/* bench_detect.c: faces found by lk_detector in a list of photos: what it
 * finds, or how fast. Our side of `make bench-detect`; bench/peer_opencv.py and
 * bench/peer_dlib.cc answer in the same words.
 *
 *   bench_detect [OPTION]... LIST       tab-separated: photo x y width height
 * confidence, then x y of five points bench_detect --seconds S ... LIST photos
 * a second, share of the cores' time it had, peak memory in MiB bench_detect
 * --frames FOLDER LIST   frames of 640 x 480 made of the photos, as PNG files,
 * and their list
 *
 * A line of LIST is a photo's path. All photos are decoded before the clock
 * starts; one detector a thread, photos shared out among the threads as they
 * become free, a photo on one thread. Time is that of whole passes over the
 * list. */
#include "base/base.h"

#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { FACES_MAX = 512, THREADS_MAX = 256, FRAME_WIDTH = 640, FRAME_HEIGHT = 480 };

typedef struct photos {
    size_t count;
    char **path;
    lk_image **image;
} photos;

typedef struct found {
    size_t count;
    lk_face *face;
} found;

typedef struct search {
    const photos *photos;
    const lk_model *model;
    lk_detect_options options;
    atomic_size_t next;
    found *found; /* of each photo; NULL: only the time counts */
} search;

typedef struct worker {
    pthread_t thread;
    search *job;
    lk_detector *detector;
    lk_status status;
    lk_error err;
} worker;

/* ---- photos -------------------------------------------------------------------------------------- */

static void photos_free(photos *p) {
    for (size_t i = 0; i < p->count; i++) {
        free(p->path[i]);
        lk_image_free(p->image[i]);
    }
    free(p->path);
    free(p->image);
    *p = (photos){0};
}

static lk_status photos_add(photos *p, const char *path, lk_error *err) {
    lk_image *image = NULL;
    lk_status status = lk_image_load(path, &image, err);
    if (status != LK_OK) return status;
    if ((p->count & (p->count - 1)) == 0) { /* a power of two: full */
        size_t room = p->count ? 2 * p->count : 1;
        char **paths = realloc(p->path, room * sizeof *paths);
        if (paths) p->path = paths;
        lk_image **images = realloc(p->image, room * sizeof *images);
        if (images) p->image = images;
        if (!paths || !images) status = lk__fail_memory(err, room * sizeof *images, "photos");
    }
    char *name = status == LK_OK ? strdup(path) : NULL;
    if (!name) {
        lk_image_free(image);
        return status != LK_OK ? status : lk__fail_memory(err, strlen(path) + 1, "a photo's name");
    }
    p->path[p->count] = name;
    p->image[p->count++] = image;
    return LK_OK;
}

static lk_status photos_load(const char *list, photos *p, lk_error *err) {
    uint8_t *bytes = NULL;
    size_t size;
    lk_status status = lk__file_read(list, (size_t)64 << 20, &bytes, &size, err);
    char *rest = NULL;
    for (char *line = status == LK_OK ? strtok_r((char *)bytes, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest)) {
        lk_error why;
        /* The peers and the truth leave such a photo out as well. */
        if (photos_add(p, line, &why) == LK_NO_MEMORY) {
            if (err) *err = why;
            status = LK_NO_MEMORY;
            break;
        }
        if (p->count == 0 || strcmp(p->path[p->count - 1], line) != 0)
            fprintf(stderr, "bench_detect: left out: %s\n", why.message);
    }
    free(bytes);
    if (status == LK_OK && p->count == 0) status = lk__fail(err, LK_EMPTY, "%s lists no photo", list);
    return status;
}

/* ---- finding ------------------------------------------------------------------------------------- */

static lk_status find(worker *w, size_t i) {
    static _Thread_local lk_face faces[FACES_MAX];
    size_t count;
    lk_status status =
        lk_detector_find(w->detector, w->job->photos->image[i], faces, FACES_MAX, &count, &w->err);
    if (status != LK_OK || !w->job->found || count == 0) return status;
    found *f = &w->job->found[i];
    f->face = malloc(count * sizeof *faces);
    if (!f->face) return lk__fail_memory(&w->err, count * sizeof *faces, "faces");
    memcpy(f->face, faces, count * sizeof *faces);
    f->count = count;
    return LK_OK;
}

static void *run(void *context) {
    worker *w = context;
    for (size_t i; (i = atomic_fetch_add(&w->job->next, 1)) < w->job->photos->count;) {
        w->status = find(w, i);
        if (w->status != LK_OK) break;
    }
    return NULL;
}

/* Every photo once. */
static lk_status pass(search *job, worker *workers, int threads, lk_error *err) {
    atomic_store(&job->next, 0);
    int started = 1;
    for (; started < threads; started++)
        if (pthread_create(&workers[started].thread, NULL, run, &workers[started]) != 0) break;
    run(&workers[0]);
    for (int i = 1; i < started; i++) pthread_join(workers[i].thread, NULL);
    if (started < threads) return lk__fail(err, LK_IO, "thread %d of %d does not start", started, threads);
    for (int i = 0; i < threads; i++)
        if (workers[i].status != LK_OK) {
            *err = workers[i].err;
            return workers[i].status;
        }
    return LK_OK;
}

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static lk_status measure(search *job, worker *workers, int threads, double seconds, lk_error *err) {
    lk_status status = pass(job, workers, threads, err); /* warms up */
    double start = lk__seconds(), cpu = cpu_seconds(), wall = 0;
    size_t done = 0;
    while (status == LK_OK && (done == 0 || wall < seconds)) {
        status = pass(job, workers, threads, err);
        done += job->photos->count;
        wall = lk__seconds() - start;
    }
    if (status != LK_OK) return status;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%.2f %.3f %.0f\n", (double)done / wall, (cpu_seconds() - cpu) / wall / threads,
           (double)usage.ru_maxrss / 1024);
    return LK_OK;
}

static lk_status print_faces(search *job, worker *workers, int threads, lk_error *err) {
    size_t count = job->photos->count;
    job->found = calloc(count, sizeof *job->found);
    if (!job->found) return lk__fail_memory(err, count * sizeof *job->found, "faces");
    lk_status status = pass(job, workers, threads, err);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < job->found[i].count && status == LK_OK; k++) {
            const lk_face *f = &job->found[i].face[k];
            printf("%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.5f", job->photos->path[i], (double)f->x, (double)f->y,
                   (double)f->width, (double)f->height, (double)f->confidence);
            for (int p = 0; p < LK_FACE_POINTS; p++)
                printf("\t%.2f\t%.2f", (double)f->point[p].x, (double)f->point[p].y);
            putchar('\n');
        }
        free(job->found[i].face);
    }
    free(job->found);
    job->found = NULL;
    return status;
}

/* ---- frames -------------------------------------------------------------------------------------- */

/* A frame is full of photos: each as high as the frame, the next beside it, the
 * last cut at the border. Grey bars around a single photo would cost a cascade
 * nothing, and no camera delivers them. */
static lk_status make_frames(const photos *p, const char *folder, lk_error *err) {
    static uint8_t frame[FRAME_HEIGHT * FRAME_WIDTH * 3];
    lk_status status = LK_OK;
    int filled = 0, number = 0;
    for (size_t i = 0; i < p->count && status == LK_OK; i++) {
        lk_image *photo = NULL;
        int width = lk_image_width(p->image[i]) * FRAME_HEIGHT / lk_image_height(p->image[i]);
        status = lk_image_resize(p->image[i], width > 0 ? width : 1, FRAME_HEIGHT, &photo, err);
        if (status != LK_OK) break;
        width = lk_image_width(photo);
        int use = width < FRAME_WIDTH - filled ? width : FRAME_WIDTH - filled;
        for (int y = 0; y < FRAME_HEIGHT; y++)
            memcpy(frame + ((size_t)y * FRAME_WIDTH + (size_t)filled) * 3,
                   lk_image_pixels(photo) + (size_t)y * (size_t)width * 3, (size_t)use * 3);
        lk_image_free(photo);
        filled += use;
        if (filled < FRAME_WIDTH) continue;
        char path[4096];
        lk_image *whole = NULL;
        filled = 0;
        snprintf(path, sizeof path, "%s/%04d.png", folder, number++);
        status = lk_image_new(FRAME_WIDTH, FRAME_HEIGHT, frame, 0, &whole, err);
        if (status == LK_OK) status = lk_image_save(whole, path, 100, err);
        if (status == LK_OK) puts(path);
        lk_image_free(whole);
    }
    return status;
}

/* ---- the program --------------------------------------------------------------------------------- */

typedef struct arguments {
    const char *model, *frames, *list;
    int threads, size, min_face; /* 0: as the library has it */
    double confidence, seconds;  /* < 0: as the library has it; print faces */
    bool bf16;
} arguments;

static bool parse(int argc, char **argv, arguments *a) {
    static const struct option names[] = {{"model", required_argument, NULL, 'm'},
                                          {"size", required_argument, NULL, 's'},
                                          {"min-face", required_argument, NULL, 'f'},
                                          {"confidence", required_argument, NULL, 'c'},
                                          {"threads", required_argument, NULL, 't'},
                                          {"precision", required_argument, NULL, 'p'},
                                          {"seconds", required_argument, NULL, 'd'},
                                          {"frames", required_argument, NULL, 'o'},
                                          {NULL, 0, NULL, 0}};
    *a = (arguments){.model = "models/detect.safetensors", .threads = 1, .confidence = -1, .seconds = -1};
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) switch (option) {
        case 'm': a->model = optarg; break;
        case 's': a->size = atoi(optarg); break;
        case 'f': a->min_face = atoi(optarg); break;
        case 'c': a->confidence = atof(optarg); break;
        case 't': a->threads = atoi(optarg); break;
        case 'd': a->seconds = atof(optarg); break;
        case 'o': a->frames = optarg; break;
        case 'p':
            a->bf16 = strcmp(optarg, "bf16") == 0;
            if (!a->bf16 && strcmp(optarg, "f32") != 0) return false;
            break;
        default: return false;
        }
    a->list = optind == argc - 1 ? argv[optind] : NULL;
    if (a->threads == 0) a->threads = lk__cores();
    return a->list && a->threads > 0 && a->threads <= THREADS_MAX && a->size >= 0;
}

static lk_status detect(const arguments *a, const photos *p, lk_error *err) {
    static worker workers[THREADS_MAX];
    lk_model *model = NULL;
    lk_status status = lk_model_open(a->model, &model, err);
    if (status != LK_OK) return status;
    search job = {.photos = p, .model = model, .options = lk_detect_options_default(model)};
    job.options.threads = 1;
    job.options.precision = a->bf16 ? LK_PRECISION_BF16 : LK_PRECISION_F32;
    if (a->size > 0) job.options.size = a->size;
    if (a->min_face > 0) job.options.min_face = a->min_face;
    if (a->confidence >= 0) job.options.confidence = a->confidence;
    int made = 0;
    for (; made < a->threads && status == LK_OK; made++) {
        workers[made].job = &job;
        status = lk_detector_new(model, &job.options, &workers[made].detector, err);
    }
    if (status == LK_OK)
        status = a->seconds >= 0 ? measure(&job, workers, a->threads, a->seconds, err)
                                 : print_faces(&job, workers, a->threads, err);
    while (made > 0) lk_detector_free(workers[--made].detector);
    lk_model_free(model);
    return status;
}

int main(int argc, char **argv) {
    arguments a;
    if (!parse(argc, argv, &a)) {
        fprintf(stderr, "Usage: bench_detect [--model FILE] [--size PIXELS] "
                        "[--min-face PIXELS] [--confidence C]\n"
                        "           [--threads N] [--precision f32|bf16] "
                        "[--seconds S | --frames FOLDER] LIST\n");
        return 2;
    }
    photos p = {0};
    lk_error err = {LK_OK, ""};
    lk_status status = photos_load(a.list, &p, &err);
    if (status == LK_OK) status = a.frames ? make_frames(&p, a.frames, &err) : detect(&a, &p, &err);
    photos_free(&p);
    if (status != LK_OK) fprintf(stderr, "bench_detect: %s\n", err.message);
    return status == LK_OK ? 0 : 4;
}
