/* train.c: the training loop.
 *
 *   P people x K photos -> loader (decode, augment, ahead of the net) -> forward -> loss -> backward -> step
 *
 * Everything random is a function of (seed, step), so the number of the step is the whole random state.
 *
 * Over several ranks (processes, options->ranks) every step is one batch of all of them. Each knows which
 * photos make it, reads and runs its own slice, and has the loss of the whole batch and the gradient of its
 * own vectors (objective.c). So a run is the same however the batch is cut, up to rounding. What depends on a
 * clock or on the user is said by rank 0, which also validates and writes; the others keep step.
 *
 * Differences from Hermans et al. 2017: the first `semi_hard_share` of the run mines semi-hard, because
 * batch-hard from random weights tends to collapse onto one point; the gradient is divided by the active
 * triplets, not by all; AdamW. */
#include "face/train.h"
#include "face/face.h"
#include "face/look.h"
#include "face/model.h"
#include "face/objective.h"
#include "face/ranks.h"
#include "face/trained.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VALIDATION_BATCH = 64 };

typedef struct trainer {
    const lk_train_options *options;
    lk__train_data people;
    lk__sampler *sampler;
    int batch, whole; /* photos a step: of this rank, and of all */
    char *checkpoint, *described;

    lk__spec spec;
    const char *net_text;
    lk_model *init;
    lk__weights weights, average; /* average: no memory where there is none */
    lk__weights *shown;           /* the one of them that is validated and written */
    lk__optimizer_state optimizer;
    lk__net *net;
    lk__loader *loader;
    lk_embedder *embedder;
    lk__validation *validation;
    lk__trained trained; /* rank 0 only */
    lk__look *look;      /* rank 0, and only if somebody looks */

    size_t *chosen_photo; /* (whole), as chosen_label: of the batch that the loader begins */
    uint32_t *chosen_label;
    lk__objective objective;
    lk__run_state state;
    FILE *log;

    /* since the last report */
    double report_at, report_seconds, validated_at, saved_at, looked_at, began, began_seconds;
    uint64_t report_step, validated_step;
    lk__triplet_stats sums;
    size_t sum_steps;
    lk_train_progress last;
    uint64_t next_note_step;
    bool stop; /* the caller's progress() asked for it */
} trainer;

static int rank_of(const trainer *t) {
    return lk__rank(t->options->ranks);
}

/* ---- setting up -------------------------------------------------------------------------------- */

static lk_status open_people(trainer *t, lk_error *err) {
    const lk_train_options *o = t->options;
    lk_status status = lk__train_data_open(o, &t->people, err);
    if (status != LK_OK) return status;
    const lk__train_data *d = &t->people;
    int ranks = lk__rank_count(o->ranks);
    size_t most = d->able / (size_t)ranks; /* few people: a smaller batch, and the same for every rank */
    if (most == 0)
        return lk__fail(err, LK_EMPTY,
                        "%s: %d ranks need at least as many people with 2 photos, and there are %zu",
                        o->sources[0].path, ranks, d->able);
    int p = (size_t)o->people < most ? o->people : (int)most;
    t->batch = p * o->photos;
    t->whole = ranks * t->batch;
    return lk__sampler_new(d->first, d->counts, d->people, ranks * p, o->photos, o->seed, &t->sampler, err);
}

static lk_status make_net(trainer *t, lk_error *err) {
    const lk_train_options *o = t->options;
    lk_status status = LK_OK;
    if (o->init) status = lk_model_open(o->init, &t->init, err);
    if (status != LK_OK) return status;
    t->net_text = lk__net_text_of(o->net ? o->net : t->init->net);
    status = lk__spec_parse(t->net_text, &t->spec, err);
    if (status == LK_OK) status = lk__weights_new(&t->spec, true, &t->weights, err);
    if (status != LK_OK) return status;
    lk__weights_init(&t->weights, o->seed);
    if (t->init) status = lk__weights_adopt(&t->weights, &t->init->weights, o->init, err);
    if (status == LK_OK)
        status =
            lk__optimizer_new(o->optimizer, &t->weights, o->weight_decay, o->momentum, &t->optimizer, err);
    t->shown = &t->weights;
    if (status == LK_OK && o->average > 0) {
        status = lk__weights_new(&t->spec, false, &t->average, err);
        t->shown = &t->average;
    }
    if (status == LK_OK && rank_of(t) == 0)
        status = lk__embedder_over(&t->spec, t->shown, o->crop, VALIDATION_BATCH, o->threads,
                                   LK_PRECISION_F32, &t->embedder, err);
    return status;
}

