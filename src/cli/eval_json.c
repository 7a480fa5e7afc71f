/* eval_json.c: what the library measured, as JSON: the one place where figures get their names. What was not
 * measured is null. Curves are thinned to what a page can show. */
#include "eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CMC_RANKS = 50, OPEN_POINTS = 200 };

static json_t *count_of(size_t count) {
    return json_integer((json_int_t)count);
}

static json_t *count_or_null(bool known, size_t count) {
    return known ? count_of(count) : json_null();
}

/* A curve needs no more places than a page can show. */
static json_t *rounded(double value) {
    char text[32];
    snprintf(text, sizeof text, "%.5g", value);
    return cli_json_real(strtod(text, NULL));
}

static json_t *point(double x, double y) {
    return json_pack("[o, o]", rounded(x), rounded(y));
}

json_t *eval_json_interval(lk_interval interval) {
    if (!isfinite(interval.low) || !isfinite(interval.high)) return json_null();
    return json_pack("[o, o]", cli_json_real(interval.low), cli_json_real(interval.high));
}

static void set_level(json_t *object, int i, json_t *value) {
    char *level = cli_format("1e-%d", i + 1);
    json_object_set_new(object, level, value);
    free(level);
}

static json_t *levels(const double *values, int count) {
    json_t *object = json_object();
    for (int i = 0; i < count; i++) set_level(object, i, cli_json_real(values ? values[i] : NAN));
    return object;
}

static json_t *level_intervals(const lk_interval *values, int count) {
    json_t *object = json_object();
    for (int i = 0; i < count; i++)
        set_level(object, i, values ? eval_json_interval(values[i]) : json_null());
    return object;
}

/* ---- verification --------------------------------------------------------------------------------- */

/* Which step of a logarithmic axis from `floor` to 1. */
static long log_step(double share, double floor, int steps) {
    return share > 0 ? 1 + lround((1 - log10(share) / log10(floor)) * (steps - 1)) : 0;
}

/* At most 600 points that a plot cannot tell from all: one for each step of FAR on a logarithmic axis, of TAR
 * on a linear and of 1 - TAR on a logarithmic one. All three go one way only, so each axis gives at most its
 * number of steps. */
static json_t *thin_roc(const lk_verification *v) {
    enum { STEPS = 195 };
    json_t *points = json_array();
    double far_floor = 1.0 / (double)(v->pairs - v->same + 1), miss_floor = 1.0 / (double)(v->same + 1);
    long last[3] = {-1, -1, -1};
    for (size_t i = 0; i < v->roc_count; i++) {
        const lk_roc_point *p = &v->roc[i];
        long step[3] = {log_step(p->far, far_floor, STEPS), lround(p->tar * STEPS),
                        log_step(1 - p->tar, miss_floor, STEPS)};
        if (memcmp(step, last, sizeof step) == 0 && i + 1 < v->roc_count) continue;
        memcpy(last, step, sizeof step);
        json_array_append_new(points, json_pack("[o, o]", cli_json_real(p->far), cli_json_real(p->tar)));
    }
    return points;
}

static json_t *band_of(const lk_verification *v) {
    if (!v->band_count) return json_null();
    json_t *band = json_array();
    for (size_t i = 0; i < v->band_count; i++)
        json_array_append_new(band, json_pack("[o, o, o]", rounded(v->band[i].far),
                                              rounded(v->band[i].tar.low), rounded(v->band[i].tar.high)));
    return band;
}

static json_t *histogram_of(const lk_verification *v) {
    json_t *same = json_array(), *different = json_array();
    for (int i = 0; i < LK_BINS; i++) {
        json_array_append_new(same, count_of(v->same_bin[i]));
        json_array_append_new(different, count_of(v->different_bin[i]));
    }
    return json_pack("{s: o, s: o}", "same", same, "different", different);
}

static json_t *few_of(const lk_verification *v) {
    json_t *few = json_object();
    for (int i = 0; i < LK_FAR_COUNT; i++)
        set_level(few, i, v ? json_boolean(v->few_at_far[i]) : json_null());
    return few;
}

