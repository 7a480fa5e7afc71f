/* test_half.c: binary16 against its definition: every one of them, and what lies between two neighbours. */
#include "nn/half.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { HALVES = 0x7C00 }; /* from 0 to the largest finite one, rising */

/* By IEEE 754: (-1)^sign 2^(exponent - 15) 1.mantissa, or 2^-14 0.mantissa. */
static double defined(unsigned half) {
    unsigned exponent = half >> 10 & 31, mantissa = half & 1023;
    double value =
        exponent ? ldexp(1 + mantissa / 1024.0, (int)exponent - 15) : ldexp(mantissa / 1024.0, -14);
    return half & 0x8000 ? -value : value;
}

static void test_every_half(void **state) {
    (void)state;
    for (unsigned half = 0; half < HALVES; half++)
        for (unsigned sign = 0; sign <= 0x8000; sign += 0x8000) {
            uint16_t bits = (uint16_t)(half | sign);
            float value = lk__half_to_float(bits);
            assert_true((double)value == defined(bits));
            assert_int_equal(lk__half_from_float(value), bits);
        }
    assert_true(signbit(lk__half_to_float(0x8000)));
}

/* Between two neighbours: to the nearer one; from the middle to the even one. */
static void test_rounding(void **state) {
    (void)state;
    for (unsigned half = 0; half + 1 < HALVES; half++) {
        double low = defined(half), high = defined(half + 1), middle = (low + high) / 2;
        unsigned even = half & 1 ? half + 1 : half;
        assert_int_equal(lk__half_from_float((float)middle), even); /* f32 holds the middle exactly */
        assert_int_equal(lk__half_from_float(-(float)middle), even | 0x8000);
        assert_int_equal(lk__half_from_float(nextafterf((float)middle, 0)), half);
        assert_int_equal(lk__half_from_float(nextafterf((float)middle, INFINITY)), half + 1);
    }
}

static void test_far_ends(void **state) {
    (void)state;
    assert_int_equal(lk__half_from_float(65504), 0x7BFF);
    assert_int_equal(lk__half_from_float(65519.996f), 0x7BFF);
    assert_int_equal(lk__half_from_float(65520), 0x7C00);
    assert_int_equal(lk__half_from_float(-1e30f), 0xFC00);
    assert_int_equal(lk__half_from_float(INFINITY), 0x7C00);
    assert_int_equal(lk__half_from_float(1e-40f), 0);
    assert_int_equal(lk__half_from_float(0x1p-25f), 0);
    assert_int_equal(lk__half_from_float(nextafterf(0x1p-25f, 1)), 1);
    assert_true(isinf(lk__half_to_float(0x7C00)) && lk__half_to_float(0xFC00) < 0);
    assert_true(isnan(lk__half_to_float(0x7E01)));
    assert_true(isnan(lk__half_to_float(lk__half_from_float(NAN))));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_half),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_far_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
