/* test_losses.c: the trainer with every loss: it learns, the bits are the same on any number of threads, and
 * a run that was stopped, with all that the loss has learned or remembers, ends as one that was not. */
#include "face/train_runs.h"

enum { LOSSES = LK_LOSS_ARCFACE + 1 };

/* ---- it learns --------------------------------------------------------------------------------------- */

static void validate_on_others(lk_train_options *o) {
    validations[0] = (lk_source){.path = keep(at("others"))};
    o->validate = validations;
    o->validate_count = 1;
}

/* Accuracy on people never seen, of a quick run of a loss. */
static double accuracy_of(const char *name, lk_loss loss, lk_mining mining, int memory, double epochs) {
    lk_train_options o = options_of(name);
    lk_train_options_loss(&o, loss);
    if (mining != LK_MINING_NONE) o.mining = mining;
    validate_on_others(&o);
    o.memory = memory;
    o.epochs = epochs;
    train(&o);
    return s.last.validation_accuracy;
}

static void test_learns(void **state) {
    (void)state;
    lk_train_options o = options_of("untrained");
    validate_on_others(&o);
    o.epochs = 0;
    train(&o);
    lk_model *m = NULL;
    assert_int_equal(lk_model_open(o.output, &m, NULL), LK_OK);
    double before = strtod(lk_model_metadata(m, "validation_accuracy"), NULL);
    lk_model_free(m);
    for (int loss = 0; loss < LOSSES; loss++) {
        double after = accuracy_of("m", (lk_loss)loss, LK_MINING_NONE, 0, 60);
        if (!(after > before + 0.12 && after > 0.8))
            fail_msg("%s: accuracy %.3f, untrained %.3f", lk_loss_about((lk_loss)loss)->name, after, before);
        assert_true(s.last.distance_negative > s.last.distance_positive + 0.2);
        assert_int_equal(s.notes, 0);
    }
    const lk_loss remembering[] = {LK_LOSS_TRIPLET, LK_LOSS_SUPCON};
    for (int i = 0; i < 2; i++) {
        double after = accuracy_of("m", remembering[i], LK_MINING_NONE, 200, 60);
        if (!(after > before + 0.12 && after > 0.8)) fail_msg("with a memory: accuracy %.3f", after);
    }
    double drawn = accuracy_of("m", LK_LOSS_TRIPLET, LK_MINING_DISTANCE_WEIGHTED, 0, 60);
    assert_true(drawn > before + 0.12 && drawn > 0.8);
}

/* ---- the same bytes ------------------------------------------------------------------------------------ */

static int steps_left;

static int on_stop(void *context) {
    (void)context;
    return steps_left-- == 0;
}

/* With every loss and with both optimizers; a memory that is full, and one that goes on filling. */
static lk_train_options stateful(const char *name, int loss) {
    lk_train_options o = options_of(name);
    lk_train_options_loss(&o, (lk_loss)loss);
    if (loss != LK_LOSS_ARCFACE) o.memory = loss % 2 ? 50 : 1000;
    o.memory_start = 0.2;
    o.optimizer = loss % 3 ? LK_OPTIMIZER_ADAMW : LK_OPTIMIZER_SGD;
    o.people = 6;
    o.average = loss % 2 ? 0.9 : 0;
    return o;
}

static void test_any_number_of_threads(void **state) {
    (void)state;
    for (int loss = 0; loss < LOSSES; loss++) {
        lk_train_options a = stateful("a", loss), b = stateful("b", loss);
        b.threads = 3;
        train(&a);
        train(&b);
        assert_same_file(a.output, b.output);
    }
}

static void test_stopped_and_resumed(void **state) {
    (void)state;
    lk_error err;
    for (int loss = 0; loss < LOSSES; loss++) {
        lk_train_options whole = stateful("whole", loss), o = stateful("stopped", loss);
        train(&whole);
        assert_int_equal(s.last.step, 12);
        o.stop = on_stop;
        for (int stops = 0; stops < 2; stops++) { /* before step 5 and before step 9 */
            steps_left = stops ? 4 : 5;
            o.resume = stops;
            assert_int_equal(lk_train(&o, &err), LK_STOPPED);
            assert_true(exists(at("stopped.checkpoint")));
        }
        o.resume = 1;
        steps_left = -1;
        train(&o);
        assert_int_equal(s.last.step, 12);
        assert_same_file(whole.output, o.output);
    }
}

/* Run until before `step`; a tensor of the checkpoint then, to be freed. */
static float *stopped_at(lk_train_options o, int step, const char *tensor, size_t *count) {
    lk_error err;
    lk__tensors *file = NULL;
    o.stop = on_stop;
    steps_left = step;
    assert_int_equal(lk_train(&o, &err), LK_STOPPED);
    char path[512];
    snprintf(path, sizeof path, "%s.checkpoint", o.output);
    assert_int_equal(lk__tensors_read(path, &file, &err), LK_OK);
    const lk__tensor *t = lk__tensors_find(file, tensor);
    assert_non_null(t);
    *count = t->bytes / sizeof(float);
    float *values = malloc(t->bytes);
    assert_non_null(values);
    memcpy(values, t->data, t->bytes);
    lk__tensors_free(file);
    unlink(path);
    return values;
}

