/* eval_identify.c: identification in a folder of people: who of those enrolled is this? Closed set (everybody
 * is enrolled), open set (most are not), and how much it helps to enroll more photos of each. */
#include "eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 10, ENROLLED_MOST = 10, ENROLLED_PEOPLE = 50 };

/* ---- closed set ----------------------------------------------------------------------------------- */

static uint64_t random_next(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

void eval_shuffle(size_t *items, size_t count, uint64_t seed) {
    /* The remainder's bias is below count / 2^64. */
    for (size_t i = count; i > 1; i--) {
        size_t j = random_next(&seed) % i, item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}

/* Vectors and their people, growing. */
typedef struct labelled {
    float *vectors;
    size_t *person;
    size_t count;
} labelled;

static labelled labelled_new(const lk_trial *trial) {
    return (labelled){cli_alloc(trial->photos * (size_t)trial->dim, sizeof(float)),
                      cli_alloc(trial->photos, sizeof(size_t)), 0};
}

static void labelled_add(const lk_trial *trial, labelled *l, size_t photo) {
    size_t dim = (size_t)trial->dim;
    memcpy(l->vectors + l->count * dim, trial->vectors + photo * dim, dim * sizeof(float));
    l->person[l->count++] = trial->person[photo];
}

/* The split of a person depends on the seed and on that person only. photos: first .. first + count - 1. */
static void split_person(const eval_run *r, const lk_trial *trial, size_t first, size_t count,
                         labelled *gallery, labelled *probes) {
    const eval_options *o = r->options;
    size_t *photos = cli_alloc(count, sizeof *photos);
    for (size_t i = 0; i < count; i++) photos[i] = first + i;
    uint64_t seed = o->seed;
    for (const char *c = r->closed.name[r->closed.folder[first]]; *c; c++)
        seed = (seed ^ (unsigned char)*c) * 0x100000001B3u; /* FNV-1a */
    eval_shuffle(photos, count, seed);
    size_t enrolled = o->gallery_photos ? o->gallery_photos : count / 2;
    if (count > 1 && enrolled >= count) enrolled = count - 1;
    if (enrolled == 0) enrolled = 1; /* a person of one photo is there to be mistaken for others */
    for (size_t i = 0; i < count; i++) labelled_add(trial, i < enrolled ? gallery : probes, photos[i]);
    free(photos);
}

/* The photos of a person lie together, as the folder lists them. */
static size_t person_end(const lk_trial *trial, size_t first) {
    size_t end = first + 1;
    while (end < trial->photos && trial->person[end] == trial->person[first]) end++;
    return end;
}

static lk_status closed_set(const eval_run *r, const lk_trial *trial, json_t *figures, lk_error *err) {
    labelled gallery = labelled_new(trial), probes = labelled_new(trial);
    for (size_t first = 0, end; first < trial->photos; first = end) {
        end = person_end(trial, first);
        split_person(r, trial, first, end - first, &gallery, &probes);
    }
    lk_identification id;
    lk_status status =
        lk_identification_measure(gallery.vectors, gallery.person, gallery.count, probes.vectors,
                                  probes.person, probes.count, trial->dim, &id, err);
    if (status == LK_OK) {
        eval_json_identification(figures, &id);
        lk_identification_free(&id);
    }
    free(gallery.vectors);
    free(gallery.person);
    free(probes.vectors);
    free(probes.person);
    return status;
}

/* ---- open set, and photos enrolled ---------------------------------------------------------------- */

/* How many people have at least so many photos. */
static size_t people_with(const lk_trial *trial, size_t photos) {
    size_t people = 0;
    for (size_t first = 0, end; first < trial->photos; first = end) {
        end = person_end(trial, first);
        people += end - first >= photos;
    }
    return people;
}

static lk_status open_set(const eval_run *r, const eval_model *m, const lk_trial *trial, size_t people,
                          json_t *sets, lk_error *err) {
    lk_open_set set;
    lk_status status =
        lk_open_set_measure(trial, people, r->options->gallery_photos, REPEATS, r->options->seed, &set, err);
    if (status != LK_OK) return status;
    json_t *object = eval_json_open_set(&set);
    json_object_set_new(object, "calibrated", eval_json_calibrated(&set, lk_model_calibration(m->model)));
    json_object_set_new(object, "repeats", json_integer(REPEATS));
    json_array_append_new(sets, object);
    lk_open_set_free(&set);
    return LK_OK;
}

/* Galleries as asked for; or of 10, 30, 100, 300 .. people, at most half of the folder: the rest are the
 * strangers. */
static lk_status open_sets(const eval_run *r, const eval_model *m, const lk_trial *trial, lk_error *err) {
    const eval_options *o = r->options;
    size_t half = people_with(trial, 1) / 2, able = people_with(trial, 2);
    size_t most = half < able ? half : able;
    json_t *sets = json_array();
    lk_status status = LK_OK;
    for (size_t i = 0; i < o->gallery_sizes && status == LK_OK; i++)
        status = open_set(r, m, trial, o->gallery_people[i], sets, err);
    for (size_t size = most < 10 ? most : 10; !o->gallery_sizes && size && size <= most && status == LK_OK;) {
        status = open_set(r, m, trial, size, sets, err);
        size = size < 10 ? most + 1 : size % 3 ? 3 * size : size / 3 * 10;
    }
    if (json_array_size(sets)) json_object_set(m->figures, "open_set", sets);
    json_decref(sets);
    return status == LK_EMPTY && !o->gallery_sizes ? LK_OK : status;
}

/* So many photos that enough people have one more, to be the probe. */
static size_t most_enrolled(const lk_trial *trial) {
    size_t able = people_with(trial, 2), wanted = able / 2 < ENROLLED_PEOPLE ? able / 2 : ENROLLED_PEOPLE;
    size_t most = ENROLLED_MOST;
    while (most > 1 && people_with(trial, most + 1) < wanted) most--;
    return most;
}

static lk_status enrolled(const eval_run *r, const lk_trial *trial, json_t *figures, lk_error *err) {
    double rank1[ENROLLED_MOST];
    size_t most = most_enrolled(trial), people = 0, probes = 0;
    lk_status status = lk_enrolled_measure(trial, most, r->options->seed, rank1, &people, &probes, err);
    if (status != LK_OK) return status == LK_EMPTY ? LK_OK : status;
    json_t *list = json_array();
    for (size_t i = 0; i < most; i++) json_array_append_new(list, cli_json_real(rank1[i]));
    json_object_set_new(figures, "enrolled",
                        json_pack("{s: I, s: I, s: o}", "people", (json_int_t)people, "probes",
                                  (json_int_t)probes, "right", list));
    return LK_OK;
}

lk_status eval_identify(const eval_run *r, eval_model *m, lk_error *err) {
    eval_json_identification(m->figures, NULL);
    json_object_set_new(m->figures, "open_set", json_null());
    json_object_set_new(m->figures, "enrolled", json_null());
    if (!r->options->identify.count) return LK_OK;
    lk_trial trial;
    float *vectors = eval_set_trial(&r->closed, m, &trial);
    lk_status status = closed_set(r, &trial, m->figures, err);
    if (status == LK_OK) status = open_sets(r, m, &trial, err);
    if (status == LK_OK) status = enrolled(r, &trial, m->figures, err);
    free(vectors);
    return status;
}
