/* token.c: who may ask, in a file of one line a token:
 *
 *   name <tab> role <tab> SHA-256 of the token, hexadecimal <tab> when it was made
 *
 * A token is 32 random bytes, so a plain hash hides it: there is nothing to guess that a slow one would
 * protect. The file is written beside its place and renamed; the server reads it again when it is another
 * file than it was. */
#include "token.h"

#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILE_LIMIT = 1 << 20 };

static const char *const role_names[] = {
    [SERVE_READ] = "read", [SERVE_ENROLL] = "enroll", [SERVE_ADMIN] = "admin"};

serve_role serve_role_named(const char *name) {
    for (int i = SERVE_READ; i <= SERVE_ADMIN; i++)
        if (strcmp(role_names[i], name) == 0) return (serve_role)i;
    return SERVE_NOBODY;
}

const char *serve_role_name(serve_role role) {
    return role == SERVE_NOBODY ? "none" : role_names[role];
}

/* ---- the file ------------------------------------------------------------------------------------------ */

static bool name_valid(const char *name) {
    size_t size = strlen(name);
    return size > 0 && size < SERVE_NAME_BYTES &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@") == size;
}

static bool line_parse(char *line, serve_token *t) {
    char *role = strchr(line, '\t'), *hash = role ? strchr(role + 1, '\t') : NULL;
    char *created = hash ? strchr(hash + 1, '\t') : NULL;
    if (!created) return false;
    *role++ = *hash++ = *created++ = 0;
    size_t size;
    if (!name_valid(line) || strlen(created) >= sizeof t->created) return false;
    for (const char *c = created; *c; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7E) return false;
    if (strlen(hash) != 2 * sizeof t->hash) return false;
    if (sodium_hex2bin(t->hash, sizeof t->hash, hash, 2 * sizeof t->hash, NULL, &size, NULL) != 0)
        return false;
    if (size != sizeof t->hash) return false;
    t->role = serve_role_named(role);
    snprintf(t->name, sizeof t->name, "%s", line);
    snprintf(t->created, sizeof t->created, "%s", created);
    return t->role != SERVE_NOBODY;
}

lk_status serve_tokens_parse(const char *path, char *text, serve_token **out, size_t *count, lk_error *err) {
    size_t lines = 1, n = 0, number = 0;
    for (const char *c = text; *c; c++) lines += *c == '\n';
    serve_token *tokens = calloc(lines, sizeof *tokens);
    if (!tokens) return serve_fail(err, LK_NO_MEMORY, "no memory for %zu tokens", lines);
    for (char *line = text, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = 0;
        number++;
        if (!*line || *line == '#') continue;
        if (!line_parse(line, &tokens[n++])) {
            free(tokens);
            return serve_fail(err, LK_FORMAT,
                              "%.500s:%zu: is no token: name, role, hash and date are expected", path,
                              number);
        }
    }
    *out = tokens;
    *count = n;
    return LK_OK;
}

static lk_status fail_errno(lk_error *err, const char *verb, const char *path) {
    int code = errno;
    return serve_fail(err, code == ENOENT ? LK_NOT_FOUND : LK_IO, "%.500s: cannot %s: %s", path, verb,
                      strerror(code));
}

static lk_status read_file(const char *path, serve_token **out, size_t *count, struct stat *st,
                           lk_error *err) {
    FILE *file = fopen(path, "re");
    if (!file) return fail_errno(err, "read", path);
    lk_status status = LK_OK;
    char *text = NULL;
    if (fstat(fileno(file), st) != 0)
        status = fail_errno(err, "look at", path);
    else if (st->st_size >= FILE_LIMIT || !S_ISREG(st->st_mode))
        status = serve_fail(err, LK_FORMAT, "%.500s: is no file of tokens", path);
    else if (st->st_mode & (S_IRWXG | S_IRWXO))
        status =
            serve_fail(err, LK_INVALID, "%.500s: others than its owner may open it: chmod 600 first", path);
    else if (!(text = calloc(1, (size_t)st->st_size + 1)))
        status = serve_fail(err, LK_NO_MEMORY, "no memory for tokens");
    else if (fread(text, 1, (size_t)st->st_size, file) != (size_t)st->st_size)
        status = fail_errno(err, "read", path);
    else
        status = serve_tokens_parse(path, text, out, count, err);
    free(text);
    fclose(file);
    return status;
}

