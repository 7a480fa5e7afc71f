/* test_damage.c: whatever is not a whole photo of bearable size is refused, with a word that tells why. */
#include "image/pictures.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Refused, with the output untouched and a message that names the file and holds `hint`. */
static void refuse(const uint8_t *bytes, size_t size, lk_status status, const char *hint) {
    /* At the very end of a block of its own, so that reading past it is seen. */
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    if (size) memcpy(copy, bytes, size);
    lk_image *out = (lk_image *)copy; /* any value but NULL */
    lk_error err = {LK_OK, ""};
    lk_status got = lk_image_decode(copy, size, "photo-7", &out, &err);
    if (got != status || !strstr(err.message, hint))
        print_message("%zu bytes: %s: %s\n", size, lk_status_text(got), err.message);
    assert_int_equal(got, status);
    assert_int_equal(err.status, status);
    assert_ptr_equal(out, copy);
    assert_non_null(strstr(err.message, hint));
    assert_non_null(strstr(err.message, "photo-7"));
    assert_int_equal(lk_image_decode(copy, size, NULL, &out, NULL), status);
    free(copy);
}

static blob small_file(int format) {
    lk_image *image = cells("ABC/DEF", 16);
    jpeg_kind progressive = plain_jpeg;
    progressive.progressive = true;
    png_kind interlaced = plain_png;
    interlaced.interlaced = true;
    int w = image->width, h = image->height;
    blob block = exif(6, true), file;
    switch (format) {
    case 0: file = make_jpeg(&plain_jpeg, w, h, image->pixels); break;
    case 1: file = make_jpeg(&progressive, w, h, image->pixels); break;
    case 2: file = make_png(&plain_png, w, h, image->pixels, 3 * (size_t)w); break;
    case 3: file = make_png(&interlaced, w, h, image->pixels, 3 * (size_t)w); break;
    case 4: file = make_webp(w, h, image->pixels, 3, NULL); break;
    case 5: file = make_webp(w, h, image->pixels, 3, &block); break;
    default: /* lossy */
        file = (blob){0};
        file.size = WebPEncodeRGB(image->pixels, w, h, 3 * w, 90, &file.bytes);
        break;
    }
    free(block.bytes);
    lk_image_free(image);
    return file;
}
enum { FORMATS = 7 };

static void truncated_files_are_refused(void **state) {
    (void)state;
    for (int format = 0; format < FORMATS; format++) {
        blob file = small_file(format);
        lk_image_free(decoded(&file));
        for (size_t size = 1; size < file.size; size++) refuse(file.bytes, size, LK_FORMAT, "");
        refuse(file.bytes, file.size - 1, LK_FORMAT, "truncated");
        free(file.bytes);
    }
}

static void damaged_files_do_not_crash(void **state) {
    (void)state;
    size_t refused = 0;
    for (int format = 0; format < FORMATS; format++) {
        blob file = small_file(format);
        lk__random r = lk__random_stream(9, (uint64_t)format, 0, 0);
        for (int i = 0; i < 400; i++) {
            uint8_t *copy = malloc(file.size);
            assert_non_null(copy);
            memcpy(copy, file.bytes, file.size);
            for (size_t k = 1 + lk__random_below(&r, 4); k > 0; k--)
                copy[lk__random_below(&r, file.size)] ^= (uint8_t)(1U << lk__random_below(&r, 8));
            lk_image *image = NULL;
            lk_error err = {LK_OK, ""};
            if (lk_image_decode_within(copy, file.size, "test", 1 << 20, &image, &err) == LK_OK) {
                assert_non_null(image);
            } else {
                assert_true(err.message[0] != 0);
                refused++;
            }
            lk_image_free(image);
            free(copy);
        }
        free(file.bytes);
    }
    assert_in_range(refused, 500, 400 * FORMATS); /* the damage is real */
}

static void lost_jpeg_data_is_refused(void **state) {
    (void)state;
    blob file = small_file(0);
    uint8_t *scan = memmem(file.bytes, file.size, "\xFF\xDA", 2);
    assert_non_null(scan);
    blob cut = {0};
    append(&cut, file.bytes, file.size - 2);
    append(&cut, "\xFF\xFE\0\x20half a comm", 15); /* every pixel is there, the file is not */
    refuse(cut.bytes, cut.size, LK_FORMAT, "truncated");
    free(cut.bytes);
    size_t head = (size_t)(scan - file.bytes) + 40, room = file.size - head - 2;
    memcpy(file.bytes + head, "\xFF\xD9", 2); /* the end mark comes early */
    refuse(file.bytes, head + 2, LK_FORMAT, "premature end");
    memset(file.bytes + head, 0xFF, room); /* and no data at all behind it */
    refuse(file.bytes, file.size, LK_FORMAT, "JPEG");
    free(file.bytes);
}

