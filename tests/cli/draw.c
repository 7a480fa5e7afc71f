/* draw.c: photos for the tests of the program, drawn and not stored. A person is a set of coloured blocks; a
 * photo of them has other light and a shift, so that even an untrained net tells some of them apart.
 *
 *   draw people DIR PEOPLE PHOTOS   DIR/person_01/photo_01.jpg ...
 *   draw huge FILE                  a JPEG whose header says 100 megapixels
 *   draw scene FILE WIDTH HEIGHT [PHOTO X Y WIDTH]...
 *                                   a wall with photos on it, each scaled to its width, cut at the border
 *   draw grey PHOTO FILE            without colour
 *   draw again PHOTO FILE QUALITY SCALE CROP LIGHT MIRROR
 *                                   the same picture: JPEG quality, size, share cut off at its
 *                                   borders, factor of brightness, 1: mirrored
 *   draw lying PHOTO FILE.jpg       on its side, and EXIF says so */
#include "likeness/likeness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SIDE = 48, BLOCKS = 4 };

static int fail(const lk_error *err) {
    fprintf(stderr, "draw: %s\n", err->message);
    return 1;
}

static unsigned random_byte(unsigned person, unsigned i) {
    unsigned x = person * 2654435761u + i * 40503u + 1;
    x = (x ^ x >> 15) * 2246822519u;
    return (x ^ x >> 13) & 0xFF;
}

static lk_status draw(unsigned person, unsigned photo, lk_image **out, lk_error *err) {
    uint8_t pixels[SIDE * SIDE * 3];
    for (unsigned y = 0; y < SIDE; y++)
        for (unsigned x = 0; x < SIDE; x++)
            for (unsigned c = 0; c < 3; c++) {
                unsigned block =
                    (y + photo % 3) * BLOCKS / (SIDE + 3) * BLOCKS + (x + photo % 2) * BLOCKS / (SIDE + 2);
                unsigned light = 200 + photo * 13 % 56;
                pixels[(y * SIDE + x) * 3 + c] = (uint8_t)(random_byte(person, block * 3 + c) * light / 256);
            }
    return lk_image_new(SIDE, SIDE, pixels, 0, out, err);
}

static int draw_people(const char *folder, unsigned people, unsigned photos) {
    char path[4096];
    lk_error err;
    mkdir(folder, 0777);
    for (unsigned p = 1; p <= people; p++) {
        snprintf(path, sizeof path, "%s/person_%02u", folder, p);
        mkdir(path, 0777);
        for (unsigned n = 1; n <= photos; n++) {
            lk_image *image = NULL;
            snprintf(path, sizeof path, "%s/person_%02u/photo_%02u.jpg", folder, p, n);
            if (draw(p, n, &image, &err) != LK_OK || lk_image_save(image, path, 95, &err) != LK_OK)
                return fail(&err);
            lk_image_free(image);
        }
    }
    return 0;
}

/* A start-of-frame segment is FF C0..C2, two bytes of length, one of precision, then height and width. */
static int draw_huge(const char *path) {
    lk_image *image = NULL;
    lk_error err;
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (draw(1, 1, &image, &err) != LK_OK || lk_image_encode_jpeg(image, 90, &bytes, &size, &err) != LK_OK)
        return fail(&err);
    static const uint8_t sides[4] = {10000 >> 8, 10000 & 0xFF, 10000 >> 8, 10000 & 0xFF};
    for (size_t i = 0; i + 9 < size; i++)
        if (bytes[i] == 0xFF && bytes[i + 1] >= 0xC0 && bytes[i + 1] <= 0xC2)
            memcpy(bytes + i + 5, sides, sizeof sides);
    FILE *file = fopen(path, "wb");
    size_t written = file ? fwrite(bytes, 1, size, file) : 0;
    if (file && fclose(file) != 0) written = 0;
    free(bytes);
    lk_image_free(image);
    return written == size ? 0 : 1;
}

/* ---- photos of photos ------------------------------------------------------------------------------ */

static lk_status save(int width, int height, const uint8_t *pixels, const char *path, lk_error *err) {
    lk_image *image = NULL;
    lk_status status = lk_image_new(width, height, pixels, 0, &image, err);
    if (status == LK_OK) status = lk_image_save(image, path, 95, err);
    lk_image_free(image);
    return status;
}

static lk_status hang(uint8_t *wall, int width, int height, char **photo, lk_error *err) {
    int left = atoi(photo[1]), top = atoi(photo[2]), w = atoi(photo[3]);
    lk_image *whole = NULL, *scaled = NULL;
    lk_status status = lk_image_load(photo[0], &whole, err);
    int h = status == LK_OK ? w * lk_image_height(whole) / lk_image_width(whole) : 0;
    if (status == LK_OK) status = lk_image_resize(whole, w, h, &scaled, err);
    for (int y = 0; status == LK_OK && y < h; y++)
        for (int x = 0; x < w; x++)
            if (x + left >= 0 && x + left < width && y + top >= 0 && y + top < height)
                memcpy(wall + 3 * ((size_t)(y + top) * (size_t)width + (size_t)(x + left)),
                       lk_image_pixels(scaled) + 3 * ((size_t)y * (size_t)w + (size_t)x), 3);
    lk_image_free(whole);
    lk_image_free(scaled);
    return status;
}

static int draw_scene(const char *path, int width, int height, char **photos, int count) {
    uint8_t *wall = malloc(3 * (size_t)width * (size_t)height);
    if (!wall) return 1;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int shade = 120 + 60 * y / height + (x / 8 + y / 8) % 2;
            uint8_t *pixel = wall + 3 * ((size_t)y * (size_t)width + (size_t)x);
            pixel[0] = pixel[1] = (uint8_t)shade;
            pixel[2] = (uint8_t)(shade + 20);
        }
    lk_error err;
    lk_status status = LK_OK;
    for (int i = 0; i < count && status == LK_OK; i++)
        status = hang(wall, width, height, photos + 4 * i, &err);
    if (status == LK_OK) status = save(width, height, wall, path, &err);
    free(wall);
    return status == LK_OK ? 0 : fail(&err);
}

