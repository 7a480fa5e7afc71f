/* svg_rows.c: dots with whiskers, a row for each thing that is compared, its name at the left: a table that
 * is read at a glance. */
#include "cli.h"
#include "svg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double TOP = 6, BOTTOM = 42, RIGHT = 18, ROW = 24, DOT = 11, NAME_MOST = 230,
                    LABEL = 44; /* width of a number on the axis */

typedef struct frame {
    FILE *out;
    const svg_rows *rows;
    double left, right, bottom, row; /* row: height of one */
    double low, high;                /* as drawn: logarithms when log_x */
} frame;

static double drawn(const svg_rows *r, double x) {
    return r->log_x ? log10(x) : x;
}

static double place(const frame *f, double x) {
    double value = f->rows->log_x && !(x > 0) ? f->low : drawn(f->rows, x);
    double share = fmin(fmax((value - f->low) / (f->high - f->low), 0), 1);
    return f->left + (f->right - f->left) * share;
}

static void include(frame *f, double x) {
    if (!isfinite(x) || (f->rows->log_x && x <= 0)) return;
    f->low = fmin(f->low, drawn(f->rows, x));
    f->high = fmax(f->high, drawn(f->rows, x));
}

static frame make_frame(FILE *out, const svg_rows *r) {
    double name = 0;
    for (size_t i = 0; i < r->rows; i++) name = fmax(name, svg_text_width(r->labels[i]));
    frame f = {out, r, fmin(name, NAME_MOST) + 14, r->width - RIGHT, 0, 0, INFINITY, -INFINITY};
    f.row = ROW + DOT * (double)(r->each - 1);
    f.bottom = TOP + f.row * (double)r->rows;
    for (size_t i = 0; i < r->rows * r->each; i++) {
        include(&f, r->dots[i].value);
        include(&f, r->dots[i].low);
        include(&f, r->dots[i].high);
    }
    for (size_t i = 0; r->guides && i < r->each; i++) include(&f, r->guides[i].value);
    if (r->log_x) { /* whole decades: a share of nothing is drawn at the left edge, and is seen to be there */
        f.low = isfinite(f.low) ? floor(f.low - 0.1) : -3;
        f.high = isfinite(f.high) ? ceil(f.high) : 0;
    } else if (isfinite(f.low)) {
        double step = svg_round_step(fmax(f.high - f.low, 1e-3));
        f.low = floor(f.low / step - 0.2) * step;
        f.high = ceil(f.high / step + 0.2) * step;
    }
    if (isfinite(r->x_low)) f.low = fmax(f.low, drawn(r, r->x_low));
    if (isfinite(r->x_high)) f.high = fmin(f.high, drawn(r, r->x_high));
    if (!(f.high > f.low)) f.high = f.low + 1;
    return f;
}

static void write_axis(const frame *f) {
    double step = f->rows->log_x ? 1 : svg_round_step(f->high - f->low);
    while ((f->right - f->left) * step < LABEL * (f->high - f->low)) step *= 2; /* names leave little room */
    for (double x = ceil(f->low / step - 1e-9) * step; x <= f->high + step * 1e-9; x += step) {
        double value = f->rows->log_x ? pow(10, x) : x, at = place(f, value);
        fprintf(
            f->out,
            "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
            at, TOP, f->bottom, at, f->bottom + 17);
        svg_number_write(f->out, 100 * value, 100 * (f->rows->log_x ? value : step));
        fputs(" %</text>\n", f->out);
    }
    fprintf(f->out, "<text class=\"label\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
            (f->left + f->right) / 2, f->bottom + 36);
    svg_text_write(f->out, f->rows->x_label);
    fputs("</text>\n", f->out);
    for (size_t i = 0; f->rows->guides && i < f->rows->each; i++) {
        const svg_dot *guide = &f->rows->guides[i];
        if (isfinite(guide->value))
            fprintf(f->out, "<path class=\"line thin dashed %s\" d=\"M%.1f %.1fV%.1f\"/>\n",
                    svg_style_class(guide->style), place(f, guide->value), TOP, f->bottom);
    }
}

/* Too long a name is cut; it can be pointed at. */
static void write_name(const frame *f, const char *name, double y) {
    size_t shown = 0;                                                          /* bytes */
    double width = svg_text_width(name) > NAME_MOST ? svg_text_width("x") : 0; /* of the ellipsis */
    for (; name[shown]; shown++) {
        bool begins = ((unsigned char)name[shown] & 0xC0) != 0x80; /* a character of UTF-8 */
        if (begins && (width += svg_text_width("x")) > NAME_MOST + 1) break;
    }
    char *cut = cli_format("%.*s%s", (int)shown, name, name[shown] ? "\xE2\x80\xA6" : ""); /* an ellipsis */
    fprintf(f->out, "<text class=\"row-label\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\"><title>",
            f->left - 10, y);
    svg_text_write(f->out, name);
    fputs("</title>", f->out);
    svg_text_write(f->out, cut);
    fputs("</text>\n", f->out);
    free(cut);
}

static void write_dot(const frame *f, const svg_dot *dot, double y) {
    const char *class = svg_style_class(dot->style), *faint = dot->faint ? " faint" : "";
    if (!isfinite(dot->value)) return;
    if (isfinite(dot->low) && isfinite(dot->high))
        fprintf(f->out, "<path class=\"whisker %s%s\" d=\"M%.1f %.1fH%.1f\"/>\n", class, faint,
                place(f, dot->low), y, place(f, dot->high));
    fprintf(f->out, "<circle class=\"dot %s%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n", class, faint,
            place(f, dot->value), y);
}

void svg_rows_write(FILE *out, const svg_rows *rows) {
    frame f = make_frame(out, rows);
    svg_open(out, "chart", rows->width, f.bottom + BOTTOM, rows->title, rows->description);
    write_axis(&f);
    for (size_t i = 0; i < rows->rows; i++) {
        double top = TOP + f.row * (double)i;
        if (i) fprintf(out, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>\n", 0.0, top, f.right);
        write_name(&f, rows->labels[i], top + f.row / 2 + 4);
        for (size_t k = 0; k < rows->each; k++)
            write_dot(&f, &rows->dots[i * rows->each + k], top + ROW / 2 + DOT * (double)k);
    }
    fputs("</svg>\n", out);
}
