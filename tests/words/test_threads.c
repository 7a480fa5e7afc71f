/* Two threads on the same vectors: short, because ThreadSanitizer watches it (scripts/check.sh). It must be
 * silent: races are meant in four functions of kernels.c alone. */
#include "words_test.h"

static int told;

static int tell(void *context, const lk_words_progress *p) {
    (void)context;
    told += p->training;
    return 0;
}

static void test_two_threads(void **state) {
    (void)state;
    const char *text = write_language("threads.txt", 10000), *output = test_path("threads.safetensors");
    for (int loss = 0; lk_words_loss_name((lk_words_loss)loss); loss++) {
        lk_words_options o;
        lk_error err = {0};
        lk_words_options_init(&o);
        o.texts = &text;
        o.text_count = 1;
        o.output = output;
        o.dim = 8;
        o.negatives = 4;
        o.epochs = 1;
        o.buckets = 20;
        o.subsample = 0;
        o.threads = 2;
        o.loss = (lk_words_loss)loss;
        o.progress = tell;
        told = 0;
        if (lk_words_train(&o, &err) != LK_OK) fail_msg("%s", err.message);
        assert_true(told >= 1);
        lk_words *w = NULL;
        assert_int_equal(lk_words_open(output, &w, &err), LK_OK);
        assert_int_equal(lk_words_count(w), 15);
        lk_words_free(w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_two_threads)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
