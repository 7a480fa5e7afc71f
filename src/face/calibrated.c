/* calibrated.c: a model's calibration: what it says of a cosine, and how it lies in the metadata (JSON,
 * docs/formats.md). It is fitted in src/eval, which knows scores; here it is read, written and used.
 *
 *   cosine -> log-likelihood ratio (+ prior) -> probability of one person
 *   FAR <-> threshold: straight between the measured levels, over ln FAR; beyond them the tail
 *   FPIR, photos of the gallery -> FAR -> threshold */
#include "face/model.h"
#include "face/trained.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char lk__calibration_key[] = "calibration";

/* ---- what it says -------------------------------------------------------------------------------- */

double lk_calibration_probability(const lk_calibration *c, double cosine, double prior) {
    double ratio = c->doubt + (1 - c->doubt) * exp(c->slope * cosine + c->intercept);
    return 1 / (1 + (1 - prior) / (prior * ratio));
}

/* How far above the last level a threshold lies when only `share` of what reaches the level reaches it. */
static double tail_quantile(const lk_calibration *c, double share) {
    if (fabs(c->tail_shape) < 1e-9) return -c->tail_scale * log(share);
    return c->tail_scale / c->tail_shape * (pow(share, -c->tail_shape) - 1);
}

static double tail_share(const lk_calibration *c, double above) {
    if (fabs(c->tail_shape) < 1e-9) return exp(-above / c->tail_scale);
    double base = 1 + c->tail_shape * above / c->tail_scale;
    return base > 0 ? pow(base, -1 / c->tail_shape) : 0; /* beyond the end of a light tail */
}

double lk_calibration_threshold(const lk_calibration *c, double far, bool *extrapolated) {
    bool unused, *beyond = extrapolated ? extrapolated : &unused;
    *beyond = false;
    if (c->levels == 0 || !(far > 0) || far > c->level[0].far) return NAN;
    size_t last = c->levels - 1;
    if (far < c->level[last].far) {
        *beyond = true;
        if (!(c->tail_scale > 0)) return NAN;
        return fmin(c->level[last].cosine + tail_quantile(c, far / c->level[last].far), 1);
    }
    size_t i = 1;
    while (i < c->levels && c->level[i].far > far) i++;
    if (i == c->levels) return c->level[last].cosine; /* one level, and its own FAR */
    double part = log(c->level[i - 1].far / far) / log(c->level[i - 1].far / c->level[i].far);
    return c->level[i - 1].cosine + part * (c->level[i].cosine - c->level[i - 1].cosine);
}

double lk_calibration_far(const lk_calibration *c, double cosine, bool *extrapolated) {
    bool unused, *beyond = extrapolated ? extrapolated : &unused;
    *beyond = false;
    if (c->levels == 0 || !(cosine >= c->level[0].cosine)) return NAN;
    size_t last = c->levels - 1;
    if (cosine > c->level[last].cosine) {
        *beyond = true;
        if (!(c->tail_scale > 0)) return NAN;
        return c->level[last].far * tail_share(c, cosine - c->level[last].cosine);
    }
    size_t i = 1;
    while (i < c->levels && c->level[i].cosine < cosine) i++;
    if (i == c->levels) return c->level[last].far;
    double part = (cosine - c->level[i - 1].cosine) / (c->level[i].cosine - c->level[i - 1].cosine);
    return c->level[i - 1].far * pow(c->level[i].far / c->level[i - 1].far, part);
}

/* A stranger is compared with every photo. If chances were independent, FPIR = 1 - (1 - FAR)^photos; they are
 * not, for a stranger who looks like one photo looks like others of that person and of those alike, so that
 * false alarms fall on fewer strangers, and FPIR is less. */
double lk_calibration_gallery_threshold(const lk_calibration *c, size_t photos, double fpir,
                                        bool *extrapolated) {
    double far = photos && fpir > 0 && fpir < 1 ? -expm1(log1p(-fpir) / (double)photos) : NAN;
    /* A small gallery may ask for less than the first level: that is on the safe side. */
    if (c->levels && far > c->level[0].far) far = c->level[0].far;
    return lk_calibration_threshold(c, far, extrapolated);
}