static lk_status make_buffers(trainer *t, lk_error *err) {
    size_t whole = (size_t)t->whole;
    t->chosen_photo = calloc(whole, sizeof *t->chosen_photo);
    t->chosen_label = calloc(whole, sizeof *t->chosen_label);
    if (!t->chosen_photo || !t->chosen_label)
        return lk__fail_memory(err, whole * sizeof *t->chosen_photo, "a batch");
    return lk__objective_new(t->options, t->sampler, &t->people, (size_t)t->batch, (size_t)t->spec.dim,
                             &t->objective, err);
}

/* This rank's slice of the batch. */
static void choose(void *context, uint64_t step, size_t *photo, uint32_t *label) {
    trainer *t = context;
    size_t n = (size_t)t->batch, first = n * (size_t)rank_of(t);
    lk__sampler_batch(t->sampler, step, t->chosen_photo, t->chosen_label);
    memcpy(photo, t->chosen_photo + first, n * sizeof *photo);
    memcpy(label, t->chosen_label + first, n * sizeof *label);
}

static void bad_photo(void *context, const char *path, const lk_error *why) {
    const lk_train_options *o = ((trainer *)context)->options;
    if (o->bad_photo) o->bad_photo(o->context, path, why);
}

static lk_status start_loader(trainer *t, lk_error *err) {
    const lk_train_options *o = t->options;
    int cores = o->threads > 0 ? o->threads : lk__cores();
    lk__loader_options loader = {.dataset = t->people.set,
                                 .batch = t->batch,
                                 .first_place = (uint64_t)t->batch * (uint64_t)rank_of(t),
                                 .width = t->spec.w,
                                 .height = t->spec.h,
                                 .augment = o->augment,
                                 .aligned = o->aligned,
                                 .seed = o->seed,
                                 .threads = cores,
                                 .ahead = 3,
                                 .crop = o->crop,
                                 .choose = choose,
                                 .bad_photo = bad_photo,
                                 .context = t};
    return lk__loader_start(&loader, t->state.step, &t->loader, err);
}

static lk_status start_look(trainer *t, lk_error *err) {
    lk__look_options look = {.set = t->people.set,
                             .sampler = t->sampler,
                             .loader = t->loader,
                             .whole = (size_t)t->whole,
                             .rows = (size_t)t->batch, /* rank 0's are the first */
                             .photos = t->options->photos,
                             .dim = t->spec.dim,
                             .margin = t->options->margin,
                             .first_step = t->state.step + 1};
    return lk__look_new(&look, &t->look, err);
}

static lk_status open_log(trainer *t, lk_error *err) {
    const lk_train_options *o = t->options;
    if (!o->log || rank_of(t) != 0) return LK_OK;
    t->log = fopen(o->log, t->state.step > 0 ? "a" : "w");
    if (!t->log) return lk__fail_errno(err, "write", o->log);
    if (t->state.step == 0)
        fprintf(t->log,
                "step,photos,seconds,epoch,photos_per_second,loss,active,learning_rate,distance_positive,"
                "distance_negative,validation_accuracy\n");
    return LK_OK;
}

/* A folder that cannot be written is told now, not after hours. */
static lk_status check_output(trainer *t, lk_error *err) {
    const char *output = t->options->output;
    size_t room = strlen(output) + sizeof ".checkpoint";
    t->checkpoint = malloc(room);
    if (!t->checkpoint) return lk__fail_memory(err, room, output);
    snprintf(t->checkpoint, room, "%s.checkpoint", output);
    if (rank_of(t) != 0) return LK_OK;
    lk__writer *probe = NULL;
    lk_status status = lk__writer_open(output, &probe, err);
    lk__writer_abort(probe);
    return status;
}