/* Beside it, then renamed: a server that reads meanwhile sees all of the old or all of the new. */
static lk_status write_file(const char *path, const serve_token *tokens, size_t count, lk_error *err) {
    char *part = NULL;
    if (asprintf(&part, "%s.new", path) < 0) return serve_fail(err, LK_NO_MEMORY, "no memory for a path");
    lk_status status = LK_OK;
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!file) {
        status = fail_errno(err, "write", part);
        if (fd >= 0) close(fd);
        free(part);
        return status;
    }
    fprintf(file, "# tokens of likeness serve: name, role, SHA-256, made\n");
    for (size_t i = 0; i < count; i++) {
        char hex[2 * sizeof tokens[i].hash + 1];
        sodium_bin2hex(hex, sizeof hex, tokens[i].hash, sizeof tokens[i].hash);
        fprintf(file, "%s\t%s\t%s\t%s\n", tokens[i].name, serve_role_name(tokens[i].role), hex,
                tokens[i].created);
    }
    bool written = fflush(file) == 0 && fsync(fileno(file)) == 0;
    written = fclose(file) == 0 && written;
    if (!written || rename(part, path) != 0) {
        status = fail_errno(err, "write", path);
        unlink(part);
    }
    free(part);
    return status;
}

static lk_status read_or_none(const char *path, serve_token **tokens, size_t *count, lk_error *err) {
    struct stat st;
    *tokens = NULL;
    *count = 0;
    lk_status status = read_file(path, tokens, count, &st, err);
    return status == LK_NOT_FOUND ? LK_OK : status;
}

/* ---- verbs --------------------------------------------------------------------------------------------- */

static void hash_of(const char *text, unsigned char hash[32]) {
    crypto_hash_sha256(hash, (const unsigned char *)text, strlen(text));
}

