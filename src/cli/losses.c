/* losses.c: the losses of likeness train. Their names and defaults are the library's, so --help tells them as
 * they are. */
#include "losses.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOSSES_MOST = 32 };

const char *const cli_mining_names[] = {[LK_MINING_RANDOM] = "random",
                                        [LK_MINING_SEMI_HARD] = "semi-hard",
                                        [LK_MINING_BATCH_HARD] = "batch-hard",
                                        [LK_MINING_DISTANCE_WEIGHTED] = "distance-weighted",
                                        NULL};

lk_loss cli_loss_option(int key, const char *arg, struct argp_state *state) {
    const char *names[LOSSES_MOST + 1] = {NULL};
    for (int i = 0; i < LOSSES_MOST && lk_loss_about((lk_loss)i); i++)
        names[i] = lk_loss_about((lk_loss)i)->name;
    return (lk_loss)cli_name_option(names, key, arg, state);
}

const char *cli_loss_name(lk_loss loss) {
    return lk_loss_about(loss)->name;
}

/* One loss's item of the list, NULL if it has none. */
static char *item(const lk_loss_info *loss, cli_loss_part part) {
    switch (part) {
    case CLI_LOSS_NAME: return cli_format("%s", loss->name);
    case CLI_LOSS_MARGIN: return isnan(loss->margin) ? NULL : cli_format("%s %g", loss->name, loss->margin);
    case CLI_LOSS_TEMPERATURE:
        return isnan(loss->temperature) ? NULL : cli_format("%s %g", loss->name, loss->temperature);
    case CLI_LOSS_MINING: break;
    }
    if (loss->mining == LK_MINING_NONE) return NULL;
    return cli_format("%s %s", loss->name, cli_mining_names[loss->mining]);
}

char *cli_loss_help(const char *text, cli_loss_part part) {
    char *all = cli_format("%s%s", text, part == CLI_LOSS_NAME ? ": " : " (default: ");
    const char *comma = "";
    for (int i = 0; lk_loss_about((lk_loss)i); i++) {
        char *next = item(lk_loss_about((lk_loss)i), part);
        if (!next) continue;
        char *longer = cli_format("%s%s%s", all, comma, next);
        free(all);
        free(next);
        all = longer;
        comma = ", ";
    }
    if (part == CLI_LOSS_NAME) return all;
    char *closed = cli_format("%s)", all);
    free(all);
    return closed;
}

void cli_loss_apply(const cli_loss_given *given, lk_train_options *o, struct argp_state *state) {
    const lk_loss_info *loss = lk_loss_about(o->loss);
    if (!isnan(given->margin)) {
        if (isnan(loss->margin)) argp_error(state, "--margin: the loss %s has none", loss->name);
        o->margin = given->margin;
    }
    if (!isnan(given->temperature)) {
        if (isnan(loss->temperature)) argp_error(state, "--temperature: the loss %s has none", loss->name);
        o->temperature = given->temperature;
    }
    if (given->mining_given) {
        if (loss->mining == LK_MINING_NONE)
            argp_error(state, "--mining: the loss %s takes all pairs of a batch", loss->name);
        o->mining = given->mining;
    }
    if (o->memory && o->loss == LK_LOSS_ARCFACE)
        argp_error(state, "--memory: the loss %s compares with classes, not with photos", loss->name);
}
