/* fuzz_words.c: any bytes as text to learn from, as a model of words (both formats) and as judged pairs. */
#include "words/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void read_text(const char *path) {
    lk__text *t = NULL;
    lk__text_kind kind = LK__TEXT_BREAK, last;
    char word[LK__WORD_BYTES];
    size_t length = 0;
    if (lk__text_open(path, &t, NULL) != LK_OK) return;
    for (last = kind; lk__text_next(t, &kind, word, &length, NULL) == LK_OK && kind != LK__TEXT_END;
         last = kind) {
        if (kind == LK__TEXT_BREAK) {
            LK__CHECK(last, ==, LK__TEXT_WORD);
            continue;
        }
        LK__CHECK(length, >, 0);
        LK__CHECK(length, <, LK__WORD_BYTES);
        LK__CHECK(strlen(word), ==, length);
    }
    lk__text_close(t);
}

static void read_model(const char *path) {
    lk_words *w = NULL;
    if (lk_words_open(path, &w, NULL) != LK_OK) return;
    lk_words_match matches[4];
    lk_words_figures figures;
    size_t count = 0, n = lk_words_count(w);
    LK__CHECK(n, >, 0);
    for (size_t i = 0; i < n; i++) LK__CHECK(lk_words_find(w, lk_words_text(w, i)), ==, i);
    for (int d = 0; d < lk_words_dim(w); d++) LK__CHECK(isfinite(lk_words_vector(w, n - 1)[d]), !=, 0);
    lk_words_near(w, lk_words_vector(w, 0), NULL, 0, 4, matches, &count);
    LK__CHECK(count, <=, n);
    if (lk_words_fill(w, "the ___ of a", 4, matches, &count, NULL) == LK_OK) LK__CHECK(count, <=, n);
    (void)lk_words_measure(w, path, &figures, NULL);
    lk_words_free(w);
}

static void read_pairs(const char *path) {
    static const char vectors[] = "2 2\na 1 0\nb 0 1\n";
    char model[64];
    int fd = memfd_create("vectors", 0);
    lk_words *w = NULL;
    lk_words_figures figures;
    if (fd < 0) return;
    snprintf(model, sizeof model, "/proc/self/fd/%d", fd);
    if (write(fd, vectors, sizeof vectors - 1) == sizeof vectors - 1 &&
        lk_words_open(model, &w, NULL) == LK_OK && lk_words_measure(w, path, &figures, NULL) == LK_OK)
        LK__CHECK(figures.covered + figures.built, <=, figures.pairs);
    lk_words_free(w);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    int fd = memfd_create("words", 0);
    char path[64];
    if (fd < 0) return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, bytes, size) == (ssize_t)size) {
        read_text(path);
        read_model(path);
        read_pairs(path);
    }
    close(fd);
    return 0;
}
