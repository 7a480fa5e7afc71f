/* text.c: any UTF-8 text as a stream of words: never more than a piece of it in memory, however long its
 * lines are.
 *
 * A word is letters and digits, in lower case; an apostrophe or an underscore between two of them belongs to
 * it (don't, new_york), a hyphen does not. A sentence ends where a line is empty, and after . ! ? before a
 * blank: lines alone do not end one, since books break them anywhere. What is no UTF-8 separates words, and
 * is counted. Letters are what the C.UTF-8 locale says; scripts that are written without blanks must be split
 * before. */
#include "words/words.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wctype.h>
#include <zlib.h>

enum { PIECE = 1 << 17 };

struct lk__text {
    gzFile file; /* NULL: memory */
    const char *name;
    char *path;
    const unsigned char *bytes; /* what is being read */
    unsigned char *piece;       /* (PIECE) */
    size_t at, have;
    bool ended;
    bool sentence, pending; /* a word was given since the last break; a break is to be given */
    int newlines;           /* in the white space before what comes next */
    bool stop;              /* the last thing was . ! or ? */
    off_t size;             /* of the file; 0: not known */
    uint64_t bad;
    locale_t locale;
};

static lk_status make(const char *name, lk__text **out, lk_error *err) {
    lk__text *t = calloc(1, sizeof *t);
    if (t) {
        t->path = strdup(name);
        t->piece = malloc(PIECE);
        t->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0); /* not had: ASCII letters only */
    }
    if (!t || !t->path || !t->piece) {
        lk__text_close(t);
        return lk__fail_memory(err, PIECE, name);
    }
    t->name = strcmp(name, "-") == 0 ? "standard input" : t->path;
    *out = t;
    return LK_OK;
}

lk_status lk__text_of(const char *bytes, size_t size, lk__text **out, lk_error *err) {
    lk_status status = make("text", out, err);
    if (status != LK_OK) return status;
    (*out)->bytes = (const unsigned char *)bytes;
    (*out)->have = size;
    (*out)->ended = true;
    return LK_OK;
}

lk_status lk__text_open(const char *path, lk__text **out, lk_error *err) {
    lk__text *t = NULL;
    lk_status status = make(path, &t, err);
    if (status != LK_OK) return status;
    struct stat st;
    errno = 0;
    if (strcmp(path, "-") == 0) {
        int fd = dup(STDIN_FILENO);
        t->file = fd < 0 ? NULL : gzdopen(fd, "rb");
    } else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        lk__text_close(t);
        return lk__fail(err, LK_IO, "%s: is a folder, a text was expected", path);
    } else {
        t->file = gzopen(path, "rb"); /* plain files too */
        if (t->file && stat(path, &st) == 0 && S_ISREG(st.st_mode)) t->size = st.st_size;
    }
    if (!t->file) {
        if (!errno) errno = ENOMEM;
        status = lk__fail_errno(err, "read", path);
        lk__text_close(t);
        return status;
    }
    gzbuffer(t->file, PIECE);
    *out = t;
    return LK_OK;
}

void lk__text_close(lk__text *t) {
    if (!t) return;
    if (t->file) gzclose(t->file);
    if (t->locale) freelocale(t->locale);
    free(t->piece);
    free(t->path);
    free(t);
}

uint64_t lk__text_bad(const lk__text *t) {
    return t->bad;
}

double lk__text_share(const lk__text *t) {
    return t->file && t->size > 0 ? (double)gzoffset(t->file) / (double)t->size : NAN;
}

/* More bytes behind those that are left; at most 4 are, the start of a code point. */
static lk_status refill(lk__text *t, lk_error *err) {
    size_t left = t->have - t->at;
    if (left) memmove(t->piece, t->bytes + t->at, left);
    bool first = !t->bytes;
    t->bytes = t->piece;
    t->at = 0;
    t->have = left;
    int got = gzread(t->file, t->piece + left, (unsigned)(PIECE - left));
    int code = Z_OK;
    const char *why = got <= 0 ? gzerror(t->file, &code) : NULL;
    if (code == Z_ERRNO) return lk__fail_errno(err, "read", t->name);
    if (code != Z_OK && code != Z_STREAM_END)
        return lk__fail(err, LK_FORMAT, "%s: the compressed file is damaged or cut short: %s", t->name, why);
    if (got <= 0)
        t->ended = true;
    else
        t->have += (size_t)got;
    if (first && memchr(t->piece, 0, t->have))
        return lk__fail(err, LK_FORMAT,
                        "%s: is no text (a zero byte in its first %zu bytes); plain text in UTF-8 is wanted",
                        t->name, t->have);
    return LK_OK;
}

