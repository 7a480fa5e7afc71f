/* store_pg_address.c: the address of a gallery on PostgreSQL:
 *
 *   postgresql://[USER[:PASSWORD]@][HOST[:PORT][,...]]/[DATABASE][?PARAMETER=VALUE&...]
 *
 * It is libpq's own form, so hosts, sockets, TLS, services and password files are as everywhere else, with
 * three parameters of ours, which libpq would refuse: gallery, search and ef_search. Passwords are taken out
 * of what messages show; a message of libpq about a malformed address quotes it, so it is asked again without
 * them. */
#include "gallery/store_pg.h"

#include <stdlib.h>
#include <string.h>

static const char *const schemes[] = {"postgresql://", "postgres://"};

static size_t scheme_of(const char *address) {
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (strncmp(address, schemes[i], strlen(schemes[i])) == 0) return strlen(schemes[i]);
    return 0;
}

bool lk__pg_is_address(const char *address) {
    return scheme_of(address) > 0;
}

static bool is_named(const char *pair, size_t length, const char *name) {
    return length > strlen(name) && strncmp(pair, name, strlen(name)) == 0 && pair[strlen(name)] == '=';
}

static bool is_ours(const char *pair, size_t length) {
    return is_named(pair, length, "gallery") || is_named(pair, length, "search") ||
           is_named(pair, length, "ef_search");
}

static bool is_secret(const char *pair, size_t length) {
    return is_named(pair, length, "password") || is_named(pair, length, "sslpassword");
}

/* Everything but the parameters that are to be left out. `to` has room for all of `from`. */
static void copy_without(const char *from, bool (*left_out)(const char *, size_t), char *to) {
    size_t used = strcspn(from, "?");
    char mark = '?';
    memcpy(to, from, used);
    for (const char *pair = from + used; *pair;) {
        size_t length = strcspn(++pair, "&");
        if (!left_out(pair, length)) {
            to[used] = mark;
            memcpy(to + used + 1, pair, length);
            used += 1 + length;
            mark = '&';
        }
        pair += length;
    }
    to[used] = 0;
}

/* "scheme://user:secret@host" becomes "scheme://user@host". The secret goes up to the last @ before the
 * parameters, or at all: an @, / or ? in a password that was not written as %40, %2F or %3F must not show
 * either. */
static void forget_secret(char *address) {
    char *from = address + scheme_of(address), *end = from + strcspn(from, "?"), *at = NULL;
    for (char *c = from; c < end; c++)
        if (*c == '@') at = c;
    if (!at) at = strrchr(from, '@');
    char *colon = at ? memchr(from, ':', (size_t)(at - from)) : NULL;
    if (colon) memmove(colon, at, strlen(at) + 1);
}

static char *without_secrets(const char *address) {
    char *copy = malloc(strlen(address) + 1);
    if (!copy) return NULL;
    copy_without(address, is_secret, copy);
    forget_secret(copy);
    return copy;
}

static lk_status wrong(const lk__pg_address *a, lk_error *err, const char *what) {
    return lk__fail(err, LK_INVALID, "%s: %s", a->name, what);
}

/* A parameter of ours. */
static lk_status read_own(lk__pg_address *a, const char *pair, size_t length, lk_error *err) {
    char value[64] = "", *end = NULL;
    const char *from = memchr(pair, '=', length);
    size_t size = length - (size_t)(++from - pair);
    if (size < sizeof value) memcpy(value, from, size);
    if (is_named(pair, length, "gallery")) {
        if (!*value || size > LK__PG_NAME || strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789_") != size)
            return wrong(a, err, "gallery= takes 1 to 40 lower-case letters, digits and underscores");
        snprintf(a->schema, sizeof a->schema, "likeness_%s", value);
        return LK_OK;
    }
    if (is_named(pair, length, "search")) {
        static const char *const names[] = {"memory", "exact", "hnsw"};
        for (int i = 0; i < 3; i++)
            if (strcmp(value, names[i]) == 0) {
                a->search = (lk__pg_search)i;
                return LK_OK;
            }
        return wrong(a, err, "search= is one of memory, exact, hnsw");
    }
    long ef = strtol(value, &end, 10);
    if (!*value || *end || ef < 1 || ef > LK__PG_EF_MOST)
        return wrong(a, err, "ef_search= takes a number from 1 to 1000");
    a->ef_search = (int)ef;
    return LK_OK;
}

static lk_status read_parameters(lk__pg_address *a, const char *address, lk_error *err) {
    for (const char *pair = address + strcspn(address, "?"); *pair;) {
        size_t length = strcspn(++pair, "&");
        lk_status status = is_ours(pair, length) ? read_own(a, pair, length, err) : LK_OK;
        if (status != LK_OK) return status;
        pair += length;
    }
    return LK_OK;
}

/* Was a password given as part of the address, and did libpq find it where we did? */
static bool secret_is_misread(const char *uri, const char *shown, const PQconninfoOption *options) {
    const char *at = strchr(uri, '@');
    char *again = at ? strchr(at + 1, '@') : NULL;
    bool found = false;
    for (const PQconninfoOption *o = options; o && o->keyword; o++)
        found = found || (strcmp(o->keyword, "password") == 0 && o->val);
    return (again && again < at + strcspn(at, "/?")) || (!found && strlen(shown) < strlen(uri));
}

/* Is the address one that libpq understands, and as it was meant? Its own words may quote the password. */
static lk_status check(const lk__pg_address *a, lk_error *err) {
    char *why = NULL, *shown = without_secrets(a->uri);
    if (!shown) return lk__fail_memory(err, strlen(a->uri), "the address of a gallery");
    PQconninfoOption *options = PQconninfoParse(a->uri, NULL), *without = PQconninfoParse(shown, &why);
    lk_status status = LK_OK;
    if (!without)
        status = lk__fail(err, LK_INVALID, "%s: is no address of PostgreSQL: %.*s", a->name,
                          why ? (int)strcspn(why, "\n") : 0, why ? why : "");
    else if (!options || secret_is_misread(a->uri, shown, options))
        status = lk__fail(err, LK_INVALID,
                          "%s: the password in the address has characters that must be written as %%XX; or "
                          "keep it in a password file",
                          a->name);
    PQconninfoFree(options);
    PQconninfoFree(without);
    PQfreemem(why);
    free(shown);
    return status;
}

lk_status lk__pg_address_read(const char *address, lk__pg_address *out, lk_error *err) {
    size_t room = strlen(address) + 1;
    *out = (lk__pg_address){
        .uri = malloc(room), .name = without_secrets(address), .ef_search = LK__PG_EF_SEARCH};
    if (!out->uri || !out->name) return lk__fail_memory(err, 2 * room, "the address of a gallery");
    snprintf(out->schema, sizeof out->schema, "likeness");
    copy_without(address, is_ours, out->uri);
    lk_status status = read_parameters(out, address, err);
    return status == LK_OK ? check(out, err) : status;
}

void lk__pg_address_free(lk__pg_address *address) {
    free(address->uri);
    free(address->name);
    *address = (lk__pg_address){.uri = NULL};
}