void eval_json_verification(json_t *f, const lk_verification *v) {
    double none = NAN;
    lk_interval unknown = {NAN, NAN};
    json_object_set_new(f, "accuracy", cli_json_real(v ? v->accuracy : none));
    json_object_set_new(f, "accuracy_se", cli_json_real(v ? v->accuracy_se : none));
    json_object_set_new(f, "accuracy_interval", eval_json_interval(v ? v->accuracy_interval : unknown));
    json_object_set_new(f, "auc", cli_json_real(v ? v->auc : none));
    json_object_set_new(f, "auc_interval", eval_json_interval(v ? v->auc_interval : unknown));
    json_object_set_new(f, "eer", cli_json_real(v ? v->eer : none));
    json_object_set_new(f, "eer_interval", eval_json_interval(v ? v->eer_interval : unknown));
    json_object_set_new(f, "threshold", cli_json_real(v ? v->threshold : none));
    json_object_set_new(f, "pairs_same", count_or_null(v, v ? v->same : 0));
    json_object_set_new(f, "pairs", count_or_null(v, v ? v->pairs : 0));
    json_object_set_new(f, "tar_at_far", levels(v ? v->tar_at_far : NULL, LK_FAR_COUNT));
    json_object_set_new(f, "tar_at_far_interval", level_intervals(v ? v->tar_interval : NULL, LK_FAR_COUNT));
    json_object_set_new(f, "tar_at_far_few", few_of(v));
    json_object_set_new(f, "threshold_at_far", levels(v ? v->threshold_at_far : NULL, LK_FAR_COUNT));
    json_object_set_new(f, "roc", v ? thin_roc(v) : json_null());
    json_object_set_new(f, "roc_band", v ? band_of(v) : json_null());
    json_object_set_new(f, "histogram", v ? histogram_of(v) : json_null());
}

json_t *eval_json_comparison(const lk_comparison *c) {
    json_t *object = json_object();
    json_object_set_new(object, "accuracy", cli_json_real(c->accuracy));
    json_object_set_new(object, "accuracy_interval", eval_json_interval(c->accuracy_interval));
    json_object_set_new(object, "p", cli_json_real(c->p));
    json_object_set_new(object, "eer", cli_json_real(c->eer));
    json_object_set_new(object, "eer_interval", eval_json_interval(c->eer_interval));
    json_object_set_new(object, "tar_at_far", levels(c->tar_at_far, LK_FAR_COUNT));
    json_object_set_new(object, "tar_at_far_interval", level_intervals(c->tar_interval, LK_FAR_COUNT));
    return object;
}

json_t *eval_json_calibration(const lk_reliability *c) {
    json_t *object = json_object(), *bins = json_array();
    json_object_set_new(object, "cllr", cli_json_real(c->cllr));
    json_object_set_new(object, "cllr_min", cli_json_real(c->cllr_min));
    json_object_set_new(object, "slope", cli_json_real(c->slope));
    json_object_set_new(object, "intercept", cli_json_real(c->intercept));
    for (int i = 0; i < LK_RELIABILITY_BINS; i++) {
        json_t *bin = json_object();
        json_object_set_new(bin, "pairs", count_of(c->bin[i].pairs));
        json_object_set_new(bin, "predicted", cli_json_real(c->bin[i].pairs ? c->bin[i].predicted : NAN));
        json_object_set_new(bin, "observed", cli_json_real(c->bin[i].pairs ? c->bin[i].observed : NAN));
        json_object_set_new(bin, "interval",
                            c->bin[i].pairs ? eval_json_interval(c->bin[i].interval) : json_null());
        json_array_append_new(bins, bin);
    }
    json_object_set_new(object, "bins", bins);
    return object;
}

json_t *eval_json_group(const lk_group *g) {
    json_t *object = json_object();
    json_object_set_new(object, "people", count_of(g->people));
    json_object_set_new(object, "pairs_same", count_of(g->same));
    json_object_set_new(object, "pairs_different", count_of(g->different));
    json_object_set_new(object, "accuracy", cli_json_real(g->accuracy));
    json_object_set_new(object, "accuracy_interval", eval_json_interval(g->accuracy_interval));
    json_object_set_new(object, "tar", cli_json_real(g->tar));
    json_object_set_new(object, "tar_interval", eval_json_interval(g->tar_interval));
    json_object_set_new(object, "far", cli_json_real(g->far));
    json_object_set_new(object, "far_interval", eval_json_interval(g->far_interval));
    return object;
}

/* ---- identification ------------------------------------------------------------------------------- */

