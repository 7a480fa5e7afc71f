/* test_codes.c: all kernels give the same whole numbers, those of the codes; and no cosine lies outside of
 * what its code allows, also where rows and probes are made to be hard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* The AVX-512 kernels once more over emulated instructions, where Debian's libsimde-dev is there. */
#if defined(__x86_64__) && __has_include(<simde/x86/avx512.h>)
#define EMULATED
#define SIMDE_ENABLE_NATIVE_ALIASES
#pragma GCC diagnostic ignored "-Wpsabi" /* vectors passed between functions of this file only */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#include <simde/x86/avx512.h>
#define LK_EMULATED
#define lk__code_avx512 emulated_avx512
#include "../../src/gallery/codes_avx512.c"
#undef lk__code_avx512
#pragma GCC diagnostic pop
#endif
#include "gallery/codes.h"
#include "gallery/index.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *aligned(size_t bytes) {
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    assert_non_null(p);
    return p;
}

/* ---- hard vectors ---------------------------------------------------------------------------------- */

static void scale_to(float *v, int dim, double norm) {
    double squares = 0;
    for (int i = 0; i < dim; i++) squares += (double)v[i] * (double)v[i];
    for (int i = 0; i < dim && squares > 0; i++) v[i] = (float)((double)v[i] * norm / sqrt(squares));
}

enum { KINDS = 9 };
static void hard_vector(lk__random *r, int kind, int dim, float *v) {
    for (int i = 0; i < dim; i++) {
        float normal = (float)lk__random_normal(r);
        switch (kind) {
        case 0: v[i] = normal; break;
        case 1: v[i] = i == (int)(lk__random_u64(r) % (unsigned)dim) ? 1 : 0; break;
        case 2: v[i] = normal < 0 ? -1 : 1; break;              /* all as large */
        case 3: v[i] = floorf(normal * 2) + 0.5f; break;        /* between two codes */
        case 4: v[i] = i == 0 ? 100 : 1e-3f * normal; break;    /* one beside which all vanish */
        case 5: v[i] = i < 2 ? normal : 1e-38f * normal; break; /* denormal after scaling */
        case 6: v[i] = normal * normal * normal; break;         /* long tails */
        case 7: v[i] = (float)(i % 3) - 1; break;               /* the same every time */
        default: v[i] = fabsf(normal); break;                   /* no sign changes */
        }
    }
    if (v[0] == 0 && kind == 1) v[dim - 1] = 1;
    if (kind == 7 && dim == 2) v[0] = 1;
    /* as far from 1 as a gallery lets in */
    scale_to(v, dim, 1 + 0.00099 * (lk__random_unit(r) * 2 - 1));
    if (!(fabs(v[0]) <= 1.001) || (dim == 1 && v[0] == 0)) v[0] = 1;
}

/* ---- kernels --------------------------------------------------------------------------------------- */

static int32_t plain_product(const uint8_t *block, size_t groups, size_t row, const int8_t *probe) {
    int32_t sum = 0;
    for (size_t i = 0; i < groups * 8; i++) {
        uint8_t byte = block[i / 8 * 64 + 4 * row + i % 4];
        sum += ((i % 8 < 4 ? byte & 15 : byte >> 4) - 8) * probe[i];
    }
    return sum;
}

enum { BLOCKS = 2 * LK__CODE_BLOCKS, PROBES = LK__CODE_PROBES };

typedef struct trial {
    size_t groups;
    uint8_t *codes;  /* (BLOCKS, code bytes) */
    int8_t *probes;  /* (PROBES, probe bytes) */
    int32_t *want;   /* (BLOCKS, PROBES, 16) */
    int32_t *limits; /* (BLOCKS, LK__CODE_PROBES_ROOM) */
} trial;

