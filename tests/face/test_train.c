/* test_train.c: the whole trainer on people drawn here: it learns, it says what is wrong, and a run that was
 * stopped or killed at any moment ends with the same bytes as one that was not. */
#include "face/train_runs.h"

/* ---- it learns ---------------------------------------------------------------------------------------- */

static double metadata_number(const char *path, const char *key) {
    lk_model *m = NULL;
    lk_error err;
    if (lk_model_open(path, &m, &err) != LK_OK) fail_msg("%s", err.message);
    const char *text = lk_model_metadata(m, key);
    assert_non_null(text);
    double v = strtod(text, NULL);
    lk_model_free(m);
    return v;
}

static void test_learns(void **state) {
    (void)state;
    lk_train_options o = options_of("untrained");
    validations[0] = (lk_source){.path = keep(at("others"))};
    o.validate = validations;
    o.validate_count = 1;
    o.epochs = 0;
    train(&o);
    assert_int_equal(s.reports, 0);
    double before = metadata_number(o.output, "validation_accuracy");
    const lk_mining minings[] = {LK_MINING_RANDOM, LK_MINING_SEMI_HARD, LK_MINING_BATCH_HARD};
    for (int i = 0; i < 3; i++) {
        lk_train_options t = options_of("trained");
        t.validate = validations;
        t.validate_count = 1;
        t.mining = minings[i];
        t.optimizer = i == 1 ? LK_OPTIMIZER_SGD : LK_OPTIMIZER_ADAMW;
        t.learning_rate = i == 1 ? 0.05 : 5e-3;
        t.epochs = 60;
        train(&t);
        double after = metadata_number(t.output, "validation_accuracy");
        if (!(after > before + 0.12 && after > 0.8))
            fail_msg("mining %d: accuracy %.3f, untrained %.3f", i, after, before);
        assert_true(s.last.distance_negative > s.last.distance_positive + 0.2);
        assert_true(fabs(s.last.validation_accuracy - after) < 1e-4);
        assert_int_equal(s.last.step, 60 * 72 / 24);
        assert_int_equal(s.last.photos, 60 * 72);
        assert_true(fabs(s.last.epoch - 60) < 1e-9);
        assert_true(s.last.learning_rate < 1e-3 * t.learning_rate); /* half a cosine to 0 */
        assert_true(metadata_number(t.output, "threshold") < 1);
        assert_int_equal((int)metadata_number(t.output, "steps"), 180);
        assert_false(exists(at("trained.checkpoint")));
    }
}

/* What is written is what was validated: the average, and not the weights of the last step. */
static void test_average(void **state) {
    (void)state;
    lk_train_options plain = options_of("plain"), average = options_of("average"),
                     again = options_of("again");
    plain.holdout = average.holdout = again.holdout = 0.25;
    plain.epochs = average.epochs = 20;
    average.average = 0.98;
    train(&plain);
    train(&average);
    size_t m, n;
    uint8_t *x = bytes_of(plain.output, &m), *y = bytes_of(average.output, &n);
    size_t weights = 1000 < m && 1000 < n ? 1000 : 0; /* at the end of both files */
    assert_true(weights && memcmp(x + m - weights, y + n - weights, weights) != 0);
    free(x);
    free(y);
    again.init = average.output;
    again.epochs = 0;
    train(&again);
    assert_true(fabs(metadata_number(again.output, "validation_accuracy") -
                     metadata_number(average.output, "validation_accuracy")) < 1e-9);
    assert_true(fabs(metadata_number(again.output, "threshold") -
                     metadata_number(average.output, "threshold")) < 1e-9);
}

/* ---- the same bytes ------------------------------------------------------------------------------------ */

