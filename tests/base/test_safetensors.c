/* test_safetensors.c: what was written comes back; what is damaged is refused; a failed write loses nothing.
 */
#include "base/safetensors.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[256];

static int make_folder(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/lk-safetensors-XXXXXX", base && *base ? base : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

/* Last: no test left anything behind, a temporary file say. (No teardown: cmocka lets a failed one pass.) */
static void test_nothing_left(void **state) {
    (void)state;
    assert_int_equal(rmdir(folder), 0);
}

static const char *in_folder(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Parse header + data given separately. */
static lk_status parse(const char *header, size_t header_size, const void *data, size_t data_size,
                       lk__tensors **out, lk_error *err) {
    uint8_t *bytes = malloc(8 + header_size + data_size + 1);
    assert_non_null(bytes);
    uint64_t length = header_size;
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, header_size);
    if (data_size) memcpy(bytes + 8 + header_size, data, data_size);
    return lk__tensors_parse(bytes, 8 + header_size + data_size, "test.safetensors", out, err);
}

/* Refused as FORMAT with the output untouched and a message that names the file and holds `hint`. */
static void refuse(const char *header, size_t data_size, const char *hint) {
    uint8_t data[64] = {0};
    lk__tensors *t = (lk__tensors *)&data; /* any value but NULL */
    lk_error err = {LK_OK, ""};
    lk_status status = parse(header, strlen(header), data, data_size, &t, &err);
    if (status != LK_FORMAT || !strstr(err.message, hint))
        print_message("%s\n  -> %s\n", header, err.message);
    assert_int_equal(status, LK_FORMAT);
    assert_int_equal(err.status, LK_FORMAT);
    assert_ptr_equal(t, (lk__tensors *)&data);
    assert_non_null(strstr(err.message, "test.safetensors"));
    assert_non_null(strstr(err.message, hint));
}

static void accept(const char *header, size_t data_size) {
    uint8_t data[64] = {0};
    lk__tensors *t = NULL;
    lk_error err = {LK_OK, ""};
    if (parse(header, strlen(header), data, data_size, &t, &err) != LK_OK)
        fail_msg("%s: %s", header, err.message);
    lk__tensors_free(t);
}

/* ---- writing and reading back -------------------------------------------------------------------- */

static const float weight[6] = {1.0f, -2.0f, 3.5f, 0.0f, 1e-30f, -1e30f};
static const uint8_t odd[3] = {7, 8, 255};
static const int64_t wide[1] = {INT64_MIN};
static const lk__tensor tensors[] = {
    {"w", LK__F32, 2, {2, 3}, weight, sizeof weight},
    {"odd", LK__U8, 1, {3}, odd, sizeof odd},
    {"step", LK__I64, 0, {0}, wide, sizeof wide}, /* a scalar, unaligned in the file */
    {"none", LK__BF16, 3, {4, 0, 2}, NULL, 0},
};
static const lk__meta meta[] = {{"zeta", "first"}, {"net", "conv \"3\"\n\xc3\xa9"}};

static void check_round_trip(const lk__tensors *t) {
    assert_int_equal(lk__tensors_count(t), 4);
    for (size_t i = 0; i < 4; i++) {
        const lk__tensor *got = lk__tensors_at(t, i), *want = &tensors[i];
        assert_string_equal(got->name, want->name);
        assert_int_equal(got->dtype, want->dtype);
        assert_int_equal(got->dims, want->dims);
        assert_memory_equal(got->shape, want->shape, (size_t)want->dims * sizeof want->shape[0]);
        assert_int_equal(got->bytes, want->bytes);
        if (want->bytes) assert_memory_equal(got->data, want->data, want->bytes);
        assert_int_equal((uintptr_t)got->data % 8, 0);
        assert_ptr_equal(lk__tensors_find(t, want->name), got);
    }
    assert_null(lk__tensors_at(t, 4));
    assert_null(lk__tensors_find(t, "absent"));
    assert_null(lk__tensors_find(t, "__metadata__"));
    assert_int_equal(lk__tensors_meta_count(t), 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(lk__tensors_meta_at(t, i).key, meta[i].key);
        assert_string_equal(lk__tensors_meta_at(t, i).value, meta[i].value);
        assert_string_equal(lk__tensors_meta(t, meta[i].key), meta[i].value);
    }
    assert_null(lk__tensors_meta(t, "absent"));
    assert_null(lk__tensors_meta_at(t, 2).key);
}

static void test_round_trip(void **state) {
    (void)state;
    lk_error err;
    uint8_t *first = NULL, *second = NULL;
    size_t size = 0, again = 0;
    const char *path = in_folder("m.safetensors");
    assert_int_equal(lk__tensors_write(path, tensors, 4, meta, 2, &err), LK_OK);
    lk__tensors *t = NULL;
    assert_int_equal(lk__tensors_read(path, &t, &err), LK_OK);
    check_round_trip(t);
    lk__tensors_free(t);
    assert_int_equal(lk__file_read(path, 1 << 20, &first, &size, &err), LK_OK);
    assert_int_equal(lk__tensors_write(path, tensors, 4, meta, 2, &err), LK_OK);
    assert_int_equal(lk__file_read(path, 1 << 20, &second, &again, &err), LK_OK);
    assert_int_equal(size, again);
    assert_memory_equal(first, second, size);
    free(first);
    free(second);
    unlink(path);
}

/* The file as https://github.com/huggingface/safetensors describes it, written out by hand. */
static void test_bytes(void **state) {
    (void)state;
    static const char header[] = "{\"__metadata__\":{\"k\":\"v\"},"
                                 "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                                 "\"b\":{\"dtype\":\"I8\",\"shape\":[],\"data_offsets\":[8,9]}}      ";
    static const uint8_t data[] = {0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0xfb}; /* 1.0f, -2.0f, -5 */
    assert_int_equal((sizeof header - 1) % 8, 0);
    const float a[2] = {1.0f, -2.0f};
    const int8_t b = -5;
    const lk__tensor list[] = {{"a", LK__F32, 1, {2}, a, 8}, {"b", LK__I8, 0, {0}, &b, 1}};
    const lk__meta kv = {"k", "v"};
    lk_error err;
    const char *path = in_folder("bytes.safetensors");
    assert_int_equal(lk__tensors_write(path, list, 2, &kv, 1, &err), LK_OK);
    uint8_t *bytes = NULL;
    size_t size = 0;
    assert_int_equal(lk__file_read(path, 4096, &bytes, &size, &err), LK_OK);
    const uint8_t length[8] = {sizeof header - 1};
    assert_int_equal(size, 8 + sizeof header - 1 + sizeof data);
    assert_memory_equal(bytes, length, 8);
    assert_memory_equal(bytes + 8, header, sizeof header - 1);
    assert_memory_equal(bytes + 8 + sizeof header - 1, data, sizeof data);
    free(bytes);
    unlink(path);
}

static void test_write_refuses(void **state) {
    (void)state;
    const char *path = in_folder("refused.safetensors");
    const float x[2] = {0, 0};
    const lk__tensor twice[] = {{"a", LK__F32, 1, {1}, x, 4}, {"a", LK__F32, 1, {1}, x, 4}};
    const lk__tensor single[] = {
        {"a", LK__F32, 1, {2}, x, 4},            /* bytes disagree */
        {"a", LK__F32, 1, {-1}, x, 4},           /* negative */
        {"a", LK__F32, 2, {1ll << 62, 8}, x, 0}, /* overflow to 0 */
        {"a", LK__F32, 9, {1}, x, 4},            /* too many dimensions */
        {"a", (lk__dtype)17, 1, {1}, x, 4},
        {"__metadata__", LK__F32, 1, {1}, x, 4},
        {"\xff", LK__F32, 1, {1}, x, 4}, /* not UTF-8 */
    };
    lk_error err;
    assert_int_equal(lk__tensors_write(path, twice, 2, NULL, 0, &err), LK_INVALID);
    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++)
        assert_int_equal(lk__tensors_write(path, &single[i], 1, NULL, 0, &err), LK_INVALID);
    const lk__meta bad[][2] = {
        {{"k", "v"}, {"k", "w"}}, {{"\xfe", "v"}, {"k", "w"}}, {{"j", "\xc3("}, {"k", "w"}}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(lk__tensors_write(path, twice, 1, bad[i], 2, &err), LK_INVALID);
    const lk__tensor huge = {"a", LK__U8, 1, {5ll << 30}, x, (size_t)5 << 30};
    assert_int_equal(lk__tensors_write(path, &huge, 1, NULL, 0, &err), LK_TOO_LARGE);
    assert_int_equal(access(path, F_OK), -1);
}

/* ---- hostile files ------------------------------------------------------------------------------- */

/* From the disk as from memory, and bit by bit as in one go. */
static void test_map_and_begin(void **state) {
    (void)state;
    lk_error err;
    const char *path = in_folder("map.safetensors");
    uint8_t *whole = NULL, *pieces = NULL;
    size_t size = 0, again = 0;
    lk__tensors *t = NULL;
    lk__writer *writer = NULL;
    assert_int_equal(lk__tensors_write(path, tensors, 4, meta, 2, &err), LK_OK);
    assert_int_equal(lk__file_read(path, 1 << 20, &whole, &size, &err), LK_OK);
    assert_int_equal(lk__tensors_map(path, &t, &err), LK_OK);
    check_round_trip(t);
    lk__tensors_free(t);
    assert_int_equal(lk__tensors_begin(path, tensors, 4, meta, 2, &writer, &err), LK_OK);
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < tensors[i].bytes; k++)
            assert_int_equal(lk__writer_write(writer, (const char *)tensors[i].data + k, 1, &err), LK_OK);
    assert_int_equal(lk__writer_commit(writer, &err), LK_OK);
    assert_int_equal(lk__file_read(path, 1 << 20, &pieces, &again, &err), LK_OK);
    assert_int_equal(size, again);
    assert_memory_equal(whole, pieces, size);
    /* Data that is not aligned in the file is moved, out of the mapping. */
    static const char header[] = "{\"a\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}";
    uint64_t length = sizeof header - 1, value = 77;
    assert_true(length % 8 != 0);
    assert_int_equal(lk__writer_open(path, &writer, &err), LK_OK);
    assert_int_equal(lk__writer_write(writer, &length, 8, &err), LK_OK);
    assert_int_equal(lk__writer_write(writer, header, (size_t)length, &err), LK_OK);
    assert_int_equal(lk__writer_write(writer, &value, 8, &err), LK_OK);
    assert_int_equal(lk__writer_commit(writer, &err), LK_OK);
    assert_int_equal(lk__tensors_map(path, &t, &err), LK_OK);
    assert_int_equal((uintptr_t)lk__tensors_at(t, 0)->data % 8, 0);
    assert_memory_equal(lk__tensors_at(t, 0)->data, &value, 8);
    lk__tensors_free(t);
    for (int cut = 0; cut < 12; cut += 4) { /* nothing, a part of the length, a part of the header */
        assert_int_equal(truncate(path, cut), 0);
        assert_int_equal(lk__tensors_map(path, &t, &err), LK_FORMAT);
        assert_non_null(strstr(err.message, path));
    }
    unlink(path);
    assert_int_equal(lk__tensors_map(path, &t, &err), LK_NOT_FOUND);
    assert_int_equal(lk__tensors_map(folder, &t, &err), LK_FORMAT);
    free(whole);
    free(pieces);
}

