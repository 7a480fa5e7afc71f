/* test_look.c: what the trainer shows of a run while it goes on: every figure against what can be counted or
 * computed otherwise, and that looking changes nothing. */
#include "face/train_runs.h"

enum { BATCH = 24, PAIRS = BATCH * (BATCH - 1) / 2, POSITIVES = 6 * 4 * 3 / 2 };

/* ---- what is looked at ------------------------------------------------------------------------------ */

typedef struct glance {
    size_t looks, ends, first_step, step, pairs, positives;
    double positive_sum, positive_mean; /* of all steps so far, by progress; of the histogram */
    lk_error end;
    char wanted[64]; /* is this photo's path in a triplet? */
    size_t found;
    double accuracy;
} glance;

static glance g;

static int on_progress_summed(void *context, const lk_train_progress *p) {
    g.positive_sum += p->distance_positive * (double)(p->step - s.last.step);
    return on_progress(context, p);
}

static bool one_of(size_t person, const size_t *people, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (people[i] == person) return true;
    return false;
}

static void check_triplets(const lk_train_look *look) {
    const lk_dataset *set = look->dataset;
    size_t people[2 * LK_LOOK_TRIPLETS], count = 0;
    for (size_t i = 0; i < look->triplet_count; i++) {
        const lk_look_triplet *t = &look->triplets[i];
        size_t who = lk_dataset_photo_person(set, t->anchor),
               other = lk_dataset_photo_person(set, t->negative);
        assert_true(t->anchor != t->positive && who == lk_dataset_photo_person(set, t->positive));
        assert_true(who != other && !one_of(who, people, count) && !one_of(other, people, count));
        people[count++] = who;
        people[count++] = other;
        assert_true(t->step >= look->first_step && t->step <= look->last_step);
        assert_true(fabs(t->distance_positive - t->distance_negative + 0.3 - t->loss) < 1e-6);
        assert_true(t->loss > 0 && (i == 0 || t->loss <= t[-1].loss));
        const size_t photos[] = {t->anchor, t->positive, t->negative};
        for (int k = 0; k < 3; k++) {
            assert_true(exists(lk_dataset_photo_path(set, photos[k])));
            g.found += g.wanted[0] && strstr(lk_dataset_photo_path(set, photos[k]), g.wanted) != NULL;
        }
    }
}

/* Of all cuts between the scores the best. */
static double accuracy_of(const lk_train_look *look) {
    size_t best = 0;
    for (size_t cut = 0; cut < look->pair_count; cut++) {
        size_t right = 0;
        for (size_t i = 0; i < look->pair_count; i++)
            right += (look->cosine[i] >= look->cosine[cut]) == (look->same[i] == 1);
        if (right > best) best = right;
    }
    return (double)best / (double)look->pair_count;
}

static void on_look(void *context, const lk_train_look *look) {
    (void)context;
    g.looks++;
    g.first_step = look->first_step;
    g.step = look->last_step;
    g.pairs = g.positives = g.found = 0;
    double sum = 0;
    for (int i = 0; i < LK_LOOK_BINS; i++) {
        g.positives += look->positive_bin[i];
        g.pairs += look->positive_bin[i] + look->negative_bin[i];
        sum += (double)look->positive_bin[i] * (i + 0.5) * 2 / LK_LOOK_BINS;
    }
    g.positive_mean = sum / (double)g.positives;
    assert_int_equal(look->progress->step, s.last.step);
    check_triplets(look);
    if (look->pair_count) g.accuracy = accuracy_of(look);
    if (look->pair_count) assert_true(fabs(g.accuracy - look->progress->validation_accuracy) < 1e-6);
    if (!look->end) return;
    g.ends++;
    g.end = *look->end;
}

static lk_train_options looked_at(const char *name) {
    lk_train_options o = options_of(name);
    g = (glance){0};
    o.progress = on_progress_summed;
    o.look = on_look;
    return o;
}

/* ---- tests ------------------------------------------------------------------------------------------ */

/* A whole run within one window: its pairs are counted, the histogram agrees with the mean distance that
 * progress tells (random mining learns from each positive pair as often as from any), the scores with the
 * accuracy. */
static void test_whole_run(void **state) {
    (void)state;
    lk_train_options o = looked_at("m");
    validations[0] = (lk_source){.path = keep(at("others"))};
    o.validate = validations;
    o.validate_count = 1;
    o.mining = LK_MINING_RANDOM;
    o.epochs = 40;
    train(&o);
    assert_int_equal(s.last.step, 40 * 72 / BATCH);
    assert_int_equal(g.step, s.last.step);
    assert_true(g.looks >= 1 && g.ends == 1 && g.end.status == LK_OK);
    if (g.looks <= 2) assert_int_equal(g.first_step, 1); /* a slow machine has more, over parts of the run */
    assert_int_equal(g.pairs, (g.step - g.first_step + 1) * PAIRS);
    assert_int_equal(g.positives, (g.step - g.first_step + 1) * POSITIVES);
    if (g.first_step == 1) assert_true(fabs(g.positive_mean - g.positive_sum / (double)g.step) < 0.02);
    assert_true(g.accuracy > 0.5 && fabs(g.accuracy - s.last.validation_accuracy) < 1e-6);
}

/* Of a batch of 264, 256 anchors at most: all pairs with an earlier anchor or among the rest are counted
 * once. */
