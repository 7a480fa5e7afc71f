/* store_sqlite_sum.c: likeness_sum(...), by which a row says whether it is as it was written.
 *
 * SQLite finds out that a page was damaged when its structure is; a bit that fell over in a vector or a name
 * it hands out as it is. So rows carry a sum of what they hold, it is compared whenever they are read, and a
 * damaged row is refused and never an answer. SipHash, 64 bits; against chance, not against intent (audit.c
 * is that). */
#include "gallery/store_sqlite.h"

#include <sodium.h>
#include <string.h>

_Static_assert(crypto_shorthash_BYTES == 8 && crypto_shorthash_KEYBYTES == 16, "SipHash-2-4");

/* Each value under the sum of those before it, with its type. */
static void sum_values(sqlite3_context *context, int count, sqlite3_value **values) {
    uint8_t key[crypto_shorthash_KEYBYTES] = "likeness row sum", sum[crypto_shorthash_BYTES] = {0};
    for (int i = 0; i < count; i++) {
        int type = sqlite3_value_type(values[i]);
        sqlite3_int64 whole = sqlite3_value_int64(values[i]);
        double real = sqlite3_value_double(values[i]);
        const void *bytes = type == SQLITE_INTEGER ? &whole
                            : type == SQLITE_FLOAT ? (const void *)&real
                                                   : NULL;
        size_t size = bytes ? 8 : 0;
        if (type == SQLITE_TEXT) bytes = sqlite3_value_text(values[i]);
        if (type == SQLITE_BLOB) bytes = sqlite3_value_blob(values[i]);
        if (type == SQLITE_TEXT || type == SQLITE_BLOB) size = (size_t)sqlite3_value_bytes(values[i]);
        crypto_shorthash(sum, bytes ? bytes : (const void *)"", size, key);
        memcpy(key, sum, sizeof sum);
        key[sizeof sum] = (uint8_t)type;
    }
    sqlite3_int64 result;
    memcpy(&result, sum, sizeof result);
    sqlite3_result_int64(context, result);
}

int lk__sqlite_sum_register(sqlite3 *db) {
    return sqlite3_create_function_v2(db, "likeness_sum", -1,
                                      SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
                                      sum_values, NULL, NULL, NULL);
}
