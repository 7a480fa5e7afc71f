/* words_test.h: files of text for the tests of this room, each in a folder of its own. */
#ifndef LK_WORDS_TEST_H
#define LK_WORDS_TEST_H

#include "words/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char test_folder[] = "/tmp/likeness-words-XXXXXX";

/* A path in the test's folder, in one of a few buffers that take turns. */
static inline const char *test_path(const char *name) {
    static char paths[8][128];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", test_folder, name);
    return path;
}

static inline const char *write_bytes(const char *name, const void *bytes, size_t size) {
    const char *path = test_path(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
    return path;
}

static inline const char *write_text(const char *name, const char *text) {
    return write_bytes(name, text, strlen(text));
}

static inline int make_folder(void **state) {
    (void)state;
    return mkdtemp(test_folder) ? 0 : -1;
}

static inline int remove_folder(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", test_folder);
    return system(command); /* NOLINT(cert-env33-c) */
}

/* Sentences of a language of four kinds of words, three words of each kind: a kind fills its gap, whichever
 * of its words it is. "the <animal> eats the <food>. the <person> drives the <thing>." */
static inline const char *write_language(const char *name, size_t sentences) {
    static const char *const kind[4][3] = {
        {"dog", "cat", "fox"}, {"bone", "fish", "hen"}, {"man", "woman", "child"}, {"car", "cart", "bus"}};
    const char *path = test_path(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    lk__random r = lk__random_stream(7, 0, 0, 0);
    for (size_t i = 0; i < sentences; i++) {
        size_t side = lk__random_below(&r, 2) * 2;
        fprintf(f, "the %s %s the %s. ", kind[side][lk__random_below(&r, 3)], side ? "drives" : "eats",
                kind[side + 1][lk__random_below(&r, 3)]);
    }
    assert_int_equal(fclose(f), 0);
    return path;
}

#endif
