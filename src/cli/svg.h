/* svg.h: charts as inline SVG, for the pages that report and eval write. Colours and fonts come from the
 * page's style sheet, so that one chart suits light, dark and paper. */
#ifndef LIKENESS_SVG_H
#define LIKENESS_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
    SVG_STYLES = 6, /* line styles that a reader can tell apart, by colour and by dash */
    SVG_GREY = -1   /* what a chart is not about */
};

typedef enum svg_shape {
    SVG_LINE,   /* many points are drawn as their mean over a band from least to most */
    SVG_STEPS,  /* y holds until the next x: a ROC */
    SVG_DOTS,   /* a line with a dot at each point: few points */
    SVG_GUIDE,  /* a faint line to compare with */
    SVG_POINTS, /* dots and no line */
    SVG_BAND,   /* filled from low to high; y is not looked at */
    SVG_AREA    /* filled steps on the foot of the chart: a histogram; x are left edges, and the last one's y
                   ends it */
} svg_shape;

typedef struct svg_series {
    const double *x, *y; /* (count), x rising; a value that is not finite leaves a gap */
    size_t count;
    int style; /* 0 .. SVG_STYLES - 1, taken modulo; or SVG_GREY */
    bool dashed;
    svg_shape shape;
    const double *low, *high; /* (count) of SVG_BAND; whiskers of SVG_DOTS and SVG_POINTS, NULL: none */
    const char *label;        /* written right of its last point; NULL: none */
} svg_series;

/* A line across the chart at some x, and what it is. */
typedef struct svg_mark {
    double x;
    const char *label;
} svg_mark;

typedef struct svg_chart {
    double width, height;                /* user units, in which text is 12 high */
    const char *title, *description;     /* read out by screen readers */
    const char *x_label;                 /* what y is, the heading above the chart says */
    bool log_x, percent;                 /* x by powers of ten; y, a share, in percent */
    double x_low, x_high, y_low, y_high; /* NaN: from the data */
    const svg_series *series;
    size_t count;
    const char *y_label;             /* where the heading is not enough; over the axis. NULL: none */
    bool log_y, x_percent, y_hidden; /* y by powers of ten; x in percent; no numbers at y */
    const svg_mark *marks;
    size_t mark_count;
} svg_chart;

/* Whether there is a point to draw. */
bool svg_chart_has_data(const svg_chart *chart);
void svg_chart_write(FILE *out, const svg_chart *chart);
/* A short piece of a series' line, for legends. */
void svg_key_write(FILE *out, int style, bool dashed);

/* ---- rows: a dot with whiskers for each, one under the other (svg_rows.c) -------------------------- */

typedef struct svg_dot {
    double value, low, high; /* NaN: not known; low, high: no whiskers */
    int style;
    bool faint; /* not to be relied on */
} svg_dot;

typedef struct svg_rows {
    double width;
    const char *title, *description, *x_label;
    bool log_x;                /* x, a share, in percent */
    double x_low, x_high;      /* NaN: from the data */
    size_t rows, each;         /* `each` dots a row */
    const char *const *labels; /* (rows) */
    const svg_dot *dots;       /* (rows, each) */
    const svg_dot *guides;     /* (each) values that all rows are compared with, as faint lines; NULL: none */
} svg_rows;
void svg_rows_write(FILE *out, const svg_rows *rows);

/* ---- a map of dots, without axes (svg_map.c) ------------------------------------------------------- */

enum { SVG_KINDS = 2 * SVG_STYLES }; /* of dots: filled ones, then rings */

typedef struct svg_map_dot {
    double x, y;       /* y upwards */
    int kind;          /* 0 .. SVG_KINDS - 1; or SVG_GREY, behind the others */
    const char *title; /* shown when pointed at; NULL: none */
} svg_map_dot;

typedef struct svg_map {
    double size;
    const char *title, *description;
    size_t count;
    const svg_map_dot *dots;
} svg_map;
void svg_map_write(FILE *out, const svg_map *map);
void svg_map_key_write(FILE *out, int kind);

/* ---- what the files of svg share ------------------------------------------------------------------- */

/* 1, 2 or 5 times a power of ten: a step that cuts the range in about five. */
double svg_round_step(double range);
/* As many decimals as the step needs, and no more. */
void svg_number_write(FILE *out, double value, double step);
/* About how wide the text is, in user units. */
double svg_text_width(const char *text);
/* "s0" .. "s5", "grey". */
const char *svg_style_class(int style);
/* "<svg ..>", with what screen readers read out. */
void svg_open(FILE *out, const char *class, double width, double height, const char *title,
              const char *description);

/* Text from outside into HTML or SVG: markup, control characters, broken UTF-8 and bidirectional overrides
 * are made harmless. */
void svg_text_write(FILE *out, const char *text);

#endif