static void trial_make(trial *t, int dim, int kind, bool all_codes) {
    lk__random r = lk__random_stream(17, (uint64_t)dim, (uint64_t)kind, 0);
    size_t stride = ((size_t)dim + 15) / 16 * 16, bytes = lk__code_probe_bytes(lk__code_groups(dim));
    float *rows = aligned(16 * stride * sizeof *rows);
    *t = (trial){.groups = lk__code_groups(dim)};
    t->codes = aligned(BLOCKS * lk__code_bytes(t->groups));
    t->probes = aligned(PROBES * bytes);
    t->want = aligned(BLOCKS * PROBES * 16 * sizeof *t->want);
    t->limits = aligned(BLOCKS * LK__CODE_PROBES_ROOM * sizeof *t->limits);
    for (size_t b = 0; b < BLOCKS; b++) {
        lk__code_bound bound;
        for (size_t i = 0; i < 16; i++) hard_vector(&r, kind, dim, rows + i * stride);
        lk__code_block(rows, 16, stride, dim, t->codes + b * lk__code_bytes(t->groups), &bound);
    }
    if (all_codes) /* as large as a sum can get */
        memset(t->codes, kind % 2 ? 0xff : 0x00, BLOCKS * lk__code_bytes(t->groups));
    for (size_t p = 0; p < PROBES; p++) {
        lk__code_probe probe;
        hard_vector(&r, kind, dim, rows);
        lk__code_probe_make(rows, dim, t->probes + p * bytes, &probe);
    }
    for (size_t b = 0; b < BLOCKS; b++)
        for (size_t p = 0; p < PROBES; p++) {
            int32_t *want = t->want + (b * PROBES + p) * 16;
            for (size_t row = 0; row < 16; row++)
                want[row] = plain_product(t->codes + b * lk__code_bytes(t->groups), t->groups, row,
                                          t->probes + p * bytes);
            t->limits[b * LK__CODE_PROBES_ROOM + p] = want[lk__random_below(&r, 16)];
        }
    free(rows);
}

static void trial_free(trial *t) {
    free(t->codes);
    free(t->probes);
    free(t->want);
    free(t->limits);
}

static void check_hits(const int32_t *want, int32_t limit, const int32_t *dots, uint16_t hits) {
    for (int row = 0; row < 16; row++) {
        assert_int_equal(dots[row], want[row]);
        assert_int_equal(hits >> row & 1, want[row] > limit);
    }
}

static void check_kernels(const lk__code_kernels *kernels, const trial *t) {
    size_t room = LK__CODE_PROBES_ROOM, bytes = lk__code_probe_bytes(t->groups);
    int32_t *dots = aligned(BLOCKS * PROBES * 16 * sizeof *dots), limits[BLOCKS];
    uint8_t *unpacked = aligned(LK__CODE_BLOCKS * 2 * lk__code_bytes(t->groups));
    uint16_t hits[LK__CODE_BLOCKS * LK__CODE_PROBES_ROOM];
    for (size_t p = 0; p < PROBES; p++) {
        for (size_t b = 0; b < BLOCKS; b++) limits[b] = t->limits[b * room + p];
        kernels->one(t->codes, BLOCKS, t->groups, t->probes + p * bytes, limits, dots, hits);
        for (size_t b = 0; b < BLOCKS; b++)
            check_hits(t->want + (b * PROBES + p) * 16, limits[b], dots + b * 16, hits[b]);
    }
    for (size_t first = 0; first < BLOCKS; first += LK__CODE_BLOCKS) {
        kernels->unpack(t->codes + first * lk__code_bytes(t->groups), t->groups, unpacked);
        kernels->many(unpacked, t->groups, t->probes, t->limits + first * room, dots, hits);
        for (size_t b = 0; b < LK__CODE_BLOCKS; b++)
            for (size_t p = 0; p < PROBES; p++)
                check_hits(t->want + ((first + b) * PROBES + p) * 16, t->limits[(first + b) * room + p],
                           dots + (b * PROBES + p) * 16, hits[b * room + p]);
    }
    free(dots);
    free(unpacked);
}

static const int dims[] = {1, 2, 3, 7, 8, 9, 16, 31, 64, 127, 128, 200, 512, 520, 2050};
enum { DIMS = sizeof dims / sizeof dims[0] };

static void check_all(const lk__code_kernels *kernels) {
    for (int i = 0; i < DIMS; i++)
        for (int kind = 0; kind < KINDS; kind++)
            for (int all_codes = 0; all_codes < 2; all_codes++) {
                trial t;
                trial_make(&t, dims[i], kind, all_codes);
                check_kernels(kernels, &t);
                trial_free(&t);
            }
}

static void test_kernels(void **state) {
    (void)state;
    assert_ptr_equal(lk__code_kind(LK__CODE_PLAIN), &lk__code_plain);
    assert_null(lk__code_kind(LK__CODE_KINDS));
    assert_non_null(lk__code_best());
    for (int kind = 0; kind < LK__CODE_KINDS; kind++)
        if (lk__code_kind(kind)) check_all(lk__code_kind(kind));
}

static void test_emulated(void **state) {
    (void)state;
#ifdef EMULATED
    check_all(&emulated_avx512);
#else
    print_message("skipped: libsimde-dev is not there\n");
    skip();
#endif
}