double lk_calibration_gallery_fpir(const lk_calibration *c, size_t photos, double cosine,
                                   bool *extrapolated) {
    return -expm1((double)photos * log1p(-lk_calibration_far(c, cosine, extrapolated)));
}

double lk_calibration_quality(const lk_calibration *c, double length) {
    if (c->knots == 0 || !(length >= 0)) return NAN;
    size_t i = 0;
    while (i < c->knots && c->knot[i].length < length) i++;
    if (i == c->knots) return c->knot[i - 1].quality;
    /* A vector of no length tells nothing. */
    double low = i ? c->knot[i - 1].length : 0, least = i ? c->knot[i - 1].quality : 0;
    return least + (length - low) / (c->knot[i].length - low) * (c->knot[i].quality - least);
}

/* ---- metadata ------------------------------------------------------------------------------------ */

static bool sound(const lk_calibration *c) {
    bool rising =
        isfinite(c->slope) && c->slope >= 0 && isfinite(c->intercept) && c->doubt >= 0 && c->doubt < 1;
    for (size_t i = 0; i < c->levels && rising; i++) {
        rising = c->level[i].far > 0 && c->level[i].far < 1 && fabs(c->level[i].cosine) <= 1.001;
        if (i > 0)
            rising = rising && c->level[i].far < c->level[i - 1].far &&
                     c->level[i].cosine >= c->level[i - 1].cosine;
    }
    for (size_t i = 0; i < c->knots && rising; i++) {
        rising = isfinite(c->knot[i].length) && c->knot[i].length > (i ? c->knot[i - 1].length : 0) &&
                 c->knot[i].quality >= (i ? c->knot[i - 1].quality : 0) && c->knot[i].quality <= 1;
    }
    return rising && isfinite(c->tail_scale) && c->tail_scale >= 0 && fabs(c->tail_shape) <= 1 &&
           (c->levels || c->tail_scale == 0); /* also false for what is no number */
}

lk_status lk__calibration_text(const lk_calibration *c, char **out, lk_error *err) {
    if (c->levels > LK_LEVELS_MAX || c->knots > LK_LEVELS_MAX || !sound(c))
        return lk__fail(err, LK_INVALID, "a calibration whose thresholds do not rise as the FAR falls");
    json_t *levels = json_array(), *knots = json_array();
    for (size_t i = 0; i < c->knots; i++)
        json_array_append_new(knots, json_pack("[f, f]", c->knot[i].length, c->knot[i].quality));
    for (size_t i = 0; i < c->levels; i++)
        json_array_append_new(levels, json_pack("[f, f]", c->level[i].far, c->level[i].cosine));
    json_t *object = json_pack("{s: f, s: f, s: f, s: o, s: [f, f], s: o, s: I, s: I, s: I, s: I}", "slope",
                               c->slope, "intercept", c->intercept, "doubt", c->doubt, "threshold_at_far",
                               levels, "tail", c->tail_scale, c->tail_shape, "quality_by_length", knots,
                               "people", (json_int_t)c->people, "photos", (json_int_t)c->photos, "pairs_same",
                               (json_int_t)c->pairs_same, "pairs_different", (json_int_t)c->pairs_different);
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(7)) : NULL;
    json_decref(object);
    if (!text) return lk__fail_memory(err, 1024, "a calibration");
    *out = text;
    return LK_OK;
}

/* [[x, y], ...] */
static bool read_curve(const json_t *curve, double *x, double *y, size_t *count) {
    size_t i;
    json_t *point;
    if (!json_is_array(curve) || json_array_size(curve) > LK_LEVELS_MAX) return false;
    json_array_foreach(curve, i, point) {
        const json_t *first = json_array_get(point, 0), *second = json_array_get(point, 1);
        if (json_array_size(point) != 2 || !json_is_number(first) || !json_is_number(second)) return false;
        x[i] = json_number_value(first);
        y[i] = json_number_value(second);
    }
    *count = i;
    return true;
}

