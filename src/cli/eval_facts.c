/* eval_facts.c: what a page says beside figures: about the model, what it was measured on, and the run. */
#include "eval.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

static json_t *count_of(size_t count) {
    return json_integer((json_int_t)count);
}

/* Name of the ready net with this text, or null: a net of the user's own. */
static json_t *net_name(const lk_model *model) {
    const char *text = lk_model_metadata(model, "net"), *name;
    for (size_t i = 0; text && (name = lk_net_name(i)); i++)
        if (strcmp(lk_net_text(name), text) == 0) return cli_json_text(name);
    return json_null();
}

static json_t *model_facts(const eval_model *m) {
    struct stat st;
    json_t *object = json_object();
    json_object_set_new(object, "net", net_name(m->model));
    json_object_set_new(object, "parameters", count_of(lk_model_parameters(m->model)));
    json_object_set_new(object, "dim", json_integer(lk_model_dim(m->model)));
    json_object_set_new(object, "file_bytes",
                        stat(m->path, &st) == 0 ? json_integer(st.st_size) : json_null());
    json_object_set_new(object, "fingerprint", json_string(lk_model_fingerprint(m->model)));
    json_object_set_new(object, "threshold", cli_json_real(lk_model_threshold(m->model)));
    json_object_set_new(object, "aligned", json_boolean(lk_model_aligned(m->model)));
    return object;
}

static json_t *trained_facts(const eval_run *r, const eval_model *m) {
    if (!m->trained) return json_pack("{s: b, s: n}", "checked", 0, "found");
    json_t *object =
        json_pack("{s: b, s: I}", "checked", 1, "found", (json_int_t)json_object_size(m->trained));
    json_object_set_new(object, "partial",
                        json_boolean(lk_model_metadata(m->model, "trained_people_partial")));
    if (r->options->no_photos) return object;
    json_t *names = json_array(), *value;
    const char *name;
    json_object_foreach(m->trained, name, value) json_array_append_new(names, cli_json_text(name));
    json_object_set_new(object, "names", names);
    return object;
}

static json_t *source_text(const cli_sources *sources) {
    return cli_json_text(sources->count ? sources->items[0].path : NULL);
}

static json_t *data_facts(const eval_run *r) {
    const eval_options *o = r->options;
    json_t *object = json_object();
    json_object_set_new(object, "pairs", cli_json_text(o->pairs));
    json_object_set_new(object, "root", source_text(&o->root));
    json_object_set_new(object, "all_pairs", source_text(&o->all_pairs));
    json_object_set_new(object, "identify", source_text(&o->identify));
    json_object_set_new(object, "groups", cli_json_text(o->groups));
    json_object_set_new(object, "photos_left_out", count_of(r->count - r->good));
    json_object_set_new(object, "pairs_left_out", count_of(r->verify.left_out));
    return object;
}

/* What another run of the same command would not give again is all in here, and nothing else is. */
static json_t *run_facts(const eval_run *r, const eval_model *m) {
    time_t now = time(NULL);
    struct tm utc;
    struct rusage usage;
    char when[32] = "";
    json_t *object = json_object();
    if (gmtime_r(&now, &utc)) strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
    getrusage(RUSAGE_SELF, &usage);
    json_object_set_new(object, "time", json_string(when));
    json_object_set_new(object, "seconds", cli_json_real(m->seconds));
    json_object_set_new(object, "photos_per_second", cli_json_real((double)m->embedded / m->seconds));
    json_object_set_new(object, "ms_per_photo", cli_json_real(1e3 * m->seconds / (double)m->embedded));
    json_object_set_new(object, "photos", count_of(m->embedded));
    json_object_set_new(object, "faces_looked_for", count_of(m->looked));
    json_object_set_new(object, "threads",
                        json_integer(cli_workers(r->options->compute.threads, m->embedded)));
    json_object_set_new(object, "precision",
                        json_string(r->options->compute.precision == LK_PRECISION_BF16 ? "bf16" : "f32"));
    json_object_set_new(object, "peak_memory_bytes", json_integer((json_int_t)usage.ru_maxrss * 1024));
    json_object_set_new(object, "command", cli_json_text(r->options->command));
    json_object_set_new(object, "version", json_string(LK_VERSION));
    return object;
}

void eval_facts(const eval_run *r, const eval_model *m) {
    json_t *f = m->figures;
    json_object_set_new(f, "photos", count_of(r->good));
    json_object_set_new(f, "no_face", m->looked ? count_of(m->faceless) : json_null());
    json_object_set_new(f, "trained_people", trained_facts(r, m));
    json_object_set_new(
        f, "bootstrap",
        json_pack("{s: i, s: I}", "replicates", r->options->bootstrap, "seed", (json_int_t)r->options->seed));
    json_object_set_new(f, "photos_shown", json_boolean(!r->options->no_photos));
    json_object_set_new(f, "about", model_facts(m));
    json_object_set_new(f, "data", data_facts(r));
    json_object_set_new(f, "run", run_facts(r, m));
}
