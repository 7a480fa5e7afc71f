/* pairs.c: read a pairs file, the questions of verification: "are a and b the same person?", each in a fold.
 *
 *   fold <tab> same <tab> a <tab> b      one header line with these names, then one pair a line
 *
 * First step of `likeness eval`: each photo named in a pair is embedded once, so paths are interned here and
 * pairs hold indices. LFW's own pairs.txt names people and numbers, and keeps the fold in the order of lines;
 * a path and a fold on every line say the same of any data set. Paths are kept as they stand: what they are
 * relative to is for the caller to know, who opens them. */
#include "base/base.h"
#include "likeness/eval.h"

#include <stdlib.h>
#include <string.h>

static const char HEADER[] = "fold\tsame\ta\tb";
enum { COLUMNS = 4 };
static const size_t SIZE_LIMIT = (size_t)4
                                 << 30; /* ten million pairs with long names take a quarter of this */

/* A slice of the file; lengths, not terminators, so that the text is never copied before it is known to be
 * good. */
typedef struct slice {
    const char *text;
    size_t length;
} slice;

typedef struct reader {
    const char *path; /* for errors */
    const char *at, *end;
    size_t line;
    lk_pair *items;
    size_t count, items_room;
    slice *photos; /* in order of first mention */
    size_t photo_count, photos_room;
    size_t *table; /* open addressing, photo index + 1, 0 is free; a power of two, at most half full */
    size_t table_size;
} reader;

/* ---- interning ---------------------------------------------------------------------------------- */

static size_t hash(slice s) { /* FNV-1a */
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < s.length; i++) h = (h ^ (unsigned char)s.text[i]) * 1099511628211u;
    return (size_t)(h ^ (h >> 32));
}

static size_t *find_slot(const reader *r, slice name) {
    size_t mask = r->table_size - 1, i = hash(name) & mask;
    for (; r->table[i]; i = (i + 1) & mask) {
        const slice *known = &r->photos[r->table[i] - 1];
        if (known->length == name.length && memcmp(known->text, name.text, name.length) == 0) break;
    }
    return &r->table[i];
}

static lk_status grow_table(reader *r, lk_error *err) {
    size_t size = r->table_size ? r->table_size * 2 : 1024;
    size_t *table = calloc(size, sizeof *table);
    if (!table) return lk__fail_memory(err, size * sizeof *table, r->path);
    free(r->table);
    r->table = table;
    r->table_size = size;
    for (size_t i = 0; i < r->photo_count; i++) *find_slot(r, r->photos[i]) = i + 1;
    return LK_OK;
}

static lk_status intern(reader *r, slice name, size_t *index, lk_error *err) {
    if (r->photo_count * 2 >= r->table_size) {
        lk_status status = grow_table(r, err);
        if (status != LK_OK) return status;
    }
    size_t *slot = find_slot(r, name);
    if (*slot == 0) {
        if (r->photo_count == r->photos_room) {
            size_t room = r->photos_room ? r->photos_room * 2 : 1024;
            slice *grown = realloc(r->photos, room * sizeof *grown);
            if (!grown) return lk__fail_memory(err, room * sizeof *grown, r->path);
            r->photos = grown;
            r->photos_room = room;
        }
        r->photos[r->photo_count++] = name;
        *slot = r->photo_count;
    }
    *index = *slot - 1;
    return LK_OK;
}

/* ---- lines -------------------------------------------------------------------------------------- */

/* The next line without its end, be it LF, CRLF or the end of the file. */
static bool next_line(reader *r, slice *line) {
    if (r->at == r->end) return false;
    const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
    const char *stop = newline ? newline : r->end;
    *line = (slice){r->at, (size_t)(stop - r->at)};
    if (line->length > 0 && line->text[line->length - 1] == '\r') line->length--;
    r->at = newline ? newline + 1 : r->end;
    r->line++;
    return true;
}

static bool is_blank(slice line) {
    for (size_t i = 0; i < line.length; i++)
        if (line.text[i] != ' ' && line.text[i] != '\t') return false;
    return true;
}

/* Split at tabs into at most COLUMNS; how many there are, which may be more. */
static size_t split(slice line, slice columns[COLUMNS]) {
    size_t n = 0;
    const char *at = line.text, *end = line.text + line.length;
    for (;;) {
        const char *tab = memchr(at, '\t', (size_t)(end - at));
        const char *stop = tab ? tab : end;
        if (n < COLUMNS) columns[n] = (slice){at, (size_t)(stop - at)};
        n++;
        if (!tab) return n;
        at = tab + 1;
    }
}

static bool parse_fold(slice s, int *fold) {
    enum { MOST_DIGITS = 9 }; /* fits an int */
    if (s.length == 0 || s.length > MOST_DIGITS) return false;
    int value = 0;
    for (size_t i = 0; i < s.length; i++) {
        if (s.text[i] < '0' || s.text[i] > '9') return false;
        value = value * 10 + (s.text[i] - '0');
    }
    *fold = value;
    return true;
}