static void test_truncated(void **state) {
    (void)state;
    lk_error err;
    const char *path = in_folder("cut.safetensors");
    uint8_t *whole = NULL;
    size_t size = 0;
    assert_int_equal(lk__tensors_write(path, tensors, 4, meta, 2, &err), LK_OK);
    assert_int_equal(lk__file_read(path, 1 << 20, &whole, &size, &err), LK_OK);
    for (size_t cut = 0; cut <= size; cut++) {
        uint8_t *bytes = malloc(cut ? cut : 1); /* exactly as large, so that ASan sees a read past the end */
        assert_non_null(bytes);
        memcpy(bytes, whole, cut);
        lk__tensors *t = NULL;
        lk_status status = lk__tensors_parse(bytes, cut, "cut", &t, &err);
        assert_int_equal(status, cut == size ? LK_OK : LK_FORMAT);
        assert_true((t != NULL) == (cut == size));
        lk__tensors_free(t);
    }
    /* Every byte changed in every bit: accepted or refused, never out of bounds. */
    for (size_t at = 0; at < size; at++)
        for (int bit = 0; bit < 8; bit++) {
            uint8_t *bytes = malloc(size);
            assert_non_null(bytes);
            memcpy(bytes, whole, size);
            bytes[at] ^= (uint8_t)(1 << bit);
            lk__tensors *t = NULL;
            lk_status status = lk__tensors_parse(bytes, size, "flip", &t, &err);
            assert_true(status == LK_OK || status == LK_FORMAT);
            lk__tensors_free(t);
        }
    free(whole);
    unlink(path);
}

