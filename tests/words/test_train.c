/* Training: learns which words fill the same gap, gives the same bits, stops and goes on, and says what is
 * wrong with text it cannot use. */
#include "words_test.h"

static lk_words_options options_of(const char *const *text, const char *output) {
    lk_words_options o;
    lk_words_options_init(&o);
    o.texts = text;
    o.text_count = 1;
    o.output = output;
    o.dim = 24;
    o.negatives = 8;
    o.epochs = 8;
    o.subsample = 0;
    o.threads = 1;
    return o;
}

static void must_train(const lk_words_options *o) {
    lk_error err = {0};
    if (lk_words_train(o, &err) != LK_OK) fail_msg("%s", err.message);
}

static double cosine(const lk_words *w, const char *a, const char *b) {
    const float *x = lk_words_vector(w, lk_words_find(w, a)), *y = lk_words_vector(w, lk_words_find(w, b));
    assert_non_null(x);
    assert_non_null(y);
    return lk_cosine(x, y, lk_words_dim(w));
}

static lk_words *must_open(const char *path) {
    lk_words *w = NULL;
    lk_error err = {0};
    if (lk_words_open(path, &w, &err) != LK_OK) fail_msg("%s", err.message);
    return w;
}

static void check_language(const lk_words *w, double gap) {
    double same = fmin(cosine(w, "dog", "cat"), fmin(cosine(w, "man", "child"), cosine(w, "car", "bus")));
    double other = fmax(cosine(w, "dog", "bone"), fmax(cosine(w, "dog", "man"), cosine(w, "man", "car")));
    if (!(same > other + gap)) fail_msg("words of one gap %.3f, of different gaps %.3f", same, other);
    lk_words_match found[3];
    size_t count = 0;
    assert_int_equal(lk_words_fill(w, "the ___ eats the bone", 3, found, &count, NULL), LK_OK);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++) {
        const char *word = lk_words_text(w, found[i].word);
        assert_true(!strcmp(word, "dog") || !strcmp(word, "cat") || !strcmp(word, "fox"));
        assert_true(found[i].score > 0.1);
    }
}

static void test_learns_gaps(void **state) {
    (void)state;
    const char *text = write_language("language.txt", 3000), *output = test_path("learned.safetensors");
    for (int loss = 0; lk_words_loss_name((lk_words_loss)loss); loss++)
        for (int threads = 1; threads <= 2; threads++) {
            lk_words_options o = options_of(&text, output);
            o.epochs = 20;
            o.loss = (lk_words_loss)loss;
            o.threads = threads;
            must_train(&o);
            lk_words *w = must_open(output);
            assert_int_equal(lk_words_count(w), 15);
            /* A hinge stops once words are far enough apart; it tells the two sentences apart, and not all
             * kinds. */
            double same = cosine(w, "dog", "cat");
            double other = cosine(w, "dog", o.loss == LK_WORDS_TRIPLET ? "car" : "bone");
            if (!(same > other + 0.02)) fail_msg("%s: %.3f, %.3f", lk_words_loss_name(o.loss), same, other);
            /* Two threads write to the same fifteen words, in any order. */
            if (o.loss == LK_WORDS_INFONCE) check_language(w, threads == 1 ? 0.1 : 0.02);
            lk_words_free(w);
        }
}

/* The left of a gap is not the right of it: with the order of words lost, these two could not be told apart.
 */
static void test_order_counts(void **state) {
    (void)state;
    const char *path = test_path("order.txt");
    FILE *f = fopen(path, "wb");
    lk__random r = lk__random_stream(5, 0, 0, 0);
    for (int i = 0; i < 8000; i++) {
        bool a = lk__random_below(&r, 2);
        fprintf(f, a ? "x %s y. " : "y %s x. ",
                lk__random_below(&r, 2) ? (a ? "p" : "q") : (a ? "pp" : "qq"));
    }
    fclose(f);
    const char *output = test_path("order.safetensors");
    lk_words_options o = options_of(&path, output);
    o.learning_rate = 0.1;
    o.epochs = 20;
    must_train(&o);
    lk_words *w = must_open(output);
    lk_words_match found[2];
    size_t count = 0;
    assert_int_equal(lk_words_fill(w, "x __ y", 2, found, &count, NULL), LK_OK);
    for (size_t i = 0; i < 2; i++) assert_int_equal(lk_words_text(w, found[i].word)[0], 'p');
    assert_int_equal(lk_words_fill(w, "y __ x", 2, found, &count, NULL), LK_OK);
    for (size_t i = 0; i < 2; i++) assert_int_equal(lk_words_text(w, found[i].word)[0], 'q');
    lk_words_free(w);
}

static void read_file(const char *path, uint8_t **bytes, size_t *size) {
    assert_int_equal(lk__file_read(path, 1 << 24, bytes, size, NULL), LK_OK);
}

