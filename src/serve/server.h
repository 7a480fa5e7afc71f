/* server.h: what the files of this room share.
 *
 *   serve.c        start, wait for a signal, finish what is in flight, stop
 *   http.c         requests come in whole, answers go out (libmicrohttpd); nothing here blocks
 *   guard.c        who may ask: host, origin, token; connections that take too long are cut
 *   routes.c       the table of all routes
 *   text.c         percent-encoding, UTF-8, numbers: text from outside
 *   multipart.c    a multipart/form-data body to its parts
 *   answer.c       JSON and problem+json answers
 *   work.c         lanes, workers, batches: who works on which request when
 *   shot.c         one photo: bytes to faces to crops
 *   api_*.c        what each route does
 *   job.c          many photos in the background; bundle.c takes them out of an upload
 *   rule.c         from which cosine on somebody is known
 *   metrics.c      counters, in Prometheus' format
 *   token.c        tokens on disk
 *   web/           the page, embedded (cmake/embed.cmake)
 *
 * The path of a photo:
 *
 *   http.c: body complete -> lane LOOK
 *     a worker: prepare (body to shots) -> decode, find faces, cut them            its own detector
 *     batch: faces of several requests in one -> vectors -> lk_gallery_search_many its own embedder
 *     answer -> http.c sends
 *
 * A request belongs to one thread at a time: to http.c until it is in a lane, then to the worker that took
 * it, then to http.c again. */
#ifndef LIKENESS_SERVER_H
#define LIKENESS_SERVER_H

#include "serve.h"

#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>

struct MHD_Connection;
struct MHD_Response;

typedef struct serve serve;
typedef struct serve_request serve_request;

/* ---- text from outside (text.c) ------------------------------------------------------------------------ */

/* %XX decoded in place. false: broken escapes, a zero byte, or no UTF-8. */
bool serve_text_decode(char *text);
bool serve_text_utf8(const char *text, size_t size);
/* Decimal digits only; a real without blanks, inf or nan. */
bool serve_text_whole(const char *text, uint64_t low, uint64_t high, uint64_t *value);
bool serve_text_real(const char *text, double low, double high, double *value);
/* Does a header of ';' parts have this value first, whatever its case? "multipart/form-data; boundary=x" */
bool serve_text_is(const char *header, const char *value);
/* Is `needle` in `text`, letters of ASCII in whatever case? */
bool serve_text_has(const char *text, const char *needle);

/* ---- bodies (multipart.c) ------------------------------------------------------------------------------ */

/* One part of a body; bytes lie in the body. */
typedef struct serve_part {
    char name[64], file[256];
    const uint8_t *bytes;
    size_t size;
} serve_part;
/* INVALID: not such a body. TOO_LARGE: more parts than `capacity`, or longer names than a part holds. */
lk_status serve_multipart_parse(const char *content_type, const uint8_t *body, size_t size, serve_part *parts,
                                size_t capacity, size_t *count, lk_error *err);

/* ---- routes (routes.c) --------------------------------------------------------------------------------- */

typedef enum serve_lane {
    SERVE_NOW,  /* at once, by http.c: nothing that waits */
    SERVE_DESK, /* the gallery: reads and writes */
    SERVE_LOOK  /* photos: faces are looked for */
} serve_lane;

enum {
    SERVE_BODY = 1,   /* has one */
    SERVE_UPLOAD = 2, /* and it may be as large as a job */
    SERVE_EMBED = 4,  /* the faces get vectors */
    SERVE_SEARCH = 8, /* and these are searched for */
    SERVE_WRITE = 16, /* changes something: not for other sites' pages */
    SERVE_OPEN = 32   /* no token is asked for */
};

typedef struct serve_route {
    const char *method, *path; /* "/v1/people/{person}" */
    serve_role role;
    serve_lane lane;
    unsigned flags;
    void (*prepare)(serve_request *request); /* LOOK: the body to shots or vectors. It may answer already */
    void (*answer)(serve_request *request);
} serve_route;

extern const serve_route serve_routes[];
extern const size_t serve_route_count;
/* The route of a path (still encoded), its arguments decoded into args; NULL and *other set where the path is
 * known for another method; *bad: an argument is no text. */
enum { SERVE_ARGS = 1, SERVE_ARG_BYTES = 1024, SERVE_QUERIES = 16 };
const serve_route *serve_route_find(const char *method, const char *path,
                                    char args[SERVE_ARGS][SERVE_ARG_BYTES], bool *other, bool *bad);

/* ---- what a cosine means (rule.c) ------------------------------------------------------------------- */

typedef struct serve_rule {
    const lk_calibration *calibration; /* NULL: none */
    double threshold, pair;            /* of a gallery, of two photos; NaN: the model has none */
    double prior;                      /* of a match in the gallery */
    lk_gallery_info info;              /* of a second ago at most */
} serve_rule;
void serve_rule_make(const serve_options *options, const lk_gallery_info *info, serve_rule *out);
void serve_rule_stale(serve *server); /* the gallery changed */
lk_status serve_rule_now(serve *server, serve_rule *out, lk_error *err);
double serve_rule_fpir(const serve_rule *rule, double threshold); /* NaN: not known */
double serve_rule_probability(const serve_rule *rule, double cosine, double prior);

