/* test_ranks.c: training by several ranks, which here are threads of one process with a barrier between them:
 * the same run as by one rank with the whole batch, up to rounding. With MPI between them:
 * tests/cli/test_ranks.sh. */
#include "face/train_runs.h"

#include <pthread.h>

enum { RANKS_MAX = 4, BYTES_MAX = 1 << 20 };

/* ---- ranks that are threads --------------------------------------------------------------------------- */

typedef struct meeting {
    int count;
    pthread_barrier_t barrier;
    const void *given[RANKS_MAX];
    double real[BYTES_MAX / sizeof(double)];
    float single[BYTES_MAX / sizeof(float)];
    size_t sums, started, gathers; /* calls of rank 0 */
} meeting;

typedef struct member {
    meeting *meeting;
    lk_ranks talk;
    lk_train_options options;
    lk_status status;
    lk_error err;
    int stop_in; /* ask for a stop before this step, counted down; -1: never */
} member;

static void meet(member *m) {
    pthread_barrier_wait(&m->meeting->barrier);
}

static void sum(void *context, double *values, size_t n) {
    member *m = context;
    meeting *all = m->meeting;
    assert_true(n * sizeof *values <= BYTES_MAX);
    all->given[m->talk.rank] = values;
    meet(m);
    if (m->talk.rank == 0) {
        all->sums++;
        memset(all->real, 0, n * sizeof *values);
        for (int r = 0; r < all->count; r++)
            for (size_t i = 0; i < n; i++) all->real[i] += ((const double *)all->given[r])[i];
    }
    meet(m);
    memcpy(values, all->real, n * sizeof *values);
    meet(m);
}

static void sum_start(void *context, float *values, size_t n) {
    member *m = context;
    meeting *all = m->meeting;
    assert_true(n * sizeof *values <= BYTES_MAX);
    all->given[m->talk.rank] = values;
    meet(m);
    if (m->talk.rank == 0) {
        all->started++;
        memset(all->single, 0, n * sizeof *values);
        for (int r = 0; r < all->count; r++)
            for (size_t i = 0; i < n; i++) all->single[i] += ((const float *)all->given[r])[i];
    }
    meet(m);
    memcpy(values, all->single, n * sizeof *values);
    meet(m);
}

static void sum_finish(void *context) {
    (void)context;
}

static void gather(void *context, const void *mine, size_t bytes, void *all) {
    member *m = context;
    m->meeting->given[m->talk.rank] = mine;
    if (m->talk.rank == 0) m->meeting->gathers++;
    meet(m);
    for (int r = 0; r < m->meeting->count; r++)
        memcpy((char *)all + (size_t)r * bytes, m->meeting->given[r], bytes);
    meet(m);
}

/* Losses of all steps, however many reports they came in: a report's is the mean since the one before. */
static double loss_sum;

static int on_losses(void *context, const lk_train_progress *p) {
    loss_sum += p->loss * (double)(p->step - s.last.step);
    return on_progress(context, p);
}

static int on_stop(void *context) {
    member *m = context;
    return m->stop_in >= 0 && m->stop_in-- == 0;
}

static void *be_rank(void *context) {
    member *m = context;
    m->status = lk_train(&m->options, &m->err);
    return NULL;
}

static meeting together;
static member members[RANKS_MAX];

/* `people` is that of all ranks. */
static void ranks_begin(const lk_train_options *o, int count) {
    memset(&together, 0, sizeof together);
    memset(members, 0, sizeof members);
    together.count = count;
    assert_int_equal(pthread_barrier_init(&together.barrier, NULL, (unsigned)count), 0);
    for (int r = 0; r < count; r++) {
        member *m = &members[r];
        m->meeting = &together;
        m->talk = (lk_ranks){r, count, m, sum, sum_start, sum_finish, gather};
        m->options = *o;
        m->options.ranks = &m->talk;
        m->options.people = o->people / count;
        m->options.bad_photo = NULL; /* on_bad is for one thread */
        m->options.stop = on_stop;
        m->options.context = m;
        m->stop_in = -1;
    }
}

static void ranks_run(void) {
    pthread_t thread[RANKS_MAX];
    for (int r = 0; r < together.count; r++)
        assert_int_equal(pthread_create(&thread[r], NULL, be_rank, &members[r]), 0);
    for (int r = 0; r < together.count; r++) pthread_join(thread[r], NULL);
    pthread_barrier_destroy(&together.barrier);
}

