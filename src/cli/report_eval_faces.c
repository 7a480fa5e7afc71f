/* report_eval_faces.c: what a model gets wrong, as pictures, and where it puts whom, as a map. */
#include "report_eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- mistakes ------------------------------------------------------------------------------------ */

/* Around a face that was found, some more is shown, as much as one needs to know a person. */
static lk_crop shown_part(const char *crop) {
    static const double room = 1.5;
    lk_crop part = {0};
    if (!crop || lk_crop_parse(crop, &part, NULL) != LK_OK) return (lk_crop){.centre = 1};
    if (part.centre > 0) return part;
    double side = room * fmax(part.width, part.height);
    return (lk_crop){.x = part.x + (part.width - side) / 2,
                     .y = part.y + (part.height - side) / 2,
                     .width = side,
                     .height = side};
}

/* Names of folders are long and narrow: they may break after each part. */
static void write_name(FILE *out, const char *name) {
    while (*name) {
        size_t part = strcspn(name, "_-. /");
        part += name[part] != 0;
        char *text = cli_format("%.*s", (int)part, name);
        svg_text_write(out, text);
        free(text);
        name += part;
        if (*name) fputs("<wbr>", out);
    }
}

static void write_photo(FILE *out, const report_evals *e, const json_t *photo) {
    const char *path = report_string(photo, "path"), *name = report_string(photo, "name"),
               *person = report_string(photo, "person");
    if (!name) name = path ? path : "";
    fputs("<figure>", out);
    report_crop_write(out, e->photos, path ? path : "", shown_part(report_string(photo, "crop")));
    fputs("<figcaption title=\"", out);
    svg_text_write(out, name);
    fputs("\"><span class=\"name\">", out);
    write_name(out, person ? person : "");
    fputs("</span><span class=\"file\">", out);
    svg_text_write(out, report_base_name(name));
    fputs("</span></figcaption></figure>", out);
}

static void write_pairs(FILE *out, const report_evals *e, const json_t *mistakes, const char *title) {
    size_t i;
    json_t *m;
    if (json_array_size(mistakes) == 0) return;
    fprintf(out, "<h4>%s</h4>\n<ol class=\"pairs%s\">\n", title, e->photos ? "" : " bare");
    json_array_foreach(mistakes, i, m) {
        bool told = json_is_object(json_object_get(m, "a")) && json_is_object(json_object_get(m, "b"));
        fputs("<li>", out);
        if (e->photos && told) {
            fputs("<div class=\"pair\">", out);
            write_photo(out, e, json_object_get(m, "a"));
            write_photo(out, e, json_object_get(m, "b"));
            fputs("</div>", out);
        }
        double cosine = report_number(m, "cosine");
        fprintf(out, "<span class=\"cosine\">cosine %s%.3f</span></li>\n", cosine < 0 ? "\xE2\x88\x92" : "",
                fabs(cosine));
    }
    fputs("</ol>\n", out);
}

void report_mistakes_write(FILE *out, const report_evals *e) {
    fputs("<p class=\"muted\">The most alike photos of different people, and the least alike of one person. "
          "<strong>Look at them before you blame the model: many are wrong labels</strong> \xE2\x80\x93 one "
          "person under "
          "two names, a stranger in a person\xE2\x80\x99s folder, one photo twice.</p>\n",
          out);
    if (!e->photos) fputs("<p class=\"muted small\">Photos and names were asked to be left out.</p>\n", out);
    for (size_t i = 0; i < e->count; i++) {
        const json_t *mistakes = json_object_get(e->items[i], "mistakes");
        if (!json_is_object(mistakes)) continue;
        fputs("<div class=\"card\">\n", out);
        if (e->count > 1) {
            fputs("<h3>", out);
            svg_key_write(out, (int)i, false);
            svg_text_write(out, report_eval_name(e, i));
            fputs("</h3>\n", out);
        }
        write_pairs(out, e, json_object_get(mistakes, "different"), "Most alike strangers");
        write_pairs(out, e, json_object_get(mistakes, "same"), "Least alike photos of one person");
        fputs("</div>\n", out);
    }
}

/* ---- map ----------------------------------------------------------------------------------------- */

static const char *person_name(const report_evals *e, const json_t *people, int kind) {
    const char *name = e->photos ? json_string_value(json_array_get(people, (size_t)kind)) : NULL;
    return name ? name : NULL;
}

static void write_people(FILE *out, const report_evals *e, const json_t *people) {
    fputs("<ul class=\"legend\">", out);
    for (int i = 0; i < (int)json_array_size(people) && i < SVG_KINDS; i++) {
        const char *name = person_name(e, people, i);
        fputs("<li>", out);
        svg_map_key_write(out, i);
        if (name)
            svg_text_write(out, name);
        else
            fprintf(out, "person %d", i + 1);
        fputs("</li>", out);
    }
    fputs("<li>", out);
    svg_map_key_write(out, SVG_GREY);
    fputs("all others</li></ul>\n", out);
}

static void write_map(FILE *out, const report_evals *e, size_t model) {
    const json_t *map = json_object_get(e->items[model], "map"), *points = json_object_get(map, "points"),
                 *people = json_object_get(map, "people");
    size_t count = json_array_size(points), i;
    if (count == 0) return;
    svg_map_dot *dots = cli_alloc(count, sizeof *dots);
    json_t *point;
    json_array_foreach(points, i, point) {
        const json_t *kind = json_array_get(point, 2);
        double x = json_number_value(json_array_get(point, 0)),
               y = json_number_value(json_array_get(point, 1));
        json_int_t number = json_is_integer(kind) ? json_integer_value(kind) : -1;
        dots[i] = (svg_map_dot){x, y, number >= 0 && number < SVG_KINDS ? (int)number : SVG_GREY,
                                e->photos ? json_string_value(json_array_get(point, 3)) : NULL};
    }
    char *title = cli_format("Map of %s", report_eval_name(e, model));
    char *description =
        cli_format("%zu photos; the %zu people with most photos in colour", count, json_array_size(people));
    svg_map chart = {500, title, description, count, dots};
    fputs("<figure class=\"card\">", out);
    if (e->count > 1) {
        fputs("<figcaption><h3>", out);
        svg_text_write(out, report_eval_name(e, model));
        fputs("</h3></figcaption>", out);
    }
    fputs("\n", out);
    svg_map_write(out, &chart);
    write_people(out, e, people);
    fputs("</figure>\n", out);
    free(title);
    free(description);
    free(dots);
}

void report_map_write(FILE *out, const report_evals *e) {
    double shown = NAN, of = NAN;
    for (size_t i = 0; i < e->count && !isfinite(of); i++) {
        const json_t *map = json_object_get(e->items[i], "map");
        shown = (double)json_array_size(json_object_get(map, "points"));
        of = report_number(map, "photos_of");
    }
    fputs("<p class=\"muted\">Each dot is a photo; photos that the model finds alike lie near each other "
          "(t-SNE). A "
          "person in several clumps, or a stray dot in another person\xE2\x80\x99s clump, is worth a look. "
          "How far "
          "clumps lie from each other, and how large they are, means little.",
          out);
    if (of > shown) {
        fputs(" ", out);
        report_count_write(out, shown);
        fputs(" of ", out);
        report_count_write(out, of);
        fputs(" photos are shown.", out);
    }
    if (e->photos) fputs(" Point at a dot for its name.", out);
    fputs("</p>\n<div class=\"charts two\">\n", out);
    for (size_t i = 0; i < e->count; i++) write_map(out, e, i);
    fputs("</div>\n", out);
}