static void test_same_run_same_bytes(void **state) {
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        lk_train_options a = options_of("a"), b = options_of("b"), c = options_of("c");
        a.threads = b.threads = c.threads = threads;
        a.holdout = b.holdout = c.holdout = 0.25;
        c.seed = 2;
        train(&a);
        train(&b);
        train(&c);
        assert_same_file(a.output, b.output);
        size_t m, n;
        uint8_t *x = bytes_of(a.output, &m), *y = bytes_of(c.output, &n);
        assert_true(m != n || memcmp(x, y, m) != 0);
        free(x);
        free(y);
    }
}

/* Stopped by the callback and resumed, twice. The callback comes once a second: on a fast machine the run
 * must be long. */
static void test_stopped_and_resumed(void **state) {
    (void)state;
    lk_error err;
    for (double epochs = 200;; epochs *= 2) {
        lk_train_options o = options_of("stopped");
        o.epochs = epochs;
        o.log = keep(at("log.csv"));
        s.stop_at = 1;
        lk_status status = lk_train(&o, &err);
        if (status == LK_OK) { /* done before it could be stopped */
            unlink(o.output);
            continue;
        }
        assert_int_equal(status, LK_STOPPED);
        assert_non_null(strstr(err.message, "stopped.checkpoint"));
        assert_false(exists(o.output));
        assert_true(exists(at("stopped.checkpoint")));
        size_t step = s.last.step;
        assert_true(step > 0 && step < (size_t)(epochs * 72 / 24));
        /* With other options it is refused, both named, and the checkpoint stays. */
        o.resume = 1;
        o.margin = 0.4;
        refuse(&o, LK_INVALID, "(margin 0.3)");
        refuse(&o, LK_INVALID, "(margin 0.4)");
        o.margin = 0.3;
        s = (seen){0};
        train(&o);
        assert_true(s.last.step == (size_t)(epochs * 72 / 24));
        assert_false(exists(at("stopped.checkpoint")));
        lk_train_options whole = options_of("whole");
        whole.epochs = epochs;
        train(&whole);
        assert_same_file(o.output, whole.output);
        refuse(&o, LK_NOT_FOUND, "stopped.checkpoint"); /* nothing left to resume */
        break;
    }
    /* The log has one head and goes on where it was. */
    size_t size, heads = 0, rows = 0, last = 0;
    char *text = (char *)bytes_of(at("log.csv"), &size), *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "step,", 5) == 0) {
            heads++;
            continue;
        }
        size_t step = strtoull(line, NULL, 10);
        assert_true(step > last);
        last = step;
        rows++;
    }
    assert_int_equal(heads, 1);
    assert_true(rows >= 2);
    free(text);
}

enum { LONG = 400 }; /* epochs */

/* The child of the next test: this program again. Leaves 0 when the run came to its end. */
static int child(const char *folder) {
    snprintf(scratch, sizeof scratch, "%s", folder);
    lk_train_options o = options_of("killed");
    o.epochs = LONG;
    o.holdout = 0.25;
    o.checkpoint_minutes = 0.01 / 60;
    o.mining = LK_MINING_RANDOM;
    o.resume = exists(at("killed.checkpoint"));
    o.progress = NULL;
    lk_error err;
    if (lk_train(&o, &err) == LK_OK) return 0;
    fprintf(stderr, "%s\n", err.message);
    return 1;
}

static pid_t start_child(void) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0) return pid;
    execl("/proc/self/exe", "test_train", "--child", scratch, (char *)NULL);
    _exit(127);
}

static void sleep_ms(double ms) {
    struct timespec wait = {(time_t)(ms / 1000), (long)(fmod(ms, 1000) * 1e6)};
    nanosleep(&wait, NULL);
}

/* Killed at random moments, first soon after the first checkpoint, then anywhere, also while it sets up or
 * writes. */