/* ---- one request --------------------------------------------------------------------------------------- */

typedef enum serve_pick { SERVE_PICK_ALL, SERVE_PICK_LARGEST, SERVE_PICK_ONLY, SERVE_PICK_NUMBER } serve_pick;

/* One photo of a request. */
typedef struct serve_shot {
    const uint8_t *bytes; /* in the body */
    size_t size;
    char name[256];
    serve_pick pick;
    size_t number; /* from 0, with SERVE_PICK_NUMBER */

    lk_status status; /* what was wrong with it */
    lk_error why;
    int width, height;
    lk_face *faces; /* (found): widest first */
    size_t found, left_out;
    size_t *number_of; /* (count): which face */
    lk_image **crops;  /* (count) */
    size_t count;
    size_t first; /* its vectors are the request's from here */
    uint8_t hash[LK_PROBE_HASH_BYTES];
} serve_shot;

typedef struct serve_query {
    char *key, *value; /* decoded */
} serve_query;

struct serve_request {
    serve *server;
    const serve_route *route;
    struct MHD_Connection *connection;
    char args[SERVE_ARGS][SERVE_ARG_BYTES];
    serve_query query[SERVE_QUERIES];
    size_t query_count;
    char content_type[256];
    uint8_t *body;
    size_t size, capacity;
    serve_role role;
    char who[SERVE_NAME_BYTES]; /* the name of the token, or "" */
    double began, queued;

    serve_shot *shots;
    size_t shot_count;
    float *vectors; /* (vector_count, dim) */
    size_t vector_count;
    size_t k;    /* closest of each vector */
    bool people; /* people, not photos */
    double threshold;
    serve_rule rule;
    lk_matches *matches; /* (vector_count) */

    int status; /* of the answer; 0: none yet */
    char *answer;
    size_t answer_size;
    const char *answer_type;
    struct MHD_Response *stream; /* instead of answer */
    const char *extra_header, *extra_value;
    bool private_body; /* answer is to be freed */
    serve_request *next;
};

/* The query's value, or NULL. */
const char *serve_query_get(const serve_request *r, const char *key);
/* Absent: the fallback. A bad one is answered: false. */
bool serve_query_whole(serve_request *r, const char *key, uint64_t low, uint64_t high, uint64_t fallback,
                       uint64_t *value);
bool serve_query_real(serve_request *r, const char *key, double low, double high, double fallback,
                      double *value);

/* ---- answers (answer.c) -------------------------------------------------------------------------------- */

/* JSON; takes the value, which may be NULL: then there was no memory. */
void serve_answer_json(serve_request *r, int status, json_t *value);
/* problem+json (RFC 9457). */
void serve_answer_problem(serve_request *r, int status, const char *title, const char *format, ...)
    LK_PRINTF(4, 5);
/* The same of an error; `input`: it is about what was sent, so what is damaged is the caller's. */
void serve_answer_error(serve_request *r, const lk_error *err, bool input);
json_t *serve_problem_json(const lk_error *err, bool input);
int serve_http_status(lk_status status, bool input);
json_t *serve_json_text(const char *text);    /* NULL becomes null, broken UTF-8 a replacement */
json_t *serve_json_real(double value);        /* not finite: null */
json_t *serve_json_face(const lk_face *face); /* box, points, confidence, quality */

/* ---- shots (shot.c) ------------------------------------------------------------------------------------ */

typedef struct serve_eye serve_eye; /* a worker's own detector and embedder */
lk_status serve_eye_new(const serve *server, serve_eye **out, lk_error *err);
void serve_eye_free(serve_eye *eye);
/* Decode, find faces, and with `cut` cut out those of the pick. What is wrong stays in the shot. */
void serve_shot_look(serve_eye *eye, serve_shot *shot, bool cut);
lk_status serve_eye_embed(serve_eye *eye, const lk_image *const *crops, size_t count, float *vectors,
                          lk_error *err);
void serve_shot_free(serve_shot *shot);
/* Body (raw photo or multipart) to shots, at most `most` of them; false: answered. */
bool serve_request_shots(serve_request *r, size_t most, serve_pick pick);
/* ?face=only|largest|all|N */
bool serve_request_pick(serve_request *r, serve_pick fallback, serve_pick *pick, size_t *number);
/* Why nothing of the shot can be enrolled (count 0), in the words of likeness enroll. */
void serve_shot_why(const serve_shot *shot, lk_error *why);
/* Enroll the shot's faces as the person's; what is stored is called as the shot. Under the server's change
 * lock. */
lk_status serve_shot_enroll(serve *server, const serve_shot *shot, const float *vectors, const char *person,
                            int64_t *ids, lk_error *err);

/* ---- work (work.c) ------------------------------------------------------------------------------------- */

