/* test_decode.c: every kind of PNG, JPEG and WebP comes out as the same upright RGB. */
#include "image/pictures.h"

/* "ABC/DEF" upright, as it is stored for orientation 1..8. */
static const char *const stored[9] = {NULL,       "ABC/DEF",  "CBA/FED",  "FED/CBA", "DEF/ABC",
                                      "AD/BE/CF", "CF/BE/AD", "FC/EB/DA", "DA/EB/FC"};

static void orientation_is_applied(void **state) {
    (void)state;
    lk_image *upright = cells("ABC/DEF", 16);
    for (int o = 1; o <= 8; o++)
        for (int big = 0; big < 2; big++) {
            lk_image *image = cells(stored[o], 16);
            int w = image->width, h = image->height;
            blob block = exif(o, big), file[3];
            jpeg_kind jpeg = plain_jpeg;
            png_kind png = plain_png;
            jpeg.exif = png.exif = &block;
            file[0] = make_jpeg(&jpeg, w, h, image->pixels);
            file[1] = make_png(&png, w, h, image->pixels, 3 * (size_t)w);
            file[2] = make_webp(w, h, image->pixels, 3, &block);
            for (int f = 0; f < 3; f++) {
                lk_image *out = decoded(&file[f]);
                int worst = worst_difference(out, upright);
                if (worst > (f == 0 ? 3 : 0))
                    print_message("orientation %d, format %d: off by %d\n", o, f, worst);
                assert_in_range(worst, 0, f == 0 ? 3 : 0);
                lk_image_free(out);
                free(file[f].bytes);
            }
            free(block.bytes);
            lk_image_free(image);
        }
    lk_image_free(upright);
}

static void damaged_exif_is_upright(void **state) {
    (void)state;
    lk_image *image = cells("ABC/DEF", 16);
    static const int odd[] = {0, 9, 255, 65535};
    for (int i = 0; i < 4; i++)
        for (size_t cut = 0; cut < 50; cut += 7) {
            blob block = exif(odd[i], false);
            block.size -= cut;
            jpeg_kind kind = plain_jpeg;
            kind.exif = &block;
            blob file = make_jpeg(&kind, image->width, image->height, image->pixels);
            lk_image *out = decoded(&file);
            assert_in_range(worst_difference(out, image), 0, 3);
            lk_image_free(out);
            free(file.bytes);
            free(block.bytes);
        }
    lk_image_free(image);
}

static void check_png(const png_kind *kind, int width, int height, const uint8_t *pixels, size_t stride,
                      const uint8_t *want) {
    for (int interlaced = 0; interlaced < 2; interlaced++) {
        png_kind k = *kind;
        k.interlaced = interlaced;
        blob file = make_png(&k, width, height, pixels, stride);
        lk_image *out = decoded(&file);
        assert_int_equal(out->width, width);
        assert_int_equal(out->height, height);
        assert_memory_equal(out->pixels, want, 3 * (size_t)width * (size_t)height);
        lk_image_free(out);
        free(file.bytes);
    }
}

static uint8_t over_white(int value, int alpha) {
    return (uint8_t)((value * alpha + 255 * (255 - alpha)) / 255.0 + 0.5);
}

enum { W = 19, H = 13, N = W * H };