static void test_killed_and_resumed(void **state) {
    (void)state;
    lk__random random = lk__random_stream((uint64_t)time(NULL), 0, 0, 0);
    int status = 0;
    for (int kills = 0; kills < 6; kills++) {
        pid_t pid = start_child();
        for (int ms = 0; kills == 0 && ms < 60000 && !exists(at("killed.checkpoint")); ms++) sleep_ms(1);
        sleep_ms(lk__random_range(&random, 0, kills == 0 ? 30 : 150));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(exists(at("killed.checkpoint")) || kills > 0); /* there is something to resume */
        if (WIFEXITED(status)) break;
    }
    if (!WIFEXITED(status)) assert_int_equal(waitpid(start_child(), &status, 0) > 0, 1);
    assert_int_equal(WEXITSTATUS(status), 0);
    lk_train_options whole = options_of("whole");
    whole.epochs = LONG;
    whole.holdout = 0.25;
    whole.mining = LK_MINING_RANDOM;
    train(&whole);
    assert_same_file(at("killed"), whole.output);
}

/* A run by the clock ends by the clock, and its log is as documented. */
static void test_minutes_and_log(void **state) {
    (void)state;
    lk_train_options o = options_of("timed");
    o.epochs = 0;
    o.minutes = 1.3 / 60;
    o.holdout = 0.25;
    o.validate_minutes = 0.3 / 60;
    o.warmup = 0.95;
    o.log = keep(at("log.csv"));
    double began = lk__seconds();
    train(&o);
    assert_true(lk__seconds() - began >= 1.3);
    assert_true(s.reports >= 1);
    size_t size, rows = 0, last_step = 0;
    char *text = (char *)bytes_of(o.log, &size), *save = NULL, *head = strtok_r(text, "\n", &save);
    assert_string_equal(
        head, "step,photos,seconds,epoch,photos_per_second,loss,active,learning_rate,distance_positive,"
              "distance_negative,validation_accuracy");
    for (char *line; (line = strtok_r(NULL, "\n", &save)); rows++) {
        double v[11];
        char *at_column = line;
        for (int c = 0; c < 11; c++) {
            v[c] = strtod(at_column, &at_column);
            if (c < 10) assert_int_equal(*at_column++, ',');
        }
        assert_int_equal(*at_column, 0);
        assert_true(v[0] > (double)last_step);
        last_step = (size_t)v[0];
        assert_int_equal((size_t)v[1], last_step * 24);
        assert_true(fabs(v[3] - v[1] / 54) < 1e-3); /* 9 people are trained on */
        assert_true(v[2] > 0 && v[4] > 0 && v[5] >= 0 && v[6] >= 0 && v[6] <= 1 && v[7] >= 0 && v[8] >= 0 &&
                    v[9] <= 2);
        assert_true(v[10] >= 0.5 && v[10] <= 1);
        double part = v[2] / 1.3 / 0.95; /* of the warm-up */
        if (part < 0.95) assert_true(fabs(v[7] / o.learning_rate - part) < 0.1);
    }
    assert_int_equal(rows, s.reports);
    assert_int_equal(last_step, s.last.step);
    free(text);
}

/* ---- bad input --------------------------------------------------------------------------------- */

static const char OLD[] = "an old model";

static void assert_old(const char *path) {
    size_t size;
    uint8_t *bytes = bytes_of(path, &size);
    assert_int_equal(size, sizeof OLD);
    assert_memory_equal(bytes, OLD, size);
    free(bytes);
}

static void test_too_few(void **state) {
    (void)state;
    lk_train_options o = options_of("m");
    write_bytes(o.output, OLD, sizeof OLD);
    mkdir(at("empty"), 0777);
    sources[0].path = keep(at("empty"));
    refuse(&o, LK_EMPTY, "empty");
    sources[0].path = keep(at("absent"));
    refuse(&o, LK_NOT_FOUND, "absent");
    draw_folder("one", 0, 1, 5);
    sources[0].path = keep(at("one"));
    refuse(&o, LK_EMPTY, "2 people with 2 photos");
    draw_folder("single", 0, 5, 1);
    sources[0].path = keep(at("single"));
    refuse(&o, LK_EMPTY, "has 0 (5 people, 5 photos)");
    sources[0].path = keep(at("train"));
    validations[0] = (lk_source){.path = keep(at("one"))};
    o.validate = validations;
    o.validate_count = 1;
    refuse(&o, LK_EMPTY, "validation");
    assert_old(o.output);
    /* Fewer people than a batch asks for make a smaller batch. */
    draw_folder("two", 0, 2, 2);
    lk_train_options two = options_of("m");
    sources[0].path = keep(at("two"));
    train(&two);
    assert_int_equal(s.last.step, 2); /* 4 epochs of 4 photos in batches of 2 x 4 */
}

