/* checkpoint.c: weights as in a model file, the optimizer's moments and the run's arrays as one tensor each,
 * counters as metadata. */
#include "face/checkpoint.h"
#include "base/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char FORMAT[] = "likeness-checkpoint-1";

/* The moments first. */
static size_t arrays_of(const lk__optimizer_state *optimizer, const lk__run_state *state,
                        lk__run_array out[2 + LK__RUN_ARRAYS]) {
    size_t n = 0;
    out[n++] = (lk__run_array){"optimizer.m", optimizer->m, optimizer->total};
    if (optimizer->v) out[n++] = (lk__run_array){"optimizer.v", optimizer->v, optimizer->total};
    for (size_t i = 0; i < state->array_count; i++) out[n++] = state->arrays[i];
    return n;
}

static lk__tensor tensor_of(lk__run_array a) {
    return (lk__tensor){.name = a.name,
                        .dtype = LK__F32,
                        .dims = 1,
                        .shape = {(int64_t)a.count},
                        .data = a.values,
                        .bytes = a.count * sizeof(float)};
}

lk_status lk__checkpoint_write(const char *path, const char *options, const lk__weights *weights,
                               const lk__optimizer_state *optimizer, const lk__run_state *state,
                               lk_error *err) {
    size_t count = (size_t)weights->count, n = count;
    size_t most = count + 2 + LK__RUN_ARRAYS;
    lk__tensor *tensors = calloc(most, sizeof *tensors);
    if (!tensors) return lk__fail_memory(err, most * sizeof *tensors, path);
    lk__weights_tensors(weights, tensors);
    lk__run_array arrays[2 + LK__RUN_ARRAYS];
    size_t more = arrays_of(optimizer, state, arrays);
    for (size_t i = 0; i < more; i++) tensors[n++] = tensor_of(arrays[i]);
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
                       const lk__optimizer_state *optimizer, const lk__run_state *state, lk_error *err) {
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
    lk__run_array arrays[2 + LK__RUN_ARRAYS];
    size_t n = arrays_of(optimizer, state, arrays);
    for (size_t i = 0; i < n; i++) {
        const lk__tensor *t = lk__tensors_find(file, arrays[i].name);
        if (!t || t->dtype != LK__F32 || t->bytes != arrays[i].count * sizeof(float))
            return lk__fail(err, LK_FORMAT, "%s: %s is missing or of a wrong size", path, arrays[i].name);
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
    status = check(file, path, options, optimizer, state, err);
    if (status == LK_OK) status = lk__weights_read(weights, file, path, err);
    if (status == LK_OK) {
        lk__run_array arrays[2 + LK__RUN_ARRAYS];
        size_t n = arrays_of(optimizer, state, arrays);
        for (size_t i = 0; i < n; i++) {
            const lk__tensor *t = lk__tensors_find(file, arrays[i].name);
            memcpy(arrays[i].values, t->data, t->bytes);
        }
        optimizer->step = strtoull(lk__tensors_meta(file, "optimizer_step"), NULL, 10);
        state->step = strtoull(lk__tensors_meta(file, "step"), NULL, 10);
        state->seconds = real(file, "seconds");
        state->accuracy = real(file, "accuracy");
        state->threshold = real(file, "threshold");
    }
    lk__tensors_free(file);
    return status;
}
