/* validate.c: verification on people the trainer never sees. The threshold is chosen and judged on the same
 * pairs, which flatters by a fraction of a percent: good for watching and for choosing a threshold, while
 * `likeness eval` is for figures one may quote. */
#include "face/validate.h"
#include "face/face.h"

#include <stdlib.h>

enum {
    PHOTOS_A_PERSON = 10,
    PHOTOS_MAX = 1200,
    SAME_A_PERSON = 12,
    PAIRS_MAX = 2 * PHOTOS_MAX * SAME_A_PERSON
};

typedef struct pair {
    uint32_t a, b;
    bool same;
} pair;

struct lk__validation {
    size_t photos, pairs;
    lk_image **crop;  /* (photos) */
    uint32_t *person; /* (photos) */
    pair *pair;
    float *cosine; /* (pairs): of the last measurement */
    int *same;     /* (pairs) */
    bool measured;
    float *vectors, *length; /* (photos, dim), (photos): of the last measurement */
    int dim;
};

static lk_status read_person(lk__validation *v, const lk_dataset *dataset, size_t person,
                             const lk_train_options *o, int width, int height) {
    size_t first, count;
    lk_dataset_person_photos(dataset, person, &first, &count);
    for (size_t i = 0, had = 0; i < count && had < PHOTOS_A_PERSON && v->photos < PHOTOS_MAX; i++) {
        lk_error why;
        lk_status status =
            lk__photo_face(dataset, first + i, o->crop, width, height, &v->crop[v->photos], &why);
        if (status == LK_NO_MEMORY) return status;
        if (status != LK_OK) {
            if (o->bad_photo) o->bad_photo(o->context, lk_dataset_photo_path(dataset, first + i), &why);
            continue;
        }
        v->person[v->photos++] = (uint32_t)person;
        had++;
    }
    return LK_OK;
}

/* Photos of a person are adjacent: same pairs within each run, drawn without order when there are too many.
 */
static void draw_pairs(lk__validation *v, uint64_t seed) {
    lk__random random = lk__random_stream(seed, 'v', 0, 0);
    for (size_t i = 0; i < v->photos;) {
        size_t end = i;
        while (end < v->photos && v->person[end] == v->person[i]) end++;
        size_t n = end - i, all = n * (n - 1) / 2, taken = 0, seen = 0;
        for (size_t a = i; a < end; a++)
            for (size_t b = a + 1; b < end; b++, seen++) {
                size_t want = all < SAME_A_PERSON ? all : SAME_A_PERSON;
                if (lk__random_below(&random, all - seen) >= want - taken) continue; /* Knuth's algorithm S */
                v->pair[v->pairs++] = (pair){(uint32_t)a, (uint32_t)b, true};
                taken++;
            }
        i = end;
    }
    size_t same = v->pairs;
    if (v->photos < 2 || v->person[0] == v->person[v->photos - 1]) return; /* one person: nobody differs */
    while (v->pairs < 2 * same) {
        size_t a = lk__random_below(&random, v->photos), b = lk__random_below(&random, v->photos);
        if (v->person[a] != v->person[b]) v->pair[v->pairs++] = (pair){(uint32_t)a, (uint32_t)b, false};
    }
}

lk_status lk__validation_new(const lk_dataset *dataset, const size_t *people, size_t count,
                             const lk_train_options *o, int width, int height, lk__validation **out,
                             lk_error *err) {
    lk__validation *v = calloc(1, sizeof *v);
    if (v) v->crop = calloc(PHOTOS_MAX, sizeof(lk_image *));
    if (v) v->person = calloc(PHOTOS_MAX, sizeof *v->person);
    if (v) v->pair = calloc(PAIRS_MAX, sizeof *v->pair);
    if (v) v->cosine = calloc(PAIRS_MAX, sizeof *v->cosine);
    if (v) v->same = calloc(PAIRS_MAX, sizeof *v->same);
    if (v) v->length = calloc(PHOTOS_MAX, sizeof *v->length);
    lk_status status =
        v && v->length && v->crop && v->person && v->pair && v->cosine && v->same ? LK_OK : LK_NO_MEMORY;
    for (size_t i = 0; status == LK_OK && i < count; i++)
        status = read_person(v, dataset, people[i], o, width, height);
    if (status != LK_OK) {
        lk__validation_free(v);
        return lk__fail_memory(err, PHOTOS_MAX * 3 * (size_t)width * (size_t)height, "validation photos");
    }
    draw_pairs(v, o->seed);
    if (v->pairs == 0 || v->pair[v->pairs - 1].same) {
        lk__validation_free(v);
        return lk__fail(err, LK_EMPTY,
                        "validation: %zu people give no pair of one person and of two; 2 people with 2 "
                        "readable photos each are needed",
                        count);
    }
    *out = v;
    return LK_OK;
}