/* A person of one photo is in no triplet; and without a step nobody is trained on. */
static lk_status list_trained(trainer *t, lk_error *err) {
    const lk_train_options *o = t->options;
    size_t least = o->minutes > 0 || o->epochs > 0 ? 2 : 0;
    return rank_of(t) == 0 ? lk__trained_list(&t->people, least, t->init, o->init, &t->trained, err) : LK_OK;
}

/* Rank 0's beginning is everybody's. */
static void spread(trainer *t) {
    const lk_ranks *ranks = t->options->ranks;
    lk__optimizer_state *moments = &t->optimizer;
    lk__run_state *state = &t->state;
    lk__ranks_spread(ranks, t->weights.values, t->weights.total);
    lk__ranks_spread(ranks, moments->m, moments->total);
    if (moments->v) lk__ranks_spread(ranks, moments->v, moments->total);
    for (size_t i = 0; i < state->array_count; i++)
        lk__ranks_spread(ranks, state->arrays[i].values, state->arrays[i].count);
    double numbers[] = {(double)state->step, (double)moments->step, state->seconds, state->accuracy,
                        state->threshold};
    lk__ranks_spread_real(ranks, numbers, sizeof numbers / sizeof *numbers);
    state->step = (uint64_t)numbers[0];
    moments->step = (uint64_t)numbers[1];
    state->seconds = numbers[2];
    state->accuracy = numbers[3];
    state->threshold = numbers[4];
}

/* From random, from a model or from a checkpoint: rank 0 knows, and all begin with the same bits. */
static lk_status begin(trainer *t, lk_error *err) {
    const lk_train_options *o = t->options;
    t->state = (lk__run_state){.accuracy = NAN, .threshold = NAN};
    t->state.array_count = lk__objective_arrays(&t->objective, t->state.arrays);
    if (t->average.values) {
        memcpy(t->average.values, t->weights.values, t->weights.total * sizeof(float));
        t->state.arrays[t->state.array_count++] =
            (lk__run_array){"average", t->average.values, t->average.total};
    }
    t->described = lk__train_options_text(o, t->whole / o->photos, t->people.people, t->people.photos);
    if (!t->described) return lk__fail_memory(err, 1024, "the options as text");
    lk_status status = lk__ranks_same(o->ranks, t->described, &t->people, &t->weights, err);
    if (status == LK_OK && o->resume && rank_of(t) == 0)
        status = lk__checkpoint_read(t->checkpoint, t->described, &t->weights, &t->optimizer, &t->state, err);
    if (status == LK_OK && o->ranks) spread(t);
    if (status == LK_OK) lk__objective_resume(&t->objective, t->state.step);
    return status;
}

static lk_status set_up(trainer *t, lk_error *err) {
    const lk_train_options *o = t->options;
    lk_status status = check_output(t, err);
    if (status == LK_OK) status = open_people(t, err);
    if (status == LK_OK) status = make_net(t, err);
    if (status == LK_OK) status = list_trained(t, err);
    if (status == LK_OK) status = make_buffers(t, err);
    if (status == LK_OK) status = begin(t, err);
    if (status == LK_OK && rank_of(t) == 0)
        status = lk__train_data_validation(&t->people, o, t->spec.w, t->spec.h, &t->validation, err);
    if (status == LK_OK) status = open_log(t, err);
    if (status == LK_OK && (o->minutes > 0 || o->epochs > 0)) {
        status = lk__net_new(
            &t->spec, &t->weights,
            &(lk__net_options){
                .batch = t->batch, .training = true, .precision = o->precision, .ranks = o->ranks},
            &t->net, err);
        if (status == LK_OK) status = start_loader(t, err);
        if (status == LK_OK && o->look && rank_of(t) == 0) status = start_look(t, err);
    }
    return status;
}

