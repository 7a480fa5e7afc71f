/* data_labels.c: which labels are wrong as far as the model's vectors tell: single photos, folders of two
 * people, people with two folders, people who are in the second folder too. Judged are photos of which there
 * is a vector to believe, and no photo twice: copies of a wrong photo would vouch for each other.
 *
 * Then what is known of people helps to say which of two contradicting copies is the wrong one. */
#include "data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct judged {
    size_t count;
    size_t *photo;  /* (count) of the set */
    size_t *person; /* (count) */
    uint32_t *set;  /* (count) */
    float *vectors; /* (count, dim) */
} judged;

/* Photos from one DIR share a camera, a crop, a time; the folder is told from the path. */
static uint32_t folder_number(char ***folders, size_t *count, const data_photo *p) {
    for (size_t i = 0; i < *count; i++) /* few, and most often the last one again */
        if (strncmp((*folders)[i], p->path, p->name_at) == 0 && (*folders)[i][p->name_at] == 0)
            return (uint32_t)i;
    *folders = cli_grow(*folders, *count + 1, sizeof **folders);
    (*folders)[*count] = cli_format("%.*s", (int)p->name_at, p->path);
    return (uint32_t)(*count)++;
}

static void gather(const data_set *set, judged *j) {
    char **folders = NULL;
    size_t folder_count = 0, dim = (size_t)set->dim;
    j->photo = cli_alloc(set->count, sizeof *j->photo);
    j->person = cli_alloc(set->count, sizeof *j->person);
    j->set = cli_alloc(set->count, sizeof *j->set);
    j->vectors = cli_alloc(set->count * dim, sizeof *j->vectors);
    for (size_t i = 0; i < set->count; i++) {
        const data_photo *p = &set->photos[i];
        if (!p->judged || p->copy) continue;
        j->photo[j->count] = i;
        j->person[j->count] = p->person;
        j->set[j->count] = folder_number(&folders, &folder_count, p);
        memcpy(j->vectors + j->count * dim, set->vectors + i * dim, dim * sizeof(float));
        j->count++;
    }
    for (size_t i = 0; i < folder_count; i++) free(folders[i]);
    free(folders);
}

static void judged_free(judged *j) {
    free(j->photo);
    free(j->person);
    free(j->set);
    free(j->vectors);
}

/* ---- findings ------------------------------------------------------------------------------------------ */

/* Like whom of the nearest person? The photo to show beside it. */
static size_t nearest_photo(const data_set *set, size_t photo, size_t person) {
    size_t best = DATA_NONE, dim = (size_t)set->dim;
    double most = -2;
    const data_person *p = &set->people[person];
    for (size_t i = p->first; i < p->first + p->count; i++) {
        if (!set->photos[i].judged || i == photo) continue;
        double cosine = lk_cosine(set->vectors + photo * dim, set->vectors + i * dim, set->dim);
        if (cosine <= most) continue;
        most = cosine;
        best = i;
    }
    return best;
}

static void add_photo(const data_options *o, const data_set *set, size_t photo, const lk_photo_label *l,
                      data_findings *out) {
    data_finding *f = data_findings_add(out, l->somebody ? DATA_WRONG_LABEL : DATA_OUTLIER, photo,
                                        set->photos[photo].person, l->doubt);
    f->other_person = l->nearest;
    f->other_photo = nearest_photo(set, photo, l->nearest);
    f->cosine = l->other;
    f->move = o->move_labels && !set->photos[photo].pinned;
    f->reason = cli_format(
        "wrong with probability %.2f: cosine %.2f with this person's other photos, %.2f with %s%s", l->doubt,
        l->own, l->other, set->people[l->nearest].name, l->somebody ? "" : ", as strangers may have");
}

static void add_split(const judged *j, const lk_person_split *s, data_findings *out) {
    data_finding *f = data_findings_add(out, DATA_TWO_PEOPLE, j->photo[s->first_photo], s->person, s->doubt);
    f->other_photo = j->photo[s->second_photo];
    f->other_person = s->person;
    f->cosine = s->cosine;
    f->reason =
        cli_format("two people with probability %.2f: %zu and %zu photos, cosine %.2f within the two groups "
                   "and %.2f between them",
                   s->doubt, s->first, s->second, s->within, s->cosine);
}

/* A photo of each that are alike, to look at. */
static void add_pair(const data_set *set, data_kind kind, const lk_people_pair *p, data_findings *out) {
    const data_person *b = &set->people[p->b];
    size_t photo = DATA_NONE, other = DATA_NONE, dim = (size_t)set->dim;
    double most = -2;
    for (size_t i = b->first; i < b->first + b->count; i++) {
        if (!set->photos[i].judged) continue;
        size_t near = nearest_photo(set, i, p->a);
        if (near == DATA_NONE) continue;
        double cosine = lk_cosine(set->vectors + i * dim, set->vectors + near * dim, set->dim);
        if (cosine <= most) continue;
        most = cosine;
        photo = near;
        other = i;
    }
    data_finding *f = data_findings_add(out, kind, photo, p->a, p->doubt);
    f->other_photo = other;
    f->other_person = p->b;
    f->cosine = p->cosine;
    f->reason =
        cli_format("one person with probability %.2f: cosine %.2f of the two folders' means, %.2f with those "
                   "next most like either, %.1f deviations less",
                   p->doubt, p->cosine, p->rivals, p->z);
}

