/* corpus.c: the text as a file of word numbers, four bytes each, so that it is read, split and looked up once
 * and not in every epoch, standard input and .gz like any file; and so that training can go on later without
 * it. It is mapped, not read: what memory it takes the system can have back.
 *
 * Words get numbers as they come. Where a vocabulary is past its limit the rarest are forgotten, in it and in
 * the file, as word2vec does (ReduceVocab), and the limit of what is rare rises; in the end those rarer than
 * the least count go and numbers follow frequency. */
#include "words/words.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 16 };
static const double PROGRESS_SECONDS = 0.5;

typedef struct maker {
    const lk_words_options *o;
    const char *path;
    lk__vocabulary *v;
    int fd;
    uint32_t *piece; /* (PIECE), the first `used` not written yet */
    size_t used;
    uint64_t count, words; /* numbers written; words read */
    uint64_t forget;       /* words met no more often went the last time */
    double started, told;
    size_t text;
} maker;

static lk_status flush(maker *m, lk_error *err) {
    const char *bytes = (const char *)m->piece;
    size_t left = m->used * sizeof *m->piece;
    while (left) {
        ssize_t put = write(m->fd, bytes, left);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return lk__fail_errno(err, "write", m->path);
        bytes += put;
        left -= (size_t)put;
    }
    m->count += m->used;
    m->used = 0;
    return LK_OK;
}

static lk_status put(maker *m, uint32_t id, lk_error *err) {
    m->piece[m->used++] = id;
    return m->used == PIECE ? flush(m, err) : LK_OK;
}

/* The file again with new numbers; words without one are left out. Read and write go along the same file, the
 * write never ahead. */
static lk_status renumber(maker *m, const uint32_t *new_number, lk_error *err) {
    lk_status status = flush(m, err);
    uint64_t all = m->count;
    uint32_t *from = malloc(PIECE * sizeof *from);
    if (!from) return lk__fail_memory(err, PIECE * sizeof *from, m->path);
    m->count = 0;
    bool ended = true; /* two ends of sentences in a row are one */
    off_t out = 0;
    for (uint64_t at = 0; status == LK_OK && at < all;) {
        ssize_t got = pread(m->fd, from, PIECE * sizeof *from, (off_t)(at * sizeof *from));
        if (got < (ssize_t)sizeof *from) {
            status = lk__fail_errno(err, "read back", m->path);
            break;
        }
        size_t n = (size_t)got / sizeof *from, kept = 0;
        for (size_t i = 0; i < n; i++) {
            uint32_t id = from[i] == LK__NO_WORD ? LK__NO_WORD : new_number[from[i]];
            if (id == LK__NO_WORD && (from[i] != LK__NO_WORD || ended)) continue;
            ended = id == LK__NO_WORD;
            from[kept++] = id;
        }
        at += n;
        if (pwrite(m->fd, from, kept * sizeof *from, out) != (ssize_t)(kept * sizeof *from))
            status = lk__fail_errno(err, "write", m->path);
        out += (off_t)(kept * sizeof *from);
        m->count += kept;
    }
    free(from);
    if (status == LK_OK && (ftruncate(m->fd, out) != 0 || lseek(m->fd, out, SEEK_SET) != out))
        status = lk__fail_errno(err, "write", m->path);
    return status;
}

static lk_status keep(maker *m, uint64_t least, bool sort, lk_error *err) {
    uint32_t *new_number = malloc((m->v->count + 1) * sizeof *new_number);
    if (!new_number) return lk__fail_memory(err, m->v->count * sizeof *new_number, "the vocabulary");
    lk_status status = lk__vocabulary_keep(m->v, least, sort, new_number, err);
    if (status == LK_OK) status = renumber(m, new_number, err);
    free(new_number);
    return status;
}

/* With a note at once, else now and then. */
static lk_status tell(maker *m, const lk__text *text, const char *note, lk_error *err) {
    double now = lk__seconds();
    if (!m->o->progress || (!note && now - m->told < PROGRESS_SECONDS)) return LK_OK;
    m->told = now;
    double seconds = now - m->started, share = text ? lk__text_share(text) : NAN;
    lk_words_progress p = {.words = m->words,
                           .seconds = seconds,
                           .seconds_left =
                               m->o->text_count == 1 && share > 0 ? seconds * (1 - share) / share : NAN,
                           .words_per_second = (double)m->words / fmax(seconds, 1e-3),
                           .loss = NAN,
                           .learning_rate = NAN,
                           .vocabulary = m->v->count,
                           .note = note};
    return m->o->progress(m->o->context, &p)
               ? lk__fail(err, LK_STOPPED, "stopped while the text was read; nothing is kept")
               : LK_OK;
}