static void tear_down(trainer *t) {
    lk__look_free(t->look);
    lk__trained_free(&t->trained);
    lk__loader_stop(t->loader);
    lk__net_free(t->net);
    lk_embedder_free(t->embedder);
    lk__validation_free(t->validation);
    lk__sampler_free(t->sampler);
    lk__optimizer_free(&t->optimizer);
    lk__weights_free(&t->weights);
    lk__weights_free(&t->average);
    lk_model_free(t->init);
    lk__train_data_close(&t->people);
    if (t->log) fclose(t->log);
    free(t->checkpoint);
    free(t->described);
    free(t->chosen_photo);
    free(t->chosen_label);
    lk__objective_free(&t->objective);
}

/* ---- the loop ---------------------------------------------------------------------------------- */

static double seconds_trained(const trainer *t) {
    return t->began_seconds + lk__seconds() - t->began;
}

static uint64_t steps_planned(const trainer *t) {
    return (uint64_t)ceil(t->options->epochs * (double)t->people.photos / (double)t->whole);
}

/* Share of the run that is done, 0..1. */
static double done(const trainer *t) {
    const lk_train_options *o = t->options;
    double by_time = o->minutes > 0 ? seconds_trained(t) / (60 * o->minutes) : 0;
    double by_steps = o->epochs > 0 ? (double)t->state.step / (double)steps_planned(t) : 0;
    return fmax(by_time, by_steps);
}

static double learning_rate(const lk_train_options *o, double part) {
    return lk__learning_rate(o->learning_rate, o->warmup, part);
}

static lk_status one_step(trainer *t, double part, lk_error *err) {
    const lk_train_options *o = t->options;
    const float *pixels;
    const uint32_t *label;
    lk_status status = lk__loader_next(t->loader, &pixels, &label, err);
    if (status != LK_OK) return status;
    size_t n = (size_t)t->batch;
    memcpy(lk__net_input(t->net), pixels, n * 3 * (size_t)t->spec.w * (size_t)t->spec.h * sizeof(float));
    lk__net_load(t->net);
    lk__triplet_stats stats;
    const float *gradient =
        lk__objective_loss(&t->objective, t->state.step, part, lk__net_forward(t->net), &stats);
    if (t->look) lk__look_batch(t->look, t->state.step + 1, t->objective.all);
    lk__net_backward(t->net, gradient);
    if (o->ranks) o->ranks->sum_finish(o->ranks->context);
    double rate = learning_rate(o, part), norm = lk__optimizer_step(&t->optimizer, &t->weights, rate);
    lk__objective_step(&t->objective, rate);
    if (!isfinite(norm) || !isfinite(stats.loss))
        return lk__fail(err, LK_DIVERGED,
                        "training diverged at step %llu: the gradient is no number any more; try a smaller "
                        "learning rate (now %g)",
                        (unsigned long long)t->state.step, o->learning_rate);
    t->state.step++;
    if (t->average.values) lk__average_follow(t->average.values, &t->weights, o->average, t->state.step);
    t->sums.triplets += stats.triplets;
    t->sums.active += stats.active;
    t->sums.loss += stats.loss;
    t->sums.distance_positive += stats.distance_positive;
    t->sums.distance_negative += stats.distance_negative;
    t->sum_steps++;
    return LK_OK;
}

/* Collapse: all vectors are one point, both distances are 0 and the loss is the margin, for ever. Of other
 * losses the distances alone tell. */
static const char *notice(trainer *t, const lk_train_progress *p) {
    if (t->state.step < 30 || t->state.step < t->next_note_step) return NULL;
    const lk_train_options *o = t->options;
    bool triplet = o->loss == LK_LOSS_TRIPLET;
    bool collapsed = p->distance_negative < 0.1 && p->distance_positive < 0.1 &&
                     (!triplet || fabs(p->loss - o->margin) < 0.2 * o->margin);
    if (!collapsed) return NULL;
    t->next_note_step = t->state.step + 200;
    if (!triplet)
        return "collapse: all photos get nearly the same vector; try a smaller learning rate or a longer "
               "warm-up";
    return "collapse: all photos get nearly the same vector and the loss is stuck at the margin; "
           "try semi-hard mining, a smaller learning rate or a longer warm-up";
}