static void test_lengths(void **state) {
    (void)state;
    const uint64_t lengths[] = {0, 1, 3, 17, 1000, UINT32_MAX, INT64_MAX, UINT64_MAX - 7, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint8_t *bytes = calloc(1, 24);
        assert_non_null(bytes);
        memcpy(bytes, &lengths[i], 8);
        memcpy(bytes + 8, "{}              ", 16);
        lk__tensors *t = NULL;
        lk_error err;
        /* 3: "{} " leaves 13 bytes that belong to no tensor. */
        assert_int_equal(lk__tensors_parse(bytes, 24, NULL, &t, &err), LK_FORMAT);
        assert_true((strstr(err.message, "is not a safetensors file") != NULL) ==
                    (lengths[i] < 2 || lengths[i] > 16));
    }
    size_t size = 8 + (17u << 20); /* a header over the limit though the file has it */
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    uint64_t length = size - 8;
    memset(bytes, ' ', size);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, "{}", 2);
    lk__tensors *t = NULL;
    lk_error err;
    assert_int_equal(lk__tensors_parse(bytes, size, "big", &t, &err), LK_FORMAT);
    assert_non_null(strstr(err.message, "limit"));
}

#define TENSOR(dtype, shape, offsets)                                                                        \
    "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void test_accepted(void **state) {
    (void)state;
    accept("{}", 0);
    accept("{}     \n", 0);
    accept("{\"__metadata__\":{}}", 0);
    accept(TENSOR("\"F32\"", "[2]", "[0,8]"), 8);
    accept(TENSOR("\"F16\"", "[1,2,1,1,1,1,1,1]", "[0,4]"), 4);
    accept(TENSOR("\"F32\"", "[0]", "[0,0]"), 0);
    accept("{\"a\":{\"data_offsets\":[4,8],\"shape\":[4],\"dtype\":\"U8\"}," /* out of order is allowed */
           "\"b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
           "\"c\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[4,4]}}",
           8);
}

