/* train.c: text in, model out.
 *
 *   texts -> OUTPUT.corpus (corpus.c) -> blocks, each `epochs` times, on threads (batch.c) -> OUTPUT
 *
 * What is random in a block comes from (seed, number of the block), so a run is its options and how many
 * blocks are done: stopped and resumed on one thread, it ends with the same bits as one never stopped. */
#include "words/words.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double ROUND_SECONDS = 0.25; /* between looks at progress, a stop, the time of a checkpoint */
static const double LAST_RATE = 1e-4;     /* the least share of the learning rate (word2vec) */
static const double MOST_OF_ONE_WORD = 4; /* times that the most frequent word is in a batch, about */
static const double MODEL_LIMIT = 4e9;    /* bytes: what one model file may hold (src/nn/safetensors.c) */

const char *lk_words_loss_name(lk_words_loss loss) {
    static const char *const names[] = {[LK_WORDS_INFONCE] = "infonce",
                                        [LK_WORDS_NEGATIVE_SAMPLING] = "negative-sampling",
                                        [LK_WORDS_TRIPLET] = "triplet"};
    return (unsigned)loss < sizeof names / sizeof *names ? names[loss] : NULL;
}

void lk_words_options_init(lk_words_options *o) {
    *o = (lk_words_options){.dim = 128,
                            .window = 5,
                            .negatives = 64,
                            .margin = 1,
                            .min_count = 5,
                            .vocabulary = 10000000,
                            .subsample = 1e-4,
                            .buckets = 50000,
                            .ngram_least = 3,
                            .ngram_most = 6,
                            .epochs = 10,
                            .learning_rate = 0.05,
                            .loss = LK_WORDS_INFONCE,
                            .seed = 1,
                            .checkpoint_minutes = 10};
}

static lk_status check_options(const lk_words_options *o, lk_error *err) {
    const struct {
        const char *name;
        double value, low, high;
    } limits[] = {{"dim", o->dim, 2, 4096},
                  {"window", o->window, 1, LK__WINDOW_MAX},
                  {"negatives", o->negatives, 1, 4096},
                  {"margin", o->margin, 0, 1e6},
                  {"min_count", (double)o->min_count, 1, 1e15},
                  {"vocabulary", (double)o->vocabulary, 2, 4e9},
                  {"subsample", o->subsample, 0, 1},
                  {"buckets", (double)o->buckets, 0, 1e9},
                  {"ngram_least", o->ngram_least, 1, o->ngram_most},
                  {"ngram_most", o->ngram_most, 1, LK__NGRAM_MAX},
                  {"epochs", o->epochs, 1, 1e6},
                  {"learning_rate", o->learning_rate, 1e-9, 1e3},
                  {"threads", o->threads, 0, 1024}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (!(limits[i].value >= limits[i].low && limits[i].value <= limits[i].high))
            return lk__fail(err, LK_INVALID, "%s is %g, not from %g to %g", limits[i].name, limits[i].value,
                            limits[i].low, limits[i].high);
    if (!o->text_count || !o->output) return lk__fail(err, LK_INVALID, "no text, or no path for the model");
    if (!lk_words_loss_name(o->loss)) return lk__fail(err, LK_INVALID, "no loss has number %d", (int)o->loss);
    return LK_OK;
}

/* Every option that decides the result, as text. */
static char *options_text(const lk_words_options *o) {
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f) return NULL;
    fprintf(f,
            "dim %d, window %d, negatives %d, margin %.9g, min_count %zu, vocabulary %zu, subsample %.9g, "
            "buckets %zu, "
            "n-grams %d to %d, epochs %d, learning_rate %.9g, loss %s, seed %llu, texts",
            o->dim, o->window, o->negatives, o->margin, o->min_count, o->vocabulary, o->subsample, o->buckets,
            o->ngram_least, o->ngram_most, o->epochs, o->learning_rate, lk_words_loss_name(o->loss),
            (unsigned long long)o->seed);
    for (size_t i = 0; i < o->text_count; i++) fprintf(f, " %s", o->texts[i]);
    if (fclose(f) == 0) return text;
    free(text);
    return NULL;
}

