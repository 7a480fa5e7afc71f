/* scene.h: one canvas to teach a detector with. */
#ifndef LK_SCENE_H
#define LK_SCENE_H

#include "face/labels.h"

enum { LK__SCENE_FACES = 256 };

typedef struct lk__scene {
    lk__label label[LK__SCENE_FACES]; /* pixels of the canvas */
    int count;
} lk__scene;

/* Draw a canvas (3, side, side) of photos[chosen[0 .. count - 1]] (all with an image), decided by `random`.
 */
lk_status lk__scene_draw(const lk__labels *labels, const size_t *chosen, size_t count, int side,
                         lk__random *random, float *canvas, lk__scene *out, lk_error *err);

#endif