static void test_broken_photos(void **state) {
    (void)state;
    lk_train_options o = options_of("m");
    write_bytes(o.output, OLD, sizeof OLD);
    for (int p = 0; p < 4; p++)
        for (int k = 0; k < 3; k++) write_bytes(at("broken/p%d/%d.jpg", p, k), "no photo", (size_t)(k * 4));
    sources[0].path = keep(at("broken"));
    refuse(&o, LK_IO, "12 of 12 photos cannot be read");
    assert_int_equal(s.told_count, 12);
    assert_old(o.output);
    /* Some broken, among those trained on and among those kept for validation: each told once, and it goes
     * on. */
    lk_train_options some = options_of("m");
    draw_folder("some", 0, 10, 4);
    for (int p = 0; p < 10; p++) write_bytes(at("some/p%03d/bad.png", p), "no photo", 8);
    sources[0].path = keep(at("some"));
    some.holdout = 0.3;
    some.epochs = 20;
    train(&some);
    assert_int_equal(s.told_count, 10);
    for (size_t i = 0; i < s.told_count; i++)
        for (size_t j = 0; j < i; j++) assert_string_not_equal(s.told[i], s.told[j]);
    assert_true(exists(some.output));
}

static void test_options_refused(void **state) {
    (void)state;
    lk_train_options o = options_of("m");
    write_bytes(o.output, OLD, sizeof OLD);
#define REFUSED(change, hint)                                                                                \
    do {                                                                                                     \
        o = options_of("m");                                                                                 \
        o.change;                                                                                            \
        refuse(&o, LK_INVALID, hint);                                                                        \
    } while (0)
    REFUSED(source_count = 0, "folder of people");
    REFUSED(sources = NULL, "folder of people");
    REFUSED(output = NULL, "output");
    REFUSED(output = "", "output");
    REFUSED(net = NULL, "net");
    REFUSED(net = "nosuch", "nosuch");
    REFUSED(net = "input 1 16 16;linear 8;l2norm", "1 planes");
    REFUSED(margin = 0, "margin");
    REFUSED(margin = NAN, "margin");
    REFUSED(margin = 2.5, "margin");
    REFUSED(people = 1, "people");
    REFUSED(photos = 1, "photos");
    REFUSED(people = 4096, "batch of 16384");
    REFUSED(epochs = -1, "epochs");
    REFUSED(minutes = INFINITY, "minutes");
    REFUSED(learning_rate = -1, "learning rate");
    REFUSED(weight_decay = -1, "weight decay");
    REFUSED(momentum = 1, "momentum");
    REFUSED(warmup = 2, "warm-up");
    REFUSED(augment = 1.5, "augment");
    REFUSED(holdout = 1, "holdout");
    REFUSED(threads = -1, "threads");
    REFUSED(checkpoint_minutes = -1, "checkpoint");
    REFUSED(validate_minutes = NAN, "validate");
    REFUSED(semi_hard_share = 1.1, "semi-hard");
    REFUSED(mining = (lk_mining)7, "mining");
    REFUSED(optimizer = (lk_optimizer)7, "optimizer");
#undef REFUSED
    o = options_of("m");
    o.net = "input 3 16 16;tanh;l2norm";
    refuse(&o, LK_FORMAT, "'tanh'");
    assert_old(at("m"));
}

