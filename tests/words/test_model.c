/* A model in use: word2vec's format in and out, closest words, analogies, pairs that people judged, and files
 * that are not what they should be. */
#include "words_test.h"

static lk_words *open_text(const char *text) {
    lk_words *w = NULL;
    lk_error err = {0};
    if (lk_words_open(write_text("vectors.txt", text), &w, &err) != LK_OK) fail_msg("%s", err.message);
    return w;
}

/* king - man + woman is queen; the last word lies elsewhere. */
static const char royal[] =
    "6 3\n"
    "king 1 1 0\nqueen 1 0 1 \nman 0.1 1 0\nwoman 0.1 0 1\nRock -3 0 0\nNew_York 0 -1 -1\n";

static void test_word2vec_in(void **state) {
    (void)state;
    lk_words *w = open_text(royal);
    assert_int_equal(lk_words_count(w), 6);
    assert_int_equal(lk_words_dim(w), 3);
    assert_string_equal(lk_words_text(w, 4), "Rock");
    assert_null(lk_words_text(w, 6));
    assert_int_equal(lk_words_find(w, "KING"), 0);
    assert_int_equal(lk_words_find(w, "Rock"), 4);
    assert_int_equal(lk_words_find(w, "New_York"), 5);
    assert_int_equal(lk_words_find(w, "prince"), SIZE_MAX);
    assert_int_equal(lk_words_find(w, "king queen"), SIZE_MAX);
    for (size_t i = 0; i < 6; i++)
        assert_true(fabs(lk_cosine(lk_words_vector(w, i), lk_words_vector(w, i), 3) - 1) < 1e-6);
    float vector[3];
    lk_error err = {0};
    assert_int_equal(lk_words_embed(w, "prince", vector, &err), LK_NOT_FOUND);
    lk_words_match m[6];
    size_t count;
    assert_int_equal(lk_words_fill(w, "the ___ rules", 3, m, &count, &err), LK_INVALID);
    assert_non_null(strstr(err.message, "word2vec"));
    lk_words_free(w);
}

static void test_near(void **state) {
    (void)state;
    lk_words *w = open_text(royal);
    lk_words_match m[6];
    size_t count = 0, self = 0;
    lk_words_near(w, lk_words_vector(w, 0), &self, 1, 6, m, &count);
    assert_int_equal(count, 5);
    assert_string_equal(lk_words_text(w, m[0].word), "man");
    for (size_t i = 1; i < count; i++) assert_true(m[i - 1].score >= m[i].score);
    /* Fewer are the first of more. */
    for (size_t k = 0; k <= 5; k++) {
        lk_words_match few[6];
        lk_words_near(w, lk_words_vector(w, 0), &self, 1, k, few, &count);
        assert_int_equal(count, k);
        for (size_t i = 0; i < k; i++) assert_int_equal(few[i].word, m[i].word);
    }
    lk_error err = {0};
    assert_int_equal(lk_words_analogy(w, "man", "king", "woman", 1, m, &count, &err), LK_OK);
    assert_string_equal(lk_words_text(w, m[0].word), "queen");
    assert_int_equal(lk_words_analogy(w, "man", "prince", "woman", 1, m, &count, &err), LK_NOT_FOUND);
    assert_non_null(strstr(err.message, "prince"));
    lk_words_free(w);
}

static void expect_bad(const char *text, const char *says) {
    lk_words *w = NULL;
    lk_error err = {0};
    assert_int_equal(lk_words_open(write_text("bad.txt", text), &w, &err), LK_FORMAT);
    assert_null(w);
    if (!strstr(err.message, says)) fail_msg("'%s' does not say '%s'", err.message, says);
}

static void test_bad_word2vec(void **state) {
    (void)state;
    expect_bad("", "two numbers");
    expect_bad("no vectors here\n", "two numbers");
    expect_bad("0 3\n", "no words");
    expect_bad("2 99999999\na 1\n", "65536");
    expect_bad("2 2\na 1 2\n", ":3: is not a word");
    expect_bad("1 2\na 1\n", ":2: has too few");
    expect_bad("1 2\na 1 2 3\n", ":2: has too many");
    expect_bad("1 2\na 1 x\n", "no finite number");
    expect_bad("1 2\na 1 nan\n", "no finite number");
    expect_bad("2 1\na 1\na 2\n", "there before");
    expect_bad("99999999 1\na 1\n", ":3:");
}

