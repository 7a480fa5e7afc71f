/* pieces.c: a word's rows: its own, and one for each of its n-grams (Bojanowski et al., "Enriching Word
 * Vectors with Subword Information", 2017), so that what is learned of `teach` and `-ing` is known of
 * `teaching`, which the text hardly has. N-grams are of letters, with < and > for the borders of the word,
 * and share `buckets` rows by their hash (FNV-1a). The whole word between its borders is no n-gram: it has
 * its own row. */
#include "words/words.h"

#include <stdlib.h>
#include <string.h>

size_t lk__ngrams_of(const lk__ngrams *g, const char *word, uint32_t *rows) {
    if (!g->buckets) return 0;
    char bordered[LK__WORD_BYTES + 3];
    size_t start[LK__WORD_BYTES + 3], letters = 0, bytes = 0, n = 0;
    bordered[bytes++] = '<';
    for (const char *c = word; *c && bytes < LK__WORD_BYTES; c++) bordered[bytes++] = *c;
    bordered[bytes++] = '>';
    for (size_t i = 0; i < bytes; i++)
        if (((unsigned char)bordered[i] & 0xC0) != 0x80) start[letters++] = i;
    start[letters] = bytes;
    for (size_t a = 0; a < letters; a++) {
        uint32_t h = 2166136261u;
        for (size_t length = 1; a + length <= letters && length <= (size_t)g->most; length++) {
            for (size_t i = start[a + length - 1]; i < start[a + length]; i++)
                h = (h ^ (unsigned char)bordered[i]) * 16777619u;
            if (length >= (size_t)g->least && length < letters && n + 1 < LK__PIECES_MAX)
                rows[n++] = (uint32_t)(h % g->buckets);
        }
    }
    return n;
}

lk_status lk__pieces_make(const lk__vocabulary *v, const lk__ngrams *g, lk__pieces *out, lk_error *err) {
    lk__pieces p = {.first = malloc((v->count + 1) * sizeof *p.first)};
    uint32_t rows[LK__PIECES_MAX];
    if (!p.first) return lk__fail_memory(err, (v->count + 1) * sizeof *p.first, "the words' n-grams");
    p.first[0] = 0;
    for (size_t i = 0; i < v->count; i++)
        p.first[i + 1] = p.first[i] + 1 + lk__ngrams_of(g, lk__vocabulary_text(v, i), rows);
    p.rows = malloc((p.first[v->count] + 1) * sizeof *p.rows);
    if (!p.rows) {
        size_t wanted = p.first[v->count] * sizeof *p.rows;
        free(p.first);
        return lk__fail_memory(err, wanted, "the words' n-grams");
    }
    for (size_t i = 0; i < v->count; i++) {
        uint32_t *to = p.rows + p.first[i];
        size_t n = lk__ngrams_of(g, lk__vocabulary_text(v, i), to + 1);
        to[0] = (uint32_t)i;
        for (size_t j = 1; j <= n; j++) to[j] += (uint32_t)v->count;
    }
    *out = p;
    return LK_OK;
}

void lk__pieces_free(lk__pieces *p) {
    free(p->first);
    free(p->rows);
    *p = (lk__pieces){0};
}
