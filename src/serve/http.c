/* http.c: requests come in whole and answers go out, on libmicrohttpd's one thread, which never waits: a
 * request that is complete is suspended while a worker has it, and resumed with its answer.
 *
 * Slow callers: libmicrohttpd's own timeout is of silence, and one byte now and then is not silence. So every
 * connection has a clock: a request must have arrived, and its answer been taken, within the time allowed and
 * what its bytes need at SLOWEST; else its socket is shut. What waits costs a connection, of which an address
 * has but so many. */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SLOWEST = 64 << 10,
    HEADER_BYTES = 32 << 10,
    PEM_BYTES = 1 << 20
}; /* bytes a second; of a header; of a file */

typedef enum phase { ARRIVING, WORKING, LEAVING, STREAMING } phase;

/* One connection. */
typedef struct caller {
    struct caller *next, **at;
    int fd;
    phase phase;
    double since;
    size_t bytes; /* that the phase has moved, or has to */
} caller;

struct serve_http {
    serve *server;
    struct MHD_Daemon *daemon;
    int listening; /* socket, -1 when it is libmicrohttpd's */
    struct sockaddr_storage address;
    char *cert, *key;
    pthread_mutex_t lock;
    caller *links;
    pthread_t watch;
    bool watching;
    atomic_bool draining, ending;
    atomic_size_t in_flight;
};

double serve_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- connections and their clocks ---------------------------------------------------------------------- */

static void on_connection(void *context, struct MHD_Connection *c, void **own,
                          enum MHD_ConnectionNotificationCode what) {
    serve_http *h = context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
        caller *l = calloc(1, sizeof *l);
        *own = l;
        if (!l) return;
        l->fd = fd ? fd->connect_fd : -1;
        l->since = serve_seconds();
        pthread_mutex_lock(&h->lock);
        l->at = &h->links;
        l->next = h->links;
        if (l->next) l->next->at = &l->next;
        h->links = l;
        pthread_mutex_unlock(&h->lock);
    } else if (*own) { /* before the socket is closed, so no other connection has its number yet */
        caller *l = *own;
        pthread_mutex_lock(&h->lock);
        *l->at = l->next;
        if (l->next) l->next->at = l->at;
        pthread_mutex_unlock(&h->lock);
        free(l);
        *own = NULL;
    }
}

static void enter(serve_http *h, struct MHD_Connection *c, phase p, size_t bytes) {
    const union MHD_ConnectionInfo *own = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    caller *l = own ? own->socket_context : NULL;
    if (!l) return;
    pthread_mutex_lock(&h->lock);
    if (l->phase != p) l->since = serve_seconds();
    l->phase = p;
    l->bytes = bytes;
    pthread_mutex_unlock(&h->lock);
}

static void *watch_main(void *context) {
    serve_http *h = context;
    double allowed = h->server->options->seconds;
    for (int turn = 0; !atomic_load(&h->ending); turn++) {
        usleep(200 * 1000);
        if (turn % 5 == 0) serve_jobs_wake(h->server->jobs);
        double now = serve_seconds();
        pthread_mutex_lock(&h->lock);
        for (caller *l = h->links; l; l = l->next) {
            if (l->phase != ARRIVING && l->phase != LEAVING) continue;
            if (now - l->since <= allowed + (double)l->bytes / SLOWEST || l->fd < 0) continue;
            shutdown(l->fd, SHUT_RDWR);
            l->fd = -1; /* once */
            serve_metrics_add(h->server->metrics, SERVE_COUNT_CUT, 1);
        }
        pthread_mutex_unlock(&h->lock);
    }
    return NULL;
}

/* ---- answers ------------------------------------------------------------------------------------------- */

static const char *const headers[][2] = {
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"X-Frame-Options", "DENY"},
    {"Permissions-Policy", "camera=(self), microphone=(), geolocation=()"},
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
     "media-src 'self' blob:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"},
};

