/* test_trial.c: every pair once, whichever way it is asked for and on any number of threads; the cosines;
 * what is refused. */
#include "eval/simulated.h"

static void fill(float *vectors, size_t n, lk__random *r) {
    for (size_t i = 0; i < n; i++) vectors[i] = (float)(lk__random_normal(r) / 8);
}

/* ---- cosines --------------------------------------------------------------------------------------- */

static void tile_and_pair_give_the_same_bits(void **state) {
    (void)state;
    for (size_t stride = LK__COSINE_LANES; stride <= 520; stride += 64) {
        float *rows = aligned_alloc(64, LK__TILE_ROWS * stride * sizeof *rows);
        float *cols = aligned_alloc(64, LK__TILE_COLS * stride * sizeof *cols);
        float out[LK__TILE_ROWS * LK__TILE_COLS];
        assert_true(rows && cols);
        lk__random r = lk__random_stream(1, stride, 0, 0);
        fill(rows, LK__TILE_ROWS * stride, &r);
        fill(cols, LK__TILE_COLS * stride, &r);
        lk__cosine_tile(rows, cols, stride, out);
        for (size_t i = 0; i < LK__TILE_ROWS; i++)
            for (size_t j = 0; j < LK__TILE_COLS; j++) {
                const float *a = rows + i * stride, *b = cols + j * stride;
                assert_true(out[i * LK__TILE_COLS + j] == lk__cosine_pair(a, b, stride));
                assert_true(out[i * LK__TILE_COLS + j] == lk__cosine_pair(b, a, stride));
                assert_close((double)out[i * LK__TILE_COLS + j], lk_cosine(a, b, (int)stride),
                             1e-7 * (double)stride / 16);
            }
        free(rows);
        free(cols);
    }
}

/* ---- every pair once --------------------------------------------------------------------------------- */

typedef struct seen {
    size_t photos;
    float *cosine; /* (photos, photos): NaN where not seen */
    const uint32_t *person;
    int threads, wrong;
} seen;

static void see(void *context, int thread, const lk__block *block) {
    seen *s = context;
    if (thread < 0 || thread >= s->threads || block->count == 0 || block->count > LK__BLOCK) s->wrong++;
    for (size_t i = 0; i < block->count; i++) {
        float *at = &s->cosine[block->a[i] * s->photos + block->b[i]];
        if (!isnan(*at) || block->a[i] >= block->b[i]) s->wrong++;
        if (block->same[i] != (s->person[block->a[i]] == s->person[block->b[i]])) s->wrong++;
        *at = block->cosine[i];
    }
}

static void see_all(const simulated *sim, int threads, float *cosine) {
    const lk_trial given = trial_of(sim);
    lk__trial trial;
    seen s = {sim->photos, cosine, sim->person, threads, 0};
    for (size_t i = 0; i < sim->photos * sim->photos; i++) cosine[i] = NAN;
    lk__threads_set(threads);
    ASSERT_OK(lk__trial_open(&given, &trial, &failure));
    assert_int_equal(trial.pairs, sim->photos * (sim->photos - 1) / 2);
    lk__trial_each(&trial, see, &s);
    lk__trial_close(&trial);
    lk__threads_set(0);
    assert_int_equal(s.wrong, 0);
}

static void listed_or_not_the_pairs_are_the_same(void **state) {
    (void)state;
    static const size_t people[] = {1, 2, 5, 40, 43, 85}; /* around whole tiles of 128 and of 16 photos */
    for (size_t round = 0; round < sizeof people / sizeof *people; round++) {
        simulated s = simulate(round, people[round], 3, true, 11, 1);
        size_t cells = s.photos * s.photos;
        float *all = get(cells, sizeof *all), *listed = get(cells, sizeof *listed),
              *three = get(cells, sizeof *three);
        see_all(&s, 1, all);
        see_all(&s, 3, three);
        list_all_pairs(&s, 1);
        see_all(&s, 2, listed);
        for (size_t i = 0; i < s.photos; i++)
            for (size_t j = 0; j < s.photos; j++) {
                size_t at = i * s.photos + j;
                assert_int_equal(!isnan(all[at]), i < j);
                if (i >= j) continue;
                assert_true(all[at] == listed[at] && all[at] == three[at]);
                assert_close((double)all[at],
                             lk_cosine(s.vectors + i * (size_t)s.dim, s.vectors + j * (size_t)s.dim, s.dim),
                             3e-7);
            }
        free(all);
        free(listed);
        free(three);
        forget(&s);
    }
}

