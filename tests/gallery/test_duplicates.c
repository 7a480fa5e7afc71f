/* test_duplicates.c: who was enrolled twice, beside a comparison of all photos with all. */
#include "gallery/gallery_test.h"
#include "likeness/curate.h"

enum { DIM = 12, PEOPLE = 40 };

/* Person p has 1 + p % 4 photos; those of p >= PEOPLE / 2 look like those of p - PEOPLE / 2, `apart` more or
 * less. */
static size_t photos_of(size_t p) {
    return 1 + p % 4;
}

static void vector_of(size_t p, size_t photo, double apart, float *out) {
    float noise[DIM];
    double norm = 0;
    unit_vector(5, p % (PEOPLE / 2), DIM, out);
    unit_vector(6, p * 100 + photo, DIM, noise);
    for (int k = 0; k < DIM; k++) {
        out[k] += (float)apart * noise[k];
        norm += (double)out[k] * (double)out[k];
    }
    for (int k = 0; k < DIM; k++) out[k] = (float)((double)out[k] / sqrt(norm));
}

static lk_gallery *crowd(const char *path, double apart) {
    lk_gallery *g = new_gallery(path, DIM);
    OK(lk_gallery_begin(g, err));
    for (size_t p = 0; p < PEOPLE; p++)
        for (size_t i = 0; i < photos_of(p); i++) {
            float v[DIM];
            char person[16], photo[16];
            snprintf(person, sizeof person, "p%02zu", p);
            snprintf(photo, sizeof photo, "%zu.jpg", i);
            vector_of(p, i, apart, v);
            OK(lk_gallery_add(g, person, photo, v, NULL, err));
        }
    OK(lk_gallery_commit(g, err));
    return g;
}

/* The closest photos of two people, and the mean over all. */
static double compare(size_t a, size_t b, double apart, double *mean, size_t *pa, size_t *pb) {
    double most = -2, sum = 0;
    for (size_t i = 0; i < photos_of(a); i++)
        for (size_t j = 0; j < photos_of(b); j++) {
            float x[DIM], y[DIM];
            vector_of(a, i, apart, x);
            vector_of(b, j, apart, y);
            double cosine = lk_cosine(x, y, DIM);
            sum += cosine;
            if (cosine > most) {
                most = cosine;
                *pa = i;
                *pb = j;
            }
        }
    *mean = sum / (double)(photos_of(a) * photos_of(b));
    return most;
}

static void check(lk_gallery *g, double apart, double threshold) {
    lk_duplicates found;
    size_t expected = 0;
    double pairs = 0;
    OK(lk_gallery_find_duplicates(g, threshold, NULL, NULL, &found, err));
    for (size_t a = 0; a < PEOPLE; a++)
        for (size_t b = a + 1; b < PEOPLE; b++) {
            double mean = 0;
            size_t pa = 0, pb = 0;
            pairs += (double)(photos_of(a) * photos_of(b));
            if (compare(a, b, apart, &mean, &pa, &pb) >= threshold) expected++;
        }
    assert_int_equal(found.count, expected);
    assert_true(found.photo_pairs == pairs);
    for (size_t i = 0; i < found.count; i++) {
        const lk_duplicate *d = &found.items[i];
        size_t a = (size_t)atoi(d->a + 1), b = (size_t)atoi(d->b + 1), pa = 0, pb = 0;
        double mean = 0, most = compare(a, b, apart, &mean, &pa, &pb);
        assert_true(a < b);
        assert_true(fabs((double)d->closest - most) < 1e-5 && fabs((double)d->mean - mean) < 1e-5);
        assert_int_equal(atoi(d->photo_name_a), pa);
        assert_int_equal(atoi(d->photo_name_b), pb);
        assert_true(d->photos_a == photos_of(a) && d->photos_b == photos_of(b));
        assert_true(i == 0 || d->mean <= found.items[i - 1].mean);
    }
    lk_duplicates_free(&found);
}

static void test_beside_all_pairs(void **state) {
    (void)state;
    const char *path = in_folder("twice.gallery");
    static const double apart[] = {0.1, 0.8}, thresholds[] = {0.95, 0.6, 0.2, -1};
    for (size_t i = 0; i < 2; i++) {
        lk_gallery *g = crowd(path, apart[i]);
        for (size_t k = 0; k < 4; k++)
            check(g, apart[i], thresholds[k]); /* -1: everybody is like everybody */
        lk_gallery_close(g);
        remove_gallery(path);
    }
}

static int stop(void *context, size_t done, size_t count) {
    (void)context;
    return done > 0 && done <= count;
}

static void test_edges(void **state) {
    (void)state;
    const char *path = in_folder("edges.gallery");
    lk_gallery *g = new_gallery(path, DIM);
    lk_duplicates found = {.count = 77};
    FAILS(LK_INVALID, "cosine", lk_gallery_find_duplicates(g, 2, NULL, NULL, &found, err));
    assert_int_equal(found.count, 77);
    OK(lk_gallery_find_duplicates(g, 0.5, NULL, NULL, &found, err));
    assert_true(found.count == 0 && found.photo_pairs == 0);
    lk_duplicates_free(&found);
    add_number(g, "ann", 1);
    add_number(g, "ann", 2);
    OK(lk_gallery_find_duplicates(g, -1, NULL, NULL, &found, err)); /* nobody is their own double */
    assert_int_equal(found.count, 0);
    lk_duplicates_free(&found);
    FAILS(LK_STOPPED, "stopped", lk_gallery_find_duplicates(g, -1, stop, NULL, &found, err));
    lk_gallery_close(g);
    remove_gallery(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beside_all_pairs),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_nothing_left),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