typedef struct run {
    const lk_words_options *o;
    char *corpus_path, *checkpoint_path;
    lk__corpus corpus;
    lk__words_file file; /* the model as it becomes */
    lk__noise noise;
    float *keep; /* (words) */
    int threads;
    lk__worker **workers;          /* (threads) */
    lk__worker_sum *sums;          /* (threads) of the round */
    uint64_t blocks, total_blocks; /* of an epoch; of all */
    atomic_ullong next, last;      /* blocks of the round */
    double started, told, saved, done_words, told_words, loss;
} run;

/* ---- beginning ------------------------------------------------------------------------------------ */

static lk_status make_tables(run *r, lk_error *err) {
    lk__words_net *net = &r->file.net;
    const lk_words_options *o = r->o;
    size_t words = r->file.vocabulary.count, dim = (size_t)o->dim;
    double bytes = (2 * (double)words + (double)o->buckets) * (double)dim * sizeof(float);
    if (bytes > MODEL_LIMIT)
        return lk__fail(
            err, LK_TOO_LARGE,
            "%zu words and %zu rows of n-grams of %d values are %.1f GB, over the %.0f GB of a model; give "
            "a higher least count, fewer buckets or a smaller dim",
            words, o->buckets, o->dim, bytes / 1e9, MODEL_LIMIT / 1e9);
    *net = (lk__words_net){.words = words, .dim = dim, .window = o->window};
    r->file.ngrams = (lk__ngrams){o->buckets, o->ngram_least, o->ngram_most};
    net->input = malloc(words * dim * sizeof(float));
    net->output = calloc(words * dim, sizeof(float));
    net->position = malloc(2 * (size_t)o->window * dim * sizeof(float));
    if (!net->input || !net->output || !net->position)
        return lk__fail(
            err, LK_NO_MEMORY,
            "no memory for %zu words and %zu rows of n-grams (%.1f GB); give a higher least count, fewer "
            "buckets or a smaller dim",
            words, o->buckets, bytes / 1e9);
    lk__random random = lk__random_stream(o->seed, UINT64_MAX, 0, 0);
    for (size_t i = 0; i < words * dim; i++)
        net->input[i] = (float)((lk__random_unit(&random) - 0.5) / (double)dim);
    for (size_t i = 0; i < 2 * (size_t)o->window * dim; i++) net->position[i] = 1;
    return LK_OK;
}

static lk_status begin(run *r, lk_error *err) {
    unlink(r->checkpoint_path); /* of an older run: it does not fit the corpus that is made now */
    lk_status status = lk__corpus_make(r->o, r->corpus_path, &r->file.vocabulary, err);
    if (status != LK_OK) return status;
    status = lk__corpus_open(r->corpus_path, r->file.vocabulary.count, &r->corpus, err);
    if (status != LK_OK) return status;
    r->file.subsample = r->o->subsample;
    r->file.total = r->corpus.words;
    r->file.options = options_text(r->o);
    r->file.recipe = r->o->recipe ? strdup(r->o->recipe) : NULL;
    if (!r->file.options || (r->o->recipe && !r->file.recipe))
        return lk__fail_memory(err, 1024, "the options");
    return make_tables(r, err);
}

static lk_status go_on(run *r, lk_error *err) {
    lk_status status = lk__words_file_read(r->checkpoint_path, &r->file, err);
    if (status != LK_OK) return status;
    char *options = options_text(r->o);
    if (!options) return lk__fail_memory(err, 1024, "the options");
    if (strcmp(options, r->file.options) != 0)
        status = lk__fail(err, LK_INVALID, "%s was made with other options: %.300s; now: %.300s",
                          r->checkpoint_path, r->file.options, options);
    free(options);
    return status == LK_OK ? lk__corpus_open(r->corpus_path, r->file.vocabulary.count, &r->corpus, err)
                           : status;
}

/* All gaps of a batch see the same vectors, and their steps add up: a word that is in many of them jumps too
 * far, and training diverges, as it would in a text of a few words. */
static size_t batch_size(const run *r) {
    double most = 0, all = 0;
    for (size_t i = 0; i < r->file.vocabulary.count; i++) {
        double kept = (double)r->file.vocabulary.met[i] * fmin((double)r->keep[i], 1);
        most = fmax(most, kept);
        all += kept;
    }
    return (size_t)fmax(MOST_OF_ONE_WORD * all / most, 1);
}

