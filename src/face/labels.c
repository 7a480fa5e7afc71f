/* labels.c: a labels file, and its photos in memory. Detectors are taught with thousands of photos, each seen
 * many times and shrunk as often as not: decoded once and shrunk once, they fit. */
#include "face/labels.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS = 4 + 2 * LK_FACE_POINTS, FILE_LIMIT = 1 << 29 };

/* ---- the file ---------------------------------------------------------------------------------- */

/* Cuts the next field off *line. */
static char *field(char **line) {
    char *at = *line;
    if (!at) return NULL;
    char *end = strchr(at, '\t');
    if (end) *end = 0;
    *line = end ? end + 1 : NULL;
    return at;
}

static bool read_label(char *line, const char *kind, lk__label *out) {
    double v[NUMBERS];
    for (int i = 0; i < NUMBERS; i++) {
        char *text = field(&line), *end;
        if (!text) return false;
        v[i] = strtod(text, &end);
        if (end == text || *end || !(fabs(v[i]) < 1e6)) return false;
    }
    if (line || !(v[2] > 0 && v[3] > 0)) return false;
    *out =
        (lk__label){.face = {.x = (float)v[0], .y = (float)v[1], .width = (float)v[2], .height = (float)v[3]},
                    .ignored = strcmp(kind, "ignore") == 0};
    for (int i = 0; i < LK_FACE_POINTS; i++)
        out->face.point[i] = (lk_point){(float)v[4 + 2 * i], (float)v[5 + 2 * i]};
    return true;
}

/* The photo of this line: the last one, or a new one. */
static lk_status photo_of(lk__labels *l, const char *folder, int folder_length, const char *name,
                          size_t *room, lk__labelled **out, lk_error *err) {
    char path[4096];
    if (snprintf(path, sizeof path, "%.*s%s", *name == '/' ? 0 : folder_length, folder, name) >=
        (int)sizeof path)
        return lk__fail(err, LK_FORMAT, "the path '%.60s...' is too long", name);
    if (l->count > 0 && strcmp(l->photo[l->count - 1].path, path) == 0) {
        *out = &l->photo[l->count - 1];
        return LK_OK;
    }
    if (l->count == *room) {
        size_t more = *room ? 2 * *room : 256;
        lk__labelled *grown = realloc(l->photo, more * sizeof *grown);
        if (!grown) return lk__fail_memory(err, more * sizeof *grown, "the labels");
        l->photo = grown;
        *room = more;
    }
    char *copy = strdup(path);
    if (!copy) return lk__fail_memory(err, strlen(path), "the labels");
    l->photo[l->count] = (lk__labelled){.path = copy};
    *out = &l->photo[l->count++];
    return LK_OK;
}

static lk_status add_label(lk__labelled *photo, lk__label label, lk_error *err) {
    lk__label *grown = realloc(photo->label, (photo->count + 1) * sizeof *grown);
    if (!grown) return lk__fail_memory(err, (photo->count + 1) * sizeof *grown, "the labels");
    photo->label = grown;
    photo->label[photo->count++] = label;
    return LK_OK;
}

static lk_status read_lines(lk__labels *l, const char *path, lk_error *err) {
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0, number = 0;
    size_t room = 0;
    for (char *line = l->text, *next; line; line = next) {
        number++;
        next = strchr(line, '\n');
        if (next) *next++ = 0;
        line[strcspn(line, "\r")] = 0;
        if (!*line) continue;
        char *rest = line, *name = field(&rest), *kind = field(&rest);
        if (number == 1 && strcmp(name, "photo") == 0) continue;
        bool none = kind && strcmp(kind, "none") == 0;
        lk__label label;
        if (!*name || !kind || (!none && strcmp(kind, "face") != 0 && strcmp(kind, "ignore") != 0) ||
            (!none && !read_label(rest, kind, &label)))
            return lk__fail(
                err, LK_FORMAT,
                "%s, line %d: expected photo, face, ignore or none, and %d numbers, with tabs between "
                "them",
                path, number, NUMBERS);
        lk__labelled *photo = NULL;
        lk_status status = photo_of(l, path, folder, name, &room, &photo, err);
        if (status == LK_OK && !none) status = add_label(photo, label, err);
        if (status != LK_OK) return status;
    }
    return l->count > 0 ? LK_OK : lk__fail(err, LK_EMPTY, "%s: no photo is labelled in it", path);
}

