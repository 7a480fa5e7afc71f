/* svg.h: line charts as inline SVG, for the pages that report writes. Colours and fonts come from the page's
 * style sheet, so that one chart suits light, dark and paper. */
#ifndef LIKENESS_SVG_H
#define LIKENESS_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { SVG_STYLES = 6 }; /* line styles that a reader can tell apart, by colour and by dash */

typedef enum svg_shape {
    SVG_LINE,  /* many points are drawn as their mean over a band from least to most */
    SVG_STEPS, /* y holds until the next x: a ROC */
    SVG_DOTS,  /* a line with a dot at each point: few points */
    SVG_GUIDE  /* a faint line to compare with */
} svg_shape;

typedef struct svg_series {
    const double *x, *y; /* (count), x rising; a value that is not finite leaves a gap */
    size_t count;
    int style; /* 0 .. SVG_STYLES - 1, taken modulo */
    bool dashed;
    svg_shape shape;
} svg_series;

typedef struct svg_chart {
    double width, height;                /* user units, in which text is 12 high */
    const char *title, *description;     /* read out by screen readers */
    const char *x_label;                 /* what y is, the heading above the chart says */
    bool log_x, percent;                 /* x by powers of ten; y, a share, in percent */
    double x_low, x_high, y_low, y_high; /* NaN: from the data */
    const svg_series *series;
    size_t count;
} svg_chart;

/* Whether there is a point to draw. */
bool svg_chart_has_data(const svg_chart *chart);
void svg_chart_write(FILE *out, const svg_chart *chart);
/* A short piece of a series' line, for legends. */
void svg_key_write(FILE *out, int style, bool dashed);

/* Text from outside into HTML or SVG: markup, control characters, broken UTF-8 and bidirectional overrides
 * are made harmless. */
void svg_text_write(FILE *out, const char *text);

#endif
