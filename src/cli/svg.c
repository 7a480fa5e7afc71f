/* svg.c: charts with two axes as inline SVG. Geometry only: class names tie each part to the style sheet in
 * report_page.c. Written here rather than left to gnuplot, whose pictures follow neither the page's dark mode
 * nor a phone's width. */
#include "svg.h"
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Margins, in user units; the picture is scaled to the width of its column. */
static const double LEFT = 54, RIGHT = 14, TOP = 12, BOTTOM = 42, LINE = 14;

enum {
    BINS = 120,       /* about two and a half units of width each */
    TICKS_WANTED = 5, /* a little fewer or more come of round steps */
    LABELS_MOST = 32
};

typedef struct axis {
    double low, high; /* as drawn: logarithms when log */
    bool log;
} axis;

typedef struct frame {
    FILE *out;
    const svg_chart *chart;
    double left, right, top, bottom; /* edges of the plot */
    axis x, y;
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

double svg_text_width(const char *text) {
    static const double character = 7.8; /* of the larger letters on a phone */
    double characters = 0;
    for (; *text; text++) characters += ((unsigned char)*text & 0xC0) != 0x80;
    return character * characters;
}

const char *svg_style_class(int style) {
    static const char *const names[SVG_STYLES] = {"s0", "s1", "s2", "s3", "s4", "s5"};
    return style < 0 ? "grey" : names[style % SVG_STYLES];
}

void svg_open(FILE *out, const char *class, double width, double height, const char *title,
              const char *description) {
    fprintf(out, "<svg class=\"%s\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"", class, width,
            height);
    svg_text_write(out, title);
    fputs(". ", out);
    svg_text_write(out, description);
    fputs("\">\n", out);
}

/* ---- scales ------------------------------------------------------------------------------------- */

/* On a logarithmic axis a share of nothing, FAR 0, is drawn at the edge. */
static double drawn(const axis *a, double value) {
    if (!a->log) return value;
    return value > 0 ? fmax(log10(value), a->low) : a->low;
}

static double share_of(const axis *a, double value) {
    return (drawn(a, value) - a->low) / (a->high - a->low);
}

static double x_place(const frame *f, double x) {
    return f->left + (f->right - f->left) * share_of(&f->x, x);
}

static double y_place(const frame *f, double y) {
    return f->top + (f->bottom - f->top) * (1 - fmin(fmax(share_of(&f->y, y), 0), 1));
}

static bool drawable(const svg_series *s, size_t i) {
    if (s->shape == SVG_BAND) return isfinite(s->x[i]) && isfinite(s->low[i]) && isfinite(s->high[i]);
    return isfinite(s->x[i]) && isfinite(s->y[i]);
}

bool svg_chart_has_data(const svg_chart *chart) {
    for (size_t s = 0; s < chart->count; s++)
        for (size_t i = 0; i < chart->series[s].count && chart->series[s].shape != SVG_GUIDE; i++)
            if (drawable(&chart->series[s], i)) return true;
    return false;
}

double svg_round_step(double range) {
    double raw = range / TICKS_WANTED, power = pow(10, floor(log10(raw))), lead = raw / power;
    return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

static void include(axis *a, double value) {
    if (!isfinite(value) || (a->log && value <= 0)) return;
    a->low = fmin(a->low, value);
    a->high = fmax(a->high, value);
}

/* What the data want, overruled by what the chart says; never empty. */
static void settle(axis *a, double low, double high) {
    if (isfinite(low) || !isfinite(a->low)) a->low = isfinite(low) ? low : 0.1;
    if (isfinite(high) || !isfinite(a->high)) a->high = isfinite(high) ? high : 1;
    if (a->log) {
        a->low = log10(a->low);
        a->high = log10(a->high);
    }
    if (!(a->high > a->low)) a->high = a->low + 1;
}

/* A linear y goes from one round number to another. */
static void round_out(axis *a) {
    if (a->log || !isfinite(a->low)) return;
    double step = a->high > a->low ? svg_round_step(a->high - a->low) : fmax(fabs(a->high), 1e-12) / 2;
    a->low = floor(a->low / step) * step;
    a->high = ceil(a->high / step) * step;
}

/* Room for what is written beside the plot. */
static double label_room(const svg_chart *chart) {
    double room = 0;
    for (size_t s = 0; s < chart->count; s++)
        if (chart->series[s].label) room = fmax(room, svg_text_width(chart->series[s].label) + 10);
    return fmin(room, chart->width / 3);
}

static frame make_frame(FILE *out, const svg_chart *chart) {
    frame f = {.out = out,
               .chart = chart,
               .left = chart->y_hidden ? RIGHT : LEFT,
               .right = chart->width - fmax(RIGHT, label_room(chart)),
               .top = TOP + (chart->y_label ? LINE : 0) + (chart->mark_count ? LINE : 0),
               .bottom = chart->height - BOTTOM,
               .x = {INFINITY, -INFINITY, chart->log_x},
               .y = {INFINITY, -INFINITY, chart->log_y}};
    for (size_t s = 0; s < chart->count; s++) {
        const svg_series *series = &chart->series[s];
        for (size_t i = 0; i < series->count; i++) {
            if (!drawable(series, i) || series->shape == SVG_GUIDE) continue;
            if (series->shape != SVG_BAND) include(&f.y, series->y[i]);
            if (series->low) include(&f.y, series->low[i]);
            if (series->high) include(&f.y, series->high[i]);
            include(&f.x, series->x[i]);
        }
    }
    settle(&f.x, chart->x_low, chart->x_high);
    round_out(&f.y);
    settle(&f.y, chart->y_low, chart->y_high);
    return f;
}

/* ---- axes --------------------------------------------------------------------------------------- */

void svg_number_write(FILE *out, double value, double step) {
    int decimals = (int)fmax(0, ceil(-log10(step) - 1e-9));
    if (fabs(value) < step / 1e6) value = 0;   /* no "-0" */
    if (value < 0) fputs("\xE2\x88\x92", out); /* a minus sign is as wide as a digit, a hyphen is not */
    value = fabs(value);
    if (decimals > 4)
        fprintf(out, "%.2g", value);
    else
        fprintf(out, "%.*f", decimals, value);
}

/* Where an axis has a number: at multiples of a round step; or on a logarithmic one at powers of ten, with
 * some multiples between where there is room. */
typedef struct ticks {
    const axis *axis;
    double at, step;    /* step: of a linear axis; of a logarithmic one the last digit of its number */
    const double *lead; /* of a logarithmic one: multiples in a decade (or two), 10 (or 100) last */
    double decade;
    int next;
} ticks;

static ticks ticks_of(const axis *a) {
    static const double fewest[] = {1, 100}, few[] = {1, 10}, some[] = {1, 3, 10}, many[] = {1, 2, 3, 5, 10};
    double range = a->high - a->low;
    ticks t = {.axis = a, .lead = range > 4.3 ? fewest : range > 3.1 ? few : range > 1.1 ? some : many};
    if (a->log) {
        double first = floor(a->low + 1e-9);
        if (t.lead == fewest) first = 2 * floor(first / 2); /* 1 is among them */
        t.decade = t.at = pow(10, first);
    } else {
        t.step = svg_round_step(range);
        t.at = ceil(a->low / t.step - 1e-9) * t.step;
    }
    return t;
}

static void ticks_step(ticks *t) {
    if (!t->axis->log) {
        t->at += t->step;
        return;
    }
    t->at = t->decade * t->lead[++t->next];
    if (t->lead[t->next] < 10) return;
    t->decade = t->at;
    t->next = 0;
}

/* The next number on the axis; false past its end. */
static bool ticks_next(ticks *t, double *value) {
    double slack = 1e-9 * (t->axis->high - t->axis->low);
    while (t->axis->log && log10(t->at) < t->axis->low - slack) ticks_step(t);
    if ((t->axis->log ? log10(t->at) : t->at) > t->axis->high + (t->axis->log ? slack : t->step * 1e-9))
        return false;
    *value = t->at;
    if (t->axis->log) t->step = pow(10, floor(log10(t->at) + 1e-9));
    ticks_step(t);
    return true;
}

static void write_tick_number(FILE *out, double value, double step, bool percent) {
    svg_number_write(out, percent ? 100 * value : value, percent ? 100 * step : step);
    if (percent) fputs(" %", out);
}

static void write_y_axis(const frame *f) {
    if (f->chart->y_hidden) return;
    double y;
    ticks t = ticks_of(&f->y);
    while (ticks_next(&t, &y)) {
        double place = y_place(f, y);
        fprintf(
            f->out,
            "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">",
            f->left, place, f->right, f->left - 7, place + 4);
        write_tick_number(f->out, y, t.step, f->chart->percent);
        fputs("</text>\n", f->out);
    }
    if (!f->chart->y_label) return;
    fputs("<text class=\"label\" x=\"0\" y=\"11\">", f->out);
    svg_text_write(f->out, f->chart->y_label);
    fputs("</text>\n", f->out);
}

static void write_x_tick(const frame *f, double x, double step) {
    double place = x_place(f, x);
    fprintf(f->out,
            "<path class=\"axis\" d=\"M%.1f %.1fv4\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
            place, f->bottom, place, f->bottom + 17);
    write_tick_number(f->out, x, step, f->chart->x_percent);
    fputs("</text>\n", f->out);
}

static void write_x_axis(const frame *f) {
    fprintf(f->out, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>\n", f->left, f->bottom, f->right);
    double x;
    ticks t = ticks_of(&f->x);
    /* Ranks and the like begin at 1, which is no round number and yet the one that matters. */
    if (!f->x.log && f->x.low == 1 && t.step >= 2) write_x_tick(f, 1, 1);
    while (ticks_next(&t, &x)) write_x_tick(f, x, t.step);
    fprintf(f->out, "<text class=\"label\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
            (f->left + f->right) / 2, f->chart->height - 5);
    svg_text_write(f->out, f->chart->x_label);
    fputs("</text>\n", f->out);
}

/* Beside its line, on the side with more room. */
static void write_mark(const frame *f, const svg_mark *mark) {
    if (!isfinite(mark->x)) return;
    double x = x_place(f, mark->x);
    if (x < f->left - 1 || x > f->right + 1) return;
    bool before = x > (f->left + f->right) / 2;
    fprintf(f->out,
            "<path class=\"mark\" d=\"M%.1f %.1fV%.1f\"/><text class=\"mark-label\" x=\"%.1f\" y=\"%.1f\" "
            "text-anchor=\"%s\">",
            x, f->top - 10, f->bottom, before ? x - 5 : x + 5, f->top - 3, before ? "end" : "start");
    svg_text_write(f->out, mark->label);
    fputs("</text>\n", f->out);
}

/* ---- series ------------------------------------------------------------------------------------- */

static void open_path(const frame *f, const svg_series *s) {
    if (s->shape == SVG_GUIDE)
        fputs("<path class=\"guide\" d=\"", f->out);
    else
        fprintf(f->out, "<path class=\"line %s%s\" d=\"", svg_style_class(s->style),
                s->dashed ? " dashed" : "");
}

static void write_dots(const frame *f, const svg_series *s) {
    const char *class = svg_style_class(s->style);
    for (size_t i = 0; i < s->count; i++) {
        if (!drawable(s, i)) continue;
        double x = x_place(f, s->x[i]);
        if (s->low && s->high && isfinite(s->low[i]) && isfinite(s->high[i]))
            fprintf(f->out, "<path class=\"whisker %s\" d=\"M%.1f %.1fV%.1f\"/>\n", class, x,
                    y_place(f, s->low[i]), y_place(f, s->high[i]));
        fprintf(f->out, "<circle class=\"dot %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"/>\n", class, x,
                y_place(f, s->y[i]), s->shape == SVG_POINTS ? "3.5" : "2.4");
    }
}

static void write_band(const frame *f, const svg_series *s) {
    bool any = false;
    for (size_t i = 0; i < s->count; i++) {
        if (!drawable(s, i)) continue;
        if (!any) fprintf(f->out, "<path class=\"band %s\" d=\"", svg_style_class(s->style));
        fprintf(f->out, "%c%.1f %.1f", any ? 'L' : 'M', x_place(f, s->x[i]), y_place(f, s->high[i]));
        any = true;
    }
    for (size_t i = s->count; any && i-- > 0;)
        if (drawable(s, i)) fprintf(f->out, "L%.1f %.1f", x_place(f, s->x[i]), y_place(f, s->low[i]));
    if (any) fputs("Z\"/>\n", f->out);
}

/* The outline is drawn over the filling, so that one area is seen through another. */
static void write_area(const frame *f, const svg_series *s) {
    static const char *const classes[] = {"area", "line thin"};
    if (s->count < 2) return;
    for (int part = 0; part < 2; part++) {
        fprintf(f->out, "<path class=\"%s %s\" d=\"M%.1f %.1f", classes[part], svg_style_class(s->style),
                x_place(f, s->x[0]), f->bottom);
        for (size_t i = 0; i + 1 < s->count; i++)
            fprintf(f->out, "V%.1fH%.1f", y_place(f, s->y[i]), x_place(f, s->x[i + 1]));
        fprintf(f->out, "V%.1f%s\"/>\n", f->bottom, part == 0 ? "Z" : "");
    }
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
    if (s->shape == SVG_DOTS) write_dots(f, s);
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
        double share = share_of(&f->x, s->x[i]);
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
    double low[BINS], high[BINS];
    for (size_t i = 0; i < n; i++) {
        low[i] = bins[i].least;
        high[i] = bins[i].most;
    }
    svg_series band = {.x = x, .count = n, .style = s->style, .shape = SVG_BAND, .low = low, .high = high};
    if (n > 1) write_band(f, &band);
    svg_series mean = *s;
    mean.x = x;
    mean.y = y;
    mean.count = n;
    write_points(f, &mean);
}

static void write_series(const frame *f, const svg_series *s) {
    switch (s->shape) {
    case SVG_BAND: write_band(f, s); break;
    case SVG_AREA: write_area(f, s); break;
    case SVG_POINTS: write_dots(f, s); break;
    case SVG_LINE:
        if (s->count > BINS) {
            write_binned(f, s);
            break;
        } /* fall through */
    case SVG_STEPS:
    case SVG_DOTS:
    case SVG_GUIDE: write_points(f, s); break;
    }
}

/* ---- labels of lines ----------------------------------------------------------------------------- */

typedef struct label {
    const svg_series *series;
    double y;
} label;

static int label_compare(const void *a, const void *b) {
    const label *x = a, *y = b;
    return (x->y > y->y) - (x->y < y->y);
}

/* Each beside the end of its line, moved apart where two would lie on each other. */
static void write_labels(const frame *f) {
    label labels[LABELS_MOST];
    size_t n = 0;
    for (size_t s = 0; s < f->chart->count && n < LABELS_MOST; s++) {
        const svg_series *series = &f->chart->series[s];
        if (!series->label) continue;
        for (size_t i = series->count; i-- > 0;)
            if (drawable(series, i)) {
                labels[n++] = (label){series, y_place(f, series->y[i])};
                break;
            }
    }
    qsort(labels, n, sizeof *labels, label_compare);
    for (size_t i = 1; i < n; i++) labels[i].y = fmax(labels[i].y, labels[i - 1].y + LINE);
    if (n && labels[n - 1].y > f->bottom) labels[n - 1].y = f->bottom;
    for (size_t i = n; i-- > 1;) labels[i - 1].y = fmin(labels[i - 1].y, labels[i].y - LINE);
    for (size_t i = 0; i < n; i++) {
        fprintf(f->out, "<text class=\"line-label %s\" x=\"%.1f\" y=\"%.1f\">",
                svg_style_class(labels[i].series->style), f->right + 6, labels[i].y + 4);
        svg_text_write(f->out, labels[i].series->label);
        fputs("</text>\n", f->out);
    }
}

void svg_chart_write(FILE *out, const svg_chart *chart) {
    frame f = make_frame(out, chart);
    svg_open(out, "chart", chart->width, chart->height, chart->title, chart->description);
    write_y_axis(&f);
    write_x_axis(&f);
    for (size_t s = 0; s < chart->count; s++) write_series(&f, &chart->series[s]);
    for (size_t m = 0; m < chart->mark_count; m++) write_mark(&f, &chart->marks[m]);
    write_labels(&f);
    fputs("</svg>\n", out);
}

void svg_key_write(FILE *out, int style, bool dashed) {
    fprintf(out,
            "<svg class=\"key\" viewBox=\"0 0 28 10\" aria-hidden=\"true\"><path class=\"line %s%s\" d=\"M1 "
            "5H27\"/></svg>",
            svg_style_class(style), dashed ? " dashed" : "");
}