static bool read_curves(const json_t *object, lk_calibration *c) {
    double far[LK_LEVELS_MAX], cosine[LK_LEVELS_MAX], length[LK_LEVELS_MAX], quality[LK_LEVELS_MAX];
    if (!read_curve(json_object_get(object, "threshold_at_far"), far, cosine, &c->levels) ||
        !read_curve(json_object_get(object, "quality_by_length"), length, quality, &c->knots))
        return false;
    for (size_t i = 0; i < c->levels; i++) c->level[i].far = far[i], c->level[i].cosine = cosine[i];
    for (size_t i = 0; i < c->knots; i++) c->knot[i].length = length[i], c->knot[i].quality = quality[i];
    return true;
}

static size_t count_of(const json_t *object, const char *key) {
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (size_t)value : 0;
}

lk_status lk__calibration_parse(const char *text, const char *path, lk_calibration *out, lk_error *err) {
    json_error_t why = {.text = "not what is expected there"};
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    lk_calibration c = {.people = count_of(object, "people"),
                        .photos = count_of(object, "photos"),
                        .pairs_same = count_of(object, "pairs_same"),
                        .pairs_different = count_of(object, "pairs_different")};
    bool read =
        json_unpack_ex(object, &why, 0, "{s: F, s: F, s: F, s: [F, F]}", "slope", &c.slope, "intercept",
                       &c.intercept, "doubt", &c.doubt, "tail", &c.tail_scale, &c.tail_shape) == 0;
    if (read) {
        read = read_curves(object, &c) && sound(&c);
        snprintf(why.text, sizeof why.text, "thresholds or qualities that do not rise, or are no numbers");
    }
    json_decref(object);
    if (!read) return lk__fail(err, LK_FORMAT, "%s: metadata 'calibration' is damaged: %s", path, why.text);
    *out = c;
    return LK_OK;
}

const lk_calibration *lk_model_calibration(const lk_model *model) {
    return model->calibrated ? &model->calibration : NULL;
}

/* The model's own metadata in its order, but for what changes. */
static size_t notes_but(const lk_model *model, const lk__meta *changed, size_t changes, lk__meta *notes) {
    size_t n = 0;
    for (size_t i = 0; i < lk__tensors_meta_count(model->file); i++) {
        lk__meta own = lk__tensors_meta_at(model->file, i);
        bool stays = true;
        for (size_t k = 0; k < changes; k++) stays = stays && strcmp(own.key, changed[k].key) != 0;
        if (stays) notes[n++] = own;
    }
    return n;
}

/* Arrays go as they came, in whatever type: no rounding, and the same fingerprint. */
static lk_status write_again(const lk_model *model, const lk__meta *changed, size_t changes, const char *path,
                             lk_error *err) {
    size_t count = lk__tensors_count(model->file), notes = lk__tensors_meta_count(model->file);
    lk__tensor *tensors = calloc(count + 1, sizeof *tensors);
    lk__meta *meta = calloc(notes + changes, sizeof *meta);
    lk_status status = tensors && meta ? LK_OK : lk__fail_memory(err, count * sizeof *tensors, path);
    if (status == LK_OK) {
        for (size_t i = 0; i < count; i++) tensors[i] = *lk__tensors_at(model->file, i);
        size_t n = notes_but(model, changed, changes, meta);
        for (size_t k = 0; k < changes; k++) meta[n++] = changed[k];
        status = lk__tensors_write(path, tensors, count, meta, n, err);
    }
    free(tensors);
    free(meta);
    return status;
}

lk_status lk_model_write_calibrated(const lk_model *model, const lk_calibration *calibration,
                                    const char *const *people, size_t count, const char *path,
                                    lk_error *err) {
    lk__meta changed[2];
    size_t changes = 0;
    char *text = NULL, *trained = NULL;
    lk_status status = lk__calibration_text(calibration, &text, err);
    if (status == LK_OK) status = lk__trained_join(model, people, count, path, &trained, err);
    if (status == LK_OK) {
        changed[changes++] = (lk__meta){lk__calibration_key, text};
        if (trained) changed[changes++] = (lk__meta){"trained_people", trained};
        status = write_again(model, changed, changes, path, err);
    }
    free(text);
    free(trained);
    return status;
}