/* ---- contradicting copies ------------------------------------------------------------------------------ */

/* Both go, unless it is known which is the wrong one, or the two people are one: then the lesser one. */
static void settle_copies(const lk_labels *labels, const size_t *of_photo, data_findings *out) {
    static const double sure_right = 0.1, sure_wrong = 0.5;
    for (size_t i = 0; i < out->count; i++) {
        data_finding *f = &out->items[i];
        if (f->kind != DATA_DUPLICATE_ACROSS && f->kind != DATA_NEAR_DUPLICATE_ACROSS) continue;
        const char *said = "nothing tells which label is wrong";
        bool same = false;
        size_t a = f->person < f->other_person ? f->person : f->other_person,
               b = f->person + f->other_person - a;
        for (size_t k = 0; k < labels->pair_count && !same; k++)
            same = labels->pairs[k].a == a && labels->pairs[k].b == b && labels->pairs[k].doubt >= 0.5;
        size_t x = of_photo[f->photo], y = of_photo[f->other_photo];
        double of_this = x == DATA_NONE ? NAN : labels->photos[x].doubt;
        double of_other = y == DATA_NONE ? NAN : labels->photos[y].doubt;
        if (same) {
            f->move_other = false;
            said = "the two people seem to be one";
        } else if (of_this >= sure_wrong && of_other <= sure_right) {
            f->move_other = false;
            said = "this label is wrong";
        } else if (of_other >= sure_wrong && of_this <= sure_right) {
            f->move = false;
            said = "the other label is wrong";
        }
        char *longer = cli_format("%s; %s", f->reason, said);
        free(f->reason);
        f->reason = longer;
    }
}

static void add_all(const data_options *o, const data_set *set, const judged *j, const lk_labels *labels,
                    data_findings *out) {
    bool *two = cli_alloc(set->people_count, sizeof *two);
    for (size_t i = 0; i < labels->split_count; i++) {
        if (labels->splits[i].doubt < o->doubt) continue;
        add_split(j, &labels->splits[i], out);
        two[labels->splits[i].person] = true;
    }
    for (size_t k = 0; k < j->count; k++) {
        const lk_photo_label *l = &labels->photos[k];
        /* Of a folder of two people half the photos are unlike the rest, and that has been said. */
        if (l->doubt >= o->doubt && !two[j->person[k]]) add_photo(o, set, j->photo[k], l, out);
    }
    for (size_t i = 0; i < labels->pair_count && labels->pairs[i].doubt >= o->doubt; i++)
        add_pair(set, DATA_SAME_PERSON, &labels->pairs[i], out);
    for (size_t i = 0; i < labels->leak_count && labels->leaks[i].doubt >= o->doubt; i++)
        add_pair(set, DATA_LEAK_PERSON, &labels->leaks[i], out);
    out->people_note =
        cli_format("Cosines are between vectors from which was taken what all photos of a folder share: the "
                   "means of two "
                   "strangers' folders have %.2f +- %.2f. About %.1f %% of the labels are wrong, by these "
                   "probabilities.",
                   labels->strangers_mean, labels->strangers_deviation, 100 * labels->wrong_share);
    free(two);
}

int data_find_labels(const data_options *o, data_set *set, data_findings *out) {
    judged j = {0};
    gather(set, &j);
    char what[] = "judging labels";
    lk_label_input input = {.vectors = j.vectors,
                            .person = j.person,
                            .set = j.set,
                            .count = j.count,
                            .people = set->people_count,
                            .judged_people = set->own_people,
                            .dim = set->dim,
                            .seed = 1,
                            .threads = o->compute.threads,
                            .progress = data_progress,
                            .context = what};
    lk_labels labels = {0};
    lk_error err;
    lk_status status = lk_labels_judge(&input, &labels, &err);
    int code = CLI_OK;
    if (status == LK_OK) {
        size_t *of_photo = cli_alloc(set->count, sizeof *of_photo);
        for (size_t i = 0; i < set->count; i++) of_photo[i] = DATA_NONE;
        for (size_t k = 0; k < j.count; k++) of_photo[j.photo[k]] = k;
        settle_copies(&labels, of_photo, out);
        add_all(o, set, &j, &labels, out);
        free(of_photo);
    } else if (status == LK_EMPTY) {
        out->left_out = cli_format("labels and people were not judged: %s", err.message);
    } else {
        code = cli_fail(&err);
    }
    lk_labels_free(&labels);
    judged_free(&j);
    return code;
}
