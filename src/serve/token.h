/* token.h: tokens as the server asks after them. */
#ifndef LIKENESS_SERVE_TOKEN_H
#define LIKENESS_SERVE_TOKEN_H

#include "serve.h"

typedef struct serve_tokens serve_tokens;
/* No file yet: no token is needed until there is one. */
lk_status serve_tokens_open(const char *path, serve_tokens **out, lk_error *err);
void serve_tokens_free(serve_tokens *tokens);
/* Whether there is a file, or was one since it was opened: who takes it away opens no door. */
bool serve_tokens_needed(const serve_tokens *tokens);
/* The role of a token, NULL: of who has none. SERVE_NOBODY: nobody has it; SERVE_ADMIN: none is needed. The
 * file is read again when it changed; one that cannot be read any more lets nobody in. Any thread. */
serve_role serve_tokens_role(serve_tokens *tokens, const char *text, char who[SERVE_NAME_BYTES]);

/* The lines of a token file; for the fuzzer too. FORMAT, naming the line. */
typedef struct serve_token {
    char name[SERVE_NAME_BYTES];
    serve_role role;
    unsigned char hash[32];
    char created[32];
} serve_token;
lk_status serve_tokens_parse(const char *path, char *text, serve_token **out, size_t *count, lk_error *err);

#endif