static void train_ranks(const lk_train_options *o, int count) {
    ranks_begin(o, count);
    ranks_run();
    for (int r = 0; r < count; r++)
        if (members[r].status != LK_OK) fail_msg("rank %d: %s", r, members[r].err.message);
}

/* ---- the same run ------------------------------------------------------------------------------------- */

static const char PLAIN[] =
    "input 3 16 16;conv 8 kernel 3 stride 2 pad 1 bias;prelu;conv 16 kernel 3 stride 2 pad 1 "
    "bias;prelu;linear 8;l2norm";

/* Largest difference of two models' weights, of what the largest weight is. */
static double difference(const char *a, const char *b) {
    lk_model *x = NULL, *y = NULL;
    lk_error err;
    if (lk_model_open(a, &x, &err) != LK_OK || lk_model_open(b, &y, &err) != LK_OK)
        fail_msg("%s", err.message);
    assert_int_equal(x->weights.total, y->weights.total);
    double most = 0, largest = 0;
    for (size_t i = 0; i < x->weights.total; i++) {
        most = fmax(most, fabs((double)x->weights.values[i] - (double)y->weights.values[i]));
        largest = fmax(largest, fabs((double)x->weights.values[i]));
    }
    lk_model_free(x);
    lk_model_free(y);
    return most / largest;
}

/* 12 people in batches of 12 x 4: 6 steps are 4 epochs. Sums of floats in another order differ by some 1e-7,
 * and a step magnifies that a little. */
static void same_run_of(const char *net, lk_loss loss, lk_mining mining, double share, int memory) {
    lk_train_options o = options_of("one");
    lk_train_options_loss(&o, loss);
    o.net = net;
    o.people = 12;
    if (o.mining != LK_MINING_NONE) o.mining = mining;
    o.semi_hard_share = share;
    o.memory = memory;
    o.augment = 1;
    o.optimizer =
        LK_OPTIMIZER_SGD; /* AdamW divides by the gradient's size, and rounding of a 0 becomes a whole step */
    o.learning_rate = 0.05;
    validations[0] = (lk_source){.path = keep(at("others"))};
    o.validate = validations;
    o.validate_count = 1;
    o.progress = on_losses;
    loss_sum = 0;
    train(&o);
    lk_train_progress one = s.last;
    double one_sum = loss_sum;
    assert_int_equal(one.step, 6);
    for (int count = 2; count <= RANKS_MAX; count += 2) {
        lk_train_options several = o;
        several.output = keep(at("several"));
        s = (seen){0};
        loss_sum = 0;
        train_ranks(&several, count);
        assert_int_equal(s.last.step, one.step);
        assert_int_equal(s.last.photos, one.photos); /* rank 0 alone reports, and of all photos */
        assert_true(fabs(loss_sum - one_sum) < 1e-4 * one_sum);
        assert_true(isfinite(s.last.validation_accuracy));
        double differ = difference(o.output, several.output);
        if (differ > 1e-4)
            fail_msg("%s, %s, mining %d: %d ranks differ by %g", net, lk_loss_about(loss)->name, mining,
                     count, differ);
        /* Is it the same run?; vectors, and triplets. */
        assert_int_equal(together.gathers, 1 + (o.mining == LK_MINING_NONE ? 1 : 2) * 6);
        assert_true(together.started >= 6);
    }
}

static void same_run(const char *net, lk_mining mining, double share) {
    same_run_of(net, LK_LOSS_TRIPLET, mining, share, 0);
}

static void test_same_run(void **state) {
    (void)state;
    same_run(PLAIN, LK_MINING_BATCH_HARD, 0);
    same_run(PLAIN, LK_MINING_BATCH_HARD, 0.5);
    same_run(PLAIN, LK_MINING_RANDOM, 0);
}

/* Shares of the gradient are added up, parameters of the loss and the past are the same on all ranks. */
static void test_same_run_with_every_loss(void **state) {
    (void)state;
    for (int loss = LK_LOSS_TRIPLET; loss <= LK_LOSS_ARCFACE; loss++)
        same_run_of(PLAIN, (lk_loss)loss, LK_MINING_SEMI_HARD, 0, loss == LK_LOSS_ARCFACE ? 0 : 100);
    same_run_of(PLAIN, LK_LOSS_MARGIN, LK_MINING_DISTANCE_WEIGHTED, 0, 0);
    same_run_of(PLAIN, LK_LOSS_SUPCON, LK_MINING_NONE, 0, 0);
}

