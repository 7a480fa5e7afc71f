/* augment.c: one random variant of a face, as if the same person had been photographed again, elsewhere and
 * worse. Between the decoded photo and the network, on the loader's threads.
 *
 * A net trained on clean photos fails on the ones people have: grey, dark, blurred, tiny, compressed ones. So
 * the stages follow the light: where the head is (here), what is in front of it (occlude.c), the light on it
 * (light.c), lens, sensor and file (camera.c). FaceNet and ArcFace only flip; they had millions of photos,
 * users have hundreds.
 *
 * Turning, scaling, moving and flipping are composed with the crop into ONE affine map, so that the photo is
 * resampled once and stays as sharp as it can; everything after works on the small crop, well under a
 * millisecond. */
#include "face/augment.h"

#include <math.h>

/* Half of the ranges at strength 1. Crops by detectors, by hand and by other people's scripts differ about as
 * much. */
static const double MOST_TURN = 12 * 3.14159265358979 / 180;
static const double MOST_SCALE = 0.12, MOST_ASPECT = 0.05, MOST_SHEAR = 0.05, MOST_SHIFT = 0.06;

/* Points that a detector finds are off by a few hundredths of the distance between the eyes. */
static const double ALIGNED = 0.4;

static double around(lk__random *random, double most) {
    return lk__random_range(random, -most, most);
}

void lk__vary_map(double map[6], int width, int height, double strength, lk__random *random) {
    double turn = around(random, strength * MOST_TURN), shear = around(random, strength * MOST_SHEAR);
    double scale = around(random, strength * MOST_SCALE), aspect = around(random, strength * MOST_ASPECT);
    double shift_x = around(random, strength * MOST_SHIFT), shift_y = around(random, strength * MOST_SHIFT);
    /* A mirror image is as good a face as any, so there is nothing to scale by strength. */
    double flip = lk__chance(random, 0.5) ? -1 : 1;
    double sx = flip * exp(scale + aspect), sy = exp(scale - aspect);
    double a = cos(turn) * sx, b = (cos(turn) * shear - sin(turn)) * sy;
    double d = sin(turn) * sx, e = (sin(turn) * shear + cos(turn)) * sy;
    double cx = 0.5 * (width - 1), cy = 0.5 * (height - 1);
    double c = cx + shift_x * width - a * cx - b * cy, f = cy + shift_y * height - d * cx - e * cy;
    for (int row = 0; row < 2; row++) {
        double *m = map + 3 * row, m0 = m[0], m1 = m[1];
        m[0] = m0 * a + m1 * d;
        m[1] = m0 * b + m1 * e;
        m[2] += m0 * c + m1 * f;
    }
}

lk_status lk__augment(const lk_image *photo, lk_crop crop, double strength, bool aligned, lk__random *random,
                      int width, int height, lk_image **out, lk_error *err) {
    if (!(strength >= 0 && strength <= 1))
        return lk__fail(err, LK_INVALID, "augment is %g, expected 0 (none) to 1 (full)", strength);
    if (strength == 0) return lk_image_crop(photo, crop, width, height, out, err);
    double map[6];
    lk__crop_map(photo->width, photo->height, crop, width, height, map);
    lk__vary_map(map, width, height, aligned ? ALIGNED * strength : strength, random);
    lk_image *face = NULL;
    lk_status status = lk__image_warp(photo, map, width, height, &face, err);
    if (status != LK_OK) return status;
    if (aligned) lk__end_photo(face, strength, random);
    lk__occlude(face, strength, random);
    bool grey = lk__relight(face, strength, random);
    status = lk__photograph(&face, grey, strength, random, err);
    if (status != LK_OK) {
        lk_image_free(face);
        return status;
    }
    *out = face;
    return LK_OK;
}
