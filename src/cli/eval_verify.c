/* eval_verify.c: verification: every figure that pairs of photos give, and how two models differ on them. */
#include "eval.h"

#include <math.h>
#include <stdlib.h>

enum { REJECT_STEPS = 20 };

static lk_bootstrap bootstrap_of(const eval_run *r) {
    return (lk_bootstrap){.replicates = r->options->bootstrap, .seed = r->options->seed};
}

/* Too little to say is an answer. */
static lk_status unless_empty(lk_status status) {
    return status == LK_EMPTY ? LK_OK : status;
}

static lk_status add_calibration(const eval_run *r, const lk_trial *trial, json_t *figures, lk_error *err) {
    lk_reliability calibration;
    lk_bootstrap bootstrap = bootstrap_of(r);
    lk_status status = lk_reliability_measure(trial, &bootstrap, &calibration, err);
    if (status == LK_OK) json_object_set_new(figures, "calibration", eval_json_calibration(&calibration));
    return unless_empty(status);
}

/* ---- error versus reject -------------------------------------------------------------------------- */

/* The lowest FAR whose threshold is steady; the highest if none is. */
static double steady_far(const lk_verification *v) {
    for (int i = LK_FAR_COUNT; i-- > 1;)
        if (isfinite(v->tar_at_far[i]) && !v->few_at_far[i]) return lk_far_level(i);
    return lk_far_level(0);
}

/* Of the set's photos; NULL if that of one is not known: no face was looked for in it, say. */
static float *quality_of(const eval_set *set, const float *of_photo) {
    float *quality = cli_alloc(set->count, sizeof *quality);
    for (size_t i = 0; i < set->count; i++) {
        quality[i] = of_photo[set->photo[i]];
        if (isfinite(quality[i])) continue;
        free(quality);
        return NULL;
    }
    return quality;
}

/* `quality` of the run's photos: the detector's of the face, or the model's of the vector. */
static lk_status add_reject(const eval_set *set, const float *of_photo, const char *key,
                            const lk_trial *trial, const lk_verification *v, json_t *figures, lk_error *err) {
    lk_reject_point points[REJECT_STEPS + 1];
    size_t count = 0;
    double far = steady_far(v);
    float *quality = quality_of(set, of_photo);
    if (!quality) return LK_OK;
    lk_status status = lk_reject_measure(trial, quality, far, REJECT_STEPS, points, &count, err);
    free(quality);
    if (status != LK_OK) return unless_empty(status);
    json_t *list = json_array();
    for (size_t i = 0; i < count && points[i].rejected < 1; i++)
        json_array_append_new(
            list, json_pack("[o, o]", cli_json_real(points[i].rejected), cli_json_real(points[i].missed)));
    json_object_set_new(figures, key, json_pack("{s: f, s: o}", "far", far, "points", list));
    return LK_OK;
}

/* ---- groups --------------------------------------------------------------------------------------- */

static json_t *groups_json(const eval_run *r, const lk_group *groups, double threshold, bool own) {
    json_t *object = json_object(), *list = json_array();
    for (size_t g = 0; g < r->groups.count; g++) {
        json_t *group = eval_json_group(&groups[g]);
        json_object_set_new(group, "group", cli_json_text(r->groups.name[g]));
        json_array_append_new(list, group);
    }
    json_object_set_new(object, "threshold", cli_json_real(threshold));
    json_object_set_new(object, "threshold_of", json_string(own ? "model" : "pairs"));
    json_object_set_new(object, "people_without",
                        json_integer((json_int_t)(r->verify.names - r->groups.placed)));
    json_object_set_new(object, "people_unknown", json_integer((json_int_t)r->groups.unknown));
    json_object_set_new(object, "groups", list);
    return object;
}

/* What the model does at its own threshold, the one it is used with: everybody is one group. */
static lk_status add_own(const eval_run *r, const eval_model *m, const lk_trial *trial, lk_error *err) {
    double threshold = lk_model_threshold(m->model);
    if (!isfinite(threshold)) return LK_OK;
    lk_group all;
    int *of_photo = cli_alloc(trial->photos, sizeof *of_photo);
    lk_bootstrap bootstrap = bootstrap_of(r);
    lk_status status = lk_groups_measure(trial, of_photo, 1, threshold, &bootstrap, &all, err);
    free(of_photo);
    if (status != LK_OK) return unless_empty(status);
    json_t *object = eval_json_group(&all);
    json_object_set_new(object, "threshold", cli_json_real(threshold));
    json_object_set_new(m->figures, "own_threshold", object);
    return LK_OK;
}

/* At the threshold that the model would be used with: its own. */
static lk_status add_groups(const eval_run *r, const eval_model *m, const lk_trial *trial,
                            const lk_verification *v, lk_error *err) {
    const eval_set *set = &r->verify;
    size_t count = r->groups.count;
    if (count == 0) return LK_OK;
    lk_group *groups = cli_alloc(count, sizeof *groups);
    int *of_photo = cli_alloc(set->count, sizeof *of_photo);
    for (size_t i = 0; i < set->count; i++) of_photo[i] = r->groups.of_name[set->folder[i]];
    double own = lk_model_threshold(m->model), threshold = isfinite(own) ? own : v->threshold;
    lk_bootstrap bootstrap = bootstrap_of(r);
    lk_status status = lk_groups_measure(trial, of_photo, count, threshold, &bootstrap, groups, err);
    if (status == LK_OK)
        json_object_set_new(m->figures, "groups", groups_json(r, groups, threshold, isfinite(own)));
    free(of_photo);
    free(groups);
    return unless_empty(status);
}