void eval_json_identification(json_t *f, const lk_identification *id) {
    json_t *cmc = id ? json_array() : json_null();
    for (size_t i = 0; id && i < id->cmc_count && i < CMC_RANKS; i++)
        json_array_append_new(cmc, cli_json_real(id->cmc[i]));
    json_object_set_new(f, "rank1", cli_json_real(id ? id->rank1 : (double)NAN));
    json_object_set_new(f, "rank5", cli_json_real(id ? id->rank5 : (double)NAN));
    json_object_set_new(f, "enrolled_photos", count_or_null(id, id ? id->gallery_photos : 0));
    json_object_set_new(f, "probes", count_or_null(id, id ? id->probes : 0));
    json_object_set_new(f, "people", count_or_null(id, id ? id->people : 0));
    json_object_set_new(f, "cmc", cmc);
}

/* As the ROC: a point for each step of either axis, both logarithmic. */
static json_t *thin_open(const lk_open_set *o) {
    json_t *points = json_array();
    double fpir_floor = 1.0 / (double)(o->strangers + 1), fnir_floor = 1.0 / (double)(o->mated + 1);
    long last[2] = {-1, -1};
    for (size_t i = 0; i < o->count; i++) {
        const lk_open_point *p = &o->points[i];
        long step[2] = {log_step(p->fpir, fpir_floor, OPEN_POINTS),
                        log_step(p->fnir, fnir_floor, OPEN_POINTS)};
        if (memcmp(step, last, sizeof step) == 0 && i + 1 < o->count) continue;
        memcpy(last, step, sizeof step);
        json_array_append_new(points, point(p->fpir, p->fnir));
    }
    return points;
}

json_t *eval_json_open_set(const lk_open_set *o) {
    json_t *object = json_object();
    json_object_set_new(object, "people", count_of(o->people));
    json_object_set_new(object, "photos", count_of(o->photos));
    json_object_set_new(object, "mated", count_of(o->mated));
    json_object_set_new(object, "strangers", count_of(o->strangers));
    json_object_set_new(object, "fnir_at_fpir", levels(o->fnir_at_fpir, LK_FPIR_COUNT));
    json_object_set_new(object, "fnir_at_fpir_interval", level_intervals(o->fnir_interval, LK_FPIR_COUNT));
    json_object_set_new(object, "threshold_at_fpir", levels(o->threshold_at_fpir, LK_FPIR_COUNT));
    json_object_set_new(object, "points", thin_open(o));
    return object;
}

json_t *eval_json_calibrated(const lk_open_set *o, const lk_calibration *calibration) {
    if (!calibration) return json_null();
    json_t *object = json_object();
    for (int i = 0; i < LK_FPIR_COUNT; i++) {
        bool extrapolated;
        double fpir, fnir,
            asked = pow(10, -(i + 1)),
            threshold = lk_calibration_gallery_threshold(calibration, o->photos, asked, &extrapolated);
        if (isnan(threshold)) {
            set_level(object, i, json_null());
            continue;
        }
        lk_open_set_at(o, threshold, &fpir, &fnir);
        set_level(object, i,
                  json_pack("{s: o, s: b, s: o, s: o}", "threshold", cli_json_real(threshold), "extrapolated",
                            extrapolated, "fpir", cli_json_real(fpir), "fnir", cli_json_real(fnir)));
    }
    return object;
}

/* ---- photos --------------------------------------------------------------------------------------- */

/* As --crop takes it; null: the photo as a whole. */
static json_t *crop_text(lk_crop crop) {
    if (!cli_crop_given(crop)) return json_null();
    char *text = crop.centre > 0 ? cli_format("%g", crop.centre)
                                 : cli_format("%.1f,%.1f,%.1f,%.1f", crop.x, crop.y, crop.width, crop.height);
    json_t *value = cli_json_text(text);
    free(text);
    return value;
}

json_t *eval_json_photo(const eval_run *run, const eval_set *set, size_t photo) {
    if (run->options->no_photos) return json_null();
    size_t i = set->photo[photo];
    json_t *object = json_object();
    json_object_set_new(object, "person", cli_json_text(set->name[set->folder[photo]]));
    json_object_set_new(object, "name", cli_json_text(run->label[i]));
    json_object_set_new(object, "path", cli_json_text(run->photos[i].path));
    json_object_set_new(object, "crop", crop_text(run->box[i]));
    return object;
}