static void test_unwritable(void **state) {
    (void)state;
    lk_train_options o = options_of("no/such/folder/m");
    refuse(&o, LK_NOT_FOUND, "no/such/folder/m");
    assert_int_equal(s.reports, 0); /* said before the work, not after */
    o = options_of("m");
    o.log = keep(at("no/such/log.csv"));
    refuse(&o, LK_NOT_FOUND, "no/such/log.csv");
    mkdir(at("taken"), 0777);
    o = options_of("taken");
    refuse(&o, LK_IO, "taken");
}

/* A disk that is full when the model is written, and when a checkpoint is: said, and the old files are as
 * they were. */
static void test_full_disk(void **state) {
    (void)state;
    struct rlimit old, small;
    lk_train_options o = options_of("m");
    write_bytes(o.output, OLD, sizeof OLD);
    write_bytes(at("m.checkpoint"), OLD, sizeof OLD);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 2000;
    for (int checkpoint = 0; checkpoint < 2; checkpoint++) {
        if (checkpoint) o.checkpoint_minutes = 0;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        lk_error err = {LK_OK, ""};
        lk_status status = lk_train(&o, &err);
        setrlimit(RLIMIT_FSIZE, &old);
        if (status != LK_IO || !strstr(err.message, checkpoint ? "m.checkpoint" : "/m"))
            fail_msg("%d %s", status, err.message);
        assert_old(o.output);
        assert_old(at("m.checkpoint"));
        assert_false(exists(at("m.tmp.%ld", (long)getpid())));
        assert_false(exists(at("m.checkpoint.tmp.%ld", (long)getpid())));
    }
    signal(SIGXFSZ, handler);
}

/* ---- from another model, without some people, gone wrong --------------------------------------- */

static void test_init(void **state) {
    (void)state;
    lk_train_options o = options_of("first");
    train(&o);
    /* The same net at another size: the kernel over the whole face is resampled, the rest taken over. */
    static const char larger[] =
        "input 3 24 20;conv 16 kernel 3 stride 2 pad 1;batchnorm;prelu;conv 16 kernel 3 pad 1;batchnorm;"
        "prelu;gdconv;linear 8;batchnorm;l2norm";
    lk_train_options next = options_of("second");
    next.init = keep(at("first"));
    next.net = larger;
    next.epochs = 0;
    train(&next);
    lk_model *first = NULL, *second = NULL, *third = NULL;
    assert_int_equal(lk_model_open(at("first"), &first, NULL), LK_OK);
    assert_int_equal(lk_model_open(next.output, &second, NULL), LK_OK);
    assert_int_equal(lk_model_input_height(second), 24);
    for (int i = 0; i < first->weights.count; i++) {
        const lk__param *p = &first->weights.items[i], *q = &second->weights.items[i];
        if (strstr(p->name, "gdconv")) {
            double a = 0, b = 0;
            for (size_t j = 0; j < p->count; j++) a += (double)p->value[j];
            for (size_t j = 0; j < q->count; j++) b += (double)q->value[j];
            assert_int_equal(q->count, 16 * 12 * 10);
            assert_true(fabs(a - b) < 0.2 * (1 + fabs(a)));
        } else {
            assert_memory_equal(p->value, q->value, p->count * sizeof(float));
        }
    }
    /* No net named: that of the model. */
    lk_train_options same = options_of("third");
    same.init = keep(at("first"));
    same.net = NULL;
    same.epochs = 0;
    train(&same);
    assert_int_equal(lk_model_open(same.output, &third, NULL), LK_OK);
    assert_string_equal(lk_model_fingerprint(first), lk_model_fingerprint(third));
    lk_model_free(first);
    lk_model_free(second);
    lk_model_free(third);
    /* It goes on from there. */
    same.epochs = 2;
    train(&same);
    /* Another net. */
    same.net = "input 3 16 16;linear 8;l2norm";
    refuse(&same, LK_MISMATCH, "first");
    same.init = keep(at("absent"));
    refuse(&same, LK_NOT_FOUND, "absent");
    same.init = keep(at("train/p000/0.png"));
    refuse(&same, LK_FORMAT, "0.png");
}

