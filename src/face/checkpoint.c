/* checkpoint.c: weights as in a model file, the optimizer's moments as one tensor each, counters as metadata.
 */
#include "face/checkpoint.h"
#include "nn/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char FORMAT[] = "likeness-checkpoint-1";

lk_status lk__checkpoint_write(const char *path, const char *options, const lk__weights *weights,
                               const lk__optimizer_state *optimizer, const lk__run_state *state,
                               lk_error *err) {
    size_t count = (size_t)weights->count, n = count;
    lk__tensor *tensors = calloc(count + 2, sizeof *tensors);
    if (!tensors) return lk__fail_memory(err, (count + 2) * sizeof *tensors, path);
    lk__weights_tensors(weights, tensors);
    int64_t total = (int64_t)optimizer->total;
    size_t bytes = optimizer->total * sizeof(float);
    tensors[n++] = (lk__tensor){.name = "optimizer.m",
                                .dtype = LK__F32,
                                .dims = 1,
                                .shape = {total},
                                .data = optimizer->m,
                                .bytes = bytes};
    if (optimizer->v)
        tensors[n++] = (lk__tensor){.name = "optimizer.v",
                                    .dtype = LK__F32,
                                    .dims = 1,
                                    .shape = {total},
                                    .data = optimizer->v,
                                    .bytes = bytes};
    char step[32], moved[32], seconds[32], accuracy[32], threshold[32];
    snprintf(step, sizeof step, "%llu", (unsigned long long)state->step);
    snprintf(moved, sizeof moved, "%llu", (unsigned long long)optimizer->step);
    snprintf(seconds, sizeof seconds, "%.17g", state->seconds);
    snprintf(accuracy, sizeof accuracy, "%.17g", state->accuracy);
    snprintf(threshold, sizeof threshold, "%.17g", state->threshold);
    lk__meta meta[] = {{"format", FORMAT},        {"options", options}, {"step", step},
                       {"optimizer_step", moved}, {"seconds", seconds}, {"accuracy", accuracy},
                       {"threshold", threshold}};
    lk_status status = lk__tensors_write(path, tensors, n, meta, sizeof meta / sizeof *meta, err);
    free(tensors);
    return status;
}

static double real(const lk__tensors *file, const char *key) {
    const char *text = lk__tensors_meta(file, key);
    return text ? strtod(text, NULL) : NAN;
}

/* What two lines of options do not share, cut at words: the options that differ, each with its name. */
static void differing(const char **a, int *a_length, const char **b, int *b_length) {
    size_t same = 0, m = strlen(*a), n = strlen(*b), tail = 0;
    while ((*a)[same] && (*a)[same] == (*b)[same]) same++;
    for (int spaces = 0; same > 0; same--) /* back to the beginning of the word before this one: the name */
        if ((*a)[same - 1] == ' ' && ++spaces == 2) break;
    while (tail < m - same && tail < n - same && (*a)[m - tail - 1] == (*b)[n - tail - 1]) tail++;
    while (tail > 0 && (*a)[m - tail] != ' ') tail--;
    *a_length = (int)(m - tail - same);
    *b_length = (int)(n - tail - same);
    *a += same;
    *b += same;
}

static lk_status check(const lk__tensors *file, const char *path, const char *options,
                       const lk__optimizer_state *optimizer, lk_error *err) {
    const char *format = lk__tensors_meta(file, "format"), *made = lk__tensors_meta(file, "options");
    if (!format || strcmp(format, FORMAT) != 0 || !made)
        return lk__fail(err, LK_FORMAT, "%s: not a likeness checkpoint", path);
    if (strcmp(made, options) != 0) {
        int then, now;
        differing(&made, &then, &options, &now);
        return lk__fail(err, LK_INVALID,
                        "%s: made with other options (%.*s) than now (%.*s); give the old ones, or delete it "
                        "to start anew",
                        path, then < 200 ? then : 200, made, now < 200 ? now : 200, options);
    }
    const char *moments[] = {"optimizer.m", "optimizer.v"};
    for (int i = 0; i < (optimizer->v ? 2 : 1); i++) {
        const lk__tensor *t = lk__tensors_find(file, moments[i]);
        if (!t || t->dtype != LK__F32 || t->bytes != optimizer->total * sizeof(float))
            return lk__fail(err, LK_FORMAT, "%s: %s is missing or of a wrong size", path, moments[i]);
    }
    double seconds = real(file, "seconds"), step = real(file, "step"), moved = real(file, "optimizer_step");
    if (!(seconds >= 0 && step >= 0 && moved >= 0 && step < 1e15 && moved < 1e15))
        return lk__fail(err, LK_FORMAT, "%s: its counters are damaged", path);
    return LK_OK;
}

lk_status lk__checkpoint_read(const char *path, const char *options, lk__weights *weights,
                              lk__optimizer_state *optimizer, lk__run_state *state, lk_error *err) {
    lk__tensors *file;
    lk_status status = lk__tensors_read(path, &file, err);
    if (status != LK_OK) return status;
    status = check(file, path, options, optimizer, err);
    if (status == LK_OK) status = lk__weights_read(weights, file, path, err);
    if (status == LK_OK) {
        memcpy(optimizer->m, lk__tensors_find(file, "optimizer.m")->data, optimizer->total * sizeof(float));
        if (optimizer->v)
            memcpy(optimizer->v, lk__tensors_find(file, "optimizer.v")->data,
                   optimizer->total * sizeof(float));
        optimizer->step = strtoull(lk__tensors_meta(file, "optimizer_step"), NULL, 10);
        *state = (lk__run_state){strtoull(lk__tensors_meta(file, "step"), NULL, 10), real(file, "seconds"),
                                 real(file, "accuracy"), real(file, "threshold")};
    }
    lk__tensors_free(file);
    return status;
}