static void test_hostile_fields(void **state) {
    (void)state;
    static const char *const shapes[] = {"[-2]",
                                         "[2.0]",
                                         "[2e0]",
                                         "[\"2\"]",
                                         "[null]",
                                         "[true]",
                                         "[[2]]",
                                         "{}",
                                         "2",
                                         "null",
                                         "\"\"",
                                         "[4611686018427387904,4]",
                                         "[9223372036854775807,9223372036854775807]",
                                         "[-1,-2]",
                                         "[1,1,1,1,1,1,1,1,2]",
                                         "[0,-1]",
                                         "[-0.0]"};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        char header[256];
        snprintf(header, sizeof header, TENSOR("\"F32\"", "%s", "[0,8]"), shapes[i]);
        refuse(header, 8, "not a list of up to 8");
    }
    static const char *const offsets[] = {"[0]",
                                          "[0,8,8]",
                                          "[]",
                                          "{}",
                                          "8",
                                          "null",
                                          "[0.0,8]",
                                          "[0,8.0]",
                                          "[\"0\",8]",
                                          "[null,8]",
                                          "[0,true]",
                                          "[-8,0]",
                                          "[8,0]",
                                          "[0,7]",
                                          "[0,4]",
                                          "[0,16]",
                                          "[8,16]",
                                          "[-9223372036854775808,8]",
                                          "[0,9223372036854775807]",
                                          "[9223372036854775800,9223372036854775807]"};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        char header[256];
        snprintf(header, sizeof header, TENSOR("\"F32\"", "[2]", "%s"), offsets[i]);
        refuse(header, 8, "\"a\"");
    }
    refuse(TENSOR("\"U8\"", "[9223372036854775807,2]", "[2,0]"), 2,
           "do not lie in"); /* 0 - 2 wraps to the product */
    static const char *const types[] = {"\"F8\"", "\"f32\"", "\"\"", "4", "null", "[\"F32\"]", "\"F32 \""};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char header[256];
        snprintf(header, sizeof header, TENSOR("%s", "[2]", "[0,8]"), types[i]);
        refuse(header, 8, "dtype");
    }
}

static void test_hostile_layout(void **state) {
    (void)state;
    refuse(TENSOR("\"U8\"", "[4]", "[1,5]"), 5, "hole");
    refuse(TENSOR("\"U8\"", "[4]", "[0,4]"), 5, "1 bytes after");
    refuse("{}", 3, "3 bytes after");
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
           "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[3,7]}}",
           7, "overlap");
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
           "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
           4, "overlap");
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
           "\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]}}",
           4, "overlap"); /* an empty tensor inside another */
}

