/* output.c: everything the program prints or writes: messages, tables, TSV, JSON, result files.
 * Names of files and people come from outside; none of them reaches a terminal unescaped. */
#include "cli.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- memory ------------------------------------------------------------------------------------- */

_Noreturn static void no_memory(void) {
    fputs("likeness: out of memory\n", stderr);
    exit(CLI_SYSTEM);
}

void *cli_alloc(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory) no_memory();
    return memory;
}

void *cli_grow(void *array, size_t count, size_t size) {
    /* Callers add one at a time: take memory only when count passes a power of two. */
    if (array && (count - 1) & (count - 2)) return array;
    size_t capacity = 1;
    while (capacity < count) capacity *= 2;
    void *memory = capacity > SIZE_MAX / size ? NULL : realloc(array, capacity * size);
    if (!memory) no_memory();
    return memory;
}

LK_PRINTF(1, 0) static char *format_list(const char *format, va_list args) {
    char *text;
    if (vasprintf(&text, format, args) < 0) no_memory();
    return text;
}

char *cli_format(const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = format_list(format, args);
    va_end(args);
    return text;
}

/* ---- text that is safe to show ------------------------------------------------------------------- */

/* The code point at s, its length in *size; -1 and 1 if the bytes are not UTF-8. */
static long utf8_next(const char *s, size_t *size) {
    const unsigned char *u = (const unsigned char *)s;
    *size = 1;
    if (u[0] < 0x80) return u[0];
    size_t n = u[0] >= 0xF0 && u[0] < 0xF5   ? 4
               : u[0] >= 0xE0 && u[0] < 0xF0 ? 3
               : u[0] >= 0xC2 && u[0] < 0xE0 ? 2
                                             : 0;
    if (!n) return -1;
    long code = u[0] & (0xFF >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((u[i] & 0xC0) != 0x80) return -1;
        code = code << 6 | (u[i] & 0x3F);
    }
    static const long least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return -1;
    *size = n;
    return code;
}

/* Control characters steer a terminal; bidirectional overrides (U+202A.., U+2066..) make a name look like
 * another. */
static bool harmless(long code) {
    return code >= 0x20 && code != 0x7F && !(code >= 0x80 && code < 0xA0) &&
           !(code >= 0x2028 && code <= 0x202E) && !(code >= 0x2066 && code <= 0x2069);
}

char *cli_escape(const char *text, bool tsv) {
    char *escaped = cli_alloc(4 * strlen(text) + 1, 1), *out = escaped;
    for (size_t n; *text; text += n) {
        long code = utf8_next(text, &n);
        if (tsv && strchr("\t\n\r\\", (int)*text)) {
            *out++ = '\\';
            *out++ = *text == '\t' ? 't' : *text == '\n' ? 'n' : *text == '\r' ? 'r' : '\\';
        } else if (harmless(code)) {
            memcpy(out, text, n);
            out += n;
        } else {
            for (size_t i = 0; i < n; i++) out += sprintf(out, "\\x%02x", (unsigned char)text[i]);
        }
    }
    *out = 0;
    return escaped;
}

static int said_by; /* a rank other than 0, or 0 */

void cli_say_as(int rank) {
    said_by = rank;
}

void cli_say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = format_list(format, args);
    va_end(args);
    char *shown = cli_escape(text, false);
    cli_progress_suspend();
    if (said_by > 0)
        fprintf(stderr, "likeness: rank %d: %s\n", said_by, shown);
    else
        fprintf(stderr, "likeness: %s\n", shown);
    cli_progress_resume();
    free(shown);
    free(text);
}

int cli_exit_code(lk_status status) {
    switch (status) {
    case LK_OK: return CLI_OK;
    case LK_INVALID: return CLI_USAGE;
    case LK_NOT_FOUND:
    case LK_FORMAT:
    case LK_MISMATCH:
    case LK_TOO_LARGE:
    case LK_EMPTY: return CLI_INPUT;
    default: return CLI_SYSTEM;
    }
}

int cli_fail(const lk_error *err) {
    cli_say("%s", err->message);
    return cli_exit_code(err->status);
}

/* ---- tables ------------------------------------------------------------------------------------- */

struct cli_table {
    size_t columns, count;
    char align[24];
    const char *const *titles;
    char **cells; /* (count), row by row */
};

cli_table *cli_table_new(const char *columns, const char *const *titles) {
    cli_table *table = cli_alloc(1, sizeof *table);
    snprintf(table->align, sizeof table->align, "%s", columns);
    table->columns = strlen(table->align);
    table->titles = titles;
    return table;
}

