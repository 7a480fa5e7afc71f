/* rule.c: from which cosine on do two photos show one person, how often is that wrong, how probable is it?
 *
 *   model's calibration + FAR                   -> threshold      (verify)
 *   model's calibration + photos + FPIR         -> threshold      (identify, watch)
 *   --threshold                                 -> FAR or FPIR
 *   no calibration                              -> the threshold of training, and nothing known of it */
#include "cli.h"

#include <math.h>

/* The model's own: the most accurate on training's validation people, or its maker's. */
static int uncalibrated(double own, const char *path, const cli_wish *wish, const char *option,
                        cli_rule *out) {
    if (isfinite(out->threshold)) return CLI_OK;
    if (wish->rate_given) {
        cli_say("%s: the model is not calibrated, so --%s cannot be kept: likeness calibrate, or give "
                "--threshold",
                path, option);
        return CLI_USAGE;
    }
    if (isnan(own)) {
        cli_say("%s: the model has no threshold (it is not trained): give --threshold", path);
        return CLI_USAGE;
    }
    cli_say("%s: the model is not calibrated (likeness calibrate): its own threshold %.3f is taken, and how "
            "often "
            "that is wrong is not known",
            path, own);
    out->threshold = own;
    return CLI_OK;
}

/* Calibrated on so little that the rate cannot be had. */
static bool unsaid(const char *path, const cli_wish *wish, const char *option, cli_rule *out, double own) {
    if (isfinite(out->threshold)) return false;
    bool given = wish->rate_given || isnan(own);
    cli_say("%s: the model's calibration, on %zu people, is too small for --%s %g%s", path,
            out->calibration->people, option, wish->rate,
            given ? ": give --threshold" : "; its threshold of training is taken");
    return given;
}

int cli_rule_pair(const lk_model *model, const char *path, const cli_wish *wish, cli_rule *out) {
    double own = lk_model_threshold(model);
    *out = (cli_rule){lk_model_calibration(model), wish->threshold, NAN, false, wish->prior};
    if (!out->calibration) return uncalibrated(own, path, wish, "far", out);
    if (isnan(out->threshold)) out->threshold = lk_calibration_threshold(out->calibration, wish->rate, NULL);
    if (unsaid(path, wish, "far", out, own)) return CLI_USAGE;
    if (isnan(out->threshold)) out->threshold = own;
    out->rate = lk_calibration_far(out->calibration, out->threshold, &out->extrapolated);
    return CLI_OK;
}

int cli_rule_gallery(const lk_model *model, const char *path, const lk_gallery_info *info,
                     const cli_wish *wish, cli_rule *out) {
    /* Whoever is in the gallery is one of its people: a match has that part of the prior. */
    double prior = wish->prior / (double)(info->people ? info->people : 1);
    *out = (cli_rule){lk_model_calibration(model), wish->threshold, NAN, false, prior};
    if (!out->calibration) return uncalibrated(info->threshold, path, wish, "fpir", out);
    if (isnan(out->threshold))
        out->threshold = lk_calibration_gallery_threshold(out->calibration, info->photos, wish->rate, NULL);
    if (unsaid(path, wish, "fpir", out, info->threshold)) return CLI_USAGE;
    if (isnan(out->threshold)) out->threshold = info->threshold;
    out->rate =
        lk_calibration_gallery_fpir(out->calibration, info->photos, out->threshold, &out->extrapolated);
    if (isfinite(out->rate))
        cli_say("threshold %.3f: by the calibration at most %.2g %% of strangers are taken for somebody of "
                "%zu photos%s",
                out->threshold, 100 * out->rate, info->photos, out->extrapolated ? " (extrapolated)" : "");
    return CLI_OK;
}

double cli_rule_probability(const cli_rule *rule, double cosine) {
    return rule->calibration ? lk_calibration_probability(rule->calibration, cosine, rule->prior) : NAN;
}

/* 0.9993, not 1.00: what is left to doubt is what one wants to read. */
void cli_probability_cell(cli_table *table, double probability) {
    if (isnan(probability))
        cli_table_cell(table, "NA");
    else if (probability > 0.99)
        cli_table_cell(table, "%.4f", fmin(probability, 0.9999));
    else
        cli_table_cell(table, "%.2g", probability);
}

void cli_quality_cell(cli_table *table, double quality) {
    if (isnan(quality))
        cli_table_cell(table, "NA");
    else
        cli_table_cell(table, "%.2f", quality);
}

void cli_rate_cell(cli_table *table, const cli_rule *rule) {
    if (isnan(rule->rate))
        cli_table_cell(table, "NA");
    else
        cli_table_cell(table, "%.2g", rule->rate);
}