/* More is cut from the left and the top than from the right and the bottom, as by hand. */
static int draw_again(char **argument) {
    int quality = atoi(argument[2]), mirror = atoi(argument[6]);
    double scale = atof(argument[3]), crop = atof(argument[4]), light = atof(argument[5]);
    lk_image *photo = NULL, *cut = NULL, *made = NULL;
    lk_error err;
    if (lk_image_load(argument[0], &photo, &err) != LK_OK) return fail(&err);
    double w = lk_image_width(photo), h = lk_image_height(photo);
    int width = (int)(w * (1 - crop) * scale + 0.5), height = (int)(h * (1 - crop) * scale + 0.5);
    lk_crop inner = {
        .x = w * crop * 0.7, .y = h * crop * 0.6, .width = w * (1 - crop), .height = h * (1 - crop)};
    lk_status status = lk_image_crop(photo, inner, width, height, &cut, &err);
    uint8_t *pixels = status == LK_OK ? malloc(3 * (size_t)width * (size_t)height) : NULL;
    for (int y = 0; pixels && y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++) {
                int from = mirror ? width - 1 - x : x;
                double value = light * lk_image_pixels(cut)[3 * (y * width + from) + c];
                pixels[3 * (y * width + x) + c] = (uint8_t)(value > 255 ? 255 : value);
            }
    if (status == LK_OK) status = pixels ? lk_image_new(width, height, pixels, 0, &made, &err) : LK_NO_MEMORY;
    if (status == LK_OK) status = lk_image_save(made, argument[1], quality, &err);
    free(pixels);
    lk_image_free(photo);
    lk_image_free(cut);
    lk_image_free(made);
    return status == LK_OK ? 0 : fail(&err);
}

static int draw_grey(const char *photo, const char *path) {
    lk_image *image = NULL;
    lk_error err;
    if (lk_image_load(photo, &image, &err) != LK_OK) return fail(&err);
    size_t count = (size_t)lk_image_width(image) * (size_t)lk_image_height(image);
    uint8_t *grey = malloc(3 * count);
    const uint8_t *from = lk_image_pixels(image);
    for (size_t i = 0; grey && i < count; i++)
        memset(grey + 3 * i, (from[3 * i] + 2 * from[3 * i + 1] + from[3 * i + 2]) / 4, 3);
    lk_status status =
        grey ? save(lk_image_width(image), lk_image_height(image), grey, path, &err) : LK_NO_MEMORY;
    free(grey);
    lk_image_free(image);
    return status == LK_OK ? 0 : fail(&err);
}

/* Turned a quarter to the left, and an EXIF block after the first two bytes whose only entry is orientation
 * 6: "turn me a quarter to the right". */
static int draw_lying(const char *photo, const char *path) {
    static const uint8_t exif[] = {0xFF, 0xE1, 0, 34, 'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8,
                                   0,    1,    1, 18, 0,   3,   0,   0,   0, 1, 0,   6,   0, 0,  0, 0, 0, 0};
    lk_image *image = NULL, *lying = NULL;
    lk_error err;
    if (lk_image_load(photo, &image, &err) != LK_OK) return fail(&err);
    size_t w = (size_t)lk_image_width(image), h = (size_t)lk_image_height(image), size = 0;
    uint8_t *turned = malloc(3 * w * h), *bytes = NULL;
    for (size_t y = 0; turned && y < h; y++)
        for (size_t x = 0; x < w; x++)
            memcpy(turned + 3 * ((w - 1 - x) * h + y), lk_image_pixels(image) + 3 * (y * w + x), 3);
    lk_status status = turned ? lk_image_new((int)h, (int)w, turned, 0, &lying, &err) : LK_NO_MEMORY;
    if (status == LK_OK) status = lk_image_encode_jpeg(lying, 95, &bytes, &size, &err);
    FILE *file = status == LK_OK ? fopen(path, "wb") : NULL;
    bool good = file && fwrite(bytes, 1, 2, file) == 2 && fwrite(exif, 1, sizeof exif, file) == sizeof exif &&
                fwrite(bytes + 2, 1, size - 2, file) == size - 2;
    if (file && fclose(file) != 0) good = false;
    free(turned);
    free(bytes);
    lk_image_free(image);
    lk_image_free(lying);
    return good ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "people") == 0)
        return draw_people(argv[2], (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]));
    if (argc == 3 && strcmp(argv[1], "huge") == 0) return draw_huge(argv[2]);
    if (argc >= 5 && argc % 4 == 1 && strcmp(argv[1], "scene") == 0)
        return draw_scene(argv[2], atoi(argv[3]), atoi(argv[4]), argv + 5, (argc - 5) / 4);
    if (argc == 4 && strcmp(argv[1], "grey") == 0) return draw_grey(argv[2], argv[3]);
    if (argc == 9 && strcmp(argv[1], "again") == 0) return draw_again(argv + 2);
    if (argc == 4 && strcmp(argv[1], "lying") == 0) return draw_lying(argv[2], argv[3]);
    fprintf(stderr,
            "usage: draw people DIR PEOPLE PHOTOS | huge FILE | scene FILE WIDTH HEIGHT [PHOTO X Y WIDTH]... "
            "| grey PHOTO FILE | lying PHOTO FILE | again PHOTO FILE QUALITY SCALE CROP LIGHT MIRROR\n");
    return 2;
}
