/* damage.c: a photo made worse in one known way, to measure what a model loses by it (likeness eval
 * --damage). Augmentation (augment.c) draws many such changes at random; here each is one thing, of one
 * strength, and the same every time. What has a place on the face goes by its five points. */
#include "face/augment.h"
#include "face/detect.h"
#include "likeness/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Without an amount: three photographic stops; a quality that shows. NaN: an amount has to be given. */
static const struct {
    const char *name;
    double low, high, usual;
} kinds[] = {[LK_DAMAGE_SHRINK] = {"shrink", 4, 4096, NAN}, [LK_DAMAGE_PIXELS] = {"pixels", 4, 4096, NAN},
             [LK_DAMAGE_GREY] = {"grey", 0, 0, 0},          [LK_DAMAGE_DARK] = {"dark", 0, 8, 3},
             [LK_DAMAGE_SIDE] = {"side", 0, 1, 0.9},        [LK_DAMAGE_JPEG] = {"jpeg", 1, 100, 10},
             [LK_DAMAGE_GLASSES] = {"glasses", 0, 0, 0}};
enum { KINDS = sizeof kinds / sizeof *kinds };

lk_status lk_damage_parse(const char *text, lk_damage *out, lk_error *err) {
    size_t length = strcspn(text, "=");
    for (int k = LK_DAMAGE_NONE + 1; k < KINDS; k++) {
        if (strlen(kinds[k].name) != length || memcmp(text, kinds[k].name, length) != 0) continue;
        char *end = NULL;
        double amount = text[length] ? strtod(text + length + 1, &end) : kinds[k].usual;
        bool given = end && end != text + length + 1 && !*end && kinds[k].high > 0;
        if ((end && !given) || !(amount >= kinds[k].low && amount <= kinds[k].high)) break;
        *out = (lk_damage){(lk_damage_kind)k, amount};
        return LK_OK;
    }
    return lk__fail(
        err, LK_INVALID,
        "damage \"%.60s\": shrink=PIXELS, pixels=PIXELS, grey, dark=STOPS, side=SHARE, jpeg=QUALITY or "
        "glasses was expected",
        text);
}

static lk_status copy_of(const lk_image *photo, lk_image **out, lk_error *err) {
    return lk_image_new(photo->width, photo->height, photo->pixels, 0, out, err);
}

/* ---- fewer pixels ---------------------------------------------------------------------------------- */

/* From pixels of the aligned square of side 1 to the photo's; without a face, the photo itself is the square.
 */
static lk_status map_of(const lk_image *photo, const lk_face *face, double m[6], lk_error *err) {
    enum { LARGE = 1 << 14 }; /* so that half a pixel, from centre to corner, is nothing */
    if (face) {
        lk_status status = lk__align_map(face->point, 1, LARGE, LARGE, m, err);
        for (int i = 0; i < 6; i++) m[i] *= i % 3 == 2 ? 1 : LARGE;
        return status;
    }
    double side = photo->width < photo->height ? photo->width : photo->height;
    const double whole[] = {side, 0, (photo->width - side) / 2, 0, side, (photo->height - side) / 2};
    memcpy(m, whole, sizeof whole);
    return LK_OK;
}

static lk_status shrink(const lk_image *photo, const lk_face *face, double pixels, lk_image **out,
                        lk_error *err) {
    double m[6];
    lk_status status = map_of(photo, face, m, err);
    if (status != LK_OK) return status;
    double factor = pixels / hypot(m[0], m[3]);
    if (factor >= 1) return copy_of(photo, out, err); /* it has no more already */
    return lk_image_resize(photo, (int)fmax(1, round(factor * photo->width)),
                           (int)fmax(1, round(factor * photo->height)), out, err);
}

static lk_status enlarge_again(const lk_image *photo, int pixels, lk_image **out, lk_error *err) {
    lk_image *small = NULL;
    if (pixels >= photo->width && pixels >= photo->height) return copy_of(photo, out, err);
    lk_status status = lk_image_resize(photo, pixels, pixels, &small, err);
    if (status == LK_OK) status = lk_image_resize(small, photo->width, photo->height, out, err);
    lk_image_free(small);
    return status;
}

/* ---- light, colour, glasses: in place -------------------------------------------------------------- */

