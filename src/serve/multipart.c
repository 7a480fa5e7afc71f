/* multipart.c: a multipart/form-data body (RFC 7578) that is here whole, to its parts. Nothing is copied but
 * names, and nothing is kept of a file's name that could be a path: it is a label and no more.
 *
 * libmicrohttpd has a reader of its own, which takes a connection and hands out pieces; bodies here are whole
 * and bounded already, and this one can be fuzzed without a network. */
#include "server.h"

#include <string.h>
#include <strings.h>

/* A place in the body and what is left from there. */
typedef struct span {
    const char *at;
    size_t size;
} span;

static bool skip(span *s, const char *text) {
    size_t size = strlen(text);
    if (s->size < size || memcmp(s->at, text, size) != 0) return false;
    s->at += size;
    s->size -= size;
    return true;
}

/* One byte more of a value; false: does not fit, or is no text. */
static bool put(char *out, size_t capacity, size_t *n, char c) {
    if (*n + 1 >= capacity || c == 0) return false;
    out[(*n)++] = c;
    return true;
}

/* The value at *i, quoted or plain, into out; *i behind it. In quotes a backslash before a quote is undone.
 */
static bool parameter_value(span line, size_t *i, char *out, size_t capacity) {
    size_t n = 0;
    bool fits = true, quoted = *i < line.size && line.at[*i] == '"', closed = !quoted;
    for (*i += quoted; *i < line.size; ++*i) {
        char c = line.at[*i];
        if (!quoted && (c == ';' || c == ' ' || c == '\t')) break;
        if (quoted && c == '"') {
            closed = true;
            ++*i;
            break;
        }
        if (quoted && c == '\\' && *i + 1 < line.size && line.at[*i + 1] == '"') c = line.at[++*i];
        fits = fits && put(out, capacity, &n, c);
    }
    out[n] = 0;
    return closed && fits && serve_text_utf8(out, n);
}

/* The parameter of a header line ("form-data; name=\"a\""). 1 found, 0 not there, -1 is too long or no text.
 */
static int parameter(span line, const char *name, char *out, size_t capacity) {
    char other[512];
    size_t length = strlen(name), i = 0;
    while (i < line.size) {
        while (i < line.size && strchr("; \t", line.at[i])) i++;
        size_t start = i;
        while (i < line.size && line.at[i] != '=' && line.at[i] != ';') i++;
        if (i == line.size || line.at[i] == ';') continue;
        bool wanted = i - start == length && strncasecmp(line.at + start, name, length) == 0;
        i++;
        bool good = parameter_value(line, &i, wanted ? out : other, wanted ? capacity : sizeof other);
        if (wanted) return good ? 1 : -1;
    }
    return 0;
}

static lk_status broken(lk_error *err, const char *what) {
    return serve_fail(err, LK_INVALID, "the multipart body is damaged: %s", what);
}

/* The header lines of a part, up to and with the empty line. */
static lk_status part_headers(span *s, serve_part *part, lk_error *err) {
    bool named = false;
    for (;;) {
        const char *end = memmem(s->at, s->size, "\r\n", 2);
        if (!end) return broken(err, "a part's header does not end");
        span line = {s->at, (size_t)(end - s->at)};
        s->size -= line.size + 2;
        s->at = end + 2;
        if (line.size == 0) break;
        static const char disposition[] = "content-disposition:";
        size_t length = sizeof disposition - 1;
        if (line.size < length || strncasecmp(line.at, disposition, length) != 0) continue;
        line.at += length;
        line.size -= length;
        int name = parameter(line, "name", part->name, sizeof part->name);
        int file = parameter(line, "filename", part->file, sizeof part->file);
        if (name < 0 || file < 0)
            return serve_fail(err, LK_TOO_LARGE, "a part's name or file name is too long, or no UTF-8");
        named = name > 0;
    }
    return named ? LK_OK : broken(err, "a part has no name");
}

/* "\r\n--boundary" of the content type. */
static lk_status boundary_of(const char *content_type, char *out, size_t capacity, lk_error *err) {
    char value[71]; /* RFC 2046: at most 70 */
    span line = {content_type, strlen(content_type)};
    if (parameter(line, "boundary", value, sizeof value) <= 0 || !*value)
        return broken(err, "the content type names no boundary");
    size_t size = strlen(value);
    if (size + 5 > capacity) return broken(err, "the boundary is too long");
    snprintf(out, capacity, "\r\n--%s", value);
    return LK_OK;
}

lk_status serve_multipart_parse(const char *content_type, const uint8_t *body, size_t size, serve_part *parts,
                                size_t capacity, size_t *count, lk_error *err) {
    char mark[80];
    lk_status status = boundary_of(content_type, mark, sizeof mark, err);
    if (status != LK_OK) return status;
    span s = {(const char *)body, size};
    if (!skip(&s, mark + 2)) return broken(err, "it does not begin with the boundary");
    size_t found = 0;
    while (!skip(&s, "--")) {
        if (!skip(&s, "\r\n")) return broken(err, "a boundary is not followed by a line's end");
        if (found == capacity)
            return serve_fail(err, LK_TOO_LARGE, "the body has more than %zu parts", capacity);
        serve_part part = {0};
        status = part_headers(&s, &part, err);
        if (status != LK_OK) return status;
        const char *end = memmem(s.at, s.size, mark, strlen(mark));
        if (!end) return broken(err, "the last boundary is missing");
        part.bytes = (const uint8_t *)s.at;
        part.size = (size_t)(end - s.at);
        s.size -= part.size + strlen(mark);
        s.at = end + strlen(mark);
        parts[found++] = part;
    }
    *count = found;
    return LK_OK;
}
