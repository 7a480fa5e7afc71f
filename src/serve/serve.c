/* serve.c: start, wait for a signal, finish what is in flight, stop. */
#include "server.h"

#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MEGA = 1 << 20 };
static const double DRAIN = 30; /* seconds for what is in flight when the server is told to stop */

serve_options serve_options_default(void) {
    return (serve_options){.listen = "127.0.0.1:8080",
                           .threshold = NAN,
                           .fpir = 1e-2,
                           .far = 1e-3,
                           .prior = 0.5,
                           .detect_size = 640,
                           .confidence = NAN,
                           .body_limit = 16 * (size_t)MEGA,
                           .pixels_limit = 32 * 1000 * 1000,
                           .faces_limit = 64,
                           .bodies_limit = 512 * (size_t)MEGA,
                           .connections = 256,
                           .per_address = 64,
                           .seconds = 20,
                           .waiting = 64,
                           .job_limit = 256 * (size_t)MEGA};
}

/* SIGPIPE: a caller that is gone is no reason to end. */
static void signals_block(sigset_t *waited, sigset_t *before) {
    sigset_t blocked;
    sigemptyset(waited);
    sigaddset(waited, SIGTERM);
    sigaddset(waited, SIGINT);
    blocked = *waited;
    sigaddset(&blocked, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &blocked, before);
}

static lk_status start(serve *s, lk_error *err) {
    lk_status status = LK_OK;
    s->metrics = serve_metrics_new();
    if (!s->metrics) status = serve_fail(err, LK_NO_MEMORY, "no memory for the server");
    if (status == LK_OK) status = serve_work_new(s, &s->work, err);
    if (status == LK_OK) status = serve_jobs_new(s, &s->jobs, err);
    if (status == LK_OK) status = serve_http_start(s, &s->http, err);
    return status;
}

static void stop(serve *s) {
    if (s->jobs) serve_jobs_stop(s->jobs);
    if (s->http) serve_http_drain(s->http, DRAIN);
    if (s->work) serve_work_end(s->work);
    serve_http_free(s->http); /* and with it what listens to jobs */
    serve_work_free(s->work);
    serve_jobs_free(s->jobs);
    serve_guard_free(s->guard);
    serve_metrics_free(s->metrics);
}

static const char *scheme(const serve *s) {
    return s->tls ? "https" : "http";
}

/* The address that was asked for, with the port that it got. */
static void say_where(const serve *s) {
    const serve_options *o = s->options;
    const char *colon = strrchr(o->listen, ':');
    o->say("serving on %s://%.*s:%d/", scheme(s), (int)(colon - o->listen), o->listen,
           serve_http_port(s->http));
}

lk_status serve_run(const serve_options *options, lk_error *err) {
    serve_options o = *options;
    if (o.threads == 0) o.threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (sodium_init() < 0) return serve_fail(err, LK_INTERNAL, "there are no random numbers");
    if (!o.tls_cert != !o.tls_key)
        return serve_fail(err, LK_INVALID, "--tls-cert and --tls-key belong together: give both");
    sigset_t waited, before;
    serve s = {.options = &o, .dim = lk_model_dim(o.model), .started = serve_seconds()};
    pthread_mutex_init(&s.change, NULL);
    pthread_mutex_init(&s.rule_lock, NULL);
    s.rule_made = -INFINITY;
    signals_block(&waited, &before);
    lk_status status = start(&s, err);
    if (status == LK_OK) {
        int number = 0;
        say_where(&s);
        while (sigwait(&waited, &number) != 0) {
        }
        o.say("stopping: finishing what was begun");
    }
    stop(&s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_mutex_destroy(&s.change);
    pthread_mutex_destroy(&s.rule_lock);
    return status;
}