/* What is measured is the same bits, whichever way the pairs are given. */
static void listed_or_not_the_figures_are_the_same(void **state) {
    (void)state;
    simulated s = simulate(5, 60, 5, false, 16, 1.2);
    lk_trial given = trial_of(&s);
    const lk_bootstrap bootstrap = {100, 3};
    lk_verification all, listed;
    ASSERT_OK(lk_verification_measure(&given, &bootstrap, &all, &failure));
    list_all_pairs(&s, 1);
    given = trial_of(&s);
    lk__threads_set(3);
    ASSERT_OK(lk_verification_measure(&given, &bootstrap, &listed, &failure));
    lk__threads_set(0);
    assert_int_equal(all.roc_count, listed.roc_count);
    assert_memory_equal(all.roc, listed.roc, all.roc_count * sizeof *all.roc);
    assert_true(all.band_count > 10);
    assert_int_equal(all.band_count, listed.band_count);
    assert_memory_equal(all.band, listed.band, all.band_count * sizeof *all.band);
    free(listed.roc);
    free(listed.band);
    listed.roc = all.roc;
    listed.band = all.band;
    assert_true(isfinite(all.tar_interval[1].low) && all.tar_interval[1].low < all.tar_interval[1].high);
    all.accuracy_se = listed.accuracy_se = 0; /* NaN, of whatever bits */
    for (int i = 0; i < LK_FAR_COUNT; i++) {
        assert_int_equal(isnan(all.tar_at_far[i]), isnan(listed.tar_at_far[i]));
        if (!isnan(all.tar_at_far[i])) {
            assert_true(all.tar_at_far[i] == listed.tar_at_far[i]);
            assert_true(all.tar_interval[i].low == listed.tar_interval[i].low);
            assert_true(all.tar_interval[i].high == listed.tar_interval[i].high);
        }
    }
    assert_true(all.accuracy == listed.accuracy && all.threshold == listed.threshold &&
                all.auc == listed.auc);
    assert_true(all.accuracy_interval.low == listed.accuracy_interval.low);
    assert_true(all.eer_interval.high == listed.eer_interval.high);
    assert_memory_equal(all.same_bin, listed.same_bin, sizeof all.same_bin);
    lk_verification_free(&all);
    forget(&s);
}

/* Photos in no pair may hold anything, and their people are not drawn. */
static void photos_in_no_pair_do_not_matter(void **state) {
    (void)state;
    float vectors[5 * 2] = {1, 0, 0, 1, NAN, NAN, 0.6f, 0.8f, 0, 0};
    const uint32_t person[5] = {9, 9, 1, 4, 5};
    const lk_pair pairs[2] = {{0, 1, 0, 1}, {0, 0, 3, 0}};
    const lk_trial given = {
        .vectors = vectors, .photos = 5, .dim = 2, .person = person, .pairs = pairs, .count = 2};
    lk__trial trial;
    ASSERT_OK(lk__trial_open(&given, &trial, &failure));
    assert_int_equal(trial.people, 2);
    assert_int_equal(trial.person[0], 1);
    assert_int_equal(trial.person[1], 1);
    assert_int_equal(trial.person[3], 0);
    assert_close((double)trial.cosine[0], 0, 0);
    assert_close((double)trial.cosine[1], 0.6, 1e-7);
    lk__trial_close(&trial);
}

/* ---- refusals -------------------------------------------------------------------------------------- */

static void assert_refused(const lk_trial *given, lk_status status, const char *word) {
    lk__trial untouched = {.photos = 77};
    lk_error err = {LK_OK, ""};
    assert_int_equal(lk__trial_open(given, &untouched, &err), status);
    if (!strstr(err.message, word)) fail_msg("'%s' not in: %s", word, err.message);
    assert_int_equal(untouched.photos, 77);
    lk_verification v = {.pairs = 77};
    assert_int_equal(lk_verification_measure(given, NULL, &v, NULL), status);
    assert_int_equal(v.pairs, 77);
}

static void refuses_what_cannot_be_paired(void **state) {
    (void)state;
    float vectors[6] = {1, 0, 0, 1, 0.6f, 0.8f}, cosine[2] = {0.5f, 0};
    const uint32_t person[3] = {1, 1, 2};
    lk_pair pairs[2] = {{0, 1, 0, 1}, {0, 0, 1, 2}};
    const lk_trial good = {
        .vectors = vectors, .photos = 3, .dim = 2, .person = person, .pairs = pairs, .count = 2};
    lk_trial t = good;
    t.vectors = NULL;
    assert_refused(&t, LK_INVALID, "vectors of their photos, or their cosines");
    t = good;
    t.dim = 0;
    assert_refused(&t, LK_INVALID, "dim 0");
    t = good;
    t.photos = 2;
    assert_refused(&t, LK_INVALID, "pair 1 is of photos 1 and 2");
    t = good;
    t.pairs = NULL;
    t.cosine = cosine;
    assert_refused(&t, LK_INVALID, "no pairs");
    t.cosine = NULL;
    t.person = NULL;
    assert_refused(&t, LK_INVALID, "people must be given");
    t = good;
    t.pairs = NULL;
    t.photos = 1;
    assert_refused(&t, LK_EMPTY, "two are the least");
    vectors[4] = 0.7f;
    assert_refused(&good, LK_INVALID, "photo 2 has norm 1.06");
    vectors[4] = NAN;
    assert_refused(&good, LK_INVALID, "photo 2");
    t = good;
    t.pairs = NULL;
    assert_refused(&t, LK_INVALID, "photo 2");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tile_and_pair_give_the_same_bits),
        cmocka_unit_test(listed_or_not_the_pairs_are_the_same),
        cmocka_unit_test(listed_or_not_the_figures_are_the_same),
        cmocka_unit_test(photos_in_no_pair_do_not_matter),
        cmocka_unit_test(refuses_what_cannot_be_paired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
