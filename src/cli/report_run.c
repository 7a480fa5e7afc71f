/* report_run.c: a page about a run of likeness train, written anew each minute while it goes on and once more
 * when it ends. Until then the browser loads it again each minute by itself; there is no script.
 *
 *   progress, each second   -> a row of the curves, warnings          kept
 *   look, each minute       -> distances, validation, hard triplets   shown beside the first
 *
 * A run that is resumed has its earlier curves from its log; without a log they begin where it was resumed.
 */
#include "report.h"
#include "svg.h"

#include "likeness/eval.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REFRESH_SECONDS = 60, BAD_SHOWN = 20, NOTES_SHOWN = 20 };

/* Distances of pairs over some steps. */
typedef struct spread {
    size_t first_step, last_step;
    size_t positive[LK_LOOK_BINS], negative[LK_LOOK_BINS];
} spread;

typedef struct validation {
    size_t step; /* 0: none yet */
    lk_verification figures;
} validation;

struct report_run {
    report_run_options options;
    report_log log;
    bool resumed, earlier; /* what was told before that is known */
    spread start;
    validation first, last;
    char *notes[NOTES_SHOWN];
    size_t note_count;
    pthread_mutex_t lock; /* photos are read by other threads */
    char *bad[BAD_SHOWN];
    size_t bad_count;
};

int report_run_begin(const report_run_options *options, report_run **out) {
    cli_output probe;
    int code = cli_output_open(&probe, options->page);
    if (code == CLI_OK) code = cli_output_close(&probe, false);
    if (code != CLI_OK) return code;
    report_run *run = cli_alloc(1, sizeof *run);
    run->options = *options;
    run->resumed = options->train->resume != 0;
    pthread_mutex_init(&run->lock, NULL);
    const char *log = options->train->log;
    if (run->resumed && log && access(log, F_OK) == 0) {
        code = report_log_load(log, &run->log);
        run->earlier = true;
    }
    if (code == CLI_OK)
        *out = run;
    else
        report_run_free(run);
    return code;
}

void report_run_free(report_run *run) {
    if (!run) return;
    report_log_free(&run->log);
    lk_verification_free(&run->first.figures);
    lk_verification_free(&run->last.figures);
    for (size_t i = 0; i < run->note_count && i < NOTES_SHOWN; i++) free(run->notes[i]);
    for (size_t i = 0; i < run->bad_count && i < BAD_SHOWN; i++) free(run->bad[i]);
    pthread_mutex_destroy(&run->lock);
    free(run);
}

/* ---- gathered ----------------------------------------------------------------------------------- */

void report_run_progress(report_run *run, const lk_train_progress *p) {
    const double row[REPORT_COLUMNS] = {
        [REPORT_STEP] = (double)p->step,
        [REPORT_PHOTOS] = (double)p->photos,
        [REPORT_SECONDS] = p->seconds,
        [REPORT_SPEED] = p->photos_per_second,
        [REPORT_LOSS] = p->loss,
        [REPORT_ACTIVE] = p->active,
        [REPORT_LEARNING_RATE] = p->learning_rate,
        [REPORT_POSITIVE] = p->distance_positive,
        [REPORT_NEGATIVE] = p->distance_negative,
        [REPORT_VALIDATION] = p->validation_accuracy,
    };
    report_log_add(&run->log, row);
    if (!p->note) return;
    if (run->note_count < NOTES_SHOWN)
        run->notes[run->note_count] = cli_format("Step %zu: %s", p->step, p->note);
    run->note_count++;
}

void report_run_bad_photo(report_run *run, const char *path, const lk_error *why) {
    pthread_mutex_lock(&run->lock);
    if (run->bad_count < BAD_SHOWN)
        run->bad[run->bad_count] = strstr(why->message, path) ? cli_format("%s", why->message)
                                                              : cli_format("%s: %s", path, why->message);
    run->bad_count++;
    pthread_mutex_unlock(&run->lock);
}

