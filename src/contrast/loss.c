/* loss.c: the losses by name, each with the options of its paper. */
#include "contrast/contrast.h"

#include <math.h>

#define NONE NAN

static const lk__loss losses[] = {
    [LK_LOSS_TRIPLET] = {{"triplet", 0.3, NONE, LK_MINING_BATCH_HARD}, .triplet = lk__triplet_hinge},
    [LK_LOSS_TRIPLET_SOFT] = {{"triplet-soft", NONE, NONE, LK_MINING_BATCH_HARD},
                              .triplet = lk__triplet_soft},
    [LK_LOSS_TRIPLET_SQUARED] = {{"triplet-squared", 0.2, NONE, LK_MINING_SEMI_HARD},
                                 .triplet = lk__triplet_squared},
    [LK_LOSS_MARGIN] = {{"margin", 0.2, NONE, LK_MINING_DISTANCE_WEIGHTED},
                        .triplet = lk__triplet_margin,
                        .learns = LK__LEARNS_BETA,
                        .beta = 1.2},
    [LK_LOSS_CONTRASTIVE] = {{"contrastive", 1, NONE, LK_MINING_NONE}, .pair = lk__contrastive},
    [LK_LOSS_N_PAIR] = {{"n-pair", NONE, 0.1, LK_MINING_NONE}, .pair = lk__n_pair},
    [LK_LOSS_SUPCON] = {{"supcon", NONE, 0.1, LK_MINING_NONE}, .pair = lk__supcon},
    [LK_LOSS_MULTI_SIMILARITY] = {{"multi-similarity", 0.1, 1.0 / 50, LK_MINING_NONE},
                                  .pair = lk__multi_similarity},
    [LK_LOSS_ARCFACE] = {{"arcface", 0.5, 1.0 / 64, LK_MINING_NONE},
                         .pair = lk__arcface,
                         .learns = LK__LEARNS_CLASSES},
};

const lk__loss *lk__loss_of(lk_loss loss) {
    size_t i = (size_t)loss;
    return i < sizeof losses / sizeof *losses ? &losses[i] : NULL;
}

const lk_loss_info *lk_loss_about(lk_loss loss) {
    const lk__loss *found = lk__loss_of(loss);
    return found ? &found->info : NULL;
}