/* ---- the bound ------------------------------------------------------------------------------------- */

/* A row whose rest points where the probe does, as far as its cells let it: the bound is nearly met. */
static void lean(float *row, int dim, const float *probe, float per_scale) {
    for (int i = 0; i < dim; i++)
        row[i] = (roundf(row[i] * per_scale) + (probe[i] < 0 ? -0.499f : 0.499f)) / per_scale;
    scale_to(row, dim, 1);
}

static void check_bound(const float *rows, size_t count, size_t stride, int dim, const float *probe,
                        double *closest) {
    size_t groups = lk__code_groups(dim);
    uint8_t *block = aligned(lk__code_bytes(groups));
    int8_t *bytes = aligned(lk__code_probe_bytes(groups));
    lk__code_bound bound;
    lk__code_probe code;
    lk__code_block(rows, count, stride, dim, block, &bound);
    lk__code_probe_make(probe, dim, bytes, &code);
    float scales = bound.per_scale * code.per_scale;
    for (size_t r = 0; r < count; r++) {
        float cosine, error = bound.error * ((float)bound.shares[r] * (1.0f / 255));
        lk__dot_best()(rows + r * stride, 1, stride, probe, &cosine);
        int32_t dot = plain_product(block, groups, r, bytes);
        float reach = lk__code_reach(error, code.norm, code.slack), estimate = (float)dot / scales;
        assert_true(fabsf(cosine - estimate) <= reach);
        *closest = fmax(*closest, (double)(fabsf(cosine - estimate) / reach));
        /* A floor that the row reaches lets it through, one well above all that it may be does not. */
        float most = lk__code_reach(bound.error, code.norm, code.slack);
        assert_true(dot > lk__code_limit(cosine, most, scales));
        assert_true(dot > lk__code_limit(-INFINITY, most, scales));
        assert_false(dot > lk__code_limit(INFINITY, most, scales));
        assert_false(dot > lk__code_limit(estimate + most + 4 / scales + 1e-5f, most, scales));
    }
    for (size_t r = count; r < 16; r++) assert_int_equal(plain_product(block, groups, r, bytes), 0);
    free(block);
    free(bytes);
}

static void test_bound(void **state) {
    (void)state;
    double closest = 0;
    for (int d = 0; d < DIMS; d++)
        for (int kind = 0; kind < KINDS * KINDS; kind++)
            for (uint64_t turn = 0; turn < 6; turn++) {
                int dim = dims[d];
                size_t stride = ((size_t)dim + 15) / 16 * 16, count = turn < 5 ? 16 : 5;
                lk__random r = lk__random_stream(3, (uint64_t)dim, (uint64_t)kind, turn);
                float *rows = aligned(17 * stride * sizeof *rows), *probe = rows + 16 * stride;
                memset(rows, 0, 17 * stride * sizeof *rows);
                hard_vector(&r, kind / KINDS, dim, probe);
                for (size_t i = 0; i < count; i++) {
                    hard_vector(&r, turn == 1 ? (int)i % KINDS : kind % KINDS, dim, rows + i * stride);
                    if (turn == 2) memcpy(rows + i * stride, probe, stride * sizeof *rows);
                    if (turn == 3) lean(rows + i * stride, dim, probe, 2.9f * sqrtf((float)dim));
                }
                check_bound(rows, count, stride, dim, probe, &closest);
                free(rows);
            }
    assert_true(closest > 0.7); /* the hard ones are hard: a bound a third smaller would not hold */
    assert_true(closest <= 1);
}

/* It must also be of use: normal numbers keep three quarters of a percent of their square at most. */
static void test_tight(void **state) {
    (void)state;
    enum { DIM = 128 };
    lk__random r = lk__random_stream(9, 0, 0, 0);
    float *rows = aligned(16 * DIM * sizeof *rows);
    uint8_t *block = aligned(lk__code_bytes(DIM / 8));
    int8_t bytes[DIM + 8];
    double errors = 0;
    for (int turn = 0; turn < 100; turn++) {
        lk__code_bound bound;
        lk__code_probe probe;
        for (size_t i = 0; i < 16; i++) hard_vector(&r, 0, DIM, rows + i * DIM);
        lk__code_block(rows, 16, DIM, DIM, block, &bound);
        lk__code_probe_make(rows, DIM, bytes, &probe);
        errors += (double)bound.error;
        assert_true(bound.error < 0.16f);
        assert_true(probe.slack < 0.01f);
    }
    assert_true(errors / 100 < 0.137);
    free(rows);
    free(block);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_emulated),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_tight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