static void take_validation(report_run *run, const lk_train_look *look) {
    if (look->pair_count == 0 || (run->last.step > 0 && look->validation_step == run->last.step)) return;
    lk_pair *pairs =
        cli_alloc(look->pair_count, sizeof *pairs); /* one fold for all; of which photos, nobody asks */
    for (size_t i = 0; i < look->pair_count; i++) pairs[i] = (lk_pair){.same = look->same[i], .b = 1};
    lk_trial trial = {.photos = 2, .pairs = pairs, .cosine = look->cosine, .count = look->pair_count};
    lk_bootstrap none = {0};
    lk_verification figures;
    lk_error err;
    if (lk_verification_measure(&trial, &none, &figures, &err) == LK_OK) {
        validation *to = run->first.step ? &run->last : &run->first;
        lk_verification_free(&to->figures);
        *to = (validation){look->validation_step, figures};
    }
    free(pairs);
}

/* The start is all that was seen when a look still reached back to the first step: the first minute or two.
 */
static void take_start(report_run *run, const spread *now) {
    if (run->start.first_step == 0 || run->start.first_step == now->first_step) run->start = *now;
}

/* ---- state -------------------------------------------------------------------------------------- */

static void write_tile(FILE *out, const char *term, const char *format, ...) LK_PRINTF(3, 4);
static void write_tile(FILE *out, const char *term, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(out, "<div><dt>%s</dt><dd>", term);
    vfprintf(out, format, args);
    fputs("</dd></div>\n", out);
    va_end(args);
}

static void write_known(FILE *out, const char *term, double value, int decimals, const char *unit) {
    if (isfinite(value))
        write_tile(out, term, "%.*f%s", decimals, value, unit);
    else
        write_tile(out, term, "\xE2\x80\x93"); /* an en dash */
}

static void write_chip(FILE *out, const report_run *run, const lk_train_look *look) {
    fputs("<p class=\"state\">", out);
    if (!look->end) {
        fputs("<strong class=\"chip\">running</strong><span class=\"muted small\">This page is written anew "
              "each "
              "minute, and your browser loads it again. If the time above is long past, the run was killed."
              "</span>",
              out);
    } else if (look->end->status == LK_OK) {
        fputs("<strong class=\"chip good\">finished</strong><span class=\"muted small\">The model is ", out);
        svg_text_write(out, run->options.train->output);
        fputs("</span>", out);
    } else {
        bool stopped = look->end->status == LK_STOPPED;
        fprintf(out, "<strong class=\"chip%s\">%s</strong><span>", stopped ? "" : " bad",
                stopped ? "stopped" : "failed");
        svg_text_write(out, look->end->message);
        fputs("</span>", out);
    }
    fputs("</p>\n", out);
}

static void write_state(FILE *out, const report_run *run, const lk_train_look *look) {
    const lk_train_progress *p = look->progress;
    double total = p->seconds + p->seconds_left;
    bool finished = look->end && look->end->status == LK_OK;
    char clock[32];
    fputs("<section class=\"card\" aria-label=\"State of the run\">\n", out);
    write_chip(out, run, look);
    fprintf(out, "<div class=\"done\"><i style=\"width:%.1f%%\"></i></div>\n<dl class=\"tiles\">\n",
            finished    ? 100
            : total > 0 ? 100 * p->seconds / total
                        : 0);
    write_tile(out, "Step", "%zu", p->step);
    write_tile(out, "Epoch", "%.2f", p->epoch);
    write_tile(out, "Training time", "%s", cli_clock(p->seconds, clock));
    if (!look->end) write_tile(out, "Time left", "%s", cli_clock(p->seconds_left, clock));
    write_tile(out, "Photos a second", "%.0f", p->photos_per_second);
    write_tile(out, "Loss", "%.4f", p->loss);
    write_tile(out, "Active triplets", "%.1f %%", 100 * p->active);
    write_known(out, "Validation accuracy", 100 * p->validation_accuracy, 2, " %");
    fputs("</dl>\n", out);
    for (size_t i = 0; i < run->note_count && i < NOTES_SHOWN; i++) {
        fputs("<p><span class=\"chip bad\">warning</span> ", out);
        svg_text_write(out, run->notes[i]);
        fputs("</p>\n", out);
    }
    if (run->note_count > NOTES_SHOWN)
        fprintf(out, "<p class=\"muted small\">and %zu more warnings</p>\n", run->note_count - NOTES_SHOWN);
    fputs("</section>\n", out);
}