static void report(trainer *t) {
    const lk_train_options *o = t->options;
    double now = lk__seconds(), part = done(t), steps = (double)(t->sum_steps ? t->sum_steps : 1);
    double taken = now - t->report_seconds;
    lk_train_progress p = {
        .step = t->state.step,
        .photos = t->state.step * (size_t)t->whole,
        .seconds = seconds_trained(t),
        .seconds_left = part > 0 ? seconds_trained(t) * (1 - fmin(part, 1)) / part : NAN,
        .epoch = (double)t->state.step * t->whole / (double)t->people.photos,
        .photos_per_second = taken > 0 ? (double)(t->state.step - t->report_step) * t->whole / taken : 0,
        .loss = t->sums.loss / steps,
        .active = t->sums.triplets ? (double)t->sums.active / (double)t->sums.triplets : 0,
        .learning_rate = learning_rate(o, part),
        .distance_positive = t->sums.distance_positive / steps,
        .distance_negative = t->sums.distance_negative / steps,
        .validation_accuracy = t->state.accuracy,
    };
    if (t->sum_steps == 0) { /* nothing new since the last report: only a validation */
        p.photos_per_second = t->last.photos_per_second;
        p.loss = t->last.loss;
        p.active = t->last.active;
        p.distance_positive = t->last.distance_positive;
        p.distance_negative = t->last.distance_negative;
    }
    t->last = p;
    p.note = notice(t, &p);
    if (t->log) {
        fprintf(t->log, "%zu,%zu,%.1f,%.3f,%.1f,%.5f,%.4f,%.3g,%.4f,%.4f,", p.step, p.photos, p.seconds,
                p.epoch, p.photos_per_second, p.loss, p.active, p.learning_rate, p.distance_positive,
                p.distance_negative);
        if (isfinite(p.validation_accuracy)) fprintf(t->log, "%.5f", p.validation_accuracy);
        fputc('\n', t->log);
        fflush(t->log);
    }
    t->sums = (lk__triplet_stats){0};
    t->sum_steps = 0;
    t->report_at = now;
    t->report_seconds = now;
    t->report_step = t->state.step;
    if (o->progress && o->progress(o->context, &p)) t->stop = true;
}

static lk_status validate(trainer *t, lk_error *err) {
    if (!t->validation) return LK_OK;
    double began = lk__seconds();
    lk__embedder_load(t->embedder);
    lk_status status =
        lk__validation_measure(t->validation, t->embedder, &t->state.accuracy, &t->state.threshold, err);
    t->validated_at = lk__seconds();
    t->validated_step = t->state.step;
    t->report_seconds += t->validated_at - began; /* the rate is that of training */
    return status;
}

/* `end` NULL: the run goes on. */
static void look(trainer *t, const lk_error *end) {
    const lk__train_data *d = &t->people;
    double began = lk__seconds();
    t->last.validation_accuracy = t->state.accuracy; /* it may be newer, or all there is */
    lk_train_look seen = {.progress = &t->last,
                          .end = end,
                          .validation_step = t->validated_step,
                          .dataset = d->set,
                          .people = d->people,
                          .photos = d->photos,
                          .validation_people = d->kept_count,
                          .excluded = d->excluded};
    seen.pair_count = lk__validation_scores(t->validation, &seen.cosine, &seen.same);
    if (t->look) lk__look_fill(t->look, &seen);
    t->options->look(t->options->context, &seen);
    if (t->look) lk__look_turn(t->look);
    t->looked_at = lk__seconds();
    t->report_seconds += t->looked_at - began; /* as in validate() */
}

static lk_status save(trainer *t, lk_error *err) {
    t->saved_at = lk__seconds();
    t->state.seconds = seconds_trained(t);
    return lk__checkpoint_write(t->checkpoint, t->described, &t->weights, &t->optimizer, &t->state, err);
}

