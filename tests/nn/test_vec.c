/* test_vec.c: masks of the sixteen lanes say what comparisons say, for every kind of number. */
#include "nn/vec.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const float kinds[LK__LANES] = {
    0,       -0.0f,    1,        -1,        FLT_MIN,   -FLT_MIN, FLT_TRUE_MIN, -FLT_TRUE_MIN,
    FLT_MAX, -FLT_MAX, INFINITY, -INFINITY, 0x1p-100f, -3.5f,    7e-39f,       -7e-39f};

static void test_above_0(void **state) {
    (void)state;
    lk__v16 v;
    memcpy(&v, kinds, sizeof v);
    lk__v16i mask = LK__ABOVE_0(v);
    for (int i = 0; i < LK__LANES; i++) assert_int_equal(mask[i], kinds[i] > 0 ? -1 : 0);
    lk__v16 picked = LK__PICK(mask, v, v - v);
    for (int i = 0; i + 6 < LK__LANES; i++) assert_true(picked[i] == fmaxf(kinds[i], 0));
}

static void test_are_equal(void **state) {
    (void)state;
    static const int32_t numbers[] = {0, 1, -1, 8, 9, INT32_MAX, INT32_MIN, 0x10000};
    for (size_t place = 0; place < sizeof numbers / sizeof *numbers; place++) {
        lk__v16i v;
        for (int i = 0; i < LK__LANES; i++) v[i] = numbers[i % 8];
        lk__v16i mask = LK__ARE_EQUAL(v, numbers[place]);
        for (int i = 0; i < LK__LANES; i++)
            assert_int_equal(mask[i], numbers[i % 8] == numbers[place] ? -1 : 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_above_0), cmocka_unit_test(test_are_equal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
