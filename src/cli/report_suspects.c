/* report_suspects.c: what likeness identify answered: each probe beside its suspects, best first, so that a
 * person can look for themselves. Where the truth is known the page says whether the answer was right. */
#include "report.h"
#include "svg.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int report_suspects_load(const char *path, json_t **out) {
    FILE *file = fopen(path, "r");
    if (!file) {
        cli_say("%s: cannot open: %s", path, strerror(errno));
        return CLI_INPUT;
    }
    json_t *probes = json_array();
    char *line = NULL;
    size_t room = 0, number = 0;
    ssize_t length;
    int code = CLI_OK;
    while (code == CLI_OK && (length = getline(&line, &room, file)) >= 0) {
        number++;
        if (line[strspn(line, " \t\r\n")] == 0) continue;
        json_error_t error;
        json_t *probe = json_loadb(line, (size_t)length, 0, &error);
        if (!report_string(probe, "photo")) {
            cli_say("%s, line %zu: not what likeness identify --json prints: %s", path, number,
                    probe ? "there is no photo in it" : error.text);
            json_decref(probe);
            code = CLI_INPUT;
        } else {
            json_array_append_new(probes, probe);
        }
    }
    if (code == CLI_OK && ferror(file)) {
        cli_say("%s: cannot read: %s", path, strerror(errno));
        code = CLI_SYSTEM;
    }
    free(line);
    fclose(file);
    if (code == CLI_OK)
        *out = probes;
    else
        json_decref(probes);
    return code;
}

/* ---- was it right? ------------------------------------------------------------------------------ */

typedef enum outcome { NOT_TOLD, RIGHT, WRONG, MISSED, STRANGER, FALSE_ALARM, OUTCOMES } outcome;

static const struct {
    const char *chip, *class;
} outcomes[OUTCOMES] = {
    [RIGHT] = {"\xE2\x9C\x93 right", "good"},
    [WRONG] = {"\xE2\x9C\x97 wrong person", "bad"},
    [MISSED] = {"\xE2\x9C\x97 not recognised", "bad"},
    [STRANGER] = {"\xE2\x9C\x93 rightly unknown", "good"},
    [FALSE_ALARM] = {"\xE2\x9C\x97 false alarm: a stranger", "bad"},
};

static bool is_known(const json_t *face) {
    return json_is_true(json_object_get(face, "known")) && report_string(face, "person");
}

static outcome judge(const json_t *probe, const json_t *face) {
    const json_t *truth = json_object_get(probe, "truth");
    bool known = is_known(face);
    if (json_is_null(truth)) return known ? FALSE_ALARM : STRANGER;
    if (!json_is_string(truth)) return NOT_TOLD;
    if (!known) return MISSED;
    return strcmp(json_string_value(truth), report_string(face, "person")) == 0 ? RIGHT : WRONG;
}

static void write_summary(FILE *out, const json_t *probes) {
    size_t faces = 0, known = 0, count[OUTCOMES] = {0}, i, k;
    json_t *probe, *face;
    json_array_foreach(probes, i, probe) {
        json_array_foreach(json_object_get(probe, "faces"), k, face) {
            faces++;
            known += is_known(face);
            count[judge(probe, face)]++;
        }
    }
    fprintf(out,
            "<dl class=\"tiles card\">\n<div><dt>Faces asked about</dt><dd>%zu</dd></div>\n"
            "<div><dt>Known</dt><dd>%zu</dd></div>\n<div><dt>Unknown</dt><dd>%zu</dd></div>\n",
            faces, known, faces - known);
    if (count[NOT_TOLD] < faces)
        fprintf(out,
                "<div><dt>Right, of those whose truth is told</dt><dd>%zu of %zu</dd></div>\n"
                "<div><dt>Wrong person or false alarm</dt><dd>%zu</dd></div>\n"
                "<div><dt>Not recognised</dt><dd>%zu</dd></div>\n",
                count[RIGHT] + count[STRANGER], faces - count[NOT_TOLD], count[WRONG] + count[FALSE_ALARM],
                count[MISSED]);
    fputs("</dl>\n", out);
}

/* ---- one probe ---------------------------------------------------------------------------------- */

static void write_span(FILE *out, const char *class, const char *text) {
    fprintf(out, "<span class=\"%s\" title=\"", class);
    svg_text_write(out, text);
    fputs("\">", out);
    svg_text_write(out, text);
    fputs("</span>", out);
}

static double as_percent(double cosine) {
    return 100 * fmin(fmax(cosine, 0), 1);
}

