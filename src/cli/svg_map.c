/* svg_map.c: a map: dots that lie near each other where things are alike. Which direction is which says
 * nothing, so there are no axes. */
#include "svg.h"

#include <math.h>

static const double MARGIN = 8;

/* Six colours filled, and the same six as rings: twelve that can be told apart. */
static void write_circle(FILE *out, const svg_map_dot *dot, double x, double y) {
    if (dot->kind < 0)
        fprintf(out, "<circle class=\"other\" cx=\"%.1f\" cy=\"%.1f\" r=\"1.7\"", x, y);
    else
        fprintf(out, "<circle class=\"%s %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"",
                dot->kind % SVG_KINDS < SVG_STYLES ? "dot" : "ring", svg_style_class(dot->kind), x, y,
                dot->kind % SVG_KINDS < SVG_STYLES ? "3.2" : "2.8");
    if (dot->title) {
        fputs("><title>", out);
        svg_text_write(out, dot->title);
        fputs("</title></circle>\n", out);
    } else {
        fputs("/>\n", out);
    }
}

void svg_map_write(FILE *out, const svg_map *map) {
    double left = INFINITY, right = -INFINITY, low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < map->count; i++) {
        left = fmin(left, map->dots[i].x);
        right = fmax(right, map->dots[i].x);
        low = fmin(low, map->dots[i].y);
        high = fmax(high, map->dots[i].y);
    }
    double wide = fmax(right - left, 1e-9), tall = fmax(high - low, 1e-9),
           scale = (map->size - 2 * MARGIN) / wide;
    svg_open(out, "chart map", map->size, tall * scale + 2 * MARGIN, map->title, map->description);
    for (int front = 0; front < 2; front++)
        for (size_t i = 0; i < map->count; i++) {
            const svg_map_dot *dot = &map->dots[i];
            if ((dot->kind >= 0) == front)
                write_circle(out, dot, MARGIN + (dot->x - left) * scale, MARGIN + (high - dot->y) * scale);
        }
    fputs("</svg>\n", out);
}

void svg_map_key_write(FILE *out, int kind) {
    fputs("<svg class=\"key dot-key\" viewBox=\"0 0 10 10\" aria-hidden=\"true\">", out);
    svg_map_dot dot = {.kind = kind};
    write_circle(out, &dot, 5, 5);
    fputs("</svg>", out);
}
