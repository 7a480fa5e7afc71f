/* job.c: many photos in the background. */
#include "server.h"

#include <stdlib.h>

struct serve_jobs {
    serve *server;
};

lk_status serve_jobs_new(serve *server, serve_jobs **out, lk_error *err) {
    serve_jobs *j = calloc(1, sizeof *j);
    if (!j) return serve_fail(err, LK_NO_MEMORY, "no memory for jobs");
    j->server = server;
    *out = j;
    return LK_OK;
}
void serve_jobs_stop(serve_jobs *jobs) {
    (void)jobs;
}
void serve_jobs_free(serve_jobs *jobs) {
    free(jobs);
}
void serve_jobs_wake(serve_jobs *jobs) {
    (void)jobs;
}
