/* data_cache.c: what was read of photos, kept in a file: looking at 30,000 photos takes minutes, and is done
 * at least twice, to see what is wrong and to move it. A run that was stopped goes on from it, too.
 *
 *   one line that says by which model and options, then records one after the other (docs/formats.md)
 *
 * A record is believed if its checksum is right and the photo's file has the size and time it had. What a
 * killed run left half written at the end is cut off. Only photos that could be read are kept. */
#include "data.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_MOST = 8192 };

/* In the order of the machine's bytes: a cache is not for other machines. */
typedef struct record {
    uint64_t check; /* of all that follows, the key and the vector too */
    uint64_t bytes, changed;
    uint32_t key_size, dim; /* dim 0: no vector */
    int32_t width, height;
    uint32_t looked, faces;
    lk_signature signature;
} record; /* then the key, then dim floats */

typedef struct known {
    const char *key; /* in `data`, key_size bytes */
    size_t at;       /* of the record in `data` */
} known;

struct data_cache {
    char *path;
    FILE *file;   /* to append to */
    char *data;   /* what was in it at the start */
    known *items; /* (count) by key, later records of a key behind earlier ones */
    size_t size, count;
};

/* FNV-1a over words of 8 bytes, which is fast enough and finds what a torn write does. */
static uint64_t add_check(uint64_t check, const void *bytes, size_t size) {
    const unsigned char *p = bytes;
    for (; size > 0;) {
        uint64_t word = 0;
        size_t n = size < 8 ? size : 8;
        memcpy(&word, p, n);
        check = (check ^ word) * 0x100000001B3U;
        check ^= check >> 29;
        p += n;
        size -= n;
    }
    return check;
}

static uint64_t check_of(const record *r, const char *key, const void *vector) {
    uint64_t check =
        add_check(0xCBF29CE484222325U, (const char *)r + sizeof r->check, sizeof *r - sizeof r->check);
    check = add_check(check, key, r->key_size);
    return add_check(check, vector, r->dim * sizeof(float));
}

static char *key_of(const data_photo *p, lk_crop c) {
    return cli_format("%s\t%g,%g,%g,%g,%g", p->path, c.centre, c.x, c.y, c.width, c.height);
}

/* ---- opening ------------------------------------------------------------------------------------------- */

static char *detector_print(const data_options *o) {
    char *path =
        o->look.detector ? cli_format("%s", o->look.detector) : cli_shipped_model("detect.safetensors");
    lk_model *model = NULL;
    char *print = lk_model_open(path, &model, NULL) == LK_OK ? cli_format("%s", lk_model_fingerprint(model))
                                                             : cli_format("none");
    lk_model_free(model);
    free(path);
    return print;
}

static char *header_of(const data_options *o, const lk_model *model) {
    if (!model) return cli_format("likeness data cache 1: model none\n");
    char *detector = detector_print(o);
    char *header =
        cli_format("likeness data cache 1: model %s detector %s detect-size %d min-face %d confidence %g "
                   "detect %d aligned %d precision %d\n",
                   lk_model_fingerprint(model), detector, o->look.size, o->look.min_face, o->look.confidence,
                   o->look.detect, o->look.aligned, o->compute.precision);
    free(detector);
    return header;
}

/* Where the record at `at` ends; 0: it is not whole. */
static size_t end_of(const data_cache *c, size_t at, record *r) {
    if (c->size - at < sizeof *r) return 0;
    memcpy(r, c->data + at, sizeof *r);
    size_t left = c->size - at - sizeof *r;
    if (r->key_size > KEY_MOST || r->dim > 65536 || left < r->key_size + r->dim * sizeof(float)) return 0;
    const char *key = c->data + at + sizeof *r;
    return check_of(r, key, key + r->key_size) == r->check
               ? at + sizeof *r + r->key_size + r->dim * sizeof(float)
               : 0;
}