static void junk_of_cameras_is_accepted(void **state) {
    (void)state;
    lk_image *want = cells("ABC/DEF", 16);
    blob file = small_file(0), odd = {0};
    append(&odd, file.bytes, 20);
    append(&odd, "\0\0\0", 3); /* between segments: JFIF's ends at 20 */
    append(&odd, file.bytes + 20, file.size - 22);
    append(&odd, "\0\0\0\0", 4); /* before the end mark */
    append(&odd, "\xFF\xD9trailing bytes", 16);
    lk_image *out = decoded(&odd);
    assert_in_range(worst_difference(out, want), 0, 3);
    lk_image_free(out);
    free(odd.bytes);
    free(file.bytes);
    file = small_file(2);
    append(&file, "trailing bytes", 14);
    out = decoded(&file);
    assert_int_equal(worst_difference(out, want), 0);
    lk_image_free(out);
    free(file.bytes);
    lk_image_free(want);
}

/* Four kilobytes that ask for a thousand passes. */
static void a_jpeg_of_endless_scans_is_refused(void **state) {
    (void)state;
    lk_image *image = cells("A", 8);
    jpeg_kind kind = plain_jpeg;
    kind.separate_scans = true;
    blob file = make_jpeg(&kind, 8, 8, image->pixels), bomb = {0};
    uint8_t *scan = memmem(file.bytes, file.size, "\xFF\xDA", 2);
    assert_non_null(scan);
    size_t head = (size_t)(scan - file.bytes), body = file.size - 2 - head;
    append(&bomb, file.bytes, head);
    for (int i = 0; i < 400; i++) append(&bomb, scan, body);
    append(&bomb, "\xFF\xD9", 2);
    refuse(bomb.bytes, bomb.size, LK_FORMAT, "scans");
    free(bomb.bytes);
    free(file.bytes);
    lk_image_free(image);
}

static uint32_t crc(const uint8_t *bytes, size_t size) {
    uint32_t c = ~0U;
    for (size_t i = 0; i < size; i++) {
        c ^= bytes[i];
        for (int k = 0; k < 8; k++) c = c >> 1 ^ (c & 1 ? 0xEDB88320U : 0);
    }
    return ~c;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
enum { SANITIZED = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) };
#else
enum { SANITIZED = 0 };
#endif