static void png_of_every_kind(void **state) {
    (void)state;
    uint8_t rgba[4 * N], rgb[3 * N], deep[8 * N], want[3 * N], grey[2 * N], bits[8 * H];
    lk__random r = lk__random_stream(3, 0, 0, 0);
    for (int i = 0; i < 4 * N; i++) rgba[i] = (uint8_t)lk__random_u64(&r);
    for (int i = 0; i < N; i++) rgba[4 * i + 3] = (uint8_t)(i < 85 ? 0 : i < 170 ? 255 : i);
    for (int i = 0; i < 3 * N; i++) rgb[i] = rgba[i / 3 * 4 + i % 3];

    check_png(&plain_png, W, H, rgb, 3 * W, rgb);

    for (int i = 0; i < 3 * N; i++) want[i] = over_white(rgb[i], rgba[i / 3 * 4 + 3]);
    check_png(&(png_kind){.colour_type = PNG_COLOR_TYPE_RGBA, .depth = 8}, W, H, rgba, 4 * W, want);

    for (int i = 0; i < 4 * N; i++) deep[2 * i] = deep[2 * i + 1] = rgba[i]; /* v * 257 */
    check_png(&(png_kind){.colour_type = PNG_COLOR_TYPE_RGBA, .depth = 16}, W, H, deep, 8 * W, want);
    for (int i = 0; i < 3 * N; i++) {
        deep[2 * i] = (uint8_t)lk__random_u64(&r);
        deep[2 * i + 1] = (uint8_t)lk__random_u64(&r);
        want[i] = (uint8_t)((deep[2 * i] * 256 + deep[2 * i + 1]) / 257.0 + 0.5);
    }
    check_png(&(png_kind){.colour_type = PNG_COLOR_TYPE_RGB, .depth = 16}, W, H, deep, 6 * W, want);

    for (int i = 0; i < 3 * N; i++) want[i] = rgb[i / 3];
    check_png(&(png_kind){.colour_type = PNG_COLOR_TYPE_GRAY, .depth = 8}, W, H, rgb, W, want);
    png_color_16 transparent = {.gray = rgb[5]};
    for (int i = 0; i < 3 * N; i++) want[i] = rgb[i / 3] == rgb[5] ? 255 : rgb[i / 3];
    check_png(&(png_kind){.colour_type = PNG_COLOR_TYPE_GRAY, .depth = 8, .transparent = &transparent}, W, H,
              rgb, W, want);
    for (int i = 0; i < N; i++) {
        grey[2 * i] = rgb[i];
        grey[2 * i + 1] = rgba[4 * i + 3];
    }
    for (int i = 0; i < 3 * N; i++) want[i] = over_white(rgb[i / 3], rgba[i / 3 * 4 + 3]);
    check_png(&(png_kind){.colour_type = PNG_COLOR_TYPE_GRAY_ALPHA, .depth = 8}, W, H, grey, 2 * W, want);

    static const png_color palette[4] = {{1, 2, 3}, {200, 100, 50}, {0, 255, 0}, {90, 80, 70}};
    static const uint8_t palette_alpha[4] = {255, 128, 0, 255};
    for (int i = 0; i < 8 * H; i++) bits[i] = (uint8_t)lk__random_u64(&r);
    for (int depth = 1; depth <= 2; depth++) {
        int top = (1 << depth) - 1;
        for (int pass = 0; pass < 3; pass++) {
            for (int i = 0; i < N; i++) {
                int at = i % W * depth, v = bits[i / W * 8 + at / 8] >> (8 - depth - at % 8) & top;
                const uint8_t p[3] = {palette[v].red, palette[v].green, palette[v].blue};
                for (int c = 0; c < 3; c++)
                    want[3 * i + c] = (uint8_t)(pass == 0   ? 255 * v / top
                                                : pass == 1 ? p[c]
                                                            : over_white(p[c], palette_alpha[v]));
            }
            png_kind kind = {.colour_type = pass ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_GRAY,
                             .depth = depth};
            if (pass) kind.palette = palette, kind.palette_size = top + 1;
            if (pass == 2) kind.palette_alpha = palette_alpha;
            check_png(&kind, W, H, bits, 8, want);
        }
    }
}

