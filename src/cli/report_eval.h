/* report_eval.h: the sections that show what likeness eval measured, each in its file; all read the same
 * objects.
 *
 *   report_eval.c           reading; which sections there are; the page
 *   report_eval_summary.c   the models side by side
 *   report_eval_verify.c    ROC, DET, histograms, calibration, error versus reject
 *   report_eval_compare.c   is one model better than another?
 *   report_eval_identify.c  CMC, open set, photos enrolled
 *   report_eval_groups.c    errors by group
 *   report_eval_faces.c     the worst mistakes; the map
 *   report_eval_facts.c     the models, the data, the run
 *   report_figure.c         a chart being put together */
#ifndef LIKENESS_REPORT_EVAL_H
#define LIKENESS_REPORT_EVAL_H

#include "report.h"
#include "svg.h"

enum { REPORT_FARS = 4, REPORT_FPIRS = 3 };
extern const char *const report_levels[REPORT_FARS];      /* "1e-1" .. as JSON names them */
extern const char *const report_level_names[REPORT_FARS]; /* "10 %" .. */

typedef struct report_evals {
    json_t *const *items;
    size_t count;
    report_photos *photos; /* NULL: neither photos nor names */
} report_evals;

/* Never NULL. */
const char *report_eval_name(const report_evals *e, size_t i);
/* Has any model such an object or array with something in it? */
bool report_evals_have(const report_evals *e, const char *key);
/* An interval, [low, high], in an object; false if there is none. */
bool report_interval(const json_t *object, const char *key, double *low, double *high);
/* The lowest FAR at which all models' figures are steady, as an index of report_levels; -1: none. */
int report_steady_far(const report_evals *e);
/* "12.34 %", or a dash. */
void report_share_write(FILE *out, double share);
/* " (11.00 to 13.10)" in small letters, or nothing. */
void report_range_write(FILE *out, const json_t *object, const char *key);
/* Three digits and three: 12,345. */
void report_count_write(FILE *out, double count);

/* ---- a chart being put together (report_figure.c) ------------------------------------------------- */

typedef struct report_figure {
    svg_chart chart; /* title, axes; description: what the reader sees below the title */
    char *spoken;    /* said by screen readers after the description; freed with the figure */
    bool legend;     /* of the models that have a line */
    const report_evals *evals;
    svg_series *series;
    size_t count;
    char **notes; /* (evals' count) written after a model's name in the legend; freed with the figure */
} report_figure;

/* The numbers of an array: y at 1, 2, ..; or [x, y]; or [x, low, high]. Freed with the figure. */
void report_figure_add(report_figure *f, const json_t *array, svg_series series);
/* The same of numbers; they are copied. low may be NULL. */
void report_figure_add_numbers(report_figure *f, size_t count, const double *x, const double *y,
                               const double *low, const double *high, svg_series series);
/* In a card with its heading, if there is anything to draw; and frees. */
void report_figure_write(FILE *out, report_figure *f);
/* A legend alone: of all models. */
void report_legend_write(FILE *out, const report_evals *e);

/* ---- sections ------------------------------------------------------------------------------------ */

void report_summary_write(FILE *out, const report_evals *e);
void report_verify_write(FILE *out, const report_evals *e);
void report_compare_write(FILE *out, const report_evals *e);
void report_identify_write(FILE *out, const report_evals *e);
void report_groups_write(FILE *out, const report_evals *e);
void report_mistakes_write(FILE *out, const report_evals *e);
void report_map_write(FILE *out, const report_evals *e);
void report_facts_write(FILE *out, const report_evals *e);

/* What the paired test says of two models; false: they were not compared. The difference is first - second.
 */
typedef struct report_test {
    size_t first, second;
    const json_t *figures; /* differences as eval wrote them, of `with` */
    double p;              /* Holm's, over all comparisons on the page; NaN: no test was made */
} report_test;
/* All of them, to be freed; how many in *count. */
report_test *report_tests(const report_evals *e, size_t *count);
/* Is model i better than every other, by the test, in this figure? inside: the object that holds it, or NULL.
 */
bool report_is_best(const report_evals *e, const report_test *tests, size_t count, size_t i,
                    const char *inside, const char *key);

#endif
