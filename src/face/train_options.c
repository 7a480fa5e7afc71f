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
        .margin = 0.3,
        .mining = LK_MINING_BATCH_HARD,
        .semi_hard_share = 0.25,
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
}

typedef struct range {
    const char *name;
    double value, low, high;
} range;

lk_status lk__train_options_check(const lk_train_options *o, lk_error *err) {
    const range ranges[] = {
        {"margin", o->margin, 1e-6, 2},
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
        {"holdout", o->holdout, 0, 0.9},
        {"threads", o->threads, 0, 1024},
        {"checkpoint minutes", o->checkpoint_minutes, 0, 1e6},
        {"validate minutes", o->validate_minutes, 0, 1e6},
        {"look minutes", o->look_minutes, 0, 1e6},
        {"mining", (double)o->mining, LK_MINING_RANDOM, LK_MINING_BATCH_HARD},
        {"optimizer", (double)o->optimizer, LK_OPTIMIZER_ADAMW, LK_OPTIMIZER_SGD},
        {"precision", (double)o->precision, LK_PRECISION_F32, LK_PRECISION_BF16},
    };
    if (!o->sources || o->source_count == 0)
        return lk__fail(err, LK_INVALID, "train: no folder of people was given");
    if (!o->output || !*o->output) return lk__fail(err, LK_INVALID, "train: no output path was given");
    if (!o->net && !o->init) return lk__fail(err, LK_INVALID, "train: no net was given");
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!(ranges[i].value >= ranges[i].low && ranges[i].value <= ranges[i].high)) /* NaN is out too */
            return lk__fail(err, LK_INVALID, "train: %s is %g, possible is %g to %g", ranges[i].name,
                            ranges[i].value, ranges[i].low, ranges[i].high);
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
    char *text;
    if (asprintf(
            &text,
            "net %s init %s margin %g mining %d semi-hard %g batch %dx%d minutes %g epochs %g optimizer %d "
            "learning-rate %g "
            "weight-decay %g momentum %g warmup %g augment %g holdout %g crop %g,%g,%g,%g,%g precision %s "
            "seed %llu data "
            "%zu/%zu%s",
            o->net ? o->net : "-", o->init ? o->init : "-", o->margin, (int)o->mining, o->semi_hard_share,
            batch_people, o->photos, o->minutes, o->epochs, (int)o->optimizer, o->learning_rate,
            o->weight_decay, o->momentum, o->warmup, o->augment, o->holdout, o->crop.centre, o->crop.x,
            o->crop.y, o->crop.width, o->crop.height, o->precision == LK_PRECISION_BF16 ? "bf16" : "f32",
            (unsigned long long)o->seed, people, photos, o->aligned ? " aligned" : "") < 0)
        return NULL;
    for (char *c = text; *c; c++)
        if (*c == '\n') *c = ';';
    return text;
}
