/* train_options.c: the defaults, one check of them all, and their text in a checkpoint. */
#include "face/train.h"
#include "face/model.h"

#include <math.h>
#include <string.h>

/* Photos of a batch of all ranks: drawing its people takes time with their square, 40 ms for this many. */
enum { WHOLE_MAX = 32768 };

void lk_train_options_init(lk_train_options *o) {
    *o = (lk_train_options){
        .net = "face",
        .semi_hard_share = 0.25,
        .memory_start = 0.25,
        .people = 48,
        .photos = 4,
        .minutes = 0,
        .epochs = 30,
        .optimizer = LK_OPTIMIZER_ADAMW,
        .learning_rate = 1e-3,
        .weight_decay = 5e-4,
        .momentum = 0.9,
        .warmup = 0.02,
        .augment = 1,
        .holdout = 0.05,
        .crop = {.centre = 1},
        .seed = 1,
        .checkpoint_minutes = 3,
        .validate_minutes = 2,
        .look_minutes = 1,
    };
    lk_train_options_loss(o, LK_LOSS_TRIPLET);
}

void lk_train_options_loss(lk_train_options *o, lk_loss loss) {
    const lk_loss_info *info = lk_loss_about(loss);
    o->loss = loss;
    if (!info) return; /* which the check will say */
    o->margin = info->margin;
    o->temperature = info->temperature;
    o->mining = info->mining;
}

typedef struct range {
    const char *name;
    double value, low, high;
} range;

static lk_status out_of(const range *r, lk_error *err) {
    return lk__fail(err, LK_INVALID, "train: %s is %g, possible is %g to %g", r->name, r->value, r->low,
                    r->high);
}

static bool within(const range *r) {
    return r->value >= r->low && r->value <= r->high; /* NaN is out too */
}

/* What a loss has, in its range; what it has not, not given (lk_train_options_loss sees to that). */
static lk_status check_loss(const lk_train_options *o, lk_error *err) {
    const lk_loss_info *info = lk_loss_about(o->loss);
    if (!info) return lk__fail(err, LK_INVALID, "train: there is no loss number %d", (int)o->loss);
    const struct {
        range range;
        double of_paper;
    } options[] = {
        {{"margin", o->margin, 1e-6, 2}, info->margin},
        {{"temperature", o->temperature, 0.005, 10}, info->temperature}, /* exp(2 / 0.005) is a number */
    };
    for (size_t i = 0; i < 2; i++) {
        const range *r = &options[i].range;
        if (isnan(options[i].of_paper) && !isnan(r->value))
            return lk__fail(err, LK_INVALID, "train: the loss %s has no %s", info->name, r->name);
        if (!isnan(options[i].of_paper) && !within(r)) return out_of(r, err);
    }
    if (info->mining == LK_MINING_NONE && o->mining != LK_MINING_NONE)
        return lk__fail(err, LK_INVALID, "train: the loss %s takes all pairs of a batch: it has no mining",
                        info->name);
    if (info->mining != LK_MINING_NONE && o->mining == LK_MINING_NONE)
        return lk__fail(err, LK_INVALID, "train: the loss %s needs a mining", info->name);
    if (o->loss == LK_LOSS_ARCFACE && o->memory)
        return lk__fail(err, LK_INVALID, "train: the loss %s compares with classes: it has no memory",
                        info->name);
    return LK_OK;
}

