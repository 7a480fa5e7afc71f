/* test_grouping.c: figures worked out by hand, and what must hold for any groups. */
#include "likeness/eval.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static void near(double a, double b) {
    if (!(fabs(a - b) < 1e-12)) fail_msg("%.15g is not %.15g", a, b);
}

/* Groups {a a a b} {b b} {c}: 7 pairs are put together, 3 + 1 of them of one person; of one person are 3 + 3.
 */
static void test_by_hand(void **state) {
    (void)state;
    const uint32_t group[] = {5, 5, 9, 5, 9, 5, 2}, person[] = {1, 1, 7, 7, 7, 1, 3};
    lk_grouping g;
    assert_int_equal(lk_grouping_measure(group, person, 7, &g, NULL), LK_OK);
    assert_int_equal(g.groups, 3);
    assert_int_equal(g.people, 3);
    near(g.pair_precision, 4.0 / 7);
    near(g.pair_recall, 4.0 / 6);
    near(g.bcubed_precision, (3 * 0.75 + 0.25 + 2 * 1 + 1) / 7);
    near(g.bcubed_recall, (3 * 1 + 1.0 / 3 + 2 * (2.0 / 3) + 1) / 7);
    near(g.bcubed_f, 2 * g.bcubed_precision * g.bcubed_recall / (g.bcubed_precision + g.bcubed_recall));
}

static void test_extremes(void **state) {
    (void)state;
    const uint32_t person[] = {0, 0, 1, 1}, one[] = {8, 8, 8, 8}, each[] = {3, 2, 1, 0};
    lk_grouping g;
    lk_error err;
    assert_int_equal(lk_grouping_measure(person, person, 4, &g, &err), LK_OK);
    near(g.pair_precision + g.pair_recall + g.bcubed_precision + g.bcubed_recall + g.bcubed_f, 5);
    assert_int_equal(lk_grouping_measure(one, person, 4, &g, &err), LK_OK);
    near(g.pair_precision, 2.0 / 6);
    near(g.pair_recall, 1);
    near(g.bcubed_precision, 0.5);
    near(g.bcubed_recall, 1);
    assert_int_equal(lk_grouping_measure(each, person, 4, &g, &err), LK_OK);
    assert_true(isnan(g.pair_precision));
    near(g.pair_recall, 0);
    near(g.bcubed_precision, 1);
    near(g.bcubed_recall, 0.5);
    assert_int_equal(lk_grouping_measure(one, each, 4, &g, &err), LK_OK);
    assert_true(isnan(g.pair_recall));
    assert_int_equal(lk_grouping_measure(one, each, 0, &g, &err), LK_EMPTY);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_by_hand), cmocka_unit_test(test_extremes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
