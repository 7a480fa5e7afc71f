/* answer.c: answers as JSON, and errors as problem details (RFC 9457) in the program's own words. */
#include "server.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

lk_status serve_fail(lk_error *err, lk_status status, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        err->status = status;
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return status;
}

json_t *serve_json_text(const char *text) {
    if (!text) return json_null();
    json_t *value = json_string(text);
    return value ? value : json_string("\xEF\xBF\xBD");
}

json_t *serve_json_real(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

/* A tenth of a pixel is more than a detector knows. */
static json_t *pixels(float value) {
    return serve_json_real(round(10 * (double)value) / 10);
}

json_t *serve_json_face(const lk_face *face) {
    json_t *points = json_array();
    for (int i = 0; i < LK_FACE_POINTS; i++)
        json_array_append_new(points,
                              json_pack("[o, o]", pixels(face->point[i].x), pixels(face->point[i].y)));
    return json_pack("{s:[o, o, o, o], s:o, s:o, s:o}", "box", pixels(face->x), pixels(face->y),
                     pixels(face->width), pixels(face->height), "points", points, "confidence",
                     serve_json_real((double)face->confidence), "quality",
                     serve_json_real((double)face->quality));
}

static void answer_text(serve_request *r, int status, char *text, const char *type) {
    static char nothing[] = "{\"title\": \"out of memory\", \"status\": 503}";
    if (r->private_body) free(r->answer);
    r->private_body = text != NULL;
    r->status = text ? status : 503;
    r->answer = text ? text : nothing;
    r->answer_size = strlen(r->answer);
    r->answer_type = text ? type : "application/problem+json";
}

void serve_answer_json(serve_request *r, int status, json_t *value) {
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(value);
    answer_text(r, status, text, "application/json");
}

int serve_http_status(lk_status status, bool input) {
    switch (status) {
    case LK_OK: return 200;
    case LK_INVALID: return 400;
    case LK_NOT_FOUND: return 404;
    case LK_TOO_LARGE: return 413;
    case LK_MISMATCH: return input ? 409 : 500;
    case LK_FORMAT:
    case LK_EMPTY: return input ? 422 : 500;
    case LK_BUSY:
    case LK_NO_MEMORY:
    case LK_STOPPED: return 503;
    default: return 500;
    }
}

static json_t *problem(int status, const char *title, const char *detail) {
    return json_pack("{s:s, s:i, s:o}", "title", title, "status", status, "detail", serve_json_text(detail));
}

static void answer_problem(serve_request *r, json_t *value) {
    int status = (int)json_integer_value(json_object_get(value, "status"));
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
    json_decref(value);
    answer_text(r, status, text, "application/problem+json");
}

void serve_answer_problem(serve_request *r, int status, const char *title, const char *format, ...) {
    char detail[768];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    answer_problem(r, problem(status, title, detail));
}

json_t *serve_problem_json(const lk_error *err, bool input) {
    return problem(serve_http_status(err->status, input), lk_status_text(err->status), err->message);
}

void serve_answer_error(serve_request *r, const lk_error *err, bool input) {
    answer_problem(r, serve_problem_json(err, input));
    if (r->status == 503) {
        r->extra_header = "Retry-After";
        r->extra_value = "2";
    }
}

const char *serve_query_get(const serve_request *r, const char *key) {
    for (size_t i = 0; i < r->query_count; i++)
        if (strcmp(r->query[i].key, key) == 0) return r->query[i].value;
    return NULL;
}

bool serve_query_whole(serve_request *r, const char *key, uint64_t low, uint64_t high, uint64_t fallback,
                       uint64_t *value) {
    const char *text = serve_query_get(r, key);
    *value = fallback;
    if (!text || serve_text_whole(text, low, high, value)) return true;
    serve_answer_problem(r, 400, lk_status_text(LK_INVALID), "%s: is not a whole number from %llu to %llu",
                         key, (unsigned long long)low, (unsigned long long)high);
    return false;
}

bool serve_query_real(serve_request *r, const char *key, double low, double high, double fallback,
                      double *value) {
    const char *text = serve_query_get(r, key);
    *value = fallback;
    if (!text || serve_text_real(text, low, high, value)) return true;
    serve_answer_problem(r, 400, lk_status_text(LK_INVALID), "%s: is not a number from %g to %g", key, low,
                         high);
    return false;
}
