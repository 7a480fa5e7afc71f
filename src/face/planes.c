/* planes.c: from a face's bytes to the network's input, the last step before the net in training and in use
 * alike. One place for the normalisation: a model trained with one and used with another is silently bad. */
#include "face/face.h"
#include "image/image.h"

void lk__face_to_planes(const lk_image *face, bool mirror, float *out) {
    size_t width = (size_t)face->width, plane = width * (size_t)face->height;
    for (size_t y = 0; y < (size_t)face->height; y++) {
        const uint8_t *row = face->pixels + 3 * width * y;
        float *to = out + width * y;
        for (size_t x = 0; x < width; x++) {
            const uint8_t *pixel = row + 3 * (mirror ? width - 1 - x : x);
            for (size_t c = 0; c < 3; c++) to[c * plane + x] = ((float)pixel[c] - 127.5f) / 127.5f;
        }
    }
}
