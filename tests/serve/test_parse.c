/* Text from outside: percent-encoding, numbers, multipart bodies, uploads, token files; and the table of
 * routes held against docs/openapi.json. */
#include "serve/bundle.h"
#include "serve/server.h"
#include "serve/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void decodes(void **state) {
    static const struct {
        const char *text, *decoded; /* NULL: refused */
    } cases[] = {{"a", "a"},
                 {"a%20b+c", "a b+c"},
                 {"%2F%2f", "//"},
                 {"%", NULL},
                 {"%4", NULL},
                 {"%zz", NULL},
                 {"%00", NULL},
                 {"a%00b", NULL},
                 {"%c3%a9", "\xc3\xa9"},
                 {"%c3", NULL},
                 {"%ed%a0%80", NULL},
                 {"%c0%af", NULL},
                 {"%f4%90%80%80", NULL},
                 {"", ""}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s", cases[i].text);
        assert_int_equal(serve_text_decode(text), cases[i].decoded != NULL);
        if (cases[i].decoded) assert_string_equal(text, cases[i].decoded);
    }
}

static void numbers(void **state) {
    uint64_t n;
    double x;
    (void)state;
    assert_true(serve_text_whole("18446744073709551615", 0, UINT64_MAX, &n) && n == UINT64_MAX);
    assert_false(serve_text_whole("18446744073709551616", 0, UINT64_MAX, &n));
    assert_false(serve_text_whole("-1", 0, 9, &n) || serve_text_whole(" 1", 0, 9, &n) ||
                 serve_text_whole("", 0, 9, &n));
    assert_true(serve_text_real("-0.5", -1, 1, &x) && x == -0.5);
    assert_false(serve_text_real("nan", -1, 1, &x) || serve_text_real("0x1", -1, 9, &x) ||
                 serve_text_real("1 ", -1, 9, &x) || serve_text_real("1e999", -1, 9, &x));
}

static void media_types(void **state) {
    (void)state;
    assert_true(serve_text_is("Multipart/Form-Data; boundary=x", "multipart/form-data"));
    assert_true(serve_text_is("application/json", "application/json"));
    assert_false(serve_text_is("application/jsonx", "application/json") ||
                 serve_text_is("", "application/json"));
}

static lk_status parse(const char *type, const char *body, serve_part *parts, size_t *count) {
    return serve_multipart_parse(type, (const uint8_t *)body, strlen(body), parts, 4, count, NULL);
}

static void multipart(void **state) {
    static const char body[] =
        "--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"x \\\"y\\\".jpg\"\r\n"
        "Content-Type: image/jpeg\r\n\r\none\r\n-bx\r\n\r\n--b\r\n"
        "content-disposition: form-data; filename=\"a; name=evil\"; name=b\r\n\r\n\r\n--b--\r\n";
    serve_part parts[4];
    size_t count;
    (void)state;
    assert_int_equal(parse("multipart/form-data; boundary=\"b\"", body, parts, &count), LK_OK);
    assert_int_equal(count, 2);
    assert_string_equal(parts[0].name, "a");
    assert_string_equal(parts[0].file, "x \"y\".jpg");
    assert_int_equal(parts[0].size, strlen("one\r\n-bx\r\n"));
    assert_string_equal(parts[1].name, "b");
    assert_string_equal(parts[1].file, "a; name=evil");
    assert_int_equal(parts[1].size, 0);
}

/* Cut anywhere, a body is refused and nothing beyond it is read (the sanitizer sees to that). */
static void multipart_cut(void **state) {
    static const char whole[] = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--b--";
    serve_part parts[4];
    size_t count;
    (void)state;
    for (size_t size = 0; size < sizeof whole - 1; size++) {
        uint8_t *copy = malloc(size + 1);
        memcpy(copy, whole, size);
        uint8_t *exact = realloc(copy, size ? size : 1);
        assert_int_not_equal(
            serve_multipart_parse("multipart/form-data; boundary=b", exact, size, parts, 4, &count, NULL),
            LK_OK);
        free(exact);
    }
    assert_int_equal(parse("multipart/form-data; boundary=b", whole, parts, &count), LK_OK);
    assert_int_not_equal(parse("multipart/form-data", whole, parts, &count), LK_OK);
}

