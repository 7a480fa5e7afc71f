/* vocabulary.c: different words, and how often each was met. Numbers are dense, 0 .. count - 1, so that they
 * can be rows of a table. */
#include "words/words.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a; fastText hashes its n-grams with it too. */
static uint32_t hash(const char *word, size_t length) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < length; i++) h = (h ^ (unsigned char)word[i]) * 16777619u;
    return h;
}

/* Where the word is in the table, or where it would go. */
static size_t place(const lk__vocabulary *v, const char *word, size_t length) {
    size_t mask = v->table_room - 1, i = hash(word, length) & mask;
    for (; v->table[i] != LK__NO_WORD; i = (i + 1) & mask) {
        const char *there = lk__vocabulary_text(v, v->table[i]);
        if (strncmp(there, word, length) == 0 && !there[length]) break;
    }
    return i;
}

uint32_t lk__vocabulary_find(const lk__vocabulary *v, const char *word, size_t length) {
    return v->table_room ? v->table[place(v, word, length)] : LK__NO_WORD;
}

static void fill_table(lk__vocabulary *v) {
    memset(v->table, 0xFF, v->table_room * sizeof *v->table);
    for (size_t i = 0; i < v->count; i++) {
        const char *word = lk__vocabulary_text(v, i);
        v->table[place(v, word, strlen(word))] = (uint32_t)i;
    }
}

/* Twice the room, of one of the arrays. */
static bool grow(void **array, size_t *room, size_t least, size_t size) {
    size_t wanted = *room * 2 > least ? *room * 2 : least;
    void *grown = wanted > SIZE_MAX / size ? NULL : realloc(*array, wanted * size);
    if (!grown) return false;
    *array = grown;
    *room = wanted;
    return true;
}

static bool make_room(lk__vocabulary *v, size_t length) {
    if (v->bytes_room - v->bytes_used < length + 1 &&
        !grow((void **)&v->bytes, &v->bytes_room, v->bytes_used + length + (1 << 16), 1))
        return false;
    if (v->count == v->room) {
        size_t room = v->room;
        if (!grow((void **)&v->at, &room, 1 << 12, sizeof *v->at) ||
            !grow((void **)&v->met, &v->room, 1 << 12, sizeof *v->met))
            return false;
    }
    if (v->count * 3 >= v->table_room * 2) {
        if (!grow((void **)&v->table, &v->table_room, 1 << 13, sizeof *v->table)) return false;
        fill_table(v);
    }
    return true;
}

lk_status lk__vocabulary_add(lk__vocabulary *v, const char *word, size_t length, uint32_t *number,
                             lk_error *err) {
    if (!make_room(v, length) || v->count >= LK__NO_WORD)
        return lk__fail(err, LK_NO_MEMORY,
                        "no memory for more than %zu different words; a smaller vocabulary (or a "
                        "higher least count) is needed",
                        v->count);
    size_t i = place(v, word, length);
    if (v->table[i] == LK__NO_WORD) {
        v->at[v->count] = v->bytes_used;
        v->met[v->count] = 0;
        memcpy(v->bytes + v->bytes_used, word, length);
        v->bytes[v->bytes_used + length] = 0;
        v->bytes_used += length + 1;
        v->table[i] = (uint32_t)v->count++;
    }
    *number = v->table[i];
    return LK_OK;
}

typedef struct entry {
    const char *word;
    uint64_t met;
    uint32_t number;
} entry;

static int by_met(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->met != y->met) return x->met < y->met ? 1 : -1;
    return strcmp(x->word, y->word);
}

lk_status lk__vocabulary_keep(lk__vocabulary *v, uint64_t least, bool sort, uint32_t *new_number,
                              lk_error *err) {
    size_t n = 0, bytes = 0;
    entry *kept = malloc((v->count + 1) * sizeof *kept);
    char *words = malloc(v->bytes_used + 1);
    if (!kept || !words) {
        free(kept);
        free(words);
        return lk__fail_memory(err, v->count * sizeof *kept, "the vocabulary");
    }
    for (size_t i = 0; i < v->count; i++) {
        new_number[i] = LK__NO_WORD;
        if (v->met[i] >= least) kept[n++] = (entry){lk__vocabulary_text(v, i), v->met[i], (uint32_t)i};
    }
    if (sort) qsort(kept, n, sizeof *kept, by_met);
    for (size_t i = 0; i < n; i++) {
        size_t size = strlen(kept[i].word) + 1;
        memcpy(words + bytes, kept[i].word, size);
        new_number[kept[i].number] = (uint32_t)i;
        v->at[i] = bytes;
        v->met[i] = kept[i].met;
        bytes += size;
    }
    free(kept);
    free(v->bytes);
    v->bytes = words;
    v->bytes_room = v->bytes_used + 1;
    v->bytes_used = bytes;
    v->count = n;
    if (v->table) fill_table(v);
    return LK_OK;
}

void lk__vocabulary_free(lk__vocabulary *v) {
    free(v->bytes);
    free(v->at);
    free(v->met);
    free(v->table);
    *v = (lk__vocabulary){0};
}
