/* svg.c: line charts as inline SVG. Geometry only: class names tie each part to the style sheet in page.c.
 * Written here rather than left to gnuplot, whose pictures follow neither the page's dark mode nor a phone's
 * width. */
#include "svg.h"
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Margins, in user units; the picture is scaled to the width of its column. */
static const double LEFT = 54, RIGHT = 14, TOP = 12, BOTTOM = 42;

enum {
    BINS = 120,      /* about two and a half units of width each */
    TICKS_WANTED = 5 /* a little fewer or more come of round steps */
};

typedef struct frame {
    FILE *out;
    const svg_chart *chart;
    double right, bottom;                /* edges of the plot; the others are LEFT and TOP */
    double x_low, x_high, y_low, y_high; /* x as drawn: its logarithm when log_x */
} frame;

void svg_text_write(FILE *out, const char *text) {
    char *shown = cli_escape(text, false);
    for (const char *c = shown; *c; c++) {
        switch (*c) {
        case '&': fputs("&amp;", out); break;
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '"': fputs("&quot;", out); break;
        case '\'': fputs("&#39;", out); break;
        default: fputc(*c, out);
        }
    }
    free(shown);
}

/* ---- scales ------------------------------------------------------------------------------------- */

/* In log_x a share of nothing, FAR 0, is drawn at the left edge. */
static double x_value(const frame *f, double x) {
    if (!f->chart->log_x) return x;
    return x > 0 ? fmax(log10(x), f->x_low) : f->x_low;
}

static double x_place(const frame *f, double x) {
    return LEFT + (f->right - LEFT) * (x_value(f, x) - f->x_low) / (f->x_high - f->x_low);
}

static double y_place(const frame *f, double y) {
    double share = (y - f->y_low) / (f->y_high - f->y_low);
    return TOP + (f->bottom - TOP) * (1 - fmin(fmax(share, 0), 1));
}

static bool drawable(const svg_series *s, size_t i) {
    return isfinite(s->x[i]) && isfinite(s->y[i]);
}

bool svg_chart_has_data(const svg_chart *chart) {
    for (size_t s = 0; s < chart->count; s++)
        for (size_t i = 0; i < chart->series[s].count && chart->series[s].shape != SVG_GUIDE; i++)
            if (drawable(&chart->series[s], i)) return true;
    return false;
}