static void write_curves(FILE *out, const report_run *run) {
    if (run->log.count == 0) return;
    fputs("<section aria-labelledby=\"curves\">\n<h2 id=\"curves\">Curves</h2>\n", out);
    if (run->resumed && !run->earlier)
        fputs("<p class=\"muted\">They begin where the run was resumed: only a log (--log) keeps what was "
              "before."
              "</p>\n",
              out);
    report_curves_write(out, &run->log, 1);
    fputs("</section>\n", out);
}

/* ---- distances ---------------------------------------------------------------------------------- */

enum { EDGES = LK_LOOK_BINS + 1 };

typedef struct histogram {
    double share[EDGES]; /* of the pairs, by the bin's left edge; the last is 0 */
    double median;       /* NaN: no pairs */
} histogram;

static histogram make_histogram(const size_t *bin) {
    histogram h = {.median = NAN};
    double total = 0, below = 0;
    for (int i = 0; i < LK_LOOK_BINS; i++) total += (double)bin[i];
    for (int i = 0; i < LK_LOOK_BINS; i++) {
        double next = below + (double)bin[i];
        if (bin[i] && below < total / 2 && next >= total / 2)
            h.median = 2.0 / LK_LOOK_BINS * (i + (total / 2 - below) / (double)bin[i]);
        h.share[i] = total > 0 ? (double)bin[i] / total : NAN;
        below = next;
    }
    return h;
}

static void write_key(FILE *out, int style, const char *who, double median) {
    fputs("<li>", out);
    svg_key_write(out, style, style == 1);
    fprintf(out, "%s: median %.2f</li>", who, median);
}

static void write_spread(FILE *out, const char *title, const spread *s, const histogram *same,
                         const histogram *different, double most) {
    double edge[EDGES];
    for (int i = 0; i < EDGES; i++) edge[i] = 2.0 * i / LK_LOOK_BINS;
    const svg_series series[] = {
        {.x = edge, .y = same->share, .count = EDGES, .style = 0, .shape = SVG_STEPS},
        {.x = edge, .y = different->share, .count = EDGES, .style = 1, .dashed = true, .shape = SVG_STEPS}};
    svg_chart chart = {.width = 500,
                       .height = 300,
                       .title = title,
                       .description =
                           "Share of the pairs of one person, and of two people, at each L2 distance",
                       .x_label = "L2 distance of two photos",
                       .percent = true,
                       .x_low = 0,
                       .x_high = 2,
                       .y_low = 0,
                       .y_high = most,
                       .series = series,
                       .count = 2};
    fprintf(out,
            "<figure class=\"card half\"><figcaption><h3>%s</h3><p>Steps %zu to %zu</p></figcaption>\n<ul "
            "class=\"legend\">",
            title, s->first_step, s->last_step);
    write_key(out, 0, "same person", same->median);
    write_key(out, 1, "different people", different->median);
    fputs("</ul>\n", out);
    svg_chart_write(out, &chart);
    fputs("</figure>\n", out);
}

static void write_distances(FILE *out, const report_run *run, const spread *now) {
    const histogram h[] = {make_histogram(now->positive), make_histogram(now->negative),
                           make_histogram(run->start.positive), make_histogram(run->start.negative)};
    if (!isfinite(h[0].median) || !isfinite(h[1].median)) return;
    bool moved = run->start.last_step < now->last_step;
    double most = 0;
    for (int k = 0; k < (moved ? 4 : 2); k++)
        for (int i = 0; i < EDGES; i++) most = fmax(most, h[k].share[i]);
    fputs(
        "<section aria-labelledby=\"distances\">\n<h2 id=\"distances\">Distances</h2>\n"
        "<p class=\"muted\">All pairs of photos in the batches, as augmented. Training is to pull the pairs "
        "of one person to the left of those of two people; where the hills overlap, the net takes one for "
        "the other. Both hills at 0 are a collapse.</p>\n<div class=\"charts\">\n",
        out);
    write_spread(out, "Distances now", now, &h[0], &h[1], most);
    if (moved) write_spread(out, "Distances at the start", &run->start, &h[2], &h[3], most);
    fputs("</div>\n</section>\n", out);
}

/* ---- validation --------------------------------------------------------------------------------- */