void cli_table_cell(cli_table *table, const char *format, ...) {
    va_list args;
    va_start(args, format);
    table->cells = cli_grow(table->cells, table->count + 1, sizeof *table->cells);
    table->cells[table->count++] = format_list(format, args);
    va_end(args);
}

/* Columns a terminal needs: code points. Wide East Asian characters are counted as one and shift their row.
 */
static size_t text_width(const char *text) {
    size_t width = 0;
    for (; *text; text++) width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static void print_aligned(const cli_table *table, const char *const *row, const size_t *width) {
    for (size_t c = 0; c < table->columns; c++) {
        int pad = (int)(width[c] - text_width(row[c]));
        bool last = c + 1 == table->columns, right = table->align[c] == 'r';
        if (last && !right) pad = 0; /* no blanks at the end of a line */
        if (right)
            printf("%*s%s", pad, "", row[c]);
        else
            printf("%s%*s", row[c], pad, "");
        fputs(last ? "\n" : "  ", stdout);
    }
}

static void print_tabbed(const cli_table *table, const char *const *row) {
    for (size_t c = 0; c < table->columns; c++) printf("%s%c", row[c], c + 1 < table->columns ? '\t' : '\n');
}

void cli_table_print(cli_table *table, cli_style style) {
    size_t width[sizeof table->align] = {0};
    for (size_t c = 0; table->titles && c < table->columns; c++) width[c] = text_width(table->titles[c]);
    for (size_t i = 0; i < table->count; i++) {
        char *shown = cli_escape(table->cells[i], style == CLI_TSV);
        free(table->cells[i]);
        table->cells[i] = shown;
        size_t w = text_width(shown), *most = &width[i % table->columns];
        if (w > *most) *most = w;
    }
    for (size_t i = 0; i <= table->count; i += table->columns) {
        const char *const *row = i ? (const char *const *)table->cells + i - table->columns : table->titles;
        if (!row) continue;
        if (style == CLI_TSV)
            print_tabbed(table, row);
        else
            print_aligned(table, row, width);
    }
    for (size_t i = 0; i < table->count; i++) free(table->cells[i]);
    free(table->cells);
    free(table);
}

/* ---- JSON --------------------------------------------------------------------------------------- */

json_t *cli_json_text(const char *text) {
    if (!text) return json_null();
    char *clean = cli_alloc(3 * strlen(text) + 1, 1), *out = clean;
    for (size_t n; *text; text += n) {
        bool broken = utf8_next(text, &n) < 0;
        memcpy(out, broken ? "\xEF\xBF\xBD" : text, broken ? 3 : n); /* U+FFFD */
        out += broken ? 3 : n;
    }
    json_t *value = json_string(clean);
    free(clean);
    if (!value) no_memory();
    return value;
}

json_t *cli_json_real(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

void cli_json_print(FILE *out, json_t *value) {
    /* 9 significant digits give every float back exactly; ASCII, because what a terminal obeys may be beyond
     * it too. */
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9)) : NULL;
    if (!text) no_memory();
    fprintf(out, "%s\n", text);
    free(text);
    json_decref(value);
}

/* ---- result files -------------------------------------------------------------------------------- */

int cli_output_open(cli_output *output, const char *path) {
    *output = (cli_output){.file = stdout};
    if (!path || strcmp(path, "-") == 0) return CLI_OK;
    struct stat st;
    /* A device or pipe is written in place: renaming over /dev/full would replace it. A link keeps its
     * target. */
    bool in_place = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
    output->path = realpath(path, NULL);
    if (!output->path) output->path = cli_format("%s", path);
    if (!in_place) output->part = cli_format("%s.tmp.%ld", output->path, (long)getpid());
    output->file = fopen(in_place ? output->path : output->part, "wb");
    if (output->file) return CLI_OK;
    cli_say("%s: cannot write: %s", path, strerror(errno));
    free(output->path);
    free(output->part);
    *output = (cli_output){0};
    return CLI_SYSTEM;
}

int cli_output_close(cli_output *output, bool keep) {
    if (output->file == stdout) return CLI_OK; /* looked at when the program ends */
    bool good = fflush(output->file) == 0 && !ferror(output->file);
    if (good && output->part) good = fsync(fileno(output->file)) == 0;
    good = fclose(output->file) == 0 && good;
    if (good && keep && output->part) good = rename(output->part, output->path) == 0;
    int code = errno;
    if (output->part && (!good || !keep)) unlink(output->part);
    if (!good)
        cli_say("%s: cannot write: %s; the old file, if any, is as it was", output->path, strerror(code));
    free(output->path);
    free(output->part);
    *output = (cli_output){0};
    return good ? CLI_OK : CLI_SYSTEM;
}