/* Address space for 150 MB more than now: half of what 100 megapixels take. */
static void limit_memory(struct rlimit *before) {
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    char line[128];
    assert_non_null(fgets(line, sizeof line, f));
    pages = strtol(line, NULL, 10);
    fclose(f);
    assert_int_equal(getrlimit(RLIMIT_AS, before), 0);
    struct rlimit now = {(rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (150U << 20), before->rlim_max};
    assert_int_equal(setrlimit(RLIMIT_AS, &now), 0);
}

static void a_hundred_megapixels_are_refused_from_the_header(void **state) {
    (void)state;
    struct rlimit before;
    if (!SANITIZED) limit_memory(&before);
    clock_t start = clock(); /* of this process alone: the machine may be busy */

    blob file = {0}, webp = small_file(5); /* PNG: 10000 x 10000 */
    uint8_t header[17] = {'I', 'H', 'D', 'R', 0, 0, 0x27, 0x10, 0, 0, 0x27, 0x10, 8, 2, 0, 0, 0};
    append(&file, "\x89PNG\r\n\x1A\n\0\0\0\r", 12);
    append(&file, header, 17);
    put(&file, crc(header, 17), 4, true);
    append(&file, "\0\0\0\0IDAT\x35\xAF\x06\x1E", 12);
    refuse(file.bytes, file.size, LK_TOO_LARGE, "10000 x 10000");
    header[4] = 0x7F; /* sides that libpng itself would refuse by default */
    memcpy(file.bytes + 12, header, 17);
    for (int i = 0; i < 4; i++) file.bytes[29 + i] = (uint8_t)(crc(header, 17) >> (24 - 8 * i));
    refuse(file.bytes, file.size, LK_TOO_LARGE, "megapixels");
    free(file.bytes);

    for (int progressive = 0; progressive < 2; progressive++) {
        file = small_file(progressive);
        uint8_t *frame = memmem(file.bytes, file.size, progressive ? "\xFF\xC2" : "\xFF\xC0", 2);
        assert_non_null(frame);
        memcpy(frame + 5, "\x27\x10\x27\x10", 4);
        refuse(file.bytes, file.size, LK_TOO_LARGE, "10000 x 10000");
        memcpy(frame + 5, "\x01\x00\x01\x00", 4); /* small enough, but not what is there */
        refuse(file.bytes, file.size, LK_FORMAT, "truncated");
        free(file.bytes);
    }

    file = (blob){0}; /* WebP: the first bytes of a lossy picture of 16000 x 16000 */
    append(&file, "RIFF\xFF\xFF\x00\x00WEBPVP8 \xF0\xFF\x00\x00\x10\xF0\x0F\x9D\x01\x2A\x80\x3E\x80\x3E", 30);
    static const uint8_t rest[70000];
    append(&file, rest, sizeof rest);
    refuse(file.bytes, file.size, LK_TOO_LARGE, "16000 x 16000");
    free(file.bytes);
    free(webp.bytes);

    assert_true(clock() - start < CLOCKS_PER_SEC);
    if (!SANITIZED) setrlimit(RLIMIT_AS, &before);
}

static void a_png_chunk_takes_no_more_memory_than_the_file_has(void **state) {
    (void)state;
    struct rlimit before;
    blob file = small_file(2), liar = {0};
    append(&liar, file.bytes, 33); /* up to the end of IHDR */
    append(&liar,
           "\x60\0\0\x32"
           "eXIfMM\0*",
           12);
    append(&liar, file.bytes + 33, file.size - 33);
    if (!SANITIZED) limit_memory(&before);
    refuse(liar.bytes, liar.size, LK_FORMAT, "too early");
    if (!SANITIZED) setrlimit(RLIMIT_AS, &before);
    free(liar.bytes);
    free(file.bytes);
}

static void the_limit_is_where_it_says(void **state) {
    (void)state;
    blob file = small_file(2); /* 48 x 32 */
    lk_image *image = NULL;
    assert_int_equal(lk_image_decode_within(file.bytes, file.size, NULL, 48 * 32 - 1, &image, NULL),
                     LK_TOO_LARGE);
    assert_int_equal(lk_image_decode_within(file.bytes, file.size, NULL, 48 * 32, &image, NULL), LK_OK);
    lk_image_free(image);
    free(file.bytes);
}

static void other_files_are_refused(void **state) {
    (void)state;
    static const uint8_t text[] = "Dear diary, this is not a photo.\n", gif[] = "GIF89a\1\0\1\0",
                         wave[] = "RIFF\4\0\0\0WAVE";
    refuse(text, 0, LK_FORMAT, "is empty");
    refuse(text, sizeof text - 1, LK_FORMAT, "is not a PNG, JPEG or WebP image");
    refuse(gif, sizeof gif, LK_FORMAT, "is not a PNG, JPEG or WebP image");
    refuse(wave, sizeof wave - 1, LK_FORMAT, "is not a PNG, JPEG or WebP image");
    refuse((const uint8_t *)"\xFF\xD8\xFF", 3, LK_FORMAT, "JPEG");
    refuse((const uint8_t *)"\x89PNG\r\n\x1A\n", 8, LK_FORMAT, "PNG");
    refuse((const uint8_t *)"RIFF\4\0\0\0WEBP", 12, LK_FORMAT, "WebP");
}

/* ---- files --------------------------------------------------------------------------------------------- */

static void refuse_file(const char *path, lk_status status, const char *hint) {
    lk_error err = {LK_OK, ""};
    lk_image *out = (lk_image *)&err;
    assert_int_equal(lk_image_load(path, &out, &err), status);
    assert_ptr_equal(out, &err);
    if (!strstr(err.message, hint)) print_message("%s\n", err.message);
    assert_non_null(strstr(err.message, hint));
    assert_non_null(strstr(err.message, path));
}

static void write_file(const char *path, const void *bytes, size_t size) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void bad_paths_are_told_apart(void **state) {
    (void)state;
    char folder[256], path[300];
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/lk-decode-XXXXXX", base && *base ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/photo.jpg", folder);
    refuse_file(folder, LK_IO, "folder");
    refuse_file(path, LK_NOT_FOUND, "No such file");
    write_file(path, "", 0);
    refuse_file(path, LK_FORMAT, "is empty");
    write_file(path, "a text", 6);
    refuse_file(path, LK_FORMAT, "is not a PNG, JPEG or WebP image");
    blob file = small_file(2); /* the name says JPEG, the bytes say PNG: the bytes are right */
    write_file(path, file.bytes, file.size);
    lk_image *image = NULL;
    assert_int_equal(lk_image_load(path, &image, NULL), LK_OK);
    lk_image_free(image);
    write_file(path, file.bytes, file.size / 2);
    refuse_file(path, LK_FORMAT, "truncated PNG");
    free(file.bytes);
    assert_int_equal(chmod(path, 0), 0);
    if (geteuid() != 0) refuse_file(path, LK_IO, "Permission denied");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truncated_files_are_refused),
        cmocka_unit_test(damaged_files_do_not_crash),
        cmocka_unit_test(lost_jpeg_data_is_refused),
        cmocka_unit_test(junk_of_cameras_is_accepted),
        cmocka_unit_test(a_jpeg_of_endless_scans_is_refused),
        cmocka_unit_test(a_hundred_megapixels_are_refused_from_the_header),
        cmocka_unit_test(a_png_chunk_takes_no_more_memory_than_the_file_has),
        cmocka_unit_test(the_limit_is_where_it_says),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(bad_paths_are_told_apart),
    };
    return cmocka_run_group_tests_name("image damage", tests, NULL, NULL);
}