/* beta leaves 1.2, each class's centre its place. */
static void test_parameters_learn(void **state) {
    (void)state;
    size_t count, again;
    float *beta = stopped_at(stateful("m", LK_LOSS_MARGIN), 8, "loss.weight", &count);
    assert_int_equal(count, 1);
    assert_true(fabs((double)*beta - 1.2) > 1e-4 && *beta > 0.5f && *beta < 2);
    float *before = stopped_at(stateful("m", LK_LOSS_ARCFACE), 1, "loss.weight", &count);
    float *after = stopped_at(stateful("m", LK_LOSS_ARCFACE), 8, "loss.weight", &again);
    assert_int_equal(count, 12 * 8); /* 12 people, vectors of 8 */
    assert_int_equal(again, count);
    for (size_t c = 0; c < 12; c++)
        assert_true(memcmp(before + c * 8, after + c * 8, 8 * sizeof *after) != 0);
    free(beta);
    free(before);
    free(after);
}

/* Until its start a memory changes nothing, to the bit; then it does. */
static void test_memory_start(void **state) {
    (void)state;
    const int steps[] = {6, 7}; /* of 12: half of the run is done before step 6, counted from 0 */
    for (int i = 0; i < 2; i++) {
        lk_train_options o = options_of("m"), with = o;
        size_t count, same;
        with.memory = 100;
        with.memory_start = 0.5;
        float *a = stopped_at(o, steps[i], "optimizer.m", &count);
        float *b = stopped_at(with, steps[i], "optimizer.m", &same);
        assert_int_equal(count, same);
        assert_int_equal(memcmp(a, b, count * sizeof *a) != 0, i);
        free(a);
        free(b);
    }
}

/* Another loss, temperature or memory than the run was begun with: refused, both named. */
static void test_other_options(void **state) {
    (void)state;
    lk_error err;
    lk_train_options o = stateful("m", LK_LOSS_SUPCON), other = o;
    o.stop = on_stop;
    steps_left = 3;
    assert_int_equal(lk_train(&o, &err), LK_STOPPED);
    other.resume = 1;
    other.temperature = 0.2;
    refuse(&other, LK_INVALID, "(temperature 0.1)");
    refuse(&other, LK_INVALID, "(temperature 0.2)");
    other.temperature = 0.1;
    other.memory = 77;
    refuse(&other, LK_INVALID, "(memory 77,0.2)");
    lk_train_options_loss(&other, LK_LOSS_N_PAIR);
    other.memory = o.memory;
    refuse(&other, LK_INVALID, "loss n-pair");
    unlink(at("m.checkpoint"));
}

/* ---- options ------------------------------------------------------------------------------------------- */

static void test_options_refused(void **state) {
    (void)state;
    lk_train_options o;
#define REFUSED(loss, change, hint)                                                                          \
    do {                                                                                                     \
        o = options_of("m");                                                                                 \
        lk_train_options_loss(&o, loss);                                                                     \
        o.change;                                                                                            \
        refuse(&o, LK_INVALID, hint);                                                                        \
    } while (0)
    REFUSED(LK_LOSS_SUPCON, margin = 0.3, "supcon has no margin");
    REFUSED(LK_LOSS_SUPCON, temperature = 0.001, "temperature is 0.001");
    REFUSED(LK_LOSS_SUPCON, temperature = NAN, "temperature");
    REFUSED(LK_LOSS_SUPCON, mining = LK_MINING_RANDOM, "has no mining");
    REFUSED(LK_LOSS_TRIPLET, temperature = 0.1, "triplet has no temperature");
    REFUSED(LK_LOSS_TRIPLET, mining = LK_MINING_NONE, "needs a mining");
    REFUSED(LK_LOSS_TRIPLET, loss = LK_LOSS_N_PAIR,
            "n-pair has no margin"); /* not by lk_train_options_loss */
    REFUSED(LK_LOSS_TRIPLET, loss = (lk_loss)99, "loss number 99");
    REFUSED(LK_LOSS_TRIPLET, memory = -1, "memory");
    REFUSED(LK_LOSS_TRIPLET, memory_start = 1.5, "memory start");
    REFUSED(LK_LOSS_ARCFACE, memory = 10, "arcface compares with classes");
#undef REFUSED
}

/* As test_train.c has it for the triplet loss. */
static void test_gone_wrong_is_told(void **state) {
    (void)state;
    for (int loss = 0; loss < LOSSES; loss++) {
        lk_train_options o = options_of("m");
        lk_train_options_loss(&o, (lk_loss)loss);
        o.optimizer = loss % 2 ? LK_OPTIMIZER_ADAMW : LK_OPTIMIZER_SGD;
        o.learning_rate = o.weight_decay = 10; /* each step makes weights 99 times as large */
        o.warmup = 0;
        o.epochs = 40;
        refuse(&o, LK_DIVERGED, "smaller learning rate");
    }
    uint8_t grey[SIDE * SIDE * 3];
    memset(grey, 90, sizeof grey);
    lk_image *image = NULL;
    assert_int_equal(lk_image_new(SIDE, SIDE, grey, 0, &image, NULL), LK_OK);
    for (int p = 0; p < 4; p++)
        for (int k = 0; k < 4; k++) save_photo(image, at("alike/p%d/%d.png", p, k));
    lk_image_free(image);
    for (int loss = 0; loss < LOSSES; loss++) {
        lk_train_options o = options_of("m");
        lk_train_options_loss(&o, (lk_loss)loss);
        sources[0].path = keep(at("alike"));
        o.augment = 0;
        o.epochs = 100;
        train(&o);
        if (!strstr(s.note, "collapse")) fail_msg("%s: '%s'", lk_loss_about((lk_loss)loss)->name, s.note);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_any_number_of_threads),
        cmocka_unit_test(test_stopped_and_resumed),
        cmocka_unit_test(test_parameters_learn),
        cmocka_unit_test(test_memory_start),
        cmocka_unit_test(test_other_options),
        cmocka_unit_test(test_options_refused),
        cmocka_unit_test(test_gone_wrong_is_told),
    };
    return cmocka_run_group_tests_name("losses", tests, setup, teardown);
}
