/* track_assign.c: the assignment problem: join rows with columns, each at most once, for the largest sum of
 * scores.
 *
 * Optimal and not greedy: when two faces cross, the best single overlap is now and then that of the wrong
 * pair, and greedy choice then leaves the other two only each other. Shortest augmenting paths with
 * potentials, the Hungarian method (Kuhn 1955) as Jonker & Volgenant (1987) do it: rows^2 * columns at worst,
 * which for the faces of a frame is nothing beside finding them.
 *
 * A row may stay alone: it has as many more columns to go to as there are rows, at no cost. */
#include "face/track.h"

#include <float.h>
#include <stdlib.h>

typedef struct assignment {
    const double *score;
    size_t rows, columns, all; /* all = columns and the places to stay alone */
    double *row_price, *column_price, *distance;
    size_t *row_of, *before; /* for each column; one more, the last, where a search starts */
    bool *done;
} assignment;

static double cost(const assignment *a, size_t row, size_t column) {
    if (column >= a->columns) return 0;
    double score = a->score[row * a->columns + column];
    return score > 0 ? -score : 1; /* 1: never chosen, staying alone costs 0 */
}

/* From the columns already reached, one more: the nearest; `from` was reached last. */
static size_t reach(assignment *a, size_t from) {
    size_t row = a->row_of[from], nearest = a->all;
    double shift = DBL_MAX;
    a->done[from] = true;
    for (size_t c = 0; c < a->all; c++) {
        if (a->done[c]) continue;
        double way = cost(a, row, c) - a->row_price[row] - a->column_price[c];
        if (way < a->distance[c]) {
            a->distance[c] = way;
            a->before[c] = from;
        }
        if (a->distance[c] < shift) {
            shift = a->distance[c];
            nearest = c;
        }
    }
    for (size_t c = 0; c <= a->all; c++) {
        if (a->done[c]) {
            a->row_price[a->row_of[c]] += shift;
            a->column_price[c] -= shift;
        } else {
            a->distance[c] -= shift;
        }
    }
    return nearest;
}

/* Give `row` a column; rows that had one may move to another. */
static void place(assignment *a, size_t row) {
    for (size_t c = 0; c <= a->all; c++) {
        a->distance[c] = DBL_MAX;
        a->done[c] = false;
    }
    size_t column = a->all;
    a->row_of[column] = row;
    do column = reach(a, column);
    while (a->row_of[column] < a->rows);
    while (column != a->all) {
        size_t before = a->before[column];
        a->row_of[column] = a->row_of[before];
        column = before;
    }
}

lk_status lk__assign(const double *score, size_t rows, size_t columns, size_t *match, lk_error *err) {
    if (rows == 0) return LK_OK;
    size_t all = rows + columns, reals = rows + 2 * (all + 1), wholes = 2 * (all + 1);
    double *real = calloc(reals, sizeof *real);
    size_t *whole = calloc(wholes, sizeof *whole);
    bool *done = calloc(all + 1, sizeof *done);
    lk_status status = LK_OK;
    if (!real || !whole || !done) {
        status = lk__fail_memory(err, reals * sizeof *real, "joining faces with tracks");
    } else {
        assignment a = {.score = score, .rows = rows, .columns = columns, .all = all, .done = done};
        a.row_price = real;
        a.column_price = real + rows;
        a.distance = a.column_price + all + 1;
        a.row_of = whole;
        a.before = whole + all + 1;
        for (size_t c = 0; c <= all; c++) a.row_of[c] = rows;
        for (size_t r = 0; r < rows; r++) place(&a, r);
        for (size_t r = 0; r < rows; r++) match[r] = columns;
        for (size_t c = 0; c < columns; c++)
            if (a.row_of[c] < rows) match[a.row_of[c]] = c;
    }
    free(real);
    free(whole);
    free(done);
    return status;
}