void lk__validation_free(lk__validation *v) {
    if (!v) return;
    for (size_t i = 0; v->crop && i < v->photos; i++) lk_image_free(v->crop[i]);
    free(v->crop);
    free(v->person);
    free(v->pair);
    free(v->cosine);
    free(v->same);
    free(v->vectors);
    free(v->length);
    free(v);
}

typedef struct scored {
    double cosine;
    bool same;
} scored;

static int by_cosine(const void *a, const void *b) {
    double x = ((const scored *)a)->cosine, y = ((const scored *)b)->cosine;
    return (x > y) - (x < y);
}

/* Scores rising: with the threshold before score i, the pairs told right are the different ones below and the
 * same ones from i on. */
static void best_threshold(const scored *s, size_t n, double *accuracy, double *threshold) {
    size_t right = 0, best;
    for (size_t i = 0; i < n; i++) right += s[i].same;
    best = right;
    *threshold = s[0].cosine;
    for (size_t i = 0; i < n; i++) {
        right += s[i].same ? (size_t)-1 : 1;
        /* Never beyond the last score: as many pairs differ as are the same, so that is no better than the
         * first. */
        if (right > best && i + 1 < n && s[i + 1].cosine > s[i].cosine) {
            best = right;
            *threshold = (s[i].cosine + s[i + 1].cosine) / 2;
        }
    }
    *accuracy = (double)best / (double)n;
}

lk_status lk__validation_measure(lk__validation *v, lk_embedder *embedder, double *accuracy,
                                 double *threshold, lk_error *err) {
    size_t dim = (size_t)lk__embedder_dim(embedder);
    float *vectors = malloc(v->photos * dim * sizeof *vectors);
    scored *scores = malloc(v->pairs * sizeof *scores);
    lk_status status = LK_OK;
    if (!vectors || !scores) status = lk__fail_memory(err, v->photos * dim * sizeof *vectors, "validation");
    if (status == LK_OK) {
        lk__embedder_crops(embedder, (const lk_image *const *)v->crop, v->photos, vectors, v->length);
        for (size_t i = 0; i < v->pairs; i++) {
            const float *a = vectors + v->pair[i].a * dim, *b = vectors + v->pair[i].b * dim;
            scores[i] = (scored){lk_cosine(a, b, (int)dim), v->pair[i].same};
            v->cosine[i] = (float)scores[i].cosine;
            v->same[i] = v->pair[i].same;
        }
        v->measured = true;
        free(v->vectors);
        v->vectors = vectors;
        v->dim = (int)dim;
        vectors = NULL;
        qsort(scores, v->pairs, sizeof *scores, by_cosine);
        best_threshold(scores, v->pairs, accuracy, threshold);
    }
    free(vectors);
    free(scores);
    return status;
}

lk_status lk__validation_calibrate(const lk__validation *v, const lk_train_options *o, char **out,
                                   lk_error *err) {
    *out = NULL;
    if (!v || !v->vectors || !o->calibrate) return LK_OK;
    lk_calibration calibration;
    lk_status status = o->calibrate(v->vectors, v->length, v->person, v->photos, v->dim, &calibration, err);
    if (status == LK_OK) status = lk__calibration_text(&calibration, out, err);
    return status == LK_EMPTY || status == LK_INVALID ? LK_OK : status;
}

size_t lk__validation_scores(const lk__validation *v, const float **cosine, const int **same) {
    if (!v || !v->measured) return 0;
    *cosine = v->cosine;
    *same = v->same;
    return v->pairs;
}