static void expect_rho(const lk_words *w, const char *pairs, size_t covered, double rho) {
    lk_words_figures f;
    lk_error err = {0};
    if (lk_words_measure(w, write_text("pairs.tsv", pairs), &f, &err) != LK_OK) fail_msg("%s", err.message);
    assert_int_equal(f.covered, covered);
    if (isnan(rho))
        assert_true(isnan(f.rho));
    else if (fabs(f.rho - rho) > 1e-9)
        fail_msg("rho %.12g, not %.12g", f.rho, rho);
}

static void test_measure(void **state) {
    (void)state;
    lk_words *w = open_text("5 2\na 1 0\nb 0.9 0.1\nc 0.5 0.5\nd 0 1\ne 0.1 1\n");
    /* As cosines have it; the other way round; and with a word that is not there. */
    expect_rho(w, "w1\tw2\tvalue\na\tb\t9\na\tc\t5\na\td\t0\n", 3, 1);
    expect_rho(w, "a,b,0\na,c,5\na,d,9\na,zebra,4\n", 3, -1);
    /* By columns: a word between, as in SimLex. */
    expect_rho(w, "word1\tword2\tPOS\tSimLex999\tmore\na\tb\tN\t9\t1\na\tc\tN\t5\t7\na\td\tA\t0\t3\n", 3, 1);
    /* Ties at the mean of their ranks: ranks 0.5 0.5 2 3 against 3 2 0 1 by cosine. */
    expect_rho(w, "a b 1\na c 1\na d 2\na e 3\n", 4, -3.5 / sqrt(4.5 * 5));
    expect_rho(w, "a b 1\na c 2\n", 2, (double)NAN);
    lk_words_figures f;
    lk_error err = {0};
    assert_int_equal(lk_words_measure(w, write_text("p", ""), &f, &err), LK_EMPTY);
    assert_int_equal(lk_words_measure(w, write_text("p", "a b 1\na b\n"), &f, &err), LK_FORMAT);
    assert_int_equal(lk_words_measure(w, write_text("p", "a b c\nd e f\n"), &f, &err), LK_FORMAT);
    assert_int_equal(lk_words_measure(w, test_path("missing"), &f, &err), LK_NOT_FOUND);
    lk_words_free(w);
}

static const char *train_model(size_t buckets) {
    const char *text = write_language("model.txt", 2000), *output = test_path("model.safetensors");
    lk_words_options o;
    lk_error err = {0};
    lk_words_options_init(&o);
    o.texts = &text;
    o.text_count = 1;
    o.output = output;
    o.dim = 16;
    o.subsample = 0;
    o.buckets = buckets;
    o.threads = 1;
    if (lk_words_train(&o, &err) != LK_OK) fail_msg("%s", err.message);
    return output;
}

static void test_export(void **state) {
    (void)state;
    lk_words *a = NULL, *b = NULL;
    lk_error err = {0};
    assert_int_equal(lk_words_open(train_model(0), &a, &err), LK_OK);
    const char *path = test_path("out.txt");
    assert_int_equal(lk_words_export(a, path, &err), LK_OK);
    assert_int_equal(lk_words_open(path, &b, &err), LK_OK);
    assert_int_equal(lk_words_count(a), lk_words_count(b));
    for (size_t i = 0; i < lk_words_count(a); i++) {
        assert_string_equal(lk_words_text(a, i), lk_words_text(b, i));
        assert_true(lk_cosine(lk_words_vector(a, i), lk_words_vector(b, i), lk_words_dim(a)) > 1 - 1e-6);
    }
    lk_words_free(a);
    lk_words_free(b);
}

