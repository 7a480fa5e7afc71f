/* people.c: a trial's photos by person, and what is drawn from them. */
#include "eval/people.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 16 }; /* of lk__dot's rows; also independent maxima */

typedef struct entry {
    uint32_t person;
    size_t photo;
} entry;

static int by_person(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->person != y->person) return x->person < y->person ? -1 : 1;
    return (x->photo > y->photo) - (x->photo < y->photo);
}

static lk_status check_trial(const lk_trial *trial, lk_error *err) {
    if (!trial->vectors || !trial->person)
        return lk__fail(err, LK_INVALID, "identification needs the %s of the photos",
                        trial->vectors ? "people" : "vectors");
    if (trial->dim < 1) return lk__fail(err, LK_INVALID, "vectors of dim %d; the least is 1", trial->dim);
    if (trial->photos == 0) return lk__fail(err, LK_EMPTY, "there is no photo");
    for (size_t i = 0; i < trial->photos * (size_t)trial->dim; i++)
        if (!isfinite(
                trial->vectors[i])) /* a NaN compares as neither closer nor equal, and would rank first */
            return lk__fail(err, LK_INVALID, "vector %zu holds a value that is not a finite number",
                            i / (size_t)trial->dim);
    return LK_OK;
}

lk_status lk__people_group(const lk_trial *trial, lk__people *out, lk_error *err) {
    lk_status status = check_trial(trial, err);
    if (status != LK_OK) return status;
    size_t n = trial->photos;
    entry *entries = malloc(n * sizeof *entries);
    lk__people people = {.first = malloc((n + 1) * sizeof *people.first),
                         .photo = malloc(n * sizeof *people.photo)};
    if (!entries || !people.first || !people.photo) {
        free(entries);
        lk__people_free(&people);
        return lk__fail_memory(err, n * (sizeof *entries + 2 * sizeof(size_t)), "photos by person");
    }
    for (size_t i = 0; i < n; i++) entries[i] = (entry){trial->person[i], i};
    qsort(entries, n, sizeof *entries, by_person);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || entries[i].person != entries[i - 1].person) people.first[people.count++] = i;
        people.photo[i] = entries[i].photo;
    }
    people.first[people.count] = n;
    free(entries);
    *out = people;
    return LK_OK;
}

void lk__people_free(lk__people *people) {
    free(people->first);
    free(people->photo);
    *people = (lk__people){0};
}

void lk__draw(size_t *items, size_t n, size_t k, lk__random *random) {
    for (size_t i = 0; i < k; i++) {
        size_t j = i + lk__random_below(random, n - i), drawn = items[j];
        items[j] = items[i];
        items[i] = drawn;
    }
}

static size_t enrolled_of(size_t photos, size_t asked) {
    if (photos == 1) return 1; /* no probe, but there to be mistaken for */
    if (asked == 0) return photos / 2;
    return asked < photos ? asked : photos - 1;
}

void lk__roles_draw(lk__people *all, size_t *eligible, size_t able, size_t people, size_t enrolled,
                    uint64_t seed, uint64_t r, lk__role *role) {
    lk__random random = lk__random_stream(seed, 0x6f70656e, r, 0);
    for (size_t i = 0; i < all->first[all->count]; i++) role[i] = (lk__role){LK__STRANGER, false};
    lk__draw(eligible, able, people < able ? people : able, &random);
    if (people > able) lk__draw(eligible + able, all->count - able, people - able, &random);
    for (size_t i = 0; i < people; i++) {
        size_t n = lk__people_photos(all, eligible[i]), *photo = all->photo + all->first[eligible[i]];
        size_t k = enrolled_of(n, enrolled);
        lk__draw(photo, n, k, &random);
        for (size_t j = 0; j < n; j++) role[photo[j]] = (lk__role){i, j < k};
    }
}

void lk__order_draw(lk__people *all, size_t i, size_t k, uint64_t seed) {
    lk__random random = lk__random_stream(seed, 0x656e726f, i, 0);
    lk__draw(all->photo + all->first[i], lk__people_photos(all, i), k, &random);
}

size_t lk__stride(int dim) {
    return ((size_t)dim + LANES - 1) / LANES * LANES;
}

float *lk__vectors_alloc(size_t rows, int dim) {
    size_t bytes;
    if (__builtin_mul_overflow(rows, lk__stride(dim) * sizeof(float), &bytes)) return NULL;
    return aligned_alloc(64, bytes);
}

void lk__vector_put(float *rows, size_t i, const float *vector, int dim) {
    size_t stride = lk__stride(dim);
    float *row = rows + i * stride;
    memcpy(row, vector, (size_t)dim * sizeof *row);
    memset(row + dim, 0, (stride - (size_t)dim) * sizeof *row);
}

float lk__highest(const float *cosine, size_t first, size_t last, float so_far) {
    float lane[LANES];
    size_t i = first;
    for (size_t j = 0; j < LANES; j++) lane[j] = so_far;
    for (; i + LANES <= last; i += LANES)
        for (size_t j = 0; j < LANES; j++) lane[j] = cosine[i + j] > lane[j] ? cosine[i + j] : lane[j];
    for (; i < last; i++) so_far = cosine[i] > so_far ? cosine[i] : so_far;
    for (size_t j = 0; j < LANES; j++) so_far = lane[j] > so_far ? lane[j] : so_far;
    return so_far;
}

double lk__just_above(float score) {
    return nextafter((double)score, INFINITY);
}
