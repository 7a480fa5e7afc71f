/* rule.c: from which cosine on somebody is called known, and how probable a match is; as likeness identify
 * and verify do it (src/cli/rule.c). A gallery's threshold depends on how many photos it holds: the more, the
 * more strangers look like one of them. It grows while it is served, by others
 * too: the rule is made again after a change here, and when it is a second old. */
#include "server.h"

#include <math.h>
#include <string.h>

static const double STALE = 1; /* seconds */

void serve_rule_make(const serve_options *o, const lk_gallery_info *info, serve_rule *out) {
    const lk_calibration *c = lk_model_calibration(o->model);
    *out = (serve_rule){.calibration = c, .threshold = o->threshold, .info = *info};
    /* Whoever is in the gallery is one of its people: a match has that part of the prior. */
    out->prior = o->prior / (double)(info->people ? info->people : 1);
    if (c && isnan(out->threshold))
        out->threshold = lk_calibration_gallery_threshold(c, info->photos, o->fpir, NULL);
    if (isnan(out->threshold)) out->threshold = info->threshold;
    out->pair = c && isnan(o->threshold) ? lk_calibration_threshold(c, o->far, NULL) : NAN;
    if (isnan(out->pair)) out->pair = isnan(o->threshold) ? info->threshold : o->threshold;
}

void serve_rule_stale(serve *server) {
    pthread_mutex_lock(&server->rule_lock);
    server->rule_made = -INFINITY;
    pthread_mutex_unlock(&server->rule_lock);
}

lk_status serve_rule_now(serve *server, serve_rule *out, lk_error *err) {
    lk_status status = LK_OK;
    pthread_mutex_lock(&server->rule_lock);
    if (!(serve_seconds() - server->rule_made < STALE)) {
        lk_gallery_info info;
        status = lk_gallery_get_info(server->options->gallery, &info, err);
        if (status == LK_OK) {
            serve_rule_make(server->options, &info, &server->rule);
            server->rule_made = serve_seconds();
        }
    }
    *out = server->rule;
    pthread_mutex_unlock(&server->rule_lock);
    return status;
}

double serve_rule_fpir(const serve_rule *rule, double threshold) {
    return rule->calibration
               ? lk_calibration_gallery_fpir(rule->calibration, rule->info.photos, threshold, NULL)
               : NAN;
}

double serve_rule_probability(const serve_rule *rule, double cosine, double prior) {
    return rule->calibration ? lk_calibration_probability(rule->calibration, cosine, prior) : NAN;
}