static void write_figure(FILE *out, const char *term, double scale, int decimals, const char *unit, double a,
                         double b, bool two) {
    const double values[] = {a, b};
    fprintf(out, "<tr><th scope=\"row\">%s</th>", term);
    for (int i = 0; i < (two ? 2 : 1); i++) {
        if (isfinite(values[i]))
            fprintf(out, "<td>%.*f%s</td>", decimals, scale * values[i], unit);
        else
            fputs("<td>too few pairs</td>", out);
    }
    fputs("</tr>\n", out);
}

static void write_figures(FILE *out, const validation *now, const validation *first, bool two) {
    const lk_verification *a = &now->figures, *b = &first->figures;
    fprintf(out, "<div class=\"card\"><div class=\"scroll\"><table>\n<thead><tr><th></th><th>step %zu</th>",
            now->step);
    if (two) fprintf(out, "<th>at first, step %zu</th>", first->step);
    fputs("</tr></thead>\n<tbody>\n", out);
    write_figure(out, "Accuracy", 100, 2, " %", a->accuracy, b->accuracy, two);
    write_figure(out, "AUC", 1, 4, "", a->auc, b->auc, two);
    write_figure(out, "EER", 100, 2, " %", a->eer, b->eer, two);
    for (int i = 0; i < LK_FAR_COUNT; i++) {
        if (!isfinite(a->tar_at_far[i]) && !isfinite(b->tar_at_far[i])) continue;
        char *term = cli_format("TAR at FAR %g %%", 100 * lk_far_level(i));
        write_figure(out, term, 100, 2, " %", a->tar_at_far[i], b->tar_at_far[i], two);
        free(term);
    }
    write_figure(out, "Threshold (cosine)", 1, 3, "", a->threshold, b->threshold, two);
    fprintf(
        out,
        "</tbody>\n</table></div>\n<p class=\"muted small\">%zu pairs of one person, %zu of two.</p></div>\n",
        a->same, a->pairs - a->same);
}

/* The points as two arrays in one, x then y; to be freed. */
static double *roc_points(const lk_verification *v) {
    double *points = cli_alloc(2 * v->roc_count, sizeof *points);
    for (size_t i = 0; i < v->roc_count; i++) {
        points[i] = v->roc[i].far;
        points[v->roc_count + i] = v->roc[i].tar;
    }
    return points;
}

static void write_roc(FILE *out, const validation *now, const validation *first, bool two) {
    const lk_verification *a = &now->figures, *b = &first->figures;
    double *x[] = {roc_points(a), roc_points(b)};
    const svg_series series[] = {
        {.x = x[0], .y = x[0] + a->roc_count, .count = a->roc_count, .style = 0, .shape = SVG_STEPS},
        {.x = x[1],
         .y = x[1] + b->roc_count,
         .count = b->roc_count,
         .style = 1,
         .dashed = true,
         .shape = SVG_STEPS}};
    svg_chart chart = {.width = 500,
                       .height = 320,
                       .title = "ROC",
                       .description = "Share of same-person pairs accepted (TAR) at each share of "
                                      "different-person pairs accepted by mistake (FAR)",
                       .x_label = "FAR, logarithmic",
                       .log_x = true,
                       .x_percent = true,
                       .percent = true,
                       .x_low = 1 / (double)(a->pairs - a->same),
                       .x_high = 1,
                       .y_low = 0,
                       .y_high = 1,
                       .series = series,
                       .count = two ? 2 : 1};
    fprintf(out,
            "<figure class=\"card half\"><figcaption><h3>%s</h3><p>%s</p></figcaption>\n<ul "
            "class=\"legend\"><li>",
            chart.title, chart.description);
    svg_key_write(out, 0, false);
    fprintf(out, "step %zu</li>", now->step);
    if (two) {
        fputs("<li>", out);
        svg_key_write(out, 1, true);
        fprintf(out, "at first, step %zu</li>", first->step);
    }
    fputs("</ul>\n", out);
    svg_chart_write(out, &chart);
    fputs("</figure>\n", out);
    free(x[0]);
    free(x[1]);
}

