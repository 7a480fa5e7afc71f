/* Text as words and ends of sentences: what is a word, what ends a sentence, and that pieces do not matter.
 */
#include "words_test.h"

#include <zlib.h>

/* "a b|c|": words with blanks between, | for the end of a sentence. free() */
static char *words_of(lk__text *t, lk_status *status, lk_error *err) {
    char *out = NULL, word[LK__WORD_BYTES];
    size_t size = 0, length = 0;
    FILE *f = open_memstream(&out, &size);
    lk__text_kind kind;
    bool first = true;
    while ((*status = lk__text_next(t, &kind, word, &length, err)) == LK_OK && kind != LK__TEXT_END) {
        if (kind == LK__TEXT_BREAK) {
            fputc('|', f);
        } else {
            assert_int_equal(strlen(word), length);
            fprintf(f, "%s%s", first ? "" : " ", word);
        }
        first = kind == LK__TEXT_BREAK;
    }
    fclose(f);
    return out;
}

static void expect(const char *bytes, size_t size, const char *wanted, uint64_t bad) {
    lk__text *t;
    lk_error err = {0};
    lk_status status;
    assert_int_equal(lk__text_of(bytes, size, &t, &err), LK_OK);
    char *got = words_of(t, &status, &err);
    assert_int_equal(status, LK_OK);
    assert_string_equal(got, wanted);
    assert_int_equal(lk__text_bad(t), bad);
    free(got);
    lk__text_close(t);
}

static void expect_text(const char *text, const char *wanted) {
    expect(text, strlen(text), wanted, 0);
}

static void test_words(void **state) {
    (void)state;
    expect_text("", "");
    expect_text(" \n\n.?! -- \n", "");
    expect_text("The DOG, 2 cats", "the dog 2 cats|");
    expect_text("don't 'quoted' new_york well-known it's'", "don't quoted new_york well known it's|");
    expect_text("Ångström ÉTÉ \xd0\x9c\xd0\xb8\xd1\x80 don\xe2\x80\x99t",
                "ångström été \xd0\xbc\xd0\xb8\xd1\x80 don't|");
}

static void test_sentences(void **state) {
    (void)state;
    expect_text("One two. Three? four!\nfive", "one two|three|four|five|");
    expect_text("a line\nthat goes on\n\nand another", "a line that goes on|and another|");
    expect_text("blank \n \t\n here", "blank|here|");
    expect_text("3.5 is www.example.org", "3 5 is www example org|"); /* no blank behind the stop */
    expect_text("He said \"no.\" She (too.) left", "he said no|she too|left|");
    expect_text("a.\n\n\nb", "a|b|"); /* one end, not three */
}

static void test_bad_bytes(void **state) {
    (void)state;
    expect("caf\xe9 au", 7, "caf au|", 1);
    expect("\xff\xfe", 2, "", 2);
    expect("x\xc3", 2, "x|", 1); /* cut in a letter */
    expect("a\0b", 3, "a b|", 0);
    expect("\xed\xa0\x80\xc0\xaf", 5, "", 5); /* a surrogate, an overlong slash */
}

static void test_long_word(void **state) {
    (void)state;
    char text[400];
    memset(text, 'x', sizeof text);
    memcpy(text, "in ", 3);
    memcpy(text + 300, " out", 4);
    expect(text, 304, "in out|", 0);
    memset(text, 'y', LK__WORD_BYTES - 1);
    char wanted[LK__WORD_BYTES + 1];
    snprintf(wanted, sizeof wanted, "%.*s|", LK__WORD_BYTES - 1, text);
    expect(text, LK__WORD_BYTES - 1, wanted, 0);
}

/* Longer than any piece that is read at once, with no end of a line, letters of two bytes on every border. */
static void test_pieces_do_not_matter(void **state) {
    (void)state;
    const char *path = test_path("long.txt");
    FILE *f = fopen(path, "wb");
    for (int i = 0; i < 100000; i++) fputs("\xc3\xa9t\xc3\xa9 ", f);
    fclose(f);
    lk__text *t;
    lk_error err = {0};
    assert_int_equal(lk__text_open(path, &t, &err), LK_OK);
    char word[LK__WORD_BYTES];
    size_t n = 0, length = 0;
    lk__text_kind kind;
    while (lk__text_next(t, &kind, word, &length, &err) == LK_OK && kind == LK__TEXT_WORD) {
        assert_string_equal(word, "\xc3\xa9t\xc3\xa9");
        n++;
    }
    assert_int_equal(n, 100000);
    assert_int_equal(lk__text_bad(t), 0);
    lk__text_close(t);
}

static lk_status read_file(const char *path, lk_error *err) {
    lk__text *t;
    lk_status status = lk__text_open(path, &t, err);
    if (status != LK_OK) return status;
    char *got = words_of(t, &status, err);
    free(got);
    lk__text_close(t);
    return status;
}

static void test_files(void **state) {
    (void)state;
    lk_error err = {0};
    assert_int_equal(read_file("/does/not/exist", &err), LK_NOT_FOUND);
    assert_int_equal(read_file(test_folder, &err), LK_IO);
    assert_int_equal(read_file(write_bytes("binary", "ab\0\1\2", 5), &err), LK_FORMAT);
    assert_non_null(strstr(err.message, "no text"));
    /* The same text, plain and packed; and packed but cut short. */
    const char *packed = test_path("text.gz");
    gzFile g = gzopen(packed, "wb");
    for (int i = 0; i < 20000; i++) gzprintf(g, "word%d ", i * 7919 % 20000);
    gzclose(g);
    assert_int_equal(read_file(packed, &err), LK_OK);
    assert_int_equal(truncate(packed, 9000), 0);
    assert_int_equal(read_file(packed, &err), LK_FORMAT);
    assert_non_null(strstr(err.message, "cut short"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),     cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_bad_bytes), cmocka_unit_test(test_long_word),
        cmocka_unit_test(test_files),     cmocka_unit_test(test_pieces_do_not_matter),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
