/* The vocabulary and the corpus file: numbers by frequency, rare words gone, and a vocabulary past its limit.
 */
#include "words_test.h"

static lk_words_options options_of(const char *const *texts, size_t count, size_t least) {
    lk_words_options o;
    lk_words_options_init(&o);
    o.texts = texts;
    o.text_count = count;
    o.min_count = least;
    return o;
}

/* The corpus as text again. free() */
static char *text_of(const lk__corpus *c, const lk__vocabulary *v) {
    char *out = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&out, &size);
    for (size_t i = 0; i < c->count; i++) {
        if (c->ids[i] == LK__NO_WORD)
            fputs("|", f);
        else
            fprintf(f, " %s", lk__vocabulary_text(v, c->ids[i]));
    }
    fclose(f);
    return out;
}

static void test_numbers_follow_frequency(void **state) {
    (void)state;
    const char *texts[] = {write_text("a.txt", "b b c. a once b a. once2"), write_text("b.txt", "c A")};
    lk_words_options o = options_of(texts, 2, 2);
    lk__vocabulary v = {0};
    lk__corpus c;
    lk_error err = {0};
    const char *path = test_path("corpus");
    assert_int_equal(lk__corpus_make(&o, path, &v, &err), LK_OK);
    assert_int_equal(v.count, 3);
    assert_string_equal(lk__vocabulary_text(&v, 0), "a"); /* as often as b: in byte order */
    assert_string_equal(lk__vocabulary_text(&v, 1), "b");
    assert_string_equal(lk__vocabulary_text(&v, 2), "c");
    assert_int_equal(v.met[0], 3);
    assert_int_equal(v.met[2], 2);
    assert_int_equal(lk__vocabulary_find(&v, "b", 1), 1);
    assert_int_equal(lk__vocabulary_find(&v, "once", 4), LK__NO_WORD);
    assert_int_equal(lk__corpus_open(path, v.count, &c, &err), LK_OK);
    char *text = text_of(&c, &v);
    assert_string_equal(text, " b b c| a b a| c a|"); /* the sentence of once2 alone leaves no second end */
    assert_int_equal(c.words, 8);
    free(text);
    lk__corpus_close(&c);
    assert_int_equal(lk__corpus_open(path, 2, &c, &err), LK_MISMATCH);
    lk__vocabulary_free(&v);
}

/* 5000 words once each among two that are met all the time, in a vocabulary of 100. */
static void test_vocabulary_over_its_limit(void **state) {
    (void)state;
    const char *path = test_path("many.txt");
    FILE *f = fopen(path, "wb");
    for (int i = 0; i < 5000; i++) fprintf(f, "dog rare%d cat ", i);
    fclose(f);
    lk_words_options o = options_of(&path, 1, 1);
    o.vocabulary = 100;
    lk__vocabulary v = {0};
    lk__corpus c;
    lk_error err = {0};
    const char *corpus = test_path("corpus");
    assert_int_equal(lk__corpus_make(&o, corpus, &v, &err), LK_OK);
    assert_true(v.count <= 100);
    assert_int_equal(v.met[lk__vocabulary_find(&v, "dog", 3)], 5000);
    assert_int_equal(lk__corpus_open(corpus, v.count, &c, &err), LK_OK);
    size_t dogs = 0, cats = 0;
    for (size_t i = 0; i < c.count; i++) {
        dogs += c.ids[i] == lk__vocabulary_find(&v, "dog", 3);
        cats += c.ids[i] == lk__vocabulary_find(&v, "cat", 3);
    }
    assert_int_equal(dogs, 5000);
    assert_int_equal(cats, 5000);
    lk__corpus_close(&c);
    lk__vocabulary_free(&v);
}

static void expect_failure(const char *text, size_t least, lk_status wanted) {
    const char *path = write_text("t.txt", text), *corpus = test_path("none.corpus");
    lk_words_options o = options_of(&path, 1, least);
    lk__vocabulary v = {0};
    lk_error err = {0};
    assert_int_equal(lk__corpus_make(&o, corpus, &v, &err), wanted);
    assert_int_not_equal(access(corpus, F_OK), 0);
    lk__vocabulary_free(&v);
}

static void test_too_little(void **state) {
    (void)state;
    expect_failure("", 1, LK_EMPTY);
    expect_failure("... -- \n", 1, LK_EMPTY);
    expect_failure("one", 1, LK_EMPTY);
    expect_failure("a b c d", 2, LK_EMPTY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_follow_frequency),
        cmocka_unit_test(test_vocabulary_over_its_limit),
        cmocka_unit_test(test_too_little),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