static lk_status make_workers(run *r, lk_error *err) {
    const lk__vocabulary *v = &r->file.vocabulary;
    lk_status status = lk__noise_make(v->met, v->count, &r->noise, err);
    if (status != LK_OK) return status;
    r->keep = malloc(v->count * sizeof *r->keep);
    r->workers = calloc((size_t)r->threads, sizeof(lk__worker *));
    r->sums = calloc((size_t)r->threads, sizeof *r->sums);
    if (!r->keep || !r->workers || !r->sums)
        return lk__fail_memory(err, v->count * sizeof *r->keep, "training");
    for (size_t i = 0; i < v->count; i++) {
        double often = (double)v->met[i] / (r->o->subsample * (double)r->file.total); /* word2vec's formula */
        r->keep[i] = r->o->subsample > 0 ? (float)((sqrt(often) + 1) / often) : 1;
    }
    for (int i = 0; i < r->threads && status == LK_OK; i++)
        status = lk__worker_new(r->o, &r->file.net, &r->noise, r->keep, batch_size(r), &r->workers[i], err);
    return status;
}

/* ---- the loop ------------------------------------------------------------------------------------- */

static void work(void *context, int i, int n) {
    run *r = context;
    (void)n;
    if (i > 0) lk__threads_set(1); /* matrix products of this thread are its own */
    for (;;) {
        uint64_t block = atomic_fetch_add_explicit(&r->next, 1, memory_order_relaxed);
        if (block >= atomic_load_explicit(&r->last, memory_order_relaxed)) return;
        size_t at = (size_t)(block % r->blocks) * LK__BLOCK;
        size_t count = r->corpus.count - at < LK__BLOCK ? r->corpus.count - at : LK__BLOCK;
        double left = 1 - (double)block / (double)r->total_blocks;
        lk__random random = lk__random_stream(r->o->seed, block, 0, 0);
        lk__worker_block(r->workers[i], r->corpus.ids + at, count,
                         r->o->learning_rate * fmax(left, LAST_RATE), &random, &r->sums[i]);
    }
}

static int tell(run *r, double now, lk__worker_sum lately) {
    lk_words_progress p = {.training = true,
                           .words = (uint64_t)r->done_words,
                           .total = r->corpus.words * (uint64_t)r->o->epochs,
                           .seconds = now - r->started,
                           .loss = lately.gaps ? lately.loss / (double)lately.gaps : NAN,
                           .learning_rate =
                               r->o->learning_rate *
                               fmax(1 - (double)r->file.done / (double)r->total_blocks, LAST_RATE),
                           .vocabulary = r->file.vocabulary.count};
    p.words_per_second = (r->done_words - r->told_words) / fmax(now - r->told, 1e-3);
    p.seconds_left = ((double)p.total - r->done_words) / fmax(p.words_per_second, 1);
    r->told = now;
    r->told_words = r->done_words;
    return r->o->progress ? r->o->progress(r->o->context, &p) : 0;
}

static lk_status save(run *r, lk_error *err) {
    r->saved = lk__seconds();
    return lk__words_file_write(r->checkpoint_path, &r->file, err);
}

static lk__worker_sum sum_up(run *r) {
    lk__worker_sum sum = {0};
    for (int i = 0; i < r->threads; i++) {
        sum.loss += r->sums[i].loss;
        sum.gaps += r->sums[i].gaps;
        sum.words += r->sums[i].words;
        r->sums[i] = (lk__worker_sum){0};
    }
    return sum;
}

