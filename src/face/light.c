/* light.c: the light on the face and the film behind it, in one pass over the pixels: a table for exposure,
 * contrast and gamma, a gain for each channel, a slope across the face, and a mix with grey for saturation.
 *
 * Three photos in ten become grey: many cameras and archives are, and a net that has learned hair and skin by
 * their colour is lost there. */
#include "face/augment.h"

#include <math.h>

static const double CHANCE_GREY = 0.3, CHANCE_CAST = 0.5, CHANCE_SLOPE = 0.4;

typedef struct light {
    float tone[256];          /* byte to 0..255, not yet clamped */
    float gain[3];            /* of each channel */
    float across, down, base; /* light at (x, y): base + across * x + down * y */
    float saturation;
} light;

static double around(lk__random *random, double most) {
    return lk__random_range(random, -most, most);
}

static light draw_light(int width, int height, double strength, lk__random *random) {
    light l;
    double exposure = exp(around(random, 0.3 * strength)), contrast = exp(around(random, 0.3 * strength));
    double gamma = exp(around(random, 0.3 * strength));
    for (int v = 0; v < 256; v++) {
        double value = pow(v / 255.0, gamma) * exposure;
        l.tone[v] =
            (float)(255 * ((value - 0.45) * contrast + 0.45)); /* 0.45: about the mean of face photos */
    }
    double cast = lk__chance(random, CHANCE_CAST) ? 0.15 * strength : 0;
    for (int c = 0; c < 3; c++) l.gain[c] = (float)exp(around(random, cast));
    double slope =
        lk__chance(random, CHANCE_SLOPE * strength) ? lk__random_range(random, 0.2, 0.8) * strength : 0;
    double angle = lk__random_range(random, 0, 6.283185307179586);
    l.across = (float)(slope * cos(angle) / width);
    l.down = (float)(slope * sin(angle) / height);
    l.base = 1 - 0.5f * ((float)(width - 1) * l.across + (float)(height - 1) * l.down);
    l.saturation = (float)(1 + around(random, 0.5 * strength));
    if (lk__chance(random, CHANCE_GREY * strength)) l.saturation = 0;
    return l;
}

bool lk__relight(lk_image *face, double strength, lk__random *random) {
    const light l = draw_light(face->width, face->height, strength, random);
    uint8_t *p = face->pixels;
    for (int y = 0; y < face->height; y++) {
        for (int x = 0; x < face->width; x++, p += 3) {
            float here = l.base + l.across * (float)x + l.down * (float)y;
            float r = l.tone[p[0]] * l.gain[0] * here, g = l.tone[p[1]] * l.gain[1] * here;
            float b = l.tone[p[2]] * l.gain[2] * here;
            float grey = 0.299f * r + 0.587f * g + 0.114f * b; /* BT.601 luma, JPEG's own */
            p[0] = lk__to_byte(grey + l.saturation * (r - grey));
            p[1] = lk__to_byte(grey + l.saturation * (g - grey));
            p[2] = lk__to_byte(grey + l.saturation * (b - grey));
        }
    }
    return l.saturation == 0;
}
