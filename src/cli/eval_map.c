/* eval_map.c: a map of the vectors: which photos are in it, whose are in colour, and where the library puts
 * them. */
#include "eval.h"

#include <stdlib.h>

enum { COLOURED = 12 }; /* people in colour: as many as the page has kinds of dots */

typedef struct person {
    uint32_t number;
    size_t photos, first; /* photos of theirs; the first one */
    int colour;           /* -1: none */
} person;

static int by_number(const void *a, const void *b) {
    const person *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static int by_photos(const void *a, const void *b) {
    const person *x = *(person *const *)a, *y = *(person *const *)b;
    if (x->photos != y->photos) return x->photos < y->photos ? 1 : -1;
    return (x->first > y->first) - (x->first < y->first);
}

/* The people of a set, by number. */
static person *people_of(const eval_set *set, size_t *count) {
    person *people = cli_alloc(set->count, sizeof *people);
    size_t n = 0;
    for (size_t i = 0; i < set->count; i++) people[i] = (person){set->person[i], 1, i, -1};
    qsort(people, set->count, sizeof *people, by_number);
    for (size_t i = 0; i < set->count; i++) {
        if (n && people[n - 1].number == people[i].number) {
            people[n - 1].photos++;
            if (people[i].first < people[n - 1].first) people[n - 1].first = people[i].first;
        } else {
            people[n++] = people[i];
        }
    }
    *count = n;
    return people;
}

/* The people with most photos get the colours; shown (COLOURED), how many. */
static size_t colour_people(person *people, size_t count, const person *shown[COLOURED]) {
    person **order = cli_alloc(count, sizeof *order);
    for (size_t i = 0; i < count; i++) order[i] = &people[i];
    qsort(order, count, sizeof(person *), by_photos);
    size_t n = 0;
    for (; n < count && n < COLOURED && order[n]->photos > 1; n++) {
        order[n]->colour = (int)n;
        shown[n] = order[n];
    }
    free(order);
    return n;
}

typedef struct chosen {
    size_t count, *photo; /* (count) in the set */
    int *colour;          /* (count) */
} chosen;

/* All photos, or a random part of them: of the coloured people up to a fair share each, of the others the
 * rest. */
static chosen choose(const eval_run *r, const eval_set *set, const person *people, size_t people_count) {
    size_t most = r->options->map, share = most / (2 * COLOURED) + 1;
    size_t taken[COLOURED] = {0};
    chosen c = {0, cli_alloc(set->count, sizeof(size_t)), cli_alloc(set->count, sizeof(int))};
    size_t *photos = cli_alloc(set->count, sizeof *photos);
    for (size_t i = 0; i < set->count; i++) photos[i] = i;
    if (set->count > most) eval_shuffle(photos, set->count, r->options->seed);
    for (int grey = 0; grey < 2; grey++)
        for (size_t i = 0; i < set->count && c.count < most; i++) {
            person key = {.number = set->person[photos[i]]};
            const person *p = bsearch(&key, people, people_count, sizeof *people, by_number);
            if ((p->colour < 0) != grey) continue;
            if (p->colour >= 0 && set->count > most && taken[p->colour]++ >= share) continue;
            c.photo[c.count] = photos[i];
            c.colour[c.count++] = p->colour;
        }
    free(photos);
    return c;
}

/* A ten-thousandth of the map is less than a pixel. */
static json_t *place(float x) {
    return cli_json_real((double)(int)((double)x * 1e4 + (x < 0 ? -0.5 : 0.5)) / 1e4);
}

static json_t *map_json(const eval_run *r, const eval_set *set, const chosen *c, const float *xy,
                        const person *const *shown, size_t shown_count) {
    json_t *points = json_array(), *people = json_array();
    bool named = !r->options->no_photos;
    for (size_t i = 0; i < shown_count; i++)
        json_array_append_new(people,
                              named ? cli_json_text(set->name[set->folder[shown[i]->first]]) : json_null());
    for (size_t i = 0; i < c->count; i++) {
        json_t *point = json_pack("[o, o, i]", place(xy[2 * i]), place(xy[2 * i + 1]), c->colour[i]);
        if (named) json_array_append_new(point, cli_json_text(r->label[set->photo[c->photo[i]]]));
        json_array_append_new(points, point);
    }
    return json_pack("{s: s, s: I, s: o, s: o}", "kind", "t-SNE", "photos_of", (json_int_t)set->count,
                     "people", people, "points", points);
}

lk_status eval_map(const eval_run *r, eval_model *m, bool wanted, lk_error *err) {
    enum { FEWEST = 3 };
    const eval_set *set = r->closed.count ? &r->closed : &r->verify;
    json_object_set_new(m->figures, "map", json_null());
    if (!wanted || r->options->map < FEWEST || set->count < FEWEST) return LK_OK;
    size_t people_count, dim = (size_t)lk_model_dim(m->model);
    const person *shown[COLOURED];
    person *people = people_of(set, &people_count);
    size_t shown_count = colour_people(people, people_count, shown);
    chosen c = choose(r, set, people, people_count);
    float *vectors = cli_alloc(c.count * dim, sizeof *vectors), *xy = cli_alloc(c.count * 2, sizeof *xy);
    for (size_t i = 0; i < c.count; i++)
        for (size_t k = 0; k < dim; k++) vectors[i * dim + k] = m->vectors[set->photo[c.photo[i]] * dim + k];
    lk_status status = lk_map_make(vectors, c.count, (int)dim, LK_MAP_TSNE, r->options->seed, xy, err);
    if (status == LK_OK) json_object_set_new(m->figures, "map", map_json(r, set, &c, xy, shown, shown_count));
    free(people);
    free(c.photo);
    free(c.colour);
    free(vectors);
    free(xy);
    return status;
}
