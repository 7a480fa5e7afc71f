/* Whatever comes over the network: the first byte says which reader gets the rest. */
#include "serve/bundle.h"
#include "serve/server.h"
#include "serve/token.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Content type, a zero byte, body. */
static void multipart(char *text, size_t size) {
    enum { PARTS = 8 };
    serve_part parts[PARTS];
    size_t type = strlen(text), count = 0, touched = 0;
    if (type >= size) return;
    if (serve_multipart_parse(text, (const uint8_t *)text + type + 1, size - type - 1, parts, PARTS, &count,
                              NULL) != LK_OK)
        return;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < parts[i].size; k++) touched += parts[i].bytes[k];
    if (touched == SIZE_MAX) abort();
}

static void bundle(const char *text, size_t size) {
    serve_bundle *b = NULL;
    serve_item item;
    bool end = false;
    if (serve_bundle_open("application/zip", (const uint8_t *)text, size, 1 << 16, 1 << 18, &b, NULL) !=
        LK_OK)
        return;
    for (int i = 0; i < 1000 && !end; i++) {
        lk_error err;
        serve_bundle_next(b, &item, &end, &err);
    }
    serve_bundle_free(b);
}

static void token_file(char *text) {
    serve_token *tokens = NULL;
    size_t count;
    if (serve_tokens_parse("fuzz", text, &tokens, &count, NULL) == LK_OK) free(tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size == 0) return 0;
    char *text = calloc(1, size), args[SERVE_ARGS][SERVE_ARG_BYTES];
    bool other, bad;
    uint64_t whole;
    double real;
    if (!text) return 0;
    memcpy(text, bytes + 1, size - 1);
    switch (*bytes) {
    case 'm': multipart(text, size - 1); break;
    case 'z': bundle(text, size - 1); break;
    case 't': token_file(text); break;
    case 'r': serve_route_find("GET", text, args, &other, &bad); break;
    default:
        if (!serve_text_whole(text, 0, 100, &whole) && !serve_text_real(text, -1, 1, &real))
            serve_text_decode(text);
    }
    free(text);
    return 0;
}
