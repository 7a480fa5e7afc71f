/* metrics.c: what is counted, in the text format of Prometheus (version 0.0.4). Names and labels say nothing
 * of anybody: a route is its pattern. */
#include "server.h"

#include <malloc.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double buckets[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
enum { BUCKETS = sizeof buckets / sizeof *buckets, ROUTES_MAX = 64, CLASSES = 6 };

typedef struct route_figures {
    atomic_ullong status[CLASSES]; /* 1xx .. 5xx */
    atomic_ullong bucket[BUCKETS + 1], nanoseconds;
} route_figures;

struct serve_metrics {
    route_figures route[ROUTES_MAX + 1]; /* the last: no route */
    atomic_ullong count[SERVE_COUNTS];
};

serve_metrics *serve_metrics_new(void) {
    return calloc(1, sizeof(serve_metrics));
}

void serve_metrics_free(serve_metrics *metrics) {
    free(metrics);
}

void serve_metrics_add(serve_metrics *metrics, serve_count what, uint64_t by) {
    atomic_fetch_add_explicit(&metrics->count[what], by, memory_order_relaxed);
}

void serve_metrics_request(serve_metrics *metrics, const serve_route *route, int status, double seconds) {
    size_t i = route ? (size_t)(route - serve_routes) : ROUTES_MAX, b = 0;
    route_figures *f = &metrics->route[i < ROUTES_MAX ? i : ROUTES_MAX];
    atomic_fetch_add_explicit(&f->status[status / 100 % CLASSES], 1, memory_order_relaxed);
    while (b < BUCKETS && seconds > buckets[b]) b++;
    atomic_fetch_add_explicit(&f->bucket[b], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&f->nanoseconds, (unsigned long long)(seconds * 1e9), memory_order_relaxed);
}

static unsigned long long read_count(atomic_ullong *count) {
    return atomic_load_explicit(count, memory_order_relaxed);
}

static void head(FILE *out, const char *name, const char *type, const char *help) {
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_requests(FILE *out, serve_metrics *m) {
    head(out, "likeness_requests_total", "counter", "Requests answered, by route and class of status.");
    for (size_t i = 0; i <= ROUTES_MAX; i++)
        for (int c = 1; c < CLASSES; c++) {
            unsigned long long n = read_count(&m->route[i].status[c]);
            if (n)
                fprintf(out, "likeness_requests_total{method=\"%s\",route=\"%s\",status=\"%dxx\"} %llu\n",
                        i < serve_route_count ? serve_routes[i].method : "",
                        i < serve_route_count ? serve_routes[i].path : "", c, n);
        }
    head(out, "likeness_request_seconds", "histogram", "Seconds from the header to the answer, by route.");
    for (size_t i = 0; i < serve_route_count; i++) {
        const serve_route *r = &serve_routes[i];
        unsigned long long sum = 0;
        for (size_t b = 0; b <= BUCKETS; b++) sum += read_count(&m->route[i].bucket[b]);
        if (!sum) continue;
        unsigned long long all = 0;
        for (size_t b = 0; b <= BUCKETS; b++) {
            char le[16] = "+Inf";
            if (b < BUCKETS) snprintf(le, sizeof le, "%g", buckets[b]);
            all += read_count(&m->route[i].bucket[b]);
            fprintf(out, "likeness_request_seconds_bucket{method=\"%s\",route=\"%s\",le=\"%s\"} %llu\n",
                    r->method, r->path, le, all);
        }
        fprintf(out, "likeness_request_seconds_sum{method=\"%s\",route=\"%s\"} %.6f\n", r->method, r->path,
                (double)read_count(&m->route[i].nanoseconds) / 1e9);
        fprintf(out, "likeness_request_seconds_count{method=\"%s\",route=\"%s\"} %llu\n", r->method, r->path,
                all);
    }
}

static void print_counts(FILE *out, serve_metrics *m) {
    static const char *const names[SERVE_COUNTS][2] = {
        [SERVE_COUNT_PHOTOS] = {"photos", "Photos decoded."},
        [SERVE_COUNT_FACES] = {"faces", "Faces found."},
        [SERVE_COUNT_BATCHES] = {"batches", "Batches of faces embedded."},
        [SERVE_COUNT_BATCHED] = {"batched_faces", "Faces in these batches."},
        [SERVE_COUNT_SEARCHES] = {"searches", "Faces searched for."},
        [SERVE_COUNT_ENROLLED] = {"enrolled", "Photos enrolled."},
        [SERVE_COUNT_CUT] = {"connections_cut", "Connections cut because they took too long."},
        [SERVE_COUNT_REFUSED] = {"refused", "Requests refused: too many waiting, or not allowed."},
    };
    for (int i = 0; i < SERVE_COUNTS; i++) {
        char name[64];
        snprintf(name, sizeof name, "likeness_%s_total", names[i][0]);
        head(out, name, "counter", names[i][1]);
        fprintf(out, "%s %llu\n", name, read_count(&m->count[i]));
    }
}

static void gauge(FILE *out, const char *name, const char *help, double value) {
    head(out, name, "gauge", help);
    fprintf(out, "%s %.17g\n", name, value);
}

static double resident_bytes(void) {
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long size = 0, resident = 0;
    if (!file) return 0;
    int got = fscanf(file, "%lu %lu", &size, &resident); // NOLINT(cert-err34-c): of the kernel
    fclose(file);
    return got == 2 ? (double)resident * (double)sysconf(_SC_PAGESIZE) : 0;
}

void serve_api_metrics(serve_request *r) {
    serve *s = r->server;
    char *text = NULL;
    size_t size = 0;
    lk_gallery_info info = {0};
    lk_error err;
    if (lk_gallery_get_info(s->options->gallery, &info, &err) != LK_OK) {
        serve_answer_error(r, &err, false);
        return;
    }
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        serve_answer_json(r, 503, NULL);
        return;
    }
    print_requests(out, s->metrics);
    print_counts(out, s->metrics);
    gauge(out, "likeness_waiting", "Requests in line.", (double)serve_work_waiting(s->work));
    gauge(out, "likeness_gallery_people", "People in the gallery.", (double)info.people);
    gauge(out, "likeness_gallery_photos", "Photos in the gallery.", (double)info.photos);
    gauge(out, "likeness_uptime_seconds", "Seconds since the start.", serve_seconds() - s->started);
    gauge(out, "process_resident_memory_bytes", "Resident memory.", resident_bytes());
    if (fclose(out) != 0) {
        free(text);
        serve_answer_json(r, 503, NULL);
        return;
    }
    r->status = 200;
    r->answer = text;
    r->answer_size = size;
    r->answer_type = "text/plain; version=0.0.4; charset=utf-8";
    r->private_body = true;
}