static void write_suspect(FILE *out, const json_t *match, double threshold, report_photos *photos) {
    const char *person = report_string(match, "person"), *photo = report_string(match, "photo");
    double cosine = report_number(match, "cosine"), l2 = report_number(match, "l2");
    bool below = isfinite(threshold) && !(cosine >= threshold);
    fprintf(out, "<li%s>", below ? " class=\"below\"" : "");
    report_photo_write(out, photos, photo ? photo : "");
    write_span(out, "name", person ? person : "no name");
    write_span(out, "file", photo ? report_base_name(photo) : "no photo");
    if (isfinite(cosine)) {
        fprintf(out, "<span class=\"bar\" aria-hidden=\"true\"><i style=\"width:%.1f%%\"></i>",
                as_percent(cosine));
        if (isfinite(threshold)) fprintf(out, "<b style=\"left:%.1f%%\"></b>", as_percent(threshold));
        fprintf(out, "</span>cosine %.3f", cosine);
    }
    if (isfinite(l2)) fprintf(out, "<br>L2 %.3f", l2);
    if (below) fputs("<br><span class=\"muted\">below threshold</span>", out);
    fputs("</li>\n", out);
}

static void write_verdict(FILE *out, const json_t *probe, const json_t *face, double threshold) {
    const json_t *best = json_array_get(json_object_get(face, "matches"), 0);
    double cosine = report_number(best, "cosine");
    fputs("<p class=\"verdict\">", out);
    if (is_known(face)) {
        fputs("<strong>", out);
        svg_text_write(out, report_string(face, "person"));
        fputs("</strong>", out);
    } else {
        fputs("<strong>Unknown</strong>", out);
    }
    outcome o = judge(probe, face);
    if (o != NOT_TOLD) fprintf(out, "<span class=\"chip %s\">%s</span>", outcomes[o].class, outcomes[o].chip);
    fputs("<span class=\"muted small\">", out);
    if (!best)
        fputs("nobody to compare with", out);
    else if (isfinite(cosine) && isfinite(threshold))
        fprintf(out,
                cosine >= threshold ? "best cosine %.3f, threshold %.3f"
                                    : "best cosine %.3f is under the threshold %.3f",
                cosine, threshold);
    double probability = report_number(face, "probability");
    if (isfinite(probability)) fprintf(out, ", probability %.0f %%", 100 * probability);
    fputs("</span></p>\n", out);
}

static void write_asked(FILE *out, const json_t *probe, report_photos *photos) {
    const char *photo = report_string(probe, "photo"), *truth = report_string(probe, "truth");
    fputs("<div class=\"asked\">", out);
    report_photo_write(out, photos, photo);
    fputs("<div class=\"who\">", out);
    svg_text_write(out, report_base_name(photo));
    if (truth) {
        fputs("<br>truth: ", out);
        svg_text_write(out, truth);
    } else if (json_is_null(json_object_get(probe, "truth"))) {
        fputs("<br>truth: a stranger", out);
    }
    fputs("</div></div>\n", out);
}

static void write_probe(FILE *out, const json_t *probe, report_photos *photos) {
    const json_t *faces = json_object_get(probe, "faces");
    double threshold = report_number(probe, "threshold");
    fputs("<article class=\"card probe\" aria-label=\"Probe ", out);
    svg_text_write(out, report_base_name(report_string(probe, "photo")));
    fputs("\">\n", out);
    write_asked(out, probe, photos);
    fputs("<div>", out);
    if (json_array_size(faces) == 0) fputs("<p class=\"verdict\"><strong>No face found</strong></p>", out);
    size_t i, k;
    json_t *face, *match;
    json_array_foreach(faces, i, face) {
        write_verdict(out, probe, face, threshold);
        fputs("<ol class=\"suspects\">\n", out);
        json_array_foreach(json_object_get(face, "matches"), k, match)
            write_suspect(out, match, threshold, photos);
        fputs("</ol>\n", out);
    }
    fputs("</div>\n</article>\n", out);
}

void report_suspects_write(FILE *out, const json_t *probes, size_t limit, report_photos *photos) {
    size_t total = json_array_size(probes), shown = total < limit ? total : limit;
    fputs("<section aria-labelledby=\"suspects\">\n<h2 id=\"suspects\">Probes and their suspects</h2>\n"
          "<p class=\"muted\">Left the photo asked about; beside it the enrolled photos most like it, best "
          "first. The bar is the "
          "cosine, the mark on it the threshold below which a person is called unknown. Suspects are leads, "
          "not "
          "identifications.</p>\n",
          out);
    write_summary(out, probes);
    if (shown < total)
        fprintf(out, "<p class=\"muted small\">The first %zu of %zu probes are shown.</p>\n", shown, total);
    for (size_t i = 0; i < shown; i++) write_probe(out, json_array_get(probes, i), photos);
    fputs("</section>\n", out);
}