static void write_validation(FILE *out, const report_run *run, size_t people) {
    if (run->first.figures.pairs == 0) return;
    bool two = run->last.figures.pairs > 0;
    const validation *now = two ? &run->last : &run->first;
    fprintf(
        out,
        "<section aria-labelledby=\"validation\">\n<h2 id=\"validation\">Validation</h2>\n<p "
        "class=\"muted\">%zu people kept out of training. The threshold is chosen and judged on the same "
        "pairs, which flatters a little: for figures to quote, use likeness eval on people of neither kind."
        "</p>\n<div class=\"charts\">\n",
        people);
    write_roc(out, now, &run->first, two);
    write_figures(out, now, &run->first, two);
    fputs("</div>\n</section>\n", out);
}

/* ---- the hardest triplets ------------------------------------------------------------------------ */

static void write_photo(FILE *out, const report_run *run, const lk_dataset *set, size_t photo,
                        const char *role, double distance, report_photos *photos) {
    const char *path = lk_dataset_photo_path(set, photo);
    lk_crop crop = lk_dataset_photo_crop(set, photo);
    fputs("<figure>", out);
    report_crop_write(out, photos, path, cli_crop_given(crop) ? crop : run->options.train->crop);
    fprintf(out, "<figcaption>%s", role);
    if (isfinite(distance)) fprintf(out, " %.2f", distance);
    fputs("<span class=\"name\"><strong>", out);
    svg_text_write(out, lk_dataset_person_name(set, lk_dataset_photo_person(set, photo)));
    fputs("</strong></span><span class=\"file\" title=\"", out);
    svg_text_write(out, path);
    fputs("\">", out);
    svg_text_write(out, report_base_name(path));
    fputs("</span></figcaption></figure>\n", out);
}

static void write_triplets(FILE *out, const report_run *run, const lk_train_look *look) {
    if (look->triplet_count == 0) return;
    fprintf(
        out,
        "<section aria-labelledby=\"triplets\">\n<h2 id=\"triplets\">The hardest triplets of late</h2>\n"
        "<p class=\"muted\">An anchor a, the photo p of the same person furthest from it in its batch, and "
        "the photo n of somebody else nearest to it; those with the highest loss |a\xE2\x88\x92p| "
        "\xE2\x88\x92 |a\xE2\x88\x92n| + %g, nobody twice.</p>\n<p><strong>Such triplets are often wrong "
        "labels</strong>: a photo in another person's folder, one person under two names, no face at all. "
        "Others are hard in earnest. Distances are those of that step, between the photos as augmented in "
        "it; shown is what the net sees of them without that.</p>\n<ol class=\"triplets\">\n",
        run->options.train->margin);
    report_photos photos = {.root = NULL};
    for (size_t i = 0; i < look->triplet_count; i++) {
        const lk_look_triplet *t = &look->triplets[i];
        fprintf(out,
                "<li class=\"card\"><h3>loss %.3f <span class=\"muted small\">step %zu</span></h3>\n<div "
                "class=\"three\">\n",
                t->loss, t->step);
        write_photo(out, run, look->dataset, t->anchor, "anchor", NAN, &photos);
        write_photo(out, run, look->dataset, t->positive, "same, at", t->distance_positive, &photos);
        write_photo(out, run, look->dataset, t->negative, "other, at", t->distance_negative, &photos);
        fputs("</div></li>\n", out);
    }
    fputs("</ol>\n", out);
    if (run->options.train->ranks)
        fputs("<p class=\"muted small\">Of rank 0's anchors, as are the distances above; those of the other "
              "ranks are drawn alike.</p>\n",
              out);
    fputs("</section>\n", out);
}

/* ---- what was asked for -------------------------------------------------------------------------- */

static void write_fact(FILE *out, const char *what, const char *format, ...) LK_PRINTF(3, 4);
static void write_fact(FILE *out, const char *what, const char *format, ...) {
    char *text;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) >= 0) {
        fprintf(out, "<tr><th scope=\"row\">%s</th><td>", what);
        svg_text_write(out, text);
        fputs("</td></tr>\n", out);
        free(text);
    }
    va_end(args);
}