static int compare_keys(const char *a, size_t a_size, const char *b, size_t b_size) {
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

static size_t key_size(const data_cache *c, size_t at) {
    record r;
    memcpy(&r, c->data + at, sizeof r);
    return r.key_size;
}

static int by_key(const void *left, const void *right, void *context) {
    const data_cache *c = context;
    const known *a = left, *b = right;
    int order = compare_keys(a->key, key_size(c, a->at), b->key, key_size(c, b->at));
    return order ? order : (a->at > b->at) - (a->at < b->at);
}

/* Where what can be believed ends. */
static size_t read_records(data_cache *c, size_t at) {
    record r;
    for (size_t end; at < c->size && (end = end_of(c, at, &r)) > 0; at = end) {
        c->items = cli_grow(c->items, c->count + 1, sizeof *c->items);
        c->items[c->count++] = (known){c->data + at + sizeof r, at};
    }
    if (c->count) qsort_r(c->items, c->count, sizeof *c->items, by_key, c);
    return at;
}

static int cannot(const data_cache *c, const char *what) {
    cli_say("%s: cannot %s: %s", c->path, what, strerror(errno));
    return CLI_SYSTEM;
}

static int load(data_cache *c, const char *header) {
    struct stat st;
    if (fstat(fileno(c->file), &st) != 0) return cannot(c, "read");
    c->size = (size_t)st.st_size;
    c->data = cli_alloc(c->size + 1, 1);
    if (fseek(c->file, 0, SEEK_SET) != 0 || fread(c->data, 1, c->size, c->file) != c->size)
        return cannot(c, "read");
    size_t length = strlen(header), end;
    if (c->size == 0 || (c->size < length && memcmp(c->data, header, c->size) == 0)) {
        if (ftruncate(fileno(c->file), 0) != 0 || fputs(header, c->file) < 0) return cannot(c, "write");
        return CLI_OK;
    }
    if (c->size < length || memcmp(c->data, header, length) != 0) {
        cli_say("--cache: %s was not made by this model with these options; give another file, or remove it",
                c->path);
        return CLI_INPUT;
    }
    end = read_records(c, length);
    if (end < c->size && ftruncate(fileno(c->file), (off_t)end) != 0) return cannot(c, "write");
    return CLI_OK;
}

int data_cache_open(const data_options *o, const lk_model *model, data_cache **out) {
    data_cache *c = cli_alloc(1, sizeof *c);
    c->path = cli_format("%s", o->cache);
    c->file = fopen(c->path, "a+b");
    char *header = header_of(o, model);
    int code = c->file ? load(c, header) : cannot(c, "open");
    free(header);
    if (code == CLI_OK)
        *out = c;
    else
        data_cache_close(c);
    return code;
}

int data_cache_close(data_cache *c) {
    if (!c) return CLI_OK;
    int code = CLI_OK, failed = c->file && ferror(c->file);
    if (c->file && (fclose(c->file) != 0 || failed)) code = cannot(c, "write");
    free(c->path);
    free(c->data);
    free(c->items);
    free(c);
    return code;
}

/* ---- photos -------------------------------------------------------------------------------------------- */

/* The last record of the key, or NULL. */
static const known *find(const data_cache *c, const char *key) {
    size_t low = 0, high = c->count, size = strlen(key); /* the first one beyond */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const known *k = &c->items[middle];
        if (compare_keys(k->key, key_size(c, k->at), key, size) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    const known *k = low ? &c->items[low - 1] : NULL;
    return k && compare_keys(k->key, key_size(c, k->at), key, size) == 0 ? k : NULL;
}

bool data_cache_get(const data_cache *c, data_set *set, size_t photo, lk_crop crop) {
    data_photo *p = &set->photos[photo];
    char *key = key_of(p, crop);
    const known *k = find(c, key);
    free(key);
    if (!k) return false;
    record r;
    memcpy(&r, c->data + k->at, sizeof r);
    if (r.bytes != p->bytes || r.changed != p->changed || (r.dim && (int)r.dim != set->dim)) return false;
    p->width = r.width;
    p->height = r.height;
    p->looked = r.looked;
    p->faces = r.faces;
    p->judged = r.dim > 0;
    set->signatures[photo] = r.signature;
    if (r.dim) memcpy(set->vectors + photo * (size_t)set->dim, k->key + r.key_size, r.dim * sizeof(float));
    return true;
}

void data_cache_put(data_cache *c, const data_set *set, size_t photo, lk_crop crop) {
    const data_photo *p = &set->photos[photo];
    char *key = key_of(p, crop);
    const float *vector = p->judged ? set->vectors + photo * (size_t)set->dim : NULL;
    record r;
    memset(&r, 0, sizeof r); /* padding is part of the check */
    r.bytes = p->bytes;
    r.changed = p->changed;
    r.key_size = (uint32_t)strlen(key);
    r.dim = vector ? (uint32_t)set->dim : 0;
    r.width = p->width;
    r.height = p->height;
    r.looked = p->looked;
    r.faces = (uint32_t)p->faces;
    r.signature = set->signatures[photo];
    r.check = check_of(&r, key, vector ? (const void *)vector : key);
    if (r.key_size <= KEY_MOST) {
        fwrite(&r, sizeof r, 1, c->file);
        fwrite(key, 1, r.key_size, c->file);
        if (vector) fwrite(vector, sizeof *vector, r.dim, c->file);
    }
    free(key);
}
