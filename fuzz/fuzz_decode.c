/* fuzz_decode.c: any bytes as a photo. What is accepted must be an image whose every pixel is there and set.
 */
#include "image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    lk_image *image = NULL;
    lk_error err = {LK_OK, ""};
    /* A small limit: what matters lies before the pixels, and a fuzzer lives from many runs a second. */
    if (lk_image_decode_within(bytes, size, "fuzz", 1 << 18, &image, &err) != LK_OK) {
        LK__CHECK(image == NULL, ==, 1);
        LK__CHECK(err.message[0], !=, 0);
        return 0;
    }
    size_t pixels = (size_t)lk_image_width(image) * (size_t)lk_image_height(image), sum = 0;
    LK__CHECK(pixels, <=, 1 << 18);
    for (size_t i = 0; i < 3 * pixels; i++) sum += lk_image_pixels(image)[i];
    LK__CHECK(sum, <=, 255 * 3 * pixels);
    lk_image_free(image);
    return 0;
}
