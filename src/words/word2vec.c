/* word2vec.c: word2vec's text format, which gensim, fastText's tools and others read and write:
 *
 *   count dim
 *   word value value ...        a line for each word, most often met first
 *
 * Plain or .gz. Vectors are scaled to norm 1 on the way in: only their directions are compared. */
#include "words/words.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { MOST_DIM = 65536, NUMBER = 64 };

typedef struct reader {
    gzFile file;
    const char *path;
    size_t line;
} reader;

static lk_status damaged(const reader *r, const char *what, lk_error *err) {
    int code = Z_OK;
    const char *why = gzerror(r->file, &code);
    if (code == Z_ERRNO) return lk__fail_errno(err, "read", r->path);
    if (code != Z_OK && code != Z_STREAM_END)
        return lk__fail(err, LK_FORMAT, "%s: the compressed file is damaged or cut short: %s", r->path, why);
    return lk__fail(
        err, LK_FORMAT,
        "%s:%zu: %s; a model of likeness words train is wanted, or word2vec's text format (count and dim, "
        "then a word and its values on each line)",
        r->path, r->line, what);
}

/* The next run of bytes that are no blanks, with a zero byte; *end is the blank behind it, -1 at the end of
 * the file. False: none on this line, or longer than the room. */
static bool token(reader *r, char *out, size_t room, int *end) {
    size_t n = 0;
    int c;
    while ((c = gzgetc(r->file)) == ' ' || c == '\t' || c == '\r') continue;
    for (; c > ' '; c = gzgetc(r->file)) {
        if (n + 1 == room) return false;
        out[n++] = (char)c;
    }
    out[n] = 0;
    *end = c;
    return n > 0 && c != 0;
}

static lk_status read_head(reader *r, size_t *count, size_t *dim, lk_error *err) {
    char text[2][NUMBER];
    int end = 0;
    r->line = 1;
    bool good =
        token(r, text[0], NUMBER, &end) && end == ' ' && token(r, text[1], NUMBER, &end) && end != ' ';
    for (int i = 0; i < 2 && good; i++)
        good = !text[i][strspn(text[i], "0123456789")] && strlen(text[i]) < 12;
    if (!good) return damaged(r, "does not begin with two numbers", err);
    *count = strtoull(text[0], NULL, 10);
    *dim = strtoull(text[1], NULL, 10);
    if (*count < 1 || *count >= LK__NO_WORD || *dim < 1 || *dim > MOST_DIM)
        return damaged(r, "says it has no words, or vectors of over 65536 values", err);
    return LK_OK;
}

static lk_status read_line(reader *r, lk__vocabulary *v, float *row, size_t dim, lk_error *err) {
    char word[LK__WORD_BYTES], text[NUMBER];
    int end = 0;
    uint32_t number;
    r->line++;
    if (!token(r, word, sizeof word, &end) || end == '\n' || end < 0)
        return damaged(r, "is not a word of up to 95 bytes and its values", err);
    size_t before = v->count;
    double norm = 0;
    lk_status status = lk__vocabulary_add(v, word, strlen(word), &number, err);
    if (status != LK_OK) return status;
    if (v->count == before) return damaged(r, "has a word that was there before", err);
    for (size_t d = 0; d < dim; d++) {
        char *rest;
        if (end == '\n' || end < 0 || !token(r, text, sizeof text, &end))
            return damaged(r, "has too few values, or one that is no number", err);
        row[d] = strtof(text, &rest);
        if (*rest || !isfinite(row[d])) return damaged(r, "has a value that is no finite number", err);
        norm += (double)row[d] * (double)row[d];
    }
    while (end == ' ' || end == '\t' || end == '\r')
        end = gzgetc(r->file); /* word2vec ends lines with a blank */
    if (end != '\n' && end >= 0) return damaged(r, "has too many values", err);
    for (size_t d = 0; d < dim && norm > 0; d++) row[d] = (float)((double)row[d] / sqrt(norm));
    return LK_OK;
}

static lk_status read_all(reader *r, lk__words_file *f, float **vectors, lk_error *err) {
    size_t count = 0, dim = 0, room = 0;
    lk_status status = read_head(r, &count, &dim, err);
    for (size_t i = 0; i < count && status == LK_OK; i++) {
        if (i == room) { /* as it comes: the number in the head may be anything */
            room = room ? 2 * room < count ? 2 * room : count : count < 1024 ? count : 1024;
            float *grown = realloc(*vectors, room * dim * sizeof *grown);
            if (!grown) return lk__fail_memory(err, room * dim * sizeof *grown, r->path);
            *vectors = grown;
        }
        status = read_line(r, &f->vocabulary, *vectors + i * dim, dim, err);
    }
    f->net.words = count;
    f->net.dim = dim;
    return status;
}

lk_status lk__word2vec_read(const char *path, lk__words_file *file, float **vectors, lk_error *err) {
    errno = 0;
    reader r = {gzopen(path, "rb"), path, 0};
    if (!r.file) {
        if (!errno) errno = ENOMEM;
        return lk__fail_errno(err, "open", path);
    }
    gzbuffer(r.file, 1 << 17);
    lk_status status = read_all(&r, file, vectors, err);
    gzclose(r.file);
    return status;
}

lk_status lk_words_export(const lk_words *w, const char *path, lk_error *err) {
    lk__writer *writer = NULL;
    lk_status status = lk__writer_open(path, &writer, err);
    if (status != LK_OK) return status;
    size_t count = lk_words_count(w), dim = w->file.net.dim, room = LK__WORD_BYTES + 16 * dim + 2;
    char *line = malloc(room);
    if (!line) status = lk__fail_memory(err, room, path);
    if (line) {
        int n = snprintf(line, room, "%zu %zu\n", count, dim);
        status = lk__writer_write(writer, line, (size_t)n, err);
    }
    for (size_t i = 0; i < count && status == LK_OK; i++) {
        size_t n = (size_t)snprintf(line, room, "%s", lk_words_text(w, i));
        for (size_t d = 0; d < dim; d++)
            n += (size_t)snprintf(line + n, room - n, " %.6g", (double)w->vectors[i * dim + d]);
        line[n++] = '\n';
        status = lk__writer_write(writer, line, n, err);
    }
    free(line);
    if (status == LK_OK) return lk__writer_commit(writer, err);
    lk__writer_abort(writer);
    return status;
}
