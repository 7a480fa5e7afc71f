/* occlude.c: something in front of the face. Random erasing (Zhong et al. 2020) keeps a net from leaning on
 * one part of the face; sunglasses are the one covering that photos of wanted people show most. */
#include "face/augment.h"

#include <math.h>
#include <string.h>

static const double CHANCE_RECTANGLE = 0.15, CHANCE_GLASSES = 0.06, CHANCE_END = 0.3, MOST_END = 0.2;

static void cover(uint8_t *pixel, const double colour[3], double opacity) {
    for (int c = 0; c < 3; c++) pixel[c] = lk__to_byte((float)(pixel[c] + opacity * (colour[c] - pixel[c])));
}

static void cover_rectangle(lk_image *face, double strength, lk__random *random) {
    double share = lk__random_range(random, 0.02, 0.02 + 0.13 * strength); /* of the area */
    double aspect = exp(lk__random_range(random, -0.9, 0.9));
    int width = (int)fmin(face->width, ceil(sqrt(share * aspect) * face->width));
    int height = (int)fmin(face->height, ceil(sqrt(share / aspect) * face->height));
    int left = (int)lk__random_below(random, (size_t)(face->width - width + 1));
    int top = (int)lk__random_below(random, (size_t)(face->height - height + 1));
    double colour[3];
    for (int c = 0; c < 3; c++) colour[c] = lk__random_range(random, 0, 255);
    for (int y = top; y < top + height; y++)
        for (int x = left; x < left + width; x++) cover(face->pixels + 3 * (y * face->width + x), colour, 1);
}

/* Two dark lenses and a bridge where eyes are in a face crop, tight or loose. */
static void cover_eyes(lk_image *face, lk__random *random) {
    double cx = face->width * lk__random_range(random, 0.46, 0.54);
    double cy = face->height * lk__random_range(random, 0.36, 0.47);
    double apart = face->width * lk__random_range(random, 0.15, 0.2); /* from the middle to a lens' centre */
    double rx = apart * lk__random_range(random, 0.75, 0.95);
    double ry = face->height * lk__random_range(random, 0.07, 0.11);
    double shade = lk__random_range(random, 0, 60), opacity = lk__random_range(random, 0.8, 1);
    double colour[3];
    for (int c = 0; c < 3; c++) colour[c] = shade * lk__random_range(random, 0.5, 1);
    for (int y = 0; y < face->height; y++) {
        for (int x = 0; x < face->width; x++) {
            if (lk__on_glasses(x - cx, y - cy, apart, rx, ry))
                cover(face->pixels + 3 * (y * face->width + x), colour, opacity);
        }
    }
}

static int margin(int side, double strength, lk__random *random) {
    return lk__chance(random, 0.5) ? (int)(side * lk__random_range(random, 0, MOST_END * strength)) : 0;
}

void lk__end_photo(lk_image *face, double strength, lk__random *random) {
    if (!lk__chance(random, CHANCE_END * strength)) return;
    int w = face->width, h = face->height;
    int left = margin(w, strength, random), right = w - 1 - margin(w, strength, random);
    int top = margin(h, strength, random), bottom = h - 1 - margin(h, strength, random);
    for (int y = 0; y < h; y++) {
        uint8_t *row = face->pixels + 3 * (size_t)w * (size_t)y;
        for (int x = 0; x < left; x++) memcpy(row + 3 * x, row + 3 * left, 3);
        for (int x = right + 1; x < w; x++) memcpy(row + 3 * x, row + 3 * right, 3);
    }
    for (int y = 0; y < h; y++) {
        int from = y < top ? top : y > bottom ? bottom : y;
        if (from != y)
            memcpy(face->pixels + 3 * (size_t)w * (size_t)y, face->pixels + 3 * (size_t)w * (size_t)from,
                   3 * (size_t)w);
    }
}

void lk__occlude(lk_image *face, double strength, lk__random *random) {
    double u = lk__random_unit(random) / strength;
    if (u < CHANCE_RECTANGLE)
        cover_rectangle(face, strength, random);
    else if (u < CHANCE_RECTANGLE + CHANCE_GLASSES)
        cover_eyes(face, random);
}