static void test_new_words(void **state) {
    (void)state;
    lk_words *w = NULL;
    lk_error err = {0};
    float vector[16];
    assert_int_equal(lk_words_open(train_model(0), &w, &err), LK_OK);
    assert_int_equal(lk_words_embed(w, "doggy", vector, &err), LK_NOT_FOUND);
    lk_words_free(w);
    assert_int_equal(lk_words_open(train_model(500), &w, &err), LK_OK);
    assert_int_equal(lk_words_embed(w, "two words", vector, &err), LK_NOT_FOUND);
    assert_int_equal(lk_words_embed(w, "drivesx", vector, &err), LK_OK);
    assert_true(fabs(lk_cosine(vector, vector, 16) - 1) < 1e-6);
    double right = lk_cosine(vector, lk_words_vector(w, lk_words_find(w, "drives")), 16);
    double other = lk_cosine(vector, lk_words_vector(w, lk_words_find(w, "dog")), 16);
    assert_true(right > other);
    lk_words_figures f;
    assert_int_equal(lk_words_measure(w, write_text("p", "dog cat 3\ndog doggy 4\ndog bus 1\n"), &f, &err),
                     LK_OK);
    assert_int_equal(f.covered, 2);
    assert_int_equal(f.built, 1);
    assert_true(isnan(f.rho));
    assert_true(isfinite(f.rho_all));
    lk_words_free(w);
}

static void test_sentences(void **state) {
    (void)state;
    lk_words *w = NULL;
    lk_error err = {0};
    lk_words_match m[20];
    size_t count = 0;
    assert_int_equal(lk_words_open(train_model(0), &w, &err), LK_OK);
    assert_int_equal(lk_words_fill(w, "no gap", 3, m, &count, &err), LK_INVALID);
    assert_int_equal(lk_words_fill(w, "a ___ and a ___", 3, m, &count, &err), LK_INVALID);
    assert_int_equal(lk_words_fill(w, "zyx ___ wvu", 3, m, &count, &err), LK_EMPTY);
    assert_int_equal(lk_words_fill(w, "___", 3, m, &count, &err), LK_EMPTY);
    assert_int_equal(lk_words_fill(w, "The ____ eats the bone", 20, m, &count, &err), LK_OK);
    assert_int_equal(count, lk_words_count(w) - 3); /* all but eats, the, bone */
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += m[i].score;
    assert_true(sum > 0.5 && sum < 1); /* without those of the sentence */
    /* Other sentences are not looked at. */
    lk_words_match n[20];
    assert_int_equal(
        lk_words_fill(w, "drives drives. The ____ eats the bone. drives drives", 20, n, &count, &err), LK_OK);
    for (size_t i = 0; i < count; i++) assert_int_equal(m[i].word, n[i].word);
    lk_words_free(w);
}

/* Bytes of the header, and some of the rest, changed or the file cut there: refused or read, never worse.
 */
static void test_damaged_model(void **state) {
    (void)state;
    uint8_t *bytes;
    size_t size;
    assert_int_equal(lk__file_read(train_model(20), 1 << 24, &bytes, &size, NULL), LK_OK);
    lk_words *w;
    for (size_t at = 0; at < size; at += at < 1500 ? 5 : 397) {
        uint8_t was = bytes[at];
        w = NULL;
        bytes[at] ^= 0x5a;
        if (lk_words_open(write_bytes("damaged", bytes, size), &w, NULL) == LK_OK) {
            float vector[64];
            if (lk_words_dim(w) <= 64) (void)lk_words_embed(w, "doggy", vector, NULL);
            lk_words_free(w);
        }
        bytes[at] = was;
    }
    lk_error err = {0};
    assert_int_equal(lk_words_open(write_bytes("damaged", bytes, size / 2), &w, &err), LK_FORMAT);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_word2vec_in),  cmocka_unit_test(test_near),
        cmocka_unit_test(test_bad_word2vec), cmocka_unit_test(test_measure),
        cmocka_unit_test(test_export),       cmocka_unit_test(test_new_words),
        cmocka_unit_test(test_sentences),    cmocka_unit_test(test_damaged_model),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