/* The code point at the start of n bytes, and its length; -1 and 1: no UTF-8. */
static long decode(const unsigned char *u, size_t n, size_t *size) {
    *size = 1;
    if (u[0] < 0x80) return u[0];
    size_t need = u[0] >= 0xF0 && u[0] < 0xF5   ? 4
                  : u[0] >= 0xE0 && u[0] < 0xF0 ? 3
                  : u[0] >= 0xC2 && u[0] < 0xE0 ? 2
                                                : 0;
    if (!need || need > n) return -1;
    long code = u[0] & (0xFF >> (need + 1));
    for (size_t i = 1; i < need; i++) {
        if ((u[i] & 0xC0) != 0x80) return -1;
        code = code << 6 | (u[i] & 0x3F);
    }
    static const long least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < least[need] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return -1;
    *size = need;
    return code;
}

static size_t encode(long code, char out[4]) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, code >>= 6) out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)((0xF00 >> n & 0xFF) | code);
    return n;
}

/* In lower case if it belongs to words; else 0. */
static long letter(const lk__text *t, long code) {
    if (code < 0x80) {
        if (code >= 'a' && code <= 'z') return code;
        if (code >= 'A' && code <= 'Z') return code + 32;
        return code >= '0' && code <= '9' ? code : 0;
    }
    if (!t->locale || !iswalnum_l((wint_t)code, t->locale)) return 0;
    return (long)towlower_l((wint_t)code, t->locale);
}

static bool blank(long code) {
    return code == ' ' || code == '\t' || code == '\n' || code == '\r' || code == '\f' || code == '\v';
}

/* What stands between words: does it end the sentence? */
static void between(lk__text *t, long code) {
    if (code == '\n') t->newlines++;
    if ((code == '\n' && t->newlines > 1) || (t->stop && blank(code))) t->pending = t->sentence;
    if (!blank(code)) t->newlines = 0;
    /* A quotation mark or bracket may close behind the stop. */
    t->stop = code == '.' || code == '!' || code == '?' ||
              (t->stop && (code == '"' || code == '\'' || code == ')'));
}

lk_status lk__text_next(lk__text *t, lk__text_kind *kind, char word[LK__WORD_BYTES], size_t *length,
                        lk_error *err) {
    size_t n = 0;   /* bytes of the word; past its room they are only counted */
    char joint = 0; /* an apostrophe or underscore that waits for a letter behind it */
    for (;;) {
        if (t->pending && n == 0) {
            t->pending = t->sentence = false;
            *kind = LK__TEXT_BREAK;
            return LK_OK;
        }
        if (t->have - t->at < 4 && !t->ended) {
            lk_status status = refill(t, err);
            if (status != LK_OK) return status;
            continue;
        }
        bool end = t->at == t->have;
        size_t size = 0;
        long code = end ? ' ' : decode(t->bytes + t->at, t->have - t->at, &size);
        long small = code < 0 ? 0 : letter(t, code);
        if (small) {
            char bytes[4];
            size_t more = encode(small, bytes);
            if (joint && n + 1 < LK__WORD_BYTES) word[n] = joint;
            n += joint != 0;
            joint = 0;
            if (n + more < LK__WORD_BYTES) memcpy(word + n, bytes, more);
            n += more;
            t->at += size;
            t->newlines = 0;
            t->stop = false;
            continue;
        }
        if (n > 0 && !joint && (code == '\'' || code == '_' || code == 0x2019)) {
            joint = code == '_' ? '_' : '\'';
            t->at += size;
            continue;
        }
        if (n > 0 && n < LK__WORD_BYTES) {
            word[n] = 0;
            *length = n;
            *kind = LK__TEXT_WORD;
            t->sentence = true;
            return LK_OK; /* what ended it is looked at by the next call */
        }
        n = 0;
        joint = 0;
        if (end) {
            *kind = t->sentence ? LK__TEXT_BREAK : LK__TEXT_END;
            t->sentence = false;
            return LK_OK;
        }
        t->bad += code < 0;
        t->at += size;
        between(t, code);
    }
}