static void tokens(void **state) {
    static const char good[] =
        "# made\nann\tadmin\t0000000000000000000000000000000000000000000000000000000000000001\t2026\n";
    static const char *const bad[] = {
        "ann\tadmin\t00\t2026\n",
        "ann\troot\t0000000000000000000000000000000000000000000000000000000000000001\t2026\n",
        "a b\tread\t0000000000000000000000000000000000000000000000000000000000000001\t2026\n",
        "ann\tread\t000000000000000000000000000000000000000000000000000000000000000g\t2026\n",
        "ann\n",
        "ann\tread\n"};
    serve_token *list;
    size_t count;
    (void)state;
    char *text = strdup(good);
    assert_int_equal(serve_tokens_parse("f", text, &list, &count, NULL), LK_OK);
    assert_int_equal(count, 1);
    assert_int_equal(list[0].role, SERVE_ADMIN);
    assert_int_equal(list[0].hash[31], 1);
    free(list);
    free(text);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        text = strdup(bad[i]);
        assert_int_equal(serve_tokens_parse("f", text, &list, &count, NULL), LK_FORMAT);
        free(text);
    }
}

/* Every route is described, and nothing else is; a body and a token are asked for where the description says
 * so. */
static void description(void **state) {
    const serve_file *file = serve_files;
    size_t described = 0;
    const char *path, *method;
    json_t *item, *operation;
    (void)state;
    while (strcmp(file->path, "/openapi.json") != 0) file++;
    json_t *spec = json_loadb((const char *)file->bytes, file->size, 0, NULL),
           *paths = json_object_get(spec, "paths");
    json_object_foreach(paths, path, item) json_object_foreach(item, method, operation) described++;
    assert_int_equal(described, serve_route_count);
    for (size_t i = 0; i < serve_route_count; i++) {
        const serve_route *r = &serve_routes[i];
        char lower[16] = "";
        for (size_t k = 0; r->method[k]; k++) lower[k] = (char)(r->method[k] | 0x20);
        operation = json_object_get(json_object_get(paths, r->path), lower);
        if (!operation) fail_msg("%s %s is not described", r->method, r->path);
        assert_int_equal(json_object_get(operation, "requestBody") != NULL, (r->flags & SERVE_BODY) != 0);
        char role[64];
        snprintf(role, sizeof role, "Role: %s.", serve_role_name(r->role));
        const char *told = json_string_value(json_object_get(operation, "description"));
        assert_string_equal(told, r->flags & SERVE_OPEN ? "Open to all." : role);
        assert_true(!(r->flags & SERVE_BODY) ||
                    (r->flags & SERVE_WRITE)); /* what takes a body is not for other sites */
    }
    json_decref(spec);
}

static void routes(void **state) {
    char args[SERVE_ARGS][SERVE_ARG_BYTES];
    bool other, bad;
    (void)state;
    const serve_route *r = serve_route_find("PATCH", "/v1/people/a%2Fb%20c", args, &other, &bad);
    assert_non_null(r);
    assert_string_equal(args[0], "a/b c");
    assert_false(other || bad);
    assert_null(serve_route_find("PUT", "/v1/people", args, &other, &bad));
    assert_true(other);
    assert_null(serve_route_find("GET", "/v1/people/%ff", args, &other, &bad));
    assert_true(bad);
    assert_null(serve_route_find("GET", "/v1/people/", args, &other, &bad));
    assert_null(serve_route_find("GET", "/v1/people/a/b", args, &other, &bad));
    assert_false(other || bad);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes),     cmocka_unit_test(numbers),       cmocka_unit_test(media_types),
        cmocka_unit_test(multipart),   cmocka_unit_test(multipart_cut), cmocka_unit_test(tokens),
        cmocka_unit_test(description), cmocka_unit_test(routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
