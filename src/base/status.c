/* status.c: failing well. Every message says what, where, and what to do. */
#include "base/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *lk_status_text(lk_status status) {
    switch (status) {
#define LK_STATUS_CASE(name, value, text)                                                                    \
    case LK_##name: return text;
        LK_STATUS_MAP(LK_STATUS_CASE)
#undef LK_STATUS_CASE
    }
    return "unknown status";
}

lk_status lk__fail(lk_error *err, lk_status status, const char *format, ...) {
    if (err) {
        /* Into a buffer of its own: an argument may be the old message of this very err. */
        char message[sizeof err->message];
        va_list args;
        va_start(args, format);
        vsnprintf(message, sizeof message, format, args);
        va_end(args);
        for (char *c = message; *c; c++)
            if ((unsigned char)*c < 32 || *c == 127) *c = '?'; /* a file name must not steer a terminal */
        memcpy(err->message, message, sizeof message);
        err->status = status;
    }
    return status;
}

lk_status lk__fail_memory(lk_error *err, size_t bytes, const char *what) {
    return lk__fail(err, LK_NO_MEMORY, "out of memory: %zu bytes for %s", bytes, what);
}

lk_status lk__fail_errno(lk_error *err, const char *verb, const char *path) {
    int code = errno;
    lk_status status = code == ENOENT ? LK_NOT_FOUND : code == ENOMEM ? LK_NO_MEMORY : LK_IO;
    return lk__fail(err, status, "%s: cannot %s: %s%s", path, verb, strerror(code),
                    code == ENOSPC ? " (free some space and run it again; nothing was lost)" : "");
}

_Noreturn void lk__check_failed(const char *file, int line, const char *what, long long a, long long b) {
    fprintf(stderr, "%s:%d: check failed: %s (%lld, %lld)\n", file, line, what, a, b);
    abort();
}