typedef struct serve_work serve_work;
lk_status serve_work_new(serve *server, serve_work **out, lk_error *err);
/* false: too many are waiting. Else the request is the workers' until serve_http_done. */
bool serve_work_put(serve_work *work, serve_request *request);
/* Do what is in line, take no more, and end the threads. */
void serve_work_end(serve_work *work);
void serve_work_free(serve_work *work);
size_t serve_work_waiting(serve_work *work);

/* ---- network (http.c, guard.c) ------------------------------------------------------------------------- */

typedef struct serve_http serve_http;
lk_status serve_http_start(serve *server, serve_http **out, lk_error *err);
/* The answer is made: send it. From any thread; the request is gone for the caller. */
void serve_http_done(serve_request *request);
int serve_http_port(const serve_http *http);
/* Of a body that was taken from its request. */
void serve_http_body_free(serve *server, uint8_t *body, size_t capacity);
/* No new connections and requests; wait, at most `seconds`, until what is in flight has been answered and
 * taken. */
void serve_http_drain(serve_http *http, double seconds);
/* After serve_work_end: nothing may be in the workers' hands. */
void serve_http_free(serve_http *http);

typedef struct serve_guard serve_guard;
lk_status serve_guard_new(const serve_options *options, bool loopback, serve_guard **out, lk_error *err);
void serve_guard_free(serve_guard *guard);
/* May this be asked? If not, the problem is the request's answer. */
bool serve_guard_admits(serve_guard *guard, serve_request *request);

/* ---- jobs (job.c) -------------------------------------------------------------------------------------- */

typedef struct serve_jobs serve_jobs;
lk_status serve_jobs_new(serve *server, serve_jobs **out, lk_error *err);
/* Stop after the photo that is being worked on. */
void serve_jobs_stop(serve_jobs *jobs);
void serve_jobs_free(serve_jobs *jobs);
/* Listeners that wait are told to look again (heartbeat). */
void serve_jobs_wake(serve_jobs *jobs);

/* ---- metrics (metrics.c) ------------------------------------------------------------------------------- */

typedef struct serve_metrics serve_metrics;
serve_metrics *serve_metrics_new(void); /* NULL: no memory */
void serve_metrics_free(serve_metrics *metrics);
typedef enum serve_count {
    SERVE_COUNT_PHOTOS,
    SERVE_COUNT_FACES,
    SERVE_COUNT_BATCHES,
    SERVE_COUNT_BATCHED,
    SERVE_COUNT_SEARCHES,
    SERVE_COUNT_ENROLLED,
    SERVE_COUNT_CUT,
    SERVE_COUNT_REFUSED,
    SERVE_COUNTS
} serve_count;
void serve_metrics_add(serve_metrics *metrics, serve_count what, uint64_t by);
void serve_metrics_request(serve_metrics *metrics, const serve_route *route, int status, double seconds);

/* ---- the whole ----------------------------------------------------------------------------------------- */

struct serve {
    const serve_options *options;
    int dim;
    bool loopback, tls;
    double started;
    pthread_mutex_t rule_lock;
    serve_rule rule;
    double rule_made;
    pthread_mutex_t change; /* held while the gallery is changed: a transaction is one caller's */
    serve_metrics *metrics;
    serve_work *work;
    serve_jobs *jobs;
    serve_guard *guard;
    serve_http *http;
    atomic_size_t body_bytes; /* of all requests and jobs that are in */
};

/* A file of the page, embedded. */
typedef struct serve_file {
    const char *path, *type;
    const uint8_t *bytes;
    size_t size;
} serve_file;
extern const serve_file serve_files[];
extern const size_t serve_file_count;

double serve_seconds(void); /* monotonic */
lk_status serve_fail(lk_error *err, lk_status status, const char *format, ...) LK_PRINTF(3, 4);

/* api_people.c: around a change of the gallery; who asks is who the audit names. */
void serve_change_begin(serve *server, const char *who);
void serve_change_end(serve *server);

/* api_*.c */
void serve_api_page(serve_request *r);
void serve_api_openapi(serve_request *r);
void serve_api_health(serve_request *r);
void serve_api_metrics(serve_request *r);
void serve_api_info(serve_request *r);
void serve_api_audit(serve_request *r);
void serve_api_map(serve_request *r);
void serve_prepare_one(serve_request *r);
void serve_prepare_pair(serve_request *r);
void serve_prepare_probe(serve_request *r);
void serve_prepare_enroll(serve_request *r);
void serve_api_detect(serve_request *r);
void serve_api_embed(serve_request *r);
void serve_api_verify(serve_request *r);
void serve_api_identify(serve_request *r);
void serve_api_enroll(serve_request *r);
void serve_api_people(serve_request *r);
void serve_api_person(serve_request *r);
void serve_api_rename(serve_request *r);
void serve_api_remove(serve_request *r);
void serve_api_merge(serve_request *r);
void serve_api_duplicates(serve_request *r);
void serve_api_photo_remove(serve_request *r);
void serve_api_photo_move(serve_request *r);
void serve_api_photo_crop(serve_request *r);
void serve_api_jobs(serve_request *r);
void serve_api_job(serve_request *r);
void serve_api_job_start(serve_request *r);
void serve_api_job_cancel(serve_request *r);
void serve_api_job_events(serve_request *r);

#endif