static enum MHD_Result send_answer(serve_http *h, serve_request *r) {
    struct MHD_Response *answer = r->stream;
    if (!answer && r->private_body)
        answer = MHD_create_response_from_buffer_with_free_callback(r->answer_size, r->answer, free);
    else if (!answer)
        answer = MHD_create_response_from_buffer(r->answer_size, r->answer, MHD_RESPMEM_PERSISTENT);
    if (!answer) return MHD_NO;
    r->private_body = false;
    r->stream = NULL;
    bool page = r->route && (r->route->flags & SERVE_OPEN);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        MHD_add_response_header(answer, headers[i][0], headers[i][1]);
    MHD_add_response_header(answer, "Cache-Control", page ? "no-cache" : "no-store");
    MHD_add_response_header(answer, "Content-Type", r->answer_type);
    if (r->extra_header) MHD_add_response_header(answer, r->extra_header, r->extra_value);
    if (h->server->tls) MHD_add_response_header(answer, "Strict-Transport-Security", "max-age=31536000");
    if (atomic_load(&h->draining)) MHD_add_response_header(answer, "Connection", "close");
    enter(h, r->connection, r->answer_size ? LEAVING : STREAMING, r->answer_size);
    enum MHD_Result result = MHD_queue_response(r->connection, (unsigned)r->status, answer);
    MHD_destroy_response(answer);
    return result;
}

void serve_http_done(serve_request *r) {
    MHD_resume_connection(r->connection); /* and it may be gone */
}

/* ---- requests ------------------------------------------------------------------------------------------ */

static void refuse(serve_request *r, int status, const char *title, const char *detail) {
    serve_answer_problem(r, status, title, "%s", detail);
    serve_metrics_add(r->server->metrics, SERVE_COUNT_REFUSED, 1);
}

static enum MHD_Result on_query(void *context, enum MHD_ValueKind kind, const char *key, const char *value) {
    serve_request *r = context;
    (void)kind;
    if (r->status) return MHD_NO;
    if (r->query_count == SERVE_QUERIES) {
        refuse(r, 400, lk_status_text(LK_INVALID), "the address has too many parameters");
        return MHD_NO;
    }
    serve_query *q = &r->query[r->query_count++];
    q->key = strdup(key);
    q->value = strdup(value ? value : "");
    if (!q->key || !q->value)
        serve_answer_json(r, 503, NULL);
    else if (!serve_text_decode(q->key) || !serve_text_decode(q->value))
        refuse(r, 400, lk_status_text(LK_INVALID), "a parameter of the address is no text");
    return MHD_YES;
}

static const char *header_of(const serve_request *r, const char *name) {
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

/* What the header alone says of the body. */
static void check_body(serve_http *h, serve_request *r) {
    const serve_options *o = h->server->options;
    const char *length = header_of(r, "Content-Length"), *chunked = header_of(r, "Transfer-Encoding");
    uint64_t size = 0, limit = r->route->flags & SERVE_UPLOAD ? o->job_limit : o->body_limit;
    if (length && (chunked || !serve_text_whole(length, 0, UINT64_MAX / 2, &size))) {
        refuse(r, 400, lk_status_text(LK_INVALID),
               "the request's length is told in two ways, or is no number");
    } else if (!(r->route->flags & SERVE_BODY) && (size > 0 || chunked)) {
        refuse(r, 400, lk_status_text(LK_INVALID), "this takes no body");
    } else if (size > limit) {
        serve_answer_problem(r, 413, lk_status_text(LK_TOO_LARGE),
                             "the body has %llu bytes, over the limit of %llu", (unsigned long long)size,
                             (unsigned long long)limit);
    } else if (atomic_load(&h->server->body_bytes) + size > o->bodies_limit) {
        refuse(r, 503, "too busy", "too many bytes are being sent to this server; try again later");
    }
}

static enum MHD_Result begin(serve_http *h, struct MHD_Connection *c, const char *path, const char *method,
                             void **context) {
    serve_request *r = calloc(1, sizeof *r);
    if (!r) return MHD_NO;
    *context = r;
    r->server = h->server;
    r->connection = c;
    r->began = serve_seconds();
    atomic_fetch_add(&h->in_flight, 1);
    enter(h, c, ARRIVING, 0);
    bool other, bad;
    r->route = serve_route_find(method, path, r->args, &other, &bad);
    if (atomic_load(&h->draining))
        refuse(r, 503, "stopping", "the server is stopping");
    else if (bad)
        refuse(r, 400, lk_status_text(LK_INVALID), "a name in the address is no text, or too long");
    else if (other)
        refuse(r, 405, "method not allowed",
               "the address is known, and not with this method; see /openapi.json");
    else if (!r->route)
        refuse(r, 404, lk_status_text(LK_NOT_FOUND), "there is nothing at this address; see /openapi.json");
    else if (!serve_guard_admits(h->server->guard, r))
        serve_metrics_add(h->server->metrics, SERVE_COUNT_REFUSED, 1);
    else
        check_body(h, r);
    const char *type = header_of(r, "Content-Type");
    snprintf(r->content_type, sizeof r->content_type, "%s", type ? type : "");
    if (!r->status) MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, on_query, r);
    /* Answered before the body has come, which is then not read: the connection ends with the answer. */
    return r->status ? send_answer(h, r) : MHD_YES;
}