static lk_status learn(run *r, lk_error *err) {
    r->blocks = (r->corpus.count + LK__BLOCK - 1) / LK__BLOCK;
    r->total_blocks = r->blocks * (uint64_t)r->o->epochs;
    r->started = r->saved = lk__seconds();
    r->told = r->started - 1; /* the first round is told at once */
    r->told_words = r->done_words = (double)r->corpus.words * (double)r->file.done / (double)r->blocks;
    uint64_t gaps = 0, round = (uint64_t)r->threads;
    lk__worker_sum lately = {0};
    while (r->file.done < r->total_blocks) {
        uint64_t end = r->total_blocks - r->file.done < round ? r->total_blocks : r->file.done + round;
        double began = lk__seconds();
        atomic_store(&r->next, r->file.done);
        atomic_store(&r->last, end);
        lk__parallel(work, r);
        r->file.done = end;
        lk__worker_sum sum = sum_up(r);
        lately.loss += sum.loss;
        lately.gaps += sum.gaps;
        gaps += sum.gaps;
        r->done_words += (double)sum.words;
        if (!isfinite(sum.loss) || !isfinite(r->file.net.position[0]))
            return lk__fail(err, LK_DIVERGED,
                            "training diverged after %.0f words; a lower learning rate than %g is needed",
                            r->done_words, r->o->learning_rate);
        double now = lk__seconds();
        if (now - began < ROUND_SECONDS / 2) round *= 2;
        bool ended = r->file.done == r->total_blocks;
        if ((now - r->told >= 1 || ended) && tell(r, now, lately) && !ended) {
            lk_status status = save(r, err);
            return status == LK_OK
                       ? lk__fail(err, LK_STOPPED, "stopped; go on with the same command and resume")
                       : status;
        }
        if (r->told == now) lately = (lk__worker_sum){0};
        if (now - r->saved > 60 * r->o->checkpoint_minutes && !ended) {
            lk_status status = save(r, err);
            if (status != LK_OK) return status;
        }
    }
    if (!gaps && !r->o->resume)
        return lk__fail(
            err, LK_EMPTY,
            "there was no gap to learn from: no sentence has two words of the vocabulary, or a text as "
            "short as this has too many left out (subsample 0 leaves out none)");
    return LK_OK;
}

/* After training: what letters tell of words. */
static lk_status fit_letters(run *r, lk_error *err) {
    lk__words_file *f = &r->file;
    size_t words = f->net.words, dim = f->net.dim;
    if (!f->ngrams.buckets) return LK_OK;
    float *vectors = malloc(words * dim * sizeof *vectors);
    f->subwords = malloc(f->ngrams.buckets * dim * sizeof *f->subwords);
    lk_status status = vectors && f->subwords
                           ? lk__words_vectors(&f->net, vectors, err)
                           : lk__fail_memory(err, words * dim * sizeof *vectors, "n-grams");
    if (status == LK_OK) status = lk__ngrams_fit(&f->ngrams, &f->vocabulary, vectors, dim, f->subwords, err);
    free(vectors);
    return status;
}

static void run_free(run *r) {
    for (int i = 0; r->workers && i < r->threads; i++) lk__worker_free(r->workers[i]);
    free(r->workers);
    free(r->sums);
    free(r->keep);
    lk__noise_free(&r->noise);
    lk__corpus_close(&r->corpus);
    lk__words_file_free(&r->file);
    free(r->corpus_path);
    free(r->checkpoint_path);
}

static char *beside(const char *path, const char *end) {
    size_t size = strlen(path) + strlen(end) + 1;
    char *text = malloc(size);
    if (text) snprintf(text, size, "%s%s", path, end);
    return text;
}

lk_status lk_words_train(const lk_words_options *o, lk_error *err) {
    lk_status status = check_options(o, err);
    if (status != LK_OK) return status;
    lk__threads_set(o->threads);
    run r = {.o = o,
             .threads = lk__threads(),
             .corpus_path = beside(o->output, ".corpus"),
             .checkpoint_path = beside(o->output, ".checkpoint")};
    if (!r.corpus_path || !r.checkpoint_path) {
        run_free(&r);
        return lk__fail_memory(err, strlen(o->output), "paths");
    }
    status = o->resume ? go_on(&r, err) : begin(&r, err);
    if (status == LK_OK) status = make_workers(&r, err);
    if (status == LK_OK) status = learn(&r, err);
    if (status == LK_OK) status = fit_letters(&r, err);
    if (status == LK_OK) status = lk__words_file_write(o->output, &r.file, err);
    if (status == LK_OK) {
        unlink(r.corpus_path);
        unlink(r.checkpoint_path);
    } else if (access(r.checkpoint_path, F_OK) != 0) {
        unlink(r.corpus_path); /* nothing to go on from */
    }
    run_free(&r);
    return status;
}