lk_status lk__train_options_check(const lk_train_options *o, lk_error *err) {
    const range ranges[] = {
        {"memory", o->memory, 0, 1 << 20},
        {"memory start", o->memory_start, 0, 1},
        {"semi-hard share", o->semi_hard_share, 0, 1},
        {"people", o->people, 2, 4096},
        {"photos", o->photos, 2, 64},
        {"minutes", o->minutes, 0, 1e6},
        {"epochs", o->epochs, 0, 1e6},
        {"learning rate", o->learning_rate, 0, 10},
        {"weight decay", o->weight_decay, 0, 10},
        {"momentum", o->momentum, 0, 0.9999},
        {"warm-up", o->warmup, 0, 1},
        {"augment", o->augment, 0, 1},
        {"average", o->average, 0, 0.99999},
        {"holdout", o->holdout, 0, 0.9},
        {"threads", o->threads, 0, 1024},
        {"checkpoint minutes", o->checkpoint_minutes, 0, 1e6},
        {"validate minutes", o->validate_minutes, 0, 1e6},
        {"look minutes", o->look_minutes, 0, 1e6},
        {"mining", (double)o->mining, LK_MINING_RANDOM, LK_MINING_NONE},
        {"optimizer", (double)o->optimizer, LK_OPTIMIZER_ADAMW, LK_OPTIMIZER_SGD},
        {"precision", (double)o->precision, LK_PRECISION_F32, LK_PRECISION_BF16},
    };
    if (!o->sources || o->source_count == 0)
        return lk__fail(err, LK_INVALID, "train: no folder of people was given");
    if (!o->output || !*o->output) return lk__fail(err, LK_INVALID, "train: no output path was given");
    if (!o->net && !o->init) return lk__fail(err, LK_INVALID, "train: no net was given");
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!within(&ranges[i])) return out_of(&ranges[i], err);
    lk_status status = check_loss(o, err);
    if (status != LK_OK) return status;
    if (o->aligned && o->crop.centre != 1)
        return lk__fail(err, LK_INVALID, "train: aligned faces are taken whole, they have no crop");
    if (o->people * o->photos > 4096)
        return lk__fail(err, LK_INVALID, "train: %d people x %d photos is a batch of %d, possible is 4096",
                        o->people, o->photos, o->people * o->photos);
    if (!o->ranks) return LK_OK;
    int count = o->ranks->count, rank = o->ranks->rank;
    if (rank < 0 || rank >= count) return lk__fail(err, LK_INVALID, "train: rank %d of %d", rank, count);
    if (count > WHOLE_MAX / (o->people * o->photos))
        return lk__fail(
            err, LK_INVALID,
            "train: %d ranks x %d people x %d photos is a batch of more than %d; use fewer people a rank",
            count, o->people, o->photos, WHOLE_MAX);
    return LK_OK;
}

char *lk__train_options_text(const lk_train_options *o, int batch_people, size_t people, size_t photos) {
    char *text, margin[32] = "-", loss[64] = "", memory[64] = "", average[32] = "";
    if (!isnan(o->margin)) snprintf(margin, sizeof margin, "%g", o->margin);
    /* Told only where they are not the default, so that runs begun before there were any can go on. */
    if (o->loss != LK_LOSS_TRIPLET)
        snprintf(loss, sizeof loss, " loss %s temperature %g", lk_loss_about(o->loss)->name, o->temperature);
    if (o->memory) snprintf(memory, sizeof memory, " memory %d,%g", o->memory, o->memory_start);
    if (o->average > 0) snprintf(average, sizeof average, " average %g", o->average);
    if (asprintf(
            &text,
            "net %s init %s margin %s mining %d semi-hard %g batch %dx%d minutes %g epochs %g optimizer %d "
            "learning-rate %g "
            "weight-decay %g momentum %g warmup %g augment %g holdout %g crop %g,%g,%g,%g,%g precision %s "
            "seed %llu data "
            "%zu/%zu%s%s%s%s",
            o->net ? o->net : "-", o->init ? o->init : "-", margin, (int)o->mining, o->semi_hard_share,
            batch_people, o->photos, o->minutes, o->epochs, (int)o->optimizer, o->learning_rate,
            o->weight_decay, o->momentum, o->warmup, o->augment, o->holdout, o->crop.centre, o->crop.x,
            o->crop.y, o->crop.width, o->crop.height, o->precision == LK_PRECISION_BF16 ? "bf16" : "f32",
            (unsigned long long)o->seed, people, photos, o->aligned ? " aligned" : "", loss, memory,
            average) < 0)
        return NULL;
    for (char *c = text; *c; c++)
        if (*c == '\n') *c = ';';
    return text;
}
