/* file.c: a model of words as one safetensors file (docs/formats.md). A checkpoint is the same file, with the
 * blocks that were done and the options in it. */
#include "base/safetensors.h"
#include "words/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char FORMAT[] = "likeness words 1";

lk_status lk__words_file_write(const char *path, const lk__words_file *f, lk_error *err) {
    const lk__words_net *net = &f->net;
    int64_t dim = (int64_t)net->dim, count = (int64_t)f->vocabulary.count;
    size_t table = net->words * net->dim * sizeof(float);
    lk__tensor tensors[] = {{"vocabulary",
                             LK__U8,
                             1,
                             {(int64_t)f->vocabulary.bytes_used},
                             f->vocabulary.bytes,
                             f->vocabulary.bytes_used},
                            {"met", LK__I64, 1, {count}, f->vocabulary.met, (size_t)count * sizeof(int64_t)},
                            {"input", LK__F32, 2, {count, dim}, net->input, table},
                            {"output", LK__F32, 2, {count, dim}, net->output, table},
                            {"position",
                             LK__F32,
                             2,
                             {2 * net->window, dim},
                             net->position,
                             2 * (size_t)net->window * net->dim * sizeof(float)},
                            {"subwords",
                             LK__F32,
                             2,
                             {(int64_t)f->ngrams.buckets, dim},
                             f->subwords,
                             f->ngrams.buckets * net->dim * sizeof(float)}};
    char number[6][32];
    snprintf(number[0], 32, "%zu", f->ngrams.buckets);
    snprintf(number[1], 32, "%d", f->ngrams.least);
    snprintf(number[2], 32, "%d", f->ngrams.most);
    snprintf(number[3], 32, "%.17g", f->subsample);
    snprintf(number[4], 32, "%llu", (unsigned long long)f->total);
    snprintf(number[5], 32, "%llu", (unsigned long long)f->done);
    lk__meta meta[] = {{"format", FORMAT},         {"buckets", number[0]},   {"ngram_least", number[1]},
                       {"ngram_most", number[2]},  {"subsample", number[3]}, {"words", number[4]},
                       {"blocks_done", number[5]}, {"options", f->options},  {"recipe", f->recipe}};
    size_t metas = sizeof meta / sizeof *meta;
    size_t count_tensors = sizeof tensors / sizeof *tensors - !f->subwords;
    return lk__tensors_write(path, tensors, count_tensors, meta, metas - !f->recipe, err);
}

void lk__words_file_free(lk__words_file *f) {
    lk__vocabulary_free(&f->vocabulary);
    free(f->net.input);
    free(f->net.output);
    free(f->net.position);
    free(f->subwords);
    free(f->options);
    free(f->recipe);
    *f = (lk__words_file){0};
}

/* ---- reading: the file comes from anywhere -------------------------------------------------------- */

static const lk__tensor *find(const lk__tensors *t, const char *name, lk__dtype dtype, int dims) {
    const lk__tensor *tensor = lk__tensors_find(t, name);
    return tensor && tensor->dtype == dtype && tensor->dims == dims && tensor->bytes > 0 ? tensor : NULL;
}

static float *copy(const lk__tensor *tensor) {
    float *values = malloc(tensor->bytes);
    if (values) memcpy(values, tensor->data, tensor->bytes);
    return values;
}

