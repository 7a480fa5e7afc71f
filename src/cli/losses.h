/* losses.h: the losses of likeness train, by name, and what --help says of them. */
#ifndef LK_CLI_LOSSES_H
#define LK_CLI_LOSSES_H

#include "cli.h"

extern const char *const cli_mining_names[]; /* by lk_mining, NULL after the last */

/* The loss of this name, or a usage error. */
lk_loss cli_loss_option(int key, const char *arg, struct argp_state *state);
const char *cli_loss_name(lk_loss loss);

/* `text` and what there is, live, for --help: the names; each loss with its margin, its temperature, its
 * mining.
 */
typedef enum cli_loss_part {
    CLI_LOSS_NAME,
    CLI_LOSS_MARGIN,
    CLI_LOSS_TEMPERATURE,
    CLI_LOSS_MINING
} cli_loss_part;
char *cli_loss_help(const char *text, cli_loss_part part);

/* What was given beside --loss, in any order; else that of the loss. */
typedef struct cli_loss_given {
    double margin, temperature; /* NaN: not given */
    bool mining_given;
    lk_mining mining;
} cli_loss_given;
/* Into the options, or a usage error naming the option that the loss does not have. */
void cli_loss_apply(const cli_loss_given *given, lk_train_options *options, struct argp_state *state);

#endif