static void make_grey(lk_image *photo) {
    size_t count = (size_t)photo->width * (size_t)photo->height;
    for (uint8_t *p = photo->pixels; count-- > 0; p += 3) /* BT.601 luma, JPEG's own */
        p[0] = p[1] = p[2] = lk__to_byte(0.299F * (float)p[0] + 0.587F * (float)p[1] + 0.114F * (float)p[2]);
}

/* Each stop is half of the light; bytes are its 2.2nd root. What rounding takes is gone for good. */
static void darken(lk_image *photo, double stops) {
    float gain = (float)pow(2, -stops / 2.2);
    size_t count = 3 * (size_t)photo->width * (size_t)photo->height;
    for (size_t i = 0; i < count; i++) photo->pixels[i] = lk__to_byte(gain * (float)photo->pixels[i]);
}

/* Values fall by `share` from the left of the face to its right. Beyond it they stay what they are there. */
static void light_from_side(lk_image *photo, const double back[6], double share) {
    uint8_t *p = photo->pixels;
    for (int y = 0; y < photo->height; y++)
        for (int x = 0; x < photo->width; x++, p += 3) {
            double along = fmin(fmax(back[0] * x + back[1] * y + back[2], 0), 1);
            for (int c = 0; c < 3; c++) p[c] = lk__to_byte((float)((1 - share * along) * p[c]));
        }
}

/* Lenses a little below the eyes of the template (align.c), nearly black. */
static void put_glasses_on(lk_image *photo, const double back[6]) {
    static const double middle = 0.5, height = 0.39, apart = 0.181, rx = 0.15, ry = 0.1, shade = 20,
                        opacity = 0.95;
    uint8_t *p = photo->pixels;
    for (int y = 0; y < photo->height; y++)
        for (int x = 0; x < photo->width; x++, p += 3) {
            double u = back[0] * x + back[1] * y + back[2], v = back[3] * x + back[4] * y + back[5];
            if (!lk__on_glasses(u - middle, v - height, apart, rx, ry)) continue;
            for (int c = 0; c < 3; c++) p[c] = lk__to_byte((float)(p[c] + opacity * (shade - p[c])));
        }
}

/* From the photo's pixels to the square of side 1: a map of turn, scale and shift, undone. */
static void invert(const double m[6], double back[6]) {
    double scale = m[0] * m[4] - m[1] * m[3];
    const double undone[] = {m[4] / scale,  -m[1] / scale, (m[1] * m[5] - m[4] * m[2]) / scale,
                             -m[3] / scale, m[0] / scale,  (m[3] * m[2] - m[0] * m[5]) / scale};
    memcpy(back, undone, sizeof undone);
}

/* ---- all of it ------------------------------------------------------------------------------------- */

static lk_status compress(const lk_image *photo, int quality, lk_image **out, lk_error *err) {
    uint8_t *bytes = NULL;
    size_t size = 0;
    lk_status status = lk_image_encode_jpeg(photo, quality, &bytes, &size, err);
    if (status == LK_OK) status = lk_image_decode(bytes, size, "JPEG", out, err);
    free(bytes);
    return status;
}

lk_status lk_damage_photo(const lk_damage *damage, const lk_image *photo, const lk_face *face, lk_image **out,
                          lk_error *err) {
    double m[6], back[6];
    lk_image *made = NULL;
    lk_status status = LK_OK;
    switch (damage->kind) {
    case LK_DAMAGE_SHRINK: return shrink(photo, face, damage->amount, out, err);
    case LK_DAMAGE_PIXELS: return enlarge_again(photo, (int)damage->amount, out, err);
    case LK_DAMAGE_JPEG: return compress(photo, (int)damage->amount, out, err);
    default: break;
    }
    if (damage->kind == LK_DAMAGE_GLASSES && !face)
        return lk__fail(err, LK_EMPTY, "no face is found to put glasses on");
    status = map_of(photo, face, m, err);
    if (status == LK_OK) status = copy_of(photo, &made, err);
    if (status != LK_OK) return status;
    invert(m, back);
    if (damage->kind == LK_DAMAGE_GREY) make_grey(made);
    if (damage->kind == LK_DAMAGE_DARK) darken(made, damage->amount);
    if (damage->kind == LK_DAMAGE_SIDE) light_from_side(made, back, damage->amount);
    if (damage->kind == LK_DAMAGE_GLASSES) put_glasses_on(made, back);
    *out = made;
    return LK_OK;
}