/* Mean and variance of a batch are those of all ranks' photos. */
static void test_same_run_with_batch_norm(void **state) {
    (void)state;
    same_run(NET, LK_MINING_BATCH_HARD, 0);
}

/* Another cut of the batch by people than by ranks would not do: 11 people on 3 ranks are 3 each. */
static void test_people_that_do_not_go_up(void **state) {
    (void)state;
    lk_train_options o = options_of("one");
    o.net = PLAIN;
    o.people = 30;
    train_ranks(&o, 4);
    assert_int_equal(s.last.photos / s.last.step, 12 * 4);
    lk_train_options more = options_of("one");
    more.net = PLAIN;
    more.people = 60;
    more.photos = 2;
    train_ranks(&more, 4);
    assert_int_equal(s.last.photos / s.last.step, 12 * 2);
}

/* ---- ends ---------------------------------------------------------------------------------------------- */

/* Any rank's stop stops all; rank 0's checkpoint goes on with any number of ranks, to the same end. */
static void stopped_and_resumed(lk_loss loss, int memory) {
    lk_train_options o = options_of("whole");
    lk_train_options_loss(&o, loss);
    o.memory = memory;
    o.net = PLAIN;
    o.people = 12;
    o.optimizer = LK_OPTIMIZER_SGD;
    o.average = memory ? 0.9 : 0;
    train_ranks(&o, 2);
    for (int ranks = 1; ranks <= 2; ranks++) {
        lk_train_options stopped = o;
        stopped.output = keep(at("stopped"));
        ranks_begin(&stopped, 2);
        members[1].stop_in = 3;
        ranks_run();
        for (int r = 0; r < 2; r++) {
            assert_int_equal(members[r].status, LK_STOPPED);
            assert_non_null(strstr(members[r].err.message, "step 3"));
        }
        assert_true(exists(at("stopped.checkpoint")));
        assert_false(exists(stopped.output));
        stopped.resume = 1;
        if (ranks == 1)
            train(&stopped);
        else
            train_ranks(&stopped, 2);
        assert_int_equal(s.last.step, 6);
        if (ranks == 2)
            assert_same_file(o.output, stopped.output);
        else
            assert_true(difference(o.output, stopped.output) < 1e-4);
        unlink(stopped.output);
        assert_false(exists(at("stopped.checkpoint")));
    }
}

static void test_stopped_and_resumed(void **state) {
    (void)state;
    stopped_and_resumed(LK_LOSS_TRIPLET, 0);
    stopped_and_resumed(LK_LOSS_MARGIN, 100); /* whose beta, and whose past, only rank 0 reads */
    stopped_and_resumed(LK_LOSS_ARCFACE, 0);
}

/* A run by the clock: rank 0's, so all end at the same step, or this test would not end. */
static void test_minutes(void **state) {
    (void)state;
    lk_train_options o = options_of("timed");
    o.net = PLAIN;
    o.people = 12;
    o.epochs = 0;
    o.minutes = 0.5 / 60;
    train_ranks(&o, 3);
    assert_true(s.last.step > 0 && s.last.seconds >= 0.5);
    o.minutes = 0; /* an untrained net */
    train_ranks(&o, 3);
    assert_int_equal(together.gathers, 1);
}

static void test_refused(void **state) {
    (void)state;
    lk_train_options o = options_of("m");
    lk_ranks ranks = {.rank = 2, .count = 2};
    o.ranks = &ranks;
    refuse(&o, LK_INVALID, "rank 2 of 2");
    ranks = (lk_ranks){.rank = 0, .count = 4096};
    refuse(&o, LK_INVALID, "4096 ranks x 6 people x 4 photos");
    ranks = (lk_ranks){.rank = 0, .count = 13};
    refuse(&o, LK_EMPTY, "13 ranks need");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_run),
        cmocka_unit_test(test_same_run_with_every_loss),
        cmocka_unit_test(test_same_run_with_batch_norm),
        cmocka_unit_test(test_people_that_do_not_go_up),
        cmocka_unit_test(test_stopped_and_resumed),
        cmocka_unit_test(test_minutes),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