/* Grows as bytes come, not as they are promised. */
static bool body_room(serve_http *h, serve_request *r, size_t size) {
    if (r->size + size <= r->capacity) return true;
    size_t capacity = r->capacity ? r->capacity : 64 << 10;
    while (capacity < r->size + size) capacity *= 2;
    if (atomic_fetch_add(&h->server->body_bytes, capacity - r->capacity) + capacity - r->capacity >
        h->server->options->bodies_limit) {
        atomic_fetch_sub(&h->server->body_bytes, capacity - r->capacity);
        return false;
    }
    uint8_t *body = realloc(r->body, capacity);
    if (!body) {
        atomic_fetch_sub(&h->server->body_bytes, capacity - r->capacity);
        return false;
    }
    r->body = body;
    r->capacity = capacity;
    return true;
}

void serve_http_body_free(serve *server, uint8_t *body, size_t capacity) {
    free(body);
    atomic_fetch_sub(&server->body_bytes, capacity);
}

static enum MHD_Result take_body(serve_http *h, serve_request *r, const char *data, size_t *size) {
    const serve_options *o = h->server->options;
    size_t limit = r->route->flags & SERVE_UPLOAD ? o->job_limit : o->body_limit;
    if (r->size + *size > limit || !body_room(h, r, *size)) return MHD_NO; /* it did not say so before */
    memcpy(r->body + r->size, data, *size);
    r->size += *size;
    *size = 0;
    enter(h, r->connection, ARRIVING, r->size);
    return MHD_YES;
}

static enum MHD_Result dispatch(serve_http *h, serve_request *r) {
    if (r->route->lane == SERVE_NOW) {
        r->route->answer(r);
        return send_answer(h, r);
    }
    enter(h, r->connection, WORKING, 0);
    MHD_suspend_connection(r->connection);
    if (serve_work_put(h->server->work, r)) return MHD_YES;
    refuse(r, 503, "too busy", "too many requests are waiting; try again later");
    r->extra_header = "Retry-After";
    r->extra_value = "1";
    MHD_resume_connection(r->connection);
    return MHD_YES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *c, const char *path,
                                  const char *method, const char *version, const char *data, size_t *size,
                                  void **own) {
    serve_http *h = context;
    serve_request *r = *own;
    (void)version;
    if (!r) return begin(h, c, path, method, own);
    if (*size > 0) return take_body(h, r, data, size);
    return r->status ? send_answer(h, r) : dispatch(h, r);
}