lk_status lk__labels_read(const char *path, lk__labels *out, lk_error *err) {
    lk__labels l = {0};
    uint8_t *bytes = NULL;
    size_t size;
    lk_status status = lk__file_read(path, FILE_LIMIT, &bytes, &size, err);
    if (status != LK_OK) return status;
    l.text = (char *)bytes;
    status = strlen(l.text) == size ? read_lines(&l, path, err)
                                    : lk__fail(err, LK_FORMAT, "%s: a zero byte: no text, or UTF-16", path);
    if (status != LK_OK)
        lk__labels_free(&l);
    else
        *out = l;
    return status;
}

void lk__labels_free(lk__labels *l) {
    for (size_t i = 0; i < l->count; i++) {
        free(l->photo[i].path);
        free(l->photo[i].label);
        lk_image_free(l->photo[i].image);
        for (int k = 0; k < LK__SMALLER; k++) lk_image_free(l->photo[i].smaller[k]);
    }
    free(l->photo);
    free(l->text);
    *l = (lk__labels){0};
}

/* ---- the photos -------------------------------------------------------------------------------- */

typedef struct loading {
    lk__labels *labels;
    int most;
    void (*bad_photo)(void *context, const char *path, const lk_error *why);
    void *context;
    atomic_size_t next, read;
    pthread_mutex_t lock;
} loading;

static void scale_label(lk_face *f, double sx, double sy) {
    float *v = &f->x;
    for (int i = 0; i < NUMBERS; i++) { /* places from centre to centre of pixels, lengths just scaled */
        double s = i % 2 ? sy : sx, shift = i == 2 || i == 3 ? 0 : 0.5 * s - 0.5;
        v[i] = (float)((double)v[i] * s + shift);
    }
}

static lk_status load_one(lk__labelled *photo, int most, lk_error *err) {
    lk_image *image = NULL, *small = NULL;
    lk_status status = lk_image_load(photo->path, &image, err);
    if (status != LK_OK) return status;
    int w = lk_image_width(image), h = lk_image_height(image), longer = w > h ? w : h;
    if (longer > most) {
        double s = (double)most / longer;
        int sw = (int)fmax(1, round(s * w)), sh = (int)fmax(1, round(s * h));
        status = lk_image_resize(image, sw, sh, &small, err);
        lk_image_free(image);
        if (status != LK_OK) return status;
        image = small;
        for (size_t i = 0; i < photo->count; i++)
            scale_label(&photo->label[i].face, (double)sw / w, (double)sh / h);
    }
    photo->image = image;
    for (int k = 0; status == LK_OK && k < LK__SMALLER; k++) {
        int half_w = (lk_image_width(image) + 1) / 2, half_h = (lk_image_height(image) + 1) / 2;
        status = lk_image_resize(image, half_w, half_h, &photo->smaller[k], err);
        image = photo->smaller[k];
    }
    return status;
}

static void load_some(void *context, int thread, int threads) {
    loading *l = context;
    (void)thread;
    (void)threads;
    for (size_t i; (i = atomic_fetch_add(&l->next, 1)) < l->labels->count;) {
        lk_error why;
        if (load_one(&l->labels->photo[i], l->most, &why) == LK_OK) {
            atomic_fetch_add(&l->read, 1);
            continue;
        }
        pthread_mutex_lock(&l->lock);
        if (l->bad_photo) l->bad_photo(l->context, l->labels->photo[i].path, &why);
        pthread_mutex_unlock(&l->lock);
    }
}

lk_status lk__labels_load(lk__labels *labels, int most,
                          void (*bad_photo)(void *context, const char *path, const lk_error *why),
                          void *context, lk_error *err) {
    loading l = {.labels = labels, .most = most, .bad_photo = bad_photo, .context = context};
    pthread_mutex_init(&l.lock, NULL);
    lk__parallel(load_some, &l);
    pthread_mutex_destroy(&l.lock);
    return l.read > 0 ? LK_OK
                      : lk__fail(err, LK_EMPTY, "none of the %zu labelled photos can be read", labels->count);
}
