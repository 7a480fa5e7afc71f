/* map.c: vectors as dots on paper, so that one can see which people run into each other.
 *
 *   vectors (n, dim)  ->  plane (plane.c)  [->  t-SNE (tsne.c)]  ->  centred, within a circle of radius 1
 *
 * The plane keeps large distances and squeezes everything else; t-SNE keeps neighbours together and says
 * little of distances between groups. It starts from the plane, and so keeps some of the large shape too. */
#include "eval/map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool spreads(const float *xy, size_t n) {
    for (size_t i = 0; i < 2 * n; i++)
        if (xy[i] != 0) return true;
    return false;
}

static void fit_circle(float *xy, size_t n) {
    double mean[2] = {0, 0}, furthest = 0;
    for (size_t i = 0; i < 2 * n; i++) mean[i % 2] += (double)xy[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        furthest = fmax(furthest, hypot((double)xy[2 * i] - mean[0], (double)xy[2 * i + 1] - mean[1]));
    for (size_t i = 0; i < 2 * n; i++)
        xy[i] = furthest > 0 ? (float)(((double)xy[i] - mean[i % 2]) / furthest) : 0;
}

lk_status lk_map_make(const float *vectors, size_t n, int dim, lk_map_kind kind, uint64_t seed, float *xy,
                      lk_error *err) {
    if (n < 3) return lk__fail(err, LK_INVALID, "a map of %zu vectors; the least is 3", n);
    if (dim < 1) return lk__fail(err, LK_INVALID, "vectors of dim %d; the least is 1", dim);
    if (kind != LK_MAP_PCA && kind != LK_MAP_TSNE)
        return lk__fail(err, LK_INVALID, "no kind of map has number %d", (int)kind);
    for (size_t i = 0; i < n * (size_t)dim; i++)
        if (!isfinite(vectors[i]))
            return lk__fail(err, LK_INVALID, "vector %zu holds a value that is not a finite number",
                            i / (size_t)dim);
    float *map =
        malloc(2 * n * sizeof *map); /* apart, so that xy is as it was if memory gives out on the way */
    if (!map) return lk__fail_memory(err, 2 * n * sizeof *map, "a map");
    lk_status status = lk__plane(vectors, n, dim, seed, map, err);
    /* Vectors that are all one stay one dot: t-SNE would make a handsome cloud of their rounding errors. */
    if (status == LK_OK && kind == LK_MAP_TSNE && spreads(map, n))
        status = lk__tsne(vectors, n, dim, seed, map, err);
    if (status == LK_OK) {
        fit_circle(map, n);
        memcpy(xy, map, 2 * n * sizeof *xy);
    }
    free(map);
    return status;
}