/* A line of the log says which route, and nothing of whom or what it was asked. */
static void log_request(const serve_http *h, const serve_request *r, struct MHD_Connection *c,
                        double seconds) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char address[NI_MAXHOST] = "?";
    if (info && info->client_addr)
        getnameinfo(info->client_addr,
                    info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                             : sizeof(struct sockaddr_in),
                    address, sizeof address, NULL, 0, NI_NUMERICHOST);
    h->server->options->say("%s %s%s%s %s %d %.0f ms", address, r->who, *r->who ? " " : "",
                            r->route ? r->route->method : "-", r->route ? r->route->path : "-", r->status,
                            1e3 * seconds);
}

static void on_completed(void *context, struct MHD_Connection *c, void **own,
                         enum MHD_RequestTerminationCode why) {
    serve_http *h = context;
    serve_request *r = *own;
    (void)why;
    if (!r) return;
    double seconds = serve_seconds() - r->began;
    enter(h, c, ARRIVING, 0);
    serve_metrics_request(h->server->metrics, r->route, r->status ? r->status : 499, seconds);
    if (!h->server->options->quiet) log_request(h, r, c, seconds);
    for (size_t i = 0; i < r->query_count; i++) {
        free(r->query[i].key);
        free(r->query[i].value);
    }
    for (size_t i = 0; i < r->shot_count; i++) serve_shot_free(&r->shots[i]);
    for (size_t i = 0; r->matches && i < r->vector_count; i++) lk_matches_free(&r->matches[i]);
    if (r->private_body) free(r->answer);
    if (r->stream) MHD_destroy_response(r->stream);
    free(r->shots);
    free(r->vectors);
    free(r->matches);
    serve_http_body_free(h->server, r->body, r->capacity);
    free(r);
    *own = NULL;
    atomic_fetch_sub(&h->in_flight, 1);
}

/* ---- start --------------------------------------------------------------------------------------------- */

/* "127.0.0.1:8080", "[::1]:8080", "localhost:8080" */
static lk_status resolve(const char *listen, struct addrinfo **out, lk_error *err) {
    char host[256];
    const char *colon = strrchr(listen, ':');
    size_t size = colon ? (size_t)(colon - listen) : 0;
    uint64_t port;
    if (size == 0 || size >= sizeof host || !serve_text_whole(colon + 1, 0, 65535, &port))
        return serve_fail(err, LK_INVALID, "--listen: '%.200s' is not ADDRESS:PORT", listen);
    memcpy(host, listen, size);
    host[size] = 0;
    if (host[0] == '[' && host[size - 1] == ']') {
        memmove(host, host + 1, size - 2);
        host[size - 2] = 0;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    int code = getaddrinfo(host, colon + 1, &hints, out);
    if (code) return serve_fail(err, LK_INVALID, "--listen: '%.200s': %s", listen, gai_strerror(code));
    return LK_OK;
}

static bool is_loopback(const struct sockaddr *address) {
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    if (address->sa_family != AF_INET6) return false;
    const struct sockaddr_in6 *in6 = (const void *)address;
    return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

static lk_status listen_on(serve_http *h, lk_error *err) {
    const char *listen_text = h->server->options->listen;
    struct addrinfo *a = NULL;
    lk_status status = resolve(listen_text, &a, err);
    if (status != LK_OK) return status;
    int yes = 1;
    h->server->loopback = is_loopback(a->ai_addr);
    h->listening = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof h->address;
    if (h->listening < 0 || setsockopt(h->listening, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(h->listening, a->ai_addr, a->ai_addrlen) != 0 || listen(h->listening, 256) != 0 ||
        getsockname(h->listening, (struct sockaddr *)&h->address, &size) != 0)
        status = serve_fail(err, LK_IO, "cannot listen on %.200s: %s", listen_text, strerror(errno));
    freeaddrinfo(a);
    return status;
}

int serve_http_port(const serve_http *h) {
    if (h->address.ss_family == AF_INET) return ntohs(((const struct sockaddr_in *)&h->address)->sin_port);
    return ntohs(((const struct sockaddr_in6 *)&h->address)->sin6_port);
}

static lk_status read_pem(const char *path, char **out, lk_error *err) {
    FILE *file = fopen(path, "re");
    char *text = calloc(1, PEM_BYTES + 1);
    size_t size = file && text ? fread(text, 1, PEM_BYTES, file) : 0;
    bool read = file && text && size > 0 && size < PEM_BYTES && !ferror(file);
    int code = errno;
    if (file) fclose(file);
    if (!read) {
        free(text);
        return serve_fail(err, LK_IO, "%.500s: cannot read a certificate or key: %s", path,
                          file ? "empty, or too long" : strerror(code));
    }
    *out = text;
    return LK_OK;
}

static size_t no_unescape(void *context, struct MHD_Connection *c, char *text) {
    (void)context;
    (void)c;
    return strlen(text); /* routes.c and on_query decode, strictly */
}

static void no_log(void *context, const char *format, va_list args) {
    (void)context;
    (void)format;
    (void)args; /* it would print what strangers sent */
}

static lk_status daemon_start(serve_http *h, lk_error *err) {
    const serve_options *o = h->server->options;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    if (h->address.ss_family == AF_INET6) flags |= MHD_USE_IPv6;
    if (h->server->tls) flags |= MHD_USE_TLS;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, h->cert},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, h->key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t) "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
        {MHD_OPTION_END, 0, NULL}};
    if (!h->server->tls) tls[0] = tls[3];
    h->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, no_log,
                                 NULL, MHD_OPTION_LISTEN_SOCKET, h->listening, MHD_OPTION_CONNECTION_LIMIT,
                                 o->connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT, o->per_address,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_BYTES,
                                 MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_NOTIFY_CONNECTION,
                                 on_connection, h, MHD_OPTION_UNESCAPE_CALLBACK, no_unescape, NULL,
                                 MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    if (!h->daemon)
        return serve_fail(err, LK_INVALID, "cannot start the server%s",
                          h->server->tls ? ": do the certificate and the key belong together?" : "");
    h->listening = -1;
    return LK_OK;
}

