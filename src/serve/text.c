/* text.c: text from outside: what is not clean is refused, never mended, so that two readers cannot
 * understand it in two ways. */
#include "server.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool serve_text_utf8(const char *text, size_t size) {
    const unsigned char *u = (const unsigned char *)text;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    for (size_t i = 0, n; i < size; i += n) {
        unsigned char c = u[i];
        n = c < 0x80                ? 1
            : c >= 0xC2 && c < 0xE0 ? 2
            : c >= 0xE0 && c < 0xF0 ? 3
            : c >= 0xF0 && c < 0xF5 ? 4
                                    : 0;
        if (n == 0 || n > size - i || c == 0) return false;
        if (n == 1) continue;
        uint32_t code = c & (0xFFU >> (n + 1));
        for (size_t k = 1; k < n; k++) {
            if ((u[i + k] & 0xC0) != 0x80) return false;
            code = code << 6 | (u[i + k] & 0x3FU);
        }
        if (code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
    }
    return true;
}

bool serve_text_decode(char *text) {
    char *out = text;
    for (const char *in = text; *in; in++) {
        char c = *in;
        if (c == '%') {
            int high = hex(in[1]), low = high < 0 ? -1 : hex(in[2]);
            if (low < 0 || high + low == 0) return false;
            c = (char)(high * 16 + low);
            in += 2;
        }
        *out++ = c;
    }
    *out = 0;
    return serve_text_utf8(text, (size_t)(out - text));
}

bool serve_text_whole(const char *text, uint64_t low, uint64_t high, uint64_t *value) {
    if (!*text || text[strspn(text, "0123456789")]) return false;
    errno = 0;
    unsigned long long v = strtoull(text, NULL, 10);
    if (errno || v < low || v > high) return false;
    *value = v;
    return true;
}

bool serve_text_real(const char *text, double low, double high, double *value) {
    char *end;
    if (!*text || text[strspn(text, "0123456789+-.eE")]) return false;
    double v = strtod(text, &end);
    if (*end || !(v >= low && v <= high)) return false;
    *value = v;
    return true;
}

bool serve_text_is(const char *header, const char *value) {
    size_t size = strlen(value);
    if (strncasecmp(header, value, size) != 0) return false;
    header += size;
    return header[strspn(header, " \t")] == 0 || header[strspn(header, " \t")] == ';';
}

bool serve_text_has(const char *text, const char *needle) {
    return strcasestr(text, needle) != NULL;
}
