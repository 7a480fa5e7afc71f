/* routes.c: every route there is. docs/openapi.json describes them, and a test holds the two against each
 * other.
 *
 * Paths are compared as they came, piece by piece between slashes, and only an argument is decoded: so a name
 * with a slash in it, %2F, stays one argument, and nothing that is decoded is ever taken for a path. */
#include "server.h"

#include <string.h>

#define WRITES_BODY (SERVE_BODY | SERVE_WRITE)
/* A probe changes nothing, but it costs: other sites' pages may not ask for it either. */
#define PROBES (SERVE_BODY | SERVE_WRITE)

const serve_route serve_routes[] = {
    {"GET", "/", SERVE_NOBODY, SERVE_NOW, SERVE_OPEN, NULL, serve_api_page},
    {"GET", "/web/{file}", SERVE_NOBODY, SERVE_NOW, SERVE_OPEN, NULL, serve_api_page},
    {"GET", "/openapi.json", SERVE_NOBODY, SERVE_NOW, SERVE_OPEN, NULL, serve_api_openapi},
    {"GET", "/health", SERVE_NOBODY, SERVE_NOW, SERVE_OPEN, NULL, serve_api_health},
    {"GET", "/metrics", SERVE_READ, SERVE_DESK, 0, NULL, serve_api_metrics},
    {"GET", "/v1/info", SERVE_READ, SERVE_DESK, 0, NULL, serve_api_info},
    {"POST", "/v1/detect", SERVE_READ, SERVE_LOOK, PROBES, serve_prepare_one, serve_api_detect},
    {"POST", "/v1/embed", SERVE_READ, SERVE_LOOK, PROBES | SERVE_EMBED, serve_prepare_one, serve_api_embed},
    {"POST", "/v1/verify", SERVE_READ, SERVE_LOOK, PROBES | SERVE_EMBED, serve_prepare_pair,
     serve_api_verify},
    {"POST", "/v1/identify", SERVE_READ, SERVE_LOOK, PROBES | SERVE_EMBED | SERVE_SEARCH, serve_prepare_probe,
     serve_api_identify},
    {"GET", "/v1/people", SERVE_READ, SERVE_DESK, 0, NULL, serve_api_people},
    {"GET", "/v1/people/{person}", SERVE_READ, SERVE_DESK, 0, NULL, serve_api_person},
    {"PATCH", "/v1/people/{person}", SERVE_ADMIN, SERVE_DESK, WRITES_BODY, NULL, serve_api_rename},
    {"DELETE", "/v1/people/{person}", SERVE_ADMIN, SERVE_DESK, SERVE_WRITE, NULL, serve_api_remove},
    {"POST", "/v1/people/{person}/photos", SERVE_ENROLL, SERVE_LOOK, WRITES_BODY | SERVE_EMBED,
     serve_prepare_enroll, serve_api_enroll},
    {"POST", "/v1/people/{person}/merge", SERVE_ADMIN, SERVE_DESK, WRITES_BODY, NULL, serve_api_merge},
    {"PATCH", "/v1/photos/{photo_id}", SERVE_ADMIN, SERVE_DESK, WRITES_BODY, NULL, serve_api_photo_move},
    {"DELETE", "/v1/photos/{photo_id}", SERVE_ADMIN, SERVE_DESK, SERVE_WRITE, NULL, serve_api_photo_remove},
    {"GET", "/v1/photos/{photo_id}/crop", SERVE_READ, SERVE_DESK, 0, NULL, serve_api_photo_crop},
    {"GET", "/v1/duplicates", SERVE_READ, SERVE_DESK, 0, NULL, serve_api_duplicates},
    {"GET", "/v1/map", SERVE_READ, SERVE_DESK, 0, NULL, serve_api_map},
    {"GET", "/v1/audit", SERVE_ADMIN, SERVE_DESK, 0, NULL, serve_api_audit},
    {"POST", "/v1/jobs", SERVE_ENROLL, SERVE_DESK, WRITES_BODY | SERVE_UPLOAD, NULL, serve_api_job_start},
    {"GET", "/v1/jobs", SERVE_ENROLL, SERVE_DESK, 0, NULL, serve_api_jobs},
    {"GET", "/v1/jobs/{job}", SERVE_ENROLL, SERVE_DESK, 0, NULL, serve_api_job},
    {"DELETE", "/v1/jobs/{job}", SERVE_ENROLL, SERVE_DESK, SERVE_WRITE, NULL, serve_api_job_cancel},
    {"GET", "/v1/jobs/{job}/events", SERVE_ENROLL, SERVE_DESK, 0, NULL, serve_api_job_events},
};
const size_t serve_route_count = sizeof serve_routes / sizeof *serve_routes;

/* Does the path fit the pattern? The argument goes into arg, encoded; *fits is false if it is too long. */
static bool fits(const char *pattern, const char *path, char *arg, bool *whole) {
    *whole = true;
    while (*pattern) {
        if (*pattern != '{') {
            if (*pattern++ != *path++) return false;
            continue;
        }
        size_t size = strcspn(path, "/");
        if (size == 0) return false;
        *whole = size < SERVE_ARG_BYTES;
        if (*whole) {
            memcpy(arg, path, size);
            arg[size] = 0;
        }
        path += size;
        pattern += strcspn(pattern, "}") + 1;
    }
    return *path == 0;
}

const serve_route *serve_route_find(const char *method, const char *path,
                                    char args[SERVE_ARGS][SERVE_ARG_BYTES], bool *other, bool *bad) {
    *other = *bad = false;
    if (strcmp(method, "HEAD") == 0) method = "GET";
    for (size_t i = 0; i < serve_route_count; i++) {
        bool whole;
        args[0][0] = 0;
        if (!fits(serve_routes[i].path, path, args[0], &whole)) continue;
        if (strcmp(serve_routes[i].method, method) != 0) {
            *other = true;
            continue;
        }
        *other = false;
        *bad = !whole || !serve_text_decode(args[0]);
        return *bad ? NULL : &serve_routes[i];
    }
    return NULL;
}
