/* draw.c: photos for the tests of the program, drawn and not stored. A person is a set of coloured blocks; a
 * photo of them has other light and a shift, so that even an untrained net tells some of them apart.
 *
 *   draw people DIR PEOPLE PHOTOS   DIR/person_01/photo_01.jpg ...
 *   draw huge FILE                  a JPEG whose header says 100 megapixels */
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

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "people") == 0)
        return draw_people(argv[2], (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]));
    if (argc == 3 && strcmp(argv[1], "huge") == 0) return draw_huge(argv[2]);
    fprintf(stderr, "usage: draw people DIR PEOPLE PHOTOS | draw huge FILE\n");
    return 2;
}