/* ---- mistakes ------------------------------------------------------------------------------------- */

/* A pairs file may have a pair twice. */
static bool told_before(const lk_mistake *mistakes, size_t i) {
    for (size_t k = 0; k < i; k++)
        if ((mistakes[k].a == mistakes[i].a && mistakes[k].b == mistakes[i].b) ||
            (mistakes[k].a == mistakes[i].b && mistakes[k].b == mistakes[i].a))
            return true;
    return false;
}

static json_t *mistakes_json(const eval_run *r, const lk_mistake *mistakes, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count && json_array_size(list) < EVAL_MISTAKES; i++) {
        if (told_before(mistakes, i)) continue;
        json_t *object = json_object();
        json_object_set_new(object, "cosine", cli_json_real(mistakes[i].cosine));
        json_object_set_new(object, "a", eval_json_photo(r, &r->verify, mistakes[i].a));
        json_object_set_new(object, "b", eval_json_photo(r, &r->verify, mistakes[i].b));
        json_array_append_new(list, object);
    }
    return list;
}

static lk_status add_mistakes(const eval_run *r, const lk_trial *trial, json_t *figures, lk_error *err) {
    enum { FOUND = 2 * EVAL_MISTAKES };
    lk_mistake different[FOUND], same[FOUND];
    size_t different_count = 0, same_count = 0;
    lk_status status = lk_mistakes_find(trial, FOUND, different, &different_count, same, &same_count, err);
    if (status == LK_OK)
        json_object_set_new(figures, "mistakes",
                            json_pack("{s: o, s: o}", "different",
                                      mistakes_json(r, different, different_count), "same",
                                      mistakes_json(r, same, same_count)));
    return unless_empty(status);
}

/* ---- all of it ------------------------------------------------------------------------------------ */

lk_status eval_verify(const eval_run *r, eval_model *m, lk_error *err) {
    static const char *const parts[] = {"own_threshold", "calibration", "reject",     "reject_vector",
                                        "groups",        "mistakes",    "comparisons"};
    lk_trial trial;
    lk_verification v;
    lk_status status = LK_OK;
    bool asked = r->options->pairs || r->options->all_pairs.count;
    float *vectors = asked ? eval_set_trial(&r->verify, m, &trial) : NULL;
    lk_bootstrap bootstrap = bootstrap_of(r);
    if (asked) status = lk_verification_measure(&trial, &bootstrap, &v, err);
    if (status != LK_OK) asked = false;
    eval_json_verification(m->figures, asked ? &v : NULL);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        json_object_set_new(m->figures, parts[i], json_null());
    if (asked) {
        status = add_own(r, m, &trial, err);
        if (status == LK_OK) status = add_calibration(r, &trial, m->figures, err);
        if (status == LK_OK && !m->damage_text) /* the detector's, of photos as they are */
            status = add_reject(&r->verify, r->quality, "reject", &trial, &v, m->figures, err);
        if (status == LK_OK)
            status = add_reject(&r->verify, m->quality, "reject_vector", &trial, &v, m->figures, err);
        if (status == LK_OK) status = add_groups(r, m, &trial, &v, err);
        if (status == LK_OK) status = add_mistakes(r, &trial, m->figures, err);
        lk_verification_free(&v);
    }
    free(vectors);
    return status;
}

static lk_status compare(const eval_run *r, const eval_model *from, const eval_model *to, json_t *list,
                         lk_error *err) {
    lk_trial a, b;
    lk_comparison comparison;
    lk_bootstrap bootstrap = bootstrap_of(r);
    float *a_vectors = eval_set_trial(&r->verify, from, &a), *b_vectors = eval_set_trial(&r->verify, to, &b);
    lk_status status = lk_verification_compare(&a, &b, &bootstrap, &comparison, err);
    if (status == LK_OK) {
        json_t *object = eval_json_comparison(&comparison);
        json_object_set_new(object, "with", cli_json_text(from->name));
        json_object_set_new(object, "with_fingerprint", json_string(lk_model_fingerprint(from->model)));
        json_array_append_new(list, object);
    }
    free(a_vectors);
    free(b_vectors);
    return unless_empty(status);
}

lk_status eval_compare(const eval_run *r, lk_error *err) {
    lk_status status = LK_OK;
    if (!r->options->pairs && !r->options->all_pairs.count) return LK_OK;
    for (size_t i = 0; i < r->model_count; i++) {
        json_t *list = json_array();
        for (size_t k = 0; k < i && status == LK_OK; k++)
            status = compare(r, &r->models[k], &r->models[i], list, err);
        json_object_set_new(r->models[i].figures, "comparisons", list);
    }
    return status;
}
