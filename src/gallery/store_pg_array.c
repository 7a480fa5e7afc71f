/* store_pg_array.c: many rows as parameters of one statement: a column is an array in the protocol's binary
 * form (array_send): dimensions, whether there are NULLs, the type; length and first index; then each element
 * with its length. One statement for many rows costs one way to the server and back. */
#include "gallery/store_pg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 20 };

static unsigned char *room_for(lk__pg_array *a, size_t size) {
    if (!a->failed && a->used + size > a->room) {
        size_t room = 2 * (a->used + size);
        unsigned char *grown = realloc(a->bytes, room);
        a->failed = !grown;
        if (grown) {
            a->bytes = grown;
            a->room = room;
        }
    }
    if (a->failed) return NULL;
    a->used += size;
    return a->bytes + a->used - size;
}

static void put32(unsigned char *at, uint32_t number) {
    number = lk__pg_swap32(number);
    memcpy(at, &number, sizeof number);
}

void lk__pg_array_begin(lk__pg_array *a, unsigned type) {
    *a = (lk__pg_array){.bytes = NULL};
    unsigned char *header = room_for(a, HEADER);
    if (header) put32(header + 8, type);
}

void lk__pg_array_bytes(lk__pg_array *a, const void *bytes, size_t size) {
    unsigned char *at = room_for(a, 4 + (bytes ? size : 0));
    a->count++;
    if (!bytes) a->nulls = 1;
    if (!at) return;
    put32(at, bytes ? (uint32_t)size : UINT32_MAX);
    if (bytes && size) memcpy(at + 4, bytes, size);
}

void lk__pg_array_text(lk__pg_array *a, const char *text) {
    lk__pg_array_bytes(a, text, text ? strlen(text) : 0);
}

void lk__pg_array_int(lk__pg_array *a, int64_t number) {
    uint64_t swapped = lk__pg_swap64((uint64_t)number);
    lk__pg_array_bytes(a, &swapped, sizeof swapped);
}

void lk__pg_array_real(lk__pg_array *a, double number) {
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    bits = lk__pg_swap64(bits);
    lk__pg_array_bytes(a, isnan(number) ? NULL : &bits, sizeof bits);
}

/* ---- vectors --------------------------------------------------------------------------------------- */

void lk__pg_vector_write(const float *vector, size_t dim, unsigned char *out) {
    put32(out, (uint32_t)dim << 16);
    for (size_t i = 0; i < dim; i++) {
        uint32_t bits;
        memcpy(&bits, &vector[i], sizeof bits);
        put32(out + 4 + 4 * i, bits);
    }
}

bool lk__pg_vector_read(unsigned char *bytes, size_t size, float **vector, size_t *dim) {
    uint32_t header = 0;
    if (size < 4) return false;
    memcpy(&header, bytes, sizeof header);
    *dim = lk__pg_swap32(header) >> 16;
    if (size != 4 + 4 * *dim) return false;
    for (size_t i = 1; i <= *dim; i++) {
        uint32_t bits;
        memcpy(&bits, bytes + 4 * i, sizeof bits);
        put32(bytes + 4 * i, bits);
    }
    *vector = (float *)(bytes + 4);
    return true;
}

void lk__pg_array_vector(lk__pg_array *a, const float *vector, size_t dim) {
    unsigned char *at = room_for(a, 4 + 4 + 4 * dim);
    a->count++;
    if (!at) return;
    put32(at, (uint32_t)(4 + 4 * dim));
    lk__pg_vector_write(vector, dim, at + 4);
}

/* ---- as parameters --------------------------------------------------------------------------------- */

lk_status lk__pg_arrays_end(const lk__pg *s, lk__pg_array *arrays, int count, lk__pg_values *values,
                            lk_error *err) {
    for (int i = 0; i < count; i++) {
        lk__pg_array *a = &arrays[i];
        if (a->failed) return lk__fail_memory(err, 2 * a->used, s->store.name);
        put32(a->bytes, 1);
        put32(a->bytes + 4, a->nulls);
        put32(a->bytes + 12, a->count);
        put32(a->bytes + 16, 1);
        lk__pg_bytes(values, a->bytes, a->used);
    }
    return LK_OK;
}

void lk__pg_arrays_free(lk__pg_array *arrays, int count) {
    for (int i = 0; i < count; i++) free(arrays[i].bytes);
}