/* 1, 2 or 5 times a power of ten. */
static double round_step(double range) {
    double raw = range / TICKS_WANTED, power = pow(10, floor(log10(raw))), lead = raw / power;
    return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

static frame make_frame(FILE *out, const svg_chart *chart) {
    frame f = {out,      chart,    chart->width - RIGHT, chart->height - BOTTOM, INFINITY, -INFINITY,
               INFINITY, -INFINITY};
    for (size_t s = 0; s < chart->count; s++) {
        const svg_series *series = &chart->series[s];
        for (size_t i = 0; i < series->count; i++) {
            if (!drawable(series, i) || series->shape == SVG_GUIDE) continue;
            f.y_low = fmin(f.y_low, series->y[i]);
            f.y_high = fmax(f.y_high, series->y[i]);
            if (chart->log_x && series->x[i] <= 0) continue;
            f.x_low = fmin(f.x_low, series->x[i]);
            f.x_high = fmax(f.x_high, series->x[i]);
        }
    }
    if (isfinite(chart->x_low) || !isfinite(f.x_low)) f.x_low = isfinite(chart->x_low) ? chart->x_low : 0.1;
    if (isfinite(chart->x_high) || !isfinite(f.x_high))
        f.x_high = isfinite(chart->x_high) ? chart->x_high : 1;
    if (chart->log_x) {
        f.x_low = log10(f.x_low);
        f.x_high = log10(f.x_high);
    }
    if (!(f.x_high > f.x_low)) f.x_high = f.x_low + 1;
    double step = f.y_high > f.y_low ? round_step(f.y_high - f.y_low) : fmax(fabs(f.y_high), 1e-12) / 2;
    f.y_low = isfinite(chart->y_low) ? chart->y_low : floor(f.y_low / step) * step;
    f.y_high = isfinite(chart->y_high) ? chart->y_high : ceil(f.y_high / step) * step;
    if (!(f.y_high > f.y_low)) f.y_high = f.y_low + 1;
    return f;
}

/* ---- axes --------------------------------------------------------------------------------------- */

/* As many decimals as the step needs, and no more. */
static void write_number(FILE *out, double value, double step) {
    int decimals = (int)fmax(0, ceil(-log10(step) - 1e-9));
    if (fabs(value) < step / 1e6) value = 0; /* no "-0" */
    if (decimals > 4)
        fprintf(out, "%.2g", value);
    else
        fprintf(out, "%.*f", decimals, value);
}

static void write_y_axis(const frame *f) {
    double scale = f->chart->percent ? 100 : 1, step = round_step(f->y_high - f->y_low);
    for (double y = ceil(f->y_low / step - 1e-9) * step; y <= f->y_high + step * 1e-9; y += step) {
        double place = y_place(f, y);
        fprintf(
            f->out,
            "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">",
            LEFT, place, f->right, LEFT - 7, place + 4);
        write_number(f->out, y * scale, step * scale);
        fprintf(f->out, "%s</text>\n", f->chart->percent ? " %" : "");
    }
}

static void write_x_tick(const frame *f, double place) {
    fprintf(f->out,
            "<path class=\"axis\" d=\"M%.1f %.1fv4\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
            place, f->bottom, place, f->bottom + 17);
}

static void write_x_axis(const frame *f) {
    fprintf(f->out, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>\n", LEFT, f->bottom, f->right);
    /* Powers of ten, or round steps from the first x, so that a rank axis begins at 1. */
    double step = f->chart->log_x ? 1 : round_step(f->x_high - f->x_low);
    for (double x = f->chart->log_x ? ceil(f->x_low - 1e-9) : f->x_low; x <= f->x_high + step * 1e-9;
         x += step) {
        write_x_tick(f, LEFT + (f->right - LEFT) * (x - f->x_low) / (f->x_high - f->x_low));
        if (!f->chart->log_x)
            write_number(f->out, x, step);
        else if (fabs(x) < 0.5)
            fputs("1", f->out);
        else
            fprintf(f->out, "10<tspan class=\"power\" dy=\"-5\">\xE2\x88\x92%.0f</tspan>",
                    -x); /* a minus sign */
        fputs("</text>\n", f->out);
    }
    fprintf(f->out, "<text class=\"label\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
            (LEFT + f->right) / 2, f->chart->height - 5);
    svg_text_write(f->out, f->chart->x_label);
    fputs("</text>\n", f->out);
}

/* ---- series ------------------------------------------------------------------------------------- */

static void open_path(const frame *f, const svg_series *s) {
    if (s->shape == SVG_GUIDE)
        fputs("<path class=\"guide\" d=\"", f->out);
    else
        fprintf(f->out, "<path class=\"line s%d%s\" d=\"", s->style % SVG_STYLES, s->dashed ? " dashed" : "");
}

static void write_points(const frame *f, const svg_series *s) {
    open_path(f, s);
    bool pen_down = false;
    for (size_t i = 0; i < s->count; i++) {
        if (!drawable(s, i)) {
            pen_down = false;
            continue;
        }
        double x = x_place(f, s->x[i]), y = y_place(f, s->y[i]);
        if (pen_down && s->shape == SVG_STEPS)
            fprintf(f->out, "H%.1fV%.1f", x, y);
        else
            fprintf(f->out, "%c%.1f %.1f", pen_down ? 'L' : 'M', x, y);
        pen_down = true;
    }
    fputs("\"/>\n", f->out);
    for (size_t i = 0; i < s->count && s->shape == SVG_DOTS; i++)
        if (drawable(s, i))
            fprintf(f->out, "<circle class=\"dot s%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.4\"/>\n",
                    s->style % SVG_STYLES, x_place(f, s->x[i]), y_place(f, s->y[i]));
}

typedef struct bin {
    size_t count;
    double x, y, least, most; /* x and y are sums */
} bin;

/* More points than a reader can see: their mean, over a band from least to most, so that noise is shown and
 * not drawn. */
static void write_binned(const frame *f, const svg_series *s) {
    bin bins[BINS] = {{0}};
    for (size_t i = 0; i < s->count; i++) {
        if (!drawable(s, i)) continue;
        double share = (x_value(f, s->x[i]) - f->x_low) / (f->x_high - f->x_low);
        bin *b = &bins[(int)fmin(fmax(share * BINS, 0), BINS - 1)];
        if (b->count == 0 || s->y[i] < b->least) b->least = s->y[i];
        if (b->count == 0 || s->y[i] > b->most) b->most = s->y[i];
        b->count++;
        b->x += s->x[i];
        b->y += s->y[i];
    }
    double x[BINS], y[BINS];
    size_t n = 0;
    for (size_t i = 0; i < BINS; i++) {
        if (bins[i].count == 0) continue;
        x[n] = bins[i].x / (double)bins[i].count;
        y[n] = bins[i].y / (double)bins[i].count;
        bins[n++] = bins[i]; /* n <= i: close up over empty ones */
    }
    if (n > 1) {
        fprintf(f->out, "<path class=\"band s%d\" d=\"", s->style % SVG_STYLES);
        for (size_t i = 0; i < n; i++)
            fprintf(f->out, "%c%.1f %.1f", i ? 'L' : 'M', x_place(f, x[i]), y_place(f, bins[i].most));
        for (size_t i = n; i-- > 0;)
            fprintf(f->out, "L%.1f %.1f", x_place(f, x[i]), y_place(f, bins[i].least));
        fputs("Z\"/>\n", f->out);
    }
    svg_series mean = *s;
    mean.x = x;
    mean.y = y;
    mean.count = n;
    write_points(f, &mean);
}

void svg_chart_write(FILE *out, const svg_chart *chart) {
    frame f = make_frame(out, chart);
    fprintf(out, "<svg class=\"chart\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"", chart->width,
            chart->height);
    svg_text_write(out, chart->title);
    fputs(". ", out);
    svg_text_write(out, chart->description);
    fputs("\">\n", out);
    write_y_axis(&f);
    write_x_axis(&f);
    for (size_t s = 0; s < chart->count; s++) {
        const svg_series *series = &chart->series[s];
        if (series->shape == SVG_LINE && series->count > BINS)
            write_binned(&f, series);
        else
            write_points(&f, series);
    }
    fputs("</svg>\n", out);
}

void svg_key_write(FILE *out, int style, bool dashed) {
    fprintf(out,
            "<svg class=\"key\" viewBox=\"0 0 28 10\" aria-hidden=\"true\"><path class=\"line s%d%s\" d=\"M1 "
            "5H27\"/></svg>",
            style % SVG_STYLES, dashed ? " dashed" : "");
}