static void jpeg_of_every_kind(void **state) {
    (void)state;
    lk_image *image = cells("ABC/DEF", 16);
    int w = image->width, h = image->height, n = w * h;
    uint8_t *ink = malloc(4 * (size_t)n);
    assert_non_null(ink);
    jpeg_kind kinds[] = {
        plain_jpeg, plain_jpeg, plain_jpeg, plain_jpeg, {JCS_RGB, JCS_RGB, 3, 1, false, false, false, NULL}};
    kinds[1].progressive = true;
    kinds[2].separate_scans = true;
    kinds[3].subsampling = 2;
    for (int k = 0; k < 5; k++) {
        blob file = make_jpeg(&kinds[k], w, h, image->pixels);
        lk_image *out = decoded(&file);
        if (k != 3) assert_in_range(worst_difference(out, image), 0, 3);
        for (int c = 0; k == 3 && c < 6; c++) { /* subsampled colour runs over at the edges only */
            size_t middle = 3 * (size_t)((c / 3 * 16 + 8) * w + c % 3 * 16 + 8);
            for (size_t i = 0; i < 3; i++) assert_in_range(abs(out->pixels[middle + i] - colour[c][i]), 0, 3);
        }
        lk_image_free(out);
        free(file.bytes);
    }

    /* Ink is light upside down; black stays 0 ink here, so that the colours are exact. */
    const jpeg_kind cmyk[] = {{JCS_CMYK, JCS_CMYK, 4, 1, false, false, false, NULL},
                              {JCS_CMYK, JCS_YCCK, 4, 1, false, false, false, NULL},
                              {JCS_CMYK, JCS_CMYK, 4, 1, false, false, true, NULL}};
    for (int k = 0; k < 3; k++) {
        uint8_t flip = cmyk[k].no_adobe ? 255 : 0;
        for (int i = 0; i < n; i++) {
            for (int c = 0; c < 3; c++) ink[4 * i + c] = image->pixels[3 * i + c] ^ flip;
            ink[4 * i + 3] = 255 ^ flip;
        }
        blob file = make_jpeg(&cmyk[k], w, h, ink);
        lk_image *out = decoded(&file);
        assert_in_range(worst_difference(out, image), 0, 4);
        lk_image_free(out);
        free(file.bytes);
        for (int i = 0; i < n; i++) ink[4 * i + 3] = 100 ^ flip; /* 39 % of the light */
        file = make_jpeg(&cmyk[k], w, h, ink);
        out = decoded(&file);
        for (int i = 0; i < 3 * n; i++)
            assert_in_range(abs(out->pixels[i] - image->pixels[i] * 100 / 255), 0, 5);
        lk_image_free(out);
        free(file.bytes);
    }

    for (int i = 0; i < n; i++) ink[i] = (uint8_t)(i % w * 5);
    blob file =
        make_jpeg(&(jpeg_kind){JCS_GRAYSCALE, JCS_GRAYSCALE, 1, 1, false, false, false, NULL}, w, h, ink);
    lk_image *out = decoded(&file);
    for (int i = 0; i < 3 * n; i++) assert_in_range(abs(out->pixels[i] - ink[i / 3]), 0, 3);
    lk_image_free(out);
    free(file.bytes);
    free(ink);
    lk_image_free(image);
}

static void webp_with_alpha_is_over_white(void **state) {
    (void)state;
    uint8_t rgba[4 * N];
    for (int i = 0; i < N; i++) {
        const uint8_t pixel[4] = {(uint8_t)(i * 3), (uint8_t)(i * 7), (uint8_t)(i * 11), (uint8_t)(1 + i)};
        memcpy(rgba + 4 * i, pixel, 4);
    }
    blob file = make_webp(W, H, rgba, 4, NULL);
    lk_image *out = decoded(&file);
    for (int i = 0; i < 3 * N; i++)
        assert_int_equal(out->pixels[i], over_white(rgba[i / 3 * 4 + i % 3], rgba[i / 3 * 4 + 3]));
    lk_image_free(out);
    free(file.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orientation_is_applied),
        cmocka_unit_test(damaged_exif_is_upright),
        cmocka_unit_test(png_of_every_kind),
        cmocka_unit_test(jpeg_of_every_kind),
        cmocka_unit_test(webp_with_alpha_is_over_white),
    };
    return cmocka_run_group_tests_name("image decode", tests, NULL, NULL);
}