lk_status serve_http_start(serve *server, serve_http **out, lk_error *err) {
    serve_http *h = calloc(1, sizeof *h);
    const serve_options *o = server->options;
    if (!h) return serve_fail(err, LK_NO_MEMORY, "no memory for the server");
    h->server = server;
    h->listening = -1;
    pthread_mutex_init(&h->lock, NULL);
    server->tls = o->tls_cert && o->tls_key;
    lk_status status = listen_on(h, err);
    if (status == LK_OK) status = serve_guard_new(o, server->loopback, &server->guard, err);
    if (status == LK_OK && server->tls) status = read_pem(o->tls_cert, &h->cert, err);
    if (status == LK_OK && server->tls) status = read_pem(o->tls_key, &h->key, err);
    if (status == LK_OK) status = daemon_start(h, err);
    if (status == LK_OK && pthread_create(&h->watch, NULL, watch_main, h) != 0)
        status = serve_fail(err, LK_NO_MEMORY, "cannot start another thread");
    h->watching = status == LK_OK;
    if (status != LK_OK) {
        serve_http_free(h);
        return status;
    }
    *out = h;
    return LK_OK;
}

void serve_http_drain(serve_http *h, double seconds) {
    double until = serve_seconds() + seconds;
    atomic_store(&h->draining, true);
    h->listening = MHD_quiesce_daemon(h->daemon);
    /* Closed when libmicrohttpd's thread has ended: until then its number must not be another file's. */
    if (h->listening >= 0) shutdown(h->listening, SHUT_RDWR);
    while (atomic_load(&h->in_flight) > 0 && serve_seconds() < until) usleep(10 * 1000);
}

void serve_http_free(serve_http *h) {
    if (!h) return;
    atomic_store(&h->ending, true);
    if (h->watching) pthread_join(h->watch, NULL);
    if (h->daemon) MHD_stop_daemon(h->daemon);
    if (h->listening >= 0) close(h->listening);
    pthread_mutex_destroy(&h->lock);
    free(h->cert);
    free(h->key);
    free(h);
}
