/* cmd_nets.c: likeness nets: the nets that train knows by name, and their text to start one's own from. */
#include "cli.h"

static const char doc[] =
    "List the nets that train knows, or print the text of one (docs/formats.md), to change it and "
    "train it with likeness train --net FILE.";
static const struct argp_option option_list[] = {{"text", 't', "NAME", 0, "Print the text of this net", 0},
                                                 {0}};

static error_t parse(int key, char *arg, struct argp_state *state) {
    const char **text = state->input;
    if (key == 't') {
        *text = arg;
        return 0;
    }
    if (key == ARGP_KEY_ARG) argp_error(state, "nets takes no names without --text");
    return ARGP_ERR_UNKNOWN;
}

int cmd_nets(int argc, char **argv) {
    static const struct argp argp = {option_list, parse, "", doc, NULL, NULL, NULL};
    const char *name = NULL, *text;
    if (argp_parse(&argp, argc, argv, 0, NULL, &name) != 0) return CLI_USAGE;
    if (!name) {
        for (size_t i = 0; (text = lk_net_name(i)); i++) printf("%s\n", text);
        return CLI_OK;
    }
    text = lk_net_text(name);
    if (!text) {
        cli_say("there is no net '%s'; likeness nets lists them", name);
        return CLI_USAGE;
    }
    fputs(text, stdout);
    return CLI_OK;
}
