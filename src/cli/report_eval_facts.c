/* report_eval_facts.c: how the figures came about: the models, the photos, the machine's time, the command.
 */
#include "report_eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum fact_kind { TEXT, COUNT, NUMBER, BYTES, SECONDS, CODE } fact_kind;
typedef struct fact {
    const char *label, *inside, *key;
    fact_kind kind;
} fact;

static const fact facts[] = {
    {"Net", "about", "net", TEXT},
    {"Parameters", "about", "parameters", COUNT},
    {"Numbers in a vector", "about", "dim", COUNT},
    {"Size of the file", "about", "file_bytes", BYTES},
    {"File", NULL, "model", TEXT},
    {"Fingerprint", "about", "fingerprint", CODE},
    {"Own threshold", "about", "threshold", NUMBER},
    {"Pairs file", "data", "pairs", TEXT},
    {"Photos of the pairs", "data", "root", TEXT},
    {"All pairs of", "data", "all_pairs", TEXT},
    {"Identified in", "data", "identify", TEXT},
    {"Groups", "data", "groups", TEXT},
    {"Photos left out, unreadable", "data", "photos_left_out", COUNT},
    {"Pairs left out with them", "data", "pairs_left_out", COUNT},
    {"Photos embedded", "run", "photos", COUNT},
    {"of them, a face looked for in", "run", "faces_looked_for", COUNT},
    {"Time for it", "run", "seconds", SECONDS},
    {"Photos a second", "run", "photos_per_second", NUMBER},
    {"Milliseconds a photo", "run", "ms_per_photo", NUMBER},
    {"Threads", "run", "threads", COUNT},
    {"Precision", "run", "precision", TEXT},
    {"Peak memory of the run", "run", "peak_memory_bytes", BYTES},
    {"Bootstrap replicates", "bootstrap", "replicates", COUNT},
    {"Seed", "bootstrap", "seed", COUNT},
    {"Measured", "run", "time", TEXT},
    {"likeness", "run", "version", TEXT},
};
enum { FACTS = sizeof facts / sizeof *facts };

static const json_t *value_of(const json_t *eval, const fact *f) {
    return json_object_get(f->inside ? json_object_get(eval, f->inside) : eval, f->key);
}

static void write_value(FILE *out, const json_t *value, fact_kind kind) {
    double number = json_is_number(value) ? json_number_value(value) : (double)NAN;
    char clock[32];
    if (json_is_string(value)) {
        if (kind == CODE) fputs("<code>", out);
        svg_text_write(out, json_string_value(value));
        if (kind == CODE) fputs("</code>", out);
    } else if (!isfinite(number)) {
        fputs("\xE2\x80\x93", out);
    } else if (kind == BYTES) {
        fprintf(out, number >= 1e9 ? "%.2f GB" : "%.1f MB", number / (number >= 1e9 ? 1e9 : 1e6));
    } else if (kind == SECONDS) {
        if (number < 100)
            fprintf(out, "%.1f s", number);
        else
            fputs(cli_clock(number, clock), out);
    } else if (kind == NUMBER) {
        fprintf(out, "%.4g", number);
    } else {
        report_count_write(out, number);
    }
}

/* What holds for all models is said once. */
static bool all_equal(const report_evals *e, const fact *f) {
    for (size_t i = 1; i < e->count; i++)
        if (!json_equal(value_of(e->items[0], f), value_of(e->items[i], f))) return false;
    return true;
}

static void write_table(FILE *out, const report_evals *e) {
    fputs("<div class=\"card scroll\"><table class=\"models\">\n<thead><tr><th scope=\"col\"></th>", out);
    for (size_t i = 0; i < e->count; i++) {
        fputs("<th scope=\"col\">", out);
        svg_text_write(out, report_eval_name(e, i));
        fputs("</th>", out);
    }
    fputs("</tr></thead>\n<tbody>\n", out);
    for (int f = 0; f < FACTS; f++) {
        bool known = false;
        for (size_t i = 0; i < e->count; i++) {
            const json_t *value = value_of(e->items[i], &facts[f]);
            known |= json_is_string(value) || (json_is_number(value));
        }
        if (!known) continue;
        fprintf(out, "<tr><th scope=\"row\">%s</th>", facts[f].label);
        size_t cells = all_equal(e, &facts[f]) ? 1 : e->count;
        for (size_t i = 0; i < cells; i++) {
            fprintf(out, "<td colspan=\"%zu\">", e->count / cells);
            write_value(out, value_of(e->items[i], &facts[f]), facts[f].kind);
            fputs("</td>", out);
        }
        fputs("</tr>\n", out);
    }
    fputs("<tr><th scope=\"row\">People known from training</th>", out);
    for (size_t i = 0; i < e->count; i++) {
        const json_t *trained = json_object_get(e->items[i], "trained_people");
        if (!json_is_true(json_object_get(trained, "checked")))
            fputs("<td>could not be checked: the model does not say whom it was trained on</td>", out);
        else
            fprintf(out, "<td>%.0f%s</td>", report_number(trained, "found"),
                    json_is_true(json_object_get(trained, "partial"))
                        ? ", but the model does not know all whom it was trained on"
                        : "");
    }
    fputs("</tr>\n</tbody></table></div>\n", out);
}

static void write_commands(FILE *out, const report_evals *e) {
    const char *before = NULL;
    for (size_t i = 0; i < e->count; i++) {
        const char *command = report_string(json_object_get(e->items[i], "run"), "command");
        if (!command || (before && strcmp(before, command) == 0)) continue;
        before = command;
        fputs("<pre class=\"card command\">", out);
        svg_text_write(out, command);
        fputs("</pre>\n", out);
    }
}

void report_facts_write(FILE *out, const report_evals *e) {
    fputs("<p class=\"muted\">Time is that of this run on this machine, from the file to the vector: reading "
          "and "
          "decoding, finding the face where one was looked for, aligning, and the net over the photo and its "
          "mirror "
          "image.</p>\n",
          out);
    write_table(out, e);
    write_commands(out, e);
}