static void test_exclude(void **state) {
    (void)state;
    /* Who is excluded is not even looked at: their photos are broken and nobody hears of it. */
    draw_folder("part", 0, 6, 4);
    for (int p = 1; p < 6; p += 2)
        for (int k = 0; k < 4; k++) write_bytes(at("part/p%03d/%d.png", p, k), "no photo", 8);
    assert_int_equal(rename(at("part/p000"), at("part/#p000")), 0); /* a comment names nobody */
    static const char names[] = "# test people\n#p000\np001\r\np005\nnobody\n\np003";
    write_bytes(at("names"), names, sizeof names - 1);
    lk_train_options o = options_of("m");
    sources[0].path = keep(at("part"));
    o.exclude = keep(at("names"));
    o.epochs = 10;
    train(&o);
    assert_int_equal(s.told_count, 0);
    assert_int_equal(s.last.step, 10 * 12 / 12);
    lk_model *m = NULL;
    assert_int_equal(lk_model_open(o.output, &m, NULL), LK_OK);
    assert_non_null(strstr(lk_model_metadata(m, "data"), "3 people, 12 photos"));
    assert_non_null(strstr(lk_model_metadata(m, "data"), "3 excluded"));
    lk_model_free(m);
    o.exclude = keep(at("absent"));
    refuse(&o, LK_NOT_FOUND, "absent");
    static const char all[] = "p001\np002\np003\np004\np005\n";
    write_bytes(at("names"), all, sizeof all - 1);
    o.exclude = keep(at("names"));
    refuse(&o, LK_EMPTY, "2 people with 2 photos");
}

/* People who all look the same: one point for all, the loss at the margin. It is told, once in a while. */
static void test_collapse_is_told(void **state) {
    (void)state;
    uint8_t grey[SIDE * SIDE * 3];
    memset(grey, 90, sizeof grey);
    lk_image *image = NULL;
    assert_int_equal(lk_image_new(SIDE, SIDE, grey, 0, &image, NULL), LK_OK);
    for (int p = 0; p < 4; p++)
        for (int k = 0; k < 4; k++) save_photo(image, at("alike/p%d/%d.png", p, k));
    lk_image_free(image);
    lk_train_options o = options_of("m");
    sources[0].path = keep(at("alike"));
    o.augment = 0;
    o.epochs = 100;
    train(&o);
    assert_int_equal(s.last.step, 100);
    assert_true(s.notes > 0);
    assert_non_null(strstr(s.note, "collapse"));
    lk_train_options healthy = options_of("m");
    healthy.epochs = 40;
    train(&healthy);
    assert_int_equal(s.notes, 0);
}

static void test_divergence_is_told(void **state) {
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        lk_train_options o = options_of("m");
        write_bytes(o.output, OLD, sizeof OLD);
        o.optimizer = kind ? LK_OPTIMIZER_SGD : LK_OPTIMIZER_ADAMW;
        o.learning_rate = o.weight_decay = 10; /* each step makes weights 99 times as large */
        o.warmup = 0;
        o.epochs = 40;
        refuse(&o, LK_DIVERGED, "smaller learning rate");
        assert_old(o.output);
    }
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--child") == 0) return child(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_average),
        cmocka_unit_test(test_same_run_same_bytes),
        cmocka_unit_test(test_stopped_and_resumed),
        cmocka_unit_test(test_killed_and_resumed),
        cmocka_unit_test(test_minutes_and_log),
        cmocka_unit_test(test_too_few),
        cmocka_unit_test(test_broken_photos),
        cmocka_unit_test(test_options_refused),
        cmocka_unit_test(test_unwritable),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_init),
        cmocka_unit_test(test_exclude),
        cmocka_unit_test(test_collapse_is_told),
        cmocka_unit_test(test_divergence_is_told),
    };
    return cmocka_run_group_tests_name("train", tests, setup, teardown);
}