static bool all_finite(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

static lk_status read_vocabulary(const lk__tensor *text, const lk__tensor *met, const char *path,
                                 lk__vocabulary *v, lk_error *err) {
    const char *bytes = text->data, *end = bytes + text->bytes;
    const int64_t *count = met->data;
    size_t n = (size_t)met->shape[0], i = 0;
    if (end[-1] == 0)
        for (; bytes < end && i < n; i++) {
            uint32_t number;
            size_t length = strlen(bytes);
            if (!length || length >= LK__WORD_BYTES || count[i] < 0) break;
            lk_status status = lk__vocabulary_add(v, bytes, length, &number, err);
            if (status != LK_OK) return status;
            if (number != i) break; /* twice */
            v->met[i] = (uint64_t)count[i];
            bytes += length + 1;
        }
    if (i == n && bytes == end) return LK_OK;
    return lk__fail(err, LK_FORMAT, "%s: its vocabulary is damaged at word %zu of %zu", path, i, n);
}

static unsigned long long meta_number(const lk__tensors *t, const char *key) {
    const char *text = lk__tensors_meta(t, key);
    return text && *text && !text[strspn(text, "0123456789")] ? strtoull(text, NULL, 10) : 0;
}

/* A checkpoint has none yet. */
static lk_status read_subwords(const lk__tensors *t, const char *path, lk__words_file *f, lk_error *err) {
    const lk__tensor *subwords = find(t, "subwords", LK__F32, 2);
    if (!subwords) return LK_OK;
    if ((size_t)subwords->shape[0] != f->ngrams.buckets || (size_t)subwords->shape[1] != f->net.dim ||
        !all_finite(subwords->data, f->ngrams.buckets * f->net.dim))
        return lk__fail(err, LK_FORMAT,
                        "%s: its vectors of n-grams do not fit, or hold what is no finite number", path);
    f->subwords = copy(subwords);
    return f->subwords ? LK_OK : lk__fail_memory(err, subwords->bytes, path);
}

static lk_status read_tables(const lk__tensors *t, const char *path, lk__words_file *f, lk_error *err) {
    const lk__tensor *input = find(t, "input", LK__F32, 2), *output = find(t, "output", LK__F32, 2),
                     *position = find(t, "position", LK__F32, 2);
    lk__words_net *net = &f->net;
    size_t words = f->vocabulary.count;
    if (!input || !output || !position || (size_t)input->shape[0] != words ||
        output->shape[0] != input->shape[0] || output->shape[1] != input->shape[1] ||
        position->shape[1] != input->shape[1] || position->shape[0] % 2 != 0 ||
        position->shape[0] > 2 * LK__WINDOW_MAX || input->shape[1] > 65536)
        return lk__fail(err, LK_FORMAT, "%s: its tables of vectors are missing or do not fit each other",
                        path);
    *net = (lk__words_net){words,        (size_t)input->shape[1], (int)position->shape[0] / 2, copy(input),
                           copy(output), copy(position)};
    if (!net->input || !net->output || !net->position) return lk__fail_memory(err, 2 * input->bytes, path);
    if (!all_finite(net->input, words * net->dim) || !all_finite(net->output, words * net->dim) ||
        !all_finite(net->position, position->bytes / sizeof(float)))
        return lk__fail(err, LK_FORMAT, "%s: a vector holds a value that is not a finite number", path);
    return read_subwords(t, path, f, err);
}

static lk_status read_all(const lk__tensors *t, const char *path, lk__words_file *f, lk_error *err) {
    const char *format = lk__tensors_meta(t, "format"), *subsample = lk__tensors_meta(t, "subsample"),
               *options = lk__tensors_meta(t, "options"), *recipe = lk__tensors_meta(t, "recipe");
    const lk__tensor *text = find(t, "vocabulary", LK__U8, 1), *met = find(t, "met", LK__I64, 1);
    if (!format || strcmp(format, FORMAT) != 0 || !text || !met || !subsample || !options)
        return lk__fail(err, LK_FORMAT, "%s: is no model of words (made by likeness words train)", path);
    f->ngrams = (lk__ngrams){(size_t)meta_number(t, "buckets"), (int)meta_number(t, "ngram_least"),
                             (int)meta_number(t, "ngram_most")};
    if (f->ngrams.least < 1 || f->ngrams.most > LK__NGRAM_MAX || f->ngrams.least > f->ngrams.most ||
        f->ngrams.buckets > LK__NO_WORD)
        return lk__fail(err, LK_FORMAT, "%s: its n-grams are of no sound length", path);
    f->subsample = strtod(subsample, NULL);
    f->total = meta_number(t, "words");
    f->done = meta_number(t, "blocks_done");
    f->options = strdup(options);
    f->recipe = recipe ? strdup(recipe) : NULL;
    if (!f->options || (recipe && !f->recipe)) return lk__fail_memory(err, strlen(options), path);
    if (!isfinite(f->subsample) || f->subsample < 0)
        return lk__fail(err, LK_FORMAT, "%s: 'subsample' is no number of 0 or more", path);
    lk_status status = read_vocabulary(text, met, path, &f->vocabulary, err);
    return status == LK_OK ? read_tables(t, path, f, err) : status;
}

lk_status lk__words_file_read(const char *path, lk__words_file *out, lk_error *err) {
    lk__tensors *t = NULL;
    lk__words_file f = {.options = NULL};
    lk_status status = lk__tensors_read(path, &t, err);
    if (status != LK_OK) return status;
    status = read_all(t, path, &f, err);
    lk__tensors_free(t);
    if (status == LK_OK)
        *out = f;
    else
        lk__words_file_free(&f);
    return status;
}
