/* guard.c: who may ask. Three doors, each for itself.
 *
 * Host: the header must name this server. A page of another site whose name was pointed at 127.0.0.1 (DNS
 * rebinding) asks with its own name.
 *
 * Origin: what changes something or costs must not come from another site's page (cross-site request
 * forgery). Origin and Sec-Fetch-Site are the browser's word for it, and a header of our own, X-Likeness,
 * cannot be set by another site without asking first, which is never granted.
 *
 * Token: from when there is a token file, a role. No cookies, so a browser adds nothing by itself. */
#include "server.h"

#include "token.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct serve_guard {
    const serve_options *options;
    bool loopback;
    serve_tokens *tokens; /* NULL: none are ever asked for */
};

lk_status serve_guard_new(const serve_options *options, bool loopback, serve_guard **out, lk_error *err) {
    serve_guard *g = calloc(1, sizeof *g);
    if (!g) return serve_fail(err, LK_NO_MEMORY, "no memory for the guard");
    g->options = options;
    g->loopback = loopback;
    lk_status status = options->tokens ? serve_tokens_open(options->tokens, &g->tokens, err) : LK_OK;
    if (status == LK_OK && !loopback && !(g->tokens && serve_tokens_needed(g->tokens)))
        status = serve_fail(err, LK_INVALID,
                            "to listen on %s, which others can reach, tokens are needed: make the first with "
                            "'likeness serve token add %.200s NAME --role admin'",
                            options->listen, "GALLERY");
    if (status == LK_OK && !loopback && !options->tls_cert)
        status = serve_fail(
            err, LK_INVALID,
            "to listen on %s, which others can reach, TLS is needed: give --tls-cert and --tls-key",
            options->listen);
    if (status != LK_OK) {
        serve_guard_free(g);
        return status;
    }
    *out = g;
    return LK_OK;
}

void serve_guard_free(serve_guard *g) {
    if (!g) return;
    serve_tokens_free(g->tokens);
    free(g);
}

/* ---- host ---------------------------------------------------------------------------------------------- */

static bool is_one_of(const char *name, size_t size, const char *list) {
    while (list && *list) {
        size_t n = strcspn(list, ",");
        if (n == size && strncasecmp(list, name, n) == 0) return true;
        list += n + (list[n] == ',');
    }
    return false;
}

/* The name in "name:port" or "[address]:port". */
static size_t host_size(const char *host) {
    if (*host == '[') {
        const char *end = strchr(host, ']');
        return end ? (size_t)(end - host) + 1 : 0;
    }
    return strcspn(host, ":");
}

/* An address is no name that could have been pointed at us: it is what the caller connected to, or nonsense.
 */
static bool is_address(const char *host, size_t size) {
    return size > 0 && (*host == '[' || strspn(host, "0123456789.") >= size);
}

static bool host_allowed(const serve_guard *g, const char *host) {
    size_t size = host ? host_size(host) : 0;
    return size > 0 && (is_address(host, size) || is_one_of(host, size, "localhost") ||
                        is_one_of(host, size, g->options->names));
}

/* ---- origin -------------------------------------------------------------------------------------------- */

static bool same_origin(const serve *server, const char *origin, const char *host) {
    const char *scheme = server->tls ? "https://" : "http://";
    size_t size = strlen(scheme);
    return strncmp(origin, scheme, size) == 0 && strcasecmp(origin + size, host) == 0;
}

static bool origin_allowed(const serve_request *r, const char *host, const char *bearer) {
    struct MHD_Connection *c = r->connection;
    const char *origin = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Origin");
    const char *site = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Sec-Fetch-Site");
    const char *own = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "X-Likeness");
    if (origin && !same_origin(r->server, origin, host)) return false;
    /* A click on a link of another site may open the page, and nothing else. */
    bool page = strcmp(r->route->path, "/") == 0;
    if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0 && !page) return false;
    return !(r->route->flags & SERVE_WRITE) || own || bearer;
}

/* ---- token --------------------------------------------------------------------------------------------- */

static const char *bearer_of(const serve_request *r) {
    const char *text = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "Authorization");
    if (!text || strncasecmp(text, "Bearer ", 7) != 0) return NULL;
    return text + 7;
}

bool serve_guard_admits(serve_guard *g, serve_request *r) {
    const char *host = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "Host");
    const char *bearer = bearer_of(r);
    if (!host_allowed(g, host)) {
        serve_answer_problem(r, 421, "misdirected request",
                             "the request asks for a host that this server is not; name it with --name");
        return false;
    }
    if (!origin_allowed(r, host, bearer)) {
        serve_answer_problem(r, 403, "not from here",
                             "the request comes from another site's page, or lacks the header X-Likeness: 1");
        return false;
    }
    r->role = g->tokens ? serve_tokens_role(g->tokens, bearer, r->who) : SERVE_ADMIN;
    if ((r->route->flags & SERVE_OPEN) || r->role >= r->route->role) return true;
    if (r->role == SERVE_NOBODY) {
        serve_answer_problem(r, 401, "a token is needed",
                             bearer ? "the token is not valid here, or was removed"
                                    : "send a token: Authorization: Bearer TOKEN (likeness serve token add)");
        r->extra_header = "WWW-Authenticate";
        r->extra_value = "Bearer";
    } else {
        serve_answer_problem(r, 403, "not allowed", "this needs the role %s; the token has the role %s",
                             serve_role_name(r->route->role), serve_role_name(r->role));
    }
    return false;
}