static lk_status read_pair(reader *r, slice line, lk_pair *pair, lk_error *err) {
    slice column[COLUMNS];
    size_t n = split(line, column);
    if (n != COLUMNS)
        return lk__fail(err, LK_FORMAT,
                        "%s, line %zu: %zu columns, but a pair has 4: fold, same, a, b, with tabs between",
                        r->path, r->line, n);
    if (!parse_fold(column[0], &pair->fold))
        return lk__fail(err, LK_FORMAT, "%s, line %zu: fold is '%.*s', but must be a whole number from 0",
                        r->path, r->line, (int)(column[0].length < 40 ? column[0].length : 40),
                        column[0].text);
    if (column[1].length != 1 || (column[1].text[0] != '0' && column[1].text[0] != '1'))
        return lk__fail(err, LK_FORMAT, "%s, line %zu: same is '%.*s', but must be 1 (one person) or 0 (two)",
                        r->path, r->line, (int)(column[1].length < 40 ? column[1].length : 40),
                        column[1].text);
    pair->same = column[1].text[0] == '1';
    for (int i = 2; i < COLUMNS; i++) {
        if (column[i].length == 0)
            return lk__fail(err, LK_FORMAT, "%s, line %zu: the name of photo %s is empty", r->path, r->line,
                            i == 2 ? "a" : "b");
        lk_status status = intern(r, column[i], i == 2 ? &pair->a : &pair->b, err);
        if (status != LK_OK) return status;
    }
    return LK_OK;
}

static lk_status read_header(reader *r, lk_error *err) {
    static const char BOM[] = "\xEF\xBB\xBF"; /* what some spreadsheets put first */
    if (r->end - r->at >= 3 && memcmp(r->at, BOM, 3) == 0) r->at += 3;
    slice line;
    do
        if (!next_line(r, &line)) return lk__fail(err, LK_EMPTY, "%s: the file is empty", r->path);
    while (is_blank(line));
    if (line.length == sizeof HEADER - 1 && memcmp(line.text, HEADER, line.length) == 0) return LK_OK;
    return lk__fail(err, LK_FORMAT,
                    "%s, line %zu: the first line must be the header: fold, same, a, b, with tabs between",
                    r->path, r->line);
}

static lk_status read_all(reader *r, lk_error *err) {
    lk_status status = read_header(r, err);
    slice line;
    while (status == LK_OK && next_line(r, &line)) {
        if (is_blank(line)) continue;
        if (memchr(line.text, 0, line.length))
            return lk__fail(err, LK_FORMAT, "%s, line %zu: holds a zero byte; is this a text file?", r->path,
                            r->line);
        if (r->count == r->items_room) {
            size_t room = r->items_room ? r->items_room * 2 : 1024;
            lk_pair *grown = realloc(r->items, room * sizeof *grown);
            if (!grown) return lk__fail_memory(err, room * sizeof *grown, r->path);
            r->items = grown;
            r->items_room = room;
        }
        status = read_pair(r, line, &r->items[r->count], err);
        if (status == LK_OK) r->count++;
    }
    if (status == LK_OK && r->count == 0)
        return lk__fail(err, LK_EMPTY, "%s: a header but no pairs", r->path);
    return status;
}

/* ---- public ------------------------------------------------------------------------------------- */

/* Pointers and text in one block: one free undoes it, and millions of names cost no allocation each. */
static char **pack_names(const reader *r, lk_error *err) {
    size_t bytes = r->photo_count * sizeof(char *);
    for (size_t i = 0; i < r->photo_count; i++) bytes += r->photos[i].length + 1;
    char **names = malloc(bytes);
    if (!names) {
        lk__fail_memory(err, bytes, r->path);
        return NULL;
    }
    char *text = (char *)(names + r->photo_count);
    for (size_t i = 0; i < r->photo_count; i++) {
        names[i] = text;
        memcpy(text, r->photos[i].text, r->photos[i].length);
        text[r->photos[i].length] = 0;
        text += r->photos[i].length + 1;
    }
    return names;
}

lk_status lk_pairs_load(const char *path, lk_pairs *out, lk_error *err) {
    uint8_t *bytes = NULL;
    size_t size = 0;
    lk_status status = lk__file_read(path, SIZE_LIMIT, &bytes, &size, err);
    if (status != LK_OK) return status;

    reader r = {.path = path, .at = (const char *)bytes, .end = (const char *)bytes + size};
    status = read_all(&r, err);
    char **names = NULL;
    if (status == LK_OK && !(names = pack_names(&r, err))) status = LK_NO_MEMORY;
    if (status == LK_OK) {
        *out = (lk_pairs){.count = r.count, .photo_count = r.photo_count, .items = r.items, .photos = names};
        r.items = NULL;
    }
    free(r.items);
    free(r.photos);
    free(r.table);
    free(bytes);
    return status;
}

void lk_pairs_free(lk_pairs *pairs) {
    if (!pairs) return;
    free(pairs->items);
    free(pairs->photos);
    *pairs = (lk_pairs){0};
}