static void test_hostile_json(void **state) {
    (void)state;
    static const char *const broken[] = {"{}}",
                                         "{},",
                                         "{\"a\"}",
                                         "{\"a\":}",
                                         "{\"a\":{}",
                                         "{\"a\":NaN}",
                                         "{\"a\":Infinity}",
                                         "{a:1}",
                                         "{'a':1}",
                                         "{\"a\":01}",
                                         "{\"a\":1e999}",
                                         "{\"a\":99999999999999999999}",
                                         "{\"\\u0000\":{}}",
                                         "{\"\\ud800\":{}}",
                                         "{\"\xff\":{}}",
                                         "{\"\xc0\x80\":{}}",
                                         "{\"a\":1}//",
                                         "{\"a\":{},\"a\":{}}",
                                         "{\"a\":\"\t\"}",
                                         "{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}",
                                         "{\"__metadata__\":{},\"__metadata__\":{}}"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) refuse(broken[i], 0, "JSON");
    static const char *const wrong[] = {"[]", "null", "1", "  {}", "\"a\"", "\xef\xbb\xbf{}"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) refuse(wrong[i], 0, "not a safetensors file");
    refuse("{\"a\":{}}", 0, "described by");
    refuse("{\"a\":[]}", 0, "described by");
    refuse("{\"a\":null}", 0, "described by");
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"more\":1}}", 0, "described by");
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"offsets\":[0,0]}}", 0, "data_offsets");
    refuse("{\"__metadata__\":{\"k\":1}}", 0, "not a string");
    refuse("{\"__metadata__\":[\"k\"]}", 0, "not a JSON object");
    refuse("{\"__metadata__\":null}", 0, "not a JSON object");

    enum { DEPTH = 100000 };
    char *deep = malloc(2 * DEPTH + 8);
    assert_non_null(deep);
    memcpy(deep, "{\"a\":", 5);
    memset(deep + 5, '[', DEPTH);
    memset(deep + 5 + DEPTH, ']', DEPTH);
    memcpy(deep + 5 + 2 * DEPTH, "}", 2);
    refuse(deep, 0, "JSON");
    free(deep);
}

static void test_missing_and_text(void **state) {
    (void)state;
    lk__tensors *t = NULL;
    lk_error err;
    assert_int_equal(lk__tensors_read(in_folder("absent"), &t, &err), LK_NOT_FOUND);
    assert_int_equal(lk__tensors_read(folder, &t, &err), LK_IO);
    const char *path = in_folder("text");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(lk__tensors_read(path, &t, &err), LK_FORMAT); /* no byte at all */
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("this is a shopping list and no model\n", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(lk__tensors_read(path, &t, &err), LK_FORMAT);
    assert_non_null(strstr(err.message, path));
    assert_null(t);
    unlink(path);
}

/* ---- a write that fails loses nothing ------------------------------------------------------------- */

static void check_old_file(const char *path) {
    lk__tensors *t = NULL;
    lk_error err;
    assert_int_equal(lk__tensors_read(path, &t, &err), LK_OK);
    check_round_trip(t);
    lk__tensors_free(t);
}

static void test_full_disk(void **state) {
    (void)state;
    const char *path = in_folder("kept.safetensors");
    lk_error err;
    assert_int_equal(lk__tensors_write(path, tensors, 4, meta, 2, &err), LK_OK);
    enum { LARGE = 1 << 20 };
    uint8_t *zeros = calloc(1, LARGE);
    assert_non_null(zeros);
    const lk__tensor large = {"large", LK__U8, 1, {LARGE}, zeros, LARGE};
    const rlim_t limits[] = {0, 4, 8, 60, 4096, LARGE}; /* it stops in the length, the header, the data */
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct rlimit old, small;
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
        small = (struct rlimit){limits[i], old.rlim_max};
        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        lk_status status = lk__tensors_write(path, &large, 1, NULL, 0, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        signal(SIGXFSZ, SIG_DFL);
        assert_int_equal(status, LK_IO);
        assert_non_null(strstr(err.message, path));
        check_old_file(path);
    }
    free(zeros);
    unlink(path);
}

static void test_forbidden_folder(void **state) {
    (void)state;
    lk_error err;
    assert_int_equal(lk__tensors_write(in_folder("no/such/folder"), tensors, 4, meta, 2, &err), LK_NOT_FOUND);
    const char *path = in_folder("kept.safetensors");
    assert_int_equal(lk__tensors_write(path, tensors, 4, meta, 2, &err), LK_OK);
    assert_int_equal(chmod(folder, 0555), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) { /* root may write anywhere: become nobody */
        if (getuid() == 0 && setuid(65534) != 0) _exit(77);
        _exit(lk__tensors_write(path, tensors, 1, NULL, 0, &err) == LK_IO ? 0 : 1);
    }
    int code = 0;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_true(WIFEXITED(code));
    assert_true(WEXITSTATUS(code) == 0 || WEXITSTATUS(code) == 77);
    check_old_file(path);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_map_and_begin),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_write_refuses),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_hostile_fields),
        cmocka_unit_test(test_hostile_layout),
        cmocka_unit_test(test_hostile_json),
        cmocka_unit_test(test_missing_and_text),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_forbidden_folder),
        cmocka_unit_test(test_nothing_left),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