static void expect_same_files(const char *a, const char *b) {
    uint8_t *x, *y;
    size_t m, n;
    read_file(a, &x, &m);
    read_file(b, &y, &n);
    assert_int_equal(m, n);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

static void test_same_seed_same_bits(void **state) {
    (void)state;
    const char *text = write_language("bits.txt", 20000);
    const char *a = test_path("a.safetensors"), *b = test_path("b.safetensors"),
               *c = test_path("c.safetensors");
    lk_words_options o = options_of(&text, a);
    o.epochs = 2;
    o.buckets = 50;
    must_train(&o);
    o.output = b;
    must_train(&o);
    expect_same_files(a, b);
    o.output = c;
    o.seed = 2;
    must_train(&o);
    uint8_t *x, *y;
    size_t m, n;
    read_file(a, &x, &m);
    read_file(c, &y, &n);
    assert_true(m != n || memcmp(x, y, n) != 0);
    free(x);
    free(y);
}

static int stop_at_once(void *context, const lk_words_progress *p) {
    (void)context;
    return p->training;
}

static void test_stop_and_resume(void **state) {
    (void)state;
    const char *text = write_language("resume.txt", 30000);
    const char *whole = test_path("whole.safetensors"), *cut = test_path("cut.safetensors");
    lk_words_options o = options_of(&text, whole);
    o.epochs = 2;
    must_train(&o);
    o.output = cut;
    o.progress = stop_at_once;
    lk_error err = {0};
    assert_int_equal(lk_words_train(&o, &err), LK_STOPPED);
    assert_int_equal(access(test_path("cut.safetensors.corpus"), F_OK), 0);
    assert_int_equal(unlink(text), 0); /* it is not needed any more */
    o.progress = NULL;
    o.resume = 1;
    o.seed = 2;
    assert_int_equal(lk_words_train(&o, &err), LK_INVALID);
    assert_non_null(strstr(err.message, "other options"));
    o.seed = 1;
    must_train(&o);
    expect_same_files(whole, cut);
    assert_int_not_equal(access(test_path("cut.safetensors.corpus"), F_OK), 0);
    assert_int_not_equal(access(test_path("cut.safetensors.checkpoint"), F_OK), 0);
    assert_int_equal(lk_words_train(&o, &err), LK_NOT_FOUND); /* nothing to go on from */
}

static void expect_failure(const char *text, size_t least, lk_status wanted) {
    const char *path = write_text("bad.txt", text), *output = test_path("bad.safetensors");
    lk_words_options o = options_of(&path, output);
    o.min_count = least;
    lk_error err = {0};
    assert_int_equal(lk_words_train(&o, &err), wanted);
    assert_true(strlen(err.message) > 10);
    assert_int_not_equal(access(output, F_OK), 0);
    assert_int_not_equal(access(test_path("bad.safetensors.corpus"), F_OK), 0);
}

static void test_bad_texts(void **state) {
    (void)state;
    expect_failure("", 1, LK_EMPTY);
    expect_failure("word", 1, LK_EMPTY);
    expect_failure("word word word", 1, LK_EMPTY);
    expect_failure("one. two. one. two.", 1, LK_EMPTY); /* no word has a neighbour */
    expect_failure("all of these are rare", 5, LK_EMPTY);
}

static void test_bad_options(void **state) {
    (void)state;
    const char *text = write_text("two.txt", "one two one two"), *output = test_path("two.safetensors");
    lk_words_options good = options_of(&text, output), o;
    lk_error err = {0};
    good.min_count = 1;
    must_train(&good);
#define EXPECT_INVALID(field, value)                                                                         \
    o = good;                                                                                                \
    o.field = value;                                                                                         \
    assert_int_equal(lk_words_train(&o, &err), LK_INVALID);                                                  \
    assert_non_null(strstr(err.message, #field))
    EXPECT_INVALID(dim, 0);
    EXPECT_INVALID(window, 0);
    EXPECT_INVALID(negatives, 0);
    EXPECT_INVALID(epochs, 0);
    EXPECT_INVALID(subsample, -1);
    EXPECT_INVALID(subsample, (double)NAN);
    EXPECT_INVALID(learning_rate, 0);
    EXPECT_INVALID(ngram_least, 9);
    o = good;
    o.dim = 4096;
    o.buckets = 1000000000;
    assert_int_equal(lk_words_train(&o, &err), LK_TOO_LARGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns_gaps),         cmocka_unit_test(test_order_counts),
        cmocka_unit_test(test_same_seed_same_bits), cmocka_unit_test(test_stop_and_resume),
        cmocka_unit_test(test_bad_texts),           cmocka_unit_test(test_bad_options),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
