/* augment.h: the stages of augment.c, in the order light takes: scene (occlude.c, light.c), then camera
 * (camera.c). Each changes the face in place, draws what it does from `random`, and scales chances and ranges
 * by strength 0..1. */
#ifndef LK_FACE_AUGMENT_H
#define LK_FACE_AUGMENT_H

#include "face/face.h"
#include "image/image.h"

static inline bool lk__chance(lk__random *random, double probability) {
    return lk__random_unit(random) < probability;
}

static inline uint8_t lk__to_byte(float value) {
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5f);
}

/* Is a place on sunglasses? Two rounded boxes (rx, ry), `apart` from the middle (0, 0), and a bridge. */
static inline bool lk__on_glasses(double x, double y, double apart, double rx, double ry) {
    double dx = ((x < 0 ? -x : x) - apart) / rx, dy = y / ry;
    bool lens = dx * dx * dx * dx + dy * dy * dy * dy < 1, bridge = dx < 0 && dy > -0.7 && dy < -0.3;
    return lens || bridge;
}

/* map := map after "turn, scale, shear, move and perhaps flip the output picture about its centre" (see
 * lk__crop_map).
 */
void lk__vary_map(double map[6], int width, int height, double strength, lk__random *random);
/* The photo ends within the crop: its border is repeated, as lk_image_align does. */
void lk__end_photo(lk_image *face, double strength, lk__random *random);
/* Something in front of the face: a rectangle, or sunglasses. */
void lk__occlude(lk_image *face, double strength, lk__random *random);
/* Exposure, contrast, gamma, colour, light from one side; sometimes a grey picture, which is then returned as
 * true. */
bool lk__relight(lk_image *face, double strength, lk__random *random);
/* Lens blur or motion, fewer pixels, sensor noise (without colour when `grey`), JPEG. *face may be replaced.
 */
lk_status lk__photograph(lk_image **face, bool grey, double strength, lk__random *random, lk_error *err);
/* What a worse camera does to a square photo of which no more is known: with chance `fewer` only a share of
 * its pixels, from `fewest` to 0.9; noise and JPEG as above. */
typedef struct lk__camera {
    double fewer, fewest, noise, noise_strength, jpeg, jpeg_strength;
} lk__camera;
lk_status lk__worse_camera(lk_image **photo, const lk__camera *camera, bool grey, lk__random *random,
                           lk_error *err);

#endif