static void write_options(FILE *out, const report_run *run) {
    const report_run_options *o = &run->options;
    const lk_train_options *t = o->train;
    int ranks = t->ranks ? t->ranks->count : 1;
    write_fact(out, "Net", "%s",
               !t->net               ? "that of the model it starts from"
               : lk_net_text(t->net) ? t->net
                                     : "of a file");
    write_fact(out, "Starts from", "%s", t->init ? t->init : "random weights");
    if (t->epochs > 0) write_fact(out, "Length, epochs", "%g", t->epochs);
    if (t->minutes > 0) write_fact(out, "Length, minutes", "%g", t->minutes);
    write_fact(out, "Batch", "up to %d people x %d photos", ranks * t->people, t->photos);
    if (ranks > 1) write_fact(out, "Ranks", "%d", ranks);
    const lk_loss_info *loss = lk_loss_about(t->loss);
    write_fact(out, "Loss", "%s", loss->name);
    if (isfinite(loss->margin)) write_fact(out, "Margin", "%g", t->margin);
    if (isfinite(loss->temperature)) write_fact(out, "Temperature", "%g", t->temperature);
    if (t->memory > 0) write_fact(out, "Past vectors", "%d", t->memory);
    if (loss->mining == LK_MINING_NONE)
        write_fact(out, "Mining", "none: all pairs");
    else if (t->mining == LK_MINING_BATCH_HARD)
        write_fact(out, "Mining", "%s, after %g %% of semi-hard", o->mining, 100 * t->semi_hard_share);
    else
        write_fact(out, "Mining", "%s", o->mining);
    write_fact(out, "Optimizer", "%s, weight decay %g", o->optimizer, t->weight_decay);
    write_fact(out, "Learning rate", "%g at most, rising for %g %% of the run", t->learning_rate,
               100 * t->warmup);
    write_fact(out, "Augmentation", "%g", t->augment);
    write_fact(out, "Precision", "%s", t->precision == LK_PRECISION_BF16 ? "bf16" : "f32");
    write_fact(out, "Seed", "%llu", (unsigned long long)t->seed);
}

static void write_data(FILE *out, report_run *run, const lk_train_look *look) {
    const lk_train_options *t = run->options.train;
    write_fact(out, "Trained on", "%zu people, %zu photos%s", look->people, look->photos,
               t->aligned ? ", aligned faces" : "");
    write_fact(out, "Kept for validation", "%zu people", look->validation_people);
    write_fact(out, "Excluded", "%zu people%s%s", look->excluded, t->exclude ? ", of " : "",
               t->exclude ? t->exclude : "");
    pthread_mutex_lock(&run->lock);
    write_fact(out, "Photos that could not be read", "%zu", run->bad_count);
    for (size_t i = 0; i < run->bad_count && i < BAD_SHOWN; i++) write_fact(out, "", "%s", run->bad[i]);
    if (run->bad_count > BAD_SHOWN) write_fact(out, "", "and %zu more", run->bad_count - BAD_SHOWN);
    pthread_mutex_unlock(&run->lock);
}

static void write_facts(FILE *out, report_run *run, const lk_train_look *look) {
    fputs("<section aria-labelledby=\"run\">\n<h2 id=\"run\">The run</h2>\n<div class=\"card\"><pre "
          "class=\"command\">",
          out);
    svg_text_write(out, run->options.command);
    fputs("</pre></div>\n<div class=\"card\"><div class=\"scroll\"><table class=\"facts\"><tbody>\n", out);
    write_options(out, run);
    write_data(out, run, look);
    write_fact(out, "Program", "likeness %s", lk_version());
    fputs("</tbody></table></div></div>\n</section>\n", out);
}

void report_run_look(report_run *run, const lk_train_look *look) {
    spread now = {.first_step = look->first_step, .last_step = look->last_step};
    memcpy(now.positive, look->positive_bin, sizeof now.positive);
    memcpy(now.negative, look->negative_bin, sizeof now.negative);
    take_start(run, &now);
    take_validation(run, look);
    cli_output output;
    if (cli_output_open(&output, run->options.page) != CLI_OK)
        return; /* said; no reason to end hours of work */
    FILE *out = output.file;
    char *title = cli_format("Training %s", report_base_name(run->options.train->output));
    report_page_begin_again(out, title, look->end ? 0 : REFRESH_SECONDS);
    write_state(out, run, look);
    write_curves(out, run);
    write_distances(out, run, &now);
    write_validation(out, run, look->validation_people);
    write_triplets(out, run, look);
    write_facts(out, run, look);
    report_page_end_with(out,
                         "Figures of people kept out of training, watched while it goes on, are for steering "
                         "it. They are not what the model will do on photos of yours.");
    cli_output_close(&output, true);
    free(title);
}