static lk_status forget(maker *m, const lk__text *text, lk_error *err) {
    char note[160];
    size_t before = m->v->count;
    lk_status status = keep(m, ++m->forget + 1, false, err);
    if (status != LK_OK) return status;
    snprintf(note, sizeof note,
             "over %zu different words: the %zu met less than %llu times so far are forgotten",
             m->o->vocabulary, before - m->v->count, (unsigned long long)m->forget + 1);
    return tell(m, text, note, err);
}

static lk_status read_words(maker *m, lk__text *text, lk_error *err) {
    lk__text_kind kind;
    char word[LK__WORD_BYTES];
    size_t length = 0;
    for (;;) {
        lk_status status = lk__text_next(text, &kind, word, &length, err);
        uint32_t id = LK__NO_WORD;
        if (status == LK_OK && kind == LK__TEXT_END) return LK_OK;
        if (status == LK_OK && kind == LK__TEXT_WORD) {
            status = lk__vocabulary_add(m->v, word, length, &id, err);
            if (status == LK_OK) {
                m->v->met[id]++;
                m->words++;
            }
        }
        if (status == LK_OK) status = put(m, id, err);
        while (status == LK_OK && m->v->count > m->o->vocabulary) status = forget(m, text, err);
        if (status == LK_OK && m->words % 4096 == 0) status = tell(m, text, NULL, err);
        if (status != LK_OK) return status;
    }
}

static lk_status read_texts(maker *m, lk_error *err) {
    lk_status status = LK_OK;
    for (m->text = 0; m->text < m->o->text_count && status == LK_OK; m->text++) {
        const char *path = m->o->texts[m->text];
        lk__text *text = NULL;
        uint64_t before = m->words;
        char note[256];
        status = lk__text_open(path, &text, err);
        if (status == LK_OK) status = read_words(m, text, err);
        if (status == LK_OK && m->words == before)
            status = lk__fail(err, LK_EMPTY, "%s: there is no word in it", path);
        if (status == LK_OK && lk__text_bad(text)) {
            snprintf(note, sizeof note, "%.120s: %llu bytes are no UTF-8; they were taken as blanks", path,
                     (unsigned long long)lk__text_bad(text));
            status = tell(m, text, note, err);
        }
        lk__text_close(text);
    }
    return status;
}

static lk_status check_enough(const maker *m, lk_error *err) {
    if (m->v->count >= 2) return LK_OK;
    return lk__fail(
        err, LK_EMPTY,
        "too little text: of %llu words %s %zu or more times; give more text or a smaller least count",
        (unsigned long long)m->words, m->v->count ? "only one is met" : "none is met", m->o->min_count);
}

lk_status lk__corpus_make(const lk_words_options *o, const char *path, lk__vocabulary *vocabulary,
                          lk_error *err) {
    maker m = {.o = o, .path = path, .v = vocabulary, .started = lk__seconds()};
    m.told = m.started;
    m.fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (m.fd < 0) return lk__fail_errno(err, "write", path);
    m.piece = malloc(PIECE * sizeof *m.piece);
    lk_status status = m.piece ? read_texts(&m, err) : lk__fail_memory(err, PIECE * sizeof *m.piece, path);
    if (status == LK_OK) status = keep(&m, o->min_count, true, err);
    if (status == LK_OK) status = check_enough(&m, err);
    free(m.piece);
    if (close(m.fd) != 0 && status == LK_OK) status = lk__fail_errno(err, "write", path);
    if (status != LK_OK) unlink(path);
    return status;
}

lk_status lk__corpus_open(const char *path, size_t vocabulary, lk__corpus *out, lk_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return lk__fail_errno(err, "read", path);
    struct stat st;
    lk__corpus c = {0};
    void *bytes = MAP_FAILED;
    if (fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof *c.ids)
        bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED) return lk__fail(err, LK_FORMAT, "%s: is no file of word numbers", path);
    c.ids = bytes;
    c.count = (size_t)st.st_size / sizeof *c.ids;
    bool sound = true;
    for (size_t i = 0; i < c.count; i++) {
        sound = sound && (c.ids[i] < vocabulary || c.ids[i] == LK__NO_WORD);
        c.words += c.ids[i] != LK__NO_WORD;
    }
    if (!sound) {
        lk__corpus_close(&c);
        return lk__fail(err, LK_MISMATCH, "%s: holds numbers of words that the vocabulary does not have",
                        path);
    }
    *out = c;
    return LK_OK;
}

void lk__corpus_close(lk__corpus *corpus) {
    if (corpus->ids) munmap((void *)(uintptr_t)corpus->ids, corpus->count * sizeof *corpus->ids);
    *corpus = (lk__corpus){0};
}
