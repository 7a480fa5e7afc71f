/* test_trust.c: quality by the length of a vector: where lengths tell how noisy photos are, the curve is that
 * of the noise; where they tell nothing it is level; and wrong labels do not move it. */
#include "eval/simulated.h"

enum { DIM = 32, PEOPLE = 100, PHOTOS = 10 };

typedef struct set {
    float vectors[PEOPLE * PHOTOS * DIM], length[PEOPLE * PHOTOS];
    uint32_t person[PEOPLE * PHOTOS];
    size_t n;
} set;

/* Photos of length l lie off their person's centre by an angle with tangent 1 / l. */
static set *draw(uint64_t seed, double wrong, bool telling) {
    set *s = get(1, sizeof *s);
    for (size_t p = 0; p < PEOPLE; p++) {
        lk__random r = lk__random_stream(seed, 41, p, 0);
        double centre[DIM], norm = 0;
        for (int d = 0; d < DIM; d++) centre[d] = lk__random_normal(&r), norm += centre[d] * centre[d];
        for (size_t i = 0; i < PHOTOS; i++, s->n++) {
            double length = lk__random_range(&r, 0.5, 4), off[DIM], size = 0, total = 0;
            bool stray = lk__random_unit(&r) < wrong;
            for (int d = 0; d < DIM; d++) off[d] = lk__random_normal(&r), size += off[d] * off[d];
            float *v = s->vectors + s->n * DIM;
            for (int d = 0; d < DIM; d++) {
                double at = (stray ? 0 : centre[d] / sqrt(norm)) + off[d] / sqrt(size) / length;
                v[d] = (float)at;
                total += at * at;
            }
            for (int d = 0; d < DIM; d++) v[d] = (float)((double)v[d] / sqrt(total));
            s->person[s->n] = (uint32_t)p;
            s->length[s->n] = telling ? (float)length : (float)lk__random_range(&r, 0.5, 4);
        }
    }
    return s;
}

static lk_calibration fit(const set *s, size_t photos) {
    lk_trial trial = {.vectors = s->vectors, .photos = photos, .dim = DIM, .person = s->person};
    lk_calibration c;
    ASSERT_OK(lk_calibration_fit(&trial, s->length, &c, &failure));
    return c;
}

/* The others' mean is the centre but for a tenth of their noise. */
static void the_curve_is_that_of_the_noise(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        set *s = draw(3, i ? 0.1 : 0, true);
        lk_calibration c = fit(s, s->n);
        assert_int_equal(c.knots, 9);
        for (size_t k = 1; k + 1 < c.knots; k++) {
            double l = c.knot[k].length, cosine = l / sqrt(1 + l * l);
            assert_close(c.knot[k].quality, cosine, 0.06);
            assert_true(c.knot[k].length > c.knot[k - 1].length &&
                        c.knot[k].quality >= c.knot[k - 1].quality);
        }
        free(s);
    }
}

static void lengths_that_tell_nothing_give_a_level_curve(void **state) {
    (void)state;
    set *s = draw(4, 0, false);
    lk_calibration c = fit(s, s->n);
    assert_true(c.knot[c.knots - 1].quality - c.knot[0].quality < 0.12);
    free(s);
}

static void few_photos_tell_nothing(void **state) {
    (void)state;
    set *s = draw(5, 0, true);
    assert_int_equal(fit(s, 190).knots, 0);
    assert_true(fit(s, 200).knots > 0);
    s->vectors[3] = NAN;
    lk_trial trial = {.vectors = s->vectors, .photos = s->n, .dim = DIM, .person = s->person};
    lk_calibration c;
    assert_int_equal(lk_calibration_fit(&trial, s->length, &c, NULL), LK_INVALID);
    free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_curve_is_that_of_the_noise),
        cmocka_unit_test(lengths_that_tell_nothing_give_a_level_curve),
        cmocka_unit_test(few_photos_tell_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