/* Where the run is, by rank 0's clock, and whether any rank was asked to stop: the same answer on all. */
static double agree(trainer *t, bool *stop) {
    const lk_train_options *o = t->options;
    if (o->stop && o->stop(o->context)) t->stop = true;
    double said[] = {rank_of(t) == 0 ? done(t) : 0, t->stop};
    if (o->ranks) o->ranks->sum(o->ranks->context, said, 2);
    *stop = said[1] > 0;
    return said[0];
}

static lk_status stopped(trainer *t, lk_error *err) {
    lk_status status = rank_of(t) == 0 ? save(t, err) : LK_OK;
    if (status != LK_OK) return status;
    return lk__fail(err, LK_STOPPED, "stopped at step %llu; the run can go on from %s (--resume)",
                    (unsigned long long)t->state.step, t->checkpoint);
}

static lk_status loop(trainer *t, lk_error *err) {
    const lk_train_options *o = t->options;
    t->began = t->report_at = t->report_seconds = t->validated_at = t->saved_at = lk__seconds();
    t->began_seconds = t->state.seconds;
    t->report_step = t->state.step;
    for (;;) {
        bool stop;
        double part = agree(t, &stop);
        if (stop) return stopped(t, err);
        if (part >= 1) return LK_OK;
        lk_status status = one_step(t, part, err);
        double now = lk__seconds();
        if (status == LK_OK && rank_of(t) == 0) {
            if (now - t->report_at >= 1) {
                report(t);
                if (t->look && (t->looked_at == 0 || now - t->looked_at >= 60 * o->look_minutes))
                    look(t, NULL);
            }
            if (now - t->validated_at >= 60 * o->validate_minutes) status = validate(t, err);
            if (status == LK_OK && now - t->saved_at >= 60 * o->checkpoint_minutes) status = save(t, err);
        }
        if (status != LK_OK) return status;
    }
}

static lk_status finish(trainer *t, lk_error *err) {
    const lk_train_options *o = t->options;
    lk_status status = validate(t, err);
    if (status != LK_OK) return status;
    if (t->net) report(t);
    char steps[32], accuracy[32], people[128];
    snprintf(steps, sizeof steps, "%llu", (unsigned long long)t->state.step);
    snprintf(accuracy, sizeof accuracy, "%.4f", t->state.accuracy);
    snprintf(people, sizeof people, "%zu people, %zu photos; %zu people kept for validation, %zu excluded",
             t->people.people, t->people.photos, t->people.kept_count, t->people.excluded);
    char *calibration;
    status = lk__validation_calibrate(t->validation, o, &calibration, err);
    if (status != LK_OK) return status;
    lk__meta notes[6 + LK__TRAINED_NOTES];
    size_t n = 0; /* no times among them: the same run gives the same bytes */
    notes[n++] = (lk__meta){"options", t->described};
    notes[n++] = (lk__meta){"steps", steps};
    notes[n++] = (lk__meta){"data", people};
    if (isfinite(t->state.accuracy)) notes[n++] = (lk__meta){"validation_accuracy", accuracy};
    if (calibration) notes[n++] = (lk__meta){lk__calibration_key, calibration};
    if (o->recipe) notes[n++] = (lk__meta){"recipe", o->recipe};
    n += lk__trained_notes(&t->trained, notes + n);
    status = lk__model_write(o->output, t->net_text, t->shown, t->state.threshold, o->crop, o->aligned, notes,
                             n, err);
    free(calibration);
    if (status == LK_OK) unlink(t->checkpoint);
    return status;
}

lk_status lk_train(const lk_train_options *options, lk_error *err) {
    trainer t = {.options = options};
    lk_status status = lk__train_options_check(options, err);
    if (status != LK_OK) return status;
    lk__threads_set(options->threads);
    lk_error why;
    if (!err) err = &why; /* the last look tells it */
    status = set_up(&t, err);
    bool begun = status == LK_OK;
    if (status == LK_OK && t.net) status = loop(&t, err);
    if (status == LK_OK && rank_of(&t) == 0) status = finish(&t, err);
    if (begun && options->look && rank_of(&t) == 0) look(&t, status == LK_OK ? &(lk_error){0} : err);
    tear_down(&t);
    return status;
}