lk_status serve_token_add(const char *path, const char *name, serve_role role, char text[SERVE_TOKEN_TEXT],
                          lk_error *err) {
    if (!name_valid(name))
        return serve_fail(err, LK_INVALID, "a token's name has 1 to %d letters, digits and -_.@",
                          SERVE_NAME_BYTES - 1);
    if (sodium_init() < 0) return serve_fail(err, LK_INTERNAL, "there are no random numbers");
    serve_token *tokens, *more = NULL;
    size_t count;
    lk_status status = read_or_none(path, &tokens, &count, err);
    for (size_t i = 0; status == LK_OK && i < count; i++)
        if (strcmp(tokens[i].name, name) == 0)
            status =
                serve_fail(err, LK_INVALID, "%.500s: %s has a token already; remove it first", path, name);
    if (status == LK_OK && !(more = realloc(tokens, (count + 1) * sizeof *tokens)))
        status = serve_fail(err, LK_NO_MEMORY, "no memory for tokens");
    if (status != LK_OK) {
        free(tokens);
        return status;
    }
    unsigned char secret[32];
    char coded[sodium_base64_ENCODED_LEN(sizeof secret, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];
    randombytes_buf(secret, sizeof secret);
    sodium_bin2base64(coded, sizeof coded, secret, sizeof secret, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    snprintf(text, SERVE_TOKEN_TEXT, "lk_%s", coded);
    serve_token *t = &more[count];
    *t = (serve_token){.role = role};
    snprintf(t->name, sizeof t->name, "%s", name);
    hash_of(text, t->hash);
    time_t now = time(NULL);
    struct tm utc;
    strftime(t->created, sizeof t->created, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    status = write_file(path, more, count + 1, err);
    free(more);
    return status;
}

lk_status serve_token_remove(const char *path, const char *name, lk_error *err) {
    serve_token *tokens;
    size_t count, kept = 0;
    lk_status status = read_or_none(path, &tokens, &count, err);
    if (status != LK_OK) return status;
    for (size_t i = 0; i < count; i++)
        if (strcmp(tokens[i].name, name) != 0) tokens[kept++] = tokens[i];
    if (kept == count)
        status = serve_fail(err, LK_NOT_FOUND, "%.500s: nobody named '%.64s' has a token", path, name);
    else
        status = write_file(path, tokens, kept, err);
    free(tokens);
    return status;
}

lk_status serve_token_each(const char *path, serve_token_fn fn, void *context, lk_error *err) {
    serve_token *tokens;
    size_t count;
    lk_status status = read_or_none(path, &tokens, &count, err);
    if (status != LK_OK) return status;
    for (size_t i = 0; i < count; i++) fn(context, tokens[i].name, tokens[i].role, tokens[i].created);
    free(tokens);
    return LK_OK;
}

/* ---- the server's -------------------------------------------------------------------------------------- */

struct serve_tokens {
    char *path;
    pthread_mutex_t lock;
    serve_token *items;
    size_t count;
    struct stat seen;
    bool needed;
};

lk_status serve_tokens_open(const char *path, serve_tokens **out, lk_error *err) {
    *out = NULL;
    if (sodium_init() < 0) return serve_fail(err, LK_INTERNAL, "there are no random numbers");
    serve_tokens *t = calloc(1, sizeof *t);
    if (!t || !(t->path = strdup(path))) {
        free(t);
        return serve_fail(err, LK_NO_MEMORY, "no memory for tokens");
    }
    pthread_mutex_init(&t->lock, NULL);
    lk_status status = read_file(path, &t->items, &t->count, &t->seen, err);
    t->needed = status == LK_OK;
    if (status != LK_OK && status != LK_NOT_FOUND) {
        serve_tokens_free(t);
        return status;
    }
    *out = t;
    return LK_OK;
}

void serve_tokens_free(serve_tokens *t) {
    if (!t) return;
    pthread_mutex_destroy(&t->lock);
    free(t->items);
    free(t->path);
    free(t);
}

/* The time of change and not of writing: a file that others may open now is another file too. */
static void follow(serve_tokens *t) {
    struct stat st = {0};
    const struct stat *s = &t->seen;
    if (stat(t->path, &st) != 0 && errno == ENOENT && !t->needed) return;
    t->needed = true;
    if (st.st_ino == s->st_ino && st.st_size == s->st_size && st.st_ctim.tv_sec == s->st_ctim.tv_sec &&
        st.st_ctim.tv_nsec == s->st_ctim.tv_nsec)
        return;
    free(t->items);
    t->items = NULL;
    t->count = 0;
    t->seen = (struct stat){0};
    if (read_file(t->path, &t->items, &t->count, &st, NULL) == LK_OK) t->seen = st;
}

bool serve_tokens_needed(const serve_tokens *t) {
    return t->needed;
}

serve_role serve_tokens_role(serve_tokens *t, const char *text, char who[SERVE_NAME_BYTES]) {
    unsigned char hash[32];
    if (text) hash_of(text, hash);
    pthread_mutex_lock(&t->lock);
    follow(t);
    serve_role role = t->needed ? SERVE_NOBODY : SERVE_ADMIN;
    for (size_t i = 0; text && i < t->count; i++) {
        if (sodium_memcmp(hash, t->items[i].hash, sizeof hash) != 0) continue;
        role = t->items[i].role;
        snprintf(who, SERVE_NAME_BYTES, "%s", t->items[i].name);
    }
    pthread_mutex_unlock(&t->lock);
    return role;
}