static void test_large_batch(void **state) {
    (void)state;
    draw_folder("many", 0, 66, 4);
    lk_train_options o = looked_at("m");
    sources[0].path = keep(at("many"));
    o.people = 66;
    o.epochs = 2;
    train(&o);
    assert_int_equal(g.step, 2);
    assert_int_equal(g.positives, 2 * 64 * 4 * 3 / 2);
    assert_int_equal(g.pairs, 2 * (256 * 255 / 2 + 256 * 8));
}

/* A look covers two windows: the last of many, all of each second, does not begin with the run. */
static void test_windows(void **state) {
    (void)state;
    lk_train_options o = looked_at("m");
    o.epochs = 0;
    o.minutes = 3.5 / 60;
    o.look_minutes = 0;
    train(&o);
    assert_true(g.looks >= 3 && g.ends == 1);
    assert_true(g.first_step > 1 && g.first_step <= g.step);
    assert_int_equal(g.pairs, (g.step - g.first_step + 1) * PAIRS);
    o = looked_at("m");
    o.epochs = 0;
    o.minutes = 2.5 / 60;
    train(&o); /* a look each minute: one soon after the start, one at the end */
    assert_int_equal(g.looks, 2);
    assert_int_equal(g.first_step, 1);
}

/* A photo of person 100 filed under person 3 is among the hardest once the net tells people apart. A photo
 * that cannot be read is not, nor what stands in for it. */
static void test_wrong_label(void **state) {
    (void)state;
    draw_folder("wrong", 0, 12, 6);
    lk_image *image = draw_person(100, 0);
    save_photo(image, at("wrong/p003/stranger.png"));
    lk_image_free(image);
    lk_train_options o = looked_at("m");
    sources[0].path = keep(at("wrong"));
    o.epochs = 120;
    snprintf(g.wanted, sizeof g.wanted, "stranger.png");
    train(&o);
    assert_true(g.found > 0);
}

/* Photos that cannot be read are not among them, though the others of their person stand in, and those are
 * hard: one of them is a stranger. */
static void test_broken_photos(void **state) {
    (void)state;
    draw_folder("broken", 0, 6, 6);
    for (int k = 1; k < 6; k++) assert_int_equal(unlink(at("broken/p004/%d.png", k)), 0);
    lk_image *image = draw_person(100, 0);
    save_photo(image, at("broken/p004/stranger.png"));
    lk_image_free(image);
    for (int k = 0; k < 8; k++) write_bytes(at("broken/p004/broken%d.png", k), "no photo", 8);
    lk_train_options o = looked_at("m");
    sources[0].path = keep(at("broken"));
    o.epochs = 30;
    snprintf(g.wanted, sizeof g.wanted, "p004/broken");
    train(&o);
    assert_int_equal(s.told_count, 8);
    assert_int_equal(g.found, 0);
}

static void test_changes_nothing(void **state) {
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        lk_train_options a = looked_at("looked"), b = options_of("alone");
        a.threads = b.threads = threads;
        a.holdout = b.holdout = 0.25;
        a.epochs = b.epochs = 10;
        a.look_minutes = 0;
        train(&a);
        train(&b);
        assert_same_file(a.output, b.output);
        assert_true(g.looks > 0);
    }
}

/* However it ends, the last look says so; a run that did not begin is not looked at. */
static void test_ends(void **state) {
    (void)state;
    lk_error err;
    lk_train_options o = looked_at("m");
    o.minutes = 1;
    o.epochs = 0;
    s.stop_at = 1;
    assert_int_equal(lk_train(&o, &err), LK_STOPPED);
    assert_int_equal(g.ends, 1);
    assert_int_equal(g.end.status, LK_STOPPED);
    assert_string_equal(g.end.message, err.message);
    o.resume = 1; /* its figures go on from the step it was stopped at */
    size_t stopped = s.last.step;
    s.stop_at = 2;
    g = (glance){0};
    assert_int_equal(lk_train(&o, NULL), LK_STOPPED); /* nobody asks why, but the look is told */
    assert_int_equal(g.end.status, LK_STOPPED);
    assert_true(g.first_step > stopped);
    unlink(at("m.checkpoint"));
    o = looked_at("m");
    o.learning_rate = o.weight_decay = 10;
    o.warmup = 0;
    o.epochs = 40;
    refuse(&o, LK_DIVERGED, "smaller learning rate");
    assert_int_equal(g.end.status, LK_DIVERGED);
    o = looked_at("m");
    sources[0].path = keep(at("absent"));
    refuse(&o, LK_NOT_FOUND, "absent");
    assert_int_equal(g.looks, 0);
    o = looked_at("m");
    o.epochs = 0; /* no training, but validation is worth a look */
    o.holdout = 0.25;
    train(&o);
    assert_int_equal(g.looks, 1);
    assert_int_equal(g.pairs, 0);
    assert_true(g.accuracy > 0);
    o.look_minutes = NAN;
    refuse(&o, LK_INVALID, "look minutes");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_run),     cmocka_unit_test(test_large_batch),
        cmocka_unit_test(test_windows),       cmocka_unit_test(test_wrong_label),
        cmocka_unit_test(test_broken_photos), cmocka_unit_test(test_changes_nothing),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests_name("look", tests, setup, teardown);
}
